/* prompt: fills the texts. What changes from moment to moment (the clock, the workers) is kept out
 * of the system prompt. */
#include "agent/prompt.h"

#include <string.h>
#include <strings.h>
#include <time.h>

#include "agent/channel.h"
#include "agent/identity.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"
#include "prompts/prompts.gen.h"

#define STATUS_RESULT_MAX 500u /* SPEC A.3 */
#define STATUS_TASK_MAX 200u
#define STATUS_LIST_MAX 10u /* SPEC A.3 */

static const char *sandbox_note(const struct agent *a) {
    switch (sandbox_mode(agent_parts(a)->sandbox)) {
    case SANDBOX_BUBBLEWRAP_LANDLOCK:
    case SANDBOX_BUBBLEWRAP:
    case SANDBOX_LANDLOCK:
        return "Commands run contained: they see the system read-only and may write only in the "
               "workspace.";
    case SANDBOX_NONE:
        break;
    }
    return agent_parts(a)->config->sandbox.required
               ? "Nothing on this machine can contain commands: the shell tool refuses to run."
               : "Commands run without containment, as the person themselves: be careful.";
}

/* The word of routing.tool_use_enforcement: auto, always, never, or parts of model names. */
static bool needs_enforcement(const char *setting, const char *model) {
    if (str_eq(setting, "always") || str_eq(setting, "never"))
        return str_eq(setting, "always");
    const char *parts = str_eq(setting, "auto") ? "gpt,codex" : setting; /* SPEC A.3 */
    while (*parts) {
        size_t n = strcspn(parts, ", ");
        for (const char *m = model; n && *m; m++)
            if (strncasecmp(m, parts, n) == 0)
                return true;
        parts += n + strspn(parts + n, ", ");
    }
    return false;
}

/* What every prompt ends with, in this order. */
static char *finished(struct buf *out, const struct agent *a, const struct process *p) {
    identity_append_workspace(out, a, p->workspace);
    if (needs_enforcement(agent_parts(a)->config->routing.tool_use_enforcement, p->model))
        prompt_enforcement_render(out);
    return buf_steal(out);
}

static void append_task_types(struct buf *out, const struct config *c) {
    struct buf kinds = BUF_INIT;
    for (size_t i = 0; i < c->routing.ntask_overrides; i++)
        buf_printf(&kinds, "%s%s", i ? ", " : "", c->routing.task_overrides[i].task);
    if (kinds.len)
        prompt_task_types_render(out, &(struct prompt_task_types_vars){.kinds = buf_str(&kinds)});
    buf_free(&kinds);
}

/* The order is SPEC A.3's, with the sections that there are: identity, behaviour (with authority,
 * workers, conversation), the workspace's own words, enforcement. What changes from message to
 * message stands in front of the message. */
char *prompt_channel_system(const struct agent *a, const struct process *p) {
    struct buf out = BUF_INIT;
    char *workers = xasprintf("%lld", (long long)agent_parts(a)->config->limits.workers);
    const struct prompt_channel_vars vars = {.channel = p->bare,
                                             .workspace = p->workspace,
                                             .max_workers = workers,
                                             .sandbox = sandbox_note(a)};
    identity_append_home(&out, a);
    prompt_channel_render(&out, &vars);
    append_task_types(&out, agent_parts(a)->config);
    x_free(&workers);
    return finished(&out, a, p);
}

char *prompt_worker_system(const struct agent *a, const struct process *p) {
    struct buf out = BUF_INIT;
    const struct prompt_worker_vars vars = {.workspace = p->workspace, .sandbox = sandbox_note(a)};
    prompt_worker_render(&out, &vars);
    return finished(&out, a, p);
}

char *prompt_branch_system(const struct agent *a, const struct process *p) {
    struct buf out = BUF_INIT;
    const struct prompt_branch_vars vars = {.workspace = p->workspace, .sandbox = sandbox_note(a)};
    prompt_branch_render(&out, &vars);
    return finished(&out, a, p);
}

char *prompt_branch_task(const char *description) {
    return xasprintf("[system] You are a branch of this conversation now. Think about this and end "
                     "with your conclusion:\n\n%s",
                     description);
}

void prompt_append_data(struct buf *b, const char *text, size_t n, const char *tag) {
    size_t len = strlen(tag), from = 0;
    for (size_t i = 0; i + 1 < n; i++) {
        if (text[i] != '<' || text[i + 1] != '/' || n - i - 2 < len ||
            strncasecmp(text + i + 2, tag, len) != 0)
            continue;
        buf_append(b, text + from, i + 1 - from);
        buf_putc(b, '\\');
        from = i + 1;
    }
    buf_append(b, text + from, n - from);
}

static void clipped(struct buf *b, const char *text, size_t max) {
    size_t n = strlen(text), cut = utf8_cut(text, n, max);
    prompt_append_data(b, text, cut, "status");
    if (cut < n)
        buf_puts(b, "…");
}

static void time_line(struct buf *b) {
    time_t now = (time_t)(clock_wall_ms() / 1000);
    struct tm local, utc;
    char here[64], there[32];
    localtime_r(&now, &local);
    gmtime_r(&now, &utc);
    strftime(here, sizeof here, "%Y-%m-%d %H:%M:%S %Z (UTC%z)", &local);
    strftime(there, sizeof there, "%Y-%m-%d %H:%M:%S", &utc);
    buf_printf(b, "time: %s; %s UTC\n", here, there);
}

static void recent(void *arg, const char *id, const char *task, enum process_outcome o,
                   const char *result) {
    struct buf *b = arg;
    buf_printf(b, "- %s %s: ", id, process_outcome_name(o));
    clipped(b, task, STATUS_TASK_MAX);
    buf_puts(b, " -> ");
    clipped(b, result, STATUS_RESULT_MAX);
    buf_putc(b, '\n');
}

static void active_processes(struct buf *b, const struct agent *a, const struct process *channel) {
    size_t pos = 0, shown = 0, more = 0;
    for (const struct process *p; (p = process_next(agent_processes(a), &pos));) {
        if (p->kind == PROCESS_CHANNEL || p->state == PROCESS_STATE_ENDED ||
            !str_eq(p->channel, channel->channel))
            continue;
        if (shown == STATUS_LIST_MAX) {
            more++;
            continue;
        }
        if (shown++ == 0)
            buf_puts(b, "at work:\n");
        char started[CLOCK_RFC3339_SIZE];
        clock_rfc3339(p->started_ms, started);
        buf_printf(b, "- %s since %.5s UTC, %u tool calls, %s: ", p->id, started + 11,
                   p->tool_calls, process_state_name(p->state));
        clipped(b, p->task, STATUS_TASK_MAX);
        if (p->status) {
            buf_puts(b, " -- ");
            clipped(b, p->status, STATUS_TASK_MAX);
        }
        buf_putc(b, '\n');
    }
    if (more)
        buf_printf(b, "- and %zu more\n", more);
}

char *prompt_channel_message(const struct agent *a, const struct process *p, const char *hint,
                             const char *text) {
    struct buf b = BUF_INIT, done = BUF_INIT;
    buf_puts(&b, "<status>\n");
    time_line(&b);
    active_processes(&b, a, p);
    channel_recent(p, recent, &done);
    if (done.len)
        buf_printf(&b, "come back just now:\n%s", buf_str(&done));
    if (hint)
        buf_printf(&b, "%s\n", hint);
    buf_printf(&b, "</status>\n\n%s", text);
    buf_free(&done);
    return buf_steal(&b);
}
