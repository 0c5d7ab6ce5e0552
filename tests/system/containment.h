/* containment: what the tests of containment share: directories to be hidden and to work in, an
 * engine's loop and sandbox in one of the modes, commands that run in it, and the attacker. */
#ifndef TEST_CONTAINMENT_H
#define TEST_CONTAINMENT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
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
#include "tests/lib/proc.h"

#define DEADLINE (60 * NS_PER_SEC)
/* What a user was promised; a sanitizer makes everything several times slower. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SECOND_MS 5000
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SECOND_MS 5000
#endif
#endif
#ifndef SECOND_MS
#define SECOND_MS 1000
#endif

/* dir/{bin,outside,run,user,user/.spacebot,user/.spacebot/workspace,extra} */
static char *dir, *bin, *outside, *run_dir, *user, *home, *ws, *extra, *launcher;
static char mark[64];
static enum sandbox_mode mode; /* under test */
static unsigned contained;     /* tests that ran behind walls */
static volatile sig_atomic_t hits;

static struct loop *l;
static struct sandbox *sb;
static unsigned ready;
static struct cause why;

/* ---- files -------------------------------------------------------------------------------------
 */

static char *make_dir(const char *parent, const char *name) {
    char *path = xasprintf("%s/%s", parent, name);
    assert_int_equal(mkdir(path, 0755), 0);
    return path;
}

static void write_file(const char *parent, const char *name, const char *text) {
    char *path = xasprintf("%s/%s", parent, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    x_free(&path);
}

static bool exists(const char *parent, const char *name) {
    char *path = xasprintf("%s/%s", parent, name);
    bool there = access(path, F_OK) == 0;
    x_free(&path);
    return there;
}

static char *copy_program(const char *from, const char *parent, const char *name) {
    char *to = xasprintf("%s/%s", parent, name);
    int in = open(from, O_RDONLY | O_CLOEXEC);
    int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
    struct stat st;
    if (in < 0 || out < 0 || fstat(in, &st) < 0)
        fail_msg("%s: %s", from, strerror(errno));
    while (sendfile(out, in, NULL, (size_t)st.st_size) > 0)
        continue;
    close(in);
    close(out);
    return to;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *f) {
    (void)st;
    (void)type;
    (void)f;
    return remove(path);
}

/* A program of the build: named by make check, or found from this program's own place. */
static char *built(const char *variable, const char *name) {
    const char *named = variable ? getenv(variable) : NULL;
    if (named)
        return xstrdup(named);
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    assert_true(n > 0);
    self[n] = '\0';
    for (int i = 0; i < 3; i++)
        *strrchr(self, '/') = '\0';
    return xasprintf("%s/%s", self, name);
}

static const char *launcher_source, *attack_source;

/* Where the directories of the tests are made. */
static char *base;

/* Once for each mode. */
static int setup_dirs(void **state) {
    (void)state;
    dir = xasprintf("%s/sbcontain-XXXXXX", base);
    assert_non_null(mkdtemp(dir));
    assert_int_equal(chmod(dir, 0755), 0);
    bin = make_dir(dir, "bin");
    outside = make_dir(dir, "outside");
    run_dir = make_dir(dir, "run");
    user = make_dir(dir, "user");
    extra = make_dir(dir, "extra");
    home = make_dir(user, ".spacebot");
    ws = make_dir(home, "workspace");
    launcher = copy_program(launcher_source, bin, "spacebot-run");
    char *attack = copy_program(attack_source, ws, "attack");
    x_free(&attack);
    write_file(user, "private", "private-text\n");
    write_file(home, "token", "token-text\n");
    write_file(run_dir, "token", "token-text\n");
    write_file(outside, "file", "outside-text\n");
    return 0;
}

static int teardown_dirs(void **state) {
    (void)state;
    nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    char **all[] = {&dir, &bin, &outside, &run_dir, &user, &home, &ws, &extra, &launcher};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        x_free(all[i]);
    return 0;
}

/* ---- an engine ---------------------------------------------------------------------------------
 */

static void on_ready(void *arg) { (*(unsigned *)arg)++; }

static unsigned max_processes;
static const char *bubblewrap; /* in the place of the system's */

/* Loop and sandbox of this process. False when this machine has not got the mode. */
static bool engine_up(void) {
    l = loop_new(LOOP_REAL);
    child_subreaper();
    const struct sandbox_config c = {.launcher = launcher,
                                     .launcher_dir = run_dir,
                                     .bubblewrap = bubblewrap,
                                     .home = user,
                                     .spacebot_home = home,
                                     .runtime_dir = run_dir,
                                     .writable_paths = (const char *const[]){extra, NULL},
                                     .required = mode != SANDBOX_NONE,
                                     .max_processes = max_processes,
                                     .strongest = mode};
    ready = 0;
    if (sandbox_new(l, &c, on_ready, &ready, &sb, &why) != STATUS_OK)
        fail_msg("%s", why.text);
    int64_t end = clock_mono_ns() + DEADLINE;
    while (!ready && clock_mono_ns() < end)
        loop_turn(l, NS_PER_SEC);
    assert_int_equal(ready, 1);
    return sandbox_mode(sb) == mode;
}

static void engine_down(void) {
    sandbox_free(&sb);
    child_shutdown();
    loop_free(&l);
    max_processes = 0;
    bubblewrap = NULL;
}

static int setup(void **state) {
    (void)state;
    /* Unique to the test, in every command line of its processes. */
    static unsigned serial;
    snprintf(mark, sizeof mark, "mark-%d-%u", (int)getpid(), serial++);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    if (l)
        engine_down();
    return 0;
}

/* Whether bubblewrap as such works for this user: asked in few words of its own, so that a fault in
 * ours is not taken for a machine that cannot. */
static bool has_bubblewrap(void) {
    return system("bwrap --unshare-user --unshare-pid --ro-bind / / --dev /dev --proc /proc "
                  "--tmpfs /tmp true > /dev/null 2>&1") == 0;
}

static bool machine_has_mode(void) {
    switch (mode) {
    case SANDBOX_BUBBLEWRAP_LANDLOCK:
        return has_bubblewrap() && landlock_abi() > 0;
    case SANDBOX_BUBBLEWRAP:
        return has_bubblewrap();
    case SANDBOX_LANDLOCK:
        return landlock_abi() > 0;
    case SANDBOX_NONE:
        return true;
    }
    abort();
}

static void need_engine(void) {
    if (!engine_up()) {
        if (machine_has_mode())
            fail_msg("%s should work here: %s", sandbox_mode_name(mode), sandbox_reason(sb));
        print_message("skipped: no %s here: %s\n", sandbox_mode_name(mode), sandbox_reason(sb));
        skip();
    }
    if (mode != SANDBOX_NONE)
        contained++;
}

/* ---- commands ----------------------------------------------------------------------------------
 */

struct command {
    struct child *child;
    struct buf out, err;
    size_t ups, bytes;
    bool ended, signalled;
    int code; /* 128 + n for a signal, as bubblewrap gives it */
    bool no_network;
    const char *const *argv, *const *env;
    const char *in_dir;
    bool count_only;
};

static void on_line(void *arg, int stream, const char *line, size_t n, bool partial) {
    struct command *c = arg;
    c->bytes += n;
    if (n == 2 && memcmp(line, "up", 2) == 0) {
        c->ups++;
        return;
    }
    if (c->count_only)
        return;
    struct buf *b = stream == 1 ? &c->out : &c->err;
    buf_append(b, line, n);
    if (!partial)
        buf_putc(b, '\n');
}

static void on_exit_command(void *arg, struct child_exit how) {
    struct command *c = arg;
    c->child = NULL;
    c->ended = true;
    c->signalled = how.signalled;
    c->code = how.signalled ? 128 + how.code : how.code;
}

static void start(struct command *c, const char *text) {
    struct sandbox_command made = {0};
    const struct sandbox_request r = {.workspace = ws,
                                      .dir = c->in_dir,
                                      .command = text,
                                      .argv = c->argv,
                                      .env = c->env,
                                      .no_network = c->no_network};
    if (sandbox_command(sb, &r, &made, &why) != STATUS_OK)
        fail_msg("%s", why.text);
    struct child_spec spec = {
        .name = "test", .on_line = on_line, .on_exit = on_exit_command, .arg = c};
    sandbox_command_spec(&made, &spec);
    if (child_spawn(l, &spec, &c->child, &why) != STATUS_OK)
        fail_msg("%s", why.text);
    sandbox_command_free(&made);
}

static void finish(struct command *c) {
    int64_t end = clock_mono_ns() + DEADLINE;
    while (!c->ended && clock_mono_ns() < end)
        loop_turn(l, NS_PER_SEC);
    if (!c->ended)
        fail_msg("not ended; said %s / %s", buf_str(&c->out), buf_str(&c->err));
}

static void command_free(struct command *c) {
    buf_free(&c->out);
    buf_free(&c->err);
}

static void run(struct command *c, const char *text) {
    start(c, text);
    finish(c);
}

static void expect(const char *text, int code, const char *out) {
    struct command c = {0};
    run(&c, text);
    if (c.code != code || (out && !str_eq(buf_str(&c.out), out)))
        fail_msg("%s: %d, \"%s\", \"%s\"", text, c.code, buf_str(&c.out), buf_str(&c.err));
    command_free(&c);
}

/* The attack ran, and nothing was got. */
static void defended_in(struct command *c, const char *attack) {
    char *text = xasprintf("./attack %s", attack);
    run(c, text);
    if (c->code != 0 || !strstr(buf_str(&c->out), "tried ") || strstr(buf_str(&c->out), "GOT "))
        fail_msg("%s: %d, %s%s", attack, c->code, buf_str(&c->out), buf_str(&c->err));
    command_free(c);
    x_free(&text);
}

static void defended(const char *attack) { defended_in(&(struct command){0}, attack); }

#endif
