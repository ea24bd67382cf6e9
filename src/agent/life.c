#include "agent/life.h"

#include <errno.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <time.h>

#include "base/cond.h"

int nv_life_init(struct nv_life *life)
{
    *life = (struct nv_life){.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    if (life->fd < 0)
        return -errno;
    pthread_mutex_init(&life->lock, NULL);
    nv_cond_init(&life->done);
    return 0;
}

void nv_life_done(struct nv_life *life)
{
    if (life->fd < 0)
        return;
    pthread_cond_destroy(&life->done);
    pthread_mutex_destroy(&life->lock);
    close(life->fd);
    life->fd = -1;
}

int nv_life_reload(struct nv_life *life, struct nv_buf *error)
{
    int64_t until_ns = nv_monotonic_ns() + NV_LIFE_WAIT_MS * INT64_C(1000000);
    struct timespec until = {until_ns / 1000000000, until_ns % 1000000000};
    int r = 0;

    pthread_mutex_lock(&life->lock);
    uint64_t mine = ++life->wished;
    (void)!eventfd_write(life->fd, 1);
    while (life->served < mine && !life->closed && r == 0)
        r = pthread_cond_timedwait(&life->done, &life->lock, &until);
    if (life->served >= mine) {
        r = life->result;
        nv_buf_text(error, life->error);
    } else {
        r = life->closed ? -ESHUTDOWN : -ETIMEDOUT;
    }
    pthread_mutex_unlock(&life->lock);
    return r;
}

void nv_life_quit(struct nv_life *life)
{
    pthread_mutex_lock(&life->lock);
    life->quit = true;
    (void)!eventfd_write(life->fd, 1);
    pthread_mutex_unlock(&life->lock);
}

struct nv_life_wishes nv_life_take(struct nv_life *life)
{
    eventfd_t times;

    (void)!eventfd_read(life->fd, &times);
    pthread_mutex_lock(&life->lock);
    struct nv_life_wishes wishes = {life->wished > life->served ? life->wished : 0, life->quit};
    pthread_mutex_unlock(&life->lock);
    return wishes;
}

void nv_life_serve(struct nv_life *life, uint64_t reload, int result, const char *error)
{
    pthread_mutex_lock(&life->lock);
    life->served = reload;
    life->result = result;
    snprintf(life->error, sizeof(life->error), "%s", error);
    pthread_cond_broadcast(&life->done);
    pthread_mutex_unlock(&life->lock);
}

void nv_life_close(struct nv_life *life)
{
    if (life->fd < 0)
        return;
    pthread_mutex_lock(&life->lock);
    life->closed = true;
    pthread_cond_broadcast(&life->done);
    pthread_mutex_unlock(&life->lock);
}
