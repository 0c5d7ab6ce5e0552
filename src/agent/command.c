/* command: reads arguments, acts, replies. Each command is one function in the table's order. */
#include "agent/command.h"

#include <string.h>

#include "agent/attachment.h"
#include "agent/channel.h"
#include "agent/exec.h"
#include "agent/gate.h"
#include "agent/inbox.h"
#include "agent/record.h"
#include "agent/undo.h"
#include "agent/worker.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "memory/command.h"

struct command_call {
    command_reply_fn *fn;
    void *arg;
    struct store_after *wait;
    struct channel_attach *attach; /* SAY: its files are being read */
    struct exec *exec;
    struct attachment_save *save; /* SAY, EXEC: its files are being saved first */
    struct agent *agent;
    enum command command;
    cJSON *args;
    struct undo *undo;
    struct memory_command_call *memory;
    char *channel, message_id[ID_UUID_SIZE];
    int64_t id; /* of a request or a rule */
};

enum status command_from_string(const char *s, enum command *out) {
#define X(name, text)                                                                              \
    if (s && strcmp(s, text) == 0) {                                                               \
        *out = COMMAND_##name;                                                                     \
        return STATUS_OK;                                                                          \
    }
    COMMAND_TABLE(X)
#undef X
    return STATUS_NOT_FOUND;
}

static void call_free(struct command_call *c) {
    store_after_cancel(&c->wait);
    channel_attach_forget(&c->attach);
    attachment_save_cancel(&c->save);
    cJSON_Delete(c->args);
    x_free(&c->channel);
    x_free(&c);
}

/* --- open, say, exec ----------------------------------------------------------------------------
 */

static enum status open_channel(struct agent *a, const cJSON *args, struct process **p,
                                struct cause *why) {
    return channel_open(a, json_str(args, "channel", NULL), NULL, NULL, p, why);
}

static enum status do_open(struct agent *a, const cJSON *args, cJSON *out, struct cause *why) {
    struct process *p;
    enum status st = open_channel(a, args, &p, why);
    if (st != STATUS_OK)
        return st;
    if (json_bool(args, "screen", false))
        channel_stand_in(a, p, agent_default_model(a), NULL);
    json_add_str(out, "channel", p->channel);
    json_add_str(out, "id", p->id);
    return STATUS_OK;
}

static void said(void *arg, enum status st, const char *why) {
    struct command_call *c = arg;
    c->wait = NULL;
    cJSON *body = json_new_obj();
    json_add_str(body, "channel", c->channel);
    json_add_str(body, "message_id", c->message_id);
    command_reply_fn *fn = c->fn;
    void *fn_arg = c->arg;
    call_free(c);
    fn(fn_arg, st, body, why);
}

/* NULL: it has been answered, and c is gone. */
static struct command_call *refused(struct command_call *c, enum status st, const char *why) {
    command_reply_fn *fn = c->fn;
    void *arg = c->arg;
    call_free(c);
    fn(arg, st, NULL, why);
    return NULL;
}

static struct command_call *do_say(struct command_call *c, struct agent *a, const cJSON *args,
                                   const struct attachment_list *files) {
    struct cause why = {""};
    struct process *p;
    enum status st = open_channel(a, args, &p, &why);
    if (st == STATUS_OK && channel_stood_in(p) && !json_bool(args, "screen", false))
        st = agent_no_provider(a, agent_parts(a)->config->routing.channel, &why);
    if (st == STATUS_OK) {
        c->channel = xstrdup(p->channel);
        const struct channel_message m = {.sender = json_str(args, "sender", CHANNEL_YOU),
                                          .text = json_str(args, "text", ""),
                                          .files = files,
                                          .authority = true};
        st = json_bool(args, "screen", false)
                 ? channel_say_attaching(a, p, &m, said, c, &c->attach, &c->wait, c->message_id,
                                         &why)
                 : channel_say(a, p, &m, said, c, &c->wait, c->message_id, &why);
    }
    return st == STATUS_OK ? c : refused(c, st, why.text);
}

static enum status do_run(struct agent *a, const cJSON *args, cJSON *out, struct cause *why) {
    struct process *p;
    enum status st = open_channel(a, args, &p, why);
    if (st == STATUS_OK)
        st = channel_run_line(a, p, json_str(args, "sender", "you"), json_str(args, "command", ""),
                              why);
    if (st == STATUS_OK)
        json_add_str(out, "channel", p->channel);
    return st;
}

static void executed(void *arg, enum status st, cJSON *body, const char *why) {
    struct command_call *c = arg;
    command_reply_fn *fn = c->fn;
    void *fn_arg = c->arg;
    c->exec = NULL;
    call_free(c);
    fn(fn_arg, st, body, why);
}

static struct command_call *do_exec(struct command_call *c, struct agent *a, const cJSON *args,
                                    const struct attachment_list *files) {
    /* executed() may free c before exec_start() returns: only a live exec is stored in it. */
    struct exec *e = exec_start(a, args, files, executed, c);
    if (!e)
        return NULL;
    c->exec = e;
    return c;
}

static struct command_call *do_message(struct command_call *c, struct agent *a,
                                       enum command command, const cJSON *args,
                                       const struct attachment_list *files) {
    return command == COMMAND_SAY ? do_say(c, a, args, files) : do_exec(c, a, args, files);
}

static void files_saved(void *arg, enum status st, const char *why, struct attachment_list *l) {
    struct command_call *c = arg;
    cJSON *args = c->args;
    c->save = NULL;
    c->args = NULL;
    if (st == STATUS_OK)
        (void)do_message(c, c->agent, c->command, args, l);
    else
        (void)refused(c, st, why);
    cJSON_Delete(args);
}

/* The throwaway one that exec would make. */
static void own_channel(cJSON *args) {
    char uuid[ID_UUID_SIZE];
    id_uuid(uuid);
    char *channel = xasprintf("cli:%s", uuid);
    json_add_str(args, "channel", channel);
    json_add_bool(args, "throwaway", true);
    x_free(&channel);
}

/* What comes with a message is saved before it is said. */
static struct command_call *message(struct agent *a, enum command command, const cJSON *args,
                                    command_reply_fn *fn, void *arg) {
    struct command_call *c = xcalloc(1, sizeof *c);
    struct cause why = {""};
    struct strv paths = {0};
    enum status st = STATUS_OK;
    const cJSON *file;
    c->fn = fn;
    c->arg = arg;
    cJSON_ArrayForEach(file, json_arr(args, "attach")) {
        if (!cJSON_IsString(file) || file->valuestring[0] != '/')
            st = cause_set(&why, STATUS_INVALID, "attach: an absolute path is needed");
        else
            strv_push(&paths, file->valuestring);
    }
    if (st == STATUS_OK && paths.n > CHANNEL_ATTACH_MAX)
        st = cause_set(&why, STATUS_LIMIT, "%zu files are given; %u are the most", paths.n,
                       CHANNEL_ATTACH_MAX);
    if (st == STATUS_OK && paths.n) {
        c->agent = a;
        c->command = command;
        c->args = cJSON_Duplicate(args, true);
        if (command == COMMAND_EXEC && !json_str(args, "channel", NULL))
            own_channel(c->args); /* what hearing them costs is booked to it */
        args = c->args;
        st = attachment_save(a, json_str(args, "channel", ""), NULL, &paths, files_saved, c,
                             &c->save, &why);
    }
    bool waits = paths.n > 0;
    strv_free(&paths);
    if (st != STATUS_OK)
        return refused(c, st, why.text);
    return waits ? c : do_message(c, a, command, args, NULL);
}

/* --- processes ----------------------------------------------------------------------------------
 */

static enum status named(struct agent *a, const cJSON *args, struct process **p,
                         struct cause *why) {
    return process_resolve(agent_processes(a), json_str(args, "process", NULL), p, why);
}

static enum status do_stop(struct agent *a, const cJSON *args, cJSON *out, const char *reason,
                           struct cause *why) {
    struct process *p;
    enum status st = named(a, args, &p, why);
    if (st != STATUS_OK)
        return st;
    bool over = p->state == PROCESS_STATE_ENDED;
    json_add_str(out, "process", p->id);
    bool stopped = agent_cancel(a, p, reason); /* what hears is gone then, and p with it */
    json_add_bool(out, "cancelled", stopped);
    json_add_str(out, "message",
                 stopped ? "cancelled; what it had is kept"
                 : over  ? "it had ended already"
                         : "nothing of it was under way");
    return STATUS_OK;
}

static enum status do_ps(struct agent *a, const cJSON *args, cJSON *out) {
    bool all = json_bool(args, "all", false);
    cJSON *list = json_add_arr(out, "processes");
    size_t pos = 0;
    if (all && json_bool(args, "past", true))
        record_past(a, list);
    for (const struct process *p; (p = process_next(agent_processes(a), &pos));)
        if (all || p->state != PROCESS_STATE_ENDED)
            cJSON_AddItemToArray(list, agent_ps_json(a, p));
    return STATUS_OK;
}

static enum status do_log(struct agent *a, const cJSON *args, cJSON *out, struct cause *why) {
    struct process *p;
    enum status st = named(a, args, &p, why);
    if (st != STATUS_OK)
        return st;
    uint64_t from = (uint64_t)json_i64(args, "from", 0);
    json_add_str(out, "id", p->id);
    cJSON *list = json_add_arr(out, "entries");
    for (size_t i = 0; i < p->journal.n; i++) {
        const struct journal_entry *e = p->journal.v[i];
        if (e->seq < from)
            continue;
        struct buf b = BUF_INIT;
        journal_entry_json(e, &b);
        cJSON_AddItemToArray(list, cJSON_CreateRaw(buf_str(&b)));
        buf_free(&b);
    }
    json_add_i64(out, "next", (int64_t)p->journal.next_seq);
    json_add_bool(out, "live", p->state != PROCESS_STATE_ENDED);
    return STATUS_OK;
}

static enum status do_route(struct agent *a, const cJSON *args, cJSON *out, struct cause *why) {
    struct process *p;
    const char *how = "";
    enum status st = named(a, args, &p, why);
    if (st == STATUS_OK)
        st = worker_route(a, p, json_str(args, "sender", "you"), json_str(args, "text", NULL),
                          json_bool(args, "end", false), &how, why);
    if (st != STATUS_OK)
        return st;
    char uuid[ID_UUID_SIZE];
    id_uuid(uuid);
    process_set_work(p, uuid); /* what it does from now on was asked for by this */
    json_add_str(out, "process", p->id);
    json_add_str(out, "message", how);
    return STATUS_OK;
}

static enum status do_seen(struct agent *a, const cJSON *args, struct cause *why) {
    struct process *p;
    enum status st = named(a, args, &p, why);
    if (st != STATUS_OK || (p->seen && !p->unread))
        return st;
    p->seen = true;
    p->unread = 0;
    process_changed(agent_processes(a), p);
    return STATUS_OK;
}

/* --- permissions and questions ------------------------------------------------------------------
 */

static enum status do_inbox(struct agent *a, cJSON *out) {
    cJSON *list = json_add_arr(out, "requests");
    const struct inbox_request *r = NULL;
    while ((r = inbox_next(agent_inbox(a), r)))
        cJSON_AddItemToArray(list, inbox_json(r));
    return STATUS_OK;
}

static void decided(void *arg, enum status st, const char *why) {
    struct command_call *c = arg;
    c->wait = NULL;
    cJSON *body = json_new_obj();
    json_add_i64(body, "id", c->id);
    command_reply_fn *fn = c->fn;
    void *fn_arg = c->arg;
    call_free(c);
    fn(fn_arg, st, body, why);
}

/* An answer and a revocation hold once they are stored. */
static struct command_call *do_decide(struct agent *a, enum command command, const cJSON *args,
                                      command_reply_fn *fn, void *arg) {
    struct cause why = {""};
    bool revoke = command == COMMAND_REVOKE;
    int64_t id = json_i64(args, revoke ? "rule" : "request", 0);
    uint64_t seq = 0;
    enum status st = revoke ? gate_revoke(agent_gate(a), id, &seq, &why)
                            : inbox_answer(agent_inbox(a), id, json_str(args, "answer", ""),
                                           json_str(args, "remark", ""),
                                           json_bool(args, "screen", false), &seq, &why);
    if (st != STATUS_OK) {
        fn(arg, st, NULL, why.text);
        return NULL;
    }
    struct command_call *c = xcalloc(1, sizeof *c);
    c->fn = fn;
    c->arg = arg;
    c->id = id;
    c->wait = store_after(agent_parts(a)->store, seq, decided, c);
    return c;
}

/* --- files --------------------------------------------------------------------------------------
 */

static void undone(void *arg, enum status st, cJSON *body, const char *why) {
    struct command_call *c = arg;
    command_reply_fn *fn = c->fn;
    void *fn_arg = c->arg;
    c->undo = NULL;
    call_free(c);
    fn(fn_arg, st, body, why);
}

static struct command_call *do_undo(struct agent *a, enum command command, const cJSON *args,
                                    command_reply_fn *fn, void *arg) {
    struct command_call *c = xcalloc(1, sizeof *c);
    c->fn = fn;
    c->arg = arg;
    /* As for exec: undone() may free c before. */
    struct undo *u = undo_start(a, args, command == COMMAND_REDO, undone, c);
    if (!u)
        return NULL;
    c->undo = u;
    return c;
}

/* --- memories ------------------------------------------------------------------------------------
 */

static void remembered(void *arg, enum status st, cJSON *body, const char *why) {
    struct command_call *c = arg;
    command_reply_fn *fn = c->fn;
    void *fn_arg = c->arg;
    c->memory = NULL;
    call_free(c);
    fn(fn_arg, st, body, why);
}

static struct command_call *do_memory(struct agent *a, const cJSON *args, command_reply_fn *fn,
                                      void *arg) {
    struct command_call *c = xcalloc(1, sizeof *c);
    struct cause why = {""};
    c->fn = fn;
    c->arg = arg;
    enum status st = memory_command(agent_memories(a), args, remembered, c, &c->memory, &why);
    return st == STATUS_OK ? c : refused(c, st, why.text);
}

/* --- the table ----------------------------------------------------------------------------------
 */

struct command_call *command_run(struct agent *a, enum command c, const cJSON *args,
                                 command_reply_fn *fn, void *arg) {
    struct cause why = {""};
    cJSON *out = json_new_obj();
    enum status st = STATUS_OK;
    switch (c) {
    case COMMAND_SAY:
    case COMMAND_EXEC:
        cJSON_Delete(out);
        return message(a, c, args, fn, arg);
    case COMMAND_RUN:
        st = do_run(a, args, out, &why);
        break;
    case COMMAND_OPEN:
        st = do_open(a, args, out, &why);
        break;
    case COMMAND_CANCEL:
        st = do_stop(a, args, out, json_str(args, "reason", "cancelled by the person"), &why);
        break;
    case COMMAND_INTERRUPT:
        st = do_stop(a, args, out, "interrupted by the person", &why);
        break;
    case COMMAND_ROUTE:
        st = do_route(a, args, out, &why);
        break;
    case COMMAND_PS:
        st = do_ps(a, args, out);
        break;
    case COMMAND_LOG:
        st = do_log(a, args, out, &why);
        break;
    case COMMAND_SEEN:
        st = do_seen(a, args, &why);
        break;
    case COMMAND_INTERRUPTED:
        st = record_interrupted(a, out, &why);
        break;
    case COMMAND_ANSWER:
    case COMMAND_REVOKE:
        cJSON_Delete(out);
        return do_decide(a, c, args, fn, arg);
    case COMMAND_UNDO:
    case COMMAND_REDO:
        cJSON_Delete(out);
        return do_undo(a, c, args, fn, arg);
    case COMMAND_MEMORY:
        cJSON_Delete(out);
        return do_memory(a, args, fn, arg);
    case COMMAND_INBOX:
        st = do_inbox(a, out);
        break;
    case COMMAND_PERMISSIONS:
        gate_rules_json(agent_gate(a), json_add_arr(out, "rules"));
        break;
    case COMMAND_DISMISS:
        st = agent_dismiss(a, json_str(args, "call_id", ""), &why);
        break;
    }
    if (st != STATUS_OK) {
        cJSON_Delete(out);
        out = NULL;
    }
    fn(arg, st, out, why.text);
    return NULL;
}

void command_abandon(struct command_call **cp) {
    struct command_call *c = *cp;
    if (!c)
        return;
    *cp = NULL;
    exec_abandon(&c->exec);
    undo_abandon(&c->undo);
    memory_command_forget(&c->memory);
    call_free(c);
}
