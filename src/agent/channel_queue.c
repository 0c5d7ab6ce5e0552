/* channel_queue: messages come in at any moment, wait their turn, and are thought about one at a
 * time. */
#include "agent/channel-internal.h"

#include <string.h>

#include "agent/prompt.h"
#include "agent/record.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"

static const enum tool_id channel_tools[] = {TOOL_REPLY,  TOOL_BRANCH, TOOL_SPAWN_WORKER,
                                             TOOL_CANCEL, TOOL_ROUTE,  TOOL_SKIP};
static const int64_t channel_backoff_ms[] = {500, 1000}; /* SPEC C */

void incoming_free(struct incoming **ip) {
    if (*ip) {
        x_free(&(*ip)->text);
        x_free(ip);
    }
}

bool channel_busy(const struct channel *ch) { return ch->turn || !list_empty(&ch->deliveries); }

void channel_next(struct channel *ch) {
    if (channel_busy(ch))
        return;
    if (list_empty(&ch->queue)) {
        channel_use_show(ch);
        channel_check(ch->agent, channel_self(ch));
        return;
    }
    struct process *p = channel_self(ch);
    ch->current = list_entry(ch->queue.next, struct incoming, link);
    list_remove(&ch->current->link);
    ch->queued--;
    if (!ch->current->system)
        channel_next_stand_in(ch);
    ch->skipped = false;
    x_free(&ch->replied);
    llm_history_free(&ch->live);
    llm_history_copy(&ch->live, &ch->history);
    ch->base = ch->live.n;
    char *text = prompt_channel_message(ch->agent, p, ch->current->text);
    llm_history_push_text(&ch->live, LLM_ROLE_USER, text);
    x_free(&text);
    const struct config_limits *limits = &agent_parts(ch->agent)->config->limits;
    int64_t limit = limits->max_turns;
    if (ch->current->system && limit > CHANNEL_RETRIGGER_TURNS)
        limit = CHANNEL_RETRIGGER_TURNS;
    ch->turn = turn_start(&(struct turn_options){.agent = ch->agent,
                                                 .process = ch->process,
                                                 .history = &ch->live,
                                                 .tools = channel_tools,
                                                 .ntools = ARRAY_LEN(channel_tools),
                                                 .host = agent_tool_host(ch->agent),
                                                 .limit = limit,
                                                 .backoff_ms = channel_backoff_ms,
                                                 .nbackoff = ARRAY_LEN(channel_backoff_ms),
                                                 .before = p->usage,
                                                 .wall_secs = limits->channel_wall_secs,
                                                 .ops = &channel_turn_ops,
                                                 .arg = ch});
    BUS_EMIT(agent_bus(ch->agent), agent_processes(ch->agent), p, EVENT_STATUS_UPDATE,
             BUS_STR("process_id", p->id), BUS_STR("status", process_state_name(p->state)));
}

void channel_enqueue(struct channel *ch, char *text, bool system) {
    struct incoming *in = xcalloc(1, sizeof *in);
    in->text = text;
    in->system = system;
    list_push_back(&ch->queue, &in->link);
    ch->queued++;
    channel_next(ch);
}

enum status channel_say(struct agent *a, struct process *p, const char *sender, const char *text,
                        store_after_fn *fn, void *arg, struct store_after **wait,
                        char message_id[ID_UUID_SIZE], struct cause *why) {
    struct channel *ch = p->body;
    size_t n = strlen(text);
    if (n == 0)
        return cause_set(why, STATUS_INVALID, "the message is empty");
    if (n > CHANNEL_MESSAGE_MAX)
        return cause_set(
            why, STATUS_LIMIT,
            "the message has %zu bytes; %u are the most (put the text in a file of the "
            "workspace and name it)",
            n, CHANNEL_MESSAGE_MAX);
    if (ch->queued >= CHANNEL_QUEUE_MAX)
        return cause_set(why, STATUS_LIMIT,
                         "%s: %zu messages are waiting; try again when some are done", p->id,
                         ch->queued);
    struct buf clean = BUF_INIT;
    utf8_append_valid(&clean, text, n);
    uint64_t seq = record_message(a, p, LLM_ROLE_USER, sender, buf_str(&clean), NULL, message_id);
    if (fn)
        *wait = store_after(agent_parts(a)->store, seq, fn, arg);
    channel_note(ch, JOURNAL_USER, sender, NULL, buf_str(&clean));
    BUS_EMIT(agent_bus(a), agent_processes(a), p, EVENT_CHANNEL_USER_MESSAGE,
             BUS_STR("sender", sender), BUS_STR("text", buf_str(&clean)));
    ch->retriggers = 0;
    channel_enqueue(ch, buf_steal(&clean), false);
    return STATUS_OK;
}
