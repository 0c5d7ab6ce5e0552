/* replay: what of an answer was passed on, and what of a second attempt at it is new. The rule:
 * what was delivered is a prefix. A second attempt that begins with it goes on behind it; one that
 * does not is begun anew, visibly. Nothing is ever passed on twice. */
#ifndef LLM_REPLAY_H
#define LLM_REPLAY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "llm/client.h"

/* Where pieces go, as llm_events has them; any may be NULL. */
struct replay_sink {
    void (*on_text)(void *arg, const char *text, size_t n);
    void (*on_thinking)(void *arg, const char *text, size_t n);
    void (*on_tool_start)(void *arg, size_t index, const char *id, const char *name);
    void (*on_tool_input)(void *arg, size_t index, const char *fragment, size_t n);
    /* What was passed on so far is no part of the answer. */
    void (*on_restart)(void *arg);
};

struct replay_part;
struct replay {
    struct replay_sink sink;
    void *arg;
    const bool *gone; /* lent; set by a sink's function: nothing may be passed on any more */
    struct replay_part *had, *now; /* passed on; of this attempt, held back */
    size_t nhad, nnow;
    bool holding; /* this attempt has not shown yet whether it goes on behind what was passed on */
    bool aloud;   /* what was passed on has words, not thoughts alone: only those are compared */
};

void replay_init(struct replay *r, const struct replay_sink *sink, void *arg, const bool *gone);
void replay_free(struct replay *r);
/* Another attempt begins. */
void replay_again(struct replay *r);
/* Something was passed on. */
bool replay_delivered(const struct replay *r);

void replay_text(struct replay *r, const char *text, size_t n);
void replay_thinking(struct replay *r, const char *text, size_t n);
void replay_tool_start(struct replay *r, size_t index, const char *id, const char *name);
void replay_tool_input(struct replay *r, size_t index, const char *fragment, size_t n);
/* The attempt is whole: what is still held back said less than was passed on, so it is not its
 * continuation. */
void replay_done(struct replay *r);

#endif
