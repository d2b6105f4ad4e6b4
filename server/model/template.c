/* Pod templates (see template.h). */
#include "model/template.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

struct pod_template template_of_workload(const struct kube_workload *w)
{
    return (struct pod_template){&w->template_labels, &w->template_gates, &w->template_containers,
                                 w->template_grace_seconds};
}

struct pod_template template_of_pod(const struct kube_pod *p)
{
    return (struct pod_template){&p->meta.labels, &p->gates, &p->containers, p->grace_seconds};
}

bool template_of(enum kind kind, const void *record, struct pod_template *ret)
{
    if (kind == KIND_POD) {
        *ret = template_of_pod(record);
        return true;
    }
    if (kind != KIND_DEPLOYMENT && kind != KIND_STATEFULSET && kind != KIND_DAEMONSET &&
        kind != KIND_ARGO_ROLLOUT && kind != KIND_REPLICASET) {
        return false;
    }
    *ret = template_of_workload(record);
    return true;
}

static const struct container_spec *with_port(const struct pod_template *t, const char *name,
                                              int64_t port, int64_t *ret_port)
{
    for (uint32_t i = 0; i < t->containers->n; i++) {
        const struct container_spec *c = LIST_AT(struct container_spec, *t->containers, i);
        for (uint32_t k = 0; k < c->ports.n; k++) {
            const struct container_port *p = LIST_AT(struct container_port, c->ports, k);
            if (name != NULL ? strcmp(p->name, name) == 0 : p->port == port) {
                *ret_port = p->port;
                return c;
            }
        }
    }
    return NULL;
}

int64_t template_port(const struct pod_template *t, const struct service_port *sp)
{
    int64_t port = 0;
    if (sp == NULL) {
        return 0;
    }
    if (sp->target_port[0] == '\0' || strcmp(sp->target_port, "0") == 0) {
        return sp->port;
    }
    char *end = NULL;
    long long number = strtoll(sp->target_port, &end, 10);
    if (*end == '\0') {
        return number;
    }
    return with_port(t, sp->target_port, 0, &port) != NULL ? port : 0;
}

/* "sleep 20", alone or inside a shell's command line. */
static int64_t sleep_in(const struct strs *command)
{
    AUTO(buf) line = BUF_INIT(4096);
    for (uint32_t i = 0; i < command->n; i++) {
        (void)buf_addf(&line, "%s ", command->items[i]);
    }
    const char *at = strstr(buf_str(&line), "sleep ");
    char *end = NULL;
    long long s = at != NULL ? strtoll(at + 6, &end, 10) : 0;
    return at != NULL && end != at + 6 && s > 0 && s < 86400 ? s : PRE_STOP_UNKNOWN;
}

static int64_t pre_stop_of(const struct container_spec *c)
{
    if (c == NULL || c->has_prestop <= 0) {
        return 0;
    }
    return c->prestop_sleep_seconds >= 0 ? c->prestop_sleep_seconds : sleep_in(&c->prestop_command);
}

static int64_t delay_of(const struct elb_group *g)
{
    const char *value = group_attribute(g, "deregistration_delay.timeout_seconds");
    char *end = NULL;
    long long s = value != NULL ? strtoll(value, &end, 10) : -1;
    return value != NULL && end != value && s >= 0 ? s : -1;
}

bool drain_check(const struct pod_template *t, int64_t port, const struct elb_group *group,
                 struct arena *arena, struct drain *ret)
{
    int64_t ignored = 0;
    const struct container_spec *c = port > 0 ? with_port(t, NULL, port, &ignored) : NULL;
    if (c == NULL && t->containers->n > 0) {
        c = LIST_AT(struct container_spec, *t->containers, 0);
    }
    int64_t delay = delay_of(group);
    struct drain d = {.grace_s = t->grace_seconds >= 0 ? t->grace_seconds : GRACE_DEFAULT_S,
                      .pre_stop_s = pre_stop_of(c),
                      .delay_s = delay >= 0 ? delay : DEREGISTRATION_DEFAULT_S,
                      .delay_known = delay >= 0,
                      .severity = SEVERITY_INFO};
    long long grace = d.grace_s;
    const char *known = d.delay_known ? "" : ", its default";
    if (d.pre_stop_s > 0 && d.pre_stop_s >= d.grace_s) {
        d.severity = SEVERITY_WARNING;
        d.message = arena_printf(arena,
                                 "the preStop sleep of %lld s takes the whole grace period of "
                                 "%lld s: the application is killed without time to finish",
                                 (long long)d.pre_stop_s, grace);
        d.action = "Make terminationGracePeriodSeconds longer than the preStop sleep and the "
                   "longest request together.";
    } else if (d.pre_stop_s == 0) {
        d.message =
            arena_printf(arena,
                         "there is no preStop hook: SIGTERM comes while the load balancer "
                         "still sends; the grace period is %lld s, the deregistration delay "
                         "%lld s%s",
                         grace, (long long)d.delay_s, known);
        d.action = "Give the container a preStop sleep of 15 s or more and a grace period that "
                   "covers it and the longest request.";
    } else if (d.grace_s < d.delay_s) {
        d.message = arena_printf(arena,
                                 "the grace period of %lld s is shorter than the deregistration "
                                 "delay of %lld s%s: requests that last longer are cut off",
                                 grace, (long long)d.delay_s, known);
        d.action = "Raise terminationGracePeriodSeconds, or lower the target group's "
                   "deregistration_delay.timeout_seconds to the longest request.";
    }
    *ret = d;
    return d.message != NULL;
}
