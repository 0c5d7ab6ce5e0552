/* attack: what a hostile command does, one attempt after the other. Started inside the containment
 * by test_containment. Each attempt that succeeds prints "GOT what"; the last line is "tried N", so
 * that a run which never came to the attempts is not taken for a defence. Only the C library. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static unsigned tried;

static void attempt(const char *what, bool success) {
    tried++;
    if (success)
        printf("GOT %s\n", what);
}

/* ---- not to be ended ---------------------------------------------------------------------------
 */

_Noreturn static void hang(void) {
    for (int sig = 1; sig < NSIG; sig++)
        signal(sig, SIG_IGN);
    if (write(STDOUT_FILENO, "up\n", 3) < 0)
        _exit(1);
    for (;;)
        pause();
}

/* A subreaper of its own, below it a child, and a grandchild in another session whose parent is
 * gone. */
_Noreturn static void nest(void) {
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    if (fork() == 0)
        hang();
    pid_t middle = fork();
    if (middle == 0) {
        setsid();
        if (fork() == 0) {
            setsid();
            hang();
        }
        _exit(0);
    }
    waitpid(middle, NULL, 0);
    hang();
}

/* How many processes it can start before the system says no. */
static int count_forks(int most) {
    int n = 0;
    while (n < most) {
        pid_t pid = fork();
        if (pid < 0)
            break;
        if (pid == 0)
            for (;;)
                pause();
        n++;
    }
    printf("forked %d\n", n);
    return 0;
}

_Noreturn static void bomb(void) {
    if (write(STDOUT_FILENO, "up\n", 3) < 0)
        _exit(1);
    for (;;)
        if (fork() == 0)
            setsid();
}

/* ---- others' processes -------------------------------------------------------------------------
 */

static void on_process(pid_t pid) {
    union sigval v = {0};
    attempt("kill", kill(pid, SIGUSR1) == 0);
    attempt("kill of the group", kill(-pid, SIGUSR1) == 0);
    attempt("tkill", syscall(SYS_tkill, pid, SIGUSR1) == 0);
    attempt("tgkill", syscall(SYS_tgkill, pid, pid, SIGUSR1) == 0);
    attempt("sigqueue", sigqueue(pid, SIGUSR1, v) == 0);
    int fd = pidfd_open(pid, 0);
    attempt("pidfd", fd >= 0 && pidfd_send_signal(fd, SIGUSR1, NULL, 0) == 0);
    char path[64];
    snprintf(path, sizeof path, "/proc/%d", (int)pid);
    fd = open(path, O_RDONLY | O_DIRECTORY);
    attempt("its directory as pidfd", fd >= 0 && pidfd_send_signal(fd, SIGUSR1, NULL, 0) == 0);

    struct rlimit limit;
    attempt("prlimit", prlimit(pid, RLIMIT_NOFILE, NULL, &limit) == 0);
    attempt("setpriority", setpriority(PRIO_PROCESS, (id_t)pid, 5) == 0);
    struct sched_param param = {0};
    attempt("scheduler", sched_setscheduler(pid, SCHED_BATCH, &param) == 0);
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(0, &cpus);
    attempt("affinity", sched_setaffinity(pid, sizeof cpus, &cpus) == 0);
    attempt("ptrace", ptrace(PTRACE_SEIZE, pid, NULL, NULL) == 0);
    char c;
    struct iovec local = {&c, 1}, remote = {(void *)&tried, 1};
    attempt("memory", process_vm_readv(pid, &local, 1, &remote, 1, 0) == 1 ||
                          (errno != EPERM && errno != ESRCH && errno != ENOSYS));
    static const char *const files[] = {"environ", "mem", "maps", "fd/0", "root/etc/passwd"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, files[i]);
        attempt(files[i], open(path, O_RDONLY | O_NONBLOCK) >= 0);
    }
}

/* With nobody's PID namespace around: all of the user's. */
static void on_everybody(void) {
    attempt("kill of all", kill(-1, 0) == 0);
    attempt("priority of the user", setpriority(PRIO_USER, 0, 1) == 0);
    attempt("priority of the user, with a high bit",
            syscall(SYS_setpriority, (1UL << 32) | PRIO_USER, 0, 1) == 0);
}

/* ---- the walls ---------------------------------------------------------------------------------
 */

static void on_namespaces(void) {
    static const struct {
        const char *name;
        int flag;
    } all[] = {{"user", CLONE_NEWUSER},    {"mount", CLONE_NEWNS}, {"pid", CLONE_NEWPID},
               {"net", CLONE_NEWNET},      {"ipc", CLONE_NEWIPC},  {"uts", CLONE_NEWUTS},
               {"cgroup", CLONE_NEWCGROUP}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        attempt(all[i].name, unshare(all[i].flag) == 0);
        attempt(all[i].name, unshare(CLONE_NEWUSER | all[i].flag) == 0);
        long pid = syscall(SYS_clone, CLONE_NEWUSER | all[i].flag | SIGCHLD, NULL, NULL, NULL, 0);
        if (pid == 0)
            _exit(0);
        attempt("clone", pid > 0);
    }
    int fd = open("/proc/1/ns/mnt", O_RDONLY);
    attempt("setns", fd >= 0 && setns(fd, 0) == 0);
}

static void on_mounts(const char *hidden) {
    attempt("umount", umount2(hidden, MNT_DETACH) == 0);
    attempt("umount /tmp", umount2("/tmp", MNT_DETACH) == 0);
    attempt("remount", mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL) == 0);
    attempt("mount", mount("none", "/tmp", "tmpfs", 0, NULL) == 0);
    attempt("bind", mount("/", "/tmp", NULL, MS_BIND | MS_REC, NULL) == 0);
    attempt("pivot_root", syscall(SYS_pivot_root, ".", ".") == 0);
    attempt("chroot", chroot("/tmp") == 0);
    attempt("fsopen", syscall(SYS_fsopen, "tmpfs", 0) >= 0);
    attempt("open_tree", syscall(SYS_open_tree, AT_FDCWD, "/", 1 /* OPEN_TREE_CLONE */) >= 0);
}

static void on_devices(void) {
    attempt("block device", mknod("disk", S_IFBLK | 0600, makedev(254, 0)) == 0);
    attempt("character device", mknod("memory", S_IFCHR | 0600, makedev(1, 1)) == 0);
    attempt("terminal input", ioctl(0, TIOCSTI, "x") == 0 || errno != EPERM);
    attempt("terminal input, with a high bit",
            syscall(SYS_ioctl, 0, (1UL << 32) | TIOCSTI, "x") == 0 || errno != EPERM);
    attempt("controlling terminal", open("/dev/tty", O_RDWR) >= 0);
    attempt("kernel log", open("/dev/kmsg", O_RDONLY) >= 0);
    attempt("core pattern", open("/proc/sys/kernel/core_pattern", O_WRONLY) >= 0);
    attempt("sysrq", open("/proc/sysrq-trigger", O_WRONLY) >= 0);
    attempt("sysfs", open("/sys/kernel/mm/ksm/run", O_WRONLY) >= 0);
}

static void on_privileges(void) {
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct caps[2];
    memset(caps, 0, sizeof caps);
    attempt("capget", syscall(SYS_capget, &head, caps) < 0);
    attempt("capabilities",
            caps[0].effective || caps[1].effective || caps[0].permitted || caps[1].permitted);
    attempt("new privileges", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1);
    attempt("a keyring", syscall(SYS_keyctl, 0, -3, 1) >= 0 || errno != ENOSYS);
    attempt("io_uring", syscall(SYS_io_uring_setup, 1, NULL) >= 0 || errno != ENOSYS);
    attempt("bpf", syscall(SYS_bpf, 0, NULL, 0) >= 0 || errno != EPERM);
    struct rlimit core;
    attempt("core files", getrlimit(RLIMIT_CORE, &core) < 0 || core.rlim_max != 0);
    for (int fd = 3; fd < 256; fd++)
        attempt("a descriptor", fcntl(fd, F_GETFD) >= 0);
}

/* ---- sockets -----------------------------------------------------------------------------------
 */

static void on_port(int port) {
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    attempt("connection", fd >= 0 && connect(fd, (const struct sockaddr *)&to, sizeof to) == 0);
    fd = socket(AF_INET, SOCK_DGRAM, 0);
    attempt("datagram", fd >= 0 && connect(fd, (const struct sockaddr *)&to, sizeof to) == 0 &&
                            send(fd, "x", 1, 0) == 1 && send(fd, "x", 1, 0) == 1);
}

static void on_abstract(const char *name) {
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    snprintf(to.sun_path + 1, sizeof to.sun_path - 1, "%s", name);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    socklen_t n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name));
    attempt("abstract socket", fd >= 0 && connect(fd, (const struct sockaddr *)&to, n) == 0);
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "";
    const char *arg = argc > 2 ? argv[2] : "";
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (strcmp(what, "hang") == 0)
        hang();
    if (strcmp(what, "nest") == 0)
        nest();
    if (strcmp(what, "bomb") == 0)
        bomb();
    if (strcmp(what, "forks") == 0)
        return count_forks(atoi(arg));
    if (strcmp(what, "process") == 0)
        on_process(atoi(arg));
    else if (strcmp(what, "everybody") == 0)
        on_everybody();
    else if (strcmp(what, "namespaces") == 0)
        on_namespaces();
    else if (strcmp(what, "mounts") == 0)
        on_mounts(arg);
    else if (strcmp(what, "devices") == 0)
        on_devices();
    else if (strcmp(what, "privileges") == 0)
        on_privileges();
    else if (strcmp(what, "port") == 0)
        on_port(atoi(arg));
    else if (strcmp(what, "abstract") == 0)
        on_abstract(arg);
    else
        return 2;
    printf("tried %u\n", tried);
    fflush(stdout);
    _exit(0);
}
