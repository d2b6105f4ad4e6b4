/*
 * What an answer of ELBv2 means: rows for the writer, the state of the site, and when to look
 * again. An answer counts only when it came and parsed whole; a failed one changes no row.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/mem.h"
#include "model/pack.h"
#include "source/elb_poll.h"

enum {
    DESCRIBE_MS = 5 * 60 * 1000,
    ATTRIBUTES_MS = 30 * 60 * 1000,
    RETRY_FAST_MS = 50,
    RETRY_BASE_MS = 1000,
    RETRY_MAX_MS = 20000,
    RETRIES = 3,
    LISTENERS_AGAIN_MS = 30000,
    SKEW_LIMIT_MS = 4 * 60 * 1000
};

/* The interval, up to a tenth earlier: groups drift apart instead of marching in step. */
static int64_t spread(int64_t ms)
{
    return ms - digest_random_below(ms / 10 + 1);
}

void elb_poll_push(struct elb_poll *p, struct change *c)
{
    c->received_at = clock_unix_ms();
    if (queue_push(p->out, c, change_weight(c), -1) != QUEUE_OK) {
        change_free(c);
    }
}

static size_t idle_groups(const struct elb_poll *p)
{
    size_t n = 0;
    for (const struct elb_group_state *g = p->groups; g != NULL; g = g->next) {
        n += g->hot ? 0 : 1;
    }
    return n;
}

static void plan_health(struct elb_poll *p, struct elb_group_state *g, int64_t mono)
{
    int64_t ms = elb_poll_interval(g->hot, g->hot ? 0 : idle_groups(p), p->options->rate,
                                   p->options->hot_interval_ms, p->options->idle_interval_ms);
    g->health_due = mono + spread(ms);
}

/* Health is what a site is for: while that is refused, another call's answer makes nothing good. */
static void site_is_fine(struct elb_site *s, enum elb_call_kind kind)
{
    s->budget = s->budget < ELB_BUDGET ? s->budget + 1 : ELB_BUDGET;
    elb_poll_denied(s, kind, false);
    if ((s->denied >> CALL_HEALTH & 1U) == 0) {
        s->ok_ms = clock_mono_ms();
        elb_poll_site_state(s, SOURCE_OK, "%s", "");
    }
}

/* ---- answers that came whole ---- */

/* The texts one after the other with their closing NULs: no two rows run into each other. */
static void digest_targets(const struct elb_target *t, uint32_t n, uint8_t ret[DIGEST_SIZE])
{
    AUTO(buf) b = BUF_INIT((size_t)LIMIT_AWS_ANSWER * 2);
    for (uint32_t i = 0; i < n; i++) {
        const char *const texts[] = {t[i].id,      t[i].zone,           t[i].state,
                                     t[i].reason,  t[i].description,    t[i].health_port,
                                     t[i].anomaly, t[i].override_state, t[i].override_reason};
        (void)buf_add(&b, &t[i].port, sizeof t[i].port);
        for (size_t k = 0; k < sizeof texts / sizeof texts[0]; k++) {
            (void)buf_add(&b, texts[k], strlen(texts[k]) + 1);
        }
    }
    digest_sha256(buf_str(&b), b.len, ret);
}

/* The same bytes as last time, up to the request's own id behind the result: nothing to parse. An
 * answer that shuffles its members falls through to the reader, whose rows are sorted. */
static bool same_bytes(struct elb_group_state *g, const struct buf *body)
{
    static const char end[] = "</DescribeTargetHealthResult>";
    const char *at = memmem(buf_str(body), body->len, end, sizeof end - 1);
    if (at == NULL) {
        return false;
    }
    uint8_t raw[DIGEST_SIZE];
    digest_sha256(buf_str(body), (size_t)(at - buf_str(body)), raw);
    bool same = g->answered && !g->gone && memcmp(raw, g->raw, sizeof raw) == 0;
    memcpy(g->raw, raw, sizeof raw);
    return same;
}

static void tell_unchanged(struct elb_poll *p, struct elb_group_state *g)
{
    struct change *c = change_new(CHANGE_TARGETS, 512);
    c->group_arn = arena_strdup(c->arena, g->arn);
    c->unchanged = true;
    c->asked = g->asked;
    g->asked = false;
    g->failures = 0;
    elb_poll_push(p, c);
}

static bool take_health(struct elb_poll *p, const struct elb_call *call, struct err *err)
{
    struct elb_group_state *g = call->groups[0];
    if (same_bytes(g, &call->answer.body)) {
        tell_unchanged(p, g);
        return true;
    }
    struct change *c = change_new(CHANGE_TARGETS, call->answer.body.len / 2 + 1024);
    struct elb_target *targets = NULL;
    uint32_t n = 0;
    if (!elb_read_health(buf_str(&call->answer.body), call->answer.body.len, c->arena, &targets, &n,
                         err)) {
        memset(g->raw, 0, sizeof g->raw); /* bytes that did not parse vouch for nothing */
        change_free(c);
        return false;
    }
    uint8_t digest[DIGEST_SIZE];
    digest_targets(targets, n, digest);
    c->group_arn = arena_strdup(c->arena, g->arn);
    c->targets = targets;
    c->n_targets = n;
    c->unchanged = g->answered && !g->gone && memcmp(digest, g->digest, sizeof digest) == 0;
    memcpy(g->digest, digest, sizeof digest);
    c->asked = g->asked;
    g->asked = false;
    g->answered = true;
    g->gone = false;
    g->failures = 0;
    elb_poll_push(p, c);
    return true;
}

static bool take_groups(struct elb_poll *p, const struct elb_call *call, int64_t mono,
                        struct err *err)
{
    struct change *c = change_new(CHANGE_GROUPS, 8192);
    struct elb_page page;
    if (!elb_read_groups(buf_str(&call->answer.body), call->answer.body.len, c->arena, &page,
                         err)) {
        change_free(c);
        return false;
    }
    c->groups = page.items.items;
    c->n_groups = page.items.n;
    for (uint32_t i = 0; i < c->n_groups; i++) {
        for (uint32_t k = 0; k < c->groups[i].load_balancer_arns.n; k++) {
            (void)elb_poll_balancer(p, call->site, c->groups[i].load_balancer_arns.items[k], mono);
        }
    }
    for (size_t i = 0; i < call->n; i++) {
        call->groups[i]->describe_due = mono + spread(DESCRIBE_MS);
    }
    elb_poll_push(p, c);
    return true;
}

static bool take_balancers(struct elb_poll *p, const struct elb_call *call, int64_t mono,
                           struct err *err)
{
    struct change *c = change_new(CHANGE_GROUPS, 8192);
    struct elb_page page;
    if (!elb_read_balancers(buf_str(&call->answer.body), call->answer.body.len, c->arena, &page,
                            err)) {
        change_free(c);
        return false;
    }
    c->balancers = page.items.items;
    c->n_balancers = page.items.n;
    for (size_t i = 0; i < call->n; i++) {
        call->balancers[i]->due = mono + spread(DESCRIBE_MS);
    }
    elb_poll_push(p, c);
    return true;
}

/* Attributes travel as a group row that has nothing but its ARN and them. */
static bool take_attributes(struct elb_poll *p, const struct elb_call *call, int64_t mono,
                            struct err *err)
{
    struct change *c = change_new(CHANGE_GROUPS, 4096);
    struct elb_group *g = arena_zalloc(c->arena, sizeof *g);
    record_clear(&elb_group_table, g);
    if (!elb_read_attributes(buf_str(&call->answer.body), call->answer.body.len, c->arena,
                             &g->attributes, err)) {
        change_free(c);
        return false;
    }
    g->arn = arena_strdup(c->arena, call->groups[0]->arn);
    g->attributes_at = clock_unix_ms();
    c->groups = g;
    c->n_groups = 1;
    call->groups[0]->attributes_due = mono + spread(ATTRIBUTES_MS);
    elb_poll_push(p, c);
    return true;
}

static bool take_answer(struct elb_poll *p, const struct elb_call *call, int64_t mono,
                        struct err *err)
{
    switch (call->kind) {
    case CALL_HEALTH:
        return take_health(p, call, err);
    case CALL_GROUPS:
        return take_groups(p, call, mono, err);
    case CALL_BALANCERS:
        return take_balancers(p, call, mono, err);
    case CALL_LISTENERS:
    case CALL_RULES:
        return elb_listeners_take(p, call, mono, err);
    case CALL_ATTRIBUTES:
    default:
        return take_attributes(p, call, mono, err);
    }
}

/* ---- failures ---- */

/* Every thing the call was about looks again after that time. */
static void again_in(const struct elb_call *call, int64_t mono, int64_t ms)
{
    for (size_t i = 0; i < call->n; i++) {
        switch (call->kind) {
        case CALL_HEALTH:
            call->groups[i]->health_due = mono + ms;
            break;
        case CALL_GROUPS:
            call->groups[i]->describe_due = mono + ms;
            break;
        case CALL_ATTRIBUTES:
            call->groups[i]->attributes_due = mono + ms;
            break;
        case CALL_LISTENERS:
        case CALL_RULES:
            call->balancers[i]->listeners_due = mono + ms;
            break;
        case CALL_BALANCERS:
        default:
            call->balancers[i]->due = mono + ms;
            break;
        }
    }
}

static bool of_listeners(const struct elb_call *call)
{
    return call->kind == CALL_LISTENERS || call->kind == CALL_RULES;
}

static void next_pass(struct elb_poll *p, const struct elb_call *call, int64_t mono)
{
    if (call->kind == CALL_HEALTH) {
        call->groups[0]->failures = 0;
        plan_health(p, call->groups[0], mono);
    } else {
        again_in(call, mono, spread(DESCRIBE_MS));
    }
}

/* Up to three tries with full jitter while the budget lasts; then the next pass. */
static void retry(struct elb_poll *p, const struct elb_call *call, int64_t base_ms, int64_t mono)
{
    struct elb_site *s = call->site;
    if (of_listeners(call)) { /* goes on where it stands */
        again_in(call, mono, spread(LISTENERS_AGAIN_MS));
        return;
    }
    int n = call->kind == CALL_HEALTH ? ++call->groups[0]->failures : RETRIES;
    if (n >= RETRIES || s->budget < ELB_BUDGET_RETRY) {
        next_pass(p, call, mono);
        return;
    }
    s->budget -= ELB_BUDGET_RETRY;
    int64_t ceiling = base_ms << (n - 1);
    int64_t ms = digest_random_below(ceiling > RETRY_MAX_MS ? RETRY_MAX_MS : ceiling);
    int64_t asked = call->answer.retry_after_ms;
    again_in(call, mono, ms > asked ? ms : asked);
}

static void on_gone(struct elb_poll *p, struct elb_call *call, int64_t mono)
{
    if (call->kind == CALL_BALANCERS || call->n > 1) { /* one unknown ARN fails its whole batch */
        for (size_t i = 0; i < call->n; i++) {
            if (call->kind == CALL_BALANCERS) {
                bool alone = call->n == 1;
                call->balancers[i]->single = true;
                call->balancers[i]->due = mono + (alone ? spread(DESCRIBE_MS) : 0);
            } else {
                call->groups[i]->single = true;
                call->groups[i]->describe_due = mono;
            }
        }
        return;
    }
    struct elb_group_state *g = call->groups[0];
    if (!g->gone) {
        g->gone = true;
        struct change *c = change_new(CHANGE_GROUP_GONE, 512);
        c->group_arn = arena_strdup(c->arena, g->arn);
        elb_poll_push(p, c);
    }
    next_pass(p, call, mono);
}

static void on_clock(struct elb_poll *p, struct elb_call *call, const struct elb_error *e)
{
    int64_t skew = p->skew_ms < 0 ? -p->skew_ms : p->skew_ms;
    if (skew > SKEW_LIMIT_MS) {
        elb_poll_site_state(call->site, SOURCE_FAILING,
                            "this host's clock is off by %" PRId64 " s: %.80s", p->skew_ms / 1000,
                            e->code);
    } else {
        elb_poll_site_state(call->site, SOURCE_DENIED, "%.80s: %.250s", e->code, e->message);
    }
}

static void on_class(struct elb_poll *p, struct elb_call *call, const struct elb_error *e,
                     int64_t mono)
{
    struct elb_site *s = call->site;
    const char *action = elb_call_action(call->kind);
    enum elb_class class = elb_error_class(call->answer.status, e->code);
    switch (class) {
    case ELB_THROTTLE:
        p->m_throttled++;
        elb_bucket_throttled(&s->rate->bucket, mono);
        elb_poll_site_state(s, SOURCE_THROTTLED, "%.80s on %s", e->code, action);
        retry(p, call, RETRY_BASE_MS, mono);
        return;
    case ELB_TRANSIENT:
        elb_poll_site_state(s, call->answer.status == 0 ? SOURCE_UNREACHABLE : SOURCE_FAILING,
                            "%.80s on %s: %.200s", e->code, action, e->message);
        retry(p, call, RETRY_FAST_MS, mono);
        return;
    case ELB_CREDENTIALS:
        if (aws_identity_force(s->identity.base == NULL ? &p->base : &s->identity)) {
            again_in(call, mono, 0);
            return;
        }
        elb_poll_site_state(s, SOURCE_DENIED, "%.80s: %.250s", e->code, e->message);
        break;
    case ELB_CLOCK:
        on_clock(p, call, e);
        break;
    case ELB_PERMISSION:
        if (call->kind == CALL_HEALTH) {
            elb_poll_site_state(s, SOURCE_DENIED, "%.60s: needs elasticloadbalancing:%s. %.200s",
                                e->code, action, e->message);
        }
        elb_poll_denied(s, call->kind, true);
        break;
    case ELB_GONE:
        if (!of_listeners(call)) {
            on_gone(p, call, mono);
            return;
        }
        break;
    case ELB_BUG:
    default:
        if (call->kind == CALL_HEALTH && !s->no_include) {
            s->no_include = true; /* an endpoint that does not know Include: ask without it */
            again_in(call, mono, 0);
            return;
        }
        elb_poll_site_state(s, SOURCE_FAILING, "%.80s on %s: %.200s", e->code, action, e->message);
        break;
    }
    if (of_listeners(call)) {
        elb_listeners_failed(p, call, class, mono);
    } else {
        next_pass(p, call, mono);
    }
}

static void on_failure(struct elb_poll *p, struct elb_call *call, CURLcode rc, int64_t mono)
{
    struct elb_error e = {.code = ""};
    p->m_errors++;
    if (rc != CURLE_OK) {
        call->answer.status = 0;
        (void)snprintf(e.code, sizeof e.code, "no answer");
        (void)snprintf(e.message, sizeof e.message, "%.250s",
                       call->error[0] != '\0' ? call->error : curl_easy_strerror(rc));
    } else {
        elb_read_error(call->answer.status, buf_str(&call->answer.body), call->answer.body.len, &e);
    }
    on_class(p, call, &e, mono);
}

static void forget(struct elb_poll *p, struct elb_call *call)
{
    for (size_t i = 0; i < p->n_calls; i++) {
        if (p->calls[i] == call) {
            p->calls[i] = p->calls[--p->n_calls];
            break;
        }
    }
    for (size_t i = 0; i < call->n; i++) {
        if (of_listeners(call)) {
            call->balancers[i]->listeners_busy = false;
        } else if (call->kind == CALL_BALANCERS) {
            call->balancers[i]->busy = false;
        } else {
            struct elb_group_state *g = call->groups[i];
            g->health_busy = g->health_busy && call->kind != CALL_HEALTH;
            g->describe_busy = g->describe_busy && call->kind != CALL_GROUPS;
            g->attributes_busy = g->attributes_busy && call->kind != CALL_ATTRIBUTES;
        }
    }
    (void)curl_multi_remove_handle(p->multi, call->easy);
    p->idle[p->n_idle++] = call->easy; /* as many idle as calls at most */
    curl_slist_free_all(call->headers);
    aws_answer_fini(&call->answer);
    free(call);
}

void elb_poll_finish(struct elb_poll *p, struct elb_call *call, CURLcode rc, int64_t mono)
{
    long status = 0;
    long connects = 0;
    (void)curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    (void)curl_easy_getinfo(call->easy, CURLINFO_NUM_CONNECTS, &connects);
    p->m_connections += (uint64_t)connects;
    call->answer.status = (int)status;
    if (call->answer.date_ms != 0) {
        p->skew_ms = call->answer.date_ms - p->env.now();
    }
    struct err err = {0};
    if (rc == CURLE_OK && status == 200) {
        if (take_answer(p, call, mono, &err)) {
            site_is_fine(call->site, call->kind);
            if (call->kind == CALL_HEALTH) {
                plan_health(p, call->groups[0], mono);
            }
        } else {
            p->m_errors++;
            elb_poll_site_state(call->site, SOURCE_FAILING, "%s: %.300s",
                                elb_call_action(call->kind), err.text);
            retry(p, call, RETRY_BASE_MS, mono);
        }
    } else {
        on_failure(p, call, rc, mono);
    }
    forget(p, call);
}
