/* span: open spans in a table, finished ones in a ring, their lengths in a histogram a kind. Fixed
 * memory: nothing is allocated after trace_new(), and what does not fit is dropped and counted. */
#include "trace/span.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "trace/histogram.h"

#define KIND_COUNT (0 SPAN_KIND_TABLE(COUNT_ONE))
#define COUNT_ONE(name, text) +1

/* An id is a serial number and, in its low bits, the place in the table of open spans: found
 * without search, and a stale one is seen not to match. */
#define SLOT_BITS 16
#define SLOT_MASK ((UINT64_C(1) << SLOT_BITS) - 1)

struct trace {
    struct span *ring;
    size_t keep;
    uint64_t finished; /* ever; the next running number */

    struct span *open; /* id 0: free */
    uint32_t *free_slots;
    size_t nfree, open_limit;
    uint64_t serial;
    uint64_t dropped;

    struct histogram turns[TRACE_CPU + 1];
    struct histogram recent[2]; /* this stretch of TRACE_RECENT_NS, and the one before */
    int64_t recent_ns;          /* when this one began */
    struct histogram kinds[KIND_COUNT];
};

struct trace *trace_new(size_t keep, size_t open_limit) {
    if (open_limit > SLOT_MASK)
        open_limit = SLOT_MASK;
    struct trace *t = xcalloc(1, sizeof(*t));
    t->keep = keep ? keep : 1;
    t->ring = xcalloc(t->keep, sizeof(*t->ring));
    t->open_limit = open_limit;
    t->open = xcalloc(open_limit, sizeof(*t->open));
    t->free_slots = xcalloc(open_limit, sizeof(*t->free_slots));
    for (size_t i = 0; i < open_limit; i++)
        t->free_slots[i] = (uint32_t)(open_limit - 1 - i);
    t->nfree = open_limit;
    return t;
}

void trace_free(struct trace **tp) {
    struct trace *t = *tp;
    if (!t)
        return;
    free(t->ring);
    free(t->open);
    free(t->free_slots);
    x_free(tp);
}

static void copy_cut(char *to, size_t size, const char *from) {
    if (!from)
        from = "";
    size_t n = strlen(from);
    n = utf8_cut(from, n, size - 1);
    memcpy(to, from, n);
    to[n] = '\0';
}

static void finish(struct trace *t, const struct span *s) {
    t->ring[t->finished % t->keep] = *s;
    t->finished++;
    histogram_add(&t->kinds[s->kind], (s->end_ns - s->start_ns) / 1000);
}

span_id span_begin(struct trace *t, enum span_kind kind, span_id parent, const char *name,
                   const char *process) {
    if (!t)
        return 0;
    if (!t->nfree) {
        t->dropped++;
        return 0;
    }
    uint32_t slot = t->free_slots[--t->nfree];
    struct span *s = &t->open[slot];
    *s = (struct span){.id = ++t->serial << SLOT_BITS | slot,
                       .parent = parent,
                       .kind = kind,
                       .start_ns = clock_mono_ns(),
                       .wall_ms = clock_wall_ms()};
    copy_cut(s->name, sizeof(s->name), name);
    copy_cut(s->process, sizeof(s->process), process);
    return s->id;
}

void span_end(struct trace *t, span_id id, enum status status, const char *note) {
    if (!t || !id)
        return;
    size_t slot = id & SLOT_MASK;
    if (slot >= t->open_limit || t->open[slot].id != id)
        return; /* ended already */
    struct span *s = &t->open[slot];
    s->end_ns = clock_mono_ns();
    s->status = status;
    copy_cut(s->note, sizeof(s->note), note);
    finish(t, s);
    s->id = 0;
    t->free_slots[t->nfree++] = (uint32_t)slot;
}

void span_record(struct trace *t, enum span_kind kind, span_id parent, const char *name,
                 int64_t start_ns, int64_t end_ns, enum status status) {
    if (!t)
        return;
    /* No slot: SLOT_MASK is none that could be open. */
    struct span s = {.id = ++t->serial << SLOT_BITS | SLOT_MASK,
                     .parent = parent,
                     .kind = kind,
                     .start_ns = start_ns,
                     .end_ns = end_ns < start_ns ? start_ns : end_ns,
                     .wall_ms = clock_wall_ms() - (clock_mono_ns() - start_ns) / NS_PER_MS,
                     .status = status};
    copy_cut(s.name, sizeof(s.name), name);
    finish(t, &s);
}

uint64_t trace_read(const struct trace *t, uint64_t from,
                    void (*fn)(void *arg, const struct span *s), void *arg) {
    if (!t)
        return from;
    uint64_t oldest = t->finished > t->keep ? t->finished - t->keep : 0;
    for (uint64_t i = from < oldest ? oldest : from; i < t->finished; i++)
        fn(arg, &t->ring[i % t->keep]);
    return t->finished;
}

static const char *kind_name(enum span_kind kind) {
    switch (kind) {
#define X(name, text)                                                                              \
    case SPAN_##name:                                                                              \
        return text;
        SPAN_KIND_TABLE(X)
#undef X
    }
    return "?";
}

static void member(struct buf *out, const char *key, const char *value) {
    buf_printf(out, ",\"%s\":", key);
    json_quote(out, value, strlen(value));
}

void span_json(const struct span *s, struct buf *out) {
    char ts[CLOCK_RFC3339_SIZE];
    clock_rfc3339(s->wall_ms, ts);
    buf_printf(out, "{\"ts\":\"%s\",\"span\":%llu,\"parent\":", ts, (unsigned long long)s->id);
    if (s->parent)
        buf_printf(out, "%llu", (unsigned long long)s->parent);
    else
        buf_puts(out, "null");
    member(out, "kind", kind_name(s->kind));
    member(out, "name", s->name);
    member(out, "process", s->process);
    buf_printf(out, ",\"duration_us\":%lld", (long long)((s->end_ns - s->start_ns) / 1000));
    member(out, "status", status_name(s->status));
    member(out, "note", s->note);
    buf_putc(out, '}');
}

static void add_recent(struct trace *t, int64_t us) {
    int64_t now = clock_mono_ns(), passed = now - t->recent_ns;
    if (passed >= TRACE_RECENT_NS) {
        if (passed < 2 * TRACE_RECENT_NS)
            t->recent[1] = t->recent[0];
        else
            memset(&t->recent[1], 0, sizeof(t->recent[1]));
        memset(&t->recent[0], 0, sizeof(t->recent[0]));
        t->recent_ns = now;
    }
    histogram_add(&t->recent[0], us);
}

int64_t trace_recent_us(const struct trace *t, double percentile) {
    if (!t)
        return 0;
    struct histogram both = t->recent[0];
    histogram_merge(&both, &t->recent[1]);
    return histogram_percentile(&both, percentile);
}

void trace_turn(void *trace, const char *name, int64_t wall_ns, int64_t cpu_ns) {
    struct trace *t = trace;
    if (!t)
        return;
    if (strcmp(name, "turn") == 0) {
        histogram_add(&t->turns[TRACE_WALL], wall_ns / 1000);
        histogram_add(&t->turns[TRACE_CPU], cpu_ns / 1000);
        add_recent(t, wall_ns / 1000);
        return;
    }
    int64_t now = clock_mono_ns();
    span_record(t, SPAN_CALLBACK, 0, name, now - wall_ns, now, STATUS_OK);
}

void trace_job(void *trace, const char *name, int64_t start_ns, int64_t end_ns, bool cancelled) {
    span_record(trace, SPAN_JOB, 0, name, start_ns, end_ns,
                cancelled ? STATUS_CANCELLED : STATUS_OK);
}

int64_t trace_turn_us(const struct trace *t, enum trace_clock clock, double percentile) {
    return t ? histogram_percentile(&t->turns[clock], percentile) : 0;
}

int64_t trace_turn_max_us(const struct trace *t, enum trace_clock clock) {
    return t ? t->turns[clock].max : 0;
}

uint64_t trace_turns(const struct trace *t) { return t ? t->turns[TRACE_WALL].count : 0; }

uint64_t trace_count(const struct trace *t, enum span_kind kind) {
    return t ? t->kinds[kind].count : 0;
}

int64_t trace_kind_us(const struct trace *t, enum span_kind kind, double percentile) {
    return t ? histogram_percentile(&t->kinds[kind], percentile) : 0;
}

uint64_t trace_dropped(const struct trace *t) { return t ? t->dropped : 0; }
