/*
 * gatehouse wait and gate: is the rollout serving, now or in time?
 *
 * The server tells each step as it comes over one stream (wait_ask.c), so that the end is known at
 * once and nothing is asked meanwhile. Where no stream comes through, each look asks /gate, which
 * answers at once whatever is pinned, and between looks /wait?for=change blocks until something
 * about the rollout changes. A server that goes away is asked again for a while.
 */
#include "cli/wait.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

enum {
    PAUSE_MS = 250, /* between requests at least */
    RETRY_MS = 1000,
    RETRY_MAX_MS = 15000, /* what the server asks for is done up to here */
    DEFAULT_TIMEOUT_MS = 600000
};

int wait_code(const json_t *answer, bool late)
{
    const json_t *r = json_object_get(answer, "rollout"); /* borrowed */
    const char *verdict = json_text(answer, "verdict");
    if (json_is_true(json_object_get(answer, "met"))) {
        return EXIT_FINE;
    }
    if (strcmp(verdict, "failed") == 0) {
        return EXIT_FAILED;
    }
    if (strcmp(verdict, "superseded") == 0) {
        return EXIT_SUPERSEDED;
    }
    if (!late) {
        return -1;
    }
    return client_stale(answer, r) ? EXIT_UNREACHABLE : EXIT_TIMEOUT;
}

void wait_result(const json_t *answer, const char *subject, int code, int64_t waited_ms,
                 struct buf *out)
{
    const json_t *r = json_object_get(answer, "rollout"); /* borrowed */
    const char *state = json_text(r, "state");
    (void)buf_addz(out, subject);
    if (code == EXIT_SUPERSEDED) {
        (void)buf_addz(out, " is superseded by a newer revision, which is ");
    } else if (code == EXIT_FAILED) {
        (void)buf_addz(out, " has failed, it is ");
    } else {
        (void)buf_addz(out, " is ");
    }
    text_clean(out, json_is_object(r) ? state : "not there", false);
    if (json_text(r, "revision")[0] != '\0') {
        (void)buf_addz(out, ", revision ");
        text_clean(out, json_text(r, "revision"), false);
    }
    if (json_is_object(r)) {
        (void)buf_addz(out, ": ");
        text_counts(out, r);
    }
    if (waited_ms >= 0) {
        (void)buf_addz(out, code == EXIT_TIMEOUT ? "; gave up after " : "; waited ");
        text_age(out, waited_ms);
    }
    if (code == EXIT_UNREACHABLE) {
        (void)buf_addz(out, "; the data are old: a source is silent");
    }
    (void)buf_addc(out, '\n');
    if (code != EXIT_FINE) {
        text_cause(out, json_object_get(r, "cause"), "  ");
    }
}

/* What is left to wait before the next request. */
static int64_t pause_ms(const struct waiting *w, int64_t began_ms)
{
    int64_t pause = began_ms + PAUSE_MS - clock_mono_ms();
    if (w->progress.trouble[0] != '\0') {
        pause = w->retry_ms < RETRY_MS       ? RETRY_MS
                : w->retry_ms > RETRY_MAX_MS ? RETRY_MAX_MS
                                             : w->retry_ms;
    }
    int64_t left = wait_left_ms(w);
    return pause < left ? pause : left;
}

/* The exit code; w->answer is what is to be printed, NULL when all is said. */
static int run(struct waiting *w)
{
    int code = -1;
    for (;;) {
        int64_t began = clock_mono_ms();
        bool stream = w->streams && wait_left_ms(w) > 0;
        enum asked asked = stream ? ask_stream(w, &code) : ask_gate(w, &code);
        if (asked == ASKED_OK) {
            code = wait_code(w->answer, wait_left_ms(w) <= 0);
            if (code >= 0) {
                progress_end(&w->progress);
                return code;
            }
            progress_step(&w->progress);
            asked = stream ? asked : ask_change(w, &code);
        }
        if (asked == ASKED_OVER) {
            json_decref(w->answer);
            w->answer = NULL;
            return code;
        }
        progress_step(&w->progress);
        int64_t pause = pause_ms(w, began);
        if (pause > 0) {
            clock_sleep_ms(pause);
        }
    }
}

/* ---- the commands ---- */

static int open_waiting(const char *command, const struct args *args, struct waiting *w)
{
    *w = (struct waiting){.streams = true,
                          .what = args_get(args, "for"),
                          .revision = args_get(args, "revision"),
                          .image = args_get(args, "image"),
                          .generation = args_get(args, "generation")};
    int code = client_open(command, args, &w->c);
    if (code != EXIT_FINE) {
        return code;
    }
    if (args->n_words != 1) {
        return usage_error(command, "one NAMESPACE/[KIND/]NAME is wanted");
    }
    if (w->what != NULL && strcmp(w->what, "serving") != 0 && strcmp(w->what, "complete") != 0) {
        return usage_error(command, "--for %s: serving or complete is wanted", w->what);
    }
    code = client_target_read(&w->c, args, args->words[0], &w->t);
    bool pinned = w->revision != NULL || w->image != NULL || w->generation != NULL;
    const char *fallback = pinned ? "deployment" : NULL; /* it may not be there yet */
    return code == EXIT_FINE ? client_target_kind(&w->c, &w->t, fallback) : code;
}

static int finish(struct waiting *w, int code, int64_t waited_ms)
{
    AUTO(buf) out = BUF_INIT(1 << 20);
    if (w->answer == NULL) {
        return code;
    }
    if (w->c.json) {
        AUTO_FREE char *text = json_dumps(w->answer, JSON_INDENT(1) | JSON_PRESERVE_ORDER);
        (void)buf_addf(&out, "%s\n", text != NULL ? text : "null");
    } else {
        wait_result(w->answer, w->progress.subject, code, waited_ms, &out);
    }
    int printed = text_print(&out);
    json_decref(w->answer);
    return code != EXIT_FINE ? code : printed;
}

int command_wait(const struct args *args)
{
    struct waiting w;
    int64_t timeout_ms = DEFAULT_TIMEOUT_MS;
    const char *timeout = args_get(args, "timeout");
    int code = open_waiting("wait", args, &w);
    if (code != EXIT_FINE) {
        return code;
    }
    if (timeout != NULL && strcmp(timeout, "0") == 0) {
        timeout_ms = 0;
    } else if (timeout != NULL && !config_duration(timeout, &timeout_ms)) {
        return usage_error("wait", "--timeout %s: a duration as 90s or 10m is wanted", timeout);
    }
    progress_init(&w.progress, &w.t);
    w.deadline_ms = timeout_ms > 0 ? w.progress.started_ms + timeout_ms : 0;
    code = run(&w);
    return finish(&w, code, clock_mono_ms() - w.progress.started_ms);
}

int command_gate(const struct args *args)
{
    struct waiting w;
    int code = open_waiting("gate", args, &w);
    if (code != EXIT_FINE) {
        return code;
    }
    progress_init(&w.progress, &w.t);
    if (ask_gate(&w, &code) != ASKED_OK) {
        return code;
    }
    code = wait_code(w.answer, true);
    return finish(&w, code, -1);
}
