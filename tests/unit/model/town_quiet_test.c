/*
 * Harmless situations that people took for faults, or that other tools cry about: nothing above
 * info may be said, about the rollout, its namespace or the cluster.
 */
#include "unit/model/town.h"

/* ---- pods that are done or on their way out ---- */

static void end(struct town *t, struct kube_pod *p, const char *phase, const char *reason)
{
    p->phase = phase;
    p->status_reason = reason;
    (void)lab_condition(t->l, p, "Ready", "False",
                        strcmp(phase, "Succeeded") == 0 ? "PodCompleted" : "PodFailed", "");
    (void)lab_condition(t->l, p, "ContainersReady", "False", "PodFailed", "");
}

static void evicted_leftovers(struct town *t)
{
    town_serves(t);
    for (int i = 0; i < 3; i++) {
        struct kube_pod *p = town_pod(t, "hash1", t->gate);
        (void)town_warns(t, "Pod", p->meta.name, "Evicted",
                         "The node was low on resource: memory.");
        end(t, p, "Failed", "Evicted");
    }
    town_after(t, 7200);
}

static void graceful_shutdown_leftovers(struct town *t)
{
    town_serves(t);
    struct kube_pod *p = town_pod(t, "hash1", t->gate);
    end(t, p, "Failed", "Terminated");
    p = town_pod(t, "hash1", t->gate);
    end(t, p, "Succeeded", "");
    town_after(t, 600);
}

static void jobs_in_a_gated_namespace(struct town *t)
{
    t->l->f.workload = NULL;
    t->l->f.kind = "Job";
    t->l->f.name = "nightly-28912345";
    for (uint32_t i = 0; i < t->pods; i++) {
        struct kube_pod *p = town_pod(t, "", NULL);
        struct owner *o = lab_item(t->l, &p->meta.owners, sizeof *o);
        *o = (struct owner){"batch/v1", "Job", "nightly-28912345", "uid-job", 1};
        if (i == 0) {
            end(t, p, "Succeeded", "");
        }
    }
    town_after(t, 3600);
    town_up(t);
    town_after(t, 60);
}

static void a_job_that_the_selector_takes(struct town *t)
{
    /* a chart's hook has the labels of the app, so it was gated */
    t->l->f.workload = NULL;
    t->l->f.kind = "Job";
    t->l->f.name = t->app;
    struct kube_pod *p = town_pod(t, "", t->gate);
    struct owner *o = lab_item(t->l, &p->meta.owners, sizeof *o);
    *o = (struct owner){"batch/v1", "Job", t->app, "uid-job", 1};
    town_after(t, 10);
    town_up(t);
    town_after(t, 400);
    end(t, p, "Succeeded", "");
    town_after(t, 60);
}

static void a_drained_node(struct town *t)
{
    town_serves(t);
    struct kube_pod *gone = t->l->pods[0];
    lab_delete(t->l, gone);
    town_elb(t, t->b, "healthy", "", "");
    if (t->vary != BLIND) {
        (void)lab_target(t->l, t->b, gone, 8080, "draining", "Target.DeregistrationInProgress");
    }
    (void)town_pod(t, "hash1", t->gate);
    town_after(t, 5);
    struct kube_pod *fresh = t->l->pods[t->l->f.pods.n - 1];
    lab_containers_ready(t->l, fresh, true);
    (void)lab_condition(t->l, fresh, t->gate, "False", "Elb.RegistrationInProgress",
                        "Target registration is in progress");
    if (t->vary != BLIND) {
        (void)lab_target(t->l, t->b, fresh, 8080, "initial", "Elb.RegistrationInProgress");
    }
    town_slices(t);
    town_after(t, 12);
}

static void a_pod_that_will_not_leave(struct town *t)
{
    /* a finalizer or a lost node holds it in Terminating for hours; a successor serves */
    town_serves(t);
    struct kube_pod *p = t->l->pods[0];
    lab_delete(t->l, p);
    (void)lab_condition(t->l, p, "Ready", "False", "ContainersNotReady", "");
    struct kube_pod *next = town_pod(t, "hash1", t->gate);
    lab_containers_ready(t->l, next, true);
    lab_gate_set(t->l, next, t->gate, "True", "");
    if (t->vary != BLIND) {
        ((struct facts_target *)(uintptr_t)t->b->group->targets.items)[0].t.state = "draining";
        (void)lab_target(t->l, t->b, next, 8080, "healthy", "");
    }
    town_slices(t);
    town_after(t, 18000);
}

/* ---- normal waits ---- */

static void an_alb_takes_its_time(struct town *t)
{
    town_pods(t, t->gate);
    town_after(t, 12);
    town_up(t);
    town_says(t, "initial", "Elb.RegistrationInProgress", "Target registration is in progress");
    town_after(t, 5);
    town_says(t, "initial", "Elb.InitialHealthChecking", "Initial health checks in progress");
    town_after(t, 25);
}

static void an_nlb_takes_four_minutes(struct town *t)
{
    t->b->usual = (struct usual){200000, 290000, true};
    town_pods(t, t->gate);
    town_after(t, 12);
    town_up(t);
    town_says(t, "initial", "Elb.RegistrationInProgress", "Target registration is in progress");
    town_after(t, 245);
}

static void an_nlb_of_which_nothing_is_known(struct town *t)
{
    /* first rollout ever: the usual time is the formula's */
    struct elb_group *g = town_group(t, t->b);
    g->protocol = "TCP";
    town_spec(t->b)->protocol = "TCP";
    t->b->usual = usual_of(NULL, 0, t->b->binding, t->vary != BLIND ? g : NULL, NULL);
    town_pods(t, t->gate);
    town_after(t, 12);
    town_up(t);
    town_says(t, "initial", "Elb.RegistrationInProgress", "Target registration is in progress");
    town_after(t, 200);
}

static void a_statefulset_in_order(struct town *t)
{
    /* the first pod waits at its gate, the others are not made yet */
    struct lab *l = t->l;
    struct kube_workload *w = lab_workload(l, KIND_STATEFULSET, t->app, t->pods);
    w->update_revision = "hash1";
    w->current_revision = "hash1";
    w->pod_management = "OrderedReady";
    w->strategy = "RollingUpdate";
    (void)town_pod(t, "hash1", t->gate);
    town_after(t, 15);
    town_up(t);
    town_says(t, "initial", "Elb.InitialHealthChecking", "Initial health checks in progress");
    town_after(t, 30);
}

static void the_controller_restarts(struct town *t)
{
    /* 18 s without a leader in the middle of a rollout */
    town_pods(t, t->gate);
    town_after(t, 10);
    town_up(t);
    town_slices(t);
    town_after(t, 18);
    if (town_lease(t) != NULL) {
        town_lease(t)->renew_at = t->l->f.now - 18000;
    }
}

static void an_autoscaler_adds_pods(struct town *t)
{
    town_serves(t);
    t->w->replicas += 2;
    struct kube_hpa *h = LAB_LIST(t->l, t->l->ns.hpas, t->l->hpas, LAB_MANY);
    record_clear(kind_info(KIND_HPA)->table, h);
    h->meta.name = t->app;
    h->target_kind = "Deployment";
    h->target_name = t->app;
    h->max_replicas = 20;
    h->current_replicas = t->pods;
    h->desired_replicas = t->w->replicas;
    for (int i = 0; i < 2; i++) {
        struct kube_pod *p = town_pod(t, "hash1", t->gate);
        lab_containers_ready(t->l, p, true);
        (void)lab_condition(t->l, p, t->gate, "False", "Elb.RegistrationInProgress", "");
        if (t->vary != BLIND) {
            (void)lab_target(t->l, t->b, p, 8080, "initial", "Elb.RegistrationInProgress");
        }
    }
    town_slices(t);
    town_after(t, 20);
}

static void a_slow_app(struct town *t)
{
    /* two minutes of start-up with a probe that fails meanwhile */
    town_pods(t, t->gate);
    town_after(t, 30);
    for (uint32_t i = 0; i < t->l->f.pods.n; i++) {
        ((struct container_status *)(uintptr_t)t->l->pods[i]->statuses.items)->started = 0;
    }
    town_pods_warn(t, "Unhealthy",
                   "Startup probe failed: dial tcp 10.0.0.1:8080: connect: "
                   "connection refused");
    town_after(t, 90);
}

static void waiting_for_a_node(struct town *t)
{
    /* the node autoscaler needs a minute */
    town_pods(t, t->gate);
    for (uint32_t i = 0; i < t->l->f.pods.n; i++) {
        struct kube_pod *p = t->l->pods[i];
        p->phase = "Pending";
        p->node = "";
        p->statuses.n = 0;
        (void)lab_condition(t->l, p, "PodScheduled", "False", "Unschedulable",
                            "0/9 nodes are available: 9 Insufficient cpu.");
    }
    town_pods_warn(t, "FailedScheduling", "0/9 nodes are available: 9 Insufficient cpu.");
    town_after(t, 70);
}

/* ---- on purpose ---- */

static void scaled_to_zero(struct town *t)
{
    town_serves(t);
    t->w->replicas = 0;
    for (uint32_t i = 0; i < t->l->f.pods.n; i++) {
        lab_delete(t->l, t->l->pods[i]);
    }
    town_slices(t);
    town_after(t, 30);
    t->l->f.pods.n = 0;
    t->b->group->targets.n = 0;
    town_slices(t);
    town_after(t, 3600);
}

static void paused(struct town *t)
{
    town_serves(t);
    t->w->paused = 1;
    t->w->meta.generation = 2;
    t->w->observed_generation = "2";
    t->w->updated_replicas = 0;
    town_after(t, 86400);
}

static void an_ingress_taken_away_whole(struct town *t)
{
    /* moved behind a mesh: Ingress and binding are gone, gates were set True, pods run on */
    town_spec(t->b)->meta.name = "k8s-shop-web-0123456789"; /* the controller's own */
    t->gate = town_gate(t, "k8s-shop-web-0123456789");
    town_serves(t);
    town_write(t, t->gate, "True", "", "Target Group Binding is deleted");
    t->l->ns.bindings.n = 0;
    town_after(t, 3600);
}

static void no_load_balancer_at_all(struct town *t)
{
    /* a worker in a labelled namespace: nothing selects it */
    struct kvs other = {0};
    lab_kv(t->l, &other, "app", "somebody-else");
    t->s->selector = other;
    town_pods(t, NULL);
    town_after(t, 10);
    town_up(t);
    town_after(t, 600);
}

static void targets_of_type_instance(struct town *t)
{
    town_spec(t->b)->target_type = "instance";
    town_pods(t, NULL);
    town_after(t, 10);
    town_up(t);
    town_after(t, 600);
}

static void blue_green_leaves_the_old_ones(struct town *t)
{
    /* after promotion the old ReplicaSet stays for 30 s with gates that nobody writes any more */
    struct lab *l = t->l;
    t->w->meta.kind = KIND_ARGO_ROLLOUT;
    l->f.kind = "Rollout";
    t->w->blue_green = 1;
    t->w->current_pod_hash = "hash2";
    t->w->stable_rs = "hash2";
    for (uint32_t i = 0; i < t->pods; i++) {
        struct kube_pod *p = town_pod(t, "hash1", t->gate);
        lab_kv(l, &p->meta.labels, "rollouts-pod-template-hash", "hash1");
        lab_containers_ready(l, p, true);
        lab_gate_set(l, p, t->gate, "True", "");
    }
    lab_kv(l, &t->s->selector, "rollouts-pod-template-hash", "hash2");
    for (uint32_t i = 0; i < t->pods; i++) {
        struct kube_pod *p = town_pod(t, "hash2", t->gate);
        lab_kv(l, &p->meta.labels, "rollouts-pod-template-hash", "hash2");
        lab_containers_ready(l, p, true);
        lab_gate_set(l, p, t->gate, "True", "");
        if (t->vary != BLIND) {
            (void)lab_target(l, t->b, p, 8080, "healthy", "");
        }
    }
    town_slices(t);
    town_after(t, 20);
}

static void a_shared_group_that_may_be_shared(struct town *t)
{
    town_spec(t->b)->multi_cluster = 1;
    town_serves(t);
    if (t->vary != BLIND) {
        struct kube_pod elsewhere = *t->l->pods[0];
        elsewhere.ip = "10.77.3.9";
        (void)lab_target(t->l, t->b, &elsewhere, 8080, "healthy", "");
    }
    town_after(t, 3600);
}

/* ---- what looks odd ---- */

static void true_with_an_old_reason(struct town *t)
{
    /* controllers before v2.6.1 left reason and message, and no transition time */
    town_serves(t);
    for (uint32_t i = 0; i < t->l->f.pods.n; i++) {
        lab_condition(t->l, t->l->pods[i], t->gate, "True", "Elb.InitialHealthChecking",
                      "Initial health checks in progress")
            ->transition_at = 0;
    }
    town_after(t, 60);
}

static void yesterdays_events(struct town *t)
{
    town_serves(t);
    struct kube_event *e =
        town_warns(t, "TargetGroupBinding", t->binding, "FailedReconcile",
                   "Failed reconcile due to operation error Elastic Load Balancing v2: "
                   "RegisterTargets, api error AccessDenied: not authorized");
    e->first_at = t->l->f.now - 7200000;
    e->last_at = t->l->f.now - 7000000;
    town_pods_warn(t, "Unhealthy", "Readiness probe failed: connection refused");
    town_after(t, 300);
}

static void deletion_noise(struct town *t)
{
    town_serves(t);
    (void)town_warns(t, "TargetGroupBinding", "k8s-shop-old-0badcafe00", "FailedRemoveFinalizer",
                     "Failed remove finalizer due to targetgroupbindings.elbv2.k8s.aws "
                     "\"k8s-shop-old-0badcafe00\" not found");
    town_after(t, 120);
}

static void a_clock_ahead(struct town *t)
{
    /* the node's clock is 40 s ahead of ours: conditions come from the future */
    town_pods(t, t->gate);
    town_after(t, 10);
    town_up(t);
    town_says(t, "initial", "Elb.RegistrationInProgress", "Target registration is in progress");
    for (uint32_t i = 0; i < t->l->f.pods.n; i++) {
        struct condition *c = (struct condition *)(uintptr_t)t->l->pods[i]->conditions.items;
        for (uint32_t k = 0; k < t->l->pods[i]->conditions.n; k++) {
            c[k].transition_at += 40000;
        }
    }
    town_after(t, 20);
    town_says(t, "healthy", "", "");
    town_after(t, 20);
}

static void two_load_balancers(struct town *t)
{
    struct facts_binding *nlb = town_binding(t, "internal-nlb", t->app, "80");
    const char *gate = town_gate(t, "internal-nlb");
    town_pods(t, t->gate);
    for (uint32_t i = 0; i < t->l->f.pods.n; i++) {
        lab_gate(t->l, t->l->pods[i], gate);
    }
    town_serves(t);
    town_elb(t, nlb, "initial", "Elb.RegistrationInProgress", "");
    town_write(t, gate, "False", "Elb.RegistrationInProgress", "");
    town_after(t, 10);
    town_elb(t, nlb, "healthy", "", "");
    town_write(t, gate, "True", "", "");
    town_after(t, 30);
}

static void a_zonal_shift(struct town *t)
{
    /* the zone gets no traffic for a while; its targets are as healthy as before */
    town_serves(t);
    for (uint32_t i = 0; i < t->b->group->targets.n; i++) {
        struct facts_target *x = (struct facts_target *)(uintptr_t)t->b->group->targets.items;
        x[i].t.override_state = "zonal_shift_active";
        x[i].t.override_reason = "AdministrativeOverride.ZonalShift";
    }
    town_after(t, 3600);
}

static void pods_with_ipv6(struct town *t)
{
    town_spec(t->b)->ip_address_type = "ipv6";
    town_pods(t, t->gate);
    for (uint32_t i = 0; i < t->l->f.pods.n; i++) {
        struct kube_pod *p = t->l->pods[i];
        p->ips = (struct strs){0};
        p->ip = arena_printf(t->l->a, "2600:1f18:dead:beef::%x", i + 16);
        lab_str(t->l, &p->ips, p->ip);
    }
    town_serves(t);
    town_after(t, 600);
}

static void on_the_hosts_network(struct town *t)
{
    /* an ingress DaemonSet: the pod's address is the node's, on two ports behind two bindings */
    struct lab *l = t->l;
    struct kube_workload *w = lab_workload(l, KIND_DAEMONSET, t->app, t->pods);
    w->strategy = "RollingUpdate";
    (void)lab_revision(l, "ds-hash1", "hash1", 3);
    struct service_port *tls = lab_item(l, &t->s->ports, sizeof *tls);
    *tls = (struct service_port){"https", "TCP", 443, "8443", 0};
    struct facts_binding *second = town_binding(t, "edge-tls", t->app, "443");
    const char *gate = town_gate(t, "edge-tls");
    town_pods(t, t->gate);
    for (uint32_t i = 0; i < l->f.pods.n; i++) {
        lab_gate(l, l->pods[i], gate);
        lab_kv(l, &l->pods[i]->meta.labels, "controller-revision-hash", "hash1");
    }
    town_serves(t);
    for (uint32_t i = 0; t->vary != BLIND && i < l->f.pods.n; i++) {
        (void)lab_target(l, second, l->pods[i], 8443, "healthy", "");
    }
    town_write(t, gate, "True", "", "");
    town_after(t, 300);
}

static void a_budget_of_one(struct town *t)
{
    /* maxUnavailable 0 by intent; nobody waits */
    town_serves(t);
    struct kube_pdb *b = LAB_LIST(t->l, t->l->ns.pdbs, t->l->pdbs, LAB_MANY);
    record_clear(kind_info(KIND_PDB)->table, b);
    b->meta.name = t->app;
    b->selector.present = 1;
    lab_kv(t->l, &b->selector.labels, "app", t->app);
    b->current_healthy = t->pods;
    b->desired_healthy = t->pods;
    b->expected_pods = t->pods;
    town_after(t, 600);
}

static void a_canary_of_weight_zero(struct town *t)
{
    /* its group is behind a rule with weight 0: checked, healthy, and without traffic */
    struct lab *l = t->l;
    t->w->meta.kind = KIND_ARGO_ROLLOUT;
    l->f.kind = "Rollout";
    t->w->canary = 1;
    t->w->current_pod_hash = "hash2";
    t->w->stable_rs = "hash1";
    t->w->current_step = 1;
    struct pause_condition *pause = lab_item(l, &t->w->pause_conditions, sizeof *pause);
    *pause = (struct pause_condition){"CanaryPauseStep", l->f.now - 600000};
    lab_kv(l, &t->s->selector, "rollouts-pod-template-hash", "hash1");
    struct kube_service *s = lab_service(l, "canary", "app", t->app, 80, "8080");
    lab_kv(l, &s->selector, "rollouts-pod-template-hash", "hash2");
    struct facts_binding *cb = town_binding(t, "canary-tgb", "canary", "80");
    const char *gate = town_gate(t, "canary-tgb");
    for (uint32_t i = 0; i < 2 * t->pods; i++) {
        bool canary = i >= t->pods;
        struct kube_pod *p = town_pod(t, canary ? "hash2" : "hash1", canary ? gate : t->gate);
        lab_kv(l, &p->meta.labels, "rollouts-pod-template-hash", canary ? "hash2" : "hash1");
        lab_containers_ready(l, p, true);
        lab_gate_set(l, p, p->gates.items[0], "True", "");
        if (t->vary != BLIND) {
            (void)lab_target(l, canary ? cb : t->b, p, 8080, "healthy", "");
        }
    }
    t->w->replicas = t->pods * 2;
    town_slices(t);
    town_after(t, 900);
}

static void an_nlb_that_nobody_describes(struct town *t)
{
    /* an older controller leaves the protocol out, and nobody asks ELBv2: the owner tells */
    t->b->usual = usual_of(NULL, 0, t->b->binding, NULL, NULL);
    lab_kv(t->l, &town_spec(t->b)->meta.labels,
           t->vary == AUTO ? "service.eks.amazonaws.com/stack-name" : "service.k8s.aws/stack-name",
           t->app);
    town_pods(t, t->gate);
    town_after(t, 12);
    town_up(t);
    town_says(t, "initial", "Elb.RegistrationInProgress", "Target registration is in progress");
    town_after(t, 200);
}

static void an_ingress_that_was_mended(struct town *t)
{
    /* its last failure is a quarter of an hour old, and all it names is bound and serves */
    struct kube_ingress *ing = LAB_LIST(t->l, t->l->ns.ingresses, t->l->ingresses, LAB_MANY);
    record_clear(kind_info(KIND_INGRESS)->table, ing);
    ing->meta.name = "edge";
    ing->meta.created_at = LAB_T0 - 86400000;
    ing->class_name = "alb";
    lab_kv(t->l, &ing->meta.annotations, "alb.ingress.kubernetes.io/target-type", "ip");
    ing->default_service = t->app;
    struct lb_ingress *at = lab_item(t->l, &ing->ingress, sizeof *at);
    *at = (struct lb_ingress){"edge-1.eu-west-1.elb.amazonaws.com", ""};
    (void)town_warns(t, "Ingress", "edge", "FailedBuildModel",
                     "Failed build model due to certificate arn:aws:acm:x not found");
    town_serves(t);
    town_after(t, 900);
}

static void aborted_after_the_fact(struct town *t)
{
    /* Argo calls it degraded, yet all its pods are of the stable revision and serve */
    struct lab *l = t->l;
    t->w->meta.kind = KIND_ARGO_ROLLOUT;
    l->f.kind = "Rollout";
    t->w->canary = 1;
    t->w->current_pod_hash = "hash1";
    t->w->stable_rs = "hash1";
    t->w->abort = 1;
    t->w->phase = "Degraded";
    t->w->phase_message = "RolloutAborted: Rollout aborted update to revision 216";
    town_pods(t, t->gate);
    for (uint32_t i = 0; i < l->f.pods.n; i++) {
        lab_kv(l, &l->pods[i]->meta.labels, "rollouts-pod-template-hash", "hash1");
    }
    town_serves(t);
    town_after(t, 3600);
}

static void the_old_revision_is_ill(struct town *t)
{
    /* its last pod crashes while it waits to be removed; the new ones serve */
    struct kube_pod *old = town_pod(t, "hash0", t->gate);
    struct container_status *c = (struct container_status *)(uintptr_t)old->statuses.items;
    c->is_running = 0;
    c->is_waiting = 1;
    c->waiting_reason = "CrashLoopBackOff";
    c->restarts = 40;
    old->phase = "Pending"; /* so that the town leaves it alone */
    town_pods(t, t->gate);
    town_serves(t);
    lab_delete(t->l, old);
    town_after(t, 30);
}

static void the_label_was_taken_off(struct town *t)
{
    /* gates that are there go on working */
    town_serves(t);
    t->l->ns_object.meta.labels = (struct kvs){0};
    town_after(t, 600);
}

static void mounts_come_late(struct town *t)
{
    /* usual on a new node */
    town_pods(t, t->gate);
    for (uint32_t i = 0; i < t->l->f.pods.n; i++) {
        struct container_status *c =
            (struct container_status *)(uintptr_t)t->l->pods[i]->statuses.items;
        c->is_running = 0;
        c->is_waiting = 1;
        c->waiting_reason = "ContainerCreating";
    }
    town_pods_warn(t, "FailedMount",
                   "MountVolume.SetUp failed for volume \"kube-api-access-x\" : failed to sync "
                   "configmap cache: timed out waiting for the condition");
    town_after(t, 40);
}

static void warnings_beside_the_matter(struct town *t)
{
    town_serves(t);
    town_pods_warn(t, "Unhealthy", "Liveness probe failed: HTTP probe failed with statuscode: 500");
    (void)town_warns(t, "HorizontalPodAutoscaler", t->app, "FailedGetResourceMetric",
                     "failed to get cpu utilization: did not receive metrics for targeted pods");
    (void)town_warns(t, "Pod", "somebody-else-0", "FailedScheduling", "0/9 nodes are available");
    (void)town_warns(t, "PodDisruptionBudget", t->app, "NoPods", "No matching pods found");
    town_after(t, 60);
}

static void a_pod_set_aside_for_debugging(struct town *t)
{
    /* its labels were changed: its ReplicaSet and its Service let it go, its gate stays True */
    t->l->f.workload = NULL;
    t->l->f.kind = "Pod";
    t->l->f.name = "set-aside";
    t->l->f.revisions.n = 0;
    struct kube_pod *p = town_pod(t, "", t->gate);
    lab_containers_ready(t->l, p, true);
    lab_gate_set(t->l, p, t->gate, "True", "");
    p->meta.labels = (struct kvs){0};
    lab_kv(t->l, &p->meta.labels, "debug", "yes");
    lab_kv(t->l, &p->meta.labels, "pod-template-hash", "hash1");
    if (t->vary != BLIND) {
        lab_group_known(t->l, t->b);
    }
    town_slices(t);
    town_after(t, 3600);
}

static void both_controllers_side_by_side(struct town *t)
{
    /* a migration: each has its binding, the namespace is labelled for one of them only */
    struct lab *l = t->l;
    l->cluster.has_auto = true;
    l->cluster.has_lbc = true;
    struct facts_binding *b = lab_binding(l, "the-other", t->app, "80", "ip");
    if (t->vary != AUTO) {
        town_spec(b)->meta.kind = KIND_BINDING_AUTO;
    }
    town_pods(t, t->gate);
    town_serves(t);
    town_elb(t, b, "healthy", "", "");
    town_after(t, 3600);
}

static void somewhere_else_altogether(struct town *t)
{
    /* neither AWS nor a controller of it: an ingress of another kind */
    struct lab *l = t->l;
    l->cluster.has_lbc = false;
    l->cluster.has_auto = false;
    l->cluster.aws_known = false;
    l->cluster.aws_state = "off";
    l->cluster.webhook_configs.n = 0;
    l->cluster.leases.n = 0;
    l->ns.bindings.n = 0;
    l->ns_object.meta.labels = (struct kvs){0};
    t->s->type = "LoadBalancer";
    struct lb_ingress *at = lab_item(l, &t->s->ingress, sizeof *at);
    *at = (struct lb_ingress){"", "34.1.2.3"};
    town_pods(t, NULL);
    town_after(t, 10);
    town_up(t);
    town_after(t, 600);
}

static void a_target_that_was_left_behind(struct town *t)
{
    /* its pod is long gone, and nobody answers there */
    town_serves(t);
    if (t->vary != BLIND) {
        struct kube_pod gone = *t->l->pods[0];
        gone.ip = "10.0.200.7";
        (void)lab_target(t->l, t->b, &gone, 8080, "unhealthy", "Target.Timeout");
    }
    town_after(t, 3600);
}

static void a_mirror_pod(struct town *t)
{
    /* a static pod of the node: no owner that gatehouse knows, no gate, no Service */
    t->l->f.workload = NULL;
    t->l->f.kind = "Node";
    t->l->f.name = "ip-10-0-0-7.ec2.internal";
    struct kvs other = {0};
    lab_kv(t->l, &other, "app", "somebody-else");
    t->s->selector = other;
    (void)town_pod(t, "", NULL);
    town_up(t);
    town_after(t, 86400);
}

static const struct public_case cases[] = {
    {.name = "evicted pods stay behind as Failed",
     .source = "DataDog/watermarkpodautoscaler#278",
     .scene = evicted_leftovers},
    {.name = "pods of a node that shut down stay as Failed and Succeeded",
     .source = "kubernetes-sigs/kueue#15734",
     .scene = graceful_shutdown_leftovers},
    {.name = "a nightly job runs in a gated namespace",
     .source = "aws-application-networking-k8s#623",
     .scene = jobs_in_a_gated_namespace},
    {.name = "a job with the app's labels was given its gate",
     .source = "microsoft/AIOpsLab#177",
     .scene = a_job_that_the_selector_takes},
    {.name = "a node is drained and one pod moves",
     .source = "kubernetes-sigs/karpenter#2689",
     .scene = a_drained_node},
    {.name = "a pod hangs in Terminating for hours, its successor serves",
     .source = "kubernetes-sigs/karpenter#1121",
     .scene = a_pod_that_will_not_leave},
    {.name = "an ALB makes its first checks",
     .source = "aws-load-balancer-controller#1834",
     .scene = an_alb_takes_its_time},
    {.name = "an NLB takes its usual four minutes",
     .source = "aws-load-balancer-controller#1834",
     .scene = an_nlb_takes_four_minutes},
    {.name = "the first rollout behind an NLB takes three minutes",
     .source = "aws/containers-roadmap#2511",
     .scene = an_nlb_of_which_nothing_is_known},
    {.name = "a StatefulSet waits for its first pod's gate",
     .source = "prometheus-operator#4409",
     .scene = a_statefulset_in_order},
    {.name = "the controller is away for 18 seconds",
     .source = "aws-load-balancer-controller docs/deploy/scaling",
     .scene = the_controller_restarts},
    {.name = "an autoscaler adds two pods",
     .source = "aws-load-balancer-controller#1205",
     .scene = an_autoscaler_adds_pods},
    {.name = "an app needs two minutes to start",
     .source = "aws-load-balancer-controller#3678",
     .scene = a_slow_app},
    {.name = "pods wait a minute for a new node",
     .source = "kubernetes-sigs/karpenter#1121",
     .scene = waiting_for_a_node},
    {.name = "a workload is scaled to zero for the night",
     .source = "aws-load-balancer-controller#2357",
     .scene = scaled_to_zero},
    {.name = "a Deployment is paused for a day",
     .source = "openkruise/kruise#892",
     .scene = paused},
    {.name = "an Ingress is taken away on purpose",
     .source = "aws-load-balancer-controller#3108",
     .scene = an_ingress_taken_away_whole},
    {.name = "a worker without a Service lives in a labelled namespace",
     .source = "aws-load-balancer-controller#1814",
     .scene = no_load_balancer_at_all},
    {.name = "the namespace is labelled, the targets are instances",
     .source = "aws-load-balancer-controller#3403",
     .scene = targets_of_type_instance},
    {.name = "old pods after a blue-green switch",
     .source = "argoproj/argo-rollouts#1283",
     .scene = blue_green_leaves_the_old_ones},
    {.name = "two clusters share a group by multiClusterTargetGroup",
     .source = "aws-load-balancer-controller#3853",
     .scene = a_shared_group_that_may_be_shared},
    {.name = "an open gate still carries its last reason",
     .source = "aws-load-balancer-controller#2857",
     .scene = true_with_an_old_reason},
    {.name = "a fault of yesterday is still among the events",
     .source = "kubernetes/cloud-provider-aws#62",
     .scene = yesterdays_events},
    {.name = "the end of a binding writes a warning of its own",
     .source = "aws-load-balancer-controller#3352",
     .scene = deletion_noise},
    {.name = "the nodes' clock is ahead", .source = "kubernetes#86485", .scene = a_clock_ahead},
    {.name = "two load balancers, two gates, both open",
     .source = "aws-load-balancer-controller#2695",
     .scene = two_load_balancers},
    {.name = "a zonal shift is active",
     .source = "docs.aws.amazon.com application/zonal-shift",
     .scene = a_zonal_shift},
    {.name = "pods with IPv6 addresses",
     .source = "aws-load-balancer-controller#4775",
     .scene = pods_with_ipv6},
    {.name = "a DaemonSet on the hosts' network behind two bindings",
     .source = "aws-load-balancer-controller#2695",
     .scene = on_the_hosts_network},
    {.name = "a disruption budget allows nothing, and nobody waits",
     .source = "kubernetes-sigs/karpenter#2802",
     .scene = a_budget_of_one},
    {.name = "a canary of weight zero is paused at its step",
     .source = "argoproj/argo-rollouts#3333",
     .scene = a_canary_of_weight_zero},
    {.name = "an NLB of which only its Service is known",
     .source = "aws/containers-roadmap#2511",
     .scene = an_nlb_that_nobody_describes},
    {.name = "an Ingress was mended a quarter of an hour ago",
     .source = "aws-load-balancer-controller#2194",
     .scene = an_ingress_that_was_mended},
    {.name = "Argo calls a serving rollout aborted",
     .source = "argoproj/argo-rollouts#1624",
     .scene = aborted_after_the_fact},
    {.name = "the old revision's last pod crashes",
     .source = "argoproj/argo-rollouts#1593",
     .scene = the_old_revision_is_ill},
    {.name = "the label was taken off, the gates are there",
     .source = "aws-application-networking-k8s#644",
     .scene = the_label_was_taken_off},
    {.name = "volumes come late on a new node",
     .source = "kubernetes/kubernetes#105204",
     .scene = mounts_come_late},
    {.name = "warnings about other things",
     .source = "kubernetes/kubernetes#78761",
     .scene = warnings_beside_the_matter},
    {.name = "a pod is set aside by its labels, to be looked at",
     .source = "kubernetes.io/docs/concepts/workloads/controllers/replicaset",
     .scene = a_pod_set_aside_for_debugging},
    {.name = "both controllers side by side during a migration",
     .source = "aws-load-balancer-controller#4043",
     .scene = both_controllers_side_by_side,
     .skip = IN(BLIND)},
    {.name = "a cluster elsewhere, without any of it",
     .source = "kubernetes/ingress-gce#1656",
     .scene = somewhere_else_altogether},
    {.name = "a target of a pod that is long gone",
     .source = "aws-load-balancer-controller#628",
     .scene = a_target_that_was_left_behind},
    {.name = "a static pod", .source = "kubernetes/kubernetes#63897", .scene = a_mirror_pod},
};

static void harmless_situations_of_others_stay_quiet(void **state)
{
    (void)state;
    HOLD_PUBLIC(cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(harmless_situations_of_others_stay_quiet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
