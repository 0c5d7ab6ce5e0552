/* notice: warnings and errors of the engine, from whichever thread they come, as a line for the
 * screen: each once. The log has all of them. */
#ifndef UI_NOTICE_H
#define UI_NOTICE_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/log.h"
#include "loop/loop.h"

/* From now on; each wakes the loop. One at a time in a process. */
void notice_listen(struct loop *l);
void notice_stop(void);
/* The newest that came since the last call and was not given before, on the loop's thread; false:
 * none. Where several came, says how many more the log has. */
bool notice_take(struct buf *out, enum log_level *level);

#endif
