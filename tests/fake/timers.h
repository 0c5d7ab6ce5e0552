/* timers: a binary heap of deadlines, one for each connection at most, so that a thousand slow
 * streams cost a logarithm each. */
#ifndef FAKE_TIMERS_H
#define FAKE_TIMERS_H

#include <stddef.h>
#include <stdint.h>

struct timer {
    int64_t due_ns;
    size_t slot; /* place in the heap + 1; 0: not set */
};

struct timers {
    struct timer **heap;
    size_t n, cap;
};

/* Sets or moves a timer. */
void timers_set(struct timers *t, struct timer *timer, int64_t due_ns);
void timers_clear(struct timers *t, struct timer *timer);
/* The earliest timer that is due, taken out; or NULL. */
struct timer *timers_pop(struct timers *t, int64_t now_ns);
/* Milliseconds until the earliest, rounded up; -1 when there is none. */
int timers_wait_ms(const struct timers *t, int64_t now_ns);
void timers_free(struct timers *t);

#endif
