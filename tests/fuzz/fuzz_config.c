/* fuzz_config: any bytes at all as spacebot.conf. It is refused with a place, or what is shown of
 * it loads again and means the same. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"
#include "conf/config.h"
#include "tests/fuzz/driver.h"

static char *path; /* of a file in memory */
static int fd = -1;

static void put(const void *data, size_t n) {
    if (fd < 0) {
        fd = memfd_create("conf", MFD_CLOEXEC);
        path = xasprintf("/proc/self/fd/%d", fd);
        unsetenv("ANTHROPIC_API_KEY");
        unsetenv("ANTHROPIC_BASE_URL");
    }
    fuzz_must(ftruncate(fd, 0) == 0 && (n == 0 || pwrite(fd, data, n, 0) == (ssize_t)n), "memfd");
}

/* What is shown of a text, NULL when it is refused. The caller frees. */
static char *shown(const void *data, size_t n) {
    struct config *c = NULL;
    struct cause why = {""};
    put(data, n);
    if (config_load(path, &c, &why) != STATUS_OK) {
        fuzz_must(c == NULL, "refused, and yet there is something");
        fuzz_must(str_prefix(why.text, path) && why.text[strlen(path)] == ':', "no place is named");
        fuzz_must(utf8_valid(why.text, strlen(why.text)), "a cause that is not UTF-8");
        return NULL;
    }
    fuzz_must(c->limits.workers >= 1 && c->limits.workers <= 10000, "out of its range");
    char *text = config_show(c);
    config_free(&c);
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    char *first = shown(data, n);
    if (!first)
        return 0;
    char *second = shown(first, strlen(first));
    fuzz_must(second != NULL, "what is shown does not load");
    char *third = shown(second, strlen(second));
    fuzz_must(str_eq(second, third), "what is shown changes");
    free(first);
    free(second);
    free(third);
    return 0;
}

FUZZ_MAIN("config")
