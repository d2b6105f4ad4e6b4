/*
 * The catalogue of causes: one row a code. Codes are stable API: never renamed, only added. The row
 * holds what does not depend on the case; the rules (cause_*.c) fill in the rest.
 */
#ifndef GATEHOUSE_MODEL_CAUSE_H
#define GATEHOUSE_MODEL_CAUSE_H

#include "model/words.h"

struct cause {
    const char *code;
    const char *section; /* of the catalogue: not_at_gate, no_gate, cannot_open, controller,
                            registration, health, exposed, rollout, source */
    int nearness; /* smaller = nearer to the root; decides the primary cause among findings that
                     hold */
    enum severity severity; /* usual severity; a rule may say otherwise */
    bool terminal;          /* usually */
    const char *title;      /* a few words for headings */
    const char *docs;       /* URL, "" */
};

/* NULL when there is no such code. */
const struct cause *cause_get(const char *code);
/* A few words for headings; the code itself when it is not in the catalogue. */
const char *cause_title(const char *code);
/* All rows, in catalogue order. */
const struct cause *cause_all(unsigned *ret_n);

#endif
