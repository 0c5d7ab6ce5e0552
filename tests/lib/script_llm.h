/* script_llm: the model client's interface without a network. A test links this in place of
 * llm/client.c and scripts what the models answer; each call is answered on the loop, a virtual
 * millisecond later. */
#ifndef TESTS_SCRIPT_LLM_H
#define TESTS_SCRIPT_LLM_H

#include "llm/client.h"

/* Who is asked: told by the tools that come with the request. */
enum script_who { SCRIPT_CHANNEL, SCRIPT_BRANCH, SCRIPT_WORKER };

/* What one call is answered with: blocks of JSON as Anthropic has them in `content`
 * ([{"type":"text","text":…},{"type":"tool_use","name":…,"input":{…}}]), or a fault. Answers are
 * used in the order in which they were pushed, each list for itself. */
void script_push(enum script_who who, const char *blocks);
void script_push_fault(enum script_who who, enum llm_fault fault, const char *text);
/* The call streams `text` and then stays silent until it is cancelled. */
void script_push_hang(enum script_who who, const char *text);
/* Answers that were not used. */
size_t script_left(enum script_who who);
/* Calls made in all, and the last request's history as JSON (lent), and its system prompt. */
size_t script_calls(enum script_who who);
const char *script_last_history(enum script_who who);
const char *script_last_system(enum script_who who);
/* And how long its answer may be; 0: as ever. */
int script_max_tokens(enum script_who who);
/* A call without a scripted answer gets this one instead of failing the test; NULL: fails. */
void script_default(enum script_who who, const char *blocks);
/* Instead of scripts: `choose` answers every call as script_push() would (the caller frees nothing:
 * it returns owned text that is taken), or sets *fault and returns NULL, or returns "" for a call
 * that never ends by itself. `check` sees every request first. */
struct script_chooser {
    char *(*choose)(void *arg, enum script_who who, enum llm_fault *fault);
    void (*check)(void *arg, enum script_who who, const struct llm_request *r);
    void *arg;
};
void script_choose(const struct script_chooser *c); /* NULL: scripts again */
/* What the next recording is answered with, in order: its words (paid with 0.002 dollars, a guess),
 * or a fault; "…" never ends by itself. Without any the test fails. */
void script_push_speech(const char *text);
void script_push_speech_fault(enum llm_fault fault, const char *text);
void script_reset(void);

#endif
