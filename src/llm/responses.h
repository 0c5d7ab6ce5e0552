/* responses: the Responses API as bytes, as OpenAI speaks it: a conversation is a list of items
 * (messages, calls, their outputs, reasoning), and the events of an answer tell of items that grow
 * side by side. Nothing is kept at the provider: what it reasoned comes encrypted and goes back. */
#ifndef LLM_RESPONSES_H
#define LLM_RESPONSES_H

#include "base/buf.h"
#include "base/status.h"
#include "llm/client.h"
#include "llm/decode.h"
#include "llm/sse.h"
#include "llm/wire.h"

/* Appends the JSON body for `model` (without its provider). The history is made acceptable as
 * turns.h says; reasoning goes back as it came to the provider that it came from, with its
 * encrypted content, where what it led to stands behind it. The same history gives the same bytes.
 * Errors are those of anthropic_request(). */
enum status responses_request(const struct wire_place *p, const struct llm_request *r,
                              const char *model, struct buf *out, struct cause *why) MUST_CHECK;

enum decode_step responses_event(struct decode *d, const struct sse_event *e,
                                 struct cause *why) MUST_CHECK;

#endif
