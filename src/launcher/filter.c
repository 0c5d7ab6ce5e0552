/* filter: the system calls that the command is refused. A list of what is denied, not of what is
 * allowed: the walls are namespaces and Landlock, and this closes what those leave open. */
#include <errno.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "launcher/launcher.h"

/* Younger than some C libraries. */
#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif
#ifndef CLONE_NEWCGROUP
#define CLONE_NEWCGROUP 0x02000000
#endif

/* Linux calls whose `argument`-th argument names a process other than 0, "myself". */
struct by_pid {
    int call;
    unsigned argument;
};

static void deny(scmp_filter_ctx f, int err, int call, unsigned n, const struct scmp_arg_cmp *a) {
    int rc = seccomp_rule_add_array(f, SCMP_ACT_ERRNO((uint32_t)err), call, n, a);
    /* Absent on this architecture is as good as denied. */
    if (rc < 0 && rc != -EDOM && rc != -ENOSYS)
        fail(-rc, "no filter for system call %d", call);
}

static void deny_calls(scmp_filter_ctx f, int err, const int *calls, size_t n) {
    for (size_t i = 0; i < n; i++)
        deny(f, err, calls[i], 0, NULL);
}

#define DENY_CALLS(f, err, ...)                                                                    \
    do {                                                                                           \
        static const int calls[] = {__VA_ARGS__};                                                  \
        deny_calls(f, err, calls, sizeof calls / sizeof *calls);                                   \
    } while (0)

/* The kernel looks at the low half of an int: so must we, or a set bit above gets past. */
static void deny_low32(scmp_filter_ctx f, int err, int call, unsigned argument, uint64_t value) {
    const struct scmp_arg_cmp a[] = {
        {.arg = argument, .op = SCMP_CMP_MASKED_EQ, .datum_a = UINT32_MAX, .datum_b = value}};
    deny(f, err, call, 1, a);
}

/* Typing into a terminal that we might have inherited after all. The kernel looks at the low 32
 * bits only. */
static void deny_terminal_input(scmp_filter_ctx f) {
    static const uint64_t requests[] = {TIOCSTI, 0x541C /* TIOCLINUX */};
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        deny_low32(f, EPERM, SCMP_SYS(ioctl), 1, requests[i]);
    }
}

static void deny_flag(scmp_filter_ctx f, int call, unsigned argument, uint64_t flag) {
    const struct scmp_arg_cmp a[] = {
        {.arg = argument, .op = SCMP_CMP_MASKED_EQ, .datum_a = flag, .datum_b = flag}};
    deny(f, EPERM, call, 1, a);
}

#if defined(__s390__) || defined(__s390x__)
#define CLONE_FLAGS 1
#else
#define CLONE_FLAGS 0
#endif

/* No namespaces of its own: they would bring back capabilities and mounts. clone3 hides its flags
 * from filters, and every C library falls back to clone. */
static void deny_namespaces(scmp_filter_ctx f) {
    static const uint64_t flags[] = {CLONE_NEWNS,   CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC,
                                     CLONE_NEWUSER, CLONE_NEWPID,    CLONE_NEWNET, CLONE_NEWTIME};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        deny_flag(f, SCMP_SYS(unshare), 0, flags[i]);
        /* In clone's low byte CLONE_NEWTIME belongs to the exit signal. */
        if (flags[i] != CLONE_NEWTIME)
            deny_flag(f, SCMP_SYS(clone), CLONE_FLAGS, flags[i]);
    }
    DENY_CALLS(f, ENOSYS, SCMP_SYS(clone3));
    DENY_CALLS(f, EPERM, SCMP_SYS(setns), SCMP_SYS(mount), SCMP_SYS(umount), SCMP_SYS(umount2),
               SCMP_SYS(pivot_root), SCMP_SYS(open_tree), SCMP_SYS(move_mount), SCMP_SYS(fsopen),
               SCMP_SYS(fsconfig), SCMP_SYS(fsmount), SCMP_SYS(fspick), SCMP_SYS(mount_setattr));
}

/* Much kernel for little use in a build or a script; io_uring would also do system calls behind
 * this filter's back. The kernel's keyrings are not divided by namespaces and may hold the person's
 * keys. Programs know ENOSYS. */
static void deny_attack_surface(scmp_filter_ctx f) {
    DENY_CALLS(f, ENOSYS, SCMP_SYS(io_uring_setup), SCMP_SYS(io_uring_enter),
               SCMP_SYS(io_uring_register), SCMP_SYS(keyctl), SCMP_SYS(add_key),
               SCMP_SYS(request_key), SCMP_SYS(userfaultfd));
    DENY_CALLS(f, EPERM, SCMP_SYS(bpf), SCMP_SYS(open_by_handle_at));
}

/* Without a PID namespace the engine is in sight, and belongs to the same user. Landlock guards its
 * memory and files, and since ABI 6 its signals; limits and priorities it does not know. */
static void deny_others(scmp_filter_ctx f, pid_t guard, pid_t launcher) {
    static const struct by_pid calls[] = {
        {SCMP_SYS(prlimit64), 0},         {SCMP_SYS(sched_setscheduler), 0},
        {SCMP_SYS(sched_setparam), 0},    {SCMP_SYS(sched_setattr), 0},
        {SCMP_SYS(sched_setaffinity), 0}, {SCMP_SYS(setpriority), 1},
        {SCMP_SYS(ioprio_set), 1},        {SCMP_SYS(migrate_pages), 0},
        {SCMP_SYS(move_pages), 0}};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        const struct scmp_arg_cmp a[] = {
            {.arg = calls[i].argument, .op = SCMP_CMP_NE, .datum_a = 0}};
        deny(f, EPERM, calls[i].call, 1, a);
    }
    /* "All of my user's processes" comes with a 0, too. */
    deny_low32(f, EPERM, SCMP_SYS(setpriority), 0, PRIO_USER);
    deny_low32(f, EPERM, SCMP_SYS(ioprio_set), 0, 3 /* IOPRIO_WHO_USER */);

    const uint32_t never[] = {(uint32_t)-1, (uint32_t)guard, (uint32_t)-guard, (uint32_t)launcher,
                              (uint32_t)-launcher};
    static const int signals[] = {SCMP_SYS(kill),
                                  SCMP_SYS(tkill),
                                  SCMP_SYS(tgkill),
                                  SCMP_SYS(rt_sigqueueinfo),
                                  SCMP_SYS(rt_tgsigqueueinfo),
                                  SCMP_SYS(pidfd_open)};
    for (size_t i = 0; i < sizeof never / sizeof *never; i++) {
        if (never[i] == 0)
            continue; /* no guard: 0 is the command's own group */
        for (size_t j = 0; j < sizeof signals / sizeof *signals; j++)
            deny_low32(f, EPERM, signals[j], 0, never[i]);
    }
}

static void deny_network(scmp_filter_ctx f) {
    const struct scmp_arg_cmp a[] = {{.arg = 0, .op = SCMP_CMP_NE, .datum_a = AF_UNIX}};
    deny(f, EACCES, SCMP_SYS(socket), 1, a);
    DENY_CALLS(f, EACCES, SCMP_SYS(socketcall)); /* its arguments are in memory */
}

/* Programs of the machine's 32-bit sibling run under the same rules; calls of an unknown table do
 * not exist. */
static void add_architectures(scmp_filter_ctx f) {
    int rc = seccomp_attr_set(f, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS));
#if defined(__x86_64__)
    if (rc == 0)
        rc = seccomp_arch_add(f, SCMP_ARCH_X86);
#elif defined(__aarch64__)
    if (rc == 0)
        rc = seccomp_arch_add(f, SCMP_ARCH_ARM);
#endif
    if (rc < 0 && rc != -EEXIST)
        fail(-rc, "system call filter");
}

void filter_load(const struct stage2 *s, pid_t launcher) {
    scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
    if (!f)
        fail(ENOMEM, "system call filter");
    add_architectures(f);
    deny_terminal_input(f);
    deny_namespaces(f);
    deny_attack_surface(f);
    if (s->shared_pids)
        deny_others(f, s->guard, launcher);
    if (s->no_net)
        deny_network(f);
    int rc = seccomp_load(f);
    if (rc < 0)
        fail(-rc, "cannot load the system call filter");
    seccomp_release(f);
}
