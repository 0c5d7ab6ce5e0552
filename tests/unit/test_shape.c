/* What a model's text looks like: words, data, a call that went wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/shape.h"
#include "base/buf.h"
#include "base/mem.h"

static void skips(void **state) {
    (void)state;
    static const char *const yes[] = {"skip",   " Skip. ",  "*skip*",
                                      "[SKIP]", "(skip)\n", "\"skip\""};
    static const char *const no[] = {"",       "skip it", "skipped",     "I skip",
                                     "skip 2", "...",     "skip\xc3\xa9"};
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
        if (!shape_only_skip(yes[i]))
            fail_msg("%s", yes[i]);
    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        if (shape_only_skip(no[i]))
            fail_msg("%s", no[i]);
}

static void data_is_told_from_words(void **state) {
    (void)state;
    static const char *const yes[] = {"{\"a\":1}",
                                      "  [1, 2]",
                                      "(thinking)",
                                      "<system-reminder>x",
                                      "<path>/etc</path>",
                                      "\n<tool_call>{}",
                                      "[reply] hi",
                                      "spawn_worker({\"task\":\"x\"})",
                                      "reply ( {\"content\":\"x\"} )"};
    static const char *const no[] = {"",
                                     "Hello {name}",
                                     "reply (see below)",
                                     "reply to him",
                                     "<b>bold</b>",
                                     "spawn_worker is a tool",
                                     "1. one",
                                     "`{}` is empty"};
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
        if (!shape_structured(yes[i]))
            fail_msg("%s", yes[i]);
    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        if (shape_structured(no[i]))
            fail_msg("%s", no[i]);
}

static void a_reply_is_found_in_a_malformed_call(void **state) {
    (void)state;
    static const struct {
        const char *text, *said;
    } cases[] = {
        {"reply({\"content\":\"hi\"})", "hi"},
        {"reply( {\"content\": \"a } b \\\" c\"} ) trailing", "a } b \" c"},
        {"{\"name\":\"reply\",\"arguments\":{\"content\":\"hi\"}}", "hi"},
        {"{\"name\":\"reply\",\"arguments\":\"{\\\"content\\\":\\\"hi\\\"}\"}", "hi"},
        {"{\"tool\":\"reply\",\"content\":\"hi\"}", "hi"},
        {"<tool_call>{\"name\":\"reply\",\"input\":{\"content\":\"hi\"}}</tool_call>", "hi"},
        {"```json\n{\"name\":\"reply\",\"parameters\":{\"content\":\"hi\"}}\n```", "hi"},
        {"[{\"name\":\"reply\",\"arguments\":{\"content\":\"hi\"}}]", "hi"},
        {"[reply] hi there", "hi there"},
        {"[reply] {\"content\":\"hi\"}", "hi"},
        {"{\"name\":\"shell\",\"arguments\":{\"content\":\"rm\"}}", NULL},
        {"{\"content\":\"data of the person\"}", NULL},
        {"{\"name\":\"reply\",\"arguments\":{\"content\":\"  \"}}", NULL},
        {"reply({\"content\":\"cut off", NULL},
        {"[reply]", NULL},
        {"reply to him", NULL},
        {"{", NULL},
        {"", NULL},
        {"Here it is: reply({\"content\":\"hi\"})", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *said = shape_reply_content(cases[i].text);
        if (!cases[i].said && said)
            fail_msg("%s -> %s", cases[i].text, said);
        if (cases[i].said && (!said || strcmp(said, cases[i].said) != 0))
            fail_msg("%s -> %s", cases[i].text, said ? said : "nothing");
        x_free(&said);
    }
}

static void decisions_are_found(void **state) {
    (void)state;
    static const struct {
        const char *reply, *decision;
    } cases[] = {
        {"Both work. We are going with version 5.2 then. More follows.",
         "We are going with version 5.2 then."},
        {"Decision: JWT.\nWhy: it is there.", "Decision: JWT."},
        {"I use tabs instead of spaces here", "I use tabs instead of spaces here"},
        {"We decided to wait", "We decided to wait"},
        {"Instead of an answer, a question?", NULL},
        {"Undecided to the last.", NULL},
        {"The build is outgoing with errors", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *found = shape_decision(cases[i].reply);
        if (!cases[i].decision != !found || (found && strcmp(found, cases[i].decision) != 0))
            fail_msg("%s -> %s", cases[i].reply, found ? found : "none");
        x_free(&found);
    }
    struct buf b = BUF_INIT;
    buf_puts(&b, "decision:");
    for (int i = 0; i < 500; i++)
        buf_puts(&b, "\xc3\xa4");
    char *found = shape_decision(buf_str(&b));
    assert_int_equal(strlen(found), 9 + 191 * 2); /* 200 characters, none of them cut */
    x_free(&found);
    buf_free(&b);
}

/* Whatever bytes a model sends, nothing is read past them. */
static void every_cut_is_survived(void **state) {
    (void)state;
    static const char whole[] =
        "```json\n[{\"name\":\"reply\",\"arguments\":\"{\\\"content\\\":\\\"x\\\\u00e9}\\\"}\"}]";
    for (size_t n = 0; n < sizeof whole; n++) {
        char *cut = xstrndup(whole, n); /* exactly as long: the sanitizer sees a step too far */
        char *said = shape_reply_content(cut);
        (void)shape_structured(cut);
        (void)shape_only_skip(cut);
        x_free(&said);
        x_free(&cut);
    }
    struct buf deep = BUF_INIT;
    for (int i = 0; i < 200000; i++)
        buf_putc(&deep, '{');
    assert_null(shape_reply_content(buf_str(&deep)));
    buf_free(&deep);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(skips),
        cmocka_unit_test(data_is_told_from_words),
        cmocka_unit_test(a_reply_is_found_in_a_malformed_call),
        cmocka_unit_test(decisions_are_found),
        cmocka_unit_test(every_cut_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
