/*
 * fake_bus.h - a D-Bus daemon and everybody on it, in a thread: answers calls from a function.
 *
 * It listens on a socket in a temporary folder, to which DBUS_SYSTEM_BUS_ADDRESS then points.
 */
#ifndef NV_TEST_FAKE_BUS_H
#define NV_TEST_FAKE_BUS_H

#include <stdbool.h>
#include <systemd/sd-bus.h>

/* What becomes of a call. */
enum nv_fake_answer {
    NV_FAKE_ANSWERED, /* the function replied by itself */
    NV_FAKE_SILENCE,  /* nobody replies */
    NV_FAKE_HANGUP,   /* the connection is closed */
    NV_FAKE_UNKNOWN,  /* the error of an unknown method */
};

/* Runs in a thread of each connection, one call at a time. */
typedef enum nv_fake_answer (*nv_fake_fn)(sd_bus_message *call, void *user);

struct nv_fake_bus;

struct nv_fake_bus *nv_fake_bus_start(nv_fake_fn answer, void *user);

/* From now on new connections are accepted and then left alone. */
void nv_fake_bus_freeze(struct nv_fake_bus *bus);

/* Closes what is connected, and accepts anew. */
void nv_fake_bus_restart(struct nv_fake_bus *bus);

/* Connections accepted so far. */
unsigned nv_fake_bus_connections(struct nv_fake_bus *bus);
void nv_fake_bus_stop(struct nv_fake_bus *bus);

#endif
