/* record: how what processes do gets into the store. Nothing here decides; it only knows which
 * rows. */
#ifndef AGENT_RECORD_H
#define AGENT_RECORD_H

#include "agent/agent.h"
#include "base/id.h"
#include "base/list.h"
#include "tools/tool.h"

/* A closed journal entry (OUTPUT entries are part of their call's result and are not stored). */
void record_journal(struct agent *a, const struct process *p, const struct journal_entry *e);
/* Loads the newest `limit` entries of a process of an earlier engine into its journal. */
void record_load_journal(struct agent *a, struct process *p, int64_t limit);

/* The intent before a tool with effects starts: fn is called when it is safe. */
struct store_after *record_tool_intended(struct agent *a, const struct process *p,
                                         const struct tool_call *c, store_after_fn *fn, void *arg);
/* Nothing when the call had no intent. */
void record_tool_done(struct agent *a, const struct process *p, const struct tool_call *c,
                      const char *result, bool is_error);

/* The tokens and cost of one attempt at a model call: `asked` is the model as provider/model,
 * `said` what the provider calls it ("": it did not say). */
void record_usage(struct agent *a, const struct process *p, const char *asked, const char *said,
                  const struct llm_usage *u);

/* A turn of a channel, and what belongs to it: the messages `heard` (their ids), and in `relays` (a
 * JSON array, or NULL) the processes whose results it was told. What is said, started and used
 * until its end is told apart by channel_turn_id(). */
#define RECORD_TURN_END_TABLE(X)                                                                   \
    X(DONE, "done")                                                                                \
    X(LIMITED, "limited")                                                                          \
    X(FAILED, "failed")                                                                            \
    X(CANCELLED, "cancelled")
enum record_turn_end {
#define X(name, text) RECORD_TURN_##name,
    RECORD_TURN_END_TABLE(X)
#undef X
};
void record_turn_began(struct agent *a, const struct process *channel, const char *id,
                       const char *relays, const char *reply_to, const struct strv *heard);
/* Nothing unless p is a channel in a turn. */
void record_turn_used(struct agent *a, const struct process *p, const struct llm_usage *u);
void record_turn_ended(struct agent *a, const struct process *channel, const char *id,
                       enum record_turn_end how);

/* Text that is still being written: saved every 4 KB and at most 250 ms after it came, dropped when
 * it is whole. Zero it first. */
struct record_partial {
    struct buf text; /* not saved yet */
    int64_t *pieces; /* numbers of what is in the store */
    size_t n, cap;
    bool waiting; /* to be saved with the others */
    struct list link;
    struct process_handle process;
};
#define RECORD_PARTIAL_BYTES 4096u
#define RECORD_PARTIAL_NS (INT64_C(250) * 1000000)
void record_partial_add(struct agent *a, const struct process *p, struct record_partial *r,
                        const char *text, size_t n);
void record_partial_end(struct agent *a, struct record_partial *r);

/* Those of all processes. */
struct record_partials {
    struct list waiting;
    struct loop_timer *timer; /* when they are saved; NULL: none waits */
    int64_t pieces;           /* ever */
};
void record_partials_init(struct record_partials *all);
void record_partials_stop(struct record_partials *all);

/* What is stored of a channel: its model and workspace, where set. */
void record_load_channel(struct agent *a, struct process *p);
/* Whether the store knows it. */
bool record_has_channel(const struct agent *a, const char *bare);
/* What it was told to use, or no longer. */
void record_channel_model(struct agent *a, const struct process *p);
/* A channel exists, or was active. */
void record_channel(struct agent *a, const struct process *p);
/* One message of a conversation; returns its sequence number in the store. `id` receives its own
 * id. */
uint64_t record_message(struct agent *a, const struct process *channel, enum llm_role role,
                        const char *sender, const char *text, const char *metadata,
                        char id[ID_UUID_SIZE]);
/* The newest `limit` messages of a channel, oldest first; rows are lent for the call. */
struct record_message_row {
    const char *id, *sender, *text;
    enum llm_role role;
    int64_t at_ms, seq;
    bool command;             /* it was for the engine, not for the model */
    bool system;              /* no person said it */
    const cJSON *attachments; /* as attachment_json() made them; NULL: none */
};
void record_load_messages(struct agent *a, const char *channel, int64_t limit,
                          void (*fn)(void *arg, const struct record_message_row *row), void *arg);

/* Of a channel's messages with after < seq < before: at most `limit`, the first ones or the last
 * ones, in order. */
void record_recall(struct agent *a, const char *channel, int64_t after, int64_t before,
                   int64_t limit, bool oldest,
                   void (*fn)(void *arg, const struct record_message_row *row), void *arg);
/* The channels that the store has, the last active first. */
void record_channels(struct agent *a, int64_t limit, void (*fn)(void *arg, const char *bare),
                     void *arg);
/* Something to remember for a while (SPEC A.3 "Decision capture"); summary of at most 200
 * characters. */
void record_working_memory(struct agent *a, const struct process *channel, const char *type,
                           const char *summary, const char *detail, double importance);

/* A conversation's settings as JSON; NULL when it has none. The caller frees. */
char *record_load_settings(const struct agent *a, const char *channel);
void record_settings(struct agent *a, const struct process *channel, const char *json);

/* What a process came to, to be told to its channel: in the batch of its end (or rest) itself, so
 * that neither is stored without the other. `row` receives its id. */
void record_result(struct agent *a, const struct process *from, enum process_outcome outcome,
                   const char *result, char row[ID_UUID_SIZE]);
/* It was told, or is recorded in the conversation. */
void record_result_over(struct agent *a, const char *row);
struct record_result {
    const char *row, *process_id, *name, *task, *text, *reply_to;
    enum process_outcome outcome;
};
/* What a channel has not been told; rows are lent for the call. */
void record_load_results(struct agent *a, const char *channel,
                         void (*fn)(void *arg, const struct record_result *row), void *arg);

uint64_t record_worker_created(struct agent *a, const struct process *w, bool interactive);
void record_worker_lifecycle(struct agent *a, const struct process *w, enum lifecycle from,
                             enum lifecycle to);
/* running -> waiting_for_input, with a result (NULL: none this time) and what it takes to go on. */
uint64_t record_worker_waits(struct agent *a, const struct process *w, const char *result,
                             const struct llm_history *transcript, int64_t active_ms);
/* The one terminal commit; STATUS_NOT_FOUND comes of it when the run is not in `from` any more. */
uint64_t record_worker_ended(struct agent *a, const struct process *w, enum lifecycle from,
                             enum process_outcome o, const char *result, enum lifecycle_owner owner,
                             const struct llm_history *transcript);
/* The end that is stored, who made it, and how often the history was stored. STATUS_NOT_FOUND when
 * it has none; *result is the caller's. */
enum status record_worker_outcome(struct agent *a, const struct process *w, enum process_outcome *o,
                                  enum lifecycle_owner *owner, int64_t *transcripts, char **result,
                                  struct cause *why) MUST_CHECK;

void record_branch_created(struct agent *a, const struct process *b, int64_t max_turns);
/* The one terminal commit; `status` as in the schema: done, failed, cancelled. */
uint64_t record_branch_ended(struct agent *a, const struct process *b, const char *status,
                             const char *conclusion, const struct llm_history *transcript);

/* How a branch stands or ended, in the words of process_outcome_name(), by its status in the store;
 * "running" while it thinks. */
const char *record_branch_state(const char *status);

#define RECORD_PAST_MAX 200 /* of each kind, the newest */
/* Appends objects of ps --json for the workers and branches of earlier engines, oldest first. */
void record_past(struct agent *a, cJSON *out);

/* What an earlier engine left: its workers become failed, its intents interrupted, its half-written
 * replies messages that say so. */
enum status record_reconcile(struct agent *a, struct cause *why) MUST_CHECK;
/* {"runs":[{"process":…,"channel":…,"call_id":…,"tool":…,"args":…,"started_at":…}]}: cut off, and
 * not looked at yet. */
enum status record_interrupted(struct agent *a, cJSON *out, struct cause *why) MUST_CHECK;

#endif
