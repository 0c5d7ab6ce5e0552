/* stage: see stage.h. */
#include "tests/bench/stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "tests/bench/bench.h"
#include "tests/lib/wait.h"
#include "tests/lib/where.h"

/* ESC [ 2 J, ESC [ 3 J, ESC c, and ESC [ J right after ESC [ H: what empties a whole screen. */
int stage_clears(const char *data, size_t n) {
    static const char *const all[] = {"\033[2J", "\033[3J", "\033c", "\033[H\033[J"};
    int count = 0;
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        size_t len = strlen(all[i]);
        for (const char *at = data, *hit;
             (hit = memmem(at, n - (size_t)(at - data), all[i], len)) != NULL; at = hit + len)
            count++;
    }
    return count;
}

static void on_data(void *arg, const char *data, size_t n) {
    struct stage *s = arg;
    s->last_ns = clock_real_mono_ns();
    s->bytes += n;
    s->clears += stage_clears(data, n);
    vt_feed(s->vt, data, n);
}

void stage_start(struct stage *s, const char *const *argv, char *const *env, int cols, int rows) {
    memset(s, 0, sizeof(*s));
    s->vt = vt_new(cols, rows);
    bench_subject_core();
    s->start_ns = clock_real_mono_ns();
    s->pty = pty_start(&(struct pty_spec){.argv = argv, .env = env, .cols = cols, .rows = rows});
    bench_driver_core();
    vt_attach(s->vt, s->pty);
    pty_sink(s->pty, on_data, s);
}

void stage_spacebot(struct stage *s, struct tmphome *h, const char *const *args, int cols,
                    int rows) {
    const char *argv[16] = {where_spacebot()};
    size_t n = 1;
    for (; args && args[n - 1] && n < ARRAY_LEN(argv) - 1; n++)
        argv[n] = args[n - 1];
    stage_start(s, argv, h->env.v, cols, rows);
}

void stage_end(struct stage *s) {
    pty_free(&s->pty);
    vt_free(&s->vt);
}

void stage_quit(struct stage *s) {
    pty_type(s->pty, "\x03");
    pty_type(s->pty, "\x03");
    if (!pty_wait_exit(s->pty, WAIT_MS))
        fprintf(stderr, "the program does not end by Ctrl-C\n");
    stage_end(s);
}

bool stage_until(struct stage *s, bool (*done)(void *arg), void *arg, int ms) {
    return pty_pump_until(s->pty, done, arg, ms);
}

void stage_expect(struct stage *s, const char *pattern) {
    if (vt_wait(s->vt, pattern, WAIT_MS))
        return;
    char *shown = vt_text(s->vt);
    fprintf(stderr, "\"%s\" does not come:\n%s\n", pattern, shown);
    free(shown);
    exit(1);
}

void stage_watch(struct stage *s, int ms) {
    int64_t deadline = wait_until(ms);
    while (wait_left(deadline) > 0)
        (void)pty_pump(s->pty, deadline);
}

bool stage_painted(void *stage) {
    struct stage *s = stage;
    int row, col;
    return vt_find(s->vt, "? help", &row, &col) && vt_find(s->vt, "# inbox", &row, &col) &&
           vt_matches(s->vt, "(^|│ )>( |$)");
}
