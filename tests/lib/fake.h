/* fake: a fake provider for one test: started with a scenario, read and stopped with it. The
 * scenario's format is in tests/fake/scenario.h. */
#ifndef TESTLIB_FAKE_H
#define TESTLIB_FAKE_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

struct fake;

/* Starts it with the scenario's JSON text and waits for its port; fails the test with its message.
 */
struct fake *fake_start(const char *scenario);
int fake_port(const struct fake *f);
const char *fake_url(const struct fake *f); /* "http://127.0.0.1:PORT", lent */

/* Waits for the nth line (from 1) that begins with `prefix` among those that the fake has said:
 * "request N rule R", "models N PATH", "speech N MODEL FILENAME BYTES SHA256",
 * "held NAME", "silent N", "end N done|cut|aborted". False at the deadline. */
bool fake_wait(struct fake *f, const char *prefix, int nth, int ms);
/* The same with WAIT_MS; fails the test with all lines so far. */
void fake_must(struct fake *f, const char *prefix, int nth, const char *file, int line);
#define fake_expect(f, prefix, nth) fake_must(f, prefix, nth, __FILE__, __LINE__)
/* Opens a gate ("hold") for good. */
void fake_release(struct fake *f, const char *name);

/* The log so far: an array of the objects that tests/fake/report.h describes. The caller deletes.
 */
cJSON *fake_log(const struct fake *f);
/* The requests of it only. */
cJSON *fake_requests(const struct fake *f);
/* Fails the test when a request was refused as malformed or no rule fitted it. */
void fake_assert_clean(const struct fake *f);

/* Ends it; fails the test when it did not end well (its own sanitizer reports included). NULL is
 * fine. */
void fake_stop(struct fake **f);

/* A URL on which nobody listens and nobody can meanwhile: connecting is refused. Close *fd
 * afterwards. */
char *fake_dead_url(int *fd);

#endif
