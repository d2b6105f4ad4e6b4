/*
 * Thread `elb`: takes the newest wishes, starts what is due, waits for answers, tells states. All
 * of its knowledge is its own (struct elb_poll); other threads reach it through a mutex-guarded
 * mailbox of copied wishes and by curl_multi_wakeup.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "source/elb_poll.h"
#include "source/elb_refresh.h"

struct mail {
    struct arena *arena;
    struct elb_wish *wishes;
    size_t n;
};

struct elb_source {
    struct elb_options options;
    struct elb_poll poll; /* thread elb only */
    pthread_t thread;
    bool started;
    atomic_bool stop;
    pthread_mutex_t lock; /* guards what follows */
    struct mail *mail;    /* newest wishes not taken yet; NULL = none */
    struct elb_refresh refresh;
    /* for other threads */
    _Atomic uint64_t m_calls, m_errors, m_throttled, m_connections;
    _Atomic int64_t m_skew;
};

static void mail_free(struct mail *m)
{
    if (m != NULL) {
        arena_free(m->arena);
        free(m);
    }
}

static const char *some(const char *text)
{
    return text != NULL && text[0] != '\0' ? text : NULL;
}

/* Another thread has news for the poller. */
static void wake(void *multi)
{
    (void)curl_multi_wakeup(multi);
}

bool elb_source_new(const struct elb_options *opt, struct queue *out, struct elb_source **ret,
                    struct err *err)
{
    struct elb_source *e = xcalloc(1, sizeof *e);
    e->options = *opt;
    (void)pthread_mutex_init(&e->lock, NULL);
    elb_refresh_init(&e->refresh, opt->rate, opt->burst, clock_mono_ms());
    struct elb_poll *p = &e->poll;
    p->options = &e->options;
    p->arena = arena_new(0);
    p->env = aws_env_real();
    p->env.profile = some(opt->profile);
    p->env.region = some(opt->region);
    p->env.endpoint = some(opt->endpoint);
    p->out = out;
    p->state = SOURCE_STARTING;
    if (!aws_profiles_load(&p->env, p->arena, &p->profiles, err)) {
        elb_source_free(e);
        return false;
    }
    p->multi = curl_multi_init();
    p->base = (struct aws_identity){.env = &p->env,
                                    .profiles = &p->profiles,
                                    .provider = aws_provider_find(&p->env, &p->profiles),
                                    .wake = wake,
                                    .wake_arg = p->multi};
    (void)curl_multi_setopt(p->multi, CURLMOPT_MAXCONNECTS, 2L * ELB_CALLS_MAX);
    *ret = e;
    return true;
}

/* ---- the mailbox ---- */

void elb_source_wish(struct elb_source *e, const struct elb_wish *wishes, size_t n)
{
    struct mail *m = xcalloc(1, sizeof *m);
    m->arena = arena_new(0);
    m->wishes = arena_array(m->arena, struct elb_wish, n);
    m->n = n;
    for (size_t i = 0; i < n; i++) {
        const struct elb_wish *w = &wishes[i];
        m->wishes[i] = (struct elb_wish){
            .arn = arena_strdup(m->arena, w->arn),
            .name = arena_strdup(m->arena, w->name),
            .role_arn = arena_strdup(m->arena, w->role_arn),
            .external_id = arena_strdup(m->arena, w->external_id),
            .vpc_id = arena_strdup(m->arena, w->vpc_id),
            .hot = w->hot,
            .attributes = w->attributes,
            .balancer = arena_strdup(m->arena, w->balancer != NULL ? w->balancer : "")};
    }
    (void)pthread_mutex_lock(&e->lock);
    struct mail *old = e->mail;
    e->mail = m;
    (void)pthread_mutex_unlock(&e->lock);
    mail_free(old);
    (void)curl_multi_wakeup(e->poll.multi);
}

bool elb_source_refresh(struct elb_source *e, struct elb_asked *asked, size_t n,
                        int64_t *ret_wait_ms, struct err *err)
{
    (void)pthread_mutex_lock(&e->lock);
    size_t started = elb_refresh_ask(&e->refresh, asked, n, clock_mono_ms(), ret_wait_ms);
    (void)pthread_mutex_unlock(&e->lock);
    if (started == 0) {
        return err_set(err, ERR_BUSY, "target health was asked for a moment ago");
    }
    (void)curl_multi_wakeup(e->poll.multi);
    return true;
}

static void take_mail(struct elb_source *e, int64_t mono)
{
    const char *asked[ELB_REFRESH_ROWS];
    AUTO_PTR(arena) a = arena_new(0);
    (void)pthread_mutex_lock(&e->lock);
    struct mail *m = e->mail;
    size_t n = elb_refresh_take(&e->refresh, a, asked);
    e->mail = NULL;
    (void)pthread_mutex_unlock(&e->lock);
    if (m != NULL) {
        elb_poll_take(&e->poll, m->wishes, m->n);
        mail_free(m);
    }
    for (size_t i = 0; i < n; i++) {
        elb_poll_refresh(&e->poll, asked[i], mono);
    }
}

/* ---- the thread ---- */

static void publish_metrics(struct elb_source *e)
{
    atomic_store(&e->m_calls, e->poll.m_calls);
    atomic_store(&e->m_errors, e->poll.m_errors);
    atomic_store(&e->m_throttled, e->poll.m_throttled);
    atomic_store(&e->m_connections, e->poll.m_connections);
    atomic_store(&e->m_skew, e->poll.skew_ms);
}

static void take_answers(struct elb_poll *p)
{
    int left = 0;
    CURLMsg *msg = NULL;
    while ((msg = curl_multi_info_read(p->multi, &left)) != NULL) {
        if (msg->msg == CURLMSG_DONE) {
            char *call = NULL;
            CURLcode rc = msg->data.result;
            (void)curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &call);
            elb_poll_finish(p, (struct elb_call *)(void *)call, rc, clock_mono_ms());
        }
    }
}

static void *elb_main(void *arg)
{
    struct elb_source *e = arg;
    struct elb_poll *p = &e->poll;
    log_name_thread("elb");
    log_info("aws", "credentials=%s region=\"%s\"", aws_provider_name(p->base.provider),
             aws_region_of(&p->env, &p->profiles));
    while (!atomic_load(&e->stop)) {
        take_mail(e, clock_mono_ms());
        int64_t wait = elb_poll_start(p, clock_mono_ms());
        int running = 0;
        (void)curl_multi_perform(p->multi, &running); /* errors show in the transfers */
        take_answers(p);
        elb_poll_report(p, clock_mono_ms());
        publish_metrics(e);
        (void)curl_multi_poll(p->multi, NULL, 0, (int)(p->n_calls > 0 || wait > 1 ? wait : 1),
                              NULL);
    }
    return NULL;
}

bool elb_source_start(struct elb_source *e, struct err *err)
{
    int rc = pthread_create(&e->thread, NULL, elb_main, e);
    if (rc != 0) {
        return err_set(err, ERR_BUSY, "thread elb: %s", strerror(rc));
    }
    e->started = true;
    return true;
}

void elb_source_stop(struct elb_source *e)
{
    if (e != NULL && e->started) {
        atomic_store(&e->stop, true);
        (void)curl_multi_wakeup(e->poll.multi);
        (void)pthread_join(e->thread, NULL);
        e->started = false;
    }
}

void elb_source_free(struct elb_source *e)
{
    if (e == NULL) {
        return;
    }
    elb_source_stop(e);
    elb_poll_fini(&e->poll);
    mail_free(e->mail);
    elb_refresh_fini(&e->refresh);
    (void)pthread_mutex_destroy(&e->lock);
    free(e);
}

void elb_source_metrics(const struct elb_source *e, struct source_metrics *m)
{
    struct elb_source *s = (struct elb_source *)(uintptr_t)e; /* atomics want a plain pointer */
    m->elb_calls = atomic_load(&s->m_calls);
    m->elb_errors = atomic_load(&s->m_errors);
    m->elb_throttled = atomic_load(&s->m_throttled);
    m->elb_connections = atomic_load(&s->m_connections);
    m->elb_clock_skew_ms = atomic_load(&s->m_skew);
}
