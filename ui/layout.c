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

/* `n` panes of nearly equal height, one above the other. */
static void stack(struct rect area, int n, struct layout *out) {
    int y = area.y;
    for (int i = 0; i < n; i++) {
        int h = (area.y + area.h - y) / (n - i);
        out->live[i] = (struct rect){area.x, y, area.w, h};
        y += h;
    }
    out->nlive = n;
}

void layout_compute(const struct layout_want *want, struct layout *out) {
    memset(out, 0, sizeof *out);
    out->narrow = want->cols < LAYOUT_NARROW_COLS || want->rows < LAYOUT_NARROW_ROWS;
    out->wide = !out->narrow && want->cols >= LAYOUT_WIDE_COLS;
    struct rect main = edges(want, out);
    if (out->narrow) {
        single(want, main, out);
        return;
    }
    if (!out->wide && want->live > 0) { /* below, over the whole width */
        int each = clamp(main.h / 4, 3, 10);
        int n = main.h >= 34 && want->live > 1 ? 2 : 1;
        struct rect area = {0, main.y + main.h - each * n, main.w, each * n};
        stack(area, n, out);
        main.h -= area.h;
    }
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
            stack(area, clamp(want->live, 1, clamp(area.h / 8, 1, LAYOUT_LIVE_MAX)), out);
        }
        out->tree.h = out->tree_rule.h = bottom - main.y;
        out->composer_rule.x = out->composer.x = x;
        w -= 1; /* a blank column before the rule */
        out->composer_rule.w = out->composer.w = w;
    }
    out->transcript = (struct rect){x, main.y, w, main.h};
}
