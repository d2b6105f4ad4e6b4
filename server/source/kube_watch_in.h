/* The moves of the watch machine, shared by kube_watch.c, kube_answer.c and kube_verify.c; nobody
 * else's. */
#ifndef GATEHOUSE_SOURCE_KUBE_WATCH_IN_H
#define GATEHOUSE_SOURCE_KUBE_WATCH_IN_H

#include "source/kube_watch.h"

/* Between ms and twice that: many clients must not come back at once. */
int64_t watch_jitter(int64_t ms);
/* Sends the request of this mode; NULL when credentials cannot be had. */
struct kube_call *watch_ask(struct watch_stream *s, enum stream_mode mode,
                            const struct kube_handler *handler, struct err *err);
void watch_start(struct watch_stream *s, enum stream_mode mode);
void watch_list_start(struct kube_watch *w);
/* The list is whole: watches go on from list_rv. */
void watch_list_ended(struct kube_watch *w);
/* The stream backs off before it tries the same again. */
void watch_wait(struct watch_stream *s, int64_t at_least_ms);
/* Everything anew, by a list; at once when the stream was healthy. */
void watch_relist(struct kube_watch *w, struct watch_stream *s);
/* The list is given up; stored versions stay. */
void watch_give_up(struct kube_watch *w, struct watch_stream *s, int64_t at_least_ms);
/* What the server said, in its own words, from an error's body in either form. */
void watch_read_status(const struct kube_call *call, struct arena *a, struct kube_status *ret);

void verify_init(struct kube_watch *w, struct queue *out);
void verify_fini(struct kube_watch *w);
void verify_plan(struct kube_watch *w);   /* the next one, in its time */
void verify_cancel(struct kube_watch *w); /* no-op when none is under way */
/* While the watch is live. Returns monotonic ms of its next wish, 0 = none. */
int64_t verify_step(struct kube_watch *w, int64_t now);

/* kube_handler.on_done; arg is the stream. */
void watch_on_done(void *arg, struct kube_call *call);

#endif
