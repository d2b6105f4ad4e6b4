/*
 * Fills in the words of findings (cause_texts.c explains the marks). Messages hold moments, never
 * durations, and no ids of calls, so that a finding's text changes only when the finding does.
 *
 * Names in commands are quoted for a shell unless they are plain; a command that lacks a word is
 * left out.
 */
#include "model/cause_in.h"
#include "model/cause_text.h"
#include "model/quote.h"
#include "model/shell.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { NODES_MAX = 5 /* named in a text */ };
enum { TEXT_SIZE = 2048, WORD_SIZE = 512, NAME_SIZE = 16, DAY_MS = 86400000 };

struct writer {
    struct judge *j;
    const struct finding *f;
    const struct note *note;
    bool shell;   /* a command: quote words */
    bool missing; /* a word was empty */
    size_t n;     /* bytes in out */
    char out[TEXT_SIZE];
};

/* ---- words ---- */

static const char *plural(const struct writer *w, const char *one, const char *many)
{
    return w->f->pods == 1 ? one : many;
}

static const char *pods(const struct writer *w, bool capital)
{
    if (w->f->pods == 1) {
        return arena_printf(w->j->a, "%cod %s", capital ? 'P' : 'p', w->f->pod_names.items[0]);
    }
    return arena_printf(w->j->a, "%u pods", w->f->pods);
}

static const char *these(const struct writer *w)
{
    return w->f->pods == 1 ? pods(w, false) : arena_printf(w->j->a, "these %u pods", w->f->pods);
}

static const char *since(const struct writer *w)
{
    char text[CLOCK_TEXT_SIZE];
    int64_t at = w->f->since / SECOND_MS * SECOND_MS;
    (void)clock_format(at, text);
    if (strlen(text) < 19) {
        return "for a while";
    }
    bool today = at / DAY_MS == w->j->f->now / DAY_MS;
    return today ? arena_printf(w->j->a, "since %.8s UTC", text + 11)
                 : arena_printf(w->j->a, "since %.10s %.8s UTC", text, text + 11);
}

static const char *target(const struct writer *w)
{
    const struct facts *f = w->j->f;
    if (f->workload == NULL) {
        return "";
    }
    char *text = arena_printf(w->j->a, "%s/%s", f->kind, f->name);
    for (char *c = text; *c != '/' && *c != '\0'; c++) {
        *c = (char)tolower((unsigned char)*c);
    }
    return text;
}

static const char *service(const struct writer *w)
{
    return w->note->view != NULL ? w->note->view->fb->binding->service : "";
}

static const char *arn(const struct writer *w)
{
    return w->note->view != NULL ? w->note->view->fb->group->arn : "";
}

/* arn:PARTITION:elasticloadbalancing:REGION:... */
static const char *region(const struct writer *w)
{
    const char *at = arn(w);
    for (int i = 0; i < 3; i++) {
        at = strchr(at, ':');
        if (at == NULL) {
            return "";
        }
        at++;
    }
    return arena_strndup(w->j->a, at, strcspn(at, ":"));
}

/* Health checks speak it too, on a port of their own as well. */
static bool speaks_proxy(const struct elb_group *g)
{
    for (uint32_t i = 0; i < g->attributes.n; i++) {
        const struct elb_attribute *a = LIST_AT(struct elb_attribute, g->attributes, i);
        if (strcmp(a->key, "proxy_protocol_v2.enabled") == 0) {
            return strcmp(a->value, "true") == 0;
        }
    }
    return false;
}

/* "HTTP /healthz on port 8080, expecting 200": what the load balancer asks. */
static const char *check(const struct writer *w)
{
    const struct view *v = w->note->view;
    const struct elb_group *g = v != NULL ? v->fb->group->group : NULL;
    if (g == NULL || g->health_protocol[0] == '\0') {
        return "";
    }
    bool own = strcmp(g->health_port, "traffic-port") == 0 || g->health_port[0] == '\0';
    return arena_printf(w->j->a, "It asks %s%s%s on %s%s%s%s%s.", g->health_protocol,
                        g->health_path[0] != '\0' ? " " : "", g->health_path,
                        own ? "the pod's own port" : "port ", own ? "" : g->health_port,
                        g->matcher[0] != '\0' ? ", expecting " : "", g->matcher,
                        speaks_proxy(g) ? ", by proxy protocol v2" : "");
}

/* New pods, where a rollout is meant; of a namespace, whatever the webhook must see. */
static const char *refused(const struct writer *w)
{
    const struct facts *f = w->j->f;
    return f->name[0] != '\0'
               ? arena_printf(w->j->a, "new pods of %s %s are refused", f->kind, f->name)
               : "what the webhook must see is refused";
}

static const char *wait_text(const struct writer *w)
{
    return w->f->severity == SEVERITY_INFO ? "Wait; past the usual time"
                                           : "It takes longer than usual:";
}

/* What a wrong code says about the app: it stands in ELBv2's description, "[404]". */
static const char *advice(const struct writer *w)
{
    const char *at = w->note->b != NULL ? strchr(w->note->b, '[') : NULL;
    switch (at != NULL ? at[1] : '\0') {
    case '3':
        return "It redirects: point the check at a path that answers by itself, or expect that "
               "code.";
    case '4':
        if (strncmp(at, "[400", 4) == 0) {
            return "It does not take the request: see whether it wants HTTPS or another host name.";
        }
        return strncmp(at, "[401", 4) == 0 || strncmp(at, "[403", 4) == 0
                   ? "It wants a login: point the check at a path that does not."
               : strncmp(at, "[404", 4) == 0
                   ? "It does not know the path: point the check at one that it serves."
                   : "";
    case '5':
        return "It fails by itself: read its log.";
    default:
        return "";
    }
}

static const char *config(const struct writer *w)
{
    static const char kind[] = "MutatingWebhookConfiguration/";
    return strncmp(w->f->object, kind, sizeof kind - 1) == 0 ? w->f->object + sizeof kind - 1 : "";
}

/* Is it Auto Mode's? By the binding, else by the pod's gates, else by what the cluster has. */
static bool is_auto(const struct writer *w)
{
    const struct pod_sheet *p = w->note->pod;
    if (w->note->view != NULL) {
        return w->note->view->fb->binding->meta.kind == KIND_BINDING_AUTO;
    }
    for (uint32_t i = 0; p != NULL && i < p->n_gates; i++) {
        if (is_v2(p->gates[i].family)) {
            return p->gates[i].family == FAMILY_EKS_AUTO;
        }
    }
    return w->j->f->cluster->has_auto && !w->j->f->cluster->has_lbc;
}

static const char *binding_resource(const struct writer *w)
{
    return is_auto(w) ? "targetgroupbindings.eks.amazonaws.com"
                      : "targetgroupbindings.elbv2.k8s.aws";
}

static const char *controller_namespace(const struct writer *w)
{
    const struct webhook *hook = w->j->sight->injectors[0];
    if (is_auto(w)) {
        return "";
    }
    return hook != NULL && hook->service_namespace[0] != '\0' ? hook->service_namespace
                                                              : "kube-system";
}

static const char *usual(const struct writer *w)
{
    const struct usual *u = w->note->pod != NULL ? &w->note->pod->usual : NULL;
    if (u == NULL || u->p95_ms <= 0) {
        return "";
    }
    long long p50 = u->p50_ms / SECOND_MS;
    long long p95 = u->p95_ms / SECOND_MS;
    return p50 == p95 ? arena_printf(w->j->a, "Usually this takes %lld s.", p50)
                      : arena_printf(w->j->a, "Usually this takes %lld s, rarely more than %lld s.",
                                     p50, p95);
}

static const char *agree(const struct writer *w, const char *name)
{
    static const struct {
        const char *name;
        const char *one;
        const char *many;
    } words[] = {{"s", "s", ""},        {"is", "is", "are"},    {"has", "has", "have"},
                 {"it", "it", "they"},  {"them", "it", "them"}, {"its", "its", "their"},
                 {"was", "was", "were"}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(words[i].name, name) == 0) {
            return plural(w, words[i].one, words[i].many);
        }
    }
    return NULL;
}

/* The nodes of the pods it holds, each once: "node a", "nodes a, b and c", in a command "a b c". */
struct nodes {
    const char *names[NODES_MAX];
    uint32_t n;
    bool more;
};

static void add_node(struct nodes *nodes, const char *name)
{
    for (uint32_t i = 0; i < nodes->n; i++) {
        if (strcmp(nodes->names[i], name) == 0) {
            return;
        }
    }
    if (nodes->n == NODES_MAX) {
        nodes->more = true;
    } else if (name[0] != '\0') {
        nodes->names[nodes->n++] = name;
    }
}

static struct nodes nodes_of(const struct writer *w)
{
    struct nodes nodes = {.n = 0};
    uint32_t finding = (uint32_t)(w->f - w->j->findings);
    for (uint32_t i = 0; i < w->j->n_pods && !nodes.more; i++) {
        const struct pod_finding *pf = w->j->pods[i].findings;
        while (pf != NULL && pf->finding != finding) {
            pf = pf->next;
        }
        if (pf != NULL) {
            add_node(&nodes, w->j->pods[i].fp->pod->node);
        }
    }
    return nodes;
}

static const char *nodes_text(const struct writer *w)
{
    struct nodes nodes = nodes_of(w);
    const char *text = "";
    for (uint32_t i = 0; i < nodes.n; i++) {
        bool last = i + 1 == nodes.n && !nodes.more;
        const char *before = i == 0 ? (nodes.n > 1 ? "nodes " : "node ") : last ? " and " : ", ";
        text = arena_printf(w->j->a, "%s%s%s", text, before, nodes.names[i]);
    }
    return nodes.more ? arena_printf(w->j->a, "%s and others", text) : text;
}

static const char *of_pod(const struct writer *w, const char *name)
{
    const struct kube_pod *pod = w->note->pod != NULL ? w->note->pod->fp->pod : NULL;
    if (strcmp(name, "pod") == 0) {
        return pod != NULL ? pod->meta.name : "";
    }
    return strcmp(name, "node") == 0 ? (pod != NULL ? pod->node : "") : NULL;
}

static const char *of_binding(const struct writer *w, const char *name)
{
    if (strcmp(name, "tgb") == 0) {
        return binding_resource(w);
    }
    if (strcmp(name, "binding") == 0) {
        return w->note->view != NULL ? w->note->view->name : "";
    }
    if (strcmp(name, "service") == 0) {
        return service(w);
    }
    if (strcmp(name, "arn") == 0) {
        return arn(w);
    }
    return strcmp(name, "region") == 0 ? region(w) : NULL;
}

static const char *of_rollout(const struct writer *w, const char *name)
{
    if (strcmp(name, "workload") == 0) {
        return w->j->f->name[0] != '\0'
                   ? arena_printf(w->j->a, "%s %s", w->j->f->kind, w->j->f->name)
                   : "";
    }
    if (strcmp(name, "target") == 0) {
        return target(w);
    }
    if (strcmp(name, "ns") == 0) {
        return w->j->sight->ns;
    }
    if (strcmp(name, "cns") == 0) {
        return controller_namespace(w);
    }
    return strcmp(name, "name") == 0 ? w->j->f->name : NULL;
}

static const char *word(const struct writer *w, const char *name)
{
    static const struct {
        const char *name;
        const char *(*text)(const struct writer *w);
    } texts[] = {{"usual", usual},   {"check", check},     {"config", config},
                 {"advice", advice}, {"refused", refused}, {"wait", wait_text},
                 {"these", these},   {"nodes", nodes_text}};
    if (strcmp(name, "pods") == 0 || strcmp(name, "Pods") == 0) {
        return pods(w, name[0] == 'P');
    }
    if (strcmp(name, "since") == 0) {
        return since(w);
    }
    if (name[1] == '\0' && (name[0] == 'a' || name[0] == 'b')) {
        const char *text = name[0] == 'a' ? w->note->a : w->note->b;
        return text != NULL ? quote_steady(w->j->a, text) : "";
    }
    const char *found = agree(w, name);
    found = found != NULL ? found : of_pod(w, name);
    found = found != NULL ? found : of_binding(w, name);
    found = found != NULL ? found : of_rollout(w, name);
    for (size_t i = 0; found == NULL && i < sizeof texts / sizeof texts[0]; i++) {
        found = strcmp(texts[i].name, name) == 0 ? texts[i].text(w) : NULL;
    }
    return found;
}

/* ---- writing ---- */

static void put(struct writer *w, const char *text, size_t n)
{
    size_t room = TEXT_SIZE - 1 - w->n;
    n = n < room ? n : room;
    memcpy(w->out + w->n, text, n);
    w->n += n;
}

static void put_text(struct writer *w, const char *text)
{
    put(w, text, strlen(text));
}

static void put_quoted(struct writer *w, const char *text)
{
    put_text(w, shell_word(w->j->a, text));
}

static void put_names(struct writer *w)
{
    for (uint32_t i = 0; i < w->f->pod_names.n; i++) {
        put_text(w, i > 0 ? " " : "");
        put_quoted(w, w->f->pod_names.items[i]);
    }
}

static void put_nodes(struct writer *w)
{
    struct nodes nodes = nodes_of(w);
    for (uint32_t i = 0; i < nodes.n; i++) {
        put_text(w, i > 0 ? " " : "");
        put_quoted(w, nodes.names[i]);
    }
}

/* {word}, {:word} ": word", {(word)} " (word)", { word} " word": nothing when it is empty. */
static void put_word(struct writer *w, const char *mark)
{
    char form = mark[0] == ':' || mark[0] == '(' || mark[0] == ' ' ? mark[0] : '\0';
    char name[NAME_SIZE];
    const char *from = form != '\0' ? mark + 1 : mark;
    size_t n = strcspn(from, ")");
    (void)snprintf(name, sizeof name, "%.*s", (int)n, from);
    const char *text = word(w, name);
    if (text == NULL || text[0] == '\0') {
        w->missing = true;
        return;
    }
    if (w->shell) {
        if (strcmp(name, "pods") == 0) {
            put_names(w);
        } else if (strcmp(name, "nodes") == 0) {
            put_nodes(w);
        } else {
            put_quoted(w, text);
        }
        return;
    }
    char cut[WORD_SIZE];
    (void)snprintf(cut, sizeof cut, "%s", text);
    bool ended = w->n == 0 || strchr(".!?", w->out[w->n - 1]) != NULL;
    put_text(w, form == ':' ? ": " : form == '(' ? " (" : form == ' ' ? (ended ? " " : ". ") : "");
    put_text(w, cut);
    if (form == '(') {
        put_text(w, ")");
    } else if (form == ':' && cut[strlen(cut) - 1] != '.') {
        put_text(w, ".");
    }
}

/* A pod that is its own workload needs no "of Pod web". */
static bool is_own(const struct writer *w, const char *at)
{
    static const char of[] = " of {workload}";
    return !w->shell && w->f->pods == 1 && strcmp(w->j->f->kind, "Pod") == 0 &&
           strncmp(at, of, sizeof of - 1) == 0;
}

/* A mark of letters and its form; a brace in a command that is none stays. */
static bool read_mark(const char *at, char mark[NAME_SIZE + 3])
{
    size_t n = strcspn(at + 1, "}");
    if (at[1 + n] != '}' || n == 0 || n >= NAME_SIZE + 3 || at[1] == '"' ||
        memchr(at + 1, '{', n) != NULL) {
        return false;
    }
    memcpy(mark, at + 1, n);
    mark[n] = '\0';
    return true;
}

static const char *write_text(struct writer *w, const char *text)
{
    char mark[NAME_SIZE + 3];
    w->n = 0;
    w->missing = false;
    for (const char *at = text; *at != '\0'; at++) {
        bool skip =
            !w->shell && ((*at == '[' && w->f->pods == 0) || (*at == '<' && w->f->pods > 0));
        if (skip) {
            const char *end = strchr(at, *at == '[' ? ']' : '>');
            at = end != NULL ? end : at;
        } else if (!w->shell && strchr("[]<>", *at) != NULL) {
            continue;
        } else if (is_own(w, at)) {
            at += strlen(" of {workload}") - 1;
        } else if (*at == '{' && read_mark(at, mark)) {
            put_word(w, mark);
            at += strlen(mark) + 1;
        } else {
            put(w, at, 1);
        }
    }
    return arena_strndup(w->j->a, w->out, w->n);
}

/* A sentence ends with a full stop, also where its last word was a message. */
static const char *closed(struct judge *j, const char *text)
{
    size_t n = strlen(text);
    bool ends = n == 0 || text[n - 1] == '.' || text[n - 1] == '!' || text[n - 1] == '?';
    return ends ? text : arena_printf(j->a, "%s.", text);
}

static void write_finding(struct judge *j, struct finding *f, const struct note *note)
{
    const struct cause_text *t = cause_text_of(f->code);
    struct writer w;
    if (t == NULL) {
        return;
    }
    w.j = j; /* not the whole: its buffer is large */
    w.f = f;
    w.note = note;
    w.shell = false;
    f->message = closed(j, write_text(&w, t->message));
    f->action = closed(j, write_text(&w, cause_action_for(t, is_auto(&w))));
    if (j->f->policy->runbook[0] != '\0') {
        f->action = arena_printf(j->a, "%s Runbook: %s", f->action, j->f->policy->runbook);
    }
    w.shell = true;
    for (int i = 0; i < TEXT_COMMANDS && t->commands[i] != NULL; i++) {
        const char *text = cause_command_for(j->f->kind, t->commands[i]);
        const char *command = text != NULL ? write_text(&w, text) : "";
        if (text != NULL && !w.missing) {
            finding_command(j, f, "%s", command);
        }
    }
}

void claims_write(struct judge *j)
{
    static const struct note none = {.a = "", .b = ""};
    for (uint32_t i = 0; i < j->n_findings; i++) {
        const struct note *note = i < j->sight->cap_notes ? &j->sight->notes[i] : &none;
        write_finding(j, &j->findings[i], note);
    }
}
