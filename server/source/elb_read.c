/*
 * Readers of ELBv2's and STS's answers: which leaves are wanted, and the records they become.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "source/elb_xml.h"

static const struct xml_leaf health_leaves[] = {
    XML_LEAF("Target/Id", XML_STR, elb_target, id),
    XML_LEAF("Target/Port", XML_INT, elb_target, port),
    XML_LEAF("Target/AvailabilityZone", XML_STR, elb_target, zone),
    XML_LEAF("HealthCheckPort", XML_STR, elb_target, health_port),
    XML_LEAF("TargetHealth/State", XML_STR, elb_target, state),
    XML_LEAF("TargetHealth/Reason", XML_STR, elb_target, reason),
    XML_LEAF("TargetHealth/Description", XML_STR, elb_target, description),
    XML_LEAF("AnomalyDetection/Result", XML_STR, elb_target, anomaly),
    XML_LEAF("AdministrativeOverride/State", XML_STR, elb_target, override_state),
    XML_LEAF("AdministrativeOverride/Reason", XML_STR, elb_target, override_reason),
};
XML_TABLE(health_table, "DescribeTargetHealthResult", "TargetHealthDescriptions/member", elb_target,
          health_leaves);

static const struct xml_leaf group_leaves[] = {
    XML_LEAF("TargetGroupArn", XML_STR, elb_group, arn),
    XML_LEAF("TargetGroupName", XML_STR, elb_group, name),
    XML_LEAF("Protocol", XML_STR, elb_group, protocol),
    XML_LEAF("Port", XML_INT, elb_group, port),
    XML_LEAF("VpcId", XML_STR, elb_group, vpc_id),
    XML_LEAF("TargetType", XML_STR, elb_group, target_type),
    XML_LEAF("IpAddressType", XML_STR, elb_group, ip_address_type),
    XML_LEAF("ProtocolVersion", XML_STR, elb_group, protocol_version),
    XML_LEAF("LoadBalancerArns/member", XML_STRS, elb_group, load_balancer_arns),
    XML_LEAF("HealthCheckEnabled", XML_BOOL, elb_group, health_enabled),
    XML_LEAF("HealthCheckProtocol", XML_STR, elb_group, health_protocol),
    XML_LEAF("HealthCheckPort", XML_STR, elb_group, health_port),
    XML_LEAF("HealthCheckPath", XML_STR, elb_group, health_path),
    XML_LEAF("HealthCheckIntervalSeconds", XML_INT, elb_group, health_interval),
    XML_LEAF("HealthCheckTimeoutSeconds", XML_INT, elb_group, health_timeout),
    XML_LEAF("HealthyThresholdCount", XML_INT, elb_group, healthy_threshold),
    XML_LEAF("UnhealthyThresholdCount", XML_INT, elb_group, unhealthy_threshold),
    XML_LEAF("Matcher/HttpCode", XML_STR, elb_group, matcher),
    XML_LEAF("Matcher/GrpcCode", XML_STR, elb_group, matcher),
};
XML_TABLE(group_table, "DescribeTargetGroupsResult", "TargetGroups/member", elb_group,
          group_leaves);

static const struct xml_leaf balancer_leaves[] = {
    XML_LEAF("LoadBalancerArn", XML_STR, elb_balancer, arn),
    XML_LEAF("LoadBalancerName", XML_STR, elb_balancer, name),
    XML_LEAF("DNSName", XML_STR, elb_balancer, dns_name),
    XML_LEAF("Type", XML_STR, elb_balancer, type),
    XML_LEAF("Scheme", XML_STR, elb_balancer, scheme),
    XML_LEAF("State/Code", XML_STR, elb_balancer, state),
    XML_LEAF("State/Reason", XML_STR, elb_balancer, state_reason),
    XML_LEAF("VpcId", XML_STR, elb_balancer, vpc_id),
    XML_LEAF("AvailabilityZones/member/ZoneName", XML_STRS, elb_balancer, zones),
};
XML_TABLE(balancer_table, "DescribeLoadBalancersResult", "LoadBalancers/member", elb_balancer,
          balancer_leaves);

static const struct xml_leaf attribute_leaves[] = {
    XML_LEAF("Key", XML_STR, elb_attribute, key),
    XML_LEAF("Value", XML_STR, elb_attribute, value),
};
XML_TABLE(attribute_table, "DescribeTargetGroupAttributesResult", "Attributes/member",
          elb_attribute, attribute_leaves);

struct sts_row {
    const char *key_id;
    const char *secret;
    const char *token;
    const char *expires;
};
static const struct xml_leaf sts_leaves[] = {
    XML_LEAF("Credentials/AccessKeyId", XML_STR, sts_row, key_id),
    XML_LEAF("Credentials/SecretAccessKey", XML_STR, sts_row, secret),
    XML_LEAF("Credentials/SessionToken", XML_STR, sts_row, token),
    XML_LEAF("Credentials/Expiration", XML_STR, sts_row, expires),
};
XML_TABLE(role_table, "AssumeRoleResult", "", sts_row, sts_leaves);
XML_TABLE(web_table, "AssumeRoleWithWebIdentityResult", "", sts_row, sts_leaves);

/* A target group may be named by the action alone, by its forward configuration, or by both. */
static const struct xml_leaf share_leaves[] = {
    XML_LEAF("TargetGroupArn", XML_STR, elb_share, group_arn),
    XML_LEAF("Weight", XML_PINT, elb_share, weight),
};
XML_TABLE(share_table, NULL, NULL, elb_share, share_leaves);
static const struct xml_leaf action_leaves[] = {
    XML_LEAF("Type", XML_STR, elb_action, type),
    XML_LEAF("Order", XML_INT, elb_action, order),
    XML_LEAF("TargetGroupArn", XML_STR, elb_action, group_arn),
    XML_SUBLIST("ForwardConfig/TargetGroups/member", elb_action, shares, share_table),
};
XML_TABLE(action_table, NULL, NULL, elb_action, action_leaves);
static const struct xml_leaf listener_leaves[] = {
    XML_LEAF("ListenerArn", XML_STR, elb_listener_row, arn),
    XML_LEAF("Port", XML_INT, elb_listener_row, port),
    XML_LEAF("Protocol", XML_STR, elb_listener_row, protocol),
    XML_SUBLIST("DefaultActions/member", elb_listener_row, actions, action_table),
};
XML_TABLE(listener_table, "DescribeListenersResult", "Listeners/member", elb_listener_row,
          listener_leaves);
static const struct xml_leaf rule_leaves[] = {
    XML_LEAF("Priority", XML_STR, elb_rule_row, priority),
    XML_LEAF("IsDefault", XML_BOOL, elb_rule_row, is_default),
    XML_SUBLIST("Actions/member", elb_rule_row, actions, action_table),
};
XML_TABLE(rule_table, "DescribeRulesResult", "Rules/member", elb_rule_row, rule_leaves);

/* ---- the calls ---- */

/* IPv6 has many spellings: one form for all, so that addresses compare as texts. */
static const char *canonical(struct arena *a, const char *id)
{
    struct in6_addr v6;
    char text[INET6_ADDRSTRLEN];
    if (strchr(id, ':') == NULL || inet_pton(AF_INET6, id, &v6) != 1 ||
        inet_ntop(AF_INET6, &v6, text, sizeof text) == NULL) {
        return id;
    }
    return arena_strdup(a, text);
}

static int by_target(const void *a, const void *b)
{
    const struct elb_target *x = a;
    const struct elb_target *y = b;
    int c = strcmp(x->id, y->id);
    return c != 0 ? c : (x->port > y->port) - (x->port < y->port);
}

bool elb_read_health(const char *xml, size_t len, struct arena *a, struct elb_target **ret,
                     uint32_t *ret_n, struct err *err)
{
    struct elb_page page; /* the only one */
    if (!elb_xml_read(&health_table, xml, len, a, &page, err)) {
        return false;
    }
    struct elb_target *items = (struct elb_target *)(uintptr_t)page.items.items; /* ours */
    for (uint32_t i = 0; i < page.items.n; i++) {
        items[i].id = canonical(a, items[i].id);
    }
    if (page.items.n > 1) {
        qsort(items, page.items.n, sizeof *items, by_target);
    }
    *ret = items;
    *ret_n = page.items.n;
    return true;
}

bool elb_read_groups(const char *xml, size_t len, struct arena *a, struct elb_page *ret,
                     struct err *err)
{
    return elb_xml_read(&group_table, xml, len, a, ret, err);
}

bool elb_read_balancers(const char *xml, size_t len, struct arena *a, struct elb_page *ret,
                        struct err *err)
{
    return elb_xml_read(&balancer_table, xml, len, a, ret, err);
}

bool elb_read_attributes(const char *xml, size_t len, struct arena *a, struct list *ret,
                         struct err *err)
{
    struct elb_page page; /* the only one */
    if (!elb_xml_read(&attribute_table, xml, len, a, &page, err)) {
        return false;
    }
    *ret = page.items;
    return true;
}

bool elb_read_listeners(const char *xml, size_t len, struct arena *a, struct elb_page *ret,
                        struct err *err)
{
    return elb_xml_read(&listener_table, xml, len, a, ret, err);
}

bool elb_read_rules(const char *xml, size_t len, struct arena *a, struct elb_page *ret,
                    struct err *err)
{
    return elb_xml_read(&rule_table, xml, len, a, ret, err);
}

bool elb_read_sts(const char *xml, size_t len, struct aws_credentials *ret, struct err *err)
{
    AUTO_PTR(arena) a = arena_new(0);
    struct elb_page page;
    struct err first = {0};
    if (!elb_xml_read(&web_table, xml, len, a, &page, &first) &&
        !elb_xml_read(&role_table, xml, len, a, &page, err)) {
        return false;
    }
    const struct sts_row *row = LIST_AT(struct sts_row, page.items, 0); /* the result itself */
    if (!aws_credentials_set(ret, row->key_id, row->secret, row->token, err)) {
        return false;
    }
    return clock_parse(row->expires, strlen(row->expires), &ret->expires_at) ||
           err_set(err, ERR_REMOTE, "Expiration \"%.40s\" is no time", row->expires);
}
