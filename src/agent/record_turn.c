/* record_turn: the rows of a channel's turns: what each heard, what it cost, how it ended. */
#include <string.h>

#include "agent/channel.h"
#include "agent/record.h"
#include "base/clock.h"
#include "base/str.h"
#include "store/queries.gen.h"

static const char *end_name(enum record_turn_end e) {
    switch (e) {
#define X(name, text)                                                                              \
    case RECORD_TURN_##name:                                                                       \
        return text;
        RECORD_TURN_END_TABLE(X)
#undef X
    }
    return "?";
}

void record_turn_began(struct agent *a, const struct process *channel, const char *id,
                       const char *relays, const char *reply_to, const struct strv *heard) {
    struct store *s = agent_parts(a)->store;
    store_turn_insert(s,
                      &(struct store_turn_insert){.id = id,
                                                  .channel_id = channel->bare,
                                                  .model = channel->model,
                                                  .relays = relays,
                                                  .reply_to = reply_to,
                                                  .first_entry = (int64_t)channel->journal.next_seq,
                                                  .started_at = clock_wall_ms()});
    for (size_t i = 0; i < heard->n; i++)
        store_turn_hears(s, id, heard->v[i]);
}

void record_turn_used(struct agent *a, const struct process *p, const struct llm_usage *u) {
    const char *id = p->kind == PROCESS_CHANNEL ? channel_turn_id(p) : NULL;
    if (id)
        store_turn_used(agent_parts(a)->store,
                        &(struct store_turn_used){.model = p->model,
                                                  .input_tokens = u->input_tokens,
                                                  .output_tokens = u->output_tokens,
                                                  .cache_read_tokens = u->cache_read_tokens,
                                                  .cache_write_tokens = u->cache_write_tokens,
                                                  .cost_usd = u->cost_usd,
                                                  .estimated = u->cost_is_estimate,
                                                  .id = id});
}

void record_turn_ended(struct agent *a, const struct process *channel, const char *id,
                       enum record_turn_end how) {
    store_turn_end(agent_parts(a)->store, (int64_t)channel->journal.next_seq - 1, clock_wall_ms(),
                   end_name(how), id);
}
