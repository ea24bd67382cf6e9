/*
 * What the store says of itself.
 */
#include "base/assert.h"
#include "tsdb/parts.h"

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
        nv_store_directory_bytes(store, ret);
    store->queryable.range(store, &ret->from_ms, &ret->to_ms);
}
