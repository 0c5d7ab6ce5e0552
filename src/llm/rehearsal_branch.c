/* rehearsal_branch: what a branch does with what it is to think about. It cannot think, and says
 * so; but it looks at what a model would look at – the conversation, the folder, the memory where
 * there is one – and tells what it really saw. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"
#include "llm/rehearsal-internal.h"

#define WORDS_MAX 16       /* of the subject that are looked for */
#define FOUND_MAX 3        /* places that are quoted */
#define QUOTE_MAX 160u     /* bytes of each */
#define RECALLED_MAX 4000u /* bytes of what memory gave back */
#define NAMES_MAX 6        /* of the folder that are named */
#define FIRST_LINES 20     /* of a file that are read */

/* ---- the conversation ---- */

struct seen {
    char *words[WORDS_MAX];
    size_t nwords;
    size_t said, answers, all_words, hits;
    struct buf quotes;
};

/* Words that say something: four letters and more. */
static void pick_words(struct seen *s, const char *subject) {
    static const char *const empty[] = {"about", "what", "that", "this", "with",
                                        "from",  "have", "they", "there"};
    for (const char *p = subject; *p && s->nwords < WORDS_MAX;) {
        size_t n = 0;
        while (isalnum((unsigned char)p[n]) || (unsigned char)p[n] >= 0x80 || p[n] == '_')
            n++;
        char *word = xstrndup(p, n);
        bool keep = n >= 4;
        for (size_t i = 0; i < ARRAY_LEN(empty); i++)
            keep &= strcasecmp(word, empty[i]) != 0;
        if (keep)
            s->words[s->nwords++] = word;
        else
            x_free(&word);
        p += n ? n : 1;
    }
}

static size_t count_words(const char *text) {
    size_t n = 0;
    for (const char *p = text; *p; p++)
        n += !isspace((unsigned char)*p) && (p == text || isspace((unsigned char)p[-1]));
    return n;
}

static void on_said(void *arg, bool person, const char *text) {
    struct seen *s = arg;
    *(person ? &s->said : &s->answers) += 1;
    s->all_words += count_words(text);
    bool hit = false;
    for (size_t i = 0; i < s->nwords; i++)
        hit |= strcasestr(text, s->words[i]) != NULL;
    if (!hit || str_prefix(text, "[system]"))
        return;
    if (s->hits++ >= FOUND_MAX)
        return;
    size_t n = strcspn(text, "\r\n"), cut = utf8_cut(text, n, QUOTE_MAX);
    buf_printf(&s->quotes, "\n  - %s: “%.*s%s”", person ? "you" : "answered", (int)cut, text,
               cut < strlen(text) ? "…" : "");
}

static void tell_conversation(const struct rehearsal_ask *q, const char *subject, struct buf *out) {
    struct seen s = {0};
    pick_words(&s, subject);
    rehearsal_ask_said(q, on_said, &s);
    buf_printf(out, "- the conversation: %zu message%s to and %zu from spacebot, %zu words; ",
               s.said, s.said == 1 ? "" : "s", s.answers, s.all_words);
    if (s.hits)
        buf_printf(out, "%zu of them touch the subject:%s", s.hits, buf_str(&s.quotes));
    else
        buf_puts(out, "none of them touches the subject");
    for (size_t i = 0; i < s.nwords; i++)
        x_free(&s.words[i]);
    buf_free(&s.quotes);
}

/* ---- the folder ---- */

/* The first readable text of a listing ("NAME  N bytes" a line), or NULL. */
static char *text_file(const char *listing) {
    static const char *const endings[] = {".md", ".txt", ".am", ".c", ".py", ".toml"};
    char *found = NULL;
    for (const char *p = listing; *p && !found; p += strcspn(p, "\n"), p += *p == '\n') {
        size_t n = strcspn(p, "\n");
        const char *gap = memmem(p, n, "  ", 2);
        char *name = gap ? xstrndup(p, (size_t)(gap - p)) : NULL;
        bool good = name && str_prefix(name, "README");
        for (size_t i = 0; name && i < ARRAY_LEN(endings); i++)
            good |= str_suffix(name, endings[i]);
        if (good)
            found = name;
        else
            x_free(&name);
    }
    return found;
}

static void tell_listing(const char *listing, struct buf *out) {
    size_t dirs = 0, files = 0, named = 0;
    struct buf names = BUF_INIT;
    for (const char *p = listing; *p; p += strcspn(p, "\n"), p += *p == '\n') {
        size_t n = strcspn(p, "\n");
        const char *gap = memmem(p, n, "  ", 2);
        size_t name = gap ? (size_t)(gap - p) : n;
        if (!n || *p == '[')
            continue;
        *(p[n - 1] == '/' ? &dirs : &files) += 1;
        if (named++ < NAMES_MAX)
            buf_printf(&names, "%s`%.*s`", names.len ? ", " : "", (int)name, p);
    }
    buf_printf(out, "\n- the folder: %zu file%s and %zu director%s", files, files == 1 ? "" : "s",
               dirs, dirs == 1 ? "y" : "ies");
    if (names.len)
        buf_printf(out, ", among them %s", buf_str(&names));
    buf_free(&names);
}

static void tell_file(const char *text, struct buf *out) {
    while (*text && (isspace((unsigned char)*text) || isdigit((unsigned char)*text)))
        text++; /* the numbers of lines */
    size_t n = strcspn(text, "\n"), cut = utf8_cut(text, n, QUOTE_MAX);
    if (cut)
        buf_printf(out, "\n- a file of it begins: “%.*s”", (int)cut, text);
}

/* Everything that tools gave back in this branch: the listing, and perhaps the file. */
static void tell_results(const struct rehearsal_ask *q, struct buf *out) {
    const cJSON *m, *it;
    int skip = cJSON_GetArraySize(q->messages) - 2 * (int)q->step;
    bool listed = false;
    cJSON_ArrayForEach(m, q->messages) {
        if (skip-- > 0)
            continue;
        cJSON_ArrayForEach(it, json_arr(m, "content")) {
            if (!str_eq(json_str(it, "type", NULL), "tool_result"))
                continue;
            const char *text = json_str(it, "content", "");
            if (json_bool(it, "is_error", false))
                continue;
            if (listed)
                tell_file(text, out);
            else
                tell_listing(text, out);
            listed = true;
        }
    }
}

/* ---- thinking about ---- */

static void conclude(const struct rehearsal_ask *q, struct rehearsal_answer *out) {
    struct buf b = BUF_INIT;
    buf_puts(&b, "Rehearsed, not thought: a model would weigh “");
    rehearsal_quote(&b, q->text, QUOTE_MAX);
    buf_puts(&b, "” now. What this branch really saw:\n\n");
    tell_conversation(q, q->text, &b);
    tell_results(q, &b);
    rehearsal_answer_text(out, buf_str(&b));
    buf_free(&b);
}

static void think(const struct rehearsal_ask *q, struct rehearsal_answer *out) {
    struct rehearsal_result r;
    bool any = rehearsal_ask_result(q, 0, &r);
    if (q->step == 0 && rehearsal_ask_has_tool(q, "file_list")) {
        char *thought = xasprintf("To be thought about: %.*s. What was said so far is at hand. "
                                  "The folder may say more; looking at what is in it first.",
                                  (int)utf8_cut(q->text, strlen(q->text), QUOTE_MAX), q->text);
        rehearsal_answer_thinking(out, thought);
        rehearsal_answer_call_str(out, "file_list", "path", ".");
        x_free(&thought);
        return;
    }
    char *file = q->step == 1 && any && !r.is_error && rehearsal_ask_has_tool(q, "file_read")
                     ? text_file(r.text)
                     : NULL;
    if (!file) {
        conclude(q, out);
        return;
    }
    char *thought = xasprintf("The folder is listed. %s is a text: how it begins may tell what "
                              "all this is. Then the two are put side by side.",
                              file);
    rehearsal_answer_thinking(out, thought);
    cJSON *input = json_new_obj();
    json_add_str(input, "path", file);
    json_add_i64(input, "limit", FIRST_LINES);
    rehearsal_answer_call(out, "file_read", input);
    x_free(&thought);
    x_free(&file);
}

/* ---- memory ---- */

static void remember(const struct rehearsal_ask *q, const char *what,
                     struct rehearsal_answer *out) {
    struct rehearsal_result r = {.text = "memory gave no answer", .is_error = true};
    struct buf b = BUF_INIT;
    if (!rehearsal_ask_has_tool(q, "memory_save")) {
        buf_puts(&b, "There is no lasting memory here yet, so nothing was saved. It stands in this "
                     "conversation: “");
        rehearsal_quote(&b, what, QUOTE_MAX);
        buf_puts(&b, "”.");
    } else if (q->step == 0) {
        rehearsal_answer_call_str(out, "memory_save", "content", what);
        return;
    } else {
        (void)rehearsal_ask_result(q, 0, &r);
        bool good = !r.is_error;
        buf_puts(&b, good ? "Remembered: “" : "It could not be remembered: “");
        rehearsal_quote(&b, good ? what : r.text, QUOTE_MAX);
        buf_puts(&b, "”.");
    }
    rehearsal_answer_text(out, buf_str(&b));
    buf_free(&b);
}

static void recall(const struct rehearsal_ask *q, const char *what, struct rehearsal_answer *out) {
    struct rehearsal_result r;
    struct buf b = BUF_INIT;
    if (!rehearsal_ask_has_tool(q, "memory_recall")) {
        buf_puts(&b, "There is no lasting memory here yet; this is all there is:\n\n");
        tell_conversation(q, what, &b);
    } else if (q->step == 0) {
        rehearsal_answer_call_str(out, "memory_recall", "query", what);
        return;
    } else if (rehearsal_ask_result(q, 0, &r)) {
        buf_printf(&b, "Memory on “%s” %s:\n\n", what, r.is_error ? "failed" : "says");
        rehearsal_fence(&b, r.text, RECALLED_MAX);
    } else {
        buf_puts(&b, "Memory gave no answer.");
    }
    rehearsal_answer_text(out, buf_str(&b));
    buf_free(&b);
}

void rehearsal_branch(const struct rehearsal_ask *q, struct rehearsal_answer *out) {
    const char *what = q->text;
    if (rehearsal_skip(&what, "remember:"))
        remember(q, what, out);
    else if (rehearsal_skip(&what, "recall:"))
        recall(q, what, out);
    else
        think(q, out);
}
