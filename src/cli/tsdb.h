/*
 * tsdb.h - what the files of `nodevitals tsdb` share: flags, the store, tables and sizes.
 */
#ifndef NV_CLI_TSDB_H
#define NV_CLI_TSDB_H

#include <stdio.h>

#include "agent/flags.h"
#include "cli/cli.h"
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

/* Prints "nodevitals: error: ...", without the hint at --help: nothing is wrong with the command line. Returns 1. */
__attribute__((format(printf, 1, 2))) int nv_tsdb_fail(const char *format, ...);

/* Opens the store, or tells why not. To be written, its directory is made where there is none. */
NV_MUST_USE int nv_tsdb_open(const struct nv_tsdb *tsdb, struct nv_store **ret);
NV_MUST_USE int nv_tsdb_open_to_write(const struct nv_tsdb *tsdb, struct nv_fs **ret_fs,
                                      struct nv_store **ret);

/* ---- texts ---------------------------------------------------------------------------------- */

enum { NV_TSDB_TEXT_MAX = 48 };

/* "1.2 MiB", "507 B"; "1h30m", "2.5s"; "2026-11-20 10:17:22" (UTC); "0.53"; "1,234,567". */
const char *nv_tsdb_size(char out[NV_TSDB_TEXT_MAX], uint64_t bytes);
const char *nv_tsdb_span(char out[NV_TSDB_TEXT_MAX], int64_t ms);
const char *nv_tsdb_time(char out[NV_TSDB_TEXT_MAX], int64_t time_ms);
const char *nv_tsdb_ratio(char out[NV_TSDB_TEXT_MAX], uint64_t a, uint64_t b); /* "-" for b 0 */
const char *nv_tsdb_count(char out[NV_TSDB_TEXT_MAX], uint64_t n);

/* Unix seconds ("1700000000.5") or RFC 3339 ("2026-11-20T10:17:22.5+01:00"). */
bool nv_tsdb_read_time(struct nv_str text, int64_t *ret_ms);

/* A table whose columns are as wide as their widest cell. A header that begins with '>' has its column
 * aligned to the right; the '>' is not printed. */
enum { NV_TSDB_COLUMNS_MAX = 12 };
struct nv_tsdb_table {
    size_t n_columns, n;
    struct nv_buf text; /* cells, each with a NUL behind it */
};
void nv_tsdb_table_init(struct nv_tsdb_table *table,
                        const char *const *headers); /* NULL at the end */
void nv_tsdb_cell(struct nv_tsdb_table *table, const char *text);
void nv_tsdb_cell_str(struct nv_tsdb_table *table, struct nv_str text);
void nv_tsdb_table_print(struct nv_tsdb_table *table, FILE *to); /* and ends it */

/* ---- progress ------------------------------------------------------------------------------- */

/* One line that is written over, on standard error, where that is a terminal. */
struct nv_tsdb_progress {
    bool on, shown;
    int64_t next_ns;
};
void nv_tsdb_progress_init(struct nv_tsdb_progress *progress);
__attribute__((format(printf, 2, 3))) void nv_tsdb_progress_say(struct nv_tsdb_progress *progress,
                                                                const char *format, ...);
void nv_tsdb_progress_done(struct nv_tsdb_progress *progress);

#endif
