/* load: the real engine with so many workers, each with a stream of a bench server, and the bare
 * reader with as many of another one. The servers and this program are on the driver's core, engine
 * and reader on the subject's. */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "tests/bench/usage.h"
#include "tests/lib/run.h"
#include "tests/lib/tmphome.h"

/* The groups of the reader's streams and of the client in node; all others are the engine's. */
#define LOAD_BARE "bare"
#define LOAD_NODE "node"

struct load_server {
    struct run *run;
    int port;
};

struct load {
    struct load_server provider, bare;
    struct tmphome *home;
    struct run *daemon; /* NULL: something else started the engine */
    pid_t engine;
    struct run *reader; /* NULL: none yet */
    struct run *node;   /* NULL: none */
    int channels;       /* that have been asked for workers so far */
};

/* What a group has sent, and how the server kept up. */
struct load_count {
    size_t streams;
    uint64_t events, skipped;
    int64_t late_us;
};

/* The servers, and a home whose provider one of them is, with limits high enough for all. */
void load_begin(struct load *l);
void load_end(struct load *l);
/* An engine without a screen on the subject's core. */
bool load_engine(struct load *l, struct cause *why);
/* The engine that runs in the home. */
bool load_find_engine(struct load *l, struct cause *why);
/* Tells as many channels as are needed to start workers whose streams belong to the group and which
 * have written `bytes` before; waits until all streams are open. */
bool load_workers(struct load *l, const char *group, int workers, int bytes, struct cause *why);
/* A bare reader of so many streams. */
bool load_reader(struct load *l, int streams, struct cause *why);
/* The same by HTTP/2 without TLS, so many a connection, from a proxy's port before `bare`. */
bool load_reader_http2(struct load *l, int port, int streams, int each, struct cause *why);
/* A client in node with so many streams (control_node.js). */
bool load_node(struct load *l, int streams, struct cause *why);

/* All streams of the group together: events a second. */
void load_pace(struct load *l, const char *group, double per_second);
void load_finish(struct load *l, const char *group);
struct load_count load_count(struct load *l, const char *group);
/* Lets the group run for so long at this pace (with a moment before to get into it) and takes what
 * the process used meanwhile. */
bool load_measure(struct load *l, const char *group, double per_second, int ms, pid_t pid,
                  struct usage *used, struct load_count *sent, struct cause *why);

/* `status --json` of the engine; the caller deletes. NULL: none runs. */
cJSON *load_status(struct load *l);
/* Waits until the engine has no workers any more. */
bool load_settled(struct load *l, struct cause *why);

/* The figures of the turns of the engine that runs in `home`, in every bench that has one: their
 * names begin with `name`, their texts end with `during`. */
void load_turns(struct tmphome *home, const char *name, const char *during);

#endif
