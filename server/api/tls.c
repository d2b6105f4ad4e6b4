/* The server's certificate (see tls.h). */
#include "api/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

bool tls_new(const char *cert, const char *key, void **ret, struct err *err)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (ctx == NULL) {
        return err_set(err, ERR_BUG, "OpenSSL does not start");
    }
    (void)SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    (void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    const char *bad = NULL;
    if (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1) {
        bad = cert;
    } else if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1 ||
               SSL_CTX_check_private_key(ctx) != 1) {
        bad = key;
    }
    if (bad != NULL) {
        char why[160];
        ERR_error_string_n(ERR_get_error(), why, sizeof why);
        SSL_CTX_free(ctx);
        return err_set(err, ERR_INPUT, "%s: %s", bad, why);
    }
    *ret = ctx;
    return true;
}

void tls_free(void *tls)
{
    SSL_CTX_free(tls);
}
