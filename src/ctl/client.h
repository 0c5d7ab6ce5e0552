/* client: the other end of the control socket, for verbs and the placeholder. Blocking, with
 * deadlines. */
#ifndef CTL_CLIENT_H
#define CTL_CLIENT_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/status.h"
#include "conf/home.h"

struct ctl_conn;

#define CTL_WAIT_NS (INT64_C(10) * 1000000000) /* for an answer that is due at once */

/* Connects and says hello. STATUS_UNAVAILABLE when no engine runs in this home (or one that is just
 * ending: try again later), STATUS_PROTOCOL for one of another version, STATUS_DENIED. */
enum status ctl_connect(const struct home *h, struct ctl_conn **out, struct cause *why) MUST_CHECK;
void ctl_conn_free(struct ctl_conn **c); /* NULL is fine */

pid_t ctl_conn_engine(const struct ctl_conn *c);
int ctl_conn_fd(const struct ctl_conn *c); /* readable: call ctl_conn_read() */

/* Sends a request; args are lent and may be NULL; fd -1: none goes along. */
enum status ctl_conn_send(struct ctl_conn *c, const char *cmd, const cJSON *args, int fd,
                          int64_t *id, struct cause *why) MUST_CHECK;

/* The next line of the server, the caller's. max_wait_ns 0: only what is there already. TIMEOUT:
 * none; GONE: the connection is over. */
enum status ctl_conn_read(struct ctl_conn *c, int64_t max_wait_ns, cJSON **line,
                          struct cause *why) MUST_CHECK;

/* Blocks SIGINT, SIGTERM and SIGHUP; the descriptor is readable when one of them has come. The
 * caller closes it. */
int ctl_interrupts(void);
/* Waits for something to read: OK; CANCELLED: a signal came (signals -1: none is watched); TIMEOUT
 * (max_wait_ns -1: never). */
enum status ctl_conn_wait(const struct ctl_conn *c, int signals, int64_t max_wait_ns) MUST_CHECK;

/* What a line is. Lent from the line. */
const cJSON *ctl_line_event(const cJSON *line); /* NULL: no event */
const char *ctl_line_screen(const cJSON *line); /* "released", "suspend", NULL */
const char *ctl_line_ended(const cJSON *line);  /* why the server hangs up; NULL */
/* The reply to request `id`: its status (OK, or the error's with its text in `why`); false: it is
 * not that. */
bool ctl_line_reply(const cJSON *line, int64_t id, enum status *st, struct cause *why);

/* Sends and waits for the reply; lines of other kinds meanwhile are dropped. *body (may be NULL
 * when not wanted) is the caller's. */
enum status ctl_request(struct ctl_conn *c, const char *cmd, const cJSON *args, int64_t max_wait_ns,
                        cJSON **body, struct cause *why) MUST_CHECK;

#endif
