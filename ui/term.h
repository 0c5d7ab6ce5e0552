/* term: one terminal that was handed over: its modes, what is typed on it, and the frames that go
 * to it. curses writes to a memory file, which never blocks; the frame is read out and queued on
 * the terminal's own non-blocking writer. While bytes are pending nothing is painted: a terminal
 * that is not read costs frames, never progress. */
#ifndef UI_TERM_H
#define UI_TERM_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/status.h"
#include "loop/loop.h"
#include "ui/keys.h"
#include "ui/theme.h"

struct term;

struct term_options {
    int fd;           /* taken: own description, non-blocking; closed by term_close() */
    const char *term; /* lent */
    bool no_color;
    bool ascii; /* its locale has no UTF-8 */
    int cols, rows;
    pid_t pid; /* whose terminal it is: not painted while that is stopped or in the background; 0:
                  nobody's */
};

struct term_events {
    void (*on_key)(void *arg, const struct key *k);
    void (*on_drain)(void *arg);  /* it can be painted again */
    void (*on_resume)(void *arg); /* it is ours again after others had it: paint all */
    void (*on_gone)(void *arg);   /* hung up: nothing can be read or written any more */
    void *arg;
};

/* Raw mode, the alternate screen, bracketed paste. One at a time: close the one before first
 * (curses 6.4 has one window list for all screens). The descriptor is taken also when it fails. */
enum status term_open(struct loop *l, const struct term_options *o, const struct term_events *ev,
                      struct term **out, struct cause *why) MUST_CHECK;

/* The end. With `restore`, modes and screen are as they were; without, nothing is written any more.
 * NULL is fine. */
void term_close(struct term **t, bool restore);

/* Gives the terminal back for a while (Ctrl-Z), and takes it again. */
void term_suspend(struct term *t);
void term_resume(struct term *t);

/* False while a frame is still on its way, while it is suspended, stopped or gone: do not draw. */
bool term_ready(struct term *t);
/* Sends what was drawn since the last frame; draw only after term_ready(). The bytes it took. */
size_t term_flush(struct term *t);

void term_resize(struct term *t, int cols, int rows);
/* The next frame draws every cell anew. */
void term_redraw(struct term *t);
void term_bell(struct term *t);
/* Offers text to the terminal's clipboard (OSC 52), through tmux and screen too. False: it is too
 * long for what terminals take, or nothing can be sent now. */
bool term_copy(struct term *t, const char *text, size_t n);
int term_cols(const struct term *t);
int term_rows(const struct term *t);
size_t term_pending(const struct term *t);
const struct theme *term_theme(const struct term *t);
const char *term_type(const struct term *t);

#endif
