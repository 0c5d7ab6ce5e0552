/* rules: what must hold, whatever happens: said by what is told outward, looked at between the
 * steps, and at the end of an engine and of a schedule. */
#include "tests/property/world.h"

#include <stdio.h>
#include <string.h>

#include "agent/channel.h"
#include "agent/delegate.h"
#include "agent/inbox.h"
#include "agent/worker.h"
#include "base/mem.h"
#include "base/str.h"
#include "store/queries.gen.h"

/* --- what is told outward -----------------------------------------------------------------------
 */

static struct known *known(struct world *w, const char *id) { return map_get(w->known, id); }

static const char *field(const struct bus_event *e, const char *key) {
    for (size_t i = 0; i < e->n; i++)
        if (str_eq(e->fields[i].key, key))
            return e->fields[i].str;
    return NULL;
}

static int64_t number(const struct bus_event *e, const char *key) {
    for (size_t i = 0; i < e->n; i++)
        if (str_eq(e->fields[i].key, key))
            return e->fields[i].i64;
    return 0;
}

static int talk_of(const char *channel) {
    return channel && channel[0] == 'c' && channel[1] >= '0' && channel[1] < '0' + CHANNELS &&
                   !channel[2]
               ? channel[1] - '0'
               : -1;
}

/* The next "message N." of a text from *at on, -1 when there is none. */
static long next_message(const char **at) {
    for (const char *s = *at; s && (s = strstr(s, "message ")); s++) {
        char *end;
        unsigned long n = strtoul(s + 8, &end, 10);
        if (end == s + 8 || *end != '.' || n >= MESSAGES_MAX)
            continue;
        *at = end;
        return (long)n;
    }
    return -1;
}

static void hear_message(struct world *w, const struct bus_event *e) {
    int c = talk_of(e->channel);
    const char *at = field(e, "text");
    long n = next_message(&at);
    if (c >= 0)
        w->talks[c].retriggers = 0;
    if (n < 0)
        return;
    struct said *m = &w->messages[n];
    if (m->id[0])
        BROKEN(w, "message %ld was said twice", n);
    snprintf(m->id, sizeof m->id, "%s", field(e, "message_id"));
    m->channel = c;
    if (c >= 0)
        w->talks[c].order[w->talks[c].n++] = (unsigned)n;
}

/* What a turn that begins now answers: the last message of its history. */
static void hear_turn(struct world *w, const struct bus_event *e) {
    int c = talk_of(e->channel);
    const struct process *p = process_get(agent_processes(w->agent), e->process);
    const struct llm_history *h = p && p->kind == PROCESS_CHANNEL ? channel_history(p) : NULL;
    if (c < 0 || !h || !h->n)
        return;
    struct talk *t = &w->talks[c];
    char *text = llm_message_text(&h->v[h->n - 1]);
    bool results = strstr(text, "[system] Work that you delegated") != NULL;
    if (t->paused)
        BROKEN(w, "c%d is paused, and a turn begins", c);
    if (t->observes && !results)
        BROKEN(w, "c%d only observes, and a turn begins", c);
    /* One may have been on its way when a person spoke. */
    if (results && ++t->retriggers > CHANNEL_RETRIGGERS_MAX + 1)
        BROKEN(w, "c%d has %u turns about results without a person's word", c, t->retriggers);
    const char *at = text;
    for (long n; (n = next_message(&at)) >= 0;) {
        struct said *m = &w->messages[n];
        if (m->channel != c || !m->id[0])
            BROKEN(w, "message %ld is answered in c%d, where it was not said", n, c);
        if (++m->turns > 1)
            BROKEN(w, "message %ld is answered twice", n);
    }
    x_free(&text);
}

static void hear_settings(struct world *w, const struct bus_event *e) {
    int c = talk_of(e->channel);
    if (!w->commanding)
        BROKEN(w, "%s was told how to behave without authority", e->id);
    if (c < 0)
        return;
    if (str_eq(field(e, "key"), "paused"))
        w->talks[c].paused = field(e, "value") != NULL;
    else
        w->talks[c].observes = str_eq(field(e, "value"), "observe");
}

static struct request *request(struct world *w, int64_t n) {
    if (n <= 0 || n >= REQUESTS_MAX)
        BROKEN(w, "request %lld is beyond what is expected", (long long)n);
    return &w->requests[n];
}

const struct asked *rules_exec_of(const struct world *w, const char *message) {
    for (unsigned i = 0; i < CALLS_MAX; i++)
        if (w->open[i] && w->asked[i].command == COMMAND_EXEC &&
            str_eq(w->messages[w->asked[i].message].id, message))
            return &w->asked[i];
    return NULL;
}

static void hear_asking(struct world *w, const struct bus_event *e, bool question) {
    int64_t n = number(e, question ? "question_id" : "permission_id");
    struct request *r = request(w, n);
    const struct process *p = process_get(agent_processes(w->agent), e->process);
    if (r->begun)
        BROKEN(w, "request %lld begins twice", (long long)n);
    *r = (struct request){.begun = true, .question = question};
    if (!question)
        snprintf(r->call_id, sizeof r->call_id, "%s", field(e, "call_id"));
    if (rules_exec_of(w, channel_message_of(p)))
        BROKEN(w, "%s asks on behalf of a script, where nobody answers", e->id);
}

static void hear_decided(struct world *w, const struct bus_event *e) {
    int64_t n = number(e, "request_id");
    struct request *r = request(w, n);
    if (!r->begun || r->ended)
        BROKEN(w, "request %lld ends %s", (long long)n, r->begun ? "twice" : "and never began");
    r->ended = true;
    if (r->question || str_eq(field(e, "state"), "withdrawn"))
        return;
    unsigned long call = strtoul(r->call_id + 5, NULL, 10);
    bool denied = str_eq(field(e, "state"), "timed_out") || str_eq(field(e, "answer"), "deny");
    if (call < VERDICTS_MAX)
        w->verdicts[call] = denied ? VERDICT_DENIED : VERDICT_ALLOWED;
    w->ruled |= str_eq(field(e, "answer"), "always");
}

/* Only a script's calls are denied because nobody can be asked. */
static void hear_result(struct world *w, const struct bus_event *e) {
    const struct process *p = process_get(agent_processes(w->agent), e->process);
    const char *result = field(e, "result");
    if (result && strstr(result, "nobody can be asked here") &&
        !rules_exec_of(w, channel_message_of(p)))
        BROKEN(w, "%s works for a person, who can be asked", e->id);
}

static void hear_life(struct world *w, const struct bus_event *e) {
    bool begins = e->type == EVENT_WORKER_STARTED || e->type == EVENT_BRANCH_STARTED;
    bool ends = e->type == EVENT_WORKER_COMPLETE || e->type == EVENT_BRANCH_RESULT;
    struct known *k = known(w, e->id);
    if (k && k->ended)
        BROKEN(w, "%s speaks after its end: %s", e->id, event_type_name(e->type));
    if (begins && k)
        BROKEN(w, "%s began twice", e->id);
    if (begins)
        map_put(w->known, e->id, xcalloc(1, sizeof(struct known)));
    if (ends && !k)
        BROKEN(w, "%s ended and never began", e->id);
    if (e->type == EVENT_WORKER_INITIAL_RESULT && k)
        k->results++;
    if (!ends || !k)
        return;
    k->ended = true;
    k->results += e->type == EVENT_BRANCH_RESULT || number(e, "notify");
    const char *outcome = field(e, "outcome_kind");
    if (outcome && process_outcome_from_string(outcome, &k->outcome) != STATUS_OK)
        BROKEN(w, "%s ended as %s", e->id, outcome);
}

void rules_hear(void *arg, const struct bus_event *e) {
    struct world *w = arg;
    if (!event_type_is_delta(e->type) && e->type != EVENT_STATUS_UPDATE)
        STEP(w, "  %s %s", e->id, event_type_name(e->type));
    hear_life(w, e);
    if (e->type == EVENT_CHANNEL_USER_MESSAGE)
        hear_message(w, e);
    else if (e->type == EVENT_STATUS_UPDATE)
        hear_turn(w, e);
    else if (e->type == EVENT_SETTINGS_UPDATED)
        hear_settings(w, e);
    else if (e->type == EVENT_WORKER_PERMISSION || e->type == EVENT_WORKER_QUESTION)
        hear_asking(w, e, e->type == EVENT_WORKER_QUESTION);
    else if (e->type == EVENT_REQUEST_ENDED)
        hear_decided(w, e);
    else if (e->type == EVENT_TOOL_COMPLETED)
        hear_result(w, e);
}

/* --- results ------------------------------------------------------------------------------------
 */

static unsigned occurrences(const char *text, const char *part) {
    unsigned n = 0;
    for (const char *s = text; (s = strstr(s, part)); s++)
        n++;
    return n;
}

/* How often a result of that process stands in its channel's history. */
static unsigned results_in_history(struct world *w, const struct process *p) {
    char *h = llm_history_json(channel_history(channel_of_process(w->agent, p)));
    char *mark = xasprintf("<result process=\\\"%s\\\"", p->id);
    unsigned n = occurrences(h, mark);
    x_free(&mark);
    x_free(&h);
    return n;
}

struct to_tell {
    const char *id;
    unsigned n;
};

static bool count_to_tell(void *arg, const struct q_results_pending_row *row) {
    struct to_tell *t = arg;
    t->n += str_eq(row->process_id, t->id);
    return true;
}

/* Those that wait since an earlier run are known as well: what of theirs stands in the
 * conversation, and what is still to be told. */
static void know_waiting(struct world *w) {
    size_t pos = 0;
    struct cause why;
    for (const struct process *p; (p = process_next(agent_processes(w->agent), &pos));) {
        if (p->kind != PROCESS_WORKER || !p->body)
            continue;
        struct known *k = xcalloc(1, sizeof *k);
        struct to_tell t = {.id = p->id};
        if (q_results_pending(store_read(w->store), p->channel, count_to_tell, &t, &why) !=
            STATUS_OK)
            BROKEN(w, "%s", why.text);
        k->results = results_in_history(w, p) + t.n;
        map_put(w->known, p->id, k);
    }
}

static bool still_to_tell(void *arg, const struct q_results_pending_row *row) {
    BROKEN((struct world *)arg, "a result of %s is to be told again", row->process_id);
}

/* Each result is in its channel's history exactly once: none lost, none told twice, by a later
 * engine neither. */
static void check_results(struct world *w) {
    size_t pos = 0;
    const char *id;
    struct cause why;
    for (int c = 0; c < CHANNELS; c++) {
        char bare[8] = {'c', (char)('0' + c)};
        if (q_results_pending(store_read(w->store), bare, still_to_tell, w, &why) != STATUS_OK)
            BROKEN(w, "%s", why.text);
    }
    for (const struct known *k; (k = map_next(w->known, &pos, &id));) {
        struct process *p = process_find(agent_processes(w->agent), id);
        if (!p)
            continue;
        unsigned n = results_in_history(w, p);
        if (n != k->results)
            BROKEN(w, "%u results of %s are in its channel's history, not %u", n, id, k->results);
        if (!k->ended && !(p->kind == PROCESS_WORKER && worker_waits(p)))
            BROKEN(w, "%s has neither ended nor waits", id);
    }
}

/* --- messages -----------------------------------------------------------------------------------
 */

/* Every message that was taken stands in its channel's history once and in its place, whether it
 * was answered alone, with others, or not at all; only of a history that was too long the beginning
 * is missing. */
static void check_messages(struct world *w, int c) {
    const struct talk *t = &w->talks[c];
    char *id = xasprintf("channel:c%d", c);
    const struct process *p = process_find(agent_processes(w->agent), id);
    x_free(&id);
    if (!p)
        return;
    const struct llm_history *h = channel_history(p);
    unsigned there[MESSAGES_MAX];
    size_t n = 0;
    bool trimmed = false;
    for (size_t i = 0; i < h->n; i++)
        for (size_t k = 0; k < h->v[i].n; k++) {
            const struct llm_block *b = &h->v[i].blocks[k];
            if (h->v[i].role != LLM_ROLE_USER || b->kind != LLM_BLOCK_TEXT)
                continue;
            trimmed |= strstr(b->text, "because it was too long") != NULL;
            const char *at = b->text;
            for (long m; (m = next_message(&at)) >= 0 && n < MESSAGES_MAX;)
                there[n++] = (unsigned)m;
        }
    if (n > t->n || (n < t->n && !trimmed))
        BROKEN(w, "the history of c%d has %zu messages; %zu were said", c, n, t->n);
    for (size_t i = 0; i < n; i++)
        if (there[i] != t->order[t->n - n + i])
            BROKEN(w, "message %u stands in the history of c%d in the place of message %u",
                   there[i], c, t->order[t->n - n + i]);
}

/* --- requests -----------------------------------------------------------------------------------
 */

static bool still_asks(struct world *w, const struct inbox_request *r) {
    const struct process *p = process_get(agent_processes(w->agent), r->process);
    return p && p->body && p->state == PROCESS_STATE_ASKING;
}

/* What waits is what was told of and has not ended; who waits for a permission is alive and waits
 * for nothing else. */
static void check_requests(struct world *w) {
    const struct inbox_request *r = NULL;
    size_t n = 0, asking = 0, permissions = 0, pos = 0;
    int64_t last = 0;
    while ((r = inbox_next(agent_inbox(w->agent), r))) {
        const struct request *known_as = request(w, r->number);
        n++;
        if (r->number <= last)
            BROKEN(w, "request %lld stands behind %lld", (long long)r->number, (long long)last);
        last = r->number;
        if (!known_as->begun || known_as->ended)
            BROKEN(w, "request %lld waits and has %s", (long long)r->number,
                   known_as->begun ? "ended" : "not begun");
        permissions += r->kind == INBOX_PERMISSION;
        if (r->kind == INBOX_PERMISSION && !still_asks(w, r))
            BROKEN(w, "request %lld waits, and %s asks no more", (long long)r->number,
                   r->process_id);
    }
    for (const struct process *p; (p = process_next(agent_processes(w->agent), &pos));)
        asking += p->state == PROCESS_STATE_ASKING;
    if (n != inbox_count(agent_inbox(w->agent)) || asking != permissions)
        BROKEN(w, "%zu of %zu requests are for the %zu processes that ask", permissions, n, asking);
    for (int64_t i = 1; i < REQUESTS_MAX; i++)
        if (w->requests[i].begun && !w->requests[i].ended && !inbox_find(agent_inbox(w->agent), i))
            BROKEN(w, "request %lld is gone without an end", (long long)i);
}

struct rows {
    struct world *w;
    size_t n, permissions;
};

static bool count_row(void *arg, const struct q_requests_waiting_row *row) {
    struct rows *r = arg;
    r->n++;
    r->permissions += str_eq(row->kind, "permission");
    if (!inbox_find(agent_inbox(r->w->agent), row->n))
        BROKEN(r->w, "request %lld waits in the store alone", (long long)row->n);
    return true;
}

/* The inbox is what the store has. */
static void check_rows(struct world *w) {
    struct rows rows = {.w = w};
    struct cause why = {""};
    if (store_drain(w->store, 10 * NS_PER_SEC, &why) != STATUS_OK ||
        q_requests_waiting(store_read(w->store), count_row, &rows, &why) != STATUS_OK)
        BROKEN(w, "%s", why.text);
    if (rows.n != inbox_count(agent_inbox(w->agent)))
        BROKEN(w, "%zu requests wait, %zu in the store", inbox_count(agent_inbox(w->agent)),
               rows.n);
}

/* --- an engine's beginning and end --------------------------------------------------------------
 */

void rules_begin(struct world *w) {
    know_waiting(w);
    check_rows(w);
    check_requests(w);
}

void rules_end(struct world *w) {
    check_rows(w);
    for (int i = 0; i < REQUESTS_MAX; i++)
        if (w->requests[i].begun && !w->requests[i].question)
            w->requests[i].ended = true; /* withdrawn with whoever asks */
}

/* Whoever has no end in the store waits to be written to. */
static bool unfinished(void *arg, const struct q_workers_unfinished_row *row) {
    BROKEN((struct world *)arg, "worker %s is left %s in the store", row->id, row->lifecycle);
}

/* What is kept of a worker is as valid as what its model was sent. */
static void check_transcript(struct world *w, const struct q_worker_row *row) {
    struct llm_history h = {0};
    struct cause why;
    if (!row->transcript)
        return;
    if (llm_history_parse(row->transcript, row->transcript_len, &h, &why) != STATUS_OK)
        BROKEN(w, "worker:%s: %s", row->id, why.text);
    models_check_pairs(w, &h);
    llm_history_free(&h);
}

static bool one_end(void *arg, const struct q_workers_recent_row *row) {
    struct world *w = arg;
    struct q_worker_row full;
    struct cause why;
    char *id = xasprintf("worker:%s", row->id);
    const struct known *k = known(w, id);
    if (q_worker(store_read(w->store), row->id, &full, &why) != STATUS_OK)
        BROKEN(w, "%s", why.text);
    if (full.outcome_kind && full.outcome_version != 1)
        BROKEN(w, "%s has %d ends", id, (int)full.outcome_version);
    if (k && k->ended && !str_eq(full.outcome_kind, process_outcome_name(k->outcome)))
        BROKEN(w, "%s ended as %s, and is stored as %s", id, process_outcome_name(k->outcome),
               full.outcome_kind ? full.outcome_kind : full.lifecycle);
    check_transcript(w, &full);
    q_worker_free(&full);
    x_free(&id);
    return true;
}

static bool left_waiting(void *arg, const struct q_requests_waiting_row *row) {
    struct world *w = arg;
    if (!str_eq(row->kind, "question"))
        BROKEN(w, "request %lld of %s waits, and its engine has ended", (long long)row->n,
               row->process_id);
    return true;
}

void rules_ended(struct world *w) {
    struct cause why = {""};
    struct store_read *r = store_read(w->store);
    if (q_workers_unfinished(r, unfinished, w, &why) != STATUS_OK ||
        q_workers_recent(r, NULL, 1000, one_end, w, &why) != STATUS_OK ||
        q_requests_waiting(r, left_waiting, w, &why) != STATUS_OK)
        BROKEN(w, "%s", why.text);
}

/* --- at any moment, and at the end --------------------------------------------------------------
 */

/* A handle leads to the process it was taken from, or nowhere. */
static void check_handles(struct world *w) {
    const struct process_table *t = agent_processes(w->agent);
    size_t pos = 0;
    for (size_t i = 0; i < w->nseen; i++) {
        const struct process *p = process_get(t, w->seen[i].handle);
        if (p && !str_eq(p->id, w->seen[i].id))
            BROKEN(w, "a handle of %s leads to %s", w->seen[i].id, p->id);
    }
    for (const struct process *p; (p = process_next(t, &pos));) {
        bool old = false;
        for (size_t i = 0; i < w->nseen && !old; i++)
            old = str_eq(w->seen[i].id, p->id);
        if (!old && w->nseen < SEEN_MAX)
            w->seen[w->nseen++] = (struct seen){p->handle, xstrdup(p->id)};
    }
}

void rules_hold(struct world *w) {
    check_handles(w);
    check_requests(w);
}

void rules_settled(struct world *w) {
    rules_hold(w);
    check_rows(w);
    check_results(w);
    for (int c = 0; c < CHANNELS; c++)
        check_messages(w, c);
    for (unsigned i = 0; i < CALLS_MAX; i++)
        if (w->open[i])
            BROKEN(w, "command %u was never answered", i);
}
