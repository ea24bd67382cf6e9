/*
 * tsdb.h - what the files of `nodevitals tsdb` share: flags and the store.
 */
#ifndef NV_CLI_TSDB_H
#define NV_CLI_TSDB_H

#include <stdio.h>

#include "agent/flags.h"
#include "cli/cli.h"
#include "cli/text.h"
#include "tsdb/store.h"

/* ---- subcommands: each returns the exit status ---------------------------------------------- */

struct nv_tsdb {
    const char *path;                   /* of the store */
    const struct nv_flag_value *values; /* of the subcommand's own flags */
    const char *operand;                /* import: FILE or - */
};

int nv_tsdb_list(const struct nv_tsdb *tsdb);
int nv_tsdb_analyze(const struct nv_tsdb *tsdb);
int nv_tsdb_verify(const struct nv_tsdb *tsdb);
int nv_tsdb_import(const struct nv_tsdb *tsdb);
int nv_tsdb_export(const struct nv_tsdb *tsdb);

extern const struct nv_flag nv_tsdb_analyze_flags[], nv_tsdb_export_flags[];

#define nv_tsdb_fail(...) nv_cli_error(1, __VA_ARGS__)

/* Opens the store, or tells why not. To be written, its directory is made where there is none. */
NV_MUST_USE int nv_tsdb_open(const struct nv_tsdb *tsdb, struct nv_store **ret);
NV_MUST_USE int nv_tsdb_open_to_write(const struct nv_tsdb *tsdb, struct nv_fs **ret_fs,
                                      struct nv_store **ret);

#endif
