/* Log lines to stderr: one write(2) a line, so lines of several threads never mix. */
#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/clock.h"

static _Atomic int current_level = LOG_LEVEL_INFO;
static _Thread_local char thread_name[16] = "main";

static const char *const level_names[] = {"error", "warn", "info", "debug"};

void log_set_level(enum log_level level)
{
    atomic_store(&current_level, (int)level);
}

bool log_parse_level(const char *name, enum log_level *ret_level)
{
    for (int i = 0; i < 4; i++) {
        if (strcmp(name, level_names[i]) == 0) {
            *ret_level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

bool log_enabled(enum log_level level)
{
    return (int)level <= atomic_load(&current_level);
}

void log_name_thread(const char *name)
{
    (void)snprintf(thread_name, sizeof thread_name, "%s", name);
    (void)prctl(PR_SET_NAME, thread_name, 0, 0, 0); /* a missing kernel name harms nobody */
}

static void clean(char *line, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)line[i];
        if (c < 0x20 || c == 0x7f) {
            line[i] = ' ';
        }
    }
}

void log_line(enum log_level level, const char *event, const char *fmt, ...)
{
    if (!log_enabled(level)) {
        return;
    }
    char line[2048];
    char when[CLOCK_TEXT_SIZE];
    int n = snprintf(line, sizeof line, "%s %s %s %s ", clock_format(clock_unix_ms(), when),
                     level_names[level], thread_name, event);
    size_t used = n > 0 ? (size_t)n : 0;
    va_list args;
    va_start(args, fmt);
    n = vsnprintf(line + used, sizeof line - used - 1, fmt, args);
    va_end(args);
    if (n > 0) {
        size_t room = sizeof line - used - 2;
        used += (size_t)n < room ? (size_t)n : room;
    }
    clean(line, used);
    line[used++] = '\n';
    if (write(STDERR_FILENO, line, used) < 0) {
        return; /* nowhere left to complain */
    }
}
