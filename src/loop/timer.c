/* timer: one-shot timers in a binary heap ordered by due time, then by order of arming. */
#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "loop/loop-internal.h"

#define NOT_IN_HEAP SIZE_MAX

struct loop_timer {
    struct loop *loop;
    int64_t due_ns;
    uint64_t order;
    size_t at; /* index in the heap, or NOT_IN_HEAP while its callback runs */
    bool deleted;
    loop_fn *fn;
    void *arg;
    const char *name;
};

static bool before(const struct loop_timer *a, const struct loop_timer *b) {
    return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->order < b->order;
}

static void put(struct timers *h, size_t at, struct loop_timer *t) {
    h->heap[at] = t;
    t->at = at;
}

/* Finds the place for `t`, starting with the free one at `at`. */
static void settle(struct timers *h, size_t at, struct loop_timer *t) {
    while (at > 0 && before(t, h->heap[(at - 1) / 2])) {
        put(h, at, h->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= h->n)
            break;
        if (child + 1 < h->n && before(h->heap[child + 1], h->heap[child]))
            child++;
        if (!before(h->heap[child], t))
            break;
        put(h, at, h->heap[child]);
        at = child;
    }
    put(h, at, t);
}

static void take_out(struct timers *h, struct loop_timer *t) {
    size_t at = t->at;
    t->at = NOT_IN_HEAP;
    struct loop_timer *last = h->heap[--h->n];
    if (last != t)
        settle(h, at, last);
}

static void arm(struct loop_timer *t, int64_t delay_ns) {
    struct timers *h = &t->loop->timers;
    if (delay_ns < 0)
        delay_ns = 0;
    if (__builtin_add_overflow(loop_now_ns(t->loop), delay_ns, &t->due_ns))
        t->due_ns = INT64_MAX;
    t->order = h->armed++;
    if (t->at != NOT_IN_HEAP) {
        settle(h, t->at, t);
        return;
    }
    if (h->n == h->cap) {
        h->cap = h->cap ? h->cap * 2 : 16;
        h->heap = xreallocarray(h->heap, h->cap, sizeof(struct loop_timer *));
    }
    size_t at = h->n++;
    settle(h, at, t);
}

struct loop_timer *loop_timer(struct loop *l, int64_t delay_ns, loop_fn *fn, void *arg,
                              const char *name) {
    struct loop_timer *t = xmalloc(sizeof(*t));
    *t = (struct loop_timer){.loop = l, .at = NOT_IN_HEAP, .fn = fn, .arg = arg, .name = name};
    arm(t, delay_ns);
    return t;
}

void loop_timer_again(struct loop_timer *t, int64_t delay_ns) {
    assert(!t->deleted);
    arm(t, delay_ns);
}

void loop_timer_del(struct loop_timer **tp) {
    struct loop_timer *t = *tp;
    *tp = NULL;
    if (!t)
        return;
    struct timers *h = &t->loop->timers;
    if (t->at != NOT_IN_HEAP)
        take_out(h, t);
    if (t == h->running)
        t->deleted = true; /* freed when its callback has returned */
    else
        free(t);
}

int64_t timers_next_ns(const struct loop *l) {
    return l->timers.n ? l->timers.heap[0]->due_ns : -1;
}

bool timers_run(struct loop *l) {
    struct timers *h = &l->timers;
    /* What is armed from now on is due at the turn's start at the earliest and so comes behind
     * everything that waits here already: the first young one ends the walk. */
    uint64_t young = h->armed;
    int called = 0;
    while (h->n && called < LOOP_TIMERS_MAX && !(called && loop_out_of_time(l))) {
        struct loop_timer *t = h->heap[0];
        if (t->due_ns > l->now_ns || t->order >= young)
            break;
        take_out(h, t);
        h->running = t;
        const char *name = t->name;
        t->fn(t->arg);
        h->running = NULL;
        if (t->deleted || t->at == NOT_IN_HEAP)
            free(t);
        called++;
        loop_lap(l, name);
    }
    return called > 0;
}

void timers_free(struct loop *l) {
    for (size_t i = 0; i < l->timers.n; i++)
        free(l->timers.heap[i]);
    free(l->timers.heap);
    l->timers = (struct timers){0};
}
