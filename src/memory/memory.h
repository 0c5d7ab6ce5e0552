/* memory: what is known for longer than a conversation: a typed graph in the store. This is the one
 * way in which memories, their edges and their history change; recall and the prompt's render read
 * them. Nothing here knows of models, tools or people's commands.
 *
 * Operations are queued. Saves go side by side; whatever first reads and then decides (edit,
 * forget, merge, undo, import) goes alone, after all before it are on disk, so that what it read
 * still holds when it writes. All writes of one operation are in one transaction. */
#ifndef MEMORY_MEMORY_H
#define MEMORY_MEMORY_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/id.h"
#include "base/status.h"
#include "loop/job.h"
#include "loop/loop.h"
#include "store/store.h"

#define MEMORY_CONTENT_MAX 50000u /* bytes (SPEC D) */
#define MEMORY_TEXT_MAX 400u      /* bytes of a source, a channel, a person, a reason */
#define MEMORY_LINKS_MAX 64u      /* edges that come with one save */

/* X(NAME, "name", importance by default (SPEC D), "what it is", "the heading of several") */
/* clang-format off */
#define MEMORY_TYPE_TABLE(X)                                                                       \
    X(IDENTITY, "identity", 1.0, "who the assistant is, or who it works for", "Identity")          \
    X(GOAL, "goal", 0.9, "something that is aimed at", "Goals")                                    \
    X(HUMAN, "human", 0.85, "what is known of one person: an anchor, one a person", "People")      \
    X(DECISION, "decision", 0.8, "what was decided, and why", "Decisions")                         \
    X(TODO, "todo", 0.8, "something that is still to be done", "To do")                            \
    X(PREFERENCE, "preference", 0.7, "how somebody likes things to be", "Preferences")             \
    X(FACT, "fact", 0.6, "something that is the case", "Facts")                                    \
    X(EVENT, "event", 0.4, "something that happened", "Events")                                    \
    X(OBSERVATION, "observation", 0.3, "something that was noticed", "Observations")
/* clang-format on */
enum memory_type {
#define X(name, text, importance, what, heading) MEMORY_##name,
    MEMORY_TYPE_TABLE(X)
#undef X
};
const char *memory_type_name(enum memory_type t);
double memory_type_importance(enum memory_type t);
const char *memory_type_heading(enum memory_type t);
enum status memory_type_from_string(const char *s, enum memory_type *out) MUST_CHECK;

/* X(NAME, "name", worth in a walk over edges, whether a walk goes on through it (SPEC D), "what
 * the source is to the target") */
/* clang-format off */
#define MEMORY_RELATION_TABLE(X)                                                                   \
    X(RELATED_TO, "related_to", 1.0, true, "has to do with")                                       \
    X(UPDATES, "updates", 1.5, false, "takes the place of")                                        \
    X(CONTRADICTS, "contradicts", 0.5, false, "says otherwise than")                               \
    X(CAUSED_BY, "caused_by", 1.3, false, "came of")                                               \
    X(RESULT_OF, "result_of", 1.3, false, "is the result of")                                      \
    X(PART_OF, "part_of", 0.8, true, "is part of")
/* clang-format on */
enum memory_relation {
#define X(name, text, worth, onward, what) MEMORY_##name,
    MEMORY_RELATION_TABLE(X)
#undef X
};
#define MEMORY_WEIGHT 0.5 /* of an edge, where nobody says (SPEC D) */
const char *memory_relation_name(enum memory_relation r);
double memory_relation_worth(enum memory_relation r);
bool memory_relation_onward(enum memory_relation r);
enum status memory_relation_from_string(const char *s, enum memory_relation *out) MUST_CHECK;

/* What can happen to one. X(NAME, "name in the history") */
/* clang-format off */
#define MEMORY_CHANGE_TABLE(X)                                                                     \
    X(SAVED, "saved")                                                                              \
    X(IMPORTED, "imported")                                                                        \
    X(APPENDED, "appended")     /* to a person's anchor */                                         \
    X(EDITED, "edited")                                                                            \
    X(FORGOTTEN, "forgotten")                                                                      \
    X(RESTORED, "restored")                                                                        \
    X(SUPERSEDED, "superseded") /* forgotten, as another took its place */                         \
    X(MERGED, "merged")         /* took another in, or went into another */                        \
    X(PRUNED, "pruned")         /* forgotten by maintenance */                                     \
    X(LINKED, "linked")         /* an edge from it came, or got another weight */                  \
    X(UNLINKED, "unlinked")                                                                        \
    X(UNDONE, "undone")         /* a change was taken back */
/* clang-format on */
enum memory_change {
#define X(name, text) MEMORY_CHANGE_##name,
    MEMORY_CHANGE_TABLE(X)
#undef X
};
const char *memory_change_name(enum memory_change c);

/* Who changes something, where it is no process (a full process id). */
#define MEMORY_BY_PERSON "person"
#define MEMORY_BY_MAINTENANCE "maintenance"
#define MEMORY_BY_IMPORT "import"

/* One row. Text is lent to who is called with it, owned after memory_get(). Times are milliseconds
 * since 1970 UTC. */
struct memory {
    int64_t n; /* its place in the order in which they came; behind the full-text indexes */
    const char *id;
    enum memory_type type;
    const char *content;
    double importance;                     /* 0 to 1, as it was given */
    double strength;                       /* what age and use have made of it (maintain.h) */
    const char *source, *channel, *person; /* or NULL */
    const char *hash;
    int64_t created_at, updated_at, accessed_at, access_count;
    int64_t forgotten_at;      /* 0: it is live */
    const char *superseded_by; /* id, or NULL */
    int64_t revision;
};

/* --- Reading, on any read connection. ----------------------------------------------------------
 */

/* Fills a struct memory from a row of any query that selects these columns. */
#define MEMORY_OF_ROW(row, type_value)                                                             \
    ((struct memory){.n = (row)->n,                                                                \
                     .id = (row)->id,                                                              \
                     .type = (type_value),                                                         \
                     .content = (row)->content,                                                    \
                     .importance = (row)->importance,                                              \
                     .strength = (row)->strength,                                                  \
                     .source = (row)->source,                                                      \
                     .channel = (row)->channel_id,                                                 \
                     .person = (row)->person,                                                      \
                     .hash = (row)->content_hash,                                                  \
                     .created_at = (row)->created_at,                                              \
                     .updated_at = (row)->updated_at,                                              \
                     .accessed_at = (row)->accessed_at,                                            \
                     .access_count = (row)->access_count,                                          \
                     .forgotten_at = (row)->forgotten_at_null ? 0 : (row)->forgotten_at,           \
                     .superseded_by = (row)->superseded_by,                                        \
                     .revision = (row)->revision})

/* By its whole id. STATUS_NOT_FOUND: there is none. memory_clear() frees. */
enum status memory_get(struct store_read *r, const char *id, struct memory *out,
                       struct cause *why) MUST_CHECK;
void memory_clear(struct memory *m);
/* By its id or a prefix of four or more characters that only it has: writes the whole id.
 * STATUS_NOT_FOUND, STATUS_INVALID: several, or too short; with a cause for people. */
enum status memory_resolve(struct store_read *r, const char *given, char id[ID_UUID_SIZE],
                           struct cause *why) MUST_CHECK;

/* False ends it. The row is lent for the call. */
typedef bool memory_row_fn(void *arg, const struct memory *m);

struct memory_filter {
    const enum memory_type *type; /* NULL: all */
    const char *person, *channel; /* NULL: all */
    bool forgotten;               /* those instead of the live ones */
    int64_t before;               /* only with a smaller n; 0: all */
    int64_t limit;
};
/* The newest first. */
enum status memory_list(struct store_read *r, const struct memory_filter *f, memory_row_fn *fn,
                        void *arg, struct cause *why) MUST_CHECK;

/* --- Changing, on the loop. --------------------------------------------------------------------
 */

struct memories;
struct memory_op; /* one operation on its way */

/* All lent. `jobs` may be NULL where maintenance and near duplicates are not asked for. */
struct memories *memories_new(struct loop *l, struct store *s, struct job_pool *jobs);
/* Operations on their way are not told any more; what they have written stays. */
void memories_free(struct memories **m);
struct store_read *memories_read(const struct memories *m);
struct store *memories_store(const struct memories *m);
/* Grows with every change that has been committed: what was made from memories may be kept while
 * it stays the same. */
uint64_t memories_generation(const struct memories *m);
/* None is on its way. */
bool memories_idle(const struct memories *m);

/* What became of an operation. */
struct memory_result {
    char id[ID_UUID_SIZE];        /* of the memory it was about; "" where it was about none */
    bool existed;                 /* save: it was known already: under this id */
    bool restored;                /* save: it had been forgotten and is live again */
    size_t changed;               /* memories and edges */
    char operation[ID_UUID_SIZE]; /* by which it can be undone; "": nothing was changed */
};
/* Once, from a later stage or turn of the loop, when it is on disk or has failed (why says why; r
 * is as far as it came). */
typedef void memory_done_fn(void *arg, enum status st, const struct memory_result *r,
                            const char *why);
/* fn is not called any more; what is under way goes on. NULL is fine; sets NULL. Handles are dead
 * once fn was called. */
void memory_op_forget(struct memory_op **op);

struct memory_link {
    const char *target; /* a whole id; one that is not known is left out */
    enum memory_relation relation;
    double weight;
};

/* All text is copied. */
struct memory_new {
    enum memory_type type;
    const char *content;
    const double *importance; /* NULL: the type's */
    const char *source, *channel, *person;
    const struct memory_link *links; /* from it */
    size_t nlinks;
    const char *supersedes; /* the id of the one whose place it takes, or NULL */
    const char *by;         /* who saves it */
    int64_t created_at;     /* 0: now */
};
/* Saves one. What says the same of the same person already is not written again: its id comes back
 * (existed), and it is live again if it had been forgotten, unless something that says it too took
 * its place. One of type human is added to the person's anchor. *op may be NULL.
 * STATUS_INVALID, STATUS_LIMIT with a cause that tells what to do: nothing was begun. */
enum status memory_save(struct memories *m, const struct memory_new *v, memory_done_fn *fn,
                        void *arg, struct memory_op **op, struct cause *why) MUST_CHECK;

/* NULL and no flag: as it is. */
struct memory_edit {
    const char *content;
    const enum memory_type *type;
    const double *importance;
    const char *person; /* "": nobody */
};
enum status memory_edit(struct memories *m, const char *id, const struct memory_edit *v,
                        const char *by, const char *reason, memory_done_fn *fn, void *arg,
                        struct memory_op **op, struct cause *why) MUST_CHECK;
/* `superseded_by`: what takes its place, or NULL. One that is forgotten already is EXISTS. */
enum status memory_forget(struct memories *m, const char *id, const char *superseded_by,
                          const char *by, const char *reason, memory_done_fn *fn, void *arg,
                          struct memory_op **op, struct cause *why) MUST_CHECK;
enum status memory_restore(struct memories *m, const char *id, const char *by, memory_done_fn *fn,
                           void *arg, struct memory_op **op, struct cause *why) MUST_CHECK;
/* weight < 0: takes the edge away. */
enum status memory_link(struct memories *m, const char *source, const struct memory_link *link,
                        const char *by, memory_done_fn *fn, void *arg, struct memory_op **op,
                        struct cause *why) MUST_CHECK;

/* One memory goes into another, which says what both said. */
struct memory_merge {
    const char *survivor, *absorbed; /* whole ids */
    const char *content;             /* what the survivor says from then on; NULL: as it is */
};
#define MEMORY_MERGES_MAX 100u
/* All of them in one operation, or none: the survivors get the greater importance and the edges of
 * what they take in, and take its place. All must be live and of one type. */
enum status memory_merge(struct memories *m, const struct memory_merge *v, size_t n, const char *by,
                         memory_done_fn *fn, void *arg, struct memory_op **op,
                         struct cause *why) MUST_CHECK;

/* Takes an operation back, all changes of it: `operation`, or (NULL) the newest that holds, of
 * memory `id` or (NULL) of all. That is an operation too: it can be taken back in turn. What was
 * changed again since is EXISTS, unless forced. */
struct memory_undo {
    const char *operation, *id;
    bool force;
};
enum status memory_undo(struct memories *m, const struct memory_undo *v, const char *by,
                        memory_done_fn *fn, void *arg, struct memory_op **op,
                        struct cause *why) MUST_CHECK;
/* The operation that begins so; as memory_resolve(). */
enum status memory_resolve_operation(struct store_read *r, const char *given, char id[ID_UUID_SIZE],
                                     struct cause *why) MUST_CHECK;

/* Makes indexes and counts anew from the rows, which may take a while. */
enum status memory_repair(struct memories *m, memory_done_fn *fn, void *arg, struct memory_op **op,
                          struct cause *why) MUST_CHECK;

/* Told of every memory that came into being (not of imported ones), on the loop, once it is on
 * disk. One listener. */
struct memory_news {
    const char *id, *content, *channel, *by;
    enum memory_type type;
    double importance;
};
typedef void memory_news_fn(void *arg, const struct memory_news *n);
void memories_on_saved(struct memories *m, memory_news_fn *fn, void *arg);

/* It was recalled and used; not a change, not waited for. */
void memory_touch(struct memories *m, const char *id);

#endif
