/* The names behind the words (see words.h). */
#include "model/words.h"

#include <stddef.h>
#include <string.h>

#define X(s, n) n,
static const char *const pod_states[] = {POD_STATES(X)};
static const char *const rollout_states[] = {ROLLOUT_STATES(X)};
static const char *const paces[] = {PACES(X)};
static const char *const severities[] = {SEVERITIES(X)};
static const char *const confidences[] = {CONFIDENCES(X)};
static const char *const truths[] = {TRUTHS(X)};
static const char *const gate_statuses[] = {GATE_STATUSES(X)};
static const char *const contradictions[] = {CONTRADICTIONS(X)};
#undef X

struct family {
    const char *name;
    const char *prefix;
};
#define X(s, n, p, a) {n, p},
static const struct family families[] = {GATE_FAMILIES(X)};
#undef X

static const char *name_at(const char *const *names, unsigned count, unsigned i)
{
    return i < count ? names[i] : "unknown";
}

#define DEFINE_NAME(fn, type, names, count)                                                        \
    const char *fn(enum type v)                                                                    \
    {                                                                                              \
        return name_at(names, count, (unsigned)v);                                                 \
    }
DEFINE_NAME(pod_state_name, pod_state, pod_states, POD_STATE_COUNT)
DEFINE_NAME(rollout_state_name, rollout_state, rollout_states, ROLLOUT_STATE_COUNT)
DEFINE_NAME(pace_name, pace, paces, PACE_COUNT)
DEFINE_NAME(severity_name, severity, severities, SEVERITY_COUNT)
DEFINE_NAME(confidence_name, confidence, confidences, CONFIDENCE_COUNT)
DEFINE_NAME(truth_name, truth, truths, TRUTH_COUNT)
DEFINE_NAME(gate_status_name, gate_status, gate_statuses, GATE_STATUS_COUNT)
DEFINE_NAME(contradiction_name, contradiction, contradictions, CONTRADICTION_COUNT)

const char *gate_family_name(enum gate_family v)
{
    return (unsigned)v < FAMILY_COUNT ? families[v].name : "generic";
}

static bool parse(const char *const *names, int count, const char *name, int *ret)
{
    for (int i = 0; i < count; i++) {
        if (strcmp(names[i], name) == 0) {
            *ret = i;
            return true;
        }
    }
    return false;
}

bool rollout_state_parse(const char *name, enum rollout_state *ret)
{
    int i = 0;
    bool ok = parse(rollout_states, ROLLOUT_STATE_COUNT, name, &i);
    if (ok) {
        *ret = (enum rollout_state)i;
    }
    return ok;
}

bool pod_state_parse(const char *name, enum pod_state *ret)
{
    int i = 0;
    bool ok = parse(pod_states, POD_STATE_COUNT, name, &i);
    if (ok) {
        *ret = (enum pod_state)i;
    }
    return ok;
}

int rollout_state_rank(enum rollout_state v)
{
    static const int ranks[ROLLOUT_STATE_COUNT] = {
        [ROLLOUT_FAILED] = 0, [ROLLOUT_STUCK] = 1,       [ROLLOUT_EXPOSED] = 2,
        [ROLLOUT_SLOW] = 3,   [ROLLOUT_UNKNOWN] = 4,     [ROLLOUT_PROGRESSING] = 5,
        [ROLLOUT_PAUSED] = 6, [ROLLOUT_SERVING] = 7,     [ROLLOUT_NOT_GATED] = 8,
        [ROLLOUT_IDLE] = 9,   [ROLLOUT_SUPERSEDED] = 10,
    };
    return (unsigned)v < ROLLOUT_STATE_COUNT ? ranks[v] : 4;
}

enum gate_family gate_family_of(const char *condition_type)
{
    for (int i = 0; i < FAMILY_GENERIC; i++) {
        if (strncmp(condition_type, families[i].prefix, strlen(families[i].prefix)) == 0) {
            return (enum gate_family)i;
        }
    }
    return FAMILY_GENERIC;
}

enum gate_family gate_family_in(const char *condition_type, const char *const *configured,
                                const char **ret_name, size_t *ret_len)
{
    enum gate_family built_in = gate_family_of(condition_type);
    if (built_in != FAMILY_GENERIC) {
        return built_in;
    }
    for (; configured != NULL && *configured != NULL; configured++) {
        size_t len = strcspn(*configured, "=");
        const char *prefix = *configured + len + ((*configured)[len] == '=');
        if (prefix[0] != '\0' && strncmp(condition_type, prefix, strlen(prefix)) == 0) {
            if (ret_name != NULL) {
                *ret_name = *configured;
                *ret_len = len;
            }
            return FAMILY_CONFIGURED;
        }
    }
    return FAMILY_GENERIC;
}

const char *gate_binding_name(const char *condition_type)
{
    enum gate_family f = gate_family_of(condition_type);
    if (f != FAMILY_AWS_LBC && f != FAMILY_EKS_AUTO) {
        return "";
    }
    return condition_type + strlen(families[f].prefix);
}
