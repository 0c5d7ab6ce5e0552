/* format: numbers and times as people read them, always in the same width classes so that columns
 * stand still. */
#ifndef UI_FORMAT_H
#define UI_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#define FORMAT_SIZE 32

/* "45s", "1m04s", "2h03m", "3d04h". */
void format_elapsed(int64_t ms, char out[FORMAT_SIZE]);
/* The same with a tenth below ten seconds, for what is over: "8.2s". */
void format_duration(int64_t ms, char out[FORMAT_SIZE]);
/* "999", "1.2k", "34k", "1.2M". */
void format_count(int64_t n, char out[FORMAT_SIZE]);
/* Local time: "14:02" today, "9 May 14:02" this year, "2025-05-09 14:02" else. */
void format_clock(int64_t wall_ms, int64_t now_ms, char out[FORMAT_SIZE]);

#endif
