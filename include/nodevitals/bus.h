/*
 * bus.h - method calls on the D-Bus system bus.
 *
 * The agent keeps a connection per destination and gives each call what is left of the pass as its deadline.
 * A collector that uses the bus is NV_MAY_BLOCK.
 */
#ifndef NODEVITALS_BUS_H
#define NODEVITALS_BUS_H

#include <nodevitals/collector.h>

/* Destination for systemd's private socket, /run/systemd/private, which has no bus daemon. */
#define NV_BUS_SYSTEMD_PRIVATE "systemd-private"

/* Calls a method. Returns 0 and *ret, which the caller gives to nv_bus_unref(); or a negative errno. */
static inline int nv_bus_call(struct nv_pass *pass, const struct nv_bus_call *call,
                              struct nv_bus_reply **ret)
{
    return pass->host->bus_call(pass, call, ret);
}

/* Reads basic types, as sd_bus_message_read() has them: "so" into const char **. Returns 1, 0 at the
 * end of an array, or a negative errno. Texts live as long as the reply. */
static inline int nv_bus_read(struct nv_pass *pass, struct nv_bus_reply *reply, const char *types,
                              ...)
{
    va_list results;

    va_start(results, types);
    int r = pass->host->bus_read(reply, types, results);
    va_end(results);
    return r;
}

/* Enters 'a'rray, 'r' (struct), 'v'ariant or 'e' (dict entry). Returns 1, 0 at the end, or negative. */
static inline int nv_bus_enter(struct nv_pass *pass, struct nv_bus_reply *reply, char type,
                               const char *contents)
{
    return pass->host->bus_enter(reply, type, contents);
}

static inline int nv_bus_exit(struct nv_pass *pass, struct nv_bus_reply *reply)
{
    return pass->host->bus_exit(reply);
}

/* Skips complete types; NULL skips one, whatever it is. */
static inline int nv_bus_skip(struct nv_pass *pass, struct nv_bus_reply *reply, const char *types)
{
    return pass->host->bus_skip(reply, types);
}

static inline void nv_bus_unref(struct nv_pass *pass, struct nv_bus_reply *reply)
{
    pass->host->bus_unref(reply);
}

#endif
