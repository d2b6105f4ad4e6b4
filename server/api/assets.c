/* The dashboard's files (see assets.h). */
#include "api/assets.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/problem.h"
#include "api/worker.h"
#include "base/mem.h"

struct assets {
    struct asset *items; /* sorted by path */
    size_t n;
    size_t cap;
    size_t bytes;
};

static const char missing_page[] =
    "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>gatehouse</title>"
    "<h1>gatehouse</h1><p>The dashboard is not installed here: build it, or name its folder with "
    "static_dir.</p><p>The interface answers under <a href=\"/api/v1/summary\">/api/v1</a>.</p>"
    "</html>\n";

static const char *type_of(const char *path)
{
    static const struct {
        const char *suffix;
        const char *type;
    } types[] = {
        {".html", "text/html; charset=utf-8"},
        {".js", "text/javascript; charset=utf-8"},
        {".mjs", "text/javascript; charset=utf-8"},
        {".css", "text/css; charset=utf-8"},
        {".json", "application/json"},
        {".map", "application/json"},
        {".webmanifest", "application/manifest+json"},
        {".svg", "image/svg+xml"},
        {".png", "image/png"},
        {".ico", "image/x-icon"},
        {".woff2", "font/woff2"},
        {".txt", "text/plain; charset=utf-8"},
    };
    size_t len = strlen(path);
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        size_t n = strlen(types[i].suffix);
        if (len > n && strcmp(path + len - n, types[i].suffix) == 0) {
            return types[i].type;
        }
    }
    return "application/octet-stream";
}

#define DIGITS "0123456789"
#define UPPER  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define LOWER  "abcdefghijklmnopqrstuvwxyz"

/* name-1A2B3C4D.js: a dash and eight or more letters and digits before the suffix, as bundlers
 * write them. Words are no hash: either there is a digit, or all is in upper case (esbuild's base32
 * has no digit in one name of five). */
static bool has_hash(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *dash = strrchr(slash != NULL ? slash : path, '-');
    if (dash == NULL) {
        return false;
    }
    size_t n = strspn(dash + 1, DIGITS UPPER LOWER);
    bool digit = strcspn(dash + 1, DIGITS) < n;
    bool upper = strspn(dash + 1, DIGITS UPPER) == n;
    return n >= 8 && dash[1 + n] == '.' && (digit || upper);
}

static void add(struct assets *a, const char *path, struct buf *content)
{
    a->bytes += content->len;
    a->items = xgrow(a->items, &a->cap, a->n + 1, sizeof *a->items);
    a->items[a->n++] = (struct asset){.path = xstrdup(path),
                                      .body = body_new(content),
                                      .content_type = type_of(path),
                                      .immutable = has_hash(path)};
}

static bool read_file(int dir, const char *name, size_t room, struct buf *out)
{
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat st;
    if (fd < 0) {
        return false;
    }
    bool ok = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size <= room;
    char chunk[16 << 10];
    ssize_t n = 0;
    out->limit = room;
    while (ok && (n = read(fd, chunk, sizeof chunk)) > 0) {
        ok = buf_add(out, chunk, (size_t)n);
    }
    (void)close(fd); /* read only */
    return ok && n == 0;
}

static bool left_out(const char *name)
{
    size_t len = strlen(name);
    return name[0] == '.' || (len > 3 && strcmp(name + len - 3, ".gz") == 0) ||
           (len > 3 && strcmp(name + len - 3, ".br") == 0);
}

static void load_dir(struct assets *a, int parent, const char *name, const char *prefix, int depth,
                     unsigned *skipped)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (dir == NULL) {
        if (fd >= 0) {
            (void)close(fd);
        }
        return;
    }
    for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        char path[1024];
        AUTO(buf) content = BUF_INIT(0);
        struct stat st;
        int n = snprintf(path, sizeof path, "%s%s", prefix, e->d_name);
        if (left_out(e->d_name) || n < 0 || (size_t)n >= sizeof path - 1 ||
            fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
            continue;
        }
        if (S_ISDIR(st.st_mode) && depth < ASSETS_DEPTH) {
            path[n] = '/';
            path[n + 1] = '\0';
            load_dir(a, fd, e->d_name, path, depth + 1, skipped);
        } else if (a->n < ASSETS_FILES &&
                   read_file(fd, e->d_name, ASSETS_BYTES - a->bytes, &content)) {
            add(a, path, &content);
        } else {
            ++*skipped;
        }
    }
    (void)closedir(dir);
}

static int compare(const void *va, const void *vb)
{
    const struct asset *a = va;
    const struct asset *b = vb;
    return strcmp(a->path, b->path);
}

const struct assets *assets_load(const char *dir, char *ret_note, size_t size)
{
    struct assets *a = xcalloc(1, sizeof *a);
    unsigned skipped = 0;
    if (dir != NULL) {
        load_dir(a, AT_FDCWD, dir, "", 0, &skipped);
        if (a->n > 1) {
            qsort(a->items, a->n, sizeof *a->items, compare);
        }
    }
    ret_note[0] = '\0';
    if (skipped > 0) {
        (void)snprintf(ret_note, size, "%u files left out: too large, or no files", skipped);
    }
    if (assets_find(a, "index.html") == NULL) {
        AUTO(buf) page = BUF_INIT(sizeof missing_page);
        (void)buf_addz(&page, missing_page);
        add(a, "index.html", &page);
        qsort(a->items, a->n, sizeof *a->items, compare);
    }
    return a;
}

void assets_free(const struct assets *a)
{
    for (size_t i = 0; a != NULL && i < a->n; i++) {
        free((void *)(uintptr_t)a->items[i].path);
        body_unref(a->items[i].body);
    }
    if (a != NULL) {
        free(a->items);
        free((void *)(uintptr_t)a);
    }
}

const struct asset *assets_find(const struct assets *a, const char *path)
{
    struct asset key = {.path = path};
    return a->n > 0 ? bsearch(&key, a->items, a->n, sizeof *a->items, compare) : NULL;
}

const struct asset *assets_of(const struct assets *a, const struct request *req)
{
    char path[1024] = "";
    size_t len = 0;
    for (unsigned i = 0; i < req->n_segments; i++) {
        int n = snprintf(path + len, sizeof path - len, "%s%s", i > 0 ? "/" : "", req->segments[i]);
        len += (size_t)n;
        if (len >= sizeof path) {
            return NULL;
        }
    }
    bool own = len == 0 || (req->n_segments > 1 && strcmp(req->segments[0], "r") == 0);
    return assets_find(a, own ? "index.html" : path);
}

enum outcome get_asset(struct worker *w, struct exchange *x)
{
    const struct asset *asset = assets_of(w->shared->assets, &x->req);
    if (asset == NULL) {
        problem(x, PROBLEM_NOT_FOUND, "there is no such file");
        return OUTCOME_ANSWER;
    }
    x->reply.page = true;
    return view_body(x, body_ref(asset->body), asset->content_type,
                     asset->immutable ? "public, max-age=31536000, immutable" : "no-cache");
}
