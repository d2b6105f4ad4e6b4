/*
 * The error value: lives on the caller's stack, is set once where something fails and gets context
 * in front on the way up ("reading config: line 3: unknown key"). Untouched on success. Library
 * code never logs; whoever ends the chain logs the text once.
 */
#ifndef GATEHOUSE_BASE_ERR_H
#define GATEHOUSE_BASE_ERR_H

#include <stdbool.h>

#define MUST_CHECK           __attribute__((warn_unused_result))
#define FORMAT(fmt_i, arg_i) __attribute__((format(printf, fmt_i, arg_i)))

enum err_code {
    ERR_NONE = 0,
    ERR_INPUT,     /* what we were given is wrong: a file, a request, an answer's bytes */
    ERR_NOT_FOUND, /* the named thing does not exist */
    ERR_DENIED,    /* credentials missing or refused */
    ERR_BUSY,      /* a ceiling is reached; trying later can help */
    ERR_TIMEOUT,   /* no answer in time */
    ERR_REMOTE,    /* the other side failed or spoke nonsense */
    ERR_STORE,     /* SQLite or the file system refused */
    ERR_BUG        /* our own mistake that need not end the process */
};

struct err {
    enum err_code code;
    char text[512];
};

/* Sets *err (which may be NULL) and returns false, so that `return err_set(...)` reads well.
 * Thread: any. */
bool err_set(struct err *err, enum err_code code, const char *fmt, ...) FORMAT(3, 4);

/* Puts "context: " in front of an error that is set already; keeps its code; returns false. Thread:
 * any. */
bool err_wrap(struct err *err, const char *fmt, ...) FORMAT(2, 3);

/* The code's name in lower case ("not_found"), for logs and tests. */
const char *err_code_name(enum err_code code);

#endif
