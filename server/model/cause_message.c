/*
 * What a warning of the controller says: which cause its words stand for, and what to do about it.
 * AWS, Go and the controller word their errors for themselves, so a part of the text is matched;
 * API names case-sensitively, since RegisterTargets ends DeregisterTargets.
 */
#include "model/cause_in.h"

#include <string.h>

static bool has(const char *text, const char *part)
{
    return strstr(text, part) != NULL;
}

/* "operation error Elastic Load Balancing v2: RegisterTargets, ..." and
 * "not authorized to perform: elasticloadbalancing:RegisterTargets on ...". */
bool message_names(struct judge *j, const char *message, const char *action)
{
    return has(message, arena_printf(j->a, ":%s", action)) ||
           has(message, arena_printf(j->a, ": %s", action));
}

bool message_denied(const char *m)
{
    return has(m, "AccessDenied") || has(m, "not authorized") || has(m, "UnauthorizedOperation");
}

bool message_throttled(const char *m)
{
    return has(m, "Throttling") || has(m, "Rate exceeded") || has(m, "RequestLimitExceeded") ||
           has(m, "TooManyRequests");
}

/* The controller cannot sign its calls at all. The call that failed is named too, and its denial is
 * the role's, not the action's: so this is asked first. */
bool message_no_identity(const char *m)
{
    return has(m, "AssumeRole") || has(m, "failed to retrieve credentials") ||
           has(m, "failed to refresh cached credentials") || has(m, "get credentials:") ||
           has(m, "NoCredentialProviders") || has(m, "InvalidClientTokenId") ||
           has(m, "UnrecognizedClientException") || has(m, "ExpiredToken") ||
           has(m, "SignatureDoesNotMatch");
}

/* What a FailedReconcile says; code NULL = the controller's sections read it. */
struct fault message_fault(struct judge *j, const char *m)
{
    if (has(m, "cannot patch resource \"pods/status\"")) {
        return (struct fault){"controller_cannot_patch_pods", HOLDS_WAITING, true};
    }
    if (message_throttled(m)) {
        return (struct fault){NULL, HOLDS_WAITING, false};
    }
    if (message_no_identity(m)) {
        return (struct fault){"controller_credentials", HOLDS_WAITING, true};
    }
    if (message_denied(m)) {
        if (message_names(j, m, "RegisterTargets")) {
            return (struct fault){"register_denied", HOLDS_UNREGISTERED, true};
        }
        if (message_names(j, m, "DeregisterTargets")) {
            return (struct fault){"deregister_denied", HOLDS_UNREGISTERED, true};
        }
        if (message_names(j, m, "DescribeTargetHealth")) {
            return (struct fault){"describe_denied", HOLDS_WAITING, true};
        }
    }
    if (has(m, "TargetGroupNotFound") || has(m, "is not a valid target group ARN")) {
        return (struct fault){"target_group_gone", HOLDS_WAITING, true};
    }
    if (has(m, "TooManyTargets") || has(m, "TooManyRegistrationsForTargetId") ||
        has(m, "TooManyUniqueTargetGroups")) {
        return (struct fault){"register_quota_exceeded", HOLDS_UNREGISTERED, true};
    }
    if (has(m, "is not a valid IPv6 address") || has(m, "is not a valid IPv4 address") ||
        has(m, "not a valid IPv6") || has(m, "not a valid IPv4")) {
        return (struct fault){"register_address_family", HOLDS_UNREGISTERED, true};
    }
    return (struct fault){"register_failed", HOLDS_UNREGISTERED, false};
}

const char *cause_of_reconcile(struct judge *j, const char *message)
{
    return message_fault(j, message).code;
}

#define VPC_HINT                                                                                   \
    "The group's VPC and the pods' addresses do not go together: see spec.vpcID of the binding, "  \
    "and that the pods' subnets belong to that VPC."

/* What to do about messages that AWS and Go word for themselves; "" = read it. */
static const char *hint_of(const char *m)
{
    static const struct {
        const char *part;
        const char *hint;
    } hints[] = {
        {"Instance ID '", "The target group is of type instance, the binding of type ip: make a "
                          "target group of type ip, and the binding anew for it."},
        {"i/o timeout", "The controller cannot reach the API of AWS: see its way there (NAT or VPC "
                        "endpoint, DNS, security groups)."},
        {"no such host", "The controller cannot resolve the API of AWS: see its DNS and VPC "
                         "endpoint."},
        {"connection refused", "The controller cannot reach the API of AWS: see its way there (NAT "
                               "or VPC endpoint, proxy)."},
        {"context deadline exceeded", "The controller gets no answer from AWS in time: see its way "
                                      "there (NAT or VPC endpoint, DNS, security groups)."},
        {"AccessDenied", "Allow the action it names in the policy of the controller's IAM role."},
        {"is not in the VPC", VPC_HINT},
        {"is outside the VPC", VPC_HINT},
        {"is within the VPC", VPC_HINT},
        {"service type must be either", "The target group is of type instance and needs node "
                                        "ports: make the Service one of type NodePort, or the "
                                        "group one of type ip."},
        {"targetType is not specified", "Set spec.targetType in the binding; the controller's "
                                        "webhook does, if it is up when the binding is made."},
        {"not in a running state", "Targets of stopped instances cannot be registered: see what "
                                   "became of the nodes."},
    };
    for (size_t i = 0; i < sizeof hints / sizeof hints[0]; i++) {
        if (has(m, hints[i].part)) {
            return hints[i].hint;
        }
    }
    return "";
}

/* Of a missing identity: whom to ask. */
static const char *credentials_hint(const char *m)
{
    if (has(m, "AssumeRoleWithWebIdentity") || has(m, "WebIdentityErr")) {
        return "The role's trust policy must name the cluster's OIDC provider and this service "
               "account.";
    }
    if (has(m, "sts:AssumeRole ") || has(m, "STS: AssumeRole,")) {
        return "The controller's role needs sts:AssumeRole on the role that the binding names, and "
               "that role must trust it.";
    }
    return "Its service account needs the annotation eks.amazonaws.com/role-arn or a pod identity "
           "association, and the controller a restart after it.";
}

const char *cause_hint(const char *code, const char *message)
{
    return strcmp(code, "controller_credentials") == 0 ? credentials_hint(message)
           : strcmp(code, "register_failed") == 0      ? hint_of(message)
                                                       : "";
}

/* The part of the message after the controller's own words. */
const char *message_error(const char *message)
{
    static const char start[] = "due to ";
    const char *at = strstr(message, start);
    return at != NULL ? at + sizeof start - 1 : message;
}
