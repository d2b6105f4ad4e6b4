/* What the makers of bindings are read by (see maker.h): custom resources mostly, and from
 * manifests all of them, so JSON only. */
#include "model/maker.h"

#include <string.h>

#include "model/field_rows.h"

enum maker_kind maker_kind(const char *group, size_t group_len, const char *kind)
{
    static const struct {
        const char *group;
        const char *kind;
        enum maker_kind is;
    } known[] = {{"gateway.networking.k8s.io", "HTTPRoute", MAKER_ROUTE},
                 {"gateway.networking.k8s.io", "GRPCRoute", MAKER_ROUTE},
                 {"gateway.networking.k8s.io", "TCPRoute", MAKER_ROUTE},
                 {"gateway.networking.k8s.io", "TLSRoute", MAKER_ROUTE},
                 {"gateway.networking.k8s.io", "UDPRoute", MAKER_ROUTE},
                 {"gateway.networking.k8s.io", "Gateway", MAKER_GATEWAY},
                 {"gateway.networking.k8s.io", "GatewayClass", MAKER_GATEWAY_CLASS},
                 {"gateway.k8s.aws", "LoadBalancerConfiguration", MAKER_BALANCER_CONFIG},
                 {"gateway.k8s.aws", "TargetGroupConfiguration", MAKER_GROUP_CONFIG},
                 {"networking.k8s.io", "IngressClass", MAKER_INGRESS_CLASS},
                 {"elbv2.k8s.aws", "IngressClassParams", MAKER_PARAMS_LBC},
                 {"eks.amazonaws.com", "IngressClassParams", MAKER_PARAMS_AUTO}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strlen(known[i].group) == group_len && strncmp(known[i].group, group, group_len) == 0 &&
            strcmp(known[i].kind, kind) == 0) {
            return known[i].is;
        }
    }
    return MAKER_NONE;
}

static const struct field ref_fields[] = {
    STR("group", 0, maker_ref, group), STR("kind", 0, maker_ref, kind),
    STR("namespace", 0, maker_ref, namespace), STR("name", 0, maker_ref, name)};
TABLE(ref_table, "reference", struct maker_ref, ref_fields);
static const struct field rule_fields[] = {LIST("backendRefs", 0, maker_rule, backends, ref_table)};
TABLE(rule_table, "rule", struct maker_rule, rule_fields);

static const struct field for_route_id_fields[] = {STR("kind", 0, maker_for_route, kind),
                                                   STR("namespace", 0, maker_for_route, namespace),
                                                   STR("name", 0, maker_for_route, name)};
TABLE(for_route_id, "routeIdentifier", struct maker_for_route, for_route_id_fields);
static const struct field for_route_props_fields[] = {STR("targetType", 0, maker_for_route, type)};
TABLE(for_route_props, "targetGroupProps", struct maker_for_route, for_route_props_fields);
static const struct field for_route_fields[] = {MSG("routeIdentifier", 0, for_route_id),
                                                MSG("targetGroupProps", 0, for_route_props)};
TABLE(for_route_table, "routeConfiguration", struct maker_for_route, for_route_fields);

static const char *const annotation_prefixes[] = {"ingressclass.kubernetes.io/", NULL};
static const struct field metadata_fields[] = {{.json = "annotations",
                                                .type = FIELD_KVS,
                                                .offset = offsetof(struct maker, annotations),
                                                .keep = annotation_prefixes}};
TABLE(metadata, "metadata", struct maker, metadata_fields);
/* An IngressClass names the group apiGroup. */
static const struct field config_fields[] = {
    STR("group", 0, maker, config.group), STR("apiGroup", 0, maker, config.group),
    STR("kind", 0, maker, config.kind), STR("namespace", 0, maker, config.namespace),
    STR("name", 0, maker, config.name)};
TABLE(config, "configuration", struct maker, config_fields);
static const struct field infrastructure_fields[] = {MSG("parametersRef", 0, config)};
TABLE(infrastructure, "infrastructure", struct maker, infrastructure_fields);
static const struct field target_fields[] = {
    STR("kind", 0, maker, target.kind), STR("group", 0, maker, target.group),
    STR("namespace", 0, maker, target.namespace), STR("name", 0, maker, target.name)};
TABLE(target, "targetReference", struct maker, target_fields);
static const struct field props_fields[] = {STR("targetType", 0, maker, type)};
TABLE(props, "defaultConfiguration", struct maker, props_fields);
static const struct field spec_fields[] = {
    LIST("parentRefs", 0, maker, parents, ref_table),
    LIST("rules", 0, maker, rules, rule_table),
    STR("gatewayClassName", 0, maker, class_name),
    MSG("infrastructure", 0, infrastructure),
    STR("controllerName", 0, maker, controller), /* of a GatewayClass */
    MSG("parametersRef", 0, config),
    STR("controller", 0, maker, controller), /* of an IngressClass */
    MSG("parameters", 0, config),
    STR("mergingMode", 0, maker, merging),
    MSG("defaultTargetGroupConfiguration", 0, config),
    MSG("targetReference", 0, target),
    MSG("defaultConfiguration", 0, props),
    LIST("routeConfigurations", 0, maker, routes, for_route_table),
    STR("targetType", 0, maker, type)};
TABLE(spec, "spec", struct maker, spec_fields);
static const struct field maker_fields[] = {MSG("metadata", 0, metadata), MSG("spec", 0, spec)};
PUBLIC_TABLE(maker_table, "object", struct maker, maker_fields);
