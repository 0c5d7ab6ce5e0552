/* rehearsal_ask: what is being asked, read out of a request. The conversation holds text from
 * everywhere (commands print into results); only where it stands tells whose words they are, so the
 * rules here are strict about places and never look for sentences inside results. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "llm/rehearsal-internal.h"

#define STATUS_BEGIN "<status>\n"
#define STATUS_END "</status>\n\n"
#define CAME_BACK "[system] Work that you delegated has come back."
#define BRANCHED "[system] You are a branch of this conversation now."

const char *rehearsal_who_name(enum rehearsal_who w) {
    switch (w) {
#define X(name, text)                                                                              \
    case REHEARSAL_##name:                                                                         \
        return text;
        REHEARSAL_WHO_TABLE(X)
#undef X
    }
    return "?";
}

static bool is_role(const cJSON *message, const char *role) {
    return str_eq(json_str(message, "role", NULL), role);
}

static bool is_type(const cJSON *block, const char *type) {
    return str_eq(json_str(block, "type", NULL), type);
}

bool rehearsal_ask_has_tool(const struct rehearsal_ask *a, const char *name) {
    const cJSON *it;
    cJSON_ArrayForEach(it, a->tools) if (str_eq(json_str(it, "name", NULL), name)) return true;
    return false;
}

/* ---- the present text ---- */

/* The last text of a user message, NULL when it has none (results only). Lent. */
static const char *last_text(const cJSON *message) {
    const char *text = NULL;
    const cJSON *content = cJSON_GetObjectItemCaseSensitive(message, "content"), *it;
    if (cJSON_IsString(content))
        return content->valuestring;
    cJSON_ArrayForEach(it, content) if (is_type(it, "text")) text = json_str(it, "text", text);
    return text;
}

/* The message whose text is to be answered; -1 when there is none. */
static int present(const struct rehearsal_ask *a) {
    for (int i = cJSON_GetArraySize(a->messages); i-- > 0;) {
        const cJSON *m = cJSON_GetArrayItem(a->messages, i);
        if (is_role(m, "user") && last_text(m))
            return i;
    }
    return -1;
}

/* Takes the status block off. Its lines quote what commands printed, and a result may hold what
 * looks like its end: so a message of results is one wherever its own beginning follows an end, and
 * of any other only what stands behind the last end counts. */
static const char *behind_status(struct rehearsal_ask *a, const char *text) {
    const char *rest = text, *last = NULL;
    if (!str_prefix(text, STATUS_BEGIN))
        return text;
    while ((rest = strstr(rest, STATUS_END))) {
        rest += strlen(STATUS_END);
        last = rest;
        if (str_prefix(rest, CAME_BACK))
            break;
    }
    if (!last)
        return text;
    a->status = xstrndup(text, (size_t)(last - text));
    return last;
}

static char *trimmed(const char *s) {
    s += strspn(s, " \t\r\n");
    size_t n = strlen(s);
    while (n && strchr(" \t\r\n", s[n - 1]))
        n--;
    return xstrndup(s, n);
}

static void read_text(struct rehearsal_ask *a, int at) {
    const char *text = last_text(cJSON_GetArrayItem(a->messages, at));
    switch (a->who) {
    case REHEARSAL_CHANNEL:
        text = behind_status(a, text);
        a->came_back = str_prefix(text, CAME_BACK);
        break;
    case REHEARSAL_BRANCH:
        if (str_prefix(text, BRANCHED)) {
            const char *gap = strstr(text, "\n\n");
            text = gap ? gap + 2 : text;
        }
        break;
    case REHEARSAL_WORKER: {
        /* The task is the first message; what follows are reminders. */
        const char *task = last_text(cJSON_GetArrayItem(a->messages, 0));
        text = task ? task : text;
        at = 0;
        break;
    }
    case REHEARSAL_OTHER:
        break;
    }
    a->text = trimmed(text);
    const cJSON *m;
    cJSON_ArrayForEach(m, a->messages) a->step += at-- < 0 && is_role(m, "assistant");
}

/* ---- what was said ---- */

static const char *said_by(const cJSON *block) {
    if (is_type(block, "text"))
        return json_str(block, "text", NULL);
    if (is_type(block, "tool_use") && str_eq(json_str(block, "name", NULL), "reply"))
        return json_str(json_obj(block, "input"), "content", NULL);
    return NULL;
}

/* Words alone: without the status block of a message of the present turn. */
static const char *bare(const char *text) {
    const char *rest = str_prefix(text, STATUS_BEGIN) ? strstr(text, STATUS_END) : NULL;
    return rest ? rest + strlen(STATUS_END) : text;
}

void rehearsal_ask_said(const struct rehearsal_ask *a, rehearsal_said_fn *fn, void *arg) {
    int left = present(a);
    const cJSON *m, *it;
    cJSON_ArrayForEach(m, a->messages) {
        if (left < 0)
            return;
        bool person = is_role(m, "user");
        /* Of the present message what stands before its last text. */
        const char *end = left-- == 0 ? last_text(m) : NULL;
        const cJSON *content = cJSON_GetObjectItemCaseSensitive(m, "content");
        if (cJSON_IsString(content) && !end)
            fn(arg, person, bare(content->valuestring));
        cJSON_ArrayForEach(it, content) {
            const char *text = said_by(it);
            if (text && text == end)
                break;
            if (text)
                fn(arg, person, bare(text));
        }
    }
}

/* Also in the present turn, which rehearsal_ask_said() leaves out. */
static bool introduced(const struct rehearsal_ask *a) {
    const cJSON *m, *it;
    cJSON_ArrayForEach(m, a->messages) {
        if (!is_role(m, "assistant"))
            continue;
        cJSON_ArrayForEach(it, json_arr(m, "content")) {
            const char *text = said_by(it);
            if (text && strstr(text, rehearsal_mark))
                return true;
        }
    }
    return false;
}

/* ---- results ---- */

static const char *call_name(const struct rehearsal_ask *a, int before, const char *id) {
    for (int i = before; i-- > 0;) {
        const cJSON *m = cJSON_GetArrayItem(a->messages, i), *it;
        if (!is_role(m, "assistant"))
            continue;
        cJSON_ArrayForEach(it, json_arr(m, "content")) if (is_type(it, "tool_use") &&
                                                           str_eq(json_str(it, "id", NULL),
                                                                  id)) return json_str(it, "name",
                                                                                       "");
        break;
    }
    return "";
}

bool rehearsal_ask_result(const struct rehearsal_ask *a, size_t i, struct rehearsal_result *out) {
    int last = cJSON_GetArraySize(a->messages) - 1;
    const cJSON *it, *content = json_arr(cJSON_GetArrayItem(a->messages, last), "content");
    cJSON_ArrayForEach(it, content) {
        if (!is_type(it, "tool_result") || i-- > 0)
            continue;
        const char *text = json_str(it, "content", NULL);
        if (!text) /* blocks, of which the first text counts */
            text = json_str(cJSON_GetArrayItem(json_arr(it, "content"), 0), "text", "");
        *out = (struct rehearsal_result){
            .tool = call_name(a, last, json_str(it, "tool_use_id", "")),
            .text = text,
            .is_error = json_bool(it, "is_error", false),
        };
        return true;
    }
    return false;
}

/* ---- the whole ---- */

static enum rehearsal_who who_asks(const struct rehearsal_ask *a) {
    if (rehearsal_ask_has_tool(a, "set_status"))
        return REHEARSAL_WORKER;
    if (rehearsal_ask_has_tool(a, "reply"))
        return REHEARSAL_CHANNEL;
    return rehearsal_ask_has_tool(a, "spawn_worker") || rehearsal_ask_has_tool(a, "file_read")
               ? REHEARSAL_BRANCH
               : REHEARSAL_OTHER;
}

enum status rehearsal_ask_read(const char *body, size_t n, struct rehearsal_ask *out,
                               struct cause *why) {
    *out = (struct rehearsal_ask){.bytes = n};
    enum status st = json_parse(body, n, &out->root, why);
    if (st == STATUS_OK && !cJSON_IsObject(out->root))
        st = cause_set(why, STATUS_INVALID, "the request is no object");
    if (st == STATUS_OK && !json_bool(out->root, "stream", false))
        st = cause_set(why, STATUS_INVALID, "stream: only streamed answers are given");
    if (st == STATUS_OK) {
        out->model = json_str(out->root, "model", "");
        out->messages = json_arr(out->root, "messages");
        out->tools = json_arr(out->root, "tools");
        out->who = who_asks(out);
        int at = present(out);
        if (at < 0)
            st = cause_set(why, STATUS_INVALID, "messages: nobody says anything");
        else
            read_text(out, at);
    }
    if (st != STATUS_OK) {
        rehearsal_ask_free(out);
        return st;
    }
    if (!out->status)
        out->status = xstrdup("");
    out->introduced = introduced(out);
    return STATUS_OK;
}

void rehearsal_ask_free(struct rehearsal_ask *a) {
    cJSON_Delete(a->root);
    x_free(&a->text);
    x_free(&a->status);
    memset(a, 0, sizeof(*a));
}
