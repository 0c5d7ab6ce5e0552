/* Layout: over every size there is, what is shown lies inside the screen and overlaps nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/mem.h"
#include "ui/layout.h"

static size_t collect(const struct layout *l, struct rect *out) {
    size_t n = 0;
    const struct rect all[] = {l->status,    l->tree,          l->tree_rule, l->transcript,
                               l->live_rule, l->composer_rule, l->composer,  l->footer};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        if (all[i].w && all[i].h)
            out[n++] = all[i];
    for (int i = 0; i < l->nlive; i++) {
        assert_true(l->live[i].w > 0 && l->live[i].h > 0);
        out[n++] = l->live[i];
    }
    return n;
}

static bool overlap(struct rect a, struct rect b) {
    return a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
}

static void check(const struct layout_want *want) {
    struct layout l;
    struct rect r[8 + LAYOUT_LIVE_MAX];
    layout_compute(want, &l);
    size_t n = collect(&l, r);
    for (size_t i = 0; i < n; i++) {
        if (r[i].x < 0 || r[i].y < 0 || r[i].x + r[i].w > want->cols ||
            r[i].y + r[i].h > want->rows)
            fail_msg("%dx%d: a rectangle at %d,%d of %dx%d is outside", want->cols, want->rows,
                     r[i].x, r[i].y, r[i].w, r[i].h);
        for (size_t j = i + 1; j < n; j++)
            if (overlap(r[i], r[j]))
                fail_msg("%dx%d: rectangles at %d,%d and %d,%d overlap", want->cols, want->rows,
                         r[i].x, r[i].y, r[j].x, r[j].y);
    }
    assert_true(l.composer.h >= 1 && l.composer.w >= 1);
    int most = layout_live_most(want->cols, want->rows);
    assert_true(most >= 1 && most <= LAYOUT_LIVE_MAX);
    if (!l.narrow && want->live && want->composer_lines == 1)
        assert_int_equal(l.nlive, want->live < most ? want->live : most);
    if (!l.narrow) { /* everything is there, and large enough to be of use */
        assert_true(l.tree.w >= 20 && l.tree.h >= 3);
        assert_true(l.transcript.w >= 30 && l.transcript.h >= 2);
        assert_int_equal(l.status.h, 1);
        assert_int_equal(l.footer.h, 1);
        assert_int_equal(l.nlive > 0, want->live > 0);
        for (int i = 0; i < l.nlive; i++)
            assert_true(l.live[i].h >= LAYOUT_LIVE_ROWS && l.live[i].w >= LAYOUT_LIVE_COLS - 1);
    }
}

static void every_size(void **state) {
    (void)state;
    for (int cols = 1; cols <= 300; cols++) {
        for (int rows = 1; rows <= 100; rows++) {
            for (int live = 0; live <= 9; live += 3) {
                for (int lines = 1; lines <= 41; lines += 8) {
                    struct layout_want want = {.cols = cols,
                                               .rows = rows,
                                               .composer_lines = lines,
                                               .live = live,
                                               .single = (enum layout_pane)((cols + rows) % 3)};
                    check(&want);
                }
            }
        }
    }
}

static void known_sizes(void **state) {
    (void)state;
    struct layout l;
    struct layout_want want = {.cols = 80, .rows = 24, .composer_lines = 1, .live = 1};
    layout_compute(&want, &l);
    assert_false(l.narrow);
    assert_false(l.wide);
    assert_int_equal(l.live[0].w, 80); /* below, over the whole width */
    assert_int_equal(l.live[0].h, 5);
    assert_int_equal(l.transcript.h + l.live[0].h, 20);
    want.live = 8; /* all of them, side by side */
    layout_compute(&want, &l);
    assert_int_equal(l.nlive, 8);
    assert_int_equal(l.live[1].y, l.live[0].y);
    assert_int_equal(l.live[1].x, 40);
    assert_int_equal(l.live[7].y + l.live[7].h, l.composer_rule.y);
    assert_int_equal(l.transcript.h, 12);
    want = (struct layout_want){.cols = 200, .rows = 50, .composer_lines = 1, .live = 2};
    layout_compute(&want, &l);
    assert_true(l.wide);
    assert_int_equal(l.nlive, 2);
    assert_true(l.live[0].x > l.transcript.x + l.transcript.w); /* a column of its own */
    assert_int_equal(l.composer.x, l.transcript.x);
    assert_int_equal(layout_live_most(200, 50), 8);
    int before = l.transcript.w;
    want.whole = true; /* the wall: all that the panes have, over the composer's whole line */
    layout_compute(&want, &l);
    assert_int_equal(l.whole.w, 200);
    assert_int_equal(l.whole.y + l.whole.h, l.composer_rule.y);
    assert_int_equal(l.composer_rule.w, 200);
    want.whole = false;
    want.live = 0; /* nothing moves when the last worker has gone */
    layout_compute(&want, &l);
    assert_int_equal(l.transcript.w, before);
    want = (struct layout_want){
        .cols = 40, .rows = 10, .composer_lines = 1, .live = 1, .single = LAYOUT_TREE};
    layout_compute(&want, &l);
    assert_true(l.narrow);
    assert_int_equal(l.tree.w, 40);
    assert_int_equal(l.transcript.h, 0);
    assert_int_equal(l.nlive, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_size), cmocka_unit_test(known_sizes)};
    return cmocka_run_group_tests_name("layout", tests, NULL, NULL);
}
