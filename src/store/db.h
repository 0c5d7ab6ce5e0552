/* db: one connection to the store's file: opened with the settings that everything here relies on,
 * checked to be ours, brought up to date. And SQLite's errors in words for people. */
#ifndef STORE_DB_H
#define STORE_DB_H

#include <sqlite3.h>
#include <stdbool.h>

#include "base/status.h"

/* In the file's header: "SpBt". */
#define DB_APPLICATION_ID 0x53704274

/* The connection that writes: creates the file (0600), migrates it. Waits at most `busy_ms` for
 * another program's lock, then and later. */
enum status db_open_write(const char *path, int busy_ms, sqlite3 **out,
                          struct cause *why) MUST_CHECK;
/* A connection that only reads what is there. */
enum status db_open_read(const char *path, sqlite3 **out, struct cause *why) MUST_CHECK;
void db_close(sqlite3 **db);

/* PRAGMA name = value; and PRAGMA name. An SQLite result code. */
int db_pragma_set(sqlite3 *db, const char *name, int value);
int db_pragma_get(sqlite3 *db, const char *name, int *out);

/* What a result code means to a caller: EXISTS for a unique key, INVALID for other constraints and
 * what is wrong with the operation or the file, UNAVAILABLE for locks, TIMEOUT for a cut query, IO
 * for the rest. */
enum status db_status(int rc);
/* The failure of the last call on `db`, for people: "the disk is full", ... */
enum status db_cause(sqlite3 *db, int rc, struct cause *why);

#endif
