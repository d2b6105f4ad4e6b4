/* Routing, decoding, parameters, selectors, cursors, problems, access, YAML: what needs no server.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "api/access.h"
#include "api/cursor.h"
#include "api/openapi.h"
#include "api/problem.h"
#include "api/query.h"
#include "api/route.h"
#include "api/selector.h"
#include "base/digest.h"

/* An exchange with its texts; exchange_fini frees the rest. */
static char text_room[8192];

static struct exchange request(const char *path, const char *query)
{
    struct exchange x = {.viewer = ""};
    x.req = (struct request){.method = METHOD_GET,
                             .path = path,
                             .query = query,
                             .host = "localhost:8080",
                             .authorization = "",
                             .origin = "",
                             .text = text_room,
                             .id = "id1"};
    assert_true(request_text_size(strlen(path), strlen(query)) <= sizeof text_room);
    return x;
}

static json_t *problem_json(const struct exchange *x)
{
    assert_string_equal(x->reply.content_type, "application/problem+json");
    json_t *v = json_loads(buf_str(&x->reply.tail), JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(v);
    return v;
}

/* ---- paths ---- */

static void given_paths_when_split_then_decoded_or_refused(void **state)
{
    (void)state;
    struct exchange x = request("/api//x/a%20b/", "");
    assert_false(query_split_path(&x.req)); /* an empty segment */
    x = request("/r/a%20b/%D0%B6/", "");
    assert_true(query_split_path(&x.req));
    assert_int_equal(x.req.n_segments, 3);
    assert_string_equal(x.req.segments[1], "a b");
    assert_string_equal(x.req.segments[2], "\xd0\xb6");
    static const char *const bad[] = {"/%",        "/%4",    "/%zz",
                                      "/a%2Fb",    "/a%00b", "",
                                      "http://x/", "*",      "/1/2/3/4/5/6/7/8/9/10/11/12/13"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        x = request(bad[i], "");
        if (query_split_path(&x.req) && bad[i][0] != '\0') {
            fail_msg("taken: %s", bad[i]);
        }
    }
    x = request("/", "");
    assert_true(query_split_path(&x.req));
    assert_int_equal(x.req.n_segments, 0);
}

static const struct route *find(struct exchange *x, unsigned *methods)
{
    assert_true(query_split_path(&x->req));
    return route_find(&x->req, methods);
}

static void given_paths_when_routed_then_handler_and_arguments(void **state)
{
    (void)state;
    unsigned methods = 0;
    struct exchange x = request("/api/v1/namespaces/shop/rollouts/deploy/web/pods", "");
    const struct route *r = find(&x, &methods);
    assert_non_null(r);
    assert_ptr_equal(r->handler, get_pods);
    assert_string_equal(x.req.args[0], "shop");
    assert_string_equal(x.req.args[1], "deploy");
    assert_string_equal(x.req.args[2], "web");
    x = request("/api/v1/deliveries/7/redeliver", "");
    assert_null(find(&x, &methods));
    assert_int_equal(methods, METHOD_POST);
    x = request("/api/v1/namespaces/shop/rollouts/deploy/web/pods/more", "");
    assert_null(find(&x, &methods));
    assert_int_equal(methods, 0);
    x = request("/api/v1/rollouts/{}", "");
    assert_null(find(&x, &methods));
    x = request("/-/healthy", "");
    assert_ptr_equal(find(&x, &methods)->handler, get_healthy);
}

/* A pattern's path as OpenAPI writes it: /namespaces/{namespace}/... to /namespaces/{}/... */
static void plain_pattern(const char *path, char *out)
{
    for (; *path != '\0'; path++) {
        *out++ = *path;
        if (*path == '{') {
            path = strchr(path, '}');
            *out++ = '}';
        }
    }
    *out = '\0';
}

static bool has_word(const char *list, const char *word)
{
    size_t n = strlen(word);
    for (const char *p = strstr(list, word); p != NULL; p = strstr(p + 1, word)) {
        if ((p == list || p[-1] == ' ') && (p[n] == ' ' || p[n] == '\0')) {
            return true;
        }
    }
    return false;
}

static const json_t *resolve(const json_t *root, const json_t *v)
{
    const char *ref = json_string_value(json_object_get(v, "$ref"));
    if (ref == NULL) {
        return v;
    }
    char path[256];
    (void)snprintf(path, sizeof path, "%s", ref + 2);
    char *save = NULL;
    const json_t *found = root;
    for (char *p = strtok_r(path, "/", &save); p != NULL; p = strtok_r(NULL, "/", &save)) {
        found = json_object_get(found, p);
    }
    assert_non_null(found);
    return found;
}

static unsigned compare_parameters(const json_t *root, const json_t *operation,
                                   const struct route *r)
{
    size_t i = 0;
    const json_t *p = NULL;
    unsigned in_query = 0;
    json_array_foreach(json_object_get(operation, "parameters"), i, p)
    {
        const json_t *param = resolve(root, p);
        if (strcmp(json_string_value(json_object_get(param, "in")), "query") == 0) {
            const char *name = json_string_value(json_object_get(param, "name"));
            in_query++;
            if (!has_word(r->params, name)) {
                fail_msg("%s does not take %s", r->pattern, name);
            }
        }
    }
    return in_query;
}

static unsigned words(const char *text)
{
    unsigned n = 0;
    for (const char *p = text; *p != '\0'; p++) {
        n += *p != ' ' && (p == text || p[-1] == ' ');
    }
    return n;
}

/* The document and the table say the same: paths, methods, query parameters. */
static void given_the_contract_when_compared_then_the_routes_are_it(void **state)
{
    (void)state;
    size_t n = 0;
    const struct route *routes = route_all(&n);
    struct body *body = openapi_json();
    json_t *root = json_loadb(body_data(body), body_len(body), JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(root);
    const char *path = NULL;
    json_t *methods = NULL;
    size_t seen = 0;
    json_object_foreach(json_object_get(root, "paths"), path, methods)
    {
        char pattern[256] = "/api/v1";
        plain_pattern(path, pattern + strlen(pattern));
        const char *method = NULL;
        json_t *operation = NULL;
        json_object_foreach(methods, method, operation)
        {
            unsigned bit = strcmp(method, "get") == 0 ? METHOD_GET : METHOD_POST;
            const struct route *r = NULL;
            for (size_t i = 0; i < n; i++) {
                if (strcmp(routes[i].pattern, pattern) == 0 && (routes[i].methods & bit) != 0) {
                    r = &routes[i];
                }
            }
            if (r == NULL) {
                fail_msg("no route for %s %s", method, path);
                return;
            }
            seen++;
            assert_int_equal(compare_parameters(root, operation, r), words(r->params));
        }
    }
    size_t in_table = 0;
    for (size_t i = 0; i < n; i++) {
        in_table += strncmp(routes[i].pattern, "/api/v1/", 8) == 0;
    }
    assert_int_equal(seen, in_table);
    json_decref(root);
    body_unref(body);
}

/* ---- parameters ---- */

static void given_a_query_when_read_then_values_and_errors(void **state)
{
    (void)state;
    struct exchange x = request(
        "/", "limit=7&state=stuck,failed&state=slow&q=a+b%2F&empty=&kind=DEPLOY&one=1&one=2");
    assert_true(query_split_path(&x.req));
    query_parse(&x);
    assert_int_equal(query_int(&x, "limit", 1, 500, 100), 7);
    assert_int_equal(query_int(&x, "none", 1, 500, 100), 100);
    assert_string_equal(query_one(&x, "q"), "a b/");
    assert_null(query_one(&x, "empty"));
    assert_int_equal(query_states(&x),
                     1u << ROLLOUT_STUCK | 1u << ROLLOUT_FAILED | 1u << ROLLOUT_SLOW);
    assert_string_equal(query_kind(&x), "Deployment");
    assert_int_equal(x.n_errors, 0);
    (void)query_one(&x, "one");
    assert_int_equal(x.n_errors, 1);
    query_allow(&x, "limit state q empty kind");
    assert_int_equal(x.n_errors, 3); /* "one", twice */
    exchange_fini(&x);
}

static void given_wrong_values_when_read_then_each_is_named(void **state)
{
    (void)state;
    struct exchange x =
        request("/", "limit=0&a=-1&b=1x&state=stuk&w=no&c=99999999999999999999&kind=deploy,sts");
    assert_true(query_split_path(&x.req));
    query_parse(&x);
    assert_int_equal(query_int(&x, "limit", 1, 500, 100), 100);
    (void)query_int(&x, "a", 0, 5, 0);
    (void)query_int(&x, "b", 0, 5, 0);
    (void)query_int(&x, "c", 0, INT64_MAX, 0);
    (void)query_states(&x);
    assert_null(query_kind(&x));
    assert_int_equal(query_word(&x, "w", "serving|complete", 0), 0);
    assert_int_equal(x.n_errors, 7);
    problem(&x, PROBLEM_INVALID_PARAMETER, NULL);
    json_t *v = problem_json(&x);
    assert_string_equal(json_string_value(json_object_get(v, "type")),
                        "/problems/invalid_parameter");
    assert_string_equal(json_string_value(json_object_get(v, "request_id")), "id1");
    assert_int_equal(json_array_size(json_object_get(v, "errors")), 7);
    json_decref(v);
    exchange_fini(&x);
}

static void given_odd_queries_when_parsed_then_no_harm(void **state)
{
    (void)state;
    static const char *const odd[] = {"&&&", "=",    "=x",    "a",    "a=%",
                                      "%=1", "a=%0", "a=%00", "&a=1&"};
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        struct exchange x = request("/", odd[i]);
        assert_true(query_split_path(&x.req));
        query_parse(&x);
        query_allow(&x, "a");
        bool bad = strchr(odd[i], '%') != NULL || odd[i][0] == '=';
        if ((x.n_errors > 0) != bad) {
            fail_msg("%s: %u errors", odd[i], x.n_errors);
        }
        exchange_fini(&x);
    }
    char many[400] = "";
    for (int i = 0; i < 60; i++) {
        (void)strcat(many, "a=1&");
    }
    struct exchange x = request("/", many);
    assert_true(query_split_path(&x.req));
    query_parse(&x);
    assert_int_equal(x.n_errors, 1);
    exchange_fini(&x);
}

static void given_kinds_when_spelled_then_canonical(void **state)
{
    (void)state;
    assert_string_equal(kind_canonical("deploy"), "Deployment");
    assert_string_equal(kind_canonical("StatefulSets"), "StatefulSet");
    assert_string_equal(kind_canonical("STS"), "StatefulSet");
    assert_string_equal(kind_canonical("ds"), "DaemonSet");
    assert_string_equal(kind_canonical("rollouts.argoproj.io"), "Rollout");
    assert_string_equal(kind_canonical("po"), "Pod");
    assert_string_equal(kind_canonical("CloneSet"), "CloneSet");
    assert_string_equal(kind_canonical("deploy ment"), "deploy ment");
    assert_string_equal(kind_canonical(""), "");
}

/* ---- selectors ---- */

static bool selects(const char *text, const struct kvs *labels)
{
    AUTO_PTR(arena) a = arena_new(0);
    struct selector s;
    struct err err = {0};
    if (!selector_parse(text, a, &s, &err)) {
        fail_msg("%s: %s", text, err.text);
    }
    return selector_match(&s, labels);
}

static void given_selectors_when_parsed_then_they_match_as_in_kubernetes(void **state)
{
    (void)state;
    static const struct kv kv[] = {{"a", "b"}, {"x.io/y", "1"}};
    struct kvs l = {kv, 2};
    assert_true(selects("a=b", &l));
    assert_true(selects("a == b , x.io/y", &l));
    assert_false(selects("a!=b", &l));
    assert_true(selects("none!=b", &l));
    assert_true(selects("a in (c, b)", &l));
    assert_false(selects("a notin (c,b)", &l));
    assert_true(selects("none notin (c)", &l));
    assert_true(selects("!none", &l));
    assert_false(selects("!a", &l));
    assert_false(selects("a=b,none", &l));
    static const char *const bad[] = {"",         ",",       "a=b,", "a in b", "a in (b",
                                      "a like b", "a=b c=d", "(",    "!"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        AUTO_PTR(arena) a = arena_new(0);
        struct selector s;
        struct err err = {0};
        if (selector_parse(bad[i], a, &s, &err)) {
            fail_msg("taken: %s", bad[i]);
        }
        assert_int_equal(err.code, ERR_INPUT);
    }
}

/* ---- cursors ---- */

static void given_a_cursor_when_read_back_then_same_keys_and_only_there(void **state)
{
    (void)state;
    AUTO_PTR(arena) a = arena_new(0);
    AUTO(buf) b = BUF_INIT(CURSOR_TEXT_MAX);
    struct keyset in = {true, {3, -5, INT64_MAX}, "name"};
    struct keyset out;
    int64_t now = INT64_C(1760000000000);
    cursor_write(&in, 42, now, &b);
    assert_int_equal(
        strspn(buf_str(&b), "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
        b.len);
    assert_int_equal(cursor_read(buf_str(&b), 42, now, a, &out), CURSOR_OK);
    assert_memory_equal(in.n, out.n, sizeof in.n);
    assert_string_equal(out.s, "name");
    assert_int_equal(cursor_read(buf_str(&b), 43, now, a, &out), CURSOR_FOREIGN);
    assert_int_equal(cursor_read(buf_str(&b), 42, now + 3 * INT64_C(3600000), a, &out),
                     CURSOR_EXPIRED);
    assert_int_equal(cursor_read(buf_str(&b), 42, now + INT64_C(3500000), a, &out), CURSOR_OK);
    for (size_t i = 0; i < b.len; i++) {
        char kept = b.data[i];
        b.data[i] = kept == 'A' ? 'B' : 'A';
        assert_int_equal(cursor_read(buf_str(&b), 42, now, a, &out), CURSOR_GARBLED);
        b.data[i] = kept;
    }
    static const char *const bad[] = {"", "x", "=====", "!!!!", "AAAA", "A/B+"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(cursor_read(bad[i], 42, now, a, &out), CURSOR_GARBLED);
    }
    assert_true(cursor_scope(cursor_scope(0, "ab"), "c") !=
                cursor_scope(cursor_scope(0, "a"), "bc"));
}

/* ---- access ---- */

static void given_no_tokens_when_asked_then_only_loopback_names(void **state)
{
    (void)state;
    struct config c = {.external_url = "https://gates.example.org/x"};
    static const char *const good[] = {"localhost",         "localhost:80",       "127.0.0.1:8080",
                                       "127.9.9.9",         "[::1]:8080",         "app.localhost",
                                       "gates.example.org", "GATES.example.org:1"};
    static const char *const bad[] = {"",      "evil.org", "10.0.0.1",   "localhost.evil.org",
                                      "[::2]", "[::1",     "1.127.0.0.1"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        if (!access_host(&c, good[i])) {
            fail_msg("refused: %s", good[i]);
        }
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (access_host(&c, bad[i])) {
            fail_msg("taken: %s", bad[i]);
        }
    }
    const char *const hosts[] = {"a.example", NULL};
    c.allow_hosts = hosts;
    assert_true(access_host(&c, "A.example:99"));
    assert_false(access_host(&c, "localhost"));
}

static bool allowed(const struct config *c, enum access access, struct exchange *x, int *status)
{
    bool ok = access_allow(c, access, x);
    *status = x->reply.status;
    exchange_fini(x);
    return ok;
}

static void given_tokens_when_asked_then_only_with_one(void **state)
{
    (void)state;
    uint8_t digest[DIGEST_SIZE];
    char hex[DIGEST_HEX_SIZE];
    int status = 0;
    digest_sha256("secret", 6, digest);
    struct config_token t[] = {
        {"other", "0000000000000000000000000000000000000000000000000000000000000000"},
        {"ci", digest_hex(digest, sizeof digest, hex)}};
    struct config c = {.tokens = t, .n_tokens = 2, .external_url = ""};
    struct exchange x = request("/", "");
    assert_false(allowed(&c, ACCESS_TOKEN, &x, &status));
    assert_int_equal(status, 401);
    assert_string_equal(x.reply.headers[0].name, "www-authenticate");
    x = request("/", "");
    x.req.authorization = "bearer secret";
    assert_true(allowed(&c, ACCESS_TOKEN, &x, &status));
    assert_string_equal(x.viewer, "ci");
    static const char *const wrong[] = {"Bearer secre", "Bearer ", "Basic secret", "secret",
                                        "Bearer secret "};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        x = request("/", "");
        x.req.authorization = wrong[i];
        assert_false(allowed(&c, ACCESS_TOKEN, &x, &status));
        assert_int_equal(status, 401);
    }
    x = request("/", "");
    assert_true(allowed(&c, ACCESS_OPEN, &x, &status));
}

static void given_a_foreign_origin_when_writing_then_refused(void **state)
{
    (void)state;
    struct config c = {.external_url = ""};
    int status = 0;
    struct exchange x = request("/", "");
    x.req.method = METHOD_POST;
    x.req.origin = "http://evil.org";
    assert_false(allowed(&c, ACCESS_TOKEN, &x, &status));
    assert_int_equal(status, 403);
    x = request("/", "");
    x.req.method = METHOD_POST;
    x.req.origin = "http://localhost:8080";
    assert_true(allowed(&c, ACCESS_TOKEN, &x, &status));
    x = request("/", "");
    x.req.method = METHOD_POST;
    x.req.host = "evil.org";
    x.req.origin = "http://evil.org";
    assert_false(allowed(&c, ACCESS_TOKEN, &x, &status));
    assert_int_equal(status, 421);
}

/* ---- YAML ---- */

static void given_yaml_when_converted_then_typed_json(void **state)
{
    (void)state;
    AUTO(buf) b = BUF_INIT(4096);
    struct err err = {0};
    static const char text[] =
        "a: &x {n: 1, s: \"1\", f: 0.5, t: true, z: ~, v: 0.1.0}\nb: [*x, no, 'null']\n1: k\n";
    assert_true(yaml_to_json(text, sizeof text - 1, &b, &err));
    assert_string_equal(
        buf_str(&b), "{\"a\":{\"n\":1,\"s\":\"1\",\"f\":0.5,\"t\":true,\"z\":null,\"v\":\"0.1.0\"},"
                     "\"b\":[{\"n\":1,\"s\":\"1\",\"f\":0.5,\"t\":true,\"z\":null,\"v\":\"0.1.0\"},"
                     "\"no\",\"null\"],"
                     "\"1\":\"k\"}");
    assert_false(yaml_to_json("a: [", 4, &b, &err));
    assert_false(yaml_to_json("", 0, &b, &err));
}

static void given_accept_headers_when_read_then_the_wanted_form_or_not(void **state)
{
    (void)state;
    static const struct {
        const char *accept;
        bool text;
    } cases[] = {
        {"", false},
        {"*/*", false},
        {"text/plain", true},
        {"TEXT/PLAIN; charset=utf-8", true},
        {"text/plainer", false},
        {"application/json, text/plain", false},
        {"text/plain, application/json", true},
        {"application/json;q=0.5, text/plain", true},
        {"text/plain;q=0.4, application/json;q=0.5", false},
        {"text/plain;q=0", false},
        {"text/html;level=1, text/plain; a=b; q=0.9", true},
        {"text/plain;q", true},
        {" ,,text/plain", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (query_accepts(cases[i].accept, "text/plain", "application/json") != cases[i].text) {
            fail_msg("%s", cases[i].accept);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_paths_when_split_then_decoded_or_refused),
        cmocka_unit_test(given_paths_when_routed_then_handler_and_arguments),
        cmocka_unit_test(given_the_contract_when_compared_then_the_routes_are_it),
        cmocka_unit_test(given_a_query_when_read_then_values_and_errors),
        cmocka_unit_test(given_wrong_values_when_read_then_each_is_named),
        cmocka_unit_test(given_odd_queries_when_parsed_then_no_harm),
        cmocka_unit_test(given_kinds_when_spelled_then_canonical),
        cmocka_unit_test(given_selectors_when_parsed_then_they_match_as_in_kubernetes),
        cmocka_unit_test(given_a_cursor_when_read_back_then_same_keys_and_only_there),
        cmocka_unit_test(given_no_tokens_when_asked_then_only_loopback_names),
        cmocka_unit_test(given_tokens_when_asked_then_only_with_one),
        cmocka_unit_test(given_a_foreign_origin_when_writing_then_refused),
        cmocka_unit_test(given_yaml_when_converted_then_typed_json),
        cmocka_unit_test(given_accept_headers_when_read_then_the_wanted_form_or_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
