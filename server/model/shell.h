/* Names in commands that a person pastes into a shell. */
#ifndef GATEHOUSE_MODEL_SHELL_H
#define GATEHOUSE_MODEL_SHELL_H

#include "base/arena.h"

/* The text as one word of a POSIX shell: itself when it is plain (borrowed), else quoted (in the
 * arena). Pure. Thread: any. */
const char *shell_word(struct arena *a, const char *text);

#endif
