/* sqlgen: the build tool that turns store/schema and store/queries into typed C. Its parts share
 * these types; nothing of it is linked into the program, and it needs libc and SQLite only.
 *
 * A query file holds statements like this one:
 *
 *     -- What the next line names; this text becomes the function's comment.
 *     -- name: messages_newest :many
 *     -- param: limit int
 *     -- column: words int?
 *     SELECT content, count_words(content) AS words FROM messages
 *     WHERE channel_id = :channel_id LIMIT :limit;
 *
 * Kinds: `:many` and `:one` read (a row function; one row), `:exec` and `:guarded` write (guarded:
 * the operation fails when it changes no row), `:internal` is for the writer itself. Types: int,
 * real, text, blob, with `?` where NULL may be. A parameter that has the name of a column in a
 * table that the statement touches has that column's type; every other parameter needs a `param`
 * line. A result column that comes from a table has that column's type; every expression needs a
 * `column` line. */
#ifndef STORE_SQLGEN_H
#define STORE_SQLGEN_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* X(NAME, "name in annotations", "declared type in the schema") */
/* clang-format off */
#define SQLGEN_TYPE_TABLE(X)                                                                       \
    X(INT, "int", "INTEGER")                                                                       \
    X(REAL, "real", "REAL")                                                                        \
    X(TEXT, "text", "TEXT")                                                                        \
    X(BLOB, "blob", "BLOB")
/* clang-format on */
enum sqlgen_type {
#define X(name, text, declared) SQLGEN_##name,
    SQLGEN_TYPE_TABLE(X)
#undef X
};

/* X(NAME, "name") */
/* clang-format off */
#define SQLGEN_KIND_TABLE(X)                                                                       \
    X(MANY, "many")                                                                                \
    X(ONE, "one")                                                                                  \
    X(EXEC, "exec")                                                                                \
    X(GUARDED, "guarded")                                                                          \
    X(INTERNAL, "internal")
/* clang-format on */
enum sqlgen_kind {
#define X(name, text) SQLGEN_##name,
    SQLGEN_KIND_TABLE(X)
#undef X
};

struct sqlgen_field {
    char *name;
    enum sqlgen_type type;
    bool nullable;
    int line;     /* of its annotation */
    bool untyped; /* an annotation that only gives its place */
    bool used;    /* an annotation that met its parameter or column */
};

struct sqlgen_fields {
    struct sqlgen_field *v;
    size_t n;
};

struct sqlgen_query {
    const char *file;
    int line; /* of its name */
    char *name, *doc, *sql;
    int sql_line; /* of the statement's first line */
    enum sqlgen_kind kind;
    bool broken; /* its annotations were wrong: errors that follow from that are not told */
    struct sqlgen_fields param_notes, column_notes; /* annotations */
    struct sqlgen_fields params, columns;           /* what was found out, in SQLite's order */
    size_t *order;                                  /* the C arguments: places in params */
};

struct sqlgen_migration {
    char *name, *sql;
};

/* Their numbers have three digits. */
#define SQLGEN_MIGRATIONS_MAX 999

struct sqlgen {
    sqlite3 *db; /* in memory, the schema applied */
    struct sqlgen_migration migrations[SQLGEN_MIGRATIONS_MAX];
    size_t nmigrations;
    struct sqlgen_query *queries;
    size_t nqueries;
    int errors;
};

/* "file:line: message" on stderr, and the run will end with 1. */
void sqlgen_error(struct sqlgen *g, const char *file, int line, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void *sqlgen_grow(void *p, size_t n, size_t size); /* never NULL */
char *sqlgen_dup(const char *s, size_t n);
bool sqlgen_identifier(const char *s); /* a name that C takes, and our own arguments do not have */
int sqlgen_line_at(const char *text, int first_line, int offset);

/* sqlgen_query.c: adds the statements of one file, then finds out the types of all. */
void sqlgen_parse(struct sqlgen *g, const char *file, char *text);
void sqlgen_check(struct sqlgen *g);

/* sqlgen_emit.c */
void sqlgen_emit_header(const struct sqlgen *g, FILE *out);
void sqlgen_emit_source(const struct sqlgen *g, FILE *out, const char *header);

#endif
