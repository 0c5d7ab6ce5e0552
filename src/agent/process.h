/* process: the one table of everything that runs. The table in memory is the authority; the store
 * follows. A process is named by a handle across any asynchronous gap: a late callback finds NULL,
 * not freed memory. */
#ifndef AGENT_PROCESS_H
#define AGENT_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/journal.h"
#include "agent/kind.h"
#include "llm/client.h"
#include "trace/span.h"

struct process_handle {
    uint32_t index, generation; /* generation 0: no process */
};
#define PROCESS_NONE ((struct process_handle){0, 0})

struct process {
    struct process_handle handle, parent;
    enum process_kind kind;
    enum process_state state;
    enum process_outcome outcome; /* means something once ended */
    char *id;                     /* "worker:<uuid>", "channel:inbox" */
    const char *bare;             /* the part after the colon, inside id */
    char *name;                   /* short, for people: one line, at most 40 bytes */
    char *task;                   /* what it was asked to do; NULL for a channel */
    char *channel;                /* bare id of the channel it belongs to, its own for a channel */
    char *model;                  /* provider/model it uses */
    char *task_type;              /* kind of its work, for the routing; NULL: none */
    char *answered_by;            /* the model that answers in place of `model`; NULL: none */
    char *workspace;              /* absolute */
    char *tool;                   /* what runs now: "shell make check"; NULL when none */
    char *status;                 /* what it last said of itself; NULL when nothing */
    char
        *work; /* what it was last written to about, where that is not reply_to; NULL: it was not */
    char *reply_to;               /* the message that its result goes back to; NULL: none */
    int64_t started_ms, ended_ms; /* wall clock */
    int64_t started_ns;           /* monotonic from here on */
    int64_t state_since_ns, ended_ns;
    int64_t last_byte_ns; /* last sign of life: model bytes, tool output, state changes */
    int64_t context_tokens;
    struct llm_usage usage;
    uint32_t model_calls, tool_calls;
    struct journal journal;
    uint64_t version; /* grows with every change of this record or its journal */
    bool seen; /* a person has looked since it ended (panes), or since the last reply (channels) */
    uint32_t unread; /* replies since a person looked (channels) */
    bool unwanted;   /* nobody waits for its result any more: it is recorded, not told */
    struct exchange_chain *sent; /* its last request, to keep the next one beside; NULL: none */
    struct file_memory *files;   /* how the files looked that its tools read; NULL: none yet */
    span_id span;                /* the turn's span while one is open */
    void *body;                  /* channel.c's or worker.c's own part */
};

struct process_table;
struct process_table *process_table_new(void);
void process_table_free(struct process_table **t);

/* A new record in state WAITING; id must be unique (STATUS_EXISTS). */
enum status process_add(struct process_table *t, enum process_kind kind, const char *bare,
                        struct process_handle parent, struct process **out) MUST_CHECK;
/* Ends the record's life: every handle to it is dead from now on. */
void process_remove(struct process_table *t, struct process_handle h);
struct process *process_get(const struct process_table *t,
                            struct process_handle h);                        /* NULL: gone */
struct process *process_find(const struct process_table *t, const char *id); /* full id */
/* A full id, a uuid, a channel id, or a unique prefix of >= 4 characters of a uuid: OK, NOT_FOUND,
 * INVALID (ambiguous). */
enum status process_resolve(const struct process_table *t, const char *arg, struct process **out,
                            struct cause *why) MUST_CHECK;
/* In order of creation: start with *pos = 0. Nothing may be removed while iterating. */
struct process *process_next(const struct process_table *t, size_t *pos);
size_t process_count(const struct process_table *t, enum process_kind kind, bool ended_too);
/* Grows with every change of any record: cheap "is anything new" for the screen. */
uint64_t process_table_version(const struct process_table *t);

/* The first line of `text`, cut to 40 bytes. */
void process_set_name(struct process *p, const char *text);
/* It works on something else from now on: a message's id. */
void process_set_work(struct process *p, const char *work);
/* Changes go through these, so that versions, times and listeners follow. */
void process_changed(struct process_table *t, struct process *p);
void process_set_state(struct process_table *t, struct process *p, enum process_state s);
void process_set_tool(struct process_table *t, struct process *p,
                      const char *label); /* NULL: none */
void process_end(struct process_table *t, struct process *p, enum process_outcome o);
int64_t process_elapsed_ms(const struct process *p);  /* to its end, or now */
int64_t process_in_state_ms(const struct process *p); /* since it came into its present state */
int64_t process_silent_ms(const struct process *p);   /* 0 unless thinking or running */

#endif
