/*
 * text.h - sizes, spans, times and tables as people read them, for all commands.
 */
#ifndef NV_CLI_TEXT_H
#define NV_CLI_TEXT_H

#include <stdio.h>

#include <nodevitals/collector.h> /* NV_LEN */

#include "base/buf.h"

enum { NV_CLI_TEXT_MAX = 48 };

/* "1.2 MiB", "507 B"; "1h30m", "2.5s"; "2026-11-20 10:17:22" (UTC); "0.53"; "1,234,567". */
const char *nv_cli_size(char out[NV_CLI_TEXT_MAX], uint64_t bytes);
const char *nv_cli_span(char out[NV_CLI_TEXT_MAX], int64_t ms);
const char *nv_cli_time(char out[NV_CLI_TEXT_MAX], int64_t time_ms);
const char *nv_cli_ratio(char out[NV_CLI_TEXT_MAX], uint64_t a, uint64_t b); /* "-" for b 0 */
const char *nv_cli_count(char out[NV_CLI_TEXT_MAX], uint64_t n);

/* Unix seconds ("1700000000.5") or RFC 3339 ("2026-11-20T10:17:22.5+01:00"). */
bool nv_cli_read_time(struct nv_str text, int64_t *ret_ms);

/* Characters, of which a terminal gives each one place, nearly always. */
int nv_cli_width(const char *text);

/* A table whose columns are as wide as their widest cell. A header that begins with '>' has its column
 * aligned to the right; the '>' is not printed. */
enum { NV_CLI_COLUMNS_MAX = 12 };
struct nv_cli_table {
    size_t n_columns, n;
    struct nv_buf text; /* cells, each with a NUL behind it */
};
void nv_cli_table_init(struct nv_cli_table *table,
                       const char *const *headers); /* NULL at the end */
void nv_cli_cell(struct nv_cli_table *table, const char *text);
void nv_cli_cell_str(struct nv_cli_table *table, struct nv_str text);
void nv_cli_table_print(struct nv_cli_table *table, FILE *to); /* and ends it */

/* ---- progress ------------------------------------------------------------------------------- */

/* One line that is written over, on standard error, where that is a terminal. */
struct nv_cli_progress {
    bool on, shown;
    int64_t next_ns;
};
void nv_cli_progress_init(struct nv_cli_progress *progress);
__attribute__((format(printf, 2, 3))) void nv_cli_progress_say(struct nv_cli_progress *progress,
                                                               const char *format, ...);
void nv_cli_progress_done(struct nv_cli_progress *progress);

#endif
