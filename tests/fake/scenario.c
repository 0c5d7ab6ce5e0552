/* scenario: see scenario.h. */
#include "scenario.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"

/* What a key may hold. */
enum want { WANT_STRING, WANT_INT, WANT_TRUE, WANT_OBJECT, WANT_ARRAY, WANT_ANY };
struct key {
    const char *name;
    enum want want;
};

static bool fits(const cJSON *it, enum want want) {
    switch (want) {
    case WANT_STRING:
        return cJSON_IsString(it);
    case WANT_INT:
        return cJSON_IsNumber(it) && it->valuedouble == (double)it->valueint && it->valueint >= 0;
    case WANT_TRUE:
        return cJSON_IsBool(it);
    case WANT_OBJECT:
        return cJSON_IsObject(it);
    case WANT_ARRAY:
        return cJSON_IsArray(it);
    case WANT_ANY:
        return true;
    }
    return false;
}

static bool check_keys(const cJSON *obj, const struct key *keys, size_t n, const char *where,
                       struct cause *why) {
    const cJSON *it;
    if (!cJSON_IsObject(obj)) {
        cause_set(why, STATUS_INVALID, "scenario: %s is not an object", where);
        return false;
    }
    cJSON_ArrayForEach(it, obj) {
        size_t i = 0;
        while (i < n && strcmp(keys[i].name, it->string) != 0)
            i++;
        if (i == n || !fits(it, keys[i].want)) {
            cause_set(why, STATUS_INVALID, "scenario: %s: %s \"%s\"", where,
                      i == n ? "unknown key" : "wrong type of", it->string);
            return false;
        }
    }
    return true;
}

static int get_int(const cJSON *obj, const char *key, int fallback) {
    return (int)json_i64(obj, key, fallback);
}

static bool bad_value(struct cause *why, const char *key) {
    cause_set(why, STATUS_INVALID, "scenario: faults: bad value of \"%s\"", key);
    return false;
}

/* The place of a member's word among `words`; 0 when it is not there, false when it is none of
 * them. */
static bool read_word(const cJSON *obj, const char *key, const char *const *words, int *out,
                      struct cause *why) {
    const char *word = json_str(obj, key, NULL);
    *out = 0;
    for (int i = 1; word && words[i]; i++)
        if (strcmp(words[i], word) == 0)
            *out = i;
    return !word || *out ? true : bad_value(why, key);
}

/* The faults whose values are words. */
static bool read_words(const cJSON *obj, struct faults *f, struct cause *why) {
    static const char *const garbage[] = {"", "json", "utf8", "sse", "flood", NULL};
    static const char *const usage_at[] = {"", "end", "never", "every", NULL};
    static const char *const no_end[] = {"", "marker", "reason", NULL};
    static const char *const bomb[] = {"", "zeros", "lines", NULL};
    int word[4];
    if (!read_word(obj, "garbage", garbage, &word[0], why) ||
        !read_word(obj, "usage_at", usage_at, &word[1], why) ||
        !read_word(obj, "no_end", no_end, &word[2], why) ||
        !read_word(obj, "bomb", bomb, &word[3], why))
        return false;
    f->garbage = (enum garbage)word[0];
    f->usage_at = (enum usage_at)word[1];
    f->no_end = (enum no_end)word[2];
    f->bomb = (enum bomb)word[3];

    static const char *const ends[][2] = {{"lf", "\n"}, {"cr", "\r"}, {"crlf", "\r\n"}};
    const char *end = json_str(obj, "line_end", "lf");
    f->line_end = NULL;
    for (size_t i = 0; i < ARRAY_LEN(ends); i++)
        if (strcmp(ends[i][0], end) == 0)
            f->line_end = ends[i][1];
    if (!f->line_end)
        return bad_value(why, "line_end");

    const cJSON *split = cJSON_GetObjectItemCaseSensitive(obj, "split");
    if (cJSON_IsString(split) && strcmp(split->valuestring, "byte") == 0)
        f->split = 1;
    else if (split && (!cJSON_IsNumber(split) || (f->split = split->valueint) < 1))
        return bad_value(why, "split");

    const cJSON *error = cJSON_GetObjectItemCaseSensitive(obj, "mid_stream_error");
    static const struct key error_keys[] = {{"type", WANT_STRING}, {"message", WANT_STRING}};
    if (cJSON_IsObject(error)) {
        if (!check_keys(error, error_keys, ARRAY_LEN(error_keys), "mid_stream_error", why))
            return false;
    } else if (error && !cJSON_IsBool(error)) {
        return bad_value(why, "mid_stream_error");
    }
    f->error = cJSON_IsObject(error) || cJSON_IsTrue(error);
    f->error_type = json_str(error, "type", "overloaded_error");
    f->error_message = json_str(error, "message", "Overloaded");
    return true;
}

static bool read_faults(const cJSON *obj, struct faults *f, struct cause *why) {
    static const struct key keys[] = {{"delay_ms", WANT_INT},
                                      {"slow_ms_per_event", WANT_INT},
                                      {"status", WANT_INT},
                                      {"message", WANT_STRING},
                                      {"body", WANT_STRING},
                                      {"retry_after", WANT_STRING},
                                      {"location", WANT_STRING},
                                      {"headers", WANT_STRING},
                                      {"encoding", WANT_STRING},
                                      {"html_error_page", WANT_TRUE},
                                      {"refuse", WANT_TRUE},
                                      {"cut_after_bytes", WANT_INT},
                                      {"cut_reset", WANT_TRUE},
                                      {"silence_after_events", WANT_INT},
                                      {"hold", WANT_STRING},
                                      {"hold_after_events", WANT_INT},
                                      {"garbage", WANT_STRING},
                                      {"garbage_after_events", WANT_INT},
                                      {"split", WANT_ANY},
                                      {"line_end", WANT_STRING},
                                      {"bom", WANT_TRUE},
                                      {"comments", WANT_TRUE},
                                      {"multi_line", WANT_TRUE},
                                      {"unknown_events", WANT_TRUE},
                                      {"empty_deltas", WANT_TRUE},
                                      {"interleave", WANT_TRUE},
                                      {"gzip", WANT_TRUE},
                                      {"usage_at", WANT_STRING},
                                      {"no_end", WANT_STRING},
                                      {"bomb", WANT_STRING},
                                      {"mid_stream_error", WANT_ANY},
                                      {"mid_stream_error_after", WANT_INT}};
    if (obj && !check_keys(obj, keys, ARRAY_LEN(keys), "faults", why))
        return false;
    *f = (struct faults){
        .delay_ms = get_int(obj, "delay_ms", 0),
        .slow_ms = get_int(obj, "slow_ms_per_event", 0),
        .status = get_int(obj, "status", 0),
        .message = json_str(obj, "message", NULL),
        .body = json_str(obj, "body", NULL),
        .retry_after = json_str(obj, "retry_after", NULL),
        .location = json_str(obj, "location", NULL),
        .headers = json_str(obj, "headers", NULL),
        .encoding = json_str(obj, "encoding", NULL),
        .html = json_bool(obj, "html_error_page", false),
        .refuse = json_bool(obj, "refuse", false),
        .cut_after_bytes = get_int(obj, "cut_after_bytes", -1),
        .cut_reset = json_bool(obj, "cut_reset", false),
        .silence_after = get_int(obj, "silence_after_events", -1),
        .hold = json_str(obj, "hold", NULL),
        .hold_after = get_int(obj, "hold_after_events", 0),
        .garbage_after = get_int(obj, "garbage_after_events", 2),
        .bom = json_bool(obj, "bom", false),
        .comments = json_bool(obj, "comments", false),
        .multi_line = json_bool(obj, "multi_line", false),
        .unknown_events = json_bool(obj, "unknown_events", false),
        .empty_deltas = json_bool(obj, "empty_deltas", false),
        .interleave = json_bool(obj, "interleave", false),
        .gzip = json_bool(obj, "gzip", false),
        .error_after = get_int(obj, "mid_stream_error_after", 3),
    };
    return read_words(obj, f, why);
}

static bool check_respond(const cJSON *respond, struct cause *why) {
    static const struct key block_keys[] = {{"text", WANT_STRING},
                                            {"repeat", WANT_INT},
                                            {"thinking", WANT_STRING},
                                            {"redacted_thinking", WANT_STRING},
                                            {"tool_use", WANT_OBJECT}};
    static const struct key tool_keys[] = {{"name", WANT_STRING},
                                           {"input", WANT_OBJECT},
                                           {"input_raw", WANT_STRING},
                                           {"id", WANT_STRING}};
    const cJSON *block;
    cJSON_ArrayForEach(block, respond) {
        if (!check_keys(block, block_keys, ARRAY_LEN(block_keys), "respond", why))
            return false;
        const cJSON *tool = json_obj(block, "tool_use");
        if (tool && !check_keys(tool, tool_keys, ARRAY_LEN(tool_keys), "tool_use", why))
            return false;
        if (tool && !json_str(tool, "name", NULL)) {
            cause_set(why, STATUS_INVALID, "scenario: tool_use without a name");
            return false;
        }
    }
    return true;
}

static bool read_rule(const cJSON *obj, struct rule *rule, struct cause *why) {
    static const struct key keys[] = {{"match", WANT_OBJECT},       {"respond", WANT_ARRAY},
                                      {"stop_reason", WANT_STRING}, {"usage", WANT_OBJECT},
                                      {"model", WANT_STRING},       {"delta_chars", WANT_INT},
                                      {"faults", WANT_OBJECT}};
    static const struct key match_keys[] = {{"last_user_contains", WANT_STRING},
                                            {"last_tool_result_contains", WANT_STRING},
                                            {"step", WANT_INT},
                                            {"system_contains", WANT_STRING},
                                            {"body_contains", WANT_STRING},
                                            {"body_lacks", WANT_STRING},
                                            {"model", WANT_STRING},
                                            {"has_tool", WANT_STRING},
                                            {"lacks_tool", WANT_STRING},
                                            {"nth", WANT_INT},
                                            {"call", WANT_INT}};
    static const struct key usage_keys[] = {{"input_tokens", WANT_INT},
                                            {"output_tokens", WANT_INT},
                                            {"cache_read_input_tokens", WANT_INT},
                                            {"cache_creation_input_tokens", WANT_INT}};
    if (!check_keys(obj, keys, ARRAY_LEN(keys), "rule", why))
        return false;
    rule->match = json_obj(obj, "match");
    rule->respond = json_arr(obj, "respond");
    rule->usage = json_obj(obj, "usage");
    if (rule->usage && !check_keys(rule->usage, usage_keys, ARRAY_LEN(usage_keys), "usage", why))
        return false;
    rule->stop_reason = json_str(obj, "stop_reason", NULL);
    rule->model = json_str(obj, "model", NULL);
    rule->delta_chars = get_int(obj, "delta_chars", 12);
    if (rule->delta_chars < 1)
        rule->delta_chars = 1;
    if (rule->match && !check_keys(rule->match, match_keys, ARRAY_LEN(match_keys), "match", why))
        return false;
    if (!check_respond(rule->respond, why))
        return false;
    return read_faults(json_obj(obj, "faults"), &rule->faults, why);
}

static bool read_file(const char *path, struct buf *out, struct cause *why) {
    FILE *f = fopen(path, "re");
    if (!f) {
        cause_set(why, STATUS_IO, "%s: %m", path);
        return false;
    }
    size_t n;
    do {
        n = fread(buf_room(out, 65536), 1, 65536, f);
        buf_added(out, n);
    } while (n > 0);
    fclose(f);
    return true;
}

/* As Ollama and llama.cpp answer. The caller frees. */
static char *read_models(const cJSON *models) {
    if (cJSON_IsString(models))
        return xstrdup(models->valuestring);
    if (!cJSON_IsArray(models))
        return NULL;
    cJSON *root = json_new_obj();
    json_add_str(root, "object", "list");
    cJSON *data = json_add_arr(root, "data");
    const cJSON *it;
    cJSON_ArrayForEach(it, models) {
        cJSON *m = json_new_obj();
        json_add_str(m, "id", cJSON_IsString(it) ? it->valuestring : "");
        json_add_str(m, "object", "model");
        cJSON_AddItemToArray(data, m);
    }
    char *text = json_print(root);
    cJSON_Delete(root);
    return text;
}

bool scenario_load(const char *path, struct scenario *out, struct cause *why) {
    static const struct key keys[] = {{"rules", WANT_ARRAY},
                                      {"refuse_first", WANT_INT},
                                      {"models", WANT_ANY},
                                      {"speech", WANT_ARRAY},
                                      {"chaos", WANT_OBJECT}};
    struct buf text = BUF_INIT;
    memset(out, 0, sizeof(*out));
    bool ok = read_file(path, &text, why) &&
              json_parse(buf_str(&text), text.len, &out->root, why) == STATUS_OK;
    buf_free(&text);
    if (!ok || !check_keys(out->root, keys, ARRAY_LEN(keys), "scenario", why))
        return false;
    out->refuse_first = get_int(out->root, "refuse_first", 0);
    out->models = read_models(cJSON_GetObjectItemCaseSensitive(out->root, "models"));
    const cJSON *rules = json_arr(out->root, "rules"), *it;
    out->rules = xcalloc((size_t)cJSON_GetArraySize(rules) + 1, sizeof(*out->rules));
    cJSON_ArrayForEach(it, rules) {
        if (!read_rule(it, &out->rules[out->n], why)) {
            struct cause inner = *why;
            cause_set(why, STATUS_INVALID, "rule %zu: %.400s", out->n, inner.text);
            return false;
        }
        out->n++;
    }
    return true;
}

void scenario_free(struct scenario *s) {
    x_free(&s->rules);
    x_free(&s->models);
    cJSON_Delete(s->root);
    s->root = NULL;
    s->n = 0;
}

/* Whether the condition is absent or `text` contains it. */
static bool contains(const cJSON *match, const char *key, const struct buf *text) {
    const char *want = json_str(match, key, NULL);
    return !want || strstr(buf_str(text), want);
}

static bool rule_fits(const struct rule *rule, const struct request *r) {
    const cJSON *m = rule->match;
    if (!m)
        return true;
    const char *model = json_str(m, "model", NULL), *tool = json_str(m, "has_tool", NULL);
    const char *lacks = json_str(m, "lacks_tool", NULL), *absent = json_str(m, "body_lacks", NULL);
    int step = get_int(m, "step", -1), call = get_int(m, "call", -1);
    return contains(m, "last_user_contains", &r->user) &&
           contains(m, "system_contains", &r->system) && contains(m, "body_contains", &r->raw) &&
           (!absent || !strstr(buf_str(&r->raw), absent)) &&
           (!json_str(m, "last_tool_result_contains", NULL) ||
            (r->has_result && contains(m, "last_tool_result_contains", &r->tool_result))) &&
           (step < 0 || step == r->step) && (call < 0 || call == r->call) &&
           (!model || strcmp(model, r->model) == 0) && (!tool || request_has_tool(r, tool)) &&
           (!lacks || !request_has_tool(r, lacks));
}

struct rule *scenario_match(struct scenario *s, const struct request *r) {
    for (size_t i = 0; i < s->n; i++) {
        struct rule *rule = &s->rules[i];
        if (!rule_fits(rule, r))
            continue;
        rule->fitted++;
        int nth = get_int(rule->match, "nth", -1);
        if (nth < 0 || nth == rule->fitted)
            return rule;
    }
    return NULL;
}
