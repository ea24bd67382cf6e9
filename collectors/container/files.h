/*
 * files.h - the files of a cgroup that are read, and what becomes of each: a table a version of cgroups.
 */
#ifndef NV_CONTAINER_FILES_H
#define NV_CONTAINER_FILES_H

#include "container.h"

struct nv_cg_file {
    const char *name;
    uint16_t controller; /* NV_CG_C_... in whose hierarchy it is */
    uint32_t groups;     /* read where one of these is on */
    uint8_t how;         /* of which cgroups: NV_CG_WHOLE ... */
    uint8_t slot;        /* where the parser takes one */
    void (*parse)(struct nv_pass *pass, struct nv_cg_values *values, enum nv_cg_slot slot,
                  struct nv_str text);
};

/* A list, of containers only: of many records, and where it is empty those of the folders below count. */
#define NV_CG_PROCS "cgroup.procs"

extern const struct nv_cg_file nv_cg_files_v1[], nv_cg_files_v2[]; /* a NULL name at the end */

/* ---- parse.c: texts may be anything */
void nv_cg_parse_number(struct nv_pass *pass, struct nv_cg_values *values, enum nv_cg_slot slot,
                        struct nv_str text);
void nv_cg_parse_limit(struct nv_pass *pass, struct nv_cg_values *values, enum nv_cg_slot slot,
                       struct nv_str text); /* "max" and what is beyond 2^62 are 0: none */
void nv_cg_parse_quota(struct nv_pass *pass, struct nv_cg_values *values, enum nv_cg_slot slot,
                       struct nv_str text); /* v1: -1 for none */
void nv_cg_parse_cpu_max(struct nv_pass *pass, struct nv_cg_values *values, enum nv_cg_slot slot,
                         struct nv_str text);
void nv_cg_parse_weight(struct nv_pass *pass, struct nv_cg_values *values, enum nv_cg_slot slot,
                        struct nv_str text);
void nv_cg_parse_cpu_stat(struct nv_pass *pass, struct nv_cg_values *values, enum nv_cg_slot slot,
                          struct nv_str text); /* of either version */
void nv_cg_parse_cpuacct_stat(struct nv_pass *pass, struct nv_cg_values *values,
                              enum nv_cg_slot slot, struct nv_str text);
void nv_cg_parse_memory_v1(struct nv_pass *pass, struct nv_cg_values *values, enum nv_cg_slot slot,
                           struct nv_str text);
void nv_cg_parse_memory_v2(struct nv_pass *pass, struct nv_cg_values *values, enum nv_cg_slot slot,
                           struct nv_str text);
void nv_cg_parse_events(struct nv_pass *pass, struct nv_cg_values *values, enum nv_cg_slot slot,
                        struct nv_str text); /* memory.events, memory.oom_control */
void nv_cg_parse_pressure(struct nv_pass *pass, struct nv_cg_values *values, enum nv_cg_slot slot,
                          struct nv_str text);
void nv_cg_parse_io_stat(struct nv_pass *pass, struct nv_cg_values *values, enum nv_cg_slot slot,
                         struct nv_str text);
void nv_cg_parse_procs(struct nv_pass *pass, struct nv_cg_values *values, enum nv_cg_slot slot,
                       struct nv_str text); /* adds to the processes there are */
void nv_cg_parse_blkio_bytes(struct nv_pass *pass, struct nv_cg_values *values,
                             enum nv_cg_slot slot, struct nv_str text);
void nv_cg_parse_blkio_ops(struct nv_pass *pass, struct nv_cg_values *values, enum nv_cg_slot slot,
                           struct nv_str text);

/* ---- numa.c */
void nv_cg_parse_percpu(struct nv_pass *pass, struct nv_cg_values *values, enum nv_cg_slot slot,
                        struct nv_str text);
void nv_cg_parse_numa(struct nv_pass *pass, struct nv_cg_values *values, enum nv_cg_slot slot,
                      struct nv_str text);

#endif
