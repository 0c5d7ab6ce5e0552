/* timers: see timers.h. */
#include "timers.h"

#include <limits.h>

#include "base/mem.h"

static void put(struct timers *t, size_t i, struct timer *timer) {
    t->heap[i] = timer;
    timer->slot = i + 1;
}

static void sift_up(struct timers *t, size_t i) {
    struct timer *timer = t->heap[i];
    while (i > 0) {
        size_t parent = (i - 1) / 2;
        if (t->heap[parent]->due_ns <= timer->due_ns)
            break;
        put(t, i, t->heap[parent]);
        i = parent;
    }
    put(t, i, timer);
}

static void sift_down(struct timers *t, size_t i) {
    struct timer *timer = t->heap[i];
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= t->n)
            break;
        if (child + 1 < t->n && t->heap[child + 1]->due_ns < t->heap[child]->due_ns)
            child++;
        if (timer->due_ns <= t->heap[child]->due_ns)
            break;
        put(t, i, t->heap[child]);
        i = child;
    }
    put(t, i, timer);
}

void timers_clear(struct timers *t, struct timer *timer) {
    if (!timer->slot)
        return;
    size_t i = timer->slot - 1;
    struct timer *last = t->heap[--t->n];
    timer->slot = 0;
    if (last == timer)
        return;
    put(t, i, last);
    sift_down(t, i);
    sift_up(t, last->slot - 1);
}

void timers_set(struct timers *t, struct timer *timer, int64_t due_ns) {
    timers_clear(t, timer);
    if (t->n == t->cap) {
        t->cap = t->cap ? t->cap * 2 : 64;
        t->heap = xreallocarray(t->heap, t->cap, sizeof(struct timer *));
    }
    timer->due_ns = due_ns;
    put(t, t->n++, timer);
    sift_up(t, t->n - 1);
}

struct timer *timers_pop(struct timers *t, int64_t now_ns) {
    if (t->n == 0 || t->heap[0]->due_ns > now_ns)
        return NULL;
    struct timer *timer = t->heap[0];
    timers_clear(t, timer);
    return timer;
}

int timers_wait_ms(const struct timers *t, int64_t now_ns) {
    if (t->n == 0)
        return -1;
    int64_t left = t->heap[0]->due_ns - now_ns;
    if (left <= 0)
        return 0;
    int64_t ms = (left + 999999) / 1000000;
    return ms > INT_MAX ? INT_MAX : (int)ms;
}

void timers_free(struct timers *t) {
    x_free(&t->heap);
    t->n = t->cap = 0;
}
