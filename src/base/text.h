/* text: a string that does not change any more and that several hold: the history that goes to a
 * model and the journal that people read show the same words. It is used as any C string; only who
 * makes, keeps and drops it has to know. Not for two threads. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stddef.h>

/* A copy of s[0..n), NUL-terminated, held once. */
const char *text_new(const char *s, size_t n);
/* The same of a C string; NULL stays NULL. */
const char *text_of(const char *s);
/* The text with one more holder. NULL is fine. */
const char *text_keep(const char *text);
/* One holder less, who gets NULL; the last one frees it. NULL is fine. */
void text_drop(const char **text);
/* In bytes, without looking for the end. Not of NULL. */
size_t text_len(const char *text);

#endif
