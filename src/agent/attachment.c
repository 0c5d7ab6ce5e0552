/* attachment: one job copies what came with a message; rows and words follow from what it found. A
 * file is written beside its name, synced, and then named by its content, so that a name never
 * stands for half of it. */
#include "agent/attachment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/prompt.h"
#include "agent/voice.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/mime.h"
#include "base/sound.h"
#include "base/utf8.h"
#include "store/queries.gen.h"

#define CHUNK 65536u
#define NAME_MAX_SHOWN 200u
#define RECALL_USUAL 10
#define RECALL_MAX 100
#define RECALL_BYTES                                                                               \
    40000u /* of a text: with its escapes it stays below what a result may have                    \
            */

struct attachment_save {
    attachment_saved_fn *fn; /* NULL: nobody waits any more; the loop's only */
    void *arg;
    struct agent *agent;
    struct job *job;     /* NULL: it is done */
    struct voice *voice; /* hears list.v[heard]; NULL: nothing is heard */
    size_t heard;
    const struct sandbox *sandbox; /* NULL: absolute paths */
    char *channel, *workspace, *dir;
    struct strv paths;
    int64_t file_max, room, channel_max;
    struct attachment_list list;
    enum status st;
    struct cause why;
};

static void attachment_clear(struct attachment *at) {
    x_free(&at->name);
    x_free(&at->mime);
    x_free(&at->text);
    x_free(&at->transcript);
    x_free(&at->heard_by);
    x_free(&at->unheard);
}

void attachment_list_free(struct attachment_list *l) {
    for (size_t i = 0; i < l->n; i++)
        attachment_clear(&l->v[i]);
    x_free(&l->v);
    l->n = 0;
    l->usage = (struct llm_usage){0};
}

static void save_free(struct attachment_save *s) {
    voice_forget(&s->voice);
    x_free(&s->channel);
    attachment_list_free(&s->list);
    strv_free(&s->paths);
    x_free(&s->workspace);
    x_free(&s->dir);
    x_free(&s);
}

static char *directory(const struct agent *a) {
    return xasprintf("%s/attachments", agent_parts(a)->home->dir);
}

/* --- copying, on a thread -----------------------------------------------------------------------
 */

static enum status open_source(const struct attachment_save *s, const char *path, int *fd,
                               struct stat *sb, struct cause *why) {
    enum status st = STATUS_OK;
    *fd = -1;
    if (s->sandbox)
        st = sandbox_open(s->sandbox, s->workspace, path, O_RDONLY | O_NONBLOCK, 0, false, fd, why);
    else if ((*fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)) < 0)
        st = cause_errno(why, STATUS_NOT_FOUND, errno, "%s", path);
    if (st != STATUS_OK)
        return st;
    if (fstat(*fd, sb) != 0)
        return cause_errno(why, STATUS_IO, errno, "%s", path);
    if (!S_ISREG(sb->st_mode))
        return cause_set(why, STATUS_INVALID, "%s is no regular file", path);
    return STATUS_OK;
}

static enum status too_large(const struct attachment_save *s, const char *path, int64_t bytes,
                             struct cause *why) {
    if (bytes > s->file_max)
        return cause_set(why, STATUS_LIMIT,
                         "%s has more than %lld bytes (limits.attachment_bytes); put it into the "
                         "workspace and name its path",
                         path, (long long)s->file_max);
    if (bytes > s->room)
        return cause_set(why, STATUS_LIMIT,
                         "%s has no room: the files given in this channel may take %lld bytes in "
                         "all (limits.channel_attachment_bytes)",
                         path, (long long)s->channel_max);
    return STATUS_OK;
}

/* From `in` to `out`; head receives the beginning. */
static enum status copy(const struct attachment_save *s, const char *path, int in, int out,
                        struct attachment *at, struct buf *head, const atomic_bool *cancelled,
                        struct cause *why) {
    char *chunk = xmalloc(CHUNK);
    struct sha256 hash;
    enum status st = STATUS_OK;
    sha256_init(&hash);
    while (st == STATUS_OK) {
        ssize_t n = read(in, chunk, CHUNK);
        if (n < 0 && errno == EINTR)
            continue;
        if (n == 0)
            break;
        if (atomic_load(cancelled))
            st = cause_set(why, STATUS_CANCELLED, "%s: given up", path);
        else if (n < 0)
            st = cause_errno(why, STATUS_IO, errno, "%s", path);
        else if ((st = too_large(s, path, at->bytes + n, why)) != STATUS_OK)
            break;
        else if (fd_write_all(out, chunk, (size_t)n))
            st = cause_errno(why, STATUS_IO, errno, "%s", s->dir);
        if (st != STATUS_OK)
            break;
        at->bytes += n;
        sha256_add(&hash, chunk, (size_t)n);
        if (head->len <= ATTACHMENT_TEXT_MAX)
            buf_append(head, chunk, (size_t)n);
    }
    sha256_hex(&hash, at->sha256);
    x_free(&chunk);
    return st;
}

/* Its name is its content: whoever was first has written the same. */
static enum status name_it(const struct attachment_save *s, int fd, const char *temporary,
                           const struct attachment *at, struct cause *why) {
    char *final = xasprintf("%s/%s", s->dir, at->sha256);
    enum status st = STATUS_OK;
    if (fsync(fd) != 0 || rename(temporary, final) != 0)
        st = cause_errno(why, STATUS_IO, errno, "%s", final);
    x_free(&final);
    if (st != STATUS_OK)
        return st;
    int dir = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0 || fsync(dir) != 0)
        st = cause_errno(why, STATUS_IO, errno, "%s", s->dir);
    if (dir >= 0)
        close(dir);
    return st;
}

/* One line without what could pass for the end of anything. */
static char *clean_name(const char *path) {
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    struct buf b = BUF_INIT;
    utf8_append_valid(&b, name, utf8_cut(name, strlen(name), NAME_MAX_SHOWN));
    for (size_t i = 0; i < b.len; i++)
        if ((unsigned char)b.data[i] < 0x20 || strchr("<>[]\"\x7f", b.data[i]))
            b.data[i] = '_';
    return b.len ? buf_steal(&b) : xstrdup("_");
}

static char *text_of_head(const struct buf *head) {
    struct buf b = BUF_INIT;
    size_t n = strnlen(buf_str(head), head->len);
    utf8_append_valid(&b, buf_str(head), utf8_cut(buf_str(head), n, ATTACHMENT_TEXT_MAX));
    return b.len ? buf_steal(&b) : NULL;
}

static enum status save_one(struct attachment_save *s, const char *path,
                            const atomic_bool *cancelled, struct cause *why) {
    struct attachment at = {.duration_ms = -1};
    struct buf head = BUF_INIT;
    struct stat sb;
    int in = -1, out = -1;
    char *temporary = xasprintf("%s/new-XXXXXX", s->dir);
    enum status st = open_source(s, path, &in, &sb, why);
    if (st == STATUS_OK)
        st = too_large(s, path, sb.st_size, why);
    if (st == STATUS_OK && (out = mkostemp(temporary, O_CLOEXEC)) < 0)
        st = cause_errno(why, STATUS_IO, errno, "%s", s->dir);
    if (st == STATUS_OK)
        st = copy(s, path, in, out, &at, &head, cancelled, why);
    if (st == STATUS_OK)
        st = name_it(s, out, temporary, &at, why);
    if (out >= 0 && st != STATUS_OK)
        (void)unlink(temporary);
    if (in >= 0)
        close(in);
    if (out >= 0)
        close(out);
    x_free(&temporary);
    if (st == STATUS_OK) {
        at.name = clean_name(path);
        at.mime = xstrdup(mime_of(buf_str(&head), head.len));
        if (mime_is_text(at.mime) && !s->sandbox)
            at.text = text_of_head(&head);
        if (voice_is_for(at.mime))
            at.duration_ms = sound_duration_ms(buf_str(&head), head.len, at.bytes);
        s->room -= at.bytes;
        s->list.v = xreallocarray(s->list.v, s->list.n + 1, sizeof *s->list.v);
        s->list.v[s->list.n++] = at;
    }
    buf_free(&head);
    return st;
}

static void work(void *input, const atomic_bool *cancelled) {
    struct attachment_save *s = input;
    if (mkdir(s->dir, 0700) != 0 && errno != EEXIST)
        s->st = cause_errno(&s->why, STATUS_IO, errno, "%s", s->dir);
    for (size_t i = 0; i < s->paths.n && s->st == STATUS_OK; i++)
        s->st = save_one(s, s->paths.v[i], cancelled, &s->why);
}

/* The last thing that is done with it. */
static void finish(struct attachment_save *s) {
    if (s->st != STATUS_OK)
        attachment_list_free(&s->list);
    s->fn(s->arg, s->st, s->why.text, &s->list);
    save_free(s);
}

static void hear_next(struct attachment_save *s);

/* Of a very long one the beginning: it stands in a message. */
static void take_transcript(struct attachment *at, const struct transcript *t) {
    size_t n = strlen(t->text), keep = utf8_cut(t->text, n, ATTACHMENT_TEXT_MAX);
    at->transcript = xasprintf("%.*s%s", (int)keep, t->text, keep < n ? " […]" : "");
    at->heard_by = xstrdup(t->model);
    at->duration_ms = t->duration_ms;
}

static void on_heard(void *arg, enum status st, const char *why, const struct transcript *t,
                     const struct llm_usage *usage) {
    struct attachment_save *s = arg;
    struct attachment *at = &s->list.v[s->heard++];
    s->voice = NULL;
    llm_usage_add(&s->list.usage, usage);
    if (st == STATUS_CANCELLED) {
        s->st = cause_set(&s->why, st, "%s", why);
        finish(s);
        return;
    }
    if (t)
        take_transcript(at, t);
    else
        at->unheard = xstrdup(why);
    hear_next(s);
}

/* One after the other: their words come in the order in which they were given. */
static void hear_next(struct attachment_save *s) {
    while (s->heard < s->list.n && !voice_is_for(s->list.v[s->heard].mime))
        s->heard++;
    if (s->heard == s->list.n) {
        finish(s);
        return;
    }
    const struct attachment *at = &s->list.v[s->heard];
    char *path = xasprintf("%s/%s", s->dir, at->sha256);
    s->voice = voice_start(s->agent,
                           &(struct voice_request){.channel = s->channel,
                                                   .path = path,
                                                   .name = at->name,
                                                   .mime = at->mime,
                                                   .bytes = at->bytes,
                                                   .duration_ms = at->duration_ms},
                           on_heard, s);
    x_free(&path);
}

static void saved(void *arg, void *input, bool cancelled) {
    struct attachment_save *s = input;
    (void)arg;
    s->job = NULL;
    if (cancelled && s->st == STATUS_OK)
        s->st = cause_set(&s->why, STATUS_IO, "the files were not copied: given up");
    for (size_t i = 0; i < s->list.n; i++)
        id_uuid(s->list.v[i].id); /* here, so that a seed gives the same ones each time */
    if (!s->fn)
        save_free(s);
    else if (s->st != STATUS_OK)
        finish(s);
    else
        hear_next(s);
}

enum status attachment_save(struct agent *a, const char *channel, const char *workspace,
                            const struct strv *paths, attachment_saved_fn *fn, void *arg,
                            struct attachment_save **out, struct cause *why) {
    const struct agent_parts *parts = agent_parts(a);
    const struct config_limits *limits = &parts->config->limits;
    struct q_attachments_bytes_row row;
    enum status st = q_attachments_bytes(store_read(parts->store), channel, &row, why);
    if (st != STATUS_OK)
        return st;
    struct attachment_save *s = xcalloc(1, sizeof *s);
    s->agent = a;
    s->channel = xstrdup(channel);
    s->fn = fn;
    s->arg = arg;
    s->sandbox = workspace ? parts->sandbox : NULL;
    s->workspace = xstrdup_null(workspace);
    s->dir = directory(a);
    s->file_max = limits->attachment_bytes;
    s->channel_max = limits->channel_attachment_bytes;
    s->room = s->channel_max - row.bytes;
    q_attachments_bytes_free(&row);
    for (size_t i = 0; i < paths->n; i++)
        strv_push(&s->paths, paths->v[i]);
    st = job_submit(parts->jobs, "attach", work, saved, NULL, s, &s->job, why);
    if (st != STATUS_OK) {
        save_free(s);
        return st;
    }
    *out = s;
    return STATUS_OK;
}

void attachment_save_cancel(struct attachment_save **sp) {
    struct attachment_save *s = *sp;
    *sp = NULL;
    if (!s)
        return;
    s->fn = NULL;
    if (s->job)
        job_cancel(s->job);
    else
        save_free(s);
}

/* --- rows and words -----------------------------------------------------------------------------
 */

void attachment_record(struct agent *a, const struct process *channel, const char *message_id,
                       const struct attachment_list *l) {
    for (size_t i = 0; i < l->n; i++)
        store_attachment_insert(agent_parts(a)->store,
                                &(struct store_attachment_insert){.id = l->v[i].id,
                                                                  .channel_id = channel->channel,
                                                                  .message_id = message_id,
                                                                  .original_filename = l->v[i].name,
                                                                  .mime_type = l->v[i].mime,
                                                                  .size_bytes = l->v[i].bytes,
                                                                  .sha256 = l->v[i].sha256,
                                                                  .created_at = clock_wall_ms()});
}

static cJSON *one_json(const char *id, const char *name, const char *mime, int64_t bytes) {
    cJSON *o = json_new_obj();
    json_add_str(o, "id", id);
    json_add_str(o, "filename", name);
    json_add_str(o, "mime_type", mime);
    json_add_i64(o, "size_bytes", bytes);
    return o;
}

static void add_speech(cJSON *o, const struct attachment *at) {
    if (at->duration_ms >= 0)
        json_add_i64(o, "duration_ms", at->duration_ms);
    if (at->transcript) {
        json_add_str(o, "transcript", at->transcript);
        json_add_str(o, "heard_by", at->heard_by);
    }
    if (at->unheard)
        json_add_str(o, "unheard", at->unheard);
}

cJSON *attachment_json(const struct attachment_list *l) {
    cJSON *list = cJSON_CreateArray();
    for (size_t i = 0; i < l->n; i++) {
        const struct attachment *at = &l->v[i];
        cJSON *o = one_json(at->id, at->name, at->mime, at->bytes);
        if (voice_is_for(at->mime))
            add_speech(o, at);
        cJSON_AddItemToArray(list, o);
    }
    return list;
}

/* "12 s", "3 min 05 s"; nothing where nobody knows. */
static void put_duration(struct buf *out, const char *before, int64_t ms) {
    long long s = (long long)(ms + 500) / 1000;
    if (ms >= 0 && s < 60)
        buf_printf(out, "%s%lld s", before, s);
    else if (ms >= 0)
        buf_printf(out, "%s%lld min %02lld s", before, s / 60, s % 60);
}

/* Whose words they are is said with them: somebody else than the person may be heard in it. */
static void tell_speech(struct buf *out, const cJSON *o) {
    const char *said = json_str(o, "transcript", NULL), *unheard = json_str(o, "unheard", NULL);
    if (said) {
        buf_printf(out, "\n[what is said in it, as %s heard it", json_str(o, "heard_by", ""));
        put_duration(out, "; ", json_i64(o, "duration_ms", -1));
        buf_puts(out, "]\n");
        prompt_append_data(out, said, strlen(said), "attachment");
        buf_puts(out, "\n");
    } else if (unheard) {
        buf_puts(out, "\n[a recording; what is said in it is not known: ");
        prompt_append_data(out, unheard, strlen(unheard), "attachment");
        buf_puts(out, "]\n");
    }
}

void attachment_tell(struct buf *out, const cJSON *list, const struct attachment_list *l) {
    const cJSON *o;
    size_t i = 0;
    cJSON_ArrayForEach(o, list) {
        const char *text = l && i < l->n ? l->v[i].text : NULL;
        buf_printf(out, "\n\n<attachment id=\"%s\" filename=\"%s\" type=\"%s\" bytes=\"%lld\">",
                   json_str(o, "id", ""), json_str(o, "filename", ""), json_str(o, "mime_type", ""),
                   (long long)json_i64(o, "size_bytes", 0));
        if (text) {
            buf_puts(out, "\n");
            prompt_append_data(out, text, strlen(text), "attachment");
            if ((int64_t)strlen(text) < l->v[i].bytes)
                buf_printf(out, "\n[the first %zu bytes]", strlen(text));
            buf_puts(out, "\n");
        }
        tell_speech(out, o);
        buf_puts(out, "</attachment>");
        i++;
    }
}

void attachment_show(struct buf *out, const struct attachment_list *l) {
    for (size_t i = 0; i < l->n; i++) {
        int64_t n = l->v[i].bytes;
        buf_printf(out, "\n[attached: %s, %s, ", l->v[i].name, l->v[i].mime);
        if (n < 10000)
            buf_printf(out, "%lld bytes", (long long)n);
        else
            buf_printf(out, "%lld KB", (long long)((n + 512) / 1024));
        put_duration(out, ", ", voice_is_for(l->v[i].mime) ? l->v[i].duration_ms : -1);
        buf_putc(out, ']');
        if (l->v[i].transcript)
            buf_printf(out, "\n[heard by %s]\n%s", l->v[i].heard_by, l->v[i].transcript);
        if (l->v[i].unheard)
            buf_printf(out, "\n[not heard: %s]", l->v[i].unheard);
    }
}

/* --- attachment_recall --------------------------------------------------------------------------
 */

static bool list_one(void *arg, const struct q_attachments_newest_row *row) {
    char at[CLOCK_RFC3339_SIZE];
    cJSON *o = one_json(row->id, row->original_filename, row->mime_type, row->size_bytes);
    clock_rfc3339(row->created_at, at);
    json_add_str(o, "created_at", at);
    json_add_str(o, "message_id", row->message_id);
    cJSON_AddItemToArray(arg, o);
    return true;
}

static void done(struct tool_call *c, cJSON *list, const char *action, const char *summary) {
    cJSON *o = json_new_obj();
    json_add_str(o, "action", action);
    cJSON_AddItemToObject(o, "attachments", list);
    json_add_str(o, "summary", summary);
    char *text = json_print(o);
    cJSON_Delete(o);
    tool_call_done(c, false, text, strlen(text));
    x_free(&text);
}

static void recall_list(struct agent *a, const struct process *channel, struct tool_call *c) {
    struct cause why;
    cJSON *list = cJSON_CreateArray();
    int64_t limit = json_i64(c->args, "limit", RECALL_USUAL);
    if (q_attachments_newest(store_read(agent_parts(a)->store), channel->channel,
                             limit > RECALL_MAX ? RECALL_MAX : limit, list_one, list,
                             &why) != STATUS_OK) {
        cJSON_Delete(list);
        tool_call_donef(c, true, "%s", why.text);
        return;
    }
    char *summary =
        xasprintf("%d of the newest files given in this conversation", cJSON_GetArraySize(list));
    done(c, list, "list", summary);
    x_free(&summary);
}

/* At most RECALL_BYTES, which take no time. NULL: errno says why. */
static char *beginning(const char *path) {
    char *text = xmalloc(RECALL_BYTES);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t n = fd < 0 ? -1 : read(fd, text, RECALL_BYTES);
    char *result = n < 0 ? NULL : xstrndup(text, utf8_cut(text, (size_t)n, (size_t)n));
    int err = errno;
    if (fd >= 0)
        close(fd);
    x_free(&text);
    errno = err;
    return result;
}

static void recall_read(struct agent *a, const struct process *channel, struct tool_call *c) {
    struct q_attachment_row row;
    struct cause why;
    const char *id = json_str(c->args, "attachment_id", NULL);
    const char *name = json_str(c->args, "filename", NULL);
    if (!id && !name) {
        tool_call_donef(c, true, "attachment_id or filename is needed to read one; list first");
        return;
    }
    enum status st = q_attachment(store_read(agent_parts(a)->store), channel->channel, id ? id : "",
                                  id ? "" : name, &row, &why);
    if (st != STATUS_OK) {
        tool_call_donef(c, true,
                        "no file \"%.200s\" was given in this conversation; action list "
                        "shows those that were",
                        id ? id : name);
        return;
    }
    cJSON *list = cJSON_CreateArray();
    cJSON *o = one_json(row.id, row.original_filename, row.mime_type, row.size_bytes);
    cJSON_AddItemToArray(list, o);
    const char *summary = "no text: it can be kept and named, not read";
    char *text = NULL;
    if (mime_is_text(row.mime_type)) {
        char *dir = directory(a), *path = xasprintf("%s/%s", dir, row.sha256);
        text = beginning(path);
        summary = !text                                    ? "its bytes are gone from the home"
                  : (int64_t)strlen(text) < row.size_bytes ? "its beginning"
                                                           : "all of it";
        if (!text)
            log_warn("%s: %s", path, strerror(errno));
        json_add_str(o, "content", text);
        x_free(&dir);
        x_free(&path);
    }
    done(c, list, "read", summary);
    x_free(&text);
    q_attachment_free(&row);
}

void attachment_tool(struct agent *a, const struct process *channel, struct tool_call *c) {
    if (str_eq(json_str(c->args, "action", "list"), "read"))
        recall_read(a, channel, c);
    else
        recall_list(a, channel, c);
}
