/* guard: counts by hashes. Everything is bounded; what falls out of a bound is the oldest, so that
 * a guard forgets rather than grows. */
#include "agent/guard.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/str.h"

#define X(kind, warn, block, poll, outcome_warn, outcome_block, pingpong, warnings)                \
    static const struct guard_limits limits_##kind = {                                             \
        warn, block, poll, outcome_warn, outcome_block, pingpong, warnings};
GUARD_TABLE(X)
#undef X

const struct guard_limits *guard_limits(enum process_kind k) {
    switch (k) {
#define X(kind, warn, block, poll, outcome_warn, outcome_block, pingpong, warnings)                \
    case PROCESS_##kind:                                                                           \
        return &limits_##kind;
        GUARD_TABLE(X)
#undef X
    }
    return &limits_CHANNEL;
}

const char *guard_verdict_name(enum guard_verdict v) {
    switch (v) {
#define X(name, text)                                                                              \
    case GUARD_##name:                                                                             \
        return text;
        GUARD_VERDICT_TABLE(X)
#undef X
    }
    return "?";
}

/* Looking at one thing after each change of another is work, not a loop. */
static const char *const observations[] = {
    "browser_snapshot", "browser_tab_list", "file_read",         "file_list",    "get_status",
    "worker_inspect",   "channel_recall",   "attachment_recall", "memory_recall"};
static const char *const pollers[] = {"browser_snapshot", "browser_tab_list"};
static const char *const poll_words[] = {"status", "poll",  "wait", "watch",   "tail",
                                         "sleep",  "pgrep", "jobs", "progress"};

static bool listed(const char *name, const char *const *list, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (str_eq(name, list[i]))
            return true;
    return false;
}

/* As a word of its own: "retail" is no tail. */
static bool mentions(const char *text, const char *word) {
    size_t n = strlen(word);
    for (const char *s = text; *s; s++)
        if (strncasecmp(s, word, n) == 0 && (s == text || !isalnum((unsigned char)s[-1])) &&
            !isalnum((unsigned char)s[n]))
            return true;
    return false;
}

bool guard_polls(const char *tool, const char *args) {
    if (listed(tool, pollers, ARRAY_LEN(pollers)))
        return true;
    if (!str_eq(tool, "shell") || strlen(args) >= GUARD_POLL_ARGS)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(poll_words); i++)
        if (mentions(args, poll_words[i]))
            return true;
    return false;
}

static uint64_t hash_call(const char *tool, const char *args) {
    /* The length in front keeps ("ab", "c") and ("a", "bc") apart. */
    char *both = xasprintf("%zu:%s%s", strlen(tool), tool, args);
    uint64_t h = hash_bytes(both, strlen(both));
    x_free(&both);
    return h;
}

void guard_reset(struct guard *g, enum process_kind k) {
    *g = (struct guard){.limits = guard_limits(k)};
}

static bool is_poisoned(const struct guard *g, uint64_t call) {
    size_t n = g->npoisoned < GUARD_POISONED ? g->npoisoned : GUARD_POISONED;
    for (size_t i = 0; i < n; i++)
        if (g->poisoned[i] == call)
            return true;
    return false;
}

/* How many A-B pairs would stand at the end of the window with this call behind it. */
static unsigned pairs_with(const struct guard *g, uint64_t call) {
    size_t n = g->nwindow, length = 1;
    if (n == 0 || g->window[n - 1] == call)
        return 0;
    for (size_t i = n; i-- > 0; length++) {
        uint64_t expected = (n - i) % 2 ? g->window[n - 1] : call;
        if (g->window[i] != expected)
            break;
    }
    return (unsigned)(length / 2);
}

static void remember(struct guard *g, uint64_t call) {
    if (g->nwindow == GUARD_WINDOW)
        memmove(g->window, g->window + 1, --g->nwindow * sizeof g->window[0]);
    g->window[g->nwindow++] = call;
}

enum guard_verdict guard_before(struct guard *g, const char *tool, const char *args,
                                struct cause *why) {
    uint64_t call = hash_call(tool, args);
    unsigned factor = guard_polls(tool, args) ? g->limits->poll : 1;
    g->repeats = g->repeats && call == g->last ? g->repeats + 1 : 1;
    g->last = call;
    if (is_poisoned(g, call)) {
        cause_set(why, STATUS_LIMIT,
                  "not run: this very call has given the same result %u times. It will not give "
                  "another. Do something else, or report what you have.",
                  g->limits->outcome_block);
        return GUARD_BLOCK;
    }
    unsigned pairs = pairs_with(g, call);
    if (!listed(tool, observations, ARRAY_LEN(observations))) {
        remember(g, call);
        if (pairs >= g->limits->pingpong) {
            cause_set(why, STATUS_LIMIT,
                      "not run: you go to and fro between two calls, %u times now. Neither will "
                      "change what the other finds. Do something else, or report what you have.",
                      pairs);
            return GUARD_BLOCK;
        }
    }
    if (g->repeats < g->limits->warn * factor)
        return GUARD_RUN;
    if (g->repeats >= g->limits->block * factor || g->warnings >= g->limits->warnings) {
        cause_set(why, STATUS_LIMIT,
                  "not run: the same call %u times in a row: it is refused from now on. Do "
                  "something else, or report what you have.",
                  g->repeats);
        return GUARD_BLOCK;
    }
    g->warnings++;
    cause_set(why, STATUS_LIMIT,
              "not run: the same call with the same arguments %u times in a row. Use what it gave "
              "before, change it, or find another way.",
              g->repeats);
    return GUARD_WARN;
}

static struct guard_outcome *outcome(struct guard *g, uint64_t call, uint64_t result) {
    size_t n = g->noutcomes < GUARD_OUTCOMES ? g->noutcomes : GUARD_OUTCOMES;
    for (size_t i = 0; i < n; i++)
        if (g->outcomes[i].call == call && g->outcomes[i].result == result)
            return &g->outcomes[i];
    struct guard_outcome *o = &g->outcomes[g->noutcomes++ % GUARD_OUTCOMES];
    *o = (struct guard_outcome){.call = call, .result = result};
    return o;
}

bool guard_after(struct guard *g, const char *tool, const char *args, const char *result, size_t n,
                 struct cause *note) {
    uint64_t call = hash_call(tool, args);
    struct guard_outcome *o =
        outcome(g, call, hash_bytes(result, n < GUARD_RESULT_BYTES ? n : GUARD_RESULT_BYTES));
    o->times++;
    if (o->times >= g->limits->outcome_block && !is_poisoned(g, call))
        g->poisoned[g->npoisoned++ % GUARD_POISONED] = call;
    if (o->times < g->limits->outcome_warn)
        return false;
    cause_set(note, STATUS_LIMIT,
              o->times >= g->limits->outcome_block
                  ? "[this call has given this result %u times: it will not be run again]"
                  : "[this call has given this result %u times]",
              o->times);
    return true;
}
