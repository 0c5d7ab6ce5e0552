/* bench_start: from exec to the first whole screen, against a bare curses program that is linked
 * with the same libraries and paints the same cells. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "tests/bench/bench.h"
#include "tests/bench/load.h"
#include "tests/bench/stage.h"
#include "tests/lib/wait.h"
#include "tests/lib/where.h"

#define COLS 200
#define ROWS 50
#define ROUNDS 25 /* of one start each */

struct start {
    struct tmphome *home;
    struct stage running; /* the screen of an engine that runs all the time, for attaching */
    struct tmphome *busy;
    char *cells, *control; /* what the first screen shows, in a file; the control's path */
    char row[8], col[8];   /* its cursor */
};

/* Milliseconds from exec until the screen stands there; the stage stays open. NAN: it never came.
 */
static double paint_ms(struct stage *s) {
    return stage_until(s, stage_painted, s, WAIT_MS)
               ? (double)(s->last_ns - s->start_ns) / NS_PER_MS
               : NAN;
}

/* Milliseconds until `argv` has ended, its output thrown away. */
static double end_ms(const char *const *argv, char *const *env) {
    int status;
    bench_subject_core();
    int64_t start = clock_real_mono_ns();
    pid_t pid = fork();
    if (pid == 0) {
        if (!freopen("/dev/null", "w", stdout))
            _exit(1);
        execve(argv[0], (char *const *)argv, env);
        _exit(127);
    }
    while (pid > 0 && waitpid(pid, &status, 0) < 0)
        ;
    double ms = (double)(clock_real_mono_ns() - start) / NS_PER_MS;
    bench_driver_core();
    return pid > 0 && status == 0 ? ms : NAN;
}

static void wait_engine_gone(struct tmphome *h) {
    char *stray;
    int64_t deadline = wait_until(WAIT_MS);
    while ((stray = tmphome_strays(h)) != NULL && wait_left(deadline)) {
        free(stray);
        (void)wait_poll(NULL, 0, wait_until(2));
    }
    while (waitpid(-1, NULL, WNOHANG) > 0) /* we are the subreaper of engines */
        ;
}

static double start_engine(struct start *b, struct tmphome *h) {
    struct stage s;
    (void)b;
    stage_spacebot(&s, h, NULL, COLS, ROWS);
    double ms = paint_ms(&s);
    stage_quit(&s);
    wait_engine_gone(h);
    return ms;
}

static bool subject(void *arg, double *values, struct cause *why) {
    struct start *b = arg;
    struct stage s;
    const char *argv[] = {where_spacebot(), "--version", NULL};
    (void)why;
    values[0] = start_engine(b, b->home);
    stage_spacebot(&s, b->busy, NULL, COLS, ROWS); /* takes the screen over */
    values[1] = paint_ms(&s);
    stage_end(&b->running);
    b->running = s;
    pty_sink(b->running.pty, NULL, NULL);
    values[2] = end_ms(argv, b->home->env.v);
    struct tmphome *h = tmphome_new(NULL);
    values[3] = start_engine(b, h);
    tmphome_free(&h);
    return true;
}

static bool control(void *arg, double *values, struct cause *why) {
    struct start *b = arg;
    struct stage s;
    const char *argv[] = {b->control, b->cells, b->row, b->col, NULL};
    const char *short_argv[] = {b->control, "--version", NULL};
    (void)why;
    stage_start(&s, argv, b->home->env.v, COLS, ROWS);
    values[0] = values[1] = values[3] = paint_ms(&s);
    pty_type(s.pty, "\x03");
    (void)pty_wait_exit(s.pty, WAIT_MS);
    stage_end(&s);
    values[2] = end_ms(short_argv, b->home->env.v);
    return true;
}

static void set_up(struct start *b) {
    b->home = tmphome_new(NULL);
    b->busy = tmphome_new(NULL);
    b->control = xasprintf("%s/tests/bench/control_curses", where_build());
    b->cells = xasprintf("%s/cells", b->home->dir);
    struct stage s;
    stage_spacebot(&s, b->home, NULL, COLS, ROWS);
    if (isnan(paint_ms(&s))) {
        char *shown = vt_text(s.vt);
        fprintf(stderr, "no first screen:\n%s\n", shown);
        exit(1);
    }
    char *text = vt_text(s.vt);
    tmphome_file(b->home, "cells", text);
    int row, col;
    bool visible;
    vt_cursor(s.vt, &row, &col, &visible);
    snprintf(b->row, sizeof(b->row), "%d", row);
    snprintf(b->col, sizeof(b->col), "%d", col);
    free(text);
    stage_quit(&s);
    wait_engine_gone(b->home);
    stage_spacebot(&b->running, b->busy, NULL, COLS, ROWS);
    (void)paint_ms(&b->running);
}

int main(int argc, char **argv) {
    static const struct bench_figure figures[] = {
        {.name = "start_paint",
         .what = "exec to the first whole screen, the engine started with it (200x50); control: a "
                 "bare curses program, same libraries, same cells",
         .unit = "ms",
         .kind = BENCH_RATIO_MAX,
         .goal = 2},
        {.name = "attach_paint",
         .what = "the same where an engine runs already",
         .unit = "ms",
         .kind = BENCH_RATIO_MAX,
         .goal = 2},
        {.name = "start_version",
         .what = "spacebot --version, exec to end; control: a program with the same libraries",
         .unit = "ms",
         .kind = BENCH_RATIO_MAX,
         .goal = 2},
        {.name = "start_fresh",
         .what = "the first start of all, home and store made; control as above",
         .unit = "ms",
         .kind = BENCH_REPORTED},
    };
    struct start b;
    bench_begin(argc, argv);
    set_up(&b);
    bench_run(&(struct bench_case){.figures = figures,
                                   .n = ARRAY_LEN(figures),
                                   .subject = subject,
                                   .control = control,
                                   .arg = &b,
                                   .rounds = ROUNDS});
    load_turns(b.busy, "start", "at the start and while screens come and go");
    stage_end(&b.running);
    tmphome_free(&b.busy);
    tmphome_free(&b.home);
    free(b.control);
    free(b.cells);
    return bench_end();
}
