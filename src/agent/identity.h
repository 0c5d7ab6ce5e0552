/* identity: the texts that a person wrote for the models: SOUL.md, IDENTITY.md and ROLE.md of the
 * home, who they are; AGENTS.md of a workspace, how to work there. Read anew for each prompt, so
 * that a change acts at once and the same file is the same bytes. */
#ifndef AGENT_IDENTITY_H
#define AGENT_IDENTITY_H

#include "agent/agent.h"

#define IDENTITY_FILE_MAX 32768u /* bytes of each that are shown; the rest is cut with a notice */

/* Appends what there is of the home's three, in that order, each between tags. */
void identity_append_home(struct buf *out, const struct home *home);
/* Appends the workspace's AGENTS.md as quoted text: it comes with the files, not from the person.
 * Links are not followed, since commands can write there; what is in the way is said in its place.
 */
void identity_append_workspace(struct buf *out, const struct sandbox *sb, const char *workspace);

#endif
