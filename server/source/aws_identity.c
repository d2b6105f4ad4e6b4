/*
 * A cached identity: the credentials that calls are signed with, and the thread that fetches them.
 *
 * A fetch may take seconds: a metadata address that answers nobody, STS three times over, a plugin
 * that waits for its own network. So it runs on a thread of its own, one at a time for each
 * identity, with copies of what it needs; the thread that asks goes on with other accounts and is
 * woken when the result is there. What is shared with the fetch (environment, profiles) does not
 * change after the start.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/log.h"
#include "base/mem.h"
#include "source/aws.h"

enum {
    REFRESH_AHEAD_MS = 15 * 60 * 1000,
    REFRESH_JITTER_MS = 60 * 1000,
    BACKOFF_FIRST_MS = 5000,
    BACKOFF_MAX_MS = 60000,
    FORCE_EVERY_MS = 60000
};

struct aws_fetch {
    struct aws_env env; /* a copy, with the cancellation below */
    const struct aws_profiles *profiles;
    enum aws_provider provider;
    bool assume; /* the role below, with the credentials below */
    char role_arn[256];
    char external_id[1300];
    char region[AWS_REGION_BYTES];
    struct aws_credentials with;
    void (*wake)(void *arg);
    void *wake_arg;
    pthread_t thread;
    atomic_bool cancelled;
    /* set by the thread, read after done */
    atomic_bool done;
    bool ok;
    struct aws_credentials fresh;
    struct err why;
};

static bool is_cancelled(void *arg)
{
    return atomic_load(&((struct aws_fetch *)arg)->cancelled);
}

static bool fetch(const struct aws_fetch *f, struct aws_credentials *ret, struct err *err)
{
    if (!f->assume) {
        return aws_provider_fetch(&f->env, f->profiles, f->provider, ret, err);
    }
    struct aws_role role = {
        .arn = f->role_arn, .region = f->region, .external_id = f->external_id, .with = &f->with};
    return aws_fetch_assume_role(&f->env, f->profiles, &role, ret, err);
}

static void *fetch_main(void *arg)
{
    struct aws_fetch *f = arg;
    log_name_thread("aws-keys");
    f->ok = fetch(f, &f->fresh, &f->why);
    atomic_store(&f->done, true);
    if (f->wake != NULL) {
        f->wake(f->wake_arg);
    }
    return NULL;
}

/* ---- when to fetch ---- */

static int64_t backoff(int failures)
{
    int64_t ms = BACKOFF_FIRST_MS;
    for (int i = 1; i < failures && ms < BACKOFF_MAX_MS; i++) {
        ms *= 2;
    }
    return ms > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : ms;
}

static void plan_refresh(struct aws_identity *id, int64_t now)
{
    if (id->now.expires_at == 0) {
        id->refresh_at = INT64_MAX;
        return;
    }
    int64_t left = id->now.expires_at - now;
    /* short-lived ones (tests, plugins): at half of what is left */
    int64_t ahead = left > 2 * (int64_t)REFRESH_AHEAD_MS ? REFRESH_AHEAD_MS : left / 2;
    id->refresh_at = now + left - ahead -
                     digest_random_below(ahead < REFRESH_JITTER_MS ? ahead / 4 : REFRESH_JITTER_MS);
}

static void succeeded(struct aws_identity *id, const struct aws_credentials *fresh, int64_t now)
{
    id->now = *fresh;
    id->have = true;
    id->failures = 0;
    plan_refresh(id, now);
}

static void failed(struct aws_identity *id, const struct err *why, int64_t now)
{
    id->failures++;
    id->refresh_at = now + backoff(id->failures);
    id->why = *why;
}

/* Takes the result of a fetch that is done. */
static void collect(struct aws_identity *id, int64_t now)
{
    struct aws_fetch *f = id->fetch;
    if (f == NULL || !atomic_load(&f->done)) {
        return;
    }
    (void)pthread_join(f->thread, NULL);
    id->fetch = NULL;
    if (f->ok) {
        succeeded(id, &f->fresh, now);
    } else {
        failed(id, &f->why, now);
    }
    free(f);
}

static void start_thread(struct aws_identity *id, const struct aws_credentials *with, int64_t now)
{
    struct aws_fetch *f = xcalloc(1, sizeof *f);
    f->env = *id->env;
    f->env.cancelled = is_cancelled;
    f->env.cancelled_arg = f;
    f->profiles = id->profiles;
    f->provider = id->provider;
    f->assume = with != NULL;
    f->wake = id->wake;
    f->wake_arg = id->wake_arg;
    if (with != NULL) {
        memcpy(f->role_arn, id->role_arn, sizeof f->role_arn);
        memcpy(f->external_id, id->external_id, sizeof f->external_id);
        memcpy(f->region, id->region, sizeof f->region);
        f->with = *with;
    }
    int rc = pthread_create(&f->thread, NULL, fetch_main, f);
    if (rc != 0) {
        struct err why = {0};
        (void)err_set(&why, ERR_BUSY, "a thread for AWS credentials: %s", strerror(rc));
        failed(id, &why, now);
        free(f);
        return;
    }
    id->fetch = f;
}

/* The environment is read where we stand: nothing to wait for. */
static void read_environment(struct aws_identity *id, int64_t now)
{
    struct aws_credentials *fresh = xcalloc(1, sizeof *fresh);
    struct err why = {0};
    if (aws_provider_fetch(id->env, id->profiles, id->provider, fresh, &why)) {
        succeeded(id, fresh, now);
    } else {
        failed(id, &why, now);
    }
    free(fresh);
}

/* Starts what is due; false when that waits for the credentials below it. */
static bool start(struct aws_identity *id, int64_t now)
{
    const struct aws_credentials *with = NULL;
    struct err why = {0};
    if (id->base == NULL && id->provider == AWS_PROVIDER_ENVIRONMENT) {
        read_environment(id, now);
        return true;
    }
    enum aws_have have =
        id->base != NULL ? aws_identity_ask(id->base, &with, &why) : AWS_HAVE_READY;
    if (have == AWS_HAVE_FAILED) {
        failed(id, &why, now);
    } else if (have == AWS_HAVE_READY) {
        start_thread(id, with, now);
    }
    return have != AWS_HAVE_PENDING;
}

enum aws_have aws_identity_ask(struct aws_identity *id, const struct aws_credentials **ret,
                               struct err *err)
{
    int64_t now = id->env->now();
    collect(id, now);
    bool due = id->have || id->failures > 0 ? now >= id->refresh_at : true;
    bool waits = id->fetch != NULL;
    if (due && !waits) {
        waits = !start(id, now) || id->fetch != NULL;
    }
    if (id->have && (id->now.expires_at == 0 || now < id->now.expires_at)) {
        *ret = &id->now;
        return AWS_HAVE_READY;
    }
    if (waits) {
        return AWS_HAVE_PENDING;
    }
    *err = id->why;
    return AWS_HAVE_FAILED;
}

bool aws_identity_force(struct aws_identity *id)
{
    int64_t now = id->env->now();
    if (id->forced_at != 0 && now - id->forced_at < FORCE_EVERY_MS) {
        return false;
    }
    id->forced_at = now;
    id->refresh_at = 0;
    id->have = false;
    id->failures = 0;
    if (id->base != NULL) {
        (void)aws_identity_force(id->base); /* its own limit counts for it */
    }
    return true;
}

void aws_identity_fini(struct aws_identity *id)
{
    if (id->fetch != NULL) {
        atomic_store(&id->fetch->cancelled, true);
        (void)pthread_join(id->fetch->thread, NULL);
        free(id->fetch);
        id->fetch = NULL;
    }
}
