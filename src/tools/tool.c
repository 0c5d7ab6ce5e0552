/* tool: the table, and the one way in which every call begins and ends. */
#include "tools/tool.h"

#include <stdarg.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"
#include "tools/schema.h"

#define TOOL_INPUT_MAX (1024u * 1024u)

#define X(name, variable) extern const struct tool tool_##variable;
TOOL_TABLE(X)
#undef X

const struct tool *tool_get(enum tool_id id) {
    switch (id) {
#define X(name, variable)                                                                          \
    case TOOL_##name:                                                                              \
        return &tool_##variable;
        TOOL_TABLE(X)
#undef X
    }
    return NULL;
}

enum status tool_from_string(const char *s, enum tool_id *out) {
#define X(id, variable)                                                                            \
    if (str_eq(s, tool_##variable.name)) {                                                         \
        *out = TOOL_##id;                                                                          \
        return STATUS_OK;                                                                          \
    }
    TOOL_TABLE(X)
#undef X
    return STATUS_NOT_FOUND;
}

static enum status check_args(const struct tool *tool, cJSON *args, struct cause *why) {
    struct cause first = {""};
    cJSON *schema = NULL;
    enum status st = json_parse(tool->schema, strlen(tool->schema), &schema, &first);
    if (st == STATUS_OK)
        st = schema_check(schema, args, &first);
    cJSON_Delete(schema);
    return st == STATUS_OK ? st : cause_set(why, st, "%s: %s", tool->name, first.text);
}

enum status tool_call_new(const struct tool *tool, const struct tool_host *host,
                          const char *workspace, const char *id, const char *input,
                          struct tool_call **out, struct cause *why) {
    struct cause first = {""};
    cJSON *args = NULL;
    size_t n = strlen(input);
    if (n > TOOL_INPUT_MAX)
        return cause_set(why, STATUS_LIMIT, "%s: the arguments have %zu bytes; %u are the most",
                         tool->name, n, TOOL_INPUT_MAX);
    enum status st = n ? json_parse(input, n, &args, &first) : STATUS_OK;
    if (st != STATUS_OK)
        return cause_set(why, st, "%s: the arguments are not valid JSON: %s", tool->name,
                         first.text);
    if (!args)
        args = json_new_obj();
    st = check_args(tool, args, why);
    if (st != STATUS_OK) {
        cJSON_Delete(args);
        return st;
    }
    struct tool_call *c = xcalloc(1, sizeof *c);
    c->tool = tool;
    c->host = host;
    c->workspace = workspace;
    c->id = xstrdup(id);
    c->input = xstrdup(n ? input : "{}");
    c->args = args;
    *out = c;
    return STATUS_OK;
}

void tool_call_start(struct tool_call *c) { c->tool->start(c); }

bool tool_call_stop(struct tool_call *c) {
    return !c->finished && c->tool->stop && c->tool->stop(c);
}

void tool_call_free(struct tool_call **cp) {
    struct tool_call *c = *cp;
    if (!c)
        return;
    *cp = NULL;
    if (!c->finished && c->tool->cancel)
        c->tool->cancel(c);
    for (size_t i = 0; i < ARRAY_LEN(c->lines); i++) {
        scrub_free(&c->lines[i].scrub);
        buf_free(&c->lines[i].line);
    }
    cJSON_Delete(c->args);
    x_free(&c->id);
    x_free(&c->input);
    x_free(&c->granted);
    x_free(&c);
}

static bool leaks(const struct scrub_values *values, const cJSON *item) {
    for (; item; item = item->next)
        if ((cJSON_IsString(item) &&
             scrub_finds(values, item->valuestring, strlen(item->valuestring))) ||
            leaks(values, item->child))
            return true;
    return false;
}

bool tool_call_leaks(const struct tool_call *c) {
    return c->tool->speaks && leaks(c->host->values, c->args);
}

char *tool_call_label(const struct tool_call *c) {
    return c->tool->label ? scrub_take(c->host->values, c->tool->label(c->args)) : NULL;
}

char *tool_label(const char *name, const char *input) {
    enum tool_id id;
    cJSON *args = NULL;
    char *label = NULL;
    if (tool_from_string(name, &id) == STATUS_OK && tool_get(id)->label &&
        json_parse(input, strlen(input), &args, NULL) == STATUS_OK)
        label = tool_get(id)->label(args);
    cJSON_Delete(args);
    return label;
}

char *tool_call_preview(const struct tool_call *c) {
    return c->tool->preview ? scrub_take(c->host->values, c->tool->preview(c->args)) : NULL;
}

/* Passes on the lines that have ended; at the end of the output the last one too. */
static void pass_lines(struct tool_call *c, int stream, bool end) {
    struct tool_lines *l = &c->lines[stream == 2];
    size_t from = 0;
    for (const char *nl; from < l->line.len; from = (size_t)(nl - l->line.data) + 1) {
        nl = memchr(l->line.data + from, '\n', l->line.len - from);
        if (!nl && !end)
            break;
        size_t to = nl ? (size_t)(nl - l->line.data) : l->line.len;
        c->on_output(c->arg, c, stream, l->line.data + from, to - from);
        if (!nl) {
            from = to;
            break;
        }
    }
    buf_consume(&l->line, from);
}

void tool_call_output(struct tool_call *c, int stream, const char *line, size_t n) {
    struct tool_lines *l = &c->lines[stream == 2];
    if (!c->on_output)
        return;
    l->scrub.values = c->host->values;
    scrub_feed(&l->scrub, line, n, &l->line);
    scrub_feed(&l->scrub, "\n", 1, &l->line);
    pass_lines(c, stream, false);
}

/* What was held back, as it could have become a secret. */
static void end_output(struct tool_call *c) {
    for (int stream = 1; c->on_output && stream <= 2; stream++) {
        scrub_end(&c->lines[stream == 2].scrub, &c->lines[stream == 2].line);
        pass_lines(c, stream, true);
    }
}

void tool_call_done(struct tool_call *c, bool is_error, const char *text, size_t n) {
    struct buf out = BUF_INIT, clean = BUF_INIT;
    c->finished = true;
    end_output(c);
    if (scrub_text(c->host->values, text, n, &clean)) { /* before it is cut: half of one is one */
        text = buf_str(&clean);
        n = clean.len;
    }
    if (n <= TOOL_RESULT_MAX) {
        utf8_append_valid(&out, text, n);
    } else {
        /* The beginning says what it is, the end how it went: the middle goes. */
        size_t room = TOOL_RESULT_MAX - 100, head = utf8_cut(text, n, room / 2), tail = room / 2;
        while (tail && ((unsigned char)text[n - tail] & 0xC0) == 0x80)
            tail--;
        utf8_append_valid(&out, text, head);
        buf_printf(&out, "\n[%zu of %zu bytes shown, %zu left out here]\n", head + tail, n,
                   n - head - tail);
        utf8_append_valid(&out, text + n - tail, tail);
    }
    if (out.len > TOOL_RESULT_MAX) /* replaced bytes grew */
        buf_truncate(&out, utf8_cut(out.data, out.len, TOOL_RESULT_MAX));
    buf_free(&clean);
    c->on_done(c->arg, c, is_error, buf_str(&out), out.len);
    buf_free(&out);
}

void tool_call_donef(struct tool_call *c, bool is_error, const char *fmt, ...) {
    struct buf b = BUF_INIT;
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&b, fmt, ap);
    va_end(ap);
    tool_call_done(c, is_error, buf_str(&b), b.len);
    buf_free(&b);
}
