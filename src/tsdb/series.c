/*
 * Two hash tables with chains, of labels and of series, and a slot for each series by its number. The members of
 * a label are those numbers; a series that goes leaves its number behind there, with an empty slot. When half of the
 * slots are empty so, all members are swept and the numbers become free again.
 */
#include "base/assert.h"
#include "base/index.h"
#include "tsdb/series_parts.h"

enum { FIRST_BUCKETS = 1024, SWEEP_AT_LEAST = 256, PLACES_MAX = UINT16_MAX };

/* ---- life ----------------------------------------------------------------------------------- */

struct nv_series_table *nv_series_table_new(void)
{
    struct nv_series_table *table = calloc(1, sizeof(*table));

    if (!table)
        return NULL;
    table->pairs = calloc(FIRST_BUCKETS, sizeof(struct nv_pair *));
    table->series = calloc(FIRST_BUCKETS, sizeof(struct nv_head_series *));
    table->pair_buckets = table->series_buckets = FIRST_BUCKETS;
    if (!table->pairs || !table->series) {
        free(table->pairs);
        free(table->series);
        free(table);
        return NULL;
    }
    pthread_mutex_init(&table->lock, NULL);
    return table;
}

static void free_pair(struct nv_series_table *table, struct nv_pair *pair)
{
    table->memory -=
        sizeof(*pair) + pair->label.name.n + pair->label.value.n + pair->room * sizeof(uint32_t);
    table->n_pairs--;
    free(pair->members);
    free(pair);
}

static void free_series(struct nv_series_table *table, struct nv_head_series *series)
{
    table->memory -= sizeof(*series) + series->n_labels * sizeof(struct nv_pair *);
    free(series->places);
    free(series);
}

void nv_series_table_free(struct nv_series_table *table)
{
    if (!table)
        return;
    for (uint32_t i = 0; i < table->n_slots; i++)
        if (table->slots[i])
            free_series(table, table->slots[i]);
    for (size_t i = 0; i < table->pair_buckets; i++) {
        while (table->pairs[i]) {
            struct nv_pair *next = table->pairs[i]->next;
            free_pair(table, table->pairs[i]);
            table->pairs[i] = next;
        }
    }
    free(table->pairs);
    free(table->series);
    free(table->slots);
    free(table->free);
    pthread_mutex_destroy(&table->lock);
    free(table);
}

/* ---- labels --------------------------------------------------------------------------------- */

uint64_t nv_series_pair_hash(const struct nv_label *label)
{
    return nv_hash(label->value.p, label->value.n, nv_hash(label->name.p, label->name.n, 0));
}

struct nv_pair *nv_series_find_pair(const struct nv_series_table *table,
                                    const struct nv_label *label, uint64_t hash)
{
    struct nv_pair *pair = table->pairs[hash & (table->pair_buckets - 1)];

    while (pair && (pair->hash != hash || !nv_str_eq(pair->label.name, label->name) ||
                    !nv_str_eq(pair->label.value, label->value)))
        pair = pair->next;
    return pair;
}

/* Twice as many buckets; goes without where memory is out. */
static void more_pair_buckets(struct nv_series_table *table)
{
    size_t n = table->pair_buckets * 2;
    struct nv_pair **buckets = calloc(n, sizeof(struct nv_pair *));

    if (!buckets)
        return;
    for (size_t i = 0; i < table->pair_buckets; i++) {
        while (table->pairs[i]) {
            struct nv_pair *pair = table->pairs[i];
            table->pairs[i] = pair->next;
            pair->next = buckets[pair->hash & (n - 1)];
            buckets[pair->hash & (n - 1)] = pair;
        }
    }
    free(table->pairs);
    table->pairs = buckets;
    table->pair_buckets = n;
}

static struct nv_pair *take_pair(struct nv_series_table *table, const struct nv_label *label)
{
    uint64_t hash = nv_series_pair_hash(label);
    struct nv_pair *pair = nv_series_find_pair(table, label, hash);

    if (pair)
        return pair;
    size_t n_name = label->name.n, n_value = label->value.n;
    pair = malloc(sizeof(*pair) + n_name + n_value);
    if (!pair)
        return NULL;
    char *text = (char *)(pair + 1);
    if (n_name)
        memcpy(text, label->name.p, n_name);
    if (n_value)
        memcpy(text + n_name, label->value.p, n_value);
    *pair = (struct nv_pair){
        .label = {{text, n_name}, {text + n_name, n_value}},
          .hash = hash
    };
    if (table->n_pairs >= table->pair_buckets)
        more_pair_buckets(table);
    struct nv_pair **bucket = &table->pairs[hash & (table->pair_buckets - 1)];
    pair->next = *bucket;
    *bucket = pair;
    table->n_pairs++;
    table->memory += sizeof(*pair) + n_name + n_value;
    return pair;
}

static bool room_for_member(struct nv_series_table *table, struct nv_pair *pair)
{
    if (pair->n < pair->room)
        return true;
    uint32_t room = pair->room ? pair->room * 2 : 1;
    uint32_t *members = realloc(pair->members, room * sizeof(*members));
    if (!members)
        return false;
    table->memory += (room - pair->room) * sizeof(*members);
    pair->members = members;
    pair->room = room;
    return true;
}

/* ---- sweeping ------------------------------------------------------------------------------- */

static void sweep_pair(struct nv_series_table *table, struct nv_pair *pair)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < pair->n; i++)
        if (table->slots[pair->members[i]])
            pair->members[kept++] = pair->members[i];
    pair->n = kept;
}

/* Takes the numbers of series that are gone out of all labels; labels nobody has go too. */
static void sweep(struct nv_series_table *table)
{
    for (size_t i = 0; i < table->pair_buckets; i++) {
        for (struct nv_pair **at = &table->pairs[i]; *at;) {
            struct nv_pair *pair = *at;
            sweep_pair(table, pair);
            if (pair->n) {
                at = &pair->next;
            } else {
                *at = pair->next;
                free_pair(table, pair);
            }
        }
    }
    table->n_free = table->n_stale = 0;
    for (uint32_t i = table->n_slots; i-- > 0;)
        if (!table->slots[i])
            table->free[table->n_free++] = i;
}

/* ---- series --------------------------------------------------------------------------------- */

static uint64_t labels_hash(const struct nv_label *labels, size_t n)
{
    uint64_t hash = n;

    for (size_t i = 0; i < n; i++)
        hash = (hash ^ nv_series_pair_hash(&labels[i])) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 29;
}

static bool has_labels(const struct nv_head_series *series, const struct nv_label *labels, size_t n)
{
    if (series->n_labels != n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!nv_str_eq(series->labels[i]->label.name, labels[i].name) ||
            !nv_str_eq(series->labels[i]->label.value, labels[i].value))
            return false;
    return true;
}

/* That of a source, and whether the label set is claimed for another. */
static struct nv_head_series *find_series(const struct nv_series_table *table, uint32_t source,
                                          const struct nv_label *labels, size_t n, uint64_t hash,
                                          bool *ret_claimed)
{
    struct nv_head_series *series = table->series[hash & (table->series_buckets - 1)], *own = NULL;

    *ret_claimed = false;
    for (; series; series = series->next) {
        if (series->hash != hash || (series->source != source && !series->claimed) ||
            !has_labels(series, labels, n))
            continue;
        if (series->source == source)
            own = series;
        else
            *ret_claimed = true;
    }
    return own;
}

static void more_series_buckets(struct nv_series_table *table)
{
    size_t n = table->series_buckets * 2;
    struct nv_head_series **buckets = calloc(n, sizeof(struct nv_head_series *));

    if (!buckets)
        return;
    for (uint32_t i = 0; i < table->n_slots; i++) {
        struct nv_head_series *series = table->slots[i];
        if (!series)
            continue;
        series->next = buckets[series->hash & (n - 1)];
        buckets[series->hash & (n - 1)] = series;
    }
    free(table->series);
    table->series = buckets;
    table->series_buckets = n;
}

/* A number for a series, with its empty slot. UINT32_MAX where memory is out. */
static uint32_t take_number(struct nv_series_table *table)
{
    if (table->n_free)
        return table->free[--table->n_free];
    if (table->n_slots == table->room_slots) {
        uint32_t room = table->room_slots ? table->room_slots * 2 : FIRST_BUCKETS;
        struct nv_head_series **slots = realloc(table->slots, room * sizeof(*slots));
        if (slots)
            table->slots = slots;
        uint32_t *numbers = realloc(table->free, room * sizeof(*numbers));
        if (numbers)
            table->free = numbers;
        if (!slots || !numbers)
            return UINT32_MAX;
        table->room_slots = room;
    }
    table->slots[table->n_slots] = NULL;
    return table->n_slots++;
}

static struct nv_head_series *make_series(struct nv_series_table *table,
                                          const struct nv_label *labels, size_t n)
{
    struct nv_head_series *series = calloc(1, sizeof(*series) + n * sizeof(struct nv_pair *));
    uint32_t number = series ? take_number(table) : UINT32_MAX;

    if (number == UINT32_MAX) {
        free(series);
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        series->labels[i] = take_pair(table, &labels[i]);
        if (!series->labels[i] || !room_for_member(table, series->labels[i])) {
            table->n_stale++; /* the labels so far mention the number */
            free(series);
            return NULL;
        }
        series->labels[i]->members[series->labels[i]->n++] = number;
    }
    series->number = number;
    series->n_labels = (uint16_t)n;
    table->slots[number] = series;
    table->memory += sizeof(*series) + n * sizeof(struct nv_pair *);
    return series;
}

static int take(struct nv_series_table *table, uint32_t source, const struct nv_label *labels,
                size_t n, bool claim, struct nv_head_series **ret)
{
    NV_SERIES_LOCKED(table);
    uint64_t hash = labels_hash(labels, n);
    bool elsewhere;
    struct nv_head_series *series = find_series(table, source, labels, n, hash, &elsewhere);

    if (claim && elsewhere)
        return NV_SERIES_CONFLICT;
    if (!series) {
        if (table->n_series == NV_SERIES_TABLE_MAX || n > UINT16_MAX)
            return NV_SERIES_FULL;
        if (table->n_series >= table->series_buckets)
            more_series_buckets(table);
        series = make_series(table, labels, n);
        if (!series)
            return -ENOMEM;
        struct nv_head_series **bucket = &table->series[hash & (table->series_buckets - 1)];
        series->hash = hash;
        series->source = source;
        series->next = *bucket;
        *bucket = series;
        table->n_series++;
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
    table->slots[series->number] = NULL;
    table->n_stale++;
    table->n_series--;
    free_series(table, series);
}

void nv_series_unref(struct nv_series_table *table, struct nv_head_series *const *series, size_t n)
{
    NV_SERIES_LOCKED(table);

    for (size_t i = 0; i < n; i++) {
        nv_assert(series[i]->refs > 0);
        if (--series[i]->refs == 0)
            drop_series(table, series[i]);
    }
    if (table->n_stale >= SWEEP_AT_LEAST && table->n_stale > table->n_series / 2)
        sweep(table);
}

/* ---- places --------------------------------------------------------------------------------- */

bool nv_series_place(struct nv_series_table *table, const struct nv_head_series *series,
                     const struct nv_columns *columns, struct nv_place *ret)
{
    NV_SERIES_LOCKED(table);

    for (size_t i = series->n_places; i-- > 0;) {
        if (series->places[i].columns == columns) {
            *ret = series->places[i];
            return true;
        }
    }
    return false;
}

int nv_series_add_place(struct nv_series_table *table, struct nv_head_series *series,
                        struct nv_place place)
{
    NV_SERIES_LOCKED(table);

    if (series->n_places == PLACES_MAX)
        return -ENOMEM;
    struct nv_place *places =
        realloc(series->places, (series->n_places + 1u) * sizeof(*series->places));
    if (!places)
        return -ENOMEM;
    places[series->n_places++] = place;
    series->places = places;
    return 0;
}

void nv_series_drop_places(struct nv_series_table *table, struct nv_head_series *const *series,
                           size_t n, const struct nv_columns *columns)
{
    NV_SERIES_LOCKED(table);

    for (size_t i = 0; i < n; i++) {
        uint16_t kept = 0;
        for (uint16_t k = 0; k < series[i]->n_places; k++)
            if (series[i]->places[k].columns != columns)
                series[i]->places[kept++] = series[i]->places[k];
        series[i]->n_places = kept;
    }
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
        memcpy(*ret, series->places, n * sizeof(**ret));
    *ret_n = n;
    return 0;
}

/* ---- asking --------------------------------------------------------------------------------- */

const struct nv_label *nv_series_labels(const struct nv_head_series *series, struct nv_arena *arena)
{
    struct nv_label *labels = nv_arena_alloc(arena, (series->n_labels + 1u) * sizeof(*labels));

    for (size_t i = 0; labels && i < series->n_labels; i++)
        labels[i] = series->labels[i]->label;
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
    return table->memory + table->n_series * sizeof(struct nv_place) +
           (table->pair_buckets + table->series_buckets) * sizeof(void *) +
           table->room_slots * (sizeof(void *) + sizeof(uint32_t));
}
