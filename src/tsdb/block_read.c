/*
 * Reads the samples of one series: its column, the times it goes with, and what its absence means.
 */
#include "tsdb/block_parts.h"

enum { DEAR_BYTES = 96 }; /* of a column: some hundred rows that are not alike */

/* A series on its way to samples; what it points to lives in the arena, or with what is held. */
struct series {
    struct nv_block *block;
    struct nv_scratch *scratch;
    struct nv_arena *arena; /* the scratch's, or the caller's */
    struct nv_column column;
    const struct nv_group_place *group; /* NULL: sparse */
    struct nv_cached *page, *times_held, *observed_held, *values_held;
    struct nv_str bytes; /* of the column, as far as not read yet */

    const int64_t *times, *starts;
    const uint64_t *observed, *present; /* NULL: all rows; present is never more than observed */
    size_t n_times, n;                  /* rows or own times; values */
    const double *values;
    const struct nv_histogram **histograms; /* of n; NULL: none */
};

static void series_done(struct series *s)
{
    if (s->n > s->scratch->rows)
        s->scratch->rows = s->n;
    nv_cached_free(s->page);
    nv_cached_free(s->times_held);
    nv_cached_free(s->observed_held);
    nv_cached_free(s->values_held);
}
#define AUTO_SERIES __attribute__((cleanup(series_done))) struct series

static int find_column(struct series *s, uint32_t number)
{
    struct nv_block *block = s->block;
    size_t page = nv_block_page_of(block, number);

    int r = nv_block_column_page(block, page, &s->page);
    if (r < 0)
        return r;
    const struct nv_column_page *columns = s->page->object;
    s->column = columns->at[number - block->footer.pages[page].first];
    if (!(s->column.flags & NV_COLUMN_SPARSE))
        s->group = &block->footer.groups[s->column.group];
    return 0;
}

static int read_column(struct series *s)
{
    const struct nv_column_page *columns = s->page->object;

    if (s->column.flags & NV_COLUMN_INLINE) {
        s->bytes = (struct nv_str){columns->bytes + s->column.offset, s->column.length};
        return 0;
    }
    return nv_block_part(s->block, (struct nv_part){s->column.offset, s->column.length}, s->arena,
                         &s->bytes);
}

/* The rows of a group it is present in. */
static int find_rows(struct series *s)
{
    size_t n_rows = s->n_times = s->group->n_rows;

    int r = read_column(s);
    if (r == 0)
        r = nv_block_observed(s->block, s->column.group, s->column.section, &s->observed_held);
    if (r < 0)
        return r;
    s->observed = s->present = s->observed_held->object;
    if (s->column.flags & NV_COLUMN_PRESENCE) {
        uint64_t *bits = nv_arena_alloc(s->arena, nv_words(n_rows) * sizeof(*bits));
        if (!bits)
            return -ENOMEM;
        r = nv_codec_decode_set(&s->bytes, bits, n_rows);
        if (r < 0)
            return r;
        for (size_t i = 0; s->observed && i < nv_words(n_rows); i++)
            if (bits[i] & ~s->observed[i])
                return -EBADMSG;
        s->present = bits;
    }
    s->n = s->present ? nv_bits_count(s->present, n_rows) : n_rows;
    return s->n ? 0 : -EBADMSG;
}

static int own_starts(struct series *s)
{
    struct nv_str column;
    double *exact = nv_arena_alloc(s->arena, s->n * sizeof(*exact));
    int64_t *starts = nv_arena_alloc(s->arena, s->n * sizeof(*starts));

    if (!exact || !starts)
        return -ENOMEM;
    if (!nv_get_sized(&s->bytes, &column))
        return -EBADMSG;
    int r = nv_codec_decode(s->scratch->codec, column, NULL, exact, s->n);
    for (size_t i = 0; r == 0 && i < s->n; i++) {
        if (!(fabs(exact[i]) <= (double)(INT64_C(1) << 53)))
            return -EBADMSG;
        starts[i] = (int64_t)exact[i];
    }
    s->starts = starts;
    return r;
}

static int own_times(struct series *s)
{
    struct nv_str column;

    s->n = s->n_times = s->column.extra;
    int64_t *times = nv_arena_alloc(s->arena, s->n * sizeof(*times));
    int r = times ? read_column(s) : -ENOMEM;
    if (r < 0)
        return r;
    if (!nv_get_sized(&s->bytes, &column))
        return -EBADMSG;
    r = nv_codec_decode_times(s->scratch->codec, column, times, s->n);
    for (size_t i = 1; r == 0 && i < s->n; i++)
        r = times[i] > times[i - 1] ? 0 : -EBADMSG;
    s->times = times;
    return r == 0 && s->column.flags & NV_COLUMN_STARTS ? own_starts(s) : r;
}

/* Doubles and histograms, each to its place. */
static int decode_mixed(struct series *s, double *values, struct nv_arena *histogram_memory)
{
    uint64_t *kinds = nv_arena_alloc(s->arena, nv_words(s->n) * sizeof(*kinds));
    double *doubles = nv_arena_alloc(s->arena, s->n * sizeof(*doubles));
    const struct nv_histogram **found =
        nv_arena_alloc(s->arena, s->n * sizeof(struct nv_histogram *));
    struct nv_str column;

    s->histograms = nv_arena_alloc(s->arena, s->n * sizeof(struct nv_histogram *));
    if (!kinds || !doubles || !found || !s->histograms)
        return -ENOMEM;
    int r = nv_codec_decode_set(&s->bytes, kinds, s->n);
    if (r < 0)
        return r;
    size_t n_found = nv_bits_count(kinds, s->n), n_doubles = s->n - n_found;
    if (!n_found || !nv_get_sized(&s->bytes, &column))
        return -EBADMSG;
    if (n_doubles)
        r = nv_codec_decode(s->scratch->codec, column, NULL, doubles, n_doubles);
    if (r == 0)
        r = nv_codec_decode_histograms(s->scratch->codec, s->bytes, histogram_memory, found,
                                       n_found);
    for (size_t i = 0, d = 0, h = 0; r == 0 && i < s->n; i++) {
        bool is_histogram = nv_bit(kinds, i);
        values[i] = is_histogram ? (double)NAN : doubles[d++];
        s->histograms[i] = is_histogram ? found[h++] : NULL;
    }
    return r;
}

static int decode_alone(struct series *s, struct nv_arena *histogram_memory)
{
    double *values = nv_arena_alloc(s->arena, s->n * sizeof(*values));

    s->values = values;
    if (!values)
        return -ENOMEM;
    if (s->column.flags & NV_COLUMN_HISTOGRAMS)
        return decode_mixed(s, values, histogram_memory);
    return nv_codec_decode(s->scratch->codec, s->bytes, NULL, values, s->n);
}

static bool same_rows(const struct series *a, const struct series *b)
{
    if (a->n != b->n || !a->present || !b->present)
        return a->n == b->n;
    return memcmp(a->present, b->present, nv_words(a->n_times) * sizeof(*a->present)) == 0;
}

/* The values of the column that another one is based on. */
static int decode_base(const struct series *s, const double **ret)
{
    AUTO_SERIES base = {.block = s->block, .scratch = s->scratch, .arena = s->arena};

    int r = find_column(&base, s->column.extra);
    if (r < 0)
        return r;
    if (base.column.group != s->column.group ||
        base.column.flags & (NV_COLUMN_BASED | NV_COLUMN_HISTOGRAMS | NV_COLUMN_SPARSE))
        return -EBADMSG;
    r = find_rows(&base);
    if (r == 0)
        r = same_rows(s, &base) ? decode_alone(&base, NULL) : -EBADMSG;
    *ret = base.values;
    return r;
}

static int decode(struct series *s, struct nv_arena *histogram_memory)
{
    const double *base = NULL;

    if (!(s->column.flags & NV_COLUMN_BASED))
        return decode_alone(s, histogram_memory);
    if (s->column.flags & NV_COLUMN_HISTOGRAMS)
        return -EBADMSG;
    int r = decode_base(s, &base);
    if (r < 0)
        return r;
    double *values = nv_arena_alloc(s->arena, s->n * sizeof(*values));
    s->values = values;
    return values ? nv_codec_decode(s->scratch->codec, s->bytes, base, values, s->n) : -ENOMEM;
}

/* Whether it takes so long to decode that the values are worth keeping: dashboards and rules come again. */
static bool is_dear(const struct series *s)
{
    return s->bytes.n >= DEAR_BYTES &&
           !(s->column.flags & (NV_COLUMN_HISTOGRAMS | NV_COLUMN_SPARSE));
}

static void keep_values(struct series *s, struct nv_block_cache *columns, const uint64_t key[2])
{
    if (!nv_cache_make_room(columns, s->n * sizeof(*s->values)))
        return;
    NV_AUTO(nv_cached) *cached = nv_cached_new(key, s->n * sizeof(*s->values));
    if (cached)
        cached->object = nv_arena_alloc(&cached->arena, s->n * sizeof(*s->values));
    if (!cached || !cached->object)
        return;
    memcpy(cached->object, s->values, s->n * sizeof(*s->values));
    nv_cache_put(columns, cached);
}

/* Decodes, unless somebody did lately. */
static int decode_or_find(struct series *s, uint32_t number, struct nv_arena *histogram_memory)
{
    struct nv_block_cache *columns = nv_cache_of_columns(s->block->cache);
    const uint64_t key[2] = {s->block->id, number};

    if (!columns || !is_dear(s))
        return decode(s, histogram_memory);
    s->values_held = nv_cache_get(columns, key);
    if (s->values_held) {
        s->values = s->values_held->object;
        return 0;
    }
    int r = decode(s, histogram_memory);
    if (r == 0)
        keep_values(s, columns, key);
    return r;
}

/* ---- samples -------------------------------------------------------------------------------- */

/* The first of n rising times at or after `ms`; n where all are before. */
static size_t first_from(const int64_t *times, size_t n, int64_t ms)
{
    size_t low = 0;

    for (size_t high = n; low < high;) {
        size_t middle = (low + high) / 2;
        if (times[middle] < ms)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Makes the columns that not all series have, for the samples there are and n more. */
static int samples_room(struct nv_samples *samples, size_t n, bool starts, bool histograms)
{
    int r = nv_samples_room(samples, n);

    if (r < 0)
        return r;
    if (starts && !samples->starts)
        samples->starts = calloc(samples->room, sizeof(*samples->starts));
    if (histograms && !samples->histograms)
        samples->histograms = calloc(samples->room, sizeof(struct nv_histogram *));
    return (starts && !samples->starts) || (histograms && !samples->histograms) ? -ENOMEM : 0;
}

/* Values `from` on, at times that follow each other. */
static void add_run(const struct series *s, struct nv_samples *samples, size_t row, size_t from,
                    size_t n)
{
    size_t at = samples->n;

    memcpy(samples->times + at, s->times + row, n * sizeof(*s->times));
    memcpy(samples->values + at, s->values + from, n * sizeof(*s->values));
    if (samples->starts && s->starts)
        memcpy(samples->starts + at, s->starts + row, n * sizeof(*s->starts));
    else if (samples->starts)
        memset(samples->starts + at, 0, n * sizeof(*samples->starts));
    for (size_t i = 0; samples->histograms && i < n; i++)
        samples->histograms[at + i] = s->histograms ? s->histograms[from + i] : NULL;
    samples->n += n;
}

static bool stale(const struct series *s, size_t value)
{
    if (s->histograms && s->histograms[value])
        return nv_is_stale(s->histograms[value]->sum);
    return nv_is_stale(s->values[value]);
}

static void add_marker(const struct series *s, struct nv_samples *samples, size_t row)
{
    size_t at = samples->n++;

    samples->times[at] = s->times[row];
    samples->values[at] = nv_stale();
    if (samples->starts)
        samples->starts[at] = 0;
    if (samples->histograms)
        samples->histograms[at] = NULL;
}

static uint64_t word_of(const uint64_t *bits, size_t i)
{
    return bits ? bits[i] : UINT64_MAX;
}

/* Whether the series had a value, and not a marker, when it was observed last before a row. */
static bool lived_before(const struct series *s, size_t row, size_t value)
{
    for (size_t i = nv_words(row); i-- > 0;) {
        uint64_t mask = i == row / 64 ? nv_last_word(row) : UINT64_MAX;
        uint64_t observed = word_of(s->observed, i) & mask;
        if (observed) {
            uint64_t last = UINT64_C(1) << (63 - __builtin_clzll(observed));
            return word_of(s->present, i) & last && !stale(s, value - 1);
        }
    }
    return false;
}

/* The rows [from, to), one by one. `value`: the first of them. */
static void add_rows(const struct series *s, struct nv_samples *samples, size_t from, size_t to,
                     size_t value)
{
    bool lives = lived_before(s, from, value);

    for (size_t i = from / 64; i < nv_words(to); i++) {
        uint64_t observed = word_of(s->observed, i), present = word_of(s->present, i);
        if (i == from / 64)
            observed &= UINT64_MAX << (from % 64);
        if (i == to / 64)
            observed &= nv_last_word(to);
        for (; observed; observed &= observed - 1) {
            size_t row = i * 64 + (size_t)__builtin_ctzll(observed);
            if (present >> (row % 64) & 1) {
                lives = !stale(s, value);
                add_run(s, samples, row, value++, 1);
            } else if (lives) {
                lives = false;
                add_marker(s, samples, row);
            }
        }
    }
}

static int add_samples(const struct series *s, int64_t from_ms, int64_t to_ms,
                       struct nv_samples *samples)
{
    size_t from = first_from(s->times, s->n_times, from_ms);
    size_t to = to_ms == INT64_MAX ? s->n_times : first_from(s->times, s->n_times, to_ms + 1);

    if (to <= from)
        return 0;
    int r = samples_room(samples, to - from, s->starts, s->histograms);
    if (r < 0)
        return r;
    if (s->n == s->n_times)
        add_run(s, samples, from, from, to - from);
    else
        add_rows(s, samples, from, to, nv_bits_count(s->present, from));
    return 0;
}

static int read_series(struct nv_block *block, struct nv_scratch *scratch, uint32_t number,
                       int64_t from_ms, int64_t to_ms, struct nv_samples *samples)
{
    AUTO_SERIES s = {.block = block, .scratch = scratch, .arena = &scratch->arena};

    int r = find_column(&s, number);
    if (r < 0)
        return r;
    if (s.column.flags & NV_COLUMN_SPARSE) {
        r = own_times(&s);
    } else {
        if (s.group->to_ms < from_ms || s.group->from_ms > to_ms)
            return 0;
        r = find_rows(&s);
        if (r == 0)
            r = nv_block_times(block, s.column.group, &s.times_held);
        if (r == 0)
            s.times = s.times_held->object;
    }
    if (r == 0)
        r = decode_or_find(&s, number, &samples->histogram_memory);
    return r < 0 ? r : add_samples(&s, from_ms, to_ms, samples);
}

int nv_block_read(struct nv_block *block, uint32_t series, int64_t from_ms, int64_t to_ms,
                  struct nv_samples *samples)
{
    size_t before = samples->n;
    uint64_t faults = nv_block_faults(block);

    if (series >= block->footer.n_series)
        return -EINVAL;
    if (from_ms > to_ms || block->info.to_ms < from_ms || block->info.from_ms > to_ms)
        return 0;
    if (!samples->histogram_memory.max)
        samples->histogram_memory.max = (size_t)1 << 30;
    struct nv_scratch *scratch = nv_cache_lend(block->cache);
    if (!scratch)
        return -ENOMEM;
    int r = read_series(block, scratch, series, from_ms, to_ms, samples);
    nv_cache_give_back(block->cache, scratch);
    if (faults ==
        nv_block_faults(block)) /* a part that is kept in the cache was noted when it was loaded */
        nv_block_note_fault(block, r);
    if (r == 0)
        nv_marks_apply(block, series, samples, before);
    return r;
}

/* ---- for merging ---------------------------------------------------------------------------- */

static int copy_bits(const uint64_t *bits, size_t n, struct nv_arena *arena, const uint64_t **ret)
{
    uint64_t *copy = nv_arena_alloc(arena, nv_words(n) * sizeof(*copy));

    if (!copy)
        return -ENOMEM;
    if (bits)
        memcpy(copy, bits, nv_words(n) * sizeof(*copy));
    else
        nv_bits_fill(copy, n);
    *ret = copy;
    return 0;
}

int nv_block_group(struct nv_block *block, uint32_t group, struct nv_arena *arena,
                   struct nv_block_group *ret)
{
    if (group >= block->footer.n_groups)
        return -EINVAL;
    const struct nv_group_place *place = &block->footer.groups[group];
    NV_AUTO(nv_cached) *held = NULL;
    int r = nv_block_times(block, group, &held);
    if (r < 0)
        return r;
    int64_t *times = nv_arena_alloc(arena, place->n_rows * sizeof(*times));
    const uint64_t **observed = nv_arena_alloc(arena, (place->n_sections + 1) * sizeof(uint64_t *));
    if (!times || !observed)
        return -ENOMEM;
    memcpy(times, held->object, place->n_rows * sizeof(*times));
    uint32_t n;
    r = nv_block_sets(block, group, arena, observed, &n);
    if (r < 0)
        return r;
    *ret = (struct nv_block_group){place->n_rows, place->n_sections, times, observed};
    return 0;
}

/* Finds the series and when it has values; s->bytes is left at these. */
static int find_values(struct series *s, uint32_t number)
{
    int r = find_column(s, number);

    return r < 0 ? r : s->column.flags & NV_COLUMN_SPARSE ? own_times(s) : find_rows(s);
}

static int take_column(struct nv_block *block, struct nv_scratch *scratch, uint32_t number,
                       struct nv_arena *arena, struct nv_block_column *ret)
{
    AUTO_SERIES s = {.block = block, .scratch = scratch, .arena = arena};
    const uint64_t *present = NULL;

    int r = find_values(&s, number);
    if (r == 0)
        r = decode(&s, arena);
    if (r == 0 && s.group)
        r = copy_bits(s.present, s.n_times, arena, &present);
    if (r == 0)
        *ret = (struct nv_block_column){
            .group = s.column.group,
            .section = s.column.section,
            .present = present,
            .times = s.times,
            .starts = s.starts,
            .values = s.values,
            .histograms = s.histograms,
            .n = s.n,
        };
    return r;
}

int nv_block_column(struct nv_block *block, uint32_t series, struct nv_arena *arena,
                    struct nv_block_column *ret)
{
    if (series >= block->footer.n_series)
        return -EINVAL;
    struct nv_scratch *scratch = nv_cache_lend(block->cache);
    if (!scratch)
        return -ENOMEM;
    int r = take_column(block, scratch, series, arena, ret);
    nv_cache_give_back(block->cache, scratch);
    return r;
}

static int name_codec(struct nv_block *block, struct nv_scratch *scratch, uint32_t number,
                      const char **ret)
{
    AUTO_SERIES s = {.block = block, .scratch = scratch, .arena = &scratch->arena};

    int r = find_values(&s, number);
    if (r == 0)
        *ret = s.column.flags & NV_COLUMN_HISTOGRAMS ? "histogram" : nv_codec_name(s.bytes);
    return r;
}

int nv_block_codec(struct nv_block *block, uint32_t series, const char **ret)
{
    struct nv_scratch *scratch = nv_cache_lend(block->cache);

    if (!scratch)
        return -ENOMEM;
    int r = name_codec(block, scratch, series, ret);
    nv_cache_give_back(block->cache, scratch);
    return r;
}
