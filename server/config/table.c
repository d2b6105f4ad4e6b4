/*
 * Every option, once: key, type, range, default, help. The parser, the checks, the flags, the
 * environment names and config/example.yaml come from here.
 */
#include "config/table.h"

#include <string.h>

#include "config/config.h"

#define AT(field) offsetof(struct config, field)
#define SECOND    INT64_C(1000)
#define MINUTE    (60 * SECOND)
#define HOUR      (60 * MINUTE)
#define DAY       (24 * HOUR)
#define MIB       (INT64_C(1) << 20)
#define N(array)  (sizeof(array) / sizeof((array)[0]))

#define TEXT(k, f, d, r, h)                                                                        \
    {                                                                                              \
        .key = (k), .type = OPTION_TEXT, .offset = AT(f), .def = (d), .reload = (r), .help = (h)   \
    }
#define ADDRESS(k, f, d, r, h)                                                                     \
    {                                                                                              \
        .key = (k), .type = OPTION_URL, .offset = AT(f), .def = (d), .reload = (r), .help = (h)    \
    }
#define PATH(k, f, d, h)                                                                           \
    {                                                                                              \
        .key = (k), .type = OPTION_PATH, .offset = AT(f), .def = (d), .help = (h)                  \
    }
#define WORD(k, f, w, d, r, h)                                                                     \
    {                                                                                              \
        .key = (k), .type = OPTION_ENUM, .offset = AT(f), .words = (w), .def = (d), .reload = (r), \
        .help = (h)                                                                                \
    }
#define BOOL(k, f, d, h)                                                                           \
    {                                                                                              \
        .key = (k), .type = OPTION_BOOL, .offset = AT(f), .def = (d), .help = (h)                  \
    }
#define TEXTS(k, f, h)                                                                             \
    {                                                                                              \
        .key = (k), .type = OPTION_TEXTS, .offset = AT(f), .def = "", .help = (h)                  \
    }
#define NUMBER(t, k, f, lo, hi, d, r, h)                                                           \
    {                                                                                              \
        .key = (k), .type = (t), .offset = AT(f), .min = (lo), .max = (hi), .def = (d),            \
        .reload = (r), .help = (h)                                                                 \
    }

static const struct option receiver_options[] = {
    {.key = "name",
     .type = OPTION_TEXT,
     .offset = offsetof(struct config_receiver, name),
     .help = "name in deliveries and logs"},
    {.key = "format",
     .type = OPTION_ENUM,
     .offset = offsetof(struct config_receiver, format),
     .words = "standard|alertmanager",
     .def = "standard",
     .help = "standard: Standard Webhooks 1.0, signed; alertmanager: Alertmanager API v2"},
    {.key = "url",
     .type = OPTION_URL,
     .offset = offsetof(struct config_receiver, url),
     .help = "where to send; for alertmanager its address, /api/v2/alerts is added"},
    {.key = "secret",
     .type = OPTION_SECRET,
     .offset = offsetof(struct config_receiver, secret),
     .def = "",
     .help = "signing secret whsec_<base64 of 24 to 64 bytes>; secret_file reads it from a file"},
    {.key = "bearer_token",
     .type = OPTION_SECRET,
     .offset = offsetof(struct config_receiver, bearer_token),
     .def = "",
     .help = "sent as Authorization: Bearer; bearer_token_file reads it from a file"},
    {.key = "allow_private",
     .type = OPTION_BOOL,
     .offset = offsetof(struct config_receiver, allow_private),
     .def = "false",
     .help = "may the address be loopback, link-local or private (a receiver inside the cluster)"},
    {.key = "types",
     .type = OPTION_TEXTS,
     .offset = offsetof(struct config_receiver, types),
     .words = CONFIG_ALERT_TYPES,
     .def = "",
     .help = "alert types wanted, empty for all"},
    {.key = "timeout",
     .type = OPTION_DURATION,
     .offset = offsetof(struct config_receiver, timeout_ms),
     .min = SECOND,
     .max = MINUTE,
     .def = "15s",
     .help = "for one attempt"},
    {.key = "max_age",
     .type = OPTION_DURATION,
     .offset = offsetof(struct config_receiver, max_age_ms),
     .min = MINUTE,
     .max = 7 * DAY,
     .def = "1h",
     .help = "a delivery older than this is given up and listed as dead"},
};
static const struct option_table receiver_table = {receiver_options, N(receiver_options),
                                                   sizeof(struct config_receiver)};

static const struct option token_options[] = {
    {.key = "name",
     .type = OPTION_TEXT,
     .offset = offsetof(struct config_token, name),
     .help = "who holds it, for the request log"},
    {.key = "sha256",
     .type = OPTION_TEXT,
     .offset = offsetof(struct config_token, sha256),
     .check = check_sha256,
     .help = "SHA-256 of the token in hex: printf %s TOKEN | sha256sum"},
};
static const struct option_table token_table = {token_options, N(token_options),
                                                sizeof(struct config_token)};

static const struct option override_options[] = {
    {.key = "namespace",
     .type = OPTION_TEXT,
     .offset = offsetof(struct config_override, namespace),
     .def = "",
     .help = "namespace it is for, empty for any"},
    {.key = "workload",
     .type = OPTION_TEXT,
     .offset = offsetof(struct config_override, workload),
     .def = "",
     .help = "name or Kind/name, empty for any"},
    {.key = "stuck_after",
     .type = OPTION_DURATION,
     .offset = offsetof(struct config_override, stuck_after_ms),
     .min = 0,
     .max = DAY,
     .def = "0s",
     .help = "fixed limit instead of the factor; annotation gatehouse.dev/stuck-after wins"},
    {.key = "alerts",
     .type = OPTION_BOOL,
     .offset = offsetof(struct config_override, alerts),
     .def = "true",
     .help = "false: judged and shown, never sent"},
    {.key = "runbook",
     .type = OPTION_URL,
     .offset = offsetof(struct config_override, runbook),
     .def = "",
     .help = "URL shown with findings; annotation gatehouse.dev/runbook wins"},
};
static const struct option_table override_table = {override_options, N(override_options),
                                                   sizeof(struct config_override)};

static const struct option options[] = {
    {.key = "listen",
     .type = OPTION_TEXT,
     .offset = AT(listen),
     .def = "127.0.0.1:8080",
     .check = check_address,
     .help = "address and port; other than loopback needs access.tokens"},
    NUMBER(OPTION_COUNT, "threads", threads, 1, 64, "1", false, "event loops"),
    PATH("db", db, "gatehouse.db", "SQLite file; its folder must be writable"),
    TEXT("cluster", cluster, "", false, "name of the cluster; empty: the kubeconfig context"),
    WORD("log_level", log_level, "error|warn|info|debug", "info", true,
         "least important line that is written"),
    PATH("static_dir", static_dir, "", "folder of the built dashboard; empty: beside the program"),
    ADDRESS("external_url", external_url, "", true,
            "address people reach this server by, for links in alerts"),

    BOOL("kubernetes.enabled", kube_enabled, "true",
         "watch a cluster; false serves what the store holds"),
    PATH("kubernetes.kubeconfig", kubeconfig, "",
         "empty: $KUBECONFIG, ~/.kube/config, else the in-cluster account (flag --kubeconfig)"),
    TEXT("kubernetes.context", context, "", false, "empty: current-context (flag --context)"),
    TEXTS("kubernetes.namespaces", namespaces, "watch these only; empty: all"),
    BOOL("kubernetes.protobuf", protobuf, "true", "ask for protobuf; JSON is understood anyway"),
    BOOL("kubernetes.watch_list", watch_list, "true", "try the streaming list first"),
    BOOL("kubernetes.compress", compress, "false",
         "ask for gzip: pays below 1 Gbit/s; before Kubernetes 1.37 with watch_list: false"),
    NUMBER(OPTION_DURATION, "kubernetes.verify_interval", verify_interval_ms, 0, 7 * DAY, "2h",
           false, "relist to find differences, jittered; 0s: never"),
    NUMBER(OPTION_DURATION, "kubernetes.discovery_interval", discovery_interval_ms, SECOND, HOUR,
           "45s", false, "how often to look for kinds that were installed later"),
    NUMBER(OPTION_COUNT, "kubernetes.page_size", page_size, 1, 10000, "500", false,
           "objects in a list page"),

    WORD("aws.mode", aws_mode, "auto|on|off", "auto", false,
         "auto: poll ELBv2 when credentials are found; on: their absence is an error; off: never"),
    TEXT("aws.region", aws_region, "", false,
         "of STS (ELBv2: each target group's own); empty: AWS environment, profile, the instance"),
    TEXT("aws.profile", aws_profile, "", false, "profile of the shared files"),
    ADDRESS("aws.endpoint", aws_endpoint, "", false, "ELBv2 address for tests and proxies"),
    NUMBER(OPTION_COUNT, "aws.calls_per_minute", aws_rate_per_minute, 1, 6000, "300", false,
           "calls per account and region; the limit is shared with the controller"),
    NUMBER(OPTION_COUNT, "aws.burst", aws_burst, 1, 1000, "20", false, "calls at once"),
    NUMBER(OPTION_DURATION, "aws.hot_interval", hot_interval_ms, SECOND, 5 * MINUTE, "10s", false,
           "between polls of a group that a rollout waits for"),
    NUMBER(OPTION_DURATION, "aws.idle_interval", idle_interval_ms, 5 * SECOND, HOUR, "5m", false,
           "the longest time between polls of any group"),

    {.key = "gates.families",
     .type = OPTION_TEXTS,
     .offset = AT(gate_families),
     .def = "",
     .check = check_family,
     .reload = true,
     .help = "gates of other controllers, each NAME=PREFIX of its condition types, as in "
             "kapacity=kapacity.traas.io/"},

    NUMBER(OPTION_PERCENT, "pace.slow_factor", slow_factor_percent, 100, 10000, "200%", true,
           "of the usual time: slow past it"),
    NUMBER(OPTION_PERCENT, "pace.stuck_factor", stuck_factor_percent, 100, 10000, "300%", true,
           "of the usual time: stuck past it"),
    NUMBER(OPTION_DURATION, "pace.stuck_min", stuck_min_ms, 0, DAY, "90s", true,
           "never stuck before this"),
    NUMBER(OPTION_DURATION, "pace.recheck", recheck_ms, SECOND, HOUR, "15s", true,
           "the controller's --targetgroupbinding-requeue-duration"),
    /* sources give a sign of life every 10 s */
    NUMBER(OPTION_DURATION, "pace.stale_after", stale_after_ms, 15 * SECOND, HOUR, "90s", true,
           "a source silent for this long is stale"),
    NUMBER(OPTION_DURATION, "pace.lease_stale", lease_stale_ms, 5 * SECOND, HOUR, "60s", true,
           "the controller's lease not renewed for this long: stalled"),
    {.key = "pace.overrides",
     .type = OPTION_RECORDS,
     .offset = AT(overrides),
     .count_offset = AT(n_overrides),
     .sub = &override_table,
     .reload = true,
     .help = "limits of single namespaces and workloads; the first match counts"},

    NUMBER(OPTION_SIZE, "store.cache", cache_bytes, MIB, 4096 * MIB, "8MiB", false,
           "page cache of the writer"),
    NUMBER(OPTION_SIZE, "store.wal_limit", wal_limit_bytes, MIB, 4096 * MIB, "128MiB", false,
           "size of the write-ahead log that forces a full checkpoint"),
    NUMBER(OPTION_DURATION, "store.keep_history", keep_history_ms, HOUR, 3650 * DAY, "30d", true,
           "age limit of transitions, revisions, ended findings, alerts and deliveries"),
    NUMBER(OPTION_SIZE, "store.keep_size", keep_bytes, 16 * MIB, 1048576 * MIB, "2GiB", true,
           "size limit of the file: the oldest history goes first"),

    NUMBER(OPTION_COUNT, "http.max_connections", max_connections, 16, 100000, "4096", false,
           "open connections; near it those quiet longest are closed, with none quiet more wait"),
    NUMBER(OPTION_COUNT, "http.max_streams", max_streams, 1, 50000, "2000", true,
           "readers of /api/v1/events"),
    NUMBER(OPTION_COUNT, "http.max_waiters", max_waiters, 1, 50000, "1000", true,
           "requests waiting in /wait"),
    NUMBER(OPTION_SIZE, "http.body_cache", body_cache_bytes, 0, 1024 * MIB, "16MiB", false,
           "rendered answers"),
    NUMBER(OPTION_DURATION, "http.drain", drain_ms, 0, 5 * MINUTE, "5s", false,
           "how long open requests may take when stopping"),
    PATH("http.tls_cert", tls_cert, "", "PEM chain; with tls_key turns HTTPS on"),
    PATH("http.tls_key", tls_key, "", "PEM key"),
    {.key = "http.allow_hosts",
     .type = OPTION_TEXTS,
     .offset = AT(allow_hosts),
     .def = "",
     .reload = true,
     .help = "accepted Host headers; empty: any with tokens, loopback names without"},
    {.key = "access.tokens",
     .type = OPTION_RECORDS,
     .offset = AT(tokens),
     .count_offset = AT(n_tokens),
     .sub = &token_table,
     .reload = true,
     .help = "bearer tokens, stored as hashes; empty: no token asked, loopback only"},

    {.key = "alerts.receivers",
     .type = OPTION_RECORDS,
     .offset = AT(receivers),
     .count_offset = AT(n_receivers),
     .sub = &receiver_table,
     .reload = true,
     .help = "who is told when a rollout is stuck or has recovered"},
};

const struct option_table config_table = {options, N(options), sizeof(struct config)};

const struct option *option_find(const struct option_table *table, const char *key)
{
    for (size_t i = 0; i < table->n; i++) {
        if (strcmp(table->options[i].key, key) == 0) {
            return &table->options[i];
        }
    }
    return NULL;
}
