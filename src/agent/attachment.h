/* attachment: files that a person gives with a message. They are copied into the home first, named
 * by their content, so that they are there when the message is; who they belong to is a row that is
 * stored with the message. */
#ifndef AGENT_ATTACHMENT_H
#define AGENT_ATTACHMENT_H

#include "agent/agent.h"
#include "base/id.h"
#include "base/sha256.h"
#include "base/str.h"
#include "tools/tool.h"

#define ATTACHMENT_TEXT_MAX 50000u /* bytes of a text that the model reads with the message */

struct attachment {
    char id[ID_UUID_SIZE], sha256[SHA256_HEX_SIZE];
    char *name, *mime; /* name: without its directory, one line */
    int64_t bytes;
    char *text; /* its beginning, when it is text and is told with the message; else NULL */
    /* Of a recording: what is said in it and the model that heard it, or why nobody has; NULL. */
    char *transcript, *heard_by, *unheard;
    int64_t duration_ms; /* -1: not known */
};
struct attachment_list {
    struct attachment *v;
    size_t n;
    struct llm_usage usage; /* of hearing them: the message's */
};
void attachment_list_free(struct attachment_list *l);

/* Copies them for a channel (bare id), on a thread, and then has recordings heard (voice.h): what
 * cannot be is kept and told all the same, with the reason. With a workspace they are paths in it,
 * held to it as a tool's are; NULL: absolute ones, that a person named on a command line. fn is
 * called once, later, with *l (which it may take); st says why nothing was kept: one that cannot be
 * read, that is too large (limits.attachment_bytes) or for which the channel has no room
 * (limits.channel_attachment_bytes); STATUS_CANCELLED: a person has ended the hearing, and with it
 * the message. */
struct attachment_save;
typedef void attachment_saved_fn(void *arg, enum status st, const char *why,
                                 struct attachment_list *l);
enum status attachment_save(struct agent *a, const char *channel, const char *workspace,
                            const struct strv *paths, attachment_saved_fn *fn, void *arg,
                            struct attachment_save **out, struct cause *why) MUST_CHECK;
/* fn is not called any more. NULL is fine; sets NULL. */
void attachment_save_cancel(struct attachment_save **s);

/* Their rows, in the batch of the message. */
void attachment_record(struct agent *a, const struct process *channel, const char *message_id,
                       const struct attachment_list *l);
/* [{"id":S,"filename":S,"mime_type":S,"size_bytes":N}…], as the message's row and its event have
 * it; of a recording also "duration_ms", and "transcript" and "heard_by", or "unheard". The
 * caller's. */
cJSON *attachment_json(const struct attachment_list *l);
/* What a model reads of them, below its message: appends. `list` is what attachment_json() made;
 * l, where it is at hand, adds the texts. */
void attachment_tell(struct buf *out, const cJSON *list, const struct attachment_list *l);
/* "[attached: a.png, image/png, 12 KB]", a line each, for people: appends. */
void attachment_show(struct buf *out, const struct attachment_list *l);

/* attachment_recall: what the channel has been given. */
void attachment_tool(struct agent *a, const struct process *channel, struct tool_call *c);

#endif
