/* mend: a history that a provider would not take, made plain: for the second attempt after it said
 * that calls and results do not fit together. */
#ifndef LLM_MEND_H
#define LLM_MEND_H

#include <stdbool.h>

#include "llm/message.h"

/* Whether what a provider says is about how calls, results or thoughts stand to each other. */
bool mend_helps(const char *said);
/* A copy without calls that have no result in the next message of the user and without thoughts;
 * results without their call are text, at most 1,024 bytes of each. False, and nothing to free,
 * when that changes nothing. */
bool mend_history(struct llm_history *to, const struct llm_history *from);

#endif
