/* encode: texts as others write them: base64, hex, and as addresses have them. */
#ifndef TESTS_ENCODE_H
#define TESTS_ENCODE_H

#include <stddef.h>

/* 0: base64, 1: base64 for addresses, 2 and 3: hex in small and capital letters, 4: every byte in
 * percent. */
#define ENCODE_KINDS 5
/* The caller frees. */
char *encode(int kind, const char *s, size_t n);

#endif
