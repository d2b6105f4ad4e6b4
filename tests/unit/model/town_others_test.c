/*
 * Cases of other people with Argo Rollouts and with gates of other owners: GKE's NEGs, VPC Lattice,
 * the ALB Ingress Controller v1.
 */
#include "unit/model/town.h"

#define NEG     "cloud.google.com/load-balancer-neg-ready"
#define LATTICE "application-networking.k8s.aws/pod-readiness-gate"

/* ---- Argo Rollouts ---- */

static void argo(struct town *t, const char *current, const char *stable)
{
    t->w->meta.kind = KIND_ARGO_ROLLOUT;
    t->l->f.kind = "Rollout";
    t->w->current_pod_hash = current;
    t->w->stable_rs = stable;
}

/* Pods of a revision, all gates of theirs open. */
static void argo_pods(struct town *t, const char *hash, const char *gate, bool ready)
{
    for (uint32_t i = 0; i < t->pods; i++) {
        struct kube_pod *p = town_pod(t, hash, gate);
        lab_kv(t->l, &p->meta.labels, "rollouts-pod-template-hash", hash);
        lab_containers_ready(t->l, p, ready);
        if (gate != NULL) {
            lab_gate_set(t->l, p, gate, "True", "");
        }
    }
}

static void elb_of(struct town *t, struct facts_binding *b, const char *hash, const char *state,
                   const char *reason)
{
    for (uint32_t i = 0; t->vary != BLIND && i < t->l->f.pods.n; i++) {
        const char *of = kvs_get(&t->l->pods[i]->meta.labels, "rollouts-pod-template-hash");
        if (of != NULL && strcmp(of, hash) == 0) {
            (void)lab_target(t->l, b, t->l->pods[i], 8080, state, reason);
        }
    }
}

static void selects(struct town *t, struct kube_service *s, const char *hash)
{
    lab_kv(t->l, &s->selector, "rollouts-pod-template-hash", hash);
}

static void preview_gate_is_open(struct town *t)
{
    /* the new pods were gated by the preview's binding alone; now the active Service has them too
     */
    argo(t, "hash2", "hash1");
    t->w->blue_green = 1;
    struct kube_service *preview = lab_service(t->l, "preview", "app", t->app, 80, "8080");
    struct facts_binding *pb = town_binding(t, "preview-tgb", "preview", "80");
    selects(t, t->s, "hash1");
    selects(t, preview, "hash2");
    argo_pods(t, "hash1", t->gate, true);
    elb_of(t, t->b, "hash1", "healthy", "");
    town_after(t, 3600);
    argo_pods(t, "hash2", town_gate(t, "preview-tgb"), true);
    elb_of(t, pb, "hash2", "healthy", "");
    town_slices(t);
    town_after(t, 60);
    selects(t, t->s, "hash2");
    elb_of(t, t->b, "hash1", "draining", "Target.DeregistrationInProgress");
    elb_of(t, t->b, "hash2", "initial", "Elb.RegistrationInProgress");
    town_slices(t);
    town_after(t, 8);
}

static void first_pod_of_a_canary(struct town *t)
{
    /* an NLB for the stable pods and one for the canary's, whose Service moved a moment late */
    argo(t, "hash2", "hash1");
    t->w->canary = 1;
    struct kube_service *canary = lab_service(t->l, "canary", "app", t->app, 80, "8080");
    struct facts_binding *cb = town_binding(t, "canary-tgb", "canary", "80");
    selects(t, t->s, "hash1");
    selects(t, canary, "hash1");
    argo_pods(t, "hash1", t->gate, true);
    for (uint32_t i = 0; i < t->l->f.pods.n; i++) {
        lab_gate(t->l, t->l->pods[i], town_gate(t, "canary-tgb"));
        lab_gate_set(t->l, t->l->pods[i], town_gate(t, "canary-tgb"), "True", "");
    }
    elb_of(t, t->b, "hash1", "healthy", "");
    elb_of(t, cb, "hash1", "healthy", "");
    town_after(t, 3600);
    struct kube_pod *first = town_pod(t, "hash2", NULL);
    lab_kv(t->l, &first->meta.labels, "rollouts-pod-template-hash", "hash2");
    selects(t, canary, "hash2");
    town_after(t, 6);
    lab_containers_ready(t->l, first, true);
    elb_of(t, cb, "hash1", "draining", "Target.DeregistrationInProgress");
    elb_of(t, cb, "hash2", "initial", "Elb.RegistrationInProgress");
    town_slices(t);
    town_after(t, 20);
}

static void the_last_step(struct town *t)
{
    /* a hundred percent: the stable Service goes to pods that are gated by the canary's binding */
    argo(t, "hash2", "hash2");
    t->w->canary = 1;
    struct kube_service *canary = lab_service(t->l, "canary", "app", t->app, 80, "8080");
    struct facts_binding *cb = town_binding(t, "canary-tgb", "canary", "80");
    selects(t, t->s, "hash1");
    selects(t, canary, "hash2");
    argo_pods(t, "hash1", t->gate, true);
    argo_pods(t, "hash2", town_gate(t, "canary-tgb"), true);
    elb_of(t, t->b, "hash1", "healthy", "");
    elb_of(t, cb, "hash2", "healthy", "");
    town_slices(t);
    town_after(t, 120);
    selects(t, t->s, "hash2");
    elb_of(t, t->b, "hash2", "initial", "Elb.RegistrationInProgress");
    elb_of(t, t->b, "hash1", "draining", "Target.DeregistrationInProgress");
    town_slices(t);
    town_after(t, 10);
}

static void ping_and_pong(struct town *t)
{
    /* ping keeps the stable pods, pong has the new ones from their creation on */
    argo(t, "hash2", "hash1");
    t->w->canary = 1;
    struct pause_condition *pause = lab_item(t->l, &t->w->pause_conditions, sizeof *pause);
    *pause = (struct pause_condition){"CanaryPauseStep", t->l->f.now};
    struct kube_service *pong = lab_service(t->l, "pong", "app", t->app, 80, "8080");
    struct facts_binding *pb = town_binding(t, "pong-tgb", "pong", "80");
    selects(t, t->s, "hash1");
    selects(t, pong, "hash2");
    t->w->replicas = 2 * t->pods;
    argo_pods(t, "hash1", t->gate, true);
    elb_of(t, t->b, "hash1", "healthy", "");
    town_after(t, 60);
    argo_pods(t, "hash2", town_gate(t, "pong-tgb"), true);
    elb_of(t, pb, "hash2", "healthy", "");
    town_slices(t);
    town_after(t, 900);
}

/* ---- other owners ---- */

/* Neither AWS nor a controller of it. */
static void elsewhere(struct town *t, const char *gate)
{
    struct lab *l = t->l;
    l->cluster.has_lbc = false;
    l->cluster.has_auto = false;
    l->cluster.aws_known = false;
    l->cluster.aws_state = "off";
    l->cluster.webhook_configs.n = 0;
    l->cluster.leases.n = 0;
    l->ns.bindings.n = 0;
    l->ns_object.meta.labels = (struct kvs){0};
    town_pods(t, gate);
    town_after(t, 10);
}

static void neg_says(struct town *t, const char *status, const char *reason, const char *text)
{
    town_write(t, NEG, status, reason, text);
}

static void neg_does_not_take_the_endpoint(struct town *t)
{
    elsewhere(t, NEG);
    town_up(t);
    neg_says(t, "", "LoadBalancerNegNotReady",
             "Waiting for pod to become healthy in at least one of the NEG(s): [k8s1-74b928a2]");
    town_after(t, 540);
}

static void first_pod_of_a_zone(struct town *t)
{
    elsewhere(t, NEG);
    town_up(t);
    neg_says(t, "", "LoadBalancerNegNotReady", "Waiting for pod to become healthy");
    town_after(t, 90);
}

static void neg_without_a_check(struct town *t)
{
    elsewhere(t, NEG);
    town_up(t);
    neg_says(t, "True", "LoadBalancerNegWithoutHealthCheck",
             "Pod is in NEG. NEG is not attached to any BackendService with health checking");
    town_after(t, 600);
}

static void open_before_the_probe(struct town *t)
{
    elsewhere(t, NEG);
    neg_says(t, "True", "LoadBalancerNegWithoutHealthCheck", "NEG is not attached");
    town_pods_warn(t, "Unhealthy", "Readiness probe failed: dial tcp: connect: connection refused");
    town_after(t, 40);
}

static void lattice_begins(struct town *t)
{
    elsewhere(t, LATTICE);
    town_up(t);
    town_write(t, LATTICE, "False", "Initial", "");
    town_after(t, 20);
}

static void v1_never_writes_it(struct town *t)
{
    elsewhere(t, V1 "kong-alb-ingressgateway_kong-proxy_443");
    town_up(t);
    town_after(t, 660);
}

static const struct public_case cases[] = {
    {.name = "a blue-green switch to pods with the preview's gate only",
     .source = "argoproj/argo-rollouts#4834",
     .scene = preview_gate_is_open,
     .want = WARN("gate_missing_selector_moved", "ping-pong")},
    {.name = "a canary's first pod was made before its Service moved",
     .source = "aws-load-balancer-controller#4034",
     .scene = first_pod_of_a_canary,
     .want = WARN("gate_missing_selector_moved", "canary-tgb")},
    {.name = "the last step of a canary moves the stable Service",
     .source = "argoproj/argo-rollouts#4433",
     .scene = the_last_step,
     .want = WARN("gate_missing_selector_moved", NULL)},
    {.name = "ping-pong Services at a pause",
     .source = "argoproj/argo-rollouts#2116",
     .scene = ping_and_pong},
    {.name = "a NEG does not take the new pods' endpoints",
     .source = "kubernetes/ingress-gce#1357",
     .scene = neg_does_not_take_the_endpoint,
     .want = WARN("other_gate_closed", "LoadBalancerNegNotReady")},
    {.name = "the first pod of a zone takes longer",
     .source = "kubernetes/ingress-gce#2222",
     .scene = first_pod_of_a_zone},
    {.name = "a NEG without a health check opens at once",
     .source = "GoogleCloudPlatform/gke-autoneg-controller#137",
     .scene = neg_without_a_check},
    {.name = "the gate is open before the readiness probe passes",
     .source = "kubernetes/ingress-gce#1718",
     .scene = open_before_the_probe},
    {.name = "VPC Lattice makes its first checks",
     .source = "aws-application-networking-k8s#560",
     .scene = lattice_begins},
    {.name = "the v1 controller never writes its condition",
     .source = "aws-load-balancer-controller#1240",
     .scene = v1_never_writes_it,
     .want = ERR("other_gate_closed", "no condition yet")},
};

static void other_owners_and_argo_are_told_by_their_root(void **state)
{
    (void)state;
    HOLD_PUBLIC(cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(other_owners_and_argo_are_told_by_their_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
