/* door: see door.h. */
#include "llm/door.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/str.h"

struct door {
    struct list link;
    char *host;
    struct list waiting;
    int guests, connecting;
    bool http1;
};

void doors_init(struct doors *d) { list_init(&d->hosts); }

static struct door *door_of(struct doors *d, const char *host) {
    list_for(&d->hosts, it) {
        struct door *door = list_entry(it, struct door, link);
        if (str_eq(door->host, host))
            return door;
    }
    struct door *door = xcalloc(1, sizeof(*door));
    door->host = xstrdup(host);
    list_init(&door->waiting);
    list_push_back(&d->hosts, &door->link);
    return door;
}

void door_enter(struct doors *d, struct door_guest *g, const char *host) {
    g->door = door_of(d, host);
    g->door->guests++;
    g->waiting = true;
    g->connecting = false;
    list_push_back(&g->door->waiting, &g->link);
}

struct door_guest *door_next(struct doors *d) {
    list_for(&d->hosts, it) {
        struct door *door = list_entry(it, struct door, link);
        if (list_empty(&door->waiting) ||
            door->connecting >= (door->http1 ? DOOR_WIDTH_HTTP1 : DOOR_WIDTH))
            continue;
        struct door_guest *g = list_entry(door->waiting.next, struct door_guest, link);
        list_remove(&g->link);
        g->waiting = false;
        g->connecting = true;
        door->connecting++;
        return g;
    }
    return NULL;
}

void door_through(struct door_guest *g) {
    if (!g->door || !g->connecting)
        return;
    g->connecting = false;
    g->door->connecting--;
}

void door_learn(struct door_guest *g, bool http1) {
    if (g->door)
        g->door->http1 = http1;
}

void door_leave(struct door_guest *g) {
    struct door *door = g->door;
    if (!door)
        return;
    door_through(g);
    if (g->waiting)
        list_remove(&g->link);
    g->waiting = false;
    g->door = NULL;
    if (--door->guests)
        return;
    list_remove(&door->link);
    free(door->host);
    free(door);
}
