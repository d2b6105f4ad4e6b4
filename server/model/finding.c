/*
 * Findings of one judgement: started by the rules (cause*.c), found again by code and object, and
 * ordered at the end. The primary cause is the one nearest to the root (the catalogue's nearness)
 * among those that concern the revision the rollout goes to; `info` findings, the normal waits,
 * give way to warnings and errors.
 *
 * Invariant: one finding a code and object; a pod is counted once in each.
 */
#include "model/judge.h"
#include "model/quote.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_EVIDENCE = 20, MAX_POD_NAMES = 20, MAX_COMMANDS = 8, VALUE_SIZE = 1024 };

struct finding_room {
    const char **pod_names;
    const char **commands;
    struct evidence *evidence;
};

static uint32_t hash_of(const char *code, const char *object)
{
    return index_hash(index_hash(INDEX_SEED, code), object);
}

static void grow(struct judge *j)
{
    if (j->n_findings < j->cap_findings) {
        return;
    }
    uint32_t cap = j->cap_findings == 0 ? 16 : j->cap_findings * 2;
    struct finding *findings = arena_array(j->a, struct finding, cap);
    struct finding_room *rooms = arena_array(j->a, struct finding_room, cap);
    if (j->n_findings > 0) {
        memcpy(findings, j->findings, sizeof *findings * j->n_findings);
        memcpy(rooms, j->rooms, sizeof *rooms * j->n_findings);
    }
    j->findings = findings;
    j->rooms = rooms;
    j->cap_findings = cap;
    index_init(&j->by_name, j->a, cap);
    for (uint32_t i = 0; i < j->n_findings; i++) {
        index_add(&j->by_name, hash_of(findings[i].code, findings[i].object), i);
    }
}

static struct finding *find(struct judge *j, const char *code, const char *object)
{
    uint32_t i = 0;
    for (uint32_t at = index_start(&j->by_name, hash_of(code, object));
         index_next(&j->by_name, &at, &i);) {
        struct finding *f = &j->findings[i];
        if (strcmp(f->code, code) == 0 && strcmp(f->object, object) == 0) {
            return f;
        }
    }
    return NULL;
}

static int64_t prior_since(struct judge *j, const char *code, const char *object)
{
    const struct list *prior = &j->f->prior->findings;
    if (j->prior_by_name.slots == NULL) {
        index_init(&j->prior_by_name, j->a, prior->n);
        for (uint32_t i = 0; i < prior->n; i++) {
            const struct prior_finding *f = LIST_AT(struct prior_finding, *prior, i);
            index_add(&j->prior_by_name, hash_of(f->code, f->object), i);
        }
    }
    uint32_t i = 0;
    for (uint32_t at = index_start(&j->prior_by_name, hash_of(code, object));
         index_next(&j->prior_by_name, &at, &i);) {
        const struct prior_finding *f = LIST_AT(struct prior_finding, *prior, i);
        if (strcmp(f->code, code) == 0 && strcmp(f->object, object) == 0) {
            return f->since;
        }
    }
    return 0;
}

struct finding *judge_finding(struct judge *j, const char *code, const char *object)
{
    struct finding *known = find(j, code, object);
    if (known != NULL) {
        return known;
    }
    grow(j);
    const struct cause *cause = cause_get(code);
    int64_t since = prior_since(j, code, object);
    uint32_t i = j->n_findings++;
    j->findings[i] = (struct finding){
        .code = code,
        .object = object,
        .severity = cause != NULL ? cause->severity : SEVERITY_WARNING,
        .terminal = cause != NULL && cause->terminal,
        .confidence = CONFIDENCE_CERTAIN,
        .since = since != 0 ? since : j->f->now,
        .message = "",
        .action = "",
        .docs = cause != NULL ? cause->docs : "",
    };
    index_add(&j->by_name, hash_of(code, object), i);
    return &j->findings[i];
}

static struct finding_room *room_of(struct judge *j, const struct finding *f)
{
    return &j->rooms[f - j->findings];
}

/* A value may be an object's own long text. */
static const char *format(struct judge *j, const char *fmt, va_list ap) FORMAT(2, 0);
static const char *format(struct judge *j, const char *fmt, va_list ap)
{
    char value[VALUE_SIZE];
    int n = vsnprintf(value, sizeof value, fmt, ap);
    return arena_strndup(j->a, value, n < 0 ? 0 : strnlen(value, sizeof value));
}

void finding_evidence(struct judge *j, struct finding *f, const char *object, const char *field,
                      const char *fmt, ...)
{
    struct finding_room *r = room_of(j, f);
    if (f->evidence.n == MAX_EVIDENCE) {
        return;
    }
    if (r->evidence == NULL) {
        r->evidence = arena_array(j->a, struct evidence, MAX_EVIDENCE);
    }
    va_list ap;
    va_start(ap, fmt);
    const char *value = format(j, fmt, ap);
    va_end(ap);
    r->evidence[f->evidence.n] = (struct evidence){object, field, quote_steady(j->a, value)};
    f->evidence = (struct list){r->evidence, f->evidence.n + 1};
}

void finding_command(struct judge *j, struct finding *f, const char *fmt, ...)
{
    struct finding_room *r = room_of(j, f);
    if (f->commands.n == MAX_COMMANDS) {
        return;
    }
    if (r->commands == NULL) {
        r->commands = arena_array(j->a, const char *, MAX_COMMANDS);
    }
    va_list ap;
    va_start(ap, fmt);
    r->commands[f->commands.n] = format(j, fmt, ap);
    va_end(ap);
    f->commands = (struct strs){r->commands, f->commands.n + 1};
}

void finding_pod(struct judge *j, struct finding *f, struct pod_sheet *pod)
{
    uint32_t i = (uint32_t)(f - j->findings);
    for (const struct pod_finding *pf = pod->findings; pf != NULL; pf = pf->next) {
        if (pf->finding == i) {
            return;
        }
    }
    struct pod_finding *pf = arena_alloc(j->a, sizeof *pf);
    *pf = (struct pod_finding){i, pod->findings};
    pod->findings = pf;
    f->pods++;
    f->new_pods += pod->is_new;
    if (pod->v->cause[0] == '\0') {
        pod->v->cause = f->code;
    }
    struct finding_room *r = room_of(j, f);
    if (r->pod_names == NULL) {
        r->pod_names = arena_array(j->a, const char *, MAX_POD_NAMES);
    }
    if (f->pod_names.n < MAX_POD_NAMES) {
        r->pod_names[f->pod_names.n] = pod->fp->pod->meta.name;
        f->pod_names = (struct strs){r->pod_names, f->pod_names.n + 1};
    }
}

bool pod_is_terminal(const struct judge *j, const struct pod_sheet *p)
{
    for (const struct pod_finding *pf = p->findings; pf != NULL; pf = pf->next) {
        if (j->findings[pf->finding].terminal) {
            return true;
        }
    }
    return false;
}

/* ---- order ---- */

static int nearness_of(const struct finding *f)
{
    const struct cause *c = cause_get(f->code);
    return c != NULL ? c->nearness : 1000;
}

static int compare(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int by_text(const struct finding *a, const struct finding *b)
{
    int c = strcmp(a->code, b->code);
    return c != 0 ? c : strcmp(a->object, b->object);
}

static bool may_be_primary(const struct finding *f)
{
    return !f->aside && (f->pods == 0 || f->new_pods > 0);
}

/* Nearer to the root first. */
static bool nearer(const struct finding *a, const struct finding *b)
{
    int c = compare(a->severity == SEVERITY_INFO, b->severity == SEVERITY_INFO);
    c = c != 0 ? c : compare(nearness_of(a), nearness_of(b));
    c = c != 0 ? c : compare((int64_t)b->severity, (int64_t)a->severity);
    c = c != 0 ? c : compare(b->new_pods, a->new_pods);
    c = c != 0 ? c : compare(a->since, b->since);
    return (c != 0 ? c : by_text(a, b)) < 0;
}

/* In lists: the primary one, then by severity, nearness, pods. */
static int by_rank(const void *pa, const void *pb)
{
    const struct finding *a = pa;
    const struct finding *b = pb;
    int c = compare(b->primary, a->primary);
    c = c != 0 ? c : compare((int64_t)b->severity, (int64_t)a->severity);
    c = c != 0 ? c : compare(nearness_of(a), nearness_of(b));
    c = c != 0 ? c : compare(b->pods, a->pods);
    return c != 0 ? c : by_text(a, b);
}

/* A pod's own cause: the nearest of those that hold it. */
static void choose_pod_causes(struct judge *j)
{
    for (uint32_t i = 0; i < j->n_pods; i++) {
        const struct finding *best = NULL;
        for (const struct pod_finding *pf = j->pods[i].findings; pf != NULL; pf = pf->next) {
            const struct finding *f = &j->findings[pf->finding];
            if (!f->aside && (best == NULL || nearer(f, best))) {
                best = f;
            }
        }
        if (best != NULL) {
            j->pods[i].v->cause = best->code;
        }
    }
}

void judge_findings_close(struct judge *j)
{
    struct finding *best = NULL;
    for (uint32_t i = 0; i < j->n_findings; i++) {
        struct finding *f = &j->findings[i];
        f->primary = false;
        if (may_be_primary(f) && (best == NULL || nearer(f, best))) {
            best = f;
        }
    }
    choose_pod_causes(j);
    struct finding *sorted = arena_array(j->a, struct finding, j->n_findings);
    if (best != NULL) {
        best->primary = true;
        memcpy(sorted, j->findings, sizeof *sorted * j->n_findings);
        qsort(sorted, j->n_findings, sizeof *sorted, by_rank);
        j->v->primary = &sorted[0];
    } else if (j->n_findings > 0) {
        memcpy(sorted, j->findings, sizeof *sorted * j->n_findings);
        qsort(sorted, j->n_findings, sizeof *sorted, by_rank);
    }
    j->v->findings = (struct list){sorted, j->n_findings};
}
