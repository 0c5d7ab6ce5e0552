/* config-internal: what the files that read spacebot.conf share. config.c walks the file and the
 * table of keys, config_routing.c reads the lists about models. Nobody else includes this. */
#ifndef CONF_CONFIG_INTERNAL_H
#define CONF_CONFIG_INTERNAL_H

#include <libconfig.h>

#include "conf/config_keys.h"

#define CONFIG_LIST_MAX 256

/* Everything a check needs to say where it is. */
struct reading {
    struct config *c;
    struct cause *why;
};

/* STATUS_CONFIG and "FILE:LINE: …". */
enum status config_wrong(const struct reading *r, const config_setting_t *at, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
/* The same for a name that is none of `names`, with the nearest. */
enum status config_unknown(const struct reading *r, const config_setting_t *at, const char *what,
                           const char *prefix, const char *const *names, size_t n);
/* One line of valid UTF-8 without control characters; lent. `label`: what it is called. */
enum status config_get_string(const struct reading *r, const config_setting_t *at,
                              const char *label, const char **out);
/* A group of strings, each of which may be left out; what is read goes into *slots[i]. */
enum status config_read_strings(const struct reading *r, const config_setting_t *g,
                                const char *prefix, const char *const *names, char **const *slots,
                                size_t n);

/* A list of groups: at the top, or in a section. */
struct config_list {
    const char *section; /* NULL: at the top */
    const char *name, *example;
    enum status (*read)(const struct reading *r, const config_setting_t *g);
};
enum status config_read_list(const struct reading *r, const config_setting_t *list,
                             const struct config_list *kind);

/* ---- config_routing.c ---- */

enum status config_read_fallback(const struct reading *r, const config_setting_t *g);
enum status config_read_task(const struct reading *r, const config_setting_t *g);
enum status config_read_price(const struct reading *r, const config_setting_t *g);
void config_free_routing(struct config *c);

#endif
