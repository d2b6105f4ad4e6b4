/* Paths and query strings (see query.h). */
#include "api/query.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "model/words.h"

static int hex(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes len bytes to *at, with a NUL, and moves it on. NULL: a bad escape or a NUL inside. */
static char *decode(const char *from, size_t len, bool plus, char **at)
{
    char *start = *at;
    char *to = start;
    for (size_t i = 0; i < len; i++) {
        char c = from[i];
        if (c == '%') {
            int hi = i + 2 < len ? hex(from[i + 1]) : -1;
            int lo = hi >= 0 ? hex(from[i + 2]) : -1;
            if (lo < 0 || (hi == 0 && lo == 0)) {
                return NULL;
            }
            c = (char)(hi << 4 | lo);
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        *to++ = c;
    }
    *to++ = '\0';
    *at = to;
    return start;
}

bool query_split_path(struct request *req)
{
    const char *p = req->path;
    char *at = req->text;
    req->n_segments = 0;
    while (*p == '/') {
        p++;
        size_t len = strcspn(p, "/");
        if (len == 0 && p[0] == '\0') {
            break; /* a slash at the end */
        }
        if (req->n_segments == SEGMENTS_MAX) {
            return false;
        }
        const char *segment = decode(p, len, false, &at);
        if (segment == NULL || segment[0] == '\0' || strchr(segment, '/') != NULL) {
            return false;
        }
        req->segments[req->n_segments++] = segment;
        p += len;
    }
    if (*p != '\0') {
        return false;
    }
    req->text = at; /* parameters follow */
    return true;
}

void query_error(struct exchange *x, const char *parameter, const char *fmt, ...)
{
    if (x->errors == NULL) {
        x->errors = xcalloc(ERRORS_MAX, sizeof *x->errors);
    }
    if (x->n_errors == ERRORS_MAX) {
        return;
    }
    struct input_error *e = &x->errors[x->n_errors++];
    e->parameter = parameter;
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(e->detail, sizeof e->detail, fmt, args); /* cut where it is long */
    va_end(args);
}

static void parse_one(struct exchange *x, const char *p, size_t len, char **at)
{
    struct request *req = &x->req;
    if (len == 0) {
        return;
    }
    if (req->n_params == PARAMS_MAX) {
        query_error(x, "query", "more than %d parameters", PARAMS_MAX);
        return;
    }
    const char *equals = memchr(p, '=', len);
    size_t name_len = equals != NULL ? (size_t)(equals - p) : len;
    const char *name = decode(p, name_len, true, at);
    const char *value = "";
    if (name != NULL && equals != NULL) {
        value = decode(equals + 1, len - name_len - 1, true, at);
    }
    if (name == NULL || value == NULL) {
        query_error(x, "query", "an escape (%%xx) is incomplete or not allowed");
        return;
    }
    req->params[req->n_params++] = (struct param){name, value};
}

void query_parse(struct exchange *x)
{
    const char *p = x->req.query;
    char *at = x->req.text;
    x->req.n_params = 0;
    while (*p != '\0' && x->n_errors == 0) {
        size_t len = strcspn(p, "&");
        parse_one(x, p, len, &at);
        p += len + (p[len] == '&');
    }
    x->req.text = at;
}

static bool listed(const char *list, const char *name)
{
    size_t len = strlen(name);
    for (const char *p = strstr(list, name); p != NULL && len > 0; p = strstr(p + 1, name)) {
        if ((p == list || p[-1] == ' ') && (p[len] == ' ' || p[len] == '\0')) {
            return true;
        }
    }
    return false;
}

void query_allow(struct exchange *x, const char *allowed)
{
    for (unsigned i = 0; i < x->req.n_params; i++) {
        if (strchr(x->req.params[i].name, ' ') != NULL || !listed(allowed, x->req.params[i].name)) {
            query_error(x, x->req.params[i].name, "is not a parameter of this resource%s%s",
                        allowed[0] != '\0' ? "; it takes: " : "", allowed);
        }
    }
}

const char *query_one(struct exchange *x, const char *name)
{
    const char *value = NULL;
    unsigned n = 0;
    for (unsigned i = 0; i < x->req.n_params; i++) {
        if (strcmp(x->req.params[i].name, name) == 0) {
            value = x->req.params[i].value;
            n++;
        }
    }
    if (n > 1) {
        query_error(x, name, "is given %u times", n);
    }
    return value != NULL && value[0] != '\0' ? value : NULL;
}

size_t query_all(struct exchange *x, const char *name, const char **values, size_t max)
{
    size_t n = 0;
    for (unsigned i = 0; i < x->req.n_params; i++) {
        const struct param *p = &x->req.params[i];
        if (strcmp(p->name, name) != 0 || p->value[0] == '\0') {
            continue;
        }
        if (n == max) {
            query_error(x, name, "is given more than %zu times", max);
            break;
        }
        bool seen = false;
        for (size_t k = 0; k < n; k++) {
            seen = seen || strcmp(values[k], p->value) == 0;
        }
        if (!seen) {
            values[n++] = p->value;
        }
    }
    return n;
}

int64_t query_int(struct exchange *x, const char *name, int64_t min, int64_t max, int64_t fallback)
{
    const char *text = query_one(x, name);
    if (text == NULL) {
        return fallback;
    }
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 18 || text[digits] != '\0') {
        query_error(x, name, "is not a whole number");
        return fallback;
    }
    int64_t n = strtoll(text, NULL, 10);
    if (n < min || n > max) {
        query_error(x, name, "is not between %lld and %lld", (long long)min, (long long)max);
        return fallback;
    }
    return n;
}

int query_word(struct exchange *x, const char *name, const char *words, int fallback)
{
    const char *text = query_one(x, name);
    if (text == NULL) {
        return fallback;
    }
    size_t len = strlen(text);
    int i = 0;
    for (const char *p = words; *p != '\0'; i++) {
        size_t n = strcspn(p, "|");
        if (n == len && strncmp(p, text, n) == 0) {
            return i;
        }
        p += n + (p[n] == '|');
    }
    query_error(x, name, "is not one of %s", words);
    return fallback;
}

static void one_state(struct exchange *x, const char *p, size_t len, uint32_t *bits)
{
    char word[32];
    enum rollout_state state = ROLLOUT_UNKNOWN;
    (void)snprintf(word, sizeof word, "%.*s", len < sizeof word ? (int)len : 31, p);
    if (len >= sizeof word || !rollout_state_parse(word, &state)) {
        query_error(x, "state", "\"%.30s\" is not a rollout state", word);
        return;
    }
    *bits |= UINT32_C(1) << state;
}

uint32_t query_states(struct exchange *x)
{
    uint32_t bits = 0;
    for (unsigned i = 0; i < x->req.n_params; i++) {
        const char *p = x->req.params[i].value;
        if (strcmp(x->req.params[i].name, "state") != 0) {
            continue;
        }
        while (*p != '\0') {
            size_t len = strcspn(p, ",");
            if (len > 0) {
                one_state(x, p, len, &bits);
            }
            p += len + (p[len] == ',');
        }
    }
    return bits;
}

const char *query_kind(struct exchange *x)
{
    const char *kind = query_one(x, "kind");
    if (kind == NULL) {
        return NULL;
    }
    /* any kind may own pods; none is spelled with a comma or a blank */
    if (kind[strspn(kind, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-")] !=
        '\0') {
        query_error(x, "kind", "is not the name of one kind");
        return NULL;
    }
    return kind_canonical(kind);
}

const char *kind_canonical(const char *kind)
{
    /* names between blanks: any spelling that kubectl takes */
    static const struct {
        const char *kind;
        const char *names;
    } kinds[] = {
        {"Deployment", "deployment deployments deploy deployment.apps deployments.apps"},
        {"StatefulSet", "statefulset statefulsets sts statefulset.apps statefulsets.apps"},
        {"DaemonSet", "daemonset daemonsets ds daemonset.apps daemonsets.apps"},
        {"ReplicaSet", "replicaset replicasets rs replicaset.apps replicasets.apps"},
        {"Rollout", "rollout rollouts ro rollout.argoproj.io rollouts.argoproj.io"},
        {"Pod", "pod pods po"},
    };
    char lower[64];
    size_t len = strlen(kind);
    if (len >= sizeof lower) {
        return kind;
    }
    for (size_t i = 0; i <= len; i++) {
        lower[i] = kind[i] >= 'A' && kind[i] <= 'Z' ? (char)(kind[i] | 0x20) : kind[i];
    }
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strchr(lower, ' ') == NULL && listed(kinds[i].names, lower)) {
            return kinds[i].kind;
        }
    }
    return kind;
}

/* The weight of a media type in an Accept header, -1 when it is not named there; and where. */
static double accept_weight(const char *accept, const char *type, const char **ret_at)
{
    size_t len = strlen(type);
    for (const char *p = accept; *p != '\0';) {
        p += strspn(p, " \t,");
        size_t whole = strcspn(p, ",");
        size_t n = strcspn(p, ",; \t");
        if (n == len && strncasecmp(p, type, len) == 0) {
            const char *q = memchr(p, ';', whole);
            for (; q != NULL; q = memchr(q, ';', whole - (size_t)(q - p))) {
                q += 1 + strspn(q + 1, " \t");
                if ((q[0] | 0x20) == 'q' && q[1] == '=') {
                    break;
                }
            }
            *ret_at = p;
            return q != NULL ? strtod(q + 2, NULL) : 1.0;
        }
        p += whole;
    }
    return -1;
}

bool query_accepts(const char *accept, const char *type, const char *over)
{
    const char *at = NULL;
    const char *over_at = NULL;
    double weight = accept_weight(accept, type, &at);
    double other = accept_weight(accept, over, &over_at);
    return weight > 0 && (weight > other || (weight == other && at < over_at));
}
