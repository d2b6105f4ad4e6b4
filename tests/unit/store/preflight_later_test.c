/* Bindings that a controller makes only later: who makes them of a Service, and whose word on the
 * target type counts. Manifests against a cluster of which nothing is known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "source/manifest.h"

#define APP                                                                                        \
    "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {"                            \
    "elbv2.k8s.aws/pod-readiness-gate-inject: enabled, "                                           \
    "eks.amazonaws.com/pod-readiness-gate-inject: enabled}}\n---\n"                                \
    "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\nspec: {selector: "     \
    "{app: web}, ports: [{port: 80}]}\n---\n"                                                      \
    "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: shop}\nspec: "        \
    "{template: {metadata: {labels: {app: web}}, spec: {containers: [{name: a}]}}}\n"
/* What labels stand on the namespace in the end. */
#define LABELS(lbc, auto)                                                                          \
    "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {"                       \
    "elbv2.k8s.aws/pod-readiness-gate-inject: " lbc                                                \
    ", eks.amazonaws.com/pod-readiness-gate-inject: " auto "}}\n"
#define OBJECT(group, kind, name, spec)                                                            \
    "---\napiVersion: " group "/v1\nkind: " kind "\nmetadata: " name "\nspec: {" spec "}\n"
#define GW  "gateway.networking.k8s.io"
#define AWS "gateway.k8s.aws"
#define ROUTE_OF(kind, parent, backend)                                                            \
    OBJECT(GW, kind, "{name: r, namespace: shop}",                                                 \
           "parentRefs: [{" parent "}], rules: [{backendRefs: [{" backend "}]}]")
#define ROUTE ROUTE_OF("HTTPRoute", "name: gw, namespace: infra", "name: web, port: 80")
#define GATEWAY_OF(class, more)                                                                    \
    OBJECT(GW, "Gateway", "{name: gw, namespace: infra}", "gatewayClassName: " class more)
#define GATEWAY GATEWAY_OF("edge", "")
#define CLASS_OF(controller, more)                                                                 \
    OBJECT(GW, "GatewayClass", "{name: edge}", "controllerName: " controller more)
#define CLASS CLASS_OF("gateway.k8s.aws/alb", "")
#define REF(name, more)                                                                            \
    ", parametersRef: {group: gateway.k8s.aws, kind: LoadBalancerConfiguration, name: " name more  \
    "}"
#define BALANCER(name, ns, group, more)                                                            \
    OBJECT(AWS, "LoadBalancerConfiguration", "{name: " name ", namespace: " ns "}",                \
           "defaultTargetGroupConfiguration: {name: " group "}" more)
#define GROUP(name, ns, spec)                                                                      \
    OBJECT(AWS, "TargetGroupConfiguration", "{name: " name ", namespace: " ns "}", spec)
#define OWN(type)                                                                                  \
    GROUP("own", "shop", "targetReference: {name: web}, defaultConfiguration: {" type "}")
#define BY_GATEWAY                                                                                 \
    GATEWAY_OF("edge", ", infrastructure: {a: b" REF("lb", "") "}")                                \
    BALANCER("lb", "infra", "def", "")
/* The class says instance, the Gateway ip. */
#define BY_BOTH(merging)                                                                           \
    BY_GATEWAY GROUP("def", "infra", "defaultConfiguration: {targetType: ip}")                     \
        CLASS_OF("gateway.k8s.aws/nlb", REF("all", ", namespace: sys"))                            \
            BALANCER("all", "sys", "all", merging)                                                 \
                GROUP("all", "sys", "defaultConfiguration: {targetType: instance}")

#define INGRESS_OF(class, annotations)                                                             \
    OBJECT("networking.k8s.io", "Ingress",                                                         \
           "{name: web, namespace: shop, annotations: {" annotations "}}",                         \
           class "defaultBackend: {service: {name: web, port: {number: 80}}}")
#define TYPE(type)    "alb.ingress.kubernetes.io/target-type: " type
#define INGRESS(type) INGRESS_OF("ingressClassName: edge, ", type)
#define INGRESS_CLASS(metadata, controller, params)                                                \
    OBJECT("networking.k8s.io", "IngressClass", "{name: edge" metadata "}",                        \
           "controller: " controller params)
#define PARAMS_OF(group)    ", parameters: {apiGroup: " group ", kind: IngressClassParams, name: p}"
#define PARAMS(group, type) OBJECT(group, "IngressClassParams", "{name: p}", "targetType: " type)

#define LATER "warning gate_missing_pod_predates_binding"
#define NODES "info gate_missing_target_type"

struct one {
    const char *what;
    const char *yaml;
    const char *codes;
    const char *part; /* of the first finding's message and action */
};
static const struct one cases[] = {
    {"nothing makes one", APP, "", NULL},

    {"a route whose Service asks for ip", APP ROUTE GATEWAY CLASS OWN("targetType: ip"), LATER,
     "the binding of HTTPRoute/r"},
    {"what to do names both", APP ROUTE GATEWAY CLASS OWN("targetType: ip"), LATER,
     "Apply Service/web and HTTPRoute/r first"},
    {"a namespace without the label of the controller",
     APP LABELS("\"\"", "enabled") ROUTE GATEWAY CLASS OWN("targetType: ip"),
     "warning gate_missing_wrong_label", "elbv2.k8s.aws/pod-readiness-gate-inject=enabled."},
    {"a namespace without the label of Auto Mode",
     APP LABELS("enabled", "\"true\"") INGRESS("") INGRESS_CLASS("", "eks.amazonaws.com/alb", ""),
     "warning gate_missing_wrong_label", "eks.amazonaws.com/pod-readiness-gate-inject=enabled."},
    {"a namespace whose label does not matter: targets are nodes",
     APP LABELS("\"\"", "\"\"") ROUTE GATEWAY CLASS, NODES, "HTTPRoute/r names no target type"},
    {"a route that nobody gave a type", APP ROUTE GATEWAY CLASS, NODES,
     "HTTPRoute/r names no target type"},
    {"where to set it", APP ROUTE GATEWAY CLASS, NODES, "in a TargetGroupConfiguration"},
    {"a route whose Service asks for instance", APP ROUTE GATEWAY CLASS OWN("targetType: instance"),
     NODES, "TargetGroupConfiguration/own asks for targets of type instance"},
    {"routes of every kind",
     APP ROUTE_OF("GRPCRoute", "name: gw, namespace: infra", "name: web")
         ROUTE_OF("TCPRoute", "name: gw, namespace: infra", "name: web")
             ROUTE_OF("TLSRoute", "name: gw, namespace: infra", "name: web")
                 ROUTE_OF("UDPRoute", "name: gw, namespace: infra", "name: web")
                     GATEWAY CLASS OWN("targetType: ip"),
     LATER ", " LATER ", " LATER ", " LATER, "GRPCRoute/r"},
    {"a route of another controller",
     APP ROUTE GATEWAY CLASS_OF("gateway.envoyproxy.io/gatewayclass-controller", "")
         OWN("targetType: ip"),
     "", NULL},
    {"a Gateway whose class is not there, by its name",
     APP ROUTE GATEWAY_OF("aws-nlb", "") OWN("targetType: ip"), LATER, "HTTPRoute/r"},
    {"a Gateway whose class is not there and says nothing", APP ROUTE GATEWAY OWN("targetType: ip"),
     "", NULL},
    {"a Gateway that is not there, but the Service's configuration is",
     APP ROUTE OWN("targetType: ip"), LATER, "HTTPRoute/r"},
    {"a Gateway that is not there and could be anybody's", APP ROUTE, "", NULL},
    {"a parent that is no Gateway",
     APP ROUTE_OF("HTTPRoute", "kind: Service, group: \"\", name: gw, namespace: infra",
                  "name: web") GATEWAY CLASS OWN("targetType: ip"),
     "", NULL},
    {"a Gateway of another namespace",
     APP ROUTE_OF("HTTPRoute", "name: gw", "name: web") GATEWAY CLASS, "", NULL},
    {"a backend that is no Service",
     APP ROUTE_OF("HTTPRoute", "name: gw, namespace: infra",
                  "group: gateway.k8s.aws, kind: TargetGroupName, name: web") GATEWAY CLASS,
     "", NULL},
    {"a Service of another API",
     APP ROUTE_OF("HTTPRoute", "name: gw, namespace: infra",
                  "group: serving.knative.dev, kind: Service, name: web") GATEWAY CLASS,
     "", NULL},
    {"a core object that is no Service",
     APP ROUTE_OF("HTTPRoute", "name: gw, namespace: infra", "kind: Pod, name: web") GATEWAY CLASS,
     "", NULL},
    {"a backend of another namespace",
     APP ROUTE_OF("HTTPRoute", "name: gw, namespace: infra", "name: web, namespace: pay")
         GATEWAY CLASS,
     "", NULL},
    {"a configuration of another Service",
     APP ROUTE GATEWAY CLASS GROUP(
         "own", "shop", "targetReference: {name: api}, defaultConfiguration: {targetType: ip}"),
     NODES, "names no target type"},
    {"a configuration of another namespace",
     APP ROUTE GATEWAY CLASS GROUP(
         "own", "pay", "targetReference: {name: web}, defaultConfiguration: {targetType: ip}"),
     NODES, "names no target type"},
    {"the Gateway's default",
     APP ROUTE BY_GATEWAY CLASS GROUP("def", "infra", "defaultConfiguration: {targetType: ip}"),
     LATER, "HTTPRoute/r"},
    {"a default that has a target is none",
     APP ROUTE BY_GATEWAY CLASS GROUP(
         "def", "infra", "targetReference: {name: x}, defaultConfiguration: {targetType: ip}"),
     NODES, "names no target type"},
    {"the Service's word before the Gateway's",
     APP ROUTE BY_GATEWAY CLASS GROUP("def", "infra", "defaultConfiguration: {targetType: ip}")
         OWN("targetType: instance"),
     NODES, "TargetGroupConfiguration/own asks"},
    {"a Service's word on other things leaves the Gateway's",
     APP ROUTE BY_GATEWAY CLASS GROUP("def", "infra", "defaultConfiguration: {targetType: ip}")
         OWN("protocol: HTTP"),
     LATER, "HTTPRoute/r"},
    {"the class's default before the Gateway's", APP ROUTE BY_BOTH(""), NODES,
     "TargetGroupConfiguration/all asks"},
    {"but for a class that prefers the Gateway's",
     APP ROUTE BY_BOTH(", mergingMode: prefer-gateway"), LATER, "HTTPRoute/r"},
    {"the closest of the settings by route",
     APP ROUTE GATEWAY CLASS GROUP(
         "own", "shop",
         "targetReference: {name: web}, routeConfigurations: [{routeIdentifier: {kind: TCPRoute, "
         "namespace: shop, name: r}, targetGroupProps: {targetType: instance}}, {routeIdentifier: "
         "{kind: HTTPRoute, namespace: shop, name: r}, targetGroupProps: {targetType: ip}}, "
         "{routeIdentifier: {kind: HTTPRoute}, targetGroupProps: {targetType: instance}}]"),
     LATER, "HTTPRoute/r"},
    {"a setting for another route",
     APP ROUTE GATEWAY CLASS GROUP(
         "own", "shop",
         "targetReference: {name: web}, defaultConfiguration: {targetType: ip}, "
         "routeConfigurations: [{routeIdentifier: {kind: HTTPRoute, namespace: pay}, "
         "targetGroupProps: {targetType: instance}}, {routeIdentifier: {kind: HTTPRoute, "
         "namespace: "
         "shop, name: other}, targetGroupProps: {targetType: instance}}]"),
     LATER, "HTTPRoute/r"},
    {"a route with a Gateway of ip among others",
     APP OBJECT(GW, "HTTPRoute", "{name: r, namespace: shop}",
                "parentRefs: [{name: plain, namespace: infra}, {name: gw, namespace: infra}, "
                "{name: plain, namespace: infra}], rules: [{backendRefs: [{name: web}]}]")
         OBJECT(GW, "Gateway", "{name: plain, namespace: infra}", "gatewayClassName: edge")
             BY_GATEWAY CLASS GROUP("def", "infra", "defaultConfiguration: {targetType: ip}"),
     LATER, "HTTPRoute/r"},

    {"the class's parameters before the annotation",
     APP INGRESS(TYPE("instance")) INGRESS_CLASS(
         "", "ingress.k8s.aws/alb", PARAMS_OF("elbv2.k8s.aws")) PARAMS("elbv2.k8s.aws", "ip"),
     LATER, "the binding of Ingress/web"},
    {"the class's parameters ask for instance",
     APP INGRESS(TYPE("ip")) INGRESS_CLASS("", "ingress.k8s.aws/alb", PARAMS_OF("elbv2.k8s.aws"))
         PARAMS("elbv2.k8s.aws", "instance"),
     NODES, "IngressClassParams/p asks for targets of type instance"},
    {"where to change it",
     APP INGRESS(TYPE("ip")) INGRESS_CLASS("", "ingress.k8s.aws/alb", PARAMS_OF("elbv2.k8s.aws"))
         PARAMS("elbv2.k8s.aws", "instance"),
     NODES, "ip in IngressClassParams/p where"},
    {"parameters of the other controller are others",
     APP INGRESS(TYPE("ip")) INGRESS_CLASS("", "ingress.k8s.aws/alb", PARAMS_OF("elbv2.k8s.aws"))
         PARAMS("eks.amazonaws.com", "instance"),
     LATER, "Ingress/web"},
    {"parameters of Auto Mode",
     APP INGRESS("") INGRESS_CLASS("", "eks.amazonaws.com/alb", PARAMS_OF("eks.amazonaws.com"))
         PARAMS("eks.amazonaws.com", "instance"),
     NODES, "IngressClassParams/p asks"},
    {"Auto Mode's default is ip", APP INGRESS("") INGRESS_CLASS("", "eks.amazonaws.com/alb", ""),
     LATER, "Ingress/web"},
    {"the other's default is the controller's",
     APP INGRESS("") INGRESS_CLASS("", "ingress.k8s.aws/alb", ""), NODES, "names no target type"},
    {"the class's controller before its name",
     APP INGRESS_OF("ingressClassName: edge, ", TYPE("ip"))
         INGRESS_CLASS("", "k8s.io/ingress-nginx", ""),
     "", NULL},
    {"the default class",
     APP INGRESS_OF("", "")
         INGRESS_CLASS(", annotations: {ingressclass.kubernetes.io/is-default-class: \"true\"}",
                       "eks.amazonaws.com/alb", ""),
     LATER, "Ingress/web"},
    {"a class that is not the default",
     APP INGRESS_OF("", "")
         INGRESS_CLASS(", annotations: {ingressclass.kubernetes.io/is-default-class: \"false\"}",
                       "eks.amazonaws.com/alb", ""),
     "", NULL},
    {"a class named by the annotation",
     APP INGRESS_OF("", "kubernetes.io/ingress.class: edge")
         INGRESS_CLASS("", "eks.amazonaws.com/alb", ""),
     LATER, "Ingress/web"},
    {"an ALB by the name of its class", APP INGRESS_OF("", "kubernetes.io/ingress.class: alb-edge"),
     NODES, "names no target type"},
    {"an Ingress that asks for instance", APP INGRESS(TYPE("instance")), NODES,
     "Ingress/web asks for targets of type instance"},

    {"a Service that makes its own",
     "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\nspec: {type: "
     "LoadBalancer, loadBalancerClass: eks.amazonaws.com/nlb, selector: {app: web}}\n---\n" APP,
     "", NULL},
    {"a Service that makes its own, the last of its name",
     APP "---\napiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\nspec: {type: "
         "LoadBalancer, loadBalancerClass: eks.amazonaws.com/nlb, selector: {app: web}}\n",
     LATER, "Apply Service/web first"},
};

static void judge(struct arena *a, const char *yaml, struct preflight *ret)
{
    static const struct facts_cluster cluster = {.kube_state = "ok",
                                                 .kube_message = "",
                                                 .aws_state = "off",
                                                 .aws_message = "",
                                                 .denied_kinds = ""};
    struct err err = {0};
    struct list manifests;
    if (!manifest_read("t.yaml", yaml, strlen(yaml), a, &manifests, &err)) {
        fail_msg("%s in:\n%s", err.text, yaml);
    }
    struct strs names = preflight_namespaces(&manifests, "shop", a);
    struct facts_namespace *namespaces = arena_array(a, struct facts_namespace, names.n);
    for (uint32_t i = 0; i < names.n; i++) {
        namespaces[i].name = names.items[i];
    }
    struct preflight_in *in = arena_zalloc(a, sizeof *in);
    *in = (struct preflight_in){.cluster = &cluster,
                                .default_namespace = "shop",
                                .manifests = manifests,
                                .namespaces = {namespaces, names.n}};
    preflight_judge(in, a, ret);
}

static const char *codes(const struct preflight *p, struct arena *a)
{
    const char *text = "";
    for (uint32_t i = 0; i < p->findings.n; i++) {
        const struct preflight_finding *f = LIST_AT(struct preflight_finding, p->findings, i);
        text = arena_printf(a, "%s%s%s %s", text, i > 0 ? ", " : "", severity_name(f->severity),
                            f->code);
        bool seen = strcmp(f->code, "gate_missing_wrong_label") == 0; /* the rest is the future */
        assert_int_equal(f->confidence, seen ? CONFIDENCE_CERTAIN : CONFIDENCE_LIKELY);
    }
    return text;
}

static void given_what_makes_bindings_when_judged_then_by_the_word_that_counts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct one *c = &cases[i];
        struct arena *a = arena_new(0);
        struct preflight p;
        judge(a, c->yaml, &p);
        if (strcmp(codes(&p, a), c->codes) != 0) {
            fail_msg("%s: \"%s\", wanted \"%s\"", c->what, codes(&p, a), c->codes);
        }
        const struct preflight_finding *f = p.findings.items;
        if (c->part != NULL && strstr(f->message, c->part) == NULL &&
            strstr(f->action, c->part) == NULL) {
            fail_msg("%s: \"%s\" and \"%s\", without \"%s\"", c->what, f->message, f->action,
                     c->part);
        }
        arena_free(a);
    }
}

static void given_what_makes_bindings_when_counted_then_it_is_not_ignored(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    struct preflight p;
    judge(a, APP ROUTE GATEWAY CLASS OBJECT("v1", "ConfigMap", "{name: c}", ""), &p);
    assert_int_equal(p.objects, 7);
    assert_int_equal(p.ignored, 1);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_what_makes_bindings_when_judged_then_by_the_word_that_counts),
        cmocka_unit_test(given_what_makes_bindings_when_counted_then_it_is_not_ignored)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
