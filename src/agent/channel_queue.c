/* channel_queue: messages wait their turn and are thought about one at a time. */
#include "agent/channel-internal.h"

#include <string.h>

#include "agent/prompt.h"
#include "base/mem.h"

static const int64_t channel_backoff_ms[] = {500, 1000}; /* SPEC C */

/* Two messages of the user's role in a row would become one, and results pass for something that
 * the person said. */
static const char bridge_text[] = "[I wait for what I delegated.]";

void incoming_free(struct incoming **ip) {
    if (*ip) {
        x_free(&(*ip)->text);
        x_free(&(*ip)->sender);
        x_free(&(*ip)->message_id);
        strv_free(&(*ip)->heard);
        x_free(&(*ip)->hint);
        strv_free(&(*ip)->powerless);
        x_free(ip);
    }
}

bool channel_busy(const struct channel *ch) { return ch->turn || !list_empty(&ch->deliveries); }

/* The response mode and a pause keep people's messages from being answered, not from being known. A
 * conversation of two always answers (SPEC A.3), unless it was paused. */
static bool suppressed(const struct channel *ch, const struct incoming *in) {
    if (in->unwanted || settings_paused(&ch->settings))
        return true;
    if (strstr(channel_self(ch)->bare, ":dm:"))
        return false;
    switch (settings_response_mode(&ch->settings)) {
    case RESPONSE_ACTIVE:
        return false;
    case RESPONSE_MENTION_ONLY:
        return !in->mentioned;
    case RESPONSE_OBSERVE:
        return true;
    }
    return false;
}

static void bridge(struct channel *ch) {
    if (ch->history.n && ch->history.v[ch->history.n - 1].role == LLM_ROLE_USER)
        llm_history_push_text(&ch->history, LLM_ROLE_ASSISTANT, bridge_text);
}

static void note_beginning(struct channel *ch) {
    const struct incoming *in = ch->current;
    char *relays = channel_results_told_of(ch);
    id_uuid(ch->turn_id);
    record_turn_began(ch->agent, channel_self(ch), ch->turn_id, relays, in->message_id, &in->heard);
    x_free(&relays);
}

static void begin(struct channel *ch) {
    struct process *p = channel_self(ch);
    if (!ch->current->results)
        channel_next_stand_in(ch);
    note_beginning(ch);
    ch->skipped = false;
    ch->corrections = 0;
    ch->overflows = 0;
    x_free(&ch->replied);
    if (ch->current->results)
        bridge(ch);
    llm_history_free(&ch->live);
    llm_history_copy(&ch->live, &ch->history);
    ch->base = ch->live.n;
    char *text = prompt_channel_message(ch->agent, p, ch->current->hint, &ch->current->powerless,
                                        ch->current->text);
    llm_history_push_text(&ch->live, LLM_ROLE_USER, text);
    x_free(&text);
    const struct config_limits *limits = &agent_parts(ch->agent)->config->limits;
    int64_t limit = limits->max_turns;
    if (ch->current->results && limit > CHANNEL_RETRIGGER_TURNS)
        limit = CHANNEL_RETRIGGER_TURNS;
    ch->turn = turn_start(&(struct turn_options){.agent = ch->agent,
                                                 .process = ch->process,
                                                 .history = &ch->live,
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

/* Who waits for an answer to the present message hears why there is none. */
static void say_suppressed(struct channel *ch) {
    enum response_mode m = settings_response_mode(&ch->settings);
    char *text =
        settings_paused(&ch->settings)
            ? xasprintf("%s is paused: the message is noted, /pause off goes on",
                        channel_self(ch)->id)
            : xasprintf("%s is told otherwise (%s): the message is noted, /active changes it",
                        channel_self(ch)->id, response_mode_what(m));
    channel_failed(ch, STATUS_DENIED, text);
    x_free(&text);
}

/* Takes the first of the queue. False: nothing is left of it to be thought about. */
static bool take(struct channel *ch) {
    struct incoming *in = list_entry(ch->queue.next, struct incoming, link);
    list_remove(&in->link);
    ch->queued--;
    if (in->results) {
        /* What ended since they were announced is told with them; what a pause keeps back waits. */
        if (!settings_paused(&ch->settings) && channel_results_take(ch, in)) {
            ch->current = in;
            return true;
        }
        ch->telling = false;
        incoming_free(&in);
        return false;
    }
    char *text = channel_said_by(in->sender, in->at_ms, in->text);
    x_free(&in->text);
    in->text = text;
    ch->current = in;
    if (!suppressed(ch, in))
        return true;
    say_suppressed(ch);
    channel_only_note(ch);
    return false;
}

void channel_next(struct channel *ch) {
    while (!channel_busy(ch) && !list_empty(&ch->queue))
        if (take(ch))
            begin(ch);
    if (!channel_busy(ch))
        channel_use_show(ch);
    channel_check(ch->agent, channel_self(ch));
}

void channel_enqueue(struct channel *ch, struct incoming *in) {
    list_push_back(&ch->queue, &in->link);
    ch->queued++;
    channel_next(ch);
}
