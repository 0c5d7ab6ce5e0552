/* recall_memory: memories, ranked by their words, and those that hang together with the best of
 * them. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "memory/memory.h"
#include "memory/recall-internal.h"
#include "store/queries.gen.h"

/* As for turns (recall_turn.c), but for what only conversations have. */
#define K1 1.0
#define LENGTH 0.45
#define DATED 3.0
#define PERSON 0.29
#define STRENGTH 0.2 /* how much the strongest counts above the weakest */
#define LEAST 0.15   /* of the best one's score: what has less has a stray word in common */

#define CLOSELY 512u
#define CLOSELY_MANY 4096u
#define NEWEST 1024
#define LIGHT_TOTAL 4096

/* The walk over edges. */
#define SEEDS 10u
#define EDGES_MAX 64 /* of one memory */
#define DEPTH 2
#define WALK_MAX 256u
#define TITLE 40u /* bytes of the one that a walk came from */

struct ranking {
    struct recall *x;
    struct recall_postings words[RECALL_TERMS_MAX];
    double total;
    bool by_common; /* found by all of the common words together */
};

static bool wants_type(const struct recall_query *q, const char *type) {
    enum memory_type t;
    return !q->types || (memory_type_from_string(type, &t) == STATUS_OK && q->types & 1u << t);
}

bool recall_passes(const struct recall_query *q, const char *type, const char *channel,
                   const char *person, int64_t at) {
    return wants_type(q, type) && (!q->since || at >= q->since) && (!q->until || at < q->until) &&
           (!q->person || str_eq(person, q->person)) &&
           (!q->channel || str_eq(channel, q->channel));
}

/* ---- words ---- */

static bool on_doc(void *arg, const struct q_recall_memories_with_row *row) {
    return recall_posting_add(arg, row->n);
}

static enum status read_docs(struct store_read *r, const char *stem, struct recall_postings *to,
                             struct cause *why) {
    return q_recall_memories_with(r, stem, 4 * RECALL_POSTINGS_MAX, on_doc, to, why);
}

static bool on_match(void *arg, const struct q_recall_memories_matching_row *row) {
    recall_list_add(arg, RECALL_MEMORY, row->n, 1);
    return true;
}

/* All words of content are common: the newest that have all of them. */
static enum status take_common(struct ranking *k, struct recall_list *out, struct cause *why) {
    const struct recall_question *q = &k->x->question;
    struct buf match = BUF_INIT;
    for (size_t i = 0; i < q->nterms; i++)
        if (k->words[i].common && !q->terms[i].light)
            buf_printf(&match, "%s\"%s\"", match.len ? " AND " : "", q->terms[i].word);
    enum status st = STATUS_OK;
    if (match.len)
        st = q_recall_memories_matching(k->x->r, buf_str(&match), NEWEST, on_match, out, why);
    k->by_common = match.len > 0;
    k->x->all_common |= k->by_common;
    buf_free(&match);
    return st;
}

static enum status read_words(struct ranking *k, bool *rare, struct cause *why) {
    const struct recall_question *q = &k->x->question;
    enum status st = STATUS_OK;
    for (size_t i = 0; i < q->nterms && st == STATUS_OK; i++) {
        struct recall_postings *p = &k->words[i];
        if (q->terms[i].light && k->total > LIGHT_TOTAL)
            continue;
        st = recall_read_term(k->x, &q->terms[i], read_docs, p, why);
        p->idf = p->common ? 0 : recall_idf((double)p->n, k->total);
        *rare |= p->n && !q->terms[i].light;
        if (st == STATUS_OK && recall_cancelled(k->x))
            st = cause_set(why, STATUS_CANCELLED, "cancelled");
    }
    return st;
}

/* ---- candidates ---- */

static int by_doc(const void *a, const void *b) {
    const struct recall_candidate *x = a, *y = b;
    return x->doc < y->doc ? -1 : x->doc > y->doc;
}

/* Each memory that has a word, once, with a score that knows nothing of its length. */
static void collect(const struct ranking *k, struct recall_list *l) {
    const struct recall_question *q = &k->x->question;
    size_t n = 0;
    for (size_t i = 0; i < q->nterms; i++)
        for (size_t j = 0; j < k->words[i].n; j++) {
            double times = k->words[i].v[j].times;
            recall_list_add(l, RECALL_MEMORY, k->words[i].v[j].doc,
                            k->words[i].idf * q->terms[i].weight * times * (K1 + 1) / (times + K1));
        }
    if (l->n > 1)
        qsort(l->v, l->n, sizeof *l->v, by_doc);
    for (size_t i = 0; i < l->n; i++) {
        if (n && l->v[n - 1].doc == l->v[i].doc)
            l->v[n - 1].score += l->v[i].score;
        else
            l->v[n++] = l->v[i];
    }
    l->n = n;
}

static double score_words(const struct ranking *k, int64_t doc, double length) {
    const struct recall_question *q = &k->x->question;
    double score = 0;
    for (size_t i = 0; i < q->nterms; i++) {
        const struct recall_postings *p = &k->words[i];
        size_t at = recall_posting_from(p, doc);
        if (at == p->n || p->v[at].doc != doc)
            continue;
        double times = p->v[at].times / (1 - LENGTH + LENGTH * length);
        score += p->idf * q->terms[i].weight * times * (K1 + 1) / (times + K1);
    }
    return score;
}

static bool is_named(const struct recall_question *q, const char *person) {
    for (size_t i = 0; person && i < q->npeople; i++)
        if (str_eq(q->names[i], person))
            return true;
    return false;
}

static void tell_why(const struct ranking *k, struct recall_candidate *c) {
    const struct recall_question *q = &k->x->question;
    struct buf words = BUF_INIT, light = BUF_INIT;
    for (size_t i = 0; i < q->nterms; i++) {
        const struct recall_postings *p = &k->words[i];
        size_t at = recall_posting_from(p, c->doc);
        struct buf *to = q->terms[i].light ? &light : &words;
        if ((at < p->n && p->v[at].doc == c->doc) || (k->by_common && p->common))
            buf_printf(to, "%s%s", to->len ? ", " : "", q->terms[i].word);
    }
    strv_pushf(&c->why, "words: %s", words.len || !light.len ? buf_str(&words) : buf_str(&light));
    buf_free(&words);
    buf_free(&light);
}

/* Looks at the candidates themselves; those that do not pass are left out. */
static enum status look(struct ranking *k, struct recall_list *l, struct cause *why) {
    const struct recall_question *question = &k->x->question;
    const struct recall_query *q = k->x->q;
    struct q_recall_memory_facts_row *rows = xcalloc(l->n + 1, sizeof *rows);
    enum status st = STATUS_OK;
    double bytes = 0, best = 0;
    size_t n = 0, count = l->n;
    for (size_t i = 0; i < count && st == STATUS_OK; i++) {
        st = q_recall_memory_facts(k->x->r, l->v[i].doc, &rows[i], why);
        bytes += (double)rows[i].bytes;
        st = st == STATUS_NOT_FOUND ? STATUS_OK : st;
    }
    for (size_t i = 0; i < count && st == STATUS_OK; i++) {
        const struct q_recall_memory_facts_row *row = &rows[i];
        struct recall_candidate c = l->v[i];
        if (!row->type || !row->forgotten_at_null ||
            !recall_passes(q, row->type, row->channel_id, row->person, row->created_at))
            continue;
        size_t date;
        double fit = recall_fit(question, row->created_at, &date);
        bool named = is_named(question, row->person);
        double score = score_words(k, c.doc, (double)row->bytes * (double)count / bytes);
        c.score = (score > 0 ? score : c.score) * (1 + DATED * fit) * (named ? 1 + PERSON : 1) *
                  (1 + STRENGTH * row->strength);
        tell_why(k, &c);
        if (fit > 0)
            strv_push(&c.why, "date");
        if (named)
            strv_pushf(&c.why, "about %s", row->person);
        best = c.score > best ? c.score : best;
        l->v[n++] = c;
    }
    l->n = n;
    for (size_t i = 0; i < count; i++)
        q_recall_memory_facts_free(&rows[i]);
    x_free(&rows);
    recall_list_rank(l, CLOSELY);
    while (l->n && l->v[l->n - 1].score < LEAST * best)
        strv_free(&l->v[--l->n].why);
    return st;
}

enum status recall_memories(struct recall *x, struct recall_list *out, struct cause *why) {
    struct ranking k = {.x = x};
    struct q_recall_memories_last_row last;
    const struct recall_query *q = x->q;
    bool many = q->since || q->until || q->person || q->channel || q->types || x->question.ndates;
    bool rare = false;
    enum status st = q_recall_memories_last(x->r, &last, why);
    if (st != STATUS_OK || last.last <= 0)
        return st == STATUS_NOT_FOUND ? STATUS_OK : st;
    k.total = (double)last.last;
    x->memories = last.last;
    st = read_words(&k, &rare, why);
    if (st == STATUS_OK && rare)
        collect(&k, out);
    else if (st == STATUS_OK)
        st = take_common(&k, out, why);
    recall_list_rank(out, many ? CLOSELY_MANY : CLOSELY);
    if (st == STATUS_OK)
        st = look(&k, out, why);
    recall_postings_free(k.words, x->question.nterms);
    return st;
}

/* ---- the walk ---- */

struct walk {
    const struct recall_list *seeds; /* found by themselves: not led to */
    struct recall_list *l;           /* found so far */
    struct recall_list next;
    double score; /* of the one whose edges are read */
};

static struct recall_candidate *find(const struct recall_list *l, size_t most, int64_t doc) {
    for (size_t i = 0; i < l->n && i < most; i++)
        if (l->v[i].doc == doc)
            return &l->v[i];
    return NULL;
}

static void name_edge(struct recall_candidate *c, const char *relation, const char *content) {
    size_t n = utf8_cut(content, strcspn(content, "\n"), TITLE);
    strv_free(&c->why);
    strv_pushf(&c->why, "graph: %s \"%.*s%s\"", relation, (int)n, content, content[n] ? "…" : "");
}

static bool on_edge(void *arg, const struct q_recall_edges_row *row) {
    struct walk *w = arg;
    enum memory_relation relation;
    if (memory_relation_from_string(row->relation, &relation) != STATUS_OK ||
        find(w->seeds, SEEDS, row->other))
        return true; /* of a newer version, or found already */
    double score = w->score * row->weight * memory_relation_worth(relation);
    struct recall_candidate *c = find(w->l, WALK_MAX, row->other);
    bool better = !c || c->score < score;
    if (!c && w->l->n < WALK_MAX)
        c = recall_list_add(w->l, RECALL_MEMORY, row->other, 0);
    if (!c || !better)
        return true;
    c->score = score;
    name_edge(c, row->relation, row->content);
    if (memory_relation_onward(relation))
        recall_list_add(&w->next, RECALL_MEMORY, row->other, score);
    return true;
}

enum status recall_walk(struct recall *x, const struct recall_list *seeds, struct recall_list *out,
                        struct cause *why) {
    struct walk w = {.seeds = seeds, .l = out};
    struct recall_list from = {0};
    enum status st = STATUS_OK;
    for (size_t i = 0; i < seeds->n && i < SEEDS; i++)
        recall_list_add(&from, RECALL_MEMORY, seeds->v[i].doc,
                        seeds->v[i].score / seeds->v[0].score);
    for (int depth = 0; depth < DEPTH && st == STATUS_OK; depth++) {
        for (size_t i = 0; i < from.n && st == STATUS_OK; i++) {
            w.score = from.v[i].score;
            st = q_recall_edges(x->r, from.v[i].doc, EDGES_MAX, on_edge, &w, why);
            if (st == STATUS_OK && recall_cancelled(x))
                st = cause_set(why, STATUS_CANCELLED, "cancelled");
        }
        recall_list_free(&from);
        from = w.next;
        w.next = (struct recall_list){0};
    }
    recall_list_free(&from);
    recall_list_rank(out, WALK_MAX);
    return st;
}

/* ---- without words ---- */

struct listing {
    const struct recall_query *q;
    struct recall_list *l;
    size_t most;
};

static bool on_newest(void *arg, const struct q_recall_memories_newest_row *row) {
    struct listing *k = arg;
    if (recall_passes(k->q, row->type, row->channel_id, row->person, row->created_at))
        strv_push(&recall_list_add(k->l, RECALL_MEMORY, row->n, (double)row->created_at)->why,
                  "recent");
    return k->l->n < k->most;
}

enum status recall_memories_recent(struct recall *x, struct recall_list *out, struct cause *why) {
    const struct recall_query *q = x->q;
    struct listing k = {q, out, out->n + recall_limit(q)};
    return q_recall_memories_newest(x->r, q->since ? q->since : INT64_MIN,
                                    q->until ? q->until : INT64_MAX, on_newest, &k, why);
}

static bool on_worth(void *arg, const struct q_recall_memories_of_type_row *row) {
    struct listing *k = arg;
    if (recall_passes(k->q, row->type, row->channel_id, row->person, row->created_at))
        strv_push(&recall_list_add(k->l, RECALL_MEMORY, row->n, row->strength)->why, "important");
    return k->l->n < k->most;
}

enum status recall_memories_important(struct recall *x, struct recall_list *out,
                                      struct cause *why) {
    static const enum memory_type types[] = {
#define X(name, text, importance, what, heading) MEMORY_##name,
        MEMORY_TYPE_TABLE(X)
#undef X
    };
    enum status st = STATUS_OK;
    for (size_t i = 0; i < ARRAY_LEN(types) && st == STATUS_OK; i++) {
        struct listing k = {x->q, out, out->n + recall_limit(x->q)};
        if (!x->q->types || x->q->types & 1u << types[i])
            st = q_recall_memories_of_type(x->r, memory_type_name(types[i]), on_worth, &k, why);
    }
    recall_list_rank(out, recall_limit(x->q));
    return st;
}
