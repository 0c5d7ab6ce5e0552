/* rehearsal_text: its standing texts, and small things about words. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/provider.h"
#include "base/str.h"
#include "base/utf8.h"
#include "llm/rehearsal-internal.h"

#define CONNECT "`export ANTHROPIC_API_KEY=…` (" PROVIDER_KEYS_TEXT " do)"

const char rehearsal_mark[] = "This is a rehearsal, not a model";
const char rehearsal_notice[] =
    "This is a rehearsal, not a model: sentences are matched, not understood, but the processes, "
    "the commands and their results are real. To connect a model: " CONNECT
    ", then start spacebot again.";

const char rehearsal_help[] =
    "These sentences do something here:\n\n"
    "- `start 8 workers that count the lines in this folder`\n"
    "- `run: make check` – or any other command, in a worker\n"
    "- `think about the names in this folder` – in a branch, while you go on\n"
    "- `cancel everything`, or `cancel` and a word of its task\n"
    "- `remember that the tests are slow`, `what do you know about the tests`\n"
    "- `write a page of Markdown`";

const char rehearsal_page[] =
    "# How work goes on here\n\n"
    "A *channel* is a conversation. It never does the work itself, so it **always** has time for "
    "you; what takes long goes to processes of its own.\n\n"
    "## Who does what\n\n"
    "| kind    | sees                     | comes back with       |\n"
    "|---------|--------------------------|-----------------------|\n"
    "| channel | what you say             | replies               |\n"
    "| branch  | all that the channel saw | a conclusion          |\n"
    "| worker  | one task, and its tools  | an outcome            |\n\n"
    "## In which order\n\n"
    "1. You say something.\n"
    "2. The channel hands work out, to several at once where it can:\n"
    "   - to a **worker** what the machine has to do,\n"
    "   - to a **branch** what has to be thought through.\n"
    "3. Each result comes to the channel by itself, and the channel tells you.\n\n"
    "> Nothing that runs is hidden: each process has a pane while it runs.\n\n"
    "## From a script\n\n"
    "```sh\n"
    "spacebot exec --json \"count the lines of every file\" |\n"
    "    tail -n 1        # the last line is the result\n"
    "```\n\n"
    "How text like this is written: [CommonMark](https://commonmark.org/help/).";

/* ---- words ---- */

static bool is_word(char c) { return isalnum((unsigned char)c) || (unsigned char)c >= 0x80; }

static const char *past_space(const char *s) { return s + strspn(s, " \t\r\n"); }

bool rehearsal_skip(const char **s, const char *words) {
    size_t n = strlen(words);
    if (strncasecmp(*s, words, n) != 0 || (is_word((*s)[n]) && is_word(words[n - 1])))
        return false;
    *s = past_space(*s + n);
    return true;
}

bool rehearsal_has_word(const char *s, const char *word) {
    size_t n = strlen(word);
    for (const char *p = s; (p = strcasestr(p, word)); p++)
        if ((p == s || !is_word(p[-1])) && !is_word(p[n]))
            return true;
    return false;
}

int64_t rehearsal_number(const char **s) {
    static const char *const names[] = {"one",   "two",   "three", "four", "five",   "six",
                                        "seven", "eight", "nine",  "ten",  "eleven", "twelve"};
    const char *p = *s;
    int64_t n = 0;
    for (; isdigit((unsigned char)*p); p++)
        n = n < 100000 ? n * 10 + (*p - '0') : 1000000;
    if (p > *s && isspace((unsigned char)*p)) {
        *s = past_space(p);
        return n;
    }
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (rehearsal_skip(s, names[i]))
            return (int64_t)i + 1;
    return rehearsal_skip(s, "a") || rehearsal_skip(s, "an") ? 1 : 0;
}

char *rehearsal_command(const char *text) {
    const char *s = text;
    if (rehearsal_skip(&s, "run:") && *s)
        return xstrdup(s);
    const char *end = rehearsal_skip(&s, "run") && *s == '`' ? strchr(s + 1, '`') : NULL;
    return end && end > s + 1 ? xstrndup(s + 1, (size_t)(end - s) - 1) : NULL;
}

/* ---- quoting ---- */

void rehearsal_quote(struct buf *out, const char *s, size_t max) {
    size_t n = strlen(s);
    if (n <= max) {
        buf_append(out, s, n);
        return;
    }
    size_t head = utf8_cut(s, n, max / 2), tail = max / 2;
    while (tail && ((unsigned char)s[n - tail] & 0xC0) == 0x80)
        tail--;
    buf_append(out, s, head);
    buf_printf(out, "\n[%zu bytes left out here]\n", n - head - tail);
    buf_append(out, s + n - tail, tail);
}

void rehearsal_fence(struct buf *out, const char *s, size_t max) {
    size_t longest = 2, run = 0;
    for (const char *p = s; *p; p++) {
        run = *p == '`' ? run + 1 : 0;
        longest = run > longest ? run : longest;
    }
    struct buf fence = BUF_INIT;
    for (size_t i = 0; i <= longest; i++)
        buf_putc(&fence, '`');
    buf_printf(out, "%s\n", buf_str(&fence));
    rehearsal_quote(out, s, max);
    if (out->data[out->len - 1] != '\n')
        buf_putc(out, '\n');
    buf_puts(out, buf_str(&fence));
    buf_free(&fence);
}
