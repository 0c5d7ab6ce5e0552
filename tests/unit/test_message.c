/* message: ownership (by the sanitizers), size in tokens, and JSON there and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"
#include "llm/message.h"

static void add_everything(struct llm_history *h) {
    llm_history_push_text(h, LLM_ROLE_USER, "How many?");
    struct llm_message m = {.role = LLM_ROLE_ASSISTANT};
    struct llm_block *b = llm_message_add(&m, LLM_BLOCK_THINKING);
    b->text = text_of("hm\n\"quoted\" \xE2\x82\xAC");
    b->signature = xstrdup("c2ln");
    llm_message_add(&m, LLM_BLOCK_REDACTED_THINKING)->text = text_of("b3BhcXVl");
    llm_message_add_text(&m, "One moment.");
    b = llm_message_add(&m, LLM_BLOCK_TOOL_USE);
    b->id = xstrdup("toolu_1");
    b->name = xstrdup("shell");
    b->input = text_of("{\"n\": 9007199254740993,  \"s\":\"\\u00e9\"}");
    llm_message_add_text(&m, "Then more.");
    llm_history_push(h, &m);
    assert_int_equal(m.n, 0);
    assert_null(m.blocks);
    struct llm_message r = {.role = LLM_ROLE_USER};
    llm_message_add_result(&r, "toolu_1", "7\n", true);
    llm_history_push(h, &r);
}

static void assert_same_text(const char *a, const char *b) {
    assert_int_equal(a == NULL, b == NULL);
    if (a)
        assert_string_equal(a, b);
}

static void assert_same(const struct llm_history *a, const struct llm_history *b) {
    assert_int_equal(a->n, b->n);
    for (size_t i = 0; i < a->n; i++) {
        assert_int_equal(a->v[i].role, b->v[i].role);
        assert_int_equal(a->v[i].n, b->v[i].n);
        for (size_t j = 0; j < a->v[i].n; j++) {
            const struct llm_block *x = &a->v[i].blocks[j], *y = &b->v[i].blocks[j];
            assert_int_equal(x->kind, y->kind);
            assert_int_equal(x->is_error, y->is_error);
            assert_same_text(x->text, y->text);
            assert_same_text(x->id, y->id);
            assert_same_text(x->name, y->name);
            assert_same_text(x->signature, y->signature);
            assert_same_text(x->input, y->input);
        }
    }
}

static void test_copy(void **state) {
    (void)state;
    struct llm_history a = {0}, b;
    add_everything(&a);
    llm_history_copy(&b, &a);
    assert_same(&a, &b);
    assert_ptr_equal(a.v[0].blocks[0].text, b.v[0].blocks[0].text); /* held by both */
    assert_ptr_not_equal(a.v[1].blocks, b.v[1].blocks);
    llm_history_free(&a);
    assert_int_equal(b.n, 3);
    llm_history_truncate(&b, 1);
    assert_int_equal(b.n, 1);
    assert_string_equal(b.v[0].blocks[0].text, "How many?");
    llm_history_truncate(&b, 5);
    assert_int_equal(b.n, 1);
    llm_history_free(&b);
    llm_history_free(&b);
}

static void test_text(void **state) {
    (void)state;
    struct llm_history h = {0};
    add_everything(&h);
    char *text = llm_message_text(&h.v[1]);
    assert_string_equal(text, "One moment.\n\nThen more.");
    free(text);
    text = llm_message_text(&h.v[2]);
    assert_string_equal(text, "");
    free(text);
    llm_history_free(&h);
}

static void test_tokens(void **state) {
    (void)state;
    struct llm_history h = {0};
    assert_int_equal(llm_history_tokens(&h), 0);
    llm_history_push_text(&h, LLM_ROLE_USER, "a");
    assert_int_equal(llm_history_tokens(&h), 1);
    llm_history_push_text(&h, LLM_ROLE_ASSISTANT, "bcd");
    assert_int_equal(llm_history_tokens(&h), 1); /* of the sum, rounded up once */
    llm_history_push_text(&h, LLM_ROLE_USER, "e");
    assert_int_equal(llm_history_tokens(&h), 2);
    llm_history_free(&h);
    add_everything(&h);
    size_t bytes = strlen("How many?One moment.Then more.7\n") +
                   strlen("{\"n\": 9007199254740993,  \"s\":\"\\u00e9\"}");
    assert_int_equal(llm_history_tokens(&h), (bytes + 3) / 4);
    llm_history_free(&h);
}

static void test_json(void **state) {
    (void)state;
    struct llm_history a = {0}, b;
    struct cause why;
    add_everything(&a);
    char *json = llm_history_json(&a);
    cJSON *root;
    assert_int_equal(json_parse(json, strlen(json), &root, &why), STATUS_OK);
    assert_int_equal(cJSON_GetArraySize(root), 3);
    assert_string_equal(json_str(cJSON_GetArrayItem(root, 1), "role", ""), "assistant");
    cJSON_Delete(root);
    assert_int_equal(llm_history_parse(json, strlen(json), &b, &why), STATUS_OK);
    assert_same(&a, &b);
    char *again = llm_history_json(&b);
    assert_string_equal(json, again);
    free(again);
    free(json);
    llm_history_free(&a);
    llm_history_free(&b);
    json = llm_history_json(&a);
    assert_string_equal(json, "[]");
    free(json);
}

static void test_json_refused(void **state) {
    (void)state;
    static const char image[] = "[{\"role\":\"user\",\"blocks\":[{\"type\":\"text\",\"text\":\"a\"}"
                                ",{\"type\":\"image\"}]}]";
    static const char number[] =
        "[{\"role\":\"user\",\"blocks\":[{\"type\":\"text\",\"text\":\"a\"}]},7]";
    static const char role[] = "[{\"role\":\"system\",\"blocks\":[]}]";
    static const char *const bad[] = {"", "{}", "[1]", role, image, number};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct llm_history h;
        struct cause why = {""};
        assert_int_equal(llm_history_parse(bad[i], strlen(bad[i]), &h, &why), STATUS_INVALID);
        assert_int_equal(h.n, 0);
        assert_null(h.v);
        assert_true(*why.text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copy),         cmocka_unit_test(test_text),
        cmocka_unit_test(test_tokens),       cmocka_unit_test(test_json),
        cmocka_unit_test(test_json_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
