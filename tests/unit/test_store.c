/* store: what is written comes back, in order; who waits is called when it is safe; and an
 * operation that breaks a rule fails alone. Disks that refuse are in test_store_disk.c. */
#include "store/store.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "store/queries.gen.h"

static char dir[64], path[96];
static struct loop *loop;
static struct store *store;
static struct buf heard; /* what callbacks were told, as text */

static void open_store(enum loop_mode mode) {
    struct cause why = {""};
    loop = loop_new(mode);
    if (store_open(loop, path, &store, &why) != STATUS_OK)
        fail_msg("%s", why.text);
}

static void close_store(void) {
    struct cause why = {""};
    if (store_close(&store, &why) != STATUS_OK)
        fail_msg("%s", why.text);
    assert_null(store);
    loop_turn(loop, 0); /* the loop has forgotten it */
    loop_free(&loop);
}

static int make_dir(void **state) {
    (void)state;
    strcpy(dir, "/tmp/test_store.XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/spacebot.db", dir);
    char name[96];
    snprintf(name, sizeof(name), "%s/log", dir);
    return log_open(name, NULL) == STATUS_OK ? 0 : -1;
}

static int remove_dir(void **state) {
    (void)state;
    log_close();
    char *cmd = xasprintf("rm -rf %s", dir);
    int rc = system(cmd);
    free(cmd);
    return rc;
}

static int setup(void **state) {
    if (make_dir(state) != 0)
        return -1;
    open_store(LOOP_REAL);
    return 0;
}

static int setup_inline(void **state) {
    if (make_dir(state) != 0)
        return -1;
    clock_set_virtual(INT64_C(1795000000000));
    open_store(LOOP_INLINE);
    return 0;
}

static int teardown(void **state) {
    buf_free(&heard);
    if (store)
        close_store();
    clock_set_real();
    return remove_dir(state);
}

static void hear(void *arg, enum status st, const char *why) {
    const char *what = why[0] ? strchr(why, ':') : NULL;
    buf_printf(&heard, "%s=%s%s ", (const char *)arg, status_name(st), what ? what : why);
}

static void expect_heard(const char *text) {
    assert_string_equal(buf_str(&heard), text);
    buf_free(&heard);
}

static void flush(void) {
    struct cause why = {""};
    if (store_drain(store, 30 * NS_PER_SEC, &why) != STATUS_OK)
        fail_msg("%s", why.text);
}

static void add_channel(const char *id) {
    store_channel_touch(store, id, "terminal", NULL, NULL, NULL, 1000);
}

static uint64_t add_message(const char *channel, const char *id, const char *content) {
    return store_message_insert(store, &(struct store_message_insert){.id = id,
                                                                      .channel_id = channel,
                                                                      .role = "user",
                                                                      .content = content,
                                                                      .created_at = 1000});
}

static bool message_row(void *arg, const struct q_messages_newest_row *row) {
    buf_printf(arg, "%d:%s:%s ", (int)row->seq, row->id, row->content);
    return true;
}

static void expect_messages(const char *channel, int64_t limit, const char *text) {
    struct buf got = BUF_INIT;
    struct cause why = {""};
    if (q_messages_newest(store_read(store), channel, limit, message_row, &got, &why) != STATUS_OK)
        fail_msg("%s", why.text);
    assert_string_equal(buf_str(&got), text);
    buf_free(&got);
}

/* ---- rows ---- */

static void test_channels(void **state) {
    (void)state;
    struct q_channel_row row;
    struct cause why = {"untouched"};
    assert_int_equal(q_channel(store_read(store), "inbox", &row, &why), STATUS_NOT_FOUND);
    assert_string_equal(why.text, "untouched");
    assert_null(row.id);

    store_channel_touch(store, "inbox", "terminal", "Iníbox", "/home/x", NULL, 10);
    store_channel_touch(store, "inbox", "ignored", NULL, NULL, "a/b", 30);
    store_channel_touch(store, "inbox", "ignored", NULL, NULL, NULL, 20);
    flush();
    assert_int_equal(q_channel(store_read(store), "inbox", &row, &why), STATUS_OK);
    assert_string_equal(row.platform, "terminal");
    assert_string_equal(row.display_name, "Iníbox");
    assert_string_equal(row.workspace, "/home/x");
    assert_string_equal(row.model, "a/b");
    assert_int_equal(row.created_at, 10);
    assert_int_equal(row.last_activity_at, 30);
    q_channel_free(&row);
    assert_null(row.id);
}

static void test_messages(void **state) {
    (void)state;
    add_channel("a");
    add_channel("b");
    add_message("a", "a1", "one");
    add_message("b", "b1", "uno");
    add_message("a", "a2", "");
    add_message("a", "a3", "thr€e");
    flush();
    expect_messages("a", 10, "1:a1:one 2:a2: 3:a3:thr€e ");
    expect_messages("a", 2, "2:a2: 3:a3:thr€e ");
    expect_messages("b", 10, "1:b1:uno ");
    expect_messages("c", 10, "");
}

static bool count_worker(void *arg, const struct q_workers_recent_row *row) {
    buf_printf(arg, "%s:%s:%s:%d:%.2f ", row->id, row->lifecycle,
               row->outcome_summary ? row->outcome_summary : "-", (int)row->input_tokens,
               row->cost_usd);
    return true;
}

static uint64_t add_worker(const char *id, int64_t at) {
    return store_worker_insert(
        store, &(struct store_worker_insert){
                   .id = id, .channel_id = "inbox", .task = "count", .started_at = at});
}

static void end_worker(const char *id, const char *from, const char *outcome) {
    store_worker_end(store, &(struct store_worker_end){.id = id,
                                                       .from = from,
                                                       .outcome = outcome,
                                                       .outcome_summary = "counted",
                                                       .result = "42",
                                                       .terminal_owner = "worker",
                                                       .transcript = "\0[]",
                                                       .transcript_len = 3,
                                                       .tool_calls = 2,
                                                       .completed_at = 99});
}

static void test_workers(void **state) {
    (void)state;
    add_channel("inbox");
    add_worker("aa-1", 10);
    add_worker("ab-2", 20);
    store_after(store, store_worker_transition(store, "created", "running", "aa-1"), hear, "move");
    store_after(store, store_worker_transition(store, "created", "failed", "ab-2"), hear, "end");
    end_worker("aa-1", "created", "failed"); /* it is not where it should be */
    end_worker("aa-1", "running", "succeeded");
    end_worker("aa-1", "running", "failed"); /* it has ended: the first commit stands */
    store_usage_add(store, &(struct store_usage_add){.process_id = "worker:aa-1",
                                                     .day = "2026-11-24",
                                                     .provider = "p",
                                                     .model = "m",
                                                     .cost_status = "known",
                                                     .agent_id = "main",
                                                     .process_type = "worker",
                                                     .conversation_id = "inbox",
                                                     .input_tokens = 7,
                                                     .request_count = 1,
                                                     .estimated_cost_usd = 0.25});
    flush();
    expect_heard("move=ok end=invalid: CHECK constraint failed: lifecycle_fits_outcome ");

    struct buf got = BUF_INIT;
    struct cause why = {""};
    assert_int_equal(q_workers_recent(store_read(store), NULL, 10, count_worker, &got, &why),
                     STATUS_OK);
    assert_string_equal(buf_str(&got), "ab-2:created:-:0:0.00 aa-1:succeeded:counted:7:0.25 ");
    buf_reset(&got);
    assert_int_equal(q_workers_recent(store_read(store), "other", 10, count_worker, &got, &why),
                     STATUS_OK);
    assert_string_equal(buf_str(&got), "");
    buf_free(&got);

    struct q_worker_row row;
    assert_int_equal(q_worker(store_read(store), "aa-1", &row, &why), STATUS_OK);
    assert_int_equal(row.outcome_version, 1);
    assert_int_equal(row.transcript_len, 3);
    assert_memory_equal(row.transcript, "\0[]", 3);
    assert_false(row.completed_at_null);
    assert_int_equal(row.completed_at, 99);
    q_worker_free(&row);

    add_worker("ac-3", 30);
    store_worker_transition(store, "created", "running", "ac-3");
    store_worker_wait(store, "ac-3", 1234, 2, "so far", "[]", 2);
    add_worker("ad-4", 40);
    store_worker_transition(store, "created", "running", "ad-4");
    store_worker_transition(store, "running", "cancelling", "ad-4");
    store_workers_reconcile(store, "interrupted", 123);
    flush();
    assert_int_equal(q_worker(store_read(store), "ac-3", &row, &why), STATUS_OK);
    assert_string_equal(row.lifecycle, "waiting_for_input"); /* it can go on */
    assert_string_equal(row.result, "so far");
    assert_null(row.outcome_kind);
    q_worker_free(&row);
    assert_int_equal(q_worker(store_read(store), "ad-4", &row, &why), STATUS_OK);
    assert_string_equal(row.outcome_kind, "cancelled");
    q_worker_free(&row);
    assert_int_equal(q_worker(store_read(store), "ab-2", &row, &why), STATUS_OK);
    assert_string_equal(row.lifecycle, "failed");
    assert_string_equal(row.terminal_owner, "reconcile");
    assert_null(row.transcript);
    q_worker_free(&row);
}

static bool tool_row(void *arg, const struct q_tools_of_process_row *row) {
    buf_printf(arg, "%s:%s:%s:%d ", row->call_id, row->state, row->result ? row->result : "-",
               row->is_error_null ? -1 : (int)row->is_error);
    return true;
}

static void expect_tools(const char *text) {
    struct buf got = BUF_INIT;
    struct cause why = {""};
    assert_int_equal(q_tools_of_process(store_read(store), "worker:w", tool_row, &got, &why),
                     STATUS_OK);
    assert_string_equal(buf_str(&got), text);
    buf_free(&got);
}

static void test_tool_runs(void **state) {
    (void)state;
    store_tool_intend(store, "worker:w", "inbox", "c1", "shell", "{}", 1);
    store_after(store, store_tool_intend(store, "worker:w", "inbox", "c1", "shell", "{}", 2), hear,
                "twice");
    store_tool_done(store, 0, 5, "fine", "worker:w", "c1");
    store_after(store, store_tool_done(store, 0, 6, "again", "worker:w", "c1"), hear, "done");
    /* The same id once more is another call. */
    store_tool_intend(store, "worker:w", "inbox", "c1", "shell", "{}", 7);
    flush();
    expect_heard("twice=exists: UNIQUE constraint failed: tool_runs.process_id, tool_runs.call_id "
                 "done=not_found: no row is in the state it should be in ");
    expect_tools("c1:done:fine:0 c1:intended:-:-1 ");
    store_tools_interrupt(store, 9);
    store_tool_dismiss(store, 10, "c1");
    store_after(store, store_tool_dismiss(store, 11, "c1"), hear, "dismissed");
    flush();
    expect_tools("c1:done:fine:0 c1:interrupted:-:-1 ");
    expect_heard("dismissed=not_found: no row is in the state it should be in ");
}

static bool journal_row(void *arg, const struct q_journal_row *row) {
    buf_printf(arg, "%d:%s:%s%s ", (int)row->seq, row->kind, row->text,
               row->interrupted ? "!" : "");
    return true;
}

static void add_entry(const char *process, int64_t seq, const char *text, bool interrupted) {
    store_journal_append(store, &(struct store_journal_append){.process_id = process,
                                                               .seq = seq,
                                                               .kind = "text",
                                                               .text = text,
                                                               .interrupted = interrupted});
}

static void test_journal(void **state) {
    (void)state;
    add_entry("worker:abc", 1, "one", false);
    add_entry("worker:abc", 2, "two", false);
    add_entry("worker:abd", 1, "other", false);
    add_entry("worker:abc", 2, "two, cut", true); /* replaces */
    flush();
    struct buf got = BUF_INIT;
    struct cause why = {""};
    struct store_read *r = store_read(store);
    assert_int_equal(q_journal(r, "worker:abc", 1, 10, journal_row, &got, &why), STATUS_OK);
    assert_string_equal(buf_str(&got), "1:text:one 2:text:two, cut! ");
    buf_reset(&got);
    assert_int_equal(q_journal(r, "worker:abc", 2, 10, journal_row, &got, &why), STATUS_OK);
    assert_string_equal(buf_str(&got), "2:text:two, cut! ");
    buf_free(&got);

    struct q_journal_process_from_row id;
    assert_int_equal(q_journal_process_from(r, "worker:ab", "worker:ac", &id, &why), STATUS_OK);
    assert_string_equal(id.process_id, "worker:abc");
    q_journal_process_from_free(&id);
    assert_int_equal(q_journal_process_from(r, "worker:abd", "worker:ac", &id, &why), STATUS_OK);
    assert_string_equal(id.process_id, "worker:abd");
    q_journal_process_from_free(&id);
    assert_int_equal(q_journal_process_from(r, "worker:b", "worker:c", &id, &why),
                     STATUS_NOT_FOUND);

    struct q_journal_last_row last;
    assert_int_equal(q_journal_last(r, "worker:abc", &last, &why), STATUS_OK);
    assert_int_equal(last.seq, 2);
    assert_int_equal(q_journal_last(r, "nobody", &last, &why), STATUS_OK);
    assert_int_equal(last.seq, 0);
}

static bool partial_row(void *arg, const struct q_partials_row *row) {
    buf_printf(arg, "%s:%s ", row->process_id, row->text);
    return true;
}

/* Pieces come back a process at a time, in the order in which they were written. */
static void test_partials(void **state) {
    (void)state;
    store_partial_add(store, 1, "worker:b", "inbox", "thr", 1);
    store_partial_add(store, 2, "worker:a", "inbox", "one", 1);
    store_partial_add(store, 3, "worker:b", "inbox", "ee", 2);
    store_partial_add(store, 4, "worker:a", NULL, "gone", 3);
    store_partial_delete(store, 4);
    flush();
    struct buf got = BUF_INIT;
    struct cause why = {""};
    assert_int_equal(q_partials(store_read(store), partial_row, &got, &why), STATUS_OK);
    assert_string_equal(buf_str(&got), "worker:a:one worker:b:thr worker:b:ee ");
    buf_reset(&got);
    store_partials_clear(store);
    flush();
    assert_int_equal(q_partials(store_read(store), partial_row, &got, &why), STATUS_OK);
    assert_string_equal(buf_str(&got), "");
    buf_free(&got);
}

static void test_usage(void **state) {
    (void)state;
    struct store_usage_add u = {.process_id = "channel:inbox",
                                .day = "2026-11-24",
                                .provider = "p",
                                .model = "m",
                                .cost_status = "known",
                                .agent_id = "main",
                                .process_type = "channel",
                                .conversation_id = "inbox",
                                .input_tokens = 100,
                                .output_tokens = 10,
                                .request_count = 1,
                                .estimated_cost_usd = 0.5};
    store_usage_add(store, &u);
    store_usage_add(store, &u);
    u.cost_status = "estimated";
    store_usage_add(store, &u);
    u.day = "2026-11-25";
    store_usage_add(store, &u);
    u.day = "yesterday";
    store_after(store, store_usage_add(store, &u), hear, "day");
    flush();
    assert_non_null(strstr(buf_str(&heard), "day=invalid: CHECK constraint failed"));
    buf_free(&heard);
    struct q_usage_of_channel_row channel;
    struct q_usage_of_day_row day;
    struct cause why = {""};
    assert_int_equal(q_usage_of_channel(store_read(store), "inbox", &channel, &why), STATUS_OK);
    assert_int_equal(channel.input_tokens, 400);
    assert_int_equal(channel.requests, 4);
    assert_int_equal(channel.estimated_rows, 2);
    assert_true(channel.cost_usd > 1.99 && channel.cost_usd < 2.01);
    assert_int_equal(q_usage_of_day(store_read(store), "2026-11-24", &day, &why), STATUS_OK);
    assert_int_equal(day.input_tokens, 300);
    assert_int_equal(q_usage_of_day(store_read(store), "2026-01-01", &day, &why), STATUS_OK);
    assert_int_equal(day.requests, 0);
}

/* ---- order and waiting ---- */

static void test_sequence(void **state) {
    (void)state;
    assert_int_equal(store_seq(store), 0);
    add_channel("a");
    assert_int_equal(store_seq(store), 1);
    assert_int_equal(store_committed(store), 0);
    assert_int_equal(add_message("a", "m1", "x"), 2);
    flush();
    assert_int_equal(store_committed(store), 2);
    assert_int_equal(add_message("a", "m2", "x"), 3);
}

static void test_after_across_batches(void **state) {
    (void)state;
    add_channel("a");
    uint64_t one = add_message("a", "m1", "1");
    store_after(store, one, hear, "first");
    assert_true(loop_turn(loop, -1)); /* the first batch is on its way */
    uint64_t two = add_message("a", "m2", "2"), three = add_message("a", "m3", "3");
    store_after(store, three, hear, "third");
    store_after(store, two, hear, "second");
    store_after(store, one, hear, "first again");
    store_after(store, two, hear, "second again");
    while (store_committed(store) < three)
        loop_turn(loop, -1);
    expect_heard("first=ok first again=ok second=ok second again=ok third=ok ");
}

static void test_after_when_committed(void **state) {
    (void)state;
    add_channel("a");
    uint64_t good = add_message("a", "m1", "1"), bad = add_message("a", "m1", "2");
    flush();
    store_after(store, good, hear, "good");
    store_after(store, bad, hear, "bad");
    store_after(store, 0, hear, "refused");
    store_after(store, 99, hear, "never");
    assert_int_equal(heard.len, 0); /* never from within the call */
    while (!heard.len)
        loop_turn(loop, -1);
    expect_heard("refused=limit: it was not written "
                 "never=invalidno such write was made "
                 "good=ok bad=exists: UNIQUE constraint failed: conversation_messages.id ");
}

static struct store_after *other;

static void cancel_other(void *arg, enum status st, const char *why) {
    hear(arg, st, why);
    store_after_cancel(&other);
    assert_null(other);
    store_after(store, 1, hear, "late");
}

static void test_after_cancel(void **state) {
    (void)state;
    add_channel("a");
    struct store_after *gone = store_after(store, 1, hear, "gone");
    store_after(store, 1, cancel_other, "one");
    other = store_after(store, 1, hear, "other");
    store_after_cancel(&gone);
    store_after_cancel(&gone);
    flush();
    expect_heard("one=ok ");
    flush();
    expect_heard("late=ok ");
}

static void test_fails_alone(void **state) {
    (void)state;
    add_channel("a");
    store_after(store, add_message("a", "m1", "1"), hear, "m1");
    store_after(store, add_message("a", "m1", "2"), hear, "same");
    store_after(store, add_message("nowhere", "m2", "3"), hear, "channel");
    store_after(store, add_message("a", "m3", NULL), hear, "null");
    store_after(store, add_message("a", "m4", "4"), hear, "m4");
    flush();
    expect_heard("m1=ok same=exists: UNIQUE constraint failed: conversation_messages.id "
                 "channel=invalid: FOREIGN KEY constraint failed "
                 "null=invalid: content may not be NULL m4=ok ");
    expect_messages("a", 10, "1:m1:1 2:m4:4 ");
    assert_int_equal(store_state(store), STORE_RUNNING);
}

/* Arguments are copied when the write is made. */
static void test_copies(void **state) {
    (void)state;
    char text[] = "before";
    add_channel("a");
    add_message("a", "m1", text);
    strcpy(text, "after!");
    flush();
    expect_messages("a", 10, "1:m1:before ");
}

struct batches {
    int n;
    uint64_t rows;
};

static void count_batch(void *arg, uint64_t rows, int64_t start_ns, int64_t end_ns,
                        enum status st) {
    struct batches *b = arg;
    b->n++;
    b->rows += rows;
    assert_int_equal(st, STATUS_OK);
    assert_true(start_ns <= end_ns);
    assert_true(end_ns <= clock_mono_ns());
}

static void test_one_batch_a_turn(void **state) {
    (void)state;
    struct batches b = {0};
    store_on_batch(store, count_batch, &b);
    add_channel("a");
    for (int i = 0; i < 100; i++) {
        char id[16];
        snprintf(id, sizeof(id), "m%d", i);
        add_message("a", id, "x");
    }
    flush();
    assert_int_equal(b.n, 1);
    assert_int_equal(b.rows, 101);
}

/* ---- reading ---- */

static bool first_row(void *arg, const struct q_messages_newest_row *row) {
    (void)row;
    ++*(int *)arg;
    return false;
}

static bool nested(void *arg, const struct q_messages_newest_row *row) {
    struct buf inner = BUF_INIT;
    struct cause why = {""};
    assert_int_equal(q_messages_newest(store_read(store), "a", row->seq, message_row, &inner, &why),
                     STATUS_OK);
    buf_printf(arg, "[%s]", buf_str(&inner));
    buf_free(&inner);
    return true;
}

static void test_reads(void **state) {
    (void)state;
    struct buf got = BUF_INIT;
    struct cause why = {""};
    int n = 0;
    add_channel("a");
    add_message("a", "m1", "1");
    add_message("a", "m2", "2");
    flush();
    assert_int_equal(q_messages_newest(store_read(store), "a", 9, first_row, &n, &why), STATUS_OK);
    assert_int_equal(n, 1);
    assert_int_equal(q_messages_newest(store_read(store), "a", 9, nested, &got, &why), STATUS_OK);
    assert_string_equal(buf_str(&got), "[2:m2:2 ][1:m1:1 2:m2:2 ]");
    buf_free(&got);
}

static void test_read_limit(void **state) {
    (void)state;
    int n = 0;
    struct cause why = {""};
    add_channel("a");
    for (int i = 0; i < 2000; i++) {
        char id[16];
        snprintf(id, sizeof(id), "m%d", i);
        add_message("a", id, "x");
    }
    flush();
    store_read_limit(store_read(store), 1);
    assert_int_equal(q_messages_newest(store_read(store), "a", 2000, first_row, &n, &why),
                     STATUS_TIMEOUT);
    assert_non_null(strstr(why.text, "messages_newest took longer than"));
    assert_int_equal(n, 0);
    store_read_limit(store_read(store), 0);
    assert_int_equal(q_messages_newest(store_read(store), "a", 2000, first_row, &n, &why),
                     STATUS_OK);
    assert_int_equal(n, 1);
    loop_turn(loop, 0); /* asserts that nothing is left open */
}

static void test_readonly_beside_writer(void **state) {
    (void)state;
    struct store_read *r;
    struct cause why = {""};
    struct buf got = BUF_INIT;
    add_channel("a");
    add_message("a", "m1", "1");
    flush();
    assert_int_equal(store_open_readonly(path, &r, &why), STATUS_OK);
    add_message("a", "m2", "2");
    assert_int_equal(q_messages_newest(r, "a", 9, message_row, &got, &why), STATUS_OK);
    assert_string_equal(buf_str(&got), "1:m1:1 ");
    buf_reset(&got);
    flush();
    assert_int_equal(q_messages_newest(r, "a", 9, message_row, &got, &why), STATUS_OK);
    assert_string_equal(buf_str(&got), "1:m1:1 2:m2:2 ");
    buf_free(&got);
    close_store();
    /* Without an engine it goes on. */
    assert_int_equal(q_messages_newest(r, "a", 9, message_row, &got, &why), STATUS_OK);
    assert_string_equal(buf_str(&got), "1:m1:1 2:m2:2 ");
    buf_free(&got);
    store_read_close(&r);
    assert_null(r);
}

static void test_files(void **state) {
    (void)state;
    struct stat sb;
    assert_string_equal(store_path(store), path);
    add_channel("a");
    flush();
    assert_true(store_bytes(store) > 4096);
    assert_int_equal(stat(path, &sb), 0);
    assert_int_equal(sb.st_mode & 0777, 0600);
    close_store();
    char *log = xasprintf("%s-wal", path);
    assert_int_not_equal(access(log, F_OK), 0); /* closed well: nothing is left beside the file */
    free(log);
    open_store(LOOP_REAL);
    assert_int_equal(store_seq(store), 0); /* counts from 1 in each run */
}

/* ---- inline ---- */

static int threads(void) {
    int n = 0;
    char line[128];
    FILE *f = fopen("/proc/self/status", "r");
    assert_non_null(f);
    while (fgets(line, sizeof(line), f))
        sscanf(line, "Threads: %d", &n);
    fclose(f);
    return n;
}

static void hear_when(void *arg, enum status st, const char *why) {
    (void)why;
    buf_printf(&heard, "%s=%s@%llu/%lld ", (const char *)arg, status_name(st),
               (unsigned long long)loop_turns(loop), (long long)loop_now_ns(loop));
}

static void tick(void *arg) {
    (void)arg;
    store_after(store, add_message("a", "m2", "2"), hear_when, "timer");
}

static char *script(void) {
    add_channel("a");
    store_after(store, add_message("a", "m1", "1"), hear_when, "one");
    store_after(store, add_message("a", "m1", "1"), hear_when, "bad");
    loop_timer(loop, 5 * NS_PER_MS, tick, NULL, "test");
    while (store_committed(store) < 4)
        loop_turn(loop, -1);
    return buf_steal(&heard);
}

static void test_inline(void **state) {
    int before = threads();
    char *first = script();
    assert_int_equal(threads(), before);
    assert_non_null(strstr(first, "one=ok@2/0 bad=exists@2/0 timer=ok@4/5000000 "));
    teardown(state);
    setup_inline(state);
    char *second = script();
    assert_string_equal(first, second);
    free(first);
    free(second);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_channels),
        T(test_messages),
        T(test_workers),
        T(test_tool_runs),
        T(test_journal),
        T(test_partials),
        T(test_usage),
        T(test_sequence),
        T(test_after_across_batches),
        T(test_after_when_committed),
        T(test_after_cancel),
        T(test_fails_alone),
        T(test_copies),
        T(test_one_batch_a_turn),
        T(test_reads),
        T(test_read_limit),
        T(test_readonly_beside_writer),
        T(test_files),
        cmocka_unit_test_setup_teardown(test_inline, setup_inline, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
