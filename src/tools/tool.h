/* tool: the table of what models may call. A tool knows its arguments and how to do its work; who
 * may call it, and what acting on processes means, is the agent's business (struct tool_host). */
#ifndef TOOLS_TOOL_H
#define TOOLS_TOOL_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/scrub.h"
#include "base/status.h"
#include "loop/job.h"
#include "loop/loop.h"
#include "memory/memory.h"
#include "sandbox/sandbox.h"

/* X(ENUM, variable): each in tools/<variable>.c or a file it shares with its kin; const struct tool
 * tool_<variable>. */
/* clang-format off */
#define TOOL_TABLE(X)                                                                              \
    X(REPLY, reply)                                                                                \
    X(ASK, ask)                                                                                    \
    X(BRANCH, branch)                                                                              \
    X(SPAWN_WORKER, spawn_worker)                                                                  \
    X(CANCEL, cancel)                                                                              \
    X(ROUTE, route)                                                                                \
    X(WORKER_INSPECT, worker_inspect)                                                              \
    X(SKIP, skip)                                                                                  \
    X(GET_STATUS, get_status)                                                                      \
    X(CHANNEL_RECALL, channel_recall)                                                              \
    X(ATTACHMENT_RECALL, attachment_recall)                                                        \
    X(REACT, react)                                                                                \
    X(SEND_FILE, send_file)                                                                        \
    X(SEND_MESSAGE, send_message)                                                                  \
    X(MEMORY_SAVE, memory_save)                                                                    \
    X(MEMORY_RECALL, memory_recall)                                                                \
    X(MEMORY_DELETE, memory_delete)                                                                \
    X(MEMORY_CONSOLIDATE, memory_consolidate)                                                      \
    X(SET_STATUS, set_status)                                                                      \
    X(SHELL, shell)                                                                                \
    X(FILE_READ, file_read)                                                                        \
    X(FILE_WRITE, file_write)                                                                      \
    X(FILE_EDIT, file_edit)                                                                        \
    X(FILE_LIST, file_list)
/* clang-format on */
enum tool_id {
#define X(name, variable) TOOL_##name,
    TOOL_TABLE(X)
#undef X
};

/* What a call reaches for: by this it is told whether it stays where tools may act unasked. */
#define TOOL_REACH_TABLE(X)                                                                        \
    X(CONVERSATION) /* its own conversation and what belongs to it */                              \
    X(PATH)         /* a path: `subject` names the argument */                                     \
    X(COMMAND)      /* a command: `subject` names the argument */                                  \
    X(CHANNEL)      /* another channel: `subject` names the argument */
enum tool_reach {
#define X(name) TOOL_REACH_##name,
    TOOL_REACH_TABLE(X)
#undef X
};

struct tool_call;
struct tool {
    const char *name;        /* as the model calls it */
    const char *description; /* for the model */
    const char *schema;      /* JSON schema of its arguments (an object) */
    enum tool_reach reach;
    const char *subject; /* NULL unless reach says there is one */
    const char *kin;     /* another tool whose rules hold for this one too; NULL: none */
    bool effects;        /* may change something outside: an intent is stored before it starts */
    bool speaks;         /* its texts are said to people: no secret may be among them */
    /* Starts the work; ends in exactly one tool_call_done(), perhaps at once. */
    void (*start)(struct tool_call *c);
    /* Ends the work early: whatever runs is stopped, c->state freed, and tool_call_done() is not
     * called. NULL when start always finishes at once. */
    void (*cancel)(struct tool_call *c);
    /* Asks the work to end early with what it has: tool_call_done() follows as ever. False: it
     * cannot be asked now. NULL: never. */
    bool (*stop)(struct tool_call *c);
    /* A short label for people: "shell make check". The caller frees. NULL: the name alone. */
    char *(*label)(const cJSON *args);
    /* What it would change, a few lines long, for a person who is to allow it. The caller frees.
     * NULL: the label, or what the call is about, says it all. */
    char *(*preview)(const cJSON *args);
};
const struct tool *tool_get(enum tool_id id);
enum status tool_from_string(const char *name, enum tool_id *out) MUST_CHECK;

/* A file was changed for somebody, also where the call was cancelled meanwhile: told on the loop.
 * It may be called after the agent is gone, so `arg` outlives the job pool's jobs. */
struct file_change;
typedef void file_changed_fn(void *arg, const struct file_change *c);

/* Where and for whom a call runs; all lent for its life. */
struct tool_host {
    const struct scrub_values *values; /* that no result may hold; NULL: only shapes are known */
    struct loop *loop;
    struct job_pool *jobs;
    struct sandbox *sandbox;
    int64_t shell_secs;
    struct memories *memories;   /* NULL: nothing is remembered */
    struct snapshots *snapshots; /* of files that are changed; NULL: none are kept */
    file_changed_fn *changed;    /* NULL: nobody is told */
    void *changed_arg;
    /* Acting on processes; each ends in one tool_call_done(). */
    void (*reply)(struct tool_call *c, const char *content);
    void (*ask)(struct tool_call *c, const char *question, const cJSON *options, bool multi_select);
    void (*skip)(struct tool_call *c, const char *reason);
    void (*channel)(struct tool_call *c); /* all of tools/channel.c */
    void (*branch)(struct tool_call *c, const char *description);
    void (*spawn_worker)(struct tool_call *c, const char *task, bool interactive, bool fork);
    void (*cancel)(struct tool_call *c, const char *process_type, const char *process_id,
                   const char *reason);
    void (*route)(struct tool_call *c, const char *worker_id, const char *message, bool end);
    void (*inspect)(struct tool_call *c, const char *worker_id, int64_t limit); /* "": all */
    void (*set_status)(struct tool_call *c, const char *status, const char *kind);
    /* For the cancel function of these tools: the call will be freed and must not be finished any
     * more. */
    void (*abandon)(struct tool_call *c);
};

/* Who makes a call, and for what. */
struct tool_author {
    const char *channel, *process; /* a bare and a full id; NULL: nobody whose changes are kept */
    const char *work;              /* changes of one work are undone together */
};

/* Lines of one stream of output on their way outward. */
struct tool_lines {
    struct scrub scrub;
    struct buf line; /* clean, and not ended yet */
};

struct tool_call {
    const struct tool *tool;
    const struct tool_host *host;
    const char *workspace;      /* lent */
    char *id;                   /* the model's call id */
    char *input;                /* the received JSON text */
    cJSON *args;                /* parsed and checked */
    char *granted;              /* a plain path outside that was allowed for this call, or NULL */
    bool uncontained;           /* a command that was allowed to run without walls */
    struct tool_author author;  /* lent until it starts */
    struct file_memory *memory; /* of the process; lent; NULL: it remembers nothing */
    void *state;                /* the tool's own */
    bool finished;
    struct tool_lines lines[2];
    void *arg; /* the caller's */
    /* A line of output without secrets; stream 1 or 2. */
    void (*on_output)(void *arg, struct tool_call *c, int stream, const char *line, size_t n);
    /* Once, the last use of c by tools/: it may be freed inside. The text is what the model reads:
     * at most TOOL_RESULT_MAX bytes, valid UTF-8, without secrets. */
    void (*on_done)(void *arg, struct tool_call *c, bool is_error, const char *text, size_t n);
};
#define TOOL_RESULT_MAX 50000u

/* Parses and checks `input` against the tool's schema. STATUS_INVALID: the cause is the text of the
 * tool error that the model reads; it names the member and what was expected. "" counts as {}. */
enum status tool_call_new(const struct tool *tool, const struct tool_host *host,
                          const char *workspace, const char *id, const char *input,
                          struct tool_call **out, struct cause *why) MUST_CHECK;
/* c may be finished and freed when it returns. */
void tool_call_start(struct tool_call *c);
/* Whether it has been asked to end early; its end comes as ever, though nobody knows when. */
bool tool_call_stop(struct tool_call *c);
/* What it is given would say a secret to people. */
bool tool_call_leaks(const struct tool_call *c);
/* A short label for people (struct tool), without secrets; NULL when it has none. The caller frees.
 */
char *tool_call_label(const struct tool_call *c);
/* The same of a call as a journal has it: the name of its tool, and its arguments. */
char *tool_label(const char *name, const char *input);
/* The same of struct tool's preview. */
char *tool_call_preview(const struct tool_call *c);
/* Cancels when it has not finished. NULL is fine; sets NULL. */
void tool_call_free(struct tool_call **c);

/* For tools: output and the end, the one way out of every tool: secrets stay here. Text over
 * TOOL_RESULT_MAX is cut with a notice of shown, total and omitted bytes. */
void tool_call_output(struct tool_call *c, int stream, const char *line, size_t n);
void tool_call_done(struct tool_call *c, bool is_error, const char *text, size_t n);
void tool_call_donef(struct tool_call *c, bool is_error, const char *fmt, ...) PRINTF_LIKE(3, 4);

#endif
