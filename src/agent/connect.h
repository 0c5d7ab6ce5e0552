/* connect: the model client that a configuration describes, for the engine and for verbs that ask
 * providers without one. */
#ifndef AGENT_CONNECT_H
#define AGENT_CONNECT_H

#include "base/scrub.h"
#include "conf/config.h"
#include "llm/client.h"

/* Its providers: those of the configuration, those that may be found on this machine, and `extra`
 * (NULL: none). Keys are read from where the configuration says; `values` (NULL: nobody) is told of
 * each. The environment is left as it is: config_wipe_env() is the caller's. */
struct llm *connect_llm(struct loop *l, const struct config *c, const struct llm_provider *extra,
                        struct scrub_values *values);
/* What the configuration says of prices is what models cost from now on. */
void connect_prices(const struct config *c);

#endif
