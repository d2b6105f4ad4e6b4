/*
 * The HTTP server: event loops, routes, REST, SSE, metrics, health, static files. The door of this
 * folder. Only three files here know h2o.
 */
#ifndef GATEHOUSE_API_API_H
#define GATEHOUSE_API_API_H

#include "base/err.h"
#include "config/config.h"
#include "pipeline/pipeline.h"
#include "source/source.h"

struct api;
struct api_options {
    const struct config *config;    /* a reference is taken */
    struct feed *feed;              /* subscribed to in api_new, before the writer starts */
    struct queue *writer_in;        /* for commands (redeliver) */
    struct store *store;            /* metrics only */
    const struct kube_source *kube; /* metrics; NULL = none */
    struct elb_source *elb;         /* metrics, refresh; NULL = none */
    const char *static_dir;         /* the built dashboard; NULL or missing: a page that says so */
    /* POST /-/reload: applies a new configuration; ERR_INPUT with the place. Appends the options
     * that differ and wait for a restart, as a comma list. Thread: any. */
    bool (*reload)(void *arg, struct buf *restart, struct err *err);
    void *reload_arg;
};

/* Binds the listener (ERR_INPUT or ERR_BUSY with the address) and subscribes to the feed. Thread:
 * main, before the writer starts. */
bool api_new(const struct api_options *opt, struct api **ret, struct err *err) MUST_CHECK;
/* The writer is known now: starts the loops. */
bool api_start(struct api *a, const struct writer *writer, struct err *err) MUST_CHECK;
/* The port that is listened on (for port 0). */
int api_port(const struct api *a);
/* Takes over what may change at run time. Thread: any. */
void api_reload(struct api *a, const struct config *config);
/* Stops accepting, drains up to config->drain_ms, joins. */
void api_stop(struct api *a);
void api_free(struct api *a);

#endif
