/* The body cache (see cache.h): a hash table of entries that also form the use order. */
#include "api/cache.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

enum { BUCKETS = 4096, ENTRY_SHARE = 4, KEY_MAX = 4096 };

struct entry {
    struct entry *next_in_bucket;
    struct entry *newer;
    struct entry *older;
    uint64_t hash;
    char *key;
    struct body *body;
    struct stamp stamp;
    int64_t born_ms;
    size_t weight;
};

struct cache {
    pthread_mutex_t lock;
    const struct scopes *scopes;
    size_t ceiling;
    struct entry *buckets[BUCKETS];
    struct entry *newest;
    struct entry *oldest;
    struct cache_metrics m;
};

struct cache *cache_new(size_t ceiling, const struct scopes *scopes)
{
    struct cache *c = xcalloc(1, sizeof *c);
    (void)pthread_mutex_init(&c->lock, NULL);
    c->ceiling = ceiling;
    c->scopes = scopes;
    return c;
}

static uint64_t hash_of(const char *key)
{
    uint64_t h = hash_text(HASH_SEED, key);
    return h ^ (h >> 29);
}

static void unlink_use(struct cache *c, struct entry *e)
{
    if (c->newest == e) {
        c->newest = e->older;
    } else {
        e->newer->older = e->older;
    }
    if (c->oldest == e) {
        c->oldest = e->newer;
    } else {
        e->older->newer = e->newer;
    }
    e->newer = NULL;
    e->older = NULL;
}

static void link_newest(struct cache *c, struct entry *e)
{
    e->older = c->newest;
    *(c->newest != NULL ? &c->newest->newer : &c->oldest) = e;
    c->newest = e;
}

static void drop(struct cache *c, struct entry *e)
{
    struct entry **at = &c->buckets[e->hash % BUCKETS];
    while (*at != e) {
        at = &(*at)->next_in_bucket;
    }
    *at = e->next_in_bucket;
    unlink_use(c, e);
    c->m.bytes -= e->weight;
    c->m.entries--;
    body_unref(e->body);
    free(e->key);
    free(e);
}

void cache_free(struct cache *c)
{
    if (c == NULL) {
        return;
    }
    while (c->newest != NULL) {
        drop(c, c->newest);
    }
    (void)pthread_mutex_destroy(&c->lock);
    free(c);
}

static struct entry *find(struct cache *c, const char *key, uint64_t hash)
{
    struct entry *e = c->buckets[hash % BUCKETS];
    while (e != NULL && (e->hash != hash || strcmp(e->key, key) != 0)) {
        e = e->next_in_bucket;
    }
    return e;
}

static int64_t life_of(const struct stamp *stamp)
{
    return stamp->brief ? CACHE_LIFE_SHORT_MS : CACHE_LIFE_MS;
}

static bool stands(const struct cache *c, const struct stamp *stamp)
{
    for (unsigned i = 0; i < stamp->n; i++) {
        if (scopes_at(c->scopes, stamp->slots[i]) > stamp->revision) {
            return false;
        }
    }
    return true;
}

struct body *cache_get(struct cache *c, const char *key, int64_t now_ms)
{
    struct body *body = NULL;
    uint64_t hash = hash_of(key);
    (void)pthread_mutex_lock(&c->lock);
    struct entry *e = find(c, key, hash);
    if (e == NULL) {
        c->m.misses++;
    } else if (!stands(c, &e->stamp) || now_ms - e->born_ms > life_of(&e->stamp)) {
        c->m.stale++;
        drop(c, e);
    } else {
        c->m.hits++;
        body = body_ref(e->body);
        if (c->newest != e) {
            unlink_use(c, e);
            link_newest(c, e);
        }
    }
    (void)pthread_mutex_unlock(&c->lock);
    return body;
}

void cache_put(struct cache *c, const char *key, struct body *body, const struct stamp *stamp,
               int64_t now_ms)
{
    size_t key_len = strlen(key);
    /* The deflated form comes later: count its likely size from the start. */
    size_t weight = sizeof(struct entry) + key_len + body_weight(body) + body_len(body) / 8;
    if (stamp->n == 0 || key_len > KEY_MAX || weight > c->ceiling / ENTRY_SHARE) {
        return;
    }
    struct entry *e = xcalloc(1, sizeof *e);
    *e = (struct entry){.hash = hash_of(key),
                        .key = xstrndup(key, key_len),
                        .body = body_ref(body),
                        .stamp = *stamp,
                        .born_ms = now_ms,
                        .weight = weight};
    (void)pthread_mutex_lock(&c->lock);
    struct entry *old = find(c, key, e->hash);
    if (old != NULL) {
        drop(c, old);
    }
    while (c->oldest != NULL && c->m.bytes + weight > c->ceiling) {
        c->m.evicted++;
        drop(c, c->oldest);
    }
    e->next_in_bucket = c->buckets[e->hash % BUCKETS];
    c->buckets[e->hash % BUCKETS] = e;
    link_newest(c, e);
    c->m.bytes += weight;
    c->m.entries++;
    (void)pthread_mutex_unlock(&c->lock);
}

void cache_metrics(struct cache *c, struct cache_metrics *ret)
{
    (void)pthread_mutex_lock(&c->lock);
    *ret = c->m;
    (void)pthread_mutex_unlock(&c->lock);
}
