/* render: see render.h. */
#include "memory/render.h"

#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "base/utf8.h"
#include "store/queries.gen.h"

#define LINE_MAX_BYTES 300u /* of a memory's first line */

struct section {
    struct buf *out;
    int words, max_words, shown;
    bool full;
};

static int count_words(const char *s, size_t n) {
    int words = 0;
    for (size_t i = 0; i < n; i++)
        words += s[i] != ' ' && (i == 0 || s[i - 1] == ' ');
    return words;
}

static bool put_memory(void *arg, const struct q_memories_strongest_row *row) {
    struct section *s = arg;
    struct buf line = BUF_INIT, safe = BUF_INIT;
    char at[CLOCK_RFC3339_SIZE];
    size_t n = strcspn(row->content, "\r\n"), cut = utf8_cut(row->content, n, LINE_MAX_BYTES);
    clock_rfc3339(row->created_at, at);
    buf_puts(&line, "- ");
    if (row->person)
        buf_printf(&line, "%s: ", row->person);
    buf_append(&line, row->content, cut);
    buf_printf(&line, "%s (%.10s)\n", row->content[cut] ? "…" : "", at);
    utf8_append_visible(&safe, buf_str(&line), line.len);
    int words = count_words(buf_str(&safe), safe.len);
    s->full = s->words + words > s->max_words;
    if (!s->full) {
        buf_append(s->out, buf_str(&safe), safe.len);
        s->words += words;
        s->shown++;
    }
    buf_free(&line);
    buf_free(&safe);
    return !s->full;
}

struct live {
    const char *type;
    int64_t n;
};

static bool on_count(void *arg, const struct q_memory_counts_row *row) {
    struct live *l = arg;
    if (str_eq(row->type, l->type))
        l->n = row->live;
    return true;
}

static enum status put_section(struct store_read *r, enum memory_type type, int most,
                               struct section *s, struct cause *why) {
    struct buf body = BUF_INIT, *out = s->out;
    struct live live = {.type = memory_type_name(type)};
    int64_t cap = (int64_t)most * s->max_words / MEMORY_RENDER_WORDS;
    enum status st = q_memory_counts(r, on_count, &live, why);
    s->out = &body;
    s->shown = 0;
    if (st == STATUS_OK && live.n)
        st = q_memories_strongest(r, memory_type_name(type), cap > 0 ? cap : 1, put_memory, s, why);
    s->out = out;
    if (st == STATUS_OK && s->shown)
        buf_printf(out, "\n%s (%d of %lld)\n%s", memory_type_heading(type), s->shown,
                   (long long)live.n, buf_str(&body));
    buf_free(&body);
    return st;
}

enum status memory_render(struct store_read *r, int max_words, struct buf *out, struct cause *why) {
    static const struct {
        enum memory_type type;
        int most;
    } sections[] = {
#define X(type, most) {MEMORY_##type, most},
        MEMORY_RENDER_TABLE(X)
#undef X
    };
    struct section s = {.out = out, .max_words = max_words};
    enum status st = STATUS_OK;
    for (size_t i = 0; i < sizeof sections / sizeof sections[0] && st == STATUS_OK && !s.full; i++)
        st = put_section(r, sections[i].type, sections[i].most, &s, why);
    return st;
}
