/* config/example.yaml and the flag help, written from the option table, so that they cannot be out
 * of step. */
#include <stdio.h>
#include <string.h>

#include "config/config.h"
#include "config/table.h"

static void add_range(const struct option *o, struct buf *out)
{
    if (o->type == OPTION_ENUM) {
        (void)buf_addf(out, " [%s]", o->words);
    } else if (o->max != 0) {
        char min[OPTION_NUMBER_SIZE];
        char max[OPTION_NUMBER_SIZE];
        option_print(o, o->min, min);
        option_print(o, o->max, max);
        (void)buf_addf(out, " [%s to %s]", min, max);
    }
    if (o->reload) {
        (void)buf_addz(out, " (reload)");
    }
}

static void add_value(const struct option *o, const char *def, struct buf *out)
{
    if (o->type == OPTION_TEXTS) {
        (void)buf_addz(out, "[]");
    } else if (def[0] == '\0') {
        (void)buf_addz(out, "\"\"");
    } else if (strpbrk(def, ":%") != NULL) {
        (void)buf_addf(out, "\"%s\"", def);
    } else {
        (void)buf_addz(out, def);
    }
}

static void add_records(const struct option *o, const char *name, struct buf *out)
{
    (void)buf_addf(out, "  %s: []\n", name);
    for (size_t i = 0; i < o->sub->n; i++) {
        const struct option *f = &o->sub->options[i];
        (void)buf_addf(out, "  #   %s %s: ", i == 0 ? "-" : " ", f->key);
        if (f->def != NULL) {
            add_value(f, f->def, out);
        } else {
            (void)buf_addz(out, "...");
        }
        (void)buf_addf(out, "  # %s", f->help);
        add_range(f, out);
        (void)buf_addc(out, '\n');
    }
}

void config_example(struct buf *out)
{
    (void)buf_addz(
        out, "# Every option with its default. Written by `gatehouse check-config --example`: do "
             "not edit by hand.\n"
             "# Order of strength: flag (--section-key) > environment (GATEHOUSE_SECTION_KEY) > "
             "this file > default.\n"
             "# (reload) marks what SIGHUP or POST /-/reload applies; the rest needs a restart.\n");
    char section[64] = "";
    for (size_t i = 0; i < config_table.n; i++) {
        const struct option *o = &config_table.options[i];
        const char *dot = strchr(o->key, '.');
        size_t len = dot != NULL ? (size_t)(dot - o->key) : 0;
        if (strlen(section) != len || strncmp(section, o->key, len) != 0) {
            (void)snprintf(section, sizeof section, "%.*s", (int)len, o->key);
            (void)buf_addf(out, "\n%s:\n", section);
        }
        const char *name = dot != NULL ? dot + 1 : o->key;
        const char *indent = dot != NULL ? "  " : "";
        (void)buf_addf(out, "%s# %s", indent, o->help);
        add_range(o, out);
        (void)buf_addc(out, '\n');
        if (o->type == OPTION_RECORDS) {
            add_records(o, name, out);
            continue;
        }
        (void)buf_addf(out, "%s%s: ", indent, name);
        add_value(o, o->def, out);
        (void)buf_addc(out, '\n');
    }
}

void config_flag_help(struct buf *out)
{
    for (size_t i = 0; i < config_table.n; i++) {
        const struct option *o = &config_table.options[i];
        if (o->type == OPTION_RECORDS) {
            continue;
        }
        char flag[64];
        (void)snprintf(flag, sizeof flag, "%s", o->key);
        for (char *p = flag; *p != '\0'; p++) {
            *p = *p == '.' || *p == '_' ? '-' : *p;
        }
        (void)buf_addf(out, "  --%-30s %s (default %s)\n", flag, o->help,
                       o->def[0] != '\0' ? o->def : "empty");
    }
}
