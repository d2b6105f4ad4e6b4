/*
 * The outbox's rows: alerts, their deliveries and the attempts made. Two doors in one: the writer's
 * functions work on the store's connection inside the open transaction, the reader's on a read-only
 * connection of the deliver thread's own. What the rows mean is decided in alert/.
 *
 * Texts of returned rows live in the given arena.
 */
#ifndef GATEHOUSE_STORE_OUTBOX_H
#define GATEHOUSE_STORE_OUTBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "model/field.h"

struct store;

/* Values of delivery.state. */
enum delivery_state { DELIVERY_PENDING, DELIVERY_DELIVERED, DELIVERY_DEAD, DELIVERY_DROPPED };

struct outbox_alert {
    int64_t id;
    int64_t ns_id;
    int64_t workload_id;
    const char *key;  /* identity while it fires */
    const char *type; /* rollout.stuck */
    const char *cause;
    int64_t
        severity; /* enum severity when it opened: it stays, since receivers tell alerts by it */
    int64_t started_at;
    int64_t ended_at;          /* 0 = firing */
    const char *body;          /* JSON data of the notification at its last change */
    const char *revision_hash; /* of the rollout when it opened, "" */
};

struct outbox_delivery {
    int64_t id;
    const char *webhook_id;
    int64_t alert_id;
    const char *receiver;
    const char *type;
    const char *body;
    int64_t state; /* enum delivery_state */
    int64_t created_at;
    int64_t next_at;
    int64_t attempts;
};

/* ---- writer's part; in a transaction. Thread: writer only ---- */

/* The time of the open transaction. */
int64_t outbox_now(const struct store *s);
/* The firing alert of that key; *ret_found tells. */
bool outbox_firing(struct store *s, const char *key, struct arena *a, struct outbox_alert *ret,
                   bool *ret_found, struct err *err) MUST_CHECK;
/* The firing alert of a workload. */
bool outbox_firing_of(struct store *s, int64_t workload_id, struct arena *a,
                      struct outbox_alert *ret, bool *ret_found, struct err *err) MUST_CHECK;
/* When the last alert of a workload and revision ended, of those begun after `after`; 0 = none. */
bool outbox_last_ended(struct store *s, const struct outbox_alert *of, int64_t after,
                       int64_t *ret_at, struct err *err) MUST_CHECK;
/* Some firing alert whose workload's row is gone. */
bool outbox_orphan(struct store *s, struct arena *a, struct outbox_alert *ret, bool *ret_found,
                   struct err *err) MUST_CHECK;
/* Opens it: id and ended_at of the row are ignored. A second firing one of the key is ERR_STORE. */
bool outbox_open(struct store *s, const struct outbox_alert *alert, int64_t *ret_id,
                 struct err *err) MUST_CHECK;
bool outbox_update(struct store *s, int64_t id, const char *cause, const char *body,
                   struct err *err) MUST_CHECK;
bool outbox_end(struct store *s, int64_t id, const char *body, struct err *err) MUST_CHECK;
/* Adds a pending delivery, due now. webhook_id, alert_id, receiver, type and body are taken. */
bool outbox_add(struct store *s, const struct outbox_delivery *delivery,
                struct err *err) MUST_CHECK;
/* Tells the feed of an alert: state 1 = fires, 0 = ended. */
struct outbox_news {
    const struct outbox_alert *alert;
    const char *type; /* rollout.stuck, rollout.recovered */
    const char *namespace;
    const char *name; /* of the workload */
    int from_state;   /* -1 = new */
    int state;
};
void outbox_tell(struct store *s, const struct outbox_news *news);

bool outbox_delivery(struct store *s, int64_t id, struct arena *a, struct outbox_delivery *ret,
                     bool *ret_found, struct err *err) MUST_CHECK;
struct outbox_booking {
    int64_t id;
    enum delivery_state state;
    int64_t next_at;
    int64_t done_at;
    int64_t status;
    const char *error;
};
/* Counts one attempt more: the deliver thread sees by it that its result has arrived. */
bool outbox_book(struct store *s, const struct outbox_booking *booking, struct err *err) MUST_CHECK;
/* Makes it pending and due now; the attempts stay counted. */
bool outbox_again(struct store *s, int64_t delivery_id, struct err *err) MUST_CHECK;
struct outbox_attempt {
    int64_t delivery_id;
    int64_t at;
    int64_t status;
    int64_t latency_ms;
    const char *error;
    const char *reply;
};
bool outbox_attempt(struct store *s, const struct outbox_attempt *attempt,
                    struct err *err) MUST_CHECK;

/* ---- reader's part. Thread: the one that opened it ---- */

struct outbox;
bool outbox_reader_open(const char *path, struct outbox **ret, struct err *err) MUST_CHECK;
void outbox_reader_close(struct outbox *o); /* accepts NULL */

/* What a list is asked for; fields that a function does not name are not used. */
struct outbox_query {
    const char *receiver;
    const char *type;
    int64_t now;
    int64_t horizon;
    int64_t before;
    int64_t after;
    int max;             /* rows */
    struct arena *arena; /* of the answer */
};
/* Pending deliveries (struct outbox_delivery) of `receiver` that may be sent at `now`, oldest
 * first: no earlier one of the same alert is pending. A next_at beyond `horizon` counts as due. */
bool outbox_due(struct outbox *o, const struct outbox_query *q, struct list *ret,
                struct err *err) MUST_CHECK;
/* Earliest next try of that receiver after now; 0 = none. */
bool outbox_next(struct outbox *o, const char *receiver, int64_t now, int64_t *ret,
                 struct err *err) MUST_CHECK;
/* Names of receivers with pending deliveries. */
bool outbox_receivers(struct outbox *o, struct arena *a, struct strs *ret,
                      struct err *err) MUST_CHECK;
/* Pending deliveries of `receiver` made before `before`, without their bodies. */
bool outbox_of_receiver(struct outbox *o, const struct outbox_query *q, struct list *ret,
                        struct err *err) MUST_CHECK;
/* Has the attempt after `attempts` earlier ones been booked (or the row gone)? */
bool outbox_booked(struct outbox *o, int64_t delivery_id, int64_t attempts, bool *ret,
                   struct err *err) MUST_CHECK;
/* Firing alerts (struct outbox_alert) of `type` with id above `after`, by id. */
bool outbox_all_firing(struct outbox *o, const struct outbox_query *q, struct list *ret,
                       struct err *err) MUST_CHECK;

#endif
