/*
 * The rows of a section, and the path that emission takes through them.
 *
 *   row    one label tuple of a table, or one series that was named at run time; owns consecutive cells
 *   cell   one value of a row; has a column of the registry once it was published with a value
 *   step   one emission of the previous run: its row, and the step that followed. A run that emits
 *          the same rows in the same order walks from step to step; a row more or less is linked in or
 *          out where it stands, so that the rest of the path still fits
 *
 * Rows are in chunks that do not move. The runner writes rows, steps and the staging side of the cells;
 * the owner has columns and the published side.
 */
#include "metric/section.h"

#include "base/arena.h"
#include "base/assert.h"
#include "base/index.h"

enum {
    NONE = UINT32_MAX,
    UNKNOWN = UINT32_MAX,     /* column of a cell that was never published */
    DROPPED = UINT32_MAX - 1, /* the registry refused it, */
    REFUSED = UINT32_MAX - 2, /* for a family that stands in its way */
    ROWS_A_CHUNK = 32,
    KEYS_MAX = 1 << 29,
    SPARE_STEPS = 64,
};

/* A family made at run time, and its labels' names. */
struct named {
    struct nv_family family;
    const char *suffix;
    const char *const *names;
    uint32_t n_names;
};

struct row {
    const struct nv_table *table; /* or NULL: */
    const struct named *named;
    const char *key; /* each label value with its length in front */
    uint32_t key_size, first_cell, n_cells, step;
};

struct step {
    uint32_t row, next;
    uint64_t run;
};

struct side {
    double *values;
    uint8_t *present;
    size_t n;                               /* cells there is room for */
    const struct nv_histogram **histograms; /* by cell, or NULL where there never was one */
    struct nv_arena histogram_memory;
};

struct nv_section {
    struct nv_registry *registry;
    uint32_t index;
    uint64_t generation;

    /* The runner's. */
    struct nv_arena memory; /* of rows */
    struct row **chunks;
    size_t n_rows, room_chunks, n_cells, n_named;
    struct nv_index row_index;
    struct step *steps;
    size_t n_steps, room_steps, n_visited;
    uint32_t first_step, at_step;
    uint64_t run;
    struct side staging;
    size_t n_dropped;
    char dropped[NV_SECTION_WHAT_MAX];

    /* The owner's. */
    struct side published;
    uint32_t *columns;
    size_t n_columns, n_present, n_refused;
    bool changed; /* which cells are published */
};

static const struct nv_histogram *histogram_at(const struct side *side, size_t cell)
{
    return side->histograms ? side->histograms[cell] : NULL;
}

static struct row *row_at(const struct nv_section *section, uint32_t i)
{
    return &section->chunks[i / ROWS_A_CHUNK][i % ROWS_A_CHUNK];
}

/* ---- life ----------------------------------------------------------------------------------- */

struct nv_section *nv_section_new(struct nv_registry *registry)
{
    struct nv_section *section = calloc(1, sizeof(*section));

    if (!section)
        return NULL;
    section->registry = registry;
    section->index = nv_registry_add_section(registry);
    section->generation = nv_registry_generation(registry);
    section->memory = NV_ARENA(KEYS_MAX);
    section->first_step = NONE;
    return section;
}

static void side_done(struct side *side)
{
    free(side->values);
    free(side->present);
    free(side->histograms);
    nv_arena_done(&side->histogram_memory);
    *side = (struct side){0};
}

static void forget_rows(struct nv_section *section)
{
    nv_arena_done(&section->memory);
    nv_index_done(&section->row_index);
    free(section->chunks);
    free(section->steps);
    section->chunks = NULL;
    section->steps = NULL;
    section->n_rows = section->room_chunks = section->n_cells = section->n_named = 0;
    section->n_steps = section->room_steps = 0;
    section->first_step = NONE;
}

void nv_section_free(struct nv_section *section)
{
    if (!section)
        return;
    forget_rows(section);
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

/* ---- rows ----------------------------------------------------------------------------------- */

/* What an emission names: a row of a table, or a sample of a family of its own. */
struct wanted {
    const struct nv_table *table;
    const struct nv_family *family;
    const char *suffix;
    const char *const *names;
    const struct nv_str *labels;
};

static size_t count_names(const char *const *names)
{
    size_t n = 0;

    while (names[n])
        n++;
    return n;
}

static bool key_fits(const struct row *row, const struct nv_str *labels, size_t n)
{
    const char *at = row->key, *end = row->key + row->key_size;

    for (size_t i = 0; i < n; i++) {
        uint32_t size;
        if ((size_t)(end - at) < sizeof(size) + labels[i].n)
            return false;
        memcpy(&size, at, sizeof(size));
        if (size != labels[i].n || (size && memcmp(at + sizeof(size), labels[i].p, size) != 0))
            return false;
        at += sizeof(size) + size;
    }
    return at == end;
}

static bool named_fits(const struct named *named, const struct wanted *wanted)
{
    if (strcmp(named->family.name, wanted->family->name) != 0 ||
        strcmp(named->suffix, wanted->suffix) != 0 || named->family.type != wanted->family->type ||
        strcmp(named->family.help, wanted->family->help) != 0)
        return false;
    for (size_t i = 0; i < named->n_names; i++)
        if (!wanted->names[i] || strcmp(named->names[i], wanted->names[i]) != 0)
            return false;
    return !wanted->names[named->n_names];
}

static bool row_fits(const struct row *row, const struct wanted *wanted)
{
    if (row->table != wanted->table)
        return false;
    if (!row->table)
        return named_fits(row->named, wanted) && key_fits(row, wanted->labels, row->named->n_names);
    if (!row->table->labels[0])
        return true;
    return key_fits(row, wanted->labels, count_names(row->table->labels));
}

static uint64_t hash_labels(uint64_t hash, const struct nv_str *labels, size_t n)
{
    for (size_t i = 0; i < n; i++)
        hash = nv_hash(labels[i].p, labels[i].n, hash + labels[i].n);
    return hash;
}

static uint64_t hash_wanted(const struct wanted *wanted)
{
    if (wanted->table)
        return hash_labels((uint64_t)(uintptr_t)wanted->table, wanted->labels,
                           count_names(wanted->table->labels));
    uint64_t hash = nv_hash(wanted->family->name, strlen(wanted->family->name), 1);
    hash = nv_hash(wanted->suffix, strlen(wanted->suffix), hash);
    return hash_labels(hash, wanted->labels, count_names(wanted->names));
}

/* The labels of a row, as views into its key. */
static size_t row_labels(const struct row *row, struct nv_str labels[NV_LABELS_MAX])
{
    const char *at = row->key, *end = row->key + row->key_size;
    size_t n = 0;

    while (at < end && n < NV_LABELS_MAX) {
        uint32_t size;
        memcpy(&size, at, sizeof(size));
        labels[n++] = (struct nv_str){at + sizeof(size), size};
        at += sizeof(size) + size;
    }
    return n;
}

static void row_wanted(const struct row *row, struct nv_str labels[NV_LABELS_MAX],
                       struct wanted *ret)
{
    row_labels(row, labels);
    *ret = (struct wanted){.table = row->table, .labels = labels};
    if (row->named) {
        ret->family = &row->named->family;
        ret->suffix = row->named->suffix;
        ret->names = row->named->names;
    }
}

static uint64_t rehash_row(uint32_t value, const void *user)
{
    struct nv_str labels[NV_LABELS_MAX];
    struct wanted wanted;

    row_wanted(row_at(user, value), labels, &wanted);
    return hash_wanted(&wanted);
}

static const char *keep_text(struct nv_section *section, const char *text)
{
    return nv_must((void *)(uintptr_t)nv_arena_str(&section->memory, nv_str(text)).p);
}

static const struct named *keep_named(struct nv_section *section, const struct wanted *wanted)
{
    size_t n = count_names(wanted->names);
    struct named *named = nv_must(nv_arena_alloc(&section->memory, sizeof(*named)));
    const char **names = nv_must(nv_arena_alloc(&section->memory, (n + 1) * sizeof(*names)));

    for (size_t i = 0; i < n; i++)
        names[i] = keep_text(section, wanted->names[i]);
    names[n] = NULL;
    *named = (struct named){.family = *wanted->family, .names = names, .n_names = (uint32_t)n};
    named->family.name = keep_text(section, wanted->family->name);
    named->family.help = keep_text(section, wanted->family->help);
    named->suffix = keep_text(section, wanted->suffix);
    return named;
}

static void side_room(struct side *side, size_t n)
{
    if (n <= side->n)
        return;
    size_t room = n + n / 2 + 64;
    side->values = nv_must(realloc(side->values, room * sizeof(*side->values)));
    side->present = nv_must(realloc(side->present, room));
    memset(side->present + side->n, 0, room - side->n);
    if (side->histograms)
        side->histograms = nv_must(realloc(side->histograms, room * sizeof(*side->histograms)));
    side->n = room;
}

static struct row *add_row(struct nv_section *section, const struct wanted *wanted)
{
    size_t chunk = section->n_rows / ROWS_A_CHUNK;

    if (section->n_rows % ROWS_A_CHUNK == 0) {
        if (chunk == section->room_chunks) {
            section->room_chunks = section->room_chunks ? section->room_chunks * 2 : 8;
            section->chunks =
                nv_must(realloc(section->chunks, section->room_chunks * sizeof(struct row *)));
        }
        section->chunks[chunk] =
            nv_must(nv_arena_alloc(&section->memory, ROWS_A_CHUNK * sizeof(struct row)));
    }
    struct row *row = row_at(section, (uint32_t)section->n_rows);
    *row = (struct row){
        .table = wanted->table,
        .named = wanted->table ? NULL : keep_named(section, wanted),
        .first_cell = (uint32_t)section->n_cells,
        .n_cells = wanted->table ? (uint32_t)wanted->table->n_columns : 1,
        .step = NONE,
    };
    section->n_rows++;
    section->n_cells += row->n_cells;
    side_room(&section->staging, section->n_cells);
    return row;
}

static void keep_key(struct nv_section *section, struct row *row, const struct wanted *wanted)
{
    size_t n = count_names(wanted->table ? wanted->table->labels : wanted->names), size = 0;

    for (size_t i = 0; i < n; i++)
        size += sizeof(uint32_t) + wanted->labels[i].n;
    char *at = nv_must(nv_arena_alloc(&section->memory, size + 1));
    row->key = at;
    row->key_size = (uint32_t)size;
    for (size_t i = 0; i < n; i++) {
        uint32_t length = (uint32_t)wanted->labels[i].n;
        memcpy(at, &length, sizeof(length));
        if (length)
            memcpy(at + sizeof(length), wanted->labels[i].p, length);
        at += sizeof(length) + length;
    }
}

static bool within_bounds(const struct nv_section *section, const struct wanted *wanted)
{
    size_t n = wanted->table ? wanted->table->n_columns : 1, size = 0;

    if (section->n_cells + n > NV_SERIES_MAX ||
        (!wanted->table && section->n_named > NV_SERIES_MAX))
        return false;
    size_t n_names = count_names(wanted->table ? wanted->table->labels : wanted->names);
    for (size_t i = 0; i < n_names; i++)
        size += wanted->labels[i].n + sizeof(uint32_t);
    return n_names <= NV_LABELS_MAX && n <= NV_COLUMNS_MAX && size < (1 << 20) &&
           section->memory.total < KEYS_MAX / 2;
}

/* The number of the row, made where it is new; NONE where a bound forbids it. */
static uint32_t find_row(struct nv_section *section, const struct wanted *wanted)
{
    uint64_t hash = hash_wanted(wanted);
    uint32_t v;

    for (uint32_t at = nv_index_first(&section->row_index, hash);
         nv_index_next(&section->row_index, hash, &at, &v);)
        if (row_fits(row_at(section, v), wanted))
            return v;
    if (!within_bounds(section, wanted))
        return NONE;

    struct row *row = add_row(section, wanted);
    uint32_t number = (uint32_t)section->n_rows - 1;
    keep_key(section, row, wanted);
    if (nv_index_add(&section->row_index, hash, number, rehash_row, section) < 0)
        nv_must(NULL);
    return number;
}

/* ---- the path ------------------------------------------------------------------------------- */

static uint32_t add_step(struct nv_section *section, uint32_t row, uint32_t next)
{
    if (section->n_steps == section->room_steps) {
        section->room_steps = section->room_steps ? section->room_steps * 2 : 64;
        section->steps =
            nv_must(realloc(section->steps, section->room_steps * sizeof(*section->steps)));
    }
    section->steps[section->n_steps] = (struct step){row, next, 0};
    return (uint32_t)section->n_steps++;
}

static void visit(struct nv_section *section, uint32_t step)
{
    section->steps[step].run = section->run;
    section->at_step = step;
    section->n_visited++;
}

/* The row the last run emitted at this place, else by its name. */
static struct row *next_row(struct nv_section *section, const struct wanted *wanted)
{
    uint32_t *link =
        section->at_step == NONE ? &section->first_step : &section->steps[section->at_step].next;
    uint32_t expected = *link;

    if (expected != NONE && section->steps[expected].run != section->run) {
        struct row *row = row_at(section, section->steps[expected].row);
        if (row_fits(row, wanted)) {
            visit(section, expected);
            return row;
        }
    }

    uint32_t number = find_row(section, wanted);
    if (number == NONE)
        return NULL;
    struct row *row = row_at(section, number);
    uint32_t from = section->at_step, step = row->step;
    if (step == NONE || section->steps[step].run == section->run) {
        bool first = step == NONE;
        step = add_step(section, number, expected);
        if (first)
            row->step = step;
    }
    if (from == NONE)
        section->first_step = step;
    else
        section->steps[from].next = step;
    visit(section, step);
    return row;
}

/* Leaves out the steps this run did not take, once they are the greater part. */
static void shorten_path(struct nv_section *section)
{
    if (section->n_steps <= 2 * section->n_visited + SPARE_STEPS)
        return;
    struct step *steps = nv_must(malloc((section->n_visited + 1) * sizeof(*steps)));
    uint32_t at = section->first_step;
    for (size_t i = 0; i < section->n_rows; i++)
        row_at(section, (uint32_t)i)->step = NONE;
    for (size_t i = 0; i < section->n_visited; i++) {
        steps[i] = section->steps[at];
        at = steps[i].next;
        steps[i].next = i + 1 < section->n_visited ? (uint32_t)i + 1 : NONE;
        struct row *row = row_at(section, steps[i].row);
        if (row->step == NONE)
            row->step = (uint32_t)i;
    }
    free(section->steps);
    section->steps = steps;
    section->n_steps = section->n_visited;
    section->room_steps = section->n_visited + 1;
    section->first_step = section->n_visited ? 0 : NONE;
}

/* ---- emission ------------------------------------------------------------------------------- */

void nv_section_begin(struct nv_section *section)
{
    section->run++;
    section->at_step = NONE;
    section->n_visited = 0;
    section->n_dropped = 0;
    section->dropped[0] = '\0';
    if (section->n_cells)
        memset(section->staging.present, 0, section->n_cells);
    nv_arena_reset(&section->staging.histogram_memory);
}

void nv_section_end(struct nv_section *section)
{
    shorten_path(section);
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

/* Returns the value's cell, or NONE where it has one already. */
static uint32_t put(struct nv_section *section, const struct row *row, size_t cell, double value)
{
    size_t at = row->first_cell + cell;

    if (section->staging.present[at]) {
        struct nv_str labels[NV_LABELS_MAX];
        size_t n = row_labels(row, labels);
        drop(section->dropped, &section->n_dropped, "duplicate",
             row->table ? row->table->columns[cell].name : row->named->family.name, labels, n);
        return NONE;
    }
    section->staging.present[at] = 1;
    section->staging.values[at] = value;
    if (section->staging.histograms)
        section->staging.histograms[at] = NULL;
    return (uint32_t)at;
}

static void put_histogram(struct nv_section *section, const struct row *row, size_t cell,
                          const struct nv_histogram *histogram)
{
    struct side *side = &section->staging;
    uint32_t at = put(section, row, cell, NAN);

    if (at == NONE)
        return;
    if (!side->histograms) {
        side->histograms = nv_must(calloc(side->n, sizeof(*side->histograms)));
        side->histogram_memory.max = KEYS_MAX;
    }
    side->histograms[at] = nv_histogram_keep(&side->histogram_memory, histogram);
    nv_assert(side->histograms[at]);
}

void nv_section_emit(struct nv_section *section, const struct nv_table *table,
                     const struct nv_str *labels, enum nv_number number, const void *values,
                     size_t first, size_t n, uint64_t mask)
{
    struct wanted wanted = {.table = table, .labels = labels};
    const struct row *row = next_row(section, &wanted);

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
    struct wanted wanted = {.family = family, .suffix = suffix, .names = names, .labels = labels};
    const struct row *row = next_row(section, &wanted);

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
    struct wanted wanted = {.family = family, .suffix = "", .names = names, .labels = labels};
    const struct row *row = next_row(section, &wanted);

    if (!row)
        drop(section->dropped, &section->n_dropped, "too many series, first", family->name, NULL,
             0);
    else
        put_histogram(section, row, 0, histogram);
}

/* ---- publication ---------------------------------------------------------------------------- */

/* The row a cell belongs to: first_cell rises with the number of the row. */
static const struct row *row_of_cell(const struct nv_section *section, size_t cell)
{
    size_t low = 0, high = section->n_rows;

    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (row_at(section, (uint32_t)middle)->first_cell <= cell)
            low = middle;
        else
            high = middle;
    }
    return row_at(section, (uint32_t)low);
}

static size_t define_cell(const struct nv_section *section, size_t cell,
                          struct nv_str labels[NV_LABELS_MAX], struct nv_series_def *ret)
{
    const struct row *row = row_of_cell(section, cell);
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
    return row_labels(row, labels);
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

    side_room(&section->published, section->n_cells);
    if (section->n_cells &&
        memcmp(section->published.present, section->staging.present, section->n_cells) != 0)
        section->changed = true;
    struct side side = section->published;
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
        if (histogram_at(&section->published, i)) {
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
    struct wanted wanted;

    nv_section_begin(fresh);
    for (uint32_t i = 0; i < section->n_rows; i++) {
        const struct row *row = row_at(section, i);
        row_wanted(row, labels, &wanted);
        const struct row *copy = NULL;
        for (size_t k = 0; k < row->n_cells; k++) {
            size_t cell = row->first_cell + k;
            if (cell >= section->published.n || !section->published.present[cell])
                continue;
            if (!copy)
                copy = next_row(fresh, &wanted);
            const struct nv_histogram *histogram = histogram_at(&section->published, cell);
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
        .memory = NV_ARENA(KEYS_MAX),
        .first_step = NONE,
    };
    char what[NV_SECTION_WHAT_MAX];

    repeat(section, &fresh);
    nv_section_publish(&fresh, what);
    fresh.changed = false;
    forget_rows(section);
    side_done(&section->staging);
    side_done(&section->published);
    free(section->columns);
    *section = fresh;
}
