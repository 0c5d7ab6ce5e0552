/* inbox: what waits for a person, from every depth in one place: permissions that tools need, and
 * questions with options. A request has a number that is never used again, ends once, and is in the
 * store from beginning to end. A permission dies with the engine; a question outlives it. */
#ifndef AGENT_INBOX_H
#define AGENT_INBOX_H

#include <cjson/cJSON.h>

#include "agent/bus.h"
#include "agent/process.h"
#include "base/list.h"

/* X(NAME, "name") */
#define INBOX_KIND_TABLE(X) X(PERMISSION, "permission") X(QUESTION, "question")
enum inbox_kind {
#define X(name, text) INBOX_##name,
    INBOX_KIND_TABLE(X)
#undef X
};
const char *inbox_kind_name(enum inbox_kind k);

/* How a request for permission ended. */
#define INBOX_ANSWER_TABLE(X)                                                                      \
    X(ONCE, "once")                                                                                \
    X(ALWAYS, "always")                                                                            \
    X(DENY, "deny")                                                                                \
    X(TIMED_OUT, "timed_out") /* nobody answered */
enum inbox_answer {
#define X(name, text) INBOX_ANSWER_##name,
    INBOX_ANSWER_TABLE(X)
#undef X
};

#define INBOX_OPTIONS_MIN 2u /* SPEC A.6 */
#define INBOX_OPTIONS_MAX 10u
#define INBOX_REMARK_MAX 4096u /* bytes of what a person says to an answer */

/* One of those that ask, from the channel down. */
struct inbox_step {
    enum process_kind kind;
    char *id, *name;
};
struct inbox_option {
    char *label, *description; /* description may be NULL */
};

/* remark: what the person said to it, "" when nothing. The request is gone when it returns. */
typedef void inbox_fn(void *arg, enum inbox_answer answer, const char *remark);

struct inbox;
struct inbox_request {
    struct list link;
    struct inbox *inbox;
    int64_t number;
    enum inbox_kind kind;
    struct process_handle process; /* dead when an earlier engine asked */
    char *process_id, *channel;
    char *call_id, *tool;
    char *text; /* what it wants to do, or asks; hostile */
    char *
        preview; /* what it would change, in lines (tools/preview.h); hostile; NULL: text says it */
    char *reason;  /* why it has to ask; NULL for a question */
    char *pattern; /* the rule that "always" would remember; NULL: it cannot be */
    struct inbox_step *path;
    size_t npath;
    struct inbox_option *options;
    size_t noptions;
    bool multi_select;
    int64_t asked_ms; /* wall clock */
    struct loop_timer *timeout;
    inbox_fn *fn;
    void *arg;
};

struct agent;
/* Takes up the questions of earlier engines. */
enum status inbox_new(struct agent *a, struct inbox **out, struct cause *why) MUST_CHECK;
void inbox_free(struct inbox **i);

/* Everything is copied. Times out by itself after `timeout_secs`. fn is called once, unless it is
 * withdrawn before. */
struct inbox_permission {
    const char *call_id, *tool, *text, *preview, *reason, *pattern; /* preview may be NULL */
    int64_t timeout_secs;
    inbox_fn *fn;
    void *arg;
};
struct inbox_request *inbox_ask(struct inbox *i, struct process *p,
                                const struct inbox_permission *q);
/* A question stays until it is answered; the answer comes to its channel as a message of the
 * person. `options` is the tool's: [{label, description?}]. */
struct inbox_request *inbox_question(struct inbox *i, struct process *p, const char *call_id,
                                     const char *question, const cJSON *options, bool multi_select);
/* Whoever asked has no more use for it. NULL is fine; sets NULL. */
void inbox_withdraw(struct inbox *i, struct inbox_request **r);
/* It was decided by something else than an answer to it; fn is called. */
void inbox_settle(struct inbox *i, struct inbox_request *r, enum inbox_answer answer,
                  const char *remark);

/* A person's answer. To a permission: once (yes, y, allow), always (a), deny (no, n). To a
 * question: the number or the label of an option, several with commas between where several may be
 * chosen. NOT_FOUND: no such request waits; INVALID: no such answer, with what there is. *seq: the
 * write that makes it safe. `screen`: given there, where a stand-in may answer. */
enum status inbox_answer(struct inbox *i, int64_t number, const char *answer, const char *remark,
                         bool screen, uint64_t *seq, struct cause *why) MUST_CHECK;

size_t inbox_count(const struct inbox *i);
/* Oldest first: start with NULL. */
const struct inbox_request *inbox_next(const struct inbox *i, const struct inbox_request *after);
const struct inbox_request *inbox_find(const struct inbox *i, int64_t number);
/* The number of the newest request since the engine began; 0: none. For ringing once. */
int64_t inbox_newest(const struct inbox *i);
/* Grows with every change. */
uint64_t inbox_version(const struct inbox *i);
/* Tells of those that began in that stretch of time (wall clock, both included) and still wait, as
 * it was told then, with "from_store":true. */
void inbox_tell_again(const struct inbox *i, int64_t since_ms, int64_t until_ms, bus_fn *fn,
                      void *arg);
/* One object of `inbox --json`. */
cJSON *inbox_json(const struct inbox_request *r);

#endif
