/*
 * Crash loops, read from what kubelet says of containers. A container that crashes runs for a
 * moment between two crashes and may be ready then, even serve; so the loop is over when the
 * container has run on for as long as kubelet remembers a crash, not when it is up.
 *
 * A run longer than that is no part of a loop: a pod with restarts of last month that crashes once
 * more only restarts. The first crash is none either, until kubelet holds the container back, or
 * unless the loop was known before.
 */
#include "model/judge.h"

#include <string.h>

/* kubelet forgets its back-off after twice the longest one (5 min): kuberuntime's doBackOff */
enum { FORGOTTEN_MS = 10 * 60 * 1000, SUSPECT = 2, KNOWN = 1 };

/* It is not held back: until when does it run between two crashes? 0 = it does not. */
static int64_t between_until(const struct judge *j, const struct container_status *c)
{
    bool short_run =
        c->last_started_at == 0 || c->last_finished_at - c->last_started_at < FORGOTTEN_MS;
    if (c->restarts < KNOWN || c->last_finished_at == 0 || !short_run) {
        return 0;
    }
    bool suspect = c->restarts >= SUSPECT || judge_prior_since(j, "crash_loop", NULL) != 0;
    return suspect ? c->last_finished_at + FORGOTTEN_MS : 0;
}

static bool finished(const struct container_status *c)
{
    return c->is_terminated == 1 && c->exit_code == 0;
}

static const struct container_status *crashing_of(struct judge *j, const struct list *statuses,
                                                  bool init)
{
    for (uint32_t i = 0; i < statuses->n; i++) {
        const struct container_status *c = LIST_AT(struct container_status, *statuses, i);
        if (strcmp(c->waiting_reason, "CrashLoopBackOff") == 0) {
            return c;
        }
        bool other = c->waiting_reason[0] != '\0' || (init && finished(c));
        int64_t until = other ? 0 : between_until(j, c);
        if (judge_heard_now(j) < until) {
            judge_look_at(j, until);
            return c;
        }
    }
    return NULL;
}

const struct container_status *pod_crashing(struct judge *j, const struct kube_pod *pod)
{
    const struct container_status *c = crashing_of(j, &pod->init_statuses, true);
    return c != NULL ? c : crashing_of(j, &pod->statuses, false);
}
