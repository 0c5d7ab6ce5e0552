/* process: slots with generations, and the changes that everybody may see. No policy: what a state
 * change means is decided by channel.c, worker.c and their kin. */
#include "agent/process.h"

#include <string.h>

#include "agent/exchange.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"
#include "tools/file_memory.h"

struct slot {
    struct process *p; /* NULL: free */
    uint32_t generation;
};

struct process_table {
    struct slot *slots;
    size_t n, cap;
    uint32_t *order; /* slot indexes in order of creation */
    size_t norder;
    struct map *by_id;
    uint64_t version;
};

struct process_table *process_table_new(void) {
    struct process_table *t = xcalloc(1, sizeof *t);
    t->by_id = map_new();
    return t;
}

static void record_free(struct process *p) {
    journal_free(&p->journal);
    x_free(&p->id);
    x_free(&p->name);
    x_free(&p->task);
    x_free(&p->channel);
    x_free(&p->model);
    x_free(&p->task_type);
    x_free(&p->answered_by);
    x_free(&p->workspace);
    x_free(&p->tool);
    x_free(&p->status);
    x_free(&p->reply_to);
    x_free(&p->work);
    file_memory_free(&p->files);
    exchange_chain_free(&p->sent);
    x_free(&p);
}

void process_table_free(struct process_table **tp) {
    struct process_table *t = *tp;
    if (!t)
        return;
    for (size_t i = 0; i < t->n; i++)
        if (t->slots[i].p)
            record_free(t->slots[i].p);
    x_free(&t->slots);
    x_free(&t->order);
    map_free(&t->by_id);
    x_free(tp);
}

static uint32_t free_slot(struct process_table *t) {
    for (size_t i = 0; i < t->n; i++)
        if (!t->slots[i].p)
            return (uint32_t)i;
    if (t->n == t->cap) {
        t->cap = t->cap ? t->cap * 2 : 16;
        t->slots = xreallocarray(t->slots, t->cap, sizeof *t->slots);
        t->order = xreallocarray(t->order, t->cap, sizeof *t->order);
    }
    t->slots[t->n] = (struct slot){0};
    return (uint32_t)t->n++;
}

enum status process_add(struct process_table *t, enum process_kind kind, const char *bare,
                        struct process_handle parent, struct process **out) {
    char *id = xasprintf("%s:%s", process_kind_name(kind), bare);
    if (map_get(t->by_id, id)) {
        x_free(&id);
        return STATUS_EXISTS;
    }
    uint32_t index = free_slot(t);
    struct process *p = xcalloc(1, sizeof *p);
    p->handle = (struct process_handle){index, ++t->slots[index].generation};
    p->parent = parent;
    p->kind = kind;
    p->state = PROCESS_STATE_WAITING;
    p->id = id;
    p->bare = strchr(id, ':') + 1;
    p->name = xstrdup(bare);
    p->started_ms = clock_wall_ms();
    p->started_ns = p->state_since_ns = p->last_byte_ns = clock_mono_ns();
    p->seen = true;
    journal_init(&p->journal);
    t->slots[index].p = p;
    t->order[t->norder++] = index;
    map_put(t->by_id, id, p);
    t->version++;
    *out = p;
    return STATUS_OK;
}

void process_remove(struct process_table *t, struct process_handle h) {
    struct process *p = process_get(t, h);
    if (!p)
        return;
    map_del(t->by_id, p->id);
    t->slots[h.index].p = NULL;
    t->slots[h.index].generation++; /* handles die even if the slot is never used again */
    for (size_t i = 0; i < t->norder; i++) {
        if (t->order[i] == h.index) {
            memmove(t->order + i, t->order + i + 1, (t->norder - i - 1) * sizeof *t->order);
            t->norder--;
            break;
        }
    }
    record_free(p);
    t->version++;
}

struct process *process_get(const struct process_table *t, struct process_handle h) {
    if (h.generation == 0 || h.index >= t->n || t->slots[h.index].generation != h.generation)
        return NULL;
    return t->slots[h.index].p;
}

struct process *process_find(const struct process_table *t, const char *id) {
    return id ? map_get(t->by_id, id) : NULL;
}

enum status process_resolve(const struct process_table *t, const char *arg, struct process **out,
                            struct cause *why) {
    struct process *found = process_find(t, arg);
    if (found) {
        *out = found;
        return STATUS_OK;
    }
    if (!arg || !*arg)
        return cause_set(why, STATUS_INVALID, "no process was named");
    size_t n = strlen(arg), matches = 0;
    for (size_t i = 0; i < t->norder; i++) {
        struct process *p = t->slots[t->order[i]].p;
        if (strcmp(p->bare, arg) == 0) {
            *out = p;
            return STATUS_OK;
        }
        if (n >= 4 && p->kind != PROCESS_CHANNEL &&
            (strncmp(p->bare, arg, n) == 0 || strncmp(p->id, arg, n) == 0)) {
            found = p;
            matches++;
        }
    }
    if (matches > 1)
        return cause_set(why, STATUS_INVALID, "\"%.60s\" fits %zu processes: give more of the id",
                         arg, matches);
    if (!found)
        return cause_set(why, STATUS_NOT_FOUND, "no process \"%.60s\" (see spacebot ps --all)",
                         arg);
    *out = found;
    return STATUS_OK;
}

struct process *process_next(const struct process_table *t, size_t *pos) {
    return *pos < t->norder ? t->slots[t->order[(*pos)++]].p : NULL;
}

size_t process_count(const struct process_table *t, enum process_kind kind, bool ended_too) {
    size_t count = 0;
    for (size_t i = 0; i < t->norder; i++) {
        const struct process *p = t->slots[t->order[i]].p;
        count += p->kind == kind && (ended_too || p->state != PROCESS_STATE_ENDED);
    }
    return count;
}

uint64_t process_table_version(const struct process_table *t) { return t->version; }

void process_changed(struct process_table *t, struct process *p) {
    p->version++;
    t->version++;
}

void process_set_state(struct process_table *t, struct process *p, enum process_state s) {
    if (p->state == s || p->state == PROCESS_STATE_ENDED)
        return;
    p->state = s;
    p->state_since_ns = p->last_byte_ns = clock_mono_ns();
    process_changed(t, p);
}

void process_set_tool(struct process_table *t, struct process *p, const char *label) {
    if (str_eq(p->tool, label))
        return;
    x_free(&p->tool);
    p->tool = xstrdup_null(label);
    process_changed(t, p);
}

void process_end(struct process_table *t, struct process *p, enum process_outcome o) {
    if (p->state == PROCESS_STATE_ENDED)
        return;
    process_set_tool(t, p, NULL);
    p->outcome = o;
    p->ended_ms = clock_wall_ms();
    p->ended_ns = clock_mono_ns();
    p->seen = false;
    process_set_state(t, p, PROCESS_STATE_ENDED);
}

int64_t process_elapsed_ms(const struct process *p) {
    int64_t end = p->state == PROCESS_STATE_ENDED ? p->ended_ns : clock_mono_ns();
    return (end - p->started_ns) / NS_PER_MS;
}

int64_t process_in_state_ms(const struct process *p) {
    return (clock_mono_ns() - p->state_since_ns) / NS_PER_MS;
}

int64_t process_silent_ms(const struct process *p) {
    bool active = p->state == PROCESS_STATE_THINKING || p->state == PROCESS_STATE_RUNNING ||
                  p->state == PROCESS_STATE_STALLED;
    return active ? (clock_mono_ns() - p->last_byte_ns) / NS_PER_MS : 0;
}

void process_set_work(struct process *p, const char *work) {
    x_free(&p->work);
    p->work = xstrdup_null(work);
}

void process_set_name(struct process *p, const char *text) {
    /* One line of at most 40 bytes, cut at a character. */
    size_t n = strcspn(text, "\r\n");
    struct buf name = BUF_INIT;
    size_t cut = utf8_cut(text, n, n > 40 ? 37 : 40);
    utf8_append_valid(&name, text, cut);
    if (cut < n)
        buf_puts(&name, "…");
    x_free(&p->name);
    p->name = buf_steal(&name);
}
