/* stage: a terminal with a program on it, as the benches watch it: on the subject's core, its
 * output timed when it arrives and fed to a screen that can be asked what stands there. */
#ifndef BENCH_STAGE_H
#define BENCH_STAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/lib/pty.h"
#include "tests/lib/tmphome.h"
#include "tests/lib/vt.h"

struct stage {
    struct pty *pty;
    struct vt *vt;
    int64_t start_ns; /* just before the program was started */
    int64_t last_ns;  /* when the last bytes came */
    size_t bytes;     /* so far */
    int clears;       /* whole screens that were emptied so far: ED 2, ED 3, RIS */
};

/* Starts argv; a fresh terminal of that size. Fails the program when it cannot. */
void stage_start(struct stage *s, const char *const *argv, char *const *env, int cols, int rows);
/* spacebot with these arguments in that home. */
void stage_spacebot(struct stage *s, struct tmphome *h, const char *const *args, int cols,
                    int rows);
/* Kills the program if it still runs. */
void stage_end(struct stage *s);
/* Ctrl-C twice, and waits for the end of the program. */
void stage_quit(struct stage *s);

/* Until done() says true; false at the deadline. */
bool stage_until(struct stage *s, bool (*done)(void *arg), void *arg, int ms);
/* Until a row matches; ends the program with the screen when it does not come. */
void stage_expect(struct stage *s, const char *pattern);
/* Takes what comes for so long. */
void stage_watch(struct stage *s, int ms);

/* How often these bytes empty a whole screen. */
int stage_clears(const char *data, size_t n);
/* Whether the first screen of spacebot stands there, whole. */
bool stage_painted(void *stage);

#endif
