/* cli-memory: what the files of the verb share. */
#ifndef CLI_MEMORY_H
#define CLI_MEMORY_H

#include "cli.h"
#include "store/store.h"

/* Changes: over the engine's socket where one runs, else with the home's lock and a writer of our
 * own. */
struct cli_memory;
int cli_memory_open(struct cli *c, struct cli_memory **out);
/* memory/command.h; *body is the caller's. CLI_OK, or said already. */
int cli_memory_ask(struct cli_memory *m, const cJSON *args, cJSON **body);
void cli_memory_close(struct cli_memory **m);

/* The store, for reading. STATUS_NOT_FOUND: there is none yet, which is no error. */
enum status cli_memory_read(struct cli *c, struct store_read **out, int *rc);

/* The first line of a text, cut, made harmless. */
struct buf;
void cli_memory_line(struct buf *out, const char *text);

int cli_memory_list(struct cli *c);
int cli_memory_show(struct cli *c);
int cli_memory_history(struct cli *c);
int cli_memory_stats(struct cli *c);
int cli_memory_recall(struct cli *c);
int cli_memory_export(struct cli *c);
int cli_memory_import(struct cli *c);

#endif
