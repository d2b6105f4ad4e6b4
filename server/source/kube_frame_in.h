/* Shared by the two halves of framing; nobody else's. */
#ifndef GATEHOUSE_SOURCE_KUBE_FRAME_IN_H
#define GATEHOUSE_SOURCE_KUBE_FRAME_IN_H

#include "source/kube_frame.h"

enum { FRAME_KIND_MAX = 256 };

const char *frame_front(const struct frame_reader *r);
enum frame_what frame_bad(struct err *err, const char *what); /* FRAME_BAD */
bool frame_ends_in_list(const char *kind, size_t len);
enum frame_what frame_json_watch(struct frame_reader *r, const char **ret_data, size_t *ret_len,
                                 struct err *err);
enum frame_what frame_json_list(struct frame_reader *r, const char **ret_data, size_t *ret_len,
                                struct err *err);

#endif
