/* bench_paint: what painting costs while models write: the real view on a real pseudo-terminal, fed
 * with pieces of text as the engine feeds it, in virtual time. Painting happens at most 60 times a
 * second; the control paints after every piece. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/process.h"
#include "base/clock.h"
#include "base/mem.h"
#include "tests/bench/bench.h"
#include "tests/bench/stage.h"
#include "tests/unit/ui_screen.h"
#include "ui/view.h"

#define COLS 200
#define ROWS 50
#define STREAMS 1000
#define RATE 50 /* pieces a second and stream */
#define FPS 60
#define SECONDS 3

struct paint {
    struct screen s;
    struct process_table *table;
    struct view *view;
    struct process *inbox, *worker[STREAMS];
    struct journal_entry *text[STREAMS];
    int streams;
    size_t fed;     /* pieces so far */
    int64_t cpu_ns; /* in view and terminal */
    size_t frames;
};

static struct paint the_paint;

static void nothing(void *arg) { (void)arg; }
static void nothing_with(void *arg, const char *text) {
    (void)arg;
    (void)text;
}
static void nothing_to(void *arg, const char *channel, const char *text) {
    (void)arg;
    (void)channel;
    (void)text;
}

static struct process *add(struct paint *p, enum process_kind kind, const char *bare,
                           struct process *parent, const char *name) {
    struct process *made;
    if (process_add(p->table, kind, bare, parent ? parent->handle : PROCESS_NONE, &made) !=
        STATUS_OK)
        exit(1);
    free(made->name);
    free(made->channel);
    made->name = xstrdup(name);
    made->channel = xstrdup(parent ? parent->channel : bare);
    process_changed(p->table, made);
    return made;
}

static void set_up(struct paint *p, int streams) {
    memset(p, 0, sizeof(*p));
    p->streams = streams;
    screen_start(&p->s, "xterm-256color", COLS, ROWS);
    p->table = process_table_new();
    struct view_host host = {.say = nothing_to,
                             .interrupt = nothing_with,
                             .cancel = nothing_with,
                             .seen = nothing_with,
                             .open = nothing_with,
                             .copy = nothing_with,
                             .suspend = nothing,
                             .dismiss = nothing,
                             .redraw = nothing,
                             .quit = nothing,
                             .arg = p};
    p->view = view_new(p->table, NULL, &host);
    p->inbox = add(p, PROCESS_CHANNEL, "inbox", NULL, "#inbox");
    for (int i = 0; i < streams; i++) {
        char bare[40], name[40];
        snprintf(bare, sizeof(bare), "00000000-0000-4000-8000-%012d", i);
        snprintf(name, sizeof(name), "read part %d of the log", i + 1);
        struct process *w = p->worker[i] = add(p, PROCESS_WORKER, bare, p->inbox, name);
        process_set_state(p->table, w, PROCESS_STATE_THINKING);
        p->text[i] = journal_open(&w->journal, JOURNAL_TEXT, NULL, NULL);
    }
    view_show(p->view, p->inbox->handle);
}

static void tear_down(struct paint *p) {
    view_free(&p->view);
    process_table_free(&p->table);
    screen_end(&p->s);
}

/* The terminal takes everything before time goes on. */
static void drain(struct paint *p) {
    do {
        (void)screen_take(&p->s, NULL, 0);
        (void)loop_turn(p->s.loop, 0);
    } while (term_pending(p->s.term) > 0);
    (void)screen_take(&p->s, NULL, 0);
}

static void paint_now(struct paint *p) {
    static const char *const greeting[] = {"Write below.", NULL};
    struct view_facts facts = {.contained = true, .loop_us = 300, .greeting = greeting};
    if (!view_stale(p->view))
        return;
    int64_t start = clock_thread_cpu_ns();
    view_draw(p->view, term_theme(p->s.term), COLS, ROWS, &facts);
    (void)term_flush(p->s.term);
    p->cpu_ns += clock_thread_cpu_ns() - start;
    p->frames++;
    drain(p);
}

/* The next piece, to the next stream in turn; prose with a line end now and then. */
static void feed(struct paint *p) {
    static const char *const words[] = {
        " the",   " loop", " waits", " for", " no",   " reader", " and",   " a",      " terminal",
        " takes", " its",  " time.", " So",  " what", " is",     " left,", " stays\n"};
    int i = (int)(p->fed % (size_t)p->streams);
    size_t turn = p->fed / (size_t)p->streams;
    const char *word = words[(turn * 7 + (size_t)i) % ARRAY_LEN(words)];
    struct process *w = p->worker[i];
    journal_append(&w->journal, p->text[i], word, strlen(word));
    w->last_byte_ns = clock_mono_ns();
    process_changed(p->table, w);
    p->fed++;
}

/* Plays so many seconds of all streams; paints once a frame, or after every piece. */
static void play(struct paint *p, double seconds, bool each) {
    size_t frames = (size_t)(seconds * FPS), start = p->fed;
    double a_frame = (double)p->streams * RATE / FPS;
    for (size_t f = 1; f <= frames; f++) {
        clock_advance(NS_PER_SEC / FPS);
        if (f % FPS == 0)
            view_tick(p->view);
        while (p->fed - start < (size_t)((double)f * a_frame)) {
            feed(p);
            if (each)
                paint_now(p);
        }
        paint_now(p);
    }
}

/* ---- the figures ----------------------------------------------------------------------------- */

/* A run of its own for each side: microseconds a piece, bytes a second, frames a second, clears. */
static void run(int streams, double seconds, bool each, double *us, double *bytes, double *clears,
                double *frame_us) {
    struct paint *p = &the_paint;
    clock_set_virtual(INT64_C(1764000000000));
    set_up(p, streams);
    bench_subject_core();
    paint_now(p); /* the whole screen once */
    play(p, 0.5, false);
    size_t before = p->s.seen.len, fed = p->fed, frames = p->frames;
    p->cpu_ns = 0;
    play(p, seconds, each);
    *us = (double)p->cpu_ns / 1000 / (double)(p->fed - fed);
    *frame_us = (double)p->cpu_ns / 1000 / (double)(p->frames - frames);
    *bytes = (double)(p->s.seen.len - before) / seconds;
    *clears = stage_clears(p->s.seen.data + before, p->s.seen.len - before);
    tear_down(p);
    clock_set_real();
}

static bool subject(void *arg, double *v, struct cause *why) {
    double us, frame_us;
    (void)arg;
    (void)why;
    run(STREAMS, SECONDS, false, &us, &v[1], &v[2], &v[5]);
    v[0] = 1 / us;
    v[6] = us;
    run(1, SECONDS, false, &us, &v[3], &v[4], &frame_us);
    return true;
}

/* Painting each piece is some fifty times as slow: a shorter stretch of it. */
static bool control(void *arg, double *v, struct cause *why) {
    double us, bytes, clears, frame_us;
    (void)arg;
    (void)why;
    run(STREAMS, 0.1, true, &us, &bytes, &clears, &frame_us);
    v[0] = 1 / us;
    v[6] = us;
    return true;
}

int main(int argc, char **argv) {
    static const struct bench_figure figures[] = {
        {.name = "paint_coalesced",
         .what =
             "pieces of text painted a CPU microsecond at 60 frames a second, 1,000 streams of 50 "
             "pieces a second (200x50); control: painting after each piece",
         .unit = "pieces/us",
         .kind = BENCH_RATIO_MIN,
         .goal = 15},
        {.name = "bytes_1000_streams",
         .what = "bytes to the terminal for 1,000 streams of 50 pieces a second",
         .unit = "B/s",
         .kind = BENCH_MAX,
         .goal = 300e3,
         .alone = true,
         .exact = true},
        {.name = "clears_1000_streams",
         .what = "times that the whole screen was emptied meanwhile",
         .unit = "clears",
         .kind = BENCH_MAX,
         .goal = 0,
         .alone = true,
         .exact = true},
        {.name = "bytes_1_stream",
         .what = "bytes to the terminal for one stream of 50 pieces a second",
         .unit = "B/s",
         .kind = BENCH_MAX,
         .goal = 2.5e3,
         .alone = true,
         .exact = true},
        {.name = "clears_1_stream",
         .what = "times that the whole screen was emptied meanwhile",
         .unit = "clears",
         .kind = BENCH_MAX,
         .goal = 0,
         .alone = true,
         .exact = true},
        {.name = "paint_frame",
         .what = "CPU of one frame while 1,000 streams write",
         .unit = "us",
         .kind = BENCH_REPORTED,
         .alone = true},
        {.name = "paint_piece",
         .what = "CPU of painting a piece of text; control: painting after each piece",
         .unit = "us",
         .kind = BENCH_REPORTED},
    };
    bench_begin(argc, argv);
    bench_run(&(struct bench_case){
        .figures = figures, .n = ARRAY_LEN(figures), .subject = subject, .control = control});
    return bench_end();
}
