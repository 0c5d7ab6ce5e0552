/* window: drawing on curses' one screen. Cells are built here and handed over whole, so that
 * neither wrapping nor control characters are ever curses' to interpret. */
#include "ui/window.h"

#include <curses.h>
#include <string.h>

#include "base/buf.h"
#include "base/utf8.h"
#include "ui/text.h"

#define CELLS_MAX 512 /* a terminal wider than this is drawn in pieces */
#define COMBINING_MAX (CCHARW_MAX - 1)

static void set_cell(cchar_t *c, const struct theme *t, unsigned style, const wchar_t *chars) {
    attr_t attr = t->attr[style & STYLE_MASK];
    short pair = (short)PAIR_NUMBER(attr);
    attr &= ~(attr_t)A_COLOR;
    if (style & STYLE_BOLD)
        attr |= A_BOLD;
    if (style & STYLE_UNDERLINE)
        attr |= A_UNDERLINE;
    if (style & STYLE_REVERSED)
        attr |= A_REVERSE;
    setcchar(c, chars, attr, pair, NULL);
}

/* One character as cells: wide code points take one cell here (curses adds the second), what has no
 * width joins the cell before. Joiners and variation selectors are left out: terminals disagree
 * about their effect on width, and a row must not shift. */
static int cells_of(const struct window *w, unsigned style, const char *s, size_t n, cchar_t *out,
                    int room) {
    wchar_t chars[CCHARW_MAX + 1] = {0};
    int used = 0, nchars = 0;
    for (size_t i = 0; i < n;) {
        uint32_t cp;
        int len = utf8_decode(s + i, n - i, &cp);
        if (len <= 0) {
            cp = 0xFFFD;
            len = 1;
        }
        i += (size_t)len;
        if (cp < 0x20 || (cp >= 0x7F && cp <= 0x9F))
            cp = '?';
        if (cp == 0x200C || cp == 0x200D || (cp >= 0xFE00 && cp <= 0xFE0F))
            continue;
        int width = cp < 0x300 ? 1 : wcwidth((wchar_t)cp);
        if (width < 0) {
            cp = 0xFFFD;
            width = 1;
        }
        if (w->theme->narrow_text && cp > 0x7E) {
            for (int j = 0; j < width && used < room; j++)
                set_cell(&out[used++], w->theme, style, L"?");
            nchars = 0;
            continue;
        }
        if (width == 0) {
            if (nchars == 0) { /* nothing to join */
                chars[0] = L' ';
                nchars = 1;
                used++;
            }
            if (nchars > COMBINING_MAX || used == 0)
                continue;
            chars[nchars++] = (wchar_t)cp;
        } else {
            if (used >= room)
                break;
            chars[0] = (wchar_t)cp;
            nchars = 1;
            used++;
        }
        chars[nchars] = 0;
        if (used <= room)
            set_cell(&out[used - 1], w->theme, style, chars);
    }
    return used < room ? used : room;
}

void window_clear_row(const struct window *w, int row, unsigned style) {
    if (row < 0 || row >= w->r.h)
        return;
    cchar_t blank;
    set_cell(&blank, w->theme, style, L" ");
    mvwhline_set(stdscr, w->r.y + row, w->r.x, &blank, w->r.w);
}

void window_clear(const struct window *w) {
    for (int row = 0; row < w->r.h; row++)
        window_clear_row(w, row, STYLE_TEXT);
}

static bool plain(const char *s, size_t n) {
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)s[i] < 0x20 || (unsigned char)s[i] > 0x7E)
            return false;
    return true;
}

int window_put(const struct window *w, int row, int col, int max, unsigned style, const char *text,
               size_t n) {
    int end = w->r.w;
    if (max >= 0 && col + max < end)
        end = col + max;
    if (row < 0 || row >= w->r.h || col < 0 || col >= end)
        return col;
    struct buf visible = BUF_INIT;
    if (!plain(text, n)) {
        utf8_append_visible(&visible, text, n);
        text = buf_str(&visible);
        n = visible.len;
    }
    cchar_t cells[CELLS_MAX];
    int from = col, ncells = 0;
    for (size_t i = 0; i < n;) {
        int width;
        size_t len = text_next(text + i, n - i, &width);
        if (col + width > end)
            break;
        ncells += cells_of(w, style, text + i, len, cells + ncells, CELLS_MAX - ncells);
        col += width;
        i += len;
        if (ncells > CELLS_MAX - 16) {
            mvwadd_wchnstr(stdscr, w->r.y + row, w->r.x + from, cells, ncells);
            from = col;
            ncells = 0;
        }
    }
    if (ncells)
        mvwadd_wchnstr(stdscr, w->r.y + row, w->r.x + from, cells, ncells);
    buf_free(&visible);
    return col;
}

int window_puts(const struct window *w, int row, int col, unsigned style, const char *text) {
    return window_put(w, row, col, -1, style, text, strlen(text));
}

int window_puts_cut(const struct window *w, int row, int col, int max, unsigned style,
                    const char *text) {
    struct buf visible = BUF_INIT;
    utf8_append_visible(&visible, text, strlen(text));
    char *newline = visible.data ? memchr(visible.data, '\n', visible.len) : NULL;
    bool more = newline != NULL;
    size_t n = newline ? (size_t)(newline - visible.data) : visible.len;
    if (max > w->r.w - col)
        max = w->r.w - col;
    const char *mark = theme_symbol(w->theme, SYMBOL_ELLIPSIS);
    int mark_width = text_width(mark, strlen(mark));
    if (text_fit(buf_str(&visible), n, max, NULL) < n)
        more = true;
    if (more && max >= mark_width) {
        n = text_fit(buf_str(&visible), n, max - mark_width, NULL);
        col = window_put(w, row, col, -1, style, buf_str(&visible), n);
        col = window_puts(w, row, col, style, mark);
    } else if (max > 0) {
        col = window_put(w, row, col, max, style, buf_str(&visible), n);
    }
    buf_free(&visible);
    return col;
}

int window_puts_right(const struct window *w, int row, int end, unsigned style, const char *text) {
    int col = end - text_width(text, strlen(text));
    if (col < 0)
        col = 0;
    window_put(w, row, col, end - col, style, text, strlen(text));
    return col;
}

int window_symbol(const struct window *w, int row, int col, unsigned style, enum symbol s) {
    return window_puts(w, row, col, style, theme_symbol(w->theme, s));
}

void window_line(const struct window *w, int row, int col, int n, unsigned style, enum symbol s,
                 bool down) {
    const char *text = theme_symbol(w->theme, s);
    int width;
    size_t len = text_next(text, strlen(text), &width);
    for (int i = 0; i < n; i++)
        window_put(w, down ? row + i : row, down ? col : col + i, 1, style, text, len);
}

void window_cursor(const struct window *w, int row, int col) {
    if (row < 0 || row >= w->r.h || col < 0 || w->r.w < 1) {
        curs_set(0);
        return;
    }
    if (col >= w->r.w)
        col = w->r.w - 1;
    curs_set(1);
    wmove(stdscr, w->r.y + row, w->r.x + col);
}
