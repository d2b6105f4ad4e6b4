/*
 * Opening and closing the store (see store.h): the file is looked at, set aside if it is not a
 * whole store of ours, migrated forward, locked against a second writer, and the checkpoint thread
 * started.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "store/state.h"

enum { PACK_LIMIT = 8 << 20, STALE_AFTER_MS = 90000 };

const char *const write_sql[SQL_COUNT] = {
#define X(name, text) text,
#include "store/sql_write.def"
#if __has_include("store/sql_outbox.def")
#include "store/sql_outbox.def"
#endif
#undef X
};

/* One text a migration is longer than what C99 promises; gcc and clang take it. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverlength-strings"
static const struct migration migrations[] = {
#include "migrations.inc"
};
#pragma GCC diagnostic pop
enum { MIGRATIONS = sizeof migrations / sizeof migrations[0] };

/* A link stands for its file: the lock and the notes lie beside that, as SQLite's own files do. */
static char *path_of(const char *path)
{
    struct stat st;
    char *file = lstat(path, &st) == 0 && S_ISLNK(st.st_mode) ? realpath(path, NULL) : NULL;
    return file != NULL ? file : xstrdup(path);
}

/* SQLite opens what it may only read, and complains of the first statement that writes. */
static bool check_writable(const char *path, struct err *err)
{
    AUTO_FREE char *copy = xstrdup(path);
    const char *folder = dirname(copy); /* may be a text of its own */
    if (access(path, W_OK) != 0 && errno != ENOENT) {
        return err_set(err, ERR_STORE, "%s cannot be written: %s", path, strerror(errno));
    }
    return access(folder, W_OK) == 0 ||
           err_set(err, ERR_STORE, "the folder of %s cannot be written: %s", path, strerror(errno));
}

/* One writer a file: the lock goes with the process, also when it is killed. */
static bool lock_file(struct store *s, struct err *err)
{
    char name[4200];
    (void)snprintf(name, sizeof name, "%s.lock", s->path);
    s->lock_fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (s->lock_fd < 0) {
        return err_set(err, ERR_STORE, "%s: %s", name, strerror(errno));
    }
    if (flock(s->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        return err_set(err, ERR_BUSY, "%s: another gatehouse uses this database", s->path);
    }
    return true;
}

/* Leaves a file that can be opened, or none. */
static bool prepare_file(struct store *s, char **ret_note, struct err *err)
{
    char why[256] = "";
    switch (store_look_at_file(s->path, migrations[MIGRATIONS - 1].number, why, sizeof why, err)) {
    case FILE_FRESH:
        damage_forget(s->path); /* of an earlier file */
        return true;
    case FILE_OURS:
        if (!damage_noted(s->path, why, sizeof why)) {
            return true;
        }
        break;
    case FILE_NEWER:
    case FILE_FAILED:
        return err_wrap(err, "%s", s->path);
    case FILE_BAD:
        break;
    }
    char aside[4200];
    if (!store_set_aside(s->path, clock_unix_ms(), aside, sizeof aside, err)) {
        return false;
    }
    char note[4800];
    (void)snprintf(note, sizeof note, "%s is not usable (%s): set aside as %s, starting anew",
                   s->path, why, aside);
    *ret_note = xstrdup(note);
    return true;
}

static bool load_cluster(struct store *s, struct err *err)
{
    sqlite3_stmt *st = db_get(&s->db, SQL_CLUSTER_ADD);
    db_bind(st, "t", s->cluster_name);
    if (!db_run(&s->db, st, err)) {
        return false;
    }
    st = db_get(&s->db, SQL_CLUSTER_GET);
    db_bind(st, "t", s->cluster_name);
    bool row = false;
    if (!db_step(&s->db, st, &row, err)) {
        return false;
    }
    if (!row) {
        return err_set(err, ERR_STORE, "the cluster's row is missing");
    }
    s->cluster_id = db_int(st, 0);
    (void)snprintf(s->identity.uid, sizeof s->identity.uid, "%s", db_text(st, 1, NULL));
    (void)snprintf(s->identity.server, sizeof s->identity.server, "%s", db_text(st, 2, NULL));
    (void)snprintf(s->identity.version, sizeof s->identity.version, "%s", db_text(st, 3, NULL));
    (void)sqlite3_reset(st);
    return true;
}

static bool load_counter(struct store *s, const char *name, int64_t *ret, struct err *err)
{
    sqlite3_stmt *st = db_get(&s->db, SQL_COUNTER_GET);
    db_bind(st, "t", name);
    bool row = false;
    if (!db_step(&s->db, st, &row, err)) {
        return false;
    }
    *ret = row ? db_int(st, 0) : 0;
    (void)sqlite3_reset(st);
    return true;
}

static bool load_sync(struct store *s, struct err *err)
{
    sqlite3_stmt *st = db_get(&s->db, SQL_SYNC_ALL);
    db_bind(st, "i", s->cluster_id);
    bool row = false;
    for (;;) {
        if (!db_step(&s->db, st, &row, err)) {
            return false;
        }
        if (!row) {
            return true;
        }
        int64_t kind = db_int(st, 0);
        if (kind >= 0 && kind < KIND_COUNT) {
            (void)snprintf(s->kinds[kind].rv, RV_SIZE, "%s", db_text(st, 1, NULL));
            s->m_repaired += (uint64_t)db_int(st, 2);
        }
    }
}

/* What the field tables look like: other tables pack other bytes. */
static uint64_t shape_of(const struct field_table *t, uint64_t hash)
{
    hash = (hash ^ text_hash(t->name)) * HASH_PRIME + t->n;
    for (uint32_t i = 0; i < t->n; i++) {
        const struct field *f = &t->fields[i];
        hash = (hash ^ text_hash(f->json != NULL ? f->json : "")) * HASH_PRIME;
        hash = (hash ^ ((uint64_t)f->type << 32 ^ (uint64_t)f->absent)) * HASH_PRIME;
        hash = f->sub != NULL ? shape_of(f->sub, hash) : hash;
    }
    return hash;
}

static int64_t shape(void)
{
    uint64_t hash = PACK_VERSION;
    for (int i = 0; i < KIND_COUNT; i++) {
        hash = shape_of(kind_info((enum kind)i)->table, hash);
    }
    hash = shape_of(&elb_target_table, hash);
    hash = shape_of(&elb_group_table, hash);
    hash = shape_of(&elb_balancer_table, hash);
    return (int64_t)(hash >> 1);
}

/* Bodies written by another program version cannot be read: every kind is listed anew. What we
 * remember beyond the objects stays. */
static bool check_shape(struct store *s, struct err *err)
{
    static const char forget[] =
        "BEGIN IMMEDIATE; UPDATE object SET resource_version = '?', body = x'';"
        "UPDATE pod SET resource_version = '?', body = x'';"
        "UPDATE workload SET resource_version = '?', body = x'' WHERE body IS NOT NULL;"
        "UPDATE target SET body = x''; UPDATE target_group SET body = NULL; DELETE FROM balancer;"
        "UPDATE sync SET resource_version = ''; COMMIT";
    int64_t stored = 0;
    if (!load_counter(s, "shape", &stored, err)) {
        return false;
    }
    if (stored == shape()) {
        return true;
    }
    if (stored != 0 && !db_exec(&s->db, forget, err)) {
        (void)sqlite3_exec(s->db.handle, "ROLLBACK", NULL, NULL,
                           NULL); /* the first error is told */
        return false;
    }
    sqlite3_stmt *st = db_get(&s->db, SQL_COUNTER_PUT);
    db_bind(st, "ti", "shape", shape());
    return db_run(&s->db, st, err);
}

/* Ids of workloads are never used twice: history rows outlive them. */
static bool load_state(struct store *s, struct err *err)
{
    int64_t highest = 0;
    sqlite3_stmt *st = db_get(&s->db, SQL_WORKLOAD_MAX);
    bool row = false;
    if (!load_cluster(s, err) || !check_shape(s, err) || !db_step(&s->db, st, &row, err)) {
        return false;
    }
    highest = row ? db_int(st, 0) : 0;
    (void)sqlite3_reset(st);
    if (!load_counter(s, "revision", &s->revision, err) ||
        !load_counter(s, "workload_id", &s->next_workload_id, err) ||
        !load_counter(s, "controller_flip_at", &s->flip_at, err)) {
        return false;
    }
    s->next_workload_id = s->next_workload_id > highest ? s->next_workload_id : highest;
    s->workload_id_stored = s->next_workload_id;
    s->flip_at_stored = s->flip_at;
    return load_sync(s, err) && sources_load(s, err);
}

static bool open_database(struct store *s, const struct store_options *opt, struct err *err)
{
    if (!db_open(s->path, false, opt->cache_bytes, (struct sql_list){write_sql, SQL_COUNT}, &s->db,
                 err)) {
        return false;
    }
    /* A WAL that starts again keeps its blocks: the checkpoint thread alone cuts it. */
    static const char pragmas[] = "PRAGMA wal_autocheckpoint=0; PRAGMA journal_size_limit=-1";
    if (!opt->default_checkpointing && !db_exec(&s->db, pragmas, err)) {
        return false;
    }
    return store_migrate(&s->db, migrations, MIGRATIONS, err) && load_state(s, err);
}

/* See store_lost. */
static bool know_file(struct store *s, struct err *err)
{
    struct stat st;
    if (stat(s->path, &st) != 0) {
        return err_set(err, ERR_STORE, "%s: %s", s->path, strerror(errno));
    }
    s->file_dev = st.st_dev;
    s->file_ino = st.st_ino;
    return true;
}

bool store_open(const struct store_options *opt, struct store **ret, char **ret_note,
                struct err *err)
{
    struct store *s = xcalloc(1, sizeof *s);
    char *note = NULL;
    s->path = path_of(opt->path);
    s->cluster_name = xstrdup(opt->cluster_name);
    s->opened_at = clock_unix_ms();
    s->stale_after_ms = STALE_AFTER_MS;
    s->dirty.pending.is_set = true;
    s->feed_arena = arena_new(0);
    s->scratch = arena_new(0);
    buf_init(&s->pack, PACK_LIMIT);
    store_set_limits(s, opt->keep_history_ms, opt->keep_bytes);
    bool ok = check_writable(s->path, err) && lock_file(s, err) && prepare_file(s, &note, err) &&
              open_database(s, opt, err) && know_file(s, err) &&
              (opt->default_checkpointing ||
               checkpoint_start(s->path, opt->wal_limit_bytes, &s->m_commits, &s->listing,
                                &s->checkpoint, err));
    if (!ok) {
        (void)err_wrap(err, "store");
        store_close(s);
        free(note);
        return false;
    }
    *ret = s;
    *ret_note = note;
    return true;
}

/* What waits only for the next commit is written now, so that a restart resumes where we stand. */
static void write_last(struct store *s)
{
    struct err err = {0};
    struct commit c;
    if (s->db.handle == NULL || s->cluster_id == 0) {
        return;
    }
    store_rollback(s);
    if (store_begin(s, clock_unix_ms(), &err)) {
        bool written = sync_flush(s, true, &err) && store_commit(s, &c, &err);
        if (!written) { /* costs a few repeated events */
            store_rollback(s);
        }
    }
}

void store_close(struct store *s)
{
    if (s == NULL) {
        return;
    }
    write_last(s);
    checkpoint_stop(s->checkpoint);
    db_close(&s->db);
    facts_fini(s);
    names_drop(s);
    for (int i = 0; i < KIND_COUNT; i++) {
        idmap_fini(&s->lists[i].seen);
        idmap_fini(&s->lists_before[i].seen);
    }
    idmap_fini(&s->touched_rollouts);
    idmap_fini(&s->touched_namespaces);
    idmap_fini(&s->touched_groups);
    idmap_fini(&s->namespace_looks);
    idmap_fini(&s->tallies);
    idmap_fini(&s->group_seen_at);
    idmap_fini(&s->group_written_at);
    idmap_fini(&s->dirty.pending);
    free(s->dirty.keys);
    free(s->dirty.taken);
    free(s->sources);
    free(s->feed);
    free(s->cols);
    arena_free(s->feed_arena);
    arena_free(s->scratch);
    arena_free(s->injector_arena);
    buf_fini(&s->pack);
    if (s->lock_fd > 0) {
        (void)close(s->lock_fd);
    }
    free(s->path);
    free(s->cluster_name);
    free(s);
}

bool store_resume(struct store *s, struct arena *a, struct store_resume *ret, struct err *err)
{
    (void)err; /* everything was read at open */
    for (int i = 0; i < KIND_COUNT; i++) {
        ret->resource_version[i] = arena_strdup(a, s->kinds[i].rv);
    }
    ret->cluster_uid = arena_strdup(a, s->identity.uid);
    return true;
}

struct db *store_db(struct store *s)
{
    return &s->db;
}

int64_t store_now(const struct store *s)
{
    return s->now;
}

int64_t store_cluster_id(const struct store *s)
{
    return s->cluster_id;
}

void store_set_limits(struct store *s, int64_t keep_history_ms, int64_t keep_bytes)
{
    atomic_store(&s->keep_history_ms, keep_history_ms);
    atomic_store(&s->keep_bytes, keep_bytes);
}

void store_set_stale_after(struct store *s, int64_t stale_after_ms)
{
    s->stale_after_ms = stale_after_ms;
}
