/*
 * sigbus.h - reads mapped files that may not hold: a page that the disk does not give, or that is behind the end of a file
 * that was cut, is a signal, which would end the process. Libraries that map files are called within a guard.
 *
 *   threads    any; a guard is its thread's own. Guards may stand within each other
 *   elsewhere  the signal does what it did
 */
#ifndef NV_BASE_SIGBUS_H
#define NV_BASE_SIGBUS_H

/*
 * Calls call(user) and returns its value; `otherwise` where it met such a page and did not return: what it held stays held,
 * so its objects are to be left alone.
 */
int nv_sigbus_guard(int (*call)(void *user), void *user, int otherwise);

#endif
