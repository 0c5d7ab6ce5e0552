/* control_reader: what reading streams costs at the least on this machine: epoll, recv, and the
 * bytes thrown away. The control of the stream benches.
 *
 *     control_reader PORT STREAMS GROUP [PER_CONNECTION]
 *
 * Opens that many streams of the bench server's group, says "ready" when all have begun, and reads
 * until its standard input closes. With PER_CONNECTION it speaks HTTP/2 without TLS, that many
 * streams on a connection: as much of it as asking takes, and no more than a count of answers while
 * they begin. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define READY_MAX 256
#define STREAMS_MAX 100 /* of a connection */

static char room[65536];

static int connect_to(int port) {
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_port = htons((uint16_t)port),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0)
        return -1;
    return fd;
}

static int request_body(const char *group, char *out, size_t size) {
    return snprintf(out, size,
                    "{\"model\":\"bench\",\"max_tokens\":1,\"stream\":true,\"messages\":"
                    "[{\"role\":\"user\",\"content\":\"[[stream %s 0]]\"}]}",
                    group);
}

/* ---- HTTP/1.1: a connection a stream ---- */

/* The head of the answer is there when it returns: the stream has begun. */
static int open_stream(int port, const char *group) {
    char body[256], request[512];
    int nbody = request_body(group, body, sizeof(body));
    int n = snprintf(request, sizeof(request),
                     "POST /v1/messages HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: "
                     "application/json\r\ncontent-length: %d\r\n\r\n%s",
                     nbody, body);
    int fd = connect_to(port);
    if (fd < 0 || write(fd, request, (size_t)n) != n || recv(fd, room, sizeof(room), 0) <= 0)
        return -1;
    return fd;
}

/* ---- HTTP/2 (RFC 9113): many streams a connection ---- */

enum { FRAME_DATA, FRAME_HEADERS, FRAME_RST = 3, FRAME_SETTINGS, FRAME_GOAWAY = 7, FRAME_WINDOW };
#define FLAG_END_STREAM 1u
#define FLAG_ACK 1u
#define FLAG_END_HEADERS 4u
#define FRAME_HEAD 9u
#define WINDOW_MOST 0x7fffffffu
#define WINDOW_FIRST 65535u

static uint8_t *put32(uint8_t *at, uint32_t v) {
    for (int shift = 24; shift >= 0; shift -= 8)
        *at++ = (uint8_t)(v >> shift);
    return at;
}

static uint8_t *put_frame(uint8_t *at, unsigned type, unsigned flags, uint32_t stream,
                          const void *payload, size_t n) {
    at = put32(at, (uint32_t)n << 8 | type);
    *at++ = (uint8_t)flags;
    at = put32(at, stream);
    if (n)
        memcpy(at, payload, n);
    return at + n;
}

/* A header field as HPACK's "literal without indexing", its name by its place in the static table
 * (RFC 7541, appendix A). */
static uint8_t *put_field(uint8_t *at, unsigned name, const char *value) {
    size_t n = strlen(value);
    if (name < 15) {
        *at++ = (uint8_t)name;
    } else {
        *at++ = 15;
        *at++ = (uint8_t)(name - 15);
    }
    *at++ = (uint8_t)n;
    memcpy(at, value, n);
    return at + n;
}

static uint8_t *put_request(uint8_t *at, uint32_t stream, const char *body, size_t n) {
    enum { POST = 3, HTTP = 6, AUTHORITY = 1, PATH = 4, LENGTH = 28, TYPE = 31 };
    uint8_t fields[256], *end = fields;
    char length[16];
    snprintf(length, sizeof(length), "%zu", n);
    *end++ = 0x80 | POST;
    *end++ = 0x80 | HTTP;
    end = put_field(end, PATH, "/v1/messages");
    end = put_field(end, AUTHORITY, "127.0.0.1");
    end = put_field(end, LENGTH, length);
    end = put_field(end, TYPE, "application/json");
    at = put_frame(at, FRAME_HEADERS, FLAG_END_HEADERS, stream, fields, (size_t)(end - fields));
    return put_frame(at, FRAME_DATA, FLAG_END_STREAM, stream, body, n);
}

static bool acknowledge(int fd) {
    uint8_t ack[FRAME_HEAD];
    put_frame(ack, FRAME_SETTINGS, FLAG_ACK, 0, NULL, 0);
    return write(fd, ack, sizeof(ack)) == sizeof(ack);
}

/* Reads whole frames until so many answers have begun. What comes after them in the same read is
 * no matter: it is thrown away from then on. */
static bool await_answers(int fd, int answers) {
    size_t have = 0;
    while (answers > 0) {
        ssize_t n = recv(fd, room + have, sizeof(room) - have, 0);
        if (n <= 0)
            return false;
        have += (size_t)n;
        const uint8_t *at = (const uint8_t *)room, *end = at + have;
        size_t size;
        while ((size_t)(end - at) >= FRAME_HEAD &&
               (size = (size_t)at[0] << 16 | (size_t)at[1] << 8 | at[2],
                (size_t)(end - at) >= FRAME_HEAD + size)) {
            if (at[3] == FRAME_RST || at[3] == FRAME_GOAWAY)
                return false;
            if (at[3] == FRAME_SETTINGS && !(at[4] & FLAG_ACK) && !acknowledge(fd))
                return false;
            answers -= at[3] == FRAME_HEADERS;
            at += FRAME_HEAD + size;
        }
        have = (size_t)(end - at);
        memmove(room, at, have);
    }
    return true;
}

static int open_connection(int port, const char *group, int streams) {
    static uint8_t out[65536];
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    const uint8_t settings[] = {0, 2,    0,    0,    0,   0, 0,
                                4, 0x7f, 0xff, 0xff, 0xff}; /* no push; the
                                               largest window a stream */
    char body[256];
    size_t nbody = (size_t)request_body(group, body, sizeof(body));
    uint8_t *at = out, window[4];
    memcpy(at, preface, sizeof(preface) - 1);
    at = put_frame(at + sizeof(preface) - 1, FRAME_SETTINGS, 0, 0, settings, sizeof(settings));
    put32(window, WINDOW_MOST - WINDOW_FIRST); /* and the largest for all: two gigabytes */
    at = put_frame(at, FRAME_WINDOW, 0, 0, window, sizeof(window));
    for (int i = 0; i < streams; i++)
        at = put_request(at, (uint32_t)i * 2 + 1, body, nbody);
    int fd = connect_to(port);
    if (fd < 0 || write(fd, out, (size_t)(at - out)) != at - out || !await_answers(fd, streams))
        return -1;
    return fd;
}

int main(int argc, char **argv) {
    struct rlimit files;
    int each = argc == 5 ? atoi(argv[4]) : 0;
    if (argc != 4 && (argc != 5 || each < 1 || each > STREAMS_MAX)) {
        fprintf(stderr, "usage: control_reader PORT STREAMS GROUP [PER_CONNECTION: 1 to %d]\n",
                STREAMS_MAX);
        return 2;
    }
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    int streams = atoi(argv[2]), epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event in = {.events = EPOLLIN, .data.fd = STDIN_FILENO};
    if (epoll_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, STDIN_FILENO, &in) != 0) {
        perror("control_reader");
        return 1;
    }
    for (int left = streams; left > 0; left -= each ? each : 1) {
        int fd = each ? open_connection(atoi(argv[1]), argv[3], left < each ? left : each)
                      : open_stream(atoi(argv[1]), argv[3]);
        struct epoll_event ev = {.events = EPOLLIN, .data.fd = fd};
        if (fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &ev) != 0) {
            perror("control_reader: a stream");
            return 1;
        }
    }
    printf("ready\n");
    fflush(stdout);
    for (;;) {
        struct epoll_event ready[READY_MAX];
        int n = epoll_wait(epoll_fd, ready, READY_MAX, -1);
        if (n < 0 && errno != EINTR)
            return 1;
        for (int i = 0; i < n; i++) {
            if (ready[i].data.fd == STDIN_FILENO)
                return 0;
            if (recv(ready[i].data.fd, room, sizeof(room), 0) <= 0) {
                fprintf(stderr, "control_reader: a stream ended\n");
                return 1;
            }
        }
    }
}
