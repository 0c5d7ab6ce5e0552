/* recall_query: what a question asks for: its words with their weights, dates, names of people, and
 * pieces of text that are to be found as they stand. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "memory/recall-internal.h"
#include "store/queries.gen.h"

#define PEOPLE_LOOKED_AT 2000

/* What a word weighs beside one of content. Words of grammar are not thrown away: "how many", "did"
 * and "would" tell a little, and in a large store they are common and cost nothing. A name of
 * somebody who takes part stands in greetings more than in what is asked for. */
#define WEIGHT_LIGHT 0.36
#define WEIGHT_NAME 0.37
#define WEIGHT_NUMBER 1.35
#define WEIGHT_DATE 0.5
/* Any word that tells a time, where a time is asked for. */
#define WEIGHT_TIME 0.8

/* In the order of strcmp(). Pieces of "didn't" and its like are here too. */
static const char *const light_words[] = {
    "a",       "about", "after",  "again",   "all",     "also",   "am",      "an",      "and",
    "any",     "are",   "aren",   "as",      "at",      "be",     "because", "been",    "before",
    "being",   "both",  "but",    "by",      "can",     "cannot", "could",   "couldn",  "d",
    "did",     "didn",  "do",     "does",    "doesn",   "doing",  "don",     "down",    "during",
    "each",    "few",   "for",    "from",    "further", "had",    "hadn",    "has",     "hasn",
    "have",    "haven", "having", "he",      "her",     "here",   "hers",    "herself", "him",
    "himself", "his",   "how",    "i",       "if",      "in",     "into",    "is",      "isn",
    "it",      "its",   "itself", "just",    "let",     "ll",     "m",       "may",     "me",
    "might",   "more",  "most",   "must",    "my",      "myself", "no",      "nor",     "not",
    "of",      "off",   "on",     "once",    "only",    "or",     "other",   "our",     "ours",
    "out",     "over",  "own",    "re",      "s",       "same",   "shall",   "she",     "should",
    "so",      "some",  "such",   "t",       "than",    "that",   "the",     "their",   "theirs",
    "them",    "then",  "there",  "these",   "they",    "this",   "those",   "through", "to",
    "too",     "under", "until",  "up",      "upon",    "us",     "ve",      "very",    "was",
    "wasn",    "we",    "were",   "weren",   "what",    "when",   "where",   "which",   "while",
    "who",     "whom",  "whose",  "why",     "will",    "with",   "won",     "would",   "wouldn",
    "you",     "your",  "yours",  "yourself"};

static int compare(const void *a, const void *b) { return strcmp(a, *(const char *const *)b); }

bool recall_is_light(const char *word, size_t n) {
    char low[12];
    if (n >= sizeof low)
        return false;
    for (size_t i = 0; i < n; i++)
        low[i] = (char)tolower((unsigned char)word[i]);
    low[n] = '\0';
    return bsearch(low, light_words, ARRAY_LEN(light_words), sizeof light_words[0], compare) !=
           NULL;
}

double recall_fit(const struct recall_question *q, int64_t at, size_t *which) {
    double best = 0;
    for (size_t i = 0; i < q->ndates; i++) {
        double fit = recall_date_fit(&q->dates[i], at);
        if (fit > best) {
            best = fit;
            if (which)
                *which = i;
        }
    }
    return best;
}

/* ---- words ---- */

struct taking {
    struct recall_question *q;
    const char *text;
    bool light; /* which of them are taken in this pass */
};

static bool in_date(const struct recall_question *q, size_t start, size_t end) {
    for (size_t i = 0; i < q->ndates; i++)
        if (start < q->dates[i].end && end > q->dates[i].start)
            return true;
    return false;
}

static bool is_number(const char *stem) { return stem[strspn(stem, "0123456789")] == '\0'; }

static bool on_word(void *arg, const char *stem, size_t start, size_t end) {
    struct taking *t = arg;
    struct recall_question *q = t->q;
    bool light = recall_is_light(t->text + start, end - start);
    if (light != t->light)
        return true;
    for (size_t i = 0; i < q->nterms; i++)
        if (!strcmp(q->terms[i].stem, stem))
            return true;
    if (q->nterms == RECALL_TERMS_MAX)
        return false;
    struct recall_term *term = &q->terms[q->nterms++];
    *term = (struct recall_term){.light = light, .forms = recall_forms(stem)};
    memcpy(term->stem, stem, strlen(stem) + 1);
    size_t n = utf8_cut(t->text + start, end - start, RECALL_WORD_MAX - 1);
    memcpy(term->word, t->text + start, n);
    term->weight = light                    ? WEIGHT_LIGHT
                   : in_date(q, start, end) ? WEIGHT_DATE
                   : is_number(stem)        ? WEIGHT_NUMBER
                                            : 1;
    return true;
}

/* "when", "what day", "how long ago": the answer has a time in it. */
static void ask_when(struct recall_question *q, const char *s, size_t n) {
    static const char *const what[] = {"what", "which"}, *const unit[] = {"date",  "day",  "week",
                                                                          "month", "year", "time"};
    char low[RECALL_TEXT_MAX + 1];
    bool when = false;
    for (size_t i = 0; i < n; i++)
        low[i] = (char)(isalnum((unsigned char)s[i]) ? tolower((unsigned char)s[i]) : ' ');
    low[n] = '\0';
    when |= !strncmp(low, "when ", 5) || strstr(low, " when ") || strstr(low, "how long ago");
    for (size_t i = 0; i < ARRAY_LEN(what) * ARRAY_LEN(unit); i++) {
        char both[16];
        snprintf(both, sizeof both, "%s %s", what[i % 2], unit[i / 2]);
        when |= strstr(low, both) != NULL;
    }
    if (!when || q->nterms == RECALL_TERMS_MAX)
        return;
    q->terms[q->nterms++] = (struct recall_term){.weight = WEIGHT_TIME,
                                                 .light = true,
                                                 .stem = "when",
                                                 .word = "when",
                                                 .forms = recall_times};
}

/* ---- people ---- */

struct naming {
    struct recall_question *q;
    struct words *w;
    int64_t person;
    const char *name;
    struct cause *why;
};

static bool on_name_word(void *arg, const char *stem, size_t start, size_t end) {
    struct naming *n = arg;
    struct recall_question *q = n->q;
    if (recall_is_light(n->name + start, end - start))
        return true;
    for (size_t i = 0; i < q->nterms; i++) {
        if (strcmp(q->terms[i].stem, stem) != 0)
            continue;
        q->terms[i].name = true;
        if (!q->terms[i].light)
            q->terms[i].weight = WEIGHT_NAME;
        if (q->npeople == RECALL_PEOPLE_MAX ||
            (q->npeople && q->people[q->npeople - 1] == n->person))
            return true;
        size_t len = utf8_cut(n->name, strlen(n->name), RECALL_WORD_MAX - 1);
        memcpy(q->names[q->npeople], n->name, len);
        q->names[q->npeople][len] = '\0';
        q->people[q->npeople++] = n->person;
    }
    return true;
}

static bool on_person(void *arg, const struct q_recall_people_row *row) {
    struct naming *n = arg;
    n->person = row->n;
    n->name = row->name;
    return words_each(n->w, row->name, strlen(row->name), on_name_word, n, n->why) == STATUS_OK;
}

/* ---- pieces ---- */

/* Chinese, Japanese, Korean, Thai, ...: written without blanks, so that a "word" of the index is a
 * whole sentence. */
static bool is_unspaced(uint32_t cp) {
    return (cp >= 0x0e00 && cp <= 0x0eff) || (cp >= 0x1000 && cp <= 0x109f) ||
           (cp >= 0x1780 && cp <= 0x17ff) || (cp >= 0x3040 && cp <= 0x30ff) ||
           (cp >= 0x3400 && cp <= 0x9fff) || (cp >= 0xac00 && cp <= 0xd7af) ||
           (cp >= 0xf900 && cp <= 0xfaff) || (cp >= 0x20000 && cp <= 0x3ffff);
}

static void add_piece(struct recall_question *q, const char *s, size_t n) {
    for (size_t i = 0; i < q->npieces; i++)
        if (strlen(q->pieces[i]) == n && !memcmp(q->pieces[i], s, n))
            return;
    if (q->npieces < RECALL_PIECES_MAX && n)
        q->pieces[q->npieces++] = xstrndup(s, n);
}

/* A run of characters without blanks between: all its threes, or all of it where it is shorter. */
static void add_run(struct recall_question *q, const char *s, size_t n) {
    size_t starts[RECALL_PIECES_MAX + 3], count = 0;
    for (size_t i = 0; i < n && count < ARRAY_LEN(starts);) {
        uint32_t cp;
        starts[count++] = i;
        i += (size_t)utf8_decode(s + i, n - i, &cp);
    }
    if (count <= 3)
        add_piece(q, s, n);
    for (size_t i = 0; count > 3 && i + 3 <= count; i++)
        add_piece(q, s + starts[i], (i + 3 < count ? starts[i + 3] : n) - starts[i]);
}

static void find_runs(struct recall_question *q, const char *s, size_t n) {
    size_t start = n;
    for (size_t i = 0; i <= n;) {
        uint32_t cp = 0;
        int len = i < n ? utf8_decode(s + i, n - i, &cp) : 0;
        bool unspaced = len > 0 && is_unspaced(cp);
        if (unspaced && start == n)
            start = i;
        if (!unspaced && start < n) {
            add_run(q, s + start, i - start);
            start = n;
        }
        i += len > 0 ? (size_t)len : 1;
    }
}

/* "quoted", foo_bar, src/main.c, x86-64, getName, 10.0.0.1: what the index of words takes apart. */
static bool is_identifier(const char *s, size_t n) {
    bool joined = false, alnum = false;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        alnum |= isalnum(c) != 0;
        joined |= i && i + 1 < n && strchr("_./:-@#+", c) != NULL;
        joined |= i && islower((unsigned char)s[i - 1]) && isupper(c);
        joined |= i && isalpha((unsigned char)s[i - 1]) && isdigit(c);
    }
    return joined && alnum && n >= 3;
}

static void find_identifiers(struct recall_question *q, const char *s, size_t n) {
    for (size_t i = 0; i < n;) {
        size_t end = i;
        while (end < n && !isspace((unsigned char)s[end]))
            end++;
        size_t a = i, b = end;
        while (a < b && strchr("\"'`([{<,;:!?.)]}>", s[a]))
            a++;
        while (b > a && strchr("\"'`([{<,;:!?.)]}>", s[b - 1]))
            b--;
        if (is_identifier(s + a, b - a))
            add_piece(q, s + a, b - a);
        i = end + 1;
    }
}

static void find_quotations(struct recall_question *q, const char *s, size_t n) {
    for (const char *at = memchr(s, '"', n); at;) {
        const char *end = memchr(at + 1, '"', (size_t)(s + n - at - 1));
        if (!end)
            return;
        if (end - at > 2)
            add_piece(q, at + 1, (size_t)(end - at - 1));
        at = memchr(end + 1, '"', (size_t)(s + n - end - 1));
    }
}

/* ---- the whole ---- */

enum status recall_understand(struct store_read *r, struct words *w, const struct recall_query *q,
                              struct recall_question *out, struct cause *why) {
    size_t n = utf8_cut(q->text, strlen(q->text), RECALL_TEXT_MAX);
    struct taking t = {.q = out, .text = q->text};
    struct naming names = {.q = out, .w = w, .why = why};
    *out = (struct recall_question){0};
    out->ndates = recall_dates(q->text, n, q->now_ms, out->dates);
    enum status st = words_each(w, q->text, n, on_word, &t, why);
    t.light = true;
    if (st == STATUS_OK)
        st = words_each(w, q->text, n, on_word, &t, why);
    if (st == STATUS_OK)
        st = q_recall_people(r, PEOPLE_LOOKED_AT, on_person, &names, why);
    ask_when(out, q->text, n);
    find_quotations(out, q->text, n);
    find_identifiers(out, q->text, n);
    find_runs(out, q->text, n);
    return st;
}

void recall_question_clear(struct recall_question *q) {
    for (size_t i = 0; i < q->npieces; i++)
        x_free(&q->pieces[i]);
    q->npieces = 0;
}
