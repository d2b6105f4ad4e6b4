/* What a watch machine asks the API server for (see kube_watch.h). Pure. */
#include <inttypes.h>
#include <string.h>

#include <curl/curl.h>

#include "source/kube_watch.h"

bool kube_kind_namespaced(enum kind kind)
{
    return kind != KIND_NAMESPACE && kind != KIND_NODE && kind != KIND_WEBHOOK_CONFIG;
}

static void add_escaped(struct buf *path, const char *key, const char *value)
{
    char *escaped = curl_easy_escape(NULL, value, 0);
    (void)buf_addf(path, "&%s=%s", key, escaped);
    curl_free(escaped);
}

static void add_resource(const struct kube_watch *w, const char *namespace, struct buf *path)
{
    const struct kind_info *k = kind_info(w->kind);
    if (k->group[0] == '\0') {
        (void)buf_addf(path, "/api/%s", w->version);
    } else {
        (void)buf_addf(path, "/apis/%s/%s", k->group, w->version);
    }
    if (namespace[0] != '\0') {
        char *escaped = curl_easy_escape(NULL, namespace, 0);
        (void)buf_addf(path, "/namespaces/%s", escaped);
        curl_free(escaped);
    }
    (void)buf_addf(path, "/%s", k->resource);
}

/* Warnings only of events, and of leases only the controller's sign of life. */
static void add_selector(enum kind kind, struct buf *path)
{
    if (kind == KIND_EVENT) {
        add_escaped(path, "fieldSelector", "type!=Normal");
    } else if (kind == KIND_LEASE) {
        add_escaped(path, "fieldSelector", "metadata.name=aws-load-balancer-controller-leader");
    }
}

void kube_watch_path(const struct kube_watch *w, const struct watch_stream *s, int64_t seconds,
                     struct buf *path)
{
    add_resource(w, s->namespace, path);
    switch (s->mode) {
    case STREAM_PAGE: /* continuations must not repeat anything but the limit and the selector */
        (void)buf_addf(path, "?limit=%" PRId64, w->options->page_size);
        if (s->token != NULL) {
            add_escaped(path, "continue", s->token);
        } else if (s->exact) {
            add_escaped(path, "resourceVersion", s->rv);
            (void)buf_addz(path, "&resourceVersionMatch=Exact");
        }
        break;
    case STREAM_INITIAL:
        (void)buf_addf(path,
                       "?watch=1&allowWatchBookmarks=true&timeoutSeconds=%" PRId64
                       "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&resourceVersion=",
                       seconds);
        break;
    case STREAM_WATCH:
        (void)buf_addf(path, "?watch=1&allowWatchBookmarks=true&timeoutSeconds=%" PRId64, seconds);
        add_escaped(path, "resourceVersion", s->rv);
        break;
    }
    add_selector(w->kind, path);
}
