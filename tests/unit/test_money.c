/* money: amounts of every size are told with digits that say something, and a guess says so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/money.h"

static const struct {
    double usd;
    bool guess;
    const char *text;
} samples[] = {
    {0, false, "$0.000"},        {0.004, false, "$0.004"},     {0.004, true, "~$0.004"},
    {0.0003, false, "$0.0003"},  {0.00001, false, "<$0.0001"}, {0.00001, true, "~$0.0001"},
    {0.00096, false, "$0.001"},  {0.0009, true, "~$0.0009"},   {0.25, false, "$0.250"},
    {0.9994, false, "$0.999"},   {1, false, "$1.00"},          {12.345, true, "~$12.35"},
    {1234.5, false, "$1234.50"},
};

static void amounts(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
        char text[MONEY_SIZE];
        money_text(samples[i].usd, samples[i].guess, text);
        assert_string_equal(text, samples[i].text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(amounts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
