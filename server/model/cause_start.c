/*
 * Not at the gate yet: pods whose containers are not ready. One finding a workload and cause. What
 * a pod does while it starts is a normal wait, so severity follows its pace; an image that cannot
 * be pulled and a container that crashes again are not.
 *
 * The pods that could not even be made are cause_creation.c's.
 */
#include "model/cause_in.h"

#include <string.h>

static struct finding *claim_start(struct judge *j, struct pod_sheet *p, const char *code,
                                   enum severity severity, const char *a, const char *b)
{
    enum severity pace = severity_of_pace(p);
    return claim_pod(j, p,
                     &(struct claim){.code = code,
                                     .object = j->sight->workload,
                                     .severity = severity > pace ? severity : pace,
                                     .since = p->starting_since,
                                     .a = a,
                                     .b = b});
}

static const char *pod_object(struct judge *j, const struct pod_sheet *p)
{
    return object_of(j, "Pod", p->fp->pod->meta.name);
}

/* ---- unschedulable ---- */

static bool unschedulable(struct judge *j, struct pod_sheet *p)
{
    const struct condition *c = condition_get(&p->fp->pod->conditions, "PodScheduled");
    if (c == NULL || strcmp(c->status, "False") != 0 ||
        (strcmp(c->reason, "Unschedulable") != 0 && strcmp(c->reason, "SchedulingGated") != 0)) {
        return false;
    }
    struct finding *f = claim_start(j, p, "unschedulable", SEVERITY_INFO, c->message, "");
    if (wants_evidence(f)) {
        finding_evidence(j, f, pod_object(j, p), "condition PodScheduled", "%s %s: %.600s",
                         c->status, c->reason, c->message);
    }
    return true;
}

/* ---- containers ---- */

static bool reason_in(const char *reason, const char *const *list)
{
    for (; *list != NULL; list++) {
        if (strcmp(reason, *list) == 0) {
            return true;
        }
    }
    return false;
}

static bool image_pull(struct judge *j, struct pod_sheet *p, const struct container_status *c)
{
    static const char *const reasons[] = {"ErrImagePull",
                                          "ImagePullBackOff",
                                          "InvalidImageName",
                                          "ErrImageNeverPull",
                                          "RegistryUnavailable",
                                          "ImageInspectError",
                                          "SignatureValidationFailed",
                                          NULL};
    if (!reason_in(c->waiting_reason, reasons)) {
        return false;
    }
    bool invalid = strcmp(c->waiting_reason, "InvalidImageName") == 0;
    struct finding *f = claim_start(j, p, "image_pull", invalid ? SEVERITY_ERROR : SEVERITY_WARNING,
                                    c->image, c->name);
    if (wants_evidence(f)) {
        finding_evidence(j, f, pod_object(j, p),
                         arena_printf(j->a, "container %s waiting", c->name), "%s: %.500s",
                         c->waiting_reason, c->waiting_message);
        finding_evidence(j, f, pod_object(j, p), arena_printf(j->a, "container %s image", c->name),
                         "%s", c->image);
    }
    return true;
}

static int64_t crashing_since(struct judge *j, const struct pod_sheet *p)
{
    int64_t prior = judge_prior_since(j, "crash_loop", j->sight->workload);
    int64_t since = p->starting_since != 0 ? p->starting_since : p->waiting_since;
    int64_t created = p->fp->pod->meta.created_at;
    return since != 0 ? since : prior > created ? prior : created;
}

static struct finding *say_crash_loop(struct judge *j, struct pod_sheet *p, enum severity severity)
{
    const struct container_status *c = p->crashing;
    const char *end = c->last_reason[0] != '\0' ? c->last_reason : "ended";
    enum severity pace = severity_of_pace(p);
    struct finding *f = claim_pod(j, p,
                                  &(struct claim){.code = "crash_loop",
                                                  .object = j->sight->workload,
                                                  .severity = severity > pace ? severity : pace,
                                                  .since = crashing_since(j, p),
                                                  .a = c->name,
                                                  .b = end});
    if (wants_evidence(f)) {
        finding_evidence(
            j, f, pod_object(j, p), arena_printf(j->a, "container %s restarts", c->name),
            "%lld, last exit code %lld, %s%s", (long long)c->restarts, (long long)c->last_exit_code,
            end, c->ready == 1 ? "; it is ready at this moment" : "");
    }
    return f;
}

static bool crash_loop(struct judge *j, struct pod_sheet *p, const struct container_status *c)
{
    if (c != p->crashing) {
        return false;
    }
    (void)say_crash_loop(j, p, c->restarts >= CRASHES_CERTAIN ? SEVERITY_ERROR : SEVERITY_WARNING);
    return true;
}

/* The container is up between two crashes, or for good. While its pod waits at a gate the loop is
 * why it will not come through; while it serves the finding only stays, so that it does not come
 * and go with each crash. */
static void crash_loop_up(struct judge *j, struct pod_sheet *p)
{
    bool waits = p->waiting_since != 0;
    bool told = claimed(j, "crash_loop", j->sight->workload) != NULL;
    if (waits) {
        (void)crash_loop(j, p, p->crashing);
    } else if (judge_prior_since(j, "crash_loop", j->sight->workload) != 0) {
        struct finding *f = say_crash_loop(j, p, SEVERITY_INFO);
        f->aside = f->aside || !told;
    }
}

/* ---- what the node cannot make ---- */

/* It waits for something that kubelet names in the status itself. */
static bool not_created(struct judge *j, struct pod_sheet *p, const struct container_status *c)
{
    static const char *const reasons[] = {"CreateContainerConfigError",
                                          "CreateContainerError",
                                          "RunContainerError",
                                          "PreCreateHookError",
                                          "PreStartHookError",
                                          "PostStartHookError",
                                          NULL};
    if (!reason_in(c->waiting_reason, reasons)) {
        return false;
    }
    struct finding *f =
        claim_start(j, p, "container_not_created", SEVERITY_WARNING, c->name, c->waiting_message);
    if (wants_evidence(f)) {
        finding_evidence(j, f, pod_object(j, p),
                         arena_printf(j->a, "container %s waiting", c->name), "%s: %.600s",
                         c->waiting_reason, c->waiting_message);
    }
    return true;
}

/* No container of the pod has ever run. */
static bool never_ran(const struct list *statuses)
{
    for (uint32_t i = 0; i < statuses->n; i++) {
        const struct container_status *c = LIST_AT(struct container_status, *statuses, i);
        if (c->is_waiting != 1 || c->restarts > 0 ||
            (c->waiting_reason[0] != '\0' && strcmp(c->waiting_reason, "ContainerCreating") != 0 &&
             strcmp(c->waiting_reason, "PodInitializing") != 0)) {
            return false;
        }
    }
    return true;
}

/* The newest of what a node says when it cannot even begin: network, volumes. */
static const struct kube_event *cannot_begin(const struct judge *j, const struct pod_sheet *p)
{
    static const char *const reasons[] = {"FailedCreatePodSandBox",
                                          "FailedMount",
                                          "FailedAttachVolume",
                                          "FailedMapVolume",
                                          "NetworkNotReady",
                                          "FailedCreatePodContainer",
                                          "FailedPrepareDynamicResources"};
    const struct kube_event *best = NULL;
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        const struct kube_event *e = event_about(j, "Pod", p->fp->pod->meta.name, reasons[i], NULL);
        if (e != NULL && event_at(e) + SECOND_MS >= p->starting_since &&
            (best == NULL || event_at(e) > event_at(best))) {
            best = e;
        }
    }
    return best;
}

/* Bound to a node and nothing runs: kubelet says why in events alone. A volume that comes late is a
 * normal wait, so severity follows the pace. */
static bool not_begun(struct judge *j, struct pod_sheet *p)
{
    const struct kube_pod *pod = p->fp->pod;
    if (pod->node[0] == '\0' || pod->statuses.n == 0 || !never_ran(&pod->statuses) ||
        !never_ran(&pod->init_statuses)) {
        return false;
    }
    const struct kube_event *e = cannot_begin(j, p);
    if (e == NULL && p->pace == PACE_ON_TIME) {
        return false;
    }
    struct finding *f =
        claim_pod(j, p,
                  &(struct claim){.code = "container_not_created",
                                  .object = j->sight->workload,
                                  .severity = severity_of_pace(p),
                                  .likely = e == NULL,
                                  .since = p->starting_since,
                                  .a = "",
                                  .b = e != NULL ? e->message
                                                 : "no reason is given, and a large "
                                                   "image may still be on its way"});
    if (wants_evidence(f)) {
        finding_evidence(j, f, pod_object(j, p), "containers", "none has run on node %s",
                         pod->node);
        if (e != NULL) {
            event_evidence(j, f, e);
        }
    }
    return true;
}

static bool container_trouble(struct judge *j, struct pod_sheet *p, const struct list *statuses)
{
    for (uint32_t i = 0; i < statuses->n; i++) {
        const struct container_status *c = LIST_AT(struct container_status, *statuses, i);
        if (image_pull(j, p, c) || not_created(j, p, c) || crash_loop(j, p, c)) {
            return true;
        }
    }
    return false;
}

/* ---- init containers ---- */

/* Side-cars run on beside the app: the condition tells when the pod is past its init containers. */
static bool init_running(struct judge *j, struct pod_sheet *p)
{
    const struct kube_pod *pod = p->fp->pod;
    const struct condition *done = condition_get(&pod->conditions, "Initialized");
    if (done != NULL && strcmp(done->status, "False") != 0) {
        return false;
    }
    for (uint32_t i = 0; i < pod->init_statuses.n; i++) {
        const struct container_status *c = LIST_AT(struct container_status, pod->init_statuses, i);
        bool finished = c->is_terminated == 1 && c->exit_code == 0;
        if (finished || (c->is_running != 1 && c->is_waiting != 1 && c->is_terminated != 1) ||
            (done == NULL && c->started == 1)) {
            continue;
        }
        struct finding *f = claim_start(j, p, "init_running", SEVERITY_INFO, c->name, "");
        if (wants_evidence(f)) {
            finding_evidence(j, f, pod_object(j, p),
                             arena_printf(j->a, "init container %s", c->name), "%s%s%s",
                             c->is_running == 1   ? "running"
                             : c->is_waiting == 1 ? "waiting"
                                                  : "ended",
                             c->waiting_reason[0] != '\0' ? ": " : "", c->waiting_reason);
        }
        return true;
    }
    return false;
}

/* ---- probes ---- */

/* All containers run, and this one is not ready: NULL when some container does not run. */
static const struct container_status *not_ready(const struct kube_pod *pod)
{
    const struct container_status *found = NULL;
    for (uint32_t i = 0; i < pod->statuses.n; i++) {
        const struct container_status *c = LIST_AT(struct container_status, pod->statuses, i);
        if (c->is_running != 1) {
            return NULL;
        }
        if (found == NULL && c->ready != 1) {
            found = c;
        }
    }
    return found;
}

static const struct container_spec *spec_of(const struct kube_pod *pod, const char *name)
{
    for (uint32_t i = 0; i < pod->containers.n; i++) {
        const struct container_spec *c = LIST_AT(struct container_spec, pod->containers, i);
        if (strcmp(c->name, name) == 0) {
            return c;
        }
    }
    return NULL;
}

/* A container that runs and is not ready without a word from its probe is inference, worth telling
 * only once it takes long. */
static bool probe_failing(struct judge *j, struct pod_sheet *p)
{
    const struct kube_pod *pod = p->fp->pod;
    const struct container_status *c = not_ready(pod);
    if (c == NULL) {
        return false;
    }
    const struct kube_event *e = event_about(j, "Pod", pod->meta.name, "Unhealthy", NULL);
    bool since_start = e != NULL && event_at(e) + SECOND_MS >= p->starting_since;
    if (!since_start && c->started != 0 && p->pace == PACE_ON_TIME) {
        return false;
    }
    const struct container_spec *spec = spec_of(pod, c->name);
    bool guessed = !since_start && c->started != 0;
    struct finding *f = claim_pod(j, p,
                                  &(struct claim){.code = "probe_failing",
                                                  .object = j->sight->workload,
                                                  .severity = severity_of_pace(p),
                                                  .likely = guessed,
                                                  .since = p->starting_since,
                                                  .a = c->name,
                                                  .b = since_start ? e->message : ""});
    if (!wants_evidence(f)) {
        return true;
    }
    finding_evidence(j, f, pod_object(j, p), arena_printf(j->a, "container %s", c->name), "%s",
                     c->started == 0 ? "runs, its startup probe has not passed"
                                     : "runs, not ready");
    if (since_start) {
        event_evidence(j, f, e);
    }
    if (spec != NULL && spec->has_readiness == 1) {
        finding_evidence(j, f, pod_object(j, p), arena_printf(j->a, "readiness probe %s", c->name),
                         "%s port %s, every %lld s", spec->probe_path, spec->probe_port,
                         (long long)spec->probe_period);
    }
    return true;
}

/* ---- all together ---- */

static bool is_starting(const struct pod_sheet *p)
{
    return is_live(p) && p->v->state == POD_STARTING && !p->containers_ready;
}

static bool is_up(const struct pod_sheet *p)
{
    return is_live(p) && p->containers_ready && p->v->state != POD_UNKNOWN;
}

void causes_start(struct judge *j)
{
    for (uint32_t i = 0; i < j->n_pods; i++) {
        struct pod_sheet *p = &j->pods[i];
        if (!is_starting(p)) {
            continue;
        }
        const struct kube_pod *pod = p->fp->pod;
        (void)(unschedulable(j, p) || container_trouble(j, p, &pod->init_statuses) ||
               container_trouble(j, p, &pod->statuses) || not_begun(j, p) || init_running(j, p) ||
               probe_failing(j, p));
    }
    for (int waiting = 1; waiting >= 0; waiting--) { /* those that serve last: they start nothing */
        for (uint32_t i = 0; i < j->n_pods; i++) {
            struct pod_sheet *p = &j->pods[i];
            if (p->crashing != NULL && is_up(p) && (p->waiting_since != 0) == (waiting == 1)) {
                crash_loop_up(j, p);
            }
        }
    }
}
