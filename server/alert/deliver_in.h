/* Inside this folder: the deliver thread's state. Everything but what `lock` guards and `cut`
 * belongs to thread `deliver`. */
#ifndef GATEHOUSE_ALERT_DELIVER_IN_H
#define GATEHOUSE_ALERT_DELIVER_IN_H

#include <pthread.h>
#include <stdatomic.h>

#include "alert/alert.h"
#include "base/arena.h"
#include "store/outbox.h"

enum {
    WORKERS_MAX = 16, /* attempts under way at once */
    UNBOOKED_MAX = 8, /* results of one receiver that the writer has not written yet */
    DUE_MAX = 2 * UNBOOKED_MAX,
    PAUSE_FIRST_MS = 5000, /* of a receiver that fails; doubling */
    PAUSE_MAX_MS = 60000,
    RESEND_MS = 60000,
    RESEND_ALERTS = 64, /* in one body */
    LIMIT_RESEND_BODY = 1 << 20,
    RESEND_BODY_WANTED = 256 << 10,
    STRANGERS_MS = 10000,    /* between looks for deliveries to receivers that are gone */
    STRANGER_AGE_MS = 60000, /* a reload reaches writer and deliverer one after the other */
    READ_RETRY_MS = 1000,
    IDLE_MS = 5000, /* the thread looks at least so often */
    STOP_GRACE_MS = 2000
};

/* A result on its way to the writer: the row is not to be sent again before it arrives. */
struct unbooked {
    int64_t delivery_id;
    int64_t attempts; /* of the row when the attempt was made */
};

/* One receiver: at most one attempt at a time, so its messages stay in order. */
struct lane {
    const struct config_receiver *receiver; /* NULL: deliveries to receivers that are gone */
    bool busy;
    bool disabled;        /* answered 410 Gone; until a reload */
    int64_t paused_until; /* monotonic */
    int64_t pause_ms;     /* the last pause; 0 = the last attempt was answered */
    struct unbooked unbooked[UNBOOKED_MAX];
    size_t n_unbooked;
    int64_t resend_at;    /* monotonic: next repeat of firing alerts (Alertmanager) */
    int64_t resend_after; /* alert id that the round under way has come to */
    bool resend_failing;
};

/* An attempt, from lane to worker and back. */
struct job {
    struct arena *arena; /* owns the job and its texts */
    const struct config *config;
    const struct config_receiver *receiver;
    const char *webhook_id; /* NULL = a repeat to Alertmanager */
    const char *body;
    int64_t attempts;
    int64_t created_at;
    int64_t last_alert; /* repeat: the last alert in it */
    bool more;          /* repeat: there are more alerts behind it */
    bool made;          /* false: cut off */
    struct delivery_result result;
};

struct worker {
    struct deliver *d;
    pthread_t thread;
    struct job *job; /* by lock */
    bool done;       /* by lock */
};

struct deliver {
    struct deliver_options opt;
    struct outbox *outbox;
    pthread_t thread;
    bool running;
    pthread_mutex_t lock;
    pthread_cond_t changed;     /* for the thread: woken, reloaded, done, stopping */
    pthread_cond_t work;        /* for workers */
    bool woken;                 /* by lock */
    bool stopping;              /* by lock */
    bool quit;                  /* by lock: workers end */
    const struct config *fresh; /* by lock: a reload, NULL = none */
    atomic_bool cut;            /* attempts under way are to end now */
    struct worker workers[WORKERS_MAX];
    size_t n_workers;

    const struct config *config;
    int64_t started_at; /* Unix ms: no delivery is older than our chance to send it */
    struct lane *lanes;
    size_t n_lanes;
    size_t first_lane; /* takes turns */
    struct lane strangers;
    int64_t strangers_at; /* monotonic */
    char read_error[256];
};

/* ---- lane.c ---- */

/* Lanes for this configuration; those of receivers that stay keep their state. */
void lanes_take(struct deliver *d, const struct config *config);
/* Gives every lane that can send something a worker. *ret_wait_ms shrinks to when the next look is
 * due. */
bool lanes_run(struct deliver *d, int64_t *ret_wait_ms, struct err *err) MUST_CHECK;
/* What became of a job: pause, result to the writer. Frees the job. */
void lanes_done(struct deliver *d, struct job *job);
void job_free(struct job *job);

/* ---- deliver.c ---- */

/* Hands the job to a worker; false: all are busy, the job is still the caller's. */
bool deliver_give(struct deliver *d, struct job *job);
bool deliver_has_worker(struct deliver *d);
/* Queues a result for the writer, waiting while the queue is full; dropped when stopping. */
void deliver_report(struct deliver *d, const struct delivery_result *r);

#endif
