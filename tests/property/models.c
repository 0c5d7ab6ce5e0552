/* models: what they are sent, which must make sense to a provider, and what they answer: anything,
 * in any order, with faults. */
#include "tests/property/world.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"

/* --- what they are sent -------------------------------------------------------------------------
 */

static bool answered(const struct llm_message *next, const char *id) {
    unsigned n = 0;
    for (size_t i = 0; next && i < next->n; i++)
        n += next->blocks[i].kind == LLM_BLOCK_TOOL_RESULT && str_eq(next->blocks[i].id, id);
    return n == 1;
}

static bool called(const struct llm_message *before, const char *id) {
    unsigned n = 0;
    for (size_t i = 0; before && i < before->n; i++)
        n += before->blocks[i].kind == LLM_BLOCK_TOOL_USE && str_eq(before->blocks[i].id, id);
    return n == 1;
}

/* What a person decided is what the model reads. */
static void check_verdict(struct world *w, const struct llm_block *b) {
    unsigned long n = str_prefix(b->id, "call_") ? strtoul(b->id + 5, NULL, 10) : 0;
    enum verdict v = n < VERDICTS_MAX ? (enum verdict)w->verdicts[n] : VERDICT_NONE;
    bool denied = str_prefix(b->text, "denied");
    if (v == VERDICT_DENIED && (!denied || !b->is_error))
        BROKEN(w, "%s was denied, and the model reads: %s", b->id, b->text);
    if (v == VERDICT_ALLOWED && denied)
        BROKEN(w, "%s was allowed, and the model reads: %s", b->id, b->text);
    if (v != VERDICT_ALLOWED && !w->ruled && strstr(b->text, OUTSIDE_TEXT))
        BROKEN(w, "%s was not allowed, and the model reads: %s", b->id, b->text);
}

void models_check_pairs(struct world *w, const struct llm_history *h) {
    for (size_t i = 0; i < h->n; i++) {
        const struct llm_message *m = &h->v[i];
        for (size_t k = 0; k < m->n; k++) {
            const struct llm_block *b = &m->blocks[k];
            if (b->kind == LLM_BLOCK_TOOL_USE &&
                !answered(i + 1 < h->n ? &h->v[i + 1] : NULL, b->id))
                BROKEN(w, "call %s of %s has no result", b->id, b->name);
            if (b->kind != LLM_BLOCK_TOOL_RESULT)
                continue;
            if (!called(i ? &h->v[i - 1] : NULL, b->id))
                BROKEN(w, "result %s has no call", b->id);
            check_verdict(w, b);
        }
    }
}

void models_check(void *arg, enum script_who who, const struct llm_request *r) {
    struct world *w = arg;
    const struct llm_history *h = r->history;
    (void)who;
    if (h->n == 0 || h->v[h->n - 1].role != LLM_ROLE_USER)
        BROKEN(w, "a request does not end with a user's message");
    models_check_pairs(w, h);
}

/* --- what they answer ---------------------------------------------------------------------------
 */

#define USE(name, input) "{\"type\":\"tool_use\",\"name\":\"" name "\",\"input\":" input "}"

struct process *any_process(struct world *w) {
    size_t pos = 0, n = 0;
    while (process_next(agent_processes(w->agent), &pos))
        n++;
    if (n == 0)
        return NULL;
    size_t k = pick(w, (unsigned)n);
    pos = 0;
    struct process *p = NULL;
    do
        p = process_next(agent_processes(w->agent), &pos);
    while (k--);
    return p;
}

static char *spawn_block(struct world *w, const char *tool, const char *key) {
    bool interactive = str_eq(tool, "spawn_worker") && pick(w, 3) == 0;
    return xasprintf("{\"type\":\"tool_use\",\"name\":\"%s\",\"input\":{\"%s\":\"task %lu\"%s}}",
                     tool, key, pick(w, 4) ? ++w->tasks : w->tasks,
                     interactive ? ",\"interactive\":true" : "");
}

/* To a process of whichever kind and channel: most must be refused. */
static char *process_block(struct world *w) {
    const struct process *p = any_process(w);
    if (pick(w, 2))
        return xasprintf("{\"type\":\"tool_use\",\"name\":\"route\",\"input\":{\"worker_id\":"
                         "\"%s\",\"message\":\"go on\",\"end\":%s}}",
                         p ? p->id : "nobody", pick(w, 3) ? "false" : "true");
    return xasprintf("{\"type\":\"tool_use\",\"name\":\"cancel\",\"input\":{\"process_type\":"
                     "\"%s\",\"process_id\":\"%s\"}}",
                     pick(w, 4) ? "worker" : "branch", p ? p->id : "nobody");
}

static char *ask_block(struct world *w) {
    return xasprintf(USE("ask", "{\"question\":\"question %lu?\",\"options\":[{\"label\":\"one\"},"
                                "{\"label\":\"two, or three\",\"description\":\"d\"}],"
                                "\"multi_select\":%s}"),
                     w->models, pick(w, 2) ? "true" : "false");
}

/* To another channel, where a person has to allow it; what it says there has no authority. */
static char *send_block(struct world *w) {
    unsigned to = pick(w, CHANNELS + 1);
    if (pick(w, 3) == 0 || w->nmessages >= MESSAGES_MAX)
        return xasprintf(USE("send_message_to_another_channel",
                             "{\"target\":\"c%u\",\"message\":\"/pause now\"}"),
                         to);
    return xasprintf(
        USE("send_message_to_another_channel", "{\"target\":\"c%u\",\"message\":\"message %u.\"}"),
        to, w->nmessages++);
}

static char *channel_block(struct world *w) {
    switch (pick(w, 8)) {
    case 0:
    case 1:
        return process_block(w);
    case 2:
        return ask_block(w);
    case 3:
        return send_block(w);
    case 4:
        return spawn_block(w, "branch", "description");
    default:
        return spawn_block(w, "spawn_worker", "task");
    }
}

static char *channel_answer(struct world *w) {
    static const char *const plain[] = {
        "[" USE("reply", "{\"content\":\"said\"}") "]",
        "[{\"type\":\"text\",\"text\":\"said plainly\"}]",
        "[" USE("skip", "{}") "]",
        "[" USE("reply", "{}") "]",
        "[" USE("reply", "{\"content\":\"a\"}") "," USE("skip", "{}") "]",
        "[]"};
    unsigned n = pick(w, 12);
    if (n < ARRAY_LEN(plain))
        return xstrdup(plain[n]);
    struct buf b = BUF_INIT;
    buf_puts(&b, "[{\"type\":\"text\",\"text\":\"let me see\"}");
    for (unsigned i = 0, count = 1 + pick(w, 3); i < count; i++) {
        char *s = channel_block(w);
        buf_printf(&b, ",%s", s);
        x_free(&s);
    }
    if (pick(w, 3) == 0)
        buf_puts(&b, "," USE("reply", "{\"content\":\"under way\"}"));
    buf_putc(&b, ']');
    return buf_steal(&b);
}

/* What has to be allowed: by a rule, by a person, or not at all. */
static char *asking_answer(struct world *w) {
    switch (pick(w, 4)) {
    case 0:
        return xasprintf("[" USE("shell", "{\"command\":\"say %lu\",\"unsandboxed\":true}") "]",
                         w->models);
    case 1:
        return xasprintf(
            "[" USE("shell", "{\"command\":\"after 300 it; done\",\"unsandboxed\":true}") "," USE(
                "file_read", "{\"path\":\"%s\"}") "]",
            w->outside);
    default:
        return xasprintf("[" USE("file_read", "{\"path\":\"%s\"}") "," USE("file_list", "{}") "]",
                         w->outside);
    }
}

static char *worker_answer(struct world *w) {
    static const char *const answers[] = {
        "[" USE("set_status", "{\"kind\":\"outcome\",\"status\":\"done\"}") "]",
        "[" USE("set_status", "{\"status\":\"at it\"}") "]",
        "[{\"type\":\"text\",\"text\":\"words\"}]",
        "[]",
        "[" USE("file_list", "{}") "]",
        "[" USE("file_write", "{\"path\":\"f\",\"content\":\"x\"}") "]",
        "[" USE("file_read", "{\"path\":\"f\"}") "," USE("nothing", "{}") "]",
        "[{\"type\":\"text\",\"text\":\"so far\"}," USE("shell", "{\"command\":\"say x\"}") "]"};
    static const char *const commands[] = {"say y", "fail z",      "long half",
                                           "never", "after 300 a", "after 20000 b"};
    unsigned n = pick(w, ARRAY_LEN(answers) + 6);
    if (n < ARRAY_LEN(answers))
        return xstrdup(answers[n]);
    if (n < ARRAY_LEN(answers) + 3)
        return asking_answer(w);
    return xasprintf("[" USE("shell", "{\"command\":\"%s\"}") "," USE("file_list", "{}") "]",
                     commands[pick(w, ARRAY_LEN(commands))]);
}

static char *branch_answer(struct world *w) {
    switch (pick(w, 6)) {
    case 5:
        return xasprintf("[" USE("file_read", "{\"path\":\"%s\"}") "]", w->outside);
    case 4:
        return xstrdup("[" USE("worker_inspect", "{}") "]");
    case 0: {
        char *s = spawn_block(w, "spawn_worker", "task");
        char *text = xasprintf("[%s]", s);
        x_free(&s);
        return text;
    }
    case 1:
        return xstrdup("[]");
    case 2:
        return xstrdup("[" USE("file_list", "{}") "]");
    default:
        return xstrdup("[{\"type\":\"text\",\"text\":\"concluded\"}]");
    }
}

char *models_choose(void *arg, enum script_who who, enum llm_fault *fault) {
    struct world *w = arg;
    w->models++;
    if (w->calm)
        return xstrdup(who == SCRIPT_CHANNEL ? "[" USE("reply", "{\"content\":\"calm\"}") "]"
                                             : "[{\"type\":\"text\",\"text\":\"calm\"}]");
    switch (pick(w, 20)) {
    case 3:
        *fault = LLM_FAULT_OVERFLOW;
        return NULL;
    case 0:
        *fault = LLM_FAULT_OVERLOADED;
        return NULL;
    case 1:
        *fault = LLM_FAULT_AUTH;
        return NULL;
    case 2:
        return xstrdup(""); /* hangs */
    default:
        break;
    }
    switch (who) {
    case SCRIPT_CHANNEL:
        return channel_answer(w);
    case SCRIPT_WORKER:
        return worker_answer(w);
    case SCRIPT_BRANCH:
        return branch_answer(w);
    }
    return NULL;
}
