/* The process table: handles that die, names that resolve. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/process.h"

static struct process *add(struct process_table *t, enum process_kind kind, const char *bare) {
    struct process *p = NULL;
    assert_int_equal(process_add(t, kind, bare, PROCESS_NONE, &p), STATUS_OK);
    return p;
}

static void a_handle_dies_with_its_process(void **state) {
    (void)state;
    struct process_table *t = process_table_new();
    struct process_handle first = add(t, PROCESS_WORKER, "a")->handle;
    assert_non_null(process_get(t, first));
    process_remove(t, first);
    assert_null(process_get(t, first));
    struct process *second = add(t, PROCESS_WORKER, "b"); /* in the same slot */
    assert_int_equal(second->handle.index, first.index);
    assert_null(process_get(t, first));
    assert_ptr_equal(process_get(t, second->handle), second);
    assert_null(process_get(t, PROCESS_NONE));
    assert_null(process_get(t, (struct process_handle){99, 1}));
    process_remove(t, first); /* harmless */
    assert_ptr_equal(process_get(t, second->handle), second);
    process_table_free(&t);
}

static void ids_are_unique(void **state) {
    (void)state;
    struct process_table *t = process_table_new();
    struct process *p;
    add(t, PROCESS_CHANNEL, "inbox");
    assert_int_equal(process_add(t, PROCESS_CHANNEL, "inbox", PROCESS_NONE, &p), STATUS_EXISTS);
    assert_int_equal(process_add(t, PROCESS_WORKER, "inbox", PROCESS_NONE, &p), STATUS_OK);
    process_table_free(&t);
}

static void arguments_resolve(void **state) {
    (void)state;
    struct process_table *t = process_table_new();
    struct process *w1 = add(t, PROCESS_WORKER, "12345678-aaaa");
    struct process *w2 = add(t, PROCESS_WORKER, "12349999-bbbb");
    struct process *ch = add(t, PROCESS_CHANNEL, "1234");
    struct process *out;
    struct cause why;
    assert_int_equal(process_resolve(t, "worker:12345678-aaaa", &out, &why), STATUS_OK);
    assert_ptr_equal(out, w1);
    assert_int_equal(process_resolve(t, "12349999-bbbb", &out, &why), STATUS_OK);
    assert_ptr_equal(out, w2);
    assert_int_equal(process_resolve(t, "12345", &out, &why), STATUS_OK);
    assert_ptr_equal(out, w1);
    assert_int_equal(process_resolve(t, "1234", &out, &why), STATUS_OK); /* the channel, exactly */
    assert_ptr_equal(out, ch);
    process_remove(t, ch->handle);
    assert_int_equal(process_resolve(t, "1234", &out, &why), STATUS_INVALID);
    assert_int_equal(process_resolve(t, "123", &out, &why), STATUS_NOT_FOUND);
    assert_int_equal(process_resolve(t, "", &out, &why), STATUS_INVALID);
    assert_int_equal(process_resolve(t, "zzzz", &out, &why), STATUS_NOT_FOUND);
    process_table_free(&t);
}

static void order_survives_removal(void **state) {
    (void)state;
    struct process_table *t = process_table_new();
    char name[8];
    struct process_handle handles[20];
    for (int i = 0; i < 20; i++) {
        name[0] = (char)('a' + i);
        name[1] = '\0';
        handles[i] = add(t, PROCESS_WORKER, name)->handle;
    }
    for (int i = 0; i < 20; i += 2)
        process_remove(t, handles[i]);
    size_t pos = 0, n = 0;
    for (struct process *p; (p = process_next(t, &pos)); n++)
        assert_int_equal(p->bare[0], 'b' + (char)(2 * n));
    assert_int_equal(n, 10);
    process_table_free(&t);
}

static void an_end_is_final(void **state) {
    (void)state;
    struct process_table *t = process_table_new();
    struct process *p = add(t, PROCESS_WORKER, "w");
    uint64_t v = process_table_version(t);
    process_set_tool(t, p, "shell true");
    process_end(t, p, PROCESS_OUTCOME_CANCELLED);
    assert_null(p->tool);
    process_end(t, p, PROCESS_OUTCOME_SUCCEEDED);
    process_set_state(t, p, PROCESS_STATE_RUNNING);
    assert_int_equal(p->state, PROCESS_STATE_ENDED);
    assert_int_equal(p->outcome, PROCESS_OUTCOME_CANCELLED);
    assert_int_equal(process_count(t, PROCESS_WORKER, false), 0);
    assert_int_equal(process_count(t, PROCESS_WORKER, true), 1);
    assert_true(process_table_version(t) > v);
    process_table_free(&t);
}

static void names_are_one_short_line(void **state) {
    (void)state;
    struct process_table *t = process_table_new();
    struct process *p = add(t, PROCESS_WORKER, "w");
    process_set_name(p, "first\nsecond");
    assert_string_equal(p->name, "first");
    process_set_name(p, "ääääääääääääääääääääääääää");
    assert_true(strlen(p->name) <= 40);
    assert_non_null(strstr(p->name, "…"));
    process_table_free(&t);
}

static void words_go_both_ways(void **state) {
    (void)state;
#define X(id, text, symbol, ascii)                                                                 \
    {                                                                                              \
        enum process_kind k;                                                                       \
        assert_int_equal(process_kind_from_string(text, &k), STATUS_OK);                           \
        assert_int_equal(k, PROCESS_##id);                                                         \
        assert_string_equal(process_kind_name(k), text);                                           \
        assert_string_equal(process_kind_symbol(k, true), ascii);                                  \
    }
    PROCESS_KIND_TABLE(X)
#undef X
#define X(id, text)                                                                                \
    {                                                                                              \
        enum process_outcome o;                                                                    \
        assert_int_equal(process_outcome_from_string(text, &o), STATUS_OK);                        \
        assert_int_equal(o, PROCESS_OUTCOME_##id);                                                 \
        assert_string_equal(process_outcome_name(o), text);                                        \
    }
    PROCESS_OUTCOME_TABLE(X)
#undef X
    enum process_state s;
    assert_int_equal(process_state_from_string("stalled", &s), STATUS_OK);
    assert_int_equal(process_state_from_string("Stalled", &s), STATUS_INVALID);
    assert_int_equal(process_state_from_string(NULL, &s), STATUS_INVALID);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_handle_dies_with_its_process),
        cmocka_unit_test(ids_are_unique),
        cmocka_unit_test(arguments_resolve),
        cmocka_unit_test(order_survives_removal),
        cmocka_unit_test(an_end_is_final),
        cmocka_unit_test(names_are_one_short_line),
        cmocka_unit_test(words_go_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
