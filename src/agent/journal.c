/* journal: an ordered, bounded list of entries. Entries are pointers so that one that is being
 * streamed into stays where it is while others are added; the oldest closed ones go first when a
 * bound is passed. */
#include "agent/journal.h"

#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/utf8.h"

#define SHARE_BACK 16u /* the newest entries are looked at */
#define SHARE_MIN 256u /* bytes: less is not worth the holding */

static const char cut_notice[] = "\n[cut here: the rest is too long to keep]";

const char *journal_kind_name(enum journal_kind k) {
    switch (k) {
#define X(name, text)                                                                              \
    case JOURNAL_##name:                                                                           \
        return text;
        JOURNAL_KIND_TABLE(X)
#undef X
    }
    return "?";
}

enum status journal_kind_from_string(const char *s, enum journal_kind *out) {
#define X(name, text)                                                                              \
    if (s && strcmp(s, text) == 0) {                                                               \
        *out = JOURNAL_##name;                                                                     \
        return STATUS_OK;                                                                          \
    }
    JOURNAL_KIND_TABLE(X)
#undef X
    return STATUS_INVALID;
}

void journal_init(struct journal *j) { *j = (struct journal){.next_seq = 1}; }

static size_t entry_bytes(const struct journal_entry *e) {
    return sizeof *e + e->text.len + e->result.len + (e->title ? strlen(e->title) : 0) +
           (e->ref ? strlen(e->ref) : 0);
}

/* Empty, whoever's the bytes were. */
static void forget(struct buf *b, const char **shared) {
    if (*shared)
        *b = (struct buf)BUF_INIT;
    else
        buf_reset(b);
    text_drop(shared);
}

static void entry_free(struct journal_entry *e) {
    x_free(&e->title);
    x_free(&e->ref);
    forget(&e->text, &e->shared_text);
    forget(&e->result, &e->shared_result);
    buf_free(&e->text);
    buf_free(&e->result);
    x_free(&e);
}

void journal_free(struct journal *j) {
    for (size_t i = 0; i < j->n; i++)
        entry_free(j->v[i]);
    x_free(&j->v);
    *j = (struct journal){.next_seq = 1};
}

/* Drops the oldest closed entries until both bounds hold; a quarter at a time, so that the array is
 * moved rarely. */
static void journal_trim(struct journal *j) {
    if (j->n < JOURNAL_ENTRIES_MAX && j->bytes < JOURNAL_BYTES_MAX)
        return;
    size_t entries_goal = JOURNAL_ENTRIES_MAX / 4 * 3, bytes_goal = JOURNAL_BYTES_MAX / 4 * 3;
    size_t kept = 0, left = j->n;
    for (size_t i = 0; i < j->n; i++) {
        struct journal_entry *e = j->v[i];
        if (!e->open && (left > entries_goal || j->bytes > bytes_goal)) {
            j->bytes -= entry_bytes(e);
            entry_free(e);
            j->dropped++;
            left--;
        } else {
            j->v[kept++] = e;
        }
    }
    j->n = kept;
}

struct journal_entry *journal_open(struct journal *j, enum journal_kind kind, const char *title,
                                   const char *ref) {
    journal_trim(j);
    if (j->n == j->cap) {
        j->cap = j->cap ? j->cap * 2 : 16;
        j->v = xreallocarray(j->v, j->cap, sizeof *j->v);
    }
    struct journal_entry *e = xcalloc(1, sizeof *e);
    e->seq = j->next_seq++;
    e->kind = kind;
    e->at_ms = clock_wall_ms();
    e->title = xstrdup_null(title);
    e->ref = xstrdup_null(ref);
    e->open = true;
    e->version = ++j->version;
    j->v[j->n++] = e;
    j->bytes += entry_bytes(e);
    return e;
}

void journal_append(struct journal *j, struct journal_entry *e, const char *text, size_t n) {
    if (e->text.len >= JOURNAL_ENTRY_MAX || n == 0)
        return;
    if (e->shared_text) {
        struct buf own = BUF_INIT;
        buf_append(&own, e->text.data, e->text.len);
        forget(&e->text, &e->shared_text);
        e->text = own;
    }
    size_t room = JOURNAL_ENTRY_MAX - e->text.len, before = e->text.len;
    if (n > room) {
        buf_append(&e->text, text, utf8_cut(text, n, room));
        buf_puts(&e->text, cut_notice);
    } else {
        buf_append(&e->text, text, n);
    }
    j->bytes += e->text.len - before;
    e->version = ++j->version;
}

void journal_close(struct journal *j, struct journal_entry *e) {
    if (!e->open)
        return;
    e->open = false;
    buf_fit(&e->text);
    e->ended_ms = clock_wall_ms();
    e->version = ++j->version;
}

void journal_set_text(struct journal *j, struct journal_entry *e, const char *text, size_t n) {
    if (e->text.len == n && (n == 0 || memcmp(e->text.data, text, n) == 0))
        return;
    j->bytes -= e->text.len;
    forget(&e->text, &e->shared_text);
    e->version = ++j->version;
    journal_append(j, e, text, n);
}

void journal_set_result(struct journal *j, struct journal_entry *e, const char *text, size_t n) {
    size_t before = e->result.len;
    forget(&e->result, &e->shared_result);
    buf_append(&e->result, text, utf8_cut(text, n, JOURNAL_ENTRY_MAX));
    j->bytes += e->result.len - before;
    e->version = ++j->version;
}

void journal_set_ref(struct journal *j, struct journal_entry *e, const char *ref) {
    j->bytes -= e->ref ? strlen(e->ref) : 0;
    x_free(&e->ref);
    e->ref = xstrdup(ref);
    j->bytes += strlen(ref);
    e->version = ++j->version;
}

static void share(struct buf *b, const char **shared, const char *text) {
    size_t n = text_len(text);
    if (*shared || b->len != n || memcmp(b->data, text, n) != 0)
        return;
    buf_free(b);
    mem_released(n);
    *shared = text_keep(text);
    /* Nobody writes through it: append, set and free look at `shared` first. */
    *b = (struct buf){.data = (char *)text, .len = n};
}

void journal_share(struct journal *j, const char *text) {
    if (!text || text_len(text) < SHARE_MIN)
        return;
    for (size_t i = j->n; i-- > 0 && j->n - i <= SHARE_BACK;) {
        struct journal_entry *e = j->v[i];
        if (e->open)
            continue;
        share(&e->text, &e->shared_text, text);
        share(&e->result, &e->shared_result, text);
    }
}

struct journal_entry *journal_find(const struct journal *j, uint64_t seq) {
    size_t lo = 0, hi = j->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (j->v[mid]->seq < seq)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < j->n && j->v[lo]->seq == seq ? j->v[lo] : NULL;
}

struct journal_entry *journal_last(const struct journal *j, enum journal_kind kind) {
    for (size_t i = j->n; i-- > 0;)
        if (j->v[i]->kind == kind)
            return j->v[i];
    return NULL;
}

static void member_str(struct buf *out, const char *key, const char *s, size_t n) {
    buf_printf(out, ",\"%s\":", key);
    if (s)
        json_quote(out, s, n);
    else
        buf_puts(out, "null");
}

void journal_entry_json(const struct journal_entry *e, struct buf *out) {
    char at[CLOCK_RFC3339_SIZE];
    clock_rfc3339(e->at_ms, at);
    buf_printf(out, "{\"seq\":%llu,\"ts\":\"%s\",\"kind\":\"%s\"", (unsigned long long)e->seq, at,
               journal_kind_name(e->kind));
    if (e->title)
        member_str(out, "title", e->title, strlen(e->title));
    if (e->ref)
        member_str(out, "ref", e->ref, strlen(e->ref));
    member_str(out, "text", buf_str(&e->text), e->text.len);
    if (e->result.len)
        member_str(out, "result", buf_str(&e->result), e->result.len);
    if (e->ended_ms)
        buf_printf(out, ",\"elapsed_ms\":%lld", (long long)(e->ended_ms - e->at_ms));
    if (e->is_error)
        buf_puts(out, ",\"is_error\":true");
    if (e->interrupted)
        buf_puts(out, ",\"interrupted\":true");
    if (e->open)
        buf_puts(out, ",\"open\":true");
    buf_putc(out, '}');
}
