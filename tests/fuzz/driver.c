/* driver: see the header. Mutations are the same in every run. */
#include "tests/fuzz/driver.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/mem.h"

#define MUTATIONS 300

static uint32_t seed = 1;

void fuzz_must(bool good, const char *what) {
    if (good)
        return;
    fprintf(stderr, "%s\n", what);
    abort();
}

static size_t below(size_t n) {
    seed = seed * 1664525u + 1013904223u;
    return n ? (seed >> 8) % n : 0;
}

/* One to four changes: a byte or a steering piece put in, a piece taken out or doubled. */
static void mutate(struct buf *b, const char *const *steering, size_t nsteering) {
    for (size_t k = 1 + below(4); k; k--) {
        struct buf out = BUF_INIT;
        size_t at = below(b->len + 1), len = below(b->len - at < 40 ? b->len - at : 40);
        const char *s = buf_str(b);
        size_t what = below(4);
        buf_append(&out, s, what == 1 ? at : at + (what == 2 ? len : 0));
        if (what == 0)
            buf_putc(&out, (char)below(256));
        if (what == 3)
            buf_puts(&out, steering[below(nsteering)]);
        size_t from = what == 1 ? at + len : at;
        buf_append(&out, s + from, b->len - from);
        buf_free(b);
        *b = out;
    }
}

static void run_file(const char *path, const char *const *steering, size_t nsteering) {
    struct buf in = BUF_INIT;
    FILE *f = fopen(path, "re");
    fuzz_must(f != NULL, path);
    for (size_t n; (n = fread(buf_room(&in, 4096), 1, 4096, f)) > 0;)
        buf_added(&in, n);
    fclose(f);
    LLVMFuzzerTestOneInput((const uint8_t *)buf_str(&in), in.len);
    for (int i = 0; i < MUTATIONS; i++) {
        struct buf b = BUF_INIT;
        buf_append(&b, buf_str(&in), in.len);
        mutate(&b, steering, nsteering);
        LLVMFuzzerTestOneInput((const uint8_t *)buf_str(&b), b.len);
        buf_free(&b);
    }
    buf_free(&in);
}

int fuzz_main(int argc, char **argv, const char *name, const char *const *steering,
              size_t nsteering) {
    const char *source = getenv("SRCDIR");
    char *dir = xasprintf("%s/tests/fuzz/corpus/%s", source ? source : ".", name);
    int ran = argc - 1;
    for (int i = 1; i < argc; i++)
        run_file(argv[i], steering, nsteering);
    struct dirent **files = NULL;
    int n = argc > 1 ? 0 : scandir(dir, &files, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        if (files[i]->d_name[0] != '.') {
            char *path = xasprintf("%s/%s", dir, files[i]->d_name);
            run_file(path, steering, nsteering);
            free(path);
            ran++;
        }
        free(files[i]);
    }
    free(files);
    free(dir);
    fuzz_must(ran > 0, "there is no corpus");
    return 0;
}
