/* The readers: what a database of known rows looks like from outside. */
#include "unit/reader_fixture.h"

struct bed {
    struct fixture f;
    struct reader *r;
    struct buf out;
};

static int setup(void **state)
{
    static struct bed b;
    struct err err = {0};
    b = (struct bed){.out = BUF_INIT(4 << 20)};
    fixture_open(&b.f);
    if (!reader_open(b.f.path, &b.r, &err) || !reader_begin(b.r, &err)) {
        fail_msg("%s", err.text);
    }
    *state = &b;
    return 0;
}

static int teardown(void **state)
{
    struct bed *b = *state;
    reader_end(b->r);
    reader_close(b->r);
    buf_fini(&b->out);
    fixture_close(&b->f);
    return 0;
}

/* One page of rollouts as {"items":[...]}. */
static json_t *rollouts(struct bed *b, struct rollout_filter f, struct page *page)
{
    struct err err = {0};
    struct json_out j = json_out(&b->out);
    buf_clear(&b->out);
    f.cluster = 1;
    json_open(&j, '{');
    json_key(&j, "items");
    json_open(&j, '[');
    if (!reader_rollouts(b->r, &f, page, &j, &err)) {
        fail_msg("%s", err.text);
    }
    json_close(&j, ']');
    json_close(&j, '}');
    return parsed(buf_str(&b->out));
}

/* "name name ..." of the items */
static const char *names(json_t *v)
{
    static char text[4096];
    size_t i = 0;
    json_t *item = NULL;
    text[0] = '\0';
    json_array_foreach(json_object_get(v, "items"), i, item)
    {
        size_t n = strlen(text);
        (void)snprintf(text + n, sizeof text - n, "%s%s", i > 0 ? " " : "", text_at(item, "name"));
    }
    json_decref(v);
    return text;
}

static const char *names_of(struct bed *b, struct rollout_filter f)
{
    struct page page = {.limit = 100};
    const char *text = names(rollouts(b, f, &page));
    assert_false(page.next.set);
    return text;
}

static void given_rollouts_when_listed_then_worst_first(void **state)
{
    struct bed *b = *state;
    assert_string_equal(names_of(b, (struct rollout_filter){0}), "api web worker odd db agent");
    assert_int_equal(reader_snapshot(b->r), 100);
}

static void given_filters_when_listed_then_only_those(void **state)
{
    struct bed *b = *state;
    const char *one[] = {"shop"};
    const char *two[] = {"pay", "infra", "nowhere"};
    assert_string_equal(names_of(b, (struct rollout_filter){.namespaces = one, .n_namespaces = 1}),
                        "web db");
    assert_string_equal(names_of(b, (struct rollout_filter){.namespaces = two, .n_namespaces = 3}),
                        "api worker odd agent");
    assert_string_equal(
        names_of(b, (struct rollout_filter){.states = 1u << ROLLOUT_SERVING | 1u << ROLLOUT_IDLE}),
        "odd db agent");
    assert_string_equal(names_of(b, (struct rollout_filter){.kind = "deployment"}),
                        "api web worker");
    assert_string_equal(names_of(b, (struct rollout_filter){.cause = "health_check_timeout"}),
                        "web");
    assert_string_equal(names_of(b, (struct rollout_filter){.q = "WoRk"}), "worker");
    assert_string_equal(names_of(b, (struct rollout_filter){.q = "ay/a"}), "api");
    assert_string_equal(names_of(b, (struct rollout_filter){.q = "%"}), "");
}

static void given_labels_when_selected_then_matching_workloads(void **state)
{
    struct bed *b = *state;
    const char *const front[] = {"front", "back"};
    struct selector_term term = {"tier", "In", {front, 2}};
    struct selector s = {.present = 1, .terms = {&term, 1}};
    assert_string_equal(names_of(b, (struct rollout_filter){.labels = &s}), "web");
    term.op = "NotIn";
    assert_string_equal(names_of(b, (struct rollout_filter){.labels = &s}),
                        "api worker odd db agent");
}

static void given_small_pages_when_followed_then_every_rollout_once(void **state)
{
    struct bed *b = *state;
    const char *all[] = {"shop", "pay", "infra"};
    for (int spaces = 0; spaces < 2; spaces++) {
        char seen[256] = "";
        struct page page = {.limit = 1};
        for (int i = 0; i < 10; i++) {
            struct rollout_filter f = {.namespaces = all, .n_namespaces = spaces == 1 ? 3 : 0};
            const char *got = names(rollouts(b, f, &page));
            (void)snprintf(seen + strlen(seen), sizeof seen - strlen(seen), "%s;", got);
            if (!page.next.set) {
                break;
            }
            page.after = page.next;
        }
        assert_string_equal(seen, "api;web;worker;odd;db;agent;");
    }
}

/* Many rows that do not match: pages may be short, nothing is lost, none looks at too much. */
static void given_a_rare_match_when_paging_then_looks_are_bounded_and_it_is_found(void **state)
{
    struct bed *b = *state;
    reader_end(b->r);
    sql(&b->f, "WITH RECURSIVE k(i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM k WHERE i < 8000)"
               " INSERT INTO workload (id, cluster, ns_id, kind, name, state, rank, since)"
               " SELECT i, 1, 2 + i %% 2, 'Deployment', 'bulk-' || i, 4, 7, i FROM k;"
               "UPDATE workload SET name = 'needle' WHERE id = 7777");
    struct err err;
    assert_true(reader_begin(b->r, &err));
    const char *spaces[] = {"pay", "infra"};
    for (int n = 0; n < 2; n++) {
        struct page page = {.limit = 10};
        struct rollout_filter f = {
            .q = "needle", .namespaces = spaces, .n_namespaces = n == 1 ? 2 : 0};
        int pages = 0;
        int found = 0;
        do {
            page.after = page.next;
            found += strcmp(names(rollouts(b, f, &page)), "needle") == 0;
            pages++;
        } while (page.next.set && pages < 20);
        assert_int_equal(found, 1);
        assert_in_range(pages, 4, 8);
    }
}

static json_t *rollout(struct bed *b, int64_t id, bool causes)
{
    struct err err = {0};
    struct json_out j = json_out(&b->out);
    buf_clear(&b->out);
    if (!reader_rollout(b->r, id, causes, &j, NULL, &err)) {
        fail_msg("%s", err.text);
    }
    if (causes) {
        json_close(&j, '}');
    }
    return parsed(buf_str(&b->out));
}

static void given_a_stuck_rollout_when_read_then_cause_counts_and_runbook(void **state)
{
    struct bed *b = *state;
    json_t *v = rollout(b, 1, true);
    assert_string_equal(text_at(v, "cluster"), "prod");
    assert_string_equal(text_at(v, "state"), "stuck");
    assert_string_equal(text_at(v, "since"), "2025-10-09T08:53:30Z");
    assert_string_equal(text_at(v, "images.0"), "reg/web:1");
    assert_int_equal(int_at(v, "pods.by_state.serving"), 3);
    assert_int_equal(int_at(v, "gates.open"), 2);
    assert_true(json_real_value(at(v, "usual_seconds.p50")) == 41.5);
    assert_string_equal(text_at(v, "cause.code"), "health_check_timeout");
    assert_string_equal(text_at(v, "cause.severity"), "error");
    assert_string_equal(text_at(v, "cause.message"), "The check answers 503");
    assert_string_equal(text_at(v, "cause.changed_at"), "2025-10-09T08:53:25Z");
    assert_string_equal(text_at(v, "cause.evidence.0.value"), "Target.Timeout");
    assert_string_equal(text_at(v, "cause.runbook"), "https://wiki/web");
    assert_string_equal(text_at(v, "causes.1.code"), "autoscaler_waits");
    json_decref(v);
    v = rollout(b, 2, false);
    assert_true(json_is_null(at(v, "cause")));
    assert_null(at(v, "causes"));
    json_decref(v);
}

static void given_overrides_when_no_annotation_then_their_runbook(void **state)
{
    struct bed *b = *state;
    struct config_override o[] = {
        {.namespace = "pay", .workload = "", .runbook = "https://wiki/pay"},
        {.namespace = "", .workload = "deployment/api", .runbook = "https://x"}};
    struct config c = {.overrides = o, .n_overrides = 2};
    reader_end(b->r);
    fixture_finding(&b->f, 3, 2, "image_pull", true);
    struct err err;
    assert_true(reader_begin(b->r, &err));
    reader_set_config(b->r, &c);
    json_t *v = rollout(b, 3, false);
    assert_string_equal(text_at(v, "cause.runbook"), "https://wiki/pay");
    json_decref(v);
    reader_set_config(b->r, NULL);
}

static void given_names_in_any_case_when_looked_up_then_found_or_not_found(void **state)
{
    struct bed *b = *state;
    struct err err = {0};
    int64_t id = 0;
    assert_true(
        reader_find(b->r, &(struct object_name){1, "shop", "Deployment", "web"}, &id, &err));
    assert_int_equal(id, 1);
    assert_true(reader_find(b->r, &(struct object_name){1, "infra", "cloneset", "odd"}, &id, &err));
    assert_int_equal(id, 6);
    assert_false(
        reader_find(b->r, &(struct object_name){1, "shop", "Deployment", "WEB"}, &id, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_false(
        reader_find(b->r, &(struct object_name){2, "shop", "Deployment", "web"}, &id, &err));
}

static void given_past_revisions_when_asked_then_history_and_their_shape(void **state)
{
    struct bed *b = *state;
    struct err err = {0};
    bool past = false;
    assert_true(reader_revision_past(b->r, 1, "old", &past, &err) && past);
    assert_true(reader_revision_past(b->r, 1, "6", &past, &err) && past);
    assert_true(reader_revision_past(b->r, 1, "hash1", &past, &err) && !past);
    assert_true(reader_revision_past(b->r, 1, "nope", &past, &err) && !past);
    struct json_out j = json_out(&b->out);
    json_open(&j, '{');
    assert_true(reader_past_rollout(b->r, 1, "6", &j, &err));
    json_close(&j, '}');
    json_t *v = parsed(buf_str(&b->out));
    assert_string_equal(text_at(v, "state"), "superseded");
    assert_string_equal(text_at(v, "images.0"), "reg/web:0");
    json_decref(v);
    assert_false(reader_past_rollout(b->r, 1, "99", &j, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
}

static void given_pods_when_listed_then_gates_truths_and_own_targets(void **state)
{
    struct bed *b = *state;
    struct err err = {0};
    struct page page = {.limit = 2};
    struct json_out j = json_out(&b->out);
    json_open(&j, '[');
    assert_true(reader_pods(b->r, 1, &page, &j, &err));
    assert_true(page.next.set);
    page.after = page.next;
    assert_true(reader_pods(b->r, 1, &page, &j, &err));
    assert_false(page.next.set);
    json_close(&j, ']');
    json_t *v = parsed(buf_str(&b->out));
    assert_int_equal(json_array_size(v), 3);
    assert_string_equal(text_at(v, "0.name"), "web-3");
    json_t *p = at(v, "2");
    assert_string_equal(text_at(p, "name"), "web-1");
    assert_string_equal(text_at(p, "node"), "node-1");
    assert_string_equal(text_at(p, "state"), "failing");
    assert_string_equal(text_at(p, "truth.kubelet"), "no");
    assert_string_equal(text_at(p, "truth.elb"), "yes");
    assert_string_equal(text_at(p, "contradiction"), "healthy_but_closed");
    assert_string_equal(text_at(p, "containers_ready_at"), "2025-10-09T08:53:21Z");
    assert_int_equal(json_array_size(at(p, "gates")), 1);
    assert_string_equal(text_at(p, "gates.0.family"), "aws-lbc");
    assert_string_equal(text_at(p, "gates.0.binding"), "web");
    assert_string_equal(text_at(p, "gates.0.status"), "closed");
    assert_string_equal(text_at(p, "gates.0.reason"), "Target.Timeout");
    assert_true(json_is_null(at(p, "gates.0.opened_at")));
    assert_string_equal(text_at(v, "0.gates.0.opened_at"), "2025-10-09T08:53:22Z");
    assert_int_equal(json_array_size(at(p, "targets")), 1);
    assert_string_equal(text_at(p, "targets.0.zone"), "eu-1a");
    assert_string_equal(text_at(p, "targets.0.anomaly"), "anomalous");
    assert_string_equal(text_at(p, "targets.0.administrative_override"), "zonal_shift_active");
    assert_int_equal(int_at(p, "targets.0.port"), 8080);
    assert_true(json_is_null(at(v, "0.contradiction")));
    json_decref(v);
    int64_t counts[CONTRADICTION_COUNT] = {0};
    assert_true(reader_contradictions(b->r, 1, counts, &err));
    assert_int_equal(counts[CONTRADICTION_HEALTHY_BUT_CLOSED], 1);
    assert_int_equal(counts[CONTRADICTION_NONE], 0);
    assert_int_equal(counts[CONTRADICTION_FAIL_OPEN], 0);
}

/* The pod's gate is of a built-in family, which wins, then of one that only configuration knows. */
static void given_configured_families_when_listed_then_a_gate_has_its_name(void **state)
{
    struct bed *b = *state;
    static const char *const families[] = {"mine=target-health.", "duty=duty.example.org/", NULL};
    struct config c = {.gate_families = families};
    struct err err = {0};
    const char *gates[] = {"target-health.elbv2.k8s.aws/web", "duty.example.org/ready",
                           "example.org/x"};
    struct kube_pod pod;
    reader_end(b->r);
    record_clear(kind_info(KIND_POD)->table, &pod);
    pod.gates = (struct strs){gates, 3};
    sql_blob(&b->f, "UPDATE pod SET body = ?1 WHERE name = 'web-1'", kind_info(KIND_POD)->table,
             &pod);
    assert_true(reader_begin(b->r, &err));
    reader_set_config(b->r, &c);
    struct json_out j = json_out(&b->out);
    assert_true(reader_pod(b->r, &(struct object_name){1, "shop", "", "web-1"}, false, &j, &err));
    reader_set_config(b->r, NULL);
    json_t *v = parsed(buf_str(&b->out));
    assert_string_equal(text_at(v, "gates.0.family"), "aws-lbc");
    assert_string_equal(text_at(v, "gates.1.family"), "duty");
    assert_string_equal(text_at(v, "gates.2.family"), "generic");
    json_decref(v);
}

static void given_a_pod_when_read_alone_then_its_workload_too(void **state)
{
    struct bed *b = *state;
    struct err err = {0};
    struct json_out j = json_out(&b->out);
    assert_true(reader_pod(b->r, &(struct object_name){1, "shop", "", "web-2"}, true, &j, &err));
    json_close(&j, '}');
    json_t *v = parsed(buf_str(&b->out));
    assert_string_equal(text_at(v, "workload.name"), "web");
    json_decref(v);
    assert_false(reader_pod(b->r, &(struct object_name){1, "pay", "", "web-2"}, true, &j, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
}

/* A row packed by another version is shown without what it cannot tell, and never fails. */
static void given_a_damaged_body_when_listed_then_the_rest_is_there(void **state)
{
    struct bed *b = *state;
    struct err err = {0};
    reader_end(b->r);
    sql(&b->f, "UPDATE pod SET body = x'ff00ff', track = x'01' WHERE id = 1;"
               "UPDATE finding SET detail = 'oops' WHERE workload_id = 1;"
               "UPDATE workload SET body = x'07', by_state = 'no', images = '' WHERE id = 1");
    assert_true(reader_begin(b->r, &err));
    struct json_out j = json_out(&b->out);
    assert_true(reader_pod(b->r, &(struct object_name){1, "shop", "", "web-1"}, false, &j, &err));
    json_t *v = parsed(buf_str(&b->out));
    assert_int_equal(json_array_size(at(v, "gates")), 0);
    json_decref(v);
    v = rollout(b, 1, true);
    assert_string_equal(text_at(v, "cause.code"), "health_check_timeout");
    assert_int_equal(json_object_size(at(v, "pods.by_state")), 0);
    json_decref(v);
}

typedef bool part_fn(struct reader *r, int64_t id, struct page *page, struct json_out *j,
                     struct err *err);

static json_t *part(struct bed *b, part_fn *fn, struct page *page)
{
    struct err err = {0};
    struct json_out j = json_out(&b->out);
    buf_clear(&b->out);
    json_open(&j, '[');
    if (!fn(b->r, 1, page, &j, &err)) {
        fail_msg("%s", err.text);
    }
    json_close(&j, ']');
    return parsed(buf_str(&b->out));
}

static void given_history_when_paged_then_newest_first(void **state)
{
    struct bed *b = *state;
    struct page page = {.limit = 3};
    json_t *v = part(b, reader_timeline, &page);
    assert_int_equal(json_array_size(v), 3);
    assert_string_equal(text_at(v, "0.at"), "2025-10-09T08:53:25Z");
    assert_string_equal(text_at(v, "0.what"), "pod");
    json_decref(v);
    page.after = page.next;
    v = part(b, reader_timeline, &page);
    assert_int_equal(json_array_size(v), 2);
    assert_false(page.next.set);
    json_decref(v);
    page = (struct page){.limit = 10};
    v = part(b, reader_history, &page);
    assert_string_equal(text_at(v, "0.revision"), "7");
    assert_true(json_is_null(at(v, "0.finished_at")));
    assert_string_equal(text_at(v, "1.outcome"), "superseded");
    json_decref(v);
}

static void given_objects_when_listed_then_joined(void **state)
{
    struct bed *b = *state;
    struct err err = {0};
    struct object_filter f = {.cluster = 1};
    struct page page = {.limit = 10};
    struct json_out j = json_out(&b->out);
    json_open(&j, '[');
    assert_true(reader_services(b->r, &f, &page, &j, &err));
    assert_true(reader_bindings(b->r, &f, &page, &j, &err));
    assert_true(reader_groups(b->r, &f, &page, &j, &err));
    f.namespace = "pay";
    assert_true(reader_bindings(b->r, &f, &page, &j, &err));
    json_open(&j, '{');
    assert_true(reader_group(b->r, 1, 5, &j, &err));
    json_close(&j, '}');
    json_close(&j, ']');
    json_t *v = parsed(buf_str(&b->out));
    assert_int_equal(json_array_size(v), 5);
    assert_string_equal(text_at(v, "0.bindings.0"), "web");
    assert_string_equal(text_at(v, "0.selector.app"), "web");
    assert_string_equal(text_at(v, "0.ports.0.target_port"), "8080");
    assert_string_equal(text_at(v, "1.group"), "elbv2.k8s.aws");
    assert_int_equal(int_at(v, "1.target_group.healthy"), 2);
    assert_true(json_real_value(at(v, "1.usual_seconds.p50")) == 41.5);
    assert_string_equal(text_at(v, "2.name"), "k8s-web");
    assert_string_equal(text_at(v, "4.bindings.0.name"), "web");
    assert_string_equal(text_at(v, "4.target_list.0.reason"), "Target.Timeout");
    json_decref(v);
    assert_false(reader_group(b->r, 1, 77, &j, &err));
}

static void given_namespaces_when_listed_then_counts_and_paging(void **state)
{
    struct bed *b = *state;
    struct err err = {0};
    struct page page = {.limit = 2};
    struct json_out j = json_out(&b->out);
    json_open(&j, '[');
    assert_true(reader_namespaces(b->r, 1, NULL, &page, &j, &err));
    assert_true(page.next.set);
    page.after = page.next;
    assert_true(reader_namespaces(b->r, 1, NULL, &page, &j, &err));
    assert_false(page.next.set);
    json_open(&j, '{');
    assert_true(reader_namespace(b->r, 1, "shop", true, &j, &err));
    json_close(&j, '}');
    json_close(&j, ']');
    json_t *v = parsed(buf_str(&b->out));
    assert_string_equal(text_at(v, "0.namespace"), "infra");
    assert_string_equal(text_at(v, "0.injection"), "not_applicable");
    assert_string_equal(text_at(v, "2.namespace"), "shop");
    assert_int_equal(int_at(v, "2.rollouts.by_state.stuck"), 1);
    assert_int_equal(int_at(v, "2.rollouts.total"), 2);
    assert_int_equal(int_at(v, "2.pods.by_state.failing"), 1);
    assert_int_equal(json_array_size(at(v, "3.findings")), 0);
    json_decref(v);
    static const char *const none[] = {"nope", "gone"};
    for (size_t i = 0; i < 2; i++) {
        assert_false(reader_namespace(b->r, 1, none[i], false, &j, &err));
        assert_int_equal(err.code, ERR_NOT_FOUND);
    }
}

static void given_alerts_when_listed_then_filtered_and_deliveries_with_tries(void **state)
{
    struct bed *b = *state;
    struct err err = {0};
    struct page page = {.limit = 10};
    struct alert_filter f = {.cluster = 1, .firing = -1};
    struct json_out j = json_out(&b->out);
    json_open(&j, '[');
    assert_true(reader_alerts(b->r, &f, &page, &j, &err)); /* 0, 1 */
    f.firing = 1;
    assert_true(reader_alerts(b->r, &f, &page, &j, &err)); /* 2 */
    f = (struct alert_filter){.cluster = 1, .firing = -1, .namespace = "pay"};
    assert_true(reader_alerts(b->r, &f, &page, &j, &err));        /* 3 */
    assert_true(reader_deliveries(b->r, -1, 0, &page, &j, &err)); /* 4, 5 */
    assert_true(reader_deliveries(b->r, 2, 1, &page, &j, &err));  /* 6 */
    json_open(&j, '{');
    assert_true(reader_delivery(b->r, 1, &j, &err)); /* 7 */
    json_close(&j, '}');
    json_close(&j, ']');
    json_t *v = parsed(buf_str(&b->out));
    assert_int_equal(json_array_size(v), 8);
    assert_int_equal(int_at(v, "0.id"), 1);
    assert_string_equal(text_at(v, "0.name"), "web");
    assert_int_equal(int_at(v, "0.data.a"), 1);
    assert_true(json_is_null(at(v, "0.ended_at")));
    assert_int_equal(int_at(v, "2.id"), 1);
    assert_int_equal(int_at(v, "3.id"), 2);
    assert_string_equal(text_at(v, "4.state"), "pending");
    assert_string_equal(text_at(v, "6.state"), "dead");
    assert_true(json_is_null(at(v, "6.next_at")));
    assert_int_equal(int_at(v, "7.tries.0.status"), 500);
    json_decref(v);
    int64_t firing = 0;
    int64_t pending = 0;
    assert_true(reader_counts(b->r, &firing, &pending, &err));
    assert_int_equal(firing, 1);
    assert_int_equal(pending, 1);
}

static void given_clusters_when_resolved_then_one_several_or_none(void **state)
{
    struct bed *b = *state;
    struct err err = {0};
    int64_t id = 0;
    const char *name = NULL;
    assert_true(reader_cluster(b->r, NULL, &id, &name, &err));
    assert_int_equal(id, 1);
    assert_string_equal(name, "prod");
    assert_false(reader_cluster(b->r, "other", &id, &name, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    reader_end(b->r);
    sql(&b->f, "INSERT INTO cluster (id, name) VALUES (2, 'second')");
    assert_true(reader_begin(b->r, &err));
    assert_false(reader_cluster(b->r, NULL, &id, &name, &err));
    assert_int_equal(err.code, ERR_INPUT);
    assert_true(reader_cluster(b->r, "second", &id, &name, &err));
    assert_int_equal(id, 2);
    reader_set_home(b->r, "prod");
    assert_true(reader_cluster(b->r, NULL, &id, &name, &err));
    assert_int_equal(id, 1);
    assert_true(reader_cluster(b->r, "second", &id, &name, &err));
    assert_int_equal(id, 2);
}

static void given_an_open_snapshot_when_written_then_unchanged_until_the_next(void **state)
{
    struct bed *b = *state;
    struct err err = {0};
    struct tallies t;
    sql(&b->f, "UPDATE tally SET n = 9 WHERE ns_id = 0 AND what = 0 AND state = 2;"
               "UPDATE counter SET n = 101");
    assert_true(reader_tallies(b->r, 1, 0, &t, &err));
    assert_int_equal(t.rollouts[ROLLOUT_STUCK], 1);
    assert_int_equal(reader_snapshot(b->r), 100);
    reader_end(b->r);
    assert_true(reader_begin(b->r, &err));
    assert_true(reader_tallies(b->r, 1, 0, &t, &err));
    assert_int_equal(t.rollouts[ROLLOUT_STUCK], 9);
    assert_int_equal(reader_snapshot(b->r), 101);
}

static void given_attention_when_read_then_those_that_do_not_serve(void **state)
{
    struct bed *b = *state;
    struct err err = {0};
    struct list rows;
    assert_true(reader_attention(b->r, 1, 2, &rows, &err));
    assert_int_equal(rows.n, 2);
    assert_string_equal(LIST_AT(struct rollout_info, rows, 1)->name, "web");
    assert_true(reader_attention(b->r, 1, 10, &rows, &err));
    assert_int_equal(rows.n, 3);
}

/* Every list is a range of an index: no statement sorts, and none reads a whole table but those
 * that are meant to. */
static void given_every_statement_when_planned_then_no_sort_and_no_scan(void **state)
{
    struct bed *b = *state;
    static const struct {
        const char *name;
        const char *text;
    } all[] = {
#define X(name, text) {#name, text},
#include "store/sql_read.def"
#undef X
    };
    static const char *const may_scan[] = {"CLUSTERS", "ANY_TARGET", "COUNT_PENDING"};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        AUTO(buf) text = BUF_INIT(1 << 16);
        sqlite3_stmt *st = NULL;
        bool scan_ok = false;
        for (size_t k = 0; k < sizeof may_scan / sizeof may_scan[0]; k++) {
            scan_ok = scan_ok || strcmp(may_scan[k], all[i].name) == 0;
        }
        (void)buf_addf(&text, "EXPLAIN QUERY PLAN %s", all[i].text);
        assert_int_equal(sqlite3_prepare_v2(b->f.db, buf_str(&text), -1, &st, NULL), SQLITE_OK);
        while (sqlite3_step(st) == SQLITE_ROW) {
            const char *step = (const char *)sqlite3_column_text(st, 3);
            bool few = strncmp(all[i].name, "BINDINGS_OF_", 12) == 0 || /* a handful of rows */
                       strcmp(all[i].name, "AUDIT_FINDINGS") == 0; /* one namespace's, limited */
            if ((strstr(step, "TEMP B-TREE") != NULL && !few) ||
                (strncmp(step, "SCAN", 4) == 0 && strstr(step, "INDEX") == NULL && !scan_ok)) {
                fail_msg("%s: %s", all[i].name, step);
            }
        }
        assert_int_equal(sqlite3_finalize(st), SQLITE_OK);
    }
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(given_rollouts_when_listed_then_worst_first),
        T(given_filters_when_listed_then_only_those),
        T(given_labels_when_selected_then_matching_workloads),
        T(given_small_pages_when_followed_then_every_rollout_once),
        T(given_a_rare_match_when_paging_then_looks_are_bounded_and_it_is_found),
        T(given_a_stuck_rollout_when_read_then_cause_counts_and_runbook),
        T(given_overrides_when_no_annotation_then_their_runbook),
        T(given_names_in_any_case_when_looked_up_then_found_or_not_found),
        T(given_past_revisions_when_asked_then_history_and_their_shape),
        T(given_pods_when_listed_then_gates_truths_and_own_targets),
        T(given_configured_families_when_listed_then_a_gate_has_its_name),
        T(given_a_pod_when_read_alone_then_its_workload_too),
        T(given_a_damaged_body_when_listed_then_the_rest_is_there),
        T(given_history_when_paged_then_newest_first),
        T(given_objects_when_listed_then_joined),
        T(given_namespaces_when_listed_then_counts_and_paging),
        T(given_alerts_when_listed_then_filtered_and_deliveries_with_tries),
        T(given_clusters_when_resolved_then_one_several_or_none),
        T(given_an_open_snapshot_when_written_then_unchanged_until_the_next),
        T(given_attention_when_read_then_those_that_do_not_serve),
        T(given_every_statement_when_planned_then_no_sort_and_no_scan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
