/* GET /events: the filter and where to start (sse.c does the rest). */
#include <stdlib.h>
#include <string.h>

#include "api/problem.h"
#include "api/query.h"
#include "api/selector.h"
#include "api/sse.h"

enum { NAMESPACES_MAX = 20 };

/* Last-Event-ID wins over since: an EventSource that comes back still has the old query. */
static int64_t start_of(struct exchange *x)
{
    int64_t since = query_int(x, "since", 0, INT64_MAX, -1);
    const char *text = x->req.last_event_id;
    size_t digits = strspn(text, "0123456789");
    if (text[0] == '\0') {
        return since;
    }
    /* one that is not ours: everything may have been missed */
    return digits <= 18 && text[digits] == '\0' ? strtoll(text, NULL, 10) : 0;
}

/* NULL when not given, or an error of x. */
static const struct selector *selector_of(struct exchange *x)
{
    struct err why = {0};
    const char *text = query_one(x, "labelSelector");
    if (text == NULL) {
        return NULL;
    }
    x->arena = arena_new(0);
    struct selector *selector = arena_zalloc(x->arena, sizeof *selector);
    if (!selector_parse(text, x->arena, selector, &why)) {
        query_error(x, "labelSelector", "%s", why.text);
    }
    return selector;
}

/* false: a problem in the reply */
static bool cluster_known(struct worker *w, struct exchange *x)
{
    struct err err = {0};
    int64_t id = 0;
    bool ok = reader_begin(w->reader, &err) && view_cluster(w, x, &id, NULL, &err);
    reader_end(w->reader);
    if (!ok && err.code == ERR_NOT_FOUND && query_one(x, "cluster") == NULL) {
        return true; /* not yet known: news of it will come */
    }
    if (!ok && x->n_errors == 0) {
        problem_of(x, &err);
    }
    return ok;
}

enum outcome get_events(struct worker *w, struct exchange *x)
{
    const char *namespaces[NAMESPACES_MAX];
    struct stream_filter filter = {.namespaces = namespaces,
                                   .n_namespaces =
                                       query_all(x, "namespace", namespaces, NAMESPACES_MAX),
                                   .kind = query_kind(x),
                                   .name = query_one(x, "name"),
                                   .states = query_states(x),
                                   .cause = query_one(x, "cause"),
                                   .q = query_one(x, "q"),
                                   .labels = selector_of(x)};
    int64_t since = start_of(x);
    bool known = cluster_known(w, x);
    if (x->n_errors > 0) {
        problem(x, PROBLEM_INVALID_PARAMETER, NULL);
        return OUTCOME_ANSWER;
    }
    if (!known || (!x->req.head && !sse_open(w, x, &filter, since))) {
        return OUTCOME_ANSWER;
    }
    x->reply.status = 200;
    x->reply.content_type = "text/event-stream";
    x->reply.cache_control = "no-store";
    reply_header(&x->reply, "x-accel-buffering", "no");
    return x->req.head ? OUTCOME_ANSWER : OUTCOME_STREAM;
}
