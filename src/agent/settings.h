/* settings: what one conversation was told about itself, kept in the store as a JSON object. What
 * it was not told is the config's. Members that this version does not know are kept as they are. */
#ifndef AGENT_SETTINGS_H
#define AGENT_SETTINGS_H

#include "agent/agent.h"

/* The words of config.h's CONFIG_CHOICE_TABLE. */
#define RESPONSE_MODE_TABLE(X)                                                                     \
    X(ACTIVE, "active", "everything is answered")                                                  \
    X(MENTION_ONLY, "mention_only", "what names @spacebot is answered; the rest is only noted")    \
    X(OBSERVE, "observe", "nothing is answered; everything is noted")
enum response_mode {
#define X(name, text, what) RESPONSE_##name,
    RESPONSE_MODE_TABLE(X)
#undef X
};
const char *response_mode_name(enum response_mode m);
const char *response_mode_what(enum response_mode m); /* for people */

struct settings {
    const struct config *config; /* lent */
    cJSON *own;                  /* never NULL */
};

/* What the store has for the channel `bare`. */
void settings_load(struct settings *s, const struct agent *a, const char *bare);
void settings_free(struct settings *s);

enum response_mode settings_response_mode(const struct settings *s);
/* NULL: it goes on. Else why it does not, "" when nobody said. Lent. */
const char *settings_paused(const struct settings *s);

/* Changes go to the store and to the bus as settings_updated; `channel` is the one they are of. */
void settings_set_response_mode(struct settings *s, struct agent *a, const struct process *channel,
                                enum response_mode m);
void settings_set_paused(struct settings *s, struct agent *a, const struct process *channel,
                         const char *reason); /* NULL: it goes on */

#endif
