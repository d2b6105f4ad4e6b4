/*
 * Lanes: one a receiver. A lane has at most one attempt under way, so messages of one alert keep
 * their order and a slow receiver costs one worker; lanes do not wait for each other.
 *
 * Two clocks plan retries: each delivery's own next_at, booked by the writer with its back-off, and
 * the lane's pause, kept here, so that a dead receiver with a thousand pending deliveries is asked
 * once a pause and not a thousand times.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "alert/attempt.h"
#include "alert/book.h"
#include "alert/deliver_in.h"
#include "alert/render.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

/* ---- jobs ---- */

static struct job *job_new(struct deliver *d, const struct lane *lane)
{
    struct arena *a = arena_new(32 << 10);
    struct job *job = arena_zalloc(a, sizeof *job);
    job->arena = a;
    job->config = config_ref(d->config);
    job->receiver = lane->receiver;
    return job;
}

void job_free(struct job *job)
{
    if (job != NULL) {
        config_unref(job->config);
        arena_free(job->arena);
    }
}

/* ---- lanes ---- */

static struct lane *lane_of(struct deliver *d, const char *receiver)
{
    for (size_t i = 0; i < d->n_lanes; i++) {
        if (strcmp(d->lanes[i].receiver->name, receiver) == 0) {
            return &d->lanes[i];
        }
    }
    return NULL;
}

void lanes_take(struct deliver *d, const struct config *config)
{
    struct lane *lanes = xcalloc(config->n_receivers + 1, sizeof *lanes);
    for (size_t i = 0; i < config->n_receivers; i++) {
        const struct config_receiver *r = &config->receivers[i];
        const struct lane *old = lane_of(d, r->name);
        if (old != NULL) {
            lanes[i] = *old;
            lanes[i].disabled = false; /* a reload is the operator's word that it may be tried */
            lanes[i].paused_until = 0;
        }
        lanes[i].receiver = r;
    }
    free(d->lanes);
    config_unref(d->config);
    d->config = config_ref(config);
    d->lanes = lanes;
    d->n_lanes = config->n_receivers;
    d->first_lane = 0;
    d->strangers_at = 0;
}

static bool is_unbooked(const struct lane *lane, int64_t delivery_id)
{
    for (size_t i = 0; i < lane->n_unbooked; i++) {
        if (lane->unbooked[i].delivery_id == delivery_id) {
            return true;
        }
    }
    return false;
}

/* Forgets results that have become rows. */
static bool forget_booked(struct deliver *d, struct lane *lane, struct err *err)
{
    for (size_t i = 0; i < lane->n_unbooked;) {
        bool booked = false;
        if (!outbox_booked(d->outbox, lane->unbooked[i].delivery_id, lane->unbooked[i].attempts,
                           &booked, err)) {
            return false;
        }
        if (booked) {
            lane->unbooked[i] = lane->unbooked[--lane->n_unbooked];
        } else {
            i++;
        }
    }
    return true;
}

static bool too_old(const struct deliver *d, const struct config_receiver *r, int64_t created_at,
                    int64_t now)
{
    int64_t since = created_at > d->started_at ? created_at : d->started_at;
    return now - since > r->max_age_ms;
}

/* A verdict without an attempt. */
static void settle(struct deliver *d, struct lane *lane, const struct outbox_delivery *row,
                   enum delivery_fate fate)
{
    static const char *const notes[] = {
        [FATE_ANSWERED] = "",
        [FATE_EXPIRED] = "given up: older than max_age, and the receiver fails",
        [FATE_DISABLED] = "not sent: the receiver answered 410 Gone before",
        [FATE_DROPPED] = "not sent: the configuration has no such receiver any more"};
    struct delivery_result r = {
        .delivery_id = row->id, .fate = fate, .at = clock_unix_ms(), .too_old = true};
    size_t n = strlen(notes[fate]);
    memcpy(r.error, notes[fate], n + 1);
    lane->unbooked[lane->n_unbooked++] = (struct unbooked){row->id, row->attempts};
    log_warn("delivery", "id=%" PRId64 " receiver=\"%s\" type=%s note=\"%s\"", row->id,
             row->receiver, row->type, notes[fate]);
    deliver_report(d, &r);
}

static void send(struct deliver *d, struct lane *lane, const struct outbox_delivery *row)
{
    struct job *job = job_new(d, lane);
    job->webhook_id = arena_strdup(job->arena, row->webhook_id);
    job->body = arena_strdup(job->arena, row->body);
    job->attempts = row->attempts;
    job->created_at = row->created_at;
    job->result.delivery_id = row->id;
    lane->busy = deliver_give(d, job);
    if (!lane->busy) {
        job_free(job);
    }
}

/* ---- repeats of firing alerts: Alertmanager forgets what it does not hear of ---- */

static bool resend(struct deliver *d, struct lane *lane, struct err *err)
{
    AUTO_PTR(arena) a = arena_new(0);
    struct list alerts = {0};
    struct outbox_query q = {
        .type = ALERT_STUCK, .after = lane->resend_after, .max = RESEND_ALERTS, .arena = a};
    if (!outbox_all_firing(d->outbox, &q, &alerts, err)) {
        return false;
    }
    if (alerts.n == 0) {
        lane->resend_after = 0;
        lane->resend_at = clock_mono_ms() + d->opt.resend_ms;
        return true;
    }
    /* Four missed repeats, and Alertmanager may take the alert for ended. */
    int64_t ends_at = clock_unix_ms() + 4 * d->opt.resend_ms;
    AUTO(buf) body = BUF_INIT(LIMIT_RESEND_BODY);
    struct job *job = job_new(d, lane);
    uint32_t i = 0;
    for (; i < alerts.n && body.len < RESEND_BODY_WANTED; i++) {
        const struct outbox_alert *alert = LIST_AT(struct outbox_alert, alerts, i);
        (void)buf_addc(&body, i == 0 ? '[' : ',');
        render_alertmanager(alert, ends_at, &body);
        job->last_alert = alert->id;
    }
    (void)buf_addc(&body, ']');
    job->more = i < alerts.n || alerts.n == RESEND_ALERTS;
    job->body = arena_strdup(job->arena, buf_str(&body));
    lane->busy = deliver_give(d, job);
    if (!lane->busy) {
        job_free(job);
    }
    return true;
}

static void resent(struct deliver *d, struct lane *lane, const struct job *job, bool ok)
{
    lane->resend_after = ok && job->more ? job->last_alert : 0;
    lane->resend_at = clock_mono_ms() + (lane->resend_after != 0 ? 0 : d->opt.resend_ms);
    if (ok == lane->resend_failing) {
        lane->resend_failing = !ok;
        log_line(ok ? LOG_LEVEL_INFO : LOG_LEVEL_WARN, "repeat",
                 "receiver=\"%s\" status=%d error=\"%s\"", job->receiver->name, job->result.status,
                 job->result.error);
    }
}

static bool wants_repeats(const struct config_receiver *r)
{
    bool wants = r->types == NULL;
    for (size_t i = 0; r->types != NULL && r->types[i] != NULL; i++) {
        wants = wants || strcmp(r->types[i], ALERT_STUCK) == 0;
    }
    return wants && attempt_is_alertmanager(r);
}

/* ---- one look at a lane ---- */

static void sooner(int64_t *wait_ms, int64_t ms)
{
    if (ms < *wait_ms) {
        *wait_ms = ms > 0 ? ms : 0;
    }
}

/* What can be settled without an attempt; true when there is nothing else to do with the row. */
static bool settle_row(struct deliver *d, struct lane *lane, const struct outbox_delivery *row,
                       int64_t now)
{
    if (lane->disabled) {
        settle(d, lane, row, FATE_DISABLED);
        return true;
    }
    if (lane->pause_ms >= PAUSE_MAX_MS && too_old(d, lane->receiver, row->created_at, now)) {
        settle(d, lane, row, FATE_EXPIRED);
        return true;
    }
    return false;
}

static bool run_due(struct deliver *d, struct lane *lane, int64_t *wait_ms, struct err *err)
{
    AUTO_PTR(arena) a = arena_new(0);
    struct list due = {0};
    int64_t now = clock_unix_ms();
    int64_t next = 0;
    bool paused = clock_mono_ms() < lane->paused_until && !lane->disabled;
    struct outbox_query q = {.receiver = lane->receiver->name,
                             .now = now,
                             .horizon = now + RETRY_HORIZON_MS,
                             .max = DUE_MAX,
                             .arena = a};
    if (!forget_booked(d, lane, err) || !outbox_due(d->outbox, &q, &due, err)) {
        return false;
    }
    for (uint32_t i = 0; i < due.n && lane->n_unbooked < UNBOOKED_MAX; i++) {
        const struct outbox_delivery *row = LIST_AT(struct outbox_delivery, due, i);
        if (is_unbooked(lane, row->id) || settle_row(d, lane, row, now)) {
            continue;
        }
        if (!paused) {
            send(d, lane, row);
        }
        return true;
    }
    if (!outbox_next(d->outbox, lane->receiver->name, now, &next, err)) {
        return false;
    }
    if (next > 0) {
        sooner(wait_ms, next - now);
    }
    return true;
}

static bool run_lane(struct deliver *d, struct lane *lane, int64_t *wait_ms, struct err *err)
{
    int64_t mono = clock_mono_ms();
    if (lane->busy || !deliver_has_worker(d)) {
        return true; /* the end of an attempt wakes us */
    }
    if (mono < lane->paused_until) {
        sooner(wait_ms, lane->paused_until - mono);
        return run_due(d, lane, wait_ms, err); /* settles what has expired */
    }
    if (wants_repeats(lane->receiver) && !lane->disabled) {
        if (mono >= lane->resend_at && !resend(d, lane, err)) {
            return false;
        }
        if (!lane->busy) { /* a repeat that found no worker is tried a little later */
            int64_t rest = lane->resend_at - clock_mono_ms();
            sooner(wait_ms, rest > 100 ? rest : 100);
        }
    }
    return lane->busy || run_due(d, lane, wait_ms, err);
}

/* Deliveries whose receiver is gone are dropped, with a note. */
static bool drop_strangers(struct deliver *d, struct err *err)
{
    AUTO_PTR(arena) a = arena_new(0);
    struct lane *lane = &d->strangers;
    struct strs names = {0};
    if (clock_mono_ms() < d->strangers_at) {
        return true;
    }
    d->strangers_at = clock_mono_ms() + STRANGERS_MS;
    if (!forget_booked(d, lane, err) || !outbox_receivers(d->outbox, a, &names, err)) {
        return false;
    }
    for (uint32_t i = 0; i < names.n; i++) {
        struct list rows = {0};
        if (lane_of(d, names.items[i]) != NULL) {
            continue;
        }
        struct outbox_query q = {.receiver = names.items[i],
                                 .before = clock_unix_ms() - STRANGER_AGE_MS,
                                 .max = DUE_MAX,
                                 .arena = a};
        if (!outbox_of_receiver(d->outbox, &q, &rows, err)) {
            return false;
        }
        for (uint32_t k = 0; k < rows.n && lane->n_unbooked < UNBOOKED_MAX; k++) {
            const struct outbox_delivery *row = LIST_AT(struct outbox_delivery, rows, k);
            if (!is_unbooked(lane, row->id)) {
                settle(d, lane, row, FATE_DROPPED);
            }
        }
    }
    return true;
}

bool lanes_run(struct deliver *d, int64_t *ret_wait_ms, struct err *err)
{
    if (!drop_strangers(d, err)) {
        return false;
    }
    for (size_t i = 0; i < d->n_lanes; i++) {
        struct lane *lane = &d->lanes[(d->first_lane + i) % d->n_lanes];
        if (!run_lane(d, lane, ret_wait_ms, err)) {
            return false;
        }
    }
    if (d->n_lanes > 0) {
        d->first_lane = (d->first_lane + 1) % d->n_lanes;
    }
    return true;
}

/* ---- the end of an attempt ---- */

/* No answer, too many requests and server errors are the receiver's state; other refusals are this
 * body's, and the next one may fare better. */
static void pause_lane(struct deliver *d, struct lane *lane, const struct delivery_result *r)
{
    bool failing = r->status == 0 || r->status == 429 || r->status >= 500;
    if (!failing) {
        lane->pause_ms = 0;
        lane->paused_until = 0;
        return;
    }
    int64_t pause = lane->pause_ms == 0 ? d->opt.pause_ms : 2 * lane->pause_ms;
    lane->pause_ms = pause > PAUSE_MAX_MS ? PAUSE_MAX_MS : pause;
    int64_t asked = r->retry_after_ms > RETRY_AFTER_MAX_MS ? RETRY_AFTER_MAX_MS : r->retry_after_ms;
    lane->paused_until = clock_mono_ms() + (asked > lane->pause_ms ? asked : lane->pause_ms);
}

void lanes_done(struct deliver *d, struct job *job)
{
    struct delivery_result *r = &job->result;
    struct lane *lane = lane_of(d, job->receiver->name);
    bool ok = r->status >= 200 && r->status < 300;
    if (lane != NULL) {
        lane->busy = false;
    }
    if (!job->made) {
        job_free(job);
        return;
    }
    if (lane != NULL) {
        pause_lane(d, lane, r);
        lane->disabled = r->status == 410;
    }
    if (job->webhook_id == NULL) {
        if (lane != NULL) {
            resent(d, lane, job, ok);
        }
        job_free(job);
        return;
    }
    if (lane != NULL && lane->n_unbooked < UNBOOKED_MAX) {
        lane->unbooked[lane->n_unbooked++] = (struct unbooked){r->delivery_id, job->attempts};
    }
    r->too_old = too_old(d, job->receiver, job->created_at, r->at);
    log_line(ok ? LOG_LEVEL_INFO : LOG_LEVEL_WARN, "delivery",
             "id=%" PRId64 " receiver=\"%s\" webhook_id=%s status=%d ms=%" PRId64 " error=\"%s\"",
             r->delivery_id, job->receiver->name, job->webhook_id, r->status, r->latency_ms,
             r->error);
    deliver_report(d, r);
    job_free(job);
}
