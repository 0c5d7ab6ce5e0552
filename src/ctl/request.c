/* request: what a client asks for. The server's own words are answered here; all others are
 * commands of the agent, whose replies come when they come. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "ctl/server-internal.h"

#define SIZE_LEAST 1
#define SIZE_MOST 10000

static void call_free(struct ctl_call *call) {
    struct ctl_client *c = call->client;
    if (call->following)
        follow_remove_channel(c, call->channel);
    list_remove(&call->link);
    c->ncalls--;
    free(call->channel);
    free(call);
}

void call_abandon(struct ctl_call *call) {
    command_abandon(&call->call);
    call_free(call);
}

void calls_end(struct ctl_client *c, const char *why) {
    list_for_safe(&c->calls, it, next) {
        struct ctl_call *call = list_entry(it, struct ctl_call, link);
        client_reply(c, call->id, STATUS_CANCELLED, NULL, why);
        call_abandon(call);
    }
}

static void on_reply(void *arg, enum status st, cJSON *body, const char *why) {
    struct ctl_call *call = arg;
    struct buf line = BUF_INIT;
    proto_put_reply(&line, call->id, st, body, why);
    if (call->following)
        follow_line(call->client, &line); /* behind the events of its channel */
    else
        client_write(call->client, &line);
    buf_free(&line);
    cJSON_Delete(body);
    call->done = true;
    if (!call->running)
        call_free(call);
}

/* An exec without a channel gets its own here, so that it is followed before anything happens in
 * it. */
static void follow_exec(struct ctl_call *call, cJSON *args) {
    struct cause why;
    if (!json_str(args, "channel", NULL)) {
        char uuid[ID_UUID_SIZE];
        id_uuid(uuid);
        char *channel = xasprintf("cli:%s", uuid);
        cJSON_DeleteItemFromObjectCaseSensitive(args, "channel");
        json_add_str(args, "channel", channel);
        cJSON_DeleteItemFromObjectCaseSensitive(args, "throwaway");
        json_add_bool(args, "throwaway", true);
        free(channel);
    }
    call->channel = xstrdup(json_str(args, "channel", ""));
    call->following = follow_add(call->client, NULL, call->channel, &why) == STATUS_OK;
}

static void run_command(struct ctl_client *c, const struct proto_request *r, enum command command) {
    if (c->ncalls >= CALLS_MAX) {
        client_reply(c, r->id, STATUS_LIMIT, NULL, "too many requests are under way");
        return;
    }
    struct ctl_call *call = xcalloc(1, sizeof(*call));
    call->client = c;
    call->id = r->id;
    list_push_back(&c->calls, &call->link);
    c->ncalls++;
    if (command == COMMAND_EXEC)
        follow_exec(call, r->args);
    call->running = true;
    struct command_call *handle = command_run(c->server->o.agent, command, r->args, on_reply, call);
    call->running = false;
    if (call->done)
        call_free(call);
    else
        call->call = handle;
}

static void hello(struct ctl_client *c, const struct proto_request *r) {
    struct ctl_server *s = c->server;
    const char *token = json_str(r->args, "token", "");
    if (!proto_token_equal(token, s->token)) {
        log_warn("control client %ld showed a wrong token", (long)c->pid);
        client_reply(c, r->id, STATUS_DENIED, NULL, "wrong token");
        client_part(c, "wrong token");
        return;
    }
    int64_t protocol = json_i64(r->args, "protocol", PROTO_VERSION);
    cJSON *body = json_new_obj();
    json_add_i64(body, "pid", getpid());
    json_add_str(body, "version", PACKAGE_VERSION);
    json_add_i64(body, "protocol", PROTO_VERSION);
    json_add_str(body, "home", s->o.home->dir);
    if (protocol == PROTO_VERSION) {
        c->hello = true;
        s->had_client = true;
        client_reply(c, r->id, STATUS_OK, body, NULL);
    } else {
        char *text = xasprintf("the engine is version %s and speaks protocol %d, not %lld; end it "
                               "with the `spacebot stop` of its version",
                               PACKAGE_VERSION, PROTO_VERSION, (long long)protocol);
        client_reply(c, r->id, STATUS_PROTOCOL, body, text);
        client_part(c, text);
        free(text);
    }
    cJSON_Delete(body);
}

/* A description of our own, non-blocking: the shell's stays as it is. */
static enum status open_terminal(int passed, bool own, int *out, struct cause *why) {
    struct stat sb;
    if (fstat(passed, &sb) != 0 || !S_ISCHR(sb.st_mode) || !isatty(passed))
        return cause_set(why, STATUS_INVALID, "what was passed is not a terminal");
    int flags = fcntl(passed, F_GETFL);
    if (flags < 0 || (flags & O_ACCMODE) != O_RDWR)
        return cause_set(why, STATUS_INVALID, "the terminal is not open for reading and writing");
    if (own) {
        if (!(flags & O_NONBLOCK) && fcntl(passed, F_SETFL, flags | O_NONBLOCK) != 0)
            return cause_errno(why, STATUS_IO, errno, "the terminal");
        *out = fcntl(passed, F_DUPFD_CLOEXEC, 3);
    } else {
        char path[48];
        snprintf(path, sizeof(path), "/proc/self/fd/%d", passed);
        *out = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    }
    if (*out < 0)
        return cause_errno(why, STATUS_DENIED, errno,
                           "the engine may not open this terminal (`script /dev/null` gives one "
                           "of your own)");
    return STATUS_OK;
}

static bool size_ok(const cJSON *args, int *cols, int *rows) {
    int64_t w = json_i64(args, "cols", 0), h = json_i64(args, "rows", 0);
    if (w < SIZE_LEAST || w > SIZE_MOST || h < SIZE_LEAST || h > SIZE_MOST)
        return false;
    *cols = (int)w;
    *rows = (int)h;
    return true;
}

static enum status attach(struct ctl_client *c, const cJSON *args, struct cause *why) {
    struct ctl_server *s = c->server;
    struct ctl_terminal t = {.term = json_str(args, "term", NULL),
                             .colorterm = json_str(args, "colorterm", NULL),
                             .no_color = json_bool(args, "no_color", false),
                             .ascii = json_bool(args, "ascii", false),
                             .pid = c->pid,
                             .fd = -1};
    int passed = c->passed_fd;
    c->passed_fd = -1;
    enum status st = STATUS_OK;
    if (c->screen)
        st = cause_set(why, STATUS_EXISTS, "the screen is on your terminal already");
    else if (passed < 0)
        st = cause_set(why, STATUS_INVALID, "no terminal came with the request");
    else if (!t.term || !*t.term || strlen(t.term) > 64)
        st = cause_set(why, STATUS_INVALID, "TERM is not set");
    else if (!size_ok(args, &t.cols, &t.rows))
        st = cause_set(why, STATUS_INVALID, "the terminal has no usable size");
    if (st == STATUS_OK)
        st = open_terminal(passed, json_bool(args, "own", false), &t.fd, why);
    if (passed >= 0)
        close(passed);
    if (st != STATUS_OK)
        return st;
    struct ctl_client *before = s->screen;
    st = s->o.screen->attach(s->o.screen->arg, c, &t, why);
    if (st != STATUS_OK)
        return st;
    if (before && before != c && before->screen)
        ctl_client_release(before, CTL_TAKEN, NULL);
    c->screen = true;
    c->released = false;
    s->screen = c;
    s->lost = s->ending = false;
    return STATUS_OK;
}

static cJSON *status_body(struct ctl_server *s) {
    cJSON *body = json_new_obj();
    json_add_bool(body, "running", true);
    json_add_i64(body, "pid", getpid());
    json_add_str(body, "version", PACKAGE_VERSION);
    json_add_str(body, "home", s->o.home->dir);
    json_add_i64(body, "uptime_ms", (clock_mono_ns() - s->started_ns) / NS_PER_MS);
    json_add_bool(body, "daemon", s->o.daemon);
    agent_status(s->o.agent, body);
    s->o.screen->describe(s->o.screen->arg, body);
    size_t followers = 0;
    list_for(&s->clients, it) followers +=
        list_entry(it, const struct ctl_client, link)->nfollows > 0;
    json_add_i64(body, "followers", (int64_t)followers);
    return body;
}

static enum status follow(struct ctl_client *c, const cJSON *args, cJSON **body,
                          struct cause *why) {
    const char *name = json_str(args, "process", NULL);
    struct process *p = NULL;
    if (name) {
        enum status st = process_resolve(agent_processes(c->server->o.agent), name, &p, why);
        if (st != STATUS_OK)
            return st;
    }
    enum status st = follow_add(c, p ? p->id : NULL, json_str(args, "channel", NULL), why);
    if (st == STATUS_OK && p) {
        *body = json_new_obj();
        json_add_str(*body, "id", p->id);
    }
    return st;
}

static enum status abandon(struct ctl_client *c, const cJSON *args, struct cause *why) {
    int64_t id = json_i64(args, "call", 0);
    list_for(&c->calls, it) {
        struct ctl_call *call = list_entry(it, struct ctl_call, link);
        if (call->id == id) {
            call_abandon(call);
            return STATUS_OK;
        }
    }
    return cause_set(why, STATUS_NOT_FOUND, "no request %lld is under way", (long long)id);
}

static enum status resize(struct ctl_client *c, const cJSON *args, struct cause *why) {
    const struct ctl_screen_ops *ops = c->server->o.screen;
    int cols = 0, rows = 0;
    if (!c->screen)
        return cause_set(why, STATUS_INVALID, "the screen is not on your terminal");
    if (!size_ok(args, &cols, &rows))
        return cause_set(why, STATUS_INVALID, "not a size of a terminal");
    ops->resize(ops->arg, c, cols, rows);
    return STATUS_OK;
}

static enum status own_word(struct ctl_client *c, const struct proto_request *r,
                            enum proto_word word, cJSON **body, struct cause *why) {
    struct ctl_server *s = c->server;
    const struct ctl_screen_ops *ops = s->o.screen;
    switch (word) {
    case PROTO_HELLO:
        return cause_set(why, STATUS_EXISTS, "hello was said already");
    case PROTO_ATTACH:
        return attach(c, r->args, why);
    case PROTO_RESIZE:
        return resize(c, r->args, why);
    case PROTO_RESUMED: {
        enum status st = resize(c, r->args, why);
        if (st == STATUS_OK)
            ops->resumed(ops->arg, c);
        return st;
    }
    case PROTO_DETACH:
        if (c->screen)
            server_screen_lost(s, c);
        return STATUS_OK;
    case PROTO_STATUS:
        *body = status_body(s);
        return STATUS_OK;
    case PROTO_STOP:
        return STATUS_OK;
    case PROTO_LEAVE:
        *body = json_new_obj();
        json_add_bool(*body, "ending", !s->o.daemon && !s->lost && server_live_clients(s) == 1);
        return STATUS_OK;
    case PROTO_FOLLOW:
        return follow(c, r->args, body, why);
    case PROTO_ABANDON:
        return abandon(c, r->args, why);
#ifdef SPACEBOT_TEST_HOOKS
    case PROTO_ADVANCE: {
        int64_t ms = json_i64(r->args, "ms", -1);
        if (!clock_is_virtual() || ms < 0 || ms > INT64_MAX / NS_PER_MS)
            return cause_set(why, STATUS_INVALID, "the clock is not virtual, or no time is given");
        clock_advance(ms * NS_PER_MS);
        loop_wake(s->loop);
        return STATUS_OK;
    }
#endif
    }
    return STATUS_INVALID;
}

void request_handle(struct ctl_client *c, const char *line, size_t n) {
    struct proto_request r;
    struct cause why = {""};
    if (proto_request_parse(line, n, &r, &why) != STATUS_OK) {
        client_reply(c, r.id, STATUS_PROTOCOL, NULL, why.text);
        if (!c->hello)
            client_part(c, why.text);
        return;
    }
    enum proto_word word;
    enum command command;
    bool own = proto_word_from_string(r.cmd, &word) == STATUS_OK;
    if (!c->hello) {
        if (own && word == PROTO_HELLO)
            hello(c, &r);
        else
            client_part(c, "the first request must be hello");
    } else if (own) {
        cJSON *body = NULL;
        enum status st = own_word(c, &r, word, &body, &why);
        client_reply(c, r.id, st, body, why.text);
        cJSON_Delete(body);
        if (word == PROTO_STOP)
            server_stop(c->server);
    } else if (command_from_string(r.cmd, &command) == STATUS_OK) {
        run_command(c, &r, command);
    } else {
        client_reply(c, r.id, STATUS_NOT_FOUND, NULL, "there is no such command");
    }
    proto_request_free(&r);
}
