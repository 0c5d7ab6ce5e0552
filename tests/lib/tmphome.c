/* tmphome: see tmphome.h. */
#include "tests/lib/tmphome.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "tests/lib/proc.h"
#include "tests/lib/wait.h"
#include "tests/lib/where.h"

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw) {
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path), 0;
}

/* The guard: waits for the end of the test, however it ends, and cleans up after it. Not a child of
 * its session, so that a terminal's or a time limit's signal to the test passes it by. */
static void guard(int fd, const char *dir) {
    char c;
    setsid();
    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    while (read(fd, &c, 1) < 0 && errno == EINTR)
        ;
    proc_kill_all(dir);
    nftw(dir, remove_one, 32, FTW_DEPTH | FTW_PHYS);
    _exit(0);
}

static void start_guard(struct tmphome *h) {
    int fd[2];
    if (pipe2(fd, O_CLOEXEC) < 0)
        fail_msg("pipe: %s", strerror(errno));
    h->guard = fork();
    if (h->guard < 0)
        fail_msg("fork: %s", strerror(errno));
    if (h->guard == 0) {
        close(fd[1]);
        /* The test's outputs and pipes are not the guard's: whoever reads them waits for their end.
         */
        for (int other = 0; other < 1024; other++)
            if (other != fd[0])
                close(other);
        guard(fd[0], h->dir);
    }
    close(fd[0]);
    h->guard_fd = fd[1];
}

static char *make_dir(const char *parent, const char *name) {
    char *path = xasprintf("%s/%s", parent, name);
    if (mkdir(path, 0700) < 0)
        fail_msg("%s: %s", path, strerror(errno));
    return path;
}

void tmphome_setenv(struct tmphome *h, const char *name, const char *value) {
    struct strv fresh = {0};
    size_t n = strlen(name);
    for (size_t i = 0; i < h->env.n; i++)
        if (strncmp(h->env.v[i], name, n) != 0 || h->env.v[i][n] != '=')
            strv_push(&fresh, h->env.v[i]);
    if (value)
        strv_pushf(&fresh, "%s=%s", name, value);
    strv_free(&h->env);
    h->env = fresh;
}

/* What the person who runs the tests has set and the program needs, nothing else. */
static void inherit(struct tmphome *h) {
    static const char *const names[] = {"PATH",         "ASAN_OPTIONS", "UBSAN_OPTIONS",
                                        "LSAN_OPTIONS", "TSAN_OPTIONS", "SPACEBOT_RUN"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (getenv(names[i]))
            strv_pushf(&h->env, "%s=%s", names[i], getenv(names[i]));
}

struct tmphome *tmphome_new(const struct fake *f) {
    struct tmphome *h = xcalloc(1, sizeof(*h));
    h->dir = xstrdup("/tmp/sbtest-XXXXXX");
    if (!mkdtemp(h->dir))
        fail_msg("mkdtemp: %s", strerror(errno));
    start_guard(h);
    h->home = make_dir(h->dir, "home");
    h->workspace = make_dir(h->home, "workspace");
    h->run = make_dir(h->dir, "run");
    h->user = make_dir(h->dir, "user");
    inherit(h);
    strv_pushf(&h->env, "SPACEBOT_DIR=%s", h->home);
    strv_pushf(&h->env, "XDG_RUNTIME_DIR=%s", h->run);
    strv_pushf(&h->env, "HOME=%s", h->user);
    strv_push(&h->env, "LC_ALL=C.UTF-8");
    strv_push(&h->env, "TERM=xterm-256color");
    strv_push(&h->env, "SPACEBOT_LOCAL_SERVERS="); /* whatever runs on this machine */
    strv_push(&h->env, "SPACEBOT_LIST_MODELS=no"); /* no requests that a test does not make */
    if (f) {
        strv_pushf(&h->env, "ANTHROPIC_BASE_URL=%s", fake_url(f));
        strv_push(&h->env, "ANTHROPIC_API_KEY=sk-ant-test-0123456789abcdef");
    }
    return h;
}

void tmphome_file(struct tmphome *h, const char *path, const char *text) {
    char *full = xasprintf("%s/%s", h->dir, path);
    for (char *slash = full + strlen(h->dir) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        if (mkdir(full, 0700) < 0 && errno != EEXIST)
            fail_msg("%s: %s", full, strerror(errno));
        *slash = '/';
    }
    FILE *out = fopen(full, "we");
    if (!out || fputs(text, out) < 0 || fclose(out) != 0)
        fail_msg("%s: %s", full, strerror(errno));
    x_free(&full);
}

void tmphome_config(struct tmphome *h, const char *text) {
    tmphome_file(h, "home/spacebot.conf", text);
}

char *tmphome_read(const struct tmphome *h, const char *path) {
    char *full = xasprintf("%s/%s", h->dir, path);
    FILE *in = fopen(full, "re");
    struct buf text = BUF_INIT;
    size_t n;
    x_free(&full);
    if (!in)
        return NULL;
    while ((n = fread(buf_room(&text, 4096), 1, 4096, in)) > 0)
        buf_added(&text, n);
    fclose(in);
    return buf_steal(&text);
}

static struct strv command(const char *const *args) {
    struct strv argv = {0};
    strv_push(&argv, where_spacebot());
    for (; *args; args++)
        strv_push(&argv, *args);
    return argv;
}

static struct run *start(struct tmphome *h, const char *const *args, const char *input) {
    struct strv argv = command(args);
    struct run *r = run_start(&(struct run_spec){
        .argv = (const char *const *)argv.v, .env = h->env.v, .dir = h->user, .input = input});
    strv_free(&argv);
    return r;
}

struct run *tmphome_start(struct tmphome *h, const char *const *args) {
    return start(h, args, NULL);
}

struct run *tmphome_spacebot(struct tmphome *h, const char *const *args, const char *input) {
    struct run *r = start(h, args, input);
    if (!run_wait_exit(r, 2 * WAIT_MS)) {
        fprintf(stderr, "spacebot %s … did not end\n--- stdout\n%s\n--- stderr\n%s\n", args[0],
                run_out(r), run_err(r));
        run_free(&r);
        fail();
    }
    return r;
}

struct pty *tmphome_screen(struct tmphome *h, const char *const *args, int cols, int rows) {
    struct strv argv = command(args);
    struct pty *p = pty_start(&(struct pty_spec){.argv = (const char *const *)argv.v,
                                                 .env = h->env.v,
                                                 .dir = h->user,
                                                 .cols = cols,
                                                 .rows = rows});
    strv_free(&argv);
    return p;
}

pid_t tmphome_engine(struct tmphome *h) {
    struct run *r = tmphome_spacebot(h, ARGS("status", "--json"), NULL);
    cJSON *status = NULL;
    struct cause why;
    if (json_parse(run_out(r), strlen(run_out(r)), &status, &why) != STATUS_OK)
        fail_msg("status --json: %s: %s%s", why.text, run_out(r), run_err(r));
    pid_t pid = json_bool(status, "running", false) ? (pid_t)json_i64(status, "pid", 0) : 0;
    cJSON_Delete(status);
    run_free(&r);
    return pid;
}

char *tmphome_strays(const struct tmphome *h) {
    struct proc_list found;
    proc_find(h->dir, &found);
    return found.n ? proc_describe(&found) : NULL;
}

void tmphome_expect_quiet(const struct tmphome *h, int ms) {
    if (proc_wait_none(proc_find, h->dir, ms))
        return;
    char *left = tmphome_strays(h);
    fprintf(stderr, "processes are left:\n%s\n", left ? left : "(gone by now)");
    x_free(&left);
    fail();
}

void tmphome_free(struct tmphome **hp) {
    struct tmphome *h = *hp;
    if (!h)
        return;
    *hp = NULL;
    close(h->guard_fd);
    waitpid(h->guard, NULL, 0);
    strv_free(&h->env);
    x_free(&h->dir);
    x_free(&h->home);
    x_free(&h->workspace);
    x_free(&h->run);
    x_free(&h->user);
    free(h);
}
