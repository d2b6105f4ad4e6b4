/*
 * Inside the rules of the catalogue (cause_*.c): what a judgement looks up once and all rules read
 * (struct sight), how a rule speaks (claim_pod, claim_object), and one entry a section.
 *
 * A rule decides and gives evidence. The words of a finding (message, action, commands) are written
 * at the end, from one table (cause_texts.c), when all its pods are counted.
 *
 * Time: rules use sight.now, which stands still while Kubernetes is silent, so that nothing gets
 * worse from what is not seen.
 */
#ifndef GATEHOUSE_MODEL_CAUSE_IN_H
#define GATEHOUSE_MODEL_CAUSE_IN_H

#include "base/clock.h"
#include "model/judge.h"

enum {
    SECOND_MS = 1000,
    MINUTE_MS = 60 * SECOND_MS,
    /* The controller's longest back-off is 16 min 40 s, twice that is out of doubt; client-go lets
     * one warning in 5 minutes through once it rations. */
    EVENT_LIVE_MS = 35 * MINUTE_MS,
    EVENT_RATION_MS = 11 * MINUTE_MS,
    RECHECKS_LATE = 3 /* re-checks after which the controller is late */
};

/* One binding of the namespace as all pods of the rollout see it. */
struct view {
    const struct facts_binding *fb;
    const char *name;
    const char *object;                 /* "TargetGroupBinding/NAME" */
    const struct kube_event *reconcile; /* its newest warning of each reason, NULL = none */
    const struct kube_event *network;
    const struct kube_event *cleanup; /* why it does not go: targets, or its finalizer */
    int64_t acted_at;       /* last time the controller was seen to get something done for it */
    int64_t first_gated_at; /* creation of the oldest live pod with a gate of it; 0 = none */
    uint32_t open;          /* new and old pods whose gate of it is open */
    uint32_t waiting; /* ... is not open though their containers are ready and it selects them */
    uint32_t blocked; /* of these, held by a cause of the registration section */
    bool is_counted;
    uint32_t targets; /* in its group and not draining, where a rule asked; else its open gates */
    const char *fate; /* of pods whose backend does not exist, where a rule asked; else NULL */
};

/* What the text of a finding needs beside the finding itself. */
struct note {
    const struct view *view;
    const struct pod_sheet *pod; /* the first it holds */
    const char *a;               /* {a} and {b} of its text */
    const char *b;
};

struct sight {
    int64_t now;
    const char *ns;
    const char *workload; /* "Deployment/web", "" outside a rollout */
    struct view *views;   /* in the order of facts.ns.bindings */
    uint32_t n_views;
    struct index view_by_name;
    struct index events;                /* of facts.ns.events by kind and name */
    const struct webhook *injectors[2]; /* the pod webhook of each controller: [is Auto Mode] */
    const char *injector_configs[2];    /* names of their configurations, "" */
    int64_t version; /* of the open-source controller: 2.13.1 is 2013001; 0 = not known */
    const struct kube_event *no_identity; /* the controller's newest word that it has none */
    struct note *notes;                   /* by finding */
    uint32_t cap_notes;
};

/* What a rule says of a pod, or of an object. */
struct claim {
    const char *code;
    const char *object;
    enum severity severity;
    bool likely;   /* it rests on inference */
    int64_t since; /* as far as the facts tell; 0 = now */
    const struct view *view;
    const char *a;
    const char *b;
};

/* Starts or joins the finding: the worst severity, the earliest since and the best confidence of
 * all pods rule. Valid until the next claim. */
struct finding *claim_pod(struct judge *j, struct pod_sheet *p, const struct claim *c);
struct finding *claim_object(struct judge *j, const struct claim *c);
/* The first pods are evidence enough: is there room for one more? */
bool wants_evidence(const struct finding *f);
/* "unhealthy Target.Timeout: Request timed out", of a target, a condition or a container; any of
 * the three may be empty. */
const char *state_words(struct judge *j, const char *state, const char *reason, const char *text);
/* Has an earlier rule claimed it? NULL = no. */
const struct finding *claimed(const struct judge *j, const char *code, const char *object);
/* Messages, actions and commands of all findings (cause_texts.c). */
void claims_write(struct judge *j);

void sight_open(struct judge *j);
struct view *view_of(const struct judge *j, const struct pod_sheet *p,
                     const struct pod_binding *pb);
/* The newest warning about an object: of that reason (NULL = any), with that text (NULL = any). */
const struct kube_event *event_about(const struct judge *j, const char *kind, const char *name,
                                     const char *reason, const char *text);
int64_t event_at(const struct kube_event *e);
/* The newest failed reconcile of a binding, unless it is too old or a success came after it. */
const struct kube_event *event_live(const struct judge *j, const struct view *v,
                                    const struct kube_event *e);
void event_evidence(struct judge *j, struct finding *f, const struct kube_event *e);

bool is_v2(enum gate_family family);
bool is_live(const struct pod_sheet *p); /* new or old: not deleting, not finished */
/* Can bindings of this family be seen at all? Else one may exist unseen. */
bool bindings_seen(const struct judge *j, enum gate_family family);
bool kind_denied(const struct judge *j, const char *resource);
/* A gate that its controller could open: v2, with a binding of type ip whose Service selects the
 * pod. */
bool gate_can_open(const struct pod_gate *g);
const struct gate_track *track_of_gate(const struct pod_sheet *p, const struct pod_gate *g);
/* The pod's wait as severity: info on time, warning slow, error stuck. */
enum severity severity_of_pace(const struct pod_sheet *p);
/* Have we watched the pod for that long ourselves? */
bool watched(const struct judge *j, const struct pod_sheet *p, int64_t ms);
/* When the controller last wrote the gate's condition, as far as it can be told; 0 = never. */
int64_t gate_written_at(const struct pod_sheet *p, const struct pod_gate *g);
/* ELBv2's word unless our poll is older than what the controller wrote since. */
enum elb_word fresh_word(const struct judge *j, const struct pod_sheet *p,
                         const struct pod_gate *g);
/* The pod's node is known and not ready. */
bool node_is_down(const struct judge *j, const struct pod_sheet *p);
/* Since when the controller could have acted on the pod behind this binding. */
int64_t actable_since(const struct pod_sheet *p, const struct pod_binding *pb);
bool has_hash_selector(const struct kube_service *s);
const char *object_of(struct judge *j, const char *kind, const char *name);

/* The documented label of each controller. */
const char *inject_key(bool is_auto);
/* What a warning says: throttled; the controller cannot sign its calls at all; denied; which action
 * of an API failed; its error without the controller's own words. */
bool message_throttled(const char *message);
bool message_no_identity(const char *message);
bool message_denied(const char *message);
bool message_names(struct judge *j, const char *message, const char *action);
const char *message_error(const char *message);

/* Which pods a fault of this kind holds. */
enum holds {
    HOLDS_UNREGISTERED, /* no condition yet, or not registered by ELBv2's word */
    HOLDS_WAITING       /* any whose gate is not open */
};

struct fault {
    const char *code;
    enum holds holds;
    bool at_once; /* the message is proof: no need to wait for a second one */
};

/* The fault behind a FailedReconcile; code NULL = throttled, which another section reads. */
struct fault message_fault(struct judge *j, const char *message);
/* The same code alone. */
const char *cause_of_reconcile(struct judge *j, const char *message);
/* What to do about it where AWS's own words do not say; "" = the cause's action will do. */
const char *cause_hint(const char *code, const char *message);
/* Code for a failed call of one of the controller's webhooks; NULL = it is none. */
const char *cause_of_webhook(struct judge *j, const char *message);

/* A judgement without pods: for rules about a namespace, the cluster or a workload (cause_scope.c).
 */
struct judge *scope_open(const struct facts_namespace *ns, const struct facts_cluster *cluster,
                         const struct policy *policy, const struct list *prior,
                         struct arena *arena);
struct scope_verdict scope_close(struct judge *j);
/* Is the address an endpoint of the Service? */
bool slices_have(const struct list *slices, const char *service, const char *address);

/* Rules about a binding or the controller, with or without a rollout. */
void cause_cleanup(struct judge *j, struct view *v, bool waiting);
void cause_network(struct judge *j, struct view *v);
void cause_shared(struct judge *j, const struct view *v, bool look_for_foreign);
void cause_fail_open(struct judge *j, const struct view *v);
/* The API server is silent, denies us, or cannot be reached. */
void cause_kubernetes(struct judge *j);
/* Why the controller does not deploy an Ingress or Service, by its own word; NULL = it does not say
 * (any more). */
const struct kube_event *cause_refused(const struct judge *j, const char *kind, const char *name);
/* Claims it for a pod, or for the object alone (NULL). */
struct finding *cause_not_deployed(struct judge *j, struct pod_sheet *p, const char *object,
                                   const struct kube_event *e);
/* The lease of the installation whose webhook serves the cluster; without a webhook the only one
 * there is. NULL = none, or it cannot be told. */
const struct kube_lease *cause_lease(const struct judge *j);
/* The same when it is no longer renewed, else NULL. */
const struct kube_lease *cause_lease_stale(struct judge *j);

void causes_node(struct judge *j);
void causes_start(struct judge *j);
void causes_creation(struct judge *j);
void causes_missing(struct judge *j);
void causes_closed(struct judge *j);
void causes_register(struct judge *j);
void causes_controller(struct judge *j);
void causes_health(struct judge *j);
void causes_exposed(struct judge *j);
void causes_drain(struct judge *j);
void causes_unbound(struct judge *j);
void causes_rollout(struct judge *j);

/* What a load balancer's listeners and rules say of a group. */
struct route_view {
    const struct elb_balancer *balancer; /* whose were read; NULL = none were */
    bool known;                          /* the counts can be relied on */
    int64_t rules;
    uint32_t forwards;   /* listeners and rules that send traffic here */
    uint32_t weightless; /* that name the group with weight 0 */
};
struct route_view route_view_of(const struct facts_group *g);
/* As evidence. */
void route_say(struct judge *j, struct finding *f, const struct facts_group *g);
/* Below how many healthy targets a load balancer sends to all, where that was read. */
void route_say_limits(struct judge *j, struct finding *f, const struct facts_group *g);

#endif
