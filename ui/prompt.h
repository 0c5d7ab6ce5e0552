/* prompt: one line that is asked for below the panes (`:` a command, `/` what to search): its text,
 * its history, its completion. */
#ifndef UI_PROMPT_H
#define UI_PROMPT_H

#include "base/buf.h"
#include "base/str.h"
#include "ui/keys.h"
#include "ui/window.h"

#define PROMPT_MAX 1024u /* bytes of a line */
#define PROMPT_HISTORY 100u

struct prompt {
    char sign; /* ':' or '/'; 0: closed */
    struct buf text;
    size_t at; /* bytes before the cursor */
    struct strv history[2];
    size_t place;           /* in the history; its length: the new line */
    struct strv candidates; /* of the last Tab */
    size_t candidate;
    size_t completed_from; /* where the word that is completed begins */
};

enum prompt_verdict { PROMPT_GOING, PROMPT_DONE, PROMPT_ABORTED };

void prompt_start(struct prompt *p, char sign);
/* Adds the words that may stand at text[from..); called at Tab. */
typedef void prompt_complete_fn(void *arg, const char *text, size_t from, struct strv *out);
/* DONE: the line is in p->text, and in the history; prompt_stop() closes it. */
enum prompt_verdict prompt_key(struct prompt *p, const struct key *k, prompt_complete_fn *complete,
                               void *arg);
void prompt_stop(struct prompt *p);
/* In the first row of w, with the terminal's cursor. */
void prompt_draw(const struct prompt *p, const struct window *w);
void prompt_free(struct prompt *p);

#endif
