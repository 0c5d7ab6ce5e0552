/* The journal: order, bounds, and that what is open stays where it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/journal.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"

static struct journal_entry *add(struct journal *j, const char *text) {
    struct journal_entry *e = journal_open(j, JOURNAL_TEXT, NULL, NULL);
    journal_append(j, e, text, strlen(text));
    journal_close(j, e);
    return e;
}

static void entries_keep_their_order(void **state) {
    (void)state;
    struct journal j;
    journal_init(&j);
    for (int i = 0; i < 10; i++)
        add(&j, "x");
    for (size_t i = 0; i < j.n; i++)
        assert_int_equal(j.v[i]->seq, i + 1);
    assert_ptr_equal(journal_find(&j, 4), j.v[3]);
    assert_null(journal_find(&j, 11));
    assert_ptr_equal(journal_last(&j, JOURNAL_TEXT), j.v[9]);
    assert_null(journal_last(&j, JOURNAL_ERROR));
    journal_free(&j);
}

static void the_oldest_go_and_open_ones_stay(void **state) {
    (void)state;
    struct journal j;
    journal_init(&j);
    struct journal_entry *open = journal_open(&j, JOURNAL_OUTPUT, "stdout", "call");
    for (unsigned i = 0; i < 3 * JOURNAL_ENTRIES_MAX; i++) {
        add(&j, "line");
        assert_true(j.n <= JOURNAL_ENTRIES_MAX);
    }
    journal_append(&j, open, "still here", 10);
    assert_ptr_equal(j.v[0], open);
    assert_int_equal(j.n + j.dropped, 3 * JOURNAL_ENTRIES_MAX + 1);
    assert_ptr_equal(journal_find(&j, 1), open);
    assert_null(journal_find(&j, 2));
    journal_free(&j);
}

static void bytes_are_bounded(void **state) {
    (void)state;
    struct journal j;
    journal_init(&j);
    char *big = xmalloc(100001);
    memset(big, 'x', 100000);
    big[100000] = '\0';
    for (int i = 0; i < 100; i++)
        add(&j, big);
    assert_true(j.bytes < JOURNAL_BYTES_MAX + 200000);
    x_free(&big);
    journal_free(&j);
}

static void one_entry_is_bounded_and_says_so(void **state) {
    (void)state;
    struct journal j;
    journal_init(&j);
    struct journal_entry *e = journal_open(&j, JOURNAL_TEXT, NULL, NULL);
    for (int i = 0; i < 200000; i++)
        journal_append(&j, e, "é€", 5);
    assert_true(e->text.len < JOURNAL_ENTRY_MAX + 100);
    assert_non_null(strstr(buf_str(&e->text), "cut here"));
    journal_free(&j);
}

static void every_change_is_a_version(void **state) {
    (void)state;
    struct journal j;
    journal_init(&j);
    uint64_t v = j.version;
    struct journal_entry *e = journal_open(&j, JOURNAL_TOOL, "shell", "c1");
    assert_true(j.version > v);
    v = j.version;
    journal_append(&j, e, "{}", 2);
    assert_true(j.version > v && e->version == j.version);
    v = j.version;
    journal_set_result(&j, e, "5", 1);
    assert_true(j.version > v);
    v = j.version;
    journal_set_text(&j, e, "{}", 2);
    assert_int_equal(j.version, v);
    journal_set_text(&j, e, "{1}", 3);
    assert_string_equal(buf_str(&e->text), "{1}");
    assert_true(j.version > v);
    journal_free(&j);
}

static void an_entry_as_json(void **state) {
    (void)state;
    struct journal j;
    struct buf b = BUF_INIT;
    struct cause why;
    cJSON *o = NULL;
    journal_init(&j);
    struct journal_entry *e = journal_open(&j, JOURNAL_TOOL, "sh\"ell", "c1");
    journal_append(&j, e, "\x1b[2J\xff", 5);
    journal_set_result(&j, e, "no", 2);
    e->is_error = true;
    journal_close(&j, e);
    journal_entry_json(e, &b);
    assert_int_equal(json_parse(b.data, b.len, &o, &why), STATUS_OK);
    assert_string_equal(json_str(o, "kind", ""), "tool");
    assert_string_equal(json_str(o, "title", ""), "sh\"ell");
    assert_string_equal(json_str(o, "text", ""), "\x1b[2J\xef\xbf\xbd");
    assert_string_equal(json_str(o, "result", ""), "no");
    assert_true(json_bool(o, "is_error", false));
    cJSON_Delete(o);
    buf_free(&b);
    journal_free(&j);
}

/* A text of so many bytes that an entry of the journal says too. */
static const char *long_text(size_t n) {
    char *s = xmalloc(n);
    memset(s, 'w', n);
    const char *text = text_new(s, n);
    x_free(&s);
    return text;
}

static void the_same_text_is_kept_once(void **state) {
    (void)state;
    struct journal j;
    journal_init(&j);
    const char *text = long_text(5000), *other = long_text(4999);
    struct journal_entry *said = add(&j, text), *tool = add(&j, "{}");
    struct journal_entry *open = journal_open(&j, JOURNAL_TEXT, NULL, NULL);
    journal_append(&j, open, text, 5000);
    journal_set_result(&j, tool, text, 5000);
    size_t bytes = j.bytes;
    journal_share(&j, other);
    journal_share(&j, NULL);
    assert_ptr_not_equal(said->text.data, text);
    journal_share(&j, text);
    assert_ptr_equal(said->text.data, text);
    assert_ptr_equal(tool->result.data, text);
    assert_int_equal(tool->result.len, 5000);
    assert_ptr_not_equal(open->text.data, text); /* it may grow */
    assert_int_equal(j.bytes, bytes);
    journal_share(&j, text); /* once more changes nothing */
    text_drop(&text);
    text_drop(&other);
    assert_int_equal(strspn(buf_str(&said->text), "w"), 5000); /* it is held by the journal */
    journal_free(&j);
}

static void a_shared_text_is_never_written_to(void **state) {
    (void)state;
    struct journal j;
    journal_init(&j);
    const char *text = long_text(5000);
    struct journal_entry *grows = add(&j, text), *changes = add(&j, text), *tool = add(&j, "{}");
    journal_set_result(&j, tool, text, 5000);
    journal_share(&j, text);
    size_t bytes = j.bytes;
    journal_append(&j, grows, "!", 1);
    journal_set_text(&j, changes, "short", 5);
    journal_set_result(&j, tool, "other", 5);
    assert_int_equal(strspn(text, "w"), 5000);
    assert_int_equal(text_len(text), 5000);
    assert_int_equal(grows->text.len, 5001);
    assert_string_equal(buf_str(&grows->text) + 4999, "w!");
    assert_string_equal(buf_str(&changes->text), "short");
    assert_string_equal(buf_str(&tool->result), "other");
    assert_int_equal(j.bytes, bytes + 1 - 4995 - 4995);
    text_drop(&text);
    journal_free(&j);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_text_is_kept_once),
        cmocka_unit_test(a_shared_text_is_never_written_to),
        cmocka_unit_test(entries_keep_their_order),
        cmocka_unit_test(the_oldest_go_and_open_ones_stay),
        cmocka_unit_test(bytes_are_bounded),
        cmocka_unit_test(one_entry_is_bounded_and_says_so),
        cmocka_unit_test(every_change_is_a_version),
        cmocka_unit_test(an_entry_as_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
