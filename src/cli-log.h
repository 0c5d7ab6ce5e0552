/* cli-log: prints the entries of a journal, each once, in order. */
#ifndef CLI_LOG_H
#define CLI_LOG_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

struct cli_log;
/* live: what a running tool writes is printed as it comes. */
struct cli_log *cli_log_new(bool json, bool live);
void cli_log_free(struct cli_log **log);
/* The first entry that has not been printed whole. */
int64_t cli_log_from(const struct cli_log *log);
/* An array of entries as `log` replies, from cli_log_from() on. */
void cli_log_entries(struct cli_log *log, const cJSON *entries);
void cli_log_entry(struct cli_log *log, const cJSON *entry);

#endif
