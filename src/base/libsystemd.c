/*
 * libsystemd.c - libsystemd, loaded when something first calls it.
 *
 * The library brings six others and 1 MB of resident memory for what an ordinary agent never asks: a bus for
 * collectors that are off by default, and inherited sockets. So the functions in use are lazy (lazy.h), and the link
 * drops the library (--as-needed). A call that is not in this file still works, and brings the library back in from the start.
 *
 * Where there is no library, calls fail with -ENOPKG.
 */
#include <errno.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-journal.h>

#include "base/lazy.h"

static const char *const names[] = {"libsystemd.so.0", NULL};
static struct nv_lazy library = NV_LAZY(names, NULL);

#define HAND_ON(...) NV_LAZY_FUNCTION(library, __VA_ARGS__)

// clang-format off
HAND_ON(int, sd_listen_fds, (int unset), (unset), -ENOPKG)
HAND_ON(int, sd_is_socket, (int fd, int family, int type, int listening), (fd, family, type, listening), -ENOPKG)

HAND_ON(int, sd_bus_new, (sd_bus **ret), (ret), -ENOPKG)
HAND_ON(int, sd_bus_open_system, (sd_bus **ret), (ret), -ENOPKG)
HAND_ON(int, sd_bus_set_address, (sd_bus *bus, const char *address), (bus, address), -ENOPKG)
HAND_ON(int, sd_bus_start, (sd_bus *bus), (bus), -ENOPKG)
HAND_ON(int, sd_bus_is_ready, (sd_bus *bus), (bus), -ENOPKG)
HAND_ON(int, sd_bus_process, (sd_bus *bus, sd_bus_message **ret), (bus, ret), -ENOPKG)
HAND_ON(int, sd_bus_wait, (sd_bus *bus, uint64_t usec), (bus, usec), -ENOPKG)
HAND_ON(int, sd_bus_call, (sd_bus *bus, sd_bus_message *m, uint64_t usec, sd_bus_error *error, sd_bus_message **ret),
        (bus, m, usec, error, ret), -ENOPKG)
HAND_ON(sd_bus *, sd_bus_close_unref, (sd_bus *bus), (bus), NULL)

HAND_ON(int, sd_bus_message_new_method_call,
        (sd_bus *bus, sd_bus_message **ret, const char *destination, const char *path, const char *interface,
         const char *member),
        (bus, ret, destination, path, interface, member), -ENOPKG)
HAND_ON(int, sd_bus_message_append_basic, (sd_bus_message *m, char type, const void *value), (m, type, value), -ENOPKG)
HAND_ON(int, sd_bus_message_enter_container, (sd_bus_message *m, char type, const char *contents), (m, type, contents),
        -ENOPKG)
HAND_ON(int, sd_bus_message_exit_container, (sd_bus_message *m), (m), -ENOPKG)
HAND_ON(int, sd_bus_message_skip, (sd_bus_message *m, const char *types), (m, types), -ENOPKG)
HAND_ON(int, sd_bus_message_readv, (sd_bus_message *m, const char *types, va_list results), (m, types, results),
        -ENOPKG)
HAND_ON(sd_bus_message *, sd_bus_message_unref, (sd_bus_message *m), (m), NULL)

HAND_ON(int, sd_journal_open, (sd_journal **ret, int flags), (ret, flags), -ENOPKG)
HAND_ON(int, sd_journal_open_directory, (sd_journal **ret, const char *path, int flags), (ret, path, flags), -ENOPKG)
HAND_ON(int, sd_journal_set_data_threshold, (sd_journal *j, size_t n), (j, n), -ENOPKG)
HAND_ON(int, sd_journal_get_fd, (sd_journal *j), (j), -ENOPKG)
HAND_ON(int, sd_journal_process, (sd_journal *j), (j), -ENOPKG)
HAND_ON(int, sd_journal_add_match, (sd_journal *j, const void *data, size_t n), (j, data, n), -ENOPKG)
HAND_ON(int, sd_journal_add_disjunction, (sd_journal *j), (j), -ENOPKG)
HAND_ON(int, sd_journal_seek_realtime_usec, (sd_journal *j, uint64_t usec), (j, usec), -ENOPKG)
HAND_ON(int, sd_journal_seek_cursor, (sd_journal *j, const char *cursor), (j, cursor), -ENOPKG)
HAND_ON(int, sd_journal_test_cursor, (sd_journal *j, const char *cursor), (j, cursor), -ENOPKG)
HAND_ON(int, sd_journal_next, (sd_journal *j), (j), -ENOPKG)
HAND_ON(int, sd_journal_get_data, (sd_journal *j, const char *field, const void **data, size_t *n), (j, field, data, n), -ENOPKG)
HAND_ON(int, sd_journal_get_realtime_usec, (sd_journal *j, uint64_t *ret), (j, ret), -ENOPKG)
HAND_ON(int, sd_journal_get_cursor, (sd_journal *j, char **ret), (j, ret), -ENOPKG)
// clang-format on

void sd_journal_close(sd_journal *journal)
{
    static void *known;
    void (*function)(sd_journal *) =
        (void (*)(sd_journal *))nv_lazy_find(&library, &known, "sd_journal_close");

    if (function)
        function(journal);
}

void sd_bus_error_free(sd_bus_error *error)
{
    static void *known;
    void (*function)(sd_bus_error *) =
        (void (*)(sd_bus_error *))nv_lazy_find(&library, &known, "sd_bus_error_free");

    if (function)
        function(error);
}
