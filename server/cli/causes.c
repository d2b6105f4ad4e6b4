/* gatehouse causes: the catalogue, one row a code, for whoever routes alerts or greps answers. */
#include <stdio.h>

#include "cli/command.h"
#include "model/cause.h"

int command_causes(const struct args *args)
{
    unsigned n = 0;
    const struct cause *causes = cause_all(&n);
    if (args->n_words != 0) {
        return usage_error("causes", "no argument is wanted");
    }
    for (unsigned i = 0; i < n; i++) {
        const struct cause *c = &causes[i];
        if (printf("%-36s %-13s %-8s %-9s %s\n", c->code, c->section, severity_name(c->severity),
                   c->terminal ? "terminal" : "-", c->title) < 0) {
            return EXIT_FAILED;
        }
    }
    return fflush(stdout) == 0 ? EXIT_FINE : EXIT_FAILED;
}
