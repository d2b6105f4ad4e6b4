/*
 * A change: what a source saw, on its way to the writer. Each change owns an arena that everything
 * in it lives in; it moves through the queue (source -> writer) and is freed by the writer with
 * change_free().
 */
#ifndef GATEHOUSE_MODEL_CHANGE_H
#define GATEHOUSE_MODEL_CHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "model/object.h"

/* X(enum suffix, meaning) */
#define CHANGE_TYPES(X)                                                                            \
    X(OBJECTS, "objects of one kind seen: added, modified or deleted, in order")                   \
    X(LIST_BEGIN, "a full list of one kind starts: what it does not contain is gone at LIST_END")  \
    X(LIST_END, "the list is complete: delete what was not seen, store its resourceVersion")       \
    X(LIST_ABORT, "the list broke off: keep everything, delete nothing")                           \
    X(BOOKMARK, "the stream has passed this resourceVersion")                                      \
    X(KIND_GONE, "the server does not have this kind (any more): drop its rows")                   \
    X(SOURCE, "a source's state: ok, failing, denied ... for one kind or one account")             \
    X(CLUSTER, "which cluster this is: uid of kube-system, server url, version")                   \
    X(TARGETS, "the health answer of one target group, complete")                                  \
    X(GROUPS, "descriptions of target groups and load balancers")                                  \
    X(GROUP_GONE, "ELBv2 does not know this target group")                                         \
    X(COMMAND, "something the API or the deliver thread wants written")

enum change_type {
#define X(suffix, text) CHANGE_##suffix,
    CHANGE_TYPES(X)
#undef X
};

struct change_object {
    bool deleted;       /* the last state of a deleted object */
    const void *record; /* the kind's struct; its first member is struct meta */
};

/* X(suffix, name): a source's own state. Order is stable. */
#define SOURCE_STATES(X)                                                                           \
    X(STARTING, "starting")                                                                        \
    X(SYNCING, "syncing")                                                                          \
    X(OK, "ok")                                                                                    \
    X(ABSENT,                                                                                      \
      "absent") /* the server does not have this kind; for aws: no credentials configured */       \
    X(DENIED, "denied")                                                                            \
    X(THROTTLED, "throttled")                                                                      \
    X(UNREACHABLE, "unreachable")                                                                  \
    X(FAILING, "failing")                                                                          \
    X(OFF, "off")

enum source_state {
#define X(suffix, name) SOURCE_##suffix,
    SOURCE_STATES(X)
#undef X
};
const char *source_state_name(enum source_state s);

struct change_source {
    const char
        *source; /* "kubernetes/pods", "kubernetes" (the connection), "aws/ACCOUNT/REGION", "aws" */
    enum source_state state;
    const char *message; /* what is wrong in words, with the action or address; "" when ok */
    int64_t at;          /* when */
    int64_t ok_at;       /* last time it was known good; 0 = never */
};

/* Commands from the API or deliver thread. */
enum command_type {
    COMMAND_DELIVERY_RESULT, /* text = delivery id; see struct delivery_result in alert/alert.h:
                                data */
    COMMAND_REDELIVER,       /* number = delivery id */
    COMMAND_RELOADED /* the configuration changed: thresholds to judge anew; data = new config,
                        taken */
};

struct change {
    enum change_type type;
    struct arena *arena; /* owns this change and everything below */
    int64_t received_at; /* Unix ms when the bytes arrived */
    int64_t received_us; /* CLOCK_MONOTONIC microseconds, for latency metrics; 0 = not measured */
    enum kind kind;      /* OBJECTS, LIST_*, BOOKMARK, KIND_GONE */

    /* OBJECTS: n_objects items. LIST_END and BOOKMARK: resource_version. LIST_BEGIN: verify, and
     * then resource_version. */
    struct change_object *objects;
    uint32_t n_objects;
    const char *resource_version;
    bool in_list; /* OBJECTS: part of the list between LIST_BEGIN and LIST_END */
    bool partial; /* OBJECTS: of one of several streams: its version is no place to resume from */
    bool verify;  /* LIST_BEGIN: a periodic verification beside the watch, which stood at
                     resource_version; count what it repairs */

    struct change_source source; /* SOURCE */
    bool settled; /* SOURCE of a kind that fails: it will not be there soon, nobody waits for it */

    /* CLUSTER */
    const char *cluster_uid; /* uid of namespace kube-system; "" when it may not be read */
    const char *server_url;
    const char *server_version;

    /* TARGETS, GROUP_GONE */
    const char *group_arn;
    const struct elb_target *targets;
    uint32_t n_targets;
    bool unchanged; /* TARGETS: the same answer as before: only the time of sight moves */
    bool asked;     /* TARGETS: somebody asked for it: the time of sight is news */

    /* GROUPS */
    const struct elb_group *groups;
    uint32_t n_groups;
    const struct elb_balancer *balancers;
    uint32_t n_balancers;

    /* COMMAND */
    enum command_type command;
    int64_t number;
    void *data; /* owned by the change unless taken */
    void (*data_free)(void *data);
};

/* A change in an arena of its own; received_at is set by the caller. Thread: any. */
struct change *change_new(enum change_type type, size_t first_chunk);
void change_free(struct change *c); /* accepts NULL */
size_t change_weight(const struct change *c);
const char *change_type_name(enum change_type type);

#endif
