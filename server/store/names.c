/* Namespace names and ids, both ways, over the table `namespace` (see state.h). */
#include <string.h>

#include "base/mem.h"
#include "store/state.h"

enum { NAMES_MAX = 65536 };

void names_drop(struct store *s)
{
    struct names *n = &s->names;
    arena_free(n->arena);
    free(n->text);
    free(n->id);
    idmap_fini(&n->by_id);
    idmap_fini(&n->by_hash);
    *n = (struct names){0};
}

static void remember(struct store *s, const char *name, int64_t id)
{
    struct names *n = &s->names;
    if (n->n >= NAMES_MAX) {
        names_drop(s);
    }
    if (n->arena == NULL) {
        n->arena = arena_new(0);
    }
    n->text = xgrow(n->text, &n->cap_text, n->n + 1, sizeof *n->text);
    n->id = xgrow(n->id, &n->cap_id, n->n + 1, sizeof *n->id);
    n->text[n->n] = arena_strdup(n->arena, name);
    n->id[n->n] = id;
    (void)idmap_put(&n->by_id, id, (int64_t)n->n);
    (void)idmap_put(&n->by_hash, (int64_t)(text_hash(name) >> 1), (int64_t)n->n);
    n->n++;
}

bool names_find(struct store *s, const char *name, int64_t *ret, struct err *err)
{
    if (name[0] == '\0') {
        *ret = 0;
        return true;
    }
    int64_t at = idmap_get(&s->names.by_hash, (int64_t)(text_hash(name) >> 1), -1);
    if (at >= 0 && strcmp(s->names.text[at], name) == 0) {
        *ret = s->names.id[at];
        return true;
    }
    sqlite3_stmt *st = db_get(&s->db, SQL_NAMESPACE_ID);
    db_bind(st, "it", s->cluster_id, name);
    bool row = false;
    if (!db_step(&s->db, st, &row, err)) {
        return false;
    }
    *ret = row ? db_int(st, 0) : -1;
    (void)sqlite3_reset(st);
    if (row) {
        remember(s, name, *ret);
    }
    return true;
}

bool names_id(struct store *s, const char *name, int64_t *ret, struct err *err)
{
    if (!names_find(s, name, ret, err)) {
        return false;
    }
    if (*ret >= 0) {
        return true;
    }
    sqlite3_stmt *st = db_get(&s->db, SQL_NAMESPACE_ADD);
    db_bind(st, "it", s->cluster_id, name);
    if (!db_run(&s->db, st, err)) {
        return false;
    }
    *ret = sqlite3_last_insert_rowid(s->db.handle);
    remember(s, name, *ret);
    tx_touch_namespace(s, *ret);
    dirty_mark(s, DIRTY_NAMESPACE, *ret);
    return true;
}

const char *names_text(struct store *s, int64_t id)
{
    if (id == 0) {
        return "";
    }
    int64_t at = idmap_get(&s->names.by_id, id, -1);
    if (at >= 0) {
        return s->names.text[at];
    }
    sqlite3_stmt *st = db_get(&s->db, SQL_NAMESPACE_NAME);
    db_bind(st, "i", id);
    bool row = false;
    struct err ignored = {0}; /* a name for a message: the next write tells what is wrong */
    if (!db_step(&s->db, st, &row, &ignored) || !row) {
        return "";
    }
    remember(s, db_text(st, 0, NULL), id);
    (void)sqlite3_reset(st);
    return s->names.text[s->names.n - 1];
}
