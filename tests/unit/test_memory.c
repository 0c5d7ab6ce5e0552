/* memory: what is saved is there once and for all, whatever comes of it is in its history, and
 * operations keep out of each other's way. */
#include "memory/memory.h"

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
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "store/queries.gen.h"

#define START INT64_C(1795000000000)

static char dir[64], path[96];
static struct loop *loop;
static struct store *store;
static struct memories *memories;

static int setup(void **state) {
    (void)state;
    struct cause why = {""};
    strcpy(dir, "/tmp/test_memory.XXXXXX");
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

/* --- asking and waiting ---- */

struct answer {
    bool given;
    enum status st;
    struct memory_result r;
    char why[512];
};

static void hear(void *arg, enum status st, const struct memory_result *r, const char *why) {
    struct answer *a = arg;
    assert_false(a->given);
    a->given = true;
    a->st = st;
    a->r = *r;
    snprintf(a->why, sizeof a->why, "%s", why);
}

static void settle(void) {
    for (int i = 0; i < 1000 && !memories_idle(memories); i++)
        loop_turn(loop, 0);
    assert_true(memories_idle(memories));
}

static struct memory_new fact(const char *content) {
    return (struct memory_new){.type = MEMORY_FACT, .content = content, .by = MEMORY_BY_PERSON};
}

static void begin(const struct memory_new *v, struct answer *a) {
    struct cause why = {""};
    *a = (struct answer){.given = false};
    if (memory_save(memories, v, hear, a, NULL, &why) != STATUS_OK)
        fail_msg("%s", why.text);
}

static struct answer save(const struct memory_new *v) {
    struct answer a;
    begin(v, &a);
    settle();
    assert_true(a.given);
    if (a.st != STATUS_OK)
        fail_msg("%s", a.why);
    return a;
}

static struct answer save_fact(const char *content) {
    struct memory_new v = fact(content);
    return save(&v);
}

static struct memory get(const char *id) {
    struct memory m;
    struct cause why = {""};
    if (memory_get(store_read(store), id, &m, &why) != STATUS_OK)
        fail_msg("%s", why.text);
    return m;
}

static struct answer forget(const char *id, const char *superseded_by) {
    struct answer a = {.given = false};
    struct cause why = {""};
    if (memory_forget(memories, id, superseded_by, MEMORY_BY_PERSON, "it is wrong", hear, &a, NULL,
                      &why) != STATUS_OK)
        fail_msg("%s", why.text);
    settle();
    return a;
}

static struct answer edit(const char *id, const struct memory_edit *v) {
    struct answer a = {.given = false};
    struct cause why = {""};
    if (memory_edit(memories, id, v, MEMORY_BY_PERSON, NULL, hear, &a, NULL, &why) != STATUS_OK)
        fail_msg("%s", why.text);
    settle();
    return a;
}

static struct answer restore(const char *id) {
    struct answer a = {.given = false};
    struct cause why = {""};
    if (memory_restore(memories, id, MEMORY_BY_PERSON, hear, &a, NULL, &why) != STATUS_OK)
        fail_msg("%s", why.text);
    settle();
    return a;
}

static struct answer link_to(const char *source, const char *target, double weight) {
    struct answer a = {.given = false};
    struct cause why = {""};
    struct memory_link l = {.target = target, .relation = MEMORY_CAUSED_BY, .weight = weight};
    if (memory_link(memories, source, &l, MEMORY_BY_PERSON, hear, &a, NULL, &why) != STATUS_OK)
        fail_msg("%s", why.text);
    settle();
    return a;
}

static bool add_change(void *arg, const struct q_memory_history_row *row) {
    buf_printf(arg, "%s:%d:%s%s ", row->change, (int)row->revision, row->actor,
               row->content ? "+" : "");
    return true;
}

static void expect_history(const char *id, const char *text) {
    struct buf b = BUF_INIT;
    struct cause why = {""};
    if (q_memory_history(store_read(store), id, 100, add_change, &b, &why) != STATUS_OK)
        fail_msg("%s", why.text);
    assert_string_equal(buf_str(&b), text);
    buf_free(&b);
}

static bool count_row(void *arg, const struct memory *m) {
    (void)m;
    ++*(int *)arg;
    return true;
}

static int count(bool forgotten) {
    int n = 0;
    struct cause why = {""};
    struct memory_filter f = {.forgotten = forgotten, .limit = 1000};
    if (memory_list(store_read(store), &f, count_row, &n, &why) != STATUS_OK)
        fail_msg("%s", why.text);
    return n;
}

/* --- words ---- */

static void test_words(void **state) {
    (void)state;
    enum memory_type t;
    enum memory_relation r;
    int types = 0;
#define X(name, text, importance, what, heading)                                                   \
    assert_int_equal(memory_type_from_string(text, &t), STATUS_OK);                                \
    assert_int_equal(t, MEMORY_##name);                                                            \
    assert_string_equal(memory_type_name(t), text);                                                \
    types++;
    MEMORY_TYPE_TABLE(X)
#undef X
    assert_int_equal(types, 9);
    assert_int_equal(memory_type_from_string("facts", &t), STATUS_NOT_FOUND);
    assert_int_equal(memory_relation_from_string("part_of", &r), STATUS_OK);
    assert_int_equal(r, MEMORY_PART_OF);
    assert_int_equal(memory_relation_from_string("", &r), STATUS_NOT_FOUND);
}

/* --- saving ---- */

static void test_save(void **state) {
    (void)state;
    double importance = 0.75;
    struct memory_new v = {.type = MEMORY_DECISION,
                           .content = "  We ship on Friday.\n",
                           .importance = &importance,
                           .source = "branch:1",
                           .channel = "inbox",
                           .person = "ann",
                           .by = "branch:1"};
    struct answer a = save(&v);
    assert_false(a.r.existed);
    struct memory m = get(a.r.id);
    assert_string_equal(m.content, "We ship on Friday.");
    assert_int_equal(m.type, MEMORY_DECISION);
    assert_true(m.importance > 0.749 && m.importance < 0.751);
    assert_string_equal(m.source, "branch:1");
    assert_string_equal(m.channel, "inbox");
    assert_string_equal(m.person, "ann");
    assert_int_equal(m.created_at, START);
    assert_int_equal(m.revision, 1);
    assert_int_equal(m.forgotten_at, 0);
    memory_clear(&m);
    expect_history(a.r.id, "saved:1:branch:1 ");
}

static void test_same_twice(void **state) {
    (void)state;
    struct answer a = save_fact("The build takes four minutes."),
                  b = save_fact("The build   takes four\nminutes. ");
    assert_true(b.r.existed);
    assert_string_equal(a.r.id, b.r.id);
    assert_int_equal(count(false), 1);
    /* About somebody it is another matter. */
    struct memory_new v = fact("The build takes four minutes.");
    v.person = "ann";
    struct answer c = save(&v);
    assert_false(c.r.existed);
    assert_int_equal(count(false), 2);
}

/* In the same turn neither is in the store yet: the hash decides where only one writes. */
static void test_same_at_once(void **state) {
    (void)state;
    struct answer a[20];
    struct memory_new v = fact("One at a time.");
    for (size_t i = 0; i < ARRAY_LEN(a); i++)
        begin(&v, &a[i]);
    settle();
    size_t new = 0;
    for (size_t i = 0; i < ARRAY_LEN(a); i++) {
        assert_int_equal(a[i].st, STATUS_OK);
        assert_string_equal(a[i].r.id, a[0].r.id);
        new += !a[i].r.existed;
    }
    assert_int_equal(new, 1);
    assert_int_equal(count(false), 1);
}

static void test_refused(void **state) {
    (void)state;
    struct cause why = {""};
    struct memory_new v = fact(" \n\t ");
    assert_int_equal(memory_save(memories, &v, hear, NULL, NULL, &why), STATUS_INVALID);
    v.content = "\xff\xfe";
    assert_int_equal(memory_save(memories, &v, hear, NULL, NULL, &why), STATUS_INVALID);
    char *large = xmalloc(MEMORY_CONTENT_MAX + 2);
    memset(large, 'x', MEMORY_CONTENT_MAX + 1);
    large[MEMORY_CONTENT_MAX + 1] = '\0';
    v.content = large;
    assert_int_equal(memory_save(memories, &v, hear, NULL, NULL, &why), STATUS_LIMIT);
    assert_non_null(strstr(why.text, "50000"));
    large[MEMORY_CONTENT_MAX] = '\0';
    struct answer a = save(&v);
    assert_false(a.r.existed);
    x_free(&large);
    double over = 1.5;
    v = fact("x");
    v.importance = &over;
    assert_int_equal(memory_save(memories, &v, hear, NULL, NULL, &why), STATUS_INVALID);
    v = (struct memory_new){.type = MEMORY_HUMAN, .content = "x", .by = "person"};
    assert_int_equal(memory_save(memories, &v, hear, NULL, NULL, &why), STATUS_INVALID);
    assert_non_null(strstr(why.text, "person"));
}

/* --- anchors ---- */

static void test_anchor(void **state) {
    (void)state;
    double high = 0.95;
    struct memory_new v = {
        .type = MEMORY_HUMAN, .content = "Ann likes tea.", .person = "ann", .by = MEMORY_BY_PERSON};
    struct answer a = save(&v);
    v.content = "Ann works on the parser.";
    v.importance = &high;
    clock_advance(NS_PER_SEC);
    struct answer b = save(&v);
    assert_string_equal(a.r.id, b.r.id);
    struct memory m = get(a.r.id);
    assert_string_equal(m.content, "Ann likes tea.\nAnn works on the parser.");
    assert_true(m.importance > 0.94);
    assert_int_equal(m.updated_at, START + 1000);
    memory_clear(&m);
    /* What is in it already is not added. */
    v.content = "ann likes tea";
    v.importance = NULL;
    v.content = "Ann likes tea.";
    struct answer c = save(&v);
    assert_int_equal(c.r.changed, 0);
    expect_history(a.r.id, "appended:2:person+ saved:1:person ");
    v.person = "bob";
    struct answer d = save(&v);
    assert_string_not_equal(a.r.id, d.r.id);
    assert_int_equal(count(false), 2);
}

/* Many additions at once: none is lost. */
static void test_anchor_at_once(void **state) {
    (void)state;
    struct answer a[30];
    for (int i = 0; i < 30; i++) {
        char text[32];
        snprintf(text, sizeof text, "Line %d.", i);
        struct memory_new v = {
            .type = MEMORY_HUMAN, .content = text, .person = "ann", .by = MEMORY_BY_PERSON};
        begin(&v, &a[i]);
    }
    settle();
    struct memory m = get(a[0].r.id);
    for (int i = 0; i < 30; i++) {
        char text[32];
        snprintf(text, sizeof text, "Line %d.", i);
        assert_non_null(strstr(m.content, text));
    }
    assert_int_equal(m.revision, 30);
    memory_clear(&m);
}

/* --- changing ---- */

static void test_forget_restore(void **state) {
    (void)state;
    struct answer a = save_fact("The cat is called Tom.");
    clock_advance(NS_PER_SEC);
    struct answer f = forget(a.r.id, NULL);
    assert_int_equal(f.st, STATUS_OK);
    assert_int_equal(count(false), 0);
    assert_int_equal(count(true), 1);
    assert_int_equal(forget(a.r.id, NULL).st, STATUS_EXISTS);
    assert_int_equal(restore(a.r.id).st, STATUS_OK);
    assert_int_equal(restore(a.r.id).st, STATUS_EXISTS);
    assert_int_equal(count(false), 1);
    expect_history(a.r.id, "restored:3:person forgotten:2:person saved:1:person ");
    /* Said again it comes back, under its id. */
    forget(a.r.id, NULL);
    struct answer b = save_fact("The cat is called Tom.");
    assert_string_equal(a.r.id, b.r.id);
    assert_true(b.r.restored);
    assert_int_equal(count(false), 1);
    assert_int_equal(forget("4af6e0de-0000-4000-8000-000000000000", NULL).st, STATUS_NOT_FOUND);
}

static void test_supersede(void **state) {
    (void)state;
    struct answer a = save_fact("The server runs Debian 12.");
    struct memory_new v = fact("The server runs Debian 13.");
    v.supersedes = a.r.id;
    struct answer b = save(&v);
    struct memory old = get(a.r.id);
    assert_true(old.forgotten_at > 0);
    assert_string_equal(old.superseded_by, b.r.id);
    memory_clear(&old);
    expect_history(b.r.id, "linked:1:person saved:1:person ");
    /* What its successor says too is known: nothing comes back. */
    struct answer c = save_fact("The host is a VM.");
    struct memory_new w = fact("The host is a VM. It has two cores.");
    w.supersedes = c.r.id;
    struct answer d = save(&w);
    struct answer e = save_fact("The host is a VM.");
    assert_true(e.r.existed);
    assert_false(e.r.restored);
    assert_string_equal(e.r.id, d.r.id);
    v = fact("x y z");
    v.supersedes = "nobody";
    struct answer g;
    begin(&v, &g);
    settle();
    assert_int_equal(g.st, STATUS_NOT_FOUND);
    assert_int_equal(count(false), 2);
}

static void test_edit(void **state) {
    (void)state;
    struct answer a = save_fact("Alpha."), b = save_fact("Beta.");
    enum memory_type todo = MEMORY_TODO;
    double low = 0.125;
    clock_advance(NS_PER_SEC);
    struct answer e =
        edit(a.r.id, &(struct memory_edit){
                         .content = "Gamma.", .type = &todo, .importance = &low, .person = "ann"});
    assert_int_equal(e.st, STATUS_OK);
    struct memory m = get(a.r.id);
    assert_string_equal(m.content, "Gamma.");
    assert_int_equal(m.type, MEMORY_TODO);
    assert_string_equal(m.person, "ann");
    assert_int_equal(m.updated_at, START + 1000);
    assert_int_equal(m.revision, 2);
    memory_clear(&m);
    /* Nothing new is no change. */
    e = edit(a.r.id, &(struct memory_edit){.content = "Gamma."});
    assert_int_equal(e.st, STATUS_OK);
    assert_int_equal(e.r.changed, 0);
    /* What another one says is refused, with its id. */
    e = edit(a.r.id, &(struct memory_edit){.content = "Beta.", .person = ""});
    assert_int_equal(e.st, STATUS_EXISTS);
    assert_non_null(strstr(e.why, b.r.id));
    /* Its old words are free again. */
    assert_false(save_fact("Alpha.").r.existed);
    expect_history(a.r.id, "edited:2:person+ saved:1:person ");
}

static void test_link(void **state) {
    (void)state;
    struct answer a = save_fact("A."), b = save_fact("B.");
    assert_int_equal(link_to(a.r.id, b.r.id, 0.5).st, STATUS_OK);
    assert_int_equal(link_to(a.r.id, b.r.id, 0.875).st, STATUS_OK);
    struct q_memory_edge_row row;
    struct cause why = {""};
    assert_int_equal(q_memory_edge(store_read(store), a.r.id, b.r.id, "caused_by", &row, &why),
                     STATUS_OK);
    assert_true(row.weight > 0.87 && row.weight < 0.88);
    q_memory_edge_free(&row);
    assert_int_equal(link_to(a.r.id, b.r.id, -1).st, STATUS_OK);
    assert_int_equal(link_to(a.r.id, b.r.id, -1).st, STATUS_NOT_FOUND);
    assert_int_equal(link_to(a.r.id, "nobody", 0.5).st, STATUS_NOT_FOUND);
    expect_history(a.r.id, "unlinked:1:person linked:1:person linked:1:person saved:1:person ");
    /* With a save; one that is not known is left out. */
    struct memory_link l[] = {{b.r.id, MEMORY_RESULT_OF, 0.25}, {"nobody", MEMORY_PART_OF, 0.5}};
    struct memory_new v = fact("C.");
    v.links = l;
    v.nlinks = 2;
    struct answer c = save(&v);
    assert_int_equal(q_memory_edge(store_read(store), c.r.id, b.r.id, "result_of", &row, &why),
                     STATUS_OK);
    q_memory_edge_free(&row);
}

static void test_resolve(void **state) {
    (void)state;
    struct answer a = save_fact("A.");
    char prefix[9], id[ID_UUID_SIZE];
    struct cause why = {""};
    snprintf(prefix, sizeof prefix, "%.8s", a.r.id);
    assert_int_equal(memory_resolve(store_read(store), prefix, id, &why), STATUS_OK);
    assert_string_equal(id, a.r.id);
    assert_int_equal(memory_resolve(store_read(store), a.r.id, id, &why), STATUS_OK);
    prefix[3] = '\0';
    assert_int_equal(memory_resolve(store_read(store), prefix, id, &why), STATUS_INVALID);
    assert_int_equal(memory_resolve(store_read(store), "zzzz", id, &why), STATUS_NOT_FOUND);
}

/* Who no longer wants to know is not told, and the engine may end with operations under way. */
static void test_forgotten_handles(void **state) {
    (void)state;
    struct memory_op *op = NULL;
    struct cause why = {""};
    struct memory_new v = fact("Kept.");
    struct answer a = {.given = false};
    assert_int_equal(memory_save(memories, &v, hear, &a, &op, &why), STATUS_OK);
    memory_op_forget(&op);
    assert_null(op);
    settle();
    assert_false(a.given);
    assert_int_equal(count(false), 1);
    v.content = "Lost before it was written.";
    assert_int_equal(memory_save(memories, &v, hear, &a, NULL, &why), STATUS_OK);
    memories_free(&memories);
    loop_turn(loop, 0);
    assert_false(a.given);
}

int main(void) {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_words),
                                       T(test_save),
                                       T(test_same_twice),
                                       T(test_same_at_once),
                                       T(test_refused),
                                       T(test_anchor),
                                       T(test_anchor_at_once),
                                       T(test_forget_restore),
                                       T(test_supersede),
                                       T(test_edit),
                                       T(test_link),
                                       T(test_resolve),
                                       T(test_forgotten_handles)};
    return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
