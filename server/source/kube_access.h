/*
 * How to reach an API server and as whom: from kubeconfig files or from the account that Kubernetes
 * mounts into a pod. Reading is pure on bytes where it can be; only kube_access_load touches files.
 */
#ifndef GATEHOUSE_SOURCE_KUBE_ACCESS_H
#define GATEHOUSE_SOURCE_KUBE_ACCESS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "model/field.h"

struct kube_exec {
    const char *command; /* "" = no plugin */
    struct strs args;
    struct kvs env;
    const char *api_version; /* client.authentication.k8s.io/v1 or /v1beta1 */
    int64_t provide_cluster_info;
};

struct kube_access {
    const char *context; /* name of the context, or "in-cluster" */
    const char *server;  /* https://host:port[/prefix] without a slash at the end */
    const char *ca_pem;  /* PEM text, "" = the system's */
    const char *ca_file; /* re-read for the in-cluster account; "" */
    bool insecure;
    const char *tls_server_name;
    const char *proxy_url;
    const char *cert_pem;
    const char *key_pem;
    const char *cert_file; /* re-read on change; "" */
    const char *key_file;
    const char *token;
    const char *token_file; /* re-read each minute and on 401; "" */
    const char *username;
    const char *password;
    struct kube_exec exec;
    const char *as_user;
    const char *as_uid;
    struct strs as_groups;
};

/* paths: a colon-separated list as in $KUBECONFIG; NULL = $KUBECONFIG, ~/.kube/config, then the
 * in-cluster account. The first file to name a thing wins; relative paths resolve against their
 * file's folder. ERR_INPUT with the place, ERR_NOT_FOUND when there is nothing to use. Everything
 * lands in the arena. */
bool kube_access_load(const char *paths, const char *context, struct arena *arena,
                      struct kube_access *ret, struct err *err) MUST_CHECK;

/* One kubeconfig's text merged behind what *doc already holds. For tests and the fuzzer. */
struct kubeconfig;
struct kubeconfig *kubeconfig_new(struct arena *arena);
bool kubeconfig_add(struct kubeconfig *kc, const char *path, const char *text, size_t len,
                    struct err *err) MUST_CHECK;
bool kubeconfig_resolve(const struct kubeconfig *kc, const char *context, struct kube_access *ret,
                        struct err *err) MUST_CHECK;

/* Runs the exec plugin: at most 30 s, at most 1 MiB of output, no shell. *ret_token, *ret_cert,
 * *ret_key land in the arena
 * ("" when not given); *ret_expires 0 = never. Blocks the caller. */
bool kube_exec_run(const struct kube_exec *exec, struct arena *arena, const char **ret_token,
                   const char **ret_cert, const char **ret_key, int64_t *ret_expires,
                   struct err *err) MUST_CHECK;

#endif
