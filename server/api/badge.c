/* GET /badge/NAMESPACE/KIND/NAME.svg: a rollout's state as a picture, for a README or a wiki. */
#include <stdio.h>
#include <string.h>

#include "api/problem.h"
#include "api/query.h"
#include "api/worker.h"

enum { BADGE_BYTES = 8 << 10, NAME_CHARS = 60 };

/* The dashboard's colours on light (static/src/style/tokens.css). */
static const char *const colours[ROLLOUT_STATE_COUNT] = {
    [ROLLOUT_PROGRESSING] = "#1b57b5", [ROLLOUT_SLOW] = "#7d5a00",
    [ROLLOUT_STUCK] = "#ad4300",       [ROLLOUT_FAILED] = "#b0161d",
    [ROLLOUT_SERVING] = "#176b33",     [ROLLOUT_EXPOSED] = "#9b1789",
    [ROLLOUT_PAUSED] = "#0b6270",      [ROLLOUT_SUPERSEDED] = "#646e7b",
    [ROLLOUT_NOT_GATED] = "#566172",   [ROLLOUT_IDLE] = "#646e7b",
    [ROLLOUT_UNKNOWN] = "#555a8c"};

/* Names hold no markup in a real cluster; what does must not become any. Cut where it is long. */
static size_t add_text(struct buf *out, const char *text)
{
    size_t n = 0;
    for (const char *p = text; *p != '\0' && n < NAME_CHARS; p++, n++) {
        bool plain =
            (unsigned char)*p > ' ' && (unsigned char)*p < 0x7f && strchr("<>&\"'", *p) == NULL;
        (void)buf_addc(out, plain ? *p : '_');
    }
    return n;
}

/* One half: its colour and its text, stretched to the width that was reckoned for it. */
static int add_half(struct buf *out, int x, const char *colour, const char *text)
{
    int width = (int)strlen(text) * 7 + 14;
    (void)buf_addf(out,
                   "<rect x=\"%d\" width=\"%d\" height=\"20\" fill=\"%s\"/>"
                   "<text x=\"%d\" y=\"14\" textLength=\"%d\">%s</text>",
                   x, width, colour, x + 7, width - 14, text);
    return x + width;
}

static void draw(const char *name, const struct rollout_info *info, struct buf *out)
{
    AUTO(buf) left = BUF_INIT(256);
    AUTO(buf) right = BUF_INIT(256);
    AUTO(buf) halves = BUF_INIT(BADGE_BYTES);
    (void)add_text(&left, name);
    (void)add_text(&right, rollout_state_name(info->state));
    if (info->gates_total > 0) {
        (void)buf_addf(&right, " %lld/%lld", (long long)info->gates_open,
                       (long long)info->gates_total);
    }
    int width = add_half(&halves, 0, "#3d4450", buf_str(&left));
    width = add_half(&halves, width, colours[info->state], buf_str(&right));
    (void)buf_addf(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"20\" role=\"img\""
        " aria-label=\"%s: %s\"><title>%s: %s</title>"
        "<g fill=\"#fff\" font-family=\"Verdana,DejaVu Sans,sans-serif\""
        " font-size=\"11\">%s</g></svg>\n",
        width, buf_str(&left), buf_str(&right), buf_str(&left), buf_str(&right), buf_str(&halves));
}

/* In a snapshot. */
static bool look(struct worker *w, struct exchange *x, const char *workload,
                 struct rollout_info *ret, struct err *err)
{
    int64_t id = 0;
    struct object_name name = {
        .namespace = x->req.args[0], .kind = kind_canonical(x->req.args[1]), .name = workload};
    return view_cluster(w, x, &name.cluster, NULL, err) &&
           reader_find(w->reader, &name, &id, err) &&
           reader_rollout(w->reader, id, false, NULL, ret, err);
}

enum outcome get_badge(struct worker *w, struct exchange *x)
{
    char name[256];
    struct err err = {0};
    struct rollout_info info = {0};
    const char *file = x->req.args[2];
    size_t len = strlen(file);
    if (len <= 4 || len >= sizeof name || strcmp(file + len - 4, ".svg") != 0) {
        problem(x, PROBLEM_NOT_FOUND, "a badge is asked for as NAME.svg");
        return OUTCOME_ANSWER;
    }
    (void)snprintf(name, sizeof name, "%.*s", (int)len - 4, file);
    AUTO(buf) out = BUF_INIT(BADGE_BYTES);
    bool ok = reader_begin(w->reader, &err) && look(w, x, name, &info, &err);
    if (ok) {
        draw(name, &info, &out);
    }
    reader_end(w->reader);
    if (!ok && x->n_errors > 0) {
        problem(x, PROBLEM_INVALID_PARAMETER, NULL);
        return OUTCOME_ANSWER;
    }
    if (!ok) {
        problem_of(x, &err);
        return OUTCOME_ANSWER;
    }
    x->reply.embed = true;
    reply_header(&x->reply, "content-security-policy", "default-src 'none'");
    return view_body(x, body_new(&out), "image/svg+xml", "no-cache, private");
}
