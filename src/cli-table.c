/* cli-table: aligned columns and short numbers for people. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"
#include "cli.h"

struct cli_table {
    size_t columns;
    const bool *right;
    struct strv cells; /* row after row, the heads first */
};

int cli_width(const char *s) {
    int width = 0;
    mbstate_t st = {0};
    for (size_t left = strlen(s); left;) {
        wchar_t wc;
        size_t n = mbrtowc(&wc, s, left, &st);
        if (n == 0 || n == (size_t)-1 || n == (size_t)-2) {
            st = (mbstate_t){0};
            n = 1;
            width++;
        } else {
            int w = wcwidth(wc);
            width += w > 0 ? w : 0;
        }
        s += n;
        left -= n;
    }
    return width;
}

struct cli_table *cli_table_new(size_t columns, const char *const *heads, const bool *right) {
    struct cli_table *t = xcalloc(1, sizeof(*t));
    t->columns = columns;
    t->right = right;
    cli_table_row(t, heads);
    return t;
}

void cli_table_row(struct cli_table *t, const char *const *cells) {
    for (size_t i = 0; i < t->columns; i++) {
        const char *cell = cells[i] && *cells[i] ? cells[i] : "–";
        struct buf safe = BUF_INIT;
        utf8_append_visible(&safe, cell, strlen(cell));
        for (size_t k = 0; k < safe.len; k++)
            if (safe.data[k] == '\n' || safe.data[k] == '\t')
                safe.data[k] = ' ';
        strv_push(&t->cells, buf_str(&safe));
        buf_free(&safe);
    }
}

static void print_cell(const char *cell, int width, bool right, bool last) {
    int pad = width - cli_width(cell);
    if (right)
        printf("%*s%s", pad, "", cell);
    else if (last)
        fputs(cell, stdout);
    else
        printf("%s%*s", cell, pad, "");
    fputs(last ? "\n" : "  ", stdout);
}

void cli_table_print(struct cli_table **table) {
    struct cli_table *t = *table;
    int *widths = xcalloc(t->columns, sizeof(*widths));
    for (size_t i = 0; i < t->cells.n; i++) {
        int w = cli_width(t->cells.v[i]);
        if (w > widths[i % t->columns])
            widths[i % t->columns] = w;
    }
    for (size_t i = 0; i < t->cells.n; i++) {
        size_t col = i % t->columns;
        print_cell(t->cells.v[i], widths[col], t->right[col], col + 1 == t->columns);
    }
    free(widths);
    cli_table_free(table);
}

void cli_table_free(struct cli_table **t) {
    if (*t)
        strv_free(&(*t)->cells);
    x_free(t);
}

void cli_duration(int64_t ms, char out[CLI_NUMBER]) {
    long long s = (ms > 0 ? ms : 0) / 1000;
    if (s < 60)
        snprintf(out, CLI_NUMBER, "%llds", s);
    else if (s < 3600)
        snprintf(out, CLI_NUMBER, "%lldm%02llds", s / 60, s % 60);
    else if (s < 100 * 3600)
        snprintf(out, CLI_NUMBER, "%lldh%02lldm", s / 3600, s / 60 % 60);
    else
        snprintf(out, CLI_NUMBER, "%lldd%02lldh", s / 86400, s / 3600 % 24);
}

void cli_count(int64_t n, char out[CLI_NUMBER]) {
    if (n < 1000)
        snprintf(out, CLI_NUMBER, "%lld", (long long)n);
    else if (n < 999950)
        snprintf(out, CLI_NUMBER, "%.1fk", (double)n / 1e3);
    else
        snprintf(out, CLI_NUMBER, "%.1fM", (double)n / 1e6);
}
