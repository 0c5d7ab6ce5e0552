/* markdown_table: a table's cells, and how they share the columns of a pane. */
#ifndef UI_MARKDOWN_TABLE_H
#define UI_MARKDOWN_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#define MARKDOWN_COLUMNS_MAX 32

struct markdown_run {
    size_t off, len; /* in the block's text */
    unsigned style;
};

struct markdown_cell {
    char *text; /* NULL: none */
    size_t n;
    struct markdown_run *runs;
    size_t nruns;
};

struct markdown_table {
    struct markdown_cell *cells; /* rows of MARKDOWN_COLUMNS_MAX */
    size_t nrows, crows;
    size_t ncols, col; /* columns used; the next cell's */
    bool right[MARKDOWN_COLUMNS_MAX];
};

struct markdown_table_out {
    void (*begin)(void *arg); /* a new line */
    void (*span)(void *arg, const char *s, size_t n, unsigned style);
    void *arg;
};

void markdown_table_row(struct markdown_table *t);
/* Copies the text and its runs. Cells beyond the last column are left out. */
void markdown_table_cell(struct markdown_table *t, const char *text, size_t n,
                         const struct markdown_run *runs, size_t nruns, bool right);
/* The first row is the head. Cells that are too wide are wrapped. */
void markdown_table_draw(const struct markdown_table *t, int width, bool ascii,
                         const struct markdown_table_out *out);
void markdown_table_free(struct markdown_table *t);

/* Where a line of at most `max` columns ends in s[0..n): *len bytes are shown, the return value is
 * where the next one begins. */
size_t markdown_break(const char *s, size_t n, int max, size_t *len);

#endif
