/* limit: compares what was used with what the configuration allows. 0 means no limit. */
#include "agent/limit.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/money.h"
#include "base/str.h"
#include "llm/price.h"
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
    d->guess = st == STATUS_OK && row.estimated_rows > 0;
    return st;
}

static bool is_today(const struct limit_day *d) {
    char day[11];
    today(day);
    return str_eq(day, d->day);
}

double limit_day_spent(const struct limit_day *d) { return is_today(d) ? d->spent : 0; }

bool limit_day_guessed(const struct limit_day *d) { return is_today(d) && d->guess; }

void limit_day_spend(struct limit_day *d, double dollars, bool guess) {
    d->spent = limit_day_spent(d) + dollars;
    d->guess = limit_day_guessed(d) || guess;
    today(d->day);
}

char *limit_day_text(const struct agent *a) {
    const struct limit_day *d = agent_day(a);
    double most = agent_parts(a)->config->limits.dollars_a_day;
    char spent[MONEY_SIZE], limit[MONEY_SIZE];
    money_text(limit_day_spent(d), limit_day_guessed(d), spent);
    money_text(most, false, limit);
    return most > 0 ? xasprintf("%s of %s today (UTC)", spent, limit)
                    : xasprintf("%s today (UTC), no limit", spent);
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

/* What is left of one allowance, and who says so. */
struct purse {
    double limit, used; /* limit 0: none */
    bool guess;         /* some of what is used */
    double held;        /* of it, for other calls under way */
};

/* What the input and `output` tokens of an answer cost at the most: what is not cached yet is
 * cached now. */
static double cost_of(const struct price *p, int64_t input, int64_t output) {
    double in = p->cache_write > p->input ? p->cache_write : p->input;
    return ((double)input * in + (double)output * p->output) / 1e6;
}

static double left_of(const struct purse *p) { return p->limit - p->used - p->held; }

/* How long an answer may be that `dollars` pay for, the input apart. */
static int output_for(const struct price *p, int64_t input, double dollars) {
    double paid = dollars - cost_of(p, input, 0);
    if (p->output <= 0 || paid * 1e6 >= p->output * LIMIT_OUTPUT_MAX)
        return LIMIT_OUTPUT_MAX;
    double tokens = paid * 1e6 / p->output;
    return tokens > LIMIT_OUTPUT_MIN ? (int)tokens : LIMIT_OUTPUT_MIN;
}

static bool tokens_allowed(const struct allowance *may, int64_t used, int64_t input,
                           const char *kind, struct cause *why) {
    if (!may->tokens || used + input <= may->tokens)
        return true;
    cause_set(why, STATUS_LIMIT,
              "ended after %lld tokens: the next call has %lld, and %lld are allowed "
              "(limits.%s_tokens)",
              (long long)used, (long long)input, (long long)may->tokens, kind);
    return false;
}

/* What the next call may cost is never more than a guess. */
struct amounts {
    char used[MONEY_SIZE], need[MONEY_SIZE], limit[MONEY_SIZE];
};

static struct amounts amounts_of(const struct purse *p, double need) {
    struct amounts a;
    money_text(p->used, p->guess, a.used);
    money_text(need, true, a.need);
    money_text(p->limit, false, a.limit);
    return a;
}

static void say_own(struct cause *why, const struct purse *own, double need, const char *kind) {
    struct amounts a = amounts_of(own, need);
    cause_set(why, STATUS_LIMIT,
              "ended after %s: the next call may cost %s, and %s are allowed (limits.%s_dollars)",
              a.used, a.need, a.limit, kind);
}

static void say_day(struct cause *why, const struct purse *day, double need) {
    struct amounts a = amounts_of(day, need);
    cause_set(why, STATUS_LIMIT,
              "ended: %s are spent today, the next call may cost %s, and %s a day are allowed; it "
              "goes on at 00:00 UTC, or with a higher limits.dollars_a_day",
              a.used, a.need, a.limit);
}

enum limit_answer limit_allows(const struct agent *a, const struct process *p,
                               const struct llm_usage *before, const char *model,
                               int64_t input_tokens, struct limit_hold *hold, struct cause *why) {
    const struct config *c = agent_parts(a)->config;
    struct limit_day *d = agent_day(a);
    const char *kind = process_kind_name(p->kind);
    struct allowance may = allowance_of(c, p->kind);
    struct price price;
    (void)price_find(model, &price);
    double times = price_times(model, input_tokens);
    price.input *= times;
    price.output *= times;
    price.cache_read *= times;
    price.cache_write *= times;
    if (!tokens_allowed(&may, tokens_of(&p->usage) - tokens_of(before), input_tokens, kind, why))
        return LIMIT_NO;
    double need = cost_of(&price, input_tokens, LIMIT_OUTPUT_MIN);
    const struct purse own = {may.dollars, p->usage.cost_usd - before->cost_usd,
                              p->usage.cost_is_estimate, 0};
    const struct purse day = {c->limits.dollars_a_day, limit_day_spent(d), limit_day_guessed(d),
                              d->held};
    if (own.limit > 0 && (need > left_of(&own) || own.used >= own.limit)) {
        say_own(why, &own, need, kind);
        return LIMIT_NO;
    }
    if (day.limit > 0 && (need > day.limit - day.used || day.used >= day.limit)) {
        say_day(why, &day, need);
        return LIMIT_NO;
    }
    if (day.limit > 0 && need > left_of(&day))
        return LIMIT_LATER;
    if (!hold)
        return LIMIT_YES;
    int most = LIMIT_OUTPUT_MAX;
    if (own.limit > 0)
        most = output_for(&price, input_tokens, left_of(&own));
    if (day.limit > 0) {
        int shared = output_for(&price, input_tokens, left_of(&day) / (double)(d->calls + 1));
        most = shared < most ? shared : most;
    }
    *hold = (struct limit_hold){need, most < LIMIT_OUTPUT_MAX ? most : 0, true};
    d->held += need;
    d->calls++;
    return LIMIT_YES;
}

void limit_release(const struct agent *a, struct limit_hold *hold) {
    struct limit_day *d = agent_day(a);
    if (!hold->held)
        return;
    d->calls--;
    d->held = d->calls ? d->held - hold->dollars : 0; /* no dust is left */
    *hold = (struct limit_hold){0};
}
