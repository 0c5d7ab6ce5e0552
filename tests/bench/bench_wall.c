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
#define KEYS 200 /* on each view: the p99 is the second slowest */
#define KEYS_QUICK 40
#define RATIO_MAX 1.5
#define SIDES_MAX 64
#define PACE_MS 200 /* between two pieces of a worker's text */

enum view { ON_THE_WALL, IN_THE_COMPOSER, VIEWS };

/* Milliseconds of every side that was measured, for the verdict. */
static struct {
    double p99[VIEWS][SIDES_MAX];
    size_t n;
} seen[2];

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

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* A letter, and the letter taken back, at odd moments: milliseconds until the cell under the cursor
 * shows it. The median and the second slowest of a hundred. */
static bool type_keys(struct stage *s, double *median, double *p99, struct cause *why) {
    struct typing t = {.stage = s};
    int keys = bench_quick() ? KEYS_QUICK : KEYS;
    double ms[KEYS];
    bool visible;
    vt_cursor(s->vt, &t.row, &t.col, &visible);
    for (int i = 0; i < keys; i++) {
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
        ms[i] = (double)(s->last_ns - start) / NS_PER_MS;
    }
    qsort(ms, (size_t)keys, sizeof(ms[0]), ascending);
    *median = ms[keys / 2];
    *p99 = ms[keys - 1 - keys / 100];
    return true;
}

static bool measure(int workers, double *values, struct cause *why) {
    struct side s = {.fake = NULL};
    set_up(&s, workers);
    bool ok = type_keys(&s.screen, &values[3], &values[1], why); /* in the composer */
    if (ok) {
        pty_type(s.screen.pty, "\x1b");
        stage_expect(&s.screen, "w wall");
        pty_type(s.screen.pty, "w");
        stage_expect(&s.screen, "Part 001.*one more|─ \\* Part 001");
        pty_type(s.screen.pty, ":"); /* letters of a command, over the wall */
        stage_expect(&s.screen, "^: *$");
        stage_watch(&s.screen, 100);
        ok = type_keys(&s.screen, &values[2], &values[0], why);
    }
    tear_down(&s);
    size_t which = workers > 1;
    if (ok && seen[which].n < SIDES_MAX) {
        seen[which].p99[ON_THE_WALL][seen[which].n] = values[0];
        seen[which].p99[IN_THE_COMPOSER][seen[which].n++] = values[1];
    }
    return ok;
}

static bool hundred(void *arg, double *values, struct cause *why) {
    (void)arg;
    return measure(MANY, values, why);
}

static bool one(void *arg, double *values, struct cause *why) {
    (void)arg;
    return measure(1, values, why);
}

/* ---- the verdict ----------------------------------------------------------------------------- */

static double median(double *v, size_t n) {
    qsort(v, n, sizeof(*v), ascending);
    return v[n / 2];
}

static bool met(void) {
    static const char *const names[] = {"on the wall", "in the composer"};
    bool all = true;
    if (!seen[0].n || !seen[1].n)
        return true; /* --only left it out */
    for (size_t v = 0; v < VIEWS; v++) {
        double many = median(seen[1].p99[v], seen[1].n), alone = median(seen[0].p99[v], seen[0].n);
        printf("key to paint %s, p99: %.2f ms with %d workers, %.2f ms with one: %.2f times (at "
               "most %.1f)\n",
               names[v], many, MANY, alone, many / alone, RATIO_MAX);
        all = all && many <= RATIO_MAX * alone;
    }
    return all;
}

int main(int argc, char **argv) {
    static const struct bench_figure figures[] = {
        {.name = "wall_key_p99",
         .what = "key to painted letter on the wall of 100 writing workers (200x50), p99; control: "
                 "the same with one worker",
         .unit = "ms",
         .kind = BENCH_RATIO_MAX,
         .goal = RATIO_MAX},
        {.name = "crowd_key_p99",
         .what = "the same in the composer, beside the tree and eight live panes",
         .unit = "ms",
         .kind = BENCH_RATIO_MAX,
         .goal = RATIO_MAX},
        {.name = "wall_key", .what = "on the wall, median", .unit = "ms", .kind = BENCH_REPORTED},
        {.name = "crowd_key",
         .what = "in the composer, median",
         .unit = "ms",
         .kind = BENCH_REPORTED},
    };
    bench_begin(argc, argv);
    bench_run(&(struct bench_case){
        .figures = figures, .n = ARRAY_LEN(figures), .subject = hundred, .control = one});
    int code = bench_end();
    return met() || !str_eq(getenv("SPACEBOT_BENCH_STRICT"), "1") ? code : 1;
}
