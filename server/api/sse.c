/* Streams (see sse.h for the states). */
#include "api/sse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/problem.h"
#include "base/clock.h"
#include "base/mem.h"

struct subscriber {
    struct hub *hub;
    struct exchange *x;
    struct subscriber *next;
    struct subscriber *prev;
    struct stream_filter filter;
    const char **namespaces;
    int64_t seen;          /* number of the last tick it has, or has passed over */
    struct tick *catch_up; /* what it missed before it came, its own */
    struct tick *held;     /* being written */
    bool started;          /* the head is out */
    bool sending;
    bool closing;
    bool resync;   /* to be told */
    bool hello;    /* to be sent */
    bool beat;     /* to be sent */
    int64_t since; /* where it wanted to start; -1 = from now on */
    int64_t opened_ms;
    int64_t sent_ms;
    char scratch[128]; /* hello, resync or beat being written */
};

struct hub {
    struct worker *w;
    struct subscriber *first;
    struct follow follow;
    const struct feed_block *pending[PENDING_BLOCKS];
    size_t n_pending;
    bool flooded; /* more blocks than that, or one that does not name all it changed: resync */
    struct tick *ring[RING_TICKS];
    int64_t first_tick; /* number of the oldest in the ring */
    int64_t next_tick;
    size_t ring_bytes;
    int64_t ticked_ms;
    int64_t revision;        /* of the newest block */
    int64_t ticked_revision; /* of the newest tick: all before it was offered to everyone */
};

struct hub *hub_new(struct worker *w)
{
    struct hub *h = xcalloc(1, sizeof *h);
    h->w = w;
    h->first_tick = 1;
    h->next_tick = 1;
    return h;
}

static void drop_pending(struct hub *h)
{
    for (size_t i = 0; i < h->n_pending; i++) {
        feed_block_unref(h->pending[i]);
    }
    h->n_pending = 0;
}

static size_t tick_weight(const struct tick *t)
{
    return t->bytes.cap + t->lefts.cap + arena_bytes(t->arena);
}

static void drop_oldest(struct hub *h)
{
    struct tick *t = h->ring[h->first_tick % RING_TICKS];
    h->ring_bytes -= tick_weight(t);
    h->first_tick++;
    tick_unref(t);
}

void hub_free(struct hub *h)
{
    if (h == NULL) {
        return;
    }
    drop_pending(h);
    while (h->first_tick < h->next_tick) {
        drop_oldest(h);
    }
    free(h);
}

/* ---- one subscriber ---- */

/* resync, hello or beat: a few bytes of its own. A beat tells a quiet filtered stream how far it
 * is.
 */
static void add_own(struct subscriber *s, struct piece *pieces, size_t *n)
{
    const struct hub *h = s->hub;
    int len = 0;
    if (s->hello) {
        len = snprintf(s->scratch, sizeof s->scratch, "retry: 3000\n");
        if (s->since < 0) {
            len += snprintf(s->scratch + len, sizeof s->scratch - (size_t)len, "id: %lld\n",
                            (long long)h->revision);
        }
        len += snprintf(s->scratch + len, sizeof s->scratch - (size_t)len, "\n");
    }
    char *at = s->scratch + len;
    size_t room = sizeof s->scratch - (size_t)len;
    if (s->resync) {
        len += snprintf(at, room, "event: resync\nid: %lld\ndata: {}\n\n", (long long)h->revision);
        (void)atomic_fetch_add(&h->w->shared->counters.resyncs, 1);
    } else if (s->beat && s->seen + 1 == h->next_tick && h->ticked_revision > s->since) {
        len += snprintf(at, room, "id: %lld\n:\n\n", (long long)h->ticked_revision);
    } else if (s->beat) {
        len += snprintf(at, room, ":\n\n");
    }
    s->hello = false;
    s->resync = false;
    s->beat = false;
    if (len > 0) {
        pieces[(*n)++] = (struct piece){s->scratch, (size_t)len};
    }
}

static void add_tick(struct subscriber *s, struct tick *t, struct piece *pieces, size_t *n)
{
    size_t more = tick_pieces(t, &s->filter, pieces + *n);
    if (more > 0) {
        s->held = tick_ref(t);
        *n += more;
    }
}

/* The next tick that has something for it: one a send. */
static void add_next_tick(struct subscriber *s, struct piece *pieces, size_t *n)
{
    struct hub *h = s->hub;
    while (s->seen + 1 < h->next_tick && *n == 0) {
        if (s->seen + 1 < h->first_tick || h->ring[(s->seen + 1) % RING_TICKS]->resync) {
            s->resync = true;
            s->seen = h->next_tick - 1;
            add_own(s, pieces, n);
            return;
        }
        add_tick(s, h->ring[++s->seen % RING_TICKS], pieces, n);
    }
}

static void send_pieces(struct subscriber *s, const struct piece *pieces, size_t n, bool last)
{
    s->sending = true;
    s->sent_ms = clock_mono_ms();
    (void)atomic_fetch_add(&s->hub->w->shared->counters.sends, 1);
    s->x->ops->send(s->x, pieces, n, last); /* last: s may be gone now */
}

/* Sends what waits, if nothing is under way. */
static void pump(struct subscriber *s)
{
    struct piece pieces[TICK_PIECES_MAX + 2];
    size_t n = 0;
    if (!s->started || s->sending) {
        return;
    }
    add_own(s, pieces, &n);
    if (n == 0 && s->catch_up != NULL) {
        struct tick *t = s->catch_up;
        s->catch_up = NULL;
        add_tick(s, t, pieces, &n);
        tick_unref(t);
    }
    if (n == 0) {
        add_next_tick(s, pieces, &n);
    }
    if (n > 0) {
        send_pieces(s, pieces, n, false);
    } else if (s->closing) {
        send_pieces(s, NULL, 0, true);
    }
}

static void release(struct subscriber *s)
{
    tick_unref(s->held);
    s->held = NULL;
}

void sse_begin(struct exchange *x)
{
    x->subscriber->started = true;
    pump(x->subscriber);
}

void sse_written(struct exchange *x)
{
    struct subscriber *s = x->subscriber;
    if (s == NULL) {
        return; /* ended meanwhile */
    }
    s->sending = false;
    release(s);
    pump(s);
}

void sse_gone(struct exchange *x)
{
    struct subscriber *s = x->subscriber;
    if (s == NULL) {
        return;
    }
    x->subscriber = NULL;
    *(s->prev != NULL ? &s->prev->next : &s->hub->first) = s->next;
    if (s->next != NULL) {
        s->next->prev = s->prev;
    }
    follow_add(&s->hub->follow, &s->filter, -1);
    (void)atomic_fetch_sub(&s->hub->w->shared->counters.streams, 1);
    release(s);
    tick_unref(s->catch_up);
    free(s->namespaces);
    free(s);
}

/* ---- opening ---- */

static bool any_overflow(const struct feed_block *const *blocks, int n)
{
    for (int i = 0; i < n; i++) {
        if (blocks[i]->overflow) {
            return true;
        }
    }
    return false;
}

/* What happened after `since`, from the feed's ring; NULL and resync when it does not reach back.
 */
static void catch_up(struct subscriber *s, int64_t since)
{
    const struct feed_block *blocks[PENDING_BLOCKS];
    int n = feed_since(s->hub->w->shared->opt.feed, since, blocks, PENDING_BLOCKS);
    s->resync = n < 0 || n == PENDING_BLOCKS || any_overflow(blocks, n);
    if (n > 0 && !s->resync) {
        s->catch_up = tick_build(s->hub->w, &s->hub->follow, blocks, (size_t)n);
        if (s->catch_up->resync) {
            tick_unref(s->catch_up);
            s->catch_up = NULL;
            s->resync = true;
        }
    }
    for (int i = 0; i < n; i++) {
        feed_block_unref(blocks[i]);
    }
}

static struct subscriber *subscriber_new(struct hub *h, struct exchange *x,
                                         const struct stream_filter *filter)
{
    struct subscriber *s = xcalloc(1, sizeof *s);
    *s = (struct subscriber){.hub = h, .x = x, .filter = *filter, .hello = true};
    s->namespaces = xcalloc(filter->n_namespaces + 1, sizeof *s->namespaces);
    for (size_t i = 0; i < filter->n_namespaces; i++) {
        s->namespaces[i] = filter->namespaces[i];
    }
    s->filter.namespaces = s->namespaces;
    s->seen = h->next_tick - 1;
    s->opened_ms = clock_mono_ms();
    s->sent_ms = s->opened_ms;
    s->next = h->first;
    if (h->first != NULL) {
        h->first->prev = s;
    }
    h->first = s;
    follow_add(&h->follow, &s->filter, 1);
    return s;
}

bool sse_open(struct worker *w, struct exchange *x, const struct stream_filter *filter,
              int64_t since)
{
    struct counters *c = &w->shared->counters;
    if (w->draining || atomic_fetch_add(&c->streams, 1) >= atomic_load(&w->shared->max_streams)) {
        if (!w->draining) {
            (void)atomic_fetch_sub(&c->streams, 1);
        }
        (void)atomic_fetch_add(&c->refused, 1);
        problem(x, w->draining ? PROBLEM_UNAVAILABLE : PROBLEM_TOO_MANY,
                w->draining ? "the server is stopping" : "http.max_streams are open");
        return false;
    }
    x->subscriber = subscriber_new(w->hub, x, filter);
    if (w->hub->revision == 0) {
        w->hub->revision = scopes_revision(w->shared->scopes);
    }
    x->subscriber->since = since;
    if (since >= 0) {
        catch_up(x->subscriber, since);
    }
    return true;
}

/* ---- the hub ---- */

void hub_block(struct hub *h, const struct feed_block *b)
{
    h->revision = b->revision;
    if (h->first == NULL) {
        return; /* nobody listens: who comes later reads the feed's own ring */
    }
    if (h->n_pending == PENDING_BLOCKS) {
        drop_pending(h);
        h->flooded = true;
    }
    h->flooded = h->flooded || b->overflow;
    h->pending[h->n_pending++] = feed_block_ref(b);
}

int64_t hub_wait_ms(const struct hub *h, int64_t now_ms, bool more)
{
    if (h->n_pending == 0 && !h->flooded && !more) {
        return -1;
    }
    int64_t passed = now_ms - h->ticked_ms;
    return passed >= TICK_MS ? 0 : TICK_MS - passed;
}

static void ring_put(struct hub *h, struct tick *t)
{
    while (h->first_tick < h->next_tick && (h->next_tick - h->first_tick == RING_TICKS ||
                                            h->ring_bytes + tick_weight(t) > RING_BYTES)) {
        drop_oldest(h);
    }
    h->ring[h->next_tick % RING_TICKS] = t;
    h->next_tick++;
    h->ring_bytes += tick_weight(t);
}

void hub_tick(struct hub *h, int64_t now_ms)
{
    h->ticked_ms = now_ms;
    if (h->n_pending == 0 && !h->flooded) {
        return;
    }
    if (h->first != NULL) {
        struct tick *t = tick_build(h->w, &h->follow, h->pending, h->n_pending);
        t->resync = t->resync || h->flooded;
        ring_put(h, t);
        h->ticked_revision = t->revision;
    }
    drop_pending(h);
    h->flooded = false;
    for (struct subscriber *s = h->first; s != NULL;) {
        struct subscriber *next = s->next; /* a send may end it */
        pump(s);
        s = next;
    }
}

void hub_beat(struct hub *h, int64_t now_ms)
{
    for (struct subscriber *s = h->first; s != NULL;) {
        struct subscriber *next = s->next;
        if (now_ms - s->opened_ms >= STREAM_AGE_MS) {
            s->closing = true;
        }
        if (now_ms - s->sent_ms >= BEAT_MS) {
            s->beat = true;
        }
        if (s->beat || s->closing) {
            pump(s);
        }
        s = next;
    }
}

void hub_close(struct hub *h)
{
    for (struct subscriber *s = h->first; s != NULL;) {
        struct subscriber *next = s->next;
        s->closing = true;
        pump(s);
        s = next;
    }
}
