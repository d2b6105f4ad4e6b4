/*
 * Health and reload. Alive: this loop answers. Ready: the store takes writes and, where a cluster
 * is watched, every kind has been listed once; a source that is silent now does not make the server
 * unready, since it goes on serving what it knows and says how old it is.
 */
#include <string.h>

#include "api/problem.h"
#include "api/query.h"
#include "api/worker.h"
#include "base/clock.h"

enum { CHECK_BYTES = 16 << 10 };

static enum outcome text(struct exchange *x, int status, struct buf *body)
{
    struct reply *r = &x->reply;
    buf_fini(&r->tail);
    r->tail = *body;
    *body = (struct buf)BUF_INIT(CHECK_BYTES);
    r->status = status;
    r->content_type = "text/plain; charset=utf-8";
    r->cache_control = "no-store";
    return OUTCOME_ANSWER;
}

static enum outcome fine(struct exchange *x, const char *line)
{
    AUTO(buf) b = BUF_INIT(CHECK_BYTES);
    (void)buf_addz(&b, line);
    return text(x, 200, &b);
}

enum outcome get_livez(struct worker *w, struct exchange *x)
{
    (void)w;
    for (unsigned i = 0; i < x->req.n_params; i++) { /* "?verbose" has no value */
        if (strcmp(x->req.params[i].name, "verbose") == 0) {
            return fine(x, "[+]loop ok\nlivez check passed\n");
        }
    }
    return fine(x, "ok\n");
}

enum outcome get_healthy(struct worker *w, struct exchange *x)
{
    (void)w;
    return fine(x, "gatehouse is healthy.\n");
}

static void check(struct buf *out, bool *all, const char *name, bool ok, const char *why)
{
    *all = *all && ok;
    (void)buf_addf(out, ok ? "[+]%s ok\n" : "[-]%s failed: %s\n", name, why);
}

bool writer_lives(const struct writer_metrics *m)
{
    enum { DEAD_MS = 60000 }; /* a list of a hundred thousand pods takes seconds, not a minute */
    return clock_mono_ms() - m->beat_ms < DEAD_MS;
}

/* Every check on its line. Returns whether all hold. */
static bool ready(struct worker *w, struct buf *out)
{
    bool all = true;
    char why[512] = "";
    struct err err = {0};
    struct writer_metrics m = {0};
    AUTO(buf) tail = BUF_INIT(0);
    bool has_writer = w->shared->writer != NULL;
    if (has_writer) {
        writer_metrics(w->shared->writer, &m);
        (void)writer_error(w->shared->writer, why, sizeof why);
    }
    check(out, &all, "writer", has_writer && writer_lives(&m),
          "it has not gone round for a minute");
    check(out, &all, "store", !m.failing, why);
    bool readable = view_tail(w, VIEW_LIST, &tail, &err);
    check(out, &all, "reader", readable, err.text);
    if (w->config->kube_enabled) {
        check(out, &all, "settled", m.settled, "the first full list is not complete");
    }
    if (readable && w->tail.kube_state >= 0 && w->tail.kube_state != SOURCE_OK) {
        (void)buf_addf(out, "[i]kubernetes is %s: answers say how old they are\n",
                       source_state_name((enum source_state)w->tail.kube_state));
    } else if (readable && w->tail.kube_state == SOURCE_OK) {
        (void)buf_addz(out, "[+]kubernetes ok\n");
    }
    return all;
}

enum outcome get_readyz(struct worker *w, struct exchange *x)
{
    AUTO(buf) b = BUF_INIT(CHECK_BYTES);
    bool ok = ready(w, &b);
    bool verbose = false;
    for (unsigned i = 0; i < x->req.n_params; i++) { /* "?verbose" has no value */
        verbose = verbose || strcmp(x->req.params[i].name, "verbose") == 0;
    }
    if (ok && !verbose) {
        return fine(x, "ok\n");
    }
    (void)buf_addf(&b, "readyz check %s\n", ok ? "passed" : "failed");
    return text(x, ok ? 200 : 503, &b);
}

enum outcome get_ready(struct worker *w, struct exchange *x)
{
    AUTO(buf) b = BUF_INIT(CHECK_BYTES);
    if (ready(w, &b)) {
        return fine(x, "gatehouse is ready.\n");
    }
    return text(x, 503, &b);
}

enum outcome post_reload(struct worker *w, struct exchange *x)
{
    struct err err = {0};
    AUTO(buf) restart = BUF_INIT(4096);
    AUTO(buf) told = BUF_INIT(CHECK_BYTES);
    const struct api_options *opt = &w->shared->opt;
    if (opt->reload == NULL) {
        problem(x, PROBLEM_UNAVAILABLE, "this server has no configuration to load");
    } else if (!opt->reload(opt->reload_arg, &restart, &err)) {
        problem(x, PROBLEM_CONFIG_INVALID, err.text); /* names file and line; the old one stays */
    } else {
        bool waits = restart.len > 0;
        (void)buf_addf(&told, "reloaded%s%s\n", waits ? "; these wait for a restart: " : "",
                       waits ? buf_str(&restart) : "");
        return text(x, 200, &told);
    }
    return OUTCOME_ANSWER;
}

enum outcome get_openapi_yaml(struct worker *w, struct exchange *x)
{
    return view_body(x, body_ref(w->shared->openapi_yaml), "application/yaml", "no-cache");
}

enum outcome get_openapi_json(struct worker *w, struct exchange *x)
{
    return view_body(x, body_ref(w->shared->openapi_json), "application/json", "no-cache");
}
