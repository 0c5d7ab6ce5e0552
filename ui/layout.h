/* layout: where everything is on a screen of a given size. A pure function: the same wishes give
 * the same rectangles. */
#ifndef UI_LAYOUT_H
#define UI_LAYOUT_H

#include <stdbool.h>

struct rect {
    int x, y, w, h;
};

/* Below this one pane is shown at a time. */
#define LAYOUT_NARROW_COLS 60
#define LAYOUT_NARROW_ROWS 12
/* From this on the live panes have a column of their own. */
#define LAYOUT_WIDE_COLS 160
#define LAYOUT_LIVE_MAX 8
/* Below the transcript live panes stand side by side where each gets as many columns; everywhere
 * they have as many rows at least: a header and the last line. */
#define LAYOUT_LIVE_COLS 39
#define LAYOUT_LIVE_ROWS 2
/* Longer lines tire. */
#define LAYOUT_TEXT_MAX 100

enum layout_pane { LAYOUT_TREE, LAYOUT_TRANSCRIPT, LAYOUT_LIVE };

struct layout_want {
    int cols, rows;          /* any size from 1x1 */
    int composer_lines;      /* lines of text in the composer, at least 1 */
    int live;                /* processes that would like a live pane */
    enum layout_pane single; /* the one pane of a narrow screen */
    bool whole;              /* one pane takes the place of all */
};

/* A rectangle that is not there has w and h 0. None overlap; all lie inside the screen. */
struct layout {
    bool narrow, wide;
    struct rect status; /* one row */
    struct rect tree;
    struct rect tree_rule; /* one column */
    struct rect transcript;
    struct rect live[LAYOUT_LIVE_MAX];
    int nlive;
    struct rect whole;         /* over tree, transcript and live panes, when wanted */
    struct rect live_rule;     /* one column, left of a column of live panes */
    struct rect composer_rule; /* one row */
    struct rect composer;
    struct rect footer; /* one row */
};

/* How many live panes a screen of that size has room for: 1 to LAYOUT_LIVE_MAX. A narrow one shows
 * one of them at a time. */
int layout_live_most(int cols, int rows);
void layout_compute(const struct layout_want *want, struct layout *out);

#endif
