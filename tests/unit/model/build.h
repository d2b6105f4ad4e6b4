/*
 * A small laboratory for judgements: facts are put together piece by piece, judged, and the verdict
 * is carried forward as what we remember, so that a test can tell a story step by step.
 *
 *   struct lab *l = lab_new();
 *   lab_deployment(l, "web", 2);
 *   lab_service(l, "web", "app", "web", 80, "8080");
 *   struct facts_binding *b = lab_binding(l, "web", "web", "80", "ip");
 *   struct kube_pod *p = lab_pod(l, "web-1", "hash1");      label app=web comes with it
 *   lab_gate(l, p, LBC "web");
 *   lab_containers_ready(l, p, true);
 *   lab_condition(l, p, LBC "web", "False", "Elb.RegistrationInProgress", "");
 *   lab_target(l, b, p, 8080, "initial", "Elb.RegistrationInProgress");  the group becomes known
 *   const struct rollout_verdict *v = lab_judge(l);         judged at l->f.now
 *   lab_after(l, 30);                                       remembers v, moves 30 s on
 *   lab_free(l);
 *
 * Pods, bindings and all else are ordinary records of the model: change any field directly.
 * Everything lives in the laboratory's arena. Capacities are fixed and asserted.
 */
#ifndef GATEHOUSE_TESTS_MODEL_BUILD_H
#define GATEHOUSE_TESTS_MODEL_BUILD_H

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "model/model.h"
#include "model/pack.h"

#define LBC       "target-health.elbv2.k8s.aws/"
#define AUTO_GATE "target-health.eks.amazonaws.com/"
#define V1        "target-health.alb.ingress.k8s.aws/"

enum { LAB_MANY = 64, LAB_PODS = 1200, LAB_TARGETS = 1200 };
#define LAB_T0 INT64_C(1800000000000) /* the laboratory's clock starts here */

struct lab {
    struct arena *a;
    struct policy policy;
    struct facts_cluster cluster;
    struct facts_namespace ns;
    struct kube_namespace ns_object;
    struct rollout_prior prior;
    struct facts f;
    struct kube_workload workload;
    struct kube_pod **pods; /* in the order of f.pods */
    struct facts_pod *facts_pods;
    struct pod_track *tracks;
    struct kube_service *services;
    struct facts_binding *bindings;
    struct kube_slice *slices;
    struct facts_event *events;
    struct kube_pdb *pdbs;
    struct kube_hpa *hpas;
    struct kube_ingress *ingresses;
    struct facts_revision *revisions;
    struct kube_webhook_config *webhook_configs;
    struct kube_lease *leases;
    struct facts_node *nodes;
    struct rollout_verdict v;
};

#define LAB_LIST(l, list, array, cap)                                                              \
    (assert((list).n < (uint32_t)(cap)), (list).items = (array), (list).n++, &(array)[(list).n - 1])

static inline struct lab *lab_new(void)
{
    struct lab *l = xcalloc(1, sizeof *l);
    l->a = arena_new(1 << 16);
    l->policy = (struct policy){.slow_factor_percent = 200,
                                .stuck_factor_percent = 300,
                                .stuck_min_ms = 90000,
                                .recheck_ms = 15000,
                                .stale_after_ms = 90000,
                                .lease_stale_ms = 60000,
                                .runbook = ""};
    l->facts_pods = arena_array(l->a, struct facts_pod, LAB_PODS);
    l->tracks = arena_array(l->a, struct pod_track, LAB_PODS);
    l->pods = arena_array(l->a, struct kube_pod *, LAB_PODS);
    l->services = arena_array(l->a, struct kube_service, LAB_MANY);
    l->bindings = arena_array(l->a, struct facts_binding, LAB_MANY);
    l->slices = arena_array(l->a, struct kube_slice, LAB_MANY);
    l->events = arena_array(l->a, struct facts_event, LAB_MANY);
    l->pdbs = arena_array(l->a, struct kube_pdb, LAB_MANY);
    l->hpas = arena_array(l->a, struct kube_hpa, LAB_MANY);
    l->ingresses = arena_array(l->a, struct kube_ingress, LAB_MANY);
    l->revisions = arena_array(l->a, struct facts_revision, LAB_MANY);
    l->webhook_configs = arena_array(l->a, struct kube_webhook_config, LAB_MANY);
    l->leases = arena_array(l->a, struct kube_lease, LAB_MANY);
    l->nodes = arena_array(l->a, struct facts_node, LAB_MANY);
    record_clear(kind_info(KIND_NAMESPACE)->table, &l->ns_object);
    l->ns_object.meta.name = "shop";
    l->ns = (struct facts_namespace){.name = "shop", .object = &l->ns_object};
    l->cluster = (struct facts_cluster){.now = LAB_T0,
                                        .started_at = LAB_T0 - 3600000,
                                        .has_lbc = true,
                                        .aws_known = true,
                                        .aws_state = "ok",
                                        .aws_message = "",
                                        .kube_ok_at = LAB_T0,
                                        .kube_state = "ok",
                                        .kube_message = "",
                                        .denied_kinds = ""};
    l->prior = (struct rollout_prior){.state = -1, .revision_hash = "", .cause = ""};
    l->f = (struct facts){.now = LAB_T0,
                          .policy = &l->policy,
                          .cluster = &l->cluster,
                          .ns = &l->ns,
                          .kind = "Pod",
                          .name = "",
                          .uid = "",
                          .prior = &l->prior};
    return l;
}

static inline void lab_free(struct lab *l)
{
    arena_free(l->a);
    free(l);
}

/* Appends key=value to a map. */
static inline void lab_kv(struct lab *l, struct kvs *kvs, const char *key, const char *value)
{
    struct kv *items = arena_array(l->a, struct kv, kvs->n + 1);
    uint32_t n = 0;
    for (uint32_t i = 0; i < kvs->n; i++) {
        if (strcmp(kvs->items[i].key, key) != 0) {
            items[n++] = kvs->items[i];
        }
    }
    items[n++] = (struct kv){key, value};
    *kvs = (struct kvs){items, n};
}

static inline void lab_str(struct lab *l, struct strs *s, const char *value)
{
    const char **items = arena_array(l->a, const char *, s->n + 1);
    for (uint32_t i = 0; i < s->n; i++) {
        items[i] = s->items[i];
    }
    items[s->n] = value;
    *s = (struct strs){items, s->n + 1};
}

/* Appends one zeroed item of `size` bytes to a list and returns it. */
static inline void *lab_item(struct lab *l, struct list *list, size_t size)
{
    char *items = arena_zalloc(l->a, size * (list->n + 1));
    if (list->n > 0) {
        memcpy(items, list->items, size * list->n);
    }
    list->items = items;
    return items + size * list->n++;
}

/* The injection label of the namespace: "enabled" under the controller's own key. */
static inline void lab_inject(struct lab *l)
{
    lab_kv(l, &l->ns_object.meta.labels, "elbv2.k8s.aws/pod-readiness-gate-inject", "enabled");
}

/* The workload itself, of any kind with a record. Adds no revision. */
static inline struct kube_workload *lab_workload(struct lab *l, enum kind kind, const char *name,
                                                 int64_t replicas)
{
    struct kube_workload *w = &l->workload;
    record_clear(kind_info(kind)->table, w);
    w->meta.kind = kind;
    w->meta.name = name;
    w->meta.namespace = "shop";
    w->meta.uid = arena_printf(l->a, "uid-%s", name);
    w->meta.created_at = LAB_T0 - 86400000;
    w->meta.generation = 1;
    w->observed_generation = "1";
    w->replicas = replicas;
    w->desired_scheduled = replicas;
    w->updated_replicas = replicas;
    l->f.workload = w;
    l->f.kind = kind_info(kind)->name;
    l->f.name = name;
    l->f.uid = w->meta.uid;
    return w;
}

/* A revision object of the workload: ReplicaSet (with its record) or ControllerRevision. */
static inline struct facts_revision *lab_revision(struct lab *l, const char *name, const char *hash,
                                                  int64_t number)
{
    struct facts_revision *r = LAB_LIST(l, l->f.revisions, l->revisions, LAB_MANY);
    *r = (struct facts_revision){
        .name = name, .hash = hash, .number = number, .created_at = l->f.now - 60000};
    if (l->workload.meta.kind == KIND_DEPLOYMENT) {
        struct kube_workload *rs = arena_alloc(l->a, sizeof *rs);
        record_clear(kind_info(KIND_REPLICASET)->table, rs);
        rs->meta.kind = KIND_REPLICASET;
        rs->meta.name = name;
        rs->meta.uid = arena_printf(l->a, "uid-%s", name);
        rs->meta.created_at = r->created_at;
        struct owner *o = lab_item(l, &rs->meta.owners, sizeof *o);
        *o = (struct owner){"apps/v1", "Deployment", l->f.name, l->f.uid, 1};
        r->replicaset = rs;
    }
    return r;
}

/* A Deployment at revision 1 with hash "hash1". */
static inline struct kube_workload *lab_deployment(struct lab *l, const char *name,
                                                   int64_t replicas)
{
    struct kube_workload *w = lab_workload(l, KIND_DEPLOYMENT, name, replicas);
    w->strategy = "RollingUpdate";
    lab_kv(l, &w->meta.annotations, "deployment.kubernetes.io/revision", "1");
    (void)lab_revision(l, arena_printf(l->a, "%s-hash1", name), "hash1", 1);
    return w;
}

/* The Deployment goes to a new revision: annotation, ReplicaSet. */
static inline void lab_new_revision(struct lab *l, const char *hash, int64_t number)
{
    lab_kv(l, &l->workload.meta.annotations, "deployment.kubernetes.io/revision",
           arena_printf(l->a, "%lld", (long long)number));
    (void)lab_revision(l, arena_printf(l->a, "%s-%s", l->f.name, hash), hash, number);
}

static inline struct condition *lab_condition(struct lab *l, struct kube_pod *p, const char *type,
                                              const char *status, const char *reason,
                                              const char *message);

/* A pod of the revision with label app=WORKLOAD (or its own name), created now, on an address of
 * its own, one container, containers not ready. Never seen before. */
static inline struct kube_pod *lab_pod(struct lab *l, const char *name, const char *hash)
{
    struct kube_pod *p = arena_alloc(l->a, sizeof *p);
    record_clear(kind_info(KIND_POD)->table, p);
    uint32_t i = l->f.pods.n;
    p->meta.kind = KIND_POD;
    p->meta.name = name;
    p->meta.namespace = "shop";
    p->meta.uid = arena_printf(l->a, "uid-pod-%s", name);
    p->meta.created_at = l->f.now / 1000 * 1000;
    p->phase = "Running";
    p->node = "node-1";
    p->ip = arena_printf(l->a, "10.0.%u.%u", i / 250, i % 250 + 1);
    lab_str(l, &p->ips, p->ip);
    lab_kv(l, &p->meta.labels, "app", l->f.name[0] != '\0' ? l->f.name : name);
    struct container_spec *c = lab_item(l, &p->containers, sizeof *c);
    *c = (struct container_spec){.name = "app",
                                 .image = "example.org/app:1",
                                 .probe_path = "",
                                 .probe_port = "",
                                 .probe_scheme = "",
                                 .prestop_sleep_seconds = -1};
    struct container_port *port = lab_item(l, &c->ports, sizeof *port);
    *port = (struct container_port){"http", 8080};
    struct container_status *s = lab_item(l, &p->statuses, sizeof *s);
    *s = (struct container_status){.name = "app",
                                   .started = -1,
                                   .image = c->image,
                                   .waiting_reason = "",
                                   .waiting_message = "",
                                   .running_since = l->f.now,
                                   .is_running = 1,
                                   .terminated_reason = "",
                                   .exit_code = -1,
                                   .last_reason = ""};
    if (hash[0] != '\0') {
        const char *key =
            l->workload.meta.kind == KIND_ARGO_ROLLOUT ? "rollouts-pod-template-hash"
            : l->workload.meta.kind == KIND_STATEFULSET || l->workload.meta.kind == KIND_DAEMONSET
                ? "controller-revision-hash"
                : "pod-template-hash";
        lab_kv(l, &p->meta.labels, key, hash);
    }
    struct facts_pod *fp = LAB_LIST(l, l->f.pods, l->facts_pods, LAB_PODS);
    l->tracks[i] = (struct pod_track){.state = -1};
    l->pods[i] = p;
    *fp = (struct facts_pod){
        .id = (int64_t)i + 1, .pod = p, .track = &l->tracks[i], .revision = hash};
    (void)lab_condition(l, p, "ContainersReady", "False", "ContainersNotReady", "");
    (void)lab_condition(l, p, "Ready", "False", "ContainersNotReady", "");
    return p;
}

static inline void lab_gate(struct lab *l, struct kube_pod *p, const char *type)
{
    lab_str(l, &p->gates, type);
}

/* Sets a condition of a pod (transition time: now when the status changes). */
static inline struct condition *lab_condition(struct lab *l, struct kube_pod *p, const char *type,
                                              const char *status, const char *reason,
                                              const char *message)
{
    struct condition *items = arena_array(l->a, struct condition, p->conditions.n + 1);
    uint32_t n = p->conditions.n;
    struct condition *c = NULL;
    if (n > 0) {
        memcpy(items, p->conditions.items, n * sizeof *items);
    }
    for (uint32_t i = 0; i < n; i++) {
        if (strcmp(items[i].type, type) == 0) {
            c = &items[i];
        }
    }
    if (c == NULL) {
        c = &items[n++];
        *c = (struct condition){.type = type, .status = "none"};
    }
    if (strcmp(c->status, status) != 0) {
        c->transition_at = l->f.now;
    }
    c->status = status;
    c->reason = reason;
    c->message = message;
    p->conditions = (struct list){items, n};
    return c;
}

/* The containers get ready or stop being so; Ready follows by kubelet's rule. Call it (or
 * lab_kubelet) again after the gates changed. */
static inline void lab_kubelet(struct lab *l, struct kube_pod *p)
{
    bool containers = condition_true(&p->conditions, "ContainersReady");
    bool gates = true;
    for (uint32_t i = 0; i < p->gates.n; i++) {
        gates = gates && condition_true(&p->conditions, p->gates.items[i]);
    }
    (void)lab_condition(l, p, "Ready", containers && gates ? "True" : "False",
                        !containers ? "ContainersNotReady"
                        : gates     ? ""
                                    : "ReadinessGatesNotReady",
                        "");
}
static inline void lab_containers_ready(struct lab *l, struct kube_pod *p, bool ready)
{
    (void)lab_condition(l, p, "ContainersReady", ready ? "True" : "False",
                        ready ? "" : "ContainersNotReady", "");
    lab_kubelet(l, p);
}

/* A gate's condition as the controller writes it, and kubelet's Ready after it. */
static inline void lab_gate_set(struct lab *l, struct kube_pod *p, const char *type,
                                const char *status, const char *reason)
{
    (void)lab_condition(l, p, type, status, reason, "");
    lab_kubelet(l, p);
}

static inline void lab_delete(struct lab *l, struct kube_pod *p)
{
    p->meta.deleted_at = l->f.now + 30000;
    p->meta.grace_seconds = 30;
}

static inline struct kube_service *lab_service(struct lab *l, const char *name, const char *key,
                                               const char *value, int64_t port,
                                               const char *target_port)
{
    struct kube_service *s = LAB_LIST(l, l->ns.services, l->services, LAB_MANY);
    record_clear(kind_info(KIND_SERVICE)->table, s);
    s->meta.kind = KIND_SERVICE;
    s->meta.name = name;
    s->meta.namespace = "shop";
    lab_kv(l, &s->selector, key, value);
    struct service_port *sp = lab_item(l, &s->ports, sizeof *sp);
    *sp = (struct service_port){"http", "TCP", port, target_port, 0};
    return s;
}

/* A binding on a Service made before it (none of that name: its Service is missing). Its group is
 * not known until lab_target or lab_group_known. Usual time 40/60 s from history. */
static inline struct facts_binding *lab_binding(struct lab *l, const char *name,
                                                const char *service, const char *port,
                                                const char *target_type)
{
    struct facts_binding *fb = LAB_LIST(l, l->ns.bindings, l->bindings, LAB_MANY);
    struct kube_binding *b = arena_alloc(l->a, sizeof *b);
    record_clear(kind_info(KIND_BINDING_LBC)->table, b);
    b->meta.kind = KIND_BINDING_LBC;
    b->meta.name = name;
    b->meta.namespace = "shop";
    b->meta.created_at = LAB_T0 - 86400000;
    b->api_version = "elbv2.k8s.aws/v1beta1";
    b->arn = arena_printf(
        l->a, "arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/%s/0123", name);
    b->target_type = target_type;
    b->service = service;
    b->service_port = port;
    const struct kube_service *s = NULL;
    for (uint32_t i = 0; i < l->ns.services.n; i++) {
        if (strcmp(l->services[i].meta.name, service) == 0) {
            s = &l->services[i];
        }
    }
    struct facts_group *g = arena_zalloc(l->a, sizeof *g);
    g->arn = b->arn;
    g->error = "";
    struct facts_target *targets = arena_array(l->a, struct facts_target, LAB_TARGETS);
    g->targets.items = targets;
    *fb = (struct facts_binding){.binding = b,
                                 .service = s,
                                 .group = g,
                                 .usual = {40000, 60000, true},
                                 .first_seen_at = LAB_T0 - 3600000};
    return fb;
}

/* ELBv2 has answered for this binding's group, as of now. */
static inline void lab_group_known(struct lab *l, struct facts_binding *fb)
{
    fb->group->known = true;
    fb->group->observed_at = l->f.now;
    if (fb->group->first_observed_at == 0) {
        fb->group->first_observed_at = l->f.now;
    }
}

/* What ELBv2 says of a pod's address and port; a second call changes the same target. */
static inline struct facts_target *lab_target(struct lab *l, struct facts_binding *fb,
                                              const struct kube_pod *p, int64_t port,
                                              const char *state, const char *reason)
{
    lab_group_known(l, fb);
    struct facts_target *targets = (struct facts_target *)(uintptr_t)fb->group->targets.items;
    struct facts_target *t = NULL;
    for (uint32_t i = 0; i < fb->group->targets.n; i++) {
        if (strcmp(targets[i].t.id, p->ip) == 0 && targets[i].t.port == port) {
            t = &targets[i];
        }
    }
    if (t == NULL) {
        assert(fb->group->targets.n < LAB_TARGETS);
        t = &targets[fb->group->targets.n++];
        record_clear(&elb_target_table, &t->t);
        t->t.id = p->ip;
        t->t.port = port;
        t->first_seen_at = l->f.now;
    }
    if (strcmp(t->t.state, state) != 0) {
        t->state_since = l->f.now;
    }
    t->t.state = state;
    t->t.reason = reason;
    if (strcmp(state, "healthy") == 0 && t->healthy_at == 0) {
        t->healthy_at = l->f.now;
    }
    return t;
}

/* One slice of a Service with all pods its selector takes; ready as kubelet says. Call again to
 * rebuild it. */
static inline struct kube_slice *lab_slice(struct lab *l, const struct kube_service *s)
{
    struct kube_slice *slice = NULL;
    for (uint32_t i = 0; i < l->ns.slices.n; i++) {
        const char *of = kvs_get(&l->slices[i].meta.labels, "kubernetes.io/service-name");
        if (of != NULL && strcmp(of, s->meta.name) == 0) {
            slice = &l->slices[i];
        }
    }
    if (slice == NULL) {
        slice = LAB_LIST(l, l->ns.slices, l->slices, LAB_MANY);
    }
    record_clear(kind_info(KIND_ENDPOINT_SLICE)->table, slice);
    slice->meta.kind = KIND_ENDPOINT_SLICE;
    slice->meta.name = arena_printf(l->a, "%s-abcde", s->meta.name);
    lab_kv(l, &slice->meta.labels, "kubernetes.io/service-name", s->meta.name);
    slice->address_type = "IPv4";
    struct endpoint *items = arena_array(l->a, struct endpoint, l->f.pods.n + 1);
    uint32_t n = 0;
    for (uint32_t i = 0; i < l->f.pods.n; i++) {
        const struct kube_pod *p = l->pods[i];
        if (!kvs_subset(&s->selector, &p->meta.labels)) {
            continue;
        }
        bool ready = condition_true(&p->conditions, "Ready");
        bool deleting = p->meta.deleted_at != 0;
        items[n++] = (struct endpoint){.addresses = p->ips,
                                       .ready = ready && !deleting,
                                       .serving = ready,
                                       .terminating = deleting,
                                       .target_kind = "Pod",
                                       .target_name = p->meta.name,
                                       .target_uid = p->meta.uid,
                                       .node = p->node,
                                       .zone = ""};
    }
    slice->endpoints = (struct list){items, n};
    struct slice_port *port = lab_item(l, &slice->ports, sizeof *port);
    *port = (struct slice_port){"http", 8080};
    return slice;
}

/* A warning of the namespace. */
static inline struct kube_event *lab_event(struct lab *l, const char *kind, const char *name,
                                           const char *reason, const char *message)
{
    struct facts_event *fe = LAB_LIST(l, l->ns.events, l->events, LAB_MANY);
    struct kube_event *e = arena_alloc(l->a, sizeof *e);
    record_clear(kind_info(KIND_EVENT)->table, e);
    e->meta.kind = KIND_EVENT;
    e->meta.name = arena_printf(l->a, "%s.%u", name, l->ns.events.n);
    e->object_kind = kind;
    e->object_name = name;
    e->object_namespace = "shop";
    e->type = "Warning";
    e->reason = reason;
    e->message = message;
    e->count = 1;
    e->first_at = l->f.now;
    e->last_at = l->f.now;
    *fe = (struct facts_event){.event = e, .first_seen_at = l->f.now};
    return e;
}

/* Moves the clock without judging. */
static inline void lab_clock(struct lab *l, int64_t seconds)
{
    l->f.now += seconds * 1000;
    l->cluster.now = l->f.now;
    l->cluster.kube_ok_at = l->f.now;
}

static inline const struct rollout_verdict *lab_judge(struct lab *l)
{
    judge_rollout(&l->f, l->a, &l->v);
    return &l->v;
}

/* Remembers the last verdict the way the store does. */
static inline void lab_remember(struct lab *l)
{
    struct rollout_verdict *v = &l->v;
    l->prior.state = (int64_t)v->state;
    l->prior.since = v->since;
    l->prior.started_at = v->started_at;
    l->prior.revision_hash = v->revision_hash;
    l->prior.pace = (int64_t)v->pace;
    if (v->state == ROLLOUT_SERVING && l->prior.served_at == 0) {
        l->prior.served_at = l->f.now;
    }
    l->prior.cause = v->primary != NULL ? v->primary->code : "";
    l->prior.cause_since = v->primary != NULL ? v->primary->since : 0;
    struct prior_finding *findings = arena_array(l->a, struct prior_finding, v->findings.n + 1);
    for (uint32_t i = 0; i < v->findings.n; i++) {
        const struct finding *f = LIST_AT(struct finding, v->findings, i);
        findings[i] = (struct prior_finding){f->code, f->object, f->since};
    }
    l->prior.findings = (struct list){findings, v->findings.n};
    for (uint32_t i = 0; i < v->pods.n; i++) {
        l->tracks[i] = LIST_AT(struct pod_verdict, v->pods, i)->track;
    }
}

/* Remembers the last verdict and moves the clock. */
static inline void lab_after(struct lab *l, int64_t seconds)
{
    lab_remember(l);
    lab_clock(l, seconds);
}

/* Judges, remembers and moves on: a step whose verdict is of no interest. */
static inline void lab_step(struct lab *l, int64_t seconds)
{
    (void)lab_judge(l);
    lab_after(l, seconds);
}

static inline const struct pod_verdict *lab_pod_verdict(const struct lab *l, uint32_t i)
{
    assert(i < l->v.pods.n);
    return LIST_AT(struct pod_verdict, l->v.pods, i);
}

/* The finding of that code, or NULL. */
static inline const struct finding *lab_finding(const struct lab *l, const char *code)
{
    for (uint32_t i = 0; i < l->v.findings.n; i++) {
        const struct finding *f = LIST_AT(struct finding, l->v.findings, i);
        if (strcmp(f->code, code) == 0) {
            return f;
        }
    }
    return NULL;
}

#endif
