/* wire: addresses and headers of every format, the table of providers, what models can be told,
 * and what headers say of the rates. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "llm/effort.h"
#include "llm/price.h"
#include "llm/rate.h"
#include "llm/wire.h"

static void test_addresses(void **state) {
    (void)state;
    static const struct {
        enum provider_api api;
        const char *base, *deployment, *version, *call, *list;
    } cases[] = {
        {PROVIDER_API_ANTHROPIC, "https://a.test/v1/", NULL, NULL, "https://a.test/v1/messages",
         "https://a.test/v1/models?limit=1000"},
        {PROVIDER_API_OPENAI_COMPLETIONS, "https://a.test/api/v1", NULL, NULL,
         "https://a.test/api/v1/chat/completions", "https://a.test/api/v1/models"},
        {PROVIDER_API_OPENAI_COMPLETIONS, "https://a.test//", NULL, NULL,
         "https://a.test/v1/chat/completions", "https://a.test/v1/models"},
        {PROVIDER_API_OPENAI_CHAT_COMPLETIONS, "https://a.test/v1/", NULL, NULL,
         "https://a.test/v1/chat/completions", "https://a.test/v1/models"},
        {PROVIDER_API_OPENAI_CHAT_COMPLETIONS, "https://a.test/v1beta/openai", NULL, NULL,
         "https://a.test/v1beta/openai/chat/completions", "https://a.test/v1beta/openai/models"},
        {PROVIDER_API_OPENAI_RESPONSES, "https://a.test/v1", NULL, NULL,
         "https://a.test/v1/responses", "https://a.test/v1/models"},
        {PROVIDER_API_AZURE, "https://r.openai.azure.com/", NULL, NULL,
         "https://r.openai.azure.com/openai/deployments/gpt-5%2Fx/chat/completions?"
         "api-version=" PROVIDER_AZURE_VERSION,
         "https://r.openai.azure.com/openai/models?api-version=" PROVIDER_AZURE_VERSION},
        {PROVIDER_API_AZURE, "https://r.openai.azure.com", "my d", "2025-01-01-preview",
         "https://r.openai.azure.com/openai/deployments/my%20d/chat/completions?"
         "api-version=2025-01-01-preview",
         "https://r.openai.azure.com/openai/models?api-version=2025-01-01-preview"},
        {PROVIDER_API_AZURE, "https://r.openai.azure.com/openai/v1/", NULL, NULL,
         "https://r.openai.azure.com/openai/v1/chat/completions",
         "https://r.openai.azure.com/openai/v1/models"},
        {PROVIDER_API_AZURE_RESPONSES, "https://r.openai.azure.com/", NULL, NULL,
         "https://r.openai.azure.com/openai/"
         "responses?api-version=" PROVIDER_AZURE_RESPONSES_VERSION,
         "https://r.openai.azure.com/openai/models?api-version=" PROVIDER_AZURE_RESPONSES_VERSION},
        {PROVIDER_API_AZURE_RESPONSES, "https://r.openai.azure.com/openai/v1", NULL, NULL,
         "https://r.openai.azure.com/openai/v1/responses",
         "https://r.openai.azure.com/openai/v1/models"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *base = wire_base(cases[i].api, cases[i].base);
        const struct wire_place p = {.id = "x",
                                     .api = cases[i].api,
                                     .base_url = base,
                                     .deployment = cases[i].deployment,
                                     .api_version = cases[i].version};
        char *call = wire_url(&p, "gpt-5/x"), *list = wire_list_url(&p);
        assert_string_equal(call, cases[i].call);
        assert_string_equal(list, cases[i].list);
        free(base);
        free(call);
        free(list);
    }
}

static bool has_header(enum provider_api api, unsigned quirks, const char *key, const char *want) {
    const struct wire_place p = {.id = "x", .api = api, .key = key, .quirks = quirks};
    struct strv v = {0};
    bool found = false;
    wire_headers(&p, false, &v);
    for (size_t i = 0; i < v.n; i++)
        found |= strncmp(v.v[i], want, strlen(want)) == 0;
    strv_free(&v);
    return found;
}

static void test_headers(void **state) {
    (void)state;
    enum provider_api a = PROVIDER_API_ANTHROPIC, c = PROVIDER_API_OPENAI_COMPLETIONS;
    assert_true(has_header(a, 0, "sk-ant-api03-x", "x-api-key: sk-ant-api03-x"));
    assert_true(has_header(a, 0, "sk-ant-api03-x", "anthropic-version: 2023-06-01"));
    assert_false(has_header(a, 0, "sk-ant-api03-x", "authorization:"));
    assert_true(has_header(a, 0, "sk-ant-oat01-x", "authorization: Bearer sk-ant-oat01-x"));
    assert_false(has_header(a, 0, "sk-ant-oat01-x", "x-api-key:"));
    assert_false(has_header(a, 0, NULL, "x-api-key:"));
    assert_true(has_header(c, 0, "k", "authorization: Bearer k"));
    assert_true(has_header(PROVIDER_API_OPENAI_RESPONSES, 0, "k", "authorization: Bearer k"));
    assert_false(has_header(c, 0, NULL, "authorization:"));
    assert_false(has_header(c, 0, "k", "x-title:"));
    assert_true(has_header(c, PROVIDER_ATTRIBUTION, "k", "x-title: spacebot"));
    assert_true(has_header(c, PROVIDER_ATTRIBUTION, "k", "http-referer: "));
    assert_true(has_header(PROVIDER_API_AZURE, 0, "k", "api-key: k"));
    assert_false(has_header(PROVIDER_API_AZURE, 0, "k", "authorization:"));
    assert_true(has_header(PROVIDER_API_AZURE_RESPONSES, 0, "k", "api-key: k"));
}

/* Every row can be used, and every provider but those that must be asked has default models. */
static void test_table(void **state) {
    (void)state;
    for (size_t i = 0; i < provider_ninfos; i++) {
        const struct provider_info *p = &provider_infos[i];
        enum provider_api api;
        assert_ptr_equal(provider_find(p->id), p);
        assert_true(provider_api_from(provider_api_name(p->api), &api));
        assert_int_equal(api, p->api);
        bool asked = str_eq(p->id, "ollama") || str_eq(p->id, "azure");
        const char *thinks = provider_default_model(p->id, MODEL_THINKS);
        assert_int_equal(thinks == NULL, asked);
        assert_int_equal(provider_default_model(p->id, MODEL_WORKS) == NULL, asked);
        if (thinks) {
            assert_true(str_prefix(thinks, p->id));
            assert_int_equal(thinks[strlen(p->id)], '/');
        }
        if (p->url)
            assert_int_equal(provider_quirks(p->url), p->quirks);
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(p->id, provider_infos[j].id);
            assert_string_not_equal(p->key_var, provider_infos[j].key_var);
        }
    }
    assert_null(provider_find("nobody"));
    /* They belong to the address. */
    assert_int_equal(provider_quirks("https://api.openai.com.test"), PROVIDER_PLAIN);
    assert_int_equal(provider_quirks("http://127.0.0.1:1"), PROVIDER_PLAIN);
}

static void test_claude(void **state) {
    (void)state;
    static const struct {
        const char *model;
        enum llm_effort effort;
        const char *word;
    } cases[] = {
        {"claude-opus-4-6", LLM_EFFORT_AUTO, "max"},
        {"claude-opus-4-6", LLM_EFFORT_MAX, "max"},
        {"claude-sonnet-4-6", LLM_EFFORT_MAX, "high"},
        {"claude-sonnet-4-6", LLM_EFFORT_AUTO, "high"},
        {"anthropic/claude-sonnet-5-5", LLM_EFFORT_AUTO, "high"},
        {"claude-sonnet-5", LLM_EFFORT_LOW, "low"},
        {"claude-opus-4-6-20260205", LLM_EFFORT_MEDIUM, "medium"},
        {"claude-opus-4-5-20251101", LLM_EFFORT_HIGH, NULL},
        {"claude-opus-4-20250514", LLM_EFFORT_HIGH, NULL},
        {"claude-haiku-5-5", LLM_EFFORT_HIGH, NULL},
        {"claude-3-7-sonnet", LLM_EFFORT_HIGH, NULL},
        {"claude-sonnet-latest", LLM_EFFORT_HIGH, NULL},
        {"MiniMax-M2.5", LLM_EFFORT_HIGH, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *word = effort_claude(cases[i].model, cases[i].effort);
        if (!str_eq(word, cases[i].word))
            fail_msg("%s: %s", cases[i].model, word ? word : "nothing");
    }
}

static void test_openai_effort(void **state) {
    (void)state;
    static const struct {
        const char *model;
        enum llm_effort effort;
        const char *word;
    } cases[] = {
        {"gpt-5.2", LLM_EFFORT_AUTO, NULL},
        {"gpt-5.2", LLM_EFFORT_MAX, "xhigh"},
        {"gpt-5.10", LLM_EFFORT_MAX, "xhigh"},
        {"gpt-5", LLM_EFFORT_MAX, "high"},
        {"gpt-5-mini", LLM_EFFORT_LOW, "low"},
        {"gpt-5-chat-latest", LLM_EFFORT_LOW, NULL},
        {"openai/o3", LLM_EFFORT_HIGH, "high"},
        {"o4-mini", LLM_EFFORT_MEDIUM, "medium"},
        {"openai/gpt-oss-120b", LLM_EFFORT_MAX, "high"},
        {"gpt-4.1", LLM_EFFORT_HIGH, NULL},
        {"olmo-2", LLM_EFFORT_HIGH, NULL},
        {"llama3", LLM_EFFORT_HIGH, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *word = effort_openai(cases[i].model, cases[i].effort);
        if (!str_eq(word, cases[i].word))
            fail_msg("%s: %s", cases[i].model, word ? word : "nothing");
    }
    enum llm_effort e;
    enum llm_cache c;
    assert_true(llm_effort_from("max", &e));
    assert_int_equal(e, LLM_EFFORT_MAX);
    assert_false(llm_effort_from("most", &e));
    assert_true(llm_cache_from("long", &c));
    assert_false(llm_cache_from("", &c));
}

#define NOW INT64_C(1795513886000) /* 2026-11-24T09:51:26Z */

static void header(struct llm_rate *r, const char *line) {
    rate_header(r, line, strlen(line), NOW);
}

static void test_rates(void **state) {
    (void)state;
    struct llm_rate r;
    rate_init(&r);
    header(&r, "content-type: text/event-stream\r\n");
    header(&r, "x-ratelimit-remaining-requests: soon\r\n");
    header(&r, "x-ratelimit-remaining-requests\r\n");
    header(&r, "anthropic-ratelimit-: 5");
    assert_int_equal(r.at_ms, 0);
    header(&r, "Anthropic-RateLimit-Requests-Limit: 50\r\n");
    header(&r, "anthropic-ratelimit-requests-remaining: 0\r\n");
    header(&r, "anthropic-ratelimit-requests-reset: 2026-11-24T09:51:56Z\r\n");
    header(&r, "anthropic-ratelimit-input-tokens-remaining: 1000\r\n");
    header(&r, "anthropic-ratelimit-output-tokens-remaining: 0\r\n");
    header(&r, "anthropic-ratelimit-output-tokens-reset: 2026-11-24T09:52:26Z\r\n");
    assert_int_equal(r.at_ms, NOW);
    assert_int_equal(r.requests.limit, 50);
    assert_int_equal(r.requests.left, 0);
    assert_int_equal(r.requests.reset_ms, 30000);
    assert_int_equal(r.input.left, 1000);
    assert_int_equal(r.tokens.left, -1);
    assert_int_equal(rate_wait_ms(&r), 60000);
    rate_init(&r);
    header(&r, "x-ratelimit-limit-tokens: 150000\r\n");
    header(&r, "x-ratelimit-remaining-tokens: 0\r\n");
    header(&r, "x-ratelimit-reset-tokens: 6m0.5s\r\n");
    header(&r, "x-ratelimit-reset-requests: 17ms\r\n");
    assert_int_equal(r.tokens.limit, 150000);
    assert_int_equal(r.tokens.reset_ms, 360500);
    assert_int_equal(r.requests.reset_ms, 17);
    assert_int_equal(rate_wait_ms(&r), 360500);
    header(&r, "x-ratelimit-remaining: 0\r\n"); /* as routers say it, of requests */
    header(&r, "x-ratelimit-reset: 1795513946000\r\n");
    assert_int_equal(r.requests.left, 0);
    assert_int_equal(r.requests.reset_ms, 60000);
    header(&r, "x-ratelimit-reset: 12\r\n");
    assert_int_equal(r.requests.reset_ms, 12000);
    header(&r, "x-ratelimit-reset: 99999999999999999999\r\n");
    assert_int_equal(r.requests.reset_ms, 86400000);
    header(&r, "x-ratelimit-reset: -5\r\n");
    header(&r, "x-ratelimit-reset: nan\r\n");
    header(&r, "x-ratelimit-reset: 5 parsecs\r\n");
    assert_int_equal(r.requests.reset_ms, 86400000);
    rate_init(&r);
    assert_int_equal(rate_wait_ms(&r), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses),     cmocka_unit_test(test_headers),
        cmocka_unit_test(test_table),         cmocka_unit_test(test_claude),
        cmocka_unit_test(test_openai_effort), cmocka_unit_test(test_rates),
    };
    return cmocka_run_group_tests_name("wire", tests, NULL, NULL);
}
