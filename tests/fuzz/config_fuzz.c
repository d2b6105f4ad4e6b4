/* Configuration text of any kind: an error with a place or a configuration, never a crash. */
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct config *c = NULL;
    struct err err = {0};
    if (config_parse("fuzz", (const char *)data, size, &c, &err)) {
        config_unref(c);
    }
    return 0;
}
