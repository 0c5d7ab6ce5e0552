/* pane/inbox: what waits for a person, oldest first: who asks from the channel down, for what, and
 * the keys that answer. */
#include "ui/pane/inbox.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "ui/format.h"
#include "ui/pane.h"

#define ROWS 4 /* of one request: who and what, why, how to answer, a blank */

struct inbox_pane {
    int64_t selected; /* number; one that is gone means the next */
    size_t top;
    int height;
};

static void *inbox_open(void) { return xcalloc(1, sizeof(struct inbox_pane)); }
static void inbox_close(void *self) { free(self); }

/* Its place in the list, and itself; the one after a request that was answered. */
static const struct inbox_request *find(const struct inbox_pane *b, const struct inbox *i,
                                        size_t *at) {
    const struct inbox_request *r = NULL, *last = NULL;
    for (*at = 0; i && (r = inbox_next(i, r)); last = r, ++*at)
        if (r->number >= b->selected)
            return r;
    *at = *at ? *at - 1 : 0;
    return last;
}

const struct inbox_request *pane_inbox_selected(void *self, const struct inbox *i) {
    size_t at;
    return find(self, i, &at);
}

static int put_path(const struct window *w, int row, int col, unsigned flags,
                    const struct inbox_request *r) {
    const char *arrow = theme_symbol(w->theme, SYMBOL_FOLDED);
    for (size_t k = 0; k < r->npath; k++) {
        const struct inbox_step *s = &r->path[k];
        col = window_puts(w, row, col, STYLE_DIM | flags,
                          process_kind_symbol(s->kind, w->theme->ascii));
        col += s->kind != PROCESS_CHANNEL;
        col = window_puts_cut(w, row, col, 24, STYLE_STRONG | flags, s->name);
        col = window_puts(w, row, col + 1, STYLE_DIM | flags, arrow) + 1;
    }
    return window_puts(w, row, col, STYLE_ACCENT | flags, r->tool);
}

static void put_answers(const struct window *w, int row, const struct inbox_request *r) {
    int col = 3;
    switch (r->kind) {
    case INBOX_PERMISSION:
        col = window_puts(w, row, col, STYLE_ACCENT, "[y] once") + 2;
        if (r->pattern) {
            col = window_puts(w, row, col, STYLE_ACCENT, "[a] always for ");
            col = window_puts_cut(w, row, col, w->r.w - col - 12, STYLE_TEXT, r->pattern) + 2;
        }
        window_puts(w, row, col, STYLE_ACCENT, "[n] no");
        return;
    case INBOX_QUESTION:
        for (size_t k = 0; k < r->noptions && col < w->r.w; k++) {
            char number[24];
            snprintf(number, sizeof number, "%zu ", k + 1);
            col = window_puts(w, row, col, STYLE_ACCENT, number);
            col = window_puts_cut(w, row, col, w->r.w - col, STYLE_TEXT, r->options[k].label) + 3;
        }
        return;
    }
}

static void draw_request(const struct window *w, int row, const struct inbox_request *r,
                         const struct pane_env *env, unsigned flags) {
    char number[24], clock[FORMAT_SIZE], since[FORMAT_SIZE + 8];
    snprintf(number, sizeof number, "%lld", (long long)r->number);
    format_clock(r->asked_ms, env->now_ms, clock);
    snprintf(since, sizeof since, "since %s", clock);
    window_puts(w, row, 0, STYLE_WARN | STYLE_BOLD | flags, number);
    int col = window_puts(w, row, 3, STYLE_DIM | flags, inbox_kind_name(r->kind)) + 2;
    put_path(w, row, col, flags, r);
    window_puts_right(w, row, w->r.w, STYLE_DIM | flags, since);
    if (row + 1 < w->r.h) {
        col = window_puts_cut(w, row + 1, 3, w->r.w - 3, STYLE_STRONG, r->text);
        if (r->reason && col + 4 < w->r.w)
            window_puts_cut(w, row + 1, col + 2, w->r.w - col - 2, STYLE_DIM, r->reason);
    }
    if (row + 2 < w->r.h)
        put_answers(w, row + 2, r);
}

static void inbox_draw(void *self, const struct pane_env *env, const struct window *w,
                       bool focused) {
    struct inbox_pane *b = self;
    size_t at, fit = w->r.h > ROWS ? (size_t)(w->r.h / ROWS) : 1, index = 0;
    window_clear(w);
    b->height = w->r.h;
    const struct inbox_request *r = find(b, env->inbox, &at);
    if (!r) {
        window_puts(w, 0, 0, STYLE_DIM, "nothing waits for you");
        return;
    }
    b->selected = r->number;
    if (at < b->top)
        b->top = at;
    if (at >= b->top + fit)
        b->top = at - fit + 1;
    for (r = NULL; (r = inbox_next(env->inbox, r)); index++)
        if (index >= b->top && index < b->top + fit)
            draw_request(w, (int)(index - b->top) * ROWS, r, env,
                         focused && index == at ? STYLE_REVERSED : 0u);
}

static struct pane_answer move_to(struct inbox_pane *b, const struct pane_env *env, int64_t at) {
    const struct inbox_request *r = NULL;
    int64_t n = env->inbox ? (int64_t)inbox_count(env->inbox) : 0;
    if (n == 0)
        return (struct pane_answer){PANE_IGNORED, PROCESS_NONE};
    at = at < 0 ? 0 : at >= n ? n - 1 : at;
    while (at-- >= 0)
        r = inbox_next(env->inbox, r);
    b->selected = r->number;
    return (struct pane_answer){PANE_DONE, PROCESS_NONE};
}

static struct pane_answer inbox_act(void *self, const struct pane_env *env, enum action a) {
    struct inbox_pane *b = self;
    size_t place;
    const struct inbox_request *r = find(b, env->inbox, &place);
    int64_t at = (int64_t)place, page = b->height / ROWS > 1 ? b->height / ROWS : 1;
    switch (a) {
    case ACTION_UP:
        return move_to(b, env, at - 1);
    case ACTION_DOWN:
        return move_to(b, env, at + 1);
    case ACTION_PAGE_UP:
        return move_to(b, env, at - page);
    case ACTION_PAGE_DOWN:
        return move_to(b, env, at + page);
    case ACTION_TOP:
        return move_to(b, env, 0);
    case ACTION_BOTTOM:
        return move_to(b, env, INT64_MAX);
    case ACTION_OPEN:
        if (r && process_get(env->table, r->process))
            return (struct pane_answer){PANE_SHOW, r->process};
        break;
    ACTIONS_OF_THE_VIEW:
        break;
    }
    return (struct pane_answer){PANE_IGNORED, PROCESS_NONE};
}

static bool inbox_can(void *self, const struct pane_env *env, enum action a) {
    size_t at;
    const struct inbox_request *r = find(self, env->inbox, &at);
    if (a == ACTION_OPEN)
        return r && process_get(env->table, r->process);
    return a != ACTION_PAGE_UP || (env->inbox && inbox_count(env->inbox) > 1);
}

static struct process_handle inbox_selected(void *self, const struct pane_env *env) {
    const struct inbox_request *r = pane_inbox_selected(self, env->inbox);
    return r ? r->process : PROCESS_NONE;
}

extern const struct pane_ops pane_inbox;
const struct pane_ops pane_inbox = {
    .name = "inbox",
    .open = inbox_open,
    .close = inbox_close,
    .draw = inbox_draw,
    .act = inbox_act,
    .can = inbox_can,
    .selected = inbox_selected,
};
