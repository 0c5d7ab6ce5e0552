/* transfer: memories as JSON lines, out and in again without a difference. A line of an export is
 *
 *   {"kind":"memory","id":S,"type":S,"content":S,"importance":N,"source":S|null,"channel":S|null,
 *    "person":S|null,"created_at":T,"updated_at":T,"accessed_at":T,"access_count":N,
 *    "forgotten_at":T|null,"superseded_by":S|null}
 *   {"kind":"edge","source":S,"target":S,"relation":S,"weight":N,"created_at":T}
 *
 * all memories first, each in the order in which they came; the forgotten ones too. The history
 * stays at home: of what is imported it begins with "imported". */
#ifndef MEMORY_TRANSFER_H
#define MEMORY_TRANSFER_H

#include "memory/memory.h"

/* One object a memory, as above. The caller deletes it. */
cJSON *memory_json(const struct memory *m);

/* Every line in turn; the object is lent. */
typedef bool memory_line_fn(void *arg, const cJSON *line);
enum status memory_export(struct store_read *r, memory_line_fn *fn, void *arg,
                          struct cause *why) MUST_CHECK;

/* Most lines of one operation. */
#define MEMORY_IMPORT_MAX 1000

struct memory_import_result {
    size_t imported, known; /* known: they were there already, and stay as they are */
    cJSON *refused;         /* [{"item":N,"error":S}]: place in the list, from 0 */
    cJSON *aliases;         /* {"ID":"ID"}: what an import calls it, and what it is called here */
};
typedef void memory_import_fn(void *arg, enum status st, const struct memory_import_result *r,
                              const char *why);
/* Brings in an array of lines, in one operation; what is wrong with one is told and does no harm to
 * the others. A memory may lack anything but content; one without an id gets one. `items` is
 * copied. Says the same as one that is there: that one's id is told under aliases. */
enum status memory_import(struct memories *m, const cJSON *items, memory_import_fn *fn, void *arg,
                          struct memory_op **op, struct cause *why) MUST_CHECK;

#endif
