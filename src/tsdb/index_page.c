/*
 * A page of labels: the label sets of up to 512 series that follow each other in order.
 *
 *   series, names                 how many; names are those of labels
 *   for each name: values         how many different ones it has here
 *   shapes                        how many different lists of names the series have
 *   for each shape: labels, then that many numbers of names, rising
 *   for each series: its shape
 *   for each name, for each series that has it: the number of the value less that of the series before (s)
 *   three fields of texts         names, in order; then the values of each name, in order: see index_front.c
 *
 * A number of a name or value counts from 0 in their order.
 */
#include "tsdb/block_parts.h"

enum { NAMES_MAX = UINT16_MAX };

struct cell {
    struct nv_label label;
    uint32_t series, place; /* which of the series' labels it is */
};

struct draft {
    struct nv_arena *arena;
    struct cell *cells; /* by name, value, series */
    size_t n_cells, n_series;
    uint32_t *names, *values; /* of the cells by series, then place */
    size_t *first;            /* where the cells of each series begin in those */
};

static int compare_cells(const void *a, const void *b)
{
    const struct cell *x = a, *y = b;
    int order = nv_str_cmp(x->label.name, y->label.name);

    if (!order)
        order = nv_str_cmp(x->label.value, y->label.value);
    return order ? order : (x->series > y->series) - (x->series < y->series);
}

static int draft_init(struct draft *draft, const struct nv_label_set *sets, size_t n)
{
    size_t n_cells = 0, at = 0;

    for (size_t i = 0; i < n; i++)
        n_cells += sets[i].n;
    draft->n_cells = n_cells;
    draft->n_series = n;
    draft->cells = nv_arena_alloc(draft->arena, n_cells * sizeof(*draft->cells) + 1);
    draft->names = nv_arena_alloc(draft->arena, n_cells * sizeof(*draft->names) + 1);
    draft->values = nv_arena_alloc(draft->arena, n_cells * sizeof(*draft->values) + 1);
    draft->first = nv_arena_alloc(draft->arena, (n + 1) * sizeof(*draft->first));
    if (!draft->cells || !draft->names || !draft->values || !draft->first)
        return -ENOMEM;
    for (uint32_t i = 0; i < n; i++) {
        draft->first[i] = at;
        for (uint32_t k = 0; k < sets[i].n; k++)
            draft->cells[at++] = (struct cell){sets[i].at[k], i, k};
    }
    draft->first[n] = at;
    if (n_cells)
        qsort(draft->cells, n_cells, sizeof(*draft->cells), compare_cells);
    return 0;
}

/* Numbers names and values; writes how many there are, and their texts. -EFBIG: too many names. */
static int draft_number(struct draft *draft, struct nv_front *texts, struct nv_buf *out)
{
    struct nv_buf counts = NV_BUF(NV_PAGE_BYTES_MAX);
    uint32_t name = UINT32_MAX, value = 0;

    for (size_t i = 0; i < draft->n_cells; i++) {
        const struct cell *cell = &draft->cells[i], *before = cell - 1;
        if (i == 0 || !nv_str_eq(cell->label.name, before->label.name)) {
            if (i)
                nv_put_uvarint(&counts, value + 1);
            nv_front_put(texts, cell->label.name);
            name++;
            value = 0;
        } else if (!nv_str_eq(cell->label.value, before->label.value)) {
            value++;
        }
        draft->names[draft->first[cell->series] + cell->place] = name;
        draft->values[draft->first[cell->series] + cell->place] = value;
    }
    if (draft->n_cells)
        nv_put_uvarint(&counts, value + 1);
    nv_put_uvarint(out, draft->n_series);
    nv_put_uvarint(out, name + 1);
    nv_buf_str(out, nv_buf_view(&counts));
    int r = counts.failed;
    nv_buf_done(&counts);
    return r < 0 ? r : draft->n_cells && name >= NAMES_MAX ? -EFBIG : 0;
}

static void put_value_texts(const struct draft *draft, struct nv_front *texts)
{
    for (size_t i = 0; i < draft->n_cells; i++) {
        const struct cell *cell = &draft->cells[i], *before = cell - 1;
        bool same = i > 0 && nv_str_eq(cell->label.name, before->label.name);
        if (same && nv_str_eq(cell->label.value, before->label.value))
            continue;
        if (!same)
            texts->last = (struct nv_str){NULL, 0};
        nv_front_put(texts, cell->label.value);
    }
}

/* Whether two series have the same names. */
static bool same_shape(const struct draft *draft, size_t a, size_t b)
{
    size_t n = draft->first[a + 1] - draft->first[a];

    return n == draft->first[b + 1] - draft->first[b] &&
           memcmp(&draft->names[draft->first[a]], &draft->names[draft->first[b]],
                  n * sizeof(*draft->names)) == 0;
}

static int put_shapes(const struct draft *draft, struct nv_buf *out)
{
    uint32_t *example = nv_arena_alloc(draft->arena, draft->n_series * sizeof(*example));
    uint32_t *shape = nv_arena_alloc(draft->arena, draft->n_series * sizeof(*shape));
    uint32_t n = 0;

    if (!example || !shape)
        return -ENOMEM;
    for (uint32_t i = 0; i < draft->n_series; i++) {
        uint32_t at = i ? shape[i - 1] : 0;
        if (!n || !same_shape(draft, example[at], i))
            for (at = 0; at < n && !same_shape(draft, example[at], i);)
                at++;
        if (at == n)
            example[n++] = i;
        shape[i] = at;
    }
    nv_put_uvarint(out, n);
    for (uint32_t i = 0; i < n; i++) {
        size_t from = draft->first[example[i]], to = draft->first[example[i] + 1];
        nv_put_uvarint(out, to - from);
        for (size_t k = from; k < to; k++)
            nv_put_uvarint(out, draft->names[k]);
    }
    for (uint32_t i = 0; i < draft->n_series; i++)
        nv_put_uvarint(out, shape[i]);
    return 0;
}

/* The order of cells by name, and in it by series. */
static uint32_t *by_name(const uint32_t *names, size_t n, size_t n_names, struct nv_arena *arena)
{
    uint32_t *order = nv_arena_alloc(arena, n * sizeof(*order) + 1);
    uint32_t *at = nv_arena_alloc(arena, (n_names + 1) * sizeof(*at));

    if (!order || !at)
        return NULL;
    memset(at, 0, (n_names + 1) * sizeof(*at));
    for (size_t i = 0; i < n; i++)
        at[names[i] + 1]++;
    for (size_t i = 0; i < n_names; i++)
        at[i + 1] += at[i];
    for (uint32_t i = 0; i < n; i++)
        order[at[names[i]]++] = i;
    return order;
}

static int put_cells(const struct draft *draft, struct nv_buf *out)
{
    const uint32_t *order = by_name(draft->names, draft->n_cells, draft->n_cells, draft->arena);

    if (!order)
        return -ENOMEM;
    for (size_t i = 0; i < draft->n_cells; i++) {
        bool same = i > 0 && draft->names[order[i]] == draft->names[order[i - 1]];
        int64_t before = same ? draft->values[order[i - 1]] : 0;
        nv_put_varint(out, draft->values[order[i]] - before);
    }
    return 0;
}

int nv_label_page_encode(const struct nv_label_set *sets, size_t n, struct nv_arena *scratch,
                         struct nv_buf *out)
{
    struct draft draft = {.arena = scratch};
    struct nv_buf empty = NV_BUF(NV_PAGE_BYTES_MAX);
    struct nv_front texts = {
        empty, empty, empty, {NULL, 0}
    };

    int r = draft_init(&draft, sets, n);
    if (r < 0)
        return r;
    r = draft_number(&draft, &texts, out);
    if (r == 0)
        r = put_shapes(&draft, out);
    if (r == 0)
        r = put_cells(&draft, out);
    put_value_texts(&draft, &texts);
    nv_front_end(&texts, out);
    return r < 0 ? r : out->failed;
}

/* ---- reading -------------------------------------------------------------------------------- */

struct reading {
    struct nv_str in;
    struct nv_arena *arena, *scratch;
    struct nv_label_page page;
    struct nv_label_values *values; /* the page's */
};

static int read_counts(struct reading *r)
{
    if (!nv_get_below(&r->in, NV_PAGE_SERIES, &r->page.n_series) ||
        !nv_get_below(&r->in, NAMES_MAX, &r->page.n_names) || r->page.n_names > r->in.n)
        return -EBADMSG;
    r->values = nv_arena_alloc(r->arena, (r->page.n_names + 1) * sizeof(*r->values));
    if (!r->values)
        return -ENOMEM;
    for (uint32_t i = 0; i < r->page.n_names; i++)
        if (!nv_get_below(&r->in, r->page.n_series, &r->values[i].n) || !r->values[i].n)
            return -EBADMSG;
    r->page.values = r->values;
    return 0;
}

/* Rising numbers of names, in place. */
static bool read_shape(struct reading *r, uint16_t *names, uint32_t n)
{
    uint32_t name;

    for (uint32_t i = 0; i < n; i++) {
        if (!nv_get_below(&r->in, r->page.n_names - 1, &name) || (i && name <= names[i - 1]))
            return false;
        names[i] = (uint16_t)name;
    }
    return true;
}

static int read_shapes(struct reading *r)
{
    uint32_t n, at = 0;

    if (!nv_get_below(&r->in, r->page.n_series, &r->page.n_shapes))
        return -EBADMSG;
    uint32_t *ends = nv_arena_alloc(r->arena, (r->page.n_shapes + 1) * sizeof(*ends));
    uint16_t *names = nv_arena_alloc(r->scratch, (r->in.n + 1) * sizeof(*names));
    uint16_t *shapes = nv_arena_alloc(r->arena, (r->page.n_series + 1) * sizeof(*shapes));
    if (!ends || !names || !shapes)
        return -ENOMEM;
    for (uint32_t i = 0; i < r->page.n_shapes; i++) {
        if (!nv_get_below(&r->in, r->page.n_names, &n) || n > r->in.n ||
            !read_shape(r, names + at, n))
            return -EBADMSG;
        ends[i] = at += n;
    }
    for (uint32_t i = 0; i < r->page.n_series; i++) {
        if (!r->page.n_shapes || !nv_get_below(&r->in, r->page.n_shapes - 1, &n))
            return -EBADMSG;
        shapes[i] = (uint16_t)n;
    }
    uint16_t *kept = nv_arena_alloc(r->arena, (at + 1) * sizeof(*kept));
    if (!kept)
        return -ENOMEM;
    memcpy(kept, names, at * sizeof(*kept));
    r->page.shape_ends = ends;
    r->page.shape_names = kept;
    r->page.shapes = shapes;
    return 0;
}

static uint32_t shape_begin(const struct nv_label_page *page, uint32_t series)
{
    uint32_t shape = page->shapes[series];

    return shape ? page->shape_ends[shape - 1] : 0;
}

size_t nv_label_page_n(const struct nv_label_page *page, uint32_t i)
{
    return page->shape_ends[page->shapes[i]] - shape_begin(page, i);
}

/* Where the values of each series begin; *ret_n in all. */
static int place_cells(struct reading *r, size_t *ret_n)
{
    uint32_t *at = nv_arena_alloc(r->arena, (r->page.n_series + 1) * sizeof(*at));
    size_t n = 0;

    if (!at)
        return -ENOMEM;
    for (uint32_t i = 0; i < r->page.n_series; i++) {
        at[i] = (uint32_t)n;
        n += nv_label_page_n(&r->page, i);
        if (n > r->in.n) /* each is a byte at least */
            return -EBADMSG;
    }
    r->page.cells_at = at;
    *ret_n = n;
    return 0;
}

/* The names of n cells. */
static uint32_t *names_of_cells(struct reading *r, size_t n)
{
    uint32_t *names = nv_arena_alloc(r->scratch, n * sizeof(*names) + 1);
    size_t at = 0;

    for (uint32_t i = 0; names && i < r->page.n_series; i++) {
        uint32_t begin = shape_begin(&r->page, i), end = r->page.shape_ends[r->page.shapes[i]];
        for (uint32_t k = begin; k < end; k++)
            names[at++] = r->page.shape_names[k];
    }
    return names;
}

static int read_cells(struct reading *r)
{
    size_t n;

    int e = place_cells(r, &n);
    if (e < 0)
        return e;
    uint16_t *cells = nv_arena_alloc(r->arena, n * sizeof(*cells) + 1);
    const uint32_t *names = names_of_cells(r, n);
    const uint32_t *order = names ? by_name(names, n, r->page.n_names, r->scratch) : NULL;
    if (!cells || !order)
        return -ENOMEM;

    int64_t value = 0, difference;
    for (size_t i = 0; i < n; i++) {
        if (!nv_get_varint(&r->in, &difference))
            return -EBADMSG;
        if (i == 0 || names[order[i]] != names[order[i - 1]])
            value = 0;
        if (__builtin_add_overflow(value, difference, &value) || value < 0 ||
            value >= r->values[names[order[i]]].n)
            return -EBADMSG;
        cells[order[i]] = (uint16_t)value;
    }
    r->page.cells = cells;
    return 0;
}

/* n texts that rise. */
static int read_list(struct reading *r, struct nv_front_reader *front, uint32_t n,
                     const struct nv_str **ret)
{
    struct nv_str *texts = nv_arena_alloc(r->arena, (n + 1) * sizeof(*texts));

    if (!texts)
        return -ENOMEM;
    front->last = (struct nv_str){NULL, 0};
    for (uint32_t i = 0; i < n; i++) {
        int e = nv_front_get(front, &texts[i]);
        if (e < 0)
            return e;
        if (i && nv_str_cmp(texts[i - 1], texts[i]) >= 0)
            return -EBADMSG;
    }
    *ret = texts;
    return 0;
}

static int read_texts(struct reading *r)
{
    struct nv_front_reader front;

    int e = nv_front_begin(&front, &r->in, r->arena);
    if (e == 0)
        e = read_list(r, &front, r->page.n_names, &r->page.names);
    for (uint32_t i = 0; e == 0 && i < r->page.n_names; i++)
        e = read_list(r, &front, r->values[i].n, &r->values[i].at);
    return e < 0 ? e : nv_front_done(&front) && !r->in.n ? 0 : -EBADMSG;
}

int nv_label_page_decode(struct nv_str in, struct nv_arena *scratch, struct nv_arena *arena,
                         struct nv_label_page *ret)
{
    struct reading reading = {.in = in, .arena = arena, .scratch = scratch};

    int r = read_counts(&reading);
    if (r == 0)
        r = read_shapes(&reading);
    if (r == 0)
        r = read_cells(&reading);
    if (r == 0)
        r = read_texts(&reading);
    if (r == 0)
        *ret = reading.page;
    return r;
}

size_t nv_label_page_set(const struct nv_label_page *page, uint32_t i, struct nv_label *ret)
{
    const uint16_t *names = page->shape_names + shape_begin(page, i);
    const uint16_t *cells = page->cells + page->cells_at[i];
    size_t n = nv_label_page_n(page, i);

    for (size_t k = 0; k < n; k++)
        ret[k] = (struct nv_label){page->names[names[k]], page->values[names[k]].at[cells[k]]};
    return n;
}
