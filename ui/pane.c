/* pane: the table of pane kinds. */
#include "ui/pane.h"

#include <stddef.h>

#define X(name, variable) extern const struct pane_ops pane_##variable;
PANE_TABLE(X)
#undef X

const struct pane_ops *pane_ops(enum pane_kind k) {
    switch (k) {
#define X(name, variable)                                                                          \
    case PANE_##name:                                                                              \
        return &pane_##variable;
        PANE_TABLE(X)
#undef X
    }
    return NULL;
}
