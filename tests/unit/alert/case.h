/* One rollout as the rules see it, and a configuration with receivers. */
#ifndef GATEHOUSE_TESTS_ALERT_CASE_H
#define GATEHOUSE_TESTS_ALERT_CASE_H

#include <string.h>

#include "alert/alert.h"

struct alert_case {
    struct arena *arena;
    struct policy policy;
    struct facts_namespace ns;
    struct facts facts;
    struct evidence evidence;
    const char *commands[1];
    struct finding finding;
    struct rollout_verdict verdict;
    struct saved saved;
    struct alert_subject subject;
};

static const char case_config[] =
    "external_url: https://gate.example\n"
    "alerts:\n"
    "  receivers:\n"
    "    - {name: hook, url: 'http://127.0.0.1:1/', "
    "secret: whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz}\n"
    "    - {name: am, format: alertmanager, url: 'http://127.0.0.1:1/', "
    "types: [rollout.stuck]}\n"
    "    - {name: picky, url: 'http://127.0.0.1:1/', types: [rollout.recovered], "
    "secret: whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz}\n";

static __attribute__((unused)) const struct config *case_load(const char *text)
{
    const struct config *c = NULL;
    struct err err = {0};
    if (!config_parse("test.yaml", text, strlen(text), &c, &err)) {
        (void)fprintf(stderr, "%s\n", err.text);
        abort();
    }
    return c;
}

static __attribute__((unused)) void case_init(struct alert_case *c, const struct config *config)
{
    *c = (struct alert_case){.arena = arena_new(0)};
    c->policy.runbook = "";
    c->ns.name = "shop";
    c->facts = (struct facts){.now = INT64_C(1700000000000),
                              .policy = &c->policy,
                              .ns = &c->ns,
                              .kind = "Deployment",
                              .name = "web",
                              .uid = "u-1"};
    c->evidence = (struct evidence){"TargetGroup/tg", "target 10.0.3.7:8080 reason",
                                    "Target.ResponseCodeMismatch"};
    c->commands[0] = "kubectl -n shop get pods";
    c->finding = (struct finding){.code = "health_check_code_mismatch",
                                  .object = "TargetGroup/tg",
                                  .severity = SEVERITY_ERROR,
                                  .since = INT64_C(1699999990000),
                                  .primary = true,
                                  .pods = 3,
                                  .message = "The health check answers 404.",
                                  .action = "Point the health check at a path that answers 200.",
                                  .commands = {c->commands, 1},
                                  .docs = "",
                                  .evidence = {&c->evidence, 1}};
    c->verdict = (struct rollout_verdict){.state = ROLLOUT_STUCK,
                                          .pace = PACE_STUCK,
                                          .since = INT64_C(1699999999000),
                                          .started_at = INT64_C(1699999000000),
                                          .revision = "7",
                                          .revision_hash = "6c9f",
                                          .observed = true,
                                          .desired = 12,
                                          .updated = 12,
                                          .ready = 7,
                                          .gates_total = 12,
                                          .gates_open = 7,
                                          .gates_closed = 5,
                                          .primary = &c->finding,
                                          .findings = {&c->finding, 1}};
    c->verdict.by_state[POD_SERVING] = 7;
    c->verdict.by_state[POD_FAILING] = 5;
    c->saved =
        (struct saved){.changed = true, .from_state = -1, .cluster_name = "prod", .ns_id = 4};
    c->subject = (struct alert_subject){config, 11, &c->facts, &c->verdict, &c->saved, c->arena};
}

static __attribute__((unused)) void case_serving(struct alert_case *c)
{
    c->verdict.state = ROLLOUT_SERVING;
    c->verdict.primary = NULL;
    c->verdict.findings = (struct list){NULL, 0};
    c->verdict.by_state[POD_SERVING] = 12;
    c->verdict.by_state[POD_FAILING] = 0;
}

#endif
