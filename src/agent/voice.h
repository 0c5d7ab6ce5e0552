/* voice: the process that hears a recording: it asks routing.voice what is said in it, and is there
 * to be seen and cancelled like any other while it waits for the answer. */
#ifndef AGENT_VOICE_H
#define AGENT_VOICE_H

#include "agent/agent.h"
#include "llm/transcribe.h"

struct voice;
/* `t`: NULL unless st is OK. STATUS_CANCELLED: a person has ended it; everything else `why` says
 * plainly, with the remedy where there is one. What a failed attempt has cost is in `usage` too. */
typedef void voice_fn(void *arg, enum status st, const char *why, const struct transcript *t,
                      const struct llm_usage *usage);

struct voice_request {
    const char *channel; /* the bare id of the one that it belongs to, which may not be there yet */
    const char *path, *name, *mime;
    int64_t bytes, duration_ms; /* -1: not known */
};

/* fn is called once, from a later turn; the voice is gone then. */
struct voice *voice_start(struct agent *a, const struct voice_request *r, voice_fn *fn, void *arg);
/* Nobody waits for it any more: no call comes. NULL is fine; sets NULL. */
void voice_forget(struct voice **v);
/* A person ends it. False: it had ended. */
bool voice_cancel(struct agent *a, struct process *p, const char *reason);
/* All of a channel. False: there was none. */
bool voice_cancel_all(struct agent *a, const char *channel, const char *reason);
/* "audio/…". */
bool voice_is_for(const char *mime);

#endif
