/* What others wrote, as findings quote it. */
#ifndef GATEHOUSE_MODEL_QUOTE_H
#define GATEHOUSE_MODEL_QUOTE_H

#include "base/arena.h"

/* The message without what AWS makes anew for each call: the request's id and the encoded cause of
 * a denial. Else the same trouble, tried again, reads as another. The message itself (borrowed)
 * where it holds none, else a copy in the arena. Pure. Thread: any. */
const char *quote_steady(struct arena *a, const char *message);

#endif
