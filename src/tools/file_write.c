/* file_write: changing files of the workspace: one written as a whole, or one passage of it
 * replaced. What stood there is kept first, so that a person can undo it. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "tools/file-internal.h"
#include "tools/place.h"
#include "tools/preview.h"

#define NEW_MODE 0644u
#define EDIT_MAX SNAPSHOT_FILE_MAX /* bytes of a file that is edited, before and after */
#define MATCHES_MAX 1000u          /* counted; each costs a search of its own */
#define MATCHES_SHOWN 5u           /* lines named */

/* Where the file is; false: the call has failed. */
static bool open_place(struct file_job *j, bool make_dirs, struct place *at) {
    struct cause why;
    if (j->trim_bytes && j->keep)
        snapshot_trim(j->keep, j->trim_bytes);
    bool ok =
        place_open(j->sandbox, j->workspace, j->path, j->granted, make_dirs, at, &why) == STATUS_OK;
    if (!ok)
        file_fail(j, why.text);
    return ok;
}

static void fail_change(struct file_job *j, int err) {
    if (err == ELOOP)
        file_fail(j, "path is a symbolic link, which is not followed: name the file itself");
    else if (err == ESTALE)
        file_fail(j, "not changed: something else changed the file at the same time; read it again "
                     "and repeat the change");
    else
        file_fail_errno(j, "cannot be written", err);
}

/* What stood there is kept before it goes. Where that cannot be done the change is made all the
 * same, and the result says that it cannot be undone. */
static void keep(struct file_job *j, const struct version *was, struct file_side *before) {
    struct cause why = {""};
    *before = (struct file_side){.state = SNAPSHOT_ABSENT};
    if (!was->present)
        return;
    before->mode = was->st.st_mode & 0777;
    before->bytes = was->st.st_size;
    memcpy(before->hash, was->hash, sizeof before->hash);
    if (!was->whole)
        before->state = SNAPSHOT_TOO_LARGE;
    else if (!j->keep || snapshot_keep(j->keep, was->hash, buf_str(&was->text), was->text.len,
                                       &why) != STATUS_OK)
        before->state = SNAPSHOT_NOT_KEPT;
    else
        before->state = SNAPSHOT_KEPT;
    snprintf(j->unkept, sizeof j->unkept, "%.200s", why.text);
}

static void add_remark(struct file_job *j, const struct file_side *before) {
    switch (before->state) {
    case SNAPSHOT_ABSENT:
    case SNAPSHOT_KEPT:
        return;
    case SNAPSHOT_TOO_LARGE:
        buf_printf(&j->out,
                   "; what it held before (%lld bytes) is too large to be kept: this cannot be "
                   "undone",
                   (long long)before->bytes);
        return;
    case SNAPSHOT_NOT_KEPT:
        buf_puts(&j->out, "; what it held before could not be kept: this cannot be undone");
        if (j->unkept[0])
            buf_printf(&j->out, " (%s)", j->unkept);
        return;
    }
}

/* The file becomes `text`. Returns an errno. */
static int change(struct file_job *j, const struct place *at, const struct version *was,
                  const char *text, size_t n) {
    struct file_side before, after = {.state = SNAPSHOT_NOT_KEPT, .bytes = (int64_t)n};
    struct stat now;
    after.mode = was->present ? was->st.st_mode & 0777 : NEW_MODE;
    sha256_of(text, n, after.hash);
    if (j->channel)
        keep(j, was, &before);
    int err = place_write(at, was, text, n, after.mode, &now);
    if (err)
        return err;
    /* An edit shows one passage: what else was changed in the file stays unseen. */
    j->looked = !j->old_string || !j->known || !was->present || version_same(&j->then, &was->st);
    j->now = now;
    if (j->channel && !str_eq(before.hash, after.hash)) {
        j->change.before = before;
        j->change.after = after;
        j->changed = true;
    }
    return 0;
}

/* --- file_write ---------------------------------------------------------------------------------
 */

static void write_file(struct file_job *j, const struct place *at, const struct version *was) {
    size_t n = strlen(j->content);
    if (was->present && j->known && !version_same(&j->then, &was->st)) {
        file_fail(j, "not written: the file was changed since you last read or wrote it; read it "
                     "again, and then write what is to stand there");
        return;
    }
    int err = change(j, at, was, j->content, n);
    if (err) {
        fail_change(j, err);
        return;
    }
    buf_printf(&j->out, "%s %s, %zu bytes", was->present ? "replaced" : "created", j->path, n);
    if (j->changed)
        add_remark(j, &j->change.before);
}

static void write_work(void *input, const atomic_bool *cancelled) {
    struct file_job *j = input;
    struct place at;
    struct version was = {0};
    if (!open_place(j, j->make_dirs, &at))
        return;
    int err = place_read(&at, SNAPSHOT_FILE_MAX, &was);
    if (err)
        fail_change(j, err);
    else if (*cancelled)
        file_fail(j, "not done: it was cancelled");
    else
        write_file(j, &at, &was);
    version_free(&was);
    place_close(&at);
}

static void write_start(struct tool_call *c) { file_start(c, "file_write", write_work); }
static char *write_label(const cJSON *args) { return file_label("file_write", args); }
static char *write_preview(const cJSON *args) {
    return preview_write(json_str(args, "content", ""));
}

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
    .preview = write_preview,
};

/* --- file_edit ----------------------------------------------------------------------------------
 */

/* The whole file; false: the call has failed. */
static bool edit_read(struct file_job *j, const struct place *at, struct version *was) {
    int err = place_read(at, EDIT_MAX, was);
    if (err == ELOOP || err == ESTALE)
        fail_change(j, err);
    else if (err == EISDIR || err == EINVAL)
        file_fail(j, "path is not a regular file: there is no text in it to edit");
    else if (err)
        file_fail_errno(j, "cannot be read", err);
    else if (!was->present)
        file_fail_errno(j, "cannot be edited, use file_write to make a new file", ENOENT);
    else if (!was->whole && was->st.st_size > (off_t)EDIT_MAX)
        file_fail(j, "the file has more than 8 MiB: edit it with shell");
    else if (!was->whole)
        file_fail_errno(j, "cannot be read", EACCES);
    else if (memchr(buf_str(&was->text), '\0', was->text.len))
        file_fail(j, "the file is not text: edit it with shell");
    else
        return true;
    return false;
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

static void edit_text(struct file_job *j, const struct place *at, const struct version *was,
                      const atomic_bool *cancelled) {
    const struct buf *text = &was->text;
    struct buf out = BUF_INIT, lines = BUF_INIT;
    size_t found = count_matches(text, j->old_string, strlen(j->old_string), &lines), replaced;
    if (found == 0) {
        fail_none(j, text);
    } else if (found > 1 && !j->replace_all) {
        fail_many(j, found, &lines);
    } else if (!substitute(j, text, &out, &replaced)) {
        file_fail(j, "nothing was changed: the file would have more than 8 MiB");
    } else if (*cancelled) {
        file_fail(j, "not done: it was cancelled");
    } else {
        int err = change(j, at, was, buf_str(&out), out.len);
        if (err)
            fail_change(j, err);
        else
            buf_printf(&j->out, "replaced %zu %s in %s (line%s %s), %zu bytes", replaced,
                       replaced == 1 ? "passage" : "passages", j->path, found == 1 ? "" : "s",
                       buf_str(&lines), out.len);
        if (j->changed)
            add_remark(j, &j->change.before);
    }
    buf_free(&out);
    buf_free(&lines);
}

static void edit_work(void *input, const atomic_bool *cancelled) {
    struct file_job *j = input;
    struct place at;
    struct version was = {0};
    if (str_eq(j->old_string, j->new_string)) {
        file_fail(j, "nothing to change: old_string and new_string are the same");
        return;
    }
    if (!open_place(j, false, &at))
        return;
    if (edit_read(j, &at, &was)) {
        if (was.text.len)
            edit_text(j, &at, &was, cancelled);
        else
            fail_none(j, &was.text);
    }
    version_free(&was);
    place_close(&at);
}

static void edit_start(struct tool_call *c) { file_start(c, "file_edit", edit_work); }
static char *edit_label(const cJSON *args) { return file_label("file_edit", args); }
static char *edit_preview(const cJSON *args) {
    return preview_edit(json_str(args, "old_string", ""), json_str(args, "new_string", ""),
                        json_bool(args, "replace_all", false));
}

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
    .preview = edit_preview,
};
