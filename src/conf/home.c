/* home: finds, makes and guards the directories that everything of one spacebot lives in. */
#include "conf/home.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"

#define SOCKET_NAME "ctl"

/* Ours, a directory, and nobody else may write into it. */
static enum status check_dir(const char *path, struct cause *why) {
    struct stat sb;
    if (stat(path, &sb) != 0)
        return cause_errno(why, STATUS_IO, errno, "%s", path);
    if (!S_ISDIR(sb.st_mode))
        return cause_set(why, STATUS_IO, "%s: not a directory", path);
    if (sb.st_uid != geteuid())
        return cause_set(why, STATUS_DENIED, "%s belongs to another user (uid %lu)", path,
                         (unsigned long)sb.st_uid);
    if (sb.st_mode & (S_IWGRP | S_IWOTH))
        return cause_set(why, STATUS_DENIED, "others may write %s; `chmod go-w %s` mends it", path,
                         path);
    return STATUS_OK;
}

static enum status make_dir(const char *path, struct cause *why) {
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return cause_errno(why, STATUS_IO, errno, "%s", path);
    return check_dir(path, why);
}

/* The home itself may be named several levels deep; what is missing above it is made too. */
static enum status make_parents(const char *path, struct cause *why) {
    char *copy = xstrdup(path);
    enum status st = STATUS_OK;
    for (char *p = strchr(copy + 1, '/'); p && st == STATUS_OK; p = strchr(p + 1, '/')) {
        *p = '\0';
        /* EROFS and EACCES also mean "is there already" on some mounts: mkdir of the last one
         * decides. */
        if (mkdir(copy, 0700) != 0 && errno != EEXIST && access(copy, F_OK) != 0)
            st = cause_errno(why, STATUS_IO, errno, "%s", copy);
        *p = '/';
    }
    x_free(&copy);
    return st;
}

static enum status find_dir(char **out, struct cause *why) {
    const char *given = getenv("SPACEBOT_DIR");
    char *path = NULL;
    if (given && *given) {
        if (*given == '/') {
            path = xstrdup(given);
        } else {
            char cwd[PATH_MAX];
            if (!getcwd(cwd, sizeof(cwd)))
                return cause_errno(why, STATUS_IO, errno, "the current directory");
            path = xasprintf("%s/%s", cwd, given);
        }
    } else {
        const char *user_home = getenv("HOME");
        if (!user_home || *user_home != '/') {
            const struct passwd *pw = getpwuid(geteuid());
            user_home = pw ? pw->pw_dir : NULL;
        }
        if (!user_home || *user_home != '/')
            return cause_set(why, STATUS_CONFIG,
                             "no home directory is known; set SPACEBOT_DIR to a directory");
        path = xasprintf("%s/.spacebot", user_home);
    }
    enum status st = make_parents(path, why);
    if (st == STATUS_OK)
        st = make_dir(path, why);
    char *real = st == STATUS_OK ? realpath(path, NULL) : NULL;
    if (st == STATUS_OK && !real)
        st = cause_errno(why, STATUS_IO, errno, "%s", path);
    x_free(&path);
    *out = real;
    return st;
}

/* FNV-1a: only tells homes of one user apart, and must be the same in every process. */
static uint64_t name_hash(const char *s) {
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (; *s; s++)
        h = (h ^ (unsigned char)*s) * UINT64_C(0x100000001b3);
    return h;
}

static bool socket_fits(const char *run) {
    struct sockaddr_un sa;
    return strlen(run) + strlen("/" SOCKET_NAME) < sizeof(sa.sun_path);
}

/* $XDG_RUNTIME_DIR where it is usable and short enough, else inside the home. */
static enum status find_run(struct home *h, struct cause *why) {
    const char *xdg = getenv("XDG_RUNTIME_DIR");
    if (xdg && *xdg == '/' && check_dir(xdg, NULL) == STATUS_OK) {
        char *parent = xasprintf("%s/spacebot", xdg);
        h->run = xasprintf("%s/%016llx", parent, (unsigned long long)name_hash(h->dir));
        bool ok = socket_fits(h->run) && make_dir(parent, NULL) == STATUS_OK &&
                  make_dir(h->run, NULL) == STATUS_OK;
        x_free(&parent);
        if (ok)
            return STATUS_OK;
        x_free(&h->run);
    }
    h->run = xasprintf("%s/run", h->dir);
    if (!socket_fits(h->run))
        return cause_set(why, STATUS_CONFIG,
                         "%s/" SOCKET_NAME " is too long for a socket; set XDG_RUNTIME_DIR or a "
                         "shorter SPACEBOT_DIR",
                         h->run);
    return make_dir(h->run, why);
}

enum status home_open(struct home **out, struct cause *why) {
    *out = NULL;
    struct home *h = xcalloc(1, sizeof(*h));
    enum status st = find_dir(&h->dir, why);
    if (st == STATUS_OK) {
        h->config = xasprintf("%s/spacebot.conf", h->dir);
        h->db = xasprintf("%s/spacebot.db", h->dir);
        h->lock = xasprintf("%s/lock", h->dir);
        h->workspace = xasprintf("%s/workspace", h->dir);
        h->log = xasprintf("%s/log/spacebot.log", h->dir);
        h->models = xasprintf("%s/models.json", h->dir);
        h->token = xasprintf("%s/token", h->dir);
        char *log_dir = xasprintf("%s/log", h->dir);
        st = make_dir(log_dir, why);
        x_free(&log_dir);
    }
    if (st == STATUS_OK)
        st = make_dir(h->workspace, why);
    if (st == STATUS_OK)
        st = find_run(h, why);
    if (st != STATUS_OK) {
        home_free(&h);
        return st;
    }
    h->socket = xasprintf("%s/" SOCKET_NAME, h->run);
    *out = h;
    return STATUS_OK;
}

void home_free(struct home **h) {
    if (!*h)
        return;
    x_free(&(*h)->dir);
    x_free(&(*h)->config);
    x_free(&(*h)->db);
    x_free(&(*h)->lock);
    x_free(&(*h)->workspace);
    x_free(&(*h)->log);
    x_free(&(*h)->models);
    x_free(&(*h)->run);
    x_free(&(*h)->socket);
    x_free(&(*h)->token);
    x_free(h);
}
