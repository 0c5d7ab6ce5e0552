/* spinner: looks whether a core was the bench's alone. A thread of the lowest priority spins there
 * and reads the clock; where it did not run for longer than the limit, and what belongs to the
 * bench did not run either, somebody else had the core: another process, or another guest of the
 * host. */
#ifndef BENCH_SPINNER_H
#define BENCH_SPINNER_H

#include <stdbool.h>
#include <stdint.h>

struct spinner;

/* Once, by the main thread, before it starts anything: what it does on that core from now on, and
 * what everybody does that it starts, belongs to the bench. False where the kernel does not let us
 * count that (perf_event_open): then nobody spins, and only the controls tell a busy machine. */
bool spinner_begin(int core);
/* Spins until it is stopped. NULL: nobody does. */
struct spinner *spinner_start(int core);
/* Gaps do not count while nobody heeds them; at first they are heeded. NULL is fine. */
void spinner_heed(struct spinner *s, bool heed);
/* The longest foreign gap, nanoseconds. Frees. */
int64_t spinner_stop(struct spinner **s);

#endif
