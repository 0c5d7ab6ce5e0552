/* history: what was done is taken back. Each row of the history says what there was before; all
 * rows of an operation are put back together, and that is written into the history in turn. */
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "memory/memory-internal.h"
#include "memory/text.h"
#include "store/queries.gen.h"

#define CHANGES_MAX 4000 /* of one operation */

struct undoing {
    struct memory_op op; /* first */
    char *operation, *id;
    bool force;
    size_t read;
    enum status st; /* while rows are looked at */
    struct cause *why;
    bool writes; /* the second time round: all of them may be put back */
};

static void undoing_free(struct memory_op *op) {
    struct undoing *u = (struct undoing *)op;
    x_free(&u->operation);
    x_free(&u->id);
}

static enum status changed_since(const struct undoing *u, const char *id) {
    return cause_set(u->why, STATUS_EXISTS,
                     "memory %.8s was changed again since: take that back first, or use force", id);
}

static bool same_weight(double a, double b) { return !(a < b) && !(a > b); }

/* --- an edge ------------------------------------------------------------------------------------
 */

static enum status undo_edge(struct undoing *u, const struct q_memory_operation_row *row) {
    struct q_memory_edge_row now = {0};
    enum memory_relation relation;
    struct cause why = {""};
    if (memory_relation_from_string(row->relation, &relation) != STATUS_OK)
        return STATUS_OK;
    enum status st = q_memory_edge(memories_read(u->op.m), row->memory_id, row->target_id,
                                   row->relation, &now, &why);
    if (st != STATUS_OK && st != STATUS_NOT_FOUND)
        return cause_set(u->why, st, "%s", why.text);
    bool there = st == STATUS_OK;
    double weight = now.weight;
    q_memory_edge_free(&now);
    bool as_left =
        there != row->weight_after_null && (!there || same_weight(weight, row->weight_after));
    if (!as_left && !u->force)
        return changed_since(u, row->memory_id);
    if (!u->writes)
        return STATUS_OK;
    if (!row->weight_null)
        memory_op_link(&u->op, row->memory_id, row->target_id, relation, row->weight);
    else if (there)
        memory_op_unlink(&u->op, row->memory_id, row->target_id, relation);
    return STATUS_OK;
}

/* --- a memory -----------------------------------------------------------------------------------
 */

/* What it was before; text is lent from both. */
static enum status before(const struct undoing *u, const struct q_memory_operation_row *row,
                          const struct memory *now, struct memory *next) {
    *next = *now;
    if (!row->type) { /* it was not there */
        next->forgotten_at = now->forgotten_at ? now->forgotten_at : u->op.now;
        return STATUS_OK;
    }
    if (memory_type_from_string(row->type, &next->type) != STATUS_OK)
        return cause_set(u->why, STATUS_INVALID, "the history of memory %.8s cannot be read",
                         now->id);
    if (row->content)
        next->content = row->content;
    next->importance = row->importance;
    next->strength = row->importance;
    next->person = row->person;
    next->updated_at = row->updated_at;
    next->forgotten_at = row->forgotten_at_null ? 0 : row->forgotten_at;
    next->superseded_by = row->superseded_by;
    return STATUS_OK;
}

static enum status undo_memory(struct undoing *u, const struct q_memory_operation_row *row) {
    struct memory now, next, other;
    char hash[SHA256_HEX_SIZE];
    struct store_read *r = memories_read(u->op.m);
    enum status st = memory_get(r, row->memory_id, &now, u->why);
    if (st != STATUS_OK)
        return st;
    struct q_memory_changed_since_row since = {.changes = 0};
    if (!u->force)
        st = q_memory_changed_since(r, row->revision, now.id, &since, u->why);
    if (st == STATUS_OK && since.changes)
        st = changed_since(u, now.id);
    if (st == STATUS_OK)
        st = before(u, row, &now, &next);
    if (st == STATUS_OK) {
        memory_text_hash(next.type, next.person, next.content, hash);
        struct cause why = {""};
        enum status found = memory_by_hash(r, hash, &other, &why);
        if (found == STATUS_OK && !str_eq(other.id, now.id))
            st = cause_set(u->why, STATUS_EXISTS,
                           "memory %.36s says by now what memory %.8s said then", other.id, now.id);
        else if (found != STATUS_OK && found != STATUS_NOT_FOUND)
            st = cause_set(u->why, found, "%s", why.text);
        memory_clear(&other);
    }
    if (st == STATUS_OK && u->writes) {
        memory_op_set(&u->op, &now, &next, MEMORY_CHANGE_UNDONE);
        memcpy(u->op.result.id, now.id, ID_UUID_SIZE);
    }
    memory_clear(&now);
    return st;
}

/* --- all of them --------------------------------------------------------------------------------
 */

static bool on_change(void *arg, const struct q_memory_operation_row *row) {
    struct undoing *u = arg;
    u->read++;
    if (row->undone_by)
        u->st = cause_set(u->why, STATUS_EXISTS,
                          "that has been taken back already, by %.8s: take that one back to have "
                          "it again",
                          row->undone_by);
    else if (row->again)
        u->st = cause_set(u->why, STATUS_INVALID,
                          "that has put a change back into force: undo that change itself");
    else
        u->st = row->target_id ? undo_edge(u, row) : undo_memory(u, row);
    return u->st == STATUS_OK;
}

static enum status go_through(struct undoing *u, struct cause *why) {
    u->st = STATUS_OK;
    u->why = why;
    u->read = 0;
    enum status st = q_memory_operation(memories_read(u->op.m), u->operation, CHANGES_MAX + 1,
                                        on_change, u, why);
    if (st == STATUS_OK && u->read == 0)
        st = cause_set(why, STATUS_NOT_FOUND, "there is no change %.40s", u->operation);
    if (st == STATUS_OK && u->read > CHANGES_MAX)
        st = cause_set(why, STATUS_LIMIT, "more than %d changes belong to it", CHANGES_MAX);
    return st == STATUS_OK ? u->st : st;
}

static enum status find(struct undoing *u, struct cause *why) {
    struct q_memory_undoable_row row;
    if (u->operation)
        return STATUS_OK;
    enum status st = q_memory_undoable(memories_read(u->op.m), u->id, &row, why);
    if (st == STATUS_NOT_FOUND)
        return cause_set(why, st, "there is nothing to undo");
    if (st == STATUS_OK) {
        u->operation = xstrdup(row.operation);
        q_memory_undoable_free(&row);
    }
    return st;
}

static enum status undoing_run(struct memory_op *op, struct cause *why) {
    struct undoing *u = (struct undoing *)op;
    enum status st = find(u, why);
    u->writes = false;
    if (st == STATUS_OK)
        st = go_through(u, why);
    if (st != STATUS_OK)
        return st;
    u->writes = true;
    st = go_through(u, why);
    if (st != STATUS_OK || !op->nwaits)
        return st;
    struct store *s = memories_store(op->m);
    memory_op_wrote(op, store_memory_undone(s, u->operation, op->result.operation));
    memory_op_wrote(op, store_memory_undoes(s, op->result.operation, u->operation));
    memory_op_wrote(op, store_memory_redone(s, u->operation)); /* where it was an undo itself */
    return STATUS_OK;
}

static const struct memory_op_kind undoing_kind = {
    .name = "undo", .run = undoing_run, .free = undoing_free};

enum status memory_undo(struct memories *m, const struct memory_undo *v, const char *by,
                        memory_done_fn *fn, void *arg, struct memory_op **op, struct cause *why) {
    struct undoing *u = memory_op_new(m, &undoing_kind, sizeof *u, by, NULL, fn, arg);
    u->op.alone = true;
    u->operation = xstrdup_null(v->operation);
    u->id = xstrdup_null(v->id);
    u->force = v->force;
    return memory_op_submit(&u->op, op, why);
}
