/* GET /audit: what is wrong with gates, namespace by namespace (store/reader.h). */
#include <string.h>

#include "api/cursor.h"
#include "api/query.h"
#include "api/worker.h"

enum { Q_MAX = 253 };

static uint64_t scope_of(struct exchange *x, const char *namespace, const char *q)
{
    uint64_t h = cursor_scope(0, x->req.path);
    h = cursor_scope(cursor_scope(h, "namespace"), namespace != NULL ? namespace : "");
    return cursor_scope(cursor_scope(h, "q"), q != NULL ? q : "");
}

/* Not cached: findings of namespaces, and the objects behind the rest, change without news. */
static bool audit(struct worker *w, struct exchange *x, struct json_out *j, struct stamp *stamp,
                  struct err *err)
{
    struct page page;
    struct object_filter f = {.namespace = query_one(x, "namespace"), .q = query_one(x, "q")};
    uint64_t scope = scope_of(x, f.namespace, f.q);
    (void)stamp;
    if (f.q != NULL && strlen(f.q) > Q_MAX) {
        query_error(x, "q", "is longer than %d characters", Q_MAX);
    }
    view_page(w, x, scope, &page);
    if (x->n_errors > 0 || x->reply.status != 0 || !view_cluster(w, x, &f.cluster, NULL, err)) {
        return false;
    }
    json_key(j, "items");
    json_open(j, '[');
    if (!reader_audit(w->reader, &f, &page, j, err)) {
        return false;
    }
    json_close(j, ']');
    view_next(&page, scope, j);
    return reader_audit_cluster(w->reader, f.cluster, j, err);
}

enum outcome get_audit(struct worker *w, struct exchange *x)
{
    return view_answer(w, x, audit, VIEW_LIST);
}
