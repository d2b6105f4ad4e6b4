/*
 * The questions of thread kube to the server: its version, which cluster it is, and which of our
 * kinds it has: first all of them in two aggregated documents, which cost a 304 while nothing
 * changes, else group by group. One question at a time; answers move the watch machines.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "source/kube_source_in.h"

enum { DISCOVERY_RETRY_MS = 2000 };

static const char aggregated_accept[] =
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
    "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,"
    "application/json";

static bool on_answer(void *arg, const char *data, size_t len,
                      bool *ret_wait) /* NOLINT(readability-non-const-parameter): a callback */
{
    (void)ret_wait;
    struct kube_source *k = arg;
    bool ok = buf_add(&k->answer, data, len);
    if (!ok && k->call != NULL) {
        (void)snprintf(k->call->error, sizeof k->call->error, "the answer is over %d bytes",
                       DISCOVERY_LIMIT);
    }
    return ok;
}

static void apply_discovery(struct kube_source *k)
{
    bool soon = false;
    for (int i = 0; i < KIND_COUNT; i++) {
        if (k->found.known[i] && k->found.version[i][0] != '\0') {
            kube_watch_found(&k->watches[i], k->found.version[i]);
        } else if (k->found.known[i]) {
            kube_watch_gone(&k->watches[i]);
        } else {
            soon = kube_watch_unknown(&k->watches[i]) || soon;
        }
    }
    int64_t every = k->options.discovery_interval_ms;
    k->question = ASK_NOTHING;
    k->discovery_due =
        clock_mono_ms() + (soon && every > DISCOVERY_RETRY_MS ? DISCOVERY_RETRY_MS : every);
}

static const char *preferred_builtin(enum kind kind)
{
    switch ((int)kind) {
    case KIND_HPA:
        return "v2";
    case KIND_BINDING_LBC:
        return "v1beta1";
    case KIND_ARGO_ROLLOUT:
        return "v1alpha1";
    default:
        return "v1";
    }
}

static void on_question_done(void *arg, struct kube_call *call);

static int etag_of(enum question q)
{
    return q == ASK_CORE ? 0 : q == ASK_GROUPS ? 1 : -1;
}

static bool ask(struct kube_source *k, const char *path, const char *accept)
{
    int etag = etag_of(k->question);
    struct kube_call_options opt = {
        .path = path, .accept = accept, .etag = etag >= 0 ? k->etags[etag] : NULL};
    struct kube_handler handler = {.on_data = on_answer, .on_done = on_question_done, .arg = k};
    struct err err = {0};
    buf_clear(&k->answer);
    k->call = kube_call_start(k->client, &opt, &handler, &err);
    if (k->call == NULL) {
        source_report(k, SOURCE_DENIED, err.text);
        k->discovery_due = clock_mono_ms() + DISCOVERY_RETRY_MS;
        k->question = ASK_NOTHING;
    }
    return k->call != NULL;
}

/* The plain form: the next group that the server has and we want. */
static void ask_next_group(struct kube_source *k)
{
    for (; k->next_kind < KIND_COUNT; k->next_kind++) {
        const struct kind_info *info = kind_info((enum kind)k->next_kind);
        if (info->group[0] == '\0' || k->found.known[k->next_kind]) {
            continue;
        }
        char path[256];
        (void)snprintf(k->group_asked, sizeof k->group_asked, "%s", info->group);
        (void)snprintf(path, sizeof path, "/apis/%s/%s", info->group,
                       preferred_builtin((enum kind)k->next_kind));
        k->question = ASK_GROUP;
        k->next_kind++;
        (void)ask(k, path, "application/json");
        return;
    }
    apply_discovery(k);
}

static void ask_question(struct kube_source *k, enum question q)
{
    k->question = q;
    if (q == ASK_VERSION) {
        (void)ask(k, "/version", "application/json");
    } else if (q == ASK_CLUSTER) {
        (void)ask(k, "/api/v1/namespaces/kube-system", "application/json");
    } else if (q == ASK_CORE) {
        (void)ask(k, "/api", aggregated_accept);
    } else if (q == ASK_GROUPS) {
        (void)ask(k, "/apis", aggregated_accept);
    }
}

static void send_identity(struct kube_source *k)
{
    struct change *c = change_new(CHANGE_CLUSTER, 512);
    c->cluster_uid = arena_strdup(c->arena, k->cluster_uid);
    c->server_url = arena_strdup(c->arena, k->access.server);
    c->server_version = arena_strdup(c->arena, k->version);
    source_push(k, c);
    bool same = k->resume_uid[0] != '\0' && strcmp(k->resume_uid, k->cluster_uid) == 0;
    for (int i = 0; i < KIND_COUNT && same; i++) {
        if (k->watches[i].n_streams == 1 && !k->scoped) { /* the rows are of the whole cluster */
            kube_watch_resume(&k->watches[i], k->resume_rv[i]);
        }
    }
    k->identified = true;
}

static void on_identity(struct kube_source *k, const json_t *doc, const struct kube_call *call)
{
    if (k->question == ASK_VERSION) {
        const char *v = json_string_value(json_object_get(doc, "gitVersion"));
        (void)snprintf(k->version, sizeof k->version, "%s", v != NULL ? v : "");
        ask_question(k, ASK_CLUSTER);
        return;
    }
    const char *uid = json_string_value(json_object_get(json_object_get(doc, "metadata"), "uid"));
    bool denied = call->status == 403 || call->status == 404;
    if (uid != NULL || denied) { /* without the right to read it every start lists anew */
        (void)snprintf(k->cluster_uid, sizeof k->cluster_uid, "%s", uid != NULL ? uid : "");
        send_identity(k);
        ask_question(k, ASK_CORE);
    }
}

static void on_discovery(struct kube_source *k, const json_t *doc, const struct kube_call *call)
{
    if (k->question == ASK_CORE) {
        bool same = call->status == 304;
        if (!same && !discovery_read_aggregated(doc, true, &k->found)) { /* the plain form */
            for (int i = 0; i < KIND_COUNT; i++) {
                if (kind_info((enum kind)i)->group[0] == '\0') {
                    k->found.known[i] = true;
                    (void)snprintf(k->found.version[i], sizeof k->found.version[i], "v1");
                }
            }
        }
        ask_question(k, ASK_GROUPS);
    } else if (k->question == ASK_GROUPS) {
        if (call->status == 304 || discovery_read_aggregated(doc, false, &k->found)) {
            apply_discovery(k);
        } else if (discovery_read_groups(doc, &k->found)) {
            k->next_kind = 0;
            ask_next_group(k);
        } else {
            k->question = ASK_NOTHING;
            k->discovery_due = clock_mono_ms() + DISCOVERY_RETRY_MS;
        }
    } else {
        (void)discovery_read_resources(doc, k->group_asked,
                                       &k->found); /* not a list: the group stays unknown */
        ask_next_group(k);
    }
}

/* No answer, or no: the same question comes again, not sooner than the server wants. */
static void on_question_failed(struct kube_source *k, const struct kube_call *call)
{
    char text[256];
    if (call->status == 401) {
        kube_client_renew(k->client, call);
    }
    if (call->status == 0) {
        (void)snprintf(text, sizeof text, "%.250s", call->error);
    } else if (call->retry_after_ms > 0) {
        (void)snprintf(text, sizeof text, "HTTP %d, the server asks to wait %" PRId64 " s",
                       call->status, call->retry_after_ms / 1000);
    } else if (call->status == 200) {
        (void)snprintf(text, sizeof text, "its answer is cut or not JSON");
    } else {
        (void)snprintf(text, sizeof text, "HTTP %d%s", call->status,
                       call->status == 401 ? ": the API server does not accept the credentials "
                                             "(expired or withdrawn?)"
                                           : "");
    }
    enum source_state s = call->status == 0                            ? SOURCE_UNREACHABLE
                          : call->status == 401 || call->status == 403 ? SOURCE_DENIED
                          : call->status == 429                        ? SOURCE_THROTTLED
                                                                       : SOURCE_FAILING;
    bool later = call->retry_after_ms > DISCOVERY_RETRY_MS;
    source_report(k, s, text);
    k->question = ASK_NOTHING;
    k->discovery_due = clock_mono_ms() + (later ? call->retry_after_ms : DISCOVERY_RETRY_MS);
}

static void on_question_done(void *arg, struct kube_call *call)
{
    struct kube_source *k = arg;
    k->call = NULL;
    json_t *doc = json_loadb(buf_str(&k->answer), k->answer.len, 0, NULL);
    bool answered =
        call->status == 304 || (call->status == 200 && call->result == CURLE_OK && doc != NULL);
    int etag = etag_of(k->question);
    if (answered && etag >= 0) {
        bool lists = doc == NULL || discovery_is_aggregated(doc);
        (void)snprintf(k->etags[etag], sizeof k->etags[etag], "%s", lists ? call->etag : "");
    }
    bool refused = call->status == 403 || call->status == 404;
    if (k->question == ASK_VERSION || k->question == ASK_CLUSTER) {
        if (answered || refused) {
            source_report(k, SOURCE_OK, "");
            on_identity(k, doc, call);
            json_decref(doc);
            return;
        }
    } else if (answered || (k->question == ASK_GROUP && (refused || call->status >= 500))) {
        source_report(k, SOURCE_OK, "");
        on_discovery(k, doc, call);
        json_decref(doc);
        return;
    }
    json_decref(doc);
    on_question_failed(k, call);
}

void source_discover_if_due(struct kube_source *k)
{
    bool due = k->missing || clock_mono_ms() >= k->discovery_due;
    if (k->call == NULL && k->question == ASK_NOTHING && due) {
        k->missing = false;
        ask_question(k, k->identified ? ASK_CORE : ASK_VERSION);
    }
}
