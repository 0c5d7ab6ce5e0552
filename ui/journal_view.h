/* journal_view: a window onto one journal: where it is scrolled to, the row under the cursor, what
 * is unfolded. Costs what is visible: entries above and below are not looked at. */
#ifndef UI_JOURNAL_VIEW_H
#define UI_JOURNAL_VIEW_H

#include "ui/block.h"

#define JOURNAL_VIEW_SLOTS 256 /* blocks kept, more than any screen has rows to show */
#define JOURNAL_VIEW_FOLDS 64

struct journal_view {
    struct process_handle process;
    bool live;
    struct block *slots;                   /* by seq modulo their number */
    uint64_t unfolded[JOURNAL_VIEW_FOLDS]; /* by seq, 0: free */
    size_t next_fold;
    bool follow;                  /* stays at the end as it grows */
    uint64_t top_seq, cursor_seq; /* when it does not */
    size_t top_row, cursor_row;
    int width, height; /* as last drawn */
};

void journal_view_init(struct journal_view *v, bool live);
void journal_view_free(struct journal_view *v);
/* Shows the end of another process's journal; the same one stays where it is. */
void journal_view_show(struct journal_view *v, struct process_handle process);

/* Draws into all of w. With `focused` the row under the cursor is marked. */
void journal_view_draw(struct journal_view *v, const struct process_table *t,
                       const struct window *w, int64_t now_ms, bool focused);

/* Moves the cursor by rows; the view follows it. */
void journal_view_move(struct journal_view *v, const struct process_table *t,
                       const struct theme *theme, int rows);
/* Moves the view by pages; the cursor goes along. */
void journal_view_page(struct journal_view *v, const struct process_table *t,
                       const struct theme *theme, int pages);
void journal_view_top(struct journal_view *v, const struct process_table *t);
void journal_view_bottom(struct journal_view *v);
/* Enter: folds or unfolds and returns NULL, or returns the full id of the process that the entry
 * under the cursor is about (lent). */
const char *journal_view_open(struct journal_view *v, const struct process_table *t,
                              const struct theme *theme);

/* The entry under the cursor; NULL: there is none. Lent. */
const struct journal_entry *journal_view_entry(struct journal_view *v,
                                               const struct process_table *t,
                                               const struct theme *theme);
/* Moves the cursor to the first row of an entry that there is. */
void journal_view_go(struct journal_view *v, const struct process_table *t,
                     const struct theme *theme, uint64_t seq);
/* Moves the cursor to the next row upwards (by < 0) or downwards whose text holds `needle` (case
 * does not matter), unfolding what hides it. False: there is none that way. */
bool journal_view_search(struct journal_view *v, const struct process_table *t,
                         const struct theme *theme, const char *needle, int by);
/* The whole text of the entry under the cursor (a tool's result where it has one). The caller
 * frees; NULL: none. */
char *journal_view_text(struct journal_view *v, const struct process_table *t,
                        const struct theme *theme);

#endif
