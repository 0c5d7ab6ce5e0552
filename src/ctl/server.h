/* server: the control socket. JSON lines both ways; the same user only (SO_PEERCRED), a token from
 * a file that sandboxes cannot see, and never a descendant of the engine. */
#ifndef CTL_SERVER_H
#define CTL_SERVER_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <sys/types.h>

#include "agent/agent.h"

struct ctl_server;
struct ctl_client;

/* A terminal that was handed over. */
struct ctl_terminal {
    int fd; /* own description, non-blocking, CLOEXEC; whoever receives it closes it */
    const char *term, *colorterm; /* lent; colorterm may be NULL */
    bool no_color;
    bool ascii; /* the locale it is used in has no UTF-8 */
    int cols, rows;
    pid_t pid; /* the placeholder */
};

/* Filled by ui/: one full screen at a time. */
struct ctl_screen_ops {
    /* Takes the terminal over; an earlier one has been released by ctl_client_release(). */
    enum status (*attach)(void *arg, struct ctl_client *c, const struct ctl_terminal *t,
                          struct cause *why);
    void (*resize)(void *arg, struct ctl_client *c, int cols, int rows);
    void (*resumed)(void *arg,
                    struct ctl_client *c); /* the placeholder was continued after a stop */
    void (*detach)(
        void *arg,
        struct ctl_client *c); /* its connection is gone: close the terminal, do not write */
    void (*describe)(void *arg, cJSON *out); /* adds "screen" of status --json */
    void *arg;
};

enum ctl_release {
    CTL_QUIT,    /* the person quit; the placeholder exits 0 */
    CTL_TAKEN,   /* another terminal attached */
    CTL_STOPPING /* the engine ends */
};
/* The terminal's modes have been restored: the placeholder may go. `text` is printed by it (NULL:
 * nothing). */
void ctl_client_release(struct ctl_client *c, enum ctl_release why, const char *text);
/* The terminal's modes have been restored: the placeholder stops itself (Ctrl-Z); resumed() follows
 * some day. */
void ctl_client_suspend(struct ctl_client *c);

struct ctl_server_options {
    struct agent *agent;
    const struct home *home;
    const struct ctl_screen_ops *screen;
    bool daemon; /* started by `daemon`: never ends by itself */
    int64_t linger_secs;
    void (*on_stop)(void *arg); /* the engine should end now */
    void *arg;
};
enum status ctl_server_new(const struct ctl_server_options *o, struct ctl_server **out,
                           struct cause *why) MUST_CHECK;
void ctl_server_free(struct ctl_server **s);
/* The person closed the screen: applies DESIGN's rule (ends when nothing runs and it was not
 * started by daemon; otherwise stays). Returns the sentence to tell, or NULL when the engine ends.
 */
const char *ctl_server_quit(struct ctl_server *s, struct ctl_client *c);

#endif
