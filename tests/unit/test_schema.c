/* Tool arguments against schemas: each keyword, and that the message names the place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "tools/schema.h"
#include "tools/tool.h"

static enum status run(const char *schema, const char *value, struct cause *why, cJSON **kept) {
    cJSON *s = NULL, *v = NULL;
    assert_int_equal(json_parse(schema, strlen(schema), &s, why), STATUS_OK);
    assert_int_equal(json_parse(value, strlen(value), &v, why), STATUS_OK);
    why->text[0] = '\0';
    enum status st = schema_check(s, v, why);
    cJSON_Delete(s);
    if (kept)
        *kept = v;
    else
        cJSON_Delete(v);
    return st;
}

struct example {
    const char *schema, *value, *message; /* NULL: valid */
};

static const struct example examples[] = {
    {"{\"type\":\"object\"}", "{}", NULL},
    {"{\"type\":\"object\"}", "[]", "the arguments must be an object, not an array"},
    {"{\"type\":\"string\"}", "null", "the arguments must be a string, not null"},
    {"{\"type\":[\"string\",\"null\"]}", "null", NULL},
    {"{\"type\":[\"string\",\"null\"]}", "true",
     "the arguments must be string or null, not a boolean"},
    {"{\"type\":\"integer\"}", "1.5", "the arguments must be an integer, not a number"},
    {"{\"type\":\"integer\"}", "3", NULL},
    {"{\"properties\":{\"a\":{\"type\":\"string\"}},\"required\":[\"a\"]}", "{}", "a is missing"},
    {"{\"properties\":{\"a\":{\"properties\":{\"b\":{}},\"required\":[\"b\"]}}}", "{\"a\":{}}",
     "a.b is missing"},
    {"{\"properties\":{\"command\":{}},\"additionalProperties\":false}", "{\"comand\":1}",
     "comand is not known here; did you mean \"command\"?"},
    {"{\"properties\":{\"a\":{}}}", "{\"b\":1}", NULL},
    {"{\"enum\":[\"x\",\"y\"]}", "\"z\"", "the arguments must be one of \"x\", \"y\""},
    {"{\"const\":4}", "5", "the arguments has another value than it must"},
    {"{\"minLength\":2}", "\"é\"", "the arguments must be at least 2 characters long, not 1"},
    {"{\"maxLength\":1}", "\"é\"", NULL},
    {"{\"minimum\":1}", "0", "the arguments must be at least 1, not 0"},
    {"{\"maximum\":300}", "301", "the arguments must be at most 300, not 301"},
    {"{\"minItems\":1}", "[]", "the arguments must be at least 1 items long, not 0"},
    {"{\"maxItems\":1}", "[1,2]", "the arguments must be at most 1 items long, not 2"},
    {"{\"properties\":{\"o\":{\"items\":{\"properties\":{\"label\":{\"type\":\"string\"}}}}}}",
     "{\"o\":[{\"label\":\"x\"},{\"label\":7}]}", "o[1].label must be a string, not a number"},
};

static void each_keyword(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(examples); i++) {
        struct cause why;
        enum status st = run(examples[i].schema, examples[i].value, &why, NULL);
        assert_int_equal(st, examples[i].message ? STATUS_INVALID : STATUS_OK);
        assert_string_equal(why.text, examples[i].message ? examples[i].message : "");
    }
}

static void numbers_in_strings_are_converted(void **state) {
    (void)state;
    struct cause why;
    cJSON *v;
    const char *schema = "{\"properties\":{\"n\":{\"type\":\"integer\",\"minimum\":1}}}";
    assert_int_equal(run(schema, "{\"n\":\"60\"}", &why, &v), STATUS_OK);
    assert_int_equal(json_i64(v, "n", 0), 60);
    cJSON_Delete(v);
    assert_int_equal(run(schema, "{\"n\":\"0\"}", &why, NULL), STATUS_INVALID);
    assert_int_equal(run(schema, "{\"n\":\"six\"}", &why, NULL), STATUS_INVALID);
}

static void an_unknown_keyword_is_our_mistake(void **state) {
    (void)state;
    struct cause why;
    assert_int_equal(run("{\"pattern\":\"x\"}", "\"x\"", &why, NULL), STATUS_CONFIG);
}

static void deep_values_are_refused(void **state) {
    (void)state;
    /* The schema itself would have to be as deep: built by nesting items. */
    struct buf s = BUF_INIT, v = BUF_INIT;
    for (int i = 0; i < 30; i++) {
        buf_puts(&s, "{\"items\":");
        buf_putc(&v, '[');
    }
    buf_puts(&s, "{}");
    for (int i = 0; i < 30; i++) {
        buf_putc(&s, '}');
        buf_putc(&v, ']');
    }
    struct cause why;
    assert_int_equal(run(buf_str(&s), buf_str(&v), &why, NULL), STATUS_INVALID);
    buf_free(&s);
    buf_free(&v);
}

/* Every tool's schema is valid JSON, an object, and uses only keywords that are checked. */
static void schemas_of_all_tools(void **state) {
    (void)state;
#define X(id, variable)                                                                            \
    {                                                                                              \
        struct cause why = {""};                                                                   \
        const struct tool *t = tool_get(TOOL_##id);                                                \
        enum tool_id found;                                                                        \
        cJSON *schema = NULL, *empty = json_new_obj();                                             \
        assert_int_equal(json_parse(t->schema, strlen(t->schema), &schema, &why), STATUS_OK);      \
        assert_int_not_equal(schema_check(schema, empty, &why), STATUS_CONFIG);                    \
        assert_string_equal(json_str(schema, "type", ""), "object");                               \
        assert_int_equal(tool_from_string(t->name, &found), STATUS_OK);                            \
        assert_int_equal(found, TOOL_##id);                                                        \
        cJSON_Delete(schema);                                                                      \
        cJSON_Delete(empty);                                                                       \
    }
    TOOL_TABLE(X)
#undef X
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_keyword),
        cmocka_unit_test(numbers_in_strings_are_converted),
        cmocka_unit_test(an_unknown_keyword_is_our_mistake),
        cmocka_unit_test(deep_values_are_refused),
        cmocka_unit_test(schemas_of_all_tools),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
