/* What ELBv2 says to rows, facts and marks. */
#include "verdict_help.h"

static const char arn[] =
    "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/k8s-web/73e2d6bc24d8a067";

static struct change *health(const char *const *ids, const char *const *states, uint32_t n)
{
    struct change *c = change_new(CHANGE_TARGETS, 0);
    struct elb_target *t = arena_array(c->arena, struct elb_target, n);
    for (uint32_t i = 0; i < n; i++) {
        record_clear(&elb_target_table, &t[i]);
        t[i].id = arena_strdup(c->arena, ids[i]);
        t[i].port = 8080;
        t[i].state = arena_strdup(c->arena, states[i]);
    }
    c->group_arn = arn;
    c->targets = t;
    c->n_targets = n;
    return c;
}

struct where {
    enum kind kind;
    const char *ns;
    const char *arn;
};

static struct change *binding_at(struct arena *a, const struct where *at, const char *name,
                                 const char *rv, bool deleted)
{
    struct kube_binding *b = record_new(at->kind, a);
    named(b, at->ns, name, arena_printf(a, "uid-%d-%s-%s", (int)at->kind, at->ns, name), rv);
    b->service = "web";
    b->arn = at->arn;
    b->target_type = "ip";
    return change_one(at->kind, b, deleted, false);
}

static struct change *binding(struct arena *a, const char *name, const char *rv, bool deleted)
{
    return binding_at(a, &(struct where){KIND_BINDING_LBC, "shop", arn}, name, rv, deleted);
}

/* Binding, Service, slice and two pods with addresses, of two workloads. */
static void shop(struct bed *b, struct arena *a)
{
    bed_init(b);
    bed_settle(b);
    bed_do(b, binding(a, "k8s-web", "10", false));
    struct kube_service *svc = record_new(KIND_SERVICE, a);
    named(svc, "shop", "web", "s1", "11");
    bed_do(b, change_one(KIND_SERVICE, svc, false, false));
    struct kube_slice *slice = record_new(KIND_ENDPOINT_SLICE, a);
    named(slice, "shop", "web-xyz", "e1", "12")->labels =
        labels_of(a, "kubernetes.io/service-name", "web");
    struct endpoint *e = arena_array(a, struct endpoint, 2);
    for (int i = 0; i < 2; i++) {
        const char **address = arena_array(a, const char *, 1);
        address[0] = i == 0 ? "10.0.0.1" : "fd00:0:0:0::2";
        e[i] = (struct endpoint){.addresses = {address, 1},
                                 .ready = 1,
                                 .serving = -1,
                                 .terminating = -1,
                                 .target_kind = "Pod",
                                 .target_name = i == 0 ? "one" : "two",
                                 .target_uid = "",
                                 .node = "",
                                 .zone = ""};
        struct kube_pod *p = pod(a, "shop", e[i].target_name, e[i].target_name, "13");
        p->ip = address[0];
        bed_do(b, change_one(KIND_POD, p, false, false));
    }
    slice->endpoints = (struct list){e, 2};
    bed_do(b, change_one(KIND_ENDPOINT_SLICE, slice, false, false));
    (void)drain_has(b, DIRTY_CLUSTER, 0, NULL);
}

static void answers_become_rows_and_mark_whom_they_concern(void **state)
{
    (void)state;
    struct bed b;
    size_t rollouts = 0;
    AUTO_PTR(arena) a = arena_new(0);
    shop(&b, a);
    const char *ids[] = {"10.0.0.1", "FD00::2"};
    const char *initial[] = {"initial", "initial"};
    const char *mixed[] = {"initial", "healthy"};
    bed_do(&b, health(ids, initial, 2));
    int64_t first = b.now;
    assert_int_equal(ask(&b, "SELECT targets * 10 + healthy FROM target_group"), 20);
    assert_int_equal(ask(&b, "SELECT count(*) FROM target WHERE target = 'fd00::2'"), 1);
    (void)drain_has(&b, DIRTY_ROLLOUT, 1, &rollouts);
    assert_int_equal(rollouts, 2); /* the first answer concerns all */
    bed_do(&b, health(ids, mixed, 2));
    (void)drain_has(&b, DIRTY_ROLLOUT, 1, &rollouts);
    assert_int_equal(rollouts, 2); /* the first healthy target of a group does too */
    const char *more[] = {"healthy", "healthy"};
    bed_do(&b, health(ids, more, 2));
    assert_true(drain_has(&b, DIRTY_ROLLOUT, 1, &rollouts));
    assert_int_equal(rollouts, 1);
    assert_true(ask(&b, "SELECT first_seen_at FROM target WHERE target = '10.0.0.1'") == first);
    assert_true(ask(&b, "SELECT state_since = healthy_at FROM target WHERE target = '10.0.0.1'"));
    assert_int_equal(ask(&b, "SELECT rev FROM target_group"), ask(&b, "SELECT n FROM counter WHERE"
                                                                      " name = 'revision'"));
    bed_do(&b, health(ids, more, 1));
    assert_int_equal(ask(&b, "SELECT count(*) FROM target"), 1);
    assert_true(drain_has(&b, DIRTY_ROLLOUT, 2, NULL));
    bed_fini(&b);
}

static void the_same_answer_moves_only_the_time_of_sight(void **state)
{
    (void)state;
    struct bed b;
    struct facts f;
    AUTO_PTR(arena) a = arena_new(0);
    shop(&b, a);
    const char *ids[] = {"10.0.0.1"};
    const char *states[] = {"healthy"};
    bed_do(&b, health(ids, states, 1));
    (void)drain_has(&b, DIRTY_CLUSTER, 0, NULL);
    int64_t revision = b.commit.revision;
    int64_t rows = total_changes(&b);
    bed_do(&b, health(ids, states, 1));
    struct change *same = change_new(CHANGE_TARGETS, 0);
    same->group_arn = arn;
    same->unchanged = true;
    bed_do(&b, same);
    assert_int_equal(total_changes(&b), rows);
    assert_int_equal(b.commit.revision, revision);
    assert_int_equal(store_dirty_count(b.s), 0);
    assert_int_equal(ask(&b, "SELECT count(*) FROM target"), 1);
    bed_begin(&b);
    facts_of(&b, 1, a, &f);
    bed_commit(&b);
    const struct facts_group *g = LIST_AT(struct facts_binding, f.ns->bindings, 0)->group;
    assert_true(g->known);
    assert_true(g->observed_at == b.now - 1000); /* of the sight, not of the row */
    assert_int_equal(g->targets.n, 1);
    assert_string_equal(LIST_AT(struct facts_target, g->targets, 0)->t.state, "healthy");
    b.now += 60000;
    bed_do(&b, health(ids, states, 1));
    assert_true(ask(&b, "SELECT observed_at FROM target_group") == b.now);
    bed_fini(&b);
}

static void asked_for_by_hand_the_time_of_sight_is_news(void **state)
{
    (void)state;
    struct bed b;
    AUTO_PTR(arena) a = arena_new(0);
    shop(&b, a);
    const char *ids[] = {"10.0.0.1"};
    const char *states[] = {"healthy"};
    bed_do(&b, health(ids, states, 1));
    int64_t revision = b.commit.revision;
    size_t dirty = store_dirty_count(b.s);
    b.now += 1000;
    for (int i = 0; i < 2; i++) { /* the same bytes, and the same rows out of other bytes */
        struct change *same = i == 0 ? change_new(CHANGE_TARGETS, 0) : health(ids, states, 1);
        same->group_arn = arn;
        same->unchanged = i == 0;
        same->asked = true;
        b.now += 1000;
        bed_do(&b, same);
        assert_true(ask(&b, "SELECT observed_at FROM target_group") == b.now);
        assert_int_equal(b.commit.revision, revision + 1 + i);
        assert_int_equal(ask(&b, "SELECT rev FROM target_group"), b.commit.revision);
        assert_int_equal(store_dirty_count(b.s), dirty); /* nothing to judge anew */
    }
    bed_fini(&b);
}

static void descriptions_keep_attributes_that_were_read(void **state)
{
    (void)state;
    struct bed b;
    struct facts f;
    AUTO_PTR(arena) a = arena_new(0);
    shop(&b, a);
    const char *balancers[] = {"arn:lb"};
    struct elb_attribute attribute = {"deregistration_delay.timeout_seconds", "300"};
    for (int i = 0; i < 3; i++) {
        struct change *c = change_new(CHANGE_GROUPS, 0);
        struct elb_group *g = arena_array(c->arena, struct elb_group, 1);
        struct elb_balancer *lb = arena_array(c->arena, struct elb_balancer, 1);
        record_clear(&elb_group_table, g);
        record_clear(&elb_balancer_table, lb);
        g->arn = arn;
        g->name = "k8s-web";
        g->protocol = "HTTP";
        g->load_balancer_arns = (struct strs){balancers, 1};
        if (i == 0) {
            g->attributes = (struct list){&attribute, 1};
            g->attributes_at = 99;
        }
        g->health_interval = i == 2 ? 30 : 15;
        lb->arn = "arn:lb";
        lb->type = "network";
        c->groups = g;
        c->n_groups = 1;
        c->balancers = lb;
        c->n_balancers = 1;
        bed_do(&b, c);
        assert_int_equal(store_dirty_count(b.s) > 0, i != 1); /* told again: nobody is marked */
        (void)drain_has(&b, DIRTY_CLUSTER, 0, NULL);
    }
    bed_begin(&b);
    facts_of(&b, 1, a, &f);
    bed_commit(&b);
    const struct facts_group *g = LIST_AT(struct facts_binding, f.ns->bindings, 0)->group;
    assert_false(g->known); /* described, but no health answer yet */
    assert_non_null(g->group);
    assert_int_equal(g->group->attributes.n, 1);
    assert_int_equal(g->group->attributes_at, 99);
    assert_int_equal(g->group->health_interval, 30);
    assert_non_null(g->balancer);
    assert_string_equal(g->balancer->type, "network");
    bed_fini(&b);
}

/* DescribeTargetGroupAttributes is an answer of its own: it knows the ARN and nothing else. */
static void attributes_alone_keep_the_description(void **state)
{
    (void)state;
    struct bed b;
    struct facts f;
    AUTO_PTR(arena) a = arena_new(0);
    shop(&b, a);
    struct elb_attribute attribute = {"deregistration_delay.timeout_seconds", "30"};
    for (int i = 0; i < 2; i++) {
        struct change *c = change_new(CHANGE_GROUPS, 0);
        struct elb_group *g = arena_array(c->arena, struct elb_group, 1);
        record_clear(&elb_group_table, g);
        g->arn = arn;
        if (i == 0) {
            g->name = "k8s-web";
            g->health_interval = 15;
        } else {
            g->attributes = (struct list){&attribute, 1};
            g->attributes_at = 77;
        }
        c->groups = g;
        c->n_groups = 1;
        bed_do(&b, c);
    }
    bed_begin(&b);
    facts_of(&b, 1, a, &f);
    bed_commit(&b);
    const struct facts_group *g = LIST_AT(struct facts_binding, f.ns->bindings, 0)->group;
    assert_string_equal(g->group->name, "k8s-web");
    assert_int_equal(g->group->health_interval, 15);
    assert_int_equal(g->group->attributes.n, 1);
    assert_int_equal(ask(&b, "SELECT count(*) FROM target_group WHERE name = 'k8s-web'"), 1);
    bed_fini(&b);
}

static void a_group_that_is_gone_says_so_until_it_answers_again(void **state)
{
    (void)state;
    struct bed b;
    struct facts f;
    AUTO_PTR(arena) a = arena_new(0);
    shop(&b, a);
    const char *ids[] = {"10.0.0.1"};
    const char *states[] = {"healthy"};
    bed_do(&b, health(ids, states, 1));
    for (int i = 0; i < 2; i++) {
        struct change *gone = change_new(CHANGE_GROUP_GONE, 0);
        gone->group_arn = arn;
        (void)drain_has(&b, DIRTY_CLUSTER, 0, NULL);
        bed_do(&b, gone);
        assert_int_equal(store_dirty_count(b.s) > 0, i == 0);
    }
    bed_begin(&b);
    facts_of(&b, 1, a, &f);
    bed_commit(&b);
    const struct facts_group *g = LIST_AT(struct facts_binding, f.ns->bindings, 0)->group;
    assert_true(g->known);
    assert_true(g->gone);
    assert_int_equal(g->targets.n, 0);
    bed_do(&b, health(ids, states, 1));
    assert_int_equal(ask(&b, "SELECT gone_at FROM target_group"), 0);
    bed_fini(&b);
}

static void new_targets_are_the_controllers_sign_of_life(void **state)
{
    (void)state;
    struct bed b;
    struct facts f;
    AUTO_PTR(arena) a = arena_new(0);
    shop(&b, a);
    const char *ids[] = {"10.0.0.1", "10.0.0.9"};
    const char *states[] = {"healthy", "initial"};
    for (uint32_t n = 1; n <= 2; n++) {
        bed_do(&b, health(ids, states, n));
        int64_t at = b.now;
        bed_begin(&b);
        facts_of(&b, 1, a, &f);
        bed_commit(&b);
        int64_t registered = LIST_AT(struct facts_binding, f.ns->bindings, 0)->registered_at;
        assert_true(registered == (n == 1 ? 0 : at)); /* the first answer is no registration */
        assert_true(f.cluster->controller_flip_at == registered);
    }
    bed_fini(&b);
}

static void bindings_share_groups_and_unbound_groups_go(void **state)
{
    (void)state;
    struct bed b;
    struct facts f;
    AUTO_PTR(arena) a = arena_new(0);
    shop(&b, a);
    const char *ids[] = {"10.0.0.1"};
    const char *states[] = {"healthy"};
    bed_do(&b, binding(a, "second", "20", false));
    bed_do(&b, health(ids, states, 1));
    bed_begin(&b);
    facts_of(&b, 1, a, &f);
    bed_commit(&b);
    assert_int_equal(f.ns->bindings.n, 2);
    const struct facts_binding *one = LIST_AT(struct facts_binding, f.ns->bindings, 0);
    const struct facts_binding *two = LIST_AT(struct facts_binding, f.ns->bindings, 1);
    assert_int_equal(one->sharers, 1);
    assert_ptr_equal(one->group, two->group);
    assert_non_null(one->service);
    assert_true(one->usual.p95_ms > 0); /* by formula */
    bed_do(&b, binding(a, "second", "21", true));
    assert_int_equal(ask(&b, "SELECT count(*) FROM target_group"), 1);
    bed_do(&b, binding(a, "k8s-web", "22", true));
    assert_int_equal(ask(&b, "SELECT count(*) FROM target_group"), 0);
    assert_int_equal(ask(&b, "SELECT count(*) FROM target"), 0);
    bed_fini(&b);
}

/* That the shop's binding is judged anew, and knows how many others are on its group, and these. */
static void expect_sharers(struct bed *b, uint32_t sharers, const char *names)
{
    struct facts f;
    AUTO_PTR(arena) a = arena_new(0);
    assert_true(drain_has(b, DIRTY_ROLLOUT, 1, NULL));
    bed_begin(b);
    facts_of(b, 1, a, &f);
    bed_commit(b);
    const struct facts_binding *fb = LIST_AT(struct facts_binding, f.ns->bindings, 0);
    assert_string_equal(fb->binding->meta.name, "k8s-web");
    assert_int_equal(fb->sharers, sharers);
    const char *text = "";
    for (uint32_t i = 0; i < fb->sharer_names.n; i++) {
        text = arena_printf(a, "%s%s%s", text, i > 0 ? " " : "", fb->sharer_names.items[i]);
    }
    assert_string_equal(text, names);
}

/* Of any namespace, and told to it: the three that came first, itself not among them. */
static void bindings_on_the_same_group_are_named(void **state)
{
    (void)state;
    struct bed b;
    AUTO_PTR(arena) a = arena_new(0);
    const struct where pay = {KIND_BINDING_LBC, "pay", arn};
    const struct where ops = {KIND_BINDING_LBC, "ops", arn};
    const struct where here = {KIND_BINDING_AUTO, "shop", arn};
    const struct where left = {KIND_BINDING_LBC, "pay", "arn:other"};
    shop(&b, a);
    bed_do(&b, binding_at(a, &pay, "z", "20", false));
    expect_sharers(&b, 1, "pay/z");
    bed_do(&b, binding_at(a, &pay, "a", "21", false));
    expect_sharers(&b, 2, "pay/z pay/a");
    bed_do(&b, binding_at(a, &ops, "k8s-web", "22", false));
    expect_sharers(&b, 3, "pay/z pay/a ops/k8s-web");
    bed_do(&b, binding_at(a, &here, "k8s-web", "23", false));
    expect_sharers(&b, 4, "pay/z pay/a ops/k8s-web");
    bed_do(&b, binding_at(a, &pay, "a", "24", true));
    expect_sharers(&b, 3, "pay/z ops/k8s-web shop/k8s-web");
    bed_do(&b, binding_at(a, &left, "z", "25", false));
    expect_sharers(&b, 2, "ops/k8s-web shop/k8s-web");
    bed_do(&b, binding(a, "k8s-web", "26", true)); /* made anew it comes last */
    bed_do(&b, binding(a, "k8s-web", "27", false));
    expect_sharers(&b, 2, "ops/k8s-web shop/k8s-web");
    bed_fini(&b);
}

/* A load balancer as an answer has it: a description, or its listeners alone. */
static void balancer(struct bed *b, const char *name, const char *group, int64_t listeners_at)
{
    struct change *c = change_new(CHANGE_GROUPS, 0);
    struct elb_balancer *lb = arena_array(c->arena, struct elb_balancer, 1);
    struct elb_listener *li = arena_array(c->arena, struct elb_listener, 1);
    struct elb_forward *f = arena_array(c->arena, struct elb_forward, 1);
    record_clear(&elb_balancer_table, lb);
    *f = (struct elb_forward){arena_strdup(c->arena, group), "default", -1};
    *li = (struct elb_listener){
        .protocol = "HTTP", .port = 80, .action = "forward", .rules = 0, .forwards = {f, 1}};
    lb->arn = "arn:lb";
    lb->name = arena_strdup(c->arena, name);
    lb->listeners = (struct list){li, listeners_at != 0 ? 1 : 0};
    lb->listeners_at = listeners_at;
    c->balancers = lb;
    c->n_balancers = 1;
    bed_do(b, c);
}

static void described(struct bed *b, const char *balancer_arn)
{
    struct change *c = change_new(CHANGE_GROUPS, 0);
    struct elb_group *g = arena_array(c->arena, struct elb_group, 1);
    const char **arns = arena_array(c->arena, const char *, 1);
    record_clear(&elb_group_table, g);
    arns[0] = balancer_arn;
    g->arn = arn;
    g->name = "k8s-web";
    g->load_balancer_arns = (struct strs){arns, balancer_arn[0] != '\0' ? 1 : 0};
    c->groups = g;
    c->n_groups = 1;
    bed_do(b, c);
}

static const struct facts_group *group_facts(struct bed *b, struct arena *a)
{
    struct facts f;
    bed_begin(b);
    facts_of(b, 1, a, &f);
    bed_commit(b);
    return LIST_AT(struct facts_binding, f.ns->bindings, 0)->group;
}

static bool marks(struct bed *b)
{
    bool any = store_dirty_count(b->s) > 0;
    (void)drain_has(b, DIRTY_CLUSTER, 0, NULL);
    return any;
}

static void listeners_and_descriptions_keep_each_other_and_mark_who_stands_there(void **state)
{
    (void)state;
    struct bed b;
    AUTO_PTR(arena) a = arena_new(0);
    shop(&b, a);
    described(&b, "arn:lb");
    balancer(&b, "front", "", 0);
    (void)marks(&b);
    balancer(&b, "", "arn:other", 50);
    assert_true(marks(&b));
    balancer(&b, "front", "", 0); /* described again, and read again: nothing is new */
    balancer(&b, "", "arn:other", 60);
    assert_false(marks(&b));
    const struct facts_group *g = group_facts(&b, a);
    assert_non_null(g->balancer);
    assert_null(g->last_balancer);
    assert_string_equal(g->balancer->name, "front");
    assert_int_equal(g->balancer->listeners_at, 60);
    assert_int_equal(g->balancer->listeners.n, 1);
    described(&b, ""); /* a listener was switched away: ELBv2 names no load balancer any more */
    (void)marks(&b);
    g = group_facts(&b, a);
    assert_null(g->balancer);
    assert_non_null(g->last_balancer);
    assert_string_equal(g->last_balancer->name, "front");
    balancer(&b, "", "arn:third", 70); /* it still concerns the group that it left */
    assert_true(marks(&b));
    const struct elb_listener *l =
        LIST_AT(struct elb_listener, group_facts(&b, a)->last_balancer->listeners, 0);
    assert_string_equal(LIST_AT(struct elb_forward, l->forwards, 0)->group_arn, "arn:third");
    bed_fini(&b);
}

static void wishes_ask_for_details_only_while_a_finding_needs_them(void **state)
{
    (void)state;
    static const struct {
        const char *state;
        const char *reason;
        bool attributes;
        bool listeners;
    } rows[] = {{"healthy", "", false, false},
                {"initial", "Elb.RegistrationInProgress", false, false},
                {"draining", "Target.DeregistrationInProgress", true, false},
                {"unused", "Target.NotInUse", false, true},
                {"unused", "Target.IpUnusable", false, false},
                {"healthy", "", false, false}};
    struct bed b;
    struct err err = {0};
    struct list wishes;
    AUTO_PTR(arena) a = arena_new(0);
    shop(&b, a);
    described(&b, "arn:lb");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *ids[] = {"10.0.0.1", "10.0.0.9"};
        const char *states[] = {rows[i].state, "healthy"};
        struct change *c = health(ids, states, 2);
        ((struct elb_target *)(uintptr_t)c->targets)[0].reason = rows[i].reason;
        described(&b, i == 3 ? "" : "arn:lb"); /* the one it stood behind counts as well */
        bed_do(&b, c);
        assert_true(store_group_wishes(b.s, a, &wishes, &err));
        const struct group_wish *w = LIST_AT(struct group_wish, wishes, 0);
        assert_int_equal(w->attributes, rows[i].attributes);
        assert_string_equal(w->balancer, rows[i].listeners ? "arn:lb" : "");
    }
    const char *ids[] = {"10.0.0.1"};
    const char *initial[] = {"initial"};
    const char *none[] = {"unhealthy"};
    bed_do(&b, health(ids, initial, 1)); /* nothing healthy yet is no failing open */
    assert_true(store_group_wishes(b.s, a, &wishes, &err));
    assert_false(LIST_AT(struct group_wish, wishes, 0)->attributes);
    bed_do(&b, health(ids, none, 1));
    assert_true(store_group_wishes(b.s, a, &wishes, &err));
    assert_true(LIST_AT(struct group_wish, wishes, 0)->attributes); /* it fails open */
    bed_fini(&b);
}

static void wishes_are_hot_where_something_moves(void **state)
{
    (void)state;
    struct bed b;
    struct err err = {0};
    struct list wishes;
    struct facts f;
    AUTO_PTR(arena) a = arena_new(0);
    shop(&b, a);
    bed_do(&b, binding(a, "second", "20", false));
    assert_true(store_group_wishes(b.s, a, &wishes, &err));
    assert_int_equal(wishes.n, 1); /* one a group */
    const struct group_wish *w = LIST_AT(struct group_wish, wishes, 0);
    assert_string_equal(w->arn, arn);
    assert_true(w->hot);
    assert_false(w->attributes);
    const char *ids[] = {"10.0.0.1"};
    const char *good[] = {"healthy"};
    const char *bad[] = {"unhealthy"};
    bed_do(&b, health(ids, good, 1));
    bed_begin(&b);
    for (int64_t id = 1; id <= 2; id++) {
        facts_of(&b, id, a, &f);
        struct rollout_verdict v = verdict_of(&f, a, ROLLOUT_SERVING, POD_SERVING);
        (void)save(&b, id, &f, &v);
    }
    bed_commit(&b);
    assert_true(store_group_wishes(b.s, a, &wishes, &err));
    assert_false(LIST_AT(struct group_wish, wishes, 0)->hot);
    bed_do(&b, health(ids, bad, 1));
    assert_true(store_group_wishes(b.s, a, &wishes, &err));
    assert_true(LIST_AT(struct group_wish, wishes, 0)->hot);
    bed_do(&b, health(ids, good, 1));
    bed_begin(&b);
    facts_of(&b, 2, a, &f);
    struct rollout_verdict v = verdict_of(&f, a, ROLLOUT_STUCK, POD_FAILING);
    (void)save(&b, 2, &f, &v);
    bed_commit(&b);
    assert_true(store_group_wishes(b.s, a, &wishes, &err));
    assert_true(LIST_AT(struct group_wish, wishes, 0)->hot);
    bed_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_become_rows_and_mark_whom_they_concern),
        cmocka_unit_test(the_same_answer_moves_only_the_time_of_sight),
        cmocka_unit_test(asked_for_by_hand_the_time_of_sight_is_news),
        cmocka_unit_test(descriptions_keep_attributes_that_were_read),
        cmocka_unit_test(attributes_alone_keep_the_description),
        cmocka_unit_test(listeners_and_descriptions_keep_each_other_and_mark_who_stands_there),
        cmocka_unit_test(wishes_ask_for_details_only_while_a_finding_needs_them),
        cmocka_unit_test(a_group_that_is_gone_says_so_until_it_answers_again),
        cmocka_unit_test(new_targets_are_the_controllers_sign_of_life),
        cmocka_unit_test(bindings_share_groups_and_unbound_groups_go),
        cmocka_unit_test(bindings_on_the_same_group_are_named),
        cmocka_unit_test(wishes_are_hot_where_something_moves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
