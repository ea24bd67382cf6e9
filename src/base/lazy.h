/*
 * lazy.h - a library that is loaded when one of its functions is first called.
 *
 * The functions in use stand in a file of ours under the library's own names, before the library in the order of the link,
 * and hand their calls on to what dlopen(3) finds; so the program does not depend on the library.
 *
 *   threads   any
 *   lifetime  what was loaded stays
 */
#ifndef NV_BASE_LAZY_H
#define NV_BASE_LAZY_H

#include <pthread.h>
#include <stdbool.h>

struct nv_lazy {
    const char *const *names;    /* sonames, tried in order; NULL at the end */
    void (*loaded)(void *found); /* called once, with what dlopen(3) gave; may be NULL */
    pthread_mutex_t lock;
    bool tried;
    void *library;
};
#define NV_LAZY(sonames, then)                                                                     \
    {                                                                                              \
        .names = (sonames), .loaded = (then), .lock = PTHREAD_MUTEX_INITIALIZER                    \
    }

/* Whether there is such a library; loads it. */
bool nv_lazy_load(struct nv_lazy *lazy);

/* The library's function of that name, remembered in *known; NULL where there is none. */
void *nv_lazy_find(struct nv_lazy *lazy, void **known, const char *name);

/* Defines function `name`, which calls the library's; worth `otherwise` where there is none. */
#define NV_LAZY_FUNCTION(lazy, type, name, parameters, arguments, otherwise)                       \
    type name parameters                                                                           \
    {                                                                                              \
        static void *known;                                                                        \
        type(*function) parameters = (type(*) parameters)nv_lazy_find(&(lazy), &known, #name);     \
                                                                                                   \
        return function ? function arguments : (otherwise);                                        \
    }

#endif
