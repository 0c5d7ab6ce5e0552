/* jsonl: see jsonl.h. */
#include "tests/lib/jsonl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"

cJSON *jsonl_parse(const char *text) {
    cJSON *all = json_new_arr();
    while (*text) {
        const char *nl = strchr(text, '\n');
        size_t n = nl ? (size_t)(nl - text) : strlen(text);
        struct cause why = {{0}};
        cJSON *item = NULL;
        if (!nl || json_parse(text, n, &item, &why) != STATUS_OK || !cJSON_IsObject(item)) {
            fprintf(stderr, "not a line of JSON (%s): %.*s\n", nl ? why.text : "no newline", (int)n,
                    text);
            cJSON_Delete(item);
            cJSON_Delete(all);
            fail();
        }
        cJSON_AddItemToArray(all, item);
        text = nl + 1;
    }
    return all;
}

int jsonl_index(const cJSON *lines, const char *type, int nth) {
    int i = 0;
    const cJSON *it;
    cJSON_ArrayForEach(it, lines) {
        if (strcmp(json_str(it, "type", ""), type) == 0 && nth-- == 0)
            return i;
        i++;
    }
    return -1;
}

int jsonl_count(const cJSON *lines, const char *type) {
    int n = 0;
    while (jsonl_index(lines, type, n) >= 0)
        n++;
    return n;
}

const cJSON *jsonl_nth(const cJSON *lines, const char *type, int nth) {
    int i = jsonl_index(lines, type, nth);
    return i < 0 ? NULL : cJSON_GetArrayItem(lines, i);
}

const cJSON *jsonl_must(const cJSON *lines, const char *type, int nth) {
    const cJSON *found = jsonl_nth(lines, type, nth), *it;
    if (found)
        return found;
    fprintf(stderr, "no \"%s\" (%d) among:\n", type, nth);
    cJSON_ArrayForEach(it, lines) {
        char *text = cJSON_PrintUnformatted(it);
        fprintf(stderr, "  %.300s\n", text);
        cJSON_free(text);
    }
    fail();
    return NULL;
}
