/* db: connections. Settings, identity and migrations of the file; see db.h. The only SQL text here
 * are PRAGMAs; everything else comes from store/queries and store/schema. */
#include "store/db.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/queries.gen.h"
#include "store/query.h"

/* ---- errors ---- */

enum status db_status(int rc) {
    switch (rc) {
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_ROWID:
        return STATUS_EXISTS;
    }
    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return STATUS_OK;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return STATUS_UNAVAILABLE;
    case SQLITE_INTERRUPT:
        return STATUS_TIMEOUT;
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_TOOBIG:
    case SQLITE_RANGE:
    case SQLITE_ERROR:
    case SQLITE_MISUSE:
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return STATUS_INVALID;
    default: /* FULL, IOERR, CANTOPEN, READONLY, PERM, NOMEM, ... */
        return STATUS_IO;
    }
}

enum status db_cause(sqlite3 *db, int rc, struct cause *why) {
    enum status st = db_status(rc);
    int err = db ? sqlite3_system_errno(db) : 0;
    switch (rc & 0xff) {
    case SQLITE_FULL:
        return cause_set(why, st, "the disk is full");
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return cause_set(why, st, "another program is using the store");
    case SQLITE_CORRUPT:
        return cause_set(why, st, "the store is damaged (%s)", sqlite3_errmsg(db));
    case SQLITE_NOTADB:
        return cause_set(why, st, "the file is not a spacebot store");
    case SQLITE_READONLY:
        return cause_set(why, st, "the store cannot be written (%s)", sqlite3_errmsg(db));
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
        if (err)
            return cause_errno(why, st, err, "%s", sqlite3_errstr(rc));
        return cause_set(why, st, "%s", sqlite3_errstr(rc));
    default:
        return cause_set(why, st, "%s", db ? sqlite3_errmsg(db) : sqlite3_errstr(rc));
    }
}

/* Puts the file's name before the cause. */
static enum status named(const char *path, enum status st, struct cause *why) {
    if (!why)
        return st;
    struct cause inner = *why;
    return cause_set(why, st, "%s: %s", path, inner.text);
}

/* ---- pragmas ---- */

int db_pragma_set(sqlite3 *db, const char *name, int value) {
    char sql[96];
    snprintf(sql, sizeof(sql), "PRAGMA %s = %d", name, value);
    return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

int db_pragma_get(sqlite3 *db, const char *name, int *out) {
    char sql[96];
    snprintf(sql, sizeof(sql), "PRAGMA %s", name);
    sqlite3_stmt *st;
    int rc = sqlite3_prepare_v2(db, sql, -1, &st, NULL);
    if (rc != SQLITE_OK)
        return rc;
    rc = sqlite3_step(st);
    if (rc == SQLITE_ROW)
        *out = sqlite3_column_int(st, 0);
    int end = sqlite3_finalize(st);
    return rc == SQLITE_ROW ? SQLITE_OK : end != SQLITE_OK ? end : SQLITE_ERROR;
}

/* SQLITE_OK also when the file system cannot do it; *wal tells. */
static int set_wal(sqlite3 *db, bool *wal) {
    sqlite3_stmt *st;
    int rc = sqlite3_prepare_v2(db, "PRAGMA journal_mode = WAL", -1, &st, NULL);
    if (rc != SQLITE_OK)
        return rc;
    *wal = sqlite3_step(st) == SQLITE_ROW &&
           !sqlite3_stricmp((const char *)sqlite3_column_text(st, 0), "wal");
    return sqlite3_finalize(st);
}

static int exec_query(sqlite3 *db, enum store_query_id q) {
    return sqlite3_exec(db, store_queries[q].sql, NULL, NULL, NULL);
}

/* ---- opening ---- */

void db_close(sqlite3 **db) {
    if (*db)
        sqlite3_close(*db);
    *db = NULL;
}

static int harden(sqlite3 *db) {
    static const struct {
        int option, value;
    } settings[] = {
        {SQLITE_DBCONFIG_DQS_DDL, 0},
        {SQLITE_DBCONFIG_DQS_DML, 0},
        {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
        {SQLITE_DBCONFIG_DEFENSIVE, 1},
        {SQLITE_DBCONFIG_ENABLE_FKEY, 1},
        /* Until the file is known to be ours, closing it must not touch it. */
        {SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1},
    };
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        int rc = sqlite3_db_config(db, settings[i].option, settings[i].value, (int *)NULL);
        if (rc != SQLITE_OK)
            return rc;
    }
    return sqlite3_extended_result_codes(db, 1);
}

/* How far the schema is; 0 for an empty file. Refuses what is not ours or too new. */
static enum status identify(sqlite3 *db, int *version, struct cause *why) {
    int id = 0, changes = 0;
    int rc = db_pragma_get(db, "application_id", &id);
    if (rc == SQLITE_OK)
        rc = db_pragma_get(db, "user_version", version);
    if (rc == SQLITE_OK)
        rc = db_pragma_get(db, "schema_version", &changes);
    if (rc != SQLITE_OK)
        return db_cause(db, rc, why);
    if (id == 0 && *version == 0 && changes == 0)
        return STATUS_OK;
    if (id != DB_APPLICATION_ID)
        return cause_set(why, STATUS_INVALID, "the file is not a spacebot store");
    if (*version < 0 || (unsigned)*version > store_migration_count)
        return cause_set(why, STATUS_INVALID,
                         "the store was written by a newer spacebot (schema %d, this one knows "
                         "%u); it was left as it is",
                         *version, store_migration_count);
    /* Reads the schema: a file that is damaged there is refused now and not by the first query. */
    int ignored = 0;
    rc = db_pragma_get(db, "table_list", &ignored);
    return rc == SQLITE_OK ? STATUS_OK : db_cause(db, rc, why);
}

/* One migration in one transaction, its number in the same. */
static int migrate_one(sqlite3 *db, unsigned index, bool *broken) {
    int rc = exec_query(db, STORE_Q_batch_begin);
    if (rc != SQLITE_OK)
        return rc;
    rc = sqlite3_exec(db, store_migrations[index].sql, NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = db_pragma_set(db, "application_id", DB_APPLICATION_ID);
    if (rc == SQLITE_OK)
        rc = db_pragma_set(db, "user_version", (int)index + 1);
    /* A row here is a reference that leads nowhere. */
    int violations = 0;
    if (rc == SQLITE_OK) {
        int check = db_pragma_get(db, "foreign_key_check", &violations);
        *broken = check == SQLITE_OK;
        rc = *broken ? SQLITE_CONSTRAINT_FOREIGNKEY : SQLITE_OK;
    }
    if (rc == SQLITE_OK)
        rc = exec_query(db, STORE_Q_batch_commit);
    if (rc != SQLITE_OK && !sqlite3_get_autocommit(db))
        exec_query(db, STORE_Q_batch_rollback);
    return rc;
}

static enum status migrate(sqlite3 *db, int version, struct cause *why) {
    /* A migration that rebuilds a table needs them off, and that works outside a transaction only.
     */
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_FKEY, 0, (int *)NULL);
    enum status st = STATUS_OK;
    for (unsigned i = (unsigned)version; i < store_migration_count && st == STATUS_OK; i++) {
        bool broken = false;
        int rc = migrate_one(db, i, &broken);
        if (rc == SQLITE_OK)
            continue;
        struct cause inner = {""};
        st = db_cause(db, rc, &inner);
        cause_set(why, st, "schema %s could not be applied: %s", store_migrations[i].name,
                  broken ? "it leaves references that lead nowhere" : inner.text);
    }
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_FKEY, 1, (int *)NULL);
    return st;
}

static enum status prepare_write(sqlite3 *db, int busy_ms, struct cause *why) {
    int version = 0;
    sqlite3_busy_timeout(db, busy_ms);
    int rc = harden(db);
    if (rc != SQLITE_OK)
        return db_cause(db, rc, why);
    enum status st = identify(db, &version, why);
    if (st != STATUS_OK)
        return st;
    sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, (int *)NULL);
    /* It is ours: the triggers that keep the full-text indexes may do so. */
    bool wal = false;
    rc = sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 1, (int *)NULL);
    if (rc == SQLITE_OK)
        rc = set_wal(db, &wal);
    if (rc == SQLITE_OK && !wal)
        return cause_set(why, STATUS_IO, "this file system cannot hold a write-ahead log");
    if (rc == SQLITE_OK)
        rc = db_pragma_set(db, "synchronous", 2); /* FULL: a sync a commit */
    if (rc == SQLITE_OK)
        rc = sqlite3_wal_autocheckpoint(db, 0); /* the writer decides when */
    if (rc != SQLITE_OK)
        return db_cause(db, rc, why);
    return migrate(db, version, why);
}

enum status db_open_write(const char *path, int busy_ms, sqlite3 **out, struct cause *why) {
    *out = NULL;
    /* Only to create it: closing a descriptor of a file that SQLite has open would drop its locks.
     */
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0)
        close(fd);
    else if (errno != EEXIST)
        return cause_errno(why, STATUS_IO, errno, "%s", path);
    sqlite3 *db = NULL;
    int rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    enum status st = rc == SQLITE_OK ? prepare_write(db, busy_ms, why) : db_cause(db, rc, why);
    if (st == STATUS_OK && sqlite3_db_readonly(db, "main") == 1)
        st = cause_set(why, STATUS_IO, "the store cannot be written");
    if (st != STATUS_OK) {
        db_close(&db);
        return named(path, st, why);
    }
    *out = db;
    return STATUS_OK;
}

enum status db_open_read(const char *path, sqlite3 **out, struct cause *why) {
    *out = NULL;
    if (access(path, F_OK) != 0 && errno == ENOENT)
        return cause_set(why, STATUS_NOT_FOUND, "%s: there is no store yet", path);
    sqlite3 *db = NULL;
    int version = 0;
    int rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc == SQLITE_OK)
        rc = harden(db);
    if (rc == SQLITE_OK)
        rc = sqlite3_busy_timeout(db, 50); /* only while another connection recovers the log */
    enum status st = rc == SQLITE_OK ? identify(db, &version, why) : db_cause(db, rc, why);
    if (st == STATUS_OK && (unsigned)version < store_migration_count)
        st = cause_set(why, STATUS_UNAVAILABLE,
                       "the store is of an older spacebot: start this one once to bring it up to "
                       "date");
    if (st != STATUS_OK) {
        db_close(&db);
        return named(path, st, why);
    }
    *out = db;
    return STATUS_OK;
}
