/* near: see near.h. Words are runs of letters, digits and bytes beyond ASCII, in lower case as far
 * as ASCII goes; the index of words does the rest. */
#include "memory/near.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/str.h"
#include "memory/memory-internal.h"
#include "store/queries.gen.h"

#define WORDS_MAX 512u /* of a text that are compared */
#define ASKED_MAX 24u  /* words that candidates are looked for by: the longest are the rarest */
#define COMMON 64      /* a word of so many memories tells nothing */
#define CANDIDATES 512u
#define COMPARED 32u /* candidates with the most words in common that are read */

const char *memory_near_name(enum memory_near_kind k) {
    switch (k) {
#define X(id, text, what)                                                                          \
    case MEMORY_NEAR_##id:                                                                         \
        return text;
        MEMORY_NEAR_TABLE(X)
#undef X
    }
    return "?";
}

const char *memory_near_what(enum memory_near_kind k) {
    switch (k) {
#define X(id, text, what)                                                                          \
    case MEMORY_NEAR_##id:                                                                         \
        return what;
        MEMORY_NEAR_TABLE(X)
#undef X
    }
    return "?";
}

/* --- words --------------------------------------------------------------------------------------
 */

struct word {
    const char *s; /* in the text */
    size_t n;
    uint64_t hash;
    bool number, denies;
};

static bool in_word(char c) {
    unsigned char u = (unsigned char)c;
    return u >= 0x80 || (u >= '0' && u <= '9') || (u >= 'a' && u <= 'z') || (u >= 'A' && u <= 'Z');
}

static bool denies(const char *s) {
    static const char *const words[] = {"not",    "no",  "never",  "none",   "without",
                                        "cannot", "don", "doesn",  "isn",    "aren",
                                        "wasn",   "won", "nobody", "nothing"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (str_eq(s, words[i]))
            return true;
    return false;
}

static struct word word_of(const char *s, size_t n) {
    char low[64];
    struct word w = {.s = s, .n = n};
    size_t m = n < sizeof low - 1 ? n : sizeof low - 1;
    for (size_t i = 0; i < m; i++) {
        low[i] = (char)(s[i] >= 'A' && s[i] <= 'Z' ? s[i] + 'a' - 'A' : s[i]);
        w.number |= s[i] >= '0' && s[i] <= '9';
    }
    low[m] = '\0';
    w.hash = hash_bytes(low, m);
    w.denies = denies(low);
    return w;
}

static size_t split(const char *text, struct word out[WORDS_MAX]) {
    size_t n = 0;
    while (*text && n < WORDS_MAX) {
        size_t len = 0;
        while (in_word(text[len]))
            len++;
        if (len)
            out[n++] = word_of(text, len);
        text += len ? len : 1;
    }
    return n;
}

static int by_value(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Words and pairs of neighbours, each once, sorted. */
static size_t shingles(const struct word *w, size_t n, uint64_t out[2 * WORDS_MAX]) {
    size_t m = 0, kept = 0;
    for (size_t i = 0; i < n; i++) {
        out[m++] = w[i].hash;
        if (i + 1 < n)
            out[m++] = w[i].hash * UINT64_C(0x9e3779b97f4a7c15) ^ w[i + 1].hash;
    }
    qsort(out, m, sizeof *out, by_value);
    for (size_t i = 0; i < m; i++)
        if (i == 0 || out[i] != out[i - 1])
            out[kept++] = out[i];
    return kept;
}

static bool has(const struct word *w, size_t n, uint64_t hash) {
    for (size_t i = 0; i < n; i++)
        if (w[i].hash == hash)
            return true;
    return false;
}

/* What is in a and not in b. */
static void differ(const struct word *a, size_t n, const struct word *b, size_t m, bool *numbers,
                   bool *denial) {
    for (size_t i = 0; i < n; i++) {
        if (has(b, m, a[i].hash))
            continue;
        *numbers |= a[i].number;
        *denial |= a[i].denies;
    }
}

double memory_near_compare(const char *a, const char *b, enum memory_near_kind *kind) {
    struct word *wa = xcalloc(2 * WORDS_MAX, sizeof *wa), *wb = wa + WORDS_MAX;
    uint64_t *sa = xcalloc(4 * WORDS_MAX, sizeof *sa), *sb = sa + 2 * WORDS_MAX;
    size_t na = split(a, wa), nb = split(b, wb), common = 0;
    size_t ma = shingles(wa, na, sa), mb = shingles(wb, nb, sb);
    for (size_t i = 0, j = 0; i < ma && j < mb;) {
        common += sa[i] == sb[j];
        if (sa[i] < sb[j])
            i++;
        else if (sa[i] > sb[j])
            j++;
        else {
            i++;
            j++;
        }
    }
    double similarity = ma + mb > common ? (double)common / (double)(ma + mb - common) : 0;
    bool numbers = false, denial = false;
    differ(wa, na, wb, nb, &numbers, &denial);
    differ(wb, nb, wa, na, &numbers, &denial);
    *kind = denial                           ? MEMORY_NEAR_CONTRADICTION
            : numbers                        ? MEMORY_NEAR_UPDATE
            : similarity >= MEMORY_NEAR_SAME ? MEMORY_NEAR_DUPLICATE
                                             : MEMORY_NEAR_RELATED;
    x_free(&wa);
    x_free(&sa);
    return similarity;
}

/* --- candidates ---------------------------------------------------------------------------------
 */

struct candidate {
    int64_t n;
    unsigned words;
};

struct search {
    struct candidate *v;
    size_t n;
    size_t got; /* of the present word */
    int64_t rows[COMMON];
};

static bool on_row(void *arg, const struct q_memories_with_row *row) {
    struct search *s = arg;
    if (s->got < COMMON)
        s->rows[s->got++] = row->n;
    return true;
}

static void count(struct search *s, int64_t n) {
    for (size_t i = 0; i < s->n; i++)
        if (s->v[i].n == n) {
            s->v[i].words++;
            return;
        }
    if (s->n < CANDIDATES)
        s->v[s->n++] = (struct candidate){n, 1};
}

static int longest_first(const void *a, const void *b) {
    const struct word *x = a, *y = b;
    return x->n > y->n ? -1 : x->n < y->n ? 1 : x->s < y->s ? -1 : x->s > y->s;
}

static int most_words_first(const void *a, const void *b) {
    const struct candidate *x = a, *y = b;
    if (x->words != y->words)
        return x->words > y->words ? -1 : 1;
    return x->n < y->n ? -1 : x->n > y->n;
}

static enum status ask(struct search *s, struct store_read *r, const struct word *w,
                       struct cause *why) {
    char *match = xasprintf("\"%.*s\"", (int)w->n, w->s);
    s->got = 0;
    enum status st = q_memories_with(r, match, COMMON, on_row, s, why);
    x_free(&match);
    for (size_t i = 0; i < s->got && s->got < COMMON; i++)
        count(s, s->rows[i]);
    return st;
}

static enum status candidates(struct search *s, struct store_read *r, const char *text,
                              struct cause *why) {
    struct word *w = xcalloc(WORDS_MAX, sizeof *w);
    size_t n = split(text, w), asked = 0;
    enum status st = STATUS_OK;
    qsort(w, n, sizeof *w, longest_first);
    for (size_t i = 0; i < n && asked < ASKED_MAX && st == STATUS_OK; i++) {
        if (w[i].n > 60 || has(w, i, w[i].hash))
            continue;
        asked++;
        st = ask(s, r, &w[i], why);
    }
    qsort(s->v, s->n, sizeof *s->v, most_words_first);
    x_free(&w);
    return st;
}

/* --- the nearest --------------------------------------------------------------------------------
 */

static int nearest_first(const void *a, const void *b) {
    const struct memory_near *x = a, *y = b;
    if (x->similarity > y->similarity || x->similarity < y->similarity)
        return x->similarity > y->similarity ? -1 : 1;
    return strcmp(x->id, y->id);
}

static enum status look_at(struct store_read *r, const struct memory_near_query *q, int64_t n,
                           struct memory_near *v, size_t *found, struct cause *why) {
    struct q_memory_at_row row;
    struct memory_near near = {.similarity = 0};
    enum status st = q_memory_at(r, n, &row, why);
    if (st != STATUS_OK)
        return st == STATUS_NOT_FOUND ? STATUS_OK : st;
    bool fits = row.forgotten_at_null && !str_eq(row.id, q->except) &&
                str_eq(row.person, q->person) && strlen(row.id) < sizeof near.id &&
                memory_type_from_string(row.type, &near.type) == STATUS_OK &&
                (!q->type || near.type == *q->type);
    if (fits)
        near.similarity = memory_near_compare(q->content, row.content, &near.kind);
    if (near.similarity >= MEMORY_NEAR_LEAST) {
        strcpy(near.id, row.id);
        near.content = xstrdup(row.content);
        v[(*found)++] = near;
    }
    q_memory_at_free(&row);
    return STATUS_OK;
}

enum status memory_near_find(struct store_read *r, const struct memory_near_query *q,
                             struct memory_near **out, size_t *n, struct cause *why) {
    struct search *s = xcalloc(1, sizeof *s);
    struct memory_near *v = xcalloc(COMPARED, sizeof *v);
    size_t limit = q->limit < MEMORY_NEAR_MAX ? q->limit : MEMORY_NEAR_MAX;
    *n = 0;
    s->v = xcalloc(CANDIDATES, sizeof *s->v);
    enum status st = candidates(s, r, q->content, why);
    for (size_t i = 0; i < s->n && i < COMPARED && st == STATUS_OK; i++)
        st = look_at(r, q, s->v[i].n, v, n, why);
    qsort(v, *n, sizeof *v, nearest_first);
    for (; *n > limit; --*n)
        x_free(&v[*n - 1].content);
    x_free(&s->v);
    x_free(&s);
    *out = v;
    if (st != STATUS_OK) {
        memory_near_free(out, *n);
        *n = 0;
    }
    return st;
}

void memory_near_free(struct memory_near **v, size_t n) {
    for (size_t i = 0; *v && i < n; i++)
        x_free(&(*v)[i].content);
    x_free(v);
}

/* --- later --------------------------------------------------------------------------------------
 */

struct memory_near_job {
    char *path, *content, *person, *except;
    bool typed;
    enum memory_type type;
    size_t limit;
    struct memory_near *v;
    size_t n;
    enum status st;
    struct cause why;
    memory_near_fn *fn;
    void *arg;
};

static void near_work(void *input, const atomic_bool *cancelled) {
    struct memory_near_job *j = input;
    struct store_read *r = NULL;
    struct memory_near_query q = {.content = j->content,
                                  .person = j->person,
                                  .except = j->except,
                                  .type = j->typed ? &j->type : NULL,
                                  .limit = j->limit};
    if (*cancelled)
        return;
    j->st = store_open_readonly(j->path, &r, &j->why);
    if (j->st == STATUS_OK)
        j->st = memory_near_find(r, &q, &j->v, &j->n, &j->why);
    store_read_close(&r);
}

static void near_done(void *arg, void *input, bool cancelled) {
    struct memory_near_job *j = input;
    (void)arg;
    if (j->fn && !cancelled)
        j->fn(j->arg, j->v, j->n);
    memory_near_free(&j->v, j->n);
    x_free(&j->path);
    x_free(&j->content);
    x_free(&j->person);
    x_free(&j->except);
    x_free(&j);
}

enum status memory_near_later(struct memories *m, const struct memory_near_query *q,
                              memory_near_fn *fn, void *arg, struct memory_near_job **out,
                              struct cause *why) {
    struct memory_near_job *j = xcalloc(1, sizeof *j);
    j->path = xstrdup(store_path(m->store));
    j->content = xstrdup(q->content);
    j->person = xstrdup_null(q->person);
    j->except = xstrdup_null(q->except);
    j->typed = q->type != NULL;
    j->type = q->type ? *q->type : MEMORY_FACT;
    j->limit = q->limit;
    j->fn = fn;
    j->arg = arg;
    enum status st =
        m->jobs ? job_submit(m->jobs, "near memories", near_work, near_done, NULL, j, NULL, why)
                : cause_set(why, STATUS_UNAVAILABLE, "there is nobody to look");
    if (st != STATUS_OK) {
        near_done(NULL, j, true);
        return st;
    }
    *out = j;
    return STATUS_OK;
}

void memory_near_forget(struct memory_near_job **j) {
    if (*j)
        (*j)->fn = NULL;
    *j = NULL;
}
