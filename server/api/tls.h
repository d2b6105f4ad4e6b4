/* The certificate that the loops serve with, as OpenSSL's SSL_CTX without its header. */
#ifndef GATEHOUSE_API_TLS_H
#define GATEHOUSE_API_TLS_H

#include "base/err.h"

/* An SSL_CTX for the certificate chain and key; ERR_INPUT names the file. Thread: any. */
bool tls_new(const char *cert, const char *key, void **ret, struct err *err) MUST_CHECK;
void tls_free(void *tls); /* accepts NULL */

#endif
