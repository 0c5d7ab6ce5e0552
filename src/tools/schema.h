/* schema: the part of JSON Schema that tool arguments use. type (also a list), properties,
 * required, additionalProperties: false, enum, const, minLength, maxLength, minimum, maximum,
 * minItems, maxItems, items; numbers given as numeric strings are accepted where a number or
 * integer is asked for and are converted in place. */
#ifndef TOOLS_SCHEMA_H
#define TOOLS_SCHEMA_H

#include <cjson/cJSON.h>

#include "base/status.h"

/* The cause names the place ("options[2].label") and what was expected. A keyword it does not know
 * is a programming error: STATUS_CONFIG. */
enum status schema_check(const cJSON *schema, cJSON *value, struct cause *why) MUST_CHECK;

#endif
