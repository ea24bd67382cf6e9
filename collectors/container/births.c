/*
 * births.c - containers that come and go between two passes where no kubelet counts them.
 *
 * A folder in which containers of Docker, Podman and others are made is watched (inotify works on cgroups): of what was
 * made in it since the pass before, what is a container by its name and is not there is one that nobody has seen. Only
 * folders that have been there for a pass can be watched, pods' are not, and where the kernel has no watch left
 * nothing is counted.
 */
#include <limits.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "container.h"

enum { WATCHES_MAX = 256, EVENTS_SIZE = 65536, BORN_MAX = 4096 };

struct watch {
    int number;
    uint8_t kind;
    char *name; /* owned */
};

struct nv_cg_births {
    int fd;
    struct watch watches[WATCHES_MAX];
    size_t n_watches;
};

int nv_cg_births_start(struct nv_cg_state *state)
{
    state->births = calloc(1, sizeof(*state->births));
    if (!state->births)
        return -ENOMEM;
    state->births->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC); /* without it nothing is counted */
    return 0;
}

void nv_cg_births_free(struct nv_cg_births *births)
{
    if (!births)
        return;
    if (births->fd >= 0)
        close(births->fd);
    while (births->n_watches)
        free(births->watches[--births->n_watches].name);
    free(births);
}

void nv_cg_births_watch(struct nv_pass *pass, struct nv_cg_state *state, const char *hierarchy,
                        struct nv_cg *cgroup)
{
    struct nv_cg_births *births = state->births;
    char path[NV_PATH_MAX];

    if (cgroup->is_watched || births->fd < 0 || births->n_watches == WATCHES_MAX ||
        (cgroup->is.kind != NV_CG_GROUP && cgroup->is.kind != NV_CG_SLICE &&
         cgroup->is.kind != NV_CG_ROOT))
        return;
    cgroup->is_watched = true;
    nv_path(path, "%s%s", hierarchy, cgroup->path);
    struct nv_str native = nv_native_path(pass, path);
    if (!native.n)
        return;
    struct watch watch = {inotify_add_watch(births->fd, native.p, IN_CREATE | IN_ONLYDIR),
                          cgroup->is.kind, strndup(cgroup->name.p, cgroup->name.n)};
    if (watch.number >= 0 && watch.name)
        births->watches[births->n_watches++] = watch;
    else
        free(watch.name);
}

static size_t find(const struct nv_cg_births *births, int number)
{
    size_t i = 0;

    while (i < births->n_watches && births->watches[i].number != number)
        i++;
    return i;
}

/* The id of the container an event tells of; "" for something else. */
static struct nv_str born(struct nv_cg_births *births, const struct inotify_event *event)
{
    size_t i = find(births, event->wd);
    struct nv_cg_name is;

    if (i == births->n_watches)
        return NV_LIT("");
    if (event->mask & IN_IGNORED) { /* the folder has gone, and its watch */
        free(births->watches[i].name);
        births->watches[i] = births->watches[--births->n_watches];
        return NV_LIT("");
    }
    if (!event->len || !(event->mask & IN_ISDIR))
        return NV_LIT("");
    nv_cg_name(births->watches[i].kind, nv_str(births->watches[i].name), nv_str(event->name), &is);
    return is.kind == NV_CG_CONTAINER && is.runtime != NV_CG_MACHINE ? is.key : NV_LIT("");
}

static const struct inotify_event *next_event(const char *events, size_t n, size_t *at)
{
    const struct inotify_event *event = (const void *)(events + *at);

    if (n - *at < sizeof(*event))
        return NULL;
    *at += sizeof(*event) + event->len;
    return *at <= n ? event : NULL;
}

/* What the kernel has to tell, as much as one read takes. Views into the pass's memory. */
static struct nv_str read_events(struct nv_pass *pass, int fd)
{
    int waiting = 0;

    if (fd < 0 || ioctl(fd, FIONREAD, &waiting) < 0 || waiting <= 0)
        return NV_LIT("");
    size_t size = waiting < EVENTS_SIZE ? (size_t)waiting : EVENTS_SIZE;
    char *events = nv_alloc(pass, size);
    ssize_t n = read(fd, events, size);
    return (struct nv_str){events, n > 0 ? (size_t)n : 0};
}

size_t nv_cg_births_read(struct nv_pass *pass, struct nv_cg_state *state, struct nv_str **ret)
{
    struct nv_cg_births *births = state->births;
    struct nv_str events, *ids = NULL;
    size_t n = 0;

    while (n < BORN_MAX && (events = read_events(pass, births->fd)).n) {
        const struct inotify_event *event;
        size_t at = 0;
        if (!ids)
            ids = nv_alloc(pass, BORN_MAX * sizeof(*ids));
        while (n < BORN_MAX && (event = next_event(events.p, events.n, &at))) {
            ids[n] = born(births, event);
            n += ids[n].n > 0;
        }
    }
    *ret = ids;
    return n;
}
