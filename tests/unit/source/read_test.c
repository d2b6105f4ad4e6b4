/*
 * Both readers on what a real API server sends: the same list in JSON and in protobuf gives the
 * same records, packing gives them back, and damaged bytes are an error at worst.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json_out.h"
#include "base/mem.h"
#include "source/read.h"

static char *slurp(const char *name, size_t *ret_len)
{
    char path[512];
    (void)snprintf(path, sizeof path, FIXTURES "/kubernetes/%s", name);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    char *data = xmalloc(1 << 20);
    *ret_len = fread(data, 1, 1 << 20, f);
    assert_int_equal(fclose(f), 0);
    return data;
}

/* The raw object inside k8s\0 + Unknown{2: raw}. */
static struct pb unwrap(struct pb in)
{
    assert_memory_equal(in.p, "k8s\0", 4);
    in.p += 4;
    struct pb_item item;
    bool bad = false;
    while (pb_next(&in, &item, &bad)) {
        if (item.number == 2) {
            return item.bytes;
        }
    }
    assert_true(false);
    return in;
}

static void dump_of(enum kind kind, const void *record, struct buf *out)
{
    struct json_out j = json_out(out);
    record_dump(kind_info(kind)->table, record, &j);
    (void)buf_addc(out, '\n');
}

/* Dumps all items of a protobuf list; each also goes through the packer. */
static unsigned dump_pb_list(enum kind kind, struct pb list, struct buf *out,
                             struct buf *packed_out)
{
    struct pb_item item;
    bool bad = false;
    unsigned n = 0;
    while (pb_next(&list, &item, &bad)) {
        if (item.number != 2) {
            continue;
        }
        AUTO_PTR(arena) a = arena_new(0);
        void *record = arena_alloc(a, kind_info(kind)->table->size);
        struct err err = {0};
        size_t len = (size_t)(item.bytes.end - item.bytes.p);
        assert_true(pb_read_object(kind, item.bytes.p, len, a, record, &err));
        dump_of(kind, record, out);
        dump_of(kind, record_copy(kind_info(kind)->table, record, a), packed_out);
        for (size_t cut = 0; cut < len; cut += 7) { /* every truncation is survived */
            struct err ignored = {0};
            assert_true(pb_read_object(kind, item.bytes.p, cut, a, record, &ignored) ||
                        ignored.code == ERR_INPUT);
        }
        n++;
    }
    assert_false(bad);
    return n;
}

static unsigned dump_json_list(enum kind kind, const char *text, size_t len, struct buf *out)
{
    json_error_t je;
    json_t *list = json_loadb(text, len, 0, &je);
    assert_non_null(list);
    const json_t *items = json_object_get(list, "items");
    for (size_t i = 0; i < json_array_size(items); i++) {
        AUTO_PTR(arena) a = arena_new(0);
        void *record = arena_alloc(a, kind_info(kind)->table->size);
        struct err err = {0};
        assert_true(json_read_object(kind, json_array_get(items, i), a, record, &err));
        dump_of(kind, record, out);
    }
    unsigned n = (unsigned)json_array_size(items);
    json_decref(list);
    return n;
}

static void given_recorded_lists_when_read_in_both_forms_then_the_records_are_equal(void **state)
{
    (void)state;
    unsigned kinds = 0;
    for (int k = 0; k < KIND_COUNT; k++) {
        if (k == KIND_BINDING_LBC || k == KIND_BINDING_AUTO || k == KIND_ARGO_ROLLOUT) {
            continue; /* custom resources have no protobuf */
        }
        char name[128];
        size_t len = 0;
        AUTO(buf) from_json = BUF_INIT(8 << 20);
        AUTO(buf) from_pb = BUF_INIT(8 << 20);
        AUTO(buf) repacked = BUF_INIT(8 << 20);
        (void)snprintf(name, sizeof name, "%s.json", kind_info((enum kind)k)->resource);
        AUTO_FREE char *json = slurp(name, &len);
        unsigned n = dump_json_list((enum kind)k, json, len, &from_json);
        (void)snprintf(name, sizeof name, "%s.pb", kind_info((enum kind)k)->resource);
        AUTO_FREE char *pb = slurp(name, &len);
        assert_int_equal(dump_pb_list((enum kind)k, unwrap(pb_of(pb, len)), &from_pb, &repacked),
                         n);
        assert_true(n > 0);
        assert_string_equal(buf_str(&from_json), buf_str(&from_pb));
        assert_string_equal(buf_str(&from_pb), buf_str(&repacked));
        kinds++;
    }
    assert_int_equal(kinds, 16);
}

static void given_a_recorded_pod_when_read_then_the_wanted_fields_are_there(void **state)
{
    (void)state;
    size_t len = 0;
    AUTO_FREE char *pb = slurp("pods.pb", &len);
    AUTO(buf) out = BUF_INIT(8 << 20);
    AUTO(buf) packed = BUF_INIT(8 << 20);
    assert_true(dump_pb_list(KIND_POD, unwrap(pb_of(pb, len)), &out, &packed) >= 5);
    static const char *const wanted[] = {"\"readinessGates\":[\"target-health.elbv2.k8s.aws/",
                                         "\"podIP\":\"10.", "\"nodeName\":\"",
                                         "\"controller\":true", "\"containerPort\":"};
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        assert_non_null(strstr(buf_str(&out), wanted[i]));
    }
}

static void given_wrongly_typed_json_when_read_then_the_fields_are_absent(void **state)
{
    (void)state;
    static const char text[] =
        "{\"metadata\":{\"name\":5,\"labels\":[1],\"creationTimestamp\":\"soon\","
        "\"namespace\":\"a\\u0000b\"},\"spec\":7,"
        "\"status\":{\"conditions\":[3,{\"type\":\"Ready\",\"status\":true}]}}";
    AUTO_PTR(arena) a = arena_new(0);
    struct kube_pod pod;
    struct err err = {0};
    assert_true(json_read_text(KIND_POD, text, strlen(text), a, &pod, &err));
    assert_string_equal(pod.meta.name, "");
    assert_string_equal(pod.meta.namespace, "a\xef\xbf\xbd"
                                            "b");
    assert_int_equal(pod.meta.created_at, 0);
    assert_int_equal(pod.conditions.n, 1);
    assert_string_equal(pod.node, "");
    assert_false(json_read_text(KIND_POD, "{\"a\":", 5, a, &pod, &err));
    assert_int_equal(err.code, ERR_INPUT);
}

/* Custom resources may hold what no field of ours does: the object is read all the same. */
static void given_an_integer_beyond_64_bits_when_read_then_the_other_numbers_are_there(void **state)
{
    (void)state;
    static const char text[] = "{\"metadata\":{\"name\":\"web\",\"generation\":7},"
                               "\"spec\":{\"replicas\":3,\"odd\":9223372036854775808},"
                               "\"status\":{\"observedGeneration\":\"7\",\"replicas\":1e30}}";
    AUTO_PTR(arena) a = arena_new(0);
    struct kube_workload w;
    struct err err = {0};
    assert_true(json_read_text(KIND_ARGO_ROLLOUT, text, strlen(text), a, &w, &err));
    assert_string_equal(w.meta.name, "web");
    assert_int_equal(w.meta.generation, 7);
    assert_int_equal(w.replicas, 3);
}

static void given_a_status_when_read_in_both_forms_then_equal(void **state)
{
    (void)state;
    size_t len = 0;
    AUTO_PTR(arena) a = arena_new(0);
    struct err err = {0};
    struct kube_status s;
    AUTO_FREE char *pb = slurp("status-410-continue.pb", &len);
    struct pb raw = unwrap(pb_of(pb, len));
    assert_true(pb_read_table(&kube_status_table, raw.p, (size_t)(raw.end - raw.p), a, &s, &err));
    assert_int_equal(s.code, 410);
    assert_string_equal(s.reason, "Expired");
    assert_true(s.continue_token[0] != '\0');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_recorded_lists_when_read_in_both_forms_then_the_records_are_equal),
        cmocka_unit_test(given_a_recorded_pod_when_read_then_the_wanted_fields_are_there),
        cmocka_unit_test(given_wrongly_typed_json_when_read_then_the_fields_are_absent),
        cmocka_unit_test(
            given_an_integer_beyond_64_bits_when_read_then_the_other_numbers_are_there),
        cmocka_unit_test(given_a_status_when_read_in_both_forms_then_equal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
