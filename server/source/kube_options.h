/* What libcurl is told of one request to the API server: where to, as whom, under which TLS. */
#ifndef GATEHOUSE_SOURCE_KUBE_OPTIONS_H
#define GATEHOUSE_SOURCE_KUBE_OPTIONS_H

#include "source/kube_access.h"
#include "source/kube_client.h"
#include "source/kube_login.h"

/* Everything but the callbacks, on call->easy; headers and connect_to are the call's. Credentials
 * are copied. TLS reads ahead (kube_client.c takes it) where no proxy stands between. */
void kube_options_set(struct kube_call *call, const struct kube_access *a, struct kube_login *login,
                      const struct kube_call_options *opt);

#endif
