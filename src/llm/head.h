/* head: what is wanted of the head of an answer, line by line, and how much of it is looked at.
 * Knows no sockets. */
#ifndef LLM_HEAD_H
#define LLM_HEAD_H

#include <stdbool.h>
#include <stddef.h>

#include "llm/http.h"

/* Of all heads of one answer together, those before the last one and the trailer too: servers have
 * a few kilobytes, and proxies send cookies of some more. */
#define HEAD_BYTES_MAX ((size_t)128 << 10)

/* A status line: what an interim response said before it does not count. */
bool head_is_status(const char *line, size_t n);
void head_begin(struct http_head *h, long status);
/* Takes a line, with or without its end; *bytes: of all lines so far. COMPLETE, else how the answer
 * ends here, and `why` says it. */
enum http_end head_line(struct http_head *h, size_t *bytes, const char *line, size_t n, char *why,
                        size_t size);

#endif
