/*
 * Writes a block: columns as they come, then pages of labels and columns in the order of labels, the index of
 * values, the footer.
 *
 * In memory until then: label sets (their texts once), a place per column, short columns, observed sets of the
 * groups, and the latest columns to try as bases.
 */
#include "tsdb/block_write.h"

#include <stdio.h>
#include <sys/random.h>

#include "base/clock.h"

enum {
    OUT_BYTES = 64 << 10,
    COLUMN_BYTES_MAX = 64 << 20,
    INLINED_MAX = NV_BLOCK_SERIES_MAX * NV_INLINE_MAX,
    MANY = 32 << 10, /* series of a block, beyond which time matters more than size */
};

/* ---- the file ------------------------------------------------------------------------------- */

static int flush(struct nv_block_writer *w)
{
    if (w->failed == 0 && w->out.failed)
        w->failed = w->out.failed;
    if (w->failed == 0 && w->out.n)
        w->failed = w->fs->ops->append(w->fs, w->handle, w->out.p, w->out.n);
    nv_buf_reset(&w->out);
    return w->failed;
}

static int put(struct nv_block_writer *w, const void *p, size_t n)
{
    if (w->out.n + n > OUT_BYTES && flush(w) < 0)
        return w->failed;
    w->offset += n;
    if (n <= OUT_BYTES) {
        nv_buf_add(&w->out, p, n);
        return 0;
    }
    w->failed = w->fs->ops->append(w->fs, w->handle, p, n);
    return w->failed;
}

/* A part and its checksum. */
static int put_part(struct nv_block_writer *w, const struct nv_buf *bytes, struct nv_part *ret)
{
    uint32_t crc = nv_crc32c(0, bytes->p, bytes->n);
    unsigned char tail[NV_PART_CRC];

    if (bytes->failed)
        return bytes->failed;
    if (bytes->n > UINT32_MAX - NV_PART_CRC)
        return -EFBIG;
    *ret = (struct nv_part){w->offset, (uint32_t)bytes->n};
    for (size_t i = 0; i < sizeof(tail); i++)
        tail[i] = (unsigned char)(crc >> (8 * i));
    int r = put(w, bytes->p, bytes->n);
    return r < 0 ? r : put(w, tail, sizeof(tail));
}

int nv_writer_put_packed(struct nv_block_writer *w, const struct nv_buf *raw, struct nv_part *ret)
{
    if (raw->failed)
        return raw->failed;
    if (raw->n > NV_PACKED_MAX)
        return -EFBIG;
    nv_buf_reset(&w->packed);
    int r = nv_pack(w->zstd, w->n_series > MANY, nv_buf_view(raw), &w->packed);
    return r < 0 ? r : put_part(w, &w->packed, ret);
}

static int put_header(struct nv_block_writer *w)
{
    NV_AUTO_BUF header = NV_BUF(NV_BLOCK_HEADER);

    nv_buf_text(&header, NV_BLOCK_MAGIC);
    nv_put_u32(&header, NV_BLOCK_VERSION);
    nv_put_u32(&header, nv_crc32c(0, header.p, header.n));
    return header.failed ? header.failed : put(w, header.p, header.n);
}

int nv_writer_put_footer(struct nv_block_writer *w)
{
    NV_AUTO_BUF footer = NV_BUF(NV_FOOTER_MAX), trailer = NV_BUF(NV_BLOCK_TRAILER);
    uint64_t offset = w->offset;

    nv_footer_encode(&w->footer, &footer);
    if (footer.failed)
        return footer.failed;
    nv_put_u64(&trailer, offset);
    nv_put_u32(&trailer, (uint32_t)footer.n);
    nv_put_u32(&trailer, nv_crc32c(0, footer.p, footer.n));
    nv_put_u32(&trailer, nv_crc32c(0, trailer.p, trailer.n));
    int r = put(w, footer.p, footer.n);
    if (r == 0)
        r = trailer.failed ? trailer.failed : put(w, trailer.p, trailer.n);
    return r < 0 ? r : flush(w);
}

static uint64_t random_number(void)
{
    uint64_t number = 0;

    if (getrandom(&number, sizeof(number), GRND_NONBLOCK) != sizeof(number))
        number = (uint64_t)nv_monotonic_ns();
    return number;
}

int nv_block_writer_new(struct nv_fs *fs, struct nv_block_writer **ret)
{
    NV_AUTO(nv_block_writer) *w = calloc(1, sizeof(*w));

    if (!w)
        return -ENOMEM;
    w->handle = -1;
    w->fs = fs;
    w->random = random_number();
    w->strings = NV_ARENA(SIZE_MAX / 2);
    w->out = NV_BUF(OUT_BYTES);
    w->column = NV_BUF(COLUMN_BYTES_MAX);
    w->doubles = NV_BUF(COLUMN_BYTES_MAX);
    w->packed = NV_BUF(COLUMN_BYTES_MAX + 64);
    w->inlined = NV_BUF(INLINED_MAX);
    w->footer.from_ms = INT64_MAX;
    w->footer.to_ms = INT64_MIN;
    w->codec = nv_codec_new();
    w->zstd = ZSTD_createCCtx();
    if (!w->codec || !w->zstd)
        return -ENOMEM;
    snprintf(w->temporary, sizeof(w->temporary), NV_BLOCK_UNFINISHED "%016llx" NV_BLOCK_SUFFIX,
             (unsigned long long)w->random);
    int r = fs->ops->create(fs, w->temporary);
    if (r < 0)
        return r;
    w->handle = r;
    r = put_header(w);
    if (r == 0)
        *ret = nv_take(w);
    return r;
}

void nv_block_note_origin(struct nv_block_writer *w, const char *name)
{
    uint32_t *made_of;

    if (w->footer.n_made_of == NV_BLOCK_MADE_OF_MAX)
        return;
    made_of = realloc(w->footer.made_of, (w->footer.n_made_of + 1) * sizeof(*made_of));
    if (!made_of)
        return;
    made_of[w->footer.n_made_of++] = nv_block_mark_of(name);
    w->footer.made_of = made_of;
}

static void free_groups(struct nv_block_writer *w)
{
    for (size_t i = 0; i < w->footer.n_groups; i++) {
        for (uint32_t k = 0; k < w->footer.groups[i].n_sections; k++)
            free(w->observed[i][k]);
        free(w->observed[i]);
    }
    free(w->observed);
    free(w->footer.groups);
}

void nv_block_writer_free(struct nv_block_writer *w)
{
    if (!w)
        return;
    if (w->handle >= 0) {
        w->fs->ops->close(w->fs, w->handle);
        w->fs->ops->unlink(w->fs, w->temporary);
    }
    nv_writer_forget_bases(w);
    free(w->bases);
    free_groups(w);
    free(w->series);
    free(w->labels);
    free(w->texts);
    free(w->footer.pages);
    free(w->footer.values);
    free(w->footer.made_of);
    nv_index_done(&w->by_text);
    nv_arena_done(&w->strings);
    nv_buf_done(&w->out);
    nv_buf_done(&w->column);
    nv_buf_done(&w->doubles);
    nv_buf_done(&w->packed);
    nv_buf_done(&w->inlined);
    nv_codec_free(w->codec);
    ZSTD_freeCCtx(w->zstd);
    free(w);
}

/* ---- groups --------------------------------------------------------------------------------- */

/* A copy of a set; NULL where it has all rows. */
static int keep_set(const uint64_t *bits, size_t n, uint64_t **ret)
{
    *ret = NULL;
    if (!bits || nv_bits_count(bits, n) == n)
        return 0;
    uint64_t *copy = calloc(nv_words(n), sizeof(*copy));
    if (!copy)
        return -ENOMEM;
    memcpy(copy, bits, nv_words(n) * sizeof(*copy));
    copy[nv_words(n) - 1] &= nv_last_word(n);
    *ret = copy;
    return 0;
}

static int put_observed(struct nv_block_writer *w, const uint64_t *const *observed, size_t n_rows,
                        size_t n_sections, struct nv_part *ret)
{
    NV_AUTO_BUF raw = NV_BUF(NV_PACKED_MAX), set = NV_BUF(NV_PACKED_MAX);
    uint64_t *all NV_AUTO_FREE = calloc(nv_words(n_rows), sizeof(*all));

    if (!all)
        return -ENOMEM;
    nv_bits_fill(all, n_rows);
    for (size_t i = 0; i < n_sections; i++) {
        nv_buf_reset(&set);
        int r = nv_codec_encode_set(observed && observed[i] ? observed[i] : all, n_rows, &set);
        if (r < 0)
            return r;
        nv_put_sized(&raw, nv_buf_view(&set));
    }
    return nv_writer_put_packed(w, &raw, ret);
}

static void span(struct nv_block_writer *w, int64_t from_ms, int64_t to_ms)
{
    if (from_ms < w->footer.from_ms)
        w->footer.from_ms = from_ms;
    if (to_ms > w->footer.to_ms)
        w->footer.to_ms = to_ms;
}

static bool rising(const int64_t *times, size_t n)
{
    for (size_t i = 1; i < n; i++)
        if (times[i] <= times[i - 1])
            return false;
    return n > 0;
}

/* Makes room for a group and its sets. */
static int new_group(struct nv_block_writer *w, size_t n_rows, size_t n_sections)
{
    size_t room = w->groups_room;

    int r = nv_array_room((void **)&w->footer.groups, &room, w->footer.n_groups,
                          sizeof(*w->footer.groups));
    if (r == 0)
        r = nv_array_room((void **)&w->observed, &w->groups_room, w->footer.n_groups,
                          sizeof(*w->observed));
    if (r < 0)
        return r;
    uint64_t **sets = calloc(n_sections + 1, sizeof(*sets));
    if (!sets)
        return -ENOMEM;
    w->observed[w->footer.n_groups] = sets;
    w->footer.groups[w->footer.n_groups++] =
        (struct nv_group_place){.n_rows = (uint32_t)n_rows, .n_sections = (uint32_t)n_sections};
    return 0;
}

int nv_block_add_group(struct nv_block_writer *w, const int64_t *times, size_t n_rows,
                       const uint64_t *const *observed, size_t n_sections)
{
    if (w->failed < 0)
        return w->failed;
    if (n_rows > NV_BLOCK_ROWS_MAX || n_sections > NV_BLOCK_SECTIONS_MAX ||
        w->footer.n_groups == NV_BLOCK_GROUPS_MAX)
        return -EFBIG;
    if (!rising(times, n_rows))
        return -EINVAL;
    int r = new_group(w, n_rows, n_sections);
    if (r < 0)
        return r;
    size_t number = w->footer.n_groups - 1;
    for (size_t i = 0; r == 0 && observed && i < n_sections; i++)
        r = keep_set(observed[i], n_rows, &w->observed[number][i]);
    nv_buf_reset(&w->column);
    if (r == 0)
        r = nv_codec_encode_times(w->codec, NV_CODEC_SMALL, times, n_rows, &w->column);
    struct nv_group_place *group = &w->footer.groups[number];
    group->from_ms = times[0];
    group->to_ms = times[n_rows - 1];
    span(w, group->from_ms, group->to_ms);
    if (r == 0)
        r = put_part(w, &w->column, &group->times);
    if (r == 0)
        r = put_observed(w, observed, n_rows, n_sections, &group->observed);
    w->failed = r;
    return r < 0 ? r : (int)number;
}

/* ---- label sets ----------------------------------------------------------------------------- */

static uint64_t hash_text(uint32_t number, const void *user)
{
    const struct nv_block_writer *w = user;

    return nv_hash(w->texts[number].p, w->texts[number].n, 0);
}

static int intern(struct nv_block_writer *w, struct nv_str text, uint32_t *ret)
{
    uint64_t hash = nv_hash(text.p, text.n, 0);

    for (uint32_t at = nv_index_first(&w->by_text, hash);
         nv_index_next(&w->by_text, hash, &at, ret);)
        if (nv_str_eq(w->texts[*ret], text))
            return 0;
    int r = nv_array_room((void **)&w->texts, &w->texts_room, w->n_texts, sizeof(*w->texts));
    if (r < 0)
        return r;
    struct nv_str copy = nv_arena_str(&w->strings, text);
    if (!copy.p)
        return -ENOMEM;
    r = nv_index_add(&w->by_text, hash, (uint32_t)w->n_texts, hash_text, w);
    if (r < 0)
        return r;
    w->texts[w->n_texts] = copy;
    *ret = (uint32_t)w->n_texts++;
    return 0;
}

static int keep_labels(struct nv_block_writer *w, const struct nv_label *labels, size_t n)
{
    size_t bytes = 0;

    for (size_t i = 0; i < n; i++) {
        bytes += labels[i].name.n + labels[i].value.n;
        if (i && nv_str_cmp(labels[i - 1].name, labels[i].name) >= 0)
            return -EINVAL;
    }
    if (bytes > NV_LABELS_MAX_BYTES)
        return -EFBIG;
    for (size_t i = 0; i < n; i++) {
        struct nv_text_pair pair;
        int r =
            nv_array_room((void **)&w->labels, &w->labels_room, w->n_labels, sizeof(*w->labels));
        if (r == 0)
            r = intern(w, labels[i].name, &pair.name);
        if (r == 0)
            r = intern(w, labels[i].value, &pair.value);
        if (r < 0)
            return r;
        w->labels[w->n_labels++] = pair;
    }
    return 0;
}

/* ---- columns -------------------------------------------------------------------------------- */

/* Puts the column down, in the page or the file, and remembers the series. */
static int add_series(struct nv_block_writer *w, const struct nv_label *labels, size_t n_labels,
                      struct nv_column *column, size_t n_samples)
{
    struct nv_part part;

    if (w->column.failed)
        return w->column.failed;
    int r = nv_array_room((void **)&w->series, &w->series_room, w->n_series, sizeof(*w->series));
    size_t labels_at = w->n_labels;
    if (r == 0)
        r = keep_labels(w, labels, n_labels);
    if (r < 0) {
        w->n_labels = labels_at;
        return r;
    }
    column->length = (uint32_t)w->column.n;
    if (w->column.n <= NV_INLINE_MAX) {
        column->flags |= NV_COLUMN_INLINE;
        column->offset = w->inlined.n;
        nv_buf_str(&w->inlined, nv_buf_view(&w->column));
        r = w->inlined.failed;
    } else {
        r = put_part(w, &w->column, &part);
        column->offset = part.offset;
    }
    if (r < 0)
        return w->failed = r;
    w->series[w->n_series++] =
        (struct nv_written){labels_at, (uint32_t)(w->n_labels - labels_at), *column};
    w->footer.n_samples += n_samples;
    return 0;
}

static bool has_histograms(const struct nv_histogram *const *histograms, size_t n)
{
    for (size_t i = 0; histograms && i < n; i++)
        if (histograms[i])
            return true;
    return false;
}

static bool within(const uint64_t *some, const uint64_t *all, size_t n)
{
    for (size_t i = 0; i < n / 64; i++)
        if (some[i] & ~all[i])
            return false;
    return !(n % 64) || !(some[n / 64] & ~all[n / 64] & nv_last_word(n));
}

int nv_block_add_series(struct nv_block_writer *w, uint32_t group, uint32_t section,
                        const struct nv_label *labels, size_t n_labels, const uint64_t *present,
                        const double *values, const struct nv_histogram *const *histograms)
{
    nv_assert(group < w->footer.n_groups && section < w->footer.groups[group].n_sections);
    struct nv_column column = {.group = group, .section = section};
    size_t n_rows = w->footer.groups[group].n_rows, words = nv_words(n_rows);
    const uint64_t *observed = w->observed[group][section];
    bool all_observed = true;

    if (w->failed < 0)
        return w->failed;
    if (w->n_series == NV_BLOCK_SERIES_MAX)
        return -EFBIG;
    if (present && observed && !within(present, observed, n_rows))
        return -EINVAL;
    uint64_t rows = 1; /* stands for all */
    size_t n = n_rows;
    if (present) {
        n = nv_bits_count(present, n_rows);
        all_observed =
            observed ? memcmp(present, observed, words * sizeof(*present)) == 0 : n == n_rows;
    } else if (observed) {
        n = nv_bits_count(observed, n_rows);
    }
    const uint64_t *set = present ? present : observed;
    if (n < n_rows)
        rows = nv_hash(set, words * sizeof(*set), 0);
    if (!n)
        return 0;
    nv_buf_reset(&w->column);
    int r = 0;
    if (!all_observed) {
        column.flags |= NV_COLUMN_PRESENCE;
        r = nv_codec_encode_set(present, n_rows, &w->column);
    }
    if (r == 0 && has_histograms(histograms, n)) {
        column.flags |= NV_COLUMN_HISTOGRAMS;
        r = nv_writer_encode_mixed(w, values, histograms, n);
    } else if (r == 0) {
        r = nv_writer_encode_doubles(w, values, n, rows, &column);
    }
    return r < 0 ? r : add_series(w, labels, n_labels, &column, n);
}

int nv_block_add_sparse(struct nv_block_writer *w, const struct nv_label *labels, size_t n_labels,
                        const struct nv_samples *samples)
{
    struct nv_column column = {
        .group = NV_BLOCK_SPARSE, .flags = NV_COLUMN_SPARSE, .extra = (uint32_t)samples->n};
    size_t n = samples->n;
    bool used;

    if (w->failed < 0)
        return w->failed;
    if (!n)
        return 0;
    if (n > NV_CODEC_ROWS_MAX || w->n_series == NV_BLOCK_SERIES_MAX)
        return -EFBIG;
    if (!rising(samples->times, n))
        return -EINVAL;
    nv_buf_reset(&w->column);
    nv_buf_reset(&w->doubles);
    int r = nv_codec_encode_times(w->codec, NV_CODEC_SMALL, samples->times, n, &w->doubles);
    if (r < 0 || w->doubles.failed)
        return r < 0 ? r : w->doubles.failed;
    nv_put_sized(&w->column, nv_buf_view(&w->doubles));
    if (samples->starts) {
        column.flags |= NV_COLUMN_STARTS;
        r = nv_writer_encode_starts(w, samples->starts, n);
    }
    if (r == 0 && has_histograms(samples->histograms, n)) {
        column.flags |= NV_COLUMN_HISTOGRAMS;
        r = nv_writer_encode_mixed(w, samples->values, samples->histograms, n);
    } else if (r == 0) {
        r = nv_codec_encode(w->codec, NV_CODEC_SMALL, samples->values, n, NULL, &used, &w->column);
    }
    if (r == 0)
        r = add_series(w, labels, n_labels, &column, n);
    if (r == 0)
        span(w, samples->times[0], samples->times[n - 1]);
    return r;
}
