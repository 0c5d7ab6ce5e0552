/* embed: a build tool. It turns the prompt texts of this folder into C, so that the program carries
 * them and the compiler knows their variables. It uses the C library only, since nothing else is
 * built yet when it runs.
 *
 *     embed -o OUT FILE.md...       writes OUT.c and OUT.h
 *
 * The first line of each file names its variables, `<!-- variables: task workspace -->` (none:
 * `<!-- variables: -->`); the text follows and says {{task}} where the value goes. A variable that
 * is used but not declared, declared but not used, or misspelt fails the build with file and line.
 *
 * A file `worker-task.md` becomes
 *
 *     extern const char prompt_worker_task[];                  the text, placeholders and all
 *     #define PROMPT_WORKER_TASK_VARIABLES(X) X(task) X(workspace)
 *     struct prompt_worker_task_vars { const char *task; const char *workspace; };
 *     void prompt_worker_task_render(struct buf *out, const struct prompt_worker_task_vars *vars);
 *
 * and without variables `void prompt_NAME_render(struct buf *out)`. Values go in as they are and
 * are not searched for placeholders. A member left NULL ends the program with its name: the
 * compiler does not warn of members that a designated initialiser leaves out. Who fills the struct
 * through the X-macro is told by the compiler. */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VARIABLES_MAX 32
#define NAME_MAX_LEN 64
#define TEXT_MAX (256 * 1024)

struct variable {
    char name[NAME_MAX_LEN];
    bool used;
};

struct prompt {
    const char *path;
    char name[NAME_MAX_LEN]; /* C identifier from the file's name */
    char *text;              /* what follows the first line */
    size_t len;
    struct variable vars[VARIABLES_MAX];
    unsigned var_count;
};

static bool failed;

/* Says what is wrong in the compilers' own format; the run goes on, to name every mistake at once.
 */
__attribute__((format(printf, 3, 4))) static void complain(const char *path, unsigned line,
                                                           const char *fmt, ...) {
    va_list ap;

    fprintf(stderr, "%s:%u: ", path, line);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    failed = true;
}

static void fail(const char *what, const char *path) {
    fprintf(stderr, "embed: %s %s: %s\n", what, path, strerror(errno));
    exit(1);
}

static bool name_start(char c) { return c >= 'a' && c <= 'z'; }

static bool name_char(char c) { return name_start(c) || (c >= '0' && c <= '9') || c == '_'; }

/* The length of the name at `s`: small letters, digits and underscores, a letter first; else 0. */
static size_t name_length(const char *s) {
    size_t n = 0;

    if (!name_start(*s))
        return 0;
    while (name_char(s[n]))
        n++;
    return n < NAME_MAX_LEN ? n : 0;
}

static struct variable *find_variable(struct prompt *p, const char *name, size_t len) {
    for (unsigned i = 0; i < p->var_count; i++)
        if (strlen(p->vars[i].name) == len && memcmp(p->vars[i].name, name, len) == 0)
            return &p->vars[i];
    return NULL;
}

/* The whole file, NUL-terminated. */
static char *read_file(const char *path, size_t *len) {
    FILE *f = fopen(path, "rb");
    char *text = malloc(TEXT_MAX + 1);

    if (f == NULL)
        fail("cannot open", path);
    if (text == NULL)
        fail("no memory for", path);
    *len = fread(text, 1, TEXT_MAX + 1, f);
    if (ferror(f))
        fail("cannot read", path);
    fclose(f);
    if (*len > TEXT_MAX) {
        fprintf(stderr, "%s: longer than %d bytes\n", path, TEXT_MAX);
        exit(1);
    }
    text[*len] = '\0';
    return text;
}

/* dir/worker-task.md -> worker_task */
static void name_from_path(struct prompt *p) {
    const char *slash = strrchr(p->path, '/');
    const char *base = slash != NULL ? slash + 1 : p->path;
    size_t len = strlen(base);

    if (len > 3 && len - 3 < NAME_MAX_LEN && strcmp(base + len - 3, ".md") == 0) {
        memcpy(p->name, base, len - 3);
        p->name[len - 3] = '\0';
        for (char *c = p->name; *c != '\0'; c++)
            if (*c == '-')
                *c = '_';
        if (name_length(p->name) == len - 3)
            return;
    }
    complain(p->path, 1, "a prompt's file is named like worker-task.md (a-z, 0-9, - and _)");
}

/* Reads `<!-- variables: a b -->` at the start of `text`; returns where the prompt itself begins.
 */
static const char *read_declaration(struct prompt *p, const char *text) {
    static const char opening[] = "<!-- variables:";
    const char *end = strchr(text, '\n');
    const char *s = text + sizeof opening - 1;

    if (end == NULL || strncmp(text, opening, sizeof opening - 1) != 0) {
        complain(p->path, 1, "the first line must be `<!-- variables: NAME... -->`");
        return end != NULL ? end + 1 : text + strlen(text);
    }
    for (;;) {
        size_t n;

        s += strspn(s, " ");
        if (strncmp(s, "-->\n", 4) == 0)
            return end + 1;
        n = name_length(s);
        if (n == 0 || s[n] != ' ') {
            complain(p->path, 1, "expected a variable's name (a-z, 0-9 and _) or `-->` at: %.*s",
                     (int)(end - s), s);
            return end + 1;
        }
        if (find_variable(p, s, n) != NULL) {
            complain(p->path, 1, "variable `%.*s` is declared twice", (int)n, s);
        } else if (p->var_count == VARIABLES_MAX) {
            complain(p->path, 1, "more than %d variables", VARIABLES_MAX);
            return end + 1;
        } else {
            memcpy(p->vars[p->var_count].name, s, n);
            p->vars[p->var_count++].name[n] = '\0';
        }
        s += n;
    }
}

/* If a placeholder stands at `s`, its whole length and its variable's name; else 0. */
static size_t placeholder(const char *s, const char **name, size_t *len) {
    if (s[0] != '{' || s[1] != '{')
        return 0;
    *name = s + 2;
    *len = name_length(*name);
    return *len > 0 && strncmp(*name + *len, "}}", 2) == 0 ? *len + 4 : 0;
}

static void check_text(struct prompt *p) {
    unsigned line = 2;

    for (size_t i = 0; i < p->len; i++) {
        const char *s = p->text + i;
        const char *name;
        size_t len, whole = placeholder(s, &name, &len);
        struct variable *v = whole > 0 ? find_variable(p, name, len) : NULL;

        if (*s == '\n') {
            line++;
        } else if (iscntrl((unsigned char)*s) && *s != '\t') {
            complain(p->path, line, "control character 0x%02x", (unsigned char)*s);
        } else if (v != NULL) {
            v->used = true;
            i += whole - 1;
        } else if (whole > 0) {
            complain(p->path, line, "variable `%.*s` is not declared in the first line", (int)len,
                     name);
            i += whole - 1;
        } else if (strncmp(s, "{{", 2) == 0) {
            complain(p->path, line, "`{{` that begins no {{variable}}");
            i++;
        }
    }
    if (strspn(p->text, " \t\n") == p->len)
        complain(p->path, line, "the prompt is empty");
    for (unsigned i = 0; i < p->var_count; i++)
        if (!p->vars[i].used)
            complain(p->path, 1, "variable `%s` is declared but never used", p->vars[i].name);
}

static void read_prompt(struct prompt *p, const char *path) {
    char *whole;
    size_t len;

    p->path = path;
    whole = read_file(path, &len);
    name_from_path(p);
    p->text = strdup(read_declaration(p, whole));
    if (p->text == NULL)
        fail("no memory for", path);
    /* A NUL in the file would end the text early: what is lost then is told as a mistake. */
    if (strlen(whole) != len)
        complain(path, 1, "the file holds a NUL byte");
    p->len = strlen(p->text);
    free(whole);
    check_text(p);
}

/* `n` bytes of text as C string literals, one a line. */
static void write_literal(FILE *f, const char *s, size_t n) {
    fputs("    \"", f);
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];

        if (c == '\n')
            fputs(i + 1 < n ? "\\n\"\n    \"" : "\\n", f);
        else if (c == '"' || c == '\\')
            fprintf(f, "\\%c", c);
        else if (c == '?') /* no trigraphs */
            fputs("\\?", f);
        else if (c < 0x20 || c >= 0x7f)
            fprintf(f, "\\%03o", c);
        else
            fputc(c, f);
    }
    fputc('"', f);
}

static void write_upper(FILE *f, const char *s) {
    for (; *s != '\0'; s++)
        fputc(toupper((unsigned char)*s), f);
}

static void write_declarations(FILE *f, const struct prompt *p) {
    fprintf(f, "\nextern const char prompt_%s[];\n", p->name);
    if (p->var_count == 0) {
        fprintf(f, "void prompt_%s_render(struct buf *out);\n", p->name);
        return;
    }
    fputs("#define PROMPT_", f);
    write_upper(f, p->name);
    fputs("_VARIABLES(X)", f);
    for (unsigned i = 0; i < p->var_count; i++)
        fprintf(f, " X(%s)", p->vars[i].name);
    fprintf(f, "\nstruct prompt_%s_vars {\n", p->name);
    for (unsigned i = 0; i < p->var_count; i++)
        fprintf(f, "    const char *%s;\n", p->vars[i].name);
    fprintf(f, "};\nvoid prompt_%s_render(struct buf *out, const struct prompt_%s_vars *vars);\n",
            p->name, p->name);
}

static void write_definitions(FILE *f, const struct prompt *p) {
    size_t from = 0;

    fprintf(f, "\nconst char prompt_%s[] =\n", p->name);
    write_literal(f, p->text, p->len);
    fprintf(f, ";\n\nvoid prompt_%s_render(struct buf *out", p->name);
    if (p->var_count > 0)
        fprintf(f, ", const struct prompt_%s_vars *vars", p->name);
    fputs(") {\n", f);
    for (size_t i = 0; i < p->len;) {
        const char *name;
        size_t len, whole = placeholder(p->text + i, &name, &len);

        if (whole == 0) {
            i++;
            continue;
        }
        if (i > from)
            fprintf(f, "    buf_append(out, prompt_%s + %zu, %zu);\n", p->name, from, i - from);
        fprintf(f, "    put(out, vars->%.*s, \"%s\", \"%.*s\");\n", (int)len, name, p->name,
                (int)len, name);
        i += whole;
        from = i;
    }
    if (p->len > from)
        fprintf(f, "    buf_append(out, prompt_%s + %zu, %zu);\n", p->name, from, p->len - from);
    fputs("}\n", f);
}

static void write_header(FILE *f, const struct prompt *prompts, unsigned count) {
    fputs("/* Written by embed from the prompt texts; changes here are lost. */\n"
          "#ifndef PROMPTS_GEN_H\n#define PROMPTS_GEN_H\n\nstruct buf;\n",
          f);
    for (unsigned i = 0; i < count; i++)
        write_declarations(f, &prompts[i]);
    fputs("\n#endif\n", f);
}

static void write_source(FILE *f, const struct prompt *prompts, unsigned count) {
    bool any = false;

    for (unsigned i = 0; i < count; i++)
        any = any || prompts[i].var_count > 0;
    fputs("/* Written by embed from the prompt texts; changes here are lost. */\n"
          "#include \"prompts/prompts.gen.h\"\n\n#include <stdio.h>\n#include <stdlib.h>\n\n"
          "#include \"base/buf.h\"\n",
          f);
    if (any)
        fputs(
            "\nstatic void put(struct buf *out, const char *value, const char *prompt, const char "
            "*variable) {\n"
            "    if (value == NULL) {\n"
            "        fprintf(stderr, \"prompt %s: variable %s was given no value\\n\", prompt, "
            "variable);\n"
            "        abort();\n"
            "    }\n"
            "    buf_puts(out, value);\n"
            "}\n",
            f);
    for (unsigned i = 0; i < count; i++)
        write_definitions(f, &prompts[i]);
}

/* A file appears whole or not at all: make takes what is there for finished. */
static void write_file(const char *out, const char *suffix, const struct prompt *prompts,
                       unsigned count, void (*write)(FILE *, const struct prompt *, unsigned)) {
    char path[4096], temporary[4096 + 8];
    FILE *f;

    if (snprintf(path, sizeof path, "%s%s", out, suffix) >= (int)sizeof path) {
        errno = ENAMETOOLONG;
        fail("cannot write", out);
    }
    snprintf(temporary, sizeof temporary, "%s.new", path);
    f = fopen(temporary, "w");
    if (f == NULL)
        fail("cannot write", temporary);
    write(f, prompts, count);
    if (ferror(f) || fclose(f) != 0)
        fail("cannot write", temporary);
    if (rename(temporary, path) != 0)
        fail("cannot rename to", path);
}

int main(int argc, char **argv) {
    struct prompt *prompts;
    unsigned count;

    if (argc < 4 || strcmp(argv[1], "-o") != 0) {
        fputs("usage: embed -o OUT FILE.md...\n", stderr);
        return 2;
    }
    count = (unsigned)argc - 3;
    prompts = calloc(count, sizeof *prompts);
    if (prompts == NULL)
        fail("no memory for", "the prompts");
    for (unsigned i = 0; i < count; i++) {
        read_prompt(&prompts[i], argv[i + 3]);
        for (unsigned j = 0; j < i; j++)
            if (strcmp(prompts[i].name, prompts[j].name) == 0)
                complain(prompts[i].path, 1, "the same name as %s", prompts[j].path);
    }
    if (!failed) {
        write_file(argv[2], ".c", prompts, count, write_source);
        write_file(argv[2], ".h", prompts, count, write_header);
    }
    for (unsigned i = 0; i < count; i++)
        free(prompts[i].text);
    free(prompts);
    return failed ? 1 : 0;
}
