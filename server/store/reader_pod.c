/*
 * Pods with their gates and targets (see reader.h). Verdict columns come from the row; gates are
 * joined from the packed pod (what Kubernetes says) and its track (what we remember).
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "model/cause.h"
#include "model/model.h"
#include "model/pack.h"
#include "store/reader_in.h"

struct pod_row {
    sqlite3_stmt *st;
    const struct kube_pod *pod;    /* NULL: packed by an older version */
    const struct pod_track *track; /* NULL likewise, or never judged */
    const char *const *families;   /* of gates, by configuration; NULL = none */
};

/* Has ELBv2 said anything? Else there is nothing to join. */
static bool any_target(struct reader *r, bool *ret, struct err *err)
{
    sqlite3_stmt *st = db_get(&r->db, READ_ANY_TARGET);
    if (!db_step(&r->db, st, ret, err)) {
        return false;
    }
    (void)sqlite3_reset(st);
    return true;
}

static void target_json(struct reader *r, sqlite3_stmt *st, struct json_out *j)
{
    json_open(j, '{');
    json_kstr(j, "target_group", db_text(st, 0, NULL));
    json_kstr(j, "name", db_text(st, 1, NULL));
    json_kstr(j, "ip", db_text(st, 2, NULL));
    json_kint(j, "port", db_int(st, 3));
    json_kstr(j, "state", db_text(st, 4, NULL));
    json_kstr(j, "reason", db_text(st, 5, NULL));
    target_words(r, st, 8, j);
    json_ktime(j, "first_seen_at", db_int(st, 6));
    json_ktime(j, "healthy_at", db_int(st, 7));
    json_close(j, '}');
}

/* The address as the store keeps it: IPv6 in its canonical form. */
static const char *canonical(const char *ip, char text[INET6_ADDRSTRLEN])
{
    struct in6_addr v6;
    if (strchr(ip, ':') != NULL && inet_pton(AF_INET6, ip, &v6) == 1 &&
        inet_ntop(AF_INET6, &v6, text, INET6_ADDRSTRLEN) != NULL) {
        return text;
    }
    return ip;
}

/* Targets at the pod's address in groups that its namespace's bindings name: an address alone may
 * stand in a group of another cluster. */
static bool targets_json(struct reader *r, sqlite3_stmt *pod, bool any, struct json_out *j,
                         struct err *err)
{
    const char *ip = db_text(pod, 3, NULL);
    json_key(j, "targets");
    json_open(j, '[');
    if (any && ip[0] != '\0') {
        char text[INET6_ADDRSTRLEN];
        sqlite3_stmt *st = db_get(&r->db, READ_TARGETS_AT);
        db_bind(st, "ti", canonical(ip, text), db_int(pod, 16));
        bool row = true;
        while (row) {
            if (!db_step(&r->db, st, &row, err)) {
                return false;
            }
            if (row) {
                target_json(r, st, j);
            }
        }
    }
    json_close(j, ']');
    return true;
}

static const struct gate_track *track_of(const struct pod_track *track, const char *type)
{
    for (uint32_t i = 0; track != NULL && i < track->gates.n; i++) {
        const struct gate_track *g = LIST_AT(struct gate_track, track->gates, i);
        if (strcmp(g->type, type) == 0) {
            return g;
        }
    }
    return NULL;
}

static void family_json(const struct pod_row *p, const char *type, struct json_out *j)
{
    const char *name = NULL;
    size_t len = 0;
    enum gate_family family = gate_family_in(type, p->families, &name, &len);
    json_key(j, "family");
    if (name != NULL) {
        json_strn(j, name, len);
    } else {
        json_str(j, gate_family_name(family));
    }
}

static void gate_json(const struct pod_row *p, const char *type, struct json_out *j)
{
    const struct condition *c = condition_get(&p->pod->conditions, type);
    const struct gate_track *t = track_of(p->track, type);
    enum gate_status status = GATE_ABSENT;
    if (c != NULL) {
        status = strcmp(c->status, "True") == 0 ? GATE_OPEN : GATE_CLOSED;
    }
    json_open(j, '{');
    json_kstr(j, "type", type);
    family_json(p, type, j);
    json_kstr(j, "binding", gate_binding_name(type));
    json_kstr(j, "status", gate_status_name(status));
    json_kstr(j, "reason", c != NULL ? c->reason : "");
    json_kstr(j, "message", c != NULL ? c->message : "");
    json_ktime(j, "first_seen_at", t != NULL ? t->first_seen_at : 0);
    json_ktime(j, "opened_at", t != NULL ? t->opened_at : 0);
    json_close(j, '}');
}

static bool repeated(const struct strs *gates, uint32_t i)
{
    for (uint32_t k = 0; k < i; k++) {
        if (strcmp(gates->items[k], gates->items[i]) == 0) {
            return true;
        }
    }
    return false;
}

static void gates_json(const struct pod_row *p, struct json_out *j)
{
    json_key(j, "gates");
    json_open(j, '[');
    for (uint32_t i = 0; p->pod != NULL && i < p->pod->gates.n; i++) {
        if (!repeated(&p->pod->gates, i)) { /* a pod may carry one twice */
            gate_json(p, p->pod->gates.items[i], j);
        }
    }
    json_close(j, ']');
}

static void truths_json(int64_t truths, struct json_out *j)
{
    json_key(j, "truth");
    json_open(j, '{');
    json_kstr(j, "kubelet", truth_name((enum truth)(truths & 3)));
    json_kstr(j, "gate", truth_name((enum truth)(truths >> 2 & 3)));
    json_kstr(j, "elb", truth_name((enum truth)(truths >> 4 & 3)));
    json_close(j, '}');
}

/* Members of an open object. */
static bool pod_json(struct reader *r, sqlite3_stmt *st, bool any, struct json_out *j,
                     struct err *err)
{
    struct pod_row p = {.st = st,
                        .pod = reader_record(r, kind_info(KIND_POD)->table, st, 14),
                        .track = reader_record(r, &pod_track_table, st, 15),
                        .families = r->config != NULL ? r->config->gate_families : NULL};
    const struct condition *ready =
        p.pod != NULL ? condition_get(&p.pod->conditions, "ContainersReady") : NULL;
    bool containers_ready = ready != NULL && strcmp(ready->status, "True") == 0;
    json_kstr(j, "name", db_text(st, 1, NULL));
    json_kstr(j, "uid", db_text(st, 2, NULL));
    json_kstr(j, "ip", db_text(st, 3, NULL));
    json_kstr(j, "node", p.pod != NULL ? p.pod->node : "");
    json_kstr(j, "revision", db_text(st, 4, NULL));
    json_kbool(j, "is_new", db_int(st, 5) != 0);
    json_kstr(j, "state", pod_state_name((enum pod_state)db_int(st, 6)));
    json_ktime(j, "since", db_int(st, 7));
    json_ktime(j, "created_at", db_int(st, 8));
    json_ktime(j, "deleted_at", db_int(st, 9));
    int64_t at = p.track != NULL ? p.track->containers_ready_at : 0;
    json_ktime(j, "containers_ready_at",
               !containers_ready ? 0
               : at != 0         ? at
                                 : ready->transition_at);
    json_kbool(j, "gate_missing", db_int(st, 10) != 0);
    truths_json(db_int(st, 11), j);
    json_kopt(j, "contradiction", contradiction_name((enum contradiction)db_int(st, 12)));
    const char *cause = db_text(st, 13, NULL);
    json_kopt(j, "cause", cause);
    json_kopt(j, "cause_title", cause_title(cause));
    gates_json(&p, j);
    return targets_json(r, st, any, j, err);
}

bool reader_pods(struct reader *r, int64_t workload_id, struct page *page, struct json_out *j,
                 struct err *err)
{
    struct page_scan s = page_scan(page, page->limit);
    bool any = false;
    if (!any_target(r, &any, err)) {
        return false;
    }
    sqlite3_stmt *st = db_get(&r->db, READ_PODS_PAGE);
    db_bind(st, "iiii", workload_id, page->after.set ? page->after.n[0] : INT64_MAX,
            page->after.set ? page->after.n[1] : INT64_MAX, (int64_t)page->limit + 1);
    bool row = true;
    while (row) {
        if (!page_step(r, &s, st, &row, err)) {
            return false;
        }
        if (!row) {
            return true;
        }
        s.last = (struct keyset){true, {db_int(st, 8), db_int(st, 0), 0}, NULL};
        json_open(j, '{');
        if (!pod_json(r, st, any, j, err)) {
            return false;
        }
        json_close(j, '}');
    }
    return true;
}

static bool workload_json(struct reader *r, int64_t id, struct json_out *j, struct err *err)
{
    bool row = false;
    sqlite3_stmt *st = db_get(&r->db, READ_WORKLOAD_BY_ID);
    db_bind(st, "i", id);
    if (!db_step(&r->db, st, &row, err)) {
        return false;
    }
    json_key(j, "workload");
    if (row) {
        json_open(j, '{');
        json_kstr(j, "namespace", db_text(st, 1, NULL));
        json_kstr(j, "kind", db_text(st, 2, NULL));
        json_kstr(j, "name", db_text(st, 3, NULL));
        json_close(j, '}');
    } else {
        json_nil(j);
    }
    (void)sqlite3_reset(st);
    return true;
}

bool reader_pod(struct reader *r, const struct object_name *name, bool alone, struct json_out *j,
                struct err *err)
{
    int64_t ns_id = 0;
    bool row = false;
    if (!reader_namespace_id(r, name->cluster, name->namespace, &ns_id, err)) {
        return false;
    }
    sqlite3_stmt *st = db_get(&r->db, READ_POD_BY_NAME);
    db_bind(st, "it", ns_id, name->name);
    if (!db_step(&r->db, st, &row, err)) {
        return false;
    }
    if (!row) {
        return err_set(err, ERR_NOT_FOUND, "no pod %.200s in namespace %.100s", name->name,
                       name->namespace);
    }
    bool any = false;
    if (!any_target(r, &any, err)) {
        return false;
    }
    json_open(j, '{');
    if (alone) {
        json_kstr(j, "namespace", name->namespace);
    }
    if (!pod_json(r, st, any, j, err) || (alone && !workload_json(r, db_int(st, 17), j, err))) {
        return false;
    }
    (void)sqlite3_reset(st);
    if (!alone) {
        json_close(j, '}');
    }
    return true;
}
