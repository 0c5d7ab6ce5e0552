/* mime: what kind of content bytes are, told by the bytes alone: names lie. */
#ifndef BASE_MIME_H
#define BASE_MIME_H

#include <stdbool.h>
#include <stddef.h>

/* Of the first bytes of a file (8 KB are enough): a constant. What is UTF-8 without control
 * characters is text/plain, what is nothing known application/octet-stream. */
const char *mime_of(const char *s, size_t n);
bool mime_is_text(const char *mime);

#endif
