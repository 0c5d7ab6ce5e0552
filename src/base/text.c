/* text: the number of holders and the length stand before the bytes. */
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct text {
    size_t holders, len;
    char bytes[];
};

static struct text *head_of(const char *text) {
    /* Made by text_new(), so it was never const. */
    return (struct text *)(void *)((char *)text - offsetof(struct text, bytes));
}

const char *text_new(const char *s, size_t n) {
    struct text *t = xmalloc(sizeof(*t) + n + 1);
    t->holders = 1;
    t->len = n;
    if (n)
        memcpy(t->bytes, s, n);
    t->bytes[n] = '\0';
    return t->bytes;
}

const char *text_of(const char *s) { return s ? text_new(s, strlen(s)) : NULL; }

const char *text_keep(const char *text) {
    if (text)
        head_of(text)->holders++;
    return text;
}

void text_drop(const char **text) {
    if (*text && --head_of(*text)->holders == 0)
        free(head_of(*text));
    *text = NULL;
}

size_t text_len(const char *text) { return head_of(text)->len; }
