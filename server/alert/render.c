/*
 * Bodies of notifications (see render.h). A body is rendered once, in the transaction that decides
 * it, so that every attempt sends the same bytes.
 */
#include "alert/render.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/json_out.h"
#include "base/own.h"
#include "base/utf8.h"
#include "model/cause.h"

enum {
    TEXT_MAX = 1000,
    COMMAND_MAX = 500,
    VALUE_MAX = 300,
    NAME_MAX_BYTES = 253,
    MOST_IMAGES = 10,
    MOST_CAUSES = 5,
    MOST_COMMANDS = 5,
    MOST_EVIDENCE = 10,
    MOST_POD_NAMES = 10
};

struct render {
    struct json_out j;
    const struct alert_subject *subject;
    bool brief;
};

/* At most max bytes, cut between characters, with an ellipsis. */
static void json_cut(struct json_out *j, const char *text, size_t max)
{
    size_t len = strlen(text);
    if (len <= max) {
        json_str(j, text);
        return;
    }
    size_t cut = max;
    while (cut > 0 && ((unsigned char)text[cut] & 0xc0) == 0x80) {
        cut--;
    }
    char copy[TEXT_MAX + 8];
    (void)snprintf(copy, sizeof copy, "%.*s\xe2\x80\xa6", (int)cut, text);
    json_str(j, copy);
}

static void json_kcut(struct json_out *j, const char *key, const char *text, size_t max)
{
    json_key(j, key);
    json_cut(j, text, max);
}

static void json_kseconds(struct json_out *j, const char *key, int64_t ms)
{
    json_key(j, key);
    json_num(j, (double)ms / 1000.0);
}

static void json_kcuts(struct json_out *j, const char *key, const struct strs *texts, uint32_t most)
{
    json_key(j, key);
    json_open(j, '[');
    for (uint32_t i = 0; i < texts->n && i < most; i++) {
        json_cut(j, texts->items[i], COMMAND_MAX);
    }
    json_close(j, ']');
}

static void add_evidence(struct json_out *j, const struct list *evidence, uint32_t most)
{
    json_key(j, "evidence");
    json_open(j, '[');
    for (uint32_t i = 0; i < evidence->n && i < most; i++) {
        const struct evidence *e = LIST_AT(struct evidence, *evidence, i);
        json_open(j, '{');
        json_kcut(j, "object", e->object, VALUE_MAX);
        json_kcut(j, "field", e->field, VALUE_MAX);
        json_kcut(j, "value", e->value, VALUE_MAX);
        json_close(j, '}');
    }
    json_close(j, ']');
}

/* A finding; in full: with what to do about it. */
static void add_cause(struct render *r, const struct finding *f, bool full)
{
    static const struct strs none = {NULL, 0};
    struct json_out *j = &r->j;
    json_open(j, '{');
    json_kstr(j, "code", f->code);
    json_kstr(j, "title", cause_title(f->code));
    json_kcut(j, "object", f->object, VALUE_MAX);
    json_kstr(j, "severity", severity_name(f->severity));
    json_kbool(j, "terminal", f->terminal);
    json_kstr(j, "confidence", confidence_name(f->confidence));
    json_ktime(j, "since", f->since);
    json_kint(j, "pods", f->pods);
    json_kcut(j, "message", f->message, r->brief ? VALUE_MAX : TEXT_MAX);
    json_kcut(j, "action", f->action, r->brief ? VALUE_MAX : TEXT_MAX);
    if (full) {
        json_kcuts(j, "pod_names", r->brief ? &none : &f->pod_names, MOST_POD_NAMES);
        json_kcuts(j, "commands", r->brief ? &none : &f->commands, MOST_COMMANDS);
        json_kcut(j, "docs", f->docs, VALUE_MAX);
        add_evidence(j, &f->evidence, r->brief ? 0 : MOST_EVIDENCE);
    }
    json_close(j, '}');
}

static void add_causes(struct render *r)
{
    const struct rollout_verdict *v = r->subject->verdict;
    json_key(&r->j, "cause");
    if (v->primary != NULL) {
        add_cause(r, v->primary, true);
    } else {
        json_nil(&r->j);
    }
    json_key(&r->j, "causes");
    json_open(&r->j, '[');
    for (uint32_t i = 0, n = 0; i < v->findings.n && n < MOST_CAUSES && !r->brief; i++) {
        const struct finding *f = LIST_AT(struct finding, v->findings, i);
        if (f != v->primary && !f->primary) {
            add_cause(r, f, false);
            n++;
        }
    }
    json_close(&r->j, ']');
}

static void add_numbers(struct json_out *j, const struct rollout_verdict *v)
{
    json_key(j, "pods");
    json_open(j, '{');
    json_kint(j, "desired", v->desired);
    json_kint(j, "updated", v->updated);
    json_kint(j, "ready", v->ready);
    json_kint(j, "old", v->old);
    json_key(j, "by_state");
    json_open(j, '{');
    for (unsigned i = 0; i < POD_STATE_COUNT; i++) {
        if (v->by_state[i] != 0) {
            json_kint(j, pod_state_name((enum pod_state)i), v->by_state[i]);
        }
    }
    json_close(j, '}');
    json_close(j, '}');
    json_key(j, "gates");
    json_open(j, '{');
    json_kint(j, "total", v->gates_total);
    json_kint(j, "open", v->gates_open);
    json_kint(j, "closed", v->gates_closed);
    json_kint(j, "absent", v->gates_absent);
    json_close(j, '}');
    json_key(j, "usual_seconds");
    if (!v->usual_known) {
        json_nil(j);
        return;
    }
    json_open(j, '{');
    json_kseconds(j, "p50", v->usual.p50_ms);
    json_kseconds(j, "p95", v->usual.p95_ms);
    json_kstr(j, "from", v->usual.from_history ? "history" : "formula");
    json_close(j, '}');
}

static void add_alert(struct json_out *j, const struct render_alert *a)
{
    json_key(j, "alert");
    json_open(j, '{');
    json_kcut(j, "key", a->key, VALUE_MAX);
    json_kcut(j, "revision_hash", a->revision_hash, VALUE_MAX);
    json_kstr(j, "cause", a->cause[0] != '\0' ? a->cause : NULL);
    json_ktime(j, "started_at", a->started_at);
    json_ktime(j, "ended_at", a->ended_at);
    json_kstr(j, "reason", a->reason[0] != '\0' ? a->reason : NULL);
    json_close(j, '}');
}

/* Kubernetes names need no escaping and are at most 253 bytes long; whatever else comes is escaped
 * and cut. */
static void add_path_part(struct buf *b, const char *text)
{
    (void)buf_addc(b, '/');
    const unsigned char *p = (const unsigned char *)text;
    for (size_t n = 0; *p != '\0' && n < NAME_MAX_BYTES; p++, n++) {
        bool plain = (*p >= '0' && *p <= '9') || (*p >= 'A' && *p <= 'Z') ||
                     (*p >= 'a' && *p <= 'z') || strchr("-._~", *p) != NULL;
        (void)(plain ? buf_addc(b, (char)*p) : buf_addf(b, "%%%02X", *p));
    }
}

static void add_links(struct render *r)
{
    const struct facts *f = r->subject->facts;
    const char *base = r->subject->config->external_url;
    size_t len = strlen(base);
    json_key(&r->j, "links");
    json_open(&r->j, '{');
    if (len > 0) {
        AUTO(buf) b = BUF_INIT(8192);
        (void)buf_add(&b, base, base[len - 1] == '/' ? len - 1 : len);
        (void)buf_addz(&b, "/r");
        add_path_part(&b, f->ns->name);
        add_path_part(&b, f->kind);
        add_path_part(&b, f->name);
        json_kstr(&r->j, "rollout", buf_str(&b));
    }
    if (f->policy->runbook[0] != '\0') {
        json_kstr(&r->j, "runbook", f->policy->runbook);
    }
    json_close(&r->j, '}');
}

static void add_summary(struct render *r)
{
    const struct facts *f = r->subject->facts;
    const struct rollout_verdict *v = r->subject->verdict;
    AUTO(buf) b = BUF_INIT(4096);
    (void)buf_addf(&b, "%s %s/%s in %s is %s: %" PRId64 " of %" PRId64 " pods serve", f->kind,
                   f->ns->name, f->name, r->subject->saved->cluster_name,
                   rollout_state_name(v->state), v->by_state[POD_SERVING], v->desired);
    if (v->primary != NULL) {
        (void)buf_addf(&b, ", cause %s", v->primary->code);
    }
    json_kcut(&r->j, "summary", buf_str(&b), r->brief ? VALUE_MAX : TEXT_MAX);
}

static void add_rollout(struct render *r, const struct render_alert *alert)
{
    static const struct strs none = {NULL, 0};
    struct json_out *j = &r->j;
    const struct facts *f = r->subject->facts;
    const struct rollout_verdict *v = r->subject->verdict;
    json_open(j, '{');
    json_kcut(j, "cluster", r->subject->saved->cluster_name, VALUE_MAX);
    json_kcut(j, "namespace", f->ns->name, VALUE_MAX);
    json_kcut(j, "kind", f->kind, VALUE_MAX);
    json_kcut(j, "name", f->name, VALUE_MAX);
    json_kcut(j, "uid", f->uid, VALUE_MAX);
    json_kcut(j, "revision", v->revision, VALUE_MAX);
    json_kcut(j, "revision_hash", v->revision_hash, VALUE_MAX);
    json_kcuts(j, "images", r->brief ? &none : &v->images, MOST_IMAGES);
    json_kstr(j, "state", rollout_state_name(v->state));
    json_kstr(j, "pace", pace_name(v->pace));
    json_ktime(j, "since", v->since);
    json_ktime(j, "started_at", v->started_at);
    json_ktime(j, "eta", v->eta);
    add_summary(r);
    add_numbers(j, v);
    add_causes(r);
    add_alert(j, alert);
    add_links(r);
    json_close(j, '}');
}

const char *render_rollout(const struct alert_subject *subject, const struct render_alert *alert)
{
    AUTO(buf) b = BUF_INIT(LIMIT_ALERT_DATA);
    struct render r = {json_out(&b), subject, false};
    add_rollout(&r, alert);
    if (b.overflow) {
        AUTO(buf) small = BUF_INIT(LIMIT_ALERT_BODY);
        r = (struct render){json_out(&small), subject, true};
        add_rollout(&r, alert);
        return arena_strdup(subject->arena, buf_str(&small));
    }
    return arena_strdup(subject->arena, buf_str(&b));
}

const char *render_gone(const char *body, const struct render_alert *alert, struct arena *arena)
{
    json_t *data = json_loads(body, 0, NULL);
    if (!json_is_object(data)) {
        json_decref(data);
        return body; /* our own row, damaged: its text is still the best there is */
    }
    AUTO(buf) b = BUF_INIT(LIMIT_ALERT_BODY);
    struct json_out j = json_out(&b);
    const char *key = NULL;
    json_t *value = NULL;
    json_open(&j, '{');
    json_object_foreach(data, key, value)
    {
        if (strcmp(key, "alert") == 0) {
            add_alert(&j, alert);
            continue;
        }
        char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
        json_key(&j, key);
        json_raw(&j, text != NULL ? text : "null");
        free(text);
    }
    json_close(&j, '}');
    json_decref(data);
    return b.overflow ? body : arena_strdup(arena, buf_str(&b));
}

const char *render_standard(const char *type, int64_t at, const char *data, struct arena *arena)
{
    AUTO(buf) b = BUF_INIT(LIMIT_ALERT_BODY + 256);
    struct json_out j = json_out(&b);
    json_open(&j, '{');
    json_kstr(&j, "type", type);
    json_ktime(&j, "timestamp", at);
    json_key(&j, "data");
    json_raw(&j, data);
    json_close(&j, '}');
    return arena_strdup(arena, buf_str(&b));
}

/* ---- Alertmanager ---- */

/* Borrowed from the object; "" when it is not there. */
static const char *text_at(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

/* Alertmanager takes an empty label for an absent one; it is left out. */
static void add_pair(struct json_out *j, const char *key, const char *value)
{
    if (value[0] != '\0') {
        json_kstr(j, key, value);
    }
}

/* The severities Prometheus users route by. */
static const char *severity_label(int64_t severity)
{
    if (severity >= SEVERITY_ERROR) {
        return "critical";
    }
    return severity == SEVERITY_WARNING ? "warning" : "info";
}

static void add_labels(struct json_out *j, const struct outbox_alert *alert, const json_t *data)
{
    json_key(j, "labels");
    json_open(j, '{');
    json_kstr(j, "alertname", "RolloutStuck");
    add_pair(j, "cluster", text_at(data, "cluster"));
    add_pair(j, "namespace", text_at(data, "namespace"));
    add_pair(j, "kind", text_at(data, "kind"));
    add_pair(j, "rollout", text_at(data, "name"));
    add_pair(j, "revision", text_at(json_object_get(data, "alert"), "revision_hash"));
    add_pair(j, "severity", severity_label(alert->severity));
    json_close(j, '}');
}

static void add_annotations(struct json_out *j, const json_t *data)
{
    const json_t *cause = json_object_get(data, "cause");
    AUTO(buf) commands = BUF_INIT(8192);
    size_t i = 0;
    json_t *command = NULL;
    json_array_foreach(json_object_get(cause, "commands"), i, command)
    {
        (void)buf_addf(&commands, "%s%s", i > 0 ? "\n" : "",
                       json_is_string(command) ? json_string_value(command) : "");
    }
    json_key(j, "annotations");
    json_open(j, '{');
    add_pair(j, "summary", text_at(data, "summary"));
    add_pair(j, "description", text_at(cause, "message"));
    add_pair(j, "cause", text_at(cause, "code"));
    add_pair(j, "action", text_at(cause, "action"));
    add_pair(j, "commands", buf_str(&commands));
    add_pair(j, "runbook_url", text_at(json_object_get(data, "links"), "runbook"));
    json_close(j, '}');
}

void render_alertmanager(const struct outbox_alert *alert, int64_t ends_at, struct buf *out)
{
    json_t *data = json_loads(alert->body, 0, NULL); /* NULL: labels stay empty */
    struct json_out j = json_out(out);
    json_open(&j, '{');
    add_labels(&j, alert, data);
    add_annotations(&j, data);
    json_ktime(&j, "startsAt", alert->started_at);
    if (ends_at != 0) {
        json_ktime(&j, "endsAt", ends_at);
    }
    add_pair(&j, "generatorURL", text_at(json_object_get(data, "links"), "rollout"));
    json_close(&j, '}');
    json_decref(data);
}
