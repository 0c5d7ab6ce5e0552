/* why_process: what a process did and started, with what it cost: rows below the one that started
 * it. */
#include "agent/why-internal.h"

#include <string.h>

#include "agent/kind.h"
#include "agent/record.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "tools/tool.h"

/* --- reading ------------------------------------------------------------------------------------
 */

static bool over(struct walk *k) {
    return k->st != STATUS_OK || (k->until_ns && clock_real_mono_ns() > k->until_ns);
}

void why_check(struct walk *k, enum status st) {
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

size_t why_put(struct walk *k, struct why_row *from, int depth) {
    struct why_row *r = why_add(k->w, from->kind, depth);
    *r = *from;
    r->depth = depth;
    *from = (struct why_row){.kind = r->kind};
    return k->w->n - 1;
}

struct why_row *why_collect(struct rows *rows, enum why_kind kind) {
    rows->v = xreallocarray(rows->v, rows->n + 1, sizeof *rows->v);
    struct why_row *r = &rows->v[rows->n++];
    *r = (struct why_row){.kind = kind};
    return r;
}

void why_rows_free(struct rows *rows) {
    for (size_t i = 0; i < rows->n; i++)
        why_row_free(&rows->v[i]);
    x_free(&rows->v);
    rows->n = 0;
}

void why_children_free(struct children *c) {
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
    struct why_row *r = why_collect(rows, WHY_TOOL);
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

/* Returns how many there were beyond the first. */
size_t why_read_calls(struct walk *k, const struct stretch *s, struct rows *rows) {
    struct q_why_calls_count_row count;
    size_t beyond = 0;
    why_check(k,
              q_why_calls(k->r, s->process, s->from, s->to, WHY_CALLS_MAX, on_call, rows, k->why));
    if (rows->n >= WHY_CALLS_MAX) {
        enum status st = q_why_calls_count(k->r, s->process, s->from, s->to, &count, k->why);
        why_check(k, st);
        if (st == STATUS_OK && count.calls > (int64_t)WHY_CALLS_MAX)
            beyond = (size_t)count.calls - WHY_CALLS_MAX;
        q_why_calls_count_free(&count);
    }
    why_check(k, q_why_calls_open(k->r, s->process, s->from_ms, s->to_ms, WHY_CALLS_MAX,
                                  on_open_call, rows, k->why));
    return beyond;
}

/* --- processes ----------------------------------------------------------------------------------
 */

void why_add_child(struct children *c, const char *bare, int64_t at_ms) {
    size_t at = c->n;
    c->v = xreallocarray(c->v, c->n + 1, sizeof *c->v);
    while (at > 0 && c->v[at - 1].at_ms > at_ms) {
        c->v[at] = c->v[at - 1];
        at--;
    }
    c->v[at] = (struct child){xasprintf("%s:%s", process_kind_name(c->kind), bare), at_ms};
    c->n++;
}

static bool on_worker_of(void *arg, const struct q_why_workers_of_row *row) {
    why_add_child(arg, row->id, row->started_at);
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
    why_check(k, st);
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
    why_check(k, st);
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
    why_check(k, st);
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

void why_add_process(struct walk *k, const char *id, size_t parent, int depth, int nested);

/* Whether it came before that step: what a call has started comes in its place, and a reply when it
 * was said. */
static bool comes_before(const struct child *c, const struct why_row *step) {
    return step->kind == WHY_REPLY ? c->at_ms <= step->ended_ms : c->at_ms < step->started_ms;
}

/* Calls, replies and what was started, by time. */
void why_add_steps(struct walk *k, struct rows *steps, const struct children *children,
                   size_t parent, int depth, int nested) {
    size_t next = 0;
    for (size_t i = 0; i < steps->n; i++) {
        struct why_row *s = &steps->v[i];
        while (next < children->n && comes_before(&children->v[next], s))
            why_add_process(k, children->v[next++].id, parent, depth, nested);
        if (s->kind == WHY_REPLY || (!stands_for(s, children) && room(k, parent)))
            why_put(k, s, depth);
    }
    while (next < children->n)
        why_add_process(k, children->v[next++].id, parent, depth, nested);
}

/* Each process once, where it is met first. */
void why_add_process(struct walk *k, const char *id, size_t parent, int depth, int nested) {
    bool branch = str_prefix(id, "branch:");
    const char *bare = strchr(id, ':');
    struct why_row read;
    if (!bare++ || why_row_of(k->w, id) || !room(k, parent))
        return;
    if (branch ? !read_branch(k, bare, &read) : !read_worker(k, bare, &read))
        return;
    read.id = xstrdup(id);
    add_usage(k, &read);
    size_t self = why_put(k, &read, depth);
    struct rows calls = {0};
    struct children children = {.kind = PROCESS_WORKER};
    if (nested < WHY_DEPTH_MAX) {
        const struct stretch all = {id, 0, INT64_MAX, 0, INT64_MAX};
        k->w->v[self].left_out += why_read_calls(k, &all, &calls);
        why_check(k, q_why_workers_of(k->r, id, WHY_CALLS_MAX, on_worker_of, &children, k->why));
        why_add_steps(k, &calls, &children, self, depth + 1, nested + 1);
    }
    why_rows_free(&calls);
    why_children_free(&children);
}
