/* lifecycle: the states of a worker that are kept in the store, and the only moves there are
 * between them (SPEC A.5). A move is made where the state is still the one it leaves; the first
 * that moves it to an end owns the end, and whoever comes later takes over what is stored. */
#ifndef AGENT_LIFECYCLE_H
#define AGENT_LIFECYCLE_H

#include "agent/kind.h"

/* X(NAME, "name"); the ends are process outcomes by the same names. */
#define LIFECYCLE_TABLE(X)                                                                         \
    X(CREATED, "created")                                                                          \
    X(RUNNING, "running")                                                                          \
    X(WAITING_FOR_INPUT, "waiting_for_input")                                                      \
    X(COMPLETING, "completing") /* it has said what came of its task */                            \
    X(CANCELLING, "cancelling")                                                                    \
    X(TIMING_OUT, "timing_out")                                                                    \
    X(SUCCEEDED, "succeeded")                                                                      \
    X(PARTIAL, "partial")                                                                          \
    X(BLOCKED, "blocked") X(FAILED, "failed") X(CANCELLED, "cancelled") X(TIMED_OUT, "timed_out")
enum lifecycle {
#define X(name, text) LIFECYCLE_##name,
    LIFECYCLE_TABLE(X)
#undef X
};

/* X(FROM, TO): every legal move. */
#define LIFECYCLE_MOVE_TABLE(X)                                                                    \
    X(CREATED, RUNNING)                                                                            \
    X(CREATED, FAILED) /* the engine ended before it ran */                                        \
    X(RUNNING, WAITING_FOR_INPUT)                                                                  \
    X(RUNNING, CANCELLING)                                                                         \
    X(RUNNING, TIMING_OUT)                                                                         \
    X(RUNNING, COMPLETING)                                                                         \
    X(RUNNING, FAILED)                                                                             \
    X(WAITING_FOR_INPUT, RUNNING)                                                                  \
    X(WAITING_FOR_INPUT, CANCELLING)                                                               \
    X(WAITING_FOR_INPUT, COMPLETING)                                                               \
    X(CANCELLING, CANCELLED)                                                                       \
    X(CANCELLING, SUCCEEDED)                                                                       \
    X(CANCELLING, PARTIAL)                                                                         \
    X(TIMING_OUT, TIMED_OUT)                                                                       \
    X(TIMING_OUT, SUCCEEDED)                                                                       \
    X(TIMING_OUT, PARTIAL)                                                                         \
    X(COMPLETING, SUCCEEDED)                                                                       \
    X(COMPLETING, PARTIAL)                                                                         \
    X(COMPLETING, CANCELLED)                                                                       \
    X(COMPLETING, BLOCKED)                                                                         \
    X(COMPLETING, FAILED)

/* Who made the terminal commit. */
#define LIFECYCLE_OWNER_TABLE(X)                                                                   \
    X(WORKER, "worker")                                                                            \
    X(CANCEL, "cancel")                                                                            \
    X(TIMEOUT, "timeout")                                                                          \
    X(SUPERVISOR, "supervisor")                                                                    \
    X(SHUTDOWN, "shutdown")                                                                        \
    X(RECONCILE, "reconcile")
enum lifecycle_owner {
#define X(name, text) OWNER_##name,
    LIFECYCLE_OWNER_TABLE(X)
#undef X
};

const char *lifecycle_name(enum lifecycle l);
enum status lifecycle_from_string(const char *s, enum lifecycle *out) MUST_CHECK;
const char *lifecycle_owner_name(enum lifecycle_owner o);
enum status lifecycle_owner_from_string(const char *s, enum lifecycle_owner *out) MUST_CHECK;
bool lifecycle_may(enum lifecycle from, enum lifecycle to);
/* One of the six ends: nothing leads out of it. */
bool lifecycle_ended(enum lifecycle l);
enum lifecycle lifecycle_of(enum process_outcome o);

#endif
