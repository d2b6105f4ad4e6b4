/*
 * AWS names, profile files and the credentials chain, with canned answers in place of the network
 * and a clock of our own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "source/aws.h"

/* ---- a world of our own ---- */

enum { VARS = 24 };
static struct {
    const char *name;
    const char *value;
} vars[VARS];
static int64_t now_ms;

struct reply {
    int status; /* 0 = time-out */
    const char *body;
};
static struct reply replies[8];
static size_t n_replies;
static size_t asked;
static char urls[8][300];
static char bodies[8][2000];
static char first_headers[8][300];
static char scopes[8][64]; /* regions of signatures */

static const char *fake_getenv(const char *name)
{
    for (size_t i = 0; i < VARS && vars[i].name != NULL; i++) {
        if (strcmp(vars[i].name, name) == 0) {
            return vars[i].value;
        }
    }
    return NULL;
}
static int64_t fake_now(void)
{
    return now_ms;
}
static bool fake_transfer(void *arg, const struct aws_transfer *t, struct aws_answer *ret,
                          struct err *err)
{
    (void)arg;
    size_t i = asked++;
    assert_true(i < 8);
    (void)snprintf(urls[i], sizeof urls[i], "%s %s", t->method != NULL ? t->method : "", t->url);
    (void)snprintf(bodies[i], sizeof bodies[i], "%s%s", t->sign != NULL ? "signed " : "",
                   t->body != NULL ? t->body : "");
    (void)snprintf(scopes[i], sizeof scopes[i], "%s", t->sign != NULL ? t->region : "");
    bool has = t->headers != NULL && t->headers[0] != NULL;
    (void)snprintf(first_headers[i], sizeof first_headers[i], "%s|%s", has ? t->headers[0] : "",
                   has && t->headers[1] != NULL ? t->headers[1] : "");
    if (i >= n_replies || replies[i].status == 0) {
        return err_set(err, ERR_TIMEOUT, "timed out");
    }
    *ret = (struct aws_answer){.status = replies[i].status, .body = BUF_INIT(1 << 20)};
    (void)buf_addz(&ret->body, replies[i].body);
    return true;
}
static void set(const char *name, const char *value)
{
    size_t i = 0;
    while (vars[i].name != NULL && strcmp(vars[i].name, name) != 0) {
        i++;
    }
    assert_true(i < VARS - 1);
    vars[i].name = name;
    vars[i].value = value;
}
static void reply(int status, const char *body)
{
    replies[n_replies++] = (struct reply){status, body};
}
static struct aws_env world(void)
{
    memset(vars, 0, sizeof vars);
    n_replies = 0;
    asked = 0;
    now_ms = INT64_C(1795420000000); /* 2026-11-23T07:46:40Z */
    return (struct aws_env){.getenv = fake_getenv, .now = fake_now, .transfer = fake_transfer};
}

static struct aws_credentials creds; /* large: not on the stack */

static struct aws_profiles profiles_of(struct arena *a, const char *config, const char *shared)
{
    struct aws_profiles p = {.chosen = "default"};
    struct err err = {0};
    assert_true(aws_ini_parse("config", config, strlen(config), a, &p.config, &err));
    assert_true(aws_ini_parse("credentials", shared, strlen(shared), a, &p.credentials, &err));
    return p;
}

static const char sts_answer[] =
    "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>"
    "<AccessKeyId>ASIA1</AccessKeyId><SecretAccessKey>sec</SecretAccessKey><SessionToken>tok"
    "</SessionToken><Expiration>2026-11-23T08:46:40Z</Expiration></Credentials>"
    "</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>";
static const char role_answer[] =
    "<AssumeRoleResponse><AssumeRoleResult><Credentials>"
    "<AccessKeyId>ASIA2</AccessKeyId><SecretAccessKey>sec</SecretAccessKey><SessionToken>tok"
    "</SessionToken><Expiration>2026-11-23T08:46:40Z</Expiration></Credentials>"
    "</AssumeRoleResult></AssumeRoleResponse>";
static const char json_answer[] = "{\"Code\":\"Success\",\"AccessKeyId\":\"ASIA3\","
                                  "\"SecretAccessKey\":\"sec\",\"Token\":\"tok\","
                                  "\"Expiration\":\"2026-11-23T08:46:40Z\"}";

/* ---- names ---- */

static void given_arns_when_parsed_then_parts_or_a_refusal(void **state)
{
    (void)state;
    struct aws_arn arn;
    struct err err = {0};
    assert_true(aws_arn_parse(
        "arn:aws-cn:elasticloadbalancing:cn-north-1:123456789012:targetgroup/a/0123", &arn, &err));
    assert_string_equal(arn.partition, "aws-cn");
    assert_string_equal(arn.region, "cn-north-1");
    assert_string_equal(arn.account, "123456789012");
    assert_string_equal(arn.resource, "targetgroup/a/0123");
    static const char *const bad[] = {
        "",
        "arn",
        "arn:aws:x:y",
        "urn:aws:elb:r:1:x",
        "arn:aws:elb:eu west:1:x",
        "arn:aws:elb:evil.example/:1:x",
        "arn:aws:elb:r:1:",
        "arn:aws:elasticloadbalancing-with-a-name-that-is-far-too-long:r:1:x"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(aws_arn_parse(bad[i], &arn, &err));
    }
}

static void given_regions_when_resolved_then_endpoints_by_partition_and_switches(void **state)
{
    (void)state;
    AUTO_PTR(arena) a = arena_new(0);
    struct aws_profiles none = profiles_of(a, "", "");
    static const struct {
        const char *region;
        const char *fips;
        const char *dual;
        const char *want;
    } rows[] = {
        {"eu-west-1", "", "", "https://elasticloadbalancing.eu-west-1.amazonaws.com/"},
        {"cn-north-1", "", "", "https://elasticloadbalancing.cn-north-1.amazonaws.com.cn/"},
        {"eusc-de-east-1", "", "", "https://elasticloadbalancing.eusc-de-east-1.amazonaws.eu/"},
        {"us-isob-east-1", "", "", "https://elasticloadbalancing.us-isob-east-1.sc2s.sgov.gov/"},
        {"us-iso-east-1", "", "", "https://elasticloadbalancing.us-iso-east-1.c2s.ic.gov/"},
        {"us-east-1", "true", "", "https://elasticloadbalancing-fips.us-east-1.amazonaws.com/"},
        {"us-gov-west-1", "true", "", "https://elasticloadbalancing.us-gov-west-1.amazonaws.com/"},
        {"us-east-1", "", "true", "https://elasticloadbalancing.us-east-1.api.aws/"},
        {"us-east-1", "true", "true", "https://elasticloadbalancing-fips.us-east-1.api.aws/"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct aws_env env = world();
        set("AWS_USE_FIPS_ENDPOINT", rows[i].fips);
        set("AWS_USE_DUALSTACK_ENDPOINT", rows[i].dual);
        char url[AWS_URL_BYTES];
        struct err err = {0};
        assert_true(aws_service_url(
            &env, &none, &(struct aws_service){"elasticloadbalancing", NULL, rows[i].region}, url,
            &err));
        assert_string_equal(url, rows[i].want);
    }
    struct aws_env env = world();
    char url[AWS_URL_BYTES];
    struct err err = {0};
    assert_false(
        aws_service_url(&env, &none, &(struct aws_service){"sts", NULL, "a.b"}, url, &err));
}

/* botocore: the same switches stand in a profile, the environment wins, and an address of one's own
 * does not go together with them. */
static void given_switches_in_a_profile_when_resolved_then_as_the_aws_tools_do(void **state)
{
    (void)state;
    AUTO_PTR(arena) a = arena_new(0);
    struct aws_profiles p =
        profiles_of(a,
                    "[default]\nuse_fips_endpoint = true\nuse_dualstack_endpoint = True\n"
                    "ca_bundle = /own.pem\nendpoint_url = http://own\n",
                    "");
    struct aws_env env = world();
    char url[AWS_URL_BYTES];
    struct err err = {0};
    assert_true(
        aws_service_url(&env, &p, &(struct aws_service){"sts", NULL, "us-east-1"}, url, &err));
    assert_string_equal(url, "https://sts-fips.us-east-1.api.aws/");
    assert_false(aws_service_url(&env, &p, &(struct aws_service){"sts", "http://own", "us-east-1"},
                                 url, &err));
    assert_non_null(strstr(err.text, "http://own"));
    assert_non_null(strstr(err.text, "AWS_USE_FIPS_ENDPOINT"));
    set("AWS_USE_FIPS_ENDPOINT", "false");
    set("AWS_USE_DUALSTACK_ENDPOINT", "false");
    assert_true(
        aws_service_url(&env, &p, &(struct aws_service){"sts", NULL, "us-east-1"}, url, &err));
    assert_string_equal(url, "https://sts.us-east-1.amazonaws.com/");
    assert_true(aws_service_url(&env, &p, &(struct aws_service){"sts", "http://own", "us-east-1"},
                                url, &err));
    assert_string_equal(url, "http://own/");
    assert_string_equal(aws_ca_bundle(&env, &p), "/own.pem");
    set("AWS_CA_BUNDLE", "/env.pem");
    assert_string_equal(aws_ca_bundle(&env, &p), "/env.pem");
    assert_string_equal(aws_endpoint_override(&env, &p, "STS", "sts"), "http://own");
    struct aws_profiles ignoring = profiles_of(
        a, "[default]\nendpoint_url = http://own\nignore_configured_endpoint_urls = true\n", "");
    assert_null(aws_endpoint_override(&env, &ignoring, "STS", "sts"));
}

/* ---- files ---- */

static void given_profile_files_when_read_then_sections_nest_and_errors_have_lines(void **state)
{
    (void)state;
    AUTO_PTR(arena) a = arena_new(0);
    struct aws_profiles p =
        profiles_of(a,
                    "# comment\n[default]\nregion = eu-west-1\nservices = local\n"
                    "[profile dev]\nrole_arn = arn:aws:iam::1:role/x\nsource_profile=default\n"
                    "[services local]\nelastic_load_balancing_v2 =\n  endpoint_url = http://l:1\n"
                    "sts =\n  endpoint_url = http://s:2\n",
                    "[default]\naws_access_key_id = AK\naws_secret_access_key = a=b/c\n");
    assert_string_equal(aws_profile_get(&p, "default", "aws_secret_access_key"), "a=b/c");
    assert_string_equal(aws_profile_get(&p, "dev", "source_profile"), "default");
    assert_null(aws_profile_get(&p, "dev", "region"));
    struct aws_env env = world();
    assert_string_equal(aws_region_of(&env, &p), "eu-west-1");
    assert_string_equal(
        aws_endpoint_override(&env, &p, "ELASTIC_LOAD_BALANCING_V2", "elastic_load_balancing_v2"),
        "http://l:1");
    set("AWS_ENDPOINT_URL", "http://all");
    assert_string_equal(aws_endpoint_override(&env, &p, "STS", "sts"), "http://all");
    set("AWS_ENDPOINT_URL_STS", "http://own");
    assert_string_equal(aws_endpoint_override(&env, &p, "STS", "sts"), "http://own");
    set("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true");
    assert_null(aws_endpoint_override(&env, &p, "STS", "sts"));
    static const char *const bad[] = {"[a\n", "x = 1\n", "[a]\nnonsense\n"};
    static const char *const places[] = {"f:1", "f:1", "f:2"};
    for (size_t i = 0; i < 3; i++) {
        struct aws_ini ini = {0};
        struct err err = {0};
        assert_false(aws_ini_parse("f", bad[i], strlen(bad[i]), a, &ini, &err));
        assert_non_null(strstr(err.text, places[i]));
    }
}

/* ---- the chain ---- */

static void given_what_is_configured_when_chosen_then_the_first_provider(void **state)
{
    (void)state;
    AUTO_PTR(arena) a = arena_new(0);
    struct aws_profiles none = profiles_of(a, "", "");
    struct aws_profiles keys = profiles_of(a, "", "[default]\naws_access_key_id=x\n");
    struct aws_profiles role =
        profiles_of(a, "[default]\nrole_arn=arn:aws:iam::1:role/x\nsource_profile=base\n", "");
    struct aws_profiles web =
        profiles_of(a, "[default]\nrole_arn=arn:r\nweb_identity_token_file=/u\n", "");
    struct aws_env env = world();
    assert_int_equal(aws_provider_find(&env, &none), AWS_PROVIDER_IMDS);
    set("AWS_EC2_METADATA_DISABLED", "true");
    assert_int_equal(aws_provider_find(&env, &none), AWS_PROVIDER_NONE);
    set("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials");
    assert_int_equal(aws_provider_find(&env, &none), AWS_PROVIDER_CONTAINER);
    assert_int_equal(aws_provider_find(&env, &keys), AWS_PROVIDER_PROFILE);
    set("AWS_WEB_IDENTITY_TOKEN_FILE", "/t");
    assert_int_equal(aws_provider_find(&env, &keys), AWS_PROVIDER_WEB_IDENTITY);
    assert_int_equal(aws_provider_find(&env, &web), AWS_PROVIDER_WEB_IDENTITY);
    assert_int_equal(aws_provider_find(&env, &role), AWS_PROVIDER_PROFILE);
    set("AWS_ACCESS_KEY_ID", "AK");
    assert_int_equal(aws_provider_find(&env, &keys), AWS_PROVIDER_ENVIRONMENT);
    env.profile = "dev"; /* said aloud: the environment's keys do not count */
    keys.by_name = true;
    assert_int_equal(aws_provider_find(&env, &keys), AWS_PROVIDER_PROFILE);
}

static void given_half_a_configuration_when_fetched_then_an_error_and_no_other_identity(void **st)
{
    (void)st;
    AUTO_PTR(arena) a = arena_new(0);
    struct aws_profiles none = profiles_of(a, "", "");
    struct aws_env env = world();
    struct err err = {0};
    set("AWS_ACCESS_KEY_ID", "AK"); /* no secret */
    set("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1/x");
    reply(200, json_answer);
    assert_false(aws_provider_fetch(&env, &none, aws_provider_find(&env, &none), &creds, &err));
    assert_non_null(strstr(err.text, "environment"));
    assert_int_equal(asked, 0);
}

static void given_web_identity_when_fetched_then_unsigned_form_and_token_read_anew(void **state)
{
    (void)state;
    AUTO_PTR(arena) a = arena_new(0);
    struct aws_profiles none = profiles_of(a, "", "");
    struct aws_env env = world();
    char path[] = "/tmp/gatehouse-token-XXXXXX";
    int fd = mkstemp(path);
    assert_int_equal(write(fd, "ey.J/1\n", 7), 7);
    assert_int_equal(close(fd), 0);
    set("AWS_WEB_IDENTITY_TOKEN_FILE", path);
    set("AWS_ROLE_ARN", "arn:aws:iam::1:role/gate");
    set("AWS_ROLE_SESSION_NAME", "me");
    set("AWS_REGION", "eu-west-1");
    reply(500, "");
    reply(200, sts_answer);
    struct err err = {0};
    assert_true(aws_provider_fetch(&env, &none, AWS_PROVIDER_WEB_IDENTITY, &creds, &err));
    assert_string_equal(creds.key_id, "ASIA1");
    assert_int_equal(creds.expires_at, now_ms + 3600000);
    assert_int_equal(asked, 2);
    assert_string_equal(urls[1], " https://sts.eu-west-1.amazonaws.com/");
    assert_string_equal(bodies[1], "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn="
                                   "arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fgate&RoleSessionName=me"
                                   "&WebIdentityToken=ey.J%2F1");
    assert_int_equal(unlink(path), 0);
    assert_false(aws_provider_fetch(&env, &none, AWS_PROVIDER_WEB_IDENTITY, &creds, &err));
    assert_non_null(strstr(err.text, path));
}

static void given_role_profiles_when_fetched_then_assumed_with_the_source(void **state)
{
    (void)state;
    AUTO_PTR(arena) a = arena_new(0);
    struct aws_profiles p = profiles_of(
        a,
        "[profile top]\nrole_arn=arn:aws:iam::2:role/r\nsource_profile=base\nexternal_id=e&x\n"
        "region=eu-north-1\n[profile loop]\nrole_arn=r\nsource_profile=loop2\n"
        "[profile loop2]\nrole_arn=r\nsource_profile=loop\n[profile sso]\nsso_session=s\n",
        "[base]\naws_access_key_id=AK\naws_secret_access_key=sk\n");
    struct aws_env env = world();
    struct err err = {0};
    p.chosen = "top";
    reply(200, role_answer);
    assert_true(aws_fetch_profile(&env, &p, &creds, &err));
    assert_string_equal(creds.key_id, "ASIA2");
    assert_non_null(strstr(urls[0], "sts.eu-north-1"));
    assert_non_null(strstr(bodies[0], "signed Action=AssumeRole&"));
    assert_non_null(strstr(bodies[0], "&ExternalId=e%26x"));
    p.chosen = "loop";
    assert_false(aws_fetch_profile(&env, &p, &creds, &err));
    assert_non_null(strstr(err.text, "circle"));
    p.chosen = "sso";
    assert_false(aws_fetch_profile(&env, &p, &creds, &err));
    assert_non_null(strstr(err.text, "single sign-on"));
    p.chosen = "nowhere";
    assert_false(aws_fetch_profile(&env, &p, &creds, &err));
    assert_non_null(strstr(err.text, "nowhere"));
}

static void given_a_credential_process_when_fetched_then_its_output_counts(void **state)
{
    (void)state;
    AUTO_PTR(arena) a = arena_new(0);
    struct aws_profiles p = profiles_of(
        a,
        "[default]\ncredential_process = /bin/sh -c 'echo \"{\\\"AccessKeyId\\\":\\\"P1\\\","
        "\\\"SecretAccessKey\\\":\\\"s\\\"}\"'\n[profile bad]\ncredential_process = /bin/false\n"
        "[profile open]\ncredential_process = sh 'x\n",
        "");
    struct aws_env env = world();
    struct err err = {0};
    assert_true(aws_fetch_profile(&env, &p, &creds, &err));
    assert_string_equal(creds.key_id, "P1");
    p.chosen = "bad";
    assert_false(aws_fetch_profile(&env, &p, &creds, &err));
    assert_non_null(strstr(err.text, "status 1"));
    p.chosen = "open";
    assert_false(aws_fetch_profile(&env, &p, &creds, &err));
}

static void given_container_addresses_when_asked_then_only_safe_ones(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        bool ok;
    } rows[] = {{"http://169.254.170.23/v1/credentials", true},
                {"http://127.0.0.1:51679/x", true},
                {"http://[fd00:ec2::23]/v1/credentials", true},
                {"https://any.example/x", true},
                {"http://127.evil.example/x", false},
                {"http://169.254.169.254/x", false},
                {"http://10.0.0.1/x", false},
                {"http://[::1].evil.example/x", false},
                {"ftp://127.0.0.1/x", false}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct aws_env env = world();
        struct err err = {0};
        set("AWS_CONTAINER_CREDENTIALS_FULL_URI", rows[i].url);
        set("AWS_CONTAINER_AUTHORIZATION_TOKEN", "tk");
        reply(200, json_answer);
        assert_int_equal(aws_fetch_container(&env, &creds, &err), rows[i].ok);
        assert_int_equal(asked, rows[i].ok ? 1 : 0);
        if (rows[i].ok) {
            assert_non_null(strstr(first_headers[0], "Authorization: tk"));
        }
    }
    struct aws_env env = world();
    struct err err = {0};
    set("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/get");
    set("AWS_CONTAINER_AUTHORIZATION_TOKEN", "a\r\nX: y");
    assert_false(aws_fetch_container(&env, &creds, &err));
    assert_int_equal(asked, 0);
}

static void given_imds_when_asked_then_version_two_and_a_hint_on_silence(void **state)
{
    (void)state;
    struct aws_env env = world();
    struct err err = {0};
    reply(200, "TOKEN");
    reply(200, "node-role\n");
    reply(200, json_answer);
    assert_true(aws_fetch_imds(&env, &creds, &err));
    assert_string_equal(urls[0], "PUT http://169.254.169.254/latest/api/token");
    assert_string_equal(
        urls[2], " http://169.254.169.254/latest/meta-data/iam/security-credentials/node-role");
    assert_non_null(strstr(first_headers[2], "X-aws-ec2-metadata-token: TOKEN"));
    env = world();
    assert_false(aws_fetch_imds(&env, &creds, &err));
    assert_non_null(strstr(err.text, "hop limit"));
}

/* A node whose pods are told no region: the role's address and its signature need one. */
static void given_no_region_when_a_role_is_asked_for_then_the_instance_names_it(void **state)
{
    (void)state;
    AUTO_PTR(arena) a = arena_new(0);
    struct aws_profiles p = profiles_of(a, "", "");
    struct aws_credentials with = {.key_id = "AK", .secret = "sk"};
    struct aws_role role = {.arn = "arn:aws:iam::2:role/r", .with = &with};
    struct aws_env env = world();
    struct err err = {0};
    reply(200, "TOKEN");
    reply(200, "eu-north-1\n");
    reply(200, role_answer);
    assert_true(aws_fetch_assume_role(&env, &p, &role, &creds, &err));
    assert_string_equal(urls[0], "PUT http://169.254.169.254/latest/api/token");
    assert_string_equal(urls[1], " http://169.254.169.254/latest/meta-data/placement/region");
    assert_non_null(strstr(first_headers[1], "X-aws-ec2-metadata-token: TOKEN"));
    assert_string_equal(urls[2], " https://sts.eu-north-1.amazonaws.com/");
    assert_string_equal(scopes[2], "eu-north-1");
    env = world();
    set("AWS_ENDPOINT_URL_STS", "https://vpce-1.sts.example"); /* its signature needs the region */
    reply(200, "TOKEN");
    reply(200, "eu-north-1");
    reply(200, role_answer);
    assert_true(aws_fetch_assume_role(&env, &p, &role, &creds, &err));
    assert_string_equal(urls[2], " https://vpce-1.sts.example/");
    assert_string_equal(scopes[2], "eu-north-1");
    env = world();
    set("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1"); /* a stand-in, far from any instance */
    reply(0, "");
    reply(200, role_answer);
    assert_true(aws_fetch_assume_role(&env, &p, &role, &creds, &err));
    assert_string_equal(scopes[1], "us-east-1");
    env = world();
    set("AWS_REGION", "eu-west-1");
    reply(200, role_answer);
    assert_true(aws_fetch_assume_role(&env, &p, &role, &creds, &err));
    assert_int_equal(asked, 1);
    assert_string_equal(scopes[0], "eu-west-1");
}

static void given_no_region_anywhere_when_a_role_is_asked_for_then_it_says_who_was_asked(void **st)
{
    (void)st;
    static const struct {
        struct reply first, second;
        const char *off;
        const char *says;
        size_t asked;
    } rows[] = {{{0, ""}, {0, ""}, NULL, "hop limit 1)", 1},
                {{200, "T"}, {404, ""}, NULL, "placement/region: HTTP 404", 2},
                {{200, "T"}, {200, "<html> x"}, NULL, "\"<html> x\" is no AWS region", 2},
                {{200, "T"}, {200, ""}, NULL, "\"\" is no AWS region", 2},
                {{200, "T"}, {200, "eu-north-1"}, "true", "AWS_EC2_METADATA_DISABLED", 0}};
    AUTO_PTR(arena) a = arena_new(0);
    struct aws_profiles p = profiles_of(a, "", "");
    struct aws_credentials with = {.key_id = "AK", .secret = "sk"};
    struct aws_role role = {.arn = "arn:aws:iam::2:role/r", .with = &with};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct aws_env env = world();
        struct err err = {0};
        set("AWS_EC2_METADATA_DISABLED", rows[i].off);
        reply(rows[i].first.status, rows[i].first.body);
        reply(rows[i].second.status, rows[i].second.body);
        assert_false(aws_fetch_assume_role(&env, &p, &role, &creds, &err));
        assert_int_equal(asked, rows[i].asked);
        assert_non_null(strstr(err.text, "STS needs a region: set AWS_REGION"));
        assert_non_null(strstr(err.text, "(instance metadata: "));
        assert_non_null(strstr(err.text, rows[i].says));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_arns_when_parsed_then_parts_or_a_refusal),
        cmocka_unit_test(given_regions_when_resolved_then_endpoints_by_partition_and_switches),
        cmocka_unit_test(given_switches_in_a_profile_when_resolved_then_as_the_aws_tools_do),
        cmocka_unit_test(given_profile_files_when_read_then_sections_nest_and_errors_have_lines),
        cmocka_unit_test(given_what_is_configured_when_chosen_then_the_first_provider),
        cmocka_unit_test(
            given_half_a_configuration_when_fetched_then_an_error_and_no_other_identity),
        cmocka_unit_test(given_web_identity_when_fetched_then_unsigned_form_and_token_read_anew),
        cmocka_unit_test(given_role_profiles_when_fetched_then_assumed_with_the_source),
        cmocka_unit_test(given_a_credential_process_when_fetched_then_its_output_counts),
        cmocka_unit_test(given_container_addresses_when_asked_then_only_safe_ones),
        cmocka_unit_test(given_imds_when_asked_then_version_two_and_a_hint_on_silence),
        cmocka_unit_test(given_no_region_when_a_role_is_asked_for_then_the_instance_names_it),
        cmocka_unit_test(
            given_no_region_anywhere_when_a_role_is_asked_for_then_it_says_who_was_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
