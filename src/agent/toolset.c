/* toolset: one list a kind. */
#include "agent/toolset.h"

#include "base/mem.h"

static const enum tool_id channel_tools[] = {
    TOOL_REPLY, TOOL_ASK,       TOOL_BRANCH,      TOOL_SPAWN_WORKER,   TOOL_CANCEL,
    TOOL_ROUTE, TOOL_SKIP,      TOOL_GET_STATUS,  TOOL_CHANNEL_RECALL, TOOL_ATTACHMENT_RECALL,
    TOOL_REACT, TOOL_SEND_FILE, TOOL_SEND_MESSAGE};
static const enum tool_id branch_tools[] = {
    TOOL_SPAWN_WORKER,  TOOL_WORKER_INSPECT, TOOL_FILE_READ,
    TOOL_FILE_LIST,     TOOL_CHANNEL_RECALL, TOOL_MEMORY_SAVE,
    TOOL_MEMORY_RECALL, TOOL_MEMORY_DELETE,  TOOL_MEMORY_CONSOLIDATE};
static const enum tool_id worker_tools[] = {TOOL_SET_STATUS, TOOL_SHELL,     TOOL_FILE_READ,
                                            TOOL_FILE_WRITE, TOOL_FILE_EDIT, TOOL_FILE_LIST};

struct toolset toolset_of(enum process_kind kind) {
    switch (kind) {
    case PROCESS_CHANNEL:
        return (struct toolset){channel_tools, ARRAY_LEN(channel_tools)};
    case PROCESS_BRANCH:
        return (struct toolset){branch_tools, ARRAY_LEN(branch_tools)};
    case PROCESS_WORKER:
        return (struct toolset){worker_tools, ARRAY_LEN(worker_tools)};
    case PROCESS_COMPACTOR:
    case PROCESS_CORTEX:
    case PROCESS_VOICE:
        break; /* none of these runs yet */
    }
    return (struct toolset){NULL, 0};
}

bool toolset_has(const struct toolset *s, enum tool_id id) {
    for (size_t i = 0; i < s->n; i++)
        if (s->v[i] == id)
            return true;
    return false;
}

struct llm_tool *toolset_describe(const struct toolset *s) {
    struct llm_tool *out = xcalloc(s->n, sizeof *out);
    for (size_t i = 0; i < s->n; i++) {
        const struct tool *tool = tool_get(s->v[i]);
        out[i] = (struct llm_tool){tool->name, tool->description, tool->schema};
    }
    return out;
}
