/*
 * Cases of other people in which Kubernetes calls pods ready, and the load balancer does not serve
 * them, or did and stopped.
 */
#include "unit/model/town.h"

static void service_deleted(struct town *t)
{
    town_serves(t);
    t->l->ns.services.n = 0;
    t->b->service = NULL;
    t->l->ns.slices.n = 0;
    (void)town_warns(t, "TargetGroupBinding", t->binding, "BackendNotFound",
                     "backend not found: Service \"shop/checkout\" not found");
    town_elb(t, t->b, "draining", "Target.DeregistrationInProgress", "");
    for (uint32_t i = 0; i < t->l->f.pods.n; i++) {
        (void)lab_condition(t->l, t->l->pods[i], t->gate, "True", "",
                            "Target Group Binding is deleted");
    }
    town_after(t, 60);
}

static void port_renamed(struct town *t)
{
    town_spec(t->b)->service_port = "http";
    town_serves(t);
    ((struct service_port *)(uintptr_t)t->s->ports.items)->name = "web";
    (void)town_warns(t, "TargetGroupBinding", t->binding, "BackendNotFound",
                     "backend not found: unable to find port http on service shop/checkout");
    town_elb(t, t->b, "draining", "Target.DeregistrationInProgress", "");
    for (uint32_t i = 0; i < t->l->f.pods.n; i++) {
        (void)lab_condition(t->l, t->l->pods[i], t->gate, "True", "",
                            "Target Group Binding is deleted");
    }
    town_after(t, 60);
}

static void ingress_of(struct town *t, const char *target_type)
{
    struct kube_ingress *ing = LAB_LIST(t->l, t->l->ns.ingresses, t->l->ingresses, LAB_MANY);
    record_clear(kind_info(KIND_INGRESS)->table, ing);
    ing->meta.name = "edge";
    ing->meta.created_at = LAB_T0 - 86400000;
    ing->class_name = t->vary == AUTO ? "eks-auto-alb" : "alb";
    if (target_type[0] != '\0') {
        lab_kv(t->l, &ing->meta.annotations, "alb.ingress.kubernetes.io/target-type", target_type);
    }
    struct ingress_rule *rule = lab_item(t->l, &ing->rules, sizeof *rule);
    struct ingress_backend *b = lab_item(t->l, &rule->backends, sizeof *b);
    *b = (struct ingress_backend){t->app, 80, ""};
    struct lb_ingress *at = lab_item(t->l, &ing->ingress, sizeof *at);
    *at = (struct lb_ingress){"edge-1.eu-west-1.elb.amazonaws.com", ""};
}

static void binding_deleted_by_hand(struct town *t)
{
    ingress_of(t, t->vary == AUTO ? "" : "ip"); /* Auto Mode takes ip by itself */
    town_serves(t);
    for (uint32_t i = 0; i < t->l->f.pods.n; i++) {
        (void)lab_condition(t->l, t->l->pods[i], t->gate, "True", "",
                            "Target Group Binding is deleted");
    }
    t->l->ns.bindings.n = 0;
    town_after(t, 300);
}

static void model_cannot_be_deployed(struct town *t)
{
    /* a hundred groups is the most an ALB takes: the new Service never gets its binding */
    ingress_of(t, "ip");
    t->l->ns.bindings.n = 0;
    (void)town_warns(
        t, "Ingress", "edge", "FailedDeployModel",
        "Failed deploy model due to TooManyUniqueTargetGroupsPerLoadBalancer: You have "
        "reached the maximum number of unique target groups that you can associate "
        "with a load balancer of type 'application': [100]");
    town_pods(t, NULL);
    town_after(t, 10);
    town_up(t);
    town_after(t, 300);
}

static void never_had_a_binding(struct town *t)
{
    t->l->ns.bindings.n = 0;
    town_pods(t, NULL);
    town_after(t, 10);
    town_up(t);
    town_after(t, 300);
}

static void no_subnets(struct town *t)
{
    ingress_of(t, t->vary == AUTO ? "" : "ip");
    t->l->ingresses[0].ingress = (struct list){0};
    (void)town_warns(t, "Ingress", "edge", "FailedBuildModel",
                     "Failed build model due to couldn't auto-discover subnets: unable to discover "
                     "at least one subnet");
    never_had_a_binding(t);
}

static void no_subnets_for_a_service(struct town *t)
{
    t->s->type = "LoadBalancer";
    t->s->load_balancer_class = t->vary == AUTO ? "eks.amazonaws.com/nlb" : "service.k8s.aws/nlb";
    if (t->vary != AUTO) {
        lab_kv(t->l, &t->s->meta.annotations,
               "service.beta.kubernetes.io/aws-load-balancer-nlb-target-type", "ip");
    }
    (void)town_warns(t, "Service", t->app, "FailedBuildModel",
                     "Failed build model due to unable to resolve at least one subnet (0 match VPC "
                     "and tags)");
    never_had_a_binding(t);
}

static void bindings_refused(struct town *t)
{
    ingress_of(t, "ip");
    (void)town_warns(
        t, "Ingress", "edge", "FailedDeployModel",
        "Failed deploy model due to Internal error occurred: failed calling webhook "
        "\"mtargetgroupbinding.elbv2.k8s.aws\": Post \"https://aws-load-balancer-webhook-"
        "service.kube-system.svc:443/mutate-elbv2-k8s-aws-v1beta1-targetgroupbinding?"
        "timeout=10s\": context deadline exceeded");
    never_had_a_binding(t);
}

static void unhealthy_later(struct town *t)
{
    (void)town_group(t, t->b);
    town_serves(t);
    town_after(t, 3600);
    town_elb(t, t->b, "unhealthy", "Target.Timeout", "Request timed out");
    if (t->vary != BLIND) { /* one still answers */
        (void)lab_target(t->l, t->b, t->l->pods[0], 8080, "healthy", "");
    }
    town_after(t, 120);
}

static void two_clusters_fight(struct town *t)
{
    town_serves(t);
    town_after(t, 3600);
    if (t->vary != BLIND) {
        struct kube_pod other = *t->l->pods[0];
        t->b->group->targets.n = 0;
        for (int i = 0; i < 3; i++) {
            other.ip = arena_printf(t->l->a, "10.99.1.%d", i + 10);
            (void)lab_target(t->l, t->b, &other, 8080, "healthy", "");
        }
    }
    town_after(t, 400);
}

static void all_nodes_fall(struct town *t)
{
    /* the controller takes every pod out; ELBv2 knows nobody; gates are closed again later */
    town_serves(t);
    town_after(t, 3600);
    struct facts_node *n = LAB_LIST(t->l, t->l->cluster.nodes, t->l->nodes, LAB_MANY);
    *n = (struct facts_node){"node-1", "False", "eu-west-1a"};
    town_elb(t, t->b, "draining", "Target.DeregistrationInProgress", "");
    for (uint32_t i = 0; i < t->l->f.pods.n; i++) {
        (void)lab_condition(t->l, t->l->pods[i], "Ready", "False", "", "");
    }
    town_slices(t);
    town_after(t, 90);
}

static void one_restart(struct town *t)
{
    town_serves(t);
    town_after(t, 3600);
    struct kube_pod *p = t->l->pods[0];
    struct container_status *c = (struct container_status *)(uintptr_t)p->statuses.items;
    c->restarts = 1;
    c->last_reason = "OOMKilled";
    c->last_finished_at = t->l->f.now;
    lab_containers_ready(t->l, p, false);
    town_slices(t);
    town_after(t, 12);
    lab_containers_ready(t->l, p, true);
    (void)lab_condition(t->l, p, t->gate, "False", "Elb.RegistrationInProgress",
                        "Target registration is in progress");
    lab_kubelet(t->l, p);
    if (t->vary != BLIND) {
        (void)lab_target(t->l, t->b, p, 8080, "initial", "Elb.RegistrationInProgress");
    }
    town_slices(t);
    town_after(t, 140);
}

static void service_made_anew(struct town *t)
{
    /* another UID, another group, another binding: running pods have no gate for it */
    town_serves(t);
    town_after(t, 3600);
    for (uint32_t i = 0; i < t->l->f.pods.n; i++) {
        (void)lab_condition(t->l, t->l->pods[i], t->gate, "True", "",
                            "Target Group Binding is deleted");
    }
    town_spec(t->b)->meta.name = "k8s-shop-checkout-ffee001122";
    town_spec(t->b)->meta.created_at = t->l->f.now;
    t->s->meta.created_at = t->l->f.now;
    town_elb(t, t->b, "initial", "Elb.RegistrationInProgress", "");
    town_after(t, 20);
}

static void everybody_unhealthy(struct town *t)
{
    /* the database is down; the full read after an hour closes all gates at once */
    (void)town_group(t, t->b);
    town_serves(t);
    town_after(t, 3600);
    town_says(t, "unhealthy", "Target.ResponseCodeMismatch",
              "Health checks failed with these codes: [503]");
    town_after(t, 200);
}

static const struct public_case cases[] = {
    {.name = "the Service was deleted, the Ingress was not",
     .source = "aws-load-balancer-controller#1888",
     .scene = service_deleted,
     .want = ERR("binding_backend_not_found", NULL)},
    {.name = "the Service's port got another name",
     .source = "aws-load-balancer-controller#475",
     .scene = port_renamed,
     .want = ERR("binding_backend_not_found", "Port http of Service")},
    {.name = "the controller's binding was deleted by hand",
     .source = "aws-load-balancer-controller#4902",
     .scene = binding_deleted_by_hand,
     .want = WARN("binding_deleted", "Ingress/edge")},
    {.name = "the load balancer takes no more groups",
     .source = "aws-load-balancer-controller#3560",
     .scene = model_cannot_be_deployed,
     .want = WARN("load_balancer_not_deployed", "maximum number of unique target groups"),
     .unless = {{IN(DEAF), WARN("binding_deleted", "describe Ingress/edge")}}},
    {.name = "no subnet is tagged, so there is no load balancer",
     .source = "aws-load-balancer-controller#2812",
     .scene = no_subnets,
     .want = WARN("load_balancer_not_deployed", "couldn't auto-discover subnets"),
     .unless = {{IN(DEAF), QUIET}}},
    {.name = "no subnet is tagged for a Service's NLB",
     .source = "argoproj/argo-cd#16176",
     .scene = no_subnets_for_a_service,
     .want = WARN("load_balancer_not_deployed", "0 match VPC and tags"),
     .unless = {{IN(DEAF), QUIET}}},
    {.name = "the binding's webhook cannot be reached, so no binding is made",
     .source = "aws-load-balancer-controller#1599",
     .scene = bindings_refused,
     .want = WARN("load_balancer_not_deployed", "mtargetgroupbinding"),
     .unless = {{IN(DEAF), WARN("binding_deleted", NULL)}}},
    {.name = "a target turns unhealthy under an open gate",
     .source = "aws-load-balancer-controller#2857",
     .scene = unhealthy_later,
     .want = ERR("target_unhealthy_after_open", "Target.Timeout"),
     .unless = {{IN(BLIND), QUIET}}},
    {.name = "another cluster took the targets over",
     .source = "aws-load-balancer-controller#2173",
     .scene = two_clusters_fight,
     .want = ERR("target_group_shared", "another cluster"),
     .unless = {{IN(BLIND), QUIET}}},
    {.name = "all nodes turn not ready at once",
     .source = "aws-load-balancer-controller#2085",
     .scene = all_nodes_fall,
     .want = WARN("node_not_ready", NULL)},
    {.name = "a container was killed and its pod registers again",
     .source = "kubernetes/kubernetes#65825",
     .scene = one_restart,
     .want = WARN("container_restarted_after_open", "logs"),
     .unless = {{IN(FRESH), WARN("registration_in_progress", NULL)}}},
    {.name = "the Service was made anew",
     .source = "aws-load-balancer-controller#2982",
     .scene = service_made_anew,
     .want = WARN("gate_missing_pod_predates_binding", "rollout restart")},
    {.name = "every pod fails its check at once",
     .source = "appmod-blueprints#890",
     .scene = everybody_unhealthy,
     .want = ERR("health_check_code_mismatch", "[503]")},
};

static void exposed_pods_of_others_are_told_by_their_root(void **state)
{
    (void)state;
    HOLD_PUBLIC(cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exposed_pods_of_others_are_told_by_their_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
