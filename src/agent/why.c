/* why: follows a message to its turn, from there to the turns that started whatever that one was
 * told of, and reads all of them in order. Bounds everywhere: rows, calls, turns, depth, text,
 * time. */
#include "agent/why-internal.h"

#include <string.h>

#include "agent/kind.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"

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

void why_row_free(struct why_row *r) {
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
        why_row_free(&w->v[i]);
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

const struct why_row *why_row_of(const struct why *w, const char *id) {
    for (size_t i = 0; i < w->n; i++)
        if (str_eq(w->v[i].id, id))
            return &w->v[i];
    return NULL;
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
    *why_collect(arg, r.kind) = r;
    return true;
}

/* A reply comes among the calls when it was said. */
static void add_reply(struct walk *k, const struct stretch *s, struct why_row *reply,
                      struct rows *calls) {
    struct q_why_reply_began_row row;
    enum status st = q_why_reply_began(k->r, s->process, s->from, s->to, reply->id, &row, k->why);
    why_check(k, st);
    if (st == STATUS_OK) {
        reply->started_ms = row.at;
        q_why_reply_began_free(&row);
    }
    (void)why_collect(calls, WHY_REPLY);
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
        const struct why_row *r = why_row_of(k->w, relays->v[i]);
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

static bool on_branch_of_turn(void *arg, const struct q_why_branches_of_turn_row *row) {
    why_add_child(arg, row->id, row->started_at);
    return true;
}

static bool on_worker_of_turn(void *arg, const struct q_why_workers_of_turn_row *row) {
    why_add_child(arg, row->id, row->started_at);
    return true;
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
    k->w->v[self].left_out += why_read_calls(k, &stretch, &calls);
    why_check(k, q_why_branches_of_turn(k->r, t->id, WHY_CALLS_MAX, on_branch_of_turn, &children,
                                        k->why));
    children.kind = PROCESS_WORKER;
    why_check(
        k, q_why_workers_of_turn(k->r, t->id, WHY_CALLS_MAX, on_worker_of_turn, &children, k->why));
    for (size_t i = 0; i < messages->n; i++)
        if (messages->v[i].kind == WHY_REPLY)
            add_reply(k, &stretch, &messages->v[i], &calls);
    why_add_steps(k, &calls, &children, self, 1, 0);
    why_rows_free(&calls);
    why_children_free(&children);
    x_free(&process);
}

static void add_turn(struct walk *k, const char *id) {
    struct q_why_turn_row t;
    struct rows messages = {0};
    struct strv relays = {0};
    enum status st = q_why_turn(k->r, id, &t, k->why);
    why_check(k, st);
    if (st != STATUS_OK)
        return;
    why_check(k, q_why_messages(k->r, id, MESSAGES_MAX, on_message, &messages, k->why));
    strings_of(t.relays, &relays);
    for (size_t i = 0; i < messages.n; i++)
        if (messages.v[i].kind == WHY_MESSAGE)
            why_put(k, &messages.v[i], 0);
    /* What was started nobody knows when is at least named before it is told. */
    for (size_t i = 0; i < relays.n; i++)
        why_add_process(k, relays.v[i], SIZE_MAX, 0, 0);
    struct why_row read = turn_row(&t);
    read.text = about(k, &relays);
    read.bytes = strlen(read.text);
    add_turn_steps(k, &t, &messages, why_put(k, &read, 0));
    mark_told(k, &relays);
    why_rows_free(&messages);
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
    why_check(k, st);
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
    why_check(k, st);
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
        why_check(k, st);
        if (st == STATUS_OK && row.turn_id)
            note_turn(k, row.turn_id);
        if (st == STATUS_OK)
            q_why_branch_free(&row);
        return;
    }
    struct q_why_worker_row row;
    enum status st = q_why_worker(k->r, bare, &row, k->why);
    why_check(k, st);
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
    why_check(k, st);
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
    why_check(k, st);
    if (st == STATUS_OK) {
        struct why_row r = message_row(first.id, first.role, first.sender_name, first.text,
                                       first.bytes, first.metadata, first.created_at);
        why_put(k, &r, 0);
        q_why_message_free(&first);
    }
    for (size_t i = 0; i < relays.n; i++)
        why_add_process(k, relays.v[i], SIZE_MAX, 0, 0);
    mark_told(k, &relays);
    struct why_row r = message_row(row->id, row->role, row->sender_name, row->text, row->bytes,
                                   row->metadata, row->created_at);
    why_put(k, &r, 0);
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
