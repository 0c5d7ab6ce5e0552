/* The screen of the real program on a real pseudo-terminal, read cell by cell: a conversation with
 * a worker at it, the terminal lost, taken over, too slow, of another size, and given back as it
 * was. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "tests/lib/fake.h"
#include "tests/lib/jsonl.h"
#include "tests/lib/proc.h"
#include "tests/lib/pty.h"
#include "tests/lib/scene.h"
#include "tests/lib/tmphome.h"
#include "tests/lib/vt.h"
#include "tests/lib/wait.h"
#include "tests/lib/where.h"

#define INTERRUPT "\x03"
#define SUSPEND "\x1A"

/* A terminal and what is on it. */
struct terminal {
    struct pty *pty;
    struct vt *vt;
};

struct fixture {
    struct fake *fake;
    struct tmphome *home;
    struct terminal one, two;
    struct run *run;
};

static struct fixture f;

static void terminal_free(struct terminal *t) {
    pty_free(&t->pty);
    vt_free(&t->vt);
}

static int teardown(void **state) {
    (void)state;
    terminal_free(&f.one);
    terminal_free(&f.two);
    run_free(&f.run);
    tmphome_free(&f.home);
    struct fake *fake = f.fake;
    memset(&f, 0, sizeof(f));
    fake_stop(&fake);
    return 0;
}

static void start(const char *scenario) {
    f.fake = fake_start(scenario);
    f.home = tmphome_new(f.fake);
}

static void open_terminal(struct terminal *t, const char *const *args, int cols, int rows) {
    t->vt = vt_new(cols, rows);
    t->pty = tmphome_screen(f.home, args, cols, rows);
    vt_attach(t->vt, t->pty);
}

/* The composer waits for a message. */
static void open_screen(struct terminal *t, const char *const *args, int cols, int rows) {
    open_terminal(t, args, cols, rows);
    vt_expect(t->vt, "^> *$");
    vt_expect(t->vt, "\\? help");
}

static void say(struct terminal *t, const char *text) {
    pty_type(t->pty, text);
    pty_type(t->pty, "\r");
}

/* The person quits; the terminal is as it was before. */
static void expect_given_back(struct terminal *t) {
    if (!pty_wait_exit(t->pty, WAIT_MS)) {
        char *shown = vt_dump(t->vt);
        fail_msg("the screen does not close:\n%s", shown);
    }
    assert_int_equal(pty_code(t->pty), 0);
    struct termios before = pty_modes_before(t->pty), after = pty_modes(t->pty);
    assert_true(pty_modes_equal(&before, &after));
    assert_false(vt_altscreen(t->vt));
    int row, col;
    bool visible;
    vt_cursor(t->vt, &row, &col, &visible);
    assert_true(visible);
}

static void quit(struct terminal *t) {
    pty_type(t->pty, INTERRUPT);
    pty_type(t->pty, INTERRUPT);
    expect_given_back(t);
}

static const char *spacebot(const char *const *args, int code) {
    run_free(&f.run);
    f.run = tmphome_spacebot(f.home, args, NULL);
    run_expect_code(f.run, code);
    return run_out(f.run);
}

/* A worker whose command prints a line, waits at a gate in the workspace, and counts then. */
#define SCENE_GATE SCENE_RUN("echo line one; cat gate; wc -l numbers.txt")

static char *gate_path(void) { return xasprintf("%s/gate", f.home->workspace); }

static void make_gate(void) {
    char *path = gate_path();
    assert_int_equal(mkfifo(path, 0600), 0);
    x_free(&path);
    scene_numbers(f.home, 777);
}

/* The command may not have come to the gate yet: a pipe without a reader cannot be opened for
 * writing. */
static void open_gate(void) {
    char *path = gate_path();
    int64_t deadline = wait_until(WAIT_MS);
    int fd;
    while ((fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC)) < 0 && wait_left(deadline))
        (void)wait_poll(NULL, 0, wait_until(2));
    if (fd < 0 || write(fd, "go\n", 3) != 3)
        fail_msg("%s: %s", path, strerror(errno));
    close(fd);
    x_free(&path);
}

static bool row_has(struct vt *v, int row, const char *part) {
    char *text = vt_row(v, row);
    bool has = strstr(text, part) != NULL;
    x_free(&text);
    return has;
}

/* ---- a conversation ------------------------------------------------------------------------- */

static void a_question_is_answered_with_the_commands_output(void **state) {
    (void)state;
    start(SCENE(SCENE_COUNT));
    scene_numbers(f.home, 4321);
    open_screen(&f.one, ARGS(), 80, 24);
    assert_true(vt_altscreen(f.one.vt));
    struct termios before = pty_modes_before(f.one.pty), now = pty_modes(f.one.pty);
    assert_false(pty_modes_equal(&before, &now));
    assert_true(row_has(f.one.vt, 0, "#inbox"));

    pty_type(f.one.pty, SCENE_QUESTION);
    vt_expect(f.one.vt, "^> How many lines has numbers.txt\\?$");
    pty_type(f.one.pty, "\r");
    vt_expect(f.one.vt, "I am having them counted\\.");
    vt_expect(f.one.vt, "Counted – wc says: 4321 numbers\\.txt\\.");
    vt_expect(f.one.vt, "^> *$");
    vt_expect(f.one.vt, "\\* Count the lin.* done");  /* the tree */
    vt_expect(f.one.vt, "^── \\* Count the lines");   /* its live pane */
    vt_expect(f.one.vt, "^ +<<4321 numbers\\.txt>>"); /* with its outcome */
    vt_expect(f.one.vt, "succeeded");
    vt_expect(f.one.vt, "0 running");
    quit(&f.one);
    fake_assert_clean(f.fake);
    tmphome_expect_quiet(f.home, WAIT_MS);
}

static void what_runs_is_shown_while_it_runs(void **state) {
    (void)state;
    start(SCENE(SCENE_GATE));
    make_gate();
    open_screen(&f.one, ARGS(), 80, 24);
    say(&f.one, "run it");
    vt_expect(f.one.vt, "^  line one");             /* streamed into the live pane */
    vt_expect(f.one.vt, "^── \\* Run the command"); /* with its head line */
    vt_expect(f.one.vt, "\\* Run the comm.* [0-9]+s");
    vt_expect(f.one.vt, "shell echo line");
    vt_expect(f.one.vt, "1 running");
    assert_false(vt_matches(f.one.vt, "777"));
    open_gate();
    vt_expect(f.one.vt, "It ended with: 777 numbers\\.txt");
    vt_expect(f.one.vt, "It is over\\.");
    vt_expect(f.one.vt, "0 running");
    quit(&f.one);
}

static void a_reply_is_shown_while_it_is_written(void **state) {
    (void)state;
    start("{\"rules\":[{\"respond\":[{\"text\":\"The first half, the second "
          "half.\"}],\"delta_chars\":15,"
          "\"faults\":{\"hold\":\"half\",\"hold_after_events\":4}}]}");
    open_screen(&f.one, ARGS(), 80, 24);
    say(&f.one, "tell me");
    vt_expect(f.one.vt, "The first half,");
    assert_false(vt_matches(f.one.vt, "second half"));
    vt_expect(f.one.vt, "1 running");
    fake_release(f.fake, "half");
    vt_expect(f.one.vt, "The first half, the second half\\.");
    vt_expect(f.one.vt, "0 running");
    quit(&f.one);
}

static void without_a_provider_it_says_how_to_connect_one(void **state) {
    (void)state;
    f.home = tmphome_new(NULL);
    open_screen(&f.one, ARGS(), 80, 24);
    vt_expect(f.one.vt, "ANTHROPIC_API_KEY");
    say(&f.one, "hello?");
    vt_expect(f.one.vt, "rehearsal"); /* what answers is no model, and says so */
    vt_expect(f.one.vt, "export ANTHROPIC_API_KEY");
    quit(&f.one);
    tmphome_expect_quiet(f.home, WAIT_MS);
}

/* The fake as a server of this machine, found at the port that it has here. */
static void a_model_on_this_machine_is_found_and_answers(void **state) {
    (void)state;
    f.fake = fake_start("{\"models\":[\"small:latest\"],\"rules\":[" SCENE_SAY "]}");
    f.home = tmphome_new(NULL);
    char *servers = xasprintf("ollama=%s", fake_url(f.fake));
    tmphome_setenv(f.home, "SPACEBOT_LOCAL_SERVERS", servers);
    open_screen(&f.one, ARGS(), 100, 30);
    vt_expect(f.one.vt, "ollama/small:latest answers: it was found on this machine");
    vt_expect(f.one.vt, "#inbox +ollama/small:latest");
    say(&f.one, "say hello");
    vt_expect(f.one.vt, "Hello there\\.");
    cJSON *requests = fake_requests(f.fake);
    const cJSON *body = json_obj(cJSON_GetArrayItem(requests, 0), "body");
    assert_string_equal(json_str(body, "model", ""), "small:latest");
    cJSON_Delete(requests);
    quit(&f.one);
    x_free(&servers);
}

/* A person's own command, and what the model knows of it afterwards. */
static void a_line_with_a_bang_is_a_command(void **state) {
    (void)state;
    start(SCENE("{\"match\":{\"body_contains\":\"777 numbers.txt\"},"
                "\"respond\":[{\"text\":\"It printed ${between|<output>|numbers}.\"}]}"));
    open_screen(&f.one, ARGS(), 100, 30);
    scene_numbers(f.home, 777);
    say(&f.one, "!wc -l numbers.txt");
    vt_expect(f.one.vt, "!wc -l numbers\\.txt");
    vt_expect(f.one.vt, "shell wc -l numbers\\.txt +ok");
    vt_expect(f.one.vt, "  777 numbers\\.txt");
    say(&f.one, "what did that print?");
    vt_expect(f.one.vt, "It printed .*777");
    /* One that does not end by itself. */
    say(&f.one, "!echo begun; sleep 1000");
    vt_expect(f.one.vt, "begun");
    vt_expect(f.one.vt, "running");
    pty_type(f.one.pty, INTERRUPT);
    vt_expect(f.one.vt, "shell echo begun; sleep 1000 .*(interrupted|cut)");
    pty_type(f.one.pty, "on"); /* or the next ^C would be the second of two */
    vt_expect(f.one.vt, "^> on");
    quit(&f.one);
    tmphome_expect_quiet(f.home, WAIT_MS);
}

static void a_file_is_completed_and_goes_along(void **state) {
    (void)state;
    start(SCENE("{\"match\":{\"body_contains\":\"the whale is blue\"},"
                "\"respond\":[{\"text\":\"Blue it is.\"}]}"));
    tmphome_file(f.home, "home/workspace/doc/whales.txt", "the whale is blue\n");
    tmphome_file(f.home, "home/workspace/doc/wheat.txt", "x\n");
    open_screen(&f.one, ARGS(), 100, 30);
    pty_type(f.one.pty, "@d\t");
    vt_expect(f.one.vt, "^> @doc/");
    pty_type(f.one.pty, "\t");
    vt_expect(f.one.vt, "^> @doc/wh");
    pty_type(f.one.pty, "\t");
    vt_expect(f.one.vt, "2: whales\\.txt +wheat\\.txt");
    pty_type(f.one.pty, "a\t");
    vt_expect(f.one.vt, "^> @doc/whales\\.txt");
    say(&f.one, "which colour?");
    vt_expect(f.one.vt, "file_read .*doc/whales\\.txt +ok|file_read +ok");
    vt_expect(f.one.vt, "@doc/whales\\.txt which colour\\?");
    vt_expect(f.one.vt, "Blue it is\\.");
    /* Without a name before the cursor Tab is the next pane, as ever. */
    pty_type(f.one.pty, "\t");
    vt_expect(f.one.vt, "x cancel|j Down|Enter open");
    quit(&f.one);
}

static void a_model_is_chosen_by_name(void **state) {
    (void)state;
    start(SCENE(SCENE_SAY));
    open_screen(&f.one, ARGS(), 100, 30);
    say(&f.one, ":model nosuch/model-1");
    vt_expect(f.one.vt, "model nosuch/model-1: no provider \"nosuch\" is configured");
    vt_expect(f.one.vt, "to providers in .*spacebot\\.conf"); /* the remedy */
    pty_type(f.one.pty, ":mod\t anthropic/claude-h\t");
    vt_expect(f.one.vt, "^:model anthropic/claude-haiku");
    pty_type(f.one.pty, "\r");
    vt_expect(f.one.vt, "from the next call on: anthropic/claude-haiku");
    say(&f.one, "say hello");
    vt_expect(f.one.vt, "Hello there\\.");
    cJSON *requests = fake_requests(f.fake);
    const cJSON *body = json_obj(cJSON_GetArrayItem(requests, 0), "body");
    assert_true(str_prefix(json_str(body, "model", ""), "claude-haiku"));
    cJSON_Delete(requests);
    pty_type(f.one.pty, ":model d\t\r");
    vt_expect(f.one.vt, "from the next call on: anthropic/claude-sonnet");
    quit(&f.one);
}

static void a_fault_is_a_line_where_it_happened(void **state) {
    (void)state;
    start("{\"rules\":[{\"match\":{\"last_user_contains\":\"and "
          "now\"},\"respond\":[{\"text\":\"Well again.\"}]},"
          "{\"faults\":{\"status\":401,\"message\":\"invalid x-api-key\"}}]}");
    open_screen(&f.one, ARGS(), 80, 24);
    say(&f.one, "hello");
    vt_expect(f.one.vt, "anthropic: the key was refused \\(401\\)");
    vt_expect(f.one.vt, "0 running");
    say(&f.one, "and now?");
    vt_expect(f.one.vt, "Well again\\.");
    quit(&f.one);
}

static int rows_with(const struct vt *vt, const char *text) {
    int n = 0;
    char *all = vt_text(vt);
    for (const char *p = all; (p = strstr(p, text)); p++)
        n++;
    x_free(&all);
    return n;
}

/* One line when another model comes in, one when the first is back; in between nothing, though the
 * first is tried each time, and fails: it asks for no rest. */
static void who_answers_instead_is_said_once_and_once_when_it_is_over(void **state) {
    (void)state;
    f.fake = fake_start(
        "{\"rules\":[{\"match\":{\"model\":\"alpha\",\"last_user_contains\":\"well again\"},"
        "\"respond\":[{\"text\":\"Alpha speaks.\"}]},"
        "{\"match\":{\"model\":\"alpha\"},\"faults\":{\"status\":429,\"message\":\"slow "
        "down\",\"retry_after\":\"0\"}},"
        "{\"match\":{\"last_user_contains\":\"and now\"},\"respond\":[{\"text\":\"Beta, "
        "still.\"}]},"
        "{\"respond\":[{\"text\":\"Beta speaks.\"}]}]}");
    f.home = tmphome_new(f.fake);
    char *config =
        xasprintf("routing = { channel = \"anthropic/alpha\";\n"
                  "  fallbacks = ( { then = [ \"chat/beta\" ]; } ); };\n"
                  "providers = ( { id = \"chat\"; api = \"openai_completions\"; base_url = \"%s\"; "
                  "api_key = \"k\"; } );\n",
                  fake_url(f.fake));
    tmphome_config(f.home, config);
    x_free(&config);
    open_screen(&f.one, ARGS(), 120, 30);
    say(&f.one, "how is it?");
    vt_expect(f.one.vt,
              "! anthropic: too many requests \\(429\\): slow down; chat/beta answers now");
    vt_expect(f.one.vt, "Beta speaks\\.");
    vt_expect(f.one.vt, "0 running");
    fake_expect(f.fake, "end ", 4); /* alpha three times, and beta */
    say(&f.one, "and now?");
    vt_expect(f.one.vt, "Beta, still\\.");
    vt_expect(f.one.vt, "0 running");
    fake_expect(f.fake, "end ", 6); /* alpha once, and beta */
    assert_int_equal(rows_with(f.one.vt, "answers now"), 1);
    assert_int_equal(rows_with(f.one.vt, "!"), 1);
    say(&f.one, "are you well again?");
    vt_expect(f.one.vt, "! anthropic/alpha answers again$");
    vt_expect(f.one.vt, "Alpha speaks\\.");
    vt_expect(f.one.vt, "0 running");
    assert_int_equal(rows_with(f.one.vt, "!"), 2);
    quit(&f.one);
}

static void what_a_command_prints_cannot_touch_the_terminal(void **state) {
    (void)state;
    start(SCENE(SCENE_RUN(
        "printf 'a\\\\033[2J\\\\033]0;evil\\\\007\\\\033[31mred\\\\033[?1049l\\\\033cz\\\\n'")));
    open_screen(&f.one, ARGS(), 80, 24);
    say(&f.one, "run it");
    vt_expect(f.one.vt, "It is over\\.");
    vt_expect(f.one.vt, "^ +It ended with: "
                        "a\\^\\[\\[2J\\^\\[\\]0;evil\\^G\\^\\[\\[31mred\\^\\[\\[\\?1049l\\^\\[cz");
    assert_null(strstr(vt_title(f.one.vt), "evil"));
    assert_true(vt_altscreen(f.one.vt));
    assert_true(row_has(f.one.vt, 0, "#inbox"));
    quit(&f.one);
}

/* ---- interrupting and leaving --------------------------------------------------------------- */

static void an_interrupt_ends_the_turn_and_nothing_else(void **state) {
    (void)state;
    start("{\"rules\":[{\"match\":{\"last_user_contains\":\"and "
          "now\"},\"respond\":[{\"text\":\"Still here.\"}]},"
          "{\"respond\":[{\"text\":\"The first half, the second half.\"}],\"delta_chars\":15,"
          "\"faults\":{\"silence_after_events\":4}}]}");
    open_screen(&f.one, ARGS(), 80, 24);
    say(&f.one, "tell me");
    vt_expect(f.one.vt, "The first half,");
    pty_type(f.one.pty, INTERRUPT);
    fake_expect(f.fake, "end 1 aborted", 1);
    vt_expect(f.one.vt, "interrupted");
    vt_expect(f.one.vt, "0 running");
    assert_true(vt_matches(f.one.vt, "The first half,")); /* what was had stays */
    say(&f.one, "and now?");
    vt_expect(f.one.vt, "Still here\\.");
    quit(&f.one);
}

static void quitting_leaves_work_going_and_says_so(void **state) {
    (void)state;
    start(SCENE(SCENE_GATE));
    make_gate();
    open_screen(&f.one, ARGS(), 80, 24);
    say(&f.one, "run it");
    vt_expect(f.one.vt, "^  line one");
    quit(&f.one);
    vt_expect(f.one.vt, "still at work"); /* on the shell's screen, as a sentence */
    assert_true(tmphome_engine(f.home) > 0);
    open_screen(&f.two, ARGS("attach"), 100, 30);
    vt_expect(f.two.vt, "line one");
    open_gate();
    vt_expect(f.two.vt, "It is over\\.");
    quit(&f.two);
    tmphome_expect_quiet(f.home, WAIT_MS); /* nothing runs any more: the engine has ended */
}

static void a_lost_terminal_stops_nothing_and_attach_shows_it_again(void **state) {
    (void)state;
    start(SCENE(SCENE_GATE));
    make_gate();
    open_screen(&f.one, ARGS(), 80, 24);
    say(&f.one, "run it");
    vt_expect(f.one.vt, "^  line one");
    pty_hangup(f.one.pty);
    assert_true(pty_wait_exit(f.one.pty, WAIT_MS));
    pid_t engine = tmphome_engine(f.home);
    assert_true(engine > 0);
    open_gate();
    f.run = tmphome_start(f.home, ARGS("log", "inbox", "--follow"));
    assert_true(
        run_wait_out(f.run, "It is over.", WAIT_MS)); /* it has gone on without a terminal */
    run_free(&f.run);

    open_screen(&f.two, ARGS("attach"), 100, 30);
    vt_expect(f.two.vt, "run it");
    vt_expect(f.two.vt, "777 numbers\\.txt");
    vt_expect(f.two.vt, "It is over\\.");
    assert_int_equal(tmphome_engine(f.home), engine);
    quit(&f.two);
}

static void a_killed_placeholder_is_a_lost_terminal_too(void **state) {
    (void)state;
    start(SCENE(SCENE_GATE "," SCENE_SAY));
    make_gate();
    open_screen(&f.one, ARGS(), 80, 24);
    say(&f.one, "run it");
    vt_expect(f.one.vt, "^  line one");
    kill(pty_pid(f.one.pty), SIGKILL);
    assert_true(pty_wait_exit(f.one.pty, WAIT_MS));
    assert_true(tmphome_engine(f.home) > 0);
    open_screen(&f.two, ARGS(), 80, 24); /* plain spacebot attaches as well */
    vt_expect(f.two.vt, "line one");
    open_gate();
    vt_expect(f.two.vt, "It is over\\.");
    quit(&f.two);
}

/* r where a reply is shown: what went out, without the key, and what came; Esc is the way back. */
static void what_was_sent_is_a_key_away(void **state) {
    (void)state;
    start(SCENE(SCENE_SAY));
    /* By an engine that is gone: nothing of it is left but the store. */
    (void)spacebot(ARGS("exec", "--channel", "inbox", "say hello"), 0);
    open_screen(&f.one, ARGS(), 80, 24);
    vt_expect(f.one.vt, "Hello there\\.");
    pty_type(f.one.pty, ":request\r");
    vt_expect(f.one.vt, "POST http://127\\.0\\.0\\.1");
    vt_expect(f.one.vt, "x-api-key: \\[key\\]");
    vt_expect(f.one.vt, "\"model\": \"claude-sonnet-5-5\"");
    pty_type(f.one.pty, "G");
    vt_expect(f.one.vt, "\"text\": \"Hello there\\.\"");
    pty_type(f.one.pty, "\x1b");
    vt_expect_gone(f.one.vt, "\"text\": \"Hello there\\.\"");
    quit(&f.one);
}

static void a_new_attach_takes_the_screen_over(void **state) {
    (void)state;
    start(SCENE(SCENE_SAY));
    open_screen(&f.one, ARGS(), 80, 24);
    say(&f.one, "say hello");
    vt_expect(f.one.vt, "Hello there\\.");
    open_screen(&f.two, ARGS("attach"), 100, 30);
    vt_expect(f.two.vt, "Hello there\\.");
    expect_given_back(&f.one);
    assert_true(vt_matches(f.one.vt, "[a-z]{3}")); /* it was told why */
    char *status = xstrdup(spacebot(ARGS("status", "--json"), 0));
    assert_non_null(strstr(status, "\"cols\":100"));
    assert_non_null(strstr(status, "\"rows\":30"));
    x_free(&status);
    quit(&f.two);
}

static void stop_gives_the_terminal_back(void **state) {
    (void)state;
    start(SCENE(SCENE_SAY));
    open_screen(&f.one, ARGS(), 80, 24);
    spacebot(ARGS("stop"), 0);
    expect_given_back(&f.one);
    tmphome_expect_quiet(f.home, WAIT_MS);
}

static void a_killed_engine_gives_the_terminal_back(void **state) {
    (void)state;
    start(SCENE(SCENE_SAY));
    open_screen(&f.one, ARGS(), 80, 24);
    kill(tmphome_engine(f.home), SIGKILL);
    assert_true(pty_wait_exit(f.one.pty, WAIT_MS));
    assert_int_not_equal(pty_code(f.one.pty), 0);
    struct termios before = pty_modes_before(f.one.pty), after = pty_modes(f.one.pty);
    assert_true(pty_modes_equal(&before, &after));
    assert_false(vt_altscreen(f.one.vt));
}

/* What the engine warns of before anybody looks is on the first screen, and goes with a key. */
static void what_was_cut_off_is_told_once(void **state) {
    (void)state;
    start(SCENE(SCENE_GATE));
    make_gate();
    open_screen(&f.one, ARGS(), 100, 30);
    say(&f.one, "run it");
    vt_expect(f.one.vt, "line one");
    kill(tmphome_engine(f.home), SIGKILL);
    assert_true(pty_wait_exit(f.one.pty, WAIT_MS));
    open_screen(&f.two, ARGS(), 100, 30);
    vt_expect(f.two.vt, "! the engine had ended in the middle of things: ");
    pty_type(f.two.pty, "a");
    vt_expect(f.two.vt, "^> a");
    vt_expect_gone(f.two.vt, "in the middle of things: ");
    quit(&f.two);
}

/* The disk is as good as full: no file may grow. It says so as long as it is true, and what
 * happened meanwhile is kept. */
static void a_full_disk_is_told_while_it_is_full(void **state) {
    (void)state;
    start(SCENE(SCENE_SAY));
    open_screen(&f.one, ARGS(), 100, 30);
    pid_t engine = tmphome_engine(f.home);
    const struct rlimit full = {.rlim_cur = 1024, .rlim_max = RLIM_INFINITY};
    const struct rlimit open_end = {.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
    if (prlimit(engine, RLIMIT_FSIZE, &full, NULL) != 0) {
        print_message("skipped: the limits of another process cannot be changed here\n");
        skip();
    }
    say(&f.one, "say hello");
    vt_expect(f.one.vt, "! not saved for now \\(");
    vt_expect(f.one.vt, "not saved +[0-9]+ running");
    assert_int_equal(prlimit(engine, RLIMIT_FSIZE, &open_end, NULL), 0);
    vt_expect_gone(f.one.vt, "not saved");
    vt_expect(f.one.vt, "Hello there\\.");
    quit(&f.one);
}

/* Under a shell with job control, as a person has it. */
static void suspended_it_gives_the_shell_its_terminal(void **state) {
    (void)state;
    start(SCENE(SCENE_SAY));
    tmphome_setenv(f.home, "PS1", "shell: ");
    tmphome_setenv(f.home, "ENV", NULL);
    const char *argv[] = {"/bin/sh", "-i", NULL};
    f.one.vt = vt_new(80, 24);
    f.one.pty =
        pty_start(&(struct pty_spec){.argv = argv, .env = f.home->env.v, .dir = f.home->user});
    vt_attach(f.one.vt, f.one.pty);
    vt_expect(f.one.vt, "^shell:");
    char *command = xasprintf("%s\r", where_spacebot());
    pty_type(f.one.pty, command);
    x_free(&command);
    vt_expect(f.one.vt, "\\? help");
    say(&f.one, "say hello");
    vt_expect(f.one.vt, "Hello there\\.");
    pty_type(f.one.pty, SUSPEND);
    vt_expect(f.one.vt, "Stopped");
    assert_false(vt_altscreen(f.one.vt));
    pty_type(f.one.pty, "echo in the shell; fg; echo code=$?\r");
    vt_expect(f.one.vt, "Hello there\\.");
    vt_expect(f.one.vt, "\\? help");
    assert_true(vt_altscreen(f.one.vt));
    pty_type(f.one.pty, INTERRUPT INTERRUPT);
    vt_expect(f.one.vt, "^code=0");
    pty_type(f.one.pty, "exit\r");
    assert_true(pty_wait_exit(f.one.pty, WAIT_MS));
}

/* ---- terminals of all kinds ----------------------------------------------------------------- */

static void every_size_shows_the_composer(void **state) {
    (void)state;
    static const int sizes[][2] = {{80, 24}, {200, 50}, {60, 12},  {59, 11}, {30, 8},
                                   {10, 4},  {1, 1},    {300, 90}, {80, 24}};
    start(SCENE(SCENE_COUNT));
    scene_numbers(f.home, 4321);
    open_screen(&f.one, ARGS(), 80, 24);
    say(&f.one, SCENE_QUESTION);
    vt_expect(f.one.vt, "4321 numbers\\.txt\\.");
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        int cols = sizes[i][0], rows = sizes[i][1];
        vt_resize(f.one.vt, cols, rows);
        if (cols < 10)
            continue; /* nothing can be read there; it must live through it */
        char text[16], pattern[32];
        snprintf(text, sizeof(text), "w%dx%d", cols, rows);
        snprintf(pattern, sizeof(pattern), "> %s *(│|$)", cols < 20 ? "w" : text);
        pty_type(f.one.pty, cols < 20 ? "w" : text);
        vt_expect(f.one.vt, pattern);
        pty_type(f.one.pty, "\x01\x0B"); /* ^A ^K */
        vt_expect_gone(f.one.vt, pattern);
        if (cols >= 60 && rows >= 12)
            vt_expect(f.one.vt, "Counted – wc says: 4321");
    }
    quit(&f.one);
}

static void a_terminal_that_is_not_read_stops_nothing(void **state) {
    (void)state;
    start(SCENE(SCENE_SAY
                "," SCENE_RUN("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); echo number $i; done")));
    open_screen(&f.one, ARGS(), 80, 24);
    say(&f.one, "run it");
    vt_expect(f.one.vt, "number"); /* and from here on nobody reads the terminal */
    f.run = tmphome_start(f.home, ARGS("log", "inbox", "--follow"));
    assert_true(run_wait_out(f.run, "It is over.", WAIT_MS));
    run_free(&f.run);
    for (int i = 0; i < 5; i++)
        spacebot(ARGS("exec", "--channel", "aside", "say hello"), 0);
    assert_int_equal(pty_code(f.one.pty), -1);
    vt_expect(f.one.vt, "It is over\\."); /* read again, it shows how things stand */
    vt_expect(f.one.vt, "#.*aside");
    quit(&f.one);
}

static void an_idle_screen_writes_nothing(void **state) {
    (void)state;
    start(SCENE(SCENE_SAY));
    open_screen(&f.one, ARGS(), 80, 24);
    say(&f.one, "say hello");
    vt_expect(f.one.vt, "Hello there\\.");
    vt_expect(f.one.vt, "0 running");
    (void)vt_wait(f.one.vt, "never", 1200); /* a last tick may be under way */
    size_t before = pty_bytes(f.one.pty);
    (void)vt_wait(f.one.vt, "never", 1500);
    assert_int_equal(pty_bytes(f.one.pty), before);
    quit(&f.one);
}

static void an_unknown_terminal_is_refused_and_the_engine_lives(void **state) {
    (void)state;
    start(SCENE(SCENE_SAY));
    spacebot(ARGS("daemon"), 0);
    tmphome_setenv(f.home, "TERM", "no-such-terminal");
    open_terminal(&f.one, ARGS("attach"), 80, 24);
    assert_true(pty_wait_exit(f.one.pty, WAIT_MS));
    assert_int_equal(pty_code(f.one.pty), 1);
    vt_expect(f.one.vt, "no-such-terminal");
    assert_true(tmphome_engine(f.home) > 0);
    tmphome_setenv(f.home, "TERM", "vt100");
    open_screen(&f.two, ARGS("attach"), 80, 24);
    say(&f.two, "say hello");
    vt_expect(f.two.vt, "Hello there\\.");
    quit(&f.two);
    spacebot(ARGS("stop"), 0);
}

static void without_colour_there_is_none(void **state) {
    (void)state;
    start(SCENE(SCENE_SAY));
    tmphome_setenv(f.home, "NO_COLOR", "1");
    open_screen(&f.one, ARGS(), 80, 24);
    say(&f.one, "say hello");
    vt_expect(f.one.vt, "Hello there\\.");
    for (int row = 0; row < 24; row++)
        for (int col = 0; col < 80; col++) {
            struct vt_cell c = vt_cell(f.one.vt, row, col);
            if (c.fg != VT_DEFAULT || c.bg != VT_DEFAULT)
                fail_msg("a colour at %d,%d: \"%s\"", row, col, c.text);
        }
    quit(&f.one);
}

/* With a UTF-8 one the same conversation has others, by the rule that the first one set decides. */
static void a_locale_without_utf8_gets_ascii(void **state) {
    (void)state;
    static const char *const locales[] = {"C", "C.UTF-8"};
    start(SCENE(SCENE_COUNT));
    scene_numbers(f.home, 4321);
    for (size_t i = 0; i < ARRAY_LEN(locales); i++) {
        bool other = false;
        tmphome_setenv(f.home, "LC_ALL", NULL);
        tmphome_setenv(f.home, "LC_CTYPE", locales[i]);
        tmphome_setenv(f.home, "LANG", locales[!i]);
        open_screen(&f.one, ARGS(), 80, 24);
        say(&f.one, SCENE_QUESTION);
        vt_expect(f.one.vt, "Counted .* wc says: 4321 numbers");
        vt_expect(f.one.vt, "0 running");
        char *text = vt_text(f.one.vt);
        for (const char *c = text; *c; c++)
            other = other || (unsigned char)*c > 0x7E;
        assert_int_equal(other, i == 1);
        free(text);
        quit(&f.one);
        terminal_free(&f.one);
        tmphome_expect_quiet(f.home, WAIT_MS);
    }
}

static void nothing_but_a_terminal_gets_a_screen(void **state) {
    (void)state;
    start(SCENE(SCENE_SAY));
    run_free(&f.run);
    f.run = tmphome_spacebot(f.home, ARGS(), NULL);
    run_expect_code(f.run, 2);
    assert_true(strlen(run_err(f.run)) > 10);
    assert_string_equal(run_out(f.run), "");
    tmphome_expect_quiet(f.home, WAIT_MS);
}

static void lines_can_be_followed_instead(void **state) {
    (void)state;
    start(SCENE(SCENE_COUNT));
    scene_numbers(f.home, 12);
    spacebot(ARGS("daemon"), 0);
    struct run *lines = tmphome_start(f.home, ARGS("attach", "--plain"));
    int64_t deadline = wait_until(WAIT_MS);
    while (!strstr(spacebot(ARGS("status", "--json"), 0), "\"followers\":1"))
        assert_true(wait_left(deadline) > 0);
    spacebot(ARGS("exec", "--channel", "work", SCENE_QUESTION), 0);
    assert_true(run_wait_out(lines, "Counted – wc says: 12 numbers.txt.", WAIT_MS));
    if (!strstr(run_out(lines), "wc -l numbers.txt"))
        fail_msg("the command is not in:\n%s", run_out(lines));
    assert_null(strchr(run_out(lines), '\033'));
    spacebot(ARGS("stop"), 0);
    assert_true(run_wait_exit(lines, WAIT_MS));
    run_free(&lines);
}

/* ---- the composer --------------------------------------------------------------------------- */

static void the_composer_edits_as_readline_does(void **state) {
    (void)state;
    start(SCENE(SCENE_SAY));
    open_screen(&f.one, ARGS(), 80, 24);
    pty_type(f.one.pty, "hello");
    pty_type(f.one.pty, "\x01say \x05!"); /* to the beginning, to the end */
    vt_expect(f.one.vt, "^> say hello!$");
    pty_type(f.one.pty, "\x17\x19"); /* kill a word, yank it */
    vt_expect(f.one.vt, "^> say hello!$");
    pty_type(f.one.pty, "\x02\x02ä日"); /* two to the left */
    vt_expect(f.one.vt, "^> say hellä日o!$");
    int row, col;
    bool visible;
    vt_cursor(f.one.vt, &row, &col, &visible);
    assert_int_equal(col, 2 + 8 + 1 + 2);
    pty_type(f.one.pty, "\x7F\x7F\r");
    vt_expect(f.one.vt, "Hello there\\.");
    pty_type(f.one.pty, "\x10"); /* the one before */
    vt_expect(f.one.vt, "^> say hello!$");
    quit(&f.one);
}

static void a_paste_is_text_and_not_keys(void **state) {
    (void)state;
    start(SCENE(SCENE_SAY));
    open_screen(&f.one, ARGS(), 80, 24);
    pty_type(f.one.pty, "\033[200~say hello\rsecond line\003\033[201~");
    vt_expect(f.one.vt, "second line");
    assert_false(fake_wait(f.fake, "request", 1, 0));
    pty_type(f.one.pty, "\r");
    vt_expect(f.one.vt, "Hello there\\.");
    cJSON *requests = fake_requests(f.fake);
    char *text = json_print(json_obj(cJSON_GetArrayItem(requests, 0), "body"));
    assert_non_null(strstr(text, "say hello\\nsecond line"));
    x_free(&text);
    cJSON_Delete(requests);
    quit(&f.one);
}

static void the_persons_inputrc_is_honoured(void **state) {
    (void)state;
    start(SCENE(SCENE_SAY));
    tmphome_file(f.home, "user/.inputrc", "set editing-mode vi\n");
    open_screen(&f.one, ARGS(), 80, 24);
    pty_type(f.one.pty, "say hellx");
    pty_type(f.one.pty, "\033");
    vt_expect(f.one.vt, "^> say hellx$");
    pty_type(f.one.pty, "xao"); /* vi: delete the character, append another */
    vt_expect(f.one.vt, "^> say hello$");
    pty_type(f.one.pty, "\r");
    vt_expect(f.one.vt, "Hello there\\.");
    quit(&f.one);
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_question_is_answered_with_the_commands_output),
        TEST(what_runs_is_shown_while_it_runs),
        TEST(a_reply_is_shown_while_it_is_written),
        TEST(without_a_provider_it_says_how_to_connect_one),
        TEST(a_model_on_this_machine_is_found_and_answers),
        TEST(a_line_with_a_bang_is_a_command),
        TEST(a_file_is_completed_and_goes_along),
        TEST(a_model_is_chosen_by_name),
        TEST(a_fault_is_a_line_where_it_happened),
        TEST(who_answers_instead_is_said_once_and_once_when_it_is_over),
        TEST(what_a_command_prints_cannot_touch_the_terminal),
        TEST(an_interrupt_ends_the_turn_and_nothing_else),
        TEST(quitting_leaves_work_going_and_says_so),
        TEST(a_lost_terminal_stops_nothing_and_attach_shows_it_again),
        TEST(a_killed_placeholder_is_a_lost_terminal_too),
        TEST(what_was_sent_is_a_key_away),
        TEST(a_new_attach_takes_the_screen_over),
        TEST(stop_gives_the_terminal_back),
        TEST(a_killed_engine_gives_the_terminal_back),
        TEST(what_was_cut_off_is_told_once),
        TEST(a_full_disk_is_told_while_it_is_full),
        TEST(suspended_it_gives_the_shell_its_terminal),
        TEST(every_size_shows_the_composer),
        TEST(a_terminal_that_is_not_read_stops_nothing),
        TEST(an_idle_screen_writes_nothing),
        TEST(an_unknown_terminal_is_refused_and_the_engine_lives),
        TEST(without_colour_there_is_none),
        TEST(a_locale_without_utf8_gets_ascii),
        TEST(nothing_but_a_terminal_gets_a_screen),
        TEST(lines_can_be_followed_instead),
        TEST(the_composer_edits_as_readline_does),
        TEST(a_paste_is_text_and_not_keys),
        TEST(the_persons_inputrc_is_honoured),
    };
    cmocka_set_test_filter(getenv("TEST_FILTER")); /* NULL: all */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
