/*
 * locked.h - holds a mutex until the scope ends.
 */
#ifndef NV_BASE_LOCKED_H
#define NV_BASE_LOCKED_H

#include <pthread.h>

static inline void nv_unlock_auto(pthread_mutex_t **lock)
{
    pthread_mutex_unlock(*lock);
}

/* A declaration; one in a scope. */
#define NV_LOCKED(mutex)                                                                           \
    __attribute__((cleanup(nv_unlock_auto), unused)) pthread_mutex_t *nv_locked = (mutex);         \
    pthread_mutex_lock(nv_locked)

#endif
