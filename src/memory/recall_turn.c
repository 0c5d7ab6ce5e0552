/* recall_turn: turns of conversations, ranked by their words.
 *
 * First, turns that have a word of the question, or stand within two turns of one that has, collect
 * a rough score from the index alone. The best of these are looked at closely: BM25 over the turn
 * and its context (a word of a neighbour counts for a part of itself), beside that the same for the
 * whole stretch of talk, dates and people of the question, and a little off for turns that ask. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "memory/recall-internal.h"
#include "store/queries.gen.h"

/* What was found best on conversations of people; their scale is that of BM25. */
#define K1 1.0            /* how soon more of the same word stops to count */
#define LENGTH 0.45       /* how much a long turn is held against it */
#define REACH 2           /* turns before and after */
#define QUESTION_NEAR 1.9 /* a question of somebody else just before: this is its answer */
#define STRETCH 0.38      /* what the stretch adds, of the best turn's own score */
#define STRETCH_K1 0.46
#define STRETCH_LENGTH 0.55
#define DATED 3.0   /* on the date that was asked for */
#define PERSON 0.29 /* said by who is named. Never a filter: questions name the wrong one */
#define ASKS 0.17   /* taken off a turn that only asks */
#define PAUSE 0.5   /* what a pause between leaves of a neighbour's part */
/* The parts of a word of the turns from two before to two after. */
static const double near[2 * REACH + 1] = {0.18, 0.42, 1, 0.32, 0.1};

#define CLOSELY 256u       /* turns that are looked at closely */
#define CLOSELY_MANY 4096u /* where a filter or a date may choose among all */
#define NEWEST 1024        /* of words that are common */
#define LIGHT_TOTAL 4096   /* turns in which words of grammar are still counted */

struct turn {
    int64_t place, at, person, stretch;
    double bytes, score;
    bool close; /* a word is in it or near it in the same stretch */
    int asks;
};

struct turns {
    struct turn *v;
    size_t n, cap;
};

struct stretch {
    int64_t first, last;
    double score;
};

struct ranking {
    struct recall *x;
    struct recall_postings words[RECALL_TERMS_MAX];
    double total, bytes, stretch_bytes; /* how many turns, and the averages */
    struct turns turns;                 /* in order of place: the chosen and their neighbours */
    struct stretch *stretches;
    size_t nstretches;
};

/* ---- rough scores: a table from places to numbers ---- */

struct rough {
    int64_t *places; /* 0: free */
    double *scores;
    size_t n, size; /* a power of two */
};

static size_t slot_of(const struct rough *t, int64_t place) {
    size_t at = (size_t)((uint64_t)place * UINT64_C(0x9e3779b97f4a7c15) >> 20) & (t->size - 1);
    while (t->places[at] && t->places[at] != place)
        at = (at + 1) & (t->size - 1);
    return at;
}

static void rough_grow(struct rough *t) {
    struct rough old = *t;
    t->size = old.size ? 2 * old.size : 1024;
    t->places = xcalloc(t->size, sizeof *t->places);
    t->scores = xcalloc(t->size, sizeof *t->scores);
    for (size_t i = 0; i < old.size; i++)
        if (old.places[i]) {
            size_t at = slot_of(t, old.places[i]);
            t->places[at] = old.places[i];
            t->scores[at] = old.scores[i];
        }
    x_free(&old.places);
    x_free(&old.scores);
}

static void rough_add(struct rough *t, int64_t place, double score) {
    if (2 * (t->n + 1) > t->size)
        rough_grow(t);
    size_t at = slot_of(t, place);
    t->n += !t->places[at];
    t->places[at] = place;
    t->scores[at] += score;
}

static double saturate(double times, double k1) { return times * (k1 + 1) / (times + k1); }

/* ---- words ---- */

static bool on_place(void *arg, const struct q_recall_turns_with_row *row) {
    return recall_posting_add(arg, row->place);
}

static enum status read_places(struct store_read *r, const char *stem, struct recall_postings *to,
                               struct cause *why) {
    return q_recall_turns_with(r, stem, 4 * RECALL_POSTINGS_MAX, on_place, to, why);
}

static bool on_match(void *arg, const struct q_recall_turns_matching_row *row) {
    struct recall_postings *p = arg;
    p->v = xreallocarray(p->v, p->n + 1, sizeof *p->v);
    p->v[p->n++] = (struct recall_posting){row->place, 1};
    return true;
}

static int by_doc(const void *a, const void *b) {
    int64_t x = ((const struct recall_posting *)a)->doc,
            y = ((const struct recall_posting *)b)->doc;
    return x < y ? -1 : x > y;
}

/* The newest turns for an FTS5 expression of quoted stems, which are words and nothing else. */
static enum status newest_matching(struct ranking *k, const char *match, struct recall_postings *p,
                                   struct cause *why) {
    enum status st = q_recall_turns_matching(k->x->r, match, NEWEST, on_match, p, why);
    if (p->n > 1)
        qsort(p->v, p->n, sizeof *p->v, by_doc);
    return st;
}

/* Every word of content is common: the turns that have all of them, or the newest that have the
 * first. */
static enum status take_common(struct ranking *k, struct cause *why) {
    struct recall_question *q = &k->x->question;
    struct buf match = BUF_INIT;
    struct recall_postings both = {0};
    size_t first = RECALL_TERMS_MAX;
    for (size_t i = 0; i < q->nterms; i++) {
        if (!k->words[i].common || q->terms[i].light)
            continue;
        buf_printf(&match, "%s\"%s\"", match.len ? " AND " : "", q->terms[i].word);
        first = first == RECALL_TERMS_MAX ? i : first;
    }
    if (first == RECALL_TERMS_MAX) {
        buf_free(&match);
        return STATUS_OK;
    }
    enum status st = newest_matching(k, buf_str(&match), &both, why);
    bool all = both.n > 0;
    if (st == STATUS_OK && !all) {
        buf_reset(&match);
        buf_printf(&match, "\"%s\"", q->terms[first].word);
        st = newest_matching(k, buf_str(&match), &both, why);
    }
    for (size_t i = first; i < q->nterms && st == STATUS_OK; i++) {
        struct recall_postings *p = &k->words[i];
        if (!p->common || q->terms[i].light || (!all && i != first) || !both.n)
            continue;
        p->v = xreallocarray(NULL, both.n, sizeof *p->v);
        memcpy(p->v, both.v, both.n * sizeof *p->v);
        p->n = both.n;
        p->idf = recall_idf(RECALL_POSTINGS_MAX, k->total);
    }
    k->x->all_common = true;
    x_free(&both.v);
    buf_free(&match);
    return st;
}

static enum status read_words(struct ranking *k, struct cause *why) {
    struct recall_question *q = &k->x->question;
    enum status st = STATUS_OK;
    bool rare = false, common = false;
    for (size_t i = 0; i < q->nterms && st == STATUS_OK; i++) {
        struct recall_postings *p = &k->words[i];
        if (q->terms[i].light && k->total > LIGHT_TOTAL)
            continue; /* common for certain */
        st = recall_read_term(k->x, &q->terms[i], read_places, p, why);
        if (p->common) {
            common |= !q->terms[i].light;
        } else {
            p->idf = recall_idf((double)p->n, k->total);
            rare |= p->n && !q->terms[i].light;
        }
        if (st == STATUS_OK && recall_cancelled(k->x))
            st = cause_set(why, STATUS_CANCELLED, "cancelled");
    }
    return st == STATUS_OK && common && !rare ? take_common(k, why) : st;
}

/* ---- choosing ---- */

static void collect_rough(const struct ranking *k, struct rough *out) {
    const struct recall_question *q = &k->x->question;
    for (size_t i = 0; i < q->nterms; i++) {
        const struct recall_postings *p = &k->words[i];
        for (size_t j = 0; j < p->n; j++)
            for (int d = -REACH; d <= REACH; d++)
                if (near[d + REACH] > 0) /* the turn that this one stands d behind */
                    rough_add(out, p->v[j].doc - d,
                              p->idf * q->terms[i].weight *
                                  saturate(near[d + REACH] * p->v[j].times, K1));
    }
}

struct roughly {
    int64_t place;
    double score;
};

static int descending(const void *a, const void *b) {
    const struct roughly *x = a, *y = b;
    if (x->score != y->score)
        return x->score < y->score ? 1 : -1;
    return x->place < y->place ? 1 : x->place > y->place ? -1 : 0;
}

static int by_place(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

/* The places of the best, in order; the caller frees. */
static int64_t *choose(const struct ranking *k, size_t *n) {
    const struct recall_query *q = k->x->q;
    struct rough rough = {0};
    bool many = q->since || q->until || k->x->person || k->x->question.ndates;
    size_t most = many ? CLOSELY_MANY : CLOSELY, count = 0;
    if (4 * recall_limit(q) > most)
        most = 4 * recall_limit(q);
    collect_rough(k, &rough);
    struct roughly *v = xreallocarray(NULL, rough.n + 1, sizeof *v);
    for (size_t i = 0; i < rough.size; i++)
        if (rough.places[i] && (!k->x->channel || rough.places[i] >> 24 == *k->x->channel))
            v[count++] = (struct roughly){rough.places[i], rough.scores[i]};
    if (count > most) {
        qsort(v, count, sizeof *v, descending);
        count = most;
    }
    int64_t *places = xreallocarray(NULL, count + 1, sizeof *places);
    *n = count;
    for (size_t i = 0; i < count; i++)
        places[i] = v[i].place;
    x_free(&v);
    qsort(places, *n, sizeof *places, by_place);
    x_free(&rough.places);
    x_free(&rough.scores);
    return places;
}

/* ---- turns and their neighbours ---- */

static bool on_turn(void *arg, const struct q_recall_turns_between_row *row) {
    struct turns *t = arg;
    if (t->n == t->cap) {
        t->cap = t->cap ? 2 * t->cap : 256;
        t->v = xreallocarray(t->v, t->cap, sizeof *t->v);
    }
    t->v[t->n++] = (struct turn){.place = row->place,
                                 .at = row->at,
                                 .person = row->person_null ? 0 : row->person,
                                 .stretch = row->stretch,
                                 .bytes = (double)row->bytes,
                                 .asks = (int)row->asks};
    return true;
}

/* Reads windows around the places, those that touch together. */
static enum status read_turns(struct ranking *k, const int64_t *places, size_t n,
                              struct cause *why) {
    enum status st = STATUS_OK;
    for (size_t i = 0; i < n && st == STATUS_OK;) {
        size_t j = i;
        while (j + 1 < n && places[j + 1] - places[j] <= 2 * REACH + 1)
            j++;
        st = q_recall_turns_between(k->x->r, places[i] - REACH, places[j] + REACH, on_turn,
                                    &k->turns, why);
        i = j + 1;
    }
    return st;
}

/* ---- the close look ---- */

static bool is_named(const struct recall_question *q, int64_t person) {
    for (size_t i = 0; i < q->npeople; i++)
        if (q->people[i] == person)
            return true;
    return false;
}

/* How often a word is in a turn and, for a part of it, around it. */
static double times_around(struct ranking *k, const struct recall_postings *p, size_t at) {
    const struct turns *t = &k->turns;
    struct turn *me = &t->v[at];
    double sum = 0;
    size_t j = at, i = recall_posting_from(p, me->place - REACH);
    while (j > 0 && t->v[j - 1].place >= me->place - REACH)
        j--;
    while (i < p->n && j < t->n && t->v[j].place <= me->place + REACH) {
        const struct turn *other = &t->v[j];
        if (p->v[i].doc < other->place) {
            i++;
        } else if (p->v[i].doc > other->place) {
            j++;
        } else {
            int64_t d = other->place - me->place;
            bool here = other->stretch == me->stretch;
            double part = near[d + REACH] * (here ? 1 : PAUSE);
            if (d == -1 && other->asks && other->person != me->person)
                part *= QUESTION_NEAR;
            sum += part * p->v[i].times / (1 - LENGTH + LENGTH * other->bytes / k->bytes);
            me->close |= here;
            i++;
            j++;
        }
    }
    return sum;
}

static void score_turn(struct ranking *k, size_t at) {
    const struct recall_question *q = &k->x->question;
    struct turn *me = &k->turns.v[at];
    for (size_t i = 0; i < q->nterms; i++)
        me->score +=
            k->words[i].idf * q->terms[i].weight * saturate(times_around(k, &k->words[i], at), K1);
}

static double score_stretch(const struct ranking *k, int64_t first, int64_t last, double bytes) {
    const struct recall_question *q = &k->x->question;
    double score = 0;
    for (size_t i = 0; i < q->nterms; i++) {
        const struct recall_postings *p = &k->words[i];
        double times = 0;
        for (size_t j = recall_posting_from(p, first); j < p->n && p->v[j].doc <= last; j++)
            times += p->v[j].times;
        times /= 1 - STRETCH_LENGTH + STRETCH_LENGTH * bytes / k->stretch_bytes;
        score += p->idf * q->terms[i].weight * saturate(times, STRETCH_K1);
    }
    return score;
}

/* The turns are in order, so those of one stretch are too. */
static enum status score_stretches(struct ranking *k, struct cause *why) {
    const struct turns *t = &k->turns;
    k->stretches = xreallocarray(NULL, t->n + 1, sizeof *k->stretches);
    for (size_t i = 0; i < t->n; i++) {
        struct q_recall_stretch_row row;
        int64_t first = t->v[i].stretch;
        if (k->nstretches && k->stretches[k->nstretches - 1].first == first)
            continue;
        enum status st = q_recall_stretch(k->x->r, first, &row, why);
        if (st != STATUS_OK && st != STATUS_NOT_FOUND)
            return st;
        double score = 0;
        if (st == STATUS_OK)
            score = score_stretch(k, first, row.last, (double)row.bytes) *
                    (1 + DATED * recall_fit(&k->x->question, row.at, NULL));
        k->stretches[k->nstretches++] = (struct stretch){first, row.last, score};
    }
    return STATUS_OK;
}

static const struct stretch *stretch_of(const struct ranking *k, int64_t first) {
    size_t low = 0, high = k->nstretches;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (k->stretches[mid].first < first)
            low = mid + 1;
        else
            high = mid;
    }
    return &k->stretches[low];
}

static bool passes(const struct recall *x, const struct turn *t) {
    const struct recall_query *q = x->q;
    return (!q->since || t->at >= q->since) && (!q->until || t->at < q->until) &&
           (!x->person || t->person == *x->person);
}

/* ---- why ---- */

static void tell_why(const struct ranking *k, const struct turn *t, struct recall_candidate *c) {
    const struct recall_question *q = &k->x->question;
    struct buf own = BUF_INIT, around = BUF_INIT, light = BUF_INIT;
    size_t date = 0;
    for (size_t i = 0; i < q->nterms; i++) {
        const struct recall_postings *p = &k->words[i];
        size_t at = recall_posting_from(p, t->place - REACH);
        bool mine = false, others = false;
        for (; at < p->n && p->v[at].doc <= t->place + REACH; at++) {
            mine |= p->v[at].doc == t->place;
            others |= p->v[at].doc != t->place;
        }
        struct buf *to = q->terms[i].light ? &light : mine ? &own : &around;
        if (mine || others)
            buf_printf(to, "%s%s", to->len ? ", " : "", q->terms[i].word);
    }
    if (own.len)
        strv_pushf(&c->why, "words: %s", buf_str(&own));
    if (around.len)
        strv_pushf(&c->why, "near: %s", buf_str(&around));
    if (!own.len && !around.len)
        strv_pushf(&c->why, "words: %s", buf_str(&light));
    if (recall_fit(q, t->at, &date) > 0)
        strv_push(&c->why, "date");
    for (size_t i = 0; i < q->npeople; i++)
        if (q->people[i] == t->person)
            strv_pushf(&c->why, "said by %s", q->names[i]);
    buf_free(&own);
    buf_free(&around);
    buf_free(&light);
}

/* ---- the whole ---- */

static void rank(struct ranking *k, const int64_t *places, size_t n, struct recall_list *out) {
    double best = 1e-9, best_stretch = 1e-9;
    size_t at = 0, most = CLOSELY;
    for (size_t i = 0; i < n; i++) {
        while (at < k->turns.n && k->turns.v[at].place < places[i])
            at++;
        if (at == k->turns.n || k->turns.v[at].place != places[i])
            continue; /* a neighbour that is not there */
        struct turn *t = &k->turns.v[at];
        score_turn(k, at);
        t->score *= 1 + DATED * recall_fit(&k->x->question, t->at, NULL);
        best = t->score > best ? t->score : best;
        double stretch = stretch_of(k, t->stretch)->score;
        best_stretch = stretch > best_stretch ? stretch : best_stretch;
    }
    for (size_t i = 0; i < k->turns.n; i++) {
        const struct turn *t = &k->turns.v[i];
        if (!t->close || !passes(k->x, t))
            continue;
        double score = t->score / best + STRETCH * stretch_of(k, t->stretch)->score / best_stretch;
        score *= is_named(&k->x->question, t->person) ? 1 + PERSON : 1;
        score *= t->asks == 2 ? 1 - ASKS : 1;
        recall_list_add(out, RECALL_TURN, t->place, score);
    }
    if (recall_limit(k->x->q) > most)
        most = recall_limit(k->x->q);
    recall_list_rank(out, most);
    for (size_t i = 0; i < out->n; i++) {
        struct turn key = {.place = out->v[i].doc};
        size_t low = 0, high = k->turns.n;
        while (low < high) {
            size_t mid = low + (high - low) / 2;
            if (k->turns.v[mid].place < key.place)
                low = mid + 1;
            else
                high = mid;
        }
        tell_why(k, &k->turns.v[low], &out->v[i]);
    }
}

enum status recall_turns(struct recall *x, struct recall_list *out, struct cause *why) {
    struct ranking k = {.x = x};
    if (x->turns <= 0)
        return STATUS_OK;
    k.total = (double)x->turns;
    k.bytes = (double)x->turn_bytes / k.total;
    k.stretch_bytes = (double)x->turn_bytes / (double)(x->stretches > 0 ? x->stretches : 1);
    enum status st = read_words(&k, why);
    size_t n = 0;
    int64_t *places = st == STATUS_OK ? choose(&k, &n) : NULL;
    if (st == STATUS_OK)
        st = read_turns(&k, places, n, why);
    if (st == STATUS_OK)
        st = score_stretches(&k, why);
    if (st == STATUS_OK && recall_cancelled(x))
        st = cause_set(why, STATUS_CANCELLED, "cancelled");
    if (st == STATUS_OK)
        rank(&k, places, n, out);
    recall_postings_free(k.words, x->question.nterms);
    x_free(&places);
    x_free(&k.turns.v);
    x_free(&k.stretches);
    return st;
}
