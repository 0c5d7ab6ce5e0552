/* recall_text: turns and memories that hold a piece of text as it stands: identifiers, quotations,
 * runs of characters that no blank divides. The trigram index finds three characters and more; what
 * is shorter is read through. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "memory/recall-internal.h"
#include "store/queries.gen.h"

#define EACH_MAX 512 /* of one piece, the newest */
#define LIST_MAX 256u

struct found {
    int64_t *docs;
    size_t n;
};

static void add(struct found *f, int64_t doc) {
    f->docs = xreallocarray(f->docs, f->n + 1, sizeof *f->docs);
    f->docs[f->n++] = doc;
}

static bool on_containing(void *arg, const struct q_recall_turns_containing_row *row) {
    add(arg, row->place);
    return true;
}

static bool on_scanned(void *arg, const struct q_recall_turns_scanned_row *row) {
    add(arg, row->place);
    return true;
}

static bool on_memory_containing(void *arg, const struct q_recall_memories_containing_row *row) {
    add(arg, row->n);
    return true;
}

static bool on_memory_scanned(void *arg, const struct q_recall_memories_scanned_row *row) {
    add(arg, row->n);
    return true;
}

static size_t characters(const char *s) {
    size_t n = 0;
    for (; *s; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

/* As a string of FTS5: nothing in it is syntax. */
static char *quoted(const char *piece) {
    struct buf b = BUF_INIT;
    buf_putc(&b, '"');
    for (; *piece; piece++) {
        if (*piece == '"')
            buf_putc(&b, '"');
        buf_putc(&b, *piece);
    }
    buf_putc(&b, '"');
    return buf_steal(&b);
}

static enum status find(struct recall *x, enum recall_kind kind, const char *piece,
                        struct found *out, struct cause *why) {
    bool turns = kind == RECALL_TURN;
    if (characters(piece) < 3)
        return turns
                   ? q_recall_turns_scanned(x->r, piece, EACH_MAX, on_scanned, out, why)
                   : q_recall_memories_scanned(x->r, piece, EACH_MAX, on_memory_scanned, out, why);
    char *match = quoted(piece);
    enum status st =
        turns ? q_recall_turns_containing(x->r, match, EACH_MAX, on_containing, out, why)
              : q_recall_memories_containing(x->r, match, EACH_MAX, on_memory_containing, out, why);
    x_free(&match);
    return st;
}

static int by_doc(const void *a, const void *b) {
    const struct recall_candidate *x = a, *y = b;
    return x->doc < y->doc ? -1 : x->doc > y->doc;
}

/* Those of one document become one, with all that was found. */
static void join(struct recall_list *l) {
    size_t n = 0;
    if (l->n > 1)
        qsort(l->v, l->n, sizeof *l->v, by_doc);
    for (size_t i = 0; i < l->n; i++) {
        if (n && l->v[n - 1].doc == l->v[i].doc) {
            l->v[n - 1].score += l->v[i].score;
            strv_push(&l->v[n - 1].why, l->v[i].why.v[0]);
            strv_free(&l->v[i].why);
        } else {
            l->v[n++] = l->v[i];
        }
    }
    l->n = n;
}

enum status recall_text(struct recall *x, enum recall_kind kind, struct recall_list *out,
                        struct cause *why) {
    double total = (double)(kind == RECALL_TURN ? x->turns : x->memories);
    enum status st = STATUS_OK;
    for (size_t i = 0; i < x->question.npieces && st == STATUS_OK; i++) {
        struct found f = {0};
        st = find(x, kind, x->question.pieces[i], &f, why);
        double idf = recall_idf((double)f.n, total);
        for (size_t j = 0; j < f.n; j++) {
            if (kind == RECALL_TURN && x->channel && f.docs[j] >> 24 != *x->channel)
                continue;
            struct recall_candidate *c = recall_list_add(out, kind, f.docs[j], idf);
            strv_pushf(&c->why, "text: %s", x->question.pieces[i]);
        }
        x_free(&f.docs);
        if (st == STATUS_OK && recall_cancelled(x))
            st = cause_set(why, STATUS_CANCELLED, "cancelled");
    }
    join(out);
    recall_list_rank(out, LIST_MAX);
    return st;
}
