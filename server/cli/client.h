/*
 * Inside this folder: a command that talks to a server. Where the server is, which rollout is
 * meant, one request, and what its failure means as an exit code. Everything that comes from the
 * server is foreign text: control characters never reach the terminal.
 */
#ifndef GATEHOUSE_CLI_CLIENT_H
#define GATEHOUSE_CLI_CLIENT_H

#include <jansson.h>
#include <stdint.h>

#include "base/http.h"
#include "base/own.h"
#include "cli/command.h"

DEFINE_AUTO_PTR(json_t, json_decref)

enum { CLIENT_BODY_BYTES = 16 << 20, CLIENT_PATH_BYTES = 16 << 10 };

struct client {
    const char *command; /* for messages */
    char base[1024];     /* of the server, without a slash at the end */
    char token[8192];    /* "" = none */
    const char *ca_file; /* NULL = the system's */
    const char *cluster; /* NULL = the only one */
    bool json;           /* -o json */
    bool no_proxy;       /* the server is on this machine */
};

/* Flags that every such command has, to stand in its table. */
#define CLIENT_FLAGS                                                                               \
    {"server", "URL", "of gatehouse ($GATEHOUSE_SERVER, default http://127.0.0.1:8080)", 0},       \
        {"token-file", "FILE", "bearer token ($GATEHOUSE_TOKEN_FILE)", 0},                         \
        {"ca-file", "FILE", "certificate authority of the server", 0},                             \
        {"cluster", "NAME", "where the server knows several", 0},                                  \
    {                                                                                              \
        "output", "FORMAT", "text or json", 'o'                                                    \
    }

/* Reads the flags. EXIT_FINE, or EXIT_USAGE after saying what is wrong. */
int client_open(const char *command, const struct args *args, struct client *ret);

/* What a command is about: NAMESPACE/NAME, NAMESPACE/KIND/NAME, or with --namespace KIND/NAME or
 * NAME. Texts are borrowed from the arguments or live in `room`. kind NULL = to be looked up. */
struct client_target {
    const char *namespace;
    const char *kind;
    const char *name;
    char room[1024];
    char kind_room[256];
};
/* EXIT_FINE, or EXIT_USAGE after saying what is wrong. */
int client_target_read(const struct client *c, const struct args *args, const char *word,
                       struct client_target *ret);
/* Finds the kind when it was not given; `fallback` when there is no such rollout (NULL: an error).
 * EXIT_FINE, or another code after saying why. */
int client_target_kind(const struct client *c, struct client_target *t, const char *fallback);

/* /api/v1/namespaces/NS/rollouts/KIND/NAME and `rest`, then ?cluster= when there is one. */
void client_rollout_path(const struct client *c, const struct client_target *t, const char *rest,
                         struct buf *out);
/* Adds name=value to a path, with ? or & as needed. NULL adds nothing. */
void client_param(struct buf *path, const char *name, const char *value);
void client_segment(struct buf *path, const char *text); /* /TEXT, escaped */

/* One request as the server answers it. tick is asked about once a second (NULL = never); true
 * cuts off. */
struct client_call {
    const char *path; /* with /api/v1 */
    const char *accept;
    const char *content_type; /* of the body */
    const void *body;         /* NULL = GET */
    size_t body_len;
    int64_t timeout_ms; /* 0 = 15 s */
    bool (*tick)(void *arg);
    /* Pieces of an event stream, as in struct http_request; NULL = none is asked for. */
    bool (*stream)(void *arg, const char *data, size_t len);
    void *arg; /* of both */
};
bool client_call(const struct client *c, const struct client_call *call, struct http_response *ret,
                 struct err *err) MUST_CHECK;
/* The exit code of an answer that is not what was asked for, after saying what it says. */
int client_complain(const struct client *c, const struct http_response *r);
/* GET of JSON: EXIT_FINE with *ret (the caller's reference) on 2xx, or a code after saying why. */
int client_get(const struct client *c, const char *path, json_t **ret);

/* The server's data are old: its Kubernetes source is silent, or the rollout says so. */
bool client_stale(const json_t *answer, const json_t *rollout);

/* ---- text ---- */

/* Borrowed; "" or 0 when it is not there. */
const char *json_text(const json_t *object, const char *key);
int64_t json_number(const json_t *object, const char *key);
/* Milliseconds of an RFC 3339 member, 0 when it is not there. */
int64_t json_when(const json_t *object, const char *key);
/* Appends text without control characters (C0, DEL, C1); newlines stay when `lines`. */
void text_clean(struct buf *out, const char *text, bool lines);
/* "45s", "12m", "3h20m", "4d" */
void text_age(struct buf *out, int64_t ms);
/* Cuts to at most `width` characters. */
void text_cut(struct buf *b, size_t width);
/* "failed: code: message", "do: ...", "run: ..." of a Cause, each line with `indent`. */
void text_cause(struct buf *out, const json_t *cause, const char *indent);
/* "7 of 12 gates open, 7 of 12 pods ready" of a Rollout. */
void text_counts(struct buf *out, const json_t *rollout);
/* Writes to stdout; EXIT_FINE, or EXIT_FAILED when it cannot. */
int text_print(const struct buf *b);

#endif
