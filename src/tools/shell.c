/* shell: one command through the sandbox and the launcher. Output is passed on line by line as it
 * comes; what is kept for the model is the beginning and the end, and what is too much is read and
 * thrown away, so that no command is stopped by a full pipe. */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "loop/child_queue.h"
#include "tools/shell_prompt.h"
#include "tools/tool.h"

#define KEEP_HEAD 24000u           /* bytes of each stream kept from its beginning */
#define KEEP_TAIL 20000u           /* and of its end */
#define SHOW_MAX (256u * 1024u)    /* bytes passed on as they come, per call */
#define PROMPT_NS (5 * NS_PER_SEC) /* of silence behind what looks like a prompt (SPEC A.6) */
#define END_GRACE_NS (3 * NS_PER_SEC)

/* The beginning and the end of a stream of any length. */
struct capture {
    struct buf head, tail; /* tail holds up to twice KEEP_TAIL and is cut back then */
    uint64_t total;
};

struct shell {
    struct tool_call *call;
    struct sandbox_command command;
    struct child *child;
    struct loop_timer *timeout;
    struct sandbox_wait *wait; /* containment is still being tried out */
    struct child_place *place; /* others start theirs first */
    struct capture streams[2];
    size_t shown;
    int64_t started_ns, seconds;
    bool timed_out, stopped;
    bool fed;                   /* it brings its input: its prompts are its own affair */
    struct loop_timer *silence; /* runs while a stream ends in what looks like a prompt */
    char prompts[2][SHELL_PROMPT_MAX + 1];
    bool waits; /* for input that nobody can give: it is being ended */
};

static void capture_add(struct capture *c, const char *s, size_t n) {
    c->total += n;
    size_t room = KEEP_HEAD - c->head.len;
    if (room) {
        size_t part = n < room ? n : room;
        buf_append(&c->head, s, part);
        s += part;
        n -= part;
    }
    buf_append(&c->tail, s, n);
    if (c->tail.len > 2 * (size_t)KEEP_TAIL)
        buf_consume(&c->tail, c->tail.len - KEEP_TAIL);
}

static void capture_text(const struct capture *c, struct buf *out) {
    buf_append(out, buf_str(&c->head), c->head.len);
    size_t tail = c->tail.len < KEEP_TAIL ? c->tail.len : KEEP_TAIL;
    uint64_t lost = c->total - c->head.len - tail;
    if (lost)
        buf_printf(out, "\n[%llu bytes left out here]\n", (unsigned long long)lost);
    buf_append(out, buf_str(&c->tail) + (c->tail.len - tail), tail);
    if (out->len && out->data[out->len - 1] != '\n')
        buf_putc(out, '\n');
}

static void shell_free(struct shell *s) {
    child_drop(&s->child);
    loop_timer_del(&s->timeout);
    loop_timer_del(&s->silence);
    sandbox_wait_cancel(&s->wait);
    child_queue_leave(&s->place);
    sandbox_command_free(&s->command);
    for (size_t i = 0; i < ARRAY_LEN(s->streams); i++) {
        buf_free(&s->streams[i].head);
        buf_free(&s->streams[i].tail);
    }
    s->call->state = NULL;
    x_free(&s);
}

/* Ends the call. `how` is the closing line. */
static void finish(struct shell *s, bool is_error, const char *how) {
    struct buf out = BUF_INIT, err = BUF_INIT;
    struct tool_call *c = s->call;
    capture_text(&s->streams[0], &out);
    capture_text(&s->streams[1], &err);
    if (err.len) {
        buf_puts(&out, "[stderr]\n");
        buf_append(&out, err.data, err.len);
    }
    buf_printf(&out, "[%s]", how);
    buf_free(&err);
    shell_free(s);
    tool_call_done(c, is_error, buf_str(&out), out.len);
    buf_free(&out);
}

/* First the launcher is asked to end everything; should it not answer, on_timeout() kills it. */
static void on_silence(void *arg) {
    struct shell *s = arg;
    s->silence = NULL;
    bool any = s->prompts[0][0] || s->prompts[1][0]; /* none: its stream has ended since */
    if (!any || s->timed_out || s->stopped || !s->child)
        return;
    s->waits = true;
    child_signal(s->child, SIGTERM);
    loop_timer_again(s->timeout, END_GRACE_NS);
}

static void note_prompt(struct shell *s, int stream, const char *text, size_t n, bool open) {
    char *prompt = s->prompts[stream == 2];
    bool like = shell_prompt_like(text, n, open);
    if (s->fed || s->waits)
        return;
    if (like)
        memcpy(prompt, text, n);
    prompt[like ? n : 0] = '\0';
}

/* Whatever comes, on either stream, is no silence. */
static void on_rest(void *arg, int stream, const char *text, size_t n) {
    struct shell *s = arg;
    if (n)
        note_prompt(s, stream, text, n, true);
    if (s->waits)
        return;
    if (!s->prompts[0][0] && !s->prompts[1][0])
        loop_timer_del(&s->silence);
    else if (s->silence)
        loop_timer_again(s->silence, PROMPT_NS);
    else
        s->silence =
            loop_timer(s->call->host->loop, PROMPT_NS, on_silence, s, "shell waits for input");
}

static void on_line(void *arg, int stream, const char *line, size_t n, bool partial) {
    struct shell *s = arg;
    struct capture *c = &s->streams[stream == 2];
    note_prompt(s, stream, line, n, false);
    capture_add(c, line, n);
    if (!partial)
        capture_add(c, "\n", 1);
    if (s->shown > SHOW_MAX)
        return;
    s->shown += n + 1;
    if (s->shown > SHOW_MAX) {
        static const char notice[] = "[more output than is shown here; the command goes on]";
        tool_call_output(s->call, stream, notice, sizeof notice - 1);
    } else {
        tool_call_output(s->call, stream, line, n);
    }
}

static void on_exit(void *arg, struct child_exit how) {
    struct shell *s = arg;
    s->child = NULL;
    double took = (double)(clock_mono_ns() - s->started_ns) / (double)NS_PER_SEC;
    char text[800];
    if (s->waits)
        snprintf(text, sizeof text,
                 "exit code -2, waiting_for_input: true. It printed \"%s\" and then nothing for "
                 "%d s, as a program does that waits for an answer. Nobody can give one here, so "
                 "it was ended with everything it had started. Run it so that it does not ask "
                 "(-y, --yes, --batch, an option or a variable for what it wants), or give it the "
                 "answer: printf 'y\\n' | COMMAND, or a here-document. With input of its own it "
                 "is not ended for its silence",
                 s->prompts[0][0] ? s->prompts[0] : s->prompts[1], (int)(PROMPT_NS / NS_PER_SEC));
    else if (s->timed_out)
        snprintf(text, sizeof text,
                 "timed out after %lld s and was ended with everything it had started; ask for "
                 "more with "
                 "timeout_seconds (at most 1800)",
                 (long long)s->seconds);
    else if (s->stopped)
        snprintf(text, sizeof text,
                 "stopped after %.1f s and was ended with everything it had started", took);
    else if (how.signalled)
        snprintf(text, sizeof text, "killed by signal %d (%s) after %.1f s", how.code,
                 strsignal(how.code), took);
    else if (how.code == SANDBOX_EXIT_SETUP)
        snprintf(text, sizeof text, "not run: it could not be contained (exit code %d)", how.code);
    else
        snprintf(text, sizeof text, "exit code %d, %.1f s", how.code, took);
    finish(s, s->waits || s->timed_out || s->stopped || how.signalled || how.code != 0, text);
}

/* First the launcher is asked to end everything; should it not answer, it is killed, and what it
 * started is swept up. */
static void on_timeout(void *arg) {
    struct shell *s = arg;
    if (!s->timed_out && !s->waits) {
        s->timed_out = true;
        child_signal(s->child, SIGTERM);
        loop_timer_again(s->timeout, END_GRACE_NS);
        return;
    }
    s->timeout = NULL;
    child_drop(&s->child);
    on_exit(s, (struct child_exit){.signalled = true, .code = SIGKILL});
}

static const char *env_of(const cJSON *args, struct strv *out) {
    const cJSON *pair;
    cJSON_ArrayForEach(pair, json_arr(args, "env")) {
        const char *key = json_str(pair, "key", "");
        if (!*key || strchr(key, '='))
            return "env: a key is empty or holds \"=\"";
        strv_pushf(out, "%s=%s", key, json_str(pair, "value", ""));
    }
    return NULL;
}

static void run(void *arg) {
    struct shell *s = arg;
    struct tool_call *c = s->call;
    s->place = NULL;
    struct cause why = {""};
    struct strv env = {0};
    s->started_ns = clock_mono_ns();
    const char *bad_env = env_of(c->args, &env);
    enum status st = bad_env ? cause_set(&why, STATUS_INVALID, "%s", bad_env) : STATUS_OK;
    const struct sandbox_request request = {.workspace = c->workspace,
                                            .dir = json_str(c->args, "working_dir", NULL),
                                            .command = json_str(c->args, "command", ""),
                                            .env = (const char *const *)env.v,
                                            .uncontained = c->uncontained};
    if (st == STATUS_OK)
        st = sandbox_command(c->host->sandbox, &request, &s->command, &why);
    strv_free(&env);
    if (st == STATUS_OK) {
        struct child_spec spec = {
            .name = "shell", .on_line = on_line, .on_rest = on_rest, .on_exit = on_exit, .arg = s};
        sandbox_command_spec(&s->command, &spec);
        st = child_spawn(c->host->loop, &spec, &s->child, &why);
    }
    if (st != STATUS_OK) {
        shell_free(s);
        tool_call_donef(c, true, "not run: %s", why.text);
        return;
    }
    s->timeout = loop_timer(c->host->loop, s->seconds * NS_PER_SEC, on_timeout, s, "shell timeout");
}

static void on_ready(void *arg) {
    struct shell *s = arg;
    s->wait = NULL;
    s->place = child_queue(s->call->host->loop, run, s);
}

static void shell_start(struct tool_call *c) {
    struct shell *s = xcalloc(1, sizeof *s);
    s->call = c;
    s->fed = shell_prompt_fed(json_str(c->args, "command", ""));
    s->seconds = json_i64(c->args, "timeout_seconds", c->host->shell_secs);
    c->state = s;
    /* The first commands of an engine may come before it is known how to contain them. */
    if (sandbox_ready(c->host->sandbox))
        on_ready(s);
    else
        s->wait = sandbox_when_ready(c->host->sandbox, on_ready, s);
}

static void shell_cancel(struct tool_call *c) {
    if (c->state)
        shell_free(c->state);
}

/* The launcher ends everything at once; who waits for that sets the time. */
static bool shell_stop(struct tool_call *c) {
    struct shell *s = c->state;
    if (!s || !s->child)
        return false;
    s->stopped = true;
    child_signal(s->child, SIGTERM);
    return true;
}

static char *shell_label(const cJSON *args) {
    const char *command = json_str(args, "command", "");
    return xasprintf("shell %.*s", (int)strcspn(command, "\r\n"), command);
}

const struct tool tool_shell = {
    .name = "shell",
    .description = "Run a command with sh -c in the workspace. It has no terminal and no input "
                   "but what it brings itself, and is ended when it waits for an answer. "
                   "You get its output, then its "
                   "error output, then how it ended. When it ends, or its time is over, everything "
                   "it started is ended too: "
                   "nothing can be left running.",
    .schema = "{\"type\":\"object\",\"properties\":{"
              "\"command\":{\"type\":\"string\",\"minLength\":1},"
              "\"working_dir\":{\"type\":\"string\",\"description\":\"where to start, inside the "
              "workspace\"},"
              "\"env\":{\"type\":\"array\",\"maxItems\":64,\"items\":{\"type\":\"object\","
              "\"properties\":{"
              "\"key\":{\"type\":\"string\"},\"value\":{\"type\":\"string\"}},"
              "\"required\":[\"key\",\"value\"],\"additionalProperties\":false}},"
              "\"unsandboxed\":{\"type\":\"boolean\",\"default\":false,\"description\":\"run "
              "outside the sandbox; a person is asked first, so only where it cannot be done "
              "inside\"},"
              "\"timeout_seconds\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":1800}},"
              "\"required\":[\"command\"],\"additionalProperties\":false}",
    .reach = TOOL_REACH_COMMAND,
    .subject = "command",
    .effects = true,
    .start = shell_start,
    .cancel = shell_cancel,
    .stop = shell_stop,
    .label = shell_label,
};
