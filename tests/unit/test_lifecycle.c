/* A worker's states: every pair of them against SPEC A.5, written a second time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "agent/lifecycle.h"
#include "base/mem.h"
#include "base/str.h"

static const enum lifecycle states[] = {
#define X(name, text) LIFECYCLE_##name,
    LIFECYCLE_TABLE(X)
#undef X
};

static const char spec[] =
    "created>running created>failed "
    "running>waiting_for_input running>cancelling running>timing_out running>completing "
    "running>failed "
    "waiting_for_input>running waiting_for_input>cancelling waiting_for_input>completing "
    "cancelling>cancelled cancelling>succeeded cancelling>partial "
    "timing_out>timed_out timing_out>succeeded timing_out>partial "
    "completing>succeeded completing>partial completing>cancelled completing>blocked "
    "completing>failed ";

static void every_pair(void **state) {
    (void)state;
    unsigned legal = 0;
    for (size_t i = 0; i < ARRAY_LEN(states); i++)
        for (size_t k = 0; k < ARRAY_LEN(states); k++) {
            char *move = xasprintf("%s>%s ", lifecycle_name(states[i]), lifecycle_name(states[k]));
            bool may = strstr(spec, move) != NULL;
            if (lifecycle_may(states[i], states[k]) != may)
                fail_msg("%s", move);
            legal += may;
            x_free(&move);
        }
    assert_int_equal(legal, 21);
}

static void nothing_leads_out_of_an_end(void **state) {
    (void)state;
    unsigned ends = 0;
    for (size_t i = 0; i < ARRAY_LEN(states); i++) {
        ends += lifecycle_ended(states[i]);
        bool leads = false;
        for (size_t k = 0; k < ARRAY_LEN(states); k++)
            leads |= lifecycle_may(states[i], states[k]);
        assert_true(leads != lifecycle_ended(states[i]));
    }
    assert_int_equal(ends, 6);
}

static void names_come_back(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(states); i++) {
        enum lifecycle l;
        assert_int_equal(lifecycle_from_string(lifecycle_name(states[i]), &l), STATUS_OK);
        assert_int_equal(l, states[i]);
    }
    enum lifecycle l;
    assert_int_equal(lifecycle_from_string("done", &l), STATUS_INVALID);
    assert_int_equal(lifecycle_from_string(NULL, &l), STATUS_INVALID);
    assert_string_equal(lifecycle_owner_name(OWNER_RECONCILE), "reconcile");
    assert_int_equal(lifecycle_of(PROCESS_OUTCOME_TIMED_OUT), LIFECYCLE_TIMED_OUT);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_pair),
                                       cmocka_unit_test(nothing_leads_out_of_an_end),
                                       cmocka_unit_test(names_come_back)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
