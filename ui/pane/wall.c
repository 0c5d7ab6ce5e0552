/* pane/wall: only live panes, tiled to equal size: the more there are, the lower each is, down to a
 * row of its own in columns. What finds no room even so is counted in the last row. A process keeps
 * its place among the others; a finished one keeps its last lines until it has been seen. */
#include "ui/pane.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define TILES_MAX 256
#define TILE_COLS 38 /* narrower than this a line of output says little */
#define TILE_ROWS 5  /* what each has when there is room: a header and four lines */

struct tile {
    struct process_handle process;
    void *pane; /* a live pane's own; kept for the next process */
    struct rect drawn_at;
    uint64_t drawn; /* version of the process, and more, when drawn last; 0: never */
};

struct wall {
    struct tile tiles[TILES_MAX];
    size_t n;    /* tiles with a process */
    size_t more; /* processes without a tile */
    int cols, rows;
    int height; /* of all tiles */
    size_t at;  /* the one under the cursor */
    struct rect r;
};

static void *wall_open(void) { return xcalloc(1, sizeof(struct wall)); }

static void wall_close(void *self) {
    struct wall *w = self;
    for (size_t i = 0; i < TILES_MAX; i++)
        if (w->tiles[i].pane)
            pane_ops(PANE_LIVE)->close(w->tiles[i].pane);
    free(w);
}

static bool belongs(const struct process *p) {
    return p && p->kind != PROCESS_CHANNEL && (p->state != PROCESS_STATE_ENDED || !p->seen);
}

static bool has_tile(const struct wall *w, struct process_handle h) {
    for (size_t i = 0; i < w->n; i++)
        if (process_same(w->tiles[i].process, h))
            return true;
    return false;
}

static void drop(struct wall *w, size_t i) {
    struct tile gone = w->tiles[i];
    memmove(&w->tiles[i], &w->tiles[i + 1], (w->n - i - 1) * sizeof *w->tiles);
    gone.process = PROCESS_NONE;
    gone.drawn = 0;
    w->tiles[--w->n] = gone;
    for (; i < w->n; i++)
        w->tiles[i].drawn = 0;
    if (w->at && w->at >= w->n)
        w->at = w->n ? w->n - 1 : 0;
}

/* How many columns and rows of tiles: as square as the cells are, the fewest that hold all; at most
 * what can be read, and no tile lower than `least` rows. False when they do not hold all. */
static bool shape(struct wall *w, size_t want, int height, int least) {
    int most_cols = w->r.w / TILE_COLS, most_rows = height / least;
    most_cols = most_cols < 1 ? 1 : most_cols;
    most_rows = most_rows < 1 ? 1 : most_rows;
    w->cols = w->rows = 1;
    while ((size_t)w->cols * (size_t)w->rows < want &&
           (w->cols < most_cols || w->rows < most_rows)) {
        /* Add where tiles stay best shaped: a tile is twice as wide as it is high in cells of half
         * that shape. */
        bool wider = w->cols < most_cols &&
                     (w->rows >= most_rows || w->r.w / w->cols > 4 * (height / w->rows));
        if (wider)
            w->cols++;
        else
            w->rows++;
    }
    return (size_t)w->cols * (size_t)w->rows >= want;
}

/* The highest tiles that hold all; else rows, but for the last, which counts the rest. */
static void arrange(struct wall *w, size_t want) {
    w->height = w->r.h;
    for (int least = TILE_ROWS; least > 0; least--)
        if (want <= TILES_MAX && shape(w, want, w->height, least))
            return;
    w->height = w->r.h > 1 ? w->r.h - 1 : 1;
    (void)shape(w, want, w->height, 1);
}

static void collect(struct wall *w, const struct pane_env *env) {
    for (size_t i = w->n; i > 0; i--)
        if (!belongs(process_get(env->table, w->tiles[i - 1].process)))
            drop(w, i - 1);
    size_t pos = 0, want = 0;
    for (const struct process *p; (p = process_next(env->table, &pos));)
        want += belongs(p);
    int cols = w->cols, rows = w->rows;
    arrange(w, want);
    size_t room = (size_t)w->cols * (size_t)w->rows;
    if (room > TILES_MAX)
        room = TILES_MAX;
    if (cols != w->cols || rows != w->rows)
        for (size_t i = 0; i < w->n; i++)
            w->tiles[i].drawn = 0;
    while (w->n > room)
        drop(w, w->n - 1);
    pos = 0;
    for (const struct process *p; w->n < room && (p = process_next(env->table, &pos));) {
        if (!belongs(p) || has_tile(w, p->handle))
            continue;
        struct tile *t = &w->tiles[w->n++];
        if (!t->pane)
            t->pane = pane_ops(PANE_LIVE)->open();
        t->process = p->handle;
        t->drawn = 0;
        pane_ops(PANE_LIVE)->show(t->pane, p->handle);
    }
    w->more = want - w->n;
}

static struct rect tile_rect(const struct wall *w, size_t i) {
    int col = (int)i % w->cols, row = (int)i / w->cols;
    int used_rows = ((int)w->n + w->cols - 1) / w->cols;
    int x0 = w->r.w * col / w->cols, x1 = w->r.w * (col + 1) / w->cols;
    int y0 = w->height * row / used_rows, y1 = w->height * (row + 1) / used_rows;
    int gap = col + 1 < w->cols ? 1 : 0; /* a blank column, not a border */
    return (struct rect){w->r.x + x0, w->r.y + y0, x1 - x0 - gap, y1 - y0};
}

static void draw_rest(const struct wall *w, const struct window *win) {
    char text[80];
    if (!w->more)
        return;
    snprintf(text, sizeof text, "and %zu more: t shows all %zu, a row each", w->more,
             w->more + w->n);
    window_clear_row(win, win->r.h - 1, STYLE_TEXT);
    window_puts_cut(win, win->r.h - 1, 1, win->r.w - 1, STYLE_WARN, text);
}

static void wall_draw(void *self, const struct pane_env *env, const struct window *win,
                      bool focused) {
    struct wall *w = self;
    bool moved = memcmp(&w->r, &win->r, sizeof w->r) != 0 || env->fresh;
    size_t before = w->n;
    w->r = win->r;
    collect(w, env);
    if (moved || before != w->n) {
        window_clear(win);
        for (size_t i = 0; i < w->n; i++)
            w->tiles[i].drawn = 0;
    }
    if (w->n == 0) {
        window_puts(win, 0, 0, STYLE_DIM, "Nothing runs. What does is shown here, side by side.");
        return;
    }
    for (size_t i = 0; i < w->n; i++) {
        struct tile *t = &w->tiles[i];
        const struct process *p = process_get(env->table, t->process);
        bool here = focused && i == w->at;
        /* Only what changed; what runs has its elapsed second. */
        uint64_t now = (p->version << 20) ^ (uint64_t)(process_elapsed_ms(p) / 1000) << 2 ^
                       (here ? 2u : 0u) ^ 1u;
        if (t->drawn == now)
            continue;
        t->drawn = now;
        struct window at = {.r = tile_rect(w, i), .theme = win->theme};
        pane_ops(PANE_LIVE)->draw(t->pane, env, &at, here);
    }
    draw_rest(w, win);
}

static struct pane_answer wall_act(void *self, const struct pane_env *env, enum action a) {
    struct wall *w = self;
    size_t to = w->at;
    (void)env;
    if (w->n == 0)
        return (struct pane_answer){PANE_IGNORED, PROCESS_NONE};
    switch (a) {
    case ACTION_UP:
        to = to >= (size_t)w->cols ? to - (size_t)w->cols : to;
        break;
    case ACTION_DOWN:
        to += (size_t)w->cols;
        break;
    case ACTION_LEFT:
        to = to ? to - 1 : 0;
        break;
    case ACTION_RIGHT:
        to++;
        break;
    case ACTION_TOP:
        to = 0;
        break;
    case ACTION_BOTTOM:
        to = w->n - 1;
        break;
    case ACTION_OPEN:
        return (struct pane_answer){PANE_SHOW, w->tiles[w->at].process};
    case ACTION_PAGE_UP:
    case ACTION_PAGE_DOWN: {
        struct pane_answer answer = pane_ops(PANE_LIVE)->act(w->tiles[w->at].pane, env, a);
        w->tiles[w->at].drawn = 0;
        return answer;
    }
    ACTIONS_OF_THE_VIEW_BUT_SIDEWAYS:
        return (struct pane_answer){PANE_IGNORED, PROCESS_NONE};
    }
    if (to < w->n)
        w->at = to;
    return (struct pane_answer){PANE_DONE, PROCESS_NONE};
}

static bool wall_can(void *self, const struct pane_env *env, enum action a) {
    const struct wall *w = self;
    (void)env;
    (void)a;
    return w->n > 0;
}

static struct process_handle wall_selected(void *self, const struct pane_env *env) {
    const struct wall *w = self;
    (void)env;
    return w->at < w->n ? w->tiles[w->at].process : PROCESS_NONE;
}

extern const struct pane_ops pane_wall;
const struct pane_ops pane_wall = {
    .name = "wall",
    .open = wall_open,
    .close = wall_close,
    .draw = wall_draw,
    .act = wall_act,
    .can = wall_can,
    .selected = wall_selected,
};
