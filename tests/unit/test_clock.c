/* clock and id: virtual time moves only when told; dates; UUIDs and their seeded sequence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"

static void real_time(void **state) {
    (void)state;
    int64_t a = clock_mono_ns(), b = clock_real_mono_ns(), c = clock_mono_ns();
    assert_true(a > 0 && a <= b && b <= c);
    time_t before = time(NULL);
    int64_t wall = clock_wall_ms();
    time_t after = time(NULL);
    /* time() may lag the precise clock by a tick. */
    assert_true(wall / 1000 >= before && wall / 1000 <= after + 1);
    int64_t cpu = clock_thread_cpu_ns();
    while (clock_thread_cpu_ns() == cpu)
        continue;
    assert_true(clock_thread_cpu_ns() > cpu);
}

static void virtual_time(void **state) {
    (void)state;
    const int64_t wall = INT64_C(1700000000000);
    clock_set_virtual(wall);
    assert_true(clock_is_virtual());
    assert_int_equal(clock_mono_ns(), 0);
    assert_int_equal(clock_wall_ms(), wall);
    clock_advance(1500 * NS_PER_MS + 999999);
    assert_int_equal(clock_mono_ns(), 1500 * NS_PER_MS + 999999);
    assert_int_equal(clock_wall_ms(), wall + 1500);
    clock_advance(-5); /* never backwards */
    assert_int_equal(clock_mono_ns(), 1500 * NS_PER_MS + 999999);
    assert_true(clock_real_mono_ns() > 0);
    clock_set_real();
    assert_false(clock_is_virtual());
    assert_true(clock_wall_ms() > wall + 1500);
}

static void dates(void **state) {
    (void)state;
    const struct {
        int64_t ms;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {-1, "1969-12-31T23:59:59.999Z"},
        {INT64_C(951782400123), "2000-02-29T00:00:00.123Z"},
        {INT64_C(1795513886007), "2026-11-24T09:51:26.007Z"},
        {INT64_C(253402300799999), "9999-12-31T23:59:59.999Z"},
        {INT64_MAX, "9999-12-31T23:59:59.999Z"},
        {INT64_MIN, "0000-01-01T00:00:00.000Z"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char out[CLOCK_RFC3339_SIZE];
        clock_rfc3339(cases[i].ms, out);
        assert_string_equal(out, cases[i].text);
    }
}

static void parsed(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {{"1970-01-01T00:00:00.000Z", 0},
                {"2026-11-24T09:51:26.123Z", INT64_C(1795513886123)},
                {"2026-11-24T09:51:26Z", INT64_C(1795513886000)},
                {"2026-11-24 10:51:26.1234567+01:00", INT64_C(1795513886123)},
                {"2026-11-24T08:21:26-01:30", INT64_C(1795513886000)},
                {"2024-02-29", INT64_C(1709164800000)}};
    static const char *const bad[] = {"",
                                      "2026",
                                      "2026-13-01",
                                      "2025-02-29",
                                      "2026-11-24T",
                                      "2026-11-24T09:51:26",
                                      "2026-11-24T24:00:00Z",
                                      "2026-11-24T09:51:26.Z",
                                      "2026-11-24T09:51:26Zx",
                                      "yesterday"};
    int64_t ms;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(clock_parse(good[i].text, &ms));
        assert_int_equal(ms, good[i].ms);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(clock_parse(bad[i], &ms));
}

static void check_uuid(const char *u) {
    assert_int_equal(strlen(u), 36);
    assert_int_equal(strspn(u, "0123456789abcdef-"), 36);
    assert_true(u[8] == '-' && u[13] == '-' && u[18] == '-' && u[23] == '-');
    assert_int_equal(u[14], '4');
    assert_non_null(strchr("89ab", u[19]));
}

static void uuids(void **state) {
    (void)state;
    char a[ID_UUID_SIZE], b[ID_UUID_SIZE], c[ID_UUID_SIZE], d[ID_UUID_SIZE];
    id_uuid(a);
    id_uuid(b);
    check_uuid(a);
    check_uuid(b);
    assert_string_not_equal(a, b);
    id_seed(7);
    id_uuid(a);
    id_uuid(b);
    check_uuid(a);
    assert_string_not_equal(a, b);
    id_seed(7);
    id_uuid(c);
    id_uuid(d);
    assert_string_equal(a, c);
    assert_string_equal(b, d);
    id_seed(8);
    id_uuid(c);
    assert_string_not_equal(a, c);
}

/* Secrets are never seeded. */
static void random_bytes(void **state) {
    (void)state;
    unsigned char a[300], b[300];
    id_seed(1);
    id_random(a, sizeof(a));
    id_seed(1);
    id_random(b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
    int seen[256] = {0}, kinds = 0;
    for (size_t i = 0; i < sizeof(a); i++)
        if (!seen[a[i]]++)
            kinds++;
    assert_true(kinds > 100);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(real_time), cmocka_unit_test(virtual_time), cmocka_unit_test(dates),
        cmocka_unit_test(parsed),    cmocka_unit_test(uuids),        cmocka_unit_test(random_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
