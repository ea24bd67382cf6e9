/*
 * notify.h - the agent's end of systemd's NOTIFY_SOCKET.
 *
 * The protocol is a datagram of KEY=VALUE lines, and stable by sd_notify(3)'s own promise. It is spoken here, since
 * libsystemd would cost 1 MB of memory for it.
 */
#ifndef NV_AGENT_NOTIFY_H
#define NV_AGENT_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

enum { NV_NOTIFY_MAX = 2048 };

/* Tells the manager. Returns 1, 0 where there is none to tell, or a negative errno. */
__attribute__((format(printf, 1, 2))) int nv_notify(const char *format, ...);

/* Whether the manager wants to hear WATCHDOG=1 from this process, and within how long. */
bool nv_notify_watchdog(uint64_t *ret_usec);

#endif
