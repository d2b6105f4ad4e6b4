/* Paths and query strings: decoding, getters that collect what is wrong. Pure. */
#ifndef GATEHOUSE_API_QUERY_H
#define GATEHOUSE_API_QUERY_H

#include "api/http.h"

/* Decodes req->path into segments. false: it is no path of ours (bad escape, NUL or slash inside a
 * segment, too many segments). */
bool query_split_path(struct request *req);
/* Decodes req->query into params. Bad escapes and too many parameters become errors of x. */
void query_parse(struct exchange *x);
/* Parameters that `allowed` (names between blanks) does not have become errors. */
void query_allow(struct exchange *x, const char *allowed);

/* Adds an error; the parameter's text is borrowed. */
void query_error(struct exchange *x, const char *parameter, const char *fmt, ...) FORMAT(3, 4);

/* The value, NULL when not given or empty. Given twice is an error (unless counted by the caller
 * with query_all). */
const char *query_one(struct exchange *x, const char *name);
/* All values, at most max; more is an error. Returns how many. */
size_t query_all(struct exchange *x, const char *name, const char **values, size_t max);
/* An integer in a range; `fallback` when not given. */
int64_t query_int(struct exchange *x, const char *name, int64_t min, int64_t max, int64_t fallback);
/* One of the words of a "a|b|c" list, as index; `fallback` when not given. */
int query_word(struct exchange *x, const char *name, const char *words, int fallback);
/* Rollout states, repeated or comma-separated, as bits; 0 = all. */
uint32_t query_states(struct exchange *x);
/* Kind in its usual spelling (short names expanded), NULL when not given. */
const char *query_kind(struct exchange *x);

/* Does an Accept header ask for `type` by name, and no less than for `over`? */
bool query_accepts(const char *accept, const char *type, const char *over);

/* "deploy" and "DEPLOYMENTS" to "Deployment"; a kind we do not know as it is. */
const char *kind_canonical(const char *kind);

#endif
