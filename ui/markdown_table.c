/* markdown_table: columns get what they want where there is room; else the widest give way first,
 * down to a width at which words can still be read, and their cells are wrapped. */
#include "ui/markdown_table.h"

#include <string.h>

#include "base/mem.h"
#include "ui/text.h"
#include "ui/theme.h"

#define BETWEEN 2 /* blank columns between cells */
#define NARROWEST 4

static struct markdown_cell *cell_at(const struct markdown_table *t, size_t row, size_t col) {
    return &t->cells[row * MARKDOWN_COLUMNS_MAX + col];
}

void markdown_table_row(struct markdown_table *t) {
    if (t->nrows == t->crows) {
        t->crows = t->crows ? t->crows * 2 : 8;
        t->cells = xreallocarray(t->cells, t->crows * MARKDOWN_COLUMNS_MAX, sizeof *t->cells);
    }
    memset(cell_at(t, t->nrows, 0), 0, MARKDOWN_COLUMNS_MAX * sizeof *t->cells);
    t->nrows++;
    t->col = 0;
}

void markdown_table_cell(struct markdown_table *t, const char *text, size_t n,
                         const struct markdown_run *runs, size_t nruns, bool right) {
    if (t->nrows == 0 || t->col == MARKDOWN_COLUMNS_MAX)
        return;
    struct markdown_cell *c = cell_at(t, t->nrows - 1, t->col);
    t->right[t->col] = right;
    c->text = xstrndup(text, n);
    c->n = n;
    c->runs = nruns ? xreallocarray(NULL, nruns, sizeof *runs) : NULL;
    if (nruns)
        memcpy(c->runs, runs, nruns * sizeof *runs);
    c->nruns = nruns;
    if (++t->col > t->ncols)
        t->ncols = t->col;
}

void markdown_table_free(struct markdown_table *t) {
    for (size_t i = 0; i < t->nrows * MARKDOWN_COLUMNS_MAX; i++) {
        x_free(&t->cells[i].text);
        x_free(&t->cells[i].runs);
    }
    x_free(&t->cells);
    memset(t, 0, sizeof *t);
}

static void widths(const struct markdown_table *t, int width, int out[MARKDOWN_COLUMNS_MAX]) {
    int sum = 0;
    for (size_t c = 0; c < t->ncols; c++) {
        out[c] = 1;
        for (size_t r = 0; r < t->nrows; r++) {
            const struct markdown_cell *cell = cell_at(t, r, c);
            int w = cell->text ? text_width(cell->text, cell->n) : 0;
            if (w > out[c])
                out[c] = w;
        }
        sum += out[c];
    }
    int room = width - BETWEEN * ((int)t->ncols - 1);
    while (sum > room) {
        size_t widest = 0;
        for (size_t c = 1; c < t->ncols; c++)
            if (out[c] > out[widest])
                widest = c;
        if (out[widest] <= NARROWEST)
            return; /* clipped at the pane's edge */
        out[widest]--;
        sum--;
    }
}

static void pad(const struct markdown_table_out *out, int n) {
    while (n-- > 0)
        out->span(out->arg, " ", 1, STYLE_TEXT);
}

static void put(const struct markdown_cell *c, size_t from, size_t to,
                const struct markdown_table_out *out) {
    for (size_t i = 0; i < c->nruns; i++) {
        const struct markdown_run *r = &c->runs[i];
        size_t a = r->off > from ? r->off : from, b = r->off + r->len < to ? r->off + r->len : to;
        if (a < b)
            out->span(out->arg, c->text + a, b - a, r->style);
    }
}

static void draw_row(const struct markdown_table *t, size_t row, const int *width,
                     const struct markdown_table_out *out) {
    size_t at[MARKDOWN_COLUMNS_MAX] = {0};
    bool more = true, first = true;
    while (more) {
        more = false;
        bool any = first;
        for (size_t c = 0; c < t->ncols; c++)
            any |= at[c] < cell_at(t, row, c)->n;
        if (!any)
            break;
        first = false;
        out->begin(out->arg);
        for (size_t c = 0; c < t->ncols; c++) {
            const struct markdown_cell *cell = cell_at(t, row, c);
            size_t len = 0, next = 0;
            if (at[c] < cell->n)
                next = markdown_break(cell->text + at[c], cell->n - at[c], width[c], &len);
            int used = len ? text_width(cell->text + at[c], len) : 0;
            if (t->right[c])
                pad(out, width[c] - used);
            put(cell, at[c], at[c] + len, out);
            at[c] += next;
            more |= at[c] < cell->n;
            bool last = c + 1 == t->ncols;
            if (!t->right[c] && !last)
                pad(out, width[c] - used);
            if (!last)
                pad(out, BETWEEN);
        }
    }
}

void markdown_table_draw(const struct markdown_table *t, int width, bool ascii,
                         const struct markdown_table_out *out) {
    int w[MARKDOWN_COLUMNS_MAX];
    if (t->nrows == 0 || t->ncols == 0)
        return;
    widths(t, width, w);
    for (size_t r = 0; r < t->nrows; r++) {
        draw_row(t, r, w, out);
        if (r > 0)
            continue;
        out->begin(out->arg);
        for (size_t c = 0; c < t->ncols; c++) {
            for (int i = 0; i < w[c]; i++)
                out->span(out->arg, ascii ? "-" : "─", ascii ? 1 : 3, STYLE_RULE);
            if (c + 1 < t->ncols)
                pad(out, BETWEEN);
        }
    }
}
