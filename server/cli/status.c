/* gatehouse status: a table of rollouts, worst first, or one rollout with its causes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/client.h"

enum { COLUMNS = 7, ROWS_MAX = 20000, TABLE_BYTES = 16 << 20 };

/* ---- the table ---- */

struct table {
    char *(*rows)[COLUMNS]; /* texts are the table's */
    size_t n;
    size_t cap;
    size_t width[COLUMNS];
    bool stale;
};

static void table_fini(struct table *t)
{
    for (size_t i = 0; i < t->n; i++) {
        for (int k = 0; k < COLUMNS; k++) {
            free(t->rows[i][k]);
        }
    }
    free(t->rows);
}

static void add_row(struct table *t, struct buf cells[COLUMNS])
{
    t->rows = xgrow(t->rows, &t->cap, t->n + 1, sizeof *t->rows);
    for (int k = 0; k < COLUMNS; k++) {
        size_t len = cells[k].len;
        t->width[k] = len > t->width[k] ? len : t->width[k];
        t->rows[t->n][k] = xstrdup(buf_str(&cells[k]));
        buf_fini(&cells[k]);
    }
    t->n++;
}

static void add_head(struct table *t)
{
    static const char *const names[COLUMNS] = {"NAMESPACE", "KIND",  "NAME", "STATE",
                                               "GATES",     "SINCE", "CAUSE"};
    struct buf cells[COLUMNS];
    for (int k = 0; k < COLUMNS; k++) {
        buf_init(&cells[k], 64);
        (void)buf_addz(&cells[k], names[k]);
    }
    add_row(t, cells);
}

static void add_rollout(struct table *t, const json_t *r, int64_t now)
{
    static const char *const keys[] = {"namespace", "kind", "name", "state"};
    const json_t *gates = json_object_get(r, "gates"); /* borrowed */
    struct buf cells[COLUMNS];
    for (int k = 0; k < COLUMNS; k++) {
        buf_init(&cells[k], 1024);
    }
    for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++) {
        text_clean(&cells[k], json_text(r, keys[k]), false);
    }
    if (json_number(gates, "total") > 0) {
        (void)buf_addf(&cells[4], "%lld/%lld", (long long)json_number(gates, "open"),
                       (long long)json_number(gates, "total"));
    } else {
        (void)buf_addz(&cells[4], "-");
    }
    int64_t since = json_when(r, "since");
    if (since > 0) {
        text_age(&cells[5], now - since);
    }
    text_clean(&cells[6], json_text(json_object_get(r, "cause"), "code"), false);
    t->stale = t->stale || json_is_true(json_object_get(r, "stale"));
    add_row(t, cells);
}

static void print_table(const struct table *t, struct buf *out)
{
    for (size_t i = 0; i < t->n; i++) {
        for (int k = 0; k < COLUMNS; k++) {
            bool last = k == COLUMNS - 1;
            (void)buf_addf(out, "%-*s%s", last ? 0 : (int)t->width[k], t->rows[i][k],
                           last ? "\n" : "  ");
        }
    }
}

/* ---- lists ---- */

static void list_path(const struct client *c, const struct args *args, const char *namespace,
                      const char *cursor, struct buf *path)
{
    (void)buf_addz(path, "/api/v1");
    if (namespace != NULL) {
        (void)buf_addz(path, "/namespaces");
        client_segment(path, namespace);
    }
    (void)buf_addz(path, "/rollouts?limit=500");
    client_param(path, "state", args_get(args, "state"));
    client_param(path, "labelSelector", args_get(args, "selector"));
    client_param(path, "cluster", c->cluster);
    client_param(path, "cursor", cursor);
}

/* Pages into one: the first page's members with all items. */
static int read_pages(const struct client *c, const struct args *args, const char *namespace,
                      json_t **ret)
{
    AUTO_PTR(json_t) all = NULL;
    AUTO_FREE char *cursor = NULL;
    do {
        AUTO_PTR(json_t) page = NULL;
        AUTO(buf) path = BUF_INIT(CLIENT_PATH_BYTES);
        list_path(c, args, namespace, cursor, &path);
        int code = client_get(c, buf_str(&path), &page);
        if (code != EXIT_FINE) {
            return code;
        }
        free(cursor);
        const char *next = json_text(page, "next");
        cursor = next[0] != '\0' ? xstrdup(next) : NULL;
        if (all == NULL) {
            all = json_incref(page);
        } else {
            (void)json_array_extend(json_object_get(all, "items"), json_object_get(page, "items"));
        }
    } while (cursor != NULL && json_array_size(json_object_get(all, "items")) < ROWS_MAX);
    (void)json_object_set_new(all, "next", cursor != NULL ? json_string(cursor) : json_null());
    *ret = steal(&all);
    return EXIT_FINE;
}

static int print_json(const json_t *j)
{
    int failed = json_dumpf(j, stdout, JSON_INDENT(1) | JSON_PRESERVE_ORDER);
    return failed != 0 || puts("") < 0 ? EXIT_FAILED : EXIT_FINE;
}

static int list(const struct client *c, const struct args *args, const char *namespace)
{
    AUTO_PTR(json_t) all = NULL;
    int code = read_pages(c, args, namespace, &all);
    if (code != EXIT_FINE) {
        return code;
    }
    struct table t = {0};
    size_t i = 0;
    const json_t *r = NULL; /* borrowed */
    add_head(&t);
    json_array_foreach(json_object_get(all, "items"), i, r)
    {
        add_rollout(&t, r, json_when(all, "now"));
    }
    AUTO(buf) out = BUF_INIT(TABLE_BYTES);
    if (t.n > 1) {
        print_table(&t, &out);
    } else {
        (void)buf_addz(&out, "no rollouts\n");
    }
    code = c->json ? print_json(all) : text_print(&out);
    bool stale = t.stale || client_stale(all, NULL);
    table_fini(&t);
    if (stale && code == EXIT_FINE) {
        (void)fprintf(stderr, "gatehouse status: the data are old: a source is silent\n");
        return EXIT_UNREACHABLE;
    }
    return code;
}

/* ---- one ---- */

/* Of a state: is traffic at risk, or has the rollout failed? */
static bool is_bad(const char *state)
{
    return strcmp(state, "failed") == 0 || strcmp(state, "stuck") == 0 ||
           strcmp(state, "exposed") == 0;
}

static void describe(const json_t *r, struct buf *out)
{
    size_t i = 0;
    const json_t *cause = NULL; /* borrowed */
    int64_t now = json_when(r, "now");
    text_clean(out, json_text(r, "namespace"), false);
    (void)buf_addc(out, '/');
    text_clean(out, json_text(r, "name"), false);
    (void)buf_addc(out, ' ');
    text_clean(out, json_text(r, "kind"), false);
    (void)buf_addz(out, " is ");
    text_clean(out, json_text(r, "state"), false);
    if (json_when(r, "since") > 0) {
        (void)buf_addz(out, " for ");
        text_age(out, now - json_when(r, "since"));
    }
    if (json_text(r, "revision")[0] != '\0') {
        (void)buf_addz(out, ", revision ");
        text_clean(out, json_text(r, "revision"), false);
    }
    (void)buf_addz(out, ": ");
    text_counts(out, r);
    if (json_when(r, "eta") > now) {
        (void)buf_addz(out, ", about ");
        text_age(out, json_when(r, "eta") - now);
        (void)buf_addz(out, " to go");
    }
    (void)buf_addc(out, '\n');
    json_array_foreach(json_object_get(r, "causes"), i, cause)
    {
        text_cause(out, cause, "  ");
    }
}

static int one(const struct client *c, struct client_target *t)
{
    AUTO_PTR(json_t) r = NULL;
    AUTO(buf) path = BUF_INIT(CLIENT_PATH_BYTES);
    AUTO(buf) out = BUF_INIT(1 << 20);
    int code = client_target_kind(c, t, NULL);
    if (code != EXIT_FINE) {
        return code;
    }
    client_rollout_path(c, t, "", &path);
    code = client_get(c, buf_str(&path), &r);
    if (code != EXIT_FINE) {
        return code;
    }
    describe(r, &out);
    code = c->json ? print_json(r) : text_print(&out);
    if (code == EXIT_FINE && client_stale(r, r)) {
        (void)fprintf(stderr, "gatehouse status: the data are old: a source is silent\n");
        return EXIT_UNREACHABLE;
    }
    return code == EXIT_FINE && is_bad(json_text(r, "state")) ? EXIT_FAILED : code;
}

int command_status(const struct args *args)
{
    struct client c;
    struct client_target t;
    const char *namespace = args_get(args, "namespace");
    int code = client_open("status", args, &c);
    if (code != EXIT_FINE) {
        return code;
    }
    if (args->n_words > 1) {
        return usage_error("status", "one NAMESPACE or NAMESPACE/[KIND/]NAME is wanted");
    }
    if (args->n_words == 0) {
        return list(&c, args, namespace);
    }
    if (namespace == NULL && strchr(args->words[0], '/') == NULL) {
        return list(&c, args, args->words[0]);
    }
    code = client_target_read(&c, args, args->words[0], &t);
    return code == EXIT_FINE ? one(&c, &t) : code;
}
