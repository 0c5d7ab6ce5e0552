/* containment: the launcher, bubblewrap and Landlock under attack, in each mode that this machine
 * has, as whoever runs the tests and, for root, as an unprivileged user too. A mode that is not to
 * be had here is named; if none is, that is a failure. What each attack does is in attack.c. */
#include "tests/system/containment.h"

/* ---- tests of any mode -------------------------------------------------------------------------
 */

static void exit_codes(void **state) {
    (void)state;
    need_engine();
    expect("echo hi; exit 3", 3, "hi\n");
    expect("true", 0, "");
    expect("exit 125", 125, ""); /* the command's own is passed on */
    expect("kill -KILL $$", 137, "");
    expect("kill -PIPE $$", 141, ""); /* at its default again */
    expect("nosuchcommand", 127, "");
    expect("echo a b >&2", 0, "");
    struct command none = {.argv = (const char *const[]){"nosuchprogram", NULL}};
    run(&none, NULL);
    assert_int_equal(none.code, SANDBOX_EXIT_NOT_FOUND);
    assert_non_null(strstr(buf_str(&none.err), "nosuchprogram"));
    command_free(&none);
    struct command dead = {.argv = (const char *const[]){"/etc/passwd", NULL}};
    run(&dead, NULL);
    assert_int_equal(dead.code, SANDBOX_EXIT_NOT_RUN);
    command_free(&dead);
    struct command args = {.argv = (const char *const[]){"printf", "%s|", "a b", "", "--", NULL}};
    run(&args, NULL);
    assert_string_equal(buf_str(&args.out), "a b||--|");
    command_free(&args);
}

static void surroundings(void **state) {
    (void)state;
    need_engine();
    setenv("ANTHROPIC_API_KEY", "sk-secret", 1);
    char *pwd = xasprintf("%s\n", ws);
    expect("pwd", 0, pwd);
    x_free(&pwd);
    struct command c = {.env = (const char *const[]){"EXTRA=one two", NULL}};
    run(&c, "env; cat /proc/$PPID/environ /proc/1/environ | tr '\\0' '\\n'; echo; "
            "readlink /proc/self/fd/0; f=$(mktemp) && echo x > $f && cat $f");
    assert_non_null(strstr(buf_str(&c.out), "EXTRA=one two\n"));
    assert_non_null(strstr(buf_str(&c.out), "/dev/null\nx\n"));
    assert_null(strstr(buf_str(&c.out), "sk-secret"));
    assert_null(strstr(buf_str(&c.out), "CMOCKA"));
    command_free(&c);
    unsetenv("ANTHROPIC_API_KEY");
    char *sub = make_dir(ws, "sub");
    struct command in = {.in_dir = "sub"};
    run(&in, "pwd; touch here");
    pwd = xasprintf("%s\n", sub);
    assert_string_equal(buf_str(&in.out), pwd);
    assert_true(exists(sub, "here"));
    command_free(&in);
    x_free(&pwd);
    x_free(&sub);
    expect("rm -r sub", 0, "");
}

static void line_by_line(void **state) {
    (void)state;
    need_engine();
    struct command c = {0};
    start(&c, "echo first; mkfifo go; read x < go; echo $x");
    int64_t end = clock_mono_ns() + DEADLINE;
    while ((c.out.len == 0 || !exists(ws, "go")) && clock_mono_ns() < end)
        loop_turn(l, 5 * NS_PER_MS);
    assert_string_equal(buf_str(&c.out), "first\n");
    assert_false(c.ended);
    char *fifo = xasprintf("%s/go", ws);
    int fd = -1; /* opened once the other side reads */
    while ((fd = open(fifo, O_WRONLY | O_NONBLOCK | O_CLOEXEC)) < 0 && clock_mono_ns() < end)
        loop_turn(l, 2 * NS_PER_MS);
    assert_int_equal(write(fd, "second\n", 7), 7);
    close(fd);
    finish(&c);
    assert_string_equal(buf_str(&c.out), "first\nsecond\n");
    unlink(fifo);
    x_free(&fifo);
    command_free(&c);
}

static void much_output(void **state) {
    (void)state;
    need_engine();
    struct command c = {.count_only = true};
    const size_t bytes = mode == SANDBOX_BUBBLEWRAP_LANDLOCK ? 300000000 : 10000000;
    char *text = xasprintf("head -c %zu /dev/zero; echo; echo end >&2", bytes);
    run(&c, text);
    x_free(&text);
    assert_int_equal(c.bytes, bytes + strlen("end"));
    assert_int_equal(c.code, 0);
    command_free(&c);
}

/* ---- ending ------------------------------------------------------------------------------------
 */

#define TREE_UPS 8
/* All the ways to get away that a shell has, and a subreaper with a detached grandchild. */
static char *tree(const char *end) {
    return xasprintf("./attack nest %s & setsid ./attack hang %s & "
                     "(setsid ./attack hang %s &); nohup ./attack hang %s & "
                     "sh -c 'trap \"\" TERM HUP INT; ./attack hang %s; :' & "
                     "(./attack hang %s & ) & %s",
                     mark, mark, mark, mark, mark, mark, end);
}

static void wait_ups(const struct command *c, size_t n) {
    int64_t end = clock_mono_ns() + DEADLINE;
    while (c->ups < n && !c->ended && clock_mono_ns() < end)
        loop_turn(l, NS_PER_SEC);
    if (c->ups < n)
        fail_msg("%zu of %zu are up; %s%s", c->ups, n, buf_str(&c->out), buf_str(&c->err));
}

/* By the mark on command lines, and by the directory of those that have none on theirs. */
static void expect_gone(const char *after) {
    if (proc_wait_none(proc_find_command, mark, SECOND_MS) &&
        proc_wait_none(proc_find, dir, SECOND_MS))
        return;
    struct proc_list left;
    proc_find(dir, &left);
    char *text = proc_describe(&left);
    proc_kill_all(dir);
    fail_msg("left %d ms after %s: %s", SECOND_MS, after, text);
}

static void main_command_ends(void **state) {
    (void)state;
    need_engine();
    struct command c = {0};
    char *text = tree("read x < go; exit 4");
    expect("mkfifo go", 0, "");
    start(&c, text);
    wait_ups(&c, TREE_UPS);
    char *fifo = xasprintf("%s/go", ws);
    int fd = open(fifo, O_WRONLY | O_CLOEXEC);
    assert_int_equal(write(fd, "\n", 1), 1);
    close(fd);
    unlink(fifo);
    finish(&c);
    assert_int_equal(c.code, 4);
    expect_gone("the exit of the main command");
    x_free(&fifo);
    x_free(&text);
    command_free(&c);
}

/* The streams are not held open by what was left in the background. */
static void background_job(void **state) {
    (void)state;
    need_engine();
    struct command c = {0};
    char *text = xasprintf("./attack hang %s & read x < /dev/null; echo done", mark);
    int64_t begin = clock_mono_ns();
    run(&c, text);
    assert_int_equal(c.code, 0);
    assert_non_null(strstr(buf_str(&c.out), "done\n"));
    assert_true(clock_mono_ns() - begin < SECOND_MS * NS_PER_MS);
    expect_gone("the exit of the main command");
    x_free(&text);
    command_free(&c);
}

static void cancelled(void **state) {
    (void)state;
    need_engine();
    struct command c = {0};
    char *text = tree("wait");
    start(&c, text);
    wait_ups(&c, TREE_UPS);
    child_signal(c.child, SIGTERM);
    finish(&c);
    assert_true(c.signalled);
    assert_int_equal(c.code, 128 + SIGTERM);
    expect_gone("SIGTERM to the launcher");
    x_free(&text);
    command_free(&c);
}

static void dropped(void **state) {
    (void)state;
    need_engine();
    struct command c = {0};
    char *text = tree("wait");
    start(&c, text);
    wait_ups(&c, TREE_UPS);
    int64_t begin = clock_mono_ns(), end = begin + DEADLINE;
    child_drop(&c.child); /* closes the life pipe; the launcher is killed only much later */
    while (child_count() > 0 && clock_mono_ns() < end)
        loop_turn(l, NS_PER_SEC);
    assert_true(clock_mono_ns() - begin < SECOND_MS * NS_PER_MS);
    assert_false(c.ended);
    expect_gone("the drop");
    x_free(&text);
    command_free(&c);
}

/* The engine, reaper of last resort, sweeps what a killed launcher leaves. */
static void launcher_killed(void **state) {
    (void)state;
    need_engine();
    struct command c = {0};
    char *text = tree("wait");
    start(&c, text);
    wait_ups(&c, TREE_UPS);
    struct strv cgroups = {0};
    for (size_t i = 0; i < sb->cgroups.n; i++)
        strv_pushf(&cgroups, "%s/spacebot-run-%d", sb->cgroups.v[i], (int)child_pid(c.child));
    child_signal(c.child, SIGKILL);
    finish(&c);
    int64_t end = clock_mono_ns() + SECOND_MS * NS_PER_MS;
    struct proc_list left = {.n = 1};
    while (left.n > 0 && clock_mono_ns() < end) {
        loop_turn(l, 2 * NS_PER_MS);
        proc_find_command(mark, &left);
    }
    expect_gone("SIGKILL of the launcher");
    engine_down(); /* it cannot have removed its cgroups: the engine does */
    for (size_t i = 0; i < cgroups.n; i++)
        assert_int_equal(access(cgroups.v[i], F_OK), -1);
    strv_free(&cgroups);
    x_free(&text);
    command_free(&c);
}

/* A process that is an engine, told to say when its command's tree is up, and then to be killed. */
_Noreturn static void be_engine(int say) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (!engine_up())
        _exit(write(say, "-", 1) == 1 ? 0 : 1);
    struct command c = {0};
    char *text = tree("setsid sleep 1000 & sleep 1000");
    start(&c, text);
    wait_ups(&c, TREE_UPS);
    if (write(say, "+", 1) != 1)
        _exit(1);
    loop_run(l);
    _exit(1);
}

static void engine_killed(void **state) {
    (void)state;
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid_t engine = fork();
    assert_true(engine >= 0);
    if (engine == 0)
        be_engine(ends[1]);
    close(ends[1]);
    char c = 0;
    struct pollfd p = {.fd = ends[0], .events = POLLIN};
    assert_int_equal(poll(&p, 1, (int)(DEADLINE / NS_PER_MS)), 1);
    assert_int_equal(read(ends[0], &c, 1), 1);
    close(ends[0]);
    struct proc_list before;
    proc_find_command(mark, &before);
    kill(engine, SIGKILL);
    int status;
    if (c == '+')
        expect_gone("SIGKILL of the engine");
    assert_int_equal(waitpid(engine, &status, 0), engine);
    if (c == '-')
        skip();
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_true(before.n >= TREE_UPS);
    if (mode != SANDBOX_NONE)
        contained++;
}

/* Whether this user's processes can be counted here at all. */
static bool can_limit(void) {
    if (geteuid() != 0)
        return true;
    for (size_t i = 0; i < sb->cgroups.n; i++) {
        char *pids = xasprintf("%s/cgroup.procs", sb->cgroups.v[i]);
        bool writable = access(pids, W_OK) == 0;
        x_free(&pids);
        if (writable && strstr(sb->cgroups.v[i], "pids"))
            return true;
    }
    print_message("not asserted: root's processes cannot be limited without a pids cgroup\n");
    return false;
}

static void fork_bomb(void **state) {
    (void)state;
    max_processes = 60;
    need_engine();
    if (mode != SANDBOX_NONE || geteuid() == 0) {
        struct command count = {0};
        run(&count, "./attack forks 1500");
        int n = -1;
        assert_int_equal(sscanf(buf_str(&count.out), "forked %d", &n), 1);
        /* Without namespaces the limit goes on top of what the system has. */
        if (can_limit())
            assert_in_range(n, 10, mode == SANDBOX_LANDLOCK ? 1499 : 60);
        command_free(&count);
    }
    struct command c = {0};
    char *text = xasprintf("./attack bomb %s & ./attack bomb %s", mark, mark);
    if (mode == SANDBOX_NONE || !can_limit()) {
        x_free(&text);
        text = xasprintf("./attack nest %s & ./attack nest %s & wait", mark, mark);
    }
    start(&c, text);
    wait_ups(&c, 2);
    child_signal(c.child, SIGTERM);
    finish(&c);
    expect_gone("the end of a fork bomb");
    x_free(&text);
    command_free(&c);
}

/* ---- walls -------------------------------------------------------------------------------------
 */

static void expect_unreadable(const char *path) {
    char *text = xasprintf("cat %s && echo read", path);
    struct command c = {0};
    run(&c, text);
    if (c.code == 0 || c.out.len > 0)
        fail_msg("%s could be read: %s", path, buf_str(&c.out));
    command_free(&c);
    x_free(&text);
}

static void hidden(void **state) {
    (void)state;
    need_engine();
    const char *const parts[][2] = {
        {user, "private"}, {home, "token"}, {run_dir, "token"}, {home, "workspace/../token"}};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        char *path = xasprintf("%s/%s", parts[i][0], parts[i][1]);
        expect_unreadable(path);
        x_free(&path);
    }
    expect_unreadable("../token");
    expect_unreadable("/proc/self/root/etc/shadow");
    expect_unreadable("/etc/shadow");
    expect_unreadable("/etc/gshadow");
    /* A link of its own making leads nowhere either. */
    char *text = xasprintf("ln -s %s/token link; cat link; r=$?; rm link; exit $r", home);
    struct command c = {0};
    run(&c, text);
    assert_true(c.code != 0 && c.out.len == 0);
    command_free(&c);
    x_free(&text);
}

static void writing(void **state) {
    (void)state;
    need_engine();
    expect("echo mine > made && cat made && mkdir -p a/b && mv made a/b/ && ln a/b/made hard && "
           "ln -s a soft && rm -r a soft hard && echo x > /dev/null && echo kept > kept",
           0, "mine\n");
    assert_true(exists(ws, "kept"));
    char *text = xasprintf("echo x > %s/made && cat %s/made", extra, extra);
    expect(text, 0, "x\n");
    assert_true(exists(extra, "made"));
    x_free(&text);
    const char *const places[] = {outside, user,       home,   run_dir, bin,
                                  "/etc",  "/usr/bin", "/var", dir,     "/"};
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        text = xasprintf("echo x > %s/made-by-attack", places[i]);
        struct command c = {0};
        run(&c, text);
        if (exists(places[i], "made-by-attack"))
            fail_msg("%s was written to", places[i]);
        command_free(&c);
        x_free(&text);
    }
    text = xasprintf("echo x >> %s/file; rm -f %s/file %s; mv %s/file .; chmod 777 %s; "
                     "ln %s/file hard; truncate -s 0 %s/file",
                     outside, outside, launcher, outside, launcher, outside, outside);
    struct command c = {0};
    run(&c, text);
    command_free(&c);
    x_free(&text);
    text = xasprintf("%s/file", outside);
    struct stat st;
    assert_int_equal(stat(text, &st), 0);
    assert_int_equal(st.st_size, strlen("outside-text\n"));
    assert_int_equal(st.st_nlink, 1);
    assert_int_equal(access(launcher, X_OK), 0);
    x_free(&text);
}

static void on_hit(int sig) {
    (void)sig;
    hits++;
}

static void other_processes(void **state) {
    (void)state;
    need_engine();
    struct sigaction sa = {.sa_handler = on_hit, .sa_flags = SA_RESTART}, before;
    sigaction(SIGUSR1, &sa, &before);
    hits = 0;
    char *text = xasprintf("process %d", (int)getpid());
    defended(text);
    x_free(&text);
    assert_int_equal(hits, 0);
    sigaction(SIGUSR1, &before, NULL);
    switch (mode) {
    case SANDBOX_BUBBLEWRAP_LANDLOCK:
    case SANDBOX_BUBBLEWRAP: {
        struct command c = {0};
        run(&c, "ls -d /proc/[0-9]* | wc -l"); /* init of the namespace, the shell, ls, wc */
        assert_in_range(atoi(buf_str(&c.out)), 1, 6);
        command_free(&c);
        break;
    }
    case SANDBOX_LANDLOCK:
        defended("everybody");
        break;
    case SANDBOX_NONE:
        fail();
    }
    /* Its own it may do with as it likes. */
    expect("sleep 1000 & renice -n 5 $! > /dev/null 2>&1; kill $! && wait $!; echo $?", 0, "143\n");
    expect("kill -USR1 $PPID; echo still here", 0, "still here\n"); /* launcher, or the init */
}

static void attacks(void **state) {
    (void)state;
    need_engine();
    defended("namespaces");
    char *text = xasprintf("mounts %s", user);
    defended(text);
    x_free(&text);
    defended("devices");
    defended("privileges");
}

/* Threads and processes that ordinary programs make are not what is refused. */
static void ordinary_programs(void **state) {
    (void)state;
    need_engine();
    expect("echo a | tr a b; (exit 3) || echo $?; x=$(seq 1000 | wc -l); echo $x", 0,
           "b\n3\n1000\n");
    expect("script -qec 'echo on a terminal' /dev/null < /dev/null | tr -d '\\r'", 0,
           "on a terminal\n");
    expect("nice -n 5 true && nohup true && timeout 5 true && env -i /bin/true", 0, "");
    expect("printf 'int main(void){return 7;}' > t.c; cc -o t t.c 2> /dev/null || exit 7; ./t", 7,
           "");
    expect("rm -f t t.c", 0, "");
}

static int listen_on(int type, const struct sockaddr *at, socklen_t n) {
    int fd = socket(at->sa_family, type | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, at, n), 0);
    if (type == SOCK_STREAM)
        assert_int_equal(listen(fd, 8), 0);
    return fd;
}

static void network(void **state) {
    (void)state;
    need_engine();
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int tcp = listen_on(SOCK_STREAM, (const struct sockaddr *)&at, sizeof at);
    socklen_t n = sizeof at;
    assert_int_equal(getsockname(tcp, (struct sockaddr *)&at, &n), 0);
    int udp = listen_on(SOCK_DGRAM, (const struct sockaddr *)&at, sizeof at);
    char *text = xasprintf("port %d", ntohs(at.sin_port));
    struct command off = {.no_network = true};
    defended_in(&off, text);
    x_free(&text);
    /* Open where nothing was said. */
    struct command on = {0};
    text = xasprintf("./attack port %d", ntohs(at.sin_port));
    run(&on, text);
    assert_string_equal(buf_str(&on.out), "GOT connection\nGOT datagram\ntried 2\n");
    command_free(&on);
    x_free(&text);
    close(tcp);
    close(udp);
}

static void abstract_sockets(void **state) {
    (void)state;
    need_engine();
    if (mode == SANDBOX_BUBBLEWRAP || landlock_abi() < 6) {
        print_message("skipped: abstract sockets are not scoped in this mode (Landlock ABI %d)\n",
                      landlock_abi());
        skip();
    }
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    snprintf(at.sun_path + 1, sizeof at.sun_path - 1, "%s", mark);
    int fd = listen_on(SOCK_STREAM, (const struct sockaddr *)&at,
                       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(mark)));
    char *text = xasprintf("abstract %s", mark);
    defended(text);
    x_free(&text);
    close(fd);
}

/* Containment that worked at start and fails now: the command is not run, and that is said. */
static void setup_fails(void **state) {
    (void)state;
    need_engine();
    /* In the place of what builds the walls. */
    char *fake = xasprintf("%s/fake", bin), *text;
    if (mode == SANDBOX_LANDLOCK) {
        text = xasprintf("#!/bin/sh\ncase $1 in --stage2) echo broken >&2; exit 1; esac\n"
                         "exec %s \"$@\"\n",
                         launcher);
        x_free(&sb->launcher);
        sb->launcher = xstrdup(fake);
    } else {
        text = xstrdup("#!/bin/sh\necho broken >&2\nexit 1\n");
        x_free(&sb->bubblewrap);
        sb->bubblewrap = xstrdup(fake);
    }
    write_file(bin, "fake", text);
    assert_int_equal(chmod(fake, 0755), 0);
    struct command c = {0};
    run(&c, "echo never");
    assert_int_equal(c.code, SANDBOX_EXIT_SETUP);
    assert_int_equal(c.out.len, 0);
    assert_non_null(strstr(buf_str(&c.err), "broken\n"));
    assert_non_null(strstr(buf_str(&c.err), "containment could not be set up"));
    command_free(&c);
    x_free(&fake);
    x_free(&text);
}

/* A bubblewrap that fails from the start: the next best is taken, and the reason is there to be
 * read. */
static void next_best(void **state) {
    (void)state;
    char *fake = xasprintf("%s/fake", bin);
    write_file(bin, "fake", "#!/bin/sh\necho no namespaces today >&2\nexit 1\n");
    assert_int_equal(chmod(fake, 0755), 0);
    bubblewrap = fake;
    assert_false(engine_up());
    assert_int_equal(sandbox_mode(sb), landlock_abi() > 0 ? SANDBOX_LANDLOCK : SANDBOX_NONE);
    assert_non_null(strstr(sandbox_reason(sb), "no namespaces today"));
    x_free(&fake);
}

/* ---- running them ------------------------------------------------------------------------------
 */

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
#define ENDING                                                                                     \
    TEST(exit_codes), TEST(surroundings), TEST(line_by_line), TEST(much_output),                   \
        TEST(main_command_ends), TEST(background_job), TEST(cancelled), TEST(dropped),             \
        TEST(launcher_killed), TEST(engine_killed), TEST(fork_bomb)

static int run_mode(enum sandbox_mode m) {
    const struct CMUnitTest all[] = {ENDING,           TEST(hidden),
                                     TEST(writing),    TEST(other_processes),
                                     TEST(attacks),    TEST(ordinary_programs),
                                     TEST(network),    TEST(abstract_sockets),
                                     TEST(setup_fails)};
    const struct CMUnitTest ending[] = {ENDING};
    const struct CMUnitTest strongest[] = {TEST(next_best)};
    mode = m;
    print_message("---- %s, user %d\n", sandbox_mode_name(m), (int)geteuid());
    switch (m) {
    case SANDBOX_BUBBLEWRAP_LANDLOCK:
        return cmocka_run_group_tests(all, setup_dirs, teardown_dirs) +
               cmocka_run_group_tests(strongest, setup_dirs, teardown_dirs);
    case SANDBOX_BUBBLEWRAP:
    case SANDBOX_LANDLOCK:
        return cmocka_run_group_tests(all, setup_dirs, teardown_dirs);
    case SANDBOX_NONE:
        return cmocka_run_group_tests(ending, setup_dirs, teardown_dirs);
    }
    abort();
}

static int run_modes(void) {
    int failed = 0;
#define X(name, text) failed += run_mode(SANDBOX_##name);
    SANDBOX_MODE_TABLE(X)
#undef X
    if (contained == 0) {
        print_error("no containment test could run for user %d: that is a failure\n",
                    (int)geteuid());
        failed++;
    }
    return failed;
}

/* Not under /tmp where that can be helped: it is hidden as a whole, and the homes would be with it.
 */
static char *find_base(void) {
    char here[PATH_MAX - 64];
    const char *const places[] = {getcwd(here, sizeof here), "/srv", "/opt"};
    for (size_t i = 0; i < ARRAY_LEN(places); i++)
        if (places[i] && !path_is_below(places[i], "/tmp") && access(places[i], W_OK) == 0)
            return xstrdup(places[i]);
    print_message("only /tmp can be written to: hidden homes are not told from a hidden /tmp\n");
    return xstrdup("/tmp");
}

enum { NOBODY = 65534 };

_Noreturn static void be_nobody(const char *theirs) {
    contained = 0;
    if (setgroups(0, NULL) < 0 || setgid(NOBODY) < 0 || setuid(NOBODY) < 0)
        _exit(1);
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); /* as any program of that user is */
    bool reachable = access(theirs, W_OK | X_OK) == 0;
    x_free(&base);
    base = xstrdup(reachable ? theirs : "/tmp");
    if (chdir(base) < 0)
        _exit(1);
    int failed = run_modes();
    x_free(&base);
    exit(failed ? 1 : 0);
}

/* Everything again as a user without rights. */
static int run_unprivileged(void) {
    char *theirs = xasprintf("%s/sbnobody-XXXXXX", base);
    if (!mkdtemp(theirs) || chown(theirs, NOBODY, NOBODY) < 0) {
        print_error("%s: %s\n", theirs, strerror(errno));
        return 1;
    }
    pid_t pid = fork();
    if (pid == 0)
        be_nobody(theirs);
    int status = -1;
    bool good =
        pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    rmdir(theirs);
    x_free(&theirs);
    return good ? 0 : 1;
}

int main(void) {
    char *run_source = built("SPACEBOT_RUN", "spacebot-run");
    char *source = built(NULL, "tests/system/attack");
    launcher_source = run_source;
    attack_source = source;
    base = find_base();
    int failed = run_modes();
    if (geteuid() == 0)
        failed += run_unprivileged();
    x_free(&base);
    x_free(&run_source);
    x_free(&source);
    return failed ? 1 : 0;
}
