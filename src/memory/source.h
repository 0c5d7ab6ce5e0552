/* source: files that people bring, read as the lines of an import (transfer.h), one after the
 * other, whatever their size. What a file is, its beginning tells:
 *
 *   our own export                               {"kind":"memory",…}
 *   the reference MCP memory server's JSONL      {"type":"entity",…}, {"type":"relation",…}
 *   Markdown (a file *.md, or a folder of them)  a memory for each list item and each section's
 * text
 *
 * Nothing is written here, and the ids that it gives are made of what is said: the same file gives
 * the same ones each time. */
#ifndef MEMORY_SOURCE_H
#define MEMORY_SOURCE_H

#include <cjson/cJSON.h>

#include "base/status.h"

#define MEMORY_SOURCE_LINE_MAX                                                                     \
    (1024u * 1024u) /* bytes of a line, of a Markdown file 16 times that */

struct memory_source;
/* "-": standard input. */
enum status memory_source_open(const char *path, struct memory_source **out,
                               struct cause *why) MUST_CHECK;
/* OK: *item is the caller's; its member "where" says where it stands ("FILE:LINE"). INVALID: what
 * stands there is none, `why` tells where and why; go on. NOT_FOUND: that was all. IO: it cannot be
 * read further. */
enum status memory_source_next(struct memory_source *s, cJSON **item, struct cause *why) MUST_CHECK;
void memory_source_close(struct memory_source **s);

#endif
