/* Trimming: whatever is cut, no result is left without its call. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "agent/trim.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/text.h"
#include "base/utf8.h"

static void add_call(struct llm_history *h, unsigned n) {
    struct llm_message m = {.role = LLM_ROLE_ASSISTANT};
    struct llm_block *b = llm_message_add(&m, LLM_BLOCK_TOOL_USE);
    b->id = xasprintf("c%u", n);
    b->name = xstrdup("shell");
    char *input = xasprintf("{\"n\":%u}", n);
    b->input = text_of(input);
    x_free(&input);
    llm_history_push(h, &m);
    m = (struct llm_message){.role = LLM_ROLE_USER};
    char *id = xasprintf("c%u", n);
    llm_message_add_result(&m, id, "result", n % 2);
    llm_history_push(h, &m);
    x_free(&id);
}

/* Every shape of 8 exchanges, each a pair of texts or a call with its result. */
static void shape(struct llm_history *h, unsigned bits) {
    llm_history_push_text(h, LLM_ROLE_USER, "task");
    for (unsigned i = 0; i < 8; i++) {
        if (bits & (1u << i)) {
            add_call(h, i);
        } else {
            llm_history_push_text(h, LLM_ROLE_ASSISTANT, "thought");
            llm_history_push_text(h, LLM_ROLE_USER, "go on");
        }
    }
}

static bool orphan(const struct llm_history *h) {
    for (size_t i = 0; i < h->n; i++)
        for (size_t k = 0; k < h->v[i].n; k++) {
            const struct llm_block *b = &h->v[i].blocks[k];
            if (b->kind != LLM_BLOCK_TOOL_RESULT)
                continue;
            if (i == 0 || h->v[i - 1].n != 1 || h->v[i - 1].blocks[0].kind != LLM_BLOCK_TOOL_USE ||
                !str_eq(h->v[i - 1].blocks[0].id, b->id))
                return true;
        }
    return false;
}

static void every_cut_is_aligned(void **state) {
    (void)state;
    for (unsigned bits = 0; bits < 256; bits++)
        for (size_t drop = 0; drop < 20; drop++)
            for (size_t keep = 0; keep < 5; keep++) {
                struct llm_history h = {0};
                shape(&h, bits);
                size_t n = h.n, cut = trim_cut(&h, 1, drop, keep);
                assert_true(cut == 1 || (cut >= 1 + drop && n - cut >= keep));
                trim_replace(&h, 1, cut, "cut");
                assert_int_equal(h.n, cut == 1 ? n : n - (cut - 1) + 1);
                assert_false(orphan(&h));
                char *first = llm_message_text(&h.v[0]);
                assert_string_equal(first, "task");
                x_free(&first);
                llm_history_free(&h);
            }
}

static void nothing_is_cut_that_must_stay(void **state) {
    (void)state;
    struct llm_history h = {0};
    llm_history_push_text(&h, LLM_ROLE_USER, "task");
    add_call(&h, 0);
    assert_int_equal(trim_cut(&h, 1, 0, 0), 1);
    assert_int_equal(trim_cut(&h, 1, 1, 1), 1); /* the result would have to go with its call */
    assert_int_equal(trim_cut(&h, 1, 1, 0), 3);
    assert_int_equal(trim_cut(&h, 1, 9, 0), 1);
    llm_history_free(&h);
}

static void a_recap_is_short(void **state) {
    (void)state;
    struct llm_history h = {0};
    char *big = xasprintf("%0500d", 7);
    for (unsigned i = 0; i < 400; i++) {
        add_call(&h, i);
        char *text = xasprintf("%u %s", i, big);
        text_drop(&h.v[h.n - 1].blocks[0].text);
        h.v[h.n - 1].blocks[0].text = text_of(text);
        x_free(&text);
    }
    llm_history_push_text(&h, LLM_ROLE_ASSISTANT, "é");
    char *recap = trim_recap(&h, 0, h.n);
    assert_true(strlen(recap) < 34 * 1024);
    assert_true(utf8_valid(recap, strlen(recap)));
    assert_non_null(strstr(recap, "call: shell {\"n\":399}\n"));
    assert_non_null(strstr(recap, "error: 399 0"));
    assert_non_null(strstr(recap, "note: é\n"));
    assert_null(strstr(recap, big));
    assert_null(strstr(recap, "{\"n\":0}")); /* the newest part stays */
    x_free(&recap);
    x_free(&big);
    llm_history_free(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_cut_is_aligned),
                                       cmocka_unit_test(nothing_is_cut_that_must_stay),
                                       cmocka_unit_test(a_recap_is_short)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
