/* clock: the two clocks, real or virtual. In inline mode (tests, replay) time moves only when told.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NS_PER_MS INT64_C(1000000)
#define NS_PER_SEC INT64_C(1000000000)

int64_t clock_mono_ns(void);      /* since an arbitrary start; virtual when so set */
int64_t clock_wall_ms(void);      /* since 1970 UTC; virtual when so set */
int64_t clock_real_mono_ns(void); /* never virtual: for measuring */
int64_t clock_thread_cpu_ns(void);

/* Virtual time from here on: monotonic starts at 0, wall at `wall_ms`. Call before threads exist.
 */
void clock_set_virtual(int64_t wall_ms);
/* Back to the system's clocks. */
void clock_set_real(void);
bool clock_is_virtual(void);
void clock_advance(int64_t ns);

/* "2026-11-24T09:51:26.123Z" (24 bytes and NUL). */
#define CLOCK_RFC3339_SIZE 25
void clock_rfc3339(int64_t wall_ms, char out[CLOCK_RFC3339_SIZE]);
/* The other way round: a date alone (its midnight in UTC), or date and time with an optional
 * fraction and "Z" or "+hh:mm". False: it is none. */
bool clock_parse(const char *s, int64_t *wall_ms);

#endif
