/* stage2: inside the walls. It takes from itself what the command shall not have, in an order in
 * which each step is still allowed by the one before, and becomes the command. Any failure ends it
 * before the command runs. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "launcher/launcher.h"

/* Processes and threads of the whole system, from /proc/loadavg ("0.1 0.2 0.3 running/all last").
 * RLIMIT_NPROC counts all of the user's, who may have many already: what the system has is a bound
 * for that which costs one read. */
static rlim_t tasks_now(void) {
    FILE *f = fopen("/proc/loadavg", "re");
    if (!f)
        fail(errno, "/proc/loadavg");
    unsigned long all = 0;
    int n = fscanf(f, "%*s %*s %*s %*[0-9]/%lu", &all);
    fclose(f);
    if (n != 1)
        fail(0, "/proc/loadavg has another form");
    return all;
}

static void set_limits(const struct stage2 *s) {
    for (size_t i = 0; i < s->nlimits; i++) {
        rlim_t want = s->limits[i].value;
        if (s->limits[i].relative)
            want += tasks_now();
        struct rlimit have;
        if (getrlimit((__rlimit_resource_t)s->limits[i].resource, &have) < 0)
            fail(errno, "getrlimit");
        if (have.rlim_max != RLIM_INFINITY && have.rlim_max < want)
            want = have.rlim_max; /* stricter already */
        const struct rlimit set = {want, want};
        if (setrlimit((__rlimit_resource_t)s->limits[i].resource, &set) < 0)
            fail(errno, "setrlimit");
    }
}

/* For root where no user namespace took them: nothing is left to regain at an exec either. */
static void drop_capabilities(void) {
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2];
    memset(none, 0, sizeof none);
    if (syscall(SYS_capget, &head, none) < 0)
        fail(errno, "capget");
    if (none[0].permitted || none[1].permitted) {
        for (unsigned long cap = 0; cap < 64; cap++)
            if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0 && errno != EINVAL && errno != EPERM)
                fail(errno, "PR_CAPBSET_DROP");
        /* Needs CAP_SETPCAP; without it no_new_privs alone keeps exec from giving anything. */
        (void)prctl(PR_SET_SECUREBITS, SECURE_ALL_BITS | SECURE_ALL_LOCKS, 0, 0, 0);
    }
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    memset(none, 0, sizeof none);
    if (syscall(SYS_capset, &head, none) < 0)
        fail(errno, "capset");
}

void stage2_run(const struct stage2 *s) {
    pid_t launcher = getppid(); /* with shared pids: stage 1 */
    if (s->reached >= 0 && fcntl(s->reached, F_SETFD, FD_CLOEXEC) < 0)
        fail(errno, "no descriptor %d", s->reached);
    set_limits(s);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        fail(errno, "PR_SET_NO_NEW_PRIVS");
    drop_capabilities();
    if (s->landlock)
        landlock_restrict(s);
    filter_load(s, launcher);
    if (s->reached >= 0 && write(s->reached, "R", 1) != 1)
        fail(errno, "descriptor %d", s->reached);
    run_command(s->command);
}
