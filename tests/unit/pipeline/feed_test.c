/* The feed: blocks are copies, resume knows what the ring still holds, counts are safe over
 * threads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>

#include "pipeline/pipeline.h"

static void publish(struct feed *f, int64_t revision)
{
    char name[] = "web";
    struct feed_item item = {.what = FEED_ROLLOUT,
                             .workload_id = 3,
                             .namespace = "shop",
                             .kind = "Deployment",
                             .name = name,
                             .state = ROLLOUT_STUCK,
                             .from_state = ROLLOUT_SLOW};
    struct commit c = {.revision = revision, .items = &item, .n_items = 1, .list_changed = true};
    feed_publish(f, &c, 1000 + revision);
    memcpy(name, "xxx", 3); /* the commit's texts end with it */
}

static void given_a_commit_when_published_then_the_block_is_a_copy(void **state)
{
    (void)state;
    struct feed *f = feed_new(4);
    const struct feed_block *got[4];
    feed_start(f, 6);
    assert_int_equal(feed_revision(f), 6);
    publish(f, 7);
    assert_int_equal(feed_since(f, 6, got, 4), 1);
    assert_int_equal(got[0]->revision, 7);
    assert_int_equal(got[0]->at, 1007);
    assert_string_equal(got[0]->items[0].name, "web");
    assert_string_equal(got[0]->items[0].namespace, "shop");
    assert_int_equal(got[0]->items[0].from_state, ROLLOUT_SLOW);
    assert_true(got[0]->list_changed);
    feed_free(f);
    assert_string_equal(got[0]->items[0].kind, "Deployment"); /* outlives the feed */
    feed_block_unref(got[0]);
}

static void given_a_revision_when_resuming_then_all_after_it_or_minus_one(void **state)
{
    (void)state;
    struct feed *f = feed_new(4);
    const struct feed_block *got[8];
    feed_start(f, 10);
    assert_int_equal(feed_since(f, 10, got, 8), 0);
    assert_int_equal(feed_since(f, 9, got, 8), -1);
    assert_int_equal(feed_since(f, 11, got, 8), -1); /* of another database */
    for (int64_t r = 11; r <= 16; r++) {
        publish(f, r);
    }
    assert_int_equal(feed_revision(f), 16);
    assert_int_equal(feed_since(f, 11, got, 8), -1); /* 12 has left the ring */
    int n = feed_since(f, 12, got, 8);
    assert_int_equal(n, 4);
    for (int i = 0; i < n; i++) {
        assert_int_equal(got[i]->revision, 13 + i);
        feed_block_unref(got[i]);
    }
    n = feed_since(f, 13, got, 2);
    assert_int_equal(n, 2);
    assert_int_equal(got[0]->revision, 14);
    feed_block_unref(got[0]);
    feed_block_unref(got[1]);
    assert_int_equal(feed_since(f, 16, got, 8), 0);
    feed_free(f);
}

struct reader {
    struct feed *f;
    atomic_int *stop;
    int64_t seen;
    int gaps;
};

static void *reader_main(void *arg)
{
    struct reader *r = arg;
    const struct feed_block *got[16];
    while (!atomic_load(r->stop) || r->seen < feed_revision(r->f)) {
        int n = feed_since(r->f, r->seen, got, 16);
        if (n < 0) {
            r->gaps++;
            r->seen = feed_revision(r->f);
        }
        for (int i = 0; i < n; i++) {
            r->gaps += got[i]->revision != r->seen + 1 || strcmp(got[i]->items[0].name, "web") != 0;
            r->seen = got[i]->revision;
            feed_block_unref(got[i]);
        }
    }
    return NULL;
}

static const struct feed_block *last_told;
static void on_block(void *arg, const struct feed_block *b)
{
    (void)arg;
    feed_block_unref(last_told);
    last_told = feed_block_ref(b);
}

static void given_readers_on_threads_then_none_misses_a_revision(void **state)
{
    (void)state;
    enum { READERS = 3, REVISIONS = 5000 };
    struct feed *f = feed_new(REVISIONS);
    atomic_int stop = 0;
    pthread_t threads[READERS];
    struct reader readers[READERS];
    feed_start(f, 0);
    feed_subscribe(f, on_block, NULL);
    for (int i = 0; i < READERS; i++) {
        readers[i] = (struct reader){.f = f, .stop = &stop};
        assert_int_equal(pthread_create(&threads[i], NULL, reader_main, &readers[i]), 0);
    }
    for (int64_t r = 1; r <= REVISIONS; r++) {
        publish(f, r);
    }
    atomic_store(&stop, 1);
    for (int i = 0; i < READERS; i++) {
        (void)pthread_join(threads[i], NULL);
        assert_int_equal(readers[i].gaps, 0);
        assert_int_equal(readers[i].seen, REVISIONS);
    }
    feed_free(f);
    assert_int_equal(last_told->revision, REVISIONS);
    feed_block_unref(last_told);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_a_commit_when_published_then_the_block_is_a_copy),
        cmocka_unit_test(given_a_revision_when_resuming_then_all_after_it_or_minus_one),
        cmocka_unit_test(given_readers_on_threads_then_none_misses_a_revision),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
