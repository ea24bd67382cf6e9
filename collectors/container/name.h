/*
 * name.h - what a cgroup is, judged by its name and by what it lies in.
 *
 * Container ids are 64 lower-case hexadecimal digits at the end of the name, with or without ".scope", after nothing,
 * '-', '_' or ':'. What follows is what runtimes and kubelets were seen to make:
 *
 *   kubelet     kubepods[.slice], with whatever cgroupRoot in front ("kubelet-kubepods.slice"); below it burstable,
 *               besteffort; pod<uid>, of systemd "...-pod<uid with _ for ->.slice"
 *   runtimes    cri-containerd-<id>.scope, crio-<id>[.scope], docker-<id>.scope, libpod-<id>.scope, nerdctl-<id>.scope,
 *               <id>; "<slice>:cri-containerd:<id>" where two drivers disagree; conmon, which is none of them
 *   machines    systemd-nspawn@<name>.service, machine-<name>.scope, lxc.payload.<name>, lxc/<name>
 */
#ifndef NV_CONTAINER_NAME_H
#define NV_CONTAINER_NAME_H

#include <nodevitals/collector.h>

enum nv_cg_kind {
    NV_CG_IGNORED, /* no row, nor anything below it */
    NV_CG_INNER,   /* no row, but containers below it have one */
    NV_CG_ROOT,
    NV_CG_GROUP, /* a folder that somebody made */
    NV_CG_SLICE,
    NV_CG_UNIT, /* a service or scope of systemd */
    NV_CG_KUBEPODS,
    NV_CG_QOS,
    NV_CG_POD,
    NV_CG_CONTAINER,
};

enum nv_cg_runtime {
    NV_CG_NO_RUNTIME,
    NV_CG_BARE, /* an id and nothing else: containerd or docker, by the cgroupfs driver */
    NV_CG_CONTAINERD,
    NV_CG_CRIO,
    NV_CG_DOCKER,
    NV_CG_PODMAN,
    NV_CG_OTHER,
    NV_CG_MACHINE,
};

struct nv_cg_name {
    uint8_t kind, runtime;
    bool is_infra;     /* surely a sandbox */
    struct nv_str key; /* a view into the name: a container's id, a machine's name, a pod's uid */
};

enum { NV_CG_ID = 64 /* digits of a container id */ };

void nv_cg_name(enum nv_cg_kind above, struct nv_str above_name, struct nv_str name,
                struct nv_cg_name *ret);

/* The uid, as it is spelt there, of the pod before the first ':' of a name that two drivers made; else empty. */
struct nv_str nv_cg_pod_in(struct nv_str name);

/* Whether all of it is hexadecimal digits, as runtimes write them. */
bool nv_cg_is_hex(struct nv_str s);

/* A name of systemd with its \xNN undone, or a uid with '-' for '_'. `out` has room for s.n bytes. */
struct nv_str nv_cg_unescape(struct nv_str s, char *out);
struct nv_str nv_cg_uid(struct nv_str s, char *out);

#endif
