/* One attempt (see attempt.h). The answer's body is kept for people, cut and cleaned. */
#include "alert/attempt.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "alert/sign.h"
#include "base/clock.h"
#include "base/http.h"
#include "base/utf8.h"

enum { LIMIT_URL = 4096, LIMIT_REPLY = 1024 };

bool attempt_is_alertmanager(const struct config_receiver *r)
{
    return strcmp(r->format, "alertmanager") == 0;
}

static const char *address_of(const struct config_receiver *r, char *text, size_t size)
{
    if (!attempt_is_alertmanager(r)) {
        return r->url;
    }
    size_t len = strlen(r->url);
    while (len > 0 && r->url[len - 1] == '/') {
        len--;
    }
    (void)snprintf(text, size, "%.*s/api/v2/alerts", (int)len, r->url);
    return text;
}

struct head {
    char id[128];
    char timestamp[64];
    char signature[128];
    const char *lines[5];
};

static bool sign_head(const struct attempt *a, struct head *h, struct err *err)
{
    char signature[SIGN_SIZE] = "";
    int64_t now = clock_unix_ms() / 1000;
    h->lines[0] = "Content-Type: application/json";
    if (attempt_is_alertmanager(a->receiver) || a->webhook_id == NULL) {
        return true;
    }
    if (!sign_standard(a->receiver->secret, a->webhook_id, now, a->body, signature, err)) {
        return false;
    }
    (void)snprintf(h->id, sizeof h->id, "webhook-id: %s", a->webhook_id);
    (void)snprintf(h->timestamp, sizeof h->timestamp, "webhook-timestamp: %" PRId64, now);
    (void)snprintf(h->signature, sizeof h->signature, "webhook-signature: %s", signature);
    h->lines[1] = h->id;
    h->lines[2] = h->timestamp;
    h->lines[3] = h->signature;
    return true;
}

/* Cut to fit, between characters. */
static void keep_text(char *to, size_t size, const char *data, size_t len)
{
    AUTO_PTR(arena) a = arena_new(0);
    const char *text = utf8_clean(a, data, len < size ? len : size - 1);
    size_t n = strlen(text);
    if (n >= size) {
        for (n = size - 1; n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80; n--) {
        }
    }
    memcpy(to, text, n);
    to[n] = '\0';
}

bool attempt_run(const struct attempt *a, struct delivery_result *ret)
{
    char url[LIMIT_URL];
    struct head head = {0};
    struct err err = {0};
    int64_t start = clock_mono_ms();
    bool ok = sign_head(a, &head, &err);
    struct http_request req = {.method = "POST",
                               .url = address_of(a->receiver, url, sizeof url),
                               .headers = head.lines,
                               .body = a->body,
                               .body_len = strlen(a->body),
                               .timeout_ms = a->receiver->timeout_ms,
                               .limit = LIMIT_REPLY,
                               .deny_private = !a->receiver->allow_private,
                               .token = a->receiver->bearer_token,
                               .cancelled = a->cancelled,
                               .cancelled_arg = a->cancelled_arg};
    struct http_response response = {0};
    ret->fate = FATE_ANSWERED;
    ok = ok && http_transfer(&req, &response, &err);
    ret->at = clock_unix_ms();
    ret->latency_ms = clock_mono_ms() - start;
    if (!ok) {
        keep_text(ret->error, sizeof ret->error, err.text, strlen(err.text));
        return a->cancelled == NULL || !a->cancelled(a->cancelled_arg);
    }
    ret->status = response.status;
    ret->retry_after_ms = response.retry_after_ms;
    if (ret->status >= 300 && ret->status < 400) {
        (void)snprintf(ret->error, sizeof ret->error,
                       "redirects are not followed: url must be the address they lead to");
    }
    keep_text(ret->reply, sizeof ret->reply, buf_str(&response.body), response.body.len);
    http_response_fini(&response);
    return true;
}
