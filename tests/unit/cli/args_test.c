/* Arguments: forms of flags, which flags a command takes, and errors that name the argument. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/command.h"

static const struct command_flag own[] = {
    {"config", "FILE", "", 'c'}, {"example", NULL, "", 'e'}, {NULL, NULL, NULL, 0}};
static const struct command with_options = {
    .name = "serve", .words = "", .summary = "", .takes_options = true, .flags = own};
static const struct command plain = {.name = "x", .words = "", .summary = "", .flags = own};

enum { MAX_ARGV = 6 };
struct parse_case {
    const char *argv[MAX_ARGV];
    const struct command *cmd;
    const char *key;   /* expected flag */
    const char *value; /* its value; NULL = not given */
    const char *error; /* part of the message; NULL = no error */
    size_t words;
};

static const struct parse_case cases[] = {
    {{"--config", "a.yaml"}, &with_options, "config", "a.yaml", NULL, 0},
    {{"--config=a=b"}, &with_options, "config", "a=b", NULL, 0},
    {{"--listen", "127.0.0.1:0"}, &with_options, "listen", "127.0.0.1:0", NULL, 0},
    {{"--kubeconfig", "k"}, &with_options, "kubernetes.kubeconfig", "k", NULL, 0},
    {{"--kubernetes-page-size=7"}, &with_options, "kubernetes.page_size", "7", NULL, 0},
    {{"--kubernetes-protobuf"}, &with_options, "kubernetes.protobuf", "true", NULL, 0},
    {{"--kubernetes-protobuf=false", "w"}, &with_options, "kubernetes.protobuf", "false", NULL, 1},
    {{"--db", "a", "--db", "b"}, &with_options, "db", "b", NULL, 0},
    {{"--example"}, &with_options, "example", "", NULL, 0},
    {{"--", "--config"}, &with_options, "config", NULL, NULL, 1},
    {{"--config"}, &with_options, NULL, NULL, "--config: a value must follow", 0},
    {{"--nonsense"}, &with_options, NULL, NULL, "--nonsense: there is no such flag", 0},
    {{"-x"}, &with_options, NULL, NULL, "-x: there is no such flag", 0},
    {{"-c", "a.yaml", "w"}, &plain, "config", "a.yaml", NULL, 1},
    {{"-ca.yaml"}, &plain, "config", "a.yaml", NULL, 0},
    {{"-e", "-"}, &plain, "example", "", NULL, 1},
    {{"-ex"}, &plain, NULL, NULL, "-ex: there is no such flag", 0},
    {{"-c"}, &plain, NULL, NULL, "-c: a value must follow", 0},
    {{"--listen", "x"}, &plain, NULL, NULL, "--listen: there is no such flag", 0},
};

static void test_flags(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct parse_case *c = &cases[i];
        int argc = 0;
        char *argv[MAX_ARGV + 1] = {NULL};
        while (argc < MAX_ARGV && c->argv[argc] != NULL) {
            argv[argc] = (char *)(uintptr_t)c->argv[argc];
            argc++;
        }
        struct args args;
        struct err err = {0};
        bool ok = args_parse(c->cmd, argc, argv, &args, &err);
        assert_int_equal(ok, c->error == NULL);
        if (!ok) {
            assert_non_null(strstr(err.text, c->error));
            continue;
        }
        const char *value = args_get(&args, c->key);
        assert_int_equal(value != NULL, c->value != NULL);
        if (value != NULL) {
            assert_string_equal(value, c->value);
        }
        assert_int_equal(args.n_words, c->words);
    }
}

static void test_exit_codes_of_small_commands(void **state)
{
    (void)state;
    char *version[] = {(char *)(uintptr_t) "gatehouse", (char *)(uintptr_t) "version", NULL};
    char *unknown[] = {(char *)(uintptr_t) "gatehouse", (char *)(uintptr_t) "frobnicate", NULL};
    char *check[] = {(char *)(uintptr_t) "gatehouse", (char *)(uintptr_t) "check-config",
                     (char *)(uintptr_t) "/nowhere/x.yaml", NULL};
    char *example[] = {(char *)(uintptr_t) "gatehouse", (char *)(uintptr_t) "check-config",
                       (char *)(uintptr_t)SOURCE_DIR "/config/example.yaml", NULL};
    assert_int_equal(cli_main(2, version), EXIT_FINE);
    assert_int_equal(cli_main(2, unknown), EXIT_USAGE);
    assert_int_equal(cli_main(3, check), EXIT_FAILED);
    assert_int_equal(cli_main(3, example), EXIT_FINE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_flags),
                                       cmocka_unit_test(test_exit_codes_of_small_commands)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
