/*
 * devices.c - names of block devices by their numbers, from /proc/diskstats: major, minor, name, ...
 *
 * Numbers are used again when a device has gone, so the list is read anew every so often, and when one is not in it.
 */
#include "container.h"

enum { READ_EVERY = 40 /* passes */, DEVICES_MAX = 1 << 16 };

static struct nv_cg_device *room_for_one(struct nv_cg_state *state)
{
    if (state->n_devices == DEVICES_MAX)
        return NULL;
    if (state->n_devices == state->room_devices) {
        size_t room = state->room_devices ? 2 * state->room_devices : 32;
        struct nv_cg_device *more = reallocarray(state->devices, room, sizeof(*more));
        if (!more)
            return NULL;
        state->devices = more;
        state->room_devices = room;
    }
    return &state->devices[state->n_devices];
}

static void read_devices(struct nv_pass *pass, struct nv_cg_state *state)
{
    struct nv_scan file, line;
    struct nv_str text;

    state->devices_of = state->pass;
    state->n_devices = 0;
    if (nv_read(pass, "proc/diskstats", &text) < 0)
        return;
    file = nv_scan(text);
    while (nv_scan_line(&file, &line)) {
        uint64_t major = nv_scan_u64(&line), minor = nv_scan_u64(&line);
        struct nv_str name = nv_scan_word(&line);
        struct nv_cg_device *device = room_for_one(state);
        if (line.failed || !device || major > UINT32_MAX || minor > UINT32_MAX)
            continue;
        int n = snprintf(device->name, sizeof(device->name), "/dev/%.*s", NV_ARGS(name));
        if (n < 0 || (size_t)n >= sizeof(device->name))
            continue;
        device->major = (uint32_t)major;
        device->minor = (uint32_t)minor;
        state->n_devices++;
    }
}

static const struct nv_cg_device *find(const struct nv_cg_state *state, uint32_t major,
                                       uint32_t minor)
{
    for (size_t i = 0; i < state->n_devices; i++)
        if (state->devices[i].major == major && state->devices[i].minor == minor)
            return &state->devices[i];
    return NULL;
}

struct nv_str nv_cg_device_name(struct nv_pass *pass, struct nv_cg_state *state, uint32_t major,
                                uint32_t minor)
{
    if (!state->devices_of || state->pass - state->devices_of >= READ_EVERY)
        read_devices(pass, state);
    const struct nv_cg_device *device = find(state, major, minor);
    if (!device && state->devices_of != state->pass) {
        read_devices(pass, state);
        device = find(state, major, minor);
    }
    return device ? nv_str(device->name) : NV_LIT("");
}
