/* prompt: what models are told, from the texts in src/prompts and what is the case now. */
#ifndef AGENT_PROMPT_H
#define AGENT_PROMPT_H

#include "agent/agent.h"

/* All return text that the caller frees. */

/* The system prompt of a process as its next call will have it; NULL: no process of that kind calls
 * a model. Only `config`, `home` and `sandbox` of the parts are looked at, and of p its kind, bare
 * id, workspace and model: it can be asked for without an engine. */
char *prompt_system(const struct agent_parts *parts, const struct process *p);
/* A message as the model sees it now: the time and the status block before the text, what it should
 * know of how it came (`hint`, may be NULL), and who of those it is from has no authority
 * (`powerless`). The history
 * keeps the text alone, so that the prompt stays the same byte for byte from turn to turn (and can
 * be cached). */
char *prompt_channel_message(const struct agent *a, const struct process *p, const char *hint,
                             const struct strv *powerless, const char *text);
/* The last message of a branch's history: what it is to think about. */
char *prompt_branch_task(const char *description);
/* Appends text that stands between <tag> and </tag>: a closing tag in it, which would let data pass
 * for what we say, is written <\/tag>. */
struct buf;
void prompt_append_data(struct buf *b, const char *text, size_t n, const char *tag);

#endif
