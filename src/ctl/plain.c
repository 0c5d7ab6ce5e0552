/* plain: one event, its lines. Nothing moves the cursor, so that it can be read by ear, by grep,
 * and over the worst line. Streaming text is left out: it comes again when it is whole. */
#include "ctl/plain.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/bus.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"

#define NAME_MAX_BYTES 40u
#define RESULT_LINES 1 /* of a tool's result: it is in the log */

struct plain {
    struct plain_options o;
    struct map *names; /* full id: owned text */
};

struct plain *plain_new(const struct plain_options *o) {
    struct plain *p = xcalloc(1, sizeof(*p));
    p->o = *o;
    p->names = map_new();
    return p;
}

void plain_free(struct plain **p) {
    if (!*p)
        return;
    size_t pos = 0;
    const char *key;
    for (void *v = map_next((*p)->names, &pos, &key); v; v = map_next((*p)->names, &pos, &key))
        free(v);
    map_free(&(*p)->names);
    x_free(p);
}

void plain_name(struct plain *p, const char *id, const char *name) {
    if (!id || !name)
        return;
    size_t n = strcspn(name, "\n");
    char *text = xstrndup(name, utf8_cut(name, n, NAME_MAX_BYTES));
    free(map_put(p->names, id, text));
}

void plain_learn(struct plain *p, const cJSON *process) {
    if (!str_eq(json_str(process, "kind", NULL), "channel"))
        plain_name(p, json_str(process, "id", NULL), json_str(process, "name", NULL));
}

/* "#inbox" for a channel, its name for another, the id when none is known. */
static void put_name(const struct plain *p, const cJSON *e, struct buf *out) {
    const char *id = json_str(e, "id", NULL);
    if (!id)
        id = "?";
    const char *name = map_get(p->names, id);
    const char *channel = str_prefix(id, "channel:") ? id + strlen("channel:") : NULL;
    if (channel)
        buf_putc(out, '#');
    const char *shown = channel ? channel : name ? name : id;
    utf8_append_visible(out, shown, strlen(shown));
}

static void put_time(const struct plain *p, const cJSON *e, struct buf *out) {
    if (!p->o.times)
        return;
    /* In the person's own time: an event's is UTC with milliseconds. */
    struct tm utc = {0}, local;
    const char *ts = json_str(e, "ts", "");
    time_t at = strptime(ts, "%Y-%m-%dT%H:%M:%S", &utc) ? timegm(&utc) : time(NULL);
    localtime_r(&at, &local);
    buf_printf(out, "%02d:%02d:%02d ", local.tm_hour, local.tm_min, local.tm_sec);
}

/* Each line of `text` behind time, name and `word`; at most `most` lines (0: all). */
static void put_lines(const struct plain *p, const cJSON *e, const char *word, const char *text,
                      size_t most, struct buf *out) {
    size_t lines = 0;
    for (const char *at = text ? text : "";;) {
        size_t n = strcspn(at, "\n");
        put_time(p, e, out);
        put_name(p, e, out);
        buf_printf(out, "  %s%s", word, *word && n ? " " : "");
        utf8_append_visible(out, at, n);
        buf_putc(out, '\n');
        at += n;
        if (*at == '\0' || at[1] == '\0' || (most && ++lines >= most))
            return;
        at++;
    }
}

/* A new process: named by the first line of what it is to do, which is said again only when the
 * name had to cut it. */
static void process_started(struct plain *p, const cJSON *e, const char *word, const char *what,
                            struct buf *out) {
    size_t n = strcspn(what, "\n");
    plain_name(p, json_str(e, "id", NULL), what);
    bool cut = n > NAME_MAX_BYTES || what[n];
    char *label = xasprintf("%s%s", word, cut ? ":" : "");
    put_lines(p, e, label, cut ? what : "", 1, out);
    free(label);
}

/* What these do is told by an event of its own. */
static bool speaks_for_itself(const cJSON *e) {
    static const char *const tools[] = {"reply", "spawn_worker", "branch", "set_status"};
    for (size_t i = 0; i < ARRAY_LEN(tools); i++)
        if (str_eq(json_str(e, "tool_name", ""), tools[i]))
            return true;
    return false;
}

static void worker_complete(const struct plain *p, const cJSON *e, struct buf *out) {
    const char *outcome = json_str(e, "outcome_kind", "ended");
    char *word = xasprintf("%s:", outcome);
    put_lines(p, e, word, json_str(e, "result", ""), p->o.output ? 0 : 1, out);
    free(word);
}

static void tool_completed(const struct plain *p, const cJSON *e, struct buf *out) {
    bool failed = json_bool(e, "is_error", false);
    if (!failed && (!p->o.output || speaks_for_itself(e)))
        return;
    char *word = xasprintf("%s %s:", json_str(e, "tool_name", "tool"), failed ? "failed" : "done");
    put_lines(p, e, word, json_str(e, "result", ""), RESULT_LINES, out);
    free(word);
}

static void asked(const struct plain *p, const cJSON *e, struct buf *out) {
    char *text = xasprintf("%s %s (%s): spacebot answer %lld once|always|deny",
                           json_str(e, "tool_name", ""), json_str(e, "description", ""),
                           json_str(e, "reason", ""), (long long)json_i64(e, "permission_id", 0));
    put_lines(p, e, "asks:", text, 0, out); /* nobody allows a command whose end is not there */
    if (json_str(e, "preview", NULL))
        put_lines(p, e, "│", json_str(e, "preview", ""), 0, out);
    free(text);
}

static void question(const struct plain *p, const cJSON *e, struct buf *out) {
    struct buf text = BUF_INIT;
    const cJSON *option;
    int n = 0;
    buf_puts(&text, json_str(e, "question", ""));
    cJSON_ArrayForEach(option, json_arr(e, "options"))
        buf_printf(&text, "  %d %s", ++n, json_str(option, "label", ""));
    buf_printf(&text, ": spacebot answer %lld N", (long long)json_i64(e, "question_id", 0));
    put_lines(p, e, "asks:", buf_str(&text), 0, out);
    buf_free(&text);
}

void plain_event(struct plain *p, const cJSON *e, struct buf *out) {
    enum event_type type;
    if (event_type_from_string(json_str(e, "type", ""), &type) != STATUS_OK)
        return;
    switch (type) {
    case EVENT_CHANNEL_USER_MESSAGE:
        if (p->o.messages) {
            char *who = xasprintf("%s:", json_str(e, "sender", "you"));
            put_lines(p, e, who, json_str(e, "text", ""), 0, out);
            free(who);
        }
        break;
    case EVENT_CHANNEL_SYSTEM_MESSAGE:
        if (p->o.messages)
            put_lines(p, e, "system:", json_str(e, "text", ""), 0, out);
        break;
    case EVENT_CHANNEL_ASSISTANT_MESSAGE:
        if (p->o.messages)
            put_lines(p, e, "spacebot:", json_str(e, "text", ""), 0, out);
        break;
    case EVENT_WORKER_STARTED:
        process_started(p, e, "started", json_str(e, "task", ""), out);
        break;
    case EVENT_BRANCH_STARTED:
        process_started(p, e, "thinks", json_str(e, "description", ""), out);
        break;
    case EVENT_BRANCH_RESULT:
        put_lines(p, e, json_str(e, "status", ""), json_str(e, "conclusion", ""),
                  p->o.output ? 0 : 1, out);
        break;
    case EVENT_WORKER_STATUS:
        if (!str_eq(json_str(e, "kind", ""), "outcome")) /* that one comes with its end */
            put_lines(p, e, "says:", json_str(e, "status", ""), 1, out);
        break;
    case EVENT_WORKER_INITIAL_RESULT:
        put_lines(p, e, "result:", json_str(e, "result", ""), p->o.output ? 0 : 1, out);
        break;
    case EVENT_WORKER_IDLE:
        put_lines(p, e, "waits", "to be written to (spacebot say --to)", 1, out);
        break;
    case EVENT_WORKER_COMPLETE:
        worker_complete(p, e, out);
        break;
    case EVENT_TOOL_STARTED:
        if (!speaks_for_itself(e))
            put_lines(p, e, "▸", json_str(e, "label", json_str(e, "tool_name", "")), 1, out);
        break;
    case EVENT_TOOL_OUTPUT:
        if (p->o.output)
            put_lines(p, e, "│", json_str(e, "line", ""), 0, out);
        break;
    case EVENT_TOOL_COMPLETED:
        tool_completed(p, e, out);
        break;
    case EVENT_PROCESS_TEXT:
        if (p->o.output)
            put_lines(p, e, "thinks:", json_str(e, "text", ""), 0, out);
        break;
    case EVENT_WORKER_PERMISSION:
        asked(p, e, out);
        break;
    case EVENT_WORKER_QUESTION:
        question(p, e, out);
        break;
    case EVENT_REQUEST_ENDED:
        put_lines(p, e, "answer:", json_str(e, "answer", json_str(e, "state", "")), 1, out);
        break;
    case EVENT_NOTICE:
        put_lines(p, e, str_eq(json_str(e, "level", ""), "error") ? "error:" : "note:",
                  json_str(e, "text", ""), 0, out);
        break;
    case EVENT_LAGGED: {
        char *text = xasprintf("%lld events went by too fast; what the store has of them follows",
                               (long long)json_i64(e, "missed", 0));
        put_time(p, e, out);
        buf_printf(out, "note: %s\n", text);
        free(text);
        break;
    }
    case EVENT_REACTION:
        if (p->o.messages)
            put_lines(p, e, "reacts:", json_str(e, "emoji", ""), 1, out);
        break;
    case EVENT_FILE_OFFERED:
        put_lines(p, e, "file:", json_str(e, "path", ""), 1, out);
        break;
    case EVENT_WORKING_MEMORY:
    case EVENT_MEMORY_SAVED:
    case EVENT_SETTINGS_UPDATED: /* the answer to the command says it */
    case EVENT_STATUS_UPDATE:
    case EVENT_TEXT_DELTA:
    case EVENT_REASONING_DELTA:
        break; /* told by what follows them */
    }
}
