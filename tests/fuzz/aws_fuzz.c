/* AWS bytes: XML answers, profile files, ARNs and credential documents, any content. */
#include <stdlib.h>
#include <string.h>

#include "source/elb.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_xml(const char *text, size_t len, struct arena *a)
{
    struct err err = {0};
    struct elb_target *targets = NULL;
    struct elb_page page;
    uint32_t n = 0;
    struct list list;
    struct elb_error error;
    (void)!elb_read_health(text, len, a, &targets, &n, &err);
    (void)!elb_read_groups(text, len, a, &page, &err);
    (void)!elb_read_balancers(text, len, a, &page, &err);
    (void)!elb_read_attributes(text, len, a, &list, &err);
    (void)!elb_read_listeners(text, len, a, &page, &err);
    (void)!elb_read_rules(text, len, a, &page, &err);
    elb_read_error(500, text, len, &error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct aws_credentials credentials; /* large */
    if (size == 0) {
        return 0;
    }
    const char *text = (const char *)data + 1;
    size_t len = size - 1;
    AUTO_PTR(arena) a = arena_new(0);
    struct err err = {0};
    struct aws_ini ini = {0};
    struct aws_arn arn;
    switch (data[0] % 4) {
    case 0:
        read_xml(text, len, a);
        (void)!elb_read_sts(text, len, &credentials, &err);
        break;
    case 1:
        if (aws_ini_parse("fuzz", text, len, a, &ini, &err)) {
            (void)aws_ini_get(&ini, "default", "region");
        }
        break;
    case 2:
        (void)!aws_arn_parse(arena_strndup(a, text, len), &arn, &err);
        break;
    default:
        (void)!aws_credentials_from_json(text, len, &credentials, &err);
        break;
    }
    return 0;
}
