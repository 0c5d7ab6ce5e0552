/* sha256: SHA-256 (FIPS 180-4), for naming content by what it is. Not for passwords. */
#ifndef BASE_SHA256_H
#define BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_HEX_SIZE 65 /* of the text, its NUL included */

struct sha256 {
    uint32_t state[8];
    uint64_t bytes;
    unsigned char block[64]; /* bytes % 64 of them are filled */
};

void sha256_init(struct sha256 *h);
void sha256_add(struct sha256 *h, const void *data, size_t n);
/* As 64 lower-case hex digits; h is used up. */
void sha256_hex(struct sha256 *h, char out[SHA256_HEX_SIZE]);
/* All of it at once. */
void sha256_of(const void *data, size_t n, char out[SHA256_HEX_SIZE]);

#endif
