/* gatehouse explain: what holds a rollout, with evidence, action and commands, as the server says
 * it. */
#include <stdio.h>

#include "cli/client.h"

int command_explain(const struct args *args)
{
    struct client c;
    struct client_target t;
    int code = client_open("explain", args, &c);
    if (code != EXIT_FINE) {
        return code;
    }
    if (args->n_words != 1) {
        return usage_error("explain", "one NAMESPACE/[KIND/]NAME is wanted");
    }
    code = client_target_read(&c, args, args->words[0], &t);
    if (code == EXIT_FINE) {
        code = client_target_kind(&c, &t, NULL);
    }
    if (code != EXIT_FINE) {
        return code;
    }
    struct err err = {0};
    AUTO(buf) path = BUF_INIT(CLIENT_PATH_BYTES);
    AUTO(buf) out = BUF_INIT(CLIENT_BODY_BYTES);
    AUTO(http_response) r = {0};
    client_rollout_path(&c, &t, "/explain", &path);
    struct client_call call = {.path = buf_str(&path),
                               .accept = c.json ? "application/json" : "text/plain"};
    if (!client_call(&c, &call, &r, &err)) {
        (void)fprintf(stderr, "gatehouse explain: %s\n", err.text);
        return EXIT_UNREACHABLE;
    }
    if (r.status != 200) {
        return client_complain(&c, &r);
    }
    text_clean(&out, buf_str(&r.body), true);
    if (c.json) {
        (void)buf_addc(&out, '\n');
    }
    return text_print(&out);
}
