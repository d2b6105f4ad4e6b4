/*
 * Cached credentials that are fetched on a thread of their own: when they are fetched, what counts
 * meanwhile, and that one that hangs holds up nobody else. Answers are canned; a fetch hangs until
 * the test lets it go, or until it is cancelled.
 */
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"
#include "source/elb_poll.h"

static const char keys[] = "{\"AccessKeyId\":\"ASIA3\",\"SecretAccessKey\":\"sec\",\"Token\":"
                           "\"tok\",\"Expiration\":\"2026-11-23T08:46:40Z\"}";
static const char role[] = "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIA2"
                           "</AccessKeyId><SecretAccessKey>sec</SecretAccessKey><SessionToken>tok"
                           "</SessionToken><Expiration>2026-11-23T08:46:40Z</Expiration>"
                           "</Credentials></AssumeRoleResult></AssumeRoleResponse>";

/* ---- a world of our own ---- */

static _Atomic int64_t now_ms;
static atomic_int asked;    /* transfers so far */
static atomic_bool works;   /* else they time out */
static atomic_bool endless; /* a role's transfer ends only when it is cancelled */
static atomic_bool role_hangs;
static sem_t let_go; /* what a hanging role waits for */
static sem_t woken;

static const char *fake_getenv(const char *name)
{
    static const char *const vars[][2] = {{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/get"},
                                          {"AWS_REGION", "eu-west-1"}};
    for (size_t i = 0; i < sizeof vars / sizeof vars[0]; i++) {
        if (strcmp(vars[i][0], name) == 0) {
            return vars[i][1];
        }
    }
    return NULL;
}

static int64_t fake_now(void)
{
    return atomic_load(&now_ms);
}

static bool fake_transfer(void *arg, const struct aws_transfer *t, struct aws_answer *ret,
                          struct err *err)
{
    (void)arg;
    (void)atomic_fetch_add(&asked, 1);
    bool assumes = t->body != NULL && strstr(t->body, "Action=AssumeRole&") != NULL;
    if (assumes && atomic_load(&role_hangs)) {
        assert_int_equal(sem_wait(&let_go), 0);
    }
    while (assumes && atomic_load(&endless) && !t->cancelled(t->cancelled_arg)) {
    }
    if (!atomic_load(&works) || (assumes && atomic_load(&endless))) {
        return err_set(err, ERR_TIMEOUT, "timed out");
    }
    *ret = (struct aws_answer){.status = 200, .body = BUF_INIT(1 << 20)};
    (void)buf_addz(&ret->body, assumes ? role : keys);
    return true;
}

static void on_wake(void *arg)
{
    (void)arg;
    (void)sem_post(&woken);
}

static int setup(void **state)
{
    (void)state;
    atomic_store(&now_ms, INT64_C(1795420000000)); /* 2026-11-23T07:46:40Z, an hour before expiry */
    atomic_store(&asked, 0);
    atomic_store(&works, true);
    atomic_store(&endless, false);
    atomic_store(&role_hangs, false);
    return sem_init(&let_go, 0, 0) + sem_init(&woken, 0, 0);
}

static int teardown(void **state)
{
    (void)state;
    return sem_destroy(&let_go) + sem_destroy(&woken);
}

static const struct aws_profiles none = {.chosen = "default"};
static const struct aws_env env = {
    .getenv = fake_getenv, .now = fake_now, .transfer = fake_transfer};

static struct aws_identity *identity(enum aws_provider provider)
{
    struct aws_identity *id = calloc(1, sizeof *id); /* large */
    assert_non_null(id);
    *id = (struct aws_identity){
        .env = &env, .profiles = &none, .provider = provider, .wake = on_wake};
    return id;
}

/* Starts a fetch, waits for its end. */
static enum aws_have settled(struct aws_identity *id, const struct aws_credentials **c,
                             struct err *err)
{
    (void)!aws_identity_ask(id, c, err);
    assert_int_equal(sem_wait(&woken), 0);
    return aws_identity_ask(id, c, err);
}

/* ---- tests ---- */

static void
given_an_identity_when_time_passes_then_refreshed_ahead_and_kept_while_it_fails(void **state)
{
    (void)state;
    struct aws_identity *id = identity(AWS_PROVIDER_CONTAINER);
    const struct aws_credentials *c = NULL;
    struct err err = {0};
    assert_int_equal(aws_identity_ask(id, &c, &err), AWS_HAVE_PENDING); /* nothing waits for it */
    assert_int_equal(sem_wait(&woken), 0);
    assert_int_equal(aws_identity_ask(id, &c, &err), AWS_HAVE_READY);
    assert_int_equal(asked, 1);
    now_ms += 40 * 60000; /* 20 min left: still fresh */
    assert_int_equal(aws_identity_ask(id, &c, &err), AWS_HAVE_READY);
    assert_int_equal(asked, 1);
    now_ms += 6 * 60000; /* 14 min left: refresh, which fails three times over */
    works = false;
    assert_int_equal(settled(id, &c, &err), AWS_HAVE_READY);
    assert_int_equal(asked, 4);
    assert_string_equal(c->key_id, "ASIA3");
    assert_int_equal(aws_identity_ask(id, &c, &err), AWS_HAVE_READY); /* backs off */
    assert_int_equal(asked, 4);
    now_ms += 15 * 60000; /* expired by now */
    assert_int_equal(settled(id, &c, &err), AWS_HAVE_FAILED);
    assert_int_equal(err.code, ERR_TIMEOUT);
    assert_int_equal(asked, 7);
    err = (struct err){0};
    assert_int_equal(aws_identity_ask(id, &c, &err), AWS_HAVE_FAILED);
    assert_int_equal(err.code, ERR_TIMEOUT); /* the reason stays until the next attempt */
    assert_int_equal(asked, 7);
    assert_true(aws_identity_force(id));
    assert_false(aws_identity_force(id)); /* at most once a minute */
    aws_identity_fini(id);
    free(id);
}

static void given_a_role_when_its_base_is_not_there_then_that_comes_first(void **state)
{
    (void)state;
    struct aws_identity *base = identity(AWS_PROVIDER_CONTAINER);
    struct aws_identity *id = identity(AWS_PROVIDER_NONE);
    const struct aws_credentials *c = NULL;
    struct err err = {0};
    id->base = base;
    (void)snprintf(id->role_arn, sizeof id->role_arn, "arn:aws:iam::1:role/x");
    assert_int_equal(settled(id, &c, &err), AWS_HAVE_PENDING); /* the base came, the role goes */
    assert_int_equal(sem_wait(&woken), 0);
    assert_int_equal(aws_identity_ask(id, &c, &err), AWS_HAVE_READY);
    assert_string_equal(c->key_id, "ASIA2");
    assert_string_equal(base->now.key_id, "ASIA3");
    aws_identity_fini(id);
    aws_identity_fini(base);
    free(id);
    free(base);
}

static void given_a_fetch_that_hangs_when_stopping_then_it_ends(void **state)
{
    (void)state;
    struct aws_identity *base = identity(AWS_PROVIDER_CONTAINER);
    struct aws_identity *id = identity(AWS_PROVIDER_NONE);
    const struct aws_credentials *c = NULL;
    struct err err = {0};
    endless = true;
    id->base = base;
    assert_int_equal(settled(id, &c, &err), AWS_HAVE_PENDING);
    aws_identity_fini(id);
    assert_null(id->fetch);
    aws_identity_fini(base);
    free(id);
    free(base);
}

static void given_a_plugin_that_hangs_when_stopping_then_it_is_killed(void **state)
{
    (void)state;
    AUTO_PTR(arena) a = arena_new(0);
    struct aws_profiles p = {.chosen = "default"};
    static const char config[] = "[default]\ncredential_process = sleep 25\n";
    struct err err = {0};
    const struct aws_credentials *c = NULL;
    assert_true(aws_ini_parse("config", config, sizeof config - 1, a, &p.config, &err));
    struct aws_identity *id = identity(AWS_PROVIDER_PROFILE);
    id->profiles = &p;
    int64_t begin = clock_mono_ms();
    assert_int_equal(aws_identity_ask(id, &c, &err), AWS_HAVE_PENDING);
    aws_identity_fini(id);
    assert_in_range(clock_mono_ms() - begin, 0, 20000);
    free(id);
}

static const struct elb_wish wishes[] = {
    {.arn = "arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/own/1",
     .role_arn = "",
     .external_id = "",
     .hot = true},
    {.arn = "arn:aws:elasticloadbalancing:eu-west-1:2:targetgroup/other/1",
     .role_arn = "arn:aws:iam::2:role/x",
     .external_id = "",
     .hot = true},
};

/* Which accounts have calls under way: bit 0 account 1, bit 1 account 2. Ends them. */
static unsigned accounts(struct elb_poll *p, int64_t mono)
{
    unsigned found = 0;
    while (p->n_calls > 0) {
        found |= strcmp(p->calls[0]->site->account, "1") == 0 ? 1U : 2U;
        elb_poll_finish(p, p->calls[0], CURLE_COULDNT_CONNECT, mono);
    }
    return found;
}

static void drop(void *item)
{
    change_free(item);
}

static void given_a_role_that_hangs_when_polling_then_the_other_account_goes_on(void **state)
{
    (void)state;
    struct elb_options opt = {.rate = 100,
                              .burst = 100,
                              .endpoint = "http://127.0.0.1:1/",
                              .hot_interval_ms = 1000,
                              .idle_interval_ms = 1000};
    struct elb_poll *p = calloc(1, sizeof *p); /* large */
    struct queue *q = queue_new(1000, 1 << 20);
    assert_non_null(p);
    *p = (struct elb_poll){
        .options = &opt, .arena = arena_new(0), .env = env, .profiles = none, .out = q};
    p->multi = curl_multi_init();
    p->base = (struct aws_identity){.env = &p->env,
                                    .profiles = &p->profiles,
                                    .provider = AWS_PROVIDER_CONTAINER,
                                    .wake = on_wake};
    role_hangs = true;
    elb_poll_take(p, wishes, 2);
    int64_t mono = clock_mono_ms() + 1000;
    (void)elb_poll_start(p, mono); /* asks for the base's keys; they may come within the pass */
    (void)accounts(p, mono);
    assert_int_equal(sem_wait(&woken), 0); /* the base is there */
    for (int i = 1; i <= 3; i++) {         /* round after round while the role hangs */
        (void)elb_poll_start(p, mono + i * INT64_C(30000));
        assert_int_equal(accounts(p, mono + i * INT64_C(30000)), 1);
    }
    assert_int_equal(p->sites->state, SOURCE_STARTING); /* account 2: not failing, it waits */
    role_hangs = false;
    assert_int_equal(sem_post(&let_go), 0);
    assert_int_equal(sem_wait(&woken), 0);
    (void)elb_poll_start(p, mono + 120000);
    assert_int_equal(accounts(p, mono + 120000), 3);
    elb_poll_fini(p);
    free(p);
    queue_free(q, drop);
}

static void given_a_used_up_rate_when_polling_then_the_other_account_goes_on(void **state)
{
    (void)state;
    struct elb_options opt = {.rate = 1,
                              .burst = 1,
                              .endpoint = "http://127.0.0.1:1/",
                              .hot_interval_ms = 1000,
                              .idle_interval_ms = 1000};
    struct elb_poll *p = calloc(1, sizeof *p);
    struct queue *q = queue_new(1000, 1 << 20);
    assert_non_null(p);
    *p = (struct elb_poll){
        .options = &opt, .arena = arena_new(0), .env = env, .profiles = none, .out = q};
    p->multi = curl_multi_init();
    p->base = (struct aws_identity){
        .env = &p->env, .profiles = &p->profiles, .provider = AWS_PROVIDER_NONE, .have = true};
    p->base.refresh_at = INT64_MAX; /* keys for ever */
    struct elb_wish same_role[] = {wishes[0], wishes[1]};
    same_role[1].role_arn = "";
    elb_poll_take(p, same_role, 2);
    int64_t mono = clock_mono_ms();
    for (int i = 0; i < 2; i++) { /* whichever comes first has no token left for a second call */
        p->groups->health_due = mono + i;
        p->groups->next->health_due = mono + 1 - i;
        (void)elb_poll_start(p, mono + (i + 1) * INT64_C(5000));
        assert_int_equal(p->n_calls, 2);
        assert_int_equal(accounts(p, mono + (i + 1) * INT64_C(5000)), 3);
    }
    elb_poll_fini(p);
    free(p);
    queue_free(q, drop);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(given_an_identity_when_time_passes_then_refreshed_ahead_and_kept_while_it_fails),
        TEST(given_a_role_when_its_base_is_not_there_then_that_comes_first),
        TEST(given_a_fetch_that_hangs_when_stopping_then_it_ends),
        TEST(given_a_plugin_that_hangs_when_stopping_then_it_is_killed),
        TEST(given_a_role_that_hangs_when_polling_then_the_other_account_goes_on),
        TEST(given_a_used_up_rate_when_polling_then_the_other_account_goes_on)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
