/* Inside the causes: one row of words a code (cause_texts.c), filled in by cause_write.c. */
#ifndef GATEHOUSE_MODEL_CAUSE_TEXT_H
#define GATEHOUSE_MODEL_CAUSE_TEXT_H

#include <stdbool.h>

enum { TEXT_COMMANDS = 4 };

struct cause_text {
    const char *code;
    const char *message;
    const char *action;
    const char *commands[TEXT_COMMANDS];
};

/* The command as it is for a workload of that kind; NULL = it has none. */
const char *cause_command_for(const char *kind, const char *command);
/* The action; behind Auto Mode another one where the controller's log or pods are meant. */
const char *cause_action_for(const struct cause_text *text, bool is_auto);
/* NULL when there is no such code. */
const struct cause_text *cause_text_of(const char *code);

#endif
