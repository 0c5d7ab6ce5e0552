/* bench: figures that hold on a shared machine. A figure is measured in rounds; in each the subject
 * (spacebot) and its control (what the machine itself allows) take turns, and the ratio of the two
 * is what counts. A round in which the machine was busy with something else is thrown away, said
 * so, and repeated. Each figure is told as a line for people and as a JSON line for report.c.
 *
 *   bench_begin(argc, argv);          --json FILE, --quick, --noisy, --only TEXT
 *   bench_run(&(struct bench_case){...});
 *   return bench_end();
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/status.h"

enum bench_goal {
    BENCH_REPORTED,   /* no goal: told as it is */
    BENCH_RATIO_MAX,  /* subject / control is at most the goal */
    BENCH_RATIO_MIN,  /* … at least the goal */
    BENCH_BEYOND_MAX, /* subject - control is at most the goal, in the unit */
    BENCH_MAX,        /* subject is at most the goal: an absolute goal */
    BENCH_MIN         /* … at least the goal */
};

struct bench_figure {
    const char *name; /* unique over all benches: "idle_bytes" */
    const char *what; /* a line for people; says what the control is */
    const char *unit;
    enum bench_goal kind;
    double goal;
    bool alone;        /* it has no control (the case's control leaves this value alone) */
    bool exact;        /* a count that a busy machine does not change: never thrown away */
    double percentile; /* 0: a round has a value; else (0, 1]: it has samples, see bench_sample() */
};

/* Measures one side once and fills a value a figure of the case; NAN: none in this round. False: it
 * could not be done at all, and why says the reason; the figures are then told as not measured. */
typedef bool bench_side_fn(void *arg, double *values, struct cause *why);

struct bench_case {
    const struct bench_figure *figures;
    size_t n;
    bench_side_fn *subject, *control; /* control: NULL when all figures are alone */
    void *arg;
    bool fills; /* it fills all cores with processes of its own: the spinner never runs, so only the
                   control tells a busy machine */
    int rounds; /* 0: the usual five (SPACEBOT_BENCH_ROUNDS, --quick: 2). Short ones want many */
};

#define BENCH_FIGURES_MAX 24 /* of one case */
#define BENCH_ROUNDS_MAX 96

/* Called by a side for a figure that has a percentile (its number in the case): a single
 * measurement. The figure is the percentile over the samples of all rounds that count, so that
 * rounds can be short enough for a machine that is not always quiet. Its value of the round is
 * their median, which the side need not fill in. */
void bench_sample(size_t figure, double value);

/* Reads the arguments, pins this program (server and driver) to its core. Ends the program on a
 * usage error. */
void bench_begin(int argc, char **argv);
/* For a side that prepares for long and measures for a moment: whether somebody else on the core
 * disturbs it now. A round begins with true. */
void bench_heed(bool heed);
/* Measures unless --only leaves all figures of the case out. */
void bench_run(const struct bench_case *c);
/* Adds to the note of a figure, before or while its case runs; each text once. */
void bench_note(const char *figure, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Tells a figure as not measured, with the reason. */
void bench_skip(const struct bench_figure *f, const char *why);
/* How many figures are short of their goal so far. */
int bench_missed(void);
/* The exit code: 0, also when goals were missed (the report says which). */
int bench_end(void);

/* Shorter runs are wanted: for development, never for the report. */
bool bench_quick(void);

/* Children that are forked between the two run on the subject's core, the engine with all of its
 * threads too; this program stays on the other one. With one core both are the same. */
void bench_subject_core(void);
void bench_driver_core(void);
void bench_all_cores(void);

#endif
