/* worker_run: the turns of a worker in segments, what it is told while it works, and the waiting of
 * an interactive one. */
#include "agent/worker-internal.h"

#include <string.h>

#include "agent/channel.h"
#include "agent/event.h"
#include "agent/record.h"
#include "agent/routing.h"
#include "agent/trim.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"

static const int64_t worker_backoff_ms[] = {5000, 10000, 20000}; /* SPEC A.5 */

static const char nudge_text[] = "[system] You answered without calling a tool and without "
                                 "reporting an outcome. Go on with the task, or, "
                                 "if it is done or cannot be done, call set_status with kind "
                                 "\"outcome\" and say what came of it.";
static const char interactive_note[] =
    "\n\n[system] You are interactive: after each outcome that you report the conversation may "
    "write to you, and you go on. You may end with a question.";
static const char forked_note[] =
    "[system] From here on you are a worker of this conversation: what stands before is a copy of "
    "it, so that you know what it is about. Nobody there reads what you write before your outcome. "
    "Your task:\n\n";
static const char continue_text[] = "[system] Go on with the task where you left off.";
static const char room_text[] = "[waits to be written to: route goes on with it, and ends it]";

/* --- being told ---------------------------------------------------------------------------------
 */

static char *take_first(struct strv *v) {
    char *first = v->v[0];
    memmove(v->v, v->v + 1, v->n * sizeof *v->v); /* with the NULL at its end */
    v->n--;
    return first;
}

/* All that came in while it worked, as one message; NULL when nothing did. The caller frees. */
static char *take_injections(struct worker *w) {
    struct buf b = BUF_INIT;
    if (w->injections.n == 0)
        return NULL;
    while (w->injections.n) {
        char *text = take_first(&w->injections);
        buf_printf(&b, "%s[message while you work]\n%s", b.len ? "\n\n" : "", text);
        x_free(&text);
    }
    return buf_steal(&b);
}

/* --- the task -----------------------------------------------------------------------------------
 */

void worker_begin(struct worker *w, const struct process *parent) {
    char *text = xasprintf("%s%s%s", parent ? forked_note : "", worker_self(w)->task,
                           w->interactive ? interactive_note : "");
    if (parent)
        delegate_fork(&w->d, delegate_context(parent), text);
    w->task = w->context = w->d.own;
    llm_history_push_text(&w->d.history, LLM_ROLE_USER, text);
    x_free(&text);
}

void worker_find_task(struct worker *w) {
    const struct llm_history *h = &w->d.history;
    for (size_t i = 0; i < h->n; i++) {
        const struct llm_message *m = &h->v[i];
        if (m->n && m->blocks[0].kind == LLM_BLOCK_TEXT &&
            str_prefix(m->blocks[0].text, forked_note)) {
            w->task = w->context = i;
            return;
        }
    }
}

/* --- the turn -----------------------------------------------------------------------------------
 */

static void turn_before_call(void *arg) {
    struct worker *w = arg;
    char *text = take_injections(w);
    if (text)
        llm_history_push_text(&w->d.history, LLM_ROLE_USER, text);
    x_free(&text);
}

static char *turn_nudge(void *arg, const char *text, bool *keep) {
    struct worker *w = arg;
    char *more = take_injections(w);
    if (more) {
        *keep = true;
        return more;
    }
    /* Who is written to may answer in words. */
    if (w->outcome || w->nudges >= WORKER_NUDGES_MAX || (w->results && *text))
        return NULL;
    w->nudges++;
    return xstrdup(nudge_text);
}

static bool turn_after_tool(void *arg, const struct tool_call *c, bool is_error) {
    struct worker *w = arg;
    (void)c;
    if (!is_error)
        w->nudges = 0;
    return false;
}

/* Drops `percent` of the conversation before the task, while there is some, then of what stands
 * behind it. False: there was nothing to drop. */
static bool trim(struct worker *w, size_t percent) {
    struct llm_history *h = &w->d.history;
    if (w->context) {
        size_t drop = w->context * percent / 100;
        size_t cut = trim_cut(h, 0, w->task - w->context + (drop ? drop : 1), 0);
        delegate_trim(&w->d, 0, cut, delegate_left_out);
        w->task -= cut - 1;
        w->context = w->task - 1;
        return true;
    }
    size_t from = w->task + 1;
    size_t cut = trim_cut(h, from, (h->n - from) * percent / 100, 0);
    if (cut <= from)
        return false;
    char *recap = trim_recap(h, from, cut);
    delegate_trim(&w->d, from, cut, recap);
    x_free(&recap);
    return true;
}

static bool turn_overflow(void *arg) {
    struct worker *w = arg;
    if (w->overflows >= WORKER_OVERFLOWS_MAX || !trim(w, 75))
        return false;
    w->overflows++;
    llm_history_push_text(&w->d.history, LLM_ROLE_USER, continue_text);
    return true;
}

static uint32_t calls_made(const struct worker *w) {
    return worker_self(w)->model_calls - w->calls;
}

/* It has written its last words. Takes `words`: its outcome, else what it wrote. */
static void answered(struct worker *w, char *words) {
    bool said = *words != '\0';
    bool more = !w->closing || w->inputs.n; /* messages that it is still to read */
    if (w->interactive && more && (said || w->results)) {
        if (!said)
            x_free(&words);
        worker_rest(w, words);
    } else if (w->outcome) {
        worker_end(w, w->blocked ? PROCESS_OUTCOME_BLOCKED : PROCESS_OUTCOME_SUCCEEDED, words);
    } else if (said) {
        /* It never said that this is the outcome, but it is what it found; who was written to has
         * answered. */
        worker_end(w, w->results ? PROCESS_OUTCOME_SUCCEEDED : PROCESS_OUTCOME_PARTIAL, words);
    } else {
        x_free(&words);
        worker_end(w, PROCESS_OUTCOME_FAILED, xstrdup("it ended without saying anything"));
    }
}

static void segment_ended(struct worker *w) {
    int64_t most = agent_parts(w->d.agent)->config->limits.worker_turns;
    if ((int64_t)calls_made(w) < most) {
        llm_history_push_text(&w->d.history, LLM_ROLE_USER, continue_text);
        worker_run(w);
        return;
    }
    char *what = xasprintf("stopped after %lld model calls (limits.worker_turns)", (long long)most);
    worker_end(w, PROCESS_OUTCOME_PARTIAL, worker_with_words(w, what));
    x_free(&what);
}

static void turn_ended(void *arg, enum turn_end how, const struct llm_error *error) {
    struct worker *w = arg;
    w->d.turn = NULL;
    switch (how) {
    case TURN_END_TERMINAL:
    case TURN_END_ANSWERED:
        answered(w, w->outcome ? xstrdup(w->outcome) : delegate_last_words(&w->d));
        break;
    case TURN_END_LIMIT:
        segment_ended(w);
        break;
    case TURN_END_BUDGET:
        worker_end(w, PROCESS_OUTCOME_PARTIAL, worker_with_words(w, error->text));
        break;
    case TURN_END_STOPPED:
        worker_stopped(w);
        break;
    case TURN_END_FAILED:
        worker_end(w, w->outcome ? PROCESS_OUTCOME_PARTIAL : PROCESS_OUTCOME_FAILED,
                   worker_with_words(w, error->text));
        break;
    }
}

static void turn_asking(void *arg, bool asks) { worker_clock(arg, !asks); }

static const struct turn_ops worker_turn_ops = {.before_call = turn_before_call,
                                                .nudge = turn_nudge,
                                                .overflow = turn_overflow,
                                                .after_tool = turn_after_tool,
                                                .asking = turn_asking,
                                                .end = turn_ended};

void worker_run(struct worker *w) {
    struct agent *a = w->d.agent;
    const struct config_limits *limits = &agent_parts(a)->config->limits;
    int64_t left = limits->worker_turns - calls_made(w);
    int64_t ceiling = routing_ceiling(a, worker_self(w)->model);
    if (llm_history_tokens(&w->d.history) * 100 >= ceiling * WORKER_TRIM_PERCENT)
        (void)trim(w, 50);
    w->overflows = 0;
    w->d.rests = false;
    worker_clock(w, true);
    w->d.turn = turn_start(
        &(struct turn_options){.agent = a,
                               .process = w->d.process,
                               .history = &w->d.history,
                               .host = agent_tool_host(a),
                               .limit = left < WORKER_SEGMENT_TURNS ? left : WORKER_SEGMENT_TURNS,
                               .backoff_ms = worker_backoff_ms,
                               .nbackoff = ARRAY_LEN(worker_backoff_ms),
                               .ops = &worker_turn_ops,
                               .arg = w});
}

/* --- waiting ------------------------------------------------------------------------------------
 */

/* Its results have been told: there is nothing to add. */
static void close_now(struct worker *w) {
    w->d.told = true;
    char *text =
        xasprintf("it was ended after %u result%s", w->results, w->results == 1 ? "" : "s");
    worker_end(w, PROCESS_OUTCOME_SUCCEEDED, text);
}

/* Takes `text`. */
static void start_run(struct worker *w, char *text) {
    struct process *p = worker_self(w);
    worker_move(w, LIFECYCLE_RUNNING);
    x_free(&w->outcome);
    w->blocked = false;
    w->nudges = 0;
    w->calls = p->model_calls;
    w->d.own = w->d.history.n;
    llm_history_push_text(&w->d.history, LLM_ROLE_USER, text);
    x_free(&text);
    worker_run(w);
}

/* What its result is called while it goes on waiting. */
static enum process_outcome rest_outcome(const struct worker *w) {
    return w->blocked ? PROCESS_OUTCOME_BLOCKED : PROCESS_OUTCOME_SUCCEEDED;
}

/* The result is in the store: now everybody may know. */
static void rested(void *arg, enum status st, const char *why) {
    struct worker *w = arg;
    struct agent *a = w->d.agent;
    struct process *p = worker_self(w), *channel = delegate_channel(&w->d);
    w->resting = NULL;
    if (st != STATUS_OK) {
        /* It cannot wait for what could not be kept. */
        char *what = xasprintf("its result could not be stored: %s", why);
        if (w->rested) /* its end tells of it */
            record_result_over(a, w->d.row);
        worker_end(w, PROCESS_OUTCOME_PARTIAL, worker_with_words(w, what));
        x_free(&what);
        return;
    }
    if (w->rested) {
        struct journal_entry *e = journal_open(&p->journal, JOURNAL_RESULT, "result", NULL);
        journal_append(&p->journal, e, w->rested, strlen(w->rested));
        journal_close(&p->journal, e);
        record_journal(a, p, e);
        w->results++;
        event_tell(a, p, event_worker_result(p->bare, w->rested));
        char *told = xasprintf("%s\n%s", w->rested, room_text);
        channel_first_result(a, channel, p, rest_outcome(w), told, w->d.row);
        x_free(&told);
        x_free(&w->rested);
    }
    if (w->inputs.n) {
        start_run(w, take_first(&w->inputs));
        return;
    }
    if (w->closing) {
        close_now(w);
        return;
    }
    w->d.rests = true;
    p->seen = false;
    process_changed(agent_processes(a), p);
    BUS_EMIT(agent_bus(a), agent_processes(a), p, EVENT_WORKER_IDLE, BUS_STR("worker_id", p->bare));
    channel_check(a, channel);
}

void worker_rest(struct worker *w, char *result) {
    struct agent *a = w->d.agent;
    struct process *p = worker_self(w);
    worker_clock(w, false);
    /* An outcome has moved a fire-and-forget worker on; this one is still running. */
    uint64_t seq = record_worker_waits(a, p, result, &w->d.history, worker_active_ms(w));
    if (result) /* in the same batch */
        record_result(a, p, rest_outcome(w), result, w->d.row);
    w->transcripts++;
    w->lifecycle = LIFECYCLE_WAITING_FOR_INPUT;
    w->rested = result;
    w->resting = store_after(agent_parts(a)->store, seq, rested, w);
}

/* --- being written to ---------------------------------------------------------------------------
 */

static void note_message(struct worker *w, const char *sender, const char *text) {
    struct process *p = worker_self(w);
    struct journal_entry *e = journal_open(&p->journal, JOURNAL_USER, sender, NULL);
    journal_append(&p->journal, e, text, strlen(text));
    journal_close(&p->journal, e);
    record_journal(w->d.agent, p, e);
    process_changed(agent_processes(w->d.agent), p);
}

static enum status room_for(const struct worker *w, const struct process *p, const char *text,
                            struct cause *why) {
    if (strlen(text) > WORKER_TASK_MAX)
        return cause_set(why, STATUS_LIMIT, "the message has over %u bytes; put details in a file",
                         WORKER_TASK_MAX);
    bool full =
        w->lifecycle == LIFECYCLE_WAITING_FOR_INPUT || w->injections.n >= WORKER_INJECTIONS_MAX;
    if (full && (!w->interactive || w->inputs.n >= WORKER_INPUTS_MAX))
        return cause_set(why, STATUS_LIMIT,
                         "%s has %zu messages that it has not read; wait until it has", p->id,
                         w->injections.n + w->inputs.n);
    return STATUS_OK;
}

/* What becomes of it. */
static const char *pass_on(struct worker *w, const char *sender, const char *text) {
    struct buf clean = BUF_INIT;
    utf8_append_valid(&clean, text, strlen(text));
    note_message(w, sender, buf_str(&clean));
    const char *how;
    if (worker_waits(worker_self(w))) {
        start_run(w, buf_steal(&clean));
        return "it goes on with it now";
    }
    if (w->lifecycle != LIFECYCLE_WAITING_FOR_INPUT && w->injections.n < WORKER_INJECTIONS_MAX) {
        strv_push(&w->injections, buf_str(&clean));
        how = "it reads it before its next step";
    } else {
        strv_push(&w->inputs, buf_str(&clean));
        how = "it goes on with it after what it is at";
    }
    buf_free(&clean);
    return how;
}

enum status worker_route(struct agent *a, struct process *p, const char *sender, const char *text,
                         bool ends, const char **how, struct cause *why) {
    struct worker *w = p->kind == PROCESS_WORKER ? p->body : NULL;
    (void)a;
    if (p->kind != PROCESS_WORKER)
        return cause_set(why, STATUS_INVALID, "%s is no worker", p->id);
    if (!w || w->d.ended || w->asked)
        return cause_set(why, STATUS_GONE, "%s %s: start a new one for what is left", p->id,
                         w && !w->d.ended ? "is being ended" : "has ended");
    if (ends && !w->interactive)
        return cause_set(why, STATUS_INVALID,
                         "%s is not interactive: it ends by itself, or is cancelled", p->id);
    if (w->closing)
        return cause_set(why, STATUS_GONE, "%s takes no more messages: it was told to end", p->id);
    bool empty = !text || text[strspn(text, " \t\r\n")] == '\0';
    if (empty && !ends)
        return cause_set(why, STATUS_INVALID, "the message is empty");
    enum status st = empty ? STATUS_OK : room_for(w, p, text, why);
    if (st != STATUS_OK)
        return st;
    w->closing = ends;
    *how = empty ? "it ends when it is done" : pass_on(w, sender, text);
    if (ends && worker_waits(p)) {
        close_now(w);
        *how = "it has ended";
    }
    return STATUS_OK;
}
