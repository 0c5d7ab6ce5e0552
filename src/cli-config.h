/* cli-config: what the files of that verb share. */
#ifndef CLI_CONFIG_H
#define CLI_CONFIG_H

#include "cli.h"
#include "conf/config.h"

/* `config show --prompt KIND`. */
int cli_config_prompt(struct cli *c, const struct config *config);

#endif
