/*
 * One child program, without a shell: its output under a ceiling, its time under a deadline, its
 * process group killed when it is late or talks too much. For credential plugins.
 */
#ifndef GATEHOUSE_BASE_CHILD_H
#define GATEHOUSE_BASE_CHILD_H

#include "base/buf.h"
#include "base/err.h"

struct child {
    const char *const *argv; /* NULL-ended; argv[0] is looked up in PATH */
    const char *const *env;  /* NULL-ended "NAME=value" put before the process's own; NULL = none */
    int timeout_ms;
    const char *what; /* for messages: "exec plugin aws" */
    /* Asked a few times a second: true ends it with ERR_TIMEOUT. NULL = never. */
    bool (*cancelled)(void *arg);
    void *cancelled_arg;
};

/* Runs it to its end; standard output is appended to out (its limit is the ceiling), the last line
 * of standard error ends the message when it fails, standard input is /dev/null. ERR_DENIED: cannot
 * start or ends with another status than 0; ERR_TIMEOUT: late or too much output. Blocking. Thread:
 * any. */
bool child_run(const struct child *c, struct buf *out, struct err *err) MUST_CHECK;

#endif
