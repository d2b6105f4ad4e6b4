/* Policies (see policy.h). */
#include "pipeline/policy.h"

#include <string.h>
#include <strings.h>

enum { STUCK_AFTER_MAX_MS = 24 * 60 * 60 * 1000 };

#define ANNOTATION_STUCK_AFTER "gatehouse.dev/stuck-after"
#define ANNOTATION_ALERTS      "gatehouse.dev/alerts"
#define ANNOTATION_RUNBOOK     "gatehouse.dev/runbook"

void policy_general(const struct config *config, struct policy *ret)
{
    *ret = (struct policy){.slow_factor_percent = config->slow_factor_percent,
                           .stuck_factor_percent = config->stuck_factor_percent,
                           .stuck_min_ms = config->stuck_min_ms,
                           .recheck_ms = config->recheck_ms,
                           .stale_after_ms = config->stale_after_ms,
                           .lease_stale_ms = config->lease_stale_ms,
                           .runbook = "",
                           .families = config->gate_families};
}

/* "name" or "Kind/name"; kinds are case-insensitive as everywhere. */
static bool workload_matches(const char *pattern, const char *kind, const char *name)
{
    const char *slash = strchr(pattern, '/');
    if (slash == NULL) {
        return strcmp(pattern, name) == 0;
    }
    size_t len = (size_t)(slash - pattern);
    return strlen(kind) == len && strncasecmp(pattern, kind, len) == 0 &&
           strcmp(slash + 1, name) == 0;
}

static void apply_override(const struct config *config, const struct facts *f, struct policy *p)
{
    for (size_t i = 0; i < config->n_overrides; i++) {
        const struct config_override *o = &config->overrides[i];
        if ((o->namespace[0] == '\0' || strcmp(o->namespace, f->ns->name) == 0) &&
            (o->workload[0] == '\0' || workload_matches(o->workload, f->kind, f->name))) {
            p->stuck_after_ms = o->stuck_after_ms;
            p->alerts_off = !o->alerts;
            p->runbook = o->runbook;
            return;
        }
    }
}

static void note(struct policy_notes *notes, struct arena *a, const char *object, const char *key,
                 const char *value, const char *wanted)
{
    if (notes->n < POLICY_NOTES) {
        notes->text[notes->n++] =
            arena_printf(a, "%s: annotation %s: \"%.80s\" is not %s", object, key, value, wanted);
    }
}

static void apply_stuck_after(const char *value, const char *object, struct arena *a,
                              struct policy *p, struct policy_notes *notes)
{
    int64_t ms = 0;
    if (value == NULL) {
        return;
    }
    if (config_duration(value, &ms) && ms > 0 && ms <= STUCK_AFTER_MAX_MS) {
        p->stuck_after_ms = ms;
    } else {
        note(notes, a, object, ANNOTATION_STUCK_AFTER, value,
             "a duration such as 90s, 10m or 1h30m, of at most a day");
    }
}

static void apply_annotations(const struct meta *meta, const char *object, struct arena *a,
                              struct policy *p, struct policy_notes *notes)
{
    apply_stuck_after(kvs_get(&meta->annotations, ANNOTATION_STUCK_AFTER), object, a, p, notes);
    const char *alerts = kvs_get(&meta->annotations, ANNOTATION_ALERTS);
    if (alerts != NULL) {
        if (strcmp(alerts, "off") == 0) {
            p->alerts_off = true;
        } else if (strcmp(alerts, "on") == 0) {
            p->alerts_off = false;
        } else {
            note(notes, a, object, ANNOTATION_ALERTS, alerts, "on or off");
        }
    }
    const char *runbook = kvs_get(&meta->annotations, ANNOTATION_RUNBOOK);
    if (runbook != NULL) {
        if (config_web_address(runbook)) {
            p->runbook = runbook;
        } else {
            note(notes, a, object, ANNOTATION_RUNBOOK, runbook, "an http or https address");
        }
    }
}

void policy_rollout(const struct config *config, const struct facts *facts, struct arena *arena,
                    struct policy *ret, struct policy_notes *ret_notes)
{
    policy_general(config, ret);
    *ret_notes = (struct policy_notes){0};
    apply_override(config, facts, ret);
    if (facts->ns->object != NULL) {
        apply_annotations(&facts->ns->object->meta,
                          arena_printf(arena, "Namespace %s", facts->ns->name), arena, ret,
                          ret_notes);
    }
    const struct meta *meta = NULL;
    if (facts->workload != NULL) {
        meta = &facts->workload->meta;
    } else if (strcmp(facts->kind, "Pod") == 0 && facts->pods.n > 0) {
        meta = &LIST_AT(struct facts_pod, facts->pods, 0)->pod->meta;
    }
    if (meta != NULL) {
        apply_annotations(
            meta, arena_printf(arena, "%s %s/%s", facts->kind, facts->ns->name, facts->name), arena,
            ret, ret_notes);
    }
}
