/* POST …/refresh over a known database: what it starts, and each reason not to. The poller's thread
 * is not started: what it was asked for waits in its mailbox. */
#include "unit/api/worker_bed.h"

static const char web[] = "/api/v1/namespaces/shop/rollouts/deploy/web/refresh";

static int64_t asked_at; /* Unix ms: the poller knows of it from then on, and may answer */

bool __real_elb_source_refresh(struct elb_source *e, struct elb_asked *asked, size_t n,
                               int64_t *ret_wait_ms, struct err *err);
bool __wrap_elb_source_refresh(struct elb_source *e, struct elb_asked *asked, size_t n,
                               int64_t *ret_wait_ms, struct err *err);
bool __wrap_elb_source_refresh(struct elb_source *e, struct elb_asked *asked, size_t n,
                               int64_t *ret_wait_ms, struct err *err)
{
    bool ok = __real_elb_source_refresh(e, asked, n, ret_wait_ms, err);
    asked_at = clock_unix_ms();
    clock_sleep_ms(20);
    return ok;
}

static void drop(void *item)
{
    change_free(item);
}

/* The answer as JSON (caller decrefs) and its Retry-After. */
static json_t *post(struct bed *b, const char *path, int want, const char **ret_retry)
{
    static char retry[80];
    struct client *c = client_new(path, "");
    c->x.req.method = METHOD_POST;
    assert_int_equal(client_ask(b, c), OUTCOME_ANSWER);
    if (c->x.reply.status != want) {
        fail_msg("%s: %d: %s", path, c->x.reply.status, client_body(c));
    }
    retry[0] = '\0';
    for (unsigned i = 0; i < c->x.reply.n_headers; i++) {
        if (strcmp(c->x.reply.headers[i].name, "retry-after") == 0) {
            (void)snprintf(retry, sizeof retry, "%s", c->x.reply.headers[i].value);
        }
    }
    json_t *v = parsed(client_body(c));
    client_free(b, c);
    if (ret_retry != NULL) {
        *ret_retry = retry;
    }
    return v;
}

static void given_aws_off_or_unknown_things_when_posted_then_said(void **state)
{
    struct bed *b = *state;
    json_t *v = post(b, web, 409, NULL);
    assert_string_equal(text_at(v, "type"), "/problems/conflict");
    json_decref(v);
    json_decref(post(b, "/api/v1/namespaces/shop/rollouts/deploy/none/refresh", 404, NULL));
    json_decref(post(b, "/api/v1/namespaces/none/rollouts/deploy/web/refresh", 404, NULL));
    struct client *c = client_new(web, "");
    assert_int_equal(client_ask(b, c), OUTCOME_ANSWER);
    assert_int_equal(c->x.reply.status, 405);
    client_free(b, c);
    c = client_new(web, "");
    c->x.req.method = METHOD_POST;
    c->x.req.origin = "https://evil.example";
    assert_int_equal(client_ask(b, c), OUTCOME_ANSWER);
    assert_int_equal(c->x.reply.status, 403);
    client_free(b, c);
    c = client_new(web, "force=1");
    c->x.req.method = METHOD_POST;
    assert_int_equal(client_ask(b, c), OUTCOME_ANSWER);
    assert_int_equal(c->x.reply.status, 400);
    client_free(b, c);
}

static void given_a_poller_when_posted_then_its_groups_once_and_again_later(void **state)
{
    struct bed *b = *state;
    struct err err = {0};
    const char *retry = NULL;
    struct queue *q = queue_new(100, 1 << 20);
    struct elb_options opt = {.rate = 5, .burst = 20, .hot_interval_ms = 1, .idle_interval_ms = 1};
    (void)setenv("AWS_CONFIG_FILE", "/nonexistent", 1);
    (void)setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent", 1);
    assert_true(elb_source_new(&opt, q, &b->shared.opt.elb, &err));
    json_t *v = post(b, web, 202, &retry);
    assert_int_equal(json_array_size(at(v, "target_groups")), 1); /* that of its own gate */
    assert_string_equal(text_at(v, "target_groups.0.arn"), "arn:tg/web");
    assert_int_equal(int_at(v, "target_groups.0.id"), 5);
    assert_string_equal(text_at(v, "target_groups.0.name"), "k8s-web");
    assert_string_equal(text_at(v, "target_groups.0.binding"), "web");
    assert_true(json_is_true(at(v, "target_groups.0.started")));
    assert_string_equal(text_at(v, "kind"), "Deployment");
    int64_t now = 0;
    assert_true(clock_parse(text_at(v, "now"), strlen(text_at(v, "now")), &now));
    assert_true(now <= asked_at); /* else an answer that comes at once looks older */
    assert_string_equal(retry, "");
    json_decref(v);
    v = post(b, web, 429, &retry);
    assert_string_equal(text_at(v, "type"), "/problems/too_soon");
    assert_in_range(strtol(retry, NULL, 10), 1, 5);
    assert_int_equal(int_at(v, "retry_after_seconds"), strtol(retry, NULL, 10));
    json_decref(v);
    v = post(b, "/api/v1/namespaces/shop/rollouts/sts/db/refresh", 409, NULL); /* none is its */
    json_decref(v);
    sql(&b->f, "UPDATE source SET state = %d, message = 'no AWS credentials: x' WHERE name = 'aws'",
        (int)SOURCE_ABSENT);
    v = post(b, web, 503, &retry);
    assert_string_equal(text_at(v, "detail"), "no AWS credentials: x");
    assert_string_not_equal(retry, "");
    json_decref(v);
    elb_source_free(b->shared.opt.elb);
    b->shared.opt.elb = NULL;
    queue_free(q, drop);
}

/* A pod without the gate that the Service selects counts as well. */
static void given_no_gate_when_the_service_selects_then_its_group(void **state)
{
    struct bed *b = *state;
    static const struct kv labels[] = {{"app", "web"}};
    struct kube_pod p;
    struct err err = {0};
    struct list groups;
    struct rollout_info info;
    record_clear(kind_info(KIND_POD)->table, &p);
    p.meta.labels = (struct kvs){labels, 1};
    sql(&b->f, "INSERT INTO pod (id, cluster, ns_id, name, uid, resource_version, workload_id,"
               " created_at, body) VALUES (20, 1, 1, 'db-0', 'u', '1', 2, 5, x'00')");
    sql_blob(&b->f, "UPDATE pod SET body = ?1 WHERE id = 20", kind_info(KIND_POD)->table, &p);
    assert_true(reader_begin(b->w.reader, &err));
    assert_true(reader_rollout(b->w.reader, 2, false, NULL, &info, &err));
    assert_true(reader_rollout_groups(b->w.reader, 1, &info, &groups, &err));
    assert_int_equal(groups.n, 1);
    assert_string_equal(LIST_AT(struct rollout_group, groups, 0)->arn, "arn:tg/web");
    reader_end(b->w.reader);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, bed_setup, bed_teardown)
    const struct CMUnitTest tests[] = {
        TEST(given_aws_off_or_unknown_things_when_posted_then_said),
        TEST(given_a_poller_when_posted_then_its_groups_once_and_again_later),
        TEST(given_no_gate_when_the_service_selects_then_its_group)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
