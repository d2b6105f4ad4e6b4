/* gatehouse check-config: the file's verdict, or the example file. */
#include <stdio.h>

#include "base/buf.h"
#include "cli/command.h"

int command_check_config(const struct args *args)
{
    if (args_get(args, "example") != NULL) {
        AUTO(buf) out = BUF_INIT(256 << 10);
        config_example(&out);
        return fputs(buf_str(&out), stdout) < 0 ? EXIT_FAILED : EXIT_FINE;
    }
    if (args->n_words != 1) {
        return usage_error("check-config", "one FILE is wanted");
    }
    struct config_input in = {.file = args->words[0]};
    const struct config *config = NULL;
    struct err err = {0};
    if (!config_load(&in, &config, &err)) {
        (void)fprintf(stderr, "%s\n", err.text);
        return EXIT_FAILED;
    }
    (void)printf("%s: fine\n", args->words[0]);
    config_unref(config);
    return EXIT_FINE;
}
