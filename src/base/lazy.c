#include "base/lazy.h"

#include <dlfcn.h>

bool nv_lazy_load(struct nv_lazy *lazy)
{
    pthread_mutex_lock(&lazy->lock);
    if (!lazy->tried) {
        for (const char *const *name = lazy->names; *name && !lazy->library; name++)
            lazy->library = dlopen(*name, RTLD_NOW | RTLD_LOCAL);
        if (lazy->library && lazy->loaded)
            lazy->loaded(lazy->library);
        lazy->tried = true;
    }
    pthread_mutex_unlock(&lazy->lock);
    return lazy->library != NULL;
}

void *nv_lazy_find(struct nv_lazy *lazy, void **known, const char *name)
{
    void *found = __atomic_load_n(known, __ATOMIC_ACQUIRE);

    if (found)
        return found;
    found = nv_lazy_load(lazy) ? dlsym(lazy->library, name) : NULL;
    __atomic_store_n(known, found, __ATOMIC_RELEASE);
    return found;
}
