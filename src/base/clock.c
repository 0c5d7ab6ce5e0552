/* clock: real or virtual time. The virtual one is two atomic numbers, since jobs may ask too. */
#include "base/clock.h"

#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

static atomic_bool virtual_on;
static _Atomic int64_t virtual_mono_ns;
static _Atomic int64_t virtual_wall_start_ms;

static int64_t read_clock_ns(clockid_t id) {
    struct timespec ts = {0};
    clock_gettime(id, &ts); /* cannot fail for the three clocks asked for here */
    return (int64_t)ts.tv_sec * NS_PER_SEC + ts.tv_nsec;
}

int64_t clock_real_mono_ns(void) { return read_clock_ns(CLOCK_MONOTONIC); }

int64_t clock_thread_cpu_ns(void) { return read_clock_ns(CLOCK_THREAD_CPUTIME_ID); }

int64_t clock_mono_ns(void) {
    if (atomic_load_explicit(&virtual_on, memory_order_relaxed))
        return atomic_load_explicit(&virtual_mono_ns, memory_order_relaxed);
    return clock_real_mono_ns();
}

int64_t clock_wall_ms(void) {
    if (atomic_load_explicit(&virtual_on, memory_order_relaxed))
        return atomic_load_explicit(&virtual_wall_start_ms, memory_order_relaxed) +
               atomic_load_explicit(&virtual_mono_ns, memory_order_relaxed) / NS_PER_MS;
    return read_clock_ns(CLOCK_REALTIME) / NS_PER_MS;
}

void clock_set_virtual(int64_t wall_ms) {
    atomic_store(&virtual_mono_ns, 0);
    atomic_store(&virtual_wall_start_ms, wall_ms);
    atomic_store(&virtual_on, true);
}

void clock_set_real(void) { atomic_store(&virtual_on, false); }

bool clock_is_virtual(void) { return atomic_load_explicit(&virtual_on, memory_order_relaxed); }

void clock_advance(int64_t ns) {
    if (ns > 0)
        atomic_fetch_add(&virtual_mono_ns, ns);
}

void clock_rfc3339(int64_t wall_ms, char out[CLOCK_RFC3339_SIZE]) {
    /* The form has four digits for the year; time outside it is held at its ends. */
    const int64_t min = INT64_C(-62167219200000), max = INT64_C(253402300799999);
    if (wall_ms < min)
        wall_ms = min;
    if (wall_ms > max)
        wall_ms = max;
    int64_t ms = wall_ms % 1000;
    int64_t sec = wall_ms / 1000;
    if (ms < 0) {
        ms += 1000;
        sec--;
    }
    time_t t = (time_t)sec;
    struct tm tm = {0};
    gmtime_r(&t, &tm);
    /* Unsigned and reduced so that the compiler can see that it fits. */
    snprintf(out, CLOCK_RFC3339_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ",
             (unsigned)(tm.tm_year + 1900) % 10000u, (unsigned)(tm.tm_mon + 1) % 100u,
             (unsigned)tm.tm_mday % 100u, (unsigned)tm.tm_hour % 100u, (unsigned)tm.tm_min % 100u,
             (unsigned)tm.tm_sec % 100u, (unsigned)ms % 1000u);
}

static bool digits(const char **s, int n, int *out) {
    *out = 0;
    for (; n; n--, ++*s) {
        if (**s < '0' || **s > '9')
            return false;
        *out = *out * 10 + (**s - '0');
    }
    return true;
}

static bool skip(const char **s, char c) { return **s == c && (++*s, true); }

/* Milliseconds of ".123456": what is finer is cut. */
static bool fraction(const char **s, int *ms) {
    *ms = 0;
    if (!skip(s, '.'))
        return true;
    if (**s < '0' || **s > '9')
        return false;
    for (int scale = 100; **s >= '0' && **s <= '9'; ++*s, scale /= 10)
        *ms += (**s - '0') * scale;
    return true;
}

/* Minutes east of UTC. */
static bool zone(const char **s, int *minutes) {
    int hh, mm, sign = **s == '-' ? -1 : 1;
    *minutes = 0;
    if (skip(s, 'Z'))
        return true;
    if (!skip(s, '+') && !skip(s, '-'))
        return false;
    if (!digits(s, 2, &hh) || !skip(s, ':') || !digits(s, 2, &mm) || hh > 23 || mm > 59)
        return false;
    *minutes = sign * (hh * 60 + mm);
    return true;
}

static int days_in(int year, int month) {
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

bool clock_parse(const char *s, int64_t *wall_ms) {
    int year, month, day, hour = 0, minute = 0, second = 0, ms = 0, east = 0;
    if (!digits(&s, 4, &year) || !skip(&s, '-') || !digits(&s, 2, &month) || !skip(&s, '-') ||
        !digits(&s, 2, &day) || month < 1 || month > 12 || day < 1 || day > days_in(year, month))
        return false;
    if (*s && !((skip(&s, 'T') || skip(&s, ' ')) && digits(&s, 2, &hour) && skip(&s, ':') &&
                digits(&s, 2, &minute) && skip(&s, ':') && digits(&s, 2, &second) && hour < 24 &&
                minute < 60 && second < 60 && fraction(&s, &ms) && zone(&s, &east) && !*s))
        return false;
    struct tm tm = {.tm_year = year - 1900,
                    .tm_mon = month - 1,
                    .tm_mday = day,
                    .tm_hour = hour,
                    .tm_min = minute,
                    .tm_sec = second};
    *wall_ms = ((int64_t)timegm(&tm) - east * INT64_C(60)) * 1000 + ms;
    return true;
}
