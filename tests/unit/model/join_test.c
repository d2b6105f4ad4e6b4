/* What the rules find on the sheet: endpoints, ports and targets of each pod and binding. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/judge.h"
#include "unit/model/build.h"

static struct pod_sheet seen; /* of the first pod, at the last look */

static void look(struct judge *j)
{
    seen = j->pods[0];
}

static const struct pod_binding *join(struct lab *l, uint32_t binding)
{
    judge_by(&l->f, l->a, look, &l->v);
    assert_int_equal(seen.n_bindings, l->ns.bindings.n);
    return &seen.bindings[binding];
}

static struct kube_pod *one_pod(struct lab *l, const char *target_port)
{
    (void)lab_deployment(l, "web", 1);
    (void)lab_service(l, "web", "app", "web", 80, target_port);
    struct facts_binding *b = lab_binding(l, "web", "web", "80", "ip");
    lab_group_known(l, b);
    return lab_pod(l, "web-1", "hash1");
}

static void ports_come_from_the_slice_then_from_service_and_containers(void **state)
{
    (void)state;
    static const struct {
        const char *target_port;
        int64_t slice_port; /* 0 = no slice */
        int64_t port;
    } cases[] = {{"8080", 0, 8080}, {"http", 0, 8080},    {"", 0, 80},
                 {"none", 0, 0},    {"none", 9999, 9999}, {"8080", 9999, 9999}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct lab *l = lab_new();
        (void)one_pod(l, cases[i].target_port);
        if (cases[i].slice_port != 0) {
            struct kube_slice *s = lab_slice(l, &l->services[0]);
            ((struct slice_port *)(uintptr_t)s->ports.items)->port = cases[i].slice_port;
        }
        const struct pod_binding *pb = join(l, 0);
        assert_int_equal(pb->port, cases[i].port);
        assert_int_equal(pb->endpoint != NULL, cases[i].slice_port != 0);
        assert_false(pb->service_port_missing);
        lab_free(l);
    }
}

static void a_binding_names_its_port_by_number_or_name(void **state)
{
    (void)state;
    static const struct {
        const char *port;
        bool missing;
    } cases[] = {{"80", false}, {"http", false}, {"81", true}, {"80x", true}, {"", true}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct lab *l = lab_new();
        (void)one_pod(l, "8080");
        ((struct kube_binding *)(uintptr_t)l->bindings[0].binding)->service_port = cases[i].port;
        assert_int_equal(join(l, 0)->service_port_missing, cases[i].missing);
        assert_int_equal(join(l, 0)->port, cases[i].missing ? 0 : 8080);
        lab_free(l);
    }
}

static void the_endpoint_is_of_this_pod_and_of_the_bindings_family(void **state)
{
    (void)state;
    struct lab *l = lab_new();
    struct kube_pod *p = one_pod(l, "8080");
    struct kube_slice *v4 = lab_slice(l, &l->services[0]);
    struct kube_slice *v6 = LAB_LIST(l, l->ns.slices, l->slices, LAB_MANY);
    *v6 = *v4;
    v6->address_type = "IPv6";
    struct endpoint *e6 = arena_array(l->a, struct endpoint, 1);
    *e6 = *(const struct endpoint *)v4->endpoints.items;
    v6->endpoints.items = e6;
    assert_ptr_equal(join(l, 0)->endpoint, v4->endpoints.items);
    ((struct kube_binding *)(uintptr_t)l->bindings[0].binding)->ip_address_type = "ipv6";
    assert_ptr_equal(join(l, 0)->endpoint, e6);
    p->meta.uid = "uid-of-its-successor"; /* a StatefulSet's pod comes back under its name */
    assert_null(join(l, 0)->endpoint);
    lab_free(l);
}

static void slices_of_other_services_do_not_count(void **state)
{
    (void)state;
    struct lab *l = lab_new();
    (void)one_pod(l, "8080");
    struct kube_service *other = lab_service(l, "other", "app", "web", 80, "8080");
    (void)lab_slice(l, other); /* takes the same pod */
    assert_null(join(l, 0)->endpoint);
    (void)lab_binding(l, "other", "other", "80", "ip");
    assert_null(join(l, 0)->endpoint);
    assert_non_null(join(l, 1)->endpoint);
    lab_free(l);
}

static void targets_are_of_the_bindings_own_group(void **state)
{
    (void)state;
    struct lab *l = lab_new();
    struct kube_pod *p = one_pod(l, "8080");
    struct facts_binding *other = lab_binding(l, "other", "web", "80", "ip");
    (void)lab_target(l, other, p, 8080, "healthy", "");
    assert_null(join(l, 0)->target);
    assert_non_null(join(l, 1)->target);
    l->bindings[0].group = other->group; /* a shared one */
    assert_ptr_equal(join(l, 0)->target, join(l, 1)->target);
    other->group->known = false; /* what it said last is not what it says */
    assert_null(join(l, 1)->target);
    lab_free(l);
}

static void near_are_those_that_select_or_gate(void **state)
{
    (void)state;
    struct lab *l = lab_new();
    struct kube_pod *p = one_pod(l, "8080");
    (void)lab_service(l, "else", "app", "else", 80, "8080");
    (void)lab_binding(l, "else", "else", "80", "ip");
    (void)lab_binding(l, "gated", "else", "80", "ip");
    (void)lab_binding(l, "going", "web", "80", "ip");
    ((struct kube_binding *)(uintptr_t)l->bindings[3].binding)->meta.deleted_at = l->f.now;
    lab_gate(l, p, LBC "gated");
    (void)join(l, 0);
    assert_int_equal(seen.n_near, 3);
    assert_string_equal(seen.near[0]->fb->binding->meta.name, "web");
    assert_true(seen.near[0]->wants_gate);
    assert_string_equal(seen.near[1]->fb->binding->meta.name, "gated");
    assert_true(seen.near[1]->gated && pod_binding_frozen(seen.near[1]));
    assert_string_equal(seen.near[2]->fb->binding->meta.name, "going");
    assert_false(seen.near[2]->wants_gate); /* it is being deleted */
    assert_ptr_equal(seen.gates[0].pb, seen.near[1]);
    assert_ptr_equal(pod_gate_of(&seen, seen.near[1]), &seen.gates[0]);
    lab_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ports_come_from_the_slice_then_from_service_and_containers),
        cmocka_unit_test(a_binding_names_its_port_by_number_or_name),
        cmocka_unit_test(the_endpoint_is_of_this_pod_and_of_the_bindings_family),
        cmocka_unit_test(slices_of_other_services_do_not_count),
        cmocka_unit_test(targets_are_of_the_bindings_own_group),
        cmocka_unit_test(near_are_those_that_select_or_gate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
