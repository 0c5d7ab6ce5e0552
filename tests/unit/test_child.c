/* child: lines, limits, exits, back-pressure, dropping and sweeping, with real processes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/descend.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "loop/child.h"

#define DEADLINE (60 * NS_PER_SEC)

static struct loop *l;

/* What a child said and how it ended. */
struct record {
    struct child *child;
    struct buf text; /* "1:line\n", "2+piece\n" for partial ones */
    size_t lines, bytes, longest;
    bool cut_badly; /* a piece that is not UTF-8 */
    bool keep;      /* collect text */
    char last;
    bool pause_once, drop_at_first_line;
    unsigned ended;
    struct child_exit how;
};

static void on_line(void *arg, int stream, const char *line, size_t n, bool partial) {
    struct record *r = arg;
    assert_int_equal(r->ended, 0);
    assert_non_null(r->child);
    r->lines++;
    r->bytes += n;
    r->longest = n > r->longest ? n : r->longest;
    r->cut_badly = r->cut_badly || !utf8_valid(line, n);
    if (r->keep) {
        buf_printf(&r->text, "%d%c", stream, partial ? '+' : ':');
        buf_append(&r->text, line, n);
        buf_putc(&r->text, '\n');
    }
    if (r->pause_once) {
        r->pause_once = false;
        child_pause(r->child, true);
    }
    if (r->drop_at_first_line) {
        child_drop(&r->child);
        r->last = line[n - 1]; /* still ours to read during the call */
    }
}

static void on_exit_record(void *arg, struct child_exit how) {
    struct record *r = arg;
    r->ended++;
    r->how = how;
    child_signal(r->child, SIGTERM); /* harmless now */
    child_drop(&r->child);
    assert_null(r->child);
}

static int setup(void **state) {
    (void)state;
    l = loop_new(LOOP_REAL);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    child_shutdown();
    assert_int_equal(child_count(), 0);
    loop_free(&l);
    return 0;
}

static struct child_spec shell_spec(struct record *r, const char *const argv[]) {
    return (struct child_spec){
        .name = "test", .argv = argv, .on_line = on_line, .on_exit = on_exit_record, .arg = r};
}

#define SHELL(command) ((const char *const[]){"/bin/sh", "-c", command, NULL})

static void spawn(struct record *r, const struct child_spec *spec) {
    struct cause why;
    if (child_spawn(l, spec, &r->child, &why) != STATUS_OK)
        fail_msg("%s", why.text);
}

static void start(struct record *r, const char *command) {
    struct child_spec spec = shell_spec(r, SHELL(command));
    spec.envp = (const char *const[]){"PATH=/usr/bin:/bin", NULL};
    r->keep = true;
    spawn(r, &spec);
}

/* Turns the loop until `*what` is true. */
static void turn_until(const unsigned *what) {
    int64_t end = clock_mono_ns() + DEADLINE;
    while (!*what && clock_mono_ns() < end)
        loop_turn(l, NS_PER_SEC);
    assert_true(*what);
}

static void record_free(struct record *r) { buf_free(&r->text); }

static void lines_and_exit(void **state) {
    (void)state;
    struct record r = {0};
    start(&r, "echo one; printf 'two\\r\\n\\n'; printf three; exit 7");
    pid_t pid = child_pid(r.child);
    assert_int_equal(child_count(), 1);
    turn_until(&r.ended);
    assert_string_equal(buf_str(&r.text), "1:one\n1:two\r\n1:\n1+three\n");
    assert_false(r.how.signalled);
    assert_int_equal(r.how.code, 7);
    assert_int_equal(child_count(), 0);
    assert_int_equal(waitpid(pid, NULL, WNOHANG), -1); /* reaped */
    record_free(&r);
}

static void both_streams(void **state) {
    (void)state;
    struct record r = {0};
    start(&r, "echo out; echo err >&2");
    turn_until(&r.ended);
    assert_non_null(strstr(buf_str(&r.text), "1:out\n"));
    assert_non_null(strstr(buf_str(&r.text), "2:err\n"));
    record_free(&r);
}

static void lines_arrive_while_it_runs(void **state) {
    (void)state;
    struct record r = {0};
    struct child_spec spec = shell_spec(&r, SHELL("while read x; do echo got $x; done; echo end"));
    spec.want_stdin = true;
    r.keep = true;
    spawn(&r, &spec);
    assert_int_equal(write(child_stdin_fd(r.child), "a\n", 2), 2);
    int64_t end = clock_mono_ns() + DEADLINE;
    while (r.lines == 0 && clock_mono_ns() < end)
        loop_turn(l, NS_PER_SEC);
    assert_string_equal(buf_str(&r.text), "1:got a\n");
    assert_int_equal(r.ended, 0);
    child_close_stdin(r.child);
    assert_int_equal(child_stdin_fd(r.child), -1);
    turn_until(&r.ended);
    assert_string_equal(buf_str(&r.text), "1:got a\n1:end\n");
    record_free(&r);
}

static void ended_by_signal(void **state) {
    (void)state;
    struct record r = {0};
    start(&r, "echo ready; exec sleep 1000");
    int64_t end = clock_mono_ns() + DEADLINE;
    while (r.lines == 0 && clock_mono_ns() < end)
        loop_turn(l, NS_PER_SEC);
    child_signal(r.child, SIGTERM);
    turn_until(&r.ended);
    assert_true(r.how.signalled);
    assert_int_equal(r.how.code, SIGTERM);
    record_free(&r);
}

/* Nothing of ours leaks in: descriptors, signal mask, ignored signals, session, environment. */
static void clean_start(void **state) {
    (void)state;
    int leak = open("/dev/null", O_RDONLY); /* no close-on-exec, as a library may do it */
    int far = fcntl(leak, F_DUPFD, 200);
    signal(SIGPIPE, SIG_IGN);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    struct record r = {0};
    /* 3 is the directory that ls itself reads. Above the 28 lowest signals, the C library's own two
     * cannot be reset. */
    struct child_spec spec = shell_spec(
        &r, SHELL("ls /proc/self/fd | tr '\\n' ' '; echo; env | sort | tr '\\n' ' '; echo; "
                  "readlink /proc/$$/fd/0; "
                  "sed -En 's/^(SigBlk|SigIgn).*(.{7})$/\\1 \\2/p' /proc/$$/status; "
                  "ps -o sid= -p $$ | tr -d ' '; echo $$; pwd"));
    spec.envp = (const char *const[]){"PATH=/usr/bin:/bin", "A=b c", NULL};
    spec.dir = "/usr";
    spec.life_pipe = true;
    spec.life_fd = 5;
    r.keep = true;
    spawn(&r, &spec);
    pid_t pid = child_pid(r.child);
    turn_until(&r.ended);
    char *want = xasprintf("1:0 1 2 3 5 \n"
                           "1:A=b c PATH=/usr/bin:/bin PWD=/usr \n"
                           "1:/dev/null\n"
                           "1:SigBlk 0000000\n"
                           "1:SigIgn 0000000\n"
                           "1:%d\n1:%d\n1:/usr\n",
                           (int)pid, (int)pid);
    assert_string_equal(buf_str(&r.text), want);
    x_free(&want);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    signal(SIGPIPE, SIG_DFL);
    close(leak);
    close(far);
    record_free(&r);
}

static size_t open_fds(void) {
    DIR *d = opendir("/proc/self/fd");
    assert_non_null(d);
    size_t n = 0;
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

static void cannot_start(void **state) {
    (void)state;
    size_t before = open_fds();
    struct record r = {0};
    struct cause why;
    const char *const argv[] = {"/no/such/program", NULL};
    struct child_spec spec = shell_spec(&r, argv);
    assert_int_equal(child_spawn(l, &spec, &r.child, &why), STATUS_IO);
    assert_null(r.child);
    assert_non_null(strstr(why.text, "/no/such/program"));
    spec = shell_spec(&r, SHELL("true"));
    spec.dir = "/no/such/directory";
    assert_int_equal(child_spawn(l, &spec, &r.child, &why), STATUS_IO);
    spec.dir = NULL;
    spec.life_pipe = true;
    spec.life_fd = 2;
    assert_int_equal(child_spawn(l, &spec, &r.child, &why), STATUS_INVALID);
    assert_int_equal(child_count(), 0);
    assert_int_equal(open_fds(), before);
    loop_turn(l, 0);
    assert_int_equal(r.ended, 0);
}

/* The system has no room for another process: said, and nothing is left of the attempt. In a
 * process of its own, as a filter is for good. */
static void no_process_is_left(void **state) {
    (void)state;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        size_t before = open_fds();
        struct record r = {0};
        struct cause why = {""};
        static const char *const calls[] = {"clone", "clone3", "fork", "vfork"};
        scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
        for (size_t i = 0; i < ARRAY_LEN(calls); i++)
            (void)seccomp_rule_add(filter, SCMP_ACT_ERRNO(EAGAIN),
                                   seccomp_syscall_resolve_name(calls[i]), 0);
        if (!filter || seccomp_load(filter) != 0)
            _exit(77);
        seccomp_release(filter);
        struct child_spec spec = shell_spec(&r, SHELL("true"));
        enum status st = child_spawn(l, &spec, &r.child, &why);
        bool good = st == STATUS_IO && !r.child && child_count() == 0 && open_fds() == before &&
                    strstr(why.text, "cannot start /bin/sh") && strstr(why.text, strerror(EAGAIN));
        if (!good)
            fprintf(stderr, "%d %s\n", (int)st, why.text);
        _exit(good ? 0 : 1);
    }
    int how;
    assert_int_equal(waitpid(pid, &how, 0), pid);
    if (WIFEXITED(how) && WEXITSTATUS(how) == 77)
        skip();
    assert_int_equal(how, 0);
}

/* No descriptor for its pipes, at whichever of them they run out. */
static void no_descriptor_is_left(void **state) {
    (void)state;
    size_t before = open_fds();
    struct rlimit usual, few;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &usual), 0);
    unsigned failed = 0;
    for (rlim_t n = 3; n < 26; n++) {
        struct record r = {0};
        struct cause why = {""};
        struct child_spec spec = shell_spec(&r, SHELL("true"));
        few = (struct rlimit){n, usual.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
        enum status st = child_spawn(l, &spec, &r.child, &why);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &usual), 0);
        if (st == STATUS_OK) {
            turn_until(&r.ended);
        } else {
            assert_int_equal(st, STATUS_IO);
            assert_null(r.child);
            assert_non_null(strstr(why.text, strerror(EMFILE)));
            failed++;
        }
        record_free(&r);
        assert_int_equal(child_count(), 0);
        assert_int_equal(open_fds(), before);
    }
    assert_true(failed > 0);
}

static void long_lines_are_cut(void **state) {
    (void)state;
    /* 100 two-byte characters, cut at 7 bytes: pieces of three characters, never half of one. */
    struct record r = {.keep = false};
    struct child_spec spec = shell_spec(
        &r, SHELL("i=0; while [ $i -lt 100 ]; do printf '\\303\\244'; i=$((i+1)); done; echo; "
                  "printf 1234567; echo; printf 12345678"));
    spec.line_max = 7;
    spawn(&r, &spec);
    turn_until(&r.ended);
    assert_int_equal(r.bytes, 200 + 7 + 8);
    assert_int_equal(r.longest, 7);
    assert_false(r.cut_badly);
    assert_int_equal(r.lines, 34 + 1 + 2);
    record_free(&r);
}

static void whole_line_of_the_limit(void **state) {
    (void)state;
    struct record r = {.keep = true};
    struct child_spec spec = shell_spec(&r, SHELL("echo 1234; echo 12345; echo; printf 1234"));
    spec.line_max = 4;
    spawn(&r, &spec);
    turn_until(&r.ended);
    assert_string_equal(buf_str(&r.text), "1:1234\n1+1234\n1:5\n1:\n1+1234\n");
    record_free(&r);
}

/* 300 MB go through at bounded memory, and no turn takes more than its share. */
static void much_output(void **state) {
    (void)state;
    struct record r = {0};
    struct child_spec spec = shell_spec(&r, SHELL("exec head -c 300000000 /dev/zero"));
    spawn(&r, &spec);
    int64_t end = clock_mono_ns() + DEADLINE;
    size_t most = 0;
    while (!r.ended && clock_mono_ns() < end) {
        size_t before = r.bytes;
        loop_turn(l, NS_PER_SEC);
        size_t step = r.bytes - before;
        most = step > most ? step : most;
    }
    assert_int_equal(r.ended, 1);
    assert_int_equal(r.bytes, 300000000);
    assert_int_equal(r.how.code, 0);
    assert_in_range(most, 1, 2 * 64 * 1024); /* what was read before waits with the newest piece */
    record_free(&r);
}

static void paused(void **state) {
    (void)state;
    struct record r = {.pause_once = true};
    struct child_spec spec = shell_spec(
        &r, SHELL("echo first; exec head -c 3000000 /dev/zero")); /* more than a pipe holds */
    spawn(&r, &spec);
    int64_t end = clock_mono_ns() + DEADLINE;
    while (r.lines == 0 && clock_mono_ns() < end)
        loop_turn(l, NS_PER_SEC);
    size_t seen = r.bytes;
    assert_true(seen < 200000);
    /* Nothing is read, and a paused stream does not keep the loop turning either. */
    for (int i = 0; i < 20; i++)
        loop_turn(l, 2 * NS_PER_MS);
    assert_int_equal(r.bytes, seen);
    assert_int_equal(r.ended, 0);
    child_pause(r.child, false);
    turn_until(&r.ended);
    assert_int_equal(r.bytes, strlen("first") + 3000000);
    record_free(&r);
}

/* It ends while paused: what it wrote is kept until somebody reads, also past the time of giving
 * up. */
static void paused_over_the_exit(void **state) {
    (void)state;
    struct record r = {.pause_once = true, .keep = true};
    struct child_spec spec = shell_spec(&r, SHELL("echo a; read x; echo b"));
    spec.want_stdin = true;
    spawn(&r, &spec);
    int64_t end = clock_mono_ns() + DEADLINE;
    while (r.lines == 0 && clock_mono_ns() < end)
        loop_turn(l, NS_PER_SEC);
    child_close_stdin(r.child);
    int64_t late = clock_mono_ns() + 300 * NS_PER_MS;
    while (clock_mono_ns() < late)
        loop_turn(l, 50 * NS_PER_MS);
    assert_int_equal(r.ended, 0);
    assert_string_equal(buf_str(&r.text), "1:a\n");
    child_pause(r.child, false);
    turn_until(&r.ended);
    assert_string_equal(buf_str(&r.text), "1:a\n1:b\n");
    record_free(&r);
}

/* A background job holds the streams: the end comes 200 ms after the main command's, with all that
 * was written. */
static void held_streams_are_given_up(void **state) {
    (void)state;
    struct record r = {0};
    start(&r, "sleep 1000 & echo $!; printf tail");
    int64_t begin = clock_mono_ns();
    turn_until(&r.ended);
    int64_t took = clock_mono_ns() - begin;
    assert_true(took >= 200 * NS_PER_MS && took < 5 * NS_PER_SEC);
    pid_t job = (pid_t)atoi(strchr(buf_str(&r.text), ':') + 1);
    assert_non_null(strstr(buf_str(&r.text), "1+tail\n"));
    assert_int_equal(r.how.code, 0);
    assert_int_equal(kill(job, SIGKILL), 0);
    record_free(&r);
}

static void dropped(void **state) {
    (void)state;
    struct record r = {0};
    start(&r, "trap '' TERM HUP; echo up; while :; do read x < /dev/zero; done");
    pid_t pid = child_pid(r.child);
    child_drop(&r.child);
    assert_null(r.child);
    int64_t end = clock_mono_ns() + DEADLINE;
    while (child_count() > 0 && clock_mono_ns() < end)
        loop_turn(l, NS_PER_SEC);
    assert_int_equal(child_count(), 0);
    assert_int_equal(r.lines + r.ended, 0);
    assert_int_equal(kill(pid, 0), -1);
    child_drop(&r.child); /* NULL is fine */
    record_free(&r);
}

static void dropped_in_its_own_callback(void **state) {
    (void)state;
    struct record r = {.drop_at_first_line = true};
    struct child_spec spec = shell_spec(&r, SHELL("printf 'a\\nb\\nc\\n'; exec sleep 1000"));
    spawn(&r, &spec);
    int64_t end = clock_mono_ns() + DEADLINE;
    while (child_count() > 0 && clock_mono_ns() < end)
        loop_turn(l, NS_PER_SEC);
    assert_int_equal(child_count(), 0);
    assert_int_equal(r.lines, 1);
    assert_int_equal(r.last, 'a');
    assert_int_equal(r.ended, 0);
    record_free(&r);
}

/* With a life pipe the child is asked first, by the pipe's end. */
static void dropped_with_a_life_pipe(void **state) {
    (void)state;
    char dir[] = "/tmp/sbchild-XXXXXX";
    assert_non_null(mkdtemp(dir));
    char *command = xasprintf("echo up; read x <&3; echo ended by itself > %s/mark", dir);
    char *mark = xasprintf("%s/mark", dir);
    struct record r = {0};
    const char *const argv[] = {"/bin/sh", "-c", command, NULL};
    struct child_spec spec = shell_spec(&r, argv);
    spec.life_pipe = true;
    spec.life_fd = 3;
    spawn(&r, &spec);
    int64_t end = clock_mono_ns() + DEADLINE;
    while (r.lines == 0 && clock_mono_ns() < end)
        loop_turn(l, NS_PER_SEC);
    child_drop(&r.child);
    while (child_count() > 0 && clock_mono_ns() < end)
        loop_turn(l, NS_PER_SEC);
    assert_int_equal(access(mark, F_OK), 0);
    unlink(mark);
    rmdir(dir);
    x_free(&mark);
    x_free(&command);
    record_free(&r);
}

static void shutdown_ends_all(void **state) {
    (void)state;
    struct record a = {0}, b = {0};
    start(&a, "exec sleep 1000");
    struct child_spec spec = shell_spec(&b, SHELL("read x <&3"));
    spec.life_pipe = true;
    spec.life_fd = 3;
    spawn(&b, &spec);
    pid_t pids[] = {child_pid(a.child), child_pid(b.child)};
    child_shutdown();
    assert_int_equal(child_count(), 0);
    for (size_t i = 0; i < ARRAY_LEN(pids); i++)
        assert_int_equal(kill(pids[i], 0), -1);
    assert_int_equal(a.ended + b.ended, 0);
    loop_turn(l, 0);
}

static void many_at_once(void **state) {
    (void)state;
    enum { N = 64 };
    struct record r[N] = {{0}};
    for (int i = 0; i < N; i++)
        start(&r[i], "echo $$; exit 3");
    for (int i = 0; i < N; i++) {
        turn_until(&r[i].ended);
        assert_int_equal(r[i].lines, 1);
        assert_int_equal(r[i].how.code, 3);
        record_free(&r[i]);
    }
}

/* ---- descendants -------------------------------------------------------------------------------
 */

/* Whether a process with this word among its arguments lives (zombies have none). */
static bool lives(const char *word) {
    DIR *d = opendir("/proc");
    assert_non_null(d);
    bool found = false;
    const struct dirent *e;
    while (!found && (e = readdir(d))) {
        char path[300], text[512];
        snprintf(path, sizeof path, "/proc/%s/cmdline", e->d_name);
        int fd = e->d_name[0] >= '0' && e->d_name[0] <= '9' ? open(path, O_RDONLY | O_CLOEXEC) : -1;
        if (fd < 0)
            continue;
        ssize_t n = read(fd, text, sizeof text);
        close(fd);
        found = n > 0 && memmem(text, (size_t)n, word, strlen(word));
    }
    closedir(d);
    return found;
}

/* A tree that tries to get away; its leaves sleep for a time that is unique to this test. */
static void start_tree(struct record *r, const char *unique) {
    char *command = xasprintf("setsid sleep %s & (sleep %s & sleep %s) & "
                              "sh -c 'trap \"\" TERM HUP INT; sleep %s; sleep %s' & echo up; wait",
                              unique, unique, unique, unique, unique);
    start(r, command);
    x_free(&command);
    int64_t end = clock_mono_ns() + DEADLINE;
    while ((r->lines == 0 || descend_signal(0, NULL, NULL) < 7) && clock_mono_ns() < end)
        loop_turn(l, NS_PER_MS);
    assert_true(lives(unique));
}

static void orphans_are_swept(void **state) {
    (void)state;
    char unique[32];
    snprintf(unique, sizeof unique, "1000.%d", (int)getpid());
    struct record keep = {0}, r = {0};
    child_subreaper();
    start(&keep, "echo up; sleep 1000 & wait"); /* a live child, and one below it */
    start_tree(&r, unique);
    child_signal(r.child, SIGKILL);
    turn_until(&r.ended); /* its exit starts the sweep */
    int64_t end = clock_mono_ns() + DEADLINE;
    while (lives(unique) && clock_mono_ns() < end)
        loop_turn(l, 5 * NS_PER_MS);
    assert_false(lives(unique));
    assert_int_equal(keep.ended, 0);
    while (descend_signal(0, NULL, NULL) != 2 && clock_mono_ns() < end)
        loop_turn(l, 5 * NS_PER_MS);
    assert_int_equal(descend_signal(0, NULL, NULL), 2); /* the live child and its own */
    child_drop(&keep.child);
    child_sweep(l);
    while ((child_count() > 0 || descend_signal(0, NULL, NULL) > 0) && clock_mono_ns() < end)
        loop_turn(l, 5 * NS_PER_MS);
    assert_int_equal(descend_signal(0, NULL, NULL), 0);
    record_free(&keep);
    record_free(&r);
}

/* Kernels without the children files: the same, by parents. */
static void orphans_are_swept_by_scan(void **state) {
    descend_by_scan = true;
    orphans_are_swept(state);
    descend_by_scan = false;
}

static bool skip_pid(void *arg, pid_t pid) { return pid == *(pid_t *)arg; }

static void descend_skips(void **state) {
    (void)state;
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    struct record r = {0};
    start(&r, "sleep 1000 & echo up; wait");
    int64_t end = clock_mono_ns() + DEADLINE;
    while ((r.lines == 0 || descend_signal(0, NULL, NULL) < 2) && clock_mono_ns() < end)
        loop_turn(l, NS_PER_MS);
    assert_int_equal(descend_signal(0, NULL, NULL), 2);
    pid_t pid = child_pid(r.child);
    assert_int_equal(descend_signal(SIGKILL, skip_pid, &pid), 0);
    assert_int_equal(descend_signal(0, NULL, NULL), 2);
    /* A walk may miss what its own killing hands up to us; the next one finds it. */
    while (descend_signal(SIGKILL, NULL, NULL) > 0 && clock_mono_ns() < end)
        loop_turn(l, NS_PER_MS);
    turn_until(&r.ended);
    assert_int_equal(descend_signal(0, NULL, NULL), 0);
    record_free(&r);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {TEST(lines_and_exit),
                                       TEST(both_streams),
                                       TEST(lines_arrive_while_it_runs),
                                       TEST(ended_by_signal),
                                       TEST(clean_start),
                                       TEST(cannot_start),
                                       TEST(no_process_is_left),
                                       TEST(no_descriptor_is_left),
                                       TEST(long_lines_are_cut),
                                       TEST(whole_line_of_the_limit),
                                       TEST(much_output),
                                       TEST(paused),
                                       TEST(paused_over_the_exit),
                                       TEST(held_streams_are_given_up),
                                       TEST(dropped),
                                       TEST(dropped_in_its_own_callback),
                                       TEST(dropped_with_a_life_pipe),
                                       TEST(shutdown_ends_all),
                                       TEST(many_at_once),
                                       TEST(descend_skips),
                                       TEST(orphans_are_swept),
                                       TEST(orphans_are_swept_by_scan)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
