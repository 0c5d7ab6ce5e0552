/* query: what generated code and the rest of the store agree on. Only files of this room and
 * queries.gen.c include it. */
#ifndef STORE_QUERY_H
#define STORE_QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

struct store;
struct store_read;

/* One statement of store/queries. */
struct store_query {
    const char *name, *sql;
    const char *const *params; /* their names in order, for messages */
    int nparams;
    bool guarded; /* fails when it changes no row */
};
extern const struct store_query store_queries[];
extern const unsigned store_query_count;

/* The files of store/schema, in order; user_version counts how many were applied. */
struct store_migration {
    const char *name, *sql;
};
extern const struct store_migration store_migrations[];
extern const unsigned store_migration_count;

/* Writes: begin, each argument in order, end. Everything is copied. The plain forms refuse NULL:
 * the operation fails and says which argument. */
void store_op_begin(struct store *s, unsigned query);
void store_op_int(struct store *s, int64_t v);
void store_op_int_null(struct store *s, const int64_t *v);
void store_op_real(struct store *s, double v);
void store_op_real_null(struct store *s, const double *v);
void store_op_text(struct store *s, const char *v);
void store_op_text_null(struct store *s, const char *v);
void store_op_blob(struct store *s, const void *v, size_t n);
void store_op_blob_null(struct store *s, const void *v, size_t n);
uint64_t store_op_end(struct store *s);

/* Reads: open, each argument in order, step while true, close. close() always comes, resets the
 * statement, and tells how it went. Text and blobs are lent until the next step. The plain forms of
 * a column refuse NULL: the query ends with STATUS_INVALID. */
struct store_cursor;
struct store_cursor *store_cursor_open(struct store_read *r, unsigned query);
void store_cursor_bind_int(struct store_cursor *c, int64_t v);
void store_cursor_bind_int_null(struct store_cursor *c, const int64_t *v);
void store_cursor_bind_real(struct store_cursor *c, double v);
void store_cursor_bind_real_null(struct store_cursor *c, const double *v);
void store_cursor_bind_text(struct store_cursor *c, const char *v);
void store_cursor_bind_text_null(struct store_cursor *c, const char *v);
void store_cursor_bind_blob(struct store_cursor *c, const void *v, size_t n);
void store_cursor_bind_blob_null(struct store_cursor *c, const void *v, size_t n);
bool store_cursor_step(struct store_cursor *c);
int64_t store_cursor_int(struct store_cursor *c, int column);
int64_t store_cursor_int_null(struct store_cursor *c, int column, bool *is_null);
double store_cursor_real(struct store_cursor *c, int column);
double store_cursor_real_null(struct store_cursor *c, int column, bool *is_null);
const char *store_cursor_text(struct store_cursor *c, int column);
const char *store_cursor_text_null(struct store_cursor *c, int column);
const void *store_cursor_blob(struct store_cursor *c, int column, size_t *n);
const void *store_cursor_blob_null(struct store_cursor *c, int column, size_t *n);
/* False once a column was NULL that may not be: the row must not be used. */
bool store_cursor_row_ok(const struct store_cursor *c);
enum status store_cursor_close(struct store_cursor *c, struct cause *why);

#endif
