/* sqlgen: what is wrong in SQL stops the build and says where; what is right becomes C that fits.
 * Runs the built tool on small schemas of its own. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"

static char dir[64];
static const char *sqlgen;

static const char good_schema[] = "-- things\n"
                                  "CREATE TABLE things (\n"
                                  "    id INTEGER PRIMARY KEY,\n"
                                  "    name TEXT NOT NULL,\n"
                                  "    note TEXT,\n"
                                  "    weight REAL,\n"
                                  "    data BLOB\n"
                                  ") STRICT;\n"
                                  "CREATE TABLE names (name INTEGER NOT NULL) STRICT;\n";

static void put(const char *name, const char *text) {
    char *path = xasprintf("%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
    free(path);
}

static int setup(void **state) {
    (void)state;
    sqlgen = getenv("SQLGEN");
    if (!sqlgen) {
        fprintf(stderr, "SQLGEN must name the built tool\n");
        return -1;
    }
    strcpy(dir, "/tmp/test_sqlgen.XXXXXX");
    assert_non_null(mkdtemp(dir));
    char *path = xasprintf("%s/schema", dir);
    assert_int_equal(mkdir(path, 0700), 0);
    free(path);
    path = xasprintf("%s/queries", dir);
    assert_int_equal(mkdir(path, 0700), 0);
    free(path);
    put("schema/001-things.sql", good_schema);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    char *cmd = xasprintf("rm -rf %s", dir);
    int rc = system(cmd);
    free(cmd);
    return rc;
}

/* Runs a command in the directory; its output together in *out, which the caller frees. */
static int run(const char *cmd, char **out) {
    char *line = xasprintf("cd %s && { %s; } 2>&1", dir, cmd);
    FILE *p = popen(line, "r");
    assert_non_null(p);
    size_t n = 0, cap = 65536;
    *out = xmalloc(cap);
    n = fread(*out, 1, cap - 1, p);
    (*out)[n] = '\0';
    int status = pclose(p);
    free(line);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int generate(char **out) {
    char *cmd = xasprintf("'%s' -o gen schema queries", sqlgen);
    int status = run(cmd, out);
    free(cmd);
    return status;
}

static bool exists(const char *name) {
    char *path = xasprintf("%s/%s", dir, name);
    bool is = access(path, F_OK) == 0;
    free(path);
    return is;
}

/* The queries are refused with these lines, and nothing is written. */
static void expect_error(const char *queries, const char *message) {
    char *out;
    put("queries/q.sql", queries);
    int status = generate(&out);
    if (status != 1 || strcmp(out, message) != 0)
        fail_msg("exit %d:\n%s", status, out);
    assert_false(exists("gen.c"));
    assert_false(exists("gen.h"));
    free(out);
}

#define THINGS "-- name: things :many\n"

static void test_misspelt(void **state) {
    (void)state;
    expect_error("\n" THINGS "SELECT id,\n    nmae\nFROM things;\n",
                 "queries/q.sql:4: things: no such column: nmae\n");
    expect_error(THINGS "SELECT id FROM thing;\n",
                 "queries/q.sql:2: things: no such table: thing\n");
    expect_error(THINGS "SELEKT id FROM things;\n",
                 "queries/q.sql:2: things: near \"SELEKT\": syntax error\n");
    /* Where double-quoted strings are allowed this would be a text. */
    expect_error(THINGS "SELECT id FROM things\nWHERE name = \"nmae\";\n",
                 "queries/q.sql:3: things: no such column: nmae\n");
    expect_error(
        "-- name: thing_add :exec\nINSERT INTO things (name,\n    nott) VALUES (:name, 1);\n",
        "queries/q.sql:2: thing_add: table things has no column named nott\n");
}

static void test_types(void **state) {
    (void)state;
    expect_error(THINGS "-- param: least integer\nSELECT id FROM things WHERE id > :least;\n",
                 "queries/q.sql:2: unknown type \"integer\": int, real, text or blob, or one with "
                 "?\n");
    expect_error(THINGS "-- param: name int\nSELECT id FROM things WHERE name = :name;\n",
                 "queries/q.sql:2: column name is text, not int\n");
    expect_error(THINGS "-- column: weight text?\nSELECT id, weight FROM things;\n",
                 "queries/q.sql:2: column weight is real, not text\n");
    expect_error(THINGS "-- column: id\nSELECT id FROM things;\n",
                 "queries/q.sql:2: expected NAME TYPE\n");
    expect_error(THINGS "SELECT t.id FROM things AS t, names AS n\n"
                        "WHERE t.name = :name AND n.name = 1;\n",
                 "queries/q.sql:3: parameter :name has two types in these tables: "
                 "add -- param: name TYPE\n");
}

static void test_missing_annotation(void **state) {
    (void)state;
    expect_error(THINGS "SELECT id FROM things\nLIMIT :most;\n",
                 "queries/q.sql:3: parameter :most is no column of a table in this statement: "
                 "add -- param: most TYPE\n");
    expect_error("-- name: total :one\nSELECT max(id) AS top,\n    count(*) AS n FROM things;\n",
                 "queries/q.sql:2: column top is an expression and has no type: "
                 "add -- column: top TYPE\n"
                 "queries/q.sql:3: column n is an expression and has no type: "
                 "add -- column: n TYPE\n");
    expect_error("-- name: total :one\nSELECT count(*) FROM things;\n",
                 "queries/q.sql:2: expression count(*) has no name and no type: add AS NAME and "
                 "-- column: NAME TYPE\n");
}

static void test_useless_annotation(void **state) {
    (void)state;
    expect_error(THINGS "-- param: least int\n-- column: size int\nSELECT id FROM things;\n",
                 "queries/q.sql:2: the statement has no parameter least\n"
                 "queries/q.sql:3: the statement has no column size\n");
    expect_error(THINGS "-- parm: least int\nSELECT id FROM things;\n",
                 "queries/q.sql:2: unknown annotation \"parm\": name, param or column\n");
    expect_error(THINGS "-- param: id int\n-- param: id text\nSELECT id FROM things WHERE id = "
                        ":id;\n",
                 "queries/q.sql:3: id is annotated twice\n");
}

static void test_names(void **state) {
    (void)state;
    put("queries/a.sql", THINGS "SELECT id FROM things;\n");
    expect_error("\n\n" THINGS "SELECT name FROM things;\n",
                 "queries/q.sql:3: things is already the name of queries/a.sql:1\n");
    put("queries/a.sql", "-- nothing here\n");
    expect_error("-- name: Things :many\nSELECT id FROM things;\n",
                 "queries/q.sql:1: \"Things\" cannot be a name\n");
    expect_error("-- name: things :some\nSELECT id FROM things;\n",
                 "queries/q.sql:1: expected -- name: NAME and one of :many :one :exec :guarded "
                 ":internal\n");
    expect_error(THINGS "SELECT id AS int FROM things;\n",
                 "queries/q.sql:2: \"int\" cannot be a column's name: add AS NAME\n");
    expect_error(THINGS "SELECT id, name AS id FROM things;\n",
                 "queries/q.sql:2: two columns are named id\n");
    expect_error(THINGS "SELECT id FROM things WHERE id = ?;\n",
                 "queries/q.sql:2: parameter ?: only :name works, in lower case\n");
    expect_error("SELECT id FROM things;\n",
                 "queries/q.sql:1: a statement without -- name: above it\n");
    expect_error(THINGS "\n", "queries/q.sql:1: things has no statement\n");
}

static void test_wrong_kind(void **state) {
    (void)state;
    expect_error(THINGS "SELECT id FROM things;\n\nSELECT name FROM things;\n",
                 "queries/q.sql:4: things has more than one statement\n");
    expect_error("-- name: wipe :many\nDELETE FROM things;\n",
                 "queries/q.sql:2: wipe reads rows: only a SELECT fits\n");
    expect_error("-- name: wipe :exec\nSELECT id FROM things;\n",
                 "queries/q.sql:2: wipe writes: only INSERT, UPDATE or DELETE without RETURNING "
                 "fits\n");
    expect_error("-- name: wipe :exec\nDELETE FROM things RETURNING id;\n",
                 "queries/q.sql:2: wipe writes: only INSERT, UPDATE or DELETE without RETURNING "
                 "fits\n");
    expect_error("-- name: wipe :exec\nDROP TABLE things;\n",
                 "queries/q.sql:2: wipe writes: only INSERT, UPDATE or DELETE without RETURNING "
                 "fits\n");
    expect_error("-- name: go :internal\nDELETE FROM things;\n",
                 "queries/q.sql:2: go is for BEGIN, COMMIT and ROLLBACK\n");
}

static void expect_schema_error(const char *message) {
    char *out;
    put("queries/q.sql", THINGS "SELECT id FROM things;\n");
    int status = generate(&out);
    if (status != 1 || strcmp(out, message) != 0)
        fail_msg("exit %d:\n%s", status, out);
    assert_false(exists("gen.c"));
    free(out);
}

static void test_schema(void **state) {
    (void)state;
    put("schema/002-more.sql",
        "\nCREATE TABLE more (\n    id INTEGER,\n    CHECK (idd > 0)) STRICT;\n");
    expect_schema_error("schema/002-more.sql:4: no such column: idd\n");
    put("schema/002-more.sql",
        "CREATE TABLE more (id INTEGER) STRICT;\n\nCREATE TABLE loose (x);\n");
    expect_schema_error("schema/002-more.sql:3: table loose is not STRICT\n");
    put("schema/002-more.sql", "CREATE TABLE things (id INTEGER) STRICT;\n");
    expect_schema_error("schema/002-more.sql:1: table things already exists\n");
    put("schema/002-more.sql", "");
    put("schema/004-gap.sql", "");
    expect_schema_error("schema/004-gap.sql:1: the 3. schema file must be named 003-NAME.sql\n");
}

static void test_usage(void **state) {
    (void)state;
    char *out;
    char *cmd = xasprintf("'%s' schema queries", sqlgen);
    assert_int_equal(run(cmd, &out), 2);
    assert_non_null(strstr(out, "usage:"));
    free(cmd);
    free(out);
}

static char *read_all(const char *name) {
    char *cmd = xasprintf("cat %s", name), *out;
    assert_int_equal(run(cmd, &out), 0);
    free(cmd);
    return out;
}

static void expect_in(const char *text, const char *part) {
    if (!strstr(text, part))
        fail_msg("\"%s\" is not in\n%s", part, text);
}

static void test_generates(void **state) {
    (void)state;
    put("queries/q.sql", "-- Two lines of\n-- what it does. */ no way out\n"
                         "-- name: things :many\n"
                         "-- param: most int\n"
                         "-- column: half real?\n"
                         "-- a comment in between\n"
                         "SELECT id, name, note, weight, data, weight / 2 AS half\n"
                         "FROM things WHERE name = :name LIMIT :most;\n"
                         "\n"
                         "-- name: thing :one\n"
                         "SELECT name, data FROM things WHERE id = :id; -- the end\n"
                         "\n"
                         "-- name: thing_add :exec\n"
                         "INSERT INTO things (name, note, weight, data)\n"
                         "VALUES (:name, :note, :weight, :data);\n"
                         "\n"
                         "-- name: thing_rename :guarded\n"
                         "-- param: id\n"
                         "UPDATE things SET name = :name WHERE id = :id;\n"
                         "\n"
                         "-- name: thing_all :exec\n"
                         "-- param: five text\n-- param: six text\n"
                         "INSERT INTO things (id, name, note, weight, data)\n"
                         "VALUES (:id, :name || :five || :six, :note, :weight, :data);\n");
    char *out;
    int status = generate(&out);
    if (status != 0)
        fail_msg("%s", out);
    assert_string_equal(out, "");
    free(out);
    char *h = read_all("gen.h"), *c = read_all("gen.c");
    expect_in(h, "/* Two lines of\n * what it does. * / no way out */");
    expect_in(h, "enum status q_things(struct store_read *r, int64_t most, const char *name, "
                 "q_things_fn *fn, void *arg, struct cause *why)");
    expect_in(h, "struct q_things_row {\n    int64_t id;\n    const char *name;\n"
                 "    const char *note; /* may be NULL */\n    double weight;\n"
                 "    bool weight_null;\n    const void *data; /* may be NULL */\n"
                 "    size_t data_len;\n    double half;\n    bool half_null;\n};");
    expect_in(h, "struct q_thing_row {\n    char *name;\n    void *data; /* may be NULL */\n");
    expect_in(h, "enum status q_thing(struct store_read *r, int64_t id, struct q_thing_row *out, "
                 "struct cause *why)");
    expect_in(h, "uint64_t store_thing_add(struct store *s, const char *name, const char *note, "
                 "const double *weight, const void *data, size_t data_len)\n"
                 "    __attribute__((nonnull(1, 2)));");
    expect_in(h, "uint64_t store_thing_rename(struct store *s, int64_t id, const char *name)");
    expect_in(h, "uint64_t store_thing_all(struct store *s, const struct store_thing_all *v)");
    /* Arguments in another order are bound in SQLite's. */
    expect_in(c, "store_op_begin(s, STORE_Q_thing_rename);\n    store_op_text(s, name);\n"
                 "    store_op_int(s, id);\n");
    /* The same input gives the same output. */
    put("queries/z.sql", "");
    assert_int_equal(generate(&out), 0);
    free(out);
    char *again = read_all("gen.c");
    assert_string_equal(c, again);
    free(again);
    free(h);
    free(c);
}

/* A value of a wrong type, and a NULL where none may be, fail to compile. */
static void test_compiles(void **state) {
    (void)state;
    const char *cc = getenv("CC"), *src = getenv("SRCDIR");
    if (!cc || !src) {
        fprintf(stderr, "CC and SRCDIR must be set\n");
        fail();
    }
    put("queries/q.sql", "-- name: thing_add :exec\n"
                         "INSERT INTO things (name, note) VALUES (:name, :note);\n");
    char *out;
    assert_int_equal(generate(&out), 0);
    free(out);
    char *cmd = xasprintf("%s -std=gnu11 -Wall -Wextra -Wconversion -Werror -fsyntax-only "
                          "-I'%s/src' use.c",
                          cc, src);
    static const struct {
        const char *call;
        bool right;
    } calls[] = {
        {"store_thing_add(s, \"name\", NULL)", true},
        {"store_thing_add(s, NULL, NULL)", false},
        {"store_thing_add(s, 1, NULL)", false},
        {"store_thing_add(s, \"name\")", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        char *text = xasprintf("#include \"gen.h\"\nuint64_t f(struct store *s);\n"
                               "uint64_t f(struct store *s) { return %s; }\n",
                               calls[i].call);
        put("use.c", text);
        int status = run(cmd, &out);
        if ((status == 0) != calls[i].right)
            fail_msg("%s: exit %d\n%s", calls[i].call, status, out);
        free(out);
        free(text);
    }
    free(cmd);
}

/* A column that is misspelt in the program's own queries. */
static void test_own_queries(void **state) {
    (void)state;
    const char *src = getenv("SRCDIR");
    assert_non_null(src);
    char *out;
    char *cmd = xasprintf("rm -r schema queries && cp -R '%s/src/store/schema' "
                          "'%s/src/store/queries' . && chmod -R u+w schema queries && "
                          "'%s' -o gen schema queries && rm gen.[ch] && "
                          "sed -i 's/last_activity_at DESC/last_activty_at DESC/' "
                          "queries/channels.sql && '%s' -o gen schema queries",
                          src, src, sqlgen, sqlgen);
    assert_int_equal(run(cmd, &out), 1);
    expect_in(out, "queries/channels.sql:");
    expect_in(out, ": channels_recent: no such column: last_activty_at\n");
    assert_false(exists("gen.c"));
    free(out);
    free(cmd);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_misspelt),
        T(test_types),
        T(test_missing_annotation),
        T(test_useless_annotation),
        T(test_names),
        T(test_wrong_kind),
        T(test_schema),
        T(test_usage),
        T(test_generates),
        T(test_compiles),
        T(test_own_queries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
