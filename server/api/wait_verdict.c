/* What a wait comes to: pins, the verdict, and one look at the store (see wait.h). */
#include "api/wait.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_out.h"

const char *verdict_name(enum verdict v)
{
    static const char *const names[] = {"serving", "waiting", "failed", "superseded", "timeout"};
    return names[v];
}

/* Is the image one of the JSON array's strings? */
static bool has_image(const char *images, const char *image)
{
    AUTO(buf) quoted = BUF_INIT(16 << 10);
    struct json_out j = json_out(&quoted);
    json_str(&j, image); /* as the writer wrote it */
    return !quoted.overflow && strstr(images, buf_str(&quoted)) != NULL;
}

static bool whole_number(const char *text, long long *ret)
{
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 18 || text[digits] != '\0') {
        return false;
    }
    *ret = strtoll(text, NULL, 10);
    return true;
}

static enum pin pin_revision(const struct wait_ask *ask, const struct rollout_info *info, bool past)
{
    long long want = 0;
    long long have = 0;
    if (strcmp(ask->revision, info->revision) == 0 ||
        strcmp(ask->revision, info->revision_hash) == 0) {
        return PIN_FITS;
    }
    if (past || (whole_number(ask->revision, &want) && whole_number(info->revision, &have) &&
                 have > want)) {
        return PIN_LATER;
    }
    return PIN_EARLIER;
}

enum pin wait_pin(struct wait_ask *ask, const struct rollout_info *info, bool past)
{
    if (ask->revision != NULL) {
        enum pin pin = pin_revision(ask, info, past);
        if (pin != PIN_FITS) {
            return pin;
        }
    }
    if (ask->image == NULL && ask->generation == 0) {
        return PIN_FITS;
    }
    bool fits = (ask->image == NULL || has_image(info->images, ask->image)) &&
                info->generation >= ask->generation;
    if (ask->matched[0] != '\0') {
        return fits && strncmp(ask->matched, info->revision_hash, HASH_TEXT - 1) == 0 ? PIN_FITS
                                                                                      : PIN_LATER;
    }
    if (fits && info->observed) { /* before that, the hash is the old one's */
        (void)snprintf(ask->matched, sizeof ask->matched, "%s", info->revision_hash);
    }
    return fits ? PIN_FITS : PIN_EARLIER;
}

enum verdict wait_verdict(const struct wait_ask *ask, const struct rollout_info *info, enum pin pin,
                          bool *ret_met)
{
    *ret_met = false;
    if (pin == PIN_LATER) {
        return VERDICT_SUPERSEDED;
    }
    bool mine = pin == PIN_FITS && info->observed;
    bool serves = mine && (info->state == ROLLOUT_SERVING || info->state == ROLLOUT_NOT_GATED ||
                           info->state == ROLLOUT_IDLE);
    bool fails = mine && !serves && (info->state == ROLLOUT_FAILED || info->terminal);
    switch (ask->what) {
    case WAIT_SERVING:
        *ret_met = serves;
        break;
    case WAIT_COMPLETE:
        *ret_met = mine && info->complete;
        break;
    case WAIT_CHANGE:
        *ret_met = pin == PIN_FITS && info->rev > ask->index;
        break;
    }
    return serves ? VERDICT_SERVING : fails ? VERDICT_FAILED : VERDICT_WAITING;
}

/* ---- one look ---- */

static bool pinned(const struct wait_ask *ask)
{
    return ask->revision != NULL || ask->image != NULL || ask->generation != 0;
}

/* In a snapshot. */
static bool look(struct worker *w, struct wait_ask *ask, struct wait_look *ret, struct buf *out,
                 struct err *err)
{
    struct object_name name = {.namespace = ask->namespace, .kind = ask->kind, .name = ask->name};
    const char *cluster = NULL;
    int64_t id = 0;
    struct rollout_info info = {0};
    struct json_out v = json_out(out);
    bool past = false;
    buf_clear(out);
    bool ok =
        reader_cluster(w->reader, ask->cluster, &name.cluster, &cluster, err) &&
        reader_find(w->reader, &name, &id, err) &&
        reader_rollout(w->reader, id, false, &v, &info, err) &&
        (ask->revision == NULL || reader_revision_past(w->reader, id, ask->revision, &past, err));
    if (!ok && (err->code != ERR_NOT_FOUND || !pinned(ask))) {
        return false;
    }
    *ret = (struct wait_look){.verdict = VERDICT_WAITING, .index = info.rev};
    if (ok) {
        if (ask->index < 0) {
            ask->index = info.rev;
        }
        ret->verdict = wait_verdict(ask, &info, wait_pin(ask, &info, past), &ret->met);
    } else {
        buf_clear(out);
        (void)buf_addz(out, "null");
    }
    ret->over = ret->met || ret->verdict == VERDICT_FAILED || ret->verdict == VERDICT_SUPERSEDED;
    return true;
}

bool wait_look(struct worker *w, struct wait_ask *ask, struct wait_look *ret,
               struct buf *ret_rollout, struct err *err)
{
    bool ok = reader_begin(w->reader, err) && look(w, ask, ret, ret_rollout, err);
    reader_end(w->reader);
    return ok;
}

bool wait_write(struct worker *w, const struct wait_look *l, const struct buf *rollout,
                struct buf *out, struct err *err)
{
    struct json_out j = json_out(out);
    json_open(&j, '{');
    json_kbool(&j, "met", l->met);
    json_kstr(&j, "verdict", verdict_name(l->verdict));
    json_kbool(&j, "terminal", l->verdict == VERDICT_FAILED || l->verdict == VERDICT_SUPERSEDED);
    json_kint(&j, "index", l->index);
    json_key(&j, "rollout");
    json_raw(&j, buf_str(rollout));
    return view_tail(w, VIEW_WAIT, out, err);
}
