/* memory-internal: what the files of this room share about operations. Nobody else includes it. */
#ifndef MEMORY_INTERNAL_H
#define MEMORY_INTERNAL_H

#include "base/list.h"
#include "base/sha256.h"
#include "memory/memory.h"

/* Operations that wait or run; more are refused. */
#define MEMORY_OPS_MAX 1024u

struct memories {
    struct loop *loop;
    struct store *store;
    struct job_pool *jobs;
    struct list waiting, running; /* of struct memory_op, in order */
    size_t nops;
    bool alone;  /* the one that runs does so alone */
    bool pumped; /* a look at the queue is due */
    uint64_t generation;
    memory_news_fn *news;
    void *news_arg;
};

struct memory_op_kind {
    const char *name;
    /* Reads, decides, and writes with memory_op_wrote(). Not OK: nothing was written, and that is
     * the end. */
    enum status (*run)(struct memory_op *op, struct cause *why);
    /* Everything it wrote is decided. True: it is to run once more. NULL: never. */
    bool (*settled)(struct memory_op *op, enum status st);
    /* Before its asker is told the usual way: for those who are told otherwise. NULL: nobody is.
     * Not after memory_op_forget(). */
    void (*tell)(struct memory_op *op, enum status st, const char *why);
    /* What it holds besides the struct itself. */
    void (*free)(struct memory_op *op);
};

/* First member of each kind's own struct, whose size memory_op_new() is told. */
struct memory_op {
    struct list link;
    struct memories *m;
    const struct memory_op_kind *kind;
    bool alone; /* nothing else may be under way while it runs */
    bool again; /* run() found that it has to be alone: it is queued again, first */
    char *by;
    char *reason;
    int64_t now; /* of its present run */
    struct memory_result result;
    struct {
        struct memory_op *op;
        struct store_after *after;
    } * *waits;
    size_t nwaits, left;
    enum status st; /* of the first write that failed */
    struct cause why;
    memory_done_fn *fn;
    void *arg;
    bool forgotten; /* by its asker */
};

void *memory_op_new(struct memories *m, const struct memory_op_kind *kind, size_t size,
                    const char *by, const char *reason, memory_done_fn *fn, void *arg);
/* Queues it. *out may be NULL. STATUS_LIMIT: too many; op is freed. */
enum status memory_op_submit(struct memory_op *op, struct memory_op **out,
                             struct cause *why) MUST_CHECK;
/* A write that the operation waits for. */
void memory_op_wrote(struct memory_op *op, uint64_t seq);

/* Writes the next revision of `was`: `next` differs from it in type, content, importance, strength,
 * person, updated_at, forgotten_at, superseded_by. */
void memory_op_set(struct memory_op *op, const struct memory *was, const struct memory *next,
                   enum memory_change change);
/* Writes a row that was not there. `change` is SAVED or IMPORTED. */
void memory_op_insert(struct memory_op *op, const struct memory *row, enum memory_change change);
void memory_op_link(struct memory_op *op, const char *source, const char *target,
                    enum memory_relation relation, double weight);
/* An edge that is not there yet, as it comes from elsewhere. */
void memory_op_edge(struct memory_op *op, const char *source, const char *target,
                    enum memory_relation relation, double weight, int64_t created_at);
void memory_op_unlink(struct memory_op *op, const char *source, const char *target,
                      enum memory_relation relation);

/* The one with that hash; STATUS_NOT_FOUND. memory_clear() frees. */
enum status memory_by_hash(struct store_read *r, const char *hash, struct memory *out,
                           struct cause *why) MUST_CHECK;
/* For people: "memory 1a2b3c4d". */
#define MEMORY_SHORT 8

/* Bounds and UTF-8 of what comes from outside; the cause names `what`. NULL is fine. */
enum status memory_check_text(const char *what, const char *s, size_t max,
                              struct cause *why) MUST_CHECK;
enum status memory_check_content(const char *s, struct cause *why) MUST_CHECK;
enum status memory_check_unit(const char *what, double v, struct cause *why) MUST_CHECK;

#endif
