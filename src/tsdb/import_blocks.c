/*
 * import_blocks.c - sorted samples into blocks, span by span.
 */
#include "tsdb/import_parts.h"

#include <errno.h>

enum { PIECE = 8192 /* samples looked at at once */, TOO_LONG = 1 };

/* Longest spans of the first classes of merge.c, so that short imports are merged, and whole days are not again. */
static const int64_t classes_ms[] = {3600000, 6 * 3600000};

struct spans {
    struct nv_import *import;
    uint32_t *order; /* series by labels */
    struct nv_import_part *parts;
    size_t n_parts;
    int64_t to_ms;             /* end of the span, included */
    int64_t first_ms, last_ms; /* of the samples in it */
    struct nv_import_sample *piece;
    int64_t *times;
    double *values;
};

/* ---- a span --------------------------------------------------------------------------------- */

static int64_t align_down(int64_t time_ms, int64_t span_ms)
{
    int64_t into = time_ms % span_ms, start;

    if (into < 0)
        into += span_ms;
    return __builtin_sub_overflow(time_ms, into, &start) ? INT64_MIN : start;
}

static int64_t span_end(int64_t time_ms, int64_t span_ms)
{
    int64_t end;

    return __builtin_add_overflow(align_down(time_ms, span_ms), span_ms - 1, &end) ? INT64_MAX
                                                                                   : end;
}

/* The part of a series that lies in the span. TOO_LONG: it has more rows than a block may. */
static int measure(struct spans *s, uint32_t number)
{
    const struct nv_import_series *series = &s->import->series[number];
    struct nv_import_part part = {.series = number, .at = series->at};
    uint64_t left = series->end - series->at;

    for (bool inside = true; inside && left;) {
        size_t n = left < PIECE ? (size_t)left : PIECE, k = 0;
        int r = nv_import_read(s->import, part.at + part.n, n, s->piece);
        if (r < 0)
            return r;
        for (; k < n && s->piece[k].time_ms <= s->to_ms; k++)
            s->times[k] = s->piece[k].time_ms;
        if (k)
            part.hash = nv_hash(s->times, k * sizeof(*s->times), part.hash);
        part.n += (uint32_t)k;
        if (k && s->times[k - 1] > s->last_ms)
            s->last_ms = s->times[k - 1];
        left -= k;
        inside = k == n;
        if (part.n > NV_BLOCK_ROWS_MAX)
            return TOO_LONG;
    }
    s->parts[s->n_parts++] = part;
    return 0;
}

/* All parts of the span that begins with the earliest sample left; 1 where none is left. */
static int find_span(struct spans *s)
{
    const struct nv_import *import = s->import;
    int64_t span_ms = import->options.span_ms, first_ms = INT64_MAX;
    bool any = false;
    int r = TOO_LONG;

    for (size_t i = 0; i < import->n_series; i++) {
        const struct nv_import_series *series = &import->series[i];
        if (series->at == series->end)
            continue;
        any = true;
        first_ms = series->next_ms < first_ms ? series->next_ms : first_ms;
    }
    if (!any)
        return 1;
    for (; r == TOO_LONG; span_ms = span_ms > 1 ? span_ms / 2 : 1) {
        s->to_ms = span_end(first_ms, span_ms);
        s->first_ms = s->last_ms = first_ms;
        s->n_parts = 0;
        r = 0;
        for (size_t i = 0; i < import->n_series && r == 0; i++) {
            const struct nv_import_series *series = &import->series[s->order[i]];
            if (series->at < series->end && series->next_ms <= s->to_ms)
                r = measure(s, s->order[i]);
        }
    }
    return r;
}

/* ---- its block ------------------------------------------------------------------------------ */

/* Whether the times are those rows of the group. */
static bool is_of(const struct nv_import_group *group, uint32_t section, const int64_t *times,
                  size_t n)
{
    const uint64_t *bits = group->observed[section];
    size_t k = 0;

    for (size_t word = 0; word < (group->n_rows + 63) / 64; word++)
        for (uint64_t rest = bits[word]; rest; rest &= rest - 1) {
            size_t row = word * 64 + (size_t)__builtin_ctzll(rest);
            if (k == n || group->times[row] != times[k++])
                return false;
        }
    return k == n;
}

static int write_part(struct spans *s, const struct nv_import_part *part,
                      const struct nv_import_clocks *clocks, struct nv_block_writer *writer)
{
    const struct nv_import_series *series = &s->import->series[part->series];
    const struct nv_import_clock *clock = &clocks->at[part->clock];

    int r = nv_import_read(s->import, part->at, part->n, clocks->samples);
    if (r < 0)
        return r;
    for (size_t i = 0; i < part->n; i++) {
        s->times[i] = clocks->samples[i].time_ms;
        s->values[i] = clocks->samples[i].value;
    }
    if (clock->group != NV_BLOCK_SPARSE) {
        const struct nv_import_group *group = &clocks->groups[clock->group];
        if (is_of(group, clock->section, s->times, part->n)) /* and no mere twin of its hash */
            return nv_block_add_series(writer, group->number, clock->section, series->labels,
                                       series->n_labels, NULL, s->values, NULL);
    }
    const struct nv_samples samples = {
        .times = s->times, .values = s->values, .n = part->n, .room = part->n};
    return nv_block_add_sparse(writer, series->labels, series->n_labels, &samples);
}

static int add_groups(struct nv_import_clocks *clocks, struct nv_block_writer *writer)
{
    for (size_t i = 0; i < clocks->n_groups; i++) {
        struct nv_import_group *group = &clocks->groups[i];
        if (!group->n_sections)
            continue;
        int r = nv_block_add_group(writer, group->times, group->n_rows,
                                   (const uint64_t *const *)group->observed, group->n_sections);
        if (r < 0)
            return r;
        group->number = (uint32_t)r;
    }
    return 0;
}

static int fill_block(struct spans *s, struct nv_import_clocks *clocks,
                      struct nv_block_writer *writer)
{
    struct nv_import *import = s->import;

    int r = nv_import_clocks_find(import, s->parts, s->n_parts, clocks);
    if (r == 0)
        r = add_groups(clocks, writer);
    for (size_t i = 0; i < s->n_parts && r == 0; i++) {
        r = write_part(s, &s->parts[i], clocks, writer);
        if (r < 0)
            break;
        import->stats.written += s->parts[i].n;
        if (import->options.progress)
            import->options.progress(import->options.user, &import->stats);
    }
    return r;
}

/* Series go on behind what the block has. */
static int advance(struct spans *s)
{
    for (size_t i = 0; i < s->n_parts; i++) {
        struct nv_import_series *series = &s->import->series[s->parts[i].series];
        struct nv_import_sample next;
        series->at += s->parts[i].n;
        if (series->at == series->end)
            continue;
        int r = nv_import_read(s->import, series->at, 1, &next);
        if (r < 0)
            return r;
        series->next_ms = next.time_ms;
    }
    return 0;
}

static unsigned level_of(const struct spans *s)
{
    uint64_t length_ms = (uint64_t)s->last_ms - (uint64_t)s->first_ms;
    unsigned level = 0;

    while (level < NV_LEN(classes_ms) && length_ms >= (uint64_t)classes_ms[level])
        level++;
    return level;
}

static int write_span(struct spans *s)
{
    NV_AUTO(nv_block_writer) *writer = NULL;
    struct nv_import *import = s->import;
    struct nv_import_clocks clocks = {0};
    struct nv_fs_stat stat = {0};
    char name[NV_BLOCK_NAME_MAX];

    int r = nv_block_writer_new(import->fs, &writer);
    if (r < 0)
        return r;
    r = fill_block(s, &clocks, writer);
    nv_import_clocks_done(&clocks);
    if (r == 0)
        r = nv_block_commit(writer, level_of(s), name);
    if (r < 0)
        return r;
    if (import->fs->ops->stat(import->fs, name, &stat) == 0)
        import->stats.bytes += stat.size;
    import->stats.blocks++;
    return advance(s);
}

/* ---- all of them ---------------------------------------------------------------------------- */

static int by_labels(const void *a, const void *b, void *user)
{
    const struct nv_import_series *series = user;
    const struct nv_import_series *x = &series[*(const uint32_t *)a],
                                  *y = &series[*(const uint32_t *)b];

    return nv_labels_compare(x->labels, x->n_labels, y->labels, y->n_labels);
}

static int write_spans(struct spans *s)
{
    for (size_t i = 0; i < s->import->n_series; i++)
        s->order[i] = (uint32_t)i;
    qsort_r(s->order, s->import->n_series, sizeof(*s->order), by_labels, s->import->series);
    for (;;) {
        int r = find_span(s);
        if (r == 0)
            r = write_span(s);
        if (r)
            return r < 0 ? r : 0;
    }
}

int nv_import_write(struct nv_import *import)
{
    struct spans s = {
        .import = import,
        .order = calloc(import->n_series + 1, sizeof(*s.order)),
        .parts = calloc(import->n_series + 1, sizeof(*s.parts)),
        .piece = calloc(PIECE, sizeof(*s.piece)),
        .times = calloc(NV_BLOCK_ROWS_MAX, sizeof(*s.times)),
        .values = calloc(NV_BLOCK_ROWS_MAX, sizeof(*s.values)),
    };
    int r = s.order && s.parts && s.piece && s.times && s.values ? write_spans(&s) : -ENOMEM;

    free(s.order);
    free(s.parts);
    free(s.piece);
    free(s.times);
    free(s.values);
    return r;
}
