/* kind: the words for processes, each list once. A switch over one of these enums has no default,
 * so that one more entry fails the build at every place that must decide. */
#ifndef AGENT_KIND_H
#define AGENT_KIND_H

#include <stdbool.h>

#include "base/status.h"

/* A test defines one more kind here and counts the places that fail. */
#ifndef PROCESS_KIND_TABLE_EXTRA
#define PROCESS_KIND_TABLE_EXTRA(X)
#endif

/* X(NAME, "name", "symbol", "ascii symbol") */
#define PROCESS_KIND_TABLE(X)                                                                      \
    X(CHANNEL, "channel", "#", "#")                                                                \
    X(BRANCH, "branch", "⑂", "Y")                                                                  \
    X(WORKER, "worker", "*", "*")                                                                  \
    X(COMPACTOR, "compactor", "~", "~")                                                            \
    X(CORTEX, "cortex", "@", "@")                                                                  \
    X(VOICE, "voice", "♪", "v")                                                                    \
    PROCESS_KIND_TABLE_EXTRA(X)
enum process_kind {
#define X(name, text, symbol, ascii) PROCESS_##name,
    PROCESS_KIND_TABLE(X)
#undef X
};

#define PROCESS_STATE_TABLE(X)                                                                     \
    X(THINKING, "thinking") /* a model call is in flight */                                        \
    X(RUNNING, "running")   /* a tool runs */                                                      \
    X(WAITING, "waiting")   /* for somebody else; nothing of its own is going on */                \
    X(ASKING, "asking")     /* for a person */                                                     \
    X(STALLED, "stalled")   /* a model call without a byte for long */                             \
    X(CANCELLING, "cancelling")                                                                    \
    X(ENDED, "ended")
enum process_state {
#define X(name, text) PROCESS_STATE_##name,
    PROCESS_STATE_TABLE(X)
#undef X
};

/* How an ended process ended; the six terminal states of SPEC A.5. */
/* clang-format off */
#define PROCESS_OUTCOME_TABLE(X)                                                                   \
    X(SUCCEEDED, "succeeded")                                                                      \
    X(PARTIAL, "partial")                                                                          \
    X(BLOCKED, "blocked")                                                                          \
    X(FAILED, "failed")                                                                            \
    X(CANCELLED, "cancelled")                                                                      \
    X(TIMED_OUT, "timed_out")
/* clang-format on */
enum process_outcome {
#define X(name, text) PROCESS_OUTCOME_##name,
    PROCESS_OUTCOME_TABLE(X)
#undef X
};

const char *process_kind_name(enum process_kind k);
const char *process_kind_symbol(enum process_kind k, bool ascii);
enum status process_kind_from_string(const char *s, enum process_kind *out) MUST_CHECK;
const char *process_state_name(enum process_state s);
enum status process_state_from_string(const char *s, enum process_state *out) MUST_CHECK;
const char *process_outcome_name(enum process_outcome o);
enum status process_outcome_from_string(const char *s, enum process_outcome *out) MUST_CHECK;

#endif
