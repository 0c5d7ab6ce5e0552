/* snapshot: the directory of contents. Writers and the one that drops the oldest exclude each other
 * by a lock of the directory, so that nothing is dropped in the moment in which it is kept anew. */
#include "tools/snapshot.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/str.h"

#define SLACK 16 /* the part of the bound that is made room for at once */

const char *snapshot_state_name(enum snapshot_state s) {
    switch (s) {
#define X(name, text)                                                                              \
    case SNAPSHOT_##name:                                                                          \
        return text;
        SNAPSHOT_STATE_TABLE(X)
#undef X
    }
    return "?";
}

enum status snapshot_state_from_string(const char *s, enum snapshot_state *out) {
#define X(name, text)                                                                              \
    if (str_eq(s, text)) {                                                                         \
        *out = SNAPSHOT_##name;                                                                    \
        return STATUS_OK;                                                                          \
    }
    SNAPSHOT_STATE_TABLE(X)
#undef X
    return STATUS_INVALID;
}

/* `lock` as flock(2) takes it. */
static enum status open_dir(const char *dir, bool make, int lock, int *fd, struct cause *why) {
    if (make && mkdir(dir, 0700) < 0 && errno != EEXIST)
        return cause_errno(why, STATUS_IO, errno, "%s", dir);
    *fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (*fd < 0)
        return cause_errno(why, errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO, errno, "%s", dir);
    int rc;
    while ((rc = flock(*fd, lock)) < 0 && errno == EINTR)
        ;
    if (rc == 0)
        return STATUS_OK;
    enum status st = cause_errno(why, STATUS_IO, errno, "%s", dir);
    close(*fd);
    return st;
}

/* Beside its place and then there: no half of a content bears its name. */
static int write_new(int dir, const char *hash, const void *data, size_t n) {
    uint64_t random;
    char temporary[32];
    id_random(&random, sizeof random);
    snprintf(temporary, sizeof temporary, ".%016llx", (unsigned long long)random);
    int fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno;
    int err = fd_write_all(fd, data, n);
    if (!err && fsync(fd) < 0)
        err = errno;
    if (close(fd) < 0 && !err)
        err = errno;
    if (!err && renameat(dir, temporary, dir, hash) < 0)
        err = errno;
    if (!err && fsync(dir) < 0)
        err = errno;
    if (err)
        unlinkat(dir, temporary, 0);
    return err;
}

enum status snapshot_keep(const char *dir, const char *hash, const void *data, size_t n,
                          struct cause *why) {
    struct stat st;
    int fd;
    enum status s = open_dir(dir, true, LOCK_SH, &fd, why);
    if (s != STATUS_OK)
        return s;
    bool there = fstatat(fd, hash, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
                 st.st_size == (off_t)n;
    /* One that is there already is the newest again. */
    int err = there && utimensat(fd, hash, NULL, AT_SYMLINK_NOFOLLOW) == 0
                  ? 0
                  : write_new(fd, hash, data, n);
    close(fd);
    return err ? cause_errno(why, STATUS_IO, err, "%s", dir) : STATUS_OK;
}

static int read_all(int fd, struct buf *out) {
    char *chunk = xmalloc(65536);
    ssize_t n;
    size_t total = 0;
    while (total <= SNAPSHOT_FILE_MAX &&
           ((n = read(fd, chunk, 65536)) > 0 || (n < 0 && errno == EINTR))) {
        buf_append(out, chunk, n > 0 ? (size_t)n : 0);
        total += n > 0 ? (size_t)n : 0;
    }
    int err = n < 0 ? errno : 0;
    x_free(&chunk);
    return err;
}

enum status snapshot_read(const char *dir, const char *hash, struct buf *out, struct cause *why) {
    int at, fd;
    size_t from = out->len;
    char is[SHA256_HEX_SIZE];
    enum status s = open_dir(dir, false, LOCK_SH, &at, why);
    if (s != STATUS_OK)
        return s;
    fd = openat(at, hash, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    int err = fd < 0 ? errno : read_all(fd, out);
    if (fd >= 0)
        close(fd);
    close(at);
    if (err)
        return cause_errno(why, err == ENOENT ? STATUS_NOT_FOUND : STATUS_IO, err, "%s/%s", dir,
                           hash);
    sha256_of(buf_str(out) + from, out->len - from, is);
    if (str_eq(is, hash))
        return STATUS_OK;
    buf_truncate(out, from);
    return cause_set(why, STATUS_INVALID, "%s/%s: its content is not what was kept", dir, hash);
}

/* --- the oldest go ------------------------------------------------------------------------------
 */

struct kept {
    char name[SHA256_HEX_SIZE];
    struct timespec at;
    int64_t bytes;
};

static int oldest_first(const void *a, const void *b) {
    const struct kept *x = a, *y = b;
    if (x->at.tv_sec != y->at.tv_sec)
        return x->at.tv_sec < y->at.tv_sec ? -1 : 1;
    if (x->at.tv_nsec != y->at.tv_nsec)
        return x->at.tv_nsec < y->at.tv_nsec ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* What a crash left half-written is counted like all others, and grows old like them. */
static struct kept *list_all(DIR *d, size_t *n, int64_t *bytes) {
    struct kept *v = NULL;
    size_t cap = 0;
    *n = 0;
    *bytes = 0;
    for (const struct dirent *e; (e = readdir(d));) {
        struct stat st;
        if (strlen(e->d_name) >= sizeof v->name ||
            fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
            continue;
        if (*n == cap) {
            cap = cap ? cap * 2 : 64;
            v = xreallocarray(v, cap, sizeof *v);
        }
        v[*n] = (struct kept){.at = st.st_mtim, .bytes = st.st_size};
        memcpy(v[*n].name, e->d_name, strlen(e->d_name) + 1);
        *bytes += st.st_size;
        ++*n;
    }
    return v;
}

void snapshot_trim(const char *dir, int64_t max_bytes) {
    struct cause why;
    int fd;
    size_t n;
    int64_t bytes;
    if (open_dir(dir, false, LOCK_EX, &fd, &why) != STATUS_OK)
        return; /* there are none */
    DIR *d = fdopendir(fd);
    if (!d) {
        close(fd);
        return;
    }
    struct kept *v = list_all(d, &n, &bytes);
    if (n)
        qsort(v, n, sizeof *v, oldest_first);
    for (size_t i = 0;
         i < n && (bytes > max_bytes - max_bytes / SLACK || n - i > SNAPSHOT_COUNT_MAX); i++)
        if (unlinkat(fd, v[i].name, 0) == 0)
            bytes -= v[i].bytes;
    x_free(&v);
    closedir(d);
}

void snapshot_count(struct snapshots *s, int64_t bytes) {
    s->unlooked += bytes;
    if (s->unlooked < s->max_bytes / SLACK)
        return;
    s->unlooked = 0;
    s->trim = true;
}
