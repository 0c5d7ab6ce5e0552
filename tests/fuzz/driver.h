/* driver: runs a fuzz target without a fuzzer, as a test: every file of its corpus, and a fixed
 * number of mutations of each. In a build for libFuzzer (configure --enable-fuzzer) the fuzzer does
 * that, and of this fuzz_must() alone is used. */
#ifndef FUZZ_DRIVER_H
#define FUZZ_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Ends the program, saying what is wrong, unless `good`. */
void fuzz_must(bool good, const char *what);
/* Runs tests/fuzz/corpus/<name>, or the files named on the command line; mutations put in pieces of
 * tests/fuzz/dict/<name>. */
int fuzz_main(int argc, char **argv, const char *name);

#ifdef WITH_LIBFUZZER
#define FUZZ_MAIN(name)
#else
#define FUZZ_MAIN(name)                                                                            \
    int main(int argc, char **argv) { return fuzz_main(argc, argv, name); }
#endif

#endif
