/* channel_hear: what people say comes in here. It is stored and shown first; then commands are
 * obeyed at once, and the rest goes into the queue, or waits a moment for others where several
 * people talk (SPEC A.3 "Coalescing"). */
#include "agent/channel-internal.h"

#include <string.h>

#include "agent/attachment.h"
#include "agent/event.h"
#include "agent/record.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/utf8.h"

#define SENDER_MAX 64u
#define MENTION "@spacebot"

/* --- who speaks ---------------------------------------------------------------------------------
 */

char *channel_said_by(const char *sender, int64_t at_ms, const char *text) {
    char at[CLOCK_RFC3339_SIZE];
    if (str_empty(sender) || str_eq(sender, CHANNEL_YOU))
        return xstrdup(text);
    clock_rfc3339(at_ms, at);
    return xasprintf("[%s, %.10s %.5s UTC] %s", sender, at, at + 11, text);
}

/* A name for one line: nothing in it can end the brackets around it. */
static char *clean_name(const char *name) {
    struct buf b = BUF_INIT;
    utf8_append_valid(&b, name, utf8_cut(name, strlen(name), SENDER_MAX));
    for (size_t i = 0; i < b.len; i++)
        if ((unsigned char)b.data[i] < 0x20 || strchr("[],<>\x7f", b.data[i]))
            b.data[i] = ' ';
    return buf_steal(&b);
}

static void add_name(struct strv *names, const char *name, size_t max) {
    for (size_t i = 0; i < names->n; i++)
        if (str_eq(names->v[i], name))
            return;
    if (names->n < max)
        strv_push(names, name);
}

void channel_met(struct channel *ch, const char *name) {
    add_name(&ch->people, name, CHANNEL_PEOPLE_MAX);
}

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* A slash counts as one: who types it means the one who answers. */
static bool names_us(const char *text) {
    size_t n = strlen(MENTION);
    if (text[0] == '/')
        return true;
    for (const char *s = text; (s = strchr(s, '@')); s++)
        if (strncasecmp(s, MENTION, n) == 0 && !is_letter(s[n]))
            return true;
    return false;
}

/* --- waiting for others -------------------------------------------------------------------------
 */

/* A conversation with one person never waits, unless the config says so. */
static bool waits(const struct channel *ch, const struct channel_message *m, const char *text) {
    const struct config *c = agent_parts(ch->agent)->config;
    if (!c->coalesce.enabled || text[0] == '/' || m->watch)
        return false;
    bool one_person = ch->people.n < 2 || strstr(channel_self(ch)->bare, ":dm:");
    return !one_person || !c->coalesce.multi_user_only;
}

static size_t different_senders(const struct list *messages) {
    size_t n = 0;
    list_for(messages, it) {
        const struct incoming *a = list_entry(it, const struct incoming, link);
        bool first = true;
        for (struct list *before = messages->next; first && before != it; before = before->next)
            first = !str_eq(list_entry(before, const struct incoming, link)->sender, a->sender);
        n += first;
    }
    return n;
}

/* One message out of several: each with its sender and time, below their number. */
static struct incoming *combine(struct channel *ch) {
    struct coalesce *t = &ch->together;
    struct incoming *all = xcalloc(1, sizeof *all);
    double secs = (double)(clock_mono_ns() - t->first_ns) / (double)NS_PER_SEC;
    size_t people = different_senders(&t->messages);
    struct buf b = BUF_INIT;
    buf_printf(&b, "[%zu messages]", t->n);
    list_for_safe(&t->messages, it, tmp) {
        struct incoming *in = list_entry(it, struct incoming, link);
        char at[CLOCK_RFC3339_SIZE];
        clock_rfc3339(in->at_ms, at);
        buf_printf(&b, "\n\n[%s, %.10s %.5s UTC] %s", in->sender, at, at + 11, in->text);
        all->mentioned |= in->mentioned;
        for (size_t i = 0; i < in->powerless.n; i++)
            add_name(&all->powerless, in->powerless.v[i], CHANNEL_QUEUE_MAX);
        all->at_ms = in->at_ms;
        x_free(&all->message_id); /* the last one is what is replied to */
        all->message_id = xstrdup_null(in->message_id);
        for (size_t i = 0; i < in->heard.n; i++)
            strv_push(&all->heard, in->heard.v[i]);
        list_remove(&in->link);
        incoming_free(&in);
    }
    all->text = buf_steal(&b);
    all->hint = xasprintf("%zu messages of %zu %s came together within %.1f s: answer them in one "
                          "reply, each where it needs an answer.",
                          t->n, people, people == 1 ? "person" : "people", secs);
    return all;
}

void channel_flush(struct channel *ch) {
    struct coalesce *t = &ch->together;
    if (t->n == 0)
        return;
    loop_timer_del(&t->timer);
    bus_unlisten(&t->listener);
    struct incoming *in;
    if (t->n == 1) {
        in = list_entry(t->messages.next, struct incoming, link);
        list_remove(&in->link);
    } else {
        in = combine(ch);
    }
    t->n = 0;
    channel_enqueue(ch, in);
}

void channel_forget_together(struct channel *ch) {
    struct coalesce *t = &ch->together;
    loop_timer_del(&t->timer);
    bus_unlisten(&t->listener);
    list_for_safe(&t->messages, it, tmp) {
        struct incoming *in = list_entry(it, struct incoming, link);
        list_remove(&in->link);
        incoming_free(&in);
    }
    t->n = 0;
}

static void deadline(void *arg) {
    struct channel *ch = arg;
    ch->together.timer = NULL;
    channel_flush(ch);
}

/* Work of this channel begins or ends: its model should know what was said before it hears of that.
 * A listener may not act, so the deadline comes now. */
static void overheard(void *arg, const struct bus_event *e) {
    struct channel *ch = arg;
    bool ends = e->type == EVENT_BRANCH_STARTED || e->type == EVENT_BRANCH_RESULT ||
                e->type == EVENT_WORKER_STARTED || e->type == EVENT_WORKER_STATUS ||
                e->type == EVENT_WORKER_COMPLETE;
    if (ends && ch->together.timer && str_eq(e->channel, channel_self(ch)->channel))
        loop_timer_again(ch->together.timer, 0);
}

/* Few messages put the deadline off each time; enough of them keep it as it is. No message waits
 * longer than the ceiling in either case. */
static void wait_for_others(struct channel *ch, struct incoming *in) {
    const struct agent_parts *parts = agent_parts(ch->agent);
    const struct config *c = parts->config;
    struct coalesce *t = &ch->together;
    int64_t now = clock_mono_ns();
    list_push_back(&t->messages, &in->link);
    if (t->n++ == 0) {
        t->first_ns = now;
        t->deadline_ns = now + c->coalesce.debounce_ms * NS_PER_MS;
        t->timer = loop_timer(parts->loop, 0, deadline, ch, "coalesce");
        t->listener = bus_listen(agent_bus(ch->agent), overheard, ch);
    } else if ((int64_t)t->n < c->coalesce.min_messages) {
        t->deadline_ns = now + c->coalesce.debounce_ms * NS_PER_MS;
    }
    int64_t ceiling = t->first_ns + c->coalesce.max_wait_ms * NS_PER_MS;
    if (t->deadline_ns > ceiling)
        t->deadline_ns = ceiling;
    loop_timer_again(t->timer, t->deadline_ns > now ? t->deadline_ns - now : 0);
}

/* --- being told ---------------------------------------------------------------------------------
 */

static enum status check(const struct channel *ch, const char *text, bool command,
                         struct cause *why) {
    size_t n = strlen(text), waiting = ch->queued + ch->together.n;
    if (n == 0)
        return cause_set(why, STATUS_INVALID, "the message is empty");
    if (n > CHANNEL_MESSAGE_MAX)
        return cause_set(
            why, STATUS_LIMIT,
            "the message has %zu bytes; %u are the most (put the text in a file of the "
            "workspace and name it)",
            n, CHANNEL_MESSAGE_MAX);
    if (waiting >= CHANNEL_QUEUE_MAX && !command)
        return cause_set(why, STATUS_LIMIT,
                         "%s: %zu messages are waiting; try again when some are done",
                         channel_self(ch)->id, waiting);
    return STATUS_OK;
}

static char *metadata(const struct channel_message *m, bool command, const cJSON *files) {
    cJSON *o = json_new_obj();
    json_add_bool(o, "authority", m->authority);
    if (files)
        cJSON_AddItemToObject(o, "attachments", cJSON_Duplicate(files, true));
    if (command)
        json_add_bool(o, "command", true);
    char *text = json_print(o);
    cJSON_Delete(o);
    return text;
}

/* `told`: the text as the model reads it (taken). */
static struct incoming *incoming_new(const char *sender, bool authority, const char *text,
                                     char *told, const char *id) {
    struct incoming *in = xcalloc(1, sizeof *in);
    in->text = told;
    in->sender = xstrdup(sender);
    in->message_id = xstrdup(id);
    strv_push(&in->heard, id);
    in->at_ms = clock_wall_ms();
    in->mentioned = names_us(text);
    if (!authority)
        strv_push(&in->powerless, sender);
    return in;
}

/* Shows the message with what came with it, and stores that; returns the text as the model reads
 * it. */
static char *heard_files(struct channel *ch, const struct channel_message *m, const cJSON *files,
                         const char *sender, const char *text, const char *message_id) {
    struct agent *a = ch->agent;
    struct process *p = channel_self(ch);
    struct buf shown = BUF_INIT, told = BUF_INIT;
    buf_puts(&shown, text);
    buf_puts(&told, text);
    if (files) {
        llm_usage_add(&p->usage, &m->files->usage);
        attachment_record(a, p, message_id, m->files);
        attachment_show(&shown, m->files);
        attachment_tell(&told, files, m->files);
    }
    channel_note(ch, JOURNAL_USER, sender, message_id, buf_str(&shown));
    char *list = files ? json_print(files) : xstrdup("[]");
    event_tell(a, p, event_user_message(message_id, sender, text, list));
    x_free(&list);
    buf_free(&shown);
    return buf_steal(&told);
}

enum status channel_say(struct agent *a, struct process *p, const struct channel_message *m,
                        store_after_fn *fn, void *arg, struct store_after **wait,
                        char message_id[ID_UUID_SIZE], struct cause *why) {
    struct channel *ch = p->body;
    bool command = channel_is_command(m->text);
    enum status st = check(ch, m->text, command, why);
    if (st != STATUS_OK)
        return st;
    struct buf clean = BUF_INIT;
    utf8_append_valid(&clean, m->text, strlen(m->text));
    const char *text = buf_str(&clean);
    cJSON *files = m->files && m->files->n ? attachment_json(m->files) : NULL;
    char *sender = clean_name(m->sender), *meta = metadata(m, command, files);
    uint64_t seq = record_message(a, p, LLM_ROLE_USER, sender, text, meta, message_id);
    x_free(&meta);
    if (fn)
        *wait = store_after(agent_parts(a)->store, seq, fn, arg);
    char *told = heard_files(ch, m, files, sender, text, message_id);
    channel_met(ch, sender);
    x_free(&ch->last_message);
    ch->last_message = xstrdup(message_id);
    ch->retriggers = 0;
    if (!command && waits(ch, m, text)) {
        wait_for_others(ch, incoming_new(sender, m->authority, text, told, message_id));
    } else {
        if (!command)
            channel_flush(ch);
        if (m->watch) /* not before: what goes ahead of it may settle */
            m->watch->message = xstrdup(message_id);
        if (!command || !channel_obey(ch, sender, text, m->authority, seq))
            channel_enqueue(ch, incoming_new(sender, m->authority, text, told, message_id));
        else
            x_free(&told);
    }
    x_free(&sender);
    cJSON_Delete(files);
    buf_free(&clean);
    return STATUS_OK;
}
