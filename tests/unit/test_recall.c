/* recall: what is found, in which order and why; no text breaks it; filters hold; and the indexes
 * follow what is stored. */
#include "memory/recall.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/str.h"
#include "memory/memory.h"
#include "memory/recall_date.h"
#include "store/queries.gen.h"

#define START INT64_C(1795000000000) /* 18 November 2026, a Wednesday */
#define MINUTE INT64_C(60000)
#define DAY (24 * 60 * MINUTE)

static char dir[64], path[96];
static struct loop *loop;
static struct store *store;
static struct memories *memories;

static int setup(void **state) {
    (void)state;
    struct cause why = {""};
    strcpy(dir, "/tmp/test_recall.XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/spacebot.db", dir);
    clock_set_virtual(START);
    id_seed(7);
    loop = loop_new(LOOP_INLINE);
    if (store_open(loop, path, &store, &why) != STATUS_OK)
        fail_msg("%s", why.text);
    memories = memories_new(loop, store, NULL);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    struct cause why = {""};
    memories_free(&memories);
    if (store_close(&store, &why) != STATUS_OK)
        fail_msg("%s", why.text);
    loop_free(&loop);
    clock_set_real();
    char *cmd = xasprintf("rm -rf %s", dir);
    int rc = system(cmd);
    free(cmd);
    return rc;
}

/* --- what is stored ---- */

static void say_at(const char *channel, const char *person, const char *id, const char *text,
                   int64_t at) {
    store_channel_touch(store, channel, "terminal", NULL, NULL, NULL, 1);
    store_message_insert(store, &(struct store_message_insert){.id = id,
                                                               .channel_id = channel,
                                                               .role = "user",
                                                               .sender_name = person,
                                                               .content = text,
                                                               .created_at = at});
}

static void say(const char *person, const char *id, const char *text) {
    say_at("talk", person, id, text, clock_wall_ms());
    clock_advance(MINUTE * NS_PER_MS);
}

static void drain(void) {
    struct cause why = {""};
    if (store_drain(store, 30 * NS_PER_SEC, &why) != STATUS_OK)
        fail_msg("%s", why.text);
}

static void saved(void *arg, enum status st, const struct memory_result *r, const char *why) {
    if (st != STATUS_OK)
        fail_msg("%s", why);
    strcpy(arg, r->id);
}

static const char *save(enum memory_type type, const char *content, const struct memory_link *links,
                        size_t n) {
    static char ids[16][ID_UUID_SIZE];
    static unsigned next;
    char *id = ids[next++ % 16];
    struct cause why = {""};
    struct memory_new v = {
        .type = type, .content = content, .links = links, .nlinks = n, .by = MEMORY_BY_PERSON};
    if (memory_save(memories, &v, saved, id, NULL, &why) != STATUS_OK)
        fail_msg("%s", why.text);
    for (int i = 0; i < 1000 && !memories_idle(memories); i++)
        loop_turn(loop, 0);
    clock_advance(MINUTE * NS_PER_MS);
    return id;
}

/* --- asking ---- */

static struct recall_result *ask(struct recall_query q) {
    struct recall_result *r;
    struct cause why = {""};
    drain();
    q.now_ms = q.now_ms ? q.now_ms : clock_wall_ms();
    if (recall_run(store_read(store), &q, &r, &why) != STATUS_OK)
        fail_msg("%s", why.text);
    return r;
}

/* "id id": turns by their id, memories by the beginning of their content. */
static void expect(struct recall_query q, const char *expected) {
    struct recall_result *r = ask(q);
    struct buf got = BUF_INIT;
    for (size_t i = 0; i < r->n; i++)
        buf_printf(&got, "%s%.*s", i ? " " : "",
                   r->v[i].kind == RECALL_TURN ? 40 : (int)strcspn(r->v[i].content, " "),
                   r->v[i].kind == RECALL_TURN ? r->v[i].id : r->v[i].content);
    assert_string_equal(buf_str(&got), expected);
    buf_free(&got);
    recall_free(&r);
}

static struct recall_query about(const char *text) { return (struct recall_query){.text = text}; }

static char *reasons(struct recall_query q, size_t hit) {
    struct recall_result *r = ask(q);
    struct buf b = BUF_INIT;
    assert_true(hit < r->n);
    for (size_t i = 0; i < r->v[hit].why.n; i++)
        buf_printf(&b, "%s%s", i ? "; " : "", r->v[hit].why.v[i]);
    recall_free(&r);
    return buf_steal(&b);
}

static void expect_why(struct recall_query q, size_t hit, const char *expected) {
    char *got = reasons(q, hit);
    assert_string_equal(got, expected);
    free(got);
}

/* --- words ---- */

static void test_words(void **state) {
    (void)state;
    say("ann", "a", "The garden needs water every evening.");
    say("bob", "b", "I painted the fence.");
    clock_advance(DAY * NS_PER_MS);
    say("bob", "c", "We play chess on Fridays.");
    expect(about("watering gardens"), "a b");
    expect_why(about("watering gardens"), 0, "words: watering, gardens");
    expect_why(about("watering gardens"), 1, "near: watering, gardens");
    expect(about("chess"), "c");
    expect(about("zebra"), "");
}

/* The answer is in the turn after the question, which has none of its words. */
static void test_answer_near_question(void **state) {
    (void)state;
    say("ann", "q", "What colour will your new kitchen have?");
    say("bob", "r", "Green, I think.");
    say("ann", "x", "Nice.");
    expect(about("colour of Bob's kitchen"), "r q x");
    expect_why(about("colour of Bob's kitchen"), 0, "near: colour, kitchen; said by bob");
}

static void test_irregular_forms(void **state) {
    (void)state;
    say("ann", "a", "We went to the lake and bought bread.");
    expect(about("going to lakes"), "a");
    expect(about("buy"), "a");
    expect(about("buying"), "a");
}

/* A name in the question lifts what that person said, and hides nothing. */
static void test_person_is_no_filter(void **state) {
    (void)state;
    say("ann", "a", "The violin is old.");
    clock_advance(DAY * NS_PER_MS);
    say("bob", "b", "The violin is old.");
    expect(about("Ann's violin"), "a b");
    expect(about("Bob's violin"), "b a");
}

static void test_same_again(void **state) {
    (void)state;
    for (int i = 0; i < 40; i++) {
        char id[16], text[64];
        snprintf(id, sizeof id, "m%02d", i);
        snprintf(text, sizeof text, "kettle number %d on the stove", i % 3);
        say(i % 2 ? "ann" : "bob", id, text);
    }
    struct recall_query q = about("kettle on stove");
    struct recall_result *one = ask(q), *two = ask(q);
    assert_int_equal(one->n, RECALL_LIMIT);
    assert_int_equal(one->n, two->n);
    for (size_t i = 0; i < one->n; i++)
        assert_string_equal(one->v[i].id, two->v[i].id);
    recall_free(&one);
    recall_free(&two);
}

/* --- text as it stands ---- */

static void test_pieces(void **state) {
    (void)state;
    say("ann", "a", "See store_open() in src/store/store.c");
    clock_advance(DAY * NS_PER_MS);
    say("ann", "b", "我们明天在东京见面");
    clock_advance(DAY * NS_PER_MS);
    say("ann", "c", "会議は大阪で開きます");
    clock_advance(DAY * NS_PER_MS);
    expect(about("where is store_open"), "a");
    expect(about("tore/store.c"), "a");
    expect(about("东京见面"), "b");
    expect(about("东京见"), "b");
    expect(about("东京"), "b"); /* two characters: the trigram index finds none */
    expect(about("京"), "b");
    expect(about("大阪"), "c");
    expect(about("大阪で会う"), "c");
    expect_why(about("东京"), 0, "text: 东京");
}

static void test_hostile_queries(void **state) {
    (void)state;
    static const char *const queries[] = {"\"",
                                          "\"\"\"",
                                          "AND",
                                          "a OR",
                                          "NEAR(a b",
                                          "content:x",
                                          "^x",
                                          "x*",
                                          "-x",
                                          "(((",
                                          ")",
                                          "x\" OR \"y",
                                          "'; DROP TABLE x; --",
                                          "\xff\xfe",
                                          "\xe6\x9d",
                                          "%s%n",
                                          "{a b}: c",
                                          "+",
                                          "NOT NOT",
                                          "\t\n",
                                          "...",
                                          "\"a",
                                          "a\"b\"c",
                                          "x AND y NOT z"};
    say("ann", "a", "x and y");
    for (size_t i = 0; i < ARRAY_LEN(queries); i++) {
        struct recall_result *r = ask(about(queries[i]));
        recall_free(&r);
    }
    struct buf big = BUF_INIT;
    for (int i = 0; i < 20000; i++)
        buf_printf(&big, "w%d \"q%d ", i, i);
    struct recall_result *r = ask(about(buf_str(&big)));
    recall_free(&r);
    buf_free(&big);
    struct cause why = {""};
    struct recall_query nothing = about("");
    assert_int_equal(recall_run(store_read(store), &nothing, &r, &why), STATUS_INVALID);
    assert_non_null(strstr(why.text, "words"));
}

/* --- times ---- */

static void expect_dates(const char *text, const char *expected) {
    static const char grains[] = {'d', 'w', 'm', 'y'};
    struct recall_date d[RECALL_DATES_MAX];
    struct buf got = BUF_INIT;
    size_t n = recall_dates(text, strlen(text), START, d);
    for (size_t i = 0; i < n; i++) {
        char from[CLOCK_RFC3339_SIZE];
        clock_rfc3339(d[i].from, from);
        buf_printf(&got, "%s%c%.10s", i ? " " : "", grains[d[i].grain],
                   d[i].from  ? from
                   : d[i].day ? "day"
                              : "month");
    }
    if (strcmp(buf_str(&got), expected) != 0)
        fail_msg("%s: %s instead of %s", text, buf_str(&got), expected);
    buf_free(&got);
}

static void test_dates(void **state) {
    (void)state;
    expect_dates("what was on 8 May 2023?", "d2023-05-08");
    expect_dates("May 8th, 2023 or 8th of May, 2023", "d2023-05-08 d2023-05-08");
    expect_dates("in May 2023", "m2023-05-01");
    expect_dates("in may", "mmonth");
    expect_dates("it may rain, we march on", "");
    expect_dates("on 3 march", "dday");
    expect_dates("2023-05-08", "d2023-05-08");
    expect_dates("all of 2022", "y2022-01-01");
    expect_dates("yesterday and today", "d2026-11-17 d2026-11-18");
    expect_dates("last week", "w2026-11-09");
    expect_dates("this week", "w2026-11-16");
    expect_dates("last month, last year", "m2026-10-01 y2025-01-01");
    expect_dates("three days ago", "d2026-11-15");
    expect_dates("2 weeks ago", "w2026-11-02");
    expect_dates("a month ago", "m2026-10-01");
    expect_dates("last Friday", "d2026-11-13");
    expect_dates("last Wednesday", "d2026-11-11");
    expect_dates("last May", "m2026-05-01");
    expect_dates("last December", "m2025-12-01");
    expect_dates("99999999999 13 31 2023-13-45", "y2023-01-01");
    expect_dates("", "");
}

static void test_date_lifts(void **state) {
    (void)state;
    say_at("talk", "ann", "jan", "The meeting was long.", INT64_C(1768435200000)); /* 15.1.2026 */
    say_at("talk", "ann", "mar", "The meeting was long.", INT64_C(1773532800000)); /* 15.3.2026 */
    say_at("talk", "ann", "oct", "The meeting was long.", INT64_C(1792022400000)); /* 15.10.2026 */
    expect(about("meeting in March 2026"), "mar oct jan");
    expect(about("meeting in January"), "jan mar oct");
    expect(about("the meeting last month"), "oct mar jan");
    expect_why(about("meeting in March 2026"), 0, "words: meeting; date");
}

/* --- filters ---- */

static void test_filters(void **state) {
    (void)state;
    say_at("one", "ann", "a", "apple pie", START - 2 * DAY);
    say_at("two", "bob", "b", "apple pie", START - DAY);
    say_at("two", "ann", "c", "apple pie", START);
    save(MEMORY_FACT, "apples keep long", NULL, 0);
    save(MEMORY_DECISION, "no-apples in the office", NULL, 0);
    struct recall_query q = about("apple");
    q.kinds = 1u << RECALL_TURN;
    expect(q, "c b a");
    q.channel = "two";
    expect(q, "c b");
    q.person = "bob";
    expect(q, "b");
    q.person = "nobody";
    expect(q, "");
    q = about("apple");
    q.kinds = 1u << RECALL_TURN;
    q.since = START - DAY;
    expect(q, "c b");
    q.until = START;
    expect(q, "b");
    q = about("apple");
    q.types = 1u << MEMORY_DECISION;
    expect(q, "no-apples");
    q.types = 0;
    q.kinds = 1u << RECALL_MEMORY;
    expect(q, "apples no-apples");
}

/* The filter holds before the cut: the only one that fits is far down the list without it. */
static void test_filter_before_cut(void **state) {
    (void)state;
    say_at("talk", "ann", "rare", "a lamp, once, and much else beside that is not about it",
           START - 90 * DAY);
    for (int i = 0; i < 600; i++) {
        char id[16];
        snprintf(id, sizeof id, "m%d", i);
        say_at("talk", "bob", id, "lamp", START + i * MINUTE);
    }
    struct recall_query q = about("lamp");
    q.person = "ann";
    expect(q, "rare");
    q.person = NULL;
    q.until = START - DAY;
    expect(q, "rare");
}

/* --- memories and their graph ---- */

static void test_graph(void **state) {
    (void)state;
    const char *old = save(MEMORY_DECISION, "Sessions expire after a day", NULL, 0);
    const char *reason = save(MEMORY_EVENT, "Audit found stale logins", NULL, 0);
    const char *far = save(MEMORY_FACT, "Auditors come in spring", NULL, 0);
    struct memory_link links[] = {{old, MEMORY_UPDATES, 0.9}, {reason, MEMORY_RELATED_TO, 0.4}};
    struct memory_link onward = {reason, MEMORY_RELATED_TO, 0.9};
    struct cause why = {""};
    save(MEMORY_DECISION, "Tokens are signed", links, 2);
    if (memory_link(memories, far, &onward, MEMORY_BY_PERSON, NULL, NULL, NULL, &why) != STATUS_OK)
        fail_msg("%s", why.text);
    for (int i = 0; i < 1000 && !memories_idle(memories); i++)
        loop_turn(loop, 0);
    expect(about("signed tokens"), "Tokens Sessions Audit Auditors");
    expect_why(about("signed tokens"), 0, "words: signed, tokens");
    expect_why(about("signed tokens"), 1, "graph: updates \"Tokens are signed\"");
    expect_why(about("signed tokens"), 3, "graph: related_to \"Audit found stale logins\"");
    if (memory_forget(memories, old, NULL, MEMORY_BY_PERSON, NULL, NULL, NULL, NULL, &why) !=
        STATUS_OK)
        fail_msg("%s", why.text);
    for (int i = 0; i < 1000 && !memories_idle(memories); i++)
        loop_turn(loop, 0);
    expect(about("signed tokens"), "Tokens Audit Auditors");
    expect(about("sessions expire"), "");
}

static void test_modes(void **state) {
    (void)state;
    save(MEMORY_DECISION, "first thing", NULL, 0);
    save(MEMORY_OBSERVATION, "second thing", NULL, 0);
    say("ann", "t", "third thing");
    struct recall_query q = {.mode = RECALL_RECENT};
    expect(q, "t second first");
    q.limit = 1;
    expect(q, "t");
    q = (struct recall_query){.mode = RECALL_IMPORTANT};
    expect(q, "first second");
    q = (struct recall_query){.mode = RECALL_TYPED, .types = 1u << MEMORY_OBSERVATION};
    expect(q, "second");
    struct recall_result *r;
    struct cause why = {""};
    q.types = 0;
    assert_int_equal(recall_run(store_read(store), &q, &r, &why), STATUS_INVALID);
}

/* --- the index ---- */

/* What is for the engine, or comes from it, is no turn. */
static void test_what_is_a_turn(void **state) {
    (void)state;
    say("ann", "a", "plain words");
    say("system", "b", "plain words");
    store_message_insert(store, &(struct store_message_insert){.id = "c",
                                                               .channel_id = "talk",
                                                               .role = "user",
                                                               .sender_name = "ann",
                                                               .content = "/plain words",
                                                               .metadata = "{\"command\":true}",
                                                               .created_at = START});
    expect(about("plain"), "a");
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    static const struct CMUnitTest tests[] = {
        T(test_words),
        T(test_answer_near_question),
        T(test_irregular_forms),
        T(test_person_is_no_filter),
        T(test_same_again),
        T(test_pieces),
        T(test_hostile_queries),
        T(test_dates),
        T(test_date_lifts),
        T(test_filters),
        T(test_filter_before_cut),
        T(test_graph),
        T(test_modes),
        T(test_what_is_a_turn),
    };
#undef T
    return cmocka_run_group_tests(tests, NULL, NULL);
}
