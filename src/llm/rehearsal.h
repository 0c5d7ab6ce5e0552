/* rehearsal: a stand-in for a model, inside the engine. It speaks the Messages API over a UNIX
 * socket to the engine's own client, so that a first run without any key shows the whole machine at
 * work: sentences are matched, not understood, but the processes, the commands and what they print
 * are real. It never poses as a model: each conversation is told so, and how to connect one.
 *
 * What it understands is in rehearsal_script.c; a scenario file (rehearsal-internal.h) comes before
 * that, and may make it slow, silent or wrong. */
#ifndef LLM_REHEARSAL_H
#define LLM_REHEARSAL_H

#include "base/status.h"
#include "llm/client.h"
#include "loop/loop.h"

#define REHEARSAL_ID "rehearsal" /* the provider */
#define REHEARSAL_NAME "default" /* its one model */
#define REHEARSAL_MODEL REHEARSAL_ID "/" REHEARSAL_NAME

/* Bounds, each with what happens beyond it. */
#define REHEARSAL_REQUEST_MAX ((size_t)4 << 20) /* bytes of a body: refused with 413 */
#define REHEARSAL_CONNECTIONS_MAX 512u          /* at once: further ones wait to be accepted */

struct rehearsal_options {
    struct loop *loop;
    const char *dir;      /* where the socket is made; nobody else may enter it (0700) */
    const char *scenario; /* a file, NULL: none */
};

struct rehearsal;
/* Serves from now on. The cause names the file and the place in it when the scenario is wrong
 * (STATUS_CONFIG). */
enum status rehearsal_new(const struct rehearsal_options *o, struct rehearsal **out,
                          struct cause *why) MUST_CHECK;
/* Hangs up on everybody and removes the socket. NULL is fine; sets NULL. */
void rehearsal_free(struct rehearsal **r);

/* What the client is to be told of it; lent. */
struct llm_provider rehearsal_provider(const struct rehearsal *r);

#endif
