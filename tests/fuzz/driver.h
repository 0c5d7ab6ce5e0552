/* driver: runs a fuzz target without a fuzzer, as a test: every file of its corpus, and a fixed
 * number of mutations of each. With libFuzzer (clang -fsanitize=fuzzer,address -DWITH_LIBFUZZER) it
 * is left out. */
#ifndef FUZZ_DRIVER_H
#define FUZZ_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Ends the program, saying what is wrong, unless `good`. */
void fuzz_must(bool good, const char *what);
/* The corpus is tests/fuzz/corpus/<name>; files named on the command line replace it. `steering`:
 * pieces that mutations put in. */
int fuzz_main(int argc, char **argv, const char *name, const char *const *steering,
              size_t nsteering);

#endif
