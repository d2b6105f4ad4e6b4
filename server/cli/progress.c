/* What `wait` says while it waits (see wait.h). */
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/wait.h"

enum {
    BAR = 20,
    PLAIN_COUNTS_MS = 5000,
    PLAIN_EVERY_MS = 60000,
    FIRST_MS = 1000,
    LINE_BYTES = 2048
};

void progress_init(struct progress *p, const struct client_target *t)
{
    *p = (struct progress){.live = isatty(STDERR_FILENO) == 1, .started_ms = clock_mono_ms()};
    AUTO(buf) subject = BUF_INIT(sizeof p->subject);
    text_clean(&subject, t->namespace, false);
    (void)buf_addc(&subject, '/');
    text_clean(&subject, t->name, false);
    (void)snprintf(p->subject, sizeof p->subject, "%s", buf_str(&subject));
}

static const json_t *rollout_of(const struct progress *p)
{
    const json_t *r = json_object_get(p->latest, "rollout");
    return json_is_object(r) ? r : NULL;
}

void progress_text(const struct progress *p, int64_t now_ms, struct buf *out)
{
    const json_t *r = rollout_of(p);
    if (p->trouble[0] != '\0') {
        text_clean(out, p->trouble, false);
        return;
    }
    if (r == NULL) {
        (void)buf_addz(out, "not seen yet");
        return;
    }
    text_clean(out, json_text(r, "state"), false);
    (void)buf_addz(out, ": ");
    text_counts(out, r);
    /* the time to go, by the server's clock, which ran on since the answer */
    int64_t left = json_when(r, "eta") - json_when(p->latest, "now") - (now_ms - p->latest_ms);
    if (json_when(r, "eta") > 0 && left > 0 && p->live) {
        (void)buf_addz(out, ", about ");
        text_age(out, left);
        (void)buf_addz(out, " to go");
    }
    const json_t *cause = json_object_get(r, "cause"); /* borrowed */
    if (json_is_object(cause)) {
        (void)buf_addz(out, "; ");
        text_clean(out, json_text(cause, "code"), false);
        (void)buf_addz(out, ": ");
        text_clean(out, json_text(cause, "message"), false);
    }
}

static void add_bar(const struct progress *p, struct buf *out)
{
    const json_t *r = rollout_of(p);
    const json_t *gates = json_object_get(r, "gates"); /* borrowed */
    const json_t *pods = json_object_get(r, "pods");   /* borrowed */
    int64_t total = json_number(gates, "total");
    int64_t done = json_number(gates, "open");
    if (total <= 0) {
        total = json_number(pods, "desired");
        done = json_number(pods, "ready");
    }
    int64_t full = total > 0 ? done * BAR / total : 0;
    (void)buf_addc(out, '[');
    for (int64_t i = 0; i < BAR; i++) {
        (void)buf_addc(out, i < full ? '#' : '-');
    }
    (void)buf_addz(out, "] ");
}

static size_t terminal_width(void)
{
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col - 1u
                                                                            : 79u;
}

static void draw(struct progress *p)
{
    int64_t now = clock_mono_ms();
    AUTO(buf) line = BUF_INIT(LINE_BYTES);
    (void)buf_addf(&line, "%s ", p->subject);
    text_age(&line, now - p->started_ms);
    (void)buf_addc(&line, ' ');
    add_bar(p, &line);
    progress_text(p, now, &line);
    text_cut(&line, terminal_width());
    (void)fprintf(stderr, "\r%s\033[K", buf_str(&line));
    (void)fflush(stderr);
    p->drawn = true;
}

/* A turn (another state, another cause, trouble) is told at once; counts that move, as often as a
 * person reads; nothing new, once a minute. */
static bool due(const struct progress *p, const char *text, const char *turn, int64_t now)
{
    int64_t since = now - p->last_ms;
    if (p->last_ms == 0 || strcmp(p->turn, turn) != 0) {
        return true;
    }
    return since >= (strcmp(p->said, text) != 0 ? PLAIN_COUNTS_MS : PLAIN_EVERY_MS);
}

static void print_plain(struct progress *p)
{
    int64_t now = clock_mono_ms();
    char at[CLOCK_TEXT_SIZE];
    char turn[sizeof p->turn];
    const json_t *r = rollout_of(p);
    AUTO(buf) text = BUF_INIT(sizeof p->said - 1);
    progress_text(p, now, &text);
    (void)snprintf(turn, sizeof turn, "%s %s %s", p->trouble[0] != '\0' ? "trouble" : "",
                   json_text(r, "state"), json_text(json_object_get(r, "cause"), "code"));
    if (!due(p, buf_str(&text), turn, now)) {
        return;
    }
    (void)snprintf(p->said, sizeof p->said, "%s", buf_str(&text));
    (void)snprintf(p->turn, sizeof p->turn, "%s", turn);
    p->last_ms = now;
    (void)fprintf(stderr, "%s %s %s\n", clock_format(clock_unix_ms() / 1000 * 1000, at), p->subject,
                  p->said);
}

void progress_step(struct progress *p)
{
    if (p->live) {
        draw(p);
    } else {
        print_plain(p);
    }
}

void progress_tick(struct progress *p)
{
    if (p->latest != NULL || clock_mono_ms() - p->started_ms >= FIRST_MS) {
        progress_step(p); /* sooner, it would be about an answer that is on its way */
    }
}

void progress_end(struct progress *p)
{
    if (p->drawn) {
        (void)fputs("\r\033[K", stderr);
        (void)fflush(stderr);
        p->drawn = false;
    }
}
