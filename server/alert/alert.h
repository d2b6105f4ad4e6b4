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

/* After a rollout was saved: opens, updates or ends its alert (rollout.stuck, rollout.recovered)
 * and queues deliveries to each receiver that wants the type, in the open transaction. *ret_queued
 * grows by the deliveries added. Thread: writer only. */
bool alert_rollout(struct store *s, const struct config *config, const struct facts *facts,
                   const struct rollout_verdict *v, const struct saved *saved, int *ret_queued,
                   struct err *err) MUST_CHECK;
/* The rollout is gone (ERR_NOT_FOUND of its facts): a firing alert of it ends. */
bool alert_rollout_gone(struct store *s, const struct config *config, int64_t workload_id,
                        int *ret_queued, struct err *err) MUST_CHECK;

/* The result of one attempt, data of COMMAND_DELIVERY_RESULT (freed with free()). */
struct delivery_result {
    int64_t delivery_id;
    int64_t at;
    int status; /* HTTP status, 0 = no answer */
    int64_t latency_ms;
    int64_t retry_after_ms; /* from Retry-After, 0 = none */
    char error[256];
    char reply[1024];
};
/* Books an attempt: delivered, next try with back-off and jitter, or dead by age. Thread: writer
 * only. */
bool alert_book(struct store *s, const struct config *config, const struct delivery_result *r,
                struct err *err) MUST_CHECK;
/* Makes a dead or delivered one pending again. ERR_NOT_FOUND. Thread: writer only. */
bool alert_redeliver(struct store *s, int64_t delivery_id, struct err *err) MUST_CHECK;

/* ---- deliver thread ---- */

struct deliver;
struct deliver_options {
    const char *db_path;         /* it opens a reader of its own */
    struct queue *out;           /* the writer's queue: results go there as commands */
    const struct config *config; /* a reference is taken */
};
bool deliver_start(const struct deliver_options *opt, struct deliver **ret,
                   struct err *err) MUST_CHECK;
void deliver_wake(void *deliver); /* new deliveries may be there. Thread: any */
void deliver_reload(struct deliver *d, const struct config *config); /* Thread: any */
void deliver_stop(struct deliver *d); /* finishes the attempt under way (bounded), joins */
void deliver_free(struct deliver *d);

#endif
