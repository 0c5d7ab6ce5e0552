/* report: what the fake tells the test that runs it: the log file (a JSON object a line, for
 * assertions) and the lines on standard output (for waiting: "port N", "request N rule R", "held
 * NAME", "end N HOW"). */
#ifndef FAKE_REPORT_H
#define FAKE_REPORT_H

#include <stdbool.h>

#include "account.h"
#include "base/buf.h"
#include "http1.h"

struct report {
    int log_fd; /* -1: none */
    int out_fd;
    struct buf out; /* not taken by the pipe yet */
};

bool report_open(struct report *r, const char *log_path, int out_fd, struct cause *why);
void report_close(struct report *r);
/* Appends a line to standard output's queue and writes what the pipe takes. */
void report_say(struct report *r, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Writes what is queued; true when nothing is left. */
bool report_flush(struct report *r);

/* {"type":"request","call":N,"conn":N,"mono_ms":N,"method":S,"path":S,"headers":{…},"rule":N|null,
 *  "status":N,"rejected":S|null,"body":the request's own JSON, white space between tokens dropped}
 * rule < 0: none; rejected NULL: the request was in order. A body that is no JSON is a string. */
void report_request(struct report *r, int call, int conn, const struct http1_request *request,
                    int rule, int status, const char *rejected);
/* {"type":"end","call":N,"conn":N,"mono_ms":N,"how":S,"bytes":N}; how: done, cut, aborted (by the
 * client), stopped (by us). Says "end N HOW" too. */
void report_end(struct report *r, int call, int conn, const char *how, long bytes);
/* {"type":"account","call":N,"model":S,"chaos":S,"input":N,"output":N,"guess":B,"left":B}: see
 * account.h and chaos.h; before the call's end. left: the client did not wait for what was coming,
 * so that nobody knows how much of it has reached it. */
void report_account(struct report *r, int call, const char *model, const char *chaos,
                    const struct account *a, bool left);

#endif
