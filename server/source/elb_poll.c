/*
 * The poll plan at work: which groups there are, which calls are due, and starting them under the
 * token bucket. What an answer means stands in elb_answer.c.
 *
 * Health has no pages and no batches: one call a group, so the order of due times decides, hot
 * groups first. Descriptions go out in batches of 20 and count against the same bucket.
 */
#include "source/elb_poll.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

enum { IDLE_YIELDS_MS = 10000, WAIT_MAX_MS = 1000, BLOCKED_MS = 5000, BODY_LIMIT = 64 << 10 };

#define X(suffix, action) action,
static const char *const actions[] = {ELB_CALLS(X)};
#undef X

const char *elb_call_action(enum elb_call_kind kind)
{
    return actions[kind];
}

/* ---- sites ---- */

static struct elb_rate *rate_for(struct elb_poll *p, const char *account, const char *region)
{
    for (struct elb_rate *r = p->rates; r != NULL; r = r->next) {
        if (strcmp(r->account, account) == 0 && strcmp(r->region, region) == 0) {
            return r;
        }
    }
    struct elb_rate *r = xcalloc(1, sizeof *r);
    (void)snprintf(r->account, sizeof r->account, "%s", account);
    (void)snprintf(r->region, sizeof r->region, "%s", region);
    elb_bucket_init(&r->bucket, p->options->rate, p->options->burst, clock_mono_ms());
    r->next = p->rates;
    p->rates = r;
    return r;
}

static bool find_url(const struct elb_poll *p, struct elb_site *s, struct err *err)
{
    const char *own = p->options->endpoint;
    if (own == NULL || own[0] == '\0') {
        own = aws_endpoint_override(&p->env, &p->profiles, "ELASTIC_LOAD_BALANCING_V2",
                                    "elastic_load_balancing_v2");
    }
    return aws_service_url(&p->env, &p->profiles,
                           &(struct aws_service){"elasticloadbalancing", own, s->region}, s->url,
                           err);
}

static struct elb_site *site_for(struct elb_poll *p, const struct aws_arn *arn,
                                 const struct elb_wish *wish)
{
    for (struct elb_site *s = p->sites; s != NULL; s = s->next) {
        if (strcmp(s->account, arn->account) == 0 && strcmp(s->region, arn->region) == 0 &&
            strcmp(s->identity.role_arn, wish->role_arn) == 0 &&
            strcmp(s->identity.external_id, wish->external_id) == 0) {
            return s;
        }
    }
    struct elb_site *s = xcalloc(1, sizeof *s);
    (void)snprintf(s->account, sizeof s->account, "%s", arn->account);
    (void)snprintf(s->region, sizeof s->region, "%s", arn->region);
    s->rate = rate_for(p, arn->account, arn->region);
    s->budget = ELB_BUDGET;
    s->state = SOURCE_STARTING;
    s->identity = (struct aws_identity){.env = &p->env, .profiles = &p->profiles};
    s->identity.base = wish->role_arn[0] != '\0' ? &p->base : NULL;
    s->identity.wake = p->base.wake;
    s->identity.wake_arg = p->base.wake_arg;
    (void)snprintf(s->identity.role_arn, sizeof s->identity.role_arn, "%s", wish->role_arn);
    (void)snprintf(s->identity.external_id, sizeof s->identity.external_id, "%s",
                   wish->external_id);
    (void)snprintf(s->identity.region, sizeof s->identity.region, "%s", arn->region);
    struct err err = {0};
    if (!find_url(p, s, &err)) {
        elb_poll_site_state(s, SOURCE_FAILING, "%s", err.text);
        s->blocked_until = INT64_MAX;
    }
    s->next = p->sites;
    p->sites = s;
    return s;
}

/* ---- wishes ---- */

struct elb_group_state *elb_poll_group(const struct elb_poll *p, const char *arn)
{
    struct elb_group_state *g = p->groups;
    while (g != NULL && strcmp(g->arn, arn) != 0) {
        g = g->next;
    }
    return g;
}

struct elb_balancer_state *elb_poll_balancer(struct elb_poll *p, struct elb_site *s,
                                             const char *arn, int64_t mono)
{
    for (struct elb_balancer_state *b = p->balancers; b != NULL; b = b->next) {
        if (strcmp(b->arn, arn) == 0) {
            return b;
        }
    }
    struct elb_balancer_state *b = xcalloc(1, sizeof *b);
    b->arn = xstrdup(arn);
    b->site = s;
    b->due = mono;
    b->listeners_due = mono;
    b->next = p->balancers;
    p->balancers = b;
    return b;
}

static void take_one(struct elb_poll *p, const struct elb_wish *wish)
{
    struct aws_arn arn;
    struct err ignored = {0};
    if (wish->arn[0] == '\0' || !aws_arn_parse(wish->arn, &arn, &ignored) ||
        arn.region[0] == '\0') {
        return; /* the binding's webhook has not resolved its name yet, or the text is no ARN */
    }
    struct elb_group_state *g = elb_poll_group(p, wish->arn);
    int64_t now = clock_mono_ms();
    if (g == NULL) {
        g = xcalloc(1, sizeof *g);
        g->arn = xstrdup(wish->arn);
        g->health_due = now;
        g->describe_due = now;
        g->next = p->groups;
        p->groups = g;
        p->n_groups++;
    }
    g->site = site_for(p, &arn, wish);
    if (wish->hot && !g->hot && g->health_due > now) {
        g->health_due = now; /* a rollout starts to wait on it */
    }
    if (wish->attributes && !g->attributes) {
        g->attributes_due = now > g->attributes_due ? now : g->attributes_due; /* once in a while */
    }
    g->hot = wish->hot || (g->wanted && g->hot); /* several bindings may name one group */
    g->attributes = wish->attributes || (g->wanted && g->attributes);
    g->wanted = true;
    if (wish->balancer != NULL && wish->balancer[0] != '\0') {
        elb_poll_balancer(p, g->site, wish->balancer, now)->wants_listeners = true;
    }
}

static bool group_busy(const struct elb_group_state *g)
{
    return g->health_busy || g->describe_busy || g->attributes_busy;
}

void elb_poll_take(struct elb_poll *p, const struct elb_wish *wishes, size_t n)
{
    for (struct elb_group_state *g = p->groups; g != NULL; g = g->next) {
        g->wanted = false;
    }
    for (struct elb_balancer_state *b = p->balancers; b != NULL; b = b->next) {
        b->wanted_before = b->wants_listeners;
        b->wants_listeners = false;
    }
    for (size_t i = 0; i < n; i++) {
        take_one(p, &wishes[i]);
    }
    for (struct elb_balancer_state *b = p->balancers; b != NULL; b = b->next) {
        b->listeners_due = b->wants_listeners && !b->wanted_before ? 0 : b->listeners_due;
    }
    for (struct elb_group_state **at = &p->groups; *at != NULL;) {
        struct elb_group_state *g = *at;
        if (g->wanted || group_busy(g)) { /* a busy one goes when its call is done */
            at = &g->next;
            continue;
        }
        *at = g->next;
        free(g->arn);
        free(g);
        p->n_groups--;
    }
}

void elb_poll_refresh(struct elb_poll *p, const char *arn, int64_t mono)
{
    struct elb_group_state *g = elb_poll_group(p, arn);
    if (g != NULL) {
        g->asked = true;
        g->health_due = mono;
        g->describe_due = mono;
        g->attributes_due = mono; /* looked at only while a finding needs them */
        for (struct elb_balancer_state *b = p->balancers; b != NULL; b = b->next) {
            b->listeners_due = b->reading == NULL ? mono : b->listeners_due; /* likewise */
        }
    }
}

/* ---- starting calls ---- */

/* Nobody configured AWS here: quietly absent, unless it was asked for. */
static bool nobody(const struct elb_poll *p)
{
    bool imds = p->base.provider == AWS_PROVIDER_IMDS && !p->base.have;
    return p->base.provider == AWS_PROVIDER_NONE || (imds && !p->options->required);
}

/* NULL: not now. Other sites go on: nothing here waits. */
static const struct aws_credentials *credentials(struct elb_poll *p, struct elb_site *s,
                                                 int64_t mono)
{
    const struct aws_credentials *c = NULL;
    struct err err = {0};
    struct aws_identity *id = s->identity.base == NULL ? &p->base : &s->identity;
    if (mono < s->blocked_until) {
        return NULL;
    }
    switch (aws_identity_ask(id, &c, &err)) {
    case AWS_HAVE_READY:
        return c;
    case AWS_HAVE_PENDING: /* its end wakes the loop */
        return NULL;
    case AWS_HAVE_FAILED:
    default:
        break;
    }
    s->blocked_until = mono + BLOCKED_MS;
    if (nobody(p)) {
        elb_poll_site_state(s, SOURCE_ABSENT, "no AWS credentials: %.300s", err.text);
    } else {
        elb_poll_site_state(s, err.code == ERR_DENIED ? SOURCE_DENIED : SOURCE_FAILING, "%.380s",
                            err.text);
    }
    return NULL;
}

static void add_body(const struct elb_call *call, struct buf *body)
{
    char name[64];
    (void)buf_addf(body, "Action=%s&Version=2015-12-01", elb_call_action(call->kind));
    if (call->kind == CALL_LISTENERS || call->kind == CALL_RULES) {
        elb_listeners_body(call, body);
        return;
    }
    for (size_t i = 0; i < call->n; i++) {
        if (call->kind == CALL_BALANCERS) {
            (void)snprintf(name, sizeof name, "LoadBalancerArns.member.%zu", i + 1);
            aws_form(body, name, call->balancers[i]->arn);
        } else if (call->kind == CALL_GROUPS) {
            (void)snprintf(name, sizeof name, "TargetGroupArns.member.%zu", i + 1);
            aws_form(body, name, call->groups[i]->arn);
        } else {
            aws_form(body, "TargetGroupArn", call->groups[i]->arn);
        }
    }
    if (call->kind == CALL_HEALTH && !call->site->no_include) {
        aws_form(body, "Include.member.1", "All");
    }
}

static void mark_busy(struct elb_call *call, bool busy)
{
    for (size_t i = 0; i < call->n; i++) {
        switch (call->kind) {
        case CALL_HEALTH:
            call->groups[i]->health_busy = busy;
            break;
        case CALL_GROUPS:
            call->groups[i]->describe_busy = busy;
            break;
        case CALL_ATTRIBUTES:
            call->groups[i]->attributes_busy = busy;
            break;
        case CALL_LISTENERS:
        case CALL_RULES:
            call->balancers[i]->listeners_busy = busy;
            break;
        case CALL_BALANCERS:
        default:
            call->balancers[i]->busy = busy;
            break;
        }
    }
}

void elb_poll_start_call(struct elb_poll *p, const struct elb_call *plan,
                         const struct aws_credentials *with)
{
    struct elb_call *call = xcalloc(1, sizeof *call);
    *call = *plan;
    AUTO(buf) body = BUF_INIT(BODY_LIMIT);
    add_body(call, &body);
    struct aws_transfer t = {.url = call->site->url,
                             .body = buf_str(&body),
                             .body_len = body.len,
                             .sign = with,
                             .region = call->site->region,
                             .service = "elasticloadbalancing",
                             .ca_file = aws_ca_bundle(&p->env, &p->profiles)};
    call->easy = p->n_idle > 0 ? p->idle[--p->n_idle] : curl_easy_init();
    assert(call->easy != NULL); /* out of memory ends the process, as everywhere */
    curl_easy_reset(call->easy);
    aws_prepare(call->easy, &t, &call->answer, &call->headers);
    curl_easy_setopt(call->easy, CURLOPT_ERRORBUFFER, call->error);
    curl_easy_setopt(call->easy, CURLOPT_PRIVATE, call);
    mark_busy(call, true);
    (void)curl_multi_add_handle(p->multi, call->easy); /* fails only for a handle in use */
    p->calls[p->n_calls++] = call;
    p->m_calls++;
}

bool elb_poll_may_start(struct elb_poll *p, struct elb_site *s, int64_t mono,
                        const struct aws_credentials **ret, int64_t *wait)
{
    int64_t left = *wait;
    if (s->held || p->n_calls == ELB_CALLS_MAX) {
        return false; /* a finished call wakes the loop */
    }
    *ret = credentials(p, s, mono);
    if (*ret == NULL) {
        left = s->blocked_until > mono ? s->blocked_until - mono : left;
        s->held = true;
    } else if (!elb_bucket_take(&s->rate->bucket, mono)) {
        left = elb_bucket_wait(&s->rate->bucket, mono);
        s->held = true;
    }
    *wait = left < *wait ? left : *wait;
    return !s->held;
}

static int64_t due_in(int64_t due, int64_t mono, int64_t wait)
{
    int64_t left = due - mono;
    return left < wait ? (left < 0 ? 0 : left) : wait;
}

/* A hot group goes before an idle one that has waited as long, and up to ten seconds longer: under
 * a scarce rate hot groups are due all the time, and the idle ones must get their turn too. */
static int64_t turn_of(const struct elb_group_state *g)
{
    return g->hot ? g->health_due : g->health_due + IDLE_YIELDS_MS;
}

/* The health poll whose turn it is. NULL = none is due. */
static struct elb_group_state *next_health(struct elb_poll *p, int64_t mono, int64_t *wait)
{
    struct elb_group_state *best = NULL;
    for (struct elb_group_state *g = p->groups; g != NULL; g = g->next) {
        if (g->health_busy || !g->wanted || g->site->held) {
            continue;
        }
        if (g->health_due > mono) {
            *wait = due_in(g->health_due, mono, *wait);
            continue;
        }
        best = best == NULL || turn_of(g) < turn_of(best) ? g : best;
    }
    return best;
}

static void start_health(struct elb_poll *p, int64_t mono, int64_t *wait)
{
    for (;;) {
        struct elb_group_state *g = next_health(p, mono, wait);
        const struct aws_credentials *with = NULL;
        if (g == NULL || p->n_calls == ELB_CALLS_MAX) {
            return;
        }
        if (!elb_poll_may_start(p, g->site, mono, &with, wait)) {
            continue; /* held: its groups are passed over from here on */
        }
        struct elb_call plan = {.kind = CALL_HEALTH, .site = g->site, .groups = {g}, .n = 1};
        elb_poll_start_call(p, &plan, with);
    }
}

/* One batch of descriptions that are due on one site; those that must go alone go alone. */
static void start_groups(struct elb_poll *p, struct elb_site *s, int64_t mono, int64_t *wait)
{
    struct elb_call plan = {.kind = CALL_GROUPS, .site = s};
    for (struct elb_group_state *g = p->groups; g != NULL && plan.n < ELB_BATCH; g = g->next) {
        if (g->site != s || g->describe_busy) {
            continue;
        }
        if (g->describe_due > mono) {
            *wait = due_in(g->describe_due, mono, *wait);
        } else if (!g->single) {
            plan.groups[plan.n++] = g;
        } else if (plan.n == 0) {
            plan.groups[plan.n++] = g;
            break;
        }
    }
    const struct aws_credentials *with = NULL;
    if (plan.n > 0 && elb_poll_may_start(p, s, mono, &with, wait)) {
        elb_poll_start_call(p, &plan, with);
    }
}

static void start_balancers(struct elb_poll *p, struct elb_site *s, int64_t mono, int64_t *wait)
{
    struct elb_call plan = {.kind = CALL_BALANCERS, .site = s};
    for (struct elb_balancer_state *b = p->balancers; b != NULL && plan.n < ELB_BATCH;
         b = b->next) {
        if (b->site != s || b->busy) {
            continue;
        }
        if (b->due > mono) {
            *wait = due_in(b->due, mono, *wait);
        } else if (!b->single) {
            plan.balancers[plan.n++] = b;
        } else if (plan.n == 0) {
            plan.balancers[plan.n++] = b;
            break;
        }
    }
    const struct aws_credentials *with = NULL;
    if (plan.n > 0 && elb_poll_may_start(p, s, mono, &with, wait)) {
        elb_poll_start_call(p, &plan, with);
    }
}

static void start_attributes(struct elb_poll *p, int64_t mono, int64_t *wait)
{
    for (struct elb_group_state *g = p->groups; g != NULL; g = g->next) {
        if (!g->attributes || g->attributes_busy || g->gone || g->attributes_due > mono) {
            continue;
        }
        const struct aws_credentials *with = NULL;
        if (!elb_poll_may_start(p, g->site, mono, &with, wait)) {
            continue;
        }
        struct elb_call plan = {.kind = CALL_ATTRIBUTES, .site = g->site, .groups = {g}, .n = 1};
        elb_poll_start_call(p, &plan, with);
    }
}

int64_t elb_poll_start(struct elb_poll *p, int64_t mono)
{
    int64_t wait = WAIT_MAX_MS;
    for (struct elb_site *s = p->sites; s != NULL; s = s->next) {
        s->held = mono < s->blocked_until;
        wait = s->held ? due_in(s->blocked_until, mono, wait) : wait;
    }
    start_health(p, mono, &wait);
    for (struct elb_site *s = p->sites; s != NULL; s = s->next) {
        if (!s->held) {
            start_groups(p, s, mono, &wait);
            start_balancers(p, s, mono, &wait);
        }
    }
    start_attributes(p, mono, &wait);
    elb_listeners_start(p, mono, &wait);
    return wait;
}
