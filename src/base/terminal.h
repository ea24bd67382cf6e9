/*
 * terminal.h - curses.h as functions alone, which libncursesw.c loads the library for. Its variables (stdscr, LINES ...) are
 * not there.
 */
#ifndef NV_BASE_TERMINAL_H
#define NV_BASE_TERMINAL_H

#include <stdbool.h>

#define NCURSES_NOMACROS 1
#define NCURSES_WIDECHAR 1
#include <curses.h>

/* Whether there is such a library; loads it. */
bool nv_terminal_has_library(void);

#endif
