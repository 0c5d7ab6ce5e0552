/* channel_tool: what a model does in its conversation besides speaking: looking how things stand,
 * reading back, marking a message, offering a file. */
#include "agent/channel-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/attachment.h"
#include "agent/event.h"
#include "agent/record.h"
#include "agent/routing.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/utf8.h"

#define RECALL_USUAL 50
#define RECALL_TEXT_MAX 4000u /* bytes of one message that are read back */
#define TASK_MAX 500u

static void done_json(struct tool_call *c, cJSON *o) {
    char *text = json_print(o);
    cJSON_Delete(o);
    tool_call_done(c, false, text, strlen(text));
    x_free(&text);
}

static void add_clipped(cJSON *o, const char *key, const char *text, size_t max) {
    size_t n = strlen(text), cut = utf8_cut(text, n, max);
    char *part = xasprintf("%.*s%s", (int)cut, text, cut < n ? "…" : "");
    json_add_str(o, key, part);
    x_free(&part);
}

static void add_time(cJSON *o, const char *key, int64_t ms) {
    char text[CLOCK_RFC3339_SIZE];
    clock_rfc3339(ms, text);
    json_add_str(o, key, text);
}

/* --- get_status ---------------------------------------------------------------------------------
 */

static void add_active(struct channel *ch, cJSON *list, enum process_kind kind) {
    size_t pos = 0;
    for (const struct process *p; (p = process_next(agent_processes(ch->agent), &pos));) {
        if (p->kind != kind || !p->body || !str_eq(p->channel, channel_self(ch)->channel))
            continue;
        cJSON *o = json_new_obj();
        json_add_str(o, "id", p->id);
        add_clipped(o, "task", p->task, TASK_MAX);
        add_time(o, "started_at", p->started_ms);
        json_add_str(o, "state", process_state_name(p->state));
        json_add_i64(o, "tool_calls", p->tool_calls);
        json_add_str(o, "status", p->status);
        cJSON_AddItemToArray(list, o);
    }
}

static const char *told_word(enum result_state s) {
    switch (s) {
    case RESULT_WAITING:
        return "waiting";
    case RESULT_TELLING:
        return "being told";
    case RESULT_UNWANTED:
    case RESULT_RECORDED:
        return "not told";
    case RESULT_TOLD:
        return "told";
    }
    return "?";
}

static void add_recent(const struct channel *ch, cJSON *list) {
    for (const struct list *it = ch->results.prev; it != &ch->results; it = it->prev) {
        const struct result *r = list_entry(it, const struct result, link);
        cJSON *o = json_new_obj();
        json_add_str(o, "id", r->id);
        add_clipped(o, "task", r->task, TASK_MAX);
        json_add_str(o, "outcome", process_outcome_name(r->outcome));
        add_clipped(o, "result", r->text, TASK_MAX);
        json_add_str(o, "told", told_word(r->state));
        cJSON_AddItemToArray(list, o);
    }
}

static void get_status(struct channel *ch, struct tool_call *c) {
    const struct process *p = channel_self(ch);
    const struct config *config = agent_parts(ch->agent)->config;
    struct channel_totals t = channel_totals(ch->agent, p);
    cJSON *o = json_new_obj();
    add_time(o, "time", clock_wall_ms());
    json_add_str(o, "version", PACKAGE_VERSION);
    json_add_str(o, "channel", p->bare);
    json_add_str(o, "mode", response_mode_name(settings_response_mode(&ch->settings)));
    json_add_str(o, "model", p->model);
    json_add_str(o, "worker_model", routing_model(ch->agent, PROCESS_WORKER, NULL, p));
    json_add_i64(o, "max_workers", config->limits.workers);
    json_add_i64(o, "max_branches", config->limits.branches);
    json_add_str(o, "sandbox", sandbox_mode_name(sandbox_mode(agent_parts(ch->agent)->sandbox)));
    json_add_str(o, "workspace", p->workspace);
    add_active(ch, json_add_arr(o, "workers"), PROCESS_WORKER);
    add_active(ch, json_add_arr(o, "branches"), PROCESS_BRANCH);
    add_recent(ch, json_add_arr(o, "results"));
    json_add_i64(o, "messages_waiting", (int64_t)(ch->queued + ch->together.n));
    json_add_i64(o, "input_tokens", t.usage.input_tokens);
    json_add_i64(o, "output_tokens", t.usage.output_tokens);
    json_add_num(o, "cost_usd", t.usage.cost_usd);
    json_add_bool(o, "cost_is_estimate", t.usage.cost_is_estimate);
    done_json(c, o);
}

/* --- channel_recall -----------------------------------------------------------------------------
 */

static void add_message(void *arg, const struct record_message_row *row) {
    if (row->command)
        return;
    cJSON *o = json_new_obj();
    json_add_i64(o, "number", row->seq);
    add_time(o, "at", row->at_ms);
    json_add_str(o, "from", row->sender);
    add_clipped(o, "text", row->text, RECALL_TEXT_MAX);
    cJSON_AddItemToArray(arg, o);
}

static void add_channel(void *arg, const char *bare) {
    cJSON_AddItemToArray(arg, cJSON_CreateString(bare));
}

/* Other conversations are another matter: what is said there was not said to this one's people. */
static void channel_recall(struct channel *ch, struct tool_call *c) {
    const char *bare = channel_self(ch)->bare, *asked = json_str(c->args, "channel", NULL);
    if (asked && !str_eq(asked, bare)) {
        tool_call_donef(c, true,
                        "not read: conversation \"%.60s\" is not this one (\"%s\"), and what was "
                        "said there stays there; the person can look there",
                        asked, bare);
        return;
    }
    cJSON *o = json_new_obj();
    json_add_str(o, "channel", bare);
    record_recall(ch->agent, bare, json_i64(c->args, "after", 0),
                  json_i64(c->args, "before", INT64_MAX), json_i64(c->args, "limit", RECALL_USUAL),
                  json_bool(c->args, "oldest_first", false), add_message,
                  json_add_arr(o, "messages"));
    if (!asked)
        record_channels(ch->agent, RECALL_USUAL, add_channel,
                        json_add_arr(o, "available_channels"));
    done_json(c, o);
}

/* --- react --------------------------------------------------------------------------------------
 */

/* No letters, digits or signs of a keyboard: what stands for a face stands outside of ASCII. */
static bool is_emoji(const char *s) {
    for (; *s; s++)
        if ((unsigned char)*s < 0x80)
            return false;
    return true;
}

/* A line of the transcript that stands for an event of its own. Takes `facts`. */
static void tell_facts(struct channel *ch, enum event_type type, const char *text, cJSON *facts) {
    struct process *p = channel_self(ch);
    struct journal_entry *e =
        journal_open(&p->journal, JOURNAL_NOTICE, NULL, event_type_name(type));
    char *json = json_print(facts);
    journal_append(&p->journal, e, text, strlen(text));
    journal_set_result(&p->journal, e, json, strlen(json));
    journal_close(&p->journal, e);
    record_journal(ch->agent, p, e);
    process_changed(agent_processes(ch->agent), p);
    event_tell(ch->agent, p, event_of_facts(type, facts));
    x_free(&json);
    cJSON_Delete(facts);
}

static void react(struct channel *ch, struct tool_call *c) {
    const char *emoji = json_str(c->args, "emoji", "");
    if (!is_emoji(emoji)) {
        tool_call_donef(c, true, "\"%.40s\" is no emoji", emoji);
        return;
    }
    const char *id = channel_message_id(channel_self(ch));
    if (!id) {
        tool_call_donef(c, true, "nobody has said anything here yet");
        return;
    }
    char *text = xasprintf("reacted with %s", emoji);
    cJSON *facts = json_new_obj();
    json_add_str(facts, "message_id", id);
    json_add_str(facts, "emoji", emoji);
    tell_facts(ch, EVENT_REACTION, text, facts);
    x_free(&text);
    cJSON *o = json_new_obj();
    json_add_bool(o, "success", true);
    json_add_str(o, "emoji", emoji);
    done_json(c, o);
}

/* --- send_file ----------------------------------------------------------------------------------
 */

/* Where the open file really is. The caller frees. */
static char *path_of(int fd, const char *asked) {
    char link[48], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    return n > 0 ? xstrndup(path, (size_t)n) : xstrdup(asked);
}

static void send_file(struct channel *ch, struct tool_call *c) {
    const char *asked = json_str(c->args, "file_path", "");
    const char *caption = json_str(c->args, "caption", "");
    struct cause why = {""};
    struct stat sb;
    int fd = -1;
    if (sandbox_open_granted(agent_parts(ch->agent)->sandbox, c->workspace, asked, c->granted,
                             O_RDONLY | O_NONBLOCK, 0, false, &fd, &why) != STATUS_OK) {
        tool_call_donef(c, true, "%s", why.text);
        return;
    }
    bool regular = fstat(fd, &sb) == 0 && S_ISREG(sb.st_mode);
    char *path = path_of(fd, asked);
    close(fd);
    if (!regular) {
        tool_call_donef(c, true, "%.200s is no regular file", asked);
        x_free(&path);
        return;
    }
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    char *text = xasprintf("file: %s (%lld bytes)%s%s", path, (long long)sb.st_size,
                           *caption ? ": " : "", caption);
    cJSON *facts = json_new_obj();
    json_add_str(facts, "path", path);
    json_add_str(facts, "filename", name);
    json_add_i64(facts, "size_bytes", (int64_t)sb.st_size);
    json_add_str(facts, "caption", caption);
    tell_facts(ch, EVENT_FILE_OFFERED, text, facts);
    x_free(&text);
    cJSON *o = json_new_obj();
    json_add_bool(o, "success", true);
    json_add_str(o, "filename", name);
    json_add_i64(o, "size_bytes", (int64_t)sb.st_size);
    done_json(c, o);
    x_free(&path);
}

/* --- send_message_to_another_channel ------------------------------------------------------------
 */

/* A model opens no conversation by a misspelt name. */
bool channel_exists(const struct agent *a, const char *bare, struct cause *why) {
    char *id = xasprintf("%s:%s", process_kind_name(PROCESS_CHANNEL), bare);
    bool found = process_find(agent_processes(a), id) || record_has_channel(a, bare);
    x_free(&id);
    if (!found)
        cause_set(why, STATUS_NOT_FOUND,
                  "there is no conversation \"%.120s\"; channel_recall without channel lists those "
                  "there are",
                  bare);
    return found;
}

static void send_message(struct channel *ch, struct tool_call *c) {
    const char *target = json_str(c->args, "target", "");
    const struct process *here = channel_self(ch);
    struct process *there = NULL;
    char id[ID_UUID_SIZE];
    struct cause why = {""};
    if (str_eq(target, here->bare)) {
        tool_call_donef(c, true, "\"%.120s\" is this conversation: use reply", target);
        return;
    }
    if (!channel_exists(ch->agent, target, &why)) {
        tool_call_donef(c, true, "%s", why.text);
        return;
    }
    char *sender = xasprintf("channel:%s", here->bare);
    const struct channel_message m = {.sender = sender, .text = json_str(c->args, "message", "")};
    enum status st = channel_open(ch->agent, target, NULL, NULL, &there, &why);
    if (st == STATUS_OK)
        st = channel_say(ch->agent, there, &m, NULL, NULL, NULL, id, &why);
    x_free(&sender);
    if (st != STATUS_OK) {
        tool_call_donef(c, true, "%s", why.text);
        return;
    }
    cJSON *o = json_new_obj();
    json_add_bool(o, "success", true);
    json_add_str(o, "target", target);
    json_add_str(o, "platform", "spacebot");
    done_json(c, o);
}

void channel_tool(struct tool_call *c) {
    const struct turn *t = turn_of(c);
    struct process *p = channel_of_process(turn_agent(t), turn_process(t));
    struct channel *ch = p ? p->body : NULL;
    if (!ch)
        tool_call_donef(c, true, "the conversation is closed");
    else if (c->tool == tool_get(TOOL_GET_STATUS))
        get_status(ch, c);
    else if (c->tool == tool_get(TOOL_CHANNEL_RECALL))
        channel_recall(ch, c);
    else if (c->tool == tool_get(TOOL_ATTACHMENT_RECALL))
        attachment_tool(ch->agent, p, c);
    else if (c->tool == tool_get(TOOL_REACT))
        react(ch, c);
    else if (c->tool == tool_get(TOOL_SEND_FILE))
        send_file(ch, c);
    else
        send_message(ch, c);
}
