/* What of a second attempt is passed on: nothing twice, nothing lost, and never in silence
 * something else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "llm/replay.h"

/* What a person sees: texts as they are, "(thoughts)", "[index name]" of a call, and "|" where it
 * begins anew. */
static void see_text(void *arg, const char *text, size_t n) { buf_append(arg, text, n); }

static void see_thinking(void *arg, const char *text, size_t n) {
    buf_printf(arg, "(%.*s)", (int)n, text);
}

static void see_start(void *arg, size_t index, const char *id, const char *name) {
    (void)id;
    buf_printf(arg, "[%zu %s]", index, name);
}

static void see_input(void *arg, size_t index, const char *fragment, size_t n) {
    buf_printf(arg, "%zu:%.*s;", index, (int)n, fragment);
}

static void see_restart(void *arg) { buf_putc(arg, '|'); }

static const struct replay_sink sink = {see_text, see_thinking, see_start, see_input, see_restart};

struct seen {
    struct replay r;
    struct buf b;
    bool gone;
};

static void begin(struct seen *s) {
    *s = (struct seen){.b = BUF_INIT};
    replay_init(&s->r, &sink, &s->b, &s->gone);
    replay_again(&s->r);
}

static void text(struct seen *s, const char *t) { replay_text(&s->r, t, strlen(t)); }
static void thinking(struct seen *s, const char *t) { replay_thinking(&s->r, t, strlen(t)); }
static void input(struct seen *s, size_t i, const char *t) {
    replay_tool_input(&s->r, i, t, strlen(t));
}

static void expect(struct seen *s, const char *what) {
    assert_string_equal(buf_str(&s->b), what);
    replay_free(&s->r);
    buf_free(&s->b);
}

static void the_same_beginning_is_not_passed_on_twice(void **state) {
    struct seen s;
    (void)state;
    begin(&s);
    text(&s, "It is ");
    text(&s, "four");
    assert_true(replay_delivered(&s.r));
    replay_again(&s.r);
    text(&s, "It");
    text(&s, " is f");
    text(&s, "our by the clock");
    text(&s, ".");
    replay_done(&s.r);
    expect(&s, "It is four by the clock.");
}

static void a_byte_at_a_time_is_the_same(void **state) {
    struct seen s;
    static const char said[] = "Zwölf – zählen";
    (void)state;
    begin(&s);
    text(&s, "Zwölf – z");
    for (int attempt = 0; attempt < 3; attempt++) {
        replay_again(&s.r);
        for (size_t i = 0; i + 1 < sizeof said; i++)
            replay_text(&s.r, said + i, 1);
    }
    replay_done(&s.r);
    expect(&s, said);
}

static void another_answer_begins_anew(void **state) {
    struct seen s;
    (void)state;
    begin(&s);
    text(&s, "It is four");
    replay_again(&s.r);
    text(&s, "It is ");
    assert_string_equal(buf_str(&s.b), "It is four"); /* not known yet */
    text(&s, "five");
    text(&s, ".");
    replay_done(&s.r);
    expect(&s, "It is four|It is five.");
}

static void what_was_begun_anew_is_what_was_passed_on(void **state) {
    struct seen s;
    (void)state;
    begin(&s);
    text(&s, "four");
    replay_again(&s.r);
    text(&s, "five o'");
    replay_again(&s.r);
    text(&s, "five o'clock");
    replay_done(&s.r);
    expect(&s, "four|five o'clock");
}

static void a_shorter_answer_is_another_one(void **state) {
    struct seen s;
    (void)state;
    begin(&s);
    text(&s, "It is four");
    replay_again(&s.r);
    text(&s, "It is");
    replay_done(&s.r);
    expect(&s, "It is four|It is");
}

static void an_attempt_that_dies_while_it_is_held_leaves_no_trace(void **state) {
    struct seen s;
    (void)state;
    begin(&s);
    text(&s, "It is four");
    replay_again(&s.r);
    text(&s, "It i");
    replay_again(&s.r);
    text(&s, "It is four.");
    replay_done(&s.r);
    expect(&s, "It is four.");
}

static void other_thoughts_lead_to_the_same_words(void **state) {
    struct seen s;
    (void)state;
    begin(&s);
    thinking(&s, "hm");
    text(&s, "Four");
    replay_again(&s.r);
    thinking(&s, "well, well");
    text(&s, "Four.");
    replay_done(&s.r);
    expect(&s, "(hm)Four.");
}

static void other_thoughts_before_any_word_are_shown_anew(void **state) {
    struct seen s;
    (void)state;
    begin(&s);
    thinking(&s, "hm, ");
    replay_again(&s.r);
    thinking(&s, "well");
    text(&s, "Four.");
    replay_done(&s.r);
    expect(&s, "(hm, )|(well)Four.");
}

static void a_call_goes_on_where_it_was(void **state) {
    struct seen s;
    (void)state;
    begin(&s);
    text(&s, "So:");
    replay_tool_start(&s.r, 1, "a", "reply");
    input(&s, 1, "{\"content\":\"He");
    replay_again(&s.r);
    thinking(&s, "again"); /* which makes the call the third part */
    text(&s, "So:");
    replay_tool_start(&s.r, 2, "b", "reply");
    input(&s, 2, "{\"content\":");
    input(&s, 2, "\"Hello\"}");
    replay_done(&s.r);
    expect(&s, "So:[1 reply]1:{\"content\":\"He;1:llo\"};");
}

static void calls_by_turns_are_each_their_own(void **state) {
    struct seen s;
    (void)state;
    begin(&s);
    replay_tool_start(&s.r, 0, "a", "shell");
    replay_tool_start(&s.r, 1, "b", "shell");
    input(&s, 0, "aa");
    input(&s, 1, "bb");
    replay_again(&s.r);
    replay_tool_start(&s.r, 0, "c", "shell");
    input(&s, 0, "aaA");
    replay_tool_start(&s.r, 1, "d", "shell");
    input(&s, 1, "bbB");
    replay_done(&s.r);
    expect(&s, "[0 shell][1 shell]0:aa;1:bb;0:A;1:B;");
}

static void another_call_begins_anew(void **state) {
    struct seen s;
    (void)state;
    begin(&s);
    replay_tool_start(&s.r, 0, "a", "reply");
    input(&s, 0, "{\"content\":\"He");
    replay_again(&s.r);
    replay_tool_start(&s.r, 0, "b", "skip");
    input(&s, 0, "{}");
    replay_done(&s.r);
    expect(&s, "[0 reply]0:{\"content\":\"He;|[0 skip]0:{};");
}

static void nothing_is_passed_on_to_who_is_gone(void **state) {
    struct seen s;
    (void)state;
    begin(&s);
    text(&s, "Four");
    replay_again(&s.r);
    s.gone = true;
    text(&s, "Five");
    replay_done(&s.r);
    expect(&s, "Four");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_beginning_is_not_passed_on_twice),
        cmocka_unit_test(a_byte_at_a_time_is_the_same),
        cmocka_unit_test(another_answer_begins_anew),
        cmocka_unit_test(what_was_begun_anew_is_what_was_passed_on),
        cmocka_unit_test(a_shorter_answer_is_another_one),
        cmocka_unit_test(an_attempt_that_dies_while_it_is_held_leaves_no_trace),
        cmocka_unit_test(other_thoughts_lead_to_the_same_words),
        cmocka_unit_test(other_thoughts_before_any_word_are_shown_anew),
        cmocka_unit_test(a_call_goes_on_where_it_was),
        cmocka_unit_test(calls_by_turns_are_each_their_own),
        cmocka_unit_test(another_call_begins_anew),
        cmocka_unit_test(nothing_is_passed_on_to_who_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
