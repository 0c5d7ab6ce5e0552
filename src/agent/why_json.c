/* why_json: a chain as one JSON document, each row with the rows below it. The names of its members
 * are a contract with scripts (spacebot.1). */
#include "agent/why.h"
#include "base/clock.h"
#include "base/json.h"

#define DEPTHS (WHY_DEPTH_MAX + 8)

static void add_time(cJSON *o, const char *key, int64_t at_ms) {
    char text[CLOCK_RFC3339_SIZE];
    clock_rfc3339(at_ms, text);
    json_add_str(o, key, at_ms ? text : NULL);
}

static void add_ms(cJSON *o, const char *key, int64_t ms) {
    if (ms < 0)
        json_add_null(o, key);
    else
        json_add_i64(o, key, ms);
}

/* Input with the cached part of it, as ps --json has it. */
static void add_usage(cJSON *o, const struct llm_usage *u, int64_t calls) {
    json_add_i64(o, "model_calls", calls);
    json_add_i64(o, "input_tokens", u->input_tokens + u->cache_read_tokens + u->cache_write_tokens);
    json_add_i64(o, "cached_tokens", u->cache_read_tokens);
    json_add_i64(o, "output_tokens", u->output_tokens);
    json_add_num(o, "cost_usd", u->cost_usd);
    json_add_bool(o, "cost_is_estimate", u->cost_is_estimate);
}

static cJSON *row_json(const struct why_row *r) {
    cJSON *o = json_new_obj();
    json_add_str(o, "kind", why_kind_name(r->kind));
    json_add_str(o, "id", r->id);
    json_add_str(o, "name", r->name);
    json_add_str(o, "label", r->label);
    json_add_str(o, "text", r->text);
    json_add_i64(o, "text_bytes", (int64_t)r->bytes);
    json_add_str(o, "state", r->state);
    json_add_str(o, "outcome", r->outcome);
    add_time(o, "started_at", r->started_ms);
    add_time(o, "ended_at", r->ended_ms);
    add_ms(o, "duration_ms", r->started_ms && r->ended_ms ? r->ended_ms - r->started_ms : -1);
    if (r->costs) {
        json_add_str(o, "model", r->model);
        add_usage(o, &r->usage, r->calls);
    }
    if (r->kind == WHY_BRANCH || r->kind == WHY_WORKER)
        json_add_bool(o, "told", r->told);
    json_add_i64(o, "left_out", (int64_t)r->left_out);
    return o;
}

cJSON *why_json(const struct why *w) {
    cJSON *o = json_new_obj(), *steps[DEPTHS] = {NULL};
    json_add_str(o, "message_id", w->asked);
    json_add_str(o, "channel", w->channel);
    add_time(o, "started_at", w->started_ms);
    add_ms(o, "elapsed_ms", w->elapsed_ms);
    add_ms(o, "first_word_ms", w->first_word_ms);
    json_add_bool(o, "running", w->running);
    add_usage(o, &w->usage, w->calls);
    json_add_i64(o, "left_out", (int64_t)w->left_out);
    steps[0] = json_add_arr(o, "steps");
    for (size_t i = 0; i < w->n; i++) {
        int depth = w->v[i].depth;
        if (depth < 0 || depth + 1 >= DEPTHS || !steps[depth])
            continue;
        cJSON *row = row_json(&w->v[i]);
        steps[depth + 1] = json_add_arr(row, "steps");
        cJSON_AddItemToArray(steps[depth], row);
    }
    return o;
}
