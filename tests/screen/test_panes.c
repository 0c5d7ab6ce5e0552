/* Every kind of pane against goldens (tests/screen/golden/NAME-COLSxROWS.txt), over processes that
 * nobody runs and a clock that stands still: a golden holds every cell, and then the colours and
 * attributes with 256 colours, with the palette's first (what 16 and 8 colours get), and with none.
 * After a change that is meant: SPACEBOT_UPDATE_GOLDENS=1, then look at the difference. */
#include <stdio.h>
#include <time.h>

#include "agent/process.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "tests/lib/golden.h"
#include "tests/unit/ui_screen.h"
#include "ui/view.h"

#define NOON INT64_C(1795521720000) /* 2026-11-24 12:02 UTC */

struct test {
    struct screen s;
    struct process_table *table;
    struct view *view;
    struct process *inbox;
    unsigned added;
};

static struct test the_test;

/* ---- processes ------------------------------------------------------------------------------- */

static void pass(int seconds) { clock_advance(seconds * NS_PER_SEC); }

static struct process *add(enum process_kind kind, struct process *parent, const char *name) {
    struct test *t = &the_test;
    char bare[40];
    struct process *p;
    snprintf(bare, sizeof bare, "%08u-1111-4111-8111-111111111111", ++t->added);
    bool channel = kind == PROCESS_CHANNEL;
    assert_int_equal(process_add(t->table, kind, channel ? name : bare,
                                 parent ? parent->handle : PROCESS_NONE, &p),
                     STATUS_OK);
    free(p->name);
    free(p->channel);
    p->name = xstrdup(name);
    p->channel = xstrdup(channel ? name : parent->channel);
    p->model = xstrdup(channel ? "anthropic/claude-sonnet-5-5" : "anthropic/claude-haiku-5-5");
    return p;
}

static struct journal_entry *entry(struct process *p, enum journal_kind kind, const char *title,
                                   const char *ref, const char *text) {
    struct journal_entry *e = journal_open(&p->journal, kind, title, ref);
    journal_append(&p->journal, e, text, strlen(text));
    process_changed(the_test.table, p);
    return e;
}

static struct journal_entry *done(struct process *p, enum journal_kind kind, const char *title,
                                  const char *ref, const char *text) {
    struct journal_entry *e = entry(p, kind, title, ref, text);
    journal_close(&p->journal, e);
    return e;
}

static void used(struct process *p, int64_t in, int64_t out, double usd) {
    p->usage.input_tokens = in;
    p->usage.output_tokens = out;
    p->usage.cost_usd = usd;
}

static void runs(struct process *p, const char *command, const char *label) {
    char *args = xasprintf("{\"command\":\"%s\"}", command);
    entry(p, JOURNAL_TOOL, "shell", "call1", args);
    free(args);
    process_set_tool(the_test.table, p, label);
    process_set_state(the_test.table, p, PROCESS_STATE_RUNNING);
}

/* A call that is over. */
static void ran(struct process *p, const char *command, int seconds, bool failed,
                const char *result) {
    char *args = xasprintf("{\"command\":\"%s\"}", command);
    struct journal_entry *e = entry(p, JOURNAL_TOOL, "shell", "call0", args);
    free(args);
    pass(seconds);
    e->is_error = failed;
    journal_set_result(&p->journal, e, result, strlen(result));
    journal_close(&p->journal, e);
}

static struct process *started(struct process *channel, enum process_kind kind, const char *name) {
    struct process *p = add(kind, channel, name);
    done(channel, JOURNAL_LINK, name, p->id, "");
    return p;
}

static const char page[] =
    "# What was found\n\n"
    "Two decisions touch **auth**; see [the notes](https://example.org/a):\n\n"
    "1. *JWT* for tokens (9 May)\n"
    "2. sessions dropped for the app\n\n"
    "> Keep the old column until June.\n\n"
    "| part | lines |\n|------|------:|\n| loop | 458 |\n| store | 1204 |\n\n"
    "```c\nint main(void) {\n    return 0;\n}\n```\n\n"
    "Run `make check` – 数える, e\xcc\x81.";

/* A channel with a worker and a branch at work, another with an answer unread. */
static void conversation(void) {
    struct test *t = &the_test;
    t->inbox = add(PROCESS_CHANNEL, NULL, "inbox");
    struct process *release = add(PROCESS_CHANNEL, NULL, "release");
    release->unread = 2;
    t->inbox->context_tokens = 34000;
    used(t->inbox, 31000, 1200, 0.113);
    done(t->inbox, JOURNAL_USER, "you", NULL, "what do we know about auth, and do the tests pass?");
    struct journal_entry *e = entry(t->inbox, JOURNAL_THINKING, NULL, NULL, "Two things at once.");
    pass(2);
    journal_close(&t->inbox->journal, e);
    struct process *recall = started(t->inbox, PROCESS_BRANCH, "recall auth");
    struct process *tests = started(t->inbox, PROCESS_WORKER, "test-run");
    process_set_state(t->table, recall, PROCESS_STATE_THINKING);
    done(t->inbox, JOURNAL_REPLY, NULL, NULL, "Recalling what was decided; the tests are running.");
    done(tests, JOURNAL_TASK, NULL, NULL, "Run make check.");
    done(tests, JOURNAL_TEXT, NULL, NULL, "First the build, then the *tests*.");
    ran(tests, "make", 8, false, "  CC main.o\n  CCLD spacebot\n");
    runs(tests, "make check", "shell make check");
    entry(tests, JOURNAL_OUTPUT, "stdout", "call1", "PASS unit/loop\nPASS unit/sse\n");
    entry(tests, JOURNAL_OUTPUT, "stderr", "call1",
          "test_channel.c:118: expected 3 retriggers, and here is a line that is longer than any "
          "pane that stands beside others would be\n");
    done(recall, JOURNAL_TASK, NULL, NULL, "What was decided about auth?");
    entry(recall, JOURNAL_THINKING, NULL, NULL, "JWT, or was it sessions? Look at May.");
    used(tests, 1000, 100, 0.001);
    pass(12);
    view_show(t->view, t->inbox->handle);
}

/* All that a transcript can hold. */
static void everything(void) {
    struct test *t = &the_test;
    t->inbox = add(PROCESS_CHANNEL, NULL, "inbox");
    struct process *ended = add(PROCESS_WORKER, t->inbox, "test-run");
    done(t->inbox, JOURNAL_USER, "you", NULL,
         "and now?\n\x1b[2Jclear\xe2\x80\xae"
         "txt.exe");
    done(t->inbox, JOURNAL_LINK, "test-run", ended->id, "");
    pass(4);
    process_end(t->table, ended, PROCESS_OUTCOME_FAILED);
    struct journal_entry *e = done(t->inbox, JOURNAL_RESULT, "test-run", ended->id,
                                   "failed: 1 of 312 tests: expected 3 retriggers");
    e->is_error = true;
    pass(60);
    done(t->inbox, JOURNAL_NOTICE, NULL, NULL, "anthropic: overloaded (529); trying again in 2 s");
    done(t->inbox, JOURNAL_ERROR, NULL, NULL, "anthropic: the key was refused (401)");
    ran(t->inbox, "true", 1, false, "");
    ran(t->inbox, "false", 1, true, "exit code 1\n");
    done(t->inbox, JOURNAL_REPLY, NULL, NULL, page);
    pass(60);
    e = entry(t->inbox, JOURNAL_REPLY, NULL, NULL, "A reply that was cut o");
    e->interrupted = true;
    journal_close(&t->inbox->journal, e);
    used(t->inbox, 1200, 120, 0.02);
    view_show(t->view, t->inbox->handle);
}

/* Eight workers and two branches, in every state there is. */
static void crowd(void) {
    struct test *t = &the_test;
    static const char *const jobs[] = {"lint", "port", "docs", "bench"};
    t->inbox = add(PROCESS_CHANNEL, NULL, "inbox");
    done(t->inbox, JOURNAL_USER, "you", NULL, "all of it, please");
    for (int i = 0; i < 10; i++) {
        char name[40], line[80];
        snprintf(name, sizeof name, i < 8 ? "%s %02d" : "compare %s %02d", jobs[i % 4], i);
        struct process *p = started(t->inbox, i < 8 ? PROCESS_WORKER : PROCESS_BRANCH, name);
        done(p, JOURNAL_TASK, NULL, NULL, "Do it.");
        used(p, 1000 * (i + 1), 90 * i, 0.004 * i);
        switch (i % 5) {
        case 0:
        case 1:
            runs(p, "cppcheck --enable=all src", "shell cppcheck --enable=all src");
            for (int k = 0; k < 12; k++) {
                snprintf(line, sizeof line, "src/file%02d.c: checked, %d of 12 files done\n", k,
                         k + 1);
                entry(p, JOURNAL_OUTPUT, "stdout", "call1", line);
            }
            break;
        case 2:
            entry(p, JOURNAL_TEXT, NULL, NULL, "Reading what there **is** first.");
            process_set_state(t->table, p, PROCESS_STATE_STALLED);
            break;
        case 3:
            ran(p, "make", 1, true, "make: *** No targets.  Stop.\n");
            done(p, JOURNAL_RESULT, "failed", NULL,
                 "There is no target to make, and this is told at some length.\nTwice.")
                ->is_error = true;
            process_end(t->table, p, PROCESS_OUTCOME_FAILED);
            break;
        case 4:
            entry(p, JOURNAL_THINKING, NULL, NULL, "Which of the two was first?");
            process_set_state(t->table, p, i < 8 ? PROCESS_STATE_ASKING : PROCESS_STATE_THINKING);
            break;
        }
        pass(7);
    }
    view_show(t->view, t->inbox->handle);
}

static void hundred(void) {
    struct test *t = &the_test;
    t->inbox = add(PROCESS_CHANNEL, NULL, "inbox");
    for (int i = 0; i < 100; i++) {
        char name[24];
        snprintf(name, sizeof name, "part %03d", i);
        struct process *p = started(t->inbox, PROCESS_WORKER, name);
        runs(p, "wc -l", "shell wc -l");
        entry(p, JOURNAL_OUTPUT, "stdout", "call1", "  12 main.c\n");
    }
    pass(5);
    view_show(t->view, t->inbox->handle);
}

/* A conversation whose last reply the store can tell of. */
static void explained(void) {
    conversation();
    done(the_test.inbox, JOURNAL_REPLY, NULL, "m2", "Two decisions touch auth.");
}

static struct why_row *step(struct why *w, enum why_kind kind, int depth, const char *id,
                            const char *name, const char *text, const char *state, int from,
                            int seconds) {
    struct why_row *r = why_add(w, kind, depth);
    r->id = xstrdup(id);
    r->name = xstrdup(name);
    r->text = xstrdup(text);
    r->bytes = strlen(text);
    r->state = xstrdup_null(state);
    r->started_ms = NOON + from * 1000;
    r->ended_ms = seconds < 0 ? 0 : r->started_ms + seconds * 1000;
    return r;
}

static void cost(struct why_row *r, int64_t in, int64_t out, double usd, bool estimate) {
    r->costs = true;
    r->calls = 2;
    r->usage = (struct llm_usage){
        .input_tokens = in, .output_tokens = out, .cost_usd = usd, .cost_is_estimate = estimate};
}

/* Of everything that a chain can hold: a cut, an error, an estimate, hostile words, what runs on.
 */
static struct why *chain(void *arg, const char *message, struct cause *cause) {
    (void)arg;
    (void)cause;
    struct why *w = xcalloc(1, sizeof *w);
    w->channel = xstrdup("inbox");
    memcpy(w->asked, message, strlen(message));
    step(w, WHY_MESSAGE, 0, "m1", "you", "what do we know about auth, and do the tests pass?", NULL,
         0, 0);
    cost(step(w, WHY_TURN, 0, "t1", "anthropic/claude-sonnet-5-5", "", "done", 0, 2), 1200, 80,
         0.003, false);
    struct why_row *r =
        step(w, WHY_BRANCH, 1, "branch:b", "recall auth", "recall auth", "succeeded", 1, 12);
    cost(r, 18000, 410, 0.006, false);
    r->outcome = xstrdup("JWT for tokens (9 May); sessions were dropped for the app (12 May)");
    step(w, WHY_MEMORY, 2, "mem1", "decision", "JWT for auth tokens", NULL, 2, 0);
    r = step(w, WHY_TOOL, 2, "c1", "file_read", "{\"path\":\"src/auth.c\"}", "ok", 3, 0);
    r->label = xstrdup("file_read src/auth.c");
    cost(step(w, WHY_WORKER, 2, "worker:p", "port the \x1b[2Jtests", "port", "timed_out", 4, 8),
         3100, 90, 0.001, true);
    r = step(w, WHY_TOOL, 3, "c2", "shell", "{\"command\":\"make check\"}", "error", 5, 6);
    r->label = xstrdup("shell make check");
    r = step(w, WHY_WORKER, 1, "00000004-1111-4111-8111-111111111111", "test-run", "run them",
             "running", 2, -1);
    cost(r, 1000, 100, 0.001, false);
    r->left_out = 50;
    step(w, WHY_TOOL, 2, "c3", "mystery", "{\"of\":\"a later version\"}", "interrupted", 6, 1);
    step(w, WHY_REPLY, 1, "m0", "spacebot", "Recalling what was decided; the tests are running.",
         NULL, 1, 1);
    cost(step(w, WHY_TURN, 0, "t2", "anthropic/claude-sonnet-5-5", "results of recall auth", "done",
              12, 2),
         4000, 120, 0.004, false);
    step(w, WHY_REPLY, 1, message, "spacebot", "Two decisions touch auth.", NULL, 13, 1);
    w->started_ms = NOON;
    w->elapsed_ms = 14000;
    w->first_word_ms = 900;
    w->calls = 10;
    w->usage = (struct llm_usage){
        .input_tokens = 27300, .output_tokens = 800, .cost_usd = 0.015, .cost_is_estimate = true};
    return w;
}

/* An answered call and one that failed, of a row; of all there is nothing any more. */
static bool requests(void *arg, const struct why *w, size_t row, struct view_requests *out,
                     struct cause *cause) {
    (void)arg;
    if (row == SIZE_MAX || w->v[row].kind != WHY_TURN) {
        (void)cause_set(cause, STATUS_NOT_FOUND, "%s", exchange_none);
        return false;
    }
    struct buf body = BUF_INIT;
    buf_puts(&body, "{\"model\":\"claude-sonnet-5-5\",\"max_tokens\":16000,\"stream\":true,"
                    "\"messages\":[{\"role\":\"user\",\"content\":\"what do we know about auth? ");
    for (int i = 0; i < 40; i++)
        buf_printf(&body, "line %d\\n", i);
    buf_puts(&body, "\"}]}");
    out->n = 2;
    out->left_out = 3;
    out->calls = xcalloc(2, sizeof *out->calls);
    for (size_t i = 0; i < 2; i++)
        out->calls[i] = (struct exchange){.process_id = xstrdup("channel:inbox"),
                                          .model = xstrdup("anthropic/claude-sonnet-5-5"),
                                          .url = xstrdup("https://api.anthropic.com/v1/messages"),
                                          .headers = xstrdup("accept: text/event-stream\n"
                                                             "x-api-key: [key]"),
                                          .request = xstrdup(buf_str(&body)),
                                          .bytes = body.len,
                                          .started_ms = NOON,
                                          .ended_ms = NOON + 2100};
    out->calls[0].status = 200;
    out->calls[0].response =
        xstrdup("{\"model\":\"claude-sonnet-5-5\",\"stop\":\"end_turn\",\"messages\":"
                "[{\"role\":\"assistant\",\"blocks\":[{\"type\":\"text\",\"text\":\"Two.\"}]}]}");
    out->calls[1].status = 529;
    out->calls[1].fault = xstrdup("anthropic: overloaded (529)");
    x_free(&out->calls[1].request);
    buf_free(&body);
    return true;
}

static void nobody(void) {
    the_test.inbox = add(PROCESS_CHANNEL, NULL, "inbox");
    view_show(the_test.view, the_test.inbox->handle);
}

/* ---- the screen ------------------------------------------------------------------------------ */

static void nothing(void *arg, const char *process) {
    (void)arg;
    (void)process;
}
static void say(void *arg, const char *channel, const char *text) {
    (void)arg;
    (void)channel;
    (void)text;
}
static void silent(void *arg) { (void)arg; }
static void answer(void *arg, int64_t request, const char *choice, const char *remark) {
    (void)arg;
    (void)request;
    (void)choice;
    (void)remark;
}

static void on_key(void *arg, const struct key *k) {
    view_key(((struct test *)arg)->view, k, clock_mono_ns());
}

static const char *const greeting[] = {
    "spacebot: AI processes at work side by side, in view. No model is connected: a rehearsal "
    "answers, with real tools. Try:",
    "  start 8 workers that count the lines in this folder",
    "To connect a model, set ANTHROPIC_API_KEY and start spacebot again.", NULL};

static void draw(struct test *t) {
    const struct view_facts facts = {.contained = true, .loop_us = 300, .greeting = greeting};
    if (view_stale(t->view) && term_ready(t->s.term)) {
        view_draw(t->view, term_theme(t->s.term), term_cols(t->s.term), term_rows(t->s.term),
                  &facts);
        (void)term_flush(t->s.term);
    }
    screen_settle(&t->s);
}

/* Keys one after the other, each drawn; ESC is written `\x1b` and comes alone. */
static void type(struct test *t, const char *keys) {
    for (; *keys; keys++) {
        if (*keys == '\x1b') {
            struct key k = {.sym = KEYSYM_ESC, .raw = "\x1b", .nraw = 1};
            view_key(t->view, &k, clock_mono_ns());
        } else {
            screen_type(&t->s, keys, 1);
        }
        draw(t);
    }
}

static int teardown(void **state) {
    (void)state;
    struct test *t = &the_test;
    if (!t->table)
        return 0;
    view_free(&t->view);
    process_table_free(&t->table);
    screen_end(&t->s);
    memset(t, 0, sizeof *t);
    clock_set_real();
    return 0;
}

struct look {
    const char *name, *term;
    bool no_color, ascii;
};

/* What is on the screen after the keys, and how it looks. */
static void show(const struct look *look, void (*scene)(void), const char *keys, int cols, int rows,
                 char **text, char **styles) {
    struct test *t = &the_test;
    memset(t, 0, sizeof *t);
    clock_set_virtual(NOON);
    screen_start_as(&t->s, look->term, cols, rows, look->no_color, look->ascii);
    t->s.on_key = on_key;
    t->s.arg = t;
    t->table = process_table_new();
    const struct view_host host = {.say = say,
                                   .interrupt = nothing,
                                   .cancel = nothing,
                                   .seen = nothing,
                                   .open = nothing,
                                   .copy = nothing,
                                   .suspend = silent,
                                   .answer = answer,
                                   .dismiss = silent,
                                   .why = chain,
                                   .requests = requests,
                                   .redraw = silent,
                                   .quit = silent,
                                   .arg = t};
    t->view = view_new(t->table, NULL, &host);
    scene();
    draw(t);
    type(t, keys);
    *text = vt_dump(t->s.vt);
    *styles = vt_styles(t->s.vt);
    (void)teardown(NULL);
}

/* In 256 colours, in few, in none: the same text, told apart by other means. */
static void compare(const char *name, void (*scene)(void), const char *keys, int cols, int rows,
                    bool ascii) {
    const struct look looks[] = {{"256 colours", "xterm-256color", false, ascii},
                                 {"16 colours", "xterm", false, ascii},
                                 {"no colours", "xterm-256color", true, ascii}};
    struct buf all = BUF_INIT;
    char *first = NULL, *path = xasprintf("%s-%dx%d", name, cols, rows);
    for (size_t i = 0; i < ARRAY_LEN(looks); i++) {
        char *text, *styles;
        show(&looks[i], scene, keys, cols, rows, &text, &styles);
        if (!first) {
            first = text;
            buf_puts(&all, text);
        } else {
            assert_string_equal(text, first);
            free(text);
        }
        buf_printf(&all, "---- %s\n%s", looks[i].name, styles);
        free(styles);
    }
    golden_check(path, buf_str(&all));
    free(first);
    free(path);
    buf_free(&all);
}

static void both(const char *name, void (*scene)(void), const char *keys) {
    compare(name, scene, keys, 80, 24, false);
    compare(name, scene, keys, 200, 50, false);
}

/* ---- the panes ------------------------------------------------------------------------------- */

static void greeting_and_composer(void **state) {
    (void)state;
    both("greeting", nobody, "");
}

static void tree_transcript_and_live(void **state) {
    (void)state;
    both("focus", conversation, "");
}

static void selected_in_the_tree(void **state) {
    (void)state;
    both("tree", conversation, "\x1bj");
}

static void transcript(void **state) {
    (void)state;
    both("transcript", everything, "");
}

/* A search unfolds the call that holds what it finds. */
static void unfolded(void **state) {
    (void)state;
    both("unfolded", everything, "\t\t/exit code\r");
}

static void live_zoomed(void **state) {
    (void)state;
    both("zoomed", conversation, "\t\t\tz");
}

static void live_tiled(void **state) {
    (void)state;
    both("crowd", crowd, "");
}

static void wall(void **state) {
    (void)state;
    both("wall", crowd, "\x1bwl");
}

static void wall_of_a_hundred(void **state) {
    (void)state;
    both("wall-hundred", hundred, "\x1bw");
}

static void empty_wall(void **state) {
    (void)state;
    compare("wall-empty", nobody, "\x1bw", 80, 24, false);
}

static void table(void **state) {
    (void)state;
    both("table", crowd, "\x1btj");
}

static void table_of_a_hundred(void **state) {
    (void)state;
    both("table-hundred", hundred, "\x1btG");
}

static void help(void **state) {
    (void)state;
    both("help", conversation, "?");
}

static void what_led_to_a_reply(void **state) {
    (void)state;
    both("why", explained, "\t\tW");
    compare("why-top", explained, "\t\tWgjj", 80, 24, false);
    compare("why", explained, "\t\tW", 40, 10, false);
    compare("ascii-why", explained, "\t\tW", 80, 24, true);
    compare("why-back", explained, "\t\tWW", 80, 24, false);
    compare("why-message", explained, "\t\tW\r", 80, 24, false);
    compare("why-none", nobody, ":why\r", 80, 24, false);
}

static void what_was_sent(void **state) {
    (void)state;
    both("request", explained, "\t\tWgjr");
    compare("request-end", explained, "\t\tWgjrG", 80, 24, false);
    compare("request-whole", explained, "\t\tWgjrjjjjjjjjjjjjjjjjjjj\rjjjjjjjjjj", 80, 24, false);
    compare("request-found", explained, "\t\tWgjr/end_turn\r", 80, 24, false);
    compare("request-back", explained, "\t\tWgjr\x1b", 80, 24, false);
    compare("request-none", explained, "\t\tr", 80, 24, false);
}

static void command_prompt(void **state) {
    (void)state;
    both("command", conversation, ":show \t");
}

static void search_prompt(void **state) {
    (void)state;
    both("search", everything, "/auth");
}

static void found(void **state) {
    (void)state;
    both("found", everything, "/june\r");
}

static void asked_before_cancelling(void **state) {
    (void)state;
    both("cancel", conversation, "\x1bjjx");
}

static void writing(void **state) {
    (void)state;
    both("writing", conversation, "a first line,\nand a second one");
}

static void ascii(void **state) {
    (void)state;
    compare("ascii-focus", conversation, "", 80, 24, true);
    compare("ascii-wall", crowd, "\x1bw", 80, 24, true);
}

static void other_sizes(void **state) {
    (void)state;
    compare("focus", conversation, "", 40, 10, false);
    compare("live", conversation, "\t\t\t", 40, 10, false);
    compare("wall", crowd, "\x1bw", 40, 10, false);
    compare("focus", conversation, "", 300, 80, false);
    compare("wall", crowd, "\x1bw", 300, 80, false);
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(greeting_and_composer),
        TEST(tree_transcript_and_live),
        TEST(selected_in_the_tree),
        TEST(transcript),
        TEST(unfolded),
        TEST(live_zoomed),
        TEST(live_tiled),
        TEST(wall),
        TEST(wall_of_a_hundred),
        TEST(empty_wall),
        TEST(table),
        TEST(table_of_a_hundred),
        TEST(help),
        TEST(what_led_to_a_reply),
        TEST(what_was_sent),
        TEST(command_prompt),
        TEST(search_prompt),
        TEST(found),
        TEST(asked_before_cancelling),
        TEST(writing),
        TEST(ascii),
        TEST(other_sizes),
    };
    setenv("TZ", "UTC0", 1);
    tzset();
    cmocka_set_test_filter(getenv("TEST_FILTER")); /* NULL: all */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
