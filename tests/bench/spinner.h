/* spinner: looks whether a core was the bench's alone. A thread of the lowest priority spins there
 * and reads the clock; where it did not run for longer than the limit, and what belongs to the
 * bench did not run either, somebody else had the core: another process, or another guest of the
 * host. */
#ifndef BENCH_SPINNER_H
#define BENCH_SPINNER_H

#include <stdint.h>

struct spinner;

/* Called by the main thread. Spins until it is stopped. "Belongs to the bench": the main thread
 * while it is on that core, and all descendants of this process (a subreaper) that last ran there.
 */
struct spinner *spinner_start(int core);
/* The longest foreign gap, nanoseconds. Frees. */
int64_t spinner_stop(struct spinner **s);

#endif
