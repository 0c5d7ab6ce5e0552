/* journal_view: positions are (sequence number, row in that entry), so that they hold while entries
 * grow, and others come and go. */
#include "ui/journal_view.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* A row: entry number and row in it. */
struct place {
    size_t index, row;
};

/* What every step needs. */
struct walk {
    struct journal_view *v;
    const struct theme *theme;
    const struct journal *j;
    struct block_env env;
};

static bool same(struct process_handle a, struct process_handle b) {
    return a.index == b.index && a.generation == b.generation;
}

void journal_view_init(struct journal_view *v, bool live) {
    memset(v, 0, sizeof *v);
    v->live = live;
    v->follow = true;
}

static void drop_blocks(struct journal_view *v) {
    for (size_t i = 0; v->slots && i < JOURNAL_VIEW_SLOTS; i++)
        block_free(&v->slots[i]);
    x_free(&v->slots);
}

void journal_view_free(struct journal_view *v) {
    drop_blocks(v);
    memset(v, 0, sizeof *v);
}

void journal_view_show(struct journal_view *v, struct process_handle process) {
    if (same(v->process, process))
        return;
    bool live = v->live;
    journal_view_free(v);
    journal_view_init(v, live);
    v->process = process;
}

static bool walk_start(struct walk *k, struct journal_view *v, const struct process_table *t,
                       const struct theme *theme, int64_t now_ms) {
    const struct process *p = process_get(t, v->process);
    if (!p || p->journal.n == 0 || v->width < 1 || v->height < 1)
        return false;
    if (!v->slots)
        v->slots = xcalloc(JOURNAL_VIEW_SLOTS, sizeof *v->slots);
    *k = (struct walk){.v = v,
                       .theme = theme,
                       .j = &p->journal,
                       .env = {.table = t, .process = p, .live = v->live, .now_ms = now_ms}};
    return true;
}

static bool is_unfolded(const struct journal_view *v, uint64_t seq) {
    for (size_t i = 0; i < JOURNAL_VIEW_FOLDS; i++)
        if (v->unfolded[i] == seq)
            return true;
    return false;
}

static struct block *block_at(const struct walk *k, size_t index) {
    uint64_t seq = k->j->v[index]->seq;
    struct block *b = &k->v->slots[seq % JOURNAL_VIEW_SLOTS];
    block_update(b, &k->env, index, k->v->width, is_unfolded(k->v, seq), k->theme);
    return b;
}

/* Entries are in order of seq without holes but at the front: mostly a subtraction. */
static struct place find(const struct walk *k, uint64_t seq, size_t row) {
    uint64_t first = k->j->v[0]->seq;
    size_t index = 0;
    if (seq > first) {
        index = (size_t)(seq - first);
        if (index >= k->j->n)
            index = k->j->n - 1;
        while (index > 0 && k->j->v[index]->seq > seq)
            index--;
    }
    size_t rows = block_at(k, index)->rows;
    if (k->j->v[index]->seq != seq)
        row = 0;
    return (struct place){index, rows == 0 ? 0 : row < rows ? row : rows - 1};
}

static bool step_up(const struct walk *k, struct place *p) {
    if (p->row > 0) {
        p->row--;
        return true;
    }
    for (size_t i = p->index; i > 0; i--) {
        size_t rows = block_at(k, i - 1)->rows;
        if (rows) {
            *p = (struct place){i - 1, rows - 1};
            return true;
        }
    }
    return false;
}

static bool step_down(const struct walk *k, struct place *p) {
    if (p->row + 1 < block_at(k, p->index)->rows) {
        p->row++;
        return true;
    }
    for (size_t i = p->index + 1; i < k->j->n; i++) {
        if (block_at(k, i)->rows) {
            *p = (struct place){i, 0};
            return true;
        }
    }
    return false;
}

/* The last row there is; false when nothing is shown at all. */
static bool last_place(const struct walk *k, struct place *p) {
    *p = (struct place){k->j->n - 1, 0};
    size_t rows = block_at(k, p->index)->rows;
    if (rows) {
        p->row = rows - 1;
        return true;
    }
    return step_up(k, p);
}

static struct place up_from(const struct walk *k, struct place p, int rows) {
    while (rows-- > 0 && step_up(k, &p))
        ;
    return p;
}

/* The row at the top of the view. A view that is not full at its end is moved so that it is. */
static bool top_place(const struct walk *k, struct place *top) {
    struct place last;
    if (!last_place(k, &last))
        return false;
    struct place lowest = up_from(k, last, k->v->height - 1);
    if (k->v->follow) {
        *top = lowest;
        return true;
    }
    *top = find(k, k->v->top_seq, k->v->top_row);
    if (block_at(k, top->index)->rows == 0 && !step_down(k, top))
        *top = lowest;
    if (top->index > lowest.index || (top->index == lowest.index && top->row > lowest.row))
        *top = lowest;
    return true;
}

static void keep(struct journal_view *v, const struct walk *k, struct place top,
                 struct place cursor) {
    v->top_seq = k->j->v[top.index]->seq;
    v->top_row = top.row;
    v->cursor_seq = k->j->v[cursor.index]->seq;
    v->cursor_row = cursor.row;
}

static bool before(struct place a, struct place b) {
    return a.index < b.index || (a.index == b.index && a.row < b.row);
}

static struct place cursor_place(const struct walk *k) {
    struct place p = {0, 0};
    if (k->v->follow)
        (void)last_place(k, &p);
    else
        p = find(k, k->v->cursor_seq, k->v->cursor_row);
    return p;
}

void journal_view_draw(struct journal_view *v, const struct process_table *t,
                       const struct window *w, int64_t now_ms, bool focused) {
    struct walk k;
    struct place at;
    v->width = w->r.w < LAYOUT_TEXT_MAX ? w->r.w : LAYOUT_TEXT_MAX;
    v->height = w->r.h;
    int row = 0;
    if (walk_start(&k, v, t, w->theme, now_ms) && top_place(&k, &at)) {
        struct place cursor = cursor_place(&k);
        bool more = true;
        for (; row < w->r.h && more; row++) {
            bool under = focused && at.index == cursor.index && at.row == cursor.row;
            block_draw(block_at(&k, at.index), &k.env, k.j->v[at.index], at.row, w, row,
                       under ? STYLE_REVERSED : 0u);
            more = step_down(&k, &at);
        }
    }
    for (; row < w->r.h; row++)
        window_clear_row(w, row, STYLE_TEXT);
}

void journal_view_move(struct journal_view *v, const struct process_table *t,
                       const struct theme *theme, int rows) {
    struct walk k;
    struct place top, cursor, last;
    if (!walk_start(&k, v, t, theme, 0) || !top_place(&k, &top) || !last_place(&k, &last))
        return;
    cursor = cursor_place(&k);
    if (before(cursor, top))
        cursor = top;
    for (int i = 0; i < (rows < 0 ? -rows : rows); i++)
        if (!(rows < 0 ? step_up(&k, &cursor) : step_down(&k, &cursor)))
            break;
    if (before(cursor, top)) {
        top = cursor;
    } else { /* never more than a screen above it */
        struct place highest = up_from(&k, cursor, v->height - 1);
        if (before(top, highest))
            top = highest;
    }
    v->follow = !before(cursor, last);
    keep(v, &k, top, cursor);
}

void journal_view_page(struct journal_view *v, const struct process_table *t,
                       const struct theme *theme, int pages) {
    struct walk k;
    struct place top, last;
    if (!walk_start(&k, v, t, theme, 0) || !top_place(&k, &top) || !last_place(&k, &last))
        return;
    int step = v->height > 2 ? v->height - 2 : 1;
    for (int i = 0; i < step * (pages < 0 ? -pages : pages); i++)
        if (!(pages < 0 ? step_up(&k, &top) : step_down(&k, &top)))
            break;
    struct place lowest = up_from(&k, last, v->height - 1);
    v->follow = pages > 0 && !before(top, lowest);
    if (before(lowest, top))
        top = lowest;
    keep(v, &k, top, top);
}

void journal_view_top(struct journal_view *v, const struct process_table *t) {
    const struct process *p = process_get(t, v->process);
    if (!p || p->journal.n == 0)
        return;
    v->follow = false;
    v->top_seq = v->cursor_seq = p->journal.v[0]->seq;
    v->top_row = v->cursor_row = 0;
}

void journal_view_bottom(struct journal_view *v) { v->follow = true; }

const char *journal_view_open(struct journal_view *v, const struct process_table *t,
                              const struct theme *theme) {
    struct walk k;
    if (!walk_start(&k, v, t, theme, 0))
        return NULL;
    struct place top, cursor = cursor_place(&k);
    const struct journal_entry *e = k.j->v[cursor.index];
    if (!block_folds(block_at(&k, cursor.index), e, cursor.row))
        return e->kind == JOURNAL_LINK || e->kind == JOURNAL_RESULT ? e->ref : NULL;
    if (top_place(&k, &top)) { /* the row that was opened stays where it is */
        v->follow = false;
        keep(v, &k, top, (struct place){cursor.index, 0});
    }
    for (size_t i = 0; i < JOURNAL_VIEW_FOLDS; i++) {
        if (v->unfolded[i] == e->seq) {
            v->unfolded[i] = 0;
            return NULL;
        }
    }
    v->unfolded[v->next_fold++ % JOURNAL_VIEW_FOLDS] = e->seq;
    return NULL;
}

const struct journal_entry *journal_view_entry(struct journal_view *v,
                                               const struct process_table *t,
                                               const struct theme *theme) {
    struct walk k;
    return walk_start(&k, v, t, theme, 0) ? k.j->v[cursor_place(&k).index] : NULL;
}

void journal_view_go(struct journal_view *v, const struct process_table *t,
                     const struct theme *theme, uint64_t seq) {
    struct walk k;
    if (!walk_start(&k, v, t, theme, 0))
        return;
    struct place found = find(&k, seq, 0);
    v->follow = false;
    keep(v, &k, up_from(&k, found, v->height / 2), found);
}

/* ---- searching and copying ------------------------------------------------------------------- */

/* The first row of the entry that holds the needle, from row `from` in direction `by`; false: none.
 */
static bool row_with(const struct walk *k, size_t index, const char *needle, int by, size_t from,
                     size_t *row) {
    const struct block *b = block_at(k, index);
    struct buf text = BUF_INIT;
    bool found = false;
    for (size_t i = 0; i < b->rows && !found; i++) {
        size_t at = by < 0 ? b->rows - 1 - i : i;
        if (by < 0 ? at > from : at < from)
            continue;
        block_row_text(b, at, &text);
        if (strcasestr(buf_str(&text), needle)) {
            *row = at;
            found = true;
        }
    }
    buf_free(&text);
    return found;
}

static bool holds(const struct journal_entry *e, const char *needle) {
    return strcasestr(buf_str(&e->text), needle) || strcasestr(buf_str(&e->result), needle);
}

static void unfold(struct journal_view *v, uint64_t seq) {
    if (!is_unfolded(v, seq))
        v->unfolded[v->next_fold++ % JOURNAL_VIEW_FOLDS] = seq;
}

bool journal_view_search(struct journal_view *v, const struct process_table *t,
                         const struct theme *theme, const char *needle, int by) {
    struct walk k;
    if (!*needle || !walk_start(&k, v, t, theme, 0))
        return false;
    struct place at = cursor_place(&k), found;
    size_t from = at.row; /* beyond the row under the cursor */
    bool here = by < 0 ? from > 0 : true;
    from = by < 0 ? from - 1 : from + 1;
    for (size_t index = at.index;; index = by < 0 ? index - 1 : index + 1) {
        bool whole = index != at.index;
        found.index = index;
        if ((whole || here) &&
            row_with(&k, index, needle, by, whole ? (by < 0 ? SIZE_MAX : 0) : from, &found.row))
            break;
        if (whole && block_at(&k, index)->rows && holds(k.j->v[index], needle)) {
            unfold(v, k.j->v[index]->seq);
            if (row_with(&k, index, needle, by, by < 0 ? SIZE_MAX : 0, &found.row))
                break;
        }
        if (by < 0 ? index == 0 : index + 1 >= k.j->n)
            return false;
    }
    v->follow = false;
    keep(v, &k, up_from(&k, found, v->height / 2), found);
    return true;
}

char *journal_view_text(struct journal_view *v, const struct process_table *t,
                        const struct theme *theme) {
    struct walk k;
    if (!walk_start(&k, v, t, theme, 0))
        return NULL;
    const struct journal_entry *e = k.j->v[cursor_place(&k).index];
    const struct buf *b = e->result.len ? &e->result : &e->text;
    return b->len ? xstrndup(buf_str(b), b->len) : NULL;
}
