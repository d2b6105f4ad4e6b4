/*
 * What the watch machine of one kind tells the writer: batches of objects, the brackets around a
 * list, bookmarks and the source's own state. Objects never wait: when the queue is full the batch
 * stays here and the machine holds its sockets. Control changes are small and must not be lost, so
 * they wait for room; the consumer always drains.
 */
#ifndef GATEHOUSE_SOURCE_KUBE_EMIT_H
#define GATEHOUSE_SOURCE_KUBE_EMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/queue.h"
#include "model/change.h"

struct kube_emit {
    enum kind kind;
    struct queue *out;          /* borrowed */
    struct change *batch;       /* being filled; NULL = empty */
    bool blocked;               /* the queue was full at the last try */
    bool in_list;               /* LIST_BEGIN was sent and is not closed */
    bool partial;               /* several streams, or not the whole cluster: nothing to resume */
    bool settled;               /* nobody waits for this kind: it was said once */
    enum source_state reported; /* last CHANGE_SOURCE */
    char reported_message[256];
    int64_t ok_ms;        /* monotonic, of the last good sign; 0 = none */
    int64_t alive_due_ms; /* monotonic: the next sign of life */
};

void emit_init(struct kube_emit *e, enum kind kind, struct queue *out);
void emit_fini(struct kube_emit *e);

/* Is there room for one more object? Sends a full batch; false: the queue is full, try later. */
bool emit_ready(struct kube_emit *e);
/* A record of the kind's size in the batch's arena, uninitialised; after emit_ready. Fill it, then
 * emit_add; a record that is not added costs only its memory. */
void *emit_record(struct kube_emit *e, struct arena **ret_arena);
/* false: the record has no name, nothing could be keyed by it. */
bool emit_add(struct kube_emit *e, void *record, bool deleted);
/* Sends what is there; false: the queue is full. */
bool emit_flush(struct kube_emit *e);
/* Sends what is there and waits for room. */
void emit_flush_wait(struct kube_emit *e);

/* No-op inside a list. verify: NULL, or where the watch stands that is verified. */
void emit_list_begin(struct kube_emit *e, const char *verify);
void emit_list_end(struct kube_emit *e, const char *rv); /* rv: where a watch goes on */
void emit_list_abort(struct kube_emit *e);               /* no-op outside a list */
void emit_bookmark(struct kube_emit *e, const char *rv); /* after the rows it vouches for */
void emit_gone(struct kube_emit *e);
/* Only a change of state or words is sent. */
void emit_report(struct kube_emit *e, enum source_state state, const char *message);
/* It fails and will not be there soon: judging need not wait for it. Sent once. */
void emit_settle(struct kube_emit *e);
/* The last good sign was then (monotonic ms): passed on now and then while the source is ok, so
 * that its age is known. */
void emit_alive(struct kube_emit *e, int64_t seen_ms);

#endif
