#include "gather/absent.h"

#include <linux/netlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

enum { KERNEL_GROUP = 1, DRAIN_MAX = 1024, SLOTS = 4 * NV_ABSENT_MAX };

struct nv_absent {
    int fd;
    size_t n;
    int64_t since_ns; /* when the oldest was seen absent */
    struct {
        char *path;
        uint64_t hash;
    } slots[SLOTS];
};

static int open_socket(void)
{
    struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = KERNEL_GROUP};

    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);
    if (fd >= 0 && bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

struct nv_absent *nv_absent_new(void)
{
    struct nv_absent *absent = calloc(1, sizeof(*absent));

    if (absent)
        absent->fd = open_socket();
    return absent;
}

static void forget(struct nv_absent *absent)
{
    for (size_t i = 0; absent->n && i < SLOTS; i++) {
        free(absent->slots[i].path);
        absent->slots[i].path = NULL;
    }
    absent->n = 0;
}

void nv_absent_free(struct nv_absent *absent)
{
    if (!absent)
        return;
    forget(absent);
    if (absent->fd >= 0)
        close(absent->fd);
    free(absent);
}

/* Takes all that was announced. False where nothing was. */
static bool drain(int fd)
{
    char message[64]; /* what it says does not matter */
    bool any = false;

    for (int i = 0; i < DRAIN_MAX; i++) {
        ssize_t n = recv(fd, message, sizeof(message), MSG_DONTWAIT | MSG_TRUNC);
        if (n < 0 && errno == EAGAIN)
            return any;
        any = true; /* ENOBUFS too: something was announced and lost */
    }
    return any;
}

void nv_absent_refresh(struct nv_absent *absent)
{
    bool announced = absent->fd >= 0 && drain(absent->fd);
    bool old = nv_monotonic_ns() - absent->since_ns > INT64_C(1000000) * NV_ABSENT_MS;

    if (absent->n && (announced || old))
        forget(absent);
}

static size_t find(const struct nv_absent *absent, const char *path, uint64_t hash)
{
    size_t at = hash % SLOTS;

    while (absent->slots[at].path &&
           (absent->slots[at].hash != hash || strcmp(absent->slots[at].path, path) != 0))
        at = (at + 1) % SLOTS;
    return at;
}

bool nv_absent_has(const struct nv_absent *absent, const char *path, uint64_t hash)
{
    return absent->n && absent->slots[find(absent, path, hash)].path;
}

void nv_absent_add(struct nv_absent *absent, const char *path, uint64_t hash)
{
    size_t at = find(absent, path, hash);

    if (absent->fd < 0 || absent->n == NV_ABSENT_MAX || absent->slots[at].path)
        return;
    absent->slots[at].path = strdup(path);
    absent->slots[at].hash = hash;
    if (!absent->slots[at].path)
        return;
    if (absent->n++ == 0)
        absent->since_ns = nv_monotonic_ns();
}
