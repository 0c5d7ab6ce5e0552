/* spacebot memory, by the real program: with an engine and without, out of one home and into
 * another, and killed at any moment: what was acknowledged is there, and the indexes agree with it.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "tests/lib/tmphome.h"

#define WAIT_MS 120000
#define LINES 3000

static struct tmphome *home;
static struct run *last;

static int setup(void **state) {
    (void)state;
    home = tmphome_new(NULL);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    run_free(&last);
    tmphome_free(&home);
    return 0;
}

#define RUN(code, ...) spacebot(code, ARGS(__VA_ARGS__), __FILE__, __LINE__)
static void spacebot(int code, const char *const *args, const char *file, int line) {
    run_free(&last);
    last = tmphome_spacebot(home, args, NULL);
    run_expect(last, code, file, line);
}

#define OUT run_out(last)
#define ERR run_err(last)

static void has(const char *text, const char *part) {
    if (!strstr(text, part))
        fail_msg("\"%s\" is not in:\n%s", part, text);
}

/* --- the file itself ---- */

static sqlite3 *db;

static void db_open(void) {
    char *path = xasprintf("%s/spacebot.db", home->home);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 10000);
    free(path);
}

static char *ask(const char *sql) {
    sqlite3_stmt *st;
    if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    char *text = NULL;
    if (sqlite3_step(st) == SQLITE_ROW)
        text = xstrdup((const char *)sqlite3_column_text(st, 0));
    sqlite3_finalize(st);
    return text;
}

static void expect_sql(const char *sql, const char *result) {
    char *got = ask(sql);
    if (!str_eq(got, result))
        fail_msg("%s: %s instead of %s", sql, got ? got : "nothing", result);
    free(got);
}

static void whole(void) {
    db_open();
    expect_sql("PRAGMA integrity_check", "ok");
    static const char *const indexes[] = {"memories_words", "memories_trigrams"};
    for (size_t i = 0; i < ARRAY_LEN(indexes); i++) {
        char *sql = xasprintf("INSERT INTO %s (%s, rank) VALUES ('integrity-check', 1)", indexes[i],
                              indexes[i]);
        if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
            fail_msg("%s: %s", sql, sqlite3_errmsg(db));
        free(sql);
    }
    expect_sql("SELECT count(*) FROM memory_counts AS c WHERE live <> (SELECT count(*) FROM "
               "memories AS m WHERE m.type = c.type AND m.forgotten_at IS NULL)",
               "0");
    expect_sql("SELECT count(*) FROM memory_edges WHERE source_id NOT IN (SELECT id FROM memories) "
               "OR target_id NOT IN (SELECT id FROM memories)",
               "0");
    expect_sql("SELECT count(*) FROM memories WHERE id NOT IN (SELECT memory_id FROM "
               "memory_history)",
               "0");
    sqlite3_close(db);
}

static void expect_known(const char *id) {
    char *sql = xasprintf("SELECT count(*) FROM memories WHERE id = '%s'", id);
    db_open();
    expect_sql(sql, "1");
    sqlite3_close(db);
    free(sql);
}

/* The id that was printed; the caller frees. */
static char *first_line(const char *text) { return xstrndup(text, strcspn(text, "\n")); }

/* --- with and without an engine ---- */

static void test_verbs(void **state) {
    (void)state;
    RUN(0, "memory", "list");
    RUN(0, "memory", "stats", "--json");
    has(OUT, "\"live\":0");
    RUN(2, "memory", "remember", "x");
    RUN(2, "memory", "add");
    RUN(2, "memory", "add", "x", "--importance", "7");
    RUN(2, "memory", "add", "x", "--type", "opinion");
    RUN(1, "memory", "show", "abcdef");
    RUN(0, "memory", "add", "--json", "--type", "decision", "We ship on Friday.");
    has(OUT, "\"type\":\"decision\"");
    RUN(0, "daemon");
    RUN(0, "memory", "add", "--person", "ann", "Likes tea.");
    char *id = first_line(OUT);
    RUN(0, "memory", "add", "--person", "ann", "Likes tea.");
    has(OUT, id);
    has(ERR, "known already");
    RUN(0, "memory", "edit", id, "Likes green tea.", "--reason", "she said so");
    RUN(0, "memory", "history", id);
    has(OUT, "she said so");
    RUN(0, "memory", "undo");
    RUN(0, "memory", "show", id, "--json");
    has(OUT, "\"content\":\"Likes tea.\"");
    RUN(0, "memory", "forget", id);
    RUN(1, "memory", "forget", id);
    RUN(0, "memory", "list", "--forgotten");
    has(OUT, "Likes tea.");
    RUN(0, "stop");
    RUN(0, "memory", "restore", id);
    RUN(0, "memory", "list");
    has(OUT, "[ann] Likes tea.");
    free(id);
    whole();
}

/* What is kept beside the rows is found to differ, and made anew from them. */
static void test_doctor(void **state) {
    (void)state;
    RUN(0, "memory", "add", "The owl is called Ada.");
    RUN(0, "memory", "add", "The cat is called Tom.");
    db_open();
    assert_int_equal(sqlite3_exec(db,
                                  "DELETE FROM memories_words_docsize WHERE id = 1;"
                                  "UPDATE memory_counts SET live = 7 WHERE type = 'fact'",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(db);
    run_free(&last);
    last = tmphome_spacebot(home, ARGS("doctor"), NULL);
    has(OUT, "2 entries of its indexes do not agree");
    run_free(&last);
    last = tmphome_spacebot(home, ARGS("doctor", "--repair"), NULL);
    has(OUT, "its indexes agree with what is remembered");
    whole();
}

/* --- killed ---- */

static uint64_t seed;
static unsigned roll(unsigned n) {
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(seed >> 33) % n;
}

static void nap(unsigned ms) {
    (void)nanosleep(&(const struct timespec){ms / 1000, (long)(ms % 1000) * 1000000}, NULL);
}

/* What lives of the home's lock and engine ends; the moment is drawn, and none of them matters. */
static void kill_run(struct run *r, unsigned ms) {
    nap(ms);
    (void)kill(run_pid(r), SIGKILL);
    (void)run_wait_exit(r, WAIT_MS);
}

static char *lines_of(int n) {
    struct buf b = BUF_INIT;
    for (int i = 0; i < n; i++)
        buf_printf(&b,
                   "{\"kind\":\"memory\",\"id\":\"%08x-0000-4000-8000-000000000000\",\"type\":"
                   "\"fact\",\"content\":\"Fact number %d about thing %d.\",\"importance\":0.6,"
                   "\"source\":null,\"channel\":null,\"person\":null,\"created_at\":"
                   "\"2026-01-01T00:00:00.000Z\",\"updated_at\":\"2026-01-01T00:00:00.000Z\","
                   "\"accessed_at\":\"2026-01-01T00:00:00.000Z\",\"access_count\":0,"
                   "\"forgotten_at\":null,\"superseded_by\":null}\n",
                   (unsigned)i, i, i % 7);
    for (int i = 1; i < n; i += 3)
        buf_printf(&b,
                   "{\"kind\":\"edge\",\"source\":\"%08x-0000-4000-8000-000000000000\","
                   "\"target\":\"%08x-0000-4000-8000-000000000000\",\"relation\":\"part_of\","
                   "\"weight\":0.5,\"created_at\":\"2026-01-01T00:00:00.000Z\"}\n",
                   (unsigned)i, (unsigned)i - 1);
    return buf_steal(&b);
}

/* An import that is killed over and over goes on where it was, and what comes out is what went in.
 */
static void test_killed_imports(void **state) {
    (void)state;
    char *text = lines_of(LINES);
    tmphome_file(home, "in.jsonl", text);
    char *path = xasprintf("%s/in.jsonl", home->dir);
    int killed = 0;
    seed = 11;
    for (int i = 0; i < 8; i++) {
        struct run *r = tmphome_start(home, ARGS("memory", "import", path));
        kill_run(r, roll(400));
        killed += run_code(r) == 128 + SIGKILL;
        run_free(&r);
        char *db_path = xasprintf("%s/spacebot.db", home->home);
        if (access(db_path, F_OK) == 0 && i % 2)
            whole();
        free(db_path);
    }
    assert_true(killed > 0);
    RUN(0, "memory", "import", path);
    whole();
    RUN(0, "memory", "export");
    assert_string_equal(OUT, text);
    free(path);
    free(text);
}

/* Saves and merges through an engine that is killed: who was told "saved" finds it. */
static void test_killed_engine(void **state) {
    (void)state;
    char *ids[64];
    int n = 0;
    for (seed = 1; seed <= 3; seed++) {
        uint64_t this = seed;
        RUN(0, "daemon");
        pid_t engine = tmphome_engine(home);
        assert_true(engine > 0);
        unsigned victim = 2 + roll(6);
        for (unsigned i = 0; i < 10; i++) {
            char *text = xasprintf("Round %d, memory %u.", (int)this, i);
            struct run *r = n > 1 && i % 3 == 2
                                ? tmphome_start(home, ARGS("memory", "edit", ids[n - 1], text))
                                : tmphome_start(home, ARGS("memory", "add", text));
            if (i == victim) {
                nap(roll(60));
                (void)kill(engine, SIGKILL);
            }
            assert_true(run_wait_exit(r, WAIT_MS));
            if (run_code(r) == 0 && i % 3 != 2)
                ids[n++] = first_line(run_out(r));
            run_free(&r);
            free(text);
        }
        seed = this;
        (void)kill(engine, SIGKILL);
        for (int i = 0; i < n; i++)
            expect_known(ids[i]);
        whole();
    }
    assert_true(n > 10);
    while (n)
        free(ids[--n]);
}

int main(void) {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {T(test_verbs), T(test_doctor), T(test_killed_imports),
                                       T(test_killed_engine)};
    return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
