/*
 * Listeners and rules of a load balancer, read only while a finding needs them: pages of listeners,
 * then, of an application load balancer, pages of each one's rules; one call at a time, under the
 * same token bucket. What was gathered counts once it is whole. Of the ways that lead elsewhere a
 * few are kept: they tell who has what a group has lost.
 */
#include "source/elb_poll.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "model/pack.h"

enum {
    LISTENERS_MS = 5 * 60 * 1000, /* while they are needed */
    AGAIN_MS = 10000,             /* a listener went while it was read */
    LISTENERS_MAX = 100,          /* quota: 50 */
    FORWARDS_MAX = 100,           /* of one listener, to groups that we watch */
    OTHERS_MAX = 8,               /* ... to other groups */
    PAGES_MAX = 400               /* of one reading: a marker that never ends */
};

struct elb_reading {
    struct arena *a;
    struct elb_listener listeners[LISTENERS_MAX];
    const char *arns[LISTENERS_MAX];
    uint32_t n;
    uint32_t at;  /* whose rules are read now; n = whose are all read */
    bool listed;  /* all listeners are there */
    int pages;    /* read so far */
    char *marker; /* of the next page, in the arena; "" = the first */
};

void elb_listeners_drop(struct elb_balancer_state *b)
{
    if (b->reading != NULL) {
        arena_free(b->reading->a);
        free(b->reading);
        b->reading = NULL;
    }
}

static struct elb_reading *reading_of(struct elb_balancer_state *b)
{
    if (b->reading == NULL) {
        b->reading = xcalloc(1, sizeof *b->reading);
        b->reading->a = arena_new(0);
        b->reading->marker = arena_strdup(b->reading->a, "");
    }
    return b->reading;
}

/* Rules are a matter of application load balancers; a network one's listener has its action alone.
 */
static bool has_rules(const struct elb_balancer_state *b)
{
    return strstr(b->arn, ":loadbalancer/app/") != NULL;
}

void elb_listeners_body(const struct elb_call *call, struct buf *body)
{
    const struct elb_reading *r = call->balancers[0]->reading;
    if (call->kind == CALL_LISTENERS) {
        aws_form(body, "LoadBalancerArn", call->balancers[0]->arn);
    } else {
        aws_form(body, "ListenerArn", r->arns[r->at]);
    }
    if (r->marker[0] != '\0') {
        aws_form(body, "Marker", r->marker);
    }
    aws_form(body, "PageSize", "400");
}

void elb_listeners_start(struct elb_poll *p, int64_t mono, int64_t *wait)
{
    for (struct elb_balancer_state *b = p->balancers; b != NULL; b = b->next) {
        if (!b->wants_listeners || b->listeners_busy || b->site->held) {
            continue;
        }
        int64_t left = b->listeners_due - mono;
        if (left > 0) {
            *wait = left < *wait ? left : *wait;
            continue;
        }
        const struct aws_credentials *with = NULL;
        if (!elb_poll_may_start(p, b->site, mono, &with, wait)) {
            continue;
        }
        struct elb_call plan = {.kind = reading_of(b)->listed ? CALL_RULES : CALL_LISTENERS,
                                .site = b->site,
                                .balancers = {b},
                                .n = 1};
        elb_poll_start_call(p, &plan, with);
    }
}

/* ---- what came ---- */

static uint32_t count_to(const struct elb_poll *p, const struct elb_listener *l, bool watched)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < l->forwards.n; i++) {
        const struct elb_forward *f = LIST_AT(struct elb_forward, l->forwards, i);
        n += (elb_poll_group(p, f->group_arn) != NULL) == watched ? 1 : 0;
    }
    return n;
}

static void add_forward(const struct elb_poll *p, struct elb_reading *r, struct elb_listener *l,
                        struct elb_forward f)
{
    bool watched = elb_poll_group(p, f.group_arn) != NULL;
    uint32_t most = watched ? FORWARDS_MAX : OTHERS_MAX;
    if (f.group_arn[0] == '\0' || count_to(p, l, watched) >= most) {
        return;
    }
    struct elb_forward *more = arena_array(r->a, struct elb_forward, l->forwards.n + 1);
    if (l->forwards.n > 0) {
        memcpy(more, l->forwards.items, l->forwards.n * sizeof *more);
    }
    more[l->forwards.n] = (struct elb_forward){.group_arn = arena_strdup(r->a, f.group_arn),
                                               .rule = arena_strdup(r->a, f.rule),
                                               .weight = f.weight};
    l->forwards = (struct list){more, l->forwards.n + 1};
}

/* A group is named by the action alone, by its shares, or by both. */
static void add_actions(const struct elb_poll *p, struct elb_reading *r, struct elb_listener *l,
                        const struct list *actions, const char *rule)
{
    for (uint32_t i = 0; i < actions->n; i++) {
        const struct elb_action *action = LIST_AT(struct elb_action, *actions, i);
        for (uint32_t k = 0; k < action->shares.n; k++) {
            const struct elb_share *s = LIST_AT(struct elb_share, action->shares, k);
            add_forward(p, r, l, (struct elb_forward){s->group_arn, rule, s->weight});
        }
        if (action->shares.n == 0) {
            add_forward(p, r, l, (struct elb_forward){action->group_arn, rule, -1});
        }
    }
}

/* What answers in the end: authentication comes before it. */
static const char *last_action(const struct list *actions)
{
    const struct elb_action *last = NULL;
    for (uint32_t i = 0; i < actions->n; i++) {
        const struct elb_action *a = LIST_AT(struct elb_action, *actions, i);
        last = last == NULL || a->order >= last->order ? a : last;
    }
    return last != NULL ? last->type : "";
}

static void take_listeners(const struct elb_poll *p, const struct elb_balancer_state *b,
                           const struct elb_page *page)
{
    struct elb_reading *r = b->reading;
    for (uint32_t i = 0; i < page->items.n && r->n < LISTENERS_MAX; i++) {
        const struct elb_listener_row *row = LIST_AT(struct elb_listener_row, page->items, i);
        struct elb_listener *l = &r->listeners[r->n];
        *l = (struct elb_listener){.protocol = arena_strdup(r->a, row->protocol),
                                   .port = row->port,
                                   .action = arena_strdup(r->a, last_action(&row->actions)),
                                   .rules = has_rules(b) ? -1 : 0};
        add_actions(p, r, l, &row->actions, "default");
        r->arns[r->n++] = arena_strdup(r->a, row->arn);
    }
    r->listed = page->marker[0] == '\0';
}

static void take_rules(const struct elb_poll *p, struct elb_reading *r, const struct elb_page *page)
{
    struct elb_listener *l = &r->listeners[r->at];
    l->rules = l->rules < 0 ? 0 : l->rules;
    for (uint32_t i = 0; i < page->items.n; i++) {
        const struct elb_rule_row *row = LIST_AT(struct elb_rule_row, page->items, i);
        if (row->is_default == 1 || strcmp(row->priority, "default") == 0) {
            continue; /* came with the listener */
        }
        l->rules++;
        add_actions(p, r, l, &row->actions, row->priority);
    }
    r->at += page->marker[0] == '\0' ? 1 : 0;
}

/* Everything is there: to the writer. */
static void tell(struct elb_poll *p, struct elb_balancer_state *b)
{
    const struct elb_reading *r = b->reading;
    struct elb_balancer whole;
    record_clear(&elb_balancer_table, &whole);
    whole.arn = b->arn;
    whole.listeners = (struct list){r->listeners, r->n};
    whole.listeners_at = clock_unix_ms();
    struct change *c = change_new(CHANGE_GROUPS, 8192);
    c->balancers = record_copy(&elb_balancer_table, &whole, c->arena);
    c->n_balancers = 1;
    elb_poll_push(p, c);
}

static void done(struct elb_poll *p, struct elb_balancer_state *b, int64_t mono)
{
    tell(p, b);
    elb_listeners_drop(b);
    b->listeners_due = mono + LISTENERS_MS;
}

bool elb_listeners_take(struct elb_poll *p, const struct elb_call *call, int64_t mono,
                        struct err *err)
{
    struct elb_balancer_state *b = call->balancers[0];
    struct elb_reading *r = b->reading;
    AUTO_PTR(arena) a = arena_new(0);
    struct elb_page page;
    const char *xml = buf_str(&call->answer.body);
    bool listing = call->kind == CALL_LISTENERS;
    if (!(listing ? elb_read_listeners(xml, call->answer.body.len, a, &page, err)
                  : elb_read_rules(xml, call->answer.body.len, a, &page, err))) {
        return false;
    }
    if (listing) {
        take_listeners(p, b, &page);
    } else {
        take_rules(p, r, &page);
    }
    r->marker = arena_strdup(r->a, page.marker);
    b->listeners_due = mono; /* what is next */
    bool whole = r->listed && (!has_rules(b) || r->at == r->n);
    if (whole || ++r->pages == PAGES_MAX) {
        done(p, b, mono);
    }
    return true;
}

void elb_listeners_failed(struct elb_poll *p, const struct elb_call *call, enum elb_class why,
                          int64_t mono)
{
    struct elb_balancer_state *b = call->balancers[0];
    b->listeners_due = mono + (why == ELB_GONE ? AGAIN_MS : LISTENERS_MS);
    if (why == ELB_PERMISSION && call->kind == CALL_RULES) {
        done(p, b, mono); /* the listeners alone say something */
    } else if (why == ELB_GONE && call->kind == CALL_LISTENERS) {
        elb_listeners_drop(b); /* the load balancer itself: it has none any more */
        (void)reading_of(b);
        done(p, b, mono);
    } else { /* a listener that went meanwhile, too: all of them anew */
        elb_listeners_drop(b);
    }
}
