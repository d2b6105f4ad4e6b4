/*
 * From a binding's service port to the port of a pod: the binding names a port of its Service by
 * number or name; the controller takes the target port from the pod's EndpointSlice, under the name
 * of that Service port. Without a slice the Service's targetPort and the container's named ports
 * tell the same.
 */
#include "model/judge.h"

#include <stdlib.h>
#include <string.h>

const struct service_port *service_port_of(const struct facts_binding *fb)
{
    if (fb->service == NULL) {
        return NULL;
    }
    const char *want = fb->binding->service_port;
    char *end = NULL;
    long long number = strtoll(want, &end, 10);
    bool numeric = end != want && *end == '\0';
    for (uint32_t i = 0; i < fb->service->ports.n; i++) {
        const struct service_port *p = LIST_AT(struct service_port, fb->service->ports, i);
        if (numeric ? p->port == number : strcmp(p->name, want) == 0) {
            return p;
        }
    }
    return NULL;
}

static int64_t container_port_named(const struct kube_pod *pod, const char *name)
{
    for (uint32_t i = 0; i < pod->containers.n; i++) {
        const struct list *ports = &LIST_AT(struct container_spec, pod->containers, i)->ports;
        for (uint32_t k = 0; k < ports->n; k++) {
            const struct container_port *p = LIST_AT(struct container_port, *ports, k);
            if (strcmp(p->name, name) == 0) {
                return p->port;
            }
        }
    }
    return 0;
}

int64_t target_port_of(const struct service_port *sp, const struct kube_slice *slice,
                       const struct kube_pod *pod)
{
    if (sp == NULL) {
        return 0;
    }
    for (uint32_t i = 0; slice != NULL && i < slice->ports.n; i++) {
        const struct slice_port *p = LIST_AT(struct slice_port, slice->ports, i);
        if (strcmp(p->name, sp->name) == 0 && p->port > 0) {
            return p->port;
        }
    }
    if (sp->target_port[0] == '\0' || strcmp(sp->target_port, "0") == 0) {
        return sp->port;
    }
    char *end = NULL;
    long long number = strtoll(sp->target_port, &end, 10);
    return *end == '\0' ? number : container_port_named(pod, sp->target_port);
}
