/*
 * Messages of others as findings quote them: what differs from try to try is left out. Each row of
 * `finders` knows one such piece and finds the first in a text; the pieces are cut from left to
 * right.
 */
#include "model/quote.h"

#include <ctype.h>
#include <string.h>

struct piece {
    const char *at; /* NULL = none */
    const char *end;
    const char *instead; /* what stands there then */
    bool lead;           /* the comma that led to it goes, too */
};

/* An id of a call, as the AWS SDKs for Go write it: version 2, version 1, and the services
 * themselves. It may be empty: a call that was never answered has none. */
static struct piece call_id(const char *text)
{
    static const char *const labels[] = {
        "RequestID:", "request id:", "Request ID:", "Encoded authorization failure message:"};
    static const char of_ids[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                 "-_=+/<>";
    struct piece p = {.instead = "", .lead = true};
    for (size_t i = 0; i < sizeof labels / sizeof labels[0]; i++) {
        const char *at = strstr(text, labels[i]);
        if (at != NULL && (p.at == NULL || at < p.at)) {
            const char *id = at + strlen(labels[i]);
            id += id[0] == ' ';
            p.at = at;
            p.end = id + strspn(id, of_ids);
        }
    }
    return p;
}

/* What client-go puts before an event that stands for several. */
static struct piece combined(const char *text)
{
    static const char mark[] = "(combined from similar events): ";
    const char *at = strstr(text, mark);
    return (struct piece){at, at != NULL ? at + sizeof mark - 1 : NULL, "", false};
}

/* Does "tcp " or "udp6 " stand before the address that ends here? */
static bool after_network(const char *text, const char *end)
{
    static const char of_addresses[] = "0123456789abcdefABCDEF.:%[]";
    const char *address = end;
    while (address > text && strchr(of_addresses, address[-1]) != NULL) {
        address--;
    }
    if (address == end || address == text || address[-1] != ' ') {
        return false;
    }
    end = address - 1;
    end -= end > text && (end[-1] == '4' || end[-1] == '6');
    return end - text >= 3 && (strncmp(end - 3, "tcp", 3) == 0 || strncmp(end - 3, "udp", 3) == 0);
}

/* The port that a connection happened to come from: "read tcp 10.0.0.1:43210->10.0.0.2:443". Where
 * it went to stays. */
static struct piece source_port(const char *text)
{
    for (const char *arrow = strstr(text, "->"); arrow != NULL; arrow = strstr(arrow + 2, "->")) {
        const char *colon = arrow;
        while (colon > text && isdigit((unsigned char)colon[-1])) {
            colon--;
        }
        if (colon != arrow && colon > text && colon[-1] == ':' && after_network(text, colon - 1)) {
            return (struct piece){colon - 1, arrow, "", false};
        }
    }
    return (struct piece){.at = NULL};
}

/* The id of a sandbox or container, which each try makes anew; a digest (sha256:...) is a name. */
static struct piece runtime_id(const char *text)
{
    enum { DIGITS = 64 };
    static const char hex[] = "0123456789abcdef";
    for (const char *at = text + strcspn(text, hex); *at != '\0'; at += strcspn(at, hex)) {
        size_t n = strspn(at, hex);
        char before = at > text ? at[-1] : ' ';
        bool whole = !isalnum((unsigned char)before) && !isalnum((unsigned char)at[n]);
        if (n == DIGITS && whole && before != ':') {
            return (struct piece){at, at + n, "...", false};
        }
        at += n;
    }
    return (struct piece){.at = NULL};
}

/* "certificate has expired or is not yet valid: current time 2026-01-02T03:04:05Z is after ..." */
static struct piece present_time(const char *text)
{
    static const char mark[] = "current time ";
    const char *at = strstr(text, mark);
    const char *stamp = at != NULL ? at + sizeof mark - 1 : "";
    size_t n = strspn(stamp, "0123456789-:.TZ+");
    if (n == 0 || stamp[n] != ' ') {
        return (struct piece){.at = NULL};
    }
    return (struct piece){stamp, stamp + n + 1, "", false};
}

static struct piece first_piece(const char *text)
{
    static struct piece (*const finders[])(const char *text) = {call_id, combined, source_port,
                                                                runtime_id, present_time};
    struct piece first = {.at = NULL};
    for (size_t i = 0; i < sizeof finders / sizeof finders[0]; i++) {
        struct piece p = finders[i](text);
        first = p.at != NULL && (first.at == NULL || p.at < first.at) ? p : first;
    }
    return first;
}

const char *quote_steady(struct arena *a, const char *message)
{
    struct piece p = first_piece(message);
    if (p.at == NULL) {
        return message;
    }
    char *out = arena_strndup(a, message, strlen(message)); /* what is put in is never longer */
    size_t n = 0;
    const char *from = message;
    for (; p.at != NULL; p = first_piece(from)) {
        memcpy(out + n, from, (size_t)(p.at - from));
        n += (size_t)(p.at - from);
        while (p.lead && n > 0 && strchr(", ", out[n - 1]) != NULL) {
            n--;
        }
        memcpy(out + n, p.instead, strlen(p.instead));
        n += strlen(p.instead);
        from = p.end;
    }
    memcpy(out + n, from, strlen(from) + 1);
    return out;
}
