/*
 * gatehouse preflight: manifests judged before they are applied, by a server or against a database
 * of gatehouse (a copy, or that of a server on this machine). Both ways the same answer is printed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/client.h"
#include "model/preflight.h"
#include "source/manifest.h"
#include "store/reader_facts.h"

DEFINE_AUTO_PTR(reader, reader_close)

enum { ANSWER_BYTES = 16 << 20 };

static const char *shown_name(const struct args *args)
{
    const char *file = args_get(args, "file");
    return strcmp(file, "-") == 0 ? "standard input" : file;
}

/* The whole file; "-" is standard input. EXIT_FINE, or EXIT_USAGE after saying why. */
static int read_file(const char *file, struct buf *out)
{
    char chunk[16384];
    bool standard = strcmp(file, "-") == 0;
    int fd = standard ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : 1;
    while (n > 0 && !out->overflow) {
        n = read(fd, chunk, sizeof chunk);
        if (n > 0) {
            (void)buf_add(out, chunk, (size_t)n);
        } else if (n < 0 && errno == EINTR) {
            n = 1;
        }
    }
    int error = errno;
    if (fd >= 0 && !standard) {
        (void)close(fd);
    }
    if (n < 0) {
        return usage_error("preflight", "%s: %s", file, strerror(error));
    }
    return out->overflow ? usage_error("preflight",
                                       "%s: more than 1 MiB: leave out what has no pods, as "
                                       "CustomResourceDefinitions",
                                       file)
                         : EXIT_FINE;
}

/* ---- the two ways ---- */

static bool judge(struct reader *r, const struct client *c, const struct args *args,
                  const struct buf *text, struct buf *out, struct err *err)
{
    int64_t cluster = 0;
    const char *name = NULL;
    const char *namespace = args_get(args, "namespace");
    struct list manifests;
    struct preflight p;
    if (!reader_begin(r, err) || !reader_cluster(r, c->cluster, &cluster, &name, err) ||
        !manifest_read(shown_name(args), buf_str(text), text->len, reader_arena(r), &manifests,
                       err) ||
        !reader_preflight(r, cluster, namespace != NULL ? namespace : "default", &manifests, &p,
                          err)) {
        return false;
    }
    struct json_out j = json_out(out);
    json_open(&j, '{');
    json_kstr(&j, "cluster", name);
    preflight_json(&p, &j);
    json_close(&j, '}');
    return !out->overflow || err_set(err, ERR_INPUT, "the answer is too large");
}

static int ask_database(const struct client *c, const struct args *args, const struct buf *text,
                        json_t **ret)
{
    struct err err = {0};
    AUTO(buf) out = BUF_INIT(ANSWER_BYTES);
    AUTO_PTR(reader) r = NULL;
    bool opened = reader_open(args_get(args, "db"), &r, &err);
    if (!opened || !judge(r, c, args, text, &out, &err)) {
        (void)fprintf(stderr, "gatehouse preflight: %s\n", err.text);
        return err.code == ERR_INPUT || err.code == ERR_NOT_FOUND ? EXIT_USAGE : EXIT_UNREACHABLE;
    }
    *ret = json_loadb(buf_str(&out), out.len, 0, NULL);
    return *ret != NULL ? EXIT_FINE : EXIT_FAILED;
}

/* The server calls the text "body"; here it has a name. */
static int complain(const struct client *c, const char *file, const struct http_response *r)
{
    static const char body[] = "body:";
    AUTO(buf) text = BUF_INIT(16 << 10);
    AUTO_PTR(json_t) problem = json_loadb(buf_str(&r->body), r->body.len, 0, NULL);
    const json_t *first = json_array_get(json_object_get(problem, "errors"), 0); /* borrowed */
    const char *detail = json_text(first, "detail");
    if (strncmp(detail, body, sizeof body - 1) != 0) {
        return client_complain(c, r);
    }
    text_clean(&text, file, false);
    (void)buf_addc(&text, ':');
    text_clean(&text, detail + sizeof body - 1, false);
    (void)fprintf(stderr, "gatehouse preflight: %s\n", buf_str(&text));
    return EXIT_USAGE;
}

static int ask_server(const struct client *c, const struct args *args, const struct buf *text,
                      json_t **ret)
{
    struct err err = {0};
    AUTO(buf) path = BUF_INIT(CLIENT_PATH_BYTES);
    AUTO(http_response) r = {0};
    (void)buf_addz(&path, "/api/v1/preflight");
    client_param(&path, "namespace", args_get(args, "namespace"));
    client_param(&path, "cluster", c->cluster);
    struct client_call call = {.path = buf_str(&path),
                               .content_type = "application/yaml",
                               .body = buf_str(text),
                               .body_len = text->len,
                               .timeout_ms = 60000};
    if (!client_call(c, &call, &r, &err)) {
        (void)fprintf(stderr, "gatehouse preflight: %s\n", err.text);
        return EXIT_UNREACHABLE;
    }
    *ret = r.status == 200 ? json_loadb(buf_str(&r.body), r.body.len, 0, NULL) : NULL;
    return *ret != NULL ? EXIT_FINE : complain(c, shown_name(args), &r);
}

/* ---- the answer ---- */

static void print_gate(const json_t *g, struct buf *out)
{
    const char *injected = json_text(g, "injected");
    (void)buf_addz(out, "  gate  ");
    text_clean(out, json_text(g, "type"), false);
    (void)buf_addz(out, strcmp(injected, "no") == 0            ? ": not injected"
                        : strcmp(injected, "in_template") == 0 ? ": stands in the template"
                        : strcmp(injected, "likely") == 0      ? ": likely injected"
                                                               : ": injected by ");
    if (strcmp(injected, "yes") == 0) {
        text_clean(out, json_text(g, "webhook"), false);
    }
    (void)buf_addz(out, "\n        Service ");
    text_clean(out, json_text(g, "service"), false);
    (void)buf_addf(out, ", port %lld of the pods, target group ",
                   (long long)json_number(g, "port"));
    text_clean(out, json_text(g, "target_group"), false);
    (void)buf_addc(out, '\n');
}

/* Does a finding of this workload tell of a binding that comes after its pods? */
static bool binding_comes(const json_t *w, const json_t *findings)
{
    size_t i = 0;
    const json_t *f = NULL; /* borrowed */
    json_array_foreach(findings, i, f)
    {
        if (strcmp(json_text(f, "code"), "gate_missing_pod_predates_binding") == 0 &&
            json_number(f, "line") == json_number(w, "line") &&
            json_number(f, "column") == json_number(w, "column")) {
            return true;
        }
    }
    return false;
}

static void print_workload(const json_t *w, const json_t *findings, struct buf *out)
{
    size_t i = 0;
    const json_t *g = NULL; /* borrowed */
    const json_t *gates = json_object_get(w, "gates");
    const json_t *r = json_object_get(w, "rollout");
    text_clean(out, json_text(w, "namespace"), false);
    (void)buf_addc(out, '/');
    text_clean(out, json_text(w, "name"), false);
    (void)buf_addc(out, ' ');
    text_clean(out, json_text(w, "kind"), false);
    (void)buf_addz(out, json_array_size(gates) > 0   ? "\n"
                        : binding_comes(w, findings) ? ": no binding takes its pods yet\n"
                                                     : ": no binding takes its pods\n");
    json_array_foreach(gates, i, g)
    {
        print_gate(g, out);
    }
    if (json_is_object(r)) {
        (void)buf_addf(out, "  rollout of %lld pods in %lld batches: about ",
                       (long long)json_number(r, "replicas"), (long long)json_number(r, "batches"));
        text_age(out, json_number(r, "total_seconds") * 1000);
        (void)buf_addz(out, ", a gate takes up to ");
        text_age(out, json_number(r, "gate_seconds") * 1000);
        (void)buf_addz(out, strcmp(json_text(r, "from"), "history") == 0 ? " (measured)"
                                                                         : " (by formula)");
        if (json_number(r, "deadline_seconds") > 0) {
            (void)buf_addz(out, ", deadline ");
            text_age(out, json_number(r, "deadline_seconds") * 1000);
        }
        (void)buf_addc(out, '\n');
    }
}

static void print_finding(const json_t *f, const char *file, struct buf *out)
{
    if (json_number(f, "line") > 0) {
        text_clean(out, file, false);
        (void)buf_addf(out, ":%lld:%lld: ", (long long)json_number(f, "line"),
                       (long long)json_number(f, "column"));
    }
    text_clean(out, json_text(f, "namespace"), false);
    (void)buf_addc(out, ' ');
    text_clean(out, json_text(f, "object"), false);
    (void)buf_addc(out, '\n');
    text_cause(out, f, "  ");
}

static void add_count(struct buf *out, const char *before, int64_t n, const char *word)
{
    (void)buf_addf(out, "%s%lld %s%s", before, (long long)n, word, n == 1 ? "" : "s");
}

static void print_all(const json_t *answer, const char *file, struct buf *out)
{
    size_t i = 0;
    const json_t *item = NULL; /* borrowed */
    const json_t *counts = json_object_get(answer, "counts");
    json_array_foreach(json_object_get(answer, "workloads"), i, item)
    {
        print_workload(item, json_object_get(answer, "findings"), out);
    }
    json_array_foreach(json_object_get(answer, "findings"), i, item)
    {
        print_finding(item, file, out);
    }
    add_count(out, "", json_number(answer, "objects"), "object");
    add_count(out, ": ", json_number(counts, "error"), "error");
    add_count(out, ", ", json_number(counts, "warning"), "warning");
    add_count(out, ", ", json_number(counts, "info"), "note");
    (void)buf_addz(out, json_is_true(json_object_get(answer, "truncated")) ? ", and more\n" : "\n");
}

static int print_answer(const struct client *c, const struct args *args, const json_t *answer)
{
    AUTO(buf) out = BUF_INIT(ANSWER_BYTES);
    const char *fail_on = args_get(args, "fail-on");
    const json_t *counts = json_object_get(answer, "counts"); /* borrowed */
    bool strict = fail_on != NULL && fail_on[0] == 'w';
    if (c->json) {
        AUTO_FREE char *text = json_dumps(answer, JSON_INDENT(1) | JSON_PRESERVE_ORDER);
        (void)buf_addf(&out, "%s\n", text != NULL ? text : "null");
    } else {
        print_all(answer, shown_name(args), &out);
    }
    int code = text_print(&out);
    bool failed =
        json_number(counts, "error") > 0 || (strict && json_number(counts, "warning") > 0);
    return failed ? EXIT_FAILED : code;
}

int command_preflight(const struct args *args)
{
    struct client c;
    const char *file = args_get(args, "file");
    const char *fail_on = args_get(args, "fail-on");
    AUTO(buf) text = BUF_INIT(MANIFEST_BYTES);
    AUTO_PTR(json_t) answer = NULL;
    int code = client_open("preflight", args, &c);
    if (code != EXIT_FINE) {
        return code;
    }
    if (file == NULL || args->n_words > 0) {
        return usage_error("preflight", "-f FILE is wanted (- for standard input)");
    }
    if (fail_on != NULL && strcmp(fail_on, "error") != 0 && strcmp(fail_on, "warning") != 0) {
        return usage_error("preflight", "--fail-on %s: error or warning is wanted", fail_on);
    }
    code = read_file(file, &text);
    if (code == EXIT_FINE) {
        code = args_get(args, "db") != NULL ? ask_database(&c, args, &text, &answer)
                                            : ask_server(&c, args, &text, &answer);
    }
    if (code != EXIT_FINE) {
        return code;
    }
    code = print_answer(&c, args, answer);
    if (client_stale(answer, NULL)) {
        (void)fprintf(stderr, "gatehouse preflight: the data are old: a source is silent\n");
        return EXIT_UNREACHABLE;
    }
    return code;
}
