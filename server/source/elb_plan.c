/*
 * Decisions of the poller that need no network: what an error means, when a call may go out, how
 * often a group is looked at. Pure.
 */
#include <string.h>

#include "source/elb.h"

/* API CommonErrors; botocore retries/standard.py lists of throttled and transient codes. */
static const struct {
    const char *code;
    enum elb_class cls;
} classes[] = {
    {"Throttling", ELB_THROTTLE},
    {"ThrottlingException", ELB_THROTTLE},
    {"RequestLimitExceeded", ELB_THROTTLE},
    {"TooManyRequestsException", ELB_THROTTLE},
    {"RequestThrottled", ELB_THROTTLE},
    {"RequestThrottledException", ELB_THROTTLE},
    {"ThrottledException", ELB_THROTTLE},
    {"SlowDown", ELB_THROTTLE},
    {"RequestTimeout", ELB_TRANSIENT},
    {"RequestTimeoutException", ELB_TRANSIENT},
    {"HealthUnavailable", ELB_TRANSIENT},
    {"ServiceUnavailable", ELB_TRANSIENT},
    {"InternalFailure", ELB_TRANSIENT},
    {"ExpiredToken", ELB_CREDENTIALS},
    {"ExpiredTokenException", ELB_CREDENTIALS},
    {"InvalidClientTokenId", ELB_CREDENTIALS},
    {"UnrecognizedClientException", ELB_CREDENTIALS},
    {"MissingAuthenticationToken", ELB_CREDENTIALS},
    {"SignatureDoesNotMatch", ELB_CLOCK},
    {"RequestExpired", ELB_CLOCK},
    {"IncompleteSignature", ELB_CLOCK},
    {"AccessDenied", ELB_PERMISSION},
    {"AccessDeniedException", ELB_PERMISSION},
    {"UnauthorizedOperation", ELB_PERMISSION},
    {"OptInRequired", ELB_PERMISSION},
    {"NotAuthorized", ELB_PERMISSION},
    {"TargetGroupNotFound", ELB_GONE},
    {"LoadBalancerNotFound", ELB_GONE},
    {"ListenerNotFound", ELB_GONE},
};

enum elb_class elb_error_class(int status, const char *code)
{
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
        if (strcmp(classes[i].code, code) == 0) {
            return classes[i].cls;
        }
    }
    if (status == 429) {
        return ELB_THROTTLE;
    }
    return status == 0 || status >= 500 || status == 408 ? ELB_TRANSIENT : ELB_BUG;
}

enum { RECOVER_MS = 10000, IDLE_BEST_MS = 30000 };
static const double recover_step = 0.5;

void elb_bucket_init(struct elb_bucket *b, double rate, double burst, int64_t now)
{
    *b = (struct elb_bucket){
        .rate = rate, .full_rate = rate, .burst = burst, .tokens = burst, .at = now};
}

static void refill(struct elb_bucket *b, int64_t now)
{
    if (now < b->at) { /* a clock that went back gives nothing */
        b->at = now;
    }
    if (b->throttled_at != 0 && now - b->throttled_at >= RECOVER_MS) {
        int64_t steps = (now - b->throttled_at) / RECOVER_MS; /* whole ones */
        b->rate += recover_step * (double)steps;
        b->throttled_at = now;
        if (b->rate >= b->full_rate) {
            b->rate = b->full_rate;
            b->throttled_at = 0;
        }
    }
    b->tokens += b->rate * (double)(now - b->at) / 1000.0;
    b->tokens = b->tokens > b->burst ? b->burst : b->tokens;
    b->at = now;
}

bool elb_bucket_take(struct elb_bucket *b, int64_t now)
{
    refill(b, now);
    if (b->tokens < 1.0) {
        return false;
    }
    b->tokens -= 1.0;
    return true;
}

int64_t elb_bucket_wait(struct elb_bucket *b, int64_t now)
{
    refill(b, now);
    return b->tokens >= 1.0 ? 0 : (int64_t)((1.0 - b->tokens) / b->rate * 1000.0) + 1;
}

void elb_bucket_throttled(struct elb_bucket *b, int64_t now)
{
    refill(b, now);
    double least = b->full_rate / 32.0;
    b->rate = b->rate / 2.0 < least ? least : b->rate / 2.0;
    b->tokens = 0;
    b->throttled_at = now;
}

int64_t elb_poll_interval(bool hot, size_t idle_groups, double rate, int64_t hot_ms,
                          int64_t idle_ms)
{
    if (hot) {
        return hot_ms;
    }
    int64_t fair = (int64_t)((double)idle_groups / (rate / 2.0) * 1000.0);
    int64_t ms = fair > IDLE_BEST_MS ? fair : IDLE_BEST_MS;
    return ms > idle_ms ? idle_ms : ms;
}
