/* server-internal: what the files of the control server share. */
#ifndef CTL_SERVER_INTERNAL_H
#define CTL_SERVER_INTERNAL_H

#include "agent/command.h"
#include "agent/missed.h"
#include "agent/ring.h"
#include "base/list.h"
#include "ctl/proto.h"
#include "ctl/server.h"
#include "loop/outq.h"

/* Bounds, each with what happens beyond it. */
#define CLIENTS_MAX 256u                 /* further ones are told and hung up on */
#define CALLS_MAX 64u                    /* requests of one client under way: refused */
#define FOLLOWS_MAX 64u                  /* filters of one client: refused */
#define READ_MAX 65536u                  /* bytes taken of one client in one turn: the rest waits */
#define OUT_MAX (64u * 1024u * 1024u)    /* a client that does not read: told and dropped */
#define OUT_SLOW 32768u                  /* from here on events wait in the client's ring */
#define RING_BYTES (16u * 1024u * 1024u) /* of one client; beyond: it is told what it missed */
#define PUMP_MAX                                                                                   \
    (256u * 1024u) /* bytes out of a ring in one turn, so that a fast reader cannot hold           \
                      the loop */
#define HELLO_NS (INT64_C(5) * NS_PER_SEC) /* to say hello: hung up on */
#define FIRST_NS                                                                                   \
    (INT64_C(30) * NS_PER_SEC) /* for the first client of an engine to come: it ends               \
                                */
#define PARTING_NS                                                                                 \
    (INT64_C(10) * NS_PER_SEC)                /* for one that is dropped to read why: hung up on   \
                                               */
#define CROWDED_NS (INT64_C(250) * NS_PER_MS) /* until somebody is accepted again */
#define FLUSH_NS (INT64_C(300) * NS_PER_MS)   /* for the last words at the end: lost */

struct ctl_call {
    struct list link;
    struct ctl_client *client;
    int64_t id;
    struct command_call *call;
    bool running;   /* command_run() has not returned yet */
    bool done;      /* the reply has been given */
    bool following; /* an exec: its channel is followed while it runs */
    char *channel;
};

struct follow; /* one filter */

struct ctl_client {
    struct list link;
    struct ctl_server *server;
    int fd;
    pid_t pid;
    struct loop_watch *watch;
    struct loop_timer *timer; /* hello, then parting */
    struct outq *out;
    size_t written; /* bytes, ever */
    struct proto_reader in;
    struct list calls;
    size_t ncalls;
    int passed_fd; /* received, not used yet; -1 */
    bool hello;    /* it has shown the token */
    bool screen;   /* the full screen is on its terminal */
    bool released; /* its terminal was let go: it counts no more */
    bool parting;  /* nothing but what is queued is sent, then it is hung up on */
    bool doomed;   /* freed at the end of this stage */
    struct list follows;
    size_t nfollows;
    struct ring *ring;          /* events that it has not taken yet; NULL until it follows */
    struct missed missed;       /* where it is in catching up */
    bool catching;              /* it is told of what it missed, before what waits in the ring */
    struct store_after *commit; /* what it missed is not all in the store yet */
    bool pumping;               /* the next turn goes on */
};

struct ctl_server {
    struct ctl_server_options o;
    struct loop *loop;
    int fd;
    struct loop_watch *watch;
    int spare;                /* a descriptor to tell clients with that there is none; -1 */
    bool crowded;             /* no descriptor was left for the last one: said once */
    struct loop_timer *again; /* nobody is accepted until then */
    char token[PROTO_TOKEN_LEN + 1];
    struct list clients;
    size_t nclients;
    struct ctl_client *screen; /* NULL: none */
    struct bus_listener *listener;
    struct loop_timer *first, *linger;
    int64_t started_ns;
    bool had_client;
    bool lost;     /* the last screen was lost, not quit: linger */
    bool ending;   /* the person quit and nothing runs */
    bool stopping; /* on_stop was called */
    bool reaping;  /* doomed clients wait to be freed */
    struct buf event;
    char sentence[160];
};

/* connection.c: one client's bytes. */
void client_new(struct ctl_server *s, int fd, pid_t pid);
/* Hangs up; freed later in the turn. What is queued and not yet written is lost. */
void client_close(struct ctl_client *c);
/* Says why, and hangs up once that is read. */
void client_part(struct ctl_client *c, const char *why);
void client_write(struct ctl_client *c, const struct buf *line);
void client_reply(struct ctl_client *c, int64_t id, enum status st, const cJSON *body,
                  const char *error);
void client_free(struct ctl_client *c);
size_t server_live_clients(const struct ctl_server *s);
/* Before the server itself goes. */
void connections_forget(struct ctl_server *s);

/* request.c: what a client asks. */
void request_handle(struct ctl_client *c, const char *line, size_t n);
void call_abandon(struct ctl_call *call);
/* The engine ends: whoever waits for a reply gets one. */
void calls_end(struct ctl_client *c, const char *why);

/* follow.c: who is told of what. */
enum status follow_add(struct ctl_client *c, const char *process, const char *channel,
                       struct cause *why) MUST_CHECK;
void follow_remove_channel(struct ctl_client *c, const char *channel);
void follow_event(void *server, const struct bus_event *e);
/* Hands over what waits, as much as the client takes. */
void follow_pump(struct ctl_client *c);
/* A line that comes behind all events so far. */
void follow_line(struct ctl_client *c, const struct buf *line);
/* All of it, whatever the client takes: before the last words. */
void follow_flush(struct ctl_client *c);
void follow_free(struct ctl_client *c);

/* server.c: the rules of life. */
void server_screen_lost(struct ctl_server *s, struct ctl_client *c);
void server_stop(struct ctl_server *s);

#endif
