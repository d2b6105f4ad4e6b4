/* Inside this folder: the thresholds of one rollout, merged from configuration and annotations. */
#ifndef GATEHOUSE_PIPELINE_POLICY_H
#define GATEHOUSE_PIPELINE_POLICY_H

#include "base/arena.h"
#include "config/config.h"
#include "model/model.h"

/* What could not be used, in words, naming object and annotation; texts live in the arena. */
enum { POLICY_NOTES = 6 };
struct policy_notes {
    const char *text[POLICY_NOTES];
    unsigned n;
};

/* The policy of one rollout, field by field from the nearest source that says something:
 * annotation on the workload (a bare pod: on the pod), annotation on the namespace, the first
 * matching override, the general options. An annotation that cannot be read is left out and noted.
 * *ret borrows from configuration and facts. Pure. Thread: any. */
void policy_rollout(const struct config *config, const struct facts *facts, struct arena *arena,
                    struct policy *ret, struct policy_notes *ret_notes);
/* The general options alone, for findings that hang on no rollout. */
void policy_general(const struct config *config, struct policy *ret);

#endif
