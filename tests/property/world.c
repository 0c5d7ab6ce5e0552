/* world: an engine on the inline loop and the virtual clock, begun and ended as often as a schedule
 * wants. */
#include "tests/property/world.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "tests/lib/script_shell.h"

unsigned pick(struct world *w, unsigned n) {
    w->rng ^= w->rng << 13;
    w->rng ^= w->rng >> 7;
    w->rng ^= w->rng << 17;
    return (unsigned)((w->rng >> 11) % n);
}

void world_start(struct world *w) {
    struct cause why = {""};
    const struct llm_config lc = {0};
    w->spans = trace_new(64, 256);
    w->llm = llm_new(w->loop, &lc);
    w->known = map_new();
    if (store_open(w->loop, w->home.db, &w->store, &why) != STATUS_OK)
        BROKEN(w, "%s", why.text);
    const struct agent_parts parts = {w->loop,    w->jobs,   w->store, w->spans, w->llm,
                                      w->sandbox, w->config, &w->home, NULL,     NULL};
    if (agent_new(&parts, &w->agent, &why) != STATUS_OK)
        BROKEN(w, "%s", why.text);
    rules_begin(w);
    w->listener = bus_listen(agent_bus(w->agent), rules_hear, w);
}

static void forget(struct world *w) {
    size_t pos = 0;
    for (struct known *k; (k = map_next(w->known, &pos, NULL));)
        x_free(&k);
    map_free(&w->known);
    for (size_t i = 0; i < w->nseen; i++)
        x_free(&w->seen[i].id);
    w->nseen = 0;
}

void world_stop(struct world *w) {
    struct cause why = {""};
    rules_end(w);
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        command_abandon(&w->calls[i]);
        w->open[i] = false;
    }
    bus_unlisten(&w->listener);
    agent_free(&w->agent);
    if (script_shell_running())
        BROKEN(w, "%zu commands still run", script_shell_running());
    if (store_drain(w->store, 10 * NS_PER_SEC, &why) != STATUS_OK)
        BROKEN(w, "%s", why.text);
    rules_ended(w);
    if (store_close(&w->store, &why) != STATUS_OK)
        BROKEN(w, "%s", why.text);
    if (llm_calls_open(w->llm))
        BROKEN(w, "%zu model calls are left", llm_calls_open(w->llm));
    llm_free(&w->llm);
    trace_free(&w->spans);
    forget(w);
}
