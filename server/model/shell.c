/* Words for a shell: names come from objects, and objects can be named by anybody. */
#include "model/shell.h"

#include <string.h>

static bool is_plain(const char *text)
{
    return text[0] != '\0' &&
           text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                             "._:/@%+=,-")] == '\0';
}

const char *shell_word(struct arena *a, const char *text)
{
    if (is_plain(text)) {
        return text;
    }
    const char *out = "'";
    for (const char *at = text; *at != '\0';) {
        size_t n = strcspn(at, "'");
        out = arena_printf(a, "%s%.*s%s", out, (int)n, at, at[n] == '\'' ? "'\\''" : "");
        at += n + (at[n] == '\'' ? 1 : 0);
    }
    return arena_printf(a, "%s'", out);
}
