/*
 * Rules: which verdicts open, change or end an alert, and who is told (see alert.h).
 *
 * Invariant: at most one alert of a workload fires (the store's index on the key enforces it), and
 * an alert row and the deliveries that announce it are written in one transaction.
 */
#include <string.h>

#include "alert/alert.h"
#include "alert/attempt.h"
#include "alert/render.h"
#include "base/digest.h"
#include "store/outbox.h"

/* What the deliveries of one event have in common. */
struct event {
    const struct config *config;
    const struct outbox_alert *alert; /* the row: with its id, body as it stood while firing */
    const char *type;
    const char *data; /* the notification's data */
    int64_t at;
    struct arena *arena;
};

/* Alertmanager knows no message of recovery, only the end of the alert that it was told of. */
static bool wants(const struct config_receiver *r, const char *type)
{
    const char *wanted = attempt_is_alertmanager(r) ? ALERT_STUCK : type;
    for (size_t i = 0; r->types != NULL && r->types[i] != NULL; i++) {
        if (strcmp(r->types[i], wanted) == 0) {
            return true;
        }
    }
    return r->types == NULL;
}

static const char *new_webhook_id(struct arena *a)
{
    uint8_t bytes[16];
    char hex[2 * sizeof bytes + 1];
    digest_random(bytes, sizeof bytes);
    return arena_printf(a, "msg_%s", digest_hex(bytes, sizeof bytes, hex));
}

static const char *body_for(const struct config_receiver *r, const struct event *e)
{
    if (!attempt_is_alertmanager(r)) {
        return render_standard(e->type, e->at, e->data, e->arena);
    }
    bool ended = strcmp(e->type, ALERT_RECOVERED) == 0;
    AUTO(buf) b = BUF_INIT(LIMIT_ALERT_BODY);
    (void)buf_addc(&b, '[');
    render_alertmanager(e->alert, ended ? e->at : 0, &b);
    (void)buf_addc(&b, ']');
    return arena_strdup(e->arena, buf_str(&b));
}

static bool queue(struct store *s, const struct event *e, int *ret_queued, struct err *err)
{
    const char *webhook_id = new_webhook_id(e->arena);
    for (size_t i = 0; i < e->config->n_receivers; i++) {
        const struct config_receiver *r = &e->config->receivers[i];
        if (!wants(r, e->type)) {
            continue;
        }
        struct outbox_delivery d = {.webhook_id = webhook_id,
                                    .alert_id = e->alert->id,
                                    .receiver = r->name,
                                    .type = e->type,
                                    .body = body_for(r, e)};
        if (!outbox_add(s, &d, err)) {
            return false;
        }
        (*ret_queued)++;
    }
    return true;
}

static void tell(struct store *s, const struct alert_subject *subject,
                 const struct outbox_alert *alert, int from_state, int state)
{
    struct outbox_news news = {.alert = alert,
                               .type = state == 1 ? ALERT_STUCK : ALERT_RECOVERED,
                               .namespace = subject->facts->ns->name,
                               .name = subject->facts->name,
                               .from_state = from_state,
                               .state = state};
    outbox_tell(s, &news);
}

static const char *cause_of(const struct rollout_verdict *v)
{
    return v->primary != NULL ? v->primary->code : "";
}

/* A stuck rollout is never less than a warning; a failed one is an error. */
static enum severity severity_of(const struct rollout_verdict *v)
{
    if (v->state == ROLLOUT_FAILED) {
        return SEVERITY_ERROR;
    }
    bool worse = v->primary != NULL && v->primary->severity > SEVERITY_WARNING;
    return worse ? v->primary->severity : SEVERITY_WARNING;
}

static bool open_alert(struct store *s, const struct alert_subject *subject, const char *key,
                       int *ret_queued, struct err *err)
{
    const struct rollout_verdict *v = subject->verdict;
    int64_t now = outbox_now(s);
    struct render_alert shown = {.key = key,
                                 .revision_hash = v->revision_hash,
                                 .cause = cause_of(v),
                                 .started_at = now,
                                 .reason = ""};
    struct outbox_alert row = {.ns_id = subject->saved->ns_id,
                               .workload_id = subject->workload_id,
                               .key = key,
                               .type = ALERT_STUCK,
                               .cause = cause_of(v),
                               .severity = severity_of(v),
                               .started_at = now,
                               .body = render_rollout(subject, &shown),
                               .revision_hash = v->revision_hash};
    if (!outbox_open(s, &row, &row.id, err)) {
        return false;
    }
    tell(s, subject, &row, -1, 1);
    struct event e = {subject->config, &row, ALERT_STUCK, row.body, now, subject->arena};
    return queue(s, &e, ret_queued, err);
}

/* What the alert says now: rewritten in place, nobody is told again but readers of the feed. */
static bool update_alert(struct store *s, const struct alert_subject *subject,
                         const struct outbox_alert *row, struct err *err)
{
    /* It serves for the moment, or is on its way: what was wrong is what the alert is about. */
    const struct finding *now = subject->verdict->primary;
    bool fault = now != NULL && now->severity > SEVERITY_INFO;
    const char *cause = fault || row->cause[0] == '\0' ? cause_of(subject->verdict) : row->cause;
    struct render_alert shown = {.key = row->key,
                                 .revision_hash = row->revision_hash,
                                 .cause = cause,
                                 .started_at = row->started_at,
                                 .reason = ""};
    const char *body = render_rollout(subject, &shown);
    if (strcmp(body, row->body) == 0) {
        return true;
    }
    if (strcmp(cause, row->cause) != 0) {
        tell(s, subject, row, 1, 1);
    }
    return outbox_update(s, row->id, cause, body, err);
}

static struct render_alert ended(const struct outbox_alert *row, int64_t now, const char *reason)
{
    return (struct render_alert){.key = row->key,
                                 .revision_hash = row->revision_hash,
                                 .cause = row->cause,
                                 .started_at = row->started_at,
                                 .ended_at = now,
                                 .reason = reason};
}

static bool end_alert(struct store *s, const struct alert_subject *subject,
                      const struct outbox_alert *row, const char *reason, int *ret_queued,
                      struct err *err)
{
    int64_t now = outbox_now(s);
    struct render_alert shown = ended(row, now, reason);
    const char *data = render_rollout(subject, &shown);
    struct event e = {subject->config, row, ALERT_RECOVERED, data, now, subject->arena};
    tell(s, subject, row, 1, 0);
    return outbox_end(s, row->id, data, err) && queue(s, &e, ret_queued, err);
}

enum {
    MINUTE_MS = 60000,
    HOLD_MARGIN_MS = 15000,
    HOLD_MAX_MS = 5 * MINUTE_MS,
    /* kubelet's longest back-off is 5 min, and so is the longest wait for our own poll and for the
     * controller's full read: what comes and goes by any of these shows itself within twice that.
     */
    CALM_MS = 10 * MINUTE_MS,
    FLAPS_MS = 3 * CALM_MS,          /* stuck again so soon after the last end: it comes and goes */
    LONGEST_MS = 24 * 60 * MINUTE_MS /* of an alert before, so that few rows are looked at */
};

/* As long as the next pod may take to get stuck, and a little: until then a rollout that is under
 * way again has not recovered. */
static int64_t hold_ms(const struct policy *p, const struct rollout_verdict *v)
{
    int64_t limit = v->usual_known ? v->usual.p95_ms * p->stuck_factor_percent / 100 : 0;
    limit = p->stuck_after_ms > 0     ? p->stuck_after_ms
            : limit < p->stuck_min_ms ? p->stuck_min_ms
                                      : limit;
    return limit + HOLD_MARGIN_MS < HOLD_MAX_MS ? limit + HOLD_MARGIN_MS : HOLD_MAX_MS;
}

static bool under_way(const struct rollout_verdict *v)
{
    return v->state == ROLLOUT_PROGRESSING || v->state == ROLLOUT_SLOW;
}

int64_t alert_next_look(const struct facts *facts, const struct rollout_verdict *v)
{
    if (v->state == ROLLOUT_STUCK || v->state == ROLLOUT_FAILED || v->state == ROLLOUT_IDLE) {
        return 0;
    }
    int64_t at = v->since + (under_way(v) ? hold_ms(facts->policy, v) : CALM_MS);
    return at > facts->now ? at : 0;
}

/* It serves for the moment, and a container of it crashes again and again. */
static bool may_fall(const struct rollout_verdict *v)
{
    for (uint32_t i = 0; i < v->findings.n; i++) {
        const struct finding *f = LIST_AT(struct finding, v->findings, i);
        if (f->new_pods > 0 && strcmp(f->code, "crash_loop") == 0) {
            return true;
        }
    }
    return false;
}

/* Is a rollout that is no longer stuck to be watched before that is told? While it is under way,
 * while it may fall again, and, once it has been seen to come and go, until it has been calm. */
static bool holds_on(struct store *s, const struct alert_subject *subject,
                     const struct outbox_alert *row, bool *ret, struct err *err)
{
    const struct rollout_verdict *v = subject->verdict;
    int64_t last = 0;
    *ret = may_fall(v);
    if (*ret || alert_next_look(subject->facts, v) == 0) {
        return true;
    }
    if (!under_way(v) && !outbox_last_ended(s, row, row->started_at - LONGEST_MS, &last, err)) {
        return false;
    }
    *ret = under_way(v) || (last != 0 && row->started_at - last < FLAPS_MS);
    return true;
}

static bool same_revision(const struct outbox_alert *row, const struct rollout_verdict *v)
{
    return row->revision_hash[0] == '\0' || v->revision_hash[0] == '\0' ||
           strcmp(row->revision_hash, v->revision_hash) == 0;
}

bool alert_rollout(struct store *s, const struct alert_subject *subject, int *ret_queued,
                   struct err *err)
{
    const struct facts *f = subject->facts;
    const struct rollout_verdict *v = subject->verdict;
    if (v->stale || v->state == ROLLOUT_UNKNOWN || !v->observed) {
        return true; /* the next verdict will know more */
    }
    bool held = v->state == ROLLOUT_STUCK || v->state == ROLLOUT_FAILED;
    bool fires = held && !f->policy->alerts_off;
    const char *key = arena_printf(subject->arena, "%s/%s/%s/%s", subject->saved->cluster_name,
                                   f->ns->name, f->kind, f->name);
    struct outbox_alert row;
    bool found = false;
    if (!outbox_firing(s, key, subject->arena, &row, &found, err)) {
        return false;
    }
    bool superseded = found && !same_revision(&row, v);
    bool held_on = false;
    if (found && !fires && !superseded && !f->policy->alerts_off &&
        !holds_on(s, subject, &row, &held_on, err)) {
        return false;
    }
    if (found && (fires || held_on) && !superseded) {
        return update_alert(s, subject, &row, err);
    }
    if (found) {
        const char *reason = superseded ? "superseded"
                             : held     ? "alerts_off"
                                        : rollout_state_name(v->state);
        if (!end_alert(s, subject, &row, reason, ret_queued, err)) {
            return false;
        }
    }
    return !fires || open_alert(s, subject, key, ret_queued, err);
}

/* ---- rollouts that have left ---- */

/* The key is CLUSTER/NAMESPACE/KIND/NAME; only the cluster's name may hold a slash. */
static void split_key(const char *key, struct arena *a, const char **ret_ns, const char **ret_name)
{
    char *copy = arena_strdup(a, key);
    char *name = strrchr(copy, '/');
    *ret_ns = "";
    *ret_name = "";
    if (name == NULL) {
        return;
    }
    *name = '\0';
    *ret_name = name + 1;
    char *kind = strrchr(copy, '/');
    if (kind != NULL) {
        *kind = '\0';
        char *ns = strrchr(copy, '/');
        *ret_ns = ns != NULL ? ns + 1 : copy;
    }
}

static bool end_gone(struct store *s, const struct config *config, const struct outbox_alert *row,
                     struct arena *a, int *ret_queued, struct err *err)
{
    int64_t now = outbox_now(s);
    struct render_alert shown = ended(row, now, "gone");
    struct outbox_news news = {
        .alert = row, .type = ALERT_RECOVERED, .from_state = 1, .state = 0, .namespace = ""};
    split_key(row->key, a, &news.namespace, &news.name);
    outbox_tell(s, &news);
    const char *data = render_gone(row->body, &shown, a);
    struct event e = {config, row, ALERT_RECOVERED, data, now, a};
    return outbox_end(s, row->id, data, err) && queue(s, &e, ret_queued, err);
}

bool alert_rollout_gone(struct store *s, const struct config *config, int64_t workload_id,
                        int *ret_queued, struct err *err)
{
    AUTO_PTR(arena) a = arena_new(0);
    struct outbox_alert row;
    bool found = false;
    if (!outbox_firing_of(s, workload_id, a, &row, &found, err)) {
        return false;
    }
    return !found || end_gone(s, config, &row, a, ret_queued, err);
}

bool alert_sweep(struct store *s, const struct config *config, int *ret_queued, struct err *err)
{
    for (;;) {
        AUTO_PTR(arena) a = arena_new(0);
        struct outbox_alert row;
        bool found = false;
        if (!outbox_orphan(s, a, &row, &found, err)) {
            return false;
        }
        if (!found) {
            return true;
        }
        if (!end_gone(s, config, &row, a, ret_queued, err)) {
            return false;
        }
    }
}
