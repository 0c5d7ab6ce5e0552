/* journal: what a process did, in order, as a person reads it. Every pane and `log` is a view of
 * one journal. Bounded in memory (the oldest entries go; the store has them). */
#ifndef AGENT_JOURNAL_H
#define AGENT_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/status.h"

#define JOURNAL_KIND_TABLE(X)                                                                      \
    X(USER, "user")   /* what a person said (title: who) */                                        \
    X(TASK, "task")   /* what a worker or branch was told to do */                                 \
    X(REPLY, "reply") /* what was said to the person */                                            \
    X(TEXT, "text")   /* what the model wrote to itself */                                         \
    X(THINKING, "thinking")                                                                        \
    X(TOOL, "tool")     /* a call: title: tool name; text: its arguments; result */                \
    X(OUTPUT, "output") /* lines of a running tool (title: stdout or stderr) */                    \
    X(STATUS, "status") /* set_status progress */                                                  \
    X(LINK, "link")     /* a process was started: ref; title: its name */                          \
    X(RESULT, "result") /* a process came back: ref; title: its name; or the own outcome */        \
    X(NOTICE, "notice") /* something a person should know: retries, interruptions */               \
    X(ERROR, "error")
enum journal_kind {
#define X(name, text) JOURNAL_##name,
    JOURNAL_KIND_TABLE(X)
#undef X
};
const char *journal_kind_name(enum journal_kind k);
enum status journal_kind_from_string(const char *s, enum journal_kind *out) MUST_CHECK;

struct journal_entry {
    uint64_t seq; /* 1, 2, ...: never reused */
    enum journal_kind kind;
    int64_t at_ms, ended_ms; /* wall clock; ended_ms 0 while open */
    char *title;             /* may be NULL */
    char
        *ref; /* call id (TOOL, OUTPUT), full process id (LINK, RESULT), message id (USER, REPLY,
                 TASK: the one it goes back to), or event (NOTICE that tells of one); may be NULL */
    struct buf text;   /* hostile: make visible before showing */
    struct buf result; /* TOOL; of others, as JSON, what their event says beside the text */
    const char *shared_text, *shared_result; /* held: whose bytes text and result lend; or NULL */
    bool open;                               /* still being written */
    bool is_error;                           /* TOOL, RESULT */
    bool interrupted;                        /* cut off: text is partial */
    uint64_t version;                        /* the journal's version at its last change */
};

#define JOURNAL_ENTRIES_MAX 2000u
#define JOURNAL_BYTES_MAX (1024u * 1024u)
#define JOURNAL_ENTRY_MAX (256u * 1024u) /* further text of one entry is cut, and says so */

struct journal {
    struct journal_entry **v; /* pointers: an entry does not move while it lives */
    size_t n, cap;
    size_t bytes;
    uint64_t next_seq; /* starts at 1 */
    uint64_t version;  /* grows with every change */
    uint64_t dropped;  /* entries no longer here */
};

/* Calls that a person made have refs that begin so: they are looked at as soon as they end. */
#define JOURNAL_PERSON "use_"

void journal_init(struct journal *j);
void journal_free(struct journal *j);
/* Opens an entry. Strings are copied; title and ref may be NULL. Valid until the next
 * journal_open(). */
struct journal_entry *journal_open(struct journal *j, enum journal_kind kind, const char *title,
                                   const char *ref);
void journal_append(struct journal *j, struct journal_entry *e, const char *text, size_t n);
/* Replaces the text (a final version of what was streamed); the same text changes nothing. */
void journal_set_text(struct journal *j, struct journal_entry *e, const char *text, size_t n);
/* TOOL entries: what the call returned; replaces an earlier result. */
void journal_set_result(struct journal *j, struct journal_entry *e, const char *text, size_t n);
/* What an open entry is about, when that is known only now. */
void journal_set_ref(struct journal *j, struct journal_entry *e, const char *ref);
void journal_close(struct journal *j, struct journal_entry *e);
/* `text` is of base/text.h: among the newest entries those that are closed and say the same lend it
 * instead of keeping a copy. */
void journal_share(struct journal *j, const char *text);
/* By sequence number; NULL when dropped. */
struct journal_entry *journal_find(const struct journal *j, uint64_t seq);
struct journal_entry *journal_last(const struct journal *j, enum journal_kind kind); /* or NULL */
/* {"seq":…,"at":…,"kind":…,"title":…,"ref":…,"text":…,"result":…,…} as `log --json` prints it. */
void journal_entry_json(const struct journal_entry *e, struct buf *out);

#endif
