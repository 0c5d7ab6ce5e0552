/* source: JSON lines, and which files of a folder are read. See source.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "base/utf8.h"
#include "memory/source-internal.h"

#define FILES_MAX 100000
#define DEPTH_MAX 32
#define MARKDOWN_MAX (16u * MEMORY_SOURCE_LINE_MAX)

/* --- items --------------------------------------------------------------------------------------
 */

static void add_where(struct memory_source *s, cJSON *o, long line) {
    char *where = xasprintf("%s:%ld", s->name, line);
    json_add_str(o, "where", where);
    x_free(&where);
}

cJSON *source_item(struct memory_source *s, long line, const char *id, enum memory_type type,
                   const char *content, const char *person, const char *from) {
    cJSON *o = json_new_obj();
    json_add_str(o, "kind", "memory");
    json_add_str(o, "id", id);
    json_add_str(o, "type", memory_type_name(type));
    json_add_str(o, "content", content);
    json_add_str(o, "person", person);
    json_add_str(o, "source", from);
    add_where(s, o, line);
    cJSON_AddItemToArray(s->items, o);
    return o;
}

void source_edge(struct memory_source *s, long line, const char *source, const char *target,
                 const char *relation, double weight) {
    cJSON *o = json_new_obj();
    json_add_str(o, "kind", "edge");
    json_add_str(o, "source", source);
    json_add_str(o, "target", target);
    json_add_str(o, "relation", relation);
    json_add_num(o, "weight", weight);
    add_where(s, o, line);
    cJSON_AddItemToArray(s->items, o);
}

void source_id(const char *what, const char *text, char id[ID_UUID_SIZE]) {
    char hex[SHA256_HEX_SIZE];
    struct sha256 h;
    sha256_init(&h);
    sha256_add(&h, what, strlen(what) + 1);
    sha256_add(&h, text, strlen(text));
    sha256_hex(&h, hex);
    hex[12] = '8'; /* a UUID of the kind that is made of something */
    hex[16] = 'a';
    snprintf(id, ID_UUID_SIZE, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16,
             hex + 20);
}

/* --- the reference MCP memory server ------------------------------------------------------------
 */

static bool is_person(const char *type) {
    static const char *const words[] = {"person", "human", "people", "user", "individual"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strcasecmp(type, words[i]) == 0)
            return true;
    return false;
}

/* An entity is one memory by its name, and one for each observation, which are part of it. A person
 * is an anchor with the observations as its lines. */
static enum status entity(struct memory_source *s, const cJSON *line, struct cause *why) {
    static const char from[] = "mcp-memory";
    const char *name = json_str(line, "name", NULL), *type = json_str(line, "entityType", "");
    const cJSON *observation;
    char hub[ID_UUID_SIZE], id[ID_UUID_SIZE];
    if (str_empty(name))
        return cause_set(why, STATUS_INVALID, "%s:%ld: an entity without a name", s->name, s->at);
    source_id("mcp entity", name, hub);
    struct buf text = BUF_INIT;
    if (is_person(type)) {
        cJSON_ArrayForEach(observation,
                           json_arr(line, "observations")) if (cJSON_IsString(observation))
            buf_printf(&text, "%s%s", text.len ? "\n" : "", observation->valuestring);
        if (!text.len)
            buf_puts(&text, name);
        source_item(s, s->at, hub, MEMORY_HUMAN, buf_str(&text), name, from);
        buf_free(&text);
        return STATUS_OK;
    }
    buf_puts(&text, name);
    if (*type)
        buf_printf(&text, " (%s)", type);
    source_item(s, s->at, hub, MEMORY_FACT, buf_str(&text), NULL, from);
    cJSON_ArrayForEach(observation, json_arr(line, "observations")) {
        if (!cJSON_IsString(observation) || !*observation->valuestring)
            continue;
        buf_reset(&text);
        buf_printf(&text, "%s: %s", name, observation->valuestring);
        source_id("mcp observation", buf_str(&text), id);
        source_item(s, s->at, id, MEMORY_FACT, buf_str(&text), NULL, from);
        source_edge(s, s->at, id, hub, "part_of", 0.8);
    }
    buf_free(&text);
    return STATUS_OK;
}

/* The two are linked, and how is a memory of its own: our relations are six, theirs any word. */
static enum status relation(struct memory_source *s, const cJSON *line, struct cause *why) {
    const char *a = json_str(line, "from", NULL), *b = json_str(line, "to", NULL);
    const char *how = json_str(line, "relationType", "related_to");
    char from[ID_UUID_SIZE], to[ID_UUID_SIZE], id[ID_UUID_SIZE];
    enum memory_relation known;
    if (str_empty(a) || str_empty(b))
        return cause_set(why, STATUS_INVALID, "%s:%ld: a relation needs from and to", s->name,
                         s->at);
    source_id("mcp entity", a, from);
    source_id("mcp entity", b, to);
    if (memory_relation_from_string(how, &known) == STATUS_OK) {
        source_edge(s, s->at, from, to, how, MEMORY_WEIGHT);
        return STATUS_OK;
    }
    char *text = xasprintf("%s %s %s", a, how, b);
    for (char *c = text + strlen(a); c < text + strlen(a) + strlen(how) + 1; c++)
        if (*c == '_')
            *c = ' ';
    source_id("mcp relation", text, id);
    source_item(s, s->at, id, MEMORY_FACT, text, NULL, "mcp-memory");
    source_edge(s, s->at, id, from, "related_to", 0.8);
    source_edge(s, s->at, id, to, "related_to", 0.8);
    if (strcmp(from, to) != 0)
        source_edge(s, s->at, from, to, "related_to", MEMORY_WEIGHT);
    x_free(&text);
    return STATUS_OK;
}

/* --- lines --------------------------------------------------------------------------------------
 */

static enum status take_line(struct memory_source *s, const char *text, size_t n,
                             struct cause *why) {
    cJSON *line = NULL;
    struct cause inner = {""};
    enum status st = json_parse(text, n, &line, &inner);
    if (st != STATUS_OK)
        return cause_set(why, STATUS_INVALID, "%s:%ld: %s", s->name, s->at, inner.text);
    const char *type = json_str(line, "type", ""), *kind = json_str(line, "kind", NULL);
    if (!kind && str_eq(type, "entity")) {
        st = entity(s, line, why);
    } else if (!kind && str_eq(type, "relation")) {
        st = relation(s, line, why);
    } else if (cJSON_IsObject(line) && (kind || json_str(line, "content", NULL))) {
        cJSON_DeleteItemFromObjectCaseSensitive(line, "where");
        add_where(s, line, s->at);
        cJSON_AddItemToArray(s->items, line);
        line = NULL;
    } else {
        st = cause_set(why, STATUS_INVALID,
                       "%s:%ld: neither a memory nor an edge, an entity or a relation", s->name,
                       s->at);
    }
    cJSON_Delete(line);
    return st;
}

static enum status next_line(struct memory_source *s, struct cause *why) {
    errno = 0;
    ssize_t n = getline(&s->line, &s->room, s->file);
    if (n < 0)
        return ferror(s->file) ? cause_errno(why, STATUS_IO, errno, "%s", s->name)
                               : STATUS_NOT_FOUND;
    s->at++;
    while (n && strchr(" \t\r\n", s->line[n - 1]))
        n--;
    if (n == 0)
        return STATUS_OK;
    if ((size_t)n > MEMORY_SOURCE_LINE_MAX)
        return cause_set(why, STATUS_INVALID, "%s:%ld: the line has over %u bytes", s->name, s->at,
                         MEMORY_SOURCE_LINE_MAX);
    return take_line(s, s->line, (size_t)n, why);
}

/* --- Markdown files -----------------------------------------------------------------------------
 */

static bool is_markdown(const char *name) {
    return str_suffix(name, ".md") || str_suffix(name, ".markdown");
}

/* Regular files only, no link is followed, and what is hidden stays so. */
static void walk(struct memory_source *s, const char *dir, int depth) {
    struct dirent **list;
    int n = scandir(dir, &list, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        char *path = xasprintf("%s/%s", dir, list[i]->d_name);
        struct stat sb;
        if (list[i]->d_name[0] != '.' && s->files.n < FILES_MAX && lstat(path, &sb) == 0) {
            if (S_ISDIR(sb.st_mode) && depth < DEPTH_MAX)
                walk(s, path, depth + 1);
            else if (S_ISREG(sb.st_mode) && is_markdown(path))
                strv_push(&s->files, path);
        }
        x_free(&path);
        free(list[i]);
    }
    if (n >= 0)
        free(list);
}

static enum status read_whole(const char *path, struct buf *out, int64_t *at_ms,
                              struct cause *why) {
    struct stat sb;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &sb) != 0) {
        int err = errno;
        if (fd >= 0)
            close(fd);
        return cause_errno(why, STATUS_INVALID, err, "%s", path);
    }
    *at_ms = (int64_t)sb.st_mtim.tv_sec * 1000 + sb.st_mtim.tv_nsec / 1000000;
    ssize_t n = 0;
    while (out->len <= MARKDOWN_MAX && (n = read(fd, buf_room(out, 65536), 65536)) > 0)
        buf_added(out, (size_t)n);
    int err = errno;
    close(fd);
    if (n < 0)
        return cause_errno(why, STATUS_INVALID, err, "%s", path);
    if (out->len > MARKDOWN_MAX)
        return cause_set(why, STATUS_INVALID, "%s: it has over %u bytes", path, MARKDOWN_MAX);
    if (memchr(buf_str(out), '\0', out->len) || !utf8_valid(buf_str(out), out->len))
        return cause_set(why, STATUS_INVALID, "%s: it is not text in UTF-8", path);
    return STATUS_OK;
}

static enum status next_file(struct memory_source *s, struct cause *why) {
    if (s->files.n == 0)
        return STATUS_NOT_FOUND;
    char *path = s->files.v[--s->files.n];
    s->files.v[s->files.n] = NULL;
    struct buf text = BUF_INIT;
    int64_t at_ms = 0;
    x_free(&s->name);
    s->name = path;
    enum status st = read_whole(path, &text, &at_ms, why);
    size_t n = s->root ? strlen(s->root) : 0;
    if (st == STATUS_OK)
        source_markdown(s, n ? path + n + (path[n] == '/') : path, buf_str(&text), at_ms);
    buf_free(&text);
    return st;
}

/* --- all of it ----------------------------------------------------------------------------------
 */

static void reverse(struct strv *v) {
    for (size_t i = 0; i < v->n / 2; i++) {
        char *t = v->v[i];
        v->v[i] = v->v[v->n - 1 - i];
        v->v[v->n - 1 - i] = t;
    }
}

enum status memory_source_open(const char *path, struct memory_source **out, struct cause *why) {
    struct stat sb;
    struct memory_source *s = xcalloc(1, sizeof *s);
    enum status st = STATUS_OK;
    s->items = json_new_arr();
    s->name = xstrdup(path);
    if (str_eq(path, "-")) {
        s->file = stdin;
        x_free(&s->name);
        s->name = xstrdup("standard input");
    } else if (stat(path, &sb) != 0) {
        st = cause_errno(why, STATUS_NOT_FOUND, errno, "%s", path);
    } else if (S_ISDIR(sb.st_mode)) {
        s->root = xstrdup(path);
        while (strlen(s->root) > 1 && str_suffix(s->root, "/"))
            s->root[strlen(s->root) - 1] = '\0';
        walk(s, s->root, 0);
        reverse(&s->files);
        if (s->files.n == 0)
            st = cause_set(why, STATUS_NOT_FOUND, "%s: there is no Markdown file (*.md) in it",
                           path);
    } else if (is_markdown(path)) {
        strv_push(&s->files, path);
    } else if (!(s->file = fopen(path, "re"))) {
        st = cause_errno(why, STATUS_IO, errno, "%s", path);
    }
    if (st != STATUS_OK)
        memory_source_close(&s);
    *out = s;
    return st;
}

enum status memory_source_next(struct memory_source *s, cJSON **item, struct cause *why) {
    *item = NULL;
    while (!s->items->child) {
        enum status st = s->file ? next_line(s, why) : next_file(s, why);
        if (st != STATUS_OK)
            return st;
    }
    *item = cJSON_DetachItemViaPointer(s->items, s->items->child);
    return STATUS_OK;
}

void memory_source_close(struct memory_source **sp) {
    struct memory_source *s = *sp;
    if (!s)
        return;
    if (s->file && s->file != stdin)
        fclose(s->file);
    free(s->line);
    strv_free(&s->files);
    cJSON_Delete(s->items);
    x_free(&s->name);
    x_free(&s->root);
    x_free(sp);
}
