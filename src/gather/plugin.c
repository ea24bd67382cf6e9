#include "gather/gather.h"

#include <dirent.h>
#include <dlfcn.h>
#include <limits.h>

static int load(const char *path, int (*each)(const struct nv_collector *collector, void *user),
                void *user, char error[NV_GATHER_ERROR_MAX])
{
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        snprintf(error, NV_GATHER_ERROR_MAX, "cannot load plugin: %.400s", dlerror());
        return -ENOEXEC;
    }
    const struct nv_collector *const *symbol = dlsym(handle, "nv_plugin");
    if (!symbol || !*symbol) {
        snprintf(error, NV_GATHER_ERROR_MAX,
                 "plugin %.300s has no symbol nv_plugin: was it built with -DNV_PLUGIN?", path);
        dlclose(handle);
        return -ENOEXEC;
    }
    const struct nv_collector *collector = *symbol;
    if (collector->abi.magic != NV_ABI_MAGIC || collector->abi.version != NV_ABI_VERSION ||
        collector->abi.size != sizeof(*collector)) {
        snprintf(error, NV_GATHER_ERROR_MAX,
                 "plugin %.200s was built for ABI %u with descriptors of %u bytes; this agent has "
                 "ABI %u "
                 "and %zu bytes: build it again with this agent's headers",
                 path, collector->abi.version, collector->abi.size, NV_ABI_VERSION,
                 sizeof(*collector));
        dlclose(handle);
        return -EPROTO;
    }
    return each(collector, user); /* the handle stays: the descriptor lives in it */
}

int nv_gather_load_plugins(const char *dir,
                           int (*each)(const struct nv_collector *collector, void *user),
                           void *user, char error[NV_GATHER_ERROR_MAX])
{
    struct dirent **entries;
    int n = scandir(dir, &entries, NULL, alphasort), r = 0;

    error[0] = '\0';
    if (n < 0) {
        r = -errno;
        snprintf(error, NV_GATHER_ERROR_MAX, "cannot read plugin directory %.300s: %s", dir,
                 strerror(errno));
        return r;
    }
    for (int i = 0; i < n; i++) {
        char path[PATH_MAX];
        struct nv_str name = nv_str(entries[i]->d_name);
        if (r == 0 && nv_str_ends(name, ".so") &&
            (size_t)snprintf(path, sizeof(path), "%s/%s", dir, entries[i]->d_name) < sizeof(path))
            r = load(path, each, user, error);
        free(entries[i]);
    }
    free(entries);
    return r;
}
