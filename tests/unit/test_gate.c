/* The gate and the inbox: what is asked, who answers, and what a call may do then. */
#include "tests/unit/agent_fixture.h"

#include "agent/gate.h"
#include "agent/inbox.h"

#include <unistd.h>

#define READ(path) CALL("file_read", "{\"path\":\"" path "\"}")

static const struct inbox_request *only_request(struct fixture *f) {
    assert_int_equal(inbox_count(agent_inbox(f->agent)), 1);
    return inbox_next(agent_inbox(f->agent), NULL);
}

/* Runs until somebody is asked. */
static const struct inbox_request *until_asked(struct fixture *f) {
    for (int i = 0; i < 500 && inbox_count(agent_inbox(f->agent)) == 0; i++)
        loop_turn(f->loop, NS_PER_SEC);
    return only_request(f);
}

/* A worker that reads a file outside of the workspace, and what it is told goes to the channel. */
static char *outside(struct fixture *f) { return xasprintf("%s/outside.txt", f->dir); }

static void script_reader(const char *path) {
    char *read = xasprintf("[" READ("%s") "]", path);
    script_push(SCRIPT_CHANNEL, "[" SPAWN("read it") "]");
    script_push(SCRIPT_CHANNEL, "[]");
    script_push(SCRIPT_WORKER, read);
    script_push(SCRIPT_WORKER, OUTCOME("done"));
    script_push(SCRIPT_WORKER, "[]");
    script_push(SCRIPT_CHANNEL, REPLY("so it is"));
    x_free(&read);
}

static const struct inbox_request *ask_to_read(struct fixture *f) {
    char *path = outside(f);
    put_file(f->dir, "outside.txt", "what is out there");
    script_reader(path);
    say(f, "c1", "read it");
    const struct inbox_request *r = until_asked(f);
    assert_string_equal(r->text, path);
    x_free(&path);
    return r;
}

static void answer(struct fixture *f, const char *what, const char *remark, enum status wanted) {
    struct answer a;
    char *args = xasprintf("{\"request\":%lld,\"answer\":\"%s\",\"remark\":\"%s\"}",
                           (long long)inbox_newest(agent_inbox(f->agent)), what, remark);
    ask(f, COMMAND_ANSWER, &a, args);
    if (a.st != wanted)
        fail_msg("%s: %s", status_name(a.st), a.why);
    answer_clear(&a);
    x_free(&args);
}

/* What the worker's tool was told, as its journal has it. */
static const char *result(struct fixture *f) {
    const struct journal *j = &only_one(f, PROCESS_WORKER)->journal;
    for (size_t i = 0; i < j->n; i++)
        if (j->v[i]->kind == JOURNAL_TOOL && str_prefix(j->v[i]->title, "file_"))
            return buf_str(&j->v[i]->result);
    return "";
}

/* --- asking -------------------------------------------------------------------------------------
 */

static void a_path_outside_asks_and_is_read_once_allowed(void **state) {
    struct fixture *f = *state;
    const struct inbox_request *r = ask_to_read(f);
    struct process *w = only_one(f, PROCESS_WORKER);
    assert_int_equal(w->state, PROCESS_STATE_ASKING);
    expect_in(w->tool, "asks: ");
    assert_string_equal(r->tool, "file_read");
    assert_string_equal(r->reason, "outside the workspace");
    assert_int_equal(r->npath, 2);
    assert_string_equal(r->path[0].name, "c1");
    assert_string_equal(r->path[1].id, w->id);
    expect_in(buf_str(&f->events), "\"type\":\"worker_permission\"");
    answer(f, "once", "", STATUS_OK);
    assert_int_equal(inbox_count(agent_inbox(f->agent)), 0);
    settle(f);
    assert_string_equal(result(f), "what is out there");
    expect_in(buf_str(&f->events), "\"type\":\"request_ended\"");
    expect_in(buf_str(&f->events), "\"answer\":\"once\"");
}

/* A person reads what would be written before allowing it. */
static void a_change_outside_is_shown_before_it_is_allowed(void **state) {
    struct fixture *f = *state;
    char *path = outside(f);
    char *edit = xasprintf("[" CALL("file_edit", "{\"path\":\"%s\",\"old_string\":\"is out\","
                                                 "\"new_string\":\"was out\"}") "]",
                           path);
    put_file(f->dir, "outside.txt", "what is out there");
    script_push(SCRIPT_CHANNEL, "[" SPAWN("change it") "]");
    script_push(SCRIPT_CHANNEL, "[]");
    script_push(SCRIPT_WORKER, edit);
    script_push(SCRIPT_WORKER, OUTCOME("done"));
    script_push(SCRIPT_WORKER, "[]");
    script_push(SCRIPT_CHANNEL, REPLY("so it is"));
    say(f, "c1", "change it");
    const struct inbox_request *r = until_asked(f);
    assert_string_equal(r->preview, "- is out\n+ was out");
    cJSON *o = inbox_json(r);
    assert_string_equal(json_str(o, "preview", ""), r->preview);
    cJSON_Delete(o);
    expect_in(buf_str(&f->events), "\"preview\":\"- is out\\n+ was out\"");
    answer(f, "once", "", STATUS_OK);
    settle(f);
    x_free(&edit);
    x_free(&path);
}

static void once_is_once(void **state) {
    struct fixture *f = *state;
    (void)ask_to_read(f);
    answer(f, "once", "", STATUS_OK);
    settle(f);
    char *path = outside(f);
    script_reader(path);
    x_free(&path);
    say(f, "c2", "again");
    (void)until_asked(f);
    answer(f, "deny", "", STATUS_OK);
    settle(f);
}

static void a_channel_takes_messages_while_its_worker_asks(void **state) {
    struct fixture *f = *state;
    (void)ask_to_read(f);
    script_reset();
    script_push(SCRIPT_CHANNEL, REPLY("still here"));
    say(f, "c1", "are you there?");
    turns(f, 60);
    for (int i = 0; i < 20; i++)
        loop_turn(f->loop, NS_PER_MS * 10);
    const struct journal_entry *e =
        journal_last(&named_process(f, "channel:c1")->journal, JOURNAL_REPLY);
    assert_non_null(e);
    assert_string_equal(buf_str(&e->text), "still here");
    assert_int_equal(only_one(f, PROCESS_WORKER)->state, PROCESS_STATE_ASKING);
    script_default(SCRIPT_WORKER, OUTCOME("no"));
    script_default(SCRIPT_CHANNEL, REPLY("fine"));
    answer(f, "no", "not that file", STATUS_OK);
    script_default(SCRIPT_WORKER, "[" TEXT("over") "]");
    settle(f);
    assert_string_equal(result(f), "denied by the person, who said: not that file");
}

static void a_denial_is_read_by_the_model(void **state) {
    struct fixture *f = *state;
    (void)ask_to_read(f);
    answer(f, "maybe", "", STATUS_INVALID);
    answer(f, "n", "", STATUS_OK);
    settle(f);
    expect_in(result(f), "denied by the person");
    expect_in(script_last_history(SCRIPT_WORKER), "denied by the person");
}

static void nobody_answers(void **state) {
    struct fixture *f = *state;
    (void)ask_to_read(f);
    settle(f); /* ten virtual minutes */
    expect_in(result(f), "denied: nobody answered within 600 s");
    expect_in(buf_str(&f->events), "\"state\":\"timed_out\"");
    answer(f, "once", "", STATUS_NOT_FOUND);
}

static void a_worker_that_asks_is_not_charged_for_the_wait(void **state) {
    struct fixture *f = *state;
    f->config->limits.worker_wall_secs = 100;
    (void)ask_to_read(f);
    int64_t before = clock_mono_ns();
    settle(f);
    assert_true(clock_mono_ns() - before >= 600 * NS_PER_SEC);
    expect_in(result(f), "denied: nobody answered within 600 s");
    assert_int_equal(only_one(f, PROCESS_WORKER)->outcome, PROCESS_OUTCOME_SUCCEEDED);
}

static void cancelled_while_asking(void **state) {
    struct fixture *f = *state;
    struct answer a;
    (void)ask_to_read(f);
    script_reset();
    script_default(SCRIPT_CHANNEL, REPLY("fine"));
    char *args = xasprintf("{\"process\":\"%s\"}", only_one(f, PROCESS_WORKER)->id);
    ask(f, COMMAND_CANCEL, &a, args);
    assert_int_equal(a.st, STATUS_OK);
    answer_clear(&a);
    x_free(&args);
    assert_int_equal(inbox_count(agent_inbox(f->agent)), 0);
    expect_in(buf_str(&f->events), "\"state\":\"withdrawn\"");
    settle(f);
    assert_int_equal(only_one(f, PROCESS_WORKER)->outcome, PROCESS_OUTCOME_CANCELLED);
    answer(f, "once", "", STATUS_NOT_FOUND);
}

static void what_stays_inside_is_not_asked_about(void **state) {
    struct fixture *f = *state;
    put_file(f->home.workspace, "in.txt", "inside");
    script_reader("./x/../in.txt");
    say(f, "c1", "read it");
    settle(f);
    assert_string_equal(result(f), "inside");
    assert_int_equal(inbox_newest(agent_inbox(f->agent)), 0);
}

static void nobody_can_allow_the_home_itself(void **state) {
    struct fixture *f = *state;
    char *path = xasprintf("%s/spacebot.db", f->home.dir);
    script_reader(path);
    say(f, "c1", "read it");
    settle(f);
    expect_in(result(f), "no tool may open it");
    assert_int_equal(inbox_newest(agent_inbox(f->agent)), 0);
    x_free(&path);
}

/* A link on the way is refused even where the path was allowed. */
static void an_allowed_path_is_not_a_way_elsewhere(void **state) {
    struct fixture *f = *state;
    (void)ask_to_read(f);
    char *path = outside(f);
    assert_int_equal(remove(path), 0);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    x_free(&path);
    answer(f, "once", "", STATUS_OK);
    settle(f);
    expect_in(result(f), "symbolic link");
}

/* --- always -------------------------------------------------------------------------------------
 */

static void always_is_remembered_shown_and_revoked(void **state) {
    struct fixture *f = *state;
    struct answer a;
    (void)ask_to_read(f);
    answer(f, "always", "", STATUS_OK);
    settle(f);
    assert_string_equal(result(f), "what is out there");
    fixture_stop(f);
    fixture_start(f); /* another engine remembers it too */
    ask(f, COMMAND_PERMISSIONS, &a, "{}");
    const cJSON *rule = cJSON_GetArrayItem(json_arr(a.body, "rules"), 0);
    char *path = outside(f), *pattern = xasprintf("file_read:%s", path);
    assert_string_equal(json_str(rule, "pattern", ""), pattern);
    assert_string_equal(json_str(rule, "source", ""), "remembered");
    assert_int_equal(json_i64(rule, "id", 0), 1);
    answer_clear(&a);
    script_reader(path);
    say(f, "c2", "read it");
    settle(f);
    assert_string_equal(result(f), "what is out there");
    assert_int_equal(inbox_newest(agent_inbox(f->agent)), 0);

    ask(f, COMMAND_REVOKE, &a, "{\"rule\":1}");
    assert_int_equal(a.st, STATUS_OK);
    answer_clear(&a);
    ask(f, COMMAND_REVOKE, &a, "{\"rule\":1}");
    assert_int_equal(a.st, STATUS_NOT_FOUND);
    answer_clear(&a);
    fixture_stop(f);
    fixture_start(f);
    script_reader(path);
    say(f, "c3", "read it");
    (void)until_asked(f);
    answer(f, "deny", "", STATUS_OK);
    settle(f);
    x_free(&path);
    x_free(&pattern);
}

/* Whoever asks the same is not asked about again once "always" was said. */
static void always_answers_those_who_wait_too(void **state) {
    struct fixture *f = *state;
    char *path = outside(f), *read = xasprintf("[" READ("%s") "]", path);
    put_file(f->dir, "outside.txt", "out");
    script_push(SCRIPT_CHANNEL, "[" SPAWN("one") "," SPAWN("two") "," SPAWN("three") "]");
    script_push(SCRIPT_CHANNEL, "[]");
    for (int i = 0; i < 3; i++)
        script_push(SCRIPT_WORKER, read);
    say(f, "c1", "go");
    for (int i = 0; i < 500 && inbox_count(agent_inbox(f->agent)) < 3; i++)
        loop_turn(f->loop, NS_PER_SEC);
    assert_int_equal(inbox_count(agent_inbox(f->agent)), 3);
    script_default(SCRIPT_WORKER, "[" TEXT("I have it") "]");
    script_default(SCRIPT_CHANNEL, REPLY("fine"));
    answer(f, "a", "", STATUS_OK);
    assert_int_equal(inbox_count(agent_inbox(f->agent)), 0);
    settle(f);
    x_free(&path);
    x_free(&read);
}

/* --- rules of the config ------------------------------------------------------------------------
 */

static void restart_with(struct fixture *f, const char *conf) {
    fixture_stop(f);
    fixture_configure(f, conf);
    fixture_start(f);
}

static void a_rule_denies(void **state) {
    struct fixture *f = *state;
    restart_with(f, "permissions = (\n { tool = \"file_read\"; match = \"secret/*\"; action = "
                    "\"deny\"; } );\n");
    script_reader("secret/x");
    say(f, "c1", "read it");
    settle(f);
    expect_in(result(f), "denied by a rule (spacebot.conf:2: deny file_read:secret/*)");
}

static void a_rule_asks_and_always_answers_it(void **state) {
    struct fixture *f = *state;
    restart_with(f,
                 "permissions = ( { tool = \"file_read\"; match = \"*.txt\"; action = \"ask\"; }, "
                 "{ tool = \"file_read\"; action = \"allow\"; } );\n");
    put_file(f->home.workspace, "in.txt", "inside");
    script_reader("in.txt");
    say(f, "c1", "read it");
    assert_string_equal(until_asked(f)->reason, "spacebot.conf:1 says to ask");
    answer(f, "always", "", STATUS_OK);
    settle(f);
    assert_string_equal(result(f), "inside");
    script_reader("in.txt");
    say(f, "c2", "read it");
    settle(f);
    assert_int_equal(inbox_newest(agent_inbox(f->agent)), 1);
}

static void script_edit(const char *path) {
    char *edit = xasprintf("[" CALL("file_edit", "{\"path\":\"%s\",\"old_string\":\"old\","
                                                 "\"new_string\":\"new\"}") "]",
                           path);
    script_push(SCRIPT_CHANNEL, "[" SPAWN("edit it") "]");
    script_push(SCRIPT_CHANNEL, "[]");
    script_push(SCRIPT_WORKER, edit);
    script_push(SCRIPT_WORKER, OUTCOME("done"));
    script_push(SCRIPT_WORKER, "[]");
    script_push(SCRIPT_CHANNEL, REPLY("so it is"));
    x_free(&edit);
}

static void an_edit_is_held_to_the_rules_like_a_write(void **state) {
    struct fixture *f = *state;
    restart_with(f, "permissions = ( { tool = \"file_edit\"; match = \"locked*\"; action = "
                    "\"deny\"; } );\n");
    put_file(f->home.workspace, "locked.txt", "old");
    put_file(f->home.workspace, "asked.txt", "old");
    script_edit("locked.txt");
    say(f, "c1", "edit it");
    settle(f);
    expect_in(result(f), "denied by a rule (spacebot.conf:1: deny file_edit:locked*)");
    restart_with(f, "permissions = ( { tool = \"file_edit\"; match = \"asked*\"; action = "
                    "\"ask\"; } );\n");
    script_edit("asked.txt");
    say(f, "c2", "edit it");
    assert_string_equal(until_asked(f)->tool, "file_edit");
    answer(f, "once", "", STATUS_OK);
    settle(f);
    assert_string_equal(result(f), "replaced 1 passage in asked.txt (line 1), 3 bytes");
}

/* Who may not write a file may not change a passage of it. */
static void a_rule_about_writing_holds_for_edits(void **state) {
    struct fixture *f = *state;
    restart_with(f, "permissions = ( { tool = \"file_write\"; match = \"locked*\"; action = "
                    "\"deny\"; }, { tool = \"file_edit\"; action = \"allow\"; } );\n");
    put_file(f->home.workspace, "locked.txt", "old");
    script_edit("locked.txt");
    say(f, "c1", "edit it");
    settle(f);
    expect_in(result(f), "denied by a rule (spacebot.conf:1: deny file_write:locked*)");
}

static void a_rule_about_a_tool_of_conversations(void **state) {
    struct fixture *f = *state;
    struct cause why = {""};
    (void)f;
    assert_int_equal(gate_check_pattern("send_message_to_another_channel:ops", &why), STATUS_OK);
    assert_int_equal(gate_check_pattern("send_file:*.pdf", &why), STATUS_OK);
    assert_int_equal(gate_check_pattern("send_message", &why), STATUS_INVALID);
}

/* What leaves the workspace for a person's eyes is held to the same paths as what is read. */
static void a_file_from_outside_is_offered_once_allowed(void **state) {
    struct fixture *f = *state;
    char *path = outside(f),
         *send = xasprintf("[" CALL("send_file", "{\"file_path\":\"%s\"}") "]", path);
    put_file(f->dir, "outside.txt", "what is out there");
    for (int i = 0; i < 2; i++) {
        script_push(SCRIPT_CHANNEL, send);
        script_push(SCRIPT_CHANNEL, REPLY("there"));
        say(f, "c1", "send it");
        const struct inbox_request *r = until_asked(f);
        assert_string_equal(r->tool, "send_file");
        assert_string_equal(r->text, path);
        assert_string_equal(r->reason, "outside the workspace");
        assert_null(strstr(buf_str(&f->events), "\"type\":\"file_offered\""));
        answer(f, i ? "once" : "deny", "", STATUS_OK);
        settle(f);
    }
    expect_in(buf_str(&f->events), "\"type\":\"file_offered\"");
    x_free(&send);
    x_free(&path);
}

static void a_rule_allows_what_is_outside(void **state) {
    struct fixture *f = *state;
    char *conf = xasprintf("permissions = ( { tool = \"file_read\"; match = \"%s/*\"; action = "
                           "\"allow\"; } );\n",
                           f->dir);
    restart_with(f, conf);
    put_file(f->dir, "outside.txt", "out");
    char *path = outside(f);
    script_reader(path);
    say(f, "c1", "read it");
    settle(f);
    assert_string_equal(result(f), "out");
    assert_int_equal(inbox_newest(agent_inbox(f->agent)), 0);
    x_free(&path);
    x_free(&conf);
}

static void a_rule_about_no_tool_is_told_with_its_line(void **state) {
    struct fixture *f = *state;
    struct cause why;
    fixture_configure(f, "permissions = (\n  { tool = \"shel\"; action = \"deny\"; } );\n");
    assert_int_equal(gate_check_config(f->config, &why), STATUS_CONFIG);
    expect_in(why.text, "spacebot.conf:2: permissions: there is no tool \"shel\"; did you mean "
                        "`shell`?");
    fixture_configure(f,
                      "permissions = ( { tool = \"shell\"; match = \"x\\\\\"; action = \"deny\"; } "
                      ");\n");
    assert_int_equal(gate_check_config(f->config, &why), STATUS_CONFIG);
    expect_in(why.text, "lone backslash");
    fixture_configure(f, "permissions = ( { tool = \"unsandboxed\"; action = \"deny\"; } );\n");
    assert_int_equal(gate_check_config(f->config, &why), STATUS_OK);
}

/* --- where nobody can be asked ------------------------------------------------------------------
 */

static void exec(struct fixture *f, struct answer *a, const char *allow) {
    char *path = outside(f), *args = xasprintf("{\"text\":\"read it\",\"allow\":[%s]}", allow);
    cJSON *o = NULL;
    put_file(f->dir, "outside.txt", "what is out there");
    script_reader(path);
    assert_int_equal(json_parse(args, strlen(args), &o, NULL), STATUS_OK);
    *a = (struct answer){0};
    command_run(f->agent, COMMAND_EXEC, o, fixture_take, a);
    cJSON_Delete(o);
    for (int i = 0; i < 5000 && !a->given; i++)
        loop_turn(f->loop, NS_PER_SEC);
    assert_true(a->given);
    x_free(&args);
    x_free(&path);
}

static void a_script_is_told_what_would_have_allowed_it(void **state) {
    struct fixture *f = *state;
    struct answer a;
    exec(f, &a, "");
    assert_int_equal(a.st, STATUS_OK);
    answer_clear(&a);
    char *path = outside(f),
         *wanted = xasprintf("--allow 'file_read:%s' would have allowed it", path);
    expect_in(result(f), wanted);
    expect_in(result(f), "outside the workspace");
    assert_int_equal(inbox_newest(agent_inbox(f->agent)), 0);
    x_free(&wanted);
    x_free(&path);
}

static void a_script_may_allow_beforehand(void **state) {
    struct fixture *f = *state;
    struct answer a;
    char *allow = xasprintf("\"file_write\",\"file_read:%s/*\"", f->dir);
    exec(f, &a, allow);
    assert_int_equal(a.st, STATUS_OK);
    assert_string_equal(result(f), "what is out there");
    answer_clear(&a);
    /* For that command alone: nothing is remembered. */
    ask(f, COMMAND_PERMISSIONS, &a, "{}");
    assert_int_equal(cJSON_GetArraySize(json_arr(a.body, "rules")), 0);
    answer_clear(&a);
    script_reset();
    ask(f, COMMAND_EXEC, &a, "{\"text\":\"x\",\"allow\":[\"shell:\"]}");
    assert_int_equal(a.st, STATUS_INVALID);
    expect_in(a.why, "glob is empty");
    answer_clear(&a);
    ask(f, COMMAND_EXEC, &a, "{\"text\":\"x\",\"allow\":[\"shel\"]}");
    assert_int_equal(a.st, STATUS_INVALID);
    expect_in(a.why, "did you mean `shell`?");
    answer_clear(&a);
    x_free(&allow);
}

/* --- commands -----------------------------------------------------------------------------------
 */

static void script_command(const char *input) {
    char *call = xasprintf("[" CALL("shell", "%s") "]", input);
    script_push(SCRIPT_CHANNEL, "[" SPAWN("run it") "]");
    script_push(SCRIPT_CHANNEL, "[]");
    script_push(SCRIPT_WORKER, call);
    x_free(&call);
}

static void a_command_outside_the_sandbox_asks(void **state) {
    struct fixture *f = *state;
    script_command("{\"command\":\"  git   push --tags \",\"unsandboxed\":true}");
    say(f, "c1", "run it");
    const struct inbox_request *r = until_asked(f);
    assert_string_equal(r->tool, "unsandboxed");
    assert_string_equal(r->text, "git push --tags");
    assert_string_equal(r->pattern, "unsandboxed:git push *");
    assert_string_equal(r->reason, "outside the sandbox");
    script_default(SCRIPT_WORKER, "[" TEXT("over") "]");
    script_default(SCRIPT_CHANNEL, REPLY("fine"));
    answer(f, "n", "", STATUS_OK);
    settle(f);

    script_command("{\"command\":\"git push; rm x\",\"unsandboxed\":true}");
    say(f, "c2", "run it");
    assert_null(until_asked(f)->pattern);
    answer(f, "always", "", STATUS_INVALID);
    answer(f, "n", "", STATUS_OK);
    settle(f);

    script_command("{\"command\":\"git push x\",\"unsandboxed\":true,"
                   "\"env\":[{\"key\":\"GIT_SSH\",\"value\":\"./evil\"}]}");
    say(f, "c3", "run it");
    assert_null(until_asked(f)->pattern);
    answer(f, "n", "", STATUS_OK);
    settle(f);
}

/* Both decide what the command does: who allows it has read them. */
static void environment_and_directory_are_shown(void **state) {
    struct fixture *f = *state;
    script_command("{\"command\":\"git push x\",\"unsandboxed\":true,\"working_dir\":\"sub\","
                   "\"env\":[{\"key\":\"GIT_SSH\",\"value\":\"./it's evil\"}]}");
    say(f, "c1", "run it");
    assert_string_equal(until_asked(f)->text, "cd 'sub' && GIT_SSH='./it'\\''s evil' git push x");
    script_default(SCRIPT_WORKER, "[" TEXT("over") "]");
    script_default(SCRIPT_CHANNEL, REPLY("fine"));
    answer(f, "n", "", STATUS_OK);
    settle(f);
}

/* --- questions ----------------------------------------------------------------------------------
 */

#define ASK                                                                                        \
    "[" CALL(                                                                                      \
        "ask",                                                                                     \
        "{\"question\":\"Keep the old column?\",\"options\":[{\"label\":\"keep\"},"                \
        "{\"label\":\"drop, now\",\"description\":\"for good\"},{\"label\":\"rename\"}]}") "]"

static void ask_answered_after_a_restart(void **state) {
    struct fixture *f = *state;
    script_push(SCRIPT_CHANNEL, ASK);
    script_push(SCRIPT_CHANNEL, "[]");
    say(f, "c1", "migrate");
    settle(f); /* the turn ends, and the question stays */
    const struct inbox_request *r = only_request(f);
    assert_int_equal(r->kind, INBOX_QUESTION);
    assert_int_equal(r->noptions, 3);
    fixture_crash(f);
    r = only_request(f);
    assert_string_equal(r->text, "Keep the old column?");
    assert_string_equal(r->path[0].name, "c1");
    assert_string_equal(r->options[1].description, "for good");
    answer(f, "4", "", STATUS_INVALID);
    answer(f, "1,3", "", STATUS_INVALID);
    script_push(SCRIPT_CHANNEL, REPLY("dropped"));
    buf_free(&f->events);
    answer(f, "drop, now", "it is empty", STATUS_OK);
    expect_in(buf_str(&f->events), "\"type\":\"request_ended\""); /* whoever follows knows */
    settle(f);
    assert_int_equal(inbox_count(agent_inbox(f->agent)), 0);
    const char *history = script_last_history(SCRIPT_CHANNEL);
    expect_in(history, "Answer to \\\"Keep the old column?\\\": drop, now");
    expect_in(history, "it is empty");
    expect_in(history, "2. drop, now: for good"); /* what was asked */
    answer(f, "1", "", STATUS_NOT_FOUND);
    fixture_stop(f);
    fixture_start(f); /* and is asked no more */
    assert_int_equal(inbox_count(agent_inbox(f->agent)), 0);
}

/* --- the engine's end ---------------------------------------------------------------------------
 */

#define SEND(target, text)                                                                         \
    "[" CALL("send_message_to_another_channel",                                                    \
             "{\"target\":\"" target "\",\"message\":\"" text "\"}") "]"

/* --- another conversation -----------------------------------------------------------------------
 */

static void another_channel_hears_only_what_was_allowed(void **state) {
    struct fixture *f = *state;
    script_push(SCRIPT_CHANNEL, REPLY("hello"));
    say(f, "ops", "hello");
    settle(f);
    script_push(SCRIPT_CHANNEL, SEND("nowhere", "x"));
    script_push(SCRIPT_CHANNEL, SEND("ops", "the build is red"));
    script_push(SCRIPT_CHANNEL, REPLY("not told"));
    say(f, "c1", "tell ops");
    const struct inbox_request *r = until_asked(f); /* not about a conversation there is not */
    assert_string_equal(r->text, "ops: the build is red");
    assert_string_equal(r->reason, "another channel");
    assert_int_equal(r->npath, 1);
    expect_in(script_last_history(SCRIPT_CHANNEL), "there is no conversation");
    answer(f, "deny", "not now", STATUS_OK);
    settle(f);
    expect_in(script_last_history(SCRIPT_CHANNEL), "not now");
    assert_null(strstr(buf_str(&f->events), "\"sender\":\"channel:c1\""));

    script_push(SCRIPT_CHANNEL, SEND("ops", "the build is red"));
    say(f, "c1", "tell ops, really");
    (void)until_asked(f);
    script_push(SCRIPT_CHANNEL, REPLY("told"));
    script_push(SCRIPT_CHANNEL, REPLY("thanks"));
    answer(f, "once", "", STATUS_OK);
    settle(f);
    expect_in(buf_str(&f->events), "\"sender\":\"channel:c1\",\"text\":\"the build is red\"");
}

static void a_crash_while_asking_is_told(void **state) {
    struct fixture *f = *state;
    (void)ask_to_read(f);
    turns(f, 5);
    script_reset();
    /* The store as it is now is what a crash leaves. */
    fixture_crash(f);
    assert_int_equal(inbox_count(agent_inbox(f->agent)), 0);
    struct process *p;
    struct cause why;
    assert_int_equal(channel_open(f->agent, "c1", NULL, NULL, &p, &why), STATUS_OK);
    bool told = false;
    for (size_t i = 0; i < p->journal.n; i++)
        told |= strstr(buf_str(&p->journal.v[i]->text),
                       "the engine ended while a person was asked: file_read") != NULL;
    assert_true(told);
    answer(f, "once", "", STATUS_NOT_FOUND);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_path_outside_asks_and_is_read_once_allowed),
        TEST(a_change_outside_is_shown_before_it_is_allowed),
        TEST(once_is_once),
        TEST(a_channel_takes_messages_while_its_worker_asks),
        TEST(a_denial_is_read_by_the_model),
        TEST(nobody_answers),
        TEST(a_worker_that_asks_is_not_charged_for_the_wait),
        TEST(cancelled_while_asking),
        TEST(what_stays_inside_is_not_asked_about),
        TEST(nobody_can_allow_the_home_itself),
        TEST(an_allowed_path_is_not_a_way_elsewhere),
        TEST(always_is_remembered_shown_and_revoked),
        TEST(always_answers_those_who_wait_too),
        TEST(a_rule_denies),
        TEST(a_rule_asks_and_always_answers_it),
        TEST(an_edit_is_held_to_the_rules_like_a_write),
        TEST(a_rule_about_writing_holds_for_edits),
        TEST(a_rule_about_a_tool_of_conversations),
        TEST(a_file_from_outside_is_offered_once_allowed),
        TEST(a_rule_allows_what_is_outside),
        TEST(a_rule_about_no_tool_is_told_with_its_line),
        TEST(a_script_is_told_what_would_have_allowed_it),
        TEST(a_script_may_allow_beforehand),
        TEST(a_command_outside_the_sandbox_asks),
        TEST(environment_and_directory_are_shown),
        TEST(ask_answered_after_a_restart),
        TEST(another_channel_hears_only_what_was_allowed),
        TEST(a_crash_while_asking_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
