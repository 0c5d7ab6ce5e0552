/* routing: which model a process uses, and which ones stand in for it, from the configuration and
 * from what its conversation was told. How a call is made is llm/route's business. */
#ifndef AGENT_ROUTING_H
#define AGENT_ROUTING_H

#include "agent/agent.h"
#include "llm/route.h"

/* What the configuration has for a process of that kind: by its kind of task (may be NULL), else
 * the slot's. Lent. */
const char *routing_configured(const struct config *c, enum process_kind kind,
                               const char *task_type);
/* The model for a process of that kind in a channel: what the conversation was told or is stood in
 * by, else what its kind of task has (task_type may be NULL), else the slot's. Lent. */
const char *routing_model(const struct agent *a, enum process_kind kind, const char *task_type,
                          const struct process *channel);
/* Every live process of the channel whose conversation was told something else uses that from its
 * next call on. */
void routing_changed(struct agent *a, const struct process *channel);
/* Fills in who is asked after r->model: its own fallbacks, else those of the kind of process. */
void routing_fallbacks(const struct agent *a, const struct process *p, struct route_request *r);
/* "anthropic: overloaded (529), tried again at 14:03; openai/gpt-5.2 answers now". The caller
 * frees. */
char *routing_stand_in_text(const struct route_stand_in *s);
/* A model that can be asked: STATUS_INVALID for what is no name, STATUS_CONFIG and the remedy when
 * its provider is unknown or has no key. */
enum status routing_check(const struct agent *a, const char *model, struct cause *why) MUST_CHECK;
/* Names that are known here and begin so, each once: what is configured, what is in use, and the
 * usual models of providers that can be asked; where something was typed also what providers list.
 */
struct strv;
void routing_names(const struct agent *a, const char *prefix, struct strv *out);

/* Tokens of context that are counted on. */
int64_t routing_ceiling(const struct agent *a, const char *model);

/* Makes the route of an agent; its learned ceilings are loaded and stored. */
enum status routing_new(struct agent *a, struct route **out, struct cause *why) MUST_CHECK;

#endif
