/* lifecycle: the tables as functions. */
#include "agent/lifecycle.h"

#include <string.h>

const char *lifecycle_name(enum lifecycle l) {
    switch (l) {
#define X(name, text)                                                                              \
    case LIFECYCLE_##name:                                                                         \
        return text;
        LIFECYCLE_TABLE(X)
#undef X
    }
    return "?";
}

enum status lifecycle_from_string(const char *s, enum lifecycle *out) {
#define X(name, text)                                                                              \
    if (s && strcmp(s, text) == 0) {                                                               \
        *out = LIFECYCLE_##name;                                                                   \
        return STATUS_OK;                                                                          \
    }
    LIFECYCLE_TABLE(X)
#undef X
    return STATUS_INVALID;
}

const char *lifecycle_owner_name(enum lifecycle_owner o) {
    switch (o) {
#define X(name, text)                                                                              \
    case OWNER_##name:                                                                             \
        return text;
        LIFECYCLE_OWNER_TABLE(X)
#undef X
    }
    return "?";
}

enum status lifecycle_owner_from_string(const char *s, enum lifecycle_owner *out) {
#define X(name, text)                                                                              \
    if (s && strcmp(s, text) == 0) {                                                               \
        *out = OWNER_##name;                                                                       \
        return STATUS_OK;                                                                          \
    }
    LIFECYCLE_OWNER_TABLE(X)
#undef X
    return STATUS_INVALID;
}

bool lifecycle_may(enum lifecycle from, enum lifecycle to) {
#define X(f, t)                                                                                    \
    if (from == LIFECYCLE_##f && to == LIFECYCLE_##t)                                              \
        return true;
    LIFECYCLE_MOVE_TABLE(X)
#undef X
    return false;
}

enum lifecycle lifecycle_of(enum process_outcome o) {
    switch (o) {
#define X(name, text)                                                                              \
    case PROCESS_OUTCOME_##name:                                                                   \
        return LIFECYCLE_##name;
        PROCESS_OUTCOME_TABLE(X)
#undef X
    }
    return LIFECYCLE_FAILED;
}

bool lifecycle_ended(enum lifecycle l) {
#define X(name, text)                                                                              \
    if (l == LIFECYCLE_##name)                                                                     \
        return true;
    PROCESS_OUTCOME_TABLE(X)
#undef X
    return false;
}
