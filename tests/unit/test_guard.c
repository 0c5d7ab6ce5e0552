/* The loop guard: every number of every kind, and what does not count as a loop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "agent/guard.h"
#include "base/mem.h"
#include "base/str.h"

static const enum process_kind kinds[] = {
#define X(name, text, symbol, ascii) PROCESS_##name,
    PROCESS_KIND_TABLE(X)
#undef X
};

static enum guard_verdict before(struct guard *g, const char *tool, const char *args) {
    struct cause why = {""};
    enum guard_verdict v = guard_before(g, tool, args, &why);
    assert_int_equal(v != GUARD_RUN, why.text[0] != '\0');
    return v;
}

static bool after(struct guard *g, const char *tool, const char *args, const char *result) {
    struct cause note = {""};
    bool noted = guard_after(g, tool, args, result, strlen(result), &note);
    assert_int_equal(noted, note.text[0] != '\0');
    return noted;
}

/* SPEC A.2's numbers, written a second time. */
static void the_table_is_the_specification(void **state) {
    (void)state;
    static const struct {
        enum process_kind kind;
        struct guard_limits l;
    } spec[] = {{PROCESS_WORKER, {4, 7, 3, 3, 4, 4, 3}},
                {PROCESS_BRANCH, {3, 5, 2, 2, 3, 3, 2}},
                {PROCESS_CORTEX, {3, 5, 2, 2, 3, 3, 2}},
                {PROCESS_CHANNEL, {2, 4, 2, 2, 3, 3, 2}},
                {PROCESS_COMPACTOR, {2, 4, 2, 2, 3, 3, 2}}};
    for (size_t i = 0; i < ARRAY_LEN(spec); i++)
        assert_memory_equal(guard_limits(spec[i].kind), &spec[i].l, sizeof spec[i].l);
}

/* What becomes of call number n in a row, by the definition. */
static enum guard_verdict expected(const struct guard_limits *l, unsigned n, unsigned factor) {
    if (n < l->warn * factor)
        return GUARD_RUN;
    if (n >= l->block * factor || n - l->warn * factor >= l->warnings)
        return GUARD_BLOCK;
    return GUARD_WARN;
}

static void identical_calls_are_warned_of_then_refused(void **state) {
    (void)state;
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
        const struct guard_limits *l = guard_limits(kinds[k]);
        struct guard g;
        guard_reset(&g, kinds[k]);
        for (unsigned n = 1; n <= l->block + 3; n++)
            assert_int_equal(before(&g, "file_write", "{\"path\":\"a\"}"), expected(l, n, 1));
        guard_reset(&g, kinds[k]);
        for (unsigned n = 1; n <= l->block * l->poll + 3; n++)
            assert_int_equal(before(&g, "shell", "{\"command\":\"git status\"}"),
                             expected(l, n, l->poll));
    }
}

static void another_call_starts_the_count_again(void **state) {
    (void)state;
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
        struct guard g;
        guard_reset(&g, kinds[k]);
        for (unsigned round = 0; round < 20; round++) {
            for (unsigned n = 1; n < guard_limits(kinds[k])->warn; n++)
                assert_int_equal(before(&g, "file_write", "{}"), GUARD_RUN);
            char *other = xasprintf("{\"round\":%u}", round);
            assert_int_equal(before(&g, "file_write", other), GUARD_RUN);
            x_free(&other);
        }
    }
}

static void warnings_are_used_up(void **state) {
    (void)state;
    const struct guard_limits *l = guard_limits(PROCESS_WORKER);
    struct guard g;
    guard_reset(&g, PROCESS_WORKER);
    for (unsigned w = 0; w < l->warnings; w++) {
        char *args = xasprintf("{\"n\":%u}", w);
        for (unsigned n = 1; n < l->warn; n++)
            assert_int_equal(before(&g, "shell", args), GUARD_RUN);
        assert_int_equal(before(&g, "shell", args), GUARD_WARN);
        x_free(&args);
    }
    for (unsigned n = 1; n < l->warn; n++)
        assert_int_equal(before(&g, "shell", "{}"), GUARD_RUN);
    assert_int_equal(before(&g, "shell", "{}"), GUARD_BLOCK);
}

static void the_same_result_poisons_its_call(void **state) {
    (void)state;
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
        const struct guard_limits *l = guard_limits(kinds[k]);
        struct guard g;
        guard_reset(&g, kinds[k]);
        for (unsigned n = 1; n <= l->outcome_block; n++) {
            char *between = xasprintf("{\"n\":%u}", n); /* never twice in a row, never to and fro */
            assert_int_equal(before(&g, "shell", "{\"command\":\"make\"}"), GUARD_RUN);
            assert_int_equal(after(&g, "shell", "{\"command\":\"make\"}", "error: 7"),
                             n >= l->outcome_warn);
            assert_int_equal(before(&g, "file_write", between), GUARD_RUN);
            x_free(&between);
        }
        assert_int_equal(before(&g, "shell", "{\"command\":\"make\"}"), GUARD_BLOCK);
        assert_int_equal(before(&g, "shell", "{\"command\":\"make -k\"}"), GUARD_RUN);
        assert_int_equal(before(&g, "shell", "{\"command\":\"make\"}"), GUARD_BLOCK);
    }
}

static void different_results_do_not(void **state) {
    (void)state;
    struct guard g;
    guard_reset(&g, PROCESS_WORKER);
    for (unsigned n = 0; n < 40; n++) {
        char *s = xasprintf("{\"n\":%u}", n);
        assert_int_equal(before(&g, "shell", "{\"command\":\"make\"}"), GUARD_RUN);
        assert_false(after(&g, "shell", "{\"command\":\"make\"}", s));
        assert_int_equal(before(&g, "file_write", s), GUARD_RUN);
        x_free(&s);
    }
}

static void results_are_told_apart_by_their_first_thousand_bytes(void **state) {
    (void)state;
    char a[1100], b[1100];
    memset(a, 'x', sizeof a);
    memset(b, 'x', sizeof b);
    a[sizeof a - 1] = b[sizeof b - 1] = '\0';
    b[1000] = 'y'; /* the first that does not count */
    struct guard g;
    guard_reset(&g, PROCESS_CHANNEL);
    assert_false(after(&g, "t", "{}", a));
    assert_true(after(&g, "t", "{}", b));
    b[999] = 'y';
    assert_false(after(&g, "t", "{}", b));
}

static void going_to_and_fro_is_refused(void **state) {
    (void)state;
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
        const struct guard_limits *l = guard_limits(kinds[k]);
        struct guard g;
        guard_reset(&g, kinds[k]);
        assert_int_equal(before(&g, "shell", "{\"command\":\"x\"}"), GUARD_RUN);
        for (unsigned n = 1; n < 2 * l->pingpong - 1; n++)
            assert_int_equal(before(&g, "shell", n % 2 ? "{\"a\":1}" : "{\"b\":1}"), GUARD_RUN);
        assert_int_equal(before(&g, "shell", "{\"a\":1}"), GUARD_RUN);
        assert_int_equal(before(&g, "shell", "{\"b\":1}"), GUARD_BLOCK);
        assert_int_equal(before(&g, "shell", "{\"a\":1}"), GUARD_BLOCK);
        assert_int_equal(before(&g, "shell", "{\"c\":1}"), GUARD_RUN);
        assert_int_equal(before(&g, "shell", "{\"a\":1}"), GUARD_RUN);
    }
}

static void three_in_a_round_are_not_to_and_fro(void **state) {
    (void)state;
    static const char *const three[] = {"{\"a\":1}", "{\"b\":1}", "{\"c\":1}"};
    struct guard g;
    guard_reset(&g, PROCESS_CHANNEL);
    for (unsigned n = 0; n < 60; n++)
        assert_int_equal(before(&g, "shell", three[n % 3]), GUARD_RUN);
}

static void looking_after_each_change_is_work(void **state) {
    (void)state;
    struct guard g;
    guard_reset(&g, PROCESS_WORKER);
    for (unsigned n = 0; n < 60; n++) {
        char *change = xasprintf("{\"n\":%u}", n);
        assert_int_equal(before(&g, "file_write", change), GUARD_RUN);
        assert_int_equal(before(&g, "file_read", "{\"path\":\"a\"}"), GUARD_RUN);
        x_free(&change);
    }
    guard_reset(&g, PROCESS_WORKER);
    for (unsigned n = 0; n < 3; n++) { /* until "the same call in a row" would be said of a pair */
        assert_int_equal(before(&g, "shell", "{\"a\":1}"), GUARD_RUN);
        assert_int_equal(before(&g, "file_list", "{}"), GUARD_RUN);
    }
}

static void polls_are_known(void **state) {
    (void)state;
    char long_args[300];
    memset(long_args, ' ', sizeof long_args);
    memcpy(long_args, "status", 6);
    long_args[sizeof long_args - 1] = '\0';
    assert_true(guard_polls("browser_snapshot", "{}"));
    assert_true(guard_polls("browser_tab_list", "{}"));
    assert_true(guard_polls("shell", "{\"command\":\"systemctl STATUS x\"}"));
    assert_true(guard_polls("shell", "{\"command\":\"tail log\"}"));
    assert_false(guard_polls("shell", "{\"command\":\"retail log\"}"));
    assert_false(guard_polls("shell", "{\"command\":\"waiter\"}"));
    assert_false(guard_polls("shell", long_args));
    assert_false(guard_polls("file_read", "{\"path\":\"status\"}"));
}

static void a_guard_is_bounded(void **state) {
    (void)state;
    struct guard g;
    guard_reset(&g, PROCESS_CHANNEL);
    for (unsigned n = 0; n < 5000; n++) {
        char *s = xasprintf("{\"n\":%u}", n);
        assert_int_equal(before(&g, "shell", s), GUARD_RUN);
        for (unsigned i = 0; i < g.limits->outcome_block; i++)
            (void)after(&g, "shell", s, "same");
        assert_int_equal(before(&g, "shell", s), GUARD_BLOCK);
        x_free(&s);
    }
    assert_int_equal(before(&g, "shell", "{\"n\":0}"), GUARD_RUN); /* forgotten, not grown */
}

static void names_differ_from_arguments(void **state) {
    (void)state;
    struct guard g;
    guard_reset(&g, PROCESS_CHANNEL);
    for (unsigned n = 0; n < 3; n++) {
        assert_int_equal(before(&g, "ab", "c"), GUARD_RUN);
        assert_int_equal(before(&g, "a", "bc"), n < 2 ? GUARD_RUN : GUARD_BLOCK);
    }
    for (size_t i = 0; i <= GUARD_BLOCK; i++)
        assert_string_not_equal(guard_verdict_name((enum guard_verdict)i), "?");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_is_the_specification),
        cmocka_unit_test(identical_calls_are_warned_of_then_refused),
        cmocka_unit_test(another_call_starts_the_count_again),
        cmocka_unit_test(warnings_are_used_up),
        cmocka_unit_test(the_same_result_poisons_its_call),
        cmocka_unit_test(different_results_do_not),
        cmocka_unit_test(results_are_told_apart_by_their_first_thousand_bytes),
        cmocka_unit_test(going_to_and_fro_is_refused),
        cmocka_unit_test(three_in_a_round_are_not_to_and_fro),
        cmocka_unit_test(looking_after_each_change_is_work),
        cmocka_unit_test(polls_are_known),
        cmocka_unit_test(a_guard_is_bounded),
        cmocka_unit_test(names_differ_from_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
