/* scene: see scene.h. */
#include "tests/lib/scene.h"

#include "base/buf.h"
#include "tests/lib/tmphome.h"

void scene_numbers(struct tmphome *h, int lines) {
    struct buf b = BUF_INIT;
    for (int i = 1; i <= lines; i++)
        buf_printf(&b, "%d\n", i * i);
    tmphome_file(h, "home/workspace/numbers.txt", buf_str(&b));
    buf_free(&b);
}
