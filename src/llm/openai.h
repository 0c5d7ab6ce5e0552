/* openai: the Chat Completions API as bytes, as OpenAI and very many others speak it: what a
 * request looks like, and what the chunks of its answer mean. Tolerant of what real servers do. */
#ifndef LLM_OPENAI_H
#define LLM_OPENAI_H

#include "base/buf.h"
#include "base/status.h"
#include "llm/client.h"
#include "llm/decode.h"
#include "llm/sse.h"
#include "llm/wire.h"

/* Appends the JSON body for `model` (without its provider). The history is made acceptable as
 * turns.h says; results stand right behind the message with their calls, one message each. Thinking
 * is left out but beside calls where the model or the place wants it back (models with "k2.5",
 * "thinking" or "reasoning" in their names, and the quirk). The quirks of the place say what else
 * differs. The same history gives the same bytes. Errors are those of anthropic_request(). */
enum status openai_request(const struct wire_place *p, const struct llm_request *r,
                           const char *model, struct buf *out, struct cause *why) MUST_CHECK;

enum decode_step openai_event(struct decode *d, const struct sse_event *e,
                              struct cause *why) MUST_CHECK;

#endif
