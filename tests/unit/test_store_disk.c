/* store: what it does when the disk refuses, when it is killed, and when the file is not what it
 * should be. Nothing acknowledged may be missing, nothing may be there twice, and the loop never
 * waits. */
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/db.h"
#include "store/queries.gen.h"
#include "store/query.h"
#include "tests/lib/disk.h"

static char dir[64], path[96];
static struct loop *loop;
static struct store *store;
static struct buf heard;

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
    loop_turn(loop, 0); /* the loop has forgotten it */
    loop_free(&loop);
}

static int setup_dir(void **state) {
    (void)state;
    strcpy(dir, "/tmp/test_store_disk.XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/spacebot.db", dir);
    char name[96];
    snprintf(name, sizeof(name), "%s/log", dir);
    return log_open(name, NULL) == STATUS_OK ? 0 : -1;
}

static int setup_real(void **state) {
    if (setup_dir(state) != 0)
        return -1;
    disk_install();
    open_store(LOOP_REAL);
    return 0;
}

static int setup_inline(void **state) {
    if (setup_dir(state) != 0)
        return -1;
    disk_install();
    clock_set_virtual(INT64_C(1795000000000));
    open_store(LOOP_INLINE);
    return 0;
}

static int teardown_dir(void **state) {
    (void)state;
    log_close();
    buf_free(&heard);
    char *cmd = xasprintf("rm -rf %s", dir);
    int rc = system(cmd);
    free(cmd);
    return rc;
}

static int teardown(void **state) {
    if (store)
        close_store();
    disk_remove();
    clock_set_real();
    return teardown_dir(state);
}

static void hear(void *arg, enum status st, const char *why) {
    (void)why;
    buf_printf(&heard, "%s=%s ", (const char *)arg, status_name(st));
}

static void hear_state(void *arg, enum store_state st, const char *why) {
    (void)arg;
    buf_printf(&heard, "<%s%s%s> ", store_state_name(st), why[0] ? ": " : "", why);
}

static void hear_batch(void *arg, uint64_t rows, int64_t start_ns, int64_t end_ns, enum status st) {
    (void)arg;
    (void)start_ns;
    (void)end_ns;
    buf_printf(&heard, "(%d %s) ", (int)rows, status_name(st));
}

static void expect_heard(const char *text) {
    assert_string_equal(buf_str(&heard), text);
    buf_free(&heard);
}

static uint64_t add_message(const char *id, const char *content) {
    return store_message_insert(
        store,
        &(struct store_message_insert){
            .id = id, .channel_id = "a", .role = "user", .content = content, .created_at = 1000});
}

static void add_channel(void) { store_channel_touch(store, "a", "terminal", NULL, NULL, NULL, 1); }

static int64_t count_messages(struct store_read *r) {
    struct q_messages_count_row row;
    struct cause why = {""};
    if (q_messages_count(r, "a", &row, &why) != STATUS_OK)
        fail_msg("%s", why.text);
    return row.messages;
}

static void turn_until(uint64_t seq) {
    while (store_committed(store) < seq)
        loop_turn(loop, -1);
}

/* ---- a disk that refuses ---- */

/* Three attempts fail, the fourth does it: nothing is lost, nothing is there twice. */
static void refused_for_a_while(void (*refuse)(int code, int times), int code, const char *why) {
    struct cause ignored;
    add_channel();
    turn_until(1);
    store_on_state(store, hear_state, NULL);
    store_on_batch(store, hear_batch, NULL);
    refuse(code, 3);
    store_after(store, add_message("m1", "1"), hear, "m1");
    store_after(store, add_message("m1", "twice"), hear, "twice");
    store_after(store, add_message("m2", "2"), hear, "m2");
    turn_until(4);
    loop_turn(loop, 0);
    char *expected = xasprintf("(3 io) <paused: %s> (3 io) (3 io) (3 ok) <running> "
                               "m1=ok twice=exists m2=ok ",
                               why);
    expect_heard(expected);
    free(expected);
    assert_int_equal(disk_failed(), 3);
    assert_int_equal(count_messages(store_read(store)), 2);
    /* And so it is on the disk. */
    disk_fail_writes(SQLITE_OK, 0);
    close_store();
    struct store_read *r;
    assert_int_equal(store_open_readonly(path, &r, &ignored), STATUS_OK);
    assert_int_equal(count_messages(r), 2);
    store_read_close(&r);
}

static void test_full_disk(void **state) {
    (void)state;
    refused_for_a_while(disk_fail_writes, SQLITE_FULL, "the disk is full");
}

static void test_write_error(void **state) {
    (void)state;
    refused_for_a_while(disk_fail_writes, SQLITE_IOERR_WRITE, "disk I/O error");
}

static void test_sync_error(void **state) {
    (void)state;
    refused_for_a_while(disk_fail_syncs, SQLITE_IOERR_FSYNC, "disk I/O error");
}

/* Pauses between attempts grow, and writes made meanwhile follow in order. */
static void test_backoff(void **state) {
    (void)state;
    add_channel();
    turn_until(1);
    int64_t start = loop_now_ns(loop);
    disk_fail_writes(SQLITE_FULL, 4);
    store_after(store, add_message("m1", "1"), hear, "m1");
    while (store_state(store) == STORE_RUNNING)
        loop_turn(loop, -1);
    assert_string_equal(store_state_why(store), "the disk is full");
    store_after(store, add_message("m2", "2"), hear, "m2");
    turn_until(3);
    expect_heard("m1=ok m2=ok ");
    /* 250 + 500 + 1000 + 2000 ms of virtual time */
    assert_int_equal((loop_now_ns(loop) - start) / NS_PER_MS, 3750);
    assert_string_equal(store_state_why(store), "");
}

static void test_drain_gives_up(void **state) {
    (void)state;
    struct cause why = {""};
    add_channel();
    turn_until(1);
    disk_fail_writes(SQLITE_FULL, -1);
    store_after(store, add_message("m1", "1"), hear, "m1");
    assert_int_equal(store_drain(store, 120 * NS_PER_MS, &why), STATUS_TIMEOUT);
    assert_string_equal(why.text, "1 writes are not on disk: the disk is full");
    assert_true(disk_failed() >= 2); /* it tried */
    expect_heard("");
    disk_fail_writes(SQLITE_OK, 0);
    assert_int_equal(store_drain(store, 30 * NS_PER_SEC, &why), STATUS_OK);
    expect_heard("m1=ok ");
}

static void count(void *arg) { ++*(int *)arg; }

/* While the disk hangs, turns go on and timers fire; what is written meanwhile waits. */
static void test_loop_never_waits(void **state) {
    (void)state;
    add_channel();
    turn_until(1);
    disk_hold(true);
    store_after(store, add_message("m1", "1"), hear, "m1");
    loop_turn(loop, 0);
    disk_wait_held();
    int fired = 0;
    for (int i = 0; i < 5; i++) {
        loop_timer(loop, 0, count, &fired, "test");
        while (fired == i)
            loop_turn(loop, -1);
    }
    store_after(store, add_message("m2", "2"), hear, "m2");
    loop_turn(loop, 0);
    assert_int_equal(store_committed(store), 1);
    assert_int_equal(count_messages(store_read(store)), 0);
    expect_heard("");
    disk_hold(false);
    turn_until(3);
    expect_heard("m1=ok m2=ok ");
}

/* Each acknowledged batch was synced, and each with one sync. */
static void test_one_sync_a_batch(void **state) {
    (void)state;
    add_channel();
    turn_until(1);
    int before = disk_syncs();
    for (int i = 0; i < 3; i++) {
        char id[2][16];
        snprintf(id[0], sizeof(id[0]), "a%d", i);
        snprintf(id[1], sizeof(id[1]), "b%d", i);
        add_message(id[0], "x");
        turn_until(add_message(id[1], "y"));
    }
    assert_int_equal(disk_syncs() - before, 3);
}

static void test_queue_bound(void **state) {
    (void)state;
    struct cause why = {""};
    size_t n = 1024 * 1024;
    char *text = xmalloc(n + 1);
    memset(text, 'x', n);
    text[n] = '\0';
    add_channel();
    turn_until(1);
    store_on_state(store, hear_state, NULL);
    disk_hold(true);
    uint64_t last = 0, seq = 0;
    char id[16];
    int i = 0;
    do {
        last = seq;
        snprintf(id, sizeof(id), "m%d", i++);
        seq = add_message(id, text);
        loop_turn(loop, 0);
    } while (seq);
    assert_int_equal(i, 64); /* the 64th would have passed it by its head */
    assert_true(store_pending_bytes(store) <= STORE_QUEUE_MAX);
    assert_int_equal(add_message("small", "x"), 0); /* nothing overtakes what was refused */
    store_after(store, 0, hear, "refused");
    loop_turn(loop, 0);
    expect_heard("<full: 64 MB wait to be written, nothing more is accepted> refused=limit ");
    disk_hold(false);
    assert_int_equal(store_drain(store, 60 * NS_PER_SEC, &why), STATUS_OK);
    expect_heard("<running> ");
    assert_int_equal(count_messages(store_read(store)), (int64_t)last - 1);
    assert_int_equal(add_message("small", "x"), last + 1);
    free(text);
}

static int64_t log_bytes(void) {
    struct stat sb;
    char *name = xasprintf("%s-wal", path);
    int64_t n = stat(name, &sb) == 0 ? (int64_t)sb.st_size : 0;
    free(name);
    return n;
}

/* Writes about 8 MB in batches of 1 MB. */
static void write_much(const char *prefix, const char *text) {
    for (int i = 0; i < 8; i++) {
        char id[64]; /* any prefix of 31 bytes, and a number */
        snprintf(id, sizeof(id), "%s%d", prefix, i);
        turn_until(add_message(id, text));
    }
}

/* The log is used again from its start when nobody reads it; a reader that stays makes it grow; and
 * when he has gone, it is cut. */
static void test_checkpoints(void **state) {
    (void)state;
    size_t n = 1024 * 1024;
    char *text = xmalloc(n + 1), prefix[32];
    memset(text, 'x', n);
    text[n] = '\0';
    add_channel();
    turn_until(1);
    for (int i = 0; i < 3; i++) {
        snprintf(prefix, sizeof(prefix), "free%d.", i);
        write_much(prefix, text);
    }
    assert_true(log_bytes() < INT64_C(16) * 1024 * 1024);

    sqlite3 *reader;
    assert_int_equal(sqlite3_open_v2(path, &reader, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(reader, "BEGIN; SELECT * FROM channels", NULL, NULL, NULL),
                     SQLITE_OK);
    for (int i = 0; i < 9; i++) {
        snprintf(prefix, sizeof(prefix), "read%d.", i);
        write_much(prefix, text);
    }
    assert_true(log_bytes() > INT64_C(64) * 1024 * 1024);
    sqlite3_close(reader);
    write_much("gone", text);
    assert_true(log_bytes() < INT64_C(16) * 1024 * 1024);
    free(text);
}

/* ---- a process that is killed ---- */

struct ack {
    uint64_t n;
    int fd;
};

static void acknowledge(void *arg, enum status st, const char *why) {
    struct ack *a = arg;
    (void)why;
    if (st != STATUS_OK || write(a->fd, &a->n, sizeof(a->n)) != sizeof(a->n))
        _exit(1);
    free(a);
}

/* Writes messages, and says on the pipe which are safe, until it is killed. */
static void writing_child(int fd) {
    open_store(LOOP_REAL);
    add_channel();
    for (uint64_t i = 1;; i++) {
        char id[32];
        snprintf(id, sizeof(id), "m%llu", (unsigned long long)i);
        struct ack *a = xmalloc(sizeof(*a));
        *a = (struct ack){i, fd};
        store_after(store, add_message(id, id), acknowledge, a);
        loop_turn(loop, i % 7 ? 0 : -1);
    }
}

static bool note_id(void *arg, const struct q_messages_newest_row *row) {
    uint64_t *n = arg;
    char id[32];
    snprintf(id, sizeof(id), "m%llu", (unsigned long long)++*n);
    assert_string_equal(row->id, id); /* without a gap, none twice */
    assert_int_equal(row->seq, *n);
    return true;
}

static void expect_intact(void) {
    sqlite3 *db;
    sqlite3_stmt *st;
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &st, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(st, 0), "ok");
    sqlite3_finalize(st);
    sqlite3_close(db);
}

static void test_killed(void **state) {
    (void)state;
    struct cause why = {""};
    uint64_t acknowledged = 0, all = 0;
    for (int round = 0; round < 3; round++) {
        unlink(path);
        int fds[2];
        assert_int_equal(pipe(fds), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            close(fds[0]);
            writing_child(fds[1]);
            _exit(1);
        }
        close(fds[1]);
        /* At another moment each round; what it said before it died is in the pipe. */
        uint64_t n, wanted = (uint64_t)round * 37 + 20;
        acknowledged = 0;
        while (read(fds[0], &n, sizeof(n)) == sizeof(n)) {
            assert_int_equal(n, acknowledged + 1);
            acknowledged = n;
            if (n == wanted)
                assert_int_equal(kill(pid, SIGKILL), 0);
        }
        close(fds[0]);
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        assert_true(acknowledged >= wanted);

        open_store(LOOP_REAL);
        all = 0;
        assert_int_equal(q_messages_newest(store_read(store), "a", INT64_MAX, note_id, &all, &why),
                         STATUS_OK);
        assert_true(all >= acknowledged);
        close_store();
        expect_intact();
    }
}

/* ---- files that are not what they should be ---- */

static void run_sql(const char *file, const char *sql) {
    sqlite3 *db;
    assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
    /* What is in a write-ahead log stays there. */
    assert_int_equal(sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, (int *)NULL),
                     SQLITE_OK);
    char *message = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s", message);
    sqlite3_close(db);
}

static char *contents(size_t *n) {
    struct stat sb;
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    assert_int_equal(fstat(fileno(f), &sb), 0);
    *n = (size_t)sb.st_size;
    char *text = xmalloc(*n + 1);
    assert_int_equal(fread(text, 1, *n, f), *n);
    fclose(f);
    return text;
}

/* Both ways of opening refuse it with the sentence, and leave the file as it was. */
static void expect_refused(enum status st, enum status st_readonly, const char *part) {
    struct cause why = {""};
    size_t before_n, after_n;
    char *before = contents(&before_n);
    loop = loop_new(LOOP_REAL);
    assert_int_equal(store_open(loop, path, &store, &why), st);
    assert_null(store);
    if (!strstr(why.text, part) || strncmp(why.text, path, strlen(path)) != 0)
        fail_msg("%s", why.text);
    loop_free(&loop);
    struct store_read *r;
    why.text[0] = '\0';
    assert_int_equal(store_open_readonly(path, &r, &why), st_readonly);
    assert_null(r);
    assert_true(strstr(why.text, part) && !strncmp(why.text, path, strlen(path)));
    char *after = contents(&after_n);
    assert_int_equal(before_n, after_n);
    assert_memory_equal(before, after, before_n);
    free(before);
    free(after);
}

static void test_foreign_database(void **state) {
    (void)state;
    run_sql(path, "CREATE TABLE mine (x); INSERT INTO mine VALUES (1);");
    expect_refused(STATUS_INVALID, STATUS_INVALID, "the file is not a spacebot store");
    run_sql(path, "PRAGMA journal_mode = WAL; INSERT INTO mine VALUES (2);");
    expect_refused(STATUS_INVALID, STATUS_INVALID, "the file is not a spacebot store");
}

static void test_foreign_file(void **state) {
    (void)state;
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    for (int i = 0; i < 500; i++)
        fputs("Dear diary, today nothing happened.\n", f);
    fclose(f);
    expect_refused(STATUS_INVALID, STATUS_INVALID, "the file is not a spacebot store");
}

static void test_newer_schema(void **state) {
    (void)state;
    open_store(LOOP_REAL);
    close_store();
    char *sql = xasprintf("PRAGMA user_version = %u", store_migration_count + 1);
    run_sql(path, sql);
    free(sql);
    expect_refused(STATUS_INVALID, STATUS_INVALID, "newer spacebot");
}

/* The first page: the schema's own table from byte 100 on, its rows at the end. */
static void test_damaged(void **state) {
    (void)state;
    static const long ranges[][2] = {{100, 3000}, {3500, 4096}};
    for (int i = 0; i < 2; i++) {
        unlink(path);
        open_store(LOOP_REAL);
        close_store();
        FILE *f = fopen(path, "r+b");
        assert_non_null(f);
        assert_int_equal(fseek(f, ranges[i][0], SEEK_SET), 0);
        for (long at = ranges[i][0]; at < ranges[i][1]; at++)
            fputc(0xa5, f);
        fclose(f);
        struct cause why = {""};
        loop = loop_new(LOOP_REAL);
        assert_int_equal(store_open(loop, path, &store, &why), STATUS_INVALID);
        if (!strstr(why.text, "damaged"))
            fail_msg("%s", why.text);
        loop_free(&loop);
        struct store_read *r;
        assert_int_equal(store_open_readonly(path, &r, &why), STATUS_INVALID);
        assert_non_null(strstr(why.text, "damaged"));
    }
}

static void test_directory(void **state) {
    (void)state;
    struct cause why = {""};
    assert_int_equal(mkdir(path, 0700), 0);
    loop = loop_new(LOOP_REAL);
    assert_int_equal(store_open(loop, path, &store, &why), STATUS_IO);
    assert_non_null(strstr(why.text, path));
    loop_free(&loop);
}

static void test_nothing_there(void **state) {
    (void)state;
    struct cause why = {""};
    struct store_read *r;
    assert_int_equal(store_open_readonly(path, &r, &why), STATUS_NOT_FOUND);
    assert_int_not_equal(access(path, F_OK), 0); /* and it was not made */
}

/* ---- migrations ---- */

static int pragma(const char *name) {
    sqlite3 *db;
    int value = -1;
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(db_pragma_get(db, name, &value), SQLITE_OK);
    sqlite3_close(db);
    return value;
}

/* From each earlier version, the file comes to the present one. */
static void test_migrations(void **state) {
    (void)state;
    for (unsigned from = 0; from < store_migration_count; from++) {
        unlink(path);
        for (unsigned i = 0; i < from; i++)
            run_sql(path, store_migrations[i].sql);
        if (from) {
            char *sql = xasprintf("PRAGMA application_id = %d; PRAGMA user_version = %u",
                                  DB_APPLICATION_ID, from);
            run_sql(path, sql);
            free(sql);
        }
        open_store(LOOP_REAL);
        add_channel();
        turn_until(1);
        close_store();
        assert_int_equal(pragma("user_version"), store_migration_count);
        assert_int_equal(pragma("application_id"), DB_APPLICATION_ID);
        expect_intact();
    }
}

static void test_older_readonly(void **state) {
    (void)state;
    struct cause why = {""};
    struct store_read *r;
    run_sql(path, "PRAGMA application_id = 0x53704274");
    assert_int_equal(store_open_readonly(path, &r, &why), STATUS_UNAVAILABLE);
    assert_non_null(strstr(why.text, "older spacebot"));
}

/* A migration that fails leaves the file at the version before. */
static void test_migration_is_one_step(void **state) {
    (void)state;
    struct cause why = {""};
    run_sql(path, "PRAGMA application_id = 0x53704274; CREATE TABLE tool_runs (x);");
    loop = loop_new(LOOP_REAL);
    assert_int_equal(store_open(loop, path, &store, &why), STATUS_INVALID);
    assert_non_null(strstr(why.text, "schema 001-first-light could not be applied"));
    loop_free(&loop);
    assert_int_equal(pragma("user_version"), 0);
    struct store_read *r;
    assert_int_equal(store_open_readonly(path, &r, &why), STATUS_UNAVAILABLE);
}

/* What another program does with the file: its lock is waited for by the writer, not by the loop.
 */
static void test_other_programs_lock(void **state) {
    (void)state;
    sqlite3 *db;
    add_channel();
    turn_until(1);
    store_on_state(store, hear_state, NULL);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    store_after(store, add_message("m1", "1"), hear, "m1");
    while (store_state(store) == STORE_RUNNING)
        loop_turn(loop, -1);
    assert_int_equal(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    turn_until(2);
    expect_heard("<paused: another program is using the store> <running> m1=ok ");
}

int main(void) {
#define D(f) cmocka_unit_test_setup_teardown(f, setup_dir, teardown_dir)
#define R(f) cmocka_unit_test_setup_teardown(f, setup_real, teardown)
#define I(f) cmocka_unit_test_setup_teardown(f, setup_inline, teardown)
    const struct CMUnitTest tests[] = {
        D(test_killed), /* first: it forks, and nothing here has threads yet */
        I(test_full_disk),
        I(test_write_error),
        I(test_sync_error),
        R(test_full_disk),
        I(test_backoff),
        R(test_drain_gives_up),
        R(test_loop_never_waits),
        R(test_one_sync_a_batch),
        R(test_queue_bound),
        I(test_checkpoints),
        I(test_other_programs_lock),
        D(test_foreign_database),
        D(test_foreign_file),
        D(test_newer_schema),
        D(test_damaged),
        D(test_directory),
        D(test_nothing_there),
        D(test_migrations),
        D(test_older_readonly),
        D(test_migration_is_one_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
