/* ctl: see the header. */
#include "tests/lib/ctl.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "loop/child.h"
#include "tests/lib/script_llm.h"

static void nothing(void *arg) { (void)arg; }
static void on_stop(void *arg) { ((struct ctl_fixture *)arg)->stopped = true; }

/* --- a screen that only notes -------------------------------------------------------------------
 */

static enum status screen_attach(void *arg, struct ctl_client *c, const struct ctl_terminal *t,
                                 struct cause *why) {
    struct ctl_fixture *f = arg;
    if (f->tty >= 0)
        close(f->tty);
    f->tty = t->fd;
    if (str_eq(t->term, "unknown")) {
        close(f->tty);
        f->tty = -1;
        return cause_set(why, STATUS_INVALID, "no such terminal");
    }
    if (f->screen && f->hand_back)
        ctl_client_release(f->screen, CTL_TAKEN, "taken by a test");
    f->screen = c;
    f->attached++;
    f->cols = t->cols;
    f->rows = t->rows;
    return STATUS_OK;
}

static void screen_resize(void *arg, struct ctl_client *c, int cols, int rows) {
    struct ctl_fixture *f = arg;
    assert_ptr_equal(f->screen, c);
    f->resized++;
    f->cols = cols;
    f->rows = rows;
}

static void screen_resumed(void *arg, struct ctl_client *c) {
    (void)c;
    ((struct ctl_fixture *)arg)->resumed++;
}

static void screen_detach(void *arg, struct ctl_client *c) {
    struct ctl_fixture *f = arg;
    f->detached++;
    if (f->screen == c)
        f->screen = NULL;
}

static void screen_describe(void *arg, cJSON *out) {
    (void)arg;
    json_add_null(out, "screen");
}

/* --- building it --------------------------------------------------------------------------------
 */

void fixture_start_server(struct ctl_fixture *f, bool daemon) {
    struct cause why = {""};
    f->ops = (struct ctl_screen_ops){.attach = screen_attach,
                                     .resize = screen_resize,
                                     .resumed = screen_resumed,
                                     .detach = screen_detach,
                                     .describe = screen_describe,
                                     .arg = f};
    const struct ctl_server_options o = {.agent = f->agent,
                                         .home = f->home,
                                         .screen = &f->ops,
                                         .daemon = daemon,
                                         .linger_secs = 3600,
                                         .on_stop = on_stop,
                                         .arg = f};
    if (ctl_server_new(&o, &f->server, &why) != STATUS_OK)
        fail_msg("%s", why.text);
    FILE *t = fopen(f->home->token, "r");
    assert_non_null(t);
    assert_int_equal(fread(f->token, 1, PROTO_TOKEN_LEN, t), PROTO_TOKEN_LEN);
    fclose(t);
}

static int set_up(void **state, bool daemon) {
    struct ctl_fixture *f = xcalloc(1, sizeof(*f));
    struct cause why = {""};
    log_set_level(LOG_ERROR); /* that it refuses is looked at, not read */
    f->tty = -1;
    f->hand_back = true;
    strcpy(f->dir, "/tmp/test_server.XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    unsetenv("XDG_RUNTIME_DIR");
    setenv("SPACEBOT_DIR", f->dir, 1);
    assert_int_equal(home_open(&f->home, &why), STATUS_OK);
    assert_int_equal(config_load(f->home->config, &f->config, &why), STATUS_OK);
    const struct llm_config lc = {0};
    const struct sandbox_config sc = {
        .launcher = "/bin/false", .spacebot_home = f->home->dir, .required = true};
    f->loop = loop_new(LOOP_INLINE);
    f->jobs = job_pool_new(f->loop, 1, 64);
    f->trace = trace_new(256, 256);
    f->llm = llm_new(f->loop, &lc);
    assert_int_equal(store_open(f->loop, f->home->db, &f->store, &why), STATUS_OK);
    assert_int_equal(sandbox_new(f->loop, &sc, nothing, NULL, &f->sandbox, &why), STATUS_OK);
    const struct agent_parts parts = {f->loop,    f->jobs,   f->store, f->trace, f->llm,
                                      f->sandbox, f->config, f->home,  NULL,     NULL};
    assert_int_equal(agent_new(&parts, &f->agent, &why), STATUS_OK);
    fixture_start_server(f, daemon);
    *state = f;
    return 0;
}

int fixture_setup(void **state) { return set_up(state, false); }
int fixture_setup_daemon(void **state) { return set_up(state, true); }

int fixture_teardown(void **state) {
    struct ctl_fixture *f = *state;
    struct cause why;
    char *cmd = xasprintf("rm -rf %s", f->dir);
    ctl_server_free(&f->server);
    assert_int_not_equal(access(f->home->socket, F_OK), 0);
    assert_int_not_equal(access(f->home->token, F_OK), 0);
    agent_free(&f->agent);
    assert_int_equal(store_close(&f->store, &why), STATUS_OK);
    sandbox_free(&f->sandbox);
    llm_free(&f->llm);
    trace_free(&f->trace);
    job_pool_free(&f->jobs);
    child_shutdown();
    loop_free(&f->loop);
    script_reset();
    config_free(&f->config);
    home_free(&f->home);
    if (f->tty >= 0)
        close(f->tty);
    assert_int_equal(system(cmd), 0);
    free(cmd);
    free(f);
    return 0;
}

/* --- a client -----------------------------------------------------------------------------------
 */

int peer_dial(const struct ctl_fixture *f) {
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    strcpy(sa.sun_path, f->home->socket);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
    return fd;
}

struct peer *peer_new(struct ctl_fixture *f) {
    struct peer *p = xcalloc(1, sizeof(*p));
    p->fd = peer_dial(f);
    p->next = 1;
    p->in.limit = PROTO_REPLY_MAX;
    return p;
}

void peer_free(struct peer **p) {
    close((*p)->fd);
    proto_reader_free(&(*p)->in);
    x_free(p);
}

void fixture_turn(struct ctl_fixture *f) { (void)loop_turn(f->loop, 0); }

void peer_say(struct ctl_fixture *f, struct peer *p, const char *text) {
    size_t n = strlen(text);
    for (size_t at = 0; at < n;) {
        ssize_t sent = send(p->fd, text + at, n - at, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent > 0)
            at += (size_t)sent;
        else if (errno != EAGAIN)
            return; /* hung up on: what follows reads why */
        fixture_turn(f);
    }
}

/* The next line, NULL at the end of the connection. The caller deletes. */
cJSON *peer_hear(struct ctl_fixture *f, struct peer *p) {
    for (int i = 0; i < TURNS_MAX; i++) {
        const char *line;
        size_t n;
        cJSON *out = NULL;
        if (proto_reader_line(&p->in, &line, &n) == STATUS_OK) {
            assert_int_equal(json_parse(line, n, &out, NULL), STATUS_OK);
            return out;
        }
        ssize_t got = recv(p->fd, proto_reader_room(&p->in, 65536), 65536, MSG_DONTWAIT);
        if (got > 0)
            proto_reader_added(&p->in, (size_t)got);
        else if (got == 0 || (errno != EAGAIN && errno != EINTR))
            return NULL;
        else
            (void)loop_turn(f->loop, NS_PER_MS);
    }
    fail_msg("nothing was heard");
    return NULL;
}

/* Sends a request; returns the reply to it, skipping lines of other kinds. */
cJSON *peer_ask(struct ctl_fixture *f, struct peer *p, const char *cmd, const char *args) {
    int64_t id = p->next++;
    char *text =
        xasprintf("{\"id\":%lld,\"cmd\":\"%s\"%s%s}\n", (long long)id, cmd, *args ? "," : "", args);
    peer_say(f, p, text);
    free(text);
    for (;;) {
        cJSON *line = peer_hear(f, p);
        assert_non_null(line);
        if (json_i64(line, "id", 0) == id)
            return line;
        cJSON_Delete(line);
    }
}

void peer_expect_ok(struct ctl_fixture *f, struct peer *p, const char *cmd, const char *args) {
    cJSON *r = peer_ask(f, p, cmd, args);
    if (!json_bool(r, "ok", false))
        fail_msg("%s: %s", cmd, json_str(r, "error", "?"));
    cJSON_Delete(r);
}

void peer_expect_refused(struct ctl_fixture *f, struct peer *p, const char *cmd, const char *args,
                         const char *status) {
    cJSON *r = peer_ask(f, p, cmd, args);
    assert_false(json_bool(r, "ok", true));
    assert_string_equal(json_str(r, "status", ""), status);
    cJSON_Delete(r);
}

void peer_expect_ended(struct ctl_fixture *f, struct peer *p, const char *part) {
    cJSON *line = peer_hear(f, p);
    assert_non_null(line);
    assert_non_null(json_str(line, "ended", NULL));
    if (!strstr(json_str(line, "ended", ""), part))
        fail_msg("ended: %s", json_str(line, "ended", ""));
    cJSON_Delete(line);
    assert_null(peer_hear(f, p));
}

struct peer *peer_greeted(struct ctl_fixture *f) {
    struct peer *p = peer_new(f);
    char *args = xasprintf("\"token\":\"%s\",\"protocol\":%d", f->token, PROTO_VERSION);
    cJSON *r = peer_ask(f, p, "hello", args);
    assert_true(json_bool(r, "ok", false));
    assert_int_equal(json_i64(json_obj(r, "body"), "pid", 0), getpid());
    cJSON_Delete(r);
    free(args);
    return p;
}

void fixture_turns(struct ctl_fixture *f, int n) {
    for (int i = 0; i < n; i++)
        fixture_turn(f);
}

void fixture_settle(struct ctl_fixture *f) {
    for (int i = 0; i < TURNS_MAX && !agent_idle(f->agent); i++)
        (void)loop_turn(f->loop, NS_PER_SEC);
    assert_true(agent_idle(f->agent));
}

int fixture_open_pty(int *master) {
    *master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(*master >= 0);
    assert_int_equal(grantpt(*master), 0);
    assert_int_equal(unlockpt(*master), 0);
    char name[64];
    assert_int_equal(ptsname_r(*master, name, sizeof(name)), 0);
    int fd = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}
