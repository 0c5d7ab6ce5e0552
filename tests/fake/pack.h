/* pack: gzip (RFC 1951, 1952) as a server could come to send it: bodies that are packed and not a
 * byte smaller, and a gigabyte of one character as small as it gets. */
#ifndef FAKE_PACK_H
#define FAKE_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct pack {
    uint32_t crc;
    uint32_t n; /* bytes so far, as its last field has them */
};

void pack_begin(struct pack *k, struct buf *out);
void pack_add(struct pack *k, struct buf *out, const char *data, size_t n);
void pack_end(struct pack *k, struct buf *out);

/* Begins with begin(); each more() is 65,533 bytes that become 10,404,624. It has no end. */
#define PACK_BOMB_REPEAT 104 /* of more(): over a gigabyte */
void pack_bomb_begin(struct buf *out, char c);
void pack_bomb_more(struct buf *out, char c);

#endif
