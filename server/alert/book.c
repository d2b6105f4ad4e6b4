/* The ledger: what became of each attempt, and when the next one is due (see alert.h, book.h). */
#include "alert/book.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "alert/alert.h"
#include "base/digest.h"
#include "store/outbox.h"

int64_t book_wait_ms(int64_t attempts, int64_t retry_after_ms, uint32_t random)
{
    int64_t wait = RETRY_FIRST_MS;
    for (int64_t i = 0; i < attempts && wait < RETRY_MAX_MS; i++) {
        wait *= 2;
    }
    wait = wait > RETRY_MAX_MS ? RETRY_MAX_MS : wait;
    wait = wait * 8 / 10 + wait * 4 / 10 * (int64_t)(random >> 16) / 65536;
    int64_t asked = retry_after_ms > RETRY_AFTER_MAX_MS ? RETRY_AFTER_MAX_MS : retry_after_ms;
    return asked > wait ? asked : wait;
}

static bool has_receiver(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->n_receivers; i++) {
        if (strcmp(config->receivers[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static bool delivered(const struct delivery_result *r)
{
    return r->fate == FATE_ANSWERED && r->status >= 200 && r->status < 300;
}

/* The state after this result; a pending one gets its next try. */
static void decide(const struct config *config, const struct outbox_delivery *d,
                   const struct delivery_result *r, struct outbox_booking *b)
{
    b->done_at = r->at;
    if (delivered(r)) {
        b->state = DELIVERY_DELIVERED;
    } else if (r->fate == FATE_DROPPED || !has_receiver(config, d->receiver)) {
        b->state = DELIVERY_DROPPED;
    } else if (r->fate != FATE_ANSWERED || r->status == 410 || r->too_old) {
        b->state = DELIVERY_DEAD;
    } else {
        uint32_t random = 0;
        digest_random(&random, sizeof random);
        b->state = DELIVERY_PENDING;
        b->done_at = 0;
        b->next_at = r->at + book_wait_ms(d->attempts, r->retry_after_ms, random);
    }
}

/* Why it was not delivered, in words; "" when it was. */
static const char *reason_of(const struct delivery_result *r, char *text, size_t size)
{
    if (delivered(r) || r->error[0] != '\0') {
        return delivered(r) ? "" : r->error;
    }
    (void)snprintf(text, size, "the receiver answered %d", r->status);
    return text;
}

bool alert_book(struct store *s, const struct config *config, const struct delivery_result *r,
                struct err *err)
{
    AUTO_PTR(arena) a = arena_new(0);
    struct outbox_delivery d;
    bool found = false;
    if (!outbox_delivery(s, r->delivery_id, a, &d, &found, err)) {
        return false;
    }
    if (!found) {
        return true; /* retention was faster */
    }
    char text[64];
    struct outbox_booking b = {.id = d.id,
                               .state = DELIVERY_PENDING,
                               .status = r->status,
                               .error = reason_of(r, text, sizeof text)};
    decide(config, &d, r, &b);
    if (d.state != DELIVERY_PENDING && b.state != DELIVERY_DELIVERED) {
        b.state = (enum delivery_state)d.state; /* what is settled is not opened by a latecomer */
        b.done_at = r->at;
    }
    struct outbox_attempt attempt = {.delivery_id = d.id,
                                     .at = r->at,
                                     .status = r->status,
                                     .latency_ms = r->latency_ms,
                                     .error = b.error,
                                     .reply = r->reply};
    return outbox_book(s, &b, err) && outbox_attempt(s, &attempt, err);
}

bool alert_redeliver(struct store *s, int64_t delivery_id, struct err *err)
{
    AUTO_PTR(arena) a = arena_new(0);
    struct outbox_delivery d;
    bool found = false;
    if (!outbox_delivery(s, delivery_id, a, &d, &found, err)) {
        return false;
    }
    if (!found) {
        return err_set(err, ERR_NOT_FOUND, "there is no delivery %" PRId64, delivery_id);
    }
    return outbox_again(s, delivery_id, err);
}
