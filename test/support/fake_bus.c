#include "support/fake_bus.h"

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "support/fixture.h"

enum { CONNECTIONS_MAX = 64 };

struct connection {
    struct nv_fake_bus *bus;
    pthread_t thread;
    int fd;    /* the server's end, ours until sd-bus has it */
    int alive; /* a second descriptor of it, to shut it down from outside */
    bool frozen;
};

struct nv_fake_bus {
    nv_fake_fn answer;
    void *user;
    int listener;
    pthread_t thread;
    atomic_bool frozen, stopping;
    atomic_uint n;
    pthread_mutex_t lock;
    struct connection connections[CONNECTIONS_MAX];
};

static int on_message(sd_bus_message *call, void *user, sd_bus_error *error)
{
    struct connection *connection = user;
    enum nv_fake_answer answer;

    (void)error;
    if (!sd_bus_message_is_method_call(call, NULL, NULL))
        return 1;
    if (sd_bus_message_is_method_call(call, "org.freedesktop.DBus", "Hello"))
        return sd_bus_reply_method_return(call, "s", ":1.7") < 0 ? -EIO : 1;
    answer = connection->bus->answer(call, connection->bus->user);
    if (answer == NV_FAKE_UNKNOWN)
        sd_bus_reply_method_errorf(call, "org.freedesktop.DBus.Error.UnknownMethod", "no %s here",
                                   sd_bus_message_get_member(call));
    if (answer == NV_FAKE_HANGUP)
        shutdown(connection->alive, SHUT_RDWR);
    return 1;
}

static void *serve(void *user)
{
    struct connection *connection = user;
    sd_bus *bus = NULL;
    sd_id128_t id;
    int r = 1;

    if (connection->frozen)
        return NULL; /* whoever connected waits for the handshake until the socket is shut down */
    sd_id128_randomize(&id);
    ck_assert_int_ge(sd_bus_new(&bus), 0);
    ck_assert_int_ge(sd_bus_set_fd(bus, connection->fd, connection->fd), 0);
    ck_assert_int_ge(sd_bus_set_server(bus, 1, id), 0);
    ck_assert_int_ge(sd_bus_set_anonymous(bus, 1), 0);
    ck_assert_int_ge(sd_bus_add_filter(bus, NULL, on_message, connection), 0);
    ck_assert_int_ge(sd_bus_start(bus), 0);
    while (r >= 0) {
        r = sd_bus_process(bus, NULL);
        if (r == 0)
            r = sd_bus_wait(bus, UINT64_MAX);
    }
    sd_bus_flush_close_unref(bus);
    return NULL;
}

static void *accept_all(void *user)
{
    struct nv_fake_bus *bus = user;

    for (;;) {
        int fd = accept4(bus->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0)
            return NULL;
        pthread_mutex_lock(&bus->lock);
        unsigned n = bus->n;
        ck_assert_uint_lt(n, CONNECTIONS_MAX);
        struct connection *connection = &bus->connections[n];
        *connection =
            (struct connection){.bus = bus, .fd = fd, .alive = dup(fd), .frozen = bus->frozen};
        pthread_create(&connection->thread, NULL, serve, connection);
        bus->n = n + 1;
        pthread_mutex_unlock(&bus->lock);
    }
}

struct nv_fake_bus *nv_fake_bus_start(nv_fake_fn answer, void *user)
{
    struct nv_fake_bus *bus = calloc(1, sizeof(*bus));
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    static unsigned number;
    char variable[160];

    ck_assert_ptr_nonnull(bus);
    bus->answer = answer;
    bus->user = user;
    pthread_mutex_init(&bus->lock, NULL);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/bus%u", nv_temp_dir(), number++);
    bus->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(bus->listener, (struct sockaddr *)&address, sizeof(address)), 0);
    ck_assert_int_eq(listen(bus->listener, 16), 0);
    pthread_create(&bus->thread, NULL, accept_all, bus);
    snprintf(variable, sizeof(variable), "unix:path=%s", address.sun_path);
    setenv("DBUS_SYSTEM_BUS_ADDRESS", variable, 1);
    return bus;
}

void nv_fake_bus_freeze(struct nv_fake_bus *bus)
{
    bus->frozen = true;
}

void nv_fake_bus_restart(struct nv_fake_bus *bus)
{
    pthread_mutex_lock(&bus->lock);
    for (unsigned i = 0; i < bus->n; i++)
        shutdown(bus->connections[i].alive, SHUT_RDWR);
    pthread_mutex_unlock(&bus->lock);
}

unsigned nv_fake_bus_connections(struct nv_fake_bus *bus)
{
    pthread_mutex_lock(&bus->lock); /* a connection may be served before it is counted */
    unsigned n = bus->n;
    pthread_mutex_unlock(&bus->lock);
    return n;
}

void nv_fake_bus_stop(struct nv_fake_bus *bus)
{
    shutdown(bus->listener, SHUT_RDWR);
    pthread_join(bus->thread, NULL);
    close(bus->listener);
    nv_fake_bus_restart(bus);
    for (unsigned i = 0; i < bus->n; i++) {
        pthread_join(bus->connections[i].thread, NULL);
        close(bus->connections[i].alive);
        if (bus->connections[i].frozen)
            close(bus->connections[i].fd);
    }
    pthread_mutex_destroy(&bus->lock);
    unsetenv("DBUS_SYSTEM_BUS_ADDRESS");
    free(bus);
}
