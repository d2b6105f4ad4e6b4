/*
 * Configuration: one option table is the parser, the checker, the documentation and the example
 * file. Layers, weakest first: default, YAML file, environment (GATEHOUSE_SECTION_KEY), flag
 * (--section-key). A loaded configuration is immutable and refcounted; a reload makes a new one and
 * keeps the old one when anything is wrong. The door of this folder.
 */
#ifndef GATEHOUSE_CONFIG_CONFIG_H
#define GATEHOUSE_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/* Every type of notification there is, as a receiver may ask for it. */
#define CONFIG_ALERT_TYPES "rollout.stuck|rollout.recovered"

/* Lists are NULL-ended arrays; empty lists are NULL. Texts are never NULL. */
struct config_receiver {
    const char *name;
    const char *format; /* standard, alertmanager */
    const char *url;
    const char *secret; /* whsec_<base64>; read from secret_file when that is given */
    const char *bearer_token;
    bool allow_private;
    const char *const *types; /* of CONFIG_ALERT_TYPES; NULL = all */
    int64_t timeout_ms;
    int64_t max_age_ms; /* a delivery older than this is given up */
};

struct config_token {
    const char *name;
    const char *sha256; /* lower-case hex of the bearer token */
};

struct config_override {
    const char *namespace;  /* "" = any */
    const char *workload;   /* "Kind/name" or "name", "" = any */
    int64_t stuck_after_ms; /* 0 = by factor */
    bool alerts;
    const char *runbook; /* config_web_address, or "" */
};

struct config {
    const char *listen; /* ADDR:PORT */
    int64_t threads;
    const char *db;
    const char *cluster;
    const char *log_level;
    const char *static_dir;
    const char *external_url;

    const char *kubeconfig;
    const char *context;
    const char *const *namespaces;
    bool kube_enabled;
    bool protobuf;
    bool watch_list;
    bool compress;
    int64_t verify_interval_ms;
    int64_t discovery_interval_ms;
    int64_t page_size;

    const char *aws_mode; /* auto, on, off */
    const char *aws_region;
    const char *aws_profile;
    const char *aws_endpoint;
    int64_t aws_rate_per_minute;
    int64_t aws_burst;
    int64_t hot_interval_ms;
    int64_t idle_interval_ms;

    const char *const *gate_families; /* NAME=PREFIX; NULL = none */

    int64_t slow_factor_percent;
    int64_t stuck_factor_percent;
    int64_t stuck_min_ms;
    int64_t recheck_ms;
    int64_t stale_after_ms;
    int64_t lease_stale_ms;

    int64_t cache_bytes;
    int64_t wal_limit_bytes;
    int64_t keep_history_ms;
    int64_t keep_bytes;

    int64_t max_connections;
    int64_t max_streams;
    int64_t max_waiters;
    int64_t body_cache_bytes;
    int64_t drain_ms;
    const char *tls_cert;
    const char *tls_key;
    const char *const *allow_hosts; /* accepted Host headers; NULL = any */

    const struct config_token *tokens;
    size_t n_tokens;
    const struct config_receiver *receivers;
    size_t n_receivers;
    const struct config_override *overrides;
    size_t n_overrides;

    const char *file; /* where it came from, "" = no file */
};

/* What the command line adds: the file and values for single options. */
struct config_flag {
    const char *key; /* "listen", "kubernetes.context" */
    const char *value;
};
struct config_input {
    const char *file; /* NULL = none */
    const struct config_flag *flags;
    size_t n_flags;
    const char *(*getenv_fn)(const char *name); /* NULL = getenv */
};

/* Loads all layers and checks them. ERR_INPUT names the place: "FILE:LINE:COLUMN: section.key:
 * what". The caller owns one reference of *ret. Reads the file and the *_file secrets. Thread: any.
 */
bool config_load(const struct config_input *in, const struct config **ret,
                 struct err *err) MUST_CHECK;

/* The YAML layer alone, from bytes; `name` stands in messages. For tests and fuzzing: reads no
 * file. */
bool config_parse(const char *name, const char *text, size_t len, const struct config **ret,
                  struct err *err) MUST_CHECK;

/* Does it listen on more than a loopback address? Pure. */
bool config_is_open(const struct config *c);

const struct config *config_ref(const struct config *c); /* Thread: any */
void config_unref(const struct config *c);               /* accepts NULL */

/* Reads a duration in the options' notation ("90s", "1h30m", "7d"), for annotations. Pure. Thread:
 * any. */
bool config_duration(const char *text, int64_t *ret_ms);

/* The key of a flag name ("kubernetes-page-size" or "listen"), NULL when there is none. */
const char *config_flag_key(const char *flag);
/* Is the text a web address (http, https) of one line without blanks? It may become a link. */
bool config_web_address(const char *text);
/* true when the option is a switch that may stand without a value. */
bool config_flag_is_bool(const char *key);

/* Appends the keys of options that differ and that a reload does not apply, comma-separated. */
void config_diff_restart(const struct config *old, const struct config *fresh, struct buf *out);

/* Appends config/example.yaml: every option with help, range and default. */
void config_example(struct buf *out);
/* Appends the options as flag help text. */
void config_flag_help(struct buf *out);

#endif
