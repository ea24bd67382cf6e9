/*
 * The rows of a section, found by their labels or by the path that the last run took through them.
 */
#include "base/assert.h"
#include "metric/section_parts.h"

enum { SPARE_STEPS = 64, NEIGHBOURS = 16 };

/* ---- rows ----------------------------------------------------------------------------------- */

static size_t count_names(const char *const *names)
{
    size_t n = 0;

    while (names[n])
        n++;
    return n;
}

static bool key_fits(const struct nv_section_row *row, const struct nv_str *labels, size_t n)
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

static bool named_fits(const struct nv_section_named *named, const struct nv_section_wanted *wanted)
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

static bool row_fits(const struct nv_section_row *row, const struct nv_section_wanted *wanted)
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

static uint64_t hash_wanted(const struct nv_section_wanted *wanted)
{
    if (wanted->table)
        return hash_labels((uint64_t)(uintptr_t)wanted->table, wanted->labels,
                           count_names(wanted->table->labels));
    uint64_t hash = nv_hash(wanted->family->name, strlen(wanted->family->name), 1);
    hash = nv_hash(wanted->suffix, strlen(wanted->suffix), hash);
    return hash_labels(hash, wanted->labels, count_names(wanted->names));
}

size_t nv_section_row_labels(const struct nv_section_row *row, struct nv_str labels[NV_LABELS_MAX])
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

void nv_section_row_wanted(const struct nv_section_row *row, struct nv_str labels[NV_LABELS_MAX],
                           struct nv_section_wanted *ret)
{
    nv_section_row_labels(row, labels);
    *ret = (struct nv_section_wanted){.table = row->table, .labels = labels};
    if (row->named) {
        ret->family = &row->named->family;
        ret->suffix = row->named->suffix;
        ret->names = row->named->names;
    }
}

static uint64_t rehash_row(uint32_t value, const void *user)
{
    struct nv_str labels[NV_LABELS_MAX];
    struct nv_section_wanted wanted;

    nv_section_row_wanted(nv_section_row_at(user, value), labels, &wanted);
    return hash_wanted(&wanted);
}

static const char *keep_text(struct nv_section *section, const char *text)
{
    return nv_must((void *)(uintptr_t)nv_arena_str(&section->memory, nv_str(text)).p);
}

/*
 * Of the rows made last: the same family has many of them, and the tables of one object the same labels. These tell a row whose
 * texts a new one can have.
 */
static bool has_family(const struct nv_section_row *row, const struct nv_section_wanted *wanted)
{
    return row->named && named_fits(row->named, wanted);
}

static bool has_key(const struct nv_section_row *row, const struct nv_section_wanted *wanted)
{
    return row->key && key_fits(row, wanted->labels,
                                count_names(wanted->table ? wanted->table->labels : wanted->names));
}

static const struct nv_section_row *
neighbour(const struct nv_section *section, const struct nv_section_wanted *wanted,
          bool (*fits)(const struct nv_section_row *row, const struct nv_section_wanted *wanted))
{
    size_t n = section->n_rows, first = n > NEIGHBOURS ? n - NEIGHBOURS : 0;

    while (n-- > first) {
        const struct nv_section_row *row = nv_section_row_at(section, (uint32_t)n);
        if (fits(row, wanted))
            return row;
    }
    return NULL;
}

static const struct nv_section_named *keep_named(struct nv_section *section,
                                                 const struct nv_section_wanted *wanted)
{
    const struct nv_section_row *like = neighbour(section, wanted, has_family);
    if (like)
        return like->named;

    size_t n = count_names(wanted->names);
    struct nv_section_named *named = nv_must(nv_arena_alloc(&section->memory, sizeof(*named)));
    const char **names = nv_must(nv_arena_alloc(&section->memory, (n + 1) * sizeof(*names)));

    for (size_t i = 0; i < n; i++)
        names[i] = keep_text(section, wanted->names[i]);
    names[n] = NULL;
    *named = (struct nv_section_named){
        .family = *wanted->family, .names = names, .n_names = (uint32_t)n};
    named->family.name = keep_text(section, wanted->family->name);
    named->family.help = keep_text(section, wanted->family->help);
    named->suffix = keep_text(section, wanted->suffix);
    return named;
}

void nv_section_side_room(struct nv_section_side *side, size_t n)
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

static struct nv_section_row *add_row(struct nv_section *section,
                                      const struct nv_section_wanted *wanted)
{
    size_t chunk = section->n_rows / NV_SECTION_ROWS_A_CHUNK;

    if (section->n_rows % NV_SECTION_ROWS_A_CHUNK == 0) {
        if (chunk == section->room_chunks) {
            section->room_chunks = section->room_chunks ? section->room_chunks * 2 : 8;
            section->chunks = nv_must(
                realloc(section->chunks, section->room_chunks * sizeof(struct nv_section_row *)));
        }
        section->chunks[chunk] = nv_must(nv_arena_alloc(
            &section->memory, NV_SECTION_ROWS_A_CHUNK * sizeof(struct nv_section_row)));
    }
    struct nv_section_row *row = nv_section_row_at(section, (uint32_t)section->n_rows);
    *row = (struct nv_section_row){
        .table = wanted->table,
        .named = wanted->table ? NULL : keep_named(section, wanted),
        .first_cell = (uint32_t)section->n_cells,
        .n_cells = wanted->table ? (uint32_t)wanted->table->n_columns : 1,
        .step = NV_SECTION_NONE,
    };
    section->n_rows++;
    section->n_cells += row->n_cells;
    nv_section_side_room(&section->staging, section->n_cells);
    return row;
}

static void keep_key(struct nv_section *section, struct nv_section_row *row,
                     const struct nv_section_wanted *wanted)
{
    size_t n = count_names(wanted->table ? wanted->table->labels : wanted->names), size = 0;
    const struct nv_section_row *like = neighbour(section, wanted, has_key);

    if (like) {
        row->key = like->key;
        row->key_size = like->key_size;
        return;
    }
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

static bool within_bounds(const struct nv_section *section, const struct nv_section_wanted *wanted)
{
    size_t n = wanted->table ? wanted->table->n_columns : 1, size = 0;

    if (section->n_cells + n > NV_SERIES_MAX ||
        (!wanted->table && section->n_named > NV_SERIES_MAX))
        return false;
    size_t n_names = count_names(wanted->table ? wanted->table->labels : wanted->names);
    for (size_t i = 0; i < n_names; i++)
        size += wanted->labels[i].n + sizeof(uint32_t);
    return n_names <= NV_LABELS_MAX && n <= NV_COLUMNS_MAX && size < (1 << 20) &&
           section->memory.total < NV_SECTION_KEYS_MAX / 2;
}

/* The number of the row, made where it is new; NV_SECTION_NONE where a bound forbids it. */
static uint32_t find_row(struct nv_section *section, const struct nv_section_wanted *wanted)
{
    uint64_t hash = hash_wanted(wanted);
    uint32_t v;

    for (uint32_t at = nv_index_first(&section->row_index, hash);
         nv_index_next(&section->row_index, hash, &at, &v);)
        if (row_fits(nv_section_row_at(section, v), wanted))
            return v;
    if (!within_bounds(section, wanted))
        return NV_SECTION_NONE;

    struct nv_section_row *row = add_row(section, wanted);
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
    section->steps[section->n_steps] = (struct nv_section_step){row, next, 0};
    return (uint32_t)section->n_steps++;
}

static void visit(struct nv_section *section, uint32_t step)
{
    section->steps[step].run = section->run;
    section->at_step = step;
    section->n_visited++;
}

struct nv_section_row *nv_section_next_row(struct nv_section *section,
                                           const struct nv_section_wanted *wanted)
{
    uint32_t *link = section->at_step == NV_SECTION_NONE ? &section->first_step
                                                         : &section->steps[section->at_step].next;
    uint32_t expected = *link;

    if (expected != NV_SECTION_NONE && section->steps[expected].run != section->run) {
        struct nv_section_row *row = nv_section_row_at(section, section->steps[expected].row);
        if (row_fits(row, wanted)) {
            visit(section, expected);
            return row;
        }
    }

    uint32_t number = find_row(section, wanted);
    if (number == NV_SECTION_NONE)
        return NULL;
    struct nv_section_row *row = nv_section_row_at(section, number);
    uint32_t from = section->at_step, step = row->step;
    if (step == NV_SECTION_NONE || section->steps[step].run == section->run) {
        bool first = step == NV_SECTION_NONE;
        step = add_step(section, number, expected);
        if (first)
            row->step = step;
    }
    if (from == NV_SECTION_NONE)
        section->first_step = step;
    else
        section->steps[from].next = step;
    visit(section, step);
    return row;
}

void nv_section_shorten_path(struct nv_section *section)
{
    if (section->n_steps <= 2 * section->n_visited + SPARE_STEPS)
        return;
    struct nv_section_step *steps = nv_must(malloc((section->n_visited + 1) * sizeof(*steps)));
    uint32_t at = section->first_step;
    for (size_t i = 0; i < section->n_rows; i++)
        nv_section_row_at(section, (uint32_t)i)->step = NV_SECTION_NONE;
    for (size_t i = 0; i < section->n_visited; i++) {
        steps[i] = section->steps[at];
        at = steps[i].next;
        steps[i].next = i + 1 < section->n_visited ? (uint32_t)i + 1 : NV_SECTION_NONE;
        struct nv_section_row *row = nv_section_row_at(section, steps[i].row);
        if (row->step == NV_SECTION_NONE)
            row->step = (uint32_t)i;
    }
    free(section->steps);
    section->steps = steps;
    section->n_steps = section->n_visited;
    section->room_steps = section->n_visited + 1;
    section->first_step = section->n_visited ? 0 : NV_SECTION_NONE;
}

void nv_section_forget_rows(struct nv_section *section)
{
    nv_arena_done(&section->memory);
    nv_index_done(&section->row_index);
    free(section->chunks);
    free(section->steps);
    section->chunks = NULL;
    section->steps = NULL;
    section->n_rows = section->room_chunks = section->n_cells = section->n_named = 0;
    section->n_steps = section->room_steps = 0;
    section->first_step = NV_SECTION_NONE;
}
