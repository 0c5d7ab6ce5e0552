/* bench: streams for measuring. Each is an answer whose text deltas come when its group says so:
 * the streams of a group take turns, evenly spaced, as many events a second as the group was told.
 * The text is the same in every run: "0000041 lorem ipsum " is the 42nd delta of any stream. */
#ifndef FAKE_BENCH_H
#define FAKE_BENCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/list.h"

#define BENCH_GROUPS 8
#define BENCH_NAME 16

struct bench_conn;

/* The streams that take turns: a wheel with a place for each. */
struct bench_group {
    char name[BENCH_NAME];
    struct bench_conn **wheel;
    size_t n, cap;
    size_t next;       /* whose turn it is */
    int64_t period_ns; /* between two events of the group; 0: it rests */
    int64_t due_ns;    /* of the next event */
    uint64_t events;   /* sent so far */
    uint64_t skipped;  /* not sent, because the client had not read what came before */
    int64_t late_ns;   /* the latest that one was since it was last asked */
};

struct bench_conn {
    struct list node;
    int fd;
    bool dead, want_write;
    struct buf in, out;
    struct bench_group *group; /* NULL: no stream is under way */
    size_t place;              /* on its wheel */
    uint32_t sent;             /* deltas of this stream */
};

struct bench {
    int epoll_fd;
    struct list conns;
    struct bench_group groups[BENCH_GROUPS];
    size_t ngroups;
    int calls;
    bool any_dead;
};

void bench_accept(struct bench *b, int fd);
void bench_ready(struct bench *b, struct bench_conn *c, unsigned events);
/* Sends what is due; returns nanoseconds to the next event, -1 when no group runs. */
int64_t bench_turn(struct bench *b, int64_t now_ns);
/* Frees what has been closed: after all events of a turn. */
void bench_reap(struct bench *b);
void bench_close_all(struct bench *b);

/* The group of that name, made when there is none; NULL when there are too many. */
struct bench_group *bench_group(struct bench *b, const char *name);
/* So many events a second from all streams of the group together; 0: rest. */
void bench_pace(struct bench_group *g, double per_second, int64_t now_ns);
/* Every stream of the group comes to its proper end: its worker reports an outcome. */
void bench_finish(struct bench *b, struct bench_group *g);

#endif
