/*
 * The rollout itself, what surrounds it, our own sources, and at last what nothing explains.
 *
 * A passed deadline is a fact beside its cause. Budgets and autoscalers feel closed gates and cause
 * none: never primary. What stays unexplained says what was looked at.
 */
#include "model/cause_in.h"

#include <string.h>

static bool is_kind(const struct judge *j, const char *kind)
{
    return strcmp(j->f->kind, kind) == 0;
}

static bool all_serve(const struct judge *j)
{
    return j->v->complete && !j->waiting;
}

/* ---- the workload's own controller ---- */

static void deadline(struct judge *j)
{
    const struct kube_workload *w = j->f->workload;
    const struct condition *c = w != NULL ? condition_get(&w->conditions, "Progressing") : NULL;
    if (!j->deadline_passed || c == NULL || all_serve(j) || strcmp(c->status, "False") != 0 ||
        strcmp(c->reason, "ProgressDeadlineExceeded") != 0) {
        return;
    }
    struct finding *f = claim_object(j, &(struct claim){.code = "progress_deadline_exceeded",
                                                        .object = j->sight->workload,
                                                        .severity = SEVERITY_ERROR,
                                                        .since = c->transition_at,
                                                        .a = c->message,
                                                        .b = ""});
    finding_evidence(j, f, j->sight->workload, "condition Progressing", "%s %s: %.500s", c->status,
                     c->reason, c->message);
}

/* Argo's own verdict: an analysis failed, somebody aborted, or the spec is invalid. */
static void aborted(struct judge *j)
{
    const struct kube_workload *w = j->f->workload;
    if (!is_kind(j, "Rollout") || w == NULL || !j->deadline_passed || all_serve(j)) {
        return;
    }
    const struct condition *invalid = condition_get(&w->conditions, "InvalidSpec");
    bool is_invalid = invalid != NULL && strcmp(invalid->status, "True") == 0;
    if (w->abort != 1 && !is_invalid) {
        return;
    }
    const struct condition *c = is_invalid ? invalid : condition_get(&w->conditions, "Progressing");
    struct finding *f =
        claim_object(j, &(struct claim){.code = "rollout_aborted",
                                        .object = j->sight->workload,
                                        .severity = SEVERITY_ERROR,
                                        .since = c != NULL ? c->transition_at : 0,
                                        .a = is_invalid ? invalid->message : w->phase_message,
                                        .b = ""});
    finding_evidence(j, f, j->sight->workload, is_invalid ? "condition InvalidSpec" : "status",
                     "%s: %.500s", is_invalid ? "True" : "abort",
                     is_invalid ? invalid->message : w->phase_message);
}

static void paused(struct judge *j)
{
    const struct kube_workload *w = j->f->workload;
    if (w == NULL || (w->paused != 1 && w->pause_conditions.n == 0)) {
        return;
    }
    if (claimed(j, "rollout_aborted", NULL) != NULL) {
        return; /* to resume is no advice for what was given up */
    }
    const struct pause_condition *p =
        w->pause_conditions.n > 0 ? LIST_AT(struct pause_condition, w->pause_conditions, 0) : NULL;
    struct finding *f = claim_object(j, &(struct claim){.code = "rollout_paused",
                                                        .object = j->sight->workload,
                                                        .severity = SEVERITY_INFO,
                                                        .since = p != NULL ? p->start_at : 0,
                                                        .a = p != NULL ? p->reason : "spec.paused",
                                                        .b = is_kind(j, "Rollout") ? "argo" : ""});
    finding_evidence(j, f, j->sight->workload, p != NULL ? "status.pauseConditions" : "spec.paused",
                     "%s", p != NULL ? p->reason : "true");
}

/* ---- closed gates felt elsewhere ---- */

static bool closed_only_by_gate(const struct pod_sheet *p)
{
    return is_live(p) && p->containers_ready && !p->ready && p->n_gates > 0;
}

static void budget(struct judge *j, const struct kube_pdb *pdb)
{
    if (pdb->disruptions_allowed != 0 || pdb->expected_pods == 0) {
        return;
    }
    int64_t closed = 0;
    enum severity worst = SEVERITY_INFO;
    for (uint32_t i = 0; i < j->n_pods; i++) {
        const struct pod_sheet *p = &j->pods[i];
        if (closed_only_by_gate(p) && selector_match(&pdb->selector, &p->fp->pod->meta.labels)) {
            closed++;
            worst = severity_of_pace(p) > worst ? severity_of_pace(p) : worst;
        }
    }
    if (closed == 0 || pdb->current_healthy + closed <= pdb->desired_healthy) {
        return; /* open gates would not help */
    }
    const char *object = object_of(j, "PodDisruptionBudget", pdb->meta.name);
    struct finding *f = claim_object(
        j, &(struct claim){.code = "budget_blocks_eviction",
                           .object = object,
                           .severity = worst == SEVERITY_INFO ? SEVERITY_INFO : SEVERITY_WARNING,
                           .a = pdb->meta.name,
                           .b = arena_printf(j->a, "%lld", (long long)closed)});
    f->aside = true;
    finding_evidence(j, f, object, "status", "disruptionsAllowed 0, healthy %lld of %lld wanted",
                     (long long)pdb->current_healthy, (long long)pdb->desired_healthy);
    finding_evidence(j, f, j->sight->workload, "pods ready but for a gate", "%lld",
                     (long long)closed);
}

static void autoscaler(struct judge *j, const struct kube_hpa *h)
{
    if (strcmp(h->target_kind, j->f->kind) != 0 || strcmp(h->target_name, j->f->name) != 0) {
        return;
    }
    int64_t closed = 0;
    int64_t ready = 0;
    for (uint32_t i = 0; i < j->n_pods; i++) {
        closed += closed_only_by_gate(&j->pods[i]);
        ready += is_live(&j->pods[i]) && j->pods[i].ready;
    }
    if (closed == 0 || h->desired_replicas <= ready) {
        return;
    }
    const char *object = object_of(j, "HorizontalPodAutoscaler", h->meta.name);
    struct finding *f =
        claim_object(j, &(struct claim){.code = "autoscaler_waits",
                                        .object = object,
                                        .severity = SEVERITY_INFO,
                                        .a = h->meta.name,
                                        .b = arena_printf(j->a, "%lld", (long long)closed)});
    f->aside = true;
    finding_evidence(j, f, object, "status", "replicas %lld, desired %lld, ready %lld",
                     (long long)h->current_replicas, (long long)h->desired_replicas,
                     (long long)ready);
}

/* ---- a clustered app that waits for itself ---- */

/* A headless Service of these pods that hides them until they are ready. */
static const struct kube_service *peer_service(const struct judge *j, const struct pod_sheet *p)
{
    for (uint32_t i = 0; i < j->f->ns->services.n; i++) {
        const struct kube_service *s = LIST_AT(struct kube_service, j->f->ns->services, i);
        if (strcmp(s->cluster_ip, "None") == 0 && s->publish_not_ready != 1 &&
            kvs_subset(&s->selector, &p->fp->pod->meta.labels)) {
            return s;
        }
    }
    return NULL;
}

/* An answer such as 404 comes from an app that has started. */
static bool may_wait_for_peers(const struct judge *j, const struct pod_sheet *p)
{
    if (!p->containers_ready) {
        return claimed(j, "probe_failing", NULL) != NULL || claimed(j, "crash_loop", NULL) != NULL;
    }
    for (uint32_t i = 0; i < p->n_gates; i++) {
        const struct pod_gate *g = &p->gates[i];
        const struct facts_target *t = g->pb != NULL ? g->pb->target : NULL;
        const char *reason = t != NULL              ? t->t.reason
                             : g->condition != NULL ? g->condition->reason
                                                    : "";
        const char *text = t != NULL              ? t->t.description
                           : g->condition != NULL ? g->condition->message
                                                  : "";
        bool fails =
            strcmp(reason, "Target.FailedHealthChecks") == 0 ||
            (strcmp(reason, "Target.ResponseCodeMismatch") == 0 && strstr(text, "[5") != NULL);
        if (g->status != GATE_OPEN && fails) {
            return true;
        }
    }
    return false;
}

/* Every pod of the first revision is closed past the usual time. */
static struct pod_sheet *all_closed(struct judge *j)
{
    struct pod_sheet *first = NULL;
    for (uint32_t i = 0; i < j->n_pods; i++) {
        struct pod_sheet *p = &j->pods[i];
        if (!is_live(p)) {
            continue;
        }
        if (p->is_old || p->ready || p->n_gates == 0 || p->pace == PACE_ON_TIME ||
            p->track->served_at != 0 || !may_wait_for_peers(j, p)) {
            return NULL;
        }
        first = first == NULL ? p : first;
    }
    return first;
}

static void own_endpoints(struct judge *j)
{
    struct pod_sheet *first = all_closed(j);
    const struct kube_service *s = first != NULL ? peer_service(j, first) : NULL;
    if (s == NULL || j->v->desired < 2) {
        return;
    }
    for (uint32_t i = 0; i < j->n_pods; i++) {
        struct pod_sheet *p = &j->pods[i];
        if (!is_live(p)) {
            continue;
        }
        struct finding *f = claim_pod(j, p,
                                      &(struct claim){.code = "app_needs_own_endpoints",
                                                      .object = j->sight->workload,
                                                      .severity = severity_of_pace(p),
                                                      .likely = true,
                                                      .since = p->waiting_since,
                                                      .a = s->meta.name,
                                                      .b = ""});
        if (f->evidence.n == 0) {
            const char *object = object_of(j, "Service", s->meta.name);
            finding_evidence(j, f, object, "spec",
                             "clusterIP None, publishNotReadyAddresses false");
            finding_evidence(j, f, j->sight->workload, "pods ready", "none of any revision");
        }
    }
}

/* ---- our sources ---- */

static void silent_source(struct judge *j)
{
    if (j->f->cluster->kube_stale && j->waiting) {
        cause_kubernetes(j);
    }
}

/* ---- nothing above holds ---- */

static void say_checked(struct judge *j, struct finding *f, const struct pod_sheet *p)
{
    const struct kube_pod *pod = p->fp->pod;
    const char *object = object_of(j, "Pod", pod->meta.name);
    finding_evidence(j, f, object, "state", "%s, phase %s, node %s", pod_state_name(p->v->state),
                     pod->phase, pod->node[0] != '\0' ? pod->node : "none");
    for (uint32_t i = 0; i < pod->statuses.n; i++) {
        const struct container_status *c = LIST_AT(struct container_status, pod->statuses, i);
        if (c->ready != 1) {
            finding_evidence(j, f, object, arena_printf(j->a, "container %s", c->name), "%s",
                             state_words(j, "not ready", c->waiting_reason, c->waiting_message));
        }
    }
    for (uint32_t i = 0; i < p->n_gates; i++) {
        const struct pod_gate *g = &p->gates[i];
        const struct elb_target *t =
            g->pb != NULL && g->pb->target != NULL ? &g->pb->target->t : NULL;
        finding_evidence(j, f, object, arena_printf(j->a, "gate %s", g->type), "%s, ELBv2 %s",
                         state_words(j, gate_status_name(g->status),
                                     g->condition != NULL ? g->condition->reason : "", ""),
                         g->pb == NULL || !g->pb->fb->group->known ? "not known"
                         : t == NULL                               ? "not registered"
                                     : state_words(j, t->state, t->reason, ""));
    }
    const struct kube_event *e = event_about(j, "Pod", pod->meta.name, NULL, NULL);
    if (e != NULL) {
        event_evidence(j, f, e);
    }
}

/* Another rule will speak once its time has come. */
static bool too_early(struct judge *j, const struct pod_sheet *p)
{
    int64_t since = p->v->state == POD_EXPOSED ? p->v->state_since : p->waiting_since;
    int64_t at = since + RECHECKS_LATE * j->f->policy->recheck_ms;
    if (since != 0 && j->sight->now < at) {
        judge_look_at(j, at);
        return true;
    }
    for (uint32_t i = 0; p->v->state == POD_EXPOSED && i < p->n_near; i++) {
        enum elb_word word = elb_word_of(p->near[i]);
        if (word == ELB_REGISTERING || word == ELB_CHECKING) {
            return true;
        }
    }
    for (uint32_t i = 0; i < p->n_gates; i++) {
        const struct pod_gate *g = &p->gates[i];
        if (g->status == GATE_CLOSED && g->pb != NULL && fresh_word(j, p, g) == ELB_HEALTHY) {
            return true;
        }
    }
    return false;
}

static void unexplained_pods(struct judge *j)
{
    for (uint32_t i = 0; i < j->n_pods; i++) {
        struct pod_sheet *p = &j->pods[i];
        bool odd = p->pace != PACE_ON_TIME || p->v->state == POD_EXPOSED;
        if (!p->is_new || p->findings != NULL || !odd || too_early(j, p)) {
            continue;
        }
        enum severity severity = severity_of_pace(p);
        struct finding *f = claim_pod(
            j, p,
            &(struct claim){.code = "unexplained",
                            .object = j->sight->workload,
                            .severity = severity == SEVERITY_INFO ? SEVERITY_WARNING : severity,
                            .since = p->waiting_since != 0 ? p->waiting_since : p->starting_since,
                            .a = "",
                            .b = ""});
        if (wants_evidence(f)) {
            say_checked(j, f, p);
        }
    }
}

/* Pods are missing and nobody says why. */
static void unexplained_rollout(struct judge *j)
{
    const struct kube_workload *w = j->f->workload;
    if (w == NULL || all_serve(j)) {
        return;
    }
    for (uint32_t i = 0; i < j->n_findings; i++) {
        if (j->findings[i].severity > SEVERITY_INFO && !j->findings[i].aside) {
            return;
        }
    }
    bool stuck = j->v->desired > 0 && !j->v->complete && j->past_limit && w->paused != 1;
    if (!stuck && !j->deadline_passed) {
        return;
    }
    struct finding *f = claim_object(j, &(struct claim){.code = "unexplained",
                                                        .object = j->sight->workload,
                                                        .severity = SEVERITY_ERROR,
                                                        .since = j->stuck_at,
                                                        .a = "",
                                                        .b = ""});
    finding_evidence(j, f, j->sight->workload, "pods",
                     "%lld of the new revision, %lld wanted, %lld old", (long long)j->v->updated,
                     (long long)j->wanted, (long long)j->v->old);
    for (uint32_t i = 0; i < w->conditions.n; i++) {
        const struct condition *c = LIST_AT(struct condition, w->conditions, i);
        finding_evidence(j, f, j->sight->workload, arena_printf(j->a, "condition %s", c->type),
                         "%s", state_words(j, c->status, c->reason, c->message));
    }
}

/* ---- all together ---- */

static bool any_closed(const struct judge *j)
{
    for (uint32_t i = 0; i < j->n_pods; i++) {
        if (closed_only_by_gate(&j->pods[i])) {
            return true;
        }
    }
    return false;
}

void causes_rollout(struct judge *j)
{
    deadline(j);
    aborted(j);
    paused(j);
    bool closed = any_closed(j);
    for (uint32_t i = 0; closed && i < j->f->ns->pdbs.n; i++) {
        budget(j, LIST_AT(struct kube_pdb, j->f->ns->pdbs, i));
    }
    for (uint32_t i = 0; closed && i < j->f->ns->hpas.n; i++) {
        autoscaler(j, LIST_AT(struct kube_hpa, j->f->ns->hpas, i));
    }
    own_endpoints(j);
    silent_source(j);
    if (!j->f->cluster->kube_stale) {
        unexplained_pods(j);
        unexplained_rollout(j);
    }
}
