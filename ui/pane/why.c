/* pane/why: what led to a reply, as a tree in the order in which it happened: what was said, who
 * thought and worked, what was called; how it ended, how long it took, what it cost. */
#include "ui/pane/why.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/kind.h"
#include "base/mem.h"
#include "base/money.h"
#include "base/str.h"
#include "ui/format.h"
#include "ui/pane.h"
#include "ui/wrap.h"

#define WIDTH_MAX 120  /* farther to the right numbers are too far from their names */
#define HEAD 4         /* rows above: what it is about, the sums, a blank, the heads */
#define DETAIL 4       /* rows below, where there is room: a blank, and the whole of a row */
#define DETAIL_FROM 14 /* rows of a window that has it */
#define STEP 2         /* columns of a level */

struct why_pane {
    struct why *w;
    size_t selected, top;
    int height; /* of the list, as last drawn */
};

static void *why_open(void) { return xcalloc(1, sizeof(struct why_pane)); }

static void why_close(void *self) {
    struct why_pane *p = self;
    why_free(&p->w);
    free(p);
}

const struct why *pane_why(void *self) { return ((struct why_pane *)self)->w; }

void pane_why_set(void *self, struct why *w) {
    struct why_pane *p = self;
    bool same = p->w && w && str_eq(p->w->asked, w->asked);
    why_free(&p->w);
    p->w = w;
    if (!same)
        p->selected = p->top = 0;
    for (size_t i = 0; w && !same && i < w->n; i++)
        if (str_eq(w->v[i].id, w->asked))
            p->selected = i;
}

static size_t place(const struct why_pane *p) {
    size_t n = p->w ? p->w->n : 0;
    return p->selected < n ? p->selected : n ? n - 1 : 0;
}

const struct why_row *pane_why_selected(void *self) {
    const struct why_pane *p = self;
    return p->w && p->w->n ? &p->w->v[place(p)] : NULL;
}

const char *pane_why_process(void *self) {
    const struct why_pane *p = self;
    size_t at = place(p);
    while (p->w && at < p->w->n) {
        const struct why_row *r = &p->w->v[at];
        if (r->kind == WHY_BRANCH || r->kind == WHY_WORKER)
            return r->id;
        at = r->kind == WHY_TOOL || r->kind == WHY_MEMORY ? why_parent(p->w, at) : SIZE_MAX;
    }
    return NULL;
}

/* ---- what stands above ----------------------------------------------------------------------- */

static void tokens_text(const struct llm_usage *u, char *out, size_t size) {
    char in[FORMAT_SIZE], to[FORMAT_SIZE];
    format_count(u->input_tokens + u->cache_read_tokens + u->cache_write_tokens, in);
    format_count(u->output_tokens, to);
    snprintf(out, size, "%s/%s", in, to);
}

static const struct why_row *asked(const struct why *w) {
    for (size_t i = 0; i < w->n; i++)
        if (str_eq(w->v[i].id, w->asked))
            return &w->v[i];
    return NULL;
}

/* What has no room is left out: the first ones matter most. */
static int put_sum(const struct window *w, int col, const char *what, const char *value) {
    int need = (int)(strlen(what) + (*what != '\0') + strlen(value));
    if (col + need > w->r.w)
        return w->r.w;
    if (*what)
        col = window_puts(w, 1, col, STYLE_DIM, what) + 1;
    return window_puts(w, 1, col, STYLE_TEXT, value) + 2;
}

static void draw_head(const struct window *w, const struct why *y, int64_t now_ms) {
    const struct why_row *about = asked(y);
    char text[3 * FORMAT_SIZE];
    int col = window_puts(w, 0, 0, STYLE_ACCENT | STYLE_BOLD, "why");
    col = window_puts(w, 0, col + 1, STYLE_DIM, "#");
    col = window_puts_cut(w, 0, col, w->r.w / 3, STYLE_DIM, y->channel);
    if (about)
        window_puts_cut(w, 0, col + 2, w->r.w - col - 2, STYLE_STRONG, about->text);
    col = 0;
    if (y->elapsed_ms >= 0) {
        format_duration(y->elapsed_ms, text);
        col = put_sum(w, col, "replied after", text);
    }
    if (y->first_word_ms >= 0) {
        format_duration(y->first_word_ms, text);
        col = put_sum(w, col, "first word", text);
    }
    money_text(y->usage.cost_usd, y->usage.cost_is_estimate, text);
    col = put_sum(w, col, "", text);
    tokens_text(&y->usage, text, sizeof text);
    col = put_sum(w, col, "tok", text);
    snprintf(text, sizeof text, "%lld call%s", (long long)y->calls, y->calls == 1 ? "" : "s");
    col = put_sum(w, col, "", text);
    format_clock(y->started_ms, now_ms, text);
    (void)put_sum(w, col, "since", text);
}

/* ---- rows ------------------------------------------------------------------------------------ */

struct columns {
    int state, time, tokens, cost; /* where they end, the state where it begins; 0: no room */
    int what;                      /* columns of what happened */
};

static struct columns arrange(int width) {
    struct columns c = {0};
    int right = width;
    if (width >= 56) {
        c.cost = right;
        right -= 9;
    }
    if (width >= 68) {
        c.tokens = right;
        right -= 13;
    }
    c.time = right;
    right -= 9;
    if (width >= 40) {
        c.state = right - 13;
        right -= 14;
    }
    c.what = right > 1 ? right - 1 : 1;
    return c;
}

static unsigned state_style(const char *state, enum symbol *symbol) {
    static const char *const good[] = {"ok", "done", "succeeded"};
    static const char *const bad[] = {"error", "failed", "timed_out"};
    static const char *const going[] = {"created", "running", "waiting_for_input", "completing"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        if (str_eq(state, good[i])) {
            *symbol = SYMBOL_CHECK;
            return STYLE_GOOD;
        }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (str_eq(state, bad[i])) {
            *symbol = SYMBOL_CROSS;
            return STYLE_BAD;
        }
    for (size_t i = 0; i < ARRAY_LEN(going); i++)
        if (str_eq(state, going[i])) {
            *symbol = SYMBOL_BUSY;
            return STYLE_ACCENT;
        }
    *symbol = SYMBOL_ASKS;
    return STYLE_WARN;
}

static bool last_of_its_kin(const struct why *w, size_t i, int depth) {
    for (size_t k = i + 1; k < w->n && w->v[k].depth >= depth; k++)
        if (w->v[k].depth == depth)
            return false;
    return true;
}

/* The lines down from those above, and the one to it; returns the column behind. */
static int put_tree(const struct window *w, int row, const struct why *y, size_t i,
                    unsigned flags) {
    int depth = y->v[i].depth;
    for (int d = 1; d <= depth; d++) {
        bool last = last_of_its_kin(y, i, d);
        if (d == depth)
            window_symbol(w, row, (d - 1) * STEP, STYLE_RULE | flags,
                          last ? SYMBOL_ELBOW : SYMBOL_TEE);
        else if (!last)
            window_symbol(w, row, (d - 1) * STEP, STYLE_RULE | flags, SYMBOL_BAR);
    }
    return depth * STEP;
}

static int put_kind(const struct window *w, int row, int col, enum process_kind kind,
                    unsigned flags) {
    return window_puts(w, row, col, STYLE_DIM | flags, process_kind_symbol(kind, w->theme->ascii)) +
           1;
}

/* Who or what it is, and the first words of it, in `max` columns. */
static void put_what(const struct window *w, int row, int col, int max, const struct why_row *r,
                     unsigned flags) {
    const char *text = r->text ? r->text : "";
    char more[48] = "";
    unsigned style = STYLE_TEXT;
    switch (r->kind) {
    case WHY_MESSAGE:
    case WHY_REPLY:
        col =
            window_puts_cut(w, row, col, max - col < 20 ? max - col : 20,
                            (r->kind == WHY_REPLY ? STYLE_ACCENT : STYLE_STRONG) | flags, r->name) +
            1;
        break;
    case WHY_TURN:
        col = put_kind(w, row, col, PROCESS_CHANNEL, flags);
        text = *text ? text : r->name;
        style = STYLE_DIM;
        break;
    case WHY_BRANCH:
        col = put_kind(w, row, col, PROCESS_BRANCH, flags);
        text = r->name;
        break;
    case WHY_WORKER:
        col = put_kind(w, row, col, PROCESS_WORKER, flags);
        text = r->name;
        break;
    case WHY_MEMORY:
        col = window_puts(w, row, col, STYLE_DIM | flags, "memory") + 1;
        break;
    case WHY_TOOL:
        col = window_symbol(w, row, col, STYLE_DIM | flags, SYMBOL_FOLDED) + 1;
        if (!r->label) {
            col = window_puts_cut(w, row, col, max - col, STYLE_TEXT | flags, r->name) + 1;
            style = STYLE_DIM;
        }
        text = r->label ? r->label : text;
        break;
    }
    if (r->left_out)
        snprintf(more, sizeof more, " +%zu not shown", r->left_out);
    int left = max - col - (int)strlen(more);
    if (left > 0)
        col = window_puts_cut(w, row, col, left, style | flags, text);
    if (col + (int)strlen(more) <= max)
        window_puts(w, row, col, STYLE_WARN | flags, more);
}

static void draw_row(const struct window *w, int row, const struct columns *c, const struct why *y,
                     size_t i, int64_t now_ms, unsigned flags) {
    const struct why_row *r = &y->v[i];
    char text[3 * FORMAT_SIZE] = "";
    window_clear_row(w, row, STYLE_TEXT | flags);
    put_what(w, row, put_tree(w, row, y, i, flags), c->what, r, flags);
    if (r->state && c->state) {
        enum symbol symbol;
        unsigned style = state_style(r->state, &symbol) | flags;
        int col = window_symbol(w, row, c->state, style, symbol);
        window_puts_cut(w, row, col + 1, 11, style, r->state);
    }
    if (r->kind == WHY_MESSAGE || r->kind == WHY_REPLY)
        format_clock(r->ended_ms, now_ms, text);
    else if (r->started_ms && r->ended_ms)
        format_duration(r->ended_ms - r->started_ms, text);
    else if (r->started_ms)
        format_elapsed(now_ms > r->started_ms ? now_ms - r->started_ms : 0, text);
    window_puts_right(
        w, row, c->time,
        (r->kind == WHY_MESSAGE || r->kind == WHY_REPLY ? STYLE_DIM : STYLE_TEXT) | flags, text);
    if (!r->costs)
        return;
    tokens_text(&r->usage, text, sizeof text);
    if (c->tokens)
        window_puts_right(w, row, c->tokens, STYLE_DIM | flags, text);
    money_text(r->usage.cost_usd, r->usage.cost_is_estimate, text);
    if (c->cost)
        window_puts_right(w, row, c->cost, STYLE_DIM | flags, text);
}

static void draw_columns(const struct window *w, int row, const struct columns *c) {
    window_puts(w, row, 0, STYLE_DIM, "WHAT");
    if (c->state)
        window_puts(w, row, c->state, STYLE_DIM, "STATE");
    window_puts_right(w, row, c->time, STYLE_DIM, "TIME");
    if (c->tokens)
        window_puts_right(w, row, c->tokens, STYLE_DIM, "TOK IN/OUT");
    if (c->cost)
        window_puts_right(w, row, c->cost, STYLE_DIM, "COST");
}

/* The selected row in more words: what it was about, and what came of it. */
static void draw_detail(const struct window *w, int row, const struct why_row *r) {
    char *text =
        xasprintf("%s%s%s", r->text ? r->text : "", r->text && *r->text && r->outcome ? " = " : "",
                  r->outcome ? r->outcome : "");
    for (char *s = text; *s; s++)
        if (*s == '\n')
            *s = ' ';
    struct wrap lines = {0};
    wrap_feed(&lines, text, strlen(text), w->r.w > 2 ? w->r.w - 1 : 1, true);
    for (size_t i = 0; i < wrap_lines(&lines) && row < w->r.h; i++) {
        size_t n;
        int indent;
        const char *line = wrap_line(&lines, i, &n, &indent);
        window_put(w, row++, indent, -1, STYLE_DIM, line, n);
    }
    wrap_free(&lines);
    x_free(&text);
}

static void why_draw(void *self, const struct pane_env *env, const struct window *whole,
                     bool focused) {
    struct why_pane *p = self;
    struct window w = *whole;
    window_clear(whole);
    if (w.r.w > WIDTH_MAX)
        w.r.w = WIDTH_MAX;
    if (!p->w)
        return;
    bool detail = w.r.h >= DETAIL_FROM;
    p->height = w.r.h - HEAD - (detail ? DETAIL : 0);
    if (p->height < 1)
        p->height = 1;
    size_t height = (size_t)p->height, at = p->selected = place(p);
    if (at < p->top)
        p->top = at;
    if (at >= p->top + height)
        p->top = at - height + 1;
    if (p->top + height > p->w->n)
        p->top = p->w->n > height ? p->w->n - height : 0;
    struct columns c = arrange(w.r.w);
    draw_head(&w, p->w, env->now_ms);
    draw_columns(&w, HEAD - 1, &c);
    for (size_t i = 0; i < height && p->top + i < p->w->n; i++)
        draw_row(&w, HEAD + (int)i, &c, p->w, p->top + i, env->now_ms,
                 focused && p->top + i == at ? STYLE_REVERSED : 0u);
    if (detail && p->w->n)
        draw_detail(&w, w.r.h - DETAIL + 1, &p->w->v[at]);
}

/* ---- actions --------------------------------------------------------------------------------- */

static struct pane_answer move_to(struct why_pane *p, int64_t at) {
    int64_t n = p->w ? (int64_t)p->w->n : 0;
    if (n == 0)
        return (struct pane_answer){PANE_IGNORED, PROCESS_NONE};
    p->selected = (size_t)(at < 0 ? 0 : at >= n ? n - 1 : at);
    return (struct pane_answer){PANE_DONE, PROCESS_NONE};
}

static struct process_handle why_selected(void *self, const struct pane_env *env) {
    const struct why_pane *p = self;
    const char *id = pane_why_process(self);
    char *channel = p->w ? xasprintf("channel:%s", p->w->channel) : NULL;
    const struct process *found = id        ? process_find(env->table, id)
                                  : channel ? process_find(env->table, channel)
                                            : NULL;
    x_free(&channel);
    return found ? found->handle : PROCESS_NONE;
}

static struct pane_answer why_act(void *self, const struct pane_env *env, enum action a) {
    struct why_pane *p = self;
    int64_t at = (int64_t)place(p);
    switch (a) {
    case ACTION_UP:
        return move_to(p, at - 1);
    case ACTION_DOWN:
        return move_to(p, at + 1);
    case ACTION_PAGE_UP:
        return move_to(p, at - p->height);
    case ACTION_PAGE_DOWN:
        return move_to(p, at + p->height);
    case ACTION_TOP:
        return move_to(p, 0);
    case ACTION_BOTTOM:
        return move_to(p, INT64_MAX);
    case ACTION_OPEN: {
        struct process_handle h = why_selected(self, env);
        if (h.generation)
            return (struct pane_answer){PANE_SHOW, h};
        break;
    }
    ACTIONS_OF_THE_VIEW:
        break;
    }
    return (struct pane_answer){PANE_IGNORED, PROCESS_NONE};
}

static bool why_can(void *self, const struct pane_env *env, enum action a) {
    const struct why_pane *p = self;
    if (a == ACTION_OPEN)
        return why_selected(self, env).generation != 0;
    return a != ACTION_PAGE_UP || (p->w && p->w->n > (size_t)p->height);
}

extern const struct pane_ops pane_why_ops;
const struct pane_ops pane_why_ops = {
    .name = "why",
    .open = why_open,
    .close = why_close,
    .draw = why_draw,
    .act = why_act,
    .can = why_can,
    .selected = why_selected,
};
