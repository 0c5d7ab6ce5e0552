/* rehearsal_scenario: answers from a file, for whoever wants to see a particular scene or a
 * particular failure. Its form is in rehearsal-internal.h; a key that is not listed there is an
 * error with its place, so that a misspelt one cannot pass for a rule that was obeyed. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "llm/rehearsal-internal.h"

#define FILE_MAX (1024u * 1024u)
#define MS_MAX 3600000
#define EXPANDED_MAX ((size_t)65536) /* of what a ${…} stands for */

struct rule {
    const cJSON *item, *match; /* of the file's tree; match may be NULL */
    struct rehearsal_fault fault;
    int64_t fitted; /* questions that met every condition but nth */
};

struct rehearsal_scenario {
    cJSON *root;
    struct rule *rules;
    size_t n;
    struct rehearsal_pace pace;
};

/* ---- reading ---- */

/* What a key may hold. */
enum want { WANT_STRING, WANT_NUMBER, WANT_OBJECT, WANT_ARRAY };
struct key {
    const char *name;
    enum want want;
};

static const char *const wanted[] = {"text", "a whole number from 0", "an object", "a list"};

static const struct key root_keys[] = {{"chunk_chars", WANT_NUMBER},
                                       {"chunk_ms", WANT_NUMBER},
                                       {"work_ms", WANT_NUMBER},
                                       {"rules", WANT_ARRAY}};
static const struct key rule_keys[] = {
    {"match", WANT_OBJECT},    {"thinking", WANT_STRING}, {"text", WANT_STRING},
    {"calls", WANT_ARRAY},     {"delay_ms", WANT_NUMBER}, {"chunk_chars", WANT_NUMBER},
    {"chunk_ms", WANT_NUMBER}, {"fault", WANT_OBJECT},
};
static const struct key match_keys[] = {{"who", WANT_STRING},
                                        {"text", WANT_STRING},
                                        {"result", WANT_STRING},
                                        {"step", WANT_NUMBER},
                                        {"nth", WANT_NUMBER}};
static const struct key call_keys[] = {{"tool", WANT_STRING}, {"input", WANT_OBJECT}};
static const struct key fault_keys[] = {{"status", WANT_NUMBER},      {"message", WANT_STRING},
                                        {"retry_after", WANT_NUMBER}, {"error", WANT_STRING},
                                        {"after", WANT_NUMBER},       {"cut", WANT_NUMBER},
                                        {"silence", WANT_NUMBER}};

static bool fits(const cJSON *it, enum want want) {
    switch (want) {
    case WANT_STRING:
        return cJSON_IsString(it);
    case WANT_NUMBER:
        return cJSON_IsNumber(it) && it->valuedouble >= 0 && it->valuedouble <= MS_MAX &&
               it->valuedouble == (double)it->valueint;
    case WANT_OBJECT:
        return cJSON_IsObject(it);
    case WANT_ARRAY:
        return cJSON_IsArray(it);
    }
    return false;
}

static enum status check(const cJSON *obj, const struct key *keys, size_t n, const char *where,
                         struct cause *why) {
    const char *names[16];
    const cJSON *it;
    const char *dot = *where ? "." : "";
    if (!cJSON_IsObject(obj))
        return cause_set(why, STATUS_CONFIG, "%s must be an object", where);
    for (size_t i = 0; i < n; i++)
        names[i] = keys[i].name;
    cJSON_ArrayForEach(it, obj) {
        size_t i = 0;
        while (i < n && !str_eq(keys[i].name, it->string))
            i++;
        if (i == n) {
            const char *near = str_nearest(it->string, names, n);
            return near ? cause_set(why, STATUS_CONFIG,
                                    "unknown key `%s%s%.60s`; did you mean `%s`?", where, dot,
                                    it->string, near)
                        : cause_set(why, STATUS_CONFIG, "unknown key `%s%s%.60s`", where, dot,
                                    it->string);
        }
        if (!fits(it, keys[i].want))
            return cause_set(why, STATUS_CONFIG, "`%s%s%s` must be %s%s", where, dot, it->string,
                             wanted[keys[i].want],
                             keys[i].want == WANT_NUMBER ? ", at most 3600000" : "");
    }
    return STATUS_OK;
}
#define CHECK(obj, keys, where, why) check(obj, keys, ARRAY_LEN(keys), where, why)

static enum status check_calls(const cJSON *calls, const char *where, struct cause *why) {
    const cJSON *it;
    int i = 0;
    cJSON_ArrayForEach(it, calls) {
        char *place = xasprintf("%s.calls[%d]", where, i++);
        enum status st = CHECK(it, call_keys, place, why);
        if (st == STATUS_OK && !json_str(it, "tool", NULL))
            st = cause_set(why, STATUS_CONFIG, "`%s` needs a `tool`", place);
        x_free(&place);
        if (st != STATUS_OK)
            return st;
    }
    return STATUS_OK;
}

static enum status check_who(const cJSON *match, const char *where, struct cause *why) {
    static const char *const names[] = {
#define X(name, text) text,
        REHEARSAL_WHO_TABLE(X)
#undef X
    };
    const char *who = json_str(match, "who", NULL);
    for (size_t i = 0; who && i < ARRAY_LEN(names); i++)
        if (str_eq(names[i], who))
            return STATUS_OK;
    return who ? cause_set(why, STATUS_CONFIG,
                           "`%s.who` must be channel, branch, worker or other, not \"%.40s\"",
                           where, who)
               : STATUS_OK;
}

static enum status read_fault(const cJSON *f, const char *where, struct rehearsal_fault *out,
                              struct cause *why) {
    *out = (struct rehearsal_fault)REHEARSAL_NO_FAULT;
    if (!f)
        return STATUS_OK;
    char *place = xasprintf("%s.fault", where);
    enum status st = CHECK(f, fault_keys, place, why);
    if (st == STATUS_OK) {
        out->status = (int)json_i64(f, "status", 0);
        out->message = json_str(f, "message", NULL);
        out->error = json_str(f, "error", NULL);
        out->retry_after = json_i64(f, "retry_after", -1);
        out->cut = json_i64(f, "cut", -1);
        out->silence = json_i64(f, "silence", -1);
        out->after = out->error && !out->status ? json_i64(f, "after", 1) : -1;
        if (out->status && (out->status < 400 || out->status > 599))
            st = cause_set(why, STATUS_CONFIG, "`%s.status` must be from 400 to 599", place);
    }
    x_free(&place);
    return st;
}

static enum status read_rule(const cJSON *it, const char *where, struct rule *out,
                             struct cause *why) {
    enum status st = CHECK(it, rule_keys, where, why);
    out->item = it;
    out->match = json_obj(it, "match");
    if (st == STATUS_OK && out->match) {
        char *place = xasprintf("%s.match", where);
        st = CHECK(out->match, match_keys, place, why);
        if (st == STATUS_OK)
            st = check_who(out->match, place, why);
        x_free(&place);
    }
    if (st == STATUS_OK)
        st = check_calls(json_arr(it, "calls"), where, why);
    return st == STATUS_OK ? read_fault(json_obj(it, "fault"), where, &out->fault, why) : st;
}

static enum status read_root(struct rehearsal_scenario *s, struct cause *why) {
    enum status st = CHECK(s->root, root_keys, "", why);
    if (st != STATUS_OK)
        return cJSON_IsObject(s->root) ? st : cause_set(why, st, "it must hold an object");
    const cJSON *rules = json_arr(s->root, "rules"), *it;
    s->rules = xcalloc((size_t)cJSON_GetArraySize(rules) + 1, sizeof(*s->rules));
    cJSON_ArrayForEach(it, rules) {
        char *where = xasprintf("rules[%zu]", s->n);
        st = read_rule(it, where, &s->rules[s->n++], why);
        x_free(&where);
        if (st != STATUS_OK)
            return st;
    }
    const struct rehearsal_pace usual = REHEARSAL_PACE;
    s->pace.chunk_chars = json_i64(s->root, "chunk_chars", usual.chunk_chars);
    s->pace.chunk_ms = json_i64(s->root, "chunk_ms", usual.chunk_ms);
    s->pace.work_ms = json_i64(s->root, "work_ms", usual.work_ms);
    return STATUS_OK;
}

static enum status read_file(const char *path, struct buf *text, struct cause *why) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return cause_errno(why, STATUS_CONFIG, errno, "cannot be read");
    struct stat sb;
    enum status st = STATUS_OK;
    if (fstat(fd, &sb) != 0 || !S_ISREG(sb.st_mode))
        st = cause_set(why, STATUS_CONFIG, "is not a regular file");
    while (st == STATUS_OK) {
        ssize_t n = read(fd, buf_room(text, 65536), 65536);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            st = cause_errno(why, STATUS_CONFIG, errno, "cannot be read");
        if (n <= 0)
            break;
        buf_added(text, (size_t)n);
        if (text->len > FILE_MAX)
            st = cause_set(why, STATUS_CONFIG, "is larger than %u bytes", FILE_MAX);
    }
    close(fd);
    return st;
}

/* "… at byte N" -> "line L: … at byte N" */
static void add_line(struct cause *why, const struct buf *text) {
    const char *at = strstr(why->text, "at byte ");
    size_t byte = at ? strtoul(at + strlen("at byte "), NULL, 10) : text->len;
    unsigned line = 1;
    for (size_t i = 0; i < byte && i < text->len; i++)
        line += text->data[i] == '\n';
    struct cause inner = *why;
    cause_set(why, STATUS_CONFIG, "line %u: %.400s", line, inner.text);
}

enum status rehearsal_scenario_load(const char *path, struct rehearsal_scenario **out,
                                    struct cause *why) {
    struct rehearsal_scenario *s = xcalloc(1, sizeof(*s));
    struct buf text = BUF_INIT;
    struct cause inner = {""};
    enum status st = read_file(path, &text, &inner);
    if (st == STATUS_OK && json_parse(buf_str(&text), text.len, &s->root, &inner) != STATUS_OK) {
        add_line(&inner, &text);
        st = STATUS_CONFIG;
    }
    if (st == STATUS_OK)
        st = read_root(s, &inner);
    buf_free(&text);
    *out = s;
    if (st != STATUS_OK) {
        rehearsal_scenario_free(out);
        return cause_set(why, st, "%.200s: %s", path, inner.text);
    }
    return STATUS_OK;
}

void rehearsal_scenario_free(struct rehearsal_scenario **ps) {
    if (*ps) {
        cJSON_Delete((*ps)->root);
        free((*ps)->rules);
        x_free(ps);
    }
}

struct rehearsal_pace rehearsal_scenario_pace(const struct rehearsal_scenario *s) {
    const struct rehearsal_pace usual = REHEARSAL_PACE;
    return s ? s->pace : usual;
}

/* ---- answering ---- */

/* What `result` looks at: what the tools gave back, or the results that the text tells of. The
 * caller frees. */
static char *results_of(const struct rehearsal_ask *q) {
    struct buf b = BUF_INIT;
    struct rehearsal_result r;
    for (size_t i = 0; rehearsal_ask_result(q, i, &r); i++)
        buf_printf(&b, "%s%s", b.len ? "\n" : "", r.text);
    return buf_steal(&b);
}

static bool matches(const struct rule *r, const struct rehearsal_ask *q, const char *results) {
    const char *who = json_str(r->match, "who", NULL), *text = json_str(r->match, "text", NULL);
    const char *result = json_str(r->match, "result", NULL);
    int64_t step = json_i64(r->match, "step", -1);
    return (!who || str_eq(who, rehearsal_who_name(q->who))) && (!text || strstr(q->text, text)) &&
           (!result || strstr(results, result)) && (step < 0 || (size_t)step == q->step);
}

static char *expanded(const char *s, const struct rehearsal_ask *q, const char *results) {
    static const char text[] = "${text}", result[] = "${result}";
    struct buf b = BUF_INIT;
    while (*s) {
        if (str_prefix(s, text)) {
            rehearsal_quote(&b, q->text, EXPANDED_MAX);
            s += strlen(text);
        } else if (str_prefix(s, result)) {
            rehearsal_quote(&b, results, EXPANDED_MAX);
            s += strlen(result);
        } else {
            buf_putc(&b, *s++);
        }
    }
    return buf_steal(&b);
}

/* In every text of a call's input; json_parse() bounds the depth. */
static void expand_all(cJSON *it, const struct rehearsal_ask *q, const char *results) {
    for (; it; it = it->next) {
        if (cJSON_IsString(it)) {
            char *text = expanded(it->valuestring, q, results);
            cJSON_SetValuestring(it, text);
            x_free(&text);
        }
        expand_all(it->child, q, results);
    }
}

static void add_calls(const cJSON *calls, const struct rehearsal_ask *q, const char *results,
                      struct rehearsal_answer *out) {
    const cJSON *it;
    cJSON_ArrayForEach(it, calls) {
        const cJSON *given = json_obj(it, "input");
        cJSON *input = given ? cJSON_Duplicate(given, true) : json_new_obj();
        expand_all(input->child, q, results);
        rehearsal_answer_call(out, json_str(it, "tool", ""), input);
    }
}

static void fill(const struct rule *r, const struct rehearsal_ask *q, const char *results,
                 struct rehearsal_answer *out) {
    const char *thinking = json_str(r->item, "thinking", NULL);
    const char *text = json_str(r->item, "text", NULL);
    char *words;
    if (thinking) {
        words = expanded(thinking, q, results);
        rehearsal_answer_thinking(out, words);
        x_free(&words);
    }
    if (text) {
        words = expanded(text, q, results);
        rehearsal_answer_text(out, words);
        x_free(&words);
    }
    add_calls(json_arr(r->item, "calls"), q, results, out);
    out->delay_ms = json_i64(r->item, "delay_ms", 0);
    out->pace.chunk_chars = json_i64(r->item, "chunk_chars", out->pace.chunk_chars);
    out->pace.chunk_ms = json_i64(r->item, "chunk_ms", out->pace.chunk_ms);
    out->fault = r->fault;
}

bool rehearsal_scenario_answer(struct rehearsal_scenario *s, const struct rehearsal_ask *q,
                               struct rehearsal_answer *out) {
    bool found = false;
    char *results = results_of(q);
    for (size_t i = 0; s && i < s->n && !found; i++) {
        struct rule *r = &s->rules[i];
        if (!matches(r, q, results))
            continue;
        int64_t nth = json_i64(r->match, "nth", 0);
        found = ++r->fitted == nth || nth == 0;
        if (found)
            fill(r, q, results, out);
    }
    x_free(&results);
    return found;
}
