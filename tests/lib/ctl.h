/* ctl: a control server in front of a real agent, and clients of it, for tests. One thread plays
 * both sides on an inline loop, so that its timers cost no time. The models are scripted
 * (script_llm.h). */
#ifndef TESTLIB_CTL_H
#define TESTLIB_CTL_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/agent.h"
#include "base/clock.h"
#include "ctl/proto.h"
#include "ctl/server.h"

#define TURNS_MAX 20000 /* until something must have happened */

struct ctl_fixture {
    char dir[64];
    struct home *home;
    struct config *config;
    struct loop *loop;
    struct job_pool *jobs;
    struct store *store;
    struct trace *trace;
    struct llm *llm;
    struct sandbox *sandbox;
    struct agent *agent;
    struct ctl_server *server;
    struct ctl_screen_ops ops;
    char token[PROTO_TOKEN_LEN + 1];
    bool stopped;
    /* What the screen was told. */
    struct ctl_client *screen;
    int tty, attached, detached, resized, resumed, cols, rows;
    bool hand_back;
};

struct peer {
    int fd;
    struct proto_reader in;
    int64_t next;
};

/* For cmocka: *state is a struct ctl_fixture *. */
int fixture_setup(void **state);
int fixture_setup_daemon(void **state);
int fixture_teardown(void **state);
void fixture_start_server(struct ctl_fixture *f, bool daemon);
/* One turn without waiting; n of them; until nothing runs. */
void fixture_turn(struct ctl_fixture *f);
void fixture_turns(struct ctl_fixture *f, int n);
void fixture_settle(struct ctl_fixture *f);
/* A terminal's inner end; the caller closes both. */
int fixture_open_pty(int *master);

int peer_dial(const struct ctl_fixture *f);
struct peer *peer_new(struct ctl_fixture *f);
struct peer *peer_greeted(struct ctl_fixture *f); /* has said hello */
void peer_free(struct peer **p);
void peer_say(struct ctl_fixture *f, struct peer *p, const char *text);
/* The next line, NULL at the end of the connection. The caller deletes. */
cJSON *peer_hear(struct ctl_fixture *f, struct peer *p);
/* Sends a request; returns the reply to it, skipping lines of other kinds. */
cJSON *peer_ask(struct ctl_fixture *f, struct peer *p, const char *cmd, const char *args);
void peer_expect_ok(struct ctl_fixture *f, struct peer *p, const char *cmd, const char *args);
void peer_expect_refused(struct ctl_fixture *f, struct peer *p, const char *cmd, const char *args,
                         const char *status);
/* The server says why, and hangs up. */
void peer_expect_ended(struct ctl_fixture *f, struct peer *p, const char *part);

#endif
