/* world: what the files of the random schedules share. test_schedules.c runs a schedule,
 * world.c begins and ends an engine, models.c is what models are sent and answer, rules.c what must
 * hold at every moment and at the end, steps.c what people and clients do. */
#ifndef TESTS_PROPERTY_WORLD_H
#define TESTS_PROPERTY_WORLD_H

#include <stdlib.h>

#include "agent/agent.h"
#include "agent/command.h"
#include "agent/process.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/id.h"
#include "tests/lib/script_llm.h"

#define CALLS_MAX 64
#define SEEN_MAX 512
#define TRACE_MAX (256u * 1024)
#define CHANNELS 3
#define MESSAGES_MAX 1024
#define REQUESTS_MAX 1024
#define VERDICTS_MAX 4096
#define OUTSIDE_TEXT "what is out there"

struct world;

/* A command that was given and is perhaps not answered yet. */
struct asked {
    struct world *w;
    unsigned slot;
    enum command command;
    unsigned message; /* of an exec */
    int64_t request;  /* of an answer */
};

/* What is known of a process from what was told outward. */
struct known {
    unsigned results; /* that its channel must have been told: first ones and the end */
    bool ended;
    enum process_outcome outcome;
};

/* A handle and whose it was. */
struct seen {
    struct process_handle handle;
    char *id;
};

/* "message 17." as it was accepted: in order, each once. */
struct said {
    char id[ID_UUID_SIZE]; /* "": it was not, or not yet */
    int channel;
    unsigned turns; /* in which it was what is answered */
};

/* What was told of a request; by its number. */
struct request {
    bool begun, ended, question;
    char call_id[32];
};

/* How a call that asked was decided; by the number in its id. */
enum verdict { VERDICT_NONE, VERDICT_ALLOWED, VERDICT_DENIED };

/* A channel as it must be. */
struct talk {
    unsigned order[MESSAGES_MAX]; /* its messages */
    size_t n;
    bool paused, observes;
    unsigned retriggers; /* since a person's last message */
};

struct world {
    uint64_t seed, rng;
    struct buf trace;
    struct home home;
    struct config *config;
    struct loop *loop;
    struct job_pool *jobs;
    struct store *store;
    struct trace *spans;
    struct llm *llm;
    struct sandbox *sandbox;
    struct agent *agent;
    struct bus_listener *listener;
    struct map *known; /* process id -> struct known: of this run of the engine */
    struct seen seen[SEEN_MAX];
    size_t nseen;
    bool calm; /* models answer at once and well */
    struct command_call *calls[CALLS_MAX];
    struct asked asked[CALLS_MAX];
    bool open[CALLS_MAX]; /* asked and not answered */
    unsigned given;
    unsigned long models, tasks;
    char *outside; /* a file that nobody may read without being allowed */
    bool ruled;    /* by a rule that was made meanwhile, too */
    unsigned nmessages;
    struct said messages[MESSAGES_MAX];
    struct talk talks[CHANNELS];
    bool commanding; /* a command with authority is being given */
    struct request requests[REQUESTS_MAX];
    unsigned char verdicts[VERDICTS_MAX];
};

/* 0 … n-1 */
unsigned pick(struct world *w, unsigned n);

#define STEP(w, ...)                                                                               \
    do {                                                                                           \
        if ((w)->trace.len < TRACE_MAX) {                                                          \
            buf_printf(&(w)->trace, "%10.3f ", (double)clock_mono_ns() / 1e9);                     \
            buf_printf(&(w)->trace, __VA_ARGS__);                                                  \
            buf_putc(&(w)->trace, '\n');                                                           \
        }                                                                                          \
    } while (0)

#define BROKEN(w, ...)                                                                             \
    do {                                                                                           \
        STEP(w, "BROKEN: " __VA_ARGS__);                                                           \
        abort();                                                                                   \
    } while (0)

/* world.c */
void world_start(struct world *w);
void world_stop(struct world *w);

/* models.c */
struct process *any_process(struct world *w); /* NULL: there is none */
/* Every call has its one result right behind it, every result its call, and says what a person
 * decided. */
void models_check_pairs(struct world *w, const struct llm_history *h);
void models_check(void *arg, enum script_who who, const struct llm_request *r);
char *models_choose(void *arg, enum script_who who, enum llm_fault *fault);

/* rules.c */
void rules_hear(void *arg, const struct bus_event *e);
void rules_begin(struct world *w); /* an engine has begun */
void rules_end(struct world *w);   /* it is about to end: nobody will hear of what it withdraws */
void rules_ended(struct world *w); /* it has, and everything is stored */
void rules_hold(struct world *w);  /* at any moment */
void rules_settled(struct world *w);
/* The open exec that said that message; NULL: none. */
const struct asked *rules_exec_of(const struct world *w, const char *message);

/* steps.c */
void steps_next(struct world *w);
/* Everything that people have said about not answering is taken back. */
void steps_wake(struct world *w);
/* Whatever has happened, a message is answered. */
void steps_check_answers(struct world *w);

#endif
