/* A worker over the fixture's database, without sockets: requests go in as exchanges, streams come
 * out into a buffer that says "written" when the test says so. */
#ifndef GATEHOUSE_TESTS_WORKER_BED_H
#define GATEHOUSE_TESTS_WORKER_BED_H

#include "unit/reader_fixture.h"

#include "api/assets.h"
#include "api/openapi.h"
#include "api/sse.h"
#include "api/wait.h"
#include "base/clock.h"

struct bed {
    struct fixture f;
    struct feed *feed;
    struct config config;
    struct shared shared;
    struct worker w;
    int64_t revision;
};

/* A client: its exchange and what it got. */
struct client {
    struct exchange x; /* first */
    char text[8192];
    struct buf got;
    bool answered; /* a parked request got its answer */
    bool ended;    /* the stream ended */
    unsigned sends;
    bool writing; /* a send is under way */
    bool left;    /* it closed its end */
};

INLINE void client_answer(struct exchange *x)
{
    ((struct client *)x)->answered = true;
}

INLINE void client_send(struct exchange *x, const struct piece *pieces, size_t n, bool last)
{
    struct client *c = (struct client *)x;
    assert_false(c->writing); /* one send at a time */
    assert_true(n > 0 || last);
    for (size_t i = 0; i < n; i++) {
        assert_true(pieces[i].len > 0);
        assert_true(buf_add(&c->got, pieces[i].data, pieces[i].len));
    }
    c->sends++;
    c->writing = !last;
    c->ended = last;
}

INLINE bool client_left(struct exchange *x)
{
    return ((struct client *)x)->left;
}

static const struct exchange_ops client_ops = {client_answer, client_send, client_left};

/* The write is done: what is under way was taken by the client. */
INLINE void client_written(struct client *c)
{
    if (c->writing) {
        c->writing = false;
        worker_written(&c->x);
    }
}

/* All writes until nothing is under way. */
INLINE void client_drain(struct client *c)
{
    while (c->writing) {
        client_written(c);
    }
}

INLINE struct client *client_new(const char *path, const char *query)
{
    struct client *c = calloc(1, sizeof *c);
    assert_non_null(c);
    c->got.limit = 64 << 20;
    c->x.ops = &client_ops;
    c->x.viewer = "";
    c->x.req = (struct request){.method = METHOD_GET,
                                .path = path,
                                .query = query,
                                .host = "localhost",
                                .authorization = "",
                                .if_none_match = "",
                                .accept = "",
                                .accept_encoding = "",
                                .last_event_id = "",
                                .origin = "",
                                .body = "",
                                .text = c->text,
                                .id = "id1"};
    return c;
}

INLINE enum outcome client_ask(struct bed *b, struct client *c)
{
    enum outcome o = worker_serve(&b->w, &c->x);
    if (o == OUTCOME_STREAM) {
        worker_begin(&c->x);
    }
    return o;
}

INLINE void client_free(struct bed *b, struct client *c)
{
    worker_gone(&b->w, &c->x);
    exchange_fini(&c->x);
    buf_fini(&c->got);
    free(c);
}

/* Body and tail as the client sees them. */
INLINE const char *client_body(struct client *c)
{
    buf_clear(&c->got);
    if (c->x.reply.body != NULL) {
        (void)buf_add(&c->got, body_data(c->x.reply.body), body_len(c->x.reply.body));
    }
    (void)buf_add(&c->got, buf_str(&c->x.reply.tail), c->x.reply.tail.len);
    return buf_str(&c->got);
}

/* One GET: status, and the answer as JSON (caller decrefs; NULL for 304). etag may be NULL. */
INLINE json_t *get(struct bed *b, const char *path, const char *query, int want, char *etag)
{
    struct client *c = client_new(path, query);
    if (etag != NULL && etag[0] != '\0') {
        static char header[64];
        (void)snprintf(header, sizeof header, "\"%s\"", etag);
        c->x.req.if_none_match = header;
    }
    assert_int_equal(client_ask(b, c), OUTCOME_ANSWER);
    if (c->x.reply.status != want) {
        fail_msg("%s?%s: %d: %s", path, query, c->x.reply.status, client_body(c));
    }
    if (etag != NULL) {
        (void)snprintf(etag, ETAG_SIZE, "%s", c->x.reply.etag);
    }
    json_t *v = want == 304 ? NULL : parsed(client_body(c));
    client_free(b, c);
    return v;
}

/* A commit of one item: published, and handed to the worker as the loop would. */
INLINE void publish(struct bed *b, const struct feed_item *items, uint32_t n, bool list)
{
    struct commit c = {.revision = ++b->revision,
                       .items = items,
                       .n_items = n,
                       .list_changed = list,
                       .summary_changed = list};
    sql(&b->f, "UPDATE counter SET n = %lld WHERE name = 'revision'", (long long)b->revision);
    feed_publish(b->feed, &c, clock_unix_ms());
}

INLINE void on_block(void *arg, const struct feed_block *block)
{
    struct bed *b = arg;
    scopes_mark(b->shared.scopes, block);
    worker_block(&b->w, block);
}

/* A rollout's row gets another state, and the feed says so. */
INLINE void set_state(struct bed *b, int id, int ns, const char *kind, const char *name,
                      enum rollout_state state)
{
    static const char *const spaces[] = {"", "shop", "pay", "infra"};
    sql(&b->f, "UPDATE workload SET state = %d, rank = %d, complete = %d, rev = %lld WHERE id = %d",
        (int)state, rollout_state_rank(state), state == ROLLOUT_SERVING, (long long)b->revision + 1,
        id);
    struct feed_item item = {.what = FEED_ROLLOUT,
                             .workload_id = id,
                             .ns_id = ns,
                             .namespace = spaces[ns],
                             .kind = kind,
                             .name = name,
                             .state = (int)state};
    publish(b, &item, 1, true);
}

INLINE int bed_setup(void **state)
{
    static struct bed b;
    struct err err = {0};
    char note[64];
    b = (struct bed){.revision = 100};
    fixture_open(&b.f);
    b.feed = feed_new(64);
    feed_start(b.feed, 100);
    b.config = (struct config){.db = b.f.path, .cluster = "prod", .external_url = ""};
    /* the worker takes references: a configuration on the stack must not be freed */
    const struct config *loaded = NULL;
    char yaml[256];
    (void)snprintf(yaml, sizeof yaml, "db: %s\n", b.f.path);
    assert_true(config_parse("test", yaml, strlen(yaml), &loaded, &err));
    b.shared.opt = (struct api_options){.config = loaded, .feed = b.feed};
    b.shared.scopes = scopes_new();
    scopes_start(b.shared.scopes, 100);
    b.shared.cache = cache_new(1 << 20, b.shared.scopes);
    b.shared.openapi_yaml = openapi_yaml();
    b.shared.openapi_json = openapi_json();
    b.shared.assets = assets_load(NULL, note, sizeof note);
    b.shared.max_streams = 3;
    b.shared.max_waiters = 2;
    if (!worker_init(&b.w, &b.shared, 0, &err)) {
        fail_msg("%s", err.text);
    }
    feed_subscribe(b.feed, on_block, &b);
    *state = &b;
    return 0;
}

INLINE int bed_teardown(void **state)
{
    struct bed *b = *state;
    worker_fini(&b->w);
    cache_free(b->shared.cache);
    scopes_free(b->shared.scopes);
    body_unref(b->shared.openapi_yaml);
    body_unref(b->shared.openapi_json);
    assets_free(b->shared.assets);
    config_unref(b->shared.opt.config);
    feed_free(b->feed);
    fixture_close(&b->f);
    return 0;
}

#endif
