/* limit: what a process may still use: tokens and money of its own, and the day's money that all
 * share. Asked before every attempt at a model call with what that may cost, so that work ends
 * before a limit is passed, not after. */
#ifndef AGENT_LIMIT_H
#define AGENT_LIMIT_H

#include "agent/agent.h"

#define LIMIT_OUTPUT_MIN 1024  /* tokens: for a shorter answer no call is made */
#define LIMIT_OUTPUT_MAX 16000 /* tokens that an answer may have (SPEC C) */

/* The money of one day (UTC). */
struct limit_day {
    char day[11]; /* 2026-11-24 */
    double spent; /* dollars */
    bool guess;   /* some of them */
    double held;  /* for the calls under way */
    size_t calls; /* that hold some */
};

/* What one call under way may cost at the least; zero it first. */
struct limit_hold {
    double dollars;
    int max_tokens; /* its answer may have; 0: as ever */
    bool held;
};

/* What was spent today before this engine began. */
enum status limit_day_load(struct limit_day *d, struct store_read *r, struct cause *why) MUST_CHECK;
void limit_day_spend(struct limit_day *d, double dollars, bool guess);
/* Of today; 0 when the last was spent yesterday. */
double limit_day_spent(const struct limit_day *d);
bool limit_day_guessed(const struct limit_day *d);
/* "~$0.12 of $10.00 today (UTC)". The caller frees. */
char *limit_day_text(const struct agent *a);

enum limit_answer {
    LIMIT_YES,
    LIMIT_LATER, /* when others have ended and cost less than they might */
    LIMIT_NO
};
/* Whether one more attempt at a call with so many tokens of input is within the limits; NO: `why`
 * says plainly which is reached, and by which key it is set. `before`: what the process had used
 * when the work began that counts. YES: `hold` (NULL: only asked) stands for it until released; the
 * answer's length is in it, shorter where little money is left. */
enum limit_answer limit_allows(const struct agent *a, const struct process *p,
                               const struct llm_usage *before, const char *model,
                               int64_t input_tokens, struct limit_hold *hold, struct cause *why);
/* The call has ended. Also for one that holds nothing. */
void limit_release(const struct agent *a, struct limit_hold *hold);

#endif
