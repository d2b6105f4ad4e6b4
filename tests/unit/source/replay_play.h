/*
 * The play on a stage (replay_stage.h): changes and ELBv2's answers in order of time, and a
 * judgement after each.
 */
#ifndef GATEHOUSE_TESTS_SOURCE_REPLAY_PLAY_H
#define GATEHOUSE_TESTS_SOURCE_REPLAY_PLAY_H

#include "unit/source/replay_stage.h"

/* ---- the clock ---- */

static void apply_script(struct stage *s);
static void judge_now(struct stage *s);

static void clock_to(struct stage *s, int64_t at)
{
    while (s->l->f.now + TICK_MS < at) {
        s->l->f.now += TICK_MS;
        judge_now(s);
    }
    if (at > s->l->f.now) {
        s->l->f.now = at;
    }
}

/* ---- changes ---- */

static const char *text_of(struct lab *l, const json_t *value)
{
    return arena_strdup(l->a, json_is_string(value) ? json_string_value(value) : "");
}

static void flip(struct stage *s, const char *type)
{
    struct facts_binding *fb = binding_named(s, gate_binding_name(type));
    if (fb != NULL) {
        fb->gate_flipped_at = s->l->f.now;
        s->l->cluster.controller_flip_at = s->l->f.now;
    }
}

static void set_condition(struct stage *s, struct kube_pod *p, const char *type, const json_t *v)
{
    const struct condition *old = condition_get(&p->conditions, type);
    const char *status = text_of(s->l, json_array_get(v, 0));
    bool moved = old == NULL || strcmp(old->status, status) != 0;
    struct condition *c =
        lab_condition(s->l, p, arena_strdup(s->l->a, type), status,
                      text_of(s->l, json_array_get(v, 1)), text_of(s->l, json_array_get(v, 2)));
    if (moved) {
        c->transition_at = s->l->f.now / 1000 * 1000;
        if (gate_binding_name(type)[0] != '\0') {
            flip(s, type);
        }
    }
}

static void change_pod(struct stage *s, struct actor *a, const json_t *change)
{
    const char *key = NULL;
    json_t *v = NULL;
    a->present = true;
    json_object_foreach((json_t *)(uintptr_t)change, key, v)
    {
        if (strcmp(key, "gone") == 0) {
            a->present = false;
        } else if (strcmp(key, "deleting") == 0) {
            a->pod->meta.deleted_at = json_is_true(v) ? s->l->f.now + 30000 : 0;
        } else if (strcmp(key, "podIP") == 0) {
            a->pod->ip = text_of(s->l, v);
            a->pod->ips = (struct strs){0};
            lab_str(s->l, &a->pod->ips, a->pod->ip);
        } else if (strcmp(key, "phase") == 0) {
            a->pod->phase = text_of(s->l, v);
        } else if (json_is_array(v)) {
            set_condition(s, a->pod, key, v);
        }
    }
}

static const json_t *object_named(const struct stage *s, enum kind kind, const char *name)
{
    size_t i = 0;
    const json_t *o = NULL;
    json_array_foreach(json_object_get(s->doc, "objects"), i, o)
    {
        const char *n = json_string_value(json_object_get(json_object_get(o, "metadata"), "name"));
        if (kind_of(o) == kind && in_namespace(s, o) && strcmp(n, name) == 0) {
            return o;
        }
    }
    return NULL;
}

static void drop_binding(struct stage *s, struct facts_binding *fb)
{
    struct facts_binding *last = &s->l->bindings[s->l->ns.bindings.n - 1];
    *fb = *last;
    s->l->ns.bindings.n--;
}

static void change_binding(struct stage *s, const char *name, const json_t *change)
{
    struct facts_binding *fb = binding_named(s, name);
    if (fb == NULL) {
        const json_t *o = object_named(s, KIND_BINDING_LBC, name);
        if (o == NULL) {
            return;
        }
        fb = add_binding(s, binding_record(s, o));
    }
    struct kube_binding *b = (struct kube_binding *)(uintptr_t)fb->binding;
    const char *key = NULL;
    json_t *v = NULL;
    json_object_foreach(json_object_get(change, "annotations"), key, v)
    {
        lab_kv(s->l, &b->meta.annotations, arena_strdup(s->l->a, key), text_of(s->l, v));
    }
    if (json_is_true(json_object_get(change, "deleting"))) {
        b->meta.deleted_at = s->l->f.now;
    }
    const json_t *conditions = json_object_get(json_object_get(change, "status"), "conditions");
    const json_t *c = json_array_get(conditions, 0);
    if (c != NULL) {
        struct condition *item = arena_array(s->l->a, struct condition, 1);
        *item = (struct condition){.type = text_of(s->l, json_object_get(c, "type")),
                                   .status = text_of(s->l, json_object_get(c, "status")),
                                   .reason = text_of(s->l, json_object_get(c, "reason")),
                                   .message = text_of(s->l, json_object_get(c, "message"))};
        b->conditions = (struct list){item, 1};
    }
    if (json_object_get(change, "gone") != NULL) {
        drop_binding(s, fb);
    }
}

/* The event that an update without a reason belongs to: of its object, the merged one before the
 * last one. */
static struct kube_event *last_event(struct stage *s, const char *on)
{
    struct kube_event *found = NULL;
    for (uint32_t i = 0; i < s->l->ns.events.n; i++) {
        const struct kube_event *e = s->l->events[i].event;
        char name[512];
        (void)snprintf(name, sizeof name, "%s/%s", e->object_kind, e->object_name);
        if (strcmp(name, on) == 0 && (found == NULL || !starts(found->message, "(combined") ||
                                      starts(e->message, "(combined"))) {
            found = (struct kube_event *)(uintptr_t)e;
        }
    }
    return found;
}

static void change_event(struct stage *s, const char *on, const json_t *change)
{
    struct lab *l = s->l;
    const char *reason = json_string_value(json_object_get(change, "reason"));
    struct kube_event *e = NULL;
    int64_t second = l->f.now / 1000 * 1000;
    if (reason != NULL) {
        if (!starts(reason, "Failed") && strcmp(reason, "BackendNotFound") != 0) {
            return;
        }
        const char *slash = strchr(on, '/');
        assert_non_null(slash);
        if (l->ns.events.n == LAB_MANY) {
            l->ns.events.n = 0; /* the oldest have expired */
        }
        e = lab_event(l, arena_strndup(l->a, on, (size_t)(slash - on)),
                      arena_strdup(l->a, slash + 1), arena_strdup(l->a, reason), "");
        e->first_at = second;
        e->meta.resource_version = arena_printf(l->a, "%lld", (long long)l->f.now);
    } else {
        e = last_event(s, on);
    }
    if (e == NULL) {
        return;
    }
    if (json_object_get(change, "message") != NULL) {
        e->message = text_of(l, json_object_get(change, "message"));
    } else if (reason == NULL && strcmp(e->reason, "FailedReconcile") == 0 &&
               !starts(e->message, "(combined")) {
        return; /* a count of SuccessfullyReconciled */
    }
    e->last_at = second;
    e->meta.resource_version = arena_printf(l->a, "%lld", (long long)l->f.now);
}

static void play_change(struct stage *s, const json_t *t)
{
    const char *kind = json_string_value(json_object_get(t, "kind"));
    const char *name = json_string_value(json_object_get(t, "name"));
    const json_t *change = json_object_get(t, "change");
    if (strcmp(kind, "pods") == 0) {
        struct actor *a = actor_named(s, name);
        if (a != NULL) {
            change_pod(s, a, change);
        }
    } else if (strcmp(kind, "targetgroupbindings") == 0) {
        change_binding(s, name, change);
    } else if (strcmp(kind, "events") == 0) {
        change_event(s, name, change);
    }
}

/* ---- ELBv2 ---- */

static struct facts_binding *binding_of_group(struct stage *s, const char *group)
{
    struct facts_binding *fb = binding_named(s, group);
    for (uint32_t i = 0; fb == NULL && i < s->l->ns.bindings.n; i++) {
        char part[300];
        (void)snprintf(part, sizeof part, "targetgroup/%s/", group);
        fb = strstr(s->l->bindings[i].binding->arn, part) != NULL ? &s->l->bindings[i] : NULL;
    }
    return fb;
}

static void say_target(struct stage *s, struct facts_binding *fb, const char *target,
                       const char *state, const char *reason)
{
    const char *colon = strrchr(target, ':');
    assert_non_null(colon);
    const struct kube_pod at = {.ip = arena_strndup(s->l->a, target, (size_t)(colon - target))};
    uint32_t before = fb->group->targets.n;
    (void)lab_target(s->l, fb, &at, strtoll(colon + 1, NULL, 10), arena_strdup(s->l->a, state),
                     arena_strdup(s->l->a, reason));
    if (fb->group->targets.n != before) {
        fb->registered_at = s->l->f.now;
        s->l->cluster.controller_flip_at = s->l->f.now;
    }
}

static void play_call(struct stage *s, const json_t *call)
{
    const char *group = json_string_value(json_object_get(call, "tg"));
    const char *action = json_string_value(json_object_get(call, "action"));
    const char *error = json_string_value(json_object_get(call, "error"));
    struct facts_binding *fb = group != NULL ? binding_of_group(s, group) : NULL;
    if (fb == NULL || !s->with_elb) {
        return;
    }
    bool reads = strcmp(action, "DescribeTargetHealth") == 0;
    if (reads && error != NULL && strcmp(error, "TargetGroupNotFound") == 0) {
        fb->group->gone = true;
    }
    if (error != NULL) {
        return;
    }
    size_t i = 0;
    const json_t *v = NULL;
    json_array_foreach(json_object_get(call, "answer"), i, v)
    {
        const char *state = json_string_value(json_array_get(v, 1));
        const char *reason = json_string_value(json_array_get(v, 2));
        const char *target = json_string_value(json_array_get(v, 0));
        bool never = strcmp(state, "unused") == 0 && reason != NULL &&
                     strcmp(reason, "Target.NotRegistered") == 0 && !starts(s->row->step, "72");
        if (target != NULL && strchr(target, ':') != NULL && !never) {
            say_target(s, fb, target, state, reason != NULL ? reason : "");
        }
    }
    bool registers = strcmp(action, "RegisterTargets") == 0;
    if (!registers && strcmp(action, "DeregisterTargets") != 0) {
        return;
    }
    json_array_foreach(json_object_get(call, "targets"), i, v)
    {
        if (!starts(s->row->step, "72")) {
            say_target(s, fb, json_string_value(v), registers ? "initial" : "draining",
                       registers ? "Elb.RegistrationInProgress"
                                 : "Target.DeregistrationInProgress");
        }
    }
}

static void apply_script(struct stage *s)
{
    for (; s->checking && s->n_script < LINES; s->n_script++) {
        const struct line *line = &s->row->script[s->n_script];
        if (line->pod == NULL || s->l->f.now < s->from + (int64_t)(line->after_s * 1000)) {
            return;
        }
        for (uint32_t k = 0; s->with_elb && k < s->l->ns.bindings.n; k++) {
            struct facts_binding *fb = &s->l->bindings[k];
            fb->group->gone = fb->group->gone || strcmp(line->pod, "*") == 0;
            for (uint32_t i = 0; i < s->n_actors; i++) {
                const struct kube_pod *p = s->actors[i].pod;
                bool gated =
                    fb->service != NULL && kvs_subset(&fb->service->selector, &p->meta.labels);
                if (gated && starts(p->meta.name, line->pod) && p->ip[0] != '\0') {
                    lab_target(s->l, fb, p, 8080, line->state, line->reason)->state_since =
                        s->from + (int64_t)(line->after_s * 1000);
                }
            }
        }
    }
}

/* ---- judging ---- */

/* What the test says of a verdict. */
static void check_noise(struct stage *s);

/* The pods of the whole namespace make the slices, those of the rollout are judged. */
static void build_slices(struct stage *s)
{
    struct lab *l = s->l;
    l->f.pods = (struct list){l->facts_pods, 0};
    for (uint32_t i = 0; i < s->n_actors; i++) {
        if (s->actors[i].present) {
            l->pods[l->f.pods.n++] = s->actors[i].pod;
        }
    }
    l->ns.slices.n = 0;
    for (uint32_t i = 0; i < l->ns.services.n; i++) {
        struct kube_slice *slice = lab_slice(l, &l->services[i]);
        ((struct slice_port *)(uintptr_t)slice->ports.items)->name =
            LIST_AT(struct service_port, l->services[i].ports, 0)->name;
    }
}

static void set_services(struct stage *s)
{
    const struct row *r = s->row;
    bool unmade = r->made > 0 && s->l->f.now < s->from + (int64_t)(r->made * 1000);
    bool missing = s->checking && (r->no_service || unmade);
    for (uint32_t i = 0; i < s->l->ns.bindings.n; i++) {
        struct facts_binding *fb = &s->l->bindings[i];
        fb->service = NULL;
        for (uint32_t k = 0; !missing && k < s->l->ns.services.n; k++) {
            struct kube_service *sv = &s->l->services[k];
            if (strcmp(sv->meta.name, fb->binding->service) != 0) {
                continue;
            }
            fb->service = sv;
            if (s->checking && r->made > 0) {
                sv->meta.created_at = s->from + (int64_t)(r->made * 1000);
            }
            if (s->checking && r->port != 0) {
                ((struct service_port *)(uintptr_t)sv->ports.items)->port = r->port;
            }
            if (s->checking && r->rev[0] != NULL) {
                bool moved = s->l->f.now >= s->from + (int64_t)(r->moved * 1000);
                lab_kv(s->l, &sv->selector, "rev", r->rev[moved]);
            }
        }
        fb->group->known = s->with_elb;
        fb->group->observed_at = s->l->f.now;
    }
}

static void set_controller(struct stage *s)
{
    struct lab *l = s->l;
    const struct row *r = s->row;
    bool ever = s->checking && r->down[1] > 0;
    int64_t from = s->from + (int64_t)(r->down[0] * 1000);
    int64_t to = s->from + (int64_t)(r->down[1] * 1000);
    bool down = ever && l->f.now >= from && l->f.now < to;
    if (!down) {
        l->leases[0].renew_at = l->f.now;
    } else if (l->leases[0].renew_at == 0 || l->leases[0].renew_at > from) {
        l->leases[0].renew_at = from;
    }
    if (ever && l->f.now >= from) {
        struct facts_span *span = arena_array(l->a, struct facts_span, 1);
        *span = (struct facts_span){from, down ? 0 : to};
        l->cluster.injector_down = (struct list){span, 1};
    }
}

static void cast_pods(struct stage *s)
{
    struct lab *l = s->l;
    l->f.pods = (struct list){l->facts_pods, 0};
    l->f.kind = "Pod";
    l->f.name = s->row->pod;
    for (uint32_t i = 0; i < s->n_actors; i++) {
        struct actor *a = &s->actors[i];
        if (!a->present || !starts(a->pod->meta.name, s->row->pod)) {
            continue;
        }
        const char *hash = kvs_get(&a->pod->meta.labels, "pod-template-hash");
        l->f.kind = hash != NULL ? "Deployment" : "Pod";
        s->cast[l->f.pods.n] = i;
        l->pods[l->f.pods.n] = a->pod;
        l->facts_pods[l->f.pods.n] = (struct facts_pod){.id = (int64_t)i + 1,
                                                        .pod = a->pod,
                                                        .track = &a->track,
                                                        .revision = hash != NULL ? hash : ""};
        l->f.pods.n++;
    }
}

static void judge_now(struct stage *s)
{
    struct lab *l = s->l;
    l->cluster.now = l->f.now;
    l->cluster.kube_ok_at = l->f.now;
    apply_script(s);
    set_services(s);
    set_controller(s);
    build_slices(s);
    cast_pods(s);
    (void)lab_judge(l);
    check_noise(s);
    lab_remember(l);
    for (uint32_t i = 0; i < l->v.pods.n; i++) {
        s->actors[s->cast[i]].track = LIST_AT(struct pod_verdict, l->v.pods, i)->track;
    }
}

/* ---- a step ---- */

/* Changes and calls in the order of their time. */
static void play(struct stage *s, const struct file *f)
{
    const json_t *changes = json_object_get(f->doc, "timeline");
    const json_t *calls = json_object_get(f->doc, "elbv2_calls");
    size_t i = 0;
    size_t k = 0;
    s->doc = f->doc;
    s->from = f->from;
    s->n_script = 0;
    if (f->from > s->l->f.now) {
        s->l->f.now = f->from;
    }
    set_stage(s);
    if (s->checking && s->row->binding[0] != NULL) {
        (void)lab_service(s->l, s->row->binding[1], "app", s->row->binding[1], 80, "8080");
        const struct facts_binding *fb =
            lab_binding(s->l, s->row->binding[0], s->row->binding[1], "80", "ip");
        ((struct kube_binding *)(uintptr_t)fb->binding)->meta.created_at = s->from - 3600000;
    }
    judge_now(s);
    while (!s->row->snapshot && (i < json_array_size(changes) || k < json_array_size(calls))) {
        const json_t *change = json_array_get(changes, i);
        const json_t *call = json_array_get(calls, k);
        bool change_first =
            call == NULL || (change != NULL && time_of(change, "at") <= time_of(call, "t"));
        clock_to(s, time_of(change_first ? change : call, change_first ? "at" : "t"));
        if (change_first) {
            play_change(s, change);
            i++;
        } else {
            play_call(s, call);
            k++;
        }
        judge_now(s);
    }
    clock_to(s, s->row->snapshot ? f->from + 60000 : time_of(f->doc, "to"));
    judge_now(s);
    s->to = time_of(f->doc, "to");
}

static bool concerns(const struct stage *s, const struct file *f)
{
    size_t i = 0;
    const json_t *o = NULL;
    json_array_foreach(json_object_get(f->doc, "objects"), i, o)
    {
        if (in_namespace(s, o)) {
            return true;
        }
    }
    return false;
}

static void open_stage(struct stage *s)
{
    struct lab *l = s->l;
    lab_inject(l);
    l->ns.name = s->row->ns;
    l->ns_object.meta.name = s->row->ns;
    l->f.now = files[0].from - 60000;
    l->cluster.started_at = l->f.now;
    l->cluster.aws_known = s->with_elb;
    struct kube_webhook_config *c =
        LAB_LIST(l, l->cluster.webhook_configs, l->webhook_configs, LAB_MANY);
    record_clear(kind_info(KIND_WEBHOOK_CONFIG)->table, c);
    c->meta.name = "aws-load-balancer-webhook";
    struct webhook *w = lab_item(l, &c->webhooks, sizeof *w);
    struct webhook_rule *rule = lab_item(l, &w->rules, sizeof *rule);
    *w = (struct webhook){.name = "mpod.elbv2.k8s.aws",
                          .service_namespace = "kube-system",
                          .service_name = "aws-load-balancer-webhook-service",
                          .path = "/mutate-v1-pod",
                          .url = "",
                          .failure_policy = "Ignore",
                          .rules = w->rules};
    lab_str(l, &rule->resources, "pods");
    struct selector_term *term = lab_item(l, &w->namespace_selector.terms, sizeof *term);
    w->namespace_selector.present = 1;
    *term = (struct selector_term){.key = "elbv2.k8s.aws/pod-readiness-gate-inject", .op = "In"};
    lab_str(l, &term->values, "enabled");
    term = lab_item(l, &w->object_selector.terms, sizeof *term);
    w->object_selector.present = 1;
    *term = (struct selector_term){.key = "app.kubernetes.io/name", .op = "NotIn"};
    lab_str(l, &term->values, "aws-load-balancer-controller");
    struct kube_lease *lease = LAB_LIST(l, l->cluster.leases, l->leases, LAB_MANY);
    record_clear(kind_info(KIND_LEASE)->table, lease);
    lease->meta.name = "aws-load-balancer-controller-leader";
    lease->meta.namespace = "kube-system";
}

#endif
