/* job: work that takes long, on a small pool of threads. The job owns its input; its completion is
 * a loop event, in order of completion, bounded a turn. No state is shared: `work` touches only
 * `input`. */
#ifndef LOOP_JOB_H
#define LOOP_JOB_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/status.h"
#include "loop/loop.h"

struct job_pool;
struct job;

/* `threads` workers (ignored in inline mode, where jobs run at the fixed point of the turn after
 * they were submitted); at most `limit` jobs wait, more are refused. Threads start at the first
 * job. */
struct job_pool *job_pool_new(struct loop *l, unsigned threads, unsigned limit);
/* Cancels what waits, waits for what runs (its done is called with cancelled = true). */
void job_pool_free(struct job_pool **p);

/* work(input, cancelled) runs on a pool thread and may look at *cancelled; done(arg, input,
 * cancelled) runs on the loop and frees input. STATUS_LIMIT when the queue is full (input stays the
 * caller's). */
typedef void job_work_fn(void *input, const atomic_bool *cancelled);
typedef void job_done_fn(void *arg, void *input, bool cancelled);
enum status job_submit(struct job_pool *p, const char *name, job_work_fn *work, job_done_fn *done,
                       void *arg, void *input, struct job **out, struct cause *why) MUST_CHECK;
/* Asks a job to end early. done() is still called, later, with cancelled = true. `j` is valid until
 * done() is called. */
void job_cancel(struct job *j);

/* For threads that serve the loop: the calling one never stops another that runs when it has
 * something to do. On a busy core the writer would otherwise cut the very turn short that has just
 * handed it a batch. Its share of the processor stays the same. */
void job_thread_behind(void);

/* Told on the loop of each job before its done(): when its work began and ended (equal when it
 * never ran). */
typedef void job_observe_fn(void *arg, const char *name, int64_t start_ns, int64_t end_ns,
                            bool cancelled);
void job_observe(struct job_pool *p, job_observe_fn *fn, void *arg);

#endif
