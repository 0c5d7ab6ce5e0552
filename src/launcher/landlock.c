/* landlock: restricts this process and all that it starts to the given paths, by raw system calls:
 * the C library has no wrappers, and the headers of our oldest system stop at ABI 2. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "launcher/launcher.h"

/* The numbers of include/uapi/linux/landlock.h; the same on every architecture. */
#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif
#define CREATE_RULESET_VERSION 1u
#define RULE_PATH_BENEATH 1

enum {
    FS_EXECUTE = 1 << 0,
    FS_WRITE_FILE = 1 << 1,
    FS_READ_FILE = 1 << 2,
    FS_READ_DIR = 1 << 3,
    FS_REMOVE_DIR = 1 << 4,
    FS_REMOVE_FILE = 1 << 5,
    FS_MAKE_CHAR = 1 << 6,
    FS_MAKE_DIR = 1 << 7,
    FS_MAKE_REG = 1 << 8,
    FS_MAKE_SOCK = 1 << 9,
    FS_MAKE_FIFO = 1 << 10,
    FS_MAKE_BLOCK = 1 << 11,
    FS_MAKE_SYM = 1 << 12,
    FS_REFER = 1 << 13,    /* ABI 2 */
    FS_TRUNCATE = 1 << 14, /* ABI 3 */
    FS_IOCTL_DEV = 1 << 15 /* ABI 5 */
};
enum { SCOPE_ABSTRACT_UNIX_SOCKET = 1 << 0, SCOPE_SIGNAL = 1 << 1 }; /* ABI 6 */

struct ruleset_attr {
    uint64_t handled_access_fs;
    uint64_t handled_access_net; /* ABI 4 */
    uint64_t scoped;             /* ABI 6 */
};

struct path_beneath_attr {
    uint64_t allowed_access;
    int32_t parent_fd;
} __attribute__((packed));

#define ACCESS_READ ((uint64_t)(FS_EXECUTE | FS_READ_FILE | FS_READ_DIR))
/* Device files can be made nowhere: root could reach the disk by one. */
#define ACCESS_WRITE                                                                               \
    (ACCESS_READ | FS_WRITE_FILE | FS_REMOVE_DIR | FS_REMOVE_FILE | FS_MAKE_DIR | FS_MAKE_REG |    \
     FS_MAKE_SOCK | FS_MAKE_FIFO | FS_MAKE_SYM | FS_REFER | FS_TRUNCATE | FS_IOCTL_DEV)
#define ACCESS_OF_FILES                                                                            \
    ((uint64_t)(FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV))

struct ruleset {
    int fd;
    uint64_t handled;
    const struct stage2 *s;
};

static uint64_t handled_by(long abi) {
    uint64_t all = ((uint64_t)FS_MAKE_SYM << 1) - 1;
    if (abi >= 2)
        all |= FS_REFER;
    if (abi >= 3)
        all |= FS_TRUNCATE;
    if (abi >= 5)
        all |= FS_IOCTL_DEV;
    return all;
}

static void add_fd(const struct ruleset *r, int fd, uint64_t access, const char *path) {
    struct stat st;
    if (fstat(fd, &st) < 0)
        fail(errno, "%s", path);
    access &= r->handled;
    if (!S_ISDIR(st.st_mode))
        access &= ACCESS_OF_FILES; /* others are refused on a file */
    const struct path_beneath_attr rule = {.allowed_access = access, .parent_fd = fd};
    if (syscall(SYS_landlock_add_rule, r->fd, RULE_PATH_BENEATH, &rule, 0) < 0)
        fail(errno, "landlock rule for %s", path);
}

static void add_path(const struct ruleset *r, const char *path, uint64_t access) {
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        fail(errno, "%s", path);
    add_fd(r, fd, access, path);
    close(fd);
}

/* `path` is `top` or below it. */
static bool is_below(const char *path, const char *top) {
    size_t n = strlen(top);
    if (n == 1)
        return true; /* the root */
    return strncmp(path, top, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

static bool is_hidden(const struct stage2 *s, const char *path) {
    for (size_t i = 0; i < s->nhide; i++)
        if (is_below(path, s->hide[i]))
            return true;
    return false;
}

static bool hides_below(const struct stage2 *s, const char *path) {
    for (size_t i = 0; i < s->nhide; i++)
        if (is_below(s->hide[i], path))
            return true;
    return false;
}

static void add_around(const struct ruleset *r, const char *path, uint64_t access);

/* Entry by entry, because a rule cannot take away what one above it gives. What appears later is
 * not readable. */
static void add_entries(const struct ruleset *r, const char *path, uint64_t access) {
    DIR *d = opendir(path);
    if (!d)
        fail(errno, "%s", path);
    const struct dirent *e;
    while ((e = readdir(d))) {
        char below[4096];
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 || e->d_type == DT_LNK)
            continue; /* a link needs no right but that of its target */
        int n = snprintf(below, sizeof below, "%s/%s", path[1] ? path : "", e->d_name);
        if (n > 0 && (size_t)n < sizeof below)
            add_around(r, below, access);
    }
    closedir(d);
}

/* Gives `access` on all of `path` but what is hidden. */
static void add_around(const struct ruleset *r, const char *path, uint64_t access) {
    if (is_hidden(r->s, path))
        return;
    if (hides_below(r->s, path)) {
        add_path(r, path, FS_READ_DIR); /* names may be seen */
        add_entries(r, path, access);
        return;
    }
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0 && (errno == ENOENT || errno == EACCES))
        return; /* went away, or was not ours to give */
    if (fd < 0)
        fail(errno, "%s", path);
    add_fd(r, fd, access, path);
    close(fd);
}

void landlock_restrict(const struct stage2 *s) {
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION);
    if (abi < 1)
        fail(errno, "this kernel has no Landlock");
    struct ruleset_attr attr = {.handled_access_fs = handled_by(abi)};
    if (abi >= 6)
        attr.scoped = SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL;
    size_t size = abi >= 6 ? sizeof attr : abi >= 4 ? 16 : 8;
    struct ruleset r = {.handled = attr.handled_access_fs, .s = s};
    r.fd = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
    if (r.fd < 0)
        fail(errno, "landlock_create_ruleset");
    for (size_t i = 0; i < s->nro; i++)
        add_around(&r, s->ro[i], ACCESS_READ);
    for (size_t i = 0; i < s->nrw; i++)
        add_path(&r, s->rw[i], ACCESS_WRITE);
    if (syscall(SYS_landlock_restrict_self, r.fd, 0) < 0)
        fail(errno, "landlock_restrict_self");
    close(r.fd);
}
