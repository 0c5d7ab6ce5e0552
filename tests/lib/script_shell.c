/* script_shell: see the header. */
#include "tests/lib/script_shell.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "tools/tool.h"

struct scripted {
    struct tool_call *call;
    struct loop_timer *timer;
    char *text;
    bool stoppable, is_error;
};

static size_t running;

size_t script_shell_running(void) { return running; }

static void scripted_free(struct scripted *s) {
    running--;
    loop_timer_del(&s->timer);
    s->call->state = NULL;
    x_free(&s->text);
    x_free(&s);
}

static void finished(void *arg) {
    struct scripted *s = arg;
    struct tool_call *c = s->call;
    char *text = s->text;
    bool is_error = s->is_error;
    s->text = NULL;
    s->timer = NULL;
    scripted_free(s);
    tool_call_done(c, is_error, text, strlen(text));
    x_free(&text);
}

static void start(struct tool_call *c) {
    const char *command = json_str(c->args, "command", "");
    const char *rest = strchr(command, ' ');
    struct scripted *s = xcalloc(1, sizeof *s);
    running++;
    s->call = c;
    c->state = s;
    rest = rest ? rest + 1 : "";
    int64_t ms = -1;
    if (str_prefix(command, "after ")) {
        char *end;
        ms = strtoll(rest, &end, 10);
        rest = *end ? end + 1 : end;
    } else if (str_prefix(command, "fail")) {
        s->is_error = true;
        ms = 0;
    } else if (str_prefix(command, "long")) {
        s->stoppable = true;
    } else if (!str_eq(command, "never")) {
        ms = 0;
    }
    s->text = xstrdup(rest);
    if (ms >= 0)
        s->timer = loop_timer(c->host->loop, ms * NS_PER_MS, finished, s, "scripted command");
}

static void cancel(struct tool_call *c) {
    if (c->state)
        scripted_free(c->state);
}

static bool stop(struct tool_call *c) {
    struct scripted *s = c->state;
    if (!s)
        return false; /* it has not begun */
    if (s->stoppable && !s->timer) {
        s->is_error = true;
        s->timer = loop_timer(c->host->loop, NS_PER_MS, finished, s, "scripted command");
    }
    return true;
}

static char *label(const cJSON *args) {
    return xasprintf("shell %s", json_str(args, "command", ""));
}

const struct tool tool_shell = {
    .name = "shell",
    .description = "Run a command.",
    .schema = "{\"type\":\"object\",\"properties\":{\"command\":{\"type\":\"string\"},"
              "\"unsandboxed\":{\"type\":\"boolean\"}},\"required\":[\"command\"]}",
    .reach = TOOL_REACH_COMMAND,
    .subject = "command",
    .effects = true,
    .start = start,
    .cancel = cancel,
    .stop = stop,
    .label = label,
};
