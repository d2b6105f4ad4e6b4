/*
 * AWS, inside this folder: names (ARN, partition, endpoint), credentials, one signed transfer.
 * Facts: elbv2 API and SDK behaviour as botocore has them; see each function.
 *
 * Everything that reaches outside stands in struct aws_env, so that tests give canned answers and a
 * clock of their own.
 */
#ifndef GATEHOUSE_SOURCE_AWS_H
#define GATEHOUSE_SOURCE_AWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <curl/curl.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum { LIMIT_AWS_ANSWER = 8 << 20, LIMIT_AWS_FILE = 1 << 20, LIMIT_AWS_TOKEN = 20000 };

/* ---- credentials ---- */

struct aws_credentials {
    char key_id[160];
    char secret[256];
    char token[LIMIT_AWS_TOKEN]; /* session token, "" = none */
    int64_t expires_at;          /* Unix ms; 0 = never */
};

/* ---- a transfer ---- */

struct aws_transfer {
    const char *method; /* NULL = GET, or POST when there is a body */
    const char *url;
    const char *const *headers; /* NULL-ended; signed transfers: none but Content-Type is added */
    const char *body;
    size_t body_len;
    const struct aws_credentials *sign; /* NULL = not signed */
    const char *region;                 /* signed transfers */
    const char *service;
    int64_t timeout_ms;
    size_t limit;                 /* of the answer's body */
    bool no_proxy;                /* metadata addresses: never through a proxy */
    const char *ca_file;          /* NULL = the system's */
    bool (*cancelled)(void *arg); /* as in struct aws_env */
    void *cancelled_arg;
};
struct aws_answer {
    int status;
    struct buf body;
    int64_t date_ms;        /* of the Date header; 0 = none */
    int64_t retry_after_ms; /* x-amz-retry-after or Retry-After; 0 = none */
    char request_id[80];
};
void aws_answer_fini(struct aws_answer *a);
static inline void aws_answer_auto(struct aws_answer *a)
{
    aws_answer_fini(a);
}

/* Sets everything on an easy handle, signature included (libcurl 7.88 signs right under five rules:
 * POST to "/", region and service given, no header but Content-Type and the token, separate handles
 * for signed and unsigned, no debug output). The list of headers is the caller's to free after the
 * transfer; answer must live as long. */
void aws_prepare(CURL *c, const struct aws_transfer *t, struct aws_answer *answer,
                 struct curl_slist **ret_headers);
/* One blocking transfer. Any status is success. ERR_TIMEOUT, ERR_REMOTE. */
bool aws_perform(const struct aws_transfer *t, struct aws_answer *ret, struct err *err) MUST_CHECK;

/* ---- what reaches outside ---- */

struct aws_env {
    const char *(*getenv)(const char *name);
    int64_t (*now)(void); /* Unix ms */
    bool (*transfer)(void *arg, const struct aws_transfer *t, struct aws_answer *ret,
                     struct err *err);
    void *arg;
    /* Asked now and then while something takes its time: true ends it. NULL = never. Any thread. */
    bool (*cancelled)(void *arg);
    void *cancelled_arg;
    const char *profile;  /* explicit profile, NULL = environment */
    const char *region;   /* explicit region, NULL */
    const char *endpoint; /* explicit ELBv2 endpoint, NULL */
};
/* The process's own. */
struct aws_env aws_env_real(void);
/* A variable that is set and not empty, else NULL. */
const char *aws_getenv(const struct aws_env *env, const char *name);

/* A transfer of the environment's, with its cancellation. */
bool aws_ask(const struct aws_env *env, const struct aws_transfer *t, struct aws_answer *ret,
             struct err *err) MUST_CHECK;

/* ---- names ---- */

enum { AWS_REGION_BYTES = 40 };
/* A region stands in a host name and in a signature's scope: letters, digits and dashes only. */
bool aws_region_is_clean(const char *region);

struct aws_arn {
    char partition[24];
    char service[32];
    char region[AWS_REGION_BYTES];
    char account[24];
    const char *resource; /* borrowed from the text */
};
/* ERR_INPUT when it is no ARN. */
bool aws_arn_parse(const char *text, struct aws_arn *ret, struct err *err) MUST_CHECK;

/* ---- profile files ---- */

/* Sections of an AWS ini file in order; nested lines (services) become "outer.inner" keys. */
struct aws_ini_pair {
    const char *section; /* "profile x", "default", "services y" */
    const char *key;
    const char *value;
};
struct aws_ini {
    struct aws_ini_pair *pairs;
    size_t n;
};
/* Pure. ERR_INPUT with the line. Later files are appended. */
bool aws_ini_parse(const char *name, const char *text, size_t len, struct arena *a,
                   struct aws_ini *ini, struct err *err) MUST_CHECK;
/* The last value of a key, NULL when it is not there. */
const char *aws_ini_get(const struct aws_ini *ini, const char *section, const char *key);
bool aws_ini_has(const struct aws_ini *ini, const char *section);

/* Both files and the chosen profile. */
struct aws_profiles {
    struct aws_ini config;      /* ~/.aws/config: "profile x" */
    struct aws_ini credentials; /* ~/.aws/credentials: "x" */
    const char *chosen;         /* explicit, AWS_PROFILE, "default" */
    bool by_name;               /* somebody named it: it must exist */
};
/* Files that do not exist are empty. ERR_INPUT with file and line. */
bool aws_profiles_load(const struct aws_env *env, struct arena *a, struct aws_profiles *ret,
                       struct err *err) MUST_CHECK;
/* A key of a profile: the credentials file wins for keys, as botocore merges them. */
const char *aws_profile_get(const struct aws_profiles *p, const char *profile, const char *key);
/* explicit > AWS_REGION > AWS_DEFAULT_REGION > profile; "" when none: then aws_fetch_region. */
const char *aws_region_of(const struct aws_env *env, const struct aws_profiles *p);
/* Endpoint overrides of the environment and the profile, NULL = none (botocore
 * ConfiguredEndpointProvider). service_env: "ELASTIC_LOAD_BALANCING_V2", service_key:
 * "elastic_load_balancing_v2". */
const char *aws_endpoint_override(const struct aws_env *env, const struct aws_profiles *p,
                                  const char *service_env, const char *service_key);
/* A setting of the environment, else of the chosen profile; NULL = neither has it. */
const char *aws_setting(const struct aws_env *env, const struct aws_profiles *p,
                        const char *variable, const char *key);
/* ... that is a switch: "true", in any case. */
bool aws_is_on(const struct aws_env *env, const struct aws_profiles *p, const char *variable,
               const char *key);
/* The chosen profile's certificate bundle unless AWS_CA_BUNDLE names one; NULL = the system's. */
const char *aws_ca_bundle(const struct aws_env *env, const struct aws_profiles *p);

enum { AWS_URL_BYTES = 512 };
struct aws_service {
    const char *name; /* "elasticloadbalancing", "sts" */
    const char *own;  /* an address that is configured; NULL */
    const char *region;
};
/* "https://…/" of a service: its own address where there is one, else by region,
 * partition, FIPS and dual-stack settings of the environment and the profile. ERR_INPUT: a region
 * that is none, or an own address together with FIPS or dual-stack, as the AWS tools refuse it.
 * botocore endpoint-rule-set-1.json. */
bool aws_service_url(const struct aws_env *env, const struct aws_profiles *p,
                     const struct aws_service *s, char ret[AWS_URL_BYTES],
                     struct err *err) MUST_CHECK;

/* ---- the chain ---- */

/* X(suffix, name). The first configured one is chosen, once; one that fails is an error, never a
 * silent change of identity. */
#define AWS_PROVIDERS(X)                                                                           \
    X(NONE, "none")                                                                                \
    X(ENVIRONMENT, "environment")                                                                  \
    X(PROFILE, "profile")                                                                          \
    X(WEB_IDENTITY, "web-identity")                                                                \
    X(CONTAINER, "container")                                                                      \
    X(IMDS, "imds")
enum aws_provider {
#define X(suffix, name) AWS_PROVIDER_##suffix,
    AWS_PROVIDERS(X)
#undef X
};
const char *aws_provider_name(enum aws_provider p);

/* Which provider is configured. IMDS counts as configured (nothing says otherwise) unless disabled.
 */
enum aws_provider aws_provider_find(const struct aws_env *env, const struct aws_profiles *p);
/* Fetches fresh credentials from that provider. ERR_DENIED, ERR_TIMEOUT, ERR_REMOTE, ERR_INPUT with
 * what to do. */
bool aws_provider_fetch(const struct aws_env *env, const struct aws_profiles *p,
                        enum aws_provider provider, struct aws_credentials *ret,
                        struct err *err) MUST_CHECK;

/* One cached identity: the chain's, or a role assumed with it. Belongs to one thread. */
struct aws_fetch;
struct aws_identity {
    const struct aws_env *env;
    const struct aws_profiles *profiles;
    enum aws_provider provider;
    struct aws_identity *base; /* NULL: the chain; else the role below is assumed with it */
    char role_arn[256];
    char external_id[1300];
    char region[AWS_REGION_BYTES]; /* for STS */
    void (*wake)(void *arg); /* called on another thread when a fetch is done; NULL = nobody */
    void *wake_arg;
    struct aws_credentials now;
    bool have;
    int64_t refresh_at; /* next attempt, Unix ms */
    int64_t forced_at;  /* last forced refresh */
    int failures;
    struct err why;          /* of the last failure */
    struct aws_fetch *fetch; /* under way; NULL = none */
};
enum aws_have { AWS_HAVE_READY, AWS_HAVE_PENDING, AWS_HAVE_FAILED };
/* Current credentials, never waiting for them: READY fills *ret (borrowed until the next call),
 * PENDING while they are being fetched, FAILED with the last reason while the next attempt is not
 * due. They are fetched anew 15 min before expiry with jitter; old ones are kept until they expire
 * while that fails (5 s to 60 s back-off). */
enum aws_have aws_identity_ask(struct aws_identity *id, const struct aws_credentials **ret,
                               struct err *err) MUST_CHECK;
/* After an answer that refused the credentials: at most once a minute. true: will be fetched anew.
 */
bool aws_identity_force(struct aws_identity *id);
/* Ends a fetch under way (within a second) and waits for it. */
void aws_identity_fini(struct aws_identity *id);

/* ---- parts of the chain, for their own files ---- */

/* A role to take on. NULL texts count as empty. */
struct aws_role {
    const char *arn;
    const char *session;                /* "" = a name of our own */
    const char *region;                 /* for STS; "" = by aws_region_of, then the instance's */
    const char *token_file;             /* web identity */
    const char *external_id;            /* assume-role, "" = none */
    const struct aws_credentials *with; /* assume-role: signs the call */
};
bool aws_fetch_web_identity(const struct aws_env *env, const struct aws_profiles *p,
                            const struct aws_role *role, struct aws_credentials *ret,
                            struct err *err) MUST_CHECK;
bool aws_fetch_assume_role(const struct aws_env *env, const struct aws_profiles *p,
                           const struct aws_role *role, struct aws_credentials *ret,
                           struct err *err) MUST_CHECK;
bool aws_fetch_container(const struct aws_env *env, struct aws_credentials *ret,
                         struct err *err) MUST_CHECK;
bool aws_fetch_imds(const struct aws_env *env, struct aws_credentials *ret,
                    struct err *err) MUST_CHECK;
/* The region of the instance we run on, from IMDSv2. Blocks for two short transfers: on a thread
 * that fetches only. ERR_DENIED: AWS_EC2_METADATA_DISABLED, or a refusal; ERR_TIMEOUT, ERR_REMOTE.
 */
bool aws_fetch_region(const struct aws_env *env, char ret[AWS_REGION_BYTES],
                      struct err *err) MUST_CHECK;
/* AWS_EC2_METADATA_DISABLED: nobody asks the instance. */
bool aws_imds_is_off(const struct aws_env *env);
bool aws_fetch_profile(const struct aws_env *env, const struct aws_profiles *p,
                       struct aws_credentials *ret, struct err *err) MUST_CHECK;
bool aws_fetch_environment(const struct aws_env *env, struct aws_credentials *ret,
                           struct err *err) MUST_CHECK;
/* {AccessKeyId, SecretAccessKey, Token or SessionToken, Expiration}: container, IMDS, process. */
bool aws_credentials_from_json(const char *text, size_t len, struct aws_credentials *ret,
                               struct err *err) MUST_CHECK;
/* Sets a field under its ceiling; ERR_INPUT when it is too long or has control characters. */
bool aws_credentials_set(struct aws_credentials *c, const char *key_id, const char *secret,
                         const char *token, struct err *err) MUST_CHECK;
/* A small file without its last newline. ERR_DENIED with the path. */
bool aws_read_file(const char *path, size_t limit, struct arena *a, const char **ret,
                   struct err *err) MUST_CHECK;

/* ---- form bodies ---- */

/* Appends "&Name=value" with value percent-encoded. */
void aws_form(struct buf *body, const char *name, const char *value);

#endif
