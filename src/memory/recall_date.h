/* recall_date: the times that a question speaks of, and how well a time fits them. */
#ifndef MEMORY_RECALL_DATE_H
#define MEMORY_RECALL_DATE_H

#include <stddef.h>
#include <stdint.h>

#define RECALL_DATES_MAX 8u

enum recall_grain { RECALL_DAY, RECALL_WEEK, RECALL_MONTH, RECALL_YEAR };

struct recall_date {
    enum recall_grain grain;
    int year;          /* 0: any */
    int month, day;    /* from 1; day 0 for months, both 0 for years and weeks */
    int64_t from, to;  /* ms since 1970 UTC, where the year is known (a week's always is) */
    size_t start, end; /* where it stands in the text */
};

/* "8 May 2023", "May 8th", "in May", "2023-05-08", "2023", "yesterday", "last week", "three days
 * ago", "last Friday": at most RECALL_DATES_MAX. Returns how many. */
size_t recall_dates(const char *text, size_t n, int64_t now_ms,
                    struct recall_date out[RECALL_DATES_MAX]);

/* 0 to 1: how well a time of saying fits. What happened on a day is told on it or in the days
 * after. */
double recall_date_fit(const struct recall_date *d, int64_t at_ms);

#endif
