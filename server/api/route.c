/* The route table (see route.h): the whole interface on one screen. */
#include "api/route.h"

#include <string.h>

#include "api/problem.h"
#include "api/query.h"

#define V1      "/api/v1"
#define ROLLOUT V1 "/namespaces/{}/rollouts/{}/{}"
#define PAGE    "limit cursor"
#define FILTERS "state kind cause q labelSelector"

static const struct route routes[] = {
    {METHOD_GET, V1 "/summary", get_summary, "cluster", ACCESS_TOKEN},
    {METHOD_GET, V1 "/namespaces", get_namespaces, "cluster q " PAGE, ACCESS_TOKEN},
    {METHOD_GET, V1 "/namespaces/{}", get_namespace, "cluster", ACCESS_TOKEN},
    {METHOD_GET, V1 "/rollouts", get_rollouts, "cluster namespace " FILTERS " " PAGE, ACCESS_TOKEN},
    {METHOD_GET, V1 "/namespaces/{}/rollouts", get_rollouts, "cluster " FILTERS " " PAGE,
     ACCESS_TOKEN},
    {METHOD_GET, ROLLOUT, get_rollout, "cluster revision", ACCESS_TOKEN},
    {METHOD_GET, ROLLOUT "/pods", get_pods, "cluster " PAGE, ACCESS_TOKEN},
    {METHOD_GET, ROLLOUT "/timeline", get_timeline, "cluster " PAGE, ACCESS_TOKEN},
    {METHOD_GET, ROLLOUT "/history", get_history, "cluster " PAGE, ACCESS_TOKEN},
    {METHOD_GET, ROLLOUT "/explain", get_explain, "cluster", ACCESS_TOKEN},
    {METHOD_GET, ROLLOUT "/wait", get_wait, "cluster for revision image generation index timeout",
     ACCESS_TOKEN},
    {METHOD_GET, ROLLOUT "/gate", get_gate, "cluster revision image generation", ACCESS_TOKEN},
    {METHOD_GET, V1 "/namespaces/{}/pods/{}", get_pod, "cluster", ACCESS_TOKEN},
    {METHOD_GET, V1 "/services", get_services, "cluster namespace q " PAGE, ACCESS_TOKEN},
    {METHOD_GET, V1 "/bindings", get_bindings, "cluster namespace q " PAGE, ACCESS_TOKEN},
    {METHOD_GET, V1 "/targetgroups", get_groups, "cluster q " PAGE, ACCESS_TOKEN},
    {METHOD_GET, V1 "/targetgroups/{}", get_group, "cluster", ACCESS_TOKEN},
    {METHOD_GET, V1 "/alerts", get_alerts, "cluster state namespace " PAGE, ACCESS_TOKEN},
    {METHOD_GET, V1 "/deliveries", get_deliveries, "state alert " PAGE, ACCESS_TOKEN},
    {METHOD_GET, V1 "/deliveries/{}", get_delivery, "", ACCESS_TOKEN},
    {METHOD_POST, V1 "/deliveries/{}/redeliver", post_redeliver, "", ACCESS_TOKEN},
    {METHOD_GET, V1 "/events", get_events, "cluster namespace kind name state cause q since",
     ACCESS_TOKEN},
    {METHOD_GET, V1 "/openapi.yaml", get_openapi_yaml, "", ACCESS_OPEN},
    {METHOD_GET, V1 "/openapi.json", get_openapi_json, "", ACCESS_OPEN},
    {METHOD_GET, "/metrics", get_metrics, "", ACCESS_TOKEN},
    {METHOD_GET, "/livez", get_livez, "verbose", ACCESS_OPEN},
    {METHOD_GET, "/readyz", get_readyz, "verbose", ACCESS_OPEN},
    {METHOD_GET, "/healthz", get_livez, "verbose", ACCESS_OPEN},
    {METHOD_GET, "/-/healthy", get_healthy, "", ACCESS_OPEN},
    {METHOD_GET, "/-/ready", get_ready, "", ACCESS_OPEN},
    {METHOD_POST, "/-/reload", post_reload, "", ACCESS_TOKEN},
};
enum { ROUTES = sizeof routes / sizeof routes[0] };

const struct route *route_all(size_t *ret_n)
{
    *ret_n = ROUTES;
    return routes;
}

static bool matches(const char *pattern, struct request *req)
{
    unsigned arg = 0;
    for (unsigned i = 0; i < req->n_segments; i++) {
        if (*pattern != '/') {
            return false;
        }
        pattern++;
        size_t len = strcspn(pattern, "/");
        if (len == 2 && pattern[0] == '{') {
            req->args[arg++] = req->segments[i];
        } else if (strlen(req->segments[i]) != len || memcmp(req->segments[i], pattern, len) != 0) {
            return false;
        }
        pattern += len;
    }
    return *pattern == '\0';
}

const struct route *route_find(struct request *req, unsigned *ret_methods)
{
    *ret_methods = 0;
    for (size_t i = 0; i < ROUTES; i++) {
        if (matches(routes[i].pattern, req)) {
            *ret_methods |= routes[i].methods;
            if ((routes[i].methods & req->method) != 0) {
                return &routes[i];
            }
        }
    }
    return NULL;
}

static void not_allowed(struct exchange *x, unsigned methods)
{
    problem(x, PROBLEM_METHOD_NOT_ALLOWED, NULL);
    reply_header(&x->reply, "allow", "%s%s%s", (methods & METHOD_GET) != 0 ? "GET, HEAD" : "",
                 methods == (METHOD_GET | METHOD_POST) ? ", " : "",
                 (methods & METHOD_POST) != 0 ? "POST" : "");
}

/* Paths of the interface never fall through to the dashboard's files. */
static bool is_interface(const struct request *req)
{
    return req->n_segments > 0 &&
           (strcmp(req->segments[0], "api") == 0 || strcmp(req->segments[0], "-") == 0);
}

enum outcome worker_serve(struct worker *w, struct exchange *x)
{
    struct request *req = &x->req;
    unsigned methods = 0;
    if (req->head_bytes > HEAD_BYTES) {
        problem(x, PROBLEM_HEAD_TOO_LARGE, NULL);
        return OUTCOME_ANSWER;
    }
    if (!query_split_path(req)) {
        problem(x, PROBLEM_NOT_FOUND, "the path is not one of this server");
        return OUTCOME_ANSWER;
    }
    const struct route *route = route_find(req, &methods);
    if (route == NULL && methods == 0 && !is_interface(req) && req->method == METHOD_GET) {
        return get_asset(w, x);
    }
    if (route == NULL) {
        if (methods != 0) {
            not_allowed(x, methods);
        } else {
            problem(x, PROBLEM_NOT_FOUND, "the path is not one of this server");
        }
        return OUTCOME_ANSWER;
    }
    if (!access_allow(w->config, route->access, x)) {
        return OUTCOME_ANSWER;
    }
    query_parse(x);
    query_allow(x, route->params);
    if (x->n_errors > 0) {
        problem(x, PROBLEM_INVALID_PARAMETER, NULL);
        return OUTCOME_ANSWER;
    }
    return route->handler(w, x);
}
