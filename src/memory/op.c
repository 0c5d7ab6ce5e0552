/* op: the queue of operations on memories: which may run now, what each has written, and when its
 * asker is told. What operations do is save.c's, change.c's and others'. */
#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "memory/memory-internal.h"
#include "memory/text.h"
#include "store/queries.gen.h"

static void look(struct memories *m);

/* --- life ---------------------------------------------------------------------------------------
 */

struct memories *memories_new(struct loop *l, struct store *s, struct job_pool *jobs) {
    struct memories *m = xcalloc(1, sizeof *m);
    m->loop = l;
    m->store = s;
    m->jobs = jobs;
    list_init(&m->waiting);
    list_init(&m->running);
    return m;
}

struct store_read *memories_read(const struct memories *m) {
    return store_read(m->store);
}
struct store *memories_store(const struct memories *m) {
    return m->store;
}
uint64_t memories_generation(const struct memories *m) { return m->generation; }
bool memories_idle(const struct memories *m) { return m->nops == 0; }

void memories_on_saved(struct memories *m, memory_news_fn *fn, void *arg) {
    m->news = fn;
    m->news_arg = arg;
}

static void op_free(struct memory_op *op) {
    list_remove(&op->link);
    op->m->nops--;
    for (size_t i = 0; i < op->nwaits; i++) {
        store_after_cancel(&op->waits[i]->after);
        x_free(&op->waits[i]);
    }
    x_free(&op->waits);
    if (op->kind->free)
        op->kind->free(op);
    x_free(&op->by);
    x_free(&op->reason);
    x_free(&op);
}

static void pump(void *arg);

void memories_free(struct memories **mp) {
    struct memories *m = *mp;
    if (!m)
        return;
    loop_undefer(m->loop, pump, m);
    while (!list_empty(&m->running))
        op_free(list_entry(m->running.next, struct memory_op, link));
    while (!list_empty(&m->waiting))
        op_free(list_entry(m->waiting.next, struct memory_op, link));
    x_free(mp);
}

void *memory_op_new(struct memories *m, const struct memory_op_kind *kind, size_t size,
                    const char *by, const char *reason, memory_done_fn *fn, void *arg) {
    struct memory_op *op = xcalloc(1, size);
    list_init(&op->link);
    op->m = m;
    op->kind = kind;
    op->by = xstrdup(by);
    op->reason = xstrdup_null(reason);
    op->fn = fn;
    op->arg = arg;
    m->nops++;
    return op;
}

void memory_op_forget(struct memory_op **op) {
    if (*op) {
        (*op)->fn = NULL;
        (*op)->forgotten = true;
    }
    *op = NULL;
}

/* --- the queue ----------------------------------------------------------------------------------
 */

enum status memory_op_submit(struct memory_op *op, struct memory_op **out, struct cause *why) {
    struct memories *m = op->m;
    if (m->nops > MEMORY_OPS_MAX) {
        op_free(op);
        return cause_set(why, STATUS_LIMIT,
                         "%u changes of memories are under way: wait until some are done",
                         MEMORY_OPS_MAX);
    }
    list_push_back(&m->waiting, &op->link);
    look(m);
    if (out)
        *out = op;
    return STATUS_OK;
}

static void finish(struct memory_op *op, enum status st, const char *why) {
    struct memories *m = op->m;
    memory_done_fn *fn = op->fn;
    void *arg = op->arg;
    struct memory_result result = op->result;
    struct cause text;
    cause_set(&text, st, "%s", why);
    if (op->alone)
        m->alone = false;
    if (result.changed)
        m->generation++;
    if (op->kind->tell && !op->forgotten)
        op->kind->tell(op, st, text.text);
    op_free(op);
    look(m);
    if (fn)
        fn(arg, st, &result, text.text);
}

/* Everything that it wrote is decided. */
static void settle(struct memory_op *op) {
    bool again = op->kind->settled && op->kind->settled(op, op->st);
    if (!again) {
        finish(op, op->st, op->why.text);
        return;
    }
    for (size_t i = 0; i < op->nwaits; i++)
        x_free(&op->waits[i]);
    op->nwaits = 0;
    op->st = STATUS_OK;
    op->result = (struct memory_result){.changed = 0};
    if (op->alone)
        op->m->alone = false;
    list_remove(&op->link);
    list_push_front(&op->m->waiting, &op->link);
    look(op->m);
}

static void decided(void *arg, enum status st, const char *why) {
    struct memory_op *op = *(struct memory_op **)arg; /* the first member of a wait */
    for (size_t i = 0; i < op->nwaits; i++)
        if ((void *)op->waits[i] == arg)
            op->waits[i]->after = NULL;
    if (st != STATUS_OK && op->st == STATUS_OK) {
        op->st = st;
        cause_set(&op->why, st, "%s", why);
    }
    if (--op->left == 0)
        settle(op);
}

void memory_op_wrote(struct memory_op *op, uint64_t seq) {
    op->waits = xreallocarray(op->waits, op->nwaits + 1, sizeof *op->waits);
    op->waits[op->nwaits] = xcalloc(1, sizeof **op->waits);
    op->waits[op->nwaits]->op = op;
    op->waits[op->nwaits]->after = store_after(op->m->store, seq, decided, op->waits[op->nwaits]);
    op->nwaits++;
    op->left++;
}

static void run(struct memory_op *op) {
    struct memories *m = op->m;
    struct cause why = {""};
    list_remove(&op->link);
    list_push_back(&m->running, &op->link);
    m->alone = op->alone;
    op->now = clock_wall_ms();
    op->again = false;
    enum status st = op->kind->run(op, &why);
    if (op->again) {
        assert(!op->alone && op->nwaits == 0);
        op->alone = true;
        list_remove(&op->link);
        list_push_front(&m->waiting, &op->link);
    } else if (op->nwaits == 0) {
        finish(op, st, why.text);
    }
}

static void pump(void *arg) {
    struct memories *m = arg;
    m->pumped = false;
    while (!list_empty(&m->waiting) && !m->alone) {
        struct memory_op *op = list_entry(m->waiting.next, struct memory_op, link);
        if (op->alone && !list_empty(&m->running))
            return; /* when these are on disk */
        run(op);
    }
}

static void look(struct memories *m) {
    if (m->pumped || list_empty(&m->waiting))
        return;
    m->pumped = true;
    loop_defer(m->loop, pump, m);
    loop_wake(m->loop);
}

/* --- writes -------------------------------------------------------------------------------------
 */

static const char *operation(struct memory_op *op) {
    if (!op->result.operation[0])
        id_uuid(op->result.operation);
    op->result.changed++;
    return op->result.operation;
}

static const int64_t *forgotten(const struct memory *m) {
    return m->forgotten_at ? &m->forgotten_at : NULL;
}

void memory_op_set(struct memory_op *op, const struct memory *was, const struct memory *next,
                   enum memory_change change) {
    char hash[SHA256_HEX_SIZE];
    memory_text_hash(next->type, next->person, next->content, hash);
    memory_op_wrote(op, store_memory_set(op->m->store, &(struct store_memory_set){
                                                           .id = was->id,
                                                           .revision = was->revision,
                                                           .importance = next->importance,
                                                           .strength = next->strength,
                                                           .type = memory_type_name(next->type),
                                                           .content = next->content,
                                                           .content_hash = hash,
                                                           .person = next->person,
                                                           .updated_at = next->updated_at,
                                                           .forgotten_at = forgotten(next),
                                                           .superseded_by = next->superseded_by,
                                                           .change = memory_change_name(change),
                                                           .actor = op->by,
                                                           .reason = op->reason,
                                                           .operation = operation(op),
                                                           .changed_at = op->now}));
}

void memory_op_insert(struct memory_op *op, const struct memory *row, enum memory_change change) {
    memory_op_wrote(op, store_memory_insert(op->m->store, &(struct store_memory_insert){
                                                              .importance = row->importance,
                                                              .id = row->id,
                                                              .type = memory_type_name(row->type),
                                                              .content = row->content,
                                                              .source = row->source,
                                                              .channel_id = row->channel,
                                                              .person = row->person,
                                                              .content_hash = row->hash,
                                                              .created_at = row->created_at,
                                                              .updated_at = row->updated_at,
                                                              .accessed_at = row->accessed_at,
                                                              .access_count = row->access_count,
                                                              .forgotten_at = forgotten(row),
                                                              .superseded_by = row->superseded_by,
                                                              .change = memory_change_name(change),
                                                              .actor = op->by,
                                                              .reason = op->reason,
                                                              .operation = operation(op),
                                                              .changed_at = op->now}));
}

void memory_op_link(struct memory_op *op, const char *source, const char *target,
                    enum memory_relation relation, double weight) {
    memory_op_wrote(op,
                    store_memory_link(op->m->store, &(struct store_memory_link){
                                                        .weight = weight,
                                                        .relation = memory_relation_name(relation),
                                                        .changed_at = op->now,
                                                        .actor = op->by,
                                                        .operation = operation(op),
                                                        .source_id = source,
                                                        .target_id = target}));
}

void memory_op_edge(struct memory_op *op, const char *source, const char *target,
                    enum memory_relation relation, double weight, int64_t created_at) {
    memory_op_wrote(
        op, store_memory_edge_insert(op->m->store, &(struct store_memory_edge_insert){
                                                       .weight = weight,
                                                       .created_at = created_at,
                                                       .source_id = source,
                                                       .target_id = target,
                                                       .relation = memory_relation_name(relation),
                                                       .actor = op->by,
                                                       .operation = operation(op),
                                                       .changed_at = op->now}));
}

void memory_op_unlink(struct memory_op *op, const char *source, const char *target,
                      enum memory_relation relation) {
    const char *name = memory_relation_name(relation);
    memory_op_wrote(op, store_memory_unlink_note(op->m->store, source, target, name, operation(op),
                                                 op->by, op->now));
    memory_op_wrote(op, store_memory_unlink(op->m->store, source, target, name));
}

void memory_touch(struct memories *m, const char *id) {
    store_memory_touch(m->store, id, clock_wall_ms());
}
