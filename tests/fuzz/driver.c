/* driver: see the header. Mutations are the same in every run. */
#include "tests/fuzz/driver.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"

#define MUTATIONS 300

static uint32_t seed = 1;
static struct {
    const uint8_t *data;
    size_t n;
} current; /* what the target looks at; NULL: libFuzzer keeps it itself */

void fuzz_must(bool good, const char *what) {
    if (good)
        return;
    fprintf(stderr, "%s\n", what);
    for (size_t i = 0; current.data && i < current.n; i++)
        fprintf(stderr, current.data[i] < ' ' || current.data[i] > '~' ? "\\x%02x" : "%c",
                current.data[i]);
    abort();
}

static void try(const char *data, size_t n) {
    current.data = (const uint8_t *)data;
    current.n = n;
    LLVMFuzzerTestOneInput(current.data, n);
    current.data = NULL;
}

static size_t below(size_t n) {
    seed = seed * 1664525u + 1013904223u;
    return n ? (seed >> 8) % n : 0;
}

/* ---- the dictionary: libFuzzer's form, a quoted piece a line, \" \\ \xNN inside ---- */

struct piece {
    char *bytes;
    size_t n;
};

struct dictionary {
    struct piece *v;
    size_t n;
};

static int hex(char c) {
    const char *digits = "0123456789abcdef", *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* The text behind the opening quote. */
static struct piece unquote(const char *s) {
    struct buf out = BUF_INIT;
    for (; *s && *s != '"'; s++) {
        if (*s != '\\') {
            buf_putc(&out, *s);
        } else if (s[1] == 'x') {
            fuzz_must(hex(s[2]) >= 0 && hex(s[3]) >= 0, "a dictionary needs \\xNN in lower case");
            buf_putc(&out, (char)(hex(s[2]) * 16 + hex(s[3])));
            s += 3;
        } else {
            fuzz_must(s[1] == '"' || s[1] == '\\', "a dictionary knows \\\", \\\\ and \\xNN");
            buf_putc(&out, *++s);
        }
    }
    fuzz_must(*s == '"' && out.len > 0, "a piece of the dictionary is empty or has no end");
    struct piece p = {.n = out.len};
    p.bytes = buf_steal(&out);
    return p;
}

static void dictionary_read(struct dictionary *d, const char *path) {
    char line[512];
    FILE *f = fopen(path, "re");
    fuzz_must(f != NULL, path);
    while (fgets(line, sizeof line, f)) {
        const char *quote = strchr(line, '"');
        if (line[0] == '#' || !quote)
            continue;
        d->v = xreallocarray(d->v, d->n + 1, sizeof *d->v);
        d->v[d->n++] = unquote(quote + 1);
    }
    fclose(f);
    fuzz_must(d->n > 0, "the dictionary is empty");
}

static void dictionary_free(struct dictionary *d) {
    for (size_t i = 0; i < d->n; i++)
        free(d->v[i].bytes);
    free(d->v);
}

/* ---- inputs ---- */

/* One to four changes: a byte or a piece of the dictionary put in, something taken out or doubled.
 */
static void mutate(struct buf *b, const struct dictionary *d) {
    for (size_t k = 1 + below(4); k; k--) {
        struct buf out = BUF_INIT;
        size_t at = below(b->len + 1), len = below(b->len - at < 40 ? b->len - at : 40);
        const char *s = buf_str(b);
        size_t what = below(4);
        const struct piece *p = &d->v[below(d->n)];
        buf_append(&out, s, what == 1 ? at : at + (what == 2 ? len : 0));
        if (what == 0)
            buf_putc(&out, (char)below(256));
        if (what == 3)
            buf_append(&out, p->bytes, p->n);
        size_t from = what == 1 ? at + len : at;
        buf_append(&out, s + from, b->len - from);
        buf_free(b);
        *b = out;
    }
}

static void run_file(const char *path, const struct dictionary *d) {
    struct buf in = BUF_INIT;
    FILE *f = fopen(path, "re");
    fuzz_must(f != NULL, path);
    for (size_t n; (n = fread(buf_room(&in, 4096), 1, 4096, f)) > 0;)
        buf_added(&in, n);
    fclose(f);
    try(buf_str(&in), in.len);
    for (int i = 0; i < MUTATIONS; i++) {
        struct buf b = BUF_INIT;
        buf_append(&b, buf_str(&in), in.len);
        mutate(&b, d);
        try(buf_str(&b), b.len);
        buf_free(&b);
    }
    buf_free(&in);
}

static int run_corpus(const char *dir, const struct dictionary *d) {
    struct dirent **files = NULL;
    int n = scandir(dir, &files, NULL, alphasort), ran = 0;
    for (int i = 0; i < n; i++) {
        if (files[i]->d_name[0] != '.') {
            char *path = xasprintf("%s/%s", dir, files[i]->d_name);
            run_file(path, d);
            free(path);
            ran++;
        }
        free(files[i]);
    }
    free(files);
    return ran;
}

int fuzz_main(int argc, char **argv, const char *name) {
    const char *source = getenv("SRCDIR");
    struct dictionary d = {0};
    char *words = xasprintf("%s/tests/fuzz/dict/%s", source ? source : ".", name);
    char *corpus = xasprintf("%s/tests/fuzz/corpus/%s", source ? source : ".", name);
    dictionary_read(&d, words);
    int ran = argc > 1 ? argc - 1 : run_corpus(corpus, &d);
    for (int i = 1; i < argc; i++)
        run_file(argv[i], &d);
    fuzz_must(ran > 0, "there is no corpus");
    dictionary_free(&d);
    free(words);
    free(corpus);
    return 0;
}
