/* change: what may become of a memory that is there: edited, forgotten, restored, linked. Each is
 * one revision more, and in the history. */
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "memory/memory-internal.h"
#include "memory/text.h"
#include "store/queries.gen.h"

struct change {
    struct memory_op op; /* first */
    char *id;
    /* Makes the next revision of what is there; *what says what happened. */
    enum status (*make)(struct change *c, const struct memory *was, struct memory *next,
                        enum memory_change *what, struct cause *why);
    char *content, *person, *superseded_by;
    bool has_type, has_importance;
    enum memory_type type;
    double importance;
};

static void change_free(struct memory_op *op) {
    struct change *c = (struct change *)op;
    x_free(&c->id);
    x_free(&c->content);
    x_free(&c->person);
    x_free(&c->superseded_by);
}

static enum status change_run(struct memory_op *op, struct cause *why) {
    struct change *c = (struct change *)op;
    struct memory was, next;
    enum memory_change what = MEMORY_CHANGE_EDITED;
    enum status st = memory_get(memories_read(op->m), c->id, &was, why);
    if (st != STATUS_OK)
        return st;
    memcpy(op->result.id, was.id, ID_UUID_SIZE);
    next = was;
    st = c->make(c, &was, &next, &what, why);
    if (st == STATUS_OK && next.revision != was.revision)
        memory_op_set(op, &was, &next, what);
    memory_clear(&was); /* next has lent its text, from there and from c */
    return st;
}

static const struct memory_op_kind change_kind = {
    .name = "change", .run = change_run, .free = change_free};

static struct change *change_new(struct memories *m, const char *id, const char *by,
                                 const char *reason, memory_done_fn *fn, void *arg) {
    struct change *c = memory_op_new(m, &change_kind, sizeof *c, by, reason, fn, arg);
    c->id = xstrdup(id);
    c->op.alone = true;
    return c;
}

/* --- edit ---------------------------------------------------------------------------------------
 */

static enum status make_edit(struct change *c, const struct memory *was, struct memory *next,
                             enum memory_change *what, struct cause *why) {
    char hash[SHA256_HEX_SIZE];
    struct memory other;
    if (was->forgotten_at)
        return cause_set(why, STATUS_INVALID, "memory %.8s is forgotten: restore it first",
                         was->id);
    if (c->content)
        next->content = c->content;
    if (c->has_type)
        next->type = c->type;
    if (c->has_importance)
        next->importance = next->strength = c->importance;
    if (c->person)
        next->person = *c->person ? c->person : NULL;
    if (next->type == MEMORY_HUMAN && !next->person)
        return cause_set(why, STATUS_INVALID,
                         "a memory of type human needs the person whom it is about");
    memory_text_hash(next->type, next->person, next->content, hash);
    enum status st = memory_by_hash(memories_read(c->op.m), hash, &other, why);
    if (st == STATUS_OK && !str_eq(other.id, was->id)) {
        st = next->type == MEMORY_HUMAN
                 ? cause_set(why, STATUS_EXISTS, "%.60s has an anchor already: memory %.36s",
                             next->person, other.id)
                 : cause_set(why, STATUS_EXISTS, "memory %.36s says that already%s", other.id,
                             other.forgotten_at ? " and is forgotten: restore it" : "");
        memory_clear(&other);
        return st;
    }
    memory_clear(&other);
    if (st != STATUS_OK && st != STATUS_NOT_FOUND)
        return st;
    *what = MEMORY_CHANGE_EDITED;
    if (str_eq(next->content, was->content) && next->type == was->type &&
        str_eq(next->person, was->person) &&
        !(next->importance < was->importance || next->importance > was->importance))
        return STATUS_OK;
    next->updated_at = c->op.now;
    next->revision++;
    return STATUS_OK;
}

enum status memory_edit(struct memories *m, const char *id, const struct memory_edit *v,
                        const char *by, const char *reason, memory_done_fn *fn, void *arg,
                        struct memory_op **op, struct cause *why) {
    enum status st = v->content ? memory_check_content(v->content, why) : STATUS_OK;
    if (st == STATUS_OK && v->importance)
        st = memory_check_unit("importance", *v->importance, why);
    if (st == STATUS_OK)
        st = memory_check_text("person", v->person, MEMORY_TEXT_MAX, why);
    if (st == STATUS_OK)
        st = memory_check_text("reason", reason, MEMORY_TEXT_MAX, why);
    if (st != STATUS_OK)
        return st;
    struct change *c = change_new(m, id, by, reason, fn, arg);
    c->make = make_edit;
    c->content = xstrdup_null(v->content);
    c->person = xstrdup_null(v->person);
    c->has_type = v->type != NULL;
    c->has_importance = v->importance != NULL;
    c->type = v->type ? *v->type : MEMORY_FACT;
    c->importance = v->importance ? *v->importance : 0;
    return memory_op_submit(&c->op, op, why);
}

/* --- forget, restore ----------------------------------------------------------------------------
 */

static enum status make_forgotten(struct change *c, const struct memory *was, struct memory *next,
                                  enum memory_change *what, struct cause *why) {
    struct memory other;
    if (was->forgotten_at)
        return cause_set(why, STATUS_EXISTS, "memory %.8s is forgotten already", was->id);
    if (c->superseded_by) {
        if (str_eq(c->superseded_by, was->id))
            return cause_set(why, STATUS_INVALID, "a memory cannot take its own place");
        enum status st = memory_get(memories_read(c->op.m), c->superseded_by, &other, why);
        if (st != STATUS_OK)
            return st;
        memory_clear(&other);
        memory_op_link(&c->op, c->superseded_by, was->id, MEMORY_UPDATES, 1);
    }
    *what = c->superseded_by ? MEMORY_CHANGE_SUPERSEDED : MEMORY_CHANGE_FORGOTTEN;
    next->forgotten_at = c->op.now;
    next->superseded_by = c->superseded_by;
    next->revision++;
    return STATUS_OK;
}

enum status memory_forget(struct memories *m, const char *id, const char *superseded_by,
                          const char *by, const char *reason, memory_done_fn *fn, void *arg,
                          struct memory_op **op, struct cause *why) {
    enum status st = memory_check_text("reason", reason, MEMORY_TEXT_MAX, why);
    if (st != STATUS_OK)
        return st;
    struct change *c = change_new(m, id, by, reason, fn, arg);
    c->make = make_forgotten;
    c->superseded_by = xstrdup_null(superseded_by);
    return memory_op_submit(&c->op, op, why);
}

static enum status make_restored(struct change *c, const struct memory *was, struct memory *next,
                                 enum memory_change *what, struct cause *why) {
    (void)c;
    if (!was->forgotten_at)
        return cause_set(why, STATUS_EXISTS, "memory %.8s is not forgotten", was->id);
    *what = MEMORY_CHANGE_RESTORED;
    next->forgotten_at = 0;
    next->superseded_by = NULL;
    next->revision++;
    return STATUS_OK;
}

enum status memory_restore(struct memories *m, const char *id, const char *by, memory_done_fn *fn,
                           void *arg, struct memory_op **op, struct cause *why) {
    struct change *c = change_new(m, id, by, NULL, fn, arg);
    c->make = make_restored;
    return memory_op_submit(&c->op, op, why);
}

/* --- link ---------------------------------------------------------------------------------------
 */

struct linking {
    struct memory_op op; /* first */
    char *source, *target;
    enum memory_relation relation;
    double weight;
};

static void linking_free(struct memory_op *op) {
    struct linking *l = (struct linking *)op;
    x_free(&l->source);
    x_free(&l->target);
}

static enum status is_there(struct memories *m, const char *id, struct cause *why) {
    struct memory row;
    enum status st = memory_get(memories_read(m), id, &row, why);
    memory_clear(&row);
    return st;
}

static enum status linking_run(struct memory_op *op, struct cause *why) {
    struct linking *l = (struct linking *)op;
    enum status st = is_there(op->m, l->source, why);
    if (st == STATUS_OK)
        st = is_there(op->m, l->target, why);
    if (st != STATUS_OK)
        return st;
    memcpy(op->result.id, l->source, strlen(l->source) + 1); /* it is there: a uuid */
    if (l->weight >= 0) {
        memory_op_link(op, l->source, l->target, l->relation, l->weight);
        return STATUS_OK;
    }
    struct q_memory_edge_row row;
    const char *relation = memory_relation_name(l->relation);
    st = q_memory_edge(memories_read(op->m), l->source, l->target, relation, &row, why);
    if (st == STATUS_NOT_FOUND)
        return cause_set(why, st, "memory %.8s has no edge %s to %.8s", l->source, relation,
                         l->target);
    q_memory_edge_free(&row);
    if (st == STATUS_OK)
        memory_op_unlink(op, l->source, l->target, l->relation);
    return st;
}

static const struct memory_op_kind linking_kind = {
    .name = "link", .run = linking_run, .free = linking_free};

enum status memory_link(struct memories *m, const char *source, const struct memory_link *link,
                        const char *by, memory_done_fn *fn, void *arg, struct memory_op **op,
                        struct cause *why) {
    if (str_eq(source, link->target))
        return cause_set(why, STATUS_INVALID, "a memory cannot be linked to itself");
    enum status st = link->weight < 0 ? STATUS_OK : memory_check_unit("weight", link->weight, why);
    if (st != STATUS_OK)
        return st;
    struct linking *l = memory_op_new(m, &linking_kind, sizeof *l, by, NULL, fn, arg);
    l->op.alone = true;
    l->source = xstrdup(source);
    l->target = xstrdup(link->target);
    l->relation = link->relation;
    l->weight = link->weight;
    return memory_op_submit(&l->op, op, why);
}
