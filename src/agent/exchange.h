/* exchange: what was sent to models and what came back, kept in the store for a while so that a
 * person can look at it. A request is taken over by a copy; taking secrets out of it is a job's
 * work; of what is left only the end that the request before it of the same process had not is
 * written. exchange_read.c puts it together again. */
#ifndef AGENT_EXCHANGE_H
#define AGENT_EXCHANGE_H

#include <cjson/cJSON.h>

#include "llm/client.h"
#include "store/store.h"

struct agent;

/* A request longer than this is not kept: handing it to the store would hold the loop's turn up. */
#define EXCHANGE_REQUEST_MAX ((size_t)4 * 1024 * 1024)
/* Bytes that wait for the job; what would be more is not kept. */
#define EXCHANGE_PENDING_MAX ((size_t)32 * 1024 * 1024)
/* Requests kept by what they add to the one before, until one is kept whole again. */
#define EXCHANGE_LINKS_MAX 64

struct exchanges;
/* NULL when the configuration keeps none. */
struct exchanges *exchanges_new(struct agent *a);
/* What has come so far is written, at the latest with the job pool's end. NULL is fine; sets NULL.
 */
void exchanges_free(struct exchanges **e);
/* For a request of a process (llm_request.tapped is a struct process). NULL for NULL. */
const struct llm_tap *exchanges_tap(const struct exchanges *e);

/* Where a process's last request is kept. */
struct exchange_chain;
void exchange_chain_free(struct exchange_chain **c);

/* --- reading ------------------------------------------------------------------------------------
 */

struct exchange {
    int64_t n;
    char *process_id, *channel, *turn_id; /* turn_id: NULL unless a channel's */
    char *model, *url, *headers;          /* headers: a line each */
    char *request;                        /* NULL: parts of it are not kept any more */
    size_t bytes;                         /* of the request as it was kept */
    char *response;                       /* NULL: none */
    char *fault;                          /* NULL: it was answered, or the answer is awaited */
    int status;
    int64_t started_ms, ended_ms; /* ended 0: it has not */
};

/* The numbers of what is kept of a chain behind a reply (agent/why.h), in order. The caller frees
 * *out. */
struct why;
enum status exchange_find(struct store_read *r, const struct why *w, int64_t **out, size_t *n,
                          struct cause *why) MUST_CHECK;
/* Of one row of it: a turn, a branch, a worker; none for others. */
enum status exchange_find_row(struct store_read *r, const struct why *w, size_t row, int64_t **out,
                              size_t *n, struct cause *why) MUST_CHECK;
/* Why nothing is found, for a person. */
extern const char exchange_none[];
enum status exchange_load(struct store_read *r, int64_t n, struct exchange *out,
                          struct cause *why) MUST_CHECK;
void exchange_free(struct exchange *x);
/* The caller deletes. */
cJSON *exchange_json(const struct exchange *x);
/* JSON with a member a line, each level `step` blanks further in, as received else. `fold`: a
 * string longer than that shows its beginning and how long it is; 0: none. The caller frees. */
char *exchange_pretty(const char *json, int step, size_t fold);

#endif
