/* Talking to a server (see client.h). */
#include "cli/client.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

enum { STATUS_OK = 200, STATUS_END = 300 };
static const char default_server[] = "http://127.0.0.1:8080";

/* ---- where the server is ---- */

static bool is_local(const char *url)
{
    static const char *const hosts[] = {"127.", "localhost", "[::1]"};
    const char *host = strstr(url, "://");
    host = host != NULL ? host + 3 : url;
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        if (strncmp(host, hosts[i], strlen(hosts[i])) == 0) {
            return true;
        }
    }
    return false;
}

static int read_token(const char *file, struct client *c)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, c->token, sizeof c->token - 1) : -1;
    if (fd >= 0) {
        (void)close(fd);
    }
    if (n < 0 || (size_t)n == sizeof c->token - 1) {
        c->token[0] = '\0';
        return usage_error(c->command, "--token-file %s: %s", file,
                           n < 0 ? "cannot be read" : "is too large");
    }
    c->token[n] = '\0';
    size_t len = strcspn(c->token, "\r\n");
    if (c->token[len + strspn(c->token + len, "\r\n")] != '\0') {
        c->token[0] = '\0';
        return usage_error(c->command, "--token-file %s: has more than one line", file);
    }
    c->token[len] = '\0';
    return EXIT_FINE;
}

static const char *flag_or_env(const struct args *args, const char *flag, const char *env)
{
    const char *value = args_get(args, flag);
    if (value == NULL) {
        value = getenv(env);
    }
    return value != NULL && value[0] != '\0' ? value : NULL;
}

int client_open(const char *command, const struct args *args, struct client *ret)
{
    *ret = (struct client){.command = command,
                           .ca_file = flag_or_env(args, "ca-file", "GATEHOUSE_CA_FILE"),
                           .cluster = args_get(args, "cluster")};
    const char *server = flag_or_env(args, "server", "GATEHOUSE_SERVER");
    server = server != NULL ? server : default_server;
    size_t len = strlen(server);
    while (len > 0 && server[len - 1] == '/') {
        len--;
    }
    if (len >= sizeof ret->base ||
        (strncmp(server, "http://", 7) != 0 && strncmp(server, "https://", 8) != 0)) {
        return usage_error(command, "--server %.200s: http://HOST:PORT or https://... is wanted",
                           server);
    }
    memcpy(ret->base, server, len);
    ret->no_proxy = is_local(ret->base);
    const char *output = args_get(args, "output");
    if (output != NULL && strcmp(output, "text") != 0 && strcmp(output, "json") != 0) {
        return usage_error(command, "--output %s: text or json is wanted", output);
    }
    ret->json = output != NULL && output[0] == 'j';
    http_global_init();
    const char *file = flag_or_env(args, "token-file", "GATEHOUSE_TOKEN_FILE");
    return file != NULL ? read_token(file, ret) : EXIT_FINE;
}

/* ---- what is asked about ---- */

int client_target_read(const struct client *c, const struct args *args, const char *word,
                       struct client_target *ret)
{
    const char *namespace = args_get(args, "namespace");
    char *parts[4] = {NULL};
    size_t n = 0;
    *ret = (struct client_target){0};
    int len = snprintf(ret->room, sizeof ret->room, "%s%s%s", namespace != NULL ? namespace : "",
                       namespace != NULL ? "/" : "", word);
    if (len < 0 || (size_t)len >= sizeof ret->room) {
        return usage_error(c->command, "%.60s...: is too long", word);
    }
    for (char *p = ret->room; p != NULL && n < 4;) {
        parts[n++] = strsep(&p, "/");
    }
    bool whole = n == 2 || n == 3;
    for (size_t i = 0; i < n; i++) {
        whole = whole && parts[i][0] != '\0';
    }
    if (!whole) {
        return usage_error(c->command, "%s: NAMESPACE/NAME or NAMESPACE/KIND/NAME is wanted", word);
    }
    ret->namespace = parts[0];
    ret->kind = n == 3 ? parts[1] : NULL;
    ret->name = parts[n - 1];
    return EXIT_FINE;
}

void client_segment(struct buf *path, const char *text)
{
    (void)buf_addc(path, '/');
    for (const char *p = text; *p != '\0'; p++) {
        unsigned char ch = (unsigned char)*p;
        bool plain = (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') ||
                     (ch >= '0' && ch <= '9') || ch == '-' || ch == '_' || ch == '.' || ch == '~';
        if (plain) {
            (void)buf_addc(path, *p);
        } else {
            (void)buf_addf(path, "%%%02X", ch);
        }
    }
}

void client_param(struct buf *path, const char *name, const char *value)
{
    if (value == NULL) {
        return;
    }
    (void)buf_addc(path, strchr(buf_str(path), '?') != NULL ? '&' : '?');
    (void)buf_addz(path, name);
    AUTO(buf) text = BUF_INIT(CLIENT_PATH_BYTES);
    client_segment(&text, value);
    (void)buf_addc(path, '=');
    (void)buf_addz(path, buf_str(&text) + 1); /* without the slash */
}

void client_rollout_path(const struct client *c, const struct client_target *t, const char *rest,
                         struct buf *out)
{
    (void)buf_addz(out, "/api/v1/namespaces");
    client_segment(out, t->namespace);
    (void)buf_addz(out, "/rollouts");
    client_segment(out, t->kind != NULL ? t->kind : "deployment");
    client_segment(out, t->name);
    (void)buf_addz(out, rest);
    client_param(out, "cluster", c->cluster);
}

/* Rollouts of that very name on one page; *ret_kind of the last one. */
static size_t count_named(const json_t *page, const char *name, const char **ret_kind,
                          struct buf *kinds)
{
    size_t found = 0;
    size_t i = 0;
    const json_t *item = NULL; /* borrowed */
    json_array_foreach(json_object_get(page, "items"), i, item)
    {
        if (strcmp(json_text(item, "name"), name) == 0) {
            *ret_kind = json_text(item, "kind");
            (void)buf_addz(kinds, found > 0 ? ", " : "");
            text_clean(kinds, *ret_kind, false);
            found++;
        }
    }
    return found;
}

/* One page of rollouts whose name has that text; *cursor moves on. */
static int find_page(const struct client *c, const struct client_target *t, char **cursor,
                     json_t **ret)
{
    AUTO(buf) path = BUF_INIT(CLIENT_PATH_BYTES);
    (void)buf_addz(&path, "/api/v1/namespaces");
    client_segment(&path, t->namespace);
    (void)buf_addz(&path, "/rollouts?limit=500");
    client_param(&path, "q", t->name);
    client_param(&path, "cluster", c->cluster);
    client_param(&path, "cursor", *cursor);
    int code = client_get(c, buf_str(&path), ret);
    if (code == EXIT_FINE) {
        const char *next = json_text(*ret, "next");
        free(*cursor);
        *cursor = next[0] != '\0' ? xstrdup(next) : NULL;
    }
    return code;
}

int client_target_kind(const struct client *c, struct client_target *t, const char *fallback)
{
    size_t found = 0;
    AUTO(buf) kinds = BUF_INIT(1024);
    AUTO_FREE char *cursor = NULL;
    if (t->kind != NULL) {
        return EXIT_FINE;
    }
    do {
        AUTO_PTR(json_t) page = NULL;
        const char *kind = "";
        int code = find_page(c, t, &cursor, &page);
        if (code != EXIT_FINE) {
            return code;
        }
        size_t here = count_named(page, t->name, &kind, &kinds);
        if (here > 0) {
            (void)snprintf(t->kind_room, sizeof t->kind_room, "%s", kind);
            t->kind = t->kind_room;
        }
        found += here;
    } while (cursor != NULL && found < 2);
    if (found > 1) {
        return usage_error(c->command, "%s/%s is several (%s): say which as %s/KIND/%s",
                           t->namespace, t->name, buf_str(&kinds), t->namespace, t->name);
    }
    if (found == 0 && fallback == NULL) {
        (void)fprintf(stderr, "gatehouse %s: %s/%s: there is no such rollout\n", c->command,
                      t->namespace, t->name);
        return EXIT_FAILED;
    }
    t->kind = found == 0 ? fallback : t->kind;
    return EXIT_FINE;
}

/* ---- requests ---- */

bool client_call(const struct client *c, const struct client_call *call, struct http_response *ret,
                 struct err *err)
{
    AUTO(buf) url = BUF_INIT(CLIENT_PATH_BYTES + sizeof c->base);
    AUTO(buf) accept = BUF_INIT(256);
    AUTO(buf) type = BUF_INIT(256);
    (void)buf_addf(&url, "%s%s", c->base, call->path);
    (void)buf_addf(&accept, "Accept: %s", call->accept != NULL ? call->accept : "application/json");
    (void)buf_addf(&type, "Content-Type: %s", call->content_type != NULL ? call->content_type : "");
    const char *headers[] = {buf_str(&accept), call->body != NULL ? buf_str(&type) : NULL, NULL};
    struct http_request req = {.url = buf_str(&url),
                               .headers = headers,
                               .body = call->body,
                               .body_len = call->body_len,
                               .timeout_ms = call->timeout_ms,
                               .limit = CLIENT_BODY_BYTES,
                               .no_proxy = c->no_proxy,
                               .ca_file = c->ca_file,
                               .token = c->token,
                               .cancelled = call->tick,
                               .cancelled_arg = call->arg,
                               .stream = call->stream,
                               .stream_arg = call->arg};
    return http_transfer(&req, ret, err) || err_wrap(err, "%s", c->base);
}

static int code_of_status(int status)
{
    switch (status) {
    case 404:
    case 409:
    case 410:
    case 422:
        return EXIT_FAILED;
    case 400:
    case 401:
    case 403:
    case 405:
    case 413:
    case 421:
    case 431:
        return EXIT_USAGE;
    default:
        return EXIT_UNREACHABLE;
    }
}

static void add_errors(struct buf *out, const json_t *problem)
{
    size_t i = 0;
    const json_t *e = NULL; /* borrowed */
    json_array_foreach(json_object_get(problem, "errors"), i, e)
    {
        (void)buf_addz(out, "\n  ");
        text_clean(out, json_text(e, "parameter"), false);
        (void)buf_addz(out, ": ");
        text_clean(out, json_text(e, "detail"), false);
    }
}

int client_complain(const struct client *c, const struct http_response *r)
{
    AUTO(buf) text = BUF_INIT(16 << 10);
    AUTO_PTR(json_t) problem = json_loadb(buf_str(&r->body), r->body.len, 0, NULL);
    const char *title = json_text(problem, "title");
    const char *detail = json_text(problem, "detail");
    (void)buf_addf(&text, "gatehouse %s: %s answers %d", c->command, c->base, r->status);
    if (title[0] != '\0') {
        (void)buf_addz(&text, ": ");
        text_clean(&text, title, false);
    }
    if (detail[0] != '\0') {
        (void)buf_addz(&text, ": ");
        text_clean(&text, detail, false);
    }
    add_errors(&text, problem);
    (void)fprintf(stderr, "%s\n", buf_str(&text));
    return code_of_status(r->status);
}

int client_get(const struct client *c, const char *path, json_t **ret)
{
    struct err err = {0};
    AUTO(http_response) r = {0};
    struct client_call call = {.path = path};
    if (!client_call(c, &call, &r, &err)) {
        (void)fprintf(stderr, "gatehouse %s: %s\n", c->command, err.text);
        return EXIT_UNREACHABLE;
    }
    if (r.status < STATUS_OK || r.status >= STATUS_END) {
        return client_complain(c, &r);
    }
    json_error_t why;
    *ret = json_loadb(buf_str(&r.body), r.body.len, 0, &why);
    if (!json_is_object(*ret)) {
        json_decref(*ret);
        *ret = NULL;
        (void)fprintf(stderr, "gatehouse %s: %s does not answer as gatehouse does: %s\n",
                      c->command, c->base, why.text);
        return EXIT_UNREACHABLE;
    }
    return EXIT_FINE;
}

bool client_stale(const json_t *answer, const json_t *rollout)
{
    size_t i = 0;
    const json_t *s = NULL; /* borrowed */
    if (json_is_true(json_object_get(rollout, "stale"))) {
        return true;
    }
    json_array_foreach(json_object_get(answer, "sources"), i, s)
    {
        const char *state = json_text(s, "state");
        const char *name = json_text(s, "name");
        if ((strcmp(name, "kubernetes") == 0 || strcmp(name, "store") == 0) &&
            (strcmp(state, "unreachable") == 0 || strcmp(state, "denied") == 0 ||
             strcmp(state, "failing") == 0)) {
            return true;
        }
    }
    return false;
}
