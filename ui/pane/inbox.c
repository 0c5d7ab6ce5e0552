/* pane/inbox: what waits for a person, oldest first: who asks from the channel down, for what, and
 * the keys that answer. */
#include "ui/pane/inbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "ui/format.h"
#include "ui/pane.h"
#include "ui/wrap.h"

#define ROWS 4   /* of one that is not selected: who, what, how to answer, a blank */
#define DIGITS 9 /* keys that choose an option */
#define INDENT 3 /* of everything below the number */

struct inbox_pane {
    int64_t selected; /* number; one that is gone means the next */
    int64_t whole;    /* the request of which every row has been on the screen */
    size_t top;
    int height, width;
    /* Of the selected one, where it has more rows than the screen: */
    int64_t read;         /* its number */
    int rows, skip, seen; /* all, above the first one that is shown, shown from the first one on */
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

bool pane_inbox_whole(void *self, const struct inbox_request *r) {
    return ((struct inbox_pane *)self)->whole == r->number;
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

/* All of it, however many rows that takes; returns the row below. What is under the window is only
 * counted. */
static int put_whole(const struct window *w, int row, int col, unsigned style, const char *text) {
    struct wrap lines = {0};
    wrap_feed(&lines, text, strlen(text), w->r.w > col ? w->r.w - col : 1, true);
    for (size_t i = 0; i < wrap_lines(&lines); i++) {
        size_t n;
        int indent;
        const char *line = wrap_line(&lines, i, &n, &indent);
        window_put(w, row++, col + indent, -1, style, line, n);
    }
    wrap_free(&lines);
    return row;
}

/* The rows that a preview takes; drawn from `row` on where it is in the window. Without `max` rows
 * all of it, else at most so many, the last of which counts what is left out. */
static int put_preview(const struct window *w, int row, const char *text, int max) {
    int rows = 0, all = max < 0 ? 0 : put_preview(w, w->r.h, text, -1);
    int fit = all > max && max >= 0 ? max - 1 : all;
    while (text) {
        size_t n = strcspn(text, "\n");
        unsigned style = *text == '+' ? STYLE_GOOD : *text == '-' ? STYLE_BAD : STYLE_DIM;
        struct wrap lines = {0};
        wrap_feed(&lines, text, n, w->r.w > INDENT ? w->r.w - INDENT : 1, true);
        for (size_t i = 0; i < wrap_lines(&lines); i++, rows++) {
            size_t len;
            int indent;
            const char *line = wrap_line(&lines, i, &len, &indent);
            if (max < 0 || rows < fit)
                window_put(w, row + rows, INDENT + indent, -1, style, line, len);
        }
        wrap_free(&lines);
        text = text[n] ? text + n + 1 : NULL;
    }
    if (max < 0 || fit == all)
        return rows;
    char more[80];
    snprintf(more, sizeof more, "[%d more rows; spacebot inbox shows them]", rows - fit);
    window_puts_cut(w, row + fit, INDENT, w->r.w - INDENT, STYLE_WARN, more);
    return fit + 1;
}

static int put_answers(const struct window *w, int row, const struct inbox_request *r) {
    char *text = NULL;
    switch (r->kind) {
    case INBOX_PERMISSION:
        text = r->pattern ? xasprintf("[y] once  [n] no  [a] always for %s", r->pattern)
                          : xstrdup("[y] once  [n] no");
        row = put_whole(w, row, INDENT, STYLE_ACCENT, text);
        x_free(&text);
        break;
    case INBOX_QUESTION:
        for (size_t k = 0; k < r->noptions; k++) {
            const char *more = r->options[k].description;
            text = xasprintf("%2zu %s%s%s", k + 1, r->options[k].label, more ? ": " : "",
                             more ? more : "");
            row = put_whole(w, row, INDENT, STYLE_ACCENT, text);
            x_free(&text);
        }
        if (r->multi_select || r->noptions > DIGITS) {
            text = xasprintf(":answer %lld %s", (long long)r->number,
                             r->multi_select ? "1,2 for several" : "10 for the last one");
            row = put_whole(w, row, INDENT, STYLE_DIM, text);
            x_free(&text);
        }
        break;
    }
    return row;
}

/* The selected one is shown whole, since it may be answered; of others a line. Returns the row
 * below. */
static int draw_request(const struct window *w, int row, const struct inbox_request *r,
                        const struct pane_env *env, bool selected, unsigned flags) {
    char number[24], clock[FORMAT_SIZE], since[FORMAT_SIZE + 8];
    snprintf(number, sizeof number, "%lld", (long long)r->number);
    format_clock(r->asked_ms, env->now_ms, clock);
    snprintf(since, sizeof since, "since %s", clock);
    window_puts(w, row, 0, STYLE_WARN | STYLE_BOLD | flags, number);
    int col = (int)strlen(number) + 1; /* numbers are never used again: they grow long */
    col = window_puts(w, row, col > INDENT ? col : INDENT, STYLE_DIM | flags,
                      inbox_kind_name(r->kind)) +
          2;
    col = put_path(w, row, col, flags, r);
    if (col + 2 + (int)strlen(since) <= w->r.w) /* who asks matters more */
        window_puts_right(w, row, w->r.w, STYLE_DIM | flags, since);
    if (!selected) {
        window_puts_cut(w, row + 1, INDENT, w->r.w - INDENT, STYLE_STRONG, r->text);
        return row + ROWS;
    }
    int first = row;
    row = put_whole(w, row + 1, INDENT, STYLE_STRONG, r->text);
    if (r->preview) { /* the rows that nothing else of it needs, but one at least */
        int rest = put_answers(w, w->r.h, r) - w->r.h;
        if (r->reason)
            rest += put_whole(w, w->r.h, INDENT, STYLE_DIM, r->reason) - w->r.h;
        int room = w->r.h - (row - first) - rest;
        row += put_preview(w, row, r->preview, room > 1 ? room : 1);
    }
    if (r->reason)
        row = put_whole(w, row, INDENT, STYLE_DIM, r->reason);
    return put_answers(w, row, r) + 1;
}

/* One that has more rows than there are: a part of it, which Up and Down move. */
static void draw_part(struct inbox_pane *b, const struct pane_env *env, const struct window *w,
                      const struct inbox_request *r, bool focused) {
    struct window part = *w;
    part.r.h = w->r.h > 1 ? w->r.h - 1 : 1;
    b->rows = draw_request(&part, part.r.h, r, env, true, 0) - part.r.h - 1;
    int most = b->rows > part.r.h ? b->rows - part.r.h : 0;
    if (b->skip > most)
        b->skip = most;
    int end = b->skip + part.r.h;
    if (end > b->rows)
        end = b->rows;
    draw_request(&part, -b->skip, r, env, true, focused ? STYLE_REVERSED : 0u);
    if (b->skip <= b->seen && end > b->seen)
        b->seen = end;
    if (b->seen >= b->rows)
        b->whole = r->number;
    char where[80];
    snprintf(where, sizeof where, "rows %d to %d of %d; Down and Up move", b->skip + 1, end,
             b->rows);
    window_puts_cut(w, part.r.h, INDENT, w->r.w - INDENT, STYLE_WARN, where);
}

static void inbox_draw(void *self, const struct pane_env *env, const struct window *w,
                       bool focused) {
    struct inbox_pane *b = self;
    size_t at, index = 0;
    window_clear(w);
    b->height = w->r.h;
    b->whole = 0;
    const struct inbox_request *r = find(b, env->inbox, &at);
    if (!r) {
        window_puts(w, 0, 0, STYLE_DIM, "nothing waits for you");
        return;
    }
    b->selected = r->number;
    if (b->read != r->number || b->width != w->r.w)
        b->skip = b->seen = 0;
    b->read = r->number;
    b->width = w->r.w;
    b->rows = 0;
    int rows = draw_request(w, w->r.h, r, env, true, 0) - w->r.h;
    if (rows - 1 > w->r.h) {
        draw_part(b, env, w, r, focused);
        return;
    }
    int above = (w->r.h - rows + 1) / ROWS; /* its last row is blank */
    if (at < b->top)
        b->top = at;
    if (above < 0)
        above = 0;
    if (at > b->top + (size_t)above)
        b->top = at - (size_t)above;
    int row = 0;
    for (r = NULL; row < w->r.h && (r = inbox_next(env->inbox, r)); index++) {
        if (index < b->top)
            continue;
        row =
            draw_request(w, row, r, env, index == at, focused && index == at ? STYLE_REVERSED : 0u);
        if (index == at && row - 1 <= w->r.h)
            b->whole = r->number;
    }
}

static struct pane_answer move_to(struct inbox_pane *b, const struct pane_env *env, int64_t at) {
    const struct inbox_request *r = env->inbox ? inbox_next(env->inbox, NULL) : NULL, *next;
    if (!r)
        return (struct pane_answer){PANE_IGNORED, PROCESS_NONE};
    while (at-- > 0 && (next = inbox_next(env->inbox, r)) != NULL)
        r = next;
    b->selected = r->number;
    return (struct pane_answer){PANE_DONE, PROCESS_NONE};
}

/* Within one that does not fit, and over no row that was not on the screen yet; false where its end
 * is reached. */
static bool scroll(struct inbox_pane *b, int by) {
    int most = b->rows - (b->height - 1);
    int to = b->skip + by < 0 ? 0 : b->skip + by > most ? most : b->skip + by;
    if (b->rows == 0 || to == b->skip)
        return false;
    b->skip = to < b->seen ? to : b->seen;
    return true;
}

static struct pane_answer inbox_act(void *self, const struct pane_env *env, enum action a) {
    struct inbox_pane *b = self;
    size_t place;
    const struct inbox_request *r = find(b, env->inbox, &place);
    int64_t at = (int64_t)place, page = b->height / ROWS > 1 ? b->height / ROWS : 1;
    int rows = a == ACTION_UP          ? -1
               : a == ACTION_DOWN      ? 1
               : a == ACTION_PAGE_UP   ? -(b->height - 2)
               : a == ACTION_PAGE_DOWN ? b->height - 2
               : a == ACTION_TOP       ? -b->rows
               : a == ACTION_BOTTOM    ? b->rows
                                       : 0;
    if (r && rows && scroll(b, rows))
        return (struct pane_answer){PANE_DONE, PROCESS_NONE};
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
    return a != ACTION_PAGE_UP || ((struct inbox_pane *)self)->rows > 0 ||
           (env->inbox && inbox_count(env->inbox) > 1);
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
