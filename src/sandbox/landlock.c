/* landlock: the rules where there are no namespaces. What is not named here cannot be opened, so
 * the homes need no mention unless they lie below something that is. */
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"
#include "sandbox/policy.h"

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#endif

int landlock_abi(void) {
    long abi =
        syscall(SYS_landlock_create_ruleset, NULL, 0, 1u /* LANDLOCK_CREATE_RULESET_VERSION */);
    return abi > 0 ? (int)abi : 0;
}

static void push_existing(struct strv *argv, const char *option, const char *path) {
    char *real =
        realpath(path, NULL); /* /bin may be a link: what is hidden is told by its real name */
    if (real) {
        strv_push(argv, option);
        strv_push(argv, real);
    }
    x_free(&real);
}

void landlock_arguments(const struct sandbox *sb, const struct sandbox_place *p,
                        struct strv *argv) {
    static const char *const read[] = {"/usr",
                                       "/bin",
                                       "/sbin",
                                       "/lib",
                                       "/lib32",
                                       "/lib64",
                                       "/etc",
                                       "/opt",
                                       "/nix",
                                       "/proc",
                                       "/sys/devices/system/cpu",
                                       "/run/current-system"};
    static const char *const devices[] = {"/dev/null", "/dev/zero",   "/dev/full",
                                          "/dev/tty",  "/dev/random", "/dev/urandom",
                                          "/dev/ptmx", "/dev/pts",    "/dev/shm"};
    strv_push(argv, sb->launcher);
    strv_push(argv, "--stage2");
    strv_push(argv, "--reached");
    strv_pushf(argv, "%d", SANDBOX_REACHED_FD);
    strv_push(argv, "--landlock");
    strv_push(argv, "--shared-pids");
    strv_push(argv, "--guard");
    strv_pushf(argv, "%d", (int)getpid());
    if (p->no_network)
        strv_push(argv, "--no-net");
    strv_push(argv, "--limit");
    strv_pushf(argv, "nproc=+%u", sb->max_processes); /* counted with all of the user's */
    strv_push(argv, "--limit");
    strv_push(argv, "core=0");
    for (size_t i = 0; i < ARRAY_LEN(read); i++)
        push_existing(argv, "--ro", read[i]);
    if (sb->resolv)
        push_existing(argv, "--ro", sb->resolv);
    for (size_t i = 0; i < ARRAY_LEN(devices); i++)
        push_existing(argv, "--rw", devices[i]);
    strv_push(argv, "--rw");
    strv_push(argv, p->workspace);
    for (size_t i = 0; i < sb->writable.n; i++)
        push_existing(argv, "--rw", sb->writable.v[i]);
    for (size_t i = 0; i < sb->hidden.n; i++) {
        strv_push(argv, "--hide");
        strv_push(argv, sb->hidden.v[i]);
    }
    for (size_t i = 0; i < sb->masked.n; i++)
        push_existing(argv, "--hide", sb->masked.v[i]);
}
