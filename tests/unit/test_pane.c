/* Panes: what a person sees of processes on screens of several sizes, and what keys do there. */
#include <stdio.h>

#include "agent/process.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "tests/unit/ui_screen.h"
#include "ui/files.h"
#include "ui/text.h"
#include "ui/view.h"

/* A screen with a view on it, and processes that nobody runs. */
struct test {
    struct screen s;
    struct process_table *table;
    struct view *view;
    struct process *inbox, *worker;
    struct buf asked; /* what the view wanted done: "say inbox hi;" */
    struct view_facts facts;
    int64_t now_ns;
};

static struct test the_test;

static void route(void *arg, const char *process, const char *text) {
    buf_printf(&((struct test *)arg)->asked, "route %s %s;", process, text);
}

static void say(void *arg, const char *channel, const char *text) {
    buf_printf(&((struct test *)arg)->asked, "say %s %s;", channel, text);
}
static void interrupt(void *arg, const char *process) {
    buf_printf(&((struct test *)arg)->asked, "interrupt %s;", process);
}
static void cancel(void *arg, const char *process) {
    buf_printf(&((struct test *)arg)->asked, "cancel %s;", process);
}
static void seen(void *arg, const char *process) {
    struct test *t = arg;
    struct process *p = process_find(t->table, process);
    p->seen = true;
    process_changed(t->table, p);
}
static void suspend(void *arg) { buf_puts(&((struct test *)arg)->asked, "suspend;"); }
static void answer(void *arg, int64_t request, const char *choice, const char *remark) {
    buf_printf(&((struct test *)arg)->asked, "answer %lld %s (%s);", (long long)request, choice,
               remark);
}
static void files(void *arg, const char *channel, const char *prefix) {
    buf_printf(&((struct test *)arg)->asked, "files %s %s;", channel, prefix);
}
static void dismiss(void *arg) { buf_puts(&((struct test *)arg)->asked, "dismiss;"); }
static void redraw(void *arg) { term_redraw(((struct test *)arg)->s.term); }
static void quit(void *arg) { buf_puts(&((struct test *)arg)->asked, "quit;"); }

static void on_key(void *arg, const struct key *k) {
    struct test *t = arg;
    view_key(t->view, k, t->now_ns);
}

static const char *const greeting[] = {"Write below.", "Second line.", NULL};

static void start(struct test *t, const char *type, int cols, int rows) {
    memset(t, 0, sizeof *t);
    screen_start(&t->s, type, cols, rows);
    t->s.on_key = on_key;
    t->s.arg = t;
    t->table = process_table_new();
    struct view_host host = {.say = say,
                             .route = route,
                             .interrupt = interrupt,
                             .cancel = cancel,
                             .seen = seen,
                             .suspend = suspend,
                             .answer = answer,
                             .files = files,
                             .dismiss = dismiss,
                             .redraw = redraw,
                             .quit = quit,
                             .arg = t};
    t->view = view_new(t->table, NULL, &host);
    t->facts = (struct view_facts){.contained = true, .loop_us = 300, .greeting = greeting};
    t->now_ns = NS_PER_SEC;
}

/* After every test, also one that failed: there is one readline and one curses. */
static int teardown(void **state) {
    (void)state;
    struct test *t = &the_test;
    if (!t->table)
        return 0;
    view_free(&t->view);
    process_table_free(&t->table);
    screen_end(&t->s);
    buf_free(&t->asked);
    return 0;
}

static void draw(struct test *t) {
    if (view_stale(t->view) && term_ready(t->s.term)) {
        view_draw(t->view, term_theme(t->s.term), term_cols(t->s.term), term_rows(t->s.term),
                  &t->facts);
        (void)term_flush(t->s.term);
    }
    screen_settle(&t->s);
}

static void type(struct test *t, const char *keys) {
    screen_type(&t->s, keys, strlen(keys));
    draw(t);
}

static void escape(struct test *t) {
    struct key k = {.sym = KEYSYM_ESC, .raw = "\x1b", .nraw = 1};
    view_key(t->view, &k, t->now_ns);
    draw(t);
}

static void resize(struct test *t, int cols, int rows) {
    vt_resize(t->s.vt, cols, rows);
    term_resize(t->s.term, cols, rows);
    view_dirty(t->view);
    draw(t);
}

static struct process *add(struct test *t, enum process_kind kind, const char *bare,
                           struct process *parent, const char *name) {
    struct process *p;
    assert_int_equal(process_add(t->table, kind, bare, parent ? parent->handle : PROCESS_NONE, &p),
                     STATUS_OK);
    free(p->name);
    free(p->channel);
    p->name = xstrdup(name);
    p->channel = xstrdup(parent ? parent->channel : bare);
    p->model = xstrdup("anthropic/claude-sonnet-5-5");
    return p;
}

static struct journal_entry *entry(struct test *t, struct process *p, enum journal_kind kind,
                                   const char *title, const char *ref, const char *text) {
    struct journal_entry *e = journal_open(&p->journal, kind, title, ref);
    journal_append(&p->journal, e, text, strlen(text));
    process_changed(t->table, p);
    return e;
}

static void done(struct test *t, struct process *p, enum journal_kind kind, const char *title,
                 const char *ref, const char *text) {
    journal_close(&p->journal, entry(t, p, kind, title, ref, text));
}

/* A channel that delegates to a worker, which runs a command. */
static void conversation(struct test *t) {
    t->inbox = add(t, PROCESS_CHANNEL, "inbox", NULL, "inbox");
    done(t, t->inbox, JOURNAL_USER, "you", NULL, "do the tests pass?");
    t->worker =
        add(t, PROCESS_WORKER, "21111111-1111-4111-8111-111111111111", t->inbox, "test-run");
    done(t, t->inbox, JOURNAL_LINK, "test-run", t->worker->id, "");
    done(t, t->inbox, JOURNAL_REPLY, NULL, NULL, "The tests are running.");
    done(t, t->worker, JOURNAL_TASK, NULL, NULL, "Run make check.");
    entry(t, t->worker, JOURNAL_TOOL, "shell", "call1", "{\"command\":\"make check\"}");
    process_set_tool(t->table, t->worker, "shell make check");
    process_set_state(t->table, t->worker, PROCESS_STATE_RUNNING);
    entry(t, t->worker, JOURNAL_OUTPUT, "stdout", "call1", "PASS unit/loop\nPASS unit/sse\n");
    view_show(t->view, t->inbox->handle);
    draw(t);
}

static void there(struct test *t, const char *text) {
    int row, col;
    if (vt_find(t->s.vt, text, &row, &col))
        return;
    char *all = vt_text(t->s.vt);
    fail_msg("\"%s\" is not on the screen:\n%s", text, all);
}

static void not_there(struct test *t, const char *text) {
    int row, col;
    if (!vt_find(t->s.vt, text, &row, &col))
        return;
    char *all = vt_text(t->s.vt);
    fail_msg("\"%s\" is on the screen:\n%s", text, all);
}

static void matches(struct test *t, const char *pattern) {
    if (vt_matches(t->s.vt, pattern))
        return;
    char *all = vt_text(t->s.vt);
    fail_msg("nothing matches \"%s\":\n%s", pattern, all);
}

static void focus_80x24(void **state) {
    (void)state;
    struct test *t = &the_test;
    int row, col;
    start(t, "xterm-256color", 80, 24);
    conversation(t);
    struct vt_cell c = vt_cell(t->s.vt, 0, 0);
    assert_string_equal(c.text, "#");
    matches(t, "^#inbox  anthropic/claude-sonnet-5-5 .* 1 running   0\\.3 ms$");
    matches(t, "^# inbox +\xc2\xb7 \xe2\x94\x82 you [0-9]{2}:[0-9]{2}$");
    assert_true(vt_matches(
        t->s.vt, "^\xe2\x94\x94 \\* test-run +[0-9]+s \xe2\x94\x82   do the tests pass\\?$"));
    assert_true(vt_matches(
        t->s.vt, "^    shell make check +\xe2\x94\x82   \\* test-run +shell make check +[0-9]+s$"));
    there(t, "spacebot ");
    there(t, "  The tests are running.");
    /* The live pane: its header in a rule, and the tail of the command's output. */
    matches(t, "^\xe2\x94\x80\xe2\x94\x80 \\* test-run  shell make check "
               "\xe2\x94\x80+ [0-9]+s \xe2\x94\x80\xe2\x94\x80$");
    assert_true(vt_find(t->s.vt, "PASS unit/sse", &row, &col));
    assert_int_equal(col, 2);
    assert_true(row >= 17 && row <= 20);
    screen_row_is(&t->s, 22, ">");
    char *footer = vt_row(t->s.vt, 23);
    assert_true(str_prefix(footer, " ? help "));
    assert_non_null(strstr(footer, "Tab pane"));
    assert_null(strstr(footer, "Enter send")); /* there is nothing to send */
    free(footer);
    bool visible;
    vt_cursor(t->s.vt, &row, &col, &visible);
    assert_true(visible);
    assert_int_equal(row, 22);
    assert_int_equal(col, 2);
}

static void wide_200x50(void **state) {
    (void)state;
    struct test *t = &the_test;
    int row, col, row2, col2;
    start(t, "xterm-256color", 200, 50);
    conversation(t);
    assert_true(vt_find(t->s.vt, "PASS unit/sse", &row, &col));
    assert_true(vt_find(t->s.vt, "The tests are running.", &row2, &col2));
    assert_true(col > 100 && col > col2 + 60); /* a column at the right */
    assert_true(row < 8);
    matches(t, "anthropic/claude-sonnet-5-5"); /* room for all of the name */
    matches(t, "^ {28}\xe2\x94\x82 > +\xe2\x94\x82$");
    /* No line of text is longer than a hundred columns. */
    char words[600] = "";
    for (int i = 0; i < 70; i++)
        strcat(words, "sixsix ");
    done(t, t->inbox, JOURNAL_REPLY, NULL, NULL, words);
    draw(t);
    for (int i = 0; i < 50; i++) {
        char *text = vt_row(t->s.vt, i);
        char *at = strstr(text, "sixsix");
        if (at)
            assert_true(strcspn(at, "\xe2") <= 100);
        free(text);
    }
}

static void narrow_40x10(void **state) {
    (void)state;
    struct test *t = &the_test;
    start(t, "xterm-256color", 40, 10);
    conversation(t);
    there(t, "#inbox");
    there(t, "The tests are running.");
    not_there(t, "PASS unit"); /* one pane at a time */
    screen_row_is(&t->s, 8, ">");
    escape(t);
    there(t, "\xe2\x94\x94 * test-run");
    not_there(t, "The tests are running.");
    type(t, "\t\t"); /* the transcript, the live pane */
    there(t, "PASS unit/sse");
    not_there(t, "The tests are running.");
    escape(t);
    there(t, "The tests are running.");
    /* Down to nothing and back. */
    for (int rows = 9; rows > 0; rows--)
        resize(t, rows * 3, rows);
    resize(t, 80, 24);
    there(t, "The tests are running.");
    there(t, "PASS unit/sse");
}

static void streaming(void **state) {
    (void)state;
    struct test *t = &the_test;
    start(t, "xterm-256color", 80, 24);
    conversation(t);
    struct journal_entry *e = entry(t, t->inbox, JOURNAL_REPLY, NULL, NULL, "It ");
    draw(t);
    there(t, "  It");
    journal_append(&t->inbox->journal, e, "streams \xe6\xbc\xa2 in.", 15);
    process_changed(t->table, t->inbox);
    draw(t);
    there(t, "  It streams \xe6\xbc\xa2 in.");
    e->interrupted = true;
    journal_close(&t->inbox->journal, e);
    process_changed(t->table, t->inbox);
    draw(t);
    there(t, "(interrupted)");
}

/* A frame of one changed row is a few bytes; one where nothing changed is none. */
static void only_what_changed_is_sent(void **state) {
    (void)state;
    struct test *t = &the_test;
    start(t, "xterm-256color", 80, 24);
    conversation(t);
    assert_false(view_stale(t->view));
    buf_reset(&t->s.seen);
    process_changed(t->table, t->inbox); /* looks new, is not */
    assert_true(view_stale(t->view));
    view_draw(t->view, term_theme(t->s.term), 80, 24, &t->facts);
    assert_true(term_flush(t->s.term) <= 16); /* at most the cursor's way back */
    screen_settle(&t->s);
    struct journal_entry *e = journal_last(&t->worker->journal, JOURNAL_OUTPUT);
    journal_append(&t->worker->journal, e, "PASS unit/store\n", 16);
    process_changed(t->table, t->worker);
    view_draw(t->view, term_theme(t->s.term), 80, 24, &t->facts);
    size_t n = term_flush(t->s.term);
    assert_true(n > 0 && n < 200);
    screen_settle(&t->s);
    there(t, "PASS unit/store");
}

static void hostile_text(void **state) {
    (void)state;
    struct test *t = &the_test;
    start(t, "xterm-256color", 80, 24);
    conversation(t);
    buf_reset(&t->s.seen);
    static const char evil[] = "\x1b]0;owned\x07\x1b[2J\xc2\x9b"
                               "31m\xe2\x80\xae rtl \xff\x0e";
    done(t, t->inbox, JOURNAL_USER, evil, NULL, evil);
    done(t, t->inbox, JOURNAL_NOTICE, NULL, NULL, evil);
    done(t, t->inbox, JOURNAL_TOOL, evil, "c", evil);
    done(t, t->inbox, JOURNAL_RESULT, evil, "worker:x", evil);
    done(t, t->worker, JOURNAL_OUTPUT, "stderr", "call1", evil);
    free(t->worker->name);
    t->worker->name = xstrdup(evil);
    process_set_tool(t->table, t->worker, evil);
    free(t->inbox->model);
    t->inbox->model = xstrdup(evil);
    draw(t);
    there(t, "^[]0;owned^G");
    assert_string_equal(vt_title(t->s.vt), "");
    assert_int_equal(vt_bells(t->s.vt), 0);
    assert_null(memmem(t->s.seen.data, t->s.seen.len, "\x1b]0", 3));
    assert_null(memmem(t->s.seen.data, t->s.seen.len, "\x1b[2J", 4));
    assert_null(memmem(t->s.seen.data, t->s.seen.len, "\xc2\x9b", 2));
    assert_null(memmem(t->s.seen.data, t->s.seen.len, "\xe2\x80\xae", 3));
    assert_null(memchr(t->s.seen.data, 0x0e, t->s.seen.len));
}

static void writing_and_sending(void **state) {
    (void)state;
    struct test *t = &the_test;
    start(t, "xterm-256color", 80, 24);
    conversation(t);
    type(t, "hello?");
    screen_row_is(&t->s, 22, "> hello?"); /* ? is help in an empty composer only */
    there(t, "Enter send");
    type(t, "\nsecond\x1b\rthird");
    screen_row_is(&t->s, 20, "> hello?");
    screen_row_is(&t->s, 22, "  third");
    type(t, "\r");
    assert_string_equal(buf_str(&t->asked), "say inbox hello?\nsecond\nthird;");
    screen_row_is(&t->s, 22, ">");
    view_put_back(t->view, "inbox", "not sent");
    draw(t);
    screen_row_is(&t->s, 22, "> not sent");
}

static void interrupting_and_leaving(void **state) {
    (void)state;
    struct test *t = &the_test;
    start(t, "xterm-256color", 80, 24);
    conversation(t);
    there(t, "^C ^C close"); /* nothing of the channel's own runs */
    type(t, "\x03");
    assert_string_equal(buf_str(&t->asked), "");
    there(t, "nothing to interrupt");
    t->now_ns += 2 * NS_PER_SEC;
    process_set_state(t->table, t->inbox, PROCESS_STATE_THINKING);
    type(t, "\x03"); /* too late to be the second one */
    assert_string_equal(buf_str(&t->asked), "interrupt channel:inbox;");
    t->now_ns += NS_PER_SEC / 2;
    type(t, "a\x03"); /* nor is it when a key came between */
    assert_null(strstr(buf_str(&t->asked), "quit"));
    t->now_ns += NS_PER_SEC / 2;
    type(t, "\x03");
    assert_true(str_suffix(buf_str(&t->asked), ";quit;"));
    type(t, "\x1a");
    assert_true(str_suffix(buf_str(&t->asked), ";suspend;"));
}

static void the_tree(void **state) {
    (void)state;
    struct test *t = &the_test;
    start(t, "xterm-256color", 80, 24);
    conversation(t);
    struct process *ops = add(t, PROCESS_CHANNEL, "ops", NULL, "ops");
    done(t, ops, JOURNAL_REPLY, NULL, NULL, "All quiet.");
    ops->unread = 3;
    process_changed(t->table, ops);
    draw(t);
    matches(t, "^# ops +3 \xc2\xb7 ");
    escape(t); /* the tree has the focus: its row is marked */
    assert_true(vt_cell(t->s.vt, 1, 3).reverse);
    bool visible;
    int row, col;
    vt_cursor(t->s.vt, &row, &col, &visible);
    assert_false(visible);
    type(t, "j");
    assert_true(vt_cell(t->s.vt, 2, 4).reverse);
    there(t, "x cancel");
    type(t, "x");
    there(t, "x again cancels worker test-run");
    type(t, "k"); /* any other key: no */
    type(t, "jx");
    assert_string_equal(buf_str(&t->asked), "");
    type(t, "x");
    assert_true(str_prefix(buf_str(&t->asked), "cancel worker:2111"));
    type(t, "\r"); /* its journal becomes the transcript, its live pane is not needed twice */
    there(t, "task ");
    there(t, "Run make check.");
    matches(t, "^\\* test-run  ");
    there(t, "test-run>"); /* what is written goes to the worker */
    buf_reset(&t->asked);
    type(t, "\033[Z\033[Z"); /* over the tree to the composer */
    type(t, "smaller steps\r");
    assert_true(str_prefix(buf_str(&t->asked), "route worker:2111"));
    assert_non_null(strstr(buf_str(&t->asked), "smaller steps"));
    type(t, "\t\t");
    assert_false(vt_matches(t->s.vt, "\xe2\x94\x80\xe2\x94\x80 \\* test-run"));
    escape(t); /* back to the channel */
    there(t, "The tests are running.");
    screen_row_is(&t->s, 22, ">");
    escape(t);
    type(t, "G\r");
    there(t, "All quiet.");
    type(t, "draft");
    escape(t);
    type(t, "g\r");
    screen_row_is(&t->s, 22, ">"); /* a draft each */
}

static void many_processes(void **state) {
    (void)state;
    struct test *t = &the_test;
    start(t, "xterm-256color", 80, 24);
    conversation(t);
    for (int i = 0; i < 40; i++) {
        char bare[40], name[32];
        snprintf(bare, sizeof bare, "%08d-1111-4111-8111-111111111111", i);
        snprintf(name, sizeof name, "job %02d", i);
        struct process *p = add(t, PROCESS_WORKER, bare, t->inbox, name);
        if (i < 20)
            process_end(t->table, p, i % 2 ? PROCESS_OUTCOME_FAILED : PROCESS_OUTCOME_SUCCEEDED);
        else
            process_set_state(t->table, p, PROCESS_STATE_THINKING);
    }
    draw(t);
    there(t, "17 more ended");
    matches(t, "job 19 +failed");
    matches(t, " 21 running");
    there(t, "+13 more"); /* live panes without room */
    escape(t);
    type(t, "G"); /* the last row is scrolled to */
    matches(t, "\xe2\x94\x94 \\* job 39");
    type(t, "g");
    matches(t, "^# inbox");
}

static void scrolling(void **state) {
    (void)state;
    struct test *t = &the_test;
    start(t, "xterm-256color", 80, 24);
    conversation(t);
    for (int i = 0; i < 500; i++) {
        char text[64];
        snprintf(text, sizeof text, "message number %d", i);
        done(t, t->inbox, JOURNAL_NOTICE, NULL, NULL, text);
    }
    draw(t);
    there(t, "message number 499");
    not_there(t, "more below");
    type(t, "\x1b[5~"); /* PgUp, from the composer */
    not_there(t, "message number 499");
    there(t, "message number 480");
    there(t, "more below");
    done(t, t->inbox, JOURNAL_NOTICE, NULL, NULL, "news"); /* what one reads does not move */
    draw(t);
    there(t, "message number 480");
    not_there(t, "news");
    type(t, "\x1b[6~\x1b[6~\x1b[6~");
    there(t, "news");
    not_there(t, "more below");
    type(t, "\t\tg"); /* transcript, to its beginning */
    there(t, "do the tests pass?");
    type(t, "jjj");
    assert_true(vt_cell(t->s.vt, 4, 40).reverse);
    type(t, "G");
    there(t, "news");
    /* Everything older goes from memory; the view goes on. */
    type(t, "g");
    for (int i = 0; i < 2100; i++)
        done(t, t->inbox, JOURNAL_NOTICE, NULL, NULL, "flood");
    draw(t);
    there(t, "flood");
    type(t, "k\x1b[6~G");
    there(t, "flood");
}

static void folding(void **state) {
    (void)state;
    struct test *t = &the_test;
    start(t, "xterm-256color", 80, 24);
    conversation(t);
    struct journal_entry *e = entry(t, t->inbox, JOURNAL_THINKING, NULL, NULL, "secret thoughts");
    journal_close(&t->inbox->journal, e);
    e = entry(t, t->inbox, JOURNAL_TOOL, "file_read", "c2", "{\"path\":\"notes.txt\"}");
    journal_set_result(&t->inbox->journal, e, "alpha\nbeta\ngamma\n", 17);
    journal_close(&t->inbox->journal, e);
    process_changed(t->table, t->inbox);
    draw(t);
    not_there(t, "secret thoughts");
    not_there(t, "alpha");
    matches(t, "\xe2\x96\xb8 file_read.* ok  0\\.0s  3 lines$");
    type(t, "\t\t\r"); /* the last row is the tool's */
    there(t, "alpha");
    there(t, "gamma");
    type(t, "\r");
    not_there(t, "alpha");
    type(t, "k\r");
    there(t, "secret thoughts");
    /* A link opens its process. */
    type(t, "gjj\r");
    there(t, "Run make check.");
    there(t, "PASS unit/sse"); /* the tail of what runs; then the call's own row tells of it */
    e = t->worker->journal.v[1];
    assert_int_equal(e->kind, JOURNAL_TOOL);
    journal_set_result(&t->worker->journal, e, "all passed", 10);
    journal_close(&t->worker->journal, e);
    process_changed(t->table, t->worker);
    draw(t);
    not_there(t, "PASS unit/sse");
    matches(t, "shell make check.* ok ");
}

static void live_panes_come_and_go(void **state) {
    (void)state;
    struct test *t = &the_test;
    start(t, "xterm-256color", 80, 24);
    conversation(t);
    assert_true(view_ticks(t->view));
    process_set_tool(t->table, t->worker, NULL);
    process_end(t->table, t->worker, PROCESS_OUTCOME_SUCCEEDED);
    draw(t);
    assert_false(view_ticks(t->view)); /* nothing runs: nothing moves */
    matches(t, "\xe2\x94\x80\xe2\x94\x80 \\* test-run  succeeded");
    there(t, "PASS unit/sse"); /* its last rows stay until the person has gone on */
    type(t, "thanks\r");
    draw(t);
    not_there(t, "PASS unit/sse");
}

static void status_line(void **state) {
    (void)state;
    struct test *t = &the_test;
    start(t, "xterm-256color", 120, 24);
    t->facts.contained = false;
    t->facts.interrupted = 2;
    conversation(t);
    t->inbox->context_tokens = 34000;
    t->inbox->usage.input_tokens = 1000;
    t->worker->usage.output_tokens = 200;
    t->worker->usage.cost_usd = 0.004;
    process_changed(t->table, t->inbox);
    draw(t);
    there(t, "no containment");
    there(t, "2 interrupted");
    escape(t); /* the processes have the focus: single letters act */
    there(t, "d interrupted: seen");
    type(t, "d");
    assert_string_equal(buf_str(&t->asked), "dismiss;");
    t->facts.interrupted = 0;
    view_dirty(t->view);
    draw(t);
    type(t, "d"); /* nothing of it is left */
    assert_string_equal(buf_str(&t->asked), "dismiss;");
    not_there(t, "interrupted");
    there(t, "1.2k tok"); /* of the whole channel */
    there(t, "$0.004");
    there(t, "ctx   34k");
    resize(t, 60, 24); /* what matters most stays */
    there(t, "no containment");
    not_there(t, "ctx");
}

static void first_screen(void **state) {
    (void)state;
    struct test *t = &the_test;
    start(t, "xterm-256color", 80, 24);
    draw(t); /* no process at all yet */
    there(t, "Write below.");
    t->inbox = add(t, PROCESS_CHANNEL, "inbox", NULL, "inbox");
    view_show(t->view, t->inbox->handle);
    draw(t);
    there(t, "Second line.");
    type(t, "?");
    there(t, "send the message"); /* first what acts in the composer */
    there(t, "this help");
    there(t, "more below");
    type(t, "\x1b[6~");
    there(t, "cancel the process");
    type(t, "\x1b[6~");
    there(t, ":channel NAME");
    not_there(t, "more below");
    not_there(t, "Second line.");
    escape(t);
    there(t, "Second line.");
    process_remove(t->table, t->inbox->handle);
    draw(t);
    there(t, "Write below.");
}

static void plain_terminal(void **state) {
    (void)state;
    struct test *t = &the_test;
    start(t, "vt100", 80, 24);
    conversation(t);
    there(t, "`-* test-run");
    there(t, "PASS unit/sse");
    for (size_t i = 0; i < t->s.seen.len; i++)
        assert_true((unsigned char)t->s.seen.data[i] < 0x80);
}

/* What a person's own command printed is seen at once, its end where it is long; a model's is
 * folded away. */
static void a_persons_command_is_not_folded(void **state) {
    (void)state;
    struct test *t = &the_test;
    start(t, "xterm-256color", 80, 40);
    conversation(t);
    struct buf lines = BUF_INIT;
    for (int i = 1; i <= 50; i++)
        buf_printf(&lines, "row %d\n", i);
    struct journal_entry *e =
        entry(t, t->inbox, JOURNAL_TOOL, "shell", "call_1", "{\"command\":\"seq 50\"}");
    journal_set_result(&t->inbox->journal, e, "only a model's", 14);
    journal_close(&t->inbox->journal, e);
    e = entry(t, t->inbox, JOURNAL_TOOL, "shell", JOURNAL_PERSON "1", "{\"command\":\"seq 50\"}");
    journal_set_result(&t->inbox->journal, e, buf_str(&lines), lines.len);
    journal_close(&t->inbox->journal, e);
    process_changed(t->table, t->inbox);
    draw(t);
    assert_false(vt_matches(t->s.vt, "only a model"));
    matches(t, " 30 more lines \\(Enter\\)");
    assert_false(vt_matches(t->s.vt, "row 30$"));
    matches(t, "row 31$");
    matches(t, "row 50$");
    buf_free(&lines);
}

/* A warning stands above the composer until the next key; what is wrong stays as long as it is. */
static void warnings_stand_until_seen(void **state) {
    (void)state;
    struct test *t = &the_test;
    start(t, "xterm-256color", 80, 24);
    conversation(t);
    draw(t);
    view_warn(t->view, STYLE_WARN, "the proxy is slow");
    draw(t);
    matches(t, "! the proxy is slow ");
    matches(t, "\\? help"); /* and hides no keys */
    type(t, "a");
    assert_false(vt_matches(t->s.vt, "proxy is slow"));
    t->facts.trouble = "not saved for now: make room";
    t->facts.trouble_word = "not saved";
    view_warn(t->view, STYLE_WARN, "store: paused");
    draw(t);
    matches(t, "! not saved for now: make room ");
    matches(t, "not saved +[0-9]+ running");
    type(t, "b");
    assert_true(vt_matches(t->s.vt, "not saved for now"));
    t->facts.trouble = t->facts.trouble_word = NULL;
    view_dirty(t->view);
    draw(t);
    assert_false(vt_matches(t->s.vt, "not saved"));
    assert_false(vt_matches(t->s.vt, "store: paused"));
    resize(t, 40, 10);
    view_warn(t->view, STYLE_BAD, "a warning that is much longer than this narrow screen is wide");
    draw(t);
    matches(t, "! a warning that is much");
}

static void found(struct test *t, const char *channel, const char *prefix) {
    struct files_found f = {.total = 1};
    f.common = xstrdup("doc/whales.txt");
    strv_push(&f.names, f.common);
    view_files(t->view, channel, prefix, &f);
    files_found_free(&f);
    draw(t);
}

/* Names come when the directory has answered; who has gone on typing is not interrupted. */
static void names_that_come_late_are_not_put_in(void **state) {
    (void)state;
    struct test *t = &the_test;
    start(t, "xterm-256color", 80, 24);
    conversation(t);
    type(t, "see @doc/wh\t");
    assert_string_equal(buf_str(&t->asked), "files inbox doc/wh;");
    type(t, "x");
    found(t, "inbox", "doc/wh");
    screen_row_is(&t->s, 22, "> see @doc/whx");
    type(t, "\x7f");
    found(t, "other", "doc/wh");
    screen_row_is(&t->s, 22, "> see @doc/wh");
    found(t, "inbox", "doc/wh");
    screen_row_is(&t->s, 22, "> see @doc/whales.txt");
    found(t, "inbox", "doc/wh"); /* and not twice */
    screen_row_is(&t->s, 22, "> see @doc/whales.txt");
}

int main(void) {
    setenv("INPUTRC", "/dev/null", 1);
    text_locale();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(names_that_come_late_are_not_put_in, teardown),
        cmocka_unit_test_teardown(focus_80x24, teardown),
        cmocka_unit_test_teardown(wide_200x50, teardown),
        cmocka_unit_test_teardown(narrow_40x10, teardown),
        cmocka_unit_test_teardown(streaming, teardown),
        cmocka_unit_test_teardown(only_what_changed_is_sent, teardown),
        cmocka_unit_test_teardown(hostile_text, teardown),
        cmocka_unit_test_teardown(writing_and_sending, teardown),
        cmocka_unit_test_teardown(interrupting_and_leaving, teardown),
        cmocka_unit_test_teardown(the_tree, teardown),
        cmocka_unit_test_teardown(many_processes, teardown),
        cmocka_unit_test_teardown(scrolling, teardown),
        cmocka_unit_test_teardown(folding, teardown),
        cmocka_unit_test_teardown(live_panes_come_and_go, teardown),
        cmocka_unit_test_teardown(status_line, teardown),
        cmocka_unit_test_teardown(first_screen, teardown),
        cmocka_unit_test_teardown(plain_terminal, teardown),
        cmocka_unit_test_teardown(a_persons_command_is_not_folded, teardown),
        cmocka_unit_test_teardown(warnings_stand_until_seen, teardown),
    };
    return cmocka_run_group_tests_name("pane", tests, NULL, NULL);
}
