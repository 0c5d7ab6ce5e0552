/* disk: the file system as a test wants it. An SQLite VFS in front of the real one, which on
 * command says that the disk is full or broken, or keeps whoever syncs waiting. Only write-ahead
 * logs are meddled with: that is where a commit goes. */
#ifndef TESTLIB_DISK_H
#define TESTLIB_DISK_H

#include <stdbool.h>

/* Becomes the default for connections opened from now on; disk_remove() puts the real one back. */
void disk_install(void);
void disk_remove(void);

/* The next `times` writes (syncs) of a log fail with this SQLite code; -1: until told otherwise. */
void disk_fail_writes(int code, int times);
void disk_fail_syncs(int code, int times);
/* Failures that were delivered. */
int disk_failed(void);
/* Syncs of logs that succeeded. */
int disk_syncs(void);

/* While held, a sync of a log waits. */
void disk_hold(bool hold);
/* Blocks until somebody waits in one. */
void disk_wait_held(void);

#endif
