/* The moves of the watch machine, shared by kube_watch.c and kube_answer.c; nobody else's. */
#ifndef GATEHOUSE_SOURCE_KUBE_WATCH_IN_H
#define GATEHOUSE_SOURCE_KUBE_WATCH_IN_H

#include "source/kube_watch.h"

/* Between ms and twice that: many clients must not come back at once. */
int64_t watch_jitter(int64_t ms);
/* The token of the next page; takes it. NULL = none. */
void watch_set_token(struct kube_watch *w, char *token);
void watch_start(struct watch_stream *s, enum stream_mode mode);
void watch_list_start(struct kube_watch *w);
/* The list is whole: watches go on from list_rv. */
void watch_list_ended(struct kube_watch *w);
/* The stream backs off before it tries the same again. */
void watch_wait(struct watch_stream *s, int64_t at_least_ms);
/* Everything anew, by a list; at once when the stream was healthy. */
void watch_relist(struct kube_watch *w, struct watch_stream *s);
/* The list is given up; stored versions stay, so a broken verification goes back to its watch. */
void watch_give_up(struct kube_watch *w, struct watch_stream *s, int64_t at_least_ms);
/* kube_handler.on_done; arg is the stream. */
void watch_on_done(void *arg, struct kube_call *call);

#endif
