/* merge: memories that say much the same become one. The others are forgotten, and say which one
 * took their place. */
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "memory/memory-internal.h"
#include "memory/text.h"
#include "store/queries.gen.h"

#define EDGES_MAX 1000 /* of one memory that are taken over */

struct item {
    char *survivor, *absorbed, *content;
    struct memory to, from; /* as they were read */
};

struct merging {
    struct memory_op op; /* first */
    struct item *v;
    size_t n;
};

static void unread(struct merging *g) {
    for (size_t i = 0; i < g->n; i++) {
        memory_clear(&g->v[i].to);
        memory_clear(&g->v[i].from);
    }
}

static void merging_free(struct memory_op *op) {
    struct merging *g = (struct merging *)op;
    unread(g);
    for (size_t i = 0; i < g->n; i++) {
        x_free(&g->v[i].survivor);
        x_free(&g->v[i].absorbed);
        x_free(&g->v[i].content);
    }
    x_free(&g->v);
}

static enum status read_live(struct merging *g, const char *id, struct memory *out,
                             struct cause *why) {
    enum status st = memory_get(memories_read(g->op.m), id, out, why);
    if (st == STATUS_OK && out->forgotten_at)
        st = cause_set(why, STATUS_INVALID, "memory %.36s is forgotten: leave it out", id);
    return st;
}

/* No memory may take part in two ways, and what the survivors say must not be said already. */
static enum status check_item(struct merging *g, size_t i, struct cause *why) {
    struct item *it = &g->v[i];
    char hash[SHA256_HEX_SIZE];
    enum status st = read_live(g, it->survivor, &it->to, why);
    if (st == STATUS_OK)
        st = read_live(g, it->absorbed, &it->from, why);
    if (st != STATUS_OK)
        return st;
    if (it->to.type != g->v[0].to.type || it->from.type != g->v[0].to.type)
        return cause_set(why, STATUS_INVALID,
                         "memories of different types cannot be merged: %.36s is a %s, %.36s a %s",
                         it->to.id, memory_type_name(it->to.type), it->from.id,
                         memory_type_name(it->from.type));
    for (size_t j = 0; j < i; j++)
        if (str_eq(g->v[j].absorbed, it->absorbed) || str_eq(g->v[j].absorbed, it->survivor) ||
            str_eq(g->v[j].survivor, it->absorbed))
            return cause_set(why, STATUS_INVALID,
                             "memory %.36s takes part twice: absorb each once, into one that stays",
                             str_eq(g->v[j].survivor, it->absorbed) ? it->absorbed
                                                                    : g->v[j].absorbed);
    if (!it->content || it->to.type == MEMORY_HUMAN)
        return STATUS_OK;
    memory_text_hash(it->to.type, it->to.person, it->content, hash);
    struct memory other;
    st = memory_by_hash(memories_read(g->op.m), hash, &other, why);
    if (st == STATUS_NOT_FOUND)
        return STATUS_OK;
    if (st == STATUS_OK && !str_eq(other.id, it->to.id))
        st = cause_set(why, STATUS_EXISTS,
                       "memory %.36s says that already: let it be the survivor, without "
                       "merged_content",
                       other.id);
    memory_clear(&other);
    return st;
}

struct edges {
    struct merging *g;
    const struct item *it;
};

static bool take_edge(void *arg, const struct q_memory_edges_of_row *row) {
    const struct edges *e = arg;
    enum memory_relation relation;
    if (str_eq(row->other, e->it->survivor) ||
        memory_relation_from_string(row->relation, &relation) != STATUS_OK)
        return true;
    memory_op_link(&e->g->op, row->outward ? e->it->survivor : row->other,
                   row->outward ? row->other : e->it->survivor, relation, row->weight);
    return true;
}

static bool is_last_of(const struct merging *g, size_t i) {
    for (size_t j = i + 1; j < g->n; j++)
        if (str_eq(g->v[j].survivor, g->v[i].survivor))
            return false;
    return true;
}

/* Once for each survivor: with the words that were given last, and the greatest importance. */
static void grow(struct merging *g, size_t i) {
    struct memory next = g->v[i].to;
    for (size_t j = 0; j <= i; j++) {
        if (!str_eq(g->v[j].survivor, next.id))
            continue;
        if (g->v[j].content)
            next.content = g->v[j].content;
        if (g->v[j].from.importance > next.importance)
            next.importance = g->v[j].from.importance;
    }
    next.strength = next.importance;
    next.updated_at = g->op.now;
    memory_op_set(&g->op, &g->v[i].to, &next, MEMORY_CHANGE_MERGED);
}

static enum status absorb(struct merging *g, const struct item *it, struct cause *why) {
    struct memory next = it->from;
    struct edges e = {g, it};
    enum status st =
        q_memory_edges_of(memories_read(g->op.m), it->absorbed, EDGES_MAX, take_edge, &e, why);
    if (st != STATUS_OK)
        return st;
    next.forgotten_at = g->op.now;
    next.superseded_by = it->survivor;
    memory_op_set(&g->op, &it->from, &next, MEMORY_CHANGE_MERGED);
    memory_op_link(&g->op, it->survivor, it->absorbed, MEMORY_UPDATES, 1);
    return STATUS_OK;
}

static enum status merging_run(struct memory_op *op, struct cause *why) {
    struct merging *g = (struct merging *)op;
    enum status st = STATUS_OK;
    unread(g);
    for (size_t i = 0; i < g->n && st == STATUS_OK; i++)
        st = check_item(g, i, why);
    for (size_t i = 0; i < g->n && st == STATUS_OK; i++) {
        st = absorb(g, &g->v[i], why);
        if (st == STATUS_OK && is_last_of(g, i))
            grow(g, i);
    }
    if (st == STATUS_OK)
        memcpy(op->result.id, g->v[0].to.id, ID_UUID_SIZE);
    return st;
}

static const struct memory_op_kind merging_kind = {
    .name = "merge", .run = merging_run, .free = merging_free};

enum status memory_merge(struct memories *m, const struct memory_merge *v, size_t n, const char *by,
                         memory_done_fn *fn, void *arg, struct memory_op **op, struct cause *why) {
    if (n == 0 || n > MEMORY_MERGES_MAX)
        return cause_set(why, STATUS_INVALID, "a batch has 1 to %u merges, not %zu",
                         MEMORY_MERGES_MAX, n);
    for (size_t i = 0; i < n; i++) {
        enum status st = v[i].content ? memory_check_content(v[i].content, why) : STATUS_OK;
        if (st != STATUS_OK)
            return st;
        if (str_eq(v[i].survivor, v[i].absorbed))
            return cause_set(why, STATUS_INVALID, "memory %.36s cannot absorb itself",
                             v[i].survivor);
    }
    struct merging *g = memory_op_new(m, &merging_kind, sizeof *g, by, NULL, fn, arg);
    g->op.alone = true;
    g->v = xcalloc(n, sizeof *g->v);
    for (; g->n < n; g->n++) {
        g->v[g->n].survivor = xstrdup(v[g->n].survivor);
        g->v[g->n].absorbed = xstrdup(v[g->n].absorbed);
        g->v[g->n].content = xstrdup_null(v[g->n].content);
    }
    return memory_op_submit(&g->op, op, why);
}
