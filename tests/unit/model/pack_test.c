/* Packing: records come back whole, repeated texts and times cost a byte, damage is an error. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/json_out.h"
#include "model/object.h"
#include "model/pack.h"

enum { LABELS = 200 };

static const struct field_table *pod_table(void)
{
    return kind_info(KIND_POD)->table;
}

static void assert_comes_back(const struct kube_pod *pod, struct arena *a)
{
    AUTO(buf) was = BUF_INIT(1 << 20);
    AUTO(buf) is = BUF_INIT(1 << 20);
    struct json_out j = json_out(&was);
    struct json_out k = json_out(&is);
    record_dump(pod_table(), pod, &j);
    record_dump(pod_table(), record_copy(pod_table(), pod, a), &k);
    assert_string_equal(buf_str(&was), buf_str(&is));
}

static size_t packed_size(const struct kube_pod *pod)
{
    AUTO(buf) packed = BUF_INIT(1 << 20);
    pack_record(pod_table(), pod, &packed);
    return packed.len;
}

/* A pod with n conditions that all say the same. */
static void fill(struct kube_pod *pod, struct arena *a, uint32_t n)
{
    record_clear(pod_table(), pod);
    pod->meta.name = "web-1";
    struct condition *c = arena_array(a, struct condition, n);
    for (uint32_t i = 0; i < n; i++) {
        c[i] = (struct condition){.type = "target-health.elbv2.k8s.aws/web",
                                  .status = "True",
                                  .reason = "",
                                  .message = "",
                                  .transition_at = INT64_C(1800000000000)};
    }
    pod->conditions = (struct list){c, n};
}

static void given_equal_texts_and_times_when_packed_then_each_further_one_takes_a_byte(void **state)
{
    (void)state;
    AUTO_PTR(arena) a = arena_new(0);
    struct kube_pod pod;
    fill(&pod, a, 1);
    size_t one = packed_size(&pod);
    fill(&pod, a, 11);
    assert_int_equal(packed_size(&pod) - one, 10 * 4); /* bitmap, type, status, time */
    assert_comes_back(&pod, a);
}

static void given_more_texts_than_are_numbered_then_all_come_back(void **state)
{
    (void)state;
    AUTO_PTR(arena) a = arena_new(0);
    struct kube_pod pod;
    fill(&pod, a, 2);
    struct kv *labels = arena_array(a, struct kv, LABELS);
    for (int i = 0; i < LABELS;
         i++) { /* values repeat: the early ones are numbered, the late not */
        labels[i] = (struct kv){arena_printf(a, "key-%03d", i), arena_printf(a, "v%d", i / 2)};
    }
    pod.meta.labels = (struct kvs){labels, LABELS};
    assert_comes_back(&pod, a);
}

static void given_odd_texts_and_times_then_all_come_back(void **state)
{
    (void)state;
    AUTO_PTR(arena) a = arena_new(0);
    struct kube_pod pod;
    fill(&pod, a, 3);
    struct condition *c = (struct condition *)(uintptr_t)pod.conditions.items;
    char *large = arena_alloc(a, 100001);
    memset(large, 'x', 100000);
    large[100000] = '\0';
    c[0].message = large;
    c[0].transition_at = INT64_MAX;
    c[1].message = large;
    c[1].transition_at = INT64_MIN;
    c[1].reason = "ab";  /* too short for a number */
    c[2].reason = "abc"; /* just long enough */
    c[2].message = "abd";
    c[2].observed_generation = INT64_MIN;
    assert_comes_back(&pod, a);
    assert_true(packed_size(&pod) < 101000);
}

static void given_a_number_of_no_text_or_a_cut_record_then_it_is_refused(void **state)
{
    (void)state;
    AUTO_PTR(arena) a = arena_new(0);
    struct kube_pod pod;
    struct err err = {0};
    fill(&pod, a, 2);
    AUTO(buf) packed = BUF_INIT(1 << 20);
    pack_record(pod_table(), &pod, &packed);
    for (size_t len = 0; len < packed.len; len++) {
        assert_false(unpack_record(pod_table(), packed.data, len, a, &pod, &err));
    }
    char *number = memchr(packed.data + packed.len - 12, '\x03', 12); /* of the second status */
    assert_non_null(number);
    *number = '\x7f'; /* no text has come with that one */
    assert_false(unpack_record(pod_table(), packed.data, packed.len, a, &pod, &err));
    assert_int_equal(pod.conditions.n, 0); /* cleared */
    assert_string_equal(pod.meta.name, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            given_equal_texts_and_times_when_packed_then_each_further_one_takes_a_byte),
        cmocka_unit_test(given_more_texts_than_are_numbered_then_all_come_back),
        cmocka_unit_test(given_odd_texts_and_times_then_all_come_back),
        cmocka_unit_test(given_a_number_of_no_text_or_a_cut_record_then_it_is_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
