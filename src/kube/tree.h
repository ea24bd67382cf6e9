/*
 * tree.h - whether the cgroups below a sysfs are those of the node, or only what a container sees of itself.
 *
 * The top of a hierarchy is told by what it alone has or lacks: release_agent (v1), no cgroup.type (v2). A node that is itself
 * a container (kind, k3d) is told by the kubelet's cgroup.
 */
#ifndef NV_KUBE_TREE_H
#define NV_KUBE_TREE_H

#include <stdbool.h>

bool nv_kube_tree_is_of_node(const char *sysfs);

#endif
