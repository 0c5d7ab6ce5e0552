/* agent: everything that thinks, on the engine's loop: the process table, the channels and workers,
 * the tools they use. It tells outward through the bus and is told through the command table. */
#ifndef AGENT_AGENT_H
#define AGENT_AGENT_H

#include <cjson/cJSON.h>

#include "agent/bus.h"
#include "agent/lifecycle.h"
#include "agent/process.h"
#include "base/scrub.h"
#include "conf/config.h"
#include "conf/home.h"
#include "llm/catalog.h"
#include "llm/client.h"
#include "loop/job.h"
#include "loop/loop.h"
#include "sandbox/sandbox.h"
#include "store/store.h"
#include "tools/tool.h"
#include "trace/span.h"

/* What an agent is made of; all lent and outliving it. */
struct agent_parts {
    struct loop *loop;
    struct job_pool *jobs;
    struct store *store;
    struct trace *trace;
    struct llm *llm;
    struct sandbox *sandbox;
    const struct config *config;
    const struct home *home;
    const struct scrub_values *values; /* that nobody is shown; NULL: only shapes are known */
    const struct catalog *catalog;     /* what providers offer; NULL: nobody looks */
};

struct agent;
struct gate;
struct inbox;
struct record_partials;
/* Reconciles what an earlier engine left unfinished (SPEC A.5 "Startup"). */
enum status agent_new(const struct agent_parts *parts, struct agent **out,
                      struct cause *why) MUST_CHECK;
/* Cancels everything, keeping what was had; terminal states are in the store's queue when it
 * returns. */
void agent_free(struct agent **a);

struct process_table *agent_processes(const struct agent *a);
struct bus *agent_bus(const struct agent *a);
const struct agent_parts *agent_parts(const struct agent *a);
struct gate *agent_gate(const struct agent *a);
struct inbox *agent_inbox(const struct agent *a);
/* Nothing runs and nothing is pending: the engine may end. */
bool agent_idle(const struct agent *a);
/* What tools may ask of it. */
const struct tool_host *agent_tool_host(const struct agent *a);
/* Ends a process, keeping what it has; for a channel its present turn. False: nothing of it was
 * under way. */
bool agent_cancel_by(struct agent *a, struct process *p, enum lifecycle_owner by,
                     const char *reason);
bool agent_cancel(struct agent *a, struct process *p, const char *reason);
/* Adds "model", "sandbox", "processes", "store" of status --json. */
void agent_status(const struct agent *a, cJSON *out);
/* One object of ps --json. */
cJSON *agent_ps_json(const struct agent *a, const struct process *p);
/* The undo that is under way; *it is NULL when there is none. undo.c's. */
struct undo;
struct undo **agent_undo(struct agent *a);
/* What is known for longer than a conversation. */
struct memories;
struct memories *agent_memories(const struct agent *a);
/* How many tool runs of an earlier engine wait to be looked at. */
size_t agent_interrupted_count(const struct agent *a);
void agent_set_interrupted(struct agent *a, size_t n);
/* What is being written by all processes. */
struct record_partials *agent_partials(struct agent *a);
/* One of them has been looked at. STATUS_NOT_FOUND when there is none of that id. */
enum status agent_dismiss(struct agent *a, const char *call_id, struct cause *why) MUST_CHECK;
/* STATUS_CONFIG, and how to connect a model: for all who find none. */
enum status agent_no_provider(const struct agent *a, const char *model, struct cause *why);
/* What a conversation that a screen opens is held with where nobody named a model: NULL when
 * routing's has a provider, else what can stand in for it, NULL when nothing can. Scripts are never
 * answered by a stand-in that they did not ask for. */
const char *agent_default_model(const struct agent *a);
/* A screen that no provider answers is shown: asks the servers of this machine for a model, once at
 * a time, and lets the first that is found take the stand-in's place. */
void agent_look_for_model(struct agent *a);
/* The model that was found so, or NULL. */
const char *agent_found_model(const struct agent *a);
/* Where every process makes its model calls. */
struct route;
struct route *agent_route(const struct agent *a);
/* What is kept of requests and answers; NULL: nothing (limits.keep_requests_mb). */
struct exchanges;
struct exchanges *agent_exchanges(const struct agent *a);
/* What was spent today. */
struct limit_day;
struct limit_day *agent_day(const struct agent *a);
/* The engine's run, told apart from earlier ones in the store. */
const char *agent_run_id(const struct agent *a);

#endif
