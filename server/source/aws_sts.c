/*
 * STS: a role by web identity (unsigned; the token file is read anew each time, since kubelet
 * rotates it) and a role assumed with other credentials (signed).
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/digest.h"
#include "source/aws.h"
#include "source/elb.h"

enum { STS_TRIES = 3, STS_LIMIT = 256 << 10 };

/* Where STS is. */
struct sts_place {
    char url[AWS_URL_BYTES];
    const char *region;           /* borrowed, or found; "" = not needed */
    char found[AWS_REGION_BYTES]; /* told by the instance */
};

/* The region is the one that somebody set (NULL and "" = nobody), else that of the instance we run
 * on: on a node whose pods are told none it is the only one there is. An own address is found
 * without it, but a signature is good in its region only; where nobody knows that, us-east-1 is
 * what stand-ins for AWS take. */
static bool find_sts(const struct aws_env *env, const struct aws_profiles *p,
                     const struct aws_role *role, struct sts_place *ret, struct err *err)
{
    const char *own = aws_endpoint_override(env, p, "STS", "sts");
    bool given = role->region != NULL && role->region[0] != '\0';
    struct err why = {0};
    ret->region = given ? role->region : aws_region_of(env, p);
    if (ret->region[0] == '\0' && (own == NULL || role->with != NULL)) {
        bool told = aws_fetch_region(env, ret->found, &why);
        if (!told && own == NULL) {
            return err_set(err, ERR_INPUT,
                           "STS needs a region: set AWS_REGION or aws.region (instance metadata: "
                           "%.300s)",
                           why.text);
        }
        ret->region = told ? ret->found : "us-east-1";
    }
    return aws_service_url(env, p, &(struct aws_service){"sts", own, ret->region}, ret->url, err);
}

static bool read_answer(const struct aws_answer *answer, struct aws_credentials *ret,
                        bool *ret_again, struct err *err)
{
    const char *text = buf_str(&answer->body);
    *ret_again = false;
    if (answer->status == 200) {
        return elb_read_sts(text, answer->body.len, ret, err);
    }
    struct elb_error e;
    elb_read_error(answer->status, text, answer->body.len, &e);
    *ret_again = answer->status >= 500 || strcmp(e.code, "IDPCommunicationError") == 0 ||
                 elb_error_class(answer->status, e.code) == ELB_THROTTLE;
    return err_set(err, answer->status >= 500 ? ERR_REMOTE : ERR_DENIED, "STS: %.80s: %.300s",
                   e.code, e.message);
}

static bool ask(const struct aws_env *env, const struct aws_transfer *t,
                struct aws_credentials *ret, struct err *err)
{
    for (int i = 0; i < STS_TRIES; i++) {
        struct aws_answer answer;
        struct err why = {0};
        if (!aws_ask(env, t, &answer, &why)) {
            (void)err_wrap(&why, "STS at %s", t->url);
            *err = why;
            continue;
        }
        bool again = false;
        bool ok = read_answer(&answer, ret, &again, &why);
        aws_answer_fini(&answer);
        if (ok) {
            return true;
        }
        *err = why;
        if (!again) {
            return false;
        }
    }
    return false;
}

static void session_name(const char *given, char out[65])
{
    if (given != NULL && given[0] != '\0') {
        (void)snprintf(out, 65, "%.64s", given);
        return;
    }
    uint8_t r[4];
    char hex[9];
    digest_random(r, sizeof r);
    (void)snprintf(out, 65, "gatehouse-%s", digest_hex(r, sizeof r, hex));
}

bool aws_fetch_web_identity(const struct aws_env *env, const struct aws_profiles *p,
                            const struct aws_role *role, struct aws_credentials *ret,
                            struct err *err)
{
    AUTO_PTR(arena) a = arena_new(0);
    const char *token = NULL;
    char name[65];
    struct sts_place sts;
    if (role->arn == NULL || role->arn[0] == '\0') {
        return err_set(err, ERR_INPUT, "AWS_WEB_IDENTITY_TOKEN_FILE is set, AWS_ROLE_ARN is not");
    }
    if (!aws_read_file(role->token_file, LIMIT_AWS_TOKEN, a, &token, err) ||
        !find_sts(env, p, role, &sts, err)) {
        return false;
    }
    session_name(role->session, name);
    AUTO(buf) body = BUF_INIT(256 << 10);
    (void)buf_addz(&body, "Action=AssumeRoleWithWebIdentity&Version=2011-06-15");
    aws_form(&body, "RoleArn", role->arn);
    aws_form(&body, "RoleSessionName", name);
    aws_form(&body, "WebIdentityToken", token);
    struct aws_transfer t = {.url = sts.url,
                             .body = buf_str(&body),
                             .body_len = body.len,
                             .limit = STS_LIMIT,
                             .ca_file = aws_ca_bundle(env, p)};
    return ask(env, &t, ret, err) || err_wrap(err, "role %.200s", role->arn);
}

bool aws_fetch_assume_role(const struct aws_env *env, const struct aws_profiles *p,
                           const struct aws_role *role, struct aws_credentials *ret,
                           struct err *err)
{
    char name[65];
    struct sts_place sts;
    if (!find_sts(env, p, role, &sts, err)) {
        return false;
    }
    session_name(NULL, name);
    AUTO(buf) body = BUF_INIT(64 << 10);
    (void)buf_addz(&body, "Action=AssumeRole&Version=2011-06-15");
    aws_form(&body, "RoleArn", role->arn);
    aws_form(&body, "RoleSessionName", name);
    if (role->external_id != NULL && role->external_id[0] != '\0') {
        aws_form(&body, "ExternalId", role->external_id);
    }
    struct aws_transfer t = {.url = sts.url,
                             .body = buf_str(&body),
                             .body_len = body.len,
                             .sign = role->with,
                             .region = sts.region,
                             .service = "sts",
                             .limit = STS_LIMIT,
                             .ca_file = aws_ca_bundle(env, p)};
    return ask(env, &t, ret, err) || err_wrap(err, "role %.200s", role->arn);
}
