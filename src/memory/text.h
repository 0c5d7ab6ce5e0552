/* text: what two memories have in common, by their words. Nothing here reads or writes any. */
#ifndef MEMORY_TEXT_H
#define MEMORY_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/sha256.h"
#include "memory/memory.h"

/* Appends s without white space at its ends and with one blank (or, where there was one, one
 * newline) for each run of it. */
void memory_text_even(struct buf *out, const char *s);
/* By what two memories are the same: content and person with white space evened; of type human the
 * person alone. */
void memory_text_hash(enum memory_type type, const char *person, const char *content,
                      char out[SHA256_HEX_SIZE]);
/* Whether `whole` says what `part` says, word for word and white space apart. */
bool memory_text_contains(const char *whole, const char *part);

#endif
