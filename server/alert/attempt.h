/* Inside this folder: one attempt to hand a body to a receiver. */
#ifndef GATEHOUSE_ALERT_ATTEMPT_H
#define GATEHOUSE_ALERT_ATTEMPT_H

#include "alert/alert.h"

struct attempt {
    const struct config_receiver *receiver;
    const char *webhook_id; /* NULL: not signed (a repeat to Alertmanager) */
    const char *body;
    bool (*cancelled)(void *arg); /* NULL = never */
    void *cancelled_arg;
};

bool attempt_is_alertmanager(const struct config_receiver *r);
/* Blocks up to the receiver's timeout. Fills at, status, latency, Retry-After, error, reply; false:
 * it was cut off and counts as not made. Thread: any. */
bool attempt_run(const struct attempt *a, struct delivery_result *ret) MUST_CHECK;

#endif
