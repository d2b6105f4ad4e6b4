/* Messages of AWS as findings quote them: what differs from call to call is left out. */
#include "model/quote.h"

#include <string.h>

/* As the AWS SDKs for Go write them: version 2, version 1, and the services themselves. */
static const char *const labels[] = {
    "RequestID:", "request id:", "Request ID:", "Encoded authorization failure message:"};

/* The first label in the text and where what belongs to it ends; NULL = none. An id may be empty:
 * a call that was never answered has none. */
static const char *find_label(const char *text, const char **ret_end)
{
    static const char of_ids[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                 "-_=+/<>";
    const char *first = NULL;
    for (size_t i = 0; i < sizeof labels / sizeof labels[0]; i++) {
        const char *at = strstr(text, labels[i]);
        if (at != NULL && (first == NULL || at < first)) {
            first = at;
            const char *id = at + strlen(labels[i]);
            id += id[0] == ' ';
            *ret_end = id + strspn(id, of_ids);
        }
    }
    return first;
}

const char *quote_steady(struct arena *a, const char *message)
{
    const char *end = NULL;
    const char *at = find_label(message, &end);
    if (at == NULL) {
        return message;
    }
    char *out = arena_strndup(a, message, strlen(message));
    size_t n = 0;
    for (const char *from = message; from != NULL; from = at != NULL ? end : NULL) {
        at = find_label(from, &end);
        size_t len = at != NULL ? (size_t)(at - from) : strlen(from);
        memcpy(out + n, from, len);
        n += len;
        while (at != NULL && n > 0 && strchr(", ", out[n - 1]) != NULL) {
            n--; /* what led to it */
        }
    }
    out[n] = '\0';
    return out;
}
