/* list: an intrusive doubly linked list with a sentinel head. */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *prev, *next;
};

static inline void list_init(struct list *l) { l->prev = l->next = l; }
static inline bool list_empty(const struct list *l) { return l->next == l; }
static inline void list_insert_after(struct list *at, struct list *item) {
    item->prev = at;
    item->next = at->next;
    at->next->prev = item;
    at->next = item;
}
static inline void list_push_back(struct list *head, struct list *item) {
    list_insert_after(head->prev, item);
}
static inline void list_push_front(struct list *head, struct list *item) {
    list_insert_after(head, item);
}
/* Also safe on an item that was list_init()ed and is in no list. */
static inline void list_remove(struct list *item) {
    item->prev->next = item->next;
    item->next->prev = item->prev;
    list_init(item);
}

#define list_entry(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))
#define list_for(head, it) for (struct list *it = (head)->next; it != (head); it = it->next)
#define list_for_safe(head, it, tmp)                                                               \
    for (struct list *it = (head)->next, *tmp = it->next; it != (head); it = tmp, tmp = it->next)

#endif
