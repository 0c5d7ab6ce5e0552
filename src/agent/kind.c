/* kind: names and symbols of the process tables; stored strings come in only through the
 * _from_string functions, which can fail. */
#include "agent/kind.h"

#include <stdbool.h>
#include <string.h>

const char *process_kind_name(enum process_kind k) {
    switch (k) {
#define X(name, text, symbol, ascii)                                                               \
    case PROCESS_##name:                                                                           \
        return text;
        PROCESS_KIND_TABLE(X)
#undef X
    }
    return "?";
}

const char *process_kind_symbol(enum process_kind k, bool ascii_only) {
    switch (k) {
#define X(name, text, symbol, ascii)                                                               \
    case PROCESS_##name:                                                                           \
        return ascii_only ? ascii : symbol;
        PROCESS_KIND_TABLE(X)
#undef X
    }
    return "?";
}

enum status process_kind_from_string(const char *s, enum process_kind *out) {
#define X(name, text, symbol, ascii)                                                               \
    if (s && strcmp(s, text) == 0) {                                                               \
        *out = PROCESS_##name;                                                                     \
        return STATUS_OK;                                                                          \
    }
    PROCESS_KIND_TABLE(X)
#undef X
    return STATUS_INVALID;
}

const char *process_state_name(enum process_state s) {
    switch (s) {
#define X(name, text)                                                                              \
    case PROCESS_STATE_##name:                                                                     \
        return text;
        PROCESS_STATE_TABLE(X)
#undef X
    }
    return "?";
}

enum status process_state_from_string(const char *s, enum process_state *out) {
#define X(name, text)                                                                              \
    if (s && strcmp(s, text) == 0) {                                                               \
        *out = PROCESS_STATE_##name;                                                               \
        return STATUS_OK;                                                                          \
    }
    PROCESS_STATE_TABLE(X)
#undef X
    return STATUS_INVALID;
}

const char *process_outcome_name(enum process_outcome o) {
    switch (o) {
#define X(name, text)                                                                              \
    case PROCESS_OUTCOME_##name:                                                                   \
        return text;
        PROCESS_OUTCOME_TABLE(X)
#undef X
    }
    return "?";
}

enum status process_outcome_from_string(const char *s, enum process_outcome *out) {
#define X(name, text)                                                                              \
    if (s && strcmp(s, text) == 0) {                                                               \
        *out = PROCESS_OUTCOME_##name;                                                             \
        return STATUS_OK;                                                                          \
    }
    PROCESS_OUTCOME_TABLE(X)
#undef X
    return STATUS_INVALID;
}
