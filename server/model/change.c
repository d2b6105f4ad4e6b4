/* Changes and their arenas (see change.h). */
#include "model/change.h"

#define X(suffix, name) name,
static const char *const source_states[] = {SOURCE_STATES(X)};
#undef X
#define X(suffix, text) #suffix,
static const char *const change_types[] = {CHANGE_TYPES(X)};
#undef X

struct change *change_new(enum change_type type, size_t first_chunk)
{
    struct arena *a = arena_new(first_chunk);
    struct change *c = arena_zalloc(a, sizeof *c);
    c->type = type;
    c->arena = a;
    c->resource_version = "";
    c->source = (struct change_source){.source = "", .message = ""};
    c->cluster_uid = "";
    c->server_url = "";
    c->server_version = "";
    c->group_arn = "";
    return c;
}

void change_free(struct change *c)
{
    if (c == NULL) {
        return;
    }
    if (c->data != NULL && c->data_free != NULL) {
        c->data_free(c->data);
    }
    arena_free(c->arena);
}

size_t change_weight(const struct change *c)
{
    return arena_bytes(c->arena);
}

const char *source_state_name(enum source_state s)
{
    return (unsigned)s < sizeof source_states / sizeof source_states[0] ? source_states[s]
                                                                        : "unknown";
}

const char *change_type_name(enum change_type type)
{
    return (unsigned)type < sizeof change_types / sizeof change_types[0] ? change_types[type] : "?";
}
