/*
 * Readers of ELBv2's and STS's XML by expat: one table a call names each wanted leaf by its path
 * below the list's member. State and Reason occur in two siblings, so leaves are matched by path,
 * never by name; order, blanks and unknown elements do not matter. A result counts only when the
 * document ended well and held the expected result element.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <expat.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "source/elb.h"

enum { XML_DEPTH = 24, XML_PATH = 512, XML_TEXT = 64 << 10, XML_ITEMS = 20000 };

enum xml_type { XML_STR, XML_INT, XML_BOOL, XML_STRS };
struct xml_leaf {
    const char *path; /* below the item */
    enum xml_type type;
    size_t offset;
};
struct xml_table {
    const char *result; /* path of the result element below the root */
    const char *item;   /* path of an item below the result, "" = the result itself is the item */
    size_t size;
    const struct xml_leaf *leaves;
    size_t n;
};

#define LEAF(p, t, s, m)                                                                           \
    {                                                                                              \
        .path = (p), .type = (t), .offset = offsetof(struct s, m)                                  \
    }
#define TABLE(id, r, i, s, rows)                                                                   \
    static const struct xml_table id = {.result = (r),                                             \
                                        .item = (i),                                               \
                                        .size = sizeof(struct s),                                  \
                                        .leaves = (rows),                                          \
                                        .n = sizeof(rows) / sizeof((rows)[0])}

static const struct xml_leaf health_leaves[] = {
    LEAF("Target/Id", XML_STR, elb_target, id),
    LEAF("Target/Port", XML_INT, elb_target, port),
    LEAF("Target/AvailabilityZone", XML_STR, elb_target, zone),
    LEAF("HealthCheckPort", XML_STR, elb_target, health_port),
    LEAF("TargetHealth/State", XML_STR, elb_target, state),
    LEAF("TargetHealth/Reason", XML_STR, elb_target, reason),
    LEAF("TargetHealth/Description", XML_STR, elb_target, description),
    LEAF("AnomalyDetection/Result", XML_STR, elb_target, anomaly),
    LEAF("AdministrativeOverride/State", XML_STR, elb_target, override_state),
    LEAF("AdministrativeOverride/Reason", XML_STR, elb_target, override_reason),
};
TABLE(health_table, "DescribeTargetHealthResult", "TargetHealthDescriptions/member", elb_target,
      health_leaves);

static const struct xml_leaf group_leaves[] = {
    LEAF("TargetGroupArn", XML_STR, elb_group, arn),
    LEAF("TargetGroupName", XML_STR, elb_group, name),
    LEAF("Protocol", XML_STR, elb_group, protocol),
    LEAF("Port", XML_INT, elb_group, port),
    LEAF("VpcId", XML_STR, elb_group, vpc_id),
    LEAF("TargetType", XML_STR, elb_group, target_type),
    LEAF("IpAddressType", XML_STR, elb_group, ip_address_type),
    LEAF("ProtocolVersion", XML_STR, elb_group, protocol_version),
    LEAF("LoadBalancerArns/member", XML_STRS, elb_group, load_balancer_arns),
    LEAF("HealthCheckEnabled", XML_BOOL, elb_group, health_enabled),
    LEAF("HealthCheckProtocol", XML_STR, elb_group, health_protocol),
    LEAF("HealthCheckPort", XML_STR, elb_group, health_port),
    LEAF("HealthCheckPath", XML_STR, elb_group, health_path),
    LEAF("HealthCheckIntervalSeconds", XML_INT, elb_group, health_interval),
    LEAF("HealthCheckTimeoutSeconds", XML_INT, elb_group, health_timeout),
    LEAF("HealthyThresholdCount", XML_INT, elb_group, healthy_threshold),
    LEAF("UnhealthyThresholdCount", XML_INT, elb_group, unhealthy_threshold),
    LEAF("Matcher/HttpCode", XML_STR, elb_group, matcher),
    LEAF("Matcher/GrpcCode", XML_STR, elb_group, matcher),
};
TABLE(group_table, "DescribeTargetGroupsResult", "TargetGroups/member", elb_group, group_leaves);

static const struct xml_leaf balancer_leaves[] = {
    LEAF("LoadBalancerArn", XML_STR, elb_balancer, arn),
    LEAF("LoadBalancerName", XML_STR, elb_balancer, name),
    LEAF("DNSName", XML_STR, elb_balancer, dns_name),
    LEAF("Type", XML_STR, elb_balancer, type),
    LEAF("Scheme", XML_STR, elb_balancer, scheme),
    LEAF("State/Code", XML_STR, elb_balancer, state),
    LEAF("State/Reason", XML_STR, elb_balancer, state_reason),
    LEAF("VpcId", XML_STR, elb_balancer, vpc_id),
    LEAF("AvailabilityZones/member/ZoneName", XML_STRS, elb_balancer, zones),
};
TABLE(balancer_table, "DescribeLoadBalancersResult", "LoadBalancers/member", elb_balancer,
      balancer_leaves);

static const struct xml_leaf attribute_leaves[] = {
    LEAF("Key", XML_STR, elb_attribute, key),
    LEAF("Value", XML_STR, elb_attribute, value),
};
TABLE(attribute_table, "DescribeTargetGroupAttributesResult", "Attributes/member", elb_attribute,
      attribute_leaves);

struct sts_row {
    const char *key_id;
    const char *secret;
    const char *token;
    const char *expires;
};
static const struct xml_leaf sts_leaves[] = {
    LEAF("Credentials/AccessKeyId", XML_STR, sts_row, key_id),
    LEAF("Credentials/SecretAccessKey", XML_STR, sts_row, secret),
    LEAF("Credentials/SessionToken", XML_STR, sts_row, token),
    LEAF("Credentials/Expiration", XML_STR, sts_row, expires),
};
TABLE(role_table, "AssumeRoleResult", "", sts_row, sts_leaves);
TABLE(web_table, "AssumeRoleWithWebIdentityResult", "", sts_row, sts_leaves);

/* ---- the engine ---- */

struct xml_run {
    const struct xml_table *table;
    XML_Parser parser;
    struct arena *a;
    char path[XML_PATH]; /* of the open element, below the root, "/"-joined */
    size_t marks[XML_DEPTH + 1];
    int depth;
    struct buf text;
    bool result_seen;
    size_t result_len; /* of its path; the item's path follows */
    int item_depth;    /* 0 = outside */
    char *items;
    uint32_t n;
    uint32_t cap;
    const char *marker;
    const char *wrong; /* first thing that is wrong */
};

static void fail(struct xml_run *r, const char *why)
{
    if (r->wrong == NULL) {
        r->wrong = why;
        (void)XML_StopParser(r->parser, XML_FALSE);
    }
}

/* The path below the item, or NULL outside of one. */
static const char *path_in_item(const struct xml_run *r)
{
    if (r->item_depth == 0 || r->depth < r->item_depth) {
        return NULL;
    }
    const char *p = r->path + r->marks[r->item_depth];
    return *p == '/' ? p + 1 : p;
}

static void clear_item(const struct xml_table *t, void *item)
{
    memset(item, 0, t->size);
    for (size_t i = 0; i < t->n; i++) {
        char *at = (char *)item + t->leaves[i].offset;
        if (t->leaves[i].type == XML_STR) {
            *(const char **)(void *)at = "";
        } else if (t->leaves[i].type == XML_BOOL) {
            *(int64_t *)(void *)at = -1;
        }
    }
}

static void open_item(struct xml_run *r)
{
    if (r->n == XML_ITEMS) {
        fail(r, "more items than anybody has");
        return;
    }
    if (r->n == r->cap) {
        uint32_t cap = r->cap == 0 ? 16 : r->cap * 2;
        char *more = arena_alloc(r->a, cap * r->table->size);
        if (r->n > 0) {
            memcpy(more, r->items, r->n * r->table->size);
        }
        r->items = more;
        r->cap = cap;
    }
    clear_item(r->table, r->items + r->n * r->table->size);
    r->n++;
    r->item_depth = r->depth;
}

static void open_known(struct xml_run *r)
{
    const char *result = r->table->result;
    if (!r->result_seen && r->depth == 2 && strcmp(r->path, result) == 0) {
        r->result_seen = true;
        r->result_len = strlen(result);
        if (r->table->item[0] == '\0') {
            open_item(r);
        }
        return;
    }
    if (r->result_seen && r->item_depth == 0 && strncmp(r->path, result, r->result_len) == 0 &&
        r->path[r->result_len] == '/' && strcmp(r->path + r->result_len + 1, r->table->item) == 0) {
        open_item(r);
    }
}

static void XMLCALL on_open(void *arg, const XML_Char *name, const XML_Char **attributes)
{
    (void)attributes;
    struct xml_run *r = arg;
    const char *colon = strchr(name, ':');
    name = colon != NULL ? colon + 1 : name;
    if (r->depth == XML_DEPTH) {
        fail(r, "nested too deeply");
        return;
    }
    r->depth++;
    size_t at = r->depth > 1 ? r->marks[r->depth - 1] : 0;
    if (r->depth > 1) { /* the root's name is the call's and says nothing */
        size_t n = strlen(name);
        if (at + n + 2 > sizeof r->path) {
            r->marks[r->depth] = at;
            fail(r, "an element's path is too long");
            return;
        }
        if (at > 0) {
            r->path[at++] = '/';
        }
        memcpy(r->path + at, name, n + 1);
        at += n;
    }
    r->marks[r->depth] = at;
    buf_clear(&r->text);
    if (r->table != NULL) {
        open_known(r);
    }
}

static void XMLCALL on_text(void *arg, const XML_Char *text, int len)
{
    struct xml_run *r = arg;
    if (!buf_add(&r->text, text, (size_t)len)) {
        fail(r, "a text is too long");
    }
}

static void add_text(struct xml_run *r, struct strs *list, const char *text)
{
    if (list->n == XML_ITEMS) {
        fail(r, "a list is too long");
        return;
    }
    const char **more = arena_array(r->a, const char *, list->n + 1);
    if (list->n > 0) {
        memcpy(more, list->items, list->n * sizeof *more);
    }
    more[list->n] = text;
    list->items = more;
    list->n++;
}

static void take_leaf(struct xml_run *r, const struct xml_leaf *leaf)
{
    char *at = r->items + (r->n - 1) * r->table->size + leaf->offset;
    const char *text = utf8_clean(r->a, buf_str(&r->text), r->text.len);
    switch (leaf->type) {
    case XML_STR:
        *(const char **)(void *)at = text;
        break;
    case XML_INT:
        *(int64_t *)(void *)at = strtoll(text, NULL, 10);
        break;
    case XML_BOOL:
        *(int64_t *)(void *)at = strcmp(text, "true") == 0 ? 1 : 0;
        break;
    case XML_STRS:
    default:
        add_text(r, (struct strs *)(void *)at, text);
        break;
    }
}

static void close_known(struct xml_run *r)
{
    const char *below = path_in_item(r);
    for (size_t i = 0; below != NULL && i < r->table->n; i++) {
        if (strcmp(below, r->table->leaves[i].path) == 0) {
            take_leaf(r, &r->table->leaves[i]);
        }
    }
    if (r->result_seen && r->depth == 3 && strcmp(r->path + r->result_len, "/NextMarker") == 0) {
        r->marker = utf8_clean(r->a, buf_str(&r->text), r->text.len);
    }
    if (r->item_depth == r->depth) {
        r->item_depth = 0;
    }
}

static void XMLCALL on_close(void *arg, const XML_Char *name)
{
    (void)name;
    struct xml_run *r = arg;
    if (r->table != NULL) {
        close_known(r);
    }
    r->depth--;
    r->path[r->depth > 0 ? r->marks[r->depth] : 0] = '\0';
    buf_clear(&r->text);
}

static void XMLCALL on_doctype(void *arg, const XML_Char *name, const XML_Char *system_id,
                               const XML_Char *public_id, int internal)
{
    (void)name;
    (void)system_id;
    (void)public_id;
    (void)internal;
    fail(arg, "it has a DOCTYPE");
}

static bool run_parser(struct xml_run *r, XML_EndElementHandler on_end, const char *xml, size_t len,
                       struct err *err)
{
    r->parser = XML_ParserCreate(NULL);
    r->marker = "";
    buf_init(&r->text, XML_TEXT);
    if (r->parser == NULL || len > LIMIT_AWS_ANSWER) {
        XML_ParserFree(r->parser);
        return err_set(err, ERR_INPUT, "an answer of %zu bytes", len);
    }
    XML_SetUserData(r->parser, r);
    XML_SetElementHandler(r->parser, on_open, on_end);
    XML_SetCharacterDataHandler(r->parser, on_text);
    XML_SetStartDoctypeDeclHandler(r->parser, on_doctype);
    bool ok = XML_Parse(r->parser, xml, (int)len, 1) == XML_STATUS_OK && r->wrong == NULL;
    if (!ok) {
        (void)err_set(err, ERR_INPUT, "XML line %lu: %s",
                      (unsigned long)XML_GetCurrentLineNumber(r->parser),
                      r->wrong != NULL ? r->wrong : XML_ErrorString(XML_GetErrorCode(r->parser)));
    }
    XML_ParserFree(r->parser);
    buf_fini(&r->text);
    return ok;
}

static bool read_table(const struct xml_table *table, const char *xml, size_t len, struct arena *a,
                       struct xml_run *r, struct err *err)
{
    *r = (struct xml_run){.table = table, .a = a};
    if (!run_parser(r, on_close, xml, len, err)) {
        return false;
    }
    return r->result_seen || err_set(err, ERR_INPUT, "the answer has no %s", table->result);
}

/* ---- the calls ---- */

/* IPv6 has many spellings: one form for all, so that addresses compare as texts. */
static const char *canonical(struct arena *a, const char *id)
{
    struct in6_addr v6;
    char text[INET6_ADDRSTRLEN];
    if (strchr(id, ':') == NULL || inet_pton(AF_INET6, id, &v6) != 1 ||
        inet_ntop(AF_INET6, &v6, text, sizeof text) == NULL) {
        return id;
    }
    return arena_strdup(a, text);
}

static int by_target(const void *a, const void *b)
{
    const struct elb_target *x = a;
    const struct elb_target *y = b;
    int c = strcmp(x->id, y->id);
    return c != 0 ? c : (x->port > y->port) - (x->port < y->port);
}

bool elb_read_health(const char *xml, size_t len, struct arena *a, struct elb_target **ret,
                     uint32_t *ret_n, struct err *err)
{
    struct xml_run r;
    if (!read_table(&health_table, xml, len, a, &r, err)) {
        return false;
    }
    struct elb_target *items = (struct elb_target *)(void *)r.items;
    for (uint32_t i = 0; i < r.n; i++) {
        items[i].id = canonical(a, items[i].id);
    }
    if (r.n > 1) {
        qsort(items, r.n, sizeof *items, by_target);
    }
    *ret = items;
    *ret_n = r.n;
    return true;
}

bool elb_read_groups(const char *xml, size_t len, struct arena *a, struct elb_page *ret,
                     struct err *err)
{
    struct xml_run r;
    if (!read_table(&group_table, xml, len, a, &r, err)) {
        return false;
    }
    struct elb_group *groups = (struct elb_group *)(void *)r.items;
    for (uint32_t i = 0; i < r.n; i++) { /* no load balancer: no listener or rule can lead here */
        groups[i].listener_count = groups[i].load_balancer_arns.n == 0 ? 0 : -1;
    }
    *ret = (struct elb_page){{r.items, r.n}, r.marker};
    return true;
}

bool elb_read_balancers(const char *xml, size_t len, struct arena *a, struct elb_page *ret,
                        struct err *err)
{
    struct xml_run r;
    if (!read_table(&balancer_table, xml, len, a, &r, err)) {
        return false;
    }
    *ret = (struct elb_page){{r.items, r.n}, r.marker};
    return true;
}

bool elb_read_attributes(const char *xml, size_t len, struct arena *a, struct list *ret,
                         struct err *err)
{
    struct xml_run r;
    if (!read_table(&attribute_table, xml, len, a, &r, err)) {
        return false;
    }
    *ret = (struct list){r.items, r.n};
    return true;
}

bool elb_read_sts(const char *xml, size_t len, struct aws_credentials *ret, struct err *err)
{
    AUTO_PTR(arena) a = arena_new(0);
    struct xml_run r;
    struct err first = {0};
    if (!read_table(&web_table, xml, len, a, &r, &first) &&
        !read_table(&role_table, xml, len, a, &r, err)) {
        return false;
    }
    const struct sts_row *row = (const struct sts_row *)(const void *)r.items;
    if (!aws_credentials_set(ret, row->key_id, row->secret, row->token, err)) {
        return false;
    }
    return clock_parse(row->expires, strlen(row->expires), &ret->expires_at) ||
           err_set(err, ERR_REMOTE, "Expiration \"%.40s\" is no time", row->expires);
}

/* ---- errors: the first Error/Code and Error/Message anywhere ---- */

struct error_run {
    struct xml_run run; /* stands first: the shared handlers see it alone */
    struct elb_error *ret;
};

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text);
    size_t m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

static void XMLCALL on_error_close(void *arg, const XML_Char *name)
{
    struct error_run *e = arg;
    if (ends_with(e->run.path, "Error/Code") && e->ret->code[0] == '\0') {
        (void)snprintf(e->ret->code, sizeof e->ret->code, "%.99s", buf_str(&e->run.text));
    } else if (ends_with(e->run.path, "Error/Message") && e->ret->message[0] == '\0') {
        (void)snprintf(e->ret->message, sizeof e->ret->message, "%.399s", buf_str(&e->run.text));
    }
    on_close(arg, name);
}

void elb_read_error(int status, const char *xml, size_t len, struct elb_error *ret)
{
    *ret = (struct elb_error){.code = ""};
    struct error_run e = {.ret = ret};
    struct err ignored = {0};
    bool ok = run_parser(&e.run, on_error_close, xml, len, &ignored);
    if (!ok || ret->code[0] == '\0') {
        *ret = (struct elb_error){.code = ""};
        (void)snprintf(ret->code, sizeof ret->code, "HTTP %d", status);
    }
}
