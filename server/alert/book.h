/* Inside this folder: when a delivery is tried again. */
#ifndef GATEHOUSE_ALERT_BOOK_H
#define GATEHOUSE_ALERT_BOOK_H

#include <stdint.h>

enum {
    RETRY_FIRST_MS = 5 * 1000,       /* after the first failure; doubling */
    RETRY_MAX_MS = 5 * 60 * 1000,    /* up to here, jitter aside */
    RETRY_AFTER_MAX_MS = 15 * 60000, /* what a receiver may ask for */
    RETRY_HORIZON_MS = 20 * 60000    /* no try is ever planned beyond this */
};

/* Wait after the failure that ends attempt number `attempts` + 1. random: any 32 bits; the wait is
 * within 20 % of the plan. retry_after_ms 0 = not asked. Pure. */
int64_t book_wait_ms(int64_t attempts, int64_t retry_after_ms, uint32_t random);

#endif
