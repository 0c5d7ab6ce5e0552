/* limit: compares what was used with what the configuration allows. 0 means no limit. */
#include "agent/limit.h"

#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "store/queries.gen.h"

static void today(char day[11]) {
    char now[CLOCK_RFC3339_SIZE];
    clock_rfc3339(clock_wall_ms(), now);
    memcpy(day, now, 10);
    day[10] = '\0';
}

enum status limit_day_load(struct limit_day *d, struct store_read *r, struct cause *why) {
    struct q_usage_of_day_row row;
    today(d->day);
    enum status st = q_usage_of_day(r, d->day, &row, why);
    d->spent = st == STATUS_OK ? row.cost_usd : 0;
    return st;
}

double limit_day_spent(const struct limit_day *d) {
    char day[11];
    today(day);
    return str_eq(day, d->day) ? d->spent : 0;
}

void limit_day_spend(struct limit_day *d, double dollars) {
    d->spent = limit_day_spent(d) + dollars;
    today(d->day);
}

struct allowance {
    int64_t tokens;
    double dollars;
};

static struct allowance allowance_of(const struct config *c, enum process_kind k) {
    switch (k) {
    case PROCESS_CHANNEL:
        return (struct allowance){c->limits.channel_tokens, c->limits.channel_dollars};
    case PROCESS_BRANCH:
        return (struct allowance){c->limits.branch_tokens, c->limits.branch_dollars};
    case PROCESS_WORKER:
        return (struct allowance){c->limits.worker_tokens, c->limits.worker_dollars};
    case PROCESS_COMPACTOR:
    case PROCESS_CORTEX:
    case PROCESS_VOICE:
        break; /* none of these runs yet */
    }
    return (struct allowance){0, 0};
}

static int64_t tokens_of(const struct llm_usage *u) {
    return u->input_tokens + u->output_tokens + u->cache_read_tokens + u->cache_write_tokens;
}

bool limit_allows(const struct agent *a, const struct process *p, const struct llm_usage *before,
                  struct cause *why) {
    const struct config *c = agent_parts(a)->config;
    const char *kind = process_kind_name(p->kind);
    struct allowance may = allowance_of(c, p->kind);
    int64_t tokens = tokens_of(&p->usage) - tokens_of(before);
    double dollars = p->usage.cost_usd - before->cost_usd;
    if (may.tokens && tokens >= may.tokens) {
        cause_set(why, STATUS_LIMIT, "ended after %lld tokens; %lld are allowed (limits.%s_tokens)",
                  (long long)tokens, (long long)may.tokens, kind);
        return false;
    }
    if (may.dollars > 0 && dollars >= may.dollars) {
        cause_set(why, STATUS_LIMIT,
                  "ended after %.4g dollars; %.4g are allowed (limits.%s_dollars)", dollars,
                  may.dollars, kind);
        return false;
    }
    double spent = limit_day_spent(agent_day(a));
    if (c->limits.dollars_a_day > 0 && spent >= c->limits.dollars_a_day) {
        cause_set(why, STATUS_LIMIT,
                  "ended: %.4g dollars are spent today and %.4g a day are allowed; it goes on at "
                  "00:00 UTC, or with a higher limits.dollars_a_day",
                  spent, c->limits.dollars_a_day);
        return false;
    }
    return true;
}
