/* Standard Webhooks signatures (see sign.h; standard-webhooks spec 1.0.0, "Signature scheme"). */
#include "alert/sign.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "alert/render.h"
#include "base/buf.h"
#include "base/digest.h"

enum { KEY_MAX = 96, PREFIX = 6 };

bool sign_standard(const char *secret, const char *id, int64_t timestamp, const char *body,
                   char ret[SIGN_SIZE], struct err *err)
{
    uint8_t key[KEY_MAX];
    size_t key_len = 0;
    size_t len = strlen(secret);
    if (strncmp(secret, "whsec_", PREFIX) != 0 || len - PREFIX > KEY_MAX ||
        !digest_base64_decode(secret + PREFIX, len - PREFIX, key, &key_len)) {
        return err_set(err, ERR_INPUT, "the secret is not whsec_ and base64");
    }
    AUTO(buf) text = BUF_INIT(LIMIT_ALERT_BODY + 1024);
    (void)buf_addf(&text, "%s.%" PRId64 ".", id, timestamp);
    (void)buf_addz(&text, body);
    uint8_t mac[DIGEST_SIZE];
    digest_hmac_sha256(key, key_len, buf_str(&text), text.len, mac);
    memset(key, 0, sizeof key);
    char base64[SIGN_SIZE - 3];
    (void)digest_base64(mac, sizeof mac, base64);
    (void)snprintf(ret, SIGN_SIZE, "v1,%s", base64);
    return !text.overflow || err_set(err, ERR_BUG, "the body is too long to be signed");
}
