/* format: pure functions from numbers to short texts. */
#include "ui/format.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

void format_elapsed(int64_t ms, char out[FORMAT_SIZE]) {
    long long s = ms > 0 ? ms / 1000 : 0;
    if (s < 60)
        snprintf(out, FORMAT_SIZE, "%llds", s);
    else if (s < 3600)
        snprintf(out, FORMAT_SIZE, "%lldm%02llds", s / 60, s % 60);
    else if (s < 86400)
        snprintf(out, FORMAT_SIZE, "%lldh%02lldm", s / 3600, s / 60 % 60);
    else
        snprintf(out, FORMAT_SIZE, "%lldd%02lldh", s / 86400, s / 3600 % 24);
}

void format_duration(int64_t ms, char out[FORMAT_SIZE]) {
    if (ms >= 10000)
        format_elapsed(ms, out);
    else
        snprintf(out, FORMAT_SIZE, "%.1fs", (double)(ms > 0 ? ms : 0) / 1000);
}

void format_count(int64_t n, char out[FORMAT_SIZE]) {
    double v = (double)n;
    if (n < 1000)
        snprintf(out, FORMAT_SIZE, "%lld", (long long)n);
    else if (n < 9950)
        snprintf(out, FORMAT_SIZE, "%.1fk", v / 1e3);
    else if (n < 999500)
        snprintf(out, FORMAT_SIZE, "%.0fk", v / 1e3);
    else if (n < 9950000)
        snprintf(out, FORMAT_SIZE, "%.1fM", v / 1e6);
    else
        snprintf(out, FORMAT_SIZE, "%.0fM", v / 1e6);
}

void format_clock(int64_t wall_ms, int64_t now_ms, char out[FORMAT_SIZE]) {
    time_t at = (time_t)(wall_ms / 1000), now = (time_t)(now_ms / 1000);
    struct tm a, n;
    size_t len = 0;
    if (localtime_r(&at, &a) && localtime_r(&now, &n)) {
        if (a.tm_year != n.tm_year)
            len = strftime(out, FORMAT_SIZE, "%Y-%m-%d %H:%M", &a);
        else if (a.tm_yday != n.tm_yday)
            len = strftime(out, FORMAT_SIZE, a.tm_mday < 10 ? "%e %b %H:%M" : "%d %b %H:%M", &a);
        else
            len = strftime(out, FORMAT_SIZE, "%H:%M", &a);
    }
    if (len == 0)
        snprintf(out, FORMAT_SIZE, "-");
    else if (out[0] == ' ') /* %e pads */
        memmove(out, out + 1, len);
}
