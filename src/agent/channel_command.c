/* channel_command: lines that begin with a slash and a known word are for the engine, not for the
 * model: they are obeyed at once, also while a turn is under way (SPEC H "Commands"). What changes
 * the conversation needs authority; it is stamped on each message by whoever brings it. */
#include "agent/channel-internal.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "agent/delegate.h"
#include "agent/limit.h"
#include "agent/routing.h"
#include "base/mem.h"
#include "base/money.h"
#include "base/utf8.h"

#define NAME_MAX_BYTES 32u
#define REASON_MAX 200u

/* X(ENUM, "name", needs authority, takes an argument, "what it does") */
#define CHANNEL_COMMAND_TABLE(X)                                                                   \
    X(HELP, "help", false, false, "what can be said here")                                         \
    X(WHOAMI, "whoami", false, false, "who you are here and what you may")                         \
    X(STATUS, "status", false, false, "how this conversation stands")                              \
    X(AGENT_ID, "agent-id", false, false, "the name of the agent")                                 \
    X(ACTIVE, "active", true, false, "answer every message")                                       \
    X(MENTION_ONLY, "mention-only", true, false, "answer only what names @spacebot")               \
    X(QUIET, "quiet", true, false, "answer nothing, note everything")                              \
    X(OBSERVE, "observe", true, false, "the same as quiet")                                        \
    X(MODEL, "model", true, true, "the model of this conversation: /model NAME, or default")       \
    X(PAUSE, "pause", true, true, "start no turn until /pause off; a reason may follow")
enum channel_command {
#define X(name, text, authority, args, what) CHANNEL_COMMAND_##name,
    CHANNEL_COMMAND_TABLE(X)
#undef X
};

static const struct {
    const char *name, *what;
    enum channel_command command;
    bool authority, args;
} commands[] = {
#define X(id, text, needs, takes, does) {text, does, CHANNEL_COMMAND_##id, needs, takes},
    CHANNEL_COMMAND_TABLE(X)
#undef X
};

/* Case does not matter, "_" is "-", and "@name" behind it names whom it is for. */
static bool same_name(const char *said, size_t n, const char *name) {
    if (n != strlen(name))
        return false;
    for (size_t i = 0; i < n; i++) {
        char c = said[i] == '_' ? '-' : (char)tolower((unsigned char)said[i]);
        if (c != name[i])
            return false;
    }
    return true;
}

/* Its index in commands[], -1 when the text is none. One that takes no argument and has one is an
 * ordinary sentence. */
static int parse(const char *text, const char **args) {
    if (text[0] != '/')
        return -1;
    size_t word = strcspn(text + 1, " \t\r\n"), n = strcspn(text + 1, "@ \t\r\n");
    *args = text + 1 + word + strspn(text + 1 + word, " \t\r\n");
    if (n > NAME_MAX_BYTES)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (same_name(text + 1, n, commands[i].name))
            return commands[i].args || **args == '\0' ? (int)i : -1;
    return -1;
}

bool channel_is_command(const char *text) {
    const char *args;
    return parse(text, &args) >= 0;
}

/* --- what each does -----------------------------------------------------------------------------
 */

static char *help_text(void) {
    struct buf b = BUF_INIT;
    buf_puts(&b, "commands of this conversation:");
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        buf_printf(&b, "\n/%-13s %s", commands[i].name, commands[i].what);
    return buf_steal(&b);
}

static char *status_text(struct channel *ch) {
    struct process *p = channel_self(ch);
    const struct agent *a = ch->agent;
    const char *paused = settings_paused(&ch->settings);
    struct channel_totals t = channel_totals(a, p);
    size_t results = 0;
    list_for(&ch->results, it) results +=
        list_entry(it, const struct result, link)->state == RESULT_WAITING;
    struct buf b = BUF_INIT;
    buf_printf(&b, "%s, model %s, %s", p->id, p->model, process_state_name(p->state));
    if (paused)
        buf_printf(&b, "\npaused%s%s; /pause off goes on", *paused ? ": " : "", paused);
    buf_printf(&b, "\nmode %s: %s", response_mode_name(settings_response_mode(&ch->settings)),
               response_mode_what(settings_response_mode(&ch->settings)));
    buf_printf(&b, "\n%zu workers and %zu branches at work, %zu messages and %zu results waiting",
               delegate_count(a, PROCESS_WORKER, p->channel),
               delegate_count(a, PROCESS_BRANCH, p->channel), ch->queued + ch->together.n, results);
    char usd[MONEY_SIZE], *today = limit_day_text(a);
    money_text(t.usage.cost_usd, t.usage.cost_is_estimate, usd);
    buf_printf(&b, "\n%lld tokens in, %lld out, %s since the engine began; all together %s",
               (long long)t.usage.input_tokens, (long long)t.usage.output_tokens, usd, today);
    x_free(&today);
    return buf_steal(&b);
}

static char *set_mode(struct channel *ch, enum response_mode m) {
    settings_set_response_mode(&ch->settings, ch->agent, channel_self(ch), m);
    return xasprintf("from now on: %s (%s)", response_mode_what(m), response_mode_name(m));
}

static char *set_paused(struct channel *ch, const char *args) {
    if (strcasecmp(args, "off") == 0) {
        bool was = settings_paused(&ch->settings) != NULL;
        settings_set_paused(&ch->settings, ch->agent, channel_self(ch), NULL);
        channel_retrigger(ch);
        return xstrdup(was ? "it goes on" : "it was not paused");
    }
    size_t n = strcspn(args, "\r\n");
    char *reason = xstrndup(args, utf8_cut(args, n, REASON_MAX));
    settings_set_paused(&ch->settings, ch->agent, channel_self(ch), reason);
    char *text = xasprintf("paused%s%s: messages are noted and results wait until /pause off",
                           *reason ? ": " : "", reason);
    x_free(&reason);
    return text;
}

static char *set_model(struct channel *ch, const char *args) {
    struct process *p = channel_self(ch);
    struct cause why = {""};
    size_t n = strcspn(args, " \t\r\n");
    if (n == 0) {
        struct strv names = {0};
        struct buf b = BUF_INIT;
        routing_names(ch->agent, "", &names);
        buf_printf(&b, "this conversation uses %s%s%s", p->model,
                   channel_model_told(p) ? "; /model default goes back to the routing's" : "",
                   names.n ? "; known here: " : "");
        for (size_t i = 0; i < names.n; i++)
            buf_printf(&b, "%s%s", i ? ", " : "", names.v[i]);
        strv_free(&names);
        return buf_steal(&b);
    }
    char *model = xstrndup(args, n);
    bool back = strcasecmp(model, "default") == 0;
    char *text = NULL;
    if (!back && routing_check(ch->agent, model, &why) != STATUS_OK) {
        text = xstrdup(why.text);
    } else {
        channel_tell_model(ch->agent, p, back ? NULL : model);
        text = xasprintf("from the next call on: %s", p->model);
    }
    x_free(&model);
    return text;
}

static char *obey(struct channel *ch, enum channel_command c, const char *sender, bool authority,
                  const char *args) {
    switch (c) {
    case CHANNEL_COMMAND_HELP:
        return help_text();
    case CHANNEL_COMMAND_WHOAMI:
        return xasprintf("%s; you %s", sender,
                         authority ? "may change this conversation"
                                   : "may speak here, not change the conversation");
    case CHANNEL_COMMAND_STATUS:
        return status_text(ch);
    case CHANNEL_COMMAND_AGENT_ID:
        return xstrdup("main");
    case CHANNEL_COMMAND_ACTIVE:
        return set_mode(ch, RESPONSE_ACTIVE);
    case CHANNEL_COMMAND_MENTION_ONLY:
        return set_mode(ch, RESPONSE_MENTION_ONLY);
    case CHANNEL_COMMAND_QUIET:
    case CHANNEL_COMMAND_OBSERVE:
        return set_mode(ch, RESPONSE_OBSERVE);
    case CHANNEL_COMMAND_MODEL:
        return set_model(ch, args);
    case CHANNEL_COMMAND_PAUSE:
        return set_paused(ch, args);
    }
    return NULL;
}

bool channel_obey(struct channel *ch, const char *sender, const char *text, bool authority,
                  uint64_t seq) {
    const char *args;
    int i = parse(text, &args);
    if (i < 0)
        return false;
    char *answer =
        commands[i].authority && !authority
            ? xasprintf("/%s needs authority, which this message does not have", commands[i].name)
            : obey(ch, commands[i].command, sender, authority, args);
    ch->handled = true;
    channel_answer(ch, answer, seq);
    x_free(&answer);
    return true;
}
