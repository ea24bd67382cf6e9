#include "kube/tree.h"

#include <fcntl.h>
#include <stdio.h>

#include "base/cleanup.h"

/* Controllers of v1 that container metrics come from; whoever joins them links the single names. */
static const char *const controllers[] = {"memory", "cpu", "cpuacct", "cpu,cpuacct", "pids"};

/* Where the kubelet puts pods, below the top of a hierarchy. */
static const char *const pods[] = {
    "kubepods",
    "kubepods.slice",
    "kubelet/kubepods",
    "kubelet.slice/kubelet-kubepods.slice",
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool has(int top, const char *path)
{
    return faccessat(top, path, F_OK, 0) == 0;
}

static bool has_pods(int top)
{
    for (size_t i = 0; i < COUNT(pods); i++)
        if (has(top, pods[i]))
            return true;
    return false;
}

static int open_dir(int at, const char *path)
{
    return openat(at, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

bool nv_kube_tree_is_of_node(const char *sysfs)
{
    char path[4096];

    snprintf(path, sizeof(path), "%s/fs/cgroup", sysfs);
    NV_AUTO_FD top = open_dir(AT_FDCWD, path);
    if (top < 0)
        return false;
    if (has(top, "cgroup.controllers"))
        return !has(top, "cgroup.type") || has_pods(top);
    for (size_t i = 0; i < COUNT(controllers); i++) {
        NV_AUTO_FD hierarchy = open_dir(top, controllers[i]);
        if (hierarchy >= 0 && (has(hierarchy, "release_agent") || has_pods(hierarchy)))
            return true;
    }
    return false;
}
