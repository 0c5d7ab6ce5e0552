/* mem: allocation that ends the program when memory runs out, so that nobody else has to look. */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

#include "base/status.h"

void *xmalloc(size_t n) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull));
void *xrealloc(void *p, size_t n) __attribute__((returns_nonnull));
/* Grows an array to hold `n` items of `size` bytes; the product is checked for overflow. */
void *xreallocarray(void *p, size_t n, size_t size) __attribute__((returns_nonnull));
char *xstrdup(const char *s) __attribute__((malloc, returns_nonnull));
char *xstrndup(const char *s, size_t n) __attribute__((malloc, returns_nonnull));
/* NULL stays NULL. */
char *xstrdup_null(const char *s);
char *xasprintf(const char *fmt, ...) PRINTF_LIKE(1, 2) __attribute__((malloc, returns_nonnull));

/* Frees *(void **)pp and sets it to NULL: x_free(&p). */
void x_free(void *pp);

/* So many bytes that lived briefly (a request, an answer) have been freed. What they left is holes
 * between things that live long: after every 4 MB of them whoever wants to know is told, and may
 * have mem_trim() called. One listener; NULL: none. Loop's thread only. */
void mem_released(size_t n);
void mem_on_holes(void (*fn)(void *arg), void *arg);
/* Gives whole pages of holes back to the system. From any thread; takes milliseconds where the
 * system is slow at it. */
void mem_trim(void);

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#endif
