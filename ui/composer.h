/* composer: where a person writes. The editing is readline's (emacs or vi, the person's own
 * .inputrc, undo, search), the drawing ours; every channel has its draft and its history. Readline
 * is one instance a process, so there is one composer at a time. */
#ifndef UI_COMPOSER_H
#define UI_COMPOSER_H

#include <stdbool.h>
#include <stdint.h>

#include "ui/keys.h"
#include "ui/window.h"

struct composer;

/* A message was finished: text is lent, never empty or blank. */
typedef void composer_send_fn(void *arg, const char *channel, const char *text);

#define COMPOSER_TEXT_MAX (256u * 1024)

/* history_path: the file of what was sent, NULL for none. */
struct composer *composer_new(const char *history_path, composer_send_fn *fn, void *arg);
void composer_free(struct composer **c);

/* Shows that channel's draft and history; the other's are kept. */
void composer_channel(struct composer *c, const char *channel);
void composer_key(struct composer *c, const struct key *k);
void composer_newline(struct composer *c);
/* A message could not be sent: it becomes the draft again, unless there is another one by now. */
void composer_put_back(struct composer *c, const char *channel, const char *text);

bool composer_empty(const struct composer *c);
/* Escape is readline's now: vi's insert mode, a search or a prefix under way. */
bool composer_takes_escape(const struct composer *c);
/* Readline waits for the rest of a key sequence: every key is its. */
bool composer_takes_all(const struct composer *c);
/* Grows when it has to be drawn anew. */
uint64_t composer_version(const struct composer *c);

/* Rows that it would like at that width, at least 1. */
int composer_rows(const struct composer *c, int cols, const char *label);
/* `label` stands before the text ("> "). With `focused` the terminal's cursor is put. */
void composer_draw(const struct composer *c, const struct window *w, const char *label,
                   bool focused);
/* The text before the cursor, lent until the next key. */
const char *composer_before(const struct composer *c, size_t *n);
/* Puts text in at the cursor, as if it were typed. */
void composer_insert(struct composer *c, const char *text);
/* The whole text of the present draft, lent. */
const char *composer_text(const struct composer *c);

#endif
