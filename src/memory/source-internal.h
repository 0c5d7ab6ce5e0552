/* source-internal: what the readers of a source share. Nobody else includes it. */
#ifndef MEMORY_SOURCE_INTERNAL_H
#define MEMORY_SOURCE_INTERNAL_H

#include <stdio.h>

#include "base/buf.h"
#include "base/id.h"
#include "base/str.h"
#include "memory/memory.h"
#include "memory/source.h"

struct memory_source {
    char *name; /* of the file that is read, as it was given */
    FILE *file; /* JSON lines; NULL: Markdown */
    char *line; /* getline()'s */
    size_t room;
    long at;           /* lines read */
    struct strv files; /* Markdown: those that are still to be read, the first one last */
    char *root;        /* the folder that they are in, or NULL */
    cJSON *items;      /* read and not given yet */
};

/* Adds an item; more members are the caller's to add. person may be NULL. */
cJSON *source_item(struct memory_source *s, long line, const char *id, enum memory_type type,
                   const char *content, const char *person, const char *from);
void source_edge(struct memory_source *s, long line, const char *source, const char *target,
                 const char *relation, double weight);
/* An id made of a text. */
void source_id(const char *what, const char *text, char id[ID_UUID_SIZE]);

/* source_markdown.c: adds the items of one file. `name` as people know it. */
void source_markdown(struct memory_source *s, const char *name, const char *text, int64_t at_ms);

#endif
