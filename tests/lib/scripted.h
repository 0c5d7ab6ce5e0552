/* scripted: an agent in a home of its own whose models are scripted (script_llm.h), on an inline
 * loop with the virtual clock: what unit tests of agent/ stand on. */
#ifndef TESTS_SCRIPTED_H
#define TESTS_SCRIPTED_H

#include "agent/channel.h"
#include "agent/command.h"
#include "base/buf.h"
#include "tests/lib/script_llm.h"

/* Pieces of what models answer. */
#define CALL(name, input) "{\"type\":\"tool_use\",\"name\":\"" name "\",\"input\":" input "}"
#define TEXT(text) "{\"type\":\"text\",\"text\":\"" text "\"}"
#define REPLY(text) "[" CALL("reply", "{\"content\":\"" text "\"}") "]"
#define SKIP "[" CALL("skip", "{}") "]"
#define SPAWN(task) CALL("spawn_worker", "{\"task\":\"" task "\"}")
#define SPAWN_INTERACTIVE(task) CALL("spawn_worker", "{\"task\":\"" task "\",\"interactive\":true}")
#define BRANCH(task) CALL("branch", "{\"description\":\"" task "\"}")
#define SHELL(command) "[" CALL("shell", "{\"command\":\"" command "\"}") "]"
#define OUTCOME(text) "[" CALL("set_status", "{\"kind\":\"outcome\",\"status\":\"" text "\"}") "]"

struct scripted_home {
    char dir[64];
    struct home home;
    struct config *config;
    struct loop *loop;
    struct job_pool *jobs;
    struct store *store;
    struct trace *trace;
    struct llm *llm;
    struct sandbox *sandbox;
    struct agent *agent;
    struct bus_listener *listener;
    struct buf events; /* their types, space-separated, without deltas and status updates */
};

/* For cmocka: *state is a struct scripted_home. */
int scripted_setup(void **state);
int scripted_teardown(void **state);
/* The engine ends in order, and another begins in the same home. */
void scripted_restart(struct scripted_home *f);

struct scripted_answer {
    bool given;
    enum status st;
    cJSON *body;
    char *why;
};
void scripted_clear(struct scripted_answer *a);
/* Runs a command; the answer may come later. */
struct command_call *scripted_ask(struct scripted_home *f, enum command c,
                                  struct scripted_answer *a, const char *args);
/* The same for one that is answered at once; its status, and nothing else. */
enum status scripted_do(struct scripted_home *f, enum command c, const char *args);
/* exec, until it is answered. */
void scripted_exec(struct scripted_home *f, struct scripted_answer *a, const char *args);
/* Says something to channel c1. */
void scripted_say(struct scripted_home *f, const char *text);
/* Some turns of the loop, `ms` virtual milliseconds at most each. */
void scripted_turns(struct scripted_home *f, int n, int64_t ms);
/* Until nothing is under way; virtual time passes as it must. */
void scripted_settle(struct scripted_home *f);

/* The only process of a kind; fails when there are several or none. */
struct process *scripted_only(struct scripted_home *f, enum process_kind kind);
void scripted_expect(const char *text, const char *part);
unsigned scripted_count(const char *text, const char *part);

#endif
