/* door: a few at a time, in order, and nobody is forgotten. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "llm/door.h"

static int let_in(struct doors *d, struct door_guest **last) {
    int n = 0;
    for (struct door_guest *g; (g = door_next(d)) != NULL; n++)
        *last = g;
    return n;
}

static void test_a_few_at_a_time(void **state) {
    struct doors d;
    struct door_guest g[20] = {0}, *last = NULL;
    (void)state;
    doors_init(&d);
    assert_null(door_next(&d));
    for (size_t i = 0; i < ARRAY_LEN(g); i++)
        door_enter(&d, &g[i], "a:443");
    assert_int_equal(let_in(&d, &last), DOOR_WIDTH);
    assert_ptr_equal(last, &g[DOOR_WIDTH - 1]);
    door_through(&g[1]);
    door_through(&g[1]); /* makes room once */
    assert_ptr_equal(door_next(&d), &g[DOOR_WIDTH]);
    assert_null(door_next(&d));
    door_leave(&g[0]); /* failed while it connected */
    assert_ptr_equal(door_next(&d), &g[DOOR_WIDTH + 1]);
    door_leave(&g[1]); /* was through */
    assert_null(door_next(&d));
    door_leave(&g[DOOR_WIDTH + 2]); /* did not want to wait */
    door_through(&g[2]);
    assert_ptr_equal(door_next(&d), &g[DOOR_WIDTH + 3]);
    for (size_t i = 0; i < ARRAY_LEN(g); i++)
        door_leave(&g[i]);
    assert_true(list_empty(&d.hosts));
}

static void test_each_host_has_its_own(void **state) {
    struct doors d;
    struct door_guest a[DOOR_WIDTH + 1] = {0}, b = {0}, *last = NULL;
    (void)state;
    doors_init(&d);
    for (size_t i = 0; i < ARRAY_LEN(a); i++)
        door_enter(&d, &a[i], "slow:443");
    assert_int_equal(let_in(&d, &last), DOOR_WIDTH);
    door_enter(&d, &b, "quick:443");
    assert_ptr_equal(door_next(&d), &b);
    assert_null(door_next(&d));
    for (size_t i = 0; i < ARRAY_LEN(a); i++)
        door_leave(&a[i]);
    door_leave(&b);
    door_leave(&b);
    assert_true(list_empty(&d.hosts));
}

static void test_nothing_to_share(void **state) {
    struct doors d;
    struct door_guest g[DOOR_WIDTH_HTTP1 + 5] = {0}, *last = NULL;
    (void)state;
    doors_init(&d);
    for (size_t i = 0; i < ARRAY_LEN(g); i++)
        door_enter(&d, &g[i], "a:443");
    assert_int_equal(let_in(&d, &last), DOOR_WIDTH);
    door_learn(&g[0], true);
    assert_int_equal(let_in(&d, &last), DOOR_WIDTH_HTTP1 - DOOR_WIDTH);
    door_through(&g[0]);
    assert_int_equal(let_in(&d, &last), 1);
    door_learn(&g[0], false); /* a proxy has been replaced meanwhile */
    door_through(&g[1]);
    assert_int_equal(let_in(&d, &last), 0);
    for (size_t i = 0; i < ARRAY_LEN(g); i++)
        door_leave(&g[i]);
    assert_true(list_empty(&d.hosts));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_few_at_a_time),
        cmocka_unit_test(test_each_host_has_its_own),
        cmocka_unit_test(test_nothing_to_share),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
