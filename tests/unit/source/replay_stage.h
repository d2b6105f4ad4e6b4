/*
 * The player of the recorded steps: a stage of one namespace, on which the changes of a recording
 * happen in order of time, and which judges one rollout at every change and every five seconds.
 *
 * What the recording leaves out is put in: Services (from the binding's reference), slices (from
 * the pods), ELBv2's state where the controller never asked for it (script).
 */
#ifndef GATEHOUSE_TESTS_SOURCE_REPLAY_STAGE_H
#define GATEHOUSE_TESTS_SOURCE_REPLAY_STAGE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glob.h>

#include "base/clock.h"
#include "source/read.h"
#include "unit/model/build.h"

enum { ACTORS = 64, LINES = 4, TICK_MS = 5000, FILES = 128 };

struct line {
    double after_s;  /* from the start of the step; negative: so since before */
    const char *pod; /* name starts so; "*" = the group itself */
    const char *state;
    const char *reason;
};

struct row {
    const char *step;
    const char *ns;
    const char *pod;  /* the rollout: all pods whose name starts so */
    const char *kube; /* primary cause at the end, "" = none */
    const char *elb;
    const char *may;   /* codes above info that may be heard on the way, in either way */
    const char *heard; /* codes that must be heard at some time of the step, by ELBv2 */
    const char *info;  /* codes of info that must be among the findings at the end by ELBv2 */
    struct line script[LINES];
    int64_t port;       /* of the made-up Service; 0 = the binding's */
    bool no_service;    /* it does not exist in this step */
    const char *rev[2]; /* the Service asks for label rev, from the step's `moved` on the second */
    double moved;       /* seconds after the start */
    double made;        /* the Service is made in this step, so long after its start */
    double down[2];     /* the controller's pods are gone: from, to, in seconds after the start */
    const char *binding[2]; /* one that the objects lack: its name and Service */
    bool snapshot;          /* objects only, for 60 s */
};

struct actor {
    struct kube_pod *pod;
    struct pod_track track;
    bool present;
};

struct stage {
    struct lab *l;
    const struct row *row;
    bool with_elb;
    bool checking; /* inside the row's own step */
    struct actor actors[ACTORS];
    uint32_t n_actors;
    uint32_t cast[ACTORS]; /* actors of the rollout, as judged last */
    const json_t *doc;
    int64_t from;
    int64_t to; /* of the step before */
    uint32_t n_script;
    uint32_t heard; /* bit i: the i-th of row.heard was */
    int bad;
};

/* ---- files ---- */

struct file {
    json_t *doc;
    int64_t from;
    const char *step;
};
static struct file files[FILES];
static size_t n_files;

static int64_t time_of(const json_t *doc, const char *key)
{
    const char *text = json_string_value(json_object_get(doc, key));
    int64_t ms = 0;
    return text != NULL && clock_parse(text, strlen(text), &ms) ? ms : 0;
}

static int by_from(const void *pa, const void *pb)
{
    int64_t a = ((const struct file *)pa)->from;
    int64_t b = ((const struct file *)pb)->from;
    return (a > b) - (a < b);
}

static int load_files(void **state)
{
    (void)state;
    glob_t found = {0};
    assert_int_equal(glob(FIXTURES "/aws-lbc/*.json", 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc && n_files < FILES; i++) {
        json_error_t je;
        json_t *doc = json_load_file(found.gl_pathv[i], 0, &je);
        assert_non_null(doc);
        files[n_files++] = (struct file){doc, time_of(doc, "from"),
                                         json_string_value(json_object_get(doc, "step"))};
    }
    globfree(&found);
    qsort(files, n_files, sizeof files[0], by_from);
    return 0;
}

static int free_files(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_files; i++) {
        json_decref(files[i].doc);
    }
    return 0;
}

/* ---- objects ---- */

static enum kind kind_of(const json_t *o)
{
    if (json_object_get(json_object_get(o, "spec"), "serviceRef") != NULL) {
        return KIND_BINDING_LBC;
    }
    if (json_object_get(json_object_get(o, "spec"), "containers") != NULL) {
        return KIND_POD;
    }
    const char *kind = json_string_value(json_object_get(o, "kind"));
    if (kind != NULL && strcmp(kind, "Namespace") == 0) {
        return KIND_NAMESPACE;
    }
    return kind != NULL && strcmp(kind, "Service") == 0 ? KIND_SERVICE : KIND_COUNT;
}

static void *record_of(struct lab *l, enum kind kind, const json_t *o)
{
    void *record = arena_alloc(l->a, kind_info(kind)->table->size);
    struct err err = {0};
    assert_true(json_read_object(kind, o, l->a, record, &err));
    return record;
}

static bool starts(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

static struct actor *actor_named(struct stage *s, const char *name)
{
    for (uint32_t i = 0; i < s->n_actors; i++) {
        if (strcmp(s->actors[i].pod->meta.name, name) == 0) {
            return &s->actors[i];
        }
    }
    return NULL;
}

static struct facts_binding *binding_named(struct stage *s, const char *name)
{
    for (uint32_t i = 0; i < s->l->ns.bindings.n; i++) {
        if (strcmp(s->l->bindings[i].binding->meta.name, name) == 0) {
            return &s->l->bindings[i];
        }
    }
    return NULL;
}

/* Does the thing change during this step, and is the first change one with that key? */
static bool born_here(const struct stage *s, const char *kind, const char *name, const char *mark)
{
    size_t i = 0;
    const json_t *t = NULL;
    json_array_foreach(json_object_get(s->doc, "timeline"), i, t)
    {
        if (strcmp(json_string_value(json_object_get(t, "kind")), kind) == 0 &&
            strcmp(json_string_value(json_object_get(t, "name")), name) == 0) {
            return mark == NULL || json_object_get(json_object_get(t, "change"), mark) != NULL;
        }
    }
    return false;
}

/* The status that the step's first change of this condition brings, NULL = it does not change. */
static const char *first_change(const struct stage *s, const char *pod, const char *type)
{
    size_t i = 0;
    const json_t *t = NULL;
    json_array_foreach(json_object_get(s->doc, "timeline"), i, t)
    {
        const json_t *c = json_object_get(json_object_get(t, "change"), type);
        if (c != NULL && strcmp(json_string_value(json_object_get(t, "kind")), "pods") == 0 &&
            strcmp(json_string_value(json_object_get(t, "name")), pod) == 0) {
            return json_string_value(json_array_get(c, 0));
        }
    }
    return NULL;
}

/* Objects show the end of a step: back to its start, where a condition had the other status if it
 * took its present one during the step. */
static void undo_condition(struct stage *s, struct kube_pod *p, const char *type)
{
    const struct condition *c = condition_get(&p->conditions, type);
    const char *first = first_change(s, p->meta.name, type);
    if (c == NULL || first == NULL || c->transition_at + 999 < s->from || s->row->snapshot) {
        return;
    }
    /* The recording of a pod that was there before begins with all it had; its gate had moved. */
    bool dump = born_here(s, "pods", p->meta.name, "phase") && strchr(type, '/') == NULL;
    bool was = (strcmp(first, "True") != 0) != dump;
    struct condition *mine = lab_condition(s->l, p, type, was ? "True" : "False",
                                           was ? "" : "Elb.InitialHealthChecking", "");
    mine->transition_at = p->meta.created_at + 3000;
}

static void undo_conditions(struct stage *s, struct kube_pod *p)
{
    undo_condition(s, p, "ContainersReady");
    undo_condition(s, p, "Ready");
    for (uint32_t k = 0; k < p->gates.n; k++) {
        undo_condition(s, p, p->gates.items[k]);
    }
}

/* A pod whose gate was open when the recording begins had a healthy target. */
static void was_healthy(struct stage *s, const struct kube_pod *p)
{
    for (uint32_t k = 0; k < s->l->ns.bindings.n; k++) {
        struct facts_binding *fb = &s->l->bindings[k];
        const char *type = arena_printf(s->l->a, LBC "%s", fb->binding->meta.name);
        if (condition_true(&p->conditions, type) && p->ip[0] != '\0') {
            (void)lab_target(s->l, fb, p, 8080, "healthy", "");
        }
    }
}

static void add_pod(struct stage *s, const json_t *o)
{
    struct kube_pod *p = record_of(s->l, KIND_POD, o);
    struct actor *a = actor_named(s, p->meta.name);
    p->meta.deleted_at = 0;
    if (a != NULL) { /* between distant steps it went its way unseen */
        a->pod->meta.labels = p->meta.labels;
        if (a->present && s->from > s->to + 2000) {
            undo_conditions(s, p);
            a->pod->conditions = p->conditions;
        }
        return;
    }
    assert_true(s->n_actors < ACTORS);
    a = &s->actors[s->n_actors++];
    *a = (struct actor){.pod = p, .track = {.state = -1}};
    if (born_here(s, "pods", p->meta.name, "phase") && p->meta.created_at + 999 >= s->from &&
        !s->row->snapshot) {
        p->conditions = (struct list){0};
        return;
    }
    a->present = true;
    undo_conditions(s, p);
    was_healthy(s, p);
}

/* A second binding may name another port of the Service. */
static void add_port(struct stage *s, struct kube_service *sv, const char *port)
{
    int64_t number = strtoll(port, NULL, 10);
    for (uint32_t i = 0; i < sv->ports.n; i++) {
        if (LIST_AT(struct service_port, sv->ports, i)->port == number) {
            return;
        }
    }
    struct service_port *sp = lab_item(s->l, &sv->ports, sizeof *sp);
    *sp = (struct service_port){"b", "TCP", number, "9090", 0};
}

static void add_service(struct stage *s, const struct kube_binding *b)
{
    struct lab *l = s->l;
    for (uint32_t i = 0; i < l->ns.services.n; i++) {
        if (strcmp(l->services[i].meta.name, b->service) == 0) {
            add_port(s, &l->services[i], b->service_port);
            return;
        }
    }
    int64_t port = strtoll(b->service_port, NULL, 10);
    struct kube_service *sv = lab_service(l, b->service, "app", b->service, port, "8080");
    sv->meta.created_at = l->f.now - 3600000;
    ((struct service_port *)(uintptr_t)sv->ports.items)->name =
        port != 0 ? "http" : b->service_port;
}

static struct facts_binding *add_binding(struct stage *s, const struct kube_binding *b)
{
    add_service(s, b);
    struct facts_binding *fb =
        lab_binding(s->l, b->meta.name, b->service, b->service_port, b->target_type);
    fb->group->arn = b->arn;
    fb->binding = b;
    return fb;
}

static const struct kube_binding *binding_record(struct stage *s, const json_t *o)
{
    struct kube_binding *b = record_of(s->l, KIND_BINDING_LBC, o);
    b->meta.deleted_at = 0;
    b->meta.annotations = (struct kvs){0};
    b->conditions = (struct list){0};
    return b;
}

static void take_service(struct stage *s, const json_t *o)
{
    struct kube_service *sv = record_of(s->l, KIND_SERVICE, o);
    for (uint32_t i = 0; i < s->l->ns.services.n; i++) {
        if (strcmp(s->l->services[i].meta.name, sv->meta.name) == 0) {
            s->l->services[i] = *sv;
            return;
        }
    }
    *LAB_LIST(s->l, s->l->ns.services, s->l->services, LAB_MANY) = *sv;
}

static bool in_namespace(const struct stage *s, const json_t *o)
{
    const char *ns =
        json_string_value(json_object_get(json_object_get(o, "metadata"), "namespace"));
    return ns != NULL && strcmp(ns, s->row->ns) == 0;
}

static void set_stage(struct stage *s)
{
    size_t i = 0;
    const json_t *o = NULL;
    json_array_foreach(json_object_get(s->doc, "objects"), i, o)
    {
        const char *name =
            json_string_value(json_object_get(json_object_get(o, "metadata"), "name"));
        if (kind_of(o) == KIND_NAMESPACE && strcmp(name, s->row->ns) == 0) {
            s->l->ns_object = *(const struct kube_namespace *)record_of(s->l, KIND_NAMESPACE, o);
        }
        if (!in_namespace(s, o)) {
            continue;
        }
        if (kind_of(o) == KIND_SERVICE) {
            take_service(s, o);
        } else if (kind_of(o) == KIND_BINDING_LBC && binding_named(s, name) == NULL &&
                   (s->row->snapshot || !born_here(s, "targetgroupbindings", name, "generation") ||
                    starts(s->row->step, "76"))) {
            (void)add_binding(s, binding_record(s, o)); /* it is on the stage */
        }
    }
    json_array_foreach(json_object_get(s->doc, "objects"), i, o)
    {
        if (kind_of(o) == KIND_POD && in_namespace(s, o)) {
            add_pod(s, o);
        }
    }
}

#endif
