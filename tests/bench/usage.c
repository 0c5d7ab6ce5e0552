/* usage: see usage.h. */
#include "tests/bench/usage.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

int64_t usage_cpu_ns(pid_t pid) {
    clockid_t clock;
    struct timespec t;
    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &t) != 0)
        return -1;
    return t.tv_sec * NS_PER_SEC + t.tv_nsec;
}

/* Reads a small file below /proc into out, NUL-terminated. */
static bool read_small(const char *path, char *out, size_t size) {
    FILE *f = fopen(path, "re");
    if (!f)
        return false;
    size_t n = fread(out, 1, size - 1, f);
    out[n] = '\0';
    fclose(f);
    return n > 0;
}

/* The number behind "\nname:" in a status file. */
static int64_t field(const char *text, const char *name) {
    const char *at = strstr(text, name);
    return at ? strtoll(at + strlen(name), NULL, 10) : 0;
}

static bool read_switches(pid_t pid, struct usage *u) {
    char path[64], text[4096];
    snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    DIR *tasks = opendir(path);
    if (!tasks)
        return false;
    struct dirent *d;
    while ((d = readdir(tasks)) != NULL) {
        if (d->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "/proc/%d/task/%.16s/status", (int)pid, d->d_name);
        if (!read_small(path, text, sizeof(text)))
            continue;
        u->voluntary += field(text, "\nvoluntary_ctxt_switches:");
        u->forced += field(text, "\nnonvoluntary_ctxt_switches:");
    }
    closedir(tasks);
    return true;
}

bool usage_read(pid_t pid, struct usage *u) {
    char path[64], text[4096];
    memset(u, 0, sizeof(*u));
    u->at_ns = clock_real_mono_ns();
    u->cpu_ns = usage_cpu_ns(pid);
    if (u->cpu_ns < 0 || !read_switches(pid, u))
        return false;
    snprintf(path, sizeof(path), "/proc/%d/task/%d/schedstat", (int)pid, (int)pid);
    if (!read_small(path, text, sizeof(text)))
        return false;
    u->main_ns = strtoll(text, NULL, 10);
    snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
    if (read_small(path, text, sizeof(text))) {
        u->rss_kb = field(text, "\nRss:");
        u->private_kb = field(text, "\nPrivate_Clean:") + field(text, "\nPrivate_Dirty:");
    }
    return true;
}

double usage_percent(const struct usage *from, const struct usage *to) {
    return 100.0 * (double)(to->cpu_ns - from->cpu_ns) / (double)(to->at_ns - from->at_ns);
}

void usage_descendants(pid_t pid, void (*fn)(void *arg, pid_t pid), void *arg) {
    char path[64], text[4096];
    snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    DIR *tasks = opendir(path);
    if (!tasks)
        return;
    struct dirent *d;
    while ((d = readdir(tasks)) != NULL) {
        if (d->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "/proc/%d/task/%.16s/children", (int)pid, d->d_name);
        if (!read_small(path, text, sizeof(text)))
            continue;
        char *at = text, *end;
        for (long child; (child = strtol(at, &end, 10)) > 0 && end != at; at = end) {
            fn(arg, (pid_t)child);
            usage_descendants((pid_t)child, fn, arg);
        }
    }
    closedir(tasks);
}
