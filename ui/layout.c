/* layout: rectangles from sizes. No curses, no state: tested over every size there is. */
#include "ui/layout.h"

#include <string.h>

static int clamp(int v, int low, int high) { return v < low ? low : v > high ? high : v; }

/* Status on top; footer and composer at the bottom; returns what is left between. On screens too
 * low for all of it the composer goes last, since somebody has to type. */
static struct rect edges(const struct layout_want *want, struct layout *out) {
    int cols = want->cols, top = 0, bottom = want->rows;
    if (bottom - top >= 3)
        out->status = (struct rect){0, top++, cols, 1};
    if (bottom - top >= 6)
        out->footer = (struct rect){0, --bottom, cols, 1};
    int lines = clamp(want->composer_lines, 1, want->rows / 4 > 1 ? want->rows / 4 : 1);
    if (bottom - top - lines < 1)
        lines = 1;
    bottom -= lines;
    out->composer = (struct rect){0, bottom, cols, lines};
    if (!out->narrow)
        out->composer_rule = (struct rect){0, --bottom, cols, 1};
    return (struct rect){0, top, cols, bottom - top};
}

static void single(const struct layout_want *want, struct rect main, struct layout *out) {
    if (main.h < 1)
        return;
    switch (want->single) {
    case LAYOUT_TREE:
        out->tree = main;
        break;
    case LAYOUT_TRANSCRIPT:
        out->transcript = main;
        break;
    case LAYOUT_LIVE:
        out->live[0] = main;
        out->nlive = 1;
        break;
    }
}

/* Rows of the screen that are neither status, footer nor a composer of one line. */
#define EDGE_ROWS 4
#define COLUMN_ROWS 4 /* the least a pane has in the column of a wide screen */

static bool is_narrow(int cols, int rows) {
    return cols < LAYOUT_NARROW_COLS || rows < LAYOUT_NARROW_ROWS;
}

/* Below the transcript, where they may take half of the height: how many side by side, and how many
 * rows of them. */
static int below_cols(int cols) { return clamp(cols / LAYOUT_LIVE_COLS, 1, LAYOUT_LIVE_MAX); }
static int below_rows(int height) { return clamp(height / 2 / LAYOUT_LIVE_ROWS, 1, height); }

int layout_live_most(int cols, int rows) {
    int most = LAYOUT_LIVE_MAX, height = rows - EDGE_ROWS;
    if (is_narrow(cols, rows))
        return most;
    if (cols >= LAYOUT_WIDE_COLS)
        return clamp((height + 2) / COLUMN_ROWS, 1, most);
    return clamp(below_cols(cols) * below_rows(height), 1, most);
}

/* `n` panes of nearly equal size, `across` side by side with a blank column between. */
static void tile(struct rect area, int n, int across, struct layout *out) {
    int down = (n + across - 1) / across;
    for (int i = 0; i < n; i++) {
        int col = i % across, row = i / across;
        int x = area.w * col / across, y = area.h * row / down;
        int w = area.w * (col + 1) / across - x, h = area.h * (row + 1) / down - y;
        out->live[i] = (struct rect){area.x + x, area.y + y, col + 1 < across ? w - 1 : w, h};
    }
    out->nlive = n;
}

/* Takes their rows from the end of `main`. One alone has a quarter of the height over the whole
 * width; more share up to half of it. */
static void below(int want, struct rect *main, struct layout *out) {
    int n = clamp(want, 1, LAYOUT_LIVE_MAX), across = clamp(below_cols(main->w), 1, n);
    int down = clamp((n + across - 1) / across, 1, below_rows(main->h));
    n = clamp(n, 1, across * down);
    int each = clamp(main->h / 2 / down, LAYOUT_LIVE_ROWS, clamp(main->h / 4, 3, 10));
    tile((struct rect){0, main->y + main->h - each * down, main->w, each * down}, n, across, out);
    main->h -= each * down;
}

void layout_compute(const struct layout_want *want, struct layout *out) {
    memset(out, 0, sizeof *out);
    out->narrow = is_narrow(want->cols, want->rows);
    out->wide = !out->narrow && want->cols >= LAYOUT_WIDE_COLS;
    struct rect main = edges(want, out), all = main;
    if (want->whole)
        out->whole = all;
    if (out->narrow) {
        single(want, main, out);
        return;
    }
    if (!out->wide && want->live > 0)
        below(want->live, &main, out);
    int tree = want->cols < 100 ? 24 : 28;
    out->tree = (struct rect){0, main.y, tree - 1, main.h}; /* a blank column before the rule */
    out->tree_rule = (struct rect){tree, main.y, 1, main.h};
    int x = tree + 2, w = want->cols - x;
    if (out->wide) {
        /* The column stays when nothing runs, so that no text moves when something starts; the
         * panes reach down to the footer, the composer sits under the transcript. */
        int live = clamp(w * 2 / 5, 48, LAYOUT_TEXT_MAX);
        int bottom = out->footer.y;
        w -= live + 2;
        out->live_rule = (struct rect){x + w, main.y, 1, bottom - main.y};
        if (want->live > 0) {
            struct rect area = {x + w + 2, main.y, live, bottom - main.y};
            tile(area, clamp(want->live, 1, clamp(area.h / COLUMN_ROWS, 1, LAYOUT_LIVE_MAX)), 1,
                 out);
        }
        out->tree.h = out->tree_rule.h = bottom - main.y;
        w -= 1; /* a blank column before the rule */
        if (!want->whole) {
            out->composer_rule.x = out->composer.x = x;
            out->composer_rule.w = out->composer.w = w;
        }
    }
    out->transcript = (struct rect){x, main.y, w, main.h};
}
