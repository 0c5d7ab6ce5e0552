/* sound: how long a recording is, as its head says. */
#ifndef BASE_SOUND_H
#define BASE_SOUND_H

#include <stddef.h>
#include <stdint.h>

/* Of its first bytes [0..n) and its size in all: WAV and FLAC; -1 for others, and where the head
 * does not tell. */
int64_t sound_duration_ms(const char *head, size_t n, int64_t bytes);

#endif
