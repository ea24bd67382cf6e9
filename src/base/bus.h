/*
 * bus.h - method calls on the D-Bus system bus over sd-bus: a connection per peer, a deadline for each call.
 *
 *   threads    any; those who ask the same peer take turns
 *   failure    a broken connection is closed and opened anew by the next call
 *   ownership  replies are released before the bus is
 *
 * A connection is opened when first needed. A call with the destination NV_BUS_SYSTEMD_PRIVATE goes to
 * /run/systemd/private instead; that connection is closed with the last reply that came over it.
 */
#ifndef NV_BASE_BUS_H
#define NV_BASE_BUS_H

#include <nodevitals/bus.h>

#include "base/cleanup.h"

struct nv_bus;

struct nv_bus *nv_bus_new(void);
void nv_bus_free(struct nv_bus *bus);
NV_DEFINE_AUTO(nv_bus)

/* Returns 0 and *ret (for nv_bus_reply_unref), or a negative errno; -ETIMEDOUT past timeout_ms.
 * On failure `error` says why: name and message of the peer's D-Bus error where it sent one. */
enum { NV_BUS_ERROR_MAX = 256 };
NV_MUST_USE int nv_bus_ask(struct nv_bus *bus, const struct nv_bus_call *call, int64_t timeout_ms,
                           struct nv_bus_reply **ret, char error[NV_BUS_ERROR_MAX]);
int nv_bus_reply_read(struct nv_bus_reply *reply, const char *types, va_list results);
int nv_bus_reply_enter(struct nv_bus_reply *reply, char type, const char *contents);
int nv_bus_reply_exit(struct nv_bus_reply *reply);
int nv_bus_reply_skip(struct nv_bus_reply *reply, const char *types);
void nv_bus_reply_unref(struct nv_bus_reply *reply);

#endif
