/* recall_date: see recall_date.h. Times are UTC; a day is matched with some room around it. */
#include "memory/recall_date.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/mem.h"

#define DAY_MS (INT64_C(24) * 3600 * 1000)
#define PIECES_MAX 256

/* A run of letters or of digits. */
struct piece {
    const char *s;
    size_t n;
    int number; /* -1: it is a word; -2: too long to be a date's */
};

struct text {
    const char *s;
    struct piece v[PIECES_MAX];
    size_t n;
};

static const char *const months[] = {"january",   "february", "march",    "april",
                                     "may",       "june",     "july",     "august",
                                     "september", "october",  "november", "december"};
static const char *const weekdays[] = {"sunday",   "monday", "tuesday", "wednesday",
                                       "thursday", "friday", "saturday"};
static const char *const numbers[] = {"zero",  "one",   "two",  "three", "four",   "five",  "six",
                                      "seven", "eight", "nine", "ten",   "eleven", "twelve"};

static void cut(struct text *t, const char *s, size_t n) {
    t->s = s;
    t->n = 0;
    for (size_t i = 0; i < n && t->n < PIECES_MAX;) {
        size_t start = i;
        bool digits = isdigit((unsigned char)s[i]);
        if (!digits && !isalpha((unsigned char)s[i])) {
            i++;
            continue;
        }
        int number = digits ? 0 : -1;
        for (; i < n && (digits ? isdigit((unsigned char)s[i]) : isalpha((unsigned char)s[i])); i++)
            if (digits)
                number = i - start >= 4 ? -2 : number * 10 + (s[i] - '0');
        t->v[t->n++] = (struct piece){s + start, i - start, number};
    }
}

static bool is(const struct text *t, size_t i, const char *word) {
    return i < t->n && t->v[i].n == strlen(word) && !strncasecmp(t->v[i].s, word, t->v[i].n);
}

static bool is_one_of(const struct text *t, size_t i, const char *const *words, size_t n) {
    for (size_t k = 0; k < n; k++)
        if (is(t, i, words[k]))
            return true;
    return false;
}

/* The word is a name of the list, whole or shortened to three letters or more ("Sept"): its place
 * from 1; 0: none. */
static int name_of(const struct text *t, size_t i, const char *const *names, size_t n) {
    if (i >= t->n || t->v[i].n < 3)
        return 0;
    for (size_t k = 0; k < n; k++)
        if (t->v[i].n <= strlen(names[k]) && !strncasecmp(t->v[i].s, names[k], t->v[i].n) &&
            (t->v[i].n <= 4 || t->v[i].n == strlen(names[k])))
            return (int)k + 1;
    return 0;
}

static int number_at(const struct text *t, size_t i) {
    if (i >= t->n)
        return -1;
    for (size_t k = 0; k < ARRAY_LEN(numbers); k++)
        if (is(t, i, numbers[k]))
            return (int)k;
    if (is(t, i, "a") || is(t, i, "an"))
        return 1;
    return t->v[i].number;
}

static bool is_year(const struct text *t, size_t i) {
    return i < t->n && t->v[i].n == 4 && t->v[i].number >= 1900 && t->v[i].number < 2200;
}

static bool is_day(const struct text *t, size_t i) {
    return i < t->n && t->v[i].n <= 2 && t->v[i].number >= 1 && t->v[i].number <= 31;
}

static bool is_ordinal(const struct text *t, size_t i) {
    static const char *const endings[] = {"st", "nd", "rd", "th"};
    return i && i < t->n && t->v[i].s == t->v[i - 1].s + t->v[i - 1].n &&
           is_one_of(t, i, endings, ARRAY_LEN(endings));
}

/* ---- the calendar ---- */

static struct tm civil(int64_t ms) {
    time_t at = (time_t)(ms >= 0 ? ms / 1000 : -((-ms + 999) / 1000));
    struct tm tm = {0};
    gmtime_r(&at, &tm);
    return tm;
}

static int64_t start_of(int year, int month, int day) {
    struct tm tm = {.tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day};
    return (int64_t)timegm(&tm) * 1000;
}

static void set_range(struct recall_date *d) {
    switch (d->grain) {
    case RECALL_DAY:
        d->from = d->year ? start_of(d->year, d->month, d->day) : 0;
        d->to = d->from + (d->year ? DAY_MS : 0);
        break;
    case RECALL_WEEK:
        break; /* whoever made it knows */
    case RECALL_MONTH:
        d->from = d->year ? start_of(d->year, d->month, 1) : 0;
        d->to = d->year ? start_of(d->year, d->month + 1, 1) : 0;
        break;
    case RECALL_YEAR:
        d->from = start_of(d->year, 1, 1);
        d->to = start_of(d->year + 1, 1, 1);
        break;
    }
}

static struct recall_date day_of(int64_t ms) {
    struct tm tm = civil(ms);
    return (struct recall_date){
        .grain = RECALL_DAY, .year = tm.tm_year + 1900, .month = tm.tm_mon + 1, .day = tm.tm_mday};
}

/* ---- what can stand in a question; each returns how many pieces it took, 0: it is not there ----
 */

/* "2023-05-08" */
static size_t take_iso(const struct text *t, size_t i, struct recall_date *d) {
    if (!is_year(t, i) || i + 2 >= t->n || t->v[i + 1].n != 2 || t->v[i + 2].n > 2 ||
        t->v[i].s[4] != '-' || t->v[i + 1].s[2] != '-' || !is_day(t, i + 2) ||
        t->v[i + 1].number < 1 || t->v[i + 1].number > 12)
        return 0;
    *d = (struct recall_date){.grain = RECALL_DAY,
                              .year = t->v[i].number,
                              .month = t->v[i + 1].number,
                              .day = t->v[i + 2].number};
    return 3;
}

/* "may" and "march" are words too: a month only beside a number or after "in", "last", ... or, with
 * a capital, inside of a sentence. */
static bool surely_month(const struct text *t, size_t i) {
    static const char *const before[] = {
        "in",   "of",   "since", "until",  "by",    "during",  "early", "late",    "mid",   "last",
        "this", "next", "from",  "before", "after", "through", "till",  "between", "around"};
    if (!is(t, i, "may") && !is(t, i, "march") && !is(t, i, "mar"))
        return true;
    return (i && (is_one_of(t, i - 1, before, ARRAY_LEN(before)) ||
                  isupper((unsigned char)*t->v[i].s))) ||
           is_day(t, i + 1) || is_year(t, i + 1);
}

/* "8 May 2023", "8th of May", "May 8th, 2023", "May 2023", "May": `i` is the month's place; what it
 * took before that is in *back. */
static size_t take_month(const struct text *t, size_t i, struct recall_date *d, size_t *back) {
    int month = name_of(t, i, months, ARRAY_LEN(months));
    size_t at = i + 1, b = i;
    *back = 0;
    if (!month)
        return 0;
    int day = 0, year = 0;
    if (b && is(t, b - 1, "of"))
        b--;
    if (b > 1 && is_ordinal(t, b - 1))
        b--;
    if (b && is_day(t, b - 1)) {
        day = t->v[b - 1].number;
        *back = i - b + 1;
    } else if (is_day(t, at)) {
        day = t->v[at++].number;
        if (is_ordinal(t, at))
            at++;
    }
    if (!day && !surely_month(t, i))
        return 0;
    if (is_year(t, at))
        year = t->v[at++].number;
    *d = (struct recall_date){
        .grain = day ? RECALL_DAY : RECALL_MONTH, .year = year, .month = month, .day = day};
    return at - i;
}

/* "today", "yesterday" */
static size_t take_day_word(const struct text *t, size_t i, int64_t now, struct recall_date *d) {
    int back = is(t, i, "today") || is(t, i, "tonight") ? 0 : is(t, i, "yesterday") ? 1 : -1;
    if (back < 0)
        return 0;
    *d = day_of(now - back * DAY_MS);
    return 1;
}

static struct recall_date week_of(int64_t ms) {
    struct tm tm = civil(ms);
    int64_t monday = start_of(tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday - (tm.tm_wday + 6) % 7);
    return (struct recall_date){.grain = RECALL_WEEK, .from = monday, .to = monday + 7 * DAY_MS};
}

static struct recall_date month_of(int64_t now, int back) {
    struct tm tm = civil(now);
    int month = tm.tm_year * 12 + tm.tm_mon - back;
    return (struct recall_date){
        .grain = RECALL_MONTH, .year = month / 12 + 1900, .month = month % 12 + 1};
}

/* `count` units before now. */
static bool before_now(const struct text *t, size_t unit, int count, int64_t now,
                       struct recall_date *d) {
    if (is(t, unit, "day") || is(t, unit, "days"))
        *d = day_of(now - count * DAY_MS);
    else if (is(t, unit, "week") || is(t, unit, "weeks"))
        *d = week_of(now - count * 7 * DAY_MS);
    else if (is(t, unit, "month") || is(t, unit, "months"))
        *d = month_of(now, count);
    else if (is(t, unit, "year") || is(t, unit, "years"))
        *d = (struct recall_date){.grain = RECALL_YEAR, .year = civil(now).tm_year + 1900 - count};
    else
        return false;
    return true;
}

/* "last week", "this month", "last Friday", "last May", "three days ago" */
static size_t take_relative(const struct text *t, size_t i, int64_t now, struct recall_date *d) {
    bool last = is(t, i, "last"), this = is(t, i, "this");
    int count = number_at(t, i);
    if (count >= 0 && count <= 1000 && is(t, i + 2, "ago"))
        return before_now(t, i + 1, count, now, d) ? 3 : 0;
    if (!last && !this)
        return 0;
    if (before_now(t, i + 1, last, now, d))
        return 2;
    int weekday = name_of(t, i + 1, weekdays, ARRAY_LEN(weekdays));
    int month = weekday ? 0 : name_of(t, i + 1, months, ARRAY_LEN(months));
    struct tm tm = civil(now);
    if (weekday) {
        int back = (tm.tm_wday - (weekday - 1) + 7) % 7;
        *d = day_of(now - (back ? back : 7 * last) * DAY_MS);
    } else if (month && !is_day(t, i + 2)) {
        *d = (struct recall_date){.grain = RECALL_MONTH, .year = tm.tm_year + 1900, .month = month};
        d->year -= month > tm.tm_mon + 1 || (last && month == tm.tm_mon + 1);
    } else {
        return 0;
    }
    return 2;
}

static size_t take_year(const struct text *t, size_t i, struct recall_date *d) {
    if (!is_year(t, i))
        return 0;
    *d = (struct recall_date){.grain = RECALL_YEAR, .year = t->v[i].number};
    return 1;
}

size_t recall_dates(const char *s, size_t len, int64_t now_ms,
                    struct recall_date out[RECALL_DATES_MAX]) {
    struct text t;
    size_t n = 0, back = 0;
    cut(&t, s, len);
    for (size_t i = 0; i < t.n && n < RECALL_DATES_MAX;) {
        struct recall_date d = {0};
        back = 0;
        size_t took = take_iso(&t, i, &d);
        if (!took)
            took = take_relative(&t, i, now_ms, &d);
        if (!took)
            took = take_month(&t, i, &d, &back);
        if (!took)
            took = take_day_word(&t, i, now_ms, &d);
        if (!took)
            took = take_year(&t, i, &d);
        if (took) {
            set_range(&d);
            d.start = (size_t)(t.v[i - back].s - s);
            d.end = (size_t)(t.v[i + took - 1].s - s) + t.v[i + took - 1].n;
            out[n++] = d;
        }
        i += took ? took : 1;
    }
    return n;
}

/* ---- fitting ---- */

/* Days from the date to the time, by the year that is nearest where none was said. */
static double days_after(const struct recall_date *d, int64_t at) {
    int64_t from = d->from;
    if (!d->year) {
        int year = civil(at).tm_year + 1900;
        from = start_of(year, d->month, d->day);
        if (at - from > 183 * DAY_MS)
            from = start_of(year + 1, d->month, d->day);
        else if (from - at > 183 * DAY_MS)
            from = start_of(year - 1, d->month, d->day);
    }
    return (double)(at - from) / (double)DAY_MS;
}

static double fit_month(const struct recall_date *d, int64_t at) {
    struct tm tm = civil(at);
    int after = tm.tm_mon + 1 - d->month;
    if (d->year)
        after += 12 * (tm.tm_year + 1900 - d->year);
    else if (after == -11)
        after = 1;
    return after == 0 ? 1 : after != 1 ? 0 : tm.tm_mday <= 15 ? 0.4 : 0.2;
}

double recall_date_fit(const struct recall_date *d, int64_t at) {
    double days = 0;
    switch (d->grain) {
    case RECALL_DAY:
        days = days_after(d, at);
        return days >= 0 && days < 1     ? 1
               : days >= -1 && days < 8  ? 0.6
               : days >= -7 && days < 31 ? 0.2
                                         : 0;
    case RECALL_WEEK:
        return at >= d->from && at < d->to ? 1 : at >= d->to && at < d->to + 7 * DAY_MS ? 0.4 : 0;
    case RECALL_MONTH:
        return fit_month(d, at);
    case RECALL_YEAR:
        return at >= d->from && at < d->to ? 0.3 : 0;
    }
    return 0;
}
