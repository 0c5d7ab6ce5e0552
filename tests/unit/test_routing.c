/* routing: which model a process asks, and whom in its place: slot, kind of task, conversation; by
 * the model that fails, by the kind of process, for all; and what is known of a model's context
 * after a restart. */
#include "agent/routing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "agent/channel.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"
#include "llm/health.h"
#include "store/queries.gen.h"
#include "tests/lib/agent_home.h"

static const char text[] =
    "routing = { channel = \"a/channel\"; branch = \"a/branch\"; worker = \"a/worker\";\n"
    "  task_overrides = ( { task = \"coding\"; model = \"a/coder\"; } );\n"
    "  fallbacks = ( { model = \"a/coder\"; then = [ \"b/coder\" ]; },\n"
    "    { process = \"worker\"; then = [ \"b/worker\", \"c/worker\" ]; },\n"
    "    { process = \"branch\"; then = [ \"b/branch\" ]; },\n"
    "    { then = [ \"b/any\" ]; } ); };\n";

static void configure(struct agent_home *h) {
    struct config *c = NULL, old;
    struct cause why = {""};
    char *path = xasprintf("%s/routing.conf", h->dir);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    if (config_load(path, &c, &why) != STATUS_OK)
        fail_msg("%s", why.text);
    old = *h->config; /* the agent has a pointer to it */
    *h->config = *c;
    *c = old;
    config_free(&c);
    x_free(&path);
}

/* Three processes that are at work: they hang in their calls. */
static void at_work(struct agent_home *h) {
    script_push(SCRIPT_CHANNEL,
                "[" CALL("spawn_worker", "{\"task\":\"count\"}") "," CALL(
                    "spawn_worker",
                    "{\"task\":\"write it\",\"task_type\":\"coding\"}") "," BRANCH("think") "]");
    script_push_hang(SCRIPT_CHANNEL, "hm");
    script_push_hang(SCRIPT_WORKER, "hm");
    script_push_hang(SCRIPT_WORKER, "hm");
    script_push_hang(SCRIPT_BRANCH, "hm");
    agent_say(h, "c1", NULL, "go");
    agent_pass(h, 100);
}

static struct process *of(struct agent_home *h, enum process_kind kind, const char *task_type) {
    size_t pos = 0;
    for (struct process *p; (p = process_next(agent_processes(h->agent), &pos));)
        if (p->kind == kind && (!task_type || (p->task_type && !strcmp(p->task_type, task_type))) &&
            (task_type || !p->task_type))
            return p;
    fail_msg("there is no such process");
    return NULL;
}

static void expect(struct agent_home *h, const struct process *p, const char *model,
                   const char *then) {
    struct route_request r = {0};
    char all[200] = "";
    assert_string_equal(p->model, model);
    routing_fallbacks(h->agent, p, &r);
    for (size_t i = 0; i < r.nthen; i++)
        snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", i ? " " : "", r.then[i]);
    assert_string_equal(all, then);
}

static void slot_then_task_then_conversation(void **state) {
    struct agent_home *h = *state;
    struct agent_answer a;
    configure(h);
    at_work(h);
    expect(h, agent_process(h, "channel:c1"), "a/channel", "b/any");
    expect(h, of(h, PROCESS_BRANCH, NULL), "a/branch", "b/branch");
    expect(h, of(h, PROCESS_WORKER, NULL), "a/worker", "b/worker c/worker");
    expect(h, of(h, PROCESS_WORKER, "coding"), "a/coder", "b/coder"); /* the model's own first */
    /* The conversation's word covers all of them, those that are at work too. */
    agent_exec(h, &a, "{\"channel\":\"c2\",\"text\":\"/model a/told\"}");
    agent_answer_clear(&a);
    script_push(SCRIPT_CHANNEL,
                "[" CALL("spawn_worker", "{\"task\":\"w2\",\"task_type\":\"coding\"}") "]");
    script_push_hang(SCRIPT_CHANNEL, "hm");
    script_push_hang(SCRIPT_WORKER, "hm");
    agent_say(h, "c2", NULL, "go");
    agent_pass(h, 100);
    expect(h, agent_process(h, "channel:c2"), "a/told", "b/any");
    size_t pos = 0, seen = 0;
    for (struct process *p; (p = process_next(agent_processes(h->agent), &pos));)
        if (p->kind == PROCESS_WORKER && !strcmp(p->channel, "c2")) {
            expect(h, p, "a/told", "b/worker c/worker");
            seen++;
        }
    assert_int_equal(seen, 1);
}

static void what_a_model_takes_is_known_after_a_restart(void **state) {
    struct agent_home *h = *state;
    assert_int_equal(routing_ceiling(h->agent, "a/small"), h->config->limits.context_window);
    int64_t learned = health_overflowed(route_health(agent_route(h->agent)), "a/small", 50000);
    assert_int_equal(learned, 45000);
    store_model_limit_save(h->store, "a/small", learned, clock_wall_ms());
    agent_turns(h, 5);
    agent_home_restart(h, true);
    assert_int_equal(routing_ceiling(h->agent, "a/small"), 45000);
    assert_int_equal(routing_ceiling(h->agent, "a/other"), h->config->limits.context_window);
}

int main(void) {
    clock_set_virtual(INT64_C(1796000000000));
    id_seed(1);
#define T(name) cmocka_unit_test_setup_teardown(name, agent_home_setup, agent_home_teardown)
    const struct CMUnitTest tests[] = {
        T(slot_then_task_then_conversation),
        T(what_a_model_takes_is_known_after_a_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
