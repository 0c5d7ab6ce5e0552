/* bench_wall: how long a key takes to stand on the screen while a hundred workers write, each seen
 * on the wall, against the same with one worker. Each side of a round has a fresh engine and a
 * fresh provider, so that neither works while the other is measured.
 *
 * With SPACEBOT_BENCH_STRICT=1 (make bench-wall) a missed goal is a failure. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "tests/bench/bench.h"
#include "tests/bench/stage.h"
#include "tests/lib/fake.h"
#include "tests/lib/wait.h"

#define COLS 200
#define ROWS 50
#define MANY 100
#define KEYS 40 /* a round, on each view */
#define ROUNDS 12
#define RATIO_MAX 1.5
#define SIDES_MAX 64
#define PACE_MS 200 /* between two pieces of a worker's text */

enum view { ON_THE_WALL, IN_THE_COMPOSER, VIEWS };

/* ---- workers that write without an end ------------------------------------------------------- */

static char *scenario(int workers) {
    struct buf b = BUF_INIT;
    buf_printf(
        &b,
        "{\"rules\":[{\"match\":{\"lacks_tool\":\"reply\"},\"respond\":[{\"text\":\"one more "
        "line of it\\n\",\"repeat\":100000}],\"faults\":{\"slow_ms_per_event\":%d}},"
        "{\"match\":{\"last_user_contains\":\"begin\",\"step\":0},\"respond\":[",
        PACE_MS);
    for (int i = 1; i <= workers; i++)
        buf_printf(
            &b, "%s{\"tool_use\":{\"name\":\"spawn_worker\",\"input\":{\"task\":\"Part %03d\"}}}",
            i > 1 ? "," : "", i);
    buf_puts(&b, "]},{\"respond\":[{\"tool_use\":{\"name\":\"reply\",\"input\":{\"content\":\"At "
                 "work.\"}}}]}]}");
    return buf_steal(&b);
}

struct side {
    struct fake *fake;
    struct tmphome *home;
    struct stage screen;
};

static void set_up(struct side *s, int workers) {
    char *text = scenario(workers), pattern[40];
    s->fake = fake_start(text);
    free(text);
    s->home = tmphome_new(s->fake);
    tmphome_config(s->home, "limits = { workers = 128; };\n");
    stage_spacebot(&s->screen, s->home, NULL, COLS, ROWS);
    stage_expect(&s->screen, "\\? help");
    pty_type(s->screen.pty, "begin\r");
    snprintf(pattern, sizeof(pattern), " %d running", workers);
    stage_expect(&s->screen, pattern);
    stage_expect(&s->screen, "At work");
    stage_expect(&s->screen, "one more line of it");
}

static void tear_down(struct side *s) {
    stage_end(&s->screen);
    tmphome_free(&s->home); /* ends the engine, whose work has no end */
    fake_stop(&s->fake);
}

/* ---- keys ------------------------------------------------------------------------------------ */

struct typing {
    struct stage *stage;
    int row, col;
    char text[2]; /* "" when it has been taken back */
};

static bool painted(void *arg) {
    const struct typing *t = arg;
    struct vt_cell c = vt_cell(t->stage->vt, t->row, t->col);
    return t->text[0] ? str_eq(c.text, t->text) : (!c.text[0] || c.text[0] == ' ');
}

/* A letter, and the letter taken back, at odd moments: milliseconds until the cell under the cursor
 * shows it. */
static bool type_keys(struct stage *s, enum view view, struct cause *why) {
    struct typing t = {.stage = s};
    bool visible;
    vt_cursor(s->vt, &t.row, &t.col, &visible);
    bench_heed(true);
    for (int i = 0; i < KEYS; i++) {
        stage_watch(s, 11 + i * 7 % 23);
        bool back = i % 2;
        t.text[0] = "abcdefghijklmnopqrstuvwxyz"[i * 7 % 26];
        if (back)
            t.text[0] = '\0';
        int64_t start = clock_real_mono_ns();
        pty_write(s->pty, back ? "\x7f" : t.text, 1);
        if (!stage_until(s, painted, &t, WAIT_MS)) {
            char *shown = vt_text(s->vt);
            (void)cause_set(why, STATUS_TIMEOUT, "a key is lost:\n%.400s", shown);
            free(shown);
            return false;
        }
        double ms = (double)(s->last_ns - start) / NS_PER_MS;
        bench_sample(view, ms);
        bench_sample(VIEWS + view, ms);
    }
    bench_heed(false);
    return true;
}

static bool measure(int workers, struct cause *why) {
    struct side s = {.fake = NULL};
    bench_heed(false);
    set_up(&s, workers);
    bool ok = type_keys(&s.screen, IN_THE_COMPOSER, why);
    if (ok) {
        pty_type(s.screen.pty, "\x1b");
        stage_expect(&s.screen, "w wall");
        pty_type(s.screen.pty, "w");
        stage_expect(&s.screen, "Part 001.*one more|─ \\* Part 001");
        pty_type(s.screen.pty, ":"); /* letters of a command, over the wall */
        stage_expect(&s.screen, "^: *$");
        stage_watch(&s.screen, 100);
        ok = type_keys(&s.screen, ON_THE_WALL, why);
    }
    tear_down(&s);
    return ok;
}

static bool hundred(void *arg, double *values, struct cause *why) {
    (void)arg;
    (void)values;
    return measure(MANY, why);
}

static bool one(void *arg, double *values, struct cause *why) {
    (void)arg;
    (void)values;
    return measure(1, why);
}

int main(int argc, char **argv) {
    static const struct bench_figure figures[] = {
        {.name = "wall_key_p99",
         .what = "key to painted letter on the wall of 100 writing workers (200x50), p99; control: "
                 "the same with one worker",
         .unit = "ms",
         .kind = BENCH_RATIO_MAX,
         .goal = RATIO_MAX,
         .percentile = 0.99},
        {.name = "crowd_key_p99",
         .what = "the same in the composer, beside the tree and eight live panes",
         .unit = "ms",
         .kind = BENCH_RATIO_MAX,
         .goal = RATIO_MAX,
         .percentile = 0.99},
        {.name = "wall_key",
         .what = "on the wall, median",
         .unit = "ms",
         .kind = BENCH_REPORTED,
         .percentile = 0.5},
        {.name = "crowd_key",
         .what = "in the composer, median",
         .unit = "ms",
         .kind = BENCH_REPORTED,
         .percentile = 0.5},
    };
    bench_begin(argc, argv);
    bench_run(&(struct bench_case){.figures = figures,
                                   .n = ARRAY_LEN(figures),
                                   .subject = hundred,
                                   .control = one,
                                   .rounds = ROUNDS});
    bool short_of_it = bench_missed() > 0;
    int code = bench_end();
    return short_of_it && str_eq(getenv("SPACEBOT_BENCH_STRICT"), "1") ? 1 : code;
}
