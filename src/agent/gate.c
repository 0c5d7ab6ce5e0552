/* gate: what a call is about to do, in the words of the rules; and who decides it. */
#include "agent/gate.h"

#include <string.h>

#include "agent/channel.h"
#include "agent/inbox.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/str.h"
#include "store/queries.gen.h"

#define UNATTENDED_PATTERNS_MAX 256
#define NAME_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"

struct gate {
    struct agent *agent;
    struct permission_rules rules;      /* of the config */
    struct permission_rules remembered; /* by "always" */
    int64_t last;                       /* number of a remembered one */
    struct list unattended, waits;
};

struct gate_unattended {
    struct list link;
    char *message; /* NULL: not said yet */
    struct permission_rules allowed;
};

struct gate_wait {
    struct list link;
    struct gate *gate;
    struct process_handle process;
    struct tool_call *call;
    struct inbox_request *request; /* while it waits */
    int64_t number;                /* of the request */
    char *pattern;                 /* what "always" remembers; NULL: it cannot */
    gate_fn *fn;
    void *arg;
};

/* --- what a call does ---------------------------------------------------------------------------
 */

/* A call in the words of the rules; the texts are owned here. */
struct described {
    struct permission_call call;
    char *plain, *command;
    bool outside, uncontained;
    const char *reason; /* why it has to ask when nothing but what is usual says so */
};

static void described_free(struct described *d) {
    x_free(&d->plain);
    x_free(&d->command);
}

static void describe_path(struct described *d, const struct gate *g, const struct tool_call *c,
                          const char *path) {
    const struct sandbox *sb = agent_parts(g->agent)->sandbox;
    enum sandbox_reach reach = sandbox_locate(sb, c->workspace, path, &d->plain);
    size_t n = strlen(c->workspace);
    d->call.forms[0] = d->plain;
    if (d->plain && strncmp(d->plain, c->workspace, n) == 0 && d->plain[n] == '/')
        d->call.forms[1] = d->plain + n + 1;
    switch (reach) {
    case SANDBOX_INSIDE:
    case SANDBOX_FORBIDDEN: /* nobody can allow it: the tool refuses it in its own words */
        break;
    case SANDBOX_OUTSIDE:
        d->outside = true;
        d->call.usual = PERMISSION_ASK;
        d->reason = "outside the workspace";
        break;
    }
}

/* As a rule is written: without blanks around it, and with one between words where nothing is
 * quoted. */
static char *plain_command(const char *command) {
    struct buf out = BUF_INIT;
    bool quoted = strpbrk(command, "'\"\\") != NULL;
    command += strspn(command, " \t");
    for (const char *at = command; *at; at++) {
        bool blank = *at == ' ' || *at == '\t';
        if (!blank || quoted)
            buf_putc(&out, *at);
        else if (out.len && out.data[out.len - 1] != ' ')
            buf_putc(&out, ' ');
    }
    while (out.len && strchr(" \t", out.data[out.len - 1]))
        buf_truncate(&out, out.len - 1);
    return buf_steal(&out);
}

static void describe_command(struct described *d, const struct gate *g, const struct tool_call *c,
                             const char *command) {
    const struct agent_parts *parts = agent_parts(g->agent);
    d->command = plain_command(command);
    d->call.forms[0] = d->command;
    d->call.command = true;
    d->call.bare = cJSON_GetArraySize(json_arr(c->args, "env")) == 0;
    if (!json_bool(c->args, GATE_UNSANDBOXED, false))
        return;
    d->uncontained = true;
    d->call.escape = GATE_UNSANDBOXED;
    /* Where nothing contains commands and the config says that this is fine, this one is no other.
     */
    if (!parts->config->sandbox.required && sandbox_ready(parts->sandbox) &&
        sandbox_mode(parts->sandbox) == SANDBOX_NONE)
        return;
    d->call.usual = PERMISSION_ASK;
    d->reason = "outside the sandbox";
}

static void describe(struct described *d, const struct gate *g, const struct process *p,
                     const struct tool_call *c) {
    const struct tool *tool = c->tool;
    const char *subject = tool->subject ? json_str(c->args, tool->subject, NULL) : NULL;
    *d = (struct described){.call = {.tool = tool->name, .kin = tool->kin, .bare = true}};
    switch (tool->reach) {
    case TOOL_REACH_CONVERSATION:
        break;
    case TOOL_REACH_PATH:
        describe_path(d, g, c, subject ? subject : ".");
        break;
    case TOOL_REACH_COMMAND:
        describe_command(d, g, c, subject ? subject : "");
        break;
    case TOOL_REACH_CHANNEL:
        d->call.forms[0] = subject;
        if (!str_eq(subject, p->channel)) {
            d->call.usual = PERMISSION_ASK;
            d->reason = "another channel";
        }
        break;
    }
}

static void put_quoted(struct buf *out, const char *s) {
    buf_putc(out, '\'');
    for (; *s; s++) {
        if (*s == '\'')
            buf_puts(out, "'\\'");
        buf_putc(out, *s);
    }
    buf_putc(out, '\'');
}

/* The line that would do the same in the workspace: where a command runs and what its environment
 * holds decide what it does, so whoever answers reads them before it. */
static char *shown_command(const struct described *d, const struct tool_call *c) {
    const char *dir = json_str(c->args, "working_dir", "");
    const cJSON *pair;
    struct buf out = BUF_INIT;
    if (*dir) {
        buf_puts(&out, "cd ");
        put_quoted(&out, dir);
        buf_puts(&out, " && ");
    }
    cJSON_ArrayForEach(pair, json_arr(c->args, "env")) {
        const char *key = json_str(pair, "key", "");
        if (key[strspn(key, NAME_CHARACTERS)])
            put_quoted(&out, key); /* no shell takes it, but programs read it all the same */
        else
            buf_puts(&out, key);
        buf_putc(&out, '=');
        put_quoted(&out, json_str(pair, "value", ""));
        buf_putc(&out, ' ');
    }
    buf_puts(&out, d->command);
    return buf_steal(&out);
}

/* What the call is about, as a person reads it. The caller frees. */
static char *shown(const struct described *d, const struct tool_call *c) {
    if (d->command)
        return shown_command(d, c);
    if (d->plain)
        return xstrdup(d->plain);
    char *label = c->tool->label ? c->tool->label(c->args) : NULL;
    return label ? label : xstrdup(c->input);
}

static char *suggestion(const struct described *d) {
    char *glob = permission_suggest(&d->call);
    char *pattern =
        glob ? permission_pattern(d->call.escape ? d->call.escape : d->call.tool, glob) : NULL;
    x_free(&glob);
    return pattern;
}

/* --- deciding -----------------------------------------------------------------------------------
 */

const struct gate_unattended *gate_unattended_of(const struct gate *g, const char *message) {
    list_for(&g->unattended, it) {
        const struct gate_unattended *u = list_entry(it, struct gate_unattended, link);
        if (u->message && str_eq(u->message, message))
            return u;
    }
    return NULL;
}

static const struct gate_unattended *unattended(const struct gate *g, const struct process *p) {
    return gate_unattended_of(g, channel_message_of(p));
}

bool gate_is_unattended(const struct gate *g, const struct process *p) {
    return unattended(g, p) != NULL;
}

static enum permission_action decide(const struct gate *g, const struct process *p,
                                     const struct described *d, const struct permission_rule **by) {
    enum permission_action a = permission_decide(&g->rules, &g->remembered, &d->call, by);
    const struct gate_unattended *u = a == PERMISSION_ASK ? unattended(g, p) : NULL;
    const struct permission_rule *other;
    return u ? permission_decide(&g->rules, &u->allowed, &d->call, &other) : a;
}

static void open_for(struct tool_call *c, struct described *d) {
    if (d->outside) {
        x_free(&c->granted);
        c->granted = d->plain;
        d->plain = NULL;
    }
    c->uncontained = d->uncontained;
}

static void deny_by(const struct permission_rule *by, struct cause *why) {
    char *pattern = permission_pattern(by->tool, by->match);
    cause_set(
        why, STATUS_DENIED,
        "denied by a rule (%.100s: deny %.200s). Do without it, or say what you needed it for",
        by->origin, pattern);
    x_free(&pattern);
}

static void deny_unattended(const struct described *d, struct cause *why) {
    char *pattern = suggestion(d);
    cause_set(
        why, STATUS_DENIED,
        "denied: %s, and nobody can be asked here. --allow '%.300s' would have allowed it. Do "
        "without it, or say what you needed it for",
        d->reason ? d->reason : "a rule says to ask",
        pattern          ? pattern
        : d->call.escape ? d->call.escape
                         : d->call.tool);
    x_free(&pattern);
}

/* --- asking -------------------------------------------------------------------------------------
 */

static void wait_free(struct gate_wait *w) {
    list_remove(&w->link);
    x_free(&w->pattern);
    x_free(&w);
}

static void remember(struct gate *g, const char *pattern, int64_t request) {
    char *tool = NULL, *match = NULL;
    struct cause why;
    if (permission_parse(pattern, &tool, &match, &why) == STATUS_OK) {
        char *origin = xasprintf("rule %lld", (long long)++g->last);
        permission_add(&g->remembered, PERMISSION_ALLOW, tool, match, origin, g->last);
        store_permission_rule_insert(agent_parts(g->agent)->store, g->last, tool, match,
                                     permission_action_name(PERMISSION_ALLOW), &request,
                                     clock_wall_ms());
        x_free(&origin);
    }
    x_free(&tool);
    x_free(&match);
}

/* What a new rule allows is not asked any more. Each settles one and looks again, since what is
 * told may end others. */
static void settle_waiting(struct gate *g) {
    bool again = true;
    while (again) {
        again = false;
        list_for_safe(&g->waits, it, tmp) {
            struct gate_wait *w = list_entry(it, struct gate_wait, link);
            const struct process *p = process_get(agent_processes(g->agent), w->process);
            const struct permission_rule *by;
            struct described d;
            if (!p || !w->request)
                continue;
            describe(&d, g, p, w->call);
            enum permission_action a = decide(g, p, &d, &by);
            described_free(&d);
            if (a == PERMISSION_ASK)
                continue;
            inbox_settle(agent_inbox(g->agent), w->request,
                         a == PERMISSION_ALLOW ? INBOX_ANSWER_ONCE : INBOX_ANSWER_DENY,
                         "by the rule that was just made");
            again = true;
            break;
        }
    }
}

static char *denial(const struct gate *g, enum inbox_answer answer, const char *remark) {
    switch (answer) {
    case INBOX_ANSWER_ONCE:
    case INBOX_ANSWER_ALWAYS:
        break;
    case INBOX_ANSWER_DENY:
        return *remark ? xasprintf("denied by the person, who said: %s", remark)
                       : xstrdup("denied by the person. Do without it, or say what you needed it "
                                 "for");
    case INBOX_ANSWER_TIMED_OUT:
        return xasprintf("denied: nobody answered within %lld s. Do without it, or say what you "
                         "needed it for",
                         (long long)agent_parts(g->agent)->config->limits.ask_secs);
    }
    return xstrdup("");
}

static void on_answer(void *arg, enum inbox_answer answer, const char *remark) {
    struct gate_wait *w = arg;
    struct gate *g = w->gate;
    const struct process *p = process_get(agent_processes(g->agent), w->process);
    w->request = NULL;
    bool allowed = answer == INBOX_ANSWER_ONCE || answer == INBOX_ANSWER_ALWAYS;
    gate_fn *fn = w->fn;
    void *fn_arg = w->arg;
    char *why = denial(g, answer, remark);
    if (allowed && p) {
        struct described d;
        describe(&d, g, p, w->call);
        open_for(w->call, &d);
        described_free(&d);
    }
    if (answer == INBOX_ANSWER_ALWAYS && w->pattern)
        remember(g, w->pattern, w->number);
    wait_free(w);
    fn(fn_arg, allowed, why);
    x_free(&why);
    if (answer == INBOX_ANSWER_ALWAYS)
        settle_waiting(g);
}

static void ask(struct gate *g, struct process *p, struct tool_call *c, const struct described *d,
                const struct permission_rule *by, struct gate_wait *w) {
    char *text = shown(d, c), *label = xasprintf("asks: %s", text), *preview = tool_call_preview(c);
    char *reason = by ? xasprintf("%s says to ask", by->origin) : xstrdup_null(d->reason);
    w->pattern = suggestion(d);
    w->request = inbox_ask(
        agent_inbox(g->agent), p,
        &(struct inbox_permission){.call_id = c->id,
                                   .tool = d->call.escape ? d->call.escape : c->tool->name,
                                   .text = text,
                                   .preview = preview,
                                   .reason = reason,
                                   .pattern = w->pattern,
                                   .timeout_secs = agent_parts(g->agent)->config->limits.ask_secs,
                                   .fn = on_answer,
                                   .arg = w});
    w->number = w->request->number;
    process_set_tool(agent_processes(g->agent), p, label);
    process_set_state(agent_processes(g->agent), p, PROCESS_STATE_ASKING);
    x_free(&reason);
    x_free(&label);
    x_free(&preview);
    x_free(&text);
}

/* Nobody is asked about a conversation that there is not. */
static bool target_exists(const struct gate *g, const struct tool_call *c, struct cause *why) {
    const char *target =
        c->tool->reach == TOOL_REACH_CHANNEL ? json_str(c->args, c->tool->subject, "") : NULL;
    return !target || channel_exists(g->agent, target, why);
}

enum gate_verdict gate_call(struct gate *g, struct process *p, struct tool_call *c, gate_fn *fn,
                            void *arg, struct gate_wait **wait, struct cause *why) {
    const struct permission_rule *by = NULL;
    struct described d;
    if (!target_exists(g, c, why))
        return GATE_SHUT;
    describe(&d, g, p, c);
    enum gate_verdict verdict = GATE_OPEN;
    switch (decide(g, p, &d, &by)) {
    case PERMISSION_ALLOW:
        open_for(c, &d);
        break;
    case PERMISSION_DENY:
        deny_by(by, why);
        verdict = GATE_SHUT;
        break;
    case PERMISSION_ASK:
        if (unattended(g, p)) {
            deny_unattended(&d, why);
            verdict = GATE_SHUT;
            break;
        }
        struct gate_wait *w = xcalloc(1, sizeof *w);
        w->gate = g;
        w->process = p->handle;
        w->call = c;
        w->fn = fn;
        w->arg = arg;
        list_push_back(&g->waits, &w->link);
        ask(g, p, c, &d, by, w);
        *wait = w;
        verdict = GATE_ASKS;
        break;
    }
    described_free(&d);
    return verdict;
}

void gate_wait_cancel(struct gate_wait **wp) {
    struct gate_wait *w = *wp;
    if (!w)
        return;
    *wp = NULL;
    inbox_withdraw(agent_inbox(w->gate->agent), &w->request);
    wait_free(w);
}

/* --- who cannot be asked ------------------------------------------------------------------------
 */

enum status gate_unattended_new(struct gate *g, const cJSON *patterns, struct gate_unattended **out,
                                struct cause *why) {
    struct gate_unattended *u = xcalloc(1, sizeof *u);
    list_init(&u->link);
    enum status st = STATUS_OK;
    const cJSON *item;
    if (cJSON_GetArraySize(patterns) > UNATTENDED_PATTERNS_MAX)
        st = cause_set(why, STATUS_LIMIT, "more than %d patterns are allowed at once",
                       UNATTENDED_PATTERNS_MAX);
    cJSON_ArrayForEach(item, patterns) {
        char *tool = NULL, *match = NULL;
        const char *pattern = cJSON_IsString(item) ? item->valuestring : "";
        if (st == STATUS_OK)
            st = gate_check_pattern(pattern, why);
        if (st == STATUS_OK && permission_parse(pattern, &tool, &match, why) == STATUS_OK)
            permission_add(&u->allowed, PERMISSION_ALLOW, tool, match, "--allow", 0);
        x_free(&tool);
        x_free(&match);
    }
    if (st == STATUS_OK) {
        list_push_back(&g->unattended, &u->link);
        *out = u;
    } else {
        gate_unattended_free(&u);
    }
    return st;
}

void gate_unattended_start(struct gate_unattended *u, const char *message) {
    x_free(&u->message);
    u->message = xstrdup(message);
}

void gate_unattended_free(struct gate_unattended **up) {
    struct gate_unattended *u = *up;
    if (!u)
        return;
    list_remove(&u->link);
    permission_free(&u->allowed);
    x_free(&u->message);
    x_free(up);
}

/* --- rules --------------------------------------------------------------------------------------
 */

static enum status tool_known(const char *name, struct cause *why) {
    const char *const names[] = {
#define X(id, variable) tool_get(TOOL_##id)->name,
        TOOL_TABLE(X)
#undef X
            GATE_UNSANDBOXED};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_eq(names[i], name))
            return STATUS_OK;
    const char *near = str_nearest(name, names, ARRAY_LEN(names));
    return cause_set(why, STATUS_INVALID, "there is no tool \"%.60s\"%s%s%s", name,
                     near ? "; did you mean `" : "", near ? near : "", near ? "`?" : "");
}

enum status gate_check_pattern(const char *pattern, struct cause *why) {
    char *tool = NULL, *match = NULL;
    enum status st = permission_parse(pattern, &tool, &match, why);
    if (st == STATUS_OK)
        st = tool_known(tool, why);
    x_free(&tool);
    x_free(&match);
    return st;
}

enum status gate_check_config(const struct config *c, struct cause *why) {
    for (size_t i = 0; i < c->npermissions; i++) {
        const struct config_permission *p = &c->permissions[i];
        struct cause inner = {""};
        enum permission_action action;
        enum status st = tool_known(p->tool, &inner);
        if (st == STATUS_OK && p->match)
            st = permission_check_glob(p->match, &inner);
        if (st == STATUS_OK && permission_action_from_string(p->action, &action) != STATUS_OK)
            st = cause_set(&inner, STATUS_INVALID, "`action` must be allow, ask or deny");
        if (st != STATUS_OK)
            return cause_set(why, STATUS_CONFIG, "%s:%d: permissions: %s", c->path, p->line,
                             inner.text);
    }
    return STATUS_OK;
}

static void add_config(struct gate *g, const struct config *c) {
    const char *slash = strrchr(c->path, '/');
    for (size_t i = 0; i < c->npermissions; i++) {
        const struct config_permission *p = &c->permissions[i];
        enum permission_action action;
        char *origin = xasprintf("%s:%d", slash ? slash + 1 : c->path, p->line);
        if (permission_action_from_string(p->action, &action) == STATUS_OK)
            permission_add(&g->rules, action, p->tool, p->match, origin, 0);
        x_free(&origin);
    }
}

static bool load(void *arg, const struct q_permission_rules_row *row) {
    struct gate *g = arg;
    enum permission_action action;
    char *origin = xasprintf("rule %lld", (long long)row->n);
    if (permission_action_from_string(row->action, &action) == STATUS_OK)
        permission_add(&g->remembered, action, row->tool, row->match, origin, row->n);
    x_free(&origin);
    if (row->n > g->last)
        g->last = row->n;
    return true;
}

static void rules_json(const struct permission_rules *rules, const char *source, cJSON *list) {
    for (size_t i = 0; i < rules->n; i++) {
        const struct permission_rule *r = &rules->v[i];
        cJSON *o = json_new_obj();
        char *pattern = permission_pattern(r->tool, r->match);
        json_add_str(o, "source", source);
        json_add_str(o, "pattern", pattern);
        json_add_str(o, "action", permission_action_name(r->action));
        json_add_str(o, "origin", r->origin);
        if (r->id)
            json_add_i64(o, "id", r->id);
        x_free(&pattern);
        cJSON_AddItemToArray(list, o);
    }
}

void gate_rules_json(const struct gate *g, cJSON *list) {
    rules_json(&g->rules, "config", list);
    rules_json(&g->remembered, "remembered", list);
}

enum status gate_revoke(struct gate *g, int64_t id, uint64_t *seq, struct cause *why) {
    for (size_t i = 0; i < g->remembered.n; i++) {
        if (g->remembered.v[i].id != id)
            continue;
        permission_remove(&g->remembered, i);
        *seq = store_permission_rule_delete(agent_parts(g->agent)->store, id);
        return STATUS_OK;
    }
    return cause_set(why, STATUS_NOT_FOUND, "no rule %lld is remembered (see spacebot permissions)",
                     (long long)id);
}

/* --- life ---------------------------------------------------------------------------------------
 */

enum status gate_new(struct agent *a, struct gate **out, struct cause *why) {
    const struct agent_parts *parts = agent_parts(a);
    struct gate *g = xcalloc(1, sizeof *g);
    g->agent = a;
    list_init(&g->unattended);
    list_init(&g->waits);
    *out = g;
    enum status st = gate_check_config(parts->config, why);
    if (st != STATUS_OK)
        return st;
    add_config(g, parts->config);
    return q_permission_rules(store_read(parts->store), load, g, why);
}

void gate_free(struct gate **gp) {
    struct gate *g = *gp;
    if (!g)
        return;
    permission_free(&g->rules);
    permission_free(&g->remembered);
    x_free(gp);
}
