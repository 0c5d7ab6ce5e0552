/* bench_child: children started and reaped a second by the loop, bare, through the launcher, and in
 * full containment, against posix_spawn and waitpid alone. None may be left behind. */
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "loop/child.h"
#include "sandbox/sandbox.h"
#include "tests/bench/bench.h"
#include "tests/bench/usage.h"
#include "tests/lib/proc.h"
#include "tests/lib/tmphome.h"
#include "tests/lib/where.h"

#define TRUE_PATH "/bin/true"
#define AT_ONCE 4   /* children under way */
#define CHILDREN 64 /* a round */
#define ROUNDS 20

struct children {
    struct loop *loop;
    struct tmphome *home;
    struct sandbox *sandbox;
    bool ready;
    const struct child_spec *spec;
    int to_start, running, failed;
};

static void start_one(struct children *b);

static void on_exit_of(void *arg, struct child_exit how) {
    struct children *b = arg;
    b->running--;
    b->failed += how.signalled || how.code != 0;
    if (b->to_start > 0)
        start_one(b);
}

static void start_one(struct children *b) {
    struct child_spec spec = *b->spec;
    struct child *child;
    struct cause why;
    spec.name = "true";
    spec.on_exit = on_exit_of;
    spec.arg = b;
    b->to_start--;
    if (child_spawn(b->loop, &spec, &child, &why) == STATUS_OK)
        b->running++;
    else
        b->failed++;
}

/* Starts n children by `spec` and waits for the end of each: how many a second. */
static bool rate(struct children *b, const struct child_spec *spec, int n, double *a_second,
                 struct cause *why) {
    b->spec = spec;
    b->to_start = n;
    b->running = b->failed = 0;
    int64_t start = clock_real_mono_ns();
    for (int i = 0; i < AT_ONCE && b->to_start > 0; i++)
        start_one(b);
    while (b->running > 0)
        (void)loop_turn(b->loop, NS_PER_SEC);
    *a_second = n * (double)NS_PER_SEC / (double)(clock_real_mono_ns() - start);
    if (b->failed)
        (void)cause_set(why, STATUS_IO, "%d of %d children failed", b->failed, n);
    return !b->failed;
}

static void count_zombie(void *arg, pid_t pid) { *(double *)arg += proc_state(pid) == 'Z'; }

static bool contained(struct children *b, int n, double *a_second, struct cause *why) {
    struct sandbox_command c = {0};
    struct child_spec spec = {0};
    static const char *const argv[] = {TRUE_PATH, NULL};
    struct sandbox_request r = {.workspace = b->home->workspace, .argv = argv};
    bool ok = sandbox_command(b->sandbox, &r, &c, why) == STATUS_OK;
    if (ok) {
        sandbox_command_spec(&c, &spec);
        ok = rate(b, &spec, n, a_second, why);
    }
    sandbox_command_free(&c);
    return ok;
}

static bool subject(void *arg, double *values, struct cause *why) {
    struct children *b = arg;
    static const char *const bare[] = {TRUE_PATH, NULL};
    struct child_spec plain = {.argv = bare};
    bench_subject_core();
    bool ok = rate(b, &plain, CHILDREN, &values[0], why);
    values[1] = 0;
    usage_descendants(getpid(), count_zombie, &values[1]);
    return ok;
}

static bool subject_wrapped(void *arg, double *values, struct cause *why) {
    struct children *b = arg;
    char parent[16];
    const char *run = getenv("SPACEBOT_RUN");
    char *own = run ? NULL : xasprintf("%s/spacebot-run", where_build());
    snprintf(parent, sizeof(parent), "%d", (int)getpid());
    const char *launched[] = {run ? run : own, "--life", "3",       "--parent",
                              parent,          "--",     TRUE_PATH, NULL};
    struct child_spec through = {.argv = launched, .life_pipe = true, .life_fd = 3};
    bench_subject_core();
    bool ok = rate(b, &through, CHILDREN / 2, &values[0], why) &&
              contained(b, CHILDREN / 8, &values[1], why);
    values[2] = 0;
    usage_descendants(getpid(), count_zombie, &values[2]);
    free(own);
    return ok;
}

static bool control(void *arg, double *values, struct cause *why) {
    char *argv[] = {(char[]){TRUE_PATH}, NULL}, *env[] = {NULL};
    int n = CHILDREN;
    (void)arg;
    bench_subject_core();
    int64_t start = clock_real_mono_ns();
    for (int i = 0; i < n; i++) {
        pid_t pid;
        int status;
        int err = posix_spawn(&pid, argv[0], NULL, NULL, argv, env);
        if (err) {
            (void)cause_errno(why, STATUS_IO, err, "posix_spawn");
            return false;
        }
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            ;
    }
    values[0] = n * (double)NS_PER_SEC / (double)(clock_real_mono_ns() - start);
    return true;
}

static bool control_twice(void *arg, double *values, struct cause *why) {
    bool ok = control(arg, values, why);
    values[1] = values[0];
    return ok;
}

static void on_ready(void *arg) { ((struct children *)arg)->ready = true; }

static void set_up(struct children *b) {
    const char *run = getenv("SPACEBOT_RUN");
    char *own = run ? NULL : xasprintf("%s/spacebot-run", where_build());
    struct cause why;
    b->loop = loop_new(LOOP_REAL);
    b->home = tmphome_new(NULL);
    struct sandbox_config config = {.launcher = run ? run : own,
                                    .home = b->home->user,
                                    .spacebot_home = b->home->home,
                                    .runtime_dir = b->home->run,
                                    .required = true};
    if (sandbox_new(b->loop, &config, on_ready, b, &b->sandbox, &why) != STATUS_OK) {
        fprintf(stderr, "%s\n", why.text);
        exit(1);
    }
    while (!b->ready)
        (void)loop_turn(b->loop, NS_PER_SEC);
    bench_note("spawn_contained", "containment here: %s",
               sandbox_mode_name(sandbox_mode(b->sandbox)));
    free(own);
}

int main(int argc, char **argv) {
    static const struct bench_figure bare[] = {
        {.name = "spawn_bare",
         .what = "children started and reaped by the loop, own session and pipes each; control: "
                 "posix_spawn and waitpid alone",
         .unit = "1/s",
         .kind = BENCH_MIN,
         .goal = 1000},
        {.name = "spawn_zombies",
         .what = "children left behind unreaped",
         .unit = "zombies",
         .kind = BENCH_MAX,
         .goal = 0,
         .alone = true,
         .exact = true},
    };
    /* The kernel takes namespaces down in threads of its own, which the spinner takes for others.
     */
    static const struct bench_figure wrapped[] = {
        {.name = "spawn_launcher",
         .what = "the same through spacebot-run",
         .unit = "1/s",
         .kind = BENCH_REPORTED},
        {.name = "spawn_contained",
         .what = "the same in full containment",
         .unit = "1/s",
         .kind = BENCH_REPORTED},
        {.name = "spawn_wrapped_zombies",
         .what = "children of these left behind unreaped",
         .unit = "zombies",
         .kind = BENCH_MAX,
         .goal = 0,
         .alone = true,
         .exact = true},
    };
    struct children b = {.loop = NULL};
    bench_begin(argc, argv);
    set_up(&b);
    bench_run(&(struct bench_case){.figures = bare,
                                   .n = ARRAY_LEN(bare),
                                   .subject = subject,
                                   .control = control,
                                   .arg = &b,
                                   .rounds = ROUNDS});
    bench_run(&(struct bench_case){.figures = wrapped,
                                   .n = ARRAY_LEN(wrapped),
                                   .subject = subject_wrapped,
                                   .control = control_twice,
                                   .arg = &b,
                                   .fills = true,
                                   .rounds = ROUNDS});
    sandbox_free(&b.sandbox);
    child_shutdown();
    loop_free(&b.loop);
    tmphome_free(&b.home);
    return bench_end();
}
