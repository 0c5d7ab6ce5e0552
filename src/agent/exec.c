/* exec: says one message and waits until nothing that it set going is under way, sums up what came
 * of it, or takes it back. What others do in the same channel is none of its business. */
#include "agent/exec.h"

#include <string.h>

#include "agent/channel.h"
#include "agent/gate.h"
#include "agent/worker.h"
#include "base/id.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"

struct exec {
    struct agent *agent;
    struct process_handle channel;
    char message[ID_UUID_SIZE];
    struct channel_watch *watch;
    bool throwaway;                     /* the channel is this message's own */
    struct gate_unattended *unattended; /* nobody sits at a script */
    command_reply_fn *fn;
    void *arg;
    struct strv replies;
    struct channel_totals totals; /* of this message and all that it set going */
    enum status failed;           /* of the last turn that ended in an error; OK: none did */
    char *error;
    bool *over; /* set at its end, while it begins; else NULL */
};

static void exec_free(struct exec *e) {
    channel_unwatch(&e->watch);
    gate_unattended_free(&e->unattended);
    strv_free(&e->replies);
    x_free(&e->error);
    x_free(&e);
}

static void on_reply(void *arg, const char *text) {
    struct exec *e = arg;
    strv_push(&e->replies, text);
}

static void on_failed(void *arg, enum status st, const char *text) {
    struct exec *e = arg;
    e->failed = st;
    x_free(&e->error);
    e->error = xstrdup(text);
}

static void on_settled(void *arg);

/* It works on what this message set going. */
static bool is_its(const struct exec *e, const struct process *p) {
    return (p->kind == PROCESS_WORKER || p->kind == PROCESS_BRANCH) && p->body &&
           str_eq(p->reply_to, e->message);
}

static const struct channel_watch_ops watch_ops = {
    .reply = on_reply, .failed = on_failed, .settled = on_settled};

static cJSON *result(const struct exec *e, const struct process *p, bool ok) {
    const struct channel_totals *t = &e->totals;
    cJSON *o = json_new_obj();
    json_add_str(o, "type", "result");
    json_add_bool(o, "ok", ok);
    json_add_str(o, "reply", e->replies.n ? e->replies.v[e->replies.n - 1] : NULL);
    cJSON *all = json_add_arr(o, "replies");
    for (size_t i = 0; i < e->replies.n; i++)
        cJSON_AddItemToArray(all, cJSON_CreateString(e->replies.v[i]));
    if (!ok)
        json_add_str(o, "error", e->error);
    json_add_str(o, "channel", p->channel);
    cJSON *u = json_add_obj(o, "usage");
    json_add_i64(u, "input_tokens", t->usage.input_tokens);
    json_add_i64(u, "output_tokens", t->usage.output_tokens);
    json_add_i64(u, "cached_tokens", t->usage.cache_read_tokens);
    json_add_num(u, "cost_usd", t->usage.cost_usd);
    json_add_bool(u, "cost_is_estimate", t->usage.cost_is_estimate);
    cJSON *n = json_add_obj(o, "processes");
    json_add_i64(n, "started", t->started);
    json_add_i64(n, "succeeded", t->succeeded);
    json_add_i64(n, "failed", t->failed);
    json_add_i64(n, "cancelled", t->cancelled);
    return o;
}

/* Nobody will write to what waits in a throwaway channel; what it gave has come back. True: an end
 * is under way, and it settles once more. */
static bool end_waiting(const struct exec *e) {
    size_t pos = 0;
    bool ends = false;
    for (struct process *w; (w = process_next(agent_processes(e->agent), &pos));) {
        struct cause why = {""};
        const char *how;
        if (!is_its(e, w) || w->kind != PROCESS_WORKER || !worker_waits(w))
            continue;
        if (worker_route(e->agent, w, NULL, NULL, true, &how, &why) == STATUS_OK)
            ends = true;
    }
    return ends;
}

static void on_settled(void *arg) {
    struct exec *e = arg;
    struct process *p = process_get(agent_processes(e->agent), e->channel);
    e->watch = NULL;
    if (e->throwaway && end_waiting(e)) {
        e->watch = channel_watch(p, e->message, &watch_ops, &e->totals, e);
        return;
    }
    if (e->failed == STATUS_OK && e->replies.n == 0) {
        e->failed = STATUS_NOT_FOUND;
        e->error = xstrdup("all work has settled, but there was no reply");
    }
    cJSON *body = result(e, p, e->failed == STATUS_OK);
    command_reply_fn *fn = e->fn;
    void *fn_arg = e->arg;
    enum status st = e->failed;
    char *why = xstrdup(e->error ? e->error : "");
    if (e->over)
        *e->over = true;
    exec_free(e);
    fn(fn_arg, st, body, why);
    x_free(&why);
}

struct exec *exec_start(struct agent *a, const cJSON *args, const struct attachment_list *files,
                        command_reply_fn *fn, void *arg) {
    const struct agent_parts *parts = agent_parts(a);
    struct cause why = {""};
    struct process *p = NULL;
    char uuid[ID_UUID_SIZE], *fresh = NULL, *workspace = NULL;
    const char *channel = json_str(args, "channel", NULL), *model = json_str(args, "model", NULL);
    const char *asked = json_str(args, "workspace", NULL);
    enum status st = STATUS_OK;
    if (!llm_has_provider(parts->llm, model ? model : parts->config->routing.channel))
        st = agent_no_provider(a, model ? model : parts->config->routing.channel, &why);
    if (st == STATUS_OK && asked)
        st = sandbox_workspace(parts->sandbox, asked, &workspace, &why);
    if (st == STATUS_OK && !channel) {
        id_uuid(uuid);
        channel = fresh = xasprintf("cli:%s", uuid);
    }
    struct gate_unattended *unattended = NULL;
    if (st == STATUS_OK)
        st = gate_unattended_new(agent_gate(a), json_arr(args, "allow"), &unattended, &why);
    if (st == STATUS_OK)
        st = channel_open(a, channel, model, workspace, &p, &why);
    struct exec *e = NULL;
    bool over = false; /* where nothing is answered it has settled at once */
    if (st == STATUS_OK) {
        e = xcalloc(1, sizeof *e);
        e->agent = a;
        e->channel = p->handle;
        e->throwaway = fresh || json_bool(args, "throwaway", false);
        e->unattended = unattended;
        e->fn = fn;
        e->arg = arg;
        e->over = &over;
        if (files) /* hearing them was for this message */
            llm_usage_add(&e->totals.usage, &files->usage);
        e->watch = channel_watch(p, NULL, &watch_ops, &e->totals, e);
        const struct channel_message m = {.sender = json_str(args, "sender", CHANNEL_YOU),
                                          .text = json_str(args, "text", ""),
                                          .files = files,
                                          .authority = true,
                                          .watch = e->watch};
        st = channel_say(a, p, &m, NULL, NULL, NULL, e->message, &why);
    }
    x_free(&fresh);
    x_free(&workspace);
    if (over)
        return NULL;
    if (st == STATUS_OK) {
        e->over = NULL;
        gate_unattended_start(e->unattended, e->message);
        return e;
    }
    if (e)
        exec_free(e);
    else
        gate_unattended_free(&unattended);
    fn(arg, st, NULL, why.text);
    return NULL;
}

void exec_abandon(struct exec **ep) {
    struct exec *e = *ep;
    if (!e)
        return;
    *ep = NULL;
    struct agent *a = e->agent;
    struct process_table *t = agent_processes(a);
    struct process *p = process_get(t, e->channel);
    channel_unwatch(&e->watch);
    size_t pos = 0;
    for (struct process *w; p && (w = process_next(t, &pos));)
        if (is_its(e, w)) {
            w->unwanted = true;
            agent_cancel(a, w, "the command that asked for it was interrupted");
        }
    if (p)
        channel_withdraw(a, p, e->message, "the command that asked was interrupted");
    exec_free(e);
}
