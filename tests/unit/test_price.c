/* price: names find their rows, and a guess is called one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "base/mem.h"
#include "llm/price.h"

struct sample {
    const char *model;
    bool found, estimate;
    double input, output;
};

static const struct sample samples[] = {
    {"anthropic/claude-sonnet-5-5", true, false, 2, 10},
    {"anthropic/claude-haiku-5-5", true, false, 0.1, 0.5},
    {"claude-haiku-4-5", true, false, 1, 5},
    {"anthropic/claude-haiku-4-5-20251001", true, false, 1, 5},
    {"anthropic/claude-sonnet-4-20250514", true, false, 3, 15},
    {"anthropic/claude-opus-4-20250514", true, false, 15, 75},
    {"anthropic/claude-opus-4-5-20251101", true, false, 5, 25},
    {"anthropic/claude-3-5-haiku-latest", true, false, 0.8, 4},
    /* Newer than the table: not the price of claude-opus-4, but the family's, as a guess. */
    {"anthropic/claude-opus-4-9", true, true, 5, 25},
    {"anthropic/claude-sonnet-7", true, true, 3, 15},
    /* Somebody else's price may differ. */
    {"openrouter/anthropic/claude-haiku-4-5", true, true, 1, 5},
    {"openai/gpt-5-2025-08-07", true, true, 1.25, 10},
    {"openai/gpt-5-mini", true, true, 0.25, 2},
    {"openai/gpt-5.9", true, true, 1.75, 14},
    {"openai/gpt-4o-2024-1-1-1", false, false, 0, 0},
    {"openrouter/openai/gpt-4.1", true, true, 2, 8},
    {"ollama/llama3.3:70b", true, false, 0, 0},
    {"anthropic/claude-haikuish", false, false, 0, 0},
    {"minimax/MiniMax-M2", false, false, 0, 0},
    {"anthropic/", false, false, 0, 0},
    {"", false, false, 0, 0},
};

static bool near(double a, double b) { return fabs(a - b) < 1e-9; }

static void test_find(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
        const struct sample *s = &samples[i];
        struct price p;
        assert_int_equal(price_find(s->model, &p), s->found);
        assert_int_equal(p.is_estimate, s->estimate);
        assert_true(near(p.input, s->input));
        assert_true(near(p.output, s->output));
    }
}

static void test_apply(void **state) {
    (void)state;
    struct llm_usage u = {.input_tokens = 1000000,
                          .output_tokens = 100000,
                          .cache_read_tokens = 2000000,
                          .cache_write_tokens = 400000};
    price_apply("anthropic/claude-haiku-4-5-20251001", &u);
    assert_true(near(u.cost_usd, 1.0 + 0.5 + 0.2 + 0.5));
    assert_false(u.cost_is_estimate);
    price_apply("anthropic/claude-haiku-9", &u);
    assert_true(near(u.cost_usd, 2.2));
    assert_true(u.cost_is_estimate);
    price_apply("anthropic/claude-haiku-4-5", &u); /* the tokens were a guess: it stays one */
    assert_true(u.cost_is_estimate);
    u.cost_is_estimate = false;
    price_apply("local/llama", &u);
    assert_true(near(u.cost_usd, 0));
    assert_true(u.cost_is_estimate);
    struct llm_usage none = {0};
    price_apply("local/llama", &none);
    assert_false(none.cost_is_estimate);
}

/* A long prompt makes all of it dearer, cached parts count; not where somebody says otherwise. */
static void long_prompts_cost_more(void **state) {
    (void)state;
    struct llm_usage u = {.input_tokens = 40000, .cache_read_tokens = 60000, .output_tokens = 1000};
    price_apply("anthropic/claude-haiku-5-5", &u);
    assert_true(near(u.cost_usd, 0.004 + 0.0006 + 0.0005));
    u.input_tokens++;
    price_apply("anthropic/claude-haiku-5-5", &u);
    assert_true(near(u.cost_usd, 5 * (0.0040001 + 0.0006 + 0.0005)));
    assert_false(u.cost_is_estimate);
    price_say("anthropic/claude-haiku-5-5", &(struct price){1, 5, 1, 1, false, ""});
    assert_true(near(price_times("anthropic/claude-haiku-5-5", 1000000), 1));
    price_forget();
    assert_true(near(price_times("anthropic/claude-haiku-4-5", 1000000), 1));
}

static void what_is_said_goes_first(void **state) {
    struct price p;
    struct llm_usage u = {.input_tokens = 1000000, .output_tokens = 2000000};
    (void)state;
    price_say("local/qwen", &(struct price){1, 2, 1, 1, false, ""});
    price_say("anthropic/claude-haiku-5-5", &(struct price){10, 20, 10, 10, false, ""});
    price_apply("local/qwen", &u);
    assert_true(u.cost_usd > 4.99 && u.cost_usd < 5.01);
    assert_false(u.cost_is_estimate);
    assert_true(price_find("claude-haiku-5-5", &p) && p.input > 9);
    assert_true(price_find("anthropic/claude-haiku-5-5-20261101", &p) && p.input > 9);
    assert_true(price_find("anthropic/claude-haiku-4-5", &p) && p.input < 2);
    price_forget();
    assert_false(price_find("local/qwen", &p));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_apply),
        cmocka_unit_test(long_prompts_cost_more),
        cmocka_unit_test(what_is_said_goes_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
