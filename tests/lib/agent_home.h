/* agent_home: an agent in a home of its own, with scripted models (script_llm), an inline loop, the
 * virtual clock and a real store. For unit tests of agent/: a test asks, lets turns pass, looks. */
#ifndef TESTS_AGENT_HOME_H
#define TESTS_AGENT_HOME_H

#include "agent/command.h"
#include "agent/process.h"
#include "base/buf.h"
#include "tests/lib/script_llm.h"

/* Blocks of an answer for script_push(). */
#define CALL(name, input) "{\"type\":\"tool_use\",\"name\":\"" name "\",\"input\":" input "}"
#define TEXT(text) "{\"type\":\"text\",\"text\":\"" text "\"}"
#define REPLY(text) "[" CALL("reply", "{\"content\":\"" text "\"}") "]"
#define SPAWN(task) CALL("spawn_worker", "{\"task\":\"" task "\"}")
#define BRANCH(text) CALL("branch", "{\"description\":\"" text "\"}")
#define OUTCOME(text) "[" CALL("set_status", "{\"kind\":\"outcome\",\"status\":\"" text "\"}") "]"

/* A key that the engine holds. */
#define AGENT_SECRET "k9Xw2-Qa7_bZ4mN8vC1tR5yU3iO6pL0s"

struct agent_home {
    char dir[64];
    struct home home;
    struct config *config;
    struct loop *loop;
    struct job_pool *jobs;
    struct store *store;
    struct trace *trace;
    struct llm *llm;
    struct sandbox *sandbox;
    struct scrub_values *values; /* AGENT_SECRET, of "provider" */
    struct agent *agent;
    struct bus_listener *listener;
    struct buf events; /* their types, space-separated, without deltas, texts and status updates */
};

/* cmocka's: *state is a struct agent_home. Set the virtual clock and the id seed in main(). */
int agent_home_setup(void **state);
int agent_home_teardown(void **state);
/* The engine ends and begins again in the same home; not `orderly`: as in a crash, where only what
 * is committed is left. */
void agent_home_restart(struct agent_home *h, bool orderly);

struct agent_answer {
    bool given;
    enum status st;
    cJSON *body;
    char *why;
};
void agent_answer_clear(struct agent_answer *a);
/* `args` is JSON. */
struct command_call *agent_ask(struct agent_home *h, enum command c, struct agent_answer *a,
                               const char *args);
void agent_turns(struct agent_home *h, int n);     /* of the loop, without waiting */
void agent_pass(struct agent_home *h, int64_t ms); /* of virtual time, and what is due in it */
/* Until nothing is under way; virtual time passes as it must. */
void agent_settle(struct agent_home *h);
/* Asks and waits for the answer. */
void agent_exec(struct agent_home *h, struct agent_answer *a, const char *args);
/* {"channel":…,"text":…,"sender":…} is said and stored; sender NULL: the person at the machine. */
void agent_say(struct agent_home *h, const char *channel, const char *sender, const char *text);
struct process *agent_process(struct agent_home *h, const char *id);      /* must exist */
struct process *agent_only(struct agent_home *h, enum process_kind kind); /* must be the only one */
const char *agent_last_entry(struct agent_home *h, const char *id, enum journal_kind kind);

/* None of the store's files holds the text. */
void agent_expect_not_stored(struct agent_home *h, const char *text);

void expect_in(const char *text, const char *part);
void expect_not_in(const char *text, const char *part);
unsigned count_in(const char *text, const char *part);

#endif
