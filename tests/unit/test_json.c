/* json: what is accepted, what is refused and where, and what is written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"

static void refuse(const char *text, size_t n, const char *cause) {
    /* A copy of the exact size: reading past it is seen by the sanitizer. */
    char *copy = xmalloc(n);
    memcpy(copy, text, n);
    cJSON *j = (cJSON *)1;
    struct cause why = {""};
    enum status s = json_parse(copy, n, &j, &why);
    free(copy);
    if (s != STATUS_INVALID)
        fail_msg("accepted: %s", text);
    assert_null(j);
    assert_string_equal(why.text, cause);
}
#define REFUSE(text, cause) refuse(text, sizeof(text) - 1, "invalid JSON: " cause)

static cJSON *accept(const char *text, size_t n) {
    char *copy = xmalloc(n);
    memcpy(copy, text, n);
    cJSON *j = NULL;
    struct cause why = {""};
    if (json_parse(copy, n, &j, &why) != STATUS_OK)
        fail_msg("%s: %s", text, why.text);
    free(copy);
    assert_non_null(j);
    return j;
}

static void refused(void **state) {
    (void)state;
    REFUSE("", "empty");
    REFUSE("{} x", "text behind the value at byte 3");
    REFUSE("{}{}", "text behind the value at byte 2");
    REFUSE("{}\v", "a control character at byte 2");
    REFUSE("[1,]", "unexpected text at byte 3");
    REFUSE("{\"a\":\"\xFF\"}", "not UTF-8 at byte 6");
    REFUSE("\"\xED\xA0\x80\"", "not UTF-8 at byte 1");
    REFUSE("{\"a\":1}\0", "NUL at byte 7");
    REFUSE("\"a\\u0000b\"", "NUL at byte 2");
    /* cJSON reads these as NUL too, and the rest of the text would be lost. */
    REFUSE("\"a\\ud8 lb\"", "a wrong escape at byte 2");
    REFUSE("{\"a\\u00g0\":1}", "a wrong escape at byte 3");
    REFUSE("\"\\u12\"", "a wrong escape at byte 1");
    REFUSE("{\x1e\"a\":1}", "a control character at byte 1");
    const char *const cut[] = {"{", "[", "\"a", "{\"a\"", "{\"a\":", "tru", "-", "[1", "\"\\u12"};
    for (size_t i = 0; i < ARRAY_LEN(cut); i++) {
        cJSON *j;
        struct cause why;
        assert_int_equal(json_parse(cut[i], strlen(cut[i]), &j, &why), STATUS_INVALID);
        assert_null(j);
    }
}

static void accepted(void **state) {
    (void)state;
    cJSON_Delete(accept(" 1 ", 3));
    cJSON_Delete(accept("1\r\n", 3));
    cJSON_Delete(accept("null", 4));
    /* An escaped backslash before u0000 is not an escape of NUL. */
    cJSON *j = accept("{\"a\":\"\\\\u0000\"}", 15);
    assert_string_equal(json_str(j, "a", NULL), "\\u0000");
    cJSON_Delete(j);
    j = accept("{\"a\":\"[[{\\\"\"}", 13); /* brackets in strings are not nesting */
    assert_string_equal(json_str(j, "a", NULL), "[[{\"");
    cJSON_Delete(j);
    j = accept("\"\\ud83d\\ude00\"", 14);
    assert_string_equal(j->valuestring, "\xF0\x9F\x98\x80");
    cJSON_Delete(j);
    /* Only text[0..n) is looked at. */
    cJSON *only = NULL;
    assert_int_equal(json_parse("[1]]", 3, &only, NULL), STATUS_OK);
    cJSON_Delete(only);
}

static void depth(void **state) {
    (void)state;
    char text[200];
    memset(text, '[', 64);
    memset(text + 64, ']', 64);
    cJSON_Delete(accept(text, 128));
    memset(text, '[', 65);
    memset(text + 65, ']', 65);
    refuse(text, 130, "invalid JSON: nested deeper than 64 at byte 64");
    char *hostile = xmalloc(1000000);
    memset(hostile, '[', 1000000);
    refuse(hostile, 1000000, "invalid JSON: nested deeper than 64 at byte 64");
    free(hostile);
}

static void members(void **state) {
    (void)state;
    const char text[] =
        "{\"s\":\"x\",\"n\":-3.7,\"big\":1e300,\"low\":-1e300,\"edge\":9223372036854775807,"
        "\"t\":true,\"o\":{\"k\":1},\"a\":[1],\"z\":null,\"S\":\"upper\"}";
    cJSON *j = accept(text, sizeof(text) - 1);
    assert_string_equal(json_str(j, "s", "f"), "x");
    assert_string_equal(json_str(j, "S", "f"), "upper"); /* case matters */
    assert_string_equal(json_str(j, "n", "f"), "f");
    assert_null(json_str(j, "z", NULL));
    assert_int_equal(json_i64(j, "n", 9), -3);
    assert_true(json_i64(j, "big", 9) == INT64_MAX);
    assert_true(json_i64(j, "low", 9) == INT64_MIN);
    assert_true(json_i64(j, "edge", 9) == INT64_MAX);
    assert_int_equal(json_i64(j, "s", 9), 9);
    assert_true(json_num(j, "n", 0) == -3.7);
    assert_true(json_bool(j, "t", false));
    assert_true(json_bool(j, "none", true));
    assert_false(json_bool(j, "s", false));
    assert_int_equal(json_i64(json_obj(j, "o"), "k", 0), 1);
    assert_null(json_obj(j, "a"));
    assert_non_null(json_arr(j, "a"));
    assert_null(json_arr(j, "o"));
    assert_int_equal(json_i64(NULL, "k", 5), 5);
    assert_null(json_obj(NULL, "k"));
    cJSON_Delete(j);
}

static void written(void **state) {
    (void)state;
    cJSON *j = json_new_obj();
    json_add_str(j, "s", "a\"b\n");
    json_add_str(j, "none", NULL);
    json_add_i64(j, "i", -42);
    json_add_i64(j, "max", INT64_MAX);
    json_add_i64(j, "min", INT64_MIN);
    json_add_i64(j, "exact", INT64_C(9007199254740993));
    json_add_num(j, "n", 0.25);
    json_add_bool(j, "b", true);
    json_add_null(j, "z");
    json_add_i64(json_add_obj(j, "o"), "k", 1);
    cJSON_AddItemToArray(json_add_arr(j, "a"), cJSON_CreateNumber(1));
    char *text = json_print(j);
    assert_string_equal(text,
                        "{\"s\":\"a\\\"b\\n\",\"none\":null,\"i\":-42,\"max\":9223372036854775807,"
                        "\"min\":-9223372036854775808,\"exact\":9007199254740993,\"n\":0.25,"
                        "\"b\":true,\"z\":null,\"o\":{\"k\":1},\"a\":[1]}");
    free(text);
    cJSON_Delete(j);
}

/* What is quoted here is read back the same by the other reader. */
static void quoted(void **state) {
    (void)state;
    struct buf b = BUF_INIT;
    json_quote(&b, "", 0);
    assert_string_equal(buf_str(&b), "\"\"");
    buf_reset(&b);
    json_quote(&b, "a\"\\\n\r\t\x01\x7f\xFF\0z", 11);
    assert_string_equal(buf_str(&b), "\"a\\\"\\\\\\n\\r\\t\\u0001\\u007f\xEF\xBF\xBD\\u0000z\"");
    buf_reset(&b);
    char all[0x7F + 4];
    for (int i = 1; i < 0x80; i++)
        all[i - 1] = (char)i;
    memcpy(all + 0x7F, "\xE2\x82\xAC", 4);
    json_quote(&b, all, strlen(all));
    cJSON *j = accept(b.data, b.len);
    assert_string_equal(j->valuestring, all);
    cJSON_Delete(j);
    buf_free(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refused), cmocka_unit_test(accepted), cmocka_unit_test(depth),
        cmocka_unit_test(members), cmocka_unit_test(written),  cmocka_unit_test(quoted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
