/* control_curses: the least that a curses program can do: paints the cells of a file once and then
 * each key where the cursor is. Linked with the libraries of spacebot, so that loading them costs
 * the same; what spacebot does beyond this is its own.
 *
 *   control_curses FILE ROW COL      Ctrl-U empties the row from COL on, Ctrl-C ends
 *   control_curses --version
 */
#include <curses.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CTRL_C 3
#define CTRL_U 21

static void paint(const char *path) {
    char line[8192];
    FILE *in = fopen(path, "re");
    for (int row = 0; in && row < LINES && fgets(line, sizeof(line), in); row++) {
        line[strcspn(line, "\n")] = '\0';
        mvaddstr(row, 0, line);
    }
    if (in)
        fclose(in);
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        puts("control 1");
        return 0;
    }
    if (argc != 4)
        return 2;
    int row = atoi(argv[2]), col = atoi(argv[3]), key;
    setlocale(LC_CTYPE, "C.UTF-8");
    initscr();
    raw();
    noecho();
    paint(argv[1]);
    move(row, col);
    refresh();
    while ((key = getch()) != CTRL_C && key != ERR) {
        if (key == CTRL_U) {
            move(row, col);
            clrtoeol();
        } else {
            addch((chtype)key);
        }
        refresh();
    }
    endwin();
    return 0;
}
