/* golden: see golden.h. */
#include "tests/lib/golden.h"

#include <errno.h>
#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "tests/lib/where.h"

static void write_golden(const char *path, const char *text) {
    FILE *f = fopen(path, "we");
    if (!f || fputs(text, f) < 0 || fclose(f) != 0)
        fail_msg("%s: %s", path, strerror(errno));
}

static bool read_golden(const char *path, struct buf *out) {
    FILE *f = fopen(path, "re");
    size_t n;
    if (!f)
        return false;
    while ((n = fread(buf_room(out, 4096), 1, 4096, f)) > 0)
        buf_added(out, n);
    fclose(f);
    return true;
}

/* The number, from 1, of the first line that differs. */
static int first_difference(const char *a, const char *b) {
    int line = 1;
    for (; *a && *a == *b; a++, b++)
        line += *a == '\n';
    return line;
}

void golden_check(const char *name, const char *text) {
    char *path = xasprintf("%s/tests/screen/golden/%s.txt", where_source(), name);
    struct buf want = BUF_INIT;
    if (str_eq(getenv("SPACEBOT_UPDATE_GOLDENS"), "1")) {
        write_golden(path, text);
    } else if (!read_golden(path, &want)) {
        fprintf(stderr, "%s is missing; the screen was:\n%s\n", path, text);
        fail();
    } else if (strcmp(buf_str(&want), text) != 0) {
        fprintf(stderr, "%s: line %d differs\n--- expected\n%s\n--- found\n%s\n", path,
                first_difference(buf_str(&want), text), buf_str(&want), text);
        fail();
    }
    buf_free(&want);
    x_free(&path);
}

static size_t columns(const char *s, size_t n) {
    size_t cols = 0;
    for (size_t i = 0; i < n; i++)
        cols += ((unsigned char)s[i] & 0xC0) != 0x80;
    return cols;
}

/* Every match in as many columns as it had: `filler`, and `label` at their end. */
static char *replace(const char *text, const char *pattern, char filler, const char *label) {
    regex_t re;
    regmatch_t m;
    struct buf out = BUF_INIT;
    if (regcomp(&re, pattern, REG_EXTENDED | REG_NEWLINE) != 0)
        fail_msg("bad pattern: %s", pattern);
    while (*text && regexec(&re, text, 1, &m, 0) == 0 && m.rm_eo > m.rm_so) {
        size_t cols = columns(text + m.rm_so, (size_t)(m.rm_eo - m.rm_so));
        buf_append(&out, text, (size_t)m.rm_so);
        for (size_t own = columns(label, strlen(label)); cols > own; cols--)
            buf_putc(&out, filler);
        buf_puts(&out, label);
        text += m.rm_eo;
    }
    buf_puts(&out, text);
    regfree(&re);
    return buf_steal(&out);
}

char *golden_mask(const char *text, const char *pattern, char filler) {
    return replace(text, pattern, filler, "");
}

char *golden_field(const char *text, const char *pattern, const char *label) {
    return replace(text, pattern, ' ', label);
}
