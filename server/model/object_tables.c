/*
 * The field tables of all kinds: JSON key, protobuf number, type, place in the record. Protobuf
 * numbers are those of k8s.io/api and k8s.io/apimachinery generated.proto, which are frozen; the
 * readers' test holds every table to what a real API server sends in both forms. `absent` is -1
 * where Kubernetes has a pointer (nil differs from zero), else 0.
 */
#include "model/field_rows.h"
#include "model/object.h"

/* Annotations that a verdict, a policy or an answer needs; all others are dropped at the reader. */
static const char *const annotation_prefixes[] = {
    "deployment.kubernetes.io/revision",
    "rollout.argoproj.io/revision",
    "gatehouse.dev/",
    "elbv2.k8s.aws/",
    "eks.amazonaws.com/",
    "alb.ingress.kubernetes.io/target-type",
    "alb.ingress.kubernetes.io/healthcheck-",
    "service.beta.kubernetes.io/aws-load-balancer-",
    "kubernetes.io/ingress.class",
    "kubectl.kubernetes.io/restartedAt",
    NULL,
};

static const struct field owner_fields[] = {STR("apiVersion", 5, owner, api_version),
                                            STR("kind", 1, owner, kind),
                                            STR("name", 3, owner, name), STR("uid", 4, owner, uid),
                                            BOOL("controller", 6, owner, controller)};
TABLE(owner_table, "owner", struct owner, owner_fields);

static const struct field meta_fields[] = {
    STR("name", 1, meta, name),
    STR("namespace", 3, meta, namespace),
    STR("uid", 5, meta, uid),
    STR("resourceVersion", 6, meta, resource_version),
    INT("generation", 7, meta, generation),
    TIME("creationTimestamp", 8, meta, created_at),
    TIME("deletionTimestamp", 9, meta, deleted_at),
    PINT("deletionGracePeriodSeconds", 10, meta, grace_seconds),
    KVS("labels", 11, meta, labels),
    {.json = "annotations",
     .pb = 12,
     .type = FIELD_KVS,
     .offset = offsetof(struct meta, annotations),
     .keep = annotation_prefixes},
    LIST("ownerReferences", 13, meta, owners, owner_table),
    STRS("finalizers", 14, meta, finalizers)};
TABLE(meta_table, "meta", struct meta, meta_fields);
#define META MSG("metadata", 1, meta_table)

/* Conditions come with four numberings. */
static const struct field pod_condition_fields[] = {
    STR("type", 1, condition, type),
    STR("status", 2, condition, status),
    STR("reason", 5, condition, reason),
    STR("message", 6, condition, message),
    TIME("lastTransitionTime", 4, condition, transition_at),
    INT("observedGeneration", 7, condition, observed_generation)};
TABLE(pod_condition_table, "condition", struct condition, pod_condition_fields);
static const struct field node_condition_fields[] = {
    STR("type", 1, condition, type), STR("status", 2, condition, status),
    STR("reason", 5, condition, reason), STR("message", 6, condition, message),
    TIME("lastTransitionTime", 4, condition, transition_at)};
TABLE(node_condition_table, "condition", struct condition, node_condition_fields);
static const struct field deployment_condition_fields[] = {
    STR("type", 1, condition, type), STR("status", 2, condition, status),
    STR("reason", 4, condition, reason), STR("message", 5, condition, message),
    TIME("lastTransitionTime", 7, condition, transition_at)};
TABLE(deployment_condition_table, "condition", struct condition, deployment_condition_fields);
static const struct field set_condition_fields[] = {
    STR("type", 1, condition, type), STR("status", 2, condition, status),
    STR("reason", 4, condition, reason), STR("message", 5, condition, message),
    TIME("lastTransitionTime", 3, condition, transition_at)};
TABLE(set_condition_table, "condition", struct condition, set_condition_fields);
static const struct field meta_condition_fields[] = {
    STR("type", 1, condition, type),
    STR("status", 2, condition, status),
    STR("reason", 5, condition, reason),
    STR("message", 6, condition, message),
    TIME("lastTransitionTime", 4, condition, transition_at),
    INT("observedGeneration", 3, condition, observed_generation)};
TABLE(meta_condition_table, "condition", struct condition, meta_condition_fields);

/* A label selector inside record `s` at member `m`. Two rows over one field: is it there, and what
 * it says. */
/* NOLINTBEGIN(bugprone-macro-parentheses): member names cannot stand in parentheses */
#define SELECTOR_TABLES(id, s, m)                                                                  \
    static const struct field id##_fields[] = {                                                    \
        KVS("matchLabels", 1, s, m.labels), LIST("matchExpressions", 2, s, m.terms, term_table)};  \
    TABLE(id, "selector", struct s, id##_fields)
#define SELECTOR(k, p, s, m, t) COUNT(k, p, s, m.present), MSG(k, p, t)
/* NOLINTEND(bugprone-macro-parentheses) */
static const struct field term_fields[] = {STR("key", 1, selector_term, key),
                                           STR("operator", 2, selector_term, op),
                                           STRS("values", 3, selector_term, values)};
TABLE(term_table, "term", struct selector_term, term_fields);

/* Namespace */
static const struct field namespace_status_fields[] = {STR("phase", 1, kube_namespace, phase)};
TABLE(namespace_status, "status", struct kube_namespace, namespace_status_fields);
static const struct field namespace_fields[] = {META, MSG("status", 3, namespace_status)};
TABLE(namespace_table, "Namespace", struct kube_namespace, namespace_fields);

/* Node */
static const struct field node_spec_fields[] = {BOOL("unschedulable", 4, kube_node, unschedulable)};
TABLE(node_spec, "spec", struct kube_node, node_spec_fields);
static const struct field node_status_fields[] = {
    LIST("conditions", 4, kube_node, conditions, node_condition_table)};
TABLE(node_status, "status", struct kube_node, node_status_fields);
static const struct field node_fields[] = {META, MSG("spec", 2, node_spec),
                                           MSG("status", 3, node_status)};
TABLE(node_table, "Node", struct kube_node, node_fields);

/* Service */
static const struct field service_port_fields[] = {
    STR("name", 1, service_port, name), STR("protocol", 2, service_port, protocol),
    INT("port", 3, service_port, port), IOS("targetPort", 4, service_port, target_port),
    INT("nodePort", 5, service_port, node_port)};
TABLE(service_port_table, "port", struct service_port, service_port_fields);
static const struct field lb_ingress_fields[] = {STR("ip", 1, lb_ingress, ip),
                                                 STR("hostname", 2, lb_ingress, hostname)};
TABLE(lb_ingress_table, "ingress", struct lb_ingress, lb_ingress_fields);
static const struct field service_spec_fields[] = {
    LIST("ports", 1, kube_service, ports, service_port_table),
    KVS("selector", 2, kube_service, selector),
    STR("clusterIP", 3, kube_service, cluster_ip),
    STR("type", 4, kube_service, type),
    BOOL("publishNotReadyAddresses", 13, kube_service, publish_not_ready),
    STRS("ipFamilies", 19, kube_service, ip_families),
    STR("loadBalancerClass", 21, kube_service, load_balancer_class)};
TABLE(service_spec, "spec", struct kube_service, service_spec_fields);
static const struct field service_lb_fields[] = {
    LIST("ingress", 1, kube_service, ingress, lb_ingress_table)};
TABLE(service_lb, "loadBalancer", struct kube_service, service_lb_fields);
static const struct field service_status_fields[] = {MSG("loadBalancer", 1, service_lb)};
TABLE(service_status, "status", struct kube_service, service_status_fields);
static const struct field service_fields[] = {META, MSG("spec", 2, service_spec),
                                              MSG("status", 3, service_status)};
TABLE(service_table, "Service", struct kube_service, service_fields);

/* MutatingWebhookConfiguration */
static const struct field rule_inner_fields[] = {STRS("apiGroups", 1, webhook_rule, api_groups),
                                                 STRS("resources", 3, webhook_rule, resources)};
TABLE(rule_inner, "rule", struct webhook_rule, rule_inner_fields);
static const struct field rule_fields[] = {STRS("operations", 1, webhook_rule, operations),
                                           MSG(NULL, 2, rule_inner)};
TABLE(rule_table, "rule", struct webhook_rule, rule_fields);
static const struct field hook_service_fields[] = {STR("namespace", 1, webhook, service_namespace),
                                                   STR("name", 2, webhook, service_name),
                                                   STR("path", 3, webhook, path)};
TABLE(hook_service, "service", struct webhook, hook_service_fields);
static const struct field hook_client_fields[] = {MSG("service", 1, hook_service),
                                                  STR("url", 3, webhook, url)};
TABLE(hook_client, "clientConfig", struct webhook, hook_client_fields);
SELECTOR_TABLES(hook_ns_selector, webhook, namespace_selector);
SELECTOR_TABLES(hook_object_selector, webhook, object_selector);
static const struct field hook_fields[] = {
    STR("name", 1, webhook, name),
    MSG("clientConfig", 2, hook_client),
    LIST("rules", 3, webhook, rules, rule_table),
    STR("failurePolicy", 4, webhook, failure_policy),
    SELECTOR("namespaceSelector", 5, webhook, namespace_selector, hook_ns_selector),
    INT("timeoutSeconds", 7, webhook, timeout_seconds),
    SELECTOR("objectSelector", 11, webhook, object_selector, hook_object_selector)};
TABLE(hook_table, "webhook", struct webhook, hook_fields);
static const struct field webhook_config_fields[] = {
    META, LIST("webhooks", 2, kube_webhook_config, webhooks, hook_table)};
TABLE(webhook_config_table, "MutatingWebhookConfiguration", struct kube_webhook_config,
      webhook_config_fields);

/* Lease */
static const struct field lease_spec_fields[] = {
    STR("holderIdentity", 1, kube_lease, holder),
    INT("leaseDurationSeconds", 2, kube_lease, duration_seconds),
    TIME("acquireTime", 3, kube_lease, acquire_at), TIME("renewTime", 4, kube_lease, renew_at),
    INT("leaseTransitions", 5, kube_lease, transitions)};
TABLE(lease_spec, "spec", struct kube_lease, lease_spec_fields);
static const struct field lease_fields[] = {META, MSG("spec", 2, lease_spec)};
TABLE(lease_table, "Lease", struct kube_lease, lease_fields);

/* Ingress */
static const struct field backend_port_fields[] = {STR("name", 1, ingress_backend, port_name),
                                                   INT("number", 2, ingress_backend, port)};
TABLE(backend_port, "port", struct ingress_backend, backend_port_fields);
static const struct field backend_service_fields[] = {STR("name", 1, ingress_backend, service),
                                                      MSG("port", 2, backend_port)};
TABLE(backend_service, "service", struct ingress_backend, backend_service_fields);
static const struct field backend_fields[] = {MSG("service", 4, backend_service)};
TABLE(backend_inner, "backend", struct ingress_backend, backend_fields);
static const struct field path_fields[] = {MSG("backend", 2, backend_inner)};
TABLE(path_table, "path", struct ingress_backend, path_fields);
static const struct field rule_http_fields[] = {
    LIST("paths", 1, ingress_rule, backends, path_table)};
TABLE(rule_http, "http", struct ingress_rule, rule_http_fields);
static const struct field rule_value_fields[] = {MSG("http", 1, rule_http)};
TABLE(rule_value, "value", struct ingress_rule, rule_value_fields);
static const struct field ingress_rule_fields[] = {MSG(NULL, 2, rule_value)};
TABLE(ingress_rule_table, "rule", struct ingress_rule, ingress_rule_fields);
static const struct field default_service_fields[] = {
    STR("name", 1, kube_ingress, default_service)};
TABLE(default_service, "service", struct kube_ingress, default_service_fields);
static const struct field default_backend_fields[] = {MSG("service", 4, default_service)};
TABLE(default_backend, "defaultBackend", struct kube_ingress, default_backend_fields);
static const struct field ingress_spec_fields[] = {
    MSG("defaultBackend", 1, default_backend),
    LIST("rules", 3, kube_ingress, rules, ingress_rule_table),
    STR("ingressClassName", 4, kube_ingress, class_name)};
TABLE(ingress_spec, "spec", struct kube_ingress, ingress_spec_fields);
static const struct field ingress_lb_fields[] = {
    LIST("ingress", 1, kube_ingress, ingress, lb_ingress_table)};
TABLE(ingress_lb, "loadBalancer", struct kube_ingress, ingress_lb_fields);
static const struct field ingress_status_fields[] = {MSG("loadBalancer", 1, ingress_lb)};
TABLE(ingress_status, "status", struct kube_ingress, ingress_status_fields);
static const struct field ingress_fields[] = {META, MSG("spec", 2, ingress_spec),
                                              MSG("status", 3, ingress_status)};
TABLE(ingress_table, "Ingress", struct kube_ingress, ingress_fields);

/* TargetGroupBinding: a custom resource, JSON only. */
static const struct field service_ref_fields[] = {STR("name", 0, kube_binding, service),
                                                  IOS("port", 0, kube_binding, service_port)};
TABLE(service_ref, "serviceRef", struct kube_binding, service_ref_fields);
static const struct field binding_spec_fields[] = {
    STR("targetGroupARN", 0, kube_binding, arn),
    STR("targetGroupName", 0, kube_binding, group_name),
    STR("targetType", 0, kube_binding, target_type),
    STR("targetGroupProtocol", 0, kube_binding, protocol),
    STR("ipAddressType", 0, kube_binding, ip_address_type),
    STR("vpcID", 0, kube_binding, vpc_id),
    MSG("serviceRef", 0, service_ref),
    BOOL("multiClusterTargetGroup", 0, kube_binding, multi_cluster),
    STR("iamRoleArnToAssume", 0, kube_binding, role_arn),
    STR("assumeRoleExternalId", 0, kube_binding, external_id)};
TABLE(binding_spec, "spec", struct kube_binding, binding_spec_fields);
static const struct field binding_status_fields[] = {
    INT("observedGeneration", 0, kube_binding, observed_generation),
    LIST("conditions", 0, kube_binding, conditions, meta_condition_table)};
TABLE(binding_status, "status", struct kube_binding, binding_status_fields);
static const struct field binding_fields[] = {META, STR("apiVersion", 0, kube_binding, api_version),
                                              MSG("spec", 0, binding_spec),
                                              MSG("status", 0, binding_status)};
TABLE(binding_table, "TargetGroupBinding", struct kube_binding, binding_fields);

/* Containers and probes, shared by pods and templates. */
static const struct field container_port_fields[] = {STR("name", 1, container_port, name),
                                                     INT("containerPort", 3, container_port, port)};
TABLE(container_port_table, "port", struct container_port, container_port_fields);
static const struct field http_get_fields[] = {STR("path", 1, container_spec, probe_path),
                                               IOS("port", 2, container_spec, probe_port),
                                               STR("scheme", 4, container_spec, probe_scheme)};
TABLE(http_get, "httpGet", struct container_spec, http_get_fields);
static const struct field tcp_socket_fields[] = {IOS("port", 1, container_spec, probe_port)};
TABLE(tcp_socket, "tcpSocket", struct container_spec, tcp_socket_fields);
static const struct field grpc_fields[] = {NUMSTR("port", 1, container_spec, probe_port)};
TABLE(grpc_action, "grpc", struct container_spec, grpc_fields);
static const struct field probe_handler_fields[] = {
    MSG("httpGet", 2, http_get), MSG("tcpSocket", 3, tcp_socket), MSG("grpc", 4, grpc_action)};
TABLE(probe_handler, "handler", struct container_spec, probe_handler_fields);
static const struct field probe_fields[] = {
    MSG(NULL, 1, probe_handler), INT("initialDelaySeconds", 2, container_spec, probe_initial_delay),
    INT("periodSeconds", 4, container_spec, probe_period)};
TABLE(probe_table, "readinessProbe", struct container_spec, probe_fields);
static const struct field exec_fields[] = {STRS("command", 1, container_spec, prestop_command)};
TABLE(exec_table, "exec", struct container_spec, exec_fields);
static const struct field sleep_fields[] = {
    PINT("seconds", 1, container_spec, prestop_sleep_seconds)};
TABLE(sleep_table, "sleep", struct container_spec, sleep_fields);
static const struct field prestop_fields[] = {MSG("exec", 1, exec_table),
                                              MSG("sleep", 4, sleep_table)};
TABLE(prestop_table, "preStop", struct container_spec, prestop_fields);
static const struct field lifecycle_fields[] = {COUNT("preStop", 2, container_spec, has_prestop),
                                                MSG("preStop", 2, prestop_table)};
TABLE(lifecycle_table, "lifecycle", struct container_spec, lifecycle_fields);
static const struct field container_fields[] = {
    STR("name", 1, container_spec, name),
    STR("image", 2, container_spec, image),
    LIST("ports", 6, container_spec, ports, container_port_table),
    COUNT("readinessProbe", 11, container_spec, has_readiness),
    MSG("readinessProbe", 11, probe_table),
    MSG("lifecycle", 12, lifecycle_table)};
TABLE(container_table, "container", struct container_spec, container_fields);

/* A repeated message of one string, kept as a list of strings: {"conditionType": x}, {"ip": x}. */
#define STRS_OF(k, p, s, m, inner, inner_pb)                                                       \
    {                                                                                              \
        .json = (k), .pb = (p), .type = FIELD_STRS, .offset = offsetof(struct s, m),               \
        .map_of = (inner), .absent = (inner_pb)                                                    \
    }

/* Workloads: Deployment, StatefulSet, DaemonSet, ReplicaSet, Argo Rollout share one struct, so each
 * clears what only the others fill. */
static const struct field_table *const workload_tables[6];
#define WORKLOAD_TABLE(id, text, rows)                                                             \
    static struct field_plan id##_plan;                                                            \
    static const struct field_table id =                                                           \
        TABLE_OF(id, text, struct kube_workload, rows, .also = workload_tables)
static const struct field template_meta_fields[] = {
    KVS("labels", 11, kube_workload, template_labels)};
TABLE(template_meta, "metadata", struct kube_workload, template_meta_fields);
static const struct field template_spec_fields[] = {
    LIST("containers", 2, kube_workload, template_containers, container_table),
    PINT("terminationGracePeriodSeconds", 4, kube_workload, template_grace_seconds),
    STRS_OF("readinessGates", 28, kube_workload, template_gates, "conditionType", 1)};
TABLE(template_spec, "spec", struct kube_workload, template_spec_fields);
static const struct field template_fields[] = {MSG("metadata", 1, template_meta),
                                               MSG("spec", 2, template_spec)};
TABLE(template_table, "template", struct kube_workload, template_fields);
SELECTOR_TABLES(workload_selector, kube_workload, selector);

static const struct field deployment_rolling_fields[] = {
    IOS("maxUnavailable", 1, kube_workload, max_unavailable),
    IOS("maxSurge", 2, kube_workload, max_surge)};
TABLE(deployment_rolling, "rollingUpdate", struct kube_workload, deployment_rolling_fields);
static const struct field deployment_strategy_fields[] = {
    STR("type", 1, kube_workload, strategy), MSG("rollingUpdate", 2, deployment_rolling)};
TABLE(deployment_strategy, "strategy", struct kube_workload, deployment_strategy_fields);
static const struct field deployment_spec_fields[] = {
    PINT("replicas", 1, kube_workload, replicas),
    SELECTOR("selector", 2, kube_workload, selector, workload_selector),
    MSG("template", 3, template_table),
    MSG("strategy", 4, deployment_strategy),
    INT("minReadySeconds", 5, kube_workload, min_ready_seconds),
    BOOL("paused", 7, kube_workload, paused),
    PINT("progressDeadlineSeconds", 9, kube_workload, progress_deadline_seconds)};
TABLE(deployment_spec, "spec", struct kube_workload, deployment_spec_fields);
static const struct field deployment_status_fields[] = {
    NUMSTR("observedGeneration", 1, kube_workload, observed_generation),
    INT("replicas", 2, kube_workload, status_replicas),
    INT("updatedReplicas", 3, kube_workload, updated_replicas),
    INT("availableReplicas", 4, kube_workload, available_replicas),
    INT("unavailableReplicas", 5, kube_workload, unavailable_replicas),
    LIST("conditions", 6, kube_workload, conditions, deployment_condition_table),
    INT("readyReplicas", 7, kube_workload, ready_replicas)};
TABLE(deployment_status, "status", struct kube_workload, deployment_status_fields);
static const struct field deployment_fields[] = {META, MSG("spec", 2, deployment_spec),
                                                 MSG("status", 3, deployment_status)};
WORKLOAD_TABLE(deployment_table, "Deployment", deployment_fields);

static const struct field replicaset_spec_fields[] = {
    PINT("replicas", 1, kube_workload, replicas),
    SELECTOR("selector", 2, kube_workload, selector, workload_selector),
    MSG("template", 3, template_table),
    INT("minReadySeconds", 4, kube_workload, min_ready_seconds)};
TABLE(replicaset_spec, "spec", struct kube_workload, replicaset_spec_fields);
static const struct field replicaset_status_fields[] = {
    INT("replicas", 1, kube_workload, status_replicas),
    NUMSTR("observedGeneration", 3, kube_workload, observed_generation),
    INT("readyReplicas", 4, kube_workload, ready_replicas),
    INT("availableReplicas", 5, kube_workload, available_replicas),
    LIST("conditions", 6, kube_workload, conditions, set_condition_table)};
TABLE(replicaset_status, "status", struct kube_workload, replicaset_status_fields);
static const struct field replicaset_fields[] = {META, MSG("spec", 2, replicaset_spec),
                                                 MSG("status", 3, replicaset_status)};
WORKLOAD_TABLE(replicaset_table, "ReplicaSet", replicaset_fields);

static const struct field sts_rolling_fields[] = {
    PINT("partition", 1, kube_workload, partition),
    IOS("maxUnavailable", 2, kube_workload, max_unavailable)};
TABLE(sts_rolling, "rollingUpdate", struct kube_workload, sts_rolling_fields);
static const struct field sts_strategy_fields[] = {STR("type", 1, kube_workload, strategy),
                                                   MSG("rollingUpdate", 2, sts_rolling)};
TABLE(sts_strategy, "updateStrategy", struct kube_workload, sts_strategy_fields);
static const struct field sts_spec_fields[] = {
    PINT("replicas", 1, kube_workload, replicas),
    SELECTOR("selector", 2, kube_workload, selector, workload_selector),
    MSG("template", 3, template_table),
    STR("podManagementPolicy", 6, kube_workload, pod_management),
    MSG("updateStrategy", 7, sts_strategy),
    INT("minReadySeconds", 9, kube_workload, min_ready_seconds)};
TABLE(sts_spec, "spec", struct kube_workload, sts_spec_fields);
static const struct field sts_status_fields[] = {
    NUMSTR("observedGeneration", 1, kube_workload, observed_generation),
    INT("replicas", 2, kube_workload, status_replicas),
    INT("readyReplicas", 3, kube_workload, ready_replicas),
    INT("updatedReplicas", 5, kube_workload, updated_replicas),
    STR("currentRevision", 6, kube_workload, current_revision),
    STR("updateRevision", 7, kube_workload, update_revision),
    LIST("conditions", 10, kube_workload, conditions, set_condition_table),
    INT("availableReplicas", 11, kube_workload, available_replicas)};
TABLE(sts_status, "status", struct kube_workload, sts_status_fields);
static const struct field sts_fields[] = {META, MSG("spec", 2, sts_spec),
                                          MSG("status", 3, sts_status)};
WORKLOAD_TABLE(sts_table, "StatefulSet", sts_fields);

static const struct field ds_strategy_fields[] = {STR("type", 1, kube_workload, strategy),
                                                  MSG("rollingUpdate", 2, deployment_rolling)};
TABLE(ds_strategy, "updateStrategy", struct kube_workload, ds_strategy_fields);
static const struct field ds_spec_fields[] = {
    SELECTOR("selector", 1, kube_workload, selector, workload_selector),
    MSG("template", 2, template_table), MSG("updateStrategy", 3, ds_strategy),
    INT("minReadySeconds", 4, kube_workload, min_ready_seconds)};
TABLE(ds_spec, "spec", struct kube_workload, ds_spec_fields);
static const struct field ds_status_fields[] = {
    INT("currentNumberScheduled", 1, kube_workload, status_replicas),
    INT("desiredNumberScheduled", 3, kube_workload, desired_scheduled),
    INT("numberReady", 4, kube_workload, ready_replicas),
    NUMSTR("observedGeneration", 5, kube_workload, observed_generation),
    INT("updatedNumberScheduled", 6, kube_workload, updated_replicas),
    INT("numberAvailable", 7, kube_workload, available_replicas),
    INT("numberUnavailable", 8, kube_workload, unavailable_replicas),
    LIST("conditions", 10, kube_workload, conditions, set_condition_table)};
TABLE(ds_status, "status", struct kube_workload, ds_status_fields);
static const struct field ds_fields[] = {META, MSG("spec", 2, ds_spec),
                                         MSG("status", 3, ds_status)};
WORKLOAD_TABLE(ds_table, "DaemonSet", ds_fields);

/* Argo Rollout: a custom resource, JSON only. */
static const struct field ping_pong_fields[] = {STR("pingService", 0, kube_workload, ping_service),
                                                STR("pongService", 0, kube_workload, pong_service)};
TABLE(ping_pong, "pingPong", struct kube_workload, ping_pong_fields);
static const struct field canary_fields[] = {
    STR("stableService", 0, kube_workload, stable_service),
    STR("canaryService", 0, kube_workload, canary_service),
    IOS("maxSurge", 0, kube_workload, max_surge),
    IOS("maxUnavailable", 0, kube_workload, max_unavailable), MSG("pingPong", 0, ping_pong)};
TABLE(canary_table, "canary", struct kube_workload, canary_fields);
static const struct field blue_green_fields[] = {
    STR("activeService", 0, kube_workload, active_service),
    STR("previewService", 0, kube_workload, preview_service)};
TABLE(blue_green_table, "blueGreen", struct kube_workload, blue_green_fields);
static const struct field argo_strategy_fields[] = {
    COUNT("canary", 0, kube_workload, canary), MSG("canary", 0, canary_table),
    COUNT("blueGreen", 0, kube_workload, blue_green), MSG("blueGreen", 0, blue_green_table)};
TABLE(argo_strategy, "strategy", struct kube_workload, argo_strategy_fields);
static const struct field workload_ref_fields[] = {
    STR("kind", 0, kube_workload, workload_ref_kind),
    STR("name", 0, kube_workload, workload_ref_name)};
TABLE(workload_ref, "workloadRef", struct kube_workload, workload_ref_fields);
static const struct field argo_spec_fields[] = {
    PINT("replicas", 0, kube_workload, replicas),
    SELECTOR("selector", 0, kube_workload, selector, workload_selector),
    MSG("template", 0, template_table),
    MSG("strategy", 0, argo_strategy),
    MSG("workloadRef", 0, workload_ref),
    INT("minReadySeconds", 0, kube_workload, min_ready_seconds),
    BOOL("paused", 0, kube_workload, paused),
    PINT("progressDeadlineSeconds", 0, kube_workload, progress_deadline_seconds)};
TABLE(argo_spec, "spec", struct kube_workload, argo_spec_fields);
static const struct field pause_fields[] = {STR("reason", 0, pause_condition, reason),
                                            TIME("startTime", 0, pause_condition, start_at)};
TABLE(pause_table, "pauseCondition", struct pause_condition, pause_fields);
static const struct field argo_status_fields[] = {
    NUMSTR("observedGeneration", 0, kube_workload, observed_generation),
    INT("replicas", 0, kube_workload, status_replicas),
    INT("updatedReplicas", 0, kube_workload, updated_replicas),
    INT("readyReplicas", 0, kube_workload, ready_replicas),
    INT("availableReplicas", 0, kube_workload, available_replicas),
    STR("currentPodHash", 0, kube_workload, current_pod_hash),
    STR("stableRS", 0, kube_workload, stable_rs),
    STR("phase", 0, kube_workload, phase),
    STR("message", 0, kube_workload, phase_message),
    INT("currentStepIndex", 0, kube_workload, current_step),
    BOOL("abort", 0, kube_workload, abort),
    LIST("pauseConditions", 0, kube_workload, pause_conditions, pause_table),
    LIST("conditions", 0, kube_workload, conditions, set_condition_table)};
TABLE(argo_status, "status", struct kube_workload, argo_status_fields);
static const struct field argo_fields[] = {META, MSG("spec", 0, argo_spec),
                                           MSG("status", 0, argo_status)};
WORKLOAD_TABLE(argo_table, "Rollout", argo_fields);

static const struct field_table *const workload_tables[6] = {
    &deployment_table, &replicaset_table, &sts_table, &ds_table, &argo_table, NULL};

/* ControllerRevision */
static const struct field revision_fields[] = {META, INT("revision", 3, kube_revision, revision)};
TABLE(revision_table, "ControllerRevision", struct kube_revision, revision_fields);

/* PodDisruptionBudget */
SELECTOR_TABLES(pdb_selector, kube_pdb, selector);
static const struct field pdb_spec_fields[] = {
    IOS("minAvailable", 1, kube_pdb, min_available),
    SELECTOR("selector", 2, kube_pdb, selector, pdb_selector),
    IOS("maxUnavailable", 3, kube_pdb, max_unavailable),
    STR("unhealthyPodEvictionPolicy", 4, kube_pdb, unhealthy_policy)};
TABLE(pdb_spec, "spec", struct kube_pdb, pdb_spec_fields);
static const struct field pdb_status_fields[] = {
    INT("disruptionsAllowed", 3, kube_pdb, disruptions_allowed),
    INT("currentHealthy", 4, kube_pdb, current_healthy),
    INT("desiredHealthy", 5, kube_pdb, desired_healthy),
    INT("expectedPods", 6, kube_pdb, expected_pods),
    LIST("conditions", 7, kube_pdb, conditions, meta_condition_table)};
TABLE(pdb_status, "status", struct kube_pdb, pdb_status_fields);
static const struct field pdb_fields[] = {META, MSG("spec", 2, pdb_spec),
                                          MSG("status", 3, pdb_status)};
TABLE(pdb_table, "PodDisruptionBudget", struct kube_pdb, pdb_fields);

/* HorizontalPodAutoscaler v2 */
static const struct field scale_ref_fields[] = {STR("kind", 1, kube_hpa, target_kind),
                                                STR("name", 2, kube_hpa, target_name)};
TABLE(scale_ref, "scaleTargetRef", struct kube_hpa, scale_ref_fields);
static const struct field hpa_spec_fields[] = {MSG("scaleTargetRef", 1, scale_ref),
                                               PINT("minReplicas", 2, kube_hpa, min_replicas),
                                               INT("maxReplicas", 3, kube_hpa, max_replicas)};
TABLE(hpa_spec, "spec", struct kube_hpa, hpa_spec_fields);
static const struct field hpa_status_fields[] = {
    INT("currentReplicas", 3, kube_hpa, current_replicas),
    INT("desiredReplicas", 4, kube_hpa, desired_replicas),
    LIST("conditions", 6, kube_hpa, conditions, set_condition_table)};
TABLE(hpa_status, "status", struct kube_hpa, hpa_status_fields);
static const struct field hpa_fields[] = {META, MSG("spec", 2, hpa_spec),
                                          MSG("status", 3, hpa_status)};
TABLE(hpa_table, "HorizontalPodAutoscaler", struct kube_hpa, hpa_fields);

/* EndpointSlice */
static const struct field endpoint_condition_fields[] = {
    PBOOL("ready", 1, endpoint, ready), PBOOL("serving", 2, endpoint, serving),
    PBOOL("terminating", 3, endpoint, terminating)};
TABLE(endpoint_condition, "conditions", struct endpoint, endpoint_condition_fields);
static const struct field target_ref_fields[] = {STR("kind", 1, endpoint, target_kind),
                                                 STR("name", 3, endpoint, target_name),
                                                 STR("uid", 4, endpoint, target_uid)};
TABLE(target_ref, "targetRef", struct endpoint, target_ref_fields);
static const struct field endpoint_fields[] = {
    STRS("addresses", 1, endpoint, addresses), MSG("conditions", 2, endpoint_condition),
    MSG("targetRef", 4, target_ref), STR("nodeName", 6, endpoint, node),
    STR("zone", 7, endpoint, zone)};
TABLE(endpoint_table, "endpoint", struct endpoint, endpoint_fields);
static const struct field slice_port_fields[] = {STR("name", 1, slice_port, name),
                                                 INT("port", 3, slice_port, port)};
TABLE(slice_port_table, "port", struct slice_port, slice_port_fields);
static const struct field slice_fields[] = {
    META, LIST("endpoints", 2, kube_slice, endpoints, endpoint_table),
    LIST("ports", 3, kube_slice, ports, slice_port_table),
    STR("addressType", 4, kube_slice, address_type)};
TABLE(slice_table, "EndpointSlice", struct kube_slice, slice_fields);

/* Event (core/v1) */
static const struct field involved_fields[] = {
    STR("kind", 1, kube_event, object_kind), STR("namespace", 2, kube_event, object_namespace),
    STR("name", 3, kube_event, object_name), STR("uid", 4, kube_event, object_uid),
    STR("apiVersion", 5, kube_event, object_api_version)};
TABLE(involved_table, "involvedObject", struct kube_event, involved_fields);
static const struct field event_source_fields[] = {STR("component", 1, kube_event, component)};
TABLE(event_source, "source", struct kube_event, event_source_fields);
static const struct field series_fields[] = {INT("count", 1, kube_event, series_count),
                                             TIME("lastObservedTime", 2, kube_event, series_at)};
TABLE(series_table, "series", struct kube_event, series_fields);
static const struct field event_fields[] = {META,
                                            MSG("involvedObject", 2, involved_table),
                                            STR("reason", 3, kube_event, reason),
                                            STR("message", 4, kube_event, message),
                                            MSG("source", 5, event_source),
                                            TIME("firstTimestamp", 6, kube_event, first_at),
                                            TIME("lastTimestamp", 7, kube_event, last_at),
                                            INT("count", 8, kube_event, count),
                                            STR("type", 9, kube_event, type),
                                            TIME("eventTime", 10, kube_event, event_at),
                                            MSG("series", 11, series_table)};
TABLE(event_table, "Event", struct kube_event, event_fields);

/* Pod */
static const struct field waiting_fields[] = {STR("reason", 1, container_status, waiting_reason),
                                              STR("message", 2, container_status, waiting_message)};
TABLE(waiting_table, "waiting", struct container_status, waiting_fields);
static const struct field running_fields[] = {
    TIME("startedAt", 1, container_status, running_since)};
TABLE(running_table, "running", struct container_status, running_fields);
static const struct field terminated_fields[] = {
    PINT("exitCode", 1, container_status, exit_code),
    STR("reason", 3, container_status, terminated_reason)};
TABLE(terminated_table, "terminated", struct container_status, terminated_fields);
static const struct field container_state_fields[] = {
    COUNT("waiting", 1, container_status, is_waiting),
    MSG("waiting", 1, waiting_table),
    COUNT("running", 2, container_status, is_running),
    MSG("running", 2, running_table),
    COUNT("terminated", 3, container_status, is_terminated),
    MSG("terminated", 3, terminated_table)};
TABLE(container_state, "state", struct container_status, container_state_fields);
static const struct field last_terminated_fields[] = {
    PINT("exitCode", 1, container_status, last_exit_code),
    STR("reason", 3, container_status, last_reason),
    TIME("finishedAt", 6, container_status, last_finished_at),
    TIME("startedAt", 5, container_status, last_started_at)};
TABLE(last_terminated, "terminated", struct container_status, last_terminated_fields);
static const struct field last_state_fields[] = {MSG("terminated", 3, last_terminated)};
TABLE(last_state, "lastState", struct container_status, last_state_fields);
static const struct field status_fields[] = {STR("name", 1, container_status, name),
                                             MSG("state", 2, container_state),
                                             MSG("lastState", 3, last_state),
                                             BOOL("ready", 4, container_status, ready),
                                             INT("restartCount", 5, container_status, restarts),
                                             STR("image", 6, container_status, image),
                                             PBOOL("started", 9, container_status, started)};
TABLE(container_status_table, "containerStatus", struct container_status, status_fields);
static const struct field pod_spec_fields[] = {
    LIST("containers", 2, kube_pod, containers, container_table),
    STR("restartPolicy", 3, kube_pod, restart_policy),
    PINT("terminationGracePeriodSeconds", 4, kube_pod, grace_seconds),
    STR("nodeName", 10, kube_pod, node),
    STRS_OF("readinessGates", 28, kube_pod, gates, "conditionType", 1)};
TABLE(pod_spec, "spec", struct kube_pod, pod_spec_fields);
static const struct field pod_status_fields[] = {
    STR("phase", 1, kube_pod, phase),
    LIST("conditions", 2, kube_pod, conditions, pod_condition_table),
    STR("reason", 4, kube_pod, status_reason),
    STR("podIP", 6, kube_pod, ip),
    TIME("startTime", 7, kube_pod, started_at),
    LIST("containerStatuses", 8, kube_pod, statuses, container_status_table),
    LIST("initContainerStatuses", 10, kube_pod, init_statuses, container_status_table),
    STRS_OF("podIPs", 12, kube_pod, ips, "ip", 1)};
TABLE(pod_status, "status", struct kube_pod, pod_status_fields);
static const struct field pod_fields[] = {META, MSG("spec", 2, pod_spec),
                                          MSG("status", 3, pod_status)};
TABLE(pod_table, "Pod", struct kube_pod, pod_fields);

/* What ELBv2 says: packed only, never read from protobuf or JSON. */
static const struct field attribute_fields[] = {STR("key", 0, elb_attribute, key),
                                                STR("value", 0, elb_attribute, value)};
TABLE(attribute_table, "attribute", struct elb_attribute, attribute_fields);
static const struct field target_fields[] = {
    STR("id", 0, elb_target, id),
    INT("port", 0, elb_target, port),
    STR("zone", 0, elb_target, zone),
    STR("state", 0, elb_target, state),
    STR("reason", 0, elb_target, reason),
    STR("description", 0, elb_target, description),
    STR("health_port", 0, elb_target, health_port),
    STR("anomaly", 0, elb_target, anomaly),
    STR("override_state", 0, elb_target, override_state),
    STR("override_reason", 0, elb_target, override_reason)};
PUBLIC_TABLE(elb_target_table, "target", struct elb_target, target_fields);
static const struct field group_fields[] = {
    STR("arn", 0, elb_group, arn),
    STR("name", 0, elb_group, name),
    STR("protocol", 0, elb_group, protocol),
    INT("port", 0, elb_group, port),
    STR("vpc_id", 0, elb_group, vpc_id),
    STR("target_type", 0, elb_group, target_type),
    STR("ip_address_type", 0, elb_group, ip_address_type),
    STR("protocol_version", 0, elb_group, protocol_version),
    STRS("load_balancer_arns", 0, elb_group, load_balancer_arns),
    PBOOL("health_enabled", 0, elb_group, health_enabled),
    STR("health_protocol", 0, elb_group, health_protocol),
    STR("health_port", 0, elb_group, health_port),
    STR("health_path", 0, elb_group, health_path),
    INT("health_interval", 0, elb_group, health_interval),
    INT("health_timeout", 0, elb_group, health_timeout),
    INT("healthy_threshold", 0, elb_group, healthy_threshold),
    INT("unhealthy_threshold", 0, elb_group, unhealthy_threshold),
    STR("matcher", 0, elb_group, matcher),
    LIST("attributes", 0, elb_group, attributes, attribute_table),
    TIME("attributes_at", 0, elb_group, attributes_at)};
PUBLIC_TABLE(elb_group_table, "group", struct elb_group, group_fields);
static const struct field forward_fields[] = {STR("group_arn", 0, elb_forward, group_arn),
                                              STR("rule", 0, elb_forward, rule),
                                              PINT("weight", 0, elb_forward, weight)};
TABLE(forward_table, "forward", struct elb_forward, forward_fields);
static const struct field listener_fields[] = {
    STR("protocol", 0, elb_listener, protocol), INT("port", 0, elb_listener, port),
    STR("action", 0, elb_listener, action), PINT("rules", 0, elb_listener, rules),
    LIST("forwards", 0, elb_listener, forwards, forward_table)};
TABLE(listener_table, "listener", struct elb_listener, listener_fields);
static const struct field balancer_fields[] = {
    STR("arn", 0, elb_balancer, arn),
    STR("name", 0, elb_balancer, name),
    STR("dns_name", 0, elb_balancer, dns_name),
    STR("type", 0, elb_balancer, type),
    STR("scheme", 0, elb_balancer, scheme),
    STR("state", 0, elb_balancer, state),
    STR("state_reason", 0, elb_balancer, state_reason),
    STR("vpc_id", 0, elb_balancer, vpc_id),
    STRS("zones", 0, elb_balancer, zones),
    LIST("listeners", 0, elb_balancer, listeners, listener_table),
    TIME("listeners_at", 0, elb_balancer, listeners_at)};
PUBLIC_TABLE(elb_balancer_table, "balancer", struct elb_balancer, balancer_fields);

static const struct kind_info kinds[KIND_COUNT] = {
    [KIND_NAMESPACE] = {"Namespace", "", "namespaces", &namespace_table},
    [KIND_NODE] = {"Node", "", "nodes", &node_table},
    [KIND_SERVICE] = {"Service", "", "services", &service_table},
    [KIND_WEBHOOK_CONFIG] = {"MutatingWebhookConfiguration", "admissionregistration.k8s.io",
                             "mutatingwebhookconfigurations", &webhook_config_table},
    [KIND_LEASE] = {"Lease", "coordination.k8s.io", "leases", &lease_table},
    [KIND_INGRESS] = {"Ingress", "networking.k8s.io", "ingresses", &ingress_table},
    [KIND_BINDING_LBC] = {"TargetGroupBinding", "elbv2.k8s.aws", "targetgroupbindings",
                          &binding_table},
    [KIND_BINDING_AUTO] = {"TargetGroupBinding", "eks.amazonaws.com", "targetgroupbindings",
                           &binding_table},
    [KIND_DEPLOYMENT] = {"Deployment", "apps", "deployments", &deployment_table},
    [KIND_STATEFULSET] = {"StatefulSet", "apps", "statefulsets", &sts_table},
    [KIND_DAEMONSET] = {"DaemonSet", "apps", "daemonsets", &ds_table},
    [KIND_ARGO_ROLLOUT] = {"Rollout", "argoproj.io", "rollouts", &argo_table},
    [KIND_REPLICASET] = {"ReplicaSet", "apps", "replicasets", &replicaset_table},
    [KIND_CONTROLLER_REVISION] = {"ControllerRevision", "apps", "controllerrevisions",
                                  &revision_table},
    [KIND_PDB] = {"PodDisruptionBudget", "policy", "poddisruptionbudgets", &pdb_table},
    [KIND_HPA] = {"HorizontalPodAutoscaler", "autoscaling", "horizontalpodautoscalers", &hpa_table},
    [KIND_ENDPOINT_SLICE] = {"EndpointSlice", "discovery.k8s.io", "endpointslices", &slice_table},
    [KIND_EVENT] = {"Event", "", "events", &event_table},
    [KIND_POD] = {"Pod", "", "pods", &pod_table},
};

const struct kind_info *kind_info(enum kind kind)
{
    return &kinds[kind];
}
