/* engine: builds the engine out of its rooms, runs its loop, and takes it apart again. Nothing else
 * knows all rooms. What each needs of another is handed over here; the order down is the order in
 * which nobody is left holding what is gone. */
#include "engine.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <locale.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/connect.h"
#include "agent/models.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/scrub.h"
#include "conf/config.h"
#include "conf/lock.h"
#include "ctl/proto.h"
#include "ctl/server.h"
#include "llm/client.h"
#include "llm/rehearsal.h"
#include "loop/child.h"
#include "loop/job.h"
#include "loop/loop.h"
#include "sandbox/sandbox.h"
#include "store/store.h"
#include "trace/span.h"
#include "ui/notice.h"
#include "ui/ui.h"

#define SPANS_KEPT 4096
#define SPANS_OPEN 4096
#define JOB_THREADS 2
#define JOBS_WAITING 256
#define DRAIN_NS (INT64_C(5) * NS_PER_SEC) /* for the last writes at the end */
#define SANDBOX_TRY_MS 250                 /* after the start: by then the first screen stands */
#define END_SECS 30                        /* for taking everything apart */
#define FILES_WANTED 65536

struct engine {
    struct engine_options o;
    int lock;
    struct config *config;
    struct loop *loop;
    struct trace *trace;
    struct store *store;
    struct job_pool *jobs;
    struct loop_timer *trim; /* a burst of answers is under way: memory is given back after it */
    struct rehearsal *rehearsal; /* NULL where it cannot be served */
    struct llm *llm;
    struct scrub_values *values; /* the keys, so that none is shown or kept */
    struct sandbox *sandbox;
    struct models *models;
    struct agent *agent;
    struct ui *ui;
    struct ctl_server *server;
};

/* The path of this program, "" when the kernel does not tell. */
static void find_self(char out[PATH_MAX]) {
    ssize_t n = readlink("/proc/self/exe", out, PATH_MAX - 1);
    out[n > 0 ? n : 0] = '\0';
}

/* In a build tree it lies beside us. Installed, it lies where configure was told; when the whole
 * tree was moved (make install DESTDIR=…), we tell by our own place where to. */
char *engine_launcher(void) {
    static const char ours[] = BINDIR "/spacebot";
    char self[PATH_MAX];
    find_self(self);
    char *slash = strrchr(self, '/');
    if (slash) {
        char *beside = xasprintf("%.*s/spacebot-run", (int)(slash - self), self);
        if (access(beside, X_OK) == 0)
            return beside;
        free(beside);
    }
    size_t n = strlen(self), m = sizeof(ours) - 1;
    size_t root = n > m && str_eq(self + n - m, ours) ? n - m : 0;
    return xasprintf("%.*s" PKGLIBEXECDIR "/spacebot-run", (int)root, self);
}

static void on_batch(void *arg, uint64_t rows, int64_t start_ns, int64_t end_ns, enum status st) {
    char name[32];
    snprintf(name, sizeof(name), "batch of %llu", (unsigned long long)rows);
    span_record(arg, SPAN_QUERY, 0, name, start_ns, end_ns, st);
}

static void on_signal(void *arg) {
    struct engine *e = arg;
    log_info("told to end by a signal");
    loop_stop(e->loop);
}

static void on_stop(void *arg) {
    struct engine *e = arg;
    loop_stop(e->loop);
}

static void on_sandbox(void *arg) {
    struct engine *e = arg;
    const char *reason = sandbox_reason(e->sandbox);
    enum sandbox_mode mode = sandbox_mode(e->sandbox);
    if (mode == SANDBOX_NONE)
        log_warn("commands cannot be contained here: %s", reason);
    else
        log_info("commands run in %s%s%s", sandbox_mode_name(mode), *reason ? ": " : "", reason);
}

/* One descriptor a stream and three a child: the usual soft limit of 1024 is soon used up. */
static void raise_files(void) {
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) != 0)
        return;
    rlim_t want = r.rlim_max < FILES_WANTED ? r.rlim_max : FILES_WANTED;
    if (r.rlim_cur < want) {
        r.rlim_cur = want;
        (void)setrlimit(RLIMIT_NOFILE, &r);
    }
}

/* Memory that is free at the heap's end is kept for the next burst: giving it back after each batch
 * of writes costs a TLB flush of both threads. What is large is a mapping of its own and goes at
 * once. */
static void shape_memory(void) {
    (void)mallopt(M_TRIM_THRESHOLD, 4 * 1024 * 1024);
    (void)mallopt(M_MMAP_THRESHOLD, 256 * 1024);
}

static enum loop_mode choose_mode(void) {
#ifdef SPACEBOT_TEST_HOOKS
    const char *seed = getenv("SPACEBOT_TEST_SEED"), *clock = getenv("SPACEBOT_TEST_CLOCK");
    int64_t v = 0;
    if (seed && str_to_i64(seed, &v) == STATUS_OK)
        id_seed((uint64_t)v);
    if (clock && str_to_i64(clock, &v) == STATUS_OK) {
        clock_set_virtual(v);
        return LOOP_INLINE;
    }
#endif
    return LOOP_REAL;
}

static enum status watch_signals(struct engine *e, struct cause *why) {
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
    for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
        enum status st = loop_signal(e->loop, signals[i], on_signal, e);
        if (st != STATUS_OK)
            return cause_set(why, st, "signal %d cannot be watched", signals[i]);
    }
    return STATUS_OK;
}

/* Where its socket cannot be, there is a provider less; a scenario that was asked for is obeyed or
 * nothing starts. */
static enum status make_rehearsal(struct engine *e, struct cause *why) {
    const char *scenario = getenv("SPACEBOT_REHEARSAL");
    struct rehearsal_options o = {
        .loop = e->loop, .dir = e->o.home->run, .scenario = str_empty(scenario) ? NULL : scenario};
    struct cause inner = {""};
    enum status st = rehearsal_new(&o, &e->rehearsal, &inner);
    if (st != STATUS_OK && o.scenario)
        return cause_set(why, st, "%s", inner.text);
    if (st != STATUS_OK)
        log_warn("there is no rehearsal model: %s", inner.text);
    return STATUS_OK;
}

/* The keys leave the environment here: from now on only the client knows them, and what looks that
 * nobody else does. */
static void make_llm(struct engine *e) {
    struct llm_provider rehearsal;
    if (e->rehearsal)
        rehearsal = rehearsal_provider(e->rehearsal);
    e->values = scrub_values_new();
    e->llm = connect_llm(e->loop, e->config, e->rehearsal ? &rehearsal : NULL, e->values);
    config_wipe_env(e->config);
}

static enum status make_sandbox(struct engine *e, struct cause *why) {
    char *launcher = engine_launcher();
    struct sandbox_config config = {
        .launcher = launcher,
        .launcher_dir = e->o.home->run,
        .home = getenv("HOME"),
        .spacebot_home = e->o.home->dir,
        .runtime_dir = e->o.home->run,
        .writable_paths = (const char *const *)e->config->sandbox.writable_paths.v,
        .passthrough_env = (const char *const *)e->config->sandbox.passthrough_env.v,
        .required = e->config->sandbox.required,
        /* A test's clock stands still. */
        .try_after_ms = loop_mode(e->loop) == LOOP_REAL ? SANDBOX_TRY_MS : 0};
    enum status st = sandbox_new(e->loop, &config, on_sandbox, e, &e->sandbox, why);
    free(launcher);
    return st;
}

static void trim(void *input, const atomic_bool *cancelled) {
    (void)input;
    (void)cancelled;
    mem_trim();
}

static void trimmed(void *arg, void *input, bool cancelled) {
    (void)arg;
    (void)input;
    (void)cancelled;
}

static void on_rest(void *arg) {
    struct engine *e = arg;
    struct cause why;
    e->trim = NULL;
    if (job_submit(e->jobs, "trim", trim, trimmed, NULL, NULL, NULL, &why) != STATUS_OK)
        log_debug("memory stays as it is: %s", why.text);
}

/* When the burst is over, as during it the holes are filled again, and pages that come back cost
 * more than those that stayed; and in a job, as giving many back takes longer than a turn may. */
static void on_holes(void *arg) {
    struct engine *e = arg;
    if (e->trim)
        loop_timer_again(e->trim, NS_PER_SEC);
    else
        e->trim = loop_timer(e->loop, NS_PER_SEC, on_rest, e, "trim");
}

static enum status make_rooms(struct engine *e, struct cause *why) {
    e->trace = trace_new(SPANS_KEPT, SPANS_OPEN);
    /* Its trials run in children a moment later: the screen comes first. */
    enum status st = make_sandbox(e, why);
    if (st == STATUS_OK)
        st = store_open(e->loop, e->o.home->db, &e->store, why);
    if (st != STATUS_OK)
        return st;
    store_on_batch(e->store, on_batch, e->trace);
    e->jobs = job_pool_new(e->loop, JOB_THREADS, JOBS_WAITING);
    job_observe(e->jobs, trace_job, e->trace);
    mem_on_holes(on_holes, e);
    st = make_rehearsal(e, why);
    if (st != STATUS_OK)
        return st;
    make_llm(e);
    e->models = models_new(&(struct models_options){.loop = e->loop,
                                                    .jobs = e->jobs,
                                                    .llm = e->llm,
                                                    .config = e->config,
                                                    .path = e->o.home->models});
    loop_observe(e->loop, trace_turn, e->trace);
    struct agent_parts parts = {.loop = e->loop,
                                .jobs = e->jobs,
                                .store = e->store,
                                .trace = e->trace,
                                .llm = e->llm,
                                .sandbox = e->sandbox,
                                .config = e->config,
                                .home = e->o.home,
                                .values = e->values,
                                .catalog = models_catalog(e->models)};
    st = agent_new(&parts, &e->agent, why);
    if (st != STATUS_OK)
        return st;
    e->ui = ui_new(e->agent);
    struct ctl_server_options so = {.agent = e->agent,
                                    .home = e->o.home,
                                    .screen = ui_screen_ops(e->ui),
                                    .daemon = e->o.daemon,
                                    .linger_secs = e->config->limits.linger_secs,
                                    .on_stop = on_stop,
                                    .arg = e};
    st = ctl_server_new(&so, &e->server, why);
    if (st == STATUS_OK)
        ui_set_server(e->ui, e->server);
    return st;
}

static enum status set_up(struct engine *e, struct cause *why) {
    umask(077);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); /* a limit on file sizes is a full disk, not an end */
    child_subreaper();
    raise_files();
    shape_memory();
    /* Screens are UTF-8 whatever the shell says; numbers stay as C writes them. */
    if (!setlocale(LC_CTYPE, "C.UTF-8"))
        return cause_set(why, STATUS_UNAVAILABLE, "the locale C.UTF-8 is missing");
    enum status st = lock_sign(e->lock, e->o.home, why);
    if (st == STATUS_OK)
        st = log_open(e->o.home->log, why);
    if (st == STATUS_OK)
        st = config_load(e->o.home->config, &e->config, why);
    if (st != STATUS_OK)
        return st;
    e->loop = loop_new(choose_mode());
    notice_listen(e->loop);
    /* A virtual clock of a test moves by the control command alone. */
    if (loop_mode(e->loop) == LOOP_INLINE)
        loop_hold_clock(e->loop, true);
    st = watch_signals(e, why);
    return st == STATUS_OK ? make_rooms(e, why) : st;
}

static enum status take_apart(struct engine *e, struct cause *why) {
    enum status st = STATUS_OK;
    /* Every step below is bounded; should one not be, the kernel ends it and flock(2) with it. */
    (void)signal(SIGALRM, SIG_DFL);
    (void)alarm(END_SECS);
    /* The person's terminal first, then everybody who waits, while there is still something to
     * tell. */
    notice_stop();
    ui_free(&e->ui);
    ctl_server_free(&e->server);
    agent_free(&e->agent);
    mem_on_holes(NULL, NULL);
    loop_timer_del(&e->trim);
    /* A file that a tool was just changing is recorded, too. */
    job_pool_free(&e->jobs);
    models_free(&e->models);
    if (e->store) {
        struct cause drained = {""};
        st = store_drain(e->store, DRAIN_NS, &drained);
        enum status closed = store_close(&e->store, why);
        if (closed != STATUS_OK)
            st = closed;
        else if (st != STATUS_OK)
            *why = drained;
    }
    llm_free(&e->llm);
    rehearsal_free(&e->rehearsal);
    sandbox_free(&e->sandbox);
    child_shutdown();
    if (e->loop)
        child_sweep(e->loop);
    loop_free(&e->loop);
    trace_free(&e->trace);
    scrub_values_free(&e->values);
    config_free(&e->config);
    return st;
}

/* ready (may be -1) is told how it went, and closed, before the loop runs. */
static enum status run(const struct engine_options *o, int lock, int ready, struct cause *why) {
    struct engine e = {.o = *o, .lock = lock};
    enum status st = set_up(&e, why);
    if (ready >= 0) {
        char text[sizeof(why->text) + 64];
        int n = snprintf(text, sizeof(text), "%s\n%s", status_name(st),
                         st == STATUS_OK ? "" : why->text);
        if (write(ready, text, (size_t)n) != n)
            log_warn("who started the engine is gone");
        close(ready);
    }
    if (st == STATUS_OK) {
        log_info("spacebot " PACKAGE_VERSION " runs in %s", o->home->dir);
        loop_run(e.loop);
        st = take_apart(&e, why);
        if (st == STATUS_OK)
            log_info("ended");
        else
            log_error("ended, but: %s", why->text);
    } else {
        struct cause ignored;
        log_error("cannot start: %s", why->text);
        (void)take_apart(&e, &ignored);
    }
    log_close();
    lock_release(&lock);
    return st;
}

/* Away from the terminal and the shell's job: its own session, not its leader, so that no terminal
 * it opens becomes its own; nothing on 0, 1 and 2 but what a crash would say, which goes to the
 * log. */
static void detach(const struct home *h) {
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int err = open(h->log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (null >= 0) {
        (void)dup2(null, STDIN_FILENO);
        (void)dup2(null, STDOUT_FILENO);
        (void)dup2(err >= 0 ? err : null, STDERR_FILENO);
    }
    if (null > STDERR_FILENO)
        close(null);
    if (err > STDERR_FILENO)
        close(err);
    if (chdir(h->dir) != 0)
        log_warn("cannot go to %s", h->dir);
}

static enum status read_ready(int fd, const struct home *h, struct cause *why) {
    char text[sizeof(why->text) + 64];
    size_t len = 0;
    for (;;) {
        ssize_t n = read(fd, text + len, sizeof(text) - 1 - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        len += (size_t)n;
    }
    text[len] = '\0';
    char *rest = strchr(text, '\n');
    enum status st;
    if (!rest)
        return cause_set(why, STATUS_IO, "the engine ended while it started; see %s", h->log);
    *rest = '\0';
    if (!proto_status_from_string(text, &st))
        st = STATUS_IO;
    return st == STATUS_OK ? st : cause_set(why, st, "%s", rest + 1);
}

static _Noreturn void become_engine(const struct engine_options *o, int lock, int ready) {
    if (setsid() < 0)
        _exit(1);
    pid_t pid = fork();
    if (pid != 0)
        _exit(pid < 0);
    detach(o->home);
    struct cause why;
    exit(run(o, lock, ready, &why) == STATUS_OK ? 0 : 1);
}

enum status engine_start(const struct engine_options *o, struct cause *why) {
    int lock = -1, ready[2];
    enum status st = lock_take(o->home, &lock, why);
    if (st != STATUS_OK)
        return st;
    fflush(NULL);
    if (pipe2(ready, O_CLOEXEC) != 0) {
        lock_release(&lock);
        return cause_errno(why, STATUS_IO, errno, "a pipe");
    }
    pid_t pid = fork();
    if (pid == 0) {
        close(ready[0]);
        become_engine(o, lock, ready[1]);
    }
    close(lock);
    close(ready[1]);
    st = pid < 0 ? cause_errno(why, STATUS_IO, errno, "the engine cannot be started")
                 : read_ready(ready[0], o->home, why);
    close(ready[0]);
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    return st;
}

enum status engine_run(const struct engine_options *o, struct cause *why) {
    int lock = -1;
    enum status st = lock_take(o->home, &lock, why);
    return st == STATUS_OK ? run(o, lock, -1, why) : st;
}
