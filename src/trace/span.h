/* span: what happened, how long it took, and inside what. A ring of finished spans in memory,
 * histograms by kind, and a listener for `trace --follow`. Loop thread only. */
#ifndef TRACE_SPAN_H
#define TRACE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/status.h"

#define SPAN_KIND_TABLE(X)                                                                         \
    X(TURN, "turn")             /* a process handling one prompt, to its end */                    \
    X(MODEL_CALL, "model_call") /* request sent to response decoded */                             \
    X(TOOL_CALL, "tool_call")                                                                      \
    X(QUERY, "query") /* a batch on the writer, or a read */                                       \
    X(PAINT, "paint")                                                                              \
    X(CALLBACK, "callback") /* a loop callback over 10 ms, by name */                              \
    X(JOB, "job")
enum span_kind {
#define X(name, text) SPAN_##name,
    SPAN_KIND_TABLE(X)
#undef X
};

typedef uint64_t span_id; /* 0: none */

struct span {
    span_id id, parent;
    enum span_kind kind;
    char name[64];            /* tool name, model, statement, ... */
    char process[64];         /* full process id or "" */
    int64_t start_ns, end_ns; /* monotonic */
    int64_t wall_ms;          /* start, wall clock */
    enum status status;
    char note[96]; /* short cause or "" */
};

struct trace;
/* Ring of the last `keep` finished spans; at most `open_limit` open (more are dropped and counted).
 */
struct trace *trace_new(size_t keep, size_t open_limit);
void trace_free(struct trace **t);

/* Returns 0 when too many are open; every other call takes 0 quietly. Strings are copied, cut. `t`
 * may be NULL. */
span_id span_begin(struct trace *t, enum span_kind kind, span_id parent, const char *name,
                   const char *process);
void span_end(struct trace *t, span_id id, enum status status, const char *note);
/* A span that is already over (writer batches, paints). */
void span_record(struct trace *t, enum span_kind kind, span_id parent, const char *name,
                 int64_t start_ns, int64_t end_ns, enum status status);

/* Finished spans, oldest first; `from` a running number starting at 0 (older than the ring:
 * skipped). Returns the next number to ask for. */
uint64_t trace_read(const struct trace *t, uint64_t from,
                    void (*fn)(void *arg, const struct span *s), void *arg);
/* One JSON object, no newline: ts, span, parent, kind, name, process, duration_us, status, note. */
void span_json(const struct span *s, struct buf *out);

/* Loop turns: fed by the loop's observer. */
void trace_turn(void *trace, const char *name, int64_t wall_ns, int64_t cpu_ns);
enum trace_clock { TRACE_WALL, TRACE_CPU };
/* Microseconds of the loop's thread a turn, by the wall or by its own CPU time (which is up to 1 ms
 * too much); percentile 0..1 over a log-linear histogram (<= 3 % error). */
int64_t trace_turn_us(const struct trace *t, enum trace_clock clock, double percentile);
/* The same by the wall, of the last TRACE_RECENT_NS to twice as long: what a person who looks at
 * the screen feels now, after the costs of the start. */
#define TRACE_RECENT_NS (INT64_C(10) * 1000000000)
int64_t trace_recent_us(const struct trace *t, double percentile);
int64_t trace_turn_max_us(const struct trace *t, enum trace_clock clock);
uint64_t trace_turns(const struct trace *t);
uint64_t trace_count(const struct trace *t, enum span_kind kind);
int64_t trace_kind_us(const struct trace *t, enum span_kind kind, double percentile);
/* Spans not kept because too many were open. */
uint64_t trace_dropped(const struct trace *t);

/* Jobs: fed by job_observe(). */
void trace_job(void *trace, const char *name, int64_t start_ns, int64_t end_ns, bool cancelled);

#endif
