/*
 * Alerts: which verdicts become notifications (rules), what is sent (render), where it waits
 * (outbox, in the store) and how it leaves (thread `deliver`). The door of this folder.
 *
 * At least once: alert and deliveries are written in the transaction that decides them; the deliver
 * thread reads them, sends, and hands the result back to the writer as a command. A crash at any
 * point repeats a send at worst, with the same webhook-id.
 */
#ifndef GATEHOUSE_ALERT_ALERT_H
#define GATEHOUSE_ALERT_ALERT_H

#include <stdint.h>

#include "base/err.h"
#include "base/queue.h"
#include "config/config.h"
#include "model/model.h"
#include "store/store.h"

/* ---- writer's part ---- */

/* One rollout that was just judged and saved. */
struct alert_subject {
    const struct config *config;
    int64_t workload_id;
    const struct facts *facts; /* with its policy */
    const struct rollout_verdict *verdict;
    const struct saved *saved;
    struct arena *arena; /* for scratch */
};
/* Opens, updates or ends the rollout's alert (rollout.stuck, rollout.recovered) and queues
 * deliveries to each receiver that wants the type, in the open transaction.
 *
 * One alert a workload fires at a time: it opens when the verdict is stuck or failed, is rewritten
 * in place (nothing is sent) while that lasts, and ends with a reason: the new state's name,
 * `superseded` (a new revision came), `alerts_off` or `gone`. A verdict that is stale, unknown, or
 * of a change that its controller has not observed yet neither opens nor ends one; one that is
 * under way again (progressing, slow) ends it after a while only, since each pod of a rolling
 * update may get stuck in its turn. So does a rollout that serves for the moment while a crash loop
 * stands on it, and one that was stuck, well and stuck again: it must have been calm for a while,
 * so that what comes and goes is told once and not at each turn. *ret_queued grows by the
 * deliveries added. Thread: writer only.
 */
bool alert_rollout(struct store *s, const struct alert_subject *subject, int *ret_queued,
                   struct err *err) MUST_CHECK;
/* When alert_rollout wants to see the rollout again though nothing changes; 0 = it does not. Pure.
 */
int64_t alert_next_look(const struct facts *facts, const struct rollout_verdict *v);
/* The rollout is gone (ERR_NOT_FOUND of its facts): a firing alert of it ends. */
bool alert_rollout_gone(struct store *s, const struct config *config, int64_t workload_id,
                        int *ret_queued, struct err *err) MUST_CHECK;
/* Ends firing alerts whose workload's row no longer exists (another cluster, a rebuilt part). */
bool alert_sweep(struct store *s, const struct config *config, int *ret_queued,
                 struct err *err) MUST_CHECK;

/* What became of one delivery, data of COMMAND_DELIVERY_RESULT (freed with free()). */
enum delivery_fate {
    FATE_ANSWERED, /* an attempt was made: status and error tell */
    FATE_EXPIRED,  /* not tried again: older than max_age, and the receiver fails */
    FATE_DISABLED, /* not tried: the receiver answered 410 Gone before */
    FATE_DROPPED   /* not tried: the configuration has no such receiver any more */
};
struct delivery_result {
    int64_t delivery_id;
    enum delivery_fate fate;
    bool too_old; /* past the receiver's max_age: a failure is the last one */
    int64_t at;
    int status; /* HTTP status, 0 = no answer */
    int64_t latency_ms;
    int64_t retry_after_ms; /* from Retry-After, 0 = none */
    char error[256];
    char reply[1024];
};
/* Books an attempt: delivered (2xx), next try with back-off and jitter, or dead (410 Gone, too
 * old). A delivery that is gone is no error. Thread: writer only. */
bool alert_book(struct store *s, const struct config *config, const struct delivery_result *r,
                struct err *err) MUST_CHECK;
/* Makes a dead, dropped or delivered one pending again; its age starts anew. ERR_NOT_FOUND. Thread:
 * writer only. */
bool alert_redeliver(struct store *s, int64_t delivery_id, struct err *err) MUST_CHECK;

/* ---- deliver thread ---- */

struct deliver;
struct deliver_options {
    const char *db_path;         /* it opens a reader of its own */
    struct queue *out;           /* the writer's queue: results go there as commands */
    const struct config *config; /* a reference is taken */
    /* 0 = as in production; tests are impatient */
    int64_t resend_ms; /* between repeats of firing alerts to Alertmanager: 60 s */
    int64_t pause_ms;  /* of a receiver after its first failure in a row: 5 s, doubling to 5 min */
};
bool deliver_start(const struct deliver_options *opt, struct deliver **ret,
                   struct err *err) MUST_CHECK;
void deliver_wake(void *deliver); /* new deliveries may be there. Thread: any */
void deliver_reload(struct deliver *d, const struct config *config); /* Thread: any */
/* Gives attempts under way two seconds, then cuts them off (they count as not made), joins. */
void deliver_stop(struct deliver *d);
void deliver_free(struct deliver *d);

#endif
