/*
 * history_metrics.c - what the local store tells of itself.
 */
#include "agent/history.h"

#include <assert.h>

#include "agent/sampler.h"

enum { CADENCE_MS = 15000 };

#define NS NV_OVER(1e9)
#define MS NV_OVER(1000)

// clang-format off
static const struct nv_family store_columns[] = {
    {"nodevitals_tsdb_series",                      NV_GAUGE,   NV_AS_IS, "Series the head of the store knows."},
    {"nodevitals_tsdb_frames_appended_total",       NV_COUNTER, NV_AS_IS, "Frames taken in, each a moment's samples."},
    {"nodevitals_tsdb_samples_appended_total",      NV_COUNTER, NV_AS_IS, "Samples taken in."},
    {"nodevitals_tsdb_log_syncs_total",             NV_COUNTER, NV_AS_IS, "How often the log was synced to the disk."},
    {"nodevitals_tsdb_log_sync_seconds_total",      NV_COUNTER, NS,       "Time syncing the log has taken."},
    {"nodevitals_tsdb_corruptions_total",           NV_COUNTER, NV_AS_IS, "Damages found in the store's files and set aside."},
    {"nodevitals_tsdb_read_faults_total",           NV_COUNTER, NV_AS_IS, "How often a part of the store's files was asked for that is damaged or cannot be read; queries go without it."},
    {"nodevitals_tsdb_codec_faults_total",          NV_COUNTER, NV_AS_IS, "Columns that would not have come back as they were, and are kept as plain numbers instead."},
    {"nodevitals_tsdb_clock_set_backs_total",       NV_COUNTER, NV_AS_IS, "How often samples later than the clock were set aside, for it stayed an hour or more behind them."},
    {"nodevitals_tsdb_blocks",                      NV_GAUGE,   NV_AS_IS, "Blocks in the folder."},
    {"nodevitals_tsdb_merges_total",                NV_COUNTER, NV_AS_IS, "Blocks made of other blocks."},
    {"nodevitals_tsdb_thinned_samples_total",       NV_COUNTER, NV_AS_IS, "Samples left out for their age, while others near them stay."},
    {"nodevitals_tsdb_retention_dropped_blocks_total", NV_COUNTER, NV_AS_IS, "Blocks removed for their age or for the size of the folder."},
    {"nodevitals_tsdb_memory_bytes",                NV_GAUGE,   NV_AS_IS, "Memory that samples and their names take."},
    {"nodevitals_tsdb_in_memory",                   NV_GAUGE,   NV_AS_IS, "Whether there is no folder, so that history ends with the agent."},
    {"nodevitals_tsdb_write_failing",               NV_GAUGE,   NV_AS_IS, "Whether the disk now refuses what is to be written."},
};
static const struct nv_family span_columns[] = {
    {"nodevitals_tsdb_lowest_timestamp_seconds",    NV_GAUGE,   MS,       "Time of the oldest sample."},
    {"nodevitals_tsdb_highest_timestamp_seconds",   NV_GAUGE,   MS,       "Time of the newest sample."},
    {"nodevitals_tsdb_clock_behind_seconds",        NV_GAUGE,   MS,       "How far the clock is behind that; what comes meanwhile is dropped."},
};
static const struct nv_family dropped_column[] = {
    {"nodevitals_tsdb_samples_dropped_total",       NV_COUNTER, NV_AS_IS, "Samples not taken in, or frames lost to the disk, by reason."},
};
static const struct nv_family bytes_column[] = {
    {"nodevitals_tsdb_bytes",                       NV_GAUGE,   NV_AS_IS, "Size of the store's files, by kind."},
};
static const struct nv_family tick_columns[] = {
    {"nodevitals_tsdb_ticks_total",                 NV_COUNTER, NV_AS_IS, "Times the collectors were sampled for the store."},
    {"nodevitals_tsdb_missed_ticks_total",          NV_COUNTER, NV_AS_IS, "Times that would have been, had the one before not taken too long."},
    {"nodevitals_tsdb_clock_jumps_total",           NV_COUNTER, NV_AS_IS, "Steps of the wall clock the sampler has seen."},
    {"nodevitals_tsdb_tick_failures_total",         NV_COUNTER, NV_AS_IS, "Ticks without samples, for lack of memory."},
    {"nodevitals_tsdb_tick_seconds_total",          NV_COUNTER, NS,       "Time ticks have taken."},
};
// clang-format on
static const struct nv_table store_table = {NV_NO_LABELS, store_columns, NV_LEN(store_columns)};
static const struct nv_table span_table = {NV_NO_LABELS, span_columns, NV_LEN(span_columns)};
static const struct nv_table dropped_table = {NV_LABELS("reason"), dropped_column, 1};
static const struct nv_table bytes_table = {NV_LABELS("kind"), bytes_column, 1};
static const struct nv_table tick_table = {NV_NO_LABELS, tick_columns, NV_LEN(tick_columns)};

static void emit_labelled(struct nv_pass *pass, const struct nv_table *table, const char *label,
                          uint64_t value)
{
    struct nv_str text = nv_str(label);

    nv_emit_u64(pass, table, &text, 0, value);
}

static void emit_store(struct nv_pass *pass, const struct nv_history_told *told)
{
    struct nv_store_stats s;

    nv_store_stats(told->store, &s);
    const uint64_t values[] = {s.series,
                               s.frames,
                               s.samples,
                               s.log_syncs,
                               s.log_sync_ns,
                               s.corruptions,
                               s.read_faults,
                               s.codec_faults,
                               s.set_backs,
                               s.blocks,
                               s.merges,
                               s.thinned_samples,
                               s.retained_blocks_dropped,
                               s.memory_bytes,
                               told->in_memory,
                               s.disk_error != 0};
    static_assert(NV_LEN(values) == NV_LEN(store_columns), "one value a column");
    nv_emit_row(pass, &store_table, NULL, values, NV_LEN(values));

    if (s.from_ms <= s.to_ms) {
        nv_emit_i64(pass, &span_table, NULL, 0, s.from_ms);
        nv_emit_i64(pass, &span_table, NULL, 1, s.to_ms);
        nv_emit_i64(pass, &span_table, NULL, 2, s.behind_ms);
    }
    emit_labelled(pass, &dropped_table, "not_newer", s.dropped_not_newer);
    emit_labelled(pass, &dropped_table, "full", s.dropped_full);
    emit_labelled(pass, &dropped_table, "conflict", s.dropped_conflict);
    emit_labelled(pass, &dropped_table, "disk", s.dropped_disk);
    emit_labelled(pass, &bytes_table, "log", s.log_bytes);
    emit_labelled(pass, &bytes_table, "blocks", s.block_bytes);
    emit_labelled(pass, &bytes_table, "other", s.other_bytes);
}

static void emit_ticks(struct nv_pass *pass, struct nv_sampler *sampler)
{
    struct nv_sampler_stats s;

    nv_sampler_stats(sampler, &s);
    const uint64_t values[] = {s.ticks, s.missed, s.jumps, s.failed, s.ns};
    static_assert(NV_LEN(values) == NV_LEN(tick_columns), "one value a column");
    nv_emit_row(pass, &tick_table, NULL, values, NV_LEN(values));
}

static int collect(struct nv_pass *pass)
{
    const struct nv_history *history = (const void *)nv_flag(pass, 0)->text.p;
    struct nv_history_told told;

    nv_history_tell(history, &told); /* which proves the address */
    if (told.store)
        emit_store(pass, &told);
    if (told.sampler)
        emit_ticks(pass, told.sampler);
    return 0;
}

static const struct nv_flag flags[] = {
    {.name = "history", .kind = NV_FLAG_TEXT},
    {0                }
};

const struct nv_collector nv_history_collector = {
    NV_ABI_STAMP,
    .name = "self.history",
    .summary = "The local store.",
    .tables = NV_TABLES(&store_table, &span_table, &dropped_table, &bytes_table, &tick_table),
    .flags = flags,
    .cadence_ms = CADENCE_MS,
    .collect = collect,
};
