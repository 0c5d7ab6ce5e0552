/* account: what an answer has told of the tokens it took, worked out from the bytes that were sent
 * of it, as a bill would be: the server's side of the books. It reads the stream back and knows
 * nothing of how it was made, nor of the client's decoders. */
#ifndef FAKE_ACCOUNT_H
#define FAKE_ACCOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a server that stops in the middle has said counts; what it has not said is guessed as the
 * client is told to guess it: a request and a text at four bytes a token, rounded up. */
struct account {
    int64_t input, output;
    bool guess; /* something of it was not told */
    bool whole; /* the stream came to an end or an error: nobody would have read on */
};

/* sent[0..n) of the body of an answer to a request of so many bytes. `waited`: the client hung up
 * before anything came, on a server that had taken the request. */
void account_read(struct account *a, const char *sent, size_t n, size_t request, bool waited);

#endif
