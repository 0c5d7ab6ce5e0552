/* channel_result: results of delegated work come back as messages of the system, debounced, so that
 * several that end together are told together. A result is in the store from the end of its work
 * until something in the store tells of it, so that it is told once, across crashes too. */
#include "agent/channel-internal.h"

#include <string.h>

#include "agent/gate.h"
#include "agent/prompt.h"
#include "agent/record.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"

static const char news[] =
    "[system] Work that you delegated has come back. Tell the person what matters of it, with "
    "its facts and figures; skip if there is nothing to tell.\n";
static const char record[] =
    "[Results that came back and were not told to the person: the next answer includes them.]\n";
static const char not_told[] =
    "[I have not told the person of these results yet: my next answer includes them.]";

static struct result *result_new(struct channel *ch, const char *row, const char *id,
                                 const char *name, const char *task, enum process_outcome outcome,
                                 const char *text, const char *reply_to) {
    struct result *r = xcalloc(1, sizeof *r);
    memcpy(r->row, row, sizeof r->row);
    r->id = xstrdup(id);
    r->name = xstrdup(name);
    r->task = xstrdup(task);
    r->text = xstrdup(text);
    r->reply_to = xstrdup_null(reply_to);
    r->outcome = outcome;
    list_push_back(&ch->results, &r->link);
    return r;
}

static void result_free(struct result *r) {
    list_remove(&r->link);
    x_free(&r->id);
    x_free(&r->name);
    x_free(&r->task);
    x_free(&r->text);
    x_free(&r->reply_to);
    x_free(&r);
}

void channel_results_clear(struct channel *ch) {
    list_for_safe(&ch->results, it, tmp) result_free(list_entry(it, struct result, link));
}

/* What needs no telling any more leaves the store. */
static void set_state(struct channel *ch, struct result *r, enum result_state to) {
    r->state = to;
    r->told_ns = clock_mono_ns();
    if (r->row[0] && (to == RESULT_RECORDED || to == RESULT_TOLD)) {
        record_result_over(ch->agent, r->row);
        r->row[0] = '\0';
    }
}

static void move(struct channel *ch, enum result_state from, enum result_state to) {
    list_for(&ch->results, it) {
        struct result *r = list_entry(it, struct result, link);
        if (r->state == from)
            set_state(ch, r, to);
    }
}

bool channel_results_waiting(const struct channel *ch) {
    list_for(&ch->results, it) if (list_entry(it, const struct result, link)->state ==
                                   RESULT_WAITING) return true;
    return false;
}

bool channel_results_of(const struct channel *ch, const char *message) {
    list_for(&ch->results, it) {
        const struct result *r = list_entry(it, const struct result, link);
        if ((r->state == RESULT_WAITING || r->state == RESULT_TELLING) &&
            str_eq(r->reply_to, message))
            return true;
    }
    return false;
}

/* What is over is kept for the status block: not for long, and not many. */
static void forget_old(struct channel *ch) {
    size_t over = 0;
    for (struct list *it = ch->results.prev, *before; it != &ch->results; it = before) {
        struct result *r = list_entry(it, struct result, link);
        before = it->prev;
        if (r->state == RESULT_WAITING || r->state == RESULT_TELLING)
            continue;
        bool old = r->state == RESULT_TOLD &&
                   clock_mono_ns() - r->told_ns > CHANNEL_TOLD_SECS * NS_PER_SEC;
        if (old || ++over > CHANNEL_RESULTS_KEPT)
            result_free(r);
    }
}

static char *results_text(const struct channel *ch, enum result_state state, const char *head) {
    struct buf b = BUF_INIT;
    buf_puts(&b, head);
    list_for(&ch->results, it) {
        const struct result *r = list_entry(it, const struct result, link);
        if (r->state != state)
            continue;
        buf_printf(&b, "\n<result process=\"%s\" outcome=\"%s\">\n<task>", r->id,
                   process_outcome_name(r->outcome));
        prompt_append_data(&b, r->task, strlen(r->task), "task");
        buf_puts(&b, "</task>\n");
        prompt_append_data(&b, r->text, strlen(r->text), "result");
        buf_puts(&b, "\n</result>\n");
    }
    return buf_steal(&b);
}

/* The conversation as it is loaded another time has them too: no retrigger will bring them. */
static void keep(struct channel *ch, enum result_state state) {
    char id[ID_UUID_SIZE], *text = results_text(ch, state, record);
    record_message(ch->agent, channel_self(ch), LLM_ROLE_ASSISTANT, "system", text,
                   "{\"unrelayed\":true}", id);
    x_free(&text);
}

/* Without a turn: they stand in the history, and the next answer can tell of them. */
static void record_untold(struct channel *ch, enum result_state state) {
    char *text = results_text(ch, state, record);
    llm_history_push_text(&ch->history, LLM_ROLE_ASSISTANT, text);
    x_free(&text);
    keep(ch, state);
    move(ch, state, RESULT_RECORDED);
    forget_old(ch);
}

/* --- the retrigger ------------------------------------------------------------------------------
 */

static void too_many(struct channel *ch) {
    record_untold(ch, RESULT_WAITING);
    if (ch->retriggers++ == CHANNEL_RETRIGGERS_MAX) /* once, until somebody says something */
        channel_tell(ch, JOURNAL_NOTICE,
                     "more results came in than are answered without being asked: they are noted; "
                     "ask for them");
    channel_check(ch->agent, channel_self(ch));
}

static void retrigger_fired(void *arg) {
    struct channel *ch = arg;
    if (ch->queued >= CHANNEL_QUEUE_MAX) {
        loop_timer_again(ch->retrigger, CHANNEL_RETRIGGER_MS * NS_PER_MS);
        return;
    }
    ch->retrigger = NULL;
    if (!channel_results_waiting(ch)) {
        channel_check(ch->agent, channel_self(ch)); /* they were dropped: it may have settled */
        return;
    }
    if (ch->telling || settings_paused(&ch->settings))
        return; /* the end of that message, or of the pause, looks again */
    if (ch->retriggers >= CHANNEL_RETRIGGERS_MAX) {
        too_many(ch);
        return;
    }
    ch->retriggers++;
    ch->telling = true;
    channel_flush(ch); /* what people said meanwhile came before the results */
    struct incoming *in = xcalloc(1, sizeof *in);
    in->results = true;
    in->at_ms = clock_wall_ms();
    channel_enqueue(ch, in);
}

void channel_retrigger(struct channel *ch) {
    if (!channel_results_waiting(ch))
        return;
    if (ch->retrigger)
        loop_timer_again(ch->retrigger, CHANNEL_RETRIGGER_MS * NS_PER_MS);
    else
        ch->retrigger = loop_timer(agent_parts(ch->agent)->loop, CHANNEL_RETRIGGER_MS * NS_PER_MS,
                                   retrigger_fired, ch, "retrigger");
}

/* What a script asked for is not told in one turn with what people did: nobody can be asked in it,
 * and it ends with the script. */
bool channel_results_take(struct channel *ch, struct incoming *in) {
    const struct gate *g = agent_gate(ch->agent);
    const struct gate_unattended *script = NULL;
    bool any = false;
    list_for(&ch->results, it) {
        struct result *r = list_entry(it, struct result, link);
        if (r->state != RESULT_WAITING)
            continue;
        if (!any)
            script = gate_unattended_of(g, r->reply_to);
        else if (gate_unattended_of(g, r->reply_to) != script)
            continue; /* the end of this message looks again */
        any = true;
        set_state(ch, r, RESULT_TELLING);
        if (r->reply_to) {
            x_free(&in->message_id);
            in->message_id = xstrdup(r->reply_to);
        }
    }
    if (any)
        in->text = results_text(ch, RESULT_TELLING, news);
    return any;
}

char *channel_results_told_of(const struct channel *ch) {
    cJSON *ids = json_new_arr();
    list_for(&ch->results, it) {
        const struct result *r = list_entry(it, const struct result, link);
        if (r->state == RESULT_TELLING || r->state == RESULT_RECORDED)
            cJSON_AddItemToArray(ids, cJSON_CreateString(r->id));
    }
    char *text = ids->child ? json_print(ids) : NULL;
    cJSON_Delete(ids);
    return text;
}

void channel_results_told(struct channel *ch) { move(ch, RESULT_TELLING, RESULT_TOLD); }

void channel_results_over(struct channel *ch) {
    bool left = false;
    list_for(&ch->results, it) left |=
        list_entry(it, const struct result, link)->state == RESULT_TELLING;
    if (left) {
        keep(ch, RESULT_TELLING);
        llm_history_push_text(&ch->history, LLM_ROLE_ASSISTANT, not_told);
        move(ch, RESULT_TELLING, RESULT_RECORDED);
    }
    ch->telling = false;
    channel_retrigger(ch);
    forget_old(ch);
}

void channel_results_seen(struct channel *ch) {
    move(ch, RESULT_RECORDED, RESULT_TOLD);
    forget_old(ch);
}

/* --- coming back --------------------------------------------------------------------------------
 */

static void note_result(struct channel *ch, const struct process *from,
                        enum process_outcome outcome, const char *text) {
    struct process *p = channel_self(ch);
    struct journal_entry *e = journal_open(&p->journal, JOURNAL_RESULT, from->name, from->id);
    char *line = xasprintf("%s: %s", process_outcome_name(outcome), text);
    journal_append(&p->journal, e, line, strlen(line));
    x_free(&line);
    e->is_error = outcome != PROCESS_OUTCOME_SUCCEEDED;
    journal_close(&p->journal, e);
    record_journal(ch->agent, p, e);
    process_changed(agent_processes(ch->agent), p);
}

static void came_back(struct channel *ch, const struct process *from, enum process_outcome outcome,
                      const char *text, const char *row) {
    note_result(ch, from, outcome, text);
    struct result *r =
        result_new(ch, row, from->id, from->name, from->task, outcome, text, from->reply_to);
    if (from->unwanted) {
        r->state = RESULT_UNWANTED;
        record_untold(ch, RESULT_UNWANTED);
    }
    channel_retrigger(ch);
}

void channel_result(struct agent *a, struct process *p, const struct process *from,
                    const char *text, const char *row) {
    struct channel *ch = p->body;
    (void)a;
    channel_count(ch, from);
    came_back(ch, from, from->outcome, text, row);
}

void channel_first_result(struct agent *a, struct process *p, const struct process *from,
                          enum process_outcome outcome, const char *text, const char *row) {
    (void)a;
    came_back(p->body, from, outcome, text, row);
}

void channel_closed(struct agent *a, struct process *p, const struct process *from) {
    struct channel *ch = p->body;
    (void)a;
    channel_count(ch, from);
    note_result(ch, from, from->outcome, "it has ended; its results had come before");
}

void channel_results_drop(struct channel *ch, const char *message) {
    bool any = false;
    list_for(&ch->results, it) {
        struct result *r = list_entry(it, struct result, link);
        if (r->state == RESULT_WAITING && str_eq(r->reply_to, message)) {
            set_state(ch, r, RESULT_UNWANTED);
            any = true;
        }
    }
    if (any) /* a retrigger that finds none is none */
        record_untold(ch, RESULT_UNWANTED);
}

static void load(void *arg, const struct record_result *row) {
    struct channel *ch = arg;
    char id[ID_UUID_SIZE] = "";
    if (strlen(row->row) + 1 == sizeof id)
        memcpy(id, row->row, sizeof id);
    result_new(ch, id, row->process_id, row->name, row->task, row->outcome, row->text,
               row->reply_to);
}

void channel_results_load(struct channel *ch) {
    record_load_results(ch->agent, channel_self(ch)->bare, load, ch);
    channel_retrigger(ch);
}

void channel_recent(const struct process *p,
                    void (*fn)(void *arg, const char *id, const char *task, enum process_outcome o,
                               const char *result),
                    void *arg) {
    const struct channel *ch = p->body;
    unsigned n = 0;
    for (const struct list *it = ch->results.prev; it != &ch->results && n < CHANNEL_RESULTS_SHOWN;
         it = it->prev) {
        const struct result *r = list_entry(it, const struct result, link);
        if (r->state != RESULT_WAITING && r->state != RESULT_RECORDED)
            continue;
        n++;
        fn(arg, r->id, r->task, r->outcome, r->text);
    }
}
