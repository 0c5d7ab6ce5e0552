/* pane/help: the keys that act, from the table that makes them act. */
#include "ui/pane.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct help {
    int top, rows, height; /* rows there are, rows that are seen */
};

static void *help_open(void) { return xcalloc(1, sizeof(struct help)); }
static void help_close(void *self) { free(self); }

static const char *const sections[] = {
    "Everywhere",
    "Writing",
    "In the processes, the transcript, the live panes, the wall and the table",
    "Typed after : (as are the names of most actions above)",
};

static bool belongs(const struct action_info *a, size_t section) {
    bool composer = a->where & AT(COMPOSER), lists = a->where & AT_PANES;
    if (section == 3)
        return a->where == 0;
    return section == 0   ? composer && lists
           : section == 1 ? composer && !lists
                          : lists && !composer;
}

static void put_row(const struct help *h, const struct window *w, int at, unsigned style,
                    const char *keys, const char *text) {
    int row = at - h->top;
    if (row < 0 || row >= w->r.h)
        return;
    int col = window_puts(w, row, keys ? 2 : 0, keys ? STYLE_ACCENT : style, keys ? keys : "");
    window_puts_cut(w, row, keys ? (col < 11 ? 12 : col + 2) : 0, w->r.w, style, text);
}

static void help_draw(void *self, const struct pane_env *env, const struct window *w,
                      bool focused) {
    (void)focused;
    struct help *h = self;
    window_clear(w);
    h->height = w->r.h;
    int at = 0;
    /* First what acts where the person was. */
    size_t here = env->from == FOCUS_COMPOSER ? 1 : 2;
    for (size_t i = 0; i < ARRAY_LEN(sections); i++) {
        size_t s = i == 0 ? here : i <= here ? i - 1 : i;
        if (i)
            at++;
        put_row(h, w, at++, STYLE_STRONG, NULL, sections[s]);
        const struct action_info *a;
        for (size_t k = 0; (a = keymap_action(k)) != NULL; k++)
            if (belongs(a, s))
                put_row(h, w, at++, STYLE_TEXT, a->keys, a->help);
    }
    put_row(h, w, at + 1, STYLE_DIM, NULL,
            "Writing has the keys of readline: emacs or vi, as ~/.inputrc says.");
    h->rows = at + 2;
    if (h->top + h->height < h->rows)
        window_puts_right(w, w->r.h - 1, w->r.w - 1, STYLE_ACCENT, " more below: PgDn ");
}

static struct pane_answer help_act(void *self, const struct pane_env *env, enum action a) {
    (void)env;
    struct help *h = self;
    int top = h->top, last = h->rows > h->height ? h->rows - h->height : 0;
    switch (a) {
    case ACTION_UP:
        top--;
        break;
    case ACTION_DOWN:
        top++;
        break;
    case ACTION_PAGE_UP:
        top -= h->height;
        break;
    case ACTION_PAGE_DOWN:
        top += h->height;
        break;
    case ACTION_TOP:
        top = 0;
        break;
    case ACTION_BOTTOM:
        top = last;
        break;
    case ACTION_OPEN:
    ACTIONS_OF_THE_VIEW:
        return (struct pane_answer){PANE_IGNORED, PROCESS_NONE};
    }
    h->top = top < 0 ? 0 : top > last ? last : top;
    return (struct pane_answer){PANE_DONE, PROCESS_NONE};
}

static bool help_can(void *self, const struct pane_env *env, enum action a) {
    (void)env;
    const struct help *h = self;
    return a != ACTION_PAGE_UP || h->rows > h->height;
}

static struct process_handle help_selected(void *self, const struct pane_env *env) {
    (void)self;
    (void)env;
    return PROCESS_NONE;
}

extern const struct pane_ops pane_help;
const struct pane_ops pane_help = {
    .name = "help",
    .open = help_open,
    .close = help_close,
    .draw = help_draw,
    .act = help_act,
    .can = help_can,
    .selected = help_selected,
};
