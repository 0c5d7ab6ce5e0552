/* source_markdown: notes as people keep them. Each list item is a memory, with what is indented
 * below it; the text of a section is one, too. What stands above (the headings) is said in front,
 * so that each can be understood by itself. A heading or the front matter may name a type. */
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "memory/source-internal.h"

#define LEVELS 6

struct front {
    bool typed;
    enum memory_type type;
    char *person;
    int64_t at_ms;
    double importance; /* < 0: none */
};

struct reader {
    struct memory_source *s;
    const char *name;
    struct front front;
    char *headings[LEVELS];
    bool typed; /* a heading above says so */
    enum memory_type type;
    struct buf text, item; /* of the section; of the list item that is read */
    long text_line, item_line;
    size_t indent; /* where the item's own text begins */
    bool todo, done, fenced;
};

/* --- words --------------------------------------------------------------------------------------
 */

/* "Decisions", "decision", "To do", "todo". */
static bool type_of_words(const char *s, enum memory_type *out) {
#define X(id, text, importance, what, heading)                                                     \
    if (strcasecmp(s, text) == 0 || strcasecmp(s, heading) == 0) {                                 \
        *out = MEMORY_##id;                                                                        \
        return true;                                                                               \
    }
    MEMORY_TYPE_TABLE(X)
#undef X
    bool todo = strcasecmp(s, "todos") == 0 || strcasecmp(s, "tasks") == 0;
    if (todo)
        *out = MEMORY_TODO;
    return todo;
}

static size_t blanks(const char *line) { return strspn(line, " \t"); }

/* The length of "- ", "* ", "+ " or "12. " at the beginning; 0: none. */
static size_t bullet(const char *line) {
    size_t n = strspn(line, "0123456789");
    if (n == 0 && *line && strchr("-*+", *line))
        n = 1;
    else if (n && n < 10 && (line[n] == '.' || line[n] == ')'))
        n++;
    else
        return 0;
    return line[n] == ' ' || line[n] == '\t' ? n + blanks(line + n) : 0;
}

static size_t heading(const char *line) {
    size_t n = strspn(line, "#");
    return n && n <= LEVELS && (line[n] == ' ' || line[n] == '\t') ? n : 0;
}

/* --- what has been read -------------------------------------------------------------------------
 */

static void put_path(struct reader *r, struct buf *out) {
    for (size_t i = 0; i < LEVELS; i++)
        if (r->headings[i])
            buf_printf(out, "%s%s", out->len ? " > " : "", r->headings[i]);
}

static enum memory_type type_of(const struct reader *r) {
    if (r->todo)
        return MEMORY_TODO;
    if (r->done)
        return MEMORY_EVENT;
    enum memory_type t = r->typed ? r->type : r->front.typed ? r->front.type : MEMORY_FACT;
    return t == MEMORY_HUMAN && !r->front.person ? MEMORY_FACT : t;
}

static void give(struct reader *r, struct buf *text, long line, const char *between) {
    struct buf whole = BUF_INIT;
    char *from = xasprintf("file:%.*s", (int)(MEMORY_TEXT_MAX - 8), r->name), id[ID_UUID_SIZE];
    while (text->len && strchr(" \t\r\n", text->data[text->len - 1]))
        buf_truncate(text, text->len - 1);
    if (text->len) {
        put_path(r, &whole);
        if (whole.len)
            buf_puts(&whole, between);
        if (r->done)
            buf_puts(&whole, "(done) ");
        buf_append(&whole, text->data, text->len);
        source_id("markdown", buf_str(&whole), id);
        cJSON *o = source_item(r->s, line, id, type_of(r), buf_str(&whole), r->front.person, from);
        char at[CLOCK_RFC3339_SIZE];
        clock_rfc3339(r->front.at_ms, at);
        json_add_str(o, "created_at", at);
        if (r->front.importance >= 0)
            json_add_num(o, "importance", r->front.importance);
    }
    buf_reset(text);
    buf_free(&whole);
    x_free(&from);
}

static void end_item(struct reader *r) {
    give(r, &r->item, r->item_line, ": ");
    r->todo = r->done = false;
}

static void end_section(struct reader *r) {
    end_item(r);
    give(r, &r->text, r->text_line, "\n\n");
}

static void begin_heading(struct reader *r, size_t level, const char *words) {
    size_t n = strlen(words);
    end_section(r);
    while (n && strchr("# \t", words[n - 1]))
        n--;
    for (size_t i = level - 1; i < LEVELS; i++)
        x_free(&r->headings[i]);
    r->headings[level - 1] = n ? xstrndup(words, n) : NULL;
    r->typed = false;
    for (size_t i = 0; i < LEVELS; i++) {
        enum memory_type t;
        if (r->headings[i] && type_of_words(r->headings[i], &t)) {
            r->type = t;
            r->typed = true;
        }
    }
}

static void begin_item(struct reader *r, const char *words, long line) {
    end_item(r);
    r->item_line = line;
    if (strncmp(words, "[ ] ", 4) == 0 || strncasecmp(words, "[x] ", 4) == 0) {
        r->done = words[1] != ' ';
        r->todo = !r->done;
        words += 4;
    }
    buf_puts(&r->item, words);
}

/* --- lines --------------------------------------------------------------------------------------
 */

static void more_text(struct reader *r, const char *line, long number) {
    if (!r->text.len) {
        r->text_line = number;
        line += *line ? 0 : strlen(line);
    }
    if (r->text.len || *line)
        buf_printf(&r->text, "%s\n", line);
}

static void take(struct reader *r, const char *line, long number) {
    size_t space = blanks(line), level = r->fenced ? 0 : heading(line);
    size_t mark = r->fenced || space > 3 ? 0 : bullet(line + space);
    bool inside = r->item.len && (space >= 2 || !line[space] || r->fenced);
    bool fence = strncmp(line + space, "```", 3) == 0 || strncmp(line + space, "~~~", 3) == 0;
    if (level)
        begin_heading(r, level, line + level + blanks(line + level));
    else if (mark && (space < 2 || !r->item.len))
        begin_item(r, line + space + mark, number);
    else if (inside)
        buf_printf(&r->item, "\n%s", line[space] ? line + (space >= 2 ? 2 : 0) : "");
    else {
        end_item(r);
        more_text(r, line, number);
    }
    if (fence)
        r->fenced = !r->fenced;
}

/* "key: value" lines between two "---"; returns what is behind them. */
static const char *front_matter(struct front *f, const char *text, long *line) {
    if (strncmp(text, "---\n", 4) != 0)
        return text;
    const char *end = strstr(text + 3, "\n---");
    if (!end)
        return text;
    for (const char *at = text + 4; at <= end; at = strchr(at, '\n') + 1, ++*line) {
        size_t n = strcspn(at, "\n"), key = strcspn(at, ":\n");
        if (key >= n)
            continue;
        const char *from = at + key + 1 + strspn(at + key + 1, " \t\"'");
        size_t len = (size_t)(at + n - from);
        while (len && strchr(" \t\r\"'", from[len - 1]))
            len--;
        char *value = xstrndup(from, len);
        double number;
        if (key == 4 && !strncmp(at, "type", 4))
            f->typed = type_of_words(value, &f->type);
        else if (key == 6 && !strncmp(at, "person", 6) && len && len <= MEMORY_TEXT_MAX) {
            x_free(&f->person);
            f->person = xstrdup(value);
        } else if (key == 10 && !strncmp(at, "importance", 10) &&
                   str_to_double(value, &number) == STATUS_OK && number >= 0 && number <= 1)
            f->importance = number;
        else if ((key == 4 && !strncmp(at, "date", 4)) || (key == 7 && !strncmp(at, "created", 7)))
            (void)clock_parse(value, &f->at_ms);
        x_free(&value);
    }
    *line += 2;
    end += 4;
    return end + strcspn(end, "\n") + (end[strcspn(end, "\n")] == '\n');
}

void source_markdown(struct memory_source *s, const char *name, const char *text, int64_t at_ms) {
    struct reader r = {.s = s, .name = name, .front = {.at_ms = at_ms, .importance = -1}};
    long number = 1;
    text = front_matter(&r.front, text, &number);
    for (; *text; number++) {
        size_t n = strcspn(text, "\n");
        char *line = xstrndup(text, n && text[n - 1] == '\r' ? n - 1 : n);
        take(&r, line, number);
        x_free(&line);
        text += n + (text[n] == '\n');
    }
    end_section(&r);
    for (size_t i = 0; i < LEVELS; i++)
        x_free(&r.headings[i]);
    x_free(&r.front.person);
    buf_free(&r.text);
    buf_free(&r.item);
}
