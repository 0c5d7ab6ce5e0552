/* trim: makes a history shorter. Every cut is aligned: no result without its call (SPEC E). */
#ifndef AGENT_TRIM_H
#define AGENT_TRIM_H

#include "llm/message.h"

/* Where [from..n) may be cut so that about `drop` messages go and at least `keep` stay: moved
 * forward past results whose calls would be gone. `from` when nothing can go. */
size_t trim_cut(const struct llm_history *h, size_t from, size_t drop, size_t keep);
/* Puts one message of the user in the place of [from..cut). */
void trim_replace(struct llm_history *h, size_t from, size_t cut, const char *notice);
/* What happened in [from..cut) as a program tells it: calls with their arguments, notes and
 * results, each cut at 200 bytes (SPEC A.5). The caller frees. */
char *trim_recap(const struct llm_history *h, size_t from, size_t cut);

#endif
