/*
 * What the store says of itself.
 */
#include "base/assert.h"
#include "base/clock.h"
#include "tsdb/parts.h"

enum { COUNT_EVERY_MS = 10000 };

/* ---- statistics ----------------------------------------------------------------------------- */

static void stats_of_heads(struct nv_store *store, struct nv_store_stats *stats)
{
    for (size_t i = 0; i < nv_store_n_heads(store); i++) {
        struct nv_head *head = store->heads[i];
        int64_t from, to;
        stats->frames += __atomic_load_n(&head->frames, __ATOMIC_RELAXED);
        stats->samples += __atomic_load_n(&head->samples, __ATOMIC_RELAXED);
        stats->dropped_not_newer += __atomic_load_n(&head->not_newer, __ATOMIC_RELAXED);
        stats->dropped_full += __atomic_load_n(&head->full, __ATOMIC_RELAXED);
        stats->dropped_disk += __atomic_load_n(&head->lost, __ATOMIC_RELAXED);
        stats->dropped_conflict += __atomic_load_n(&head->conflicts, __ATOMIC_RELAXED);
        stats->memory_bytes += nv_head_memory(head);
        stats->series_sealed_pages += nv_head_page_span(head, &from, &to);
    }
}

void nv_store_count_files(struct nv_store *store, bool changed)
{
    struct nv_store_stats stats = {0};
    int64_t now = nv_monotonic_ns();

    if (!store->options.threads)
        return;
    if (!changed && store->counted_ns &&
        now - store->counted_ns < COUNT_EVERY_MS * INT64_C(1000000))
        return;
    nv_store_directory_bytes(store, &stats);
    store->counted_ns = now;
    __atomic_store_n(&store->stats.log_bytes, stats.log_bytes, __ATOMIC_RELAXED);
    __atomic_store_n(&store->stats.block_bytes, stats.block_bytes, __ATOMIC_RELAXED);
    __atomic_store_n(&store->stats.other_bytes, stats.other_bytes, __ATOMIC_RELAXED);
}

/* A disk that hangs holds maintenance, and nobody else. Without threads there is nobody else. */
static void stats_of_files(struct nv_store *store, struct nv_store_stats *stats)
{
    if (!store->options.threads) {
        nv_store_directory_bytes(store, stats);
        return;
    }
    stats->log_bytes = __atomic_load_n(&store->stats.log_bytes, __ATOMIC_RELAXED);
    stats->block_bytes = __atomic_load_n(&store->stats.block_bytes, __ATOMIC_RELAXED);
    stats->other_bytes = __atomic_load_n(&store->stats.other_bytes, __ATOMIC_RELAXED);
}

void nv_store_stats(struct nv_store *store, struct nv_store_stats *ret)
{
    struct nv_log_stats log = {0};

    ret[0] = (struct nv_store_stats){
        .dropped_disk = __atomic_load_n(&store->stats.dropped_disk, __ATOMIC_RELAXED),
        .corruptions = __atomic_load_n(&store->stats.corruptions, __ATOMIC_RELAXED),
        .merges = __atomic_load_n(&store->stats.merges, __ATOMIC_RELAXED),
        .thinned_samples = __atomic_load_n(&store->stats.thinned_samples, __ATOMIC_RELAXED),
        .retained_blocks_dropped =
            __atomic_load_n(&store->stats.retained_blocks_dropped, __ATOMIC_RELAXED),
        .disk_error = __atomic_load_n(&store->stats.disk_error, __ATOMIC_RELAXED),
    };
    ret->read_faults = __atomic_load_n(&store->stats.read_faults, __ATOMIC_RELAXED) +
                       nv_block_cache_faults(store->cache);
    ret->codec_faults = nv_codec_all_faults();
    ret->set_backs = __atomic_load_n(&store->stats.set_backs, __ATOMIC_RELAXED);
    stats_of_heads(store, ret);
    ret->series = nv_series_count(store->table);
    ret->memory_bytes += nv_series_memory(store->table);
    struct nv_blocks *blocks = nv_store_view(store);
    ret->blocks = blocks->n;
    nv_blocks_unref(blocks);
    if (store->log) {
        nv_log_stats(store->log, &log);
        ret->log_syncs = log.syncs;
        ret->log_sync_ns = log.sync_ns;
        ret->dropped_disk += log.dropped_frames;
        if (log.error)
            ret->disk_error = log.error;
    }
    if (store->fs)
        stats_of_files(store, ret);
    store->queryable.range(store, &ret->from_ms, &ret->to_ms);
    if (ret->from_ms <= ret->to_ms && ret->to_ms > nv_store_now(store))
        ret->behind_ms = ret->to_ms - nv_store_now(store);
}
