/*
 * The dashboard's files, read into memory once: small, immutable, with ETag, gzip (or what lies
 * ready beside a file as .gz) and without a path that could leave the folder. Paths under /r/ are
 * the dashboard's own and get its page.
 */
#ifndef GATEHOUSE_API_ASSETS_H
#define GATEHOUSE_API_ASSETS_H

#include "api/body.h"
#include "api/http.h"
#include "base/err.h"

struct assets;

enum { ASSETS_FILES = 2000, ASSETS_BYTES = 64 << 20, ASSETS_DEPTH = 6 };

/* dir NULL or without index.html: a page that says so. Never NULL. *ret_note tells what was left
 * out ("" = nothing), size bytes. */
const struct assets *assets_load(const char *dir, char *ret_note, size_t size);
void assets_free(const struct assets *a); /* accepts NULL */

struct asset {
    const char *path; /* "index.html", "js/app.js" */
    struct body *body;
    const char *content_type;
    bool immutable; /* its name has a hash of its content */
};
/* NULL when there is none. Pure. */
const struct asset *assets_find(const struct assets *a, const char *path);
/* What the request's path names: a file, or the page where a path of its own stands (/, /r/...).
 * NULL when there is none. */
const struct asset *assets_of(const struct assets *a, const struct request *req);

#endif
