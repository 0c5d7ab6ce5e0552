/* local: whether a model answers on this machine without anybody having named one: Ollama and
 * llama.cpp's server list what they have at /v1/models. Only asked, never assumed: nothing is sent
 * but the question, and never through a proxy. */
#ifndef LLM_LOCAL_H
#define LLM_LOCAL_H

#include "loop/loop.h"

#define LOCAL_SERVERS_MAX 16u               /* further ones are not asked */
#define LOCAL_BODY_MAX ((size_t)256 * 1024) /* a longer list is no list */
#define LOCAL_SECS 3                        /* for all that are asked, at once */
#define LOCAL_MODEL_MAX 96u                 /* bytes of a name that is taken, as of an answer's */

struct local_server {
    const char *id;       /* the provider's, as in "ollama/llama3.2" */
    const char *base_url; /* without /v1 */
};

struct local;

/* Asks all of them at once; fn(arg, model) is called once, from a later turn, with "id/name" of the
 * first in order that has one, NULL when none has. `servers` is copied. */
typedef void local_fn(void *arg, const char *model);
struct local *local_look(struct loop *l, const struct local_server *servers, size_t n, local_fn *fn,
                         void *arg);
/* No call comes after it; fine within fn, and needed after it. NULL is fine; sets NULL. */
void local_free(struct local **look);

#endif
