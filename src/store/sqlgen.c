/* sqlgen: `sqlgen -o PREFIX SCHEMA_DIR QUERIES_DIR` writes PREFIX.c and PREFIX.h. This file applies
 * the schema and does what needs files; sqlgen.h says how a query file looks. Exit: 0, 1 for errors
 * in the SQL, 2 for usage. Nothing is written unless everything is right. */
#include "store/sqlgen.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void sqlgen_error(struct sqlgen *g, const char *file, int line, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    fprintf(stderr, "%s:%d: ", file, line);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    g->errors++;
}

static void die(const char *what, const char *name) __attribute__((noreturn));
static void die(const char *what, const char *name) {
    fprintf(stderr, "sqlgen: %s %s: %s\n", what, name, strerror(errno));
    exit(1);
}

void *sqlgen_grow(void *p, size_t n, size_t size) {
    p = reallocarray(p, n, size);
    if (!p)
        die("out of", "memory");
    return p;
}

char *sqlgen_dup(const char *s, size_t n) {
    char *p = sqlgen_grow(NULL, n + 1, 1);
    memcpy(p, s, n);
    p[n] = '\0';
    return p;
}

bool sqlgen_identifier(const char *s) {
    static const char *const taken[] = {
        "auto",   "bool",     "break",  "case",   "char",     "const",    "continue", "default",
        "do",     "double",   "else",   "enum",   "extern",   "float",    "for",      "goto",
        "if",     "inline",   "int",    "long",   "register", "restrict", "return",   "short",
        "signed", "sizeof",   "static", "struct", "switch",   "typedef",  "union",    "unsigned",
        "void",   "volatile", "while",  "s",      "r",        "fn",       "arg",      "out",
        "why",    "row",      "v",      "c"};
    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
        if (!strcmp(s, taken[i]))
            return false;
    if (!islower((unsigned char)*s))
        return false;
    for (; *s; s++)
        if (!islower((unsigned char)*s) && !isdigit((unsigned char)*s) && *s != '_')
            return false;
    return true;
}

int sqlgen_line_at(const char *text, int first_line, int offset) {
    int line = first_line;
    for (int i = 0; i < offset && text[i]; i++)
        line += text[i] == '\n';
    return line;
}

/* ---- files ---- */

static char *read_file(const char *path) {
    FILE *f = fopen(path, "r");
    if (!f)
        die("cannot read", path);
    char *text = NULL;
    size_t cap = 0;
    if (getdelim(&text, &cap, '\0', f) < 0) { /* an error, or nothing in it */
        free(text);
        text = sqlgen_dup("", 0);
    }
    if (ferror(f))
        die("cannot read", path);
    fclose(f);
    return text;
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The *.sql files of a directory as paths, by name: the same on every machine. */
static size_t list_sql(const char *dir, char ***out) {
    DIR *d = opendir(dir);
    if (!d)
        die("cannot read", dir);
    size_t n = 0;
    *out = NULL;
    for (const struct dirent *e; (e = readdir(d));) {
        size_t len = strlen(e->d_name);
        if (len < 5 || e->d_name[0] == '.' || strcmp(e->d_name + len - 4, ".sql") != 0)
            continue;
        *out = sqlgen_grow(*out, n + 1, sizeof(**out));
        size_t size = strlen(dir) + len + 2;
        char *path = sqlgen_grow(NULL, size, 1);
        snprintf(path, size, "%s/%s", dir, e->d_name);
        (*out)[n++] = path;
    }
    closedir(d);
    if (n)
        qsort(*out, n, sizeof(**out), by_name);
    return n;
}

static void write_file(const char *path, const char *text, size_t n) {
    FILE *f = fopen(path, "w");
    if (!f || fwrite(text, 1, n, f) != n || fclose(f) != 0)
        die("cannot write", path);
}

/* ---- the schema ---- */

/* A table that is not STRICT takes a value of any type, and then no type here means anything. */
static void check_strict(struct sqlgen *g, const char *file, int line) {
    sqlite3_stmt *st;
    if (sqlite3_prepare_v2(g->db, "PRAGMA main.table_list", -1, &st, NULL) != SQLITE_OK)
        die("cannot list the tables of", file);
    while (sqlite3_step(st) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(st, 1);
        const char *type = (const char *)sqlite3_column_text(st, 2);
        if (!strcmp(type, "table") && strncmp(name, "sqlite_", 7) != 0 &&
            !sqlite3_column_int(st, 5))
            sqlgen_error(g, file, line, "table %s is not STRICT", name);
    }
    sqlite3_finalize(st);
}

static void apply(struct sqlgen *g, const char *file, const char *text) {
    for (const char *at = text; *at && !g->errors;) {
        sqlite3_stmt *st;
        const char *tail;
        int first = sqlgen_line_at(text, 1, (int)(at - text));
        if (sqlite3_prepare_v2(g->db, at, -1, &st, &tail) != SQLITE_OK) {
            int offset = sqlite3_error_offset(g->db);
            if (offset < 0)
                offset = (int)strspn(at, " \t\r\n");
            sqlgen_error(g, file, sqlgen_line_at(at, first, offset), "%s", sqlite3_errmsg(g->db));
            return;
        }
        int line = sqlgen_line_at(at, first, (int)strspn(at, " \t\r\n"));
        if (st && sqlite3_step(st) != SQLITE_DONE)
            sqlgen_error(g, file, line, "%s", sqlite3_errmsg(g->db));
        sqlite3_finalize(st);
        if (!g->errors)
            check_strict(g, file, line);
        at = tail;
    }
}

static void read_schema(struct sqlgen *g, const char *dir) {
    char **paths;
    size_t n = list_sql(dir, &paths);
    if (!n) {
        fprintf(stderr, "sqlgen: no schema in %s\n", dir);
        exit(1);
    }
    for (size_t i = 0; i < n && i < SQLGEN_MIGRATIONS_MAX && !g->errors; i++) {
        const char *base = strrchr(paths[i], '/') + 1;
        char want[32];
        snprintf(want, sizeof(want), "%03zu-", i + 1);
        if (strncmp(base, want, 4) != 0)
            sqlgen_error(g, paths[i], 1, "the %zu. schema file must be named %sNAME.sql", i + 1,
                         want);
        struct sqlgen_migration *m = &g->migrations[g->nmigrations++];
        m->name = sqlgen_dup(base, strlen(base) - 4);
        m->sql = read_file(paths[i]);
        apply(g, paths[i], m->sql);
    }
    for (size_t i = 0; i < n; i++)
        free(paths[i]);
    free(paths);
}

static void read_queries(struct sqlgen *g, const char *dir, char ***paths, size_t *npaths) {
    *npaths = list_sql(dir, paths);
    for (size_t i = 0; i < *npaths; i++) {
        char *text = read_file((*paths)[i]);
        sqlgen_parse(g, (*paths)[i], text);
        free(text);
    }
    sqlgen_check(g);
}

static void write_all(const struct sqlgen *g, const char *prefix) {
    char *text[2];
    size_t n[2];
    FILE *out[2] = {open_memstream(&text[0], &n[0]), open_memstream(&text[1], &n[1])};
    if (!out[0] || !out[1])
        die("out of", "memory");
    const char *slash = strrchr(prefix, '/');
    sqlgen_emit_header(g, out[0]);
    sqlgen_emit_source(g, out[1], slash ? slash + 1 : prefix);
    static const char suffix[2][3] = {".h", ".c"};
    for (int i = 0; i < 2; i++) {
        if (fclose(out[i]) != 0)
            die("out of", "memory");
        size_t size = strlen(prefix) + 3;
        char *path = sqlgen_grow(NULL, size, 1);
        snprintf(path, size, "%s%s", prefix, suffix[i]);
        write_file(path, text[i], n[i]);
        free(path);
        free(text[i]);
    }
}

static void fields_free(struct sqlgen_fields *f) {
    for (size_t i = 0; i < f->n; i++)
        free(f->v[i].name);
    free(f->v);
}

static void free_all(struct sqlgen *g) {
    for (size_t i = 0; i < g->nqueries; i++) {
        struct sqlgen_query *q = &g->queries[i];
        free(q->name);
        free(q->doc);
        free(q->sql);
        fields_free(&q->param_notes);
        fields_free(&q->column_notes);
        fields_free(&q->params);
        fields_free(&q->columns);
        free(q->order);
    }
    free(g->queries);
    for (size_t i = 0; i < g->nmigrations; i++) {
        free(g->migrations[i].name);
        free(g->migrations[i].sql);
    }
    sqlite3_close(g->db);
}

int main(int argc, char **argv) {
    if (argc != 5 || strcmp(argv[1], "-o") != 0) {
        fputs("usage: sqlgen -o PREFIX SCHEMA_DIR QUERIES_DIR\n", stderr);
        return 2;
    }
    static struct sqlgen g;
    if (sqlite3_open_v2(":memory:", &g.db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) !=
            SQLITE_OK ||
        sqlite3_db_config(g.db, SQLITE_DBCONFIG_DQS_DDL, 0, (int *)NULL) != SQLITE_OK ||
        sqlite3_db_config(g.db, SQLITE_DBCONFIG_DQS_DML, 0, (int *)NULL) != SQLITE_OK) {
        fprintf(stderr, "sqlgen: SQLite: %s\n", sqlite3_errmsg(g.db));
        return 1;
    }
    char **paths = NULL;
    size_t npaths = 0;
    read_schema(&g, argv[3]);
    if (!g.errors)
        read_queries(&g, argv[4], &paths, &npaths);
    if (!g.errors)
        write_all(&g, argv[2]);
    int status = g.errors ? 1 : 0;
    free_all(&g);
    for (size_t i = 0; i < npaths; i++)
        free(paths[i]);
    free(paths);
    return status;
}
