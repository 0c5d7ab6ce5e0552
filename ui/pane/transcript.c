/* pane/transcript: the journal of the process that the person is with. */
#include "ui/journal_view.h"
#include "ui/pane.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static void *transcript_open(void) {
    struct journal_view *v = xmalloc(sizeof *v);
    journal_view_init(v, false);
    return v;
}

static void transcript_close(void *self) {
    journal_view_free(self);
    free(self);
}

static void transcript_show(void *self, struct process_handle process) {
    journal_view_show(self, process);
}

/* Draws one wrapped, from `row` on, or only measures it; returns its rows. One that begins with a
 * blank stands out as something to type. */
static int draw_paragraph(const struct window *w, int row, const char *text, bool measure) {
    struct wrap lines = {0};
    wrap_feed(&lines, text, strlen(text), w->r.w > 2 ? w->r.w - 1 : 1, true);
    int rows = (int)wrap_lines(&lines);
    for (int k = 0; k < rows && !measure; k++) {
        size_t n;
        int indent;
        const char *line = wrap_line(&lines, (size_t)k, &n, &indent);
        window_put(w, row + k, indent, -1, text[0] == ' ' ? STYLE_ACCENT : STYLE_TEXT, line, n);
    }
    wrap_free(&lines);
    return rows;
}

/* Paragraphs with a blank line between; on a low screen none that would be cut but the first. */
static void draw_greeting(const struct window *w, const char *const *paragraphs) {
    int row = 0;
    for (int i = 0; paragraphs && paragraphs[i]; i++) {
        int rows = draw_paragraph(w, row, paragraphs[i], true);
        if (i > 0 && row + rows > w->r.h)
            break;
        row += draw_paragraph(w, row, paragraphs[i], false) + 1;
    }
}

static void transcript_draw(void *self, const struct pane_env *env, const struct window *w,
                            bool focused) {
    journal_view_draw(self, env->table, w, env->now_ms, focused);
    const struct process *p = process_get(env->table, env->shown);
    if (!p || p->journal.n == 0)
        draw_greeting(w, env->greeting);
}

static struct pane_answer transcript_act(void *self, const struct pane_env *env, enum action a) {
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
    case ACTION_OPEN: {
        const char *id = journal_view_open(v, env->table, env->theme);
        const struct process *p = id ? process_find(env->table, id) : NULL;
        return p ? (struct pane_answer){PANE_SHOW, p->handle} : done;
    }
    ACTIONS_OF_THE_VIEW:
        break; /* the view's */
    }
    return (struct pane_answer){PANE_IGNORED, PROCESS_NONE};
}

static bool transcript_can(void *self, const struct pane_env *env, enum action a) {
    const struct process *p = process_get(env->table, env->shown);
    if (a == ACTION_BOTTOM)
        return !((const struct journal_view *)self)->follow;
    if (a == ACTION_OPEN || a == ACTION_PAGE_UP)
        return p && p->journal.n > 0;
    return true;
}

static struct process_handle transcript_selected(void *self, const struct pane_env *env) {
    (void)self;
    return env->shown;
}

static struct journal_view *transcript_journal(void *self) { return self; }

extern const struct pane_ops pane_transcript;
const struct pane_ops pane_transcript = {
    .name = "transcript",
    .open = transcript_open,
    .close = transcript_close,
    .show = transcript_show,
    .draw = transcript_draw,
    .act = transcript_act,
    .can = transcript_can,
    .journal = transcript_journal,
    .selected = transcript_selected,
};
