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
#include "model/model.h"

enum receiver_format { RECEIVER_STANDARD, RECEIVER_ALERTMANAGER };

/* A configured receiver. Strings are borrowed from the configuration snapshot. */
struct receiver {
    const char *name;
    enum receiver_format format;
    const char *url;
    const char *secret; /* whsec_... for RECEIVER_STANDARD; "" = unsigned is refused by check */
    const char *bearer_token; /* "" = none */
    bool allow_private;       /* may the address be loopback, link-local or private */
    const char *const *types; /* NULL-ended list of alert types wanted; NULL = all */
    int64_t timeout_ms;
};

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

#endif
