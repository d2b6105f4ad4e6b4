/* Reading, printing and parsing time (see clock.h). Calendar arithmetic is our own: timegm needs a
 * struct tm and accepts what RFC 3339 does not. */
#include "base/clock.h"

#include <stdio.h>
#include <time.h>

static int64_t read_ms(clockid_t id)
{
    struct timespec ts;
    (void)clock_gettime(id, &ts); /* cannot fail for these two clocks */
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t clock_unix_ms(void)
{
    return read_ms(CLOCK_REALTIME);
}

int64_t clock_mono_ms(void)
{
    return read_ms(CLOCK_MONOTONIC);
}

int64_t clock_mono_us(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail for this clock */
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

void clock_sleep_ms(int64_t ms)
{
    const struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    (void)nanosleep(&t, NULL); /* shorter is fine */
}

void clock_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attr;
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(cond, &attr);
    (void)pthread_condattr_destroy(&attr);
}

int64_t clock_unix_of(int64_t mono_ms)
{
    return mono_ms != 0 ? clock_unix_ms() - (clock_mono_ms() - mono_ms) : 0;
}

char *clock_format(int64_t unix_ms, char text[CLOCK_TEXT_SIZE])
{
    text[0] = '\0';
    time_t s = (time_t)(unix_ms / 1000);
    int ms = (int)(unix_ms % 1000);
    struct tm tm;
    if (unix_ms <= 0 || gmtime_r(&s, &tm) == NULL) {
        return text;
    }
    size_t n = strftime(text, CLOCK_TEXT_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
    if (ms != 0) {
        (void)snprintf(text + n, CLOCK_TEXT_SIZE - n, ".%03dZ", ms);
    } else {
        (void)snprintf(text + n, CLOCK_TEXT_SIZE - n, "Z");
    }
    return text;
}

/* Days since 1970-01-01 of a proleptic Gregorian date. */
static int64_t days_from_civil(int64_t y, int m, int d)
{
    y -= m <= 2;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t yoe = y - era * 400;
    int64_t doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static bool digits(const char **p, const char *end, int count, int *ret)
{
    int v = 0;
    for (int i = 0; i < count; i++, (*p)++) {
        if (*p >= end || **p < '0' || **p > '9') {
            return false;
        }
        v = v * 10 + (**p - '0');
    }
    *ret = v;
    return true;
}

static bool literal(const char **p, const char *end, char c)
{
    if (*p >= end || (**p != c && (**p | 0x20) != (c | 0x20))) {
        return false;
    }
    (*p)++;
    return true;
}

static bool fraction(const char **p, const char *end, int *ret_ms)
{
    *ret_ms = 0;
    if (*p >= end || **p != '.') {
        return true;
    }
    (*p)++;
    int scale = 100;
    const char *start = *p;
    for (; *p < end && **p >= '0' && **p <= '9'; (*p)++) {
        *ret_ms += scale * (**p - '0');
        scale /= 10;
    }
    return *p > start;
}

static bool offset(const char **p, const char *end, int64_t *ret_s)
{
    *ret_s = 0;
    if (*p < end && (**p == '+' || **p == '-')) {
        int sign = *(*p)++ == '-' ? -1 : 1;
        int h = 0;
        int m = 0;
        if (!digits(p, end, 2, &h) || !literal(p, end, ':') || !digits(p, end, 2, &m)) {
            return false;
        }
        *ret_s = (int64_t)sign * (h * 3600 + m * 60);
        return true;
    }
    return literal(p, end, 'Z');
}

bool clock_parse(const char *text, size_t len, int64_t *ret_unix_ms)
{
    const char *p = text;
    const char *end = text + len;
    int y = 0;
    int mo = 0;
    int d = 0;
    int h = 0;
    int mi = 0;
    int s = 0;
    int ms = 0;
    int64_t off = 0;
    bool ok = digits(&p, end, 4, &y) && literal(&p, end, '-') && digits(&p, end, 2, &mo) &&
              literal(&p, end, '-') && digits(&p, end, 2, &d) && literal(&p, end, 'T') &&
              digits(&p, end, 2, &h) && literal(&p, end, ':') && digits(&p, end, 2, &mi) &&
              literal(&p, end, ':') && digits(&p, end, 2, &s) && fraction(&p, end, &ms) &&
              offset(&p, end, &off) && p == end;
    if (!ok || mo < 1 || mo > 12 || d < 1 || d > 31 || h > 24 || mi > 59 || s > 60) {
        return false;
    }
    int64_t secs =
        days_from_civil(y, mo, d) * 86400 + INT64_C(3600) * h + INT64_C(60) * mi + s - off;
    *ret_unix_ms = secs * 1000 + ms;
    return true;
}
