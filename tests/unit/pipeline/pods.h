/*
 * A cluster of bare pods, as changes: a pod that was created twenty minutes ago and does not get
 * ready is past every limit, so stuck at once.
 */
#ifndef GATEHOUSE_TESTS_PODS_H
#define GATEHOUSE_TESTS_PODS_H

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/queue.h"
#include "model/change.h"
#include "model/pack.h"

static void push(struct queue *q, struct change *c)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    c->received_at = clock_unix_ms();
    c->received_us = (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
    if (queue_push(q, c, change_weight(c), 15000) != QUEUE_OK) {
        abort();
    }
}

static void push_plain(struct queue *q, enum change_type type, enum kind kind)
{
    struct change *c = change_new(type, 512);
    c->kind = kind;
    c->resource_version = "100";
    push(q, c);
}

/* Everything but pods is not there on this server. */
static void push_other_kinds(struct queue *q)
{
    for (int k = 0; k < KIND_COUNT; k++) {
        if (k != KIND_POD) {
            push_plain(q, CHANGE_KIND_GONE, (enum kind)k);
        }
    }
    struct change *c = change_new(CHANGE_SOURCE, 512);
    c->source = (struct change_source){.source = "kubernetes",
                                       .state = SOURCE_OK,
                                       .message = "",
                                       .at = clock_unix_ms(),
                                       .ok_at = clock_unix_ms()};
    push(q, c);
}

static const struct condition *ready_conditions(struct arena *a, bool ready)
{
    static const char *const types[] = {"PodScheduled", "ContainersReady", "Ready"};
    struct condition *conditions = arena_array(a, struct condition, 3);
    for (int i = 0; i < 3; i++) {
        conditions[i] =
            (struct condition){.type = types[i],
                               .status = ready || i == 0 ? "True" : "False",
                               .reason = "",
                               .message = "",
                               .transition_at = clock_unix_ms() - (ready ? 1000 : 1200000)};
    }
    return conditions;
}

static struct change *pod_change(const char *name, const char *version, bool ready, bool in_list)
{
    struct change *c = change_new(CHANGE_OBJECTS, 4096);
    struct kube_pod *pod = arena_zalloc(c->arena, sizeof *pod);
    struct change_object *o = arena_array(c->arena, struct change_object, 1);
    record_clear(kind_info(KIND_POD)->table, pod);
    pod->meta.kind = KIND_POD;
    pod->meta.namespace = "shop";
    pod->meta.name = arena_strdup(c->arena, name);
    pod->meta.uid = arena_printf(c->arena, "uid-%s", name);
    pod->meta.resource_version = arena_strdup(c->arena, version);
    pod->meta.created_at = clock_unix_ms() - INT64_C(1200000);
    pod->phase = "Running";
    pod->ip = "10.0.0.7";
    pod->conditions = (struct list){ready_conditions(c->arena, ready), 3};
    o->record = pod;
    c->kind = KIND_POD;
    c->objects = o;
    c->n_objects = 1;
    c->in_list = in_list;
    return c;
}

static __attribute__((unused)) void push_cluster(struct queue *q)
{
    push_other_kinds(q);
    push_plain(q, CHANGE_LIST_BEGIN, KIND_POD);
    push(q, pod_change("lone", "5", false, true));
    push_plain(q, CHANGE_LIST_END, KIND_POD);
}

#endif
