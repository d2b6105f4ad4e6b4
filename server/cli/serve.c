/*
 * gatehouse serve: starts the stages in order (store, listener, writer, loops, deliver, sources),
 * waits for signals, stops them in reverse. A stage that cannot start stops those before it.
 *
 * Signals: TERM and INT stop (a second one ends at once), HUP reloads. They are blocked before the
 * first thread and taken by sigwait here, so no code runs in signal context.
 */
#include <jansson.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "alert/alert.h"
#include "api/api.h"
#include "base/clock.h"
#include "base/http.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/command.h"
#include "pipeline/pipeline.h"
#include "source/source.h"
#include "store/store.h"

enum { QUEUE_ITEMS = 4096, QUEUE_BYTES = 16 << 20, FEED_RING = 1024 };

struct serve {
    struct config_input input;
    struct config_flag flags[ARGS_FLAGS_MAX];
    pthread_mutex_t reload_lock; /* SIGHUP and POST /-/reload take turns; guards config */
    const struct config *config;
    const struct config *started; /* what the options that need a restart are by */
    char static_dir[4096];
    struct store *store;
    struct queue *queue;
    struct feed *feed;
    struct kube_source *kube;
    struct elb_source *elb;
    struct api *api;
    struct writer *writer;
    struct deliver *deliver;
};

static void drop_change(void *c)
{
    change_free(c);
}

/* The built dashboard: as configured, else beside the program (installed or in a build tree). */
static void find_static_dir(struct serve *s)
{
    static const char *const places[] = {"static", "../share/gatehouse/static", "../../static/dist",
                                         "../static/dist"};
    if (s->config->static_dir[0] != '\0') {
        (void)snprintf(s->static_dir, sizeof s->static_dir, "%s", s->config->static_dir);
        return;
    }
    char exe[2048];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    exe[n > 0 ? n : 0] = '\0';
    char *slash = strrchr(exe, '/');
    if (slash == NULL) {
        return;
    }
    *slash = '\0';
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        char path[3072];
        struct stat st;
        (void)snprintf(path, sizeof path, "%s/%s/index.html", exe, places[i]);
        if (stat(path, &st) == 0) {
            (void)snprintf(s->static_dir, sizeof s->static_dir, "%s/%s", exe, places[i]);
            return;
        }
    }
}

/* Called by SIGHUP and by the API's threads. restart is told what differs from what the program was
 * started with, however often it was reloaded since. */
static bool reload(void *arg, struct buf *restart, struct err *err)
{
    struct serve *s = arg;
    const struct config *fresh = NULL;
    (void)pthread_mutex_lock(&s->reload_lock);
    bool ok = config_load(&s->input, &fresh, err);
    if (ok && fresh->n_tokens == 0 && config_is_open(s->started)) {
        ok = err_set(err, ERR_INPUT,
                     "access.tokens: until a restart this server listens on %s, so at least one "
                     "token must stay",
                     s->started->listen);
        config_unref(fresh);
    }
    if (ok) {
        config_diff_restart(s->started, fresh, restart);
        enum log_level level = LOG_LEVEL_INFO;
        if (log_parse_level(fresh->log_level, &level)) {
            log_set_level(level);
        }
        writer_reload(s->queue, fresh);
        api_reload(s->api, fresh);
        deliver_reload(s->deliver, fresh);
        config_unref(s->config);
        s->config = fresh;
        log_info("reload", "file=\"%s\" needs_restart=\"%s\"", fresh->file, buf_str(restart));
    } else {
        log_warn("reload", "kept=old error=\"%s\"", err->text);
    }
    (void)pthread_mutex_unlock(&s->reload_lock);
    return ok;
}

static bool start_store(struct serve *s, struct err *err)
{
    const char *cluster = s->config->cluster;
    if (cluster[0] == '\0') {
        cluster = s->kube != NULL ? kube_source_context(s->kube) : "default";
    }
    struct store_options opt = {.path = s->config->db,
                                .cluster_name = cluster,
                                .cache_bytes = s->config->cache_bytes,
                                .wal_limit_bytes = s->config->wal_limit_bytes,
                                .keep_history_ms = s->config->keep_history_ms,
                                .keep_bytes = s->config->keep_bytes};
    AUTO_FREE char *note = NULL;
    if (!store_open(&opt, &s->store, &note, err)) {
        return false;
    }
    if (note != NULL) {
        log_warn("store", "file=\"%s\" note=\"%s\"", s->config->db, note);
    }
    return true;
}

static bool new_kube(struct serve *s, struct err *err)
{
    const struct config *c = s->config;
    if (!c->kube_enabled) {
        return true;
    }
    struct kube_options opt = {.kubeconfig = c->kubeconfig[0] != '\0' ? c->kubeconfig : NULL,
                               .context = c->context[0] != '\0' ? c->context : NULL,
                               .namespaces = c->namespaces,
                               .protobuf = c->protobuf,
                               .watch_list = c->watch_list,
                               .compress = c->compress,
                               .verify_interval_ms = c->verify_interval_ms,
                               .discovery_interval_ms = c->discovery_interval_ms,
                               .page_size = c->page_size};
    return kube_source_new(&opt, s->queue, &s->kube, err);
}

/* The sources' list shows what was chosen, not a gap. */
static void say_aws_is_off(struct serve *s)
{
    struct change *c = change_new(CHANGE_SOURCE, 512);
    c->received_at = clock_unix_ms();
    c->source = (struct change_source){.source = "aws",
                                       .state = SOURCE_OFF,
                                       .message = "switched off by aws.mode",
                                       .at = c->received_at};
    if (queue_push(s->queue, c, change_weight(c), 0) != QUEUE_OK) {
        change_free(c); /* not at the start: the queue is empty then */
    }
}

static bool new_elb(struct serve *s, struct err *err)
{
    const struct config *c = s->config;
    if (strcmp(c->aws_mode, "off") == 0) {
        say_aws_is_off(s);
        return true;
    }
    struct elb_options opt = {.required = strcmp(c->aws_mode, "on") == 0,
                              .region = c->aws_region,
                              .profile = c->aws_profile,
                              .endpoint = c->aws_endpoint,
                              .rate = (double)c->aws_rate_per_minute / 60.0,
                              .burst = (double)c->aws_burst,
                              .hot_interval_ms = c->hot_interval_ms,
                              .idle_interval_ms = c->idle_interval_ms};
    return elb_source_new(&opt, s->queue, &s->elb, err);
}

static bool start_sources(struct serve *s, const struct kube_resume *resume, struct err *err)
{
    return (s->elb == NULL || elb_source_start(s->elb, err)) &&
           (s->kube == NULL || kube_source_start(s->kube, resume, err));
}

static bool start_deliver(struct serve *s, struct err *err)
{
    struct deliver_options opt = {.db_path = s->config->db, .out = s->queue, .config = s->config};
    return deliver_start(&opt, &s->deliver, err);
}

/* The deliver thread is made after the writer that wakes it. */
static void wake_deliver(void *arg)
{
    struct serve *s = arg;
    struct deliver *d = __atomic_load_n(&s->deliver, __ATOMIC_ACQUIRE);
    if (d != NULL) {
        deliver_wake(d);
    }
}

static bool start_writer(struct serve *s, struct err *err)
{
    struct writer_options opt = {.store = s->store,
                                 .in = s->queue,
                                 .feed = s->feed,
                                 .config = s->config,
                                 .elb = s->elb,
                                 .on_delivery = wake_deliver,
                                 .on_delivery_arg = s};
    return writer_start(&opt, &s->writer, err);
}

static bool start_stages(struct serve *s, struct arena *a, struct err *err)
{
    s->queue = queue_new(QUEUE_ITEMS, QUEUE_BYTES);
    s->feed = feed_new(FEED_RING);
    struct store_resume stored;
    if (!new_kube(s, err) || !new_elb(s, err) || !start_store(s, err) ||
        !store_resume(s->store, a, &stored, err)) {
        return false;
    }
    struct kube_resume resume = {.cluster_uid = stored.cluster_uid};
    memcpy(resume.resource_version, stored.resource_version, sizeof resume.resource_version);
    struct api_options api = {.config = s->config,
                              .feed = s->feed,
                              .writer_in = s->queue,
                              .store = s->store,
                              .kube = s->kube,
                              .elb = s->elb,
                              .static_dir = s->static_dir[0] != '\0' ? s->static_dir : NULL,
                              .reload = reload,
                              .reload_arg = s};
    return api_new(&api, &s->api, err) && start_writer(s, err) && start_deliver(s, err) &&
           api_start(s->api, s->writer, err) && start_sources(s, &resume, err);
}

/* A store that takes nothing must not hold the sources, which wait for room, for ever. */
static void stop_stages(struct serve *s)
{
    queue_close_when_full(s->queue);
    kube_source_stop(s->kube);
    elb_source_stop(s->elb);
    api_stop(s->api);
    deliver_stop(s->deliver);
    writer_stop(s->writer);
    api_free(s->api);
    deliver_free(s->deliver);
    writer_free(s->writer);
    kube_source_free(s->kube);
    elb_source_free(s->elb);
    feed_free(s->feed);
    queue_free(s->queue, drop_change);
    store_close(s->store);
}

static void end_at_once(int sig)
{
    _exit(128 + sig);
}

/* A damaged database answers nothing that can be trusted, and is replaced at a start only. */
static bool is_lost(const struct serve *s)
{
    char why[256] = "";
    if (!store_lost(s->store, why, sizeof why)) {
        return false;
    }
    log_error("store",
              "file=\"%s\" lost=\"%s\" next=\"ending; the next start takes what is whole there, or "
              "builds it anew\"",
              s->started->db, why);
    return true;
}

/* Until TERM or INT (true), or until the database is lost (false). */
static bool wait_for_signals(struct serve *s, const sigset_t *set)
{
    const struct timespec look = {.tv_sec = 1};
    bool whole = true;
    for (;;) {
        int sig = sigtimedwait(set, NULL, &look);
        if (sig == SIGTERM || sig == SIGINT) {
            log_info("stop", "signal=%d", sig);
            break;
        }
        if (sig == SIGHUP) {
            struct err err = {0};
            AUTO(buf) restart = BUF_INIT(4096);
            (void)reload(s, &restart, &err); /* logged there; the old configuration goes on */
        } else if (is_lost(s)) {
            whole = false;
            break;
        }
    }
    /* From now on a second signal ends the process where it stands: the store survives that. */
    (void)signal(SIGTERM, end_at_once);
    (void)signal(SIGINT, end_at_once);
    (void)pthread_sigmask(SIG_UNBLOCK, set, NULL);
    return whole;
}

static void prepare_process(sigset_t *ret_set)
{
    (void)sigemptyset(ret_set);
    (void)sigaddset(ret_set, SIGTERM);
    (void)sigaddset(ret_set, SIGINT);
    (void)sigaddset(ret_set, SIGHUP);
    (void)pthread_sigmask(SIG_BLOCK, ret_set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); /* a file size limit is a write that fails, as a full disk is */
    json_object_seed(0);            /* before threads: jansson's hash seed is one variable */
    http_global_init();
    log_name_thread("main");
}

/* The configuration's input: the file and every flag that is an option. */
static void take_input(struct serve *s, const struct args *args)
{
    s->input.file = args_get(args, "config");
    for (size_t i = 0; i < args->n_flags; i++) {
        if (strcmp(args->flags[i].key, "config") != 0) {
            s->flags[s->input.n_flags++] = args->flags[i];
        }
    }
    s->input.flags = s->flags;
}

static void announce(const struct serve *s)
{
    const char *colon = strrchr(s->started->listen, ':');
    int host = colon != NULL ? (int)(colon - s->started->listen) : 0;
    log_info("serve", "version=%s address=http%s://%.*s:%d db=\"%s\" static=\"%s\"",
             GATEHOUSE_VERSION, s->started->tls_cert[0] != '\0' ? "s" : "", host,
             s->started->listen, api_port(s->api), s->started->db, s->static_dir);
}

int command_serve(const struct args *args)
{
    if (args->n_words > 0) {
        bool value = strcmp(args->words[0], "true") == 0 || strcmp(args->words[0], "false") == 0;
        return usage_error("serve", "%s: %s", args->words[0],
                           value
                               ? "a switch takes its value behind =, as --kubernetes-enabled=false"
                               : "no argument is wanted here");
    }
    struct serve s = {.reload_lock = PTHREAD_MUTEX_INITIALIZER};
    struct err err = {0};
    take_input(&s, args);
    if (!config_load(&s.input, &s.config, &err)) {
        (void)fprintf(stderr, "gatehouse serve: %s\n", err.text);
        return EXIT_USAGE;
    }
    s.started = config_ref(s.config);
    enum log_level level = LOG_LEVEL_INFO;
    if (log_parse_level(s.config->log_level, &level)) {
        log_set_level(level);
    }
    sigset_t set;
    prepare_process(&set);
    find_static_dir(&s);
    AUTO_PTR(arena) a = arena_new(0);
    bool ok = start_stages(&s, a, &err);
    if (ok) {
        announce(&s);
        ok = wait_for_signals(&s, &set);
    } else {
        (void)fprintf(stderr, "gatehouse serve: %s\n", err.text);
    }
    stop_stages(&s);
    config_unref(s.config);
    config_unref(s.started);
    return ok ? EXIT_FINE : EXIT_FAILED;
}
