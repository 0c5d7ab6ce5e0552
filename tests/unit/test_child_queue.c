/* child_queue: one a turn, in order, whoever leaves is not called. On the virtual clock; then with
 * random askers and leavers against the rule itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "loop/child_queue.h"

#define MANY 64

struct asker {
    struct child_place *place;
    uint64_t turn; /* in which it was let through; 0: not yet */
    int rank;      /* the how many'th */
    struct asker *next;
};

static struct loop *l;
static struct asker askers[MANY];
static int let;

static int setup(void **state) {
    (void)state;
    l = loop_new(LOOP_INLINE);
    for (int i = 0; i < MANY; i++)
        askers[i] = (struct asker){0};
    let = 0;
    return 0;
}

static int teardown(void **state) {
    (void)state;
    for (int i = 0; i < MANY; i++)
        child_queue_leave(&askers[i].place);
    loop_free(&l);
    return 0;
}

static void go(void *arg);

static void ask(struct asker *a) { a->place = child_queue(l, go, a); }

static void go(void *arg) {
    struct asker *a = arg;
    assert_non_null(a->place);
    assert_int_equal(a->turn, 0);
    a->place = NULL;
    a->turn = loop_turns(l);
    a->rank = ++let;
    if (a->next)
        ask(a->next);
}

static void turns(int n) {
    while (n-- > 0)
        loop_turn(l, 0);
}

static void one_a_turn_in_order(void **state) {
    (void)state;
    for (int i = 0; i < 16; i++)
        ask(&askers[i]);
    assert_int_equal(let, 0); /* not from within the asking */
    for (int i = 0; i < 16; i++) {
        assert_true(loop_turn(l, -1)); /* and the loop does not wait meanwhile */
        assert_int_equal(let, i + 1);
        assert_int_equal(askers[i].rank, i + 1);
    }
    for (int i = 1; i < 16; i++)
        assert_true(askers[i].turn > askers[i - 1].turn);
}

static void who_leaves_is_not_called(void **state) {
    (void)state;
    for (int i = 0; i < 5; i++)
        ask(&askers[i]);
    child_queue_leave(&askers[0].place);
    child_queue_leave(&askers[2].place);
    assert_null(askers[2].place);
    child_queue_leave(&askers[2].place);
    turns(10);
    assert_int_equal(let, 3);
    assert_int_equal(askers[0].turn | askers[2].turn, 0);
    assert_int_equal(askers[1].rank, 1);
    assert_int_equal(askers[3].rank, 2);
    assert_int_equal(askers[4].rank, 3);
    /* Empty by leaving: nothing is left behind, and it goes on afterwards. */
    ask(&askers[5]);
    child_queue_leave(&askers[5].place);
    turns(2);
    ask(&askers[6]);
    turns(2);
    assert_int_equal(let, 4);
    assert_int_equal(askers[6].rank, 4);
}

/* The last one and one of several ask again while they are let through. */
static void asking_while_let_through(void **state) {
    (void)state;
    askers[0].next = &askers[1];
    ask(&askers[0]);
    turns(3);
    assert_int_equal(let, 2);
    assert_true(askers[1].turn > askers[0].turn);
    askers[2].next = &askers[4];
    ask(&askers[2]);
    ask(&askers[3]);
    turns(5);
    assert_int_equal(let, 5);
    assert_int_equal(askers[3].rank, 4);
    assert_int_equal(askers[4].rank, 5);
}

static void ask_timed(void *arg) { ask(arg); }

/* Sixteen timers that are due at the same moment, as sixteen answers that come in one packet. */
static void at_one_moment_of_the_clock(void **state) {
    (void)state;
    for (int i = 0; i < 16; i++)
        (void)loop_timer(l, NS_PER_MS, ask_timed, &askers[i], "test");
    uint64_t before = loop_turns(l);
    while (let < 16)
        assert_true(loop_turn(l, NS_PER_SEC));
    assert_true(loop_turns(l) - before >= 16);
    for (int i = 1; i < 16; i++)
        assert_true(askers[i].turn > askers[i - 1].turn);
}

static void any_order_of_events(void **state) {
    (void)state;
    srand(20261124);
    int asked = 0, left = 0, last = 0;
    uint64_t used = 0;
    for (int step = 0; step < 4000 && asked < MANY; step++) {
        int who = rand() % (asked + 1);
        switch (rand() % 4) {
        case 0:
            ask(&askers[asked++]);
            break;
        case 1:
            if (who < asked && askers[who].place && rand() % 3 == 0) {
                child_queue_leave(&askers[who].place);
                left++;
            }
            break;
        default:
            last = let;
            turns(1);
            assert_in_range(let - last, 0, 1);
        }
    }
    turns(MANY + 1);
    assert_int_equal(let + left, asked);
    int rank = 0;
    for (int i = 0; i < asked; i++) {
        const struct asker *a = &askers[i];
        if (!a->turn)
            continue;
        assert_int_equal(a->rank, ++rank); /* in the order of asking */
        assert_true(a->turn > used);
        used = a->turn;
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {TEST(one_a_turn_in_order), TEST(who_leaves_is_not_called),
                                       TEST(asking_while_let_through),
                                       TEST(at_one_moment_of_the_clock), TEST(any_order_of_events)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
