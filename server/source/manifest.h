/*
 * Manifests as people write them: YAML streams of several documents, JSON objects one after the
 * other, lists (kind: List), the output of kustomize and Helm. Every object becomes a record by its
 * kind's table, as one from the API server would; what says nothing about gates is named and not
 * read.
 *
 * YAML is read event by event under ceilings (depth, nodes, what aliases stand for, objects), so
 * that a small text cannot grow. Errors name file, line and column.
 */
#ifndef GATEHOUSE_SOURCE_MANIFEST_H
#define GATEHOUSE_SOURCE_MANIFEST_H

#include <jansson.h>

#include "model/preflight.h"

enum {
    MANIFEST_BYTES = 1 << 20,
    MANIFEST_OBJECTS_MAX = 1000,
    MANIFEST_NODES_MAX = 200000, /* aliases count for what they stand for */
    MANIFEST_DEPTH_MAX = 64,
    MANIFEST_LABELS_MAX = 256, /* of one object, and of one selector */
    MANIFEST_PARENTS_MAX = 32  /* of a route: as many as Gateway API allows */
};

/* Reads all objects (struct manifest, in their order) into the arena. `name` stands in messages:
 * ERR_INPUT "NAME:LINE:COLUMN: what". Pure. Thread: any. */
bool manifest_read(const char *name, const char *text, size_t len, struct arena *arena,
                   struct list *ret, struct err *err) MUST_CHECK;

/* One document of a YAML stream as JSON; inside this folder. *ret is NULL for an empty one, and
 * *ret_end tells that there are no more. */
struct yaml_place {
    const json_t *object; /* borrowed: a mapping of the document */
    size_t line;          /* from 1 */
    size_t column;
};
enum { YAML_PLACES_MAX = 4096 };
struct yaml_stream;
struct yaml_stream *yaml_stream_new(const char *name, const char *text, size_t len);
void yaml_stream_free(struct yaml_stream *s); /* accepts NULL */
bool yaml_stream_next(struct yaml_stream *s, json_t **ret, bool *ret_end,
                      struct err *err) MUST_CHECK;
/* Where a mapping of the last document began; false = not remembered. */
bool yaml_stream_place(const struct yaml_stream *s, const json_t *object, struct yaml_place *ret);

#endif
