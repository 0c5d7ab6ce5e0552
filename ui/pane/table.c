/* pane/table: one row a process, for when there are more than panes have room for. */
#include "ui/pane.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/money.h"
#include "ui/format.h"
#include "ui/text.h"

struct table {
    struct process_handle *rows; /* in the order of their creation */
    size_t n, cap;
    struct process_handle selected;
    size_t top;
    int height;
};

static void *table_open(void) { return xcalloc(1, sizeof(struct table)); }

static void table_close(void *self) {
    struct table *t = self;
    free(t->rows);
    free(t);
}

/* Everything that runs, what ended and was not looked at, and the channels. */
static bool belongs(const struct process *p) {
    return p->kind == PROCESS_CHANNEL || p->state != PROCESS_STATE_ENDED || !p->seen;
}

static void collect(struct table *t, const struct pane_env *env) {
    size_t pos = 0;
    t->n = 0;
    for (const struct process *p; (p = process_next(env->table, &pos));) {
        if (!belongs(p))
            continue;
        if (t->n == t->cap) {
            t->cap = t->cap ? t->cap * 2 : 64;
            t->rows = xreallocarray(t->rows, t->cap, sizeof *t->rows);
        }
        t->rows[t->n++] = p->handle;
    }
}

static size_t place(const struct table *t) {
    for (size_t i = 0; i < t->n; i++)
        if (process_same(t->rows[i], t->selected))
            return i;
    return 0;
}

struct columns {
    int name, state, tool, elapsed, silent, tokens, cost; /* where they begin; 0: no room */
    int name_width, tool_width, end;
};

static struct columns arrange(int width) {
    struct columns c = {.name = 5, .end = width};
    int right = width;
    if (width >= 70) {
        right -= 8;
        c.cost = right;
    }
    if (width >= 60) {
        right -= 13;
        c.tokens = right;
    }
    if (width >= 90) {
        right -= 9;
        c.silent = right;
    }
    right -= 14;
    c.elapsed = right;
    int room = right - c.name - 1;
    c.name_width = room * 2 / 5 < 12 ? 12 : room * 2 / 5 > 40 ? 40 : room * 2 / 5;
    c.state = c.name + c.name_width + 1;
    c.tool = c.state + 11;
    c.tool_width = right - c.tool - 1;
    return c;
}

static void right_in(const struct window *w, int row, int from, int width, unsigned style,
                     const char *text) {
    if (from)
        window_puts_right(w, row, from + width, style, text);
}

static void draw_head(const struct window *w, const struct columns *c) {
    window_clear_row(w, 0, STYLE_TEXT);
    window_puts(w, 0, 0, STYLE_DIM, "KIND");
    window_puts(w, 0, c->name, STYLE_DIM, "NAME");
    window_puts(w, 0, c->state, STYLE_DIM, "STATE");
    if (c->tool_width > 4)
        window_puts(w, 0, c->tool, STYLE_DIM, "TOOL");
    right_in(w, 0, c->elapsed, 13, STYLE_DIM, "ELAPSED");
    right_in(w, 0, c->silent, 8, STYLE_DIM, "SILENT");
    right_in(w, 0, c->tokens, 12, STYLE_DIM, "TOK IN/OUT");
    right_in(w, 0, c->cost, 8, STYLE_DIM, "COST");
}

/* Elapsed time only of what runs: what waits says since when, so that nothing ticks when nothing
 * happens. */
static void elapsed_text(const struct process *p, const struct pane_env *env, char *out,
                         size_t size) {
    char text[FORMAT_SIZE];
    switch (p->state) {
    case PROCESS_STATE_THINKING:
    case PROCESS_STATE_RUNNING:
    case PROCESS_STATE_CANCELLING:
        format_elapsed(process_elapsed_ms(p), text);
        snprintf(out, size, "%s", text);
        return;
    case PROCESS_STATE_ENDED:
        format_duration(process_elapsed_ms(p), text);
        snprintf(out, size, "%s", text);
        return;
    case PROCESS_STATE_WAITING:
    case PROCESS_STATE_ASKING:
    case PROCESS_STATE_STALLED:
        format_clock(env->now_ms - process_in_state_ms(p), env->now_ms, text);
        snprintf(out, size, "since %.20s", text);
        return;
    }
}

static unsigned state_style(const struct process *p) {
    switch (p->state) {
    case PROCESS_STATE_THINKING:
    case PROCESS_STATE_RUNNING:
        return STYLE_ACCENT;
    case PROCESS_STATE_ASKING:
    case PROCESS_STATE_STALLED:
    case PROCESS_STATE_CANCELLING:
        return STYLE_WARN;
    case PROCESS_STATE_WAITING:
        return STYLE_DIM;
    case PROCESS_STATE_ENDED:
        return p->outcome == PROCESS_OUTCOME_SUCCEEDED ? STYLE_GOOD : STYLE_BAD;
    }
    return STYLE_TEXT;
}

static void draw_row(const struct window *w, int row, const struct columns *c,
                     const struct process *p, const struct pane_env *env, unsigned flags) {
    char text[64], in[FORMAT_SIZE], out[FORMAT_SIZE];
    bool ended = p->state == PROCESS_STATE_ENDED;
    unsigned plain = (ended ? STYLE_DIM : STYLE_TEXT) | flags, dim = STYLE_DIM | flags;
    window_clear_row(w, row, STYLE_TEXT | flags);
    window_puts(w, row, 0, dim, process_kind_symbol(p->kind, w->theme->ascii));
    window_puts_cut(w, row, c->name, c->name_width, plain, p->name);
    window_puts_cut(w, row, c->state, 10, state_style(p) | flags,
                    ended ? process_outcome_name(p->outcome) : process_state_name(p->state));
    if (c->tool_width > 4)
        window_puts_cut(w, row, c->tool, c->tool_width, dim,
                        p->tool ? p->tool : theme_symbol(w->theme, SYMBOL_DASH));
    elapsed_text(p, env, text, sizeof text);
    right_in(w, row, c->elapsed, 13, plain, text);
    if (process_silent_ms(p) > 0) {
        format_elapsed(process_silent_ms(p), text);
        right_in(w, row, c->silent, 8, dim, text);
    } else {
        right_in(w, row, c->silent, 8, dim, theme_symbol(w->theme, SYMBOL_DASH));
    }
    format_count(p->usage.input_tokens + p->usage.cache_read_tokens + p->usage.cache_write_tokens,
                 in);
    format_count(p->usage.output_tokens, out);
    snprintf(text, sizeof text, "%s/%s", in, out);
    right_in(w, row, c->tokens, 12, dim, text);
    money_text(p->usage.cost_usd, p->usage.cost_is_estimate, text);
    right_in(w, row, c->cost, 8, dim, text);
}

static void table_draw(void *self, const struct pane_env *env, const struct window *w,
                       bool focused) {
    struct table *t = self;
    collect(t, env);
    t->height = w->r.h - 1;
    size_t at = place(t), height = t->height > 0 ? (size_t)t->height : 0;
    if (t->n)
        t->selected = t->rows[at];
    if (at < t->top)
        t->top = at;
    if (height && at >= t->top + height)
        t->top = at - height + 1;
    if (t->top + height > t->n)
        t->top = t->n > height ? t->n - height : 0;
    struct columns c = arrange(w->r.w);
    draw_head(w, &c);
    for (size_t i = 0; i < height; i++) {
        const struct process *p =
            t->top + i < t->n ? process_get(env->table, t->rows[t->top + i]) : NULL;
        if (p)
            draw_row(w, (int)i + 1, &c, p, env, focused && t->top + i == at ? STYLE_REVERSED : 0u);
        else
            window_clear_row(w, (int)i + 1, STYLE_TEXT);
    }
}

static struct pane_answer move_to(struct table *t, int64_t at) {
    if (t->n == 0)
        return (struct pane_answer){PANE_IGNORED, PROCESS_NONE};
    if (at < 0)
        at = 0;
    if (at >= (int64_t)t->n)
        at = (int64_t)t->n - 1;
    t->selected = t->rows[at];
    return (struct pane_answer){PANE_DONE, PROCESS_NONE};
}

static struct pane_answer table_act(void *self, const struct pane_env *env, enum action a) {
    struct table *t = self;
    collect(t, env);
    int64_t at = (int64_t)place(t);
    switch (a) {
    case ACTION_UP:
        return move_to(t, at - 1);
    case ACTION_DOWN:
        return move_to(t, at + 1);
    case ACTION_PAGE_UP:
        return move_to(t, at - t->height);
    case ACTION_PAGE_DOWN:
        return move_to(t, at + t->height);
    case ACTION_TOP:
        return move_to(t, 0);
    case ACTION_BOTTOM:
        return move_to(t, (int64_t)t->n - 1);
    case ACTION_OPEN:
        return (struct pane_answer){PANE_SHOW, t->selected};
    ACTIONS_OF_THE_VIEW:
        break;
    }
    return (struct pane_answer){PANE_IGNORED, PROCESS_NONE};
}

static bool table_can(void *self, const struct pane_env *env, enum action a) {
    const struct table *t = self;
    (void)env;
    return a != ACTION_PAGE_UP || (t->height > 0 && t->n > (size_t)t->height);
}

static struct process_handle table_selected(void *self, const struct pane_env *env) {
    (void)env;
    return ((struct table *)self)->selected;
}

extern const struct pane_ops pane_table;
const struct pane_ops pane_table = {
    .name = "table",
    .open = table_open,
    .close = table_close,
    .draw = table_draw,
    .act = table_act,
    .can = table_can,
    .selected = table_selected,
};
