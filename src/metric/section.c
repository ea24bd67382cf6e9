/*
 * What is emitted into the rows of a section, and how it becomes columns of the registry and values of a frame. The rows: section_rows.c.
 */
#include "base/assert.h"
#include "metric/section_parts.h"

enum {
    UNKNOWN = UINT32_MAX,     /* column of a cell that was never published */
    DROPPED = UINT32_MAX - 1, /* the registry refused it, */
    REFUSED = UINT32_MAX - 2, /* for a family that stands in its way */
};

/* ---- life ----------------------------------------------------------------------------------- */

struct nv_section *nv_section_new(struct nv_registry *registry)
{
    struct nv_section *section = calloc(1, sizeof(*section));

    if (!section)
        return NULL;
    section->registry = registry;
    section->index = nv_registry_add_section(registry);
    section->generation = nv_registry_generation(registry);
    section->memory = NV_ARENA(NV_SECTION_KEYS_MAX);
    section->first_step = NV_SECTION_NONE;
    return section;
}

static void side_done(struct nv_section_side *side)
{
    free(side->values);
    free(side->present);
    free(side->histograms);
    nv_arena_done(&side->histogram_memory);
    *side = (struct nv_section_side){0};
}

void nv_section_free(struct nv_section *section)
{
    if (!section)
        return;
    nv_section_forget_rows(section);
    side_done(&section->staging);
    side_done(&section->published);
    free(section->columns);
    free(section);
}

uint32_t nv_section_index(const struct nv_section *section)
{
    return section->index;
}

size_t nv_section_n_present(const struct nv_section *section)
{
    return section->n_present;
}

size_t nv_section_n_known(const struct nv_section *section)
{
    return section->n_columns;
}

/* ---- emission ------------------------------------------------------------------------------- */

void nv_section_begin(struct nv_section *section)
{
    section->run++;
    section->at_step = NV_SECTION_NONE;
    section->n_visited = 0;
    section->n_dropped = 0;
    section->dropped[0] = '\0';
    if (section->n_cells)
        memset(section->staging.present, 0, section->n_cells);
    nv_arena_reset(&section->staging.histogram_memory);
}

void nv_section_end(struct nv_section *section)
{
    nv_section_shorten_path(section);
}

static void drop(char what[NV_SECTION_WHAT_MAX], size_t *count, const char *why, const char *name,
                 const struct nv_str *labels, size_t n)
{
    if ((*count)++)
        return;
    int at = snprintf(what, NV_SECTION_WHAT_MAX, "%s %s", why, name);
    for (size_t i = 0; i < n && at < NV_SECTION_WHAT_MAX; i++)
        at += snprintf(what + at, (size_t)(NV_SECTION_WHAT_MAX - at), "%s%.*s", i ? "," : " of ",
                       labels[i].n < 128 ? (int)labels[i].n : 128, labels[i].p);
}

static inline double apply(struct nv_arith arith, double value)
{
    if (arith.operation == NV_OP_NONE)
        return value;
    if (arith.operation == NV_OP_TIMES)
        return value * arith.a;
    value /= arith.a;
    return arith.b != 0 ? value / arith.b : value;
}

static inline double number_at(enum nv_number number, const void *values, size_t i)
{
    switch (number) {
    case NV_U64:
        return (double)((const uint64_t *)values)[i];
    case NV_I64:
        return (double)((const int64_t *)values)[i];
    default:
        return ((const double *)values)[i];
    }
}

/* Returns the value's cell, or NV_SECTION_NONE where it has one already. */
static uint32_t put(struct nv_section *section, const struct nv_section_row *row, size_t cell,
                    double value)
{
    size_t at = row->first_cell + cell;

    if (section->staging.present[at]) {
        struct nv_str labels[NV_LABELS_MAX];
        size_t n = nv_section_row_labels(row, labels);
        drop(section->dropped, &section->n_dropped, "duplicate",
             row->table ? row->table->columns[cell].name : row->named->family.name, labels, n);
        return NV_SECTION_NONE;
    }
    section->staging.present[at] = 1;
    section->staging.values[at] = value;
    if (section->staging.histograms)
        section->staging.histograms[at] = NULL;
    return (uint32_t)at;
}

static void put_histogram(struct nv_section *section, const struct nv_section_row *row, size_t cell,
                          const struct nv_histogram *histogram)
{
    struct nv_section_side *side = &section->staging;
    uint32_t at = put(section, row, cell, NAN);

    if (at == NV_SECTION_NONE)
        return;
    if (!side->histograms) {
        side->histograms = nv_must(calloc(side->n, sizeof(*side->histograms)));
        side->histogram_memory.max = NV_SECTION_KEYS_MAX;
    }
    side->histograms[at] = nv_histogram_keep(&side->histogram_memory, histogram);
    nv_assert(side->histograms[at]);
}

void nv_section_emit(struct nv_section *section, const struct nv_table *table,
                     const struct nv_str *labels, enum nv_number number, const void *values,
                     size_t first, size_t n, uint64_t mask)
{
    struct nv_section_wanted wanted = {.table = table, .labels = labels};
    const struct nv_section_row *row = nv_section_next_row(section, &wanted);

    if (!row) {
        drop(section->dropped, &section->n_dropped, "too many series, first",
             table->columns[0].name, NULL, 0);
        return;
    }
    nv_assert(first + n <= table->n_columns);
    for (size_t i = 0; i < n; i++)
        if (mask >> i & 1)
            put(section, row, first + i,
                apply(table->columns[first + i].arith, number_at(number, values, i)));
}

void nv_section_emit_sample(struct nv_section *section, const struct nv_family *family,
                            const char *suffix, const char *const *names,
                            const struct nv_str *labels, double value)
{
    struct nv_section_wanted wanted = {
        .family = family, .suffix = suffix, .names = names, .labels = labels};
    const struct nv_section_row *row = nv_section_next_row(section, &wanted);

    if (!row)
        drop(section->dropped, &section->n_dropped, "too many series, first", family->name, NULL,
             0);
    else
        put(section, row, 0, apply(family->arith, value));
}

void nv_section_emit_histogram(struct nv_section *section, const struct nv_family *family,
                               const char *const *names, const struct nv_str *labels,
                               const struct nv_histogram *histogram)
{
    struct nv_section_wanted wanted = {
        .family = family, .suffix = "", .names = names, .labels = labels};
    const struct nv_section_row *row = nv_section_next_row(section, &wanted);

    if (!row)
        drop(section->dropped, &section->n_dropped, "too many series, first", family->name, NULL,
             0);
    else
        put_histogram(section, row, 0, histogram);
}

/* ---- publication ---------------------------------------------------------------------------- */

/* The row a cell belongs to: first_cell rises with the number of the row. */
static const struct nv_section_row *row_of_cell(const struct nv_section *section, size_t cell)
{
    size_t low = 0, high = section->n_rows;

    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (nv_section_row_at(section, (uint32_t)middle)->first_cell <= cell)
            low = middle;
        else
            high = middle;
    }
    return nv_section_row_at(section, (uint32_t)low);
}

static size_t define_cell(const struct nv_section *section, size_t cell,
                          struct nv_str labels[NV_LABELS_MAX], struct nv_series_def *ret)
{
    const struct nv_section_row *row = row_of_cell(section, cell);
    const struct nv_family *family =
        row->table ? &row->table->columns[cell - row->first_cell] : &row->named->family;

    *ret = (struct nv_series_def){
        .name = family->name,
        .suffix = row->table ? "" : row->named->suffix,
        .help = family->help,
        .type = family->type,
        .label_names = row->table ? row->table->labels : row->named->names,
        .label_values = labels,
        .section = section->index,
    };
    return nv_section_row_labels(row, labels);
}

static void register_cell(struct nv_section *section, size_t cell, size_t *dropped, char *what)
{
    static const char *const reasons[] = {"", "duplicate", "conflicting type or help of",
                                          "invalid name or label of", "too many series, first"};
    struct nv_str labels[NV_LABELS_MAX];
    struct nv_series_def def;
    uint32_t column;
    size_t n = define_cell(section, cell, labels, &def);

    int r = nv_registry_add(section->registry, &def, &column);
    if (r < 0)
        return; /* memory is out: tried again with the next run */
    if (r == 0 || r == NV_REGISTRY_DUPLICATE) {
        section->columns[cell] = column; /* of a duplicate too: whoever comes first fills it */
        return;
    }
    section->columns[cell] = r == NV_REGISTRY_CONFLICT ? REFUSED : DROPPED;
    size_t first = *dropped;
    drop(what, &first, reasons[r], def.name, labels, n);
}

static void grow_columns(struct nv_section *section)
{
    if (section->n_columns >= section->n_cells)
        return;
    section->columns =
        nv_must(realloc(section->columns, section->staging.n * sizeof(*section->columns)));
    for (size_t i = section->n_columns; i < section->n_cells; i++)
        section->columns[i] = UNKNOWN;
    section->n_columns = section->n_cells;
}

size_t nv_section_publish(struct nv_section *section, char what[NV_SECTION_WHAT_MAX])
{
    size_t dropped = section->n_dropped, present = 0, refused = 0;

    memcpy(what, section->dropped, NV_SECTION_WHAT_MAX);
    grow_columns(section);
    for (size_t i = 0; i < section->n_cells; i++) {
        if (!section->staging.present[i])
            continue;
        if (section->columns[i] == UNKNOWN)
            register_cell(section, i, &dropped, what);
        if (section->columns[i] == DROPPED || section->columns[i] == REFUSED)
            dropped++;
        else
            present++;
        refused += section->columns[i] == REFUSED;
    }
    section->n_present = present;
    section->n_refused = refused;

    nv_section_side_room(&section->published, section->n_cells);
    if (section->n_cells &&
        memcmp(section->published.present, section->staging.present, section->n_cells) != 0)
        section->changed = true;
    struct nv_section_side side = section->published;
    section->published = section->staging;
    section->staging = side;
    return dropped;
}

void nv_section_clear(struct nv_section *section)
{
    if (section->published.n)
        memset(section->published.present, 0, section->published.n);
    section->n_present = section->n_refused = 0;
    section->changed = true;
}

bool nv_section_settled(struct nv_section *section)
{
    bool changed = section->changed;

    section->changed = false;
    return !changed;
}

size_t nv_section_n_refused(const struct nv_section *section)
{
    return section->n_refused;
}

bool nv_section_outlived(const struct nv_section *section, const struct nv_frame *frame)
{
    struct nv_str labels[NV_LABELS_MAX];
    struct nv_series_def def;

    for (size_t i = 0; section->n_refused && i < section->n_columns; i++) {
        if (section->columns[i] != REFUSED || !section->published.present[i])
            continue;
        define_cell(section, i, labels, &def);
        if (!nv_registry_refuses(section->registry, &def, frame->present))
            return true;
    }
    return false;
}

size_t nv_section_fill(const struct nv_section *section, struct nv_frame *frame)
{
    size_t left = 0, n = section->n_columns;

    nv_bit_set(frame->observed, section->index);
    if (n > section->published.n)
        n = section->published.n;
    for (size_t i = 0; i < n; i++) {
        uint32_t column = section->columns[i];
        if (!section->published.present[i] || column >= frame->n_series)
            continue;
        if (nv_frame_has(frame, column)) {
            left++;
            continue;
        }
        if (nv_section_histogram_at(&section->published, i)) {
            left += nv_frame_put_histogram(frame, column, section->published.histograms[i]) < 0;
            continue;
        }
        nv_bit_set(frame->present, column);
        frame->values[column] = section->published.values[i];
    }
    return left;
}

/* ---- a new generation ----------------------------------------------------------------------- */

/* Emits what is published into `fresh`, row by row. */
static void repeat(const struct nv_section *section, struct nv_section *fresh)
{
    struct nv_str labels[NV_LABELS_MAX];
    struct nv_section_wanted wanted;

    nv_section_begin(fresh);
    for (uint32_t i = 0; i < section->n_rows; i++) {
        const struct nv_section_row *row = nv_section_row_at(section, i);
        nv_section_row_wanted(row, labels, &wanted);
        const struct nv_section_row *copy = NULL;
        for (size_t k = 0; k < row->n_cells; k++) {
            size_t cell = row->first_cell + k;
            if (cell >= section->published.n || !section->published.present[cell])
                continue;
            if (!copy)
                copy = nv_section_next_row(fresh, &wanted);
            const struct nv_histogram *histogram =
                nv_section_histogram_at(&section->published, cell);
            if (copy && histogram)
                put_histogram(fresh, copy, k, histogram);
            else if (copy)
                put(fresh, copy, k, section->published.values[cell]);
        }
    }
    nv_section_end(fresh);
}

void nv_section_renew(struct nv_section *section)
{
    struct nv_section fresh = {
        .registry = section->registry,
        .index = section->index,
        .generation = nv_registry_generation(section->registry),
        .memory = NV_ARENA(NV_SECTION_KEYS_MAX),
        .first_step = NV_SECTION_NONE,
    };
    char what[NV_SECTION_WHAT_MAX];

    repeat(section, &fresh);
    nv_section_publish(&fresh, what);
    fresh.changed = false;
    nv_section_forget_rows(section);
    side_done(&section->staging);
    side_done(&section->published);
    free(section->columns);
    *section = fresh;
}
