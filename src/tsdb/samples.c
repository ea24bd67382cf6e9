/*
 * Samples of one series, out of memory and out of several parts.
 */
#include "base/assert.h"
#include "tsdb/parts.h"

int nv_samples_add(struct nv_samples *samples, int64_t time_ms, double value,
                   const struct nv_histogram *histogram)
{
    int r = nv_samples_room(samples, 1);
    if (r < 0)
        return r;
    if (histogram && !samples->histograms) {
        samples->histograms = calloc(samples->room, sizeof(*samples->histograms));
        if (!samples->histograms)
            return -ENOMEM;
    }
    size_t i = samples->n++;
    samples->times[i] = time_ms;
    samples->values[i] = histogram ? NAN : value;
    if (samples->histograms)
        samples->histograms[i] = histogram;
    if (samples->starts)
        samples->starts[i] = 0;
    return 0;
}

static void move(struct nv_samples *samples, size_t to, size_t from)
{
    samples->times[to] = samples->times[from];
    samples->values[to] = samples->values[from];
    if (samples->histograms)
        samples->histograms[to] = samples->histograms[from];
    if (samples->starts)
        samples->starts[to] = samples->starts[from];
}

static bool is_marker(const struct nv_samples *samples, size_t i)
{
    if (samples->histograms && samples->histograms[i])
        return nv_is_stale(samples->histograms[i]->sum);
    return nv_is_stale(samples->values[i]);
}

static bool is_rising(const struct nv_samples *samples, size_t first)
{
    for (size_t i = first + 1; i < samples->n; i++)
        if (samples->times[i] < samples->times[i - 1])
            return false;
    return true;
}

/* Merges two neighbouring runs of sample numbers, the earlier run first where times are equal. */
static void merge_runs(const int64_t *times, const uint32_t *from, uint32_t *to, size_t n_a,
                       size_t n)
{
    size_t a = 0, b = n_a;

    for (size_t i = 0; i < n; i++)
        to[i] = b == n || (a < n_a && times[from[a]] <= times[from[b]]) ? from[a++] : from[b++];
}

/* A stable sort of the numbers of samples by time. Parts overlap seldom: a clock that was set back. */
static uint32_t *sort_numbers(const int64_t *times, size_t n)
{
    uint32_t *at = malloc(n * sizeof(*at)), *other = malloc(n * sizeof(*other));

    for (size_t i = 0; at && i < n; i++)
        at[i] = (uint32_t)i;
    for (size_t width = 1; at && other && width < n; width *= 2) {
        for (size_t i = 0; i < n; i += 2 * width) {
            size_t left = n - i, all = left < 2 * width ? left : 2 * width;
            merge_runs(times, at + i, other + i, left < width ? left : width, all);
        }
        uint32_t *swap = at;
        at = other;
        other = swap;
    }
    if (!other) {
        free(at);
        at = NULL;
    }
    free(other);
    return at;
}

#define PERMUTE(column, type)                                                                      \
    do {                                                                                           \
        NV_AUTO_FREE type *copy = malloc(n * sizeof(type));                                        \
        if (!copy)                                                                                 \
            return -ENOMEM;                                                                        \
        memcpy(copy, (column) + first, n * sizeof(type));                                          \
        for (size_t i = 0; i < n; i++)                                                             \
            (column)[first + i] = copy[order[i]];                                                  \
    } while (0)

static int sort(struct nv_samples *samples, size_t first)
{
    size_t n = samples->n - first;
    NV_AUTO_FREE uint32_t *order = n <= UINT32_MAX ? sort_numbers(samples->times + first, n) : NULL;

    if (!order)
        return -ENOMEM;
    PERMUTE(samples->values, double);
    if (samples->histograms)
        PERMUTE(samples->histograms, const struct nv_histogram *);
    if (samples->starts)
        PERMUTE(samples->starts, int64_t);
    PERMUTE(samples->times, int64_t);
    return 0;
}

/* Mostly they are one rising series of doubles without markers. Two loops without branches tell. */
static bool is_settled(const struct nv_samples *samples, size_t first)
{
    bool rising = true, marked = samples->histograms;

    for (size_t i = first + 1; i < samples->n; i++)
        rising &= samples->times[i] > samples->times[i - 1];
    for (size_t i = first; i < samples->n; i++)
        marked |= nv_is_stale(samples->values[i]);
    return rising && !marked;
}

int nv_samples_settle(struct nv_samples *samples, size_t first, bool keep_first)
{
    size_t kept = first;

    if (is_settled(samples, first))
        return 0;
    if (!is_rising(samples, first)) {
        int r = sort(samples, first);
        if (r < 0)
            return r;
    }
    for (size_t i = first; i < samples->n; i++) {
        bool before = kept > first;
        if (before && samples->times[i] == samples->times[kept - 1])
            continue;
        if (is_marker(samples, i) && (before ? is_marker(samples, kept - 1) : !keep_first))
            continue;
        if (kept != i)
            move(samples, kept, i);
        kept++;
    }
    samples->n = kept;
    return 0;
}

/* ---- memory --------------------------------------------------------------------------------- */

/* Adds the rows of a strip: values, and a marker where the section was observed without the series. */
static int add_strip(const struct nv_strip *strip, const int64_t *times, int64_t from_ms,
                     int64_t to_ms, struct nv_samples *samples)
{
    for (uint64_t rows = strip->observed | strip->present; rows; rows &= rows - 1) {
        unsigned row = (unsigned)__builtin_ctzll(rows);
        uint64_t bit = UINT64_C(1) << row;
        if (times[row] < from_ms || times[row] > to_ms)
            continue;
        bool present = strip->present & bit;
        if (!present && samples->n && samples->times[samples->n - 1] < times[row] &&
            nv_is_stale(samples->values[samples->n - 1]))
            continue; /* stale already */
        int r = nv_samples_add(samples, times[row], present ? strip->values[row] : nv_stale(),
                               strip->native & bit ? strip->histograms[row] : NULL);
        if (r < 0)
            return r;
    }
    return 0;
}

static const struct nv_place *place_in(const struct nv_place *places, size_t n,
                                       const struct nv_columns *columns)
{
    for (size_t i = n; i-- > 0;)
        if (places[i].columns == columns)
            return &places[i];
    return NULL;
}

static int read_page(struct nv_codec *codec, const struct nv_page *page,
                     const struct nv_place *place, int64_t from_ms, int64_t to_ms,
                     struct nv_samples *samples)
{
    struct nv_strip strip;
    int64_t times[NV_CHUNK_ROWS];

    int r = nv_page_times(codec, page, times);
    if (r == 0)
        r = nv_page_strip(codec, page, place->column, place->section, &samples->histogram_memory,
                          &strip);
    return r < 0 ? r : add_strip(&strip, times, from_ms, to_ms, samples);
}

/* Histograms of a chunk go with it, so they are copied. */
static int read_chunk(const struct nv_chunk *chunk, uint32_t n_rows, const struct nv_place *place,
                      int64_t from_ms, int64_t to_ms, struct nv_samples *samples)
{
    struct nv_strip strip;

    nv_chunk_strip(chunk, n_rows, place->column, place->section, &strip);
    for (uint64_t rows = strip.native; rows; rows &= rows - 1) {
        unsigned row = (unsigned)__builtin_ctzll(rows);
        strip.histograms[row] =
            nv_histogram_copy(&samples->histogram_memory, strip.histograms[row]);
        if (!strip.histograms[row])
            return -ENOMEM;
    }
    return add_strip(&strip, chunk->times, from_ms, to_ms, samples);
}

int nv_head_read(struct nv_store *store, struct nv_codec *codec, const struct nv_head_view *view,
                 const struct nv_head_series *series, int64_t from_ms, int64_t to_ms,
                 struct nv_samples *samples, uint64_t *faults)
{
    __attribute__((cleanup(nv_arena_done))) struct nv_arena arena = NV_ARENA(1 << 24);
    struct nv_place *places;
    size_t n, first = samples->n;

    if (!samples->histogram_memory.max)
        samples->histogram_memory = NV_ARENA(1 << 30);
    int r = nv_series_places(store->table, series, &arena, &places, &n);
    for (size_t i = 0; r == 0 && i < view->n_pages; i++) {
        const struct nv_page *page = view->pages[i];
        const struct nv_place *place = place_in(places, n, page->columns);
        if (place && page->from_ms <= to_ms && page->to_ms >= from_ms)
            r = read_page(codec, page, place, from_ms, to_ms, samples);
        if (nv_is_damage(r)) { /* decoding comes before the first sample is added */
            nv_count(&store->stats.read_faults, 1);
            ++*faults;
            r = 0;
        }
    }
    for (size_t i = 0; r == 0 && i < view->n_chunks; i++) {
        const struct nv_chunk *chunk = view->chunks[i];
        const struct nv_place *place = place_in(places, n, chunk->columns);
        if (place && view->rows[i])
            r = read_chunk(chunk, view->rows[i], place, from_ms, to_ms, samples);
    }
    if (r == 0)
        nv_store_apply_marks(store, series, samples, first);
    return r;
}
