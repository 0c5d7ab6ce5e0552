/* file_write: changing files of the workspace: one written as a whole, or one passage of it
 * replaced. The directory is opened once, by the checked walk of sandbox_open(), and all that
 * follows happens in it; a file is replaced as a whole or not at all. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/id.h"
#include "base/mem.h"
#include "base/str.h"
#include "tools/file-internal.h"

#define EDIT_MAX (8u * 1024u * 1024u) /* bytes of a file that is edited, before and after */
#define MATCHES_MAX 1000u             /* counted; each costs a search of its own */
#define MATCHES_SHOWN 5u              /* lines named */

static int write_all(int fd, const char *s, size_t n) {
    while (n) {
        ssize_t w = write(fd, s, n);
        if (w < 0 && errno == EINTR)
            continue;
        if (w < 0)
            return errno;
        s += w;
        n -= (size_t)w;
    }
    return 0;
}

/* Whether the file is still the one that was read. */
static int check_same(int dir, const char *name, const struct stat *was) {
    struct stat st;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno;
    return st.st_dev == was->st_dev && st.st_ino == was->st_ino && st.st_size == was->st_size &&
                   st.st_mtim.tv_sec == was->st_mtim.tv_sec &&
                   st.st_mtim.tv_nsec == was->st_mtim.tv_nsec
               ? 0
               : ESTALE;
}

/* Beside the target and then in its place: a full disk or a crash leaves the old file whole. `was`
 * (NULL: whatever is there): ESTALE where the file is another one by now. */
static int replace(int dir, const char *name, const char *text, size_t n, const struct stat *was,
                   bool *created) {
    struct stat st;
    mode_t mode = 0644;
    *created = true;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        if (S_ISLNK(st.st_mode))
            return ELOOP;
        if (!S_ISREG(st.st_mode))
            return S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
        mode = st.st_mode & 0777;
        *created = false;
    } else if (errno != ENOENT) {
        return errno;
    }
    uint64_t random;
    char temporary[48];
    id_random(&random, sizeof random);
    snprintf(temporary, sizeof temporary, ".spacebot-%016llx", (unsigned long long)random);
    int fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno;
    int err = write_all(fd, text, n);
    if (!err && (fchmod(fd, mode) < 0 || fsync(fd) < 0))
        err = errno;
    if (close(fd) < 0 && !err)
        err = errno;
    if (!err && was)
        err = check_same(dir, name, was);
    if (!err && renameat(dir, temporary, dir, name) < 0)
        err = errno;
    if (err)
        unlinkat(dir, temporary, 0);
    return err;
}

/* "a/b" of "a/b/c"; the caller frees. */
static char *parent_of(const char *path) {
    const char *slash = strrchr(path, '/');
    return !slash          ? xstrdup(".")
           : slash == path ? xstrdup("/")
                           : xstrndup(path, (size_t)(slash - path));
}

/* The file is replaced in its directory: that is what has to be opened. -1: the call has failed.
 * *name points into the path. */
static int open_parent(struct file_job *j, bool make_dirs, const char **name) {
    const char *slash = strrchr(j->path, '/');
    *name = slash ? slash + 1 : j->path;
    if (!**name || str_eq(*name, ".") || str_eq(*name, "..")) {
        file_fail(j, "path must end in the name of a file");
        return -1;
    }
    char *parent = parent_of(j->path), *granted = j->granted ? parent_of(j->granted) : NULL;
    int dir = -1;
    struct cause why;
    enum status st = sandbox_open_granted(j->sandbox, j->workspace, parent, granted,
                                          O_RDONLY | O_DIRECTORY, 0755, make_dirs, &dir, &why);
    x_free(&parent);
    x_free(&granted);
    if (st != STATUS_OK)
        file_fail(j, why.text);
    return st == STATUS_OK ? dir : -1;
}

static void fail_change(struct file_job *j, int err) {
    if (err == ELOOP)
        file_fail(j, "path is a symbolic link, which is not followed: name the file itself");
    else if (err == ESTALE)
        file_fail(j, "not changed: something else changed the file at the same time; read it again "
                     "and repeat the edit");
    else
        file_fail_errno(j, "cannot be written", err);
}

/* --- file_write ---------------------------------------------------------------------------------
 */

static void write_work(void *input, const atomic_bool *cancelled) {
    struct file_job *j = input;
    (void)cancelled;
    const char *name;
    int dir = open_parent(j, j->make_dirs, &name);
    if (dir < 0)
        return;
    size_t n = strlen(j->content);
    bool created;
    int err = replace(dir, name, j->content, n, NULL, &created);
    close(dir);
    if (err)
        fail_change(j, err);
    else
        buf_printf(&j->out, "%s %s, %zu bytes", created ? "created" : "replaced", j->path, n);
}

static void write_start(struct tool_call *c) { file_start(c, "file_write", write_work); }
static char *write_label(const cJSON *args) { return file_label("file_write", args); }

const struct tool tool_file_write = {
    .name = "file_write",
    .description = "Write a file of the workspace, replacing it as a whole if it is there.",
    .schema =
        "{\"type\":\"object\",\"properties\":{"
        "\"path\":{\"type\":\"string\",\"minLength\":1},"
        "\"content\":{\"type\":\"string\"},"
        "\"create_dirs\":{\"type\":\"boolean\",\"default\":true,\"description\":\"make missing "
        "directories\"}},"
        "\"required\":[\"path\",\"content\"],\"additionalProperties\":false}",
    .effects = true,
    .reach = TOOL_REACH_PATH,
    .subject = "path",
    .start = write_start,
    .cancel = file_cancel,
    .label = write_label,
};

/* --- file_edit ----------------------------------------------------------------------------------
 */

/* The whole file; false: the call has failed. */
static bool edit_read(struct file_job *j, int dir, const char *name, struct buf *text,
                      struct stat *st) {
    int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0) {
        if (errno == ENOENT)
            file_fail_errno(j, "cannot be edited, use file_write to make a new file", ENOENT);
        else if (errno == ELOOP)
            fail_change(j, ELOOP);
        else
            file_fail_errno(j, "cannot be read", errno);
        return false;
    }
    bool ok = false;
    if (fstat(fd, st) < 0) {
        file_fail_errno(j, "cannot be read", errno);
    } else if (!S_ISREG(st->st_mode)) {
        file_fail(j, "path is not a regular file: there is no text in it to edit");
    } else if (st->st_size > (off_t)EDIT_MAX) {
        file_fail(j, "the file has more than 8 MiB: edit it with shell");
    } else {
        /* One byte more than it had, so that growing under our hands is seen. */
        size_t room = (size_t)st->st_size + 1;
        char *data = xmalloc(room);
        size_t got = 0;
        ssize_t n = 0;
        while (got < room &&
               ((n = read(fd, data + got, room - got)) > 0 || (n < 0 && errno == EINTR)))
            got += n > 0 ? (size_t)n : 0;
        if (n < 0)
            file_fail_errno(j, "cannot be read", errno);
        else if (got != (size_t)st->st_size)
            fail_change(j, ESTALE);
        else if (memchr(data, '\0', got))
            file_fail(j, "the file is not text: edit it with shell");
        else
            ok = true;
        if (ok)
            buf_append(text, data, got);
        x_free(&data);
    }
    close(fd);
    return ok;
}

/* Places where `old` begins, those that overlap too: each might be the one that was meant. The
 * lines of the first MATCHES_SHOWN go to `lines`. */
static size_t count_matches(const struct buf *text, const char *old, size_t n_old,
                            struct buf *lines) {
    const char *end = text->data + text->len, *counted = text->data;
    size_t found = 0, line = 1;
    for (const char *p = text->data; found < MATCHES_MAX; p++, found++) {
        p = memmem(p, (size_t)(end - p), old, n_old);
        if (!p)
            break;
        for (; counted < p; counted++)
            line += *counted == '\n';
        if (found < MATCHES_SHOWN)
            buf_printf(lines, "%s%zu", found ? ", " : "", line);
        else if (found == MATCHES_SHOWN)
            buf_puts(lines, ", ...");
    }
    return found;
}

static void fail_none(struct file_job *j, const struct buf *text) {
    bool other_ends = strchr(j->old_string, '\n') && !strstr(j->old_string, "\r\n") &&
                      memmem(text->data, text->len, "\r\n", 2);
    j->is_error = true;
    buf_printf(&j->out,
               "nothing was changed: old_string occurs 0 times in %s. Read the passage with "
               "file_read and copy it exactly, with its white space and without line numbers%s",
               j->path, other_ends ? "; lines of this file end in \\r\\n" : "");
}

static void fail_many(struct file_job *j, size_t found, const struct buf *lines) {
    j->is_error = true;
    buf_printf(&j->out,
               "nothing was changed: old_string occurs %zu%s times in %s (lines %s). Give more of "
               "the text around it, so that it fits one place only, or set replace_all to change "
               "every one",
               found, found == MATCHES_MAX ? " or more" : "", j->path, buf_str(lines));
}

/* Every `old_string` from the left, none overlapping. False: it would grow over EDIT_MAX. */
static bool substitute(const struct file_job *j, const struct buf *text, struct buf *out,
                       size_t *replaced) {
    const char *p = text->data, *end = p + text->len, *hit;
    size_t n_old = strlen(j->old_string), n_new = strlen(j->new_string);
    *replaced = 0;
    while ((hit = memmem(p, (size_t)(end - p), j->old_string, n_old))) {
        buf_append(out, p, (size_t)(hit - p));
        buf_append(out, j->new_string, n_new);
        p = hit + n_old;
        ++*replaced;
        if (out->len > EDIT_MAX)
            return false;
    }
    buf_append(out, p, (size_t)(end - p));
    return out->len <= EDIT_MAX;
}

static void edit_text(struct file_job *j, int dir, const char *name, const struct buf *text,
                      const struct stat *st, const atomic_bool *cancelled) {
    struct buf out = BUF_INIT, lines = BUF_INIT;
    size_t found = count_matches(text, j->old_string, strlen(j->old_string), &lines), replaced;
    bool created;
    if (found == 0) {
        fail_none(j, text);
    } else if (found > 1 && !j->replace_all) {
        fail_many(j, found, &lines);
    } else if (!substitute(j, text, &out, &replaced)) {
        file_fail(j, "nothing was changed: the file would have more than 8 MiB");
    } else if (*cancelled) {
        file_fail(j, "not done: it was cancelled");
    } else {
        int err = replace(dir, name, out.data, out.len, st, &created);
        if (err)
            fail_change(j, err);
        else
            buf_printf(&j->out, "replaced %zu %s in %s (line%s %s), %zu bytes", replaced,
                       replaced == 1 ? "passage" : "passages", j->path, found == 1 ? "" : "s",
                       buf_str(&lines), out.len);
    }
    buf_free(&out);
    buf_free(&lines);
}

static void edit_work(void *input, const atomic_bool *cancelled) {
    struct file_job *j = input;
    struct buf text = BUF_INIT;
    struct stat st;
    const char *name;
    if (str_eq(j->old_string, j->new_string)) {
        file_fail(j, "nothing to change: old_string and new_string are the same");
        return;
    }
    int dir = open_parent(j, false, &name);
    if (dir < 0)
        return;
    if (edit_read(j, dir, name, &text, &st)) {
        if (text.len)
            edit_text(j, dir, name, &text, &st, cancelled);
        else
            fail_none(j, &text);
    }
    buf_free(&text);
    close(dir);
}

static void edit_start(struct tool_call *c) { file_start(c, "file_edit", edit_work); }
static char *edit_label(const cJSON *args) { return file_label("file_edit", args); }

const struct tool tool_file_edit = {
    .name = "file_edit",
    .description = "Replace a passage of a text file of the workspace. old_string must occur "
                   "exactly once, unless replace_all is set.",
    .schema =
        "{\"type\":\"object\",\"properties\":{"
        "\"path\":{\"type\":\"string\",\"minLength\":1},"
        "\"old_string\":{\"type\":\"string\",\"minLength\":1,\"description\":\"the passage as it "
        "stands in the file, white space and all\"},"
        "\"new_string\":{\"type\":\"string\",\"description\":\"what stands there afterwards; "
        "empty: nothing\"},"
        "\"replace_all\":{\"type\":\"boolean\",\"default\":false,\"description\":\"change every "
        "place where it occurs\"}},"
        "\"required\":[\"path\",\"old_string\",\"new_string\"],\"additionalProperties\":false}",
    .effects = true,
    .reach = TOOL_REACH_PATH,
    .subject = "path",
    .kin = "file_write", /* whoever may not write a file may not change a passage of it */
    .start = edit_start,
    .cancel = file_cancel,
    .label = edit_label,
};
