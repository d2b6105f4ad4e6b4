/*
 * gatehouse wait and gate: is the rollout serving, now or in time?
 *
 * Each look asks /gate, which answers at once whatever is pinned; between looks /wait?for=change
 * blocks until something about the rollout changes. An image or a generation that is found is
 * pinned by the revision's hash from then on, so that what replaces it is seen as superseding it,
 * over as many requests as the waiting takes. A server that goes away is asked again for a while.
 */
#include "cli/wait.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"

enum {
    POLL_S = 50,
    PAUSE_MS = 250,  /* between looks at least */
    AWAY_MS = 60000, /* a server may be away for so long */
    RETRY_MS = 1000,
    DEFAULT_TIMEOUT_MS = 600000
};

struct waiting {
    struct client c;
    struct client_target t;
    const char *what; /* serving, complete */
    const char *revision;
    const char *image;
    const char *generation;
    char hash[64];       /* of the revision that fitted the pins; "" = none yet */
    int64_t deadline_ms; /* monotonic; 0 = none */
    int64_t heard_ms;    /* last answer; 0 = never */
    bool cut;            /* the poll was ended by the deadline */
    struct progress progress;
    json_t *answer; /* the last one; ours */
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

/* ---- requests ---- */

static void add_pins(const struct waiting *w, struct buf *path)
{
    if (w->hash[0] != '\0') {
        client_param(path, "revision", w->hash);
        return;
    }
    client_param(path, "revision", w->revision);
    client_param(path, "image", w->image);
    client_param(path, "generation", w->generation);
}

static bool has_image(const json_t *r, const char *image)
{
    size_t i = 0;
    const json_t *item = NULL; /* borrowed */
    json_array_foreach(json_object_get(r, "images"), i, item)
    {
        const char *text = json_string_value(item);
        if (text != NULL && strcmp(text, image) == 0) {
            return true;
        }
    }
    return false;
}

/* From now on the revision is meant that fits the image or generation. */
static void pin_hash(struct waiting *w)
{
    const json_t *r = json_object_get(w->answer, "rollout"); /* borrowed */
    const char *hash = json_text(r, "revision_hash");
    bool open = w->image != NULL || w->generation != NULL;
    if (!open || w->hash[0] != '\0' || hash[0] == '\0' || strlen(hash) >= sizeof w->hash ||
        !json_is_true(json_object_get(r, "observed")) ||
        (w->image != NULL && !has_image(r, w->image)) ||
        (w->generation != NULL &&
         json_number(r, "generation") < strtoll(w->generation, NULL, 10)) ||
        strcmp(json_text(w->answer, "verdict"), "superseded") == 0) {
        return;
    }
    (void)snprintf(w->hash, sizeof w->hash, "%s", hash);
}

static bool tick(void *arg)
{
    struct waiting *w = arg;
    progress_tick(&w->progress);
    w->cut = w->deadline_ms != 0 && clock_mono_ms() >= w->deadline_ms;
    return w->cut;
}

static void keep_answer(struct waiting *w, json_t *answer)
{
    json_decref(w->answer);
    w->answer = answer;
    w->heard_ms = clock_mono_ms();
    w->progress.latest = answer;
    w->progress.latest_ms = w->heard_ms;
    w->progress.trouble[0] = '\0';
}

static int64_t left_ms(const struct waiting *w)
{
    return w->deadline_ms == 0 ? INT64_MAX : w->deadline_ms - clock_mono_ms();
}

enum asked { ASKED_OK, ASKED_AGAIN, ASKED_OVER };

/* One request; *ret_code when it is over. */
static enum asked ask(struct waiting *w, const struct client_call *call, int *ret_code)
{
    struct err err = {0};
    AUTO(http_response) r = {0};
    bool ok = client_call(&w->c, call, &r, &err);
    bool known = ok && (r.status == 200 || r.status == 503);
    json_t *answer = known ? json_loadb(buf_str(&r.body), r.body.len, 0, NULL) : NULL;
    if (json_text(answer, "verdict")[0] != '\0') {
        keep_answer(w, answer);
        return ASKED_OK;
    }
    json_decref(answer);
    if (w->cut) {
        return ASKED_AGAIN; /* the last look says how it stands */
    }
    bool passing = !ok ? err.code != ERR_INPUT : r.status == 429 || r.status >= 500;
    int64_t away = clock_mono_ms() - w->heard_ms;
    if (passing && w->heard_ms != 0 && away < AWAY_MS && left_ms(w) > 0) {
        (void)snprintf(w->progress.trouble, sizeof w->progress.trouble, "no answer: %.500s",
                       ok ? "the server is busy" : err.text);
        return ASKED_AGAIN;
    }
    progress_end(&w->progress);
    if (ok) {
        *ret_code = client_complain(&w->c, &r);
    } else {
        (void)fprintf(stderr, "gatehouse %s: %s\n", w->c.command, err.text);
        *ret_code = EXIT_UNREACHABLE;
    }
    return ASKED_OVER;
}

/* The verdict as it stands. */
static enum asked look(struct waiting *w, int *ret_code)
{
    AUTO(buf) path = BUF_INIT(CLIENT_PATH_BYTES);
    client_rollout_path(&w->c, &w->t, "/gate", &path);
    client_param(&path, "for", w->what);
    add_pins(w, &path);
    struct client_call call = {.path = buf_str(&path)};
    return ask(w, &call, ret_code);
}

/* Until something changes, or the poll is over. Only a request that cannot be made ends it. */
static enum asked block(struct waiting *w, int *ret_code)
{
    char number[24];
    AUTO(buf) path = BUF_INIT(CLIENT_PATH_BYTES);
    int64_t left = left_ms(w);
    int64_t seconds = left / 1000 + 1 < POLL_S ? left / 1000 + 1 : POLL_S;
    client_rollout_path(&w->c, &w->t, "/wait", &path);
    client_param(&path, "for", "change");
    (void)snprintf(number, sizeof number, "%lld", (long long)json_number(w->answer, "index"));
    client_param(&path, "index", number);
    (void)snprintf(number, sizeof number, "%lld", (long long)seconds);
    client_param(&path, "timeout", number);
    add_pins(w, &path);
    struct client_call call = {.path = buf_str(&path),
                               .timeout_ms = seconds * 1000 * 17 / 16 + 15000,
                               .tick = tick,
                               .tick_arg = w};
    return ask(w, &call, ret_code);
}

static void sleep_ms(int64_t ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    (void)nanosleep(&t, NULL); /* shorter is fine */
}

/* The exit code; w->answer is what is to be printed, NULL when all is said. */
static int run(struct waiting *w)
{
    int code = -1;
    for (;;) {
        int64_t looked = clock_mono_ms();
        w->cut = false;
        enum asked asked = look(w, &code);
        if (asked == ASKED_OK) {
            pin_hash(w);
            code = wait_code(w->answer, left_ms(w) <= 0);
            if (code >= 0) {
                progress_end(&w->progress);
                return code;
            }
            progress_step(&w->progress);
            asked = block(w, &code);
        }
        if (asked == ASKED_OVER) {
            json_decref(w->answer);
            w->answer = NULL;
            return code;
        }
        progress_step(&w->progress);
        int64_t pause = asked == ASKED_AGAIN ? RETRY_MS : looked + PAUSE_MS - clock_mono_ms();
        pause = pause < left_ms(w) ? pause : left_ms(w);
        if (pause > 0) {
            sleep_ms(pause);
        }
    }
}

/* ---- the commands ---- */

static int open_waiting(const char *command, const struct args *args, struct waiting *w)
{
    *w = (struct waiting){.what = args_get(args, "for"),
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
    if (look(&w, &code) != ASKED_OK) {
        return code;
    }
    code = wait_code(w.answer, true);
    return finish(&w, code, -1);
}
