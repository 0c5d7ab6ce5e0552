/* effort: which models can be told how much to think, and in which word. By their names: no
 * provider says it in its list, and one that is told what it does not know refuses the call. */
#ifndef LLM_EFFORT_H
#define LLM_EFFORT_H

#include <stdbool.h>

#include "llm/client.h"

/* The word of the Messages API for a model ("claude-opus-4-6", with or without what stands before
 * it); NULL for one that does not adapt its thinking: only Opus and Sonnet from 4.6 on do. AUTO is
 * "max" for Opus and "high" for Sonnet. */
const char *effort_claude(const char *model, enum llm_effort effort);

/* Whether it is one of the models that reason in the APIs of OpenAI's shape. */
bool effort_reasons(const char *model);
/* The word for it there; NULL for AUTO (the provider's own choice), and for models that do not
 * reason. MAX is "xhigh" from GPT-5.2 on and "high" before. */
const char *effort_openai(const char *model, enum llm_effort effort);

/* The name without "provider/" and without a maker before it. */
const char *effort_bare(const char *model);

#endif
