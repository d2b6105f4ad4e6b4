/* gatehouse completion: what the table of commands says, in the language of a shell. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "cli/command.h"

enum { SCRIPT_BYTES = 256 << 10 };

/* Adds text inside single quotes of a shell; zsh also wants colons and brackets kept apart. */
static void add_quoted(struct buf *out, const char *text, const char *escape)
{
    for (const char *p = text; *p != '\0'; p++) {
        if (*p == '\'') {
            (void)buf_addz(out, "'\\''");
            continue;
        }
        if (strchr(escape, *p) != NULL) {
            (void)buf_addc(out, '\\');
        }
        (void)buf_addc(out, *p);
    }
}

/* Names of the options that a command takes as flags, one a line, from their help. */
static void option_flags(struct buf *out)
{
    AUTO(buf) help = BUF_INIT(SCRIPT_BYTES);
    config_flag_help(&help);
    for (const char *p = buf_str(&help); *p != '\0';) {
        const char *name = strstr(p, "--");
        if (name == NULL) {
            return;
        }
        (void)buf_add(out, name, strcspn(name, " "));
        (void)buf_addc(out, '\n');
        p = name + strcspn(name, "\n");
    }
}

static void flags_of(const struct command *cmd, char between, struct buf *out)
{
    (void)buf_addz(out, "--help");
    for (const struct command_flag *f = cmd->flags; f != NULL && f->name != NULL; f++) {
        (void)buf_addf(out, "%c--%s", between, f->name);
    }
    if (cmd->takes_options) {
        AUTO(buf) options = BUF_INIT(SCRIPT_BYTES);
        option_flags(&options);
        for (const char *p = buf_str(&options); *p != '\0'; p += strcspn(p, "\n") + 1) {
            (void)buf_addc(out, between);
            (void)buf_add(out, p, strcspn(p, "\n"));
        }
    }
}

static void bash(const struct command *all, size_t n, struct buf *out)
{
    (void)buf_addz(out, "_gatehouse() {\n"
                        "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
                        "    COMPREPLY=()\n"
                        "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
                        "        COMPREPLY=($(compgen -W '");
    for (size_t i = 0; i < n; i++) {
        (void)buf_addf(out, "%s%s", i > 0 ? " " : "", all[i].name);
    }
    (void)buf_addz(
        out, "' -- \"$cur\"))\n        return\n    fi\n"
             "    case $prev in\n"
             "    --output|-o) COMPREPLY=($(compgen -W 'text json' -- \"$cur\")); return ;;\n"
             "    --for) COMPREPLY=($(compgen -W 'serving complete' -- \"$cur\")); return ;;\n"
             "    completion) COMPREPLY=($(compgen -W 'bash zsh fish' -- \"$cur\")); return ;;\n"
             "    esac\n"
             "    case ${COMP_WORDS[1]} in\n");
    for (size_t i = 0; i < n; i++) {
        (void)buf_addf(out, "    %s) COMPREPLY=($(compgen -W '", all[i].name);
        flags_of(&all[i], ' ', out);
        (void)buf_addz(out, "' -- \"$cur\")) ;;\n");
    }
    (void)buf_addz(out, "    esac\n}\ncomplete -o default -F _gatehouse gatehouse kubectl-gates\n");
}

static void zsh(const struct command *all, size_t n, struct buf *out)
{
    (void)buf_addz(out, "#compdef gatehouse kubectl-gates\n_gatehouse() {\n"
                        "    local -a commands\n    commands=(\n");
    for (size_t i = 0; i < n; i++) {
        (void)buf_addf(out, "        '%s:", all[i].name);
        add_quoted(out, all[i].summary, ":");
        (void)buf_addz(out, "'\n");
    }
    (void)buf_addz(out, "    )\n    if ((CURRENT == 2)); then\n"
                        "        _describe command commands\n        return\n    fi\n"
                        "    case $words[2] in\n");
    for (size_t i = 0; i < n; i++) {
        (void)buf_addf(out, "    %s) _arguments '--help[print help]'", all[i].name);
        for (const struct command_flag *f = all[i].flags; f != NULL && f->name != NULL; f++) {
            (void)buf_addf(out, " '--%s[", f->name);
            add_quoted(out, f->help, "[]:");
            (void)buf_addz(out, "]");
            if (f->value != NULL) {
                (void)buf_addf(out, ":%s:%s", f->value,
                               strcmp(f->name, "output") == 0  ? "(text json)"
                               : strcmp(f->value, "FILE") == 0 ? "_files"
                                                               : "");
            }
            (void)buf_addz(out, "'");
        }
        (void)buf_addf(out, " '*:argument:%s' ;;\n",
                       strcmp(all[i].name, "completion") == 0 ? "(bash zsh fish)" : "_files");
    }
    (void)buf_addz(out, "    esac\n}\n"
                        "if [ \"$funcstack[1]\" = _gatehouse ]; then _gatehouse \"$@\"; "
                        "else compdef _gatehouse gatehouse kubectl-gates; fi\n");
}

static void fish(const struct command *all, size_t n, struct buf *out)
{
    for (size_t i = 0; i < n; i++) {
        (void)buf_addf(out, "complete -c gatehouse -n __fish_use_subcommand -f -a %s -d '",
                       all[i].name);
        add_quoted(out, all[i].summary, "");
        (void)buf_addz(out, "'\n");
    }
    for (size_t i = 0; i < n; i++) {
        for (const struct command_flag *f = all[i].flags; f != NULL && f->name != NULL; f++) {
            (void)buf_addf(out, "complete -c gatehouse -n '__fish_seen_subcommand_from %s' -l %s",
                           all[i].name, f->name);
            if (f->letter != 0) {
                (void)buf_addf(out, " -s %c", f->letter);
            }
            (void)buf_addf(out, "%s -d '", f->value != NULL ? " -r" : "");
            add_quoted(out, f->help, "");
            (void)buf_addz(out, "'\n");
        }
    }
    (void)buf_addz(out, "complete -c gatehouse -n '__fish_seen_subcommand_from completion' -f -a "
                        "'bash zsh fish'\ncomplete -c kubectl-gates -w gatehouse\n");
}

int command_completion(const struct args *args)
{
    size_t n = 0;
    const struct command *all = command_all(&n);
    AUTO(buf) out = BUF_INIT(SCRIPT_BYTES);
    const char *shell = args->n_words == 1 ? args->words[0] : "";
    if (strcmp(shell, "bash") == 0) {
        bash(all, n, &out);
    } else if (strcmp(shell, "zsh") == 0) {
        zsh(all, n, &out);
    } else if (strcmp(shell, "fish") == 0) {
        fish(all, n, &out);
    } else {
        return usage_error("completion", "bash, zsh or fish is wanted");
    }
    return fputs(buf_str(&out), stdout) < 0 ? EXIT_FAILED : EXIT_FINE;
}
