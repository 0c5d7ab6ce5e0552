/* home: where everything of one spacebot lives. */
#ifndef CONF_HOME_H
#define CONF_HOME_H

#include "base/status.h"

struct home {
    char *dir;       /* $SPACEBOT_DIR, else ~/.spacebot; absolute, canonical */
    char *config;    /* dir/spacebot.conf */
    char *db;        /* dir/spacebot.db */
    char *lock;      /* dir/lock */
    char *workspace; /* dir/workspace */
    char *log;       /* dir/log/spacebot.log */
    char *models;    /* dir/models.json: what providers said they offer */
    char *run;       /* $XDG_RUNTIME_DIR/spacebot/<hash of dir>, else dir/run; 0700 */
    char *socket;    /* run/ctl; checked against sun_path's 108 bytes */
    char *token;     /* dir/token: 0600, 64 hex digits, made anew by each engine */
};

/* Creates what is missing (0700); refuses directories that others may write. */
enum status home_open(struct home **out, struct cause *why) MUST_CHECK;
void home_free(struct home **h);

#endif
