/* file_memory: a short list, the newest last. */
#include "tools/file_memory.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"

struct seen {
    char *path;
    struct stat st;
};

struct file_memory {
    struct seen *v;
    size_t n, cap;
};

struct file_memory *file_memory_new(void) {
    return xcalloc(1, sizeof(struct file_memory));
}

void file_memory_free(struct file_memory **mp) {
    struct file_memory *m = *mp;
    if (!m)
        return;
    for (size_t i = 0; i < m->n; i++)
        x_free(&m->v[i].path);
    x_free(&m->v);
    x_free(mp);
}

/* Makes it the newest. */
static struct seen *find(struct file_memory *m, const char *path) {
    for (size_t i = m->n; i-- > 0;) {
        if (!str_eq(m->v[i].path, path))
            continue;
        struct seen s = m->v[i];
        memmove(m->v + i, m->v + i + 1, (m->n - i - 1) * sizeof *m->v);
        m->v[m->n - 1] = s;
        return &m->v[m->n - 1];
    }
    return NULL;
}

void file_memory_set(struct file_memory *m, const char *path, const struct stat *st) {
    struct seen *s = find(m, path);
    if (!s) {
        if (m->n == FILE_MEMORY_MAX) {
            x_free(&m->v[0].path);
            memmove(m->v, m->v + 1, (FILE_MEMORY_MAX - 1) * sizeof *m->v);
            m->n--;
        } else if (m->n == m->cap) {
            m->cap = m->cap ? m->cap * 2 : 8;
            m->v = xreallocarray(m->v, m->cap, sizeof *m->v);
        }
        s = &m->v[m->n++];
        s->path = xstrdup(path);
    }
    s->st = *st;
}

bool file_memory_get(struct file_memory *m, const char *path, struct stat *st) {
    const struct seen *s = find(m, path);
    if (s)
        *st = s->st;
    return s != NULL;
}
