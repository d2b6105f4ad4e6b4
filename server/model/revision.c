/*
 * Which revision a rollout goes to, how many pods it wants, and which pods are of it
 * (facts/gates.md section 8). By kind:
 *
 *   Deployment   the owned ReplicaSet whose revision annotation equals the Deployment's, else the
 *                newest; pods by pod-template-hash
 *   StatefulSet  status.updateRevision; pods by controller-revision-hash; ordinals below the
 *                partition keep the old revision and are wanted so
 *   DaemonSet    the newest owned ControllerRevision; desired is desiredNumberScheduled
 *   Rollout      status.currentPodHash; pods by rollouts-pod-template-hash
 *   all others   every pod counts
 *
 * With OnDelete old pods stay until a person deletes them, so they are wanted too.
 *
 * Invariant: each live pod is new or old, never both; finished and deleting pods are neither.
 */
#include "model/judge.h"

#include <stdlib.h>
#include <string.h>

struct goal {
    const char *hash; /* NULL: every pod counts */
    const char *name; /* the same revision under its object's name; "" = none */
    const struct facts_revision *revision;
};

static bool is_kind(const struct judge *j, const char *kind)
{
    return strcmp(j->f->kind, kind) == 0;
}

static bool number_of(const char *text, int64_t *ret)
{
    char *end = NULL;
    long long n = strtoll(text, &end, 10);
    if (end == text || *end != '\0') {
        return false;
    }
    *ret = n;
    return true;
}

static bool owned(const struct facts *f, const struct facts_revision *r)
{
    if (r->replicaset == NULL) {
        return true;
    }
    const struct owner *o = meta_controller(&r->replicaset->meta);
    return o == NULL || strcmp(o->uid, f->uid) == 0;
}

static bool newer(const struct facts_revision *a, const struct facts_revision *b)
{
    if (b == NULL || a->number != b->number) {
        return b == NULL || a->number > b->number;
    }
    return a->created_at > b->created_at;
}

static const struct facts_revision *newest_revision(const struct facts *f)
{
    const struct facts_revision *best = NULL;
    for (uint32_t i = 0; i < f->revisions.n; i++) {
        const struct facts_revision *r = LIST_AT(struct facts_revision, f->revisions, i);
        if (owned(f, r) && newer(r, best)) {
            best = r;
        }
    }
    return best;
}

static const struct facts_revision *revision_named(const struct facts *f, const char *name)
{
    for (uint32_t i = 0; i < f->revisions.n; i++) {
        const struct facts_revision *r = LIST_AT(struct facts_revision, f->revisions, i);
        if (strcmp(r->name, name) == 0 || strcmp(r->hash, name) == 0) {
            return r;
        }
    }
    return NULL;
}

static const struct facts_revision *deployment_revision(const struct facts *f)
{
    const char *text = kvs_get(&f->workload->meta.annotations, "deployment.kubernetes.io/revision");
    int64_t wanted = 0;
    if (text == NULL || !number_of(text, &wanted)) {
        return newest_revision(f);
    }
    const struct facts_revision *best = NULL;
    for (uint32_t i = 0; i < f->revisions.n; i++) {
        const struct facts_revision *r = LIST_AT(struct facts_revision, f->revisions, i);
        if (owned(f, r) && r->number == wanted && newer(r, best)) {
            best = r;
        }
    }
    return best != NULL ? best : newest_revision(f);
}

static const char *hash_label(const struct judge *j)
{
    if (is_kind(j, "Rollout")) {
        return "rollouts-pod-template-hash";
    }
    if (is_kind(j, "StatefulSet") || is_kind(j, "DaemonSet")) {
        return "controller-revision-hash";
    }
    return "pod-template-hash";
}

static const char *pod_hash(const struct judge *j, const struct facts_pod *fp)
{
    const char *label = kvs_get(&fp->pod->meta.labels, hash_label(j));
    return label != NULL ? label : fp->revision;
}

/* No object tells the revision: that of the youngest pod. */
static struct goal youngest_pod(const struct judge *j)
{
    const struct facts_pod *best = NULL;
    for (uint32_t i = 0; i < j->f->pods.n; i++) {
        const struct facts_pod *fp = LIST_AT(struct facts_pod, j->f->pods, i);
        if (best == NULL || fp->pod->meta.created_at > best->pod->meta.created_at) {
            best = fp;
        }
    }
    return (struct goal){best != NULL ? pod_hash(j, best) : "", "", NULL};
}

static struct goal goal_of(const struct facts_revision *r)
{
    return (struct goal){r->hash, r->name, r};
}

static struct goal goal_named(const struct facts *f, const char *name)
{
    return (struct goal){name, "", revision_named(f, name)};
}

static bool on_delete(const struct kube_workload *w)
{
    return strcmp(w->strategy, "OnDelete") == 0;
}

static bool any_pod_of(const struct judge *j, const char *hash)
{
    for (uint32_t i = 0; i < j->f->pods.n; i++) {
        if (strcmp(pod_hash(j, LIST_AT(struct facts_pod, j->f->pods, i)), hash) == 0) {
            return true;
        }
    }
    return false;
}

/* A partition past the last ordinal, or OnDelete with nothing deleted yet: no pod of the update
 * revision is wanted, so the rollout is still the current one. */
static struct goal statefulset_goal(const struct judge *j)
{
    const struct kube_workload *w = j->f->workload;
    int64_t replicas = w->replicas < 0 ? 1 : w->replicas;
    bool held = on_delete(w) || (w->partition > 0 && w->partition >= replicas);
    if (held && w->current_revision[0] != '\0' && !any_pod_of(j, w->update_revision)) {
        return goal_named(j->f, w->current_revision);
    }
    if (w->update_revision[0] != '\0') {
        return goal_named(j->f, w->update_revision);
    }
    const struct facts_revision *r = newest_revision(j->f);
    return r != NULL ? goal_of(r) : youngest_pod(j);
}

static struct goal daemonset_goal(const struct judge *j)
{
    const struct facts_revision *r = newest_revision(j->f);
    if (r == NULL) {
        return youngest_pod(j);
    }
    if (on_delete(j->f->workload) && !any_pod_of(j, r->hash)) {
        return youngest_pod(j);
    }
    return goal_of(r);
}

static struct goal find_goal(const struct judge *j)
{
    const struct facts *f = j->f;
    bool has_revisions = is_kind(j, "Deployment") || is_kind(j, "StatefulSet") ||
                         is_kind(j, "DaemonSet") || is_kind(j, "Rollout");
    if (!has_revisions) {
        return (struct goal){NULL, "", NULL};
    }
    if (f->workload == NULL) {
        return youngest_pod(j);
    }
    if (is_kind(j, "StatefulSet")) {
        return statefulset_goal(j);
    }
    if (is_kind(j, "DaemonSet")) {
        return daemonset_goal(j);
    }
    if (is_kind(j, "Rollout")) {
        return f->workload->current_pod_hash[0] != '\0'
                   ? goal_named(f, f->workload->current_pod_hash)
                   : youngest_pod(j);
    }
    const struct facts_revision *r = deployment_revision(f);
    return r != NULL ? goal_of(r) : youngest_pod(j);
}

/* Argo writes a string, and before v1.0 a hash, which says nothing about a generation. */
static bool is_observed(const struct kube_workload *w)
{
    int64_t seen = 0;
    if (w->observed_generation[0] == '\0') {
        return w->meta.generation == 0;
    }
    return !number_of(w->observed_generation, &seen) || seen >= w->meta.generation;
}

/* Streams of two kinds keep no order between them: the Deployment may speak of a revision whose
 * ReplicaSet has not come yet. Until it does, nothing is known of the new revision. Where no
 * ReplicaSet can be seen at all, the pods have to do. */
static bool replicaset_awaited(const struct judge *j)
{
    const struct facts *f = j->f;
    int64_t wanted = 0;
    if (!is_kind(j, "Deployment") || f->workload == NULL) {
        return false;
    }
    const char *text = kvs_get(&f->workload->meta.annotations, "deployment.kubernetes.io/revision");
    const struct facts_revision *newest = newest_revision(f);
    return text != NULL && number_of(text, &wanted) && newest != NULL && newest->number < wanted;
}

static const char *revision_text(const struct judge *j, const struct goal *g)
{
    if (j->f->workload != NULL) {
        const char *text = kvs_get(&j->f->workload->meta.annotations,
                                   is_kind(j, "Rollout") ? "rollout.argoproj.io/revision"
                                                         : "deployment.kubernetes.io/revision");
        if (text != NULL) {
            return text;
        }
    }
    if (g->revision != NULL && g->revision->number > 0) {
        return arena_printf(j->a, "%lld", (long long)g->revision->number);
    }
    return "";
}

static int64_t ordinal_of(const char *pod_name)
{
    const char *dash = strrchr(pod_name, '-');
    int64_t n = -1;
    return dash != NULL && number_of(dash + 1, &n) ? n : -1;
}

static bool job_pod(const struct judge *j, const struct kube_pod *pod)
{
    const struct owner *o = meta_controller(&pod->meta);
    return is_kind(j, "Job") || (o != NULL && strcmp(o->kind, "Job") == 0);
}

static bool wants_old(const struct judge *j, const struct kube_pod *pod)
{
    const struct kube_workload *w = j->f->workload;
    if (w == NULL) {
        return false;
    }
    if (on_delete(w)) {
        return true;
    }
    int64_t ordinal = is_kind(j, "StatefulSet") ? ordinal_of(pod->meta.name) : -1;
    return ordinal >= 0 && ordinal < w->partition;
}

static void sort_pod(const struct judge *j, const struct goal *g, struct pod_sheet *p)
{
    const struct kube_pod *pod = p->fp->pod;
    p->finished = strcmp(pod->phase, "Succeeded") == 0 || strcmp(pod->phase, "Failed") == 0 ||
                  job_pod(j, pod);
    p->deleting = pod->meta.deleted_at != 0;
    if (p->finished || p->deleting) {
        return;
    }
    const char *hash = pod_hash(j, p->fp);
    p->is_new = g->hash == NULL || strcmp(hash, g->hash) == 0 ||
                (g->name[0] != '\0' && strcmp(hash, g->name) == 0);
    p->is_old = !p->is_new;
    p->wanted_old = p->is_old && wants_old(j, pod);
}

static int64_t desired_pods(const struct judge *j, int64_t live)
{
    const struct kube_workload *w = j->f->workload;
    if (w == NULL) {
        return live;
    }
    if (w->meta.deleted_at != 0) {
        return 0;
    }
    if (is_kind(j, "DaemonSet")) {
        return w->desired_scheduled;
    }
    return w->replicas < 0 ? 1 : w->replicas;
}

static int64_t wanted_pods(const struct judge *j, const struct goal *g, int64_t wanted_old)
{
    const struct kube_workload *w = j->f->workload;
    int64_t desired = j->v->desired;
    if (w == NULL) {
        return desired;
    }
    if (on_delete(w)) {
        return desired > wanted_old ? desired - wanted_old : 0;
    }
    bool rolls = is_kind(j, "StatefulSet") && w->partition > 0 && g->hash != NULL &&
                 strcmp(w->update_revision, w->current_revision) != 0 &&
                 strcmp(g->hash, w->update_revision) == 0;
    if (!rolls) {
        return desired;
    }
    return desired > w->partition ? desired - w->partition : 0;
}

static void add_images(struct judge *j, const struct list *containers)
{
    const char **items = arena_array(j->a, const char *, containers->n);
    uint32_t n = 0;
    for (uint32_t i = 0; i < containers->n; i++) {
        const char *image = LIST_AT(struct container_spec, *containers, i)->image;
        bool known = false;
        for (uint32_t k = 0; k < n && !known; k++) {
            known = strcmp(items[k], image) == 0;
        }
        if (!known) {
            items[n++] = image;
        }
    }
    j->v->images = (struct strs){items, n};
}

/* The images of the revision itself where its object tells them: a paused Deployment's template may
 * be ahead of it. */
static void find_images(struct judge *j, const struct goal *g)
{
    if (g->revision != NULL && g->revision->replicaset != NULL &&
        g->revision->replicaset->template_containers.n > 0) {
        add_images(j, &g->revision->replicaset->template_containers);
        return;
    }
    if (j->f->workload != NULL && j->f->workload->template_containers.n > 0) {
        add_images(j, &j->f->workload->template_containers);
        return;
    }
    for (uint32_t i = 0; i < j->n_pods; i++) {
        if (j->pods[i].is_new) {
            add_images(j, &j->pods[i].fp->pod->containers);
            return;
        }
    }
}

static bool condition_says(const struct kube_workload *w, const char *type, const char *status,
                           const char *reason)
{
    const struct condition *c = condition_get(&w->conditions, type);
    return c != NULL && strcmp(c->status, status) == 0 &&
           (reason == NULL || strcmp(c->reason, reason) == 0);
}

static bool gave_up(const struct judge *j)
{
    const struct kube_workload *w = j->f->workload;
    if (w == NULL || !j->v->observed) {
        return false;
    }
    if (condition_says(w, "Progressing", "False", "ProgressDeadlineExceeded")) {
        return true;
    }
    return is_kind(j, "Rollout") &&
           (w->abort == 1 || condition_says(w, "Progressing", "False", "RolloutAborted") ||
            condition_says(w, "InvalidSpec", "True", NULL));
}

static int64_t started_at(const struct judge *j, const struct goal *g)
{
    const struct rollout_prior *prior = j->f->prior;
    if (prior->state >= 0) {
        return strcmp(prior->revision_hash, j->v->revision_hash) == 0 ? prior->started_at
                                                                      : j->f->now;
    }
    if (g->revision != NULL && g->revision->created_at > 0) {
        return g->revision->created_at;
    }
    int64_t first = 0;
    for (uint32_t i = 0; i < j->n_pods; i++) {
        int64_t at = j->pods[i].fp->pod->meta.created_at;
        if (j->pods[i].is_new && at > 0 && (first == 0 || at < first)) {
            first = at;
        }
    }
    return first != 0 ? first : j->f->now;
}

void judge_revision(struct judge *j)
{
    struct goal g = find_goal(j);
    const struct kube_workload *w = j->f->workload;
    struct rollout_verdict *v = j->v;
    int64_t live = 0;
    int64_t wanted_old = 0;
    int64_t unwanted = 0;
    for (uint32_t i = 0; i < j->n_pods; i++) {
        sort_pod(j, &g, &j->pods[i]);
        v->updated += j->pods[i].is_new;
        v->old += j->pods[i].is_old;
        live += j->pods[i].is_new || j->pods[i].is_old;
        wanted_old += j->pods[i].wanted_old;
        unwanted += j->pods[i].is_old && !j->pods[i].wanted_old;
    }
    v->revision_hash = g.hash != NULL ? g.hash : "";
    v->revision = revision_text(j, &g);
    v->generation = w != NULL ? w->meta.generation : 0;
    v->observed = w == NULL || (is_observed(w) && !replicaset_awaited(j));
    v->desired = desired_pods(j, live);
    j->wanted = wanted_pods(j, &g, wanted_old);
    j->missing = j->wanted > v->updated ? j->wanted - v->updated : 0;
    /* Argo keeps the pods of the old ReplicaSet for a while after promotion. */
    bool promoted = w != NULL && is_kind(j, "Rollout") && w->stable_rs[0] != '\0' &&
                    strcmp(w->stable_rs, v->revision_hash) == 0;
    v->complete = v->observed && j->missing == 0 && (unwanted == 0 || promoted);
    j->deadline_passed = gave_up(j);
    v->started_at = started_at(j, &g);
    find_images(j, &g);
}
