/* pane/live: what one running process does right now: a line that says who, and the tail of its
 * journal. When it has ended it keeps its last rows, dimmed by its header, until a person has gone
 * on. */
#include "ui/journal_view.h"
#include "ui/pane.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/money.h"
#include "ui/format.h"
#include "ui/text.h"

static void *live_open(void) {
    struct journal_view *v = xmalloc(sizeof *v);
    journal_view_init(v, true);
    return v;
}

static void live_close(void *self) {
    journal_view_free(self);
    free(self);
}

static void live_show(void *self, struct process_handle process) {
    journal_view_show(self, process);
}

/* Below these widths the header leaves out the tokens and the cost: who it is and what it does come
 * first. */
#define HEADER_TOKENS 60
#define HEADER_COST 70

#define TOOK_COLS 5 /* reserved for the time, so that the name is not cut elsewhere later */

/* "45s  1.1k tok  $0.001", as much of it as there is and has room. */
static void numbers(const struct process *p, const char *took, int width, char *out, size_t size) {
    char tokens[FORMAT_SIZE], cost[MONEY_SIZE];
    int64_t n = p->usage.input_tokens + p->usage.output_tokens + p->usage.cache_read_tokens +
                p->usage.cache_write_tokens;
    if (n == 0 || width < HEADER_TOKENS) {
        snprintf(out, size, "%s", took);
        return;
    }
    format_count(n, tokens);
    if (width < HEADER_COST) {
        snprintf(out, size, "%s  %4s tok", took, tokens);
        return;
    }
    money_text(p->usage.cost_usd, p->usage.cost_is_estimate, cost);
    snprintf(out, size, "%s  %4s tok  %s", took, tokens, cost);
}

/* A piece of the header with a blank on either side, so that the rule does not touch it; ends
 * before `end`. Returns where it begins. */
static int piece_right(const struct window *w, int end, unsigned style, const char *text) {
    int at = window_puts_right(w, 0, end - 1, style, text);
    window_puts(w, 0, end - 1, style, " ");
    window_puts(w, 0, at - 1, style, " ");
    return at - 1;
}

static void draw_header(const struct process *p, const struct pane_env *env, const struct window *w,
                        bool focused) {
    bool ended = p->state == PROCESS_STATE_ENDED;
    char took[FORMAT_SIZE], right[4 * FORMAT_SIZE], more[32];
    int lead = w->r.w < HEADER_TOKENS ? 1 : 2; /* of the rule, before and behind */
    window_clear_row(w, 0, STYLE_TEXT);
    window_line(w, 0, 0, w->r.w, focused ? STYLE_ACCENT : STYLE_RULE, SYMBOL_LINE, false);
    int end = w->r.w - lead;
    if (env->hidden) {
        snprintf(more, sizeof more, "+%zu more", env->hidden);
        end = piece_right(w, end, STYLE_WARN, more) - 1;
    }
    format_elapsed(process_elapsed_ms(p), took);
    numbers(p, took, w->r.w, right, sizeof right);
    end = piece_right(w, end, ended ? STYLE_DIM : STYLE_TEXT, right);
    end -= strlen(took) < TOOK_COLS ? TOOK_COLS - (int)strlen(took) : 0;
    const char *word = ended ? process_outcome_name(p->outcome) : process_state_name(p->state);
    const char *state = p->tool && !ended ? p->tool : word;
    char *name = xasprintf("%s %s", process_kind_symbol(p->kind, w->theme->ascii), p->name);
    /* What it does gets up to half of the room, however long the name is. */
    int room = end - lead - 4, state_width = text_width(state, strlen(state));
    if (state_width > room / 2)
        state_width = room / 2;
    window_puts(w, 0, lead, STYLE_TEXT, " ");
    int col =
        window_puts_cut(w, 0, lead + 1, room - state_width, ended ? STYLE_DIM : STYLE_STRONG, name);
    if (end - col > 3) {
        window_puts(w, 0, col, STYLE_TEXT, "  ");
        col =
            window_puts_cut(w, 0, col + 2, end - col - 3, ended ? STYLE_DIM : STYLE_ACCENT, state);
    }
    window_puts(w, 0, col, STYLE_TEXT, " ");
    free(name);
}

/* Where there is one row: who, what it does and for how long, in columns, as in a table. */
static void draw_row(const struct process *p, const struct window *w, bool focused) {
    char took[FORMAT_SIZE];
    bool ended = p->state == PROCESS_STATE_ENDED;
    unsigned flags = focused ? STYLE_REVERSED : 0u, plain = ended ? STYLE_DIM : STYLE_TEXT;
    window_clear_row(w, 0, STYLE_TEXT | flags);
    format_elapsed(process_elapsed_ms(p), took);
    window_puts_right(w, 0, w->r.w - 1, plain | flags, took);
    const char *state = p->tool && !ended ? p->tool
                        : ended           ? process_outcome_name(p->outcome)
                                          : process_state_name(p->state);
    int name = (w->r.w - TOOK_COLS - 6) / 2, col = 3 + name + 1;
    window_puts(w, 0, 1, STYLE_DIM | flags, process_kind_symbol(p->kind, w->theme->ascii));
    window_puts_cut(w, 0, 3, name, plain | flags, p->name);
    window_puts_cut(w, 0, col, w->r.w - TOOK_COLS - 2 - col,
                    (ended ? STYLE_DIM : STYLE_ACCENT) | flags, state);
}

static void live_draw(void *self, const struct pane_env *env, const struct window *w,
                      bool focused) {
    struct journal_view *v = self;
    const struct process *p = process_get(env->table, v->process);
    if (!p) {
        window_clear(w);
        return;
    }
    if (w->r.h == 1) {
        draw_row(p, w, focused);
        return;
    }
    draw_header(p, env, w, focused);
    struct window body = {.r = {w->r.x, w->r.y + 1, w->r.w, w->r.h - 1}, .theme = w->theme};
    if (body.r.h > 0)
        journal_view_draw(v, env->table, &body, env->now_ms, focused);
}

static struct pane_answer live_act(void *self, const struct pane_env *env, enum action a) {
    struct journal_view *v = self;
    struct pane_answer done = {PANE_DONE, PROCESS_NONE};
    switch (a) {
    case ACTION_UP:
        journal_view_move(v, env->table, env->theme, -1);
        return done;
    case ACTION_DOWN:
        journal_view_move(v, env->table, env->theme, 1);
        return done;
    case ACTION_PAGE_UP:
        journal_view_page(v, env->table, env->theme, -1);
        return done;
    case ACTION_PAGE_DOWN:
        journal_view_page(v, env->table, env->theme, 1);
        return done;
    case ACTION_TOP:
        journal_view_top(v, env->table);
        return done;
    case ACTION_BOTTOM:
        journal_view_bottom(v);
        return done;
    case ACTION_OPEN:
        return (struct pane_answer){PANE_SHOW, v->process};
    ACTIONS_OF_THE_VIEW:
        break; /* the view's */
    }
    return (struct pane_answer){PANE_IGNORED, PROCESS_NONE};
}

static bool live_can(void *self, const struct pane_env *env, enum action a) {
    struct journal_view *v = self;
    return a != ACTION_OPEN || process_get(env->table, v->process) != NULL;
}

static struct process_handle live_selected(void *self, const struct pane_env *env) {
    (void)env;
    return ((struct journal_view *)self)->process;
}

static struct journal_view *live_journal(void *self) { return self; }

extern const struct pane_ops pane_live;
const struct pane_ops pane_live = {
    .name = "live",
    .open = live_open,
    .close = live_close,
    .show = live_show,
    .draw = live_draw,
    .act = live_act,
    .can = live_can,
    .journal = live_journal,
    .selected = live_selected,
};
