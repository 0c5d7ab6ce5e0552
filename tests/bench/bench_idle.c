/* bench_idle: what the screen costs while nothing happens, and how long a key takes to stand there.
 * A conversation has been had, its worker has ended, and everybody waits for the person. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "tests/bench/bench.h"
#include "tests/bench/load.h"
#include "tests/bench/stage.h"
#include "tests/bench/usage.h"
#include "tests/lib/scene.h"
#include "tests/lib/wait.h"
#include "tests/lib/where.h"

#define COLS 200
#define ROWS 50
#define KEYS 12   /* a round */
#define ROUNDS 25 /* short ones */

struct idle {
    struct fake *fake;
    struct tmphome *home;
    struct stage screen; /* spacebot, all rounds through */
    struct stage bare;   /* the control, too */
    pid_t engine;
    char *control, *cells;
    char row[8], col[8];
};

/* ---- nothing happens ------------------------------------------------------------------------- */

static bool idle_subject(void *arg, double *values, struct cause *why) {
    struct idle *b = arg;
    struct usage engine[2], holder[2];
    size_t bytes;
    stage_watch(&b->screen, 300); /* whatever the last round has left */
    bytes = b->screen.bytes;
    if (!usage_read(b->engine, &engine[0]) || !usage_read(pty_pid(b->screen.pty), &holder[0])) {
        (void)cause_set(why, STATUS_GONE, "the engine is gone");
        return false;
    }
    stage_watch(&b->screen, bench_quick() ? 2000 : 5000);
    if (!usage_read(b->engine, &engine[1]) || !usage_read(pty_pid(b->screen.pty), &holder[1])) {
        (void)cause_set(why, STATUS_GONE, "the engine is gone");
        return false;
    }
    double seconds = (double)(engine[1].at_ns - engine[0].at_ns) / NS_PER_SEC;
    values[0] = (double)(b->screen.bytes - bytes) / seconds;
    values[1] = (double)(engine[1].voluntary - engine[0].voluntary + holder[1].voluntary -
                         holder[0].voluntary) /
                seconds;
    values[2] = usage_percent(&engine[0], &engine[1]) + usage_percent(&holder[0], &holder[1]);
    values[3] = (double)engine[1].rss_kb / 1024;
    values[4] = (double)engine[1].private_kb / 1024;
    return true;
}

static void bench_waiting(struct idle *b) {
    static const struct bench_figure figures[] = {
        {.name = "idle_bytes",
         .what = "bytes to the terminal while every process waits",
         .unit = "B/s",
         .kind = BENCH_MAX,
         .goal = 0,
         .alone = true,
         .exact = true},
        {.name = "idle_wakeups",
         .what = "wake-ups then, all threads of the engine and the placeholder",
         .unit = "1/s",
         .kind = BENCH_MAX,
         .goal = 1,
         .alone = true,
         .exact = true},
        {.name = "idle_cpu",
         .what = "processor then, engine and placeholder",
         .unit = "% of a core",
         .kind = BENCH_MAX,
         .goal = 0.05,
         .alone = true,
         .exact = true},
        {.name = "idle_rss",
         .what = "resident memory of the engine then",
         .unit = "MB",
         .kind = BENCH_REPORTED,
         .alone = true,
         .exact = true},
        {.name = "idle_private",
         .what = "the part of it that it shares with nobody",
         .unit = "MB",
         .kind = BENCH_REPORTED,
         .alone = true,
         .exact = true},
    };
    bench_run(&(struct bench_case){
        .figures = figures, .n = ARRAY_LEN(figures), .subject = idle_subject, .arg = b});
}

/* ---- a key ----------------------------------------------------------------------------------- */

struct typing {
    struct stage *stage;
    char text[KEYS + 1];
    size_t n;
};

static bool typed(void *arg) {
    struct typing *t = arg;
    int row, col;
    return vt_find(t->stage->vt, t->text, &row, &col);
}

/* Types letters a while apart, waits for each to stand on the screen, empties the line again.
 * Milliseconds from the key to the arrival of the bytes that paint it. */
static bool type_keys(struct stage *s, struct cause *why) {
    struct typing t = {.stage = s};
    for (int i = 0; i < KEYS; i++) {
        stage_watch(s, 40 + i % 7 * 5); /* longer than a frame: nothing is owed */
        char key = (char)('a' + (i * 7 + 3) % 26);
        t.text[t.n++] = key;
        t.text[t.n] = '\0';
        int64_t start = clock_real_mono_ns();
        pty_write(s->pty, &key, 1);
        if (!stage_until(s, typed, &t, WAIT_MS)) {
            char *shown = vt_text(s->vt);
            (void)cause_set(why, STATUS_TIMEOUT, "a key is lost:\n%.400s", shown);
            free(shown);
            return false;
        }
        double ms = (double)(s->last_ns - start) / NS_PER_MS;
        bench_sample(0, ms);
        bench_sample(1, ms);
    }
    pty_write(s->pty, "\x15", 1);
    stage_watch(s, 50);
    return true;
}

static bool key_subject(void *arg, double *values, struct cause *why) {
    (void)values;
    return type_keys(&((struct idle *)arg)->screen, why);
}

static bool key_control(void *arg, double *values, struct cause *why) {
    (void)values;
    return type_keys(&((struct idle *)arg)->bare, why);
}

static void bench_keys(struct idle *b) {
    static const struct bench_figure figures[] = {
        {.name = "key_paint",
         .what =
             "key to painted letter, idle, median; control: a bare curses program with the same "
             "cells",
         .unit = "ms",
         .kind = BENCH_BEYOND_MAX,
         .goal = 0.3,
         .percentile = 0.5},
        {.name = "key_paint_slow",
         .what = "the 99th of a hundred of them",
         .unit = "ms",
         .kind = BENCH_REPORTED,
         .percentile = 0.99},
    };
    bench_run(&(struct bench_case){.figures = figures,
                                   .n = ARRAY_LEN(figures),
                                   .subject = key_subject,
                                   .control = key_control,
                                   .arg = b,
                                   .rounds = ROUNDS});
}

/* ---- around them ----------------------------------------------------------------------------- */

static void set_up(struct idle *b) {
    b->fake = fake_start(SCENE(SCENE_COUNT));
    b->home = tmphome_new(b->fake);
    scene_numbers(b->home, 12);
    stage_spacebot(&b->screen, b->home, NULL, COLS, ROWS);
    stage_expect(&b->screen, "\\? help");
    pty_type(b->screen.pty, SCENE_QUESTION "\r");
    stage_expect(&b->screen, "Counted");
    stage_expect(&b->screen, "0 running");
    stage_watch(&b->screen, 2500); /* the last second of what was under way */
    b->engine = tmphome_engine(b->home);

    int row, col;
    bool visible;
    char *text = vt_text(b->screen.vt);
    tmphome_file(b->home, "cells", text);
    free(text);
    vt_cursor(b->screen.vt, &row, &col, &visible);
    snprintf(b->row, sizeof(b->row), "%d", row);
    snprintf(b->col, sizeof(b->col), "%d", col);
    b->control = xasprintf("%s/tests/bench/control_curses", where_build());
    b->cells = xasprintf("%s/cells", b->home->dir);
    const char *argv[] = {b->control, b->cells, b->row, b->col, NULL};
    stage_start(&b->bare, argv, b->home->env.v, COLS, ROWS);
    stage_expect(&b->bare, "\\? help");
}

int main(int argc, char **argv) {
    struct idle b = {.engine = 0};
    bench_begin(argc, argv);
    set_up(&b);
    bench_waiting(&b);
    bench_keys(&b);
    load_turns(b.home, "idle", "with one person at a screen: a question, a worker, keys");
    stage_end(&b.bare);
    stage_quit(&b.screen);
    tmphome_free(&b.home);
    fake_stop(&b.fake);
    free(b.control);
    free(b.cells);
    return bench_end();
}
