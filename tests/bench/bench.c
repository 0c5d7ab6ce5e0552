/* bench: see bench.h. */
#include "tests/bench/bench.h"

#include <errno.h>
#include <math.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "tests/bench/spinner.h"

#define ROUNDS 5
#define ROUNDS_QUICK 2
#define CASE_SECS 120          /* no further round of a case begins after so long, … */
#define ROUNDS_LEAST 3         /* … and so many are then enough */
#define TRIES 3                /* rounds are repeated up to so many times as many */
#define STRAY 0.25             /* of the median control */
#define GAP_NS (5 * NS_PER_MS) /* of the core */

static struct {
    FILE *out; /* JSON lines; NULL: none wanted */
    bool quick, noisy;
    int rounds;
    const char *only;
    int driver, subject; /* cores */
    cpu_set_t all;
    int64_t started_ns;
    cJSON *notes; /* name -> text */
    int missed;
    struct samples *taking;  /* of the side that is measured, by figure */
    struct spinner *spinner; /* of the round; NULL: none */
} bench = {.rounds = ROUNDS};

struct samples {
    double *v;
    size_t n, cap;
};

/* What one figure has come to. */
struct result {
    double subject[BENCH_ROUNDS_MAX], control[BENCH_ROUNDS_MAX];
    struct samples subjects[BENCH_ROUNDS_MAX], controls[BENCH_ROUNDS_MAX];
    bool quiet[BENCH_ROUNDS_MAX]; /* nobody else had the core */
    bool kept[BENCH_ROUNDS_MAX];
    int n, nkept, noisy;
};

/* ---- options --------------------------------------------------------------------------------- */

static void pin(int core) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)core, &set);
    if (sched_setaffinity(0, sizeof(set), &set) != 0)
        fprintf(stderr, "cannot stay on core %d: %s\n", core, strerror(errno));
}

static void choose_cores(void) {
    bench.driver = bench.subject = -1;
    if (sched_getaffinity(0, sizeof(bench.all), &bench.all) != 0)
        return;
    for (int core = 0; core < CPU_SETSIZE && bench.subject < 0; core++) {
        if (!CPU_ISSET((size_t)core, &bench.all))
            continue;
        if (bench.driver < 0)
            bench.driver = core;
        else
            bench.subject = core;
    }
    if (bench.subject < 0)
        bench.subject = bench.driver;
}

static void usage(const char *name) {
    fprintf(stderr,
            "%s [--json FILE] [--quick] [--noisy] [--only TEXT]\n"
            "  --json FILE   a line of JSON for each figure\n"
            "  --quick       short rounds and few of them, for development\n"
            "  --noisy       keep the rounds that a busy machine has disturbed, and mark them\n"
            "  --only TEXT   only cases with a figure whose name contains it\n"
            "SPACEBOT_BENCH_ROUNDS is the number of rounds (%d).\n",
            name, ROUNDS);
    exit(2);
}

void bench_begin(int argc, char **argv) {
    const char *rounds = getenv("SPACEBOT_BENCH_ROUNDS");
    int64_t n;
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int i = 1; i < argc; i++) {
        if (str_eq(argv[i], "--quick")) {
            bench.quick = true;
            bench.rounds = ROUNDS_QUICK;
        } else if (str_eq(argv[i], "--noisy")) {
            bench.noisy = true;
        } else if (str_eq(argv[i], "--json") && i + 1 < argc) {
            bench.out = fopen(argv[++i], "we");
            if (!bench.out) {
                perror(argv[i]);
                exit(1);
            }
        } else if (str_eq(argv[i], "--only") && i + 1 < argc) {
            bench.only = argv[++i];
        } else {
            usage(argv[0]);
        }
    }
    if (rounds && (str_to_i64(rounds, &n) != STATUS_OK || n < 1 || n * TRIES > BENCH_ROUNDS_MAX)) {
        fprintf(stderr, "SPACEBOT_BENCH_ROUNDS: 1 to %d\n", BENCH_ROUNDS_MAX / TRIES);
        exit(2);
    }
    if (rounds)
        bench.rounds = (int)n;
    bench.notes = json_new_obj();
    bench.started_ns = clock_real_mono_ns();
    /* Engines that leave their starter stay below this program. */
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1L, 0L, 0L, 0L);
    choose_cores();
    bench_driver_core();
    if (bench.subject >= 0 && !spinner_begin(bench.subject))
        printf("  nobody may count here what the bench itself uses: only controls tell a busy "
               "machine\n");
}

bool bench_quick(void) { return bench.quick; }

void bench_subject_core(void) {
    if (bench.subject >= 0)
        pin(bench.subject);
}

void bench_driver_core(void) {
    if (bench.driver >= 0)
        pin(bench.driver);
}

void bench_all_cores(void) {
    if (bench.driver >= 0)
        (void)sched_setaffinity(0, sizeof(bench.all), &bench.all);
}

void bench_note(const char *figure, const char *fmt, ...) {
    struct buf text = BUF_INIT;
    const char *old = json_str(bench.notes, figure, "");
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&text, fmt, ap);
    va_end(ap);
    if (!strstr(old, buf_str(&text))) {
        char *all = xasprintf("%s%s%s", old, *old ? "; " : "", buf_str(&text));
        cJSON_DeleteItemFromObjectCaseSensitive(bench.notes, figure);
        json_add_str(bench.notes, figure, all);
        free(all);
    }
    buf_free(&text);
}

/* ---- figures --------------------------------------------------------------------------------- */

void bench_sample(size_t figure, double value) {
    struct samples *s = &bench.taking[figure];
    if (s->n == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 16;
        s->v = xreallocarray(s->v, s->cap, sizeof(*s->v));
    }
    s->v[s->n++] = value;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* NAN of nothing. Sorts. */
static double median(double *v, size_t n) {
    if (n == 0)
        return NAN;
    qsort(v, n, sizeof(*v), by_value);
    return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

/* Of the samples of the rounds that count: the least that this part of them does not pass. */
static double percentile(const struct result *r, const struct samples *rounds, double part) {
    struct samples all = {0};
    for (int i = 0; i < r->n; i++) {
        if (!r->kept[i])
            continue;
        all.v = xreallocarray(all.v, all.n + rounds[i].n + 1, sizeof(*all.v));
        memcpy(all.v + all.n, rounds[i].v, rounds[i].n * sizeof(*all.v));
        all.n += rounds[i].n;
    }
    double value = NAN;
    if (all.n) {
        qsort(all.v, all.n, sizeof(*all.v), by_value);
        size_t rank = (size_t)ceil(part * (double)all.n);
        value = all.v[rank ? rank - 1 : 0];
    }
    free(all.v);
    return value;
}

/* Decides which rounds count. */
static void judge(const struct bench_figure *f, struct result *r) {
    double controls[BENCH_ROUNDS_MAX];
    size_t n = 0;
    for (int i = 0; i < r->n; i++)
        if ((r->quiet[i] || f->exact) && !isnan(r->control[i]))
            controls[n++] = r->control[i];
    double usual = median(controls, n);
    r->nkept = r->noisy = 0;
    for (int i = 0; i < r->n; i++) {
        bool ok = !isnan(r->subject[i]) && (f->alone || !isnan(r->control[i]));
        bool quiet = f->exact || (r->quiet[i] && (f->alone || isnan(usual) ||
                                                  fabs(r->control[i] - usual) <= STRAY * usual));
        r->noisy += ok && !quiet;
        r->kept[i] = ok && (quiet || bench.noisy);
        r->nkept += r->kept[i];
    }
}

struct summary {
    double subject, control, ratio, spread;
};

static struct summary sum_up(const struct bench_figure *f, const struct result *r) {
    double subject[BENCH_ROUNDS_MAX], control[BENCH_ROUNDS_MAX], ratio[BENCH_ROUNDS_MAX];
    double low = INFINITY, high = -INFINITY;
    size_t n = 0;
    for (int i = 0; i < r->n; i++) {
        if (!r->kept[i])
            continue;
        subject[n] = r->subject[i];
        control[n] = r->control[i];
        ratio[n] = r->subject[i] / r->control[i];
        low = fmin(low, subject[n]);
        high = fmax(high, subject[n]);
        n++;
    }
    struct summary s = {median(subject, n), NAN, NAN, NAN};
    if (!f->alone) {
        s.control = median(control, n);
        s.ratio = median(ratio, n);
    }
    if (f->percentile > 0) {
        s.subject = percentile(r, r->subjects, f->percentile);
        s.control = f->alone ? NAN : percentile(r, r->controls, f->percentile);
        s.ratio = s.subject / s.control;
    }
    if (n > 0)
        s.spread = high > low ? (high - low) / fabs(s.subject) : 0;
    return s;
}

static const char *goal_name(enum bench_goal kind) {
    switch (kind) {
    case BENCH_REPORTED:
        return NULL;
    case BENCH_RATIO_MAX:
    case BENCH_RATIO_MIN:
        return "ratio";
    case BENCH_BEYOND_MAX:
        return "beyond";
    case BENCH_MAX:
    case BENCH_MIN:
        return "absolute";
    }
    return NULL;
}

static bool at_most(enum bench_goal kind) {
    return kind == BENCH_RATIO_MAX || kind == BENCH_BEYOND_MAX || kind == BENCH_MAX;
}

static bool meets(const struct bench_figure *f, const struct summary *s) {
    switch (f->kind) {
    case BENCH_REPORTED:
        return true;
    case BENCH_RATIO_MAX:
        return s->ratio <= f->goal;
    case BENCH_RATIO_MIN:
        return s->ratio >= f->goal;
    case BENCH_BEYOND_MAX:
        return s->subject - s->control <= f->goal;
    case BENCH_MAX:
        return s->subject <= f->goal;
    case BENCH_MIN:
        return s->subject >= f->goal;
    }
    return false;
}

/* ---- telling --------------------------------------------------------------------------------- */

static void add_number(cJSON *out, const char *key, double v) {
    if (isfinite(v))
        json_add_num(out, key, v);
    else
        json_add_null(out, key);
}

static void put_line(cJSON *line) {
    if (bench.out) {
        char *text = json_print(line);
        fprintf(bench.out, "%s\n", text);
        fflush(bench.out);
        free(text);
    }
    cJSON_Delete(line);
}

static cJSON *start_line(const struct bench_figure *f) {
    cJSON *line = json_new_obj();
    json_add_str(line, "figure", f->name);
    json_add_str(line, "what", f->what);
    json_add_str(line, "unit", f->unit);
    if (f->kind != BENCH_REPORTED) {
        json_add_num(line, "goal", f->goal);
        json_add_str(line, "goal_kind", goal_name(f->kind));
        json_add_str(line, "goal_bound", at_most(f->kind) ? "at_most" : "at_least");
    }
    return line;
}

static void add_note(cJSON *line, const struct bench_figure *f, const char *more) {
    const char *parts[] = {more, json_str(bench.notes, f->name, "")};
    struct buf note = BUF_INIT;
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        if (!str_empty(parts[i]))
            buf_printf(&note, "%s%s", note.len ? "; " : "", parts[i]);
    json_add_str(line, "note", buf_str(&note));
    buf_free(&note);
}

void bench_skip(const struct bench_figure *f, const char *why) {
    cJSON *line = start_line(f);
    json_add_null(line, "subject");
    json_add_null(line, "met");
    char *note = xasprintf("not measured: %s", why);
    add_note(line, f, note);
    put_line(line);
    printf("%-28s %s\n", f->name, note);
    free(note);
}

static void tell(const struct bench_figure *f, struct result *r, int wanted, bool late) {
    judge(f, r);
    struct summary s = sum_up(f, r);
    int least = late && wanted > ROUNDS_LEAST ? ROUNDS_LEAST : wanted;
    bool decided = r->nkept >= least || (f->exact && r->nkept > 0) || (bench.noisy && r->nkept);
    char noise[128] = "";
    if (bench.noisy && r->noisy)
        snprintf(noise, sizeof(noise), "noisy: %d of %d rounds were disturbed", r->noisy, r->n);
    else if (!decided)
        snprintf(noise, sizeof(noise), "too noisy: %d of %d rounds kept", r->nkept, r->n);
    bench.missed += f->kind != BENCH_REPORTED && decided && !meets(f, &s);
    cJSON *line = start_line(f);
    add_number(line, "subject", s.subject);
    add_number(line, "control", s.control);
    add_number(line, "ratio", s.ratio);
    add_number(line, "spread", s.spread);
    if (f->kind == BENCH_REPORTED || !decided || isnan(s.subject))
        json_add_null(line, "met");
    else
        json_add_bool(line, "met", meets(f, &s));
    json_add_i64(line, "rounds", r->nkept);
    json_add_i64(line, "discarded", r->n - r->nkept);
    add_note(line, f, noise);
    printf("%-28s %12.6g %s", f->name, s.subject, f->unit);
    if (!f->alone)
        printf(", control %.6g, ratio %.3g", s.control, s.ratio);
    printf(", spread %.0f %%", 100 * s.spread);
    if (f->kind != BENCH_REPORTED)
        printf(", goal %s %g (%s): %s", at_most(f->kind) ? "<=" : ">=", f->goal, goal_name(f->kind),
               !decided       ? "undecided"
               : meets(f, &s) ? "met"
                              : "NOT MET");
    printf("; %d rounds, %d thrown away", r->nkept, r->n - r->nkept);
    const char *note = json_str(line, "note", "");
    printf("%s%s\n", *note ? "\n    " : "", note);
    put_line(line);
}

/* ---- rounds ---------------------------------------------------------------------------------- */

static void results_free(struct result *results, size_t n) {
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < BENCH_ROUNDS_MAX; k++) {
            free(results[i].subjects[k].v);
            free(results[i].controls[k].v);
        }
    free(results);
}

static bool wanted_case(const struct bench_case *c) {
    for (size_t i = 0; i < c->n; i++)
        if (!bench.only || strstr(c->figures[i].name, bench.only))
            return true;
    return false;
}

static void skip_all(const struct bench_case *c, const char *why) {
    for (size_t i = 0; i < c->n; i++)
        bench_skip(&c->figures[i], why);
}

void bench_heed(bool heed) { spinner_heed(bench.spinner, heed); }

static bool measure(const struct bench_case *c, bench_side_fn *side, double *values,
                    struct samples *samples, struct cause *why) {
    for (size_t i = 0; i < BENCH_FIGURES_MAX; i++)
        values[i] = NAN;
    bench.taking = samples;
    bench_heed(true);
    bool ok = !side || side(c->arg, values, why);
    bench_driver_core(); /* wherever the side has left us */
    for (size_t i = 0; i < c->n; i++)
        if (samples[i].n)
            values[i] = median(samples[i].v, samples[i].n);
    return ok;
}

/* Fills one more round of every figure. */
static bool play_round(const struct bench_case *c, struct result *results, int round,
                       struct cause *why) {
    double subject[BENCH_FIGURES_MAX], control[BENCH_FIGURES_MAX];
    struct samples subjects[BENCH_FIGURES_MAX] = {{0}}, controls[BENCH_FIGURES_MAX] = {{0}};
    bench.spinner = bench.subject >= 0 && !c->fills ? spinner_start(bench.subject) : NULL;
    bool ok = true;
    /* Whoever comes second finds warmer caches: they take turns in that too. */
    if (round % 2)
        ok = measure(c, c->control, control, controls, why);
    ok = ok && measure(c, c->subject, subject, subjects, why);
    if (round % 2 == 0)
        ok = ok && measure(c, c->control, control, controls, why);
    int64_t gap = spinner_stop(&bench.spinner);
    for (size_t i = 0; i < c->n; i++) {
        results[i].subjects[round] = subjects[i];
        results[i].controls[round] = controls[i];
    }
    if (!ok)
        return false;
    if (gap > GAP_NS)
        printf("  round %d: the core was somebody else's for %.1f ms\n", round + 1,
               (double)gap / NS_PER_MS);
    for (size_t i = 0; i < c->n; i++) {
        results[i].subject[round] = subject[i];
        results[i].control[round] = control[i];
        results[i].quiet[round] = gap <= GAP_NS;
        results[i].n = round + 1;
    }
    return true;
}

static bool enough(const struct bench_case *c, struct result *results, int wanted) {
    for (size_t i = 0; i < c->n; i++) {
        judge(&c->figures[i], &results[i]);
        if (results[i].nkept < wanted)
            return false;
    }
    return true;
}

void bench_run(const struct bench_case *c) {
    if (!wanted_case(c))
        return;
    int wanted =
        c->rounds && !bench.quick && !getenv("SPACEBOT_BENCH_ROUNDS") ? c->rounds : bench.rounds;
    struct result *results = xcalloc(c->n, sizeof(*results));
    struct cause why = {""};
    int round = 0;
    int64_t deadline = clock_real_mono_ns() + CASE_SECS * NS_PER_SEC;
    bool late = false;
    while (!late && (round < wanted || (round < wanted * TRIES && !enough(c, results, wanted)))) {
        if (!play_round(c, results, round, &why)) {
            skip_all(c, why.text);
            results_free(results, c->n);
            return;
        }
        round++;
        late = clock_real_mono_ns() > deadline;
    }
    for (size_t i = 0; i < c->n; i++)
        tell(&c->figures[i], &results[i], wanted, late);
    results_free(results, c->n);
}

int bench_missed(void) { return bench.missed; }

int bench_end(void) {
    printf("  took %.0f s\n", (double)(clock_real_mono_ns() - bench.started_ns) / NS_PER_SEC);
    if (bench.out)
        fclose(bench.out);
    cJSON_Delete(bench.notes);
    return 0;
}
