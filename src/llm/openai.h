/* openai: the Chat Completions API as bytes, as OpenAI and very many others speak it: what a
 * request looks like, and what the chunks of its answer mean. Tolerant of what real servers do. */
#ifndef LLM_OPENAI_H
#define LLM_OPENAI_H

#include "base/buf.h"
#include "base/status.h"
#include "base/str.h"
#include "llm/client.h"
#include "llm/decode.h"
#include "llm/sse.h"

/* Appends the JSON body for `model` (without its provider). The history is made acceptable as
 * turns.h says; thinking is left out, results stand right behind the message with their calls, one
 * message each. `base_url` tells whether it goes to OpenAI itself, whose newer models refuse
 * max_tokens where all others know nothing else. The same history gives the same bytes. Errors are
 * those of anthropic_request(). */
enum status openai_request(const struct llm_request *r, const char *model, const char *base_url,
                           struct buf *out, struct cause *why) MUST_CHECK;

/* Adds "name: value" lines. Wipe them after use: one holds the key (NULL: there is none). */
void openai_headers(const char *key, struct strv *out);

enum decode_step openai_event(struct decode *d, const struct sse_event *e,
                              struct cause *why) MUST_CHECK;

#endif
