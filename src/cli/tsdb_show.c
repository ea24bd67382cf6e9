/*
 * tsdb_show.c - `nodevitals tsdb list` and `verify`.
 */
#include "cli/tsdb.h"

#include <errno.h>

enum { BLOCKS_MAX = 1 << 16, FAULTS_MAX = 64 << 20 };

/* ---- list ----------------------------------------------------------------------------------- */

struct sum {
    uint64_t samples, bytes;
    int64_t from_ms, to_ms;
};

static void add_row(struct nv_cli_table *table, const struct nv_block_info *info)
{
    char text[NV_CLI_TEXT_MAX];

    nv_cli_cell(table, info->name);
    nv_cli_cell(table, nv_cli_time(text, info->from_ms));
    nv_cli_cell(table, nv_cli_time(text, info->to_ms));
    nv_cli_cell(table, nv_cli_span(text, info->to_ms - info->from_ms));
    snprintf(text, sizeof(text), "%u", info->level);
    nv_cli_cell(table, text);
    nv_cli_cell(table, nv_cli_count(text, info->n_series));
    nv_cli_cell(table, nv_cli_count(text, info->n_samples));
    nv_cli_cell(table, nv_cli_size(text, info->bytes));
    nv_cli_cell(table, nv_cli_ratio(text, info->bytes, info->n_samples));
}

static void add_to_sum(struct sum *sum, const struct nv_block_info *info)
{
    sum->samples += info->n_samples;
    sum->bytes += info->bytes;
    sum->from_ms = info->from_ms < sum->from_ms ? info->from_ms : sum->from_ms;
    sum->to_ms = info->to_ms > sum->to_ms ? info->to_ms : sum->to_ms;
}

static void print_list(struct nv_block *const *blocks, size_t n, const struct nv_store_stats *stats)
{
    static const char *const headers[] = {"BLOCK",     "FROM (UTC)", "TO (UTC)", ">SPAN",
                                          ">LEVEL",    ">SERIES",    ">SAMPLES", ">SIZE",
                                          ">B/SAMPLE", NULL};
    struct sum sum = {.from_ms = INT64_MAX, .to_ms = INT64_MIN};
    char span[NV_CLI_TEXT_MAX], samples[NV_CLI_TEXT_MAX], size[NV_CLI_TEXT_MAX],
        ratio[NV_CLI_TEXT_MAX], log[NV_CLI_TEXT_MAX];
    struct nv_cli_table table;

    nv_cli_size(log, stats->log_bytes);
    nv_cli_table_init(&table, headers);
    for (size_t i = 0; i < n; i++) {
        add_row(&table, nv_block_info(blocks[i]));
        add_to_sum(&sum, nv_block_info(blocks[i]));
    }
    if (n) {
        nv_cli_table_print(&table, stdout);
        printf("%zu block%s over %s: %s samples, %s, %s bytes a sample; the log has %s.\n", n,
               n == 1 ? "" : "s", nv_cli_span(span, sum.to_ms - sum.from_ms),
               nv_cli_count(samples, sum.samples), nv_cli_size(size, sum.bytes),
               nv_cli_ratio(ratio, sum.bytes, sum.samples), log);
    } else {
        nv_buf_done(&table.text);
        printf("No blocks; the log has %s.\n", log);
    }
    if (stats->corruptions)
        fprintf(
            stderr,
            "nodevitals: warning: %llu damaged parts are left out, `nodevitals tsdb verify` tells "
            "which\n",
            (unsigned long long)stats->corruptions);
}

int nv_tsdb_list(const struct nv_tsdb *tsdb)
{
    NV_AUTO_FREE struct nv_block **blocks = calloc(BLOCKS_MAX, sizeof(*blocks));
    struct nv_store_stats stats;
    struct nv_store *store;

    if (!blocks)
        return nv_cli_fail("out of memory");
    if (nv_tsdb_open(tsdb, &store))
        return 1;
    nv_store_stats(store, &stats);
    print_list(blocks, nv_store_blocks(store, blocks, BLOCKS_MAX), &stats);
    nv_store_close(store);
    return 0;
}

/* ---- verify --------------------------------------------------------------------------------- */

int nv_tsdb_verify(const struct nv_tsdb *tsdb)
{
    NV_AUTO_BUF faults = NV_BUF(FAULTS_MAX);
    NV_AUTO(nv_fs) *fs = NULL;

    int r = nv_fs_open_to_read(tsdb->path, &fs);
    if (r < 0)
        return nv_tsdb_fail("cannot open the store in %s: %s", tsdb->path, strerror(-r));
    r = nv_store_verify(fs, &faults);
    if (r < 0)
        return nv_tsdb_fail("cannot verify %s: %s", tsdb->path, strerror(-r));
    if (faults.n)
        fwrite(faults.p, 1, faults.n, stdout);
    if (r)
        return nv_tsdb_fail("%s: %d fault%s", tsdb->path, r, r == 1 ? "" : "s");
    printf("%s: nothing is wrong.\n", tsdb->path);
    return 0;
}
