/* repair: what is kept beside the rows (full-text indexes, counts) is made anew from them. The rows
 * are the truth: none of them is touched. */
#include "memory/memory-internal.h"
#include "store/queries.gen.h"

static enum status repair_run(struct memory_op *op, struct cause *why) {
    struct store *s = memories_store(op->m);
    (void)why;
    memory_op_wrote(op, store_memory_repair_words(s, "rebuild"));
    memory_op_wrote(op, store_memory_repair_trigrams(s, "rebuild"));
    memory_op_wrote(op, store_memory_repair_edges(s));
    memory_op_wrote(op, store_memory_repair_counts(s));
    return STATUS_OK;
}

static const struct memory_op_kind repair_kind = {.name = "repair", .run = repair_run};

enum status memory_repair(struct memories *m, memory_done_fn *fn, void *arg, struct memory_op **op,
                          struct cause *why) {
    struct memory_op *o =
        memory_op_new(m, &repair_kind, sizeof *o, MEMORY_BY_PERSON, NULL, fn, arg);
    o->alone = true;
    return memory_op_submit(o, op, why);
}
