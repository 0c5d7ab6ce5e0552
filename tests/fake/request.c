/* request: see request.h. */
#include "request.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"

/* Appends the text of `content` (a string or an array of blocks), blocks of type `type` only. */
static void append_text(struct buf *out, const cJSON *content, const char *type) {
    if (cJSON_IsString(content)) {
        if (strcmp(type, "text") == 0)
            buf_puts(out, content->valuestring);
        return;
    }
    const cJSON *block;
    cJSON_ArrayForEach(block, content) {
        if (!str_eq(json_str(block, "type", ""), type))
            continue;
        if (out->len)
            buf_putc(out, '\n');
        buf_puts(out, json_str(block, "text", ""));
    }
}

static void append_result(struct buf *out, const cJSON *block) {
    const cJSON *content = cJSON_GetObjectItemCaseSensitive(block, "content");
    append_text(out, content, "text");
}

static bool has_block(const cJSON *message, const char *type) {
    const cJSON *content = cJSON_GetObjectItemCaseSensitive(message, "content"), *block;
    if (cJSON_IsString(content))
        return strcmp(type, "text") == 0;
    cJSON_ArrayForEach(block, content) if (str_eq(json_str(block, "type", ""), type)) return true;
    return false;
}

void request_read(struct request *r, const cJSON *root, const char *raw, size_t n, int call) {
    memset(r, 0, sizeof(*r));
    r->root = root;
    r->model = json_str(root, "model", "");
    r->stream = json_bool(root, "stream", false);
    r->usage = json_bool(root, "usage", true);
    r->call = call;
    buf_append(&r->raw, raw, n);
    append_text(&r->system, cJSON_GetObjectItemCaseSensitive(root, "system"), "text");

    const cJSON *messages = json_arr(root, "messages"), *last = NULL, *m;
    cJSON_ArrayForEach(m, messages) {
        if (strcmp(json_str(m, "role", ""), "user") != 0)
            continue;
        last = m;
        if (has_block(m, "text")) {
            buf_reset(&r->user);
            append_text(&r->user, cJSON_GetObjectItemCaseSensitive(m, "content"), "text");
            r->step = 0;
        } else {
            r->step++;
        }
    }
    if (last && has_block(last, "tool_result")) {
        const cJSON *block, *content = cJSON_GetObjectItemCaseSensitive(last, "content");
        cJSON_ArrayForEach(block, content) {
            if (strcmp(json_str(block, "type", ""), "tool_result") != 0)
                continue;
            buf_reset(&r->tool_result);
            append_result(&r->tool_result, block);
            r->has_result = true;
        }
    }
}

cJSON *request_add(cJSON *messages, const char *role, const char *type, bool join) {
    cJSON *m = cJSON_GetArrayItem(messages, cJSON_GetArraySize(messages) - 1);
    if (!m || !join || strcmp(json_str(m, "role", ""), role) != 0) {
        m = json_new_obj();
        json_add_str(m, "role", role);
        (void)json_add_arr(m, "content");
        cJSON_AddItemToArray(messages, m);
    }
    cJSON *b = json_new_obj();
    json_add_str(b, "type", type);
    cJSON_AddItemToArray(cJSON_GetObjectItemCaseSensitive(m, "content"), b);
    return b;
}

void request_free(struct request *r) {
    buf_free(&r->raw);
    buf_free(&r->system);
    buf_free(&r->user);
    buf_free(&r->tool_result);
}

bool request_has_tool(const struct request *r, const char *name) {
    const cJSON *tool;
    cJSON_ArrayForEach(
        tool, json_arr(r->root, "tools")) if (str_eq(json_str(tool, "name", ""), name)) return true;
    return false;
}

/* The Nth line of `text`, from 1; -1 is the last. A newline at the end starts no further line. */
static bool append_line(const char *text, int64_t n, struct buf *out) {
    size_t len = strlen(text);
    if (len && text[len - 1] == '\n')
        len--;
    int64_t count = 1;
    for (size_t i = 0; i < len; i++)
        count += text[i] == '\n';
    if (n < 0)
        n += count + 1;
    if (n < 1 || n > count)
        return false;
    const char *at = text, *end = text + len;
    for (int64_t i = 1; i < n; i++)
        at = (const char *)memchr(at, '\n', (size_t)(end - at)) + 1;
    const char *stop = memchr(at, '\n', (size_t)(end - at));
    buf_append(out, at, (size_t)((stop ? stop : end) - at));
    return true;
}

static bool append_between(const char *text, const char *a, const char *b, struct buf *out) {
    for (const char *at = strstr(text, a); at; at = strstr(at + 1, a)) {
        const char *from = at + strlen(a), *to = strstr(from, b);
        if (to) {
            buf_append(out, from, (size_t)(to - from));
            return true;
        }
    }
    return false;
}

/* All the text of one message: its text blocks and the texts of its tool results. */
static void message_text(const cJSON *message, struct buf *out) {
    const cJSON *content = cJSON_GetObjectItemCaseSensitive(message, "content"), *block;
    append_text(out, content, "text");
    if (!cJSON_IsArray(content))
        return;
    cJSON_ArrayForEach(block, content) {
        if (strcmp(json_str(block, "type", ""), "tool_result") != 0)
            continue;
        buf_putc(out, '\n');
        append_result(out, block);
    }
}

static bool find_between(const struct request *r, const char *a, const char *b, struct buf *out) {
    const cJSON *messages = json_arr(r->root, "messages");
    for (int i = cJSON_GetArraySize(messages) - 1; i >= 0; i--) {
        struct buf text = BUF_INIT;
        message_text(cJSON_GetArrayItem(messages, i), &text);
        bool found = append_between(buf_str(&text), a, b, out);
        buf_free(&text);
        if (found)
            return true;
    }
    return append_between(buf_str(&r->system), a, b, out);
}

static bool expand_one(const struct request *r, char *name, struct buf *out) {
    if (strcmp(name, "user") == 0) {
        buf_puts(out, buf_str(&r->user));
        return true;
    }
    if (strcmp(name, "tool_result") == 0) {
        buf_puts(out, buf_str(&r->tool_result));
        return r->has_result;
    }
    if (str_prefix(name, "tool_result_line:")) {
        int64_t n;
        return r->has_result && str_to_i64(strchr(name, ':') + 1, &n) == STATUS_OK &&
               append_line(buf_str(&r->tool_result), n, out);
    }
    if (strcmp(name, "worker_result") == 0)
        return find_between(r, "<<", ">>", out);
    if (strcmp(name, "model") == 0) {
        buf_puts(out, r->model);
        return true;
    }
    if (strcmp(name, "call") == 0) {
        buf_printf(out, "%d", r->call);
        return true;
    }
    if (str_prefix(name, "between|")) {
        char *a = strchr(name, '|') + 1, *bar = strchr(a, '|');
        if (!bar || bar == a || !bar[1])
            return false;
        *bar = '\0';
        return find_between(r, a, bar + 1, out);
    }
    return false;
}

bool request_expand(const struct request *r, const char *text, struct buf *out, struct cause *why) {
    for (;;) {
        const char *at = strstr(text, "${");
        if (!at) {
            buf_puts(out, text);
            return true;
        }
        if (at > text && at[-1] == '$') {
            buf_append(out, text, (size_t)(at - text) - 1);
            buf_puts(out, "${");
            text = at + 2;
            continue;
        }
        buf_append(out, text, (size_t)(at - text));
        const char *end = strchr(at, '}');
        if (!end) {
            cause_set(why, STATUS_INVALID, "scenario: \"${\" without \"}\"");
            return false;
        }
        char *name = xstrndup(at + 2, (size_t)(end - at - 2));
        char *shown = xstrdup(name);
        bool ok = expand_one(r, name, out);
        if (!ok)
            cause_set(why, STATUS_NOT_FOUND, "scenario: the capture ${%s} found nothing", shown);
        x_free(&name);
        x_free(&shown);
        if (!ok)
            return false;
        text = end + 1;
    }
}
