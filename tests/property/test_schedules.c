/* Random schedules of an agent: messages of several people, scripts, commands, routes, cancels,
 * interrupts, timeouts, requests answered, denied and left alone, abandoned commands, limits,
 * failing and hanging models and tools, restarts, in every order. The loop is inline and the clock
 * virtual, so that a seed is repeated exactly: one that fails prints the trace of its steps, and
 * SPACEBOT_SEED=N runs it alone. SPACEBOT_SCHEDULES=N sets how many seeds are tried,
 * SPACEBOT_SCHEDULES_FROM=N the first. */
#include "tests/property/world.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "tests/lib/script_shell.h"

#define SCHEDULES 200
#define STEPS 60

/* Whatever ends a schedule in the middle, an assertion of the program included, says how to get
 * there again. */
static struct world *under_way;

static void on_abort(int sig) {
    (void)sig;
    const struct world *w = under_way;
    if (!w)
        return;
    fputs(buf_str(&w->trace), stderr);
    fprintf(stderr, "seed %llu failed: run it alone with SPACEBOT_SEED=%llu\n",
            (unsigned long long)w->seed, (unsigned long long)w->seed);
}

static void settle(struct world *w) {
    for (int i = 0; i < 20000 && !agent_idle(w->agent); i++)
        loop_turn(w->loop, NS_PER_SEC * 3600);
    if (!agent_idle(w->agent)) {
        /* Only a channel's model call may hang for ever here: the real client ends it by its
         * silence limit. */
        size_t pos = 0;
        for (struct process *p; (p = process_next(agent_processes(w->agent), &pos));)
            if (p->kind == PROCESS_CHANNEL || p->kind == PROCESS_BRANCH)
                agent_cancel(w->agent, p, "silent for too long");
    }
}

static void settle_all(struct world *w) {
    for (int i = 0; i < 40 && !agent_idle(w->agent); i++)
        settle(w);
    for (int i = 0; i < 5; i++) /* what was written last is stored and answered */
        loop_turn(w->loop, 0);
    if (!agent_idle(w->agent))
        BROKEN(w, "it never settles");
    if (script_shell_running())
        BROKEN(w, "%zu commands still run", script_shell_running());
}

/* One loop and one sandbox for all schedules: trying out how to contain commands takes real
 * processes, and is not part of any. */
static struct world common;

static void clean(void) {
    static const char *const left[] = {"home/spacebot.db", "home/spacebot.db-wal",
                                       "home/spacebot.db-shm", "ws/f"};
    for (size_t i = 0; i < ARRAY_LEN(left); i++) {
        char *path = xasprintf("%.*s%s", (int)(strlen(common.home.dir) - strlen("home")),
                               common.home.dir, left[i]);
        unlink(path);
        x_free(&path);
    }
}

static void schedule(uint64_t seed) {
    struct world w = common;
    w.seed = seed;
    w.rng = seed * 0x9E3779B97F4A7C15u + 1;
    struct script_chooser chooser = {models_choose, models_check, &w};
    clock_set_virtual(INT64_C(1796000000000));
    under_way = &w;
    id_seed(seed);
    script_choose(&chooser);
    w.config->limits.workers = 4;
    w.config->limits.branches = 2;
    w.config->limits.worker_turns = 5 + pick(&w, 30);
    w.config->limits.worker_tokens = pick(&w, 3) ? 0 : 110 * pick(&w, 20);
    w.config->limits.context_window = pick(&w, 3) ? 128000 : 1000;
    w.config->limits.branch_wall_secs = pick(&w, 3) ? 0 : 60;
    w.config->limits.ask_secs = pick(&w, 2) ? 600 : 5 + pick(&w, 60);
    w.config->coalesce.min_messages = 1 + pick(&w, 4);
    w.config->coalesce.multi_user_only = pick(&w, 4) != 0;
    world_start(&w);
    for (int i = 0; i < STEPS; i++) {
        steps_next(&w);
        rules_hold(&w);
        if (pick(&w, 60) == 0) {
            STEP(&w, "restart");
            world_stop(&w);
            world_start(&w);
        }
    }
    settle_all(&w);
    steps_wake(&w); /* what a pause kept back is told now */
    settle_all(&w);
    rules_settled(&w);
    steps_check_answers(&w);
    rules_hold(&w);
    world_stop(&w);
    under_way = NULL;
    script_choose(NULL);
    script_reset();
    buf_free(&w.trace);
    clean();
}

static void random_schedules(void **state) {
    (void)state;
    const char *one = getenv("SPACEBOT_SEED"), *many = getenv("SPACEBOT_SCHEDULES");
    const char *first = getenv("SPACEBOT_SCHEDULES_FROM");
    uint64_t n = many ? strtoull(many, NULL, 10) : SCHEDULES;
    uint64_t from = first ? strtoull(first, NULL, 10) : 1;
    if (one) {
        schedule(strtoull(one, NULL, 10));
        return;
    }
    for (uint64_t seed = from; seed < from + n; seed++)
        schedule(seed);
}

static void nothing(void *arg) { (void)arg; }

static int setup(void **state) {
    struct cause why = {""};
    static char dir[64];
    (void)state;
    /* In memory: what is tested is the order of things, not the disk. */
    strcpy(dir, access("/dev/shm", W_OK) == 0 ? "/dev/shm/test-schedules-XXXXXX"
                                              : "/tmp/test-schedules-XXXXXX");
    assert_non_null(mkdtemp(dir));
    common.home.dir = xasprintf("%s/home", dir);
    common.home.db = xasprintf("%s/home/spacebot.db", dir);
    common.home.workspace = xasprintf("%s/ws", dir);
    assert_int_equal(mkdir(common.home.dir, 0700), 0);
    assert_int_equal(mkdir(common.home.workspace, 0700), 0);
    common.outside = xasprintf("%s/outside", dir);
    FILE *file = fopen(common.outside, "w");
    assert_non_null(file);
    fputs(OUTSIDE_TEXT, file);
    fclose(file);
    char *conf = xasprintf("%s/none.conf", dir);
    assert_int_equal(config_load(conf, &common.config, &why), STATUS_OK);
    x_free(&conf);
    const struct sandbox_config sc = {
        .launcher = "/bin/false", .spacebot_home = common.home.dir, .required = true};
    common.loop = loop_new(LOOP_INLINE);
    common.jobs = job_pool_new(common.loop, 1, 64);
    assert_int_equal(sandbox_new(common.loop, &sc, nothing, NULL, &common.sandbox, &why),
                     STATUS_OK);
    while (!sandbox_ready(common.sandbox))
        loop_turn(common.loop, 0);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    sandbox_free(&common.sandbox);
    job_pool_free(&common.jobs);
    child_shutdown();
    loop_free(&common.loop);
    config_free(&common.config);
    rmdir(common.home.workspace);
    char *cmd =
        xasprintf("rm -rf %.*s", (int)(strlen(common.home.dir) - strlen("/home")), common.home.dir);
    assert_int_equal(system(cmd), 0);
    x_free(&cmd);
    x_free(&common.home.dir);
    x_free(&common.home.db);
    x_free(&common.home.workspace);
    x_free(&common.outside);
    return 0;
}

int main(void) {
    clock_set_virtual(INT64_C(1796000000000));
    log_set_level(LOG_ERROR);
    signal(SIGABRT, on_abort);
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_schedules)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
