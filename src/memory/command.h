/* command: changes of memories as people ask for them, in JSON: the same with an engine (over its
 * socket, from its screen) and without one. Reading needs none of this. */
#ifndef MEMORY_COMMAND_H
#define MEMORY_COMMAND_H

#include "memory/memory.h"

/* clang-format off */
/* X(NAME, "name"). Ids may be unique prefixes. All but import reply {"id":S|null,"changed":N,"operation":S|null}
 * and what is named here besides.
 *  add      {content, type?, importance?, person?, channel?, source?, supersedes?}
 *                                    -> "type":S, "existed":B, "restored":B
 *  edit     {memory_id, content?, type?, importance?, person?, reason?}
 *  forget   {memory_id, reason?, superseded_by?}
 *  restore  {memory_id}
 *  link     {source, target, relation?, weight?, cut?}
 *  merge    {batch:[{survivor_id, absorbed_id, merged_content?}]}
 *  undo     {memory_id?, operation?, force?}  the newest change that holds; of one memory; or that one
 *  repair   {}                         indexes and counts are made anew
 *  import   {items:[…]}                -> {"imported":N,"known":N,"refused":[…],"aliases":{…}}
 *                                       (transfer.h) */
#define MEMORY_COMMAND_TABLE(X)                                                                    \
    X(ADD, "add")                                                                                  \
    X(EDIT, "edit")                                                                                \
    X(FORGET, "forget")                                                                            \
    X(RESTORE, "restore")                                                                          \
    X(LINK, "link")                                                                                \
    X(MERGE, "merge")                                                                              \
    X(REPAIR, "repair")                                                                            \
    X(UNDO, "undo")                                                                                \
    X(IMPORT, "import")
/* clang-format on */
enum memory_command {
#define X(name, text) MEMORY_COMMAND_##name,
    MEMORY_COMMAND_TABLE(X)
#undef X
};

struct memory_command_call;
/* Once, from a later stage or turn of the loop. The body is taken; NULL unless OK. */
typedef void memory_command_fn(void *arg, enum status st, cJSON *body, const char *why);
/* args.op names the command; they are lent. *out: until fn was called. Not OK: fn is not called. */
enum status memory_command(struct memories *m, const cJSON *args, memory_command_fn *fn, void *arg,
                           struct memory_command_call **out, struct cause *why) MUST_CHECK;
/* No reply is wanted any more. NULL is fine; sets NULL. */
void memory_command_forget(struct memory_command_call **c);

#endif
