/* mem: allocation that cannot fail. The only exit of the program that is not main's. */
#include "base/mem.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HOLES_MAX ((size_t)4 << 20)
#define KEPT_AT_END ((size_t)1 << 20) /* of free memory there, for the next burst */

/* No stdio: it allocates. abort() so that the place is in the core file. */
static void __attribute__((noreturn)) out_of_memory(void) {
    static const char text[] = "spacebot: out of memory\n";
    ssize_t n = write(STDERR_FILENO, text, sizeof(text) - 1);
    (void)n; /* nobody is left to tell */
    abort();
}

void *xmalloc(size_t n) {
    void *p = malloc(n ? n : 1);
    if (!p)
        out_of_memory();
    return p;
}

void *xcalloc(size_t n, size_t size) {
    void *p = calloc(n ? n : 1, size ? size : 1);
    if (!p)
        out_of_memory();
    return p;
}

void *xrealloc(void *p, size_t n) {
    void *q = realloc(p, n ? n : 1);
    if (!q)
        out_of_memory();
    return q;
}

void *xreallocarray(void *p, size_t n, size_t size) {
    if (size && n > SIZE_MAX / size)
        out_of_memory();
    return xrealloc(p, n * size);
}

char *xstrdup(const char *s) { return xstrndup(s, strlen(s)); }

char *xstrndup(const char *s, size_t n) {
    size_t len = strnlen(s, n);
    char *p = xmalloc(len + 1);
    memcpy(p, s, len);
    p[len] = '\0';
    return p;
}

char *xstrdup_null(const char *s) { return s ? xstrdup(s) : NULL; }

char *xasprintf(const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    char *out = NULL;
    int n = vasprintf(&out, fmt, ap);
    va_end(ap);
    if (n < 0 || !out)
        out_of_memory();
    return out;
}

void x_free(void *pp) {
    /* Through memcpy: *pp is a pointer of some other type than void *. */
    void *p, *none = NULL;
    memcpy(&p, pp, sizeof(p));
    free(p);
    memcpy(pp, &none, sizeof(none));
}

static struct {
    size_t bytes;
    void (*fn)(void *arg); /* NULL: nobody is told */
    void *arg;
} holes;

void mem_on_holes(void (*fn)(void *arg), void *arg) {
    holes.fn = fn;
    holes.arg = arg;
}

void mem_released(size_t n) {
    holes.bytes += n;
    if (holes.bytes < HOLES_MAX || !holes.fn)
        return;
    holes.bytes = 0;
    holes.fn(holes.arg);
}

void mem_trim(void) { (void)malloc_trim(KEPT_AT_END); }
