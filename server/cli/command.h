/* Inside this folder: what a command is, and the arguments it got. */
#ifndef GATEHOUSE_CLI_COMMAND_H
#define GATEHOUSE_CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "cli/cli.h"
#include "config/config.h"

enum { ARGS_FLAGS_MAX = 128, ARGS_WORDS_MAX = 16 };

/* Parsed arguments: flags in order, words without a dash. All texts are borrowed from argv. */
struct args {
    struct config_flag flags[ARGS_FLAGS_MAX]; /* key: an option's key, or a command's own flag */
    size_t n_flags;
    const char *words[ARGS_WORDS_MAX];
    size_t n_words;
    bool help;
};

/* A flag of one command that is no configuration option. */
struct command_flag {
    const char *name;  /* without dashes; also its key in struct args */
    const char *value; /* "FILE", NULL = a switch */
    const char *help;
    char letter; /* "-f FILE" too; 0 = none */
};

struct command {
    const char *name;
    const char *words; /* for usage: "FILE", "" */
    const char *summary;
    bool takes_options;               /* every configuration option is a flag too */
    const struct command_flag *flags; /* NULL-name-ended; NULL = none */
    int (*run)(const struct args *args);
};

/* Reads what follows the command's name. ERR_INPUT names the argument. */
bool args_parse(const struct command *cmd, int argc, char **argv, struct args *ret,
                struct err *err) MUST_CHECK;
/* The last value of a flag ("" for a switch that was given), NULL when it was not given. */
const char *args_get(const struct args *args, const char *name);

/* A usage error on stderr; returns EXIT_USAGE. */
int usage_error(const char *command, const char *fmt, ...) FORMAT(2, 3);

/* The table, for completions. */
const struct command *command_all(size_t *ret_n);

int command_serve(const struct args *args);
int command_check_config(const struct args *args);
int command_status(const struct args *args);
int command_wait(const struct args *args);
int command_gate(const struct args *args);
int command_explain(const struct args *args);
int command_refresh(const struct args *args);
int command_causes(const struct args *args);
int command_preflight(const struct args *args);
int command_completion(const struct args *args);
int command_version(const struct args *args);

#endif
