/* sandbox: what is refused before anything starts, the environment that commands get, and the file
 * tools' way in with every attack on it that needs no second mount. Containment itself is
 * tests/system/test_containment.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "sandbox/policy.h"
#include "sandbox/sandbox.h"

/* dir/{user,user/.spacebot,user/.spacebot/workspace,run,outside,extra} */
static char *dir, *user, *home, *ws, *run_dir, *outside, *extra;
static struct loop *l;
static struct sandbox *sb;
static struct cause why;
static unsigned ready;

static void on_ready(void *arg) { (*(unsigned *)arg)++; }

static char *make_dir(const char *parent, const char *name) {
    char *path = xasprintf("%s/%s", parent, name);
    assert_int_equal(mkdir(path, 0700), 0);
    return path;
}

static void write_file(const char *parent, const char *name, const char *text) {
    char *path = xasprintf("%s/%s", parent, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    x_free(&path);
}

static void link_to(const char *target, const char *parent, const char *name) {
    char *path = xasprintf("%s/%s", parent, name);
    assert_int_equal(symlink(target, path), 0);
    x_free(&path);
}

/* The launcher: named by make check, or beside this program's directory. */
static char *launcher_path(void) {
    const char *named = getenv("SPACEBOT_RUN");
    if (named)
        return xstrdup(named);
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    assert_true(n > 0);
    self[n] = '\0';
    for (int i = 0; i < 3; i++)
        *strrchr(self, '/') = '\0';
    return xasprintf("%s/spacebot-run", self);
}

static struct sandbox_config config(void) {
    static char *launcher;
    if (!launcher)
        launcher = launcher_path();
    return (struct sandbox_config){.launcher = launcher,
                                   .home = user,
                                   .spacebot_home = home,
                                   .runtime_dir = run_dir,
                                   .required = true};
}

static void make_sandbox(const struct sandbox_config *c) {
    sandbox_free(&sb);
    ready = 0;
    if (sandbox_new(l, c, on_ready, &ready, &sb, &why) != STATUS_OK)
        fail_msg("%s", why.text);
}

static void wait_ready(void) {
    int64_t end = clock_mono_ns() + 60 * NS_PER_SEC;
    while (!ready && clock_mono_ns() < end)
        loop_turn(l, NS_PER_SEC);
    assert_int_equal(ready, 1);
}

static int setup(void **state) {
    (void)state;
    char template[] = "/tmp/sbsandbox-XXXXXX";
    assert_non_null(mkdtemp(template));
    dir = realpath(template, NULL);
    user = make_dir(dir, "user");
    home = make_dir(user, ".spacebot");
    ws = make_dir(home, "workspace");
    run_dir = make_dir(dir, "run");
    outside = make_dir(dir, "outside");
    extra = make_dir(dir, "extra");
    write_file(outside, "secret", "secret");
    write_file(ws, "file", "inside");
    l = loop_new(LOOP_REAL);
    const struct sandbox_config c = config();
    make_sandbox(&c);
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *f) {
    (void)st;
    (void)type;
    (void)f;
    return remove(path);
}

static int teardown(void **state) {
    (void)state;
    sandbox_free(&sb);
    child_shutdown();
    loop_free(&l);
    nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    char **all[] = {&dir, &user, &home, &ws, &run_dir, &outside, &extra};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        free(*all[i]);
    return 0;
}

/* ---- workspaces and configuration --------------------------------------------------------------
 */

static void expect_workspace(const char *path, enum status want, const char *text) {
    char *out = NULL;
    why.text[0] = '\0';
    enum status s = sandbox_workspace(sb, path, &out, &why);
    if (s != want || (text && !strstr(why.text, text)))
        fail_msg("%s: %s (%s)", path, status_name(s), why.text);
    if (s == STATUS_OK)
        assert_string_equal(out, text ? text : path);
    x_free(&out);
}

static void workspaces(void **state) {
    (void)state;
    expect_workspace(ws, STATUS_OK, NULL);
    expect_workspace(extra, STATUS_OK, NULL);
    expect_workspace("/", STATUS_DENIED, "root directory");
    expect_workspace(dir, STATUS_DENIED, user);
    expect_workspace(user, STATUS_DENIED, user);
    expect_workspace(home, STATUS_DENIED, home);
    expect_workspace(run_dir, STATUS_DENIED, NULL);
    char *below = make_dir(run_dir, "below");
    expect_workspace(below, STATUS_DENIED, "control socket");
    x_free(&below);
    char *path = xasprintf("%s/file", ws);
    expect_workspace(path, STATUS_INVALID, "not a directory");
    x_free(&path);
    path = xasprintf("%s/none", ws);
    expect_workspace(path, STATUS_NOT_FOUND, "none");
    x_free(&path);
    /* Another spelling of the home, and of the workspace. */
    link_to(user, outside, "alias");
    path = xasprintf("%s/alias", outside);
    expect_workspace(path, STATUS_DENIED, user);
    x_free(&path);
    path = xasprintf("%s/alias/.spacebot/workspace/../workspace/.", outside);
    char *out = NULL;
    assert_int_equal(sandbox_workspace(sb, path, &out, &why), STATUS_OK);
    assert_string_equal(out, ws);
    x_free(&out);
    x_free(&path);
}

/* The launcher runs outside the walls: no command may replace it. */
static void workspace_with_the_launcher(void **state) {
    (void)state;
    struct sandbox_config c = config();
    char *copy = xasprintf("%s/bin", extra);
    assert_int_equal(mkdir(copy, 0700), 0);
    write_file(copy, "spacebot-run", "#!/bin/sh\n");
    char *launcher = xasprintf("%s/spacebot-run", copy);
    assert_int_equal(chmod(launcher, 0700), 0);
    c.launcher = launcher;
    make_sandbox(&c);
    expect_workspace(extra, STATUS_DENIED, "could then replace");
    expect_workspace(ws, STATUS_OK, NULL);
    x_free(&launcher);
    x_free(&copy);
}

static void expect_copy(const char *original) {
    char *copy = xasprintf("%s/spacebot-run", run_dir);
    char *same = xasprintf("cmp -s %s %s", original, copy);
    struct stat st;
    assert_string_equal(sb->launcher, copy);
    assert_int_equal(lstat(copy, &st), 0);
    assert_true(S_ISREG(st.st_mode));
    assert_int_equal(st.st_mode & 07777, 0500);
    assert_int_equal(system(same), 0);
    x_free(&same);
    x_free(&copy);
}

/* Run from where no command can reach it, the built one is a file like any other. */
static void workspace_with_the_launcher_that_is_not_run(void **state) {
    (void)state;
    struct sandbox_config c = config();
    char *launcher = xasprintf("%s/spacebot-run", extra);
    char *copy = xasprintf("%s/spacebot-run", run_dir);
    write_file(extra, "spacebot-run", "#!/bin/sh\n");
    assert_int_equal(chmod(launcher, 0755), 0);
    c.launcher = launcher;
    c.launcher_dir = run_dir;
    make_sandbox(&c);
    expect_workspace(extra, STATUS_OK, NULL);
    expect_copy(launcher);
    struct stat first, second;
    assert_int_equal(stat(copy, &first), 0);
    make_sandbox(&c);
    assert_int_equal(stat(copy, &second), 0);
    assert_int_equal(first.st_ino, second.st_ino); /* the same is used again */
    /* Whatever else is in its place goes: other bytes of the same length, other rights, a link. */
    assert_int_equal(unlink(copy), 0);
    write_file(run_dir, "spacebot-run", "#!/bin/zz\n");
    assert_int_equal(chmod(copy, 0500), 0);
    make_sandbox(&c);
    expect_copy(launcher);
    assert_int_equal(chmod(copy, 0700), 0);
    make_sandbox(&c);
    expect_copy(launcher);
    assert_int_equal(unlink(copy), 0);
    link_to(launcher, run_dir, "spacebot-run");
    make_sandbox(&c);
    expect_copy(launcher);
    x_free(&copy);
    x_free(&launcher);
}

/* Where others could put something in its place there is no copy, and the refusal is back. */
static void a_directory_of_others_keeps_no_launcher(void **state) {
    (void)state;
    struct sandbox_config c = config();
    char *launcher = xasprintf("%s/spacebot-run", extra);
    write_file(extra, "spacebot-run", "#!/bin/sh\n");
    assert_int_equal(chmod(launcher, 0755), 0);
    assert_int_equal(chmod(run_dir, 0770), 0);
    c.launcher = launcher;
    c.launcher_dir = run_dir;
    make_sandbox(&c);
    assert_string_equal(sb->launcher, launcher);
    expect_workspace(extra, STATUS_DENIED, "could then replace");
    x_free(&launcher);
}

/* 0: it ran the original; 1: it did not; 77: no such mount can be made here. */
static int keep_on_noexec(const char *launcher) {
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("none", run_dir, "tmpfs", MS_NOEXEC, "mode=0700") < 0)
        return 77;
    char *kept = launcher_keep(launcher, run_dir);
    return str_eq(kept, launcher) ? 0 : 1;
}

/* A file system that executes nothing is no place for a launcher. */
static void a_directory_without_execution_keeps_no_launcher(void **state) {
    (void)state;
    char *launcher = xasprintf("%s/spacebot-run", extra);
    write_file(extra, "spacebot-run", "#!/bin/sh\n");
    assert_int_equal(chmod(launcher, 0755), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(keep_on_noexec(launcher));
    int how;
    assert_int_equal(waitpid(pid, &how, 0), pid);
    x_free(&launcher);
    assert_true(WIFEXITED(how));
    if (WEXITSTATUS(how) == 77) {
        print_message("skipped: no mount namespace can be made here\n");
        skip();
    }
    assert_int_equal(WEXITSTATUS(how), 0);
}

static void expect_config(const struct sandbox_config *c, const char *text) {
    struct sandbox *other;
    assert_int_equal(sandbox_new(l, c, on_ready, &ready, &other, &why), STATUS_CONFIG);
    assert_null(other);
    if (!strstr(why.text, text))
        fail_msg("\"%s\" is not in \"%s\"", text, why.text);
}

static void configuration(void **state) {
    (void)state;
    struct sandbox_config c = config();
    c.launcher = "/no/such/launcher";
    expect_config(&c, "/no/such/launcher");
    c = config();
    const char *list[] = {extra, NULL, NULL};
    c.writable_paths = list;
    make_sandbox(&c);
    list[1] = "relative";
    expect_config(&c, "relative");
    list[1] = "/no/such/directory";
    expect_config(&c, "/no/such/directory");
    list[1] = user;
    expect_config(&c, user);
    list[1] = home;
    expect_config(&c, home);
    char *inner = make_dir(home, "log");
    list[1] = inner;
    expect_config(&c, "in the spacebot home");
    x_free(&inner);
    list[1] = run_dir;
    expect_config(&c, run_dir);
    list[1] = "/";
    expect_config(&c, "/");
    static const char *const bad[] = {
        "PATH",           "HOME", "LD_PRELOAD", "LD_X", "ANTHROPIC_API_KEY",
        "GLIBC_TUNABLES", "A=B",  "",           "1A",   "A B"};
    c = config();
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        const char *const names[] = {"LANG", bad[i], NULL};
        c.passthrough_env = names;
        expect_config(&c, "passthrough_env");
    }
}

/* It leaves the start to others, but does not let anybody wait. */
static void tried_later(void **state) {
    (void)state;
    struct sandbox_config c = config();
    unsigned waited = 0;
    c.try_after_ms = 3600 * 1000;
    make_sandbox(&c);
    for (int i = 0; i < 100; i++)
        loop_turn(l, 0);
    assert_int_equal(child_count(), 0);
    assert_int_equal(ready, 0);
    (void)sandbox_when_ready(sb, on_ready, &waited);
    wait_ready();
    assert_int_equal(waited, 1);
}

/* ---- commands ----------------------------------------------------------------------------------
 */

static void before_it_is_ready(void **state) {
    (void)state;
    struct sandbox_command command = {0};
    const struct sandbox_request r = {.workspace = ws, .command = "true"};
    assert_false(sandbox_ready(sb));
    assert_int_equal(sandbox_mode(sb), SANDBOX_NONE);
    assert_int_equal(sandbox_command(sb, &r, &command, &why), STATUS_UNAVAILABLE);
    wait_ready();
    assert_true(sandbox_ready(sb));
    /* No trace of the probe. */
    char *pattern = xasprintf("ls -A '%s'", home);
    FILE *f = popen(pattern, "r");
    char line[64] = "";
    assert_non_null(f);
    assert_non_null(fgets(line, sizeof line, f));
    assert_string_equal(line, "workspace\n");
    assert_null(fgets(line, sizeof line, f));
    pclose(f);
    x_free(&pattern);
}

static void freed_while_probing(void **state) {
    (void)state;
    for (int i = 0; i < 3; i++) {
        const struct sandbox_config c = config();
        make_sandbox(&c);
        for (int turn = 0; turn < i; turn++)
            loop_turn(l, 0);
        sandbox_free(&sb);
        assert_null(sb);
        assert_int_equal(ready, 0);
    }
    int64_t end = clock_mono_ns() + 20 * NS_PER_SEC;
    while (child_count() > 0 && clock_mono_ns() < end)
        loop_turn(l, NS_PER_SEC);
    assert_int_equal(child_count(), 0);
    assert_int_equal(ready, 0);
}

static void nothing_contains(void **state) {
    (void)state;
    struct sandbox_config c = config();
    c.strongest = SANDBOX_NONE;
    make_sandbox(&c);
    wait_ready();
    struct sandbox_command command = {0};
    const struct sandbox_request r = {.workspace = ws, .command = "true"};
    assert_int_equal(sandbox_mode(sb), SANDBOX_NONE);
    assert_string_equal(sandbox_mode_name(sandbox_mode(sb)), "none");
    assert_int_equal(sandbox_command(sb, &r, &command, &why), STATUS_DENIED);
    assert_non_null(strstr(why.text, "sandbox.required = false"));
    assert_non_null(strstr(why.text, "bubblewrap"));
    assert_null(command.argv.v);
    c.required = false;
    make_sandbox(&c);
    wait_ready();
    assert_int_equal(sandbox_command(sb, &r, &command, &why), STATUS_OK);
    assert_string_equal(command.dir, ws);
    sandbox_command_free(&command);
}

static const char *value_of(const struct strv *env, const char *name) {
    const char *found = NULL;
    size_t n = strlen(name);
    for (size_t i = 0; i < env->n; i++) {
        if (strncmp(env->v[i], name, n) != 0 || env->v[i][n] != '=')
            continue;
        assert_null(found); /* never twice */
        found = env->v[i] + n + 1;
    }
    return found;
}

static void environment(void **state) {
    (void)state;
    struct sandbox_config c = config();
    c.passthrough_env = (const char *const[]){"LANG", "PASSED", "ABSENT", NULL};
    make_sandbox(&c);
    wait_ready();
    char *path = xasprintf("%s/bin:relative::/usr/bin:/bin:%s/bin", user, ws);
    setenv("PATH", path, 1);
    setenv("LANG", "de_DE.UTF-8", 1);
    setenv("PASSED", "yes", 1);
    setenv("ANTHROPIC_API_KEY", "sk-secret", 1);
    setenv("LD_LIBRARY_PATH", "/tmp", 1);
    setenv("USER", "somebody", 1);
    unsetenv("ABSENT");
    struct sandbox_command command = {0};
    const char *const env[] = {"A=1", "PASSED=mine", "B=x=y", "A=2", NULL};
    const struct sandbox_request r = {.workspace = ws, .command = "true", .env = env};
    enum status s = command_build(sb, SANDBOX_BUBBLEWRAP, &r, &command, &why);
    unsetenv("LD_LIBRARY_PATH");
    assert_int_equal(s, STATUS_OK);
    char *want = xasprintf("/usr/bin:/bin:%s/bin", ws);
    assert_string_equal(value_of(&command.env, "PATH"), want);
    assert_string_equal(value_of(&command.env, "HOME"), ws);
    assert_string_equal(value_of(&command.env, "TMPDIR"), "/tmp");
    assert_string_equal(value_of(&command.env, "LANG"), "de_DE.UTF-8");
    assert_string_equal(value_of(&command.env, "TERM"), "dumb");
    assert_string_equal(value_of(&command.env, "USER"), "somebody");
    assert_string_equal(value_of(&command.env, "PYTHONUNBUFFERED"), "1");
    assert_string_equal(value_of(&command.env, "CI"), "true");
    assert_string_equal(value_of(&command.env, "PASSED"), "mine");
    assert_string_equal(value_of(&command.env, "A"), "2");
    assert_string_equal(value_of(&command.env, "B"), "x=y");
    assert_null(value_of(&command.env, "ANTHROPIC_API_KEY"));
    assert_null(value_of(&command.env, "LD_LIBRARY_PATH"));
    assert_null(value_of(&command.env, "ABSENT"));
    for (size_t i = 0; i < command.argv.n; i++)
        assert_null(strstr(command.argv.v[i], "mine")); /* others can read a command line */
    sandbox_command_free(&command);
    assert_int_equal(command_build(sb, SANDBOX_LANDLOCK, &r, &command, &why), STATUS_OK);
    x_free(&want);
    want = xasprintf("%s/.tmp", ws);
    assert_string_equal(value_of(&command.env, "TMPDIR"), want);
    assert_int_equal(access(want, W_OK), 0);
    sandbox_command_free(&command);
    x_free(&want);
    x_free(&path);
}

static void refused_variables(void **state) {
    (void)state;
    wait_ready();
    static const char *const bad[] = {"PATH=/tmp",
                                      "HOME=/",
                                      "TMPDIR=/x",
                                      "CI=false",
                                      "DEBIAN_FRONTEND=x",
                                      "USER=root",
                                      "LANG=C",
                                      "TERM=xterm",
                                      "LD_PRELOAD=x",
                                      "LD_LIBRARY_PATH=x",
                                      "LD_AUDIT=x",
                                      "DYLD_X=x",
                                      "PYTHONPATH=x",
                                      "PYTHONSTARTUP=x",
                                      "NODE_OPTIONS=x",
                                      "RUBYOPT=x",
                                      "PERL5OPT=x",
                                      "PERL5LIB=x",
                                      "BASH_ENV=x",
                                      "ENV=x",
                                      "GLIBC_TUNABLES=x",
                                      "ASAN_OPTIONS=x",
                                      "BASH_FUNC_ls%%=x",
                                      "no equals sign",
                                      "=x",
                                      "A-B=x"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        const char *const env[] = {"FINE=1", bad[i], NULL};
        const struct sandbox_request r = {.workspace = ws, .command = "true", .env = env};
        struct sandbox_command command = {0};
        enum status s = command_build(sb, SANDBOX_NONE, &r, &command, &why);
        if (s != STATUS_INVALID)
            fail_msg("%s: %s", bad[i], status_name(s));
        assert_null(command.argv.v);
        assert_null(command.env.v);
    }
}

static void starting_directories(void **state) {
    (void)state;
    struct sandbox_config c = config();
    c.writable_paths = (const char *const[]){extra, NULL};
    make_sandbox(&c);
    char *sub = make_dir(ws, "sub");
    link_to(outside, ws, "escape");
    const struct {
        const char *dir;
        enum status want;
    } cases[] = {{NULL, STATUS_OK},        {"", STATUS_OK},           {".", STATUS_OK},
                 {"sub", STATUS_OK},       {sub, STATUS_OK},          {"sub/../sub", STATUS_OK},
                 {extra, STATUS_OK},       {"..", STATUS_DENIED},     {"/", STATUS_DENIED},
                 {outside, STATUS_DENIED}, {"escape", STATUS_DENIED}, {"none", STATUS_NOT_FOUND},
                 {"file", STATUS_INVALID}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct sandbox_request r = {.workspace = ws, .dir = cases[i].dir, .command = "true"};
        struct sandbox_command command = {0};
        enum status s = command_build(sb, SANDBOX_LANDLOCK, &r, &command, &why);
        if (s != cases[i].want)
            fail_msg("%s: %s", cases[i].dir, status_name(s));
        sandbox_command_free(&command);
    }
    x_free(&sub);
}

/* A command in a workspace above ours puts a link in our place. */
static void workspace_becomes_a_link(void **state) {
    (void)state;
    char *inner = make_dir(extra, "inner");
    rmdir(inner);
    link_to(outside, extra, "inner");
    const struct sandbox_request r = {.workspace = inner, .command = "true"};
    struct sandbox_command command = {0};
    assert_int_equal(command_build(sb, SANDBOX_BUBBLEWRAP, &r, &command, &why), STATUS_DENIED);
    assert_non_null(strstr(why.text, "link"));
    int fd;
    assert_int_equal(sandbox_open(sb, inner, "secret", O_RDONLY, 0, false, &fd, &why), STATUS_IO);
    assert_int_equal(fd, -1);
    x_free(&inner);
}

/* ---- opening -----------------------------------------------------------------------------------
 */

static enum status try_open(const char *path, int flags, bool make_dirs, char text[32]) {
    int fd;
    enum status s = sandbox_open(sb, ws, path, flags, 0600, make_dirs, &fd, &why);
    if (s != STATUS_OK) {
        assert_int_equal(fd, -1);
        return s;
    }
    assert_true(fd >= 0);
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
    if (text) {
        ssize_t n = read(fd, text, 31);
        text[n > 0 ? n : 0] = '\0';
    }
    close(fd);
    return s;
}

static void expect_open(const char *path, int flags, bool make_dirs, enum status want,
                        const char *text) {
    why.text[0] = '\0';
    enum status s = try_open(path, flags, make_dirs, NULL);
    if (s != want)
        fail_msg("%s: %s instead of %s (%s)", path, status_name(s), status_name(want), why.text);
    if (text && !strstr(why.text, text))
        fail_msg("%s: \"%s\" is not in \"%s\"", path, text, why.text);
}

static void opening(void **state) {
    (void)state;
    char text[32];
    x_free(&(char *){make_dir(ws, "sub")});
    assert_int_equal(try_open("file", O_RDONLY, false, text), STATUS_OK);
    assert_string_equal(text, "inside");
    char *path = xasprintf("%s/sub/../file", ws);
    assert_int_equal(try_open(path, O_RDONLY, false, text), STATUS_OK);
    assert_string_equal(text, "inside");
    x_free(&path);
    expect_open("./sub/.././/file", O_RDONLY, false, STATUS_OK, NULL);
    expect_open(".", O_RDONLY | O_DIRECTORY, false, STATUS_OK, NULL);
    expect_open(ws, O_RDONLY | O_DIRECTORY, false, STATUS_OK, NULL);
    expect_open("sub", O_RDONLY, false, STATUS_OK, NULL);
    expect_open("none", O_RDONLY, false, STATUS_NOT_FOUND, "none does not exist");
    expect_open("none/file", O_RDWR | O_CREAT, false, STATUS_NOT_FOUND, NULL);
    expect_open("file/x", O_RDONLY, false, STATUS_INVALID, "not a directory");
    expect_open("file/x", O_RDWR | O_CREAT, true, STATUS_INVALID, "not a directory");
    expect_open("file", O_RDONLY | O_DIRECTORY, false, STATUS_INVALID, NULL);
    expect_open("sub", O_WRONLY, false, STATUS_INVALID, "is a directory");
    expect_open("", O_RDONLY, false, STATUS_INVALID, NULL);
    expect_open("file", O_WRONLY | O_CREAT | O_EXCL, false, STATUS_EXISTS, "exists");
    expect_open("a/b/c/new", O_WRONLY | O_CREAT, true, STATUS_OK, NULL);
    expect_open("a/b/c/new", O_RDONLY, false, STATUS_OK, NULL);
    expect_open("file", O_WRONLY | O_TRUNC, false, STATUS_OK, NULL);
    assert_int_equal(try_open("file", O_RDONLY, false, text), STATUS_OK);
    assert_string_equal(text, "");
    char *longest = xmalloc(5000);
    memset(longest, 'x', 4999);
    longest[4999] = '\0';
    expect_open(longest, O_RDONLY, false, STATUS_INVALID, NULL);
    x_free(&longest);
}

static void outside_paths(void **state) {
    (void)state;
    char *secret = xasprintf("%s/secret", outside), *up = xasprintf("%s/../../x", ws);
    char *sibling = xasprintf("%s2", ws); /* the workspace's name is only its beginning */
    assert_int_equal(mkdir(sibling, 0700), 0);
    write_file(sibling, "file", "no");
    char *beside = xasprintf("%s/file", sibling);
    const char *const paths[] = {secret,
                                 up,
                                 "..",
                                 "../../outside/secret",
                                 beside,
                                 "/",
                                 "/etc/passwd",
                                 "sub/../../x",
                                 home,
                                 "../workspace2/file",
                                 "/proc/self/environ"};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        expect_open(paths[i], O_RDONLY, false, STATUS_DENIED, "outside the workspace");
        expect_open(paths[i], O_WRONLY | O_CREAT, true, STATUS_DENIED, "outside the workspace");
    }
    expect_open("/etc/passwd", O_RDONLY, false, STATUS_DENIED, "sandbox.writable_paths");
    expect_open("..", O_RDONLY, false, STATUS_DENIED, "no tool may open it");
    x_free(&secret);
    x_free(&up);
    x_free(&sibling);
    x_free(&beside);
}

static enum status open_granted(const char *path, const char *granted, int flags) {
    int fd = -1;
    enum status s = sandbox_open_granted(sb, ws, path, granted, flags, 0600, true, &fd, &why);
    if (fd >= 0)
        close(fd);
    return s;
}

/* What a person has allowed for one call: that path and what is below it, by no link, and never
 * what is spacebot's own. */
static void granted_paths(void **state) {
    (void)state;
    char *secret = xasprintf("%s/secret", outside), *plain = NULL;
    char *beside = xasprintf("%s2", outside), *made = xasprintf("%s/new/file", outside);
    assert_int_equal(sandbox_locate(sb, ws, secret, &plain), SANDBOX_OUTSIDE);
    assert_string_equal(plain, secret);
    x_free(&plain);
    assert_int_equal(sandbox_locate(sb, ws, "a/../file", &plain), SANDBOX_INSIDE);
    x_free(&plain);
    assert_int_equal(sandbox_locate(sb, ws, "..", &plain), SANDBOX_FORBIDDEN);
    x_free(&plain);
    assert_int_equal(sandbox_locate(sb, ws, "/..", &plain), SANDBOX_FORBIDDEN);
    assert_null(plain);

    assert_int_equal(open_granted(secret, NULL, O_RDONLY), STATUS_DENIED);
    assert_int_equal(open_granted(secret, secret, O_RDONLY), STATUS_OK);
    assert_int_equal(open_granted(secret, outside, O_RDONLY), STATUS_OK);
    assert_int_equal(open_granted(made, outside, O_WRONLY | O_CREAT), STATUS_OK);
    assert_int_equal(open_granted(beside, outside, O_RDONLY), STATUS_DENIED);
    assert_int_equal(open_granted("/etc/passwd", outside, O_RDONLY), STATUS_DENIED);
    char *up = xasprintf("%s/../outside/../outside2", outside);
    assert_int_equal(open_granted(up, outside, O_RDONLY), STATUS_DENIED);
    x_free(&up);
    char *own = xasprintf("%s/../spacebot.db", ws);
    assert_int_equal(open_granted(own, "/", O_RDONLY), STATUS_DENIED);
    assert_non_null(strstr(why.text, "no tool may open it"));
    x_free(&own);
    link_to("/etc", outside, "link");
    char *through = xasprintf("%s/link/passwd", outside);
    assert_int_equal(open_granted(through, outside, O_RDONLY), STATUS_DENIED);
    assert_non_null(strstr(why.text, "symbolic link"));
    x_free(&through);
    x_free(&secret);
    x_free(&beside);
    x_free(&made);
}

static void links(void **state) {
    (void)state;
    x_free(&(char *){make_dir(ws, "sub")});
    char *secret = xasprintf("%s/secret", outside), *made = xasprintf("%s/made", outside);
    link_to(secret, ws, "absolute");
    link_to("../../../outside/secret", ws, "relative");
    link_to(outside, ws, "directory");
    link_to("/proc/self/root", ws, "magic");
    link_to("/proc/self/cwd", ws, "sub/magic");
    link_to("file", ws, "harmless"); /* inside, and refused all the same: it may change */
    link_to("loop", ws, "loop");
    link_to(made, ws, "dangling");
    static const char *const paths[] = {"absolute",         "relative",       "magic/etc/passwd",
                                        "directory/secret", "harmless",       "loop",
                                        "dangling",         "sub/magic/file", "directory"};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        expect_open(paths[i], O_RDONLY, false, STATUS_DENIED, "symbolic link");
        expect_open(paths[i], O_WRONLY | O_CREAT, true, STATUS_DENIED, "symbolic link");
        expect_open(paths[i], O_RDONLY | O_DIRECTORY, false, STATUS_DENIED, "symbolic link");
    }
    assert_int_equal(access(made, F_OK), -1);
    /* ".." is taken by the text: not from where the link leads. */
    expect_open("directory/../file", O_RDONLY, false, STATUS_OK, NULL);
    x_free(&secret);
    x_free(&made);
}

/* A pipe would hold the loop, a device do worse. */
static void special_files(void **state) {
    (void)state;
    char *fifo = xasprintf("%s/fifo", ws);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    expect_open("fifo", O_RDONLY, false, STATUS_INVALID, "not a regular file");
    expect_open("fifo", O_WRONLY, false, STATUS_INVALID, "not a regular file");
    expect_open("fifo", O_RDWR, false, STATUS_INVALID, "not a regular file");
    x_free(&fifo);
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    snprintf(at.sun_path, sizeof at.sun_path, "%s/socket", ws);
    int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(s, (const struct sockaddr *)&at, sizeof at), 0);
    expect_open("socket", O_RDONLY, false, STATUS_INVALID, "not a regular file");
    close(s);
}

static void writable_paths(void **state) {
    (void)state;
    struct sandbox_config c = config();
    c.writable_paths = (const char *const[]){extra, NULL};
    make_sandbox(&c);
    char *path = xasprintf("%s/new/file", extra), *up = xasprintf("%s/../outside/secret", extra);
    expect_open(path, O_WRONLY | O_CREAT, true, STATUS_OK, NULL);
    expect_open(path, O_RDONLY, false, STATUS_OK, NULL);
    expect_open(up, O_RDONLY, false, STATUS_DENIED, NULL);
    link_to(outside, extra, "link");
    x_free(&path);
    path = xasprintf("%s/link/secret", extra);
    expect_open(path, O_RDONLY, false, STATUS_DENIED, "symbolic link");
    x_free(&path);
    x_free(&up);
}

/* Another process exchanges a directory with a link to the outside as fast as it can. */
static void race(void **state) {
    (void)state;
    x_free(&(char *){make_dir(ws, "d")});
    char *d = xasprintf("%s/d", ws), *e = xasprintf("%s/e", ws);
    write_file(d, "secret", "inside");
    assert_int_equal(symlink(outside, e), 0);
    pid_t self = getpid(), flipper = fork();
    assert_true(flipper >= 0);
    if (flipper == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        while (getppid() == self)
            if (renameat2(AT_FDCWD, d, AT_FDCWD, e, RENAME_EXCHANGE) < 0)
                _exit(1);
        _exit(0);
    }
    unsigned inside = 0, refused = 0;
    for (int i = 0; i < 200000 && (i < 20000 || inside < 50 || refused < 50); i++) {
        char text[32] = "";
        enum status s = try_open("d/secret", O_RDONLY, false, text);
        if (s == STATUS_OK) {
            assert_string_equal(text, "inside");
            inside++;
        } else {
            assert_true(s == STATUS_DENIED || s == STATUS_NOT_FOUND || s == STATUS_INVALID);
            refused++;
        }
    }
    kill(flipper, SIGKILL);
    int status;
    assert_int_equal(waitpid(flipper, &status, 0), flipper);
    assert_true(WIFSIGNALED(status));
    assert_true(inside > 0);
    assert_true(refused > 0);
    x_free(&d);
    x_free(&e);
}

static void normalise(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"/a/b", "/a/b"},    {"//a//b/", "/a/b"}, {"/a/./b/.", "/a/b"},        {"/a/../b", "/b"},
        {"/a/b/../..", "/"}, {"/", "/"},          {"/a/..b/...", "/a/..b/..."}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *p = path_normalise(cases[i][0]);
        assert_string_equal(p, cases[i][1]);
        x_free(&p);
    }
    assert_null(path_normalise("/.."));
    assert_null(path_normalise("/a/../../b"));
    assert_true(path_is_below("/a/b", "/a"));
    assert_true(path_is_below("/a", "/a"));
    assert_true(path_is_below("/a", "/"));
    assert_false(path_is_below("/ab", "/a"));
    assert_false(path_is_below("/", "/a"));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(normalise),
                                       TEST(workspaces),
                                       TEST(workspace_with_the_launcher),
                                       TEST(workspace_with_the_launcher_that_is_not_run),
                                       TEST(a_directory_of_others_keeps_no_launcher),
                                       TEST(a_directory_without_execution_keeps_no_launcher),
                                       TEST(configuration),
                                       TEST(before_it_is_ready),
                                       TEST(tried_later),
                                       TEST(freed_while_probing),
                                       TEST(nothing_contains),
                                       TEST(environment),
                                       TEST(refused_variables),
                                       TEST(starting_directories),
                                       TEST(workspace_becomes_a_link),
                                       TEST(opening),
                                       TEST(outside_paths),
                                       TEST(granted_paths),
                                       TEST(links),
                                       TEST(special_files),
                                       TEST(writable_paths),
                                       TEST(race)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
