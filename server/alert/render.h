/* Inside this folder: what is sent, as JSON. */
#ifndef GATEHOUSE_ALERT_RENDER_H
#define GATEHOUSE_ALERT_RENDER_H

#include "alert/alert.h"
#include "base/buf.h"
#include "store/outbox.h"

#define ALERT_STUCK     "rollout.stuck"
#define ALERT_RECOVERED "rollout.recovered"

/* The alert as its notifications carry it. */
struct render_alert {
    const char *key;
    const char *revision_hash; /* of the rollout when it opened */
    const char *cause;         /* code when it opened or was last updated, "" */
    int64_t started_at;
    int64_t ended_at;   /* 0 = fires */
    const char *reason; /* why it ended, "" */
};

/* Standard Webhooks recommends bodies below 20 kB. */
enum { LIMIT_ALERT_DATA = 19 * 1024, LIMIT_ALERT_BODY = 64 * 1024 };

/* The data object of a rollout's notification: fields as in the API's rollout. Texts are cut, and
 * past LIMIT_ALERT_DATA evidence, commands, other causes and images are left out. Living in the
 * arena. */
const char *render_rollout(const struct alert_subject *subject, const struct render_alert *alert);
/* The same object without a verdict: the last body with the alert's end written in. */
const char *render_gone(const char *body, const struct render_alert *alert, struct arena *arena);
/* Standard Webhooks: {"type","timestamp","data"}. */
const char *render_standard(const char *type, int64_t at, const char *data, struct arena *arena);
/* Appends one alert of Alertmanager's API v2. Labels come from the row as it opened, so they are
 * the same over its life. ends_at 0 = left out. */
void render_alertmanager(const struct outbox_alert *alert, int64_t ends_at, struct buf *out);

#endif
