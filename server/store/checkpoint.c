/*
 * The checkpoint thread: moves committed pages from the WAL into the file, so that the writer never
 * does (the p99 of a commit is the checkpoint, not the commit). PASSIVE every 200 ms while commits
 * come, but not within the limit while a list does: the list's next commits write many of the same
 * pages again. Under commits without a pause PASSIVE never quite catches up, so the WAL would grow
 * for ever: past the limit the thread first does all the work that stops nobody (moves what there
 * is, waits for the disk, again until little is left), and only then asks for a RESTART or
 * TRUNCATE, which holds the writer for the rest. It gives up after a few milliseconds when a reader
 * still needs the WAL: the next round tries again.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/state.h"

enum { EVERY_MS = 200, PATIENCE_MS = 20, FRAME_BYTES = 4096 + 24, ROUNDS = 6, FEW_FRAMES = 500 };

struct checkpoint {
    sqlite3 *handle;
    char *wal;
    int64_t limit;
    const _Atomic uint64_t *commits; /* the writer's count */
    const _Atomic bool *listing;     /* the writer takes a list in */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stop; /* under lock */
    bool failing;
    _Atomic uint64_t done;
    _Atomic uint64_t failed;
};

/* Called while a lock is taken: waits one millisecond at a time, a few times. */
static int be_patient(void *arg, int times)
{
    (void)arg;
    if (times >= PATIENCE_MS) {
        return 0;
    }
    clock_sleep_ms(1);
    return 1;
}

static int64_t wal_bytes(const struct checkpoint *c)
{
    struct stat st;
    return stat(c->wal, &st) == 0 ? (int64_t)st.st_size : 0;
}

static void tell(struct checkpoint *c, int rc)
{
    bool bad = rc != SQLITE_OK && rc != SQLITE_BUSY && rc != SQLITE_LOCKED;
    atomic_fetch_add(bad ? &c->failed : &c->done, 1);
    if (bad) {
        damage_note(c->handle);
    }
    if (bad && !c->failing) {
        log_warn("checkpoint", "error=\"%s\" next=\"trying again, the WAL grows meanwhile\"",
                 sqlite3_errmsg(c->handle));
    } else if (!bad && c->failing) {
        log_info("checkpoint", "state=ok");
    }
    c->failing = bad;
}

/* Waits for the disk with no lock held: what a blocking checkpoint syncs later is little. */
static void settle_file(struct checkpoint *c, int op)
{
    sqlite3_file *f = NULL;
    int rc = sqlite3_file_control(c->handle, "main", op, &f);
    if (rc == SQLITE_OK && f != NULL && f->pMethods != NULL) {
        (void)f->pMethods->xSync(f, SQLITE_SYNC_NORMAL); /* the checkpoint itself tells errors */
    }
}

/* One PASSIVE; the frames of the WAL and those not yet moved. */
static int passive(struct checkpoint *c, int *ret_frames, int *ret_left)
{
    int frames = 0;
    int moved = 0;
    int rc = sqlite3_wal_checkpoint_v2(c->handle, NULL, SQLITE_CHECKPOINT_PASSIVE, &frames, &moved);
    *ret_frames = frames > 0 ? frames : 0;
    *ret_left = frames > moved ? frames - moved : 0;
    return rc;
}

static void run(struct checkpoint *c)
{
    int frames = 0;
    int left = 0;
    int rc = passive(c, &frames, &left);
    if (rc == SQLITE_OK && (int64_t)frames * FRAME_BYTES > c->limit) {
        for (int i = 0; rc == SQLITE_OK && i < ROUNDS && (i == 0 || left > FEW_FRAMES); i++) {
            settle_file(c, SQLITE_FCNTL_JOURNAL_POINTER);
            settle_file(c, SQLITE_FCNTL_FILE_POINTER);
            rc = passive(c, &frames, &left);
        }
        /* A file that one huge transaction made is cut; else its blocks are used again. */
        bool cut = wal_bytes(c) > c->limit * 3 / 2;
        bool urgent = (int64_t)frames * FRAME_BYTES > c->limit * 4;
        if (rc == SQLITE_OK && (left <= FEW_FRAMES || urgent)) {
            rc = sqlite3_wal_checkpoint_v2(
                c->handle, NULL, cut ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_RESTART,
                &frames, &left);
        }
    }
    tell(c, rc);
}

/* false when it is time to stop. */
static bool wait_turn(struct checkpoint *c)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += EVERY_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    (void)pthread_mutex_lock(&c->lock);
    if (!c->stop) {
        (void)pthread_cond_timedwait(&c->wake, &c->lock, &until); /* early is fine */
    }
    bool go_on = !c->stop;
    (void)pthread_mutex_unlock(&c->lock);
    return go_on;
}

static void *checkpoint_main(void *arg)
{
    struct checkpoint *c = arg;
    uint64_t seen = 0;
    log_name_thread("checkpoint");
    while (wait_turn(c)) {
        uint64_t commits = atomic_load(c->commits);
        if (commits != seen && (!atomic_load(c->listing) || wal_bytes(c) > c->limit)) {
            run(c);
            seen = commits;
        }
    }
    return NULL;
}

bool checkpoint_start(const char *path, int64_t wal_limit_bytes, const _Atomic uint64_t *commits,
                      const _Atomic bool *listing, struct checkpoint **ret, struct err *err)
{
    struct checkpoint *c = xcalloc(1, sizeof *c);
    c->limit = wal_limit_bytes;
    c->commits = commits;
    c->listing = listing;
    c->wal = xmalloc(strlen(path) + 5);
    (void)sprintf(c->wal, "%s-wal", path);
    (void)pthread_mutex_init(&c->lock, NULL);
    clock_cond_init(&c->wake);
    int rc = sqlite3_open_v2(path, &c->handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc == SQLITE_OK) {
        (void)sqlite3_busy_handler(c->handle, be_patient, NULL);
        rc = sqlite3_exec(c->handle, "PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=0", NULL,
                          NULL, NULL);
    }
    int failed = rc == SQLITE_OK ? pthread_create(&c->thread, NULL, checkpoint_main, c) : 0;
    if (rc == SQLITE_OK && failed == 0) {
        *ret = c;
        return true;
    }
    (void)err_set(err, ERR_STORE, "checkpoint thread: %s",
                  rc != SQLITE_OK ? sqlite3_errstr(rc) : strerror(failed));
    (void)sqlite3_close(c->handle);
    free(c->wal);
    free(c);
    return false;
}

void checkpoint_stop(struct checkpoint *c)
{
    if (c == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&c->lock);
    c->stop = true;
    (void)pthread_cond_signal(&c->wake);
    (void)pthread_mutex_unlock(&c->lock);
    (void)pthread_join(c->thread, NULL);
    (void)sqlite3_close(c->handle);
    (void)pthread_mutex_destroy(&c->lock);
    (void)pthread_cond_destroy(&c->wake);
    free(c->wal);
    free(c);
}

void checkpoint_metrics(struct checkpoint *c, struct store_metrics *ret)
{
    if (c != NULL) {
        ret->checkpoints = atomic_load(&c->done);
        ret->checkpoint_failures = atomic_load(&c->failed);
    }
}
