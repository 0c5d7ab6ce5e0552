/* memory: what is undone is as it was, merges lose nothing, what comes out goes in again without a
 * difference, and what says much the same is found. */
#include "memory/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "memory/command.h"
#include "memory/near.h"
#include "memory/render.h"
#include "memory/source.h"
#include "memory/transfer.h"
#include "store/queries.gen.h"

#define START INT64_C(1795000000000)

struct world {
    char dir[64], path[96];
    struct loop *loop;
    struct store *store;
    struct job_pool *jobs;
    struct memories *m;
};

static struct world one, two;

static void world_open(struct world *w) {
    struct cause why = {""};
    strcpy(w->dir, "/tmp/test_memory.XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    snprintf(w->path, sizeof w->path, "%s/spacebot.db", w->dir);
    w->loop = loop_new(LOOP_INLINE);
    if (store_open(w->loop, w->path, &w->store, &why) != STATUS_OK)
        fail_msg("%s", why.text);
    w->jobs = job_pool_new(w->loop, 1, 16);
    w->m = memories_new(w->loop, w->store, w->jobs);
}

static void world_close(struct world *w) {
    struct cause why = {""};
    if (!w->loop)
        return;
    memories_free(&w->m);
    job_pool_free(&w->jobs);
    if (store_close(&w->store, &why) != STATUS_OK)
        fail_msg("%s", why.text);
    loop_free(&w->loop);
    char *cmd = xasprintf("rm -rf %s", w->dir);
    assert_int_equal(system(cmd), 0);
    free(cmd);
}

static int setup(void **state) {
    (void)state;
    clock_set_virtual(START);
    id_seed(7);
    world_open(&one);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    world_close(&one);
    world_close(&two);
    clock_set_real();
    return 0;
}

static void settle(struct world *w) {
    for (int i = 0; i < 10000 && !memories_idle(w->m); i++)
        loop_turn(w->loop, 0);
    assert_true(memories_idle(w->m));
}

/* --- commands ---- */

struct answer {
    bool given;
    enum status st;
    cJSON *body;
    char why[512];
};

static void hear(void *arg, enum status st, cJSON *body, const char *why) {
    struct answer *a = arg;
    a->given = true;
    a->st = st;
    a->body = body;
    snprintf(a->why, sizeof a->why, "%s", why);
}

static struct answer ask_args(struct world *w, cJSON *args) {
    struct answer a = {.given = false};
    struct memory_command_call *call = NULL;
    struct cause why = {""};
    a.st = memory_command(w->m, args, hear, &a, &call, &why);
    if (a.st != STATUS_OK)
        snprintf(a.why, sizeof a.why, "%s", why.text);
    settle(w);
    cJSON_Delete(args);
    return a;
}

static struct answer ask(struct world *w, const char *fmt, ...) PRINTF_LIKE(2, 3);
static struct answer ask(struct world *w, const char *fmt, ...) {
    va_list ap;
    struct buf b = BUF_INIT;
    cJSON *args = NULL;
    struct cause why = {""};
    va_start(ap, fmt);
    buf_vprintf(&b, fmt, ap);
    va_end(ap);
    if (json_parse(buf_str(&b), b.len, &args, &why) != STATUS_OK)
        fail_msg("%s: %s", buf_str(&b), why.text);
    buf_free(&b);
    return ask_args(w, args);
}

static void drop(struct answer *a) {
    cJSON_Delete(a->body);
    a->body = NULL;
}

static void ok(struct answer a) {
    if (a.st != STATUS_OK)
        fail_msg("%s", a.why);
    drop(&a);
}

static void refused(struct answer a, enum status st) {
    if (a.st != st)
        fail_msg("%s instead of %s: %s", status_name(a.st), status_name(st), a.why);
    drop(&a);
}

/* The ids of what tests say, by place. */
static char ids[16][ID_UUID_SIZE];

static const char *add(size_t at, const char *type, const char *content) {
    struct answer a =
        ask(&one, "{\"op\":\"add\",\"type\":\"%s\",\"content\":\"%s\"}", type, content);
    if (a.st != STATUS_OK)
        fail_msg("%s", a.why);
    snprintf(ids[at], sizeof ids[at], "%s", json_str(a.body, "id", ""));
    drop(&a);
    return ids[at];
}

static bool put_line(void *arg, const cJSON *line) {
    char *text = json_print(line);
    buf_printf(arg, "%s\n", text);
    free(text);
    return true;
}

/* The caller frees. */
static char *export(struct world *w) {
    struct buf b = BUF_INIT;
    struct cause why = {""};
    if (memory_export(store_read(w->store), put_line, &b, &why) != STATUS_OK)
        fail_msg("%s", why.text);
    return b.len ? buf_steal(&b) : xstrdup("");
}

/* Without the times of changes, which an undo does not put back. */
static void expect_same(const char *before) {
    char *now = export(&one);
    assert_string_equal(now, before);
    free(now);
}

/* --- undo ---- */

static void test_undo(void **state) {
    (void)state;
    add(0, "fact", "Alpha is one.");
    add(1, "fact", "Beta is two.");
    char *first = export(&one);
    clock_advance(NS_PER_SEC);
    ok(ask(&one,
           "{\"op\":\"edit\",\"memory_id\":\"%s\",\"content\":\"Alpha is 1.\",\"importance\":0.1,"
           "\"person\":\"ann\",\"type\":\"todo\"}",
           ids[0]));
    ok(ask(&one, "{\"op\":\"undo\"}"));
    expect_same(first);
    ok(ask(&one, "{\"op\":\"undo\"}")); /* the save of Beta */
    ok(ask(&one, "{\"op\":\"restore\",\"memory_id\":\"%s\"}", ids[1]));
    expect_same(first);
    ok(ask(&one, "{\"op\":\"forget\",\"memory_id\":\"%s\"}", ids[0]));
    ok(ask(&one, "{\"op\":\"undo\",\"memory_id\":\"%s\"}", ids[0]));
    expect_same(first);
    ok(ask(&one, "{\"op\":\"link\",\"source\":\"%s\",\"target\":\"%s\",\"weight\":0.25}", ids[0],
           ids[1]));
    ok(ask(&one, "{\"op\":\"undo\"}"));
    expect_same(first);
    free(first);
}

static void test_redo(void **state) {
    (void)state;
    add(0, "fact", "Alpha is one.");
    ok(ask(&one, "{\"op\":\"edit\",\"memory_id\":\"%s\",\"content\":\"Alpha is 1.\"}", ids[0]));
    char *edited = export(&one);
    struct answer a = ask(&one, "{\"op\":\"undo\"}");
    assert_int_equal(a.st, STATUS_OK);
    char undo[ID_UUID_SIZE];
    snprintf(undo, sizeof undo, "%s", json_str(a.body, "operation", ""));
    drop(&a);
    ok(ask(&one, "{\"op\":\"undo\",\"operation\":\"%.8s\"}", undo));
    expect_same(edited);
    free(edited);
    refused(ask(&one, "{\"op\":\"undo\",\"operation\":\"%s\"}", undo), STATUS_EXISTS);
    /* The edit holds again, and can be taken back again. */
    ok(ask(&one, "{\"op\":\"undo\"}"));
    ok(ask(&one, "{\"op\":\"undo\"}")); /* the save */
    refused(ask(&one, "{\"op\":\"undo\"}"), STATUS_NOT_FOUND);
}

/* What came later is not trampled on. */
static void test_undo_conflict(void **state) {
    (void)state;
    add(0, "fact", "Alpha.");
    struct answer a =
        ask(&one, "{\"op\":\"edit\",\"memory_id\":\"%s\",\"content\":\"Beta.\"}", ids[0]);
    char edit[ID_UUID_SIZE];
    snprintf(edit, sizeof edit, "%s", json_str(a.body, "operation", ""));
    drop(&a);
    ok(ask(&one, "{\"op\":\"edit\",\"memory_id\":\"%s\",\"content\":\"Gamma.\"}", ids[0]));
    refused(ask(&one, "{\"op\":\"undo\",\"operation\":\"%s\"}", edit), STATUS_EXISTS);
    add(1, "fact", "Alpha.");
    refused(ask(&one, "{\"op\":\"undo\",\"operation\":\"%s\",\"force\":true}", edit),
            STATUS_EXISTS); /* somebody else says that now */
    ok(ask(&one, "{\"op\":\"undo\",\"memory_id\":\"%s\"}", ids[1]));
    refused(ask(&one, "{\"op\":\"undo\",\"operation\":\"deadbeef\"}"), STATUS_NOT_FOUND);
}

/* --- merge ---- */

static void test_merge(void **state) {
    (void)state;
    add(0, "fact", "The server has two cores.");
    add(1, "fact", "The server has 2 cores and 8 GB.");
    add(2, "fact", "The rack is in Berlin.");
    add(3, "todo", "Buy a server.");
    ok(ask(&one, "{\"op\":\"link\",\"source\":\"%s\",\"target\":\"%s\",\"relation\":\"part_of\"}",
           ids[0], ids[2]));
    char *before = export(&one);
    clock_advance(NS_PER_SEC);
    ok(ask(&one,
           "{\"op\":\"merge\",\"batch\":[{\"survivor_id\":\"%s\",\"absorbed_id\":\"%s\","
           "\"merged_content\":\"The server has two cores and 8 GB.\"}]}",
           ids[1], ids[0]));
    struct memory m;
    struct cause why = {""};
    struct q_memory_edge_row edge;
    assert_int_equal(memory_get(store_read(one.store), ids[0], &m, &why), STATUS_OK);
    assert_string_equal(m.superseded_by, ids[1]);
    memory_clear(&m);
    assert_int_equal(memory_get(store_read(one.store), ids[1], &m, &why), STATUS_OK);
    assert_string_equal(m.content, "The server has two cores and 8 GB.");
    memory_clear(&m);
    assert_int_equal(q_memory_edge(store_read(one.store), ids[1], ids[2], "part_of", &edge, &why),
                     STATUS_OK);
    q_memory_edge_free(&edge);
    ok(ask(&one, "{\"op\":\"undo\"}"));
    expect_same(before);
    free(before);
    /* All or nothing. */
    refused(ask(&one,
                "{\"op\":\"merge\",\"batch\":[{\"survivor_id\":\"%s\",\"absorbed_id\":\"%s\"},"
                "{\"survivor_id\":\"%s\",\"absorbed_id\":\"%s\"}]}",
                ids[1], ids[0], ids[1], ids[3]),
            STATUS_INVALID);
    refused(ask(&one,
                "{\"op\":\"merge\",\"batch\":[{\"survivor_id\":\"%s\",\"absorbed_id\":\"%s\"},"
                "{\"survivor_id\":\"%s\",\"absorbed_id\":\"%s\"}]}",
                ids[1], ids[0], ids[0], ids[2]),
            STATUS_INVALID);
    assert_int_equal(memory_get(store_read(one.store), ids[0], &m, &why), STATUS_OK);
    assert_int_equal(m.forgotten_at, 0);
    memory_clear(&m);
}

/* --- out and in ---- */

static uint64_t seed;
static unsigned roll(unsigned n) {
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(seed >> 33) % n;
}

static char *words(void) {
    static const char *const list[] = {"alpha", "Beta",   "größer", "日本語", "x_y_z", "\\\"q\\\"",
                                       "\\n",   "\\ttab", "12.5",   "🦉",   "\\\\",  "end"};
    struct buf b = BUF_INIT;
    unsigned n = 1 + roll(9);
    for (unsigned i = 0; i < n; i++)
        buf_printf(&b, "%s%s", i ? " " : "", list[roll(ARRAY_LEN(list))]);
    buf_printf(&b, " %u", roll(1000));
    return buf_steal(&b);
}

static void random_step(void) {
    static const char *const types[] = {"fact", "todo", "decision", "event", "identity"};
    char *text = words();
    clock_advance((int64_t)roll(100000) * NS_PER_MS);
    size_t a = roll(16), b = roll(16);
    struct answer got = {.given = false};
    switch (roll(8)) {
    case 0:
    case 1:
    case 2:
        got = ask(&one,
                  "{\"op\":\"add\",\"type\":\"%s\",\"content\":\"%s\",\"importance\":0.%u,"
                  "\"channel\":\"c%u\"}",
                  types[roll(5)], text, roll(100000), roll(3));
        if (got.st == STATUS_OK)
            snprintf(ids[a], sizeof ids[a], "%s", json_str(got.body, "id", ""));
        break;
    case 3:
        got = ask(&one, "{\"op\":\"edit\",\"memory_id\":\"%s\",\"content\":\"%s\"}", ids[a], text);
        break;
    case 4:
        got = ask(&one, "{\"op\":\"%s\",\"memory_id\":\"%s\"}", roll(2) ? "forget" : "restore",
                  ids[a]);
        break;
    case 5:
        got = ask(&one,
                  "{\"op\":\"link\",\"source\":\"%s\",\"target\":\"%s\",\"weight\":0.%u,"
                  "\"relation\":\"%s\"}",
                  ids[a], ids[b], roll(100000), roll(2) ? "part_of" : "caused_by");
        break;
    case 6:
        got = ask(&one, "{\"op\":\"add\",\"type\":\"human\",\"person\":\"p%u\",\"content\":\"%s\"}",
                  roll(3), text);
        break;
    case 7:
        got = ask(&one, "{\"op\":\"undo\"}");
        break;
    }
    drop(&got);
    free(text);
}

static char *import_text(struct world *w, const char *text) {
    cJSON *args = json_new_obj(), *items = json_add_arr(args, "items");
    json_add_str(args, "op", "import");
    struct cause why = {""};
    while (*text) {
        size_t n = strcspn(text, "\n");
        cJSON *item = NULL;
        if (json_parse(text, n, &item, &why) != STATUS_OK)
            fail_msg("%s", why.text);
        cJSON_AddItemToArray(items, item);
        text += n + (text[n] == '\n');
    }
    struct answer a = ask_args(w, args);
    if (a.st != STATUS_OK)
        fail_msg("%s", a.why);
    char *result = json_print(a.body);
    drop(&a);
    return result;
}

static void test_round_trip(void **state) {
    (void)state;
    for (uint64_t s = 1; s <= 4; s++) {
        seed = s;
        memset(ids, 0, sizeof ids);
        for (int i = 0; i < 120; i++)
            random_step();
        char *out = export(&one);
        world_open(&two);
        char *result = import_text(&two, out);
        assert_non_null(strstr(result, "\"refused\":[]"));
        free(result);
        char *again = export(&two);
        assert_string_equal(again, out);
        free(again);
        /* Once more changes nothing. */
        result = import_text(&two, out);
        assert_non_null(strstr(result, "\"imported\":0,"));
        free(result);
        again = export(&two);
        assert_string_equal(again, out);
        free(again);
        free(out);
        world_close(&two);
        two = (struct world){.loop = NULL};
    }
}

static void test_bad_lines(void **state) {
    (void)state;
    char *result = import_text(
        &one, "{\"kind\":\"memory\",\"content\":\"good\"}\n{\"kind\":\"memory\"}\n"
              "{\"kind\":\"memory\",\"content\":\"x\",\"type\":\"opinion\"}\n"
              "{\"kind\":\"memory\",\"content\":\"x\",\"importance\":7}\n"
              "{\"kind\":\"memory\",\"content\":\"x\",\"created_at\":\"yesterday\"}\n"
              "{\"kind\":\"memory\",\"content\":\"x\",\"id\":\"../../etc\"}\n"
              "{\"kind\":\"edge\",\"source\":\"11111111-1111-4111-8111-111111111111\",\"target\":"
              "\"21111111-1111-4111-8111-111111111111\"}\n"
              "{\"kind\":\"spell\"}\n{\"kind\":\"memory\",\"content\":\"also good\"}\n");
    assert_non_null(strstr(result, "\"imported\":2,"));
    for (int i = 1; i <= 7; i++) {
        char part[24];
        snprintf(part, sizeof part, "{\"item\":%d,", i);
        assert_non_null(strstr(result, part));
    }
    free(result);
}

/* --- files ---- */

static char *read_source(const char *name, const char *text, int *bad) {
    struct buf b = BUF_INIT;
    struct memory_source *s = NULL;
    struct cause why = {""};
    char *path = xasprintf("%s/%s", one.dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    assert_int_equal(memory_source_open(path, &s, &why), STATUS_OK);
    *bad = 0;
    for (;;) {
        cJSON *item;
        enum status st = memory_source_next(s, &item, &why);
        if (st == STATUS_NOT_FOUND)
            break;
        if (st == STATUS_INVALID) {
            ++*bad;
            continue;
        }
        assert_int_equal(st, STATUS_OK);
        if (str_eq(json_str(item, "kind", ""), "edge"))
            buf_printf(&b, "[%s]", json_str(item, "relation", ""));
        else
            buf_printf(&b, "[%s:%s:%s]", json_str(item, "type", ""), json_str(item, "person", ""),
                       json_str(item, "content", ""));
        cJSON_Delete(item);
    }
    memory_source_close(&s);
    free(path);
    return buf_steal(&b);
}

static void expect_source(const char *name, const char *text, int bad, const char *items) {
    int got;
    char *s = read_source(name, text, &got);
    assert_string_equal(s, items);
    assert_int_equal(got, bad);
    free(s);
}

static void test_markdown(void **state) {
    (void)state;
    expect_source(
        "a.md",
        "---\ntype: observation\nperson: Ann\n---\nStray words.\n\n# House\nOld, and\n"
        "draughty.\n\n## Decisions\n- paint it *red*\n  - or green\n- no dog\n"
        "1. first\n2) second\n\n# To do\n- [ ] door\n- [x] roof\n```\n# no heading\n- no\n"
        "```\n",
        0,
        "[observation:Ann:Stray words.][observation:Ann:House\n\nOld, and\ndraughty.]"
        "[decision:Ann:House > Decisions: paint it *red*\n- or green]"
        "[decision:Ann:House > Decisions: no dog][decision:Ann:House > Decisions: first]"
        "[decision:Ann:House > Decisions: second][todo:Ann:To do: door]"
        "[event:Ann:To do: (done) roof]"
        "[todo:Ann:To do\n\n```\n# no heading\n- no\n```]");
    expect_source("b.md", "- one\r\n- two\r\n", 0, "[fact::one][fact::two]");
    expect_source("c.md", "", 0, "");
}

static void test_mcp(void **state) {
    (void)state;
    expect_source(
        "m.jsonl",
        "{\"type\":\"entity\",\"name\":\"Ann\",\"entityType\":\"person\",\"observations\":[\"a\","
        "\"b\"]}\n{\"type\":\"entity\",\"name\":\"X\",\"entityType\":\"tool\",\"observations\":["
        "\"is fast\"]}\nrubbish\n\n{\"type\":\"relation\",\"from\":\"Ann\",\"to\":\"X\","
        "\"relationType\":\"works_with\"}\n{\"type\":\"relation\",\"from\":\"Ann\",\"to\":\"X\","
        "\"relationType\":\"part_of\"}\n{\"type\":\"entity\"}\n",
        2,
        "[human:Ann:a\nb][fact::X (tool)][fact::X: is fast][part_of][fact::Ann works with X]"
        "[related_to][related_to][related_to][part_of]");
}

/* --- near ---- */

static struct memory_near *heard;
static size_t nheard;
static bool told;

static void on_near(void *arg, const struct memory_near *v, size_t n) {
    (void)arg;
    heard = xcalloc(n ? n : 1, sizeof *heard);
    for (nheard = 0; nheard < n; nheard++)
        heard[nheard] = v[nheard];
    told = true;
}

static void test_near(void **state) {
    (void)state;
    add(0, "fact", "The production server runs Debian 12 with two cores.");
    add(1, "fact", "Ann prefers green tea in the morning.");
    add(2, "fact", "Backups run every night at three.");
    add(3, "fact", "The production server does not run Debian with two cores.");
    struct memory_near_query q = {.content = "The production server runs Debian 13 with two cores.",
                                  .limit = 5};
    struct memory_near *v = NULL;
    size_t n = 0;
    struct cause why = {""};
    assert_int_equal(memory_near_find(store_read(one.store), &q, &v, &n, &why), STATUS_OK);
    assert_int_equal(n, 2);
    assert_string_equal(v[0].id, ids[0]);
    assert_int_equal(v[0].kind, MEMORY_NEAR_UPDATE);
    assert_string_equal(v[1].id, ids[3]);
    assert_int_equal(v[1].kind, MEMORY_NEAR_CONTRADICTION);
    memory_near_free(&v, n);
    /* In a job, as after a save; what is forgotten is not told. */
    ok(ask(&one, "{\"op\":\"forget\",\"memory_id\":\"%s\"}", ids[3]));
    struct memory_near_job *job = NULL;
    q.content = "the production server RUNS debian 12 with two cores";
    q.except = ids[1];
    assert_int_equal(memory_near_later(one.m, &q, on_near, NULL, &job, &why), STATUS_OK);
    told = false;
    for (int i = 0; i < 100 && !told; i++)
        loop_turn(one.loop, 0);
    assert_true(told);
    assert_int_equal(nheard, 1);
    assert_int_equal(heard[0].kind, MEMORY_NEAR_DUPLICATE);
    assert_true(heard[0].similarity > 0.99);
    x_free(&heard);
}

/* --- in the prompt ---- */

static char *render(int words) {
    struct buf b = BUF_INIT;
    struct cause why = {""};
    assert_int_equal(memory_render(store_read(one.store), words, &b, &why), STATUS_OK);
    return b.len ? buf_steal(&b) : xstrdup("");
}

static void expect_render(int words, const char *text) {
    char *got = render(words);
    assert_string_equal(got, text);
    free(got);
}

static void test_render(void **state) {
    (void)state;
    expect_render(500, "");
    add(0, "fact", "The server runs Debian.");
    add(1, "decision", "We ship on Friday.");
    add(2, "event", "It rained.");
    ok(ask(&one, "{\"op\":\"add\",\"content\":\"Likes tea.\\nGreen.\",\"person\":\"ann\","
                 "\"importance\":0.9}"));
    const char *all = "\nFacts (2 of 2)\n- ann: Likes tea.… (2026-11-18)\n"
                      "- The server runs Debian. (2026-11-18)\n"
                      "\nDecisions (1 of 1)\n- We ship on Friday. (2026-11-18)\n";
    expect_render(500, all);
    expect_render(500, all);
    /* Words end it, and what is forgotten is not in it. */
    expect_render(50, "\nFacts (1 of 2)\n- ann: Likes tea.… (2026-11-18)\n"
                      "\nDecisions (1 of 1)\n- We ship on Friday. (2026-11-18)\n");
    expect_render(8, "\nFacts (1 of 2)\n- ann: Likes tea.… (2026-11-18)\n");
    ok(ask(&one, "{\"op\":\"forget\",\"memory_id\":\"%s\"}", ids[1]));
    expect_render(500, "\nFacts (2 of 2)\n- ann: Likes tea.… (2026-11-18)\n"
                       "- The server runs Debian. (2026-11-18)\n");
    /* Recalling changes no byte. */
    memory_touch(one.m, ids[0]);
    loop_turn(one.loop, 0);
    expect_render(500, "\nFacts (2 of 2)\n- ann: Likes tea.… (2026-11-18)\n"
                       "- The server runs Debian. (2026-11-18)\n");
}

int main(void) {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {T(test_undo),     T(test_redo),       T(test_undo_conflict),
                                       T(test_merge),    T(test_round_trip), T(test_bad_lines),
                                       T(test_markdown), T(test_mcp),        T(test_near),
                                       T(test_render)};
    return cmocka_run_group_tests_name("memory_graph", tests, NULL, NULL);
}
