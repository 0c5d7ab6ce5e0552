/* ui: the screen: one ncurses terminal at a time, handed over by a placeholder, painted through a
 * memfd. */
#ifndef UI_UI_H
#define UI_UI_H

#include "agent/agent.h"
#include "ctl/server.h"

struct ui;
/* Cheap: curses and readline start at the first attach. */
struct ui *ui_new(struct agent *a);
/* Restores the terminal it has. */
void ui_free(struct ui **u);
/* For the server, both ways. */
const struct ctl_screen_ops *ui_screen_ops(struct ui *u);
void ui_set_server(struct ui *u, struct ctl_server *s);

#endif
