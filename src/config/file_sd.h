/*
 * file_sd.h - targets that stand in files, JSON or YAML, named by patterns; read again when they change.
 *
 *   file       a list of groups: {targets: [ADDRESS ...], labels: {NAME: VALUE}}
 *   labels     a group has __meta_filepath, the file it comes from; the caller makes __address__ of each target
 *   trouble    a file that cannot be read or understood keeps its last good groups; the others are not affected
 *   change     told by name, size, time of change and inode; nv_file_sd_refresh() reads only what differs
 *   bounds     NV_FILE_SD_FILES_MAX files, NV_FILE_SD_TARGETS_MAX targets in all
 *   threads    one user
 */
#ifndef NV_CONFIG_FILE_SD_H
#define NV_CONFIG_FILE_SD_H

#include "config/schema.h"
#include "metric/layout.h"

enum { NV_FILE_SD_FILES_MAX = 1024, NV_FILE_SD_TARGETS_MAX = 65536 };

/* Targets that share labels: of a static_config, or of a file. */
struct nv_target_group {
    const struct nv_str *targets; /* HOST:PORT each */
    size_t n_targets;
    const struct nv_label *labels; /* by name */
    size_t n_labels;
};

/* The reader of one group and of a list of groups (struct nv_target_groups), for schema tables. */
struct nv_target_groups {
    const struct nv_target_group *at;
    size_t n;
};
int nv_schema_target_groups(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                            const void *with);

struct nv_file_sd;

/* `patterns` (absolute, NULL at the end) are copied. NULL when memory is out. */
struct nv_file_sd *nv_file_sd_new(const char *const *patterns);
void nv_file_sd_free(struct nv_file_sd *sd);
NV_DEFINE_AUTO(nv_file_sd)

/*
 * Looks at the files. *ret_changed: whether the groups differ from before. Returns 0; a negative errno with a line in
 * `error` about the first file in trouble, which keeps no other from being read.
 */
NV_MUST_USE int nv_file_sd_refresh(struct nv_file_sd *sd, bool *ret_changed,
                                   char error[NV_YAML_ERROR_MAX]);

/* The groups of all files, in order of their names. They live until the next refresh. */
struct nv_target_groups nv_file_sd_groups(const struct nv_file_sd *sd);

#endif
