/* outq: a bounded writer on a non-blocking descriptor. Bytes wait in memory, never in write(2). */
#ifndef LOOP_OUTQ_H
#define LOOP_OUTQ_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"
#include "loop/loop.h"

struct outq;

/* `limit`: most bytes that may be pending. on_error(arg, errno) is called once, from the loop; the
 * queue drops everything from then on. on_drain(arg) each time it becomes empty (either may be
 * NULL). The descriptor stays the caller's. */
struct outq *outq_new(struct loop *l, int fd, size_t limit, void (*on_drain)(void *arg),
                      void (*on_error)(void *arg, int err), void *arg);
void outq_free(struct outq **q);
/* All or nothing: STATUS_LIMIT when it would pass the limit, STATUS_IO after an error. Written at
 * once where the descriptor takes it. While bytes wait, readiness is watched on a duplicate, so
 * that the caller may watch its own descriptor for reading; free the queue before closing the
 * descriptor. */
enum status outq_write(struct outq *q, const void *data, size_t n) MUST_CHECK;
size_t outq_pending(const struct outq *q);

#endif
