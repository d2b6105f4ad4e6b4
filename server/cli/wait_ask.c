/*
 * The requests of `wait` (see wait.h).
 *
 * A stream is told from none by its silence: the first step comes at once, a comment every 15 s
 * (the server's BEAT_MS). A proxy that gathers an answer before it hands it on, and a server that
 * knows no streams here, show nothing of it; waiting goes on by requests that end, then.
 *
 * An image or a generation that is found is pinned by the revision's hash from then on, so that
 * what replaces it is seen as superseding it, over as many requests as the waiting takes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/event_stream.h"
#include "cli/wait.h"

enum {
    POLL_S = 50,
    STREAM_S = 600,     /* the longest the server gives */
    AWAY_MS = 60000,    /* a server may be away for so long */
    FIRST_MS = 5000,    /* until the first step */
    SILENCE_MS = 40000, /* later: two comments are missing */
    SHORT_MS = 2000,    /* a stream that is cut so soon is not let through */
    ANSWER_BYTES = 2 << 20
};

/* ---- what is asked for ---- */

int64_t wait_left_ms(const struct waiting *w)
{
    return w->deadline_ms == 0 ? INT64_MAX : w->deadline_ms - clock_mono_ms();
}

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

/* Adds the timeout: until the deadline, at most `most`. Returns it, seconds. */
static int64_t add_timeout(const struct waiting *w, int64_t most, struct buf *path)
{
    char number[24];
    int64_t left = wait_left_ms(w) / 1000 + 1;
    int64_t seconds = left < 1 ? 1 : left < most ? left : most;
    (void)snprintf(number, sizeof number, "%lld", (long long)seconds);
    client_param(path, "timeout", number);
    return seconds;
}

/* What libcurl gives the request: the server adds up to a sixteenth of its own. */
static int64_t patience_ms(int64_t seconds)
{
    return seconds * 1000 * 17 / 16 + 15000;
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

/* ---- what is answered ---- */

/* Keeps a Wait answer; false: it is none. */
static bool take_answer(struct waiting *w, const char *text, size_t len)
{
    json_t *answer = json_loadb(text, len, 0, NULL);
    if (json_text(answer, "verdict")[0] == '\0') {
        json_decref(answer);
        return false;
    }
    json_decref(w->answer);
    w->answer = answer;
    w->heard_ms = clock_mono_ms();
    w->retry_ms = 0;
    w->progress.latest = answer;
    w->progress.latest_ms = w->heard_ms;
    w->progress.trouble[0] = '\0';
    pin_hash(w);
    return true;
}

/* No answer: r NULL = not even a status. Is it worth going on? */
static enum asked missed(struct waiting *w, const struct http_response *r, const struct err *err,
                         int *ret_code)
{
    if (w->cut) {
        return ASKED_AGAIN; /* the last look says how it stands */
    }
    bool passing = r == NULL ? err->code != ERR_INPUT : r->status == 429 || r->status >= 500;
    int64_t away = clock_mono_ms() - w->heard_ms;
    if (passing && w->heard_ms != 0 && away < AWAY_MS && wait_left_ms(w) > 0) {
        w->retry_ms = r != NULL ? r->retry_after_ms : 0;
        (void)snprintf(w->progress.trouble, sizeof w->progress.trouble, "no answer: %.500s",
                       r != NULL ? "the server is busy" : err->text);
        return ASKED_AGAIN;
    }
    progress_end(&w->progress);
    if (r != NULL) {
        *ret_code = client_complain(&w->c, r);
    } else {
        (void)fprintf(stderr, "gatehouse %s: %s\n", w->c.command, err->text);
        *ret_code = EXIT_UNREACHABLE;
    }
    return ASKED_OVER;
}

/* ---- requests that end ---- */

static bool tick(void *arg)
{
    struct waiting *w = arg;
    progress_tick(&w->progress);
    w->cut = w->deadline_ms != 0 && clock_mono_ms() >= w->deadline_ms;
    return w->cut;
}

static enum asked ask(struct waiting *w, const struct client_call *call, int *ret_code)
{
    struct err err = {0};
    AUTO(http_response) r = {0};
    bool ok = client_call(&w->c, call, &r, &err);
    if (ok && (r.status == 200 || r.status == 503) &&
        take_answer(w, buf_str(&r.body), r.body.len)) {
        return ASKED_OK;
    }
    return missed(w, ok ? &r : NULL, &err, ret_code);
}

enum asked ask_gate(struct waiting *w, int *ret_code)
{
    AUTO(buf) path = BUF_INIT(CLIENT_PATH_BYTES);
    client_rollout_path(&w->c, &w->t, "/gate", &path);
    client_param(&path, "for", w->what);
    add_pins(w, &path);
    struct client_call call = {.path = buf_str(&path)};
    w->cut = false;
    return ask(w, &call, ret_code);
}

enum asked ask_change(struct waiting *w, int *ret_code)
{
    char number[24];
    AUTO(buf) path = BUF_INIT(CLIENT_PATH_BYTES);
    client_rollout_path(&w->c, &w->t, "/wait", &path);
    client_param(&path, "for", "change");
    (void)snprintf(number, sizeof number, "%lld", (long long)json_number(w->answer, "index"));
    client_param(&path, "index", number);
    int64_t seconds = add_timeout(w, POLL_S, &path);
    add_pins(w, &path);
    struct client_call call = {
        .path = buf_str(&path), .timeout_ms = patience_ms(seconds), .tick = tick, .arg = w};
    w->cut = false;
    return ask(w, &call, ret_code);
}

/* ---- the stream ---- */

struct listening {
    struct waiting *w;
    struct event_stream events;
    int64_t opened_ms;
    int64_t bytes_ms; /* when the last ones came; the opening before that */
    bool told;        /* there was a step */
    bool over;        /* that ends the waiting, or the server's time was up */
    bool silent;
};

static bool on_event(void *arg, const char *name, const char *data, size_t len)
{
    struct listening *l = arg;
    bool result = strcmp(name, "result") == 0;
    if (!result && strcmp(name, "progress") != 0) {
        return strcmp(name, "problem") != 0; /* a look asks again, and says what it is */
    }
    if (!take_answer(l->w, data, len)) {
        return false;
    }
    l->told = true;
    l->w->streamed = true;
    l->over = result || wait_code(l->w->answer, false) >= 0;
    if (!l->over) {
        progress_step(&l->w->progress);
    }
    return !l->over;
}

static bool on_bytes(void *arg, const char *data, size_t len)
{
    struct listening *l = arg;
    l->bytes_ms = clock_mono_ms();
    return event_stream_feed(&l->events, data, len, on_event, l);
}

static bool stream_tick(void *arg)
{
    struct listening *l = arg;
    l->silent = clock_mono_ms() - l->bytes_ms >= (l->told ? SILENCE_MS : FIRST_MS);
    return tick(l->w) || l->silent;
}

/* The stream has ended, and not by its result: is the next one worth trying? */
static bool try_again(const struct listening *l, bool ok)
{
    if (l->silent) {
        return false;
    }
    if (l->told) {
        return clock_mono_ms() - l->opened_ms >= SHORT_MS;
    }
    return !ok && l->w->streamed; /* the server went away, as when it starts anew */
}

enum asked ask_stream(struct waiting *w, int *ret_code)
{
    struct err err = {0};
    AUTO(buf) path = BUF_INIT(CLIENT_PATH_BYTES);
    AUTO(http_response) r = {0};
    int64_t now = clock_mono_ms();
    struct listening l = {
        .w = w, .events = EVENT_STREAM_INIT(ANSWER_BYTES), .opened_ms = now, .bytes_ms = now};
    client_rollout_path(&w->c, &w->t, "/wait", &path);
    client_param(&path, "for", w->what);
    int64_t seconds = add_timeout(w, STREAM_S, &path);
    add_pins(w, &path);
    struct client_call call = {.path = buf_str(&path),
                               .accept = "text/event-stream",
                               .timeout_ms = patience_ms(seconds),
                               .tick = stream_tick,
                               .stream = on_bytes,
                               .arg = &l};
    w->cut = false;
    bool ok = client_call(&w->c, &call, &r, &err);
    event_stream_fini(&l.events);
    if (l.over) {
        return ASKED_OK;
    }
    if (w->cut) {
        return ASKED_AGAIN;
    }
    w->streams = try_again(&l, ok);
    return ok || !w->streams ? ASKED_AGAIN : missed(w, NULL, &err, ret_code);
}
