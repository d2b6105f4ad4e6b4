/*
 * Log lines: "time level thread event key=value ...", one line an event, to stderr. Only thread
 * bodies, main and the request log call this; everything else returns an error. Values are cleaned
 * of control characters, so foreign text cannot forge a line. Nothing secret belongs in here.
 */
#ifndef GATEHOUSE_BASE_LOG_H
#define GATEHOUSE_BASE_LOG_H

#include "base/err.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

void log_set_level(enum log_level level); /* Thread: any */
bool log_parse_level(const char *name, enum log_level *ret_level);
bool log_enabled(enum log_level level);
void log_name_thread(const char *name); /* up to 15 characters; also the kernel's name */
/* fmt is "key=value key=value"; values with blanks are written as key="%s". Thread: any. */
void log_line(enum log_level level, const char *event, const char *fmt, ...) FORMAT(3, 4);

#define log_error(event, ...) log_line(LOG_LEVEL_ERROR, event, __VA_ARGS__)
#define log_warn(event, ...)  log_line(LOG_LEVEL_WARN, event, __VA_ARGS__)
#define log_info(event, ...)  log_line(LOG_LEVEL_INFO, event, __VA_ARGS__)
#define log_debug(event, ...) log_line(LOG_LEVEL_DEBUG, event, __VA_ARGS__)

#endif
