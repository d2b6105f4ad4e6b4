/*
 * More harmless situations: people asked about them, other tools cry about them, and nothing is
 * wrong with the gates.
 */
#include "unit/model/town.h"

/* ---- pods leave ---- */

static void pod_gone_before_its_target(struct town *t)
{
    /* a pod of the old revision had 30 s, its target drains for minutes */
    (void)town_group(t, t->b);
    lab_kv(t->l, &t->w->template_labels, "app", t->app);
    town_serves(t);
    if (t->vary != BLIND) {
        struct kube_pod gone = *t->l->pods[0];
        gone.ip = "10.0.77.1";
        (void)lab_target(t->l, t->b, &gone, 8080, "healthy", "");
        (void)lab_target(t->l, t->b, &gone, 8080, "draining", "Target.DeregistrationInProgress");
    }
    town_after(t, 60);
}

static void leave(struct town *t, uint32_t from)
{
    for (uint32_t i = from; i < t->pods; i++) {
        lab_delete(t->l, t->l->pods[i]);
        if (t->vary != BLIND) {
            (void)lab_target(t->l, t->b, t->l->pods[i], 8080, "draining",
                             "Target.DeregistrationInProgress");
        }
    }
    town_slices(t);
}

static void spot_nodes_are_called_back(struct town *t)
{
    town_serves(t);
    town_after(t, 3600);
    leave(t, 0);
    for (uint32_t i = 0; i < t->pods; i++) {
        struct kube_pod *p = town_pod(t, "hash1", t->gate);
        p->phase = "Pending";
        p->node = "";
        p->statuses.n = 0;
        (void)lab_condition(t->l, p, "PodScheduled", "False", "Unschedulable",
                            "0/3 nodes are available: 3 node(s) were unschedulable.");
    }
    town_after(t, 25);
}

static void an_autoscaler_takes_pods(struct town *t)
{
    town_serves(t);
    town_after(t, 600);
    t->w->replicas = 1;
    leave(t, 1);
    town_after(t, 20);
}

static void a_statefulset_replaces_one(struct town *t)
{
    struct kube_workload *w = lab_workload(t->l, KIND_STATEFULSET, t->app, t->pods);
    w->update_revision = "hash2";
    w->current_revision = "hash1";
    w->pod_management = "OrderedReady";
    w->strategy = "RollingUpdate";
    (void)lab_revision(t->l, "ss-hash1", "hash1", 1);
    (void)lab_revision(t->l, "ss-hash2", "hash2", 2);
    town_serves(t);
    lab_delete(t->l, t->l->pods[t->pods - 1]);
    struct kube_pod *p = town_pod(t, "hash2", t->gate);
    town_after(t, 10);
    lab_containers_ready(t->l, p, true);
    (void)lab_condition(t->l, p, t->gate, "False", "Elb.RegistrationInProgress", "");
    lab_kubelet(t->l, p);
    if (t->vary != BLIND) {
        (void)lab_target(t->l, t->b, p, 8080, "initial", "Elb.RegistrationInProgress");
    }
    town_slices(t);
    town_after(t, 20);
}

static void kept_alive_to_drain(struct town *t)
{
    /* a tool answers the deletion itself: no labels, nobody's any more, a minute and a half to live
     */
    t->l->f.workload = NULL;
    t->l->f.kind = "Pod";
    t->l->f.name = "drains";
    t->l->f.revisions.n = 0;
    struct kube_pod *p = town_pod(t, "", t->gate);
    lab_containers_ready(t->l, p, true);
    lab_gate_set(t->l, p, t->gate, "True", "");
    if (t->vary != BLIND) {
        (void)lab_target(t->l, t->b, p, 8080, "draining", "Target.DeregistrationInProgress");
    }
    p->meta.labels = (struct kvs){0};
    lab_kv(t->l, &p->meta.labels, "pod-graceful-drain/draining", "true");
    struct owner *o = lab_item(t->l, &p->meta.owners, sizeof *o);
    *o = (struct owner){"apps/v1", "ReplicaSet", "checkout-7d9f", "uid-rs", 0};
    town_slices(t);
    town_after(t, 80);
}

/* ---- pods come ---- */

static void an_nlb_as_slow_as_ever(struct town *t)
{
    t->b->usual = (struct usual){180000, 200000, true};
    town_pods(t, t->gate);
    town_after(t, 15);
    town_up(t);
    town_says(t, "initial", "Elb.RegistrationInProgress", "Target registration is in progress");
    town_after(t, 190);
}

static void a_budget_beside_a_short_wait(struct town *t)
{
    town_serves(t);
    struct kube_pdb *b = LAB_LIST(t->l, t->l->ns.pdbs, t->l->pdbs, LAB_MANY);
    record_clear(kind_info(KIND_PDB)->table, b);
    b->meta.name = t->app;
    b->selector.present = 1;
    lab_kv(t->l, &b->selector.labels, "app", t->app);
    b->current_healthy = t->pods;
    b->desired_healthy = t->pods;
    b->expected_pods = t->pods + 1;
    t->w->replicas = t->pods + 1;
    struct kube_pod *p = town_pod(t, "hash1", t->gate);
    lab_containers_ready(t->l, p, true);
    (void)lab_condition(t->l, p, t->gate, "False", "Elb.InitialHealthChecking", "");
    if (t->vary != BLIND) {
        (void)lab_target(t->l, t->b, p, 8080, "initial", "Elb.InitialHealthChecking");
    }
    town_slices(t);
    town_after(t, 20);
}

static void a_large_image(struct town *t)
{
    town_pods(t, t->gate);
    for (uint32_t i = 0; i < t->l->f.pods.n; i++) {
        struct kube_pod *p = t->l->pods[i];
        struct container_status *c = (struct container_status *)(uintptr_t)p->statuses.items;
        p->phase = "Pending";
        c->is_running = 0;
        c->running_since = 0;
        c->is_waiting = 1;
        c->waiting_reason = "ContainerCreating";
    }
    town_after(t, 90);
}

static void ready_for_a_while_first(struct town *t)
{
    /* minReadySeconds: they serve, and the Deployment does not count them yet */
    t->w->min_ready_seconds = 600;
    struct condition *c = lab_item(t->l, &t->w->conditions, sizeof *c);
    *c = (struct condition){"Available",
                            "False",
                            "MinimumReplicasUnavailable",
                            "Deployment does not have minimum availability.",
                            t->l->f.now,
                            0};
    town_serves(t);
    town_after(t, 300);
}

/* ---- load balancers ---- */

static void hairpin(struct town *t)
{
    /* clients on the target's own node time out; targets are healthy */
    struct elb_group *g = town_group(t, t->b);
    g->protocol = "TCP";
    struct elb_attribute *a = lab_item(t->l, &g->attributes, sizeof *a);
    *a = (struct elb_attribute){"preserve_client_ip.enabled", "true"};
    town_serves(t);
    town_after(t, 3600);
}

static struct kube_ingress *ingress_of(struct town *t, const char *service)
{
    struct kube_ingress *ing = LAB_LIST(t->l, t->l->ns.ingresses, t->l->ingresses, LAB_MANY);
    record_clear(kind_info(KIND_INGRESS)->table, ing);
    ing->meta.name = "edge";
    ing->meta.created_at = LAB_T0 - 86400000;
    ing->class_name = "alb";
    lab_kv(t->l, &ing->meta.annotations, "alb.ingress.kubernetes.io/target-type", "ip");
    ing->default_service = service;
    struct lb_ingress *at = lab_item(t->l, &ing->ingress, sizeof *at);
    *at = (struct lb_ingress){"edge-1.eu-west-1.elb.amazonaws.com", ""};
    return ing;
}

static void an_old_group_cannot_be_deleted(struct town *t)
{
    (void)ingress_of(t, t->app);
    town_serves(t);
    (void)town_warns(t, "Ingress", "edge", "FailedDeployModel",
                     "Failed deploy model due to failed to delete targetGroup: timed out waiting "
                     "for the condition");
    town_after(t, 600);
}

static void an_ingress_hangs_in_its_deletion(struct town *t)
{
    /* its security group is still used; the bindings are gone, the pods run on for others */
    struct kube_ingress *ing = ingress_of(t, t->app);
    town_spec(t->b)->meta.name = "k8s-shop-web-0123456789";
    t->gate = town_gate(t, "k8s-shop-web-0123456789");
    town_serves(t);
    ing->meta.deleted_at = t->l->f.now;
    town_write(t, t->gate, "True", "", "Target Group Binding is deleted");
    t->l->ns.bindings.n = 0;
    (void)town_warns(t, "Ingress", "edge", "FailedDeployModel",
                     "Failed deploy model due to failed to delete securityGroup: timed out waiting "
                     "for the condition");
    town_after(t, 1200);
}

static void an_ingress_is_on_its_way_out(struct town *t)
{
    /* its binding drains the targets first, and opens the gates at the end */
    struct kube_ingress *ing = ingress_of(t, t->app);
    town_spec(t->b)->meta.name = "k8s-shop-web-0123456789";
    t->gate = town_gate(t, "k8s-shop-web-0123456789");
    town_serves(t);
    ing->meta.deleted_at = t->l->f.now;
    town_spec(t->b)->meta.deleted_at = t->l->f.now;
    town_elb(t, t->b, "draining", "Target.DeregistrationInProgress", "");
    town_after(t, 40);
    town_write(t, t->gate, "True", "", "Target Group Binding is deleted");
    town_after(t, 60);
}

static void ungated(struct town *t, int64_t seconds)
{
    town_pods(t, NULL);
    town_after(t, 10);
    town_up(t);
    town_after(t, seconds);
}

static void the_cloud_providers_own_balancer(struct town *t)
{
    /* type nlb is not the controller's: the wish for ip targets goes unheard, node ports serve */
    t->l->ns.bindings.n = 0;
    t->s->type = "LoadBalancer";
    lab_kv(t->l, &t->s->meta.annotations, "service.beta.kubernetes.io/aws-load-balancer-type",
           "nlb");
    lab_kv(t->l, &t->s->meta.annotations,
           "service.beta.kubernetes.io/aws-load-balancer-nlb-target-type", "ip");
    struct lb_ingress *at = lab_item(t->l, &t->s->ingress, sizeof *at);
    *at = (struct lb_ingress){"a0-1.elb.eu-west-1.amazonaws.com", ""};
    ungated(t, 900);
}

static void a_service_without_selector(struct town *t)
{
    /* a gateway's endpoints are written by hand, the proxies are on every node */
    t->s->selector = (struct kvs){0};
    ungated(t, 900);
}

static void instances(struct town *t, uint32_t n, uint32_t healthy)
{
    town_spec(t->b)->target_type = "instance";
    struct kube_pod node = *t->l->pods[0];
    for (uint32_t i = 0; t->vary != BLIND && i < n; i++) {
        node.ip = arena_printf(t->l->a, "i-0abc%u", i);
        (void)lab_target(t->l, t->b, &node, 31000, i < healthy ? "healthy" : "unhealthy",
                         i < healthy ? "" : "Target.FailedHealthChecks");
    }
    if (t->vary != BLIND) {
        lab_group_known(t->l, t->b);
    }
}

static void nodes_without_a_pod(struct town *t)
{
    /* externalTrafficPolicy Local: unhealthy by design */
    town_spec(t->b)->target_type = "instance";
    ungated(t, 5);
    instances(t, 6, 2);
    town_after(t, 900);
}

static void no_instance_is_registered(struct town *t)
{
    /* nodes without a provider id of AWS */
    town_spec(t->b)->target_type = "instance";
    ungated(t, 5);
    instances(t, 0, 0);
    town_after(t, 900);
}

static void a_cordoned_node(struct town *t)
{
    struct facts_node *n = LAB_LIST(t->l, t->l->cluster.nodes, t->l->nodes, LAB_MANY);
    *n = (struct facts_node){"node-1", "True", "eu-west-1a"};
    town_serves(t);
    (void)town_warns(t, "Node", "node-1", "NodeNotSchedulable", "Node is not schedulable");
    town_after(t, 3600);
}

static void an_ingress_in_the_queue(struct town *t)
{
    /* the controller is busy with others: no address yet, no word */
    struct kube_ingress *ing = ingress_of(t, t->app);
    ing->ingress = (struct list){0};
    ing->meta.created_at = t->l->f.now;
    t->l->ns.bindings.n = 0;
    ungated(t, 600);
}

static void an_ingress_of_another_name(struct town *t)
{
    /* it names a Service that is not there; the controller answers 503 for it by itself */
    (void)ingress_of(t, "istio-ingressgateway");
    t->l->ns.bindings.n = 0;
    ungated(t, 900);
}

static void a_service_hangs_in_its_deletion(struct town *t)
{
    town_spec(t->b)->meta.name = "k8s-shop-claims-0123456789";
    t->gate = town_gate(t, "k8s-shop-claims-0123456789");
    t->s->type = "LoadBalancer";
    lab_kv(t->l, &t->s->meta.annotations, "service.beta.kubernetes.io/aws-load-balancer-type",
           "nlb-ip");
    town_serves(t);
    t->s->meta.deleted_at = t->l->f.now;
    town_write(t, t->gate, "True", "", "Target Group Binding is deleted");
    t->l->ns.bindings.n = 0;
    town_after(t, 1800);
    (void)town_warns(t, "Service", t->app, "FailedDeployModel",
                     "Failed deploy model due to failed to delete loadBalancer: timed out");
    town_after(t, 1200);
}

static void the_cloud_provider_has_too_many(struct town *t)
{
    t->l->ns.bindings.n = 0;
    t->s->type = "LoadBalancer";
    (void)town_warns(t, "Service", t->app, "SyncLoadBalancerFailed",
                     "Error syncing load balancer: failed to ensure load balancer: error creating "
                     "load balancer listener: \"TooManyTargets: The maximum number of targets per "
                     "load balancer '1000' has been reached\"");
    ungated(t, 900);
}

static void somebody_elses_group_is_gone(struct town *t)
{
    (void)lab_service(t->l, "reports", "app", "reports", 80, "8080");
    struct facts_binding *b = town_binding(t, "k8s-shop-reports-77aa10b2c3", "reports", "80");
    b->group->gone = t->vary != BLIND;
    town_serves(t);
    town_after(t, 900);
}

static void the_check_has_a_port_of_its_own(struct town *t)
{
    /* the rules let the check through and not the traffic: no target shows it */
    struct elb_group *g = town_group(t, t->b);
    g->protocol = "TLS";
    g->health_port = "8000";
    g->health_path = "/readyz";
    town_serves(t);
    town_after(t, 900);
}

static void the_cloud_providers_nlb(struct town *t)
{
    t->l->ns.bindings.n = 0;
    t->s->type = "LoadBalancer";
    lab_kv(t->l, &t->s->meta.annotations, "service.beta.kubernetes.io/aws-load-balancer-type",
           "nlb");
    struct lb_ingress *at = lab_item(t->l, &t->s->ingress, sizeof *at);
    *at = (struct lb_ingress){"a0-1.elb.eu-west-1.amazonaws.com", ""};
    ungated(t, 900);
}

static void a_gateway_cannot_be_deployed(struct town *t)
{
    /* which pods it means stands in routes that nobody here reads */
    t->l->ns.bindings.n = 0;
    (void)town_warns(t, "Gateway", "lbc1", "FailedDeployModel",
                     "Failed deploy model due to ValidationError: Health check port 0 must be "
                     "within 1-65535 or traffic-port");
    ungated(t, 300);
}

/* The first rollout behind a Gateway: nothing is known but whose the binding is. */
static void behind_a_gateway(struct town *t, const char *label, const char *protocol,
                             int64_t seconds)
{
    lab_kv(t->l, &town_spec(t->b)->meta.labels, label, "edge");
    town_spec(t->b)->protocol = protocol;
    t->b->usual = usual_of(NULL, 0, t->b->binding, NULL, NULL);
    town_pods(t, t->gate);
    town_after(t, 12);
    town_up(t);
    town_says(t, "initial", "Elb.InitialHealthChecking", "Initial health checks in progress");
    town_after(t, seconds);
}

static void nlb_of_a_gateway(struct town *t)
{
    behind_a_gateway(t, "gateway.k8s.aws.nlb/stack-name", "", 200);
}

static void alb_of_a_gateway(struct town *t)
{
    behind_a_gateway(t, "gateway.k8s.aws.alb/stack-name", "", 25);
}

static void the_first_deploy_of_all(struct town *t)
{
    /* one chart: pods, Service and Ingress at once, and the binding a minute later */
    int64_t made = t->l->f.now;
    town_pods(t, NULL);
    t->s->meta.created_at = made;
    town_spec(t->b)->meta.created_at = made + 70000;
    town_after(t, 30);
    town_up(t);
    town_after(t, 60);
    town_elb(t, t->b, "healthy", "", "");
    town_after(t, 3600);
}

static void the_same_address_again(struct town *t)
{
    /* an ingress on its host's network: the successor has the address of the pod that went */
    struct lab *l = t->l;
    struct kube_workload *w = lab_workload(l, KIND_DAEMONSET, t->app, t->pods);
    w->strategy = "RollingUpdate";
    w->max_unavailable = "1";
    (void)lab_revision(l, "ds-hash1", "hash1", 3);
    (void)lab_revision(l, "ds-hash2", "hash2", 4);
    town_serves(t);
    town_after(t, 3600);
    struct kube_pod *old = l->pods[0];
    lab_delete(l, old);
    if (t->vary != BLIND) {
        (void)lab_target(l, t->b, old, 8080, "draining", "Target.DeregistrationInProgress");
    }
    town_slices(t);
    town_after(t, 8);
    struct kube_pod *p = town_pod(t, "hash2", t->gate);
    p->ip = old->ip;
    p->ips = old->ips;
    old->phase = "Succeeded";
    town_after(t, 6);
    lab_containers_ready(l, p, true);
    (void)lab_condition(l, p, t->gate, "False", "Elb.RegistrationInProgress", "");
    lab_kubelet(l, p);
    town_slices(t);
    town_after(t, 12); /* our poll is from before */
    if (t->vary != BLIND) {
        (void)lab_target(l, t->b, p, 8080, "initial", "Elb.RegistrationInProgress");
    }
    town_after(t, 20);
}

static void published_before_it_is_ready(struct town *t)
{
    t->s->publish_not_ready = 1;
    town_pods(t, t->gate);
    for (uint32_t i = 0; i < t->l->f.pods.n; i++) {
        (void)lab_condition(t->l, t->l->pods[i], t->gate, "False", "Target.FailedHealthChecks",
                            "Health checks failed");
        if (t->vary != BLIND) {
            (void)lab_target(t->l, t->b, t->l->pods[i], 8080, "unhealthy",
                             "Target.FailedHealthChecks");
        }
    }
    town_slices(t);
    town_after(t, 40);
}

static void an_ingress_with_a_wrong_arn(struct town *t)
{
    /* bindings go on without their Ingress */
    (void)ingress_of(t, t->app);
    town_serves(t);
    for (int i = 0; i < 3; i++) {
        (void)town_warns(t, "Ingress", "edge", "FailedBuildModel",
                         "Failed build model due to invalid certificate arn:aws:acm:x");
        town_after(t, 400);
    }
}

static void a_deadline_passed_on_paper(struct town *t)
{
    town_serves(t);
    struct condition *c = lab_item(t->l, &t->w->conditions, sizeof *c);
    *c = (struct condition){"Progressing",
                            "False",
                            "ProgressDeadlineExceeded",
                            "ReplicaSet \"checkout-hash1\" has timed out progressing.",
                            t->l->f.now,
                            0};
    town_after(t, 600);
}

static const struct public_case cases[] = {
    {.name = "a pod is gone while its target drains",
     .source = "aws-load-balancer-controller#1719",
     .scene = pod_gone_before_its_target,
     .around = "drain_shorter_than_deregistration"},
    {.name = "an NLB takes as long as it ever did",
     .source = "aws-load-balancer-controller#2048",
     .scene = an_nlb_as_slow_as_ever},
    {.name = "all spot nodes are called back at once",
     .source = "aws-node-termination-handler#225",
     .scene = spot_nodes_are_called_back},
    {.name = "a budget blocks while a pod waits as usual",
     .source = "kubernetes-sigs/karpenter#1176",
     .scene = a_budget_beside_a_short_wait},
    {.name = "a large image is pulled", .source = "helm/helm#11193", .scene = a_large_image},
    {.name = "pods must be ready for ten minutes before they count",
     .source = "argoproj/argo-cd#27871",
     .scene = ready_for_a_while_first},
    {.name = "a client reaches itself through its own NLB",
     .source = "kubernetes/cloud-provider-aws#1160",
     .scene = hairpin},
    {.name = "an old target group cannot be deleted, and all is bound",
     .source = "aws-load-balancer-controller#3037",
     .scene = an_old_group_cannot_be_deleted},
    {.name = "an Ingress hangs in its deletion",
     .source = "aws-load-balancer-controller#2220",
     .scene = an_ingress_hangs_in_its_deletion},
    {.name = "an Ingress and its binding are on their way out",
     .source = "aws-load-balancer-controller#2603",
     .scene = an_ingress_is_on_its_way_out},
    {.name = "the cloud provider's own NLB does not hear the wish for ip targets",
     .source = "aws-load-balancer-controller#2165",
     .scene = the_cloud_providers_own_balancer},
    {.name = "a gateway's Service has no selector",
     .source = "aws-load-balancer-controller#3754",
     .scene = a_service_without_selector},
    {.name = "nodes without a pod fail the check of a local Service",
     .source = "nginx/kubernetes-ingress#1199",
     .scene = nodes_without_a_pod},
    {.name = "a tool keeps a deleted pod alive until its target has drained",
     .source = "foriequal0/pod-graceful-drain#34",
     .scene = kept_alive_to_drain},
    {.name = "no node can be registered as an instance",
     .source = "aws-load-balancer-controller#4223",
     .scene = no_instance_is_registered},
    {.name = "a node is cordoned and its pods serve on",
     .source = "aws-load-balancer-controller#1161",
     .scene = a_cordoned_node},
    {.name = "an autoscaler takes pods away",
     .source = "kubernetes/autoscaler#1907",
     .scene = an_autoscaler_takes_pods},
    {.name = "an Ingress waits in the controller's queue",
     .source = "aws-load-balancer-controller#3755",
     .scene = an_ingress_in_the_queue},
    {.name = "an Ingress names a Service that is not there",
     .source = "aws-load-balancer-controller#2807",
     .scene = an_ingress_of_another_name},
    {.name = "a StatefulSet replaces one pod",
     .source = "aws-load-balancer-controller#814",
     .scene = a_statefulset_replaces_one},
    {.name = "a Service hangs in its deletion",
     .source = "aws-load-balancer-controller#2200",
     .scene = a_service_hangs_in_its_deletion},
    {.name = "the cloud provider's own load balancer has too many targets",
     .source = "kubernetes/kubernetes#86441",
     .scene = the_cloud_provider_has_too_many},
    {.name = "the group of another app's binding is gone",
     .source = "aws-load-balancer-controller#4896",
     .scene = somebody_elses_group_is_gone,
     .around = "target_group_gone"},
    {.name = "the rules know the check's port only",
     .source = "aws-load-balancer-controller#4183",
     .scene = the_check_has_a_port_of_its_own},
    {.name = "an NLB of the cloud provider",
     .source = "aws-load-balancer-controller#1857",
     .scene = the_cloud_providers_nlb},
    {.name = "a Gateway cannot be deployed",
     .source = "aws-load-balancer-controller#4561",
     .scene = a_gateway_cannot_be_deployed},
    {.name = "the first rollout behind a Gateway's NLB",
     .source = "aws-load-balancer-controller#4506",
     .scene = nlb_of_a_gateway},
    {.name = "the first rollout behind a Gateway's ALB",
     .source = "aws-load-balancer-controller#4599",
     .scene = alb_of_a_gateway},
    {.name = "pods of the first deploy are older than their binding, and healthy",
     .source = "aws-load-balancer-controller#3603",
     .scene = the_first_deploy_of_all,
     .unless = {{IN(BLIND), WARN("gate_missing_pod_predates_binding", "rollout restart")}}},
    {.name = "on the host's network a pod has the address of the one before it",
     .source = "kubernetes/kubernetes#52973",
     .scene = the_same_address_again},
    {.name = "pods are published before they are ready",
     .source = "aws-load-balancer-controller#511",
     .scene = published_before_it_is_ready},
    {.name = "an Ingress names a wrong ARN, and its bindings go on",
     .source = "aws-load-balancer-controller#1319",
     .scene = an_ingress_with_a_wrong_arn},
    {.name = "the deadline is called passed, and all serve",
     .source = "kubernetes/kubernetes#49637",
     .scene = a_deadline_passed_on_paper},
};

static void nobody_is_woken_without_need(void **state)
{
    (void)state;
    HOLD_PUBLIC(cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_is_woken_without_need),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
