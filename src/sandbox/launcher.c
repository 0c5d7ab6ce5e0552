/* launcher: a copy of the launcher where no command can reach it. It runs outside the walls, so a
 * command must never be able to replace it; run from a source tree that is also the workspace, the
 * built one could be. The copy lies in a directory that every command is kept out of. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "sandbox/policy.h"

#define COPY_NAME "spacebot-run"
#define COPY_MODE 0500
#define COPY_MAX (16u * 1024u * 1024u) /* it is 0.1 MB; with debugging information below 1 MB */

/* All of a regular file of at most COPY_MAX bytes; false with errno. */
static bool read_all(int fd, struct buf *out) {
    for (;;) {
        ssize_t n = read(fd, buf_room(out, 65536), 65536);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n == 0;
        buf_added(out, (size_t)n);
        if (out->len > COPY_MAX) {
            errno = EFBIG;
            return false;
        }
    }
}

/* Only we may put something there. */
static int open_private(const char *dir) {
    struct stat st;
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 && (fstat(fd, &st) < 0 || st.st_uid != geteuid() || (st.st_mode & 077))) {
        close(fd);
        fd = -1;
        errno = EACCES;
    }
    return fd;
}

/* What an earlier engine left is used again only when it is ours alone and the same to the byte. */
static bool same_copy(int dir, const struct buf *want) {
    int fd = openat(dir, COPY_NAME, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return false;
    struct stat st;
    struct buf have = BUF_INIT;
    bool same = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
                (st.st_mode & 07777) == COPY_MODE && st.st_nlink == 1 &&
                (size_t)st.st_size == want->len && read_all(fd, &have) && have.len == want->len &&
                memcmp(have.data, want->data, want->len) == 0;
    buf_free(&have);
    close(fd);
    return same;
}

/* Under another name first: whoever starts the old one meanwhile gets a whole file. */
static bool put_copy(int dir, const struct buf *want) {
    char temporary[64];
    snprintf(temporary, sizeof temporary, COPY_NAME ".%d", (int)getpid());
    (void)unlinkat(dir, temporary, 0);
    int fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, COPY_MODE);
    if (fd < 0)
        return false;
    bool ok = fd_write_all(fd, want->data, want->len) == 0 &&
              fchmod(fd, COPY_MODE) == 0; /* whatever the umask took */
    int err = ok ? 0 : errno;
    if (close(fd) < 0 && ok) {
        ok = false;
        err = errno;
    }
    if (ok && renameat(dir, temporary, dir, COPY_NAME) < 0) {
        ok = false;
        err = errno;
    }
    if (!ok)
        (void)unlinkat(dir, temporary, 0);
    errno = err;
    return ok && same_copy(dir, want);
}

static bool copy_to(const char *original, const char *dir) {
    struct buf want = BUF_INIT;
    int from = open(original, O_RDONLY | O_CLOEXEC), to = open_private(dir);
    bool ok = from >= 0 && to >= 0 && read_all(from, &want) &&
              (same_copy(to, &want) || put_copy(to, &want));
    int err = errno;
    if (from >= 0)
        close(from);
    if (to >= 0)
        close(to);
    buf_free(&want);
    errno = err;
    return ok;
}

char *launcher_keep(const char *original, const char *dir) {
    char *real = realpath(dir, NULL);
    char *copy = real ? xasprintf("%s/" COPY_NAME, real) : NULL;
    /* A file system that executes nothing says so here. */
    if (copy && copy_to(original, real) && access(copy, X_OK) == 0) {
        x_free(&real);
        return copy;
    }
    log_info("the launcher runs as %s, and no workspace may hold it: no copy in %s (%s)", original,
             dir, strerror(errno));
    x_free(&real);
    x_free(&copy);
    return xstrdup(original);
}
