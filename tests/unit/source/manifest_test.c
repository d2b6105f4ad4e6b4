/* Manifests in every notation people use; hostile ones end at a ceiling, with their place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "source/manifest.h"

static struct arena *arena;

static int setup(void **state)
{
    (void)state;
    arena = arena_new(0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

static struct list read_all(const char *text)
{
    struct list items = {NULL, 0};
    struct err err = {0};
    if (!manifest_read("m.yaml", text, strlen(text), arena, &items, &err)) {
        fail_msg("%s in:\n%s", err.text, text);
    }
    return items;
}

/* "Kind ns/name@line:column", one after the other; + for what makes bindings, - for what is not
 * read. */
static const char *shape(const struct list *items)
{
    AUTO(buf) out = BUF_INIT(64 << 10);
    for (uint32_t i = 0; i < items->n; i++) {
        const struct manifest *m = LIST_AT(struct manifest, *items, i);
        const char *read = m->record != NULL ? "" : "-";
        (void)buf_addf(&out, "%s%s%s %s/%s@%u:%u", i > 0 ? ", " : "", m->maker != NULL ? "+" : read,
                       m->kind_name, m->namespace, m->name, m->line, m->column);
    }
    return arena_strdup(arena, buf_str(&out));
}

static void given_the_notations_when_read_then_objects_and_places(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *shape;
    } cases[] = {
        {"# Source: chart/templates/x.yaml\n---\n---\napiVersion: v1\nkind: Service\nmetadata:\n  "
         "name: a\n  namespace: s\n...\n---\n# nothing\n---\nkind: Pod\napiVersion: v1\nmetadata: "
         "{generateName: p-}\n",
         "Service s/a@4:1, Pod /p-*@13:1"},
        {"apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Namespace\n  metadata: "
         "{name: n}\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: c}}\n",
         "Namespace /n@4:3, -ConfigMap /c@7:3"},
        {"{\"apiVersion\":\"v1\",\"kind\":\"PodList\",\"items\":[{\"apiVersion\":\"v1\",\"kind\":"
         "\"Pod\",\"metadata\":{\"name\":\"x\"}}]}\n  {\"apiVersion\":\"v1\",\"kind\":\"Pod\","
         "\"metadata\":{\"name\":\"y\"}}\n",
         "Pod /x@1:1, Pod /y@2:3"},
        {"{apiVersion: v1, kind: Pod, metadata: {name: flow}}", "Pod /flow@1:1"},
        {"apiVersion: apps/v1beta9\nkind: Deployment\nmetadata: {name: d}\n", "Deployment /d@1:1"},
        {"apiVersion: other.io/v1\nkind: Deployment\nmetadata: {name: d}\n", "-Deployment /d@1:1"},
        {"apiVersion: elbv2.k8s.aws/v1beta1\nkind: TargetGroupBinding\nmetadata: {name: b}\n---\n"
         "apiVersion: eks.amazonaws.com/v1\nkind: TargetGroupBinding\nmetadata: {name: b}\n",
         "TargetGroupBinding /b@1:1, TargetGroupBinding /b@5:1"},
        {"{\"apiVersion\":\"gateway.networking.k8s.io/v1\",\"kind\":\"HTTPRoute\",\"metadata\":{"
         "\"name\":\"r\"}} {\"apiVersion\":\"gateway.k8s.aws/v1\",\"kind\":\"HTTPRoute\"} {"
         "\"apiVersion\":\"eks.amazonaws.com/v1\",\"kind\":\"IngressClassParams\",\"metadata\":{"
         "\"name\":\"p\"}}",
         "+HTTPRoute /r@1:1, -HTTPRoute /@1:90, +IngressClassParams /p@1:145"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct list items = read_all(cases[i].text);
        assert_string_equal(shape(&items), cases[i].shape);
    }
}

static void given_yaml_when_read_then_values_as_kubernetes_has_them(void **state)
{
    (void)state;
    struct list items = read_all("apiVersion: v1\nkind: Service\nmetadata:\n  name: a\n"
                                 "  labels: &l {app: web, quoted: \"1\", word: yes, number: 1}\n"
                                 "spec:\n  selector:\n    <<: *l\n    app: api\n"
                                 "  publishNotReadyAddresses: true\n"
                                 "  ports: [{port: 80, targetPort: http}, {port: 0x51, "
                                 "targetPort: 8080, name: ~}]\n");
    const struct kube_service *s =
        (const struct kube_service *)(const void *)LIST_AT(struct manifest, items, 0)->record;
    assert_string_equal(kvs_get(&s->selector, "app"), "api");
    assert_string_equal(kvs_get(&s->selector, "quoted"), "1");
    assert_string_equal(kvs_get(&s->selector, "word"), "yes");
    assert_null(kvs_get(&s->selector, "number")); /* the API server refuses it too */
    assert_int_equal(s->publish_not_ready, 1);
    assert_int_equal(s->ports.n, 2);
    assert_string_equal(LIST_AT(struct service_port, s->ports, 0)->target_port, "http");
    assert_int_equal(LIST_AT(struct service_port, s->ports, 1)->port, 81);
    assert_string_equal(LIST_AT(struct service_port, s->ports, 1)->target_port, "8080");
}

/* All kinds of makers share one shape: what each says lands where it is looked for. */
static void given_makers_when_read_then_what_they_say(void **state)
{
    (void)state;
    struct list items = read_all(
        "apiVersion: gateway.networking.k8s.io/v1alpha2\nkind: TCPRoute\nmetadata: {name: r}\n"
        "spec: {parentRefs: [{name: gw, namespace: infra}, 7], rules: [{backendRefs: [{name: a}, "
        "{name: b, kind: Service, weight: 0}]}]}\n---\n"
        "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: gw}\nspec: "
        "{gatewayClassName: c, infrastructure: {parametersRef: {group: gateway.k8s.aws, kind: "
        "LoadBalancerConfiguration, name: lb}}}\n---\n"
        "apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {name: ic, annotations: "
        "{ingressclass.kubernetes.io/is-default-class: \"true\", other: x}}\nspec: {controller: "
        "ingress.k8s.aws/alb, parameters: {apiGroup: elbv2.k8s.aws, kind: IngressClassParams, "
        "name: icp}}\n---\n"
        "apiVersion: gateway.k8s.aws/v1beta1\nkind: TargetGroupConfiguration\nmetadata: {name: t}\n"
        "spec: {targetReference: {name: a}, defaultConfiguration: {targetType: ip}, "
        "routeConfigurations: [{routeIdentifier: {kind: TCPRoute, name: r}, targetGroupProps: "
        "{targetType: instance}}]}\n");
    const struct maker *route = LIST_AT(struct manifest, items, 0)->maker;
    assert_int_equal(route->parents.n, 1);
    assert_string_equal(LIST_AT(struct maker_ref, route->parents, 0)->namespace, "infra");
    assert_string_equal(LIST_AT(struct maker_ref, route->parents, 0)->kind, "");
    const struct list *backends = &LIST_AT(struct maker_rule, route->rules, 0)->backends;
    assert_int_equal(backends->n, 2);
    assert_string_equal(LIST_AT(struct maker_ref, *backends, 1)->name, "b");
    const struct maker *gateway = LIST_AT(struct manifest, items, 1)->maker;
    assert_string_equal(gateway->class_name, "c");
    assert_string_equal(gateway->config.kind, "LoadBalancerConfiguration");
    assert_string_equal(gateway->config.name, "lb");
    const struct maker *class = LIST_AT(struct manifest, items, 2)->maker;
    assert_string_equal(class->controller, "ingress.k8s.aws/alb");
    assert_string_equal(class->config.group, "elbv2.k8s.aws");
    assert_int_equal(class->annotations.n, 1);
    const struct maker *group = LIST_AT(struct manifest, items, 3)->maker;
    assert_string_equal(group->target.name, "a");
    assert_string_equal(group->type, "ip");
    assert_string_equal(LIST_AT(struct maker_for_route, group->routes, 0)->name, "r");
    assert_string_equal(LIST_AT(struct maker_for_route, group->routes, 0)->type, "instance");
}

static void refused(const char *text, size_t len, const char *part)
{
    struct list items = {NULL, 7};
    struct err err = {0};
    assert_false(manifest_read("m.yaml", text, len, arena, &items, &err));
    assert_int_equal(err.code, ERR_INPUT);
    assert_int_equal(items.n, 7);
    if (strstr(err.text, part) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", err.text, part);
    }
}

static void given_mistakes_when_read_then_an_error_with_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *part;
    } cases[] = {
        {"", "m.yaml:1:1: there is no object"},
        {"# only a comment\n---\n", "there is no object"},
        {"a: b\n", "m.yaml:1:1: an object needs apiVersion and kind"},
        {"apiVersion: v1\nkind: Pod\nmetadata: {}\n", "has no metadata.name"},
        {"apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {}\n",
         "has no metadata.name"},
        {"apiVersion: v1\nkind: Pod\n  metadata: x\n", "m.yaml:3:"},
        {"apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n---\n- a\n", "an object is wanted"},
        {"just a text\n", "an object is wanted"},
        {"apiVersion: v1\nkind: Pod\nmetadata: *nobody\n", "m.yaml:3:11: the anchor is not known"},
        {"? [a]\n: b\n", "a key must be a text"},
        {"{\"apiVersion\": \"v1\",\n \"kind\": }\n", "m.yaml:2:"},
        {"apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: Pod, metadata: {name: a}}, "
         "{kind: Pod}]\n",
         "m.yaml:3:"},
        {"a: {{ .Values.x }}\n", "m.yaml:1:"},
        {"\xff\xfe", "m.yaml:"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        refused(cases[i].text, strlen(cases[i].text), cases[i].part);
    }
}

/* Ten aliases in each of nine lines stand for a thousand million values. */
static void given_aliases_of_aliases_when_read_then_the_ceiling(void **state)
{
    (void)state;
    AUTO(buf) text = BUF_INIT(16 << 10);
    (void)buf_addz(&text, "apiVersion: v1\nkind: Pod\nmetadata: {name: bomb}\na0: &a0 [x,x]\n");
    for (int i = 1; i <= 9; i++) {
        (void)buf_addf(&text, "a%d: &a%d [", i, i);
        for (int k = 0; k < 10; k++) {
            (void)buf_addf(&text, "%s*a%d", k > 0 ? "," : "", i - 1);
        }
        (void)buf_addz(&text, "]\n");
    }
    refused(text.data, text.len, "what aliases stand for counts");
}

static void given_too_much_when_read_then_the_ceiling(void **state)
{
    (void)state;
    AUTO(buf) text = BUF_INIT(4 << 20);
    (void)buf_addz(&text, "a: ");
    for (int i = 0; i < 100; i++) {
        (void)buf_addc(&text, '[');
    }
    refused(text.data, text.len, "nested too deeply");
    buf_clear(&text);
    for (int i = 0; i <= MANIFEST_OBJECTS_MAX; i++) {
        (void)buf_addz(&text, "---\n{apiVersion: v1, kind: X}\n");
    }
    refused(text.data, text.len, "more than 1000 objects");
    buf_clear(&text);
    (void)buf_addz(&text,
                   "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec:\n  selector:\n");
    for (int i = 0; i <= MANIFEST_LABELS_MAX; i++) {
        (void)buf_addf(&text, "    k%d: v\n", i);
    }
    refused(text.data, text.len, "more labels than anybody needs");
    buf_clear(&text);
    (void)buf_addz(&text, "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\n"
                          "metadata: {name: a}\nspec:\n  parentRefs:\n");
    for (int i = 0; i <= MANIFEST_PARENTS_MAX; i++) {
        (void)buf_addf(&text, "  - {name: g%d}\n", i);
    }
    refused(text.data, text.len, "more parents");
    buf_clear(&text);
    (void)buf_addz(&text, "apiVersion: gateway.k8s.aws/v1\nkind: TargetGroupConfiguration\n"
                          "metadata: {name: a}\nspec:\n  routeConfigurations:\n");
    for (int i = 0; i <= MANIFEST_LABELS_MAX; i++) {
        (void)buf_addz(&text, "  - {routeIdentifier: {kind: HTTPRoute}}\n");
    }
    refused(text.data, text.len, "route configurations");
    buf_clear(&text);
    while (text.len <= MANIFEST_BYTES) {
        (void)buf_addz(&text, "# much ado about nothing\n");
    }
    refused(text.data, text.len, "more than 1 MiB");
    buf_clear(&text);
    (void)buf_addz(&text, "a: [");
    for (int i = 0; i <= MANIFEST_NODES_MAX; i++) {
        (void)buf_addz(&text, "1,");
    }
    refused(text.data, text.len, "too much");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_the_notations_when_read_then_objects_and_places),
        cmocka_unit_test(given_yaml_when_read_then_values_as_kubernetes_has_them),
        cmocka_unit_test(given_makers_when_read_then_what_they_say),
        cmocka_unit_test(given_mistakes_when_read_then_an_error_with_its_place),
        cmocka_unit_test(given_aliases_of_aliases_when_read_then_the_ceiling),
        cmocka_unit_test(given_too_much_when_read_then_the_ceiling)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
