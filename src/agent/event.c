/* event: the fields of each, in the order in which they are written. */
#include "agent/event.h"

#include <assert.h>
#include <string.h>

#include "agent/agent.h"
#include "base/str.h"

static struct event fill(enum event_type type, const struct bus_field *fields, size_t n) {
    struct event e = {.type = type, .n = n};
    assert(n <= EVENT_FIELDS_MAX);
    memcpy(e.fields, fields, n * sizeof *fields);
    return e;
}

#define FILL(type, ...)                                                                            \
    fill(type, (const struct bus_field[]){__VA_ARGS__},                                            \
         sizeof((const struct bus_field[]){__VA_ARGS__}) / sizeof(struct bus_field))

struct event event_user_message(const char *message_id, const char *sender, const char *text,
                                const char *attachments) {
    return FILL(EVENT_CHANNEL_USER_MESSAGE, BUS_STR("message_id", message_id),
                BUS_STR("sender", sender), BUS_STR("text", text),
                BUS_RAW("attachments", attachments));
}

struct event event_assistant_message(const char *message_id, const char *text) {
    return FILL(EVENT_CHANNEL_ASSISTANT_MESSAGE, BUS_STR("message_id", message_id),
                BUS_STR("text", text));
}

struct event event_system_message(const char *text) {
    return FILL(EVENT_CHANNEL_SYSTEM_MESSAGE, BUS_STR("text", text));
}

struct event event_notice(const char *id, bool error, const char *text) {
    return FILL(EVENT_NOTICE, BUS_STR("process_id", id),
                BUS_STR("level", error ? "error" : "notice"), BUS_STR("text", text));
}

struct event event_of_facts(enum event_type type, const cJSON *facts) {
    struct event e = {.type = type};
    const cJSON *f;
    cJSON_ArrayForEach(f, facts) {
        if (e.n == EVENT_FIELDS_MAX)
            break;
        e.fields[e.n++] = cJSON_IsNumber(f) ? BUS_I64(f->string, (int64_t)f->valuedouble)
                                            : BUS_STR(f->string, f->valuestring);
    }
    return e;
}

struct event event_branch_started(const struct event_branch *b) {
    return FILL(EVENT_BRANCH_STARTED, BUS_STR("branch_id", b->bare),
                BUS_STR("description", b->description), BUS_STR("input", b->input),
                BUS_STR("profile", b->profile), BUS_STR("model", b->model),
                BUS_I64("max_turns", b->max_turns), BUS_STR("reply_to_message_id", b->reply_to));
}

struct event event_branch_result(const char *bare, const char *conclusion, const char *status,
                                 const char *transcript, size_t n, int64_t tool_calls) {
    return FILL(EVENT_BRANCH_RESULT, BUS_STR("branch_id", bare), BUS_STR("conclusion", conclusion),
                BUS_STR("status", status),
                BUS_RAW("transcript", n <= EVENT_TRANSCRIPT_MAX ? transcript : NULL),
                BUS_I64("tool_calls", tool_calls));
}

struct event event_worker_started(const char *bare, const char *task, bool interactive,
                                  const char *directory) {
    return FILL(EVENT_WORKER_STARTED, BUS_STR("worker_id", bare), BUS_STR("task", task),
                BUS_STR("worker_type", "builtin"), BUS_BOOL("interactive", interactive),
                BUS_STR("directory", directory));
}

struct event event_worker_status(const char *bare, const char *status, const char *kind) {
    return FILL(EVENT_WORKER_STATUS, BUS_STR("worker_id", bare), BUS_STR("status", status),
                BUS_STR("kind", kind));
}

struct event event_worker_result(const char *bare, const char *result) {
    return FILL(EVENT_WORKER_INITIAL_RESULT, BUS_STR("worker_id", bare), BUS_STR("result", result));
}

struct event event_worker_complete(const struct event_worker_end *w) {
    bool success = str_eq(w->outcome, process_outcome_name(PROCESS_OUTCOME_SUCCEEDED));
    return FILL(EVENT_WORKER_COMPLETE, BUS_STR("worker_id", w->bare), BUS_STR("result", w->result),
                BUS_BOOL("notify", w->notify), BUS_BOOL("success", success),
                BUS_STR("outcome_kind", w->outcome), BUS_I64("outcome_version", w->outcome_version),
                BUS_I64("transcript_version", w->transcript_version),
                BUS_STR("terminal_owner", w->owner));
}

struct event event_process_text(const char *id, const char *text) {
    return FILL(EVENT_PROCESS_TEXT, BUS_STR("process_id", id), BUS_STR("text", text));
}

struct event event_tool_started(const char *id, const char *call_id, const char *name,
                                const char *args, const char *label) {
    return FILL(EVENT_TOOL_STARTED, BUS_STR("process_id", id), BUS_STR("call_id", call_id),
                BUS_STR("tool_name", name), BUS_CUT("args", args, EVENT_ARGS_MAX),
                BUS_STR("label", label));
}

struct event event_tool_completed(const char *id, const char *call_id, const char *name,
                                  const char *result, bool is_error) {
    return FILL(EVENT_TOOL_COMPLETED, BUS_STR("process_id", id), BUS_STR("call_id", call_id),
                BUS_STR("tool_name", name), BUS_CUT("result", result, EVENT_RESULT_MAX),
                BUS_BOOL("is_error", is_error));
}

struct event event_permission(const struct event_request *r) {
    return FILL(EVENT_WORKER_PERMISSION, BUS_STR("worker_id", r->worker),
                BUS_STR("process_id", r->id), BUS_I64("permission_id", r->number),
                BUS_STR("description", r->text), BUS_RAW("patterns", r->patterns),
                BUS_STR("tool_name", r->tool), BUS_STR("call_id", r->call_id),
                BUS_STR("reason", r->reason), BUS_STR("preview", r->preview),
                BUS_RAW("path", r->path));
}

struct event event_question(const struct event_request *r) {
    return FILL(EVENT_WORKER_QUESTION, BUS_STR("worker_id", r->worker),
                BUS_STR("process_id", r->id), BUS_I64("question_id", r->number),
                BUS_STR("question", r->text), BUS_RAW("options", r->options),
                BUS_BOOL("multi_select", r->multi_select), BUS_RAW("path", r->path));
}

struct event event_request_ended(const char *id, int64_t number, const char *kind,
                                 const char *state, const char *answer) {
    return FILL(EVENT_REQUEST_ENDED, BUS_STR("process_id", id), BUS_I64("request_id", number),
                BUS_STR("kind", kind), BUS_STR("state", state), BUS_STR("answer", answer));
}

void event_tell(const struct agent *a, const struct process *p, struct event e) {
    bus_emit_fields(agent_bus(a), agent_processes(a), p, e.type, e.fields, e.n);
}
