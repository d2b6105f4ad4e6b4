/*
 * Discovery: which of our kinds the server has, and under which version. Aggregated form first (two
 * requests, ETag), the plain form where a server does not know it.
 */
#ifndef GATEHOUSE_SOURCE_KUBE_DISCOVERY_H
#define GATEHOUSE_SOURCE_KUBE_DISCOVERY_H

#include <jansson.h>
#include <stdbool.h>

#include "model/object.h"

/* What is known of each kind: version "" and known=true means the server does not have it. */
struct kube_found {
    bool known[KIND_COUNT]; /* false: not said (a stale group, a failed request): keep what was */
    char version[KIND_COUNT][64];
};

bool discovery_is_aggregated(const json_t *doc);
/* Reads one aggregated answer (APIGroupDiscoveryList). core: it was /api. */
bool discovery_read_aggregated(const json_t *doc, bool core, struct kube_found *found);
/* Reads a plain /apis (APIGroupList): preferred versions of groups that have our kinds; kinds of
 * groups that are not there become known absent. Which resources a group has is then asked with
 * discovery_read_resources. */
bool discovery_read_groups(const json_t *doc, struct kube_found *found);
bool discovery_read_resources(const json_t *doc, const char *group, struct kube_found *found);

#endif
