/* disk: see disk.h. */
#include "tests/lib/disk.h"

#include <pthread.h>
#include <sqlite3.h>
#include <string.h>

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int write_code, write_times, sync_code, sync_times;
    int failed, syncs;
    bool hold, waiting;
} disk = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

struct file {
    sqlite3_file base;
    bool log;
    sqlite3_file *real; /* behind this struct in the same memory */
};

static sqlite3_file *real_of(sqlite3_file *f) { return ((struct file *)(void *)f)->real; }
static bool is_log(sqlite3_file *f) { return ((struct file *)(void *)f)->log; }

/* SQLITE_OK or the failure that is due. */
static int due(int code, int *times) {
    pthread_mutex_lock(&disk.lock);
    int rc = SQLITE_OK;
    if (*times) {
        rc = code;
        disk.failed++;
        if (*times > 0)
            --*times;
    }
    pthread_mutex_unlock(&disk.lock);
    return rc;
}

static int f_close(sqlite3_file *f) { return real_of(f)->pMethods->xClose(real_of(f)); }

static int f_read(sqlite3_file *f, void *out, int n, sqlite3_int64 at) {
    return real_of(f)->pMethods->xRead(real_of(f), out, n, at);
}

static int f_write(sqlite3_file *f, const void *in, int n, sqlite3_int64 at) {
    int rc = is_log(f) ? due(disk.write_code, &disk.write_times) : SQLITE_OK;
    return rc != SQLITE_OK ? rc : real_of(f)->pMethods->xWrite(real_of(f), in, n, at);
}

static int f_truncate(sqlite3_file *f, sqlite3_int64 n) {
    return real_of(f)->pMethods->xTruncate(real_of(f), n);
}

static int f_sync(sqlite3_file *f, int flags) {
    if (!is_log(f))
        return real_of(f)->pMethods->xSync(real_of(f), flags);
    pthread_mutex_lock(&disk.lock);
    while (disk.hold) {
        disk.waiting = true;
        pthread_cond_broadcast(&disk.changed);
        pthread_cond_wait(&disk.changed, &disk.lock);
    }
    disk.waiting = false;
    pthread_mutex_unlock(&disk.lock);
    int rc = due(disk.sync_code, &disk.sync_times);
    if (rc == SQLITE_OK)
        rc = real_of(f)->pMethods->xSync(real_of(f), flags);
    if (rc == SQLITE_OK) {
        pthread_mutex_lock(&disk.lock);
        disk.syncs++;
        pthread_mutex_unlock(&disk.lock);
    }
    return rc;
}

static int f_size(sqlite3_file *f, sqlite3_int64 *n) {
    return real_of(f)->pMethods->xFileSize(real_of(f), n);
}

static int f_lock(sqlite3_file *f, int l) { return real_of(f)->pMethods->xLock(real_of(f), l); }
static int f_unlock(sqlite3_file *f, int l) { return real_of(f)->pMethods->xUnlock(real_of(f), l); }

static int f_reserved(sqlite3_file *f, int *out) {
    return real_of(f)->pMethods->xCheckReservedLock(real_of(f), out);
}

static int f_control(sqlite3_file *f, int op, void *arg) {
    return real_of(f)->pMethods->xFileControl(real_of(f), op, arg);
}

static int f_sector(sqlite3_file *f) { return real_of(f)->pMethods->xSectorSize(real_of(f)); }

static int f_traits(sqlite3_file *f) {
    return real_of(f)->pMethods->xDeviceCharacteristics(real_of(f));
}

static int f_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **out) {
    return real_of(f)->pMethods->xShmMap(real_of(f), page, size, extend, out);
}

static int f_shm_lock(sqlite3_file *f, int at, int n, int flags) {
    return real_of(f)->pMethods->xShmLock(real_of(f), at, n, flags);
}

static void f_shm_barrier(sqlite3_file *f) { real_of(f)->pMethods->xShmBarrier(real_of(f)); }

static int f_shm_unmap(sqlite3_file *f, int del) {
    return real_of(f)->pMethods->xShmUnmap(real_of(f), del);
}

static const sqlite3_io_methods methods = {
    .iVersion = 2, /* without memory-mapped pages, which would go round us */
    .xClose = f_close,
    .xRead = f_read,
    .xWrite = f_write,
    .xTruncate = f_truncate,
    .xSync = f_sync,
    .xFileSize = f_size,
    .xLock = f_lock,
    .xUnlock = f_unlock,
    .xCheckReservedLock = f_reserved,
    .xFileControl = f_control,
    .xSectorSize = f_sector,
    .xDeviceCharacteristics = f_traits,
    .xShmMap = f_shm_map,
    .xShmLock = f_shm_lock,
    .xShmBarrier = f_shm_barrier,
    .xShmUnmap = f_shm_unmap,
};

static sqlite3_vfs *real_vfs;
static sqlite3_vfs vfs;

static int open_file(sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags, int *out) {
    (void)v;
    struct file *file = (struct file *)(void *)f;
    file->log = (flags & SQLITE_OPEN_WAL) != 0;
    file->real = (sqlite3_file *)(void *)(file + 1);
    int rc = real_vfs->xOpen(real_vfs, name, file->real, flags, out);
    file->base.pMethods = file->real->pMethods ? &methods : NULL;
    return rc;
}

void disk_install(void) {
    real_vfs = sqlite3_vfs_find(NULL);
    vfs = *real_vfs; /* everything but opening stays the same function */
    vfs.pNext = NULL;
    vfs.zName = "disk";
    vfs.szOsFile = (int)sizeof(struct file) + real_vfs->szOsFile;
    vfs.xOpen = open_file;
    disk_fail_writes(SQLITE_OK, 0);
    disk_fail_syncs(SQLITE_OK, 0);
    disk_hold(false);
    disk.failed = disk.syncs = 0;
    sqlite3_vfs_register(&vfs, 1);
}

void disk_remove(void) {
    sqlite3_vfs_register(real_vfs, 1);
    sqlite3_vfs_unregister(&vfs);
}

void disk_fail_writes(int code, int times) {
    pthread_mutex_lock(&disk.lock);
    disk.write_code = code;
    disk.write_times = times;
    pthread_mutex_unlock(&disk.lock);
}

void disk_fail_syncs(int code, int times) {
    pthread_mutex_lock(&disk.lock);
    disk.sync_code = code;
    disk.sync_times = times;
    pthread_mutex_unlock(&disk.lock);
}

int disk_failed(void) {
    pthread_mutex_lock(&disk.lock);
    int n = disk.failed;
    pthread_mutex_unlock(&disk.lock);
    return n;
}

int disk_syncs(void) {
    pthread_mutex_lock(&disk.lock);
    int n = disk.syncs;
    pthread_mutex_unlock(&disk.lock);
    return n;
}

void disk_hold(bool hold) {
    pthread_mutex_lock(&disk.lock);
    disk.hold = hold;
    pthread_cond_broadcast(&disk.changed);
    pthread_mutex_unlock(&disk.lock);
}

void disk_wait_held(void) {
    pthread_mutex_lock(&disk.lock);
    while (!disk.waiting)
        pthread_cond_wait(&disk.changed, &disk.lock);
    pthread_mutex_unlock(&disk.lock);
}
