/* catalog: what providers answer becomes a list, lists survive in a file, and what is gone is
 * matched with what there is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "llm/catalog.h"
#include "llm/price.h"

#define NOW INT64_C(1764000000000) /* 2025-11-24 */

static struct catalog all;

static int teardown(void **state) {
    (void)state;
    price_offers(NULL);
    catalog_free(&all);
    return 0;
}

static struct catalog_list *take(const char *provider, const char *body) {
    struct catalog_list *l = catalog_add(&all, provider);
    struct cause why = {""};
    if (catalog_take(l, body, strlen(body), NOW, &why) != STATUS_OK)
        fail_msg("%s", why.text);
    return l;
}

/* ---- answers ---- */

static void anthropics_list(void **state) {
    (void)state;
    struct catalog_list *l =
        take("anthropic", "{\"data\":[{\"type\":\"model\",\"id\":\"claude-sonnet-4-6\","
                          "\"display_name\":\"Claude Sonnet 4.6\",\"max_input_tokens\":1000000},"
                          "{\"type\":\"model\",\"id\":\"claude-haiku-4-5-20251001\"}],"
                          "\"has_more\":false,\"first_id\":\"x\"}");
    assert_int_equal(l->n, 2);
    assert_string_equal(l->v[0].name, "claude-haiku-4-5-20251001");
    assert_null(l->v[0].title);
    assert_int_equal(l->v[0].context_tokens, 0);
    assert_string_equal(l->v[1].title, "Claude Sonnet 4.6");
    assert_int_equal(l->v[1].context_tokens, 1000000);
    assert_true(l->whole);
    assert_string_equal(l->as_of, "2025-11-24");
    assert_false(take("anthropic", "{\"data\":[{\"id\":\"a\"}],\"has_more\":true}")->whole);
}

static void other_shapes(void **state) {
    (void)state;
    struct catalog_list *l =
        take("ollama", "{\"models\":[{\"name\":\"llama3.2:latest\",\"size\":5}]}");
    assert_int_equal(l->n, 1);
    assert_string_equal(l->v[0].name, "llama3.2:latest");
    l = take("gemini", "{\"object\":\"list\",\"data\":[{\"id\":\"models/gemini-2.5-pro\"}]}");
    assert_string_equal(l->v[0].name, "gemini-2.5-pro");
    l = take("together", "[{\"id\":\"openai/gpt-oss-120b\",\"context_length\":131072,"
                         "\"pricing\":{\"input\":0.15,\"output\":0.6,\"hourly\":0}}]");
    assert_true(l->v[0].priced);
    assert_true(l->v[0].input > 0.149 && l->v[0].input < 0.151);
    assert_true(l->v[0].cache_read > 0.149 && l->v[0].cache_read < 0.151);
    assert_int_equal(l->v[0].context_tokens, 131072);
    l = take("llamacpp", "{\"data\":[{\"id\":\"x\",\"meta\":{\"n_ctx_train\":32768}}]}");
    assert_int_equal(l->v[0].context_tokens, 32768);
}

static void prices_of_a_token_are_prices_of_a_million(void **state) {
    (void)state;
    struct catalog_list *l =
        take("openrouter",
             "{\"data\":[{\"id\":\"b/x\",\"name\":\"B: X\",\"pricing\":{\"prompt\":\"0.000003\","
             "\"completion\":\"0.000015\",\"input_cache_read\":\"0.0000003\"}},"
             "{\"id\":\"a/auto\",\"pricing\":{\"prompt\":\"-1\",\"completion\":\"-1\"}},"
             "{\"id\":\"c/free\",\"pricing\":{\"prompt\":\"0\",\"completion\":\"0\"}},"
             "{\"id\":\"d/odd\",\"pricing\":{\"prompt\":\"much\",\"completion\":[1]}}]}");
    assert_int_equal(l->n, 4);
    assert_false(l->v[0].priced);
    assert_true(l->v[1].priced);
    assert_true(l->v[1].input > 2.999 && l->v[1].input < 3.001);
    assert_true(l->v[1].cache_read > 0.299 && l->v[1].cache_read < 0.301);
    assert_true(l->v[2].priced && l->v[2].input < 1e-9);
    assert_false(l->v[3].priced);

    struct price p;
    assert_false(price_find("openrouter/b/x", &p));
    price_offers(&all);
    assert_true(price_find("openrouter/b/x", &p));
    assert_false(p.is_estimate);
    assert_string_equal(p.as_of, "2025-11-24");
    assert_true(p.output > 14.99 && p.output < 15.01);
    price_say("openrouter/b/x", &(struct price){1, 2, 1, 1, false, ""});
    assert_true(price_find("openrouter/b/x", &p) && p.output < 2.01);
    price_forget();
}

/* What would reach a request, the screen or the file is bounded and plain. */
static void odd_names_are_left_out(void **state) {
    (void)state;
    struct catalog_list *l = take(
        "x", "{\"data\":[{\"id\":\"\"},{\"id\":\"a b\"},{\"id\":\"a\\u001b[2J\"},{\"id\":7},{},"
             "null,{\"id\":\"\\u202ex\"},{\"id\":\"ok\"},{\"id\":\"ok\"},"
             "{\"id\":\"t\",\"display_name\":\"a\\u001b[2Jb\"}]}");
    assert_int_equal(l->n, 2);
    assert_string_equal(l->v[0].name, "ok");
    assert_null(strchr(l->v[1].title, '\033'));
    char *name = xcalloc(1, CATALOG_NAME_MAX + 2);
    memset(name, 'x', CATALOG_NAME_MAX + 1);
    char *body = xasprintf("[{\"id\":\"%s\"}]", name);
    assert_int_equal(take("y", body)->n, 0);
    x_free(&body);
    x_free(&name);
}

static void what_is_no_list_changes_nothing(void **state) {
    (void)state;
    static const char *const bodies[] = {"", "<html>", "{\"data\":{\"id\":\"x\"}}", "7", "{}"};
    struct catalog_list *l = take("x", "[{\"id\":\"one\"}]");
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        struct cause why = {""};
        assert_int_equal(catalog_take(l, bodies[i], strlen(bodies[i]), NOW, &why), STATUS_PROTOCOL);
        assert_non_null(strstr(why.text, "x: "));
        assert_int_equal(l->n, 1);
    }
    catalog_refused(l, "x: overloaded (529)", NOW + 5);
    assert_int_equal(l->n, 1);
    assert_int_equal(l->asked_ms, NOW + 5);
    assert_int_equal(l->listed_ms, NOW);
    catalog_refused(l, l->error, NOW + 6);
    assert_string_equal(l->error, "x: overloaded (529)");
}

/* ---- the nearest ---- */

static const struct {
    const char *list, *gone, *nearest;
} samples[] = {
    /* The family before the letters, the version before them too. */
    {"claude-opus-4-6 claude-sonnet-4-5-20250929 claude-sonnet-4-6 claude-haiku-4-5-20251001",
     "claude-sonnet-5-5", "claude-sonnet-4-6"},
    {"claude-sonnet-4-6 claude-haiku-4-5-20251001 claude-3-haiku-20240307", "claude-haiku-5-5",
     "claude-haiku-4-5-20251001"},
    {"claude-sonnet-5-4 claude-sonnet-5-6", "claude-sonnet-5-5", "claude-sonnet-5-6"},
    {"claude-sonnet-4-6 claude-opus-4-6", "claude-3-5-sonnet-20241022", "claude-sonnet-4-6"},
    {"gpt-5.2 gpt-5-mini gpt-4.1-mini", "gpt-5.1-mini", "gpt-5-mini"},
    {"gpt-4o gpt-4.1 gpt-5.4 gpt-5.4-mini", "gpt-5.2", "gpt-5.4"},
    {"gpt-5.2-2025-12-11 gpt-5.2-codex", "gpt-5.2", "gpt-5.2-2025-12-11"},
    {"o3 o4-mini gpt-5.2", "o3-mini", "o4-mini"},
    {"gemini-3-pro-preview gemini-2.5-flash gemini-2.5-flash-lite", "gemini-2.5-pro",
     "gemini-3-pro-preview"},
    {"grok-4-0709 grok-4-fast-reasoning", "grok-4", "grok-4-0709"},
    {"anthropic/claude-sonnet-4.6 openai/gpt-5.2", "anthropic/claude-sonnet-4.5",
     "anthropic/claude-sonnet-4.6"},
    {"Qwen3-32B llama-3.3-70b", "qwen3-30b", "Qwen3-32B"},
    {"text-embedding-3-small whisper-1", "claude-sonnet-4-6", NULL},
    {"", "claude-sonnet-4-6", NULL},
};

static void the_nearest_is_of_the_family(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
        struct catalog_list l = {.provider = NULL};
        struct catalog_model v[8] = {{0}};
        char *copy = xstrdup(samples[i].list), *save = NULL;
        l.v = v;
        for (char *one = strtok_r(copy, " ", &save); one; one = strtok_r(NULL, " ", &save))
            v[l.n++].name = one;
        const char *nearest = catalog_nearest(&l, samples[i].gone);
        if (!str_eq(nearest, samples[i].nearest))
            fail_msg("%s: %s, not %s", samples[i].gone, nearest ? nearest : "none",
                     samples[i].nearest ? samples[i].nearest : "none");
        x_free(&copy);
    }
}

static void a_list_has_what_it_has_by_another_tag(void **state) {
    (void)state;
    struct catalog_list *l =
        take("x", "[{\"id\":\"claude-sonnet-4-5-20250929\"},{\"id\":\"llama3.2:latest\"},"
                  "{\"id\":\"gpt-5-2025-08-07\"},{\"id\":\"a/b\"}]");
    static const char *const has[] = {"claude-sonnet-4-5", "claude-sonnet-4-5-20250929", "llama3.2",
                                      "gpt-5", "a/b:free"};
    static const char *const lacks[] = {"claude-sonnet-4", "llama3", "gpt", "a", "b", ""};
    for (size_t i = 0; i < ARRAY_LEN(has); i++)
        assert_true(catalog_lists(l, has[i]));
    for (size_t i = 0; i < ARRAY_LEN(lacks); i++)
        assert_false(catalog_lists(l, lacks[i]));
}

/* ---- the file ---- */

static void the_file_keeps_all_of_it(void **state) {
    (void)state;
    char dir[] = "/tmp/sbcatalog-XXXXXX";
    assert_non_null(mkdtemp(dir));
    char *path = xasprintf("%s/models.json", dir);
    struct catalog again;
    struct cause why = {""};
    assert_int_equal(catalog_read(path, &again, &why), STATUS_NOT_FOUND);
    take("a", "[{\"id\":\"one\",\"display_name\":\"One\",\"context_length\":9,"
              "\"pricing\":{\"input\":1,\"output\":2}},{\"id\":\"two\"}]");
    catalog_refused(catalog_add(&all, "b"), "b: no", NOW + 1);
    assert_int_equal(catalog_write(path, &all, &why), STATUS_OK);
    struct stat sb;
    assert_int_equal(stat(path, &sb), 0);
    assert_int_equal(sb.st_mode & 0777, 0600);
    assert_int_equal(catalog_read(path, &again, &why), STATUS_OK);
    assert_int_equal(again.n, 2);
    const struct catalog_list *a = NULL;
    const struct catalog_model *one = catalog_model(&again, "a/one", &a);
    assert_non_null(one);
    assert_string_equal(one->title, "One");
    assert_int_equal(one->context_tokens, 9);
    assert_true(one->priced && one->output > 1.99 && one->output < 2.01);
    assert_false(catalog_model(&again, "a/two", NULL)->priced);
    assert_true(a->whole);
    assert_int_equal(a->listed_ms, NOW);
    assert_string_equal(a->as_of, "2025-11-24");
    const struct catalog_list *b = catalog_find(&again, "b");
    assert_string_equal(b->error, "b: no");
    assert_int_equal(b->listed_ms, 0);
    assert_int_equal(b->asked_ms, NOW + 1);
    catalog_free(&again);
    unlink(path);
    rmdir(dir);
    x_free(&path);
}

static void a_damaged_file_is_told_and_holds_nothing(void **state) {
    (void)state;
    static const char *const texts[] = {"{\"version\":1,", "[]", "{\"version\":9}",
                                        ("{\"version\":1,\"providers\":[7,{\"id\":\"\"},{\"id\":"
                                         "\"x y\",\"models\":[{\"name\":\"z\"}]}]}")};
    char path[] = "/tmp/sbcatalog-XXXXXX";
    int fd = mkstemp(path);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct catalog c;
        struct cause why = {""};
        assert_int_equal(ftruncate(fd, 0), 0);
        assert_true(pwrite(fd, texts[i], strlen(texts[i]), 0) > 0);
        assert_int_equal(catalog_read(path, &c, &why) == STATUS_OK, i > 0);
        assert_int_equal(c.n, 0);
        catalog_free(&c);
    }
    close(fd);
    unlink(path);
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {TEST(anthropics_list),
                                       TEST(other_shapes),
                                       TEST(prices_of_a_token_are_prices_of_a_million),
                                       TEST(odd_names_are_left_out),
                                       TEST(what_is_no_list_changes_nothing),
                                       TEST(the_nearest_is_of_the_family),
                                       TEST(a_list_has_what_it_has_by_another_tag),
                                       TEST(the_file_keeps_all_of_it),
                                       TEST(a_damaged_file_is_told_and_holds_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
