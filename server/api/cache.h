/*
 * The cache of rendered bodies, shared by all loops: by route and parameters as sent, valid while
 * no scope of the body has changed since it was rendered (scope.h), and for a limited time, so that
 * a change nobody announced cannot hide for long. Least recently used bodies leave when the
 * ceiling is reached. Thread: any (one short lock).
 */
#ifndef GATEHOUSE_API_CACHE_H
#define GATEHOUSE_API_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/body.h"
#include "api/scope.h"

struct cache;

/* A body's life: lists, whose every column the feed announces, live long; one rollout, its
 * findings, pods and history, where texts can move without news, a few seconds. */
enum { STAMP_SLOTS = 3, CACHE_LIFE_MS = 20000, CACHE_LIFE_SHORT_MS = 5000 };

/* What a body rests on. */
struct stamp {
    int64_t revision; /* scopes_revision before the snapshot was taken */
    uint32_t slots[STAMP_SLOTS];
    unsigned n; /* 0 = not to be cached */
    bool brief; /* lives CACHE_LIFE_SHORT_MS */
};

struct cache_metrics {
    uint64_t hits;
    uint64_t misses;
    uint64_t stale;
    uint64_t evicted;
    size_t bytes;
    size_t entries;
};

struct cache *cache_new(size_t ceiling, const struct scopes *scopes);
void cache_free(struct cache *c);
/* A reference, or NULL. now_ms is monotonic. */
struct body *cache_get(struct cache *c, const char *key, int64_t now_ms);
void cache_put(struct cache *c, const char *key, struct body *body, const struct stamp *stamp,
               int64_t now_ms);
void cache_metrics(struct cache *c, struct cache_metrics *ret);

#endif
