/* What others wrote, as findings quote it. */
#ifndef GATEHOUSE_MODEL_QUOTE_H
#define GATEHOUSE_MODEL_QUOTE_H

#include "base/arena.h"

/* The message without what is made anew for each try: ids of calls to AWS and the encoded cause of
 * a denial, ids of sandboxes, the port that a connection came from, the present time, and the mark
 * of an event that stands for several. Else the same trouble, tried again, reads as another. The
 * message itself (borrowed) where it holds none, else a copy in the arena. Pure. Thread: any. */
const char *quote_steady(struct arena *a, const char *message);

#endif
