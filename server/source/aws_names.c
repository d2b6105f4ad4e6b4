/*
 * AWS names: ARNs, partitions and endpoints. The rules are botocore's endpoint-rule-set-1.json and
 * partitions.json for the two services we speak to.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "source/aws.h"

struct partition {
    const char *name;
    const char *region_prefixes; /* "us-iso-|" : a region starts with one of them */
    const char *dns;
    const char *dual_dns;
};
/* Special partitions first: their prefixes are longer than those of "aws". */
static const struct partition partitions[] = {
    {"aws-cn", "cn-|", "amazonaws.com.cn", "api.amazonwebservices.com.cn"},
    {"aws-us-gov", "us-gov-|", "amazonaws.com", "api.aws"},
    {"aws-eusc", "eusc-|", "amazonaws.eu", "api.amazonwebservices.eu"},
    {"aws-iso-b", "us-isob-|", "sc2s.sgov.gov", "api.aws.scloud"},
    {"aws-iso-e", "eu-isoe-|", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"},
    {"aws-iso-f", "us-isof-|", "csp.hci.ic.gov", "api.aws.hci.ic.gov"},
    {"aws-iso", "us-iso-|", "c2s.ic.gov", "api.aws.ic.gov"},
    {"aws", "", "amazonaws.com", "api.aws"},
};

static const struct partition *partition_of(const char *region)
{
    size_t last = sizeof partitions / sizeof partitions[0] - 1;
    for (size_t i = 0; i < last; i++) {
        size_t n = strcspn(partitions[i].region_prefixes, "|");
        if (strncmp(region, partitions[i].region_prefixes, n) == 0) {
            return &partitions[i];
        }
    }
    return &partitions[last];
}

bool aws_region_is_clean(const char *region)
{
    size_t n = strlen(region);
    bool ok = n > 0 && n < AWS_REGION_BYTES;
    for (size_t i = 0; ok && i < n; i++) {
        ok = isalnum((unsigned char)region[i]) != 0 || region[i] == '-';
    }
    return ok;
}

static bool copy_part(const char *from, size_t len, char *to, size_t size)
{
    if (len >= size) {
        return false;
    }
    memcpy(to, from, len);
    to[len] = '\0';
    return true;
}

bool aws_arn_parse(const char *text, struct aws_arn *ret, struct err *err)
{
    /* arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE */
    struct aws_arn arn = {.resource = ""};
    char prefix[8];
    struct {
        char *to;
        size_t size;
    } parts[] = {{prefix, sizeof prefix},
                 {arn.partition, sizeof arn.partition},
                 {arn.service, sizeof arn.service},
                 {arn.region, sizeof arn.region},
                 {arn.account, sizeof arn.account}};
    const char *p = text;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        const char *colon = strchr(p, ':');
        if (colon == NULL || !copy_part(p, (size_t)(colon - p), parts[i].to, parts[i].size)) {
            return err_set(err, ERR_INPUT, "\"%.200s\" is no ARN", text);
        }
        p = colon + 1;
    }
    if (strcmp(prefix, "arn") != 0 || arn.partition[0] == '\0' || p[0] == '\0' ||
        (arn.region[0] != '\0' && !aws_region_is_clean(arn.region))) {
        return err_set(err, ERR_INPUT, "\"%.200s\" is no ARN", text);
    }
    arn.resource = p;
    *ret = arn;
    return true;
}

bool aws_service_url(const struct aws_env *env, const struct aws_profiles *p,
                     const struct aws_service *s, char ret[AWS_URL_BYTES], struct err *err)
{
    bool fips = aws_is_on(env, p, "AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint");
    bool dual = aws_is_on(env, p, "AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint");
    if (s->own != NULL) {
        size_t n = strlen(s->own);
        (void)snprintf(ret, AWS_URL_BYTES, "%.500s%s", s->own,
                       n > 0 && s->own[n - 1] == '/' ? "" : "/");
        return (!fips && !dual) ||
               err_set(err, ERR_INPUT,
                       "the endpoint %.150s is given, and so is %s: use one or the other", s->own,
                       fips ? "AWS_USE_FIPS_ENDPOINT" : "AWS_USE_DUALSTACK_ENDPOINT");
    }
    if (!aws_region_is_clean(s->region)) {
        return err_set(err, ERR_INPUT, "\"%.60s\" is no AWS region", s->region);
    }
    const struct partition *part = partition_of(s->region);
    /* gov: the plain name is the FIPS endpoint, unless dual-stack is asked for as well */
    bool plain = !fips || (strcmp(part->name, "aws-us-gov") == 0 && !dual);
    (void)snprintf(ret, AWS_URL_BYTES, "https://%s%s.%s.%s/", s->name, plain ? "" : "-fips",
                   s->region, dual ? part->dual_dns : part->dns);
    return true;
}

const char *aws_getenv(const struct aws_env *env, const char *name)
{
    const char *v = env->getenv(name);
    return v != NULL && v[0] != '\0' ? v : NULL;
}

void aws_form(struct buf *body, const char *name, const char *value)
{
    char *escaped = curl_easy_escape(NULL, value, 0);
    (void)buf_addf(body, "&%s=", name);
    (void)buf_addz(body, escaped != NULL ? escaped : "");
    curl_free(escaped);
}
