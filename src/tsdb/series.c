/*
 * The series: a hash table of them with chains, and of each its claim, its holds and its places. Their labels: series_labels.c.
 */
#include "base/assert.h"
#include "tsdb/series_parts.h"

enum { FIRST_BUCKETS = 256, SWEEP_AT_LEAST = 256, PLACES_MAX = UINT16_MAX };

/* ---- life ----------------------------------------------------------------------------------- */

struct nv_series_table *nv_series_table_new(void)
{
    struct nv_series_table *table = calloc(1, sizeof(*table));

    if (!table)
        return NULL;
    pthread_mutex_init(&table->lock, NULL);
    table->series = calloc(FIRST_BUCKETS, sizeof(struct nv_head_series *));
    table->series_buckets = FIRST_BUCKETS;
    if (nv_series_labels_init(table) < 0 || !table->series) {
        nv_series_table_free(table);
        return NULL;
    }
    return table;
}

static const struct nv_place *places_of(const struct nv_head_series *series)
{
    return series->n_places > 1 ? series->places.many : &series->places.one;
}

static void free_series(struct nv_series_table *table, struct nv_head_series *series)
{
    table->memory -= sizeof(*series);
    if (series->n_places > 1)
        free(series->places.many);
    free(series);
}

void nv_series_table_free(struct nv_series_table *table)
{
    if (!table)
        return;
    for (uint32_t i = 0; i < table->series_numbers.n; i++)
        if (table->series_numbers.at[i])
            free_series(table, table->series_numbers.at[i]);
    nv_numbers_done(&table->series_numbers);
    nv_series_labels_done(table);
    free(table->series);
    pthread_mutex_destroy(&table->lock);
    free(table);
}

/* ---- series --------------------------------------------------------------------------------- */

static uint32_t series_hash(const struct nv_pair *name, const struct nv_pair_set *rest)
{
    uint64_t hash = (rest->hash ^ (name ? name->hash : 0)) * UINT64_C(0x9e3779b97f4a7c15);

    return (uint32_t)(hash >> 32);
}

/* That of a source, and whether the label set is claimed for another. */
static struct nv_head_series *find_series(const struct nv_series_table *table, uint32_t source,
                                          const struct nv_pair *name,
                                          const struct nv_pair_set *rest, bool *ret_claimed)
{
    uint32_t hash = series_hash(name, rest);
    struct nv_head_series *series = table->series[hash & (table->series_buckets - 1)], *own = NULL;

    *ret_claimed = false;
    for (; series; series = series->next) {
        if (series->rest != rest || series->name != name)
            continue;
        if (series->source == source)
            own = series;
        else
            *ret_claimed |= series->claimed;
    }
    return own;
}

static void more_series_buckets(struct nv_series_table *table)
{
    size_t n = table->series_buckets * 2;
    struct nv_head_series **buckets = calloc(n, sizeof(struct nv_head_series *));

    if (!buckets)
        return;
    for (uint32_t i = 0; i < table->series_numbers.n; i++) {
        struct nv_head_series *series = table->series_numbers.at[i];
        if (!series)
            continue;
        series->next = buckets[series->hash & (n - 1)];
        buckets[series->hash & (n - 1)] = series;
    }
    free(table->series);
    table->series = buckets;
    table->series_buckets = n;
}

static struct nv_head_series *make_series(struct nv_series_table *table, uint32_t source,
                                          struct nv_pair *name, struct nv_pair_set *rest)
{
    if (table->n_series >= table->series_buckets)
        more_series_buckets(table);
    struct nv_head_series *series = malloc(sizeof(*series));
    uint32_t number = series ? nv_numbers_take(&table->series_numbers, series) : UINT32_MAX;

    if (number == UINT32_MAX) {
        free(series);
        return NULL;
    }
    if (!nv_members_add(table, &rest->members, number) ||
        (name && !nv_members_add(table, &name->members, number))) {
        nv_numbers_drop(&table->series_numbers, number); /* the set may mention it */
        free(series);
        return NULL;
    }
    uint32_t hash = series_hash(name, rest);
    struct nv_head_series **bucket = &table->series[hash & (table->series_buckets - 1)];
    *series = (struct nv_head_series){.next = *bucket,
                                      .name = name,
                                      .rest = rest,
                                      .hash = hash,
                                      .number = number,
                                      .source = source};
    *bucket = series;
    rest->n_series++;
    table->n_series++;
    table->memory += sizeof(*series);
    return series;
}

static int take(struct nv_series_table *table, uint32_t source, const struct nv_label *labels,
                size_t n, bool claim, struct nv_head_series **ret)
{
    NV_SERIES_LOCKED(table);
    bool may_make = table->n_series < NV_SERIES_TABLE_MAX && n <= UINT16_MAX, elsewhere;
    struct nv_pair_set *rest;
    struct nv_pair *name;

    int r = nv_series_find_labels(table, labels, n, may_make, &name, &rest);
    if (r < 0)
        return r == -ENOENT ? NV_SERIES_FULL : r;
    struct nv_head_series *series = find_series(table, source, name, rest, &elsewhere);
    if (claim && elsewhere)
        return NV_SERIES_CONFLICT;
    if (!series && may_make)
        series = make_series(table, source, name, rest);
    if (!series) {
        if (!rest->n_series)
            nv_series_leave_set(table, rest);
        return may_make ? -ENOMEM : NV_SERIES_FULL;
    }
    series->claimed |= claim;
    series->refs++;
    *ret = series;
    return 0;
}

int nv_series_take(struct nv_series_table *table, uint32_t source, const struct nv_label *labels,
                   size_t n, struct nv_head_series **ret)
{
    return take(table, source, labels, n, false, ret);
}

int nv_series_claim(struct nv_series_table *table, uint32_t source, const struct nv_label *labels,
                    size_t n, struct nv_head_series **ret)
{
    return take(table, source, labels, n, true, ret);
}

static void unclaim(struct nv_series_table *table, struct nv_head_series *series)
{
    table->unclaimed += series->claimed;
    series->claimed = false;
}

void nv_series_unclaim(struct nv_series_table *table, struct nv_head_series *const *series,
                       size_t n)
{
    NV_SERIES_LOCKED(table);

    for (size_t i = 0; i < n; i++)
        unclaim(table, series[i]);
}

uint64_t nv_series_unclaimed(struct nv_series_table *table)
{
    NV_SERIES_LOCKED(table);
    return table->unclaimed;
}

void nv_series_ref(struct nv_series_table *table, struct nv_head_series *series)
{
    NV_SERIES_LOCKED(table);
    series->refs++;
}

static void drop_series(struct nv_series_table *table, struct nv_head_series *series)
{
    struct nv_head_series **at = &table->series[series->hash & (table->series_buckets - 1)];

    unclaim(table, series);
    while (*at != series)
        at = &(*at)->next;
    *at = series->next;
    nv_numbers_drop(&table->series_numbers, series->number);
    table->n_series--;
    nv_series_leave_set(table, series->rest);
    free_series(table, series);
}

static bool is_sweep_due(const struct nv_numbers *numbers)
{
    return numbers->n_stale >= SWEEP_AT_LEAST &&
           numbers->n_stale > (numbers->n - numbers->n_free) / 3;
}

void nv_series_unref(struct nv_series_table *table, struct nv_head_series *const *series, size_t n)
{
    NV_SERIES_LOCKED(table);

    for (size_t i = 0; i < n; i++) {
        nv_assert(series[i]->refs > 0);
        if (--series[i]->refs == 0)
            drop_series(table, series[i]);
    }
    if (is_sweep_due(&table->series_numbers) || is_sweep_due(&table->set_numbers))
        nv_series_sweep(table);
}

/* ---- places --------------------------------------------------------------------------------- */

bool nv_series_place(struct nv_series_table *table, const struct nv_head_series *series,
                     const struct nv_columns *columns, struct nv_place *ret)
{
    NV_SERIES_LOCKED(table);
    const struct nv_place *places = places_of(series);

    for (size_t i = series->n_places; i-- > 0;) {
        if (places[i].columns == columns) {
            *ret = places[i];
            return true;
        }
    }
    return false;
}

int nv_series_add_place(struct nv_series_table *table, struct nv_head_series *series,
                        struct nv_place place)
{
    NV_SERIES_LOCKED(table);
    size_t n = series->n_places;

    if (n == PLACES_MAX)
        return -ENOMEM;
    if (n == 0) {
        series->places.one = place;
    } else {
        struct nv_place *many =
            realloc(n > 1 ? series->places.many : NULL, (n + 1) * sizeof(*many));
        if (!many)
            return -ENOMEM;
        if (n == 1)
            many[0] = series->places.one;
        many[n] = place;
        series->places.many = many;
    }
    series->n_places++;
    return 0;
}

static void drop_places(struct nv_head_series *series, const struct nv_columns *columns)
{
    struct nv_place *places = series->n_places > 1 ? series->places.many : &series->places.one;
    uint16_t before = series->n_places, kept = 0;

    for (uint16_t k = 0; k < before; k++)
        if (places[k].columns != columns)
            places[kept++] = places[k];
    series->n_places = kept;
    if (before > 1 && kept <= 1) {
        if (kept)
            series->places.one = places[0];
        free(places);
    }
}

void nv_series_drop_places(struct nv_series_table *table, struct nv_head_series *const *series,
                           size_t n, const struct nv_columns *columns)
{
    NV_SERIES_LOCKED(table);

    for (size_t i = 0; i < n; i++)
        drop_places(series[i], columns);
}

int nv_series_places(struct nv_series_table *table, const struct nv_head_series *series,
                     struct nv_arena *arena, struct nv_place **ret, size_t *ret_n)
{
    NV_SERIES_LOCKED(table);
    size_t n = series->n_places;

    *ret = nv_arena_alloc(arena, (n + 1) * sizeof(**ret));
    if (!*ret)
        return -ENOMEM;
    if (n)
        memcpy(*ret, places_of(series), n * sizeof(**ret));
    *ret_n = n;
    return 0;
}

/* ---- asking --------------------------------------------------------------------------------- */

const struct nv_label *nv_series_labels(const struct nv_head_series *series, struct nv_arena *arena)
{
    size_t n = nv_series_n_labels(series);
    struct nv_label *labels = nv_arena_alloc(arena, (n + 1) * sizeof(*labels));

    for (size_t i = 0; labels && i < n; i++)
        labels[i] = nv_series_label(series, i)->label;
    return labels;
}

size_t nv_series_count(struct nv_series_table *table)
{
    NV_SERIES_LOCKED(table);
    return table->n_series;
}

size_t nv_series_memory(struct nv_series_table *table)
{
    NV_SERIES_LOCKED(table);
    return table->memory +
           (table->pair_buckets + table->set_buckets + table->series_buckets) * sizeof(void *) +
           (table->series_numbers.room + table->set_numbers.room) *
               (sizeof(void *) + sizeof(uint32_t));
}
