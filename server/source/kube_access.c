/*
 * Where the access comes from: the files that are named, $KUBECONFIG, ~/.kube/config, or the
 * account that Kubernetes mounts into a pod. What stands in a kubeconfig is kubeconfig.c's
 * business.
 */
#include "source/kube_access.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

enum { KUBECONFIG_LIMIT = 4 << 20 };

static const char account_dir[] = "/var/run/secrets/kubernetes.io/serviceaccount";

static bool slurp(const char *path, struct arena *arena, const char **ret, size_t *ret_len,
                  struct err *err)
{
    FILE *f = fopen(path, "re");
    if (f == NULL) {
        return err_set(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_INPUT, "%s: %s", path,
                       strerror(errno));
    }
    AUTO(buf) b = BUF_INIT(KUBECONFIG_LIMIT);
    char chunk[8192];
    size_t n = 0;
    while ((n = fread(chunk, 1, sizeof chunk, f)) > 0 && buf_add(&b, chunk, n)) {
    }
    bool failed = ferror(f) != 0;
    int saved = errno;
    (void)fclose(f);
    if (failed || b.overflow) {
        return err_set(err, ERR_INPUT, "%s: %s", path,
                       failed ? strerror(saved) : "larger than 4 MiB");
    }
    *ret = arena_strndup(arena, buf_str(&b), b.len);
    *ret_len = b.len;
    return true;
}

static bool add_files(struct kubeconfig *kc, const char *paths, bool must_exist,
                      struct arena *arena, struct err *err)
{
    size_t files = 0;
    for (const char *p = paths; *p != '\0';) {
        size_t n = strcspn(p, ":");
        AUTO_FREE char *path = xstrndup(p, n);
        const char *body = NULL;
        size_t len = 0;
        p += n + (p[n] == ':' ? 1 : 0);
        if (n == 0) {
            continue;
        }
        struct err inner = {0};
        if (!slurp(path, arena, &body, &len, &inner)) {
            if (inner.code == ERR_NOT_FOUND && !must_exist) {
                continue;
            }
            *err = inner;
            return false;
        }
        if (!kubeconfig_add(kc, path, body, len, err)) {
            return false;
        }
        files++;
    }
    return files > 0 || err_set(err, ERR_NOT_FOUND, "no kubeconfig at %s", paths);
}

static bool in_cluster(struct arena *arena, struct kube_access *ret, struct err *err)
{
    const char *host = getenv("KUBERNETES_SERVICE_HOST");
    const char *port = getenv("KUBERNETES_SERVICE_PORT");
    if (host == NULL || port == NULL) {
        return err_set(
            err, ERR_NOT_FOUND,
            "no cluster to watch: no kubeconfig was given or found, and this is not a pod "
            "(KUBERNETES_SERVICE_HOST is not set)");
    }
    bool v6 = strchr(host, ':') != NULL;
    struct kube_access a = {.context = "in-cluster"};
    a.server = arena_printf(arena, v6 ? "https://[%s]:%s" : "https://%s:%s", host, port);
    a.ca_file = arena_printf(arena, "%s/ca.crt", account_dir);
    a.token_file = arena_printf(arena, "%s/token", account_dir);
    kube_access_fill(&a);
    *ret = a;
    return true;
}

bool kube_access_load(const char *paths, const char *context, struct arena *arena,
                      struct kube_access *ret, struct err *err)
{
    bool given = paths != NULL && paths[0] != '\0';
    const char *env = getenv("KUBECONFIG");
    const char *home = getenv("HOME");
    if (!given && env != NULL && env[0] != '\0') {
        paths = env;
    } else if (!given && home != NULL) {
        paths = arena_printf(arena, "%s/.kube/config", home);
    }
    if (paths == NULL) {
        return in_cluster(arena, ret, err);
    }
    struct kubeconfig *kc = kubeconfig_new(arena);
    struct err inner = {0};
    if (!add_files(kc, paths, given, arena, &inner)) {
        if (inner.code == ERR_NOT_FOUND && !given) {
            return in_cluster(arena, ret, err);
        }
        *err = inner;
        return err_wrap(err, "kubeconfig");
    }
    return kubeconfig_resolve(kc, context, ret, err) || err_wrap(err, "kubeconfig");
}
