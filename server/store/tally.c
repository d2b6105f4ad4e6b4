/*
 * Counters kept, not counted: every place that changes a counted column says so here; the sums are
 * written once at commit, for the namespace and for the whole cluster (ns_id 0).
 */
#include "store/state.h"

static int64_t key_of(int64_t ns_id, enum tally_what what, int64_t state)
{
    return ns_id * 64 + (int64_t)what * 16 + state;
}

void tally_add(struct store *s, int64_t ns_id, enum tally_what what, int64_t state, int64_t delta)
{
    if (delta == 0 || state < 0 || state > 15) {
        return;
    }
    idmap_add(&s->tallies, key_of(ns_id, what, state), delta);
    idmap_add(&s->tallies, key_of(0, what, state), delta);
}

bool tally_flush(struct store *s, struct err *err)
{
    size_t pos = 0;
    int64_t key = 0;
    int64_t delta = 0;
    while (idmap_next(&s->tallies, &pos, &key, &delta)) {
        if (delta == 0) {
            continue;
        }
        int64_t ns_id = key / 64;
        sqlite3_stmt *st = db_get(&s->db, SQL_TALLY_ADD);
        db_bind(st, "iiiii", s->cluster_id, ns_id, key % 64 / 16, key % 16, delta);
        if (!db_run(&s->db, st, err)) {
            return false;
        }
        s->commit.summary_changed = true;
        tx_visible(s);
        if (ns_id != 0) {
            tx_tell_namespace(s, ns_id);
        }
    }
    return true;
}
