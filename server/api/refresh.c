/*
 * POST /namespaces/{}/rollouts/{}/{}/refresh: ELBv2 is asked now about the target groups that the
 * rollout stands behind. Nothing is written here: the poller asks as soon as its call rate allows,
 * and the answer comes the usual way, to every reader.
 *
 * 404 no such rollout · 409 no target group, or AWS is switched off: asking again cannot help ·
 * 429 asked for a moment ago · 503 no credentials now.
 */
#include <string.h>

#include "api/problem.h"
#include "api/query.h"
#include "api/worker.h"
#include "base/clock.h"

enum { ANSWER_BYTES = 1 << 20, GROUPS_MAX = 100 /* of one rollout; more are left out */ };

struct refresh {
    const struct rollout_group *groups;
    struct elb_asked asked[GROUPS_MAX];
    size_t n;
    int64_t asked_at; /* before the poller knew: an answer is never older */
    struct rollout_info info;
    bool absent; /* the poller has no credentials */
    const char *message;
};

static bool load(struct worker *w, struct exchange *x, struct refresh *q, struct err *err)
{
    struct object_name name = {.namespace = x->req.args[0],
                               .kind = kind_canonical(x->req.args[1]),
                               .name = x->req.args[2]};
    struct list groups;
    struct list sources;
    int64_t id = 0;
    if (!view_cluster(w, x, &name.cluster, NULL, err) || !reader_find(w->reader, &name, &id, err) ||
        !reader_rollout(w->reader, id, false, NULL, &q->info, err) ||
        !reader_rollout_groups(w->reader, name.cluster, &q->info, &groups, err) ||
        !reader_sources(w->reader, name.cluster, &sources, err)) {
        return false;
    }
    q->groups = groups.items;
    q->n = groups.n < GROUPS_MAX ? groups.n : GROUPS_MAX;
    for (size_t i = 0; i < q->n; i++) {
        q->asked[i].arn = q->groups[i].arn;
    }
    for (uint32_t i = 0; i < sources.n; i++) {
        const struct source_seen *s = LIST_AT(struct source_seen, sources, i);
        if (strcmp(s->name, "aws") == 0) {
            q->absent = s->state == SOURCE_ABSENT;
            q->message = s->message;
        }
    }
    return true;
}

static void started_json(const struct refresh *q, struct json_out *j)
{
    json_kstr(j, "cluster", q->info.cluster);
    json_kstr(j, "namespace", q->info.namespace);
    json_kstr(j, "kind", q->info.kind);
    json_kstr(j, "name", q->info.name);
    json_key(j, "target_groups");
    json_open(j, '[');
    for (size_t i = 0; i < q->n; i++) {
        json_open(j, '{');
        json_kint(j, "id", q->groups[i].id);
        json_kstr(j, "arn", q->groups[i].arn);
        json_kstr(j, "name", q->groups[i].name);
        json_kstr(j, "binding", q->groups[i].binding);
        json_kbool(j, "started", q->asked[i].started);
        json_close(j, '}');
    }
    json_close(j, ']');
    json_ktime(j, "now", q->asked_at);
}

static void start(struct worker *w, struct exchange *x, struct refresh *q)
{
    struct reply *r = &x->reply;
    struct err err = {0};
    int64_t wait_ms = 0;
    if (w->shared->opt.elb == NULL) {
        problem(x, PROBLEM_CONFLICT, "AWS is switched off (aws.mode): ELBv2 is never asked");
        return;
    }
    if (q->n == 0) {
        problem(x, PROBLEM_CONFLICT, "no binding with a target group takes this rollout's pods");
        return;
    }
    if (q->absent) {
        problem(x, PROBLEM_UNAVAILABLE, q->message);
        return;
    }
    q->asked_at = clock_unix_ms();
    if (!elb_source_refresh(w->shared->opt.elb, q->asked, q->n, &wait_ms, &err)) {
        problem_until(x, PROBLEM_TOO_SOON, err.text, wait_ms);
        return;
    }
    buf_init(&r->tail, ANSWER_BYTES);
    struct json_out j = json_out(&r->tail);
    json_open(&j, '{');
    started_json(q, &j);
    json_close(&j, '}');
    r->status = 202;
    r->content_type = "application/json";
    r->cache_control = "no-store";
}

enum outcome post_refresh(struct worker *w, struct exchange *x)
{
    struct err err = {0};
    struct refresh q = {.n = 0};
    bool ok = reader_begin(w->reader, &err) && load(w, x, &q, &err);
    reader_end(w->reader); /* texts live on in the reader's arena */
    if (ok) {
        start(w, x, &q);
    } else if (x->n_errors > 0) {
        problem(x, PROBLEM_INVALID_PARAMETER, NULL);
    } else {
        problem_of(x, &err);
    }
    return OUTCOME_ANSWER;
}
