/* The table of commands, help, and the small commands that need no file of their own. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "cli/client.h"

#define NAMESPACE_FLAG                                                                             \
    {                                                                                              \
        "namespace", "NS", "stands before the argument", 'n'                                       \
    }
#define PIN_FLAGS                                                                                  \
    {"for", "WHAT", "serving (default) or complete", 0},                                           \
        {"revision", "REV", "number or hash of the revision that is meant", 0},                    \
        {"image", "IMAGE", "image that the revision that is meant has", 0},                        \
    {                                                                                              \
        "generation", "N", "metadata.generation that is meant, or a newer one", 0                  \
    }

static const struct command_flag serve_flags[] = {
    {"config", "FILE", "configuration file (YAML); without one every option has its default", 'c'},
    {NULL, NULL, NULL, 0}};
static const struct command_flag check_flags[] = {
    {"example", NULL, "print a file with every option and its default", 0}, {NULL, NULL, NULL, 0}};
static const struct command_flag status_flags[] = {
    NAMESPACE_FLAG,
    {"state", "STATES", "only rollouts in these states (comma list)", 0},
    {"selector", "LABELS", "only rollouts with these labels, as in kubectl", 'l'},
    CLIENT_FLAGS,
    {NULL, NULL, NULL, 0}};
static const struct command_flag wait_flags[] = {
    NAMESPACE_FLAG,
    PIN_FLAGS,
    {"timeout", "DURATION", "give up after (default 10m, 0 = never)", 't'},
    CLIENT_FLAGS,
    {NULL, NULL, NULL, 0}};
static const struct command_flag gate_flags[] = {
    NAMESPACE_FLAG, PIN_FLAGS, CLIENT_FLAGS, {NULL, NULL, NULL, 0}};
static const struct command_flag explain_flags[] = {
    NAMESPACE_FLAG, CLIENT_FLAGS, {NULL, NULL, NULL, 0}};

static const struct command_flag refresh_flags[] = {
    NAMESPACE_FLAG,
    {"timeout", "DURATION", "wait for ELBv2's answer at most (default 30s)", 't'},
    CLIENT_FLAGS,
    {NULL, NULL, NULL, 0}};
static const struct command_flag preflight_flags[] = {
    {"file", "FILE", "manifests: YAML or JSON, - for standard input", 'f'},
    {"db", "FILE", "judge against this database of gatehouse instead of asking a server", 0},
    {"namespace", "NS", "of objects that name none (default: default)", 'n'},
    {"fail-on", "SEVERITY", "error (default) or warning ends with code 1", 0},
    CLIENT_FLAGS,
    {NULL, NULL, NULL, 0}};

static const struct command commands[] = {
    {"serve", "", "watch the cluster and serve dashboard, API and alerts", true, serve_flags,
     command_serve},
    {"status", "[NAMESPACE[/[KIND/]NAME]]", "rollouts worst first, or one with its causes", false,
     status_flags, command_status},
    {"wait", "NAMESPACE/[KIND/]NAME", "wait until a rollout serves, fails or is superseded", false,
     wait_flags, command_wait},
    {"gate", "NAMESPACE/[KIND/]NAME", "does a rollout serve now? for scripts", false, gate_flags,
     command_gate},
    {"explain", "NAMESPACE/[KIND/]NAME", "what holds a rollout: evidence, action, commands", false,
     explain_flags, command_explain},
    {"refresh", "NAMESPACE/[KIND/]NAME",
     "ask ELBv2 now about a rollout's target groups, show what it says", false, refresh_flags,
     command_refresh},
    {"causes", "", "the catalogue: every code with its section, usual severity and title", false,
     NULL, command_causes},
    {"preflight", "", "would the pods of these manifests be gated, could their gates open?", false,
     preflight_flags, command_preflight},
    {"check-config", "FILE", "read a configuration file and say what is wrong with it", false,
     check_flags, command_check_config},
    {"completion", "bash|zsh|fish", "print the shell's completions", false, NULL,
     command_completion},
    {"version", "", "print the version", false, NULL, command_version},
};
enum { COMMANDS = sizeof commands / sizeof commands[0] };

const struct command *command_all(size_t *ret_n)
{
    *ret_n = COMMANDS;
    return commands;
}

static const struct command *command_find(const char *name)
{
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

int usage_error(const char *command, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)fprintf(stderr, "gatehouse%s%s: ", command[0] != '\0' ? " " : "", command);
    (void)vfprintf(stderr, fmt, ap);
    (void)fprintf(stderr, "\nTry: gatehouse%s%s --help\n", command[0] != '\0' ? " " : "", command);
    va_end(ap);
    return EXIT_USAGE;
}

#define EXIT_CODES                                                                                 \
    "Exit codes: 0 serving or fine, 1 failed, 2 usage, 3 timeout, 4 superseded, 5 unreachable or " \
    "stale."

static int help_all(void)
{
    (void)puts("gatehouse: is this rollout really serving behind its load balancer, and if not, "
               "what holds it?\n\nUsage: gatehouse COMMAND [flags]\n");
    for (size_t i = 0; i < COMMANDS; i++) {
        (void)printf("  %-14s %s\n", commands[i].name, commands[i].summary);
    }
    (void)puts("\ngatehouse COMMAND --help lists the flags of a command.\n" EXIT_CODES);
    return EXIT_FINE;
}

/* It talks to a server: its exit code says what came of it. */
static bool is_client(const struct command *cmd)
{
    for (const struct command_flag *f = cmd->flags; f != NULL && f->name != NULL; f++) {
        if (strcmp(f->name, "server") == 0) {
            return true;
        }
    }
    return false;
}

static int help_command(const struct command *cmd)
{
    (void)printf("Usage: gatehouse %s%s%s [flags]\n\n%s\n", cmd->name,
                 cmd->words[0] != '\0' ? " " : "", cmd->words, cmd->summary);
    if (cmd->flags != NULL) {
        (void)puts("\nFlags:");
    }
    for (const struct command_flag *f = cmd->flags; f != NULL && f->name != NULL; f++) {
        char text[64];
        char letter[] = {'-', f->letter, ',', '\0'};
        (void)snprintf(text, sizeof text, "--%s%s%s", f->name, f->value != NULL ? " " : "",
                       f->value != NULL ? f->value : "");
        (void)printf("  %3s %-28s %s\n", f->letter != 0 ? letter : "", text, f->help);
    }
    if (cmd->takes_options) {
        AUTO(buf) out = BUF_INIT(64 << 10);
        config_flag_help(&out);
        (void)printf("\nOptions (also in the file and as GATEHOUSE_SECTION_KEY):\n%s"
                     "  --%-30s same as --kubernetes-kubeconfig\n"
                     "  --%-30s same as --kubernetes-context\n",
                     buf_str(&out), "kubeconfig", "context");
    }
    if (is_client(cmd)) {
        (void)puts("\n" EXIT_CODES);
    }
    return EXIT_FINE;
}

int command_version(const struct args *args)
{
    (void)args;
    return puts("gatehouse " GATEHOUSE_VERSION) < 0 ? EXIT_FAILED : EXIT_FINE;
}

int cli_main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "--help";
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        const struct command *about = argc > 2 ? command_find(argv[2]) : NULL;
        return about != NULL ? help_command(about) : help_all();
    }
    if (strcmp(name, "--version") == 0) {
        name = "version";
    }
    const struct command *cmd = command_find(name);
    if (cmd == NULL) {
        return usage_error("", "%s: there is no such command", name);
    }
    struct args args;
    struct err err = {0};
    if (!args_parse(cmd, argc - 2, argv + 2, &args, &err)) {
        return usage_error(cmd->name, "%s", err.text);
    }
    return args.help ? help_command(cmd) : cmd->run(&args);
}
