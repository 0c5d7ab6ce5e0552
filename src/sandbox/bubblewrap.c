/* bubblewrap: the argument list that builds the walls: namespaces for everything, the system
 * read-only, the homes gone, the workspace back in. The order matters: what hides a directory comes
 * before what brings a part of it back. */
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "sandbox/policy.h"

static void push_all(struct strv *argv, const char *const *items, size_t n) {
    for (size_t i = 0; i < n; i++)
        strv_push(argv, items[i]);
}

static void push2(struct strv *argv, const char *a, const char *b) {
    strv_push(argv, a);
    strv_push(argv, b);
}

static void push3(struct strv *argv, const char *a, const char *b, const char *c) {
    push2(argv, a, b);
    strv_push(argv, c);
}

/* An empty directory of the given mode in its place. */
static void push_tmpfs(struct strv *argv, const char *mode, const char *dir) {
    push2(argv, "--perms", mode);
    push2(argv, "--tmpfs", dir);
}

/* Already gone with a directory that is replaced as a whole. */
static bool covered(const struct sandbox *sb, size_t hidden) {
    const char *path = sb->hidden.v[hidden];
    if (path_is_below(path, "/tmp") || path_is_below(path, "/run") ||
        path_is_below(path, "/var/tmp"))
        return true;
    for (size_t i = 0; i < sb->hidden.n; i++)
        if (i != hidden && path_is_below(path, sb->hidden.v[i]) &&
            (i < hidden || !str_eq(path, sb->hidden.v[i])))
            return true;
    return false;
}

static void push_namespaces(const struct sandbox *sb, const struct sandbox_place *p,
                            struct strv *argv) {
    static const char *const spaces[] = {"--unshare-user", "--unshare-pid", "--unshare-ipc",
                                         "--unshare-uts", "--unshare-cgroup-try"};
    push_all(argv, spaces, ARRAY_LEN(spaces));
    if (p->no_network)
        strv_push(argv, "--unshare-net");
    if (sb->disable_userns)
        strv_push(argv, "--disable-userns");
    static const char *const rest[] = {"--cap-drop", "ALL", "--die-with-parent", "--new-session"};
    push_all(argv, rest, ARRAY_LEN(rest));
}

static void push_hiding(const struct sandbox *sb, struct strv *argv) {
    push_tmpfs(argv, "1777", "/tmp");
    push_tmpfs(argv, "0755", "/run");
    if (access("/var/tmp", F_OK) == 0)
        push_tmpfs(argv, "1777", "/var/tmp");
    for (size_t i = 0; i < sb->hidden.n; i++)
        if (!covered(sb, i))
            push_tmpfs(argv, "0755", sb->hidden.v[i]);
    for (size_t i = 0; i < sb->masked.n; i++) {
        const char *path = sb->masked.v[i];
        struct stat st;
        if (path_is_below_any(path, &sb->hidden) || stat(path, &st) < 0)
            continue;
        if (S_ISDIR(st.st_mode))
            push_tmpfs(argv, "0000", path);
        else
            push3(argv, "--ro-bind", "/dev/null", path);
    }
}

static void push_places(const struct sandbox *sb, const struct sandbox_place *p,
                        struct strv *argv) {
    push3(argv, "--bind", p->workspace, p->workspace);
    for (size_t i = 0; i < sb->writable.n; i++)
        push3(argv, "--bind", sb->writable.v[i], sb->writable.v[i]);
    push3(argv, "--ro-bind", sb->launcher, SANDBOX_INNER_LAUNCHER);
    if (sb->resolv)
        push3(argv, "--ro-bind", sb->resolv, sb->resolv);
    if (access("/run/current-system", F_OK) == 0)
        push3(argv, "--ro-bind", "/run/current-system", "/run/current-system");
    /* Now that the ways to the workspace are made in them. */
    for (size_t i = 0; i < sb->hidden.n; i++)
        if (!covered(sb, i))
            push2(argv, "--remount-ro", sb->hidden.v[i]);
    push2(argv, "--chdir", p->dir);
}

/* Inside, Landlock repeats what may be written, and keeps abstract sockets of the host out of
 * reach. */
static void push_stage2(const struct sandbox *sb, enum sandbox_mode mode,
                        const struct sandbox_place *p, struct strv *argv) {
    push3(argv, "--", SANDBOX_INNER_LAUNCHER, "--stage2");
    strv_push(argv, "--reached");
    strv_pushf(argv, "%d", SANDBOX_REACHED_FD);
    strv_push(argv, "--limit");
    strv_pushf(argv, "nproc=%u", sb->max_processes); /* counted in the user namespace */
    push2(argv, "--limit", "core=0");
    if (mode != SANDBOX_BUBBLEWRAP_LANDLOCK)
        return;
    strv_push(argv, "--landlock");
    push2(argv, "--ro", "/");
    push2(argv, "--rw", "/dev");
    push2(argv, "--rw", "/tmp");
    if (access("/var/tmp", F_OK) == 0)
        push2(argv, "--rw", "/var/tmp");
    push2(argv, "--rw", p->workspace);
    for (size_t i = 0; i < sb->writable.n; i++)
        push2(argv, "--rw", sb->writable.v[i]);
}

void bubblewrap_arguments(const struct sandbox *sb, enum sandbox_mode mode,
                          const struct sandbox_place *p, struct strv *argv) {
    strv_push(argv, sb->bubblewrap);
    push_namespaces(sb, p, argv);
    push3(argv, "--ro-bind", "/", "/");
    push2(argv, "--dev", "/dev");
    push2(argv, "--proc", "/proc");
    /* Root is the owner of what is in /proc/sys also without any capability, and bubblewrap leaves
     * it writable. */
    push2(argv, "--remount-ro", "/proc");
    push_hiding(sb, argv);
    push_places(sb, p, argv);
    push_stage2(sb, mode, p, argv);
}
