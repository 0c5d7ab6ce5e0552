/* channel: one conversation's queue, history and present turn. Results of delegated work come back
 * as messages of the system, debounced, so that several that end together are told together. */
#include "agent/channel.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "agent/delegate.h"
#include "agent/prompt.h"
#include "agent/record.h"
#include "agent/turn.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"

#define CHANNEL_ID_MAX 120u

/* A message in the queue. */
struct incoming {
    struct list link;
    char *text;
    bool system; /* results of delegated work */
};

/* An outcome that the channel has not thought about yet. */
struct pending_result {
    struct list link;
    char *id, *name, *task, *result;
    enum process_outcome outcome;
};

/* Something said to the person that is being stored; it is shown as said when it is safe. */
struct delivery {
    struct list link;
    struct channel *channel;
    struct store_after *wait;
    struct tool_call
        *call; /* the reply call to finish; NULL for plain text or when it was abandoned */
    struct journal_entry *entry;
    char *text;
};

struct channel_watch {
    struct list link;
    const struct channel_watch_ops *ops;
    void *arg;
};

struct channel {
    struct agent *agent;
    struct process_handle process;
    struct llm_history history; /* what was said, without the scaffolding of how */
    struct llm_history live;    /* the present turn's working copy */
    size_t base;                /* live.n before the turn's own message */
    struct turn *turn;
    struct incoming *current;
    struct list queue;
    size_t queued;
    struct list results;
    struct loop_timer *retrigger;
    unsigned retriggers;
    struct list deliveries;
    struct journal_entry *said; /* the REPLY entry that is being streamed */
    char *replied;              /* what the turn has said, NULL when nothing */
    bool skipped;
    bool handled;                 /* at least one message was */
    char *model;                  /* for it and all its workers; NULL: routing decides */
    const char *stand_in;         /* in place of routing's, which has no provider; NULL: none */
    struct channel_totals totals; /* of workers that have ended; started counts all */
    struct list watches;
};

static const enum tool_id channel_tools[] = {TOOL_REPLY, TOOL_BRANCH, TOOL_SPAWN_WORKER,
                                             TOOL_CANCEL, TOOL_SKIP};
static const int64_t channel_backoff_ms[] = {500, 1000}; /* SPEC C */

static struct process *self(const struct channel *ch) {
    return process_get(agent_processes(ch->agent), ch->process);
}

static void start_next(struct channel *ch);

static void incoming_free(struct incoming **ip) {
    if (*ip) {
        x_free(&(*ip)->text);
        x_free(ip);
    }
}

static void result_free(struct pending_result *r) {
    list_remove(&r->link);
    x_free(&r->id);
    x_free(&r->name);
    x_free(&r->task);
    x_free(&r->result);
    x_free(&r);
}

static void note(struct channel *ch, enum journal_kind kind, const char *title, const char *ref,
                 const char *text) {
    struct process *p = self(ch);
    struct journal_entry *e = journal_open(&p->journal, kind, title, ref);
    journal_append(&p->journal, e, text, strlen(text));
    journal_close(&p->journal, e);
    record_journal(ch->agent, p, e);
    process_changed(agent_processes(ch->agent), p);
}

/* --- saying -------------------------------------------------------------------------------------
 */

static void delivery_free(struct delivery *d) {
    store_after_cancel(&d->wait);
    list_remove(&d->link);
    x_free(&d->text);
    x_free(&d);
}

static void delivered(void *arg, enum status st, const char *why) {
    struct delivery *d = arg;
    struct channel *ch = d->channel;
    struct process *p = self(ch);
    struct process_table *t = agent_processes(ch->agent);
    d->wait = NULL;
    struct tool_call *call = d->call;
    if (st != STATUS_OK) {
        d->entry->is_error = true;
        log_error("%s: a reply could not be stored: %s", p->id, why);
    }
    journal_close(&p->journal, d->entry);
    record_journal(ch->agent, p, d->entry);
    p->unread++;
    p->seen = false;
    process_changed(t, p);
    BUS_EMIT(agent_bus(ch->agent), t, p, EVENT_CHANNEL_ASSISTANT_MESSAGE, BUS_STR("text", d->text));
    list_for_safe(&ch->watches, it, tmp) {
        struct channel_watch *w = list_entry(it, struct channel_watch, link);
        w->ops->reply(w->arg, d->text);
    }
    delivery_free(d);
    if (call) {
        call->state = NULL;
        if (st == STATUS_OK)
            tool_call_donef(call, false, "{\"success\":true}");
        else
            tool_call_donef(call, true, "the reply could not be stored: %s", why);
    } else {
        start_next(ch);
    }
}

/* Stores what is said, then shows it as said. `call` may be NULL. */
static void deliver(struct channel *ch, const char *text, struct tool_call *call) {
    struct process *p = self(ch);
    struct delivery *d = xcalloc(1, sizeof *d);
    d->channel = ch;
    d->call = call;
    d->text = xstrdup(text);
    d->entry = ch->said ? ch->said : journal_open(&p->journal, JOURNAL_REPLY, NULL, NULL);
    ch->said = NULL;
    d->entry->kind = JOURNAL_REPLY;
    journal_set_text(&p->journal, d->entry, text, strlen(text));
    process_changed(agent_processes(ch->agent), p);
    list_push_back(&ch->deliveries, &d->link);
    if (call)
        call->state = d;
    char id[ID_UUID_SIZE];
    uint64_t seq = record_message(ch->agent, p, LLM_ROLE_ASSISTANT, "spacebot", text, NULL, id);
    d->wait = store_after(agent_parts(ch->agent)->store, seq, delivered, d);
}

static struct channel *channel_of(const struct tool_call *c) { return turn_arg(turn_of(c)); }

const struct llm_history *channel_history(const struct process *p) {
    const struct channel *ch = p->body;
    return ch->turn ? &ch->live : &ch->history;
}

struct process *channel_of_process(const struct agent *a, const struct process *p) {
    char *id = xasprintf("%s:%s", process_kind_name(PROCESS_CHANNEL), p->channel);
    struct process *channel = process_find(agent_processes(a), id);
    x_free(&id);
    return channel;
}

void channel_tool_reply(struct tool_call *c, const char *content) {
    struct channel *ch = channel_of(c);
    if (str_empty(content)) {
        tool_call_donef(c, true, "content is empty: there is nothing to say");
        return;
    }
    x_free(&ch->replied);
    ch->replied = xstrdup(content);
    deliver(ch, content, c);
}

void channel_tool_skip(struct tool_call *c, const char *reason) {
    struct channel *ch = channel_of(c);
    (void)reason;
    ch->skipped = true;
    tool_call_donef(c, false, "{\"skipped\":true}");
}

void channel_tool_abandon(struct tool_call *c) {
    struct delivery *d = c->state;
    if (d)
        d->call = NULL;
    c->state = NULL;
}

/* --- the turn -----------------------------------------------------------------------------------
 */

static char *turn_system(void *arg) {
    struct channel *ch = arg;
    return prompt_channel_system(ch->agent, self(ch));
}

static bool turn_after_tool(void *arg, const struct tool_call *c, bool is_error) {
    (void)arg;
    return !is_error && (c->tool == tool_get(TOOL_REPLY) || c->tool == tool_get(TOOL_SKIP));
}

static void said_append(struct channel *ch, enum journal_kind kind, const char *text, size_t n) {
    struct process *p = self(ch);
    if (!ch->said)
        ch->said = journal_open(&p->journal, kind, NULL, NULL);
    journal_append(&p->journal, ch->said, text, n);
    process_changed(agent_processes(ch->agent), p);
}

/* Text beside tool calls stays TEXT, what the model wrote to itself; a reply in the making is its
 * own entry. */
static void said_close(struct channel *ch, bool interrupted) {
    struct process *p = self(ch);
    if (!ch->said)
        return;
    ch->said->interrupted = interrupted;
    journal_close(&p->journal, ch->said);
    record_journal(ch->agent, p, ch->said);
    ch->said = NULL;
    process_changed(agent_processes(ch->agent), p);
}

static void turn_reply_delta(void *arg, bool start, const char *text, size_t n) {
    struct channel *ch = arg;
    if (start)
        said_close(ch, false);
    said_append(ch, JOURNAL_REPLY, text, n);
}

static void turn_text_delta(void *arg, const char *text, size_t n) {
    said_append(arg, JOURNAL_TEXT, text, n);
}

static void turn_text_done(void *arg) {
    struct channel *ch = arg;
    if (ch->said && ch->said->kind == JOURNAL_TEXT)
        said_close(ch, false);
}

static void turn_interrupted(void *arg) { said_close(arg, true); }

static void watch_failed(struct channel *ch, enum status st, const char *text) {
    list_for_safe(&ch->watches, it, tmp) {
        struct channel_watch *w = list_entry(it, struct channel_watch, link);
        w->ops->failed(w->arg, st, text);
    }
}

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
        said_close(ch, true);
        write_back(ch, false, ch->replied);
        break;
    case TURN_END_ANSWERED: {
        char *text = last_text(ch);
        bool say = !ch->skipped && !ch->replied && !str_empty(text) && !only_skip(text);
        if (!say)
            said_close(ch, false);
        write_back(ch, true, NULL);
        if (say)
            deliver(ch, text, NULL);
        x_free(&text);
        break;
    }
    case TURN_END_LIMIT: {
        char *text = xasprintf("stopped after %lld model calls for one message (limits.max_turns)",
                               (long long)agent_parts(ch->agent)->config->limits.max_turns);
        said_close(ch, true);
        write_back(ch, true, NULL);
        note(ch, JOURNAL_ERROR, NULL, NULL, text);
        watch_failed(ch, STATUS_LIMIT, text);
        x_free(&text);
        break;
    }
    case TURN_END_FAILED:
        /* The question stays, so that "try again" means something. */
        write_back(ch, false, NULL);
        watch_failed(ch, error->fault == LLM_FAULT_NOT_CONFIGURED ? STATUS_CONFIG : STATUS_PROVIDER,
                     error->text);
        break;
    }
    x_free(&ch->replied);
    start_next(ch);
}

static const struct turn_ops channel_turn_ops = {.system = turn_system,
                                                 .after_tool = turn_after_tool,
                                                 .reply_delta = turn_reply_delta,
                                                 .text_delta = turn_text_delta,
                                                 .text_done = turn_text_done,
                                                 .interrupted = turn_interrupted,
                                                 .end = turn_ended};

static bool busy(const struct channel *ch) { return ch->turn || !list_empty(&ch->deliveries); }

static void start_next(struct channel *ch) {
    if (busy(ch))
        return;
    if (list_empty(&ch->queue)) {
        channel_check(ch->agent, self(ch));
        return;
    }
    struct process *p = self(ch);
    ch->current = list_entry(ch->queue.next, struct incoming, link);
    list_remove(&ch->current->link);
    ch->queued--;
    ch->skipped = false;
    x_free(&ch->replied);
    llm_history_free(&ch->live);
    llm_history_copy(&ch->live, &ch->history);
    ch->base = ch->live.n;
    char *text = prompt_channel_message(ch->agent, p, ch->current->text);
    llm_history_push_text(&ch->live, LLM_ROLE_USER, text);
    x_free(&text);
    int64_t limit = agent_parts(ch->agent)->config->limits.max_turns;
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
                                                 .ops = &channel_turn_ops,
                                                 .arg = ch});
    BUS_EMIT(agent_bus(ch->agent), agent_processes(ch->agent), p, EVENT_STATUS_UPDATE,
             BUS_STR("process_id", p->id), BUS_STR("status", process_state_name(p->state)));
}

static void enqueue(struct channel *ch, char *text, bool system) {
    struct incoming *in = xcalloc(1, sizeof *in);
    in->text = text;
    in->system = system;
    list_push_back(&ch->queue, &in->link);
    ch->queued++;
    start_next(ch);
}

bool channel_interrupt(struct agent *a, struct process *p, const char *reason) {
    struct channel *ch = p->body;
    if (!ch->turn)
        return false;
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
    note(ch, JOURNAL_NOTICE, NULL, NULL, reason);
    watch_failed(ch, STATUS_CANCELLED, reason);
    start_next(ch);
    return true;
}

/* --- totals -------------------------------------------------------------------------------------
 */

void channel_delegated(struct process *p) {
    struct channel *ch = p->body;
    ch->totals.started++;
}

static void count_outcome(struct channel_totals *t, enum process_outcome o) {
    switch (o) {
    case PROCESS_OUTCOME_SUCCEEDED:
        t->succeeded++;
        return;
    case PROCESS_OUTCOME_CANCELLED:
        t->cancelled++;
        return;
    case PROCESS_OUTCOME_PARTIAL:
    case PROCESS_OUTCOME_BLOCKED:
    case PROCESS_OUTCOME_FAILED:
    case PROCESS_OUTCOME_TIMED_OUT:
        t->failed++;
        return;
    }
}

struct channel_totals channel_totals(const struct agent *a, const struct process *p) {
    const struct channel *ch = p->body;
    struct channel_totals t = ch->totals;
    llm_usage_add(&t.usage, &p->usage);
    size_t pos = 0;
    for (const struct process *w; (w = process_next(agent_processes(a), &pos));)
        if (w->kind != PROCESS_CHANNEL && w->body && str_eq(w->channel, p->channel))
            llm_usage_add(&t.usage, &w->usage);
    return t;
}

/* --- results of delegated work ------------------------------------------------------------------
 */

static char *results_text(struct channel *ch) {
    struct buf b = BUF_INIT;
    buf_puts(
        &b,
        "[system] Work that you delegated has come back. Tell the person what matters of it, with "
        "its facts and figures; skip if there is nothing to tell.\n");
    list_for(&ch->results, it) {
        const struct pending_result *r = list_entry(it, struct pending_result, link);
        buf_printf(&b, "\n<result process=\"%s\" outcome=\"%s\">\n<task>", r->id,
                   process_outcome_name(r->outcome));
        prompt_append_data(&b, r->task, strlen(r->task), "task");
        buf_puts(&b, "</task>\n");
        prompt_append_data(&b, r->result, strlen(r->result), "result");
        buf_puts(&b, "\n</result>\n");
    }
    return buf_steal(&b);
}

static void results_clear(struct channel *ch) {
    list_for_safe(&ch->results, it, tmp) result_free(list_entry(it, struct pending_result, link));
}

static void retrigger_fired(void *arg) {
    struct channel *ch = arg;
    if (ch->queued >= CHANNEL_QUEUE_MAX) {
        loop_timer_again(ch->retrigger, CHANNEL_RETRIGGER_MS * NS_PER_MS);
        return;
    }
    ch->retrigger = NULL;
    char *text = results_text(ch);
    results_clear(ch);
    if (ch->retriggers < CHANNEL_RETRIGGERS_MAX) {
        ch->retriggers++;
        enqueue(ch, text, true);
        return;
    }
    llm_history_push_text(&ch->history, LLM_ROLE_ASSISTANT, text);
    x_free(&text);
    note(
        ch, JOURNAL_NOTICE, NULL, NULL,
        "more results came in than are answered without being asked: they are noted; ask for them");
    channel_check(ch->agent, self(ch));
}

void channel_result(struct agent *a, struct process *p, const struct process *from,
                    const char *result) {
    struct channel *ch = p->body;
    llm_usage_add(&ch->totals.usage, &from->usage);
    count_outcome(&ch->totals, from->outcome);
    struct pending_result *r = xcalloc(1, sizeof *r);
    r->id = xstrdup(from->id);
    r->name = xstrdup(from->name);
    r->task = xstrdup(from->task);
    r->result = xstrdup(result);
    r->outcome = from->outcome;
    list_push_back(&ch->results, &r->link);
    struct journal_entry *e = journal_open(&p->journal, JOURNAL_RESULT, from->name, from->id);
    char *text = xasprintf("%s: %s", process_outcome_name(from->outcome), result);
    journal_append(&p->journal, e, text, strlen(text));
    x_free(&text);
    e->is_error = from->outcome != PROCESS_OUTCOME_SUCCEEDED;
    journal_close(&p->journal, e);
    record_journal(a, p, e);
    process_changed(agent_processes(a), p);
    if (ch->retrigger)
        loop_timer_again(ch->retrigger, CHANNEL_RETRIGGER_MS * NS_PER_MS);
    else
        ch->retrigger = loop_timer(agent_parts(a)->loop, CHANNEL_RETRIGGER_MS * NS_PER_MS,
                                   retrigger_fired, ch, "retrigger");
}

/* --- being told ---------------------------------------------------------------------------------
 */

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
    note(ch, JOURNAL_USER, sender, NULL, buf_str(&clean));
    BUS_EMIT(agent_bus(a), agent_processes(a), p, EVENT_CHANNEL_USER_MESSAGE,
             BUS_STR("sender", sender), BUS_STR("text", buf_str(&clean)));
    ch->retriggers = 0;
    enqueue(ch, buf_steal(&clean), false);
    return STATUS_OK;
}

/* --- settling -----------------------------------------------------------------------------------
 */

bool channel_idle(const struct process *p) {
    const struct channel *ch = p->body;
    return !busy(ch) && list_empty(&ch->queue) && list_empty(&ch->results);
}

bool channel_settled(const struct agent *a, const struct process *p) {
    const struct channel *ch = p->body;
    return ch->handled && channel_idle(p) && delegate_count(a, PROCESS_WORKER, p->channel) == 0 &&
           delegate_count(a, PROCESS_BRANCH, p->channel) == 0;
}

void channel_check(struct agent *a, struct process *p) {
    struct channel *ch = p->body;
    if (!channel_settled(a, p))
        return;
    list_for_safe(&ch->watches, it, tmp) {
        struct channel_watch *w = list_entry(it, struct channel_watch, link);
        const struct channel_watch_ops *ops = w->ops;
        void *arg = w->arg;
        list_remove(&w->link);
        x_free(&w);
        ops->settled(arg);
    }
}

struct channel_watch *channel_watch(struct process *p, const struct channel_watch_ops *ops,
                                    void *arg) {
    struct channel *ch = p->body;
    struct channel_watch *w = xcalloc(1, sizeof *w);
    w->ops = ops;
    w->arg = arg;
    list_push_back(&ch->watches, &w->link);
    return w;
}

void channel_unwatch(struct channel_watch **wp) {
    if (*wp) {
        list_remove(&(*wp)->link);
        x_free(wp);
    }
}

/* --- being opened and closed --------------------------------------------------------------------
 */

static bool id_valid(const char *bare) {
    size_t n = strlen(bare);
    if (n == 0 || n > CHANNEL_ID_MAX || !utf8_valid(bare, n))
        return false;
    for (; *bare; bare++)
        if (isspace((unsigned char)*bare) || iscntrl((unsigned char)*bare) || *bare == '/')
            return false;
    return true;
}

static void set_text(char **to, const char *value) {
    x_free(to);
    *to = xstrdup(value);
}

const char *channel_model_told(const struct process *p) {
    const struct channel *ch = p->body;
    return ch->model;
}

const char *channel_model_override(const struct process *p) {
    const struct channel *ch = p->body;
    return ch->model ? ch->model : ch->stand_in;
}

bool channel_stood_in(const struct process *p) {
    const struct channel *ch = p->body;
    return !ch->model && ch->stand_in;
}

void channel_stand_in(struct agent *a, struct process *p, const char *model) {
    struct channel *ch = p->body;
    ch->stand_in = model;
    if (ch->model)
        return;
    set_text(&p->model, model ? model : agent_parts(a)->config->routing.channel);
    process_changed(agent_processes(a), p);
}

const char *channel_worker_model(const struct agent *a, const struct process *p) {
    const char *model = channel_model_override(p);
    return model ? model : agent_parts(a)->config->routing.worker;
}

void channel_set_model(struct agent *a, struct process *p, const char *model) {
    struct channel *ch = p->body;
    set_text(&ch->model, model);
    set_text(&p->model, model);
    process_changed(agent_processes(a), p);
}

void channel_recent(const struct process *p,
                    void (*fn)(void *arg, const char *id, const char *task, enum process_outcome o,
                               const char *result),
                    void *arg) {
    const struct channel *ch = p->body;
    unsigned n = 0;
    for (const struct list *it = ch->results.prev; it != &ch->results && n < 5;
         it = it->prev, n++) {
        const struct pending_result *r = list_entry(it, struct pending_result, link);
        fn(arg, r->id, r->task, r->outcome, r->result);
    }
}

enum status channel_open(struct agent *a, const char *bare, const char *model,
                         const char *workspace, struct process **out, struct cause *why) {
    const struct agent_parts *parts = agent_parts(a);
    struct process_table *t = agent_processes(a);
    if (!bare || !id_valid(bare))
        return cause_set(why, STATUS_INVALID,
                         "\"%.60s\" is no channel name: 1 to %u bytes without white space or /",
                         bare ? bare : "", CHANNEL_ID_MAX);
    char *id = xasprintf("%s:%s", process_kind_name(PROCESS_CHANNEL), bare);
    struct process *p = process_find(t, id);
    x_free(&id);
    bool fresh = !p;
    if (fresh) {
        if (process_add(t, PROCESS_CHANNEL, bare, PROCESS_NONE, &p) != STATUS_OK)
            return cause_set(why, STATUS_EXISTS, "channel %s is there already", bare);
        struct channel *ch = xcalloc(1, sizeof *ch);
        ch->agent = a;
        ch->process = p->handle;
        list_init(&ch->queue);
        list_init(&ch->results);
        list_init(&ch->deliveries);
        list_init(&ch->watches);
        p->body = ch;
        p->channel = xstrdup(bare);
        p->model = xstrdup(parts->config->routing.channel);
        p->workspace = xstrdup(parts->home->workspace);
        record_load_channel(a, p);
        record_load_messages(a, bare, CHANNEL_HYDRATE, &ch->history);
        record_load_journal(a, p, JOURNAL_ENTRIES_MAX / 4);
    }
    if (model)
        channel_set_model(a, p, model);
    if (workspace)
        set_text(&p->workspace, workspace);
    if (fresh || model || workspace)
        record_channel(a, p);
    process_changed(t, p);
    *out = p;
    return STATUS_OK;
}

void channel_free(struct agent *a, struct process *p) {
    struct channel *ch = p->body;
    (void)a;
    turn_cancel(&ch->turn, "the engine ended");
    loop_timer_del(&ch->retrigger);
    results_clear(ch);
    list_for_safe(&ch->deliveries, it, tmp) delivery_free(list_entry(it, struct delivery, link));
    list_for_safe(&ch->queue, it, tmp) {
        struct incoming *in = list_entry(it, struct incoming, link);
        list_remove(&in->link);
        incoming_free(&in);
    }
    list_for_safe(&ch->watches, it, tmp) {
        struct channel_watch *w = list_entry(it, struct channel_watch, link);
        channel_unwatch(&w);
    }
    incoming_free(&ch->current);
    llm_history_free(&ch->history);
    llm_history_free(&ch->live);
    x_free(&ch->replied);
    x_free(&ch->model);
    x_free(&ch);
    p->body = NULL;
}
