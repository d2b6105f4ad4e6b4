/* Change counters by scope (see scope.h). */
#include "api/scope.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/mem.h"

enum { SLOT_BITS = 16, SLOTS = 1 << SLOT_BITS };

struct scopes {
    _Atomic int64_t revision;
    _Atomic int64_t everything; /* a commit that does not name all it changed */
    _Atomic int64_t slots[SLOTS];
};

struct scopes *scopes_new(void)
{
    return xcalloc(1, sizeof(struct scopes)); /* all zero bits are valid atomics here */
}

void scopes_free(struct scopes *s)
{
    free(s);
}

uint32_t scope_slot(enum scope scope, int64_t id)
{
    if (scope < SCOPE_FIXED) {
        return (uint32_t)scope;
    }
    uint64_t h = ((uint64_t)id * 2 + (scope == SCOPE_NAMESPACE)) * UINT64_C(0x9e3779b97f4a7c15);
    return SCOPE_FIXED + (uint32_t)((h >> 32) % (SLOTS - SCOPE_FIXED));
}

static void mark(struct scopes *s, enum scope scope, int64_t id, int64_t revision)
{
    atomic_store_explicit(&s->slots[scope_slot(scope, id)], revision, memory_order_release);
}

static void mark_item(struct scopes *s, const struct feed_item *item, int64_t revision)
{
    if (item->workload_id != 0) {
        mark(s, SCOPE_ROLLOUT, item->workload_id, revision);
    }
    if (item->ns_id != 0) {
        mark(s, SCOPE_NAMESPACE, item->ns_id, revision);
    }
    switch (item->what) {
    case FEED_SOURCE:
        mark(s, SCOPE_SOURCES, 0, revision);
        break;
    case FEED_GROUP:
        mark(s, SCOPE_GROUPS, 0, revision);
        break;
    case FEED_ALERT:
        mark(s, SCOPE_ALERTS, 0, revision);
        break;
    case FEED_NAMESPACE:
        mark(s, SCOPE_SUMMARY, 0, revision); /* the list of namespaces rests on it too */
        break;
    case FEED_ROLLOUT:
    case FEED_POD:
        break;
    }
}

void scopes_mark(struct scopes *s, const struct feed_block *b)
{
    for (uint32_t i = 0; i < b->n; i++) {
        mark_item(s, &b->items[i], b->revision);
    }
    if (b->overflow) {
        atomic_store_explicit(&s->everything, b->revision, memory_order_release);
    }
    if (b->list_changed) {
        mark(s, SCOPE_LIST, 0, b->revision);
    }
    if (b->summary_changed) {
        mark(s, SCOPE_SUMMARY, 0, b->revision);
    }
    atomic_store_explicit(&s->revision, b->revision, memory_order_release);
}

void scopes_start(struct scopes *s, int64_t revision)
{
    if (revision > atomic_load(&s->revision)) {
        atomic_store(&s->revision, revision);
    }
}

int64_t scopes_revision(const struct scopes *s)
{
    return atomic_load_explicit(&s->revision, memory_order_acquire);
}

int64_t scopes_at(const struct scopes *s, uint32_t slot)
{
    int64_t own = atomic_load_explicit(&s->slots[slot], memory_order_acquire);
    int64_t all = atomic_load_explicit(&s->everything, memory_order_acquire);
    return own > all ? own : all;
}
