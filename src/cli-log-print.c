/* cli-log-print: journal entries for people: when, who, what; continuation lines under the text. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/journal.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"
#include "cli-log.h"
#include "cli.h"
#include "tools/tool.h"

#define LABEL_WIDTH 9
#define INDENT (8 + 2 + LABEL_WIDTH + 1)

struct cli_log {
    bool json, live;
    int64_t from;        /* everything before it is printed */
    struct map *printed; /* numbers behind `from` that are printed */
    int64_t output;      /* the OUTPUT entry of which something is printed, */
    size_t output_bytes; /* and how much of it */
    int64_t tool;        /* the TOOL entry whose beginning is printed */
    int day;             /* of the last line, to say when it changes */
};

struct cli_log *cli_log_new(bool json, bool live) {
    struct cli_log *log = xcalloc(1, sizeof(*log));
    log->json = json;
    log->live = live;
    log->from = 1;
    log->printed = map_new();
    log->day = -1;
    return log;
}

void cli_log_free(struct cli_log **log) {
    if (!*log)
        return;
    map_free(&(*log)->printed);
    x_free(log);
}

int64_t cli_log_from(const struct cli_log *log) { return log->from; }

static void put_safe(const char *s, size_t n) {
    struct buf safe = BUF_INIT;
    utf8_append_visible(&safe, s, n);
    fputs(buf_str(&safe), stdout);
    buf_free(&safe);
}

/* Each line of s[0..n), the first where the cursor is, the others under it. */
static void put_indented(const char *s, size_t n) {
    while (n && s[n - 1] == '\n')
        n--;
    for (size_t at = 0;;) {
        const char *end = memchr(s + at, '\n', n - at);
        size_t len = end ? (size_t)(end - s) - at : n - at;
        put_safe(s + at, len);
        putchar('\n');
        at += len + 1;
        if (!end)
            return;
        printf("%*s", at < n ? INDENT : 0, "");
    }
}

static void put_head(struct cli_log *log, const cJSON *e, const char *label) {
    struct tm utc = {0}, at;
    const char *ts = json_str(e, "ts", "");
    time_t t = strptime(ts, "%Y-%m-%dT%H:%M:%S", &utc) ? timegm(&utc) : 0;
    localtime_r(&t, &at);
    int day = at.tm_year * 366 + at.tm_yday;
    if (day != log->day)
        printf("%s%04d-%02d-%02d\n", log->day < 0 ? "" : "\n", at.tm_year + 1900, at.tm_mon + 1,
               at.tm_mday);
    log->day = day;
    printf("%02d:%02d:%02d  ", at.tm_hour, at.tm_min, at.tm_sec);
    printf("%s%*s ", label, LABEL_WIDTH - cli_width(label), "");
}

static void put_entry(struct cli_log *log, const cJSON *e, const char *label) {
    struct buf text = BUF_INIT;
    const char *title = json_str(e, "title", NULL), *body = json_str(e, "text", "");
    put_head(log, e, label);
    if (title && *title)
        buf_printf(&text, "%s%s", title, *body ? ": " : "");
    buf_puts(&text, body);
    if (json_bool(e, "interrupted", false))
        buf_puts(&text, " (cut off)");
    put_indented(buf_str(&text), text.len);
    buf_free(&text);
}

static void put_said(struct cli_log *log, const cJSON *e, const char *label) {
    const char *body = json_str(e, "text", "");
    put_head(log, e, label);
    put_indented(body, strlen(body));
    if (json_bool(e, "interrupted", false))
        printf("%*s(cut off)\n", INDENT, "");
}

/* What is called, as the screen shows it: "shell make check". The caller frees. */
static char *label_of(const cJSON *e) {
    const char *name = json_str(e, "title", "tool"), *input = json_str(e, "text", "");
    char *label = tool_label(name, input);
    return label ? label
                 : xasprintf("%s %.*s", name, (int)utf8_cut(input, strlen(input), 120), input);
}

static void put_took(const cJSON *e) {
    bool cut = json_bool(e, "interrupted", false), failed = json_bool(e, "is_error", false);
    printf("%s, %.1f s\n",
           cut      ? "cut off"
           : failed ? "failed"
                    : "ok",
           json_num(e, "elapsed_ms", 0) / 1e3);
}

/* A result in JSON is for the model: what it says the next lines show. */
static void put_result(const cJSON *e) {
    const char *result = json_str(e, "result", "");
    if (!*result || (result[0] == '{' && !json_bool(e, "is_error", false)))
        return;
    printf("%*s", INDENT, "");
    put_indented(result, strlen(result));
}

static void put_tool(struct cli_log *log, const cJSON *e, int64_t seq, bool open) {
    bool begun = log->tool == seq;
    if (!begun) {
        char *label = label_of(e);
        put_head(log, e, "▸");
        put_safe(label, strlen(label));
        fputs(open ? "\n" : "  ", stdout);
        free(label);
        log->tool = seq;
        log->output_bytes = 0;
    }
    if (open)
        return;
    if (begun)
        printf("%*s", INDENT, "");
    put_took(e);
    if (!log->output_bytes)
        put_result(e);
}

/* Whole lines of a running tool that are new. */
static void put_output(struct cli_log *log, const cJSON *e, int64_t seq) {
    const char *text = json_str(e, "text", "");
    size_t n = strlen(text);
    if (log->output != seq)
        log->output_bytes = 0;
    log->output = seq;
    if (n <= log->output_bytes)
        return;
    printf("%*s", INDENT, "");
    put_indented(text + log->output_bytes, n - log->output_bytes);
    log->output_bytes = n;
}

/* True: the entry is printed whole. */
static bool print_human(struct cli_log *log, const cJSON *e, enum journal_kind kind, int64_t seq,
                        bool open) {
    switch (kind) {
    case JOURNAL_TOOL:
        put_tool(log, e, seq, open);
        return !open;
    case JOURNAL_OUTPUT:
        /* Its lines are in the call's result as well: they are for those who watch. */
        if (log->live)
            put_output(log, e, seq);
        return !open;
    case JOURNAL_USER:
        if (!open)
            put_said(log, e, json_str(e, "title", "you"));
        return !open;
    case JOURNAL_TASK:
    case JOURNAL_REPLY:
    case JOURNAL_TEXT:
    case JOURNAL_THINKING:
        if (!open)
            put_said(log, e, journal_kind_name(kind));
        return !open;
    case JOURNAL_STATUS:
    case JOURNAL_RESULT:
    case JOURNAL_NOTICE:
    case JOURNAL_ERROR:
        if (!open)
            put_entry(log, e, journal_kind_name(kind));
        return !open;
    case JOURNAL_LINK:
        if (!open)
            put_entry(log, e, "started");
        return !open;
    }
    return true;
}

void cli_log_entry(struct cli_log *log, const cJSON *e) {
    enum journal_kind kind;
    char key[24];
    int64_t seq = json_i64(e, "seq", 0);
    bool open = json_bool(e, "open", false);
    snprintf(key, sizeof(key), "%lld", (long long)seq);
    if (seq < log->from || map_get(log->printed, key))
        return;
    bool whole = !open || !log->live;
    if (log->json) {
        if (whole)
            cli_print_json(e);
    } else if (journal_kind_from_string(json_str(e, "kind", ""), &kind) == STATUS_OK) {
        whole = print_human(log, e, kind, seq, open && log->live) || !log->live;
    }
    if (whole)
        map_put(log->printed, key, log);
}

void cli_log_entries(struct cli_log *log, const cJSON *entries) {
    const cJSON *e = NULL;
    bool contiguous = true;
    cJSON_ArrayForEach(e, entries) {
        char key[24];
        int64_t seq = json_i64(e, "seq", 0);
        cli_log_entry(log, e);
        snprintf(key, sizeof(key), "%lld", (long long)seq);
        contiguous = contiguous && map_get(log->printed, key);
        if (contiguous && seq >= log->from) {
            (void)map_del(log->printed, key);
            log->from = seq + 1;
        }
    }
}
