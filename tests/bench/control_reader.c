/* control_reader: what reading streams costs at the least on this machine: epoll, recv, and the
 * bytes thrown away. The control of the stream benches.
 *
 *     control_reader PORT STREAMS GROUP
 *
 * Opens that many streams of the bench server's group, says "ready" when all have begun, and reads
 * until its standard input closes. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define READY_MAX 256

static int open_stream(int port, const char *group) {
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_port = htons((uint16_t)port),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char body[256], request[512];
    int nbody = snprintf(body, sizeof(body),
                         "{\"model\":\"bench\",\"max_tokens\":1,\"stream\":true,\"messages\":"
                         "[{\"role\":\"user\",\"content\":\"[[stream %s 0]]\"}]}",
                         group);
    int n = snprintf(request, sizeof(request),
                     "POST /v1/messages HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: "
                     "application/json\r\ncontent-length: %d\r\n\r\n%s",
                     nbody, body);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0 ||
        write(fd, request, (size_t)n) != n)
        return -1;
    return fd;
}

int main(int argc, char **argv) {
    static char room[65536];
    struct rlimit files;
    if (argc != 4) {
        fprintf(stderr, "usage: control_reader PORT STREAMS GROUP\n");
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
    for (int i = 0; i < streams; i++) {
        int fd = open_stream(atoi(argv[1]), argv[3]);
        struct epoll_event ev = {.events = EPOLLIN, .data.fd = fd};
        /* The head of the answer is there: the stream has begun. */
        if (fd < 0 || recv(fd, room, sizeof(room), 0) <= 0 ||
            epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &ev) != 0) {
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
