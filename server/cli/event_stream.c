/* An event stream's text (see event_stream.h). */
#include "cli/event_stream.h"

#include <stdio.h>
#include <string.h>

void event_stream_fini(struct event_stream *s)
{
    buf_fini(&s->line);
    buf_fini(&s->data);
}

/* The empty line: what was gathered is an event, if it has data. */
static bool dispatch(struct event_stream *s, event_fn *fn, void *arg)
{
    bool more = true;
    if (s->data.len > 0) {
        s->data.data[--s->data.len] = '\0'; /* the last \n is no part of it */
        more = fn(arg, s->name[0] != '\0' ? s->name : "message", s->data.data, s->data.len);
    }
    buf_clear(&s->data);
    s->name[0] = '\0';
    return more;
}

static void field(struct event_stream *s, const char *line)
{
    size_t name = strcspn(line, ":");
    const char *value = line + name + (line[name] == ':');
    value += *value == ' ';
    if (name == 4 && strncmp(line, "data", name) == 0) {
        (void)buf_addz(&s->data, value);
        (void)buf_addc(&s->data, '\n');
    } else if (name == 5 && strncmp(line, "event", name) == 0) {
        (void)snprintf(s->name, sizeof s->name, "%s", value);
    }
}

static bool end_line(struct event_stream *s, event_fn *fn, void *arg)
{
    bool more = true;
    if (s->line.len == 0) {
        more = dispatch(s, fn, arg);
    } else {
        field(s, buf_str(&s->line)); /* a comment has an empty name */
    }
    buf_clear(&s->line);
    return more;
}

bool event_stream_feed(struct event_stream *s, const char *bytes, size_t len, event_fn *fn,
                       void *arg)
{
    const char *end = bytes + len;
    for (const char *p = bytes; p < end && !s->broken;) {
        p += s->after_cr && *p == '\n';
        s->after_cr = false;
        const char *stop = p;
        while (stop < end && *stop != '\n' && *stop != '\r') {
            stop++;
        }
        (void)buf_add(&s->line, p, (size_t)(stop - p));
        s->broken = s->line.overflow;
        if (stop < end && !s->broken) {
            s->after_cr = *stop++ == '\r';
            if (!end_line(s, fn, arg)) {
                return false;
            }
            s->broken = s->data.overflow;
        }
        p = stop;
    }
    return !s->broken;
}
