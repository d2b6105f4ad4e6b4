/*
 * gatehouse refresh: ELBv2 is asked now about the target groups behind one rollout, and what it
 * says is shown.
 *
 * The server answers a POST with what it started; the groups' health_at tells when an answer has
 * come. A refusal for asking too often is waited out. Why no answer comes stands in the state of
 * the source `aws`: it is given a moment, since a good answer may be on its way meanwhile.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cli/client.h"

enum {
    DEFAULT_TIMEOUT_MS = 30000,
    LOOK_MS = 500,
    MOMENT_MS = 3000,
    ASKED_BEFORE_MS = 5000 /* a group that was not started was asked for within this */
};

struct refresh {
    struct client c;
    struct client_target t;
    int64_t deadline_ms; /* monotonic */
    json_t *started; /* the server's answer; ours. Each group gets "now": as /targetgroups has it */
    json_t *aws;     /* why there is no answer: a Source; ours, NULL = nothing is known */
};

/* EXIT_FINE with r->started, or a code after saying why. */
static int start(struct refresh *r)
{
    AUTO(buf) path = BUF_INIT(CLIENT_PATH_BYTES);
    client_rollout_path(&r->c, &r->t, "/refresh", &path);
    struct client_call call = {
        .path = buf_str(&path), .content_type = "application/json", .body = "", .body_len = 0};
    for (;;) {
        struct err err = {0};
        AUTO(http_response) answer = {0};
        if (!client_call(&r->c, &call, &answer, &err)) {
            (void)fprintf(stderr, "gatehouse refresh: %s\n", err.text);
            return EXIT_UNREACHABLE;
        }
        int64_t wait = answer.retry_after_ms > LOOK_MS ? answer.retry_after_ms : LOOK_MS;
        if (answer.status == 429 && clock_mono_ms() + wait < r->deadline_ms) {
            (void)fprintf(stderr, "asked for a moment ago: asking again in %llds\n",
                          (long long)(wait + 999) / 1000);
            clock_sleep_ms(wait);
            continue;
        }
        if (answer.status != 202) {
            int code = client_complain(&r->c, &answer);
            return answer.status == 429 ? EXIT_TIMEOUT : code;
        }
        r->started = json_loadb(buf_str(&answer.body), answer.body.len, 0, NULL);
        if (r->started == NULL) {
            (void)fprintf(stderr, "gatehouse refresh: %s does not answer as gatehouse does\n",
                          r->c.base);
        }
        return r->started != NULL ? EXIT_FINE : EXIT_UNREACHABLE;
    }
}

/* ---- the answers ---- */

/* The source `aws` when it is not well, else NULL. Borrowed. */
static json_t *trouble_of(const json_t *answer)
{
    size_t i = 0;
    json_t *s = NULL; /* borrowed */
    json_array_foreach(json_object_get(answer, "sources"), i, s)
    {
        const char *state = json_text(s, "state");
        if (strcmp(json_text(s, "name"), "aws") == 0 && strcmp(state, "ok") != 0 &&
            strcmp(state, "starting") != 0) {
            return s;
        }
    }
    return NULL;
}

/* Puts what /targetgroups says now into the started group. One that was not known when it was asked
 * for has no id yet and is found by its ARN. */
static int read_group(struct refresh *r, json_t *group)
{
    AUTO(buf) path = BUF_INIT(CLIENT_PATH_BYTES);
    AUTO_PTR(json_t) answer = NULL;
    int64_t id = json_number(group, "id");
    (void)buf_addz(&path, "/api/v1/targetgroups");
    if (id > 0) {
        (void)buf_addf(&path, "/%lld", (long long)id);
    } else {
        client_param(&path, "q", json_text(group, "arn"));
    }
    client_param(&path, "cluster", r->c.cluster);
    int code = client_get(&r->c, buf_str(&path), &answer);
    if (code != EXIT_FINE) {
        return code;
    }
    json_t *now = id > 0 ? answer : json_array_get(json_object_get(answer, "items"), 0);
    json_t *trouble = json_incref(trouble_of(answer));
    json_decref(r->aws);
    r->aws = trouble;
    (void)json_object_set(group, "now", now); /* NULL: not known yet */
    return EXIT_FINE;
}

static bool answered(const struct refresh *r, const json_t *group)
{
    int64_t asked = json_when(r->started, "now");
    if (!json_is_true(json_object_get(group, "started"))) {
        asked -= ASKED_BEFORE_MS;
    }
    return json_when(json_object_get(group, "now"), "health_at") >= asked;
}

static int read_groups(struct refresh *r, size_t *ret_open)
{
    size_t i = 0;
    json_t *group = NULL; /* borrowed */
    *ret_open = 0;
    json_array_foreach(json_object_get(r->started, "target_groups"), i, group)
    {
        int code = answered(r, group) ? EXIT_FINE : read_group(r, group);
        if (code != EXIT_FINE) {
            return code;
        }
        *ret_open += !answered(r, group);
    }
    return EXIT_FINE;
}

/* Until every group is answered, or none will be. */
static int follow(struct refresh *r)
{
    int64_t began = clock_mono_ms();
    for (;;) {
        size_t open = 0;
        int code = read_groups(r, &open);
        int64_t now = clock_mono_ms();
        if (code != EXIT_FINE || open == 0) {
            return code;
        }
        if (r->aws != NULL && now - began >= MOMENT_MS) {
            return EXIT_UNREACHABLE;
        }
        if (now >= r->deadline_ms) {
            return EXIT_TIMEOUT;
        }
        clock_sleep_ms(LOOK_MS);
    }
}

/* ---- what is said ---- */

static void say_group(const struct refresh *r, const json_t *group, struct buf *out)
{
    const json_t *now = json_object_get(group, "now"); /* borrowed */
    const char *error = json_text(now, "error");
    const char *name = json_text(group, "name");
    (void)buf_addz(out, "  ");
    text_clean(out, name[0] != '\0' ? name : json_text(group, "arn"), false);
    (void)buf_addz(out, ": ");
    if (!answered(r, group) && r->aws != NULL) {
        (void)buf_addz(out, "no answer: AWS is ");
        text_clean(out, json_text(r->aws, "state"), false);
        (void)buf_addz(out, ": ");
        text_clean(out, json_text(r->aws, "message"), false);
    } else if (error[0] != '\0') {
        text_clean(out, error, false);
    } else if (!answered(r, group)) {
        (void)buf_addz(out, "no answer yet; it will be shown when it comes");
    } else {
        (void)buf_addf(out, "%lld of %lld targets healthy", (long long)json_number(now, "healthy"),
                       (long long)json_number(now, "targets"));
    }
    (void)buf_addc(out, '\n');
}

static int say(const struct refresh *r)
{
    size_t i = 0;
    json_t *group = NULL; /* borrowed */
    AUTO(buf) out = BUF_INIT(1 << 20);
    if (r->c.json) {
        json_array_foreach(json_object_get(r->started, "target_groups"), i, group)
        {
            (void)json_object_set_new(group, "answered", json_boolean(answered(r, group)));
        }
        AUTO_FREE char *text = json_dumps(r->started, JSON_INDENT(1) | JSON_PRESERVE_ORDER);
        (void)buf_addf(&out, "%s\n", text != NULL ? text : "null");
        return text_print(&out);
    }
    text_clean(&out, r->t.namespace, false);
    (void)buf_addc(&out, '/');
    text_clean(&out, r->t.name, false);
    (void)buf_addz(&out, ": ELBv2 was asked\n");
    json_array_foreach(json_object_get(r->started, "target_groups"), i, group)
    {
        say_group(r, group, &out);
    }
    return text_print(&out);
}

int command_refresh(const struct args *args)
{
    struct refresh r = {.started = NULL};
    int64_t timeout_ms = DEFAULT_TIMEOUT_MS;
    const char *timeout = args_get(args, "timeout");
    int code = client_open("refresh", args, &r.c);
    if (code != EXIT_FINE) {
        return code;
    }
    if (args->n_words != 1) {
        return usage_error("refresh", "one NAMESPACE/[KIND/]NAME is wanted");
    }
    if (timeout != NULL && !config_duration(timeout, &timeout_ms)) {
        return usage_error("refresh", "--timeout %s: a duration as 10s is wanted", timeout);
    }
    r.deadline_ms = clock_mono_ms() + timeout_ms;
    code = client_target_read(&r.c, args, args->words[0], &r.t);
    code = code == EXIT_FINE ? client_target_kind(&r.c, &r.t, NULL) : code;
    code = code == EXIT_FINE ? start(&r) : code;
    if (r.started != NULL) {
        code = follow(&r);
        int printed = say(&r);
        code = code != EXIT_FINE ? code : printed;
    }
    json_decref(r.started);
    json_decref(r.aws);
    return code;
}
