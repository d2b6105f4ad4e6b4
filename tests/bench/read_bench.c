/*
 * Extraction of a pod: the protobuf reader's CPU beside jansson's on the same objects in JSON, as a
 * real API server sent both; once as recorded, once with managedFields that bring the JSON past
 * 10 KB, as pods of real clusters have. Prints microseconds a pod and their ratio; judges nothing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/mem.h"
#include "source/read.h"

enum { TURNS = 5, ROUNDS = 2000, PODS_MAX = 64 };

static char *slurp(const char *path, size_t *ret_len)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        perror(path);
        exit(1);
    }
    char *data = xmalloc(1 << 20);
    *ret_len = fread(data, 1, 1 << 20, f);
    (void)fclose(f);
    return data;
}

static double cpu_us(void)
{
    struct rusage u;
    (void)getrusage(RUSAGE_SELF, &u);
    return (double)u.ru_utime.tv_sec * 1e6 + (double)u.ru_utime.tv_usec +
           (double)u.ru_stime.tv_sec * 1e6 + (double)u.ru_stime.tv_usec;
}

static size_t pb_pods(const char *data, size_t len, struct pb pods[PODS_MAX])
{
    struct pb in = pb_of(data + 4, len - 4);
    struct pb list = {NULL, NULL};
    struct pb_item item;
    bool bad = false;
    size_t n = 0;
    while (pb_next(&in, &item, &bad)) {
        list = item.number == 2 ? item.bytes : list;
    }
    while (list.p != NULL && n < PODS_MAX && pb_next(&list, &item, &bad)) {
        if (item.number == 2) {
            pods[n++] = item.bytes;
        }
    }
    return n;
}

static void add_field(struct buf *out, unsigned number, const void *data, size_t len)
{
    uint64_t parts[2] = {number << 3 | 2, len};
    for (int i = 0; i < 2; i++) {
        for (; parts[i] > 0x7f; parts[i] >>= 7) {
            (void)buf_addc(out, (char)((parts[i] & 0x7f) | 0x80));
        }
        (void)buf_addc(out, (char)parts[i]);
    }
    (void)buf_add(out, data, len);
}

/* The same pod with one more managedFields entry, in both forms. */
static void grow(struct pb *pod, char **text, const char *owned)
{
    struct buf entry = BUF_INIT(1 << 20);
    struct buf raw = BUF_INIT(1 << 20);
    struct buf meta = BUF_INIT(1 << 20);
    struct buf out = BUF_INIT(1 << 20);
    add_field(&raw, 1, owned, strlen(owned));
    add_field(&entry, 1, "kubelet", 7);
    add_field(&entry, 7, raw.data, raw.len);
    struct pb in = *pod;
    struct pb_item item;
    bool bad = false;
    while (pb_next(&in, &item, &bad)) {
        if (item.number == 1) {
            (void)buf_add(&meta, item.bytes.p, (size_t)(item.bytes.end - item.bytes.p));
            add_field(&meta, 17, entry.data, entry.len);
            add_field(&out, 1, meta.data, meta.len);
        } else if (item.wire == 2) {
            add_field(&out, item.number, item.bytes.p, (size_t)(item.bytes.end - item.bytes.p));
        }
    }
    *pod = pb_of(out.data, out.len); /* lives until the end of the program */
    json_t *doc = json_loads(*text, 0, NULL);
    json_t *fields = json_loads(owned, 0, NULL);
    json_array_append_new(json_object_get(json_object_get(doc, "metadata"), "managedFields"),
                          json_pack("{s:s,s:o}", "manager", "kubelet", "fieldsV1", fields));
    free(*text);
    *text = json_dumps(doc, JSON_COMPACT);
    json_decref(doc);
    buf_fini(&entry);
    buf_fini(&raw);
    buf_fini(&meta);
}

/* What a kubelet owns of a pod of eight containers. */
static char *owned_fields(void)
{
    struct buf b = BUF_INIT(1 << 20);
    (void)buf_addz(&b, "{\"f:status\":{");
    for (int i = 0; i < 40; i++) {
        (void)buf_addf(&b,
                       "%s\"k:{\\\"type\\\":\\\"C%d\\\"}\":{\".\":{},\"f:lastProbeTime\":{},"
                       "\"f:lastTransitionTime\":{},\"f:status\":{},\"f:type\":{}}",
                       i > 0 ? "," : "", i);
    }
    (void)buf_addz(&b, "}}");
    return buf_take(&b, &(size_t){0});
}

static double time_pb(const struct pb *pods, size_t n)
{
    struct arena *a = arena_new(64 << 10);
    struct kube_pod pod;
    struct err err = {0};
    double begin = cpu_us();
    for (int r = 0; r < ROUNDS * 10; r++) {
        for (size_t i = 0; i < n; i++) {
            if (!pb_read_object(KIND_POD, pods[i].p, (size_t)(pods[i].end - pods[i].p), a, &pod,
                                &err)) {
                abort();
            }
        }
        arena_reset(a);
    }
    arena_free(a);
    return (cpu_us() - begin) / (double)(n * ROUNDS * 10);
}

static double time_json(char **texts, size_t n)
{
    double begin = cpu_us();
    for (int r = 0; r < ROUNDS / 10; r++) {
        for (size_t i = 0; i < n; i++) {
            json_t *doc = json_loads(texts[i], 0, NULL);
            if (doc == NULL) {
                abort();
            }
            json_decref(doc);
        }
    }
    return (cpu_us() - begin) / (double)(n * (ROUNDS / 10));
}

static void compare(const char *what, const struct pb *pods, char **texts, size_t n)
{
    double best_pb = 1e9;
    double best_json = 1e9;
    size_t bytes = 0;
    for (size_t i = 0; i < n; i++) {
        bytes += strlen(texts[i]);
    }
    for (int t = 0; t < TURNS; t++) { /* in turn */
        double p = time_pb(pods, n);
        double j = time_json(texts, n);
        best_pb = p < best_pb ? p : best_pb;
        best_json = j < best_json ? j : best_json;
    }
    (void)printf("extraction of a pod, %s (%zu bytes of JSON): protobuf %.2f us, jansson %.1f us, "
                 "ratio 1/%.0f\n",
                 what, bytes / n, best_pb, best_json, best_json / best_pb);
}

int main(void)
{
    size_t len = 0;
    char *pb = slurp(FIXTURES "/kubernetes/pods.pb", &len);
    struct pb pods[PODS_MAX];
    size_t n = pb_pods(pb, len, pods);
    char *json = slurp(FIXTURES "/kubernetes/pods.json", &len);
    json_t *list = json_loadb(json, len, 0, NULL);
    const json_t *items = json_object_get(list, "items");
    char *texts[PODS_MAX];
    if (json_array_size(items) != n || n == 0) {
        (void)fprintf(stderr, "the two recordings differ\n");
        return 1;
    }
    for (size_t i = 0; i < n; i++) {
        texts[i] = json_dumps(json_array_get(items, i), JSON_COMPACT);
    }
    compare("as recorded", pods, texts, n);
    char *owned = owned_fields();
    for (size_t i = 0; i < n; i++) {
        grow(&pods[i], &texts[i], owned);
    }
    compare("with more managedFields", pods, texts, n);
    free(owned);
    for (size_t i = 0; i < n; i++) {
        free(texts[i]);
    }
    json_decref(list);
    free(json);
    free(pb);
    return 0;
}
