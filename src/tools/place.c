/* place: looking at a file, replacing and removing it, in a directory that is open. */
#include "tools/place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/str.h"

/* "a/b" of "a/b/c"; the caller frees. */
static char *parent_of(const char *path) {
    const char *slash = strrchr(path, '/');
    return !slash          ? xstrdup(".")
           : slash == path ? xstrdup("/")
                           : xstrndup(path, (size_t)(slash - path));
}

/* The file is replaced in its directory: that is what has to be opened. */
enum status place_open(const struct sandbox *sb, const char *workspace, const char *path,
                       const char *granted, bool make_dirs, struct place *out, struct cause *why) {
    const char *slash = strrchr(path, '/');
    out->dir = -1;
    out->name = slash ? slash + 1 : path;
    if (!*out->name || str_eq(out->name, ".") || str_eq(out->name, ".."))
        return cause_set(why, STATUS_INVALID, "path must end in the name of a file");
    char *parent = parent_of(path), *above = granted ? parent_of(granted) : NULL;
    enum status st = sandbox_open_granted(sb, workspace, parent, above, O_RDONLY | O_DIRECTORY,
                                          0755, make_dirs, &out->dir, why);
    x_free(&parent);
    x_free(&above);
    return st;
}

void place_close(struct place *p) {
    if (p->dir >= 0)
        close(p->dir);
    p->dir = -1;
}

/* --- looking ------------------------------------------------------------------------------------
 */

void version_free(struct version *v) {
    buf_free(&v->text);
    *v = (struct version){0};
}

bool version_same(const struct stat *a, const struct stat *b) {
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static int check_kind(const struct stat *st) {
    return S_ISREG(st->st_mode) ? 0 : S_ISDIR(st->st_mode) ? EISDIR : EINVAL;
}

/* One byte more than it had, so that growing under our hands is seen. */
static int read_whole(int fd, struct version *v) {
    size_t size = (size_t)v->st.st_size, room = size + 1, got = 0;
    char *data = xmalloc(room);
    ssize_t n = 0;
    while (got < room && ((n = read(fd, data + got, room - got)) > 0 || (n < 0 && errno == EINTR)))
        got += n > 0 ? (size_t)n : 0;
    int err = n < 0 ? errno : got != size ? ESTALE : 0;
    if (!err) {
        buf_append(&v->text, data, got);
        sha256_of(data, got, v->hash);
        v->whole = true;
    }
    x_free(&data);
    return err;
}

int place_read(const struct place *p, size_t max, struct version *out) {
    int fd = openat(p->dir, p->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    int err = fd < 0 ? errno : 0;
    if (err == ENOENT)
        return 0;
    if (err == EACCES && fstatat(p->dir, p->name, &out->st, AT_SYMLINK_NOFOLLOW) == 0) {
        out->present = true;
        return S_ISLNK(out->st.st_mode) ? ELOOP : check_kind(&out->st);
    }
    if (err)
        return err;
    err = fstat(fd, &out->st) < 0 ? errno : check_kind(&out->st);
    out->present = !err;
    if (!err && out->st.st_size <= (off_t)max)
        err = read_whole(fd, out);
    close(fd);
    return err;
}

/* --- changing -----------------------------------------------------------------------------------
 */

static int check_same(const struct place *p, const struct version *was) {
    struct stat st;
    if (fstatat(p->dir, p->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno != ENOENT ? errno : was->present ? ESTALE : 0;
    return was->present && version_same(&st, &was->st) ? 0 : ESTALE;
}

/* What was not there is not replaced, whoever puts it there in this moment. Not every file system
 * can promise that; the look just before has to do there. */
static int move_there(const struct place *p, const char *temporary, bool present) {
    if (!present) {
        if (renameat2(p->dir, temporary, p->dir, p->name, RENAME_NOREPLACE) == 0)
            return 0;
        if (errno != EINVAL && errno != ENOSYS)
            return errno == EEXIST ? ESTALE : errno;
    }
    return renameat(p->dir, temporary, p->dir, p->name) < 0 ? errno : 0;
}

/* Beside the target and then in its place: a full disk or a crash leaves the old file whole. */
int place_write(const struct place *p, const struct version *was, const void *data, size_t n,
                mode_t mode, struct stat *now) {
    uint64_t random;
    char temporary[48];
    struct stat st;
    id_random(&random, sizeof random);
    snprintf(temporary, sizeof temporary, ".spacebot-%016llx", (unsigned long long)random);
    int fd = openat(p->dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno;
    int err = fd_write_all(fd, data, n);
    if (!err && (fchmod(fd, mode) < 0 || fsync(fd) < 0 || fstat(fd, &st) < 0))
        err = errno;
    if (close(fd) < 0 && !err)
        err = errno;
    if (!err)
        err = check_same(p, was);
    if (!err)
        err = move_there(p, temporary, was->present);
    if (err)
        unlinkat(p->dir, temporary, 0);
    else if (now)
        *now = st;
    return err;
}

int place_remove(const struct place *p, const struct version *was) {
    int err = check_same(p, was);
    return err ? err : unlinkat(p->dir, p->name, 0) < 0 ? errno : 0;
}
