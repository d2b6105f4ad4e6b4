/*
 * Change counters a scope: when did this rollout, this namespace, the list, the summary last
 * change? The writer thread marks them from each published commit; loops compare.
 *
 * A slot holds the newest revision that touched its scope. Rollouts and namespaces share slots by
 * hash: a collision makes a body be rendered once more, never be kept too long. What was rendered
 * after `scopes_revision` said R is whole up to R, since a commit is stored before it is published;
 * so it still stands while its slots say R or less.
 */
#ifndef GATEHOUSE_API_SCOPE_H
#define GATEHOUSE_API_SCOPE_H

#include <stdbool.h>
#include <stdint.h>

#include "pipeline/pipeline.h"

struct scopes;

enum scope {
    SCOPE_LIST,
    SCOPE_SUMMARY,
    SCOPE_SOURCES,
    SCOPE_GROUPS,
    SCOPE_ALERTS,
    SCOPE_FIXED,
    SCOPE_ROLLOUT = SCOPE_FIXED,
    SCOPE_NAMESPACE
};

struct scopes *scopes_new(void);
void scopes_free(struct scopes *s);
/* Thread: writer only (and before start). */
void scopes_mark(struct scopes *s, const struct feed_block *b);
void scopes_start(struct scopes *s, int64_t revision);
/* Thread: any. */
int64_t scopes_revision(const struct scopes *s);
uint32_t scope_slot(enum scope scope, int64_t id);
int64_t scopes_at(const struct scopes *s, uint32_t slot);

#endif
