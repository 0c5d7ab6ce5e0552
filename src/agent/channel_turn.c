/* channel_turn: one message being thought about, and what that leaves in the history. */
#include "agent/channel-internal.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "agent/prompt.h"
#include "agent/record.h"
#include "base/mem.h"
#include "base/str.h"

static char *turn_system(void *arg) {
    struct channel *ch = arg;
    return prompt_channel_system(ch->agent, channel_self(ch));
}

static bool turn_after_tool(void *arg, const struct tool_call *c, bool is_error) {
    (void)arg;
    return !is_error && (c->tool == tool_get(TOOL_REPLY) || c->tool == tool_get(TOOL_SKIP));
}

static void turn_reply_delta(void *arg, bool start, const char *text, size_t n) {
    struct channel *ch = arg;
    if (start)
        channel_said_close(ch, false);
    channel_said_append(ch, JOURNAL_REPLY, text, n);
}

static void turn_text_delta(void *arg, const char *text, size_t n) {
    channel_said_append(arg, JOURNAL_TEXT, text, n);
}

static void turn_text_done(void *arg) {
    struct channel *ch = arg;
    if (ch->said && ch->said->kind == JOURNAL_TEXT)
        channel_said_close(ch, false);
}

static void turn_interrupted(void *arg) { channel_said_close(arg, true); }

/* What the turn leaves in the history: always added at its end, never put in place of it (SPEC
 * A.3). */
static void write_back(struct channel *ch, bool everything, const char *said) {
    llm_history_push_text(&ch->history, LLM_ROLE_USER, ch->current->text);
    if (everything)
        for (size_t i = ch->base + 1; i < ch->live.n; i++)
            llm_history_push(&ch->history, &ch->live.v[i]);
    else if (!str_empty(said))
        llm_history_push_text(&ch->history, LLM_ROLE_ASSISTANT, said);
    llm_history_free(&ch->live);
    incoming_free(&ch->current);
    ch->handled = true;
}

static bool only_skip(const char *text) {
    while (*text && !isalpha((unsigned char)*text))
        text++;
    if (strncasecmp(text, "skip", 4) != 0)
        return false;
    for (text += 4; *text; text++)
        if (isalnum((unsigned char)*text))
            return false;
    return true;
}

static char *last_text(const struct channel *ch) {
    const struct llm_history *h = &ch->live;
    if (h->n > ch->base + 1 && h->v[h->n - 1].role == LLM_ROLE_ASSISTANT)
        return llm_message_text(&h->v[h->n - 1]);
    return xstrdup("");
}

static void turn_ended(void *arg, enum turn_end how, const struct llm_error *error) {
    struct channel *ch = arg;
    ch->turn = NULL;
    switch (how) {
    case TURN_END_TERMINAL:
        channel_said_close(ch, true);
        write_back(ch, false, ch->replied);
        break;
    case TURN_END_ANSWERED: {
        char *text = last_text(ch);
        bool say = !ch->skipped && !ch->replied && !str_empty(text) && !only_skip(text);
        if (!say)
            channel_said_close(ch, false);
        write_back(ch, true, NULL);
        if (say)
            channel_deliver(ch, text, NULL);
        x_free(&text);
        break;
    }
    case TURN_END_LIMIT:
    case TURN_END_BUDGET: {
        char *text =
            how == TURN_END_BUDGET
                ? xstrdup(error->text)
                : xasprintf("stopped after %lld model calls for one message (limits.max_turns)",
                            (long long)agent_parts(ch->agent)->config->limits.max_turns);
        channel_said_close(ch, true);
        write_back(ch, true, NULL);
        channel_note(ch, JOURNAL_ERROR, NULL, NULL, text);
        channel_failed(ch, STATUS_LIMIT, text);
        x_free(&text);
        break;
    }
    case TURN_END_STOPPED: /* its tools are never asked to end early */
    case TURN_END_FAILED:
        /* The question stays, so that "try again" means something. */
        write_back(ch, false, NULL);
        if (error)
            channel_failed(
                ch, error->fault == LLM_FAULT_NOT_CONFIGURED ? STATUS_CONFIG : STATUS_PROVIDER,
                error->text);
        break;
    }
    x_free(&ch->replied);
    channel_next(ch);
}

const struct turn_ops channel_turn_ops = {.system = turn_system,
                                          .after_tool = turn_after_tool,
                                          .reply_delta = turn_reply_delta,
                                          .text_delta = turn_text_delta,
                                          .text_done = turn_text_done,
                                          .interrupted = turn_interrupted,
                                          .end = turn_ended};

bool channel_interrupt(struct agent *a, struct process *p, const char *reason) {
    struct channel *ch = p->body;
    bool ended = channel_uses_end(ch, reason);
    if (!ch->turn)
        return ended;
    const char *partial =
        ch->said && ch->said->kind == JOURNAL_REPLY ? buf_str(&ch->said->text) : "";
    char *said = ch->replied ? xstrdup(ch->replied)
                 : *partial  ? xasprintf("%s\n[interrupted by the person]", partial)
                             : xstrdup("[interrupted by the person before an answer]");
    char id[ID_UUID_SIZE];
    if (!ch->replied && *partial)
        record_message(a, p, LLM_ROLE_ASSISTANT, "spacebot", said, "{\"interrupted\":true}", id);
    turn_cancel(&ch->turn, reason);
    process_set_state(agent_processes(a), p, PROCESS_STATE_WAITING);
    write_back(ch, false, said);
    x_free(&said);
    channel_note(ch, JOURNAL_NOTICE, NULL, NULL, reason);
    channel_failed(ch, STATUS_CANCELLED, reason);
    channel_next(ch);
    return true;
}
