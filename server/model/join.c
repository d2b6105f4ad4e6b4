/*
 * Joins: which bindings select each pod, which binding each of its gates names, which slice entry
 * and which target belong to each pair. Linear in pods + slices + targets: everything is looked up
 * by hash, and the selectors of the namespace are matched once per distinct set of the labels they
 * ask for, since the pods of a rollout look alike.
 *
 * Addresses are compared as addresses (inet_pton), so ::1 and 0:0::1 are one.
 */
#include "model/judge.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

enum {
    LIMIT_POD_GATES = 64,     /* more readiness gates on one pod are ignored */
    LIMIT_SELECTOR_KEYS = 64, /* more distinct selector keys: no class cache, still right */
    ADDRESS_BYTES = 16
};

struct address {
    unsigned char b[ADDRESS_BYTES]; /* IPv4 as ::ffff:a.b.c.d */
};

struct slice_entry {
    const struct endpoint *endpoint;
    const struct kube_slice *slice;
    uint32_t service;
};

struct target_entry {
    const struct facts_target *target;
    struct address address;
    uint32_t group;
};

/* What holds for a binding whatever the pod. */
struct binding_side {
    const struct facts_binding *fb;
    const struct service_port *port; /* NULL = cannot be resolved */
    bool used;                       /* some pod of this rollout is selected or gated by it */
    uint32_t service;                /* number of the first binding with the same Service */
    uint32_t group;                  /* number of the first binding with the same group */
    bool v6;
    bool ip;
    bool heard;
    bool all_unhealthy;
};

struct join {
    struct judge *j;
    struct binding_side *sides;
    uint32_t n;
    struct index by_name;
    uint32_t *used;
    uint32_t n_used;
    const char **keys; /* the label keys that selectors of bindings ask for */
    uint32_t n_keys;
    bool too_many_keys;
    const char **values;       /* of the last pod, by key; NULL = label absent */
    struct pod_binding *proto; /* the last pod's selection */
    bool proto_valid;
    struct slice_entry *slices;
    struct index slice_index;
    struct target_entry *targets;
    struct index target_index;
};

bool binding_is_ip(const struct facts_binding *fb)
{
    const char *type = fb->binding->target_type;
    if (type[0] == '\0' && fb->group->group != NULL) {
        type = fb->group->group->target_type;
    }
    return strcmp(type, "ip") == 0;
}

static bool address_parse(const char *text, struct address *ret)
{
    struct address a = {{0}};
    if (strchr(text, ':') != NULL) {
        if (inet_pton(AF_INET6, text, a.b) != 1) {
            return false;
        }
    } else {
        a.b[10] = 0xff;
        a.b[11] = 0xff;
        if (inet_pton(AF_INET, text, a.b + 12) != 1) {
            return false;
        }
    }
    *ret = a;
    return true;
}

/* ---- bindings ---- */

/* A group whose source fails is believed for a while, then no more: its last word may be about
 * another world. (Without a failure an idle group may be asked only every five minutes.) */
static bool is_heard(struct judge *j, const struct facts_group *g)
{
    if (!g->known && !g->gone) {
        return false;
    }
    if (g->error[0] == '\0' && j->f->cluster->aws_known) {
        return true;
    }
    int64_t from = j->f->cluster->started_at; /* a fresh process has not asked yet */
    from = g->observed_at > from ? g->observed_at : from;
    int64_t until = from + j->f->policy->stale_after_ms;
    judge_look_at(j, until);
    return j->f->now < until;
}

/* The load balancer fails open then: once a binding, not once a pod. */
static bool is_all_unhealthy(const struct facts_group *g)
{
    for (uint32_t i = 0; i < g->targets.n; i++) {
        if (strcmp(LIST_AT(struct facts_target, g->targets, i)->t.state, "unhealthy") != 0) {
            return false;
        }
    }
    return g->targets.n > 0;
}

static void add_keys(struct join *jn, const struct kvs *selector)
{
    for (uint32_t i = 0; i < selector->n; i++) {
        bool known = false;
        for (uint32_t k = 0; k < jn->n_keys && !known; k++) {
            known = strcmp(jn->keys[k], selector->items[i].key) == 0;
        }
        if (known) {
            continue;
        }
        if (jn->n_keys == LIMIT_SELECTOR_KEYS) {
            jn->too_many_keys = true;
            return;
        }
        jn->keys[jn->n_keys++] = selector->items[i].key;
    }
}

static void open_sides(struct join *jn)
{
    struct arena *a = jn->j->a;
    const struct list *bindings = &jn->j->f->ns->bindings;
    jn->n = bindings->n;
    jn->sides = arena_array(a, struct binding_side, jn->n);
    jn->used = arena_array(a, uint32_t, jn->n);
    jn->proto = arena_array(a, struct pod_binding, jn->n);
    jn->keys = arena_array(a, const char *, LIMIT_SELECTOR_KEYS);
    jn->values = arena_array(a, const char *, LIMIT_SELECTOR_KEYS);
    index_init(&jn->by_name, a, jn->n);
    for (uint32_t i = 0; i < jn->n; i++) {
        const struct facts_binding *fb = LIST_AT(struct facts_binding, *bindings, i);
        struct binding_side *s = &jn->sides[i];
        *s = (struct binding_side){.fb = fb, .port = service_port_of(fb), .service = i, .group = i};
        s->v6 = strcmp(fb->binding->ip_address_type, "ipv6") == 0;
        s->ip = binding_is_ip(fb);
        s->heard = is_heard(jn->j, fb->group);
        s->all_unhealthy = is_all_unhealthy(fb->group);
        for (uint32_t k = i; k-- > 0;) {
            if (fb->service != NULL && jn->sides[k].fb->service == fb->service) {
                s->service = k;
            }
            if (jn->sides[k].fb->group == fb->group) {
                s->group = k;
            }
        }
        index_add(&jn->by_name, index_hash(INDEX_SEED, fb->binding->meta.name), i);
        if (fb->service != NULL) {
            add_keys(jn, &fb->service->selector);
        }
    }
}

/* ---- pods and bindings ---- */

/* Has this pod the same values for all keys that selectors ask for as the last one? */
static bool same_class(struct join *jn, const struct kvs *labels)
{
    bool same = jn->proto_valid && !jn->too_many_keys;
    for (uint32_t i = 0; i < jn->n_keys; i++) {
        const char *value = kvs_get(labels, jn->keys[i]);
        const char *last = jn->values[i];
        if (value == NULL || last == NULL) {
            same = same && value == last;
        } else {
            same = same && strcmp(value, last) == 0;
        }
        jn->values[i] = value;
    }
    return same;
}

static void use_binding(struct join *jn, uint32_t i)
{
    if (!jn->sides[i].used) {
        jn->sides[i].used = true;
        jn->used[jn->n_used++] = i;
    }
}

static void join_selection(struct join *jn, struct pod_sheet *p)
{
    const struct kvs *labels = &p->fp->pod->meta.labels;
    if (!same_class(jn, labels)) {
        for (uint32_t i = 0; i < jn->n; i++) {
            const struct facts_binding *fb = jn->sides[i].fb;
            struct pod_binding pb = {.fb = fb,
                                     .ip = jn->sides[i].ip,
                                     .heard = jn->sides[i].heard,
                                     .all_unhealthy = jn->sides[i].all_unhealthy};
            pb.selects = fb->service != NULL && kvs_subset(&fb->service->selector, labels);
            pb.wants_gate = pb.selects && pb.ip && fb->binding->meta.deleted_at == 0;
            pb.service_port_missing = fb->service != NULL && jn->sides[i].port == NULL;
            jn->proto[i] = pb;
            if (pb.selects) {
                use_binding(jn, i);
            }
        }
        jn->proto_valid = true;
    }
    p->n_bindings = jn->n;
    p->bindings = arena_alloc(jn->j->a, sizeof(struct pod_binding) * (jn->n + 1));
    memcpy(p->bindings, jn->proto, sizeof(struct pod_binding) * jn->n);
}

static struct pod_binding *binding_of_gate(struct join *jn, struct pod_sheet *p,
                                           const struct pod_gate *g)
{
    enum kind kind = g->family == FAMILY_AWS_LBC ? KIND_BINDING_LBC : KIND_BINDING_AUTO;
    uint32_t i = 0;
    for (uint32_t at = index_start(&jn->by_name, index_hash(INDEX_SEED, g->binding_name));
         index_next(&jn->by_name, &at, &i);) {
        const struct kube_binding *b = jn->sides[i].fb->binding;
        if (b->meta.kind == kind && strcmp(b->meta.name, g->binding_name) == 0) {
            use_binding(jn, i);
            return &p->bindings[i];
        }
    }
    return NULL;
}

/* For GKE's gate the pending status is left empty: present, and not True, is closed. */
static enum gate_status status_of(const struct condition *c)
{
    if (c == NULL) {
        return GATE_ABSENT;
    }
    return strcmp(c->status, "True") == 0 ? GATE_OPEN : GATE_CLOSED;
}

static bool gate_known(const struct pod_sheet *p, const char *type)
{
    for (uint32_t i = 0; i < p->n_gates; i++) {
        if (strcmp(p->gates[i].type, type) == 0) {
            return true;
        }
    }
    return false;
}

static void join_gates(struct join *jn, struct pod_sheet *p)
{
    const struct kube_pod *pod = p->fp->pod;
    uint32_t most = pod->gates.n < LIMIT_POD_GATES ? pod->gates.n : LIMIT_POD_GATES;
    p->gates = arena_array(jn->j->a, struct pod_gate, most);
    for (uint32_t i = 0; i < pod->gates.n && p->n_gates < most; i++) {
        const char *type = pod->gates.items[i];
        if (gate_known(p, type)) {
            continue;
        }
        struct pod_gate *g = &p->gates[p->n_gates++];
        *g = (struct pod_gate){.type = type,
                               .family =
                                   gate_family_in(type, jn->j->f->policy->families, NULL, NULL),
                               .binding_name = gate_binding_name(type),
                               .condition = condition_get(&pod->conditions, type)};
        g->status = status_of(g->condition);
        if (g->family == FAMILY_AWS_LBC || g->family == FAMILY_EKS_AUTO) {
            struct pod_binding *pb = binding_of_gate(jn, p, g);
            if (pb != NULL) {
                pb->gated = true;
            }
            g->pb = pb;
        }
    }
}

/* ---- slices ---- */

static bool slice_used(const struct join *jn, const struct kube_slice *slice, uint32_t *ret_service)
{
    const char *of = kvs_get(&slice->meta.labels, "kubernetes.io/service-name");
    for (uint32_t u = 0; of != NULL && u < jn->n_used; u++) {
        const struct binding_side *s = &jn->sides[jn->used[u]];
        if (s->fb->service != NULL && strcmp(s->fb->service->meta.name, of) == 0) {
            *ret_service = s->service;
            return true;
        }
    }
    return false;
}

static uint32_t endpoint_hash(uint32_t service, const char *pod_name)
{
    return index_hash(index_hash_bytes(INDEX_SEED, &service, sizeof service), pod_name);
}

static void index_slices(struct join *jn)
{
    const struct list *slices = &jn->j->f->ns->slices;
    uint32_t total = 0;
    uint32_t service = 0;
    for (uint32_t i = 0; i < slices->n; i++) {
        const struct kube_slice *s = LIST_AT(struct kube_slice, *slices, i);
        total += slice_used(jn, s, &service) ? s->endpoints.n : 0;
    }
    jn->slices = arena_alloc(jn->j->a, sizeof(struct slice_entry) * (total + 1));
    index_init(&jn->slice_index, jn->j->a, total);
    uint32_t n = 0;
    for (uint32_t i = 0; i < slices->n; i++) {
        const struct kube_slice *s = LIST_AT(struct kube_slice, *slices, i);
        if (!slice_used(jn, s, &service)) {
            continue;
        }
        for (uint32_t k = 0; k < s->endpoints.n; k++) {
            const struct endpoint *e = LIST_AT(struct endpoint, s->endpoints, k);
            jn->slices[n] = (struct slice_entry){e, s, service};
            index_add(&jn->slice_index, endpoint_hash(service, e->target_name), n++);
        }
    }
}

/* The pod's entry, of the binding's address family where there are two. */
static const struct slice_entry *endpoint_of(const struct join *jn, const struct binding_side *side,
                                             const struct kube_pod *pod)
{
    const struct slice_entry *found = NULL;
    uint32_t i = 0;
    for (uint32_t at = index_start(&jn->slice_index, endpoint_hash(side->service, pod->meta.name));
         index_next(&jn->slice_index, &at, &i);) {
        const struct slice_entry *e = &jn->slices[i];
        const char *uid = e->endpoint->target_uid;
        if (e->service != side->service || strcmp(e->endpoint->target_name, pod->meta.name) != 0 ||
            (uid[0] != '\0' && strcmp(uid, pod->meta.uid) != 0)) {
            continue;
        }
        bool v6 = strcmp(e->slice->address_type, "IPv6") == 0;
        if (found == NULL || v6 == side->v6) {
            found = e;
        }
    }
    return found;
}

/* ---- targets ---- */

static uint32_t address_hash(uint32_t group, const struct address *a)
{
    uint64_t half[2];
    memcpy(half, a->b, ADDRESS_BYTES);
    uint64_t h = (half[0] ^ group) * UINT64_C(0x9E3779B97F4A7C15) ^ half[1];
    h = (h ^ (h >> 33)) * UINT64_C(0xFF51AFD7ED558CCD);
    h = (h ^ (h >> 33)) * UINT64_C(0xC4CEB9FE1A85EC53);
    return (uint32_t)(h ^ (h >> 33));
}

static bool group_wanted(const struct join *jn, uint32_t i)
{
    for (uint32_t u = 0; u < jn->n_used; u++) {
        if (jn->sides[jn->used[u]].group == i && jn->sides[jn->used[u]].ip) {
            return true;
        }
    }
    return false;
}

static void index_targets(struct join *jn)
{
    uint32_t total = 0;
    for (uint32_t i = 0; i < jn->n; i++) {
        total += group_wanted(jn, i) ? jn->sides[i].fb->group->targets.n : 0;
    }
    jn->targets = arena_alloc(jn->j->a, sizeof(struct target_entry) * (total + 1));
    index_init(&jn->target_index, jn->j->a, total);
    uint32_t n = 0;
    for (uint32_t i = 0; i < jn->n; i++) {
        if (!group_wanted(jn, i)) {
            continue;
        }
        const struct list *targets = &jn->sides[i].fb->group->targets;
        for (uint32_t k = 0; k < targets->n; k++) {
            struct target_entry *e = &jn->targets[n];
            e->target = LIST_AT(struct facts_target, *targets, k);
            e->group = i;
            if (address_parse(e->target->t.id, &e->address)) {
                index_add(&jn->target_index, address_hash(i, &e->address), n++);
            }
        }
    }
}

static const char *pod_address(const struct kube_pod *pod, bool v6)
{
    for (uint32_t i = 0; i < pod->ips.n; i++) {
        if ((strchr(pod->ips.items[i], ':') != NULL) == v6) {
            return pod->ips.items[i];
        }
    }
    return pod->ip;
}

/* Where the port is not known (its Service is gone) any port of the address will do. */
static const struct facts_target *target_of(const struct join *jn, const struct binding_side *side,
                                            const struct address *a, int64_t port)
{
    uint32_t i = 0;
    for (uint32_t at = index_start(&jn->target_index, address_hash(side->group, a));
         index_next(&jn->target_index, &at, &i);) {
        const struct target_entry *e = &jn->targets[i];
        if (e->group == side->group && memcmp(e->address.b, a->b, ADDRESS_BYTES) == 0 &&
            (port == 0 || e->target->t.port == port)) {
            return e->target;
        }
    }
    return NULL;
}

/* A pod's address in one family, parsed on first need. */
struct pod_address {
    bool tried;
    bool valid;
    struct address a;
};

static const struct address *address_of(const struct kube_pod *pod, bool v6,
                                        struct pod_address *cache)
{
    if (!cache->tried) {
        cache->tried = true;
        cache->valid = address_parse(pod_address(pod, v6), &cache->a);
    }
    return cache->valid ? &cache->a : NULL;
}

static void join_targets(struct join *jn, struct pod_sheet *p)
{
    struct pod_address addresses[2] = {{.tried = false}};
    p->near = arena_array(jn->j->a, const struct pod_binding *, jn->n_used);
    for (uint32_t u = 0; u < jn->n_used; u++) {
        struct binding_side *side = &jn->sides[jn->used[u]];
        struct pod_binding *pb = &p->bindings[jn->used[u]];
        if (!pb->selects && !pb->gated) {
            continue;
        }
        p->near[p->n_near++] = pb;
        const struct slice_entry *entry = endpoint_of(jn, side, p->fp->pod);
        pb->endpoint = entry != NULL ? entry->endpoint : NULL;
        if (!pb->ip) {
            continue;
        }
        pb->port = target_port_of(side->port, entry != NULL ? entry->slice : NULL, p->fp->pod);
        const struct address *a = address_of(p->fp->pod, side->v6, &addresses[side->v6]);
        pb->target = a != NULL && side->heard ? target_of(jn, side, a, pb->port) : NULL;
    }
}

static int by_place(const void *pa, const void *pb)
{
    uint32_t a = *(const uint32_t *)pa;
    uint32_t b = *(const uint32_t *)pb;
    return (a > b) - (a < b);
}

void judge_join(struct judge *j)
{
    struct join jn = {.j = j};
    open_sides(&jn);
    for (uint32_t i = 0; i < j->n_pods; i++) {
        join_selection(&jn, &j->pods[i]);
        join_gates(&jn, &j->pods[i]);
    }
    qsort(jn.used, jn.n_used, sizeof *jn.used, by_place); /* the namespace's order */
    index_slices(&jn);
    index_targets(&jn);
    for (uint32_t i = 0; i < j->n_pods; i++) {
        join_targets(&jn, &j->pods[i]);
    }
}
