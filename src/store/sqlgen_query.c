/* sqlgen_query: reads query files and lets SQLite say what is in them: a statement is prepared
 * against the real schema, and what each parameter and column is comes from there or from an
 * annotation. Whatever is unclear is an error with its line. Nothing is written here. */
#include "store/sqlgen.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* ---- reading a file ---- */

struct lines {
    char **v;
    size_t n;
};

static const char *skip_space(const char *s) { return s + strspn(s, " \t\r"); }
static bool is_blank(const char *line) { return *skip_space(line) == '\0'; }
static bool is_comment(const char *line) { return !strncmp(skip_space(line), "--", 2); }

/* "-- word: rest": the rest, and the word's length in *n; else NULL. */
static const char *note_of(const char *line, const char **word, size_t *n) {
    line = skip_space(line);
    if (strncmp(line, "-- ", 3) != 0)
        return NULL;
    *word = line + 3;
    *n = strspn(*word, "abcdefghijklmnopqrstuvwxyz");
    return *n && (*word)[*n] == ':' ? skip_space(*word + *n + 1) : NULL;
}

static bool is_note(const char *line, const char *what) {
    const char *word;
    size_t n;
    return note_of(line, &word, &n) && strlen(what) == n && !strncmp(word, what, n);
}

static struct lines split(char *text) {
    struct lines l = {0};
    while (text) {
        l.v = sqlgen_grow(l.v, l.n + 1, sizeof(*l.v));
        l.v[l.n++] = text;
        text = strchr(text, '\n');
        if (text)
            *text++ = '\0';
    }
    return l;
}

static bool type_of(const char *s, enum sqlgen_type *type) {
#define X(id, text, declared)                                                                      \
    if (!strcmp(s, text)) {                                                                        \
        *type = SQLGEN_##id;                                                                       \
        return true;                                                                               \
    }
    SQLGEN_TYPE_TABLE(X)
#undef X
    return false;
}

static bool type_of_declared(const char *s, enum sqlgen_type *type) {
#define X(id, text, declared)                                                                      \
    if (s && !strcmp(s, declared)) {                                                               \
        *type = SQLGEN_##id;                                                                       \
        return true;                                                                               \
    }
    SQLGEN_TYPE_TABLE(X)
#undef X
    return false;
}

static const char *type_name(enum sqlgen_type t) {
    switch (t) {
#define X(id, text, declared)                                                                      \
    case SQLGEN_##id:                                                                              \
        return text;
        SQLGEN_TYPE_TABLE(X)
#undef X
    }
    return "?";
}

static bool kind_of(const char *s, enum sqlgen_kind *kind) {
#define X(id, text)                                                                                \
    if (!strcmp(s, ":" text)) {                                                                    \
        *kind = SQLGEN_##id;                                                                       \
        return true;                                                                               \
    }
    SQLGEN_KIND_TABLE(X)
#undef X
    return false;
}

static struct sqlgen_field *field_find(const struct sqlgen_fields *f, const char *name) {
    for (size_t i = 0; i < f->n; i++)
        if (!strcmp(f->v[i].name, name))
            return &f->v[i];
    return NULL;
}

static struct sqlgen_field *field_add(struct sqlgen_fields *f, const char *name) {
    f->v = sqlgen_grow(f->v, f->n + 1, sizeof(*f->v));
    f->v[f->n] = (struct sqlgen_field){.name = sqlgen_dup(name, strlen(name))};
    return &f->v[f->n++];
}

/* "NAME TYPE" of a param or column line. */
static void add_note(struct sqlgen *g, const char *file, int line, struct sqlgen_fields *to,
                     bool place_only, const char *text) {
    char name[64], type[64] = "int", more[2];
    int words = sscanf(text, "%63s %63s %1s", name, type, more);
    if (words != 2 && !(words == 1 && place_only)) {
        sqlgen_error(g, file, line, "expected NAME TYPE");
        return;
    }
    size_t n = strlen(type);
    bool nullable = n && type[n - 1] == '?';
    if (nullable)
        type[n - 1] = '\0';
    enum sqlgen_type t;
    if (!type_of(type, &t)) {
        sqlgen_error(g, file, line, "unknown type \"%s\": int, real, text or blob, or one with ?",
                     type);
        return;
    }
    if (field_find(to, name)) {
        sqlgen_error(g, file, line, "%s is annotated twice", name);
        return;
    }
    struct sqlgen_field *f = field_add(to, name);
    f->type = t;
    f->nullable = nullable;
    f->line = line;
    f->untyped = words == 1;
}

static void add_notes(struct sqlgen *g, struct sqlgen_query *q, const char *line, int number) {
    const char *word = "";
    size_t n = 0;
    const char *rest = note_of(line, &word, &n);
    if (is_note(line, "param"))
        add_note(g, q->file, number, &q->param_notes, true, rest);
    else if (is_note(line, "column"))
        add_note(g, q->file, number, &q->column_notes, false, rest);
    else
        sqlgen_error(g, q->file, number, "unknown annotation \"%.*s\": name, param or column",
                     (int)n, word);
}

/* Joins lines [from, to), comments left out as empty lines, so that positions keep their line. */
static char *join(const struct lines *l, size_t from, size_t to) {
    size_t n = 0;
    char *text = sqlgen_dup("", 0);
    for (size_t i = from; i < to; i++) {
        const char *line = is_comment(l->v[i]) ? "" : l->v[i];
        size_t len = strlen(line);
        text = sqlgen_grow(text, n + len + 2, 1);
        memcpy(text + n, line, len);
        text[n + len] = '\n';
        n += len + 1;
        text[n] = '\0';
    }
    while (n && isspace((unsigned char)text[n - 1]))
        text[--n] = '\0';
    return text;
}

static char *join_doc(const struct lines *l, size_t from, size_t to) {
    size_t n = 0;
    char *text = sqlgen_dup("", 0);
    for (size_t i = from; i < to; i++) {
        const char *line = skip_space(skip_space(l->v[i]) + 2);
        size_t len = strlen(line);
        text = sqlgen_grow(text, n + len + 2, 1);
        memcpy(text + n, line, len);
        text[n + len] = '\n';
        n += len + 1;
        text[n] = '\0';
    }
    return text;
}

/* The comment lines right above line k, but not above `least`. */
static size_t doc_start(const struct lines *l, size_t k, size_t least) {
    const char *word;
    size_t n;
    while (k > least && is_comment(l->v[k - 1]) && !note_of(l->v[k - 1], &word, &n))
        k--;
    return k;
}

/* One block: doc in [doc, at), the name at `at`, the rest up to `end`. */
static void add_query(struct sqlgen *g, const char *file, const struct lines *l, size_t doc,
                      size_t at, size_t end) {
    struct sqlgen_query q = {.file = file, .line = (int)at + 1};
    char name[64] = "", kind[64] = "", more[2];
    const char *word;
    size_t n;
    const char *rest = note_of(l->v[at], &word, &n);
    if (!rest || sscanf(rest, "%63s %63s %1s", name, kind, more) != 2 || !kind_of(kind, &q.kind)) {
        sqlgen_error(g, file, q.line,
                     "expected -- name: NAME and one of :many :one :exec :guarded :internal");
        return;
    }
    if (!sqlgen_identifier(name)) {
        sqlgen_error(g, file, q.line, "\"%s\" cannot be a name", name);
        return;
    }
    for (size_t i = 0; i < g->nqueries; i++)
        if (!strcmp(g->queries[i].name, name)) {
            sqlgen_error(g, file, q.line, "%s is already the name of %s:%d", name,
                         g->queries[i].file, g->queries[i].line);
            return;
        }
    size_t first = end;
    int errors = g->errors;
    for (size_t i = at + 1; i < end; i++) {
        if (note_of(l->v[i], &word, &n))
            add_notes(g, &q, l->v[i], (int)i + 1);
        else if (first == end && !is_blank(l->v[i]) && !is_comment(l->v[i]))
            first = i;
    }
    q.broken = g->errors > errors;
    q.name = sqlgen_dup(name, strlen(name));
    q.doc = join_doc(l, doc, at);
    q.sql = join(l, first, end);
    q.sql_line = (int)first + 1;
    g->queries = sqlgen_grow(g->queries, g->nqueries + 1, sizeof(*g->queries));
    g->queries[g->nqueries++] = q;
}

void sqlgen_parse(struct sqlgen *g, const char *file, char *text) {
    struct lines l = split(text);
    size_t at = 0;
    for (; at < l.n && !is_note(l.v[at], "name"); at++)
        if (!is_blank(l.v[at]) && !is_comment(l.v[at])) {
            sqlgen_error(g, file, (int)at + 1, "a statement without -- name: above it");
            free(l.v);
            return;
        }
    size_t doc = doc_start(&l, at, 0);
    while (at < l.n) {
        size_t next = at + 1;
        while (next < l.n && !is_note(l.v[next], "name"))
            next++;
        size_t end = next < l.n ? doc_start(&l, next, at + 1) : l.n;
        add_query(g, file, &l, doc, at, end);
        at = next;
        doc = end;
    }
    free(l.v);
}

/* ---- what SQLite says ---- */

/* What a statement touches, by its authorizer. */
struct touched {
    char **tables;
    size_t n;
    bool transaction, forbidden;
};

static void touch(struct touched *t, const char *table) {
    if (!table || !strncmp(table, "sqlite_", 7))
        return;
    for (size_t i = 0; i < t->n; i++)
        if (!strcmp(t->tables[i], table))
            return;
    t->tables = sqlgen_grow(t->tables, t->n + 1, sizeof(*t->tables));
    t->tables[t->n++] = sqlgen_dup(table, strlen(table));
}

static int authorize(void *arg, int action, const char *a, const char *b, const char *database,
                     const char *trigger) {
    struct touched *t = arg;
    (void)b;
    (void)database;
    switch (action) {
    case SQLITE_READ:
    case SQLITE_INSERT:
    case SQLITE_UPDATE:
    case SQLITE_DELETE:
        if (!trigger)
            touch(t, a);
        break;
    case SQLITE_SELECT:
    case SQLITE_FUNCTION:
    case SQLITE_RECURSIVE:
        break;
    case SQLITE_TRANSACTION:
        t->transaction = true;
        break;
    default: /* everything that is not about rows */
        t->forbidden = true;
        break;
    }
    return SQLITE_OK;
}

/* Where ":name" stands in the statement. */
static int line_of_param(const struct sqlgen_query *q, const char *name) {
    size_t n = strlen(name);
    for (const char *at = q->sql; (at = strstr(at, name)); at++)
        if (!isalnum((unsigned char)at[n]) && at[n] != '_')
            return sqlgen_line_at(q->sql, q->sql_line, (int)(at - q->sql));
    return q->sql_line;
}

/* Where a result column stands: SQLite names an expression by its text, and one with AS by its
 * alias. */
static int line_of_column(const struct sqlgen_query *q, const char *name) {
    const char *found = NULL;
    size_t n = strlen(name);
    for (const char *at = q->sql; (at = strstr(at, name)); at++) {
        bool alias = at - q->sql >= 3 && !strncmp(at - 3, "AS ", 3) &&
                     !isalnum((unsigned char)at[n]) && at[n] != '_';
        if (!found || alias)
            found = at;
    }
    return found ? sqlgen_line_at(q->sql, q->sql_line, (int)(found - q->sql)) : q->sql_line;
}

/* The type of a table's column, and whether NULL may be in it. False when there is none. */
static bool schema_column(struct sqlgen *g, const char *table, const char *column,
                          enum sqlgen_type *type, bool *nullable) {
    const char *declared;
    int not_null, primary, automatic;
    if (sqlite3_table_column_metadata(g->db, "main", table, column, &declared, NULL, &not_null,
                                      &primary, &automatic) != SQLITE_OK ||
        !type_of_declared(declared, type))
        return false;
    *nullable = !not_null && !(primary && *type == SQLGEN_INT);
    return true;
}

static void check_param(struct sqlgen *g, struct sqlgen_query *q, const struct touched *t,
                        const char *name) {
    int line = name ? line_of_param(q, name) : q->sql_line;
    if (!name || *name != ':' || !sqlgen_identifier(name + 1)) {
        sqlgen_error(g, q->file, line, "parameter %s: only :name works, in lower case",
                     name ? name : "?");
        return;
    }
    name++;
    enum sqlgen_type type = SQLGEN_INT;
    bool found = false, nullable = false;
    struct sqlgen_field *note = field_find(&q->param_notes, name);
    if (note)
        note->used = true;
    if (note && note->untyped)
        note = NULL;
    for (size_t i = 0; i < t->n; i++) {
        enum sqlgen_type its;
        bool its_null;
        if (!schema_column(g, t->tables[i], name, &its, &its_null))
            continue;
        if (found && its != type && !note) {
            sqlgen_error(g, q->file, line,
                         "parameter :%s has two types in these tables: add -- param: %s TYPE", name,
                         name);
            return;
        }
        if (!found)
            type = its;
        found = true;
        nullable |= its_null;
    }
    if (!found && !note) {
        sqlgen_error(g, q->file, line,
                     "parameter :%s is no column of a table in this statement: "
                     "add -- param: %s TYPE",
                     name, name);
        return;
    }
    if (note) {
        if (found && note->type != type)
            sqlgen_error(g, q->file, note->line, "column %s is %s, not %s", name, type_name(type),
                         type_name(note->type));
        type = note->type;
        nullable = note->nullable;
    }
    struct sqlgen_field *f = field_add(&q->params, name);
    f->type = type;
    f->nullable = nullable;
}

static void check_column(struct sqlgen *g, struct sqlgen_query *q, sqlite3_stmt *st, int i) {
    const char *name = sqlite3_column_name(st, i);
    const char *table = sqlite3_column_table_name(st, i);
    const char *origin = sqlite3_column_origin_name(st, i);
    int line = line_of_column(q, name);
    struct sqlgen_field *note = field_find(&q->column_notes, name);
    enum sqlgen_type type;
    bool nullable, known = table && origin && schema_column(g, table, origin, &type, &nullable);
    if (!known && !note) {
        if (sqlgen_identifier(name))
            sqlgen_error(g, q->file, line,
                         "column %s is an expression and has no type: add -- column: %s TYPE", name,
                         name);
        else
            sqlgen_error(g, q->file, line,
                         "expression %s has no name and no type: add AS NAME and "
                         "-- column: NAME TYPE",
                         name);
        return;
    }
    if (!sqlgen_identifier(name)) {
        sqlgen_error(g, q->file, line, "\"%s\" cannot be a column's name: add AS NAME", name);
        return;
    }
    if (field_find(&q->columns, name)) {
        sqlgen_error(g, q->file, line, "two columns are named %s", name);
        return;
    }
    if (note) {
        note->used = true;
        if (known && note->type != type)
            sqlgen_error(g, q->file, note->line, "column %s is %s, not %s", name, type_name(type),
                         type_name(note->type));
        type = note->type;
        nullable = note->nullable;
    }
    struct sqlgen_field *f = field_add(&q->columns, name);
    f->type = type;
    f->nullable = nullable;
}

static void check_unused(struct sqlgen *g, const struct sqlgen_query *q,
                         const struct sqlgen_fields *notes, const char *what) {
    for (size_t i = 0; i < notes->n; i++)
        if (!notes->v[i].used)
            sqlgen_error(g, q->file, notes->v[i].line, "the statement has no %s %s", what,
                         notes->v[i].name);
}

/* Does the statement do what its kind says? */
static bool check_kind(struct sqlgen *g, const struct sqlgen_query *q, sqlite3_stmt *st,
                       const struct touched *t) {
    bool reads = sqlite3_stmt_readonly(st) && sqlite3_column_count(st) > 0;
    bool writes = !sqlite3_stmt_readonly(st) && sqlite3_column_count(st) == 0;
    bool plain = !t->forbidden && !t->transaction && !sqlite3_stmt_isexplain(st);
    const char *wrong = NULL;
    switch (q->kind) {
    case SQLGEN_MANY:
    case SQLGEN_ONE:
        wrong = reads && plain ? NULL : "reads rows: only a SELECT fits";
        break;
    case SQLGEN_EXEC:
    case SQLGEN_GUARDED:
        wrong =
            writes && plain ? NULL : "writes: only INSERT, UPDATE or DELETE without RETURNING fits";
        break;
    case SQLGEN_INTERNAL:
        wrong = t->transaction && !t->forbidden ? NULL : "is for BEGIN, COMMIT and ROLLBACK";
        break;
    }
    if (wrong)
        sqlgen_error(g, q->file, q->sql_line, "%s %s", q->name, wrong);
    return !wrong;
}

/* Nothing but white space, comments and semicolons. */
static bool nothing_left(sqlite3 *db, const char *tail) {
    while (*tail) {
        sqlite3_stmt *more;
        int rc = sqlite3_prepare_v2(db, tail, -1, &more, &tail);
        sqlite3_finalize(more);
        if (rc != SQLITE_OK || more)
            return false;
    }
    return true;
}

/* The order of the C arguments: as annotated, then as they appear. */
static void order_params(struct sqlgen_query *q) {
    size_t n = 0;
    q->order = sqlgen_grow(NULL, q->params.n + 1, sizeof(*q->order));
    for (size_t i = 0; i < q->param_notes.n; i++) {
        const struct sqlgen_field *f = field_find(&q->params, q->param_notes.v[i].name);
        if (f)
            q->order[n++] = (size_t)(f - q->params.v);
    }
    for (size_t i = 0; i < q->params.n; i++)
        if (!field_find(&q->param_notes, q->params.v[i].name))
            q->order[n++] = i;
}

static void check_query(struct sqlgen *g, struct sqlgen_query *q) {
    struct touched t = {0};
    sqlite3_stmt *st = NULL;
    const char *tail = NULL;
    sqlite3_set_authorizer(g->db, authorize, &t);
    int rc = sqlite3_prepare_v2(g->db, q->sql, -1, &st, &tail);
    sqlite3_set_authorizer(g->db, NULL, NULL);
    if (rc != SQLITE_OK) {
        int offset = sqlite3_error_offset(g->db);
        sqlgen_error(g, q->file, sqlgen_line_at(q->sql, q->sql_line, offset), "%s: %s", q->name,
                     sqlite3_errmsg(g->db));
    } else if (!st) {
        sqlgen_error(g, q->file, q->line, "%s has no statement", q->name);
    } else if (!nothing_left(g->db, tail)) {
        int line = sqlgen_line_at(q->sql, q->sql_line,
                                  (int)(tail - q->sql) + (int)strspn(tail, " \t\r\n"));
        sqlgen_error(g, q->file, line, "%s has more than one statement", q->name);
    } else if (check_kind(g, q, st, &t)) {
        for (int i = 1; i <= sqlite3_bind_parameter_count(st); i++)
            check_param(g, q, &t, sqlite3_bind_parameter_name(st, i));
        for (int i = 0; i < sqlite3_column_count(st); i++)
            check_column(g, q, st, i);
        order_params(q);
        check_unused(g, q, &q->param_notes, "parameter");
        check_unused(g, q, &q->column_notes, "column");
    }
    sqlite3_finalize(st);
    for (size_t i = 0; i < t.n; i++)
        free(t.tables[i]);
    free(t.tables);
}

void sqlgen_check(struct sqlgen *g) {
    for (size_t i = 0; i < g->nqueries; i++)
        if (!g->queries[i].broken)
            check_query(g, &g->queries[i]);
}
