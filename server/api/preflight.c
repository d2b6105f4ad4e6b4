/* POST /preflight: manifests in, what would become of their gates out. Nothing is stored. */
#include "model/preflight.h"
#include "api/problem.h"
#include "api/query.h"
#include "api/worker.h"
#include "source/manifest.h"
#include "store/reader_facts.h"

enum { ANSWER_BYTES = 16 << 20 };

static bool judge(struct worker *w, struct exchange *x, struct json_out *j, struct err *err)
{
    int64_t cluster = 0;
    const char *cluster_name = NULL;
    struct list manifests;
    struct preflight p;
    const char *namespace = query_one(x, "namespace");
    if (!view_cluster(w, x, &cluster, &cluster_name, err)) {
        return false;
    }
    if (!manifest_read("body", x->req.body, x->req.body_len, reader_arena(w->reader), &manifests,
                       err) ||
        !reader_preflight(w->reader, cluster, namespace != NULL ? namespace : "default", &manifests,
                          &p, err)) {
        if (err->code == ERR_INPUT) {
            query_error(x, "body", "%s", err->text);
        }
        return false;
    }
    json_kstr(j, "cluster", cluster_name);
    preflight_json(&p, j);
    return true;
}

enum outcome post_preflight(struct worker *w, struct exchange *x)
{
    struct err err = {0};
    struct reply *r = &x->reply;
    buf_init(&r->tail, ANSWER_BYTES);
    struct json_out j = json_out(&r->tail);
    json_open(&j, '{');
    bool ok = reader_begin(w->reader, &err) && judge(w, x, &j, &err);
    reader_end(w->reader);
    ok = ok && x->n_errors == 0 && view_tail(w, VIEW_ONE, &r->tail, &err);
    if (ok && r->tail.overflow) {
        ok = err_set(&err, ERR_INPUT, "the answer is too large: ask about fewer objects");
    }
    if (ok) {
        r->status = 200;
        r->content_type = "application/json";
        r->cache_control = "no-store";
    } else if (x->n_errors > 0) {
        problem(x, PROBLEM_INVALID_PARAMETER, NULL);
    } else {
        problem_of(x, &err);
    }
    return OUTCOME_ANSWER;
}
