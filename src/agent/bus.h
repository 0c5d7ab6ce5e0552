/* bus: what happened, told outward as typed events: to screens, followers and `exec --json`.
 * Synchronous; a listener sets flags or queues (in a ring, see ring.h, where somebody else decides
 * how fast it is taken), and never calls back into the agent. */
#ifndef AGENT_BUS_H
#define AGENT_BUS_H

#include "agent/process.h"
#include "base/buf.h"

/* X(NAME, "type", delta): deltas may be coalesced or dropped for a slow follower, the others never.
 */
#define EVENT_TABLE(X)                                                                             \
    X(CHANNEL_USER_MESSAGE, "channel_user_message", false)                                         \
    X(CHANNEL_SYSTEM_MESSAGE, "channel_system_message", false)                                     \
    X(CHANNEL_ASSISTANT_MESSAGE, "channel_assistant_message", false)                               \
    X(BRANCH_STARTED, "branch_started", false)                                                     \
    X(BRANCH_RESULT, "branch_result", false)                                                       \
    X(WORKER_STARTED, "worker_started", false)                                                     \
    X(WORKER_STATUS, "worker_status", false)                                                       \
    X(WORKER_IDLE, "worker_idle", false)                                                           \
    X(WORKER_INITIAL_RESULT, "worker_initial_result", false)                                       \
    X(WORKER_COMPLETE, "worker_complete", false)                                                   \
    X(TOOL_STARTED, "tool_started", false)                                                         \
    X(TOOL_OUTPUT, "tool_output", false)                                                           \
    X(TOOL_COMPLETED, "tool_completed", false)                                                     \
    X(WORKER_PERMISSION, "worker_permission", false) /* any process asks a person */               \
    X(WORKER_QUESTION, "worker_question", false)                                                   \
    X(REQUEST_ENDED, "request_ended", false) /* answered, timed out or withdrawn */                \
    X(STATUS_UPDATE, "status_update", false) /* a process changed state */                         \
    X(TEXT_DELTA, "text_delta", true)                                                              \
    X(REASONING_DELTA, "reasoning_delta", true)                                                    \
    X(SETTINGS_UPDATED, "settings_updated", false) /* a conversation was told how to behave */     \
    X(REACTION, "reaction", false)                 /* a mark on a person's message */              \
    X(FILE_OFFERED, "file_offered", false)         /* a file of the workspace for the person */    \
    X(WORKING_MEMORY, "working_memory", false)     /* something worth remembering: a decision */   \
    X(MEMORY_SAVED, "memory_saved", false)                                                         \
    X(PROCESS_TEXT, "process_text", false)                                                         \
    X(NOTICE, "notice", false) /* retries, interruptions, errors: where they happened */           \
    X(LAGGED, "lagged", false) /* of no process: a subscriber was too slow, see ring.h */
enum event_type {
#define X(name, text, delta) EVENT_##name,
    EVENT_TABLE(X)
#undef X
};
const char *event_type_name(enum event_type t);
enum status event_type_from_string(const char *s, enum event_type *out) MUST_CHECK;
bool event_type_is_delta(enum event_type t);

enum bus_field_type { BUS_FIELD_STR, BUS_FIELD_I64, BUS_FIELD_NUM, BUS_FIELD_BOOL, BUS_FIELD_RAW };
struct bus_field {
    const char *key;
    enum bus_field_type type;
    const char *str; /* STR (NULL: null) and RAW (JSON text) */
    size_t max;      /* of STR: bytes that are told of it; 0: all */
    int64_t i64;     /* I64 and BOOL */
    double num;
};
#define BUS_STR(k, v) ((struct bus_field){.key = (k), .type = BUS_FIELD_STR, .str = (v)})
#define BUS_CUT(k, v, most)                                                                        \
    ((struct bus_field){.key = (k), .type = BUS_FIELD_STR, .str = (v), .max = (most)})
#define BUS_I64(k, v) ((struct bus_field){.key = (k), .type = BUS_FIELD_I64, .i64 = (v)})
#define BUS_NUM(k, v) ((struct bus_field){.key = (k), .type = BUS_FIELD_NUM, .num = (v)})
#define BUS_BOOL(k, v) ((struct bus_field){.key = (k), .type = BUS_FIELD_BOOL, .i64 = (v)})
#define BUS_RAW(k, v) ((struct bus_field){.key = (k), .type = BUS_FIELD_RAW, .str = (v)})

struct bus_event {
    enum event_type type;
    int64_t ts_ms;
    const char *id;      /* full process id; NULL: of none */
    const char *parent;  /* full process id or NULL */
    const char *channel; /* bare channel id or NULL */
    struct process_handle process;
    const struct bus_field *fields;
    size_t n;
};

struct bus;
struct bus_listener;
typedef void bus_fn(void *arg, const struct bus_event *e);
struct bus *bus_new(void);
void bus_free(struct bus **b);
/* Listeners may leave from within a callback. */
struct bus_listener *bus_listen(struct bus *b, bus_fn *fn, void *arg);
void bus_unlisten(struct bus_listener **l);
/* `p` and `parent` give id, parent and channel. */
void bus_emit_fields(struct bus *b, const struct process_table *t, const struct process *p,
                     enum event_type type, const struct bus_field *fields, size_t n);
#define BUS_EMIT(b, t, p, type, ...)                                                               \
    bus_emit_fields(b, t, p, type, (const struct bus_field[]){__VA_ARGS__},                        \
                    sizeof((const struct bus_field[]){__VA_ARGS__}) / sizeof(struct bus_field))
/* {"ts":…,"type":…,"id":…,"parent":…,"agent_id":"main","channel_id":…, fields…}: one line, no
 * newline. */
void bus_event_json(const struct bus_event *e, struct buf *out);

#endif
