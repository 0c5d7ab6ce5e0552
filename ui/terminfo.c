/* terminfo: a file of its own, since <term.h> takes many common names (and struct term). */
#include "ui/terminfo.h"

#include <curses.h>
#include <errno.h>
#include <fcntl.h>
#include <term.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/str.h"

enum status terminfo_check(const char *term, struct cause *why) {
    if (str_empty(term))
        return cause_set(why, STATUS_INVALID, "TERM is not set: what kind of terminal is this?");
    int null = open("/dev/null", O_RDWR | O_CLOEXEC), err = 0;
    if (null < 0)
        return cause_errno(why, STATUS_IO, errno, "/dev/null");
    TERMINAL *before = cur_term; /* a screen may be using it */
    bool known = setupterm(term, null, &err) == OK, able = false;
    if (known) {
        able = cursor_address && clear_screen;
        TERMINAL *own = set_curterm(before);
        if (own != before)
            del_curterm(own);
    }
    close(null);
    if (able)
        return STATUS_OK;
    if (known)
        return cause_set(why, STATUS_INVALID, "a terminal of type \"%s\" cannot place its cursor",
                         term);
    return cause_set(why, STATUS_INVALID, "the terminal type \"%s\" is not known here (TERM)",
                     term);
}

void terminfo_scroll_all(int rows, struct buf *out) {
    char *bytes = change_scroll_region ? tiparm(change_scroll_region, 0, rows - 1) : NULL;
    if (bytes)
        buf_puts(out, bytes);
}
