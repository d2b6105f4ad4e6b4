/* Label selectors (see selector.h). Equality is "In" with one value: one form for the matcher. */
#include "api/selector.h"

#include <string.h>

struct parser {
    const char *p;
    const char *start;
    struct arena *arena;
    struct selector_term *terms;
    uint32_t n;
};

static bool fail(const struct parser *s, struct err *err, const char *what)
{
    return err_set(err, ERR_INPUT, "at character %zu: %s", (size_t)(s->p - s->start) + 1, what);
}

static void blanks(struct parser *s)
{
    s->p += strspn(s->p, " \t");
}

/* A label key or value: letters, digits and - _ . / */
static const char *word(struct parser *s)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./";
    blanks(s);
    size_t len = strspn(s->p, letters);
    const char *text = arena_strndup(s->arena, s->p, len);
    s->p += len;
    blanks(s);
    return text;
}

static bool add(struct parser *s, const char *key, const char *op, struct strs values,
                struct err *err)
{
    if (key[0] == '\0') {
        return fail(s, err, "a label key is wanted here");
    }
    if (s->n == SELECTOR_TERMS_MAX) {
        return fail(s, err, "too many terms");
    }
    s->terms[s->n++] = (struct selector_term){key, op, values};
    return true;
}

static struct strs one_value(struct parser *s, const char *value)
{
    const char **items = arena_array(s->arena, const char *, 1);
    items[0] = value;
    return (struct strs){items, 1};
}

static bool value_set(struct parser *s, struct strs *ret, struct err *err)
{
    const char **items = arena_array(s->arena, const char *, SELECTOR_VALUES_MAX);
    uint32_t n = 0;
    blanks(s);
    if (*s->p != '(') {
        return fail(s, err, "'(' is wanted here");
    }
    do {
        s->p++;
        if (n == SELECTOR_VALUES_MAX) {
            return fail(s, err, "too many values");
        }
        items[n++] = word(s);
    } while (*s->p == ',');
    if (*s->p != ')') {
        return fail(s, err, "',' or ')' is wanted here");
    }
    s->p++;
    blanks(s);
    *ret = (struct strs){items, n};
    return true;
}

static bool term(struct parser *s, struct err *err)
{
    struct strs none = {NULL, 0};
    blanks(s);
    if (*s->p == '!') {
        s->p++;
        return add(s, word(s), "DoesNotExist", none, err);
    }
    const char *key = word(s);
    if (strncmp(s->p, "!=", 2) == 0) {
        s->p += 2;
        return add(s, key, "NotIn", one_value(s, word(s)), err);
    }
    if (*s->p == '=') {
        s->p += s->p[1] == '=' ? 2 : 1;
        return add(s, key, "In", one_value(s, word(s)), err);
    }
    if (*s->p == ',' || *s->p == '\0') {
        return add(s, key, "Exists", none, err);
    }
    const char *op = word(s);
    bool in = strcmp(op, "in") == 0;
    if (!in && strcmp(op, "notin") != 0) {
        return fail(s, err, "=, !=, in or notin is wanted here");
    }
    struct strs values;
    return value_set(s, &values, err) && add(s, key, in ? "In" : "NotIn", values, err);
}

bool selector_parse(const char *text, struct arena *a, struct selector *ret, struct err *err)
{
    if (strlen(text) > SELECTOR_BYTES_MAX) {
        return err_set(err, ERR_INPUT, "longer than %d characters", SELECTOR_BYTES_MAX);
    }
    struct parser s = {.p = text, .start = text, .arena = a};
    s.terms = arena_array(a, struct selector_term, SELECTOR_TERMS_MAX);
    for (;;) {
        if (!term(&s, err)) {
            return false;
        }
        if (*s.p == '\0') {
            break;
        }
        if (*s.p != ',') {
            return fail(&s, err, "',' is wanted here");
        }
        s.p++;
    }
    *ret = (struct selector){.present = 1, .terms = {s.terms, s.n}};
    return true;
}
