/*
 * What the poller tells: the state of each account and region, and of AWS as a whole. A state is
 * told when it changes; a good one every ten seconds too, as a sign of life.
 */
#include "source/elb_poll.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

void elb_poll_site_state(struct elb_site *s, enum source_state state, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char text[sizeof s->message];
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (state != s->state || strcmp(text, s->message) != 0) {
        s->state = state;
        (void)snprintf(s->message, sizeof s->message, "%s", text);
        s->told_at = 0;
    }
}

void elb_poll_denied(struct elb_site *s, enum elb_call_kind kind, bool denied)
{
    unsigned bits = denied ? s->denied | 1U << kind : s->denied & ~(1U << kind);
    s->told_at = bits != s->denied ? 0 : s->told_at;
    s->denied = bits;
}

/* ---- what the sources table shows ---- */

/* What is wrong; of a good one, which rights it lacks. */
static const char *message_of(const struct elb_site *s, struct buf *text)
{
    if (s->state != SOURCE_OK || s->denied == 0) {
        return s->message;
    }
    buf_clear(text);
    (void)buf_addz(text, "denied, and the findings that need it say less: ");
    const char *between = "";
    for (int k = 0; k < ELB_CALL_KINDS; k++) {
        if ((s->denied >> k & 1U) != 0) {
            (void)buf_addf(text, "%selasticloadbalancing:%s", between,
                           elb_call_action((enum elb_call_kind)k));
            between = ", ";
        }
    }
    return buf_str(text);
}

enum { HEARTBEAT_MS = 10000 };

static void tell(struct elb_poll *p, const char *name, enum source_state state, const char *message,
                 int64_t ok_ms)
{
    struct change *c = change_new(CHANGE_SOURCE, 1024);
    c->received_at = clock_unix_ms();
    c->source = (struct change_source){.source = arena_strdup(c->arena, name),
                                       .state = state,
                                       .message = arena_strdup(c->arena, message),
                                       .at = c->received_at,
                                       .ok_at = clock_unix_of(ok_ms)};
    if (queue_push(p->out, c, change_weight(c), -1) != QUEUE_OK) {
        change_free(c);
    }
}

/* A good one that lacks a right is worse than a good one. */
static int rank_of(const struct elb_site *s)
{
    return s->state != SOURCE_OK ? 2 + (int)s->state : s->denied != 0 ? 1 : 0;
}

/* The whole is as good as its worst site. */
static const struct elb_site *worst_site(const struct elb_poll *p)
{
    const struct elb_site *worst = NULL;
    for (const struct elb_site *s = p->sites; s != NULL; s = s->next) {
        if (s->state != SOURCE_STARTING && (worst == NULL || rank_of(s) > rank_of(worst))) {
            worst = s;
        }
    }
    return worst;
}

void elb_poll_report(struct elb_poll *p, int64_t mono)
{
    AUTO(buf) text = BUF_INIT(1024);
    for (struct elb_site *s = p->sites; s != NULL; s = s->next) {
        bool due = s->told_at == 0 || (s->state == SOURCE_OK && mono - s->told_at >= HEARTBEAT_MS);
        if (s->state == SOURCE_STARTING || !due) {
            continue;
        }
        char name[128];
        (void)snprintf(name, sizeof name, "aws/%s/%s", s->account, s->region);
        tell(p, name, s->state, message_of(s, &text), s->ok_ms);
        s->told_at = mono;
        p->ok_ms = s->ok_ms > p->ok_ms ? s->ok_ms : p->ok_ms;
    }
    const struct elb_site *worst = worst_site(p);
    enum source_state state = worst != NULL ? worst->state : p->state;
    const char *message = worst != NULL ? message_of(worst, &text) : p->message;
    bool changed = state != p->state || strcmp(message, p->message) != 0;
    if (changed || p->told_at == 0 || (state == SOURCE_OK && mono - p->told_at >= HEARTBEAT_MS)) {
        p->state = state;
        if (message != p->message) {
            (void)snprintf(p->message, sizeof p->message, "%s", message);
        }
        tell(p, "aws", p->state, p->message, p->ok_ms);
        p->told_at = mono;
    }
}

void elb_poll_fini(struct elb_poll *p)
{
    while (p->n_calls > 0) {
        struct elb_call *c = p->calls[--p->n_calls];
        (void)curl_multi_remove_handle(p->multi, c->easy);
        curl_easy_cleanup(c->easy);
        curl_slist_free_all(c->headers);
        aws_answer_fini(&c->answer);
        free(c);
    }
    while (p->n_idle > 0) {
        curl_easy_cleanup(p->idle[--p->n_idle]);
    }
    while (p->groups != NULL) {
        struct elb_group_state *g = p->groups;
        p->groups = g->next;
        free(g->arn);
        free(g);
    }
    while (p->balancers != NULL) {
        struct elb_balancer_state *b = p->balancers;
        p->balancers = b->next;
        elb_listeners_drop(b);
        free(b->arn);
        free(b);
    }
    while (p->sites != NULL) {
        struct elb_site *s = p->sites;
        p->sites = s->next;
        aws_identity_fini(&s->identity);
        free(s);
    }
    while (p->rates != NULL) {
        struct elb_rate *r = p->rates;
        p->rates = r->next;
        free(r);
    }
    aws_identity_fini(&p->base); /* before the handle that its end wakes */
    if (p->multi != NULL) {
        (void)curl_multi_cleanup(p->multi);
    }
    arena_free(p->arena);
}
