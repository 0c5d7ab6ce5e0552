/* steps: what people, clients and time do to an engine. */
#include "tests/property/world.h"

#include <string.h>

#include "agent/channel.h"
#include "agent/delegate.h"
#include "agent/inbox.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"

/* --- asking -------------------------------------------------------------------------------------
 */

/* What a script waited for is over. */
static void check_exec(struct asked *a) {
    struct world *w = a->w;
    const char *message = w->messages[a->message].id;
    size_t n = *message ? delegate_busy_for(w->agent, message) : 0;
    if (n)
        BROKEN(w, "the script of message %u is answered, and %zu work on for it", a->message, n);
}

static void replied(void *arg, enum status st, cJSON *body, const char *why) {
    struct asked *a = arg;
    if (!a->w->open[a->slot])
        BROKEN(a->w, "command %u was answered twice", a->slot);
    STEP(a->w, "  answer %u: %s %s", a->slot, status_name(st), why);
    /* A channel takes a message at any moment; only its full queue refuses one. */
    if (a->command == COMMAND_SAY && st != STATUS_OK && st != STATUS_LIMIT)
        BROKEN(a->w, "a message was refused: %s", why);
    if (a->command == COMMAND_EXEC)
        check_exec(a);
    if (a->command == COMMAND_ANSWER && st == STATUS_OK && !a->w->requests[a->request].ended)
        BROKEN(a->w, "request %lld is answered, and its end was never told", (long long)a->request);
    a->w->open[a->slot] = false;
    a->w->calls[a->slot] = NULL;
    cJSON_Delete(body);
}

/* NULL: the place is taken. */
static struct asked *prepare(struct world *w, enum command c) {
    unsigned slot = w->given++ % CALLS_MAX;
    if (w->open[slot])
        return NULL;
    w->asked[slot] = (struct asked){.w = w, .slot = slot, .command = c};
    w->open[slot] = true;
    return &w->asked[slot];
}

static void run(struct world *w, struct asked *a, cJSON *args) {
    char *text = json_print(args);
    STEP(w, "ask %u: %d %s", a->slot, (int)a->command, text);
    x_free(&text);
    struct command_call *call = command_run(w->agent, a->command, args, replied, a);
    if (w->open[a->slot])
        w->calls[a->slot] = call;
    cJSON_Delete(args);
}

static cJSON *to_channel(unsigned c, const char *text) {
    cJSON *o = json_new_obj();
    char channel[8] = {'c', (char)('0' + c)};
    json_add_str(o, "channel", channel);
    json_add_str(o, "text", text);
    return o;
}

/* --- people -------------------------------------------------------------------------------------
 */

static void say_text(struct world *w, unsigned channel, const char *sender, const char *text) {
    struct asked *a = prepare(w, COMMAND_SAY);
    if (!a)
        return;
    cJSON *o = to_channel(channel, text);
    if (sender)
        json_add_str(o, "sender", sender);
    run(w, a, o);
}

static char *new_message(struct world *w, const char *before) {
    return w->nmessages < MESSAGES_MAX ? xasprintf("%smessage %u.", before, w->nmessages++) : NULL;
}

static void say(struct world *w) {
    static const char *const senders[] = {NULL, NULL, NULL, "ann", "ben", "cyd"};
    char *text = new_message(w, pick(w, 4) ? "" : "@spacebot ");
    unsigned c = pick(w, CHANNELS);
    const char *sender = senders[pick(w, ARRAY_LEN(senders))];
    if (text)
        say_text(w, c, sender, text);
    /* Several come at once. */
    for (unsigned n = sender ? pick(w, 4) : 0; text && n > 0; n--) {
        x_free(&text);
        if ((text = new_message(w, "")))
            say_text(w, c, senders[pick(w, ARRAY_LEN(senders))], text);
    }
    x_free(&text);
}

static void command(struct world *w, unsigned c, const char *text) {
    w->commanding = true;
    say_text(w, c, NULL, text);
    w->commanding = false;
}

static void slash(struct world *w) {
    static const char *const all[] = {"/quiet",  "/observe", "/active",     "/mention-only",
                                      "/status", "/whoami",  "/pause off",  "/pause a while",
                                      "/help",   "/active",  "/PAUSE_ off", "/pause off"};
    unsigned c = pick(w, CHANNELS);
    const char *text = all[pick(w, ARRAY_LEN(all))];
    if (pick(w, 3)) {
        command(w, c, text);
        return;
    }
    /* Somebody who may not change the conversation. */
    char bare[8] = {'c', (char)('0' + c)}, id[ID_UUID_SIZE];
    struct process *p;
    struct cause why = {""};
    const struct channel_message m = {.sender = "dan", .text = text};
    STEP(w, "without authority to %s: %s", bare, text);
    if (channel_open(w->agent, bare, NULL, NULL, &p, &why) != STATUS_OK ||
        (channel_say(w->agent, p, &m, NULL, NULL, NULL, id, &why) != STATUS_OK &&
         !strstr(why.text, "are waiting")))
        BROKEN(w, "%s", why.text);
}

static void answer(struct world *w) {
    static const char *const permission[] = {"once",   "yes",  "allow", "y",     "deny", "no",
                                             "always", "deny", "a",     "maybe", "1"};
    static const char *const question[] = {"1", "2", "two, or three", "ONE", "1, 2", "3", "", "no"};
    const struct inbox_request *r = NULL;
    size_t n = inbox_count(agent_inbox(w->agent));
    if (n == 0 && pick(w, 8))
        return;
    for (unsigned k = n ? 1 + pick(w, (unsigned)n) : 0; k > 0; k--)
        r = inbox_next(agent_inbox(w->agent), r);
    struct asked *a = prepare(w, COMMAND_ANSWER);
    if (!a)
        return;
    a->request = r && pick(w, 12) ? r->number : pick(w, 40);
    bool asks = r && r->kind == INBOX_QUESTION;
    cJSON *o = json_new_obj();
    json_add_i64(o, "request", a->request);
    json_add_str(o, "answer",
                 asks ? question[pick(w, ARRAY_LEN(question))]
                      : permission[pick(w, ARRAY_LEN(permission))]);
    /* Where it becomes a message, it is one that is known. */
    char *remark = asks ? new_message(w, "") : pick(w, 2) ? xstrdup("said the person") : NULL;
    if (remark)
        json_add_str(o, "remark", remark);
    x_free(&remark);
    run(w, a, o);
}

static void revoke(struct world *w) {
    struct asked *a = prepare(w, COMMAND_REVOKE);
    if (!a)
        return;
    cJSON *o = json_new_obj();
    json_add_i64(o, "rule", 1 + pick(w, 3));
    run(w, a, o);
}

/* --- scripts ------------------------------------------------------------------------------------
 */

static void exec(struct world *w) {
    static const char *const rules[] = {"file_read", "unsandboxed", "shell:say *",
                                        "send_message_to_another_channel"};
    unsigned n = w->nmessages;
    char *text = new_message(w, "");
    struct asked *a = text ? prepare(w, COMMAND_EXEC) : NULL;
    if (a) {
        a->message = n;
        cJSON *o = to_channel(pick(w, CHANNELS), text);
        if (pick(w, 4) == 0)
            cJSON_DeleteItemFromObject(o, "channel"); /* one of its own */
        cJSON *allow = json_add_arr(o, "allow");
        for (unsigned k = pick(w, 3); k > 0; k--) {
            const char *rule = rules[pick(w, ARRAY_LEN(rules))];
            w->ruled |= str_eq(rule, "file_read");
            cJSON_AddItemToArray(allow, cJSON_CreateString(rule));
        }
        run(w, a, o);
    }
    x_free(&text);
}

struct others {
    struct process_handle handle;
    enum process_state state;
    bool unwanted;
};

/* What does not work for that message. */
static size_t take_others(struct world *w, const char *message, struct others *v, size_t max) {
    size_t pos = 0, n = 0;
    for (const struct process *p; n < max && (p = process_next(agent_processes(w->agent), &pos));)
        if (!str_eq(channel_message_of(p), message))
            v[n++] = (struct others){p->handle, p->state, p->unwanted};
    return n;
}

static void abandon(struct world *w) {
    unsigned slot = pick(w, CALLS_MAX);
    struct others before[128];
    if (!w->open[slot] || !w->calls[slot])
        return;
    STEP(w, "abandon %u", slot);
    const struct asked *a = &w->asked[slot];
    const char *message = a->command == COMMAND_EXEC ? w->messages[a->message].id : "";
    size_t n = take_others(w, message, before, ARRAY_LEN(before));
    command_abandon(&w->calls[slot]);
    w->open[slot] = false; /* an answer now would break the schedule */
    for (size_t i = 0; i < n; i++) {
        const struct process *p = process_get(agent_processes(w->agent), before[i].handle);
        if (!p || p->state != before[i].state || p->unwanted != before[i].unwanted)
            BROKEN(w, "%s has to do with an abandoned command that was not its own",
                   p ? p->id : "a process");
    }
}

/* --- processes and time -------------------------------------------------------------------------
 */

static void to_process(struct world *w, enum command c) {
    const struct process *p = any_process(w);
    struct asked *a = p ? prepare(w, c) : NULL;
    if (!a)
        return;
    cJSON *o = json_new_obj();
    json_add_str(o, "process", p->id);
    if (c == COMMAND_ROUTE) {
        char *text = xasprintf("route %u", w->given);
        json_add_str(o, "text", text);
        json_add_bool(o, "end", pick(w, 4) == 0);
        x_free(&text);
    }
    run(w, a, o);
}

static void pass(struct world *w, int turns, int64_t wait) {
    for (int i = 0; i < turns; i++) {
        loop_turn(w->loop, wait);
        rules_hold(w);
    }
}

void steps_next(struct world *w) {
    switch (pick(w, 20)) {
    case 0:
    case 1:
    case 2:
        say(w);
        break;
    case 3:
    case 4:
        exec(w);
        break;
    case 5:
    case 6:
        to_process(w, pick(w, 2) ? COMMAND_CANCEL : COMMAND_INTERRUPT);
        break;
    case 7:
        abandon(w);
        break;
    case 8:
        STEP(w, "pass 2 s");
        pass(w, 30, NS_PER_SEC * 2);
        break;
    case 9:
    case 10:
        to_process(w, COMMAND_ROUTE);
        break;
    case 11:
        STEP(w, "pass 15 min");
        pass(w, 10, NS_PER_SEC * 180);
        break;
    case 12:
    case 13:
    case 14:
        answer(w);
        break;
    case 15:
        slash(w);
        break;
    case 16:
        if (pick(w, 3) == 0)
            revoke(w);
        break;
    default:
        pass(w, (int)pick(w, 6), NS_PER_MS * (int64_t)pick(w, 400));
        break;
    }
}

void steps_wake(struct world *w) {
    for (unsigned c = 0; c < CHANNELS; c++) {
        w->given = 2 * c; /* all places are free */
        command(w, c, "/pause off");
        command(w, c, "/active");
    }
    pass(w, 5, 0);
}

void steps_check_answers(struct world *w) {
    w->calm = true;
    for (unsigned i = 0; i < CHANNELS; i++) {
        char *id = xasprintf("channel:c%u", i);
        const struct process *p = process_find(agent_processes(w->agent), id);
        uint64_t before = p ? p->journal.next_seq : 0;
        w->given = i;
        say_text(w, i, NULL, "still there?");
        for (int n = 0; n < 200 && !agent_idle(w->agent); n++)
            loop_turn(w->loop, NS_PER_SEC);
        p = process_find(agent_processes(w->agent), id);
        const struct journal_entry *e = p ? journal_last(&p->journal, JOURNAL_REPLY) : NULL;
        if (!e || e->seq < before || !str_eq(buf_str(&e->text), "calm"))
            BROKEN(w, "%s does not answer any more", id);
        x_free(&id);
    }
    w->calm = false;
}
