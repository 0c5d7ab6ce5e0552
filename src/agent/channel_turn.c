/* channel_turn: one message being thought about, and what that leaves in the history: always added
 * at its end, never put in place of it, since other things may have come there meanwhile (SPEC
 * A.3). */
#include "agent/channel-internal.h"

#include <string.h>

#include "agent/prompt.h"
#include "agent/record.h"
#include "agent/shape.h"
#include "agent/trim.h"
#include "agent/voice.h"
#include "base/mem.h"

#define CORRECTIONS_MAX 2u /* SPEC A.3 */
#define OVERFLOWS_MAX 2u
#define NAMED_MAX 8192u /* bytes of the names of results in what is left out */
#define KEEP_MIN 2u     /* messages before the turn's own (SPEC E) */

static const char structured_text[] =
    "[system] Your last answer was not shown: it looks like data or like a tool call written as "
    "text. Call the tool `reply` with what the person should read (also when that is JSON or "
    "code), call the other tool that you meant, or call `skip`.";
static const char leak_text[] =
    "[system] Your last answer was not shown: it holds what looks like a password, token or "
    "private "
    "key. Answer again without it: name what it is and where it is kept, none of its characters.";
static const char empty_text[] =
    "[system] You ended your turn without a word and without a tool call, so the person has no "
    "answer. Call `reply` with your answer, or `skip` if there is nothing to say.";

static const char trimmed_text[] = "[system] The conversation before this point is left out here, "
                                   "because it was too long. The tool "
                                   "`channel_recall` reads it back.";

/* --- tools and what is streamed -----------------------------------------------------------------
 */

/* The model's answer that is being carried out ends with this call. */
static bool last_call(const struct channel *ch, const struct tool_call *c) {
    const struct llm_history *h = &ch->live;
    const struct llm_message *m = h->n ? &h->v[h->n - 1] : NULL;
    bool found = false, last = false;
    for (size_t i = 0; m && i < m->n; i++) {
        if (m->blocks[i].kind != LLM_BLOCK_TOOL_USE)
            continue;
        last = str_eq(m->blocks[i].id, c->id);
        found |= last;
    }
    return last || !found;
}

/* A reply or a skip ends the turn, but not in the middle of an answer: a worker that is started
 * beside "I am on it" is started, and a reply beside a skip is said, in whichever order. */
static bool turn_after_tool(void *arg, const struct tool_call *c, bool is_error) {
    const struct channel *ch = arg;
    (void)is_error;
    return (ch->replied || ch->skipped) && last_call(ch, c);
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

/* --- answers that are none ----------------------------------------------------------------------
 */

static bool called_a_tool(const struct channel *ch) {
    for (size_t i = ch->base + 1; i < ch->live.n; i++)
        for (size_t j = 0; j < ch->live.v[i].n; j++)
            if (ch->live.v[i].blocks[j].kind == LLM_BLOCK_TOOL_USE)
                return true;
    return false;
}

/* X(NAME): what a final text is good for. */
enum answer {
    ANSWER_TEXT,       /* it is said as it stands */
    ANSWER_EXTRACTED,  /* a reply is in it */
    ANSWER_STRUCTURED, /* not fit for people */
    ANSWER_LEAKS,      /* a secret is in it (SPEC A.3) */
    ANSWER_EMPTY,      /* nothing at all came of the turn */
    ANSWER_DONE        /* nothing needs to be said: it was, or it is a skip, or work is under way */
};

/* *said: what to say, the caller frees; NULL where there is nothing. */
static enum answer judge(const struct channel *ch, const char *text, char **said) {
    *said = NULL;
    if (ch->replied || ch->skipped || shape_only_skip(text))
        return ANSWER_DONE;
    if (shape_blank(text))
        return called_a_tool(ch) ? ANSWER_DONE : ANSWER_EMPTY;
    if (ch->leaks)
        return ANSWER_LEAKS;
    if ((*said = shape_reply_content(text)))
        return ANSWER_EXTRACTED;
    if (shape_structured(text))
        return ANSWER_STRUCTURED;
    *said = xstrdup(text);
    return ANSWER_TEXT;
}

static char *turn_nudge(void *arg, const char *text, bool *keep) {
    struct channel *ch = arg;
    (void)keep;
    char *said;
    const char *correction = NULL;
    ch->leaks = scrub_finds(agent_parts(ch->agent)->values, text, strlen(text));
    switch (judge(ch, text, &said)) {
    case ANSWER_STRUCTURED:
        if (ch->corrections < CORRECTIONS_MAX)
            correction = structured_text;
        break;
    case ANSWER_LEAKS:
        if (ch->corrections < CORRECTIONS_MAX)
            correction = leak_text;
        break;
    case ANSWER_EMPTY:
        if (ch->corrections == 0)
            correction = empty_text;
        break;
    case ANSWER_TEXT:
    case ANSWER_EXTRACTED:
    case ANSWER_DONE:
        break;
    }
    x_free(&said);
    if (!correction)
        return NULL;
    ch->corrections++;
    channel_said_close(ch, true);
    return xstrdup(correction);
}

/* --- a context that is full ---------------------------------------------------------------------
 */

/* Which results were in what is left out: identifiers must not be forgotten with it. `out` is
 * bounded: of very many the oldest are not named. */
static void name_results(struct buf *out, const struct llm_message *m) {
    for (size_t i = 0; i < m->n; i++) {
        const char *text = m->blocks[i].kind == LLM_BLOCK_TEXT ? m->blocks[i].text : "";
        for (const char *at = text; (at = strstr(at, "<result process=\"")); at++) {
            size_t n = strcspn(at, ">\n");
            if (at[n] == '>' && out->len + n < NAMED_MAX) {
                buf_puts(out, "\n");
                buf_append(out, at, n);
                buf_puts(out, ">left out here</result>");
            }
        }
    }
}

/* The oldest half goes, from what is sent and from what is kept; both begin with the same messages.
 * What came in meanwhile waits in the queue, or stands at the end of what is kept. */
static bool turn_overflow(void *arg) {
    struct channel *ch = arg;
    size_t cut = trim_cut(&ch->live, 0, ch->base / 2, ch->live.n - ch->base + KEEP_MIN);
    if (ch->overflows >= OVERFLOWS_MAX || cut < 2)
        return false;
    ch->overflows++;
    struct buf results = BUF_INIT;
    for (size_t i = cut; i-- > 0;)
        name_results(&results, &ch->live.v[i]);
    char *notice = xasprintf("%s%s", trimmed_text, buf_str(&results));
    trim_replace(&ch->live, 0, cut, notice);
    trim_replace(&ch->history, 0, cut, notice);
    x_free(&notice);
    buf_free(&results);
    ch->base -= cut - 1;
    return true;
}

/* --- the end ------------------------------------------------------------------------------------
 */

static bool is_correction(const struct llm_message *m) {
    return m->role == LLM_ROLE_USER && m->n == 1 && m->blocks[0].kind == LLM_BLOCK_TEXT &&
           (str_eq(m->blocks[0].text, structured_text) || str_eq(m->blocks[0].text, leak_text) ||
            str_eq(m->blocks[0].text, empty_text));
}

/* `everything`: the messages of the turn as they are, but for our corrections and the live copy's
 * envelope; else the question and what was said. The message is done with. */
static void write_back(struct channel *ch, bool everything, const char *said) {
    llm_history_push_text(&ch->history, LLM_ROLE_USER, ch->current->text);
    if (everything) {
        for (size_t i = ch->base + 1; i < ch->live.n; i++)
            if (!is_correction(&ch->live.v[i]))
                llm_history_push(&ch->history, &ch->live.v[i]);
    } else if (!str_empty(said)) {
        llm_history_push_text(&ch->history, LLM_ROLE_ASSISTANT, said);
    }
    if (ch->current->results)
        channel_results_over(ch);
    llm_history_free(&ch->live);
    incoming_free(&ch->current);
    ch->handled = true;
}

void channel_only_note(struct channel *ch) { write_back(ch, false, NULL); }

static char *last_text(const struct channel *ch) {
    const struct llm_history *h = &ch->live;
    if (h->n > ch->base + 1 && h->v[h->n - 1].role == LLM_ROLE_ASSISTANT)
        return llm_message_text(&h->v[h->n - 1]);
    return xstrdup("");
}

/* The text beside a skip of results: the model had something to say after all (SPEC A.3). */
static char *beside_skip(const struct channel *ch) {
    for (size_t i = ch->live.n; i-- > ch->base + 1;) {
        if (ch->live.v[i].role != LLM_ROLE_ASSISTANT)
            continue;
        char *text = llm_message_text(&ch->live.v[i]);
        if (!shape_blank(text) && !shape_structured(text) && !shape_only_skip(text))
            return text;
        x_free(&text);
        return NULL;
    }
    return NULL;
}

static void ended_terminal(struct channel *ch) {
    char *said = NULL;
    if (!ch->replied && ch->current->results)
        said = beside_skip(ch);
    channel_said_close(ch, true);
    if (said)
        channel_deliver(ch, said, NULL);
    else if (!ch->replied && ch->current->results)
        channel_results_told(ch); /* it chose not to speak of them */
    write_back(ch, false, said ? said : ch->replied);
    x_free(&said);
}

static void ended_answered(struct channel *ch) {
    char *text = last_text(ch), *said;
    enum answer what = judge(ch, text, &said);
    switch (what) {
    case ANSWER_TEXT:
        channel_deliver(ch, said, NULL);
        write_back(ch, true, NULL);
        break;
    case ANSWER_EXTRACTED:
        channel_deliver(ch, said, NULL);
        write_back(ch, false, said);
        break;
    case ANSWER_STRUCTURED:
        channel_said_close(ch, true);
        write_back(ch, false, "[no answer: it was not fit to be shown]");
        channel_tell(ch, JOURNAL_ERROR,
                     "the model answered with data instead of words, also when asked again; "
                     "nothing was said");
        break;
    case ANSWER_LEAKS:
        channel_said_close(ch, true);
        write_back(ch, false, "[no answer: a secret was in it]");
        channel_tell(ch, JOURNAL_ERROR,
                     "the model's answer held a password, token or private key, also when asked "
                     "for another; nothing was said");
        break;
    case ANSWER_EMPTY:
        channel_said_close(ch, false);
        write_back(ch, false, "[no answer]");
        channel_tell(ch, JOURNAL_NOTICE, "the model ended its turn without a word");
        break;
    case ANSWER_DONE:
        channel_said_close(ch, false);
        if (ch->current->results && (ch->skipped || shape_only_skip(text)))
            channel_results_told(ch);
        write_back(ch, true, NULL);
        break;
    }
    x_free(&said);
    x_free(&text);
}

void channel_turn_over(struct channel *ch, enum record_turn_end how) {
    record_turn_ended(ch->agent, channel_self(ch), ch->turn_id, how);
    ch->turn_id[0] = '\0';
}

static void turn_ended(void *arg, enum turn_end how, const struct llm_error *error) {
    struct channel *ch = arg;
    enum record_turn_end over = RECORD_TURN_DONE;
    ch->turn = NULL;
    switch (how) {
    case TURN_END_TERMINAL:
        ended_terminal(ch);
        break;
    case TURN_END_ANSWERED:
        ended_answered(ch);
        break;
    case TURN_END_LIMIT:
    case TURN_END_BUDGET: {
        int64_t calls = ch->current->results ? CHANNEL_RETRIGGER_TURNS
                                             : agent_parts(ch->agent)->config->limits.max_turns;
        char *text =
            how == TURN_END_BUDGET
                ? xstrdup(error->text)
                : xasprintf("stopped after %lld model calls for one message (%s); say "
                            "\"go on\" to continue",
                            (long long)calls,
                            ch->current->results ? "all that results get" : "limits.max_turns");
        over = RECORD_TURN_LIMITED;
        channel_said_close(ch, true);
        channel_failed(ch, STATUS_LIMIT, text);
        write_back(ch, true, NULL);
        channel_tell(ch, JOURNAL_ERROR, text);
        x_free(&text);
        break;
    }
    case TURN_END_STOPPED: /* its tools are never asked to end early */
    case TURN_END_FAILED:
        over = RECORD_TURN_FAILED;
        if (error)
            channel_failed(
                ch, error->fault == LLM_FAULT_NOT_CONFIGURED ? STATUS_CONFIG : STATUS_PROVIDER,
                error->text);
        /* The question stays, so that "try again" means something. */
        write_back(ch, false, NULL);
        break;
    }
    x_free(&ch->replied);
    channel_turn_over(ch, over);
    channel_next(ch);
}

const struct turn_ops channel_turn_ops = {.nudge = turn_nudge,
                                          .overflow = turn_overflow,
                                          .after_tool = turn_after_tool,
                                          .reply_delta = turn_reply_delta,
                                          .text_delta = turn_text_delta,
                                          .text_done = turn_text_done,
                                          .interrupted = turn_interrupted,
                                          .end = turn_ended};

static void interrupt_turn(struct channel *ch, const char *reason) {
    struct process *p = channel_self(ch);
    struct agent *a = ch->agent;
    turn_cut_text(ch->turn);
    const char *partial =
        ch->said && ch->said->kind == JOURNAL_REPLY ? buf_str(&ch->said->text) : "";
    char *said = ch->replied ? xstrdup(ch->replied)
                 : *partial  ? xasprintf("%s\n[interrupted by the person]", partial)
                             : xstrdup("[interrupted by the person before an answer]");
    char id[ID_UUID_SIZE];
    if (!ch->replied && *partial) {
        record_message(a, p, LLM_ROLE_ASSISTANT, "spacebot", said, "{\"interrupted\":true}", id);
        journal_set_ref(&p->journal, ch->said, id);
    }
    turn_cancel(&ch->turn, reason);
    process_set_state(agent_processes(a), p, PROCESS_STATE_WAITING);
    channel_failed(ch, STATUS_CANCELLED, reason);
    write_back(ch, false, said);
    x_free(&said);
    x_free(&ch->replied);
    channel_tell(ch, JOURNAL_NOTICE, reason);
    channel_turn_over(ch, RECORD_TURN_CANCELLED);
    channel_next(ch);
}

bool channel_interrupt(struct agent *a, struct process *p, const char *reason) {
    struct channel *ch = p->body;
    bool used = channel_uses_end(ch, reason), thought = ch->turn != NULL;
    bool heard = voice_cancel_all(a, p->channel, reason);
    if (thought)
        interrupt_turn(ch, reason);
    return used || thought || heard;
}

void channel_withdraw(struct agent *a, struct process *p, const char *message, const char *reason) {
    struct channel *ch = p->body;
    (void)a;
    channel_results_drop(ch, message);
    list_for(&ch->queue, it) {
        struct incoming *in = list_entry(it, struct incoming, link);
        in->unwanted |= str_eq(in->message_id, message);
    }
    if (ch->turn && str_eq(ch->current->message_id, message))
        interrupt_turn(ch, reason);
}
