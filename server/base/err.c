/*
 * The error value (see err.h). Texts are cut at the struct's size, never grown: an error path must
 * not allocate.
 */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool err_set(struct err *err, enum err_code code, const char *fmt, ...)
{
    if (err == NULL) {
        return false;
    }
    err->code = code;
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(err->text, sizeof err->text, fmt, args); /* a cut text is still a text */
    va_end(args);
    return false;
}

bool err_wrap(struct err *err, const char *fmt, ...)
{
    if (err == NULL) {
        return false;
    }
    char inner[sizeof err->text];
    memcpy(inner, err->text, sizeof inner);
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(err->text, sizeof err->text, fmt, args);
    va_end(args);
    if (n >= 0 && (size_t)n + 2 < sizeof err->text) {
        size_t used = (size_t)n;
        int room = (int)(sizeof err->text - used);
        (void)snprintf(err->text + used, (size_t)room, ": %.*s", room - 3, inner);
    }
    return false;
}

const char *err_code_name(enum err_code code)
{
    static const char *const names[] = {"none",    "input",  "not_found", "denied", "busy",
                                        "timeout", "remote", "store",     "bug"};
    return (unsigned)code < sizeof names / sizeof names[0] ? names[code] : "unknown";
}
