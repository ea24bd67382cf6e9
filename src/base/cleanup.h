/*
 * cleanup.h - what a scope acquires, the scope gives back.
 *
 *   NV_AUTO(nv_thing) *x = ...;   nv_thing_free(x) when x leaves its scope (NULL is fine)
 *   NV_AUTO_FD fd = open(...);    closed unless negative
 *   NV_AUTO_FREE char *p = ...;   free(3)
 *   return nv_take(x);            hands x on: the scope forgets it
 *   nv_resize((void **)&p, n)     realloc(3) that leaves p as it is where memory is out
 */
#ifndef NV_BASE_CLEANUP_H
#define NV_BASE_CLEANUP_H

#include <stdlib.h>
#include <unistd.h>

#define NV_MUST_USE __attribute__((warn_unused_result))

NV_MUST_USE static inline _Bool nv_resize(void **p, size_t size)
{
    void *resized = realloc(*p, size);

    if (resized)
        *p = resized;
    return resized != NULL;
}

/* After the declaration of `void T_free(struct T *)`: makes NV_AUTO(T) work. */
#define NV_DEFINE_AUTO(T)                                                                          \
    static inline void T##_auto(struct T **p)                                                      \
    {                                                                                              \
        T##_free(*p);                                                                              \
    }
#define NV_AUTO(T)   __attribute__((cleanup(T##_auto))) struct T
#define NV_AUTO_FD   __attribute__((cleanup(nv_close_auto))) int
#define NV_AUTO_FREE __attribute__((cleanup(nv_free_auto)))

#define nv_take(p)                                                                                 \
    __extension__({                                                                                \
        __typeof__(p) nv_taken = (p);                                                              \
        (p) = NULL;                                                                                \
        nv_taken;                                                                                  \
    })

static inline int nv_take_fd(int *fd)
{
    int taken = *fd;

    *fd = -1;
    return taken;
}

static inline void nv_close_auto(const int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static inline void nv_free_auto(void *p)
{
    free(*(void **)p);
}

#endif
