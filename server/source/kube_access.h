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
    const char *api_version;      /* client.authentication.k8s.io/v1 or /v1beta1 */
    const char *cluster_info;     /* JSON of spec.cluster for provideClusterInfo; "" = not asked */
    int64_t timeout_ms;           /* 0 = 30 s */
    bool (*cancelled)(void *arg); /* as in struct child; NULL = never */
    void *cancelled_arg;
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
    struct kvs as_extra; /* as-user-extra: one pair a value, keys may repeat */
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

/* Sets every text that is NULL to "". */
void kube_access_fill(struct kube_access *a);

/* What an exec plugin printed; "" = not given. */
struct kube_exec_answer {
    const char *token;
    const char *cert; /* PEM */
    const char *key;
    int64_t expires; /* Unix ms; 0 = never */
};
/* Runs the exec plugin without a shell, within exec->timeout_ms and at most 1 MiB of output; the
 * texts land in the arena. ERR_DENIED, ERR_TIMEOUT. Blocks the caller. */
bool kube_exec_run(const struct kube_exec *exec, struct arena *arena,
                   struct kube_exec_answer *ret_answer, struct err *err) MUST_CHECK;

#endif
