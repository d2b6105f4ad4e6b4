/*
 * As whom we talk to the API server, kept fresh: a token file is read again each minute, an exec
 * plugin runs again before its answer expires, and a 401 makes both new. Owned by one client.
 */
#ifndef GATEHOUSE_SOURCE_KUBE_LOGIN_H
#define GATEHOUSE_SOURCE_KUBE_LOGIN_H

#include <stdbool.h>
#include <stdint.h>

#include "source/kube_access.h"

struct kube_login {
    const struct kube_access *access; /* borrowed */
    char *token;                      /* of the file or the plugin; NULL = none yet */
    char *cert;                       /* PEM of the plugin; NULL or "" = none */
    char *key;
    int64_t read_ms;      /* monotonic: when token, cert and key were made; 0 = must be made */
    int64_t expires;      /* Unix ms, of the plugin's answer; 0 = never */
    int64_t failed_until; /* monotonic: the plugin failed; until then nobody runs it again */
    char failure[512];    /* what it said */
};

void login_init(struct kube_login *l, const struct kube_access *access);
void login_fini(struct kube_login *l);
/* Makes the credentials ready; may run the plugin and so block up to its time limit. ERR_DENIED. */
bool login_ready(struct kube_login *l, struct err *err) MUST_CHECK;
/* A request started at that monotonic time was answered 401: what it used is stale. Credentials
 * made since then are kept, so that many refused requests renew once. */
void login_renew(struct kube_login *l, int64_t request_started_ms);
/* Bearer token, certificate and key in PEM to use now; "" = none. Borrowed until login_ready. */
const char *login_token(const struct kube_login *l);
const char *login_cert(const struct kube_login *l);
const char *login_key(const struct kube_login *l);

#endif
