/* channel_result: results of delegated work come back as messages of the system, debounced, so
 * that several that end together are told together. */
#include "agent/channel-internal.h"

#include <string.h>

#include "agent/prompt.h"
#include "agent/record.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"

static void result_free(struct pending_result *r) {
    list_remove(&r->link);
    x_free(&r->id);
    x_free(&r->name);
    x_free(&r->task);
    x_free(&r->result);
    x_free(&r);
}

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

void channel_results_clear(struct channel *ch) {
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
    channel_results_clear(ch);
    if (ch->retriggers < CHANNEL_RETRIGGERS_MAX) {
        ch->retriggers++;
        channel_enqueue(ch, text, true);
        return;
    }
    llm_history_push_text(&ch->history, LLM_ROLE_ASSISTANT, text);
    x_free(&text);
    channel_note(
        ch, JOURNAL_NOTICE, NULL, NULL,
        "more results came in than are answered without being asked: they are noted; ask for them");
    channel_check(ch->agent, channel_self(ch));
}

static void arm(struct channel *ch) {
    if (ch->retrigger)
        loop_timer_again(ch->retrigger, CHANNEL_RETRIGGER_MS * NS_PER_MS);
    else
        ch->retrigger = loop_timer(agent_parts(ch->agent)->loop, CHANNEL_RETRIGGER_MS * NS_PER_MS,
                                   retrigger_fired, ch, "retrigger");
}

static void came_back(struct channel *ch, const struct process *from, enum process_outcome outcome,
                      const char *result) {
    struct process *p = channel_self(ch);
    struct journal_entry *e = journal_open(&p->journal, JOURNAL_RESULT, from->name, from->id);
    char *text = xasprintf("%s: %s", process_outcome_name(outcome), result);
    journal_append(&p->journal, e, text, strlen(text));
    x_free(&text);
    e->is_error = outcome != PROCESS_OUTCOME_SUCCEEDED;
    journal_close(&p->journal, e);
    record_journal(ch->agent, p, e);
    process_changed(agent_processes(ch->agent), p);
}

static void pend(struct channel *ch, const struct process *from, enum process_outcome outcome,
                 const char *result) {
    struct pending_result *r = xcalloc(1, sizeof *r);
    r->id = xstrdup(from->id);
    r->name = xstrdup(from->name);
    r->task = xstrdup(from->task);
    r->result = xstrdup(result);
    r->outcome = outcome;
    list_push_back(&ch->results, &r->link);
    came_back(ch, from, outcome, result);
    arm(ch);
}

void channel_result(struct agent *a, struct process *p, const struct process *from,
                    const char *result) {
    struct channel *ch = p->body;
    (void)a;
    channel_count(ch, from);
    pend(ch, from, from->outcome, result);
}

void channel_first_result(struct agent *a, struct process *p, const struct process *from,
                          const char *result) {
    (void)a;
    pend(p->body, from, PROCESS_OUTCOME_SUCCEEDED, result);
}

void channel_closed(struct agent *a, struct process *p, const struct process *from) {
    struct channel *ch = p->body;
    (void)a;
    channel_count(ch, from);
    came_back(ch, from, from->outcome, "it has ended; its results had come before");
}
