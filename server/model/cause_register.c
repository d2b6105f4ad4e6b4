/*
 * Registration fails: what the newest warning of a binding says, held against the objects. A
 * warning is a hint: it counts while some pod of the binding waits in the way it explains, and it
 * came after that pod was ready, or the pod has waited for long and nothing moved since. API names
 * are matched case-sensitively, since RegisterTargets ends DeregisterTargets.
 *
 * Controllers before v3.1.0 write no such events: then cause_controller.c infers what it can.
 */
#include "model/cause_in.h"

#include <string.h>

enum { SILENT_RECHECKS = 2, CLEANUP_GRACE = 2 * MINUTE_MS };

/* Which pods a fault of this kind holds. */
enum holds {
    HOLDS_UNREGISTERED, /* no condition yet, or not registered by ELBv2's word */
    HOLDS_WAITING       /* any whose gate is not open */
};

struct fault {
    const char *code;
    enum holds holds;
    bool at_once; /* the message is proof: no need to wait for a second one */
};

static bool has(const char *text, const char *part)
{
    return strstr(text, part) != NULL;
}

/* "operation error Elastic Load Balancing v2: RegisterTargets, ..." and
 * "not authorized to perform: elasticloadbalancing:RegisterTargets on ...". */
static bool names_action(struct judge *j, const char *message, const char *action)
{
    return has(message, arena_printf(j->a, ":%s", action)) ||
           has(message, arena_printf(j->a, ": %s", action));
}

static bool is_denied(const char *m)
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
static bool no_credentials(const char *m)
{
    return has(m, "AssumeRole") || has(m, "failed to retrieve credentials") ||
           has(m, "failed to refresh cached credentials") || has(m, "get credentials:") ||
           has(m, "NoCredentialProviders") || has(m, "InvalidClientTokenId") ||
           has(m, "UnrecognizedClientException") || has(m, "ExpiredToken") ||
           has(m, "SignatureDoesNotMatch");
}

/* What a FailedReconcile says; code NULL = the controller's sections read it. */
static struct fault fault_of(struct judge *j, const char *m)
{
    if (has(m, "cannot patch resource \"pods/status\"")) {
        return (struct fault){"controller_cannot_patch_pods", HOLDS_WAITING, true};
    }
    if (message_throttled(m)) {
        return (struct fault){NULL, HOLDS_WAITING, false};
    }
    if (no_credentials(m)) {
        return (struct fault){"controller_credentials", HOLDS_WAITING, true};
    }
    if (is_denied(m)) {
        if (names_action(j, m, "RegisterTargets")) {
            return (struct fault){"register_denied", HOLDS_UNREGISTERED, true};
        }
        if (names_action(j, m, "DeregisterTargets")) {
            return (struct fault){"deregister_denied", HOLDS_UNREGISTERED, true};
        }
        if (names_action(j, m, "DescribeTargetHealth")) {
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
    return fault_of(j, message).code;
}

/* ---- which pods ---- */

static bool unregistered(const struct judge *j, const struct pod_sheet *p, const struct pod_gate *g)
{
    switch (fresh_word(j, p, g)) {
    case ELB_ABSENT:
        return true;
    case ELB_UNKNOWN:
        return g->status == GATE_ABSENT;
    case ELB_HEALTHY:
    case ELB_REGISTERING:
    case ELB_CHECKING:
    case ELB_BAD:
        break;
    }
    return false;
}

/* The pod waits in the way the fault explains; an open gate too, when its target is gone. */
static bool is_held(const struct judge *j, const struct pod_sheet *p, const struct pod_gate *g,
                    enum holds holds)
{
    if (!gate_can_open(g) || !p->containers_ready) {
        return false;
    }
    if (g->status == GATE_OPEN) {
        return holds == HOLDS_UNREGISTERED && !gate_forced_open(g) &&
               fresh_word(j, p, g) == ELB_ABSENT &&
               g->pb->fb->group->observed_at > track_of_gate(p, g)->changed_at;
    }
    return holds == HOLDS_WAITING || unregistered(j, p, g);
}

/* Did the warning come while this pod could already be acted on? Else it needs a long silence. */
static bool explains(struct judge *j, const struct pod_sheet *p, const struct pod_gate *g,
                     const struct kube_event *e, bool at_once)
{
    int64_t since = actable_since(p, g->pb);
    int64_t recheck = j->f->policy->recheck_ms;
    int64_t quiet = since + (at_once ? 0 : recheck);
    if (event_at(e) + SECOND_MS - 1 >= since && j->sight->now >= quiet) {
        return true;
    }
    int64_t patience = since + SILENT_RECHECKS * recheck;
    if (j->sight->now >= patience) {
        return true;
    }
    judge_look_at(j, event_at(e) + SECOND_MS - 1 >= since ? quiet : patience);
    return false;
}

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
static const char *error_text(const char *message)
{
    static const char start[] = "due to ";
    const char *at = strstr(message, start);
    return at != NULL ? at + sizeof start - 1 : message;
}

static void hold(struct judge *j, struct pod_sheet *p, const struct pod_gate *g,
                 const struct fault *fault)
{
    struct view *v = view_of(j, p, g->pb);
    const struct kube_event *e = v->reconcile;
    bool since_ready = event_at(e) + SECOND_MS - 1 >= actable_since(p, g->pb);
    struct finding *f = claim_pod(j, p,
                                  &(struct claim){.code = fault->code,
                                                  .object = v->object,
                                                  .severity = SEVERITY_ERROR,
                                                  .likely = !since_ready,
                                                  .since = actable_since(p, g->pb),
                                                  .view = v,
                                                  .a = error_text(e->message),
                                                  .b = cause_hint(fault->code, e->message)});
    if (strcmp(fault->code, "controller_credentials") == 0 && !is_denied(e->message)) {
        f->terminal = false; /* the node's metadata service may come back */
    }
    v->blocked++;
    if (f->evidence.n == 0) {
        event_evidence(j, f, e);
    }
    if (wants_evidence(f)) {
        finding_evidence(j, f, object_of(j, "Pod", p->fp->pod->meta.name),
                         arena_printf(j->a, "condition %s", g->type), "%s",
                         g->condition == NULL ? "does not exist" : g->condition->status);
    }
}

static void look_at_gate(struct judge *j, struct pod_sheet *p, const struct pod_gate *g)
{
    struct view *v = view_of(j, p, g->pb);
    const struct kube_event *e = event_live(j, v, v->reconcile);
    if (e == NULL || v->fb->group->gone) {
        return;
    }
    struct fault fault = fault_of(j, e->message);
    if (fault.code != NULL && is_held(j, p, g, fault.holds) &&
        explains(j, p, g, e, fault.at_once)) {
        hold(j, p, g, &fault);
    }
}

/* ---- the group is gone, by our own poll ---- */

static void group_gone(struct judge *j, struct pod_sheet *p, const struct pod_binding *pb)
{
    struct view *v = view_of(j, p, pb);
    if (!v->fb->group->gone || !p->containers_ready || pod_binding_frozen(pb)) {
        return;
    }
    struct finding *f = claim_pod(j, p,
                                  &(struct claim){.code = "target_group_gone",
                                                  .object = v->object,
                                                  .severity = SEVERITY_ERROR,
                                                  .view = v,
                                                  .a = "ELBv2 does not know it",
                                                  .b = v->fb->binding->arn});
    v->blocked++;
    if (f->evidence.n == 0) {
        finding_evidence(j, f, arena_printf(j->a, "TargetGroup/%s", v->fb->binding->arn), "error",
                         "TargetGroupNotFound");
    }
}

/* ---- the Service's named port ---- */

/* The pod's address is in a slice without the port, since no container has one of that name. */
static void port_missing(struct judge *j, struct pod_sheet *p, const struct pod_binding *pb)
{
    const struct service_port *sp = service_port_of(pb->fb);
    if (!pb->selects || pb->port != 0 || sp == NULL || pb->endpoint == NULL ||
        !p->containers_ready) {
        return;
    }
    struct view *v = view_of(j, p, pb);
    struct finding *f =
        claim_pod(j, p,
                  &(struct claim){.code = "target_port_missing",
                                  .object = v->object,
                                  .severity = SEVERITY_ERROR,
                                  .since = actable_since(p, pb),
                                  .view = v,
                                  .a = arena_printf(j->a, "port %lld", (long long)sp->port),
                                  .b = sp->target_port});
    v->blocked++;
    if (f->evidence.n == 0) {
        finding_evidence(j, f, object_of(j, "Service", v->fb->service->meta.name),
                         "spec.ports targetPort", "%s", sp->target_port);
    }
    if (wants_evidence(f)) {
        finding_evidence(j, f, object_of(j, "Pod", p->fp->pod->meta.name), "containers' ports",
                         "none named %s", sp->target_port);
    }
}

/* ---- the binding cannot be cleaned up ---- */

static const char *cleanup_message(const struct view *v)
{
    const struct condition *c = condition_get(&v->fb->binding->conditions, "Ready");
    if (c != NULL && strcmp(c->status, "False") == 0 && strcmp(c->reason, "FailedCleanup") == 0) {
        return c->message;
    }
    return v->cleanup != NULL ? v->cleanup->message : NULL;
}

static void claim_deregister(struct judge *j, struct view *v, const char *message)
{
    struct finding *f = claim_object(j, &(struct claim){.code = "deregister_denied",
                                                        .object = v->object,
                                                        .severity = SEVERITY_ERROR,
                                                        .view = v,
                                                        .a = error_text(message),
                                                        .b = v->fb->binding->arn});
    if (f->evidence.n == 0) {
        finding_evidence(j, f, v->object, "condition Ready", "%.600s", message);
    }
}

/* Deletion begins now minus grace; bindings have none. */
void cause_cleanup(struct judge *j, struct view *v, bool waiting)
{
    const struct meta *meta = &v->fb->binding->meta;
    const char *message = meta->deleted_at != 0 ? cleanup_message(v) : NULL;
    bool late = meta->deleted_at != 0 && j->sight->now - meta->deleted_at >= CLEANUP_GRACE;
    if (meta->deleted_at != 0 && message == NULL && !late) {
        judge_look_at(j, meta->deleted_at + CLEANUP_GRACE);
    }
    if (message == NULL && !late) {
        return;
    }
    bool denied = message != NULL && is_denied(message);
    struct finding *f = claim_object(
        j, &(struct claim){.code = "binding_cleanup_failing",
                           .object = v->object,
                           .severity = waiting ? SEVERITY_ERROR : SEVERITY_WARNING,
                           .likely = message == NULL,
                           .since = meta->deleted_at,
                           .view = v,
                           .a = message != NULL ? error_text(message) : "no reason is given",
                           .b = ""});
    f->terminal = denied;
    if (f->evidence.n == 0) {
        finding_evidence(j, f, v->object, "metadata.deletionTimestamp", "set, still there");
        finding_evidence(j, f, v->object, "condition Ready", "%.600s",
                         message != NULL ? message : "no reason given");
    }
    if (denied && names_action(j, message, "DeregisterTargets")) {
        claim_deregister(j, v, message);
    }
}

static void cleanup_pods(struct judge *j, struct view *v)
{
    for (uint32_t i = 0; i < j->n_pods; i++) {
        struct pod_sheet *p = &j->pods[i];
        for (uint32_t k = 0; is_live(p) && k < p->n_gates; k++) {
            const struct pod_gate *g = &p->gates[k];
            if (g->pb == NULL || g->pb->fb != v->fb || g->status == GATE_OPEN) {
                continue;
            }
            finding_pod(j, judge_finding(j, "binding_cleanup_failing", v->object), p);
            if (claimed(j, "deregister_denied", v->object) != NULL) {
                finding_pod(j, judge_finding(j, "deregister_denied", v->object), p);
            }
            v->blocked++;
        }
    }
}

/* ---- security group rules ---- */

/* Registration and gates go on without the rules, so they matter where targets stay unhealthy on
 * the network. */
static bool on_network(const struct judge *j, const struct pod_sheet *p,
                       const struct pod_binding *pb)
{
    const struct pod_gate *g = pod_gate_of(p, pb);
    const char *reason = "";
    enum elb_word word = g != NULL ? fresh_word(j, p, g) : elb_word_of(pb);
    if (word == ELB_BAD && pb->target != NULL) {
        reason = pb->target->t.reason;
    } else if (word == ELB_UNKNOWN && g != NULL && g->status == GATE_CLOSED) {
        reason = g->condition->reason;
    }
    return strcmp(reason, "Target.Timeout") == 0 ||
           strcmp(reason, "Target.FailedHealthChecks") == 0;
}

static void claim_network(struct judge *j, struct view *v, const struct kube_event *e,
                          struct pod_sheet *p)
{
    bool ambiguous = has(e->message, "exactly one securityGroup tagged") ||
                     has(e->message, "exactly one security group tagged");
    struct claim c = {.code = ambiguous ? "security_group_ambiguous" : "network_reconcile_failed",
                      .object = v->object,
                      .severity = p != NULL ? SEVERITY_ERROR : SEVERITY_WARNING,
                      .since = e->first_at,
                      .view = v,
                      .a = e->message,
                      .b = ""};
    struct finding *f = p != NULL ? claim_pod(j, p, &c) : claim_object(j, &c);
    f->aside = p == NULL && f->pods == 0;
    if (f->evidence.n == 0) {
        event_evidence(j, f, e);
    }
}

void cause_network(struct judge *j, struct view *v)
{
    const struct kube_event *e = v->network;
    if (e == NULL || j->sight->now - event_at(e) > EVENT_RATION_MS) {
        return;
    }
    /* A pass that left nothing to do writes the checkpoint: the rules were written too. */
    const char *checkpoint = kvs_get(&v->fb->binding->meta.annotations, "elbv2.k8s.aws/checkpoint");
    if (checkpoint != NULL && checkpoint[0] != '\0' && v->acted_at > event_at(e) + SECOND_MS) {
        return;
    }
    judge_look_at(j, event_at(e) + EVENT_RATION_MS + 1);
    claim_network(j, v, e, NULL);
    for (uint32_t i = 0; i < j->n_pods; i++) {
        struct pod_sheet *p = &j->pods[i];
        for (uint32_t k = 0; is_live(p) && p->containers_ready && k < p->n_near; k++) {
            const struct pod_binding *pb = p->near[k];
            if (pb->fb == v->fb && pod_binding_applies(pb) && on_network(j, p, pb)) {
                claim_network(j, v, e, p);
            }
        }
    }
}

/* ---- all together ---- */

static bool is_near(const struct judge *j, uint32_t i)
{
    for (uint32_t k = 0; k < j->n_pods; k++) {
        const struct pod_sheet *p = &j->pods[k];
        if (is_live(p) && (p->bindings[i].selects || p->bindings[i].gated)) {
            return true;
        }
    }
    return false;
}

void causes_register(struct judge *j)
{
    for (uint32_t i = 0; i < j->n_pods; i++) {
        struct pod_sheet *p = &j->pods[i];
        for (uint32_t k = 0; is_live(p) && k < p->n_gates; k++) {
            if (p->gates[k].pb != NULL) {
                look_at_gate(j, p, &p->gates[k]);
            }
        }
        for (uint32_t k = 0; is_live(p) && k < p->n_near; k++) {
            if (pod_binding_applies(p->near[k])) {
                group_gone(j, p, p->near[k]);
                port_missing(j, p, p->near[k]);
            }
        }
    }
    for (uint32_t i = 0; i < j->sight->n_views; i++) {
        struct view *v = &j->sight->views[i];
        bool concerns = v->network != NULL || v->fb->binding->meta.deleted_at != 0;
        if (!concerns || !is_near(j, i)) {
            continue;
        }
        uint32_t before = j->n_findings;
        cause_cleanup(j, v, v->waiting > 0);
        if (j->n_findings != before) {
            cleanup_pods(j, v);
        }
        cause_network(j, v);
    }
}
