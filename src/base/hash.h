/* hash: a keyed string hash and a map from strings to pointers. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* 64-bit hash of bytes, keyed per process so that hostile input cannot choose collisions
 * (unseeded-deterministic in inline mode). */
uint64_t hash_bytes(const void *data, size_t n);

struct map; /* keys copied, values lent; open addressing; iteration in insertion order */
struct map *map_new(void);
void map_free(struct map **m);
void *map_get(const struct map *m, const char *key);
/* Returns the value that was there, or NULL. value must not be NULL. */
void *map_put(struct map *m, const char *key, void *value);
void *map_del(struct map *m, const char *key);
size_t map_count(const struct map *m);
/* Start with *pos = 0; returns the value or NULL at the end; the current item may be deleted. */
void *map_next(const struct map *m, size_t *pos, const char **key);

#endif
