/* proc: see proc.h. */
#include "tests/lib/proc.h"

#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "tests/lib/wait.h"

#define LOOK_AGAIN_MS 2

static void read_proc(pid_t pid, const char *file, struct buf *out) {
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
    FILE *f = fopen(path, "re");
    size_t n;
    if (!f)
        return;
    while ((n = fread(buf_room(out, 4096), 1, 4096, f)) > 0)
        buf_added(out, n);
    fclose(f);
}

static bool file_has(pid_t pid, const char *file, const char *text) {
    struct buf b = BUF_INIT;
    read_proc(pid, file, &b);
    for (size_t i = 0; i < b.len; i++)
        if (b.data[i] == '\0')
            b.data[i] = ' ';
    bool has = b.len && memmem(b.data, b.len, text, strlen(text));
    buf_free(&b);
    return has;
}

static bool cwd_has(pid_t pid, const char *text) {
    char path[64], target[PATH_MAX];
    snprintf(path, sizeof(path), "/proc/%d/cwd", (int)pid);
    ssize_t n = readlink(path, target, sizeof(target) - 1);
    if (n <= 0)
        return false;
    target[n] = '\0';
    return strstr(target, text) != NULL;
}

/* The nth field after the command's closing bracket in /proc/PID/stat: 0 the state, 1 the parent.
 */
static bool stat_field(pid_t pid, int nth, struct buf *out) {
    struct buf b = BUF_INIT;
    read_proc(pid, "stat", &b);
    char *at = b.len ? strrchr(b.data, ')') : NULL;
    if (at)
        at++;
    for (int i = 0; at && i < nth; i++)
        at = strchr(at + 1, ' ');
    if (at)
        buf_append(out, at + 1, strcspn(at + 1, " \n"));
    buf_free(&b);
    return out->len > 0;
}

char proc_state(pid_t pid) {
    struct buf b = BUF_INIT;
    char state = stat_field(pid, 0, &b) ? b.data[0] : 0;
    buf_free(&b);
    return state;
}

static bool alive(pid_t pid) {
    char state = proc_state(pid);
    return state && state != 'Z' && state != 'X';
}

static void each(bool (*wanted)(pid_t, const void *), const void *arg, struct proc_list *out) {
    out->n = 0;
    DIR *d = opendir("/proc");
    if (!d)
        abort();
    for (struct dirent *e; (e = readdir(d));) {
        if (!isdigit((unsigned char)e->d_name[0]))
            continue;
        pid_t pid = (pid_t)atoi(e->d_name);
        if (pid != getpid() && out->n < ARRAY_LEN(out->pid) && wanted(pid, arg) && alive(pid))
            out->pid[out->n++] = pid;
    }
    closedir(d);
}

static bool command_has(pid_t pid, const void *text) { return file_has(pid, "cmdline", text); }

static bool belongs(pid_t pid, const void *text) {
    return command_has(pid, text) || cwd_has(pid, text) || file_has(pid, "environ", text);
}

static bool is_child(pid_t pid, const void *parent) {
    struct buf b = BUF_INIT;
    bool yes = stat_field(pid, 1, &b) && atoi(b.data) == *(const pid_t *)parent;
    buf_free(&b);
    return yes;
}

void proc_find(const char *text, struct proc_list *out) { each(belongs, text, out); }
void proc_find_command(const char *text, struct proc_list *out) { each(command_has, text, out); }
void proc_children(pid_t pid, struct proc_list *out) { each(is_child, &pid, out); }

char *proc_command(pid_t pid) {
    struct buf b = BUF_INIT;
    read_proc(pid, "cmdline", &b);
    while (b.len && b.data[b.len - 1] == '\0')
        buf_truncate(&b, b.len - 1);
    for (size_t i = 0; i < b.len; i++)
        if (b.data[i] == '\0')
            b.data[i] = ' ';
    return buf_steal(&b);
}

bool proc_wait_none(void (*find)(const char *, struct proc_list *), const char *text, int ms) {
    int64_t deadline = wait_until(ms);
    for (;;) {
        struct proc_list found;
        find(text, &found);
        if (found.n == 0)
            return true;
        for (size_t i = 0; i < found.n; i++)
            if (!wait_pid(found.pid[i], deadline))
                return false;
        if (wait_left(deadline) == 0)
            return false;
    }
}

bool proc_wait_some(void (*find)(const char *, struct proc_list *), const char *text, size_t n,
                    int ms) {
    int64_t deadline = wait_until(ms);
    for (;;) {
        struct proc_list found;
        find(text, &found);
        if (found.n >= n)
            return true;
        if (wait_left(deadline) == 0)
            return false;
        (void)wait_poll(NULL, 0, wait_until(LOOK_AGAIN_MS));
    }
}

void proc_kill_all(const char *text) {
    for (int round = 0; round < 50; round++) {
        struct proc_list found;
        proc_find(text, &found);
        if (found.n == 0)
            return;
        for (size_t i = 0; i < found.n; i++)
            kill(found.pid[i], SIGKILL);
        for (size_t i = 0; i < found.n; i++)
            (void)wait_pid(found.pid[i], wait_until(1000));
    }
}

char *proc_describe(const struct proc_list *list) {
    struct buf b = BUF_INIT;
    for (size_t i = 0; i < list->n; i++) {
        char *command = proc_command(list->pid[i]);
        buf_printf(&b, "%d %s\n", (int)list->pid[i], command);
        x_free(&command);
    }
    return buf_steal(&b);
}
