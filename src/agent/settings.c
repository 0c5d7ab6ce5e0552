/* settings: resolved as conversation, then config. */
#include "agent/settings.h"

#include <string.h>

#include "agent/record.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

const char *response_mode_name(enum response_mode m) {
    switch (m) {
#define X(name, text, what)                                                                        \
    case RESPONSE_##name:                                                                          \
        return text;
        RESPONSE_MODE_TABLE(X)
#undef X
    }
    return "?";
}

const char *response_mode_what(enum response_mode m) {
    switch (m) {
#define X(name, text, what)                                                                        \
    case RESPONSE_##name:                                                                          \
        return what;
        RESPONSE_MODE_TABLE(X)
#undef X
    }
    return "?";
}

static bool mode_from_string(const char *s, enum response_mode *out) {
#define X(name, text, what)                                                                        \
    if (str_eq(s, text)) {                                                                         \
        *out = RESPONSE_##name;                                                                    \
        return true;                                                                               \
    }
    RESPONSE_MODE_TABLE(X)
#undef X
    return false;
}

void settings_load(struct settings *s, const struct agent *a, const char *bare) {
    char *text = record_load_settings(a, bare);
    struct cause why = {""};
    *s = (struct settings){.config = agent_parts(a)->config};
    if (text && json_parse(text, strlen(text), &s->own, &why) != STATUS_OK)
        log_error("channel:%s: its settings could not be read: %s", bare, why.text);
    if (s->own && !cJSON_IsObject(s->own)) {
        cJSON_Delete(s->own);
        s->own = NULL;
    }
    if (!s->own)
        s->own = json_new_obj();
    x_free(&text);
}

void settings_free(struct settings *s) {
    cJSON_Delete(s->own);
    s->own = NULL;
}

enum response_mode settings_response_mode(const struct settings *s) {
    enum response_mode m = RESPONSE_ACTIVE;
    if (!mode_from_string(json_str(s->own, "response_mode", NULL), &m))
        (void)mode_from_string(s->config->channel.response_mode, &m);
    return m;
}

const char *settings_paused(const struct settings *s) { return json_str(s->own, "paused", NULL); }

static void save(struct settings *s, struct agent *a, const struct process *channel,
                 const char *key, const char *value) {
    cJSON_DeleteItemFromObjectCaseSensitive(s->own, key);
    if (value)
        json_add_str(s->own, key, value);
    char *text = json_print(s->own);
    record_settings(a, channel, text);
    x_free(&text);
    BUS_EMIT(agent_bus(a), agent_processes(a), channel, EVENT_SETTINGS_UPDATED, BUS_STR("key", key),
             BUS_STR("value", value));
}

void settings_set_response_mode(struct settings *s, struct agent *a, const struct process *channel,
                                enum response_mode m) {
    save(s, a, channel, "response_mode", response_mode_name(m));
}

void settings_set_paused(struct settings *s, struct agent *a, const struct process *channel,
                         const char *reason) {
    save(s, a, channel, "paused", reason);
}
