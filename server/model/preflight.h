/*
 * Preflight: manifests judged before they are applied, against what is known of the cluster. Would
 * gates be injected, by which webhook, into which target groups, could they open, will the rollout
 * fit its deadline, will shutdown drain in time? Pure: facts in, findings out.
 *
 * A namespace is seen as it would be after the manifests: Services, bindings and labels of the
 * manifests stand over those of the cluster. Codes are the catalogue's where it has one.
 */
#ifndef GATEHOUSE_MODEL_PREFLIGHT_H
#define GATEHOUSE_MODEL_PREFLIGHT_H

#include "base/json_out.h"
#include "model/maker.h"
#include "model/template.h"

enum { PREFLIGHT_NAMESPACES_MAX = 50, PREFLIGHT_FINDINGS_MAX = 1000 };

/* One object of the manifests. */
struct manifest {
    enum kind kind;            /* KIND_COUNT = one that is not looked at */
    const struct meta *record; /* of the kind; NULL with KIND_COUNT */
    enum maker_kind maker_kind;
    const struct maker *maker; /* NULL with MAKER_NONE */
    const char *kind_name;
    const char *namespace; /* as written, "" */
    const char *name;
    uint32_t line; /* from 1; 0 = not known */
    uint32_t column;
};

/* What ELBv2 and other bindings say of the group of a binding among the manifests. */
struct preflight_group {
    const struct manifest *manifest;
    struct facts_group *group;
    const char *other; /* "namespace/name" of another binding on it, "" */
};
/* A workload of the manifests as it stands in the cluster. */
struct preflight_present {
    const struct manifest *manifest;
    const struct kube_workload *workload;
};

struct preflight_in {
    const struct facts_cluster *cluster;
    const char *default_namespace;
    const char *const *families; /* of gates, for gate_family_in(); NULL = none */
    struct list manifests;       /* struct manifest, in their order */
    struct list namespaces; /* struct facts_namespace, one for each of preflight_namespaces() */
    struct list groups;     /* struct preflight_group */
    struct list present;    /* struct preflight_present */
};

struct preflight_finding {
    const char *code;
    enum severity severity;
    enum confidence confidence;
    const char *namespace;
    const char *object; /* "Deployment/web" */
    const char *message;
    const char *action;
    const char *command;             /* "" */
    const struct manifest *manifest; /* where to look */
};

enum injected { INJECTED_NO, INJECTED_YES, INJECTED_LIKELY, INJECTED_TEMPLATE };
struct preflight_gate {
    const char *type; /* of the condition */
    enum gate_family family;
    const char *binding;
    const char *service;
    int64_t port;             /* of the pods; 0 = none */
    const char *target_group; /* ARN or name, "" */
    const char *webhook;      /* configuration/name of the webhook that injects, "" */
    enum injected injected;
};

/* How long the rollout takes when each batch waits for its gates. */
struct preflight_rollout {
    bool known; /* it has gates, and a usual time */
    bool from_history;
    int64_t gate_ms; /* usual time (p95) of the slowest gate */
    int64_t replicas;
    int64_t batches;
    int64_t total_ms;
    int64_t deadline_ms; /* 0 = the kind has none */
};

struct preflight_workload {
    const struct manifest *manifest;
    const char *namespace;
    struct list gates; /* struct preflight_gate */
    struct preflight_rollout rollout;
};

struct preflight {
    struct list workloads; /* struct preflight_workload */
    struct list findings;  /* struct preflight_finding, in the order of the manifests */
    uint32_t counts[SEVERITY_COUNT];
    uint32_t objects;
    uint32_t ignored; /* objects that say nothing about gates */
    bool truncated;   /* more findings than PREFLIGHT_FINDINGS_MAX */
};

/* The namespaces that the manifests are about, each once. */
struct strs preflight_namespaces(const struct list *manifests, const char *default_namespace,
                                 struct arena *arena);
/* Judges. *ret lives in the arena or is borrowed from *in. */
void preflight_judge(const struct preflight_in *in, struct arena *arena, struct preflight *ret);
/* The members verdict, counts, workloads, findings, objects, ignored of an open object. */
void preflight_json(const struct preflight *p, struct json_out *j);
const char *preflight_verdict(const struct preflight *p); /* fine, warnings, errors */

#endif
