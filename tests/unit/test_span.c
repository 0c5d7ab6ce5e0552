/* span: nesting, the ring, the bound on open ones, what the loop and the jobs report, and the JSON
 * of one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/utf8.h"
#include "loop/job.h"
#include "loop/loop.h"
#include "trace/span.h"

static struct trace *t;

static int setup(void **state) {
    (void)state;
    clock_set_virtual(INT64_C(1795513886007));
    t = trace_new(8, 4);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    trace_free(&t);
    assert_null(t);
    clock_set_real();
    return 0;
}

static struct span seen[64];
static size_t nseen;
static void collect(void *arg, const struct span *s) {
    (void)arg;
    seen[nseen++] = *s;
}
static uint64_t read_from(uint64_t from) {
    nseen = 0;
    return trace_read(t, from, collect, NULL);
}

static void nested(void **state) {
    (void)state;
    span_id turn = span_begin(t, SPAN_TURN, 0, "message", "channel:inbox");
    clock_advance(NS_PER_MS);
    span_id call = span_begin(t, SPAN_MODEL_CALL, turn, "claude", "channel:inbox");
    assert_true(turn && call && turn != call);
    clock_advance(250 * NS_PER_MS);
    span_end(t, call, STATUS_PROVIDER, "529");
    span_end(t, call, STATUS_OK, "twice"); /* ended already */
    clock_advance(NS_PER_MS);
    span_end(t, turn, STATUS_OK, NULL);
    assert_int_equal(read_from(0), 2);
    assert_int_equal(nseen, 2);
    assert_true(seen[0].id == call && seen[0].parent == turn);
    assert_int_equal(seen[0].status, STATUS_PROVIDER);
    assert_string_equal(seen[0].note, "529");
    assert_int_equal(seen[0].end_ns - seen[0].start_ns, 250 * NS_PER_MS);
    assert_int_equal(seen[0].wall_ms, INT64_C(1795513886008));
    assert_int_equal(seen[1].end_ns - seen[1].start_ns, 252 * NS_PER_MS);
    assert_string_equal(seen[1].process, "channel:inbox");
    assert_string_equal(seen[1].note, "");
    assert_int_equal(trace_count(t, SPAN_MODEL_CALL), 1);
    assert_int_equal(trace_count(t, SPAN_TOOL_CALL), 0);
    assert_in_range(trace_kind_us(t, SPAN_MODEL_CALL, 0.5), 246000, 250000);
    assert_int_equal(trace_kind_us(t, SPAN_TURN, 1), 252000);
}

static void ring(void **state) {
    (void)state;
    char name[16];
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof(name), "%d", i);
        span_record(t, SPAN_QUERY, 0, name, i, i + 1, STATUS_OK);
    }
    assert_int_equal(read_from(0), 20); /* the last 8, oldest first */
    assert_int_equal(nseen, 8);
    assert_string_equal(seen[0].name, "12");
    assert_string_equal(seen[7].name, "19");
    assert_int_equal(read_from(18), 20);
    assert_int_equal(nseen, 2);
    assert_string_equal(seen[0].name, "18");
    assert_int_equal(read_from(20), 20);
    assert_int_equal(nseen, 0);
    assert_int_equal(read_from(99), 20);
    assert_int_equal(nseen, 0);
    assert_int_equal(trace_count(t, SPAN_QUERY), 20);
}

static void open_limit(void **state) {
    (void)state;
    span_id ids[4];
    for (int i = 0; i < 4; i++)
        assert_true((ids[i] = span_begin(t, SPAN_TOOL_CALL, 0, "shell", "worker:1")) != 0);
    assert_true(span_begin(t, SPAN_TOOL_CALL, 0, "shell", "worker:1") == 0);
    assert_int_equal(trace_dropped(t), 1);
    span_end(t, 0, STATUS_OK, NULL); /* what was dropped is ended without harm */
    span_end(t, ids[2], STATUS_OK, NULL);
    span_id fresh = span_begin(t, SPAN_TOOL_CALL, 0, "again", "worker:1");
    assert_true(fresh != 0 && fresh != ids[2]);
    span_end(t, ids[2], STATUS_OK, NULL); /* a stale id is not the new span's */
    assert_int_equal(read_from(0), 1);
    span_end(t, fresh, STATUS_OK, NULL);
    assert_int_equal(read_from(0), 2);
    assert_string_equal(seen[1].name, "again");
}

static void without_trace(void **state) {
    (void)state;
    assert_true(span_begin(NULL, SPAN_TURN, 0, "x", "y") == 0);
    span_end(NULL, 5, STATUS_OK, NULL);
    span_record(NULL, SPAN_PAINT, 0, "x", 0, 1, STATUS_OK);
    trace_turn(NULL, "turn", 1, 1);
    trace_job(NULL, "job", 1, 1, false);
    assert_int_equal(trace_turn_us(NULL, TRACE_WALL, 0.5), 0);
    assert_int_equal(trace_count(NULL, SPAN_TURN), 0);
}

static void long_names(void **state) {
    (void)state;
    char name[200];
    for (size_t i = 0; i + 2 < sizeof(name); i += 2)
        memcpy(name + i, "\xC3\xA9", 3);
    span_end(t, span_begin(t, SPAN_TOOL_CALL, 0, name, name), STATUS_IO, name);
    span_end(t, span_begin(t, SPAN_TOOL_CALL, 0, NULL, NULL), STATUS_IO, NULL);
    read_from(0);
    assert_int_equal(strlen(seen[0].name), 62);
    assert_true(utf8_valid(seen[0].name, 62));
    assert_int_equal(strlen(seen[0].note), 94);
    assert_string_equal(seen[1].name, "");
}

static void as_json(void **state) {
    (void)state;
    clock_advance(5 * NS_PER_SEC);
    span_record(t, SPAN_PAINT, 0, "frame \"x\"", clock_mono_ns() - 2 * NS_PER_SEC,
                clock_mono_ns() - NS_PER_SEC, STATUS_OK);
    span_id parent = span_begin(t, SPAN_TURN, 0, "m", "channel:a");
    span_end(t, span_begin(t, SPAN_TOOL_CALL, parent, "shell", "worker:b"), STATUS_TIMEOUT, "60 s");
    read_from(0);
    struct buf b = BUF_INIT;
    cJSON *j;
    span_json(&seen[0], &b);
    assert_int_equal(json_parse(b.data, b.len, &j, NULL), STATUS_OK);
    assert_string_equal(json_str(j, "ts", ""), "2026-11-24T09:51:29.007Z");
    assert_string_equal(json_str(j, "kind", ""), "paint");
    assert_string_equal(json_str(j, "name", ""), "frame \"x\"");
    assert_int_equal(json_i64(j, "duration_us", 0), 1000000);
    assert_string_equal(json_str(j, "status", ""), "ok");
    assert_true(cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(j, "parent")));
    assert_int_equal(json_i64(j, "span", 0), seen[0].id);
    cJSON_Delete(j);
    buf_reset(&b);
    span_json(&seen[1], &b);
    assert_int_equal(json_parse(b.data, b.len, &j, NULL), STATUS_OK);
    assert_int_equal(json_i64(j, "parent", 0), parent);
    assert_string_equal(json_str(j, "status", ""), "timeout");
    assert_string_equal(json_str(j, "note", ""), "60 s");
    assert_string_equal(json_str(j, "process", ""), "worker:b");
    cJSON_Delete(j);
    buf_free(&b);
}

/* ---- what the loop and the jobs feed ---- */

static void burn(void *arg) {
    (void)arg;
    int64_t start = clock_real_mono_ns();
    while (clock_real_mono_ns() - start < 12 * NS_PER_MS)
        continue;
}

static void work(void *input, const atomic_bool *cancelled) {
    (void)cancelled;
    *(int *)input = 1;
}

static void done(void *arg, void *input, bool cancelled) {
    (void)cancelled;
    *(int *)arg = *(int *)input;
}

static void fed_by_the_loop(void **state) {
    (void)state;
    struct loop *l = loop_new(LOOP_INLINE);
    loop_observe(l, trace_turn, t);
    struct job_pool *p = job_pool_new(l, 1, 8);
    job_observe(p, trace_job, t);
    int input = 0, result = 0;
    assert_int_equal(job_submit(p, "recall", work, done, &result, &input, NULL, NULL), STATUS_OK);
    loop_timer(l, 0, burn, NULL, "slow_one");
    while (loop_turn(l, 0))
        continue;
    assert_int_equal(result, 1);
    assert_true(trace_turn_max_us(t, TRACE_WALL) >= 12000);
    assert_true(trace_turn_max_us(t, TRACE_CPU) > 0);
    assert_true(trace_turn_max_us(t, TRACE_CPU) <= trace_turn_max_us(t, TRACE_WALL));
    for (enum trace_clock c = TRACE_WALL; c <= TRACE_CPU; c++)
        assert_true(trace_turn_us(t, c, 1) >= trace_turn_us(t, c, 0.01));
    assert_true(trace_turns(t) > 0);
    assert_int_equal(trace_count(t, SPAN_JOB), 1);
    assert_true(trace_count(t, SPAN_CALLBACK) >= 1);
    read_from(0);
    bool named = false;
    for (size_t i = 0; i < nseen; i++)
        if (seen[i].kind == SPAN_CALLBACK && strcmp(seen[i].name, "slow_one") == 0)
            named = seen[i].end_ns - seen[i].start_ns >= 12 * NS_PER_MS;
    assert_true(named);
    job_pool_free(&p);
    loop_free(&l);
}

/* What was slow long ago is in the percentiles of the whole life, not in those of the last seconds.
 */
static void recent_turns(void **state) {
    (void)state;
    clock_set_virtual(1);
    trace_turn(t, "turn", 20 * NS_PER_MS, 0);
    assert_int_equal(trace_recent_us(t, 1), 20000);
    clock_advance(TRACE_RECENT_NS);
    trace_turn(t, "turn", NS_PER_MS, 0);
    assert_int_equal(trace_recent_us(t, 1), 20000); /* still in the stretch before */
    assert_in_range(trace_recent_us(t, 0.5), 970, 1030);
    clock_advance(TRACE_RECENT_NS);
    trace_turn(t, "turn", 2 * NS_PER_MS, 0);
    assert_int_equal(trace_recent_us(t, 1), 2000);
    clock_advance(2 * TRACE_RECENT_NS); /* nothing happened for long */
    trace_turn(t, "turn", 3 * NS_PER_MS, 0);
    assert_int_equal(trace_recent_us(t, 1), 3000);
    assert_int_equal(trace_turn_us(t, TRACE_WALL, 1), 20000);
    assert_int_equal(trace_recent_us(NULL, 1), 0);
    clock_set_real();
}

int main(void) {
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(nested),     TEST(ring),    TEST(open_limit),      TEST(without_trace),
        TEST(long_names), TEST(as_json), TEST(fed_by_the_loop), TEST(recent_turns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
