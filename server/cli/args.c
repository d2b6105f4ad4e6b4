/*
 * Arguments: --flag value, --flag=value, -f value, -fvalue, -h; "--" ends flags, "-" is a word. A
 * flag is one of the command's own, or (for commands that take options) the name of a configuration
 * option.
 */
#include <string.h>

#include "cli/command.h"

static const struct command_flag *own_flag(const struct command *cmd, const char *name)
{
    for (const struct command_flag *f = cmd->flags; f != NULL && f->name != NULL; f++) {
        if (strcmp(f->name, name) == 0) {
            return f;
        }
    }
    return NULL;
}

/* The key and whether a value must follow. */
static bool look_up(const struct command *cmd, const char *name, const char **ret_key,
                    bool *ret_value)
{
    const struct command_flag *own = own_flag(cmd, name);
    if (own != NULL) {
        *ret_key = own->name;
        *ret_value = own->value != NULL;
        return true;
    }
    *ret_key = cmd->takes_options ? config_flag_key(name) : NULL;
    *ret_value = *ret_key != NULL && !config_flag_is_bool(*ret_key);
    return *ret_key != NULL;
}

static bool parse_flag(const struct command *cmd, char **argv, int argc, int *at, struct args *ret,
                       struct err *err)
{
    const char *text = argv[*at] + 2;
    const char *equals = strchr(text, '=');
    char name[64];
    size_t len = equals != NULL ? (size_t)(equals - text) : strlen(text);
    if (len == 0 || len >= sizeof name) {
        return err_set(err, ERR_INPUT, "%s: not a flag", argv[*at]);
    }
    memcpy(name, text, len);
    name[len] = '\0';
    struct config_flag flag = {.value = equals != NULL ? equals + 1 : ""};
    bool wants_value = false;
    if (!look_up(cmd, name, &flag.key, &wants_value)) {
        return err_set(err, ERR_INPUT, "--%s: there is no such flag", name);
    }
    if (wants_value && equals == NULL) {
        if (*at + 1 >= argc) {
            return err_set(err, ERR_INPUT, "--%s: a value must follow", name);
        }
        flag.value = argv[++*at];
    } else if (!wants_value && equals == NULL && own_flag(cmd, name) == NULL) {
        flag.value = "true"; /* an option that is a switch */
    }
    if (ret->n_flags == ARGS_FLAGS_MAX) {
        return err_set(err, ERR_INPUT, "more than %d flags", ARGS_FLAGS_MAX);
    }
    ret->flags[ret->n_flags++] = flag;
    return true;
}

/* -o json, -ojson */
static bool parse_letter(const struct command *cmd, char **argv, int argc, int *at,
                         struct args *ret, struct err *err)
{
    const char *text = argv[*at];
    const struct command_flag *f = cmd->flags;
    while (f != NULL && f->name != NULL && f->letter != text[1]) {
        f++;
    }
    if (f == NULL || f->name == NULL || (f->value == NULL && text[2] != '\0')) {
        return err_set(err, ERR_INPUT, "%s: there is no such flag", text);
    }
    struct config_flag flag = {.key = f->name, .value = text + 2};
    if (f->value != NULL && text[2] == '\0') {
        if (*at + 1 >= argc) {
            return err_set(err, ERR_INPUT, "%s: a value must follow", text);
        }
        flag.value = argv[++*at];
    }
    if (ret->n_flags == ARGS_FLAGS_MAX) {
        return err_set(err, ERR_INPUT, "more than %d flags", ARGS_FLAGS_MAX);
    }
    ret->flags[ret->n_flags++] = flag;
    return true;
}

bool args_parse(const struct command *cmd, int argc, char **argv, struct args *ret, struct err *err)
{
    struct args args = {.n_flags = 0};
    bool flags_end = false;
    for (int i = 0; i < argc; i++) {
        const char *a = argv[i];
        if (!flags_end && strcmp(a, "--") == 0) {
            flags_end = true;
        } else if (!flags_end && (strcmp(a, "--help") == 0 || strcmp(a, "-h") == 0)) {
            args.help = true;
        } else if (!flags_end && strncmp(a, "--", 2) == 0) {
            if (!parse_flag(cmd, argv, argc, &i, &args, err)) {
                return false;
            }
        } else if (!flags_end && a[0] == '-' && a[1] != '\0') {
            if (!parse_letter(cmd, argv, argc, &i, &args, err)) {
                return false;
            }
        } else if (args.n_words == ARGS_WORDS_MAX) {
            return err_set(err, ERR_INPUT, "more than %d arguments", ARGS_WORDS_MAX);
        } else {
            args.words[args.n_words++] = a;
        }
    }
    *ret = args;
    return true;
}

const char *args_get(const struct args *args, const char *name)
{
    for (size_t i = args->n_flags; i > 0; i--) {
        if (strcmp(args->flags[i - 1].key, name) == 0) {
            return args->flags[i - 1].value;
        }
    }
    return NULL;
}
