/* why: follows a message to its turn, from there to the turns that started whatever that one was
 * told of, and reads all of them in order. Bounds everywhere: rows, calls, turns, depth, text,
 * time. */
#include "agent/why.h"

#include <stdlib.h>
#include <string.h>

#include "agent/kind.h"
#include "agent/process.h"
#include "agent/record.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "store/queries.gen.h"
#include "tools/tool.h"

#define PREFIX_LEAST 4u
#define MESSAGES_MAX 100 /* of one turn: more cannot wait to be heard together */

const char *why_kind_name(enum why_kind k) {
    switch (k) {
#define X(name, text)                                                                              \
    case WHY_##name:                                                                               \
        return text;
        WHY_KIND_TABLE(X)
#undef X
    }
    return "?";
}

/* --- rows ---------------------------------------------------------------------------------------
 */

static void row_free(struct why_row *r) {
    x_free(&r->id);
    x_free(&r->name);
    x_free(&r->text);
    x_free(&r->label);
    x_free(&r->state);
    x_free(&r->outcome);
    x_free(&r->model);
}

void why_free(struct why **wp) {
    struct why *w = *wp;
    if (!w)
        return;
    for (size_t i = 0; i < w->n; i++)
        row_free(&w->v[i]);
    x_free(&w->v);
    x_free(&w->channel);
    x_free(wp);
}

struct why_row *why_add(struct why *w, enum why_kind kind, int depth) {
    if (w->n == w->cap) {
        w->cap = w->cap ? w->cap * 2 : 32;
        w->v = xreallocarray(w->v, w->cap, sizeof *w->v);
    }
    struct why_row *r = &w->v[w->n++];
    *r = (struct why_row){.kind = kind, .depth = depth};
    return r;
}

size_t why_parent(const struct why *w, size_t i) {
    for (size_t k = i; k-- > 0;)
        if (w->v[k].depth < w->v[i].depth)
            return k;
    return SIZE_MAX;
}

static const struct why_row *row_of(const struct why *w, const char *id) {
    for (size_t i = 0; i < w->n; i++)
        if (str_eq(w->v[i].id, id))
            return &w->v[i];
    return NULL;
}

/* --- reading ------------------------------------------------------------------------------------
 */

/* The rows of one query: later ones are read while these are gone through. */
struct rows {
    struct why_row *v;
    size_t n;
};

/* What a turn or a process started. */
struct child {
    char *id; /* full */
    int64_t at_ms;
};
struct children {
    struct child *v;
    size_t n;
    enum process_kind kind; /* of those that are being read */
};

struct walk {
    struct store_read *r;
    struct why *w;
    struct cause *why;
    enum status st;   /* of the first query that failed */
    int64_t until_ns; /* real, 0: no limit */
    struct strv turns;
    int64_t *order; /* their numbers */
};

static bool over(struct walk *k) {
    return k->st != STATUS_OK || (k->until_ns && clock_real_mono_ns() > k->until_ns);
}

static void check(struct walk *k, enum status st) {
    if (k->st == STATUS_OK && st != STATUS_OK && st != STATUS_NOT_FOUND)
        k->st = st;
}

/* Room for one more row below `parent` (SIZE_MAX: none), else it counts as left out. */
static bool room(struct walk *k, size_t parent) {
    if (k->w->n < WHY_ROWS_MAX && !over(k))
        return true;
    if (parent == SIZE_MAX)
        k->w->left_out++;
    else
        k->w->v[parent].left_out++;
    return false;
}

/* A row takes the place of one that was collected: its texts go along. */
static size_t put(struct walk *k, struct why_row *from, int depth) {
    struct why_row *r = why_add(k->w, from->kind, depth);
    *r = *from;
    r->depth = depth;
    *from = (struct why_row){.kind = r->kind};
    return k->w->n - 1;
}

static struct why_row *collect(struct rows *rows, enum why_kind kind) {
    rows->v = xreallocarray(rows->v, rows->n + 1, sizeof *rows->v);
    struct why_row *r = &rows->v[rows->n++];
    *r = (struct why_row){.kind = kind};
    return r;
}

static void rows_free(struct rows *rows) {
    for (size_t i = 0; i < rows->n; i++)
        row_free(&rows->v[i]);
    x_free(&rows->v);
    rows->n = 0;
}

static void children_free(struct children *c) {
    for (size_t i = 0; i < c->n; i++)
        x_free(&c->v[i].id);
    x_free(&c->v);
    c->n = 0;
}

/* --- calls of tools -----------------------------------------------------------------------------
 */

/* "shell make check", as it stood on the screen; NULL: the tool is not known, or its arguments are
 * too long to be looked at. */
static char *label_of(const char *name, const char *input, size_t bytes) {
    enum tool_id id;
    cJSON *args = NULL;
    char *label = NULL;
    if (strlen(input) == bytes && tool_from_string(name, &id) == STATUS_OK && tool_get(id)->label &&
        json_parse(input, bytes, &args, NULL) == STATUS_OK)
        label = tool_get(id)->label(args);
    cJSON_Delete(args);
    return label;
}

static struct why_row *collect_call(struct rows *rows, const char *call_id, const char *name,
                                    const char *input, int64_t bytes) {
    struct why_row *r = collect(rows, WHY_TOOL);
    r->id = xstrdup_null(call_id);
    r->name = xstrdup(name ? name : "?");
    r->text = xstrndup(input, utf8_cut(input, strlen(input), WHY_TEXT_MAX));
    r->bytes = (size_t)bytes;
    r->label = label_of(r->name, input, r->bytes);
    return r;
}

static bool on_call(void *arg, const struct q_why_calls_row *row) {
    if (row->ref && str_prefix(row->ref, JOURNAL_PERSON))
        return true; /* a person's own */
    struct why_row *r = collect_call(arg, row->ref, row->title, row->text, row->bytes);
    r->state = xstrdup(row->interrupted ? "interrupted" : row->is_error ? "error" : "ok");
    r->outcome = xstrdup_null(row->result);
    r->started_ms = row->at;
    r->ended_ms = row->ended_at;
    return true;
}

static bool on_open_call(void *arg, const struct q_why_calls_open_row *row) {
    struct rows *rows = arg;
    for (size_t i = 0; i < rows->n; i++)
        if (str_eq(rows->v[i].id, row->call_id) && rows->v[i].ended_ms >= row->started_at)
            return true; /* the journal has its end */
    if (str_prefix(row->call_id, JOURNAL_PERSON))
        return true;
    struct why_row *r = collect_call(rows, row->call_id, row->tool, row->text, row->bytes);
    r->state = xstrdup(str_eq(row->state, "intended") ? "running" : row->state);
    r->started_ms = row->started_at;
    r->ended_ms = row->ended_at_null ? 0 : row->ended_at;
    return true;
}

/* It only stands for what has a row of its own: a process that was started, or what was said. */
static bool stands_for(const struct why_row *call, const struct children *children) {
    if (!str_eq(call->state, "ok"))
        return false;
    if (str_eq(call->name, tool_get(TOOL_REPLY)->name))
        return true;
    if (!str_eq(call->name, tool_get(TOOL_BRANCH)->name) &&
        !str_eq(call->name, tool_get(TOOL_SPAWN_WORKER)->name))
        return false;
    for (size_t i = 0; call->outcome && i < children->n; i++)
        if (strstr(call->outcome, strchr(children->v[i].id, ':') + 1))
            return true;
    return false;
}

/* A stretch of a process's life: entries of its journal, and the times of their beginning and end.
 */
struct stretch {
    const char *process;
    int64_t from, to, from_ms, to_ms;
};

/* Returns how many there were beyond the first. */
static size_t read_calls(struct walk *k, const struct stretch *s, struct rows *rows) {
    struct q_why_calls_count_row count;
    size_t beyond = 0;
    check(k, q_why_calls(k->r, s->process, s->from, s->to, WHY_CALLS_MAX, on_call, rows, k->why));
    if (rows->n >= WHY_CALLS_MAX) {
        enum status st = q_why_calls_count(k->r, s->process, s->from, s->to, &count, k->why);
        check(k, st);
        if (st == STATUS_OK && count.calls > (int64_t)WHY_CALLS_MAX)
            beyond = (size_t)count.calls - WHY_CALLS_MAX;
        q_why_calls_count_free(&count);
    }
    check(k, q_why_calls_open(k->r, s->process, s->from_ms, s->to_ms, WHY_CALLS_MAX, on_open_call,
                              rows, k->why));
    return beyond;
}

/* --- processes ----------------------------------------------------------------------------------
 */

static void add_child(struct children *c, const char *bare, int64_t at_ms) {
    size_t at = c->n;
    c->v = xreallocarray(c->v, c->n + 1, sizeof *c->v);
    while (at > 0 && c->v[at - 1].at_ms > at_ms) {
        c->v[at] = c->v[at - 1];
        at--;
    }
    c->v[at] = (struct child){xasprintf("%s:%s", process_kind_name(c->kind), bare), at_ms};
    c->n++;
}

static bool on_branch_of_turn(void *arg, const struct q_why_branches_of_turn_row *row) {
    add_child(arg, row->id, row->started_at);
    return true;
}

static bool on_worker_of_turn(void *arg, const struct q_why_workers_of_turn_row *row) {
    add_child(arg, row->id, row->started_at);
    return true;
}

static bool on_worker_of(void *arg, const struct q_why_workers_of_row *row) {
    add_child(arg, row->id, row->started_at);
    return true;
}

/* The name as the screen has it. */
static char *short_name(const char *text) {
    struct process named = {0};
    process_set_name(&named, text);
    return named.name;
}

static void add_usage(struct walk *k, struct why_row *r) {
    struct q_usage_of_process_row u;
    enum status st = q_usage_of_process(k->r, r->id, &u, k->why);
    check(k, st);
    r->costs = true;
    if (st != STATUS_OK)
        return;
    r->usage = (struct llm_usage){.input_tokens = u.input_tokens,
                                  .output_tokens = u.output_tokens,
                                  .cache_read_tokens = u.cache_read_tokens,
                                  .cache_write_tokens = u.cache_write_tokens,
                                  .cost_usd = u.cost_usd,
                                  .cost_is_estimate = u.estimated_rows > 0};
    r->calls = u.requests;
    q_usage_of_process_free(&u);
}

/* The row of a branch; false: there is none of that id. */
static bool read_branch(struct walk *k, const char *bare, struct why_row *r) {
    struct q_why_branch_row row;
    enum status st = q_why_branch(k->r, bare, &row, k->why);
    check(k, st);
    if (st != STATUS_OK)
        return false;
    *r = (struct why_row){.kind = WHY_BRANCH,
                          .name = short_name(row.task),
                          .text = xstrdup(row.task),
                          .bytes = strlen(row.task),
                          .state = xstrdup(record_branch_state(row.status)),
                          .outcome = xstrdup_null(row.outcome),
                          .model = xstrdup_null(row.model),
                          .started_ms = row.started_at,
                          .ended_ms = row.completed_at_null ? 0 : row.completed_at};
    q_why_branch_free(&row);
    return true;
}

static bool read_worker(struct walk *k, const char *bare, struct why_row *r) {
    struct q_why_worker_row row;
    enum status st = q_why_worker(k->r, bare, &row, k->why);
    check(k, st);
    if (st != STATUS_OK)
        return false;
    *r = (struct why_row){.kind = WHY_WORKER,
                          .name = short_name(row.name ? row.name : row.task),
                          .text = xstrdup(row.task),
                          .bytes = strlen(row.task),
                          .state = xstrdup(row.outcome_kind ? row.outcome_kind : row.lifecycle),
                          .outcome = xstrdup_null(row.outcome),
                          .model = xstrdup_null(row.model),
                          .started_ms = row.started_at,
                          .ended_ms = row.completed_at_null ? 0 : row.completed_at};
    q_why_worker_free(&row);
    return true;
}

static void add_process(struct walk *k, const char *id, size_t parent, int depth, int nested);

/* Whether it came before that step: what a call has started comes in its place, and a reply when it
 * was said. */
static bool comes_before(const struct child *c, const struct why_row *step) {
    return step->kind == WHY_REPLY ? c->at_ms <= step->ended_ms : c->at_ms < step->started_ms;
}

/* Calls, replies and what was started, by time. */
static void add_steps(struct walk *k, struct rows *steps, const struct children *children,
                      size_t parent, int depth, int nested) {
    size_t next = 0;
    for (size_t i = 0; i < steps->n; i++) {
        struct why_row *s = &steps->v[i];
        while (next < children->n && comes_before(&children->v[next], s))
            add_process(k, children->v[next++].id, parent, depth, nested);
        if (s->kind == WHY_REPLY || (!stands_for(s, children) && room(k, parent)))
            put(k, s, depth);
    }
    while (next < children->n)
        add_process(k, children->v[next++].id, parent, depth, nested);
}

/* Each process once, where it is met first. */
static void add_process(struct walk *k, const char *id, size_t parent, int depth, int nested) {
    bool branch = str_prefix(id, "branch:");
    const char *bare = strchr(id, ':');
    struct why_row read;
    if (!bare++ || row_of(k->w, id) || !room(k, parent))
        return;
    if (branch ? !read_branch(k, bare, &read) : !read_worker(k, bare, &read))
        return;
    read.id = xstrdup(id);
    add_usage(k, &read);
    size_t self = put(k, &read, depth);
    struct rows calls = {0};
    struct children children = {.kind = PROCESS_WORKER};
    if (nested < WHY_DEPTH_MAX) {
        const struct stretch all = {id, 0, INT64_MAX, 0, INT64_MAX};
        k->w->v[self].left_out += read_calls(k, &all, &calls);
        check(k, q_why_workers_of(k->r, id, WHY_CALLS_MAX, on_worker_of, &children, k->why));
        add_steps(k, &calls, &children, self, depth + 1, nested + 1);
    }
    rows_free(&calls);
    children_free(&children);
}

/* --- turns --------------------------------------------------------------------------------------
 */

static void strings_of(const char *json, struct strv *out) {
    cJSON *list = NULL;
    const cJSON *item;
    if (json)
        (void)!json_parse(json, strlen(json), &list, NULL);
    cJSON_ArrayForEach(item, list) {
        if (cJSON_IsString(item))
            strv_push(out, item->valuestring);
    }
    cJSON_Delete(list);
}

static bool interrupted(const char *metadata) {
    cJSON *meta = NULL;
    bool is = false;
    if (metadata && json_parse(metadata, strlen(metadata), &meta, NULL) == STATUS_OK)
        is = json_bool(meta, "interrupted", false);
    cJSON_Delete(meta);
    return is;
}

/* When a reply began to be written its turn knows, or nobody. */
static struct why_row message_row(const char *id, const char *role, const char *sender,
                                  const char *text, int64_t bytes, const char *metadata,
                                  int64_t at_ms) {
    bool reply = str_eq(role, "assistant");
    return (struct why_row){.kind = reply ? WHY_REPLY : WHY_MESSAGE,
                            .id = xstrdup(id),
                            .name = xstrdup(sender ? sender : "?"),
                            .text = xstrdup(text),
                            .bytes = (size_t)bytes,
                            .state = reply && interrupted(metadata) ? xstrdup("interrupted") : NULL,
                            .started_ms = reply ? 0 : at_ms,
                            .ended_ms = at_ms};
}

static bool on_message(void *arg, const struct q_why_messages_row *row) {
    if (str_eq(row->sender_name, "system"))
        return true; /* results, as they were kept for the history */
    struct why_row r = message_row(row->id, row->role, row->sender_name, row->text, row->bytes,
                                   row->metadata, row->created_at);
    *collect(arg, r.kind) = r;
    return true;
}

/* A reply comes among the calls when it was said. */
static void add_reply(struct walk *k, const struct stretch *s, struct why_row *reply,
                      struct rows *calls) {
    struct q_why_reply_began_row row;
    enum status st = q_why_reply_began(k->r, s->process, s->from, s->to, reply->id, &row, k->why);
    check(k, st);
    if (st == STATUS_OK) {
        reply->started_ms = row.at;
        q_why_reply_began_free(&row);
    }
    (void)collect(calls, WHY_REPLY);
    size_t at = calls->n - 1;
    for (; at > 0 && calls->v[at - 1].started_ms > reply->ended_ms; at--)
        calls->v[at] = calls->v[at - 1];
    calls->v[at] = *reply;
    *reply = (struct why_row){.kind = WHY_REPLY};
}

/* "results of recall auth, test-run": what woke it, where that was no message. */
static char *about(const struct walk *k, const struct strv *relays) {
    struct buf b = BUF_INIT;
    for (size_t i = 0; i < relays->n; i++) {
        const struct why_row *r = row_of(k->w, relays->v[i]);
        if (r)
            buf_printf(&b, "%s%s", b.len ? ", " : "results of ", r->name);
    }
    return buf_steal(&b);
}

static void mark_told(struct walk *k, const struct strv *relays) {
    for (size_t i = 0; i < k->w->n; i++)
        for (size_t j = 0; j < relays->n && !k->w->v[i].told; j++)
            k->w->v[i].told = str_eq(k->w->v[i].id, relays->v[j]);
}

static struct why_row turn_row(const struct q_why_turn_row *t) {
    return (struct why_row){.kind = WHY_TURN,
                            .id = xstrdup(t->id),
                            .name = xstrdup(t->model),
                            .state = xstrdup(t->state),
                            .model = xstrdup(t->model),
                            .started_ms = t->started_at,
                            .ended_ms = t->ended_at_null ? 0 : t->ended_at,
                            .costs = true,
                            .usage = {.input_tokens = t->input_tokens,
                                      .output_tokens = t->output_tokens,
                                      .cache_read_tokens = t->cache_read_tokens,
                                      .cache_write_tokens = t->cache_write_tokens,
                                      .cost_usd = t->cost_usd,
                                      .cost_is_estimate = t->estimated != 0},
                            .calls = t->model_calls};
}

/* What the turn did, and what it said in between. */
static void add_turn_steps(struct walk *k, const struct q_why_turn_row *t, struct rows *messages,
                           size_t self) {
    char *process = xasprintf("%s:%s", process_kind_name(PROCESS_CHANNEL), t->channel_id);
    const struct stretch stretch = {process, t->first_entry,
                                    t->last_entry_null ? INT64_MAX : t->last_entry, t->started_at,
                                    t->ended_at_null ? INT64_MAX : t->ended_at};
    struct rows calls = {0};
    struct children children = {.kind = PROCESS_BRANCH};
    k->w->v[self].left_out += read_calls(k, &stretch, &calls);
    check(k,
          q_why_branches_of_turn(k->r, t->id, WHY_CALLS_MAX, on_branch_of_turn, &children, k->why));
    children.kind = PROCESS_WORKER;
    check(k,
          q_why_workers_of_turn(k->r, t->id, WHY_CALLS_MAX, on_worker_of_turn, &children, k->why));
    for (size_t i = 0; i < messages->n; i++)
        if (messages->v[i].kind == WHY_REPLY)
            add_reply(k, &stretch, &messages->v[i], &calls);
    add_steps(k, &calls, &children, self, 1, 0);
    rows_free(&calls);
    children_free(&children);
    x_free(&process);
}

static void add_turn(struct walk *k, const char *id) {
    struct q_why_turn_row t;
    struct rows messages = {0};
    struct strv relays = {0};
    enum status st = q_why_turn(k->r, id, &t, k->why);
    check(k, st);
    if (st != STATUS_OK)
        return;
    check(k, q_why_messages(k->r, id, MESSAGES_MAX, on_message, &messages, k->why));
    strings_of(t.relays, &relays);
    for (size_t i = 0; i < messages.n; i++)
        if (messages.v[i].kind == WHY_MESSAGE)
            put(k, &messages.v[i], 0);
    /* What was started nobody knows when is at least named before it is told. */
    for (size_t i = 0; i < relays.n; i++)
        add_process(k, relays.v[i], SIZE_MAX, 0, 0);
    struct why_row read = turn_row(&t);
    read.text = about(k, &relays);
    read.bytes = strlen(read.text);
    add_turn_steps(k, &t, &messages, put(k, &read, 0));
    mark_told(k, &relays);
    rows_free(&messages);
    strv_free(&relays);
    q_why_turn_free(&t);
}

/* --- which turns --------------------------------------------------------------------------------
 */

/* By their numbers, which are in the order of time. */
static void note_turn(struct walk *k, const char *id) {
    struct q_why_turn_row t;
    for (size_t i = 0; i < k->turns.n; i++)
        if (str_eq(k->turns.v[i], id))
            return;
    if (k->turns.n >= WHY_TURNS_MAX) {
        k->w->left_out++;
        return;
    }
    enum status st = q_why_turn(k->r, id, &t, k->why);
    check(k, st);
    if (st != STATUS_OK)
        return;
    k->order = xreallocarray(k->order, k->turns.n + 1, sizeof *k->order);
    k->order[k->turns.n] = t.n;
    strv_push(&k->turns, id);
    q_why_turn_free(&t);
}

static void note_turn_of_message(struct walk *k, const char *id) {
    struct q_why_message_row row;
    enum status st = id ? q_why_message(k->r, id, &row, k->why) : STATUS_NOT_FOUND;
    check(k, st);
    if (st != STATUS_OK)
        return;
    if (row.turn_id)
        note_turn(k, row.turn_id);
    q_why_message_free(&row);
}

/* The turn in which it was started, or whoever started it. */
static void note_turn_of_process(struct walk *k, const char *id, int depth) {
    const char *bare = strchr(id, ':');
    if (!bare++ || depth > WHY_DEPTH_MAX)
        return;
    if (str_prefix(id, "branch:")) {
        struct q_why_branch_row row;
        enum status st = q_why_branch(k->r, bare, &row, k->why);
        check(k, st);
        if (st == STATUS_OK && row.turn_id)
            note_turn(k, row.turn_id);
        if (st == STATUS_OK)
            q_why_branch_free(&row);
        return;
    }
    struct q_why_worker_row row;
    enum status st = q_why_worker(k->r, bare, &row, k->why);
    check(k, st);
    if (st != STATUS_OK)
        return;
    if (row.turn_id)
        note_turn(k, row.turn_id);
    else if (row.parent && str_prefix(row.parent, "branch:"))
        note_turn_of_process(k, row.parent, depth + 1);
    q_why_worker_free(&row);
}

/* What a turn was told of was started by earlier ones, and written to by those that heard the
 * message it goes back to. */
static void note_causes(struct walk *k, const char *turn) {
    struct q_why_turn_row t;
    struct strv relays = {0};
    enum status st = q_why_turn(k->r, turn, &t, k->why);
    check(k, st);
    if (st != STATUS_OK)
        return;
    strings_of(t.relays, &relays);
    for (size_t i = 0; i < relays.n && i < WHY_CALLS_MAX; i++)
        note_turn_of_process(k, relays.v[i], 0);
    note_turn_of_message(k, t.reply_to);
    strv_free(&relays);
    q_why_turn_free(&t);
}

/* The turns that are noted, earliest first. */
static void sort_turns(struct walk *k) {
    for (size_t i = 1; i < k->turns.n; i++)
        for (size_t j = i; j > 0 && k->order[j - 1] > k->order[j]; j--) {
            int64_t n = k->order[j];
            char *id = k->turns.v[j];
            k->order[j] = k->order[j - 1];
            k->turns.v[j] = k->turns.v[j - 1];
            k->order[j - 1] = n;
            k->turns.v[j - 1] = id;
        }
}

/* --- the whole ----------------------------------------------------------------------------------
 */

/* Of a version that kept no turns: the message it goes back to, and whose results it tells. */
static void add_without_turn(struct walk *k, const struct q_why_message_row *row) {
    cJSON *meta = NULL;
    struct strv relays = {0};
    struct q_why_message_row first;
    if (row->metadata)
        (void)!json_parse(row->metadata, strlen(row->metadata), &meta, NULL);
    const char *reply_to = json_str(meta, "reply_to", NULL);
    const cJSON *item;
    cJSON_ArrayForEach(item, json_arr(meta, "relays")) {
        if (cJSON_IsString(item))
            strv_push(&relays, item->valuestring);
    }
    enum status st = reply_to ? q_why_message(k->r, reply_to, &first, k->why) : STATUS_NOT_FOUND;
    check(k, st);
    if (st == STATUS_OK) {
        struct why_row r = message_row(first.id, first.role, first.sender_name, first.text,
                                       first.bytes, first.metadata, first.created_at);
        put(k, &r, 0);
        q_why_message_free(&first);
    }
    for (size_t i = 0; i < relays.n; i++)
        add_process(k, relays.v[i], SIZE_MAX, 0, 0);
    mark_told(k, &relays);
    struct why_row r = message_row(row->id, row->role, row->sender_name, row->text, row->bytes,
                                   row->metadata, row->created_at);
    put(k, &r, 0);
    strv_free(&relays);
    cJSON_Delete(meta);
}

static bool is_running(const struct why_row *r) { return !r->ended_ms; }

/* From what woke the turn to the first word: the first message that it heard, else its beginning.
 */
static int64_t first_word(const struct why *w, size_t reply) {
    size_t turn = why_parent(w, reply);
    if (turn == SIZE_MAX || !w->v[reply].started_ms)
        return -1;
    int64_t woken = w->v[turn].started_ms;
    for (size_t i = turn; i-- > 0 && w->v[i].kind == WHY_MESSAGE && w->v[i].depth == 0;)
        woken = w->v[i].started_ms;
    return w->v[reply].started_ms - woken;
}

static void sum_up(struct why *w) {
    w->elapsed_ms = w->first_word_ms = -1;
    if (w->n)
        w->started_ms = w->v[0].started_ms ? w->v[0].started_ms : w->v[0].ended_ms;
    for (size_t i = 0; i < w->n; i++) {
        struct why_row *r = &w->v[i];
        if (r->costs)
            llm_usage_add(&w->usage, &r->usage);
        w->calls += r->calls;
        w->running |= is_running(r);
        if (r->kind == WHY_REPLY && str_eq(r->id, w->asked)) {
            w->elapsed_ms = r->ended_ms - w->started_ms;
            w->first_word_ms = first_word(w, i);
        }
    }
}

enum status why_load(struct store_read *r, const char *id, int64_t limit_ns, struct why **out,
                     struct cause *why) {
    struct q_why_message_row row;
    struct cause ignored = {""};
    *out = NULL;
    enum status st = q_why_message(r, id, &row, why ? why : &ignored);
    if (st != STATUS_OK)
        return st == STATUS_NOT_FOUND ? cause_set(why, st, "there is no message %.60s", id) : st;
    struct why *w = xcalloc(1, sizeof *w);
    struct walk k = {.r = r,
                     .w = w,
                     .why = why ? why : &ignored,
                     .st = STATUS_OK,
                     .until_ns = limit_ns ? clock_real_mono_ns() + limit_ns : 0};
    w->channel = xstrdup(row.channel_id);
    memcpy(w->asked, row.id, strnlen(row.id, sizeof w->asked - 1));
    if (row.turn_id)
        note_turn(&k, row.turn_id);
    for (size_t i = 0; i < k.turns.n; i++)
        note_causes(&k, k.turns.v[i]);
    sort_turns(&k);
    for (size_t i = 0; i < k.turns.n; i++)
        add_turn(&k, k.turns.v[i]);
    if (!row.turn_id)
        add_without_turn(&k, &row);
    q_why_message_free(&row);
    strv_free(&k.turns);
    x_free(&k.order);
    sum_up(w);
    if (k.st != STATUS_OK) {
        why_free(&w);
        return k.st;
    }
    *out = w;
    return STATUS_OK;
}

/* --- which message ------------------------------------------------------------------------------
 */

static bool on_id(void *arg, const struct q_why_messages_from_row *row) {
    strv_push(arg, row->id);
    return true;
}

static void take_id(char id[ID_UUID_SIZE], const char *from) {
    size_t n = strnlen(from, ID_UUID_SIZE - 1);
    memcpy(id, from, n);
    id[n] = '\0';
}

/* A message by its id or the beginning of one. */
static enum status find_message(struct store_read *r, const char *arg, char id[ID_UUID_SIZE],
                                struct cause *why) {
    struct strv ids = {0};
    if (strlen(arg) < PREFIX_LEAST)
        return STATUS_NOT_FOUND;
    char *high = xasprintf("%s\x7f", arg);
    enum status st = q_why_messages_from(r, arg, high, 2, on_id, &ids, why);
    if (st == STATUS_OK && ids.n == 0)
        st = STATUS_NOT_FOUND;
    else if (st == STATUS_OK && ids.n > 1 && !str_eq(ids.v[0], arg))
        st =
            cause_set(why, STATUS_INVALID, "several messages begin so: %s, %s", ids.v[0], ids.v[1]);
    if (st == STATUS_OK)
        take_id(id, ids.v[0]);
    strv_free(&ids);
    x_free(&high);
    return st;
}

static enum status last_of(struct store_read *r, const char *channel, char id[ID_UUID_SIZE],
                           struct cause *why) {
    struct q_why_last_of_row row;
    enum status st = q_why_last_of(r, channel, &row, why);
    if (st != STATUS_OK)
        return st;
    take_id(id, row.id);
    q_why_last_of_free(&row);
    return STATUS_OK;
}

enum status why_find(struct store_read *r, const char *arg, char id[ID_UUID_SIZE],
                     struct cause *why) {
    if (str_empty(arg)) {
        struct q_why_last_row row;
        enum status st = q_why_last(r, &row, why);
        if (st == STATUS_NOT_FOUND)
            return cause_set(why, st, "nothing has been replied yet");
        if (st == STATUS_OK) {
            take_id(id, row.id);
            q_why_last_free(&row);
        }
        return st;
    }
    const char *channel = arg[0] == '#'                 ? arg + 1
                          : str_prefix(arg, "channel:") ? arg + strlen("channel:")
                                                        : arg;
    enum status st = last_of(r, channel, id, why);
    if (st == STATUS_NOT_FOUND && channel == arg)
        st = find_message(r, arg, id, why);
    if (st != STATUS_NOT_FOUND)
        return st;
    struct q_channel_row row;
    st = q_channel(r, channel, &row, why);
    if (st == STATUS_OK) {
        q_channel_free(&row);
        return cause_set(why, STATUS_NOT_FOUND, "nothing has been replied in #%.120s yet", channel);
    }
    return st == STATUS_NOT_FOUND
               ? cause_set(why, st, "there is no reply and no channel \"%.60s\"", arg)
               : st;
}
