/* channel: the tools that act on a conversation and the person in it. What they mean is the host's
 * business; here are their names and arguments. */
#include "base/json.h"
#include "base/mem.h"
#include "tools/tool.h"

static void start(struct tool_call *c) { c->host->channel(c); }

/* --- get_status ---------------------------------------------------------------------------------
 */

const struct tool tool_get_status = {
    .name = "get_status",
    .description = "How this conversation stands: the time, its mode and models, what is at work, "
                   "what came back lately, and what it cost.",
    .schema = "{\"type\":\"object\",\"properties\":{},\"additionalProperties\":false}",
    .start = start,
};

/* --- channel_recall -----------------------------------------------------------------------------
 */

const struct tool tool_channel_recall = {
    .name = "channel_recall",
    .description = "Read back what was said in this conversation, also what you no longer have "
                   "before you; without channel: also which other conversations there are.",
    .schema = "{\"type\":\"object\",\"properties\":{"
              "\"channel\":{\"type\":\"string\",\"description\":\"this conversation's name; others "
              "cannot be read from here\"},"
              "\"limit\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":200,\"description\":\"how "
              "many messages; 50 when left out\"},"
              "\"before\":{\"type\":\"integer\",\"minimum\":1,\"description\":\"only messages with "
              "a smaller number\"},"
              "\"after\":{\"type\":\"integer\",\"minimum\":0,\"description\":\"only messages with "
              "a greater number\"},"
              "\"oldest_first\":{\"type\":\"boolean\",\"description\":\"the first ones instead of "
              "the last ones\"}},"
              "\"additionalProperties\":false}",
    .start = start,
};

/* --- attachment_recall --------------------------------------------------------------------------
 */

static char *attachment_recall_label(const cJSON *args) {
    const char *id = json_str(args, "attachment_id", NULL);
    return xasprintf("attachment_recall %.80s", id ? id : json_str(args, "filename", "list"));
}

const struct tool tool_attachment_recall = {
    .name = "attachment_recall",
    .description = "Files that people gave with their messages in this conversation: list them, or "
                   "read one again (text only, its first 40,000 bytes).",
    .schema = "{\"type\":\"object\",\"properties\":{"
              "\"action\":{\"type\":\"string\",\"enum\":[\"list\",\"read\"],\"default\":"
              "\"list\"},"
              "\"attachment_id\":{\"type\":\"string\",\"maxLength\":80},"
              "\"filename\":{\"type\":\"string\",\"maxLength\":400,\"description\":\"instead of "
              "the id: the newest of that name\"},"
              "\"limit\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":100,\"description\":"
              "\"how many are listed; 10 when left out\"}},"
              "\"additionalProperties\":false}",
    .start = start,
    .label = attachment_recall_label,
};

/* --- react --------------------------------------------------------------------------------------
 */

static char *react_label(const cJSON *args) {
    return xasprintf("react %.40s", json_str(args, "emoji", ""));
}

const struct tool tool_react = {
    .name = "react",
    .description = "Mark the person's last message with one emoji. It does not end your turn and "
                   "is no answer.",
    .schema = "{\"type\":\"object\",\"properties\":{"
              "\"emoji\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":8,\"description\":"
              "\"one emoji\"}},"
              "\"required\":[\"emoji\"],\"additionalProperties\":false}",
    .start = start,
    .label = react_label,
};

/* --- send_file ----------------------------------------------------------------------------------
 */

static char *send_file_label(const cJSON *args) {
    return xasprintf("send_file %.200s", json_str(args, "file_path", ""));
}

const struct tool tool_send_file = {
    .name = "send_file",
    .description =
        "Offer a file to the person: they see its path and size. Outside the workspace a "
        "person is asked first.",
    .schema = "{\"type\":\"object\",\"properties\":{"
              "\"file_path\":{\"type\":\"string\",\"minLength\":1,\"description\":\"its path, from "
              "the workspace on\"},"
              "\"caption\":{\"type\":\"string\",\"maxLength\":500,\"description\":\"what it is\"}},"
              "\"required\":[\"file_path\"],\"additionalProperties\":false}",
    .reach = TOOL_REACH_PATH,
    .subject = "file_path",
    .speaks = true,
    .start = start,
    .label = send_file_label,
};

/* --- send_message_to_another_channel ------------------------------------------------------------
 */

/* All of it: who allows the call must have read what is sent. */
static char *send_message_label(const cJSON *args) {
    return xasprintf("%s: %s", json_str(args, "target", ""), json_str(args, "message", ""));
}

const struct tool tool_send_message = {
    .name = "send_message_to_another_channel",
    .description = "Say something in another conversation: the people and the model there hear it "
                   "as coming from this one. channel_recall lists the conversations there are. A "
                   "person may have to allow it first.",
    .schema = "{\"type\":\"object\",\"properties\":{"
              "\"target\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":120,"
              "\"description\":\"the other conversation's name\"},"
              "\"message\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":2000,"
              "\"description\":\"what to say there; it must make sense without this "
              "conversation\"}},"
              "\"required\":[\"target\",\"message\"],\"additionalProperties\":false}",
    .reach = TOOL_REACH_CHANNEL,
    .subject = "target",
    .effects = true,
    .speaks = true,
    .start = start,
    .label = send_message_label,
};
