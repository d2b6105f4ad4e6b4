/*
 * kubeconfig as client-go merges it. libyaml documents are walked by small getters; every complaint
 * names the file and, where there is one, the line.
 */
#include "source/kube_access.h"

#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "base/buf.h"
#include "base/digest.h"
#include "base/json_out.h"
#include "base/mem.h"
#include "base/yaml_depth.h"

enum { KUBECONFIG_ITEMS = 1000, DEPTH_MAX = 64, CLUSTER_JSON_LIMIT = 8 << 20 };

/* A named cluster, user or context of one file. */
struct item {
    const char *section; /* clusters, users, contexts */
    const char *name;
    struct kube_access access; /* the fields this item sets */
    const char *cluster;       /* contexts only */
    const char *user;
    bool wants_cluster; /* users: the plugin asked for provideClusterInfo */
};

struct kubeconfig {
    struct arena *arena;
    struct item items[KUBECONFIG_ITEMS];
    size_t n;
    const char *current;
    const char *first_path;
};

struct reading {
    struct kubeconfig *kc;
    yaml_document_t *doc;
    const char *path;
    struct err *err;
};

static bool complain(struct reading *r, const yaml_node_t *node, const char *what)
{
    return err_set(r->err, ERR_INPUT, "%s:%zu: %s", r->path,
                   node != NULL ? node->start_mark.line + 1 : 1, what);
}

static const yaml_node_t *get(struct reading *r, const yaml_node_t *map, const char *key)
{
    if (map == NULL || map->type != YAML_MAPPING_NODE) {
        return NULL;
    }
    for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top;
         p++) {
        const yaml_node_t *k = yaml_document_get_node(r->doc, p->key);
        if (k->type == YAML_SCALAR_NODE && strcmp((const char *)k->data.scalar.value, key) == 0) {
            return yaml_document_get_node(r->doc, p->value);
        }
    }
    return NULL;
}

static const char *text(struct reading *r, const yaml_node_t *map, const char *key)
{
    const yaml_node_t *node = get(r, map, key);
    if (node == NULL || node->type != YAML_SCALAR_NODE) {
        return "";
    }
    const char *v = (const char *)node->data.scalar.value;
    bool plain = node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    return plain && (strcmp(v, "null") == 0 || strcmp(v, "~") == 0) ? ""
                                                                    : arena_strdup(r->kc->arena, v);
}

static const char *file_of(struct reading *r, const yaml_node_t *map, const char *key)
{
    const char *v = text(r, map, key);
    const char *slash = strrchr(r->path, '/');
    if (v[0] == '\0' || v[0] == '/' || slash == NULL) {
        return v;
    }
    return arena_printf(r->kc->arena, "%.*s/%s", (int)(slash - r->path), r->path, v);
}

/* KEY-data: base64 of PEM. */
static bool pem_data(struct reading *r, const yaml_node_t *map, const char *key, const char **ret)
{
    const char *v = text(r, map, key);
    size_t len = strlen(v);
    *ret = "";
    if (len == 0) {
        return true;
    }
    uint8_t *out = arena_alloc(r->kc->arena, len + 4);
    size_t n = 0;
    if (!digest_base64_decode(v, len, out, &n)) {
        char what[128];
        (void)snprintf(what, sizeof what, "%s is not base64", key);
        return complain(r, get(r, map, key), what);
    }
    *ret = arena_strndup(r->kc->arena, (const char *)out, n);
    return true;
}

static struct strs list_of(struct reading *r, const yaml_node_t *node)
{
    struct strs s = {NULL, 0};
    if (node == NULL || node->type != YAML_SEQUENCE_NODE) {
        return s;
    }
    size_t n = (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
    const char **items = arena_array(r->kc->arena, const char *, n);
    for (size_t i = 0; i < n; i++) {
        const yaml_node_t *item =
            yaml_document_get_node(r->doc, node->data.sequence.items.start[i]);
        if (item->type == YAML_SCALAR_NODE) {
            items[s.n++] = arena_strdup(r->kc->arena, (const char *)item->data.scalar.value);
        }
    }
    s.items = items;
    return s;
}

static bool read_cluster(struct reading *r, const yaml_node_t *map, struct item *it)
{
    struct kube_access *a = &it->access;
    a->server = text(r, map, "server");
    a->ca_file = file_of(r, map, "certificate-authority");
    a->insecure = strcmp(text(r, map, "insecure-skip-tls-verify"), "true") == 0;
    a->tls_server_name = text(r, map, "tls-server-name");
    a->proxy_url = text(r, map, "proxy-url");
    return pem_data(r, map, "certificate-authority-data", &a->ca_pem);
}

static bool check_exec(struct reading *r, const yaml_node_t *map, const struct kube_exec *e)
{
    bool known = strcmp(e->api_version, "client.authentication.k8s.io/v1") == 0 ||
                 strcmp(e->api_version, "client.authentication.k8s.io/v1beta1") == 0;
    if (e->command[0] == '\0') {
        return complain(r, map, "exec has no command");
    }
    if (!known) {
        return complain(r, map,
                        "exec: apiVersion must be client.authentication.k8s.io/v1 or /v1beta1");
    }
    if (strcmp(text(r, map, "interactiveMode"), "Always") == 0) {
        return complain(r, map, "exec: the plugin wants a terminal (interactiveMode: Always)");
    }
    return true;
}

static bool read_exec(struct reading *r, const yaml_node_t *map, struct kube_exec *e)
{
    e->command = text(r, map, "command");
    e->api_version = text(r, map, "apiVersion");
    e->args = list_of(r, get(r, map, "args"));
    const char *slash = strrchr(r->path, '/');
    if (strchr(e->command, '/') != NULL && e->command[0] != '/' && slash != NULL) {
        e->command =
            arena_printf(r->kc->arena, "%.*s/%s", (int)(slash - r->path), r->path, e->command);
    }
    const yaml_node_t *env = get(r, map, "env");
    if (env != NULL && env->type == YAML_SEQUENCE_NODE) {
        size_t n = (size_t)(env->data.sequence.items.top - env->data.sequence.items.start);
        struct kv *items = arena_array(r->kc->arena, struct kv, n);
        for (size_t i = 0; i < n; i++) {
            const yaml_node_t *item =
                yaml_document_get_node(r->doc, env->data.sequence.items.start[i]);
            items[i] = (struct kv){text(r, item, "name"), text(r, item, "value")};
        }
        e->env = (struct kvs){items, (uint32_t)n};
    }
    return map == NULL || check_exec(r, map, e);
}

/* as-user-extra: a map of lists, flattened. */
static struct kvs extra_of(struct reading *r, const yaml_node_t *map)
{
    size_t n = 0;
    size_t room = 0;
    struct kv *items = NULL;
    if (map == NULL || map->type != YAML_MAPPING_NODE) {
        return (struct kvs){NULL, 0};
    }
    for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top;
         p++) {
        room += list_of(r, yaml_document_get_node(r->doc, p->value)).n;
    }
    items = arena_array(r->kc->arena, struct kv, room);
    for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top;
         p++) {
        const yaml_node_t *key = yaml_document_get_node(r->doc, p->key);
        struct strs values = list_of(r, yaml_document_get_node(r->doc, p->value));
        for (uint32_t i = 0; i < values.n && key->type == YAML_SCALAR_NODE; i++) {
            items[n++] = (struct kv){
                arena_strdup(r->kc->arena, (const char *)key->data.scalar.value), values.items[i]};
        }
    }
    return (struct kvs){items, (uint32_t)n};
}

static bool read_user(struct reading *r, const yaml_node_t *map, struct item *it)
{
    struct kube_access *a = &it->access;
    a->token = text(r, map, "token");
    a->token_file = file_of(r, map, "tokenFile");
    a->username = text(r, map, "username");
    a->password = text(r, map, "password");
    a->cert_file = file_of(r, map, "client-certificate");
    a->key_file = file_of(r, map, "client-key");
    a->as_user = text(r, map, "as");
    a->as_uid = text(r, map, "as-uid");
    a->as_groups = list_of(r, get(r, map, "as-groups"));
    a->as_extra = extra_of(r, get(r, map, "as-user-extra"));
    it->wants_cluster = strcmp(text(r, get(r, map, "exec"), "provideClusterInfo"), "true") == 0;
    const yaml_node_t *provider = get(r, map, "auth-provider");
    if (provider != NULL && provider->type == YAML_MAPPING_NODE) {
        return complain(r, provider, "auth-provider was removed from Kubernetes; use exec");
    }
    return read_exec(r, get(r, map, "exec"), &a->exec) &&
           pem_data(r, map, "client-certificate-data", &a->cert_pem) &&
           pem_data(r, map, "client-key-data", &a->key_pem);
}

static bool known(const struct kubeconfig *kc, const char *section, const char *name)
{
    for (size_t i = 0; i < kc->n; i++) {
        if (strcmp(kc->items[i].section, section) == 0 && strcmp(kc->items[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static bool read_item(struct reading *r, const char *section, const yaml_node_t *node)
{
    struct kubeconfig *kc = r->kc;
    const char *name = text(r, node, "name");
    if (kc->n == KUBECONFIG_ITEMS) {
        return complain(r, node, "too many entries");
    }
    if (known(kc, section, name)) {
        return true; /* the first file wins */
    }
    struct item *it = &kc->items[kc->n];
    *it = (struct item){.section = section, .name = name, .cluster = "", .user = ""};
    bool ok = true;
    if (strcmp(section, "clusters") == 0) {
        ok = read_cluster(r, get(r, node, "cluster"), it);
    } else if (strcmp(section, "users") == 0) {
        ok = read_user(r, get(r, node, "user"), it);
    } else {
        it->cluster = text(r, get(r, node, "context"), "cluster");
        it->user = text(r, get(r, node, "context"), "user");
    }
    kc->n += ok ? 1 : 0;
    return ok;
}

static bool read_document(struct reading *r, const yaml_node_t *root)
{
    static const char *const sections[] = {"clusters", "users", "contexts"};
    if (root->type != YAML_MAPPING_NODE) {
        return complain(r, root, "not a kubeconfig: a mapping is wanted");
    }
    for (size_t s = 0; s < 3; s++) {
        const yaml_node_t *list = get(r, root, sections[s]);
        if (list == NULL || list->type != YAML_SEQUENCE_NODE) {
            continue;
        }
        for (yaml_node_item_t *i = list->data.sequence.items.start;
             i < list->data.sequence.items.top; i++) {
            if (!read_item(r, sections[s], yaml_document_get_node(r->doc, *i))) {
                return false;
            }
        }
    }
    const char *current = text(r, root, "current-context");
    if (r->kc->current[0] == '\0') {
        r->kc->current = current;
    }
    return true;
}

struct kubeconfig *kubeconfig_new(struct arena *arena)
{
    struct kubeconfig *kc = arena_zalloc(arena, sizeof *kc);
    kc->arena = arena;
    kc->current = "";
    kc->first_path = "";
    return kc;
}

bool kubeconfig_add(struct kubeconfig *kc, const char *path, const char *text_in, size_t len,
                    struct err *err)
{
    yaml_parser_t parser;
    yaml_document_t doc;
    size_t line = 0;
    size_t column = 0;
    if (!yaml_depth_ok(text_in, len, DEPTH_MAX, &line, &column)) {
        return err_set(err, ERR_INPUT, "%s:%zu: nested more than %d levels deep", path, line,
                       DEPTH_MAX);
    }
    if (!yaml_parser_initialize(&parser)) {
        return err_set(err, ERR_BUG, "%s: libyaml did not start", path);
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)text_in, len);
    bool ok = yaml_parser_load(&parser, &doc) != 0;
    if (!ok) {
        (void)err_set(err, ERR_INPUT, "%s:%zu: not YAML: %s", path, parser.problem_mark.line + 1,
                      parser.problem != NULL ? parser.problem : "unreadable");
    } else {
        struct reading r = {kc, &doc, arena_strdup(kc->arena, path), err};
        const yaml_node_t *root = yaml_document_get_root_node(&doc);
        ok = root == NULL || read_document(&r, root);
        yaml_document_delete(&doc);
    }
    yaml_parser_delete(&parser);
    if (kc->first_path[0] == '\0') {
        kc->first_path = arena_strdup(kc->arena, path);
    }
    return ok;
}

static const struct item *find(const struct kubeconfig *kc, const char *section, const char *name)
{
    for (size_t i = 0; i < kc->n; i++) {
        if (strcmp(kc->items[i].section, section) == 0 && strcmp(kc->items[i].name, name) == 0) {
            return &kc->items[i];
        }
    }
    return NULL;
}

static const char *or_empty(const char *s)
{
    return s != NULL ? s : "";
}

void kube_access_fill(struct kube_access *a)
{
    const char **all[] = {&a->context,          &a->server,          &a->ca_pem,
                          &a->ca_file,          &a->tls_server_name, &a->proxy_url,
                          &a->cert_pem,         &a->key_pem,         &a->cert_file,
                          &a->key_file,         &a->token,           &a->token_file,
                          &a->username,         &a->password,        &a->exec.command,
                          &a->exec.api_version, &a->as_user,         &a->as_uid,
                          &a->exec.cluster_info};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        *all[i] = or_empty(*all[i]);
    }
}

/* client-go runs no plugin for a user that has a token, a password or a certificate beside it. */
static bool has_credentials(const struct kube_access *a)
{
    bool cert = a->cert_pem[0] != '\0' || a->cert_file[0] != '\0';
    bool key = a->key_pem[0] != '\0' || a->key_file[0] != '\0';
    return a->token[0] != '\0' || a->token_file[0] != '\0' || a->username[0] != '\0' ||
           (cert && key);
}

/* What provideClusterInfo promises the plugin: client.authentication.k8s.io Cluster. */
static const char *cluster_json(struct arena *arena, const struct kube_access *a)
{
    AUTO(buf) b = BUF_INIT(CLUSTER_JSON_LIMIT);
    struct json_out j = json_out(&b);
    json_open(&j, '{');
    json_kstr(&j, "server", a->server);
    if (a->tls_server_name[0] != '\0') {
        json_kstr(&j, "tls-server-name", a->tls_server_name);
    }
    if (a->insecure) {
        json_kbool(&j, "insecure-skip-tls-verify", true);
    }
    if (a->ca_pem[0] != '\0') {
        size_t n = strlen(a->ca_pem);
        AUTO_FREE char *text = xmalloc(4 * ((n + 2) / 3) + 1);
        (void)digest_base64(a->ca_pem, n, text);
        json_kstr(&j, "certificate-authority-data", text);
    }
    if (a->proxy_url[0] != '\0') {
        json_kstr(&j, "proxy-url", a->proxy_url);
    }
    json_close(&j, '}');
    return arena_strdup(arena, buf_str(&b));
}

bool kubeconfig_resolve(const struct kubeconfig *kc, const char *context, struct kube_access *ret,
                        struct err *err)
{
    const char *name = context != NULL && context[0] != '\0' ? context : kc->current;
    const struct item *c = find(kc, "contexts", name);
    if (name[0] == '\0') {
        return err_set(err, ERR_INPUT, "%s: no current-context, and no context was named",
                       kc->first_path);
    }
    if (c == NULL) {
        return err_set(err, ERR_INPUT, "%s: there is no context \"%.100s\"", kc->first_path, name);
    }
    const struct item *cluster = find(kc, "clusters", c->cluster);
    const struct item *user = find(kc, "users", c->user);
    if (cluster == NULL || cluster->access.server[0] == '\0') {
        return err_set(err, ERR_INPUT, "%s: context \"%.80s\": cluster \"%.80s\" has no server",
                       kc->first_path, name, c->cluster);
    }
    if (user == NULL && c->user[0] != '\0') {
        return err_set(err, ERR_INPUT, "%s: context \"%.80s\": there is no user \"%.80s\"",
                       kc->first_path, name, c->user);
    }
    struct kube_access a = user != NULL ? user->access : (struct kube_access){0};
    a.context = name;
    size_t len = strlen(cluster->access.server);
    while (len > 0 && cluster->access.server[len - 1] == '/') {
        len--;
    }
    a.server = arena_strndup(kc->arena, cluster->access.server, len);
    a.ca_pem = cluster->access.ca_pem;
    a.ca_file = cluster->access.ca_pem[0] != '\0' ? "" : cluster->access.ca_file;
    a.insecure = cluster->access.insecure;
    a.tls_server_name = cluster->access.tls_server_name;
    a.proxy_url = cluster->access.proxy_url;
    kube_access_fill(&a);
    if (has_credentials(&a)) {
        a.exec = (struct kube_exec){.command = "", .api_version = "", .cluster_info = ""};
    }
    if (user != NULL && user->wants_cluster && a.exec.command[0] != '\0') {
        a.exec.cluster_info = cluster_json(kc->arena, &a);
    }
    *ret = a;
    return true;
}
