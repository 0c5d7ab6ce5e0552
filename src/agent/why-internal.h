/* why-internal: what the files of a chain share. why.c follows messages and turns, why_process.c
 * reads what processes did, why_find.c which message is meant. Nobody else includes this. */
#ifndef AGENT_WHY_INTERNAL_H
#define AGENT_WHY_INTERNAL_H

#include "agent/process.h"
#include "agent/why.h"
#include "base/str.h"
#include "store/queries.gen.h"

/* The rows of one query: later ones are read while these are gone through. */
struct rows {
    struct why_row *v;
    size_t n;
};

/* What a turn or a process started. */
struct child {
    char *id; /* full */
    int64_t at_ms;
};

struct children {
    struct child *v;
    size_t n;
    enum process_kind kind; /* of those that are being read */
};

struct walk {
    struct store_read *r;
    struct why *w;
    struct cause *why;
    enum status st;   /* of the first query that failed */
    int64_t until_ns; /* real, 0: no limit */
    struct strv turns;
    int64_t *order; /* their numbers */
};

/* A stretch of a process's life: entries of its journal, and the times of their beginning and end.
 */
struct stretch {
    const char *process;
    int64_t from, to, from_ms, to_ms;
};

void why_row_free(struct why_row *r);
/* The row of that id, or NULL. */
const struct why_row *why_row_of(const struct why *w, const char *id);
/* Keeps the first failure of a query. */
void why_check(struct walk *k, enum status st);
/* A row takes the place of one that was collected: its texts go along. Returns its number. */
size_t why_put(struct walk *k, struct why_row *from, int depth);
/* An empty row at the end; valid until the next. */
struct why_row *why_collect(struct rows *rows, enum why_kind kind);
void why_rows_free(struct rows *rows);
void why_children_free(struct children *c);
size_t why_read_calls(struct walk *k, const struct stretch *s, struct rows *rows);
void why_add_child(struct children *c, const char *bare, int64_t at_ms);
void why_add_steps(struct walk *k, struct rows *steps, const struct children *children,
                   size_t parent, int depth, int nested);
void why_add_process(struct walk *k, const char *id, size_t parent, int depth, int nested);

#endif
