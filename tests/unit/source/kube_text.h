/* Small builders of what an API server says, in JSON and in protobuf, for the source tests. */
#ifndef GATEHOUSE_TESTS_KUBE_TEXT_H
#define GATEHOUSE_TESTS_KUBE_TEXT_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

enum { KUBE_TEXT_LIMIT = 64 << 20 };

static inline char *kube_fixture(const char *name, size_t *ret_len)
{
    char path[512];
    (void)snprintf(path, sizeof path, FIXTURES "/kubernetes/%s", name);
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        abort();
    }
    char *data = calloc(1, (1 << 20) + 1);
    size_t n = fread(data, 1, 1 << 20, f);
    (void)fclose(f);
    if (ret_len != NULL) {
        *ret_len = n;
    }
    return data;
}

static inline void pb_tag(struct buf *b, uint32_t number, uint64_t len)
{
    uint64_t v = (uint64_t)number << 3 | 2;
    for (int round = 0; round < 2; round++) {
        while (v >= 0x80) {
            (void)buf_addc(b, (char)(0x80 | (v & 0x7f)));
            v >>= 7;
        }
        (void)buf_addc(b, (char)v);
        v = len;
    }
}
static inline void pb_bytes(struct buf *b, uint32_t number, const void *data, size_t len)
{
    pb_tag(b, number, len);
    (void)buf_add(b, data, len);
}
static inline void pb_text(struct buf *b, uint32_t number, const char *text)
{
    pb_bytes(b, number, text, strlen(text));
}
static inline void pb_sub(struct buf *b, uint32_t number, const struct buf *sub)
{
    pb_bytes(b, number, buf_str(sub), sub->len);
}

/* A Pod {1: metadata {1: name, 3: namespace, 5: uid, 6: resourceVersion, 12: annotations}}. pad: a
 * wanted annotation of so many bytes would be kept, so padding goes into managedFields (17). */
static inline void pb_pod(struct buf *out, const char *name, const char *rv, size_t pad,
                          const char *annotation)
{
    AUTO(buf) meta = BUF_INIT(KUBE_TEXT_LIMIT);
    pb_text(&meta, 1, name);
    pb_text(&meta, 3, "d");
    pb_text(&meta, 5, name);
    pb_text(&meta, 6, rv);
    if (annotation != NULL) {
        AUTO(buf) pair = BUF_INIT(4096);
        pb_text(&pair, 1, annotation);
        pb_text(&pair, 2, "true");
        pb_sub(&meta, 12, &pair);
    }
    if (pad > 0) {
        char *filler = calloc(1, pad);
        pb_bytes(&meta, 17, filler, pad);
        free(filler);
    }
    pb_sub(out, 1, &meta);
}
/* "k8s\0" + Unknown {1: {1: apiVersion, 2: kind}, 2: raw} */
static inline void pb_envelope(struct buf *out, const char *kind, const struct buf *raw)
{
    AUTO(buf) type = BUF_INIT(1024);
    pb_text(&type, 1, "v1");
    pb_text(&type, 2, kind);
    (void)buf_add(out, "k8s\0", 4);
    pb_sub(out, 1, &type);
    pb_sub(out, 2, raw);
}
/* One watch frame. */
static inline void pb_event(struct buf *out, const char *type, const char *kind,
                            const struct buf *object)
{
    AUTO(buf) raw = BUF_INIT(KUBE_TEXT_LIMIT);
    AUTO(buf) ext = BUF_INIT(KUBE_TEXT_LIMIT);
    AUTO(buf) event = BUF_INIT(KUBE_TEXT_LIMIT);
    pb_envelope(&raw, kind, object);
    pb_sub(&ext, 1, &raw);
    pb_text(&event, 1, type);
    pb_sub(&event, 2, &ext);
    for (int shift = 24; shift >= 0; shift -= 8) {
        (void)buf_addc(out, (char)(event.len >> shift));
    }
    (void)buf_add(out, buf_str(&event), event.len);
}
static inline void pb_pod_event(struct buf *out, const char *type, const char *name, const char *rv,
                                const char *annotation)
{
    AUTO(buf) pod = BUF_INIT(KUBE_TEXT_LIMIT);
    pb_pod(&pod, name, rv, 0, annotation);
    pb_event(out, type, "Pod", &pod);
}
/* A PodList {1: {2: resourceVersion, 3: continue}, 2: items} in its envelope; names are
 * "name@rv name@rv ...". */
static inline void pb_pod_list(struct buf *out, const char *rv, const char *token,
                               const char *names)
{
    AUTO(buf) list = BUF_INIT(KUBE_TEXT_LIMIT);
    AUTO(buf) meta = BUF_INIT(1024);
    pb_text(&meta, 2, rv);
    pb_text(&meta, 3, token);
    pb_sub(&list, 1, &meta);
    char copy[4096];
    (void)snprintf(copy, sizeof copy, "%s", names);
    for (char *save = NULL, *p = strtok_r(copy, " ", &save); p != NULL;
         p = strtok_r(NULL, " ", &save)) {
        char *at = strchr(p, '@');
        *at = '\0';
        AUTO(buf) pod = BUF_INIT(4096);
        pb_pod(&pod, p, at + 1, 0, NULL);
        pb_sub(&list, 2, &pod);
    }
    pb_envelope(out, "PodList", &list);
}

/* The same in JSON. */
static inline const char *json_pod_list(struct buf *out, const char *rv, const char *token,
                                        const char *names)
{
    (void)buf_addf(out,
                   "{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":"
                   "\"%s\",\"continue\":\"%s\"},\"items\":[",
                   rv, token);
    char copy[4096];
    (void)snprintf(copy, sizeof copy, "%s", names);
    bool comma = false;
    for (char *save = NULL, *p = strtok_r(copy, " ", &save); p != NULL;
         p = strtok_r(NULL, " ", &save)) {
        char *at = strchr(p, '@');
        *at = '\0';
        (void)buf_addf(out,
                       "%s{\"metadata\":{\"name\":\"%s\",\"namespace\":\"d\",\"uid\":\"%s\","
                       "\"resourceVersion\":\"%s\"}}",
                       comma ? "," : "", p, p, at + 1);
        comma = true;
    }
    (void)buf_addz(out, "]}\n");
    return buf_str(out);
}
#define JSON_POD(type, name, rv)                                                                   \
    "{\"type\":\"" type "\",\"object\":{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{"     \
    "\"name\":\"" name "\",\"namespace\":\"d\",\"uid\":\"" name "\",\"resourceVersion\":\"" rv     \
    "\"}}}\n"
#define JSON_BOOKMARK(rv)                                                                          \
    "{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{"     \
    "\"resourceVersion\":\"" rv "\"}}}\n"
#define JSON_INITIAL_END(rv)                                                                       \
    "{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{"     \
    "\"resourceVersion\":\"" rv "\",\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}}}}\n"
#define JSON_ERROR(code, message)                                                                  \
    "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},"   \
    "\"status\":\"Failure\",\"message\":\"" message "\",\"code\":" code "}}\n"

#endif
