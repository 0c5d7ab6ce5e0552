/* Very many at once: workers and branches over several channels, all of them in the middle of a
 * model call at the same moment, then all let go. They settle, every result is told, and nothing is
 * left: no descriptor, no child, no process without an outcome. A tenth of the size unless
 * SPACEBOT_TEST_LONG is set (make check-long): 1,000 workers and 200 branches over 20 channels. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "tests/lib/fake.h"
#include "tests/lib/jsonl.h"
#include "tests/lib/proc.h"
#include "tests/lib/scene.h"
#include "tests/lib/tmphome.h"
#include "tests/lib/wait.h"

#define WORKERS 50 /* of one channel */
#define BRANCHES 10
#define LONG_MS 600000 /* under a sanitizer, on a busy machine */

struct fixture {
    struct fake *fake;
    struct tmphome *home;
    int channels, workers, branches;
};
static struct fixture f;

static int teardown(void **state) {
    (void)state;
    tmphome_free(&f.home);
    struct fake *fake = f.fake;
    memset(&f, 0, sizeof(f));
    fake_stop(&fake);
    return 0;
}

/* One answer that starts everything of a channel; workers and branches that stop in the middle of
 * their text until they are released, and then report. */
static char *scenario(void) {
    struct buf b = BUF_INIT;
    buf_puts(&b, "{\"rules\":[{\"match\":{\"has_tool\":\"reply\",\"last_user_contains\":"
                 "\"has come back\"},\"respond\":[{\"tool_use\":{\"name\":\"reply\",\"input\":"
                 "{\"content\":\"Some of it is done.\"}}}]},"
                 "{\"match\":{\"has_tool\":\"reply\",\"step\":0},\"respond\":[");
    for (int i = 0; i < f.workers; i++)
        buf_printf(&b,
                   "%s{\"tool_use\":{\"name\":\"spawn_worker\",\"input\":{\"task\":"
                   "\"piece %d of the work\"}}}",
                   i ? "," : "", i);
    for (int i = 0; i < f.branches; i++)
        buf_printf(&b,
                   ",{\"tool_use\":{\"name\":\"branch\",\"input\":{\"description\":"
                   "\"thought %d about it\"}}}",
                   i);
    buf_puts(&b, "]},{\"match\":{\"has_tool\":\"reply\"},\"respond\":[{\"tool_use\":"
                 "{\"name\":\"skip\",\"input\":{}}}]},"
                 "{\"match\":{" SCENE_WORKER ",\"step\":0},\"respond\":["
                 "{\"text\":\"I am at it, and it goes well so far.\"},"
                 "{\"tool_use\":{\"name\":\"set_status\",\"input\":"
                 "{\"status\":\"it is done\",\"kind\":\"outcome\"}}}],"
                 "\"faults\":{\"hold\":\"all\",\"hold_after_events\":3}},"
                 "{\"match\":{" SCENE_WORKER "},\"respond\":[{\"text\":\"Done.\"}]},"
                 "{\"match\":{},\"respond\":[{\"text\":\"I have thought about it: yes.\"}],"
                 "\"faults\":{\"hold\":\"all\",\"hold_after_events\":3}}]}");
    return buf_steal(&b);
}

static cJSON *lines_of(const char *const *args) {
    struct run *r = tmphome_spacebot(f.home, args, NULL);
    run_expect_code(r, 0);
    cJSON *lines = jsonl_parse(run_out(r));
    run_free(&r);
    return lines;
}

static int descriptors(pid_t pid) {
    char path[32];
    snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
    DIR *d = opendir(path);
    assert_non_null(d);
    int n = 0;
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

/* No worker here runs a command; the engine's own trial of its sandbox may be under way still. */
static void expect_no_children(pid_t pid) {
    struct proc_list list;
    proc_children(pid, &list);
    for (size_t i = 0; i < list.n; i++)
        assert_true(wait_pid(list.pid[i], wait_until(WAIT_MS)));
}

/* How many processes of a kind `status` counts. */
static int64_t living(const char *kind) {
    cJSON *lines = lines_of(ARGS("status", "--json"));
    int64_t n = json_i64(json_obj(lines->child, "processes"), kind, -1);
    cJSON_Delete(lines);
    return n;
}

/* Result lines of the execs; each says how its channel's processes ended. */
static void check_result(struct run *r) {
    assert_true(run_wait_exit(r, LONG_MS));
    cJSON *lines = jsonl_parse(run_out(r)), *last = lines->child, *e;
    int64_t worker_ends = 0, branch_ends = 0;
    cJSON_ArrayForEach(e, lines) {
        worker_ends += str_eq(json_str(e, "type", ""), "worker_complete");
        branch_ends += str_eq(json_str(e, "type", ""), "branch_result");
        last = e;
    }
    assert_string_equal(json_str(last, "type", ""), "result");
    const cJSON *n = json_obj(last, "processes");
    assert_int_equal(json_i64(n, "started", -1), f.workers + f.branches);
    assert_int_equal(json_i64(n, "succeeded", -1), f.workers + f.branches);
    assert_int_equal(json_i64(n, "failed", -1), 0);
    assert_int_equal(worker_ends, f.workers);
    assert_int_equal(branch_ends, f.branches);
    cJSON_Delete(lines);
}

static void all_at_once(void **state) {
    (void)state;
    bool full = getenv("SPACEBOT_TEST_LONG") != NULL;
    f.channels = full ? 20 : 4;
    f.workers = full ? WORKERS : WORKERS / 2;
    f.branches = full ? BRANCHES : BRANCHES / 2;
    char *text = scenario();
    f.fake = fake_start(text);
    free(text);
    f.home = tmphome_new(f.fake);
    tmphome_config(f.home, "limits = { workers = 1000; branches = 200; };\n");
    struct run *daemon = tmphome_spacebot(f.home, ARGS("daemon"), NULL);
    run_expect_code(daemon, 0);
    run_free(&daemon);
    pid_t engine = tmphome_engine(f.home);
    assert_int_equal(living("worker"), 0);
    int before = descriptors(engine);

    struct run **asks = xcalloc((size_t)f.channels, sizeof(struct run *));
    for (int i = 0; i < f.channels; i++) {
        char name[16];
        snprintf(name, sizeof(name), "c%d", i);
        asks[i] = tmphome_start(f.home, ARGS("exec", "--json", "--channel", name, "begin"));
    }
    int all = f.channels * (f.workers + f.branches);
    if (!fake_wait(f.fake, "held all", all, LONG_MS))
        fail_msg("not all %d are at it at once", all);
    assert_int_equal(living("worker"), f.channels * f.workers);
    assert_int_equal(living("branch"), f.channels * f.branches);
    assert_true(descriptors(engine) >= before + all);

    fake_release(f.fake, "all");
    for (int i = 0; i < f.channels; i++) {
        check_result(asks[i]);
        run_free(&asks[i]);
    }
    free(asks);
    assert_int_equal(living("worker"), 0);
    assert_int_equal(living("branch"), 0);
    /* Connections that may serve the next call stay for a while; they are a few, not hundreds. */
    assert_true(descriptors(engine) <= before + 64);
    expect_no_children(engine);
    fake_assert_clean(f.fake);
    struct run *stop = tmphome_spacebot(f.home, ARGS("stop"), NULL);
    run_expect_code(stop, 0);
    run_free(&stop);
    assert_true(wait_pid(engine, wait_until(WAIT_MS)));
    tmphome_expect_quiet(f.home, WAIT_MS);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test_teardown(all_at_once, teardown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
