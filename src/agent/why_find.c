/* why_find: which message is meant by what a person wrote. */
#include "agent/why.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "store/queries.gen.h"

#define PREFIX_LEAST 4u

/* --- which message ------------------------------------------------------------------------------
 */

static bool on_id(void *arg, const struct q_why_messages_from_row *row) {
    strv_push(arg, row->id);
    return true;
}

static void take_id(char id[ID_UUID_SIZE], const char *from) {
    size_t n = strnlen(from, ID_UUID_SIZE - 1);
    memcpy(id, from, n);
    id[n] = '\0';
}

/* A message by its id or the beginning of one. */
static enum status find_message(struct store_read *r, const char *arg, char id[ID_UUID_SIZE],
                                struct cause *why) {
    struct strv ids = {0};
    if (strlen(arg) < PREFIX_LEAST)
        return STATUS_NOT_FOUND;
    char *high = xasprintf("%s\x7f", arg);
    enum status st = q_why_messages_from(r, arg, high, 2, on_id, &ids, why);
    if (st == STATUS_OK && ids.n == 0)
        st = STATUS_NOT_FOUND;
    else if (st == STATUS_OK && ids.n > 1 && !str_eq(ids.v[0], arg))
        st =
            cause_set(why, STATUS_INVALID, "several messages begin so: %s, %s", ids.v[0], ids.v[1]);
    if (st == STATUS_OK)
        take_id(id, ids.v[0]);
    strv_free(&ids);
    x_free(&high);
    return st;
}

static enum status last_of(struct store_read *r, const char *channel, char id[ID_UUID_SIZE],
                           struct cause *why) {
    struct q_why_last_of_row row;
    enum status st = q_why_last_of(r, channel, &row, why);
    if (st != STATUS_OK)
        return st;
    take_id(id, row.id);
    q_why_last_of_free(&row);
    return STATUS_OK;
}

enum status why_find(struct store_read *r, const char *arg, char id[ID_UUID_SIZE],
                     struct cause *why) {
    if (str_empty(arg)) {
        struct q_why_last_row row;
        enum status st = q_why_last(r, &row, why);
        if (st == STATUS_NOT_FOUND)
            return cause_set(why, st, "nothing has been replied yet");
        if (st == STATUS_OK) {
            take_id(id, row.id);
            q_why_last_free(&row);
        }
        return st;
    }
    const char *channel = arg[0] == '#'                 ? arg + 1
                          : str_prefix(arg, "channel:") ? arg + strlen("channel:")
                                                        : arg;
    enum status st = last_of(r, channel, id, why);
    if (st == STATUS_NOT_FOUND && channel == arg)
        st = find_message(r, arg, id, why);
    if (st != STATUS_NOT_FOUND)
        return st;
    struct q_channel_row row;
    st = q_channel(r, channel, &row, why);
    if (st == STATUS_OK) {
        q_channel_free(&row);
        return cause_set(why, STATUS_NOT_FOUND, "nothing has been replied in #%.120s yet", channel);
    }
    return st == STATUS_NOT_FOUND
               ? cause_set(why, st, "there is no reply and no channel \"%.60s\"", arg)
               : st;
}
