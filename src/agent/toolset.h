/* toolset: which tools each kind of process has, in the order in which a model reads of them. */
#ifndef AGENT_TOOLSET_H
#define AGENT_TOOLSET_H

#include "agent/kind.h"
#include "llm/client.h"
#include "tools/tool.h"

struct toolset {
    const enum tool_id *v; /* static */
    size_t n;
};

/* Nothing for a kind that calls no model. */
struct toolset toolset_of(enum process_kind kind);
bool toolset_has(const struct toolset *s, enum tool_id id);
/* As a request has them: s->n of them, an array that the caller frees; their texts are static. */
struct llm_tool *toolset_describe(const struct toolset *s);

#endif
