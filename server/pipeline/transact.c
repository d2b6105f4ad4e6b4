/*
 * One transaction of the writer: apply -> judge -> alert -> outbox -> COMMIT (see writer.c for the
 * thread around it).
 *
 * Invariant: a change leaves `held` only after the commit that contains it.
 */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "alert/alert.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "pipeline/writer_in.h"

/* ---- apply ---- */

/* Also run again after a rollback: taking the configuration twice is harmless. */
static void take_config(struct writer *w, const struct change *c)
{
    const struct config *const *fresh = c->data;
    config_unref(w->config);
    w->config = config_ref(*fresh);
    store_set_limits(w->opt.store, w->config->keep_history_ms, w->config->keep_bytes);
    store_set_stale_after(w->opt.store, w->config->stale_after_ms);
    store_dirty_all(w->opt.store);
}

static bool run_command(struct writer *w, const struct change *c, struct err *err)
{
    struct err why = {0};
    switch (c->command) {
    case COMMAND_DELIVERY_RESULT:
        w->booked = true;
        return alert_book(w->opt.store, w->config, c->data, err);
    case COMMAND_REDELIVER:
        w->booked = true;
        if (!alert_redeliver(w->opt.store, c->number, &why)) {
            if (why.code != ERR_NOT_FOUND) {
                *err = why;
                return false;
            }
            log_warn("redeliver", "ignored=\"%s\"", why.text);
        }
        return true;
    case COMMAND_RELOADED:
        take_config(w, c);
        return true;
    }
    return true;
}

static bool apply_held(struct writer *w, struct err *err)
{
    for (; w->n_applied < w->n_held; w->n_applied++) {
        const struct change *c = w->held[w->n_applied];
        bool ok =
            c->type == CHANGE_COMMAND ? run_command(w, c, err) : store_apply(w->opt.store, c, err);
        if (!ok) {
            w->blame = BLAME_CHANGE;
            return err_wrap(err, "%s", change_type_name(c->type));
        }
    }
    return true;
}

/* ---- judge ---- */

/* Each complaint is written once, until another thousand has been. */
static void log_notes(struct writer *w, const struct policy_notes *notes)
{
    for (unsigned i = 0; i < notes->n; i++) {
        uint64_t hash = hash_text(HASH_SEED, notes->text[i]);
        bool seen = false;
        for (size_t k = 0; k < w->n_notes && !seen; k++) {
            seen = w->notes_seen[k] == hash;
        }
        if (seen) {
            continue;
        }
        if (w->n_notes == NOTES_SEEN) {
            w->n_notes = 0;
        }
        w->notes_seen[w->n_notes++] = hash;
        log_warn("annotation", "ignored=\"%s\"", notes->text[i]);
    }
}

/* A verdict's next look; 0 = none. */
static void look_again(struct writer *w, int64_t at)
{
    if (at != 0 && at < w->next_look) {
        w->next_look = at;
    }
}

static bool judge_one_rollout(struct writer *w, int64_t id, struct err *err)
{
    struct store *s = w->opt.store;
    struct facts facts = {0};
    struct policy policy;
    struct policy_notes notes;
    struct rollout_verdict verdict;
    struct saved saved;
    struct err why = {0};
    if (!store_rollout_facts(s, id, w->arena, &facts, &why)) {
        if (why.code == ERR_NOT_FOUND) {
            return alert_rollout_gone(s, w->config, id, &w->queued, err);
        }
        *err = why;
        return false;
    }
    policy_rollout(w->config, &facts, w->arena, &policy, &notes);
    log_notes(w, &notes);
    facts.policy = &policy;
    judge_rollout(&facts, w->arena, &verdict);
    int64_t look = alert_next_look(&facts, &verdict);
    if (look != 0 && (verdict.next_look == 0 || look < verdict.next_look)) {
        verdict.next_look = look;
    }
    if (!store_save_rollout(s, id, &facts, &verdict, &saved, err)) {
        return false;
    }
    look_again(w, verdict.next_look);
    struct alert_subject subject = {w->config, id, &facts, &verdict, &saved, w->arena};
    return alert_rollout(s, &subject, &w->queued, err);
}

static bool judge_one_namespace(struct writer *w, int64_t id, struct err *err)
{
    struct store *s = w->opt.store;
    const struct facts_cluster *cluster = NULL;
    const struct facts_namespace *ns = NULL;
    struct policy policy;
    struct scope_verdict v = {0};
    struct err why = {0};
    policy_general(w->config, &policy);
    if (!store_cluster_facts(s, &cluster, err)) {
        return false;
    }
    if (!store_namespace_facts(s, id, &ns, &why)) {
        if (why.code == ERR_NOT_FOUND) {
            return true;
        }
        *err = why;
        return false;
    }
    judge_namespace(ns, cluster, &policy, w->arena, &v);
    look_again(w, v.next_look);
    return store_save_findings(s, id, &v, namespace_injection(ns, cluster), err);
}

static bool judge_the_cluster(struct writer *w, struct err *err)
{
    const struct facts_cluster *cluster = NULL;
    struct policy policy;
    struct scope_verdict v = {0};
    policy_general(w->config, &policy);
    if (!store_cluster_facts(w->opt.store, &cluster, err)) {
        return false;
    }
    judge_cluster(cluster, &policy, w->arena, &v);
    look_again(w, v.next_look);
    return store_save_findings(w->opt.store, 0, &v, NULL, err);
}

static bool judge_one(struct writer *w, const struct dirty *d, struct err *err)
{
    arena_reset(w->arena);
    switch (d->what) {
    case DIRTY_ROLLOUT:
        return judge_one_rollout(w, d->id, err);
    case DIRTY_NAMESPACE:
        return judge_one_namespace(w, d->id, err);
    case DIRTY_CLUSTER:
        return judge_the_cluster(w, err);
    }
    return true;
}

static bool is_skipped(const struct writer *w, const struct dirty *d)
{
    for (size_t i = 0; i < SKIP_MAX; i++) {
        const struct skip *s = &w->skips[i];
        if (s->until != 0 && s->what.what == d->what && s->what.id == d->id &&
            clock_mono_ms() < s->until) {
            return true;
        }
    }
    return false;
}

/* What the budget leaves over goes on in the next transaction, at once. */
static bool judge_dirty(struct writer *w, struct err *err)
{
    struct dirty d;
    int64_t start = clock_mono_us();
    int64_t at = start;
    while (at - start < JUDGE_BUDGET_US && store_next_dirty(w->opt.store, &d)) {
        if (is_skipped(w, &d)) {
            continue;
        }
        if (!judge_one(w, &d, err)) {
            w->blame = BLAME_JUDGEMENT;
            w->blamed = d;
            return err_wrap(err, "judging");
        }
        int64_t now = clock_mono_us();
        if (now - at > atomic_load_explicit(&w->m_judge_us_max, memory_order_relaxed)) {
            atomic_store_explicit(&w->m_judge_us_max, now - at, memory_order_relaxed);
        }
        at = now;
        w->judged += d.what == DIRTY_ROLLOUT;
    }
    return true;
}

/* Judging starts when every kind is in, or after a minute with what there is. Everything is judged
 * then, and once more when the last kind comes later. */
static void look_settled(struct writer *w)
{
    char missing[512] = "";
    if (w->was_settled) {
        return;
    }
    bool settled = store_settled(w->opt.store, missing, sizeof missing);
    bool late = !w->judging && clock_mono_ms() - w->started_at >= SETTLE_MS;
    if (settled) {
        log_info("settled", "after_ms=%" PRId64, clock_mono_ms() - w->started_at);
        w->was_settled = true;
        atomic_store(&w->m_settled, true);
    } else if (late) {
        log_warn("settled", "missing=\"%s\" judging=\"without them\"", missing);
    }
    if (settled || late) {
        w->judging = true;
        w->sweep = true;
        store_dirty_all(w->opt.store);
    }
}

/* ---- housekeeping ---- */

static bool keep_house(struct writer *w, struct err *err)
{
    int64_t now = clock_mono_ms();
    if (w->sweep && w->judging) {
        if (!alert_sweep(w->opt.store, w->config, &w->queued, err)) {
            return err_wrap(err, "orphaned alerts");
        }
        w->sweep = false; /* again a minute later: a rollback costs nothing but that minute */
    }
    if (now < w->housekeeping_at) {
        return true;
    }
    bool left = false;
    if (!store_retain(w->opt.store, clock_unix_ms(), RETAIN_ROWS, &left, err)) {
        return err_wrap(err, "retention");
    }
    w->sweep = !left;
    w->housekeeping_at = now + (left ? RETAIN_PAUSE_MS : HOUSEKEEPING_MS);
    return true;
}

/* ---- the transaction ---- */

/* Moments to look again were stored by the old clock and lie too far ahead: all is judged now. */
static void look_at_clock(struct writer *w, int64_t now, int64_t mono)
{
    int64_t ahead = now - mono;
    int64_t set_back = w->clock_ahead - ahead;
    if (w->clock_ahead != 0 && set_back > SET_BACK_MS && w->judging) {
        log_warn("clock", "set_back_ms=%" PRId64 " next=\"judging everything anew\"", set_back);
        store_dirty_all(w->opt.store);
    }
    w->clock_ahead = ahead;
}

static void look_around(struct writer *w)
{
    int64_t now = clock_unix_ms();
    int64_t mono = clock_mono_ms();
    look_settled(w);
    look_at_clock(w, now, mono);
    if (w->judging && (now >= w->next_look || mono - w->look_asked_at >= BEAT_MS)) {
        int64_t next = store_dirty_due(w->opt.store, now);
        w->next_look = next > 0 ? next : INT64_MAX;
        w->look_asked_at = mono;
    }
}

bool transact_wanted(struct writer *w)
{
    look_around(w);
    return w->in_tx || w->n_held > 0 || (w->judging && store_dirty_count(w->opt.store) > 0) ||
           clock_mono_ms() >= w->housekeeping_at;
}

int transact_wait_ms(const struct writer *w)
{
    int64_t wait = BEAT_MS;
    int64_t until_look = w->next_look - clock_unix_ms();
    if (w->in_tx) {
        int64_t rest = w->tx_since + HOLD_MS - clock_mono_ms();
        return rest < 0 ? 0 : rest > BEAT_MS ? BEAT_MS : (int)rest;
    }
    if (w->judging && store_dirty_count(w->opt.store) > 0) {
        return 0;
    }
    if (w->judging && until_look < wait) {
        wait = until_look;
    }
    if (w->housekeeping_at - clock_mono_ms() < wait) {
        wait = w->housekeeping_at - clock_mono_ms();
    }
    return wait < 0 ? 0 : (int)wait;
}

static bool begin(struct writer *w, struct err *err)
{
    if (w->in_tx) {
        return true;
    }
    if (!store_begin(w->opt.store, clock_unix_ms(), err)) {
        return false;
    }
    w->in_tx = true;
    w->tx_since = clock_mono_ms();
    w->n_applied = 0;
    w->queued = 0;
    w->booked = false;
    w->judged = 0;
    return true;
}

/* A list may be seen whole by readers, if it does not take too long. */
static bool hold(const struct writer *w)
{
    return store_in_list(w->opt.store) && clock_mono_ms() - w->tx_since < HOLD_MS &&
           w->held_bytes < HOLD_BYTES && !atomic_load(&w->stopping);
}

bool transact(struct writer *w, struct commit *ret, bool *ret_committed, struct err *err)
{
    bool committed = false;
    w->blame = BLAME_STORE;
    bool ok = begin(w, err) && apply_held(w, err);
    if (ok && !hold(w)) {
        look_around(w); /* what was applied may have completed the picture */
        bool judge = w->judging && !w->apply_only;
        w->judge_alone = w->apply_only;
        w->apply_only = false;
        ok = (!judge || judge_dirty(w, err)) && keep_house(w, err) &&
             store_commit(w->opt.store, ret, err);
        committed = ok;
    }
    if (!ok && w->in_tx) {
        store_rollback(w->opt.store);
    }
    if (!ok || committed) {
        w->in_tx = false;
    }
    *ret_committed = committed;
    return ok;
}

bool transact_put_aside(struct writer *w, const struct err *err)
{
    if ((err->code != ERR_BUG && err->code != ERR_INPUT) || w->blame == BLAME_STORE) {
        return false;
    }
    log_error("commit", "error=\"%s\" next=\"going on without it\"", err->text);
    if (w->blame == BLAME_JUDGEMENT && w->n_held > 0) {
        w->apply_only = true; /* rows made in this transaction have no lasting id yet */
        return true;
    }
    if (w->blame == BLAME_JUDGEMENT) {
        w->skips[w->next_skip] = (struct skip){w->blamed, clock_mono_ms() + SKIP_MS};
        w->next_skip = (w->next_skip + 1) % SKIP_MAX;
        return true;
    }
    change_free(w->held[w->n_applied]);
    w->n_held--;
    memmove(&w->held[w->n_applied], &w->held[w->n_applied + 1],
            (w->n_held - w->n_applied) * sizeof(void *));
    return true;
}

bool transact_revision(struct writer *w, struct err *err)
{
    struct commit c = {0};
    if (!store_begin(w->opt.store, clock_unix_ms(), err)) {
        return false;
    }
    if (!store_commit(w->opt.store, &c, err)) {
        store_rollback(w->opt.store);
        return false;
    }
    w->revision = c.revision;
    w->revision_known = true;
    return true;
}
