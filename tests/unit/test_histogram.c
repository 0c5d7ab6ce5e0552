/* histogram: percentiles against sorted values, within the error that is promised. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "trace/histogram.h"

static struct histogram h;

static int setup(void **state) {
    (void)state;
    memset(&h, 0, sizeof(h));
    return 0;
}

static void empty(void **state) {
    (void)state;
    assert_int_equal(histogram_percentile(&h, 0.5), 0);
    assert_int_equal(histogram_percentile(&h, 1), 0);
}

static void small_are_exact(void **state) {
    (void)state;
    for (int64_t v = 0; v < 64; v++) {
        memset(&h, 0, sizeof(h));
        histogram_add(&h, v);
        histogram_add(&h, 1000);
        assert_int_equal(histogram_percentile(&h, 0.5), v);
    }
}

/* One value below and the value itself: the lower half is the value's bucket. */
static void error_is_bounded(void **state) {
    (void)state;
    for (int64_t v = 64; v < INT64_C(1) << 40; v += v / 97 + 1) {
        memset(&h, 0, sizeof(h));
        histogram_add(&h, v);
        histogram_add(&h, INT64_C(1) << 41);
        double got = (double)histogram_percentile(&h, 0.5);
        if (fabs(got - (double)v) > (double)v * 0.016)
            fail_msg("%lld is said to be %.0f", (long long)v, got);
    }
}

static void extremes(void **state) {
    (void)state;
    histogram_add(&h, -5);
    assert_int_equal(histogram_percentile(&h, 1), 0);
    histogram_add(&h, INT64_MAX);
    assert_true(histogram_percentile(&h, 1) == INT64_MAX);
    assert_int_equal(histogram_percentile(&h, 0), 0);
    assert_int_equal(histogram_percentile(&h, -1), 0);
    assert_true(histogram_percentile(&h, 0.99) >= INT64_C(1) << 39);
    assert_int_equal(h.count, 2);
}

static int compare(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void against_sorted(void **state) {
    (void)state;
    enum { N = 20000 };
    int64_t *values = xcalloc(N, sizeof(*values));
    uint64_t rnd = 12345;
    for (size_t i = 0; i < N; i++) {
        rnd = rnd * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        values[i] = (int64_t)(exp((double)(rnd >> 40) / (1 << 24) * 16)); /* 1 us to 9 s */
        histogram_add(&h, values[i]);
    }
    qsort(values, N, sizeof(*values), compare);
    const double at[] = {0.01, 0.25, 0.5, 0.9, 0.99, 0.999};
    for (size_t i = 0; i < ARRAY_LEN(at); i++) {
        double want = (double)values[(size_t)ceil(at[i] * N) - 1];
        double got = (double)histogram_percentile(&h, at[i]);
        if (fabs(got - want) > want * 0.031 + 1)
            fail_msg("p%g: %.0f, not %.0f", at[i], got, want);
    }
    assert_int_equal(histogram_percentile(&h, 1), values[N - 1]);
    free(values);
}

static void merged(void **state) {
    (void)state;
    static struct histogram other;
    memset(&other, 0, sizeof(other));
    histogram_add(&h, 10);
    histogram_add(&other, 30);
    histogram_add(&other, 20);
    histogram_merge(&h, &other);
    assert_int_equal(h.count, 3);
    assert_int_equal(histogram_percentile(&h, 0.5), 20);
    assert_int_equal(histogram_percentile(&h, 1), 30);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(empty, setup),
        cmocka_unit_test_setup(small_are_exact, setup),
        cmocka_unit_test_setup(error_is_bounded, setup),
        cmocka_unit_test_setup(extremes, setup),
        cmocka_unit_test_setup(against_sorted, setup),
        cmocka_unit_test_setup(merged, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
