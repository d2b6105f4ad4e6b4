/*
 * Pace: is the wait of each new pod, and so of the rollout, on time, slow or stuck; when time alone
 * will change that; and when the rollout should be done.
 *
 *   a pod that waits at a gate   counts from containers ready (or from the loss of its gate), by
 *                                the usual time of the slowest binding among its gates:
 *                                slow at slow_factor x p95, yet not before one more look of the
 *                                controller; stuck at stuck_factor x p95, never before stuck_min;
 *                                stuck_after sets the limit itself
 *   a pod that starts, or waits at a gate whose usual time nobody knows
 *                                counts from its creation (its wait) against the progress deadline:
 *                                stuck there, slow at half of it
 *   a pod whose container crashes again and again
 *                                is slow at once, and stuck from stuck_min (or stuck_after) on once
 *                                the loop is beyond doubt: it is not waited for. Counted from its
 *                                creation, or, when it has served, from the beginning of the loop
 *   pods that are not there      the same as one that starts, from the last sign of progress
 *
 * Verdicts change at the limit itself (>=), so that a look at that moment sees the change.
 */
#include "model/judge.h"

#include <stdlib.h>
#include <string.h>

enum { DEADLINE_DEFAULT_MS = 600000 };

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* The limit where no usual time applies. */
static int64_t deadline_ms(const struct judge *j)
{
    const struct kube_workload *w = j->f->workload;
    const struct policy *policy = j->f->policy;
    int64_t ms = w != NULL && w->progress_deadline_seconds > 0 ? w->progress_deadline_seconds * 1000
                                                               : DEADLINE_DEFAULT_MS;
    return later(later(ms, policy->stuck_min_ms), policy->stuck_after_ms);
}

static struct usual usual_of_pod(const struct pod_sheet *p)
{
    struct usual u = {0};
    for (uint32_t i = 0; i < p->n_gates; i++) {
        const struct pod_binding *pb = p->gates[i].pb;
        if (pb != NULL && pb->fb->usual.p95_ms > u.p95_ms) {
            u = pb->fb->usual;
        }
    }
    return u;
}

static enum pace pace_at(int64_t now, int64_t slow_at, int64_t stuck_at)
{
    if (stuck_at != 0 && now >= stuck_at) {
        return PACE_STUCK;
    }
    return slow_at != 0 && now >= slow_at ? PACE_SLOW : PACE_ON_TIME;
}

/* From when a crash loop counts: it goes on while its container is up for a moment. */
static int64_t crashing_since(const struct judge *j, const struct pod_sheet *p)
{
    int64_t since = p->waiting_since != 0 ? p->waiting_since : p->starting_since;
    int64_t created = p->fp->pod->meta.created_at;
    int64_t prior = judge_prior_since(j, "crash_loop", NULL);
    if (prior != 0 && prior < since) {
        since = later(prior, created);
    }
    return since;
}

static void set_crash_limits(const struct judge *j, struct pod_sheet *p)
{
    const struct policy *policy = j->f->policy;
    int64_t since = crashing_since(j, p);
    int64_t limit = policy->stuck_after_ms > 0 ? policy->stuck_after_ms : policy->stuck_min_ms;
    bool certain = p->crashing->restarts >= CRASHES_CERTAIN;
    p->slow_at = since;
    p->stuck_at = since + (certain ? limit : deadline_ms(j));
}

static void set_limits(const struct judge *j, struct pod_sheet *p)
{
    const struct policy *policy = j->f->policy;
    if (p->crashing != NULL && (p->waiting_since != 0 || p->starting_since != 0)) {
        set_crash_limits(j, p);
        return;
    }
    if (p->waiting_since != 0 && p->usual.p95_ms > 0) {
        int64_t stuck_ms =
            policy->stuck_after_ms > 0
                ? policy->stuck_after_ms
                : later(p->usual.p95_ms * policy->stuck_factor_percent / 100, policy->stuck_min_ms);
        int64_t slow_ms = later(p->usual.p95_ms * policy->slow_factor_percent / 100,
                                p->usual.p95_ms + policy->recheck_ms);
        p->stuck_at = p->waiting_since + stuck_ms;
        p->slow_at = p->waiting_since + sooner(slow_ms, stuck_ms);
        return;
    }
    int64_t since = p->waiting_since != 0 ? p->waiting_since : p->starting_since;
    if (since != 0) {
        p->stuck_at = since + deadline_ms(j);
        p->slow_at = since + deadline_ms(j) / 2;
    }
}

/* A closed gate of an unknown binding beside a known one: the known one's time rules. */
static void pace_pod(struct judge *j, struct pod_sheet *p)
{
    p->usual = usual_of_pod(p);
    set_limits(j, p);
    p->pace = pace_at(j->f->now, p->slow_at, p->stuck_at);
}

static void earliest(int64_t *at, int64_t candidate)
{
    if (candidate != 0 && (*at == 0 || candidate < *at)) {
        *at = candidate;
    }
}

/* The last thing that happened to the new pods. */
static int64_t last_progress(const struct judge *j)
{
    int64_t at = j->v->started_at;
    for (uint32_t i = 0; i < j->n_pods; i++) {
        const struct pod_sheet *p = &j->pods[i];
        if (p->is_new) {
            at = later(at, later(p->fp->pod->meta.created_at, p->track->ready_at));
        }
    }
    return at;
}

/* From when the wait for missing pods counts. What was slow or stuck stays so until something
 * happens: its state began at that limit. */
static int64_t missing_since(const struct judge *j, int64_t limit)
{
    const struct rollout_prior *prior = j->f->prior;
    int64_t progress = last_progress(j);
    if (prior->state < 0) {
        return progress;
    }
    bool same = strcmp(prior->revision_hash, j->v->revision_hash) == 0;
    bool goes_on = same && progress <= prior->since;
    if (goes_on && prior->state == ROLLOUT_SLOW) {
        return prior->since - limit / 2;
    }
    if (goes_on && prior->state == ROLLOUT_STUCK) {
        return prior->since - limit;
    }
    bool was_waiting = prior->state == ROLLOUT_PROGRESSING || prior->state == ROLLOUT_UNKNOWN ||
                       prior->state == ROLLOUT_FAILED;
    return later(progress, same && was_waiting ? prior->since : j->f->now);
}

/* All new pods serve, and yet it is not complete: pods that nobody makes, or old ones that nobody
 * removes. */
static void pace_missing(struct judge *j)
{
    const struct kube_workload *w = j->f->workload;
    if (w == NULL || w->paused == 1 || strcmp(j->f->kind, "Rollout") == 0 || !j->v->observed ||
        j->v->desired == 0 || j->v->complete) {
        return;
    }
    int64_t limit = deadline_ms(j);
    int64_t since = missing_since(j, limit);
    j->slow_at = since + limit / 2;
    j->stuck_at = since + limit;
}

/* Where the sources are silent a wait cannot be followed: no pace gets worse from what we do not
 * see (rollout.c makes it unknown instead). */
void judge_pace(struct judge *j)
{
    for (uint32_t i = 0; i < j->n_pods; i++) {
        struct pod_sheet *p = &j->pods[i];
        pace_pod(j, p);
        if (!p->is_new) {
            continue;
        }
        if (p->usual.p95_ms > j->v->usual.p95_ms) {
            j->v->usual = p->usual;
            j->v->usual_known = true;
        }
        j->waiting = j->waiting || p->v->state != POD_SERVING;
        if (p->stuck_at != 0) {
            earliest(&j->slow_at, p->slow_at);
            earliest(&j->stuck_at, p->stuck_at);
            judge_look_at(j, p->slow_at);
            judge_look_at(j, p->stuck_at);
        }
    }
    if (!j->waiting) {
        pace_missing(j);
        judge_look_at(j, j->slow_at);
        judge_look_at(j, j->stuck_at);
    }
    j->v->pace = pace_at(j->f->now, j->slow_at, j->stuck_at);
    j->past_usual = j->v->pace != PACE_ON_TIME;
    j->past_limit = j->v->pace == PACE_STUCK;
}

/* ---- eta ---- */

/* IntOrString of pods: "25%" of n, rounded up or down. */
static int64_t share_of(const char *text, int64_t n, bool up)
{
    char *end = NULL;
    long long v = strtoll(text, &end, 10);
    if (end == text || v < 0 || v > 1000000) {
        return 0;
    }
    return *end == '%' ? (v * n + (up ? 99 : 0)) / 100 : v;
}

int64_t rollout_batch(const struct judge *j)
{
    const struct kube_workload *w = j->f->workload;
    int64_t n = j->v->desired;
    if (w == NULL || strcmp(j->f->kind, "Rollout") == 0 || strcmp(w->strategy, "OnDelete") == 0) {
        return 0;
    }
    if (strcmp(j->f->kind, "StatefulSet") == 0) {
        return later(1, share_of(w->max_unavailable, n, true));
    }
    if (strcmp(j->f->kind, "DaemonSet") == 0) {
        int64_t surge = share_of(w->max_surge, n, true);
        return later(1, surge > 0 ? surge : share_of(w->max_unavailable, n, true));
    }
    if (strcmp(j->f->kind, "Deployment") != 0 || strcmp(w->strategy, "Recreate") == 0) {
        return n;
    }
    const char *surge = w->max_surge[0] != '\0' ? w->max_surge : "25%";
    const char *unavailable = w->max_unavailable[0] != '\0' ? w->max_unavailable : "25%";
    return later(1, share_of(surge, n, true) + share_of(unavailable, n, false));
}

/* How long containers of this revision take to get ready, by its own pods; 0 = not known. */
static int64_t start_ms(const struct judge *j)
{
    int64_t sum = 0;
    int64_t n = 0;
    for (uint32_t i = 0; i < j->n_pods; i++) {
        const struct pod_sheet *p = &j->pods[i];
        int64_t ms = p->track->containers_ready_at - p->fp->pod->meta.created_at;
        if (p->is_new && p->track->containers_ready_at != 0 && ms >= 0) {
            sum += ms;
            n++;
        }
    }
    return n > 0 ? sum / n : 0;
}

/* Is something wrong with the pod that time alone does not heal: an image that does not come, a
 * container that crashes, a target that fails its checks? */
static bool is_held(const struct judge *j, const struct pod_sheet *p)
{
    if (p->v->state != POD_STARTING && p->v->state != POD_FAILING) {
        return false;
    }
    for (const struct pod_finding *pf = p->findings; pf != NULL; pf = pf->next) {
        const struct finding *f = &j->findings[pf->finding];
        if (!f->aside && f->severity > SEVERITY_INFO) {
            return true;
        }
    }
    return false;
}

/* When one pod should serve; 0 = cannot be told (something holds it, or it is past all we know). */
static int64_t pod_eta(const struct judge *j, const struct pod_sheet *p, int64_t start)
{
    int64_t now = j->f->now;
    if (p->v->state == POD_SERVING) {
        return now;
    }
    if (is_held(j, p)) {
        return 0;
    }
    if (p->v->state == POD_STARTING) {
        return later(p->starting_since + start, now) + p->usual.p50_ms;
    }
    if (p->waiting_since == 0 || p->usual.p95_ms == 0) {
        return 0;
    }
    int64_t at = p->waiting_since + p->usual.p50_ms;
    at = at > now ? at : p->waiting_since + p->usual.p95_ms;
    return at > now ? at : 0;
}

/* The pods at hand by the usual time, then one usual time a batch for those to come. */
int64_t judge_eta(const struct judge *j)
{
    if (!j->v->usual_known) {
        return 0;
    }
    int64_t start = start_ms(j);
    int64_t at = j->f->now;
    for (uint32_t i = 0; i < j->n_pods; i++) {
        if (j->pods[i].is_new) {
            int64_t pod = pod_eta(j, &j->pods[i], start);
            if (pod == 0) {
                return 0;
            }
            at = later(at, pod);
        }
    }
    if (j->missing == 0) {
        return at;
    }
    int64_t batch = rollout_batch(j);
    if (batch == 0) {
        return 0;
    }
    int64_t pause = j->f->workload->min_ready_seconds * 1000;
    int64_t batches = (j->missing + batch - 1) / batch;
    return at + batches * (start + j->v->usual.p50_ms + pause);
}
