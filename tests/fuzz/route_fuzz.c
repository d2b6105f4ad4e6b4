/* Any request line and headers through routing, access, parameters, selectors and cursors, down to
 * the readers of an empty database: an answer with a status, never a crash. */
#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/assets.h"
#include "api/openapi.h"
#include "api/query.h"
#include "api/selector.h"
#include "api/sse.h"
#include "api/wait.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static struct shared shared;
static struct worker worker;

static void must(bool ok, const char *what)
{
    if (!ok) {
        (void)fprintf(stderr, "%s\n", what);
        abort();
    }
}

/* A database with the schema and a few rows, so that reads find something. */
static void make_database(char *path)
{
    sqlite3 *db = NULL;
    AUTO(buf) text = BUF_INIT(1 << 20);
    char chunk[4096];
    size_t n = 0;
    FILE *f = fopen(SOURCE_DIR "/schema/0001_initial.sql", "re");
    must(f != NULL, "schema");
    while ((n = fread(chunk, 1, sizeof chunk, f)) > 0) {
        (void)buf_add(&text, chunk, n);
    }
    (void)fclose(f);
    must(close(mkstemp(path)) == 0 && sqlite3_open(path, &db) == SQLITE_OK, "database");
    must(sqlite3_exec(db, buf_str(&text), NULL, NULL, NULL) == SQLITE_OK, "schema");
    must(sqlite3_exec(db,
                      "PRAGMA journal_mode=WAL;"
                      "INSERT INTO cluster (id, name) VALUES (1, 'c');"
                      "INSERT INTO namespace (id, cluster, name, present) VALUES (1, 1, 'n', 1);"
                      "INSERT INTO workload (id, cluster, ns_id, kind, name, rank) VALUES"
                      " (1, 1, 1, 'Deployment', 'w', 4), (2, 1, 1, 'Deployment', 'v', 4);",
                      NULL, NULL, NULL) == SQLITE_OK,
         "rows");
    (void)sqlite3_close(db);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    static char path[] = "/tmp/gatehouse-route-fuzz-XXXXXX";
    char yaml[128];
    char note[64];
    struct err err = {0};
    const struct config *config = NULL;
    make_database(path);
    int n = snprintf(yaml, sizeof yaml, "db: %s\n", path);
    must(config_parse("fuzz", yaml, (size_t)n, &config, &err), err.text);
    shared.opt = (struct api_options){
        .config = config, .feed = feed_new(4), .writer_in = queue_new(4, 1 << 20)};
    shared.scopes = scopes_new();
    shared.cache = cache_new(1 << 20, shared.scopes);
    shared.openapi_yaml = openapi_yaml();
    shared.openapi_json = openapi_json();
    shared.assets = assets_load(NULL, note, sizeof note);
    shared.max_streams = 10;
    shared.max_waiters = 10;
    must(worker_init(&worker, &shared, 0, &err), err.text);
    struct err none;
    must(reader_begin(worker.reader, &none), "reader"); /* opens the log beside the file */
    reader_end(worker.reader);
    for (size_t i = 0; i < 3; i++) { /* it stays open, its names go */
        static const char *const ends[] = {"", "-wal", "-shm"};
        char name[128];
        (void)snprintf(name, sizeof name, "%s%s", path, ends[i]);
        (void)unlink(name);
    }
    return 0;
}

static void take_answer(struct exchange *x)
{
    (void)x;
}

static void take_pieces(struct exchange *x, const struct piece *pieces, size_t n, bool last)
{
    (void)x;
    (void)pieces;
    (void)n;
    (void)last;
}

static bool stays(struct exchange *x)
{
    (void)x;
    return false;
}

/* The next line of the input as a text; "" when there is none. */
static const char *line(const uint8_t **data, size_t *size, char *room)
{
    size_t n = 0;
    while (n < *size && (*data)[n] != '\n') {
        n++;
    }
    size_t kept = n < 4000 ? n : 4000;
    memcpy(room, *data, kept);
    room[kept] = '\0';
    size_t skip = n < *size ? n + 1 : n;
    *data += skip;
    *size -= skip;
    return room;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct exchange_ops ops = {take_answer, take_pieces, stays};
    static char rooms[8][4096];
    static char text[3 * 4096];
    char *query = rooms[0];
    struct exchange x = {.ops = &ops, .viewer = ""};
    x.req.path = line(&data, &size, rooms[0]);
    query = strchr(rooms[0], '?');
    x.req.query = "";
    if (query != NULL) {
        *query = '\0';
        x.req.query = query + 1;
    }
    const char *method = line(&data, &size, rooms[1]);
    x.req.method = method[0] == 'P' ? METHOD_POST : METHOD_GET;
    x.req.head = method[0] == 'H';
    x.req.host = "localhost";
    x.req.authorization = line(&data, &size, rooms[2]);
    x.req.if_none_match = line(&data, &size, rooms[3]);
    x.req.accept = line(&data, &size, rooms[4]);
    x.req.accept_encoding = "";
    x.req.last_event_id = line(&data, &size, rooms[5]);
    x.req.origin = line(&data, &size, rooms[6]);
    x.req.body = "";
    x.req.text = text;
    enum outcome o = worker_serve(&worker, &x);
    must(o != OUTCOME_ANSWER || (x.reply.status >= 200 && x.reply.status < 600), "no status");
    if (o == OUTCOME_STREAM) {
        sse_begin(&x);
    }
    worker_gone(&worker, &x);
    exchange_fini(&x);
    AUTO_PTR(arena) a = arena_new(0);
    struct selector s;
    struct err err;
    bool ok = selector_parse(rooms[2], a, &s, &err);
    (void)ok; /* either is fine: it must not crash */
    void *item = NULL;
    while (queue_drain(shared.opt.writer_in, &item, 1, 0) == 1) {
        change_free(item);
    }
    return 0;
}
