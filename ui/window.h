/* window: putting text into a rectangle of the screen. Whatever the text holds, what reaches the
 * terminal is printable characters inside the rectangle: hostile text is made visible here, and
 * clipped by columns. */
#ifndef UI_WINDOW_H
#define UI_WINDOW_H

#include <stddef.h>

#include "ui/layout.h"
#include "ui/theme.h"

struct window {
    struct rect r;
    const struct theme *theme;
};

/* Blanks all of it. */
void window_clear(const struct window *w);
/* Blanks one row; with STYLE_REVERSED it becomes the row under the cursor. */
void window_clear_row(const struct window *w, int row, unsigned style);
/* Puts text[0..n), one line, at (row, col), clipped at the right edge and at `max` columns (< 0: no
 * other limit). Outside rows and columns are fine and draw nothing. Returns the column behind it.
 */
int window_put(const struct window *w, int row, int col, int max, unsigned style, const char *text,
               size_t n);
int window_puts(const struct window *w, int row, int col, unsigned style, const char *text);
/* The same, with an ellipsis where it had to be cut at `max` columns. */
int window_puts_cut(const struct window *w, int row, int col, int max, unsigned style,
                    const char *text);
/* Puts text so that it ends before column `end`; returns the column where it starts (never below
 * 0). */
int window_puts_right(const struct window *w, int row, int end, unsigned style, const char *text);
int window_symbol(const struct window *w, int row, int col, unsigned style, enum symbol s);
/* `n` times the symbol's first cell, to the right or downwards. */
void window_line(const struct window *w, int row, int col, int n, unsigned style, enum symbol s,
                 bool down);
/* Where the terminal's cursor rests after the frame; out of the window hides it. */
void window_cursor(const struct window *w, int row, int col);

#endif
