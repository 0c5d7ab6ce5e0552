/* path: which paths the in-process file tools may open, and opening them so that a command running
 * at the same time cannot lead the walk astray: one component after the other, each relative to the
 * last, no link followed, nothing looked up twice. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "sandbox/policy.h"

bool path_is_below(const char *path, const char *top) {
    size_t n = strlen(top);
    if (n == 1 && top[0] == '/')
        return path[0] == '/';
    return strncmp(path, top, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

bool path_is_below_any(const char *path, const struct strv *tops) {
    for (size_t i = 0; i < tops->n; i++)
        if (path_is_below(path, tops->v[i]))
            return true;
    return false;
}

char *path_normalise(const char *absolute) {
    struct buf out = BUF_INIT;
    for (const char *p = absolute; *p;) {
        size_t n = strcspn(p, "/");
        if (n == 2 && p[0] == '.' && p[1] == '.') {
            if (out.len == 0) {
                buf_free(&out);
                return NULL;
            }
            while (out.data[out.len - 1] != '/')
                buf_truncate(&out, out.len - 1);
            buf_truncate(&out, out.len - 1);
        } else if (n > 0 && !(n == 1 && p[0] == '.')) {
            buf_putc(&out, '/');
            buf_append(&out, p, n);
        }
        p += n;
        if (*p)
            p++;
    }
    if (out.len == 0)
        buf_putc(&out, '/');
    return buf_steal(&out);
}

enum status path_may_write(const struct sandbox *sb, const char *path, const char *what,
                           struct cause *why) {
    for (size_t i = 0; i < sb->hidden.n; i++)
        if (path_is_below(sb->hidden.v[i], path))
            return cause_set(why, STATUS_DENIED,
                             "%s %s would open %s, which commands must not see: choose a "
                             "directory inside it or elsewhere",
                             what, path, sb->hidden.v[i]);
    for (size_t i = 0; i < sb->secret.n; i++)
        if (path_is_below(path, sb->secret.v[i]))
            return cause_set(why, STATUS_DENIED,
                             "%s %s is where spacebot keeps its control socket: choose another",
                             what, path);
    if (path_is_below(sb->launcher, path))
        return cause_set(why, STATUS_DENIED,
                         "%s %s holds %s, which commands could then replace: choose another "
                         "directory, or install spacebot outside of it",
                         what, path, sb->launcher);
    return STATUS_OK;
}

/* ---- opening -----------------------------------------------------------------------------------
 */

/* Where the walk is. */
struct walk {
    const char *shown; /* the path as it was asked for, for messages */
    int fd;            /* the directory reached */
    bool make_dirs;
};

/* Opens a root that was canonical when it was accepted; a directory that became a link since is no
 * root of ours. */
static enum status open_root(const char *root, int *fd, struct cause *why) {
    *fd = open(root, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (*fd < 0)
        return cause_errno(why, errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO, errno,
                           "the directory %s", root);
    char link[64], real[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", *fd);
    ssize_t n = readlink(link, real, sizeof real - 1);
    if (n >= 0) {
        real[n] = '\0';
        if (str_eq(real, root))
            return STATUS_OK;
        close(*fd);
        *fd = -1;
        return cause_set(why, STATUS_DENIED, "%s is now %s: it was replaced by a link", root, real);
    }
    enum status s = cause_errno(why, STATUS_IO, errno, "cannot verify %s", root);
    close(*fd);
    *fd = -1;
    return s;
}

static enum status refuse(const struct walk *w, const char *name, int err, struct cause *why) {
    switch (err) {
    case ENOENT:
        return cause_set(why, STATUS_NOT_FOUND, "%s does not exist", w->shown);
    case EEXIST:
        return cause_set(why, STATUS_EXISTS, "%s exists already", w->shown);
    case ELOOP:
        return cause_set(why, STATUS_DENIED,
                         "%s: \"%s\" is a symbolic link, and links are not followed: name the "
                         "place that it leads to",
                         w->shown, name);
    case ENOTDIR:
        return cause_set(why, STATUS_INVALID, "%s: \"%s\" is not a directory", w->shown, name);
    case EISDIR:
        return cause_set(why, STATUS_INVALID, "%s is a directory", w->shown);
    case ENXIO:
        return cause_set(why, STATUS_INVALID, "%s is not a regular file", w->shown);
    case EACCES:
    case EPERM:
        return cause_errno(why, STATUS_DENIED, err, "%s", w->shown);
    case ENAMETOOLONG:
        return cause_errno(why, STATUS_INVALID, err, "%.128s", w->shown);
    default:
        return cause_errno(why, STATUS_IO, err, "%s", w->shown);
    }
}

/* With O_DIRECTORY the kernel calls a link "not a directory": look what it is. */
static bool is_link(int dir, const char *name) {
    struct stat st;
    return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode);
}

static enum status step_into(struct walk *w, const char *name, struct cause *why) {
    const int flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    int next = openat(w->fd, name, flags);
    if (next < 0 && errno == ENOENT && w->make_dirs) {
        if (mkdirat(w->fd, name, 0777) < 0 && errno != EEXIST)
            return refuse(w, name, errno, why);
        next = openat(w->fd, name, flags);
    }
    if (next < 0) {
        int err = errno;
        return refuse(w, name, err == ENOTDIR && is_link(w->fd, name) ? ELOOP : err, why);
    }
    close(w->fd);
    w->fd = next;
    return STATUS_OK;
}

/* The file itself. Non-blocking, or a pipe somebody put there would hold the loop; truncated only
 * once it is known to be a regular file. */
static enum status open_last(struct walk *w, const char *name, int flags, mode_t mode, int *out,
                             struct cause *why) {
    const int always = O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    int fd = openat(w->fd, name, (flags & ~O_TRUNC) | always, mode);
    if (fd < 0) {
        int err = errno;
        return refuse(w, name, is_link(w->fd, name) ? ELOOP : err, why);
    }
    struct stat st;
    int err = fstat(fd, &st) < 0 ? errno : 0;
    if (!err && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
        err = ENXIO;
    if (!err && (flags & O_TRUNC) && ftruncate(fd, 0) < 0)
        err = errno;
    if (err) {
        close(fd);
        return refuse(w, name, err, why);
    }
    *out = fd;
    return STATUS_OK;
}

/* `below` is normalised and relative to the root: "" or "a/b". */
static enum status walk_and_open(struct walk *w, char *below, int flags, mode_t mode, int *fd,
                                 struct cause *why) {
    if (!*below)
        return open_last(w, ".", flags & ~O_CREAT, mode, fd, why);
    char *name = below, *slash;
    while ((slash = strchr(name, '/'))) {
        *slash = '\0';
        enum status s = step_into(w, name, why);
        if (s != STATUS_OK)
            return s;
        name = slash + 1;
    }
    if (flags & O_DIRECTORY) { /* made like its parents where make_dirs asks for it */
        enum status s = step_into(w, name, why);
        return s == STATUS_OK ? open_last(w, ".", flags & ~O_CREAT, mode, fd, why) : s;
    }
    return open_last(w, name, flags, mode, fd, why);
}

/* The directory that `path` is in and may be opened in; the innermost where several hold it. NULL:
 * none. */
static const char *root_of(const struct sandbox *sb, const char *workspace, const char *path) {
    const char *best = path_is_below(path, workspace) ? workspace : NULL;
    for (size_t i = 0; i < sb->writable.n; i++) {
        const char *top = sb->writable.v[i];
        if (path_is_below(path, top) && (!best || strlen(top) > strlen(best)))
            best = top;
    }
    return best;
}

enum sandbox_reach sandbox_locate(const struct sandbox *sb, const char *workspace, const char *path,
                                  char **plain) {
    char *full = path[0] == '/' ? xstrdup(path) : xasprintf("%s/%s", workspace, path);
    *plain = path_normalise(full);
    x_free(&full);
    if (!*plain)
        return SANDBOX_FORBIDDEN;
    if (root_of(sb, workspace, *plain))
        return SANDBOX_INSIDE;
    if (path_is_below(*plain, sb->spacebot_home) || path_is_below_any(*plain, &sb->secret))
        return SANDBOX_FORBIDDEN;
    return SANDBOX_OUTSIDE;
}

/* The directory from which the walk to `plain` begins; NULL: it may not be opened. What was granted
 * is walked to from the root, so that no link on the way leads elsewhere. */
static const char *start_of(const struct sandbox *sb, const char *workspace, const char *granted,
                            const char *path, char **plain, struct cause *why) {
    switch (sandbox_locate(sb, workspace, path, plain)) {
    case SANDBOX_INSIDE:
        return root_of(sb, workspace, *plain);
    case SANDBOX_OUTSIDE:
        if (granted && path_is_below(*plain, granted))
            return "/";
        cause_set(why, STATUS_DENIED,
                  "%s is outside the workspace %s: use a path inside it, or let a person add "
                  "the directory to sandbox.writable_paths in spacebot.conf",
                  path, workspace);
        return NULL;
    case SANDBOX_FORBIDDEN:
        break;
    }
    cause_set(why, STATUS_DENIED,
              "%s is outside the workspace %s, and where spacebot keeps its own files or no path "
              "at all: no tool may open it",
              path, workspace);
    return NULL;
}

enum status sandbox_open_granted(const struct sandbox *sb, const char *workspace, const char *path,
                                 const char *granted, int flags, mode_t mode, bool make_dirs,
                                 int *fd, struct cause *why) {
    *fd = -1;
    if (!*path)
        return cause_set(why, STATUS_INVALID, "the path is empty");
    char *plain;
    const char *root = start_of(sb, workspace, granted, path, &plain, why);
    enum status s = STATUS_DENIED;
    if (root) {
        struct walk w = {.shown = path, .fd = -1, .make_dirs = make_dirs};
        s = open_root(root, &w.fd, why);
        if (s == STATUS_OK) {
            char *below = plain + (root[1] ? strlen(root) : 0);
            s = walk_and_open(&w, *below == '/' ? below + 1 : below, flags, mode, fd, why);
            close(w.fd);
        }
    }
    x_free(&plain);
    return s;
}

enum status sandbox_open(const struct sandbox *sb, const char *workspace, const char *path,
                         int flags, mode_t mode, bool make_dirs, int *fd, struct cause *why) {
    return sandbox_open_granted(sb, workspace, path, NULL, flags, mode, make_dirs, fd, why);
}
