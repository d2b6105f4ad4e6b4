/*
 * Time. Durations and deadlines use the monotonic clock; stored times are Unix milliseconds
 * (int64_t), 0 = not known. Model code never calls this: it gets `now` as an argument.
 */
#ifndef GATEHOUSE_BASE_CLOCK_H
#define GATEHOUSE_BASE_CLOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CLOCK_TEXT_SIZE = 32 };

int64_t clock_unix_ms(void);
int64_t clock_mono_ms(void);
int64_t clock_mono_us(void); /* for latencies */
/* Sleeps once, less when a signal comes. */
void clock_sleep_ms(int64_t ms);
/* A condition whose deadlines are of the monotonic clock: the wall clock may be set. */
void clock_cond_init(pthread_cond_t *cond);
/* The Unix time of a monotonic moment, by what the wall clock says now: what is remembered as a
 * monotonic moment keeps its age when the wall clock is set. 0 stays 0. */
int64_t clock_unix_of(int64_t mono_ms);

/* "2026-11-23T10:24:40Z", with ".213" when there are milliseconds; "" for 0. Returns `text`.
 * Thread: any. */
char *clock_format(int64_t unix_ms, char text[CLOCK_TEXT_SIZE]);

/* Reads RFC 3339 (any offset, any number of fraction digits) from exactly len bytes. */
bool clock_parse(const char *text, size_t len, int64_t *ret_unix_ms);

#endif
