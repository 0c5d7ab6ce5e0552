/* pane/tree: every process under the one that started it: what it is, what it does, for how long.
 * Numbers stand still and flush right; only what runs ticks. */
#include "ui/pane.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "ui/format.h"
#include "ui/text.h"

#define ENDED_SHOWN 3 /* of the children of one process; the rest are counted */
#define DEPTH_MAX 8
#define NO_NODE SIZE_MAX

struct node {
    const struct process *p;
    size_t parent, child, last_child, next; /* indices, NO_NODE: none */
    size_t ended;                           /* children that have ended */
};

/* A row of the tree: a process, its second line, or the count of what is left out. */
struct row {
    size_t node;
    enum { ROW_PROCESS, ROW_DOING, ROW_REST } kind;
    int depth;
    unsigned bars; /* by depth: a line goes on beside this row */
    bool last;     /* of its siblings */
    size_t rest;
};

struct tree {
    struct process_handle selected;
    struct node *nodes;
    size_t nnodes, nodes_cap;
    size_t *by_index; /* node number, NO_NODE: none */
    size_t by_index_cap;
    struct row *rows;
    size_t nrows, rows_cap;
    size_t top;
    int height;
};

static void *tree_open(void) { return xcalloc(1, sizeof(struct tree)); }

static void tree_close(void *self) {
    struct tree *t = self;
    free(t->nodes);
    free(t->by_index);
    free(t->rows);
    free(t);
}

static void tree_show(void *self, struct process_handle process) {
    ((struct tree *)self)->selected = process;
}

/* ---- what there is --------------------------------------------------------------------------- */

static bool active(const struct process *p) {
    switch (p->state) {
    case PROCESS_STATE_THINKING:
    case PROCESS_STATE_RUNNING:
    case PROCESS_STATE_CANCELLING:
        return true;
    case PROCESS_STATE_WAITING:
    case PROCESS_STATE_ASKING:
    case PROCESS_STATE_STALLED:
    case PROCESS_STATE_ENDED:
        return false;
    }
    return false;
}

/* Node numbers by process index, so that a thousand workers of one channel cost a thousand steps.
 */
static void note_node(struct tree *t, size_t node, uint32_t index) {
    if (index >= t->by_index_cap) {
        size_t cap = t->by_index_cap ? t->by_index_cap : 64;
        while (cap <= index)
            cap *= 2;
        t->by_index = xreallocarray(t->by_index, cap, sizeof *t->by_index);
        memset(t->by_index + t->by_index_cap, 0xFF, (cap - t->by_index_cap) * sizeof *t->by_index);
        t->by_index_cap = cap;
    }
    t->by_index[index] = node;
}

static size_t node_of(const struct tree *t, struct process_handle h) {
    size_t at = h.generation && h.index < t->by_index_cap ? t->by_index[h.index] : NO_NODE;
    return at < t->nnodes && process_same(t->nodes[at].p->handle, h) ? at : NO_NODE;
}

static void collect_nodes(struct tree *t, const struct pane_env *env) {
    t->nnodes = 0;
    size_t pos = 0;
    const struct process *p;
    while ((p = process_next(env->table, &pos)) != NULL) {
        if (t->nnodes == t->nodes_cap) {
            t->nodes_cap = t->nodes_cap ? t->nodes_cap * 2 : 32;
            t->nodes = xreallocarray(t->nodes, t->nodes_cap, sizeof *t->nodes);
        }
        size_t parent = node_of(t, p->parent), at = t->nnodes++;
        t->nodes[at] = (struct node){p, parent, NO_NODE, NO_NODE, NO_NODE, 0};
        note_node(t, at, p->handle.index);
        if (parent == NO_NODE)
            continue;
        struct node *up = &t->nodes[parent];
        if (up->last_child == NO_NODE)
            up->child = at;
        else
            t->nodes[up->last_child].next = at;
        up->last_child = at;
        up->ended += p->state == PROCESS_STATE_ENDED;
    }
}

static void push_row(struct tree *t, struct row r) {
    if (t->nrows == t->rows_cap) {
        t->rows_cap = t->rows_cap ? t->rows_cap * 2 : 64;
        t->rows = xreallocarray(t->rows, t->rows_cap, sizeof *t->rows);
    }
    t->rows[t->nrows++] = r;
}

static void push_node(struct tree *t, const struct pane_env *env, size_t node, int depth,
                      unsigned bars, bool last, bool roomy) {
    const struct node *n = &t->nodes[node];
    push_row(t, (struct row){node, ROW_PROCESS, depth, bars, last, 0});
    unsigned below = last || depth == 0 ? bars : bars | 1u << depth;
    if (roomy && depth > 0 && active(n->p))
        push_row(t, (struct row){node, ROW_DOING, depth, below, last, 0});
    if (depth + 1 >= DEPTH_MAX)
        return;
    size_t old = n->ended > ENDED_SHOWN ? n->ended - ENDED_SHOWN : 0, hidden = 0;
    if (old)
        push_row(t, (struct row){node, ROW_REST, depth + 1, below, false, old});
    for (size_t c = n->child; c != NO_NODE; c = t->nodes[c].next) {
        const struct process *p = t->nodes[c].p;
        bool keep = process_same(p->handle, env->shown) || process_same(p->handle, t->selected);
        if (p->state == PROCESS_STATE_ENDED && hidden < old) {
            hidden++;
            if (!keep)
                continue;
        }
        push_node(t, env, c, depth + 1, below, t->nodes[c].next == NO_NODE, roomy);
    }
}

static void collect_rows(struct tree *t, const struct pane_env *env, int height) {
    if (!process_get(env->table, t->selected))
        t->selected = env->shown;
    collect_nodes(t, env);
    for (int roomy = 1; roomy >= 0; roomy--) {
        t->nrows = 0;
        for (size_t i = 0; i < t->nnodes; i++)
            if (t->nodes[i].parent == NO_NODE)
                push_node(t, env, i, 0, 0, false, roomy != 0);
        if (t->nrows <= (size_t)(height > 0 ? height : 1))
            break; /* else again, without second lines */
    }
}

/* ---- drawing --------------------------------------------------------------------------------- */

static int draw_lines(const struct window *w, int row, const struct row *r, unsigned flags) {
    for (int d = 1; d < r->depth; d++)
        if (r->bars & 1u << d)
            window_symbol(w, row, (d - 1) * 2, STYLE_RULE | flags, SYMBOL_BAR);
    if (r->depth == 0)
        return 0;
    int col = (r->depth - 1) * 2;
    if (r->kind != ROW_DOING)
        window_symbol(w, row, col, STYLE_RULE | flags, r->last ? SYMBOL_ELBOW : SYMBOL_TEE);
    else if (r->bars & 1u << r->depth)
        window_symbol(w, row, col, STYLE_RULE | flags, SYMBOL_BAR);
    return col + 2;
}

static void since(const struct process *p, const struct pane_env *env, char out[FORMAT_SIZE]) {
    int64_t ms = (clock_mono_ns() - p->state_since_ns) / NS_PER_MS;
    char clock[FORMAT_SIZE];
    format_clock(env->now_ms - ms, env->now_ms, clock);
    snprintf(out, FORMAT_SIZE, "since %.24s", clock);
}

/* Short: the names need the room. */
static const char *outcome_word(enum process_outcome o) {
    switch (o) {
    case PROCESS_OUTCOME_SUCCEEDED:
        return "done";
    case PROCESS_OUTCOME_PARTIAL:
        return "partial";
    case PROCESS_OUTCOME_BLOCKED:
        return "blocked";
    case PROCESS_OUTCOME_FAILED:
        return "failed";
    case PROCESS_OUTCOME_CANCELLED:
        return "cancelled";
    case PROCESS_OUTCOME_TIMED_OUT:
        return "timed out";
    }
    return "ended";
}

/* The right end of a row; returns where it starts. */
static int draw_state(const struct window *w, int row, const struct process *p,
                      const struct pane_env *env, unsigned flags) {
    char text[2 * FORMAT_SIZE] = "", unread[FORMAT_SIZE] = "";
    unsigned style = STYLE_DIM;
    bool channel = p->kind == PROCESS_CHANNEL;
    const char *symbol = NULL;
    switch (p->state) {
    case PROCESS_STATE_THINKING:
    case PROCESS_STATE_RUNNING:
    case PROCESS_STATE_CANCELLING:
        style = STYLE_ACCENT;
        if (channel) {
            snprintf(text, sizeof text, "%s", process_state_name(p->state));
            symbol = theme_symbol(w->theme, SYMBOL_BUSY);
        } else {
            format_elapsed(process_elapsed_ms(p), text);
        }
        break;
    case PROCESS_STATE_WAITING:
        if (channel)
            symbol = theme_symbol(w->theme, SYMBOL_IDLE);
        else
            since(p, env, text);
        break;
    case PROCESS_STATE_ASKING:
    case PROCESS_STATE_STALLED:
        style = STYLE_WARN;
        snprintf(text, sizeof text, "%s", process_state_name(p->state));
        symbol = theme_symbol(w->theme, SYMBOL_ASKS);
        break;
    case PROCESS_STATE_ENDED:
        style = p->outcome == PROCESS_OUTCOME_SUCCEEDED ? STYLE_DIM : STYLE_WARN;
        snprintf(text, sizeof text, "%s", outcome_word(p->outcome));
        break;
    }
    int end = w->r.w;
    if (symbol)
        end = window_puts_right(w, row, end, style | flags, symbol) - 1;
    else if (channel)
        end -= 2;
    if (text[0])
        end = window_puts_right(w, row, end, style | flags, text) - 1;
    if (channel && p->unread) {
        snprintf(unread, sizeof unread, "%u", p->unread);
        end = window_puts_right(w, row, end, STYLE_ACCENT | STYLE_BOLD | flags, unread) - 1;
    }
    return end;
}

static void draw_row(const struct tree *t, const struct pane_env *env, const struct window *w,
                     int row, const struct row *r, unsigned flags) {
    const struct process *p = t->nodes[r->node].p;
    window_clear_row(w, row, STYLE_TEXT | flags);
    int col = draw_lines(w, row, r, flags);
    if (r->kind == ROW_REST) {
        char text[48];
        snprintf(text, sizeof text, "%zu more ended", r->rest);
        window_puts_cut(w, row, col, w->r.w - col, STYLE_DIM, text);
        return;
    }
    if (r->kind == ROW_DOING) {
        window_puts_cut(w, row, col + 2, w->r.w - col - 2, STYLE_DIM | flags,
                        p->tool ? p->tool : process_state_name(p->state));
        return;
    }
    int end = draw_state(w, row, p, env, flags);
    bool shown = process_same(p->handle, env->shown), ended = p->state == PROCESS_STATE_ENDED;
    unsigned style = ended ? STYLE_DIM : STYLE_TEXT;
    if (shown)
        style |= STYLE_BOLD;
    col = window_puts(w, row, col, (shown ? STYLE_ACCENT | STYLE_BOLD : style) | flags,
                      process_kind_symbol(p->kind, w->theme->ascii));
    window_puts_cut(w, row, col + 1, end - col - 1, style | flags, p->name);
}

static size_t selected_row(const struct tree *t) {
    for (size_t i = 0; i < t->nrows; i++)
        if (t->rows[i].kind == ROW_PROCESS &&
            process_same(t->nodes[t->rows[i].node].p->handle, t->selected))
            return i;
    return 0;
}

static void tree_draw(void *self, const struct pane_env *env, const struct window *w,
                      bool focused) {
    struct tree *t = self;
    t->height = w->r.h;
    collect_rows(t, env, w->r.h);
    size_t h = (size_t)(w->r.h > 0 ? w->r.h : 1), at = selected_row(t);
    if (at < t->top)
        t->top = at;
    if (at >= t->top + h)
        t->top = at - h + 1;
    if (t->nrows <= h)
        t->top = 0;
    else if (t->top + h > t->nrows)
        t->top = t->nrows - h;
    for (int row = 0; row < w->r.h; row++) {
        size_t i = t->top + (size_t)row;
        if (i < t->nrows)
            draw_row(t, env, w, row, &t->rows[i], focused && i == at ? STYLE_REVERSED : 0u);
        else
            window_clear_row(w, row, STYLE_TEXT);
    }
}

/* ---- keys ------------------------------------------------------------------------------------ */

static void move(struct tree *t, int by) {
    size_t at = selected_row(t), to = at;
    int left = by < 0 ? -by : by;
    while (left > 0) {
        if (by < 0 ? to == 0 : to + 1 >= t->nrows)
            break;
        to = by < 0 ? to - 1 : to + 1;
        if (t->rows[to].kind == ROW_PROCESS) {
            at = to;
            left--;
        }
    }
    if (at < t->nrows)
        t->selected = t->nodes[t->rows[at].node].p->handle;
}

static struct pane_answer tree_act(void *self, const struct pane_env *env, enum action a) {
    struct tree *t = self;
    collect_rows(t, env, t->height);
    int page = t->height > 1 ? t->height - 1 : 1, all = (int)t->nrows;
    switch (a) {
    case ACTION_UP:
        move(t, -1);
        break;
    case ACTION_DOWN:
        move(t, 1);
        break;
    case ACTION_PAGE_UP:
        move(t, -page);
        break;
    case ACTION_PAGE_DOWN:
        move(t, page);
        break;
    case ACTION_TOP:
        move(t, -all);
        break;
    case ACTION_BOTTOM:
        move(t, all);
        break;
    case ACTION_OPEN:
        return (struct pane_answer){PANE_SHOW, t->selected};
    ACTIONS_OF_THE_VIEW:
        return (struct pane_answer){PANE_IGNORED, PROCESS_NONE};
    }
    return (struct pane_answer){PANE_DONE, PROCESS_NONE};
}

static struct process_handle tree_selected(void *self, const struct pane_env *env) {
    const struct tree *t = self;
    return process_get(env->table, t->selected) ? t->selected : env->shown;
}

static bool tree_can(void *self, const struct pane_env *env, enum action a) {
    const struct tree *t = self;
    if (a == ACTION_OPEN)
        return process_get(env->table, tree_selected(self, env)) != NULL;
    return a != ACTION_PAGE_UP || t->nrows > (size_t)t->height;
}

extern const struct pane_ops pane_tree;
const struct pane_ops pane_tree = {
    .name = "tree",
    .open = tree_open,
    .close = tree_close,
    .show = tree_show,
    .draw = tree_draw,
    .act = tree_act,
    .can = tree_can,
    .selected = tree_selected,
};
