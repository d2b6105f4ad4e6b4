/*
 * The records: what gatehouse keeps of each Kubernetes object, as plain structs filled by the
 * readers of source/ by the tables of object_tables.c, and read back from the store in the same
 * shape.
 *
 * Each record starts with struct meta. All memory of a record (strings, lists) belongs to one
 * arena, the change's or the snapshot's; records are never freed one by one. Times are Unix ms, 0 =
 * absent. Tri-state booleans and optional numbers are int64_t with -1 for absent.
 */
#ifndef GATEHOUSE_MODEL_OBJECT_H
#define GATEHOUSE_MODEL_OBJECT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "model/field.h"

/* X(enum suffix, Kubernetes kind, group, resource (plural), struct). Order is stable: stored as
 * integers. */
#define KINDS(X)                                                                                   \
    X(NAMESPACE, "Namespace", "", "namespaces", kube_namespace)                                    \
    X(NODE, "Node", "", "nodes", kube_node)                                                        \
    X(SERVICE, "Service", "", "services", kube_service)                                            \
    X(WEBHOOK_CONFIG, "MutatingWebhookConfiguration", "admissionregistration.k8s.io",              \
      "mutatingwebhookconfigurations", kube_webhook_config)                                        \
    X(LEASE, "Lease", "coordination.k8s.io", "leases", kube_lease)                                 \
    X(INGRESS, "Ingress", "networking.k8s.io", "ingresses", kube_ingress)                          \
    X(BINDING_LBC, "TargetGroupBinding", "elbv2.k8s.aws", "targetgroupbindings", kube_binding)     \
    X(BINDING_AUTO, "TargetGroupBinding", "eks.amazonaws.com", "targetgroupbindings",              \
      kube_binding)                                                                                \
    X(DEPLOYMENT, "Deployment", "apps", "deployments", kube_workload)                              \
    X(STATEFULSET, "StatefulSet", "apps", "statefulsets", kube_workload)                           \
    X(DAEMONSET, "DaemonSet", "apps", "daemonsets", kube_workload)                                 \
    X(ARGO_ROLLOUT, "Rollout", "argoproj.io", "rollouts", kube_workload)                           \
    X(REPLICASET, "ReplicaSet", "apps", "replicasets", kube_workload)                              \
    X(CONTROLLER_REVISION, "ControllerRevision", "apps", "controllerrevisions", kube_revision)     \
    X(PDB, "PodDisruptionBudget", "policy", "poddisruptionbudgets", kube_pdb)                      \
    X(HPA, "HorizontalPodAutoscaler", "autoscaling", "horizontalpodautoscalers", kube_hpa)         \
    X(ENDPOINT_SLICE, "EndpointSlice", "discovery.k8s.io", "endpointslices", kube_slice)           \
    X(EVENT, "Event", "", "events", kube_event)                                                    \
    X(POD, "Pod", "", "pods", kube_pod)

enum kind {
#define X(suffix, kind, group, resource, type) KIND_##suffix,
    KINDS(X)
#undef X
        KIND_COUNT
};

struct meta {
    enum kind kind; /* set by the reader, not by a table */
    const char *namespace;
    const char *name;
    const char *uid;
    const char *resource_version;
    int64_t generation;
    int64_t created_at;
    int64_t deleted_at;    /* deletionTimestamp: when it is to be gone (now + grace at deletion) */
    int64_t grace_seconds; /* deletionGracePeriodSeconds; -1 = absent */
    struct kvs labels;
    struct kvs annotations; /* wanted prefixes only: see annotation_prefixes in object_tables.c */
    struct list owners;     /* struct owner; use meta_controller() */
    struct strs finalizers;
};

struct owner {
    const char *api_version;
    const char *kind;
    const char *name;
    const char *uid;
    int64_t controller; /* 1 = the managing owner */
};

struct condition {
    const char *type;
    const char *status; /* "True", "False", "Unknown"; "" when unset (GKE NEG leaves it so) */
    const char *reason;
    const char *message;
    int64_t transition_at; /* lastTransitionTime; 0 = null */
    int64_t observed_generation;
};

/* A label selector: matchLabels and matchExpressions, all must hold. */
struct selector_term {
    const char *key;
    const char *op; /* In, NotIn, Exists, DoesNotExist */
    struct strs values;
};
struct selector {
    int64_t present;   /* 1 when the object had a selector at all, even an empty one; 0 = none */
    struct kvs labels; /* matchLabels */
    struct list terms; /* struct selector_term */
};

struct kube_namespace {
    struct meta meta;
    const char *phase;
};

struct kube_node {
    struct meta meta;
    struct list conditions; /* struct condition: Ready is the one that counts */
    int64_t unschedulable;
};

struct service_port {
    const char *name;
    const char *protocol;
    int64_t port;
    const char *target_port; /* IntOrString as text */
    int64_t node_port;
};
struct kube_service {
    struct meta meta;
    const char *type;
    const char *cluster_ip;
    const char *load_balancer_class;
    struct kvs selector;
    struct list ports; /* struct service_port */
    int64_t publish_not_ready;
    struct strs ip_families;
    struct list ingress; /* struct lb_ingress: status.loadBalancer.ingress */
};
struct lb_ingress {
    const char *hostname;
    const char *ip;
};

struct webhook_rule {
    struct strs operations;
    struct strs api_groups;
    struct strs resources;
};
struct webhook {
    const char *name;
    const char *service_namespace; /* "" when clientConfig has an url */
    const char *service_name;
    const char *path;
    const char *url;
    const char *failure_policy; /* Fail, Ignore */
    struct selector namespace_selector;
    struct selector object_selector;
    struct list rules; /* struct webhook_rule */
    int64_t timeout_seconds;
};
struct kube_webhook_config {
    struct meta meta;
    struct list webhooks; /* struct webhook */
};

struct kube_lease {
    struct meta meta;
    const char *holder;
    int64_t renew_at;
    int64_t acquire_at;
    int64_t duration_seconds;
    int64_t transitions;
};

struct ingress_backend {
    const char *service;
    int64_t port;
    const char *port_name;
};
struct ingress_rule {
    struct list backends; /* struct ingress_backend: one a path */
};
struct kube_ingress {
    struct meta meta;
    const char *class_name;
    const char *default_service; /* spec.defaultBackend.service.name */
    struct list rules;           /* struct ingress_rule */
    struct list ingress;         /* struct lb_ingress */
};

struct kube_binding {
    struct meta meta; /* meta.kind tells the API group */
    const char *api_version;
    const char *arn;         /* spec.targetGroupARN */
    const char *group_name;  /* spec.targetGroupName */
    const char *target_type; /* ip, instance, "" */
    const char *protocol;    /* spec.targetGroupProtocol */
    const char *ip_address_type;
    const char *vpc_id;
    const char *service;      /* spec.serviceRef.name */
    const char *service_port; /* IntOrString as text */
    int64_t multi_cluster;
    const char *role_arn;    /* spec.iamRoleArnToAssume */
    const char *external_id; /* spec.assumeRoleExternalId */
    int64_t observed_generation;
    struct list
        conditions; /* struct condition: Ready=False/FailedCleanup during a failing deletion */
};

/* Deployment, StatefulSet, DaemonSet, Argo Rollout and ReplicaSet in one shape. */
struct kube_workload {
    struct meta meta;
    struct selector selector;
    int64_t replicas; /* spec.replicas; -1 = absent (means 1; DaemonSet: desiredNumberScheduled) */
    int64_t paused;
    int64_t min_ready_seconds;
    int64_t progress_deadline_seconds; /* -1 = absent (Deployment default 600) */
    const char *strategy;  /* RollingUpdate, Recreate, OnDelete; Argo: see canary, blue_green */
    const char *max_surge; /* IntOrString as text; "" = absent */
    const char *max_unavailable;
    int64_t partition; /* StatefulSet rollingUpdate.partition; -1 = absent */
    const char *pod_management;
    struct kvs template_labels;
    struct strs template_gates; /* readinessGates of the pod template */
    int64_t template_grace_seconds;
    struct list template_containers; /* struct container_spec */
    int64_t canary;                  /* 1 = Argo spec.strategy.canary present */
    int64_t blue_green;              /* 1 = Argo spec.strategy.blueGreen present */
    const char *active_service;
    const char *preview_service;
    const char *stable_service;
    const char *canary_service;
    const char *ping_service;
    const char *pong_service;
    const char *workload_ref_kind; /* Argo spec.workloadRef */
    const char *workload_ref_name;
    /* status */
    const char *observed_generation; /* text: Argo writes a string; "" = absent */
    int64_t status_replicas;
    int64_t updated_replicas; /* DaemonSet: updatedNumberScheduled */
    int64_t ready_replicas;   /* DaemonSet: numberReady */
    int64_t available_replicas;
    int64_t unavailable_replicas;
    int64_t desired_scheduled;    /* DaemonSet desiredNumberScheduled */
    const char *current_revision; /* StatefulSet status.currentRevision */
    const char *update_revision;  /* StatefulSet status.updateRevision */
    const char *current_pod_hash; /* Argo status.currentPodHash: the new revision */
    const char *stable_rs;        /* Argo status.stableRS: the old one */
    const char *phase;            /* Argo status.phase */
    const char *phase_message;
    int64_t current_step;
    int64_t abort;
    struct list pause_conditions; /* struct pause_condition (Argo) */
    struct list conditions;       /* struct condition */
};
struct pause_condition {
    const char *reason;
    int64_t start_at;
};

struct kube_revision {
    struct meta meta;
    int64_t revision;
};

struct kube_pdb {
    struct meta meta;
    struct selector selector;
    const char *min_available;
    const char *max_unavailable;
    const char *unhealthy_policy;
    int64_t current_healthy;
    int64_t desired_healthy;
    int64_t disruptions_allowed;
    int64_t expected_pods;
    struct list conditions; /* struct condition */
};

struct kube_hpa {
    struct meta meta;
    const char *target_kind;
    const char *target_name;
    int64_t min_replicas;
    int64_t max_replicas;
    int64_t current_replicas;
    int64_t desired_replicas;
    struct list conditions; /* struct condition */
};

struct endpoint {
    struct strs addresses;
    int64_t ready;       /* -1 = nil, which means true */
    int64_t serving;     /* -1 = nil */
    int64_t terminating; /* -1 = nil, which means false */
    const char *target_kind;
    const char *target_name;
    const char *target_uid;
    const char *node;
    const char *zone;
};
struct slice_port {
    const char *name;
    int64_t port;
};
struct kube_slice {
    struct meta meta; /* label kubernetes.io/service-name names the Service */
    const char *address_type;
    struct list endpoints; /* struct endpoint */
    struct list ports;     /* struct slice_port */
};

struct kube_event {
    struct meta meta;
    const char *object_kind; /* involvedObject */
    const char *object_api_version;
    const char *object_namespace;
    const char *object_name;
    const char *object_uid;
    const char *type; /* Normal, Warning */
    const char *reason;
    const char *message;
    const char *component; /* source.component, else reportingComponent */
    int64_t count;
    int64_t first_at;
    int64_t last_at;  /* lastTimestamp */
    int64_t event_at; /* eventTime */
    int64_t series_count;
    int64_t series_at;
};

struct container_port {
    const char *name;
    int64_t port;
};
struct container_spec {
    const char *name;
    const char *image;
    struct list ports;     /* struct container_port */
    int64_t has_readiness; /* 1 = a readinessProbe is there */
    const char *probe_path;
    const char *probe_port; /* IntOrString as text, of httpGet, tcpSocket or grpc */
    const char *probe_scheme;
    int64_t probe_initial_delay;
    int64_t probe_period;
    int64_t has_prestop;
    int64_t prestop_sleep_seconds; /* lifecycle.preStop.sleep.seconds; -1 = absent */
    struct strs prestop_command;   /* lifecycle.preStop.exec.command */
};
struct container_status {
    const char *name;
    int64_t ready;
    int64_t started; /* -1 = absent */
    int64_t restarts;
    const char *image;
    const char *waiting_reason; /* "" = not waiting (or no reason) */
    const char *waiting_message;
    int64_t is_waiting;
    int64_t running_since; /* 0 = not running */
    int64_t is_running;
    int64_t is_terminated;
    const char *terminated_reason;
    int64_t exit_code;       /* of state.terminated; -1 = absent */
    const char *last_reason; /* lastState.terminated */
    int64_t last_exit_code;
    int64_t last_finished_at;
    int64_t last_started_at;
};
struct kube_pod {
    struct meta meta;
    const char *node;
    int64_t grace_seconds; /* spec.terminationGracePeriodSeconds */
    const char *restart_policy;
    struct strs gates;      /* spec.readinessGates[].conditionType; a pod may carry one twice */
    struct list containers; /* struct container_spec */
    const char *phase;
    const char *status_reason;
    const char *ip; /* status.podIP */
    struct strs ips;
    int64_t started_at;
    struct list conditions; /* struct condition: PodScheduled, ContainersReady, Ready, gates ... */
    struct list statuses;   /* struct container_status: app containers */
    struct list init_statuses; /* struct container_status: init containers */
};

/* What ELBv2 says. Identity of a target: group, id and port (an address may stand on two ports). */
struct elb_target {
    const char *id; /* address, instance id, lambda ARN, ALB ARN */
    int64_t port;
    const char *zone;
    const char *state;  /* verbatim: healthy, initial, unhealthy, unhealthy.draining, unused,
                           draining, ... */
    const char *reason; /* verbatim */
    const char *description;
    const char *health_port;
    const char *anomaly;        /* anomalous, normal, "" */
    const char *override_state; /* AdministrativeOverride.State, "" */
    const char *override_reason;
};
struct elb_attribute {
    const char *key;
    const char *value;
};
struct elb_group {
    const char *arn;
    const char *name;
    const char *protocol;
    int64_t port;
    const char *vpc_id;
    const char *target_type;
    const char *ip_address_type;
    const char *protocol_version;
    struct strs load_balancer_arns;
    int64_t health_enabled; /* -1 = not known */
    const char *health_protocol;
    const char *health_port;
    const char *health_path;
    int64_t health_interval;
    int64_t health_timeout;
    int64_t healthy_threshold;
    int64_t unhealthy_threshold;
    const char *matcher;
    struct list attributes; /* struct elb_attribute; empty until asked for */
    int64_t attributes_at;  /* when attributes were read; 0 = never */
};
/* One way from a listener to a target group. */
struct elb_forward {
    const char *group_arn;
    const char *rule; /* priority, or "default": where no rule matches */
    int64_t weight;   /* share of the rule's traffic; -1 = all of it */
};
struct elb_listener {
    const char *protocol;
    int64_t port;
    const char *action;   /* what happens where no rule matches: forward, redirect ... */
    int64_t rules;        /* beside the default; -1 = not read */
    struct list forwards; /* struct elb_forward: all to groups that bindings name, some others */
};
struct elb_balancer {
    const char *arn;
    const char *name;
    const char *dns_name;
    const char *type; /* application, network, gateway */
    const char *scheme;
    const char *state; /* provisioning, active, active_impaired, failed */
    const char *state_reason;
    const char *vpc_id;
    struct strs zones;
    struct list listeners; /* struct elb_listener; empty until a finding needs them */
    int64_t listeners_at;  /* when they were read; 0 = never */
};

/* By kind: name, group, resource, record size, field table. kind < KIND_COUNT. */
struct kind_info {
    const char *name;
    const char *group;
    const char *resource;
    const struct field_table *table; /* of the whole record, meta included */
};
const struct kind_info *kind_info(enum kind kind);

extern const struct field_table elb_group_table; /* JSON keys and offsets only: for packing */
extern const struct field_table elb_target_table;
extern const struct field_table elb_balancer_table;

/* The owner with controller=true, or NULL. Borrowed. */
const struct owner *meta_controller(const struct meta *meta);

/* resourceVersions of one kind that are numbers may be compared (KEP-5504); any other is opaque. */
bool version_numeric(const char *version);
/* Both are numbers, and a is less than b. */
bool version_older(const char *a, const char *b);
/* The condition of that type (the last one wins), or NULL. */
const struct condition *condition_get(const struct list *conditions, const char *type);
/* true when the condition is there with status "True" */
bool condition_true(const struct list *conditions, const char *type);
/* Does the selector match? A selector that is not present matches nothing; an empty one everything.
 */
bool selector_match(const struct selector *sel, const struct kvs *labels);
/* A Service's selector: all pairs present; an empty one matches nothing. */
bool kvs_subset(const struct kvs *want, const struct kvs *labels);

/* The Service of that name in a list of struct kube_service, or NULL. Borrowed. */
const struct kube_service *kube_service_named(const struct list *services, const char *name);
/* The next Service that the Ingress names, from a zeroed *at on: its default one ("" when it has
 * none), then one a path. NULL at the end. Borrowed. */
struct ingress_at {
    bool begun;
    uint32_t rule;
    uint32_t path;
};
const char *kube_ingress_service(const struct kube_ingress *ing, struct ingress_at *at);
/* Does the Ingress name a class of an ALB? A hint: a class may have any name. */
bool kube_ingress_alb_class(const struct kube_ingress *ing);
/* Is the Service a backend of the Ingress, by a rule or by default? */
bool kube_ingress_names(const struct kube_ingress *ing, const char *service);

/* An attribute of a target group (g may be NULL), NULL = not read. Borrowed. */
const char *group_attribute(const struct elb_group *g, const char *key);

#endif
