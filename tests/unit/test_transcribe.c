/* transcribe: a recording reaches its provider byte for byte, its words and what they cost come
 * back, and every failure is one sentence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "base/str.h"
#include "llm/transcribe.h"
#include "tests/lib/fake.h"
#include "tests/lib/wait.h"

struct fixture {
    struct loop *loop;
    struct llm *llm;
    struct fake *fake;
    struct transcribe *t;
    char path[40], sha[SHA256_HEX_SIZE];
    int64_t bytes;
    unsigned told;
    char *text, *error, *model;
    enum llm_fault fault;
    int64_t duration_ms;
    struct llm_usage usage;
};

static struct fixture f;

static void on_done(void *arg, const struct transcript *t) {
    (void)arg;
    f.t = NULL;
    f.told++;
    f.text = xstrdup(t->text);
    f.duration_ms = t->duration_ms;
    f.usage = t->usage;
}

static void on_error(void *arg, const struct llm_error *e) {
    (void)arg;
    f.t = NULL;
    f.told++;
    f.error = xstrdup(e->text);
    f.fault = e->fault;
}

static const struct transcribe_events events = {.on_done = on_done, .on_error = on_error};

static int setup(void **state) {
    (void)state;
    f.loop = loop_new(LOOP_REAL);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    transcribe_cancel(&f.t);
    llm_free(&f.llm);
    loop_free(&f.loop);
    struct fake *fake = f.fake;
    if (*f.path)
        unlink(f.path);
    x_free(&f.text);
    x_free(&f.error);
    memset(&f, 0, sizeof f);
    fake_stop(&fake);
    return 0;
}

/* Any bytes, also such as look like the form around them. */
static void record(size_t n) {
    char *bytes = xmalloc(n);
    for (size_t i = 0; i < n; i++)
        bytes[i] = (char)(i * 131 + i / 251);
    if (n > 100)
        memcpy(bytes + 50, "\r\n--spacebot-", 13);
    strcpy(f.path, "/tmp/sbspeech-XXXXXX");
    int fd = mkstemp(f.path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, n), n);
    close(fd);
    sha256_of(bytes, n, f.sha);
    f.bytes = (int64_t)n;
    x_free(&bytes);
}

static void connect_to(const char *url) {
    const struct llm_provider list[] = {
        {.id = "openai", .api = PROVIDER_API_OPENAI_COMPLETIONS, .base_url = url, .api_key = "k"},
        {.id = "anthropic", .api = PROVIDER_API_ANTHROPIC, .base_url = url, .api_key = "k"}};
    f.llm = llm_new(f.loop, &(struct llm_config){.providers = list, .nproviders = 2});
}

static void begin(const char *model, const char *mime) {
    f.t = transcribe_start(f.loop, f.llm,
                           &(struct transcribe_request){.model = model,
                                                        .path = f.path,
                                                        .mime = mime,
                                                        .name = "memo",
                                                        .bytes = f.bytes,
                                                        .duration_ms = 60000,
                                                        .system = "Write it down."},
                           &events, NULL);
    assert_int_equal(f.told, 0); /* from a later turn */
}

static void until_told(void) {
    int64_t deadline = wait_until(WAIT_MS);
    while (!f.told && wait_left(deadline))
        loop_turn(f.loop, NS_PER_SEC);
    assert_int_equal(f.told, 1);
}

static void hear(const char *scenario, const char *model, const char *mime, size_t n) {
    f.fake = fake_start(scenario);
    connect_to(fake_url(f.fake));
    record(n);
    begin(model, mime);
    until_told();
}

static void expect_error(const char *part) {
    assert_null(f.text);
    if (!strstr(f.error, part))
        fail_msg("\"%s\" is not in: %s", part, f.error);
}

#define SPEECH(list) "{\"rules\":[],\"speech\":[" list "]}"

static void its_bytes_arrive_and_its_words_come(void **state) {
    (void)state;
    hear(SPEECH("{\"text\":\"  Hello\\n\",\"seconds\":90}"), "openai/whisper-1", "audio/wav",
         300007);
    assert_string_equal(f.text, "Hello");
    assert_int_equal(f.duration_ms, 90000);
    /* A minute and a half for 0.006 dollars a minute, and that is no guess. */
    assert_true(f.usage.cost_usd > 0.00899 && f.usage.cost_usd < 0.00901);
    assert_false(f.usage.cost_is_estimate);
    char *line = xasprintf("speech 1 whisper-1 speech.wav 300007 %s", f.sha);
    fake_expect(f.fake, line, 1);
    x_free(&line);
}

static void tokens_are_paid_by_the_token(void **state) {
    (void)state;
    hear(SPEECH("{\"text\":\"Hi\",\"input_tokens\":1000,\"output_tokens\":100}"),
         "openai/gpt-4o-transcribe", "audio/ogg", 10);
    assert_int_equal(f.usage.input_tokens, 1000);
    assert_int_equal(f.usage.output_tokens, 100);
    assert_true(f.usage.cost_usd > 0.00349 && f.usage.cost_usd < 0.00351);
    assert_int_equal(f.duration_ms, 60000); /* what the head said */
    fake_expect(f.fake, "speech 1 gpt-4o-transcribe speech.ogg 10 ", 1);
}

static void what_nobody_told_is_a_guess(void **state) {
    (void)state;
    hear(SPEECH("{\"text\":\"Hi\"}"), "openai/some-asr", "audio/mpeg", 10);
    assert_true(f.usage.cost_is_estimate);
}

static void a_model_that_hears_is_asked(void **state) {
    (void)state;
    hear("{\"rules\":[{\"match\":{\"model\":\"gpt-4o-audio-preview\",\"body_contains\":"
         "\"input_audio\",\"system_contains\":\"Write it down.\"},\"respond\":[{\"text\":\"Heard "
         "it.\"}]}]}",
         "openai/gpt-4o-audio-preview", "audio/wav", 100);
    if (f.error)
        fail_msg("%s", f.error);
    assert_string_equal(f.text, "Heard it.");
    assert_true(f.usage.input_tokens > 0);
}

static void silence_has_no_words(void **state) {
    (void)state;
    hear(SPEECH("{\"text\":\" \\n\"}"), "openai/whisper-1", "audio/wav", 10);
    assert_string_equal(f.text, "");
}

static void refusals_are_one_sentence(void **state) {
    (void)state;
    hear(SPEECH("{\"status\":413,\"message\":\"Maximum content size limit\"}"), "openai/whisper-1",
         "audio/wav", 10);
    expect_error("openai: ");
    expect_error("Maximum content size limit");
    assert_false(llm_fault_retriable(f.fault));
}

static void an_odd_answer_is_garbage(void **state) {
    (void)state;
    hear(SPEECH("{\"body\":\"<html>\"}"), "openai/whisper-1", "audio/wav", 10);
    expect_error("openai: not the transcript that was expected");
    assert_int_equal(f.fault, LLM_FAULT_GARBAGE);
}

static void who_takes_none_says_so(void **state) {
    (void)state;
    hear("{\"rules\":[]}", "anthropic/claude-haiku-4-5", "audio/wav", 10);
    expect_error("anthropic: it takes no speech");
}

static void a_conversation_takes_two_kinds(void **state) {
    (void)state;
    hear("{\"rules\":[]}", "openai/gpt-4o-audio-preview", "audio/ogg", 10);
    expect_error("WAV or MP3");
}

static void who_is_not_configured_says_so(void **state) {
    (void)state;
    hear("{\"rules\":[]}", "nobody/whisper-1", "audio/wav", 10);
    expect_error("nobody: no such provider");
    assert_int_equal(f.fault, LLM_FAULT_NOT_CONFIGURED);
}

static void what_is_gone_cannot_be_read(void **state) {
    (void)state;
    connect_to("http://127.0.0.1:1");
    record(10);
    unlink(f.path);
    begin("openai/whisper-1", "audio/wav");
    until_told();
    expect_error("cannot be read");
}

/* Each at another moment of its life; the descriptor goes too. */
static void cancelled_it_says_nothing(void **state) {
    (void)state;
    f.fake = fake_start(SPEECH("{\"text\":\"x\",\"hold\":\"gate\"}"));
    connect_to(fake_url(f.fake));
    record(100000);
    for (int turns = 0; turns < 4; turns++) {
        begin("openai/whisper-1", "audio/wav");
        for (int i = 0; i < turns; i++)
            loop_turn(f.loop, NS_PER_SEC / 100);
        transcribe_cancel(&f.t);
    }
    begin("openai/whisper-1", "audio/wav");
    int64_t deadline = wait_until(WAIT_MS);
    while (!fake_wait(f.fake, "held gate", 1, 0) && wait_left(deadline))
        loop_turn(f.loop, NS_PER_SEC / 100);
    transcribe_cancel(&f.t);
    for (int i = 0; i < 5; i++)
        loop_turn(f.loop, 0);
    assert_int_equal(f.told, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {TEST(its_bytes_arrive_and_its_words_come),
                                       TEST(tokens_are_paid_by_the_token),
                                       TEST(what_nobody_told_is_a_guess),
                                       TEST(a_model_that_hears_is_asked),
                                       TEST(silence_has_no_words),
                                       TEST(refusals_are_one_sentence),
                                       TEST(an_odd_answer_is_garbage),
                                       TEST(who_takes_none_says_so),
                                       TEST(a_conversation_takes_two_kinds),
                                       TEST(who_is_not_configured_says_so),
                                       TEST(what_is_gone_cannot_be_read),
                                       TEST(cancelled_it_says_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
