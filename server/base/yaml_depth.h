/*
 * How deep a YAML text nests, looked at before a document is built of it: the time libyaml takes
 * for that grows with the square of the depth, and no file of ours is deep.
 */
#ifndef GATEHOUSE_BASE_YAML_DEPTH_H
#define GATEHOUSE_BASE_YAML_DEPTH_H

#include <stdbool.h>
#include <stddef.h>

/* Are all collections, of all documents, at most max levels deep? false: line and column, counted
 * from 1, of the first that is deeper. A text that is no YAML passes: building it says where and
 * why. Thread: any. */
bool yaml_depth_ok(const char *text, size_t len, int max, size_t *ret_line, size_t *ret_column);

#endif
