/* Streams: what a subscriber gets, when, and what a slow one costs. No sockets: a client takes what
 * is sent when the test says so. */
#include "unit/api/worker_bed.h"

static struct client *stream(struct bed *b, const char *query)
{
    struct client *c = client_new("/api/v1/events", query);
    if (client_ask(b, c) != OUTCOME_STREAM) {
        fail_msg("%s: %d", query, c->x.reply.status);
    }
    client_drain(c);
    return c;
}

static void tick(struct bed *b)
{
    worker_tick(&b->w, clock_mono_ms());
}

/* What came since the last look. */
static const char *got(struct client *c)
{
    static char text[1 << 20];
    client_drain(c);
    (void)snprintf(text, sizeof text, "%s", buf_str(&c->got));
    buf_clear(&c->got);
    return text;
}

static void given_a_change_when_ticked_then_one_event_with_the_item_and_the_revision(void **state)
{
    struct bed *b = *state;
    struct client *c = stream(b, "");
    assert_string_equal(got(c), "retry: 3000\nid: 100\n\n");
    set_state(b, 1, 1, "Deployment", "web", ROLLOUT_SLOW);
    set_state(b, 1, 1, "Deployment", "web", ROLLOUT_STUCK);
    assert_string_equal(got(c), ""); /* not before the tick */
    tick(b);
    const char *text = got(c);
    assert_non_null(
        strstr(text, "event: rollout\ndata: {\"cluster\":\"prod\",\"namespace\":\"shop\""));
    assert_non_null(strstr(text, "\"state\":\"stuck\""));
    assert_null(strstr(strstr(text, "event:") + 1, "event:")); /* two changes, one event */
    size_t n = strlen(text);
    assert_string_equal(text + n - 11, "}\nid: 102\n\n");
    const char *data = strstr(text, "data: ") + 6;
    char line[8192];
    (void)snprintf(line, sizeof line, "%.*s", (int)strcspn(data, "\n"), data);
    json_decref(parsed(line));
    tick(b);
    assert_string_equal(got(c), ""); /* nothing new */
    client_free(b, c);
}

static void given_filters_when_ticked_then_only_what_matches(void **state)
{
    struct bed *b = *state;
    struct client *shop = stream(b, "namespace=shop");
    struct client *stuck = stream(b, "state=stuck&kind=deploy");
    (void)got(shop);
    (void)got(stuck);
    set_state(b, 3, 2, "Deployment", "api", ROLLOUT_STUCK);
    set_state(b, 2, 1, "StatefulSet", "db", ROLLOUT_SLOW);
    tick(b);
    const char *text = got(shop);
    assert_null(strstr(text, "\"api\""));
    assert_non_null(strstr(text, "\"name\":\"db\""));
    assert_non_null(strstr(text, "\nid: 102\n\n"));
    text = got(stuck);
    assert_null(strstr(text, "\"db\""));
    assert_non_null(strstr(text, "\"name\":\"api\""));
    set_state(b, 3, 2, "Deployment", "api", ROLLOUT_SERVING);
    tick(b);
    assert_string_equal(got(shop), "");
    assert_string_equal(got(stuck),
                        "event: rollout\ndata: {\"namespace\":\"pay\",\"kind\":\"Deployment\","
                        "\"name\":\"api\",\"left\":true}\nid: 103\n\n");
    client_free(b, shop);
    client_free(b, stuck);
}

static void given_a_label_selector_when_ticked_then_only_what_it_selects(void **state)
{
    struct bed *b = *state;
    struct client *front = stream(b, "labelSelector=tier+in+(front)&kind=deploy");
    struct client *back = stream(b, "labelSelector=tier=back&kind=deploy");
    struct client *all = stream(b, "");
    (void)got(front);
    (void)got(back);
    (void)got(all);
    set_state(b, 1, 1, "Deployment", "web", ROLLOUT_SLOW);
    tick(b);
    assert_non_null(strstr(got(front), "\"state\":\"slow\""));
    assert_string_equal(got(back), "event: rollout\ndata: {\"namespace\":\"shop\",\"kind\":"
                                   "\"Deployment\",\"name\":\"web\",\"left\":true}\nid: 101\n\n");
    assert_non_null(strstr(got(all), "\"state\":\"slow\""));
    set_state(b, 3, 2, "Deployment", "api", ROLLOUT_SLOW); /* has no labels */
    tick(b);
    assert_non_null(strstr(got(front), "\"left\":true"));
    client_free(b, front);
    client_free(b, back);
    client_free(b, all);
    json_decref(get(b, "/api/v1/events", "labelSelector=a+in", 400, NULL));
}

static void given_one_rollout_when_followed_then_its_pods_too(void **state)
{
    struct bed *b = *state;
    struct client *one = stream(b, "namespace=shop&kind=Deployment&name=web");
    struct client *all = stream(b, "");
    (void)got(one);
    (void)got(all);
    struct feed_item items[] = {{.what = FEED_POD,
                                 .workload_id = 1,
                                 .ns_id = 1,
                                 .namespace = "shop",
                                 .kind = "Pod",
                                 .name = "web-1",
                                 .state = 3},
                                {.what = FEED_POD,
                                 .workload_id = 1,
                                 .ns_id = 1,
                                 .namespace = "shop",
                                 .kind = "Pod",
                                 .name = "web-9",
                                 .state = -1},
                                {.what = FEED_POD,
                                 .workload_id = 2,
                                 .ns_id = 1,
                                 .namespace = "shop",
                                 .kind = "Pod",
                                 .name = "db-0",
                                 .state = 3}};
    publish(b, items, 3, false);
    tick(b);
    assert_string_equal(got(all), "");
    const char *text = got(one);
    assert_non_null(strstr(
        text, "event: pod\ndata: {\"workload\":{\"namespace\":\"shop\",\"kind\":\"Deployment\","
              "\"name\":\"web\"},\"pod\":{\"name\":\"web-1\""));
    assert_non_null(strstr(text, "\"name\":\"web-9\",\"deleted\":true}\n"));
    assert_null(strstr(text, "db-0"));
    client_free(b, one);
    client_free(b, all);
}

static void given_other_news_when_ticked_then_each_has_its_event(void **state)
{
    struct bed *b = *state;
    struct client *c = stream(b, "");
    struct client *one = stream(b, "namespace=pay&kind=Deployment&name=api");
    (void)got(c);
    (void)got(one);
    struct feed_item items[] = {
        {.what = FEED_NAMESPACE, .ns_id = 1, .namespace = "shop", .kind = "", .name = "shop"},
        {.what = FEED_SOURCE, .namespace = "", .kind = "", .name = "kubernetes", .state = 2},
        {.what = FEED_ALERT,
         .workload_id = 1,
         .ns_id = 1,
         .namespace = "shop",
         .kind = "rollout.stuck",
         .name = "web",
         .state = 1},
        {.what = FEED_ROLLOUT,
         .workload_id = 99,
         .ns_id = 1,
         .namespace = "shop",
         .kind = "Deployment",
         .name = "old",
         .state = -1}};
    publish(b, items, 4, true);
    tick(b);
    const char *text = got(c);
    assert_non_null(
        strstr(text, "event: namespace\ndata: {\"cluster\":\"prod\",\"namespace\":\"shop\""));
    assert_non_null(strstr(text, "event: source\ndata: {\"name\":\"kubernetes\",\"state\":\"ok\""));
    assert_non_null(strstr(
        text, "event: alert\ndata: {\"type\":\"rollout.stuck\",\"namespace\":\"shop\",\"kind\":"
              "\"Deployment\",\"name\":\"web\",\"cause\":\"health_check_timeout\"}\n"));
    assert_non_null(strstr(
        text, "event: rollout\ndata: {\"namespace\":\"shop\",\"kind\":\"Deployment\",\"name\":"
              "\"old\",\"deleted\":true}\n"));
    text = got(one);
    assert_non_null(strstr(text, "event: source\n"));
    assert_null(strstr(text, "event: alert"));
    client_free(b, c);
    client_free(b, one);
}

static void given_a_number_when_resuming_then_what_was_missed_or_resync(void **state)
{
    struct bed *b = *state;
    set_state(b, 1, 1, "Deployment", "web", ROLLOUT_SLOW);
    set_state(b, 3, 2, "Deployment", "api", ROLLOUT_SLOW);
    struct client *c = stream(b, "since=101");
    const char *text = got(c);
    assert_null(strstr(text, "\"web\""));
    assert_non_null(strstr(text, "\"api\""));
    assert_non_null(strstr(text, "\nid: 102\n\n"));
    client_free(b, c);
    c = stream(b, "since=102");
    assert_string_equal(got(c), "retry: 3000\n\n");
    client_free(b, c);
    c = stream(b, "since=5");
    assert_non_null(strstr(got(c), "event: resync\nid: 102\ndata: {}\n\n"));
    client_free(b, c);
    c = stream(b, "since=9999"); /* of another database */
    assert_non_null(strstr(got(c), "event: resync\n"));
    client_free(b, c);
    c = client_new("/api/v1/events", "since=102");
    c->x.req.last_event_id = "101"; /* the header is newer than the query */
    assert_int_equal(client_ask(b, c), OUTCOME_STREAM);
    assert_non_null(strstr(got(c), "\"api\""));
    client_free(b, c);
    c = client_new("/api/v1/events", "");
    c->x.req.last_event_id = "garbage";
    assert_int_equal(client_ask(b, c), OUTCOME_STREAM);
    assert_non_null(strstr(got(c), "event: resync\n"));
    client_free(b, c);
}

/* One that takes nothing holds one send; the others go on; when it comes back it must resync. */
static void given_a_stuck_reader_when_others_read_then_no_wait_and_no_growth(void **state)
{
    struct bed *b = *state;
    struct client *slow = client_new("/api/v1/events", "");
    struct client *fast = stream(b, "");
    assert_int_equal(client_ask(b, slow), OUTCOME_STREAM);
    client_drain(slow);
    (void)got(fast);
    buf_clear(&slow->got);
    for (int i = 0; i < RING_TICKS + 20; i++) {
        set_state(b, 1, 1, "Deployment", "web", i % 2 == 0 ? ROLLOUT_SLOW : ROLLOUT_STUCK);
        tick(b);
        assert_non_null(strstr(got(fast), "event: rollout"));
    }
    assert_true(slow->writing);
    assert_true(slow->got.len < 4096); /* the first tick only */
    buf_clear(&slow->got);
    client_written(slow);
    assert_non_null(strstr(buf_str(&slow->got), "event: resync\n"));
    client_drain(slow);
    buf_clear(&slow->got);
    set_state(b, 1, 1, "Deployment", "web", ROLLOUT_SERVING);
    tick(b);
    assert_non_null(strstr(got(slow), "\"state\":\"serving\""));
    client_free(b, slow);
    client_free(b, fast);
}

/* Behind but within the ring: every tick, in order. */
static void given_a_late_reader_when_it_reads_on_then_nothing_is_missing(void **state)
{
    struct bed *b = *state;
    struct client *c = client_new("/api/v1/events", "q=web");
    assert_int_equal(client_ask(b, c), OUTCOME_STREAM);
    for (int i = 0; i < 10; i++) {
        set_state(b, 1, 1, "Deployment", "web", ROLLOUT_SLOW);
        set_state(b, 3, 2, "Deployment", "api", ROLLOUT_SLOW);
        tick(b);
    }
    const char *text = got(c);
    unsigned events = 0;
    for (const char *p = strstr(text, "event: rollout"); p != NULL;
         p = strstr(p + 1, "event: rollout")) {
        events++;
    }
    assert_int_equal(events, 10);
    assert_null(strstr(text, "\"api\""));
    client_free(b, c);
}

static void given_too_much_at_once_when_ticked_then_resync(void **state)
{
    struct bed *b = *state;
    struct client *c = stream(b, "");
    (void)got(c);
    for (int i = 0; i <= TICK_ITEMS_MAX; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "w%d", i);
        struct feed_item item = {.what = FEED_ROLLOUT,
                                 .workload_id = 1000 + i,
                                 .ns_id = 1,
                                 .namespace = "shop",
                                 .kind = "Deployment",
                                 .name = name,
                                 .state = -1};
        publish(b, &item, 1, true);
    }
    tick(b);
    const char *text = got(c);
    assert_non_null(strstr(text, "event: resync\n"));
    assert_null(strstr(text, "event: rollout"));
    struct commit commit = {.revision = ++b->revision, .overflow = true};
    feed_publish(b->feed, &commit, 0);
    tick(b);
    assert_non_null(strstr(got(c), "event: resync\n"));
    client_free(b, c);
}

static void given_silence_when_long_then_a_comment_and_at_last_an_end(void **state)
{
    struct bed *b = *state;
    struct client *c = stream(b, "q=nothing");
    (void)got(c);
    int64_t now = clock_mono_ms();
    worker_beat(&b->w, now + BEAT_MS - 1000);
    assert_string_equal(got(c), "");
    set_state(b, 1, 1, "Deployment", "web", ROLLOUT_SLOW);
    tick(b);
    worker_beat(&b->w, now + BEAT_MS + 1000);
    assert_string_equal(got(c), "id: 101\n:\n\n"); /* nothing matched: so far it is */
    worker_beat(&b->w, now + STREAM_AGE_MS + 1000);
    client_drain(c);
    assert_true(c->ended);
    client_free(b, c);
}

static void given_the_ceiling_when_reached_then_429_and_freed_by_leaving(void **state)
{
    struct bed *b = *state;
    struct client *c[3];
    for (int i = 0; i < 3; i++) {
        c[i] = stream(b, "");
    }
    struct client *more = client_new("/api/v1/events", "");
    assert_int_equal(client_ask(b, more), OUTCOME_ANSWER);
    assert_int_equal(more->x.reply.status, 429);
    assert_string_equal(more->x.reply.headers[0].name, "retry-after");
    client_free(b, more);
    client_free(b, c[1]);
    c[1] = stream(b, "");
    worker_drain(&b->w);
    for (int i = 0; i < 3; i++) {
        client_drain(c[i]);
        assert_true(c[i]->ended);
        client_free(b, c[i]);
    }
    assert_int_equal(atomic_load(&b->shared.counters.streams), 0);
    more = client_new("/api/v1/events", "");
    assert_int_equal(client_ask(b, more), OUTCOME_ANSWER);
    assert_int_equal(more->x.reply.status, 503);
    client_free(b, more);
}

static void given_wrong_parameters_when_asked_then_400_and_head_is_no_stream(void **state)
{
    struct bed *b = *state;
    json_decref(get(b, "/api/v1/events", "state=stuk", 400, NULL));
    json_decref(get(b, "/api/v1/events", "since=x", 400, NULL));
    json_decref(get(b, "/api/v1/events", "cluster=other", 404, NULL));
    json_decref(get(b, "/api/v1/events", "labelSelecter=a", 400, NULL));
    struct client *c = client_new("/api/v1/events", "");
    c->x.req.head = true;
    assert_int_equal(client_ask(b, c), OUTCOME_ANSWER);
    assert_int_equal(c->x.reply.status, 200);
    assert_null(c->x.subscriber);
    client_free(b, c);
}

static void given_news_when_nobody_listens_then_nothing_is_rendered(void **state)
{
    struct bed *b = *state;
    set_state(b, 1, 1, "Deployment", "web", ROLLOUT_SLOW);
    assert_int_equal(worker_wait_ms(&b->w, clock_mono_ms()), -1);
    tick(b);
    assert_int_equal(atomic_load(&b->shared.counters.frames), 0);
    struct client *c = stream(b, "");
    set_state(b, 1, 1, "Deployment", "web", ROLLOUT_STUCK);
    assert_int_equal(worker_wait_ms(&b->w, clock_mono_ms() + TICK_MS), 0);
    tick(b);
    set_state(b, 1, 1, "Deployment", "web", ROLLOUT_STUCK);
    assert_in_range(worker_wait_ms(&b->w, clock_mono_ms()), 1, TICK_MS); /* one tick at a time */
    client_free(b, c);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, bed_setup, bed_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(given_a_change_when_ticked_then_one_event_with_the_item_and_the_revision),
        T(given_filters_when_ticked_then_only_what_matches),
        T(given_a_label_selector_when_ticked_then_only_what_it_selects),
        T(given_one_rollout_when_followed_then_its_pods_too),
        T(given_other_news_when_ticked_then_each_has_its_event),
        T(given_a_number_when_resuming_then_what_was_missed_or_resync),
        T(given_a_stuck_reader_when_others_read_then_no_wait_and_no_growth),
        T(given_a_late_reader_when_it_reads_on_then_nothing_is_missing),
        T(given_too_much_at_once_when_ticked_then_resync),
        T(given_silence_when_long_then_a_comment_and_at_last_an_end),
        T(given_the_ceiling_when_reached_then_429_and_freed_by_leaving),
        T(given_wrong_parameters_when_asked_then_400_and_head_is_no_stream),
        T(given_news_when_nobody_listens_then_nothing_is_rendered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
