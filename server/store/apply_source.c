/*
 * What sources say of themselves, and which cluster this is. A state or message that changes is a
 * visible change; a sign of life alone moves memory, and the row now and then.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/state.h"

enum { SOURCES_MAX = 256, SET_BACK_MS = 60000 };

enum kind kind_of_source(const char *name)
{
    static const char prefix[] = "kubernetes/";
    if (strncmp(name, prefix, sizeof prefix - 1) != 0) {
        return KIND_COUNT;
    }
    const char *rest = name + sizeof prefix - 1;
    for (int i = 0; i < KIND_COUNT; i++) {
        const struct kind_info *info = kind_info((enum kind)i);
        size_t n = strlen(info->resource);
        if (strncmp(rest, info->resource, n) != 0) {
            continue;
        }
        const char *group = rest[n] == '.' ? rest + n + 1 : rest + n;
        bool dotted = rest[n] == '.' || rest[n] == '\0';
        if (dotted && strcmp(group, info->group) == 0) {
            return (enum kind)i;
        }
    }
    return KIND_COUNT;
}

bool sources_load(struct store *s, struct err *err)
{
    sqlite3_stmt *st = db_get(&s->db, SQL_SOURCE_ALL);
    db_bind(st, "i", s->cluster_id);
    bool row = false;
    size_t n = 0;
    for (;;) {
        if (!db_step(&s->db, st, &row, err)) {
            return false;
        }
        if (!row) {
            s->n_sources = n;
            return true;
        }
        if (n >= SOURCES_MAX) {
            continue;
        }
        s->sources = xgrow(s->sources, &s->cap_sources, n + 1, sizeof *s->sources);
        struct source_row *r = &s->sources[n++];
        *r = (struct source_row){.state = (enum source_state)db_int(st, 1),
                                 .since = db_int(st, 3),
                                 .ok_at = db_int(st, 4),
                                 .ok_written_at = db_int(st, 4)};
        (void)snprintf(r->name, sizeof r->name, "%s", db_text(st, 0, NULL));
        (void)snprintf(r->message, sizeof r->message, "%s", db_text(st, 2, NULL));
    }
}

const struct source_row *source_get(const struct store *s, const char *name)
{
    for (size_t i = 0; i < s->n_sources; i++) {
        if (strcmp(s->sources[i].name, name) == 0) {
            return &s->sources[i];
        }
    }
    return NULL;
}

static struct source_row *source_slot(struct store *s, const char *name)
{
    for (size_t i = 0; i < s->n_sources; i++) {
        if (strcmp(s->sources[i].name, name) == 0) {
            return &s->sources[i];
        }
    }
    if (s->n_sources >= SOURCES_MAX) {
        return NULL;
    }
    s->sources = xgrow(s->sources, &s->cap_sources, s->n_sources + 1, sizeof *s->sources);
    struct source_row *r = &s->sources[s->n_sources++];
    *r = (struct source_row){.state = SOURCE_STARTING};
    (void)snprintf(r->name, sizeof r->name, "%s", name);
    return r;
}

static bool write_source(struct store *s, struct source_row *r, struct err *err)
{
    sqlite3_stmt *st = db_get(&s->db, SQL_SOURCE_PUT);
    db_bind(st, "ititii", s->cluster_id, r->name, (int64_t)r->state, r->message, r->since,
            r->ok_at);
    r->ok_written_at = s->now;
    return db_run(&s->db, st, err);
}

/* A kind's stream stands, or will not soon: nothing more is awaited of it. */
static void settle(struct store *s, const struct change *c)
{
    const struct change_source *src = &c->source;
    enum kind kind = kind_of_source(src->source);
    if (kind == KIND_COUNT) {
        return;
    }
    bool known = src->state == SOURCE_OK || src->state == SOURCE_ABSENT ||
                 src->state == SOURCE_DENIED || c->settled;
    if (known) {
        s->kinds[kind].settled = true;
        s->kinds[kind].absent = src->state == SOURCE_ABSENT;
    }
}

/* Whose verdicts rest on this source. */
static bool concerned(struct store *s, const struct source_row *r, struct err *err)
{
    facts_drop_cluster(s);
    dirty_mark(s, DIRTY_CLUSTER, 0);
    if (strncmp(r->name, "aws", 3) == 0) {
        facts_drop_all(s); /* groups carry their source's error */
        return dirty_bound(s, err);
    }
    if (kind_of_source(r->name) != KIND_REPLICASET) {
        return true;
    }
    owners_drop(s);
    return r->state != SOURCE_DENIED || apply_waiting_pods(s, err);
}

bool apply_source(struct store *s, const struct change *c, struct err *err)
{
    const struct change_source *src = &c->source;
    struct source_row *r = source_slot(s, src->source);
    if (r == NULL) {
        return true; /* more sources than anyone has: the ceiling holds */
    }
    bool fresh = r->since == 0;
    bool moved = fresh || r->state != src->state;
    char message[sizeof r->message];
    (void)snprintf(message, sizeof message, "%s", src->message);
    /* What lies ahead was written before the clock was set back: it would hide an outage. */
    bool ahead = r->ok_at > s->now + SET_BACK_MS;
    r->ok_at = src->ok_at > r->ok_at || ahead ? src->ok_at : r->ok_at;
    settle(s, c);
    if (!moved && strcmp(r->message, message) == 0) {
        int64_t age = s->now - r->ok_written_at;
        bool due = ahead || age < 0 || (r->ok_at > r->ok_written_at && age >= OK_WRITE_MS);
        return !due || write_source(s, r, err);
    }
    int from = fresh ? -1 : (int)r->state;
    if (moved) {
        r->since = src->at != 0 ? src->at : s->now;
    }
    r->state = src->state;
    (void)memcpy(r->message, message, sizeof message);
    s->commit.summary_changed = true;
    store_feed(s, &(struct feed_item){.what = FEED_SOURCE,
                                      .namespace = "",
                                      .kind = "",
                                      .name = r->name,
                                      .state = (int)r->state,
                                      .from_state = from});
    return write_source(s, r, err) && concerned(s, r, err);
}

/* ---- the cluster ---- */

bool apply_forget_all(struct store *s, struct err *err)
{
    static const unsigned steps[] = {
        SQL_FORGET_FINDINGS,   SQL_FORGET_REVISIONS, SQL_FORGET_WORKLOADS, SQL_FORGET_PODS,
        SQL_FORGET_TARGETS,    SQL_FORGET_GROUPS,    SQL_FORGET_BINDINGS,  SQL_FORGET_OBJECTS,
        SQL_FORGET_NAMESPACES, SQL_FORGET_SYNC,      SQL_FORGET_TALLIES,   SQL_FORGET_USUAL};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        sqlite3_stmt *st = db_get(&s->db, steps[i]);
        db_bind(st, "ii", s->cluster_id, s->now);
        if (!db_run(&s->db, st, err)) {
            return false;
        }
    }
    for (int i = 0; i < KIND_COUNT; i++) {
        s->kinds[i].rv[0] = '\0';
        s->kinds[i].rv_pending = false;
    }
    idmap_clear(&s->tallies);
    idmap_clear(&s->touched_rollouts);
    idmap_clear(&s->touched_namespaces);
    idmap_clear(&s->touched_groups);
    idmap_clear(&s->group_seen_at);
    idmap_clear(&s->group_written_at);
    idmap_clear(&s->namespace_looks);
    memset(s->leases, 0, sizeof s->leases);
    owners_drop(s);
    names_drop(s);
    injector_drop(s);
    facts_drop_all(s);
    s->flip_at = 0;
    s->commit.list_changed = true;
    s->commit.summary_changed = true;
    s->commit.overflow = true;
    tx_visible(s);
    return true;
}

bool apply_cluster(struct store *s, const struct change *c, struct err *err)
{
    bool other = c->cluster_uid[0] != '\0' && s->identity.uid[0] != '\0' &&
                 strcmp(c->cluster_uid, s->identity.uid) != 0;
    bool same = strcmp(c->cluster_uid, s->identity.uid) == 0 &&
                strcmp(c->server_url, s->identity.server) == 0 &&
                strcmp(c->server_version, s->identity.version) == 0;
    if (same) {
        return true;
    }
    if (other && !apply_forget_all(s, err)) {
        return false;
    }
    const char *uid = c->cluster_uid[0] != '\0' ? c->cluster_uid : s->identity.uid;
    sqlite3_stmt *st = db_get(&s->db, SQL_CLUSTER_SET);
    db_bind(st, "ttti", uid, c->server_url, c->server_version, s->cluster_id);
    if (!db_run(&s->db, st, err)) {
        return false;
    }
    if (uid != s->identity.uid) {
        (void)snprintf(s->identity.uid, sizeof s->identity.uid, "%s", uid);
    }
    (void)snprintf(s->identity.server, sizeof s->identity.server, "%s", c->server_url);
    (void)snprintf(s->identity.version, sizeof s->identity.version, "%s", c->server_version);
    s->commit.summary_changed = true;
    tx_visible(s);
    return true;
}
