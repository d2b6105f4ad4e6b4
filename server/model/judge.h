/*
 * Inside this folder: the work sheet of one judgement. judge_rollout() fills it in this order:
 *
 *   revision which revision the rollout goes to, which pods are of it    (revision.c)
 *   join     which bindings select each pod, which binding each gate names, which target each
 *            (pod, binding) should have, which slice entry it has        (join.c)
 *   pods     gates, three truths, state of each pod                      (pod.c, truth.c)
 *   track    what to remember of each pod, its transitions and samples   (track.c)
 *   pace     slow and stuck, next look, eta                              (pace.c)
 *   causes   findings from the joined facts                              (cause*.c, finding.c)
 *   verdict  primary cause, counts, rollout state and since              (rollout.c, judge.c)
 *
 * Everything lives in the arena or is borrowed from the facts.
 */
#ifndef GATEHOUSE_MODEL_JUDGE_H
#define GATEHOUSE_MODEL_JUDGE_H

#include "base/arena.h"
#include "model/cause.h"
#include "model/index.h"
#include "model/model.h"

/* One binding of the namespace as one pod sees it. */
struct pod_binding {
    const struct facts_binding *fb;
    bool ip;            /* binding_is_ip(fb) */
    bool all_unhealthy; /* every target of its group: the load balancer fails open */
    bool heard;         /* ELBv2 answers for its group, or did within policy.stale_after_ms */
    bool selects;       /* its Service exists and selects the pod now (any target type) */
    bool gated;         /* the pod has a gate that names it, of the binding's own family */
    bool wants_gate; /* selects, type ip: a pod created now would be gated by it, given the label */
    int64_t port;    /* the pod's port behind the binding's service port; 0 = cannot be resolved */
    bool service_port_missing;         /* the Service exists, its port does not */
    const struct endpoint *endpoint;   /* the pod's entry in a slice of the Service, NULL = none */
    const struct facts_target *target; /* by address and port in the group, NULL = none (or group
                                          not known) */
};

/* One gate of one pod. */
struct pod_gate {
    const char *type;
    enum gate_family family;
    const char *binding_name;          /* "" outside the v2 AWS families */
    const struct pod_binding *pb;      /* NULL: no such binding (or no v2 family) */
    const struct condition *condition; /* NULL = absent */
    enum gate_status status;
};

struct pod_sheet {
    const struct facts_pod *fp;
    struct pod_verdict *v;
    const struct pod_track *track; /* as it will be remembered: == &v->track */
    struct pod_binding *bindings;  /* one per binding of the namespace, same order */
    uint32_t n_bindings;
    const struct pod_binding **near; /* of these, the ones that select or gate it */
    uint32_t n_near;
    struct pod_gate *gates; /* spec.readinessGates without repeats */
    uint32_t n_gates;
    bool is_new;     /* of the target revision, not deleting, not finished */
    bool is_old;     /* of another revision, not deleting, not finished */
    bool wanted_old; /* is_old, and the workload means to keep it (partition, OnDelete) */
    bool deleting;
    bool finished; /* Succeeded, Failed or of a Job: no rule applies */
    bool containers_ready;
    bool ready;
    int64_t containers_ready_at; /* start of the present spell; 0 = not ready */
    int64_t waiting_since;       /* registering, checking or failing: since when; 0 = not waiting */
    int64_t starting_since;      /* containers not ready: since when; 0 = they are */
    int64_t slow_at;             /* when its waiting or starting gets slow, 0 = neither */
    int64_t stuck_at;            /* ... stuck */
    const struct container_status *crashing; /* a container that crashes again and again, also
                                                while it runs between two crashes; NULL = none */
    struct usual usual;           /* of the slowest binding among its gates; p95_ms 0 = none */
    enum pace pace;               /* of its waiting or starting */
    struct pod_finding *findings; /* what finding_pod() hung on it, newest first */
};

/* One finding that holds a pod: an index into judge.findings (findings move when they grow). */
struct pod_finding {
    uint32_t finding;
    struct pod_finding *next;
};

struct judge {
    const struct facts *f;
    struct arena *a;
    struct rollout_verdict *v;
    struct pod_sheet *pods; /* in the order of facts.pods */
    uint32_t n_pods;
    int64_t wanted;       /* pods of the target revision that complete it (partition, OnDelete) */
    int64_t missing;      /* of these, how many do not exist yet */
    bool deadline_passed; /* the workload's own controller gave up (deadline, abort) */
    int64_t slow_at;      /* when the rollout's wait gets slow, 0 = it does not wait */
    int64_t stuck_at;     /* ... stuck */
    bool waiting;         /* some new pod is not serving though it should be */
    bool past_usual;      /* the rollout's wait is past the usual time (slow or stuck) */
    bool past_limit;      /* ... past the limit (stuck) */
    struct finding *findings; /* grown by judge_finding() */
    uint32_t n_findings;
    uint32_t cap_findings;
    struct finding_room *rooms; /* growing parts of each finding (finding.c) */
    struct index by_name;       /* findings by code and object (finding.c) */
    struct index prior_by_name; /* prior findings likewise */
    uint32_t cap_transitions;
    uint32_t cap_samples;
    struct sight *sight; /* what the rules look up once (cause_in.h) */
};

/* Starts a finding of a catalogue code about an object: severity and terminal come from the
 * catalogue row, since is now (or the prior finding's since for the same code and object),
 * confidence certain. One finding a code and object: a second call returns the first one, so pods
 * are added to it. Never NULL; the pointer is valid until the next call. */
struct finding *judge_finding(struct judge *j, const char *code, const char *object);
/* Adds what was seen, at most 20 pieces; formatted value. */
void finding_evidence(struct judge *j, struct finding *f, const char *object, const char *field,
                      const char *fmt, ...) FORMAT(5, 6);
void finding_command(struct judge *j, struct finding *f, const char *fmt, ...) FORMAT(3, 4);
/* Counts a pod into it: pods, pod_names (first 20), and its own cause if it has none yet. */
void finding_pod(struct judge *j, struct finding *f, struct pod_sheet *pod);
/* Earlier of the verdict's next look and this one. */
void judge_look_at(struct judge *j, int64_t at);

/* All rules of the catalogue over the sheet (cause*.c). */
void causes_find(struct judge *j);

/* ---- questions the rules and the steps share ---- */

/* A binding whose targets are pod addresses: spec.targetType ip, or unset and the group's own type
 * is ip. */
bool binding_is_ip(const struct facts_binding *fb);
/* The port of its Service that the binding names; NULL = no Service, or it has no such port. */
const struct service_port *service_port_of(const struct facts_binding *fb);
/* The pod's port behind a Service port (NULL gives 0); slice: the one that holds the pod, or NULL.
 * 0 = a named port that no container has. */
int64_t target_port_of(const struct service_port *sp, const struct kube_slice *slice,
                       const struct kube_pod *pod);
/* Does this pod count for this binding: type ip, and it selects the pod or the pod has its gate. */
bool pod_binding_applies(const struct pod_binding *pb);
/* The pod has the binding's gate, but its Service selects other pods now: the condition is frozen
 * at its last value. */
bool pod_binding_frozen(const struct pod_binding *pb);
/* A gate that the controller set True because binding, Service or port were gone. */
bool gate_forced_open(const struct pod_gate *g);
/* The pod's gate of this binding, or NULL. */
const struct pod_gate *pod_gate_of(const struct pod_sheet *p, const struct pod_binding *pb);

/* A Service or Ingress that asks for targets of type ip and has no binding for a Service that
 * selects the pod. */
struct lb_owner {
    const char *kind;
    const struct meta *meta;
    const struct kube_service *service;
    bool made; /* it has a load balancer */
};
bool owner_without_binding(const struct judge *j, const struct pod_sheet *p, struct lb_owner *ret);
/* Is it there to stay, and without a load balancer, or without a binding for one of its Services?
 */
bool owner_lacks_binding(const struct judge *j, const char *kind, const char *name);
/* As far as Services and Ingresses tell, no load balancer is meant to serve the pod. */
bool nobody_wants_it(const struct judge *j, const struct pod_sheet *p);
/* The node of a pod; NULL = not bound yet, or not known. */
const struct facts_node *node_of(const struct judge *j, const struct kube_pod *pod);

/* ELBv2's word on a pod behind a binding, as a step on the way to traffic. */
enum elb_word {
    ELB_UNKNOWN, /* the group is not heard of (any more), or the pod's port is not known */
    ELB_HEALTHY,
    ELB_ABSENT,      /* not registered, draining, or Target.NotRegistered */
    ELB_REGISTERING, /* initial, Elb.RegistrationInProgress */
    ELB_CHECKING,    /* initial, Elb.InitialHealthChecking */
    ELB_BAD          /* unhealthy, unused, unavailable, or the group is gone */
};
enum elb_word elb_word_of(const struct pod_binding *pb);

/* Yes: every binding that counts says healthy; no: some binding says otherwise. */
enum truth truth_of_elb(const struct pod_sheet *p);
/* The worst disagreement over the bindings that count. */
enum contradiction contradiction_of(const struct pod_sheet *p);

/* ---- the steps, in order (see top) ---- */

/* judge_rollout() with other rules than the catalogue's: what is to hold whatever they find. */
void judge_by(const struct facts *facts, struct arena *arena, void (*rules)(struct judge *j),
              struct rollout_verdict *ret);

void judge_revision(struct judge *j);
void judge_join(struct judge *j);
void judge_pods(struct judge *j);
void judge_pace(struct judge *j);
void judge_outcome(struct judge *j);
int64_t judge_eta(const struct judge *j);

/* Time as far as Kubernetes has been heard: it stands still while the API server is silent. */
int64_t judge_heard_now(const struct judge *j);
/* Since when a finding of that code has stood on that object (NULL: on any) as of the last
 * judgement; 0 = it did not. */
int64_t judge_prior_since(const struct judge *j, const char *code, const char *object);

/* The crash loop of a pod (crash.c). */
enum { CRASHES_CERTAIN = 3 }; /* restarts that make a loop beyond doubt */
const struct container_status *pod_crashing(struct judge *j, const struct kube_pod *pod);

/* What is remembered of a pod: facts before the state is known, then the state. */
void track_facts(struct judge *j, struct pod_sheet *p);
void track_state(struct judge *j, struct pod_sheet *p);
/* Transitions of all pods against what was remembered, and the changed marks. */
void track_close(struct judge *j);
/* Adds a step of the timeline to the verdict. */
void judge_transition(struct judge *j, const struct transition *t);
void judge_sample(struct judge *j, const char *binding, int64_t ms);
/* Sorts findings into the verdict and chooses the primary one. */
void judge_findings_close(struct judge *j);
/* Does a terminal finding hold this pod? */
bool pod_is_terminal(const struct judge *j, const struct pod_sheet *p);
/* How many pods make up the batch that a rollout replaces at once; 0 = no batches can be told. */
int64_t rollout_batch(const struct judge *j);

#endif
