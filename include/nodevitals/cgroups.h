/*
 * cgroups.h - whether the cgroups that can be seen are those of the whole node.
 *
 * In a pod whose node's /sys is not mounted, /sys/fs/cgroup is what the container has of the tree: itself. A node that
 * runs pods has a folder for them at the top, "kubepods" or "kubepods.slice", with whatever cgroupRoot names in front and
 * above: "kubelet.slice/kubelet-kubepods.slice". Ours is among them, so that in Kubernetes its absence tells.
 */
#ifndef NODEVITALS_CGROUPS_H
#define NODEVITALS_CGROUPS_H

#include <nodevitals/collector.h>

#include <dirent.h>

enum { NV_CGROUPS_LEVELS = 3 /* above kubepods, that are looked through */ };

static inline bool nv_cgroups_is_kubepods(struct nv_str name)
{
    if (nv_str_ends(name, ".slice"))
        name.n -= strlen(".slice");
    return nv_str_is(name, "kubepods") || nv_str_ends(name, "-kubepods");
}

/* Whether a folder of pods is in `path` or, by way of folders whose names might be those of a cgroupRoot, below it. */
static inline bool nv_cgroups_has_pods(const char *path, int levels)
{
    DIR *dir = opendir(path);
    struct dirent *entry;
    bool found = false;

    while (dir && !found && (entry = readdir(dir))) {
        struct nv_str name = nv_str(entry->d_name);
        char below[NV_PATH_MAX];
        if (entry->d_name[0] == '.' || (entry->d_type != DT_DIR && entry->d_type != DT_UNKNOWN))
            continue;
        found = nv_cgroups_is_kubepods(name);
        if (found || levels <= 1 || nv_str_ends(name, ".service") || nv_str_ends(name, ".scope") ||
            nv_str_ends(name, ".mount"))
            continue;
        nv_path(below, "%s/%s", path, entry->d_name);
        found = below[0] && nv_cgroups_has_pods(below, levels - 1);
    }
    if (dir)
        closedir(dir);
    return found;
}

/* `sysfs`: the native path of it. One level more than the tree has, for v1 has its controllers there. */
static inline bool nv_cgroups_are_of_node(const char *sysfs)
{
    char path[NV_PATH_MAX];

    nv_path(path, "%s/fs/cgroup", sysfs);
    return path[0] && nv_cgroups_has_pods(path, NV_CGROUPS_LEVELS + 1);
}

#endif
