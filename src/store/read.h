/* read: what the store itself needs of a read connection; the rest is in store.h and query.h. */
#ifndef STORE_READ_H
#define STORE_READ_H

#include <stdbool.h>

#include <sqlite3.h>

#include "store/store.h"

/* No cursor is open and no snapshot is held: so it must be at the end of each turn. */
bool store_read_idle(const struct store_read *r);

/* The connection itself, for what no statement can do. */
sqlite3 *store_read_db(const struct store_read *r);

#endif
