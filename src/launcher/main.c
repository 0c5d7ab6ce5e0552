/* spacebot-run: starts a command of the engine so that it can be contained and ended for certain.
 *
 *   spacebot-run --life FD --parent PID [--reached FD] [--cgroup DIR]... [--pids N] -- COMMAND
 * ARG... stage 1, outside: watches the command and ends it with all its descendants when it exits,
 * on SIGTERM, or when the life pipe FD closes. COMMAND is bubblewrap, a stage 2, or the command
 * itself.
 *
 *   spacebot-run --stage2 [--reached FD] [--landlock] [--ro PATH]... [--rw PATH]... [--hide
 * PATH]...
 *                [--shared-pids] [--guard PID] [--no-net] [--limit NAME=[+]N]... -- COMMAND ARG...
 *       stage 2, inside: takes rights away from itself, says so on FD, and becomes COMMAND.
 *
 * Both are written by sandbox/, not by people: anything unknown is refused. */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "launcher/launcher.h"

static size_t add_text(char *line, size_t n, size_t size, const char *fmt, va_list ap) {
    int more = vsnprintf(line + n, size - n, fmt, ap);
    if (more < 0)
        return n;
    return (size_t)more < size - n ? n + (size_t)more : size - 1;
}

static void vcomplain(int fd, int err, const char *fmt, va_list ap) {
    static const char name[] = "spacebot-run: ";
    char line[1024];
    size_t n = sizeof name - 1;
    memcpy(line, name, sizeof name);
    n = add_text(line, n, sizeof line - 1, fmt, ap);
    if (err) {
        int more = snprintf(line + n, sizeof line - 1 - n, ": %s", strerror(err));
        if (more > 0)
            n += (size_t)more < sizeof line - 1 - n ? (size_t)more : sizeof line - 2 - n;
    }
    line[n++] = '\n';
    if (write(fd, line, n) < 0)
        return; /* nobody reads our messages any more */
}

void complain(int fd, int err, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    vcomplain(fd, err, fmt, ap);
    va_end(ap);
}

void fail(int err, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    vcomplain(STDERR_FILENO, err, fmt, ap);
    va_end(ap);
    _exit(EXIT_SETUP);
}

/* execvp() reports a directory of PATH that it could not search as if it had found the program in
 * it. */
static bool in_path(const char *name) {
    const char *path = getenv("PATH");
    for (const char *p = path ? path : ""; *p;) {
        char file[PATH_MAX];
        int n = (int)strcspn(p, ":");
        int length = snprintf(file, sizeof file, "%.*s/%s", n, p, name);
        if (length > 0 && (size_t)length < sizeof file && access(file, F_OK) == 0)
            return true;
        p += n + (p[n] == ':');
    }
    return false;
}

void run_command(char **command) {
    const char *name = command[0];
    execvp(name, command);
    int err = errno;
    if (err == EACCES && !strchr(name, '/') && !in_path(name))
        err = ENOENT;
    complain(STDERR_FILENO, err, "cannot run %s", name);
    _exit(err == ENOENT || err == ENOTDIR ? EXIT_NOT_FOUND : EXIT_NOT_RUN);
}

/* ---- arguments ---------------------------------------------------------------------------------
 */

/* A decimal number from `least` to `most`, and nothing else. */
static long number(const char *option, const char *text, long least, long most) {
    char *end;
    errno = 0;
    long n = strtol(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end || errno || n < least || n > most)
        fail(0, "%s: not a number from %ld to %ld: %s", option, least, most, text);
    return n;
}

static const char *absolute(const char *option, const char *text) {
    if (text[0] != '/')
        fail(0, "%s: not an absolute path: %s", option, text);
    return text;
}

static void limit(struct stage2 *s, const char *text) {
    static const struct {
        const char *name;
        int resource;
    } names[] = {{"nproc", RLIMIT_NPROC}, {"core", RLIMIT_CORE},     {"fsize", RLIMIT_FSIZE},
                 {"cpu", RLIMIT_CPU},     {"nofile", RLIMIT_NOFILE}, {"as", RLIMIT_AS}};
    const char *equals = strchr(text, '=');
    size_t n = equals ? (size_t)(equals - text) : 0;
    for (size_t i = 0; n > 0 && i < sizeof names / sizeof *names; i++) {
        if (strlen(names[i].name) != n || memcmp(names[i].name, text, n) != 0)
            continue;
        bool relative = equals[1] == '+';
        if (s->nlimits == STAGE2_LIMITS || (relative && names[i].resource != RLIMIT_NPROC))
            break;
        s->limits[s->nlimits].resource = names[i].resource;
        s->limits[s->nlimits].relative = relative;
        s->limits[s->nlimits++].value =
            (rlim_t)number("--limit", equals + 1 + relative, 0, LONG_MAX);
        return;
    }
    fail(0, "--limit: not one of ours: %s", text);
}

/* The option's value, or the end of the program. */
static char *value(char **argv, int *i) {
    if (!argv[*i + 1])
        fail(0, "%s needs a value", argv[*i]);
    return argv[++*i];
}

static char **command_after(char **argv, int i) {
    if (!argv[i] || !argv[i + 1])
        fail(0, "no command: it follows --");
    return argv + i + 1;
}

static int main_stage1(char **argv) {
    struct stage1 s = {.life = -1, .reached = -1};
    int i = 1;
    for (; argv[i] && strcmp(argv[i], "--") != 0; i++) {
        const char *option = argv[i];
        if (strcmp(option, "--life") == 0) {
            s.life = (int)number(option, value(argv, &i), 3, 1023);
        } else if (strcmp(option, "--parent") == 0) {
            s.parent = (pid_t)number(option, value(argv, &i), 1, INT_MAX);
        } else if (strcmp(option, "--reached") == 0) {
            s.reached = (int)number(option, value(argv, &i), 3, 1023);
        } else if (strcmp(option, "--pids") == 0) {
            s.pids = number(option, value(argv, &i), 1, INT_MAX);
        } else if (strcmp(option, "--cgroup") == 0) {
            if (s.ncgroups == STAGE1_CGROUPS)
                fail(0, "too many --cgroup");
            s.cgroups[s.ncgroups++] = absolute(option, value(argv, &i));
        } else {
            fail(0, "unknown option %s", option);
        }
    }
    s.command = command_after(argv, i);
    if (s.life < 0 || s.parent == 0)
        fail(0, "--life and --parent are needed");
    if (s.life == s.reached)
        fail(0, "--life and --reached are the same descriptor");
    return stage1_run(&s);
}

/* No list is longer than the command line. */
static const char **new_list(int argc) {
    const char **list = calloc((size_t)argc, sizeof *list);
    if (!list)
        fail(errno, "no memory");
    return list;
}

_Noreturn static void main_stage2(int argc, char **argv) {
    struct stage2 s = {
        .reached = -1, .ro = new_list(argc), .rw = new_list(argc), .hide = new_list(argc)};
    int i = 2;
    for (; argv[i] && strcmp(argv[i], "--") != 0; i++) {
        const char *option = argv[i];
        if (strcmp(option, "--reached") == 0)
            s.reached = (int)number(option, value(argv, &i), 3, 1023);
        else if (strcmp(option, "--landlock") == 0)
            s.landlock = true;
        else if (strcmp(option, "--ro") == 0)
            s.ro[s.nro++] = absolute(option, value(argv, &i));
        else if (strcmp(option, "--rw") == 0)
            s.rw[s.nrw++] = absolute(option, value(argv, &i));
        else if (strcmp(option, "--hide") == 0)
            s.hide[s.nhide++] = absolute(option, value(argv, &i));
        else if (strcmp(option, "--shared-pids") == 0)
            s.shared_pids = true;
        else if (strcmp(option, "--guard") == 0)
            s.guard = (pid_t)number(option, value(argv, &i), 1, INT_MAX);
        else if (strcmp(option, "--no-net") == 0)
            s.no_net = true;
        else if (strcmp(option, "--limit") == 0)
            limit(&s, value(argv, &i));
        else
            fail(0, "unknown option %s", option);
    }
    s.command = command_after(argv, i);
    stage2_run(&s);
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "--stage2") == 0)
        main_stage2(argc, argv);
    return main_stage1(argv);
}
