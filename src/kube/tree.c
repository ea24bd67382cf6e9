#include "kube/tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

/* Controllers of v1 that container metrics come from; whoever joins them links the single names. */
static const char *const controllers[] = {"memory", "cpu", "cpuacct", "cpu,cpuacct", "pids"};

/* How deep below the top of a hierarchy the kubelet's folder of pods is looked for, and in how many names: on a node that
 * is a container of Docker's it is /docker/<id>/kubelet/kubepods. */
enum { DEPTH = 4, NAMES_MAX = 4096 };

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool has(int top, const char *path)
{
    return faccessat(top, path, F_OK, 0) == 0;
}

/* kubepods, kubepods.slice, and behind a cgroupRoot of the kubelet's <root>-kubepods.slice. */
static bool is_of_pods(const char *name)
{
    size_t n = strlen(name);

    return strcmp(name, "kubepods") == 0 || strcmp(name, "kubepods.slice") == 0 ||
           (n > strlen("-kubepods.slice") &&
            strcmp(name + n - strlen("-kubepods.slice"), "-kubepods.slice") == 0);
}

static bool has_pods_below(int at, const char *path, int depth, int *names_left)
{
    int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    bool found = false;

    if (fd >= 0 && !dir)
        close(fd);
    for (struct dirent *entry; dir && !found && (entry = readdir(dir));) {
        if (entry->d_name[0] == '.' || (entry->d_type != DT_DIR && entry->d_type != DT_UNKNOWN))
            continue;
        if (--*names_left < 0)
            break;
        found = is_of_pods(entry->d_name) ||
                (depth > 1 && has_pods_below(fd, entry->d_name, depth - 1, names_left));
    }
    if (dir)
        closedir(dir);
    return found;
}

static bool has_pods(int top)
{
    int names_left = NAMES_MAX;

    return has(top, "kubepods") || has(top, "kubepods.slice") ||
           has_pods_below(top, ".", DEPTH, &names_left);
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
