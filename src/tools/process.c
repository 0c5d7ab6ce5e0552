/* process: the tools that act on processes. What they mean is the host's business; here are their
 * names and arguments. */
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "tools/tool.h"

static void abandon(struct tool_call *c) { c->host->abandon(c); }

static char *label_with(const char *name, const char *text) {
    return text ? xasprintf("%s %.80s", name, text) : NULL;
}

/* --- reply --------------------------------------------------------------------------------------
 */

static void reply_start(struct tool_call *c) {
    c->host->reply(c, json_str(c->args, "content", ""));
}

const struct tool tool_reply = {
    .name = "reply",
    .description =
        "Say something to the person. The text is shown as it stands (Markdown). Ends your turn.",
    .schema = "{\"type\":\"object\",\"properties\":{"
              "\"content\":{\"type\":\"string\",\"minLength\":1,\"description\":\"what to say\"}},"
              "\"required\":[\"content\"],\"additionalProperties\":false}",
    .speaks = true,
    .start = reply_start,
    .cancel = abandon,
};

/* --- ask ----------------------------------------------------------------------------------------
 */

static void ask_start(struct tool_call *c) {
    c->host->ask(c, json_str(c->args, "question", ""), json_arr(c->args, "options"),
                 json_bool(c->args, "multi_select", false));
}

const struct tool tool_ask = {
    .name = "ask",
    .description =
        "Ask the person a question with options to choose from. It is shown at once and stays "
        "until "
        "it is answered, hours later if need be; the answer comes to you as a message of theirs. "
        "Does not end your turn; do not wait, and do not repeat the question in a reply.",
    .schema = "{\"type\":\"object\",\"properties\":{"
              "\"question\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":2000},"
              "\"options\":{\"type\":\"array\",\"minItems\":2,\"maxItems\":10,\"items\":{"
              "\"type\":\"object\",\"properties\":{"
              "\"label\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":200},"
              "\"description\":{\"type\":\"string\",\"maxLength\":1000}},"
              "\"required\":[\"label\"],\"additionalProperties\":false}},"
              "\"multi_select\":{\"type\":\"boolean\",\"default\":false,\"description\":"
              "\"several may be chosen\"}},"
              "\"required\":[\"question\",\"options\"],\"additionalProperties\":false}",
    .speaks = true,
    .start = ask_start,
};

/* --- skip ---------------------------------------------------------------------------------------
 */

static void skip_start(struct tool_call *c) { c->host->skip(c, json_str(c->args, "reason", "")); }

const struct tool tool_skip = {
    .name = "skip",
    .description = "End your turn without saying anything, when there is nothing worth saying.",
    .schema = "{\"type\":\"object\",\"properties\":{"
              "\"reason\":{\"type\":\"string\",\"description\":\"why, in a few words\"}},"
              "\"additionalProperties\":false}",
    .start = skip_start,
};

/* --- branch -------------------------------------------------------------------------------------
 */

static void branch_start(struct tool_call *c) {
    c->host->branch(c, json_str(c->args, "description", ""));
}

static char *branch_label(const cJSON *args) {
    return label_with("branch", json_str(args, "description", NULL));
}

const struct tool tool_branch = {
    .name = "branch",
    .description = "Go off and think about something with all that this conversation holds, while "
                   "the conversation goes "
                   "on. Returns at once; the conclusion comes to you later by itself. For "
                   "weighing, recalling and "
                   "planning; what must be run or changed goes to a worker instead.",
    .schema = "{\"type\":\"object\",\"properties\":{"
              "\"description\":{\"type\":\"string\",\"minLength\":1,\"description\":\"what to "
              "think about, and what "
              "to come back with\"},"
              "\"task_type\":{\"type\":\"string\",\"description\":\"kind of work, where there are "
              "some to choose from\"}},"
              "\"required\":[\"description\"],\"additionalProperties\":false}",
    .start = branch_start,
    .label = branch_label,
};

/* --- spawn_worker -------------------------------------------------------------------------------
 */

static void spawn_start(struct tool_call *c) {
    c->host->spawn_worker(c, json_str(c->args, "task", ""),
                          json_bool(c->args, "interactive", false),
                          str_eq(json_str(c->args, "history", "clean"), "fork"));
}

static char *spawn_label(const cJSON *args) {
    return label_with("spawn_worker", json_str(args, "task", NULL));
}

const struct tool tool_spawn_worker = {
    .name = "spawn_worker",
    .description =
        "Start a worker on a task. Returns at once; the worker's result comes to you "
        "later by itself. A worker can "
        "run commands and read and write files in the workspace. Unless history is "
        "\"fork\" it knows nothing of the conversation: put everything it needs into the "
        "task.",
    .schema =
        "{\"type\":\"object\",\"properties\":{"
        "\"task\":{\"type\":\"string\",\"minLength\":1,\"description\":\"what to do, where, "
        "and what to "
        "bring back; self-contained\"},"
        "\"interactive\":{\"type\":\"boolean\",\"description\":\"after its first result it "
        "waits for what you route to it, until you end it; for work that goes to and "
        "fro\"},"
        "\"history\":{\"type\":\"string\",\"enum\":[\"clean\",\"fork\"],\"default\":\"clean\","
        "\"description\":\"fork: it begins with a copy of what you have before you, which "
        "costs its tokens again; for a task that needs much of it\"},"
        "\"task_type\":{\"type\":\"string\",\"description\":\"kind of work, where there are "
        "some to choose from\"}},"
        "\"required\":[\"task\"],\"additionalProperties\":false}",
    .start = spawn_start,
    .label = spawn_label,
};

/* --- cancel -------------------------------------------------------------------------------------
 */

static void cancel_start(struct tool_call *c) {
    c->host->cancel(c, json_str(c->args, "process_type", ""), json_str(c->args, "process_id", ""),
                    json_str(c->args, "reason", ""));
}

static char *cancel_label(const cJSON *args) {
    return label_with("cancel", json_str(args, "process_id", NULL));
}

const struct tool tool_cancel = {
    .name = "cancel",
    .description = "End a worker or a branch that is no longer wanted. What it has so far is kept.",
    .schema = "{\"type\":\"object\",\"properties\":{"
              "\"process_type\":{\"type\":\"string\",\"enum\":[\"worker\",\"branch\"]},"
              "\"process_id\":{\"type\":\"string\",\"minLength\":4,\"description\":\"its id, as "
              "the status "
              "block shows it\"},"
              "\"reason\":{\"type\":\"string\",\"description\":\"why, in one line\"}},"
              "\"required\":[\"process_type\",\"process_id\"],\"additionalProperties\":false}",
    .start = cancel_start,
    .label = cancel_label,
};

/* --- route --------------------------------------------------------------------------------------
 */

static void route_start(struct tool_call *c) {
    c->host->route(c, json_str(c->args, "worker_id", ""), json_str(c->args, "message", ""),
                   json_bool(c->args, "end", false));
}

static char *route_label(const cJSON *args) {
    return label_with("route", json_str(args, "message", NULL));
}

const struct tool tool_route = {
    .name = "route",
    .description = "Write to a worker. One that waits goes on with it; one that is at work reads "
                   "it before its next step. With end, an interactive worker gets nothing more "
                   "after this and ends when it is done.",
    .schema = "{\"type\":\"object\",\"properties\":{"
              "\"worker_id\":{\"type\":\"string\",\"minLength\":4,\"description\":\"its id, as the "
              "status block shows it\"},"
              "\"message\":{\"type\":\"string\",\"description\":\"what it is to know or to do; may "
              "be left out with end\"},"
              "\"end\":{\"type\":\"boolean\"}},"
              "\"required\":[\"worker_id\"],\"additionalProperties\":false}",
    .start = route_start,
    .label = route_label,
};

/* --- worker_inspect -----------------------------------------------------------------------------
 */

static void inspect_start(struct tool_call *c) {
    c->host->inspect(c, json_str(c->args, "worker_id", ""), json_i64(c->args, "limit", 0));
}

const struct tool tool_worker_inspect = {
    .name = "worker_inspect",
    .description = "See what a worker of this conversation was told, did and found, also after it "
                   "has ended. Without an id: the last workers and what came of them.",
    .schema = "{\"type\":\"object\",\"properties\":{"
              "\"worker_id\":{\"type\":\"string\",\"minLength\":4},"
              "\"limit\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":200,\"description\":\"how "
              "many of its last steps, or how many workers\"}},"
              "\"additionalProperties\":false}",
    .start = inspect_start,
};

/* --- set_status ---------------------------------------------------------------------------------
 */

static void set_status_start(struct tool_call *c) {
    c->host->set_status(c, json_str(c->args, "status", ""), json_str(c->args, "kind", "progress"));
}

static char *set_status_label(const cJSON *args) {
    return label_with("set_status", json_str(args, "kind", "progress"));
}

const struct tool tool_set_status = {
    .name = "set_status",
    .description = "Say where you are. kind \"progress\": a few words while you work. kind "
                   "\"outcome\": the task is done, or cannot be done, and this is everything that "
                   "came of it. kind \"blocked\": the same where something stands in the way that "
                   "only a person can remove (a login, a captcha, a right or a key that is "
                   "missing): what, where, how you know, and what you have so far.",
    .schema = "{\"type\":\"object\",\"properties\":{"
              "\"status\":{\"type\":\"string\",\"minLength\":1},"
              "\"kind\":{\"type\":\"string\",\"enum\":[\"progress\",\"outcome\",\"blocked\"],"
              "\"default\":\"progress\"}},"
              "\"required\":[\"status\"],\"additionalProperties\":false}",
    .start = set_status_start,
    .label = set_status_label,
};
