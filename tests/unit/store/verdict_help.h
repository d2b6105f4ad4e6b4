/* Hand-made verdicts for the store's tests: one pod state for all pods, findings by code. */
#ifndef GATEHOUSE_TESTS_VERDICT_HELP_H
#define GATEHOUSE_TESTS_VERDICT_HELP_H

#include "store_help.h"

/* The verdict nobody judged: state as given, every pod in pod_state. */
INLINE struct rollout_verdict verdict_of(const struct facts *f, struct arena *a,
                                         enum rollout_state state, enum pod_state pod_state)
{
    struct rollout_verdict v = {.state = state,
                                .since = INT64_C(1750000000000),
                                .started_at = INT64_C(1749999000000),
                                .served_at = state == ROLLOUT_SERVING ? INT64_C(1750000000000) : 0,
                                .revision = "7",
                                .revision_hash = "6c9f",
                                .observed = true,
                                .desired = f->pods.n,
                                .updated = f->pods.n};
    struct pod_verdict *pods = arena_array(a, struct pod_verdict, f->pods.n);
    for (uint32_t i = 0; i < f->pods.n; i++) {
        const struct facts_pod *p = LIST_AT(struct facts_pod, f->pods, i);
        pods[i] = (struct pod_verdict){.id = p->id,
                                       .state = pod_state,
                                       .state_since = INT64_C(1750000000000),
                                       .is_new = true,
                                       .kubelet = TRUTH_YES,
                                       .gate = TRUTH_NO,
                                       .elb = TRUTH_UNKNOWN,
                                       .cause = "",
                                       .track = *p->track};
        pods[i].track_changed = pods[i].track.state != (int64_t)pod_state;
        pods[i].track.state = (int64_t)pod_state;
    }
    v.by_state[pod_state] = f->pods.n;
    v.pods = (struct list){pods, f->pods.n};
    return v;
}

INLINE struct finding *finding_of(struct arena *a, struct rollout_verdict *v, uint32_t n)
{
    struct finding *items = arena_array(a, struct finding, n);
    for (uint32_t i = 0; i < n; i++) {
        items[i] = (struct finding){.code = "unexplained",
                                    .object = "Deployment/web",
                                    .severity = SEVERITY_WARNING,
                                    .since = 5,
                                    .message = "nothing holds",
                                    .action = "look",
                                    .docs = ""};
    }
    v->findings = (struct list){items, n};
    v->primary = n > 0 ? &items[0] : NULL;
    return items;
}

/* In the open transaction. */
INLINE void facts_of(struct bed *b, int64_t id, struct arena *a, struct facts *f)
{
    struct err err = {0};
    if (!store_rollout_facts(b->s, id, a, f, &err)) {
        fail_msg("facts of %lld: %s", (long long)id, err.text);
    }
}

INLINE struct saved save(struct bed *b, int64_t id, const struct facts *f,
                         const struct rollout_verdict *v)
{
    struct err err = {0};
    struct saved saved = {0};
    if (!store_save_rollout(b->s, id, f, v, &saved, &err)) {
        fail_msg("save %lld: %s", (long long)id, err.text);
    }
    return saved;
}

#endif
