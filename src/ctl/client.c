/* client: connecting, asking, waiting. */
#include "ctl/client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "conf/lock.h"
#include "ctl/proto.h"

struct ctl_conn {
    int fd;
    int64_t next_id;
    struct proto_reader in;
    pid_t engine;
};

pid_t ctl_conn_engine(const struct ctl_conn *c) { return c->engine; }
int ctl_conn_fd(const struct ctl_conn *c) { return c->fd; }

/* Milliseconds for poll(2), rounded up, so that a wait never ends just before its time. */
static int poll_ms(int64_t until_ns) {
    int64_t left = until_ns - clock_real_mono_ns();
    if (left <= 0)
        return 0;
    left = (left + NS_PER_MS - 1) / NS_PER_MS;
    return left > 3600000 ? 3600000 : (int)left;
}

static enum status wait_for(int fd, short what, int64_t until_ns) {
    struct pollfd p = {.fd = fd, .events = what};
    int n = poll(&p, 1, poll_ms(until_ns));
    if (n > 0)
        return STATUS_OK;
    if (n == 0 || errno == EINTR)
        return clock_real_mono_ns() >= until_ns ? STATUS_TIMEOUT : STATUS_OK;
    return STATUS_IO;
}

static enum status send_all(struct ctl_conn *c, const char *data, size_t n, int fd,
                            struct cause *why) {
    char control[CMSG_SPACE(sizeof(int))] = {0};
    int64_t until = clock_real_mono_ns() + CTL_WAIT_NS;
    for (size_t at = 0; at < n;) {
        struct iovec iov = {(char *)(uintptr_t)(data + at), n - at};
        struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
        if (fd >= 0 && at == 0) {
            m.msg_control = control;
            m.msg_controllen = sizeof(control);
            struct cmsghdr *h = CMSG_FIRSTHDR(&m);
            h->cmsg_level = SOL_SOCKET;
            h->cmsg_type = SCM_RIGHTS;
            h->cmsg_len = CMSG_LEN(sizeof(int));
            memcpy(CMSG_DATA(h), &fd, sizeof(int));
        }
        ssize_t sent = sendmsg(c->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent >= 0) {
            at += (size_t)sent;
            continue;
        }
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN)
            return cause_set(why, STATUS_GONE, "the engine is gone");
        enum status st = wait_for(c->fd, POLLOUT, until);
        if (st != STATUS_OK)
            return cause_set(why, st, "the engine does not read");
    }
    return STATUS_OK;
}

enum status ctl_conn_send(struct ctl_conn *c, const char *cmd, const cJSON *args, int fd,
                          int64_t *id, struct cause *why) {
    struct buf line = BUF_INIT;
    *id = c->next_id++;
    proto_put_request(&line, *id, cmd, args);
    enum status st = line.len > PROTO_LINE_MAX
                         ? cause_set(why, STATUS_LIMIT, "the request is longer than 1 MiB")
                         : send_all(c, line.data, line.len, fd, why);
    buf_free(&line);
    return st;
}

/* One line out of what was read: replies may be larger than requests, and come from our own engine.
 */
static enum status next_line(struct ctl_conn *c, cJSON **line, struct cause *why) {
    const char *text = NULL;
    size_t n = 0;
    enum status st = proto_reader_line(&c->in, &text, &n);
    if (st == STATUS_NOT_FOUND)
        return st;
    struct cause inner = {"a line is too long"};
    if (st != STATUS_OK || json_parse(text, n, line, &inner) != STATUS_OK)
        return cause_set(why, STATUS_PROTOCOL, "the engine said something odd: %s", inner.text);
    return STATUS_OK;
}

enum status ctl_conn_read(struct ctl_conn *c, int64_t max_wait_ns, cJSON **line,
                          struct cause *why) {
    *line = NULL;
    int64_t until = clock_real_mono_ns() + max_wait_ns;
    for (;;) {
        enum status st = next_line(c, line, why);
        if (st != STATUS_NOT_FOUND)
            return st;
        ssize_t n = recv(c->fd, proto_reader_room(&c->in, 65536), 65536, MSG_DONTWAIT);
        if (n > 0) {
            proto_reader_added(&c->in, (size_t)n);
            continue;
        }
        if (n == 0 || (errno != EAGAIN && errno != EINTR))
            return cause_set(why, STATUS_GONE, "the engine is gone");
        if (clock_real_mono_ns() >= until || wait_for(c->fd, POLLIN, until) == STATUS_TIMEOUT)
            return cause_set(why, STATUS_TIMEOUT, "the engine does not answer");
    }
}

int ctl_interrupts(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC);
}

enum status ctl_conn_wait(const struct ctl_conn *c, int signals, int64_t max_wait_ns) {
    int64_t until = max_wait_ns < 0 ? INT64_MAX : clock_real_mono_ns() + max_wait_ns;
    for (;;) {
        struct pollfd fds[] = {{.fd = c->fd, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
        int n = poll(fds, 2, poll_ms(until));
        if (n < 0 && errno != EINTR)
            return STATUS_IO;
        if (n > 0)
            return fds[1].revents ? STATUS_CANCELLED : STATUS_OK;
        if (clock_real_mono_ns() >= until)
            return STATUS_TIMEOUT;
    }
}

const cJSON *ctl_line_event(const cJSON *line) { return json_obj(line, "event"); }
const char *ctl_line_screen(const cJSON *line) { return json_str(line, "screen", NULL); }
const char *ctl_line_ended(const cJSON *line) { return json_str(line, "ended", NULL); }

bool ctl_line_reply(const cJSON *line, int64_t id, enum status *st, struct cause *why) {
    if (!cJSON_GetObjectItemCaseSensitive(line, "ok") || json_i64(line, "id", 0) != id)
        return false;
    *st = STATUS_OK;
    if (!json_bool(line, "ok", false)) {
        *st = STATUS_PROTOCOL;
        (void)proto_status_from_string(json_str(line, "status", ""), st);
        cause_set(why, *st, "%s", json_str(line, "error", "no reason was given"));
    }
    return true;
}

enum status ctl_request(struct ctl_conn *c, const char *cmd, const cJSON *args, int64_t max_wait_ns,
                        cJSON **body, struct cause *why) {
    int64_t id = 0, until = clock_real_mono_ns() + max_wait_ns;
    if (body)
        *body = NULL;
    enum status st = ctl_conn_send(c, cmd, args, -1, &id, why);
    while (st == STATUS_OK) {
        cJSON *line = NULL;
        enum status said = STATUS_OK;
        int64_t left = until - clock_real_mono_ns();
        st = ctl_conn_read(c, left > 0 ? left : 0, &line, why);
        if (st == STATUS_OK && ctl_line_reply(line, id, &said, why)) {
            if (body)
                *body = cJSON_DetachItemFromObjectCaseSensitive(line, "body");
            cJSON_Delete(line);
            return said;
        }
        const char *ended = st == STATUS_OK ? ctl_line_ended(line) : NULL;
        if (ended)
            st = cause_set(why, STATUS_GONE, "%s", ended);
        cJSON_Delete(line);
    }
    return st;
}

/* NULL: not there or not readable. The caller frees. */
static char *read_token(const struct home *h) {
    char text[PROTO_TOKEN_LEN + 1];
    int fd = open(h->token, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t n = fd < 0 ? -1 : read(fd, text, PROTO_TOKEN_LEN);
    if (fd >= 0)
        close(fd);
    if (n != (ssize_t)PROTO_TOKEN_LEN)
        return NULL;
    text[n] = '\0';
    return xstrdup(text);
}

/* The token goes to nobody but our own user. */
static bool other_end_is_ours(int fd) {
    struct ucred cred;
    socklen_t len = sizeof(cred);
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 && cred.uid == geteuid();
}

static enum status dial(const struct home *h, int *fd, struct cause *why) {
    /* The engine may have been started where XDG_RUNTIME_DIR was another: the lock says where it
     * listens. */
    pid_t pid = 0;
    char *where = NULL;
    bool known = lock_holder(h, &pid, &where) == STATUS_OK;
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    const char *path = known ? where : h->socket;
    bool fits = strlen(path) < sizeof(sa.sun_path);
    if (fits)
        memcpy(sa.sun_path, path, strlen(path) + 1);
    x_free(&where);
    *fd = -1;
    if (!fits)
        return cause_set(why, STATUS_CONFIG, "the path of the socket is too long");
    *fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (*fd < 0)
        return cause_errno(why, STATUS_IO, errno, "a socket");
    if (connect(*fd, (struct sockaddr *)&sa, sizeof(sa)) != 0)
        return errno == ENOENT || errno == ECONNREFUSED
                   ? cause_set(why, STATUS_UNAVAILABLE, "no engine runs in %s", h->dir)
                   : cause_errno(why, STATUS_IO, errno, "%s", sa.sun_path);
    if (!other_end_is_ours(*fd))
        return cause_set(why, STATUS_DENIED, "%s belongs to another user", sa.sun_path);
    return STATUS_OK;
}

static enum status say_hello(struct ctl_conn *c, const struct home *h, struct cause *why) {
    char *token = read_token(h);
    if (!token)
        return cause_set(why, STATUS_UNAVAILABLE, "%s cannot be read", h->token);
    cJSON *args = json_new_obj(), *body = NULL;
    json_add_str(args, "token", token);
    json_add_i64(args, "protocol", PROTO_VERSION);
    json_add_str(args, "version", PACKAGE_VERSION);
    enum status st = ctl_request(c, "hello", args, CTL_WAIT_NS, &body, why);
    if (st == STATUS_OK)
        c->engine = (pid_t)json_i64(body, "pid", 0);
    else if (st == STATUS_GONE)
        st = STATUS_UNAVAILABLE; /* it was just ending */
    explicit_bzero(token, strlen(token));
    x_free(&token);
    cJSON_Delete(args);
    cJSON_Delete(body);
    return st;
}

enum status ctl_connect(const struct home *h, struct ctl_conn **out, struct cause *why) {
    struct ctl_conn *c = xcalloc(1, sizeof(*c));
    c->next_id = 1;
    c->in.limit = PROTO_REPLY_MAX;
    enum status st = dial(h, &c->fd, why);
    if (st == STATUS_OK)
        st = say_hello(c, h, why);
    if (st != STATUS_OK) {
        ctl_conn_free(&c);
        return st;
    }
    *out = c;
    return STATUS_OK;
}

void ctl_conn_free(struct ctl_conn **c) {
    if (!*c)
        return;
    if ((*c)->fd >= 0)
        close((*c)->fd);
    proto_reader_free(&(*c)->in);
    x_free(c);
}
