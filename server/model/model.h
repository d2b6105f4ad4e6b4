/*
 * Judgement: facts in, verdict out. Pure functions: no I/O, no SQL, `now` is a fact. The store
 * loads the facts of one rollout (struct facts), judge_rollout() says what they mean, the store
 * writes the verdict.
 *
 * Time: what needs time (usual time passed, three re-checks, lease not renewed) names its next
 * look; the writer judges again then, so nobody scans.
 */
#ifndef GATEHOUSE_MODEL_MODEL_H
#define GATEHOUSE_MODEL_MODEL_H

#include "model/object.h"
#include "model/words.h"

/* Thresholds, from configuration, namespace and workload annotations (already merged by the
 * caller). */
struct policy {
    int64_t slow_factor_percent;  /* of the usual time (p95): 200 = slow at 2x */
    int64_t stuck_factor_percent; /* 300 = stuck at 3x */
    int64_t stuck_min_ms;         /* never stuck before this */
    int64_t stuck_after_ms; /* 0 = by factor; else fixed (annotation gatehouse.dev/stuck-after) */
    int64_t recheck_ms;     /* the controller's re-check interval, 15 s */
    int64_t stale_after_ms; /* a source without sign of life for this long is stale */
    int64_t lease_stale_ms; /* the controller's Lease not renewed for this long: stalled */
    bool alerts_off;        /* annotation gatehouse.dev/alerts: off */
    const char *runbook;    /* annotation gatehouse.dev/runbook, "" */
    const char *const *families; /* of gates, for gate_family_in(); NULL = none */
};

/* How long opening usually takes, per binding. */
struct usual {
    int64_t p50_ms;
    int64_t p95_ms;
    bool from_history; /* else by formula */
};

enum { USUAL_SAMPLES = 64, USUAL_ENOUGH = 5 };

/* What ELBv2 says of one target group. known=false: not asked, denied, or no answer yet. */
struct facts_group {
    const char *arn;
    bool known;
    bool gone;           /* TargetGroupNotFound */
    int64_t observed_at; /* last complete health answer */
    int64_t first_observed_at;
    const struct elb_group *group;            /* NULL until described */
    const struct elb_balancer *balancer;      /* NULL until described */
    const struct elb_balancer *last_balancer; /* that sent here before; NULL while one does */
    struct list targets;                      /* struct facts_target */
    const char *error;                        /* why not known, "" */
};
struct facts_target {
    struct elb_target t;
    int64_t first_seen_at;
    int64_t healthy_at;  /* first healthy; 0 = never */
    int64_t state_since; /* of the present state */
};

enum { SHARERS_NAMED = 3 };
struct facts_binding {
    const struct kube_binding *binding;
    const struct kube_service *service; /* NULL: does not exist */
    struct facts_group *group;          /* never NULL; group->known tells */
    struct usual usual;
    int64_t first_seen_at; /* when our store first had it */
    int64_t
        gate_flipped_at; /* last time any gate of this binding changed, as seen by us; 0 = never */
    int64_t registered_at; /* last time a target of it first appeared, as seen by us; 0 = never */
    uint32_t sharers;      /* other bindings on the same ARN (any namespace) */
    struct strs sharer_names; /* "namespace/name" of these, the SHARERS_NAMED first seen */
};

/* What we remember of one gate of one pod. */
struct gate_track {
    const char *type;
    int64_t first_seen_at;   /* the condition first existed */
    int64_t opened_at;       /* first True; 0 = never */
    int64_t changed_at;      /* last change of status, by our clock */
    int64_t closed_again_at; /* last True -> not True after opened_at; 0 = never */
    int64_t status;          /* enum gate_status at last look */
    const char *reason;      /* at last look (meaningful while not open) */
    int64_t reason_since;
};
/* What we remember of one target a pod was joined to, to see its steps. */
struct target_track {
    const char *binding;
    int64_t port;
    const char *state; /* ELBv2's word at last look; "" = known group without this target */
    const char *reason;
};
/* What we remember of one pod beyond its object. Packed by pod_track_table. */
struct pod_track {
    int64_t first_seen_at;
    int64_t containers_ready_at;   /* first time ContainersReady became True (condition's time, else
                                      ours) */
    int64_t containers_unready_at; /* last time it went False after having been True; 0 = never */
    int64_t spell_ready_at;   /* start of the present spell of ContainersReady; 0 = not ready now */
    int64_t ready_at;         /* last time Ready became True; 0 */
    int64_t served_at;        /* first time the verdict was serving; 0 */
    int64_t restarts;         /* sum over containers at last look */
    int64_t restarts_at_open; /* the same when the first gate opened */
    int64_t state;            /* enum pod_state at last judgement; -1 = never judged */
    int64_t state_since;
    int64_t healthy_at;  /* ELBv2 first said healthy */
    int64_t watched;     /* 1 = seen from its creation on; 0 = it was there when we came */
    struct list gates;   /* struct gate_track */
    struct list targets; /* struct target_track: of groups that ELBv2 answers for */
};
extern const struct field_table pod_track_table;

struct facts_pod {
    int64_t id; /* store's key */
    const struct kube_pod *pod;
    const struct pod_track *track; /* prior; zeroed with state=-1 when new */
    const char *revision;          /* its hash label value, "" */
};

/* A pod that was there a moment ago: its target outlives it. */
enum { GONE_KEPT_MS = 15 * 60 * 1000 };
struct facts_gone {
    int64_t id; /* store's key */
    const char *name;
    const char *ip;
    int64_t gone_at;
    int64_t cut_at; /* when its target was first seen still to get requests; 0 = was not */
};

struct facts_event {
    const struct kube_event *event;
    int64_t first_seen_at;
};

/* One owned revision object: ReplicaSet or ControllerRevision of the workload. */
struct facts_revision {
    const char *name;
    const char *hash; /* pod-template-hash / controller-revision-hash value */
    int64_t
        number; /* deployment.kubernetes.io/revision, ControllerRevision.revision; 0 = unknown */
    int64_t created_at;
    const struct kube_workload *replicaset; /* NULL for ControllerRevision */
};

struct facts_node {
    const char *name;
    const char *ready; /* True, False, Unknown, "" = node not known */
    const char *zone;
};

/* Facts of the whole cluster, loaded once per commit and shared by all judgements of it. */
struct facts_cluster {
    int64_t now;
    int64_t started_at;          /* when this process began to watch (last full sync) */
    struct list webhook_configs; /* struct kube_webhook_config */
    struct list leases;          /* struct kube_lease */
    struct list nodes;           /* struct facts_node, sorted by name */
    bool has_lbc;                /* group elbv2.k8s.aws is served */
    bool has_auto;               /* group eks.amazonaws.com is served */
    bool aws_known;              /* ELBv2 answers us at all */
    const char *aws_state;       /* source_state_name of the aws source */
    const char *aws_message;
    bool kube_stale; /* no sign of life from the API server within policy.stale_after_ms */
    int64_t kube_ok_at;
    const char *kube_state;
    const char *kube_message;
    const char *denied_kinds;   /* comma-separated resources we may not list, "" */
    int64_t controller_flip_at; /* last gate flip or registration seen anywhere; 0 = none yet */
    int64_t waiting_pods; /* pods with containers ready and a v2 gate not open, cluster-wide */
    /* Endpoints of the injecting webhook's Service over time, for gate_missing_injection_failed. */
    struct list
        injector_down; /* struct facts_span: spans in which the injector had no ready endpoint */
    bool injector_service_missing; /* the Service that the injecting webhook names does not exist */
    /* The namespaces that hold an injecting webhook's Service, for webhook_no_endpoints. */
    struct list controller_namespaces; /* struct kube_namespace */
    struct list findings; /* struct prior_finding: the cluster's own that hold, for their since */
};
struct facts_span {
    int64_t from;
    int64_t to; /* 0 = still */
};

/* Facts of one namespace. */
struct facts_namespace {
    const char *name;
    const struct kube_namespace *object; /* NULL when unknown */
    int64_t label_seen_at; /* when its injection label took its present value, as seen by us; 0 =
                              before us */
    struct list services;  /* struct kube_service */
    struct list bindings;  /* struct facts_binding */
    struct list slices;    /* struct kube_slice */
    struct list events;    /* struct facts_event: warnings in this namespace */
    struct list pdbs;      /* struct kube_pdb */
    struct list hpas;      /* struct kube_hpa */
    struct list ingresses; /* struct kube_ingress */
    struct list findings;  /* struct prior_finding: its own that hold, for their since */
};

struct rollout_prior {
    int64_t state; /* enum rollout_state; -1 = never judged */
    int64_t since;
    int64_t started_at;
    const char *revision_hash;
    int64_t pace;
    int64_t served_at; /* when this revision last became serving; 0 */
    const char *cause; /* primary cause code, "" */
    int64_t cause_since;
    struct list findings; /* struct prior_finding */
};
struct prior_finding {
    const char *code;
    const char *object;
    int64_t since;
};

struct facts {
    int64_t now;
    const struct policy *policy;
    const struct facts_cluster *cluster;
    const struct facts_namespace *ns;
    const char *kind; /* Deployment ... Pod, or the owner's own kind */
    const char *name;
    const char *uid;
    const struct kube_workload *workload; /* NULL: Pod, other owner, or not (yet) known */
    struct list revisions;                /* struct facts_revision */
    struct list pods;                     /* struct facts_pod */
    struct list gone; /* struct facts_gone: of the last GONE_KEPT_MS, newest first */
    const struct rollout_prior *prior;
};

/* ---- verdict ---- */

struct evidence {
    const char *object; /* "Pod/web-1", "TargetGroupBinding/web", "TargetGroup/arn..." */
    const char *field;
    const char *value;
};

struct finding {
    const char *code; /* of the catalogue (cause.h) */
    const char
        *object; /* what it is about: "Deployment/web", "Pod/...", "TargetGroupBinding/web" */
    enum severity severity;
    bool terminal;
    enum confidence confidence;
    int64_t since;
    bool primary;
    bool aside;            /* set by a rule: listed, never the primary cause */
    uint32_t pods;         /* how many pods it holds */
    uint32_t new_pods;     /* of these, of the revision the rollout goes to */
    struct strs pod_names; /* at most 20 of them */
    const char *message;   /* plain words */
    const char *action;
    struct strs commands;
    const char *docs;     /* URL, "" */
    struct list evidence; /* struct evidence */
};

struct gate_verdict {
    const char *type;
    enum gate_family family;
    const char *binding; /* name of the binding, "" */
    enum gate_status status;
    const char *reason;
    const char *message;
    int64_t first_seen_at;
    int64_t opened_at;
};

/* One target joined to a pod. */
struct pod_target {
    const char *group_arn;
    const char *group_name;
    const struct facts_target *target; /* NULL: should be there and is not */
    const char *binding;
    int64_t port;
};

struct pod_verdict {
    int64_t id;
    enum pod_state state;
    int64_t state_since;
    bool is_new;       /* of the revision the rollout goes to, not deleting */
    bool gate_missing; /* an ip binding selects it, yet it has no gate for it */
    enum truth kubelet;
    enum truth gate;
    enum truth elb;
    enum contradiction contradiction;
    const char *cause;      /* code of its own first finding, "" */
    struct list gates;      /* struct gate_verdict */
    struct list targets;    /* struct pod_target */
    struct pod_track track; /* what to remember */
    bool track_changed;
};

/* A step of the timeline to store. */
struct transition {
    int64_t at;
    const char *what;    /* rollout, pod, gate, target */
    const char *pod;     /* name, "" */
    const char *subject; /* gate type, target "arn ip:port", "" */
    const char *from;
    const char *to;
    const char *reason;
    const char *message;
};

/* A measured opening time, for the usual time of a binding. */
struct usual_sample {
    const char *binding;
    int64_t ms;
};

struct rollout_verdict {
    enum rollout_state state;
    enum pace pace;
    int64_t since;        /* of the state */
    int64_t started_at;   /* of this revision's rollout */
    int64_t served_at;    /* when this revision last became serving (or not_gated); 0 = not yet */
    int64_t eta;          /* Unix ms; 0 = none */
    const char *revision; /* "7" */
    const char *revision_hash;
    int64_t generation;
    bool observed; /* observedGeneration has caught up */
    bool complete; /* all wanted pods of the revision are there, no old ones wanted */
    bool terminal; /* waiting cannot help */
    struct strs images;
    int64_t desired;
    int64_t updated;                   /* pods of the new revision, not deleting */
    int64_t ready;                     /* of these, kubelet-ready */
    int64_t old;                       /* pods of other revisions, not deleting */
    int64_t by_state[POD_STATE_COUNT]; /* new pods by state */
    int64_t gates_total;
    int64_t gates_open;
    int64_t gates_closed;
    int64_t gates_absent;
    int64_t gates_missing; /* new pods that should have a gate and have none */
    bool gated;            /* some new pod has a gate or some binding selects the pods */
    struct usual usual;
    bool usual_known;
    bool stale;
    const struct finding *primary; /* in findings; NULL = none */
    struct list findings;          /* struct finding, primary first, then by severity */
    struct list pods;              /* struct pod_verdict, in the order of facts.pods */
    struct list transitions;       /* struct transition since the last judgement */
    struct list samples;           /* struct usual_sample */
    struct list cut;               /* int64_t: ids of facts.gone to mark as cut off now */
    int64_t next_look;             /* Unix ms; 0 = only on change */
};

/* Judges one rollout. Everything in *ret lives in the arena or is borrowed from facts. Cannot fail:
 * missing facts make `unknown` or `likely`, never an error. Pure. Thread: any. */
void judge_rollout(const struct facts *facts, struct arena *arena, struct rollout_verdict *ret);

/* Findings about a namespace or the whole cluster that hang on no rollout: audit and source
 * findings (gates_not_used, controller_stalled with nobody waiting, target_group_shared,
 * binding_cleanup_failing ...). */
struct scope_verdict {
    struct list findings; /* struct finding */
    int64_t next_look;    /* Unix ms; 0 = only on change */
};
void judge_namespace(const struct facts_namespace *ns, const struct facts_cluster *cluster,
                     const struct policy *policy, struct arena *arena, struct scope_verdict *ret);
void judge_cluster(const struct facts_cluster *cluster, const struct policy *policy,
                   struct arena *arena, struct scope_verdict *ret);

/* The usual time of a binding: from samples (ms, newest last) when there are enough, else by the
 * formula of facts: ALB interval + 10 s, NLB 180 s + interval x healthy threshold. group and
 * balancer may be NULL: then the binding's protocol decides (TCP, UDP, TLS, QUIC: network; else
 * application). */
struct usual usual_of(const int64_t *samples, size_t n, const struct kube_binding *binding,
                      const struct elb_group *group, const struct elb_balancer *balancer);

/* Verdict of a namespace's injection label for lists. "enabled", "missing", "wrong_value",
 * "wrong_family", "annotation_only", "not_applicable" (no bindings). */
const char *namespace_injection(const struct facts_namespace *ns,
                                const struct facts_cluster *cluster);
/* The same for the bindings of one family. */
const char *namespace_injection_of(const struct facts_namespace *ns,
                                   const struct facts_cluster *cluster, bool auto_family);

#endif
