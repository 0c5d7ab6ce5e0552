/* listen: what the servers of the tests have in common: a port on the loopback, new connections,
 * and the signals that end a server. */
#ifndef FAKE_LISTEN_H
#define FAKE_LISTEN_H

#include <stdbool.h>
#include <stdint.h>

/* Listens on 127.0.0.1; port 0: a free one. *bound is the port. -1 with errno. */
int listen_on(uint16_t port, uint16_t *bound);
/* The next connection, non-blocking, or -1 when none waits. */
int listen_accept(int listen_fd);
/* What is written leaves at once. */
void listen_nodelay(int fd);
/* Watches fd for reading with that tag. */
bool listen_watch(int epoll_fd, int fd, void *tag);
/* SIGTERM and SIGINT become readable; SIGPIPE is ignored. */
int listen_signals(void);
/* As many descriptors as are allowed; returns how many. */
uint64_t listen_raise_files(void);

#endif
