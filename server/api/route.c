/* The route table (see route.h): the whole interface on one screen. */
#include "api/route.h"

#include <string.h>

#include "api/assets.h"
#include "api/problem.h"
#include "api/query.h"

#define V1      "/api/v1"
#define ROLLOUT V1 "/namespaces/{}/rollouts/{}/{}"
#define PAGE    "limit cursor"
#define FILTERS "state kind cause q labelSelector"

static const struct route routes[] = {
    {METHOD_GET, ACCESS_TOKEN, V1 "/summary", get_summary, "cluster"},
    {METHOD_GET, ACCESS_TOKEN, V1 "/namespaces", get_namespaces, "cluster q " PAGE},
    {METHOD_GET, ACCESS_TOKEN, V1 "/namespaces/{}", get_namespace, "cluster"},
    {METHOD_GET, ACCESS_TOKEN, V1 "/rollouts", get_rollouts, "cluster namespace " FILTERS " " PAGE},
    {METHOD_GET, ACCESS_TOKEN, V1 "/namespaces/{}/rollouts", get_rollouts,
     "cluster " FILTERS " " PAGE},
    {METHOD_GET, ACCESS_TOKEN, ROLLOUT, get_rollout, "cluster revision"},
    {METHOD_GET, ACCESS_TOKEN, ROLLOUT "/pods", get_pods, "cluster " PAGE},
    {METHOD_GET, ACCESS_TOKEN, ROLLOUT "/timeline", get_timeline, "cluster " PAGE},
    {METHOD_GET, ACCESS_TOKEN, ROLLOUT "/history", get_history, "cluster " PAGE},
    {METHOD_GET, ACCESS_TOKEN, ROLLOUT "/explain", get_explain, "cluster"},
    {METHOD_GET, ACCESS_TOKEN, ROLLOUT "/wait", get_wait,
     "cluster for revision image generation index timeout"},
    {METHOD_GET, ACCESS_TOKEN, ROLLOUT "/gate", get_gate, "cluster for revision image generation"},
    {METHOD_POST, ACCESS_TOKEN, ROLLOUT "/refresh", post_refresh, "cluster"},
    {METHOD_GET, ACCESS_TOKEN, V1 "/namespaces/{}/pods/{}", get_pod, "cluster"},
    {METHOD_GET, ACCESS_TOKEN, V1 "/services", get_services, "cluster namespace q " PAGE},
    {METHOD_GET, ACCESS_TOKEN, V1 "/bindings", get_bindings, "cluster namespace q " PAGE},
    {METHOD_GET, ACCESS_TOKEN, V1 "/targetgroups", get_groups, "cluster q " PAGE},
    {METHOD_GET, ACCESS_TOKEN, V1 "/targetgroups/{}", get_group, "cluster"},
    {METHOD_GET, ACCESS_TOKEN, V1 "/audit", get_audit, "cluster namespace q " PAGE},
    {METHOD_POST, ACCESS_TOKEN, V1 "/preflight", post_preflight, "cluster namespace"},
    {METHOD_GET, ACCESS_TOKEN, V1 "/alerts", get_alerts, "cluster state namespace " PAGE},
    {METHOD_GET, ACCESS_TOKEN, V1 "/deliveries", get_deliveries, "state alert " PAGE},
    {METHOD_GET, ACCESS_TOKEN, V1 "/deliveries/{}", get_delivery, ""},
    {METHOD_POST, ACCESS_TOKEN, V1 "/deliveries/{}/redeliver", post_redeliver, ""},
    {METHOD_GET, ACCESS_TOKEN, V1 "/events", get_events,
     "cluster namespace kind name state cause q labelSelector since"},
    {METHOD_GET, ACCESS_OPEN, V1 "/openapi.yaml", get_openapi_yaml, ""},
    {METHOD_GET, ACCESS_OPEN, V1 "/openapi.json", get_openapi_json, ""},
    {METHOD_GET, ACCESS_TOKEN, "/badge/{}/{}/{}", get_badge, "cluster"},
    {METHOD_GET, ACCESS_TOKEN, "/metrics", get_metrics, ""},
    {METHOD_GET, ACCESS_OPEN, "/livez", get_livez, "verbose"},
    {METHOD_GET, ACCESS_OPEN, "/readyz", get_readyz, "verbose"},
    {METHOD_GET, ACCESS_OPEN, "/healthz", get_livez, "verbose"},
    {METHOD_GET, ACCESS_OPEN, "/-/healthy", get_healthy, ""},
    {METHOD_GET, ACCESS_OPEN, "/-/ready", get_ready, ""},
    {METHOD_POST, ACCESS_TOKEN, "/-/reload", post_reload, ""},
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
           (strcmp(req->segments[0], "api") == 0 || strcmp(req->segments[0], "-") == 0 ||
            strcmp(req->segments[0], "badge") == 0);
}

enum outcome worker_serve(struct worker *w, struct exchange *x)
{
    struct request *req = &x->req;
    unsigned methods = 0;
    if (req->head_bytes > HEAD_BYTES) {
        problem(x, PROBLEM_HEAD_TOO_LARGE, NULL);
        return OUTCOME_ANSWER;
    }
    if (req->framed_twice) {
        problem(x, PROBLEM_BAD_REQUEST,
                "Content-Length and Transfer-Encoding: one of them may say where the body ends, "
                "and once");
        return OUTCOME_ANSWER;
    }
    if (!query_split_path(req)) {
        problem(x, PROBLEM_NOT_FOUND, "the path is not one of this server");
        return OUTCOME_ANSWER;
    }
    const struct route *route = route_find(req, &methods);
    if (route == NULL && methods == 0 && !is_interface(req)) {
        if (req->method == METHOD_GET) {
            return get_asset(w, x);
        }
        methods = assets_of(w->shared->assets, req) != NULL ? METHOD_GET : 0;
    }
    if (route == NULL) {
        if (methods != 0) {
            not_allowed(x, methods);
        } else {
            problem(x, PROBLEM_NOT_FOUND, "the path is not one of this server");
        }
        return OUTCOME_ANSWER;
    }
    size_t most = route->handler == post_preflight ? BODY_MAX_PREFLIGHT : BODY_MAX;
    if (req->body_len > most) {
        problem(x, PROBLEM_TOO_LARGE, NULL);
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
