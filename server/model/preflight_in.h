/* Inside the files of preflight: the namespaces as they would be, and how a check speaks. */
#ifndef GATEHOUSE_MODEL_PREFLIGHT_IN_H
#define GATEHOUSE_MODEL_PREFLIGHT_IN_H

#include "model/judge.h"
#include "model/preflight.h"

/* A binding of a namespace after the manifests. */
struct pf_binding {
    struct facts_binding fb;
    const struct manifest *manifest; /* NULL = it is the cluster's */
    bool fresh;                      /* the cluster does not have it yet */
    bool is_auto;
    const char *other; /* another binding on its target group, "" */
};
/* Something among the manifests by which a controller makes a binding of a Service. */
struct pf_later {
    const struct manifest *maker;
    const struct manifest *says; /* where the target type stands, when not in maker or Service */
    const char *type;            /* "" = not said */
    bool is_auto;                /* EKS Auto Mode makes the binding */
};
struct pf_service {
    const struct kube_service *service;
    const struct manifest *manifest; /* NULL = it is the cluster's */
    bool fresh;
    bool later_known;  /* the next is filled */
    struct list later; /* struct pf_later */
};
/* A Gateway API route of the manifests: do its Gateways belong to an AWS controller? */
enum pf_ours { PF_OURS_NO, PF_OURS_UNKNOWN, PF_OURS_YES };
struct pf_route {
    const struct manifest *manifest;
    enum pf_ours ours;
    struct pf_later def; /* what the Gateways say for Services that say nothing */
};
struct pf_scope {
    const char *name;
    const struct facts_namespace *cached;
    const struct kvs *labels;      /* of the namespace after the manifests */
    const struct kvs *annotations; /* ... */
    bool exists;                   /* in the cluster, or among the manifests */
    struct pf_binding *bindings;
    uint32_t n_bindings;
    struct pf_service *services;
    uint32_t n_services;
};

struct pf {
    const struct preflight_in *in;
    struct facts_cluster cluster; /* with the webhooks of the manifests */
    struct arena *a;
    struct preflight *out;
    struct pf_scope *scopes;
    uint32_t n_scopes;
    struct pf_route *routes;
    uint32_t n_routes;
    struct pf_later *later; /* room for what all manifests make of one Service */
    struct preflight_finding *findings;
    uint32_t n_findings;
};

const char *pf_namespace(const struct pf *p, const struct manifest *m);
struct pf_scope *pf_scope_of(const struct pf *p, const struct manifest *m);
void pf_open(struct pf *p);        /* scopes and cluster from the input */
void pf_open_routes(struct pf *p); /* and the room for what comes later */
/* An object read as a maker; namespace NULL = the kind has none. NULL = not among the manifests. */
const struct manifest *pf_maker_named(const struct pf *p, enum maker_kind kind,
                                      const char *namespace, const char *name);
/* What routes make for the Service: how many; ret has room for one for each route. */
uint32_t pf_later_by_routes(const struct pf *p, const char *namespace, const char *service,
                            struct pf_later *ret);
const struct pf_service *pf_service_named(const struct pf_scope *s, const char *name);
const struct manifest *pf_manifest(const struct pf *p, uint32_t i);
/* Does the manifest have a pod template? */
bool pf_template(const struct manifest *m, struct pod_template *ret);
/* The binding's targets are pod addresses; a new one that does not say is taken to be. */
bool pf_is_ip(const struct pf_binding *b);
/* Has the labels all pairs of a selector that is not empty? Both in key order. */
bool pf_subset(const struct kvs *want, const struct kvs *labels);
bool pf_selects(const struct pf_binding *b, const struct pod_template *t);

/* The same words of the same object are said once, with the worst severity. The rest of *f is as it
 * will stand. */
void pf_say(struct pf *p, const struct manifest *m, const struct preflight_finding *f);
#define PF_SAY(p, m, ...) pf_say((p), (m), &(const struct preflight_finding){__VA_ARGS__})
const char *pf_object(const struct pf *p, const struct manifest *m);

/* The checks. */
void pf_check_binding(struct pf *p, const struct manifest *m);
void pf_check_gates(struct pf *p, const struct manifest *m, struct preflight_workload *w);
void pf_check_later(struct pf *p, const struct manifest *m);
void pf_check_rollout(struct pf *p, const struct manifest *m, struct preflight_workload *w);
/* Of a workload with gates, its usual gate time and number of pods known as far as they are. */
void pf_check_budgets(struct pf *p, const struct manifest *m, const struct preflight_rollout *r);
/* The workload as the cluster has it; NULL = it does not. */
const struct kube_workload *pf_present_of(const struct pf *p, const struct manifest *m);
/* How many pods it will have. */
int64_t pf_replicas_of(const struct pf *p, const struct manifest *m);
/* Does the namespace lack the label that the webhook of the family asks for? Says so. */
bool pf_unlabelled(struct pf *p, const struct manifest *m, bool is_auto);
/* Would a pod of the template get the binding's gate? Says why not, once a namespace. */
enum injected pf_injection(struct pf *p, const struct manifest *m, const struct pf_binding *b,
                           const char **ret_webhook);

#endif
