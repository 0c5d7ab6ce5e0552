/* utf8: validity, cutting, and making hostile text harmless. Widths belong to ui/. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* Decodes one scalar value at s[0..n). Returns its length 1..4 and the value; 0 when the bytes so
 * far are a valid beginning that needs more; -1 when they are invalid (skip one byte). Overlong
 * forms, surrogates and values past U+10FFFF are invalid. */
int utf8_decode(const char *s, size_t n, uint32_t *out);

/* Writes `cp` as UTF-8 into out[4]; returns the length (0 for a value that has none). */
size_t utf8_encode(uint32_t cp, char out[4]);

bool utf8_valid(const char *s, size_t n);

/* The longest length <= max that does not cut a character of s[0..n). */
size_t utf8_cut(const char *s, size_t n, size_t max);

/* Appends s[0..n) with each invalid byte replaced by U+FFFD. */
void utf8_append_valid(struct buf *out, const char *s, size_t n);

/* Appends s[0..n) made safe for a terminal and for people: invalid bytes become U+FFFD; C0 and C1
 * controls except \n and \t become visible (^X for C0 and DEL, <U+0085> form for C1); bidirectional
 * controls, zero-width and other invisible format characters (but ZWJ, ZWNJ and variation
 * selectors) become <U+202E> form. \r\n becomes \n; a lone \r becomes ^M. */
void utf8_append_visible(struct buf *out, const char *s, size_t n);

#endif
