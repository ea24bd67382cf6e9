#include "gather/notices.h"

#include <pthread.h>

struct nv_notices {
    pthread_mutex_t lock;
    struct nv_netlink *netlink;
    uint64_t n;    /* how many there have been, and one: a cursor of 0 has read nothing */
    uint64_t lost; /* readers behind this one have lost some */
    int ring[NV_NOTICES_MAX];
};

struct nv_notices *nv_notices_new(void)
{
    struct nv_notices *notices = calloc(1, sizeof(*notices));

    if (!notices)
        return NULL;
    notices->netlink = nv_netlink_new();
    if (!notices->netlink) {
        free(notices);
        return NULL;
    }
    notices->n = 1;
    pthread_mutex_init(&notices->lock, NULL);
    return notices;
}

void nv_notices_free(struct nv_notices *notices)
{
    if (!notices)
        return;
    nv_netlink_free(notices->netlink);
    pthread_mutex_destroy(&notices->lock);
    free(notices);
}

static void add(int ifindex, void *user)
{
    struct nv_notices *notices = user;

    notices->ring[notices->n++ % NV_NOTICES_MAX] = ifindex;
    if (ifindex == 0)
        notices->lost = notices->n;
}

void nv_notices_read(struct nv_notices *notices, uint64_t *cursor,
                     void (*each)(int ifindex, void *user), void *user)
{
    pthread_mutex_lock(&notices->lock);
    if (nv_netlink_drain_links(notices->netlink, add, notices) < 0)
        add(0, notices); /* without notices nothing is known to have stayed */
    if (*cursor < notices->lost || notices->n - *cursor > NV_NOTICES_MAX)
        each(0, user);
    else
        for (uint64_t i = *cursor; i < notices->n; i++)
            each(notices->ring[i % NV_NOTICES_MAX], user);
    *cursor = notices->n;
    pthread_mutex_unlock(&notices->lock);
}
