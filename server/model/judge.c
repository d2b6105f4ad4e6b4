/*
 * judge_rollout(): the steps of a judgement in their order (judge.h), and what they all write into.
 */
#include "model/judge.h"

#include <string.h>

void judge_look_at(struct judge *j, int64_t at)
{
    if (at > j->f->now && (j->v->next_look == 0 || at < j->v->next_look)) {
        j->v->next_look = at;
    }
}

int64_t judge_heard_now(const struct judge *j)
{
    const struct facts_cluster *c = j->f->cluster;
    bool silent = c->kube_stale && c->kube_ok_at > 0 && c->kube_ok_at < j->f->now;
    return silent ? c->kube_ok_at : j->f->now;
}

int64_t judge_prior_since(const struct judge *j, const char *code, const char *object)
{
    const struct list *prior = &j->f->prior->findings;
    for (uint32_t i = 0; i < prior->n; i++) {
        const struct prior_finding *f = LIST_AT(struct prior_finding, *prior, i);
        if (strcmp(f->code, code) == 0 && (object == NULL || strcmp(f->object, object) == 0)) {
            return f->since;
        }
    }
    return 0;
}

/* Appends to a list that may grow: its items are ours, so they may be written. */
static void *grown(struct judge *j, struct list *list, uint32_t *cap, size_t size)
{
    if (list->n == *cap) {
        *cap = *cap == 0 ? 8 : *cap * 2;
        void *items = arena_alloc(j->a, size * *cap);
        if (list->n > 0) {
            memcpy(items, list->items, size * list->n);
        }
        list->items = items;
    }
    return (char *)(uintptr_t)list->items + size * list->n++;
}

void judge_transition(struct judge *j, const struct transition *t)
{
    struct transition *item =
        grown(j, &j->v->transitions, &j->cap_transitions, sizeof(struct transition));
    *item = *t;
}

void judge_sample(struct judge *j, const char *binding, int64_t ms)
{
    struct usual_sample *item =
        grown(j, &j->v->samples, &j->cap_samples, sizeof(struct usual_sample));
    *item = (struct usual_sample){binding, ms};
}

static void open_sheets(struct judge *j)
{
    const struct list *pods = &j->f->pods;
    struct pod_verdict *verdicts = arena_array(j->a, struct pod_verdict, pods->n);
    j->pods = arena_array(j->a, struct pod_sheet, pods->n);
    j->n_pods = pods->n;
    for (uint32_t i = 0; i < pods->n; i++) {
        j->pods[i].fp = LIST_AT(struct facts_pod, *pods, i);
        j->pods[i].v = &verdicts[i];
        verdicts[i].id = j->pods[i].fp->id;
        verdicts[i].cause = "";
    }
    j->v->pods = (struct list){verdicts, pods->n};
}

void judge_by(const struct facts *facts, struct arena *arena, void (*rules)(struct judge *j),
              struct rollout_verdict *ret)
{
    struct judge j = {.f = facts, .a = arena, .v = ret};
    *ret = (struct rollout_verdict){.revision = "", .revision_hash = ""};
    open_sheets(&j);
    judge_revision(&j);
    judge_join(&j);
    judge_pods(&j);
    judge_pace(&j);
    rules(&j);
    judge_findings_close(&j);
    judge_outcome(&j);
    track_close(&j);
}

void judge_rollout(const struct facts *facts, struct arena *arena, struct rollout_verdict *ret)
{
    judge_by(facts, arena, causes_find, ret);
}
