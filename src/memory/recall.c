/* recall: see recall.h. Here the lists become one: Σ 1/(60 + rank) over the lists that have a
 * candidate (Cormack, Clarke and Büttcher 2009), then what passes the filters is read. */
#include "memory/recall.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "memory/recall-internal.h"
#include "store/queries.gen.h"

#define RANK_CONSTANT 60.0

const char *recall_mode_name(enum recall_mode m) {
    switch (m) {
#define X(name, text)                                                                              \
    case RECALL_##name:                                                                            \
        return text;
        RECALL_MODE_TABLE(X)
#undef X
    }
    return "?";
}

enum status recall_mode_from_string(const char *s, enum recall_mode *out) {
#define X(name, text)                                                                              \
    if (str_eq(s, text)) {                                                                         \
        *out = RECALL_##name;                                                                      \
        return STATUS_OK;                                                                          \
    }
    RECALL_MODE_TABLE(X)
#undef X
    return STATUS_INVALID;
}

const char *recall_kind_name(enum recall_kind k) {
    switch (k) {
#define X(name, text)                                                                              \
    case RECALL_##name:                                                                            \
        return text;
        RECALL_KIND_TABLE(X)
#undef X
    }
    return "?";
}

enum status recall_kind_from_string(const char *s, enum recall_kind *out) {
#define X(name, text)                                                                              \
    if (str_eq(s, text)) {                                                                         \
        *out = RECALL_##name;                                                                      \
        return STATUS_OK;                                                                          \
    }
    RECALL_KIND_TABLE(X)
#undef X
    return STATUS_INVALID;
}

bool recall_cancelled(const struct recall *x) {
    return x->q->cancelled && atomic_load_explicit(x->q->cancelled, memory_order_relaxed);
}

static bool wants(const struct recall_query *q, enum recall_kind kind) {
    return (!q->kinds || q->kinds & 1u << kind) && (kind == RECALL_MEMORY || !q->types);
}

size_t recall_limit(const struct recall_query *q) {
    int n = q->limit > 0 ? q->limit : RECALL_LIMIT;
    return (size_t)(n < RECALL_LIMIT_MAX ? n : RECALL_LIMIT_MAX);
}

/* ---- fusion ---- */

static int by_doc(const void *a, const void *b) {
    const struct recall_candidate *x = a, *y = b;
    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    return x->doc < y->doc ? -1 : x->doc > y->doc;
}

static void take_reasons(struct strv *to, struct strv *from) {
    for (size_t i = 0; i < from->n; i++) {
        bool there = false;
        for (size_t j = 0; j < to->n && !there; j++)
            there = str_eq(to->v[j], from->v[i]);
        if (!there)
            strv_push(to, from->v[i]);
    }
    strv_free(from);
}

/* Moves the candidates of a ranked list into `all`, scored by their rank there. */
static void fuse(struct recall_list *all, struct recall_list *l) {
    for (size_t i = 0; i < l->n; i++) {
        struct recall_candidate *c =
            recall_list_add(all, l->v[i].kind, l->v[i].doc, 1 / (RANK_CONSTANT + (double)i + 1));
        c->why = l->v[i].why;
        l->v[i].why = (struct strv){0};
    }
    recall_list_free(l);
}

/* Those of one document become one. */
static void join(struct recall_list *l) {
    size_t n = 0;
    if (l->n > 1)
        qsort(l->v, l->n, sizeof *l->v, by_doc);
    for (size_t i = 0; i < l->n; i++) {
        if (n && by_doc(&l->v[n - 1], &l->v[i]) == 0) {
            l->v[n - 1].score += l->v[i].score;
            take_reasons(&l->v[n - 1].why, &l->v[i].why);
        } else {
            l->v[n++] = l->v[i];
        }
    }
    l->n = n;
}

/* ---- what is told of a hit ---- */

static enum status add_turn(const struct recall *x, const struct recall_candidate *c,
                            struct recall_result *out, struct cause *why) {
    const struct recall_query *q = x->q;
    struct q_recall_turn_row row;
    enum status st = q_recall_turn(x->r, c->doc, &row, why);
    if (st != STATUS_OK)
        return st == STATUS_NOT_FOUND ? STATUS_OK : st; /* gone meanwhile */
    bool passes = (!q->since || row.created_at >= q->since) &&
                  (!q->until || row.created_at < q->until) &&
                  (!q->person || str_eq(row.sender_name, q->person)) &&
                  (!q->channel || str_eq(row.channel_id, q->channel));
    if (passes) {
        struct recall_hit *h = &out->v[out->n++];
        *h = (struct recall_hit){.kind = RECALL_TURN,
                                 .id = xstrdup(row.id),
                                 .content = xstrdup(row.content),
                                 .channel = xstrdup(row.channel_id),
                                 .person = xstrdup_null(row.sender_name),
                                 .created_at = row.created_at,
                                 .score = c->score};
        for (size_t i = 0; i < c->why.n; i++)
            strv_push(&h->why, c->why.v[i]);
    }
    q_recall_turn_free(&row);
    return STATUS_OK;
}

static enum status add_memory(const struct recall *x, const struct recall_candidate *c,
                              struct recall_result *out, struct cause *why) {
    struct q_recall_memory_row row;
    enum status st = q_recall_memory(x->r, c->doc, &row, why);
    if (st != STATUS_OK)
        return st == STATUS_NOT_FOUND ? STATUS_OK : st;
    if (row.forgotten_at_null &&
        recall_passes(x->q, row.type, row.channel_id, row.person, row.created_at)) {
        struct recall_hit *h = &out->v[out->n++];
        *h = (struct recall_hit){.kind = RECALL_MEMORY,
                                 .id = xstrdup(row.id),
                                 .type = xstrdup(row.type),
                                 .content = xstrdup(row.content),
                                 .channel = xstrdup_null(row.channel_id),
                                 .person = xstrdup_null(row.person),
                                 .importance = row.importance,
                                 .created_at = row.created_at,
                                 .score = c->score};
        for (size_t i = 0; i < c->why.n; i++)
            strv_push(&h->why, c->why.v[i]);
    }
    q_recall_memory_free(&row);
    return STATUS_OK;
}

static enum status tell(const struct recall *x, const struct recall_list *all,
                        struct recall_result *out, struct cause *why) {
    size_t limit = recall_limit(x->q);
    enum status st = STATUS_OK;
    out->v = xcalloc(limit, sizeof *out->v);
    for (size_t i = 0; i < all->n && out->n < limit && st == STATUS_OK; i++)
        st = all->v[i].kind == RECALL_TURN ? add_turn(x, &all->v[i], out, why)
                                           : add_memory(x, &all->v[i], out, why);
    return st;
}

/* ---- modes ---- */

static bool on_newest(void *arg, const struct q_recall_turns_newest_row *row) {
    struct recall_list *l = arg;
    strv_push(&recall_list_add(l, RECALL_TURN, row->place, (double)row->at)->why, "recent");
    return true;
}

static enum status run_recent(struct recall *x, struct recall_list *all, struct cause *why) {
    const struct recall_query *q = x->q;
    struct recall_list l = {0};
    enum status st = STATUS_OK;
    if (wants(q, RECALL_MEMORY))
        st = recall_memories_recent(x, &l, why);
    if (st == STATUS_OK && wants(q, RECALL_TURN))
        st = q_recall_turns_newest(x->r, q->since ? q->since : INT64_MIN,
                                   q->until ? q->until : INT64_MAX, x->person, x->channel,
                                   (int64_t)recall_limit(q), on_newest, &l, why);
    recall_list_rank(&l, recall_limit(q));
    fuse(all, &l);
    return st;
}

static enum status run_important(struct recall *x, struct recall_list *all, struct cause *why) {
    struct recall_list l = {0};
    enum status st = STATUS_OK;
    if (wants(x->q, RECALL_MEMORY))
        st = recall_memories_important(x, &l, why);
    fuse(all, &l);
    return st;
}

static enum status fuse_turns(struct recall *x, struct recall_list *all, struct cause *why) {
    struct recall_list words = {0}, text = {0};
    enum status st = recall_turns(x, &words, why);
    if (st == STATUS_OK)
        st = recall_text(x, RECALL_TURN, &text, why);
    fuse(all, &words);
    fuse(all, &text);
    return st;
}

static enum status fuse_memories(struct recall *x, struct recall_list *all, struct cause *why) {
    struct recall_list words = {0}, text = {0}, graph = {0};
    enum status st = recall_memories(x, &words, why);
    if (st == STATUS_OK)
        st = recall_text(x, RECALL_MEMORY, &text, why);
    if (st == STATUS_OK)
        st = recall_walk(x, words.n ? &words : &text, &graph, why);
    fuse(all, &words);
    fuse(all, &text);
    fuse(all, &graph);
    return st;
}

static enum status run_hybrid(struct recall *x, struct recall_list *all, struct cause *why) {
    struct words *w;
    enum status st = words_new(x->r, &w, why);
    if (st != STATUS_OK)
        return st;
    st = recall_understand(x->r, w, x->q, &x->question, why);
    if (st == STATUS_OK && wants(x->q, RECALL_MEMORY))
        st = fuse_memories(x, all, why);
    if (st == STATUS_OK && wants(x->q, RECALL_TURN))
        st = fuse_turns(x, all, why);
    join(all);
    recall_question_clear(&x->question);
    words_free(&w);
    return st;
}

/* ---- the whole ---- */

struct person {
    const char *name;
    int64_t n;
};

static bool on_person(void *arg, const struct q_recall_people_row *row) {
    struct person *p = arg;
    if (str_eq(row->name, p->name))
        p->n = row->n;
    return !p->n;
}

/* The numbers of the filters' names; -1 where there is no turn of such a one. */
static enum status number_filters(struct recall *x, int64_t *person, int64_t *channel,
                                  struct cause *why) {
    struct person p = {x->q->person, 0};
    struct q_recall_channel_row row;
    enum status st = STATUS_OK;
    if (x->q->person) {
        st = q_recall_people(x->r, INT64_MAX, on_person, &p, why);
        *person = p.n ? p.n : -1;
        x->person = person;
    }
    if (st == STATUS_OK && x->q->channel) {
        st = q_recall_channel(x->r, x->q->channel, &row, why);
        *channel = st == STATUS_OK ? row.n : -1;
        x->channel = channel;
        if (st == STATUS_OK)
            q_recall_channel_free(&row);
        st = st == STATUS_NOT_FOUND ? STATUS_OK : st;
    }
    return st;
}

static enum status run(struct recall *x, struct recall_list *all, struct cause *why) {
    switch (x->q->mode) {
    case RECALL_HYBRID:
        return run_hybrid(x, all, why);
    case RECALL_RECENT:
        return run_recent(x, all, why);
    case RECALL_IMPORTANT:
        return run_important(x, all, why);
    case RECALL_TYPED:
        return run_recent(x, all, why); /* turns have no type */
    }
    return STATUS_OK;
}

struct running {
    struct recall x;
    struct recall_result *out;
    enum status st;
    struct cause *why;
};

/* Within the row of another query, so that everything is read from one state of the store. */
static bool on_totals(void *arg, const struct q_recall_totals_row *row) {
    struct running *k = arg;
    struct recall *x = &k->x;
    struct recall_list all = {0};
    int64_t person = 0, channel = 0;
    x->turns = row->turns;
    x->turn_bytes = row->bytes;
    x->stretches = row->stretches;
    k->st = number_filters(x, &person, &channel, k->why);
    if (k->st == STATUS_OK)
        k->st = run(x, &all, k->why);
    recall_list_rank(&all, SIZE_MAX);
    if (k->st == STATUS_OK)
        k->st = tell(x, &all, k->out, k->why);
    k->out->all_common = x->all_common;
    recall_list_free(&all);
    return false;
}

enum status recall_run(struct store_read *r, const struct recall_query *q,
                       struct recall_result **out, struct cause *why) {
    struct running k = {.x = {.r = r, .q = q}, .why = why};
    *out = NULL;
    if (q->mode == RECALL_HYBRID && str_empty(q->text))
        return cause_set(why, STATUS_INVALID,
                         "there is nothing to look for: give some words, or "
                         "the mode recent");
    if (q->mode == RECALL_TYPED && !q->types)
        return cause_set(why, STATUS_INVALID, "the mode typed needs a type");
    k.out = xcalloc(1, sizeof *k.out);
    enum status st = q_recall_totals(r, on_totals, &k, why);
    st = k.st != STATUS_OK ? k.st : st;
    if (st == STATUS_OK)
        *out = k.out;
    else
        recall_free(&k.out);
    return st;
}

void recall_free(struct recall_result **rp) {
    struct recall_result *r = *rp;
    if (!r)
        return;
    for (size_t i = 0; i < r->n; i++) {
        x_free(&r->v[i].id);
        x_free(&r->v[i].type);
        x_free(&r->v[i].content);
        x_free(&r->v[i].channel);
        x_free(&r->v[i].person);
        strv_free(&r->v[i].why);
    }
    x_free(&r->v);
    x_free(rp);
}
