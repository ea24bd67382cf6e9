/*
 * label.h - what is said of a cgroup, and by whom: pods (label.c), log files (logs.c), runtimes (runtime.c).
 */
#ifndef NV_CONTAINER_LABEL_H
#define NV_CONTAINER_LABEL_H

#include "container.h"

/* Label values; views that live as long as the pass. */
struct nv_cg_said {
    struct nv_str container, image, name, ns, pod;
};

/* Whether it is in a pod: by its place, or by a name that two drivers made. */
bool nv_cg_is_of_pod(const struct nv_cg *cgroup);

/* Gives the cgroup these labels, and copies what has changed. */
void nv_cg_label(struct nv_cg *cgroup, const struct nv_cg_said *said);

/* By the names of the kubelet's log files. False where there is none of this container. */
void nv_cg_names_pod(struct nv_pass *pass, struct nv_cg_state *state, const struct nv_cg *cgroup,
                     struct nv_cg_said *said);
bool nv_cg_names_container(struct nv_pass *pass, struct nv_cg_state *state,
                           const struct nv_cg *cgroup, struct nv_cg_said *said);

/* By what Docker keeps; false where it has no such container. */
bool nv_cg_docker_label(struct nv_pass *pass, const struct nv_cg *cgroup, struct nv_cg_said *said);

/* By what Docker and Podman keep of their containers; the id alone where they keep nothing. */
void nv_cg_runtime_label(struct nv_pass *pass, const struct nv_cg *cgroup, struct nv_cg_said *said);

#endif
