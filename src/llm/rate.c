/* rate: names of headers, and the forms of their values: a number, a time of day, a span such as
 * "1m30.5s", or seconds or milliseconds since 1970. */
#include "llm/rate.h"

#include <ctype.h>
#include <curl/curl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/mem.h"
#include "base/str.h"

#define DAY_MS INT64_C(86400000) /* longer is as good as never */

void rate_init(struct llm_rate *r) {
    static const struct llm_rate_window none = {-1, -1, -1};
    *r = (struct llm_rate){none, none, none, none, 0};
}

static int64_t within_day(double ms) {
    return ms <= 0 ? 0 : ms < (double)DAY_MS ? (int64_t)ms : DAY_MS;
}

/* "17ms", "6m0s", "1h2m3.5s"; -1 when it is no such span. */
static int64_t span_ms(const char *s) {
    double ms = 0;
    if (!*s)
        return -1;
    while (*s) {
        char *end;
        if (!isdigit((unsigned char)*s))
            return -1;
        double v = strtod(s, &end);
        double unit = str_prefix(end, "ms")  ? 1
                      : str_prefix(end, "s") ? 1000
                      : str_prefix(end, "m") ? 60000
                      : str_prefix(end, "h") ? 3600000
                      : str_prefix(end, "d") ? (double)DAY_MS
                                             : -1;
        if (unit < 0)
            return -1;
        ms += v * unit;
        s = end + (str_prefix(end, "ms") ? 2 : 1);
    }
    return within_day(ms);
}

/* "2026-11-24T09:51:26Z": milliseconds since 1970, -1 when it is none. */
static int64_t date_ms(const char *s) {
    int year, month, day, hour, minute, second, used = 0;
    if (sscanf(s, "%4d-%2d-%2dT%2d:%2d:%2d%n", &year, &month, &day, &hour, &minute, &second,
               &used) != 6 ||
        !used)
        return -1;
    char text[64];
    snprintf(text, sizeof(text), "%04d%02d%02d %02d:%02d:%02d GMT", year, month, day, hour, minute,
             second);
    time_t at = curl_getdate(text, NULL);
    return at < 0 ? -1 : (int64_t)at * 1000;
}

/* A bare number is a span in seconds, or so large that it can only be a time. */
static int64_t reset_ms(const char *s, int64_t now_ms) {
    char *end;
    double v = strtod(s, &end);
    if (end != s && !*end) {
        if (!(v >= 0))
            return -1;
        if (v < 1e9)
            return within_day(v * 1000);
        return within_day((v < 1e11 ? v * 1000 : v) - (double)now_ms);
    }
    int64_t at = date_ms(s);
    return at >= 0 ? within_day((double)(at - now_ms)) : span_ms(s);
}

static int64_t count(const char *s) {
    int64_t v;
    return str_to_i64(s, &v) == STATUS_OK && v >= 0 ? v : -1;
}

static void set(struct llm_rate *r, struct llm_rate_window *w, const char *what, const char *value,
                int64_t now_ms) {
    int64_t v = str_eq(what, "reset") ? reset_ms(value, now_ms) : count(value);
    if (v < 0)
        return;
    if (str_eq(what, "limit"))
        w->limit = v;
    else if (str_eq(what, "remaining"))
        w->left = v;
    else if (str_eq(what, "reset"))
        w->reset_ms = v;
    else
        return;
    r->at_ms = now_ms;
}

static struct llm_rate_window *window(struct llm_rate *r, const char *name) {
    return str_eq(name, "requests") || !*name ? &r->requests
           : str_eq(name, "tokens")           ? &r->tokens
           : str_eq(name, "input-tokens")     ? &r->input
           : str_eq(name, "output-tokens")    ? &r->output
                                              : NULL;
}

void rate_header(struct llm_rate *r, const char *line, size_t n, int64_t now_ms) {
    static const char anthropic[] = "anthropic-ratelimit-", others[] = "x-ratelimit-";
    char text[128];
    bool first = n > sizeof(anthropic) && strncasecmp(line, anthropic, sizeof(anthropic) - 1) == 0;
    if (!first && (n <= sizeof(others) || strncasecmp(line, others, sizeof(others) - 1) != 0))
        return;
    size_t from = first ? sizeof(anthropic) - 1 : sizeof(others) - 1;
    while (n > from && isspace((unsigned char)line[n - 1]))
        n--;
    if (n - from >= sizeof(text))
        return;
    for (size_t i = from; i < n; i++)
        text[i - from] = (char)tolower((unsigned char)line[i]);
    text[n - from] = '\0';
    char *colon = strchr(text, ':');
    if (!colon)
        return;
    *colon = '\0';
    /* The value as it was: T and Z of a date are capitals. */
    const char *value = line + from + (colon - text) + 1, *end = line + n;
    while (value < end && isspace((unsigned char)*value))
        value++;
    char *copy = xstrndup(value, (size_t)(end - value));
    /* One says requests-limit, the other limit-requests. */
    char *dash = first ? strrchr(text, '-') : strchr(text, '-');
    const char *name = text, *what = "";
    if (dash) {
        *dash = '\0';
        name = first ? text : dash + 1;
        what = first ? dash + 1 : text;
    } else if (!first) {
        name = "";
        what = text;
    }
    struct llm_rate_window *w = window(r, name);
    if (w)
        set(r, w, what, copy, now_ms);
    free(copy);
}

int64_t rate_wait_ms(const struct llm_rate *r) {
    const struct llm_rate_window *const all[] = {&r->requests, &r->tokens, &r->input, &r->output};
    int64_t longest = -1;
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        if (all[i]->left == 0 && all[i]->reset_ms > longest)
            longest = all[i]->reset_ms;
    return longest;
}
