/* Text for people from the server's JSON (see client.h). */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "cli/client.h"

const char *json_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

int64_t json_number(const json_t *object, const char *key)
{
    return (int64_t)json_integer_value(json_object_get(object, key));
}

int64_t json_when(const json_t *object, const char *key)
{
    int64_t ms = 0;
    const char *text = json_text(object, key);
    return text[0] != '\0' && clock_parse(text, strlen(text), &ms) ? ms : 0;
}

void text_clean(struct buf *out, const char *text, bool lines)
{
    size_t len = strlen(text);
    for (size_t i = 0; i < len;) {
        const unsigned char *p = (const unsigned char *)text + i;
        size_t n = utf8_length(p, len - i);
        bool c1 = n == 2 && p[0] == 0xc2 && p[1] < 0xa0;
        bool control = n == 1 && (p[0] < ' ' || p[0] == 0x7f) && !(lines && p[0] == '\n');
        if (n == 0 || c1 || control) {
            (void)buf_addc(out, n == 0 ? '?' : ' ');
        } else {
            (void)buf_add(out, p, n);
        }
        i += n > 0 ? n : 1;
    }
}

void text_age(struct buf *out, int64_t ms)
{
    long long s = ms > 0 ? (long long)(ms / 1000) : 0;
    long long m = s / 60;
    long long h = m / 60;
    if (h >= 48) {
        (void)buf_addf(out, "%lldd", h / 24);
    } else if (h > 0) {
        (void)buf_addf(out, "%lldh%02lldm", h, m % 60);
    } else if (m >= 10) {
        (void)buf_addf(out, "%lldm", m);
    } else if (m > 0) {
        (void)buf_addf(out, "%lldm%02llds", m, s % 60);
    } else {
        (void)buf_addf(out, "%llds", s);
    }
}

void text_cut(struct buf *b, size_t width)
{
    size_t chars = 0;
    for (size_t i = 0; i < b->len;) {
        size_t n = utf8_length((const unsigned char *)b->data + i, b->len - i);
        n = n > 0 ? n : 1;
        if (++chars > width) {
            b->len = i;
            b->data[i] = '\0';
            return;
        }
        i += n;
    }
}

void text_counts(struct buf *out, const json_t *rollout)
{
    const json_t *gates = json_object_get(rollout, "gates"); /* borrowed */
    const json_t *pods = json_object_get(rollout, "pods");   /* borrowed */
    if (json_number(gates, "total") > 0) {
        (void)buf_addf(out, "%lld of %lld gates open, ", (long long)json_number(gates, "open"),
                       (long long)json_number(gates, "total"));
    }
    (void)buf_addf(out, "%lld of %lld pods ready", (long long)json_number(pods, "ready"),
                   (long long)json_number(pods, "desired"));
    if (json_number(gates, "missing") > 0) {
        (void)buf_addf(out, ", %lld without a gate", (long long)json_number(gates, "missing"));
    }
    if (json_number(pods, "old") > 0) {
        (void)buf_addf(out, ", %lld old", (long long)json_number(pods, "old"));
    }
}

static void add_line(struct buf *out, const char *indent, const char *label, const char *text)
{
    if (text[0] != '\0') {
        (void)buf_addf(out, "%s%s", indent, label);
        text_clean(out, text, false);
        (void)buf_addc(out, '\n');
    }
}

void text_cause(struct buf *out, const json_t *cause, const char *indent)
{
    size_t i = 0;
    const json_t *command = NULL; /* borrowed */
    if (!json_is_object(cause)) {
        return;
    }
    (void)buf_addz(out, indent);
    text_clean(out, json_text(cause, "severity"), false);
    (void)buf_addc(out, ' ');
    text_clean(out, json_text(cause, "code"), false);
    (void)buf_addz(out, ": ");
    text_clean(out, json_text(cause, "message"), false);
    (void)buf_addc(out, '\n');
    add_line(out, indent, "  do:  ", json_text(cause, "action"));
    json_array_foreach(json_object_get(cause, "commands"), i, command)
    {
        const char *text = json_string_value(command);
        add_line(out, indent, i == 0 ? "  run: " : "       ", text != NULL ? text : "");
    }
}

int text_print(const struct buf *b)
{
    return fputs(buf_str(b), stdout) < 0 || fflush(stdout) != 0 ? EXIT_FAILED : EXIT_FINE;
}
