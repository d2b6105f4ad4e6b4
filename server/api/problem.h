/* Errors as answers: application/problem+json (RFC 9457) with stable types. */
#ifndef GATEHOUSE_API_PROBLEM_H
#define GATEHOUSE_API_PROBLEM_H

#include "api/http.h"
#include "base/err.h"

/* X(enum suffix, status, slug, title): the type is /problems/SLUG. Never renamed. */
#define PROBLEMS(X)                                                                                \
    X(INVALID_PARAMETER, 400, "invalid_parameter", "A parameter is wrong")                         \
    X(BAD_REQUEST, 400, "bad_request", "The request cannot be understood")                         \
    X(CURSOR_INVALID, 400, "cursor_invalid", "The cursor is not one of this list")                 \
    X(CURSOR_EXPIRED, 410, "cursor_expired", "The cursor is too old: start again")                 \
    X(UNAUTHORIZED, 401, "unauthorized", "A bearer token is needed")                               \
    X(FORBIDDEN, 403, "forbidden", "This origin may not do that")                                  \
    X(NOT_FOUND, 404, "not_found", "There is no such resource")                                    \
    X(METHOD_NOT_ALLOWED, 405, "method_not_allowed", "The resource does not take this method")     \
    X(CONFLICT, 409, "conflict", "There is nothing here to do that with")                          \
    X(TOO_LARGE, 413, "too_large", "The body is too large")                                        \
    X(HEAD_TOO_LARGE, 431, "head_too_large", "The request's head is too large")                    \
    X(EXPECTATION, 417, "expectation_failed", "The expectation cannot be met")                     \
    X(MISDIRECTED, 421, "misdirected", "This host is not served here")                             \
    X(TOO_MANY, 429, "too_many", "Too many of these are open")                                     \
    X(TOO_SOON, 429, "too_soon", "It was asked for a moment ago")                                  \
    X(INTERNAL, 500, "internal", "The server failed")                                              \
    X(UNAVAILABLE, 503, "unavailable", "The server cannot answer now")                             \
    X(CONFIG_INVALID, 422, "config_invalid", "The configuration file is not valid")

enum problem {
#define X(suffix, status, slug, title) PROBLEM_##suffix,
    PROBLEMS(X)
#undef X
};

/* Makes the reply: errors of x are listed. detail may be NULL. */
void problem(struct exchange *x, enum problem p, const char *detail);
/* The same for one that time heals: retry_after_seconds and Retry-After, at least 1. */
void problem_until(struct exchange *x, enum problem p, const char *detail, int64_t wait_ms);
/* The reply to an error value. */
void problem_of(struct exchange *x, const struct err *err);
/* The problem for a status that h2o decided on itself; the body's bytes appended. */
void problem_for_status(int status, const char *request_id, struct buf *out);

#endif
