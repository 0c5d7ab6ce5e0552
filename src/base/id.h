/* id: random identifiers and secrets; repeatable when seeded for tests and replay. */
#ifndef BASE_ID_H
#define BASE_ID_H

#include <stddef.h>
#include <stdint.h>

#define ID_UUID_SIZE 37
/* A version 4 UUID, lower case, 36 characters and NUL. */
void id_uuid(char out[ID_UUID_SIZE]);
/* `n` random bytes; from getrandom(2) always (secrets are never seeded). */
void id_random(void *out, size_t n);
/* From now on id_uuid() is a deterministic sequence from `seed`. */
void id_seed(uint64_t seed);

#endif
