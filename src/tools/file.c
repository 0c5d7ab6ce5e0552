/* file: reading and listing files of the workspace, each as a job, since a disk or a network file
 * system may take its time. sandbox_open() holds every path to the workspace. Changing files:
 * file_write.c. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"
#include "tools/file-internal.h"
#include "tools/file_memory.h"

#define LIST_MAX 500u         /* entries shown (SPEC A.2) */
#define LIST_SCAN_MAX 100000u /* entries looked at */
#define READ_CHUNK 65536u
#define LINE_NUMBER_WIDTH 6

static void job_free(struct file_job *j) {
    x_free(&j->workspace);
    x_free(&j->path);
    x_free(&j->granted);
    x_free(&j->plain);
    x_free(&j->channel);
    x_free(&j->work);
    x_free(&j->process);
    x_free(&j->call_id);
    x_free(&j->keep);
    x_free(&j->content);
    x_free(&j->old_string);
    x_free(&j->new_string);
    buf_free(&j->out);
    x_free(&j);
}

void file_fail(struct file_job *j, const char *text) {
    j->is_error = true;
    buf_reset(&j->out);
    buf_puts(&j->out, text);
}

void file_fail_errno(struct file_job *j, const char *what, int err) {
    j->is_error = true;
    buf_reset(&j->out);
    buf_printf(&j->out, "%s: %s: %s", j->path, what, strerror(err));
}

static void count_kept(const struct tool_call *c, const struct file_job *j) {
    struct snapshots *s = c->host->snapshots;
    if (s && j->changed && j->change.before.state == SNAPSHOT_KEPT)
        snapshot_count(s, j->change.before.bytes);
}

static void job_done(void *arg, void *input, bool cancelled) {
    struct file_job *j = input;
    (void)arg;
    struct tool_call *c = j->call;
    if (j->changed && j->on_change)
        j->on_change(j->on_change_arg, &j->change);
    if (c) {
        c->state = NULL;
        count_kept(c, j);
        if (j->looked && j->plain && c->memory)
            file_memory_set(c->memory, j->plain, &j->now);
        if (cancelled)
            file_fail(j, "not done: it was cancelled");
        tool_call_done(c, j->is_error, buf_str(&j->out), j->out.len);
    }
    job_free(j);
}

/* What a change needs: where the old content is kept, and in whose name. */
static void prepare_change(struct file_job *j, const struct tool_call *c) {
    const struct tool_host *host = c->host;
    struct snapshots *s = host->snapshots;
    if (!c->tool->effects || !c->author.channel)
        return;
    j->keep = xstrdup_null(s ? s->dir : NULL);
    if (s && s->trim) {
        j->trim_bytes = s->max_bytes;
        s->trim = false;
    }
    j->on_change = host->changed;
    j->on_change_arg = host->changed_arg;
    j->channel = xstrdup(c->author.channel);
    j->work = xstrdup(c->author.work);
    j->process = xstrdup(c->author.process);
    j->call_id = xstrdup(c->id);
    j->change = (struct file_change){.channel = j->channel,
                                     .work = j->work,
                                     .process = j->process,
                                     .call = j->call_id,
                                     .tool = c->tool->name,
                                     .workspace = j->workspace,
                                     .path = j->plain};
}

void file_start(struct tool_call *c, const char *name, job_work_fn *work) {
    struct file_job *j = xcalloc(1, sizeof *j);
    struct cause why = {""};
    j->call = c;
    j->sandbox = c->host->sandbox;
    j->workspace = xstrdup(c->workspace);
    j->path = xstrdup(json_str(c->args, "path", "."));
    j->granted = xstrdup_null(c->granted);
    (void)sandbox_locate(j->sandbox, j->workspace, j->path, &j->plain);
    j->known = j->plain && c->memory && file_memory_get(c->memory, j->plain, &j->then);
    prepare_change(j, c);
    j->content = xstrdup_null(json_str(c->args, "content", NULL));
    j->old_string = xstrdup_null(json_str(c->args, "old_string", NULL));
    j->new_string = xstrdup_null(json_str(c->args, "new_string", NULL));
    j->offset = json_i64(c->args, "offset", 0);
    j->limit = json_i64(c->args, "limit", 0);
    j->make_dirs = json_bool(c->args, "create_dirs", true);
    j->replace_all = json_bool(c->args, "replace_all", false);
    if (job_submit(c->host->jobs, name, work, job_done, NULL, j, &j->job, &why) != STATUS_OK) {
        job_free(j);
        tool_call_donef(c, true, "not done: %s", why.text);
        return;
    }
    c->state = j;
}

void file_cancel(struct tool_call *c) {
    struct file_job *j = c->state;
    if (j) {
        j->call = NULL;
        job_cancel(j->job);
    }
    c->state = NULL;
}

char *file_label(const char *name, const cJSON *args) {
    return xasprintf("%s %s", name, json_str(args, "path", "."));
}

/* --- file_read ----------------------------------------------------------------------------------
 */

struct reader {
    struct file_job *j;
    int64_t line, from, to; /* 1-based; to: first line not wanted */
    bool numbered, at_start, binary;
    uint64_t bytes;
};

static void read_number(struct reader *r) {
    if (r->numbered && r->at_start)
        buf_printf(&r->j->out, "%*lld\t", LINE_NUMBER_WIDTH, (long long)r->line);
    r->at_start = false;
}

/* Takes what is wanted of a chunk; false when nothing further is. */
static bool read_chunk(struct reader *r, const char *s, size_t n) {
    r->bytes += n;
    if (memchr(s, '\0', n))
        r->binary = true;
    while (n && !r->binary && r->line < r->to) {
        const char *nl = memchr(s, '\n', n);
        size_t len = nl ? (size_t)(nl - s) + 1 : n;
        if (r->line >= r->from) {
            read_number(r);
            buf_append(&r->j->out, s, len);
        }
        if (nl) {
            r->line++;
            r->at_start = true;
        }
        s += len;
        n -= len;
        if (r->j->out.len > TOOL_RESULT_MAX)
            return false;
    }
    return !r->binary && r->line < r->to;
}

static void read_file(struct file_job *j, int fd, const struct stat *st,
                      const atomic_bool *cancelled) {
    struct reader r = {.j = j,
                       .line = 1,
                       .from = j->offset > 0 ? j->offset : 1,
                       .to = INT64_MAX,
                       .numbered = j->offset > 0 || j->limit > 0,
                       .at_start = true};
    if (j->limit > 0)
        r.to = r.from + j->limit;
    char *chunk = xmalloc(READ_CHUNK);
    ssize_t n;
    while ((n = read(fd, chunk, READ_CHUNK)) > 0 && read_chunk(&r, chunk, (size_t)n) && !*cancelled)
        ;
    int err = n < 0 ? errno : 0;
    x_free(&chunk);
    if (err) {
        file_fail_errno(j, "cannot be read", err);
    } else if (r.binary) {
        j->is_error = true;
        buf_reset(&j->out);
        buf_printf(&j->out, "%s holds %lld bytes that are not text; use shell to look at it",
                   j->path, (long long)st->st_size);
    } else if (j->out.len > TOOL_RESULT_MAX) {
        size_t cut = utf8_cut(j->out.data, j->out.len, TOOL_RESULT_MAX - 200);
        buf_truncate(&j->out, cut);
        buf_printf(
            &j->out,
            "\n[cut in line %lld of %s, which has %lld bytes: read on with offset and limit]",
            (long long)r.line, j->path, (long long)st->st_size);
    } else if (j->out.len == 0) {
        buf_puts(&j->out, r.from > 1 ? "[the file has no such line]" : "[the file is empty]");
    }
}

static void read_work(void *input, const atomic_bool *cancelled) {
    struct file_job *j = input;
    struct cause why;
    struct stat st;
    int fd;
    if (sandbox_open_granted(j->sandbox, j->workspace, j->path, j->granted, O_RDONLY, 0, false, &fd,
                             &why) != STATUS_OK) {
        file_fail(j, why.text);
        return;
    }
    if (fstat(fd, &st) < 0) {
        file_fail_errno(j, "cannot be read", errno);
    } else if (S_ISDIR(st.st_mode)) {
        file_fail(j, "it is a directory: use file_list");
    } else {
        read_file(j, fd, &st, cancelled);
        j->looked = !j->is_error;
        j->now = st;
    }
    close(fd);
}

static void read_start(struct tool_call *c) { file_start(c, "file_read", read_work); }

static char *read_label(const cJSON *args) { return file_label("file_read", args); }

const struct tool tool_file_read = {
    .name = "file_read",
    .description =
        "Read a text file of the workspace. With offset or limit the lines come numbered.",
    .schema = "{\"type\":\"object\",\"properties\":{"
              "\"path\":{\"type\":\"string\",\"minLength\":1},"
              "\"offset\":{\"type\":\"integer\",\"minimum\":1,\"description\":\"first line, "
              "counted from 1\"},"
              "\"limit\":{\"type\":\"integer\",\"minimum\":1,\"description\":\"how many lines\"}},"
              "\"required\":[\"path\"],\"additionalProperties\":false}",
    .reach = TOOL_REACH_PATH,
    .subject = "path",
    .start = read_start,
    .cancel = file_cancel,
    .label = read_label,
};

/* --- file_list ----------------------------------------------------------------------------------
 */

struct entry {
    char *name;
    mode_t mode;
    off_t size;
};

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

static void list_dir(struct file_job *j, DIR *d, const atomic_bool *cancelled) {
    struct entry *v = NULL;
    size_t n = 0, cap = 0;
    bool more = false;
    for (struct dirent *de; !*cancelled && (de = readdir(d));) {
        if (str_eq(de->d_name, ".") || str_eq(de->d_name, ".."))
            continue;
        if (n == LIST_SCAN_MAX) {
            more = true;
            break;
        }
        struct stat st = {0};
        fstatat(dirfd(d), de->d_name, &st, AT_SYMLINK_NOFOLLOW);
        if (n == cap) {
            cap = cap ? cap * 2 : 64;
            v = xreallocarray(v, cap, sizeof *v);
        }
        v[n++] = (struct entry){xstrdup(de->d_name), st.st_mode, st.st_size};
    }
    if (n)
        qsort(v, n, sizeof *v, by_name);
    for (size_t i = 0; i < n && i < LIST_MAX; i++) {
        struct buf name = BUF_INIT;
        utf8_append_visible(&name, v[i].name, strlen(v[i].name));
        if (S_ISDIR(v[i].mode))
            buf_printf(&j->out, "%s/\n", buf_str(&name));
        else if (S_ISLNK(v[i].mode))
            buf_printf(&j->out, "%s (symbolic link)\n", buf_str(&name));
        else if (S_ISREG(v[i].mode))
            buf_printf(&j->out, "%s  %lld bytes\n", buf_str(&name), (long long)v[i].size);
        else
            buf_printf(&j->out, "%s (special file)\n", buf_str(&name));
        buf_free(&name);
    }
    if (n > LIST_MAX || more)
        buf_printf(&j->out, "[%u of %s%zu entries shown]\n", LIST_MAX, more ? "over " : "", n);
    if (n == 0)
        buf_puts(&j->out, "[the directory is empty]");
    for (size_t i = 0; i < n; i++)
        x_free(&v[i].name);
    x_free(&v);
}

static void list_work(void *input, const atomic_bool *cancelled) {
    struct file_job *j = input;
    struct cause why;
    int fd;
    if (sandbox_open_granted(j->sandbox, j->workspace, j->path, j->granted, O_RDONLY | O_DIRECTORY,
                             0, false, &fd, &why) != STATUS_OK) {
        file_fail(j, why.text);
        return;
    }
    DIR *d = fdopendir(fd);
    if (!d) {
        file_fail_errno(j, "cannot be listed", errno);
        close(fd);
        return;
    }
    list_dir(j, d, cancelled);
    closedir(d);
}

static void list_start(struct tool_call *c) { file_start(c, "file_list", list_work); }
static char *list_label(const cJSON *args) { return file_label("file_list", args); }

const struct tool tool_file_list = {
    .name = "file_list",
    .description = "List a directory of the workspace: names and sizes, directories with a slash.",
    .schema = "{\"type\":\"object\",\"properties\":{"
              "\"path\":{\"type\":\"string\",\"minLength\":1,\"default\":\".\"}},"
              "\"additionalProperties\":false}",
    .reach = TOOL_REACH_PATH,
    .subject = "path",
    .start = list_start,
    .cancel = file_cancel,
    .label = list_label,
};
