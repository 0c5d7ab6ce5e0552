/* anthropic: the Messages API as bytes: what a request looks like, and what the events of its
 * answer mean. No sockets, no retries; whoever feeds it decides what to do with a failure. */
#ifndef LLM_ANTHROPIC_H
#define LLM_ANTHROPIC_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/status.h"
#include "llm/client.h"
#include "llm/decode.h"
#include "llm/sse.h"
#include "llm/wire.h"

/* Appends the JSON body for `model` (without its provider). The history is made acceptable on the
 * way: neighbours of one role become one message; results come first and each answers a call of the
 * message before (a call that has none is answered as interrupted, a result that answers none
 * becomes text); what the API refuses (blank text, thinking without its signature or of somebody
 * else, thinking at the end) is left out. The same history gives the same bytes but for the marks:
 * what the provider is to keep for the next call ends with the system text, the last tool, and the
 * last two messages of the user, so that each call finds what the one before has left; four are the
 * most that are allowed. STATUS_INVALID when the history does not end with something from the user,
 * or a tool's schema is no object. */
enum status anthropic_request(const struct wire_place *p, const struct llm_request *r,
                              const char *model, struct buf *out, struct cause *why) MUST_CHECK;

enum decode_step anthropic_event(struct decode *d, const struct sse_event *e,
                                 struct cause *why) MUST_CHECK;

#endif
