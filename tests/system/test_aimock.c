/* The real program against a provider that others have written: the mock @copilotkit/aimock, got
 * from npm when the test runs. Our own fake could share a misreading of a format with the client;
 * this one does not. Skipped, with the reason, where there is no node, no npm or no network. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "tests/lib/jsonl.h"
#include "tests/lib/run.h"
#include "tests/lib/scene.h"
#include "tests/lib/tmphome.h"
#include "tests/lib/wait.h"
#include "tests/lib/where.h"

#define SKIPPED 77
#define PACKAGE "@copilotkit/aimock@1"
#define INDEX "node_modules/@copilotkit/aimock/dist/index.js"
#define INSTALL_MS 45000

static struct run *mock;
static int port;

/* ---- the mock ---- */

static bool fetched(const char *dir) {
    char *index = xasprintf("%s/" INDEX, dir);
    bool there = access(index, R_OK) == 0;
    free(index);
    return there;
}

/* Into the build directory, once; NULL, or why it is not there. */
static const char *fetch(const char *dir) {
    static char why[400];
    const char *argv[] = {"npm",
                          "install",
                          "--prefix",
                          dir,
                          "--no-audit",
                          "--no-fund",
                          "--ignore-scripts",
                          "--no-update-notifier",
                          "--fetch-timeout=8000",
                          "--fetch-retries=0",
                          PACKAGE,
                          NULL};
    if (fetched(dir))
        return NULL;
    struct run *r =
        run_start(&(struct run_spec){.argv = (const char *const[]){"mkdir", "-p", dir, NULL}});
    bool made = run_wait_exit(r, WAIT_MS) && run_code(r) == 0;
    run_free(&r);
    if (!made)
        return "its directory cannot be made";
    r = run_start(&(struct run_spec){.argv = argv, .dir = dir});
    bool ended = run_wait_exit(r, INSTALL_MS);
    snprintf(why, sizeof(why), "npm does not get %s: %.300s", PACKAGE,
             ended ? run_err(r) : "no answer in time");
    run_free(&r);
    return fetched(dir) ? NULL : why;
}

/* NULL, or why it does not run. */
static const char *start(const char *dir) {
    static char why[400];
    char *script = xasprintf("%s/tests/system/aimock.mjs", where_source());
    char *index = xasprintf("%s/" INDEX, dir);
    const char *argv[] = {"node", script, index, NULL};
    mock = run_start(&(struct run_spec){.argv = argv, .open_stdin = true});
    bool up = run_wait_out(mock, "\n", WAIT_MS) && sscanf(run_out(mock), "port %d", &port) == 1;
    if (!up)
        snprintf(why, sizeof(why), "the mock does not start: %.300s", run_err(mock));
    free(script);
    free(index);
    return up ? NULL : why;
}

static bool runs(const char *program) {
    char *command = xasprintf("command -v %s", program);
    struct run *r = run_all(&(struct run_spec){.argv = ARGS("sh", "-c", command)}, WAIT_MS);
    bool there = run_code(r) == 0;
    run_free(&r);
    free(command);
    return there;
}

/* ---- conversations ---- */

struct form {
    const char *name, *api, *path;
};

/* The channel asks a worker, its command really runs, and the reply says what it printed. */
static void converse(void **state) {
    const struct form *f = *state;
    struct tmphome *home = tmphome_new(NULL);
    char *config = xasprintf(
        "limits = { silence_secs = 20; };\n"
        "routing = { channel = \"mock/thinks\"; worker = \"mock/works\"; };\n"
        "providers = ( { id = \"mock\"; api = \"%s\"; base_url = \"http://127.0.0.1:%d%s\"; "
        "api_key = \"sk-mock-0123456789\"; } );\n",
        f->api, port, f->path);
    tmphome_config(home, config);
    scene_numbers(home, 4321);
    struct run *r = tmphome_spacebot(home, ARGS("exec", "--json", SCENE_QUESTION), NULL);
    run_expect_code(r, 0);
    cJSON *lines = jsonl_parse(run_out(r));
    const cJSON *result = jsonl_must(lines, "result", 0);
    assert_string_equal(json_str(result, "reply", ""), "Counted – wc says: 4321 numbers.txt.");
    assert_int_equal(json_i64(json_obj(result, "processes"), "succeeded", -1), 1);
    assert_true(json_i64(json_obj(result, "usage"), "output_tokens", 0) > 5);
    cJSON_Delete(lines);
    run_free(&r);
    tmphome_expect_quiet(home, WAIT_MS);
    tmphome_free(&home);
    free(config);
}

static int skip_with(const char *why) {
    printf("skipped: %s\n", why);
    run_free(&mock);
    return SKIPPED;
}

int main(void) {
    static const struct form forms[] = {
        {"Messages", "anthropic", ""},
        {"Chat Completions", "openai_completions", "/v1"},
        {"Responses", "openai_responses", "/v1"},
        {"Azure's Chat Completions", "azure", ""},
    };
    struct CMUnitTest tests[ARRAY_LEN(forms)];
    char *dir = xasprintf("%s/tests/aimock", where_build());
    const char *why = !runs("node")  ? "there is no node"
                      : !runs("npm") ? "there is no npm"
                                     : fetch(dir);
    if (!why)
        why = start(dir);
    free(dir);
    if (why)
        return skip_with(why);
    for (size_t i = 0; i < ARRAY_LEN(forms); i++)
        tests[i] = (struct CMUnitTest){.name = forms[i].name,
                                       .test_func = converse,
                                       .initial_state = (void *)(uintptr_t)&forms[i]};
    int failed = cmocka_run_group_tests_name("aimock", tests, NULL, NULL);
    run_close_stdin(mock);
    (void)run_wait_exit(mock, WAIT_MS);
    run_free(&mock);
    return failed;
}
