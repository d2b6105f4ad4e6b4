/* Any bytes as manifests, and what comes of them judged against an empty cluster: an error with its
 * place or an answer, never a crash and never more than the ceilings allow. */
#include <stdlib.h>
#include <string.h>

#include "source/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void judge(const struct list *manifests, struct arena *a)
{
    static const struct facts_cluster cluster = {.kube_state = "ok",
                                                 .kube_message = "",
                                                 .aws_state = "off",
                                                 .aws_message = "",
                                                 .denied_kinds = ""};
    struct strs names = preflight_namespaces(manifests, "default", a);
    struct facts_namespace *namespaces = arena_array(a, struct facts_namespace, names.n);
    for (uint32_t i = 0; i < names.n; i++) {
        namespaces[i].name = names.items[i];
    }
    struct preflight_in in = {.cluster = &cluster,
                              .default_namespace = "default",
                              .manifests = *manifests,
                              .namespaces = {namespaces, names.n}};
    struct preflight p;
    preflight_judge(&in, a, &p);
    AUTO(buf) out = BUF_INIT(16 << 20);
    struct json_out j = json_out(&out);
    json_open(&j, '{');
    preflight_json(&p, &j);
    json_close(&j, '}');
    if (!out.overflow) {
        json_t *whole = json_loadb(out.data, out.len, 0, NULL);
        if (whole == NULL) {
            abort(); /* what we write is JSON */
        }
        json_decref(whole);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_PTR(arena) a = arena_new(0);
    struct list manifests = {NULL, 0};
    struct err err = {0};
    if (manifest_read("fuzz", (const char *)data, size, a, &manifests, &err)) {
        judge(&manifests, a);
    } else if (err.code != ERR_INPUT || strncmp(err.text, "fuzz:", 5) != 0) {
        abort(); /* an error without its place */
    }
    return 0;
}
