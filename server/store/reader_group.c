/* Target groups and their targets (see reader.h). */
#include "model/pack.h"
#include "store/reader_in.h"

static void check_json(const struct elb_group *g, struct json_out *j)
{
    json_key(j, "health_check");
    if (g == NULL || g->health_enabled == 0) {
        json_nil(j);
        return;
    }
    json_open(j, '{');
    json_kstr(j, "protocol", g->health_protocol);
    json_kstr(j, "port", g->health_port);
    json_kstr(j, "path", g->health_path);
    json_kstr(j, "matcher", g->matcher);
    json_kint(j, "interval_seconds", g->health_interval);
    json_kint(j, "timeout_seconds", g->health_timeout);
    json_kint(j, "healthy_threshold", g->healthy_threshold);
    json_kint(j, "unhealthy_threshold", g->unhealthy_threshold);
    json_close(j, '}');
}

/* Members of an open object. */
static void group_json(struct reader *r, sqlite3_stmt *st, struct json_out *j)
{
    const struct elb_group *g = reader_record(r, &elb_group_table, st, 4);
    json_kint(j, "id", db_int(st, 0));
    json_kstr(j, "arn", db_text(st, 1, NULL));
    json_kstr(j, "name", db_text(st, 2, NULL));
    json_kstr(j, "load_balancer", db_text(st, 3, NULL));
    json_kstr(j, "protocol", g != NULL ? g->protocol : "");
    json_kint(j, "port", g != NULL ? g->port : 0);
    json_kstr(j, "target_type", g != NULL ? g->target_type : "");
    json_kstr(j, "vpc_id", g != NULL ? g->vpc_id : "");
    check_json(g, j);
    json_kint(j, "targets", db_int(st, 9));
    json_kint(j, "healthy", db_int(st, 10));
    json_ktime(j, "described_at", db_int(st, 5));
    json_ktime(j, "health_at", db_int(st, 6));
    json_ktime(j, "gone_at", db_int(st, 7));
    json_kstr(j, "error", db_text(st, 8, NULL));
}

bool reader_groups(struct reader *r, const struct object_filter *f, struct page *page,
                   struct json_out *j, struct err *err)
{
    struct page_scan s = page_scan(page, SCAN_MAX);
    bool row = true;
    sqlite3_stmt *st = db_get(&r->db, READ_GROUPS_PAGE);
    db_bind(st, "ii", f->cluster, page->after.set ? page->after.n[0] : INT64_C(0));
    while (row) {
        if (!page_step(r, &s, st, &row, err)) {
            return false;
        }
        if (row) {
            s.last = (struct keyset){true, {db_int(st, 0), 0, 0}, NULL};
        }
        if (row && reader_text_match(f->q, db_text(st, 1, NULL), db_text(st, 2, NULL))) {
            json_open(j, '{');
            group_json(r, st, j);
            json_close(j, '}');
            s.n++;
        }
    }
    return true;
}

static bool targets_json(struct reader *r, int64_t id, struct json_out *j, struct err *err)
{
    json_key(j, "target_list");
    json_open(j, '[');
    sqlite3_stmt *st = db_get(&r->db, READ_GROUP_TARGETS);
    db_bind(st, "i", id);
    bool row = true;
    while (row) {
        if (!db_step(&r->db, st, &row, err)) {
            return false;
        }
        if (!row) {
            break;
        }
        json_open(j, '{');
        json_kstr(j, "target", db_text(st, 0, NULL));
        json_kint(j, "port", db_int(st, 1));
        json_kstr(j, "state", db_text(st, 2, NULL));
        json_kstr(j, "reason", db_text(st, 3, NULL));
        target_words(r, st, 7, j);
        json_ktime(j, "first_seen_at", db_int(st, 4));
        json_ktime(j, "healthy_at", db_int(st, 5));
        json_ktime(j, "state_since", db_int(st, 6));
        json_close(j, '}');
    }
    json_close(j, ']');
    return true;
}

/* Bindings that name the group, of any namespace. */
static bool bindings_json(struct reader *r, const char *arn, const char *name, struct json_out *j,
                          struct err *err)
{
    json_key(j, "bindings");
    json_open(j, '[');
    sqlite3_stmt *st = db_get(&r->db, READ_BINDINGS_OF_GROUP);
    db_bind(st, "tt", arn, name);
    bool row = true;
    while (row) {
        if (!db_step(&r->db, st, &row, err)) {
            return false;
        }
        if (row) {
            json_open(j, '{');
            json_kstr(j, "namespace", db_text(st, 0, NULL));
            json_kstr(j, "name", db_text(st, 1, NULL));
            json_close(j, '}');
        }
    }
    json_close(j, ']');
    return true;
}

/* Null until a finding has needed them. */
static void attributes_json(const struct elb_group *g, struct json_out *j)
{
    json_ktime(j, "attributes_at", g != NULL ? g->attributes_at : 0);
    json_key(j, "attributes");
    if (g == NULL || g->attributes_at == 0) {
        json_nil(j);
        return;
    }
    json_open(j, '{');
    for (uint32_t i = 0; i < g->attributes.n; i++) {
        const struct elb_attribute *a = LIST_AT(struct elb_attribute, g->attributes, i);
        json_kstr(j, a->key, a->value);
    }
    json_close(j, '}');
}

static void listener_json(const struct elb_listener *l, struct json_out *j)
{
    json_open(j, '{');
    json_kstr(j, "protocol", l->protocol);
    json_kint(j, "port", l->port);
    json_kstr(j, "action", l->action);
    json_key(j, "rules");
    if (l->rules < 0) {
        json_nil(j);
    } else {
        json_int(j, l->rules);
    }
    json_key(j, "forwards");
    json_open(j, '[');
    for (uint32_t i = 0; i < l->forwards.n; i++) {
        const struct elb_forward *f = LIST_AT(struct elb_forward, l->forwards, i);
        json_open(j, '{');
        json_kstr(j, "target_group", f->group_arn);
        json_kstr(j, "rule", f->rule);
        json_key(j, "weight");
        if (f->weight < 0) {
            json_nil(j);
        } else {
            json_int(j, f->weight);
        }
        json_close(j, '}');
    }
    json_close(j, ']');
    json_close(j, '}');
}

/* Null until a finding has needed the listeners of the load balancer. */
static bool routing_json(struct reader *r, const char *balancer, struct json_out *j,
                         struct err *err)
{
    bool row = false;
    sqlite3_stmt *st = db_get(&r->db, READ_BALANCER_GET);
    db_bind(st, "t", balancer);
    if (!db_step(&r->db, st, &row, err)) {
        return false;
    }
    const struct elb_balancer *b = row ? reader_record(r, &elb_balancer_table, st, 0) : NULL;
    (void)sqlite3_reset(st); /* the row was read */
    json_key(j, "routing");
    if (b == NULL || b->listeners_at == 0) {
        json_nil(j);
        return true;
    }
    json_open(j, '{');
    json_kstr(j, "load_balancer", balancer);
    json_kstr(j, "name", b->name);
    json_ktime(j, "read_at", b->listeners_at);
    json_key(j, "listeners");
    json_open(j, '[');
    for (uint32_t i = 0; i < b->listeners.n; i++) {
        listener_json(LIST_AT(struct elb_listener, b->listeners, i), j);
    }
    json_close(j, ']');
    json_close(j, '}');
    return true;
}

bool reader_group(struct reader *r, int64_t cluster, int64_t id, struct json_out *j,
                  struct err *err)
{
    bool row = false;
    sqlite3_stmt *st = db_get(&r->db, READ_GROUP_BY_ID);
    db_bind(st, "ii", id, cluster);
    if (!db_step(&r->db, st, &row, err)) {
        return false;
    }
    if (!row) {
        return err_set(err, ERR_NOT_FOUND, "no target group %lld", (long long)id);
    }
    group_json(r, st, j);
    const char *arn = db_text(st, 1, r->arena);
    const char *name = db_text(st, 2, r->arena);
    const char *behind = db_text(st, 11, r->arena);
    attributes_json(reader_record(r, &elb_group_table, st, 4), j);
    (void)sqlite3_reset(st);
    return routing_json(r, behind, j, err) && bindings_json(r, arn, name, j, err) &&
           targets_json(r, id, j, err);
}
