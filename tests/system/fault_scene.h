/* fault_scene: what the tests of faulty providers share, whichever format the provider speaks: the
 * rules of the scripted provider, one test for each fault and each odd form of a stream, and what a
 * person has to read then. */
#ifndef TEST_FAULT_SCENE_H
#define TEST_FAULT_SCENE_H

#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"
#include "tests/lib/fake.h"
#include "tests/lib/jsonl.h"
#include "tests/lib/scene.h"
#include "tests/lib/tmphome.h"
#include "tests/lib/wait.h"

static struct fake *fake;
static struct tmphome *home;
static int dead_fd = -1;
static const char *secret; /* stands in no text for people */

struct fault {
    const char *faults;  /* what the provider does */
    const char *message; /* what the person reads: an extended regular expression, case ignored */
    bool retried;        /* it was tried again before, and a notice said so */
    int calls;           /* requests that reach the provider; 0: any */
};
static const struct fault *fault_list; /* a test's own */
static size_t fault_count;

/* Streams that look odd and are in order. */
static const char *const forms[] = {
    "\"split\":\"byte\"",
    "\"split\":3,\"line_end\":\"crlf\",\"bom\":true",
    "\"line_end\":\"cr\",\"comments\":true",
    "\"multi_line\":true,\"unknown_events\":true,\"split\":5",
};

/* A scenario: "fault-N!" strikes, "form-N!" comes in that form, then `rules` (each with its comma),
 * and anything else is answered. The caller frees. */
static char *fault_scenario(const char *rules) {
    struct buf b = BUF_INIT;
    /* What failed stays in the conversation, in one message with what is said next: so this comes
     * first. */
    buf_puts(&b, "{\"rules\":[{\"match\":{\"last_user_contains\":\"And now?\"},"
                 "\"respond\":[{\"text\":\"All is well again.\"}]},");
    for (size_t i = 0; i < fault_count; i++)
        buf_printf(&b,
                   "{\"match\":{\"last_user_contains\":\"fault-%zu!\"},"
                   "\"respond\":[{\"text\":\"Half an answer.\"}],\"faults\":{%s}},",
                   i, fault_list[i].faults);
    for (size_t i = 0; i < ARRAY_LEN(forms); i++)
        buf_printf(&b,
                   "{\"match\":{\"last_user_contains\":\"form-%zu!\"},\"delta_chars\":3,"
                   "\"respond\":[{\"thinking\":\"Überlegung "
                   "🙂\"},{\"tool_use\":{\"name\":\"reply\",\"input\":"
                   "{\"content\":\"Zwölf – 数える 🙂 \\\"quoted\\\"\\nsecond "
                   "line\"}}}],\"faults\":{%s}},",
                   i, forms[i]);
    buf_printf(&b, "%s{\"respond\":[{\"text\":\"All is well again.\"}]}]}", rules);
    return buf_steal(&b);
}

/* ---- the program ---- */

static void fault_daemon(void) {
    struct run *r = tmphome_spacebot(home, ARGS("daemon"), NULL);
    run_expect_code(r, 0);
    run_free(&r);
}

static int group_teardown(void **state) {
    (void)state;
    struct run *r = tmphome_spacebot(home, ARGS("stop"), NULL);
    int code = run_code(r);
    run_free(&r);
    tmphome_expect_quiet(home, WAIT_MS);
    tmphome_free(&home);
    close(dead_fd);
    fake_stop(&fake);
    return code;
}

static cJSON *spacebot(const char *const *args, int code) {
    struct run *r = tmphome_spacebot(home, args, NULL);
    run_expect_code(r, code);
    cJSON *lines = jsonl_parse(run_out(r));
    run_free(&r);
    return lines;
}

static cJSON *spacebot_exec(const char *channel, const char *text, int code) {
    return spacebot(ARGS("exec", "--json", "--channel", channel, text), code);
}

static const char *reply(const cJSON *lines) {
    return json_str(jsonl_must(lines, "result", 0), "reply", "");
}

/* The requests of the provider's log that have `text` in them; the caller deletes. */
static cJSON *requests_with(const char *text) {
    cJSON *all = fake_requests(fake);
    for (int i = cJSON_GetArraySize(all) - 1; i >= 0; i--) {
        char *body = json_print(cJSON_GetArrayItem(all, i));
        if (!strstr(body, text))
            cJSON_DeleteItemFromArray(all, i);
        x_free(&body);
    }
    return all;
}

/* ---- what a person reads ---- */

static void assert_matches(const char *text, const char *pattern) {
    regex_t re;
    assert_int_equal(regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB | REG_ICASE), 0);
    bool hit = regexec(&re, text, 0, NULL, 0) == 0;
    regfree(&re);
    if (!hit)
        fail_msg("/%s/ does not match: %s", pattern, text);
}

/* One line: who, what; no dump, no secret, no control characters. */
static void assert_for_people(const char *text) {
    size_t n = strlen(text);
    assert_in_range(n, 10, 400);
    assert_true(utf8_valid(text, n));
    assert_null(strpbrk(text, "{}<>"));
    assert_null(strstr(text, secret));
    assert_null(strstr(text, "curl"));
    for (const char *p = text; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7F)
            fail_msg("control character %d in: %s", *p, text);
}

/* The notices of the channel, of one level. */
static int notices(const cJSON *lines, const char *level) {
    int n = 0;
    const cJSON *it;
    cJSON_ArrayForEach(it, lines) n +=
        str_eq(json_str(it, "type", ""), "notice") && str_eq(json_str(it, "level", ""), level);
    return n;
}

/* The failure is told in the result and where it happened. */
static void assert_failed(const cJSON *lines, const char *message, bool retried) {
    const cJSON *result = jsonl_must(lines, "result", 0);
    const char *error = json_str(result, "error", "");
    assert_false(json_bool(result, "ok", true));
    assert_matches(error, message);
    assert_for_people(error);
    assert_true(notices(lines, "error") >= 1);
    if (retried)
        assert_true(notices(lines, "notice") >= 1);
    else
        assert_int_equal(notices(lines, "notice"), 0);
}

/* ---- the tests that all have ---- */

static void each_fault_is_told_and_survived(void **state) {
    const struct fault *fault = *state;
    int i = (int)(fault - fault_list);
    char channel[32], text[32];
    snprintf(channel, sizeof(channel), "channel-%d", i);
    snprintf(text, sizeof(text), "fault-%d!", i);
    cJSON *lines = spacebot_exec(channel, text, 4);
    assert_failed(lines, fault->message, fault->retried);
    cJSON_Delete(lines);
    cJSON *asked = requests_with(text);
    if (fault->calls)
        assert_int_equal(cJSON_GetArraySize(asked), fault->calls);
    cJSON_Delete(asked);
    lines = spacebot_exec(channel, "And now?", 0);
    assert_string_equal(reply(lines), "All is well again.");
    cJSON_Delete(lines);
}

static void each_form_is_understood(void **state) {
    const char *const *form = *state;
    char text[32];
    snprintf(text, sizeof(text), "form-%d!", (int)(form - forms));
    cJSON *lines = spacebot_exec("forms", text, 0);
    assert_string_equal(reply(lines), "Zwölf – 数える 🙂 \"quoted\"\nsecond line");
    const cJSON *it;
    /* No piece ends within a character: jsonl_parse() has refused broken UTF-8 already. */
    cJSON_ArrayForEach(it, lines) assert_null(strstr(json_str(it, "delta", ""), "\uFFFD"));
    cJSON_Delete(lines);
}

#define FAULT_TESTS_MAX 64

/* Each fault, each form, then a file's own tests, of which there are `n`. Returns main()'s code. */
static int fault_run(const char *name, CMFixtureFunction setup, const struct CMUnitTest *own,
                     size_t nown) {
    static char names[FAULT_TESTS_MAX][80];
    struct CMUnitTest tests[FAULT_TESTS_MAX] = {{0}};
    size_t n = 0;
    for (size_t i = 0; i < fault_count; i++, n++) {
        snprintf(names[n], sizeof(names[n]), "fault: %.60s", fault_list[i].faults);
        tests[n] = (struct CMUnitTest){names[n], each_fault_is_told_and_survived, NULL, NULL,
                                       (void *)(uintptr_t)&fault_list[i]};
    }
    for (size_t i = 0; i < ARRAY_LEN(forms); i++, n++) {
        snprintf(names[n], sizeof(names[n]), "form: %.60s", forms[i]);
        tests[n] = (struct CMUnitTest){names[n], each_form_is_understood, NULL, NULL,
                                       (void *)(uintptr_t)&forms[i]};
    }
    for (size_t i = 0; i < nown; i++)
        tests[n++] = own[i];
    cmocka_set_test_filter(getenv("TEST_FILTER")); /* NULL: all */
    return _cmocka_run_group_tests(name, tests, n, setup, group_teardown);
}

#endif
