/*
 * top_terminal.h - the terminal, which is as it was however top ends or stops.
 *
 *   ended by     q and SIGINT, SIGTERM, SIGHUP, SIGQUIT: told to the loop, which closes. A second signal does not wait for it
 *   killed by    a crash and other signals that nobody handles: a handler restores the terminal, then the signal does what it did
 *   stopped by   ^Z: restored before, taken again after `fg`; in the background nothing is written and a signal still ends it
 *   threads      one draws; each that runs code of ours is guarded
 */
#ifndef NV_CLI_TOP_TERMINAL_H
#define NV_CLI_TOP_TERMINAL_H

#include "base/terminal.h"

/* Takes the terminal. Returns 0, or an exit status when that failed and was told. */
int nv_top_terminal_open(WINDOW **ret);
void nv_top_terminal_close(void);

/* Lets a crash of this thread, also one for lack of stack, restore the terminal. */
void nv_top_terminal_guard(void);

/* Whether a signal wants it to end. */
bool nv_top_terminal_ended(void);

/* Stops where ^Z was pressed. Returns whether the whole screen has to be shown anew. */
bool nv_top_terminal_stopped(void);

/* Shows what was drawn. */
void nv_top_terminal_show(WINDOW *window);

#endif
