/* worker: begins and ends one. The moves of its life are lifecycle.h's; whoever moves it towards
 * its end first (itself, a cancel, the clock) owns the end, and the others find it taken. */
#include "agent/worker-internal.h"

#include <assert.h>
#include <string.h>

#include "agent/channel.h"
#include "agent/event.h"
#include "agent/record.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "store/queries.gen.h"

struct process *worker_self(const struct worker *w) {
    return delegate_process(&w->d);
}

void worker_move(struct worker *w, enum lifecycle to) {
    if (w->lifecycle == to)
        return;
    assert(lifecycle_may(w->lifecycle, to));
    record_worker_lifecycle(w->d.agent, worker_self(w), w->lifecycle, to);
    w->lifecycle = to;
}

/* --- time ---------------------------------------------------------------------------------------
 */

static void wall_over(void *arg);

void worker_clock(struct worker *w, bool runs) {
    int64_t now = clock_mono_ns();
    if (runs && !w->wall) {
        w->since_ns = now;
        w->wall = loop_timer(agent_parts(w->d.agent)->loop, w->left_ns > 0 ? w->left_ns : 0,
                             wall_over, w, "worker wall clock");
    } else if (!runs && w->wall) {
        w->left_ns -= now - w->since_ns;
        loop_timer_del(&w->wall);
    }
}

static int64_t wall_ns(const struct agent *a) {
    return agent_parts(a)->config->limits.worker_wall_secs * NS_PER_SEC;
}

int64_t worker_active_ms(const struct worker *w) {
    int64_t running = w->wall ? clock_mono_ns() - w->since_ns : 0;
    return (wall_ns(w->d.agent) - w->left_ns + running) / NS_PER_MS;
}

/* --- the end ------------------------------------------------------------------------------------
 */

static void announce(struct delegate *d, struct process *p) {
    const struct worker *w = (const struct worker *)d;
    event_tell(d->agent, p,
               event_worker_complete(&(struct event_worker_end){
                   .bare = p->bare,
                   .result = d->result,
                   .outcome = process_outcome_name(p->outcome),
                   .owner = lifecycle_owner_name(w->owner),
                   .notify = !d->told,
                   .outcome_version = 1, /* there is one terminal commit */
                   .transcript_version = w->transcripts}));
}

static void adopt(struct delegate *d, struct process *p) {
    struct worker *w = (struct worker *)d;
    enum process_outcome o;
    int64_t transcripts;
    char *result;
    struct cause why = {""};
    enum status st = record_worker_outcome(d->agent, p, &o, &w->owner, &transcripts, &result, &why);
    if (st != STATUS_OK) {
        log_error("%s: its outcome could not be stored, and none is: %s", p->id, why.text);
        return;
    }
    p->outcome = o;
    w->transcripts = (unsigned)transcripts;
    x_free(&d->result);
    d->result = result;
}

static const struct delegate_ops worker_ops = {
    .announce = announce, .adopt = adopt, .free = worker_free};

/* What was sent to it and never read is not passed over in silence. Takes `result`. */
static char *with_unread(const struct worker *w, char *result) {
    size_t n = w->injections.n + w->inputs.n;
    if (n == 0)
        return result;
    char *text = xasprintf("%s\n\n(%zu message%s sent to it had not been read)", result, n,
                           n == 1 ? "" : "s");
    x_free(&result);
    return text;
}

/* Takes `result`. */
static void end(struct worker *w, enum process_outcome o, char *result,
                enum lifecycle_owner owner) {
    turn_cancel(&w->d.turn, "it had ended"); /* first, so that the transcript is whole */
    worker_clock(w, false);
    loop_timer_del(&w->grace);
    if (w->resting && w->rested) /* not told yet: its end tells of it */
        record_result_over(w->d.agent, w->d.row);
    store_after_cancel(&w->resting);
    enum lifecycle to = lifecycle_of(o);
    if (!lifecycle_may(w->lifecycle, to))
        worker_move(w, LIFECYCLE_COMPLETING);
    assert(lifecycle_may(w->lifecycle, to));
    result = scrub_take(agent_parts(w->d.agent)->values, with_unread(w, result));
    uint64_t seq = record_worker_ended(w->d.agent, worker_self(w), w->lifecycle, o, result, owner,
                                       &w->d.history);
    w->transcripts++;
    w->lifecycle = to;
    w->owner = owner;
    w->d.rests = false;
    delegate_end(&w->d, o, result, seq);
}

void worker_end(struct worker *w, enum process_outcome o, char *result) {
    end(w, o, result, OWNER_WORKER);
}

char *worker_with_words(const struct worker *w, const char *what) {
    if (w->rested)
        return xasprintf("%s\n\nIts last result:\n%s", what, w->rested);
    return w->outcome ? xasprintf("%s\n\nIt had reported:\n%s", what, w->outcome)
                      : delegate_with_last_words(&w->d, what);
}

static bool has_words(const struct worker *w) {
    char *words = delegate_last_words(&w->d);
    bool has = w->outcome || w->rested || *words;
    x_free(&words);
    return has;
}

/* What it comes to when it is ended by somebody else. `late`: its time was over as well. */
static enum process_outcome cut_short(const struct worker *w, bool late) {
    switch (w->lifecycle) {
    case LIFECYCLE_TIMING_OUT:
        return PROCESS_OUTCOME_TIMED_OUT;
    case LIFECYCLE_COMPLETING:
        return has_words(w) ? PROCESS_OUTCOME_PARTIAL : PROCESS_OUTCOME_CANCELLED;
    case LIFECYCLE_CANCELLING:
        return late && has_words(w) ? PROCESS_OUTCOME_PARTIAL : PROCESS_OUTCOME_CANCELLED;
    case LIFECYCLE_CREATED:
    case LIFECYCLE_RUNNING:
    case LIFECYCLE_WAITING_FOR_INPUT:
    case LIFECYCLE_SUCCEEDED:
    case LIFECYCLE_PARTIAL:
    case LIFECYCLE_BLOCKED:
    case LIFECYCLE_FAILED:
    case LIFECYCLE_CANCELLED:
    case LIFECYCLE_TIMED_OUT:
        break; /* nobody ends it from outside in these */
    }
    return PROCESS_OUTCOME_FAILED;
}

static void cut(struct worker *w, bool late) {
    /* Until its end is stored: whatever it asked or ran is over. */
    process_set_state(agent_processes(w->d.agent), worker_self(w), PROCESS_STATE_CANCELLING);
    turn_cancel(&w->d.turn, w->reason);
    enum process_outcome o = cut_short(w, late);
    end(w, o, worker_with_words(w, w->reason), w->owner);
}

static void grace_over(void *arg) {
    struct worker *w = arg;
    w->grace = NULL;
    cut(w, false);
}

void worker_stopped(struct worker *w) { cut(w, false); }

static void ask(struct worker *w, enum lifecycle_owner owner, const char *reason) {
    w->asked = true;
    w->owner = owner;
    x_free(&w->reason);
    w->reason = xstrdup(reason);
}

static void wait_for(struct worker *w, int64_t ns) {
    w->grace = loop_timer(agent_parts(w->d.agent)->loop, ns, grace_over, w, "worker's last moment");
}

/* Out of `running`: a tool may give what it has so far, everything else ends at once. */
static void wind_up(struct worker *w, enum lifecycle to, enum lifecycle_owner owner,
                    const char *reason) {
    ask(w, owner, reason);
    worker_move(w, to);
    process_set_state(agent_processes(w->d.agent), worker_self(w), PROCESS_STATE_CANCELLING);
    if (owner != OWNER_SHUTDOWN && turn_stop(w->d.turn, w->reason))
        wait_for(w, WORKER_STOPPING_NS);
    else
        cut(w, false);
}

bool worker_cancel(struct agent *a, struct process *p, enum lifecycle_owner owner,
                   const char *reason) {
    struct worker *w = p->body;
    bool now = owner == OWNER_SHUTDOWN; /* nobody waits for anything any more */
    (void)a;
    if (!w || w->d.ended)
        return false;
    if (w->asked && !now)
        return false;
    switch (w->lifecycle) {
    case LIFECYCLE_RUNNING:
        wind_up(w, LIFECYCLE_CANCELLING, owner, reason);
        return true;
    case LIFECYCLE_WAITING_FOR_INPUT:
        /* Where its results have come back, there is nothing to add. */
        w->d.told = w->results && !w->resting && !w->inputs.n;
        ask(w, owner, reason);
        worker_move(w, LIFECYCLE_CANCELLING);
        cut(w, false);
        return true;
    case LIFECYCLE_COMPLETING:
        ask(w, owner, reason);
        if (now)
            cut(w, false);
        else
            wait_for(w, WORKER_COMPLETING_NS);
        return true;
    case LIFECYCLE_CANCELLING:
    case LIFECYCLE_TIMING_OUT:
        cut(w, false); /* in its last moment */
        return true;
    case LIFECYCLE_CREATED:
    case LIFECYCLE_SUCCEEDED:
    case LIFECYCLE_PARTIAL:
    case LIFECYCLE_BLOCKED:
    case LIFECYCLE_FAILED:
    case LIFECYCLE_CANCELLED:
    case LIFECYCLE_TIMED_OUT:
        return false;
    }
    return false;
}

static void wall_over(void *arg) {
    struct worker *w = arg;
    char *reason = xasprintf("ended after %lld s (limits.worker_wall_secs)",
                             (long long)agent_parts(w->d.agent)->config->limits.worker_wall_secs);
    w->wall = NULL;
    w->left_ns = 0;
    if (w->lifecycle == LIFECYCLE_RUNNING) {
        wind_up(w, LIFECYCLE_TIMING_OUT, OWNER_TIMEOUT, reason);
    } else {
        /* It was in its last words or its last moment: that is over too. */
        bool late = w->asked;
        if (!w->asked)
            ask(w, OWNER_TIMEOUT, reason);
        w->owner = OWNER_TIMEOUT;
        cut(w, late);
    }
    x_free(&reason);
}

/* --- the beginning ------------------------------------------------------------------------------
 */

static struct process *same_task(const struct agent *a, const struct process *channel,
                                 const struct process *parent, const char *task) {
    size_t pos = 0;
    for (struct process *p; (p = process_next(agent_processes(a), &pos));) {
        if (p->kind != PROCESS_WORKER || !str_eq(p->channel, channel->channel))
            continue;
        if (p->body && str_eq(p->task, task))
            return p;
        /* A branch delegates once, whatever its words (SPEC A.4). */
        if (parent->kind == PROCESS_BRANCH && process_get(agent_processes(a), p->parent) == parent)
            return p;
    }
    return NULL;
}

static enum status refuse(struct agent *a, const struct process *channel,
                          const struct process *parent, const char *task, struct process **out,
                          struct cause *why) {
    int64_t most = agent_parts(a)->config->limits.workers;
    if (task[strspn(task, " \t\r\n")] == '\0')
        return cause_set(why, STATUS_INVALID, "the task is empty");
    if (strlen(task) > WORKER_TASK_MAX)
        return cause_set(why, STATUS_LIMIT, "the task has over %u bytes; put details in a file",
                         WORKER_TASK_MAX);
    if ((*out = same_task(a, channel, parent, task)))
        return cause_set(why, STATUS_EXISTS,
                         str_eq((*out)->task, task)
                             ? "%s is at this very task already"
                             : "%s has your task already: a branch delegates once",
                         (*out)->id);
    if ((int64_t)delegate_count(a, PROCESS_WORKER, channel->channel) >= most)
        return cause_set(
            why, STATUS_LIMIT,
            "this channel has %lld workers at once, which is its limit: wait for one to end, "
            "or cancel one",
            (long long)most);
    return STATUS_OK;
}

enum status worker_start(struct agent *a, struct process *parent, const char *task,
                         const struct worker_options *o, struct process **out, struct cause *why) {
    struct process *channel = channel_of_process(a, parent), *p;
    enum status st = refuse(a, channel, parent, task, out, why);
    if (st != STATUS_OK)
        return st;
    struct worker *w = xcalloc(1, sizeof *w);
    st = delegate_add(a, PROCESS_WORKER, NULL, parent, task, o->task_type, NULL, &w->d, &worker_ops,
                      &p, why);
    if (st != STATUS_OK) {
        x_free(&w);
        return st;
    }
    w->lifecycle = LIFECYCLE_CREATED;
    w->interactive = o->interactive;
    w->left_ns = wall_ns(a);
    channel_delegated(channel, p);
    record_worker_created(a, p, o->interactive);
    worker_move(w, LIFECYCLE_RUNNING);
    delegate_note_start(&w->d);
    event_tell(a, p, event_worker_started(p->bare, task, o->interactive, p->workspace));
    worker_begin(w, o->fork ? parent : NULL);
    worker_run(w);
    *out = p;
    return STATUS_OK;
}

bool worker_waits(const struct process *p) {
    const struct worker *w = p->body;
    return w && w->lifecycle == LIFECYCLE_WAITING_FOR_INPUT && !w->resting;
}

void worker_free(struct agent *a, struct process *p) {
    struct worker *w = p->body;
    (void)a;
    if (!w)
        return;
    p->body = NULL;
    loop_timer_del(&w->wall);
    loop_timer_del(&w->grace);
    store_after_cancel(&w->resting);
    delegate_clear(&w->d);
    strv_free(&w->injections);
    strv_free(&w->inputs);
    x_free(&w->outcome);
    x_free(&w->rested);
    x_free(&w->reason);
    x_free(&w);
}

/* --- after an engine ----------------------------------------------------------------------------
 */

struct waiting {
    char *id, *channel, *task, *model, *directory, *transcript;
    size_t transcript_len;
    int64_t results, transcripts, active_ms, tool_calls, started_ms;
};

struct waiting_list {
    struct waiting *v;
    size_t n;
};

/* Copied: channels are opened for them, and that reads the same store. */
static bool collect(void *arg, const struct q_workers_waiting_row *row) {
    struct waiting_list *l = arg;
    l->v = xreallocarray(l->v, l->n + 1, sizeof *l->v);
    l->v[l->n++] = (struct waiting){.id = xstrdup(row->id),
                                    .channel = xstrdup(row->channel_id),
                                    .task = xstrdup(row->task),
                                    .model = xstrdup_null(row->model),
                                    .directory = xstrdup_null(row->directory),
                                    .transcript = xstrndup(row->transcript, row->transcript_len),
                                    .transcript_len = row->transcript_len,
                                    .results = row->results,
                                    .transcripts = row->transcript_version,
                                    .active_ms = row->active_ms,
                                    .tool_calls = row->tool_calls,
                                    .started_ms = row->started_at};
    return true;
}

static enum status resume(struct agent *a, const struct waiting *v, struct cause *why) {
    struct process *channel = NULL, *p = NULL;
    enum status st = channel_open(a, v->channel, NULL, NULL, &channel, why);
    if (st != STATUS_OK)
        return st;
    struct worker *w = xcalloc(1, sizeof *w);
    st = delegate_add(a, PROCESS_WORKER, v->id, channel, v->task, NULL, v->model, &w->d,
                      &worker_ops, &p, why);
    if (st != STATUS_OK) {
        x_free(&w);
        return st;
    }
    if (v->directory) {
        x_free(&p->workspace);
        p->workspace = xstrdup(v->directory);
    }
    p->started_ms = v->started_ms;
    p->tool_calls = (uint32_t)v->tool_calls;
    w->lifecycle = LIFECYCLE_WAITING_FOR_INPUT;
    w->interactive = true;
    w->results = (unsigned)v->results;
    w->transcripts = (unsigned)v->transcripts;
    w->left_ns = wall_ns(a) - v->active_ms * NS_PER_MS;
    w->d.rests = true;
    record_load_journal(a, p, JOURNAL_ENTRIES_MAX / 4);
    st = llm_history_parse(v->transcript, v->transcript_len, &w->d.history, why);
    if (st == STATUS_OK) {
        worker_find_task(w);
    } else {
        /* It cannot go on; what it gave has been told. */
        log_warn("%s cannot go on: %s", p->id, why->text);
        w->d.told = true;
        end(w, PROCESS_OUTCOME_SUCCEEDED, xstrdup("it could not go on after the engine had ended"),
            OWNER_RECONCILE);
    }
    return STATUS_OK;
}

enum status worker_resume_all(struct agent *a, struct cause *why) {
    struct waiting_list l = {0};
    enum status st = q_workers_waiting(store_read(agent_parts(a)->store), collect, &l, why);
    for (size_t i = 0; i < l.n; i++) {
        struct waiting *v = &l.v[i];
        struct cause slow = {""};
        if (st == STATUS_OK && resume(a, v, &slow) != STATUS_OK)
            log_error("worker:%s cannot be taken up again: %s", v->id, slow.text);
        x_free(&v->id);
        x_free(&v->channel);
        x_free(&v->task);
        x_free(&v->model);
        x_free(&v->directory);
        x_free(&v->transcript);
    }
    x_free(&l.v);
    return st;
}
