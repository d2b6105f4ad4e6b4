/*
 * The store: SQLite in WAL mode, one writer, one read connection per reader. All SQL stands in the
 * lists of store/sql_*.def; callers name statements by enum only inside this folder, and functions
 * outside it.
 *
 * Writing: struct store (writer thread only). Reading: struct reader (its own thread only); a
 * reader opens a snapshot, reads, closes it, and never keeps one over a network write.
 */
#ifndef GATEHOUSE_STORE_STORE_H
#define GATEHOUSE_STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/own.h"
#include "model/change.h"
#include "model/model.h"

struct store;
struct reader;

struct store_options {
    const char *path;
    const char *cluster_name;
    int64_t cache_bytes;        /* page cache of the writer */
    int64_t wal_limit_bytes;    /* a truncating checkpoint past this */
    int64_t keep_history_ms;    /* age limit of transitions, revisions, ended findings, alerts,
                                   deliveries */
    int64_t keep_bytes;         /* size limit of the file; oldest history goes first */
    bool default_checkpointing; /* benchmark only: SQLite's own autocheckpoint in the writer */
};

/* Opens or creates, migrates forward. A file that is corrupt, foreign (not ours) or of a newer
 * version is set aside as FILE.set-aside-TIME with a message in *ret_note (caller frees, NULL =
 * nothing to say), and a fresh one is made; a newer version is ERR_STORE instead (nothing is
 * touched). Thread: main before start; afterwards the writer only. */
bool store_open(const struct store_options *opt, struct store **ret, char **ret_note,
                struct err *err) MUST_CHECK;
void store_close(struct store *s);

#endif
