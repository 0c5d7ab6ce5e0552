/* notice: one slot that any thread may fill and the loop's thread empties; what is not fetched in
 * time is counted. */
#include "ui/notice.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

#define TOLD 64u /* different ones that are remembered; older ones may be told again */

struct slot {
    enum log_level level;
    char text[]; /* one line, made harmless by the log */
};

static _Atomic(struct slot *) newest;
static atomic_uint came; /* since the last was taken */
static uint64_t told[TOLD];
static unsigned ntold;

static void on_log(void *arg, enum log_level level, const char *text) {
    size_t n = strlen(text) + 1;
    struct slot *s = xcalloc(1, sizeof *s + n);
    s->level = level;
    memcpy(s->text, text, n);
    atomic_fetch_add(&came, 1);
    free(atomic_exchange(&newest, s));
    loop_wake(arg);
}

void notice_listen(struct loop *l) { log_set_listener(on_log, l); }

void notice_stop(void) {
    log_set_listener(NULL, NULL);
    free(atomic_exchange(&newest, NULL));
    atomic_store(&came, 0);
    ntold = 0;
}

static bool was_told(const char *text) {
    uint64_t h = hash_bytes(text, strlen(text));
    for (unsigned i = 0; i < ntold && i < TOLD; i++)
        if (told[i] == h)
            return true;
    told[ntold++ % TOLD] = h;
    return false;
}

bool notice_take(struct buf *out, enum log_level *level) {
    struct slot *s = atomic_exchange(&newest, NULL);
    if (!s)
        return false;
    unsigned n = atomic_exchange(&came, 0);
    bool fresh = !was_told(s->text);
    if (fresh) {
        *level = s->level;
        buf_puts(out, s->text);
        if (n > 1)
            buf_printf(out, " (and %u more, in the log)", n - 1);
    }
    free(s);
    return fresh;
}
