/*
 * Framing: whatever pieces the bytes come in, the same messages come out; what is cut, damaged,
 * foreign or too large is told apart, and memory stays at one object.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <zlib.h>

#include "kube_text.h"
#include "source/kube_frame.h"

/* What came out, as one text: item lengths and a hash, so that two ways can be compared. */
struct heard {
    struct buf text;
    unsigned items;
    unsigned metas;
    unsigned skipped;
    bool bad;
    char error[512];
};

static void hear(struct frame_reader *r, struct heard *h)
{
    const char *data = NULL;
    size_t len = 0;
    struct err err = {0};
    for (;;) {
        enum frame_what what = frame_next(r, &data, &len, &err);
        if (what == FRAME_MORE) {
            return;
        }
        if (what == FRAME_BAD) {
            assert_int_not_equal(err.code, ERR_NONE);
            (void)snprintf(h->error, sizeof h->error, "%s", err.text);
            h->bad = true;
            return;
        }
        h->items += what == FRAME_ITEM;
        h->metas += what == FRAME_META;
        h->skipped += what == FRAME_SKIPPED;
        if (what != FRAME_SKIPPED) {
            (void)buf_addf(&h->text, "%d %zu %lx\n", (int)what, len,
                           crc32(0, (const Bytef *)data, (uInt)len));
        }
    }
}

/* Feeds in pieces of `step` bytes, after a first piece of `first`. Returns whether it was whole. */
static bool feed_in(enum frame_form form, const char *data, size_t len, size_t first, size_t step,
                    struct heard *h)
{
    struct frame_reader r;
    struct err err = {0};
    *h = (struct heard){.text = BUF_INIT(KUBE_TEXT_LIMIT)};
    frame_init(&r);
    frame_start(&r, form);
    size_t at = 0;
    while (at < len && !h->bad) {
        size_t n = at == 0 && first > 0 ? first : step;
        n = n < len - at ? n : len - at;
        assert_true(frame_feed(&r, data + at, n, &err));
        assert_true(r.in.cap <= (size_t)LIMIT_OBJECT_BYTES * 2 + (4 << 20));
        hear(&r, h);
        at += n;
    }
    bool whole = !h->bad && frame_whole(&r, &err);
    assert_true(whole || h->bad || err.code != ERR_NONE);
    if (!whole && !h->bad) {
        (void)snprintf(h->error, sizeof h->error, "%s", err.text);
    }
    frame_fini(&r);
    return whole;
}

static unsigned count_items(const char *json)
{
    json_t *doc = json_loads(json, 0, NULL);
    assert_non_null(doc);
    unsigned n = (unsigned)json_array_size(json_object_get(doc, "items"));
    json_decref(doc);
    return n;
}

static const char *const lists[] = {"namespaces",
                                    "nodes",
                                    "services",
                                    "mutatingwebhookconfigurations",
                                    "leases",
                                    "ingresses",
                                    "deployments",
                                    "statefulsets",
                                    "daemonsets",
                                    "replicasets",
                                    "controllerrevisions",
                                    "poddisruptionbudgets",
                                    "horizontalpodautoscalers",
                                    "endpointslices",
                                    "events",
                                    "pods",
                                    "pods-page1"};

static void a_recorded_list_gives_its_items_in_any_pieces(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        char name[128];
        size_t json_len = 0;
        size_t pb_len = 0;
        (void)snprintf(name, sizeof name, "%s.json", lists[i]);
        AUTO_FREE char *json = kube_fixture(name, &json_len);
        (void)snprintf(name, sizeof name, "%s.pb", lists[i]);
        AUTO_FREE char *pb = kube_fixture(name, &pb_len);
        unsigned want = count_items(json);
        static const size_t steps[] = {1, 2, 3, 7, 61, 4096, 1 << 20};
        char first_json[65536] = "";
        char first_pb[65536] = "";
        for (size_t s = 0; s < sizeof steps / sizeof steps[0]; s++) {
            struct heard h;
            assert_true(feed_in(FRAME_JSON_LIST, json, json_len, 0, steps[s], &h));
            assert_int_equal(h.items, want);
            assert_int_equal(h.metas, 1);
            if (s == 0) {
                (void)snprintf(first_json, sizeof first_json, "%s", buf_str(&h.text));
            }
            assert_string_equal(buf_str(&h.text), first_json);
            buf_fini(&h.text);
            assert_true(feed_in(FRAME_PB_LIST, pb, pb_len, 0, steps[s], &h));
            assert_int_equal(h.items, want);
            assert_int_equal(h.metas, 1);
            if (s == 0) {
                (void)snprintf(first_pb, sizeof first_pb, "%s", buf_str(&h.text));
            }
            assert_string_equal(buf_str(&h.text), first_pb);
            buf_fini(&h.text);
        }
    }
}

static void a_recorded_stream_split_at_every_byte_gives_the_same_events(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        enum frame_form form;
    } streams[] = {{"watchlist-pods.ndjson", FRAME_JSON_WATCH},
                   {"watchlist-pods.pbstream", FRAME_PB_WATCH},
                   {"watch-expired.ndjson", FRAME_JSON_WATCH},
                   {"watch-expired.pbstream", FRAME_PB_WATCH}};
    for (size_t i = 0; i < 4; i++) {
        size_t len = 0;
        AUTO_FREE char *data = kube_fixture(streams[i].file, &len);
        struct heard whole;
        assert_true(feed_in(streams[i].form, data, len, 0, len, &whole));
        assert_true(whole.items > 0);
        struct heard h;
        assert_true(feed_in(streams[i].form, data, len, 0, 1, &h));
        assert_string_equal(buf_str(&h.text), buf_str(&whole.text));
        buf_fini(&h.text);
        for (size_t cut = 1; cut < len; cut += cut < 3000 || cut > len - 3000 ? 1 : 97) {
            assert_true(feed_in(streams[i].form, data, len, cut, len, &h));
            assert_string_equal(buf_str(&h.text), buf_str(&whole.text));
            buf_fini(&h.text);
        }
        buf_fini(&whole.text);
    }
}

static void a_list_cut_anywhere_is_not_whole(void **state)
{
    (void)state;
    static const char *const files[] = {"pods-page1.json", "pods-page1.pb"};
    for (int i = 0; i < 2; i++) {
        size_t len = 0;
        AUTO_FREE char *data = kube_fixture(files[i], &len);
        while (len > 0 && data[len - 1] == '\n') {
            len--; /* after the last bracket nothing is missing */
        }
        len -= i == 1 ? 4 : 0; /* nor without the two empty fields that end the envelope */
        for (size_t cut = 0; cut < len; cut++) {
            struct heard h;
            assert_false(feed_in(i == 0 ? FRAME_JSON_LIST : FRAME_PB_LIST, data, cut, 0, 4096, &h));
            buf_fini(&h.text);
        }
    }
}

static void what_is_no_list_is_refused(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "",
        "{}",
        "[]",
        "null",
        "<html><body>502</body></html>",
        "{\"kind\":\"Status\",\"metadata\":{},\"status\":\"Failure\",\"code\":410}",
        "{\"kind\":\"PodList\",\"metadata\":{\"resourceVersion\":\"1\"}}",
        "{\"kind\":\"PodList\",\"metadata\":{\"resourceVersion\":\"1\"},\"items\":{}}",
        "{\"kind\":\"PodList\",\"metadata\":{\"resourceVersion\":\"1\"},\"items\":[1]}",
        "{\"kind\":\"PodList\",\"metadata\":{\"resourceVersion\":\"1\"},\"items\":[]",
        "{\"kind\":\"PodList\",\"items\":[]}}",
        "{\"kind\":\"PodList\",\"items\":[]}{",
        "{\"kind\" \"PodList\"}",
        "{kind:\"PodList\"}",
        "{\"kind\":\"PodList\",\"items\":[{\"a\":1}{\"b\":\"}\"",
        "k8s",
        "k8s\1",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        for (int form = FRAME_JSON_LIST; form <= FRAME_PB_LIST; form++) {
            for (size_t step = 1; step < 4096; step *= 64) {
                struct heard h;
                if (feed_in((enum frame_form)form, bodies[i], strlen(bodies[i]), 0, step, &h)) {
                    fail_msg("taken for a list: %s", bodies[i]);
                }
                assert_true(h.error[0] != '\0');
                buf_fini(&h.text);
            }
        }
    }
}

static void odd_but_legal_json_lists_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        unsigned items;
    } cases[] = {
        {"{\"kind\":\"PodList\",\"metadata\":{\"resourceVersion\":\"1\"},\"items\":null}", 0},
        {"{\"kind\":\"PodList\",\"items\":[],\"metadata\":{\"resourceVersion\":\"1\"}}\n", 0},
        {" { \"items\" : [ {\"a\":\"]}\"} , {\"b\":\"\\\"{\"} ] , \"x\":-1.5e3,\"y\":true,"
         "\"metadata\":{\"resourceVersion\":\"1\"}, \"kind\" : \"PodList\" } \n",
         2},
        {"{\"kind\":\"PodList\",\"z\":[[{}],{\"items\":[1]}],\"metadata\":{},\"items\":[{}]}", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t step = 1; step < 1000; step *= 3) {
            struct heard h;
            assert_true(
                feed_in(FRAME_JSON_LIST, cases[i].body, strlen(cases[i].body), 0, step, &h));
            assert_int_equal(h.items, cases[i].items);
            assert_int_equal(h.metas, 1);
            buf_fini(&h.text);
        }
    }
}

static void an_object_at_the_limit_passes_and_one_over_it_is_passed_over(void **state)
{
    (void)state;
    for (int over = 0; over < 2; over++) {
        AUTO(buf) pb = BUF_INIT(KUBE_TEXT_LIMIT);
        AUTO(buf) list = BUF_INIT(KUBE_TEXT_LIMIT);
        AUTO(buf) pod = BUF_INIT(KUBE_TEXT_LIMIT);
        size_t pad = over ? (size_t)LIMIT_OBJECT_BYTES + 1 : (size_t)LIMIT_OBJECT_BYTES - 4096;
        pb_pod(&pod, "huge", "1", pad, NULL);
        pb_event(&pb, "ADDED", "Pod", &pod);
        pb_pod_event(&pb, "ADDED", "small", "2", NULL);
        struct heard h;
        assert_true(feed_in(FRAME_PB_WATCH, buf_str(&pb), pb.len, 0, 65536, &h));
        assert_int_equal(h.items, over ? 1 : 2);
        assert_int_equal(h.skipped, over ? 1 : 0);
        buf_fini(&h.text);

        AUTO(buf) small = BUF_INIT(4096);
        AUTO(buf) envelope = BUF_INIT(KUBE_TEXT_LIMIT);
        pb_pod(&small, "small", "2", 0, NULL);
        pb_sub(&list, 2, &pod);
        pb_sub(&list, 2, &small);
        pb_envelope(&envelope, "PodList", &list);
        assert_true(feed_in(FRAME_PB_LIST, buf_str(&envelope), envelope.len, 0, 65536, &h));
        assert_int_equal(h.items, over ? 1 : 2);
        assert_int_equal(h.skipped, over ? 1 : 0);
        buf_fini(&h.text);

        AUTO(buf) json = BUF_INIT(KUBE_TEXT_LIMIT);
        AUTO_FREE char *filler = calloc(1, pad + 1);
        memset(filler, 'x', pad);
        (void)buf_addf(&json, "{\"kind\":\"PodList\",\"metadata\":{},\"items\":[{\"a\":\"}");
        (void)buf_add(&json, filler, pad);
        (void)buf_addz(&json, "\"},{\"b\":1}]}");
        assert_true(feed_in(FRAME_JSON_LIST, buf_str(&json), json.len, 0, 65536, &h));
        assert_int_equal(h.items, over ? 1 : 2);
        assert_int_equal(h.skipped, over ? 1 : 0);
        buf_fini(&h.text);

        buf_clear(&json);
        (void)buf_addz(&json, "{\"a\":\"\\\"}");
        (void)buf_add(&json, filler, pad);
        (void)buf_addz(&json, "\"}\n{\"b\":1}\n");
        assert_true(feed_in(FRAME_JSON_WATCH, buf_str(&json), json.len, 0, 65521, &h));
        assert_int_equal(h.items, over ? 1 : 2);
        assert_int_equal(h.skipped, over ? 1 : 0);
        buf_fini(&h.text);
    }
}

static void a_frame_that_promises_gigabytes_holds_no_memory(void **state)
{
    (void)state;
    struct frame_reader r;
    struct err err = {0};
    struct heard h = {.text = BUF_INIT(4096)};
    char chunk[65536] = {0};
    frame_init(&r);
    frame_start(&r, FRAME_PB_WATCH);
    assert_true(frame_feed(&r, "\xff\xff\xff\xff", 4, &err));
    hear(&r, &h);
    for (int i = 0; i < 500; i++) {
        assert_true(frame_feed(&r, chunk, sizeof chunk, &err));
        hear(&r, &h);
    }
    assert_true(r.in.cap < (1 << 20));
    assert_false(frame_whole(&r, &err));
    frame_fini(&r);
    buf_fini(&h.text);
}

static void damage_in_a_protobuf_list_is_an_error(void **state)
{
    (void)state;
    AUTO(buf) body = BUF_INIT(1 << 16);
    pb_pod_list(&body, "9", "", "a@1 b@2");
    unsigned refused = 0;
    for (size_t i = 0; i < body.len; i++) {
        AUTO_FREE char *copy = malloc(body.len);
        memcpy(copy, body.data, body.len);
        copy[i] = (char)(copy[i] ^ 0xff);
        struct heard h;
        refused += feed_in(FRAME_PB_LIST, copy, body.len, 0, 5, &h) ? 0u : 1u;
        buf_fini(&h.text);
    }
    assert_true(refused >= 20); /* every length and tag; a flipped text byte is still a list */
}

static size_t gzip_member(const char *text, char *out, size_t size)
{
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (Bytef *)(uintptr_t)text;
    z.avail_in = (uInt)strlen(text);
    z.next_out = (Bytef *)out;
    z.avail_out = (uInt)size;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    size_t n = size - z.avail_out;
    (void)deflateEnd(&z);
    return n;
}

static void gzip_members_in_a_row_inflate_in_any_pieces(void **state)
{
    (void)state;
    char packed[4096];
    size_t n = gzip_member("first member ", packed, sizeof packed);
    size_t one = n;
    n += gzip_member("second member", packed + n, sizeof packed - n);
    for (size_t step = 1; step <= n; step++) {
        AUTO(buf) out = BUF_INIT(4096);
        struct err err = {0};
        struct inflater *z = inflater_new();
        for (size_t at = 0; at < n; at += step) {
            assert_true(inflater_feed(z, packed + at, step < n - at ? step : n - at, &out, &err));
            assert_int_equal(inflater_whole(z), at + step == one || at + step >= n);
        }
        assert_string_equal(buf_str(&out), "first member second member");
        inflater_free(z);
    }
}

static void a_gzip_bomb_and_damaged_gzip_are_errors(void **state)
{
    (void)state;
    size_t size = 4 << 20;
    AUTO_FREE char *text = calloc(1, size + 1);
    memset(text, 'a', size);
    AUTO_FREE char *packed = malloc(size);
    size_t n = gzip_member(text, packed, size);
    AUTO(buf) out = BUF_INIT(1 << 20);
    struct err err = {0};
    struct inflater *z = inflater_new();
    assert_false(inflater_feed(z, packed, n, &out, &err));
    assert_non_null(strstr(err.text, "over the limit"));
    inflater_free(z);
    z = inflater_new();
    buf_clear(&out);
    err = (struct err){0};
    assert_false(inflater_feed(z, "not gzip at all", 15, &out, &err));
    assert_non_null(strstr(err.text, "damaged gzip"));
    inflater_free(z);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_recorded_list_gives_its_items_in_any_pieces),
        cmocka_unit_test(a_recorded_stream_split_at_every_byte_gives_the_same_events),
        cmocka_unit_test(a_list_cut_anywhere_is_not_whole),
        cmocka_unit_test(what_is_no_list_is_refused),
        cmocka_unit_test(odd_but_legal_json_lists_are_read),
        cmocka_unit_test(an_object_at_the_limit_passes_and_one_over_it_is_passed_over),
        cmocka_unit_test(a_frame_that_promises_gigabytes_holds_no_memory),
        cmocka_unit_test(damage_in_a_protobuf_list_is_an_error),
        cmocka_unit_test(gzip_members_in_a_row_inflate_in_any_pieces),
        cmocka_unit_test(a_gzip_bomb_and_damaged_gzip_are_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
