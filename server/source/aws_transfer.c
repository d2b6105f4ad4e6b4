/*
 * One transfer to AWS or to a credentials endpoint. libcurl signs (CURLOPT_AWS_SIGV4); this file is
 * the only one that knows how, so that a signer of our own would be a change here alone.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "source/aws.h"

enum { CONNECT_MS = 3000, TRANSFER_MS = 15000 };

void aws_answer_fini(struct aws_answer *a)
{
    buf_fini(&a->body);
}

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
    struct aws_answer *a = arg;
    return buf_add(&a->body, data, size * n) ? size * n : 0; /* 0 ends the transfer */
}

static size_t on_header(char *data, size_t size, size_t n, void *arg)
{
    struct aws_answer *a = arg;
    size_t len = size * n;
    char line[256];
    (void)snprintf(line, sizeof line, "%.*s", (int)(len < 255 ? len : 255), data);
    line[strcspn(line, "\r\n")] = '\0';
    char *value = strchr(line, ':');
    if (value == NULL) {
        return len;
    }
    *value++ = '\0';
    value += strspn(value, " ");
    if (strcasecmp(line, "date") == 0) {
        time_t t = curl_getdate(value, NULL);
        a->date_ms = t > 0 ? (int64_t)t * 1000 : 0;
    } else if (strcasecmp(line, "x-amzn-requestid") == 0) {
        (void)snprintf(a->request_id, sizeof a->request_id, "%.79s", value);
    } else if (strcasecmp(line, "x-amz-retry-after") == 0) {
        a->retry_after_ms = strtoll(value, NULL, 10);
    } else if (strcasecmp(line, "retry-after") == 0 && a->retry_after_ms == 0) {
        a->retry_after_ms = strtoll(value, NULL, 10) * 1000;
    }
    if (a->retry_after_ms < 0 || a->retry_after_ms > 300000) {
        a->retry_after_ms = 0; /* not a wait that anybody means */
    }
    return len;
}

static struct curl_slist *signed_headers(const struct aws_transfer *t)
{
    struct curl_slist *list =
        curl_slist_append(NULL, "Content-Type: application/x-www-form-urlencoded; charset=utf-8");
    if (t->sign->token[0] != '\0') {
        AUTO(buf) b = BUF_INIT(LIMIT_AWS_TOKEN + 64);
        (void)buf_addf(&b, "X-Amz-Security-Token: ");
        (void)buf_addz(&b, t->sign->token);
        list = curl_slist_append(list, buf_str(&b));
    }
    return list;
}

static void sign(CURL *c, const struct aws_transfer *t)
{
    char scope[160];
    (void)snprintf(scope, sizeof scope, "aws:amz:%s:%s", t->region, t->service);
    curl_easy_setopt(c, CURLOPT_AWS_SIGV4, scope);
    curl_easy_setopt(c, CURLOPT_USERNAME, t->sign->key_id);
    curl_easy_setopt(c, CURLOPT_PASSWORD, t->sign->secret);
}

void aws_prepare(CURL *c, const struct aws_transfer *t, struct aws_answer *answer,
                 struct curl_slist **ret_headers)
{
    struct curl_slist *headers = NULL;
    if (t->sign != NULL) {
        headers = signed_headers(t);
        sign(c, t);
    } else {
        for (size_t i = 0; t->headers != NULL && t->headers[i] != NULL; i++) {
            headers = curl_slist_append(headers, t->headers[i]);
        }
    }
    *answer =
        (struct aws_answer){.body = BUF_INIT(t->limit != 0 ? t->limit : (size_t)LIMIT_AWS_ANSWER)};
    curl_easy_setopt(c, CURLOPT_URL, t->url);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(c, CURLOPT_USERAGENT, "gatehouse/" GATEHOUSE_VERSION);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS,
                     (long)(t->timeout_ms > 0 ? t->timeout_ms : TRANSFER_MS));
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, answer);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, answer);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
    if (t->no_proxy) {
        curl_easy_setopt(c, CURLOPT_PROXY, "");
    }
    if (t->ca_file != NULL) {
        curl_easy_setopt(c, CURLOPT_CAINFO, t->ca_file);
    }
    if (t->body != NULL) {
        curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)t->body_len);
        curl_easy_setopt(c, CURLOPT_COPYPOSTFIELDS, t->body);
    }
    if (t->method != NULL) {
        curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, t->method);
    }
    *ret_headers = headers;
}

static int on_progress(void *arg, curl_off_t dl_total, curl_off_t dl, curl_off_t ul_total,
                       curl_off_t ul)
{
    const struct aws_transfer *t = arg;
    (void)dl_total;
    (void)dl;
    (void)ul_total;
    (void)ul;
    return t->cancelled(t->cancelled_arg) ? 1 : 0;
}

bool aws_perform(const struct aws_transfer *t, struct aws_answer *ret, struct err *err)
{
    CURL *c = curl_easy_init();
    if (c == NULL) {
        return err_set(err, ERR_BUG, "libcurl did not start");
    }
    char errors[CURL_ERROR_SIZE] = "";
    struct curl_slist *headers = NULL;
    aws_prepare(c, t, ret, &headers);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, errors);
    struct aws_transfer watched = *t; /* libcurl takes no pointer to const */
    if (t->cancelled != NULL) {
        curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
        curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
        curl_easy_setopt(c, CURLOPT_XFERINFODATA, &watched);
    }
    CURLcode rc = curl_easy_perform(c);
    long status = 0;
    (void)curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
    ret->status = (int)status;
    curl_slist_free_all(headers);
    curl_easy_cleanup(c);
    if (rc != CURLE_OK) {
        aws_answer_fini(ret);
        return err_set(err, rc == CURLE_OPERATION_TIMEDOUT ? ERR_TIMEOUT : ERR_REMOTE, "%s",
                       errors[0] != '\0' ? errors : curl_easy_strerror(rc));
    }
    return true;
}

static const char *real_getenv(const char *name)
{
    return getenv(name);
}

static bool real_transfer(void *arg, const struct aws_transfer *t, struct aws_answer *ret,
                          struct err *err)
{
    (void)arg;
    return aws_perform(t, ret, err);
}

bool aws_ask(const struct aws_env *env, const struct aws_transfer *t, struct aws_answer *ret,
             struct err *err)
{
    struct aws_transfer with = *t;
    with.cancelled = env->cancelled;
    with.cancelled_arg = env->cancelled_arg;
    return env->transfer(env->arg, &with, ret, err);
}

struct aws_env aws_env_real(void)
{
    return (struct aws_env){.getenv = real_getenv, .now = clock_unix_ms, .transfer = real_transfer};
}
