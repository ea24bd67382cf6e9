#include "tsdb/import_parts.h"

#include <errno.h>
#include <stdio.h>
#include <sys/random.h>

#include "base/assert.h"

enum { FIRST_ROWS = 4096, PROGRESS_ROWS = 1 << 16 };

/* What a sample costs while it is sorted: the row, and its place in order. */
#define ROW_BYTES (sizeof(struct nv_import_row) + sizeof(struct nv_import_sample))

void nv_import_name(const struct nv_import *import, unsigned run, char out[NV_IMPORT_NAME_MAX])
{
    if (run == NV_IMPORT_MERGED)
        snprintf(out, NV_IMPORT_NAME_MAX, NV_BLOCK_UNFINISHED "%016llx.merged",
                 (unsigned long long)import->random);
    else
        snprintf(out, NV_IMPORT_NAME_MAX, NV_BLOCK_UNFINISHED "%016llx.run%u",
                 (unsigned long long)import->random, run);
}

/* ---- series --------------------------------------------------------------------------------- */

static uint64_t labels_hash(const struct nv_label *labels, size_t n)
{
    uint64_t hash = n;

    for (size_t i = 0; i < n; i++) {
        hash = nv_hash(labels[i].name.p, labels[i].name.n, hash);
        hash = nv_hash(labels[i].value.p, labels[i].value.n, hash);
    }
    return hash;
}

static uint64_t series_hash(uint32_t value, const void *all)
{
    const struct nv_import_series *series = (const struct nv_import_series *)all + value;

    return labels_hash(series->labels, series->n_labels);
}

/* A copy in the arena; false past its limit. */
static bool copy_labels(struct nv_arena *arena, const struct nv_label *labels, size_t n,
                        const struct nv_label **ret)
{
    struct nv_label *copy = nv_arena_alloc(arena, (n ? n : 1) * sizeof(*copy));

    for (size_t i = 0; copy && i < n; i++) {
        copy[i].name = nv_arena_str(arena, labels[i].name);
        copy[i].value = nv_arena_str(arena, labels[i].value);
        if (!copy[i].name.p || !copy[i].value.p)
            return false;
    }
    *ret = copy;
    return copy;
}

static int new_series(struct nv_import *import, uint64_t hash, const struct nv_label *labels,
                      size_t n_labels)
{
    if (import->n_series == NV_BLOCK_SERIES_MAX)
        return -EDQUOT;
    if (import->n_series == import->room_series) {
        size_t room = import->room_series ? import->room_series * 2 : 256;
        struct nv_import_series *grown = realloc(import->series, room * sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        import->series = grown;
        import->room_series = room;
    }
    struct nv_import_series *series = &import->series[import->n_series];
    *series = (struct nv_import_series){.n_labels = (uint32_t)n_labels, .newest_ms = INT64_MIN};
    if (!copy_labels(&import->labels, labels, n_labels, &series->labels))
        return -EDQUOT;
    int r =
        nv_index_add(&import->index, hash, (uint32_t)import->n_series, series_hash, import->series);
    if (r < 0)
        return r;
    import->n_series++;
    import->stats.series++;
    return 0;
}

int nv_import_series(struct nv_import *import, const struct nv_label *labels, size_t n_labels,
                     uint32_t *ret)
{
    uint64_t hash = labels_hash(labels, n_labels);
    uint32_t at = nv_index_first(&import->index, hash), v;

    while (nv_index_next(&import->index, hash, &at, &v)) {
        const struct nv_import_series *series = &import->series[v];
        if (nv_labels_compare(series->labels, series->n_labels, labels, n_labels) == 0) {
            *ret = v;
            return 0;
        }
    }
    int r = new_series(import, hash, labels, n_labels);
    if (r < 0)
        return r;
    *ret = (uint32_t)import->n_series - 1;
    return 0;
}

/* ---- order ---------------------------------------------------------------------------------- */

static bool is_rising(const struct nv_import_sample *samples, size_t n)
{
    for (size_t i = 1; i < n; i++)
        if (samples[i].time_ms < samples[i - 1].time_ms)
            return false;
    return true;
}

/* Sorts by time; equal ones keep their order. */
static void sort_samples(struct nv_import_sample *samples, size_t n,
                         struct nv_import_sample *scratch)
{
    if (is_rising(samples, n))
        return;
    for (size_t width = 1; width < n; width *= 2) {
        for (size_t from = 0; from < n; from += 2 * width) {
            size_t middle = from + width < n ? from + width : n;
            size_t end = from + 2 * width < n ? from + 2 * width : n, a = from, b = middle;
            for (size_t i = from; i < end; i++)
                scratch[i] = b == end || (a < middle && samples[a].time_ms <= samples[b].time_ms)
                                 ? samples[a++]
                                 : samples[b++];
        }
        memcpy(samples, scratch, n * sizeof(*samples));
    }
}

/* Puts the rows in order of series and time, and frees them. Series learn their places. */
static int sort_rows(struct nv_import *import)
{
    struct nv_import_sample *sorted = calloc(import->n_rows + 1, sizeof(*sorted));
    uint64_t at = 0;

    if (!sorted)
        return -ENOMEM;
    for (size_t s = 0; s < import->n_series; s++)
        import->series[s].end = 0;
    for (size_t i = 0; i < import->n_rows; i++)
        import->series[import->rows[i].series].end++;
    for (size_t s = 0; s < import->n_series; s++) {
        struct nv_import_series *series = &import->series[s];
        uint64_t n = series->end;
        series->at = series->end = at;
        at += n;
    }
    for (size_t i = 0; i < import->n_rows; i++)
        sorted[import->series[import->rows[i].series].end++] = import->rows[i].sample;
    for (size_t s = 0; s < import->n_series; s++) {
        const struct nv_import_series *series = &import->series[s];
        sort_samples(sorted + series->at, (size_t)(series->end - series->at),
                     (struct nv_import_sample *)import->rows); /* which are done with */
    }
    import->sorted = sorted;
    return 0;
}

/* Of equal times the last stays. Returns how many are left. */
static size_t drop_equal(struct nv_import *import, struct nv_import_sample *samples, size_t n)
{
    size_t kept = 0;

    for (size_t i = 0; i < n; i++) {
        if (kept && samples[kept - 1].time_ms == samples[i].time_ms) {
            nv_import_count_equal(import, samples[i].value, samples[kept - 1].value);
            kept--;
        }
        samples[kept++] = samples[i];
    }
    return kept;
}

static int sort_in_memory(struct nv_import *import)
{
    int r = sort_rows(import);

    if (r < 0)
        return r;
    for (size_t s = 0; s < import->n_series; s++) {
        struct nv_import_series *series = &import->series[s];
        series->end = series->at + drop_equal(import, import->sorted + series->at,
                                              (size_t)(series->end - series->at));
        if (series->at < series->end)
            series->next_ms = import->sorted[series->at].time_ms;
    }
    free(nv_take(import->rows));
    import->n_rows = 0;
    return 0;
}

/* ---- spilling ------------------------------------------------------------------------------- */

/* A run: per series that has samples its number, how many (both uint32), and the samples. In the byte order
 * of the machine, for the file does not outlive the process. */
static int write_run(struct nv_import *import, int handle)
{
    for (size_t s = 0; s < import->n_series; s++) {
        const struct nv_import_series *series = &import->series[s];
        uint32_t head[2] = {(uint32_t)s, (uint32_t)(series->end - series->at)};
        if (!head[1])
            continue;
        int r = import->fs->ops->append(import->fs, handle, head, sizeof(head));
        if (r == 0)
            r = import->fs->ops->append(import->fs, handle, import->sorted + series->at,
                                        head[1] * sizeof(*import->sorted));
        if (r < 0)
            return r;
        import->stats.spilled += sizeof(head) + head[1] * sizeof(*import->sorted);
    }
    return 0;
}

static int spill(struct nv_import *import)
{
    char name[NV_IMPORT_NAME_MAX];

    if (import->n_runs == NV_IMPORT_RUNS_MAX)
        return -EDQUOT;
    int r = sort_rows(import);
    if (r < 0)
        return r;
    nv_import_name(import, import->n_runs, name);
    int handle = import->fs->ops->create(import->fs, name);
    if (handle >= 0) {
        import->n_runs++;
        r = write_run(import, handle);
        import->fs->ops->close(import->fs, handle);
    }
    free(nv_take(import->sorted));
    import->n_rows = 0;
    return handle < 0 ? handle : r;
}

/* ---- what is exported ----------------------------------------------------------------------- */

int nv_import_new(const struct nv_import_options *options, struct nv_import **ret)
{
    size_t memory = options->memory ? options->memory : NV_IMPORT_MEMORY;
    NV_AUTO(nv_import) *import = calloc(1, sizeof(*import));

    if (!import)
        return -ENOMEM;
    import->options = *options;
    if (!import->options.span_ms)
        import->options.span_ms = NV_IMPORT_SPAN_MS;
    import->options.memory = memory < NV_IMPORT_MEMORY_MIN ? NV_IMPORT_MEMORY_MIN : memory;
    import->max_rows = import->options.memory / ROW_BYTES;
    import->fs = options->fs;
    import->merged = -1;
    import->labels = NV_ARENA(NV_IMPORT_LABELS_MAX);
    if (getrandom(&import->random, sizeof(import->random), 0) != sizeof(import->random))
        return -EIO;
    *ret = nv_take(import);
    return 0;
}

void nv_import_free(struct nv_import *import)
{
    char name[NV_IMPORT_NAME_MAX];

    if (!import)
        return;
    for (unsigned i = 0; i < import->n_runs; i++) {
        nv_import_name(import, i, name);
        import->fs->ops->unlink(import->fs, name);
    }
    if (import->merged >= 0) {
        import->fs->ops->close(import->fs, import->merged);
        nv_import_name(import, NV_IMPORT_MERGED, name);
        import->fs->ops->unlink(import->fs, name);
    }
    free(import->rows);
    free(import->sorted);
    free(import->series);
    nv_index_done(&import->index);
    nv_arena_done(&import->labels);
    free(import);
}

static int grow_rows(struct nv_import *import)
{
    size_t room = import->room_rows ? import->room_rows * 2 : FIRST_ROWS;

    if (room > import->max_rows)
        room = import->max_rows;
    struct nv_import_row *grown = realloc(import->rows, room * sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    import->rows = grown;
    import->room_rows = room;
    return 0;
}

int nv_import_add(struct nv_import *import, uint32_t series, int64_t time_ms, double value)
{
    struct nv_import_series *of = &import->series[series];
    int r = 0;

    nv_assert(series < import->n_series);
    if (import->n_rows == import->max_rows)
        r = spill(import);
    if (r == 0 && import->n_rows == import->room_rows)
        r = grow_rows(import);
    if (r < 0)
        return r;
    import->rows[import->n_rows++] = (struct nv_import_row){
        {time_ms, value},
        series
    };
    import->stats.samples++;
    if (time_ms < of->newest_ms)
        import->stats.out_of_order++;
    else
        of->newest_ms = time_ms;
    if (import->options.progress && import->stats.samples % PROGRESS_ROWS == 0)
        import->options.progress(import->options.user, &import->stats);
    return 0;
}

int nv_import_read(struct nv_import *import, uint64_t at, size_t n, struct nv_import_sample *ret)
{
    size_t bytes = n * sizeof(*ret);

    if (import->merged < 0) {
        memcpy(ret, import->sorted + at, bytes);
        return 0;
    }
    ssize_t got = import->fs->ops->pread(import->fs, import->merged, ret, bytes, at * sizeof(*ret));
    return got < 0 ? (int)got : (size_t)got == bytes ? 0 : -EIO;
}

int nv_import_finish(struct nv_import *import, struct nv_import_stats *ret)
{
    int r = 0;

    if (import->n_rows && !import->n_runs) {
        r = sort_in_memory(import);
    } else if (import->n_runs) {
        if (import->n_rows)
            r = spill(import);
        free(nv_take(import->rows));
        if (r == 0)
            r = nv_import_merge(import);
    }
    if (r == 0)
        r = nv_import_write(import);
    *ret = import->stats;
    return r;
}
