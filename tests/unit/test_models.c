/* models: providers are asked once a day, what they say is kept, and what is configured and gone is
 * said once, with what is nearest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/connect.h"
#include "agent/models.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "tests/lib/fake.h"
#include "tests/lib/wait.h"

#define LIST(names) "{\"rules\":[],\"models\":" names "}"

struct fixture {
    char dir[32], *conf, *path, *log;
    struct fake *one, *two;
    struct loop *loop;
    struct job_pool *jobs;
    struct config *config;
    struct llm *llm;
    struct models *models;
    unsigned told;
    struct buf warnings;
};

static struct fixture f;

static void on_warning(void *arg, enum log_level level, const char *text) {
    (void)arg;
    if (level == LOG_WARN)
        buf_printf(&f.warnings, "%s\n", text);
}

static int setup(void **state) {
    (void)state;
    strcpy(f.dir, "/tmp/sbmodels-XXXXXX");
    assert_non_null(mkdtemp(f.dir));
    f.conf = xasprintf("%s/spacebot.conf", f.dir);
    f.path = xasprintf("%s/models.json", f.dir);
    f.log = xasprintf("%s/log", f.dir);
    unsetenv("ANTHROPIC_API_KEY");
    unsetenv("ANTHROPIC_BASE_URL");
    setenv("SPACEBOT_LOCAL_SERVERS", "", 1);
    unsetenv("SPACEBOT_LIST_MODELS");
    struct cause why;
    assert_int_equal(log_open(f.log, &why), STATUS_OK);
    log_set_listener(on_warning, NULL);
    return 0;
}

static void stop(void) {
    job_pool_free(&f.jobs);
    models_free(&f.models);
    llm_free(&f.llm);
    config_free(&f.config);
    loop_free(&f.loop);
}

static int teardown(void **state) {
    (void)state;
    stop();
    log_set_listener(NULL, NULL);
    log_close();
    unlink(f.conf);
    unlink(f.path);
    unlink(f.log);
    assert_int_equal(rmdir(f.dir), 0); /* nothing else was left */
    x_free(&f.conf);
    x_free(&f.path);
    x_free(&f.log);
    buf_free(&f.warnings);
    fake_stop(&f.one);
    fake_stop(&f.two);
    memset(&f, 0, sizeof f);
    return 0;
}

static void on_known(void *arg) {
    (void)arg;
    f.told++;
}

/* Providers "one" and, where there is one, "two". */
static void configure(const char *two_url, const char *routing) {
    FILE *file = fopen(f.conf, "w");
    assert_non_null(file);
    fprintf(file,
            "providers = ( { id = \"one\"; api = \"openai_completions\"; base_url = \"%s\"; }",
            fake_url(f.one));
    if (two_url)
        fprintf(file,
                ", { id = \"two\"; api = \"openai_completions\"; base_url = \"%s\"; "
                "api_key = \"k\"; }",
                two_url);
    fprintf(file, " );\nrouting = { %s };\n", routing);
    assert_int_equal(fclose(file), 0);
}

static void begin(bool now, const char *only) {
    struct cause why = {""};
    f.told = 0;
    f.loop = loop_new(LOOP_REAL);
    f.jobs = job_pool_new(f.loop, 1, 4);
    if (config_load(f.conf, &f.config, &why) != STATUS_OK)
        fail_msg("%s", why.text);
    f.llm = connect_llm(f.loop, f.config, NULL, NULL);
    f.models = models_new(&(struct models_options){.loop = f.loop,
                                                   .jobs = f.jobs,
                                                   .llm = f.llm,
                                                   .config = f.config,
                                                   .path = f.path,
                                                   .now = now,
                                                   .only = only,
                                                   .done = on_known});
    assert_int_equal(f.told, 0); /* nothing waits for it */
}

static void until_known(void) {
    int64_t deadline = wait_until(WAIT_MS);
    while (!f.told && wait_left(deadline))
        loop_turn(f.loop, NS_PER_SEC);
    assert_int_equal(f.told, 1);
}

static void go(bool now, const char *only) {
    begin(now, only);
    until_known();
}

static void expect(const char *words) {
    if (!strstr(buf_str(&f.warnings), words))
        fail_msg("\"%s\" is not in: %s", words, buf_str(&f.warnings));
}

#define ALL "channel = \"one/good-1\"; branch = \"one/good-1\"; worker = \"one/good-1\";"

static void all_are_asked_and_kept(void **state) {
    (void)state;
    f.one = fake_start(LIST("[\"good-1\",\"good-2\"]"));
    f.two = fake_start(LIST("[\"other\"]"));
    configure(fake_url(f.two), ALL);
    go(true, NULL);
    assert_int_equal(models_catalog(f.models)->n, 2);
    assert_int_equal(catalog_find(models_catalog(f.models), "one")->n, 2);
    assert_non_null(catalog_model(models_catalog(f.models), "two/other", NULL));
    stop();
    /* Nobody is asked again within a day, also by another engine. */
    go(false, NULL);
    assert_int_equal(models_catalog(f.models)->n, 2);
    fake_expect(f.one, "models 1 /v1/models", 1);
    assert_false(fake_wait(f.one, "models 2", 1, 0));
    assert_string_equal(buf_str(&f.warnings), "");
}

static void one_that_fails_says_why_and_the_other_is_listed(void **state) {
    (void)state;
    int dead;
    char *url = fake_dead_url(&dead);
    f.one = fake_start(LIST("[\"good-1\"]"));
    configure(url, ALL);
    go(true, NULL);
    const struct catalog_list *two = catalog_find(models_catalog(f.models), "two");
    assert_non_null(two->error);
    assert_true(str_prefix(two->error, "two: "));
    assert_int_equal(catalog_find(models_catalog(f.models), "one")->n, 1);
    stop();
    /* What fails is not asked again either. */
    go(false, NULL);
    assert_string_equal(catalog_find(models_catalog(f.models), "two")->provider, "two");
    close(dead);
    x_free(&url);
}

static void what_was_listed_stays_when_nobody_answers(void **state) {
    (void)state;
    f.one = fake_start(LIST("[\"good-1\"]"));
    configure(NULL, ALL);
    go(true, NULL);
    stop();
    fake_stop(&f.one);
    f.one = fake_start("{\"rules\":[]}"); /* 404 */
    configure(NULL, ALL);
    go(true, NULL);
    const struct catalog_list *one = catalog_find(models_catalog(f.models), "one");
    assert_non_null(one->error);
    assert_int_equal(one->n, 1);
    assert_true(one->listed_ms > 0);
}

static void one_alone_is_asked(void **state) {
    (void)state;
    f.one = fake_start(LIST("[\"good-1\"]"));
    f.two = fake_start(LIST("[\"other\"]"));
    configure(fake_url(f.two), ALL);
    go(true, "two");
    assert_null(catalog_find(models_catalog(f.models), "one"));
    assert_non_null(catalog_find(models_catalog(f.models), "two"));
}

static void what_is_gone_is_said_with_the_nearest(void **state) {
    (void)state;
    f.one = fake_start(LIST("[\"good-3\",\"good-2\",\"strange\"]"));
    configure(NULL, "channel = \"one/good-1\"; branch = \"one/good-1\"; worker = \"one/strange\"; "
                    "fallbacks = ( { model = \"one/good-1\"; then = [ \"one/lost-7\" ]; } );");
    go(false, NULL);
    expect("one no longer lists good-1 (channel, branch); nearest to it is good-2");
    expect("one no longer lists lost-7 (fallback) nor one like it");
    assert_null(strstr(buf_str(&f.warnings), "strange"));
    assert_null(strchr(strchr(buf_str(&f.warnings), '\n') + 1, '\n')); /* one line */
}

/* A list that says nothing of what is missing from it. */
static void nothing_is_said_without_a_list(void **state) {
    (void)state;
    f.one = fake_start("{\"rules\":[]}");
    configure(NULL, ALL);
    go(false, NULL);
    stop();
    fake_stop(&f.one);
    f.one = fake_start(LIST("\"{\\\"data\\\":[{\\\"id\\\":\\\"z\\\"}],\\\"has_more\\\":true}\""));
    unlink(f.path);
    configure(NULL, ALL);
    go(false, NULL);
    assert_string_equal(buf_str(&f.warnings), "");
}

static void nobody_is_asked_who_may_not_be(void **state) {
    (void)state;
    f.one = fake_start(LIST("[\"good-2\"]"));
    configure(NULL, ALL " list_models = false;");
    go(false, NULL);
    assert_false(fake_wait(f.one, "models 1", 1, 0));
    stop();
    configure(NULL, ALL);
    setenv("SPACEBOT_LIST_MODELS", "no", 1);
    go(false, NULL);
    assert_false(fake_wait(f.one, "models 1", 1, 0));
    /* Who asks for it gets it. */
    stop();
    go(true, NULL);
    fake_expect(f.one, "models 1", 1);
}

/* Whatever it is at, it ends at once and says nothing more. */
static void it_is_given_up_at_any_moment(void **state) {
    (void)state;
    f.one = fake_start(LIST("[\"good-1\"]"));
    configure(NULL, ALL);
    for (int turns = 0; turns < 6; turns++) {
        begin(true, NULL);
        for (int i = 0; i < turns && !f.told; i++)
            loop_turn(f.loop, NS_PER_SEC / 10);
        stop();
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {TEST(all_are_asked_and_kept),
                                       TEST(one_that_fails_says_why_and_the_other_is_listed),
                                       TEST(what_was_listed_stays_when_nobody_answers),
                                       TEST(one_alone_is_asked),
                                       TEST(what_is_gone_is_said_with_the_nearest),
                                       TEST(nothing_is_said_without_a_list),
                                       TEST(nobody_is_asked_who_may_not_be),
                                       TEST(it_is_given_up_at_any_moment)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
