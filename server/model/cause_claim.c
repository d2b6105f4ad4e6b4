/*
 * How rules speak: a claim starts a finding or joins one. All pods held by one cause about one
 * object share one finding, whose severity, since and confidence are the worst, earliest and best
 * of its pods'.
 */
#include "model/cause_in.h"

#include <string.h>

enum { POD_EVIDENCE = 6 }; /* pieces before the rest are left to the counts */

static struct note *note_of(struct judge *j, const struct finding *f)
{
    struct sight *s = j->sight;
    uint32_t i = (uint32_t)(f - j->findings);
    if (i >= s->cap_notes) {
        uint32_t cap = j->cap_findings;
        struct note *notes = arena_array(j->a, struct note, cap);
        if (s->cap_notes > 0) {
            memcpy(notes, s->notes, sizeof *notes * s->cap_notes);
        }
        s->notes = notes;
        s->cap_notes = cap;
    }
    return &s->notes[i];
}

struct finding *claim_object(struct judge *j, const struct claim *c)
{
    uint32_t before = j->n_findings;
    struct finding *f = judge_finding(j, c->code, c->object);
    bool fresh = j->n_findings != before;
    struct note *n = note_of(j, f);
    if (fresh) {
        f->severity = c->severity;
        f->confidence = c->likely ? CONFIDENCE_LIKELY : CONFIDENCE_CERTAIN;
        *n = (struct note){.view = c->view, .a = c->a, .b = c->b};
    } else {
        f->severity = c->severity > f->severity ? c->severity : f->severity;
        f->confidence = c->likely ? f->confidence : CONFIDENCE_CERTAIN;
    }
    if (c->since != 0 && c->since < f->since) {
        f->since = c->since;
    }
    return f;
}

struct finding *claim_pod(struct judge *j, struct pod_sheet *p, const struct claim *c)
{
    struct finding *f = claim_object(j, c);
    struct note *n = note_of(j, f);
    /* The text speaks of a pod of the revision that counts, if it holds one. */
    if (n->pod == NULL || (p->is_new && !n->pod->is_new)) {
        *n = (struct note){.view = c->view, .pod = p, .a = c->a, .b = c->b};
    }
    finding_pod(j, f, p);
    return f;
}

bool wants_evidence(const struct finding *f)
{
    return f->evidence.n < POD_EVIDENCE;
}

const char *state_words(struct judge *j, const char *state, const char *reason, const char *text)
{
    bool two = state[0] != '\0' && reason[0] != '\0';
    bool more = text[0] != '\0' && (state[0] != '\0' || reason[0] != '\0');
    return arena_printf(j->a, "%s%s%s%s%.300s", state, two ? " " : "", reason, more ? ": " : "",
                        text);
}

const struct finding *claimed(const struct judge *j, const char *code, const char *object)
{
    for (uint32_t i = 0; i < j->n_findings; i++) {
        const struct finding *f = &j->findings[i];
        if (strcmp(f->code, code) == 0 && (object == NULL || strcmp(f->object, object) == 0)) {
            return f;
        }
    }
    return NULL;
}
