/* Views over a known database: shapes, ETags per view, the cache, paging, errors, waiting. */
#include "unit/api/worker_bed.h"

#include <zlib.h>

static const char web[] = "/api/v1/namespaces/shop/rollouts/deploy/web";

static void given_the_views_when_asked_then_envelope_and_content(void **state)
{
    struct bed *b = *state;
    json_t *v = get(b, "/api/v1/summary", "", 200, NULL);
    assert_int_equal(int_at(v, "rollouts.total"), 6);
    assert_int_equal(int_at(v, "rollouts.by_state.serving"), 2);
    assert_int_equal(int_at(v, "pods.total"), 3);
    assert_int_equal(int_at(v, "findings.error"), 1);
    assert_int_equal(int_at(v, "findings.info"), 0);
    assert_int_equal(int_at(v, "revision"), 100);
    assert_int_equal(json_array_size(at(v, "sources")), 4);
    assert_string_equal(text_at(v, "cluster"), "prod");
    assert_string_equal(text_at(v, "observed_at"), "2025-10-09T09:01:40Z");
    json_decref(v);
    v = get(b, "/api/v1/rollouts", "limit=2", 200, NULL);
    assert_int_equal(json_array_size(at(v, "items")), 2);
    assert_true(json_is_string(at(v, "next")));
    assert_int_equal(json_array_size(at(v, "sources")),
                     3); /* kubernetes, aws, and what is denied */
    json_decref(v);
    v = get(b, web, "", 200, NULL);
    assert_string_equal(text_at(v, "revision"), "7");
    assert_int_equal(int_at(v, "index"), 100);
    assert_int_equal(json_array_size(at(v, "causes")), 2);
    assert_string_equal(text_at(v, "cause.title"), "Health check times out");
    json_decref(v);
    v = get(b, web, "revision=6", 200, NULL);
    assert_string_equal(text_at(v, "state"), "superseded");
    json_decref(v);
    json_decref(get(b, web, "revision=5", 404, NULL));
    static const char *const paths[] = {"/pods", "/timeline", "/history", "/explain", ""};
    for (size_t i = 0; i < 5; i++) {
        char path[128];
        (void)snprintf(path, sizeof path, "%s%s", web, paths[i]);
        v = get(b, path, "", 200, NULL);
        assert_true(json_is_string(at(v, "now")));
        json_decref(v);
    }
    v = get(b, "/api/v1/namespaces/shop/pods/web-1", "", 200, NULL);
    assert_string_equal(text_at(v, "workload.kind"), "Deployment");
    json_decref(v);
    static const char *const lists[] = {"/api/v1/namespaces", "/api/v1/services",
                                        "/api/v1/bindings",   "/api/v1/targetgroups",
                                        "/api/v1/alerts",     "/api/v1/deliveries"};
    for (size_t i = 0; i < 6; i++) {
        v = get(b, lists[i], "", 200, NULL);
        assert_true(json_array_size(at(v, "items")) > 0);
        assert_true(json_is_null(at(v, "next")));
        json_decref(v);
    }
    v = get(b, "/api/v1/audit", "namespace=shop", 200, NULL);
    assert_string_equal(text_at(v, "items.0.namespace"), "shop");
    assert_int_equal(int_at(v, "items.0.bindings"), 1);
    json_decref(v);
    json_decref(get(b, "/api/v1/audit", "state=stuck", 400, NULL));
    json_decref(get(b, "/api/v1/targetgroups/5", "", 200, NULL));
    json_decref(get(b, "/api/v1/deliveries/1", "", 200, NULL));
    json_decref(get(b, "/api/v1/namespaces/shop", "", 200, NULL));
}

/* What is read only when a finding needs it: null before, then what came. */
static void given_a_group_when_details_were_read_then_shown(void **state)
{
    struct bed *b = *state;
    json_t *v = get(b, "/api/v1/targetgroups/5", "", 200, NULL);
    assert_true(json_is_null(at(v, "attributes")));
    assert_true(json_is_null(at(v, "attributes_at")));
    assert_true(json_is_null(at(v, "routing")));
    json_decref(v);
    static const struct elb_attribute attribute = {"deregistration_delay.timeout_seconds", "30"};
    static const struct elb_forward forwards[] = {{"arn:tg/web", "10", 0},
                                                  {"arn:tg/other", "default", -1}};
    static const struct elb_listener listeners[] = {
        {.protocol = "HTTPS",
         .port = 443,
         .action = "forward",
         .rules = 1,
         .forwards = {forwards, 2}},
        {.protocol = "HTTP", .port = 80, .action = "redirect", .rules = -1}};
    struct elb_group g;
    struct elb_balancer lb;
    record_clear(&elb_group_table, &g);
    record_clear(&elb_balancer_table, &lb);
    g.attributes = (struct list){&attribute, 1};
    g.attributes_at = T0;
    lb.arn = "arn:lb";
    lb.name = "front";
    lb.listeners = (struct list){listeners, 2};
    lb.listeners_at = T0;
    sql_blob(&b->f, "UPDATE target_group SET body = ?1, behind_arn = 'arn:lb' WHERE id = 5",
             &elb_group_table, &g);
    sql_blob(&b->f, "INSERT INTO balancer VALUES ('arn:lb', ?1, 0)", &elb_balancer_table, &lb);
    struct feed_item item = {.what = FEED_GROUP, .namespace = "", .kind = "", .name = "k8s-web"};
    publish(b, &item, 1, false);
    v = get(b, "/api/v1/targetgroups/5", "", 200, NULL);
    json_t *attributes = at(v, "attributes");
    assert_string_equal(json_string_value(json_object_get(attributes, attribute.key)), "30");
    assert_string_equal(text_at(v, "attributes_at"), "2025-10-09T08:53:20Z");
    assert_string_equal(text_at(v, "routing.name"), "front");
    assert_string_equal(text_at(v, "routing.load_balancer"), "arn:lb");
    assert_int_equal(json_array_size(at(v, "routing.listeners")), 2);
    assert_string_equal(text_at(v, "routing.listeners.0.forwards.0.target_group"), "arn:tg/web");
    assert_string_equal(text_at(v, "routing.listeners.0.forwards.0.rule"), "10");
    assert_int_equal(int_at(v, "routing.listeners.0.forwards.0.weight"), 0);
    assert_true(json_is_null(at(v, "routing.listeners.0.forwards.1.weight")));
    assert_int_equal(int_at(v, "routing.listeners.0.rules"), 1);
    assert_true(json_is_null(at(v, "routing.listeners.1.rules")));
    assert_string_equal(text_at(v, "routing.listeners.1.action"), "redirect");
    json_decref(v);
}

static void given_what_is_not_there_when_asked_then_problems(void **state)
{
    struct bed *b = *state;
    static const struct {
        const char *path;
        const char *query;
        int status;
        const char *type;
    } cases[] = {
        {"/api/v1/nope", "", 404, "/problems/not_found"},
        {"/-/nope", "", 404, "/problems/not_found"},
        {"/nope.js", "", 404, "/problems/not_found"},
        {"/api/v1/namespaces/shop/rollouts/deploy/nope", "", 404, "/problems/not_found"},
        {"/api/v1/namespaces/nope/rollouts/deploy/web", "", 404, "/problems/not_found"},
        {"/api/v1/targetgroups/x", "", 404, "/problems/not_found"},
        {"/api/v1/deliveries/99", "", 404, "/problems/not_found"},
        {"/api/v1/rollouts", "cluster=other", 404, "/problems/not_found"},
        {"/api/v1/rollouts", "limit=501", 400, "/problems/invalid_parameter"},
        {"/api/v1/rollouts", "page=2", 400, "/problems/invalid_parameter"},
        {"/api/v1/rollouts", "labelSelector=a%20in%20b", 400, "/problems/invalid_parameter"},
        {"/api/v1/rollouts", "cursor=abc", 400, "/problems/cursor_invalid"},
        {"/api/v1/deliveries/1/redeliver", "", 405, "/problems/method_not_allowed"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *v = get(b, cases[i].path, cases[i].query, cases[i].status, NULL);
        assert_string_equal(text_at(v, "type"), cases[i].type);
        assert_int_equal(int_at(v, "status"), cases[i].status);
        assert_string_equal(text_at(v, "request_id"), "id1");
        json_decref(v);
    }
    sql(&b->f, "INSERT INTO cluster (id, name) VALUES (2, 'second')");
    json_t *v = get(b, "/api/v1/rollouts", "", 400, NULL);
    assert_string_equal(text_at(v, "errors.0.parameter"), "cluster");
    json_decref(v);
    json_decref(get(b, "/api/v1/rollouts", "cluster=prod", 200, NULL));
}

static void given_a_cursor_when_followed_then_next_page_and_only_with_its_filters(void **state)
{
    struct bed *b = *state;
    char query[1024];
    json_t *v = get(b, "/api/v1/rollouts", "limit=4&q=a", 200, NULL);
    assert_true(json_is_null(at(v, "next")));
    json_decref(v);
    v = get(b, "/api/v1/rollouts", "limit=4", 200, NULL);
    char next[512];
    (void)snprintf(next, sizeof next, "%s", text_at(v, "next"));
    json_decref(v);
    (void)snprintf(query, sizeof query, "cursor=%s", next);
    v = get(b, "/api/v1/rollouts", query, 200, NULL);
    assert_int_equal(json_array_size(at(v, "items")), 2);
    json_decref(v);
    (void)snprintf(query, sizeof query, "q=a&cursor=%s", next);
    v = get(b, "/api/v1/rollouts", query, 400, NULL);
    assert_string_equal(text_at(v, "type"), "/problems/cursor_invalid");
    json_decref(v);
    v = get(b, "/api/v1/namespaces", "limit=1", 200, NULL);
    (void)snprintf(query, sizeof query, "cursor=%s", text_at(v, "next"));
    json_decref(v);
    json_decref(get(b, "/api/v1/rollouts", query, 400, NULL));
}

/* The tag of a view changes with its own content, and with nothing else. */
static void given_changes_elsewhere_when_asked_again_then_304_and_own_change_200(void **state)
{
    struct bed *b = *state;
    char list[ETAG_SIZE] = "";
    char shop[ETAG_SIZE] = "";
    char one[ETAG_SIZE] = "";
    char pods[ETAG_SIZE] = "";
    char path[128];
    (void)snprintf(path, sizeof path, "%s/pods", web);
    json_decref(get(b, "/api/v1/rollouts", "", 200, list));
    json_decref(get(b, "/api/v1/namespaces/shop/rollouts", "", 200, shop));
    json_decref(get(b, web, "", 200, one));
    json_decref(get(b, path, "", 200, pods));
    assert_null(get(b, "/api/v1/rollouts", "", 304, list));
    set_state(b, 3, 2, "Deployment", "api", ROLLOUT_SERVING); /* namespace pay */
    assert_null(get(b, "/api/v1/namespaces/shop/rollouts", "", 304, shop));
    assert_null(get(b, web, "", 304, one));
    assert_null(get(b, path, "", 304, pods));
    json_t *v = get(b, "/api/v1/rollouts", "", 200, list);
    assert_string_equal(text_at(v, "items.0.name"), "web");
    assert_int_equal(int_at(v, "revision"), 101);
    json_decref(v);
    set_state(b, 1, 1, "Deployment", "web", ROLLOUT_SERVING);
    v = get(b, web, "", 200, one);
    assert_string_equal(text_at(v, "state"), "serving");
    assert_int_equal(int_at(v, "index"), 102);
    json_decref(v);
    v = get(b, "/api/v1/namespaces/shop/rollouts", "", 200, shop);
    json_decref(v);
    /* the sources belong to every view */
    sql(&b->f, "UPDATE source SET state = 6, message = 'refused' WHERE name = 'kubernetes'");
    struct feed_item item = {
        .what = FEED_SOURCE, .namespace = "", .kind = "", .name = "kubernetes"};
    publish(b, &item, 1, false);
    json_decref(get(b, web, "", 200, one));
    assert_null(get(b, web, "", 304, one));
}

static void given_an_unannounced_change_when_asked_within_life_then_cached_body(void **state)
{
    struct bed *b = *state;
    struct cache_metrics m;
    json_decref(get(b, web, "", 200, NULL));
    sql(&b->f, "UPDATE workload SET uid = 'changed' WHERE id = 1");
    json_t *v = get(b, web, "", 200, NULL);
    assert_string_equal(text_at(v, "uid"), "uid-1"); /* nobody said so */
    json_decref(v);
    cache_metrics(b->shared.cache, &m);
    assert_int_equal(m.hits, 1);
    set_state(b, 1, 1, "Deployment", "web", ROLLOUT_SLOW);
    v = get(b, web, "", 200, NULL);
    assert_string_equal(text_at(v, "uid"), "changed");
    json_decref(v);
    cache_metrics(b->shared.cache, &m);
    assert_int_equal(m.hits, 1);
    assert_int_equal(m.stale, 1);
    json_decref(get(b, "/api/v1/namespaces", "", 200, NULL));
    sql(&b->f, "UPDATE namespace SET injection = 'wrong_value' WHERE id = 1");
    struct feed_item news = {
        .what = FEED_NAMESPACE, .ns_id = 1, .namespace = "shop", .kind = "", .name = "shop"};
    publish(b, &news, 1, false);
    v = get(b, "/api/v1/namespaces", "", 200, NULL);
    assert_string_equal(text_at(v, "items.2.injection"), "wrong_value");
    json_decref(v);
    /* a commit that does not name all it changed touches everything */
    sql(&b->f, "UPDATE workload SET uid = 'again' WHERE id = 1");
    struct commit c = {.revision = ++b->revision, .overflow = true};
    feed_publish(b->feed, &c, 0);
    v = get(b, web, "", 200, NULL);
    assert_string_equal(text_at(v, "uid"), "again");
    json_decref(v);
}

static void given_if_none_match_forms_when_compared_then_as_rfc_9110(void **state)
{
    struct bed *b = *state;
    char etag[ETAG_SIZE] = "";
    json_decref(get(b, web, "", 200, etag));
    char text[6][128];
    (void)snprintf(text[0], sizeof text[0], "\"x\", \"%s\"", etag);
    (void)snprintf(text[1], sizeof text[1], "W/\"%s\"", etag);
    (void)snprintf(text[2], sizeof text[2], "\"%s-g\"", etag);
    (void)snprintf(text[3], sizeof text[3], "*");
    (void)snprintf(text[4], sizeof text[4], "\"%s-x\"", etag);
    (void)snprintf(text[5], sizeof text[5], "%s", etag);
    for (size_t i = 0; i < 6; i++) {
        struct client *c = client_new(web, "");
        c->x.req.if_none_match = text[i];
        (void)client_ask(b, c);
        if (c->x.reply.status != (i < 4 ? 304 : 200)) {
            fail_msg("%s: %d", text[i], c->x.reply.status);
        }
        client_free(b, c);
    }
}

static void given_a_body_and_a_tail_when_gzipped_then_it_unpacks_to_both(void **state)
{
    (void)state;
    AUTO(buf) b = BUF_INIT(1 << 20);
    for (int i = 0; i < 2000; i++) {
        (void)buf_addf(&b, "{\"item\":%d},", i);
    }
    AUTO(buf) want = BUF_INIT(1 << 20);
    (void)buf_add(&want, b.data, b.len);
    (void)buf_addz(&want, "the tail");
    struct body *body = body_new(&b);
    for (int round = 0; round < 2; round++) {
        AUTO(buf) end = BUF_INIT(1 << 20);
        AUTO(buf) all = BUF_INIT(1 << 20);
        const char *head = NULL;
        size_t n = 0;
        assert_true(body_gzip(body, "the tail", 8, &head, &n, &end));
        (void)buf_add(&all, head, n);
        (void)buf_add(&all, end.data, end.len);
        assert_true(all.len < want.len / 4);
        char out[64 << 10];
        z_stream z = {.next_in = (Bytef *)all.data,
                      .avail_in = (uInt)all.len,
                      .next_out = (Bytef *)out,
                      .avail_out = sizeof out};
        assert_int_equal(inflateInit2(&z, 31), Z_OK);
        assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END); /* checks CRC and length */
        assert_int_equal(z.avail_in, 0);
        assert_int_equal(z.total_out, want.len);
        assert_memory_equal(out, want.data, want.len);
        assert_int_equal(inflateEnd(&z), Z_OK);
    }
    body_unref(body);
}

static void given_a_small_cache_when_filled_then_oldest_leave_and_ceiling_holds(void **state)
{
    (void)state;
    struct scopes *s = scopes_new();
    struct cache *c = cache_new(64 << 10, s);
    struct stamp stamp = {.revision = 1};
    struct cache_metrics m;
    stamp_add(&stamp, SCOPE_LIST, 0);
    for (int i = 0; i < 100; i++) {
        AUTO(buf) b = BUF_INIT(1 << 20);
        char key[32];
        (void)snprintf(key, sizeof key, "key-%d", i);
        for (int k = 0; k < 100; k++) {
            (void)buf_addz(&b, "0123456789");
        }
        struct body *body = body_new(&b);
        cache_put(c, key, body, &stamp, 0);
        body_unref(body);
        body_unref(cache_get(c, "key-0", 1)); /* in use: stays */
        cache_metrics(c, &m);
        assert_true(m.bytes <= 64 << 10);
    }
    assert_true(m.evicted > 0);
    struct body *kept = cache_get(c, "key-0", 1);
    assert_non_null(kept);
    body_unref(kept);
    assert_null(cache_get(c, "key-1", 1));
    assert_null(cache_get(c, "key-99", 1 + CACHE_LIFE_MS)); /* too old */
    AUTO(buf) pods = BUF_INIT(64);
    (void)buf_addz(&pods, "pods");
    struct body *brief = body_new(&pods);
    stamp.brief = true;
    cache_put(c, "pods", brief, &stamp, 0);
    body_unref(brief);
    body_unref(cache_get(c, "pods", CACHE_LIFE_SHORT_MS));
    assert_null(cache_get(c, "pods", CACHE_LIFE_SHORT_MS + 1));
    AUTO(buf) big = BUF_INIT(1 << 20);
    for (int k = 0; k < 5000; k++) {
        (void)buf_addz(&big, "0123456789");
    }
    struct body *body = body_new(&big);
    cache_put(c, "big", body, &stamp, 0);
    body_unref(body);
    assert_null(cache_get(c, "big", 0));
    cache_free(c);
    scopes_free(s);
}

static void given_explain_as_text_when_asked_then_for_people(void **state)
{
    struct bed *b = *state;
    char path[128];
    (void)snprintf(path, sizeof path, "%s/explain", web);
    sql(&b->f,
        "UPDATE finding SET detail = json_set(detail, '$.message', 'bad ' || char(27) || '[31m')"
        " WHERE is_primary = 1");
    struct client *c = client_new(path, "");
    c->x.req.accept = "text/plain";
    assert_int_equal(client_ask(b, c), OUTCOME_ANSWER);
    assert_int_equal(c->x.reply.status, 200);
    const char *text = client_body(c);
    assert_non_null(strstr(
        text, "shop/web Deployment is stuck since 2025-10-09T08:53:30Z: 2 of 3 gates open\n"));
    assert_non_null(strstr(text, "error  Health check times out (health_check_timeout)  2 pods"));
    assert_non_null(strstr(text, "  run:   kubectl logs web-1\n"));
    assert_non_null(strstr(text, "  book:  https://wiki/web\n"));
    assert_non_null(strstr(text, "bad  [31m")); /* no escape sequence reaches a terminal */
    assert_true(strstr(text, "  run:   ") < strstr(text, "  where: "));
    client_free(b, c);
    sql(&b->f, "UPDATE finding SET detail = json_set(detail, '$.action', 'See https://wiki/web.')");
    c = client_new(path, "");
    c->x.req.accept = "text/plain";
    (void)client_ask(b, c);
    assert_null(strstr(client_body(c), "  book:  ")); /* once is enough */
    client_free(b, c);
    sql(&b->f, "DELETE FROM finding");
    c = client_new(path, "");
    c->x.req.accept = "text/plain";
    (void)client_ask(b, c);
    assert_non_null(strstr(client_body(c), "is stuck since"));
    assert_null(strstr(client_body(c), "Nothing holds it."));
    client_free(b, c);
    c = client_new(path, "");
    c->x.req.accept = "application/json, text/plain";
    (void)client_ask(b, c);
    assert_string_equal(c->x.reply.content_type, "application/json");
    client_free(b, c);
}

/* ---- waiting ---- */

static void given_pins_when_compared_then_earlier_fits_or_later(void **state)
{
    (void)state;
    struct rollout_info i = {.revision = "7",
                             .revision_hash = "h7",
                             .images = "[\"a:1\",\"b\\u0026:2\"]",
                             .generation = 5,
                             .observed = true};
    struct wait_ask ask = {.revision = "7"};
    assert_int_equal(wait_pin(&ask, &i, false), PIN_FITS);
    ask.revision = "h7";
    assert_int_equal(wait_pin(&ask, &i, false), PIN_FITS);
    ask.revision = "8";
    assert_int_equal(wait_pin(&ask, &i, false), PIN_EARLIER);
    ask.revision = "6";
    assert_int_equal(wait_pin(&ask, &i, false), PIN_LATER);
    ask.revision = "other";
    assert_int_equal(wait_pin(&ask, &i, false), PIN_EARLIER);
    assert_int_equal(wait_pin(&ask, &i, true), PIN_LATER);
    ask = (struct wait_ask){.image = "b&:2"};
    assert_int_equal(wait_pin(&ask, &i, false), PIN_FITS);
    i.images = "[\"a:2\"]";
    i.revision_hash = "h8";
    assert_int_equal(wait_pin(&ask, &i, false), PIN_LATER); /* it had been there */
    ask = (struct wait_ask){.image = "a:"};
    assert_int_equal(wait_pin(&ask, &i, false), PIN_EARLIER); /* no part of a name */
    ask = (struct wait_ask){.generation = 6};
    assert_int_equal(wait_pin(&ask, &i, false), PIN_EARLIER);
    i.generation = 9;
    assert_int_equal(wait_pin(&ask, &i, false), PIN_FITS);
    i.generation = 10; /* scaled: the same revision */
    assert_int_equal(wait_pin(&ask, &i, false), PIN_FITS);
    i.revision_hash = "h9";
    assert_int_equal(wait_pin(&ask, &i, false), PIN_LATER);
}

static void given_states_when_judged_then_verdicts(void **state)
{
    (void)state;
    static const struct {
        enum rollout_state state;
        bool terminal;
        bool observed;
        enum verdict verdict;
        bool met;
    } cases[] = {
        {ROLLOUT_SERVING, false, true, VERDICT_SERVING, true},
        {ROLLOUT_NOT_GATED, false, true, VERDICT_SERVING, true},
        {ROLLOUT_IDLE, false, true, VERDICT_SERVING, true},
        {ROLLOUT_SERVING, false, false, VERDICT_WAITING, false},
        {ROLLOUT_FAILED, false, true, VERDICT_FAILED, false},
        {ROLLOUT_STUCK, true, true, VERDICT_FAILED, false},
        {ROLLOUT_STUCK, true, false, VERDICT_WAITING, false},
        {ROLLOUT_STUCK, false, true, VERDICT_WAITING, false},
        {ROLLOUT_EXPOSED, false, true, VERDICT_WAITING, false},
        {ROLLOUT_UNKNOWN, false, true, VERDICT_WAITING, false},
    };
    bool met = false;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct wait_ask ask = {.what = WAIT_SERVING};
        struct rollout_info info = {
            .state = cases[i].state, .terminal = cases[i].terminal, .observed = cases[i].observed};
        assert_int_equal(wait_verdict(&ask, &info, PIN_FITS, &met), cases[i].verdict);
        assert_int_equal(met, cases[i].met);
        assert_int_equal(wait_verdict(&ask, &info, PIN_LATER, &met), VERDICT_SUPERSEDED);
        assert_false(met);
        assert_int_equal(wait_verdict(&ask, &info, PIN_EARLIER, &met), VERDICT_WAITING);
        assert_false(met);
    }
    struct rollout_info info = {
        .state = ROLLOUT_EXPOSED, .complete = true, .observed = true, .rev = 7};
    struct wait_ask ask = {.what = WAIT_COMPLETE};
    assert_int_equal(wait_verdict(&ask, &info, PIN_FITS, &met), VERDICT_WAITING);
    assert_true(met);
    ask = (struct wait_ask){.what = WAIT_CHANGE, .index = 7};
    (void)wait_verdict(&ask, &info, PIN_FITS, &met);
    assert_false(met);
    ask.index = 6;
    (void)wait_verdict(&ask, &info, PIN_FITS, &met);
    assert_true(met);
}

static json_t *answer_of(struct client *c)
{
    assert_true(c->answered);
    assert_int_equal(c->x.reply.status, 200);
    return parsed(client_body(c));
}

static void given_a_waiter_when_its_rollout_serves_then_woken(void **state)
{
    struct bed *b = *state;
    char path[128];
    (void)snprintf(path, sizeof path, "%s/wait", web);
    struct client *c = client_new(path, "timeout=600");
    assert_int_equal(client_ask(b, c), OUTCOME_PARKED);
    set_state(b, 3, 2, "Deployment", "api", ROLLOUT_SERVING);
    assert_int_equal(worker_wait_ms(&b->w, clock_mono_ms()), -1); /* not its own */
    set_state(b, 1, 1, "Deployment", "web", ROLLOUT_SLOW);
    assert_int_equal(worker_wait_ms(&b->w, clock_mono_ms()), 0);
    worker_tick(&b->w, clock_mono_ms());
    assert_false(c->answered);
    set_state(b, 1, 1, "Deployment", "web", ROLLOUT_SERVING);
    worker_tick(&b->w, clock_mono_ms());
    json_t *v = answer_of(c);
    assert_true(json_is_true(at(v, "met")));
    assert_string_equal(text_at(v, "verdict"), "serving");
    assert_string_equal(text_at(v, "rollout.name"), "web");
    assert_int_equal(int_at(v, "index"), 103);
    assert_true(json_is_string(at(v, "now")));
    json_decref(v);
    assert_int_equal(atomic_load(&b->shared.counters.waiters), 0);
    client_free(b, c);
}

static void given_waiters_when_time_is_up_gone_or_too_many_then_each_its_end(void **state)
{
    struct bed *b = *state;
    char path[128];
    (void)snprintf(path, sizeof path, "%s/wait", web);
    struct client *one = client_new(path, "timeout=1");
    struct client *two = client_new(path, "timeout=600");
    struct client *three = client_new(path, "");
    assert_int_equal(client_ask(b, one), OUTCOME_PARKED);
    assert_int_equal(client_ask(b, two), OUTCOME_PARKED);
    assert_int_equal(client_ask(b, three), OUTCOME_ANSWER);
    assert_int_equal(three->x.reply.status, 429);
    worker_beat(&b->w, clock_mono_ms() + 500);
    assert_false(one->answered);
    worker_beat(&b->w, clock_mono_ms() + 1100);
    json_t *v = answer_of(one);
    assert_string_equal(text_at(v, "verdict"), "timeout");
    assert_false(json_is_true(at(v, "met")));
    assert_false(json_is_true(at(v, "terminal")));
    json_decref(v);
    client_free(b, two); /* left while it waited */
    assert_int_equal(atomic_load(&b->shared.counters.waiters), 0);
    set_state(b, 1, 1, "Deployment", "web", ROLLOUT_SERVING);
    worker_tick(&b->w, clock_mono_ms());
    client_free(b, one);
    client_free(b, three);
}

static void given_pinned_waits_when_not_there_yet_then_waited_for(void **state)
{
    struct bed *b = *state;
    json_decref(get(b, "/api/v1/namespaces/shop/rollouts/deploy/new/wait", "", 404, NULL));
    struct client *c =
        client_new("/api/v1/namespaces/shop/rollouts/deploy/new/wait", "image=reg/new:1");
    assert_int_equal(client_ask(b, c), OUTCOME_PARKED);
    fixture_rollout(&b->f,
                    (struct fixture_rollout){50, 1, "Deployment", "new", ROLLOUT_SERVING, 1});
    set_state(b, 50, 1, "Deployment", "new", ROLLOUT_SERVING);
    worker_tick(&b->w, clock_mono_ms());
    json_t *v = answer_of(c);
    assert_string_equal(text_at(v, "verdict"), "serving");
    json_decref(v);
    client_free(b, c);
    char path[128];
    (void)snprintf(path, sizeof path, "%s/wait", web);
    v = get(b, path, "revision=6", 200, NULL);
    assert_string_equal(text_at(v, "verdict"), "superseded");
    assert_true(json_is_true(at(v, "terminal")));
    json_decref(v);
    sql(&b->f, "UPDATE workload SET terminal = 1 WHERE id = 1");
    v = get(b, path, "", 200, NULL);
    assert_string_equal(text_at(v, "verdict"), "failed");
    json_decref(v);
}

static void given_the_gate_when_asked_then_the_status_says_it(void **state)
{
    struct bed *b = *state;
    json_t *v = get(b, "/api/v1/namespaces/shop/rollouts/sts/db/gate", "", 200, NULL);
    assert_string_equal(text_at(v, "verdict"), "serving");
    json_decref(v);
    char path[128];
    (void)snprintf(path, sizeof path, "%s/gate", web);
    v = get(b, path, "", 503, NULL);
    assert_string_equal(text_at(v, "verdict"), "waiting");
    json_decref(v);
    json_decref(get(b, "/api/v1/namespaces/shop/rollouts/sts/nope/gate", "", 404, NULL));
    json_decref(get(b, "/api/v1/namespaces/shop/rollouts/sts/nope/gate", "revision=2", 503, NULL));
}

static void given_drain_when_waiting_then_everyone_is_answered(void **state)
{
    struct bed *b = *state;
    char path[128];
    (void)snprintf(path, sizeof path, "%s/wait", web);
    struct client *c = client_new(path, "timeout=600");
    assert_int_equal(client_ask(b, c), OUTCOME_PARKED);
    worker_drain(&b->w);
    json_decref(answer_of(c));
    client_free(b, c);
}

static void given_a_badge_when_asked_then_a_picture_of_the_state(void **state)
{
    struct bed *b = *state;
    struct client *c = client_new("/badge/shop/deploy/web.svg", "");
    assert_int_equal(client_ask(b, c), OUTCOME_ANSWER);
    assert_int_equal(c->x.reply.status, 200);
    assert_string_equal(c->x.reply.content_type, "image/svg+xml");
    assert_true(c->x.reply.embed);
    const char *text = client_body(c);
    assert_non_null(strstr(text, "<title>web: stuck 2/3</title>"));
    assert_non_null(strstr(text, "#ad4300"));
    client_free(b, c);
    sql(&b->f, "UPDATE workload SET name = '<a b>&\"', state = %d WHERE id = 1", ROLLOUT_SERVING);
    c = client_new("/badge/shop/deploy/%3Ca%20b%3E&%22.svg", "");
    assert_int_equal(client_ask(b, c), OUTCOME_ANSWER);
    text = client_body(c);
    assert_non_null(strstr(text, "<title>_a_b___: serving 2/3</title>"));
    client_free(b, c);
    json_decref(get(b, "/badge/shop/deploy/none.svg", "", 404, NULL));
    json_decref(get(b, "/badge/shop/deploy/web", "", 404, NULL));
    json_decref(get(b, "/badge/shop/deploy/web.svg", "style=flat", 400, NULL));
    json_decref(get(b, "/badge/shop", "", 404, NULL));
}

/* A wait that streams. */
static struct client *stream_wait(struct bed *b, const char *query)
{
    static char path[128];
    (void)snprintf(path, sizeof path, "%s/wait", web);
    struct client *c = client_new(path, query);
    c->x.req.accept = "text/event-stream";
    assert_int_equal(client_ask(b, c), OUTCOME_STREAM);
    assert_string_equal(c->x.reply.content_type, "text/event-stream");
    return c;
}

/* The data of the only event that came since the last look; it must be of that name. */
static json_t *event_of(struct client *c, const char *name)
{
    char start[64];
    const char *text = buf_str(&c->got);
    (void)snprintf(start, sizeof start, "event: %s\ndata: ", name);
    if (strncmp(text, start, strlen(start)) != 0 ||
        strstr(text, "\n\n") != text + strlen(text) - 2) {
        fail_msg("%s: %s", name, text);
    }
    json_t *v = json_loads(text + strlen(start), JSON_DISABLE_EOF_CHECK, NULL);
    assert_non_null(v);
    buf_clear(&c->got);
    return v;
}

static void given_a_streamed_wait_when_the_rollout_moves_then_steps_and_a_result(void **state)
{
    struct bed *b = *state;
    struct client *c = stream_wait(b, "timeout=600");
    json_t *v = event_of(c, "progress");
    assert_string_equal(text_at(v, "verdict"), "waiting");
    assert_string_equal(text_at(v, "rollout.name"), "web");
    assert_true(json_is_string(at(v, "now")));
    json_decref(v);
    /* a slow reader: two steps while the first is still on its way are one later */
    set_state(b, 1, 1, "Deployment", "web", ROLLOUT_SLOW);
    worker_tick(&b->w, clock_mono_ms());
    set_state(b, 1, 1, "Deployment", "web", ROLLOUT_STUCK);
    worker_tick(&b->w, clock_mono_ms());
    worker_beat(&b->w, clock_mono_ms() + BEAT_MS);
    assert_int_equal(c->sends, 1);
    client_written(c);
    v = event_of(c, "progress");
    assert_string_equal(text_at(v, "rollout.state"), "stuck");
    assert_int_equal(int_at(v, "index"), 102);
    json_decref(v);
    client_drain(c);
    worker_beat(&b->w, clock_mono_ms() + BEAT_MS);
    assert_string_equal(buf_str(&c->got), ":\n\n");
    buf_clear(&c->got);
    client_drain(c);
    set_state(b, 1, 1, "Deployment", "web", ROLLOUT_SERVING);
    worker_tick(&b->w, clock_mono_ms());
    v = event_of(c, "result");
    assert_true(json_is_true(at(v, "met")));
    assert_string_equal(text_at(v, "verdict"), "serving");
    json_decref(v);
    assert_true(c->ended);
    assert_int_equal(atomic_load(&b->shared.counters.waiters), 0);
    client_free(b, c);
}

static void given_a_streamed_wait_when_it_cannot_go_on_then_it_ends_and_says_so(void **state)
{
    struct bed *b = *state;
    struct client *late = stream_wait(b, "timeout=1");
    json_decref(event_of(late, "progress"));
    worker_beat(&b->w, clock_mono_ms() + 1100); /* while the first step is on its way */
    assert_false(late->ended);
    client_written(late);
    json_t *v = event_of(late, "result");
    assert_string_equal(text_at(v, "verdict"), "timeout");
    json_decref(v);
    assert_true(late->ended);
    client_free(b, late);

    struct client *gone = stream_wait(b, "");
    json_decref(event_of(gone, "progress"));
    client_drain(gone);
    sql(&b->f, "DELETE FROM workload WHERE id = 1");
    struct feed_item item = {.what = FEED_ROLLOUT,
                             .workload_id = 1,
                             .ns_id = 1,
                             .namespace = "shop",
                             .kind = "Deployment",
                             .name = "web",
                             .state = -1};
    publish(b, &item, 1, true);
    worker_tick(&b->w, clock_mono_ms());
    v = event_of(gone, "problem");
    assert_int_equal(int_at(v, "status"), 404);
    json_decref(v);
    assert_true(gone->ended);
    assert_int_equal(gone->x.reply.status, 200);
    client_free(b, gone);

    char path[128];
    (void)snprintf(path, sizeof path, "%s/wait", web);
    struct client *none = client_new(path, "");
    none->x.req.accept = "application/json;q=0.1, text/event-stream";
    assert_int_equal(client_ask(b, none), OUTCOME_ANSWER);
    assert_int_equal(none->x.reply.status, 404); /* a problem, no stream */
    client_free(b, none);
    assert_int_equal(atomic_load(&b->shared.counters.waiters), 0);
}

static void given_streamed_waits_when_too_many_left_or_drained_then_each_its_end(void **state)
{
    struct bed *b = *state;
    struct client *one = stream_wait(b, "");
    struct client *two = stream_wait(b, "revision=99");
    char path[128];
    (void)snprintf(path, sizeof path, "%s/wait", web);
    struct client *three = client_new(path, "");
    three->x.req.accept = "text/event-stream";
    assert_int_equal(client_ask(b, three), OUTCOME_ANSWER);
    assert_int_equal(three->x.reply.status, 429);
    client_free(b, three);
    client_free(b, one); /* left while a step was on its way */
    json_t *v = event_of(two, "progress");
    assert_string_equal(text_at(v, "verdict"), "waiting");
    json_decref(v);
    client_drain(two);
    worker_drain(&b->w);
    json_decref(event_of(two, "result"));
    assert_true(two->ended);
    client_free(b, two);
    assert_int_equal(atomic_load(&b->shared.counters.waiters), 0);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, bed_setup, bed_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(given_the_views_when_asked_then_envelope_and_content),
        T(given_a_group_when_details_were_read_then_shown),
        T(given_what_is_not_there_when_asked_then_problems),
        T(given_a_cursor_when_followed_then_next_page_and_only_with_its_filters),
        T(given_changes_elsewhere_when_asked_again_then_304_and_own_change_200),
        T(given_an_unannounced_change_when_asked_within_life_then_cached_body),
        T(given_if_none_match_forms_when_compared_then_as_rfc_9110),
        cmocka_unit_test(given_a_body_and_a_tail_when_gzipped_then_it_unpacks_to_both),
        cmocka_unit_test(given_a_small_cache_when_filled_then_oldest_leave_and_ceiling_holds),
        T(given_explain_as_text_when_asked_then_for_people),
        cmocka_unit_test(given_pins_when_compared_then_earlier_fits_or_later),
        cmocka_unit_test(given_states_when_judged_then_verdicts),
        T(given_a_waiter_when_its_rollout_serves_then_woken),
        T(given_waiters_when_time_is_up_gone_or_too_many_then_each_its_end),
        T(given_pinned_waits_when_not_there_yet_then_waited_for),
        T(given_the_gate_when_asked_then_the_status_says_it),
        T(given_drain_when_waiting_then_everyone_is_answered),
        T(given_a_badge_when_asked_then_a_picture_of_the_state),
        T(given_a_streamed_wait_when_the_rollout_moves_then_steps_and_a_result),
        T(given_a_streamed_wait_when_it_cannot_go_on_then_it_ends_and_says_so),
        T(given_streamed_waits_when_too_many_left_or_drained_then_each_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
