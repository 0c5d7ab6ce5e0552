/* channel_attach: files that a message of a person names with an at sign. Each is saved, and read
 * by the tool that models read with when it is text, one after the other, and the message is said
 * when all have been: what they hold then stands before it. What cannot be saved or read says why
 * in the transcript, and the message is said all the same. */
#include "agent/channel-internal.h"

#include <string.h>

#include "agent/attachment.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/mime.h"
#include "base/str.h"

/* A message whose files are being read, or that waits for one before it. */
struct channel_attach {
    struct list link;
    struct channel *channel;
    char *sender, *text;
    bool authority;
    struct strv paths;
    size_t read; /* of them */
    struct attachment_save *save;
    struct attachment_list files; /* that were saved */
    /* Where to tell; NULL: nobody asks any more, the message is said all the same. */
    store_after_fn *fn;
    void *arg;
    struct store_after **wait;
    char *message_id;
    struct channel_attach **self;
};

/* The end of a name as it stands in a sentence. */
#define NAME_TAIL ".,;:!?)]}'\""

static void add_name(struct strv *out, const char *name, size_t n) {
    while (n && strchr(NAME_TAIL, name[n - 1]))
        n--;
    char *copy = xstrndup(name, n);
    bool known = n == 0 || str_eq(copy, "spacebot"); /* who is spoken to, not a file */
    for (size_t i = 0; i < out->n; i++)
        known = known || str_eq(out->v[i], copy);
    if (!known && out->n < CHANNEL_ATTACH_MAX)
        strv_push(out, copy);
    x_free(&copy);
}

void channel_attach_names(const char *text, struct strv *out) {
    for (const char *p = text; (p = strchr(p, '@')); p++) {
        if (p > text && !strchr(" \t\n([{", p[-1]))
            continue; /* somebody@example.org */
        if (p[1] == '"') {
            const char *end = strpbrk(p + 2, "\"\n");
            if (end && *end == '"') {
                char *quoted = xstrndup(p + 2, (size_t)(end - p - 2));
                if (*quoted && out->n < CHANNEL_ATTACH_MAX)
                    strv_push(out, quoted);
                x_free(&quoted);
                p = end;
            }
            continue;
        }
        add_name(out, p + 1, strcspn(p + 1, " \t\n"));
    }
}

static void attach_free(struct channel_attach *at) {
    list_remove(&at->link);
    if (at->self)
        *at->self = NULL;
    attachment_save_cancel(&at->save);
    attachment_list_free(&at->files);
    strv_free(&at->paths);
    x_free(&at->sender);
    x_free(&at->text);
    x_free(&at);
}

/* Everything that it names has been read, and it is the oldest. */
static void say(struct channel_attach *at) {
    struct channel *ch = at->channel;
    char id[ID_UUID_SIZE];
    struct cause why = {""};
    struct store_after *unused = NULL;
    const struct channel_message m = {
        .sender = at->sender, .text = at->text, .files = &at->files, .authority = at->authority};
    enum status st =
        channel_say(ch->agent, channel_self(ch), &m, at->fn, at->arg, at->wait ? at->wait : &unused,
                    at->message_id ? at->message_id : id, &why);
    store_after_fn *fn = at->fn;
    void *arg = at->arg;
    if (st != STATUS_OK && !fn)
        channel_tell(ch, JOURNAL_ERROR, why.text);
    attach_free(at);
    if (st != STATUS_OK && fn)
        fn(arg, st, why.text);
}

/* A person did not want to wait for it: it is not said, and not lost either. */
static void drop(struct channel_attach *at, const char *why) {
    store_after_fn *fn = at->fn;
    void *arg = at->arg;
    char *text = xasprintf("%s; this was not sent: %s", why, at->text);
    channel_note(at->channel, JOURNAL_ERROR, NULL, NULL, text);
    attach_free(at);
    if (fn)
        fn(arg, STATUS_CANCELLED, text);
    x_free(&text);
}

static void on_read(void *arg);
static void on_saved(void *arg, enum status st, const char *why, struct attachment_list *l);

/* Begins what comes next of the oldest; says those that are complete. */
static void go_on(struct channel *ch) {
    while (!list_empty(&ch->attaching)) {
        struct channel_attach *at = list_entry(ch->attaching.next, struct channel_attach, link);
        if (at->read == at->paths.n) {
            say(at);
            continue;
        }
        struct process *p = channel_self(ch);
        struct cause why = {""};
        struct strv one = {0};
        strv_push(&one, at->paths.v[at->read++]);
        enum status st = attachment_save(ch->agent, p->channel, p->workspace, &one, on_saved, at,
                                         &at->save, &why);
        strv_free(&one);
        if (st == STATUS_OK)
            return;
        channel_tell(ch, JOURNAL_ERROR, why.text);
    }
}

static void on_read(void *arg) { go_on(arg); }

/* What could not be saved is read all the same, and says why not, unless it is merely too much. */
static void on_saved(void *arg, enum status st, const char *why, struct attachment_list *l) {
    struct channel_attach *at = arg;
    struct channel *ch = at->channel;
    struct cause refused = {""};
    bool read = st != STATUS_LIMIT && (st != STATUS_OK || mime_is_text(l->v[0].mime));
    at->save = NULL;
    if (st == STATUS_CANCELLED) {
        drop(at, why);
        go_on(ch);
        return;
    }
    if (st == STATUS_OK) {
        at->files.v = xreallocarray(at->files.v, at->files.n + 1, sizeof *at->files.v);
        at->files.v[at->files.n++] = l->v[0];
        llm_usage_add(&at->files.usage, &l->usage);
        l->n = 0; /* it is ours now */
    } else if (!read) {
        channel_tell(ch, JOURNAL_ERROR, why);
    }
    cJSON *args = json_new_obj();
    json_add_str(args, "path", at->paths.v[at->read - 1]);
    if (read && channel_use_tool(ch->agent, channel_self(ch), TOOL_FILE_READ, args, on_read, ch,
                                 &refused) == STATUS_OK) {
        cJSON_Delete(args);
        return;
    }
    cJSON_Delete(args);
    if (*refused.text)
        channel_tell(ch, JOURNAL_ERROR, refused.text);
    go_on(ch);
}

enum status channel_say_attaching(struct agent *a, struct process *p,
                                  const struct channel_message *m, store_after_fn *fn, void *arg,
                                  struct channel_attach **pending, struct store_after **wait,
                                  char message_id[ID_UUID_SIZE], struct cause *why) {
    struct channel *ch = p->body;
    struct strv names = {0};
    channel_attach_names(m->text, &names);
    if (!names.n && list_empty(&ch->attaching))
        return channel_say(a, p, m, fn, arg, wait, message_id, why);
    size_t waiting = 0;
    list_for(&ch->attaching, it) waiting++;
    if (waiting >= CHANNEL_QUEUE_MAX || strlen(m->text) > CHANNEL_MESSAGE_MAX) {
        strv_free(&names);
        return cause_set(why, STATUS_LIMIT,
                         "%s: the message is too long, or too many wait for "
                         "their files",
                         p->id);
    }
    struct channel_attach *at = xcalloc(1, sizeof *at);
    at->channel = ch;
    at->sender = xstrdup(m->sender);
    at->text = xstrdup(m->text);
    at->authority = m->authority;
    at->paths = names;
    at->fn = fn;
    at->arg = arg;
    at->wait = wait;
    at->message_id = message_id;
    at->self = pending;
    *pending = at;
    bool first = list_empty(&ch->attaching);
    list_push_back(&ch->attaching, &at->link);
    if (first) /* not from here: the caller has not got its message's place yet */
        loop_defer(agent_parts(a)->loop, on_read, ch);
    return STATUS_OK;
}

void channel_attach_forget(struct channel_attach **atp) {
    struct channel_attach *at = *atp;
    *atp = NULL;
    if (!at)
        return;
    at->fn = NULL;
    at->wait = NULL;
    at->message_id = NULL;
    at->self = NULL;
}

void channel_attach_clear(struct channel *ch) {
    loop_undefer(agent_parts(ch->agent)->loop, on_read, ch);
    list_for_safe(&ch->attaching, it, tmp) attach_free(list_entry(it, struct channel_attach, link));
}
