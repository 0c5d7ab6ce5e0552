/* json: reading and writing cJSON trees. What cJSON lets pass and we do not: bytes that are not
 * UTF-8, NUL (raw, as \u0000 or as \u with wrong digits, where its C strings would end early),
 * control characters between values, deep nesting, text behind the value. */
#include "base/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/utf8.h"

#define DEPTH_MAX 64

/* Four hex digits behind "\u" at text[at]. */
static bool has_digits(const char *text, size_t n, size_t at) {
    if (n - at < 6)
        return false;
    for (size_t i = at + 2; i < at + 6; i++)
        if (!text[i] || !strchr("0123456789abcdefABCDEF", text[i]))
            return false;
    return true;
}

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

/* Looks only at what decides nesting, so that cJSON's recursion is bounded before it starts, and at
 * what cJSON reads in its own way. */
static enum status scan(const char *text, size_t n, struct cause *why) {
    size_t depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < n; i++) {
        char c = text[i];
        if (c == '\0')
            return cause_set(why, STATUS_INVALID, "invalid JSON: NUL at byte %zu", i);
        if (in_string) {
            if (c == '\\') {
                bool unit = n - i >= 2 && text[i + 1] == 'u';
                if (unit && !has_digits(text, n, i))
                    return cause_set(why, STATUS_INVALID,
                                     "invalid JSON: a wrong escape at byte %zu", i);
                if (unit && memcmp(text + i + 2, "0000", 4) == 0)
                    return cause_set(why, STATUS_INVALID, "invalid JSON: NUL at byte %zu", i);
                i++;
            } else if (c == '"') {
                in_string = false;
            }
        } else if ((unsigned char)c < ' ' && !is_blank(c)) {
            return cause_set(why, STATUS_INVALID, "invalid JSON: a control character at byte %zu",
                             i);
        } else if (c == '"') {
            in_string = true;
        } else if (c == '[' || c == '{') {
            if (++depth > DEPTH_MAX)
                return cause_set(why, STATUS_INVALID,
                                 "invalid JSON: nested deeper than %d at byte %zu", DEPTH_MAX, i);
        } else if ((c == ']' || c == '}') && depth) {
            depth--;
        }
    }
    return STATUS_OK;
}

static enum status check_utf8(const char *text, size_t n, struct cause *why) {
    for (size_t i = 0; i < n;) {
        uint32_t cp;
        int len = utf8_decode(text + i, n - i, &cp);
        if (len <= 0)
            return cause_set(why, STATUS_INVALID, "invalid JSON: not UTF-8 at byte %zu", i);
        i += (size_t)len;
    }
    return STATUS_OK;
}

enum status json_parse(const char *text, size_t n, cJSON **out, struct cause *why) {
    *out = NULL;
    enum status s = check_utf8(text, n, why);
    if (s == STATUS_OK)
        s = scan(text, n, why);
    if (s != STATUS_OK)
        return s;
    if (!n)
        return cause_set(why, STATUS_INVALID, "invalid JSON: empty");
    const char *end = NULL;
    cJSON *root = cJSON_ParseWithLengthOpts(text, n, &end, 0);
    size_t at = end ? (size_t)(end - text) : 0;
    if (!root)
        return cause_set(why, STATUS_INVALID, "invalid JSON: unexpected text at byte %zu", at);
    while (at < n && strchr(" \t\r\n", text[at]))
        at++;
    if (at < n) {
        cJSON_Delete(root);
        return cause_set(why, STATUS_INVALID, "invalid JSON: text behind the value at byte %zu",
                         at);
    }
    *out = root;
    return STATUS_OK;
}

const char *json_str(const cJSON *obj, const char *key, const char *fallback) {
    const cJSON *it = cJSON_GetObjectItemCaseSensitive(obj, key);
    return cJSON_IsString(it) && it->valuestring ? it->valuestring : fallback;
}

int64_t json_i64(const cJSON *obj, const char *key, int64_t fallback) {
    const cJSON *it = cJSON_GetObjectItemCaseSensitive(obj, key);
    if (!cJSON_IsNumber(it) || isnan(it->valuedouble))
        return fallback;
    /* 2^63 itself is a double; the largest int64 is not. */
    if (it->valuedouble >= 0x1p63)
        return INT64_MAX;
    if (it->valuedouble <= -0x1p63)
        return INT64_MIN;
    return (int64_t)it->valuedouble;
}

double json_num(const cJSON *obj, const char *key, double fallback) {
    const cJSON *it = cJSON_GetObjectItemCaseSensitive(obj, key);
    return cJSON_IsNumber(it) ? it->valuedouble : fallback;
}

bool json_bool(const cJSON *obj, const char *key, bool fallback) {
    const cJSON *it = cJSON_GetObjectItemCaseSensitive(obj, key);
    return cJSON_IsBool(it) ? cJSON_IsTrue(it) != 0 : fallback;
}

const cJSON *json_obj(const cJSON *obj, const char *key) {
    const cJSON *it = cJSON_GetObjectItemCaseSensitive(obj, key);
    return cJSON_IsObject(it) ? it : NULL;
}

const cJSON *json_arr(const cJSON *obj, const char *key) {
    const cJSON *it = cJSON_GetObjectItemCaseSensitive(obj, key);
    return cJSON_IsArray(it) ? it : NULL;
}

/* cJSON says NULL for lack of memory; so do its callers here never. */
static cJSON *must(cJSON *item) {
    if (!item)
        (void)xreallocarray(NULL, SIZE_MAX, 2);
    return item;
}

static void add(cJSON *obj, const char *key, cJSON *item) {
    if (!cJSON_AddItemToObject(obj, key, must(item)))
        must(NULL);
}

void json_add_str(cJSON *obj, const char *key, const char *value) {
    add(obj, key, value ? cJSON_CreateString(value) : cJSON_CreateNull());
}

void json_add_i64(cJSON *obj, const char *key, int64_t value) {
    /* A double is exact to 2^53 only; beyond it the digits are given as they are. */
    if (value >= -(INT64_C(1) << 53) && value <= INT64_C(1) << 53) {
        add(obj, key, cJSON_CreateNumber((double)value));
        return;
    }
    char *digits = xasprintf("%lld", (long long)value);
    add(obj, key, cJSON_CreateRaw(digits));
    free(digits);
}

void json_add_num(cJSON *obj, const char *key, double value) {
    add(obj, key, cJSON_CreateNumber(value));
}

void json_add_bool(cJSON *obj, const char *key, bool value) {
    add(obj, key, cJSON_CreateBool(value));
}

void json_add_null(cJSON *obj, const char *key) { add(obj, key, cJSON_CreateNull()); }

cJSON *json_add_obj(cJSON *obj, const char *key) {
    cJSON *it = json_new_obj();
    add(obj, key, it);
    return it;
}

cJSON *json_add_arr(cJSON *obj, const char *key) {
    cJSON *it = json_new_arr();
    add(obj, key, it);
    return it;
}

cJSON *json_new_obj(void) { return must(cJSON_CreateObject()); }

cJSON *json_new_arr(void) { return must(cJSON_CreateArray()); }

char *json_print(const cJSON *item) {
    char *text = cJSON_PrintUnformatted(item);
    if (!text)
        must(NULL);
    return text;
}

/* How much of it stands in a string as it is; only ASCII is looked at. */
static size_t plain_run(const char *s, size_t n) {
    size_t i = 0;
    while (i < n && s[i] >= 0x20 && s[i] < 0x7F && s[i] != '"' && s[i] != '\\')
        i++;
    return i;
}

void json_quote(struct buf *out, const char *s, size_t n) {
    buf_putc(out, '"');
    for (size_t i = 0; i < n;) {
        size_t run = plain_run(s + i, n - i);
        if (run) { /* whole histories are quoted with every request: not a byte at a time */
            buf_append(out, s + i, run);
            i += run;
            continue;
        }
        uint32_t cp = 0;
        int len = utf8_decode(s + i, n - i, &cp);
        if (len <= 0) {
            buf_puts(out, "\xEF\xBF\xBD");
            i++;
            continue;
        }
        if (cp == '"' || cp == '\\') {
            buf_putc(out, '\\');
            buf_putc(out, (char)cp);
        } else if (cp == '\n') {
            buf_puts(out, "\\n");
        } else if (cp == '\t') {
            buf_puts(out, "\\t");
        } else if (cp == '\r') {
            buf_puts(out, "\\r");
        } else if (cp < 0x20 || cp == 0x7F) {
            buf_printf(out, "\\u%04x", (unsigned)cp);
        } else {
            buf_append(out, s + i, (size_t)len);
        }
        i += (size_t)len;
    }
    buf_putc(out, '"');
}
