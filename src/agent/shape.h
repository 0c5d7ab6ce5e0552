/* shape: what a model's text looks like. Models at times write a tool call as text, or data where
 * words were wanted; here is told apart what may be shown to a person. No state, no side effects;
 * every text is hostile and of any length. */
#ifndef AGENT_SHAPE_H
#define AGENT_SHAPE_H

#include <stdbool.h>

bool shape_blank(const char *text);
/* The one word "skip", whatever stands around it that is no letter or digit. */
bool shape_only_skip(const char *text);
/* It begins as data or tool syntax does (SPEC A.3 "Text fallback"). */
bool shape_structured(const char *text);
/* What a malformed call of `reply` wants to say: reply({"content":…}), {"name":"reply",
 * "arguments":{"content":…}} (also between tags or in a code fence), or [reply] …. NULL when it is
 * none. The caller frees. */
char *shape_reply_content(const char *text);

/* The sentence of a reply that tells of a decision, at most 200 characters; NULL when none does.
 * The caller frees. */
char *shape_decision(const char *reply);

#endif
