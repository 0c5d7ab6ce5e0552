/* conn: one connection of the fake provider: takes requests, walks along the plan of each answer.
 */
#ifndef FAKE_CONN_H
#define FAKE_CONN_H

#include <stdbool.h>

#include "account.h"
#include "base/buf.h"
#include "base/list.h"
#include "chaos.h"
#include "http1.h"
#include "plan.h"
#include "report.h"
#include "scenario.h"
#include "timers.h"

/* What all connections share. */
struct server {
    int epoll_fd;
    struct scenario scenario;
    struct chaos chaos;
    struct report report;
    struct timers timers;
    struct list conns;
    const char *key; /* the only key accepted; NULL: any */
    int calls, lists, speeches, accepted;
    char *released[64]; /* gates that are open for good */
    size_t nreleased;
};

enum conn_state {
    CONN_READING, /* waits for a request */
    CONN_WAITING, /* for its timer */
    CONN_SENDING,
    CONN_HELD,  /* at a closed gate */
    CONN_DRAIN, /* everything is in `out`; `after` says what then */
    CONN_SILENT,
    CONN_DEAD /* closed; freed by conn_reap() */
};

struct conn {
    struct list node;
    struct timer timer;
    int fd, id;
    enum conn_state state;
    struct buf in, out;
    bool continued; /* "100 Continue" was sent for the request that is coming */
    bool want_write;
    /* the answer */
    int call;
    char *model;    /* that was asked; NULL: none */
    size_t request; /* bytes of its body */
    enum chaos_kind chaos;
    bool keep_alive, head_sent;
    struct plan plan;
    enum plan_end after;
    size_t step;
    int repeat, events;
    long bytes;
};

struct conn *conn_new(struct server *s, int fd);
void conn_ready(struct server *s, struct conn *c, unsigned events);
void conn_timer(struct server *s, struct conn *c);
/* Opens a gate for every connection that is held there or will come to it. */
void conn_release(struct server *s, const char *name);
/* Ends a connection; "how" for the log when an answer was under way. */
void conn_close(struct server *s, struct conn *c, const char *how);
/* Frees what has been closed: after all events of a turn, since they name connections by pointer.
 */
void conn_reap(struct server *s);

#endif
