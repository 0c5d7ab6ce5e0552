/* Which model is asked, when, and what is heard of it: every call below is made by hand, on the
 * virtual clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "llm/route.h"
#include "loop/loop.h"

/* --- the client's interface: attempts that a test answers itself ---------------------------------
 */

#define ATTEMPTS_MAX 2000

struct llm_call {
    struct llm_events ev;
    void *arg;
    char model[64];
    size_t blocks; /* of the history */
    int64_t at_ns;
    int64_t used; /* tokens, should it be cancelled */
    bool over;
};

static struct llm_call attempts[ATTEMPTS_MAX];
static size_t nattempts;

struct llm_call *llm_call_start(struct llm *llm, const struct llm_request *r,
                                const struct llm_events *ev, void *arg) {
    (void)llm;
    assert_true(nattempts < ATTEMPTS_MAX);
    struct llm_call *c = &attempts[nattempts++];
    *c = (struct llm_call){.ev = *ev, .arg = arg, .at_ns = clock_mono_ns()};
    snprintf(c->model, sizeof c->model, "%s", r->model);
    for (size_t i = 0; i < r->history->n; i++)
        c->blocks += r->history->v[i].n;
    return c;
}

void llm_call_used(const struct llm_call *c, struct llm_usage *out, const char **model) {
    assert_false(c->over);
    *out = (struct llm_usage){.input_tokens = c->used};
    *model = "one-20260101";
}

void llm_call_cancel(struct llm_call **c) {
    if (*c)
        (*c)->over = true;
    *c = NULL;
}

/* --- a caller ------------------------------------------------------------------------------------
 */

struct caller {
    struct route_call *call;
    struct buf seen; /* texts; "|" anew, "~" a pause, "<model>" who answers for it, "<>" back */
    int64_t pause_ms, tokens;
    char said[24]; /* whose they were */
    bool done, refuse;
    enum llm_fault fault; /* once failed */
    char why[512], until[24];
    bool failed, delivered;
};

static struct loop *loop;
static struct route *route;
static struct llm_history history;
static int64_t learned;
static const int64_t backoff_ms[] = {500, 1000};

static char *prepare(void *arg, struct llm_request *r, struct cause *why) {
    struct caller *c = arg;
    assert_non_null(r->model);
    if (!c->refuse)
        return xstrdup("system");
    cause_set(why, STATUS_LIMIT, "no money");
    return NULL;
}

static void on_text(void *arg, const char *text, size_t n) {
    struct caller *c = arg;
    buf_append(&c->seen, text, n);
}
static void on_restart(void *arg) { buf_putc(&((struct caller *)arg)->seen, '|'); }
static void on_pause(void *arg, const struct llm_error *e, int64_t ms) {
    struct caller *c = arg;
    assert_true(*e->text);
    c->pause_ms = ms;
    buf_putc(&c->seen, '~');
}
static void on_answers(void *arg, const struct route_stand_in *s) {
    struct caller *c = arg;
    if (!s)
        return;
    buf_printf(&c->seen, "<%s>", s->model);
    snprintf(c->why, sizeof c->why, "%s", s->why);
    snprintf(c->until, sizeof c->until, "%lld",
             s->until_ms ? (long long)(s->until_ms - clock_wall_ms()) / 1000 : 0LL);
}
static void on_usage(void *arg, const char *model, const char *said, const struct llm_usage *u) {
    struct caller *c = arg;
    (void)model;
    snprintf(c->said, sizeof c->said, "%s", said);
    c->tokens += u->input_tokens + u->output_tokens;
}
static void on_done(void *arg, struct llm_response *r) {
    struct caller *c = arg;
    (void)r;
    c->call = NULL;
    c->done = true;
}
static void on_error(void *arg, const struct llm_error *e) {
    struct caller *c = arg;
    c->call = NULL;
    c->failed = true;
    c->fault = e->fault;
    c->delivered = e->delivered;
    snprintf(c->why, sizeof c->why, "%s", e->text);
}

static const struct route_events events = {.prepare = prepare,
                                           .on_text = on_text,
                                           .on_restart = on_restart,
                                           .on_pause = on_pause,
                                           .on_answers = on_answers,
                                           .on_usage = on_usage,
                                           .on_done = on_done,
                                           .on_error = on_error};

static void start(struct caller *c, const char *const *then, size_t n) {
    static const char *const instead[] = {"a/usual"};
    *c = (struct caller){.seen = BUF_INIT, .refuse = c->refuse};
    c->call = route_call_start(route,
                               &(struct route_request){.model = "a/one",
                                                       .then = then,
                                                       .nthen = n,
                                                       .instead = instead,
                                                       .ninstead = 1,
                                                       .history = &history,
                                                       .backoff_ms = backoff_ms,
                                                       .nbackoff = 2},
                               &events, c);
}

static const char *const b_then[] = {"b/two", "c/three", "d/four", "e/five"};
static void alone(struct caller *c) { start(c, NULL, 0); }
static void with_b(struct caller *c) { start(c, b_then, 1); }

static void clear(struct caller *c) {
    route_call_cancel(&c->call);
    buf_free(&c->seen);
}

/* --- what happens to attempts -------------------------------------------------------------------
 */

static struct llm_call *last(void) {
    assert_true(nattempts > 0);
    return &attempts[nattempts - 1];
}

static void fails_with(struct llm_call *c, enum llm_fault fault, int64_t retry_after_ms,
                       const char *text, int64_t tokens) {
    struct llm_error e = {.fault = fault, .retry_after_ms = retry_after_ms};
    e.usage.input_tokens = tokens;
    snprintf(e.model, sizeof e.model, "one-20260102");
    snprintf(e.text, sizeof e.text, "%s", text);
    assert_false(c->over);
    c->over = true;
    c->ev.on_error(c->arg, &e);
}

static void fails(struct llm_call *c) {
    fails_with(c, LLM_FAULT_OVERLOADED, -1, "a: overloaded (529)", 0);
}

static void says(struct llm_call *c, const char *text) {
    assert_false(c->over);
    c->ev.on_text(c->arg, text, strlen(text));
}

static void is_done(struct llm_call *c) {
    struct llm_response r = {.usage = {.input_tokens = 7, .output_tokens = 3}};
    assert_false(c->over);
    c->over = true;
    c->ev.on_done(c->arg, &r);
}

/* Until another attempt is made, or nothing is waited for any more. */
static void until_attempt(void) {
    size_t before = nattempts;
    for (int i = 0; i < 20 && nattempts == before; i++)
        loop_turn(loop, 200 * NS_PER_SEC);
    assert_true(nattempts > before);
}

static void turns(void) {
    for (int i = 0; i < 5; i++)
        loop_turn(loop, 0);
}

static void expect_asked(const char *model) { assert_string_equal(last()->model, model); }

static int64_t since_ms(const struct llm_call *c) { return (last()->at_ns - c->at_ns) / NS_PER_MS; }

static void on_learned(void *arg, const char *model, int64_t tokens) {
    (void)arg;
    assert_string_equal(model, "a/one");
    learned = tokens;
}

static int setup(void **state) {
    (void)state;
    nattempts = 0;
    learned = 0;
    loop = loop_new(LOOP_INLINE);
    route = route_new(&(struct route_config){.loop = loop,
                                             .cooldown_ms = 60000,
                                             .retry_ms = 120000,
                                             .seed = 1,
                                             .on_learned = on_learned});
    llm_history_push_text(&history, LLM_ROLE_USER, "hello");
    return 0;
}

static int teardown(void **state) {
    (void)state;
    route_free(&route);
    llm_history_free(&history);
    loop_free(&loop);
    return 0;
}

/* --- tests ---------------------------------------------------------------------------------------
 */

static void alone_it_is_asked_three_times(void **state) {
    struct caller c = {0};
    (void)state;
    alone(&c);
    fails(last());
    assert_in_range(c.pause_ms, 500, 625); /* 25 % of jitter at most, never less */
    until_attempt();
    assert_in_range(since_ms(&attempts[0]), 500, 625);
    fails(last());
    assert_in_range(c.pause_ms, 1000, 1250);
    until_attempt();
    fails(last());
    turns();
    assert_true(c.failed);
    assert_int_equal(nattempts, 3);
    assert_string_equal(buf_str(&c.seen), "~~");
    assert_string_equal(c.why, "a: overloaded (529)");
    clear(&c);
}

/* Bounds of the jitter, that it is used, and that the seed repeats it. */
static void jitter_is_bounded_and_seeded(void **state) {
    int64_t seen[2][200];
    (void)state;
    for (int round = 0; round < 2; round++) {
        int64_t least = 1000, most = 0;
        (void)teardown(NULL);
        (void)setup(NULL);
        for (int i = 0; i < 200; i++) {
            struct caller c = {0};
            alone(&c);
            fails_with(last(), LLM_FAULT_SERVER, -1, "a: server", 0);
            seen[round][i] = c.pause_ms;
            least = c.pause_ms < least ? c.pause_ms : least;
            most = c.pause_ms > most ? c.pause_ms : most;
            clear(&c);
        }
        assert_in_range(least, 500, 510);
        assert_in_range(most, 615, 625);
    }
    assert_memory_equal(seen[0], seen[1], sizeof seen[0]);
}

static void what_cannot_be_mended_is_not_tried_again(void **state) {
    struct caller c = {0};
    (void)state;
    alone(&c);
    fails_with(last(), LLM_FAULT_AUTH, -1, "a: the key was refused (401)", 0);
    turns();
    assert_true(c.failed);
    assert_int_equal(nattempts, 1);
    clear(&c);
    /* And with another one to ask, that one is asked at once. */
    with_b(&c);
    expect_asked("b/two"); /* a/one rests: the key is no better for this call */
    is_done(last());
    assert_true(c.done);
    assert_string_equal(buf_str(&c.seen), "<b/two>");
    assert_string_equal(c.why, "a: the key was refused (401)");
    clear(&c);
}

static void a_bad_request_says_nothing_about_the_model(void **state) {
    struct caller c = {0};
    (void)state;
    with_b(&c);
    fails_with(last(), LLM_FAULT_BAD_REQUEST, -1, "a: refused (400)", 0);
    expect_asked("b/two"); /* at once */
    is_done(last());
    clear(&c);
    with_b(&c);
    expect_asked("a/one");
    clear(&c);
}

static void a_model_that_is_not_known_has_a_usual_one(void **state) {
    struct caller c = {0};
    (void)state;
    alone(&c);
    fails_with(last(), LLM_FAULT_NOT_FOUND, -1, "a: no such model (404)", 0);
    expect_asked("a/usual");
    is_done(last());
    assert_true(c.done);
    clear(&c);
}

static void another_one_answers_until_the_first_is_well(void **state) {
    struct caller c = {0};
    (void)state;
    with_b(&c);
    for (int i = 0; i < 3; i++) {
        expect_asked("a/one");
        fails(last());
        if (i < 2)
            until_attempt();
    }
    expect_asked("b/two");
    assert_string_equal(buf_str(&c.seen), ""); /* nothing was said of the attempts */
    says(last(), "Hi");
    is_done(last());
    assert_string_equal(buf_str(&c.seen), "<b/two>Hi");
    assert_string_equal(c.why, "a: overloaded (529)");
    assert_string_equal(c.until, "60");
    clear(&c);
    /* While it rests it is not asked. */
    clock_advance(59 * NS_PER_SEC);
    with_b(&c);
    expect_asked("b/two");
    clear(&c);
    /* Then one call tries it, and one attempt of it is enough to know. */
    clock_advance(2 * NS_PER_SEC);
    with_b(&c);
    expect_asked("a/one");
    fails(last());
    expect_asked("b/two");
    clear(&c);
    clock_advance(61 * NS_PER_SEC);
    with_b(&c);
    expect_asked("a/one");
    says(last(), "back");
    is_done(last());
    assert_string_equal(buf_str(&c.seen), "back");
    clear(&c);
    with_b(&c);
    expect_asked("a/one");
    clear(&c);
}

static void one_tries_it_and_the_others_do_not(void **state) {
    struct caller c[4] = {{0}};
    (void)state;
    with_b(&c[0]);
    fails_with(last(), LLM_FAULT_RATE_LIMITED, 10000, "a: too many requests (429)", 0);
    expect_asked("b/two"); /* told to wait so long: another one is asked at once */
    says(last(), "x");
    assert_string_equal(c[0].until, "10");
    clear(&c[0]);
    clock_advance(11 * NS_PER_SEC);
    for (int i = 0; i < 4; i++) {
        with_b(&c[i]);
        expect_asked(i ? "b/two" : "a/one");
    }
    /* It answers: from now on everybody asks it. */
    says(&attempts[nattempts - 4], "I am back");
    clear(&c[3]);
    with_b(&c[3]);
    expect_asked("a/one");
    for (int i = 0; i < 4; i++)
        clear(&c[i]);
}

static void who_tried_it_and_went_leaves_it_to_the_next(void **state) {
    struct caller c = {0}, d = {0};
    (void)state;
    with_b(&c);
    fails_with(last(), LLM_FAULT_RATE_LIMITED, 10000, "a: too many requests (429)", 0);
    clear(&c);
    clock_advance(11 * NS_PER_SEC);
    with_b(&c);
    expect_asked("a/one");
    clear(&c);
    with_b(&d);
    expect_asked("a/one");
    clear(&d);
}

/* A hundred calls ask one that fails, and that nobody stands in for, no oftener than one does. */
static void those_that_wait_share_what_came_of_it(void **state) {
    static struct caller c[100];
    (void)state;
    alone(&c[0]);
    for (int i = 0; i < 3; i++) {
        fails(last());
        if (i < 2)
            until_attempt();
    }
    turns();
    assert_true(c[0].failed);
    clear(&c[0]);
    size_t before = nattempts;
    for (int i = 0; i < 100; i++)
        alone(&c[i]);
    assert_int_equal(nattempts, before + 1);
    fails(last());
    turns();
    until_attempt();
    assert_int_equal(nattempts, before + 2);
    for (int i = 0; i < 400; i++)
        loop_turn(loop, 10 * NS_PER_MS); /* the others have come out of their pauses */
    assert_int_equal(nattempts, before + 2);
    says(last(), "yes");
    is_done(last());
    turns();
    assert_int_equal(nattempts, before + 2 + 99);
    for (int i = 0; i < 100; i++)
        clear(&c[i]);
}

static void those_that_wait_fail_with_it(void **state) {
    static struct caller c[50];
    size_t failed = 0;
    (void)state;
    alone(&c[0]);
    fails_with(last(), LLM_FAULT_AUTH, -1, "a: the key was refused (401)", 0);
    turns();
    clear(&c[0]);
    for (int i = 0; i < 50; i++)
        alone(&c[i]);
    assert_int_equal(nattempts, 2);
    fails_with(last(), LLM_FAULT_AUTH, -1, "a: the key was refused (401)", 0);
    turns();
    for (int i = 0; i < 50; i++) {
        failed += c[i].failed && c[i].fault == LLM_FAULT_AUTH;
        clear(&c[i]);
    }
    assert_int_equal(failed, 50);
    assert_int_equal(nattempts, 2);
}

static void what_it_asks_for_is_waited_for(void **state) {
    struct caller c = {0};
    (void)state;
    alone(&c);
    fails_with(last(), LLM_FAULT_RATE_LIMITED, 30000, "a: too many requests (429)", 0);
    until_attempt();
    assert_in_range(since_ms(&attempts[0]), 30000, 32000);
    is_done(last());
    clear(&c);
}

static void the_time_for_pauses_has_an_end(void **state) {
    struct caller c = {0};
    (void)state;
    alone(&c);
    fails_with(last(), LLM_FAULT_RATE_LIMITED, 600000, "a: too many requests (429)", 0);
    turns();
    assert_true(c.failed); /* told at once, not in ten minutes */
    assert_int_equal(nattempts, 1);
    clear(&c);
    alone(&c); /* and the next one does not even ask */
    turns();
    assert_true(c.failed);
    assert_int_equal(nattempts, 1);
    assert_non_null(strstr(c.why, "asks to be left alone for"));
    clear(&c);
}

static void three_others_are_asked_at_most(void **state) {
    struct caller c = {0};
    (void)state;
    start(&c, b_then, 4);
    static const char *const order[] = {"a/one", "b/two", "c/three", "d/four"};
    for (int i = 0; i < 4; i++) {
        char text[32];
        expect_asked(order[i]);
        snprintf(text, sizeof text, "%c: refused", "abcd"[i]);
        fails_with(last(), LLM_FAULT_AUTH, -1, text, 0);
    }
    turns();
    assert_true(c.failed);
    assert_string_equal(c.why, "a: refused; b: refused; c: refused; d: refused");
    assert_int_equal(nattempts, 4);
    clear(&c);
}

static void a_stream_that_dies_goes_on_without_a_word_twice(void **state) {
    struct caller c = {0};
    (void)state;
    alone(&c);
    says(last(), "It is four");
    fails_with(last(), LLM_FAULT_CUT, -1, "a: cut", 5);
    until_attempt();
    says(last(), "It is four by the clock");
    is_done(last());
    assert_string_equal(buf_str(&c.seen), "It is four~ by the clock");
    assert_int_equal(c.tokens, 15); /* those of the first attempt too */
    clear(&c);
    /* Another model says it otherwise: that is seen. */
    with_b(&c);
    says(last(), "It is four");
    fails_with(last(), LLM_FAULT_AUTH, -1, "a: no", 0);
    says(last(), "Four.");
    is_done(last());
    assert_string_equal(buf_str(&c.seen), "It is four<b/two>|Four.");
    clear(&c);
}

static void who_fails_in_the_end_says_that_words_were_seen(void **state) {
    struct caller c = {0};
    (void)state;
    alone(&c);
    says(last(), "It is");
    for (int i = 0; i < 3; i++) {
        fails(last());
        if (i < 2)
            until_attempt();
    }
    turns();
    assert_true(c.failed && c.delivered);
    clear(&c);
}

static void an_overflow_is_learned(void **state) {
    struct caller c = {0};
    (void)state;
    char *long_text = xmalloc(40001);
    memset(long_text, 'x', 40000);
    long_text[40000] = '\0';
    llm_history_push_text(&history, LLM_ROLE_USER, long_text); /* 10,000 tokens */
    x_free(&long_text);
    with_b(&c);
    fails_with(last(), LLM_FAULT_OVERFLOW, -1, "a: too long", 0);
    turns();
    assert_int_equal(c.fault, LLM_FAULT_OVERFLOW); /* its owner makes it shorter */
    assert_in_range(learned, 9000, 9100);
    assert_int_equal(health_ceiling(route_health(route), "a/one", 128000), learned);
    assert_int_equal(health_ceiling(route_health(route), "b/two", 128000), 128000);
    assert_int_equal(health_ceiling(route_health(route), "a/one", 4000), 4000);
    clear(&c);
    with_b(&c);
    expect_asked("a/one"); /* which is as well as ever */
    clear(&c);
}

static void calls_that_do_not_fit_are_left_out_once(void **state) {
    struct caller c = {0};
    struct llm_message m = {.role = LLM_ROLE_ASSISTANT};
    (void)state;
    struct llm_block *b = llm_message_add(&m, LLM_BLOCK_TOOL_USE);
    b->id = xstrdup("lost");
    b->name = xstrdup("shell");
    llm_history_push(&history, &m);
    llm_history_push_text(&history, LLM_ROLE_USER, "go on");
    static const char said[] = "a: refused (400): `tool_use` ids were found without `tool_result`";
    alone(&c);
    assert_int_equal(last()->blocks, 3);
    fails_with(last(), LLM_FAULT_BAD_REQUEST, -1, said, 0);
    assert_int_equal(nattempts, 2);
    assert_int_equal(last()->blocks, 2);
    fails_with(last(), LLM_FAULT_BAD_REQUEST, -1, said, 0);
    turns();
    assert_true(c.failed);
    assert_int_equal(nattempts, 2);
    clear(&c);
}

static void what_is_not_allowed_is_not_asked(void **state) {
    struct caller c = {.refuse = true};
    (void)state;
    with_b(&c);
    assert_false(c.failed); /* never from inside the start */
    turns();
    assert_true(c.failed);
    assert_int_equal(c.fault, LLM_FAULT_CANCELLED);
    assert_string_equal(c.why, "no money");
    assert_int_equal(nattempts, 0);
    clear(&c);
}

static void a_cancelled_one_is_never_heard_of(void **state) {
    struct caller c = {0};
    (void)state;
    alone(&c);
    route_call_cancel(&c.call);
    assert_true(last()->over);
    turns();
    alone(&c);
    fails(last());
    route_call_cancel(&c.call); /* in its pause */
    for (int i = 0; i < 5; i++)
        loop_turn(loop, NS_PER_SEC);
    assert_int_equal(nattempts, 2);
    clear(&c);
}

/* What was used is paid for, by whichever name the provider has for it. */
static void what_a_cancelled_one_has_used_is_told(void **state) {
    struct caller c = {0};
    (void)state;
    alone(&c);
    fails_with(last(), LLM_FAULT_CUT, -1, "a: cut", 40);
    assert_int_equal(c.tokens, 40);
    assert_string_equal(c.said, "one-20260102");
    route_call_cancel(&c.call); /* in its pause: nothing is under way */
    assert_int_equal(c.tokens, 40);
    clear(&c);
    alone(&c);
    last()->used = 1000;
    says(last(), "It is");
    route_call_cancel(&c.call);
    assert_int_equal(c.tokens, 1000);
    assert_string_equal(c.said, "one-20260101");
    turns();
    assert_int_equal(c.tokens, 1000);
    clear(&c);
    alone(&c); /* nothing said, nothing used: nothing is told */
    route_call_cancel(&c.call);
    assert_int_equal(c.tokens, 0);
    assert_string_equal(c.said, "");
    clear(&c);
}

int main(void) {
    clock_set_virtual(INT64_C(1796000000000));
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(alone_it_is_asked_three_times),
        T(jitter_is_bounded_and_seeded),
        T(what_cannot_be_mended_is_not_tried_again),
        T(a_bad_request_says_nothing_about_the_model),
        T(a_model_that_is_not_known_has_a_usual_one),
        T(another_one_answers_until_the_first_is_well),
        T(one_tries_it_and_the_others_do_not),
        T(who_tried_it_and_went_leaves_it_to_the_next),
        T(those_that_wait_share_what_came_of_it),
        T(those_that_wait_fail_with_it),
        T(what_it_asks_for_is_waited_for),
        T(the_time_for_pauses_has_an_end),
        T(three_others_are_asked_at_most),
        T(a_stream_that_dies_goes_on_without_a_word_twice),
        T(who_fails_in_the_end_says_that_words_were_seen),
        T(an_overflow_is_learned),
        T(calls_that_do_not_fit_are_left_out_once),
        T(what_is_not_allowed_is_not_asked),
        T(a_cancelled_one_is_never_heard_of),
        T(what_a_cancelled_one_has_used_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
