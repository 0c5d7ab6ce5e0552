/* local: servers on this machine are asked for their models; the first in order that has one
 * decides, and nobody can make it wait, read much, or name something else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "llm/local.h"
#include "tests/lib/fake.h"
#include "tests/lib/wait.h"

#define MODELS(list) "{\"rules\":[],\"models\":" list "}"

struct fixture {
    struct loop *loop;
    struct local *look;
    struct fake *one, *two;
    unsigned told;
    char *model;
};

static struct fixture f;

static void on_found(void *arg, const char *model) {
    (void)arg;
    f.told++;
    f.model = xstrdup_null(model);
    local_free(&f.look);
}

static int setup(void **state) {
    (void)state;
    f.loop = loop_new(LOOP_REAL);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    local_free(&f.look);
    loop_free(&f.loop);
    struct fake *one = f.one, *two = f.two;
    x_free(&f.model);
    memset(&f, 0, sizeof f);
    fake_stop(&one);
    fake_stop(&two);
    return 0;
}

static void look(const char *first, const char *second) {
    const struct local_server list[] = {{"ollama", first}, {"llamacpp", second}};
    f.look = local_look(f.loop, list, second ? 2 : first ? 1 : 0, on_found, NULL);
    assert_int_equal(f.told, 0); /* from a later turn */
    int64_t deadline = wait_until(WAIT_MS);
    while (!f.told && wait_left(deadline))
        loop_turn(f.loop, NS_PER_SEC);
    assert_int_equal(f.told, 1);
    assert_null(f.look);
}

static void expect_one(const char *scenario, const char *model) {
    f.one = fake_start(scenario);
    look(fake_url(f.one), NULL);
    if (!str_eq(f.model, model))
        fail_msg("found %s, not %s", f.model ? f.model : "nothing", model ? model : "nothing");
}

static void what_it_has_is_named(void **state) {
    (void)state;
    expect_one(MODELS("[\"llama3.2:latest\",\"qwen3\"]"), "ollama/llama3.2:latest");
}

static void a_path_is_a_name_too(void **state) {
    (void)state;
    expect_one(MODELS("[\"/models/some.gguf\"]"), "ollama//models/some.gguf");
}

static void a_model_for_vectors_holds_no_conversation(void **state) {
    (void)state;
    expect_one(MODELS("[\"nomic-embed-text\",\"qwen3\"]"), "ollama/qwen3");
}

static void a_server_without_models_has_none(void **state) {
    (void)state;
    expect_one(MODELS("[]"), NULL);
}

static void another_program_on_the_port_is_none(void **state) {
    (void)state;
    expect_one("{\"rules\":[]}", NULL); /* 404 */
}

static void an_odd_answer_is_none(void **state) {
    (void)state;
    expect_one(MODELS("\"<html>{\\\"data\\\":[\""), NULL);
}

static void an_odd_shape_is_none(void **state) {
    (void)state;
    expect_one(MODELS("\"{\\\"data\\\":{\\\"id\\\":7}}\""), NULL);
}

/* What would reach the screen or another part of a request is no name. */
static void odd_names_are_passed_over(void **state) {
    (void)state;
    expect_one(MODELS("[\"\",\"a b\",\"a\\u001b[2J\",\"\\u202ex\",\"ok\"]"), "ollama/ok");
}

static void a_flood_is_none(void **state) {
    (void)state;
    size_t n = LOCAL_BODY_MAX;
    char *name = xcalloc(1, n + 1);
    memset(name, 'x', n);
    char *scenario = xasprintf(MODELS("[\"ok\",\"%s\"]"), name);
    expect_one(scenario, NULL);
    x_free(&scenario);
    x_free(&name);
}

static void the_order_decides_and_not_the_speed(void **state) {
    (void)state;
    f.one = fake_start(MODELS("[\"one\"]"));
    f.two = fake_start(MODELS("[\"two\"]"));
    look(fake_url(f.one), fake_url(f.two));
    assert_string_equal(f.model, "ollama/one");
}

static void the_second_where_the_first_is_not_there(void **state) {
    (void)state;
    int dead;
    char *url = fake_dead_url(&dead);
    f.two = fake_start(MODELS("[\"two\"]"));
    look(url, fake_url(f.two));
    assert_string_equal(f.model, "llamacpp/two");
    close(dead);
    x_free(&url);
}

static void nobody_to_ask_is_an_answer(void **state) {
    (void)state;
    look(NULL, NULL);
    assert_null(f.model);
}

/* A proxy of the environment would be told what is asked of this machine. */
static void no_proxy_is_asked(void **state) {
    (void)state;
    int dead;
    char *url = fake_dead_url(&dead);
    setenv("http_proxy", url, 1);
    setenv("all_proxy", url, 1);
    expect_one(MODELS("[\"near\"]"), "ollama/near");
    unsetenv("http_proxy");
    unsetenv("all_proxy");
    close(dead);
    x_free(&url);
}

/* The virtual clock passes the limit while a server that took the connection says nothing. */
static void silence_is_none(void **state) {
    (void)state;
    int fd = -1;
    char *url = fake_dead_url(&fd);
    assert_int_equal(listen(fd, 4), 0);
    loop_free(&f.loop);
    f.loop = loop_new(LOOP_INLINE);
    const struct local_server list[] = {{"ollama", url}};
    int64_t start = loop_now_ns(f.loop);
    f.look = local_look(f.loop, list, 1, on_found, NULL);
    while (!f.told)
        loop_turn(f.loop, LOCAL_SECS * NS_PER_SEC);
    assert_null(f.model);
    assert_true(loop_now_ns(f.loop) - start <= LOCAL_SECS * NS_PER_SEC);
    close(fd);
    x_free(&url);
}

static void given_up_it_is_not_told(void **state) {
    (void)state;
    f.one = fake_start(MODELS("[\"one\"]"));
    const struct local_server list[] = {{"ollama", fake_url(f.one)}};
    f.look = local_look(f.loop, list, 1, on_found, NULL);
    loop_turn(f.loop, 0);
    local_free(&f.look);
    look(NULL, NULL); /* told once: of this one */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {TEST(what_it_has_is_named),
                                       TEST(a_path_is_a_name_too),
                                       TEST(a_model_for_vectors_holds_no_conversation),
                                       TEST(a_server_without_models_has_none),
                                       TEST(another_program_on_the_port_is_none),
                                       TEST(an_odd_answer_is_none),
                                       TEST(an_odd_shape_is_none),
                                       TEST(odd_names_are_passed_over),
                                       TEST(a_flood_is_none),
                                       TEST(the_order_decides_and_not_the_speed),
                                       TEST(the_second_where_the_first_is_not_there),
                                       TEST(nobody_to_ask_is_an_answer),
                                       TEST(no_proxy_is_asked),
                                       TEST(silence_is_none),
                                       TEST(given_up_it_is_not_told)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
