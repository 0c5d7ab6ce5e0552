/* recall_words: where words are, and lists of candidates. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "memory/recall-internal.h"

/* ---- postings ---- */

/* Documents come in order, a row for each time the word is in one. */
bool recall_posting_add(struct recall_postings *p, int64_t doc) {
    if (p->n && p->v[p->n - 1].doc == doc) {
        p->v[p->n - 1].times++;
        return true;
    }
    if (p->n == RECALL_POSTINGS_MAX) {
        p->common = true;
        return false;
    }
    if ((p->n & (p->n - 1)) == 0)
        p->v = xreallocarray(p->v, p->n ? 2 * p->n : 8, sizeof *p->v);
    p->v[p->n++] = (struct recall_posting){doc, 1};
    return true;
}

static int by_doc(const void *a, const void *b) {
    int64_t x = ((const struct recall_posting *)a)->doc,
            y = ((const struct recall_posting *)b)->doc;
    return x < y ? -1 : x > y;
}

/* Adds those of another form, in order again. */
static void join(struct recall_postings *to, const struct recall_postings *from) {
    size_t n = 0;
    to->common |= from->common;
    if (!from->n || to->common)
        return;
    to->v = xreallocarray(to->v, to->n + from->n, sizeof *to->v);
    memcpy(to->v + to->n, from->v, from->n * sizeof *to->v);
    to->n += from->n;
    qsort(to->v, to->n, sizeof *to->v, by_doc);
    for (size_t i = 0; i < to->n; i++) {
        if (n && to->v[n - 1].doc == to->v[i].doc)
            to->v[n - 1].times += to->v[i].times;
        else
            to->v[n++] = to->v[i];
    }
    to->n = n;
    to->common = n > RECALL_POSTINGS_MAX;
}

enum status recall_read_term(const struct recall *x, const struct recall_term *t,
                             recall_read_fn *fn, struct recall_postings *out, struct cause *why) {
    enum status st = STATUS_OK;
    *out = (struct recall_postings){0};
    if (!t->forms)
        st = fn(x->r, t->stem, out, why);
    for (const char *at = t->forms; at && *at && st == STATUS_OK && !out->common;) {
        struct recall_postings one = {0};
        size_t n = strcspn(at, " ");
        char *stem = xstrndup(at, n);
        st = fn(x->r, stem, &one, why);
        join(out, &one);
        x_free(&one.v);
        x_free(&stem);
        at += n + (at[n] == ' ');
    }
    if (out->common) {
        x_free(&out->v);
        out->n = 0;
    }
    return st;
}

void recall_postings_free(struct recall_postings *p, size_t n) {
    for (size_t i = 0; i < n; i++)
        x_free(&p[i].v);
}

/* Robertson and Spärck Jones, as Lucene has it: never negative. */
double recall_idf(double docs, double total) {
    if (docs > total)
        total = docs;
    return docs > 0 ? log(1 + (total - docs + 0.5) / (docs + 0.5)) : 0;
}

size_t recall_posting_from(const struct recall_postings *p, int64_t doc) {
    size_t low = 0, high = p->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (p->v[mid].doc < doc)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* ---- lists ---- */

struct recall_candidate *recall_list_add(struct recall_list *l, enum recall_kind kind, int64_t doc,
                                         double score) {
    if ((l->n & (l->n - 1)) == 0)
        l->v = xreallocarray(l->v, l->n ? 2 * l->n : 8, sizeof *l->v);
    struct recall_candidate *c = &l->v[l->n++];
    *c = (struct recall_candidate){.kind = kind, .doc = doc, .score = score};
    return c;
}

static int by_score(const void *a, const void *b) {
    const struct recall_candidate *x = a, *y = b;
    if (x->score != y->score)
        return x->score < y->score ? 1 : -1;
    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    return x->doc < y->doc ? 1 : x->doc > y->doc ? -1 : 0;
}

void recall_list_rank(struct recall_list *l, size_t most) {
    if (l->n > 1)
        qsort(l->v, l->n, sizeof *l->v, by_score);
    while (l->n > most)
        strv_free(&l->v[--l->n].why);
}

void recall_list_free(struct recall_list *l) {
    recall_list_rank(l, 0);
    x_free(&l->v);
}
