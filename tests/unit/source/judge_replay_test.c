/*
 * The judge on what the real controller wrote: pods, bindings, slices and Services of the recorded
 * steps (tests/fixtures/aws-lbc), with and without ELBv2's own word as the controller was given it.
 * Where a recording has no Service object, one is made from the binding's reference.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glob.h>

#include "base/clock.h"
#include "source/read.h"
#include "unit/model/build.h"

struct row {
    const char *step; /* start of the file's name */
    const char *pod;
    int nth;                /* a pod may stand there in several states */
    const char *elb;        /* ELBv2's word where the recording has no answer: state; NULL = none */
    bool no_service;        /* the Service did not exist then */
    const char *rev;        /* the Service also asked for label rev */
    int64_t port;           /* of the Service; 0 = as the binding says */
    enum pod_state by_gate; /* from Kubernetes alone */
    enum pod_state by_elb;  /* with ELBv2's word */
    enum contradiction contradiction;
};

static const struct row rows[] = {
    {.step = "01", .pod = "early", .by_gate = POD_EXPOSED, .by_elb = POD_EXPOSED, .elb = "initial"},
    {.step = "02", .pod = "web-", .by_gate = POD_STARTING, .by_elb = POD_STARTING},
    {.step = "03", .pod = "web-", .by_gate = POD_REGISTERING, .by_elb = POD_REGISTERING},
    {.step = "04", .pod = "web-", .by_gate = POD_CHECKING, .by_elb = POD_CHECKING},
    {.step = "05",
     .pod = "web-",
     .by_gate = POD_FAILING,
     .by_elb = POD_FAILING,
     .contradiction = CONTRADICTION_FAIL_OPEN},
    {.step = "06",
     .pod = "web-",
     .by_gate = POD_FAILING,
     .by_elb = POD_FAILING,
     .contradiction = CONTRADICTION_FAIL_OPEN},
    {.step = "07",
     .pod = "web-",
     .by_gate = POD_FAILING,
     .by_elb = POD_FAILING,
     .contradiction = CONTRADICTION_FAIL_OPEN},
    {.step = "08",
     .pod = "web-",
     .by_gate = POD_FAILING,
     .by_elb = POD_FAILING,
     .contradiction = CONTRADICTION_FAIL_OPEN},
    {.step = "09", .pod = "web-", .by_gate = POD_FAILING, .by_elb = POD_FAILING},
    {.step = "10", .pod = "web-", .by_gate = POD_FAILING, .by_elb = POD_FAILING},
    {.step = "11", .pod = "web-", .by_gate = POD_FAILING, .by_elb = POD_FAILING},
    {.step = "12", .pod = "web-", .by_gate = POD_SERVING, .by_elb = POD_SERVING},
    {.step = "13",
     .pod = "web-",
     .elb = "unhealthy",
     .by_gate = POD_SERVING,
     .by_elb = POD_EXPOSED,
     .contradiction = CONTRADICTION_OPEN_BUT_UNHEALTHY},
    {.step = "14", .pod = "web2-", .elb = "healthy", .by_gate = POD_SERVING, .by_elb = POD_SERVING},
    {.step = "18",
     .pod = "flip-",
     .by_gate = POD_FAILING,
     .by_elb = POD_FAILING,
     .contradiction = CONTRADICTION_FAIL_OPEN},
    {.step = "19", .pod = "flip-", .by_gate = POD_SERVING, .by_elb = POD_SERVING},
    {.step = "20", .pod = "one", .by_gate = POD_REGISTERING, .by_elb = POD_REGISTERING},
    {.step = "33", .pod = "nmd", .by_gate = POD_SERVING, .by_elb = POD_SERVING},
    {.step = "35", .pod = "inst", .by_gate = POD_SERVING, .by_elb = POD_SERVING},
    {.step = "36", .pod = "handmade", .by_gate = POD_FAILING, .by_elb = POD_FAILING},
    {.step = "36", .pod = "legacy-kept", .by_gate = POD_FAILING, .by_elb = POD_FAILING},
    {.step = "40", .pod = "lab-open", .by_gate = POD_EXPOSED, .by_elb = POD_EXPOSED},
    {.step = "40", .pod = "lab-closed", .by_gate = POD_FAILING, .by_elb = POD_FAILING},
    {.step = "42",
     .pod = "lab-open",
     .no_service = true,
     .by_gate = POD_EXPOSED,
     .by_elb = POD_EXPOSED,
     .contradiction = CONTRADICTION_DRAINING_BUT_NOT_TERMINATING},
    {.step = "44",
     .pod = "lab-open",
     .by_gate = POD_EXPOSED,
     .by_elb = POD_EXPOSED,
     .contradiction = CONTRADICTION_DRAINING_BUT_NOT_TERMINATING},
    {.step = "45",
     .pod = "bye-open",
     .by_gate = POD_EXPOSED,
     .by_elb = POD_EXPOSED,
     .contradiction = CONTRADICTION_DRAINING_BUT_NOT_TERMINATING},
    {.step = "47", .pod = "gone-wait", .by_gate = POD_EXPOSED, .by_elb = POD_EXPOSED},
    {.step = "48",
     .pod = "act-a",
     .elb = "draining",
     .rev = "b",
     .by_gate = POD_EXPOSED,
     .by_elb = POD_EXPOSED},
    {.step = "48",
     .pod = "act-a",
     .nth = 1,
     .rev = "a",
     .by_gate = POD_CHECKING,
     .by_elb = POD_CHECKING},
    {.step = "49",
     .pod = "np",
     .port = 80,
     .by_gate = POD_EXPOSED,
     .by_elb = POD_EXPOSED,
     .contradiction = CONTRADICTION_READY_BUT_NOT_REGISTERED},
    {.step = "52",
     .pod = "blip",
     .by_gate = POD_STARTING,
     .by_elb = POD_STARTING,
     .contradiction = CONTRADICTION_OPEN_BUT_UNHEALTHY},
    {.step = "52", .pod = "blip", .nth = 1, .by_gate = POD_CHECKING, .by_elb = POD_CHECKING},
    {.step = "58", .pod = "clean", .by_gate = POD_EXPOSED, .by_elb = POD_EXPOSED},
    {.step = "59", .pod = "pnr", .nth = 1, .by_gate = POD_STARTING, .by_elb = POD_STARTING},
    {.step = "59", .pod = "pnr", .nth = 2, .by_gate = POD_SERVING, .by_elb = POD_SERVING},
    {.step = "60",
     .pod = "during",
     .by_gate = POD_EXPOSED,
     .by_elb = POD_EXPOSED,
     .elb = "initial"},
    {.step = "64",
     .pod = "rbac-",
     .by_gate = POD_REGISTERING,
     .by_elb = POD_CHECKING,
     .contradiction = CONTRADICTION_HEALTHY_BUT_CLOSED},
    {.step = "72",
     .pod = "odd",
     .by_gate = POD_REGISTERING,
     .by_elb = POD_REGISTERING,
     .contradiction = CONTRADICTION_DRAINING_BUT_NOT_TERMINATING},
    {.step = "73", .pod = "odd", .by_gate = POD_FAILING, .by_elb = POD_FAILING},
    {.step = "76",
     .pod = "idle-",
     .by_gate = POD_FAILING,
     .by_elb = POD_FAILING,
     .contradiction = CONTRADICTION_FAIL_OPEN},
};

static json_t *load(const char *step)
{
    glob_t found = {0};
    char pattern[512];
    (void)snprintf(pattern, sizeof pattern, FIXTURES "/aws-lbc/%s-*.json", step);
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    json_error_t je;
    json_t *doc = json_load_file(found.gl_pathv[0], 0, &je);
    assert_non_null(doc);
    globfree(&found);
    return doc;
}

static int64_t time_in(const json_t *doc, const char *key)
{
    const char *text = json_string_value(json_object_get(doc, key));
    int64_t ms = 0;
    assert_true(clock_parse(text, strlen(text), &ms));
    return ms;
}

/* Items of lists carry no kind: told by what they have. */
static enum kind kind_of(const json_t *o)
{
    if (json_object_get(json_object_get(o, "spec"), "serviceRef") != NULL) {
        return KIND_BINDING_LBC;
    }
    if (json_object_get(json_object_get(o, "spec"), "containers") != NULL) {
        return KIND_POD;
    }
    if (json_object_get(o, "endpoints") != NULL) {
        return KIND_ENDPOINT_SLICE;
    }
    const char *kind = json_string_value(json_object_get(o, "kind"));
    return kind != NULL && strcmp(kind, "Service") == 0 ? KIND_SERVICE : KIND_COUNT;
}

static void *read_record(struct lab *l, enum kind kind, const json_t *o)
{
    void *record = arena_alloc(l->a, kind_info(kind)->table->size);
    struct err err = {0};
    assert_true(json_read_object(kind, o, l->a, record, &err));
    return record;
}

/* The nth pod whose name starts so. */
static void add_pod(struct lab *l, const json_t *objects, const struct row *r)
{
    int seen = 0;
    for (size_t i = 0; i < json_array_size(objects); i++) {
        const json_t *o = json_array_get(objects, i);
        if (kind_of(o) != KIND_POD) {
            continue;
        }
        struct kube_pod *p = read_record(l, KIND_POD, o);
        if (strncmp(p->meta.name, r->pod, strlen(r->pod)) != 0 || seen++ != r->nth) {
            continue;
        }
        struct facts_pod *fp = LAB_LIST(l, l->f.pods, l->facts_pods, LAB_PODS);
        l->pods[0] = p;
        l->tracks[0] = (struct pod_track){.state = -1};
        *fp = (struct facts_pod){.id = 1, .pod = p, .track = &l->tracks[0], .revision = ""};
        return;
    }
    fail_msg("step %s has no pod %s", r->step, r->pod);
}

static void add_services_and_slices(struct lab *l, const json_t *objects)
{
    for (size_t i = 0; i < json_array_size(objects); i++) {
        const json_t *o = json_array_get(objects, i);
        if (kind_of(o) == KIND_SERVICE) {
            *LAB_LIST(l, l->ns.services, l->services, LAB_MANY) =
                *(const struct kube_service *)read_record(l, KIND_SERVICE, o);
        } else if (kind_of(o) == KIND_ENDPOINT_SLICE) {
            *LAB_LIST(l, l->ns.slices, l->slices, LAB_MANY) =
                *(const struct kube_slice *)read_record(l, KIND_ENDPOINT_SLICE, o);
        }
    }
}

static void make_service(struct lab *l, const struct row *r, const struct kube_binding *b)
{
    for (uint32_t i = 0; i < l->ns.services.n; i++) {
        if (strcmp(l->services[i].meta.name, b->service) == 0) {
            return;
        }
    }
    const char *app = b->service;
    struct kube_service *s =
        lab_service(l, b->service, "app", app,
                    r->port != 0 ? r->port : (int64_t)strtoll(b->service_port, NULL, 10), "8080");
    if (r->rev != NULL) {
        lab_kv(l, &s->selector, "rev", r->rev);
    }
    ((struct service_port *)(uintptr_t)s->ports.items)->name =
        strtoll(b->service_port, NULL, 10) != 0 ? "" : b->service_port;
}

static void add_bindings(struct lab *l, const json_t *objects, const struct row *r)
{
    for (size_t i = 0; i < json_array_size(objects); i++) {
        const json_t *o = json_array_get(objects, i);
        if (kind_of(o) != KIND_BINDING_LBC) {
            continue;
        }
        const struct kube_binding *b = read_record(l, KIND_BINDING_LBC, o);
        if (!r->no_service) {
            make_service(l, r, b);
        }
        lab_binding(l, b->meta.name, b->service, b->service_port, b->target_type)->binding = b;
    }
}

/* The last answer to DescribeTargetHealth for the pod's address in each binding's group. */
static void add_elb(struct lab *l, const json_t *doc, const struct row *r)
{
    const struct kube_pod *p = l->pods[0];
    for (uint32_t k = 0; k < l->ns.bindings.n; k++) {
        struct facts_binding *fb = &l->bindings[k];
        lab_group_known(l, fb);
        if (r->elb != NULL) {
            (void)lab_target(l, fb, p, 8080, r->elb, "");
        }
        size_t i = 0;
        const json_t *call = NULL;
        json_array_foreach(json_object_get(doc, "elbv2_calls"), i, call)
        {
            const char *group = json_string_value(json_object_get(call, "tg"));
            size_t a = 0;
            const json_t *answer = NULL;
            json_array_foreach(json_object_get(call, "answer"), a, answer)
            {
                const char *target = json_string_value(json_array_get(answer, 0));
                const char *colon = target != NULL ? strrchr(target, ':') : NULL;
                if (group == NULL || strcmp(group, fb->binding->meta.name) != 0 || colon == NULL ||
                    (size_t)(colon - target) != strlen(p->ip) ||
                    strncmp(target, p->ip, strlen(p->ip)) != 0) {
                    continue;
                }
                const char *reason = json_string_value(json_array_get(answer, 2));
                (void)lab_target(l, fb, p, strtoll(colon + 1, NULL, 10),
                                 arena_strdup(l->a, json_string_value(json_array_get(answer, 1))),
                                 arena_strdup(l->a, reason != NULL ? reason : ""));
            }
        }
    }
}

static bool check(const struct row *r)
{
    struct lab *l = lab_new();
    json_t *doc = load(r->step);
    const json_t *objects = json_object_get(doc, "objects");
    l->f.now = time_in(doc, "to") + 60000; /* past the time a poll may be behind a gate */
    l->cluster.now = l->f.now;
    l->cluster.started_at = time_in(doc, "from");
    add_pod(l, objects, r);
    add_services_and_slices(l, objects);
    add_bindings(l, objects, r);
    (void)lab_judge(l);
    enum pod_state by_gate = lab_pod_verdict(l, 0)->state;
    add_elb(l, doc, r);
    (void)lab_judge(l);
    const struct pod_verdict *v = lab_pod_verdict(l, 0);
    bool good =
        by_gate == r->by_gate && v->state == r->by_elb && v->contradiction == r->contradiction;
    if (!good) {
        print_error("step %s, %s %d: %s by its gate, %s by ELBv2, %s\n", r->step, r->pod, r->nth,
                    pod_state_name(by_gate), pod_state_name(v->state),
                    contradiction_name(v->contradiction));
    }
    json_decref(doc);
    lab_free(l);
    return good;
}

static void each_recorded_step(void **state)
{
    (void)state;
    int bad = 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bad += check(&rows[i]) ? 0 : 1;
    }
    assert_int_equal(bad, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_recorded_step)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
