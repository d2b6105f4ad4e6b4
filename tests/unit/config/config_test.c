/* The option table: what is taken, what is refused and where the message points. */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config/config.h"

static const char good[] =
    "listen: 127.0.0.1:9\n"
    "kubernetes:\n  namespaces: [a, b]\n  verify_interval: 1h30m\n  protobuf: false\n"
    "store: {cache: 8MiB}\n"
    "gates: {families: [duty=duty.example.org/, x-2=example.org/ready]}\n"
    "alerts:\n  receivers:\n    - name: hook\n      url: http://127.0.0.1:1/\n"
    "      secret: whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz\n      timeout: 3s\n";

static void given_a_file_when_parsed_then_every_type_lands(void **state)
{
    (void)state;
    const struct config *c = NULL;
    struct err err = {0};
    assert_true(config_parse("f.yaml", good, strlen(good), &c, &err));
    assert_string_equal(c->listen, "127.0.0.1:9");
    assert_string_equal(c->namespaces[1], "b");
    assert_null(c->namespaces[2]);
    assert_int_equal(c->verify_interval_ms, 5400000);
    assert_false(c->protobuf);
    assert_int_equal(c->cache_bytes, 8 << 20);
    assert_int_equal(c->n_receivers, 1);
    assert_int_equal(c->receivers[0].timeout_ms, 3000);
    assert_string_equal(c->receivers[0].format, "standard");
    assert_int_equal(c->page_size, 500);
    assert_string_equal(c->gate_families[0], "duty=duty.example.org/");
    assert_string_equal(c->gate_families[1], "x-2=example.org/ready");
    assert_null(c->gate_families[2]);
    config_unref(c);
}

#define FAMILY(text)                                                                               \
    "f.yaml:1:20: gates.families: \"" text "\" is not NAME=PREFIX, a word in lower case and a "    \
    "beginning of condition types with its domain, as in kapacity=kapacity.traas.io/"

static void given_bad_files_when_parsed_then_the_place_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *message;
    } bad[] = {
        {"lisen: x\n", "f.yaml:1:1: lisen: there is no such option"},
        {"store:\n  cach: 1MiB\n", "f.yaml:2:3: store.cach: there is no such option"},
        {"store:\n  cache: 1MB\n",
         "f.yaml:2:10: store.cache: \"1MB\" is not a size such as 512KiB, 64MiB or 1GiB"},
        {"threads: 0\n", "f.yaml:1:10: threads: 0 is out of range: 1 to 64"},
        {"threads: 1\nthreads: 2\n", "f.yaml:2:1: threads: stands here twice"},
        {"kubernetes: [a]\n", "f.yaml:1:13: a mapping (key: value) is wanted here"},
        {"db: {a: b}\n", "f.yaml:1:5: db: a single value is wanted here"},
        {"a: b: c\n", "f.yaml:1:5: not YAML: mapping values are not allowed in this context"},
        {"--- {}\n--- {}\n", "f.yaml:2:5: a second document; one is allowed"},
        {"threads: 2\n# caf\xc3\xa9, caf\xe9\n",
         "f.yaml:2:12: not YAML: incomplete UTF-8 octet sequence"},
        {"threads: 2\n---\n[[[[[[[[[[[[[[[[[[", "f.yaml:3:17: nested more than 16 levels deep"},
        {"[[[[[[[[[[[[[[[[[[", "f.yaml:1:17: nested more than 16 levels deep"},
        {"log_level: loud\n",
         "f.yaml:1:12: log_level: \"loud\" is not one of error|warn|info|debug"},
        {"alerts:\n  receivers:\n    - name: x\n", "f.yaml:3:7: url: is missing here"},
        {"alerts:\n  receivers:\n    - name: x\n      url: http://h/\n",
         "f.yaml:3:7: alerts.receivers: format standard is signed: secret or secret_file is "
         "missing"},
        {"listen: 0.0.0.0:80\n", "f.yaml:1:9: listen: 0.0.0.0:80 is not a loopback address, so "
                                 "access.tokens must name at least one token"},
        {"threads: 2\nlisten: 127.0.0.1\n", "f.yaml:2:9: listen: \"127.0.0.1\" is not ADDR:PORT"},
        {"listen: 127.0.0.1:65536\n", "f.yaml:1:9: listen: \"65536\" is not a port"},
        {"listen: 127.0.0.1:+80\n", "f.yaml:1:9: listen: \"+80\" is not a port"},
        {"listen: ::1:80\n",
         "f.yaml:1:9: listen: \"::1:80\": an IPv6 address stands in brackets: [::1]:8080"},
        {"db: ''\n", "f.yaml:1:5: db: the name of a file is wanted"},
        {"listen: ''\n", "f.yaml:1:9: listen: ADDR:PORT is wanted"},
        {"http:\n  tls_cert: a.pem\n", "f.yaml:2:13: http.tls_cert and http.tls_key go together"},
        {"http: {tls_key: a.pem}\n", "f.yaml:1:17: http.tls_cert and http.tls_key go together"},
        {"gates: {families: [duty.example.org/]}\n", FAMILY("duty.example.org/")},
        {"gates: {families: [duty=]}\n", FAMILY("duty=")},
        {"gates: {families: [duty=duty.example.org]}\n", FAMILY("duty=duty.example.org")},
        {"gates: {families: ['Duty=example.org/']}\n", FAMILY("Duty=example.org/")},
        {"gates: {families: ['duty=example.org/a b']}\n", FAMILY("duty=example.org/a b")},
        {"pace: {stale_after: 14s}\n",
         "f.yaml:1:21: pace.stale_after: 14s is out of range: 15s to 1h"},
        {"store: {wal_limit: 8GiB}\n",
         "f.yaml:1:20: store.wal_limit: 8GiB is out of range: 1MiB to 4GiB"},
        {"pace: {slow_factor: 99%}\n",
         "f.yaml:1:21: pace.slow_factor: 99% is out of range: 100% to 10000%"},
        {"pace: {slow_factor: 400%}\n",
         "f.yaml:1:21: pace.stuck_factor (300%) must be above pace.slow_factor (400%)"},
        {"pace:\n  slow_factor: 400%\n  stuck_factor: 400%\n",
         "f.yaml:3:17: pace.stuck_factor (400%) must be above pace.slow_factor (400%)"},
        {"pace:\n  overrides:\n    - {namespace: shop, runbook: \"javascript:alert(1)\"}\n",
         "f.yaml:3:34: runbook: \"javascript:alert(1)\" is not an http:// or https:// address"},
        {"pace: {overrides: [{runbook: /wiki}]}\n",
         "f.yaml:1:30: runbook: \"/wiki\" is not an http:// or https:// address"},
        {"pace: {overrides: [{runbook: \"https://w/a b\"}]}\n",
         "f.yaml:1:30: runbook: \"https://w/a b\" is not an http:// or https:// address"},
        {"external_url: gate.example\n",
         "f.yaml:1:15: external_url: \"gate.example\" is not an http:// or https:// address"},
        {"alerts:\n  receivers:\n    - name: x\n      url: ftp://h/\n",
         "f.yaml:4:12: url: \"ftp://h/\" is not an http:// or https:// address"},
        {"alerts:\n  receivers:\n    - name: x\n      url: http://h/\n"
         "      types: [rollout.stuck,\n        rollout.stuk]\n",
         "f.yaml:6:9: types: \"rollout.stuk\" is not one of " CONFIG_ALERT_TYPES},
        {"alerts:\n  receivers:\n    - name: x\n      format: smtp\n",
         "f.yaml:4:15: format: \"smtp\" is not one of standard|alertmanager"},
        {"alerts:\n  recievers: []\n", "f.yaml:2:3: alerts.recievers: there is no such option"},
        {"alerts:\n  receivers:\n    - {name: x, url: http://h/, secrets: y}\n",
         "f.yaml:3:33: secrets: there is no such option"},
        {"access:\n  tokens:\n    - {name: x, sha256: y}\n",
         "f.yaml:3:25: sha256: this is not 64 lower-case hex digits"},
        {"alerts:\n  receivers:\n    - name: x\n      url: http://h/\n"
         "      secret: whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=3\n",
         "f.yaml:3:7: alerts.receivers: secret must be whsec_ and base64 of 24 to 64 bytes"},
        {"http: {drain: 99999999999999999999h}\n",
         "f.yaml:1:15: http.drain: \"99999999999999999999h\" is not a duration such as 250ms, 90s, "
         "5m, 1h30m or 7d"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const struct config *c = NULL;
        struct err err = {0};
        assert_false(config_parse("f.yaml", bad[i].text, strlen(bad[i].text), &c, &err));
        assert_string_equal(err.text, bad[i].message);
        assert_int_equal(err.code, ERR_INPUT);
    }
}

static const char *fake_env(const char *name)
{
    if (strcmp(name, "GATEHOUSE_KUBERNETES_PAGE_SIZE") == 0) {
        return "7";
    }
    return strcmp(name, "GATEHOUSE_THREADS") == 0 ? "3" : NULL;
}

static void given_all_layers_when_loaded_then_flag_beats_environment_beats_file(void **state)
{
    (void)state;
    char path[] = "/tmp/gatehouse-config-XXXXXX";
    int fd = mkstemp(path);
    FILE *f = fdopen(fd, "w");
    assert_non_null(f);
    assert_true(fputs("threads: 2\nkubernetes: {page_size: 5}\ndb: file.db\n", f) >= 0);
    assert_int_equal(fclose(f), 0);
    const struct config_flag flags[] = {{"threads", "4"}};
    const struct config_input in = {path, flags, 1, fake_env};
    const struct config *c = NULL;
    struct err err = {0};
    assert_true(config_load(&in, &c, &err));
    assert_int_equal(c->threads, 4);
    assert_int_equal(c->page_size, 7);
    assert_string_equal(c->db, "file.db");
    config_unref(c);
    assert_int_equal(remove(path), 0);
    assert_false(config_load(&in, &c, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
}

static const char *open_env(const char *name)
{
    return strcmp(name, "GATEHOUSE_LISTEN") == 0 ? "0.0.0.0:80" : NULL;
}

static void given_impossible_values_when_loaded_then_who_gave_them_is_named(void **state)
{
    (void)state;
    static const struct {
        struct config_flag flag;
        const char *message;
    } bad[] = {
        {{"pace.stuck_factor", "200%"},
         "flag --pace-stuck-factor: pace.stuck_factor (200%) must be above pace.slow_factor "
         "(200%)"},
        {{"pace.slow_factor", "99%"},
         "flag --pace-slow-factor: 99% is out of range: 100% to 10000%"},
        {{"gates.families", "a=b.c/,d"},
         "flag --gates-families: \"d\" is not NAME=PREFIX, a word "
         "in lower case and a beginning of condition types with "
         "its domain, as in kapacity=kapacity.traas.io/"},
        {{"threads", "2"},
         "environment GATEHOUSE_LISTEN: listen: 0.0.0.0:80 is not a loopback "
         "address, so access.tokens must name at least one token"},
        {{"listen", "[::]:80"},
         "flag --listen: listen: [::]:80 is not a loopback address, so "
         "access.tokens must name at least one token"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const struct config_input in = {NULL, &bad[i].flag, 1, open_env};
        const struct config *c = NULL;
        struct err err = {0};
        assert_false(config_load(&in, &c, &err));
        assert_string_equal(err.text, bad[i].message);
        assert_int_equal(err.code, ERR_INPUT);
    }
}

static void given_flag_names_when_looked_up_then_keys(void **state)
{
    (void)state;
    assert_string_equal(config_flag_key("kubeconfig"), "kubernetes.kubeconfig");
    assert_string_equal(config_flag_key("store-wal-limit"), "store.wal_limit");
    assert_null(config_flag_key("nothing"));
    assert_true(config_flag_is_bool("kubernetes.protobuf"));
}

static char asked[1 << 14];

static const char *note_env(const char *name)
{
    assert_true(strlen(asked) + strlen(name) + 2 < sizeof asked);
    strcat(strcat(asked, name), " ");
    return NULL;
}

static void given_the_flag_help_when_read_then_each_is_a_flag_and_has_its_variable(void **state)
{
    (void)state;
    AUTO(buf) help = BUF_INIT(1 << 16);
    const struct config_input in = {NULL, NULL, 0, note_env};
    const struct config *c = NULL;
    struct err err = {0};
    assert_true(config_load(&in, &c, &err));
    config_unref(c);
    config_flag_help(&help);
    int flags = 0;
    for (char *line = strtok(help.data, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        char flag[64] = "";
        char name[80] = "GATEHOUSE_";
        assert_int_equal(sscanf(line, " --%63s", flag), 1);
        assert_non_null(config_flag_key(flag));
        for (size_t i = 0; i <= strlen(flag); i++) {
            name[10 + i] = flag[i] == '-' ? '_' : (char)toupper((unsigned char)flag[i]);
        }
        if (strstr(asked, strcat(name, " ")) == NULL) {
            fail_msg("nobody asks for %s", name);
        }
        flags++;
    }
    assert_true(flags > 30);
}

static const struct config *parsed(const char *text)
{
    const struct config *c = NULL;
    struct err err = {0};
    assert_true(config_parse("x", text, strlen(text), &c, &err));
    return c;
}

static void given_two_configurations_when_compared_then_what_needs_a_restart_is_named(void **state)
{
    (void)state;
    const struct config *a = parsed("pace: {stuck_factor: 300%}\naws: {burst: 5}\n"
                                    "kubernetes: {namespaces: [a, b]}\n");
    const struct config *b = parsed("pace: {stuck_factor: 400%}\naws: {burst: 6}\n"
                                    "kubernetes: {namespaces: [a]}\n");
    AUTO(buf) out = BUF_INIT(1000);
    config_diff_restart(a, a, &out);
    assert_int_equal(out.len, 0);
    config_diff_restart(a, b, &out);
    assert_string_equal(buf_str(&out), "kubernetes.namespaces,aws.burst");
    config_unref(a);
    config_unref(b);
}

static void given_an_address_when_asked_then_open_or_loopback(void **state)
{
    (void)state;
    static const struct {
        const char *listen;
        bool open;
    } cases[] = {{"127.0.0.1:0", false},  {"127.8.0.1:80", false},  {"'[::1]:80'", false},
                 {"localhost:80", false}, {"0.0.0.0:80", true},     {"'[::]:80'", true},
                 {"10.0.0.1:80", true},   {"gate.example:80", true}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char yaml[256];
        (void)snprintf(yaml, sizeof yaml,
                       "listen: %s\naccess: {tokens: [{name: a, sha256: "
                       "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b}]}\n",
                       cases[i].listen);
        const struct config *c = parsed(yaml);
        assert_int_equal(config_is_open(c), cases[i].open);
        config_unref(c);
    }
}

static void
given_the_table_when_written_as_example_then_it_is_the_file_and_parses_to_the_defaults(void **state)
{
    (void)state;
    AUTO(buf) b = BUF_INIT(1 << 20);
    config_example(&b);
    const struct config *c = NULL;
    struct err err = {0};
    assert_true(config_parse("example", b.data, b.len, &c, &err));
    assert_int_equal(c->stuck_factor_percent, 300);
    config_unref(c);
    FILE *f = fopen(SOURCE_DIR "/config/example.yaml", "r");
    assert_non_null(f);
    AUTO_FREE char *text = calloc(1, 1 << 20);
    assert_non_null(text);
    size_t n = fread(text, 1, (1 << 20) - 1, f);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(n, b.len);
    assert_string_equal(text, b.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_a_file_when_parsed_then_every_type_lands),
        cmocka_unit_test(given_bad_files_when_parsed_then_the_place_is_named),
        cmocka_unit_test(given_all_layers_when_loaded_then_flag_beats_environment_beats_file),
        cmocka_unit_test(given_impossible_values_when_loaded_then_who_gave_them_is_named),
        cmocka_unit_test(given_flag_names_when_looked_up_then_keys),
        cmocka_unit_test(given_the_flag_help_when_read_then_each_is_a_flag_and_has_its_variable),
        cmocka_unit_test(given_two_configurations_when_compared_then_what_needs_a_restart_is_named),
        cmocka_unit_test(given_an_address_when_asked_then_open_or_loopback),
        cmocka_unit_test(
            given_the_table_when_written_as_example_then_it_is_the_file_and_parses_to_the_defaults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
