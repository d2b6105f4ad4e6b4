/* Reading discovery documents (see kube_discovery.h). Pure: documents in, findings out. */
#include "source/kube_discovery.h"

#include <stdio.h>
#include <string.h>

static const char *string_of(const json_t *j, const char *key)
{
    const char *s = json_string_value(json_object_get(j, key));
    return s != NULL ? s : "";
}

/* Versions we can read, best first; a custom resource is taken as the server prefers it. */
static bool version_ok(enum kind kind, const char *version)
{
    switch ((int)kind) {
    case KIND_BINDING_LBC:
    case KIND_BINDING_AUTO:
    case KIND_ARGO_ROLLOUT:
        return version[0] == 'v';
    case KIND_HPA:
        return strcmp(version, "v2") == 0;
    default:
        return strcmp(version, "v1") == 0;
    }
}

static void note(struct kube_found *found, const char *group, const char *resource,
                 const char *version)
{
    for (int k = 0; k < KIND_COUNT; k++) {
        const struct kind_info *info = kind_info((enum kind)k);
        bool same = strcmp(info->group, group) == 0 && strcmp(info->resource, resource) == 0;
        if (same && found->version[k][0] == '\0' && version_ok((enum kind)k, version)) {
            (void)snprintf(found->version[k], sizeof found->version[k], "%s", version);
        }
    }
}

static void mark_group(struct kube_found *found, const char *group, bool known)
{
    for (int k = 0; k < KIND_COUNT; k++) {
        if (strcmp(kind_info((enum kind)k)->group, group) == 0) {
            found->known[k] = known;
        }
    }
}

/* Versions are fresh or stale one by one: one that is there in a fresh one is there. */
static void trust_fresh(struct kube_found *found, const char *group)
{
    for (int k = 0; k < KIND_COUNT; k++) {
        if (strcmp(kind_info((enum kind)k)->group, group) == 0 && found->version[k][0] != '\0') {
            found->known[k] = true;
        }
    }
}

bool discovery_is_aggregated(const json_t *doc)
{
    return strcmp(string_of(doc, "kind"), "APIGroupDiscoveryList") == 0;
}

bool discovery_read_aggregated(const json_t *doc, bool core, struct kube_found *found)
{
    if (!discovery_is_aggregated(doc)) {
        return false;
    }
    for (int k = 0; k < KIND_COUNT; k++) { /* what is not named is not there */
        if ((kind_info((enum kind)k)->group[0] == '\0') == core) {
            found->known[k] = true;
            found->version[k][0] = '\0';
        }
    }
    size_t i = 0;
    json_t *group = NULL;
    json_array_foreach(json_object_get(doc, "items"), i, group)
    {
        const char *name = string_of(json_object_get(group, "metadata"), "name");
        size_t v = 0;
        json_t *version = NULL;
        json_array_foreach(json_object_get(group, "versions"), v, version)
        {
            if (strcmp(string_of(version, "freshness"), "Stale") == 0) {
                mark_group(found, name, false); /* unknown, not absent */
                continue;
            }
            size_t r = 0;
            json_t *resource = NULL;
            json_array_foreach(json_object_get(version, "resources"), r, resource)
            {
                note(found, name, string_of(resource, "resource"), string_of(version, "version"));
            }
        }
        trust_fresh(found, name);
    }
    return true;
}

bool discovery_read_groups(const json_t *doc, struct kube_found *found)
{
    if (strcmp(string_of(doc, "kind"), "APIGroupList") != 0) {
        return false;
    }
    for (int k = 0; k < KIND_COUNT; k++) {
        if (kind_info((enum kind)k)->group[0] != '\0') {
            found->known[k] = true;
            found->version[k][0] = '\0';
        }
    }
    size_t i = 0;
    json_t *group = NULL;
    json_array_foreach(json_object_get(doc, "groups"), i, group)
    {
        mark_group(found, string_of(group, "name"), false); /* to be asked for its resources */
    }
    return true;
}

bool discovery_read_resources(const json_t *doc, const char *group, struct kube_found *found)
{
    if (strcmp(string_of(doc, "kind"), "APIResourceList") != 0) {
        return false;
    }
    const char *gv = string_of(doc, "groupVersion");
    const char *slash = strchr(gv, '/');
    mark_group(found, group, true);
    size_t i = 0;
    json_t *resource = NULL;
    json_array_foreach(json_object_get(doc, "resources"), i, resource)
    {
        note(found, group, string_of(resource, "name"), slash != NULL ? slash + 1 : gv);
    }
    return true;
}
