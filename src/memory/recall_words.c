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
