/* The lists and single objects: summary, namespaces, rollouts, services, bindings, target groups,
 * alerts, deliveries. Each view reads its parameters, names what its body rests on, and renders. */
#include <stdlib.h>
#include <string.h>

#include "api/cursor.h"
#include "api/problem.h"
#include "api/query.h"
#include "api/selector.h"
#include "api/worker.h"
#include "base/clock.h"

enum { NAMESPACES_MAX = 20, Q_MAX = 253 };

static const char *query_q(struct exchange *x)
{
    const char *q = query_one(x, "q");
    if (q != NULL && strlen(q) > Q_MAX) {
        query_error(x, "q", "is longer than %d characters", Q_MAX);
    }
    return q;
}

/* The list and all its filters as sent, but for limit and cursor. */
static uint64_t list_scope(const struct exchange *x)
{
    uint64_t h = cursor_scope(0, x->req.path);
    for (unsigned i = 0; i < x->req.n_params; i++) {
        const struct param *p = &x->req.params[i];
        if (strcmp(p->name, "limit") != 0 && strcmp(p->name, "cursor") != 0) {
            h = cursor_scope(cursor_scope(h, p->name), p->value);
        }
    }
    return h;
}

static bool may_read(const struct exchange *x)
{
    return x->n_errors == 0 && x->reply.status == 0;
}

static void open_items(struct json_out *j)
{
    json_key(j, "items");
    json_open(j, '[');
}

static void close_items(const struct page *page, uint64_t scope, struct json_out *j)
{
    json_close(j, ']');
    view_next(page, scope, j);
}

/* ---- summary ---- */

static bool summary(struct worker *w, struct exchange *x, struct json_out *j, struct stamp *stamp,
                    struct err *err)
{
    int64_t cluster = 0;
    const char *name = "";
    struct tallies t = {0};
    if (!view_cluster(w, x, &cluster, &name, err)) {
        /* before the first word from Kubernetes there is nothing to count, and that is an answer */
        if (err->code != ERR_NOT_FOUND || query_one(x, "cluster") != NULL) {
            return false;
        }
        name = w->config->cluster;
    } else if (!reader_tallies(w->reader, cluster, 0, &t, err)) {
        return false;
    }
    stamp_add(stamp, SCOPE_SUMMARY, 0);
    json_kstr(j, "version", GATEHOUSE_VERSION);
    json_kstr(j, "cluster", name);
    tallies_json(&t, j);
    json_key(j, "findings");
    json_open(j, '{');
    for (int i = SEVERITY_COUNT - 1; i >= 0; i--) {
        json_kint(j, severity_name((enum severity)i), t.findings[i]);
    }
    json_close(j, '}');
    return true;
}

enum outcome get_summary(struct worker *w, struct exchange *x)
{
    return view_answer(w, x, summary, VIEW_SUMMARY);
}

/* ---- namespaces ---- */

static bool namespaces(struct worker *w, struct exchange *x, struct json_out *j,
                       struct stamp *stamp, struct err *err)
{
    int64_t cluster = 0;
    struct page page;
    uint64_t scope = list_scope(x);
    const char *q = query_q(x);
    view_page(w, x, scope, &page);
    if (!may_read(x) || !view_cluster(w, x, &cluster, NULL, err)) {
        return false;
    }
    stamp_add(stamp, SCOPE_SUMMARY, 0);
    stamp_add(stamp, SCOPE_LIST, 0);
    open_items(j);
    if (!reader_namespaces(w->reader, cluster, q, &page, j, err)) {
        return false;
    }
    close_items(&page, scope, j);
    return true;
}

enum outcome get_namespaces(struct worker *w, struct exchange *x)
{
    return view_answer(w, x, namespaces, VIEW_LIST);
}

static bool namespace(struct worker *w, struct exchange *x, struct json_out *j, struct stamp *stamp,
                      struct err *err)
{
    int64_t cluster = 0;
    (void)stamp; /* findings of a namespace come without news of their own: rendered each time */
    return view_cluster(w, x, &cluster, NULL, err) &&
           reader_namespace(w->reader, cluster, x->req.args[0], true, j, err);
}

enum outcome get_namespace(struct worker *w, struct exchange *x)
{
    return view_answer(w, x, namespace, VIEW_ONE);
}

/* ---- rollouts ---- */

/* The filter's texts are borrowed from the exchange, namespaces and selector from the reader. */
static bool rollout_filter(struct worker *w, struct exchange *x, struct rollout_filter *ret)
{
    struct arena *a = reader_arena(w->reader);
    const char **names = arena_array(a, const char *, NAMESPACES_MAX);
    *ret = (struct rollout_filter){.namespaces = names,
                                   .states = query_states(x),
                                   .kind = query_kind(x),
                                   .cause = query_one(x, "cause"),
                                   .q = query_q(x)};
    if (x->req.args[0] != NULL) {
        names[0] = x->req.args[0];
        ret->n_namespaces = 1;
    } else {
        ret->n_namespaces = query_all(x, "namespace", names, NAMESPACES_MAX);
    }
    const char *labels = query_one(x, "labelSelector");
    if (labels != NULL) {
        struct err why = {0};
        struct selector *selector = arena_zalloc(a, sizeof *selector);
        if (!selector_parse(labels, a, selector, &why)) {
            query_error(x, "labelSelector", "%s", why.text);
        }
        ret->labels = selector;
    }
    return may_read(x);
}

static bool rollouts(struct worker *w, struct exchange *x, struct json_out *j, struct stamp *stamp,
                     struct err *err)
{
    struct rollout_filter filter;
    struct page page;
    uint64_t scope = list_scope(x);
    view_page(w, x, scope, &page);
    if (!rollout_filter(w, x, &filter) || !view_cluster(w, x, &filter.cluster, NULL, err)) {
        return false;
    }
    if (x->req.args[0] != NULL) {
        int64_t ns_id = 0;
        if (!reader_namespace_id(w->reader, filter.cluster, x->req.args[0], &ns_id, err)) {
            return false;
        }
        if (ns_id != 0) { /* one that is not there yet has no number: not cached */
            stamp_add(stamp, SCOPE_NAMESPACE, ns_id);
        }
    } else {
        stamp_add(stamp, SCOPE_LIST, 0);
    }
    open_items(j);
    if (!reader_rollouts(w->reader, &filter, &page, j, err)) {
        return false;
    }
    close_items(&page, scope, j);
    return true;
}

enum outcome get_rollouts(struct worker *w, struct exchange *x)
{
    return view_answer(w, x, rollouts, VIEW_LIST);
}

/* ---- services, bindings, target groups ---- */

typedef bool objects_fn(struct reader *r, const struct object_filter *f, struct page *page,
                        struct json_out *j, struct err *err);

/* Not cached: these objects change without news. Their ETag is of their content all the same. */
static bool objects(struct worker *w, struct exchange *x, struct json_out *j, objects_fn *read,
                    struct err *err)
{
    struct page page;
    uint64_t scope = list_scope(x);
    struct object_filter f = {.namespace = query_one(x, "namespace"), .q = query_q(x)};
    view_page(w, x, scope, &page);
    if (!may_read(x) || !view_cluster(w, x, &f.cluster, NULL, err)) {
        return false;
    }
    open_items(j);
    if (!read(w->reader, &f, &page, j, err)) {
        return false;
    }
    close_items(&page, scope, j);
    return true;
}

static bool services(struct worker *w, struct exchange *x, struct json_out *j, struct stamp *stamp,
                     struct err *err)
{
    (void)stamp;
    return objects(w, x, j, reader_services, err);
}

static bool bindings(struct worker *w, struct exchange *x, struct json_out *j, struct stamp *stamp,
                     struct err *err)
{
    (void)stamp;
    return objects(w, x, j, reader_bindings, err);
}

static bool groups(struct worker *w, struct exchange *x, struct json_out *j, struct stamp *stamp,
                   struct err *err)
{
    (void)stamp;
    return objects(w, x, j, reader_groups, err);
}

enum outcome get_services(struct worker *w, struct exchange *x)
{
    return view_answer(w, x, services, VIEW_LIST);
}

enum outcome get_bindings(struct worker *w, struct exchange *x)
{
    return view_answer(w, x, bindings, VIEW_LIST);
}

enum outcome get_groups(struct worker *w, struct exchange *x)
{
    return view_answer(w, x, groups, VIEW_LIST);
}

/* The id in the path; 0 when it is no number: then there is no such thing. */
static int64_t path_id(const struct exchange *x)
{
    const char *text = x->req.args[0];
    size_t digits = strspn(text, "0123456789");
    return digits > 0 && digits <= 18 && text[digits] == '\0' ? strtoll(text, NULL, 10) : 0;
}

static bool group(struct worker *w, struct exchange *x, struct json_out *j, struct stamp *stamp,
                  struct err *err)
{
    int64_t cluster = 0;
    (void)stamp;
    return view_cluster(w, x, &cluster, NULL, err) &&
           reader_group(w->reader, cluster, path_id(x), j, err);
}

enum outcome get_group(struct worker *w, struct exchange *x)
{
    return view_answer(w, x, group, VIEW_ONE);
}

/* ---- alerts and deliveries ---- */

static bool alerts(struct worker *w, struct exchange *x, struct json_out *j, struct stamp *stamp,
                   struct err *err)
{
    struct page page;
    uint64_t scope = list_scope(x);
    (void)stamp;
    int word = query_word(x, "state", "firing|ended", -1);
    struct alert_filter f = {.firing = word < 0 ? -1 : word == 0,
                             .namespace = query_one(x, "namespace")};
    view_page(w, x, scope, &page);
    if (!may_read(x) || !view_cluster(w, x, &f.cluster, NULL, err)) {
        return false;
    }
    open_items(j);
    if (!reader_alerts(w->reader, &f, &page, j, err)) {
        return false;
    }
    close_items(&page, scope, j);
    return true;
}

enum outcome get_alerts(struct worker *w, struct exchange *x)
{
    return view_answer(w, x, alerts, VIEW_LIST);
}

static bool deliveries(struct worker *w, struct exchange *x, struct json_out *j,
                       struct stamp *stamp, struct err *err)
{
    struct page page;
    uint64_t scope = list_scope(x);
    (void)stamp;
    int state = query_word(x, "state", "pending|delivered|dead|dropped", -1);
    int64_t alert = query_int(x, "alert", 1, INT64_MAX, 0);
    view_page(w, x, scope, &page);
    if (!may_read(x)) {
        return false;
    }
    open_items(j);
    if (!reader_deliveries(w->reader, state, alert, &page, j, err)) {
        return false;
    }
    close_items(&page, scope, j);
    return true;
}

enum outcome get_deliveries(struct worker *w, struct exchange *x)
{
    return view_answer(w, x, deliveries, VIEW_LIST);
}

static bool delivery(struct worker *w, struct exchange *x, struct json_out *j, struct stamp *stamp,
                     struct err *err)
{
    (void)stamp;
    return reader_delivery(w->reader, path_id(x), j, err);
}

enum outcome get_delivery(struct worker *w, struct exchange *x)
{
    return view_answer(w, x, delivery, VIEW_ONE);
}

/* Is there such a delivery? A problem in the reply when not. */
static bool delivery_exists(struct worker *w, struct exchange *x, int64_t id)
{
    struct err err = {0};
    AUTO(buf) b = BUF_INIT(1 << 20);
    struct json_out j = json_out(&b);
    bool ok = reader_begin(w->reader, &err) && reader_delivery(w->reader, id, &j, &err);
    reader_end(w->reader);
    if (!ok) {
        problem_of(x, &err);
    }
    return ok;
}

enum outcome post_redeliver(struct worker *w, struct exchange *x)
{
    int64_t id = path_id(x);
    if (!delivery_exists(w, x, id)) {
        return OUTCOME_ANSWER;
    }
    struct change *c = change_new(CHANGE_COMMAND, 0);
    c->command = COMMAND_REDELIVER;
    c->number = id;
    c->received_at = clock_unix_ms();
    if (queue_try_push(w->shared->opt.writer_in, c, change_weight(c)) != QUEUE_OK) {
        change_free(c);
        problem(x, PROBLEM_UNAVAILABLE, "the writer's queue is full");
        return OUTCOME_ANSWER;
    }
    struct reply *r = &x->reply;
    buf_init(&r->tail, 256);
    struct json_out j = json_out(&r->tail);
    json_open(&j, '{');
    json_kint(&j, "id", id);
    json_kstr(&j, "state", "pending");
    json_ktime(&j, "now", clock_unix_ms());
    json_close(&j, '}');
    r->status = 202;
    r->content_type = "application/json";
    r->cache_control = "no-store";
    return OUTCOME_ANSWER;
}
