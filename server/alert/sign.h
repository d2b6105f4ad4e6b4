/* Inside this folder: Standard Webhooks 1.0 signatures. */
#ifndef GATEHOUSE_ALERT_SIGN_H
#define GATEHOUSE_ALERT_SIGN_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* "v1," and 44 characters of base64, and NUL. */
enum { SIGN_SIZE = 48 };

/* Signs "id.timestamp.body" with the secret whsec_<base64>: HMAC-SHA256. timestamp in Unix seconds.
 * ERR_INPUT: not such a secret. Pure. Thread: any. */
bool sign_standard(const char *secret, const char *id, int64_t timestamp, const char *body,
                   char ret[SIGN_SIZE], struct err *err) MUST_CHECK;

#endif
