/* leak: what a secret means where a model writes one: it is taken out of what is kept and shown,
 * and of what the model is sent again. What a call does, it does with the text as it was written.
 */
#ifndef AGENT_LEAK_H
#define AGENT_LEAK_H

#include "base/scrub.h"
#include "llm/message.h"

/* A tool's arguments as they may be kept: NULL when they can be kept as they are, else the caller's
 * text, JSON when `input` is. */
char *leak_input(const struct scrub_values *values, const char *input);
/* A response's texts and arguments as a history may keep them. Thinking that its provider has
 * signed stays: it goes back to that provider only, and only as it came. True: something was taken
 * out. */
bool leak_message(const struct scrub_values *values, struct llm_message *m);

#endif
