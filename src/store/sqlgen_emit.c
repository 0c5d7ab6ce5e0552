/* sqlgen_emit: writes the C of what sqlgen_query found. The shapes of the generated functions are
 * described in store.h, and what they call in query.h. */
#include "store/sqlgen.h"

#include <string.h>

/* A write with more parameters than this takes them in a struct: so many of one type in a row would
 * get mixed up. */
#define MOST_ARGUMENTS 6

static bool is_read(const struct sqlgen_query *q) {
    return q->kind == SQLGEN_MANY || q->kind == SQLGEN_ONE;
}

static bool is_write(const struct sqlgen_query *q) {
    return q->kind == SQLGEN_EXEC || q->kind == SQLGEN_GUARDED;
}

static bool takes_struct(const struct sqlgen_query *q) { return q->params.n > MOST_ARGUMENTS; }

static const struct sqlgen_field *argument(const struct sqlgen_query *q, size_t i) {
    return &q->params.v[q->order[i]];
}

static const char *suffix(const struct sqlgen_field *f) {
    switch (f->type) {
    case SQLGEN_INT:
        return f->nullable ? "int_null" : "int";
    case SQLGEN_REAL:
        return f->nullable ? "real_null" : "real";
    case SQLGEN_TEXT:
        return f->nullable ? "text_null" : "text";
    case SQLGEN_BLOB:
        return f->nullable ? "blob_null" : "blob";
    }
    return "?";
}

static void emit_param(const struct sqlgen_field *f, const char *separator, FILE *out) {
    switch (f->type) {
    case SQLGEN_INT:
        fprintf(out, f->nullable ? "const int64_t *%s" : "int64_t %s", f->name);
        break;
    case SQLGEN_REAL:
        fprintf(out, f->nullable ? "const double *%s" : "double %s", f->name);
        break;
    case SQLGEN_TEXT:
        fprintf(out, "const char *%s", f->name);
        break;
    case SQLGEN_BLOB:
        fprintf(out, "const void *%s%s size_t %s_len", f->name, separator, f->name);
        break;
    }
}

/* The compiler refuses a literal NULL where none may be. The first argument is never NULL. */
static void emit_nonnull(const struct sqlgen_query *q, FILE *out) {
    fputs("\n    __attribute__((nonnull(1", out);
    int at = 2;
    if (is_read(q) || !takes_struct(q))
        for (size_t i = 0; i < q->params.n; i++) {
            const struct sqlgen_field *f = argument(q, i);
            if (!f->nullable && f->type == SQLGEN_TEXT)
                fprintf(out, ", %d", at);
            at += f->type == SQLGEN_BLOB ? 2 : 1;
        }
    else
        fputs(", 2", out);
    fputs(")))", out);
}

static void emit_args(const struct sqlgen_query *q, FILE *out) {
    for (size_t i = 0; i < q->params.n; i++) {
        fputs(", ", out);
        emit_param(argument(q, i), ",", out);
    }
}

static void emit_prototype(const struct sqlgen_query *q, FILE *out) {
    switch (q->kind) {
    case SQLGEN_MANY:
        fprintf(out, "enum status q_%s(struct store_read *r", q->name);
        emit_args(q, out);
        fprintf(out, ", q_%s_fn *fn, void *arg, struct cause *why)", q->name);
        break;
    case SQLGEN_ONE:
        fprintf(out, "enum status q_%s(struct store_read *r", q->name);
        emit_args(q, out);
        fprintf(out, ", struct q_%s_row *out, struct cause *why)", q->name);
        break;
    case SQLGEN_EXEC:
    case SQLGEN_GUARDED:
        fprintf(out, "uint64_t store_%s(struct store *s", q->name);
        if (takes_struct(q))
            fprintf(out, ", const struct store_%s *v", q->name);
        else
            emit_args(q, out);
        fputc(')', out);
        break;
    case SQLGEN_INTERNAL:
        break;
    }
}

/* ---- the header ---- */

static void emit_doc(const struct sqlgen_query *q, FILE *out) {
    fputc('\n', out);
    if (!*q->doc)
        return;
    fputs("/* ", out);
    for (const char *s = q->doc; *s; s++) {
        if (s[0] == '*' && s[1] == '/')
            fputs("* ", out);
        else if (*s == '\n')
            fputs(s[1] ? "\n * " : "", out);
        else
            fputc(*s, out);
    }
    fputs(" */\n", out);
}

static void emit_row(const struct sqlgen_query *q, FILE *out) {
    const char *lent = q->kind == SQLGEN_MANY ? "const " : "";
    fprintf(out, "struct q_%s_row {\n", q->name);
    for (size_t i = 0; i < q->columns.n; i++) {
        const struct sqlgen_field *f = &q->columns.v[i];
        switch (f->type) {
        case SQLGEN_INT:
            fprintf(out, "    int64_t %s;\n", f->name);
            break;
        case SQLGEN_REAL:
            fprintf(out, "    double %s;\n", f->name);
            break;
        case SQLGEN_TEXT:
            fprintf(out, "    %schar *%s;%s\n", lent, f->name,
                    f->nullable ? " /* may be NULL */" : "");
            break;
        case SQLGEN_BLOB:
            fprintf(out, "    %svoid *%s;%s\n    size_t %s_len;\n", lent, f->name,
                    f->nullable ? " /* may be NULL */" : "", f->name);
            break;
        }
        if (f->nullable && (f->type == SQLGEN_INT || f->type == SQLGEN_REAL))
            fprintf(out, "    bool %s_null;\n", f->name);
    }
    fputs("};\n", out);
}

static void emit_struct(const struct sqlgen_query *q, FILE *out) {
    fprintf(out, "struct store_%s {\n", q->name);
    for (size_t i = 0; i < q->params.n; i++) {
        fputs("    ", out);
        emit_param(argument(q, i), ";", out);
        fprintf(out, ";%s\n", argument(q, i)->nullable ? " /* may be NULL */" : "");
    }
    fputs("};\n", out);
}

void sqlgen_emit_header(const struct sqlgen *g, FILE *out) {
    fputs("/* Generated by sqlgen from the query files; see store/sqlgen.h. */\n"
          "#ifndef STORE_QUERIES_GEN_H\n#define STORE_QUERIES_GEN_H\n\n"
          "#include \"store/store.h\"\n\n"
          "/* Their places in store_queries. */\n"
          "enum store_query_id {\n",
          out);
    for (size_t i = 0; i < g->nqueries; i++)
        fprintf(out, "    STORE_Q_%s,\n", g->queries[i].name);
    fputs("};\n", out);
    for (size_t i = 0; i < g->nqueries; i++) {
        const struct sqlgen_query *q = &g->queries[i];
        if (q->kind == SQLGEN_INTERNAL)
            continue;
        emit_doc(q, out);
        if (is_read(q))
            emit_row(q, out);
        if (q->kind == SQLGEN_MANY)
            fprintf(out, "typedef bool q_%s_fn(void *arg, const struct q_%s_row *row);\n", q->name,
                    q->name);
        if (is_write(q) && takes_struct(q))
            emit_struct(q, out);
        emit_prototype(q, out);
        if (is_read(q))
            fputs(" MUST_CHECK", out);
        emit_nonnull(q, out);
        fputs(";\n", out);
        if (q->kind == SQLGEN_ONE)
            fprintf(out, "void q_%s_free(struct q_%s_row *row);\n", q->name, q->name);
    }
    fputs("\n#endif\n", out);
}

/* ---- the source ---- */

/* A literal a line, so that the text stays readable in the generated file. */
static void emit_literal(const char *s, FILE *out) {
    fputs("\n        \"", out);
    for (; *s; s++) {
        if (*s == '\n')
            fputs(s[1] ? "\\n\"\n        \"" : "\\n", out);
        else if (*s == '"' || *s == '\\')
            fprintf(out, "\\%c", *s);
        else if (*s == '?') /* no trigraphs */
            fputs("\\?", out);
        else if (*s != '\r')
            fputc(*s, out);
    }
    fputc('"', out);
}

static void emit_tables(const struct sqlgen *g, FILE *out) {
    for (size_t i = 0; i < g->nqueries; i++) {
        const struct sqlgen_query *q = &g->queries[i];
        if (!q->params.n)
            continue;
        fprintf(out, "static const char *const params_%s[] = {", q->name);
        for (size_t j = 0; j < q->params.n; j++)
            fprintf(out, "%s\"%s\"", j ? ", " : "", q->params.v[j].name);
        fputs("};\n", out);
    }
    fputs("\nconst struct store_query store_queries[] = {\n", out);
    for (size_t i = 0; i < g->nqueries; i++) {
        const struct sqlgen_query *q = &g->queries[i];
        fprintf(out, "    {\"%s\",", q->name);
        emit_literal(q->sql, out);
        if (q->params.n)
            fprintf(out, ",\n     params_%s, %zu, ", q->name, q->params.n);
        else
            fputs(",\n     NULL, 0, ", out);
        fprintf(out, "%s},\n", q->kind == SQLGEN_GUARDED ? "true" : "false");
    }
    fprintf(out, "};\nconst unsigned store_query_count = %zu;\n\n", g->nqueries);
    fputs("const struct store_migration store_migrations[] = {\n", out);
    for (size_t i = 0; i < g->nmigrations; i++) {
        fprintf(out, "    {\"%s\",", g->migrations[i].name);
        emit_literal(g->migrations[i].sql, out);
        fputs("},\n", out);
    }
    fprintf(out, "};\nconst unsigned store_migration_count = %zu;\n", g->nmigrations);
}

static void emit_each_argument(const struct sqlgen_query *q, const char *call, const char *first,
                               const char *prefix, FILE *out) {
    for (size_t i = 0; i < q->params.n; i++) {
        const struct sqlgen_field *f = &q->params.v[i];
        fprintf(out, "    %s_%s(%s, %s%s", call, suffix(f), first, prefix, f->name);
        if (f->type == SQLGEN_BLOB)
            fprintf(out, ", %s%s_len", prefix, f->name);
        fputs(");\n", out);
    }
}

static void emit_write(const struct sqlgen_query *q, FILE *out) {
    fprintf(out, " {\n    store_op_begin(s, STORE_Q_%s);\n", q->name);
    emit_each_argument(q, "store_op", "s", takes_struct(q) ? "v->" : "", out);
    fputs("    return store_op_end(s);\n}\n", out);
}

/* The statements that fill row from the cursor. */
static void emit_fill(const struct sqlgen_query *q, FILE *out) {
    for (size_t i = 0; i < q->columns.n; i++) {
        const struct sqlgen_field *f = &q->columns.v[i];
        fprintf(out, "        row.%s = store_cursor_%s(c, %zu", f->name, suffix(f), i);
        if (f->type == SQLGEN_BLOB)
            fprintf(out, ", &row.%s_len", f->name);
        else if (f->nullable && f->type != SQLGEN_TEXT)
            fprintf(out, ", &row.%s_null", f->name);
        fputs(");\n", out);
    }
}

/* As emit_fill(), into *out, which owns what it gets. */
static void emit_take(const struct sqlgen_query *q, FILE *out) {
    for (size_t i = 0; i < q->columns.n; i++) {
        const struct sqlgen_field *f = &q->columns.v[i];
        switch (f->type) {
        case SQLGEN_INT:
        case SQLGEN_REAL:
            fprintf(out, "        out->%s = store_cursor_%s(c, %zu", f->name, suffix(f), i);
            if (f->nullable)
                fprintf(out, ", &out->%s_null", f->name);
            fputs(");\n", out);
            break;
        case SQLGEN_TEXT:
            fprintf(out, "        out->%s = xstrdup_null(store_cursor_%s(c, %zu));\n", f->name,
                    suffix(f), i);
            break;
        case SQLGEN_BLOB:
            fprintf(out,
                    "        out->%s = take_blob(store_cursor_%s(c, %zu, &out->%s_len), "
                    "&out->%s_len);\n",
                    f->name, suffix(f), i, f->name, f->name);
            break;
        }
    }
}

static void emit_read(const struct sqlgen_query *q, FILE *out) {
    if (q->kind == SQLGEN_ONE)
        fputs(" {\n    *out = (struct ", out);
    else
        fputs(" {\n", out);
    if (q->kind == SQLGEN_ONE)
        fprintf(out, "q_%s_row){0};\n", q->name);
    fprintf(out, "    struct store_cursor *c = store_cursor_open(r, STORE_Q_%s);\n", q->name);
    emit_each_argument(q, "store_cursor_bind", "c", "", out);
    if (q->kind == SQLGEN_MANY) {
        fprintf(out, "    while (store_cursor_step(c)) {\n        struct q_%s_row row = {0};\n",
                q->name);
        emit_fill(q, out);
        fputs("        if (!store_cursor_row_ok(c) || !fn(arg, &row))\n            break;\n"
              "    }\n    return store_cursor_close(c, why);\n}\n",
              out);
        return;
    }
    fputs("    bool found = store_cursor_step(c);\n    if (found) {\n", out);
    emit_take(q, out);
    fputs("    }\n    enum status st = store_cursor_close(c, why);\n", out);
    fprintf(out,
            "    if (st != STATUS_OK)\n        q_%s_free(out);\n"
            "    else if (!found)\n        st = STATUS_NOT_FOUND;\n"
            "    return st;\n}\n",
            q->name);
    fprintf(out, "\nvoid q_%s_free(struct q_%s_row *row) {\n", q->name, q->name);
    for (size_t i = 0; i < q->columns.n; i++)
        if (q->columns.v[i].type == SQLGEN_TEXT || q->columns.v[i].type == SQLGEN_BLOB)
            fprintf(out, "    x_free(&row->%s);\n", q->columns.v[i].name);
    fprintf(out, "    *row = (struct q_%s_row){0};\n}\n", q->name);
}

static bool owns_blob(const struct sqlgen *g) {
    for (size_t i = 0; i < g->nqueries; i++)
        if (g->queries[i].kind == SQLGEN_ONE)
            for (size_t j = 0; j < g->queries[i].columns.n; j++)
                if (g->queries[i].columns.v[j].type == SQLGEN_BLOB)
                    return true;
    return false;
}

void sqlgen_emit_source(const struct sqlgen *g, FILE *out, const char *header) {
    fprintf(out,
            "/* Generated by sqlgen from the query files; see store/sqlgen.h. */\n"
            "#include \"store/%s.h\"\n\n#include <string.h>\n\n"
            "#include \"base/mem.h\"\n#include \"store/query.h\"\n\n",
            header);
    emit_tables(g, out);
    if (owns_blob(g))
        fputs("\nstatic void *take_blob(const void *p, const size_t *n) {\n"
              "    return p ? memcpy(xmalloc(*n + 1), p, *n) : NULL;\n}\n",
              out);
    for (size_t i = 0; i < g->nqueries; i++) {
        const struct sqlgen_query *q = &g->queries[i];
        if (q->kind == SQLGEN_INTERNAL)
            continue;
        fputc('\n', out);
        emit_prototype(q, out);
        if (is_write(q))
            emit_write(q, out);
        else
            emit_read(q, out);
    }
}
