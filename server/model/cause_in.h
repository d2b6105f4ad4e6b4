/*
 * Inside the rules of the catalogue (cause_*.c): one entry a section, and what they share.
 */
#ifndef GATEHOUSE_MODEL_CAUSE_IN_H
#define GATEHOUSE_MODEL_CAUSE_IN_H

#include "model/judge.h"

void causes_health(struct judge *j);

#endif
