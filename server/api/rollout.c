/* One rollout and what hangs on it: pods, timeline, history, explanation; and one pod. */
#include <jansson.h>
#include <string.h>

#include "api/cursor.h"
#include "api/problem.h"
#include "api/query.h"
#include "api/worker.h"
#include "base/clock.h"
#include "model/cause.h"

/* The workload of the path. */
static bool find(struct worker *w, struct exchange *x, int64_t *ret_id, struct err *err)
{
    struct object_name name = {.namespace = x->req.args[0],
                               .kind = kind_canonical(x->req.args[1]),
                               .name = x->req.args[2]};
    return view_cluster(w, x, &name.cluster, NULL, err) &&
           reader_find(w->reader, &name, ret_id, err);
}

/* An object that is open already takes the members of one that a reader opened. */
static void reopen(struct json_out *j)
{
    buf_clear(j->buf);
    j->comma = false;
}

static bool rollout(struct worker *w, struct exchange *x, struct json_out *j, struct stamp *stamp,
                    struct err *err)
{
    int64_t id = 0;
    const char *revision = query_one(x, "revision");
    struct rollout_info info;
    if (!find(w, x, &id, err) || !reader_rollout(w->reader, id, false, NULL, &info, err)) {
        return false;
    }
    stamp_add(stamp, SCOPE_ROLLOUT, id);
    stamp->brief = true;
    if (revision != NULL && strcmp(revision, info.revision) != 0 &&
        strcmp(revision, info.revision_hash) != 0) {
        return reader_past_rollout(w->reader, id, revision, j, err);
    }
    reopen(j);
    return reader_rollout(w->reader, id, true, j, NULL, err);
}

enum outcome get_rollout(struct worker *w, struct exchange *x)
{
    return view_answer(w, x, rollout, VIEW_ONE);
}

/* ---- its lists ---- */

typedef bool part_fn(struct reader *r, int64_t workload_id, struct page *page, struct json_out *j,
                     struct err *err);

static bool part(struct worker *w, struct exchange *x, struct json_out *j, struct stamp *stamp,
                 part_fn *read, struct err *err)
{
    int64_t id = 0;
    struct page page;
    uint64_t scope = cursor_scope(0, x->req.path);
    view_page(w, x, scope, &page);
    if (x->n_errors > 0 || x->reply.status != 0 || !find(w, x, &id, err)) {
        return false;
    }
    stamp_add(stamp, SCOPE_ROLLOUT, id);
    stamp_add(stamp, SCOPE_GROUPS, 0); /* targets of pods say more than their states */
    stamp->brief = true;
    json_key(j, "items");
    json_open(j, '[');
    if (!read(w->reader, id, &page, j, err)) {
        return false;
    }
    json_close(j, ']');
    view_next(&page, scope, j);
    return true;
}

static bool pods(struct worker *w, struct exchange *x, struct json_out *j, struct stamp *stamp,
                 struct err *err)
{
    return part(w, x, j, stamp, reader_pods, err);
}

static bool timeline(struct worker *w, struct exchange *x, struct json_out *j, struct stamp *stamp,
                     struct err *err)
{
    return part(w, x, j, stamp, reader_timeline, err);
}

static bool history(struct worker *w, struct exchange *x, struct json_out *j, struct stamp *stamp,
                    struct err *err)
{
    return part(w, x, j, stamp, reader_history, err);
}

enum outcome get_pods(struct worker *w, struct exchange *x)
{
    return view_answer(w, x, pods, VIEW_LIST);
}

enum outcome get_timeline(struct worker *w, struct exchange *x)
{
    return view_answer(w, x, timeline, VIEW_LIST);
}

enum outcome get_history(struct worker *w, struct exchange *x)
{
    return view_answer(w, x, history, VIEW_LIST);
}

static bool pod(struct worker *w, struct exchange *x, struct json_out *j, struct stamp *stamp,
                struct err *err)
{
    struct object_name name = {.namespace = x->req.args[0], .name = x->req.args[1]};
    (void)stamp; /* its rollout is not known before it is read: rendered each time */
    if (!view_cluster(w, x, &name.cluster, NULL, err)) {
        return false;
    }
    reopen(j);
    return reader_pod(w->reader, &name, true, j, err);
}

enum outcome get_pod(struct worker *w, struct exchange *x)
{
    return view_answer(w, x, pod, VIEW_ONE);
}

/* ---- explain ---- */

static bool explain(struct worker *w, struct exchange *x, struct json_out *j, struct stamp *stamp,
                    struct err *err)
{
    int64_t id = 0;
    struct rollout_info info;
    struct list findings;
    if (!find(w, x, &id, err) || !reader_rollout(w->reader, id, false, NULL, &info, err) ||
        !reader_findings(w->reader, id, &findings, err)) {
        return false;
    }
    stamp_add(stamp, SCOPE_ROLLOUT, id);
    stamp->brief = true;
    json_kstr(j, "cluster", info.cluster);
    json_kstr(j, "namespace", info.namespace);
    json_kstr(j, "kind", info.kind);
    json_kstr(j, "name", info.name);
    json_kstr(j, "state", rollout_state_name(info.state));
    json_ktime(j, "since", info.since);
    json_key(j, "findings");
    json_open(j, '[');
    for (uint32_t i = 0; i < findings.n; i++) {
        finding_json(LIST_AT(struct finding_row, findings, i), info.runbook, j);
    }
    json_close(j, ']');
    return true;
}

/* One line of foreign text: control characters would act on a terminal. */
static void add_line(struct buf *out, const char *indent, const char *text)
{
    (void)buf_addz(out, indent);
    for (const char *p = text; *p != '\0'; p++) {
        (void)buf_addc(out, (unsigned char)*p < ' ' || *p == 0x7f ? ' ' : *p);
    }
    (void)buf_addc(out, '\n');
}

/* Borrowed; "" when it is not there. */
static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

static void explain_evidence(const json_t *detail, struct buf *out)
{
    size_t i = 0;
    const json_t *e = NULL; /* borrowed */
    json_array_foreach(json_object_get(detail, "evidence"), i, e)
    {
        AUTO(buf) line = BUF_INIT(4096);
        (void)buf_addf(&line, "%s %s: %s", text_of(e, "object"), text_of(e, "field"),
                       text_of(e, "value"));
        add_line(out, i == 0 ? "  seen:  " : "         ", buf_str(&line));
    }
}

/* What to do comes before what was seen: it is what somebody looks for at night. */
static void explain_action(const json_t *detail, const char *runbook, struct buf *out)
{
    size_t i = 0;
    const json_t *command = NULL; /* borrowed */
    const char *action = text_of(detail, "action");
    if (action[0] != '\0') {
        add_line(out, "  do:    ", action);
    }
    json_array_foreach(json_object_get(detail, "commands"), i, command)
    {
        const char *text = json_string_value(command);
        add_line(out, i == 0 ? "  run:   " : "         ", text != NULL ? text : "");
    }
    if (runbook[0] != '\0' && strstr(action, runbook) == NULL) {
        add_line(out, "  book:  ", runbook);
    }
}

static void explain_finding(const struct finding_row *f, const char *runbook, struct buf *out)
{
    char since[CLOCK_TEXT_SIZE];
    json_t *detail = json_loads(f->detail, 0, NULL); /* ours, written by the writer */
    (void)buf_addf(out, "\n%s  %s (%s)%s%s", severity_name(f->severity), cause_title(f->code),
                   f->code, f->terminal ? "  (waiting cannot help)" : "",
                   f->confidence == CONFIDENCE_LIKELY ? "  (likely)" : "");
    if (f->pods > 0) {
        (void)buf_addf(out, "  %lld pod%s", (long long)f->pods, f->pods == 1 ? "" : "s");
    }
    (void)buf_addf(out, "  since %s\n", clock_format(f->since, since));
    add_line(out, "  what:  ", text_of(detail, "message"));
    explain_action(detail, runbook, out);
    add_line(out, "  where: ", f->object);
    explain_evidence(detail, out);
    if (text_of(detail, "docs")[0] != '\0') {
        add_line(out, "  docs:  ", text_of(detail, "docs"));
    }
    json_decref(detail);
}

static bool explain_text(struct worker *w, struct exchange *x, struct buf *out, struct err *err)
{
    int64_t id = 0;
    struct rollout_info info;
    struct list findings;
    char since[CLOCK_TEXT_SIZE];
    if (!find(w, x, &id, err) || !reader_rollout(w->reader, id, false, NULL, &info, err) ||
        !reader_findings(w->reader, id, &findings, err)) {
        return false;
    }
    (void)buf_addf(out, "%s/%s %s is %s since %s", info.namespace, info.name, info.kind,
                   rollout_state_name(info.state), clock_format(info.since, since));
    (void)buf_addf(out, ": %lld of %lld gates open%s\n", (long long)info.gates_open,
                   (long long)info.gates_total,
                   info.stale ? " (as last seen: a source is silent)" : "");
    for (uint32_t i = 0; i < findings.n; i++) {
        explain_finding(LIST_AT(struct finding_row, findings, i), info.runbook, out);
    }
    if (findings.n == 0) {
        bool late = info.state == ROLLOUT_SLOW || info.state == ROLLOUT_STUCK ||
                    info.state == ROLLOUT_FAILED || info.state == ROLLOUT_EXPOSED;
        (void)buf_addz(out,
                       late ? "\nNo cause is known yet: what was seen last is too young to tell.\n"
                            : "\nNothing holds it.\n");
    }
    return true;
}

enum outcome get_explain(struct worker *w, struct exchange *x)
{
    if (!query_accepts(x->req.accept, "text/plain", "application/json")) {
        return view_answer(w, x, explain, VIEW_ONE);
    }
    struct err err = {0};
    AUTO(buf) b = BUF_INIT(1 << 20);
    bool ok = reader_begin(w->reader, &err) && explain_text(w, x, &b, &err);
    reader_end(w->reader);
    if (!ok) {
        if (x->n_errors > 0) {
            problem(x, PROBLEM_INVALID_PARAMETER, NULL);
        } else {
            problem_of(x, &err);
        }
        return OUTCOME_ANSWER;
    }
    return view_body(x, body_new(&b), "text/plain; charset=utf-8", "no-cache, private");
}
