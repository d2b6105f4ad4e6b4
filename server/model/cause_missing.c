/*
 * No gate where one belongs: an ip binding selects the pod, yet the pod has no gate for it. Why, in
 * this order: the namespace is not labelled (or wrongly), the live webhook excludes the pod, the
 * Service was moved to it later, the pod is older than binding, Service or label, the injector was
 * down. Gates are fixed at creation, so nothing here mends itself.
 *
 * While ELBv2 calls all of them healthy and no rollout is under way, a missing gate harms nobody
 * now: info. A label that is wrong bites at the next rollout all the same: warning.
 */
#include "model/cause_in.h"
#include "model/template.h"

#include <string.h>

enum {
    CREATED_TOGETHER_MS = 5 * SECOND_MS, /* the injector's cache, and times of whole seconds */
    WEBHOOK_CHANGE_MS = 5 * SECOND_MS
};

static const char *const inject_keys[2] = {"elbv2.k8s.aws/pod-readiness-gate-inject",
                                           "eks.amazonaws.com/pod-readiness-gate-inject"};
const char *inject_key(bool is_auto)
{
    return inject_keys[is_auto];
}

static const char lattice_prefix[] = "application-networking.k8s.aws/";

/* What is wrong with the pods of one binding. */
struct lack {
    const char *code;
    const char *object;
    bool likely;
    const char *a; /* for the text */
    const char *b;
    const char *field; /* evidence */
    const char *value;
    const char *on; /* object of the evidence */
};

/* ---- the namespace's label ---- */

/* A key that was meant to be the label. */
static const struct kv *meant(const struct kvs *kvs, const char *own)
{
    for (uint32_t i = 0; i < kvs->n; i++) {
        const char *key = kvs->items[i].key;
        if (strcmp(key, own) != 0 && strstr(key, "readiness-gate") != NULL &&
            strncmp(key, lattice_prefix, sizeof lattice_prefix - 1) != 0) {
            return &kvs->items[i];
        }
    }
    return NULL;
}

static void wrong(struct judge *j, struct lack *ret, const char *where, const struct kv *kv)
{
    ret->code = "gate_missing_wrong_label";
    ret->on = ret->object;
    ret->field = arena_printf(j->a, "%s %s", where, kv->key);
    ret->value = kv->value;
    ret->b = arena_printf(j->a, "%s %s=%s", where, kv->key, kv->value);
}

static bool family_serves(const struct judge *j, bool is_auto)
{
    enum kind kind = is_auto ? KIND_BINDING_AUTO : KIND_BINDING_LBC;
    for (uint32_t i = 0; i < j->f->ns->bindings.n; i++) {
        const struct facts_binding *fb = LIST_AT(struct facts_binding, j->f->ns->bindings, i);
        if (fb->binding->meta.kind == kind && binding_is_ip(fb)) {
            return true;
        }
    }
    return false;
}

/* The other family's key counts as wrong only where nothing of that family serves the namespace. */
static bool label_lack(struct judge *j, bool is_auto, const struct pod_sheet *p, struct lack *ret)
{
    const struct meta *ns = &j->f->ns->object->meta;
    const char *own = inject_keys[is_auto];
    const char *value = kvs_get(&ns->labels, own);
    const struct kv *other = meant(&ns->labels, own);
    if (other != NULL && strcmp(other->key, inject_keys[!is_auto]) == 0 &&
        family_serves(j, !is_auto)) {
        other = NULL;
    }
    const char *noted = kvs_get(&ns->annotations, own);
    const struct kv *on_pod = NULL;
    ret->object = object_of(j, "Namespace", j->sight->ns);
    ret->a = own;
    for (uint32_t i = 0; i < p->fp->pod->meta.labels.n && on_pod == NULL; i++) {
        const struct kv *kv = &p->fp->pod->meta.labels.items[i];
        on_pod = strcmp(kv->key, own) == 0 ? kv : NULL;
    }
    if (value != NULL) {
        wrong(j, ret, "label", &(struct kv){own, value});
    } else if (other != NULL) {
        wrong(j, ret, "label", other);
    } else if (noted != NULL || meant(&ns->annotations, own) != NULL) {
        const struct kv here = {own, noted};
        wrong(j, ret, "annotation", noted != NULL ? &here : meant(&ns->annotations, own));
    } else if (on_pod != NULL) {
        wrong(j, ret, "pods' label", on_pod);
    } else {
        ret->code = "gates_not_used";
        ret->on = ret->object;
        ret->field = arena_printf(j->a, "label %s", own);
        ret->value = "absent";
    }
    return true;
}

static const char *selector_text(struct judge *j, const struct selector *s)
{
    const char *text = "";
    for (uint32_t i = 0; i < s->labels.n; i++) {
        text = arena_printf(j->a, "%s%s%s=%s", text, text[0] != '\0' ? ", " : "",
                            s->labels.items[i].key, s->labels.items[i].value);
    }
    for (uint32_t i = 0; i < s->terms.n; i++) {
        const struct selector_term *t = LIST_AT(struct selector_term, s->terms, i);
        const char *values = "";
        for (uint32_t k = 0; k < t->values.n; k++) {
            values = arena_printf(j->a, "%s%s%s", values, k > 0 ? " " : "", t->values.items[k]);
        }
        text = arena_printf(j->a, "%s%s%s %s [%s]", text, text[0] != '\0' ? ", " : "", t->key,
                            t->op, values);
    }
    return text;
}

static void opted_out(struct judge *j, bool is_auto, const char *which, const struct selector *s,
                      struct lack *ret)
{
    ret->code = "gate_missing_opted_out";
    ret->object = j->sight->workload;
    ret->on = object_of(j, "MutatingWebhookConfiguration", j->sight->injector_configs[is_auto]);
    ret->field = arena_printf(j->a, "%s %s", j->sight->injectors[is_auto]->name, which);
    ret->value = selector_text(j, s);
    ret->a = which;
    ret->b = ret->value;
}

/* Would a pod made now be given the gate? Fills why not. */
static bool not_injected(struct judge *j, bool is_auto, const struct pod_sheet *p, struct lack *ret)
{
    const struct webhook *w = j->sight->injectors[is_auto];
    if (j->f->ns->object == NULL) {
        return false;
    }
    const struct kvs *labels = &j->f->ns->object->meta.labels;
    const char *value = kvs_get(labels, inject_keys[is_auto]);
    if (w == NULL) {
        bool enabled = value != NULL && strcmp(value, "enabled") == 0;
        return !enabled && label_lack(j, is_auto, p, ret);
    }
    if (w->namespace_selector.present == 1 && !selector_match(&w->namespace_selector, labels)) {
        bool labelled = value != NULL && strcmp(value, "enabled") == 0;
        if (webhook_asks_for(w, inject_keys[is_auto]) && !labelled) {
            return label_lack(j, is_auto, p, ret);
        }
        opted_out(j, is_auto, "namespaceSelector", &w->namespace_selector, ret);
        return true;
    }
    if (w->object_selector.present == 1 &&
        !selector_match(&w->object_selector, &p->fp->pod->meta.labels)) {
        opted_out(j, is_auto, "objectSelector", &w->object_selector, ret);
        return true;
    }
    return false;
}

/* ---- what happened when the pod was made ---- */

static bool made_before(const struct pod_sheet *p, int64_t at)
{
    return at != 0 && p->fp->pod->meta.created_at <= at + CREATED_TOGETHER_MS;
}

/* Was the injector without an endpoint when the pod was made, by our own record? */
static const struct facts_span *down_at(const struct judge *j, int64_t created_at)
{
    const struct list *spans = &j->f->cluster->injector_down;
    for (uint32_t i = 0; i < spans->n; i++) {
        const struct facts_span *s = LIST_AT(struct facts_span, *spans, i);
        if (created_at >= s->from - WEBHOOK_CHANGE_MS &&
            (s->to == 0 || created_at <= s->to + WEBHOOK_CHANGE_MS)) {
            return s;
        }
    }
    return NULL;
}

static void predates(struct judge *j, struct lack *ret, const char *what, int64_t at)
{
    char text[CLOCK_TEXT_SIZE];
    ret->code = "gate_missing_pod_predates_binding";
    ret->a = what;
    ret->b = arena_strdup(j->a, clock_format(at, text));
    ret->field = "made at";
    ret->value = ret->b;
    ret->on = what;
}

static bool predates_known(struct judge *j, const struct pod_sheet *p, const struct view *v,
                           struct lack *ret)
{
    const struct kube_binding *b = v->fb->binding;
    if (made_before(p, b->meta.created_at)) {
        predates(j, ret, v->object, b->meta.created_at);
        return true;
    }
    if (v->fb->service != NULL && made_before(p, v->fb->service->meta.created_at)) {
        predates(j, ret, object_of(j, "Service", v->fb->service->meta.name),
                 v->fb->service->meta.created_at);
        return true;
    }
    if (made_before(p, j->f->ns->label_seen_at)) {
        predates(j, ret, "the namespace's label", j->f->ns->label_seen_at);
        ret->field = "label seen at";
        ret->on = object_of(j, "Namespace", j->sight->ns);
        return true;
    }
    return false;
}

/* Neither binding nor label is known to be younger: what the pod's sisters tell. */
static void guess(struct judge *j, const struct pod_sheet *p, const struct view *v, bool is_auto,
                  struct lack *ret)
{
    int64_t created = p->fp->pod->meta.created_at;
    int64_t first = v->first_gated_at;
    const struct webhook *w = j->sight->injectors[is_auto];
    bool may_fail = w != NULL && strcmp(w->failure_policy, "Ignore") == 0;
    bool label_first = (first != 0 && first < created) ||
                       (j->f->ns->label_seen_at == 0 && created >= j->f->cluster->started_at);
    ret->likely = true;
    if (may_fail && label_first) {
        ret->code = "gate_missing_injection_failed";
        ret->on = object_of(j, "MutatingWebhookConfiguration", j->sight->injector_configs[is_auto]);
        ret->field = "failurePolicy";
        ret->value = w->failure_policy;
    } else if (w != NULL && !label_first && (first == 0 || first > created)) {
        ret->code = "gate_missing_pod_predates_binding";
        ret->a = "the namespace's label";
        ret->b = "an unknown time";
        ret->on = object_of(j, "Namespace", j->sight->ns);
        ret->field = arena_printf(j->a, "label %s", inject_keys[is_auto]);
        ret->value = "there now; since when is not known";
    }
}

static void history_lack(struct judge *j, const struct pod_sheet *p, const struct view *v,
                         bool is_auto, struct lack *ret)
{
    const struct facts_span *down = down_at(j, p->fp->pod->meta.created_at);
    if (has_hash_selector(v->fb->service)) {
        ret->code = "gate_missing_selector_moved";
        ret->on = object_of(j, "Service", v->fb->service->meta.name);
        ret->field = "selector";
        ret->value =
            selector_text(j, &(struct selector){.present = 1, .labels = v->fb->service->selector});
        return;
    }
    if (predates_known(j, p, v, ret)) {
        return;
    }
    if (down != NULL && !is_auto) {
        char text[CLOCK_TEXT_SIZE];
        ret->code = "gate_missing_injection_failed";
        ret->on = object_of(j, "MutatingWebhookConfiguration", j->sight->injector_configs[0]);
        bool gone = down->to == 0 && j->f->cluster->injector_service_missing;
        ret->field = gone ? "its Service does not exist, since" : "no ready endpoint since";
        ret->value = arena_strdup(j->a, clock_format(down->from, text));
        return;
    }
    guess(j, p, v, is_auto, ret);
}

/* ---- all together ---- */

/* Injector and controller pass a binding by that has none. */
static void no_type(const struct view *v, struct lack *ret)
{
    ret->on = v->object;
    ret->field = "spec.targetType";
    ret->value = "not set";
    ret->b = "the binding's spec.targetType is not set, so neither the webhook nor the controller "
             "heeds it";
    ret->a = "Set spec.targetType to ip in the binding (the controller's webhook does, if it is up "
             "when the binding is made), then restart the workload.";
}

/* No reason was found, and there is no webhook, or none that may be read. */
static void no_webhook(const struct judge *j, struct lack *ret)
{
    ret->on = "MutatingWebhookConfiguration";
    ret->field = "webhook on /mutate-v1-pod";
    if (kind_denied(j, "mutatingwebhookconfigurations")) {
        ret->value = "may not be read";
        ret->b = "what can be read gives no reason, and webhook configurations cannot be read";
        return;
    }
    ret->value = "none in this cluster";
    ret->b = "no webhook of this cluster sets gates";
    ret->a = "See whether the controller runs with --enable-pod-readiness-gate-inject=true and its "
             "chart's webhooks are installed, then restart the workload.";
}

static struct lack why(struct judge *j, const struct pod_sheet *p, const struct view *v)
{
    bool is_auto = v->fb->binding->meta.kind == KIND_BINDING_AUTO;
    struct lack lack = {.code = "gate_missing",
                        .object = v->object,
                        .a = is_auto ? "Restart the workload and see whether the new pods have the "
                                       "gate; if not, ask AWS."
                                     : "Restart the workload and see whether the new pods have the "
                                       "gate; if not, read the controller's log.",
                        .b = "none of the known reasons holds (label, selectors, age of binding "
                             "and Service, state of the webhook)",
                        .field = "creationTimestamp",
                        .value = ""};
    if (v->fb->binding->target_type[0] == '\0') {
        no_type(v, &lack);
        return lack;
    }
    if (!not_injected(j, is_auto, p, &lack)) {
        history_lack(j, p, v, is_auto, &lack);
    }
    bool unseen = j->sight->injectors[is_auto] == NULL &&
                  (!is_auto || kind_denied(j, "mutatingwebhookconfigurations"));
    if (unseen && strcmp(lack.code, "gate_missing") == 0) {
        no_webhook(j, &lack);
    }
    return lack;
}

static bool healthy_by_elb(const struct pod_binding *pb)
{
    return elb_word_of(pb) == ELB_HEALTHY;
}

static enum severity severity_of(const struct judge *j, const struct lack *l,
                                 const struct pod_binding *pb)
{
    bool at_rest = j->v->complete && !j->waiting;
    bool bites = strcmp(l->code, "gate_missing_wrong_label") == 0;
    return !bites && at_rest && healthy_by_elb(pb) ? SEVERITY_INFO : SEVERITY_WARNING;
}

static void lack_evidence(struct judge *j, struct finding *f, const struct lack *l,
                          const struct pod_sheet *p, const struct view *v)
{
    char text[CLOCK_TEXT_SIZE];
    if (f->evidence.n == 0 && l->value[0] != '\0') {
        finding_evidence(j, f, l->on, l->field, "%s", l->value);
    }
    if (!wants_evidence(f)) {
        return;
    }
    finding_evidence(j, f, object_of(j, "Pod", p->fp->pod->meta.name), "readinessGates",
                     "none for %s; made %s", v->name,
                     clock_format(p->fp->pod->meta.created_at, text));
}

static void claim_lack(struct judge *j, struct pod_sheet *p, const struct pod_binding *pb)
{
    const struct view *v = view_of(j, p, pb);
    const struct lack lack = why(j, p, v);
    const struct lack *l = &lack;
    struct finding *f = claim_pod(j, p,
                                  &(struct claim){.code = l->code,
                                                  .object = l->object,
                                                  .severity = severity_of(j, l, pb),
                                                  .likely = l->likely,
                                                  .since = p->track->ready_at,
                                                  .view = v,
                                                  .a = l->a,
                                                  .b = l->b});
    lack_evidence(j, f, l, p, v);
}

/* Instance targets have no gates: worth a word only where somebody asked for gates. */
static void claim_instance(struct judge *j, struct pod_sheet *p, const struct pod_binding *pb)
{
    const struct view *v = view_of(j, p, pb);
    bool is_auto = v->fb->binding->meta.kind == KIND_BINDING_AUTO;
    const char *value = j->f->ns->object != NULL
                            ? kvs_get(&j->f->ns->object->meta.labels, inject_keys[is_auto])
                            : NULL;
    if (value == NULL || strcmp(v->fb->binding->target_type, "instance") != 0) {
        return;
    }
    struct finding *f = claim_pod(j, p,
                                  &(struct claim){.code = "gate_missing_target_type",
                                                  .object = v->object,
                                                  .severity = SEVERITY_INFO,
                                                  .since = p->track->ready_at,
                                                  .view = v,
                                                  .a = "",
                                                  .b = ""});
    if (f->evidence.n == 0) {
        finding_evidence(j, f, v->object, "spec.targetType", "instance");
    }
}

void causes_missing(struct judge *j)
{
    for (uint32_t i = 0; i < j->n_pods; i++) {
        struct pod_sheet *p = &j->pods[i];
        for (uint32_t k = 0; is_live(p) && p->ready && k < p->n_near; k++) {
            const struct pod_binding *pb = p->near[k];
            if (pb->wants_gate && !pb->gated) {
                claim_lack(j, p, pb);
            } else if (pb->selects && !pb->ip) {
                claim_instance(j, p, pb);
            }
        }
    }
}
