#include "rules/cells.h"

#include <errno.h>
#include <math.h>

#include "base/assert.h"

enum { SPARSE_AT_LEAST = 128, MEMORY_OF_A_SERIES = 4096, MEMORY_AT_LEAST = 256 << 10 };

int nv_cells_init(struct nv_cells *cells)
{
    *cells = (struct nv_cells){.evaluation = 1, .claim = 1, .memory = NV_ARENA(NV_CELLS_MEMORY)};
    cells->registry = nv_registry_new();
    cells->pool = nv_frame_pool_new();
    if (cells->registry)
        cells->layout = nv_registry_layout(cells->registry);
    if (cells->layout && cells->pool)
        return 0;
    nv_cells_done(cells);
    return -ENOMEM;
}

void nv_cells_done(struct nv_cells *cells)
{
    if (cells->layout)
        nv_layout_unref(cells->layout);
    nv_frame_pool_free(cells->pool);
    nv_registry_free(cells->registry);
    free(cells->written);
    free(cells->gone);
    free(cells->claimed);
    free(cells->values);
    free(cells->histograms);
    free(cells->observed);
    free(cells->ending);
    free(cells->spare);
    nv_arena_done(&cells->memory);
    *cells = (struct nv_cells){0};
}

static bool grow(void **p, size_t old, size_t room, size_t size)
{
    char *larger = realloc(*p, room * size);

    if (!larger)
        return false;
    memset(larger + old * size, 0, (room - old) * size);
    *p = larger;
    return true;
}

static int room_for_columns(struct nv_cells *cells, size_t n)
{
    size_t room = n + n / 4 + 16;

    if (n <= cells->room)
        return 0;
    if (!grow((void **)&cells->written, cells->room, room, sizeof(uint64_t)) ||
        !grow((void **)&cells->gone, cells->room, room, sizeof(uint64_t)) ||
        !grow((void **)&cells->claimed, cells->room, room, sizeof(uint64_t)) ||
        !grow((void **)&cells->values, cells->room, room, sizeof(double)) ||
        (cells->histograms &&
         !grow((void **)&cells->histograms, cells->room, room, sizeof(void *))))
        return -ENOMEM;
    cells->room = room;
    return 0;
}

/* ---- sections ------------------------------------------------------------------------------- */

int nv_cells_add_section(struct nv_cells *cells, uint32_t *ret)
{
    if (cells->n_spare) {
        *ret = cells->spare[--cells->n_spare];
        return 0;
    }
    if (cells->n_sections == cells->room_sections) {
        size_t room = cells->room_sections + 64;
        if (!grow((void **)&cells->observed, cells->room_sections / 64, room / 64,
                  sizeof(uint64_t)))
            return -ENOMEM;
        cells->room_sections = room;
    }
    *ret = nv_registry_add_section(cells->registry);
    cells->n_sections = *ret + 1u;
    return 0;
}

int nv_cells_end_section(struct nv_cells *cells, uint32_t section)
{
    size_t n = cells->n_ending + cells->n_spare;

    if (n >= cells->room_unused) {
        size_t room = n * 2 + 16;
        if (!grow((void **)&cells->ending, cells->room_unused, room, sizeof(uint32_t)) ||
            !grow((void **)&cells->spare, cells->room_unused, room, sizeof(uint32_t)))
            return -ENOMEM;
        cells->room_unused = room;
    }
    cells->ending[cells->n_ending++] = section;
    return 0;
}

/* ---- claims --------------------------------------------------------------------------------- */

void nv_cells_begin(struct nv_cells *cells)
{
    cells->evaluation++;
    cells->n_written_before = cells->n_written;
    cells->n_written = 0;
    nv_arena_reset(&cells->memory);
    if (cells->room_sections)
        memset(cells->observed, 0, cells->room_sections / 8);
}

void nv_cells_begin_claims(struct nv_cells *cells)
{
    cells->claim++;
}

static bool is_series(const struct nv_cells *cells, uint32_t column, struct nv_str name,
                      const struct nv_label *labels, size_t n)
{
    if (column >= cells->layout->n_series)
        return false;
    const struct nv_series *series = nv_layout_series(cells->layout, column);
    if (series->n_labels != n || !nv_str_eq(series->name, name))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!nv_str_eq(series->labels[i].value, labels[i].value) ||
            !nv_str_eq(series->labels[i].name, labels[i].name))
            return false;
    return true;
}

/* Asks the registry, which makes a column where there is none. */
static int look_up(struct nv_cells *cells, uint32_t section, struct nv_str name,
                   const struct nv_label *labels, size_t n, uint32_t *ret)
{
    const char *names[NV_LABELS_MAX + 1];
    struct nv_str values[NV_LABELS_MAX + 1];
    struct nv_arena_mark mark = nv_arena_mark(&cells->memory);
    struct nv_str text = nv_arena_str(&cells->memory, name);
    bool full = !text.p;

    if (n > NV_LABELS_MAX)
        return NV_CELLS_UNFIT;
    for (size_t i = 0; i < n; i++) {
        names[i] = nv_arena_str(&cells->memory, labels[i].name).p;
        values[i] = labels[i].value;
        full |= !names[i];
    }
    names[n] = NULL;
    const struct nv_series_def def = {
        .name = text.p,
        .suffix = "",
        .help = "",
        .type = NV_UNTYPED,
        .label_names = names,
        .label_values = values,
        .section = section,
    };
    int r = full ? -ENOMEM : nv_registry_add(cells->registry, &def, ret);
    nv_arena_rewind(&cells->memory, mark);
    if (r < 0)
        return r;
    return r == 0 || r == NV_REGISTRY_DUPLICATE ? 0 : NV_CELLS_UNFIT;
}

int nv_cells_claim(struct nv_cells *cells, uint32_t section, struct nv_str name,
                   const struct nv_label *labels, size_t n_labels,
                   const struct nv_columns_of_rule *before, size_t i, uint32_t *ret_column)
{
    int r = 0;

    if (i < before->n && is_series(cells, before->at[i], name, labels, n_labels))
        *ret_column = before->at[i];
    else
        r = look_up(cells, section, name, labels, n_labels, ret_column);
    if (r == 0)
        r = room_for_columns(cells, *ret_column + 1u);
    if (r)
        return r;
    if (cells->claimed[*ret_column] == cells->claim)
        return NV_CELLS_TWICE;
    cells->claimed[*ret_column] = cells->claim;
    return 0;
}

int nv_cells_settle(struct nv_cells *cells)
{
    struct nv_layout *layout = nv_registry_layout(cells->registry);

    if (!layout)
        return -ENOMEM;
    nv_layout_unref(cells->layout);
    cells->layout = layout;
    return 0;
}

/* ---- values --------------------------------------------------------------------------------- */

static bool same_value(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

static int put_histogram(struct nv_cells *cells, uint32_t column,
                         const struct nv_histogram *histogram)
{
    if (!cells->histograms) {
        cells->histograms = calloc(cells->room, sizeof(*cells->histograms));
        if (!cells->histograms)
            return -ENOMEM;
    }
    cells->histograms[column] = nv_histogram_keep(&cells->memory, histogram);
    return cells->histograms[column] ? 0 : -ENOMEM;
}

int nv_cells_write(struct nv_cells *cells, uint32_t column, double value,
                   const struct nv_histogram *histogram)
{
    if (cells->written[column] == cells->evaluation)
        return same_value(cells->values[column], value) ? 0 : NV_CELLS_DIFFERS;
    if (cells->histograms)
        cells->histograms[column] = NULL;
    int r = histogram ? put_histogram(cells, column, histogram) : 0;
    if (r < 0)
        return r;
    cells->values[column] = histogram ? NAN : value;
    cells->written[column] = cells->evaluation;
    cells->n_written++;
    return 0;
}

void nv_cells_close(struct nv_cells *cells, uint32_t section,
                    const struct nv_columns_of_rule *before)
{
    for (size_t i = 0; i < before->n; i++)
        if (cells->written[before->at[i]] != cells->evaluation)
            cells->gone[before->at[i]] = cells->evaluation;
    nv_bit_set(cells->observed, section);
}

/* ---- frames --------------------------------------------------------------------------------- */

static int fill(struct nv_cells *cells, struct nv_frame *frame)
{
    for (size_t w = 0; w < (cells->n_sections + 63) / 64; w++)
        frame->observed[w] = cells->observed[w];
    for (uint32_t c = 0; c < frame->n_series; c++) {
        if (!nv_cells_has(cells, c))
            continue;
        if (cells->histograms && cells->histograms[c]) {
            int r = nv_frame_put_histogram(frame, c, cells->histograms[c]);
            if (r < 0)
                return r;
            continue;
        }
        frame->values[c] = cells->values[c];
        nv_bit_set(frame->present, c);
    }
    return 0;
}

/* Sections that have been told of as empty may be another's. */
static void end_sections(struct nv_cells *cells)
{
    for (size_t i = 0; i < cells->n_ending; i++)
        cells->spare[cells->n_spare++] = cells->ending[i];
    cells->n_ending = 0;
}

int nv_cells_frame(struct nv_cells *cells, int64_t time_ms, struct nv_frame **ret)
{
    *ret = NULL;
    if (!cells->n_written && !cells->n_written_before && !cells->n_ending)
        return 0;
    for (size_t i = 0; i < cells->n_ending; i++)
        nv_bit_set(cells->observed, cells->ending[i]);
    int r = nv_cells_settle(cells);
    if (r < 0)
        return r;
    struct nv_frame *frame = nv_frame_new(cells->pool, cells->layout, time_ms);
    r = frame ? fill(cells, frame) : -ENOMEM;
    if (r < 0) {
        nv_frame_free(frame);
        return r;
    }
    end_sections(cells);
    *ret = frame;
    return 0;
}

/* ---- generations ---------------------------------------------------------------------------- */

bool nv_cells_is_sparse(const struct nv_cells *cells)
{
    size_t n = cells->layout->n_series;

    return (n >= SPARSE_AT_LEAST && cells->n_written < n / 2) ||
           nv_registry_memory(cells->registry) > MEMORY_AT_LEAST + n * MEMORY_OF_A_SERIES;
}

/* The columns of a rule again, in the new registry. */
static int add_again(struct nv_cells *cells, const struct nv_layout *old,
                     struct nv_columns_of_rule *rule)
{
    for (size_t i = 0; i < rule->n; i++) {
        const struct nv_series *series = nv_layout_series(old, rule->at[i]);
        int r = look_up(cells, series->section, series->name, series->labels, series->n_labels,
                        &rule->at[i]);
        if (r)
            return r < 0 ? r : -ENOMEM;
    }
    return 0;
}

int nv_cells_renew(struct nv_cells *cells, struct nv_columns_of_rule *const *rules, size_t n)
{
    int r = nv_cells_settle(cells);
    struct nv_layout *old = cells->layout;

    if (r < 0)
        return r;
    nv_registry_renew(cells->registry);
    for (size_t i = 0; i < n; i++) {
        int e = r == 0 ? add_again(cells, old, rules[i]) : r;
        if (e < 0) {
            rules[i]->n = 0; /* found anew by the next evaluation */
            r = e;
        }
    }
    struct nv_layout *layout = nv_registry_layout(cells->registry);
    nv_assert(layout || r <= 0);
    if (layout) {
        nv_layout_unref(old);
        cells->layout = layout;
    }
    cells->evaluation++; /* what was written by column is no more */
    return layout ? r : -ENOMEM;
}
