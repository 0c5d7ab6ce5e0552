/* event: what the events say that the store can tell again. Each is filled in here, from what runs
 * as from what is stored, so that whoever hears of it late reads the same. */
#ifndef AGENT_EVENT_H
#define AGENT_EVENT_H

#include <cjson/cJSON.h>

#include "agent/bus.h"

#define EVENT_ARGS_MAX 2000u        /* bytes (SPEC A.2) */
#define EVENT_RESULT_MAX 50000u     /* bytes (SPEC A.2) */
#define EVENT_TRANSCRIPT_MAX 50000u /* bytes; a longer one stands in the store alone */
#define EVENT_FIELDS_MAX 12

struct event {
    enum event_type type;
    struct bus_field fields[EVENT_FIELDS_MAX];
    size_t n;
};

/* In all of them strings are lent until it has been told; `id` is a full process id, `bare` the
 * part behind the colon. */
/* attachments: attachment_json()'s text. */
struct event event_user_message(const char *message_id, const char *sender, const char *text,
                                const char *attachments);
struct event event_assistant_message(const char *message_id, const char *text);
struct event event_system_message(const char *text);
struct event event_notice(const char *id, bool error, const char *text);
/* A reaction, or a file that is offered: what `facts`, an object of texts and whole numbers, has.
 */
struct event event_of_facts(enum event_type type, const cJSON *facts);

struct event_branch {
    const char *bare, *description, *profile, *model, *reply_to;
    int64_t max_turns;
    const char *input; /* prompt_branch_task()'s */
};
struct event event_branch_started(const struct event_branch *b);
/* status: as in the store; transcript: llm_history_json()'s text of `n` bytes, or NULL. */
struct event event_branch_result(const char *bare, const char *conclusion, const char *status,
                                 const char *transcript, size_t n, int64_t tool_calls);

struct event event_worker_started(const char *bare, const char *task, bool interactive,
                                  const char *directory);
struct event event_worker_status(const char *bare, const char *status, const char *kind);
/* Of an interactive one that waits now. */
struct event event_worker_result(const char *bare, const char *result);
struct event_worker_end {
    const char *bare, *result, *outcome, *owner;
    bool notify; /* the channel is told of it */
    int64_t outcome_version, transcript_version;
};
struct event event_worker_complete(const struct event_worker_end *w);

struct event event_process_text(const char *id, const char *text);
/* label: tool_label()'s. */
struct event event_tool_started(const char *id, const char *call_id, const char *name,
                                const char *args, const char *label);
struct event event_tool_completed(const char *id, const char *call_id, const char *name,
                                  const char *result, bool is_error);

/* A person is asked; the last three are JSON. */
struct event_request {
    const char *worker; /* bare; NULL: none asks */
    const char *id, *tool, *call_id, *text, *reason, *preview;
    int64_t number;
    bool multi_select;
    const char *path, *options, *patterns;
};
struct event event_permission(const struct event_request *r);
struct event event_question(const struct event_request *r);
/* kind, state and answer: as in the store. */
struct event event_request_ended(const char *id, int64_t number, const char *kind,
                                 const char *state, const char *answer);

struct agent;
/* At this moment; p gives the place. */
void event_tell(const struct agent *a, const struct process *p, struct event e);

#endif
