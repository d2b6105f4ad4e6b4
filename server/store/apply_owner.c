/*
 * Whom a pod belongs to: the workload behind its controlling owner. A ReplicaSet is looked up, and
 * while it has not come yet its pods wait. Where ReplicaSets may not be listed they would wait for
 * ever: there the ReplicaSet's name, which ends with the hash on the pod, tells the workload.
 */
#include <stdio.h>
#include <string.h>

#include "store/state.h"

void owners_drop(struct store *s)
{
    memset(s->owners, 0, sizeof s->owners);
}

static uint64_t owner_hash(const struct owner *o)
{
    return text_hash(o->uid) * 31 + text_hash(o->name) * 7 + text_hash(o->kind);
}

static struct owner_memo *owner_memo(struct store *s, int64_t ns_id, const struct owner *o,
                                     bool *ret_hit)
{
    uint64_t hash = owner_hash(o);
    struct owner_memo *m = &s->owners[hash % OWNERS];
    *ret_hit = m->hash == hash && m->ns_id == ns_id && strcmp(m->uid, o->uid) == 0;
    return m;
}

bool workload_by_name(const char *replicaset, const struct kvs *labels, struct arena *arena,
                      struct workload_key *ret)
{
    static const struct {
        const char *label;
        const char *kind;
    } makers[] = {{"rollouts-pod-template-hash", "Rollout"}, {"pod-template-hash", "Deployment"}};
    size_t len = strlen(replicaset);
    for (size_t i = 0; i < sizeof makers / sizeof makers[0]; i++) {
        const char *hash = kvs_get(labels, makers[i].label);
        size_t n = hash != NULL ? strlen(hash) : 0;
        if (n > 0 && len > n + 1 && strcmp(replicaset + len - n, hash) == 0 &&
            replicaset[len - n - 1] == '-') {
            ret->kind = makers[i].kind;
            ret->name = arena_strndup(arena, replicaset, len - n - 1);
            ret->uid = "";
            return true;
        }
    }
    return false;
}

/* No such ReplicaSet is stored. Where none can be read, the pod's own labels have to do. */
static bool without_replicaset(struct store *s, int64_t ns_id, const struct owner *owner,
                               const struct meta *self, int64_t *ret, struct err *err)
{
    const struct source_row *source = source_get(s, "kubernetes/replicasets.apps");
    if (source == NULL || source->state != SOURCE_DENIED || self == NULL) {
        return true;
    }
    struct workload_key key = {ns_id, "ReplicaSet", owner->name, owner->uid};
    (void)workload_by_name(owner->name, &self->labels, s->scratch, &key); /* else one of its own */
    return workload_ensure(s, key, ret, err);
}

/* Who controls a ReplicaSet, from its stored object. 0 when it is not known yet. */
static bool through_replicaset(struct store *s, int64_t ns_id, const struct owner *owner,
                               const struct meta *self, int64_t *ret, struct err *err)
{
    *ret = 0;
    sqlite3_stmt *st = db_get(&s->db, SQL_OBJECT_GET);
    db_bind(st, "iiit", s->cluster_id, (int64_t)KIND_REPLICASET, ns_id, owner->name);
    bool row = false;
    if (!db_step(&s->db, st, &row, err)) {
        return false;
    }
    if (!row) {
        return without_replicaset(s, ns_id, owner, self, ret, err);
    }
    size_t len = 0;
    bool same = strcmp(db_text(st, 2, NULL), owner->uid) == 0;
    const void *body = db_blob(st, 3, s->scratch, &len);
    (void)sqlite3_reset(st); /* the row was read */
    const struct kube_workload *rs =
        same ? apply_unpack(KIND_REPLICASET, body, len, "", s->scratch) : NULL;
    if (rs == NULL) {
        return without_replicaset(s, ns_id, owner, self, ret, err);
    }
    const struct owner *above = meta_controller(&rs->meta);
    return above != NULL
               ? workload_ensure(s,
                                 (struct workload_key){ns_id, above->kind, above->name, above->uid},
                                 ret, err)
               : workload_ensure(
                     s, (struct workload_key){ns_id, "ReplicaSet", owner->name, owner->uid}, ret,
                     err);
}

bool workload_of_owner(struct store *s, int64_t ns_id, const struct owner *owner,
                       const struct meta *self, int64_t *ret, struct err *err)
{
    if (owner == NULL) {
        return workload_ensure(s, (struct workload_key){ns_id, "Pod", self->name, self->uid}, ret,
                               err);
    }
    if (strcmp(owner->kind, "Job") == 0) {
        *ret = 0; /* it finishes: nothing rolls out */
        return true;
    }
    bool hit = false;
    struct owner_memo *memo = owner_memo(s, ns_id, owner, &hit);
    if (hit) {
        *ret = memo->workload_id;
        return true;
    }
    bool ok =
        strcmp(owner->kind, "ReplicaSet") == 0
            ? through_replicaset(s, ns_id, owner, self, ret, err)
            : workload_ensure(s, (struct workload_key){ns_id, owner->kind, owner->name, owner->uid},
                              ret, err);
    if (ok && *ret != 0 && strlen(owner->uid) < sizeof memo->uid) {
        memo->hash = owner_hash(owner);
        memo->ns_id = ns_id;
        memo->workload_id = *ret;
        (void)snprintf(memo->uid, sizeof memo->uid, "%s", owner->uid);
    }
    return ok;
}
